/**
 * Clocks: virtual cycles as the times that programs read, and times as the cycles at which they come.
 *
 * Conversions are exact: to nanoseconds down, to cycles up, so that nothing wakes early and what a clock shows never
 * differs between the system call and the vDSO (`../vdso/`), which does the same divisions.
 */
import { EINVAL } from '../abi/errno.ts'
import {
  CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW,
  CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, CLOCK_REALTIME_ALARM, CLOCK_REALTIME_COARSE, CLOCK_TAI, CLOCK_THREAD_CPUTIME_ID,
  COARSE_NANOSECONDS, NANOSECONDS,
} from '../abi/time.ts'
import type { FileTimer } from '../fs/timerfd.ts'
import type { Kernel } from '../kernel.ts'
import type { UserMemory } from '../mm/user-memory.ts'
import { groupBy, seenBy, taskBy } from '../task/pid-namespace.ts'
import type { Task, ThreadGroup } from '../task/task.ts'

/** Nanoseconds are in [0, 10^9). */
export type Time = readonly [seconds: number, nanoseconds: number]

/** What the guest may change of its clocks. */
export interface ClockState {
  readonly kind: 'clocks'
  /** CLOCK_REALTIME at cycle 0. */
  realtimeBase: Time
  /** Timers that are cancelled when it is set (fs/timerfd.ts). */
  readonly cancelled: Set<FileTimer>
  /** TAI − UTC in seconds, as adjtimex sets it. */
  taiOffset: number
  /** settimeofday's struct timezone: minutes west of Greenwich and a kind of summer time. Kept and shown. */
  timezone: readonly [minutesWest: number, dstTime: number]
  /** adjtimex: kept and shown, without effect on the clocks. */
  adjustment: { offset: number, frequency: number, maxError: number, estimatedError: number, status: number, constant: number, tick: number }
}

/** NTP state of a kernel that nobody has told the time (kernel/time/ntp.c): STA_UNSYNC, errors at their limit of 16 s. */
export const makeClocks = (epochSeconds: number): ClockState => {
  const seconds = Math.floor(epochSeconds)
  return {
    kind: 'clocks', realtimeBase: [seconds, Math.floor((epochSeconds - seconds) * NANOSECONDS)], cancelled: new Set(), taiOffset: 0, timezone: [0, 0],
    adjustment: { offset: 0, frequency: 0, maxError: 16_000_000, estimatedError: 16_000_000, status: 0x40, constant: 2, tick: 10_000 },
  }
}

/** A cycle beyond this never comes: numbers would not be exact any more (104 days at 1 GHz). */
export const LAST_CYCLE = Number.MAX_SAFE_INTEGER

/** rest · 10^9 / hz, rounded down, for rest < hz: long division in base 1000, as the product may pass 2^53. */
const scaleToNanoseconds = (rest: number, hz: number): number => {
  if (hz === NANOSECONDS) return rest
  let remainder = rest
  let nanoseconds = 0
  for (let digit = 0; digit < 3; digit++) {
    const scaled = remainder * 1000
    const quotient = Math.floor(scaled / hz)
    nanoseconds = nanoseconds * 1000 + quotient
    remainder = scaled - quotient * hz
  }
  return nanoseconds
}

/** nanoseconds · hz / 10^9, rounded up, for nanoseconds < 10^9. */
const scaleToCycles = (nanoseconds: number, hz: number): number => {
  if (hz === NANOSECONDS) return nanoseconds
  // hz = high · 10^5 + low keeps every product below 2^53.
  const high = Math.floor(hz / 100_000)
  const low = hz - high * 100_000
  const product = nanoseconds * high
  const whole = Math.floor(product / 10_000)
  const rest = (product - whole * 10_000) * 100_000 + nanoseconds * low
  return whole + Math.ceil(rest / NANOSECONDS)
}

/** A span of cycles as time, rounded down. */
export const cyclesToTimespec = (kernel: Kernel, cycles: number): Time => {
  const { cpuHz } = kernel.config
  const seconds = Math.floor(cycles / cpuHz)
  return [seconds, scaleToNanoseconds(cycles - seconds * cpuHz, cpuHz)]
}

/** A span of time as cycles, rounded up; Infinity if it is beyond all that a world can run. */
export const timespecToCycles = (kernel: Kernel, time: Time): number => {
  const { cpuHz } = kernel.config
  const cycles = time[0] * cpuHz + scaleToCycles(time[1], cpuHz)
  return cycles > LAST_CYCLE ? Infinity : cycles
}

