/** Inputs that did what none before them did, and which of them to go on with. */
import type { ListedFault } from '../../../kernel/config.ts'
import { COVERAGE_SIZE } from '../../../emu/cpu/layout.ts'
import type { Random } from './random.ts'

/** What a guided run is given: the input, faults of system calls, and the schedule if there is one to choose. */
export interface FuzzCase {
  readonly bytes: Uint8Array
  readonly faults: readonly ListedFault[]
  /** Undefined: that of the world. */
  readonly scheduleSeed: string | undefined
}

/** Edges as cell × 256 + bucket, in order. */
export type Edges = readonly number[]

/** Calls of a task that could have met a fault: how many there were when the input was read, and at the end. */
export interface CallRange { readonly task: number, readonly call: number, readonly from: number, readonly to: number }

export interface CorpusEntry extends FuzzCase {
  readonly edges: Edges
  /** Cycles from where the input was read. */
  readonly cycles: number
  /** Where faults can be put. */
  readonly calls: readonly CallRange[]
  /** Whether something was drawn. */
  readonly wasDrawn: boolean
  /** How many executions there were before. */
  readonly after: number
  /** Constants in code that it was the first to reach: likely what it takes to get further. */
  readonly fresh: readonly Uint8Array[]
  /** How many of the systematic changes (`Corpus.step`) were made, by list of words. */
  readonly steps: [fresh: number, constants: number, texts: number, bytes: number]
}

/** Systematic changes of an entry and a list at most, and of so many bytes at its beginning. */
const MOST_STEPS = 4096, STEP_BYTES = 256
/** Of so many of the latest entries. */
const MOST_STEPPED = 64
const FRESH = 0, CONSTANTS = 1, TEXTS = 2, BYTES = 3
const ALL_BYTES = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte))

const BUCKETS = 256
/** The latest are tried more often: they are where others have not been. */
const LATEST = 8

export class Corpus {
  readonly entries: CorpusEntry[] = []
  /** By cell: the buckets that were seen. */
  readonly #seen = new Uint8Array(COVERAGE_SIZE)
  /** By cell: the entry that has it and costs least. */
  readonly #cheapest = new Map<number, CorpusEntry>()
  #favoured: CorpusEntry[] = []
  /** Cells that were ever counted. */
  cells = 0

  /** Takes down what of these is new; whether anything is. */
  isNew(edges: Edges): boolean {
    let isNew = false
    for (const edge of edges) {
      const cell = Math.floor(edge / BUCKETS), bucket = edge % BUCKETS
      if ((this.#seen[cell] & bucket) !== 0) continue
      if (this.#seen[cell] === 0) this.cells++
      this.#seen[cell] |= bucket
      isNew = true
    }
    return isNew
  }

  add(entry: CorpusEntry): void {
    this.entries.push(entry)
    const cost = (one: CorpusEntry): number => one.cycles * (one.bytes.length + 1)
    for (const edge of entry.edges) {
      const cell = Math.floor(edge / BUCKETS)
      const cheapest = this.#cheapest.get(cell)
      if (cheapest === undefined || cost(entry) < cost(cheapest)) this.#cheapest.set(cell, entry)
    }
    this.#favoured = [...new Set(this.#cheapest.values())]
  }

  /** The next systematic change of the latest entry that has any left: each word of the dictionary, and each byte, at each place. */
  step(constants: readonly Uint8Array[], texts: readonly Uint8Array[]): { readonly entry: CorpusEntry, readonly bytes: Uint8Array } | undefined {
    for (const list of [FRESH, CONSTANTS, TEXTS, BYTES] as const) {
      for (let i = this.entries.length - 1; i >= 0 && i >= this.entries.length - MOST_STEPPED; i--) {
        const entry = this.entries[i]
        const words = list === FRESH ? entry.fresh : list === CONSTANTS ? constants : list === TEXTS ? texts : ALL_BYTES
        const places = Math.min(entry.bytes.length + 1, STEP_BYTES)
        const step = entry.steps[list]
        if (step >= Math.min(MOST_STEPS, places * words.length)) continue
        entry.steps[list] = step + 1
        const word = words[Math.floor(step / places)], at = step % places
        const bytes = new Uint8Array(Math.max(entry.bytes.length, at + word.length))
        bytes.set(entry.bytes)
        bytes.set(word, at)
        return { entry, bytes }
      }
    }
    return undefined
  }

  /** The one to change next. */
  pick(random: Random): CorpusEntry {
    if (random.oneIn(2)) return this.entries[this.entries.length - 1 - random.below(Math.min(LATEST, this.entries.length))]
    return random.oneIn(8) || this.#favoured.length === 0 ? random.pick(this.entries) : random.pick(this.#favoured)
  }
}
