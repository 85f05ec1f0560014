/**
 * Chooses better handlers for the records of a block: without the flags where nobody sees them, and one for two records
 * where there is one. The records stay what they are: the second of a pair is still there, and is executed by itself when
 * the first was left for its plain handler.
 */
import { LEAVES, NO_FLAGS, PAIR, READS_FLAGS, type Tier0Manifest, WRITES_FLAGS } from './manifest.ts'
import { RECORD_SIZE } from './records.ts'

const FACTOR = 65536

export class Improver {
  readonly #flagUse: readonly number[]
  /** Index of the version without flags, by that of the form. */
  readonly #withoutFlags = new Map<number, number>()
  /** Index of a pair, by first × FACTOR + second. */
  readonly #pairs = new Map<number, number>()

  constructor(manifest: Tier0Manifest) {
    this.#flagUse = manifest.flagUse
    const indices = new Map(manifest.handlers.map((name, index) => [name, index]))
    const indexOf = (name: string): number => {
      const index = indices.get(name)
      if (index === undefined) throw new Error(`tier0.json has no handler '${name}'`)
      return index
    }
    manifest.handlers.forEach((name, index) => {
      const [first, second] = name.split(PAIR)
      if (second !== undefined) this.#pairs.set(indexOf(first) * FACTOR + indexOf(second), index)
      else if (name.endsWith(NO_FLAGS)) this.#withoutFlags.set(indexOf(name.slice(0, -NO_FLAGS.length)), index)
    })
  }

  /** @param records of the instructions of a block, in order; addresses */
  improve(u32: Uint32Array, records: readonly number[]): void {
    // Behind the block somebody may look.
    let live = true
    for (let i = records.length - 1; i >= 0; i--) {
      const at = records[i] >> 2
      if (!live) u32[at] = this.#withoutFlags.get(u32[at]) ?? u32[at]
      const use = this.#flagUse[u32[at]] ?? LEAVES
      live = (use & (LEAVES | READS_FLAGS)) !== 0 || live && (use & WRITES_FLAGS) === 0
    }
    // From the end: a comparison belongs to the branch behind it.
    for (let i = records.length - 2; i >= 0; i--) {
      if (records[i + 1] !== records[i] + RECORD_SIZE) continue
      const pair = this.#pairs.get(u32[records[i] >> 2] * FACTOR + u32[records[i + 1] >> 2])
      if (pair === undefined) continue
      u32[records[i] >> 2] = pair
      i--
    }
  }
}
