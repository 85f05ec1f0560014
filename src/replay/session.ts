/**
 * Sessions: a world that is run, recorded or replayed. The API on which the command line and the library stand.
 *
 * A session is a loop over the world in small steps, so that whoever drives it stays in control: `advance` runs for some
 * milliseconds (or waits for input that long) and comes back; between two calls the driver may let its event loop run, show
 * progress, or `interrupt`. `runToEnd` is the loop for those who have nothing else to do.
 */
import type { Tier0Manifest } from '../emu/interp/generate.ts'
import type { TierOptions } from '../emu/jit/jit.ts'
import type { WorldConfig } from '../kernel/config.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { ConsoleInput, HostFiles } from '../kernel/outside.ts'
import type { TraceEvent } from '../trace/events.ts'
import type { TraceCodecs, TraceSink } from '../trace/format.ts'
import type { OUTCOMES } from '../trace/fields.ts'
import type { TraceReader } from '../trace/reader.ts'
import type { ProcessorStatistics, Stopwatch } from '../emu/statistics.ts'
import type { Machine } from './machine.ts'

/** The processor as built: dist/tier0.wasm compiled, and dist/tier0.json. */
export interface Engine {
  readonly module: WebAssembly.Module
  readonly manifest: Tier0Manifest
  /** How hot code is compiled; tier 0 alone if left out. Worlds are the same to the bit either way. */
  readonly tier?: TierOptions
  /** A clock of the host: the processor then measures what it does (`Session.statistics`). It never enters the world. */
  readonly stopwatch?: Stopwatch
}

/** The three standard descriptors of the host. */
export interface SessionConsole {
  /** Writes all of it, which is output of the host with that index. 0, or a negative errno: −EPIPE when the reader is gone. */
  write(fd: 1 | 2, bytes: Uint8Array, host: number): number
  setRaw(raw: boolean): void
  /** What is there, waiting at most `timeoutMs`: bytes, an empty array at the end of the input, a new size of the terminal, undefined on time-out. */
  readInput(max: number, timeoutMs: number): ConsoleInput | undefined
}

/** Wall time is for flushing, progress and waiting for input: it never enters the world. */
export interface SessionClock { wallTimeMs(): number }

export interface SessionHost extends SessionClock {
  readonly engine: Engine
  /** A machine of that engine to use again, recycled, rather than to make one: for many short worlds, one after the other. */
  readonly machine?: Machine
  readonly files: HostFiles
  readonly console: SessionConsole
  /** Told once of each number of a system call that is not known: the guest got ENOSYS. */
  onUnknownSyscall?(number: number): void
}

export interface RunOptions {
  readonly world: WorldConfig
  readonly host: SessionHost
  /** Take the hash of the final state (recording does so anyway). */
  readonly finalHash?: boolean
  /** Told of every event as it happens, for `run --strace` and the like; costs time. */
  readonly onEvent?: (event: TraceEvent, number: number) => void
}

export interface RecordOptions extends RunOptions {
  readonly codecs: TraceCodecs
  /** Called once the program was loaded, so that a world that can't start leaves no file behind. */
  readonly openTrace: () => TraceSink
  /** Version of Retrograde, for the head of the trace: with build metadata (`0.1.0+3fa9c1d2`) it tells builds apart. */
  readonly version: string
  /** Executed cycles between checkpoints; by default as often as costs 1% of the time. */
  readonly checkpointCycles?: number
}

/** 'drive': decisions come from the trace; 'from-seed': they are drawn again from the seed. Inputs come from the trace in both. */
export type ReplayMode = 'drive' | 'from-seed'

export interface ReplayOptions {
  readonly trace: TraceReader
  readonly engine: Engine
  readonly clock: SessionClock
  readonly codecs: TraceCodecs
  readonly mode: ReplayMode
  /** Version of this Retrograde: a divergence says if the trace is of another. */
  readonly version?: string
  /** The guest's output as it is made again; it is compared with the trace in any case. */
  readonly output?: (fd: 1 | 2, bytes: Uint8Array, host: number) => void
  readonly onEvent?: (event: TraceEvent, number: number) => void
  /** Compare state hashes: false for traces of another version, whose state may be laid out otherwise though all events are the same. */
  readonly compareHashes?: boolean
  /** Stop once this event has happened, with outcome 'interrupted'. */
  readonly untilEvent?: number
}

