/** read, write and their variants; lseek; sendfile and copy_file_range. */
import {
  EAGAIN, EBADF, EFBIG, EINVAL, EISDIR, EOPNOTSUPP, EOVERFLOW, ESPIPE, EXDEV,
} from '../abi/errno.ts'
import {
  O_APPEND, O_DSYNC, O_NONBLOCK, RWF_APPEND, RWF_DSYNC, RWF_HIPRI, RWF_NOAPPEND, RWF_NOWAIT, RWF_SYNC, SEEK_HOLE,
} from '../abi/fcntl.ts'
import { int32, uint32, uint64 } from '../abi/numbers.ts'
import { getFile } from '../fs/descriptor.ts'
import { FULL_DEVICE } from '../fs/devices.ts'
import { operationsOf } from '../fs/file-operations.ts'
import { type OpenFile, REGULAR_KINDS } from '../fs/file.ts'
import { inodeSize, readInode } from '../fs/inode.ts'
import { brokenPipe, isFull, pipeOf } from '../fs/pipe.ts'
import { MAX_FILE_SIZE } from '../fs/regular.ts'
import { canSpliceFrom, canSpliceTo } from '../fs/splice.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { BLOCKED } from '../wait-queue.ts'
import type { Args, SyscallEntry } from './entry.ts'
import {
  isReadable, isWritable, MAX_TRANSFER, readInto, readVector, readVectorInto, writeOut, writeVectorOut,
} from './transfer.ts'

const read = (kernel: Kernel, task: Task, args: Args): number => {
  const file = getFile(task, int32(args[0]))
  if (file === undefined || !isReadable(file)) return -EBADF
  return readInto(kernel, task, file, args[1], uint64(args[2]), undefined)
}

const write = (kernel: Kernel, task: Task, args: Args): number => {
  const file = getFile(task, int32(args[0]))
  if (file === undefined || !isWritable(file)) return -EBADF
  return writeOut(kernel, task, file, args[1], uint64(args[2]), undefined)
}

const isPositioned = (file: OpenFile): boolean => operationsOf(file).positioned === true

const pread64 = (kernel: Kernel, task: Task, args: Args): number => {
  const offset = args[3]
  if (offset < 0) return -EINVAL
  const file = getFile(task, int32(args[0]))
  if (file === undefined) return -EBADF
  if (!isPositioned(file)) return -ESPIPE
  if (!isReadable(file)) return -EBADF
  return readInto(kernel, task, file, args[1], uint64(args[2]), offset)
}

const pwrite64 = (kernel: Kernel, task: Task, args: Args): number => {
  const offset = args[3]
  if (offset < 0) return -EINVAL
  const file = getFile(task, int32(args[0]))
  if (file === undefined) return -EBADF
  if (!isPositioned(file)) return -ESPIPE
  if (!isWritable(file)) return -EBADF
  return writeOut(kernel, task, file, args[1], uint64(args[2]), offset)
}

const RWF_SUPPORTED = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | RWF_NOAPPEND

/** Whether the kind moves vectors itself; of others each part is moved alone (read_iter and write_iter of struct file_operations). */
const hasVectors = (file: OpenFile, isRead: boolean): boolean => {
  switch (file.kind) {
    case 'directory': case 'inotify': case 'mqueue': return false
    case 'event': return isRead
    case 'device': return isRead || file.inode.rdev !== FULL_DEVICE
    default: return true
  }
}

