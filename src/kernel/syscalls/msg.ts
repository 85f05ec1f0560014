/** System V message queues: msgget(2), msgsnd(2), msgrcv(2), msgctl(2). */
import { CAP_SYS_RESOURCE } from '../abi/capabilities.ts'
import { E2BIG, EAGAIN, EIDRM, EINVAL, ENOMSG, EPERM, ERESTARTNOHAND } from '../abi/errno.ts'
import {
  IPC_INFO, IPC_NOWAIT, IPC_RMID, IPC_SET, IPC_STAT, MSG_COPY, MSG_EXCEPT, MSG_INFO, MSG_NOERROR, MSG_STAT, MSG_STAT_ANY,
  MSGMAX, MSGMNB, MSGMNI, S_IRUGO, S_IWUGO,
} from '../abi/ipc.ts'
import { int32, uint64 } from '../abi/numbers.ts'
import { settingNumber } from '../fs/proc/settings.ts'
import type { MessageQueue } from '../ipc/ipc-state.ts'
import {
  addObject, allocateId, bytesOf, checkOwner, checkPermission, findByKey, findObject, highestIndex, makePermission, now, objectAt,
  PERMISSION_SIZE, putLong, putPermission, readPermission, removeObject,
} from '../ipc/table.ts'
import type { Kernel } from '../kernel.ts'
import { hasCapability } from '../task/credentials.ts'
import { seenBy } from '../task/pid-namespace.ts'
import type { Task } from '../task/task.ts'
import { waitQueue } from '../wait-queue.ts'
import type { Args, SyscallEntry } from './entry.ts'

/** kernel.msgmnb: bytes that a new queue holds. */
const queueLimit = (kernel: Kernel): number => settingNumber(kernel, 'sys/kernel/msgmnb', MSGMNB)

const msgget = (kernel: Kernel, task: Task, args: Args): number => {
  const key = int32(args[0])
  const flags = int32(args[1])
  const table = task.namespaces.ipc.ipc.msg
  const found = findByKey(task, table, key, flags, () => true)
  if (found !== undefined) return found
  const id = allocateId(kernel, table, settingNumber(kernel, 'sys/kernel/msgmni', MSGMNI), 'msg')
  if (id < 0) return id
  addObject(table, {
    kind: 'msg', id, permission: makePermission(task, key, flags), messages: [], bytes: 0, limit: queueLimit(kernel), sendTime: 0, receiveTime: 0,
    changeTime: now(kernel), lastSender: 0, lastReceiver: 0, senders: waitQueue(), receivers: waitQueue(),
  })
  return id
}

/** The queue of a call; one that has waited on it learns that it is gone by EIDRM. */
const queueOf = (kernel: Kernel, task: Task, id: number): MessageQueue | number => {
  const queue = findObject(task.namespaces.ipc.ipc.msg, id)
  return typeof queue === 'number' && task.syscall?.memory !== undefined ? -EIDRM : queue
}

const waitOn = (kernel: Kernel, task: Task, queue: MessageQueue['senders']): number => {
  if (kernel.interrupted(task)) return -ERESTARTNOHAND
  if (task.syscall !== undefined) task.syscall.memory = { kind: 'message' }
  return kernel.block(task, [queue])
}

const msgsnd = (kernel: Kernel, task: Task, args: Args): number => {
  const id = int32(args[0])
  const address = uint64(args[1])
  const size = args[2]
  const user = kernel.user(task)
  const type = user.i64(address)
  if (size < 0 || size > settingNumber(kernel, 'sys/kernel/msgmax', MSGMAX) || id < 0 || type < 1) return -EINVAL
  const bytes = user.read(address + 8, size)
  const queue = queueOf(kernel, task, id)
  if (typeof queue === 'number') return queue
  const refused = checkPermission(task, queue.permission, S_IWUGO)
  if (refused < 0) return refused
  if (queue.bytes + size > queue.limit || queue.messages.length + 1 > queue.limit) {
    return (int32(args[3]) & IPC_NOWAIT) !== 0 ? -EAGAIN : waitOn(kernel, task, queue.senders)
  }
  queue.messages.push({ type, bytes })
  queue.bytes += size
  queue.lastSender = task.group.tgid
  queue.sendTime = now(kernel)
  kernel.wake(queue.receivers)
  return 0
}

/** Index of the message that `type` and flags ask for, −1 if there is none. */
const choose = (queue: MessageQueue, type: number, flags: number): number => {
  const { messages } = queue
  if ((flags & MSG_COPY) !== 0) return type >= 0 && type < messages.length ? type : -1
  if (type === 0) return messages.length > 0 ? 0 : -1
  if (type > 0) return messages.findIndex((message) => (message.type === type) !== ((flags & MSG_EXCEPT) !== 0))
  let best = -1
  for (const [i, message] of messages.entries()) {
    if (message.type <= -type && (best < 0 || message.type < messages[best].type)) best = i
  }
  return best
}

