/** Telling the kernel about memory, and asking: msync(2), mincore(2), madvise(2), mlock(2) and relatives. */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { OutOfFrames } from '../../emu/memory.ts'
import { ACCESS_READ, ACCESS_WRITE, type Access } from '../../emu/mmu/mmu.ts'
import { CAP_IPC_LOCK, CAP_SYS_ADMIN, CAP_SYS_NICE } from '../abi/capabilities.ts'
import { EACCES, EAGAIN, EBADF, EBUSY, EFAULT, EINVAL, ENOMEM, EPERM, ESRCH } from '../abi/errno.ts'
import {
  MADV_COLD, MADV_COLLAPSE, MADV_DODUMP, MADV_DOFORK, MADV_DONTDUMP, MADV_DONTFORK, MADV_DONTNEED, MADV_DONTNEED_LOCKED,
  MADV_FREE, MADV_HUGEPAGE, MADV_HWPOISON, MADV_KEEPONFORK, MADV_MERGEABLE, MADV_NOHUGEPAGE, MADV_NORMAL, MADV_PAGEOUT,
  MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_RANDOM, MADV_REMOVE, MADV_SEQUENTIAL, MADV_SOFT_OFFLINE,
  MADV_UNMERGEABLE, MADV_WILLNEED, MADV_WIPEONFORK, MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT, MLOCK_ONFAULT, MS_ASYNC, MS_INVALIDATE, MS_SYNC,
  PROT_READ, PROT_WRITE,
} from '../abi/mman.ts'
import { int32, isAligned, uint64 } from '../abi/numbers.ts'
import { RLIMIT_MEMLOCK } from '../abi/resources.ts'
import { getFile } from '../fs/descriptor.ts'
import { zeroRange } from '../fs/inode.ts'
import { syncInode } from '../fs/mounts.ts'
import { groupOfFile } from '../fs/pidfd.ts'
import type { Kernel } from '../kernel.ts'
import {
  type AddressSpace, VMA_DONTDUMP, VMA_DONTFORK, VMA_LOCKED, VMA_MAYWRITE, VMA_SHARED, VMA_WIPEONFORK, type Vma,
} from '../mm/address-space.ts'
import { dropRange, flagRange, pageUp } from '../mm/map.ts'
import { getEntry } from '../mm/page-table.ts'
import { lockedBytes, mayLock, populateRange } from '../mm/populate.ts'
import { mappedBytes } from '../mm/space.ts'
import { USER_END } from '../mm/user-memory.ts'
import { findVma, vmaIndex } from '../mm/vma.ts'
import { hasCapability, mayAccessTask } from '../task/credentials.ts'
import { CAP_SYS_PTRACE } from '../abi/capabilities.ts'
import type { Task } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'

/** Calls `visit` with each area's part of the range; a negative answer ends the walk. Gaps give −ENOMEM in the end. */
const walk = (space: AddressSpace, start: number, end: number, visit: (vma: Vma, from: number, to: number) => number): number => {
  let unmapped = 0
  for (let at = start; at < end;) {
    const index = vmaIndex(space, at)
    if (index === space.vmas.length) return -ENOMEM
    const vma = space.vmas[index]
    if (vma.start > at) {
      unmapped = -ENOMEM
      at = vma.start
      if (at >= end) break
    }
    const to = Math.min(vma.end, end)
    const result = visit(vma, at, to)
    if (result < 0) return result
    at = to
  }
  return unmapped
}

/** Files of the host that are written back are so when the world ends, from the same pages; what is of an ext2 image goes there. */
const msync = (kernel: Kernel, task: Task, args: Args): number => {
  const start = uint64(args[0])
  const flags = int32(args[2])
  if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) !== 0 || !isAligned(args[0])) return -EINVAL
  if ((flags & MS_ASYNC) !== 0 && (flags & MS_SYNC) !== 0) return -EINVAL
  const end = start + pageUp(uint64(args[1]))
  if (end >= 2 ** 64) return -ENOMEM
  return walk(task.mm, start, end, ({ backing, flags: area }) => {
    if ((flags & MS_INVALIDATE) !== 0 && (area & VMA_LOCKED) !== 0) return -EBUSY
    return (flags & MS_SYNC) !== 0 && (area & VMA_SHARED) !== 0 && backing?.kind === 'file' ? syncInode(kernel, backing) : 0
  })
}

