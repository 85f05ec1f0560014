/**
 * What the scheduler did in a run, as plain data: from a recording, a replay or an exploration, told event by event.
 *
 * Two forms. *As it was*: a segment for each slice, with its virtual CPU; under the strategy 'script' it makes the same run again. *One at a
 * time*: slices of one task that follow each other are one segment, whatever the CPU, and a segment is open if its task could not go on
 * anyway. Segments that are not open are preemptions: what the shrinker wants few of.
 */
import type { ScheduleSegment, ScriptConfig } from '../kernel/config.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { ownCycles } from '../kernel/sched/script.ts'
import type { Task } from '../kernel/task/task.ts'
import type { TraceEvent } from '../trace/events.ts'

const SYS_SCHED_YIELD = 24

/** A task ran. */
export interface RunSegment extends ScheduleSegment {
  readonly tid: number
  /** Number of the first event in it: its slice's. */
  readonly event: number
  /** Of the CPU, when it began. */
  readonly cycle: number
  /** Own cycles of the task when it began. */
  readonly from: number
  /** Own cycles of the task when it ended; very many if it was the task's last. */
  readonly until: number
  /** The task could have gone on, and did not wait or yield. */
  readonly couldGoOn: boolean
}

/** More cycles than a task ever has, but not 'until it waits'. */
const ENDED = Number.MAX_SAFE_INTEGER
const isGone = ({ state }: Task): boolean => state === 'zombie' || state === 'dead'
const isReady = ({ state }: Task): boolean => state === 'runnable' || state === 'running'

export class ScheduleRecorder {
  readonly #segments: RunSegment[] = []
  #task: Task | undefined
  #open: { readonly tid: number, readonly cpu: number, readonly event: number, readonly cycle: number, readonly from: number } | undefined
  /** Own cycles of the running task when it last yielded. */
  #yieldedAt = -1
  #events = 0

  /** One that has seen what this one has. */
  copy(): ScheduleRecorder {
    const copy = new ScheduleRecorder()
    copy.#segments.push(...this.#segments)
    copy.#task = this.#task
    copy.#open = this.#open
    copy.#yieldedAt = this.#yieldedAt
    copy.#events = this.#events
    return copy
  }

  /** Takes the next event, as it happens. @param kernel the world in which it does; undefined before there is one */
  event(event: TraceEvent, kernel: Kernel | undefined): void {
    const number = this.#events++
    if (event.type === 'syscall') this.syscall(event.tid, event.number)
    if (event.type === 'slice' && kernel !== undefined) this.slice(event.cycle, event.cpu, event.tid, kernel, number)
  }

  /** The same for those who make no events of system calls. */
  syscall(tid: number, number: number): void {
    if (number === SYS_SCHED_YIELD && tid === this.#task?.tid) this.#yieldedAt = ownCycles(this.#task)
  }

  /** Own cycles of the task that runs, when its CPU's clock is at this cycle. */
  ownAt(cycle: number): number { return this.#open === undefined ? 0 : this.#open.from + cycle - this.#open.cycle }

  /** Where the task that runs is now, between instructions; undefined if it is another. */
  pointOf(tid: number): { readonly task: number, readonly own: number } | undefined {
    return this.#task?.tid === tid ? { task: this.#task.index, own: ownCycles(this.#task) } : undefined
  }

  /** For those who see no events at all. */
  slice(cycle: number, cpu: number, tid: number, kernel: Kernel, event = 0): void {
    this.#close()
    const task = kernel.state.tasks.get(tid)
    if (task === undefined) throw new Error(`a slice of task ${tid}, which is gone`)
    this.#task = task
    this.#yieldedAt = -1
    this.#open = { tid, cpu, event, cycle, from: ownCycles(task) }
  }

  #close(): void {
    const task = this.#task
    if (task === undefined || this.#open === undefined) return
    // The cycles of a task that ends become its process's.
    // A strategy may stop a task between SYSCALL and what that does (nextAction): a script stops it before.
    const until = isGone(task) ? ENDED : ownCycles(task) - (task.nextAction?.kind === 'syscall' ? 1 : 0)
    this.#segments.push({ ...this.#open, task: task.index, until, couldGoOn: isReady(task) && this.#yieldedAt !== until })
    this.#open = undefined
  }

  /** All of it, once the run has ended. */
  slices(): readonly RunSegment[] {
    this.#close()
    return this.#segments
  }
}

/** The schedule as it was: under the strategy 'script', with as many CPUs, it makes the same run again. */
export const exactScript = (slices: readonly RunSegment[]): ScriptConfig =>
  ({ oneAtATime: false, segments: slices.map(({ task, until, cpu }) => ({ task, until, cpu })) })

/** Stretches in which one task ran: slices of one task that follow each other are one. */
export const stretchesOf = (slices: readonly RunSegment[]): RunSegment[] => {
  const stretches: RunSegment[] = []
  for (const slice of slices) {
    const last = stretches.at(-1)
    if (last?.task === slice.task && last.couldGoOn) stretches[stretches.length - 1] = { ...last, until: slice.until, couldGoOn: slice.couldGoOn }
    else stretches.push(slice)
  }
  return stretches
}

/** One task at a time, in the order in which they ran; open where a task could not go on. The last goes on to the end of the run. */
export const plainSegments = (slices: readonly RunSegment[]): ScheduleSegment[] => {
  const stretches = stretchesOf(slices)
  return stretches.map(({ task, until, couldGoOn }, i) => ({ task, until: couldGoOn && i < stretches.length - 1 ? until : Infinity, cpu: 0 }))
}

/** How many times a task that could have gone on was switched away from. */
export const preemptionsIn = (segments: readonly ScheduleSegment[]): number => segments.reduce((count, { until }) => until === Infinity ? count : count + 1, 0)
