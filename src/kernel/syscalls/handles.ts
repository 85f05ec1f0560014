/** File handles (name_to_handle_at(2), open_by_handle_at(2)). */
import { EBADF, EINVAL, ELOOP, EOPNOTSUPP, EOVERFLOW, EPERM, ESTALE } from '../abi/errno.ts'
import { CAP_DAC_READ_SEARCH } from '../abi/capabilities.ts'
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW, O_CLOEXEC, O_PATH } from '../abi/fcntl.ts'
import { int32, uint32 } from '../abi/numbers.ts'
import { getAnyFile, hasFreeDescriptor, installOrRelease } from '../fs/descriptor.ts'
import { decodeHandle, encodeHandle, HANDLE_SIZE, HANDLE_TYPE, hasHandles } from '../fs/handles.ts'
import { openPlace } from '../fs/open.ts'
import { isLink, LOOKUP_EMPTY, LOOKUP_FOLLOW, readPath, resolve } from '../fs/path.ts'
import { capable } from '../fs/permissions.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'

/** AT_HANDLE_FID. */
const AT_HANDLE_FID = 0x200
const MAX_HANDLE_SIZE = 128
/** struct file_handle: size and type of what follows. */
const HEAD_SIZE = 8

const nameToHandle = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = int32(args[4])
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH | AT_HANDLE_FID)) !== 0) return -EINVAL
  const path = readPath(kernel, task, args[1])
  if (typeof path === 'number') return path
  const lookup = ((flags & AT_SYMLINK_FOLLOW) !== 0 ? LOOKUP_FOLLOW : 0) | ((flags & AT_EMPTY_PATH) !== 0 ? LOOKUP_EMPTY : 0)
  const place = resolve(kernel, task, int32(args[0]), path, lookup)
  if (typeof place === 'number') return place
  const { inode, mount } = place
  if (inode === undefined || !hasHandles(inode.superblock)) return -EOPNOTSUPP
  const user = kernel.user(task)
  const room = user.u32(args[2])
  if (room > MAX_HANDLE_SIZE) return -EINVAL
  user.setU32(args[3], mount.id)
  user.setU32(args[2], HANDLE_SIZE)
  if (room < HANDLE_SIZE) return -EOVERFLOW
  user.setU32(args[2] + 4, HANDLE_TYPE)
  user.write(args[2] + HEAD_SIZE, encodeHandle(inode))
  return 0
}

const openByHandle = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = uint32(args[2])
  if (!capable(task.credentials, CAP_DAC_READ_SEARCH)) return -EPERM
  const user = kernel.user(task)
  const size = user.u32(args[1])
  const type = user.i32(args[1] + 4)
  if (size === 0 || size > MAX_HANDLE_SIZE) return -EINVAL
  const base = int32(args[0]) === AT_FDCWD ? { inode: task.fs.cwd, mount: task.fs.cwdMount } : getAnyFile(task, int32(args[0]))
  if (base === undefined) return -EBADF
  const bytes = user.read(args[1] + HEAD_SIZE, size)
  const found = type === HANDLE_TYPE && hasHandles(base.inode.superblock) ? decodeHandle(kernel, base.inode.superblock, bytes) : undefined
  if (found === undefined) return -ESTALE
  const { inode, parent, name } = found
  if (isLink(inode) && (flags & O_PATH) === 0) return -ELOOP
  if (!hasFreeDescriptor(task)) return -EBADF
  const { mount } = base
  const file = openPlace(kernel, task, { parent, parentMount: mount, mount, name, inode, last: 'name', slash: false, path: undefined }, { flags, mode: 0, resolve: 0 })
  if (typeof file === 'number') return file
  file.mount = mount
  return installOrRelease(kernel, task, file, (flags & O_CLOEXEC) !== 0)
}

export const HANDLE_CALLS: readonly SyscallEntry[] = [
  {
    number: 303, name: 'name_to_handle_at', args: ['dirfd:dirfd', 'pathname:path', 'handle:pointer', 'mount_id:pointer', 'flags:flags(AT)'],
    handler: nameToHandle, status: 'full',
  },
  {
    number: 304, name: 'open_by_handle_at', args: ['mount_fd:fd', 'handle:pointer', 'flags:flags(O)'], handler: openByHandle, status: 'full',
    note: 'files of the host are found once their names were looked up',
  },
]
