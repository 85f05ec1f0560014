/** Making, copying and ending address spaces. */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import type { Kernel } from '../kernel.ts'
import {
  type AddressSpace, PTE_FRAME, TABLE_PAGES, VMA_DONTFORK, VMA_LOCKED, VMA_WIPEONFORK,
} from './address-space.ts'
import { releaseBacking, retainBacking } from './backing.ts'
import { dropEntries } from './page-table.ts'
import { USER_END } from './user-memory.ts'

/** Where Linux puts things with address randomisation off (as under a debugger): mmap's top is 128 MiB below the end. */
export const MMAP_BASE = USER_END - 0x800_0000
export const STACK_TOP = USER_END
/** Position-independent programs with an interpreter: two thirds of the address space. */
export const PIE_BASE = 0x5555_5555_4000
/** Bottom-up allocations start here (TASK_UNMAPPED_BASE). */
export const MMAP_BOTTOM = 0x2aaa_aaaa_a000

export const createSpace = (kernel: Kernel): AddressSpace => ({
  kind: 'address-space',
  id: ++kernel.state.lastSpaceId,
  users: 1,
  vmas: [],
  tables: new Map(),
  heapStart: 0, heapEnd: 0,
  mmapBase: MMAP_BASE,
  gapHints: [],
  codeStart: 0, codeEnd: 0, dataStart: 0, dataEnd: 0, stackStart: 0,
  argumentArea: [0, 0], environmentArea: [0, 0],
  auxv: new Uint8Array(0),
  executable: '',
  residentPages: 0, residentPeak: 0,
  membarriers: 0,
  futureFlags: 0,
})

/** A copy for fork: page tables are copied, frames are shared until one side writes. */
export const copySpace = (kernel: Kernel, space: AddressSpace): AddressSpace => {
  const { memory } = kernel
  kernel.watch?.buffers?.drainSpace(space)
  const copy: AddressSpace = {
    ...space,
    id: ++kernel.state.lastSpaceId,
    users: 1,
    vmas: [],
    tables: new Map(),
    gapHints: [],
    argumentArea: [...space.argumentArea],
    environmentArea: [...space.environmentArea],
    residentPeak: space.residentPages,
    futureFlags: space.futureFlags & ~VMA_LOCKED,
  }
  for (const vma of space.vmas) {
    if ((vma.flags & VMA_DONTFORK) !== 0) continue
    const twin = { ...vma, flags: vma.flags & ~VMA_LOCKED }
    retainBacking(kernel, twin)
    copy.vmas.push(twin)
  }
  for (const [index, table] of space.tables) {
    copy.tables.set(index, table.slice())
    for (let slot = 0; slot < TABLE_PAGES; slot++) {
      const entry = table[slot]
      if (entry !== 0) memory.retain(entry & PTE_FRAME)
    }
  }
  // Exceptions are rare: what should not have been copied is dropped again.
  for (const vma of space.vmas) {
    if ((vma.flags & (VMA_DONTFORK | VMA_WIPEONFORK)) !== 0) dropEntries(memory, copy, vma.start / PAGE_SIZE, vma.end / PAGE_SIZE)
  }
  kernel.flushWrites(space)
  return copy
}

/** Drops all areas and pages. */
export const emptySpace = (kernel: Kernel, space: AddressSpace): void => {
  dropEntries(kernel.memory, space, 0, USER_END / PAGE_SIZE)
  for (const vma of space.vmas) releaseBacking(kernel, vma)
  space.vmas = []
  space.gapHints = []
  kernel.flushSpace(space)
}

/** A task leaves the space; the last one takes it down. */
export const releaseSpace = (kernel: Kernel, space: AddressSpace): void => {
  if (--space.users > 0) return
  emptySpace(kernel, space)
}

/** Bytes of all areas: what RLIMIT_AS bounds. */
export const mappedBytes = (space: AddressSpace): number => {
  let sum = 0
  for (const vma of space.vmas) sum += vma.end - vma.start
  return sum
}
