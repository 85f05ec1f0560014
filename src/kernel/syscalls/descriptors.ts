/** Descriptors: close, dup, fcntl, flock. */
import { EBADF, EBUSY, EINVAL, EMFILE, EPERM, ESRCH } from '../abi/errno.ts'
import {
  F_ADD_SEALS, F_DUPFD, F_DUPFD_CLOEXEC, F_DUPFD_QUERY, F_CREATED_QUERY, F_GET_RW_HINT, F_GET_SEALS, F_GETFD, F_GETFL, F_GETLEASE, F_GETLK, F_GETOWN,
  F_GETOWN_EX, F_GETOWNER_UIDS, F_GETPIPE_SZ, F_GETSIG, F_NOTIFY, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_OWNER_PGRP, F_OWNER_PID, F_OWNER_TID,
  F_SEAL_EXEC, F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE, F_SET_RW_HINT, F_SETFD,
  F_SETFL, F_SETLEASE, F_SETLK, F_SETLKW, F_SETOWN, F_SETOWN_EX, F_SETPIPE_SZ, F_SETSIG, FD_CLOEXEC, O_ASYNC, LOCK_MAND, LOCK_EX, LOCK_NB,
  LOCK_SH, LOCK_UN, O_ACCMODE, O_APPEND, O_CLOEXEC, O_DIRECT, O_NOATIME, O_NONBLOCK,
} from '../abi/fcntl.ts'
import { int32, uint32 } from '../abi/numbers.ts'
import { RLIMIT_NOFILE } from '../abi/resources.ts'
import { SIGNAL_COUNT } from '../abi/signals.ts'
import {
  closeDescriptor, getAnyFile, getFile, installFile, releaseFile, replaceDescriptor, retainFile, unshareDescriptors,
} from '../fs/descriptor.ts'
import { setAsync } from '../fs/async-io.ts'
import { watchDirectory } from '../fs/directory-watch.ts'
import { getLease, setLease } from '../fs/leases.ts'
import type { OpenFile } from '../fs/file.ts'
import { getRecordLock, setFlock, setRecordLock } from '../fs/locks.ts'
import { ownsInode } from '../fs/permissions.ts'
import { pipeOf, pipeSize, setPipeSize } from '../fs/pipe.ts'
import { isMappedWritable } from '../fs/regular.ts'
import type { Kernel } from '../kernel.ts'
import { VMA_MAYWRITE, VMA_SHARED } from '../mm/address-space.ts'
import { kernelPid, seenBy } from '../task/pid-namespace.ts'
import type { Task } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'
import { isWritable } from './transfer.ts'

const close = (kernel: Kernel, task: Task, args: Args): number => closeDescriptor(kernel, task, int32(args[0]))

const CLOSE_RANGE_UNSHARE = 2, CLOSE_RANGE_CLOEXEC = 4

const closeRange = (kernel: Kernel, task: Task, args: Args): number => {
  const first = uint32(args[0])
  const last = uint32(args[1])
  const flags = uint32(args[2])
  if ((flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) !== 0 || first > last) return -EINVAL
  if ((flags & CLOSE_RANGE_UNSHARE) !== 0) unshareDescriptors(kernel, task)
  const { slots } = task.files
  for (let fd = first; fd <= last && fd < slots.length; fd++) {
    const slot = slots[fd]
    if (slot === undefined) continue
    if ((flags & CLOSE_RANGE_CLOEXEC) !== 0) slot.closeOnExec = true
    else closeDescriptor(kernel, task, fd)
  }
  return 0
}

/** A second descriptor for the file, at `minimum` or above. */
const duplicate = (kernel: Kernel, task: Task, file: OpenFile, closeOnExec: boolean, minimum: number): number => {
  retainFile(file)
  const fd = installFile(kernel, task, file, closeOnExec, minimum)
  if (fd < 0) releaseFile(kernel, file)
  return fd
}

const dup = (kernel: Kernel, task: Task, args: Args): number => {
  const file = getAnyFile(task, int32(args[0]))
  return file === undefined ? -EBADF : duplicate(kernel, task, file, false, 0)
}

const duplicateTo = (kernel: Kernel, task: Task, oldFd: number, newFd: number, flags: number): number => {
  if (newFd < 0 || newFd >= task.group.limits[RLIMIT_NOFILE][0]) return -EBADF
  const file = getAnyFile(task, oldFd)
  if (file === undefined) return -EBADF
  replaceDescriptor(kernel, task, file, newFd, (flags & O_CLOEXEC) !== 0)
  return newFd
}

const dup2 = (kernel: Kernel, task: Task, args: Args): number => {
  const oldFd = int32(args[0])
  const newFd = int32(args[1])
  if (oldFd === newFd) return getAnyFile(task, oldFd) === undefined ? -EBADF : oldFd
  return duplicateTo(kernel, task, oldFd, newFd, 0)
}

