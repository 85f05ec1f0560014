/** Where functions begin, as far as direct calls that were translated say: a guess for tier 1, nothing depends on it. */
import { PAGE_SIZE } from '../cpu/layout.ts'

/** Functions are hardly ever longer, in pages. */
const MOST_PAGES = 4
/** All are forgotten when there are more. */
const MOST = 100_000

export class Callees {
  /** Offsets by virtual page. */
  readonly #pages = new Map<number, Set<number>>()
  #count = 0

  add(target: number): void {
    const page = Math.floor(target / PAGE_SIZE)
    let offsets = this.#pages.get(page)
    if (offsets === undefined) {
      if (this.#count >= MOST) {
        this.#pages.clear()
        this.#count = 0
      }
      offsets = new Set()
      this.#pages.set(page, offsets)
    }
    if (!offsets.has(target % PAGE_SIZE)) this.#count++
    offsets.add(target % PAGE_SIZE)
  }

  /** Where the function begins that an address is probably in. */
  before(rip: number): number | undefined {
    const page = Math.floor(rip / PAGE_SIZE)
    for (let at = page; at > page - MOST_PAGES; at--) {
      let best = -1
      for (const offset of this.#pages.get(at) ?? []) if (offset > best && at * PAGE_SIZE + offset <= rip) best = offset
      if (best >= 0) return at * PAGE_SIZE + best
    }
    return undefined
  }
}