const msgrcv = (kernel: Kernel, task: Task, args: Args): number => {
  const id = int32(args[0])
  const size = args[2]
  const flags = int32(args[4])
  if (id < 0 || size < 0) return -EINVAL
  const isCopy = (flags & MSG_COPY) !== 0
  if (isCopy && ((flags & MSG_EXCEPT) !== 0 || (flags & IPC_NOWAIT) === 0)) return -EINVAL
  // Linux takes a message of that size from where the copy goes to, to have room for it (prepare_copy).
  if (isCopy) kernel.user(task).read(uint64(args[1]), Math.min(size, MSGMAX))
  const queue = queueOf(kernel, task, id)
  if (typeof queue === 'number') return queue
  const refused = checkPermission(task, queue.permission, S_IRUGO)
  if (refused < 0) return refused
  const index = choose(queue, args[3], flags)
  if (index < 0) return (flags & IPC_NOWAIT) !== 0 ? -ENOMSG : waitOn(kernel, task, queue.receivers)
  const message = queue.messages[index]
  if (size < message.bytes.length && (flags & MSG_NOERROR) === 0) return -E2BIG
  if (!isCopy) {
    queue.messages.splice(index, 1)
    queue.bytes -= message.bytes.length
    queue.lastReceiver = task.group.tgid
    queue.receiveTime = now(kernel)
    kernel.wake(queue.senders)
  }
  const user = kernel.user(task)
  const count = Math.min(size, message.bytes.length)
  user.setI64(uint64(args[1]), message.type)
  user.write(uint64(args[1]) + 8, message.bytes.subarray(0, count))
  return count
}

const MSQID_SIZE = PERMISSION_SIZE + 72

const stat = (task: Task, queue: MessageQueue): Uint8Array => {
  const view = new DataView(new ArrayBuffer(MSQID_SIZE))
  putPermission(task, view, queue)
  for (const [i, value] of [queue.sendTime, queue.receiveTime, queue.changeTime, queue.bytes, queue.messages.length, queue.limit].entries()) {
    putLong(view, 48 + i * 8, value)
  }
  view.setInt32(96, seenBy(task, queue.lastSender), true)
  view.setInt32(100, seenBy(task, queue.lastReceiver), true)
  return bytesOf(view)
}

/** MSGPOOL, MSGTQL, MSGSSZ, MSGSEG: unused by Linux, but told. */
const MSGPOOL = MSGMNI * MSGMNB / 1024, MSGTQL = MSGMNB, MSGMAP = MSGMNB, MSGSSZ = 16, MSGSEG = 0xffff

const info = (kernel: Kernel, task: Task, command: number, address: number): number => {
  const table = task.namespaces.ipc.ipc.msg
  const queues = [...table.objects.values()]
  const view = new DataView(new ArrayBuffer(32))
  const inUse = command === MSG_INFO
  const values = [inUse ? queues.length : MSGPOOL, inUse ? queues.reduce((sum, queue) => sum + queue.messages.length, 0) : MSGMAP, settingNumber(kernel, 'sys/kernel/msgmax', MSGMAX),
    queueLimit(kernel), settingNumber(kernel, 'sys/kernel/msgmni', MSGMNI), MSGSSZ, inUse ? queues.reduce((sum, queue) => sum + queue.bytes, 0) : MSGTQL]
  for (const [i, value] of values.entries()) view.setInt32(i * 4, value, true)
  view.setUint16(28, MSGSEG, true)
  kernel.user(task).write(address, bytesOf(view))
  return highestIndex(table)
}

const msgctl = (kernel: Kernel, task: Task, args: Args): number => {
  const id = int32(args[0])
  const command = int32(args[1])
  const address = uint64(args[2])
  const table = task.namespaces.ipc.ipc.msg
  const user = kernel.user(task)
  if (id < 0 || command < 0) return -EINVAL
  switch (command) {
    case IPC_INFO: case MSG_INFO: return info(kernel, task, command, address)
    case IPC_STAT: case MSG_STAT: case MSG_STAT_ANY: {
      const queue = command === IPC_STAT ? findObject(table, id) : objectAt(table, id) ?? -EINVAL
      if (typeof queue === 'number') return queue
      const refused = command === MSG_STAT_ANY ? 0 : checkPermission(task, queue.permission, S_IRUGO)
      if (refused < 0) return refused
      user.write(address, stat(task, queue))
      return command === IPC_STAT ? 0 : queue.id
    }
    case IPC_SET: case IPC_RMID: {
      const change = command === IPC_SET ? readPermission(task, user, address) : undefined
      const limit = command === IPC_SET ? uint64(user.i64(address + 88)) : 0
      const queue = findObject(table, id)
      if (typeof queue === 'number') return queue
      const refused = checkOwner(task, queue.permission)
      if (refused < 0) return refused
      if (change === undefined) {
        removeObject(table, queue)
      } else {
        if (limit > queueLimit(kernel) && !hasCapability(task, CAP_SYS_RESOURCE)) return -EPERM
        Object.assign(queue.permission, change)
        queue.limit = limit
        queue.changeTime = now(kernel)
      }
      // Who may go on now, or learns that the queue is gone.
      kernel.wake(queue.receivers)
      kernel.wake(queue.senders)
      return 0
    }
    default: return -EINVAL
  }
}

export const msgCalls: readonly SyscallEntry[] = [
  { number: 68, name: 'msgget', args: ['key:int', 'msgflg:flags(IPC)'], handler: msgget, status: 'full' },
  { number: 69, name: 'msgsnd', args: ['msqid:int', 'msgp:pointer', 'msgsz:size', 'msgflg:flags(MSG)'], handler: msgsnd, status: 'full' },
  { number: 70, name: 'msgrcv', args: ['msqid:int', 'msgp:pointer', 'msgsz:size', 'msgtyp:long', 'msgflg:flags(MSG)'], handler: msgrcv, status: 'full' },
  { number: 71, name: 'msgctl', args: ['msqid:int', 'cmd:enum(IPC)', 'buf:pointer'], handler: msgctl, status: 'full' },
]
