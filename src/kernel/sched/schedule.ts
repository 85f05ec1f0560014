/**
 * Virtual CPUs as discrete events: the one whose clock is furthest behind acts next.
 *
 * Invariants: a task is `running` exactly if one CPU has its tid; it is in the runqueue exactly if it is `runnable`.
 * A CPU keeps its task over slices until it blocks, ends, or another task takes its place.
 */
import type { Kernel } from '../kernel.ts'
import type { KernelState, VirtualCpu } from '../state.ts'
import type { Task } from '../task/task.ts'
import { keepHighest, keepsCpu } from './policies.ts'
import type { SchedulingStrategy } from './strategy.ts'

/** Where there is one CPU, whatever number programs are told (`simulatedCpus`), all run on it. */
export const mayRunOn = (state: KernelState, task: Task, cpu: VirtualCpu): boolean =>
  state.cpus.length === 1 || (task.affinity[cpu.index >> 5] & (1 << (cpu.index & 31))) !== 0

const taskOf = (state: KernelState, tid: number): Task => {
  const task = state.tasks.get(tid)
  if (task === undefined) throw new Error(`the scheduler knows task ${tid}, which is gone`)
  return task
}

/** Places in the runqueue of the tasks that the CPU may take. Scratch, filled anew each time. */
const candidates: number[] = []
/** Their tids. */
const candidateTids: number[] = []

const findCandidates = (state: KernelState, cpu: VirtualCpu): number => {
  const { runqueue } = state
  let count = 0
  for (let place = 0; place < runqueue.length; place++) {
    if (!mayRunOn(state, taskOf(state, runqueue[place]), cpu)) continue
    candidates[count] = place
    candidateTids[count++] = runqueue[place]
  }
  return count
}

/** The cycle at which an idle CPU could start: its own clock, or later when the first task for it became ready. Infinity: none. */
const idleStart = (state: KernelState, cpu: VirtualCpu): number => {
  let ready = Infinity
  for (const tid of state.runqueue) {
    const task = taskOf(state, tid)
    if (task.readyAt >= ready || !mayRunOn(state, task, cpu)) continue
    ready = task.readyAt
    // It can't be earlier.
    if (ready <= cpu.clock) return cpu.clock
  }
  return ready === Infinity ? Infinity : Math.max(ready, cpu.clock)
}

/** The CPU that acts next, undefined if no task can run. */
export const nextCpu = (state: KernelState): VirtualCpu | undefined => {
  let next: VirtualCpu | undefined
  let earliest = Infinity
  const hasQueue = state.runqueue.length > 0
  for (const cpu of state.cpus) {
    const start = cpu.tid !== 0 ? cpu.clock : hasQueue ? idleStart(state, cpu) : Infinity
    if (start < earliest) {
      earliest = start
      next = cpu
    }
  }
  return next
}

/** Which place of the runqueue the CPU takes. Where there is one CPU all that wait are candidates: that is not looked for. */
const pickPlace = (kernel: Kernel, cpu: VirtualCpu, strategy: SchedulingStrategy): number => {
  const { state } = kernel
  if (state.cpus.length === 1 && !state.hasPriorities) return strategy.pick(kernel, state.runqueue, state.runqueue.length, cpu)
  let count = findCandidates(state, cpu)
  if (state.hasPriorities) count = keepHighest(kernel, candidateTids, candidates, count, cpu)
  return candidates[strategy.pick(kernel, candidateTids, count, cpu)]
}

/** Whether a task waits that the CPU may take. */
const hasCandidate = (state: KernelState, cpu: VirtualCpu): boolean =>
  state.cpus.length === 1 ? state.runqueue.length > 0 : findCandidates(state, cpu) > 0

/** Takes a task of the runqueue for an idle CPU. */
const take = (kernel: Kernel, cpu: VirtualCpu, strategy: SchedulingStrategy): Task => {
  const { state } = kernel
  const place = pickPlace(kernel, cpu, strategy)
  const task = taskOf(state, state.runqueue[place])
  if (place === 0) state.runqueue.shift()
  else state.runqueue.splice(place, 1)
  cpu.tid = task.tid
  // What made it ready may be ahead of this CPU's clock.
  cpu.clock = Math.max(cpu.clock, task.readyAt)
  task.state = 'running'
  task.cpu = cpu.index
  return task
}

/** The task that the CPU runs now: the one it has, or another if that has had its slice and others wait. */
export const choose = (kernel: Kernel, cpu: VirtualCpu, strategy: SchedulingStrategy): Task => {
  const { state } = kernel
  if (cpu.tid === 0) return take(kernel, cpu, strategy)
  const task = taskOf(state, cpu.tid)
  const mayStay = mayRunOn(state, task, cpu)
  if (strategy.stopsAlone === true && mayStay && state.runqueue.length === 0) {
    // No choice, but the strategy wants to know what is done.
    candidateTids[0] = task.tid
    strategy.pick(kernel, candidateTids, 1, cpu)
    return task
  }
  if (mayStay && (cpu.clock < cpu.sliceEnd || !hasCandidate(state, cpu))) return task
  if (mayStay && state.hasPriorities && keepsCpu(kernel, task, candidateTids, findCandidates(state, cpu), cpu)) return task
  cpu.tid = 0
  task.usage.involuntarySwitches++
  task.state = 'runnable'
  task.readyAt = cpu.clock
  state.runqueue.push(task.tid)
  return mayStay || hasCandidate(state, cpu) ? take(kernel, cpu, strategy) : task
}

/** Whether the CPU's task is the only one that could run: nobody would notice how long it does. */
export const isAlone = (state: KernelState, cpu: VirtualCpu): boolean => {
  if (state.runqueue.length > 0) return false
  for (const other of state.cpus) if (other !== cpu && other.tid !== 0) return false
  return true
}
