/**
 * Exploring: one program under many seeds, until one fails. This is the bookkeeping, which runs nothing itself: it gives out
 * schedules and takes their results, so that one thread or many may do the work.
 */
import type { WorldConfig } from '../kernel/config.ts'
import type { Finding } from './detect/finding.ts'
import { type Failure, failureKey } from './explore-failure.ts'
import type { Schedule, ScheduleResult } from './explore-schedule.ts'
import { makeSearch } from './search/guides.ts'
import { choicesOf, type Plan, type Search, type SearchName, SEARCHES } from './search/plan.ts'

/** Of worlds, or a systematic search (search/). */
export type ExploreStrategy = WorldConfig['strategy'] | SearchName

export interface ExploreOptions {
  /** Schedules at most. */
  readonly most: number
  /** What the seeds begin with. */
  readonly seed: string
  readonly strategy: ExploreStrategy
  /** Of the strategy 'pct'; `steps` undefined: estimated. */
  readonly pct: { readonly depth: number, readonly steps: number | undefined }
  /** Of the strategies 'preempt' and 'delay': how many at most. */
  readonly mostBound?: number
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
  details: readonly string[]
  count: number
}

/** The first schedules tell how long the program takes: later ones depend on them, and they on nothing. */
const PROBES = 4
const PROBE_CYCLES = 1e9
/** A schedule that takes so many times the cycles of the longest probe, and as many more, hangs. */
const HANG_FACTOR = 20
const HANG_CYCLES = 50e6
/** Where tasks are stopped at each access a cycle costs more. */
const HANG_CYCLES_OF_STOPS = 2e6
/** Orders of system calls that are kept. */
const MOST_ORDERS = 1 << 20

export const isSearch = (name: ExploreStrategy): name is SearchName => (SEARCHES as readonly string[]).includes(name)

export class Exploration {
  readonly #options: ExploreOptions
  readonly #found = new Map<string, FoundFailure>()
  #given = 0
  #probed = 0
  #longest = 0
  #steps = 1
  /** For want of others. */
  #stepsOfHangs = 1
  #stopped = false
  #awaitsFinder = false
  /** Schedules before are of a search that was given up. */
  #restartedAt = 0
  readonly #orders = new Set<number>()
  #search: Search | undefined
  /** Addresses in eights that tasks compete for: where they are stopped. */
  #points: readonly number[] = []
  /** How often a search began anew, as more such memory was found. */
  restarts = 0
  schedules = 0
  failed = 0
  executed = 0
  broken: string | undefined
  /** By their line: what detectors warn of. */
  readonly warnings = new Map<string, Finding>()

  constructor(options: ExploreOptions) {
    this.#options = options
    this.#search = this.#newSearch()
  }

