/** Decisions and random bytes from a seed: one stream for each use, so that more of one does not change the others. */
import seedrandom from 'seedrandom'
import type { DecisionKind, Entropy } from '../kernel/outside.ts'

/** How far random bytes were drawn; decisions are not part of it. */
export type BytesPosition = object

type Bytes = seedrandom.StatefulPRNG<seedrandom.State.Arc4>

export class SeededEntropy implements Entropy {
  readonly #scheduleSeed: string
  /** Made when first used. */
  readonly #streams: { [K in DecisionKind]?: seedrandom.PRNG } = {}
  readonly #makeBytes: () => Bytes
  #bytes: Bytes | undefined

  /**
   * @param scheduleSeed decisions are drawn from this
   * @param position random bytes go on from there
   */
  constructor(seed: string, scheduleSeed = seed, position?: BytesPosition) {
    this.#scheduleSeed = scheduleSeed
    this.#makeBytes = () => position === undefined ? seedrandom(`${seed}/bytes`, { state: true }) : seedrandom('', { state: position as seedrandom.State.Arc4 })
  }

  get bytesPosition(): BytesPosition { return (this.#bytes ??= this.#makeBytes()).state() }

  /** Multiplying 32 bits by the bound is exact in a float64 for bounds below 2^21; above, its rounding is the same everywhere. */
  decide(kind: DecisionKind, bound: number): number {
    const stream = this.#streams[kind] ??= seedrandom(`${this.#scheduleSeed}/${kind}`)
    return Math.floor((stream.int32() >>> 0) / 0x1_0000_0000 * bound)
  }

  randomBytes(count: number): Uint8Array {
    const stream = this.#bytes ??= this.#makeBytes()
    const bytes = new Uint8Array(count)
    for (let i = 0; i < count; i += 4) {
      const word = stream.int32()
      bytes[i] = word
      bytes[i + 1] = word >>> 8
      bytes[i + 2] = word >>> 16
      bytes[i + 3] = word >>> 24
    }
    return bytes
  }
}
