/** Interval timers (setitimer(2), alarm(2)) and the timers of CPU time, which the world loop checks at slice ends. */
import { ITIMER_PROF, ITIMER_REAL, NANOSECONDS } from '../abi/time.ts'
import { RLIMIT_CPU } from '../abi/resources.ts'
import { SIGALRM, SIGKILL, SIGPROF, SIGVTALRM, SIGXCPU } from '../abi/signals.ts'
import type { Kernel } from '../kernel.ts'
import { sendSignal } from '../signal/send.ts'
import { setHas } from '../signal/signal.ts'
import type { Task, ThreadGroup } from '../task/task.ts'
import { cyclesToTimespec, groupCycles, groupUserCycles, LAST_CYCLE, subtractTime, type Time, timespecToCycles } from './clock.ts'
import { checkPosixCpuTimers, hasPosixCpuTimers, posixCpuTimerSlack } from './posix-timers.ts'
import { arm } from './timer-queue.ts'

/** Value and interval as spans; a value of zero means off. */
export interface IntervalTimer { readonly value: Time, readonly interval: Time }

const ZERO: Time = [0, 0]
/** An armed timer never shows zero. */
const atLeastMicrosecond = (time: Time): Time => time[0] === 0 && time[1] < 1000 ? [0, 1000] : time

export const getIntervalTimer = (kernel: Kernel, group: ThreadGroup, which: number): IntervalTimer => {
  const show = (left: number, interval: number): IntervalTimer => ({
    value: left === Infinity ? ZERO : atLeastMicrosecond(cyclesToTimespec(kernel, Math.max(left, 0))),
    interval: cyclesToTimespec(kernel, interval),
  })
  const { cpuTimers } = group
  if (which === ITIMER_REAL && group.realFar !== undefined) {
    return { value: subtractTime(group.realFar.value, cyclesToTimespec(kernel, kernel.now - group.realFar.since)), interval: cyclesToTimespec(kernel, group.realInterval) }
  }
  if (which === ITIMER_REAL) return show(group.realTimer.place < 0 ? Infinity : group.realTimer.deadline - kernel.now, group.realInterval)
  return which === ITIMER_PROF ? show(cpuTimers.profile - groupCycles(kernel, group), cpuTimers.profileInterval)
    : show(cpuTimers.virtual - groupUserCycles(kernel, group), cpuTimers.virtualInterval)
}

export const setIntervalTimer = (kernel: Kernel, group: ThreadGroup, which: number, value: Time, interval: Time): void => {
  const span = timespecToCycles(kernel, value)
  // A timer of real time that is off has no interval to go on with; those of CPU time keep theirs and show it.
  const first = span === 0 ? Infinity : span
  const repeat = timespecToCycles(kernel, interval)
  const next = repeat === Infinity ? 0 : repeat
  if (which === ITIMER_REAL) {
    arm(kernel.state.timers, group.realTimer, kernel.now + first)
    group.realInterval = span === 0 ? 0 : next
    group.realFar = span !== 0 && kernel.now + first > LAST_CYCLE ? { value, since: kernel.now } : undefined
  } else if (which === ITIMER_PROF) {
    group.cpuTimers.profile = groupCycles(kernel, group) + first
    group.cpuTimers.profileInterval = next
  } else {
    group.cpuTimers.virtual = groupUserCycles(kernel, group) + first
    group.cpuTimers.virtualInterval = next
  }
}

/** The first expiry after `now` on the grid that starts at `expiry`. */
export const nextOnGrid = (expiry: number, interval: number, now: number): number =>
  expiry > now ? expiry : expiry + (Math.floor((now - expiry) / interval) + 1) * interval

/** ITIMER_REAL has expired. A periodic one goes on at once, or when its signal is taken if that waits (`realTimerTaken`). */
export const fireRealTimer = (kernel: Kernel, group: ThreadGroup, expired: number): void => {
  sendSignal(kernel, group, SIGALRM)
  if (group.realInterval <= 0) return
  group.realExpired = expired
  if (!setHas(group.pending.set, SIGALRM)) rearmRealTimer(kernel, group)
}

