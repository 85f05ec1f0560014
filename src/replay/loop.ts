/** The loop that all sessions share: turns of the world, waiting for input, the end. */
import type { ConsoleInput } from '../kernel/outside.ts'
import type { WorldConfig } from '../kernel/config.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { createWorld, provideInput, runWorld, skipToDeadline, type WorldStop } from '../kernel/world.ts'
import { explain, explainCrash } from './explain.ts'
import { type Machine, makeMachine } from './machine.ts'
import { type Engine, exitCodeOf, type Outcome, type Progress, type Session, type SessionClock, type SessionResult } from './session.ts'
import { hexOf, StateHasher } from './state-hash.ts'
import type { Tap } from './tap.ts'
import type { ProcessorStatistics } from '../emu/statistics.ts'

/** Slices in a turn: few, as a task that is alone runs for long in one slice. */
export const TURN_SLICES = 4
/** `advance` comes back after about this long. */
const ADVANCE_MS = 20
/** Input is taken in pieces of at most this many bytes. */
export const INPUT_BYTES = 1 << 16

const NO_STATUS = -1

export interface End {
  readonly outcome: Outcome
  readonly status: number | undefined
  readonly error?: unknown
}

/** What waits for input, while every task of the world waits. */
export interface Waiting {
  /** Virtual cycle of the next timer, Infinity if there is none; and the wall time at which it comes. */
  readonly deadline: number
  readonly deadlineMs: number
}

export abstract class WorldLoop<R extends SessionResult> implements Session<R> {
  #kernel: Kernel | undefined
  readonly #config: WorldConfig
  protected readonly machine: Machine
  protected readonly tap: Tap
  protected readonly clock: SessionClock
  protected readonly hasher: StateHasher
  protected turn = 0
  protected readonly turnSlices: number
  #waiting: Waiting | undefined
  #interrupted = false
  #result: R | undefined
  /** Where the program was when a signal killed it. */
  #crash: readonly string[] = []

  constructor(config: WorldConfig, engine: Engine, tap: Tap, clock: SessionClock, turnSlices: number, machine?: Machine) {
    this.#config = config
    this.tap = tap
    this.clock = clock
    this.turnSlices = turnSlices
    this.machine = machine ?? makeMachine(engine, config.memoryLimit)
    this.hasher = new StateHasher(this.machine.memory)
  }

  /** Makes the world. @throws WorldError if the program can't be run, and what the sources of the tap throw */
  protected start(): void {
    this.#kernel = createWorld(this.#config, this.machine.memory, this.machine.processor, this.tap)
    this.tap.kernel = this.#kernel
    if (this.wantsExplanation) this.tap.onCore = (kernel, task, signal, address) => { this.#crash = explainCrash(kernel, task, signal, address) }
  }

  get kernel(): Kernel | undefined { return this.#kernel }

  protected get world(): Kernel {
    if (this.#kernel === undefined) throw new Error('the world was not made yet')
    return this.#kernel
  }

  protected get cycle(): number { return this.#kernel?.now ?? 0 }
  protected get status(): number | undefined { return this.#kernel?.state.mainStatus }

  interrupt(): void { this.#interrupted = true }

  advance(): R | undefined {
    if (this.#result !== undefined) return this.#result
    let end: End | undefined
    try {
      end = this.#run()
    } catch (error) {
      end = this.failed(error)
    }
    if (end !== undefined) this.#result = this.finish(end)
    return this.#result
  }

  #run(): End | undefined {
    const until = this.clock.wallTimeMs() + ADVANCE_MS
    do {
      const early = this.betweenTurns(this.#interrupted)
      if (early !== undefined) return early
      if (this.#waiting !== undefined) {
        if (!this.#awaitInput(this.#waiting)) return undefined
        this.#waiting = undefined
      }
      const end = this.#endOf(runWorld(this.world, this.turnSlices))
      this.turn++
      if (end !== undefined) return end
    } while (this.clock.wallTimeMs() < until)
    return undefined
  }

  #endOf(stop: WorldStop): End | undefined {
    switch (stop.reason) {
      case 'running': return undefined
      case 'exited': return { outcome: 'exited', status: stop.status }
      case 'deadlock': case 'timeout': return { outcome: stop.reason, status: this.status }
      case 'input': {
        const virtualMs = (stop.deadline - this.cycle) / this.#config.cpuHz * 1000
        this.#waiting = { deadline: stop.deadline, deadlineMs: this.clock.wallTimeMs() + virtualMs }
        return undefined
      }
    }
  }

  /** Whether the world can go on. */
  #awaitInput(waiting: Waiting): boolean {
    const input = this.takeInput(waiting)
    if (input === 'wait') return false
    if (input === 'deadline') skipToDeadline(this.world)
    else provideInput(this.world, input)
    return true
  }

  /** Before each turn, and again while the world waits: checkpoints, flushing, and whether to end. */
  protected abstract betweenTurns(interrupted: boolean): End | undefined
  /** What comes to a world in which every task waits: bytes, a new size of the terminal, its deadline, or nothing yet. */
  protected abstract takeInput(waiting: Waiting): ConsoleInput | 'deadline' | 'wait'
  protected abstract finish(end: End): R
  /** Something was thrown while the world ran. */
  protected failed(error: unknown): End { return { outcome: 'failed', status: this.status, error } }

  protected abstract get events(): number
  protected get fraction(): number | undefined { return undefined }
  /** Whether anybody reads where a program crashed, or who waits for whom: it takes a millisecond or more. */
  protected get wantsExplanation(): boolean { return true }

  progress(): Progress {
    return {
      cycle: this.cycle, events: this.events, executed: this.machine.processor.totalExecuted, tasks: this.#kernel?.state.tasks.size ?? 0,
      fraction: this.fraction, waiting: this.#waiting !== undefined,
    }
  }

  statistics(): ProcessorStatistics { return this.machine.processor.statistics }

  /** The hash of the state as it is now; empty if Retrograde failed in the middle of changing it. */
  protected finalHash(end: End): Uint8Array {
    return end.outcome === 'failed' ? new Uint8Array(0) : this.hasher.hashWorld(this.world)
  }

  protected resultOf(end: End, hash: Uint8Array): SessionResult {
    return {
      outcome: end.outcome, status: end.status, exitCode: exitCodeOf(end.outcome, end.status), cycle: this.cycle, events: this.events,
      hash: hexOf(hash), explanation: this.#kernel === undefined || !this.wantsExplanation ? [] : end.outcome !== 'exited' ? explain(this.#kernel, end.outcome) : ((end.status ?? 0) & 0x7f) !== 0 ? this.#crash : [],
      error: end.error,
    }
  }

  /** The trace's last event. */
  protected emitEnd(end: End, hash: Uint8Array): void {
    this.tap.emit({
      type: 'end', cycle: this.cycle, turn: this.turn, outcome: end.outcome, status: end.status ?? NO_STATUS, hash,
      message: end.outcome !== 'failed' ? '' : end.error instanceof Error ? end.error.message : String(end.error),
    })
  }
}
