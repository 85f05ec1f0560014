/** Runs one program under one schedule after the other, as forks of one world: what a worker of explore does. */
import type { ChoiceCode, PctConfig, WorldConfig } from '../kernel/config.ts'
import type { HostFiles } from '../kernel/outside.ts'
import { WorldError } from '../kernel/world.ts'
import type { TraceCodecs, TraceSink } from '../trace/format.ts'
import type { Finding } from './detect/finding.ts'
import { livelockLines } from './detect/livelock.ts'
import { type RaceRun, RaceSearch, type Verdict } from './detect/race-report.ts'
import { type FailOn, type Failure, failureKey, failureText, needsOutput, Watch } from './explore-failure.ts'
import { ForkedWorld, resultOfFork } from './explore-fork.ts'
import type { End } from './loop.ts'
import { type Machine, makeMachine } from './machine.ts'
import { startRecording } from './record.ts'
import { ConflictFinder } from './search/conflicts.ts'
import { guideFor } from './search/guides.ts'
import { type Guide, type Path, type Plan, Pruned } from './search/plan.ts'
import type { Engine, SessionClock } from './session.ts'
import { hexOf, StateHasher } from './state-hash.ts'

/** In what the world of a schedule differs from those of others. */
export interface Schedule {
  /** From 1. */
  readonly number: number
  readonly seed: string
  readonly pct?: PctConfig
  readonly cycleLimit: number
  /** Another than the world's. */
  readonly strategy?: WorldConfig['strategy']
  readonly choicePoints?: readonly number[]
  /** Code in which they are less (search/library.ts). */
  readonly choiceCode?: ChoiceCode
  /** Of the strategy 'guided': all choices; or how it begins, and a search that makes the others. */
  readonly choices?: readonly number[]
  readonly plan?: Plan
  /** What tasks compete for is to be found out. */
  readonly findsPoints?: boolean
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
  /** What tasks competed for in this schedule and those before, if it was to be found out: addresses in eights. */
  readonly points?: readonly number[]
  /** How a plan went on. */
  readonly path?: Path
  /** Of the order of system calls and how they ended. */
  readonly order: number
  /** More about the failure, for people. */
  readonly details: readonly string[]
  /** Of detectors: what is no failure. */
  readonly warnings: readonly Finding[]
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

const messageOf = (error: unknown): string => error instanceof Error ? error.stack ?? error.message : String(error)

const keyOf = (failure: Failure | undefined): string => failure === undefined ? '' : failureKey(failure)

/** What schedules start from, and for which of them. */
interface Fork {
  readonly key: string
  readonly world: ForkedWorld
  readonly finder: ConflictFinder | undefined
}

export class ScheduleRunner {
  readonly #options: ScheduleOptions
  readonly #files: HostFiles
  readonly #search: RaceSearch | undefined
  #fork: Fork | undefined
  #forkMachine: Machine | undefined
  /** Of recordings. */
  #machine: Machine | undefined

  constructor(options: ScheduleOptions) {
    this.#options = options
    this.#files = cached(options.files)
    const { kinds, ignore, atomics } = options.failOn
    this.#search = kinds.includes('race') ? new RaceSearch({ ignore, atomics }) : undefined
  }

