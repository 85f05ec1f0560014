/**
 * Dynamic partial order reduction with source sets and sleep sets (Abdulla, Aronis, Jonsson, Sagonas: 'Optimal Dynamic Partial Order
 * Reduction', POPL 2014, algorithm 1): of all schedules that differ only in the order of actions that do not depend on each other, one
 * is run to its end.
 *
 * Races are looked for when a schedule has ended, in what it did. An action is what a task was stopped before (effects.ts), and what
 * it does on its own until it is stopped again. Tasks that wait are no candidates: what woke one, or made it, is before what it does.
 */
import type { Kernel } from '../../kernel/kernel.ts'
import { areDependent, type Effects, isAboutAll, nextEffects } from '../../kernel/sched/effects.ts'
import { candidateTask } from '../../kernel/sched/pos.ts'
import type { Task } from '../../kernel/task/task.ts'
import { hasSpunLast } from './bounded.ts'
import { type Guide, type GuideState, type Moment, type Path, type Plan, Pruned, type Search, type Sleeper } from './plan.ts'

/** A task that did so many things in a row, while others waited, spins. */
const SPINS = 500
const NOTHING: Effects = { about: 0, ranges: [] }

export class DporGuide implements Guide {
  readonly #choices: readonly number[]
  readonly #sleepers: readonly Sleeper[]
  #sleep: readonly Sleeper[] = []
  #moments: Moment[] = []
  #chosen = 0
  #isPruned = false
  #streak = 0
  /** By task: moments that it comes after, of other tasks, since its last own. */
  readonly #after = new Map<number, number[]>()

  readonly #known = new Map<number, { readonly action: object | undefined, readonly effects: Effects }>()

  constructor({ choices, sleepers }: Plan) {
    this.#choices = choices
    this.#sleepers = sleepers
    if (choices.length === 0) this.#sleep = sleepers
  }

  get path(): Path { return { moments: this.#moments, isPruned: this.#isPruned } }

  started(_parent: Task, child: Task): void { this.#comesAfter(child) }
  woke(waker: Task | undefined, woken: Task): void { if (waker !== undefined) this.#comesAfter(woken) }

  #comesAfter(task: Task): void {
    const now = this.#moments.length - 1
    if (now < 0) return
    const known = this.#after.get(task.index)
    if (known === undefined) this.#after.set(task.index, [now])
    else known.push(now)
  }

  /** Only up to the last choice of a plan: who sleeps is known from there on. */
  save(): GuideState { return { moments: [...this.#moments], streak: this.#streak, after: [...this.#after].map(([task, moments]) => [task, [...moments]] as const) } }

  resume({ moments, streak, after }: GuideState): void {
    this.#moments = [...moments]
    this.#streak = streak
    for (const [task, earlier] of after) this.#after.set(task, [...earlier])
    this.#chosen = moments.filter(({ candidates }) => candidates.length > 1).length
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

  /** The place of the one that goes on where the plan has ended; −1: all sleep. */
  #awake(candidates: readonly number[], last: number, spins: boolean): number {
    const isAwake = (at: number): boolean => !this.#sleep.some(({ task }) => task === candidates[at])
    const others = candidates.findIndex((_, at) => at !== last && isAwake(at))
    // What spins would keep the others from running for ever.
    return last >= 0 && isAwake(last) && (others < 0 || (this.#streak < SPINS && !spins)) ? last : others
  }

  pick(kernel: Kernel, tids: readonly number[], count: number, lastOnly: boolean): number {
    const candidates: number[] = []
    const effects: Effects[] = []
    for (let place = 0; place < count; place++) {
      const task = candidateTask(kernel, tids[place])
      candidates.push(task.index)
      effects.push(this.#effectsOf(kernel, task))
    }
    const isPlanned = count > 1 && this.#chosen < this.#choices.length
    const isFree = !isPlanned && this.#chosen === this.#choices.length
    const last = candidates.indexOf(kernel.state.guided?.last ?? -1)
    const place = isPlanned ? candidates.indexOf(this.#choices[this.#chosen]) : isFree ? this.#awake(candidates, last, hasSpunLast(kernel)) : 0
    if (lastOnly && place !== count - 1) return -1
    if (isPlanned) {
      if (place < 0) throw new Error('a schedule did not repeat')
      if (++this.#chosen === this.#choices.length) this.#sleep = this.#sleepers
    } else if (isFree) {
      if (place < 0) {
        this.#isPruned = true
        throw new Pruned()
      }
      this.#streak = place === last ? this.#streak + 1 : 0
      this.#sleep = this.#sleep.filter((sleeper) => !areDependent(sleeper.effects, effects[place]))
    }
    const task = candidates[place]
    this.#moments.push({ task, candidates, effects, canGoOn: false, after: this.#after.get(task) ?? [] })
    this.#after.delete(task)
    this.#known.delete(task)
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
      const node: Node = known ?? { moment, backtrack: new Set(), done: new Set(), sleep, clock: new Map(), number: 0 }
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
    for (const [event, node] of nodes.entries()) {
      const { moment } = node
      const { task } = moment
      const own = effectsOf(moment, task)
      const number = (counts.get(task) ?? 0) + 1
      counts.set(task, number)
      if (event >= from) {
        const clock = new Map<number, number>()
        const last = lastOf.get(task)
        if (last !== undefined) join(clock, nodes[last].clock)
        for (const maker of moment.after) join(clock, nodes[maker].clock)
        const races: number[] = []
        for (const earlier of places.dependent(own)) {
          const other = nodes[earlier]
          if (other.moment.task === task || (clock.get(other.moment.task) ?? 0) >= other.number || !areDependent(effectsOf(other.moment, other.moment.task), own)) continue
          races.push(earlier)
          join(clock, other.clock)
        }
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
        const choices = this.#nodes.slice(0, at).filter(({ moment: { candidates } }) => candidates.length > 1).map(({ moment: { task: chosen } }) => chosen)
        this.#plan = { search: 'dpor', choices: [...choices, task], cost: 0, sleepers: sleepers.filter((sleeper) => !areDependent(sleeper.effects, effects)) }
        return
      }
    }
    this.#nodes = []
    this.#isDone = true
  }
}
