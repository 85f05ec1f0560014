/**
 * From a path to a file (path_resolution(7); fs/namei.c).
 *
 * A walk keeps the mount through which it sees a directory beside it: it crosses down where something is mounted on what it comes to,
 * and up on '..' (mount-tree.ts).
 */
import {
  EACCES, EBADF, EFAULT, EISDIR, ELOOP, EINVAL, ENAMETOOLONG, ENOENT, ENOTDIR, ETXTBSY, EXDEV,
} from '../abi/errno.ts'
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, MS_NOEXEC, MS_NOSYMFOLLOW, NAME_MAX, PATH_MAX } from '../abi/fcntl.ts'
import type { Kernel } from '../kernel.ts'
import { BadAddress } from '../mm/user-memory.ts'
import type { Credentials, Task } from '../task/task.ts'
import { getAnyFile } from './descriptor.ts'
import { lookupChild } from './directory.ts'
import { type DirectoryInode, ensureContent, type Inode, linkTarget, S_IFLNK, touchAccessed } from './inode.ts'
import { checkAccess, MAY_EXEC, maySearch } from './permissions.ts'
import { childMount, directoryPath, enterMounts, type Mount, parentLocation } from './mount-tree.ts'
import { procJump, procLink } from './proc/lookup.ts'

/** What CLONE_FS shares. */
export interface PathContext {
  readonly kind: 'path-context'
  /** Tasks that share it. */
  users: number
  root: DirectoryInode
  rootMount: Mount
  cwd: DirectoryInode
  cwdMount: Mount
  umask: number
}

export const copyPathContext = (_kernel: Kernel, context: PathContext): PathContext => ({ ...context, users: 1 })
export const leavePathContext = (_kernel: Kernel, task: Task): void => { task.fs.users-- }

/** How the last component is treated. */
export const
  /** A symbolic link in the last place is followed. */
  LOOKUP_FOLLOW = 1,
  /** The result must be a directory. */
  LOOKUP_DIRECTORY = 2,
  /** The last name need not exist: `inode` is undefined then. */
  LOOKUP_CREATE = 4,
  /** The name itself is wanted (to remove or rename it): it need not exist, is not followed, and what is mounted on it not entered. */
  LOOKUP_PARENT = 8,
  /** An empty path is the file of `dirfd` itself. */
  LOOKUP_EMPTY = 16,
  /** RESOLVE_* of openat2(2). */
  LOOKUP_NO_XDEV = 32, LOOKUP_NO_MAGICLINKS = 64, LOOKUP_NO_SYMLINKS = 128, LOOKUP_BENEATH = 256, LOOKUP_IN_ROOT = 512

/** What the path ended in: calls that make or remove names refuse all but a name. */
export type LastComponent = 'name' | 'dot' | 'dotdot' | 'root' | 'magic'

export interface Place {
  /** The directory in which the last component was found, and the mount through which. */
  readonly parent: DirectoryInode
  readonly parentMount: Mount
  /** The mount through which the inode is seen; the parent's if there is none. */
  readonly mount: Mount
  readonly name: string
  readonly inode: Inode | undefined
  readonly last: LastComponent
  /** There were slashes behind the last component. */
  readonly slash: boolean
  /** Known already: of files reached by a link of /proc or by descriptor. */
  readonly path: string | undefined
}

/** A place where something is. */
export interface FoundPlace extends Place { readonly inode: Inode }

const SLASH = 0x2f, DOT = 0x2e
const LINK_LIMIT = 40

export const isLink = (inode: Inode): boolean =>
  inode.kind === 'symlink' || (inode.kind === 'proc' && inode.node.type === S_IFLNK)

const UNREACHABLE = '(unreachable)'

