/**
 * Advisory locks: flock(2) on whole files, record locks of processes (fcntl F_SETLK) and of open file descriptions (F_OFD_SETLK).
 *
 * Record locks of one owner on one file never overlap or touch with the same type: setting one merges and splits others.
 * flock and record locks don't see each other. All who wait for any lock sleep on one queue and try again when one goes.
 */
import { EAGAIN, EBADF, EDEADLOCK, EINVAL, EOVERFLOW, ERESTARTSYS } from '../abi/errno.ts'
import {
  F_OFD_SETLK, F_OFD_SETLKW, F_RDLCK, F_SETLKW, F_UNLCK, F_WRLCK, LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, O_ACCMODE, O_RDONLY, O_RDWR,
  O_WRONLY, SEEK_CUR, SEEK_END, SEEK_SET,
} from '../abi/fcntl.ts'
import type { Kernel } from '../kernel.ts'
import { seenBy } from '../task/pid-namespace.ts'
import type { Task } from '../task/task.ts'
import type { DescriptorTable } from './descriptor.ts'
import type { OpenFile } from './file.ts'
import { type Inode, inodeSize } from './inode.ts'

/** Whom a lock belongs to: a process (by its descriptor table), or an open file description. */
export type LockOwner = DescriptorTable | OpenFile

export interface FileLock {
  readonly style: 'flock' | 'record'
  readonly inode: Inode
  readonly owner: LockOwner
  /** The process that set it; −1 for locks of open file descriptions. */
  readonly pid: number
  exclusive: boolean
  /** Bytes [start, end); Infinity: to the end of the file and beyond. */
  start: number
  end: number
}

/** In `task.syscall.memory` while F_SETLKW waits. */
interface LockWait { readonly lockWait: FileLock }

const conflicts = (held: FileLock, wanted: FileLock): boolean =>
  held.inode === wanted.inode && held.style === wanted.style && held.owner !== wanted.owner &&
  (held.exclusive || wanted.exclusive) && held.start < wanted.end && wanted.start < held.end

const findConflict = (kernel: Kernel, wanted: FileLock): FileLock | undefined =>
  kernel.state.fs.locks.find((held) => conflicts(held, wanted))

const wakeWaiters = (kernel: Kernel): void => {
  if (kernel.state.fs.lockWaiters.tids.length > 0) kernel.wake(kernel.state.fs.lockWaiters)
}

const removeWhere = (kernel: Kernel, isGone: (lock: FileLock) => boolean): void => {
  const { locks } = kernel.state.fs
  let kept = 0
  for (const lock of locks) if (!isGone(lock)) locks[kept++] = lock
  if (kept === locks.length) return
  locks.length = kept
  wakeWaiters(kernel)
}

/** An open file description goes: its flock and its own record locks do, too. */
export const releaseFlocks = (kernel: Kernel, file: OpenFile): void => {
  if (kernel.state.fs.locks.length > 0) removeWhere(kernel, (lock) => lock.owner === file)
}

/** A process closes any descriptor of a file: it loses its record locks on it (fcntl(2)). */
export const releaseRecordLocks = (kernel: Kernel, table: DescriptorTable, file: OpenFile): void => {
  if (kernel.state.fs.locks.length > 0) removeWhere(kernel, (lock) => lock.owner === table && lock.inode === file.inode)
}

