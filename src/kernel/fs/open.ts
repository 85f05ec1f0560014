/** open(2) and its relatives: from flags and a path to an open file description (fs/open.c, fs/namei.c). */
import {
  EACCES, EEXIST, EINVAL, EISDIR, ELOOP, EMFILE, ENOENT, ENOSPC, ENOTDIR, ENXIO, EOPNOTSUPP, EPERM, EROFS, ETXTBSY,
} from '../abi/errno.ts'
import {
  F_SEAL_SHRINK, __O_SYNC, __O_TMPFILE, O_ASYNC, MS_NODEV, O_ACCMODE, O_APPEND, O_CLOEXEC, O_CREAT, O_DIRECT, O_DIRECTORY, O_DSYNC, O_EXCL, O_LARGEFILE,
  O_NOATIME, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR, O_TRUNC, RESOLVE_BENEATH, RESOLVE_CACHED,
  RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV, O_WRONLY,
} from '../abi/fcntl.ts'
import { IN_CREATE, IN_OPEN } from '../abi/inotify.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { hasFreeDescriptor, installOrRelease, makeOpenFile } from './descriptor.ts'
import { addEntry, type DirectoryCursor } from './directory.ts'
import { openDevice } from './devices.ts'
import type { OpenFile } from './file.ts'
import {
  type DirectoryInode, ensureContent, type FileInode, hasInodeRoom, type Inode, isNameless, makeFile,
} from './inode.ts'
import { isAppendOnly } from './inode-flags.ts'
import { notifyFile, notifyName } from './inotify.ts'
import { DELETED } from './open-paths.ts'
import { breakLeases } from './leases.ts'
import type { Mount } from './mount-tree.ts'
import { isReadOnly } from './mounts.ts'
import { openNamespace } from './namespace-files.ts'
import { ownershipFor, withoutForeignSetGid } from './names.ts'
import {
  isLink, LOOKUP_BENEATH, LOOKUP_CREATE, LOOKUP_DIRECTORY, LOOKUP_FOLLOW, LOOKUP_IN_ROOT, LOOKUP_NO_MAGICLINKS, LOOKUP_NO_SYMLINKS,
  LOOKUP_NO_XDEV, type Place, placePath, resolve,
} from './path.ts'
import { checkAccess, MAY_EXEC, MAY_READ, MAY_WRITE, ownsInode } from './permissions.ts'
import { openFifo } from './pipe.ts'
import { openProc } from './proc/open.ts'
import { isExecuting, type RegularData, setSize } from './regular.ts'

const VALID_FLAGS = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC | __O_SYNC | O_ASYNC | O_DIRECT |
  O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | __O_TMPFILE
const PATH_FLAGS = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC
/** What open needs to know but F_GETFL does not show. */
const TRANSIENT_FLAGS = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC
const MODE_BITS = 0o7777

/** struct open_how. */
export interface OpenHow { readonly flags: number, readonly mode: number, readonly resolve: number }

/** What open(2) and openat(2) make of their arguments: unknown flags are ignored, the mode counts only where a file may be made. */
export const plainHow = (flags: number, mode: number): OpenHow => {
  let known = flags & VALID_FLAGS
  if ((known & O_PATH) !== 0) known &= PATH_FLAGS
  else known |= O_LARGEFILE
  return { flags: known, mode: (known & (O_CREAT | __O_TMPFILE)) !== 0 ? mode & MODE_BITS : 0, resolve: 0 }
}

const RESOLVE_LOOKUP: readonly (readonly [number, number])[] = [
  [RESOLVE_NO_XDEV, LOOKUP_NO_XDEV], [RESOLVE_NO_MAGICLINKS, LOOKUP_NO_MAGICLINKS], [RESOLVE_NO_SYMLINKS, LOOKUP_NO_SYMLINKS | LOOKUP_NO_MAGICLINKS],
  [RESOLVE_BENEATH, LOOKUP_BENEATH], [RESOLVE_IN_ROOT, LOOKUP_IN_ROOT],
]
const RESOLVE_ALL = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_CACHED

/** openat2(2) refuses what openat ignores: 0 or a negative errno. */
export const checkHow = (flags: number, mode: number, resolution: number): number => {
  if ((flags & ~VALID_FLAGS) !== 0 || (resolution & ~RESOLVE_ALL) !== 0) return -EINVAL
  if ((resolution & RESOLVE_BENEATH) !== 0 && (resolution & RESOLVE_IN_ROOT) !== 0) return -EINVAL
  if ((flags & (O_CREAT | __O_TMPFILE)) !== 0 ? (mode & ~MODE_BITS) !== 0 : mode !== 0) return -EINVAL
  if ((flags & O_PATH) !== 0 && (flags & ~PATH_FLAGS) !== 0) return -EINVAL
  return 0
}

