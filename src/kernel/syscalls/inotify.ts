/** inotify_init(2), inotify_add_watch(2), inotify_rm_watch(2). */
import { EBADF, EEXIST, EINVAL, ENOTDIR } from '../abi/errno.ts'
import { AT_FDCWD, O_CLOEXEC, O_NONBLOCK, O_RDONLY } from '../abi/fcntl.ts'
import {
  IN_ALL_EVENTS, IN_DELETE_SELF, IN_DONT_FOLLOW, IN_EXCL_UNLINK, IN_IGNORED, IN_ISDIR, IN_MASK_ADD, IN_MASK_CREATE, IN_ONESHOT, IN_ONLYDIR,
  IN_Q_OVERFLOW, IN_UNMOUNT,
} from '../abi/inotify.ts'
import { int32, uint32 } from '../abi/numbers.ts'
import { getFile, installOrRelease, makeAnonymousFile } from '../fs/descriptor.ts'
import { addWatch, inotifyOf, makeInotify, removeWatch } from '../fs/inotify.ts'
import { LOOKUP_DIRECTORY, LOOKUP_FOLLOW, readPath, resolveInode } from '../fs/path.ts'
import { checkAccess, MAY_READ } from '../fs/permissions.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'

const init = (kernel: Kernel, task: Task, flags: number): number => {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) !== 0) return -EINVAL
  const file = makeAnonymousFile(kernel, task, 'inotify', 'anon_inode:inotify', O_RDONLY | (flags & O_NONBLOCK), makeInotify())
  return installOrRelease(kernel, task, file, (flags & O_CLOEXEC) !== 0)
}

const VALID = (IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_ADD |
  IN_MASK_CREATE | IN_ISDIR | IN_ONESHOT) >>> 0
/** What a watch keeps of its mask. */
const KEPT = (IN_ALL_EVENTS | IN_DELETE_SELF | IN_EXCL_UNLINK | IN_ONESHOT) >>> 0

const add = (kernel: Kernel, task: Task, args: Args): number => {
  const mask = uint32(args[2])
  if ((mask & VALID) === 0) return -EINVAL
  const file = getFile(task, int32(args[0]))
  if (file === undefined) return -EBADF
  if ((mask & IN_MASK_ADD) !== 0 && (mask & IN_MASK_CREATE) !== 0) return -EINVAL
  if (file.kind !== 'inotify') return -EINVAL
  const path = readPath(kernel, task, args[1])
  if (typeof path === 'number') return path
  const inode = resolveInode(kernel, task, AT_FDCWD, path,
    ((mask & IN_DONT_FOLLOW) === 0 ? LOOKUP_FOLLOW : 0) | ((mask & IN_ONLYDIR) !== 0 ? LOOKUP_DIRECTORY : 0))
  if (typeof inode === 'number') return inode
  if ((mask & IN_ONLYDIR) !== 0 && inode.kind !== 'directory') return -ENOTDIR
  const denied = checkAccess(kernel, task.credentials, inode, MAY_READ)
  if (denied !== 0) return denied
  const instance = inotifyOf(file)
  const existing = inode.watches?.find((watch) => watch.instance === instance)
  if (existing === undefined) return addWatch(kernel, instance, inode, (mask & KEPT) >>> 0)
  if ((mask & IN_MASK_CREATE) !== 0) return -EEXIST
  existing.mask = (((mask & IN_MASK_ADD) !== 0 ? existing.mask : 0) | (mask & KEPT)) >>> 0
  return existing.descriptor
}

const remove = (kernel: Kernel, task: Task, args: Args): number => {
  const file = getFile(task, int32(args[0]))
  if (file === undefined) return -EBADF
  if (file.kind !== 'inotify') return -EINVAL
  const descriptor = int32(args[1])
  const watch = inotifyOf(file).watches.find((other) => other.descriptor === descriptor)
  if (watch === undefined) return -EINVAL
  removeWatch(kernel, watch)
  return 0
}

export const inotifyCalls: readonly SyscallEntry[] = [
  { number: 253, name: 'inotify_init', args: [], handler: (kernel, task) => init(kernel, task, 0), status: 'full' },
  { number: 254, name: 'inotify_add_watch', args: ['fd:fd', 'path:path', 'mask:flags(IN)'], handler: add, status: 'partial', note: 'IN_EXCL_UNLINK and IN_UNMOUNT are accepted and have no effect' },
  { number: 255, name: 'inotify_rm_watch', args: ['fd:fd', 'wd:int'], handler: remove, status: 'full' },
  { number: 294, name: 'inotify_init1', args: ['flags:flags(IN)'], handler: (kernel, task, args) => init(kernel, task, int32(args[0])), status: 'full' },
]
