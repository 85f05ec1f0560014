/**
 * Timers of timer_create(2).
 *
 * A periodic timer does not tick on while its signal waits to be taken: what passes meanwhile is counted as overruns
 * when it is (Linux's posixtimer_rearm). Timers of CPU time have `expiry` in cycles of their clock and are looked at when
 * slices end; all others are in the timer queue.
 */
import { EINVAL } from '../abi/errno.ts'
import { SI_TIMER } from '../abi/signals.ts'
import { SIGEV_NONE, SIGEV_THREAD_ID, TIMER_ABSTIME } from '../abi/time.ts'
import type { Kernel } from '../kernel.ts'
import { isIgnored, sendSignal } from '../signal/send.ts'
import { setAdd, setHas, type SignalInfo } from '../signal/signal.ts'
import type { PosixTimer, Task, ThreadGroup } from '../task/task.ts'
import {
  type CpuClock, cpuClock, cpuClockCycles, cyclesToTimespec, deadlineAfter, deadlineAt, isRealtimeClock, isZeroTime, type Time,
  timeUntil, timespecToCycles, worldTime,
} from './clock.ts'
import { nextOnGrid } from './itimers.ts'
import { arm, disarm, makeTimer, type Timer } from './timer-queue.ts'

/** DELAYTIMER_MAX: overrun counts stop there. */
const OVERRUN_LIMIT = 0x7fff_ffff
/** A periodic timer whose signal is ignored ticks at most this often (kernel/time/posix-timers.c). */
const IGNORED_TICK_NANOSECONDS = 4_000_000

export interface TimerEvent {
  readonly notify: number
  readonly signal: number
  readonly valueLow: number
  readonly valueHigh: number
  readonly tid: number
}

const isCpuClock = (clockId: number): boolean => clockId < 0 || clockId === 2 || clockId === 3

/** The clock of CPU time behind a timer; undefined if what it measures is gone. */
const clockOf = (kernel: Kernel, group: ThreadGroup, timer: PosixTimer): CpuClock | undefined => {
  const owner = kernel.state.tasks.get(timer.clockTid)
  return owner === undefined || owner.group !== group ? undefined : cpuClock(kernel, owner, timer.clock, false)
}

export const createPosixTimer = (kernel: Kernel, task: Task, clock: number, event: TimerEvent | undefined, id: number): PosixTimer => {
  const { group } = task
  const timer: PosixTimer = {
    id, clock, notify: 0, signal: 14, valueLow: id, valueHigh: 0, tid: 0, ...event,
    timer: makeTimer('posix', group.tgid, id), clockTid: task.tid,
    interval: 0, expiry: Infinity, absolute: undefined, overrun: 0, lastOverrun: 0, queued: false,
  }
  group.posixTimers.set(id, timer)
  if (isCpuClock(clock)) group.posixCpuTimers.add(timer)
  return timer
}

/** Value and interval; a timer that is armed never shows a value of zero unless nobody is told of it. */
export const getPosixTimer = (kernel: Kernel, group: ThreadGroup, timer: PosixTimer): { value: Time, interval: Time } => {
  const interval = cyclesToTimespec(kernel, timer.interval)
  const armed = timer.expiry !== Infinity
  if (!armed) return { value: [0, 0], interval }
  const clock = isCpuClock(timer.clock) ? clockOf(kernel, group, timer) : undefined
  if (isCpuClock(timer.clock) && clock === undefined) return { value: [0, 0], interval }
  const now = clock === undefined ? kernel.now : cpuClockCycles(kernel, clock)
  // One that waits for its signal to be taken, or tells nobody, shows where it would be.
  const expiry = timer.interval > 0 ? nextOnGrid(timer.expiry, timer.interval, now) : timer.expiry
  if (expiry <= now) return { value: timer.notify === SIGEV_NONE || timer.queued ? [0, 0] : [0, 1], interval }
  return { value: clock === undefined ? timeUntil(kernel, expiry) : cyclesToTimespec(kernel, expiry - now), interval }
}

export const setPosixTimer = (kernel: Kernel, task: Task, timer: PosixTimer, flags: number, value: Time, interval: Time): number => {
  disarm(kernel.state.timers, timer.timer)
  timer.overrun = 0
  timer.lastOverrun = 0
  timer.queued = false
  timer.interval = 0
  timer.expiry = Infinity
  const absolute = (flags & TIMER_ABSTIME) !== 0
  timer.absolute = absolute ? value : undefined
  if (isZeroTime(value)) return 0
  const repeat = timespecToCycles(kernel, interval)
  timer.interval = repeat === Infinity ? 0 : repeat
  if (isCpuClock(timer.clock)) {
    const clock = clockOf(kernel, task.group, timer)
    if (clock === undefined) return -EINVAL
    timer.expiry = timespecToCycles(kernel, value) + (absolute ? 0 : cpuClockCycles(kernel, clock))
    checkPosixCpuTimers(kernel, task.group)
    return 0
  }
  timer.expiry = absolute ? deadlineAt(kernel, timer.clock, worldTime(task, timer.clock, value)) : deadlineAfter(kernel, value)
  if (timer.notify !== SIGEV_NONE) arm(kernel.state.timers, timer.timer, timer.expiry)
  return 0
}

/** CLOCK_REALTIME was set: its absolute timers come so many cycles later, and those of an interval all that follow. */
export const moveAbsoluteTimers = (kernel: Kernel, delay: number): void => {
  for (const group of kernel.state.groups.values()) {
    for (const timer of group.posixTimers.values()) {
      if (timer.absolute === undefined || timer.expiry === Infinity || timer.queued || !isRealtimeClock(timer.clock)) continue
      timer.expiry = timer.interval === 0 ? deadlineAt(kernel, timer.clock, timer.absolute) : timer.expiry + delay
      if (timer.timer.place >= 0) arm(kernel.state.timers, timer.timer, timer.expiry)
    }
  }
}

