/** Opening files, their size and allocation, and what synchronizes them with a disk that is not there. */
import { OutOfFrames } from '../../emu/memory.ts'
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import {
  E2BIG, EBADF, EFBIG, EINVAL, EISDIR, ENODEV, ENOENT, ENOSPC, EOPNOTSUPP, EPERM, EROFS, ESPIPE, ETXTBSY,
} from '../abi/errno.ts'
import {
  AT_FDCWD, F_SEAL_EXEC, F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE, FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_UNSHARE_RANGE, FALLOC_FL_WRITE_ZEROES, FALLOC_FL_ZERO_RANGE, MFD_ALLOW_SEALING, MFD_CLOEXEC, MFD_EXEC, MFD_HUGETLB,
  MFD_NOEXEC_SEAL, O_CREAT, O_LARGEFILE, O_PATH, O_RDWR, O_TRUNC, O_WRONLY,
} from '../abi/fcntl.ts'
import { int32, uint32, uint64 } from '../abi/numbers.ts'
import { RLIMIT_FSIZE } from '../abi/resources.ts'
import { SIGXFSZ } from '../abi/signals.ts'
import { getFile, installOrRelease } from '../fs/descriptor.ts'
import { type OpenFile, REGULAR_KINDS } from '../fs/file.ts'
import { isAppendOnly, isImmutable } from '../fs/inode-flags.ts'
import { type FileInode, inodeSize, isNameless, makeFile, pageFrame, reservePages, touchModified, zeroRange } from '../fs/inode.ts'
import { breakLeases } from '../fs/leases.ts'
import { isReadOnly, syncInode, syncVolumes } from '../fs/mounts.ts'
import { checkFlags, checkHow, makeMemoryFile, openDescriptor, plainHow } from '../fs/open.ts'
import { LOOKUP_FOLLOW, readPath, resolve } from '../fs/path.ts'
import { checkAccess, dropSetId, MAY_WRITE } from '../fs/permissions.ts'
import { isExecuting, MAX_FILE_SIZE, setSize, unmapFileRange } from '../fs/regular.ts'
import type { Kernel } from '../kernel.ts'
import { beforeContent, synchronize } from '../plan/durability.ts'
import { sendSignal, userInfo } from '../signal/send.ts'
import type { Task } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'
import { isReadable, isWritable } from './transfer.ts'

const openWith = (kernel: Kernel, task: Task, dirfd: number, address: number, flags: number, mode: number): number => {
  const how = plainHow(flags, mode)
  const invalid = checkFlags(how.flags)
  if (invalid !== 0) return invalid
  const path = readPath(kernel, task, address)
  return typeof path === 'number' ? path : openDescriptor(kernel, task, dirfd, path, how)
}

const open = (kernel: Kernel, task: Task, args: Args): number => openWith(kernel, task, AT_FDCWD, args[0], int32(args[1]), uint32(args[2]))
const openat = (kernel: Kernel, task: Task, args: Args): number =>
  openWith(kernel, task, int32(args[0]), args[1], int32(args[2]), uint32(args[3]))
const creat = (kernel: Kernel, task: Task, args: Args): number =>
  openWith(kernel, task, AT_FDCWD, args[0], O_CREAT | O_WRONLY | O_TRUNC, uint32(args[1]))

const HOW_SIZE = 24

const openat2 = (kernel: Kernel, task: Task, args: Args): number => {
  const size = uint64(args[3])
  if (size < HOW_SIZE) return -EINVAL
  if (size > PAGE_SIZE) return -E2BIG
  const user = kernel.user(task)
  const bytes = user.read(args[2], size)
  const view = new DataView(bytes.buffer)
  // Fields of a later Linux must be zero.
  for (let at = HOW_SIZE; at < size; at++) if (bytes[at] !== 0) return -E2BIG
  const wide = view.getUint32(4, true) !== 0 || view.getUint32(12, true) !== 0 || view.getUint32(20, true) !== 0
  const flags = view.getInt32(0, true)
  const mode = view.getUint32(8, true)
  const resolve = view.getInt32(16, true)
  const invalid = wide ? -EINVAL : checkHow(flags, mode, resolve) || checkFlags(flags)
  if (invalid !== 0) return invalid
  const path = readPath(kernel, task, args[1])
  if (typeof path === 'number') return path
  return openDescriptor(kernel, task, int32(args[0]), path, { flags: (flags & O_PATH) !== 0 ? flags : flags | O_LARGEFILE, mode, resolve })
}

