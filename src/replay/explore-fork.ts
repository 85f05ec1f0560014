/**
 * One world for all schedules: it runs until the first moment at which it could go on in more than one way, and each schedule starts
 * there, from a snapshot. A schedule then costs what it executes, and the pages and objects that it changes.
 *
 * What a schedule does is what a world of its own would do that is made with the same configuration: up to the snapshot nothing was
 * decided, and random bytes are drawn from a seed that all schedules have.
 */
import type { WorldConfig } from '../kernel/config.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Entropy, HostFiles } from '../kernel/outside.ts'
import { makePct } from '../kernel/sched/pct.ts'
import type { KernelState } from '../kernel/state.ts'
import { createWorld, provideInput, runWorld, type WorldStop } from '../kernel/world.ts'
import { watchMemory } from '../kernel/watch/memory-watch.ts'
import type { TraceEvent } from '../trace/events.ts'
import { type BytesPosition, SeededEntropy } from './entropy.ts'
import type { Watch } from './explore-failure.ts'
import { type End, INPUT_BYTES } from './loop.ts'
import type { Machine } from './machine.ts'
import { exitCodeOf, type SessionClock, type SessionResult } from './session.ts'
import type { ConflictFinder } from './search/conflicts.ts'
import { Library } from './search/library.ts'
import { choicesOf, type Guide, type GuideState } from './search/plan.ts'
import { type Snapshot, takeSnapshot } from './snapshot.ts'
import type { StateImage } from './snapshot-state.ts'
import { type EventSink, type Sources, Tap, type TapPosition } from './tap.ts'

/** The clock is looked at after so many slices. */
const SLICES = 32
const ADVANCE_MS = 20

/** A decision was asked for in the part of the world that all schedules have. */
export class ChoiceReached extends Error {}

