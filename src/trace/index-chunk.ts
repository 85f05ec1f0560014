/** The index at the end of a finished trace: where its chunks are. It saves walking over the file; nothing is only in it. */
import { Malformed } from './errors.ts'
import { isMap, type Plain, type Unpacker } from './msgpack.ts'

export interface TraceIndex {
  readonly events: number
  /** Four numbers a chunk, the head first: offset in the file, kind, first event, count. */
  readonly chunks: readonly number[]
  /** Numbers of the events that are checkpoints. */
  readonly checkpoints: readonly number[]
  /** By blob: its size in bytes, then the places in `chunks` of the chunks that hold it. */
  readonly blobs: readonly (readonly number[])[]
}

const isCount = (value: Plain): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
const isCounts = (value: Plain | undefined): value is readonly number[] => Array.isArray(value) && value.every(isCount)

/** @throws Malformed */
export const parseIndex = (unpacker: Unpacker): TraceIndex => {
  const index = unpacker.plain()
  if (!isMap(index)) throw new Malformed(0, 'the index is not a map')
  const { events, chunks, checkpoints, blobs } = index
  if (!isCount(events ?? null) || !isCounts(chunks) || chunks.length % 4 !== 0 || !isCounts(checkpoints) || !Array.isArray(blobs) || !blobs.every(isCounts)) throw new Malformed(0, 'the index lacks what it must have')
  return { events: events as number, chunks, checkpoints, blobs }
}
