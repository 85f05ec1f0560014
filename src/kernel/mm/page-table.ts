/** The page table of an address space: look-up, change, and walks over ranges. Entries are described in address-space.ts. */
import type { PhysicalMemory } from '../../emu/memory.ts'
import { PROT_EXEC, PROT_NONE, PROT_WRITE } from '../abi/mman.ts'
import { type AddressSpace, PTE_EXEC, PTE_FRAME, PTE_READ, PTE_WRITE, PTE_ZERO, TABLE_PAGES } from './address-space.ts'

/** Protection as bits of an entry. On x86 what can be written or executed can be read. */
export const entryAccess = (prot: number): number =>
  (prot & 7) === PROT_NONE ? 0 : PTE_READ | ((prot & PROT_WRITE) !== 0 ? PTE_WRITE : 0) | ((prot & PROT_EXEC) !== 0 ? PTE_EXEC : 0)

// Page numbers reach 2^35: no 32-bit shifts on them.
const tableOf = (page: number): number => Math.floor(page / TABLE_PAGES)

export const getEntry = (space: AddressSpace, page: number): number => {
  const table = space.tables.get(tableOf(page))
  return table === undefined ? 0 : table[page % TABLE_PAGES]
}

/** Resident pages are those with memory of their own or of a file, as Linux counts them. */
const isResident = (entry: number): boolean => entry !== 0 && (entry & PTE_ZERO) === 0

/** Replaces an entry; the caller has taken the reference to the new frame, and drops the one to the old. */
export const setEntry = (space: AddressSpace, page: number, entry: number): void => {
  const index = tableOf(page)
  let table = space.tables.get(index)
  if (table === undefined) {
    table = new Int32Array(TABLE_PAGES)
    space.tables.set(index, table)
  }
  const slot = page % TABLE_PAGES
  if (isResident(table[slot])) space.residentPages--
  if (isResident(entry)) {
    space.residentPages++
    if (space.residentPages > space.residentPeak) space.residentPeak = space.residentPages
  }
  table[slot] = entry
}

/** Indices of the tables that cover part of [startPage, endPage), in rising order. */
const tablesIn = (space: AddressSpace, startPage: number, endPage: number): number[] => {
  const first = tableOf(startPage)
  const last = tableOf(endPage - 1)
  const found: number[] = []
  if (last - first < space.tables.size) {
    for (let index = first; index <= last; index++) if (space.tables.has(index)) found.push(index)
  } else {
    for (const index of space.tables.keys()) if (index >= first && index <= last) found.push(index)
    found.sort((a, b) => a - b)
  }
  return found
}

/** Called with each entry that isn't 0 of a range; what it returns replaces the entry (a change of counted kind goes through setEntry). */
type EntryVisitor = (entry: number, page: number) => number

export const updateEntries = (space: AddressSpace, startPage: number, endPage: number, visit: EntryVisitor): void => {
  if (endPage <= startPage) return
  for (const index of tablesIn(space, startPage, endPage)) {
    const table = space.tables.get(index)
    if (table === undefined) continue
    const base = index * TABLE_PAGES
    const from = Math.max(startPage - base, 0)
    const to = Math.min(endPage - base, TABLE_PAGES)
    for (let slot = from; slot < to; slot++) {
      const entry = table[slot]
      if (entry !== 0) table[slot] = visit(entry, base + slot)
    }
  }
}

/** Drops the pages of a range, and tables that are empty then. */
export const dropEntries = (memory: PhysicalMemory, space: AddressSpace, startPage: number, endPage: number): void => {
  if (endPage <= startPage) return
  for (const index of tablesIn(space, startPage, endPage)) {
    const table = space.tables.get(index)
    if (table === undefined) continue
    const base = index * TABLE_PAGES
    const from = Math.max(startPage - base, 0)
    const to = Math.min(endPage - base, TABLE_PAGES)
    let dropped = false
    for (let slot = from; slot < to; slot++) {
      const entry = table[slot]
      if (entry === 0) continue
      if (isResident(entry)) space.residentPages--
      table[slot] = 0
      dropped = true
      memory.release(entry & PTE_FRAME)
    }
    if (to - from === TABLE_PAGES || (dropped && table.every((entry) => entry === 0))) space.tables.delete(index)
  }
}

/** Gives the pages of a range the access bits of a new protection. */
export const protectEntries = (space: AddressSpace, startPage: number, endPage: number, access: number, shared: boolean): void => {
  // A shared page that was not written yet stays so: its first write must be seen.
  const keep = shared ? ~PTE_WRITE : ~0
  updateEntries(space, startPage, endPage, (entry) =>
    (entry & ~(PTE_READ | PTE_WRITE | PTE_EXEC)) | (access & (keep | (entry & PTE_WRITE))))
}

/** Moves the pages of a range to another place (mremap). */
export const moveEntries = (space: AddressSpace, startPage: number, endPage: number, toPage: number): void => {
  const moved: [number, number][] = []
  updateEntries(space, startPage, endPage, (entry, page) => {
    moved.push([toPage + (page - startPage), entry])
    if (isResident(entry)) space.residentPages--
    return 0
  })
  for (const [page, entry] of moved) setEntry(space, page, entry)
}