/** Sets or removes (`type` F_UNLCK) the owner's lock on the range, over what it had there. */
const applyRecord = (kernel: Kernel, wanted: FileLock, isUnlock: boolean): void => {
  const { locks } = kernel.state.fs
  const others: FileLock[] = []
  const own: FileLock[] = []
  let { start, end } = wanted
  let hasChanged = false
  for (const lock of locks) {
    if (lock.style !== 'record' || lock.inode !== wanted.inode || lock.owner !== wanted.owner) {
      others.push(lock)
    } else if (lock.start > end || start > lock.end) {
      own.push(lock)
    } else if (!isUnlock && lock.exclusive === wanted.exclusive) {
      // One of the same type that overlaps or touches becomes part of the new one.
      start = Math.min(start, lock.start)
      end = Math.max(end, lock.end)
    } else if (lock.start >= wanted.end || lock.end <= wanted.start) {
      own.push(lock)
    } else {
      hasChanged = true
      if (lock.start < wanted.start) own.push({ ...lock, end: wanted.start })
      if (lock.end > wanted.end) own.push({ ...lock, start: wanted.end })
    }
  }
  if (!isUnlock) own.push({ ...wanted, start, end })
  // F_GETLK tells of the first that is in the way.
  own.sort((a, b) => a.start - b.start)
  locks.length = 0
  for (const lock of others) locks.push(lock)
  for (const lock of own) locks.push(lock)
  if (hasChanged) wakeWaiters(kernel)
}

const waitOf = (task: Task): FileLock | undefined => (task.syscall?.memory as Partial<LockWait> | undefined)?.lockWait

/** Whether the owner of `blocker` waits, directly or through others, for a lock of the wanted one's owner (posix_locks_deadlock). */
const wouldDeadlock = (kernel: Kernel, wanted: FileLock, blocker: FileLock): boolean => {
  let owner = blocker.owner
  for (let steps = 0; steps < 10; steps++) {
    let next: FileLock | undefined
    for (const task of kernel.state.tasks.values()) {
      const waiting = task.state === 'blocked' ? waitOf(task) : undefined
      if (waiting === undefined || waiting.owner !== owner) continue
      next = findConflict(kernel, waiting)
      if (next !== undefined) break
    }
    if (next === undefined) return false
    if (next.owner === wanted.owner) return true
    owner = next.owner
  }
  return false
}

// ——— fcntl ———

/** struct flock of the 64-bit ABI: type 0, whence 2, start 8, len 16, pid 24. */
export interface FlockRequest { readonly type: number, readonly whence: number, readonly start: number, readonly length: number, readonly pid: number }

export const readFlock = (kernel: Kernel, task: Task, address: number): FlockRequest => {
  const user = kernel.user(task)
  user.read(address, 32)
  return {
    type: user.u16(address) << 16 >> 16, whence: user.u16(address + 2) << 16 >> 16, start: user.i64(address + 8), length: user.i64(address + 16),
    pid: user.i32(address + 24),
  }
}

const OFFSET_MAX = 2 ** 63

/** The lock that the request describes, or a negative errno (flock64_to_posix_lock). */
const toLock = (kernel: Kernel, file: OpenFile, request: FlockRequest, owner: LockOwner, pid: number): FileLock | number => {
  let start: number
  switch (request.whence) {
    case SEEK_SET: start = 0; break
    case SEEK_CUR: start = file.position; break
    case SEEK_END: start = inodeSize(kernel, file.inode); break
    default: return -EINVAL
  }
  if (request.start >= OFFSET_MAX - start) return -EOVERFLOW
  start += request.start
  if (start < 0) return -EINVAL
  let end: number
  if (request.length > 0) {
    if (request.length - 1 > OFFSET_MAX - start) return -EOVERFLOW
    end = start + request.length
    if (end >= OFFSET_MAX) end = Infinity
  } else if (request.length < 0) {
    end = start
    start += request.length
    if (start < 0) return -EINVAL
  } else end = Infinity
  if (request.type !== F_RDLCK && request.type !== F_WRLCK && request.type !== F_UNLCK) return -EINVAL
  return { style: 'record', inode: file.inode, owner, pid, exclusive: request.type === F_WRLCK, start, end }
}

/** The owner's own lock in the range. */
const findOwn = (kernel: Kernel, wanted: FileLock): FileLock | undefined => kernel.state.fs.locks.find((held) =>
  held.style === 'record' && held.inode === wanted.inode && held.owner === wanted.owner && held.start < wanted.end && wanted.start < held.end)