// ——— Size ———

/** Whether the limit on file sizes lets a file have the size: 0 or a negative errno (inode_newsize_ok). */
const checkSize = (kernel: Kernel, task: Task, inode: FileInode, size: number): number => {
  if (size <= inodeSize(kernel, inode)) return 0
  if (size > task.group.limits[RLIMIT_FSIZE][0]) {
    sendSignal(kernel, task, SIGXFSZ, userInfo(SIGXFSZ, task))
    return -EFBIG
  }
  return size > MAX_FILE_SIZE ? -EFBIG : 0
}

const truncate = (kernel: Kernel, task: Task, args: Args): number => {
  const size = args[1]
  if (size < 0) return -EINVAL
  const path = readPath(kernel, task, args[0])
  if (typeof path === 'number') return path
  const place = resolve(kernel, task, AT_FDCWD, path, LOOKUP_FOLLOW)
  if (typeof place === 'number') return place
  const { inode, mount } = place
  if (inode?.kind === 'directory') return -EISDIR
  if (inode?.kind !== 'file' || isNameless(inode)) return -EINVAL
  if (isReadOnly(mount, inode.superblock)) return -EROFS
  const denied = checkAccess(kernel, task.credentials, inode, MAY_WRITE)
  if (denied !== 0) return denied
  if (isAppendOnly(inode)) return -EPERM
  if (isExecuting(kernel, inode)) return -ETXTBSY
  const breaking = breakLeases(kernel, task, inode, O_WRONLY)
  if (breaking !== 0) return breaking
  const tooBig = checkSize(kernel, task, inode, size)
  if (tooBig !== 0) return tooBig
  setSize(kernel, task, inode, size)
  return 0
}

/** Seals that forbid the new size. */
const isSealedAgainst = (kernel: Kernel, inode: FileInode, size: number): boolean => {
  const seals = inode.seals ?? 0
  const old = inodeSize(kernel, inode)
  return (size < old && (seals & F_SEAL_SHRINK) !== 0) || (size > old && (seals & F_SEAL_GROW) !== 0)
}

const ftruncate = (kernel: Kernel, task: Task, args: Args): number => {
  const size = args[1]
  if (size < 0) return -EINVAL
  const file = getFile(task, int32(args[0]))
  if (file === undefined) return -EBADF
  const { inode } = file
  if (file.kind === 'pid') return -EOPNOTSUPP
  if ((file.kind !== 'regular' && file.kind !== 'mqueue') || inode.kind !== 'file' || !isWritable(file)) return -EINVAL
  if (isAppendOnly(inode)) return -EPERM
  const tooBig = checkSize(kernel, task, inode, size)
  if (tooBig !== 0) return tooBig
  if (isSealedAgainst(kernel, inode, size)) return -EPERM
  setSize(kernel, task, inode, size)
  return 0
}

// ——— fallocate ———

const FALLOC_SUPPORTED = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_ZERO_RANGE |
  FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_WRITE_ZEROES

/** Which combinations make sense (vfs_fallocate). */
const checkMode = (mode: number): number => {
  if ((mode & ~FALLOC_SUPPORTED) !== 0) return -EOPNOTSUPP
  switch (mode & ~FALLOC_FL_KEEP_SIZE) {
    case 0: case FALLOC_FL_ZERO_RANGE: return 0
    case FALLOC_FL_PUNCH_HOLE: return (mode & FALLOC_FL_KEEP_SIZE) !== 0 ? 0 : -EOPNOTSUPP
    case FALLOC_FL_COLLAPSE_RANGE: case FALLOC_FL_INSERT_RANGE: case FALLOC_FL_WRITE_ZEROES: return (mode & FALLOC_FL_KEEP_SIZE) !== 0 ? -EOPNOTSUPP : 0
    case FALLOC_FL_UNSHARE_RANGE: return 0
    default: return -EOPNOTSUPP
  }
}

