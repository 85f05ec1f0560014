/** The head of a trace: what a world was made from. Its configuration is plain data here; src/replay gives it its types. */
import { Malformed } from './errors.ts'
import { isMap, type Plain, type Unpacker } from './msgpack.ts'

export interface TraceHead {
  /** Version of Retrograde that recorded it. */
  readonly retrograde: string
  /** Name of the processor model that CPUID reported. */
  readonly processor: string
  /** Slices in a turn: the world is stopped, checkpointed and interrupted only between turns. */
  readonly turnSlices: number
  /** WorldConfig, field by field. */
  readonly world: { readonly [key: string]: Plain }
}

/** @throws Malformed */
export const parseHead = (unpacker: Unpacker): TraceHead => {
  const head = unpacker.plain()
  if (!isMap(head)) throw new Malformed(0, 'the head is not a map')
  const { retrograde, processor, turnSlices, world } = head
  if (typeof retrograde !== 'string' || typeof processor !== 'string' || typeof turnSlices !== 'number' || !isMap(world)) throw new Malformed(0, 'the head lacks what it must have')
  if (!Number.isSafeInteger(turnSlices) || turnSlices < 1) throw new Malformed(0, `turns of ${turnSlices} slices`)
  return { retrograde, processor, turnSlices, world }
}