/** Whether a page needs no disk: it is in the page table or, for files and shared memory, in the page cache. */
const isInCore = (space: AddressSpace, vma: Vma, address: number): boolean => {
  if (getEntry(space, address / PAGE_SIZE) !== 0) return true
  const { backing } = vma
  if (backing === undefined) return false
  const page = (vma.offset + address - vma.start) / PAGE_SIZE
  if (backing.kind === 'shared-memory') return backing.frames.has(page)
  return backing.kind === 'file' && (backing.pages.has(page) || (backing.hostContent >= 0 && page * PAGE_SIZE < backing.hostSize))
}

const mincore = (kernel: Kernel, task: Task, args: Args): number => {
  const start = uint64(args[0])
  const size = uint64(args[1])
  if (!isAligned(args[0])) return -EINVAL
  if (start + size > USER_END) return -ENOMEM
  const pages = Math.ceil(size / PAGE_SIZE)
  const vector = uint64(args[2])
  if (vector + pages > USER_END) return -EFAULT
  const user = kernel.user(task)
  // As Linux, a page of answers at a time: those before a gap are written.
  for (let done = 0; done < pages;) {
    const answer: number[] = []
    while (done + answer.length < pages && answer.length < PAGE_SIZE) {
      const address = start + (done + answer.length) * PAGE_SIZE
      const vma = findVma(task.mm, address)
      if (vma === undefined) break
      answer.push(isInCore(task.mm, vma, address) ? 1 : 0)
    }
    if (answer.length === 0) return -ENOMEM
    user.write(vector + done, Uint8Array.from(answer))
    done += answer.length
  }
  return 0
}

// ——— madvise ———

const KNOWN_ADVICE: ReadonlySet<number> = new Set([
  MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_DONTFORK, MADV_DOFORK,
  MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP, MADV_WIPEONFORK,
  MADV_KEEPONFORK, MADV_COLD, MADV_PAGEOUT, MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_DONTNEED_LOCKED, MADV_COLLAPSE,
  MADV_HWPOISON, MADV_SOFT_OFFLINE, MADV_MERGEABLE, MADV_UNMERGEABLE,
])

/** Punches a hole into what is behind a shared writable mapping. */
const remove = (kernel: Kernel, vma: Vma, from: number, to: number): number => {
  if ((vma.flags & VMA_LOCKED) !== 0) return -EINVAL
  const { backing } = vma
  if (backing === undefined) return -EINVAL
  // What could be made writable will do (vma_is_shared_maywrite).
  if ((vma.flags & VMA_SHARED) === 0 || (vma.flags & VMA_MAYWRITE) === 0) return -EACCES
  const offset = vma.offset + from - vma.start
  if (backing.kind === 'file') {
    zeroRange(kernel, backing, offset, to - from)
  } else if (backing.kind === 'shared-memory') {
    for (let page = offset / PAGE_SIZE; page < (offset + to - from) / PAGE_SIZE; page++) {
      const frame = backing.frames.get(page)
      if (frame === undefined) continue
      kernel.memory.beforeWrite(frame)
      kernel.memory.u8.fill(0, frame * PAGE_SIZE, (frame + 1) * PAGE_SIZE)
    }
  }
  return 0
}

const populateFor = (kernel: Kernel, space: AddressSpace, vma: Vma, from: number, to: number, access: Access): number => {
  if ((vma.prot & (access === ACCESS_WRITE ? PROT_WRITE : PROT_READ)) === 0) return -EINVAL
  return populateRange(kernel, space, from, to, access) === to ? 0 : -EFAULT
}

/** One area's part of the range (madvise_vma_behavior). Splitting moves areas: the walk looks the next one up again. */
const adviseArea = (kernel: Kernel, space: AddressSpace, vma: Vma, from: number, to: number, advice: number): number => {
  const flag = (set: number, clear: number): number => {
    flagRange(kernel, space, from, to, set, clear)
    return 0
  }
  switch (advice) {
    case MADV_DONTNEED: case MADV_DONTNEED_LOCKED:
      if (advice === MADV_DONTNEED && (vma.flags & VMA_LOCKED) !== 0) return -EINVAL
      dropRange(kernel, space, from, to)
      return 0
    // Linux frees such pages when memory gets tight, which it does not here.
    case MADV_FREE: return vma.backing !== undefined || (vma.flags & VMA_LOCKED) !== 0 ? -EINVAL : 0
    case MADV_COLD: case MADV_PAGEOUT: return (vma.flags & VMA_LOCKED) !== 0 ? -EINVAL : 0
    case MADV_REMOVE: return remove(kernel, vma, from, to)
    case MADV_DONTFORK: return flag(VMA_DONTFORK, 0)
    case MADV_DOFORK: return flag(0, VMA_DONTFORK)
    case MADV_WIPEONFORK: return vma.backing !== undefined || (vma.flags & VMA_SHARED) !== 0 ? -EINVAL : flag(VMA_WIPEONFORK, 0)
    case MADV_KEEPONFORK: return flag(0, VMA_WIPEONFORK)
    case MADV_DONTDUMP: return flag(VMA_DONTDUMP, 0)
    case MADV_DODUMP: return flag(0, VMA_DONTDUMP)
    case MADV_COLLAPSE: return -EINVAL
    default: return 0
  }
}

