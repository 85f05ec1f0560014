/**
 * Exploring: one program under many seeds, until one fails. This is the bookkeeping, which runs nothing itself: it gives out
 * schedules and takes their results, so that one thread or many may do the work.
 */
import type { WorldConfig } from '../kernel/config.ts'
import { type Failure, failureKey } from './explore-failure.ts'
import type { Schedule, ScheduleResult } from './explore-schedule.ts'

export interface ExploreOptions {
  /** Schedules at most. */
  readonly most: number
  /** What the seeds begin with. */
  readonly seed: string
  readonly strategy: WorldConfig['strategy']
  /** Of the strategy 'pct'; `steps` undefined: estimated. */
  readonly pct: { readonly depth: number, readonly steps: number | undefined }
  /** Infinity: found from how long the first schedules take. */
  readonly cycleLimit: number
  /** Goes on after a failure. */
  readonly keepGoing: boolean
  /** This part of the schedules only, from 1. */
  readonly shard: { readonly part: number, readonly of: number }
}

export interface FoundFailure {
  readonly failure: Failure
  /** The first that failed so. */
  readonly schedule: Schedule
  /** Schedules run before it, in this order of results, and itself. */
  readonly after: number
  readonly afterMs: number
  /** Of that schedule, for people. */
  readonly details: readonly string[]
  count: number
}

/** The first schedules tell how long the program takes: later ones depend on them, and they on nothing. */
const PROBES = 4
const PROBE_CYCLES = 1e9
/** A schedule that takes so many times the cycles of the longest probe, and as many more, hangs. */
const HANG_FACTOR = 20
const HANG_CYCLES = 50e6

export class Exploration {
  readonly #options: ExploreOptions
  readonly #found = new Map<string, FoundFailure>()
  #given = 0
  #probed = 0
  #longest = 0
  #steps = 1
  #stopped = false
  schedules = 0
  failed = 0
  executed = 0
  broken: string | undefined

  constructor(options: ExploreOptions) {
    this.#options = options
  }

  get failures(): readonly FoundFailure[] { return [...this.#found.values()] }
  /** What change points are drawn from, once it is known. */
  get steps(): number { return this.#options.pct.steps ?? this.#steps }
  get cycleLimit(): number {
    const { cycleLimit } = this.#options
    return cycleLimit !== Infinity ? cycleLimit : this.#isProbing ? PROBE_CYCLES : this.#longest * HANG_FACTOR + HANG_CYCLES
  }

  get #isProbing(): boolean { return this.#probed < Math.min(PROBES, this.#options.most) }
  /** Nothing more will be given out. */
  get isExhausted(): boolean { return this.#stopped || this.#given >= this.#options.most }

  /** Gives out no more. */
  stop(): void { this.#stopped = true }

  /** The next to run; undefined: none now, as the results of the first are awaited, or none at all. */
  next(): Schedule | undefined {
    const { strategy, pct, most, seed, shard } = this.#options
    const isProbe = this.#given < PROBES
    if (this.#stopped || this.#given >= most || (!isProbe && this.#isProbing)) return undefined
    const index = this.#given++
    const number = index * shard.of + shard.part
    const config = isProbe && pct.steps === undefined ? { depth: 1, steps: 1 } : { depth: pct.depth, steps: this.steps }
    return { number, seed: `${seed}-${number}`, cycleLimit: this.cycleLimit, ...(strategy === 'pct' ? { pct: config } : {}) }
  }

  /** Results of schedules that `next` gave. */
  take(result: ScheduleResult, elapsedMs: number): void {
    if (result.interrupted) return
    this.#probed++
    this.schedules++
    this.executed += result.executed
    if (this.#probed <= PROBES) {
      this.#longest = Math.max(this.#longest, result.cycle)
      this.#steps = Math.max(this.#steps, result.steps)
    }
    if (result.broken !== undefined) {
      this.broken ??= `seed ${result.seed}: ${result.broken}`
      this.stop()
      return
    }
    const { failure } = result
    if (failure === undefined) return
    this.failed++
    const key = failureKey(failure)
    const known = this.#found.get(key)
    if (known !== undefined) {
      known.count++
    } else {
      const { number, seed, pct, cycleLimit } = result
      const schedule: Schedule = { number, seed, cycleLimit, ...(pct === undefined ? {} : { pct }) }
      this.#found.set(key, { failure, schedule, after: this.schedules, afterMs: elapsedMs, details: result.details, count: 1 })
    }
    if (!this.#options.keepGoing) this.stop()
  }
}
