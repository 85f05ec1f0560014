/** Mounting in steps: fsopen(2), fsconfig(2), fsmount(2), fspick(2), move_mount(2), open_tree(2), mount_setattr(2). */
import { E2BIG, EBADF, EBUSY, EINVAL, ENODEV, ENOENT, EOPNOTSUPP, EPERM } from '../abi/errno.ts'
import {
  AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_NOSYMFOLLOW, MS_PRIVATE, MS_RDONLY, MS_SHARED,
  MS_SLAVE, MS_STRICTATIME, MS_UNBINDABLE, O_CLOEXEC, O_PATH, O_RDWR, PATH_MAX,
} from '../abi/fcntl.ts'
import { int32, uint32, uint64 } from '../abi/numbers.ts'
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { getAnyFile, getFile, hasFreeDescriptor, installOrRelease, makeAnonymousFile, makeOpenFile } from '../fs/descriptor.ts'
import type { OpenFile } from '../fs/file.ts'
import { contextOf, createFileSystem, type MountContext, openMount, reconfigureFileSystem, setOther, setParameter, takesTextOnly } from '../fs/mount-context.ts'
import { copyPlace, FILE_SYSTEMS, FOR_USERS, isOurs, isWritten, mayMount, MOUNT_FLAGS, mountAt, moveMount, setPropagation } from '../fs/mounts.ts'
import { isTop, makeMount, type Mount } from '../fs/mount-tree.ts'
import { openPath } from '../fs/open.ts'
import { LOOKUP_EMPTY, LOOKUP_FOLLOW, type Place, readPath, resolve } from '../fs/path.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'

/** The flag of each of these calls that makes the descriptor close on execve. */
const CLOEXEC = 1

const makeContext = (kernel: Kernel, task: Task, type: string, phase: MountContext['phase'], root: MountContext['root'], flags: number, isCloexec: boolean): number => {
  const context: MountContext = { kind: 'mount-context', type, phase, source: '', flags, options: [], root }
  return installOrRelease(kernel, task, makeAnonymousFile(kernel, task, 'fscontext', 'anon_inode:[fscontext]', O_RDWR, context), isCloexec)
}

const fsopen = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = uint32(args[1])
  if (!mayMount(task)) return -EPERM
  if ((flags & ~CLOEXEC) !== 0) return -EINVAL
  const type = kernel.user(task).string(args[0], PATH_MAX)
  if (type === undefined) return -EINVAL
  if (!FILE_SYSTEMS.includes(type)) return -ENODEV
  if (!hasFreeDescriptor(task)) return -EBADF
  return makeContext(kernel, task, type, 'create', undefined, 0, (flags & CLOEXEC) !== 0)
}

const FSPICK_SYMLINK_NOFOLLOW = 2, FSPICK_NO_AUTOMOUNT = 4, FSPICK_EMPTY_PATH = 8

const fspick = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = uint32(args[2])
  if (!mayMount(task)) return -EPERM
  if ((flags & ~(CLOEXEC | FSPICK_SYMLINK_NOFOLLOW | FSPICK_NO_AUTOMOUNT | FSPICK_EMPTY_PATH)) !== 0) return -EINVAL
  const path = readPath(kernel, task, args[1])
  if (typeof path === 'number') return path
  const place = resolve(kernel, task, int32(args[0]), path, ((flags & FSPICK_SYMLINK_NOFOLLOW) === 0 ? LOOKUP_FOLLOW : 0) | ((flags & FSPICK_EMPTY_PATH) !== 0 ? LOOKUP_EMPTY : 0))
  if (typeof place === 'number') return place
  const mount = mountAt(place)
  if (mount === undefined) return -EINVAL
  const { superblock } = mount
  return makeContext(kernel, task, superblock.type, 'reconfigure', superblock.root, superblock.flags | (superblock.readOnly ? MS_RDONLY : 0), (flags & CLOEXEC) !== 0)
}

const SET_FLAG = 0, SET_STRING = 1, SET_BINARY = 2, SET_PATH = 3, SET_PATH_EMPTY = 4, SET_FD = 5, CMD_CREATE = 6, CMD_RECONFIGURE = 7
const KEY_LIMIT = 256, BINARY_LIMIT = 2 ** 20

