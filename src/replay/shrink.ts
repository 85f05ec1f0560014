/**
 * From a schedule that fails to one with the fewest preemptions that fails alike.
 *
 * Schedules are scripts (kernel/sched/script.ts). After each success what the scheduler really did is the new script, so that whatever
 * an edit brought with it is known. The steps: one task at a time; no more of the schedule than is needed; fewer preemptions, by delta
 * debugging (Zeller and Hildebrandt, 'Simplifying and Isolating Failure-Inducing Input', IEEE TSE 2002) with the moves of Jalbert and
 * Sen ('A Trace Simplification Technique for Effective Debugging of Concurrent Programs', FSE 2010), a preempted task's next stretch is
 * pulled up or its last pushed down; one preemption anywhere, if there still are more; then each as early as it still matters, right
 * after a system call or an access to shared memory; last the seed, the number of CPUs and the input.
 *
 * All of it is deterministic: counts limit it, and only the deadline is time.
 */
import type { ListedFault, ScheduleSegment, ScriptConfig, WorldConfig } from '../kernel/config.ts'
import type { Failure } from './explore-failure.ts'
import { leaveOut } from './leave-out.ts'
import { exactScript, plainSegments, preemptionsIn, type RunSegment } from './schedule.ts'
import { type Attempt, type ChoicePoint, failsAlike, isDrawn, type ScriptRunner, scripted } from './shrink-run.ts'

/** The trace can't be shrunk; the message says why. */
export class ShrinkError extends Error {}

export interface ShrinkProgress {
  readonly step: string
  readonly runs: number
  readonly preemptions: number
}

export interface ShrinkOptions {
  readonly runner: ScriptRunner
  /** The world whose schedule failed, as it was recorded. */
  readonly world: WorldConfig
  readonly input: Uint8Array
  /** What its scheduler did, and how it ended: cycles. */
  readonly slices: readonly RunSegment[]
  readonly cycle: number
  readonly failure: Failure
  /** Nothing is tried after this returns true: what there is by then is the result. */
  readonly isLate: () => boolean
}

export interface Shrunk {
  readonly world: WorldConfig
  readonly input: Uint8Array
  readonly failure: Failure
  readonly segments: readonly ScheduleSegment[]
  readonly preemptions: number
  /** Of the schedule that came in. */
  readonly preemptionsBefore: number
  readonly runs: number
  readonly wasLate: boolean
  /** A schedule with a preemption less that does not fail alike, and which of the preemptions (from 0) it lacks. */
  readonly passing: { readonly world: WorldConfig, readonly dropped: number } | undefined
}

/** The seed that a world gets if it doesn't matter. */
const PLAIN_SEED = '1'
/** Where more is drawn than the schedule: draws that are tried with the first schedule, and with later ones. */
const FIRST_DRAWS = 100, MORE_DRAWS = 6
/** Runs for a search of one preemption, and places tried when one is moved. */
const MOST_SINGLE = 4000, MOST_MOVES = 400
/** A schedule that takes so many times the cycles of the original, and as many more, does not fail alike. */
const CYCLE_FACTOR = 8, CYCLE_ROOM = 20e6

/** The preempted task goes on at once: what it does in its next stretch is done in this. */
export const pullUp = (segments: ScheduleSegment[], at: number): void => {
  const { task } = segments[at]
  const next = segments.findIndex((segment, i) => i > at && segment.task === task)
  segments[at] = { ...segments[at], until: next < 0 ? Infinity : segments[next].until }
  if (next >= 0) segments.splice(next, 1)
}

/** What the preempted task did is done in its next stretch. */
export const pushDown = (segments: ScheduleSegment[], at: number): void => { segments.splice(at, 1) }

export const without = (segments: readonly ScheduleSegment[], places: readonly number[], remove: typeof pullUp): ScheduleSegment[] => {
  const changed = [...segments]
  for (const place of [...places].sort((a, b) => b - a)) remove(changed, place)
  return changed
}

export const preemptionPlaces = (segments: readonly ScheduleSegment[]): number[] => segments.flatMap(({ until }, i) => until === Infinity ? [] : [i])

