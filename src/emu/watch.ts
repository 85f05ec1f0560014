/**
 * Watching memory accesses: pages that are watched are kept out of the soft TLB, so that each access to them misses and comes
 * to the host. There it is known exactly: address, size, kind, and the instruction (its record). When nobody watches, this costs
 * nothing, and the semantics of instructions know nothing of it.
 */

export const KIND_READ = 0
export const KIND_WRITE = 1
/** Read, changed and written by an instruction without LOCK: others may come between. */
export const KIND_MODIFY = 2
/** Of an instruction with LOCK, or of XCHG: read and written as one. */
export const KIND_UPDATE = 3
export type AccessKind = typeof KIND_READ | typeof KIND_WRITE | typeof KIND_MODIFY | typeof KIND_UPDATE

/** Whether accesses of this kind read, write. */
export const readsMemory = (kind: AccessKind): boolean => kind !== KIND_WRITE
export const writesMemory = (kind: AccessKind): boolean => kind !== KIND_READ

/** Flags beside the access (mmu.ts) of a translation: for something that is read as well; only to find out whether it faults. */
export const ACCESS_MODIFIES = 0x10
export const ACCESS_PROBES = 0x20

export interface AccessWatcher {
  /**
   * Whether accesses to the page are to be seen. 'No' is good until the TLB is emptied (`flushTlb`, `flushPage`, `forgetData`).
   * Asked when the page has just been resolved for reading or writing.
   */
  watches(page: number, isWrite: boolean): boolean
  /**
   * An access to a watched page is about to happen; nothing of it can fault any more.
   * An instruction may access memory several times: it can be stopped at its first access only, where `first` is true.
   * @param rip of the instruction
   * @param position instructions (and iterations of REP) that this `run` has executed before
   * @returns false: `run` ends before the instruction with EXIT_ACCESS
   */
  access(address: number, size: number, kind: AccessKind, rip: number, position: number, first: boolean): boolean
  /** Store buffers, if there are any. */
  readonly buffers?: StoreBuffers
  /** An instruction begins that waits for all stores before it, and there are some: may it? As `access`, which is asked then without `first`. */
  fence?(rip: number, first: boolean): boolean
}

/** What stands between a processor and watched memory: see src/kernel/watch/store-buffers.ts. */
export interface StoreBuffers {
  /** The CPU that runs has nothing to store. */
  readonly isEmpty: boolean
  /** Replaces those of `size` bytes at u8[at], which memory has at the address, that are still to be stored there by this CPU. */
  forward(address: number, size: number, u8: Uint8Array, at: number): void
  /** A store, which memory does not see yet. */
  store(address: number, size: number, u8: Uint8Array, at: number): void
  /** An instruction that waits for all stores before it. */
  fence(): void
}
