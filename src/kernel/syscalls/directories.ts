/** Names: directories, links, renaming; and the task's own root and working directory. */
import {
  EBADF, EINVAL, ENAMETOOLONG, ENOENT, ENOTDIR, EPERM, ERANGE,
} from '../abi/errno.ts'
import { CAP_DAC_READ_SEARCH, CAP_MKNOD, CAP_SYS_CHROOT } from '../abi/capabilities.ts'
import { AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, PATH_MAX } from '../abi/fcntl.ts'
import { int32, uint32, uint64 } from '../abi/numbers.ts'
import { getAnyFile, getFile } from '../fs/descriptor.ts'
import { readDirectory } from '../fs/directory.ts'
import {
  type Inode, linkTarget, makeDevice, makeFifo, makeFile, makeSocketInode, makeSymlink, S_IFBLK, S_IFCHR, S_IFDIR,
  S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK, touchAccessed,
} from '../fs/inode.ts'
import {
  createDirectory, createNode, linkInode, removeDirectory, removeName, rename as renameNames, withoutForeignSetGid,
} from '../fs/names.ts'
import type { Mount } from '../fs/mount-tree.ts'
import { LOOKUP_DIRECTORY, LOOKUP_EMPTY, LOOKUP_FOLLOW, pathOf, pathOrError, readPath, resolve } from '../fs/path.ts'
import { capable, checkAccess, MAY_EXEC } from '../fs/permissions.ts'
import { procJump, procLink } from '../fs/proc/lookup.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { hasCapabilityIn } from '../task/user-namespace.ts'
import type { Args, SyscallEntry } from './entry.ts'

const listDirectory = (kernel: Kernel, task: Task, args: Args, isOld: boolean): number => {
  const file = getFile(task, int32(args[0]))
  if (file === undefined) return -EBADF
  if (file.kind !== 'directory') return -ENOTDIR
  return readDirectory(kernel, task, file, args[1], uint32(args[2]), isOld)
}
const getdents = (kernel: Kernel, task: Task, args: Args): number => listDirectory(kernel, task, args, true)
const getdents64 = (kernel: Kernel, task: Task, args: Args): number => listDirectory(kernel, task, args, false)

// ——— Working directory and root ———