/** @returns undefined if there is nothing to do */
const checkAdvice = (start: number, size: number, advice: number): number | undefined => {
  if (!KNOWN_ADVICE.has(advice) || start % PAGE_SIZE !== 0) return -EINVAL
  const length = pageUp(size)
  return length >= 2 ** 64 || start + length >= 2 ** 64 ? -EINVAL : undefined
}

/** Up to the first gap (madvise_populate), while other advice goes on behind it. */
const populateAreas = (kernel: Kernel, space: AddressSpace, start: number, end: number, access: Access): number => {
  for (let at = start; at < end;) {
    const vma = findVma(space, at)
    if (vma === undefined) return -ENOMEM
    const to = Math.min(vma.end, end)
    const result = populateFor(kernel, space, vma, at, to, access)
    if (result < 0) return result
    at = to
  }
  return 0
}

const adviseRange = (kernel: Kernel, space: AddressSpace, start: number, size: number, advice: number): number =>
  advice === MADV_POPULATE_READ || advice === MADV_POPULATE_WRITE
    ? populateAreas(kernel, space, start, start + pageUp(size), advice === MADV_POPULATE_READ ? ACCESS_READ : ACCESS_WRITE)
    : walk(space, start, start + pageUp(size), (vma, from, to) => adviseArea(kernel, space, vma, from, to, advice))

const madvise = (kernel: Kernel, task: Task, args: Args): number => {
  const start = uint64(args[0])
  const size = uint64(args[1])
  const advice = int32(args[2])
  const wrong = checkAdvice(start, size, advice)
  if (wrong !== undefined) return wrong
  if (size === 0) return 0
  if (advice === MADV_HWPOISON || advice === MADV_SOFT_OFFLINE) return hasCapability(task, CAP_SYS_ADMIN) ? -EINVAL : -EPERM
  return adviseRange(kernel, task.mm, start, size, advice)
}

const REMOTE_ADVICE: readonly number[] = [MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, MADV_COLLAPSE]
const IOVEC_LIMIT = 1024

const processMadvise = (kernel: Kernel, task: Task, args: Args): number => {
  if (args[4] !== 0) return -EINVAL
  const user = kernel.user(task)
  const count = uint64(args[2])
  if (count > IOVEC_LIMIT) return -EINVAL
  const vector = Array.from({ length: count }, (_, i): [number, number] => {
    const at = uint64(args[1]) + i * 16
    return [uint64(user.i64(at)), uint64(user.i64(at + 8))]
  })
  const file = getFile(task, int32(args[0]))
  if (file === undefined || file.kind !== 'pid') return -EBADF
  const other = kernel.state.tasks.get(groupOfFile(file).tgid)
  if (other === undefined || other.state === 'zombie') return -ESRCH
  const advice = int32(args[3])
  if (!REMOTE_ADVICE.includes(advice)) return -EINVAL
  if (!mayAccessTask(task, other, CAP_SYS_PTRACE)) return -EPERM
  if (!hasCapability(task, CAP_SYS_NICE)) return -EPERM
  let done = 0
  for (const [start, size] of vector) {
    const result = checkAdvice(start, size, advice) ?? adviseRange(kernel, other.mm, start, size, advice)
    if (result < 0) return done > 0 ? done : result
    done += size
  }
  return done
}

// ——— mlock ———

/** Locks or unlocks a range whose bounds are pages (apply_vma_lock_flags): gaps give −ENOMEM, with what came before done. */
const lockRange = (kernel: Kernel, space: AddressSpace, start: number, end: number, set: number, clear: number): number => {
  for (let at = start; at < end;) {
    const vma = findVma(space, at)
    if (vma === undefined) return -ENOMEM
    const to = Math.min(vma.end, end)
    flagRange(kernel, space, at, to, set, clear)
    at = to
  }
  return 0
}

/** mlock's errors for pages that can't be had differ from mmap's (__mlock_posix_error_return). */
const populateLocked = (kernel: Kernel, space: AddressSpace, start: number, end: number): number => {
  try {
    const reached = populateRange(kernel, space, start, end)
    return reached === end ? 0 : -ENOMEM
  } catch (error) {
    if (error instanceof OutOfFrames) return -EAGAIN
    throw error
  }
}

