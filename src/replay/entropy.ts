/** Decisions and random bytes from a seed: one stream for each use, so that more of one does not change the others. */
import seedrandom from 'seedrandom'
import type { DecisionKind, Entropy } from '../kernel/outside.ts'

export class SeededEntropy implements Entropy {
  readonly #seed: string
  /** Made when first used. */
  readonly #streams: { [K in DecisionKind]?: seedrandom.PRNG } = {}
  readonly #bytes: seedrandom.PRNG

  constructor(seed: string) {
    this.#seed = seed
    this.#bytes = seedrandom(`${seed}/bytes`)
  }

  /** Multiplying 32 bits by the bound is exact in a float64 for bounds below 2^21; above, its rounding is the same everywhere. */
  decide(kind: DecisionKind, bound: number): number {
    const stream = this.#streams[kind] ??= seedrandom(`${this.#seed}/${kind}`)
    return Math.floor((stream.int32() >>> 0) / 0x1_0000_0000 * bound)
  }

  randomBytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count)
    for (let i = 0; i < count; i += 4) {
      const word = this.#bytes.int32()
      bytes[i] = word
      bytes[i + 1] = word >>> 8
      bytes[i + 2] = word >>> 16
      bytes[i + 3] = word >>> 24
    }
    return bytes
  }
}