class Shrinker {
  readonly #options: ShrinkOptions
  #world: WorldConfig
  #input: Uint8Array
  #segments: readonly ScheduleSegment[] = []
  /** The list of which `#segments` is what the scheduler made: it was run, and failed alike. */
  #proven: readonly ScheduleSegment[] = []
  #failure: Failure
  #step = 'one task at a time'
  #oneAtATime = true
  /** Where more is drawn than the schedule: how many draws are tried with one. */
  #draws = FIRST_DRAWS
  /** Schedules that were tried. */
  readonly #tried = new Set<string>()
  readonly #isLess = (found: readonly ScheduleSegment[]): boolean => preemptionsIn(found) < preemptionsIn(this.#segments)
  wasLate = false

  constructor(options: ShrinkOptions) {
    this.#options = options
    this.#input = options.input
    this.#failure = options.failure
    const cycleLimit = options.failure.kind === 'hang' ? options.world.cycleLimit : Math.min(options.world.cycleLimit, options.cycle * CYCLE_FACTOR + CYCLE_ROOM)
    this.#world = { ...options.world, cycleLimit }
  }

  get progress(): ShrinkProgress { return { step: this.#step, runs: this.#options.runner.runs, preemptions: preemptionsIn(this.#segments) } }

  #script(segments: readonly ScheduleSegment[]): ScriptConfig { return { oneAtATime: this.#oneAtATime, segments } }

  #attempt(segments: readonly ScheduleSegment[], wantsPoints = false): Attempt {
    return this.#options.runner.run(scripted(this.#world, this.#script(segments)), this.#input, wantsPoints)
  }

  #isLate(): boolean {
    this.wasLate ||= this.#options.isLate()
    return this.wasLate
  }