/** Runs a transfer with the file's status flags changed by RWF_*: they apply to this call only. */
const withFlags = (file: OpenFile, isRead: boolean, flags: number, move: () => number): number => {
  if (flags === 0) return move()
  if ((flags & ~RWF_SUPPORTED) !== 0) return -EOPNOTSUPP
  if ((flags & RWF_NOAPPEND) !== 0 && (flags & RWF_APPEND) !== 0) return -EINVAL
  // What has no vectors of its own knows no flags (do_loop_readv_writev).
  if (!hasVectors(file, isRead) && (flags & ~RWF_HIPRI) !== 0) return -EOPNOTSUPP
  // Files of these file systems can't say whether they would wait (FMODE_NOWAIT).
  if ((flags & RWF_NOWAIT) !== 0 && (file.kind === 'regular' || file.kind === 'directory' || (file.kind === 'pipe' && file.inode.superblock.kind !== 'anonymous'))) return -EOPNOTSUPP
  const saved = file.flags
  if ((flags & RWF_NOWAIT) !== 0) file.flags |= O_NONBLOCK
  if ((flags & (RWF_DSYNC | RWF_SYNC)) !== 0) file.flags |= O_DSYNC
  if ((flags & RWF_APPEND) !== 0) file.flags |= O_APPEND
  if ((flags & RWF_NOAPPEND) !== 0) file.flags &= ~O_APPEND
  try {
    return move()
  } finally {
    file.flags = saved
  }
}

const transferVector = (kernel: Kernel, task: Task, args: Args, isRead: boolean, offset: number | undefined, flags: number): number => {
  const file = getFile(task, int32(args[0]))
  if (file === undefined) return -EBADF
  if (offset !== undefined && !isPositioned(file)) return -ESPIPE
  if (isRead ? !isReadable(file) : !isWritable(file)) return -EBADF
  const segments = readVector(kernel, task, args[1], uint64(args[2]))
  if (typeof segments === 'number') return segments
  if ((isRead ? operationsOf(file).read : operationsOf(file).write) === undefined) return -EINVAL
  // Nothing to move: flags are not looked at (vfs_readv).
  if (segments.every(({ length }) => length === 0)) return 0
  return withFlags(file, isRead, flags, () => isRead ? readVectorInto(kernel, task, file, segments, offset) : writeVectorOut(kernel, task, file, segments, offset))
}

const readv = (kernel: Kernel, task: Task, args: Args): number => transferVector(kernel, task, args, true, undefined, 0)
const writev = (kernel: Kernel, task: Task, args: Args): number => transferVector(kernel, task, args, false, undefined, 0)
const preadv = (kernel: Kernel, task: Task, args: Args): number =>
  args[3] < 0 ? -EINVAL : transferVector(kernel, task, args, true, args[3], 0)
const pwritev = (kernel: Kernel, task: Task, args: Args): number =>
  args[3] < 0 ? -EINVAL : transferVector(kernel, task, args, false, args[3], 0)

/** Offset −1 means the file's position. */
const vector2 = (kernel: Kernel, task: Task, args: Args, isRead: boolean): number => {
  const offset = args[3]
  if (offset < -1) return -EINVAL
  return transferVector(kernel, task, args, isRead, offset === -1 ? undefined : offset, uint32(args[5]))
}
const preadv2 = (kernel: Kernel, task: Task, args: Args): number => vector2(kernel, task, args, true)
const pwritev2 = (kernel: Kernel, task: Task, args: Args): number => vector2(kernel, task, args, false)

const lseek = (kernel: Kernel, task: Task, args: Args): number => {
  const file = getFile(task, int32(args[0]))
  if (file === undefined) return -EBADF
  const whence = uint32(args[2])
  if (whence > SEEK_HOLE) return -EINVAL
  const { seek } = operationsOf(file)
  return seek === undefined ? -ESPIPE : seek(kernel, task, file, args[1], whence)
}

// ——— sendfile ———

/** In `task.syscall.memory` while sendfile waits for the file that it writes to. */
interface SendProgress { sent?: number }

/** Bytes moved at a time, as much as Linux's internal pipe holds. */
const SEND_CHUNK = 65_536

