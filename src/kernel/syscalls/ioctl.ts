/** ioctl(2): the requests that every file takes; the rest is the file's own. */
import { EBADF, EINVAL, EISDIR, ENOTTY, EOPNOTSUPP, EXDEV } from '../abi/errno.ts'
import { O_ACCMODE, O_APPEND, O_NONBLOCK, O_RDONLY, O_WRONLY } from '../abi/fcntl.ts'
import { int32, uint32 } from '../abi/numbers.ts'
import { FIOASYNC, FIOCLEX, FIONBIO, FIONCLEX, FIONREAD, FIOQSIZE } from '../abi/termios.ts'
import { setAsync } from '../fs/async-io.ts'
import { getFile } from '../fs/descriptor.ts'
import { fiemap, FS_IOC_FIEMAP } from '../fs/fiemap.ts'
import { type OpenFile, REGULAR_KINDS } from '../fs/file.ts'
import { flagsIoctl } from '../fs/inode-flags.ts'
import { operationsOf } from '../fs/file-operations.ts'
import { inodeBlocks, inodeSize } from '../fs/inode.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'

const FICLONE = 0x4004_9409, FICLONERANGE = 0x4020_940d

/** vfs_clone_file_range: what is checked before a file system says that it can't. */
const clone = (task: Task, to: OpenFile, fd: number): number => {
  const from = getFile(task, fd)
  if (from === undefined) return -EBADF
  if (from.inode.superblock !== to.inode.superblock) return -EXDEV
  if (from.kind === 'directory' || to.kind === 'directory') return -EISDIR
  if (from.kind !== 'regular' || to.kind !== 'regular') return -EINVAL
  if ((from.flags & O_ACCMODE) === O_WRONLY || (to.flags & O_ACCMODE) === O_RDONLY || (to.flags & O_APPEND) !== 0) return -EBADF
  return -EOPNOTSUPP
}

const ioctl = (kernel: Kernel, task: Task, args: Args): number => {
  const fd = int32(args[0])
  const file = getFile(task, fd)
  if (file === undefined) return -EBADF
  const command = uint32(args[1])
  const argument = args[2]
  const user = kernel.user(task)
  switch (command) {
    case FIOCLEX: case FIONCLEX: {
      const descriptor = task.files.slots[fd]
      if (descriptor !== undefined) descriptor.closeOnExec = command === FIOCLEX
      return 0
    }
    case FIONBIO: case FIOASYNC: {
      const on = user.u32(argument) !== 0
      if (command === FIOASYNC) setAsync(kernel, file, int32(args[0]), on)
      else file.flags = on ? file.flags | O_NONBLOCK : file.flags & ~O_NONBLOCK
      return 0
    }
    case FIOQSIZE:
      if (!REGULAR_KINDS.has(file.kind) && file.kind !== 'directory') return -ENOTTY
      // What it takes of a disk (inode_get_bytes).
      user.setI64(argument, inodeBlocks(file.inode) * 512)
      return 0
    case FS_IOC_FIEMAP:
      if (file.kind !== 'regular' && file.kind !== 'directory') break
      return fiemap(kernel, task, file.inode, argument)
    case FICLONE: return clone(task, file, argument | 0)
    case FICLONERANGE: return clone(task, file, user.i32(argument))
    case FIONREAD:
      if (!REGULAR_KINDS.has(file.kind)) break
      // Less than nothing behind its end (file_ioctl).
      user.setU32(argument, inodeSize(kernel, file.inode) - file.position)
      return 0
    default:
  }
  return flagsIoctl(kernel, task, file, command, argument) ?? operationsOf(file).ioctl?.(kernel, task, file, command, argument) ?? -ENOTTY
}

export const ioctlCalls: readonly SyscallEntry[] = [
  { number: 16, name: 'ioctl', args: ['fd:fd', 'cmd:cmd', 'arg:address'], handler: ioctl, status: 'full', note: 'unknown requests to an epoll descriptor give EINVAL, as in Linux 6.9' },
]
