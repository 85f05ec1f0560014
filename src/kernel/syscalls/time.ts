/** Clocks, sleeping and timers: clock_gettime(2), nanosleep(2), setitimer(2), timer_create(2), adjtimex(2) and relatives. */
import { kernelPid, taskBy } from '../task/pid-namespace.ts'
import { CAP_SYS_TIME } from '../abi/capabilities.ts'
import { EINVAL, EOPNOTSUPP, EPERM, ERESTART_RESTARTBLOCK, ERESTARTNOHAND } from '../abi/errno.ts'
import { int32, uint32, uint64 } from '../abi/numbers.ts'
import { SIGNAL_COUNT } from '../abi/signals.ts'
import {
  CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME,
  CLOCK_REALTIME_ALARM, CLOCK_REALTIME_COARSE, CLOCK_TAI, CLOCK_THREAD_CPUTIME_ID, CLOCK_TICKS, COARSE_NANOSECONDS, ITIMER_PROF,
  ITIMER_REAL, NANOSECONDS, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_THREAD_ID, TIMER_ABSTIME,
} from '../abi/time.ts'
import type { Kernel } from '../kernel.ts'
import {
  addTime, type CpuClock, cpuClock, cpuClockCycles, cyclesToTimespec, deadlineAfter, deadlineAt, isRealtimeClock, readClock,
  readTimespec, readTimeval, realTime, type Time, timeUntil, timespecToCycles, worldTime, writeTimespec, writeTimeval,
} from '../time/clock.ts'
import { alarmSeconds, getIntervalTimer, setIntervalTimer } from '../time/itimers.ts'
import {
  createPosixTimer, deletePosixTimer, getPosixTimer, posixTimerOverrun, setPosixTimer, type TimerEvent,
} from '../time/posix-timers.ts'
import { setRealtime } from '../time/set-clock.ts'
import { hasCapability } from '../task/credentials.ts'
import type { PosixTimer, Task, ThreadGroup } from '../task/task.ts'
import { updateVdsoClocks } from '../vdso/vdso.ts'
import type { Args, SyscallEntry } from './entry.ts'

// ——— Reading and setting clocks ———

const clockGettime = (kernel: Kernel, task: Task, args: Args): number => {
  const time = readClock(kernel, task, int32(args[0]))
  if (typeof time === 'number') return time
  writeTimespec(kernel.user(task), uint64(args[1]), time)
  return 0
}

const clockGetres = (kernel: Kernel, task: Task, args: Args): number => {
  const clockId = int32(args[0])
  const known = readClock(kernel, task, clockId)
  if (typeof known === 'number') return known
  // CPUCLOCK_PROF and CPUCLOCK_VIRT, the kinds 0 and 1, count in ticks on Linux.
  const isTicks = clockId === CLOCK_REALTIME_COARSE || clockId === CLOCK_MONOTONIC_COARSE || (clockId < 0 && (clockId & 3) !== 2)
  if (args[1] !== 0) writeTimespec(kernel.user(task), uint64(args[1]), [0, isTicks ? COARSE_NANOSECONDS : 1])
  return 0
}

/** timespec64_valid_settod: 2262 is the end. */
const LAST_SETTABLE_SECOND = 8_277_292_036

const checkSettable = (task: Task, time: Time): number =>
  time[0] < 0 || time[0] >= LAST_SETTABLE_SECOND ? -EINVAL : hasCapability(task, CAP_SYS_TIME) ? 0 : -EPERM

const clockSettime = (kernel: Kernel, task: Task, args: Args): number => {
  const clockId = int32(args[0])
  const isCpu = clockId < 0 || clockId === CLOCK_PROCESS_CPUTIME_ID || clockId === CLOCK_THREAD_CPUTIME_ID
  if (clockId !== CLOCK_REALTIME && (clockId >= 0 || (clockId & 3) === 3)) return -EINVAL
  const time = readTimespec(kernel.user(task), uint64(args[1]))
  if (isCpu) return cpuClock(kernel, task, clockId, false) === undefined ? -EINVAL : -EPERM
  if (typeof time === 'number') return time
  const refused = checkSettable(task, time)
  return refused < 0 ? refused : setRealtime(kernel, time)
}

const gettimeofday = (kernel: Kernel, task: Task, args: Args): number => {
  const user = kernel.user(task)
  if (args[0] !== 0) writeTimeval(user, uint64(args[0]), realTime(kernel))
  if (args[1] !== 0) {
    user.setU32(uint64(args[1]), kernel.state.clocks.timezone[0])
    user.setU32(uint64(args[1]) + 4, kernel.state.clocks.timezone[1])
  }
  return 0
}