/** What timer_getoverrun gives: of the signal taken last. */
export const posixTimerOverrun = (timer: PosixTimer): number => timer.lastOverrun

export const deletePosixTimer = (kernel: Kernel, group: ThreadGroup, timer: PosixTimer): void => {
  disarm(kernel.state.timers, timer.timer)
  group.posixTimers.delete(timer.id)
  group.posixCpuTimers.delete(timer)
}

/** execve and exit: all go. */
export const deletePosixTimers = (kernel: Kernel, group: ThreadGroup): void => {
  for (const timer of group.posixTimers.values()) disarm(kernel.state.timers, timer.timer)
  group.posixTimers.clear()
  group.posixCpuTimers.clear()
}

/** Queues the timer's signal. Each timer has a place of its own in the queue, even for standard signals (send_sigqueue). */
const notify = (kernel: Kernel, group: ThreadGroup, timer: PosixTimer): void => {
  const target = timer.notify === SIGEV_THREAD_ID ? kernel.state.tasks.get(timer.tid) : group
  if (target === undefined) return
  const { signal, valueLow, valueHigh } = timer
  const info: SignalInfo = { signal, errno: 0, code: SI_TIMER, detail: { kind: 'timer', timer: timer.id, overrun: 0, valueLow, valueHigh } }
  const pending = target.pending
  const waited = setHas(pending.set, signal)
  sendSignal(kernel, target, signal, info)
  if (waited && !pending.queue.includes(info) && setHas(pending.set, signal)) {
    setAdd(pending.set, signal)
    pending.queue.push(info)
  }
  timer.queued = pending.queue.includes(info)
}

const isDropped = (kernel: Kernel, group: ThreadGroup, timer: PosixTimer): boolean => {
  const task = kernel.state.tasks.get(group.threads[0])
  return task !== undefined && isIgnored(task, timer.signal)
}

export const firePosixTimer = (kernel: Kernel, fired: Timer): void => {
  const group = kernel.state.groups.get(fired.owner)
  const timer = group?.posixTimers.get(fired.id)
  if (group === undefined || timer === undefined) return
  if (timer.queued) {
    // Set again while its old signal waits: that one stands for both.
    timer.overrun = Math.min(timer.overrun + 1, OVERRUN_LIMIT)
    return
  }
  notify(kernel, group, timer)
  if (timer.queued) return
  if (timer.interval === 0) {
    timer.expiry = Infinity
    return
  }
  const interval = isDropped(kernel, group, timer) ? Math.max(timer.interval, timespecToCycles(kernel, [0, IGNORED_TICK_NANOSECONDS])) : timer.interval
  timer.expiry = nextOnGrid(timer.expiry, interval, kernel.now)
  arm(kernel.state.timers, timer.timer, timer.expiry)
}

/**
 * A signal of a timer was taken off a queue, to be delivered or read: its overruns are counted and the timer goes on.
 * Called for every SignalInfo whose detail is 'timer', before the guest sees it.
 */
export const timerSignalTaken = (kernel: Kernel, group: ThreadGroup, info: SignalInfo): void => {
  if (info.detail.kind !== 'timer') return
  const timer = group.posixTimers.get(info.detail.timer)
  if (timer === undefined || !timer.queued) return
  timer.queued = false
  const clock = isCpuClock(timer.clock) ? clockOf(kernel, group, timer) : undefined
  if (timer.interval > 0 && timer.expiry !== Infinity) {
    const now = clock === undefined ? kernel.now : cpuClockCycles(kernel, clock)
    const next = nextOnGrid(timer.expiry, timer.interval, now)
    timer.overrun = Math.min(timer.overrun + Math.round((next - timer.expiry) / timer.interval) - 1, OVERRUN_LIMIT)
    timer.expiry = next
    if (!isCpuClock(timer.clock)) arm(kernel.state.timers, timer.timer, next)
  } else {
    timer.expiry = Infinity
  }
  timer.lastOverrun = timer.overrun
  info.detail.overrun = timer.overrun
  timer.overrun = 0
}

// ——— CPU time: see itimers.ts for when these are called ———

export const hasPosixCpuTimers = (group: ThreadGroup): boolean => {
  for (const timer of group.posixCpuTimers) if (timer.expiry !== Infinity && !timer.queued) return true
  return false
}

/** Cycles until the next of them can expire, as far as this task alone runs. */
export const posixCpuTimerSlack = (kernel: Kernel, task: Task): number => {
  let slack = Infinity
  for (const timer of task.group.posixCpuTimers) {
    if (timer.expiry === Infinity || timer.queued) continue
    const clock = clockOf(kernel, task.group, timer)
    if (clock !== undefined && (clock.task === undefined || clock.task === task)) slack = Math.min(slack, timer.expiry - cpuClockCycles(kernel, clock))
  }
  return slack
}

export const checkPosixCpuTimers = (kernel: Kernel, group: ThreadGroup): void => {
  for (const timer of group.posixCpuTimers) {
    if (timer.expiry === Infinity || timer.queued || timer.notify === SIGEV_NONE) continue
    const clock = clockOf(kernel, group, timer)
    if (clock === undefined) continue
    const now = cpuClockCycles(kernel, clock)
    if (now < timer.expiry) continue
    notify(kernel, group, timer)
    if (timer.queued) continue
    timer.expiry = timer.interval > 0 ? nextOnGrid(timer.expiry, timer.interval, now) : Infinity
  }
}
