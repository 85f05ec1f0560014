/** Mapping memory: mmap(2), munmap(2), mprotect(2), brk(2), mremap(2) and relatives. Checks are in Linux's order (mm/mmap.c). */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { OutOfFrames } from '../../emu/memory.ts'
import { CAP_SYS_RAWIO } from '../abi/capabilities.ts'
import {
  EACCES, EAGAIN, EBADF, EEXIST, EFAULT, EINVAL, ENODEV, ENOMEM, ENOSPC, ENOSYS, EOPNOTSUPP, EOVERFLOW, EPERM,
} from '../abi/errno.ts'
import { F_SEAL_FUTURE_WRITE, F_SEAL_WRITE, O_ACCMODE, O_PATH, O_RDONLY, O_RDWR } from '../abi/fcntl.ts'
import {
  MAP_32BIT, MAP_ANONYMOUS, MAP_DENYWRITE, MAP_EXECUTABLE, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_GROWSDOWN, MAP_HUGETLB,
  MAP_LOCKED, MAP_NONBLOCK, MAP_NORESERVE, MAP_POPULATE, MAP_PRIVATE, MAP_SHARED, MAP_SHARED_VALIDATE, MAP_STACK, MAP_TYPE,
  MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE, PROT_EXEC, PROT_GROWSDOWN, PROT_GROWSUP, PROT_READ, PROT_SEM, PROT_WRITE,
} from '../abi/mman.ts'
import { int32, isAligned, uint32, uint64 } from '../abi/numbers.ts'
import { RLIMIT_DATA } from '../abi/resources.ts'
import { getFile } from '../fs/descriptor.ts'
import { operationsOf } from '../fs/file-operations.ts'
import type { OpenFile } from '../fs/file.ts'
import { retainInode } from '../fs/inode.ts'
import { isNoExec } from '../fs/path.ts'
import type { Kernel } from '../kernel.ts'
import {
  type AddressSpace, VMA_GROWSDOWN, VMA_LOCKED, VMA_MAYEXEC, VMA_MAYREAD, VMA_MAYWRITE, VMA_NORESERVE, VMA_SHARED, type Vma,
} from '../mm/address-space.ts'
import { makeSharedMemory, retainBacking } from '../mm/backing.ts'
import {
  findPlace, findPlaceLow, flagRange, MAP_COUNT_LIMIT, mapRegion, mayCommit, mayExpand,
  movePages, pageDown, pageUp, protectRange, unmapRange,
} from '../mm/map.ts'
import { mayLock, mayLockMore, populateRange } from '../mm/populate.ts'
import { USER_END } from '../mm/user-memory.ts'
import { findVma, isMapped, MMAP_MIN_ADDRESS, STACK_GUARD_GAP, vmaIndex } from '../mm/vma.ts'
import { hasCapability } from '../task/credentials.ts'
import type { Task } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'

const MAY_ALL = VMA_MAYREAD | VMA_MAYWRITE | VMA_MAYEXEC
const PROT_MASK = PROT_READ | PROT_WRITE | PROT_EXEC
/** MAP_UNINITIALIZED, MAP_ABOVE4G, sizes of huge pages: accepted, and without effect. */
const IGNORED_FLAGS = 0x400_0000 | 0x80 | 21 << 26 | 30 << 26
/** Flags that MAP_SHARED_VALIDATE accepts (LEGACY_MAP_MASK). */
const KNOWN_FLAGS = MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE | MAP_GROWSDOWN |
  MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | MAP_32BIT | IGNORED_FLAGS
const READ_IMPLIES_EXEC = 0x40_0000

/** /dev/zero: a private mapping of it is anonymous memory, a shared one shared memory. */
const isZeroDevice = (file: OpenFile): boolean => file.kind === 'device' && file.inode.kind === 'character' && file.inode.rdev === (1 << 8 | 5)

/** Populates without complaint, as mmap does: what does not work out faults later. */
const populateQuietly = (kernel: Kernel, space: AddressSpace, start: number, end: number): void => {
  try {
    populateRange(kernel, space, start, end)
  } catch (error) {
    if (!(error instanceof OutOfFrames)) throw error
  }
}