/** The bytes of a string with its NUL, in latin1. */
const stringBytes = (text: string): Uint8Array => {
  const bytes = new Uint8Array(text.length + 1)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

const getcwd = (kernel: Kernel, task: Task, args: Args): number => {
  const { cwd, cwdMount, root, rootMount } = task.fs
  if (cwd.nlink === 0) return -ENOENT
  const path = pathOf(cwdMount, cwd, rootMount, root)
  if (path.length + 1 > PATH_MAX) return -ENAMETOOLONG
  if (path.length + 1 > uint64(args[1])) return -ERANGE
  kernel.user(task).write(args[0], stringBytes(path))
  return path.length + 1
}

const changeTo = (kernel: Kernel, task: Task, mount: Mount, inode: Inode | undefined): number => {
  if (inode?.kind !== 'directory') return -ENOTDIR
  const denied = checkAccess(kernel, task.credentials, inode, MAY_EXEC)
  if (denied !== 0) return denied
  task.fs.cwd = inode
  task.fs.cwdMount = mount
  return 0
}

const chdir = (kernel: Kernel, task: Task, args: Args): number => {
  const path = readPath(kernel, task, args[0])
  if (typeof path === 'number') return path
  const place = resolve(kernel, task, AT_FDCWD, path, LOOKUP_FOLLOW | LOOKUP_DIRECTORY)
  return typeof place === 'number' ? place : changeTo(kernel, task, place.mount, place.inode)
}

const fchdir = (kernel: Kernel, task: Task, args: Args): number => {
  const file = getAnyFile(task, int32(args[0]))
  return file === undefined ? -EBADF : changeTo(kernel, task, file.mount, file.inode)
}

const chroot = (kernel: Kernel, task: Task, args: Args): number => {
  const path = readPath(kernel, task, args[0])
  if (typeof path === 'number') return path
  const place = resolve(kernel, task, AT_FDCWD, path, LOOKUP_FOLLOW | LOOKUP_DIRECTORY)
  if (typeof place === 'number') return place
  const { inode, mount } = place
  if (inode?.kind !== 'directory') return -ENOTDIR
  const denied = checkAccess(kernel, task.credentials, inode, MAY_EXEC)
  if (denied !== 0) return denied
  if (!hasCapabilityIn(task, task.credentials.user, CAP_SYS_CHROOT)) return -EPERM
  task.fs.root = inode
  task.fs.rootMount = mount
  return 0
}

// ——— Making and removing ———

const makeDirectoryAt = (kernel: Kernel, task: Task, dirfd: number, address: number, mode: number): number => {
  const path = readPath(kernel, task, address)
  return typeof path === 'number' ? path : createDirectory(kernel, task, dirfd, path, mode)
}
const mkdir = (kernel: Kernel, task: Task, args: Args): number => makeDirectoryAt(kernel, task, AT_FDCWD, args[0], uint32(args[1]))
const mkdirat = (kernel: Kernel, task: Task, args: Args): number => makeDirectoryAt(kernel, task, int32(args[0]), args[1], uint32(args[2]))

const rmdir = (kernel: Kernel, task: Task, args: Args): number => {
  const path = readPath(kernel, task, args[0])
  return typeof path === 'number' ? path : removeDirectory(kernel, task, AT_FDCWD, path)
}

const unlink = (kernel: Kernel, task: Task, args: Args): number => {
  const path = readPath(kernel, task, args[0])
  return typeof path === 'number' ? path : removeName(kernel, task, AT_FDCWD, path)
}

const unlinkat = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = int32(args[2])
  if ((flags & ~AT_REMOVEDIR) !== 0) return -EINVAL
  const path = readPath(kernel, task, args[1])
  if (typeof path === 'number') return path
  const dirfd = int32(args[0])
  return (flags & AT_REMOVEDIR) !== 0 ? removeDirectory(kernel, task, dirfd, path) : removeName(kernel, task, dirfd, path)
}

const makeNodeAt = (kernel: Kernel, task: Task, dirfd: number, address: number, mode: number, rdev: number): number => {
  const type = mode & S_IFMT
  switch (type) {
    case 0: case S_IFREG: case S_IFIFO: case S_IFSOCK: break
    case S_IFCHR: case S_IFBLK: break
    case S_IFDIR: return -EPERM
    default: return -EINVAL
  }
  const path = readPath(kernel, task, address)
  if (typeof path === 'number') return path
  const made = createNode(kernel, task, dirfd, path, (parent, uid, gid) => {
    const { superblock } = parent
    const permissions = withoutForeignSetGid(task, parent, mode & 0o7777) & ~task.fs.umask
    switch (type) {
      case S_IFIFO: return makeFifo(kernel, superblock, permissions, uid, gid)
      case S_IFSOCK: return makeSocketInode(kernel, superblock, permissions, uid, gid)
      case S_IFCHR: return makeDevice(kernel, superblock, 'character', permissions, rdev, uid, gid)
      case S_IFBLK: return makeDevice(kernel, superblock, 'block', permissions, rdev, uid, gid)
      default: return makeFile(kernel, superblock, permissions, uid, gid)
    }
    // Looked at last (vfs_mknod). A character device of number 0 is a whiteout.
  }, () => (type === S_IFBLK || (type === S_IFCHR && rdev !== 0)) && !capable(task.credentials, CAP_MKNOD) ? -EPERM : 0)
  return typeof made === 'number' ? made : 0
}
const mknod = (kernel: Kernel, task: Task, args: Args): number => makeNodeAt(kernel, task, AT_FDCWD, args[0], uint32(args[1]) & 0xffff, uint32(args[2]))
const mknodat = (kernel: Kernel, task: Task, args: Args): number =>
  makeNodeAt(kernel, task, int32(args[0]), args[1], uint32(args[2]) & 0xffff, uint32(args[3]))

