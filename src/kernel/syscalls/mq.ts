/** POSIX message queues: mq_open(2), mq_unlink(2), mq_send(2), mq_receive(2), mq_notify(2), mq_getattr(2). */
import { CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_SYS_RESOURCE } from '../abi/capabilities.ts'
import {
  EACCES, EAGAIN, EBADF, EBUSY, EEXIST, EINVAL, EMFILE, EMSGSIZE, ENAMETOOLONG, ENOENT, ENOSPC, ENOTSOCK, EPERM, ERESTARTSYS, ETIMEDOUT,
} from '../abi/errno.ts'
import { NAME_MAX, O_ACCMODE, O_CREAT, O_EXCL, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, PATH_MAX } from '../abi/fcntl.ts'
import { int32, uint32, uint64 } from '../abi/numbers.ts'
import { RLIMIT_MSGQUEUE } from '../abi/resources.ts'
import { SIGNAL_COUNT } from '../abi/signals.ts'
import { CLOCK_REALTIME, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD } from '../abi/time.ts'
import { getFile, hasFreeDescriptor, installOrRelease, makeOpenFile, retainFile } from '../fs/descriptor.ts'
import type { OpenFile } from '../fs/file.ts'
import { disposeIfUnused, makeFile } from '../fs/inode.ts'
import { makeSuperblock, MQUEUE_MAGIC } from '../fs/mounts.ts'
import { MAY_READ, MAY_WRITE } from '../fs/permissions.ts'
import type { PosixMessageQueue } from '../ipc/ipc-state.ts'
import { COOKIE_SIZE, insertMessage, queueOf, removeNotification, STATUS_SIZE, tellOfMessage } from '../ipc/message-queues.ts'
import type { Kernel } from '../kernel.ts'
import { socketOf } from '../net/socket.ts'
import { hasCapability, isInGroup } from '../task/credentials.ts'
import type { Task } from '../task/task.ts'
import { deadlineAt, readTimespec } from '../time/clock.ts'
import { waitQueue } from '../wait-queue.ts'
import type { Args, SyscallEntry } from './entry.ts'

/** fs.mqueue.msg_default, msgsize_default, queues_max; what is allowed without and with CAP_SYS_RESOURCE. */
const DEFAULT_MESSAGES = 10, DEFAULT_SIZE = 8192, QUEUES_LIMIT = 256
const MESSAGES_LIMIT = 10, SIZE_LIMIT = 8192, HARD_MESSAGES_LIMIT = 65_536, HARD_SIZE_LIMIT = 16 << 20
const PRIORITY_LIMIT = 32_768
const ATTRIBUTES_SIZE = 64

/** The name without its slash, which libraries take off, or a negative errno. */
const readString = (kernel: Kernel, task: Task, address: number): string | number => {
  const name = kernel.user(task).string(address, PATH_MAX)
  return name === undefined ? -ENAMETOOLONG : name === '' ? -ENOENT : name
}

/** What is looked up in the queues' directory: 0, or why it can't be. */
const checkName = (name: string): number =>
  name.length > NAME_MAX ? -ENAMETOOLONG : name.includes('/') || name === '.' || name === '..' ? -EACCES : 0

const readName = (kernel: Kernel, task: Task, address: number): string | number => {
  const name = readString(kernel, task, address)
  return typeof name === 'number' ? name : checkName(name) || name
}

/** Bytes that a queue counts for RLIMIT_MSGQUEUE: messages, and two words of 48 bytes for each. */
const accounted = (messages: number, size: number): number => messages * (size + 96)

const create = (kernel: Kernel, task: Task, name: string, mode: number, attributes: number): PosixMessageQueue | number => {
  const { ipc } = task.namespaces.ipc
  const { queues } = ipc
  const privileged = hasCapability(task, CAP_SYS_RESOURCE)
  const user = kernel.user(task)
  let maxMessages = DEFAULT_MESSAGES
  let messageSize = DEFAULT_SIZE
  if (attributes !== 0) {
    maxMessages = user.i64(attributes + 8)
    messageSize = user.i64(attributes + 16)
    if (maxMessages <= 0 || messageSize <= 0) return -EINVAL
    if (maxMessages > (privileged ? HARD_MESSAGES_LIMIT : MESSAGES_LIMIT) || messageSize > (privileged ? HARD_SIZE_LIMIT : SIZE_LIMIT)) return -EINVAL
  }
  if (queues.size >= QUEUES_LIMIT && !privileged) return -ENOSPC
  const { fsuid, fsgid } = task.credentials
  let used = accounted(maxMessages, messageSize)
  for (const queue of queues.values()) if (queue.inode.uid === fsuid) used += accounted(queue.maxMessages, queue.messageSize)
  if (used > task.group.limits[RLIMIT_MSGQUEUE][0]) return -EMFILE
  ipc.files ??= makeSuperblock(kernel.state.fs, 'ramfs', 'mqueue', 'mqueue', MQUEUE_MAGIC)
  const inode = makeFile(kernel, ipc.files, mode & 0o7777 & ~task.fs.umask, fsuid, fsgid)
  inode.size = STATUS_SIZE
  const queue: PosixMessageQueue = {
    kind: 'mqueue', name, maxMessages, messageSize, inode, messages: [],
    senders: waitQueue(), receivers: waitQueue(), notify: undefined,
  }
  queues.set(name, queue)
  return queue
}