/** Where a mapping goes, or a negative errno (get_unmapped_area). */
export const choosePlace = (task: Task, address: number, length: number, flags: number): number => {
  if (length > USER_END) return -ENOMEM
  let place: number | undefined
  if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0) place = address
  else if ((flags & MAP_32BIT) !== 0) place = findPlaceLow(task.mm, length, address)
  else place = findPlace(task.mm, length, address)
  if (place === undefined || place > USER_END - length) return -ENOMEM
  if (place % PAGE_SIZE !== 0) return -EINVAL
  if (place < MMAP_MIN_ADDRESS && !hasCapability(task, CAP_SYS_RAWIO)) return -EPERM
  return place
}

/** Area flags for a file mapping, or a negative errno (the file branch of do_mmap). */
const fileFlags = (file: OpenFile, prot: number, flags: number): number => {
  const mode = file.flags & O_ACCMODE
  let area = MAY_ALL
  const type = flags & MAP_TYPE
  if (type === MAP_SHARED || type === MAP_SHARED_VALIDATE) {
    if (type === MAP_SHARED_VALIDATE && (flags & ~KNOWN_FLAGS) !== 0) return -EOPNOTSUPP
    if ((prot & PROT_WRITE) !== 0 && mode === O_RDONLY) return -EACCES
    area |= VMA_SHARED
    // Nor can a mapping of what is sealed against writing become writable.
    if (mode === O_RDONLY || (file.inode.kind === 'file' && ((file.inode.seals ?? 0) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0)) area &= ~VMA_MAYWRITE
  } else if (type !== MAP_PRIVATE) {
    return -EINVAL
  }
  // Nor what was opened for neither (access mode 3).
  if (mode !== O_RDONLY && mode !== O_RDWR) return -EACCES
  return area
}

const anonymousFlags = (flags: number): number => {
  switch (flags & MAP_TYPE) {
    case MAP_SHARED: return (flags & MAP_GROWSDOWN) !== 0 ? -EINVAL : MAY_ALL | VMA_SHARED
    case MAP_PRIVATE: return MAY_ALL
    default: return -EINVAL
  }
}

/** do_mmap: the start of the new mapping or a negative errno. */
export const mapFile = (
  kernel: Kernel, task: Task, hint: number, size: number, protection: number, mapFlags: number, file: OpenFile | undefined, offset: number,
): number => {
  const space = task.mm
  if (size === 0) return -EINVAL
  let prot = protection & PROT_MASK
  const cannotExecute = file !== undefined && isNoExec(file.mount, file.inode)
  if ((prot & PROT_READ) !== 0 && (task.personality & READ_IMPLIES_EXEC) !== 0 && !cannotExecute) prot |= PROT_EXEC
  const fixed = (mapFlags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0
  let address = hint
  if (!fixed) {
    address = pageDown(address)
    if (hint > 0 && address < MMAP_MIN_ADDRESS) address = MMAP_MIN_ADDRESS
  }
  const length = pageUp(size)
  if (length >= 2 ** 64) return -ENOMEM
  if (offset + length >= 2 ** 76) return -EOVERFLOW
  if (space.vmas.length > MAP_COUNT_LIMIT) return -ENOMEM
  const start = choosePlace(task, address, length, mapFlags)
  if (start < 0) return start
  const end = start + length
  if ((mapFlags & MAP_FIXED_NOREPLACE) !== 0 && isMapped(space, start, end)) return -EEXIST
  const locked = (mapFlags & MAP_LOCKED) !== 0
  if (locked && !mayLock(task)) return -EPERM
  const lockFlags = locked || (space.futureFlags & VMA_LOCKED) !== 0 ? VMA_LOCKED : 0
  if (lockFlags !== 0 && !mayLockMore(task, length)) return -EAGAIN
  if (file !== undefined && offset + length > Number.MAX_SAFE_INTEGER) return -EOVERFLOW
  let flags = file === undefined ? anonymousFlags(mapFlags) : fileFlags(file, prot, mapFlags)
  if (flags < 0) return flags
  flags |= lockFlags
  if ((mapFlags & MAP_NORESERVE) !== 0) flags |= VMA_NORESERVE
  if ((mapFlags & MAP_GROWSDOWN) !== 0) {
    if (file !== undefined) return -EINVAL
    flags |= VMA_GROWSDOWN
  }
  const operations = file === undefined ? undefined : operationsOf(file)
  const zero = file !== undefined && isZeroDevice(file)
  if (cannotExecute) {
    if ((prot & PROT_EXEC) !== 0) return -EPERM
    flags &= ~VMA_MAYEXEC
  }
  if (operations !== undefined && operations.map === undefined && !zero) {
    // Sockets are asked when what was there is gone (sock_no_mmap).
    if (file?.kind === 'socket' && (mapFlags & MAP_FIXED) !== 0) unmapRange(kernel, space, start, end)
    return -ENODEV
  }
  if (!mayExpand(kernel, task.group, space, length - overlap(space, start, end), prot, flags)) return -ENOMEM
  const anonymous = file === undefined || zero
  if (anonymous && (flags & (VMA_SHARED | VMA_NORESERVE)) === VMA_SHARED && !mayCommit(kernel, length)) return -ENOMEM
  if (file !== undefined && operations?.map !== undefined && !zero) {
    const refused = operations.map(kernel, task, file, prot, mapFlags)
    if (refused < 0) return refused
  }
  const vma: Vma = { start, end, prot, flags, backing: undefined, offset: 0, name: '' }
  if (anonymous) {
    if ((flags & VMA_SHARED) !== 0) {
      vma.backing = makeSharedMemory(kernel, length)
      vma.name = '/dev/zero (deleted)'
    }
  } else {
    vma.backing = file.inode
    vma.offset = offset
    vma.name = file.path
    retainInode(kernel, file.inode)
  }
  mapRegion(kernel, space, vma)
  if (lockFlags !== 0 || (mapFlags & (MAP_POPULATE | MAP_NONBLOCK)) === MAP_POPULATE) populateQuietly(kernel, space, start, end)
  return start
}

/** Bytes of a range that are mapped: MAP_FIXED replaces them. */
const overlap = (space: AddressSpace, start: number, end: number): number => {
  let sum = 0
  for (let index = vmaIndex(space, start); index < space.vmas.length && space.vmas[index].start < end; index++) {
    sum += Math.min(space.vmas[index].end, end) - Math.max(space.vmas[index].start, start)
  }
  return sum
}

const mmap = (kernel: Kernel, task: Task, args: Args): number => {
  const offset = uint64(args[5])
  if (!isAligned(args[5])) return -EINVAL
  const flags = uint32(args[3])
  let file: OpenFile | undefined
  if ((flags & MAP_ANONYMOUS) === 0) {
    file = getFile(task, int32(args[4]))
    if (file === undefined || (file.flags & O_PATH) !== 0) return -EBADF
    if ((flags & MAP_HUGETLB) !== 0) return -EINVAL
  } else if ((flags & MAP_HUGETLB) !== 0) {
    // There is no pool of huge pages.
    return -ENOMEM
  }
  return mapFile(kernel, task, uint64(args[0]), uint64(args[1]), int32(args[2]), flags, file, offset)
}

const munmap = (kernel: Kernel, task: Task, args: Args): number => {
  const start = uint64(args[0])
  const size = uint64(args[1])
  if (start % PAGE_SIZE !== 0 || start > USER_END || size > USER_END - start || size === 0) return -EINVAL
  const end = start + pageUp(size)
  // Cutting a hole makes one more area.
  const vma = findVma(task.mm, start)
  if (vma !== undefined && vma.start < start && vma.end > end && task.mm.vmas.length >= MAP_COUNT_LIMIT) return -ENOMEM
  unmapRange(kernel, task.mm, start, end)
  return 0
}

const NEEDED: readonly (readonly [prot: number, flag: number])[] = [[PROT_READ, VMA_MAYREAD], [PROT_WRITE, VMA_MAYWRITE], [PROT_EXEC, VMA_MAYEXEC]]
const mayHave = (vma: Vma, prot: number): boolean => NEEDED.every(([bit, flag]) => (prot & bit) === 0 || (vma.flags & flag) !== 0)

const protect = (kernel: Kernel, task: Task, args: Args): number => {
  const space = task.mm
  let start = uint64(args[0])
  const size = uint64(args[1])
  let prot = uint32(args[2])
  const grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP)
  prot = (prot & ~(PROT_GROWSDOWN | PROT_GROWSUP)) >>> 0
  if (grows === (PROT_GROWSDOWN | PROT_GROWSUP)) return -EINVAL
  if (!isAligned(args[0])) return -EINVAL
  if (size === 0) return 0
  const end = start + pageUp(size)
  if (end >= 2 ** 64) return -ENOMEM
  if ((prot & ~(PROT_MASK | PROT_SEM)) !== 0) return -EINVAL
  if ((prot & PROT_READ) !== 0 && (task.personality & READ_IMPLIES_EXEC) !== 0) prot |= PROT_EXEC
  const index = vmaIndex(space, start)
  if (index === space.vmas.length) return -ENOMEM
  const first = space.vmas[index]
  if ((grows & PROT_GROWSDOWN) !== 0) {
    if (first.start >= end) return -ENOMEM
    if ((first.flags & VMA_GROWSDOWN) === 0) return -EINVAL
    start = first.start
  } else if (first.start > start) {
    return -ENOMEM
  } else if ((grows & PROT_GROWSUP) !== 0) {
    return -EINVAL
  }
  prot &= PROT_MASK
  // Area by area: what came before the first that fails stays changed.
  for (let at = start; at < end;) {
    const vma = findVma(space, at)
    if (vma === undefined) return -ENOMEM
    const to = Math.min(vma.end, end)
    if (!mayHave(vma, prot)) return -EACCES
    if ((prot & PROT_WRITE) !== 0 && (vma.prot & PROT_WRITE) === 0 && !mayExpand(kernel, task.group, space, to - at, prot, vma.flags, true)) return -ENOMEM
    if (vma.prot !== prot) protectRange(kernel, space, at, to, prot)
    at = to
  }
  return 0
}

const brk = (kernel: Kernel, task: Task, args: Args): number => {
  const space = task.mm
  const wanted = uint64(args[0])
  const { heapStart, heapEnd } = space
  if (wanted < heapStart || wanted > USER_END) return heapEnd
  if (wanted - heapStart + (space.dataEnd - space.dataStart) > task.group.limits[RLIMIT_DATA][0]) return heapEnd
  const oldEnd = pageUp(heapEnd)
  const newEnd = pageUp(wanted)
  if (newEnd < oldEnd) {
    unmapRange(kernel, space, newEnd, oldEnd)
  } else if (newEnd > oldEnd) {
    const above = space.vmas.at(vmaIndex(space, oldEnd))
    const gap = above === undefined ? USER_END : (above.flags & VMA_GROWSDOWN) !== 0 ? above.start - STACK_GUARD_GAP : above.start
    if (vmaIndex(space, oldEnd) < space.vmas.length && newEnd + PAGE_SIZE > gap) return heapEnd
    const lockFlags = space.futureFlags & VMA_LOCKED
    if (lockFlags !== 0 && !mayLockMore(task, newEnd - oldEnd)) return heapEnd
    const prot = PROT_READ | PROT_WRITE
    if (!mayExpand(kernel, task.group, space, newEnd - oldEnd, prot, MAY_ALL)) return heapEnd
    if (space.vmas.length > MAP_COUNT_LIMIT) return heapEnd
    mapRegion(kernel, space, { start: oldEnd, end: newEnd, prot, flags: MAY_ALL | lockFlags, backing: undefined, offset: 0, name: '[heap]' })
    if (lockFlags !== 0) populateQuietly(kernel, space, oldEnd, newEnd)
  }
  space.heapEnd = wanted
  return wanted
}

// ——— mremap ———

/** The area to be resized, or a negative errno (vma_to_resize). */
const resizable = (kernel: Kernel, task: Task, address: number, oldLength: number, newLength: number): Vma | number => {
  const vma = findVma(task.mm, address)
  if (vma === undefined) return -EFAULT
  if (oldLength === 0 && (vma.flags & VMA_SHARED) === 0) return -EINVAL
  if (oldLength > vma.end - address) return -EFAULT
  if (newLength === oldLength) return vma
  const more = newLength - oldLength
  if ((vma.flags & VMA_LOCKED) !== 0 && !mayLockMore(task, more)) return -EAGAIN
  if (!mayExpand(kernel, task.group, task.mm, more, vma.prot, vma.flags)) return -ENOMEM
  return vma
}

/** Moves or copies what is mapped at `from` to a free place (move_vma). */
const moveArea = (kernel: Kernel, task: Task, vma: Vma, from: number, oldLength: number, newLength: number, to: number, keep: boolean): number => {
  const space = task.mm
  if (space.vmas.length >= MAP_COUNT_LIMIT - 3) return -ENOMEM
  const moved: Vma = { ...vma, start: to, end: to + newLength, offset: vma.backing === undefined ? 0 : vma.offset + (from - vma.start) }
  retainBacking(kernel, moved)
  mapRegion(kernel, space, moved)
  movePages(kernel, space, from, oldLength, to)
  const { flags } = vma
  if (!keep) unmapRange(kernel, space, from, from + oldLength)
  else flagRange(kernel, space, from, from + oldLength, 0, VMA_LOCKED)
  if ((flags & VMA_LOCKED) !== 0) populateQuietly(kernel, space, to, to + newLength)
  return to
}

const mremapTo = (kernel: Kernel, task: Task, address: number, oldSize: number, newLength: number, flags: number, target: number): number => {
  const space = task.mm
  let oldLength = oldSize
  if (target % PAGE_SIZE !== 0) return -EINVAL
  if (newLength > USER_END || target > USER_END - newLength) return -EINVAL
  if (address + oldLength > target && target + newLength > address) return -EINVAL
  if (space.vmas.length + 2 >= MAP_COUNT_LIMIT - 3) return -ENOMEM
  if ((flags & MREMAP_FIXED) !== 0) {
    if (target < MMAP_MIN_ADDRESS && !hasCapability(task, CAP_SYS_RAWIO)) return -EPERM
    unmapRange(kernel, space, target, target + newLength)
  }
  if (oldLength > newLength) {
    unmapRange(kernel, space, address + newLength, address + oldLength)
    oldLength = newLength
  }
  const vma = resizable(kernel, task, address, oldLength, newLength)
  if (typeof vma === 'number') return vma
  const keep = (flags & MREMAP_DONTUNMAP) !== 0
  if (keep && !mayExpand(kernel, task.group, space, oldLength, vma.prot, vma.flags)) return -ENOMEM
  const to = choosePlace(task, target, newLength, (flags & MREMAP_FIXED) !== 0 ? MAP_FIXED : 0)
  return to < 0 ? to : moveArea(kernel, task, vma, address, oldLength, newLength, to, keep)
}

const mremap = (kernel: Kernel, task: Task, args: Args): number => {
  const space = task.mm
  const address = uint64(args[0])
  const flags = uint64(args[3])
  if (flags > 7 || ((flags & MREMAP_FIXED) !== 0 && (flags & MREMAP_MAYMOVE) === 0)) return -EINVAL
  if ((flags & MREMAP_DONTUNMAP) !== 0 && ((flags & MREMAP_MAYMOVE) === 0 || uint64(args[1]) !== uint64(args[2]))) return -EINVAL
  if (!isAligned(args[0])) return -EINVAL
  const oldLength = pageUp(uint64(args[1]))
  const newLength = pageUp(uint64(args[2]))
  if (newLength === 0 || newLength >= 2 ** 64) return -EINVAL
  if (findVma(space, address) === undefined) return -EFAULT
  if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0) return mremapTo(kernel, task, address, oldLength, newLength, flags, uint64(args[4]))
  if (oldLength >= newLength) {
    if (oldLength > newLength) {
      if (oldLength > USER_END - address) return -EINVAL
      unmapRange(kernel, space, address + newLength, address + oldLength)
    }
    return address
  }
  const vma = resizable(kernel, task, address, oldLength, newLength)
  if (typeof vma === 'number') return vma
  if (oldLength === vma.end - address && canGrow(space, vma, newLength - oldLength)) {
    const oldEnd = vma.end
    mapRegion(kernel, space, {
      ...vma, start: oldEnd, end: address + newLength, offset: vma.backing === undefined ? 0 : vma.offset + (oldEnd - vma.start),
      backing: retained(kernel, vma),
    })
    if ((vma.flags & VMA_LOCKED) !== 0) populateQuietly(kernel, space, oldEnd, address + newLength)
    return address
  }
  if ((flags & MREMAP_MAYMOVE) === 0) return -ENOMEM
  const to = choosePlace(task, 0, newLength, 0)
  return to < 0 ? to : moveArea(kernel, task, vma, address, oldLength, newLength, to, false)
}

