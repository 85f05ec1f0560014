/** POSIX message queues as files (mq_overview(7)): what a descriptor of one can do, and how the first message is told of. */
import { EINVAL, ENXIO } from '../abi/errno.ts'
import { SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE } from '../abi/fcntl.ts'
import { SI_MESGQ } from '../abi/signals.ts'
import { SIGEV_SIGNAL } from '../abi/time.ts'
import { type FileOperations, type OpenFile, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../fs/file.ts'
import { releaseFile } from '../fs/descriptor.ts'
import type { Kernel } from '../kernel.ts'
import { socketOf } from '../net/socket.ts'
import { sendSignal } from '../signal/send.ts'
import type { Task } from '../task/task.ts'
import type { PosixMessage, PosixMessageQueue } from './ipc-state.ts'

export const queueOf = (file: OpenFile): PosixMessageQueue => file.data as PosixMessageQueue

/** Messages of higher priority come first, those of one priority in the order in which they were sent. */
export const insertMessage = (queue: PosixMessageQueue, message: PosixMessage): void => {
  const at = queue.messages.findIndex((other) => other.priority < message.priority)
  if (at < 0) queue.messages.push(message)
  else queue.messages.splice(at, 0, message)
}

/** What the last byte of a cookie is when it comes back (ipc/mqueue.c). */
const NOTIFY_WOKENUP = 1, NOTIFY_REMOVED = 2
export const COOKIE_SIZE = 32

type Notification = NonNullable<PosixMessageQueue['notify']>

/** SIGEV_THREAD: the cookie goes to the netlink socket on which the thread waits. */
const tellThread = (kernel: Kernel, { socket: file, cookie }: Notification, reason: number): void => {
  if (file === undefined || cookie === undefined) return
  const bytes = cookie.slice()
  bytes[COOKIE_SIZE - 1] = reason
  const socket = socketOf(file)
  if (socket.kind === 'netlink') {
    socket.queue.push({ bytes, group: 0 })
    kernel.wake(socket.readable)
  }
  releaseFile(kernel, file)
}

/** Nobody is told of the next message any more. */
export const removeNotification = (kernel: Kernel, queue: PosixMessageQueue): void => {
  if (queue.notify !== undefined) tellThread(kernel, queue.notify, NOTIFY_REMOVED)
  queue.notify = undefined
}

/** A message came to an empty queue on which nobody waits: whoever asked is told, once. */
export const tellOfMessage = (kernel: Kernel, sender: Task, queue: PosixMessageQueue): void => {
  const { notify } = queue
  if (notify === undefined || queue.receivers.tids.length > 0) return
  queue.notify = undefined
  tellThread(kernel, notify, NOTIFY_WOKENUP)
  const group = kernel.state.groups.get(notify.tgid)
  if (notify.method !== SIGEV_SIGNAL || group === undefined) return
  sendSignal(kernel, group, notify.signal, {
    signal: notify.signal, errno: 0, code: SI_MESGQ,
    detail: { kind: 'queue', pid: sender.group.tgid, uid: sender.credentials.uid, valueLow: notify.valueLow, valueHigh: notify.valueHigh },
  })
}

const status = (queue: PosixMessageQueue): Uint8Array => {
  const size = queue.messages.reduce((sum, message) => sum + message.bytes.length, 0)
  const { notify } = queue
  const text = `QSIZE:${String(size).padEnd(10)} NOTIFY:${String(notify?.method ?? 0).padEnd(5)} SIGNO:${String(notify?.method === SIGEV_SIGNAL ? notify.signal : 0).padEnd(5)} ` +
    `NOTIFY_PID:${String(notify?.tgid ?? 0).padEnd(6)}\n`
  return Uint8Array.from(text, (char) => char.charCodeAt(0))
}

/** Size that the inode of a queue says (FILENT_SIZE). */
export const STATUS_SIZE = 80

export const messageQueueOperations: FileOperations = {
  positioned: true,
  // Anywhere, and no holes (default_llseek).
  seek: (_kernel, _task, file, offset, whence) => {
    const size = file.inode.kind === 'file' ? file.inode.size : STATUS_SIZE
    if ((whence === SEEK_DATA || whence === SEEK_HOLE) && offset >= size) return -ENXIO
    const position = whence === SEEK_CUR ? file.position + offset : whence === SEEK_END ? size + offset : whence === SEEK_HOLE ? size : offset
    if (position < 0) return -EINVAL
    file.position = position
    return position
  },
  read: (_kernel, _task, file, length, offset) => {
    const from = offset ?? file.position
    const bytes = status(queueOf(file)).subarray(from, from + length)
    if (offset === undefined) file.position += bytes.length
    return bytes
  },
  poll: (_kernel, file) => {
    const { messages, maxMessages } = queueOf(file)
    return (messages.length > 0 ? POLLIN | POLLRDNORM : 0) | (messages.length < maxMessages ? POLLOUT | POLLWRNORM : 0)
  },
  queues: (_kernel, file) => [queueOf(file).receivers, queueOf(file).senders],
  close: (kernel, task, file) => {
    const queue = queueOf(file)
    if (queue.notify?.tgid === task.group.tgid) removeNotification(kernel, queue)
  },
}
