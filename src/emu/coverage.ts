/**
 * Coverage: which edges between blocks of the guest's own code were executed, and about how often.
 *
 * While it is on, translations of tier 0 begin each block with a record (`@cover`) that counts one byte in a map of 64 KiB: of the
 * block's number, XOR half of that of the block before, as AFL does (M. Zalewski, 'Technical whitepaper for afl-fuzz'). Blocks then
 * reach from where a branch led to the next branch, whatever was translated before, so that the map follows from the execution alone.
 * While it is off there are no such records: it costs nothing. Instructions that are executed one by one, at the end of a budget, are
 * not counted. Tier 1 knows nothing of it.
 */
import { COVERAGE, COVERAGE_LAST, COVERAGE_SIZE } from './cpu/layout.ts'
import type { PhysicalMemory } from './memory.ts'

/** Told of code when it is translated for the first time. */
export interface CoverageObserver {
  /** Whether blocks of the page are counted. */
  covers(page: number): boolean
  /** An instruction compares with, or loads, this constant of `size` bytes. */
  constant(low: number, high: number, size: number): void
}

const CELLS = COVERAGE_SIZE - 1

/** The number of the block at an address: neighbours are far from each other (a multiplication by 2^32 / φ). */
export const blockNumber = (rip: number): number => (Math.imul((rip % 0x1_0000_0000) ^ Math.floor(rip / 0x1_0000_0000), 0x9e3779b1) >>> 16) & CELLS

export const clearCoverage = (memory: PhysicalMemory): void => {
  memory.u8.fill(0, COVERAGE, COVERAGE + COVERAGE_SIZE)
  memory.u32[COVERAGE_LAST >> 2] = 0
}

/** Counts as AFL takes them for the same: 1, 2, 3, 4–7, 8–15, 16–31, 32–127, 128 and more; a bit each. */
const BUCKETS = Uint8Array.from({ length: 256 }, (_, count) =>
  count === 0 ? 0 : count < 4 ? 1 << (count - 1) : count < 8 ? 8 : count < 16 ? 16 : count < 32 ? 32 : count < 128 ? 64 : 128)

/** Calls back for each cell that was counted, with the bit of its bucket. */
export const eachEdge = (memory: PhysicalMemory, edge: (cell: number, bucket: number) => void): void => {
  const { u8, u32 } = memory
  for (let word = COVERAGE >> 2, end = (COVERAGE + COVERAGE_SIZE) >> 2; word < end; word++) {
    if (u32[word] === 0) continue
    for (let at = word * 4; at < word * 4 + 4; at++) if (u8[at] !== 0) edge(at - COVERAGE, BUCKETS[u8[at]])
  }
}
