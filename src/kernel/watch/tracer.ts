/** Who wants to know what orders tasks: detectors and strategies. Not state: what the world does does not depend on them. */
import type { AddressSpace } from '../mm/address-space.ts'
import type { Task, ThreadGroup } from '../task/task.ts'

export interface OrderTracer {
  /** What the parent did is before what the child does. */
  taskStarted?(parent: Task, child: Task): void
  /** The task ends: before its thread identifier is cleared in memory (`clearChildTid`) and others are told. */
  taskEnds?(task: Task): void
  /** A task that slept goes on; `waker` is the one on whose behalf the kernel acts, undefined for timers and input. */
  woke?(waker: Task | undefined, woken: Task): void
  /** A system call of the task has ended. `args` are its registers as signed numbers. */
  callEnded?(task: Task, number: number, args: ArrayLike<number>, result: number): void
  signalSent?(sender: Task | undefined, target: Task | ThreadGroup): void
  /** A signal acts on the task. */
  signalTaken?(task: Task): void
  /** Pages of a range are gone; others may come in their place. */
  unmapped?(space: AddressSpace, start: number, end: number): void
}
