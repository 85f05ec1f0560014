/** What is in tier0.wasm: written by generate.ts at build time, read by the translator. */
import type { Signature } from '../wasm/types.ts'

export interface Tier0Manifest {
  /** Handler names by table index. The first have cases in `run`; names of pairs are `first + second`. */
  readonly handlers: readonly string[]
  /** Of the first handlers, READS_FLAGS, WRITES_FLAGS and LEAVES; the others are taken to do all that matters. */
  readonly flagUse: readonly number[]
  /** Exported functions that regions of tier 1 may call. */
  readonly runtime: Readonly<Record<string, Signature>>
}

/** Table index of '@region', which regions compare with: it is the first. */
export const REGION_HANDLER = 0
/** What a region answers, in place of a record, when it returns to the region that called it. */
export const RETURNED = 1
/** Of '@block', the second. */
export const BLOCK_HANDLER = 1

/** Ends the name of a form's version that leaves out the flags. */
export const NO_FLAGS = ' -'
export const PAIR = ' + '

export const READS_FLAGS = 1
/** All six, whatever the operands. */
export const WRITES_FLAGS = 2
/** It may fault, and then the flags before it are seen. */
export const LEAVES = 4