  /** Whether the schedule fails alike with fewer preemptions, or as `accepts` says; then it is the new one. */
  #try(segments: readonly ScheduleSegment[], accepts: (found: readonly ScheduleSegment[]) => boolean): boolean {
    const key = JSON.stringify(segments.map(({ task, until }) => [task, until]))
    if (this.#tried.has(key)) return false
    this.#tried.add(key)
    const world = this.#world
    // Which draws go with which schedule changes with it.
    for (let draws = 0; draws < (isDrawn(world) ? this.#draws : 1); draws++) {
      if (draws > 0) this.#world = { ...world, scheduleSeed: `${this.#options.world.seed}-${draws}` }
      const { failure, slices } = this.#attempt(segments)
      if (!failsAlike(failure, this.#options.failure)) continue
      const found = this.#oneAtATime ? plainSegments(slices) : segments
      if (!accepts(found)) continue
      this.#segments = found
      this.#proven = segments
      if (failure !== undefined) this.#failure = failure
      return true
    }
    this.#world = world
    return false
  }

  *run(): Generator<ShrinkProgress, Shrunk> {
    const { slices } = this.#options
    const whole = plainSegments(slices)
    const before = preemptionsIn(whole)
    if (!this.#try(whole, () => true)) {
      // The failure needs tasks that run at once, on several CPUs or with store buffers of their own.
      this.#oneAtATime = false
      const exact = exactScript(slices).segments
      if (!this.#try(exact, () => true)) throw new ShrinkError('the failure does not come again under a script of its schedule: what the strategy did cannot be written as one')
    }
    this.#draws = MORE_DRAWS
    yield this.progress
    if (this.#oneAtATime) {
      yield* this.#reduce()
      yield* this.#moveAll()
      yield* this.#dropOpen()
    } else {
      yield* this.#shorten()
    }
    // A list of what the scheduler did makes it do that again, but for tasks that fell behind because they spin.
    if (!failsAlike(this.#attempt(this.#segments).failure, this.#options.failure)) this.#segments = this.#proven
    yield* this.#simplifyWorld()
    const passing = yield* this.#neighbour()
    return {
      world: scripted(this.#world, this.#script(this.#segments)), input: this.#input, failure: this.#failure, segments: this.#segments,
      preemptions: preemptionsIn(this.#segments), preemptionsBefore: before, runs: this.#options.runner.runs, wasLate: this.wasLate, passing,
    }
  }

  *#reduce(): Generator<ShrinkProgress> {
    this.#step = 'without preemptions'
    this.#try([], this.#isLess)
    yield this.progress
    yield* this.#shorten()
    for (let least = Infinity; preemptionsIn(this.#segments) < least && !this.#isLate();) {
      least = preemptionsIn(this.#segments)
      yield* this.#deltaDebug()
    }
    if (preemptionsIn(this.#segments) > 1) yield* this.#searchOne()
  }

  /** The shortest beginning of the schedule that still fails, as halving finds it. */
  *#shorten(): Generator<ShrinkProgress> {
    this.#step = 'its beginning'
    let [passes, fails] = [0, this.#segments.length]
    while (fails - passes > 1 && !this.#isLate()) {
      const middle = (passes + fails) >> 1
      const { length } = this.#segments
      if (this.#try(this.#segments.slice(0, middle), (found) => preemptionsIn(found) <= preemptionsIn(this.#segments))) {
        // What the schedule really was may be longer: to its end it went on by itself.
        fails = Math.min(middle, this.#segments.length)
        if (this.#segments.length > length) break
      } else {
        passes = middle
      }
      yield this.progress
    }
  }

  *#deltaDebug(): Generator<ShrinkProgress> {
    this.#step = 'fewer preemptions'
    const tryWithout = (from: number, size: number): boolean => {
      const chunk = preemptionPlaces(this.#segments).slice(from, from + size)
      return this.#try(without(this.#segments, chunk, pullUp), this.#isLess) || this.#try(without(this.#segments, chunk, pushDown), this.#isLess)
    }
    yield* this.#leaveOut(() => preemptionPlaces(this.#segments).length, tryWithout)
  }

  *#leaveOut(count: () => number, tryWithout: (from: number, size: number) => boolean): Generator<ShrinkProgress> {
    for (const _ of leaveOut(count, (from, size) => !this.#isLate() && tryWithout(from, size))) {
      if (this.#isLate()) return
      yield this.progress
    }
  }

  /** One preemption may do where the schedule that came in had another kind of them: at each place of the run without any, for each task. */
  *#searchOne(): Generator<ShrinkProgress> {
    this.#step = 'one preemption'
    const plain = this.#attempt([], true)
    const tasks = [...new Set(plain.slices.map(({ task }) => task))].sort((a, b) => a - b)
    const stretches = plainSegments(plain.slices)
    let left = MOST_SINGLE
    for (const [at, { task }] of stretches.entries()) {
      const [begin, end] = this.#span(plain, at)
      const owns = plain.points.filter((point) => point.task === task && point.own > begin && point.own < end).map(({ own }) => own)
      for (const own of owns) {
        for (const other of tasks) {
          if (other === task) continue
          if (left-- <= 0 || this.#isLate()) return
          if (this.#try([...stretches.slice(0, at), { task, until: own, cpu: 0 }, { task: other, until: Infinity, cpu: 0 }], this.#isLess)) return
          yield this.progress
        }
      }
    }
  }

  /** Own cycles of its task at the begin and end of a stretch of the schedule. */
  #span({ slices }: Attempt, at: number): [number, number] {
    let stretch = -1
    let [begin, end] = [0, 0]
    let last: RunSegment | undefined
    for (const slice of slices) {
      const isNew = last?.task !== slice.task || !last.couldGoOn
      if (isNew) stretch++
      if (stretch > at) break
      if (stretch === at) {
        if (isNew) begin = slice.from
        end = slice.until
      }
      last = slice
    }
    return [begin, end]
  }

  /** Each preemption as early in its stretch as it still matters, and after an access or a system call if that does. */
  *#moveAll(): Generator<ShrinkProgress> {
    this.#step = 'preemptions to where they matter'
    for (let nth = 0; nth < preemptionPlaces(this.#segments).length; nth++) {
      const place = preemptionPlaces(this.#segments)[nth]
      const { task, until } = this.#segments[place]
      const run = this.#attempt(this.#segments, true)
      const [begin] = this.#span(run, place)
      const owns = [...new Set(run.points.filter((point: ChoicePoint) => point.task === task && point.own > begin && point.own < until).map(({ own }) => own))].sort((a, b) => a - b)
      const same = (found: readonly ScheduleSegment[]): boolean => preemptionsIn(found) <= preemptionsIn(this.#segments)
      const count = preemptionsIn(this.#segments)
      let left = MOST_MOVES
      for (const own of owns) {
        if (left-- <= 0 || this.#isLate()) return
        const moved = this.#try(this.#segments.map((segment, i) => i === place ? { ...segment, until: own } : segment), same)
        yield this.progress
        if (moved) break
      }
      // Which preemption is the n-th may be another now.
      if (preemptionsIn(this.#segments) < count) nth = -1
    }
  }

  /** Where no task is preempted the order is the scheduler's own, if that does as well. */
  *#dropOpen(): Generator<ShrinkProgress> {
    this.#step = 'the order of the rest'
    // What is over at the last preemption's end goes on by itself, mostly.
    const last = preemptionPlaces(this.#segments).at(-1) ?? -1
    const most = this.#segments
    for (const end of [last + 1, last + 2, last + 3]) {
      if (end >= most.length || this.#isLate()) break
      const attempt = this.#attempt(most.slice(0, end))
      yield this.progress
      if (!failsAlike(attempt.failure, this.#options.failure) || preemptionsIn(plainSegments(attempt.slices)) > preemptionsIn(most)) continue
      this.#segments = most.slice(0, end)
      this.#proven = this.#segments
      if (attempt.failure !== undefined) this.#failure = attempt.failure
      break
    }
  }

  *#simplifyWorld(): Generator<ShrinkProgress> {
    this.#step = 'seed, CPUs, faults and input'
    const attempt = (world: WorldConfig, input: Uint8Array): boolean => {
      if (this.#isLate()) return false
      const { failure, slices } = this.#options.runner.run(scripted(world, this.#script(this.#segments)), input)
      if (failure === undefined || !failsAlike(failure, this.#options.failure)) return false
      if (this.#oneAtATime && preemptionsIn(plainSegments(slices)) > preemptionsIn(this.#segments)) return false
      this.#world = world
      this.#input = input
      this.#failure = failure
      return true
    }
    if (this.#world.seed !== PLAIN_SEED) attempt({ ...this.#world, seed: PLAIN_SEED }, this.#input)
    yield this.progress
    if (this.#oneAtATime && this.#world.hosts === undefined && this.#world.cpus > 1) attempt({ ...this.#world, cpus: 1 }, this.#input)
    yield this.progress
    // Faults that were drawn are a list by now (shrink-trace.ts).
    const list = (): readonly ListedFault[] => this.#world.faults?.list ?? []
    yield* this.#leaveOut(() => list().length, (from, size) => attempt({ ...this.#world, faults: { ...this.#world.faults, list: [...list().slice(0, from), ...list().slice(from + size)] } }, this.#input))
    yield* this.#leaveOut(() => this.#input.length, (from, size) => {
      const shorter = new Uint8Array(this.#input.length - size)
      shorter.set(this.#input.subarray(0, from))
      shorter.set(this.#input.subarray(from + size), from)
      return attempt(this.#world, shorter)
    })
  }

  /** A schedule with one preemption less does not fail: otherwise that would be the result. The last whose loss mends it. */
  *#neighbour(): Generator<ShrinkProgress, Shrunk['passing']> {
    this.#step = 'a schedule that does not fail'
    const places = preemptionPlaces(this.#segments)
    for (let dropped = places.length - 1; dropped >= 0 && this.#oneAtATime; dropped--) {
      for (const remove of [pullUp, pushDown]) {
        const script = this.#script(without(this.#segments, [places[dropped]], remove))
        const { failure } = this.#options.runner.run(scripted(this.#world, script), this.#input)
        yield this.progress
        if (failure === undefined) return { world: scripted(this.#world, script), dropped }
      }
    }
    return undefined
  }
}

/** Yields after each run. @throws Error if the failure does not come again, or Retrograde itself fails */
export const shrink = function* (options: ShrinkOptions): Generator<ShrinkProgress, Shrunk> { return yield* new Shrinker(options).run() }
