/** Answers from the host and the seed: for worlds that are run or recorded. */
import type { WorldConfig } from '../kernel/config.ts'
import { SeededEntropy } from './entropy.ts'
import type { SessionHost } from './session.ts'
import type { Sources } from './tap.ts'

export const hostSources = (config: WorldConfig, host: SessionHost): Sources => ({
  entropy: new SeededEntropy(config.seed, config.scheduleSeed),
  files: host.files,
  readInput: (max) => host.console.readInput(max, 0),
  write: (fd, bytes, index) => host.console.write(fd, bytes, index),
  onUnknownSyscall: (number) => { host.onUnknownSyscall?.(number) },
  setRaw: (raw) => { host.console.setRaw(raw) },
})