/** F_GETLK, F_OFD_GETLK: what is in the way of such a lock. */
export const getRecordLock = (kernel: Kernel, task: Task, file: OpenFile, address: number, isOfd: boolean): number => {
  const request = readFlock(kernel, task, address)
  if (isOfd && request.pid !== 0) return -EINVAL
  // Since Linux 6.11 F_UNLCK asks for a lock of the description itself.
  if (request.type !== F_RDLCK && request.type !== F_WRLCK && !(isOfd && request.type === F_UNLCK)) return -EINVAL
  const wanted = toLock(kernel, file, request, isOfd ? file : task.files, task.group.tgid)
  if (typeof wanted === 'number') return wanted
  const user = kernel.user(task)
  const held = request.type === F_UNLCK ? findOwn(kernel, wanted) : findConflict(kernel, wanted)
  if (held === undefined) {
    user.setU16(address, F_UNLCK)
    return 0
  }
  user.setU16(address, held.exclusive ? F_WRLCK : F_RDLCK)
  user.setU16(address + 2, SEEK_SET)
  user.setI64(address + 8, held.start)
  user.setI64(address + 16, held.end === Infinity ? 0 : held.end - held.start)
  user.setU32(address + 24, held.pid < 0 ? held.pid >>> 0 : seenBy(task, held.pid))
  return 0
}

/** F_SETLK, F_SETLKW and their OFD variants. */
export const setRecordLock = (kernel: Kernel, task: Task, file: OpenFile, command: number, address: number): number => {
  const isOfd = command === F_OFD_SETLK || command === F_OFD_SETLKW
  const isWaiting = command === F_SETLKW || command === F_OFD_SETLKW
  const request = readFlock(kernel, task, address)
  const wanted = toLock(kernel, file, request, isOfd ? file : task.files, isOfd ? -1 : task.group.tgid)
  if (typeof wanted === 'number') return wanted
  const access = file.flags & O_ACCMODE
  if (request.type === F_RDLCK && access !== O_RDONLY && access !== O_RDWR) return -EBADF
  if (request.type === F_WRLCK && access !== O_WRONLY && access !== O_RDWR) return -EBADF
  if (isOfd && request.pid !== 0) return -EINVAL
  const { syscall } = task
  if (request.type === F_UNLCK) {
    applyRecord(kernel, wanted, true)
    return 0
  }
  const blocker = findConflict(kernel, wanted)
  if (blocker === undefined) {
    applyRecord(kernel, wanted, false)
    if (syscall !== undefined) syscall.memory = undefined
    return 0
  }
  if (!isWaiting) return -EAGAIN
  if (!isOfd && wouldDeadlock(kernel, wanted, blocker)) return -EDEADLOCK
  if (kernel.interrupted(task)) return -ERESTARTSYS
  if (syscall !== undefined) syscall.memory = { lockWait: wanted } satisfies LockWait
  return kernel.block(task, [kernel.state.fs.lockWaiters])
}

// ——— flock ———

export const setFlock = (kernel: Kernel, task: Task, file: OpenFile, operation: number): number => {
  const kind = operation & ~LOCK_NB
  if (kind === LOCK_UN) {
    removeWhere(kernel, (lock) => lock.style === 'flock' && lock.owner === file)
    return 0
  }
  if (kind !== LOCK_SH && kind !== LOCK_EX) return -EINVAL
  const { locks } = kernel.state.fs
  const wanted: FileLock = {
    style: 'flock', inode: file.inode, owner: file, pid: task.group.tgid, exclusive: kind === LOCK_EX, start: 0, end: Infinity,
  }
  const own = locks.findIndex((lock) => lock.style === 'flock' && lock.owner === file)
  if (own >= 0) {
    if (locks[own].exclusive === wanted.exclusive) return 0
    // Changing the type is not atomic: the old lock goes first (flock(2)).
    locks.splice(own, 1)
    wakeWaiters(kernel)
  }
  if (findConflict(kernel, wanted) === undefined) {
    locks.push(wanted)
    return 0
  }
  if ((operation & LOCK_NB) !== 0) return -EAGAIN
  if (kernel.interrupted(task)) return -ERESTARTSYS
  return kernel.block(task, [kernel.state.fs.lockWaiters])
}