const rearmRealTimer = (kernel: Kernel, group: ThreadGroup): void => {
  const expired = group.realExpired
  group.realExpired = 0
  if (expired > 0 && group.realInterval > 0 && group.realTimer.place < 0) {
    arm(kernel.state.timers, group.realTimer, nextOnGrid(expired, group.realInterval, kernel.now))
  }
}

/** SIGALRM was taken off the group's pending signals: a blocked one does not make its timer tick on (Linux's dequeue_signal). */
export const realTimerTaken = (kernel: Kernel, group: ThreadGroup): void => { rearmRealTimer(kernel, group) }

// ——— CPU time ———

/** Whether anything of the group watches its CPU time. */
const isWatched = (group: ThreadGroup): boolean =>
  group.cpuTimers.profile !== Infinity || group.cpuTimers.virtual !== Infinity || group.limits[RLIMIT_CPU][0] !== Infinity ||
  hasPosixCpuTimers(group)

/**
 * Cycles that the task may run before a timer of CPU time can expire, at least 1: the world loop bounds a slice by it.
 * Other threads of the group that run meanwhile make it expire earlier; that is seen at the end of a slice.
 */
export const cyclesToCpuTimer = (kernel: Kernel, task: Task): number => {
  const { group } = task
  if (!isWatched(group)) return Infinity
  const total = groupCycles(kernel, group)
  const soft = group.limits[RLIMIT_CPU][0]
  const left = Math.min(group.cpuTimers.profile - total, group.cpuTimers.virtual - groupUserCycles(kernel, group),
    soft === Infinity ? Infinity : soft * kernel.config.cpuHz - total, posixCpuTimerSlack(kernel, task))
  return Math.max(left, 1)
}

/** Sends what the CPU time that the task's group has used by now calls for. Called at the end of each slice. */
export const checkCpuTimers = (kernel: Kernel, task: Task): void => {
  const { group } = task
  if (!isWatched(group)) return
  const { cpuTimers } = group
  const total = groupCycles(kernel, group)
  if (total >= cpuTimers.profile) {
    cpuTimers.profile = cpuTimers.profileInterval > 0 ? nextOnGrid(cpuTimers.profile, cpuTimers.profileInterval, total) : Infinity
    sendSignal(kernel, group, SIGPROF)
  }
  if (cpuTimers.virtual !== Infinity) {
    const user = groupUserCycles(kernel, group)
    if (user >= cpuTimers.virtual) {
      cpuTimers.virtual = cpuTimers.virtualInterval > 0 ? nextOnGrid(cpuTimers.virtual, cpuTimers.virtualInterval, user) : Infinity
      sendSignal(kernel, group, SIGVTALRM)
    }
  }
  checkCpuLimit(kernel, group, total)
  checkPosixCpuTimers(kernel, group)
}

/** RLIMIT_CPU: SIGKILL at the hard limit; at the soft one SIGXCPU, which then moves up by a second (check_process_timers). */
const checkCpuLimit = (kernel: Kernel, group: ThreadGroup, total: number): void => {
  const limit = group.limits[RLIMIT_CPU]
  const { cpuHz } = kernel.config
  if (total >= limit[1] * cpuHz) sendSignal(kernel, group, SIGKILL)
  else if (total >= limit[0] * cpuHz) {
    sendSignal(kernel, group, SIGXCPU)
    limit[0]++
  }
}

/** alarm(2) counts whole seconds: what is left is rounded to the nearest, but never to 0 (alarm_setitimer). */
export const alarmSeconds = (left: Time): number =>
  left[0] + ((left[0] === 0 && left[1] > 0) || left[1] >= NANOSECONDS / 2 ? 1 : 0)
