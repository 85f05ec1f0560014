/** io_setup, io_submit, io_getevents and relatives (fs/aio.c). */
import { EAGAIN, EBADF, EFAULT, EINTR, EINVAL, ENOMEM } from '../abi/errno.ts'
import {
  IOCB_CMD_FDSYNC, IOCB_CMD_FSYNC, IOCB_CMD_POLL, IOCB_CMD_PREAD, IOCB_CMD_PREADV, IOCB_CMD_PWRITE, IOCB_CMD_PWRITEV, IOCB_FLAG_IOPRIO,
  IOCB_FLAG_RESFD,
} from '../abi/aio.ts'
import { O_NONBLOCK } from '../abi/fcntl.ts'
import { uint32 } from '../abi/numbers.ts'
import { AIO_MAX, type AioContext, destroyContext, findContext, makeContext } from '../fs/aio.ts'
import { getFile } from '../fs/descriptor.ts'
import { operationsOf } from '../fs/file-operations.ts'
import type { OpenFile } from '../fs/file.ts'
import type { Kernel } from '../kernel.ts'
import { BadAddress } from '../mm/user-memory.ts'
import type { Task } from '../task/task.ts'
import { deadlineAfter, readTimespec } from '../time/clock.ts'
import type { Args, SyscallEntry } from './entry.ts'
import { installMask, restoreMask } from './temporary-mask.ts'
import { isReadable, isWritable, readInto, readVector, readVectorInto, writeOut, writeVectorOut } from './transfer.ts'

/** struct io_event, and how large a ring of them Linux allows. */
const EVENT_SIZE = 32
const RING_LIMIT = 0x1000_0000

const setup = (kernel: Kernel, task: Task, args: Args): number => {
  const count = uint32(args[0])
  const user = kernel.user(task)
  if (user.i64(args[1]) !== 0 || count === 0) return -EINVAL
  if (count > RING_LIMIT / EVENT_SIZE) return -EINVAL
  if (count > AIO_MAX) return -EAGAIN
  const context = makeContext(kernel, task, count)
  if (context === undefined) return -ENOMEM
  user.setI64(args[1], context.address)
  return 0
}

const destroy = (kernel: Kernel, task: Task, args: Args): number => {
  const context = findContext(kernel, task, args[0])
  if (context === undefined) return -EINVAL
  destroyContext(kernel, task, context)
  return 0
}

/** struct iocb. */
const OFFSET = { data: 0, rwFlags: 12, opcode: 16, fd: 20, buffer: 24, bytes: 32, offset: 40, reserved: 48, flags: 56, resultFd: 60 } as const
const BLOCK_SIZE = 64

/** What the request gives: the result that io_getevents tells; `invalid` if io_submit refuses it. */
interface Outcome { readonly invalid: boolean, readonly result: number }
const refuse = (error: number): Outcome => ({ invalid: true, result: error })

const transfer = (kernel: Kernel, task: Task, file: OpenFile, opcode: number, buffer: number, bytes: number, offset: number): Outcome => {
  const isRead = opcode === IOCB_CMD_PREAD || opcode === IOCB_CMD_PREADV
  if (isRead ? !isReadable(file) : !isWritable(file)) return refuse(-EBADF)
  const operations = operationsOf(file)
  if ((isRead ? operations.read : operations.write) === undefined) return refuse(-EINVAL)
  const at = operations.positioned === true ? offset : undefined
  if (opcode === IOCB_CMD_PREADV || opcode === IOCB_CMD_PWRITEV) {
    const segments = readVector(kernel, task, buffer, bytes)
    if (typeof segments === 'number') return refuse(segments)
    return { invalid: false, result: isRead ? readVectorInto(kernel, task, file, segments, at) : writeVectorOut(kernel, task, file, segments, at) }
  }
  const result = isRead ? readInto(kernel, task, file, buffer, bytes, at) : writeOut(kernel, task, file, buffer, bytes, at)
  return { invalid: false, result }
}

