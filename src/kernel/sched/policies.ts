/**
 * Priorities (sched(7), nice(2)): which of the tasks that could run may, and for how long beside others.
 *
 * - Deadline, then real-time priorities: a task runs only if fewer of higher rank want to than there are CPUs. As on Linux they leave
 *   the last 5% of each second to all others (sched_rt_runtime_us): one that spins ends no world.
 * - Nice values weigh slices: of tasks that compete, the heaviest has slices of the usual length, the others shorter ones.
 *
 * While nobody has asked for either (`KernelState.hasPriorities`) nothing of this costs anything.
 */
import type { Kernel } from '../kernel.ts'
import type { KernelState, VirtualCpu } from '../state.ts'
import type { Task } from '../task/task.ts'

export const SCHED_OTHER = 0, SCHED_FIFO = 1, SCHED_RR = 2, SCHED_BATCH = 3, SCHED_IDLE = 5, SCHED_DEADLINE = 6
export const SCHED_RESET_ON_FORK = 0x4000_0000

export const policyOf = (task: Task): number => task.policy & ~SCHED_RESET_ON_FORK

/** Above all priorities. */
const DEADLINE_RANK = 100
/** 0: not real-time. */
const rankOf = (task: Task): number => policyOf(task) === SCHED_DEADLINE ? DEADLINE_RANK : task.priority

const REAL_TIME_SHARE = 0.95
const isThrottled = ({ config }: Kernel, cycle: number): boolean => cycle % config.cpuHz >= REAL_TIME_SHARE * config.cpuHz

/** Ranks of those who want to run. Scratch. */
const ranks: number[] = []

/**
 * The rank that a task must have to run on the CPU now, so that those above go first.
 * @param tids who waits for it
 */
const neededRank = (kernel: Kernel, tids: readonly number[], count: number, cpu: VirtualCpu): number => {
  const { state, config } = kernel
  if (isThrottled(kernel, cpu.clock)) return 0
  ranks.length = 0
  for (let i = 0; i < count; i++) ranks.push(rankOf(state.tasks.get(tids[i]) as Task))
  // Where one CPU stands for several, those with the highest ranks would all run.
  const places = state.cpus.length === 1 ? config.cpus : 1
  ranks.sort((a, b) => b - a)
  return ranks[Math.min(places, count) - 1]
}

/** Leaves of the first `count` candidates those who may run, in both lists. @returns how many */
export const keepHighest = (kernel: Kernel, tids: number[], places: number[], count: number, cpu: VirtualCpu): number => {
  const needed = neededRank(kernel, tids, count, cpu)
  let kept = 0
  for (let i = 0; i < count; i++) {
    if (rankOf(kernel.state.tasks.get(tids[i]) as Task) < needed) continue
    tids[kept] = tids[i]
    places[kept++] = places[i]
  }
  return kept
}

/** Whether what the CPU runs goes on although its slice is over: nobody of its rank waits, or it is of SCHED_FIFO and did not yield. */
export const keepsCpu = (kernel: Kernel, task: Task, waiting: readonly number[], count: number, cpu: VirtualCpu): boolean => {
  const rank = rankOf(task)
  if (rank === 0 || isThrottled(kernel, cpu.clock)) return false
  let highest = 0
  for (let i = 0; i < count; i++) highest = Math.max(highest, rankOf(kernel.state.tasks.get(waiting[i]) as Task))
  return highest < rank || (highest === rank && policyOf(task) === SCHED_FIFO && cpu.sliceEnd !== YIELDED)
}

/** `VirtualCpu.sliceEnd` of a CPU whose task gave up the rest of its slice. */
export const YIELDED = 0

/** Weights of nice values from −20 to 19 (kernel/sched/core.c, sched_prio_to_weight): each is 1.25 times the next. */
const WEIGHTS: readonly number[] = [
  88_761, 71_755, 56_483, 46_273, 36_291, 29_154, 23_254, 18_705, 14_949, 11_916, 9548, 7620, 6100, 4904, 3906, 3121, 2501, 1991, 1586, 1277,
  1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87, 70, 56, 45, 36, 29, 23, 18, 15,
]
const IDLE_WEIGHT = 3
const weightOf = (task: Task): number => policyOf(task) === SCHED_IDLE ? IDLE_WEIGHT : WEIGHTS[task.nice + 20]

/** A slice of a strategy that treats all alike, as long as the task's weight makes it beside those who wait. */
export const weigh = ({ state }: { readonly state: KernelState }, task: Task, cycles: number): number => {
  if (!state.hasPriorities) return cycles
  const own = weightOf(task)
  let heaviest = own
  for (const tid of state.runqueue) heaviest = Math.max(heaviest, weightOf(state.tasks.get(tid) as Task))
  return Math.max(1, Math.floor(cycles * own / heaviest))
}