const makeLinkAt = (kernel: Kernel, task: Task, targetAddress: number, dirfd: number, address: number): number => {
  const target = readPath(kernel, task, targetAddress)
  if (typeof target === 'number') return target
  if (target === '') return -ENOENT
  const path = readPath(kernel, task, address)
  if (typeof path === 'number') return path
  const made = createNode(kernel, task, dirfd, path, (parent, uid, gid) => makeSymlink(kernel, parent.superblock, target, uid, gid))
  return typeof made === 'number' ? made : 0
}
const symlink = (kernel: Kernel, task: Task, args: Args): number => makeLinkAt(kernel, task, args[0], AT_FDCWD, args[1])
const symlinkat = (kernel: Kernel, task: Task, args: Args): number => makeLinkAt(kernel, task, args[0], int32(args[1]), args[2])

const linkAt = (kernel: Kernel, task: Task, oldFd: number, oldAddress: number, newFd: number, newAddress: number, flags: number): number => {
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL
  const oldPath = readPath(kernel, task, oldAddress)
  if (typeof oldPath === 'number') return oldPath
  if (oldPath === '' && (flags & AT_EMPTY_PATH) !== 0 && !capable(task.credentials, CAP_DAC_READ_SEARCH)) return -ENOENT
  const lookup = ((flags & AT_SYMLINK_FOLLOW) !== 0 ? LOOKUP_FOLLOW : 0) | ((flags & AT_EMPTY_PATH) !== 0 ? LOOKUP_EMPTY : 0)
  const place = resolve(kernel, task, oldFd, oldPath, lookup)
  if (typeof place === 'number') return place
  if (place.inode === undefined) return -ENOENT
  // The second name is looked at when the first has been found (do_linkat).
  const newPath = readPath(kernel, task, newAddress)
  return typeof newPath === 'number' ? newPath : linkInode(kernel, task, place, newFd, newPath)
}
const link = (kernel: Kernel, task: Task, args: Args): number => linkAt(kernel, task, AT_FDCWD, args[0], AT_FDCWD, args[1], 0)
const linkat = (kernel: Kernel, task: Task, args: Args): number =>
  linkAt(kernel, task, int32(args[0]), args[1], int32(args[2]), args[3], int32(args[4]))

const renameAt = (kernel: Kernel, task: Task, oldFd: number, oldAddress: number, newFd: number, newAddress: number, flags: number): number => {
  return renameNames(kernel, task, oldFd, pathOrError(kernel, task, oldAddress), newFd, pathOrError(kernel, task, newAddress), flags)
}
const rename = (kernel: Kernel, task: Task, args: Args): number => renameAt(kernel, task, AT_FDCWD, args[0], AT_FDCWD, args[1], 0)
const renameat = (kernel: Kernel, task: Task, args: Args): number => renameAt(kernel, task, int32(args[0]), args[1], int32(args[2]), args[3], 0)
const renameat2 = (kernel: Kernel, task: Task, args: Args): number =>
  renameAt(kernel, task, int32(args[0]), args[1], int32(args[2]), args[3], uint32(args[4]))

// ——— readlink ———

/** The text of a link of any kind, EINVAL for what is none. */
const textOfLink = (kernel: Kernel, task: Task, mount: Mount, inode: Inode): string | number => {
  if (inode.kind === 'symlink') {
    touchAccessed(kernel, inode, mount.flags)
    return linkTarget(kernel, inode)
  }
  if (inode.kind !== 'proc') return -EINVAL
  const jump = procJump(kernel, task, inode)
  return typeof jump === 'object' ? jump.path : procLink(kernel, task, inode)
}