const perform = (kernel: Kernel, task: Task, address: number): Outcome => {
  const user = kernel.user(task)
  const block = user.read(address, BLOCK_SIZE)
  const view = new DataView(block.buffer)
  const word = (at: number): number => view.getInt32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true)
  const flags = view.getUint32(OFFSET.flags, true)
  if (word(OFFSET.reserved) !== 0 || word(OFFSET.bytes) < 0 || (flags & ~(IOCB_FLAG_RESFD | IOCB_FLAG_IOPRIO)) !== 0) return refuse(-EINVAL)
  const file = getFile(task, view.getInt32(OFFSET.fd, true))
  if (file === undefined) return refuse(-EBADF)
  const opcode = view.getUint16(OFFSET.opcode, true)
  if ((flags & IOCB_FLAG_RESFD) !== 0) {
    const counter = getFile(task, view.getInt32(OFFSET.resultFd, true))
    if (counter?.kind !== 'event') return refuse(counter === undefined ? -EBADF : -EINVAL)
  }
  switch (opcode) {
    case IOCB_CMD_PREAD: case IOCB_CMD_PWRITE: case IOCB_CMD_PREADV: case IOCB_CMD_PWRITEV: {
      const offset = word(OFFSET.offset)
      if (offset < 0 && operationsOf(file).positioned === true) return { invalid: false, result: -EINVAL }
      // What would block can't be waited for here.
      const saved = file.flags
      file.flags |= O_NONBLOCK
      try {
        return transfer(kernel, task, file, opcode, word(OFFSET.buffer), word(OFFSET.bytes), offset)
      } finally {
        file.flags = saved
      }
    }
    case IOCB_CMD_FSYNC: case IOCB_CMD_FDSYNC:
      return file.kind === 'regular' || file.kind === 'directory' ? { invalid: false, result: 0 } : refuse(-EINVAL)
    case IOCB_CMD_POLL: {
      const { poll } = operationsOf(file)
      const wanted = word(OFFSET.buffer)
      return { invalid: false, result: (poll === undefined ? wanted : poll(kernel, file)) & wanted }
    }
    default: return refuse(-EINVAL)
  }
}

/** Tells the eventfd of a request that it is done. */
const signalDone = (kernel: Kernel, task: Task, address: number): void => {
  const user = kernel.user(task)
  if ((user.u32(address + OFFSET.flags) & IOCB_FLAG_RESFD) === 0) return
  const file = getFile(task, user.i32(address + OFFSET.resultFd))
  if (file !== undefined) operationsOf(file).write?.(kernel, task, file, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), undefined)
}

const submitOne = (kernel: Kernel, task: Task, context: AioContext, address: number): number => {
  if (context.events.length >= context.capacity) return -EAGAIN
  try {
    const outcome = perform(kernel, task, address)
    if (outcome.invalid) return outcome.result
    const user = kernel.user(task)
    // KIOCB_KEY: io_cancel looks for it.
    user.setU32(address + 8, 0)
    context.events.push({ dataLow: user.u32(address), dataHigh: user.u32(address + 4), block: address, result: outcome.result })
    signalDone(kernel, task, address)
    kernel.wake(context.ready)
    return 0
  } catch (error) {
    if (error instanceof BadAddress) return -EFAULT
    throw error
  }
}

const submit = (kernel: Kernel, task: Task, args: Args): number => {
  const count = args[1]
  if (count < 0) return -EINVAL
  const context = findContext(kernel, task, args[0])
  if (context === undefined) return -EINVAL
  const user = kernel.user(task)
  for (let index = 0; index < Math.min(count, context.capacity); index++) {
    let error: number
    try {
      error = submitOne(kernel, task, context, user.i64(args[2] + index * 8))
    } catch (failure) {
      if (!(failure instanceof BadAddress)) throw failure
      error = -EFAULT
    }
    if (error < 0) return index > 0 ? index : error
  }
  return Math.min(count, context.capacity)
}

