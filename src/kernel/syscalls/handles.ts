/** File handles (name_to_handle_at(2)): the file systems here have none, as ramfs on Linux. */
import { EBADF, EINVAL, EOPNOTSUPP, EPERM, ESTALE } from '../abi/errno.ts'
import { CAP_DAC_READ_SEARCH } from '../abi/capabilities.ts'
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW } from '../abi/fcntl.ts'
import { int32 } from '../abi/numbers.ts'
import { getAnyFile } from '../fs/descriptor.ts'
import { LOOKUP_EMPTY, LOOKUP_FOLLOW, readPath, resolveInode } from '../fs/path.ts'
import { capable } from '../fs/permissions.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'

/** AT_HANDLE_FID, AT_HANDLE_MNT_ID_UNIQUE, AT_HANDLE_CONNECTABLE. */
const HANDLE_FLAGS = 0x200 | 0x001 | 0x002
const MAX_HANDLE_SIZE = 128

const nameToHandle = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = int32(args[4])
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH | HANDLE_FLAGS)) !== 0) return -EINVAL
  const path = readPath(kernel, task, args[1])
  if (typeof path === 'number') return path
  const lookup = ((flags & AT_SYMLINK_FOLLOW) !== 0 ? LOOKUP_FOLLOW : 0) | ((flags & AT_EMPTY_PATH) !== 0 ? LOOKUP_EMPTY : 0)
  const inode = resolveInode(kernel, task, int32(args[0]), path, lookup)
  return typeof inode === 'number' ? inode : -EOPNOTSUPP
}

const openByHandle = (kernel: Kernel, task: Task, args: Args): number => {
  if (!capable(task.credentials, CAP_DAC_READ_SEARCH)) return -EPERM
  const size = kernel.user(task).u32(args[1])
  if (size === 0 || size > MAX_HANDLE_SIZE) return -EINVAL
  if (int32(args[0]) !== AT_FDCWD && getAnyFile(task, int32(args[0])) === undefined) return -EBADF
  return -ESTALE
}

export const HANDLE_CALLS: readonly SyscallEntry[] = [
  {
    number: 303, name: 'name_to_handle_at', args: ['dirfd:dirfd', 'pathname:path', 'handle:pointer', 'mount_id:pointer', 'flags:flags(AT)'],
    handler: nameToHandle, status: 'partial', note: 'EOPNOTSUPP, as ramfs: no file system here has handles',
  },
  {
    number: 304, name: 'open_by_handle_at', args: ['mount_fd:fd', 'handle:pointer', 'flags:flags(O)'], handler: openByHandle, status: 'partial',
    note: 'ESTALE for every handle, as there are none',
  },
]