const sendBytes = (kernel: Kernel, task: Task, from: OpenFile, to: OpenFile, start: number, count: number): number => {
  const read = operationsOf(from).read
  const write = operationsOf(to).write
  if (read === undefined) return -EINVAL
  let sent = (task.syscall?.memory as SendProgress | undefined)?.sent ?? 0
  while (sent < count) {
    const bytes = read(kernel, task, from, Math.min(count - sent, SEND_CHUNK), start + sent)
    if (typeof bytes === 'number') return sent > 0 ? sent : bytes
    if (bytes.length === 0) break
    if (write === undefined || (to.kind !== 'pipe' && !canSpliceTo(to))) return -EINVAL
    const result = write(kernel, task, to, bytes, undefined)
    if (result === BLOCKED) {
      const { syscall } = task
      if (syscall !== undefined) syscall.memory = { ...(syscall.memory as object | undefined), sent }
      return BLOCKED
    }
    if (result < 0) return sent > 0 ? sent : result
    sent += result
    if (result < bytes.length) break
  }
  if (task.syscall?.memory !== undefined) (task.syscall.memory as SendProgress).sent = 0
  return sent
}

const sendfile = (kernel: Kernel, task: Task, args: Args): number => {
  const user = kernel.user(task)
  const offsetAddress = args[2]
  const offset = offsetAddress === 0 ? undefined : user.i64(offsetAddress)
  const from = getFile(task, int32(args[1]))
  if (from === undefined || !isReadable(from)) return -EBADF
  if (offset !== undefined && !isPositioned(from)) return -ESPIPE
  const start = offset ?? from.position
  if (start < 0) return -EINVAL
  const to = getFile(task, int32(args[0]))
  if (to === undefined || !isWritable(to)) return -EBADF
  const count = uint64(args[3])
  if (count > Number.MAX_SAFE_INTEGER) return -EINVAL
  // Room in the pipe is waited for before what is to be spliced is looked at (splice_file_to_pipe).
  if (to.kind === 'pipe') {
    const pipe = pipeOf(to)
    if (pipe.readers === 0) return brokenPipe(kernel, task)
    if (isFull(pipe) && (to.flags & O_NONBLOCK) !== 0) return -EAGAIN
  }
  // Elsewhere it goes from what has positions only, to where one can tell (splice_direct_to_actor); whether there is something to splice is looked at next.
  if (to.kind !== 'pipe' && (operationsOf(from).seek === undefined || (to.flags & O_APPEND) !== 0)) return -EINVAL
  if (count === 0) return 0
  if (!canSpliceFrom(from)) return -EINVAL
  const result = sendBytes(kernel, task, from, to, start, Math.min(count, MAX_TRANSFER))
  if (result === BLOCKED || result < 0) return result
  // Devices have no positions to move.
  const end = from.kind === 'device' ? start : start + result
  if (offset === undefined) from.position = end
  else user.setI64(offsetAddress, end)
  return result
}

// ——— copy_file_range ———

const COPY_CHUNK = 1 << 20

/** Whether an offset and a length wrap around as C numbers: a negative offset is a large unsigned one. */
const overflows = (offset: number, length: number): boolean => offset < 0 ? offset + length >= 0 : offset + length >= 2 ** 64

/** Those of pidfs are, too. */
const isRegular = (file: OpenFile): boolean => REGULAR_KINDS.has(file.kind) || file.kind === 'pid'

