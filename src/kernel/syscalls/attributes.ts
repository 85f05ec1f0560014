/** What inodes say of files, and changing it: stat and relatives, access, mode, owner, times. */
import { kernelGid, kernelUid } from '../task/user-namespace.ts'
import type { Mount } from '../fs/mount-tree.ts'
import { isReadOnly } from '../fs/mounts.ts'
import { EACCES, EBADF, EFAULT, EINVAL, ENOENT, EOPNOTSUPP, EPERM, EROFS } from '../abi/errno.ts'
import { CAP_CHOWN, CAP_FSETID } from '../abi/capabilities.ts'
import {
  AT_EACCESS, AT_EMPTY_PATH, AT_FDCWD, AT_NO_AUTOMOUNT, AT_STATX_SYNC_TYPE, AT_SYMLINK_NOFOLLOW, F_SEAL_EXEC, UTIME_NOW, UTIME_OMIT,
} from '../abi/fcntl.ts'
import { IN_ACCESS, IN_ATTRIB, IN_MODIFY } from '../abi/inotify.ts'
import { int32, uint32 } from '../abi/numbers.ts'
import { getAnyFile, getFile } from '../fs/descriptor.ts'
import { ensureAttributes, type Inode, now, S_IFREG, S_ISGID, S_ISUID, type Timestamp, typeBits } from '../fs/inode.ts'
import { isLink, isNoExec, LOOKUP_EMPTY, LOOKUP_FOLLOW, readPath, resolve, resolveInode } from '../fs/path.ts'
import { isImmutable, isProtected } from '../fs/inode-flags.ts'
import { capableOver, checkAccess, isInGroup, MAY_EXEC, MAY_WRITE, ownsInode } from '../fs/permissions.ts'
import { writeStat, writeStatfs, writeStatx } from '../fs/stat.ts'
import { notifyAnywhere } from '../fs/inotify.ts'
import type { Kernel } from '../kernel.ts'
import type { Credentials, Task } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'

// ——— stat ———

/** No path at all counts as an empty one where that may be (getname_maybe_null). */
const pathOrNone = (kernel: Kernel, task: Task, address: number, lookup: number): string | number =>
  address === 0 && (lookup & LOOKUP_EMPTY) !== 0 ? '' : readPath(kernel, task, address)

const statPath = (kernel: Kernel, task: Task, dirfd: number, pathAddress: number, lookup: number, address: number): number => {
  const path = pathOrNone(kernel, task, pathAddress, lookup)
  if (typeof path === 'number') return path
  const inode = resolveInode(kernel, task, dirfd, path, lookup)
  if (typeof inode === 'number') return inode
  writeStat(kernel, task, inode, address)
  return 0
}
const stat = (kernel: Kernel, task: Task, args: Args): number => statPath(kernel, task, AT_FDCWD, args[0], LOOKUP_FOLLOW, args[1])
const lstat = (kernel: Kernel, task: Task, args: Args): number => statPath(kernel, task, AT_FDCWD, args[0], 0, args[1])

const fstat = (kernel: Kernel, task: Task, args: Args): number => {
  const file = getAnyFile(task, int32(args[0]))
  if (file === undefined) return -EBADF
  writeStat(kernel, task, file.inode, args[1])
  return 0
}

const lookupFlags = (flags: number): number =>
  ((flags & AT_SYMLINK_NOFOLLOW) === 0 ? LOOKUP_FOLLOW : 0) | ((flags & AT_EMPTY_PATH) !== 0 ? LOOKUP_EMPTY : 0)

const newfstatat = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = int32(args[3])
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)) !== 0) return -EINVAL
  // Since Linux 6.11 no path at all will do with AT_EMPTY_PATH.
  if (args[1] === 0 && (flags & AT_EMPTY_PATH) !== 0 && int32(args[0]) >= 0) return fstat(kernel, task, [args[0], args[2]])
  return statPath(kernel, task, int32(args[0]), args[1], lookupFlags(flags), args[2])
}

const STATX_RESERVED = 0x8000_0000

const statx = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = int32(args[2])
  const mask = uint32(args[3])
  if ((mask & STATX_RESERVED) !== 0) return -EINVAL
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)) !== 0) return -EINVAL
  if ((flags & AT_STATX_SYNC_TYPE) === AT_STATX_SYNC_TYPE) return -EINVAL
  let target: Target | number
  if (args[1] === 0 && (flags & AT_EMPTY_PATH) !== 0 && int32(args[0]) >= 0) {
    target = getAnyFile(task, int32(args[0])) ?? -EBADF
  } else {
    const path = pathOrNone(kernel, task, args[1], lookupFlags(flags))
    if (typeof path === 'number') return path
    target = resolve(kernel, task, int32(args[0]), path, lookupFlags(flags))
  }
  if (typeof target === 'number') return target
  if (target.inode === undefined) return -ENOENT
  writeStatx(kernel, task, target.mount, target.inode, mask, args[4])
  return 0
}

