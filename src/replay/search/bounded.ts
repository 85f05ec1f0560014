/**
 * Searches that go through all schedules up to a bound, which rises: of preemptions (Musuvathi and Qadeer: 'Iterative Context
 * Bounding for Systematic Testing of Multithreaded Programs', PLDI 2007) or of delays (Emmi, Qadeer, Rakamarić: 'Delay-bounded
 * scheduling', POPL 2011). Both deviate from one schedule that does not preempt: what runs goes on until it waits, ends or
 * yields, and then the next in the order in which tasks were made has its turn, around. To take the j-th in that order costs j delays, or a
 * preemption if what ran could have gone on.
 *
 * A schedule is the choices up to its last deviation. It is run once, and its deviations behind that are the schedules that come of it.
 */
import type { Kernel } from '../../kernel/kernel.ts'
import { candidateTask } from '../../kernel/sched/pos.ts'
import { hasSpun } from '../../kernel/sched/spins.ts'
import type { Guide, GuideState, Moment, Path, Plan, Search } from './plan.ts'

/** A task that was chosen so often in a row, while others waited, spins: it is taken for one that yields. */
const SPINS = 500

/** The task that ran last waits for another in a loop. */
export const hasSpunLast = ({ state: { guided } }: Kernel): boolean => guided !== undefined && hasSpun(guided.spins, guided.last)

export class BoundedGuide implements Guide {
  readonly #choices: readonly number[]
  #moments: Moment[] = []
  #streak = 0

  constructor({ choices }: Plan) { this.#choices = choices }

  get path(): Path { return { moments: this.#moments, isPruned: false } }

  save(): GuideState { return { moments: [...this.#moments], streak: this.#streak, after: [] } }

  resume({ moments, streak }: GuideState): void {
    this.#moments = [...moments]
    this.#streak = streak
  }

  pick(kernel: Kernel, tids: readonly number[], count: number, lastOnly: boolean): number {
    const last = kernel.state.guided?.last ?? -1
    if (count === 1) {
      this.#streak = 0
      return 0
    }
    const places = Array.from({ length: count }, (_, place) => place)
    const indexOf = (place: number): number => candidateTask(kernel, tids[place]).index
    const canGoOn = !kernel.yielded && !hasSpunLast(kernel) && this.#streak < SPINS && places.some((place) => indexOf(place) === last)
    // The one that ran, then those after it, around.
    const rank = (index: number): number => (index > last || (canGoOn && index === last) ? index : index + (1 << 20)) + (canGoOn && index === last ? -(1 << 21) : 0)
    places.sort((a, b) => rank(indexOf(a)) - rank(indexOf(b)))
    const candidates = places.map(indexOf)
    const wanted = this.#moments.length < this.#choices.length ? candidates.indexOf(this.#choices[this.#moments.length]) : 0
    if (wanted < 0) throw new Error('a schedule did not repeat')
    if (lastOnly && places[wanted] !== count - 1) return -1
    const task = candidates[wanted]
    this.#streak = task === last ? this.#streak + 1 : 0
    this.#moments.push({ task, candidates, isChoice: true, effects: [], canGoOn, after: [], lock: 0, wasFree: false, waits: false })
    return places[wanted]
  }
}

const MOST_PLANS = 1 << 21

/** A path, and one deviation from it. */
interface Deviation {
  readonly choices: Uint16Array
  readonly at: number
  readonly task: number
  readonly cost: number
}

export class BoundedSearch implements Search {
  readonly #name: 'preempt' | 'delay'
  /** To be run within the bound, and beyond it by one. */
  #plans: Deviation[] = [{ choices: new Uint16Array(0), at: 0, task: -1, cost: 0 }]
  #further: Deviation[] = []
  #bound = 0
  readonly #mostBound: number
  #running = 0
  #run = 0
  /** Some were left out for lack of memory. */
  #left = false
  /** There are schedules beyond the last bound. */
  #isCut = false
  #completed: { readonly bound: number, readonly schedules: number } | undefined
  #random: number

  /** @param seed the order in which the schedules of a bound are run */
  constructor(name: 'preempt' | 'delay', seed: number, mostBound = Infinity) {
    this.#name = name
    this.#random = seed | 1
    this.#mostBound = mostBound
  }

  get isDone(): boolean { return this.#running === 0 && this.#plans.length === 0 && (this.#further.length === 0 || this.#bound >= this.#mostBound) }

  get progress(): string {
    const what = this.#name === 'preempt' ? 'preemptions' : 'delays'
    if (this.#completed === undefined) return `${this.#run} schedules without ${what} so far`
    const { bound, schedules } = this.#completed
    return `all ${schedules} schedules with ≤ ${bound} ${what} executed${this.isDone && this.#further.length === 0 && !this.#left && !this.#isCut ? ', there are no others' : ''}`
  }

  next(): Plan | undefined {
    if (this.#plans.length === 0) {
      // Those that run may still bring some.
      if (this.#running > 0 || this.isDone) return undefined
      this.#raise()
    }
    const at = this.#draw(this.#plans.length)
    const { choices, at: place, task, cost } = this.#plans[at]
    const last = this.#plans.pop() as Deviation
    if (at < this.#plans.length) this.#plans[at] = last
    this.#running++
    return { search: this.#name, choices: task < 0 ? [] : [...choices.subarray(0, place), task], cost, sleepers: [] }
  }

  /** To the next bound that has schedules. */
  #raise(): void {
    this.#bound = this.#further.reduce((least, { cost }) => Math.min(least, cost), Infinity)
    const all = this.#further
    this.#plans = all.filter(({ cost }) => cost === this.#bound)
    this.#further = all.filter(({ cost }) => cost > this.#bound)
  }

  take(plan: Plan, { moments }: Path): void {
    this.#running--
    this.#run++
    const choices = Uint16Array.from(moments, ({ task }) => task)
    for (let at = plan.choices.length; at < moments.length; at++) {
      const { candidates, canGoOn } = moments[at]
      for (let place = 1; place < candidates.length; place++) {
        const cost = plan.cost + (this.#name === 'delay' ? place : canGoOn ? 1 : 0)
        if (cost > this.#mostBound) {
          this.#isCut = true
          continue
        }
        if (this.#plans.length + this.#further.length >= MOST_PLANS) this.#left = true
        else (cost <= this.#bound ? this.#plans : this.#further).push({ choices, at, task: candidates[place], cost })
      }
    }
    if (this.#running > 0 || this.#plans.length > 0 || this.#left) return
    // Bounds up to the next that has schedules are complete as well.
    const next = this.#further.reduce((least, { cost }) => Math.min(least, cost), Infinity)
    this.#completed = { bound: next === Infinity ? Math.min(this.#mostBound, Math.max(this.#bound, 0)) : next - 1, schedules: this.#run }
  }

  #draw(below: number): number {
    let x = this.#random
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#random = x
    return (x >>> 0) % below
  }
}