const copyFileRange = (kernel: Kernel, task: Task, args: Args): number => {
  const user = kernel.user(task)
  const from = getFile(task, int32(args[0]))
  if (from === undefined) return -EBADF
  const to = getFile(task, int32(args[2]))
  if (to === undefined) return -EBADF
  const fromOffset = args[1] === 0 ? undefined : user.i64(args[1])
  const toOffset = args[3] === 0 ? undefined : user.i64(args[3])
  if (args[5] !== 0) return -EINVAL
  if (from.inode.kind === 'directory' || to.inode.kind === 'directory') return -EISDIR
  if (!isRegular(from) || !isRegular(to)) return -EINVAL
  if (!isReadable(from) || !isWritable(to) || (to.flags & O_APPEND) !== 0) return -EBADF
  // Only file systems that copy themselves do it to others (Linux 5.19).
  if (from.inode.superblock !== to.inode.superblock) return -EXDEV
  if (from.inode.kind !== 'file' || from.kind !== 'regular' || to.kind !== 'regular') return -EINVAL
  const start = fromOffset ?? from.position
  const target = toOffset ?? to.position
  const length = uint64(args[4])
  if (overflows(start, length) || overflows(target, length)) return -EOVERFLOW
  if (start < 0 || target < 0) return -EINVAL
  const count = Math.min(length, Math.max(inodeSize(kernel, from.inode) - start, 0), MAX_TRANSFER)
  if (target >= MAX_FILE_SIZE && count > 0) return -EFBIG
  if (from.inode === to.inode && target < start + count && start < target + count) return -EINVAL
  const write = operationsOf(to).write
  if (write === undefined) return -EINVAL
  let done = 0
  while (done < count) {
    const bytes = readInode(kernel, from.inode, start + done, Math.min(COPY_CHUNK, count - done))
    const result = write(kernel, task, to, bytes, target + done)
    if (result < 0) {
      if (done === 0) return result
      break
    }
    done += result
    if (result < bytes.length) break
  }
  if (fromOffset === undefined) from.position = start + done
  else user.setI64(args[1], start + done)
  if (toOffset === undefined) to.position = target + done
  else user.setI64(args[3], target + done)
  return done
}

export const READ_WRITE_CALLS: readonly SyscallEntry[] = [
  { number: 0, name: 'read', args: ['fd:fd', 'buf:out[2]', 'count:size'], handler: read, status: 'full' },
  { number: 1, name: 'write', args: ['fd:fd', 'buf:in[2]', 'count:size'], handler: write, status: 'full' },
  { number: 8, name: 'lseek', args: ['fd:fd', 'offset:offset', 'whence:enum(SEEK)'], handler: lseek, status: 'full' },
  { number: 17, name: 'pread64', args: ['fd:fd', 'buf:out[2]', 'count:size', 'offset:offset'], handler: pread64, status: 'full' },
  { number: 18, name: 'pwrite64', args: ['fd:fd', 'buf:in[2]', 'count:size', 'offset:offset'], handler: pwrite64, status: 'full' },
  { number: 19, name: 'readv', args: ['fd:fd', 'iov:iovec[2]', 'iovcnt:int'], handler: readv, status: 'full' },
  { number: 20, name: 'writev', args: ['fd:fd', 'iov:iovec[2]', 'iovcnt:int'], handler: writev, status: 'full' },
  { number: 40, name: 'sendfile', args: ['out_fd:fd', 'in_fd:fd', 'offset:pointer', 'count:size'], handler: sendfile, status: 'full' },
  { number: 295, name: 'preadv', args: ['fd:fd', 'iov:iovec[2]', 'iovcnt:int', 'offset:offset'], handler: preadv, status: 'full' },
  { number: 296, name: 'pwritev', args: ['fd:fd', 'iov:iovec[2]', 'iovcnt:int', 'offset:offset'], handler: pwritev, status: 'full' },
  {
    number: 326, name: 'copy_file_range', args: ['fd_in:fd', 'off_in:pointer', 'fd_out:fd', 'off_out:pointer', 'len:size', 'flags:uint'],
    handler: copyFileRange, status: 'full',
  },
  {
    number: 327, name: 'preadv2', args: ['fd:fd', 'iov:iovec[2]', 'iovcnt:int', 'offset:offset', 'pos_h:long', 'flags:flags(RWF)'],
    handler: preadv2, status: 'full',
  },
  {
    number: 328, name: 'pwritev2', args: ['fd:fd', 'iov:iovec[2]', 'iovcnt:int', 'offset:offset', 'pos_h:long', 'flags:flags(RWF)'],
    handler: pwritev2, status: 'partial', note: 'RWF_ATOMIC is refused with EOPNOTSUPP',
  },
]
