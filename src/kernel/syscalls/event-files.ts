/** eventfd(2), timerfd_create(2), signalfd(2). */
import { CAP_WAKE_ALARM } from '../abi/capabilities.ts'
import { EBADF, EINVAL, EPERM } from '../abi/errno.ts'
import { O_CLOEXEC, O_NONBLOCK, O_RDWR } from '../abi/fcntl.ts'
import { int32, uint32 } from '../abi/numbers.ts'
import {
  CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM, CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_REALTIME_ALARM,
} from '../abi/time.ts'
import { getFile, installOrRelease, makeAnonymousFile } from '../fs/descriptor.ts'
import { makeEventCounter } from '../fs/eventfd.ts'
import type { FileKind } from '../fs/file.ts'
import { type SignalSource, sourceOf } from '../fs/signalfd.ts'
import { fileTimerOf, getFileTimer, makeFileTimer, setFileTimer, type TimerSetting } from '../fs/timerfd.ts'
import type { Kernel } from '../kernel.ts'
import { UNBLOCKABLE } from '../signal/pending.ts'
import type { SignalSet } from '../signal/signal.ts'
import { hasCapability } from '../task/credentials.ts'
import type { Task } from '../task/task.ts'
import { deadlineAfter, deadlineAt, isRealtimeClock, isZeroTime, readTimespec, timespecToCycles, worldTime, writeTimespec } from '../time/clock.ts'
import type { Args, SyscallEntry } from './entry.ts'

/** EFD_, TFD_ and SFD_ flags are those of open(2). */
const FLAGS = O_CLOEXEC | O_NONBLOCK
const EFD_SEMAPHORE = 1

const install = (kernel: Kernel, task: Task, kind: FileKind, name: string, flags: number, data: unknown): number =>
  installOrRelease(kernel, task, makeAnonymousFile(kernel, task, kind, `anon_inode:[${name}]`, O_RDWR | (flags & O_NONBLOCK), data),
    (flags & O_CLOEXEC) !== 0)

const eventfd = (kernel: Kernel, task: Task, initial: number, flags: number): number => {
  if ((flags & ~(FLAGS | EFD_SEMAPHORE)) !== 0) return -EINVAL
  return install(kernel, task, 'event', 'eventfd', flags, makeEventCounter(initial, (flags & EFD_SEMAPHORE) !== 0))
}

// ——— timerfd ———

const TIMER_CLOCKS: readonly number[] = [CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM]
const TFD_TIMER_ABSTIME = 1, TFD_TIMER_CANCEL_ON_SET = 2

const timerfdCreate = (kernel: Kernel, task: Task, args: Args): number => {
  const clock = int32(args[0])
  const flags = int32(args[1])
  if ((flags & ~FLAGS) !== 0 || !TIMER_CLOCKS.includes(clock)) return -EINVAL
  if ((clock === CLOCK_REALTIME_ALARM || clock === CLOCK_BOOTTIME_ALARM) && !hasCapability(task, CAP_WAKE_ALARM)) return -EPERM
  return install(kernel, task, 'timer', 'timerfd', flags, makeFileTimer(clock))
}

const writeSetting = (kernel: Kernel, task: Task, address: number, { value, interval }: TimerSetting): void => {
  const user = kernel.user(task)
  writeTimespec(user, address, interval)
  writeTimespec(user, address + 16, value)
}

const timerfdSettime = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = int32(args[1])
  const user = kernel.user(task)
  const interval = readTimespec(user, args[2])
  const value = readTimespec(user, args[2] + 16)
  if ((flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) !== 0 || typeof interval === 'number' || typeof value === 'number') return -EINVAL
  const file = getFile(task, int32(args[0]))
  if (file === undefined) return -EBADF
  if (file.kind !== 'timer') return -EINVAL
  const timer = fileTimerOf(file)
  const old = getFileTimer(kernel, timer)
  const deadline = isZeroTime(value) ? Infinity
    : (flags & TFD_TIMER_ABSTIME) !== 0 ? Math.max(deadlineAt(kernel, timer.clock, worldTime(task, timer.clock, value)), kernel.now) : deadlineAfter(kernel, value)
  const repeat = timespecToCycles(kernel, interval)
  // timerfd_setup_cancel: the flag means nothing for other clocks and spans.
  const isRealtime = (flags & TFD_TIMER_ABSTIME) !== 0 && isRealtimeClock(timer.clock)
  const result = setFileTimer(kernel, timer, deadline, repeat === Infinity ? 0 : repeat, isRealtime, isRealtime && (flags & TFD_TIMER_CANCEL_ON_SET) !== 0)
  // do_timerfd_settime: the old setting is not given with an error.
  if (result === 0 && args[3] !== 0) writeSetting(kernel, task, args[3], old)
  return result
}

const timerfdGettime = (kernel: Kernel, task: Task, args: Args): number => {
  const file = getFile(task, int32(args[0]))
  if (file === undefined) return -EBADF
  if (file.kind !== 'timer') return -EINVAL
  writeSetting(kernel, task, args[1], getFileTimer(kernel, fileTimerOf(file)))
  return 0
}

// ——— signalfd ———

const SIGSET_SIZE = 8

const signalfd = (kernel: Kernel, task: Task, args: Args, flags: number): number => {
  if (args[2] !== SIGSET_SIZE) return -EINVAL
  const user = kernel.user(task)
  const mask: SignalSet = [(user.u32(args[1]) & ~UNBLOCKABLE) >>> 0, user.u32(args[1] + 4)]
  if ((flags & ~FLAGS) !== 0) return -EINVAL
  const fd = int32(args[0])
  if (fd === -1) return install(kernel, task, 'signal', 'signalfd', flags, { kind: 'signalfd', mask } satisfies SignalSource)
  const file = getFile(task, fd)
  if (file === undefined) return -EBADF
  if (file.kind !== 'signal') return -EINVAL
  sourceOf(file).mask = mask
  kernel.wake(task.group.signalWait)
  return fd
}

export const eventFileCalls: readonly SyscallEntry[] = [
  { number: 282, name: 'signalfd', args: ['ufd:fd', 'mask:struct(sigset)', 'sizemask:size'], handler: (kernel, task, args) => signalfd(kernel, task, args, 0), status: 'full' },
  { number: 283, name: 'timerfd_create', args: ['clockid:enum(CLOCK)', 'flags:flags(TFD)'], handler: timerfdCreate, status: 'full' },
  { number: 284, name: 'eventfd', args: ['count:uint'], handler: (kernel, task, args) => eventfd(kernel, task, uint32(args[0]), 0), status: 'full' },
  { number: 286, name: 'timerfd_settime', args: ['ufd:fd', 'flags:flags(TFD_TIMER)', 'utmr:struct(itimerspec)', 'otmr:struct(itimerspec)*'], handler: timerfdSettime, status: 'full' },
  { number: 287, name: 'timerfd_gettime', args: ['ufd:fd', 'otmr:struct(itimerspec)*'], handler: timerfdGettime, status: 'full' },
  { number: 289, name: 'signalfd4', args: ['ufd:fd', 'mask:struct(sigset)', 'sizemask:size', 'flags:flags(SFD)'], handler: (kernel, task, args) => signalfd(kernel, task, args, int32(args[3])), status: 'full' },
  { number: 290, name: 'eventfd2', args: ['count:uint', 'flags:flags(EFD)'], handler: (kernel, task, args) => eventfd(kernel, task, uint32(args[0]), int32(args[1])), status: 'full' },
]
