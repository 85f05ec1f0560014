/**
 * Page faults: demand paging, copy-on-write, stack growth; and what a fault that stays one means to the program.
 */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE, type Access, NO_FRAME } from '../../emu/mmu/mmu.ts'
import { PROT_EXEC, PROT_WRITE } from '../abi/mman.ts'
import { RLIMIT_STACK } from '../abi/resources.ts'
import { BUS_ADRERR, SEGV_ACCERR, SEGV_MAPERR, SIGBUS, SIGSEGV } from '../abi/signals.ts'
import type { Kernel } from '../kernel.ts'
import {
  type AddressSpace, PTE_EXEC, PTE_FRAME, PTE_PRIVATE, PTE_READ, PTE_WRITE, PTE_ZERO, VMA_GROWSDOWN, VMA_SHARED, type Vma,
} from './address-space.ts'
import { backingFrame } from './backing.ts'
import { entryAccess, getEntry, setEntry } from './page-table.ts'
import { USER_END } from './user-memory.ts'
import { findVma, STACK_GUARD_GAP, vmaIndex } from './vma.ts'

const ENTRY_BIT: Readonly<Record<Access, number>> = { [ACCESS_READ]: PTE_READ, [ACCESS_WRITE]: PTE_WRITE, [ACCESS_EXECUTE]: PTE_EXEC }

/** Whether an area's protection allows the access; on x86 anything but PROT_NONE can be read. */
const allows = (vma: Vma, access: Access): boolean =>
  access === ACCESS_READ ? vma.prot !== 0 : (vma.prot & (access === ACCESS_WRITE ? PROT_WRITE : PROT_EXEC)) !== 0

/** Lets a stack grow down to the address, if it may (Linux's expand_downwards). */
const growStack = (kernel: Kernel, space: AddressSpace, address: number): Vma | undefined => {
  const index = vmaIndex(space, address)
  if (index === space.vmas.length) return undefined
  const vma = space.vmas[index]
  if ((vma.flags & VMA_GROWSDOWN) === 0) return undefined
  const start = address - address % PAGE_SIZE
  const limit = kernel.current?.group.limits[RLIMIT_STACK][0] ?? 8 << 20
  if (vma.end - start > limit) return undefined
  const below = index > 0 ? space.vmas[index - 1] : undefined
  if (below !== undefined && (below.flags & VMA_GROWSDOWN) === 0 && below.prot !== 0 && start - below.end < STACK_GUARD_GAP) return undefined
  if (below !== undefined && below.end > start) return undefined
  vma.start = start
  return vma
}

/** The area for an access, after stack growth; undefined if the access is none of its business. */
const vmaForAccess = (kernel: Kernel, space: AddressSpace, address: number): Vma | undefined =>
  findVma(space, address) ?? growStack(kernel, space, address)

/** Puts a frame (with a reference for the table) in the place of an entry, and makes the processor forget the old one. */
const replaceEntry = (kernel: Kernel, space: AddressSpace, page: number, old: number, entry: number): void => {
  setEntry(space, page, entry)
  if (old === 0) return
  kernel.flushPage(space, page)
  kernel.memory.release(old & PTE_FRAME)
}

const faultAnonymous = (kernel: Kernel, space: AddressSpace, vma: Vma, page: number, entry: number, access: Access): number => {
  const { memory } = kernel
  const bits = entryAccess(vma.prot) | PTE_PRIVATE
  if (entry === 0 && access !== ACCESS_WRITE) {
    const zero = kernel.state.zeroFrame
    memory.retain(zero)
    setEntry(space, page, zero | bits | PTE_ZERO)
    return zero
  }
  const old = entry & PTE_FRAME
  if (entry !== 0 && (access !== ACCESS_WRITE || memory.references(old) === 1)) {
    // The page was kept while the protection forbade the access.
    setEntry(space, page, old | bits | (entry & PTE_ZERO))
    return old
  }
  const frame = entry === 0 || (entry & PTE_ZERO) !== 0 ? memory.allocate() : memory.copy(old)
  replaceEntry(kernel, space, page, entry, frame | bits)
  return frame
}

