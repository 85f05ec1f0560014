/** What happens when a timer of the queue fires, by its kind. To add a kind: a member of TimerKind and a row here. */
import { fireFileTimer } from '../fs/timerfd.ts'
import type { Kernel } from '../kernel.ts'
import { fireNetTimer } from '../net/timers.ts'
import { fireRealTimer } from './itimers.ts'
import { firePosixTimer } from './posix-timers.ts'
import { takeDue, type Timer, type TimerKind } from './timer-queue.ts'

const wakeSleeper = (kernel: Kernel, timer: Timer): void => {
  const task = kernel.state.tasks.get(timer.owner)
  if (task !== undefined) kernel.wakeTask(task, 'timeout')
}

const fireReal = (kernel: Kernel, timer: Timer, expired: number): void => {
  const group = kernel.state.groups.get(timer.owner)
  if (group !== undefined) fireRealTimer(kernel, group, expired)
}

const ACTIONS: Readonly<Record<TimerKind, (kernel: Kernel, timer: Timer, expired: number) => void>> = {
  sleep: wakeSleeper,
  real: fireReal,
  posix: firePosixTimer,
  file: fireFileTimer,
  net: fireNetTimer,
  plan: () => { /* it is looked at between slices */ },
}

/** Fires all timers that are due at `kernel.now`, in the order of their deadlines. */
export const fireTimers = (kernel: Kernel): void => {
  const { timers } = kernel.state
  while (timers.heap.length > 0 && timers.heap[0].deadline <= kernel.now) {
    const expired = timers.heap[0].deadline
    const timer = takeDue(timers, kernel.now)
    if (timer === undefined) return
    ACTIONS[timer.kind](kernel, timer, expired)
  }
}
