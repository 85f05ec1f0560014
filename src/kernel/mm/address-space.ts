/**
 * An address space as data: virtual memory areas and a page table. What is done with it is in the files beside this one.
 *
 * Invariants: `vmas` is sorted by start, areas don't overlap, and neighbours that could be one area are one.
 * Each entry of the page table that isn't 0 holds one reference to its frame and lies in an area.
 */
import type { IpcState } from '../ipc/ipc-state.ts'
import type { Inode } from '../fs/inode.ts'

/** Memory shared by MAP_SHARED | MAP_ANONYMOUS, shmat(2): frames by page index, made on demand. */
export interface SharedMemory {
  readonly kind: 'shared-memory'
  /** Identity: in futex keys and as the inode number in /proc/PID/maps. */
  readonly id: number
  readonly frames: Map<number, number>
  /** How many pages it has: behind them is nothing, however long an area of it becomes (mremap). */
  readonly pages: number
  /** Areas that map it; one more for a System V segment that is not destroyed. */
  users: number
  /** Identifier of the System V segment that it is, −1 for others. */
  readonly segment: number
  /** The namespace in which it is that. */
  readonly ipc: IpcState | undefined
}

/** Area flags beyond protection. */
export const VMA_SHARED = 1, VMA_GROWSDOWN = 2, VMA_LOCKED = 4, VMA_MAYWRITE = 8, VMA_MAYEXEC = 16, VMA_DONTFORK = 32,
  VMA_WIPEONFORK = 64, VMA_NORESERVE = 128, VMA_MAYREAD = 256, VMA_DONTDUMP = 512

export interface Vma {
  /** Guest addresses, multiples of the page size. */
  start: number
  end: number
  /** PROT_READ, PROT_WRITE, PROT_EXEC. */
  prot: number
  /** VMA_*. */
  flags: number
  /** Undefined: anonymous private memory. */
  backing: Inode | SharedMemory | undefined
  /** Byte offset of `start` in the backing. */
  offset: number
  /** What /proc/PID/maps shows: a path, '[heap]', '[stack]', or ''. */
  name: string
}

/**
 * Page-table entries: 0 (nothing there), or a frame number (below 2^20) with flags above it.
 * READ is set in every entry that the guest can reach; one without it keeps the page of a PROT_NONE area.
 * PRIVATE: a write needs a copy while the frame has other references. ZERO: the frame is the zero page.
 */
export const PTE_FRAME = 0xf_ffff, PTE_READ = 1 << 24, PTE_WRITE = 1 << 25, PTE_EXEC = 1 << 26, PTE_PRIVATE = 1 << 27,
  PTE_ZERO = 1 << 28
/** Pages in one table. */
export const TABLE_PAGES = 512

export interface AddressSpace {
  readonly kind: 'address-space'
  /** Never reused in a world. */
  readonly id: number
  /** Tasks that run in it. */
  users: number
  vmas: Vma[]
  /** By page number >> 9: entries of TABLE_PAGES pages. */
  readonly tables: Map<number, Int32Array>
  /** Heap as moved by brk(2): [start, end). */
  heapStart: number
  heapEnd: number
  /** mmap goes down from here. */
  mmapBase: number
  /** Where looking for a gap may begin: none of so many bytes is above this address and below `mmapBase` (vma.ts). */
  gapHints: (readonly [length: number, top: number])[]
  codeStart: number
  codeEnd: number
  dataStart: number
  dataEnd: number
  stackStart: number
  /** [start, end) of argv's and the environment's strings. */
  argumentArea: [number, number]
  environmentArea: [number, number]
  /** The auxiliary vector as given to the program, for /proc/PID/auxv. */
  auxv: Uint8Array
  executable: string
  /** Pages in the page table, but for the zero page; and the most there ever were. */
  residentPages: number
  residentPeak: number
  /** Kinds of membarrier(2) that it is registered for: its commands, as bits. */
  membarriers: number
  /** mlockall(MCL_FUTURE): VMA_LOCKED for new areas. */
  futureFlags: number
}