const faultPrivateFile = (
  kernel: Kernel, space: AddressSpace, vma: Vma, backing: NonNullable<Vma['backing']>, page: number, entry: number, access: Access,
): number => {
  // A page that was copied already is the task's own, like an anonymous one.
  if (entry !== 0) return faultAnonymous(kernel, space, vma, page, entry, access)
  const { memory } = kernel
  const source = backingFrame(kernel, backing, (vma.offset + page * PAGE_SIZE - vma.start) / PAGE_SIZE, false)
  if (source === NO_FRAME) return NO_FRAME
  const bits = entryAccess(vma.prot) | PTE_PRIVATE
  if (access === ACCESS_WRITE) {
    const frame = memory.copy(source)
    setEntry(space, page, frame | bits)
    return frame
  }
  memory.retain(source)
  setEntry(space, page, source | bits)
  return source
}

const faultShared = (
  kernel: Kernel, space: AddressSpace, vma: Vma, backing: NonNullable<Vma['backing']>, page: number, entry: number, access: Access,
): number => {
  const isWrite = access === ACCESS_WRITE
  const frame = backingFrame(kernel, backing, (vma.offset + page * PAGE_SIZE - vma.start) / PAGE_SIZE, isWrite)
  if (frame === NO_FRAME) return NO_FRAME
  // Writable only from the first write on: the file system wants to know of it.
  const bits = entryAccess(vma.prot) & (isWrite ? ~0 : ~PTE_WRITE)
  if ((entry & PTE_FRAME) === frame) {
    setEntry(space, page, frame | bits | (entry & PTE_WRITE & entryAccess(vma.prot)))
  } else {
    kernel.memory.retain(frame)
    replaceEntry(kernel, space, page, entry, frame | bits)
  }
  return frame
}

/**
 * The frame behind a page for this access, or NO_FRAME if it faults.
 * @throws OutOfFrames
 */
export const resolvePage = (kernel: Kernel, space: AddressSpace, page: number, access: Access): number => {
  const entry = getEntry(space, page)
  if ((entry & ENTRY_BIT[access]) !== 0) {
    const frame = entry & PTE_FRAME
    if (access !== ACCESS_WRITE || (entry & PTE_PRIVATE) === 0 || kernel.memory.references(frame) === 1) return frame
  }
  const vma = vmaForAccess(kernel, space, page * PAGE_SIZE)
  if (vma === undefined || !allows(vma, access)) return NO_FRAME
  const { backing } = vma
  const frame = backing === undefined ? faultAnonymous(kernel, space, vma, page, entry, access)
    : (vma.flags & VMA_SHARED) !== 0 ? faultShared(kernel, space, vma, backing, page, entry, access)
      : faultPrivateFile(kernel, space, vma, backing, page, entry, access)
  if (frame !== NO_FRAME && kernel.current !== undefined) kernel.current.usage.minorFaults++
  return frame
}

/** Linux maps the pages of a file around one that was read (fault_around_bytes, 64 KiB): they count as present. */
const AROUND_PAGES = 16

/** The page-fault error code without its W and I bits: bit 0 if a page is there, bit 2 always (user mode). */
export const faultCode = (space: AddressSpace, page: number): number => {
  // Linux shows no difference between addresses of the kernel.
  if (page * PAGE_SIZE >= USER_END) return 5
  const entry = getEntry(space, page)
  if (entry !== 0) return (entry & PTE_READ) !== 0 ? 5 : 4
  const vma = findVma(space, page * PAGE_SIZE)
  if (vma?.backing === undefined || vma.prot === 0) return 4
  const first = Math.max(page - page % AROUND_PAGES, vma.start / PAGE_SIZE)
  const last = Math.min(page - page % AROUND_PAGES + AROUND_PAGES, vma.end / PAGE_SIZE)
  for (let other = first; other < last; other++) if (getEntry(space, other) !== 0) return 5
  return 4
}

/** Which signal tells the program of a page fault that could not be resolved. */
export const explainFault = (space: AddressSpace, address: number, access: Access): { signal: number, code: number } => {
  const vma = address >= 0 && address < USER_END ? findVma(space, address) : undefined
  if (vma === undefined) return { signal: SIGSEGV, code: SEGV_MAPERR }
  return allows(vma, access) ? { signal: SIGBUS, code: BUS_ADRERR } : { signal: SIGSEGV, code: SEGV_ACCERR }
}