export const timeFromNanoseconds = (nanoseconds: number): Time => {
  const seconds = Math.floor(nanoseconds / NANOSECONDS)
  return [seconds, nanoseconds - seconds * NANOSECONDS]
}
/** Exact up to 2^53 ns, 104 days. */
export const nanosecondsOf = (time: Time): number => time[0] * NANOSECONDS + time[1]
export const addTime = (a: Time, b: Time): Time => {
  const nanoseconds = a[1] + b[1]
  return nanoseconds >= NANOSECONDS ? [a[0] + b[0] + 1, nanoseconds - NANOSECONDS] : [a[0] + b[0], nanoseconds]
}
export const subtractTime = (a: Time, b: Time): Time => {
  const nanoseconds = a[1] - b[1]
  return nanoseconds < 0 ? [a[0] - b[0] - 1, nanoseconds + NANOSECONDS] : [a[0] - b[0], nanoseconds]
}
export const isZeroTime = (time: Time): boolean => time[0] === 0 && time[1] === 0

/** CLOCK_REALTIME: time stamps of files come from here, too. */
export const realTime = (kernel: Kernel): Time => addTime(kernel.state.clocks.realtimeBase, cyclesToTimespec(kernel, kernel.now))

/** CPU cycles that a thread, or all threads of a group including those that are gone, have used. */
export const taskCycles = (task: Task): number => task.usage.userCycles + task.usage.systemCycles
export const groupUserCycles = (kernel: Kernel, group: ThreadGroup): number => {
  let sum = group.usage.userCycles
  for (const tid of group.threads) sum += kernel.state.tasks.get(tid)?.usage.userCycles ?? 0
  return sum
}
export const groupCycles = (kernel: Kernel, group: ThreadGroup): number => {
  let sum = group.usage.userCycles + group.usage.systemCycles
  for (const tid of group.threads) {
    const task = kernel.state.tasks.get(tid)
    if (task !== undefined) sum += taskCycles(task)
  }
  return sum
}

const coarse = (time: Time): Time => [time[0], time[1] - time[1] % COARSE_NANOSECONDS]

/** A clock of CPU time, by its (possibly negative) id: whose, and whether user time alone counts (CPUCLOCK_VIRT). */
export interface CpuClock {
  readonly task: Task | undefined
  readonly group: ThreadGroup
  readonly userOnly: boolean
}

const PER_THREAD = 4

/** Ids of other processes' and threads' clocks: ~pid << 3 | per thread << 2 | kind (clock_getcpuclockid(3)). */
export const cpuClock = (kernel: Kernel, task: Task, clockId: number, forRead: boolean): CpuClock | undefined => {
  if (clockId === CLOCK_PROCESS_CPUTIME_ID) return { task: undefined, group: task.group, userOnly: false }
  if (clockId === CLOCK_THREAD_CPUTIME_ID) return { task, group: task.group, userOnly: false }
  if (clockId >= 0 || (clockId & 3) === 3) return undefined
  const pid = ~(clockId >> 3)
  const userOnly = (clockId & 3) === 1
  if ((clockId & PER_THREAD) !== 0) {
    const other = pid === 0 ? task : taskBy(kernel, task, pid)
    return other?.group === task.group ? { task: other, group: task.group, userOnly } : undefined
  }
  if (pid === 0) return { task: undefined, group: task.group, userOnly }
  // Reading accepts a thread's own id in place of its process's.
  if (forRead && pid === seenBy(task, task.tid)) return { task: undefined, group: task.group, userOnly }
  const group = groupBy(kernel, task, pid)
  return group === undefined || group.zombie ? undefined : { task: undefined, group, userOnly }
}

/** What a clock of CPU time stands at, in cycles. */
export const cpuClockCycles = (kernel: Kernel, clock: CpuClock): number =>
  clock.task !== undefined ? (clock.userOnly ? clock.task.usage.userCycles : taskCycles(clock.task))
    : clock.userOnly ? groupUserCycles(kernel, clock.group) : groupCycles(kernel, clock.group)

/** What the task's time namespace adds to a clock (time_namespaces(7)). */
const NO_OFFSET: Time = [0, 0]
export const namespaceOffset = (task: Task, clockId: number): Time => {
  switch (clockId) {
    case CLOCK_MONOTONIC: case CLOCK_MONOTONIC_RAW: case CLOCK_MONOTONIC_COARSE: return task.namespaces.time.monotonic
    case CLOCK_BOOTTIME: case CLOCK_BOOTTIME_ALARM: return task.namespaces.time.boottime
    default: return NO_OFFSET
  }
}