const retained = (kernel: Kernel, vma: Vma): Vma['backing'] => {
  retainBacking(kernel, vma)
  return vma.backing
}

/** Whether the place behind an area is free. */
const canGrow = (space: AddressSpace, vma: Vma, more: number): boolean => {
  const end = vma.end + more
  if (end > USER_END) return false
  const next = space.vmas.at(vmaIndex(space, vma.end))
  return vmaIndex(space, vma.end) === space.vmas.length || next === undefined || next.start >= end
}

/** Since Linux 4.0 remap_file_pages is emulated by mmap over the shared mapping. */
const remapFilePages = (kernel: Kernel, task: Task, args: Args): number => {
  const space = task.mm
  const start = pageDown(uint64(args[0]))
  const size = pageDown(uint64(args[1]))
  const page = uint64(args[3])
  if (args[2] !== 0) return -EINVAL
  if (size === 0 || start + size >= 2 ** 64) return -EINVAL
  const vma = findVma(space, start)
  if (vma === undefined || (vma.flags & VMA_SHARED) === 0 || vma.backing === undefined) return -EINVAL
  for (let at = vma.end; at < start + size;) {
    const next = findVma(space, at)
    if (next === undefined || next.backing !== vma.backing || next.flags !== vma.flags || next.prot !== vma.prot) return -EINVAL
    at = next.end
  }
  const offset = page * PAGE_SIZE
  if (offset + size > Number.MAX_SAFE_INTEGER) return -EINVAL
  mapRegion(kernel, space, { ...vma, start, end: start + size, offset, backing: retained(kernel, vma) })
  populateQuietly(kernel, space, start, start + size)
  return 0
}