const allocatePages = (kernel: Kernel, inode: FileInode, offset: number, length: number): number => {
  const first = Math.floor(offset / PAGE_SIZE)
  const last = Math.ceil((offset + length) / PAGE_SIZE)
  const free = kernel.memory.frameLimit - kernel.memory.framesInUse - (inode.reserved?.size ?? 0)
  if (last - first - inode.pages.size > free) return -ENOSPC
  return reservePages(inode, first, last) ? 0 : -ENOSPC
}

/** Gives the pages behind the piece other places; false if memory is full. */
const shiftPages = (kernel: Kernel, inode: FileInode, offset: number, length: number, isInsert: boolean): boolean => {
  const from = offset / PAGE_SIZE
  const count = length / PAGE_SIZE
  try {
    // The host's pages can't move: they become pages in memory.
    for (let index = from; index * PAGE_SIZE < inode.hostSize; index++) pageFrame(kernel, inode, index, true)
  } catch (error) {
    if (error instanceof OutOfFrames) return false
    throw error
  }
  inode.hostSize = Math.min(inode.hostSize, offset)
  const pages = [...inode.pages]
  inode.pages.clear()
  for (const [index, frame] of pages) {
    if (index < from) inode.pages.set(index, frame)
    else if (isInsert) inode.pages.set(index + count, frame)
    else if (index >= from + count) inode.pages.set(index - count, frame)
    else kernel.memory.release(frame)
  }
  const { reserved } = inode
  inode.reserved = undefined
  for (const index of reserved ?? []) {
    if (index < from) reservePages(inode, index, index + 1)
    else if (isInsert) reservePages(inode, index + count, index + count + 1)
    else if (index >= from + count) reservePages(inode, index - count, index - count + 1)
  }
  inode.size += isInsert ? length : -length
  return true
}

/** Takes out or puts in a piece in the middle: what is behind moves. */
const shiftRange = (kernel: Kernel, inode: FileInode, offset: number, length: number, isInsert: boolean): number => {
  if (offset % PAGE_SIZE !== 0 || length % PAGE_SIZE !== 0) return -EINVAL
  const { size } = inode
  if (isInsert ? offset >= size : offset + length >= size) return -EINVAL
  if (isInsert && size + length > MAX_FILE_SIZE) return -EFBIG
  if (!shiftPages(kernel, inode, offset, length, isInsert)) return -ENOSPC
  unmapFileRange(kernel, inode, offset, Infinity)
  return 0
}

/** It can make holes and set space aside, and no more (shmem_fallocate). */
const isTmpfs = (inode: FileInode): boolean => inode.superblock.type === 'tmpfs' || inode.seals !== undefined