  #newSearch(): Search | undefined {
    const { strategy, seed, mostBound = Infinity } = this.#options
    return isSearch(strategy) ? makeSearch(strategy, seed, mostBound) : undefined
  }

  /** Tasks are stopped at what they compete for, which is to be known first. */
  get #stops(): boolean { return this.#search !== undefined || this.#options.strategy === 'pos' || this.#options.strategy === 'pct-access' }
  /** Of a systematic search: how far it has come. */
  get searchProgress(): string | undefined { return this.#search?.progress }
  /** How many orders of system calls were seen. */
  get orders(): number { return this.#orders.size }

  get failures(): readonly FoundFailure[] { return [...this.#found.values()] }
  /** What change points are drawn from, once it is known. */
  get steps(): number { return this.#options.pct.steps ?? (this.#steps > 1 ? this.#steps : this.#stepsOfHangs) }
  get cycleLimit(): number {
    const { cycleLimit } = this.#options
    return cycleLimit !== Infinity ? cycleLimit : this.#isProbing ? PROBE_CYCLES : this.#longest * HANG_FACTOR + (this.#stops ? HANG_CYCLES_OF_STOPS : HANG_CYCLES)
  }

  get #isProbing(): boolean { return this.#probed < Math.min(PROBES, this.#options.most) }
  /** Nothing more will be given out. */
  get isExhausted(): boolean { return this.#stopped || this.#given >= this.#options.most || this.#search?.isDone === true }

  /** Gives out no more. */
  stop(): void { this.#stopped = true }

  /** The next to run; undefined: none now, as the results of the first are awaited, or none at all. */
  next(): Schedule | undefined {
    const { strategy, pct, most, seed, shard } = this.#options
    const isProbe = this.#given < PROBES
    if (this.#stopped || this.#given >= most || (!isProbe && this.#isProbing) || this.#awaitsFinder) return undefined
    // Tasks may compete for more than the first schedules saw: it is looked for again, ever more rarely.
    const isFinder = this.#stops && !isProbe && Number.isInteger(Math.log2(this.#given))
    const plan = isProbe || isFinder ? undefined : this.#search?.next()
    if (!isProbe && !isFinder && this.#search !== undefined && plan === undefined) return undefined
    // Others wait for what it finds, so that they are the same whoever runs them.
    this.#awaitsFinder = isFinder
    const index = this.#given++
    const number = index * shard.of + shard.part
    const config = isProbe && pct.steps === undefined ? { depth: 1, steps: 1 } : { depth: pct.depth, steps: this.steps }
    // What else is drawn (faults) must repeat where choices do.
    return { number, seed: plan === undefined ? `${seed}-${number}` : `${seed}-search`, cycleLimit: this.cycleLimit, ...(strategy === 'pct' ? { pct: config } : strategy === 'pct-access' && !isProbe && !isFinder ? { pct: { depth: pct.depth, steps: pct.steps ?? 1 } } : {}), ...(this.#stops ? this.#stopping(isProbe || isFinder, plan) : {}) }
  }

  /** What is more to a schedule that stops at choices. */
  #stopping(isProbe: boolean, plan: Plan | undefined): Partial<Schedule> {
    if (isProbe) return { strategy: 'random', findsPoints: true }
    return plan === undefined ? { choicePoints: this.#points } : { strategy: 'guided', choicePoints: this.#points, plan }
  }

  /** Results of schedules that `next` gave. */
  take(result: ScheduleResult, elapsedMs: number): void {
    if (result.interrupted) return
    if (result.findsPoints === true) this.#awaitsFinder = false
    this.#probed++
    this.schedules++
    this.executed += result.executed
    if (this.#orders.size < MOST_ORDERS) this.#orders.add(result.order)
    this.#goOn(result)
    if (this.#probed <= PROBES) {
      // How long one that hangs was let run says nothing of others, which would each be let run twenty times as long.
      if (result.failure?.kind === 'hang') this.#stepsOfHangs = Math.max(this.#stepsOfHangs, result.steps)
      else {
        this.#longest = Math.max(this.#longest, result.cycle)
        this.#steps = Math.max(this.#steps, result.steps)
      }
    }
    if (result.broken !== undefined) {
      this.broken ??= `seed ${result.seed}: ${result.broken}`
      this.stop()
      return
    }
    for (const warning of result.warnings) if (!this.warnings.has(warning.line)) this.warnings.set(warning.line, warning)
    const { failure } = result
    if (failure === undefined) return
    this.failed++
    const key = failureKey(failure)
    const known = this.#found.get(key)
    if (known !== undefined) {
      known.count++
    } else {
      this.#found.set(key, { failure, schedule: scheduleOf(result), after: this.schedules, afterMs: elapsedMs, details: result.details, count: 1 })
    }
    if (!this.#options.keepGoing) this.stop()
  }

  /** What a schedule tells of those that are still to be run. */
  #goOn({ number, points, plan, path, broken }: ScheduleResult): void {
    if (broken !== undefined) return
    const known = new Set(this.#points)
    const isNew = points?.some((point) => !known.has(point)) === true
    if (points !== undefined && isNew) this.#points = [...known, ...points].filter((point, i, all) => all.indexOf(point) === i).sort((a, b) => a - b)
    if (isNew && this.#probed <= PROBES) this.#search?.stopsAt?.(this.#points)
    else if (isNew && this.#search !== undefined) {
      this.restarts++
      // What was run did not stop everywhere where it counts.
      if (this.#search.stopsAt?.(this.#points) !== true) {
        this.#search = this.#newSearch()
        this.#restartedAt = this.#given
        return
      }
    }
    if (plan !== undefined && path !== undefined && (number - this.#options.shard.part) / this.#options.shard.of >= this.#restartedAt) {
      this.#search?.take(plan, path)
    }
  }
}

/** What is needed to run it again. */
export const scheduleOf = ({ number, seed, pct, cycleLimit, strategy, choicePoints, choiceCode, path }: ScheduleResult): Schedule => ({
  number, seed, cycleLimit, ...(pct === undefined ? {} : { pct }), ...(strategy === undefined ? {} : { strategy }), ...(choicePoints === undefined ? {} : { choicePoints }),
  ...(choiceCode === undefined ? {} : { choiceCode }), ...(path === undefined ? {} : { choices: choicesOf(path) }),
})