const ZONE_LIMIT = 15 * 60

const settimeofday = (kernel: Kernel, task: Task, args: Args): number => {
  const user = kernel.user(task)
  let time: Time | undefined
  if (args[0] !== 0) {
    const read = readTimeval(user, uint64(args[0]))
    if (typeof read === 'number') return read
    time = read
  }
  const zone = args[1] === 0 ? undefined : [user.i32(uint64(args[1])), user.i32(uint64(args[1]) + 4)] as const
  const refused = checkSettable(task, time ?? [0, 0])
  if (refused < 0) return refused
  if (zone !== undefined) {
    if (Math.abs(zone[0]) > ZONE_LIMIT) return -EINVAL
    kernel.state.clocks.timezone = zone
    updateVdsoClocks(kernel)
  }
  return time === undefined ? 0 : setRealtime(kernel, time)
}

const time = (kernel: Kernel, task: Task, args: Args): number => {
  const [seconds] = realTime(kernel)
  if (args[0] !== 0) kernel.user(task).setI64(uint64(args[0]), seconds)
  return seconds
}

/** Cycles in USER_HZ ticks. */
const ticks = (kernel: Kernel, cycles: number): number => Math.floor(cycles / (kernel.config.cpuHz / CLOCK_TICKS))

const times = (kernel: Kernel, task: Task, args: Args): number => {
  if (args[0] !== 0) {
    const { group } = task
    let { userCycles, systemCycles } = group.usage
    for (const tid of group.threads) {
      const usage = kernel.state.tasks.get(tid)?.usage
      userCycles += usage?.userCycles ?? 0
      systemCycles += usage?.systemCycles ?? 0
    }
    const values = [userCycles, systemCycles, group.childUsage.userCycles, group.childUsage.systemCycles]
    for (const [i, value] of values.entries()) kernel.user(task).setI64(uint64(args[0]) + i * 8, ticks(kernel, value))
  }
  return ticks(kernel, kernel.now)
}

// ——— adjtimex ———

const ADJ_OFFSET = 0x1, ADJ_FREQUENCY = 0x2, ADJ_MAXERROR = 0x4, ADJ_ESTERROR = 0x8, ADJ_STATUS = 0x10, ADJ_TIMECONST = 0x20,
  ADJ_TAI = 0x80, ADJ_SETOFFSET = 0x100, ADJ_MICRO = 0x1000, ADJ_NANO = 0x2000, ADJ_TICK = 0x4000,
  ADJ_OFFSET_SINGLESHOT = 0x8001, ADJ_ADJTIME = 0x8000
const STA_UNSYNC = 0x40, STA_NANO = 0x2000, STA_RONLY = 0xff00
const TIME_OK = 0, TIME_ERROR = 5
const PRECISION = 1, TOLERANCE = 32_768_000
const TIMEX_SIZE = 208
/** Ticks of 10 ms may be 10 % off. */
const TICK_MINIMUM = 9000, TICK_MAXIMUM = 11_000

