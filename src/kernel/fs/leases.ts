/** Leases on files (fcntl(2), F_SETLEASE; fs/locks.c): who holds one is told before somebody else opens or truncates the file. */
import { CAP_LEASE } from '../abi/capabilities.ts'
import { EACCES, EAGAIN, EINVAL, ERESTARTSYS } from '../abi/errno.ts'
import { F_RDLCK, F_UNLCK, F_WRLCK, O_ACCMODE, O_NONBLOCK, O_RDONLY, O_TRUNC } from '../abi/fcntl.ts'
import { POLL_MSG } from '../abi/signals.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { deadlineAfter } from '../time/clock.ts'
import { signalOwner } from './async-io.ts'
import { type OpenFile, POLLIN, POLLRDNORM } from './file.ts'
import type { FileInode, Inode } from './inode.ts'
import { isNameless } from './inode.ts'
import { capableOver } from './permissions.ts'

export interface Lease {
  readonly kind: 'lease'
  readonly file: OpenFile
  readonly fd: number
  readonly inode: Inode
  /** F_RDLCK or F_WRLCK. */
  type: number
  /** What it is to become while it is being broken, −1 if it is not; and when it becomes that by itself. */
  target: number
  deadline: number
}

const F_OWNER_PID = 1
const EWOULDBLOCK = EAGAIN
const POLLMSG = 0x400

const leaseOf = (kernel: Kernel, file: OpenFile): Lease | undefined => kernel.state.fs.leases.find((lease) => lease.file === file)

export const getLease = (kernel: Kernel, file: OpenFile): number => {
  const lease = leaseOf(kernel, file)
  return lease === undefined ? F_UNLCK : lease.target >= 0 ? lease.target : lease.type
}

const remove = (kernel: Kernel, lease: Lease): void => {
  const { leases, lockWaiters } = kernel.state.fs
  // Owner and signal go with it (lease_modify).
  lease.file.owner = 0
  lease.file.ownerSignal = 0
  leases.splice(leases.indexOf(lease), 1)
  kernel.wake(lockWaiters)
}

export const setLease = (kernel: Kernel, task: Task, file: OpenFile, fd: number, type: number): number => {
  const { inode } = file
  const own = leaseOf(kernel, file)
  if (type === F_UNLCK) {
    if (own === undefined) return -EAGAIN
    remove(kernel, own)
    return 0
  }
  if (type !== F_RDLCK && type !== F_WRLCK) return -EINVAL
  if (task.credentials.fsuid !== inode.uid && !capableOver(task.credentials, inode, CAP_LEASE)) return -EACCES
  if (inode.kind !== 'file' || isNameless(inode)) return -EINVAL
  if (type === F_RDLCK ? inode.writers > 0 : inode.users > 1) return -EAGAIN
  const others = kernel.state.fs.leases.filter((lease) => lease.inode === inode && lease !== own)
  if (others.some((lease) => type === F_WRLCK || lease.type === F_WRLCK || lease.target >= 0)) return -EAGAIN
  if (own === undefined) {
    kernel.state.fs.leases.push({ kind: 'lease', file, fd, inode, type, target: -1, deadline: Infinity })
    if (file.owner === 0) {
      file.owner = task.group.tgid
      file.ownerType = F_OWNER_PID
    }
    return 0
  }
  if (own.target >= 0 && type === F_WRLCK) return -EAGAIN
  // Who waits to write has the file open for that already (check_conflicting_open).
  if (own.target === F_UNLCK && type === F_RDLCK && kernel.state.fs.lockWaiters.tids.some((tid) => BREAKERS.includes(kernel.state.tasks.get(tid)?.syscall?.number ?? -1))) return -EAGAIN
  own.type = type
  own.target = -1
  own.deadline = Infinity
  kernel.wake(kernel.state.fs.lockWaiters)
  return 0
}

/** open, truncate, creat, openat, openat2: calls that wait for leases. */
const BREAKERS: readonly number[] = [2, 76, 85, 257, 437]

/** The description goes. */
export const releaseLeases = (kernel: Kernel, file: OpenFile): void => {
  const lease = leaseOf(kernel, file)
  if (lease !== undefined) remove(kernel, lease)
}

const BREAK_SECONDS = 45

const breakSeconds = (kernel: Kernel): number => {
  const text = kernel.state.fs.settings.get('sys/fs/lease-break-time')
  return text === undefined ? BREAK_SECONDS : Number(text.trim()) || 0
}

/** The file is to be opened so, or truncated: 0, −EWOULDBLOCK, −ERESTARTSYS, or BLOCKED until holders have given way. */
export const breakLeases = (kernel: Kernel, task: Task, inode: FileInode, flags: number): number => {
  const { fs } = kernel.state
  if (fs.leases.length === 0) return 0
  const writes = (flags & O_ACCMODE) !== O_RDONLY || (flags & O_TRUNC) !== 0
  const target = writes ? F_UNLCK : F_RDLCK
  let deadline = 0
  for (const lease of fs.leases.filter((one) => one.inode === inode && (writes || one.type === F_WRLCK))) {
    if (lease.target < 0) {
      lease.deadline = deadlineAfter(kernel, [breakSeconds(kernel), 0])
      lease.target = target
      signalOwner(kernel, lease, POLL_MSG, POLLIN | POLLRDNORM | POLLMSG)
    } else if (lease.target === F_RDLCK && writes) lease.target = F_UNLCK
    if (lease.deadline <= kernel.now) {
      // The holder had its time.
      if (lease.target === F_UNLCK) remove(kernel, lease)
      else {
        lease.type = F_RDLCK
        lease.target = -1
        lease.deadline = Infinity
      }
      continue
    }
    deadline = Math.max(deadline, lease.deadline)
  }
  if (deadline === 0) return 0
  if ((flags & O_NONBLOCK) !== 0) return -EWOULDBLOCK
  return kernel.interrupted(task) ? -ERESTARTSYS : kernel.block(task, [fs.lockWaiters], deadline)
}
