/**
 * A search that goes on from where it has not been often, in the manner of Go-Explore (Ecoffet and others: 'First return, then explore',
 * Nature 2021) and of fuzzers that are guided by coverage. What is covered are *cells*: what is in the memory that tasks compete for, and before which
 * instructions the tasks stand, whichever task that is. A schedule begins as an earlier one that came to a cell, and goes on by chance. Which cell is drawn
 * at random; one that schedules began from, or came through, is less likely.
 *
 * Schedules drawn from nothing (PCT, POS) hit a bug that takes seven preemptions in the right places once in some hundred thousand. Here each
 * of them leads to a cell that is rare, from which others start.
 */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { KIND_UPDATE } from '../../emu/watch.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { PTE_FRAME, PTE_READ } from '../../kernel/mm/address-space.ts'
import { getEntry } from '../../kernel/mm/page-table.ts'
import { isAboutNothing, nextEffects } from '../../kernel/sched/effects.ts'
import { candidateTask } from '../../kernel/sched/pos.ts'
import { isZero } from '../../kernel/sched/unchanged.ts'
import type { Task } from '../../kernel/task/task.ts'
import { hasSpunLast } from './bounded.ts'
import type { Library } from './library.ts'
import type { Guide, GuideState, Moment, NoveltyPlan, Path, Plan, Search } from './plan.ts'

const mix = (hash: number, value: number): number => {
  const mixed = Math.imul(hash ^ value, 0x85ebca6b)
  return Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35) ^ (mixed >>> 16)
}

/** A random number generator of 32 bits (Marsaglia's xorshift). */
class Draws {
  #state: number
  constructor(seed: number) { this.#state = mix(seed, 0x9e3779b9) | 1 }
  below(bound: number): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return Math.floor((x >>> 0) / 2 ** 32 * bound)
  }
}

const WORD = 4
/** What runs goes on in so many of these cases, if others could as well: drawn once for a schedule. */
const GOES_ON = [0, 50, 50, 95] as const
/** A task that was chosen so often in a row, while others waited, spins. */
const SPINS = 200

/** Of a task, wherever in the program it is in this run. */
const placeOf = ({ nextAction, syscall, state }: Task): number => nextAction !== undefined ? mix(1, nextAction.rip) : syscall !== undefined ? mix(2, syscall.number) : state === 'running' ? 3 : 4

export class NoveltyGuide implements Guide {
  readonly #choices: readonly number[]
  readonly #plan: NoveltyPlan
  /** Where tasks were stopped when the choices were made, as far as that is another question than where they are now. */
  readonly #points: ReadonlySet<number> | undefined
  readonly #draws: Draws
  readonly #goesOn: number
  readonly #library: Library | undefined
  readonly #moments: Moment[] = []
  /** How many of the plan's choices were made. */
  #made = 0
  #streak = 0
  readonly #newWords = new Set<number>()
  readonly #newLocked = new Set<number>()
  /** Who was drawn, but has not gone on yet. */
  #drawn = -1

  constructor({ choices, novelty }: Plan, library: Library | undefined) {
    if (novelty === undefined) throw new Error('a plan of another search')
    this.#choices = choices
    this.#plan = novelty
    this.#points = novelty.points === undefined ? undefined : new Set(novelty.points)
    this.#draws = new Draws(novelty.draws)
    this.#goesOn = GOES_ON[this.#draws.below(GOES_ON.length)]
    this.#library = library
  }

