/** The head of a trace: what a world was made from. Its configuration is plain data here; src/replay gives it its types. */
import type { Plain } from './msgpack.ts'

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
