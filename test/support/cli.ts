/** Runs programs natively and through the command line, in directories of their own. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))
const launcher = join(root, 'bin/retrograde.js')

export interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  /** Milliseconds. */
  readonly timeout?: number
}

/** What both sides get; nothing of the machine's. */
export const ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: '/tmp', LANG: 'C', TZ: 'UTC', USER: 'root' }

export const execute = (command: readonly string[], options: RunOptions = {}): Outcome => {
  const { status, signal, stdout, stderr, error } = spawnSync(command[0], command.slice(1), {
    cwd: options.cwd ?? root, env: { ...ENVIRONMENT, ...options.env }, input: options.input ?? '', timeout: options.timeout ?? 120_000,
    encoding: 'latin1', maxBuffer: 256 << 20, killSignal: 'SIGKILL',
  })
  if (error !== undefined && status === null && signal === null) throw error
  return { status: signal === null ? status : 128 + (SIGNALS[signal] ?? 0), stdout, stderr }
}
const SIGNALS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGILL: 4, SIGABRT: 6, SIGBUS: 7, SIGFPE: 8, SIGKILL: 9,
  SIGUSR1: 10, SIGSEGV: 11, SIGUSR2: 12, SIGPIPE: 13, SIGALRM: 14, SIGTERM: 15 }

export const retrograde = (args: readonly string[], options: RunOptions = {}): Outcome =>
  execute([process.execPath, launcher, ...args], options)

export const isInstalled = (path: string): boolean => existsSync(path)

/** Calls with a fresh directory outside /tmp, which the guest sees as its own, and takes it away afterwards. */
export const inDirectory = <T>(body: (directory: string) => T): T => {
  const base = existsSync('/var/tmp') ? '/var/tmp' : tmpdir()
  const directory = mkdtempSync(join(base, 'retrograde-test-'))
  try {
    return body(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
