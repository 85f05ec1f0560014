/** Making, linking, renaming and removing names (fs/namei.c: may_create, may_delete, do_linkat, do_renameat2 …). */
import {
  EACCES, EBUSY, EEXIST, EINVAL, EISDIR, EMLINK, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR, ENOTEMPTY, EPERM, EROFS, EXDEV,
} from '../abi/errno.ts'
import { CAP_FSETID } from '../abi/capabilities.ts'
import { NAME_MAX, RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from '../abi/fcntl.ts'
import { IN_ATTRIB, IN_CREATE, IN_DELETE, IN_MOVE_SELF, IN_MOVED_FROM, IN_MOVED_TO, IN_RENAMED } from '../abi/inotify.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { addEntry, isEmptyDirectory, removeEntry } from './directory.ts'
import {
  type DirectoryInode, disposeIfUnused, ensureAttributes, hasInodeRoom, type Inode, makeDevice, makeDirectory, now, S_ISGID,
  S_ISUID, touchModified,
} from './inode.ts'
import { isAppendOnly, isProtected } from './inode-flags.ts'
import { notifyInode, notifyName, renameCookie } from './inotify.ts'
import { isReadOnly } from './mounts.ts'
import { pathGone, pathMoved, pathsExchanged } from './open-paths.ts'
import { LOOKUP_PARENT, type Place, resolve } from './path.ts'
import { capableOver, checkAccess, checkSticky, isInGroup, MAY_EXEC, MAY_READ, MAY_WRITE, ownsInode } from './permissions.ts'

/** Owner and group of what is made in the directory: a set-group-id directory hands on its group. */
export const ownershipFor = (kernel: Kernel, task: Task, parent: DirectoryInode): { uid: number, gid: number } => {
  ensureAttributes(kernel, parent)
  const { fsuid, fsgid } = task.credentials
  return { uid: fsuid, gid: (parent.mode & S_ISGID) !== 0 ? parent.gid : fsgid }
}

/** A file gets no set-group-id bit for a group that its maker is not in; that is looked at before the umask (vfs_prepare_mode). */
export const withoutForeignSetGid = (task: Task, parent: DirectoryInode, mode: number): number => {
  if ((mode & (S_ISGID | 0o010)) !== (S_ISGID | 0o010) || (parent.mode & S_ISGID) === 0) return mode
  return isInGroup(task.credentials, parent.gid) || capableOver(task.credentials, parent, CAP_FSETID) ? mode : mode & ~S_ISGID
}

/** Whether something is mounted on the entry, in the tree of mounts that the task sees. */
const isMountPoint = (task: Task, parent: DirectoryInode, name: string, inode: Inode): boolean => {
  const directory = inode.kind === 'directory' ? inode : parent
  return directory.mountpoints > 0 &&
    task.namespaces.mount.mounts.some((mount) => mount.on === directory && mount.name === (inode.kind === 'directory' ? '' : name))
}

/** The place for a new name: EEXIST if it is taken, ENOENT for `name/` unless a directory is made (filename_create). */
export const placeForNew = (kernel: Kernel, task: Task, dirfd: number, path: string, isDirectory: boolean): Place | number => {
  const place = resolve(kernel, task, dirfd, path, LOOKUP_PARENT)
  if (typeof place === 'number') return place
  if (place.last !== 'name') return -EEXIST
  if (place.inode !== undefined) return -EEXIST
  // /proc knows of no name that is not there yet.
  if ((place.slash && !isDirectory) || place.parent.node !== undefined) return -ENOENT
  if (isReadOnly(place.mount, place.parent.superblock)) return -EROFS
  return place
}

/** Whether the task may add a name (may_create). */
export const checkCreate = (kernel: Kernel, task: Task, parent: DirectoryInode): number => {
  return parent.nlink === 0 ? -ENOENT : checkAccess(kernel, task.credentials, parent, MAY_WRITE | MAY_EXEC)
}

/** Adds a new inode under a free name; counts the links of directories. */
const place = (kernel: Kernel, parent: DirectoryInode, name: string, inode: Inode): void => {
  addEntry(kernel, parent, name, inode)
  notifyName(kernel, parent, name, inode, IN_CREATE)
  if (inode.kind !== 'directory') return
  parent.nlink++
  inode.parent = parent
  inode.name = name
}

/**
 * Makes a node of any kind but a directory; `make` gets mode-independent facts: where, and for whom.
 * For mknod, symlink, and binding a socket.
 */
export const createNode = (
  kernel: Kernel, task: Task, dirfd: number, path: string, make: (parent: DirectoryInode, uid: number, gid: number) => Inode,
  mayMake?: () => number,
): Inode | number => {
  const at = placeForNew(kernel, task, dirfd, path, false)
  if (typeof at === 'number') return at
  const denied = checkCreate(kernel, task, at.parent) || (mayMake?.() ?? 0)
  if (denied !== 0) return denied
  if (!hasInodeRoom(kernel, at.parent.superblock)) return -ENOSPC
  const { uid, gid } = ownershipFor(kernel, task, at.parent)
  const inode = make(at.parent, uid, gid)
  place(kernel, at.parent, at.name, inode)
  return inode
}

export const createDirectory = (kernel: Kernel, task: Task, dirfd: number, path: string, mode: number): number => {
  const at = placeForNew(kernel, task, dirfd, path, true)
  if (typeof at === 'number') return at
  const { parent } = at
  const denied = checkCreate(kernel, task, parent)
  if (denied !== 0) return denied
  if (!hasInodeRoom(kernel, parent.superblock)) return -ENOSPC
  const { uid, gid } = ownershipFor(kernel, task, parent)
  const inherited = parent.mode & S_ISGID
  place(kernel, parent, at.name, makeDirectory(kernel, parent.superblock, parent, at.name, (mode & 0o1777 & ~task.fs.umask) | inherited, uid, gid))
  return 0
}

/** Whether the task may take the name away (may_delete). */
const checkDelete = (kernel: Kernel, task: Task, parent: DirectoryInode, victim: Inode, wantsDirectory: boolean): number => {
  const denied = checkAccess(kernel, task.credentials, parent, MAY_WRITE | MAY_EXEC)
  if (denied !== 0) return denied
  if (isAppendOnly(parent)) return -EPERM
  const sticky = checkSticky(kernel, task.credentials, parent, victim)
  if (sticky !== 0) return sticky
  if (isProtected(victim)) return -EPERM
  if (wantsDirectory !== (victim.kind === 'directory')) return wantsDirectory ? -ENOTDIR : -EISDIR
  if (parent.nlink === 0) return -ENOENT
  return 0
}

/** The inode lost a name. */
const dropLink = (kernel: Kernel, inode: Inode): void => {
  ensureAttributes(kernel, inode)
  inode.nlink = inode.kind === 'directory' ? 0 : Math.max(inode.nlink - 1, 0)
  inode.ctime = now(kernel)
}

export const removeName = (kernel: Kernel, task: Task, dirfd: number, path: string): number => {
  const at = resolve(kernel, task, dirfd, path, LOOKUP_PARENT)
  if (typeof at === 'number') return at
  if (at.last !== 'name') return -EISDIR
  const { parent, name, inode } = at
  if (inode === undefined) return -ENOENT
  if (at.slash) return inode.kind === 'directory' ? -EISDIR : -ENOTDIR
  if (isReadOnly(at.mount, parent.superblock)) return -EROFS
  const denied = checkDelete(kernel, task, parent, inode, false)
  if (denied !== 0) return denied
  if (parent.node !== undefined) return -EPERM
  if (isMountPoint(task, parent, name, inode)) return -EBUSY
  removeEntry(kernel, parent, name)
  pathGone(kernel, at.mount, parent, name, inode)
  dropLink(kernel, inode)
  notifyInode(kernel, inode, IN_ATTRIB)
  disposeIfUnused(kernel, inode)
  notifyName(kernel, parent, name, inode, IN_DELETE)
  return 0
}

export const removeDirectory = (kernel: Kernel, task: Task, dirfd: number, path: string): number => {
  const at = resolve(kernel, task, dirfd, path, LOOKUP_PARENT)
  if (typeof at === 'number') return at
  if (at.last !== 'name') return at.last === 'dotdot' ? -ENOTEMPTY : at.last === 'dot' ? -EINVAL : -EBUSY
  const { parent, name, inode } = at
  if (inode === undefined) return -ENOENT
  if (isReadOnly(at.mount, parent.superblock)) return -EROFS
  const denied = checkDelete(kernel, task, parent, inode, true)
  if (denied !== 0) return denied
  if (parent.node !== undefined) return -EPERM
  if (inode.kind !== 'directory') return -ENOTDIR
  if (isMountPoint(task, parent, name, inode)) return -EBUSY
  if (!isEmptyDirectory(kernel, task, inode)) return -ENOTEMPTY
  removeEntry(kernel, parent, name)
  pathGone(kernel, at.mount, parent, name, inode)
  parent.nlink--
  dropLink(kernel, inode)
  disposeIfUnused(kernel, inode)
  notifyName(kernel, parent, name, inode, IN_DELETE)
  return 0
}

/** fs.protected_hardlinks = 1, as distributions set it: others' files only if they are plain and may be read and written (may_linkat). */
const checkLinkSource = (kernel: Kernel, task: Task, inode: Inode): number => {
  if (ownsInode(kernel, task.credentials, inode)) return 0
  ensureAttributes(kernel, inode)
  const isSafe = inode.kind === 'file' && (inode.mode & S_ISUID) === 0 && (inode.mode & (S_ISGID | 0o010)) !== (S_ISGID | 0o010) &&
    checkAccess(kernel, task.credentials, inode, MAY_READ | MAY_WRITE) === 0
  return isSafe ? 0 : -EPERM
}

const LINK_MAX = 65_000

export const linkInode = (kernel: Kernel, task: Task, { inode, mount }: Place, dirfd: number, path: string): number => {
  if (inode === undefined) return -ENOENT
  const at = placeForNew(kernel, task, dirfd, path, false)
  if (typeof at === 'number') return at
  if (mount !== at.mount || inode.superblock !== at.parent.superblock) return -EXDEV
  const protectedSource = checkLinkSource(kernel, task, inode)
  if (protectedSource !== 0) return protectedSource
  const denied = checkCreate(kernel, task, at.parent)
  if (denied !== 0) return denied
  if (inode.kind === 'directory' || isProtected(inode)) return -EPERM
  ensureAttributes(kernel, inode)
  if (inode.nlink === 0 && !(inode.kind === 'file' && inode.linkable === true)) return -ENOENT
  if (inode.nlink >= LINK_MAX) return -EMLINK
  if (inode.kind === 'file') delete inode.linkable
  inode.nlink++
  inode.ctime = now(kernel)
  addEntry(kernel, at.parent, at.name, inode)
  notifyInode(kernel, inode, IN_ATTRIB)
  notifyName(kernel, at.parent, at.name, inode, IN_CREATE)
  return 0
}

/** Whether `directory` is `ancestor` or below it. */
const isWithin = (directory: DirectoryInode, ancestor: DirectoryInode): boolean => {
  for (let at = directory; ; at = at.parent) {
    if (at === ancestor) return true
    if (at.parent === at) return false
  }
}

const putRenamed = (kernel: Kernel, parent: DirectoryInode, name: string, inode: Inode): void => {
  addEntry(kernel, parent, name, inode)
  inode.ctime = now(kernel)
  if (inode.kind !== 'directory') return
  inode.parent = parent
  inode.name = name
}

const WHITEOUT_DEVICE = 0

const isLastTooLong = (path: string | number): boolean => typeof path === 'string' && (path.split('/').findLast((part) => part !== '')?.length ?? 0) > NAME_MAX

/** A place to rename from or to. A last name that is too long is found out when it is looked up, after both parents (lookup_one_qstr_excl): until then another stands for it. */
const renamed = (kernel: Kernel, task: Task, dirfd: number, path: string | number): Place | number =>
  typeof path === 'number' ? path : resolve(kernel, task, dirfd, isLastTooLong(path) ? path.replace(/[^/]+(\/*)$/, 'x$1') : path, LOOKUP_PARENT)

/** A name that could not be read is its errno, which counts when its turn comes (filename_parentat). */
export const rename = (
  kernel: Kernel, task: Task, oldDirfd: number, oldPath: string | number, newDirfd: number, newPath: string | number, flags: number,
): number => {
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) !== 0) return -EINVAL
  const isExchange = (flags & RENAME_EXCHANGE) !== 0
  if (isExchange && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) !== 0) return -EINVAL
  const from = renamed(kernel, task, oldDirfd, oldPath)
  if (typeof from === 'number') return from
  const to = renamed(kernel, task, newDirfd, newPath)
  if (typeof to === 'number') return to
  if (from.mount !== to.mount) return -EXDEV
  if (from.last !== 'name') return -EBUSY
  if (to.last !== 'name') return (flags & RENAME_NOREPLACE) !== 0 ? -EEXIST : -EBUSY
  if (isReadOnly(from.mount, from.parent.superblock)) return -EROFS
  if (isLastTooLong(oldPath)) return -ENAMETOOLONG
  const source = from.inode
  if (source === undefined) return -ENOENT
  if (isLastTooLong(newPath)) return -ENAMETOOLONG
  const target = to.inode
  // The rules of lock_rename and what is checked under it, in Linux's order.
  if ((flags & RENAME_NOREPLACE) !== 0 && target !== undefined) return -EEXIST
  if (isExchange) {
    if (target === undefined) return -ENOENT
    if (target.kind !== 'directory' && to.slash) return -ENOTDIR
  }
  if (source.kind !== 'directory' && (from.slash || (!isExchange && to.slash))) return -ENOTDIR
  if (source.kind === 'directory' && isWithin(to.parent, source)) return -EINVAL
  if (target?.kind === 'directory' && isWithin(from.parent, target)) return isExchange ? -EINVAL : -ENOTEMPTY
  if (source === target) return 0

  const isDirectory = source.kind === 'directory'
  const denied = checkDelete(kernel, task, from.parent, source, isDirectory)
  if (denied !== 0) return denied
  const deniedTo = target === undefined ? checkCreate(kernel, task, to.parent)
    : checkDelete(kernel, task, to.parent, target, isExchange ? target.kind === 'directory' : isDirectory)
  if (deniedTo !== 0) return deniedTo
  if (from.parent.node !== undefined || to.parent.node !== undefined) return -EPERM
  // A directory's '..' changes when it moves.
  if (from.parent !== to.parent) {
    if (isDirectory && checkAccess(kernel, task.credentials, source, MAY_WRITE) !== 0) return -EACCES
    if (isExchange && target?.kind === 'directory' && checkAccess(kernel, task.credentials, target, MAY_WRITE) !== 0) return -EACCES
  }
  if (isMountPoint(task, from.parent, from.name, source) || (target !== undefined && isMountPoint(task, to.parent, to.name, target))) return -EBUSY
  if (!isExchange && target?.kind === 'directory' && !isEmptyDirectory(kernel, task, target)) return -ENOTEMPTY

  if (isExchange && target !== undefined) {
    pathsExchanged(kernel, from, to)
    exchange(kernel, from, source, to, target)
    notifyMove(kernel, from, to, source, undefined)
    notifyMove(kernel, to, from, target, undefined)
    return 0
  }
  removeEntry(kernel, from.parent, from.name)
  if (isDirectory) from.parent.nlink--
  if (target !== undefined) {
    removeEntry(kernel, to.parent, to.name)
    pathGone(kernel, to.mount, to.parent, to.name, target)
    if (target.kind === 'directory') to.parent.nlink--
    dropLink(kernel, target)
  }
  putRenamed(kernel, to.parent, to.name, source)
  if (isDirectory) to.parent.nlink++
  pathMoved(kernel, from, to)
  notifyMove(kernel, from, to, source, target)
  if (target !== undefined) disposeIfUnused(kernel, target)
  if ((flags & RENAME_WHITEOUT) !== 0) {
    addEntry(kernel, from.parent, from.name,
      makeDevice(kernel, from.parent.superblock, 'character', 0, WHITEOUT_DEVICE, task.credentials.fsuid, task.credentials.fsgid))
  }
  return 0
}

/** Both directories hear of a rename, tied together by a cookie; so does what moved, and what was in its way. */
const notifyMove = (kernel: Kernel, from: Place, to: Place, inode: Inode, replaced: Inode | undefined): void => {
  if (kernel.state.fs.watches.length === 0) return
  const cookie = renameCookie(kernel)
  notifyName(kernel, from.parent, from.name, inode, IN_MOVED_FROM, cookie)
  if (from.parent === to.parent) notifyName(kernel, from.parent, from.name, inode, IN_RENAMED)
  notifyName(kernel, to.parent, to.name, inode, IN_MOVED_TO, cookie)
  if (replaced !== undefined) notifyInode(kernel, replaced, IN_ATTRIB)
  notifyInode(kernel, inode, IN_MOVE_SELF)
}

const exchange = (kernel: Kernel, from: Place, source: Inode, to: Place, target: Inode): void => {
  if (source.kind === 'directory') {
    from.parent.nlink--
    to.parent.nlink++
  }
  if (target.kind === 'directory') {
    to.parent.nlink--
    from.parent.nlink++
  }
  // Both names stay where they are in the order of their directories.
  putRenamed(kernel, to.parent, to.name, source)
  putRenamed(kernel, from.parent, from.name, target)
  touchModified(kernel, from.parent)
}
