/** All semantics by name. Add a file's table here when you add a family. */
import type { Semantics } from './emitter.ts'
import { AES } from './aes.ts'
import { ARITHMETIC } from './arithmetic.ts'
import { BITS } from './bits.ts'
import { BITS_EXTENDED } from './bits-extended.ts'
import { BMI } from './bmi.ts'
import { CONTROL } from './control.ts'
import { DATA } from './data.ts'
import { EXCHANGE_WIDE } from './exchange-wide.ts'
import { FMA } from './fma.ts'
import { VEX_MASKED } from './vex-masked.ts'
import { FAR } from './far.ts'
import { MMX } from './mmx.ts'
import { MULTIPLY } from './multiply.ts'
import { PCLMULQDQ } from './pclmulqdq.ts'
import { SHA } from './sha.ts'
import { SEGMENT_QUERIES } from './segments.ts'
import { SHIFTS } from './shifts.ts'
import { SSE_FLOAT } from './sse-float.ts'
import { SSE_FLOAT_CONVERT } from './sse-float-convert.ts'
import { SSE_FLOAT_EXTENDED } from './sse-float-extended.ts'
import { SSE_INTEGER } from './sse-integer.ts'
import { SSE_MOVE } from './sse-move.ts'
import { SSE_SHUFFLE } from './sse-shuffle.ts'
import { SSE41 } from './sse41.ts'
import { SSE42_STRINGS } from './sse42-strings.ts'
import { SSSE3 } from './ssse3.ts'
import { STRINGS } from './strings.ts'
import { SYSTEM } from './system.ts'
import { SYSTEM_EXTENDED } from './system-extended.ts'
import { VEX_FLOAT } from './vex-float.ts'
import { VEX_INTEGER } from './vex-integer.ts'
import { VEX_MOVE } from './vex-move.ts'
import { VEX_PERMUTE } from './vex-permute.ts'
import { X87 } from './x87.ts'
import { X87_CONTROL } from './x87-control.ts'
import { X87_MEMORY } from './x87-memory.ts'
import { XSAVE } from './xsave.ts'

/** A family of instructions: name → semantics. */
export type Family = Readonly<Record<string, Semantics>>

const FAMILIES: readonly Family[] = [ARITHMETIC, BITS, CONTROL, DATA, EXCHANGE_WIDE, MULTIPLY, SHIFTS, STRINGS, SYSTEM,
  SSE_MOVE, SSE_INTEGER, SSE_SHUFFLE, SSE_FLOAT, SSE_FLOAT_CONVERT, MMX,
  BITS_EXTENDED, SYSTEM_EXTENDED, SEGMENT_QUERIES, FAR, SSSE3, SSE41, SSE42_STRINGS, SSE_FLOAT_EXTENDED, AES, PCLMULQDQ, SHA,
  VEX_MOVE, VEX_INTEGER, VEX_FLOAT, VEX_PERMUTE, VEX_MASKED, BMI, FMA, XSAVE,
  X87, X87_MEMORY, X87_CONTROL]

export const SEMANTICS: ReadonlyMap<string, Semantics> = new Map(FAMILIES.flatMap((family) => Object.entries(family)))
