/** poll(2), select(2) and relatives. */
import { EBADF, EFAULT, EINVAL, EINTR, ERESTART_RESTARTBLOCK, ERESTARTNOHAND } from '../abi/errno.ts'
import { int32, uint32, uint64 } from '../abi/numbers.ts'
import { RLIMIT_NOFILE } from '../abi/resources.ts'
import { getFile } from '../fs/descriptor.ts'
import {
  POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, POLLRDBAND, POLLRDNORM, POLLWRBAND, POLLWRNORM,
} from '../fs/file.ts'
import { readiness, readinessQueues } from '../fs/readiness.ts'
import type { Kernel } from '../kernel.ts'
import { BadAddress } from '../mm/user-memory.ts'
import type { Task } from '../task/task.ts'
import { deadlineAfter, readTimespec, type Time, timeUntil, writeTimespec, writeTimeval } from '../time/clock.ts'
import { BLOCKED, type WaitQueue } from '../wait-queue.ts'
import type { Args, SyscallEntry } from './entry.ts'
import { isUserRange } from './transfer.ts'
import { installMask, restoreMask } from './temporary-mask.ts'

/** What the calls remember between tries. */
interface PollMemory {
  readonly kind: 'poll'
  /** Cycle. */
  readonly deadline: number
}

const POLLFD_SIZE = 8
const POLL = 7

/** Milliseconds; negative: for ever. */
const millisecondDeadline = (kernel: Kernel, timeout: number): number =>
  timeout < 0 ? Infinity : timeout === 0 ? kernel.now : deadlineAfter(kernel, [Math.floor(timeout / 1000), timeout % 1000 * 1_000_000])

const timeDeadline = (kernel: Kernel, time: Time | undefined): number =>
  time === undefined ? Infinity : time[0] === 0 && time[1] === 0 ? kernel.now : deadlineAfter(kernel, time)

/** One look at a pollfd array: how many entries have events, which are written to it. Unready ones add their queues. */
const scan = (kernel: Kernel, task: Task, address: number, bytes: Uint8Array<ArrayBuffer>, queues: WaitQueue[]): number => {
  const view = new DataView(bytes.buffer)
  const user = kernel.user(task)
  let ready = 0
  for (let at = 0; at < bytes.length; at += POLLFD_SIZE) {
    const fd = view.getInt32(at, true)
    let found = 0
    if (fd >= 0) {
      const file = getFile(task, fd)
      if (file === undefined) found = POLLNVAL
      else {
        found = readiness(kernel, file) & (view.getUint16(at + 4, true) | POLLERR | POLLHUP)
        if (found === 0) queues.push(...readinessQueues(kernel, file))
      }
    }
    if (found !== 0) ready++
    if (view.getUint16(at + 6, true) !== found) user.setU16(address + at + 6, found)
  }
  return ready
}

/** poll until the deadline; `interrupted` is what a signal makes of it. */
const pollUntil = (kernel: Kernel, task: Task, address: number, count: number, deadline: number, interrupted: number): number => {
  if (count > task.group.limits[RLIMIT_NOFILE][0]) return -EINVAL
  const queues: WaitQueue[] = []
  const ready = scan(kernel, task, address, kernel.user(task).read(address, count * POLLFD_SIZE), queues)
  // Where the answers go must be user space even if there are none (user_write_access_begin).
  if (ready > 0 || kernel.now >= deadline) return isUserRange(address, 0) ? ready : -EFAULT
  if (kernel.interrupted(task)) return interrupted
  return kernel.block(task, queues, deadline)
}

const memoryOf = (task: Task): PollMemory | undefined => task.syscall?.memory as PollMemory | undefined
const remember = (task: Task, deadline: number): void => {
  if (task.syscall !== undefined) task.syscall.memory = { kind: 'poll', deadline } satisfies PollMemory
}

const poll = (kernel: Kernel, task: Task, args: Args): number => {
  const deadline = memoryOf(task)?.deadline ?? millisecondDeadline(kernel, int32(args[2]))
  remember(task, deadline)
  const result = pollUntil(kernel, task, args[0], uint32(args[1]), deadline, -ERESTART_RESTARTBLOCK)
  // A poll that was stopped and continued goes on until its old deadline.
  if (result === -ERESTART_RESTARTBLOCK) task.restart = { number: POLL, memory: task.syscall?.memory }
  return result
}

/** personality(2): timeouts stay as they are. */
const STICKY_TIMEOUTS = 0x400_0000

/** Takes the mask back, and writes what is left of the timeout. A signal leaves the mask for the handler's return. */
const finish = (kernel: Kernel, task: Task, result: number, timeout: number, deadline: number, write: typeof writeTimespec): number => {
  if (result === BLOCKED) return result
  if (result !== -ERESTARTNOHAND) restoreMask(task)
  if ((task.personality & STICKY_TIMEOUTS) !== 0) return result === -ERESTARTNOHAND ? -EINTR : result
  // A timeout of zero is not written back: it is as it was.
  if (timeout === 0 || deadline === Infinity || deadline <= (task.syscall?.started ?? 0)) return result
  const user = kernel.user(task)
  try {
    write(user, timeout, timeUntil(kernel, deadline))
  } catch (error) {
    if (!(error instanceof BadAddress)) throw error
    // In read-only memory; then the call can't go on with what is left.
    return result === -ERESTARTNOHAND ? -EINTR : result
  }
  return result
}