const fsconfig = (kernel: Kernel, task: Task, args: Args): number => {
  const fd = int32(args[0]), command = uint32(args[1]), aux = int32(args[4])
  const hasKey = args[2] !== 0, hasValue = args[3] !== 0
  if (fd < 0) return -EINVAL
  switch (command) {
    case SET_FLAG: if (!hasKey || hasValue || aux !== 0) return -EINVAL; break
    case SET_STRING: if (!hasKey || !hasValue || aux !== 0) return -EINVAL; break
    case SET_BINARY: if (!hasKey || !hasValue || aux <= 0 || aux > BINARY_LIMIT) return -EINVAL; break
    case SET_PATH: case SET_PATH_EMPTY: if (!hasKey || !hasValue || (aux !== AT_FDCWD && aux < 0)) return -EINVAL; break
    case SET_FD: if (!hasKey || hasValue || aux < 0) return -EINVAL; break
    case CMD_CREATE: case CMD_RECONFIGURE: if (hasKey || hasValue || aux !== 0) return -EINVAL; break
    default: return -EOPNOTSUPP
  }
  const file = getFile(task, fd)
  if (file === undefined) return -EBADF
  if (file.kind !== 'fscontext') return -EINVAL
  const context = contextOf(file)
  if (takesTextOnly(context) && command >= SET_BINARY && command <= SET_FD) return -EOPNOTSUPP
  const user = kernel.user(task)
  const key = hasKey ? user.string(args[2], KEY_LIMIT) : ''
  if (key === undefined) return -EINVAL
  switch (command) {
    case SET_FLAG: return setParameter(context, key, undefined)
    case SET_STRING: {
      const value = user.string(args[3], KEY_LIMIT)
      return value === undefined ? -EINVAL : setParameter(context, key, value)
    }
    case CMD_CREATE:
      if (task.credentials.user.level > 0 && !FOR_USERS.includes(context.type)) return -EPERM
      return createFileSystem(kernel, task, context)
    case CMD_RECONFIGURE: return reconfigureFileSystem(kernel, context)
    default: return setOther(context, key)
  }
}

/** MOUNT_ATTR_*, and the flags of mounts that they stand for. Times of access are a field of two bits. */
const ATTR_FLAGS: readonly (readonly [attribute: number, flag: number])[] = [
  [1, MS_RDONLY], [2, MS_NOSUID], [4, MS_NODEV], [8, MS_NOEXEC], [0x80, MS_NODIRATIME], [0x20_0000, MS_NOSYMFOLLOW],
]
const ATTR_ATIME = 0x70, ATTR_NOATIME = 0x10, ATTR_STRICTATIME = 0x20, ATTR_IDMAP = 0x10_0000
const ATTR_VALID = ATTR_FLAGS.reduce((all, [attribute]) => all | attribute, ATTR_ATIME)

const flagsOfAttributes = (attributes: number): number => ATTR_FLAGS.reduce((flags, [attribute, flag]) => (attributes & attribute) !== 0 ? flags | flag : flags, 0)
/** −1: no such time. */
const flagOfAccessTime = (attributes: number): number => {
  switch (attributes & ATTR_ATIME) {
    case 0: return 0
    case ATTR_NOATIME: return MS_NOATIME
    case ATTR_STRICTATIME: return MS_STRICTATIME
    default: return -1
  }
}

const fsmount = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = uint32(args[1]), attributes = uint32(args[2])
  if (!mayMount(task)) return -EPERM
  if ((flags & ~CLOEXEC) !== 0 || (attributes & ~ATTR_VALID) !== 0) return -EINVAL
  const times = flagOfAccessTime(attributes)
  if (times < 0) return -EINVAL
  const file = getFile(task, int32(args[0]))
  if (file === undefined) return -EBADF
  if (file.kind !== 'fscontext') return -EINVAL
  const context = contextOf(file)
  if (context.root === undefined) return -EINVAL
  if (context.phase !== 'mount') return -EBUSY
  const { root } = context
  context.phase = 'done'
  const mount = makeMount(kernel.state.fs, root.superblock, root, flagsOfAttributes(attributes) | times | (task.credentials.user.level > 0 ? MS_NODEV : 0))
  return installOrRelease(kernel, task, openMount(kernel, mount), (flags & CLOEXEC) !== 0)
}

