/** The worlds whose traces are kept in traces/: small, and of all that a trace can hold. */
import type { WorldConfig } from '../../src/kernel/config.ts'

export interface Golden {
  readonly name: string
  readonly guest: string
  readonly world: Partial<WorldConfig>
  readonly input: readonly string[]
}

export const GOLDEN: readonly Golden[] = [
  { name: 'race-2-cpus', guest: 'replay-race', world: { cpus: 2, seed: 'golden' }, input: [] },
  { name: 'race-round-robin', guest: 'replay-race', world: { cpus: 1, strategy: 'round-robin' }, input: [] },
  { name: 'tour', guest: 'replay-tour', world: { seed: 'golden' }, input: ['one\n', 'two\nth', 'ree\n'] },
  { name: 'tour-terminal', guest: 'replay-tour', world: { stdio: ['tty', 'tty', 'tty'], cpus: 4 }, input: ['typed\r', 'more\r', '\x04'] },
  { name: 'threads', guest: 'abi-threads', world: { cpus: 3, seed: 'golden' }, input: [] },
  { name: 'signals', guest: 'abi-signals', world: { cpus: 2, seed: 'golden' }, input: [] },
  { name: 'vector', guest: 'vector', world: { cpu: 'x86-64-v3', cpus: 3, seed: 'golden' }, input: [] },
  { name: 'vector-state', guest: 'vector-state', world: { cpu: 'x86-64-v3', cpus: 2, seed: 'golden' }, input: [] },
]
