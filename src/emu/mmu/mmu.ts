/** How the processor asks whoever owns the address space (the kernel's VMAs, later x86 page tables) for a page. */

export const ACCESS_READ = 0
export const ACCESS_WRITE = 1
export const ACCESS_EXECUTE = 2
export type Access = typeof ACCESS_READ | typeof ACCESS_WRITE | typeof ACCESS_EXECUTE

/** `resolve`'s answer where there is no page to be had: the access faults. */
export const NO_FRAME = 0

export interface Mmu {
  /**
   * The frame behind a guest page for this access, after demand paging and copy-on-write, or NO_FRAME if it faults.
   * @param page virtual page number: guest address / 4096, 0 ≤ page < 2^35 (the processor refuses other addresses itself)
   */
  resolve(page: number, access: Access): number
  /**
   * x86 page-fault error code for the access that `resolve` just refused, without the W and I bits, which the processor
   * adds: bit 0 = the page is present (a protection fault), bit 2 = user mode.
   */
  faultCode(page: number, access: Access): number
  /**
   * Whether a frame that `resolve` gave for reading may be written directly too (mapped writable, not shared by
   * copy-on-write): lets the processor fill both TLBs at once. A 'no' is always right.
   */
  isWritable(page: number): boolean
}
