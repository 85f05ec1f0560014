/**
 * Scheduling strategies: which runnable task a virtual CPU takes, and for how long. To add one: a file-local object here and a row
 * in STRATEGIES; its draws go through `entropy.decide` only, so that a trace can drive them.
 */
import type { WorldConfig } from '../config.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import type { VirtualCpu } from '../state.ts'
import { GUIDED } from './guided.ts'
import { weigh } from './policies.ts'
import { PCT } from './pct.ts'
import { PCT_ACCESS } from './pct-access.ts'
import { POS } from './pos.ts'
import { SCRIPT } from './script.ts'

export interface SchedulingStrategy {
  /** Which of the first `count` ≥ 1 of `tids`, the longest waiting first: its place. What the CPU had and could go on is the last of them. */
  pick(kernel: Kernel, tids: readonly number[], count: number, cpu: VirtualCpu): number
  /** Cycles until the scheduler looks again, at least 1; `cycle` is the CPU's clock. */
  slice(kernel: Kernel, task: Task, cycle: number): number
  /** A slice has ended in which other tasks could run as well; `executed` instructions. */
  ended?(kernel: Kernel, task: Task, executed: number, yielded: boolean): void
  /** Whether a slice ends when another task becomes ready, as that may be the one to run. */
  readonly preempts: boolean
  /** Whether a task that was alone is picked again when it isn't any more; otherwise it has a slice first. */
  readonly asksWhenJoined?: boolean
  /** Whether a slice ends before each access to shared memory and each system call, while others could run: `task.nextAction` says which. */
  readonly stops?: boolean
  /** The task that runs has come to what it will do next (`task.nextAction`): whether it does that at once, without being picked again. */
  goesOn?(kernel: Kernel, task: Task): boolean
  /** Whether it does so where no other could run as well. */
  readonly stopsAlone?: boolean
}

/**
 * Long enough that switches cost little; short enough that programs that wait for each other get on. Slices of one length
 * would be in step with loops of the guest: a thread could be preempted each time just while it holds a lock, for ever. So
 * the length drifts with the clock.
 */
const ROUND_ROBIN_CYCLES = 50_000, ROUND_ROBIN_DRIFT = 997

const ROUND_ROBIN: SchedulingStrategy = {
  preempts: false,
  pick: () => 0,
  slice: (kernel, task, cycle) => weigh(kernel, task, ROUND_ROBIN_CYCLES + cycle % ROUND_ROBIN_DRIFT),
}

/**
 * Slices are spread evenly over orders of magnitude, from 2^3 to 2^18 cycles: half of them are shorter than 1,500, which is
 * what makes rare interleavings come up, and the mean is 26,000, which keeps the cost of switching small.
 */
const FIRST_OCTAVE = 3
const OCTAVES = 15
const STEPS_SHIFT = 10
const STEPS = 1 << STEPS_SHIFT

const RANDOM: SchedulingStrategy = {
  preempts: false,
  pick: (kernel, _tids, count) => count === 1 ? 0 : kernel.outside.entropy.decide('pick', count),
  slice: (kernel, task) => {
    const drawn = kernel.outside.entropy.decide('slice', OCTAVES * STEPS)
    const base = 1 << (FIRST_OCTAVE + (drawn >> STEPS_SHIFT))
    return weigh(kernel, task, base + ((base * (drawn & (STEPS - 1))) >> STEPS_SHIFT))
  },
}

export const STRATEGIES: Readonly<Record<WorldConfig['strategy'], SchedulingStrategy>> = { 'round-robin': ROUND_ROBIN, random: RANDOM, pct: PCT, 'pct-access': PCT_ACCESS, script: SCRIPT, pos: POS, guided: GUIDED }
