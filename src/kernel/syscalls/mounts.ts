/** mount(2) and umount2(2): arguments; what they do is in `fs/mounts.ts`. */
import { EFAULT, EINVAL, ENAMETOOLONG } from '../abi/errno.ts'
import { PATH_MAX } from '../abi/fcntl.ts'
import { uint32 } from '../abi/numbers.ts'
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { ACCESS_READ } from '../../emu/mmu/mmu.ts'
import { mount as mountFileSystem, pivotRoot, unmount } from '../fs/mounts.ts'
import { readPath } from '../fs/path.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'

const MS_MGC_MASK = 0xffff_0000, MS_MGC_VALUE = 0xc0ed_0000

/** Options are a page of bytes at most, of which text up to its NUL counts; 0: none. */
const readOptions = (kernel: Kernel, task: Task, address: number): string | number => {
  if (address === 0) return ''
  const user = kernel.user(task)
  const length = user.accessible(address, PAGE_SIZE, ACCESS_READ)
  if (length === 0) return -EFAULT
  return user.string(address, length) ?? ''
}

const readName = (kernel: Kernel, task: Task, address: number): string | number =>
  address === 0 ? '' : kernel.user(task).string(address, PATH_MAX) ?? -EINVAL

const mount = (kernel: Kernel, task: Task, args: Args): number => {
  const type = readName(kernel, task, args[2])
  if (typeof type === 'number') return type
  const source = readName(kernel, task, args[0])
  if (typeof source === 'number') return source
  const data = readOptions(kernel, task, args[4])
  if (typeof data === 'number') return data
  const target = kernel.user(task).string(args[1], PATH_MAX) ?? -ENAMETOOLONG
  if (typeof target === 'number') return target
  const flags = uint32(args[3])
  const isMagic = ((flags & MS_MGC_MASK) >>> 0) === MS_MGC_VALUE
  return mountFileSystem(kernel, task, source, target, type, isMagic ? flags & ~MS_MGC_MASK : flags, data)
}

const umount2 = (kernel: Kernel, task: Task, args: Args): number => {
  // Before the path (ksys_umount): MNT_FORCE, MNT_DETACH, MNT_EXPIRE, UMOUNT_NOFOLLOW.
  if ((uint32(args[1]) & ~0xf) !== 0) return -EINVAL
  const path = readPath(kernel, task, args[0])
  return typeof path === 'number' ? path : unmount(kernel, task, path, uint32(args[1]))
}

const pivot = (kernel: Kernel, task: Task, args: Args): number => {
  const newRoot = readPath(kernel, task, args[0])
  if (typeof newRoot === 'number') return newRoot
  const putOld = readPath(kernel, task, args[1])
  return typeof putOld === 'number' ? putOld : pivotRoot(kernel, task, newRoot, putOld)
}

export const MOUNT_CALLS: readonly SyscallEntry[] = [
  { number: 155, name: 'pivot_root', args: ['new_root:path', 'put_old:path'], handler: pivot, status: 'full' },
  {
    number: 165, name: 'mount', args: ['source:string', 'target:path', 'filesystemtype:string', 'mountflags:flags(MS)', 'data:string'],
    handler: mount, status: 'partial',
    note: 'tmpfs, ramfs, proc, devtmpfs, devpts (all show the same terminals), ext2 (from a loop device or a regular file); sysfs; mqueue is empty; there is no cgroup2; propagation goes one step',
  },
  { number: 166, name: 'umount2', args: ['target:path', 'flags:flags(MNT)'], handler: umount2, status: 'full' },
]
