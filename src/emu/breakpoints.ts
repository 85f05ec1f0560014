/**
 * Debug registers (Intel SDM volume 3, 18.2), as far as the processor needs to know of them. Pages with watched memory are kept
 * out of the soft TLB, so that accesses to them come to the host; of pages with instructions to stop before no blocks are executed, but
 * one instruction after the other. Nothing of it costs anything while there are none.
 */
import { PAGE_SIZE } from './cpu/layout.ts'

export interface Breakpoint {
  /** Before the instruction at the address; after one that writes, or reads or writes, some of these bytes. */
  readonly kind: 'execute' | 'write' | 'access'
  readonly address: number
  /** 1, 2, 4 or 8; the address is a multiple of it. */
  readonly length: number
}

/** DR6: bits 0 to 3 say which breakpoints were met, this one single step. */
export const DR6_STEP = 0x4000

export class Breakpoints {
  readonly #list: readonly (Breakpoint | undefined)[]
  readonly #dataPages: ReadonlySet<number>
  readonly #codePages: ReadonlySet<number>
  readonly hasCode: boolean

  /** @param list by number of the register; undefined: off */
  constructor(list: readonly (Breakpoint | undefined)[] = []) {
    this.#list = list
    const pagesOf = (isCode: boolean): Set<number> =>
      new Set(list.flatMap((point) => point !== undefined && (point.kind === 'execute') === isCode ? [Math.floor(point.address / PAGE_SIZE)] : []))
    this.#dataPages = pagesOf(false)
    this.#codePages = pagesOf(true)
    this.hasCode = this.#codePages.size > 0
  }

  watches(page: number): boolean { return this.#dataPages.has(page) }
  isIn(page: number): boolean { return this.#codePages.has(page) }

  /** Bits of DR6 for an access. */
  accessed(address: number, size: number, writes: boolean): number {
    let met = 0
    for (const [i, point] of this.#list.entries()) {
      if (point === undefined || point.kind === 'execute' || (point.kind === 'write' && !writes)) continue
      if (address < point.address + point.length && point.address < address + size) met |= 1 << i
    }
    return met
  }

  /** Bits of DR6 for an instruction that is about to be executed. */
  reached(rip: number): number {
    let met = 0
    for (const [i, point] of this.#list.entries()) if (point?.kind === 'execute' && point.address === rip) met |= 1 << i
    return met
  }
}

export const NO_BREAKPOINTS = new Breakpoints()