/** Combinations that no call accepts (build_open_flags). */
export const checkFlags = (flags: number): number => {
  if ((flags & (O_DIRECTORY | O_CREAT)) === (O_DIRECTORY | O_CREAT)) return -EINVAL
  if ((flags & __O_TMPFILE) !== 0) {
    if ((flags & O_DIRECTORY) === 0) return -EINVAL
    if ((flags & O_ACCMODE) === O_RDONLY) return -EINVAL
  }
  return 0
}

/** MAY_* bits that the access mode asks for; 3 is 'read and write, for ioctl only'. */
const accessOf = (flags: number): number => {
  const mode = flags & O_ACCMODE
  return (mode === O_WRONLY ? MAY_WRITE : mode === O_RDONLY ? MAY_READ : MAY_READ | MAY_WRITE) | ((flags & O_TRUNC) !== 0 ? MAY_WRITE : 0)
}

/** Whether the file may be opened so (may_open). */
const checkOpen = (kernel: Kernel, task: Task, mount: Mount, inode: Inode, flags: number): number => {
  const wanted = accessOf(flags)
  if (isLink(inode)) return -ELOOP
  if (inode.kind === 'directory' && (wanted & MAY_WRITE) !== 0) return -EISDIR
  if ((inode.kind === 'character' || inode.kind === 'block') && (mount.flags & MS_NODEV) !== 0) return -EACCES
  if ((wanted & MAY_WRITE) !== 0 && inode.kind === 'file' && isReadOnly(mount, inode.superblock)) return -EROFS
  const denied = checkAccess(kernel, task.credentials, inode, wanted)
  if (denied !== 0) return denied
  if (isAppendOnly(inode) && (((flags & O_ACCMODE) !== O_RDONLY && (flags & O_APPEND) === 0) || (flags & O_TRUNC) !== 0)) return -EPERM
  if ((flags & O_NOATIME) !== 0 && !ownsInode(kernel, task.credentials, inode)) return -EPERM
  return 0
}

export const makeRegularFile = (kernel: Kernel, inode: FileInode, path: string, flags: number): OpenFile => {
  const data: RegularData = { countsAsWriter: (flags & O_ACCMODE) === O_WRONLY || (flags & O_ACCMODE) === O_RDWR }
  if (data.countsAsWriter) inode.writers++
  return makeOpenFile(kernel, 'regular', inode, path, flags, data)
}
/** The first description of a memfd does not keep it from being run (alloc_file_pseudo). */
export const makeMemoryFile = (kernel: Kernel, inode: FileInode, path: string, flags: number): OpenFile =>
  makeOpenFile(kernel, 'regular', inode, path, flags, { countsAsWriter: false } satisfies RegularData)

/** The description for an inode; access is checked. May block, for FIFOs. */
const openInode = (kernel: Kernel, task: Task, inode: Inode, path: string, flags: number): OpenFile | number => {
  switch (inode.kind) {
    case 'file': {
      if (isNameless(inode)) return -ENXIO
      if ((flags & O_ACCMODE) !== O_RDONLY && isExecuting(kernel, inode)) return -ETXTBSY
      const breaking = kernel.state.fs.leases.length === 0 ? 0 : breakLeases(kernel, task, inode, flags)
      if (breaking !== 0) return breaking
      const missing = (flags & O_ACCMODE) === O_WRONLY ? 0 : ensureContent(kernel, inode)
      if (missing < 0) return missing
      return makeRegularFile(kernel, inode, path, flags)
    }
    case 'directory': return makeOpenFile(kernel, 'directory', inode, path, flags, { names: undefined } satisfies DirectoryCursor)
    case 'character':
    case 'block': return openDevice(kernel, task, inode, path, flags)
    case 'fifo': return openFifo(kernel, task, inode, path, flags)
    case 'proc': return openProc(kernel, task, inode, path, flags)
    case 'namespace': return openNamespace(kernel, inode, path, flags)
    case 'socket': return -ENXIO
    case 'symlink': return -ELOOP
  }
}

/** Makes a regular file in a directory in which that name is free. */
const createFile = (kernel: Kernel, task: Task, mount: Mount, parent: DirectoryInode, name: string, mode: number): FileInode | number => {
  if (parent.node !== undefined) return -ENOENT
  if (isReadOnly(mount, parent.superblock)) return -EROFS
  if (parent.nlink === 0) return -ENOENT
  const denied = checkAccess(kernel, task.credentials, parent, MAY_WRITE | MAY_EXEC)
  if (denied !== 0) return denied
  if (!hasInodeRoom(kernel, parent.superblock)) return -ENOSPC
  const inode = makeInode(kernel, task, parent, mode)
  addEntry(kernel, parent, name, inode)
  notifyName(kernel, parent, name, inode, IN_CREATE)
  return inode
}

