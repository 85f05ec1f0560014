/**
 * Dynamic partial order reduction with source sets and sleep sets (Abdulla, Aronis, Jonsson, Sagonas: 'Optimal Dynamic Partial Order
 * Reduction', POPL 2014, algorithm 1): of all schedules that differ only in the order of actions that do not depend on each other, one
 * is run to its end.
 *
 * Races are looked for when a schedule has ended, in what it did. An action is what a task was stopped before (effects.ts), and what
 * it does on its own until it is stopped again. Tasks that wait are no candidates: what woke one, or made it, is before what it does.
 * Who waits for a lock of the C library (library.ts) is none either; the race for one is between those who take it, as nobody can do so before
 * it is given back. Nor is a task that reads the same again and again, until somebody writes there.
 */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { type AccessKind, KIND_UPDATE, writesMemory } from '../../emu/watch.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { areDependent, asRead, type Effects, isAboutAll, nextEffects, readsOf, wordOf } from '../../kernel/sched/effects.ts'
import { candidateTask } from '../../kernel/sched/pos.ts'
import { isZero, leavesUnchanged } from '../../kernel/sched/unchanged.ts'
import type { Task } from '../../kernel/task/task.ts'
import type { WatchedPage } from '../../kernel/watch/memory-watch.ts'
import { hasSpunLast } from './bounded.ts'
import type { Library } from './library.ts'
import { type Guide, type GuideState, type Moment, type Path, type Plan, Pruned, type Search, type Sleeper } from './plan.ts'

/** A task that did so many things in a row, while others waited, spins. */
const SPINS = 500
const NOTHING: Effects = { about: 0, ranges: [] }
const WORD = 4

/** What a task is about to do, as far as the guide wants to know. */
interface Next { readonly effects: Effects, readonly lock: number, readonly wasFree: boolean, readonly waits: boolean }

/** More of a guide's state. */
interface More { readonly waiting: ReadonlyMap<number, Effects>, readonly writers: ReadonlyMap<number, number> }

export class DporGuide implements Guide {
  readonly #choices: readonly number[]
  readonly #sleepers: readonly Sleeper[]
  readonly #library: Library | undefined
  #sleep: readonly Sleeper[] = []
  #moments: Moment[] = []
  #chosen = 0
  #isPruned = false
  #streak = 0
  /** By task: moments that it comes after, of other tasks, since its last own. */
  readonly #after = new Map<number, number[]>()
  /** Tasks that went round a loop without finding what they wait for: what they read. They need not go on before somebody writes there. */
  #waiting = new Map<number, Effects>()
  /** By word: the moment in which the library wrote it last. */
  #writers = new Map<number, number>()

  readonly #known = new Map<number, { readonly action: object | undefined, readonly effects: Effects }>()

  constructor({ choices, sleepers }: Plan, library?: Library) {
    this.#choices = choices
    this.#sleepers = sleepers
    this.#library = library
    if (choices.length === 0) this.#sleep = sleepers
  }