const MOVE_F_SYMLINKS = 1, MOVE_F_EMPTY = 4, MOVE_T_SYMLINKS = 0x10, MOVE_T_EMPTY = 0x40, MOVE_MASK = 0x77, MOVE_SET_GROUP = 0x100

const moveMountCall = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = uint32(args[4])
  if (!mayMount(task)) return -EPERM
  if ((flags & ~(MOVE_MASK | MOVE_SET_GROUP)) !== 0) return -EINVAL
  const find = (dirfd: number, address: number, follow: number, empty: number): Place | number => {
    const path = readPath(kernel, task, address)
    return typeof path === 'number' ? path
      : resolve(kernel, task, int32(dirfd), path, ((flags & follow) !== 0 ? LOOKUP_FOLLOW : 0) | ((flags & empty) !== 0 ? LOOKUP_EMPTY : 0))
  }
  const from = find(args[0], args[1], MOVE_F_SYMLINKS, MOVE_F_EMPTY)
  if (typeof from === 'number') return from
  const to = find(args[2], args[3], MOVE_T_SYMLINKS, MOVE_T_EMPTY)
  if (typeof to === 'number') return to
  if (from.inode === undefined || to.inode === undefined) return -ENOENT
  if ((flags & MOVE_SET_GROUP) !== 0) return setGroup(task, from, to)
  return moveMount(kernel, task, from, to)
}

/** MOVE_MOUNT_SET_GROUP: a private mount joins the peer group of another one of the same file system (do_set_group). */
const setGroup = (task: Task, from: Place, to: Place): number => {
  const source = mountAt(from), target = mountAt(to)
  if (source === undefined || target === undefined || !isOurs(task, target)) return -EINVAL
  if (source.superblock !== target.superblock || target.peers !== 0 || target.master !== 0 || (source.peers === 0 && source.master === 0)) return -EINVAL
  target.peers = source.peers
  target.master = source.master
  return 0
}

const AT_NO_AUTOMOUNT = 0x800, AT_RECURSIVE = 0x8000, OPEN_TREE_CLONE = 1

const openTree = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = uint32(args[2])
  if ((flags & ~(AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW | OPEN_TREE_CLONE | O_CLOEXEC)) !== 0) return -EINVAL
  const clones = (flags & OPEN_TREE_CLONE) !== 0
  if ((flags & AT_RECURSIVE) !== 0 && !clones) return -EINVAL
  if (clones && !mayMount(task)) return -EPERM
  const path = readPath(kernel, task, args[1])
  if (typeof path === 'number') return path
  const dirfd = int32(args[0])
  const place = resolve(kernel, task, dirfd, path, ((flags & AT_SYMLINK_NOFOLLOW) === 0 ? LOOKUP_FOLLOW : 0) | ((flags & AT_EMPTY_PATH) !== 0 ? LOOKUP_EMPTY : 0))
  if (typeof place === 'number') return place
  let file: OpenFile | number
  if (clones) {
    const copy = copyPlace(kernel, task, place, (flags & AT_RECURSIVE) !== 0)
    if (typeof copy === 'number') return copy
    file = openMount(kernel, copy)
  } else if (path === '' && dirfd !== AT_FDCWD) {
    const known = getAnyFile(task, dirfd)
    if (known === undefined) return -EBADF
    file = openAgain(kernel, known)
  } else file = openPath(kernel, task, dirfd, path === '' ? '.' : path, { flags: O_PATH, mode: 0, resolve: 0 })
  return typeof file === 'number' ? file : installOrRelease(kernel, task, file, (flags & O_CLOEXEC) !== 0)
}

/** What a descriptor stands for, once more with O_PATH. */
const openAgain = (kernel: Kernel, { inode, mount, path }: OpenFile): OpenFile => {
  const file = makeOpenFile(kernel, 'path', inode, path, O_PATH, undefined)
  file.mount = mount
  return file
}

const SETATTR_FLAGS = AT_EMPTY_PATH | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT
/** struct mount_attr: what is set, what is cleared, propagation, a user namespace for ids. */
const ATTR_SIZE = 32
const PROPAGATION = MS_UNBINDABLE | MS_PRIVATE | MS_SLAVE | MS_SHARED