/** ppoll and pselect6: with another mask for as long as they wait. @param maskOf where that mask is, and its size */
const waitMasked = (kernel: Kernel, task: Task, timeout: number, maskOf: () => readonly [address: number, size: number], wait: (deadline: number) => number): number => {
  let deadline = memoryOf(task)?.deadline
  if (deadline === undefined) {
    const [mask, size] = maskOf()
    const time = timeout === 0 ? undefined : readTimespec(kernel.user(task), timeout)
    if (typeof time === 'number') return time
    deadline = timeDeadline(kernel, time)
    const error = installMask(kernel, task, mask, size)
    if (error < 0) return error
    remember(task, deadline)
  }
  let result: number
  try {
    result = wait(deadline)
  } catch (error) {
    restoreMask(task)
    throw error
  }
  return finish(kernel, task, result, timeout, deadline, writeTimespec)
}

const ppoll = (kernel: Kernel, task: Task, args: Args): number =>
  waitMasked(kernel, task, args[2], () => [args[3], args[4]], (deadline) => pollUntil(kernel, task, args[0], uint32(args[1]), deadline, -ERESTARTNOHAND))

// ——— select ———

const READ_SET = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR | POLLNVAL
const WRITE_SET = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR | POLLNVAL
const EXCEPTION_SET = POLLPRI | POLLNVAL
const EVENTS = [READ_SET, WRITE_SET, EXCEPTION_SET]
/** Tables of descriptors have at least this many places. */
const FIRST_TABLE = 64

const hasBit = (set: Uint8Array | undefined, fd: number): boolean => set !== undefined && (set[fd >> 3] & (1 << (fd & 7))) !== 0

/** One look, and blocking: sets are read anew on each try, as they are written at the end only. */
const selectUntil = (kernel: Kernel, task: Task, args: Args, deadline: number): number => {
  let count = int32(args[0])
  if (count < 0) return -EINVAL
  count = Math.min(count, Math.max(FIRST_TABLE, Math.ceil(task.files.slots.length / FIRST_TABLE) * FIRST_TABLE))
  const user = kernel.user(task)
  const size = Math.ceil(count / 64) * 8
  const addresses = [args[1], args[2], args[3]]
  const sets = addresses.map((address) => address === 0 ? undefined : user.read(address, size))
  const results = sets.map((set) => set === undefined ? undefined : new Uint8Array(size))
  const queues: WaitQueue[] = []
  let ready = 0
  for (let fd = 0; fd < count; fd++) {
    if (!sets.some((set) => hasBit(set, fd))) continue
    const file = getFile(task, fd)
    if (file === undefined) return -EBADF
    const found = readiness(kernel, file)
    const before = ready
    for (let kind = 0; kind < 3; kind++) {
      const result = results[kind]
      if (result === undefined || !hasBit(sets[kind], fd) || (found & EVENTS[kind]) === 0) continue
      result[fd >> 3] |= 1 << (fd & 7)
      ready++
    }
    if (ready === before) queues.push(...readinessQueues(kernel, file))
  }
  if (ready === 0 && kernel.now < deadline) {
    if (kernel.interrupted(task)) return -ERESTARTNOHAND
    return kernel.block(task, queues, deadline)
  }
  for (let kind = 0; kind < 3; kind++) {
    const result = results[kind]
    if (result !== undefined) user.write(addresses[kind], result)
  }
  return ready
}

const select = (kernel: Kernel, task: Task, args: Args): number => {
  let deadline = memoryOf(task)?.deadline
  if (deadline === undefined) {
    if (args[4] === 0) deadline = Infinity
    else {
      const user = kernel.user(task)
      const seconds = user.i64(args[4])
      const microseconds = user.i64(args[4] + 8)
      const time: Time = [seconds + Math.trunc(microseconds / 1_000_000), microseconds % 1_000_000 * 1000]
      if (time[0] < 0 || time[1] < 0) return -EINVAL
      deadline = timeDeadline(kernel, time)
    }
    remember(task, deadline)
  }
  return finish(kernel, task, selectUntil(kernel, task, args, deadline), args[4], deadline, writeTimeval)
}

const pselect6 = (kernel: Kernel, task: Task, args: Args): number => {
  const maskOf = (): readonly [number, number] => {
    if (args[5] === 0) return [0, 0]
    const user = kernel.user(task)
    return [user.i64(args[5]), uint64(user.i64(args[5] + 8))]
  }
  return waitMasked(kernel, task, args[4], maskOf, (deadline) => selectUntil(kernel, task, args, deadline))
}

export const pollCalls: readonly SyscallEntry[] = [
  { number: POLL, name: 'poll', args: ['fds:struct(pollfd)*', 'nfds:uint', 'timeout:int'], handler: poll, status: 'full' },
  { number: 23, name: 'select', args: ['n:int', 'inp:struct(fd_set)*', 'outp:struct(fd_set)*', 'exp:struct(fd_set)*', 'tvp:struct(timeval)*'], handler: select, status: 'full' },
  { number: 270, name: 'pselect6', args: ['n:int', 'inp:struct(fd_set)*', 'outp:struct(fd_set)*', 'exp:struct(fd_set)*', 'tsp:struct(timespec)*', 'sig:pointer'], handler: pselect6, status: 'full' },
  { number: 271, name: 'ppoll', args: ['fds:struct(pollfd)*', 'nfds:uint', 'tsp:struct(timespec)*', 'sigmask:struct(sigset)', 'sigsetsize:size'], handler: ppoll, status: 'full' },
]
