/** Draws of a fuzzer, from its seed. */
import seedrandom from 'seedrandom'

export class Random {
  readonly #stream: seedrandom.PRNG
  constructor(seed: string) { this.#stream = seedrandom.alea(seed) }
  /** An integer in [0, bound). */
  below(bound: number): number { return Math.floor((this.#stream.int32() >>> 0) / 0x1_0000_0000 * bound) }
  /** True once in `of` times. */
  oneIn(of: number): boolean { return this.below(of) === 0 }
  pick<T>(list: readonly T[]): T { return list[this.below(list.length)] }
}