const adjust = (kernel: Kernel, task: Task, address: number): number => {
  const user = kernel.user(task)
  const view = new DataView(user.read(address, TIMEX_SIZE).buffer)
  const long = (at: number): number => view.getInt32(at + 4, true) * 2 ** 32 + view.getUint32(at, true)
  const modes = view.getUint32(0, true)
  const { clocks } = kernel.state
  const { adjustment } = clocks
  const isSingleShot = (modes & ADJ_ADJTIME) !== 0
  if (isSingleShot) {
    if ((modes & 1) === 0) return -EINVAL
    if ((modes & 0x2000) === 0 && !hasCapability(task, CAP_SYS_TIME)) return -EPERM
  } else {
    if (modes !== 0 && !hasCapability(task, CAP_SYS_TIME)) return -EPERM
    if ((modes & ADJ_TICK) !== 0 && (long(88) < TICK_MINIMUM || long(88) > TICK_MAXIMUM)) return -EINVAL
  }
  if ((modes & ADJ_SETOFFSET) !== 0) {
    if (!hasCapability(task, CAP_SYS_TIME)) return -EPERM
    const isNano = (modes & ADJ_NANO) !== 0
    const fraction = long(80)
    if (fraction < 0 || fraction >= (isNano ? NANOSECONDS : 1_000_000)) return -EINVAL
    const result = setRealtime(kernel, addTime(realTime(kernel), [long(72), isNano ? fraction : fraction * 1000]))
    if (result < 0) return result
  }
  let { offset } = adjustment
  if (isSingleShot) {
    if (modes === ADJ_OFFSET_SINGLESHOT) adjustment.offset = long(8)
  } else if (modes !== 0) {
    if ((modes & ADJ_STATUS) !== 0) adjustment.status = (adjustment.status & STA_RONLY) | (view.getInt32(40, true) & ~STA_RONLY)
    if ((modes & ADJ_NANO) !== 0) adjustment.status |= STA_NANO
    if ((modes & ADJ_MICRO) !== 0) adjustment.status &= ~STA_NANO
    if ((modes & ADJ_FREQUENCY) !== 0) adjustment.frequency = Math.max(Math.min(long(16), TOLERANCE), -TOLERANCE)
    if ((modes & ADJ_MAXERROR) !== 0) adjustment.maxError = long(24)
    if ((modes & ADJ_ESTERROR) !== 0) adjustment.estimatedError = long(32)
    if ((modes & ADJ_TIMECONST) !== 0) adjustment.constant = long(48)
    if ((modes & ADJ_TAI) !== 0 && long(48) >= 0 && long(48) <= 100_000) clocks.taiOffset = long(48)
    if ((modes & ADJ_TICK) !== 0) adjustment.tick = long(88)
    if ((modes & ADJ_OFFSET) !== 0) adjustment.offset = long(8)
    offset = adjustment.offset
  }
  updateVdsoClocks(kernel)
  const now = realTime(kernel)
  const put = (at: number, value: number): void => {
    view.setUint32(at, value, true)
    view.setUint32(at + 4, Math.floor(value / 2 ** 32), true)
  }
  put(8, offset)
  put(16, adjustment.frequency)
  put(24, adjustment.maxError)
  put(32, adjustment.estimatedError)
  view.setInt32(40, adjustment.status, true)
  put(48, adjustment.constant)
  put(56, PRECISION)
  put(64, TOLERANCE)
  put(72, now[0])
  put(80, (adjustment.status & STA_NANO) !== 0 ? now[1] : Math.floor(now[1] / 1000))
  put(88, adjustment.tick)
  // No pulse-per-second signal.
  for (let at = 96; at < 160; at += 8) put(at, 0)
  view.setInt32(160, clocks.taiOffset, true)
  user.write(address, new Uint8Array(view.buffer))
  return (adjustment.status & STA_UNSYNC) !== 0 ? TIME_ERROR : TIME_OK
}

const adjtimex = (kernel: Kernel, task: Task, args: Args): number => adjust(kernel, task, uint64(args[0]))
const clockAdjtime = (kernel: Kernel, task: Task, args: Args): number => {
  const clockId = int32(args[0])
  // Read first, as Linux does.
  kernel.user(task).read(uint64(args[1]), TIMEX_SIZE)
  if (clockId === CLOCK_REALTIME) return adjust(kernel, task, uint64(args[1]))
  return typeof readClock(kernel, task, clockId) === 'number' ? -EINVAL : -EOPNOTSUPP
}

// ——— Sleeping ———

/** What a sleeper remembers, and its restart block. */
interface SleepMemory {
  readonly kind: 'sleep'
  readonly clock: number
  /** The clock's time to sleep until; undefined: until `deadline`. */
  readonly absolute: Time | undefined
  /** A cycle; for clocks of CPU time in that clock's cycles. */
  readonly deadline: number
}
const isSleepMemory = (memory: unknown): memory is SleepMemory =>
  typeof memory === 'object' && memory !== null && (memory as { kind?: unknown }).kind === 'sleep'

/** Sleeps until the deadline; relative sleeps that a signal cuts short say what is left and go on after it if it has no handler. */
const sleep = (kernel: Kernel, task: Task, memory: SleepMemory, remaining: number): number => {
  const { absolute, clock } = memory
  const deadline = absolute === undefined ? memory.deadline : deadlineAt(kernel, clock, absolute)
  if (kernel.now >= deadline) return 0
  if (!kernel.interrupted(task)) return kernel.block(task, [], deadline)
  if (absolute !== undefined) return -ERESTARTNOHAND
  if (remaining !== 0) writeTimespec(kernel.user(task), remaining, timeUntil(kernel, deadline))
  task.restart = { number: task.syscall?.number === 35 ? 35 : 230, memory }
  return -ERESTART_RESTARTBLOCK
}