const readLinkAt = (kernel: Kernel, task: Task, dirfd: number, address: number, buffer: number, size: number): number => {
  if (size <= 0) return -EINVAL
  const path = readPath(kernel, task, address)
  if (typeof path === 'number') return path
  const place = resolve(kernel, task, dirfd, path, LOOKUP_EMPTY)
  if (typeof place === 'number') return place
  if (path === '' && place.inode?.kind !== 'symlink') return -ENOENT
  if (place.inode === undefined) return -ENOENT
  const text = textOfLink(kernel, task, place.mount, place.inode)
  if (typeof text === 'number') return text
  const length = Math.min(text.length, size)
  kernel.user(task).write(buffer, stringBytes(text).subarray(0, length))
  return length
}
const readlink = (kernel: Kernel, task: Task, args: Args): number => readLinkAt(kernel, task, AT_FDCWD, args[0], args[1], int32(args[2]))
const readlinkat = (kernel: Kernel, task: Task, args: Args): number =>
  readLinkAt(kernel, task, int32(args[0]), args[1], args[2], int32(args[3]))

export const DIRECTORY_CALLS: readonly SyscallEntry[] = [
  { number: 78, name: 'getdents', args: ['fd:fd', 'dirp:out[2]', 'count:uint'], handler: getdents, status: 'full' },
  { number: 79, name: 'getcwd', args: ['buf:out[1]', 'size:size'], handler: getcwd, status: 'full' },
  { number: 80, name: 'chdir', args: ['path:path'], handler: chdir, status: 'full' },
  { number: 81, name: 'fchdir', args: ['fd:fd'], handler: fchdir, status: 'full' },
  { number: 82, name: 'rename', args: ['oldpath:path', 'newpath:path'], handler: rename, status: 'full' },
  { number: 83, name: 'mkdir', args: ['pathname:path', 'mode:mode'], handler: mkdir, status: 'full' },
  { number: 84, name: 'rmdir', args: ['pathname:path'], handler: rmdir, status: 'full' },
  { number: 86, name: 'link', args: ['oldpath:path', 'newpath:path'], handler: link, status: 'full' },
  { number: 87, name: 'unlink', args: ['pathname:path'], handler: unlink, status: 'full' },
  { number: 88, name: 'symlink', args: ['target:string', 'linkpath:path'], handler: symlink, status: 'full' },
  { number: 89, name: 'readlink', args: ['pathname:path', 'buf:out[2]', 'bufsiz:int'], handler: readlink, status: 'full' },
  { number: 133, name: 'mknod', args: ['pathname:path', 'mode:mode', 'dev:uint'], handler: mknod, status: 'full' },
  { number: 161, name: 'chroot', args: ['path:path'], handler: chroot, status: 'full' },
  { number: 217, name: 'getdents64', args: ['fd:fd', 'dirp:out[2]', 'count:uint'], handler: getdents64, status: 'full' },
  { number: 258, name: 'mkdirat', args: ['dirfd:dirfd', 'pathname:path', 'mode:mode'], handler: mkdirat, status: 'full' },
  { number: 259, name: 'mknodat', args: ['dirfd:dirfd', 'pathname:path', 'mode:mode', 'dev:uint'], handler: mknodat, status: 'full' },
  { number: 263, name: 'unlinkat', args: ['dirfd:dirfd', 'pathname:path', 'flags:flags(AT)'], handler: unlinkat, status: 'full' },
  { number: 264, name: 'renameat', args: ['olddirfd:dirfd', 'oldpath:path', 'newdirfd:dirfd', 'newpath:path'], handler: renameat, status: 'full' },
  {
    number: 265, name: 'linkat', args: ['olddirfd:dirfd', 'oldpath:path', 'newdirfd:dirfd', 'newpath:path', 'flags:flags(AT)'],
    handler: linkat, status: 'full',
  },
  { number: 266, name: 'symlinkat', args: ['target:string', 'newdirfd:dirfd', 'linkpath:path'], handler: symlinkat, status: 'full' },
  { number: 267, name: 'readlinkat', args: ['dirfd:dirfd', 'pathname:path', 'buf:out[3]', 'bufsiz:int'], handler: readlinkat, status: 'full' },
  {
    number: 316, name: 'renameat2', args: ['olddirfd:dirfd', 'oldpath:path', 'newdirfd:dirfd', 'newpath:path', 'flags:flags(RENAME)'],
    handler: renameat2, status: 'full',
  },
]