const cancel = (kernel: Kernel, task: Task, args: Args): number => {
  if (kernel.user(task).u32(args[1] + 8) !== 0) return -EINVAL
  // Nothing is ever under way.
  return -EINVAL
}

/** In `task.syscall.memory`: until when it waits. */
interface Wait { readonly deadline: number }

const takeEvents = (kernel: Kernel, task: Task, context: AioContext, address: number, count: number): number => {
  const user = kernel.user(task)
  for (let index = 0; index < count; index++) {
    const at = address + index * EVENT_SIZE
    const { dataLow, dataHigh, block, result } = context.events[index]
    try {
      user.setU32(at, dataLow)
      user.setU32(at + 4, dataHigh)
      user.setI64(at + 8, block)
      user.setI64(at + 16, result)
      user.setI64(at + 24, 0)
    } catch (error) {
      if (!(error instanceof BadAddress)) throw error
      context.events.splice(0, index)
      return index > 0 ? index : -EFAULT
    }
  }
  context.events.splice(0, count)
  return count
}

const getEvents = (kernel: Kernel, task: Task, args: Args): number => {
  const [minimum, count] = [args[1], args[2]]
  let deadline = Infinity
  const waiting = task.syscall?.memory as Wait | undefined
  if (waiting !== undefined) deadline = waiting.deadline
  else if (args[4] !== 0) {
    const time = readTimespec(kernel.user(task), args[4])
    if (typeof time === 'number') return time
    deadline = deadlineAfter(kernel, time)
  }
  const context = findContext(kernel, task, args[0])
  if (context === undefined || minimum < 0 || count < 0 || minimum > count) return -EINVAL
  const { events } = context
  const isOver = kernel.now >= deadline || task.wokenBy === 'timeout'
  if (events.length >= minimum || isOver) return takeEvents(kernel, task, context, args[3], Math.min(count, events.length))
  if (kernel.interrupted(task)) return events.length > 0 ? takeEvents(kernel, task, context, args[3], Math.min(count, events.length)) : -EINTR
  if (task.syscall !== undefined) task.syscall.memory = { deadline } satisfies Wait
  return kernel.block(task, [context.ready], deadline)
}

/** io_getevents with a signal mask for its time: struct { sigset_t *mask; size_t size }. */
const pgetEvents = (kernel: Kernel, task: Task, args: Args): number => {
  if (task.syscall?.memory === undefined && args[5] !== 0) {
    const user = kernel.user(task)
    const error = installMask(kernel, task, user.i64(args[5]), user.i64(args[5] + 8))
    if (error < 0) return error
  }
  const result = getEvents(kernel, task, args)
  if (result !== -EINTR && task.state !== 'blocked') restoreMask(task)
  return result
}

export const AIO_CALLS: readonly SyscallEntry[] = [
  { number: 206, name: 'io_setup', args: ['nr_events:uint', 'ctx_idp:pointer'], handler: setup, status: 'full' },
  { number: 207, name: 'io_destroy', args: ['ctx_id:address'], handler: destroy, status: 'full' },
  {
    number: 208, name: 'io_getevents', args: ['ctx_id:address', 'min_nr:long', 'nr:long', 'events:pointer', 'timeout:struct(timespec)'],
    handler: getEvents, status: 'full',
  },
  {
    number: 209, name: 'io_submit', args: ['ctx_id:address', 'nr:long', 'iocbpp:pointer'], handler: submit, status: 'partial',
    note: 'all is done at once: what would block gives EAGAIN, IOCB_CMD_POLL what holds then',
  },
  { number: 210, name: 'io_cancel', args: ['ctx_id:address', 'iocb:pointer', 'result:pointer'], handler: cancel, status: 'full' },
  {
    number: 333, name: 'io_pgetevents',
    args: ['ctx_id:address', 'min_nr:long', 'nr:long', 'events:pointer', 'timeout:struct(timespec)', 'usig:pointer'], handler: pgetEvents, status: 'full',
  },
]