  /** Starts a schedule; there is one at a time. */
  start(schedule: Schedule): ScheduleRun {
    const { world, finder } = this.#forked(schedule)
    return new ScheduleRun(schedule, this.#worldOf(schedule), world, this.#options.failOn, this.#search, finder, this.#fresh)
  }

  /** Runs a schedule again from its beginning, as a world of its own, and records it. Returns lines about a hang. @param failure undefined: it ended well @throws Error if it does not end as before, and what `openTrace` throws */
  *record(schedule: Schedule, failure: Failure | undefined, version: string, codecs: TraceCodecs, openTrace: () => TraceSink): Generator<undefined, readonly string[]> {
    const { engine, clock, failOn } = this.#options
    const world = this.#worldOf(schedule)
    const watch = this.#watch()
    if (this.#machine === undefined) this.#machine = makeMachine(engine, world.memoryLimit)
    else this.#machine.processor.recycle()
    const session = startRecording({
      world, codecs, version, openTrace, onEvent: (event) => { watch.event(event) },
      host: { engine, machine: this.#machine, files: this.#files, console: watch, wallTimeMs: () => clock.wallTimeMs() },
    })
    const races = session.kernel === undefined ? undefined : this.#search?.attach(session.kernel)
    let result = session.advance()
    while (result === undefined) {
      yield undefined
      result = session.advance()
    }
    if (result.outcome === 'failed') {
      this.#machine = undefined
      throw new Error(`recording seed ${schedule.seed}: ${messageOf(result.error)}`)
    }
    const found = watch.judge(result, session.kernel, failOn, races?.lines())
    races?.detach()
    if (keyOf(found) !== keyOf(failure)) {
      throw new Error(`seed ${schedule.seed} ended otherwise when it was recorded: ${found === undefined ? 'well' : failureText(found)}`)
    }
    const hash = yield* this.#hashOf(schedule)
    if (hash !== result.hash) throw new Error(`seed ${schedule.seed}: the recording ended in another state than its fork`)
    if (failure?.kind !== 'hang') return []
    const fork = this.#forked(schedule).world
    return livelockLines(fork.kernel, (slices) => fork.run(slices))
  }

  /** The hash of the state in which a fork ends. */
  *#hashOf(schedule: Schedule): Generator<undefined, string> {
    const run = this.start(schedule)
    while (run.advance() === undefined) yield undefined
    const { kernel } = this.#forked(schedule).world
    return hexOf(new StateHasher(kernel.memory).hashWorld(kernel))
  }

  #watch(): Watch { return new Watch(needsOutput(this.#options.failOn), this.#options.input) }

  #worldOf({ seed, pct, cycleLimit, strategy: other, choicePoints, choiceCode, choices = [] }: Schedule): WorldConfig {
    const { pct: _pct, guided: _guided, choicePoints: _points, choiceCode: _code, ...world } = this.#options.world
    const strategy = other ?? world.strategy
    return {
      ...world, strategy, scheduleSeed: seed, cycleLimit, ...(pct === undefined ? {} : { pct }), ...(strategy === 'guided' ? { guided: { choices } } : {}),
      ...(choicePoints === undefined ? {} : { choicePoints }), ...(choiceCode === undefined ? {} : { choiceCode }),
    }
  }

  #forked(schedule: Schedule): Fork {
    const { engine, clock, world: { memoryLimit } } = this.#options
    const { strategy, choicePoints, choiceCode, plan, findsPoints } = schedule
    const needsFinder = findsPoints === true || plan?.search === 'dpor' || plan?.search === 'novelty'
    const usesLibrary = plan?.search === 'dpor' || plan?.search === 'novelty'
    const key = JSON.stringify([strategy, choicePoints, choiceCode, needsFinder, usesLibrary])
    if (this.#fork?.key === key) return this.#fork
    const machine = this.#forkMachine ??= makeMachine(engine, memoryLimit)
    const finder = needsFinder ? new ConflictFinder() : undefined
    const world = new ForkedWorld({ world: this.#worldOf(schedule), machine, files: this.#files, clock, watch: this.#watch(), finder, usesLibrary, keepsMarks: plan?.search === 'dpor' && this.#search === undefined && this.#options.world.faults === undefined })
    return this.#fork = { key, world, finder }
  }

  /** After Retrograde's own failure nothing is used again. */
  readonly #fresh = (): void => {
    this.#fork = undefined
    this.#forkMachine = undefined
  }
}

export class ScheduleRun {
  readonly #schedule: Schedule
  readonly #world: WorldConfig
  readonly #fork: ForkedWorld
  readonly #failOn: FailOn
  readonly #onBroken: () => void
  readonly #search: RaceSearch | undefined
  readonly #finder: ConflictFinder | undefined
  #guide: Guide | undefined
  #races: RaceRun | undefined
  #watch: Watch | undefined
  #interrupted = false

  constructor(schedule: Schedule, world: WorldConfig, fork: ForkedWorld, failOn: FailOn, search: RaceSearch | undefined, finder: ConflictFinder | undefined, onBroken: () => void) {
    this.#schedule = schedule
    this.#world = world
    this.#fork = fork
    this.#failOn = failOn
    this.#search = search
    this.#finder = finder
    this.#onBroken = onBroken
  }

  interrupt(): void { this.#interrupted = true }

  /** Runs for some milliseconds. @throws WorldError if the program can't be run */
  advance(): ScheduleResult | undefined {
    const fork = this.#fork
    if (this.#interrupted) return this.#result({ outcome: 'interrupted', status: undefined })
    if (!fork.isReady) {
      try {
        fork.prepare()
      } catch (error) {
        if (error instanceof WorldError) throw error
        return this.#result({ outcome: 'failed', status: undefined, error })
      }
      return undefined
    }
    let end: End | undefined
    try {
      if (this.#watch === undefined) {
        this.#guide = guideFor(this.#schedule.plan, fork.library)
        const code = fork.library?.code
        this.#watch = fork.start(code === undefined ? this.#world : { ...this.#world, choiceCode: code }, this.#guide, this.#schedule.plan?.choices)
        this.#races = this.#search?.attach(fork.kernel)
      }
      end = fork.advance()
    } catch (error) {
      // A schedule that would repeat another has no failure that the other doesn't have.
      end = error instanceof Pruned ? { outcome: 'exited', status: 0 } : { outcome: 'failed', status: undefined, error }
    }
    if (end === undefined) return undefined
    let found: Verdict | undefined
    if (this.#races !== undefined && end.outcome !== 'failed') {
      const verdict = this.#races.verdict()
      if (verdict === 'again') {
        // From where it was forked.
        this.#watch = undefined
        return undefined
      }
      found = verdict
    }
    return this.#result(end, found)
  }

  #result(end: End, { failures, warnings }: Pick<Verdict, 'failures' | 'warnings'> = { failures: [], warnings: [] }): ScheduleResult {
    const isBroken = end.outcome === 'failed'
    if (isBroken) this.#onBroken()
    const kernel = this.#watch === undefined ? undefined : this.#fork.kernel
    const path = this.#guide?.path
    return {
      ...this.#schedule, ...(this.#finder === undefined ? {} : { points: this.#finder.found }), ...(path === undefined ? {} : { path }), ...(this.#fork.library === undefined ? {} : { choiceCode: this.#fork.library.code }), order: this.#fork.order,
      failure: path?.isPruned === true ? undefined : this.#watch?.judge(resultOfFork(kernel, end), kernel, this.#failOn, failures.map(({ line }) => line)), broken: isBroken ? messageOf(end.error) : undefined,
      interrupted: end.outcome === 'interrupted', cycle: kernel?.now ?? 0, executed: this.#fork.executedOfSchedule, steps: kernel?.state.pct?.steps ?? 0,
      details: failures.flatMap(({ details }) => details), warnings,
    }
  }
}
