/**
 * The strategy 'script' carries out a schedule that is given as a list: which task runs until when. It is what the scheduler did in some
 * other run (src/replay/schedule.ts), as it was or edited, so that the shrinker can take preemptions out of it.
 *
 * Where the list ends or does not fit (its task waits or is gone), what runs goes on until it waits, ends or yields, and then the
 * task that has waited longest has its turn. As a task that spins would keep all others from running, it falls behind after
 * `FAIR_INSTRUCTIONS`.
 *
 * A segment ends at a count of its task's own cycles, not at a length: one that is skipped shifts no other.
 */
import type { ScheduleSegment, ScriptConfig, WorldConfig } from '../config.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import type { SchedulingStrategy } from './strategy.ts'

export interface ScriptState {
  /** By virtual CPU: the segment that it is at. */
  readonly at: number[]
  /** By virtual CPU: `Task.index` of what it took last, −1 at first, and how many instructions that has executed since while others could run. */
  readonly last: number[]
  readonly streak: number[]
  /** So many segments have mattered so far; one more than there are if their end has. */
  seen: number
}

/** Number of virtual CPUs on which tasks run; programs see `config.cpus`. */
export const simulatedCpus = ({ strategy, script, cpus }: WorldConfig): number => script?.oneAtATime === true || strategy === 'pos' || strategy === 'pct-access' || strategy === 'guided' ? 1 : cpus

export const makeScript = (config: WorldConfig): ScriptState => {
  const each = (value: number): number[] => Array.from({ length: simulatedCpus(config) }, () => value)
  return { at: each(0), last: each(-1), streak: each(0), seen: 0 }
}

/** Longer than what a program of a test computes at a stretch. */
const FAIR_INSTRUCTIONS = 5_000_000
/** Segments looked at for one that fits. */
const LOOK_AHEAD = 64
const LONGEST_SLICE = 2 ** 30

export const ownCycles = ({ usage }: Task): number => usage.userCycles + usage.systemCycles

const scriptOf = (kernel: Kernel): { segments: readonly ScheduleSegment[], script: ScriptState } => {
  const { config: { script: config }, state: { script } } = kernel
  if (config === undefined || script === undefined) throw new Error('the strategy is script, but there is none')
  return { segments: (config satisfies ScriptConfig).segments, script }
}

const taskOf = (kernel: Kernel, tid: number): Task => {
  const task = kernel.state.tasks.get(tid)
  if (task === undefined) throw new Error(`task ${tid} is to be scheduled, but gone`)
  return task
}

/** The place of the task that the segment wants among the candidates, −1 if it isn't there or had its cycles. */
const placeOf = (kernel: Kernel, { task, until }: ScheduleSegment, tids: readonly number[], count: number): number => {
  for (let place = 0; place < count; place++) {
    const candidate = taskOf(kernel, tids[place])
    if (candidate.index === task) return ownCycles(candidate) < until ? place : -1
  }
  return -1
}

export const SCRIPT: SchedulingStrategy = {
  preempts: false,
  asksWhenJoined: true,

  pick(kernel, tids, count, { index: cpu, clock }) {
    const { segments, script } = scriptOf(kernel)
    // What the CPU had can go on if it was put back just now, which makes it the last.
    const latest = taskOf(kernel, tids[count - 1])
    const couldGoOn = latest.index === script.last[cpu] && latest.cpu === cpu && latest.readyAt === clock
    const goesOn = couldGoOn && !kernel.yielded && script.streak[cpu] < FAIR_INSTRUCTIONS
    const { length } = segments
    let at = script.at[cpu]
    if (at < length && segments[at].task === script.last[cpu] && segments[at].until === Infinity) {
      script.seen = Math.max(script.seen, at + 1)
      if (goesOn) return count - 1
      at++
    }
    while (at < length && segments[at].cpu !== cpu) at++
    script.at[cpu] = at
    let place = -1
    for (let looked = 0; at < length && looked < LOOK_AHEAD; at++) {
      if (segments[at].cpu !== cpu) continue
      looked++
      place = placeOf(kernel, segments[at], tids, count)
      if (place < 0) continue
      script.at[cpu] = at
      break
    }
    script.seen = Math.max(script.seen, at + 1)
    if (place < 0) {
      if (goesOn) return count - 1
      place = 0
    }
    script.last[cpu] = taskOf(kernel, tids[place]).index
    script.streak[cpu] = 0
    return place
  },

  slice(kernel, task) {
    const { segments, script } = scriptOf(kernel)
    const { cpu } = task
    const own = ownCycles(task)
    const { length } = segments
    let at = script.at[cpu]
    // A task that nobody waits for on its CPU is not picked again for its next segment.
    while (at < length && (segments[at].cpu !== cpu || (segments[at].task === task.index && segments[at].until <= own))) at++
    script.at[cpu] = at
    script.seen = Math.max(script.seen, at + 1)
    const isIts = at < length && segments[at].task === task.index && segments[at].until !== Infinity
    return Math.max(1, Math.min(isIts ? segments[at].until - own : FAIR_INSTRUCTIONS - script.streak[cpu], LONGEST_SLICE))
  },

  ended(kernel, { cpu }, executed) { scriptOf(kernel).script.streak[cpu] += executed },
}
