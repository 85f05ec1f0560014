/** Writing to memory that its own task may only read, as debuggers do for breakpoints (Linux's FOLL_FORCE). */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { PROT_READ, PROT_WRITE } from '../abi/mman.ts'
import type { Kernel } from '../kernel.ts'
import { type AddressSpace, VMA_SHARED } from './address-space.ts'
import { pageDown } from './map.ts'
import { entryAccess, protectEntries } from './page-table.ts'
import { BadAddress } from './user-memory.ts'
import { findVma } from './vma.ts'

/** Private pages are copied first, so that nobody else sees it. @returns false if it can't be done */
export const forceWrite = (kernel: Kernel, space: AddressSpace, address: number, bytes: Uint8Array): boolean => {
  let done = 0
  while (done < bytes.length) {
    const at = address + done
    const count = Math.min(bytes.length - done, PAGE_SIZE - at % PAGE_SIZE)
    const vma = findVma(space, at)
    if (vma === undefined) return false
    const { prot } = vma
    if ((prot & PROT_WRITE) === 0 && (vma.flags & VMA_SHARED) !== 0) return false
    const page = pageDown(at) / PAGE_SIZE
    vma.prot = prot | PROT_READ | PROT_WRITE
    try {
      kernel.mmu(space).user.write(at, bytes.subarray(done, done + count))
    } catch (error) {
      if (error instanceof BadAddress) return false
      throw error
    } finally {
      vma.prot = prot
      protectEntries(space, page, page + 1, entryAccess(prot), (vma.flags & VMA_SHARED) !== 0)
      kernel.flushPage(space, page)
    }
    done += count
  }
  return true
}