export type Outcome = (typeof OUTCOMES)[number]

export interface SessionResult {
  readonly outcome: Outcome
  /** As wait4 gives it of the first process; undefined while it has not ended. */
  readonly status: number | undefined
  /** What a program that stands for the guest exits with: its status, 128 + a fatal signal, 124 on the cycle limit, 125 if Retrograde failed or the world is in deadlock, 130 if interrupted. */
  readonly exitCode: number
  readonly cycle: number
  readonly events: number
  /** Hex digest of the final state; '' if it was not or could not be taken. */
  readonly hash: string
  /** Who waits for what in a deadlock, or how the world stood when Retrograde failed: lines for people. */
  readonly explanation: readonly string[]
  /** What Retrograde failed with (outcome 'failed'). */
  readonly error: unknown
}

export interface RecordResult extends SessionResult {
  readonly traceBytes: number
  readonly checkpoints: number
}

export interface NumberedEvent { readonly number: number, readonly event: TraceEvent }

export interface Divergence {
  /** Number of the first event that is not as recorded. */
  readonly event: number
  readonly cycle: number
  /** Task that ran, 0 if none. */
  readonly task: number
  /** Where it was, if that is known. */
  readonly rip: number | undefined
  /** What differs, in a few words: 'event', 'state hash' … */
  readonly what: string
  /** What the trace has; undefined if it has nothing more. */
  readonly expected: TraceEvent | undefined
  /** What happened; undefined if the world asked for something that the trace does not have. */
  readonly actual: TraceEvent | undefined
  /** The last event at which both were known to have the same state: the checkpoint before. */
  readonly lastCheckpoint: number
  /** The last events before, as they were recorded and happened. */
  readonly before: readonly NumberedEvent[]
  /** The version that recorded, if it is not the one that replays: that may be all that is wrong. */
  readonly recordedBy: string | undefined
}

export interface ReplayResult extends SessionResult {
  /** undefined: all was as recorded. */
  readonly divergence: Divergence | undefined
  readonly checkpoints: number
  /** The trace had no end: replay went to its last event. Says what was lost. */
  readonly truncated: string | undefined
}

export interface Progress {
  readonly cycle: number
  readonly events: number
  /** Instructions executed, as counted by the processor. */
  readonly executed: number
  readonly tasks: number
  /** 0 … 1 where the length is known (replay). */
  readonly fraction: number | undefined
  /** The world waits for input. */
  readonly waiting: boolean
}

export interface Session<R extends SessionResult = SessionResult> {
  /** undefined if a replay went astray before the program was loaded. */
  readonly kernel: Kernel | undefined
  /** Runs for some milliseconds; the result once the world has ended. Never throws for what the guest does. */
  advance(): R | undefined
  /** Ends the session at the next opportunity, keeping what it has: outcome 'interrupted'. */
  interrupt(): void
  progress(): Progress
  /** Of the processor, complete if the engine has a stopwatch. */
  statistics(): ProcessorStatistics
}

export const runToEnd = <R extends SessionResult>(session: Session<R>): R => {
  for (;;) {
    const result = session.advance()
    if (result !== undefined) return result
  }
}

/** The exit status of a replay that differs from its trace, and of two traces that differ. */
export const EXIT_DIVERGED = 3
/** The exit status of Retrograde's own failures, as with other tools that run a program. */
export const EXIT_FAILED = 125
export const EXIT_TIMEOUT = 124
export const EXIT_INTERRUPTED = 130

/** What a shell's $? would be: the low byte of exit, or 128 + signal. */
export const exitCodeOf = (outcome: Outcome, status: number | undefined): number => {
  switch (outcome) {
    case 'exited': {
      const signal = (status ?? 0) & 0x7f
      return signal !== 0 ? 128 + signal : ((status ?? 0) >> 8) & 0xff
    }
    case 'timeout': return EXIT_TIMEOUT
    case 'interrupted': return EXIT_INTERRUPTED
    case 'deadlock': case 'failed': return EXIT_FAILED
  }
}