/**
 * Sleeps on a clock of CPU time. It can't advance faster than all CPUs together, so looking again after that much of the
 * time that is left never is late; if nothing else of the process runs, it never comes.
 */
const sleepOnCpuClock = (kernel: Kernel, task: Task, memory: SleepMemory, clock: CpuClock, absolute: boolean, remaining: number): number => {
  const left = memory.deadline - cpuClockCycles(kernel, clock)
  if (left <= 0) return 0
  if (kernel.interrupted(task)) {
    if (absolute) return -ERESTARTNOHAND
    if (remaining !== 0) writeTimespec(kernel.user(task), remaining, cyclesToTimespec(kernel, left))
    task.restart = { number: 230, memory }
    return -ERESTART_RESTARTBLOCK
  }
  const canAdvance = clock.group !== task.group || clock.group.threads.some((tid) => {
    const other = kernel.state.tasks.get(tid)
    return other !== undefined && other !== task && other.state !== 'zombie' && other.state !== 'dead'
  })
  return kernel.block(task, [], canAdvance ? kernel.now + Math.max(Math.ceil(left / kernel.config.cpus), 1) : Infinity)
}

const remember = (task: Task, memory: SleepMemory): SleepMemory => {
  if (task.syscall !== undefined) task.syscall.memory = memory
  return memory
}

const nanosleep = (kernel: Kernel, task: Task, args: Args): number => {
  let memory = task.syscall?.memory
  if (!isSleepMemory(memory)) {
    const span = readTimespec(kernel.user(task), uint64(args[0]))
    if (typeof span === 'number') return span
    memory = remember(task, { kind: 'sleep', clock: CLOCK_MONOTONIC, absolute: undefined, deadline: deadlineAfter(kernel, span) })
  }
  return sleep(kernel, task, memory as SleepMemory, uint64(args[1]))
}

/** Clocks with sleep and timers of their own. The alarm clocks need a real-time clock chip, which there is none. */
const SLEEPABLE: readonly number[] = [CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI]
const isKnownClock = (clockId: number): boolean => clockId < 0 || (clockId <= CLOCK_TAI && clockId !== 10)
const isCpuClockId = (clockId: number): boolean =>
  clockId === CLOCK_PROCESS_CPUTIME_ID || clockId === CLOCK_THREAD_CPUTIME_ID || (clockId < 0 && (clockId & 7) !== 3)

const clockNanosleep = (kernel: Kernel, task: Task, args: Args): number => {
  const clockId = int32(args[0])
  const isAbsolute = (int32(args[1]) & TIMER_ABSTIME) !== 0
  const isCpu = isCpuClockId(clockId)
  if (!isKnownClock(clockId)) return -EINVAL
  if (clockId === CLOCK_THREAD_CPUTIME_ID || (!isCpu && !SLEEPABLE.includes(clockId))) return -EOPNOTSUPP
  let memory = task.syscall?.memory
  const remaining = isAbsolute ? 0 : uint64(args[3])
  const clock = isCpu ? cpuClock(kernel, task, clockId, false) : undefined
  if (!isSleepMemory(memory)) {
    const span = readTimespec(kernel.user(task), uint64(args[2]))
    if (typeof span === 'number') return span
    if (isCpu && (clock === undefined || clock.task === task)) return -EINVAL
    const deadline = clock === undefined ? deadlineAfter(kernel, span) : timespecToCycles(kernel, span) + (isAbsolute ? 0 : cpuClockCycles(kernel, clock))
    memory = remember(task, { kind: 'sleep', clock: clockId, absolute: isAbsolute ? worldTime(task, clockId, span) : undefined, deadline })
    if (task.syscall !== undefined) task.syscall.realtime = isAbsolute && isRealtimeClock(clockId)
  }
  if (clock !== undefined) return sleepOnCpuClock(kernel, task, memory as SleepMemory, clock, isAbsolute, remaining)
  // The clock's process is gone: its time stands still.
  if (isCpu) return 0
  return sleep(kernel, task, memory as SleepMemory, remaining)
}

// ——— Interval timers ———

const writeInterval = (kernel: Kernel, task: Task, address: number, value: Time, interval: Time): void => {
  const user = kernel.user(task)
  writeTimeval(user, address, interval)
  writeTimeval(user, address + 16, value)
}