const dup3 = (kernel: Kernel, task: Task, args: Args): number => {
  const oldFd = int32(args[0])
  const newFd = int32(args[1])
  const flags = int32(args[2])
  if ((flags & ~O_CLOEXEC) !== 0 || oldFd === newFd) return -EINVAL
  return duplicateTo(kernel, task, oldFd, newFd, flags)
}

// ——— fcntl ———

const SETTABLE_FLAGS = O_APPEND | O_DIRECT | O_NOATIME | O_NONBLOCK

/** Pipes' packets, or a file system that has direct access (FMODE_CAN_ODIRECT); it is given when a file is opened, which a memfd is not. */
const canBeDirect = ({ kind, inode }: OpenFile): boolean =>
  kind === 'pipe' || inode.kind === 'fifo' || inode.kind === 'block' || (kind === 'regular' && inode.kind === 'file' && inode.seals === undefined)

const setFlags = (kernel: Kernel, task: Task, file: OpenFile, fd: number, flags: number): number => {
  if ((flags & ~file.flags & O_NOATIME) !== 0 && !ownsInode(kernel, task.credentials, file.inode)) return -EPERM
  if ((flags & O_DIRECT) !== 0 && !canBeDirect(file)) return -EINVAL
  file.flags = (file.flags & ~SETTABLE_FLAGS) | (flags & SETTABLE_FLAGS)
  setAsync(kernel, file, fd, (flags & O_ASYNC) !== 0)
  return 0
}

const processExists = (kernel: Kernel, owner: number): boolean => {
  if (owner > 0) return kernel.state.tasks.has(owner) || kernel.state.groups.has(owner)
  return kernel.state.processGroups.members.has(-owner)
}

/** The owner, 0 if it is gone, or a process group that never was (f_getown). */
const livingOwner = (kernel: Kernel, { owner }: OpenFile): number => owner !== 0 && processExists(kernel, owner) ? owner : 0

const INT_MIN = -0x8000_0000

/** Who gets SIGIO: a process, or a process group as a negative number. */
const setOwner = (kernel: Kernel, task: Task, file: OpenFile, number: number): number => {
  if (number === INT_MIN) return -EINVAL
  const owner = fromNumber(task, number)
  if (owner !== 0 && !processExists(kernel, owner) && !processExists(kernel, -owner)) return -ESRCH
  file.owner = owner
  file.ownerType = owner < 0 ? F_OWNER_PGRP : F_OWNER_PID
  return 0
}

/** Numbers of processes, and those of groups as negative ones, are the caller's. */
const fromNumber = (task: Task, number: number): number =>
  number === 0 ? 0 : number > 0 ? kernelPid(task.namespaces.pid, number) : -kernelPid(task.namespaces.pid, -number)

const setOwnerEx = (kernel: Kernel, task: Task, file: OpenFile, address: number): number => {
  const user = kernel.user(task)
  const type = user.i32(address)
  const pid = user.i32(address + 4)
  if (type !== F_OWNER_TID && type !== F_OWNER_PID && type !== F_OWNER_PGRP) return -EINVAL
  const owner = fromNumber(task, type === F_OWNER_PGRP ? -pid : pid)
  // A number that somebody has will do, whoever it is of (find_vpid).
  if (pid !== 0 && !processExists(kernel, owner) && !processExists(kernel, -owner)) return -ESRCH
  file.owner = owner
  file.ownerType = type
  return 0
}

const SEALS_ALL = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | F_SEAL_EXEC

/** Files of a tmpfs have seals, too, but for memfds the one against sealing. */
const sealsOf = ({ inode }: OpenFile): number =>
  inode.kind !== 'file' ? -EINVAL : inode.seals ?? (inode.superblock.type === 'tmpfs' ? F_SEAL_SEAL : -EINVAL)

const addSeals = (kernel: Kernel, file: OpenFile, seals: number): number => {
  const { inode } = file
  if (!isWritable(file)) return -EPERM
  if ((seals & ~SEALS_ALL) !== 0) return -EINVAL
  const current = sealsOf(file)
  if (current < 0) return current
  if ((current & F_SEAL_SEAL) !== 0 || inode.kind !== 'file' || inode.seals === undefined) return -EPERM
  // An executable that can't change needs no more writing (F_SEAL_EXEC).
  const implied = (seals & F_SEAL_EXEC) !== 0 && (inode.mode & 0o111) !== 0 ? F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE : 0
  const added = (seals | implied) & ~inode.seals
  if ((added & F_SEAL_WRITE) !== 0 && isMappedWritable(kernel, inode, VMA_SHARED | VMA_MAYWRITE)) return -EBUSY
  inode.seals |= added
  return 0
}

const LAST_RW_HINT = 5