const statfs = (kernel: Kernel, task: Task, args: Args): number => {
  const path = readPath(kernel, task, args[0])
  if (typeof path === 'number') return path
  const place = resolve(kernel, task, AT_FDCWD, path, LOOKUP_FOLLOW)
  if (typeof place === 'number') return place
  if (place.inode === undefined) return -ENOENT
  writeStatfs(kernel, task, place.mount, place.inode, args[1])
  return 0
}

const fstatfs = (kernel: Kernel, task: Task, args: Args): number => {
  const file = getAnyFile(task, int32(args[0]))
  if (file === undefined) return -EBADF
  writeStatfs(kernel, task, file.mount, file.inode, args[1])
  return 0
}

// ——— access ———

/** access(2) asks for the real user; capabilities count as that user would have them (access_override_creds). */
const realCredentials = (credentials: Credentials): Credentials => {
  if (credentials.fsuid === credentials.uid && credentials.fsgid === credentials.gid && credentials.uid === credentials.euid) return credentials
  return {
    ...credentials, fsuid: credentials.uid, fsgid: credentials.gid, effective: credentials.uid === 0 ? credentials.permitted : [0, 0],
  }
}

const checkAccessAt = (kernel: Kernel, task: Task, dirfd: number, pathAddress: number, mode: number, flags: number): number => {
  if ((mode & ~7) !== 0 || (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL
  const credentials = (flags & AT_EACCESS) !== 0 ? task.credentials : realCredentials(task.credentials)
  const path = readPath(kernel, task, pathAddress)
  if (typeof path === 'number') return path
  const place = resolve(kernel, task, dirfd, path, lookupFlags(flags), credentials)
  if (typeof place === 'number') return place
  const { inode, mount } = place
  if (inode === undefined) return -ENOENT
  if ((mode & MAY_EXEC) !== 0 && typeBits(inode) === S_IFREG && isNoExec(mount, inode)) return -EACCES
  const denied = mode === 0 ? 0 : checkAccess(kernel, credentials, inode, mode)
  if (denied !== 0) return denied
  const isChangeable = inode.kind === 'file' || inode.kind === 'directory' || inode.kind === 'symlink'
  return (mode & MAY_WRITE) !== 0 && isChangeable && isReadOnly(mount, inode.superblock) ? -EROFS : 0
}
const access = (kernel: Kernel, task: Task, args: Args): number => checkAccessAt(kernel, task, AT_FDCWD, args[0], int32(args[1]), 0)
const faccessat = (kernel: Kernel, task: Task, args: Args): number => checkAccessAt(kernel, task, int32(args[0]), args[1], int32(args[2]), 0)
const faccessat2 = (kernel: Kernel, task: Task, args: Args): number =>
  checkAccessAt(kernel, task, int32(args[0]), args[1], int32(args[2]), int32(args[3]))

// ——— chmod ———

/** What is changed: a place, or an open file. */
interface Target { readonly mount: Mount, readonly inode: Inode | undefined }

const isVirtual = (inode: Inode): boolean => inode.superblock.kind === 'proc'
/** Mode, owner and times of what event files and pidfds have for an inode stay as they are (anon_inode_setattr, Linux 6.16). */
const isFixed = (inode: Inode): boolean => inode.kind === 'file' && inode.isFixed === true

const EXECUTABLE = 0o111

const changeMode = (kernel: Kernel, task: Task, { mount, inode }: Target, mode: number): number => {
  if (inode === undefined) return -ENOENT
  if (isReadOnly(mount, inode.superblock)) return -EROFS
  if (isFixed(inode)) return -EOPNOTSUPP
  ensureAttributes(kernel, inode)
  if (isProtected(inode) || !ownsInode(kernel, task.credentials, inode)) return -EPERM
  if (isVirtual(inode)) return -EPERM
  if (isLink(inode)) return -EOPNOTSUPP
  // Whether it can be executed is sealed (shmem_setattr).
  if (inode.kind === 'file' && ((inode.seals ?? 0) & F_SEAL_EXEC) !== 0 && ((inode.mode ^ mode) & EXECUTABLE) !== 0) return -EPERM
  let bits = mode & 0o7777
  if (!isInGroup(task.credentials, inode.gid) && !capableOver(task.credentials, inode, CAP_FSETID)) bits &= ~S_ISGID
  inode.mode = bits
  inode.ctime = now(kernel)
  notifyAnywhere(kernel, inode, IN_ATTRIB)
  return 0
}

const changeModeAt = (kernel: Kernel, task: Task, dirfd: number, pathAddress: number, mode: number, flags: number): number => {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL
  const path = readPath(kernel, task, pathAddress)
  if (typeof path === 'number') return path
  const place = resolve(kernel, task, dirfd, path, lookupFlags(flags))
  return typeof place === 'number' ? place : changeMode(kernel, task, place, mode)
}
const chmod = (kernel: Kernel, task: Task, args: Args): number => changeModeAt(kernel, task, AT_FDCWD, args[0], uint32(args[1]), 0)
const fchmodat = (kernel: Kernel, task: Task, args: Args): number => changeModeAt(kernel, task, int32(args[0]), args[1], uint32(args[2]), 0)
const fchmodat2 = (kernel: Kernel, task: Task, args: Args): number =>
  changeModeAt(kernel, task, int32(args[0]), args[1], uint32(args[2]), int32(args[3]))

const fchmod = (kernel: Kernel, task: Task, args: Args): number => {
  const file = getFile(task, int32(args[0]))
  return file === undefined ? -EBADF : changeMode(kernel, task, file, uint32(args[1]))
}

// ——— chown ———

const KEEP = 0xffff_ffff

const changeOwner = (kernel: Kernel, task: Task, { mount, inode }: Target, shownUser: number, shownGroup: number): number => {
  if (inode === undefined) return -ENOENT
  const { user } = task.credentials
  const uid = shownUser === KEEP ? KEEP : kernelUid(user, shownUser)
  const gid = shownGroup === KEEP ? KEEP : kernelGid(user, shownGroup)
  if (uid < 0 || gid < 0) return -EINVAL
  if (isReadOnly(mount, inode.superblock)) return -EROFS
  if (isFixed(inode)) return -EOPNOTSUPP
  ensureAttributes(kernel, inode)
  if (isProtected(inode)) return -EPERM
  const { credentials } = task
  const isPrivileged = capableOver(credentials, inode, CAP_CHOWN)
  const isOwner = credentials.fsuid === inode.uid
  if (uid !== KEEP && !isPrivileged && !(isOwner && uid === inode.uid)) return -EPERM
  if (gid !== KEEP && !isPrivileged && !(isOwner && (gid === inode.gid || isInGroup(credentials, gid)))) return -EPERM
  if (isVirtual(inode)) return -EPERM
  // Not even root's chown leaves set-id bits (setattr_should_drop_sgid).
  if (inode.kind !== 'directory') {
    const group = (inode.mode & 0o010) !== 0 || (!isInGroup(credentials, inode.gid) && !capableOver(credentials, inode, CAP_FSETID)) ? S_ISGID : 0
    inode.mode &= ~(S_ISUID | group)
  }
  if (uid !== KEEP) inode.uid = uid
  if (gid !== KEEP) inode.gid = gid
  inode.ctime = now(kernel)
  if (uid !== KEEP || gid !== KEEP) notifyAnywhere(kernel, inode, IN_ATTRIB)
  return 0
}

const changeOwnerAt = (kernel: Kernel, task: Task, dirfd: number, pathAddress: number, uid: number, gid: number, flags: number): number => {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL
  const path = readPath(kernel, task, pathAddress)
  if (typeof path === 'number') return path
  const place = resolve(kernel, task, dirfd, path, lookupFlags(flags))
  return typeof place === 'number' ? place : changeOwner(kernel, task, place, uid, gid)
}
const chown = (kernel: Kernel, task: Task, args: Args): number =>
  changeOwnerAt(kernel, task, AT_FDCWD, args[0], uint32(args[1]), uint32(args[2]), 0)
const lchown = (kernel: Kernel, task: Task, args: Args): number =>
  changeOwnerAt(kernel, task, AT_FDCWD, args[0], uint32(args[1]), uint32(args[2]), AT_SYMLINK_NOFOLLOW)
const fchownat = (kernel: Kernel, task: Task, args: Args): number =>
  changeOwnerAt(kernel, task, int32(args[0]), args[1], uint32(args[2]), uint32(args[3]), int32(args[4]))

const fchown = (kernel: Kernel, task: Task, args: Args): number => {
  const file = getFile(task, int32(args[0]))
  return file === undefined ? -EBADF : changeOwner(kernel, task, file, uint32(args[1]), uint32(args[2]))
}

const umask = (_kernel: Kernel, task: Task, args: Args): number => {
  const old = task.fs.umask
  task.fs.umask = uint32(args[0]) & 0o777
  return old
}

// ——— Times ———

/** [access, modification] as utimensat takes them: undefined is 'now' for both. */
type Times = readonly [Timestamp, Timestamp] | undefined

const isNow = (time: Timestamp): boolean => time[1] === UTIME_NOW
const isOmitted = (time: Timestamp): boolean => time[1] === UTIME_OMIT
const isValid = (time: Timestamp): boolean => isNow(time) || isOmitted(time) || (time[1] >= 0 && time[1] < 1e9)

const setTimes = (kernel: Kernel, task: Task, { mount, inode }: Target, times: Times): number => {
  if (inode === undefined) return -ENOENT
  // Only once the file was found (vfs_utimes).
  if (times !== undefined && (!isValid(times[0]) || !isValid(times[1]))) return -EINVAL
  if (isReadOnly(mount, inode.superblock)) return -EROFS
  ensureAttributes(kernel, inode)
  const isTouch = times === undefined || (isNow(times[0]) && isNow(times[1]))
  if (isTouch ? isImmutable(inode) : isProtected(inode)) return -EPERM
  if (isTouch) {
    if (!ownsInode(kernel, task.credentials, inode)) {
      const denied = checkAccess(kernel, task.credentials, inode, MAY_WRITE)
      if (denied !== 0) return denied
    }
  } else if (!isFixed(inode) && !ownsInode(kernel, task.credentials, inode)) return -EPERM
  if (isFixed(inode)) return -EOPNOTSUPP
  if (isVirtual(inode)) return -EPERM
  const current = now(kernel)
  const choose = (time: Timestamp, old: Timestamp): Timestamp => isNow(time) ? current : isOmitted(time) ? old : time
  if (times === undefined) {
    inode.atime = current
    inode.mtime = current
  } else {
    inode.atime = choose(times[0], inode.atime)
    inode.mtime = choose(times[1], inode.mtime)
  }
  inode.ctime = current
  const changed = times === undefined ? [true, true] : times.map((time) => !isOmitted(time))
  notifyAnywhere(kernel, inode, changed[0] ? changed[1] ? IN_ATTRIB : IN_ACCESS : IN_MODIFY)
  return 0
}

/** By path, or by the descriptor itself if the path's address is 0. */
const setTimesAt = (kernel: Kernel, task: Task, dirfd: number, pathAddress: number, times: Times, flags: number): number => {
  if (times !== undefined) {
    if (isOmitted(times[0]) && isOmitted(times[1])) return 0
  }
  if (pathAddress === 0 && dirfd !== AT_FDCWD) {
    if (flags !== 0) return -EINVAL
    const file = getFile(task, dirfd)
    return file === undefined ? -EBADF : setTimes(kernel, task, file, times)
  }
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL
  if (pathAddress === 0) return -EFAULT
  const path = readPath(kernel, task, pathAddress)
  if (typeof path === 'number') return path
  const place = resolve(kernel, task, dirfd, path, lookupFlags(flags))
  return typeof place === 'number' ? place : setTimes(kernel, task, place, times)
}

const utimensat = (kernel: Kernel, task: Task, args: Args): number => {
  const user = kernel.user(task)
  const address = args[2]
  const times: Times = address === 0 ? undefined
    : [[user.i64(address), user.i64(address + 8)], [user.i64(address + 16), user.i64(address + 24)]]
  return setTimesAt(kernel, task, int32(args[0]), args[1], times, int32(args[3]))
}

const MICROSECONDS = 1e6

/** struct timeval[2]; a negative errno if it can't be. */
const readTimevals = (kernel: Kernel, task: Task, address: number): Times | number => {
  if (address === 0) return undefined
  const user = kernel.user(task)
  const micros = [user.i64(address + 8), user.i64(address + 24)]
  if (micros.some((value) => value < 0 || value >= MICROSECONDS)) return -EINVAL
  return [[user.i64(address), micros[0] * 1000], [user.i64(address + 16), micros[1] * 1000]]
}

const setTimevals = (kernel: Kernel, task: Task, dirfd: number, pathAddress: number, address: number): number => {
  const times = readTimevals(kernel, task, address)
  return typeof times === 'number' ? times : setTimesAt(kernel, task, dirfd, pathAddress, times, 0)
}
const utimes = (kernel: Kernel, task: Task, args: Args): number => setTimevals(kernel, task, AT_FDCWD, args[0], args[1])
const futimesat = (kernel: Kernel, task: Task, args: Args): number => setTimevals(kernel, task, int32(args[0]), args[1], args[2])

const utime = (kernel: Kernel, task: Task, args: Args): number => {
  const user = kernel.user(task)
  const times: Times = args[1] === 0 ? undefined : [[user.i64(args[1]), 0], [user.i64(args[1] + 8), 0]]
  return setTimesAt(kernel, task, AT_FDCWD, args[0], times, 0)
}

export const ATTRIBUTE_CALLS: readonly SyscallEntry[] = [
  { number: 4, name: 'stat', args: ['pathname:path', 'statbuf:struct(stat)*'], handler: stat, status: 'full' },
  { number: 5, name: 'fstat', args: ['fd:fd', 'statbuf:struct(stat)*'], handler: fstat, status: 'full' },
  { number: 6, name: 'lstat', args: ['pathname:path', 'statbuf:struct(stat)*'], handler: lstat, status: 'full' },
  { number: 21, name: 'access', args: ['pathname:path', 'mode:flags(ACCESS)'], handler: access, status: 'full' },
  { number: 90, name: 'chmod', args: ['pathname:path', 'mode:mode'], handler: chmod, status: 'full' },
  { number: 91, name: 'fchmod', args: ['fd:fd', 'mode:mode'], handler: fchmod, status: 'full' },
  { number: 92, name: 'chown', args: ['pathname:path', 'owner:uid', 'group:gid'], handler: chown, status: 'full' },
  { number: 93, name: 'fchown', args: ['fd:fd', 'owner:uid', 'group:gid'], handler: fchown, status: 'full' },
  { number: 94, name: 'lchown', args: ['pathname:path', 'owner:uid', 'group:gid'], handler: lchown, status: 'full' },
  { number: 95, name: 'umask', args: ['mask:mode'], handler: umask, status: 'full' },
  { number: 132, name: 'utime', args: ['filename:path', 'times:struct(utimbuf)'], handler: utime, status: 'full' },
  { number: 137, name: 'statfs', args: ['path:path', 'buf:struct(statfs)*'], handler: statfs, status: 'full' },
  { number: 138, name: 'fstatfs', args: ['fd:fd', 'buf:struct(statfs)*'], handler: fstatfs, status: 'full' },
  { number: 235, name: 'utimes', args: ['filename:path', 'times:struct(timevals)'], handler: utimes, status: 'full' },
  {
    number: 260, name: 'fchownat', args: ['dirfd:dirfd', 'pathname:path', 'owner:uid', 'group:gid', 'flags:flags(AT)'],
    handler: fchownat, status: 'full',
  },
  { number: 261, name: 'futimesat', args: ['dirfd:dirfd', 'pathname:path', 'times:struct(timevals)'], handler: futimesat, status: 'full' },
  {
    number: 262, name: 'newfstatat', args: ['dirfd:dirfd', 'pathname:path', 'statbuf:struct(stat)*', 'flags:flags(AT)'],
    handler: newfstatat, status: 'full',
  },
  { number: 268, name: 'fchmodat', args: ['dirfd:dirfd', 'pathname:path', 'mode:mode'], handler: fchmodat, status: 'full' },
  { number: 269, name: 'faccessat', args: ['dirfd:dirfd', 'pathname:path', 'mode:flags(ACCESS)'], handler: faccessat, status: 'full' },
  {
    number: 280, name: 'utimensat', args: ['dirfd:dirfd', 'pathname:path', 'times:struct(timespecs)', 'flags:flags(AT)'],
    handler: utimensat, status: 'full',
  },
  {
    number: 332, name: 'statx', args: ['dirfd:dirfd', 'pathname:path', 'flags:flags(AT)', 'mask:flags(STATX)', 'statxbuf:struct(statx)*'],
    handler: statx, status: 'full',
  },
  {
    number: 439, name: 'faccessat2', args: ['dirfd:dirfd', 'pathname:path', 'mode:flags(ACCESS)', 'flags:flags(AT)'],
    handler: faccessat2, status: 'full',
  },
  {
    number: 452, name: 'fchmodat2', args: ['dirfd:dirfd', 'pathname:path', 'mode:mode', 'flags:flags(AT)'], handler: fchmodat2, status: 'full',
  },
]