const ACCESS: Readonly<Record<number, number>> = { [O_RDONLY]: MAY_READ, [O_WRONLY]: MAY_WRITE, [O_RDWR]: MAY_READ | MAY_WRITE }

const mayOpen = (task: Task, queue: PosixMessageQueue, wanted: number): boolean => {
  const { uid, gid, mode } = queue.inode
  const granted = task.credentials.fsuid === uid ? mode >> 6 : isInGroup(task, gid) ? mode >> 3 : mode
  return (wanted & ~granted) === 0 || hasCapability(task, CAP_DAC_OVERRIDE)
}

const mqOpen = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = int32(args[1])
  const name = readString(kernel, task, uint64(args[0]))
  if (typeof name === 'number') return name
  const attributes = (flags & O_CREAT) === 0 ? 0 : uint64(args[3])
  if (attributes !== 0) kernel.user(task).read(attributes, ATTRIBUTES_SIZE)
  if (!hasFreeDescriptor(task)) return -EMFILE
  const wrong = checkName(name)
  if (wrong !== 0) return wrong
  let queue: PosixMessageQueue | number | undefined = task.namespaces.ipc.ipc.queues.get(name)
  if (queue === undefined) {
    if ((flags & O_CREAT) === 0) return -ENOENT
    queue = create(kernel, task, name, uint32(args[2]), attributes)
    if (typeof queue === 'number') return queue
  } else {
    if ((flags & O_CREAT) !== 0 && (flags & O_EXCL) !== 0) return -EEXIST
    if ((flags & O_ACCMODE) === O_ACCMODE) return -EINVAL
    if (!mayOpen(task, queue, ACCESS[flags & O_ACCMODE])) return -EACCES
  }
  const file = makeOpenFile(kernel, 'mqueue', queue.inode, `/${name}`, flags & (O_ACCMODE | O_NONBLOCK), queue)
  return installOrRelease(kernel, task, file, true)
}

const mqUnlink = (kernel: Kernel, task: Task, args: Args): number => {
  const name = readName(kernel, task, uint64(args[0]))
  if (typeof name === 'number') return name
  const queue = task.namespaces.ipc.ipc.queues.get(name)
  if (queue === undefined) return -ENOENT
  // Their directory is sticky.
  if (queue.inode.uid !== task.credentials.fsuid && !hasCapability(task, CAP_FOWNER)) return -EPERM
  task.namespaces.ipc.ipc.queues.delete(name)
  queue.inode.nlink = 0
  disposeIfUnused(kernel, queue.inode)
  return 0
}

/** The file if it is a message queue that was opened for this. */
const queueFile = (task: Task, fd: number, refusedMode: number): OpenFile | undefined => {
  const file = getFile(task, fd)
  return file?.kind !== 'mqueue' || (file.flags & O_ACCMODE) === refusedMode ? undefined : file
}

/** Absolute, of CLOCK_REALTIME; Infinity without; −EINVAL. */
const readDeadline = (kernel: Kernel, task: Task, address: number): number => {
  if (address === 0) return Infinity
  const time = readTimespec(kernel.user(task), address)
  if (task.syscall !== undefined) task.syscall.realtime = true
  return typeof time === 'number' ? time : Math.max(deadlineAt(kernel, CLOCK_REALTIME, time), 0)
}

const wait = (kernel: Kernel, task: Task, file: OpenFile, queue: PosixMessageQueue['senders'], deadline: number): number => {
  if ((file.flags & O_NONBLOCK) !== 0) return -EAGAIN
  if (kernel.now >= deadline) return -ETIMEDOUT
  return kernel.interrupted(task) ? -ERESTARTSYS : kernel.block(task, [queue], deadline)
}

const mqTimedsend = (kernel: Kernel, task: Task, args: Args): number => {
  const deadline = readDeadline(kernel, task, uint64(args[4]))
  if (deadline < 0) return deadline
  const priority = uint32(args[3])
  if (priority >= PRIORITY_LIMIT) return -EINVAL
  const file = queueFile(task, int32(args[0]), O_RDONLY)
  if (file === undefined) return -EBADF
  const queue = queueOf(file)
  const length = uint64(args[2])
  if (length > queue.messageSize) return -EMSGSIZE
  const bytes = kernel.user(task).read(uint64(args[1]), length)
  if (queue.messages.length >= queue.maxMessages) return wait(kernel, task, file, queue.senders, deadline)
  const wasEmpty = queue.messages.length === 0
  insertMessage(queue, { priority, bytes })
  if (wasEmpty) tellOfMessage(kernel, task, queue)
  kernel.wake(queue.receivers)
  return 0
}