/** Decisions end the common part; bytes are drawn as in any world of the seed. */
export class CommonEntropy implements Entropy {
  readonly #bytes: SeededEntropy
  constructor(seed: string) { this.#bytes = new SeededEntropy(seed) }
  decide(): number { throw new ChoiceReached() }
  randomBytes(count: number): Uint8Array { return this.#bytes.randomBytes(count) }
  get bytesPosition(): BytesPosition { return this.#bytes.bytesPosition }
}

/** Whether more than one task can run. */
export const isChoice = ({ runqueue, cpus }: KernelState): boolean => {
  let tasks = runqueue.length
  for (const { tid } of cpus) if (tid !== 0) tasks++
  return tasks > 1
}

/** What is told goes to the watch of the schedule that runs; nothing else is made of events. */
class ForkSink implements EventSink {
  readonly wantsStrings = false
  watch: Watch
  /** A hash of the order of system calls and how they ended: two schedules with different ones did not do the same. */
  order = 0
  constructor(watch: Watch) { this.watch = watch }
  event(event: TraceEvent): void { this.watch.event(event) }
  syscall(_cycle: number, tid: number, number: number, _args: unknown, _count: number, _strings: unknown, result: number): void {
    this.order = (Math.imul(this.order ^ (tid + (number << 12) + Math.imul(result | 0, 0x9e3779b1)), 0x85ebca6b) ^ (this.order >>> 15)) | 0
  }

  blob(): number { return 0 }
}

export interface ForkOptions {
  readonly world: WorldConfig
  readonly machine: Machine
  readonly files: HostFiles
  readonly clock: SessionClock
  readonly watch: Watch
  /** Looks on, to find out what memory tasks compete for. */
  readonly finder?: ConflictFinder | undefined
  /** Schedules of guides may start in the middle of others that began in the same way: not if somebody has to see all of each. */
  readonly keepsMarks?: boolean
  /** What is known of the C library is to be found: of 'dpor'. */
  readonly usesLibrary?: boolean
}

/** A place on the way of a guided schedule. */
interface Mark extends Place {
  readonly choices: readonly number[]
  readonly guide: GuideState
  readonly order: number
  readonly finder: StateImage | undefined
}

/** Where schedules can start. */
interface Place {
  readonly snapshot: Snapshot
  readonly bytes: BytesPosition
  readonly tap: TapPosition
  readonly watch: Watch
}

/** Moments from one mark to the next, at first; when there are many marks they get fewer. */
const MARK_EVERY = 32
const MOST_MARKS = 48

interface CommonWorld { readonly kernel: Kernel, readonly tap: Tap, readonly common: CommonEntropy }

export class ForkedWorld {
  readonly #options: ForkOptions
  readonly #sink: ForkSink
  #world: CommonWorld | undefined
  #entropy: Entropy | undefined
  #seeded: SeededEntropy | undefined
  #guide: Guide | undefined
  /** Slices so far, and at how many the common part ends, as far as that is known. */
  #slices = 0
  #limit = Infinity
  #fork: Place & { readonly executed: number } | undefined
  #library: Library | undefined
  /** Of the schedule that was run last, in order. */
  readonly #marks: Mark[] = []
  #markEvery = MARK_EVERY

  constructor(options: ForkOptions) {
    this.#options = options
    this.#sink = new ForkSink(options.watch)
  }

  get isReady(): boolean { return this.#fork !== undefined }
  get kernel(): Kernel {
    if (this.#world === undefined) throw new Error('the world was not made yet')
    return this.#world.kernel
  }

  /** A hash of the order of system calls of the schedule. */
  get order(): number { return this.#sink.order }
  /** What is known of the program's C library; none before `isReady`. */
  get library(): Library | undefined { return this.#library }
  /** Instructions since the fork. */
  get executedOfSchedule(): number { return this.#fork === undefined ? 0 : this.#options.machine.processor.totalExecuted - this.#fork.executed }

  /** Runs some milliseconds of the common part, until `isReady`. @throws WorldError if the program can't be run */
  prepare(): void {
    const { clock, machine } = this.#options
    const until = clock.wallTimeMs() + ADVANCE_MS
    const world = this.#world ??= this.#make()
    const { kernel } = world
    try {
      while (this.#slices < this.#limit && !isChoice(kernel.state)) {
        const stop = runWorld(kernel, 1)
        this.#slices++
        // All of it is common: schedules start from the beginning, as they have nothing else to start from.
        if (!this.#goOn(stop)) { this.#again(0); return }
        if (clock.wallTimeMs() > until) return
      }
    } catch (error) {
      if (!(error instanceof ChoiceReached)) throw error
      // In the middle of a slice: once more to where it began.
      this.#again(this.#slices)
      return
    }
    if (this.#options.usesLibrary === true && this.#library === undefined) {
      const first = kernel.state.tasks.get(kernel.state.mainPid)
      this.#library = new Library(kernel, first?.mm)
      if (this.#options.finder !== undefined) this.#options.finder.library = this.#library
      // Once more, now that it is known where to stop: as it is when a schedule is recorded.
      this.#again(Infinity)
      return
    }
    this.#options.finder?.forked()
    this.#fork = {
      snapshot: takeSnapshot(kernel, machine), bytes: world.common.bytesPosition, tap: world.tap.position(), watch: this.#sink.watch, executed: machine.processor.totalExecuted,
    }
  }

  #again(limit: number): void {
    this.#limit = limit
    this.#slices = 0
    this.#world = undefined
    this.#sink.watch = this.#options.watch.copy()
  }

  #make(): CommonWorld {
    const { world, machine, files } = this.#options
    machine.processor.recycle()
    this.#sink.watch = this.#options.watch.copy()
    const common = new CommonEntropy(world.seed)
    this.#entropy = common
    const tap = new Tap(this.#sources(files), this.#sink, () => 0)
    const kernel = createWorld(this.#library === undefined ? world : { ...world, choiceCode: this.#library.code }, machine.memory, machine.processor, tap)
    tap.kernel = kernel
    const { finder } = this.#options
    if (finder !== undefined) {
      const watch = watchMemory(kernel)
      watch.everything = true
      watch.listen(finder)
      watch.listen({ access: (task, page, address, size, kind, rip) => { this.#guide?.access?.(task, page, address, size, kind, rip) } })
    }
    kernel.tracers.push({
      taskStarted: (parent, child) => {
        finder?.started(parent, child)
        this.#guide?.started?.(parent, child)
      },
      woke: (waker, woken) => {
        finder?.woke(waker, woken)
        this.#guide?.woke?.(waker, woken)
      },
      taskEnds: (task) => {
        finder?.ends(kernel, task)
        this.#guide?.ends?.(kernel, task)
      },
    })
    return { kernel, tap, common }
  }

  #sources(files: HostFiles): Sources {
    const entropy = (): Entropy => {
      if (this.#entropy === undefined) throw new Error('nobody decides')
      return this.#entropy
    }
    return {
      entropy: { decide: (kind, bound) => entropy().decide(kind, bound), randomBytes: (count) => entropy().randomBytes(count) },
      files, readInput: (max) => this.#sink.watch.readInput(max), write: (fd, bytes) => this.#sink.watch.write(fd, bytes), setRaw: () => { /* no terminal */ },
    }
  }

  /** Whether there is more to run. */
  #goOn(stop: WorldStop): boolean {
    if (stop.reason === 'input') {
      const { kernel, tap } = this.#world as CommonWorld
      const bytes = this.#sink.watch.readInput(INPUT_BYTES)
      tap.tookInput(bytes)
      provideInput(kernel, bytes)
      return true
    }
    return stop.reason === 'running'
  }

  /** Puts the world to where schedules start, under another configuration. @param guide of the strategy 'guided': chooses in place of its list, which begins with `choices` */
  start(world: WorldConfig, guide?: Guide, choices: readonly number[] = []): Watch {
    if (this.#fork === undefined || this.#world === undefined) throw new Error('the common part has not ended yet')
    const { kernel } = this.#world
    const mark = guide === undefined ? this.#unmark(0) : this.#markFor(choices)
    const { snapshot, bytes, tap, watch } = mark ?? this.#fork
    snapshot.restore()
    kernel.config = world
    if (world.pct !== undefined) Object.assign(kernel.state.pct ?? {}, makePct(world.pct))
    this.#world.tap.goTo(tap)
    this.#seeded = new SeededEntropy(world.seed, world.scheduleSeed, bytes)
    this.#entropy = this.#seeded
    this.#guide = guide
    kernel.guide = guide === undefined ? undefined : (_kernel, tids, count, lastOnly) =>
      // Where a mark is due the slice has to end.
      lastOnly && this.#options.keepsMarks === true && this.#isMarkDue(guide) ? -1 : guide.pick(kernel, tids, count, lastOnly)
    if (mark === undefined) this.#options.finder?.begin()
    else guide?.resume(mark.guide)
    mark?.finder?.restore()
    this.#sink.order = mark?.order ?? 0
    return this.#sink.watch = watch.copy()
  }

  /** The last mark at which all choices were as in the plan, whose last was still to come. Those behind it are dropped. */
  #markFor(choices: readonly number[]): Mark | undefined {
    let kept = 0
    while (kept < this.#marks.length) {
      const { choices: made } = this.#marks[kept]
      if (made.length >= choices.length || made.some((choice, i) => choice !== choices[i])) break
      kept++
    }
    this.#unmark(kept)
    return this.#marks.at(-1)
  }

  #unmark(kept: number): undefined {
    for (const { snapshot } of this.#marks.splice(kept)) snapshot.drop()
  }

  #isMarkDue(guide: Guide): boolean { return guide.path.moments.length - (this.#marks.at(-1)?.guide.moments.length ?? 0) >= this.#markEvery }

  /** Between two slices of a guided schedule. */
  #mark(guide: Guide): void {
    if (!this.#isMarkDue(guide) || this.#world === undefined || this.#seeded === undefined) return
    if (this.#marks.length >= MOST_MARKS) {
      this.#markEvery *= 2
      const { length } = this.#marks
      for (let at = length - 1; at > 0; at -= 2) this.#marks.splice(at, 1)[0].snapshot.drop()
      return
    }
    const { kernel, tap } = this.#world
    this.#marks.push({
      snapshot: takeSnapshot(kernel, this.#options.machine), bytes: this.#seeded.bytesPosition, tap: tap.position(), watch: this.#sink.watch.copy(), order: this.#sink.order,
      choices: choicesOf(guide.path), guide: guide.save(), finder: this.#options.finder?.image(),
    })
  }

  /** Runs at most so many slices; the end if it has come. */
  run(slices: number): End | undefined {
    const { kernel } = this
    const guide = this.#options.keepsMarks === true ? this.#guide : undefined
    const each = guide === undefined ? SLICES : 1
    for (let left = slices; left > 0; left -= each) {
      const stop = runWorld(kernel, Math.min(left, each))
      if (!this.#goOn(stop)) return { outcome: stop.reason as Exclude<WorldStop['reason'], 'running' | 'input'>, status: stop.reason === 'exited' ? stop.status : kernel.state.mainStatus }
      if (guide !== undefined) this.#mark(guide)
    }
    return undefined
  }

  /** Some milliseconds. @throws Pruned by the guide */
  advance(): End | undefined {
    const until = this.#options.clock.wallTimeMs() + ADVANCE_MS
    do {
      const end = this.run(SLICES)
      if (end !== undefined) return end
    } while (this.#options.clock.wallTimeMs() < until)
    return undefined
  }
}

export const resultOfFork = (kernel: Kernel | undefined, end: End): SessionResult => ({
  outcome: end.outcome, status: end.status, exitCode: exitCodeOf(end.outcome, end.status), cycle: kernel?.now ?? 0, events: 0, hash: '',
  explanation: [], error: end.error,
})
