/**
 * CLOCK_REALTIME is set, by a program or from outside: what waits for a time of it (timers, sleeps, futexes) comes when the clock shows that
 * time, whenever that is now, and timerfds that asked for it are cancelled (clock_was_set in Linux's kernel/time/hrtimer.c, fs/timerfd.c).
 * Relative timers of it are not moved (POSIX; hrtimer_init makes them CLOCK_MONOTONIC).
 */
import { EINVAL } from '../abi/errno.ts'
import { NANOSECONDS } from '../abi/time.ts'
import { moveFileTimers } from '../fs/timerfd.ts'
import type { Kernel } from '../kernel.ts'
import { updateVdsoClocks } from '../vdso/vdso.ts'
import { addTime, cyclesToTimespec, realTime, subtractTime, type Time, timespecToCycles } from './clock.ts'
import { moveAbsoluteTimers } from './posix-timers.ts'

/** By how many cycles deadlines of CLOCK_REALTIME come later when it goes from one base to another: never so that something wakes early. */
const delayOf = (kernel: Kernel, from: Time, to: Time): number => {
  const [seconds, nanoseconds] = subtractTime(from, to)
  if (seconds >= 0) return timespecToCycles(kernel, [seconds, nanoseconds])
  const cycles = timespecToCycles(kernel, subtractTime(to, from))
  return -(kernel.config.cpuHz === NANOSECONDS ? cycles : cycles - 1)
}

interface Deadline { deadline: number }
const hasDeadline = (memory: unknown): memory is Deadline => typeof memory === 'object' && memory !== null && typeof (memory as Partial<Deadline>).deadline === 'number'

/** Those who wait with a deadline of the clock look again; those whom a signal interrupted will wait until then. */
const moveWaits = (kernel: Kernel, delay: number): void => {
  for (const task of kernel.state.tasks.values()) {
    const { restart } = task
    if (restart?.realtime === true && hasDeadline(restart.memory) && restart.memory !== task.syscall?.memory) restart.memory.deadline = Math.max(restart.memory.deadline + delay, 0)
    if (task.state !== 'blocked' || task.syscall?.realtime !== true) continue
    const { memory } = task.syscall
    if (hasDeadline(memory)) memory.deadline = Math.max(memory.deadline + delay, 0)
    kernel.wakeTask(task, 'event')
  }
}

const setBase = (kernel: Kernel, base: Time): number => {
  const { clocks } = kernel.state
  // It can't be earlier than the system has been up.
  if (base[0] < 0) return -EINVAL
  const old = clocks.realtimeBase
  if (base[0] === old[0] && base[1] === old[1]) return 0
  const delay = delayOf(kernel, old, base)
  clocks.realtimeBase = base
  updateVdsoClocks(kernel)
  moveAbsoluteTimers(kernel, delay)
  moveFileTimers(kernel, delay)
  moveWaits(kernel, delay)
  return 0
}

/** Makes CLOCK_REALTIME show the time now (do_settimeofday64). 0 or −EINVAL */
export const setRealtime = (kernel: Kernel, time: Time): number => setBase(kernel, subtractTime(time, cyclesToTimespec(kernel, kernel.now)))

/** It jumps by a span, of which the seconds may be negative. Not to before the system was up. */
export const jumpRealtime = (kernel: Kernel, span: Time): void => { setRealtime(kernel, addTime(realTime(kernel), span)) }
