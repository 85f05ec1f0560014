/**
 * timerfd_create(2): timers that are read. A periodic one is not armed again until it is looked at, as in Linux: what it
 * missed is counted then.
 */
import { EAGAIN, ECANCELED, EINVAL, ENOTTY, ERESTARTSYS } from '../abi/errno.ts'
import { O_NONBLOCK } from '../abi/fcntl.ts'
import type { Kernel } from '../kernel.ts'
import { cyclesToTimespec, type Time, timeUntil } from '../time/clock.ts'
import { arm, disarm, makeTimer, type Timer } from '../time/timer-queue.ts'
import { waitQueue, type WaitQueue } from '../wait-queue.ts'
import { type FileOperations, type OpenFile, POLLIN, stayingSeek } from './file.ts'

/** The timer in the queue is the description's data itself, so that it is found when it fires. */
export interface FileTimer extends Timer {
  readonly clock: number
  /** Cycles; 0: once. */
  interval: number
  /** Cycle of the expiry that was not forwarded yet, which a clock that was set may have put before all cycles; Infinity: none. */
  expired: number
  /** Expiries not read yet, without those that `expired` adds. */
  ticks: number
  /** The deadline is a time of CLOCK_REALTIME, and moves when that is set. */
  isRealtime: boolean
  /** TFD_TIMER_CANCEL_ON_SET: it is one of `ClockState.cancelled` then; and whether the clock was set since. */
  cancels: boolean
  wasSet: boolean
  readonly readable: WaitQueue
}

export const makeFileTimer = (clock: number): FileTimer =>
  ({ ...makeTimer('file', 0), clock, interval: 0, expired: Infinity, ticks: 0, isRealtime: false, cancels: false, wasSet: false, readable: waitQueue() })

export const fileTimerOf = (file: OpenFile): FileTimer => file.data as FileTimer

export const fireFileTimer = (kernel: Kernel, timer: Timer, expired = kernel.now): void => {
  const fileTimer = timer as FileTimer
  fileTimer.expired = expired
  fileTimer.ticks++
  kernel.wake(fileTimer.readable)
}

/** Arms a periodic timer that has fired for its next expiry, counting those that passed meanwhile. */
const forward = (kernel: Kernel, timer: FileTimer): void => {
  const { expired, interval } = timer
  if (expired === Infinity || interval === 0) return
  const missed = Math.floor((kernel.now - expired) / interval)
  timer.ticks += missed
  timer.expired = Infinity
  arm(kernel.state.timers, timer, expired + (missed + 1) * interval)
}

export interface TimerSetting { readonly value: Time, readonly interval: Time }

export const getFileTimer = (kernel: Kernel, timer: FileTimer): TimerSetting => {
  forward(kernel, timer)
  return {
    value: timer.place < 0 || timer.deadline <= kernel.now ? [0, 0] : timeUntil(kernel, timer.deadline),
    interval: cyclesToTimespec(kernel, timer.interval),
  }
}

/** Whether the clock was set, of which its reader has not heard: once. */
const wasCancelled = (timer: FileTimer): boolean => {
  if (!timer.cancels || !timer.wasSet) return false
  timer.wasSet = false
  return true
}

/** CLOCK_REALTIME was set: absolute timers of it come so many cycles later, and those that are cancelled by that can be read. */
export const moveFileTimers = (kernel: Kernel, delay: number): void => {
  const { timers: { heap }, clocks: { cancelled } } = kernel.state
  for (const timer of heap.filter(({ kind }) => kind === 'file') as FileTimer[]) {
    if (timer.isRealtime) arm(kernel.state.timers, timer, timer.deadline + delay)
  }
  for (const timer of cancelled) {
    timer.wasSet = true
    timer.ticks++
    kernel.wake(timer.readable)
  }
}

/**
 * Sets it: `deadline` is a cycle, Infinity for off.
 * @param isRealtime the deadline is a time of CLOCK_REALTIME
 * @returns 0, or −ECANCELED if the clock was set since it was last looked at: it is set all the same
 */
export const setFileTimer = (kernel: Kernel, timer: FileTimer, deadline: number, interval: number, isRealtime = false, cancels = false): number => {
  timer.isRealtime = isRealtime
  timer.cancels = cancels
  if (cancels) kernel.state.clocks.cancelled.add(timer)
  else kernel.state.clocks.cancelled.delete(timer)
  timer.expired = Infinity
  timer.ticks = 0
  timer.interval = interval
  arm(kernel.state.timers, timer, deadline)
  return deadline !== Infinity && wasCancelled(timer) ? -ECANCELED : 0
}

const SIZE = 8
const TFD_IOC_SET_TICKS = 0x4008_5400

export const timerOperations: FileOperations = {
  seek: stayingSeek,
  read: (kernel, task, file, length) => {
    if (length < SIZE) return -EINVAL
    const timer = fileTimerOf(file)
    if (timer.ticks === 0) {
      if ((file.flags & O_NONBLOCK) !== 0) return -EAGAIN
      if (kernel.interrupted(task)) return -ERESTARTSYS
      return kernel.block(task, [timer.readable])
    }
    if (wasCancelled(timer)) {
      // What it counted means nothing any more, and a periodic one is not armed again (timerfd_read).
      timer.ticks = 0
      timer.expired = Infinity
      return -ECANCELED
    }
    forward(kernel, timer)
    const bytes = new Uint8Array(SIZE)
    const view = new DataView(bytes.buffer)
    view.setUint32(0, timer.ticks, true)
    view.setUint32(4, Math.floor(timer.ticks / 0x1_0000_0000), true)
    timer.ticks = 0
    timer.expired = Infinity
    return bytes
  },
  poll: (_kernel, file) => fileTimerOf(file).ticks > 0 ? POLLIN : 0,
  queues: (_kernel, file) => [fileTimerOf(file).readable],
  ioctl: (kernel, task, file, command, argument) => {
    if (command !== TFD_IOC_SET_TICKS) return -ENOTTY
    const ticks = kernel.user(task).i64(argument)
    if (ticks === 0) return -EINVAL
    const timer = fileTimerOf(file)
    timer.ticks = ticks
    kernel.wake(timer.readable)
    return 0
  },
  release: (kernel, file) => {
    disarm(kernel.state.timers, fileTimerOf(file))
    kernel.state.clocks.cancelled.delete(fileTimerOf(file))
  },
}
