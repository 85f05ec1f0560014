/** epoll_create(2), epoll_ctl(2), epoll_wait(2). */
import {
  EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLET, EPOLLEXCLUSIVE, EPOLLWAKEUP,
} from '../abi/epoll.ts'
import { EBADF, EEXIST, EFAULT, EINTR, EINVAL, ELOOP, ENOENT, EPERM } from '../abi/errno.ts'
import { O_RDWR } from '../abi/fcntl.ts'
import { int32, uint32 } from '../abi/numbers.ts'
import { getFile, installOrRelease, makeAnonymousFile } from '../fs/descriptor.ts'
import {
  addItem, dropItem, epollOf, epollQueues, type EpollItem, findItem, itemEvents, lookAgain, makeEpoll, readyItems, wereReported, wouldNestBadly,
} from '../fs/epoll.ts'
import { POLLERR, POLLHUP, POLLIN, POLLOUT } from '../fs/file.ts'
import { operationsOf } from '../fs/file-operations.ts'
import type { Kernel } from '../kernel.ts'
import { USER_END } from '../mm/user-memory.ts'
import type { Task } from '../task/task.ts'
import { deadlineAfter, readTimespec, type Time } from '../time/clock.ts'
import type { Args, SyscallEntry } from './entry.ts'
import { installMask, restoreMask } from './temporary-mask.ts'

/** struct epoll_event is packed on x86-64. */
const EVENT_SIZE = 12
const EVENT_LIMIT = Math.floor(0x7fff_ffff / EVENT_SIZE)

const create = (kernel: Kernel, task: Task, flags: number): number => {
  if ((flags & ~EPOLL_CLOEXEC) !== 0) return -EINVAL
  const file = makeAnonymousFile(kernel, task, 'epoll', 'anon_inode:[eventpoll]', O_RDWR, makeEpoll())
  return installOrRelease(kernel, task, file, (flags & EPOLL_CLOEXEC) !== 0)
}

/** What EPOLLEXCLUSIVE goes with. */
const EXCLUSIVE_EVENTS = POLLIN | POLLOUT | POLLERR | POLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE

const control = (kernel: Kernel, task: Task, args: Args): number => {
  const operation = int32(args[1])
  const fd = int32(args[2])
  const address = args[3]
  const user = kernel.user(task)
  let events = 0
  let dataLow = 0
  let dataHigh = 0
  if (operation !== EPOLL_CTL_DEL) {
    events = user.i32(address)
    dataLow = user.u32(address + 4)
    dataHigh = user.u32(address + 8)
  }
  const file = getFile(task, int32(args[0]))
  const target = getFile(task, fd)
  if (file === undefined || target === undefined) return -EBADF
  if (operationsOf(target).poll === undefined) return -EPERM
  if (file === target || file.kind !== 'epoll') return -EINVAL
  if ((events & EPOLLEXCLUSIVE) !== 0) {
    if (operation === EPOLL_CTL_MOD) return -EINVAL
    if (operation === EPOLL_CTL_ADD && (target.kind === 'epoll' || (events & ~EXCLUSIVE_EVENTS) !== 0)) return -EINVAL
  }
  const epoll = epollOf(file)
  if (operation === EPOLL_CTL_ADD && target.kind === 'epoll' && wouldNestBadly(epoll, epollOf(target))) return -ELOOP
  const item = findItem(epoll, fd, target)
  switch (operation) {
    case EPOLL_CTL_ADD:
      if (item !== undefined) return -EEXIST
      addItem(kernel, epoll, fd, target, events | POLLERR | POLLHUP, dataLow, dataHigh)
      return 0
    case EPOLL_CTL_MOD:
      if (item === undefined) return -ENOENT
      if ((item.events & EPOLLEXCLUSIVE) !== 0) return -EINVAL
      item.events = events | POLLERR | POLLHUP
      item.dataLow = dataLow
      item.dataHigh = dataHigh
      item.seenWakes = -1
      lookAgain(kernel, item)
      return 0
    case EPOLL_CTL_DEL:
      if (item === undefined) return -ENOENT
      dropItem(kernel, item)
      return 0
    default: return -EINVAL
  }
}

interface WaitMemory { readonly deadline: number }