const makeInode = (kernel: Kernel, task: Task, parent: DirectoryInode, mode: number): FileInode => {
  const { uid, gid } = ownershipFor(kernel, task, parent)
  return makeFile(kernel, parent.superblock, withoutForeignSetGid(task, parent, mode) & ~task.fs.umask, uid, gid)
}

const openTemporary = (kernel: Kernel, task: Task, place: Place, how: OpenHow): OpenFile | number => {
  const directory = place.inode as DirectoryInode
  const denied = checkAccess(kernel, task.credentials, directory, MAY_WRITE | MAY_EXEC)
  if (denied !== 0) return denied
  const { kind } = directory.superblock
  if (isReadOnly(place.mount, directory.superblock)) return -EROFS
  if (kind !== 'ramfs' && kind !== 'host') return -EOPNOTSUPP
  if (!hasInodeRoom(kernel, directory.superblock)) return -ENOSPC
  const inode = makeInode(kernel, task, directory, how.mode)
  inode.nlink = 0
  if ((how.flags & O_EXCL) === 0) inode.linkable = true
  return makeRegularFile(kernel, inode, `${placePath(place)}/#${inode.ino}${DELETED}`, how.flags)
}

export const openPlace = (kernel: Kernel, task: Task, place: Place, how: OpenHow): OpenFile | number => {
  const { flags } = how
  let { inode } = place
  let isNew = false
  if (inode === undefined) {
    const made = createFile(kernel, task, place.mount, place.parent, place.name, how.mode)
    if (typeof made === 'number') return made
    inode = made
    isNew = true
  } else if ((flags & O_CREAT) !== 0) {
    if ((flags & O_EXCL) !== 0) return -EEXIST
    if (inode.kind === 'directory') return -EISDIR
  }
  if ((flags & O_DIRECTORY) !== 0 && inode.kind !== 'directory') return -ENOTDIR
  const path = isNew || place.path === undefined ? placePath(place) : place.path
  if ((flags & O_PATH) !== 0) return makeOpenFile(kernel, 'path', inode, path, flags & ~O_CLOEXEC, undefined)
  if (!isNew) {
    const denied = checkOpen(kernel, task, place.mount, inode, flags)
    if (denied !== 0) return denied
  }
  // shmem_setattr
  if (!isNew && (flags & O_TRUNC) !== 0 && inode.kind === 'file' && inode.size > 0 && ((inode.seals ?? 0) & F_SEAL_SHRINK) !== 0) return -EPERM
  const file = openInode(kernel, task, inode, path, flags & ~O_CLOEXEC)
  if (typeof file === 'number') return file
  if (!isNew && (flags & O_TRUNC) !== 0 && file.kind === 'regular' && file.inode.kind === 'file') setSize(kernel, task, file.inode, 0)
  return file
}

/** Opens a path: the description, a negative errno, or BLOCKED. */
export const openPath = (kernel: Kernel, task: Task, dirfd: number, path: string, how: OpenHow): OpenFile | number => {
  const { flags } = how
  let lookup = (flags & O_NOFOLLOW) === 0 ? LOOKUP_FOLLOW : 0
  if ((flags & O_DIRECTORY) !== 0) lookup |= LOOKUP_DIRECTORY
  if ((flags & O_CREAT) !== 0) {
    lookup |= LOOKUP_CREATE
    if ((flags & O_EXCL) !== 0) lookup &= ~LOOKUP_FOLLOW
  }
  if (how.resolve !== 0) for (const [bit, value] of RESOLVE_LOOKUP) if ((how.resolve & bit) !== 0) lookup |= value
  const place = resolve(kernel, task, dirfd, path, lookup)
  if (typeof place === 'number') return place
  const file = (flags & __O_TMPFILE) !== 0 ? openTemporary(kernel, task, place, how) : openPlace(kernel, task, place, how)
  if (typeof file !== 'number') {
    file.mount = place.mount
    file.flags &= ~TRANSIENT_FLAGS
    if (file.kind !== 'path') notifyFile(kernel, file, IN_OPEN)
  }
  return file
}

/** Opens a path and gives it a descriptor. */
export const openDescriptor = (kernel: Kernel, task: Task, dirfd: number, path: string, how: OpenHow): number => {
  const invalid = checkFlags(how.flags)
  if (invalid !== 0) return invalid
  if (path === '') return -ENOENT
  if (!hasFreeDescriptor(task)) return -EMFILE
  const file = openPath(kernel, task, dirfd, path, how)
  return typeof file === 'number' ? file : installOrRelease(kernel, task, file, (how.flags & O_CLOEXEC) !== 0)
}