const mountSetattr = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = uint32(args[2]), size = uint64(args[4])
  if ((flags & ~SETATTR_FLAGS) !== 0) return -EINVAL
  if (size > PAGE_SIZE) return -E2BIG
  if (size < ATTR_SIZE) return -EINVAL
  if (!mayMount(task)) return -EPERM
  const bytes = kernel.user(task).read(args[3], size)
  if (bytes.subarray(ATTR_SIZE).some((byte) => byte !== 0)) return -E2BIG
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const word = (at: number): readonly [low: number, high: number] => [view.getUint32(at, true), view.getUint32(at + 4, true)]
  const [set, setHigh] = word(0), [clear, clearHigh] = word(8), [propagation, propagationHigh] = word(16)
  if ((set | setHigh | clear | clearHigh | propagation | propagationHigh) === 0) return 0
  if ((propagation & ~PROPAGATION) !== 0 || propagationHigh !== 0 || (propagation & (propagation - 1)) !== 0) return -EINVAL
  if (((set | clear) & ~(ATTR_VALID | ATTR_IDMAP)) !== 0 || (setHigh | clearHigh) !== 0) return -EINVAL
  let times = -1
  if ((clear & ATTR_ATIME) !== 0) {
    times = flagOfAccessTime(set)
    if ((clear & ATTR_ATIME) !== ATTR_ATIME || times < 0) return -EINVAL
  } else if ((set & ATTR_ATIME) !== 0) return -EINVAL
  // No file system here has mounts with other ids.
  if (((set | clear) & ATTR_IDMAP) !== 0) return -EINVAL
  const path = readPath(kernel, task, args[1])
  if (typeof path === 'number') return path
  const place = resolve(kernel, task, int32(args[0]), path, ((flags & AT_SYMLINK_NOFOLLOW) === 0 ? LOOKUP_FOLLOW : 0) | ((flags & AT_EMPTY_PATH) !== 0 ? LOOKUP_EMPTY : 0))
  if (typeof place === 'number') return place
  const mount = mountAt(place)
  if (mount === undefined || (!isOurs(task, mount) && !(isTop(mount) && mount.namespace === undefined))) return -EINVAL
  const recursive = (flags & AT_RECURSIVE) !== 0
  const change = { set: flagsOfAttributes(set), clear: flagsOfAttributes(clear) | (times >= 0 ? MS_NOATIME | MS_STRICTATIME : 0), times: Math.max(times, 0) }
  const mounts = recursive ? withAllBelow(mount) : [mount]
  // All or none.
  for (const each of mounts) {
    if ((each.lockedFlags & change.clear & ~change.set) !== 0) return -EPERM
    if ((change.set & MS_RDONLY) !== 0 && (each.flags & MS_RDONLY) === 0 && isWritten(kernel, each.superblock)) return -EBUSY
  }
  for (const each of mounts) each.flags = ((each.flags & ~change.clear) | change.set | change.times) & MOUNT_FLAGS
  if (propagation !== 0) setPropagation(kernel, mount, propagation, recursive)
  return 0
}

const withAllBelow = (mount: Mount): Mount[] => [mount, ...mount.children.flatMap(withAllBelow)]

export const MOUNT_API_CALLS: readonly SyscallEntry[] = [
  { number: 428, name: 'open_tree', args: ['dirfd:dirfd', 'path:path', 'flags:uint'], handler: openTree, status: 'full' },
  { number: 429, name: 'move_mount', args: ['from_dfd:dirfd', 'from_path:path', 'to_dfd:dirfd', 'to_path:path', 'flags:uint'], handler: moveMountCall, status: 'full' },
  { number: 430, name: 'fsopen', args: ['fs_name:string', 'flags:uint'], handler: fsopen, status: 'full' },
  { number: 431, name: 'fsconfig', args: ['fd:fd', 'cmd:uint', 'key:string', 'value:pointer', 'aux:int'], handler: fsconfig, status: 'full' },
  { number: 432, name: 'fsmount', args: ['fs_fd:fd', 'flags:uint', 'attr_flags:uint'], handler: fsmount, status: 'full' },
  { number: 433, name: 'fspick', args: ['dirfd:dirfd', 'path:path', 'flags:uint'], handler: fspick, status: 'full' },
  { number: 442, name: 'mount_setattr', args: ['dirfd:dirfd', 'path:path', 'flags:uint', 'uattr:pointer', 'usize:size'], handler: mountSetattr, status: 'partial', note: 'no mounts with other ids: MOUNT_ATTR_IDMAP gives EINVAL' },
]
