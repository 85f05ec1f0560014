/** Extended attributes (xattr(7)): kept in memory with the inode, on file systems that hold files. */
import type { Mount } from '../fs/mount-tree.ts'
import { isReadOnly } from '../fs/mounts.ts'
import {
  E2BIG, EBADF, EEXIST, EINVAL, ENODATA, ENOENT, ENOSPC, EOPNOTSUPP, EPERM, ERANGE, EROFS,
} from '../abi/errno.ts'
import { CAP_SYS_ADMIN } from '../abi/capabilities.ts'
import { AT_FDCWD, XATTR_CREATE, XATTR_REPLACE } from '../abi/fcntl.ts'
import { int32, uint64, uint32 } from '../abi/numbers.ts'
import { ANONYMOUS_KINDS, getFile } from '../fs/descriptor.ts'
import type { FileKind } from '../fs/file.ts'
import { ensureAttributes, type Inode, now, S_IFDIR, S_IFREG, S_ISVTX, typeBits } from '../fs/inode.ts'
import { LOOKUP_FOLLOW, readPath, resolve } from '../fs/path.ts'
import { isProtected } from '../fs/inode-flags.ts'
import { capable, checkAccess, MAY_READ, MAY_WRITE, ownsInode } from '../fs/permissions.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'

const NAME_LIMIT = 255, SIZE_LIMIT = 65_536
/** What all attributes of an inode may take. */
const ROOM = 2 * SIZE_LIMIT

/** An attribute's name, or −ERANGE. */
const readName = (kernel: Kernel, task: Task, address: number): string | number => {
  const name = kernel.user(task).string(address, NAME_LIMIT + 1)
  return name === undefined || name === '' ? -ERANGE : name
}

const hasAttributes = (inode: Inode): boolean => (inode.superblock.kind === 'ramfs' && inode.superblock.type !== 'mqueue') || inode.superblock.kind === 'host' || inode.superblock.type === 'devtmpfs' ||
  (inode.superblock.kind === 'anonymous' && inode.kind === 'file' && inode.seals !== undefined)

const SPACES: readonly string[] = ['user', 'trusted', 'security']

/** 0 if the task may use such an attribute of the inode (xattr_permission). */
const checkName = (kernel: Kernel, task: Task, mount: Mount, inode: Inode, name: string, isWrite: boolean, kind?: FileKind): number => {
  const dot = name.indexOf('.')
  const space = dot < 0 ? '' : name.slice(0, dot)
  if (isWrite && isReadOnly(mount, inode.superblock)) return -EROFS
  if (isWrite && isProtected(inode)) return -EPERM
  const denied = checkSpace(kernel, task, inode, name, space, isWrite, kind)
  // The rest of the name is the handler's affair (xattr_resolve_name), after the permission.
  return denied === 0 && dot === name.length - 1 && SPACES.includes(space) && hasAttributes(inode) ? -EINVAL : denied
}

const checkSpace = (kernel: Kernel, task: Task, inode: Inode, name: string, space: string, isWrite: boolean, kind: FileKind | undefined): number => {
  if (space === 'trusted') return capable(task.credentials, CAP_SYS_ADMIN) ? 0 : isWrite ? -EPERM : -ENODATA
  if (space === 'user') {
    const type = inode.superblock.kind === 'anonymous' && !hasAttributes(inode) && kind !== 'pid' ? 0 : typeBits(inode)
    if (type !== S_IFREG && type !== S_IFDIR) return isWrite ? -EPERM : -ENODATA
    if (inode.kind === 'directory' && isWrite && (inode.mode & S_ISVTX) !== 0 && !ownsInode(kernel, task.credentials, inode)) return -EPERM
    return checkAccess(kernel, task.credentials, inode, isWrite ? MAY_WRITE : MAY_READ)
  }
  // Nobody is asked about the inode of event files (S_PRIVATE).
  if (space === 'security') return kind !== undefined && (ANONYMOUS_KINDS.has(kind) || kind === 'pid') ? -EOPNOTSUPP : isWrite && !capable(task.credentials, CAP_SYS_ADMIN) ? -EPERM : 0
  // Access control lists are not kept: there are none, and none can be set.
  if (space === 'system') return isWrite || !name.startsWith('system.posix_acl_') || !hasAttributes(inode) ? -EOPNOTSUPP : -ENODATA
  return checkAccess(kernel, task.credentials, inode, isWrite ? MAY_WRITE : MAY_READ) || -EOPNOTSUPP
}

/** Which inode: by path, by path without following a link, or by descriptor. */
type Finder = (kernel: Kernel, task: Task, argument: number) => { readonly mount: Mount, readonly inode: Inode | undefined, readonly kind?: FileKind } | number

const byPath = (lookup: number): Finder => (kernel, task, address) => {
  const path = readPath(kernel, task, address)
  return typeof path === 'number' ? path : resolve(kernel, task, AT_FDCWD, path, lookup)
}
const followed = byPath(LOOKUP_FOLLOW)
const unfollowed = byPath(0)
const byDescriptor: Finder = (_kernel, task, fd) => getFile(task, int32(fd)) ?? -EBADF

