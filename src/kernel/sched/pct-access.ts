/**
 * PCT with the steps of the paper: accesses to shared memory and system calls, at which tasks are stopped as under 'pos', and not
 * instructions. There are some hundred of them where there are ten thousand instructions, and change points fall on what matters.
 *
 * How many steps a program takes (k) need not be known: if `steps` is 1 change points are drawn from ranges of 8, 16 … 4,096 steps, each as
 * likely, which costs a factor of ten at most and is right for schedules of any length.
 */
import type { PctConfig } from '../config.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import type { PctState } from './pct.ts'
import { candidateTask, findRunnable, highest, LONGEST_SLICE, placeOfUnknown, runnableTids } from './pos.ts'
import type { SchedulingStrategy } from './strategy.ts'

const FIRST_OCTAVE = 3, OCTAVES = 10
/** A task that does so many steps while others wait spins, or waits for one of them: it falls. */
const LONGEST_STREAK = 300

const pctOf = (kernel: Kernel): { readonly config: PctConfig, readonly pct: PctState } => {
  const { config: { pct: config }, state: { pct } } = kernel
  if (config === undefined || pct === undefined) throw new Error('the strategy is pct-access, but its parameters are missing')
  return { config, pct }
}

const changesOf = (kernel: Kernel): number[] => {
  const { config, pct } = pctOf(kernel)
  const { entropy } = kernel.outside
  pct.changes ??= Array.from({ length: config.depth - 1 }, () => 1 + entropy.decide('change', config.steps > 1 ? config.steps : 1 << (FIRST_OCTAVE + entropy.decide('change', OCTAVES))))
  return pct.changes
}

/** Who does the next step; it falls first if a change point is there. */
const nextStep = (kernel: Kernel, tids: readonly number[], count: number): number => {
  const { config, pct } = pctOf(kernel)
  const changes = changesOf(kernel)
  let best = highest(kernel, pct.priorities, tids, count)
  for (let i = 0; i < changes.length; i++) {
    if (changes[i] > pct.steps + 1) continue
    changes[i] = Infinity
    pct.priorities.set(tids[best], i + 1 - config.depth)
    best = highest(kernel, pct.priorities, tids, count)
  }
  return best
}

/** It does the step. */
const take = (kernel: Kernel, task: Task): void => {
  const { pct } = pctOf(kernel)
  pct.steps++
  pct.streak = task.tid === pct.last ? pct.streak + 1 : 1
  pct.last = task.tid
  if (pct.streak < LONGEST_STREAK) return
  pct.priorities.set(task.tid, --pct.lowest)
  pct.streak = 0
}

export const PCT_ACCESS: SchedulingStrategy = {
  preempts: false,
  asksWhenJoined: true,
  stops: true,

  pick(kernel, tids, count) {
    if (count === 1) return 0
    const unknown = placeOfUnknown(kernel, tids, count)
    if (unknown >= 0) return unknown
    const best = nextStep(kernel, tids, count)
    take(kernel, candidateTask(kernel, tids[best]))
    return best
  },

  goesOn(kernel, task) {
    // Where slices begin is where stores come to memory.
    if (kernel.watch?.buffers !== undefined) return false
    const count = findRunnable(kernel, task)
    const tids = runnableTids()
    if (placeOfUnknown(kernel, tids, count) >= 0) return false
    if (nextStep(kernel, tids, count) !== count - 1) return false
    take(kernel, task)
    return true
  },

  slice: () => LONGEST_SLICE,

  ended(kernel, task, _executed, yielded) {
    const { pct } = pctOf(kernel)
    if (yielded) pct.priorities.set(task.tid, --pct.lowest)
    if (task.state !== 'running') pct.streak = 0
  },
}