const fcntl = (kernel: Kernel, task: Task, args: Args): number => {
  const fd = int32(args[0])
  const command = uint32(args[1])
  const argument = args[2]
  const slot = task.files.slots[fd]
  if (slot === undefined) return -EBADF
  const { file } = slot
  switch (command) {
    case F_DUPFD: case F_DUPFD_CLOEXEC: {
      const minimum = uint32(argument)
      if (minimum >= task.group.limits[RLIMIT_NOFILE][0]) return -EINVAL
      const made = duplicate(kernel, task, file, command === F_DUPFD_CLOEXEC, minimum)
      return made < 0 ? -EMFILE : made
    }
    case F_GETFD: return slot.closeOnExec ? FD_CLOEXEC : 0
    case F_SETFD:
      slot.closeOnExec = (argument & FD_CLOEXEC) !== 0
      return 0
    case F_GETFL: return file.flags
    case F_CREATED_QUERY: return 0
    case F_DUPFD_QUERY: return getAnyFile(task, int32(argument)) === undefined ? -EBADF : getAnyFile(task, int32(argument)) === file ? 1 : 0
  }
  if (file.kind === 'path') return -EBADF
  const user = kernel.user(task)
  switch (command) {
    case F_SETFL: return setFlags(kernel, task, file, fd, int32(argument))
    case F_GETLK: case F_OFD_GETLK: return getRecordLock(kernel, task, file, argument, command === F_OFD_GETLK)
    case F_SETLK: case F_SETLKW: case F_OFD_SETLK: case F_OFD_SETLKW: return setRecordLock(kernel, task, file, command, argument)
    case F_GETOWN: return seenBy(task, livingOwner(kernel, file))
    case F_SETOWN: return setOwner(kernel, task, file, int32(argument))
    case F_GETOWN_EX:
      user.setU32(argument, file.ownerType)
      user.setU32(argument + 4, Math.abs(seenBy(task, livingOwner(kernel, file))))
      return 0
    case F_SETOWN_EX: return setOwnerEx(kernel, task, file, argument)
    case F_GETOWNER_UIDS:
      user.setU32(argument, task.credentials.uid)
      user.setU32(argument + 4, task.credentials.euid)
      return 0
    case F_GETSIG: return file.ownerSignal
    case F_SETSIG:
      if (argument < 0 || argument > SIGNAL_COUNT) return -EINVAL
      file.ownerSignal = argument
      return 0
    case F_GETLEASE: return getLease(kernel, file)
    case F_SETLEASE: return setLease(kernel, task, file, fd, int32(argument))
    case F_NOTIFY: return watchDirectory(kernel, task, file, fd, uint32(argument))
    case F_SETPIPE_SZ: return file.kind === 'pipe' ? setPipeSize(kernel, task, pipeOf(file), uint32(argument)) : -EBADF
    case F_GETPIPE_SZ: return file.kind === 'pipe' ? pipeSize(pipeOf(file)) : -EBADF
    case F_ADD_SEALS: return addSeals(kernel, file, uint32(argument))
    case F_GET_SEALS: return sealsOf(file)
    // Those of open files were taken out again (Linux 5.17).
    case F_GET_RW_HINT:
      user.setI64(argument, file.inode.writeHint ?? 0)
      return 0
    case F_SET_RW_HINT: {
      if (!ownsInode(kernel, task.credentials, file.inode)) return -EPERM
      const hint = user.i64(argument)
      if (hint < 0 || hint > LAST_RW_HINT) return -EINVAL
      file.inode.writeHint = hint
      return 0
    }
    default: return -EINVAL
  }
}

const flock = (kernel: Kernel, task: Task, args: Args): number => {
  const operation = int32(args[1])
  if ((operation & LOCK_MAND) !== 0) return 0
  const kind = operation & ~LOCK_NB
  if (kind !== LOCK_SH && kind !== LOCK_EX && kind !== LOCK_UN) return -EINVAL
  const file = getFile(task, int32(args[0]))
  if (file === undefined || (kind !== LOCK_UN && (file.flags & O_ACCMODE) === O_ACCMODE)) return -EBADF
  return setFlock(kernel, task, file, operation)
}

export const DESCRIPTOR_CALLS: readonly SyscallEntry[] = [
  { number: 3, name: 'close', args: ['fd:fd'], handler: close, status: 'full' },
  { number: 32, name: 'dup', args: ['oldfd:fd'], handler: dup, status: 'full' },
  { number: 33, name: 'dup2', args: ['oldfd:fd', 'newfd:fd'], handler: dup2, status: 'full' },
  {
    number: 72, name: 'fcntl', args: ['fd:fd', 'cmd:cmd', 'arg:long'], handler: fcntl, status: 'full',
  },
  { number: 73, name: 'flock', args: ['fd:fd', 'operation:flags(LOCK)'], handler: flock, status: 'full' },
  { number: 292, name: 'dup3', args: ['oldfd:fd', 'newfd:fd', 'flags:flags(O)'], handler: dup3, status: 'full' },
  { number: 436, name: 'close_range', args: ['first:uint', 'last:uint', 'flags:flags(CLOSE_RANGE)'], handler: closeRange, status: 'full' },
]
