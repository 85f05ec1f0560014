/**
 * Reading guest memory from outside the world, to show what a system call was about: pages that are not there are not
 * made, so that a world that is watched is the same as one that is not.
 */
import { PAGE_SIZE } from '../emu/cpu/layout.ts'
import type { PhysicalMemory } from '../emu/memory.ts'
import { type AddressSpace, PTE_FRAME, PTE_READ } from '../kernel/mm/address-space.ts'
import { getEntry } from '../kernel/mm/page-table.ts'

const USER_END = 2 ** 47

/** The bytes up to a NUL, at most `max` of them, as latin1; undefined if a page on the way is not there. */
export const peekString = (memory: PhysicalMemory, space: AddressSpace, address: number, max: number): string | undefined => {
  let text = ''
  for (let at = address, left = max; left > 0;) {
    if (at < 0 || at >= USER_END) return undefined
    const entry = getEntry(space, Math.floor(at / PAGE_SIZE))
    if ((entry & PTE_READ) === 0) return undefined
    const within = at % PAGE_SIZE
    const start = (entry & PTE_FRAME) * PAGE_SIZE + within
    const count = Math.min(PAGE_SIZE - within, left)
    const bytes = memory.u8.subarray(start, start + count)
    const nul = bytes.indexOf(0)
    // Spreading a typed array would go through its iterator.
    text += String.fromCharCode.apply(null, (nul < 0 ? bytes : bytes.subarray(0, nul)) as unknown as number[])
    if (nul >= 0) return text
    at += count
    left -= count
  }
  return text
}

/** `count` bytes, or as many of them as are there before the first page that is not. */
export const peekBytes = (memory: PhysicalMemory, space: AddressSpace, address: number, count: number): Uint8Array => {
  const bytes = new Uint8Array(count)
  let done = 0
  while (done < count) {
    const at = address + done
    const entry = at >= 0 && at < USER_END ? getEntry(space, Math.floor(at / PAGE_SIZE)) : 0
    if ((entry & PTE_READ) === 0) break
    const within = at % PAGE_SIZE
    const start = (entry & PTE_FRAME) * PAGE_SIZE + within
    const length = Math.min(PAGE_SIZE - within, count - done)
    bytes.set(memory.u8.subarray(start, start + length), done)
    done += length
  }
  return bytes.subarray(0, done)
}