const fallocate = (kernel: Kernel, task: Task, args: Args): number => {
  const offset = args[2]
  const length = args[3]
  const mode = int32(args[1])
  const file = getFile(task, int32(args[0]))
  if (file === undefined) return -EBADF
  if (offset < 0 || length <= 0) return -EINVAL
  const invalid = checkMode(mode)
  if (invalid !== 0) return invalid
  if (!isWritable(file)) return -EBADF
  if (kernel.state.durability !== undefined && file.inode.kind === 'file') beforeContent(kernel, file.inode)
  if (file.kind === 'pipe') return -ESPIPE
  if (file.kind === 'directory') return -EISDIR
  const { inode } = file
  if (file.kind !== 'regular' || inode.kind !== 'file') return REGULAR_KINDS.has(file.kind) || file.kind === 'pid' ? -EOPNOTSUPP : -ENODEV
  const end = offset + length
  if (isImmutable(inode) || (isAppendOnly(inode) && (mode & ~FALLOC_FL_KEEP_SIZE) !== 0)) return -EPERM
  // ext2 knows nothing of it.
  if (inode.superblock.volume !== undefined) return -EOPNOTSUPP
  const seals = inode.seals ?? 0
  const size = inodeSize(kernel, inode)
  const operation = mode & ~FALLOC_FL_KEEP_SIZE
  if (operation !== 0 && operation !== FALLOC_FL_PUNCH_HOLE && isTmpfs(inode)) return -EOPNOTSUPP
  if (end > MAX_FILE_SIZE) return -EFBIG
  // That is for disks that can be told to.
  if (operation === FALLOC_FL_WRITE_ZEROES) return -EOPNOTSUPP
  if (operation === FALLOC_FL_COLLAPSE_RANGE || operation === FALLOC_FL_INSERT_RANGE) {
    const error = shiftRange(kernel, inode, offset, length, operation === FALLOC_FL_INSERT_RANGE)
    if (error !== 0) return error
  } else if (operation === FALLOC_FL_PUNCH_HOLE) {
    if ((seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) return -EPERM
    unmapFileRange(kernel, inode, offset, end)
    zeroRange(kernel, inode, offset, length)
  } else {
    const grows = (mode & FALLOC_FL_KEEP_SIZE) === 0 && end > size
    if (grows) {
      const tooBig = checkSize(kernel, task, inode, end)
      if (tooBig !== 0) return tooBig
      if ((seals & F_SEAL_GROW) !== 0) return -EPERM
    }
    if (operation === FALLOC_FL_ZERO_RANGE) zeroRange(kernel, inode, offset, length)
    const error = allocatePages(kernel, inode, offset, length)
    if (error !== 0) return error
    if (grows) inode.size = end
  }
  dropSetId(task, inode)
  touchModified(kernel, inode)
  return 0
}

// ——— Synchronizing: all is in memory, but for images of ext2 that are written back ———

const isSynchronizable = (file: OpenFile): boolean => file.kind === 'regular' || file.kind === 'directory' || file.kind === 'loop'

const fsync = (kernel: Kernel, task: Task, args: Args): number => {
  const file = getFile(task, int32(args[0]))
  if (file === undefined) return -EBADF
  if (!isSynchronizable(file)) return -EINVAL
  synchronize(kernel, file.inode)
  return syncInode(kernel, file.inode)
}

const syncfs = (kernel: Kernel, task: Task, args: Args): number => {
  const file = getFile(task, int32(args[0]))
  return file === undefined ? -EBADF : syncVolumes(kernel, file.inode.superblock)
}

const sync = (kernel: Kernel): number => {
  synchronize(kernel)
  syncVolumes(kernel)
  return 0
}

const SYNC_FILE_RANGE_FLAGS = 7

const syncFileRange = (_kernel: Kernel, task: Task, args: Args): number => {
  const file = getFile(task, int32(args[0]))
  if (file === undefined) return -EBADF
  if ((uint32(args[3]) & ~SYNC_FILE_RANGE_FLAGS) !== 0 || args[1] < 0 || args[2] < 0 || args[1] + args[2] >= 2 ** 63) return -EINVAL
  return isSynchronizable(file) || REGULAR_KINDS.has(file.kind) || file.kind === 'pid' ? 0 : -ESPIPE
}

const readahead = (_kernel: Kernel, task: Task, args: Args): number => {
  const file = getFile(task, int32(args[0]))
  if (file === undefined || !isReadable(file)) return -EBADF
  // The offset may be anything, the length is signed (vfs_fadvise).
  return REGULAR_KINDS.has(file.kind) && args[2] >= 0 ? 0 : -EINVAL
}

const LAST_ADVICE = 5

const fadvise64 = (_kernel: Kernel, task: Task, args: Args): number => {
  const file = getFile(task, int32(args[0]))
  if (file === undefined) return -EBADF
  if (file.kind === 'pipe' || (file.kind === 'stream' && file.inode.kind === 'fifo')) return -ESPIPE
  if (args[2] < 0) return -EINVAL
  return uint32(args[3]) > LAST_ADVICE ? -EINVAL : 0
}

// ——— memfd_create ———

const MFD_ALL = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC
/** MFD_HUGE_MASK << MFD_HUGE_SHIFT. */
const MFD_HUGE_SIZE = 0xfc00_0000
/** NAME_MAX less 'memfd:'. */
const MEMFD_NAME_LIMIT = 249

const memfdCreate = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = uint32(args[1])
  if ((flags & ~((flags & MFD_HUGETLB) === 0 ? MFD_ALL : MFD_ALL | MFD_HUGETLB | MFD_HUGE_SIZE)) !== 0) return -EINVAL
  if ((flags & MFD_EXEC) !== 0 && (flags & MFD_NOEXEC_SEAL) !== 0) return -EINVAL
  const name = kernel.user(task).string(args[0], MEMFD_NAME_LIMIT + 1)
  if (name === undefined) return -EINVAL
  // No huge pages are set aside.
  if ((flags & MFD_HUGETLB) !== 0) return -ENOENT
  const { fsuid, fsgid } = task.credentials
  const isNoExec = (flags & MFD_NOEXEC_SEAL) !== 0
  const inode = makeFile(kernel, kernel.state.fs.anonymous, isNoExec ? 0o666 : 0o777, fsuid, fsgid)
  inode.nlink = 0
  inode.seals = (isNoExec ? F_SEAL_EXEC : 0) | ((flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL)) !== 0 ? 0 : F_SEAL_SEAL)
  const file = makeMemoryFile(kernel, inode, `/memfd:${name} (deleted)`, O_RDWR | O_LARGEFILE)
  return installOrRelease(kernel, task, file, (flags & MFD_CLOEXEC) !== 0)
}

