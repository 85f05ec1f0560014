/** Executes sequences of system calls in worlds, and judges what happens. */
import type { WorldConfig } from '../../kernel/config.ts'
import type { HostFiles } from '../../kernel/outside.ts'
import type { TraceCodecs } from '../../trace/format.ts'
import { TraceReader } from '../../trace/reader.ts'
import { makeMachine, type Machine } from '../machine.ts'
import { MemorySink } from '../memory-sink.ts'
import { startRecording } from '../record.ts'
import { startReplay } from '../replay.ts'
import { startRun } from '../run.ts'
import { type Engine, runToEnd, type SessionClock, type SessionHost, type SessionResult } from '../session.ts'
import { DIRECTORY, encodeFuzzProgram, type FuzzProgram } from './program.ts'

/** What is needed to run a world of the guest `fuzz-run`. */
export interface FuzzHost {
  readonly engine: Engine
  readonly clock: SessionClock
  readonly codecs: TraceCodecs
  /** The program guests/bin/fuzz-run. */
  readonly guest: Uint8Array
  readonly version: string
}

export interface FuzzWorld extends Pick<WorldConfig, 'seed' | 'cpus' | 'strategy'> {
  /** 0, or who else makes the calls. */
  readonly uid: number
}

/** What came of one sequence. */
export interface FuzzOutcome {
  readonly outcome: SessionResult['outcome']
  readonly exitCode: number
  /** Lines of the guest: number of the call, process, system call, what it answered. */
  readonly lines: readonly string[]
  /** Retrograde's own failure, or a replay that differs: what no sequence of calls should bring about. */
  readonly broken: string | undefined
}

const GUEST = '/bin/fuzz-run'
/** A sequence takes some hundred thousand cycles; one that waits for what never comes is stopped. */
const CYCLES = 200e6
export const MEMORY = 256 << 20
const EPOCH = 1_767_225_600

/** A world whose guest reads the program from its standard input. */
export const worldOf = (guest: Uint8Array, { seed, cpus, strategy, uid }: FuzzWorld): WorldConfig => ({
  program: GUEST, argv: ['fuzz-run'], env: [], cwd: DIRECTORY,
  mounts: [{ guest: '/', source: { kind: 'tmpfs' } }, { guest: DIRECTORY, source: { kind: 'tmpfs' } }, { guest: '/proc', source: { kind: 'proc' } }, { guest: '/dev', source: { kind: 'dev' } }],
  files: [{ path: '/', mode: 0o40_755 }, { path: GUEST, mode: 0o755, content: guest }],
  hostname: 'fuzz', cpus, seed, strategy, cpuHz: 1e9, epochSeconds: EPOCH, uid, gid: uid, stdio: ['pipe', 'pipe', 'pipe'], terminal: { rows: 24, columns: 80 },
  memoryLimit: MEMORY, cycleLimit: CYCLES,
})

export const messageOf = (error: unknown): string => error instanceof Error ? error.stack ?? error.message : String(error)
const ENOENT = 2

/** Lines of text of bytes as they are, one character a byte. */
export const linesOf = (parts: readonly Uint8Array[]): string[] => parts.map((part) => String.fromCharCode(...part)).join('').split('\n').filter((line) => line !== '')

export const NO_FILES: HostFiles = { lstat: () => -ENOENT, readdir: () => -ENOENT, readlink: () => -ENOENT, readFile: () => -ENOENT }

export class FuzzRunner {
  readonly #host: FuzzHost
  #machine: Machine | undefined

  constructor(host: FuzzHost) { this.#host = host }

  #session(program: FuzzProgram, output: Uint8Array[]): SessionHost {
    const { engine, clock } = this.#host
    let input = encodeFuzzProgram(program)
    if (this.#machine === undefined) this.#machine = makeMachine(engine, MEMORY)
    else this.#machine.processor.recycle()
    return {
      engine, machine: this.#machine, wallTimeMs: () => clock.wallTimeMs(),
      files: NO_FILES,
      console: {
        write: (_fd, bytes) => {
          output.push(bytes.slice())
          return 0
        },
        setRaw: () => { /* no terminal */ },
        readInput: (max) => {
          const bytes = input.subarray(0, max)
          input = input.subarray(max)
          return bytes
        },
      },
    }
  }

  #outcome(result: SessionResult, output: readonly Uint8Array[]): FuzzOutcome {
    // After Retrograde's own failure nothing is used again.
    if (result.outcome === 'failed') this.#machine = undefined
    return {
      outcome: result.outcome, exitCode: result.exitCode, lines: linesOf(output),
      broken: result.outcome === 'failed' ? messageOf(result.error) : undefined,
    }
  }

  /** Without recording: what the calls answer. */
  run(program: FuzzProgram, world: FuzzWorld): FuzzOutcome {
    const output: Uint8Array[] = []
    return this.#outcome(runToEnd(startRun({ world: worldOf(this.#host.guest, world), host: this.#session(program, output) })), output)
  }

  /** Records it into memory. */
  record(program: FuzzProgram, world: FuzzWorld): FuzzOutcome & { readonly trace: Uint8Array } {
    const output: Uint8Array[] = []
    const sink = new MemorySink()
    const { codecs, version } = this.#host
    const result = runToEnd(startRecording({ world: worldOf(this.#host.guest, world), host: this.#session(program, output), codecs, version, openTrace: () => sink }))
    return { ...this.#outcome(result, output), trace: sink.bytes }
  }

  /** Records it and replays it both ways: the states at the end must be equal. */
  verify(program: FuzzProgram, world: FuzzWorld): FuzzOutcome & { readonly trace: Uint8Array } {
    const recorded = this.record(program, world)
    if (recorded.broken !== undefined) return recorded
    const { engine, clock, codecs } = this.#host
    for (const mode of ['drive', 'from-seed'] as const) {
      const bytes = recorded.trace
      const trace = new TraceReader({ name: 'trace', size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) }, codecs)
      const { divergence } = runToEnd(startReplay({ trace, engine, clock, codecs, mode }))
      if (divergence !== undefined) return { ...recorded, broken: `replayed (${mode}), it differs at event ${divergence.event}: ${divergence.what}` }
    }
    return recorded
  }
}
