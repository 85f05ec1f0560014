/**
 * Floating point as x86 does it, in integer arithmetic: Wasm functions of the tier-0 module.
 *
 * ## SSE
 *
 * `…` is f32 or f64. Values travel as i64: an f32 or int32 in the low half, the upper half zero. All are exact: result bits,
 * NaNs, DAZ, FTZ, rounding and exceptions as the processor gives them for that MXCSR.
 *
 *   sse_add_… sse_sub_… sse_mul_… sse_div_… (a: i64, b: i64, mxcsr: i32) → i64
 *   sse_min_… sse_max_…                     (a: i64, b: i64, mxcsr: i32) → i64      b for NaNs and equal operands
 *   sse_sqrt_…                              (a: i64, mxcsr: i32) → i64
 *   sse_compare_…    (a: i64, b: i64, signaling: i32, mxcsr: i32) → i32      ZF PF CF in their places in RFLAGS: less 1, equal
 *                    0x40, greater 0, unordered 0x45. signaling 1: COMIS (quiet NaNs are invalid too), 0: UCOMIS
 *   sse_cmp_…        (a: i64, b: i64, predicate: i32, mxcsr: i32) → i64      CMPSS's predicates 0–7; all ones (of the lane) or 0
 *   sse_f32_to_f64   sse_f64_to_f32         (a: i64, mxcsr: i32) → i64
 *   sse_int_to_…     (a: i64, mxcsr: i32) → i64      a is signed, 64 bits: sign-extend an int32 first
 *   sse_…_to_i32     sse_…_to_i64           (a: i64, truncate: i32, mxcsr: i32) → i64      truncate 1: CVTT…; int32 zero-extended
 *   sse_round_…      (a: i64, mode: i32, mxcsr: i32) → i64      ROUNDSS's immediate: bits 0–1 mode, 2 use MXCSR's, 3 no #P
 *   sse_packed_add_… sub mul div min max    (a: v128, b: v128, mxcsr: i32) → v128
 *   sse_packed_sqrt_…                       (a: v128, mxcsr: i32) → v128
 *   sse_packed_cmp_…                        (a: v128, b: v128, predicate: i32, mxcsr: i32) → v128
 *   sse_packed_f32_to_f64 (CVTPS2PD), sse_packed_f64_to_f32 (CVTPD2PS, upper half zero), sse_packed_i32_to_f32 (CVTDQ2PS)
 *                                           (a: v128, mxcsr: i32) → v128;   CVTDQ2PD is exact: f64x2.convert_low_i32x4_s
 *   sse_packed_…_to_i32                     (a: v128, truncate: i32, mxcsr: i32) → v128      f64: upper half zero
 *   sse_packed_round_…                      (a: v128, mode: i32, mxcsr: i32) → v128
 *   sse_fma_… sse_packed_fma_…              see fma.ts: a × b + c with one rounding
 *   sse_packed_f16_to_f32, sse_packed_f32_to_f16      see half.ts
 *
 * The functions OR the exceptions that they raise into the word at FLOAT_FLAGS (IE 1, DE 2, ZE 4, OE 8, UE 16, PE 32) and never
 * write MXCSR. With an exception unmasked the result is meaningless: whoever calls clears FLOAT_FLAGS before, and
 * afterwards adds it to MXCSR and raises #XM if one of them is unmasked, before writing the result.
 *
 * **Semantics don't call these directly**: `sse-emit.ts` has a helper for each kind (`arithmetic`, `squareRoot`, `minMax`,
 * `compare`, `compareMask`, `roundIntegral`, `f32ToF64`, `f64ToF32`, `intToFloat`, `floatToInt`, and `packed…` of each, and `lanes…` for several lanes of 128 bits) which
 * emits the fast path inline, the call otherwise, and settles MXCSR and #XM. They return the result, bound; nothing but
 * writing it is left to do. Call them after all operands were read and before anything is written.
 *
 * The fast path: MXCSR rounds to nearest, has neither DAZ nor FTZ, masks all exceptions and has PE set already; no operand
 * is denormal; the result is finite and larger than the smallest normal number in magnitude. Then the Wasm operation gives
 * the processor's result and MXCSR stays as it is.
 *
 * ## x87
 *
 * Registers are 16-byte slots in memory as at FPU_REGISTERS: 8 bytes significand, 2 bytes sign and exponent, rest ignored.
 * `control` is the x87 control word: precision, rounding, masks. Results go to `dst` (which may be an operand). The returned
 * i32 has the bits to OR into the status word: exceptions in bits 0–5, C0 0x100, C1 0x200, C2 0x400, C3 0x4000 (C1: rounded
 * up). Denormal, invalid and zero-divide exceptions that are unmasked leave `dst` as it was; unmasked overflow and underflow
 * give the result with its exponent wrapped by 24576, as registers get it.
 *
 *   f80_add f80_sub f80_mul f80_div f80_scale f80_atan f80_yl2x f80_yl2xp1   (dst: i32, a: i32, b: i32, control: i32) → i32
 *                            f80_atan: arctan(a / b); f80_yl2x: a × log2(b)
 *   f80_rem f80_rem1         (dst, a, b, control) → i32      FPREM, FPREM1: quotient bits in C0 C3 C1, C2 if incomplete; HAS_QUOTIENT
 *                            (x87-remainder.ts) if C0 and C3 mean anything
 *   f80_sqrt f80_round f80_sin f80_cos f80_2xm1             (dst, a, control) → i32
 *   f80_sincos f80_tan       (dst, second, a, control) → i32      second: the cosine, or 1.0; C2 if |a| ≥ 2^63: nothing written
 *   f80_extract              (dst, second, a, control) → i32      FXTRACT: dst the exponent, second the significand
 *   f80_compare              (a, b, quiet: i32, control) → i32      C0 C2 C3; quiet 1: FUCOM
 *   f80_from_f32 f80_from_f64 (dst: i32, bits: i64, control) → i32      f80_from_int (dst, value: i64) → nothing, exact
 *   f80_from_bcd             (dst: i32, low: i64, high: i64) → nothing
 *   f80_widen_f32 f80_widen_f64 (dst: i32, bits: i64) → i32      as they are, raising nothing; the answer is to be ORed into the
 *                            `control` of the operation, which then knows of an operand that was denormal
 *   f80_to_f32 f80_to_f64    (a, control) → i32      result at FLOAT_RESULT (8 bytes)
 *   f80_to_i16 f80_to_i32 f80_to_i64   (a, truncate: i32, control) → i32      result at FLOAT_RESULT
 *   f80_to_bcd               (a, control) → i32      result at FLOAT_RESULT (10 bytes)
 *
 * Arithmetic, square root, remainders and conversions are exact: the processor's bits. The transcendental functions (sin, cos,
 * tan, atan, yl2x, yl2xp1, 2xm1) are computed to some 110 bits and rounded once, so that they are the same on all hosts;
 * a processor's own result may be one unit in the last place away, and C1 with it. Angles are reduced by the processors'
 * π of 66 bits.
 */