export const FILE_CALLS: readonly SyscallEntry[] = [
  { number: 2, name: 'open', args: ['pathname:path', 'flags:flags(O)', 'mode:mode'], handler: open, status: 'full' },
  { number: 74, name: 'fsync', args: ['fd:fd'], handler: fsync, status: 'full' },
  { number: 75, name: 'fdatasync', args: ['fd:fd'], handler: fsync, status: 'full' },
  { number: 76, name: 'truncate', args: ['path:path', 'length:offset'], handler: truncate, status: 'full' },
  { number: 77, name: 'ftruncate', args: ['fd:fd', 'length:offset'], handler: ftruncate, status: 'full' },
  { number: 85, name: 'creat', args: ['pathname:path', 'mode:mode'], handler: creat, status: 'full' },
  { number: 162, name: 'sync', args: [], handler: sync, status: 'full' },
  { number: 187, name: 'readahead', args: ['fd:fd', 'offset:offset', 'count:size'], handler: readahead, status: 'full' },
  { number: 221, name: 'fadvise64', args: ['fd:fd', 'offset:offset', 'len:size', 'advice:enum(POSIX_FADV)'], handler: fadvise64, status: 'full' },
  { number: 257, name: 'openat', args: ['dirfd:dirfd', 'pathname:path', 'flags:flags(O)', 'mode:mode'], handler: openat, status: 'full' },
  {
    number: 277, name: 'sync_file_range', args: ['fd:fd', 'offset:offset', 'nbytes:offset', 'flags:flags(SYNC_FILE_RANGE)'],
    handler: syncFileRange, status: 'full',
  },
  { number: 285, name: 'fallocate', args: ['fd:fd', 'mode:flags(FALLOC_FL)', 'offset:offset', 'len:offset'], handler: fallocate, status: 'full' },
  { number: 306, name: 'syncfs', args: ['fd:fd'], handler: syncfs, status: 'full' },
  {
    number: 319, name: 'memfd_create', args: ['name:string', 'flags:flags(MFD)'], handler: memfdCreate, status: 'partial',
    note: 'MFD_HUGETLB: no huge pages',
  },
  {
    number: 437, name: 'openat2', args: ['dirfd:dirfd', 'pathname:path', 'how:struct(open_how)', 'size:size'], handler: openat2, status: 'partial',
    note: 'RESOLVE_CACHED is accepted and means nothing',
  },
]