/** Path of a directory for getcwd(2) and /proc: '(unreachable)…' if it is outside of the root. */
export const pathOf = (mount: Mount, directory: DirectoryInode, rootMount: Mount, root: DirectoryInode): string => {
  const path = directoryPath(mount, directory, rootMount, root)
  if (path !== '') return directory.nlink === 0 ? `${path} (deleted)` : path
  return `${UNREACHABLE}${directoryPath(mount, directory) || '/'}`
}

/** The same for files, from the top of the tree of mounts. */
const topPathOf = (mount: Mount, directory: DirectoryInode): string => {
  const path = directoryPath(mount, directory) || '/'
  return directory.nlink === 0 ? `${path} (deleted)` : path
}

/** Absolute path of a name in a directory, for OpenFile.path. */
export const childPath = (mount: Mount, parent: DirectoryInode, name: string): string => {
  const path = directoryPath(mount, parent)
  return path.length > 1 ? `${path}/${name}` : `/${name}`
}

/** Absolute path of what a place holds. */
export const placePath = (place: Place): string => {
  if (place.path !== undefined) return place.path
  if (place.inode?.kind === 'directory') return topPathOf(place.mount, place.inode)
  return childPath(place.parentMount, place.parent, place.name)
}

const place = (parentMount: Mount, parent: DirectoryInode, name: string, mount: Mount, inode: Inode | undefined, last: LastComponent, slash: boolean): Place =>
  ({ parent, parentMount, mount, name, inode, last, slash, path: undefined })

/**
 * Walks a path that is not empty.
 * @param task whose /proc/self it is; undefined while the world is made
 */
