/**
 * What the differential test does not compare, and why. Everything else must agree to the bit, undefined flags included.
 */
import { AF, CF, OF, PF, SF, ZF } from '../../../src/emu/cpu/layout.ts'

/** Rows that the oracle can't be asked about, by name of their semantics. */
export const EXCLUDED_ROWS: ReadonlyMap<string, string> = new Map([
  ['cpuid', 'our processor is not the host'],
  ['rdtsc', 'counts cycles of the world'],
  ['rdtscp', 'counts cycles of the world'],
  ['rdrand', 'random'],
  ['rdseed', 'random'],
  ['icebp', 'under KVM on AMD processors rip stays on the instruction; the manual has it behind'],
])

/**
 * Parts of memory operands: [offset, bytes] by row. x87's pointers to the last instruction and operand, which AMD
 * processors keep only when an exception is pending, and the mask of MXCSR, where AMD's have a bit more than ours.
 */
export const UNCOMPARED_MEMORY: ReadonlyMap<string, readonly (readonly [offset: number, bytes: number])[]> = new Map([
  ['fxsave', [[6, 18], [28, 4]]],
  ['fnstenv', [[12, 16], [6, 8]]],
  ['fnsave', [[12, 16], [6, 8]]],
])

/** Flags that are undefined and that we do not model as the oracle has them. */
export const UNDEFINED_FLAGS: ReadonlyMap<string, number> = new Map<string, number>([
])

export const ARITHMETIC_FLAGS = CF | PF | AF | ZF | SF | OF
