/** Bits of MXCSR and of the x87 control and status words (Intel SDM volume 1, 8.1.3, 8.1.5, 10.2.3). */
import { SCRATCH } from '../cpu/layout.ts'

/** Exceptions; their masks are 7 bits further up in MXCSR, at the same place in the x87 control word. */
export const IE = 1, DE = 2, ZE = 4, OE = 8, UE = 16, PE = 32
export const EXCEPTIONS = 0x3f
export const MXCSR_MASK_SHIFT = 7
export const MXCSR_DAZ = 0x40
export const MXCSR_FTZ = 0x8000
export const MXCSR_ROUNDING_SHIFT = 13
/** What the fast path wants of MXCSR: all but the sticky flags IE to UE, which don't matter. */
export const MXCSR_FAST_MASK = 0xffe0
export const MXCSR_FAST = 0x1fa0

export const CONTROL_ROUNDING_SHIFT = 10
export const CONTROL_PRECISION_SHIFT = 8

/** Condition codes of the x87 status word. */
export const C0 = 0x100, C1 = 0x200, C2 = 0x400, C3 = 0x4000

/** Rounding control, in MXCSR and in the x87 control word. */
export const NEAREST = 0, DOWN = 1, UP = 2, TOWARD_ZERO = 3

/** The float functions own the upper half of SCRATCH. */
export const FLOAT_FLAGS = SCRATCH + 0x100
/** Second result of `divide_128` and `sqrt_128`. */
export const FLOAT_REMAINDER = SCRATCH + 0x108
/** Results of conversions from x87 registers, up to 10 bytes. */
export const FLOAT_RESULT = SCRATCH + 0x110
/** Operands and intermediate values in 16-byte slots. */
export const FLOAT_SLOTS = SCRATCH + 0x120