export const walk = (
  kernel: Kernel, task: Task | undefined, credentials: Credentials, contextRootMount: Mount, contextRoot: DirectoryInode,
  startMount: Mount, start: DirectoryInode, path: string, flags: number,
): Place | number => {
  const isRooted = (flags & LOOKUP_IN_ROOT) !== 0
  const root = isRooted ? start : contextRoot
  const rootMount = isRooted ? startMount : contextRootMount
  const isScoped = (flags & (LOOKUP_BENEATH | LOOKUP_NO_XDEV)) !== 0
  let directory = start
  let mount = startMount
  let rest = path
  let at = 0
  let links = 0
  if (rest.charCodeAt(0) === SLASH) {
    if ((flags & LOOKUP_BENEATH) !== 0) return -EXDEV
    if ((flags & LOOKUP_NO_XDEV) !== 0 && rootMount !== startMount) return -EXDEV
    directory = root
    mount = rootMount
  }
  while (rest.charCodeAt(at) === SLASH) at++
  if (at === rest.length) return place(mount, directory, '', mount, directory, 'root', false)
  for (;;) {
    if (!maySearch(kernel, credentials, directory)) return -EACCES
    let end = rest.indexOf('/', at)
    if (end < 0) end = rest.length
    let next = end
    while (rest.charCodeAt(next) === SLASH) next++
    const isLast = next === rest.length
    const slash = isLast && next > end
    const length = end - at
    if (rest.charCodeAt(at) === DOT && (length === 1 || (length === 2 && rest.charCodeAt(at + 1) === DOT))) {
      if (length === 2 && !(isLast && (flags & LOOKUP_PARENT) !== 0)) {
        if ((flags & LOOKUP_BENEATH) !== 0 && directory === start && mount === startMount) return -EXDEV
        const above = parentLocation(mount, directory, rootMount, root)
        if ((flags & LOOKUP_NO_XDEV) !== 0 && above.mount !== mount) return -EXDEV
        ;({ mount, directory } = above)
      }
      if (isLast) return place(mount, directory, '', mount, directory, length === 1 ? 'dot' : 'dotdot', slash)
      at = next
      continue
    }
    if (length > NAME_MAX) return -ENAMETOOLONG
    // What is made by open is no directory, whatever is there.
    if (slash && (flags & LOOKUP_CREATE) !== 0) return -EISDIR
    const name = rest.slice(at, end)
    let inode = lookupChild(kernel, task, directory, name)
    if (isLast) {
      if ((flags & LOOKUP_PARENT) !== 0) return place(mount, directory, name, mount, inode, 'name', slash)
      if (inode === undefined) return (flags & LOOKUP_CREATE) !== 0 ? place(mount, directory, name, mount, undefined, 'name', slash) : -ENOENT
    }
    if (inode === undefined) return -ENOENT
    if (inode.kind === 'directory') {
      const entered = inode.mountpoints > 0 ? enterMounts(mount, inode) : mount
      if (entered !== mount) {
        if (isScoped && (flags & LOOKUP_NO_XDEV) !== 0) return -EXDEV
        inode = entered.root as DirectoryInode
      }
      if (isLast) return place(mount, directory, name, entered, inode, 'name', slash)
      directory = inode
      mount = entered
      at = next
      continue
    }
    let fileMount = mount
    if (directory.mountpoints > 0) {
      const covering = childMount(mount, directory, name)
      if (covering !== undefined) {
        if (isScoped && (flags & LOOKUP_NO_XDEV) !== 0) return -EXDEV
        fileMount = covering
        inode = covering.root
      }
    }
    if (!isLink(inode)) {
      if (!isLast || slash || (flags & LOOKUP_DIRECTORY) !== 0) return -ENOTDIR
      return place(mount, directory, name, fileMount, inode, 'name', slash)
    }
    if (isLast && (flags & LOOKUP_FOLLOW) === 0 && !slash) {
      return (flags & LOOKUP_DIRECTORY) !== 0 ? -ENOTDIR : place(mount, directory, name, fileMount, inode, 'name', slash)
    }
    if ((flags & LOOKUP_NO_SYMLINKS) !== 0 || (fileMount.flags & MS_NOSYMFOLLOW) !== 0 || ++links > LINK_LIMIT) return -ELOOP
    let target: string | number
    if (inode.kind === 'proc') {
      const jump = procJump(kernel, task, inode)
      if (typeof jump === 'number') return jump
      if (jump !== undefined) {
        if ((flags & LOOKUP_NO_MAGICLINKS) !== 0) return -ELOOP
        if (isScoped || (flags & LOOKUP_IN_ROOT) !== 0) return -EXDEV
        if (jump.inode.kind === 'directory' && !isLast) {
          directory = jump.inode
          mount = jump.mount
          at = next
          continue
        }
        if (jump.inode.kind !== 'directory' && (!isLast || slash || (flags & LOOKUP_DIRECTORY) !== 0)) return -ENOTDIR
        return { parent: directory, parentMount: mount, mount: jump.mount, name, inode: jump.inode, last: 'magic', slash, path: jump.path }
      }
      target = procLink(kernel, task, inode)
    } else {
      target = inode.kind === 'symlink' ? linkTarget(kernel, inode) : -EINVAL
      if (inode.host === undefined) touchAccessed(kernel, inode, mount.flags)
    }
    if (typeof target === 'number') return target
    if (target === '') return -ENOENT
    rest = end === rest.length ? target : target + rest.slice(end)
    at = 0
    if (rest.charCodeAt(0) !== SLASH) continue
    if ((flags & LOOKUP_BENEATH) !== 0) return -EXDEV
    if ((flags & LOOKUP_NO_XDEV) !== 0 && rootMount !== mount) return -EXDEV
    directory = root
    mount = rootMount
    while (rest.charCodeAt(at) === SLASH) at++
    if (at === rest.length) return place(mount, directory, '', mount, directory, 'root', false)
  }
}

const emptyPath = (task: Task, dirfd: number): Place | number => {
  const { cwd, cwdMount } = task.fs
  if (dirfd === AT_FDCWD) return place(cwdMount, cwd, '', cwdMount, cwd, 'dot', false)
  const file = getAnyFile(task, dirfd)
  if (file === undefined) return -EBADF
  return { parent: cwd, parentMount: cwdMount, mount: file.mount, name: '', inode: file.inode, last: 'magic', slash: false, path: file.path }
}

