/** What the processor did and how long it took, for people who tune it: nothing in a world depends on any of it. */
import type { EXIT_REASONS } from './jit/reasons.ts'

/** Milliseconds from any origin. Where there is none, nothing is measured and times are 0. */
export type Stopwatch = () => number

export interface TierStatistics {
  readonly instructions: number
  /** Estimated: the rates that explain the times of all pieces best, as the sum of instructions times rate (least squares). */
  readonly ms: number
}

/** Something that the emulated code had to ask for. */
export interface ServiceStatistics {
  readonly count: number
  readonly ms: number
}

export interface JitStatistics {
  readonly modules: number
  readonly regions: number
  readonly instructions: number
  /** Of Wasm. */
  readonly bytes: number
  /** From tier 0 into a region. */
  readonly entries: number
  /** From a region to code outside: another region, or tier 0. */
  readonly chains: number
  /** Other ways out, by reason. */
  readonly exits: Readonly<Record<typeof EXIT_REASONS[number], number>>
  /** Of this thread; V8 compiles what is hot again on others. */
  readonly ms: number
}

export interface ProcessorStatistics {
  readonly instructions: number
  /** Of this thread, in `Processor.run`. */
  readonly ms: number
  readonly tier0: TierStatistics
  readonly tier1: TierStatistics
  /** Pages that the soft TLB did not have, page faults included. */
  readonly tlbMisses: ServiceStatistics
  /** Targets that the jump cache did not have, links made, code translated for tier 0. */
  readonly lookups: ServiceStatistics
  readonly translatedInstructions: number
  readonly compilation: JitStatistics | undefined
}

/** Sums from which the rates of both tiers follow: of a = n₀ and b = n₁ (instructions) and t (milliseconds) of all pieces. */
export class TierRates {
  #aa = 0
  #ab = 0
  #bb = 0
  #at = 0
  #bt = 0

  add(tier0: number, tier1: number, ms: number): void {
    this.#aa += tier0 * tier0
    this.#ab += tier0 * tier1
    this.#bb += tier1 * tier1
    this.#at += tier0 * ms
    this.#bt += tier1 * ms
  }

  /** Milliseconds of each tier, which add up to `ms`. */
  divide(tier0: number, tier1: number, ms: number): [number, number] {
    const determinant = this.#aa * this.#bb - this.#ab * this.#ab
    let [x, y] = [1, 1]
    if (determinant > 1e-9 * this.#aa * this.#bb) {
      x = Math.max(0, (this.#at * this.#bb - this.#bt * this.#ab) / determinant)
      y = Math.max(0, (this.#bt * this.#aa - this.#at * this.#ab) / determinant)
    }
    const sum = tier0 * x + tier1 * y
    return sum === 0 ? [ms, 0] : [tier0 * x / sum * ms, tier1 * y / sum * ms]
  }
}

/** Counts and times of one kind of service. */
export class Service {
  count = 0
  ms = 0
}
