/** All semantics by name. Add a file's table here when you add a family. */
import type { Semantics } from './emitter.ts'
import { ARITHMETIC } from './arithmetic.ts'
import { BITS } from './bits.ts'
import { CONTROL } from './control.ts'
import { DATA } from './data.ts'
import { MMX } from './mmx.ts'
import { MULTIPLY } from './multiply.ts'
import { SHIFTS } from './shifts.ts'
import { SSE_INTEGER } from './sse-integer.ts'
import { SSE_MOVE } from './sse-move.ts'
import { SSE_SHUFFLE } from './sse-shuffle.ts'
import { STRINGS } from './strings.ts'
import { SYSTEM } from './system.ts'

/** A family of instructions: name → semantics. */
export type Family = Readonly<Record<string, Semantics>>

const FAMILIES: readonly Family[] = [ARITHMETIC, BITS, CONTROL, DATA, MULTIPLY, SHIFTS, STRINGS, SYSTEM,
  SSE_MOVE, SSE_INTEGER, SSE_SHUFFLE, MMX]

export const SEMANTICS: ReadonlyMap<string, Semantics> = new Map(FAMILIES.flatMap((family) => Object.entries(family)))