// ——— Protection keys: the processor has none (CPUID.7:ECX.PKU is 0) ———

const pkeyMprotect = (kernel: Kernel, task: Task, args: Args): number =>
  int32(args[3]) === -1 ? protect(kernel, task, args) : uint64(args[0]) % PAGE_SIZE !== 0 ? -EINVAL : uint64(args[1]) === 0 ? 0 : -EINVAL
const pkeyAlloc = (_kernel: Kernel, _task: Task, args: Args): number => args[0] !== 0 || uint64(args[1]) > 3 ? -EINVAL : -ENOSPC
const pkeyFree = (): number => -EINVAL
const absent = (): number => -ENOSYS

export const memoryCalls: readonly SyscallEntry[] = [
  { number: 9, name: 'mmap', args: ['addr:address', 'length:size', 'prot:flags(PROT)', 'flags:flags(MAP)', 'fd:fd', 'offset:offset'], handler: mmap, status: 'full', note: 'no huge page pool: MAP_HUGETLB gives ENOMEM' },
  { number: 10, name: 'mprotect', args: ['addr:address', 'length:size', 'prot:flags(PROT)'], handler: protect, status: 'full' },
  { number: 11, name: 'munmap', args: ['addr:address', 'length:size'], handler: munmap, status: 'full' },
  { number: 12, name: 'brk', args: ['addr:address'], handler: brk, status: 'full' },
  { number: 25, name: 'mremap', args: ['old_address:address', 'old_size:size', 'new_size:size', 'flags:flags(MREMAP)', 'new_address:address'], handler: mremap, status: 'full' },
  { number: 216, name: 'remap_file_pages', args: ['addr:address', 'size:size', 'prot:int', 'pgoff:size', 'flags:flags(MAP)'], handler: remapFilePages, status: 'full' },
  { number: 329, name: 'pkey_mprotect', args: ['addr:address', 'length:size', 'prot:flags(PROT)', 'pkey:int'], handler: pkeyMprotect, status: 'full', note: 'the processor has no protection keys: only pkey −1' },
  { number: 330, name: 'pkey_alloc', args: ['flags:uint', 'access_rights:uint'], handler: pkeyAlloc, status: 'full', note: 'ENOSPC: the processor has no protection keys' },
  { number: 331, name: 'pkey_free', args: ['pkey:int'], handler: pkeyFree, status: 'full', note: 'EINVAL: the processor has no protection keys' },
  { number: 447, name: 'memfd_secret', args: ['flags:uint'], handler: absent, status: 'absent', note: 'off by default in Linux 6.1 (secretmem.enable)' },
]
