/** Mapping, unmapping, protecting and moving ranges of an address space. Arguments are checked by the system calls. */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { PROT_WRITE } from '../abi/mman.ts'
import { RLIMIT_AS, RLIMIT_DATA } from '../abi/resources.ts'
import type { Kernel } from '../kernel.ts'
import type { ThreadGroup } from '../task/task.ts'
import { type AddressSpace, VMA_NORESERVE, VMA_SHARED, type Vma } from './address-space.ts'
import { releaseBacking } from './backing.ts'
import { dropEntries, entryAccess, moveEntries, protectEntries } from './page-table.ts'
import { mappedBytes, MMAP_BOTTOM } from './space.ts'
import { USER_END } from './user-memory.ts'
import { cutVmas, findGapDown, findGapUp, insertVma, isFree, mergeAround, MMAP_MIN_ADDRESS, splitAt, vmaIndex } from './vma.ts'

export const pageUp = (value: number): number => Math.ceil(value / PAGE_SIZE) * PAGE_SIZE
export const pageDown = (value: number): number => Math.floor(value / PAGE_SIZE) * PAGE_SIZE
/** vm.max_map_count. */
export const MAP_COUNT_LIMIT = 65_530

/** To those who keep something by address. */
const tellUnmapped = (kernel: Kernel, space: AddressSpace, start: number, end: number): void => {
  kernel.watch?.unmapped(space, start, end)
  for (const tracer of kernel.tracers) tracer.unmapped?.(space, start, end)
}

/** Unmaps a range: pages, areas. */
export const unmapRange = (kernel: Kernel, space: AddressSpace, start: number, end: number): void => {
  kernel.watch?.buffers?.drainSpace(space)
  const cut = cutVmas(kernel, space, start, end)
  if (cut.length === 0) return
  // Backings own frames too: the pages' references go first.
  for (const vma of cut) {
    dropEntries(kernel.memory, space, vma.start / PAGE_SIZE, vma.end / PAGE_SIZE)
    releaseBacking(kernel, vma)
  }
  tellUnmapped(kernel, space, start, end)
  kernel.flushRange(space, start, end)
}

/** Forgets the pages of a range but keeps its areas (MADV_DONTNEED, truncated files). */
export const dropRange = (kernel: Kernel, space: AddressSpace, start: number, end: number): void => {
  kernel.watch?.buffers?.drainSpace(space)
  dropEntries(kernel.memory, space, start / PAGE_SIZE, end / PAGE_SIZE)
  tellUnmapped(kernel, space, start, end)
  kernel.flushRange(space, start, end)
}

/** Puts an area in the place of whatever was there. The list takes over the caller's reference to the backing. */
export const mapRegion = (kernel: Kernel, space: AddressSpace, vma: Vma): void => {
  unmapRange(kernel, space, vma.start, vma.end)
  insertVma(kernel, space, vma)
}

export const protectRange = (kernel: Kernel, space: AddressSpace, start: number, end: number, prot: number): void => {
  kernel.watch?.buffers?.drainSpace(space)
  splitAt(kernel, space, start)
  splitAt(kernel, space, end)
  for (let index = vmaIndex(space, start); index < space.vmas.length && space.vmas[index].start < end; index++) {
    const vma = space.vmas[index]
    vma.prot = prot
    protectEntries(space, vma.start / PAGE_SIZE, vma.end / PAGE_SIZE, entryAccess(prot), (vma.flags & VMA_SHARED) !== 0)
  }
  mergeAround(kernel, space, start, end)
  kernel.flushRange(space, start, end)
}

/** Changes flags of the areas in a range. */
export const flagRange = (kernel: Kernel, space: AddressSpace, start: number, end: number, set: number, clear: number): void => {
  splitAt(kernel, space, start)
  splitAt(kernel, space, end)
  for (let index = vmaIndex(space, start); index < space.vmas.length && space.vmas[index].start < end; index++) {
    const vma = space.vmas[index]
    vma.flags = (vma.flags & ~clear) | set
  }
  mergeAround(kernel, space, start, end)
}

/** Names the areas of a range (PR_SET_VMA_ANON_NAME). */
export const nameRange = (kernel: Kernel, space: AddressSpace, start: number, end: number, name: string): void => {
  splitAt(kernel, space, start)
  splitAt(kernel, space, end)
  for (let index = vmaIndex(space, start); index < space.vmas.length && space.vmas[index].start < end; index++) space.vmas[index].name = name
  mergeAround(kernel, space, start, end)
}

/** Moves the pages of one area's part to a new area elsewhere. */
export const movePages = (kernel: Kernel, space: AddressSpace, from: number, length: number, to: number): void => {
  kernel.watch?.buffers?.drainSpace(space)
  moveEntries(space, from / PAGE_SIZE, (from + length) / PAGE_SIZE, to / PAGE_SIZE)
  tellUnmapped(kernel, space, from, from + length)
  kernel.flushSpace(space)
}

/** A free place as Linux's mmap would choose it: the hint if it is free, else top-down, else bottom-up. */
export const findPlace = (space: AddressSpace, length: number, hint: number): number | undefined => {
  if (length > USER_END) return undefined
  if (hint > 0) {
    const at = Math.max(pageUp(hint), MMAP_MIN_ADDRESS)
    if (at + length <= USER_END && isFree(space, at, at + length)) return at
  }
  return findGapDown(space, length) ?? findGapUp(space, length, MMAP_BOTTOM, USER_END)
}

const LOW_BOTTOM = 0x4000_0000, LOW_END = 0x8000_0000
/** MAP_32BIT: between 1 and 2 GiB; the hint, if it is free, may be below (arch_get_unmapped_area). */
export const findPlaceLow = (space: AddressSpace, length: number, hint: number): number | undefined => {
  const at = Math.max(pageUp(hint), MMAP_MIN_ADDRESS)
  if (hint > 0 && at + length <= LOW_END && isFree(space, at, at + length)) return at
  return findGapUp(space, length, LOW_BOTTOM, LOW_END)
}

/** Private writable memory counts as data for RLIMIT_DATA. */
const isData = (prot: number, flags: number): boolean => (prot & PROT_WRITE) !== 0 && (flags & VMA_SHARED) === 0

const dataBytes = (space: AddressSpace): number => {
  let sum = 0
  for (const vma of space.vmas) if (isData(vma.prot, vma.flags)) sum += vma.end - vma.start
  return sum
}

/** Linux's overcommit heuristic: a single request for more than there is of memory is refused. */
export const mayCommit = (kernel: Kernel, bytes: number): boolean => bytes <= kernel.memory.frameLimit * PAGE_SIZE

/**
 * Whether limits let the space grow by `bytes` (may_expand_vm), and the heuristic lets it be written.
 * @param isMapped the bytes are mapped already, and become data
 */
export const mayExpand = (
  kernel: Kernel, group: ThreadGroup, space: AddressSpace, bytes: number, prot: number, flags: number, isMapped = false,
): boolean => {
  const most = group.limits[RLIMIT_AS][0]
  if (!isMapped && most !== Infinity && mappedBytes(space) + bytes > most) return false
  if (!isData(prot, flags)) return true
  const limit = group.limits[RLIMIT_DATA][0]
  if (limit !== Infinity && dataBytes(space) + bytes > limit) return false
  return (flags & VMA_NORESERVE) !== 0 || mayCommit(kernel, bytes)
}