const getitimer = (kernel: Kernel, task: Task, args: Args): number => {
  const which = uint32(args[0])
  if (which > ITIMER_PROF) return -EINVAL
  const { value, interval } = getIntervalTimer(kernel, task.group, which)
  writeInterval(kernel, task, uint64(args[1]), value, interval)
  return 0
}

const setitimer = (kernel: Kernel, task: Task, args: Args): number => {
  const which = uint32(args[0])
  const user = kernel.user(task)
  let interval: Time | number = [0, 0]
  let value: Time | number = [0, 0]
  if (args[1] !== 0) {
    interval = readTimeval(user, uint64(args[1]))
    value = readTimeval(user, uint64(args[1]) + 16)
  }
  if (typeof interval === 'number') return interval
  if (typeof value === 'number') return value
  if (which > ITIMER_PROF) return -EINVAL
  const old = getIntervalTimer(kernel, task.group, which)
  setIntervalTimer(kernel, task.group, which, value, interval)
  if (args[2] !== 0) writeInterval(kernel, task, uint64(args[2]), old.value, old.interval)
  return 0
}

const alarm = (kernel: Kernel, task: Task, args: Args): number => {
  const old = getIntervalTimer(kernel, task.group, ITIMER_REAL)
  setIntervalTimer(kernel, task.group, ITIMER_REAL, [Math.min(uint32(args[0]), 0x7fff_ffff), 0], [0, 0])
  return alarmSeconds(old.value)
}

// ——— POSIX timers ———

const SIGEVENT_SIZE = 64

/** struct sigevent, or −EINVAL (good_sigevent). */
const readEvent = (kernel: Kernel, task: Task, address: number): TimerEvent | number => {
  const view = new DataView(kernel.user(task).read(address, SIGEVENT_SIZE).buffer)
  const signal = view.getInt32(8, true)
  const notify = view.getInt32(12, true)
  const tid = view.getInt32(16, true)
  const event = { notify, signal, valueLow: view.getUint32(0, true), valueHigh: view.getUint32(4, true), tid: 0 }
  switch (notify) {
    case SIGEV_THREAD_ID:
      if (taskBy(kernel, task, tid)?.group !== task.group) return -EINVAL
      return signal > 0 && signal <= SIGNAL_COUNT ? { ...event, tid: kernelPid(task.namespaces.pid, tid) } : -EINVAL
    case SIGEV_SIGNAL: case SIGEV_THREAD: return signal > 0 && signal <= SIGNAL_COUNT ? event : -EINVAL
    case SIGEV_NONE: return event
    default: return -EINVAL
  }
}

const timerCreate = (kernel: Kernel, task: Task, args: Args): number => {
  const clockId = int32(args[0])
  const user = kernel.user(task)
  if (args[1] !== 0) user.read(uint64(args[1]), SIGEVENT_SIZE)
  if (!isKnownClock(clockId)) return -EINVAL
  if (clockId === CLOCK_REALTIME_ALARM || clockId === CLOCK_BOOTTIME_ALARM || (!isCpuClockId(clockId) && !SLEEPABLE.includes(clockId))) return -EOPNOTSUPP
  // Its number is gone, whatever comes of the rest (do_timer_create).
  const id = task.group.nextPosixTimer++
  const event = args[1] === 0 ? undefined : readEvent(kernel, task, uint64(args[1]))
  if (typeof event === 'number') return event
  if (isCpuClockId(clockId) && cpuClock(kernel, task, clockId, false) === undefined) return -EINVAL
  user.setU32(uint64(args[2]), id)
  createPosixTimer(kernel, task, clockId, event, id)
  return 0
}

const findTimer = (group: ThreadGroup, id: number): PosixTimer | undefined => group.posixTimers.get(int32(id))

const writeTimer = (kernel: Kernel, task: Task, address: number, setting: { value: Time, interval: Time }): void => {
  const user = kernel.user(task)
  writeTimespec(user, address, setting.interval)
  writeTimespec(user, address + 16, setting.value)
}

const timerSettime = (kernel: Kernel, task: Task, args: Args): number => {
  if (args[2] === 0) return -EINVAL
  const user = kernel.user(task)
  const interval = readTimespec(user, uint64(args[2]))
  const value = readTimespec(user, uint64(args[2]) + 16)
  if (typeof interval === 'number') return interval
  if (typeof value === 'number') return value
  const timer = findTimer(task.group, args[0])
  if (timer === undefined) return -EINVAL
  const old = getPosixTimer(kernel, task.group, timer)
  const result = setPosixTimer(kernel, task, timer, int32(args[1]), value, interval)
  if (result < 0) return result
  if (args[3] !== 0) writeTimer(kernel, task, uint64(args[3]), old)
  return 0
}

