/** Runs one program under one schedule after the other, in one machine: what a worker of explore does. */
import type { PctConfig, WorldConfig } from '../kernel/config.ts'
import type { HostFiles } from '../kernel/outside.ts'
import type { TraceEvent } from '../trace/events.ts'
import type { TraceCodecs, TraceSink } from '../trace/format.ts'
import { type FailOn, type Failure, failureKey, failureText, Watch } from './explore-failure.ts'
import { LiveLoop } from './live.ts'
import type { End } from './loop.ts'
import { type Machine, makeMachine } from './machine.ts'
import { startRecording } from './record.ts'
import type { Engine, Session, SessionClock, SessionHost, SessionResult } from './session.ts'
import type { EventSink } from './tap.ts'

/** In what the world of a schedule differs from those of others. */
export interface Schedule {
  /** From 1. */
  readonly number: number
  readonly seed: string
  readonly pct?: PctConfig
  readonly cycleLimit: number
}

export interface ScheduleResult extends Schedule {
  readonly failure: Failure | undefined
  /** What Retrograde itself failed with. */
  readonly broken: string | undefined
  readonly interrupted: boolean
  readonly cycle: number
  readonly executed: number
  /** Instructions while more than one task could run; counted under the strategy 'pct' only. */
  readonly steps: number
}

export interface ScheduleOptions {
  readonly world: WorldConfig
  readonly engine: Engine
  readonly files: HostFiles
  readonly clock: SessionClock
  readonly input: Uint8Array
  readonly failOn: FailOn
}

/** Each thing is asked of the host once: all schedules see the same. */
const cached = (files: HostFiles): HostFiles => {
  const known = new Map<string, unknown>()
  const once = <T>(what: string, mount: number, path: string, ask: (mount: number, path: string) => T): T => {
    const key = `${what} ${mount} ${path}`
    if (!known.has(key)) known.set(key, ask(mount, path))
    return known.get(key) as T
  }
  return {
    lstat: (mount, path) => once('lstat', mount, path, files.lstat),
    readdir: (mount, path) => once('readdir', mount, path, files.readdir),
    readlink: (mount, path) => once('readlink', mount, path, files.readlink),
    readFile: (mount, path) => once('readFile', mount, path, files.readFile),
  }
}

/** Only what a failure is told by is looked at: nothing is made of system calls. */
class WatchSink implements EventSink {
  readonly wantsStrings = false
  readonly #watch: Watch
  constructor(watch: Watch) { this.#watch = watch }
  event(event: TraceEvent): void { this.#watch.event(event) }
  syscall(): void { /* of no interest */ }
  blob(): number { return 0 }
}

class ScheduleLoop extends LiveLoop<SessionResult> {
  constructor(world: WorldConfig, host: SessionHost, watch: Watch) {
    super(world, host, new WatchSink(watch), () => 0)
    this.start()
  }

  protected get events(): number { return 0 }
  protected finish(end: End): SessionResult { return this.resultOf(end, new Uint8Array(0)) }
}

const messageOf = (error: unknown): string => error instanceof Error ? error.stack ?? error.message : String(error)

export class ScheduleRunner {
  readonly #options: ScheduleOptions
  readonly #files: HostFiles
  #machine: Machine | undefined

  constructor(options: ScheduleOptions) {
    this.#options = options
    this.#files = cached(options.files)
  }

  /** Starts a schedule; there is one at a time. @throws WorldError if the program can't be run */
  start(schedule: Schedule): ScheduleRun {
    const watch = this.#watch()
    return new ScheduleRun(schedule, watch, this.#options.failOn, new ScheduleLoop(this.#worldOf(schedule), this.#host(watch), watch), this.#fresh)
  }

  /** Runs a schedule again and records it. @throws Error if it does not end as before, and what `openTrace` throws */
  *record(schedule: Schedule, failure: Failure, version: string, codecs: TraceCodecs, openTrace: () => TraceSink): Generator<undefined, void> {
    const watch = this.#watch()
    const session = startRecording({
      world: this.#worldOf(schedule), host: this.#host(watch), codecs, version, openTrace, onEvent: (event) => { watch.event(event) },
    })
    const run = new ScheduleRun(schedule, watch, this.#options.failOn, session, this.#fresh)
    for (;;) {
      const result = run.advance()
      if (result === undefined) {
        yield undefined
        continue
      }
      if (result.broken !== undefined) throw new Error(`recording seed ${schedule.seed}: ${result.broken}`)
      if (result.failure === undefined || failureKey(result.failure) !== failureKey(failure)) {
        throw new Error(`seed ${schedule.seed} ended otherwise when it was recorded: ${result.failure === undefined ? 'well' : failureText(result.failure)}`)
      }
      return
    }
  }

  #watch(): Watch { return new Watch(this.#options.failOn.output !== undefined, this.#options.input) }

  #worldOf({ seed, pct, cycleLimit }: Schedule): WorldConfig {
    return { ...this.#options.world, seed, cycleLimit, ...(pct === undefined ? {} : { pct }) }
  }

  #host(watch: Watch): SessionHost {
    const { engine, clock, world } = this.#options
    if (this.#machine === undefined) this.#machine = makeMachine(engine, world.memoryLimit)
    else this.#machine.processor.recycle()
    return { engine, machine: this.#machine, files: this.#files, console: watch, wallTimeMs: () => clock.wallTimeMs() }
  }

  /** After Retrograde's own failure nothing is used again. */
  readonly #fresh = (): void => { this.#machine = undefined }
}

export class ScheduleRun {
  readonly #schedule: Schedule
  readonly #watch: Watch
  readonly #failOn: FailOn
  readonly #session: Session
  readonly #onBroken: () => void

  constructor(schedule: Schedule, watch: Watch, failOn: FailOn, session: Session, onBroken: () => void) {
    this.#schedule = schedule
    this.#watch = watch
    this.#failOn = failOn
    this.#session = session
    this.#onBroken = onBroken
  }

  interrupt(): void { this.#session.interrupt() }

  /** Runs for some milliseconds. */
  advance(): ScheduleResult | undefined {
    const result = this.#session.advance()
    if (result === undefined) return undefined
    const { kernel } = this.#session
    const isBroken = result.outcome === 'failed'
    if (isBroken) this.#onBroken()
    return {
      ...this.#schedule, failure: this.#watch.judge(result, kernel, this.#failOn), broken: isBroken ? messageOf(result.error) : undefined,
      interrupted: result.outcome === 'interrupted', cycle: result.cycle, executed: this.#session.progress().executed, steps: kernel?.state.pct?.steps ?? 0,
    }
  }
}