/** A time of a clock as the task's namespace shows it, as the time of the world's clock; what was before its start is that (do_timens_ktime_to_host). */
export const worldTime = (task: Task, clockId: number, time: Time): Time => {
  const offset = namespaceOffset(task, clockId)
  if (offset[0] === 0 && offset[1] === 0) return time
  const world = subtractTime(time, offset)
  return world[0] < 0 ? NO_OFFSET : world
}

/** What clock_gettime answers: a time or −EINVAL. */
export const readClock = (kernel: Kernel, task: Task, clockId: number): Time | number => {
  switch (clockId) {
    case CLOCK_REALTIME: case CLOCK_REALTIME_ALARM: return realTime(kernel)
    case CLOCK_MONOTONIC: case CLOCK_MONOTONIC_RAW: case CLOCK_BOOTTIME: case CLOCK_BOOTTIME_ALARM:
      return addTime(cyclesToTimespec(kernel, kernel.now), namespaceOffset(task, clockId))
    case CLOCK_REALTIME_COARSE: return addTime(kernel.state.clocks.realtimeBase, coarse(cyclesToTimespec(kernel, kernel.now)))
    case CLOCK_MONOTONIC_COARSE: return addTime(coarse(cyclesToTimespec(kernel, kernel.now)), namespaceOffset(task, clockId))
    case CLOCK_TAI: return addTime(realTime(kernel), [kernel.state.clocks.taiOffset, 0])
    default: {
      const clock = cpuClock(kernel, task, clockId, true)
      return clock === undefined ? -EINVAL : cyclesToTimespec(kernel, cpuClockCycles(kernel, clock))
    }
  }
}

/** Whether the clock's absolute times move when CLOCK_REALTIME is set. */
export const isRealtimeClock = (clockId: number): boolean =>
  clockId === CLOCK_REALTIME || clockId === CLOCK_REALTIME_ALARM || clockId === CLOCK_TAI

/** The cycle at which a clock (not one of CPU time) shows the time: Infinity if never, not above `now` if it has. */
export const deadlineAt = (kernel: Kernel, clockId: number, time: Time): number => {
  if (!isRealtimeClock(clockId)) return timespecToCycles(kernel, time)
  const { realtimeBase, taiOffset } = kernel.state.clocks
  const since = subtractTime(time, realtimeBase)
  return timespecToCycles(kernel, clockId === CLOCK_TAI ? [since[0] - taiOffset, since[1]] : since)
}

/** The cycle `nanoseconds` (or a time) from now. */
export const deadlineAfter = (kernel: Kernel, span: number | Time): number =>
  kernel.now + timespecToCycles(kernel, typeof span === 'number' ? timeFromNanoseconds(span) : span)

/** What is left until a cycle, as time; zero if it has passed. */
export const timeUntil = (kernel: Kernel, cycle: number): Time => {
  const left = cycle - kernel.now
  if (left <= 0) return [0, 0]
  if (left === Infinity) return [9_223_372_036, 854_775_807]
  // Rounded up: what has not come yet is not 'now'.
  const { cpuHz } = kernel.config
  const time = cyclesToTimespec(kernel, left)
  return timespecToCycles(kernel, time) < left && cpuHz !== NANOSECONDS ? addTime(time, [0, 1]) : time
}

// ——— In guest memory ———

/** struct timespec as it stands. @throws BadAddress */
export const readRawTimespec = (user: UserMemory, address: number): Time => [user.i64(address), user.i64(address + 8)]

/** struct timespec, or −EINVAL if it is no time (Linux's timespec64_valid). @throws BadAddress */
export const readTimespec = (user: UserMemory, address: number): Time | number => {
  const time = readRawTimespec(user, address)
  return time[0] < 0 || time[1] < 0 || time[1] >= NANOSECONDS ? -EINVAL : time
}
export const writeTimespec = (user: UserMemory, address: number, time: Time): void => {
  user.setI64(address, time[0])
  user.setI64(address + 8, time[1])
}

/** struct timeval, or −EINVAL. @throws BadAddress */
export const readTimeval = (user: UserMemory, address: number): Time | number => {
  const seconds = user.i64(address)
  const microseconds = user.i64(address + 8)
  return seconds < 0 || microseconds < 0 || microseconds >= 1_000_000 ? -EINVAL : [seconds, microseconds * 1000]
}
export const writeTimeval = (user: UserMemory, address: number, time: Time): void => {
  user.setI64(address, time[0])
  user.setI64(address + 8, Math.floor(time[1] / 1000))
}