/** The pages in which so many bytes are. Near 2^64 a number in 64 bits is not exact any more: its lower bits are the argument's. */
const pagesOf = (argument: number, size: number): { readonly start: number, readonly length: number } => {
  const inPage = ((argument % PAGE_SIZE) + PAGE_SIZE) % PAGE_SIZE
  return { start: uint64(argument - inPage), length: pageUp(size + inPage) }
}

const lock = (kernel: Kernel, task: Task, address: number, size: number, onFault: boolean): number => {
  if (!mayLock(task)) return -EPERM
  const { start, length } = pagesOf(address, size)
  const space = task.mm
  const end = start + length
  if (!hasCapability(task, CAP_IPC_LOCK)) {
    let more = length
    walk(space, start, end, (vma, from, to) => {
      if ((vma.flags & VMA_LOCKED) !== 0) more -= to - from
      return 0
    })
    if (lockedBytes(space) + more > task.group.limits[RLIMIT_MEMLOCK][0]) return -ENOMEM
  }
  // After the limit (do_mlock).
  if (end >= 2 ** 64) return -EINVAL
  const result = lockRange(kernel, space, start, end, VMA_LOCKED, 0)
  return result < 0 || onFault ? result : populateLocked(kernel, space, start, end)
}

const mlock = (kernel: Kernel, task: Task, args: Args): number => lock(kernel, task, args[0], uint64(args[1]), false)
const mlock2 = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = int32(args[2])
  return (flags & ~MLOCK_ONFAULT) !== 0 ? -EINVAL : lock(kernel, task, args[0], uint64(args[1]), flags !== 0)
}
const munlock = (kernel: Kernel, task: Task, args: Args): number => {
  const { start, length } = pagesOf(args[0], uint64(args[1]))
  const end = start + length
  return end >= 2 ** 64 ? -EINVAL : lockRange(kernel, task.mm, start, end, 0, VMA_LOCKED)
}

const lockAll = (kernel: Kernel, space: AddressSpace, set: number, clear: number): void => {
  for (const [start, end] of space.vmas.map((vma): [number, number] => [vma.start, vma.end])) flagRange(kernel, space, start, end, set, clear)
}

const mlockall = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = int32(args[0])
  const space = task.mm
  if (flags === 0 || flags === MCL_ONFAULT || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) !== 0) return -EINVAL
  if (!mayLock(task)) return -EPERM
  if ((flags & MCL_CURRENT) !== 0 && mappedBytes(space) > task.group.limits[RLIMIT_MEMLOCK][0] && !hasCapability(task, CAP_IPC_LOCK)) return -ENOMEM
  space.futureFlags = (flags & MCL_FUTURE) !== 0 ? space.futureFlags | VMA_LOCKED : space.futureFlags & ~VMA_LOCKED
  if ((flags & MCL_CURRENT) !== 0) {
    lockAll(kernel, space, VMA_LOCKED, 0)
    if ((flags & MCL_ONFAULT) === 0) for (const vma of [...space.vmas]) populateLocked(kernel, space, vma.start, vma.end)
  }
  return 0
}

const munlockall = (kernel: Kernel, task: Task): number => {
  task.mm.futureFlags &= ~VMA_LOCKED
  lockAll(kernel, task.mm, 0, VMA_LOCKED)
  return 0
}

export const memoryAdviceCalls: readonly SyscallEntry[] = [
  { number: 26, name: 'msync', args: ['addr:address', 'length:size', 'flags:flags(MS)'], handler: msync, status: 'full' },
  { number: 27, name: 'mincore', args: ['addr:address', 'length:size', 'vec:pointer'], handler: mincore, status: 'full' },
  { number: 28, name: 'madvise', args: ['addr:address', 'length:size', 'advice:enum(MADV)'], handler: madvise, status: 'full', note: 'MADV_FREE keeps the pages; MADV_COLLAPSE gives EINVAL' },
  { number: 149, name: 'mlock', args: ['addr:address', 'length:size'], handler: mlock, status: 'full' },
  { number: 150, name: 'munlock', args: ['addr:address', 'length:size'], handler: munlock, status: 'full' },
  { number: 151, name: 'mlockall', args: ['flags:flags(MCL)'], handler: mlockall, status: 'full' },
  { number: 152, name: 'munlockall', args: [], handler: munlockall, status: 'full' },
  { number: 325, name: 'mlock2', args: ['addr:address', 'length:size', 'flags:flags(MLOCK)'], handler: mlock2, status: 'full' },
  { number: 440, name: 'process_madvise', args: ['pidfd:fd', 'iovec:pointer', 'vlen:size', 'advice:enum(MADV)', 'flags:uint'], handler: processMadvise, status: 'full' },
]