/** Waits until the deadline; a signal ends it with EINTR whatever SA_RESTART says (signal(7)). */
const waitUntil = (kernel: Kernel, task: Task, args: Args, deadline: number): number => {
  const limit = int32(args[2])
  const file = getFile(task, int32(args[0]))
  // In the order of Linux 6.13 and later (ep_check_params).
  if (file === undefined) return -EBADF
  if (limit <= 0 || limit > EVENT_LIMIT) return -EINVAL
  if (!(args[1] >= 0 && args[1] + limit * EVENT_SIZE <= USER_END)) return -EFAULT
  if (file.kind !== 'epoll') return -EINVAL
  const epoll = epollOf(file)
  const user = kernel.user(task)
  const reported: EpollItem[] = []
  for (const item of readyItems(kernel, epoll)) {
    if (reported.length === limit) break
    const events = itemEvents(kernel, item, true)
    if (events === 0) {
      epoll.ready.delete(item)
      continue
    }
    const address = args[1] + reported.length * EVENT_SIZE
    user.setU32(address, events)
    user.setU32(address + 4, item.dataLow)
    user.setU32(address + 8, item.dataHigh)
    reported.push(item)
  }
  if (reported.length > 0) {
    wereReported(epoll, reported)
    return reported.length
  }
  if (kernel.now >= deadline) return 0
  if (kernel.interrupted(task)) return -EINTR
  return kernel.block(task, epollQueues(kernel, epoll), deadline)
}

const millisecondDeadline = (kernel: Kernel, timeout: number): number =>
  timeout < 0 ? Infinity : timeout === 0 ? kernel.now : deadlineAfter(kernel, [Math.floor(timeout / 1000), timeout % 1000 * 1_000_000])

const wait = (kernel: Kernel, task: Task, args: Args): number => {
  const { syscall } = task
  const deadline = (syscall?.memory as WaitMemory | undefined)?.deadline ?? millisecondDeadline(kernel, int32(args[3]))
  if (syscall !== undefined) syscall.memory = { deadline } satisfies WaitMemory
  return waitUntil(kernel, task, args, deadline)
}

/** With a signal mask for the time of the call. */
const maskedWait = (kernel: Kernel, task: Task, args: Args, deadlineOf: () => number): number => {
  const { syscall } = task
  let deadline = (syscall?.memory as WaitMemory | undefined)?.deadline
  if (deadline === undefined) {
    deadline = deadlineOf()
    if (deadline < 0) return deadline
    const error = installMask(kernel, task, args[4], args[5])
    if (error < 0) return error
    if (syscall !== undefined) syscall.memory = { deadline } satisfies WaitMemory
  }
  let result = -EFAULT
  try {
    result = waitUntil(kernel, task, args, deadline)
  } finally {
    // BLOCKED keeps it, EINTR leaves it to the handler's return.
    if (result !== -EINTR && task.state !== 'blocked') restoreMask(task)
  }
  return result
}

const pwait2Deadline = (kernel: Kernel, task: Task, address: number): number => {
  if (address === 0) return Infinity
  const time: Time | number = readTimespec(kernel.user(task), address)
  if (typeof time === 'number') return time
  return time[0] === 0 && time[1] === 0 ? kernel.now : deadlineAfter(kernel, time)
}

export const epollCalls: readonly SyscallEntry[] = [
  { number: 213, name: 'epoll_create', args: ['size:int'], handler: (kernel, task, args) => int32(args[0]) <= 0 ? -EINVAL : create(kernel, task, 0), status: 'full' },
  { number: 232, name: 'epoll_wait', args: ['epfd:fd', 'events:struct(epoll_event)*', 'maxevents:int', 'timeout:int'], handler: wait, status: 'full' },
  { number: 233, name: 'epoll_ctl', args: ['epfd:fd', 'op:enum(EPOLL_CTL)', 'fd:fd', 'event:struct(epoll_event)'], handler: control, status: 'full' },
  {
    number: 281, name: 'epoll_pwait', args: ['epfd:fd', 'events:struct(epoll_event)*', 'maxevents:int', 'timeout:int', 'sigmask:struct(sigset)', 'sigsetsize:size'],
    handler: (kernel, task, args) => maskedWait(kernel, task, args, () => millisecondDeadline(kernel, int32(args[3]))), status: 'full',
  },
  { number: 291, name: 'epoll_create1', args: ['flags:flags(EPOLL)'], handler: (kernel, task, args) => create(kernel, task, uint32(args[0])), status: 'full' },
  {
    number: 441, name: 'epoll_pwait2', args: ['epfd:fd', 'events:struct(epoll_event)*', 'maxevents:int', 'timeout:struct(timespec)', 'sigmask:struct(sigset)', 'sigsetsize:size'],
    handler: (kernel, task, args) => maskedWait(kernel, task, args, () => pwait2Deadline(kernel, task, args[3])), status: 'full',
  },
]
