/**
 * PCT (Burckhardt, Kothari, Musuvathi, Nagarakatte: 'A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs', ASPLOS
 * 2010): of the tasks that can run, the one of highest priority does. Priorities are drawn when a task is first seen; at d − 1 steps,
 * drawn from the k that the program is thought to take, the task that runs falls below all others. A bug of depth d is found with
 * probability 1 / (n k^(d−1)) at least.
 *
 * Here a step is an instruction while another task could run as well, so that starting up and the end of a program count nothing, nor
 * does the time that system calls take. What
 * waits by yielding, or for another by spinning, would keep a lower one from running for ever: it falls as well, below all others.
 */
import type { PctConfig } from '../config.ts'
import type { Kernel } from '../kernel.ts'
import type { SchedulingStrategy } from './strategy.ts'

export interface PctState {
  /** Instructions so far while more than one task could run. */
  steps: number
  /** By number of the change point: the step at which it is due, Infinity once it was. undefined: not drawn yet. */
  changes: number[] | undefined
  /** By tid. Those drawn at first are not negative, those given by change points are, and later ones are below these. */
  readonly priorities: Map<number, number>
  lowest: number
  /** The task that ran last, and for how many steps it did since it last waited or another ran. */
  last: number
  streak: number
}

export const makePct = ({ depth }: PctConfig): PctState =>
  ({ steps: 0, changes: undefined, priorities: new Map(), lowest: -depth, last: 0, streak: 0 })

const PRIORITIES = 1 << 20
/** A task that has run so long, and for as long as the whole program is thought to take, spins. */
const LEAST_STREAK = 10_000
const LONGEST_SLICE = 2 ** 30
/** Priorities of tasks that are gone are forgotten when there are more than so many, and more than of living ones. */
const MANY = 64

const pctOf = (kernel: Kernel): { config: PctConfig, pct: PctState } => {
  const { config: { pct: config }, state: { pct } } = kernel
  if (config === undefined || pct === undefined) throw new Error('the strategy is pct, but its parameters are missing')
  return { config, pct }
}

const priorityOf = (kernel: Kernel, { priorities }: PctState, tid: number): number => {
  let priority = priorities.get(tid)
  if (priority === undefined) {
    const { tasks } = kernel.state
    if (priorities.size > MANY + 2 * tasks.size) for (const known of priorities.keys()) if (!tasks.has(known)) priorities.delete(known)
    priority = kernel.outside.entropy.decide('priority', PRIORITIES)
    priorities.set(tid, priority)
  }
  return priority
}

const streakLimit = ({ steps }: PctConfig): number => Math.max(LEAST_STREAK, steps)

export const PCT: SchedulingStrategy = {
  preempts: true,

  pick(kernel, tids, count) {
    // Nothing is drawn before there is a choice: worlds are the same up to there, whatever the seed.
    if (count === 1) return 0
    const { pct } = pctOf(kernel)
    let best = 0
    let highest = -Infinity
    for (let i = 0; i < count; i++) {
      const priority = priorityOf(kernel, pct, tids[i])
      if (priority > highest) {
        highest = priority
        best = i
      }
    }
    return best
  },

  slice(kernel, task) {
    const { config, pct } = pctOf(kernel)
    if (pct.changes === undefined) {
      const { entropy } = kernel.outside
      pct.changes = Array.from({ length: config.depth - 1 }, () => 1 + entropy.decide('change', config.steps))
    }
    const streak = task.tid === pct.last ? pct.streak : 0
    let left = Math.min(LONGEST_SLICE, streakLimit(config) - streak)
    for (const step of pct.changes) if (step > pct.steps && step - pct.steps < left) left = step - pct.steps
    return left
  },

  ended(kernel, task, executed, yielded) {
    const { config, pct } = pctOf(kernel)
    pct.steps += executed
    if (task.tid !== pct.last) pct.streak = 0
    pct.last = task.tid
    pct.streak = task.state === 'running' ? pct.streak + executed : 0
    if (yielded || pct.streak >= streakLimit(config)) {
      pct.priorities.set(task.tid, --pct.lowest)
      pct.streak = 0
    }
    const { changes } = pct
    if (changes === undefined) return
    for (let i = 0; i < changes.length; i++) {
      if (changes[i] > pct.steps) continue
      changes[i] = Infinity
      // The first is the lowest, wherever in the run it comes.
      pct.priorities.set(task.tid, i + 1 - config.depth)
    }
  },
}