/** Resolves a path as the system calls do: a place, or a negative errno. Without CREATE or PARENT among the flags its inode is there. */
export const resolve = (
  kernel: Kernel, task: Task, dirfd: number, path: string, flags: number, credentials = task.credentials,
): Place | number => {
  if (path === '') return (flags & LOOKUP_EMPTY) !== 0 ? emptyPath(task, dirfd) : -ENOENT
  const { root, rootMount, cwd, cwdMount } = task.fs
  const isAbsolute = path.charCodeAt(0) === SLASH && (flags & (LOOKUP_IN_ROOT | LOOKUP_BENEATH)) === 0
  if (isAbsolute && !((flags & LOOKUP_NO_XDEV) !== 0 && dirfd === AT_FDCWD)) return walk(kernel, task, credentials, rootMount, root, rootMount, root, path, flags)
  if (isAbsolute || dirfd === AT_FDCWD) return walk(kernel, task, credentials, rootMount, root, cwdMount, cwd, path, flags)
  const file = getAnyFile(task, dirfd)
  if (file === undefined) return -EBADF
  if (file.inode.kind !== 'directory') return -ENOTDIR
  return walk(kernel, task, credentials, rootMount, root, file.mount, file.inode, path, flags)
}

/** The inode that a path leads to, or a negative errno. */
export const resolveInode = (
  kernel: Kernel, task: Task, dirfd: number, path: string, flags: number, credentials = task.credentials,
): Inode | number => {
  const found = resolve(kernel, task, dirfd, path, flags, credentials)
  if (typeof found === 'number') return found
  return found.inode ?? -ENOENT
}

/** A path argument: ENAMETOOLONG without a NUL in 4096 bytes. @throws BadAddress */
export const readPath = (kernel: Kernel, task: Task, address: number): string | number =>
  kernel.user(task).string(address, PATH_MAX) ?? -ENAMETOOLONG

/** As readPath, with −EFAULT for an address that can't be read: where another argument is looked at first (getname, whose error waits). */
export const pathOrError = (kernel: Kernel, task: Task, address: number): string | number => {
  try {
    return readPath(kernel, task, address)
  } catch (error) {
    if (error instanceof BadAddress) return -EFAULT
    throw error
  }
}

/**
 * Whether nothing there can be run, nor mapped to be: as it is mounted, or as there is nothing to run on such a file system (path_noexec). What belongs
 * to no mounted file system is of that kind but for memfds.
 */
export const isNoExec = (mount: Mount, inode: Inode): boolean => {
  const { kind, type, flags } = inode.superblock
  if (((flags | mount.flags) & MS_NOEXEC) !== 0 || kind === 'proc' || type === 'mqueue') return true
  return kind === 'anonymous' && !(inode.kind === 'file' && inode.seals !== undefined)
}

/**
 * The file that execve will run.
 * @param flags AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW
 */
export const openForExec = (
  kernel: Kernel, task: Task, dirfd: number, path: string, flags: number,
): { readonly inode: Inode, readonly mount: Mount, readonly path: string } | number => {
  const found = resolve(kernel, task, dirfd, path,
    ((flags & AT_SYMLINK_NOFOLLOW) === 0 ? LOOKUP_FOLLOW : 0) | ((flags & AT_EMPTY_PATH) !== 0 ? LOOKUP_EMPTY : 0))
  if (typeof found === 'number') return found
  const { inode } = found
  if (inode === undefined) return -ENOENT
  if (isLink(inode)) return -ELOOP
  if (inode.kind !== 'file' || isNoExec(found.mount, inode)) return -EACCES
  const denied = checkAccess(kernel, task.credentials, inode, MAY_EXEC)
  if (denied !== 0) return denied
  if (inode.writers > 0) return -ETXTBSY
  const missing = ensureContent(kernel, inode)
  if (missing < 0) return missing
  return { inode, mount: found.mount, path: placePath(found) }
}
