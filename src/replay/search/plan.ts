/** What systematic searches give to those who run schedules, and get back. Plain data: it goes between threads. */
import type { AccessKind } from '../../emu/watch.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Effects } from '../../kernel/sched/effects.ts'
import type { Task } from '../../kernel/task/task.ts'
import type { WatchedPage } from '../../kernel/watch/memory-watch.ts'

export const SEARCHES = ['preempt', 'delay', 'dpor', 'novelty'] as const
export type SearchName = (typeof SEARCHES)[number]

/** A task that need not go on before something that depends on what it will do has happened. */
export interface Sleeper { readonly task: number, readonly effects: Effects }

/** More of a plan of 'novelty'. Words are of four bytes. */
export interface NoveltyPlan {
  /** What it draws from. */
  readonly draws: number
  /** Words that tasks were stopped at; those of them that were worked on with LOCK. */
  readonly words: readonly number[]
  readonly locked: readonly number[]
  /** Choice points when the plan's choices were made, if there are more now. */
  readonly points: readonly number[] | undefined
}

/** How a schedule begins; the search's rule says how it goes on. Tasks are named by their index. */
export interface Plan {
  readonly search: SearchName
  /** Who goes on at each choice. */
  readonly choices: readonly number[]
  /** What the choices cost: of searches with a bound. */
  readonly cost: number
  /** Of 'dpor': who sleeps after the choices. */
  readonly sleepers: readonly Sleeper[]
  readonly novelty?: NoveltyPlan
}

/** A moment at which it was known of all that could run what they would do. */
export interface Moment {
  readonly task: number
  /** Those that could go on; who waits for a lock or in a loop could not. */
  readonly candidates: readonly number[]
  /** The scheduler had a choice: whatever else could run counts. */
  readonly isChoice: boolean
  /** Of the candidates: of 'dpor'. */
  readonly effects: readonly Effects[]
  /** Whether what ran before could go on; it is the first of the candidates then. */
  readonly canGoOn: boolean
  /** Events (indices of moments) that made the task or woke it since its last: of 'dpor'. */
  readonly after: readonly number[]
  /** Of 'dpor': the library's lock that the task works on (`wordOf`), 0: none; it was free; the task waits where it is not. */
  readonly lock: number
  readonly wasFree: boolean
  readonly waits: boolean
  /** Of 'novelty', behind the plan's choices: where this was done, as hashes. */
  readonly cells?: readonly number[]
}

export interface Path {
  readonly moments: readonly Moment[]
  /** It was given up, as it would have repeated another. */
  readonly isPruned: boolean
  /** Of 'novelty': words that tasks were stopped at, and with LOCK. */
  readonly words?: readonly number[]
  readonly locked?: readonly number[]
}

/** All choices of a path. */
export const choicesOf = ({ moments }: Path): number[] => moments.filter(({ isChoice }) => isChoice).map(({ task }) => task)

/** Decides while a schedule runs. */
export interface Guide {
  /** A place among the candidates. @param lastOnly the last is the one that runs: −1, and nothing has happened, if it is not that one. @throws Pruned */
  pick(kernel: Kernel, tids: readonly number[], count: number, lastOnly: boolean): number
  started?(parent: Task, child: Task): void
  woke?(waker: Task | undefined, woken: Task): void
  ends?(kernel: Kernel, task: Task): void
  /** Of all watched memory. */
  access?(task: Task, page: WatchedPage, address: number, size: number, kind: AccessKind, rip: number): void
  readonly path: Path
  /** What it has decided so far, to be given to `resume`. */
  save(): GuideState
  /** It is where another guide was when this was saved, which had made the same choices. */
  resume(state: GuideState): void
}

export interface GuideState {
  readonly moments: readonly Moment[]
  readonly streak: number
  /** By task: moments that its next comes after. */
  readonly after: readonly (readonly [task: number, moments: readonly number[]])[]
  /** Of 'dpor'. */
  readonly more?: object
}

/** Thrown by a guide: the schedule is not worth running on. */
export class Pruned extends Error {}

/** Gives out plans. */
export interface Search {
  /** undefined: none before results of others are there, or none at all. */
  next(): Plan | undefined
  take(plan: Plan, path: Path): void
  readonly isDone: boolean
  /** There are more choice points. Whether it can go on; it begins anew otherwise. */
  stopsAt?(points: readonly number[]): boolean
  /** For people: how far it has come. */
  readonly progress: string
}