/** The inode of which the attribute is wanted, if the task may have that; or a negative errno. */
const inodeFor = (kernel: Kernel, task: Task, find: Finder, argument: number, name: string, isWrite: boolean): Inode | number => {
  const found = find(kernel, task, argument)
  if (typeof found === 'number') return found
  const { inode, mount, kind } = found
  if (inode === undefined) return -ENOENT
  if (isWrite) ensureAttributes(kernel, inode)
  const denied = checkName(kernel, task, mount, inode, name, isWrite, kind)
  if (denied !== 0) return denied
  return hasAttributes(inode) ? inode : -EOPNOTSUPP
}

const setAttribute = (find: Finder) => (kernel: Kernel, task: Task, args: Args): number => {
  const flags = uint32(args[4])
  if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) !== 0) return -EINVAL
  const name = readName(kernel, task, args[1])
  if (typeof name === 'number') return name
  const size = uint64(args[3])
  if (size > SIZE_LIMIT) return -E2BIG
  const value = kernel.user(task).read(args[2], size)
  const inode = inodeFor(kernel, task, find, args[0], name, true)
  if (typeof inode === 'number') return inode
  const exists = inode.xattrs?.has(name) === true
  if (exists && (flags & XATTR_CREATE) !== 0) return -EEXIST
  if (!exists && (flags & XATTR_REPLACE) !== 0) return -ENODATA
  inode.xattrs ??= new Map<string, Uint8Array>()
  let used = name.length + value.length
  for (const [other, bytes] of inode.xattrs) if (other !== name) used += other.length + bytes.length
  if (used > ROOM) return -ENOSPC
  inode.xattrs.set(name, value)
  inode.ctime = now(kernel)
  return 0
}

/** What listing the attributes of a socket shows: how the protocol is called is an attribute of it (net/socket.c). */
const SOCKET_NAME = 'system.sockprotoname'

const getAttribute = (find: Finder) => (kernel: Kernel, task: Task, args: Args): number => {
  const name = readName(kernel, task, args[1])
  if (typeof name === 'number') return name
  const inode = inodeFor(kernel, task, find, args[0], name, false)
  if (typeof inode === 'number') return inode
  const value = inode.xattrs?.get(name)
  if (value === undefined) return -ENODATA
  const size = uint64(args[3])
  if (size === 0) return value.length
  if (size < value.length) return -ERANGE
  kernel.user(task).write(args[2], value)
  return value.length
}

const listAttributes = (find: Finder) => (kernel: Kernel, task: Task, args: Args): number => {
  const found = find(kernel, task, args[0])
  if (typeof found === 'number') return found
  const { inode } = found
  if (inode === undefined) return -ENOENT
  let text = found.kind === 'socket' ? `${SOCKET_NAME}\0` : ''
  for (const name of inode.xattrs?.keys() ?? []) {
    if (!name.startsWith('trusted.') || capable(task.credentials, CAP_SYS_ADMIN)) text += `${name}\0`
  }
  const size = uint64(args[2])
  if (size === 0) return text.length
  if (size < text.length) return -ERANGE
  kernel.user(task).write(args[1], Uint8Array.from(text, (character) => character.charCodeAt(0)))
  return text.length
}

const removeAttribute = (find: Finder) => (kernel: Kernel, task: Task, args: Args): number => {
  const name = readName(kernel, task, args[1])
  if (typeof name === 'number') return name
  const inode = inodeFor(kernel, task, find, args[0], name, true)
  if (typeof inode === 'number') return inode
  if (inode.xattrs?.delete(name) !== true) return -ENODATA
  inode.ctime = now(kernel)
  return 0
}

const SET_ARGS = ['name:string', 'value:in[3]', 'size:size', 'flags:flags(XATTR)'] as const
const GET_ARGS = ['name:string', 'value:out[3]', 'size:size'] as const
const LIST_ARGS = ['list:out[2]', 'size:size'] as const

export const XATTR_CALLS: readonly SyscallEntry[] = [
  { number: 188, name: 'setxattr', args: ['path:path', ...SET_ARGS], handler: setAttribute(followed), status: 'full' },
  { number: 189, name: 'lsetxattr', args: ['path:path', ...SET_ARGS], handler: setAttribute(unfollowed), status: 'full' },
  { number: 190, name: 'fsetxattr', args: ['fd:fd', ...SET_ARGS], handler: setAttribute(byDescriptor), status: 'full' },
  { number: 191, name: 'getxattr', args: ['path:path', ...GET_ARGS], handler: getAttribute(followed), status: 'full' },
  { number: 192, name: 'lgetxattr', args: ['path:path', ...GET_ARGS], handler: getAttribute(unfollowed), status: 'full' },
  { number: 193, name: 'fgetxattr', args: ['fd:fd', ...GET_ARGS], handler: getAttribute(byDescriptor), status: 'full' },
  { number: 194, name: 'listxattr', args: ['path:path', ...LIST_ARGS], handler: listAttributes(followed), status: 'full' },
  { number: 195, name: 'llistxattr', args: ['path:path', ...LIST_ARGS], handler: listAttributes(unfollowed), status: 'full' },
  { number: 196, name: 'flistxattr', args: ['fd:fd', ...LIST_ARGS], handler: listAttributes(byDescriptor), status: 'full' },
  { number: 197, name: 'removexattr', args: ['path:path', 'name:string'], handler: removeAttribute(followed), status: 'full' },
  { number: 198, name: 'lremovexattr', args: ['path:path', 'name:string'], handler: removeAttribute(unfollowed), status: 'full' },
  { number: 199, name: 'fremovexattr', args: ['fd:fd', 'name:string'], handler: removeAttribute(byDescriptor), status: 'full' },
]