const mqTimedreceive = (kernel: Kernel, task: Task, args: Args): number => {
  const deadline = readDeadline(kernel, task, uint64(args[4]))
  if (deadline < 0) return deadline
  const file = queueFile(task, int32(args[0]), O_WRONLY)
  if (file === undefined) return -EBADF
  const queue = queueOf(file)
  if (uint64(args[2]) < queue.messageSize) return -EMSGSIZE
  const message = queue.messages.shift()
  if (message === undefined) return wait(kernel, task, file, queue.receivers, deadline)
  kernel.wake(queue.senders)
  const user = kernel.user(task)
  if (args[3] !== 0) user.setU32(uint64(args[3]), message.priority)
  user.write(uint64(args[1]), message.bytes)
  return message.bytes.length
}

const mqNotify = (kernel: Kernel, task: Task, args: Args): number => {
  const user = kernel.user(task)
  const event = args[1] === 0 ? undefined : new DataView(user.read(uint64(args[1]), ATTRIBUTES_SIZE).buffer)
  const method = event?.getInt32(12, true) ?? SIGEV_NONE
  const signal = event?.getInt32(8, true) ?? 0
  if (event !== undefined && method !== SIGEV_NONE && method !== SIGEV_SIGNAL && method !== SIGEV_THREAD) return -EINVAL
  if (event !== undefined && method === SIGEV_SIGNAL && (signal < 0 || signal > SIGNAL_COUNT)) return -EINVAL
  // SIGEV_THREAD: a cookie, and in the place of the signal the socket to send it to.
  const cookie = event !== undefined && method === SIGEV_THREAD ? user.read(uint64(user.i64(uint64(args[1]))), COOKIE_SIZE) : undefined
  const socket = cookie === undefined ? undefined : getFile(task, signal)
  if (cookie !== undefined && socket === undefined) return -EBADF
  if (socket !== undefined && socket.kind !== 'socket') return -ENOTSOCK
  if (socket !== undefined && socketOf(socket).kind !== 'netlink') return -EINVAL
  const file = getFile(task, int32(args[0]))
  if (file?.kind !== 'mqueue') return -EBADF
  const queue = queueOf(file)
  if (event === undefined) {
    if (queue.notify?.tgid === task.group.tgid) removeNotification(kernel, queue)
    return 0
  }
  if (queue.notify !== undefined) return -EBUSY
  if (socket !== undefined) retainFile(socket)
  queue.notify = {
    tgid: task.group.tgid, method, signal, valueLow: event.getUint32(0, true), valueHigh: event.getUint32(4, true),
    ...(socket === undefined ? {} : { socket, cookie }),
  }
  return 0
}

const mqGetsetattr = (kernel: Kernel, task: Task, args: Args): number => {
  const user = kernel.user(task)
  const wanted = args[1] === 0 ? undefined : new DataView(user.read(uint64(args[1]), ATTRIBUTES_SIZE).buffer)
  const flags = wanted?.getUint32(0, true) ?? 0
  if (wanted !== undefined && ((flags & ~O_NONBLOCK) !== 0 || wanted.getUint32(4, true) !== 0)) return -EINVAL
  const file = getFile(task, int32(args[0]))
  if (file?.kind !== 'mqueue') return -EBADF
  const queue = queueOf(file)
  const old = [file.flags & O_NONBLOCK, queue.maxMessages, queue.messageSize, queue.messages.length, 0, 0, 0, 0]
  if (wanted !== undefined) file.flags = (file.flags & ~O_NONBLOCK) | flags
  if (args[2] !== 0) for (const [i, value] of old.entries()) user.setI64(uint64(args[2]) + i * 8, value)
  return 0
}

export const mqCalls: readonly SyscallEntry[] = [
  { number: 240, name: 'mq_open', args: ['name:string', 'oflag:flags(O)', 'mode:mode', 'attr:struct(mq_attr)'], handler: mqOpen, status: 'full' },
  { number: 241, name: 'mq_unlink', args: ['name:string'], handler: mqUnlink, status: 'full' },
  { number: 242, name: 'mq_timedsend', args: ['mqdes:fd', 'msg:in[2]', 'len:size', 'prio:uint', 'timeout:struct(timespec)'], handler: mqTimedsend, status: 'full' },
  { number: 243, name: 'mq_timedreceive', args: ['mqdes:fd', 'msg:out[2]', 'len:size', 'prio:pointer', 'timeout:struct(timespec)'], handler: mqTimedreceive, status: 'full' },
  { number: 244, name: 'mq_notify', args: ['mqdes:fd', 'event:struct(sigevent)'], handler: mqNotify, status: 'full' },
  { number: 245, name: 'mq_getsetattr', args: ['mqdes:fd', 'new:struct(mq_attr)', 'old:struct(mq_attr)*'], handler: mqGetsetattr, status: 'full' },
]