const timerGettime = (kernel: Kernel, task: Task, args: Args): number => {
  const timer = findTimer(task.group, args[0])
  if (timer === undefined) return -EINVAL
  writeTimer(kernel, task, uint64(args[1]), getPosixTimer(kernel, task.group, timer))
  return 0
}

const timerGetoverrun = (_kernel: Kernel, task: Task, args: Args): number => {
  const timer = findTimer(task.group, args[0])
  return timer === undefined ? -EINVAL : posixTimerOverrun(timer)
}

const timerDelete = (kernel: Kernel, task: Task, args: Args): number => {
  const timer = findTimer(task.group, args[0])
  if (timer === undefined) return -EINVAL
  deletePosixTimer(kernel, task.group, timer)
  return 0
}

const SET_NOTE = 'with CAP_SYS_TIME CLOCK_REALTIME moves; timerfd and futex deadlines do not follow'
const ADJUST_NOTE = 'what is set is kept and shown; only ADJ_SETOFFSET and ADJ_TAI change clocks'

export const timeCalls: readonly SyscallEntry[] = [
  { number: 35, name: 'nanosleep', args: ['req:struct(timespec)', 'rem:struct(timespec)*'], handler: nanosleep, status: 'full' },
  { number: 36, name: 'getitimer', args: ['which:enum(ITIMER)', 'value:struct(itimerval)*'], handler: getitimer, status: 'full' },
  { number: 37, name: 'alarm', args: ['seconds:uint'], handler: alarm, status: 'full' },
  { number: 38, name: 'setitimer', args: ['which:enum(ITIMER)', 'new:struct(itimerval)', 'old:struct(itimerval)*'], handler: setitimer, status: 'full' },
  { number: 96, name: 'gettimeofday', args: ['tv:struct(timeval)*', 'tz:struct(timezone)*'], handler: gettimeofday, status: 'full' },
  { number: 100, name: 'times', args: ['buf:struct(tms)*'], handler: times, status: 'full' },
  { number: 159, name: 'adjtimex', args: ['buf:struct(timex)*'], handler: adjtimex, status: 'partial', note: ADJUST_NOTE },
  { number: 164, name: 'settimeofday', args: ['tv:struct(timeval)', 'tz:struct(timezone)'], handler: settimeofday, status: 'partial', note: SET_NOTE },
  { number: 201, name: 'time', args: ['tloc:pointer'], handler: time, status: 'full' },
  { number: 222, name: 'timer_create', args: ['clockid:enum(CLOCK)', 'sevp:struct(sigevent)', 'timerid:pointer'], handler: timerCreate, status: 'full' },
  { number: 223, name: 'timer_settime', args: ['timerid:int', 'flags:flags(TIMER)', 'new:struct(itimerspec)', 'old:struct(itimerspec)*'], handler: timerSettime, status: 'full' },
  { number: 224, name: 'timer_gettime', args: ['timerid:int', 'value:struct(itimerspec)*'], handler: timerGettime, status: 'full' },
  { number: 225, name: 'timer_getoverrun', args: ['timerid:int'], handler: timerGetoverrun, status: 'full' },
  { number: 226, name: 'timer_delete', args: ['timerid:int'], handler: timerDelete, status: 'full' },
  { number: 227, name: 'clock_settime', args: ['clockid:enum(CLOCK)', 'tp:struct(timespec)'], handler: clockSettime, status: 'partial', note: SET_NOTE },
  { number: 228, name: 'clock_gettime', args: ['clockid:enum(CLOCK)', 'tp:struct(timespec)*'], handler: clockGettime, status: 'full' },
  { number: 229, name: 'clock_getres', args: ['clockid:enum(CLOCK)', 'res:struct(timespec)*'], handler: clockGetres, status: 'full' },
  { number: 230, name: 'clock_nanosleep', args: ['clockid:enum(CLOCK)', 'flags:flags(TIMER)', 'req:struct(timespec)', 'rem:struct(timespec)*'], handler: clockNanosleep, status: 'full' },
  { number: 305, name: 'clock_adjtime', args: ['clockid:enum(CLOCK)', 'buf:struct(timex)*'], handler: clockAdjtime, status: 'partial', note: ADJUST_NOTE },
]