import type { ModuleBuilder } from '../wasm/module.ts'
import { defineFma } from './fma.ts'
import { defineHalf } from './half.ts'
import { defineSseArithmetic } from './sse-arithmetic.ts'
import { defineSseCompare } from './sse-compare.ts'
import { defineSseConvert } from './sse-convert.ts'
import { defineFormats } from './sse-format.ts'
import { defineSseExtended } from './sse-extended.ts'
import { defineSsePacked } from './sse-packed.ts'
import { defineWide } from './wide.ts'
import { defineX87Arithmetic } from './x87-arithmetic.ts'
import { defineX87Convert } from './x87-convert.ts'
import { Tables, defineFixed } from './x87-fixed.ts'
import { defineX87Format } from './x87-format.ts'
import { defineX87Logarithm } from './x87-logarithm.ts'
import { defineX87Remainder } from './x87-remainder.ts'
import { defineX87Trigonometry } from './x87-trigonometry.ts'

/** Defines all functions above. They need nothing but the memory. */
export const defineFloatRuntime = (module: ModuleBuilder): void => {
  defineWide(module)
  defineFormats(module)
  defineSseArithmetic(module)
  defineSseCompare(module)
  defineSseConvert(module)
  defineSsePacked(module)
  defineHalf(module)
  defineFma(module)
  defineSseExtended(module)
  defineX87Format(module)
  defineX87Convert(module)
  defineX87Arithmetic(module)
  defineX87Remainder(module)
  const tables = new Tables()
  defineFixed(module)
  defineX87Trigonometry(module, tables)
  defineX87Logarithm(module, tables)
  tables.define(module)
}