  get path(): Path { return { moments: this.#moments, isPruned: this.#isPruned } }

  started(_parent: Task, child: Task): void { this.#comesAfter(child, this.#moments.length - 1) }
  woke(waker: Task | undefined, woken: Task): void { if (waker !== undefined) this.#comesAfter(woken, this.#moments.length - 1) }

  /** Whoever waits for its end finds its thread identifier cleared. */
  ends(kernel: Kernel, task: Task): void {
    const word = task.clearChildTid === 0 ? 0 : wordOf(kernel, task, task.clearChildTid)
    if (word !== 0) this.#writers.set(word, this.#moments.length - 1)
  }

  access(task: Task, page: WatchedPage, address: number, size: number, kind: AccessKind, rip: number): void {
    const library = this.#library
    if (library === undefined || size !== WORD || !library.isPart(rip)) return
    const word = page.id * PAGE_SIZE + address % PAGE_SIZE
    if (writesMemory(kind)) {
      this.#writers.set(word, this.#moments.length - 1)
    } else if (library.isAwait(rip)) {
      const writer = this.#writers.get(word) ?? -1
      if (writer >= 0 && this.#moments[writer].task !== task.index) this.#comesAfter(task, writer)
    }
  }

  #comesAfter(task: Task, moment: number): void {
    if (moment < 0) return
    const known = this.#after.get(task.index)
    if (known === undefined) this.#after.set(task.index, [moment])
    else known.push(moment)
  }

  /** Only up to the last choice of a plan: who sleeps is known from there on. */
  save(): GuideState {
    const more: More = { waiting: new Map(this.#waiting), writers: new Map(this.#writers) }
    return { moments: [...this.#moments], streak: this.#streak, after: [...this.#after].map(([task, moments]) => [task, [...moments]] as const), more }
  }

  resume({ moments, streak, after, more }: GuideState): void {
    const { waiting, writers } = more as More
    this.#moments = [...moments]
    this.#streak = streak
    for (const [task, earlier] of after) this.#after.set(task, [...earlier])
    this.#waiting = new Map(waiting)
    this.#writers = new Map(writers)
    this.#chosen = moments.filter(({ isChoice }) => isChoice).length
  }

  /** Of what is pending already they are known. */
  #effectsOf(kernel: Kernel, task: Task): Effects {
    const action = task.nextAction ?? task.syscall
    const known = this.#known.get(task.index)
    if (known !== undefined && known.action === action) return known.effects
    const effects = nextEffects(kernel, task)
    this.#known.set(task.index, { action, effects })
    return effects
  }

  #next(kernel: Kernel, task: Task): Next {
    const effects = this.#effectsOf(kernel, task)
    const { nextAction } = task
    if (nextAction?.kind !== 'access' || nextAction.access !== KIND_UPDATE) return { effects, lock: 0, wasFree: false, waits: false }
    const { address, size, rip } = nextAction
    const isOfLibrary = size === WORD && this.#library?.isPart(rip) === true
    const isUnchanged = leavesUnchanged(kernel, task)
    return {
      effects: isUnchanged ? asRead(effects) : effects, lock: isOfLibrary && !isUnchanged ? wordOf(kernel, task, address) : 0,
      wasFree: isOfLibrary && isZero(kernel, task, address, WORD), waits: isOfLibrary && this.#library.isLock(rip),
    }
  }

  /** The place of the one that goes on where the plan has ended; −1: all sleep. */
  #awake(candidates: readonly number[], last: number, spins: boolean): number {
    const isAwake = (at: number): boolean => !this.#sleep.some(({ task }) => task === candidates[at])
    const others = candidates.findIndex((_, at) => at !== last && isAwake(at))
    // What spins would keep the others from running for ever.
    return last >= 0 && isAwake(last) && (others < 0 || (this.#streak < SPINS && !spins)) ? last : others
  }

  /** What ran last went round a loop for long. */
  #noteSpins(kernel: Kernel): boolean {
    const { guided } = kernel.state
    if (guided === undefined || !hasSpunLast(kernel)) return false
    const task = [...kernel.state.tasks.values()].find(({ index }) => index === guided.last)
    if (task !== undefined && !this.#waiting.has(task.index)) this.#waiting.set(task.index, readsOf(kernel, task, guided.spins.reads.filter((_, i) => i % 2 === 1)))
    return true
  }

  pick(kernel: Kernel, tids: readonly number[], count: number, lastOnly: boolean): number {
    kernel.save()
    const spins = this.#noteSpins(kernel)
    const all: number[] = []
    const nexts: Next[] = []
    for (let place = 0; place < count; place++) {
      const task = candidateTask(kernel, tids[place])
      all.push(task.index)
      nexts.push(this.#next(kernel, task))
    }
    // If none could go on they find out for themselves: that is a deadlock, most likely.
    const places = all.map((_, place) => place)
    const able = places.filter((place) => !(nexts[place].waits && !nexts[place].wasFree) && !this.#waiting.has(all[place]))
    const enabled = able.length > 0 ? able : places
    const candidates = enabled.map((place) => all[place])
    const isPlanned = count > 1 && this.#chosen < this.#choices.length
    const isFree = !isPlanned && this.#chosen === this.#choices.length
    const last = candidates.indexOf(kernel.state.guided?.last ?? -1)
    const at = isFree ? this.#awake(candidates, last, spins) : 0
    const place = isPlanned ? all.indexOf(this.#choices[this.#chosen]) : at < 0 ? -1 : enabled[at]
    if (lastOnly && place !== count - 1) return -1
    if (isPlanned) {
      if (place < 0) throw new Error('a schedule did not repeat')
      if (++this.#chosen === this.#choices.length) this.#sleep = this.#sleepers
    } else if (isFree) {
      if (place < 0) {
        this.#isPruned = true
        throw new Pruned()
      }
      this.#streak = at === last ? this.#streak + 1 : 0
      this.#sleep = this.#sleep.filter((sleeper) => !areDependent(sleeper.effects, nexts[place].effects))
    }
    const task = all[place]
    const { effects, lock, wasFree, waits } = nexts[place]
    this.#moments.push({ task, candidates, isChoice: count > 1, effects: enabled.map((one) => nexts[one].effects), canGoOn: false, after: this.#after.get(task) ?? [], lock, wasFree, waits })
    this.#after.delete(task)
    this.#known.delete(task)
    this.#waiting.delete(task)
    for (const [other, reads] of this.#waiting) if (areDependent(reads, effects)) this.#waiting.delete(other)
    return place
  }
}

/** A moment of the schedule that was run last, with what is still to be tried there. */
interface Node {
  moment: Moment
  /** Tasks to be tried; those that were. */
  readonly backtrack: Set<number>
  readonly done: Set<number>
  readonly sleep: readonly Sleeper[]
  /** Of what happened: by task, how many of its events are before it or are it; and its own number. */
  clock: ReadonlyMap<number, number>
  number: number
  /** A lock is given back: who takes it next could not have done so before. */
  gives: boolean
}

const join = (into: Map<number, number>, from: ReadonlyMap<number, number>): void => {
  for (const [task, number] of from) if (number > (into.get(task) ?? 0)) into.set(task, number)
}

/** Events by what they touch, so that not all have to be looked at. */
class Places {
  readonly #events = new Map<number, number[]>()
  #all = 0

  add(event: number, effects: Effects): void {
    for (const key of keysOf(effects)) {
      const known = this.#events.get(key)
      if (known === undefined) this.#events.set(key, [event])
      else known.push(event)
    }
    this.#all = event + 1
  }

  /** Those that may depend on it, the last first. */
  dependent(effects: Effects): readonly number[] {
    if (isAboutAll(effects)) return Array.from({ length: this.#all }, (_, i) => this.#all - 1 - i)
    const found = new Set<number>(this.#events.get(KEY_ALL))
    for (const key of keysOf(effects)) for (const event of this.#events.get(key) ?? []) found.add(event)
    return [...found].sort((a, b) => b - a)
  }
}

const KEY_ALL = -1

/** Numbers that two effects share if they depend on each other, unless one is about everything. */
const keysOf = (effects: Effects): number[] => {
  const keys = isAboutAll(effects) ? [KEY_ALL] : []
  for (let bit = 1; bit <= effects.about; bit <<= 1) if ((effects.about & bit) !== 0) keys.push(-1 - bit)
  for (const { at, size } of effects.ranges) for (let eight = Math.floor(at / 8); eight * 8 < at + size; eight++) keys.push(eight)
  return keys
}

const effectsOf = ({ candidates, effects }: Moment, task: number): Effects => effects[candidates.indexOf(task)] ?? NOTHING

export class DporSearch implements Search {
  #nodes: Node[] = []
  #plan: Plan | undefined = { search: 'dpor', choices: [], cost: 0, sleepers: [] }
  #isDone = false
  #complete = 0
  #pruned = 0

  get isDone(): boolean { return this.#isDone }
  /** Schedules that ended. */
  get executions(): number { return this.#complete }

  get progress(): string {
    const pruned = this.#pruned === 0 ? '' : `, ${this.#pruned} given up as repetitions`
    return this.#isDone ? `all ${this.#complete} executions explored${pruned}` : `${this.#complete} executions so far${pruned}`
  }

  next(): Plan | undefined {
    const plan = this.#plan
    this.#plan = undefined
    return plan
  }

  take(_plan: Plan, path: Path): void {
    if (path.isPruned) this.#pruned++
    else this.#complete++
    const { moments } = path
    const old = this.#nodes
    let sleep: readonly Sleeper[] = []
    this.#nodes = moments.map((moment, at): Node => {
      // Up to the choice that was new, nodes are those of before.
      const known = at < old.length ? old[at] : undefined
      const node: Node = known ?? { moment, backtrack: new Set(), done: new Set(), sleep, clock: new Map(), number: 0, gives: false }
      node.moment = moment
      node.backtrack.add(moment.task)
      const effects = effectsOf(moment, moment.task)
      const awake: Sleeper[] = [...node.sleep]
      for (const task of node.done) if (task !== moment.task) awake.push({ task, effects: effectsOf(moment, task) })
      sleep = awake.filter((sleeper) => !areDependent(sleeper.effects, effects))
      return node
    })
    this.#findRaces(Math.max(0, old.length - 1))
    this.#planNext()
  }

  /**
   * For each race that could go the other way, the moment before it gets a task that leads there.
   * @param from events before were looked at when they first happened
   */
  #findRaces(from: number): void {
    const nodes = this.#nodes
    const places = new Places()
    const counts = new Map<number, number>()
    const lastOf = new Map<number, number>()
    /** By lock: the task that has it. */
    const holders = new Map<number, number>()
    for (const [event, node] of nodes.entries()) {
      const { moment } = node
      const { task } = moment
      const own = effectsOf(moment, task)
      const number = (counts.get(task) ?? 0) + 1
      counts.set(task, number)
      node.gives = moment.lock !== 0 && !moment.wasFree && holders.get(moment.lock) === task
      if (node.gives) holders.delete(moment.lock)
      else if (moment.lock !== 0 && moment.wasFree) holders.set(moment.lock, task)
      if (event >= from) {
        const clock = new Map<number, number>()
        const last = lastOf.get(task)
        if (last !== undefined) join(clock, nodes[last].clock)
        for (const maker of moment.after) join(clock, nodes[maker].clock)
        const races: number[] = []
        const given: number[] = []
        for (const earlier of places.dependent(own)) {
          const other = nodes[earlier]
          if (other.moment.task === task || (clock.get(other.moment.task) ?? 0) >= other.number || !areDependent(effectsOf(other.moment, other.moment.task), own)) continue
          // The race is with whoever took the lock, and there is none with who gave it back.
          if (moment.waits && moment.wasFree && other.gives && other.moment.lock === moment.lock) {
            given.push(earlier)
            continue
          }
          races.push(earlier)
          join(clock, other.clock)
        }
        for (const earlier of given) join(clock, nodes[earlier].clock)
        clock.set(task, number)
        node.clock = clock
        node.number = number
        for (const earlier of races) this.#reverse(earlier, event)
      }
      lastOf.set(task, event)
      places.add(event, own)
    }
  }

  #isBefore(event: number, other: number): boolean {
    const { moment: { task }, number } = this.#nodes[event]
    return (this.#nodes[other].clock.get(task) ?? 0) >= number
  }

  /** A task that can begin what leads to `event` without `first` having happened. */
  #reverse(first: number, event: number): void {
    const node = this.#nodes[first]
    const without: number[] = []
    for (let other = first + 1; other < event; other++) if (!this.#isBefore(first, other)) without.push(other)
    without.push(event)
    const initials: number[] = []
    const seen = new Set<number>()
    for (const [i, other] of without.entries()) {
      const { task } = this.#nodes[other].moment
      if (seen.has(task)) continue
      seen.add(task)
      let isFirst = true
      for (let j = 0; j < i && isFirst; j++) if (this.#isBefore(without[j], other)) isFirst = false
      if (isFirst) initials.push(task)
    }
    if (initials.some((task) => node.backtrack.has(task))) return
    const { task } = this.#nodes[event].moment
    const { candidates } = node.moment
    const wanted = initials.includes(task) && candidates.includes(task) ? task : initials.find((initial) => candidates.includes(initial))
    if (wanted !== undefined) node.backtrack.add(wanted)
    // Nobody of them could go: something else than what is known orders them.
    else for (const candidate of candidates) node.backtrack.add(candidate)
  }

  #planNext(): void {
    for (let at = this.#nodes.length - 1; at >= 0; at--) {
      const node = this.#nodes[at]
      const { moment } = node
      node.done.add(moment.task)
      for (const task of node.backtrack) {
        if (node.done.has(task) || node.sleep.some((sleeper) => sleeper.task === task)) continue
        const effects = effectsOf(moment, task)
        const sleepers = [...node.sleep, ...[...node.done].map((done): Sleeper => ({ task: done, effects: effectsOf(moment, done) }))]
        this.#nodes.length = at + 1
        const choices = this.#nodes.slice(0, at).filter(({ moment: { isChoice } }) => isChoice).map(({ moment: { task: chosen } }) => chosen)
        this.#plan = { search: 'dpor', choices: [...choices, task], cost: 0, sleepers: sleepers.filter((sleeper) => !areDependent(sleeper.effects, effects)) }
        return
      }
    }
    this.#nodes = []
    this.#isDone = true
  }
}
