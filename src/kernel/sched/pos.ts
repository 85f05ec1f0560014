/**
 * Partial order sampling (Yuan, Yang, Gu: 'Partial Order Aware Concurrency Sampling', CAV 2018): each action that a task is about to
 * do has a random priority, and the highest goes first. Once one was done, those that race with it draw anew, as how they are
 * ordered among themselves is a new question. Orders of actions that have nothing to do with each other are not sampled twice,
 * which is where random walks waste most of their schedules.
 *
 * Actions are accesses to shared memory and system calls; effects.ts says which race.
 */
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { areDependent, isActionKnown, nextEffects } from './effects.ts'
import { noSpins, noteAction, repeatsRead, type Spins } from './spins.ts'
import type { SchedulingStrategy } from './strategy.ts'

export interface PosState {
  /** By tid: the priority of what the task is about to do. */
  readonly priorities: Map<number, number>
  readonly spins: Spins
}

export const makePos = (): PosState => ({ priorities: new Map(), spins: noSpins() })

const PRIORITIES = 1 << 20
export const LONGEST_SLICE = 2 ** 30

export const candidateTask = (kernel: Kernel, tid: number): Task => {
  const task = kernel.state.tasks.get(tid)
  if (task === undefined) throw new Error(`task ${tid} is to be scheduled, but gone`)
  return task
}

/** The place of a task of which it isn't known yet what it will do: it may go there, as nobody notices; −1: of all it is. */
export const placeOfUnknown = (kernel: Kernel, tids: readonly number[], count: number): number => {
  for (let place = 0; place < count; place++) if (!isActionKnown(candidateTask(kernel, tids[place]))) return place
  return -1
}

/** The runqueue, and the task that runs behind it: as they would be picked from. Scratch. */
const tidsNow: number[] = []

/** How many could run; their tids are in `tidsNow`, that of the task that does is the last. */
export const findRunnable = (kernel: Kernel, task: Task): number => {
  const { runqueue } = kernel.state
  const { length } = runqueue
  for (let place = 0; place < length; place++) tidsNow[place] = runqueue[place]
  tidsNow[length] = task.tid
  return length + 1
}

export const runnableTids = (): readonly number[] => tidsNow

/** The place of the highest; those that have no priority draw one. */
export const highest = (kernel: Kernel, priorities: Map<number, number>, tids: readonly number[], count: number): number => {
  let best = 0
  let most = -Infinity
  for (let place = 0; place < count; place++) {
    let priority = priorities.get(tids[place])
    if (priority === undefined) {
      priority = kernel.outside.entropy.decide('priority', PRIORITIES)
      priorities.set(tids[place], priority)
    }
    if (priority > most) {
      most = priority
      best = place
    }
  }
  return best
}

const take = (kernel: Kernel, { priorities, spins }: PosState, tids: readonly number[], count: number, best: number): void => {
  noteAction(spins, candidateTask(kernel, tids[best]))
  // What comes after it is another action, which draws its own.
  priorities.delete(tids[best])
  const done = nextEffects(kernel, candidateTask(kernel, tids[best]))
  for (let place = 0; place < count; place++) {
    if (place !== best && areDependent(done, nextEffects(kernel, candidateTask(kernel, tids[place])))) priorities.delete(tids[place])
  }
}

const posOf = (kernel: Kernel): PosState => {
  const { pos } = kernel.state
  if (pos === undefined) throw new Error('the strategy is pos, but its state is missing')
  return pos
}

export const POS: SchedulingStrategy = {
  preempts: false,
  asksWhenJoined: true,
  stops: true,

  pick(kernel, tids, count) {
    if (count === 1) return 0
    const unknown = placeOfUnknown(kernel, tids, count)
    if (unknown >= 0) return unknown
    const pos = posOf(kernel)
    const best = highest(kernel, pos.priorities, tids, count)
    take(kernel, pos, tids, count, best)
    return best
  },

  goesOn(kernel, task) {
    // Where slices begin is where stores come to memory.
    if (kernel.watch?.buffers !== undefined) return false
    const pos = posOf(kernel)
    if (repeatsRead(pos.spins, task)) return true
    const count = findRunnable(kernel, task)
    if (placeOfUnknown(kernel, tidsNow, count) >= 0) return false
    if (highest(kernel, pos.priorities, tidsNow, count) !== count - 1) return false
    take(kernel, pos, tidsNow, count, count - 1)
    return true
  },

  slice: () => LONGEST_SLICE,

  ended(kernel, task) {
    if (task.state !== 'running') kernel.state.pos?.priorities.delete(task.tid)
  },
}