  get path(): Path { return { moments: this.#moments, isPruned: false, words: [...this.#newWords], locked: [...this.#newLocked] } }
  // It starts from where all schedules do.
  save(): GuideState { throw new Error('schedules of this search have no marks') }
  resume(): void { throw new Error('schedules of this search have no marks') }

  /** What is in memory. */
  #hash(kernel: Kernel, { mm }: Task, words: readonly number[]): number {
    const { memory } = kernel
    let hash = 0
    let page = -1, frame = -1
    for (const word of words) {
      const address = word * WORD
      if (Math.floor(address / PAGE_SIZE) !== page) {
        page = Math.floor(address / PAGE_SIZE)
        const entry = getEntry(mm, page)
        frame = (entry & PTE_READ) === 0 ? -1 : entry & PTE_FRAME
      }
      hash = mix(hash, frame < 0 ? 0 : memory.u32[(frame * PAGE_SIZE + address % PAGE_SIZE) >>> 2])
    }
    return hash
  }

  #cells(kernel: Kernel, task: Task): readonly number[] {
    const { words, locked } = this.#plan
    let places = 0
    // In any order: tasks that do the same are as good as each other.
    for (const other of kernel.state.tasks.values()) places = (places + placeOf(other)) | 0
    const all = mix(this.#hash(kernel, task, words), places)
    return locked.length === 0 || locked.length === words.length ? [all] : [all, mix(this.#hash(kernel, task, locked), places)]
  }

  /** What the program itself works on. */
  #noteWords({ nextAction }: Task): void {
    if (nextAction?.kind !== 'access') return
    const isLocked = nextAction.access === KIND_UPDATE && this.#library?.isPart(nextAction.rip) !== true
    const { words, locked } = this.#plan
    for (let word = Math.floor(nextAction.address / WORD); word * WORD < nextAction.address + nextAction.size; word++) {
      if (!words.includes(word)) this.#newWords.add(word)
      if (isLocked && !locked.includes(word)) this.#newLocked.add(word)
    }
  }

  /** It waits for a lock of the C library, which somebody has. */
  #waits(kernel: Kernel, task: Task): boolean {
    const { nextAction } = task
    return nextAction?.kind === 'access' && this.#library?.isLock(nextAction.rip) === true && nextAction.size === WORD && !isZero(kernel, task, nextAction.address, WORD)
  }

  pick(kernel: Kernel, tids: readonly number[], count: number, lastOnly: boolean): number {
    if (count === 1) {
      this.#streak = 0
      return 0
    }
    const tasks = Array.from({ length: count }, (_, place) => candidateTask(kernel, tids[place]))
    const candidates = tasks.map(({ index }) => index)
    const last = candidates.indexOf(kernel.state.guided?.last ?? -1)
    let isPlanned = this.#made < this.#choices.length
    // There was no choice here then.
    const wasNone = isPlanned && last >= 0 && this.#isNewPoint(tasks[last])
    let place = wasNone ? last : isPlanned ? candidates.indexOf(this.#choices[this.#made]) : -1
    if (isPlanned && place < 0) {
      // With other choice points it may not fit, but for the first part.
      if (this.#points === undefined) throw new Error('a schedule did not repeat')
      this.#made = this.#choices.length
      isPlanned = false
    }
    // What nobody notices need not be decided.
    const unnoticed = isPlanned ? -1 : tasks.findIndex((task) => task.nextAction?.kind === 'syscall' && isAboutNothing(nextEffects(kernel, task)))
    if (place < 0) place = unnoticed >= 0 ? unnoticed : this.#draw(kernel, tasks, candidates, last)
    if (lastOnly && place !== count - 1) {
      // The same again when it is asked for the others as well.
      this.#drawn = candidates[place]
      return -1
    }
    this.#drawn = -1
    if (isPlanned && !wasNone) this.#made++
    const task = candidates[place]
    this.#streak = place === last ? this.#streak + 1 : 0
    this.#moments.push({ task, candidates: [], isChoice: true, effects: [], canGoOn: false, after: [], lock: 0, wasFree: false, waits: false, ...(isPlanned || unnoticed >= 0 ? {} : { cells: this.#cells(kernel, tasks[place]) }) })
    this.#noteWords(tasks[place])
    return place
  }

  #isNewPoint({ nextAction }: Task): boolean {
    if (this.#points === undefined || nextAction?.kind !== 'access') return false
    for (let eight = Math.floor(nextAction.address / 8); eight * 8 < nextAction.address + nextAction.size; eight++) if (this.#points.has(eight)) return false
    return true
  }

  #draw(kernel: Kernel, tasks: readonly Task[], candidates: readonly number[], last: number): number {
    const drawn = candidates.indexOf(this.#drawn)
    if (drawn >= 0) return drawn
    const isTired = this.#streak >= SPINS || hasSpunLast(kernel) || kernel.yielded
    const places = candidates.map((_, place) => place).filter((place) => (place !== last || !isTired) && !this.#waits(kernel, tasks[place]))
    if (places.includes(last) && this.#draws.below(100) < this.#goesOn) return last
    return places.length === 0 ? this.#draws.below(candidates.length) : places[this.#draws.below(places.length)]
  }
}

/** @param choices of a schedule that reached it with the first `count` (cells share them: some schedules have a hundred thousand), and the choice points then */
interface Cell { chosen: number, visits: number, choices: Uint16Array, count: number, version: number }

/** Plans that are given out together: what one of them brings counts for those after. */
const ROUND = 8
const MOST_CELLS = 1 << 18
/** One in so many schedules begins with nothing. */
const FRESH = 20
/** Cells are drawn anew so often, until one is taken. */
const MOST_TRIES = 1000

/** Cells that look at the same things. */
class Archive {
  readonly #cells = new Map<number, Cell>()
  readonly list: Cell[] = []

  /** A schedule came to the cell with its first so many choices. */
  note(hash: number, at: number, version: number, choices: () => Uint16Array): void {
    const known = this.#cells.get(hash)
    if (known !== undefined) {
      known.visits++
      if (at >= known.count && version === known.version) return
      known.choices = choices()
      known.count = at
      known.version = version
    } else if (this.list.length < MOST_CELLS) {
      const made: Cell = { chosen: 0, visits: 1, choices: choices(), count: at, version }
      this.#cells.set(hash, made)
      this.list.push(made)
    }
  }

  choose(draws: Draws): Cell {
    for (let tries = 0; ; tries++) {
      const cell = this.list[draws.below(this.list.length)]
      const weight = 1 / (1 + cell.chosen + cell.visits / 10)
      if (tries < MOST_TRIES && draws.below(2 ** 20) >= weight * weight * 2 ** 20) continue
      cell.chosen++
      return cell
    }
  }
}

interface Given { readonly plan: Plan, readonly version: number, path: Path | undefined }

export class NoveltySearch implements Search {
  /** By what is in all memory that tasks were stopped at; by what is in the words of it that they work on with LOCK. */
  readonly #archives: readonly [Archive, Archive] = [new Archive(), new Archive()]
  #words: readonly number[] = []
  #locked: readonly number[] = []
  /** Choice points, as more and more became known. */
  readonly #versions: (readonly number[])[] = [[]]
  readonly #draws: Draws
  #round: Given[] = []

  /** @param seed everything follows from it */
  constructor(seed: number) { this.#draws = new Draws(seed) }

  get isDone(): boolean { return false }
  get progress(): string { return `${this.#archives[0].list.length} states of what tasks share seen` }

  stopsAt(points: readonly number[]): boolean {
    this.#versions.push(points)
    return true
  }

  next(): Plan | undefined {
    if (this.#round.length >= ROUND) return undefined
    const archive = this.#archives[this.#archives[1].list.length === 0 ? 0 : this.#draws.below(2)]
    const cell = archive.list.length === 0 || this.#draws.below(FRESH) === 0 ? undefined : archive.choose(this.#draws)
    const version = this.#versions.length - 1
    const plan: Plan = {
      search: 'novelty', choices: cell === undefined ? [] : [...cell.choices.subarray(0, cell.count)], cost: 0, sleepers: [],
      novelty: { draws: this.#draws.below(2 ** 27) * ROUND + this.#round.length, words: this.#words, locked: this.#locked, points: cell === undefined || cell.version === version ? undefined : this.#versions[cell.version] },
    }
    this.#round.push({ plan, version, path: undefined })
    return plan
  }

  /** Of a round all are taken together, in the order in which they were given out: whoever runs them, and in whatever order. */
  take({ novelty }: Plan, path: Path): void {
    // It may have been to another thread and back.
    for (const given of this.#round) if (given.plan.novelty?.draws === novelty?.draws) given.path = path
    if (this.#round.length < ROUND || this.#round.some((given) => given.path === undefined)) return
    const words = new Set(this.#words), locked = new Set(this.#locked)
    for (const { path: done, version } of this.#round) {
      const { moments, words: newWords = [], locked: newLocked = [] } = done as Path
      for (const word of newWords) words.add(word)
      for (const word of newLocked) locked.add(word)
      let all: Uint16Array | undefined
      const choices = (): Uint16Array => all ??= Uint16Array.from(moments, ({ task }) => task)
      for (const [at, { cells = [] }] of moments.entries()) for (const [i, hash] of cells.entries()) this.#archives[i].note(hash, at, version, choices)
    }
    this.#round = []
    if (words.size > this.#words.length) this.#words = [...words].sort((a, b) => a - b)
    if (locked.size > this.#locked.length) this.#locked = [...locked].sort((a, b) => a - b)
  }
}
