/** The sorted list of areas: search, insertion with merging, removal with splitting, free gaps. */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import type { Kernel } from '../kernel.ts'
import { type AddressSpace, VMA_GROWSDOWN, type Vma } from './address-space.ts'
import { releaseBacking, retainBacking } from './backing.ts'

/** Linux keeps this much free below a stack (stack_guard_gap, 256 pages). */
export const STACK_GUARD_GAP = 256 * PAGE_SIZE
/** Addresses below are for privileged tasks only (vm.mmap_min_addr). */
export const MMAP_MIN_ADDRESS = 0x1_0000

/** Index of the first area that ends above the address; vmas.length if there is none. */
export const vmaIndex = (space: AddressSpace, address: number): number => {
  const { vmas } = space
  let low = 0
  let high = vmas.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (vmas[middle].end > address) high = middle
    else low = middle + 1
  }
  return low
}

/** The area that holds the address. */
export const findVma = (space: AddressSpace, address: number): Vma | undefined => {
  const index = vmaIndex(space, address)
  if (index === space.vmas.length) return undefined
  const vma = space.vmas[index]
  return vma.start <= address ? vma : undefined
}

/** Whether any area lies in [start, end). */
export const isMapped = (space: AddressSpace, start: number, end: number): boolean => {
  const index = vmaIndex(space, start)
  return index < space.vmas.length && space.vmas[index].start < end
}

const canMerge = (a: Vma, b: Vma): boolean =>
  a.end === b.start && a.prot === b.prot && a.flags === b.flags && a.backing === b.backing && a.name === b.name &&
  (a.backing === undefined || (a.offset + (a.end - a.start) === b.offset &&
    // Areas of System V segments are counted: they stay what they were attached as.
    (a.backing.kind !== 'shared-memory' || a.backing.segment < 0)))

/** Merges the area at `index` with the one behind it, if they can be one. */
const mergeAt = (kernel: Kernel, space: AddressSpace, index: number): boolean => {
  if (index < 0 || index + 1 >= space.vmas.length) return false
  const a = space.vmas[index]
  const b = space.vmas[index + 1]
  if (!canMerge(a, b)) return false
  a.end = b.end
  space.vmas.splice(index + 1, 1)
  releaseBacking(kernel, b)
  return true
}

/** Merges neighbours around [start, end). */
export const mergeAround = (kernel: Kernel, space: AddressSpace, start: number, end: number): void => {
  let index = Math.max(vmaIndex(space, start - 1), 0)
  if (index > 0) index--
  while (index + 1 < space.vmas.length && space.vmas[index].start <= end) {
    if (!mergeAt(kernel, space, index)) index++
  }
}

/** Puts an area into a free place. The list takes over the caller's reference to the backing. */
export const insertVma = (kernel: Kernel, space: AddressSpace, vma: Vma): void => {
  const index = vmaIndex(space, vma.start)
  space.vmas.splice(index, 0, vma)
  mergeAt(kernel, space, index)
  mergeAt(kernel, space, index - 1)
}

/** Splits the area that has `address` inside, so that one starts there. */
export const splitAt = (kernel: Kernel, space: AddressSpace, address: number): void => {
  const index = vmaIndex(space, address)
  if (index === space.vmas.length) return
  const vma = space.vmas[index]
  if (vma.start >= address) return
  const upper: Vma = { ...vma, start: address, offset: vma.backing === undefined ? 0 : vma.offset + (address - vma.start) }
  // The lower part of a stack is what grows; Linux keeps the flag in both.
  vma.end = address
  retainBacking(kernel, upper)
  space.vmas.splice(index + 1, 0, upper)
}

/** Takes the areas of [start, end) out of the list and returns them, split at the borders. Pages and backings are still held. */
export const cutVmas = (kernel: Kernel, space: AddressSpace, start: number, end: number): Vma[] => {
  splitAt(kernel, space, start)
  splitAt(kernel, space, end)
  const from = vmaIndex(space, start)
  let to = from
  while (to < space.vmas.length && space.vmas[to].start < end) to++
  if (to === from) return []
  widenHints(space, to === space.vmas.length ? space.mmapBase : space.vmas[to].start)
  return space.vmas.splice(from, to - from)
}

/** Start of what must stay free for the area: a stack keeps its guard gap below. */
const guardedStart = (vma: Vma): number =>
  (vma.flags & VMA_GROWSDOWN) !== 0 ? Math.max(vma.start - STACK_GUARD_GAP, 0) : vma.start

/** Whether [start, end) is free, stack gaps included. */
export const isFree = (space: AddressSpace, start: number, end: number): boolean => {
  const index = vmaIndex(space, start)
  return index === space.vmas.length || guardedStart(space.vmas[index]) >= end
}

/** So many lengths are remembered: programs ask for few different ones again and again, and would look through all areas each time. */
const HINTS = 4

/** A gap that ends at `end` came to be. */
const widenHints = (space: AddressSpace, end: number): void => {
  const top = Math.min(end, space.mmapBase)
  const { gapHints } = space
  for (let i = 0; i < gapHints.length; i++) if (gapHints[i][1] < top) gapHints[i] = [gapHints[i][0], top]
}

/** No gap of `length` bytes is above `top`. */
const noteHint = (space: AddressSpace, length: number, top: number): void => {
  const { gapHints } = space
  const at = gapHints.findIndex(([known]) => known === length)
  if (at >= 0) {
    gapHints[at] = [length, top]
    return
  }
  if (gapHints.length === HINTS) gapHints.shift()
  gapHints.push([length, top])
}

/** The highest gap of `length` bytes below the base of mappings; undefined if there is none (Linux's top-down layout). */
export const findGapDown = (space: AddressSpace, length: number): number | undefined => {
  let top = space.mmapBase
  for (const hint of space.gapHints) if (hint[0] <= length && hint[1] < top) [, top] = hint
  let high = top
  for (let index = vmaIndex(space, top - 1); index >= 0; index--) {
    if (index < space.vmas.length) high = Math.min(high, guardedStart(space.vmas[index]))
    const low = index > 0 ? space.vmas[index - 1].end : MMAP_MIN_ADDRESS
    if (high - Math.max(low, MMAP_MIN_ADDRESS) < length) continue
    noteHint(space, length, high)
    return high - length
  }
  return undefined
}

/** The lowest gap between `bottom` and `top`. */
export const findGapUp = (space: AddressSpace, length: number, bottom: number, top: number): number | undefined => {
  let low = bottom
  for (let index = vmaIndex(space, bottom); index <= space.vmas.length; index++) {
    const high = index < space.vmas.length ? Math.min(guardedStart(space.vmas[index]), top) : top
    if (high - low >= length) return low
    if (index < space.vmas.length) low = Math.max(low, space.vmas[index].end)
    if (low >= top) return undefined
  }
  return undefined
}
