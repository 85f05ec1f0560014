/**
 * Operations on packed integers that the SSE and the MMX instructions share: v128 in, v128 out.
 * MMX uses them on values whose low half is the operand (src/emu/semantics/mmx.ts).
 */
import { type Expr, i32, i64, select, v } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'

export type PackedBinary = (a: Expr, b: Expr) => Expr
/** An operation that uses an operand more than once binds it itself. */
export type PackedBinaryBound = (f: FunctionBuilder, a: Expr, b: Expr) => Expr

const ZERO = v.const(0n, 0n)
/** High halves of the four low products (a) and the four high ones (b). */
const HIGH_WORDS = [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31]
const EVEN_DWORDS = [0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11]

/** Lane by lane: the same for 64 and 128 bits. a and b are bound. */
export const LANE_OPERATIONS: Readonly<Record<string, PackedBinaryBound>> = {
  paddb: (_, a, b) => v.i8x16Add(a, b), paddw: (_, a, b) => v.i16x8Add(a, b), paddd: (_, a, b) => v.i32x4Add(a, b), paddq: (_, a, b) => v.i64x2Add(a, b),
  psubb: (_, a, b) => v.i8x16Sub(a, b), psubw: (_, a, b) => v.i16x8Sub(a, b), psubd: (_, a, b) => v.i32x4Sub(a, b), psubq: (_, a, b) => v.i64x2Sub(a, b),
  paddsb: (_, a, b) => v.i8x16AddSatS(a, b), paddsw: (_, a, b) => v.i16x8AddSatS(a, b),
  paddusb: (_, a, b) => v.i8x16AddSatU(a, b), paddusw: (_, a, b) => v.i16x8AddSatU(a, b),
  psubsb: (_, a, b) => v.i8x16SubSatS(a, b), psubsw: (_, a, b) => v.i16x8SubSatS(a, b),
  psubusb: (_, a, b) => v.i8x16SubSatU(a, b), psubusw: (_, a, b) => v.i16x8SubSatU(a, b),
  pmullw: (_, a, b) => v.i16x8Mul(a, b),
  pmulhw: (_, a, b) => v.i8x16Shuffle(v.i32x4ExtmulLowI16x8S(a, b), v.i32x4ExtmulHighI16x8S(a, b), HIGH_WORDS),
  pmulhuw: (_, a, b) => v.i8x16Shuffle(v.i32x4ExtmulLowI16x8U(a, b), v.i32x4ExtmulHighI16x8U(a, b), HIGH_WORDS),
  pmuludq: (_, a, b) => v.i64x2ExtmulLowI32x4U(v.i8x16Shuffle(a, a, EVEN_DWORDS), v.i8x16Shuffle(b, b, EVEN_DWORDS)),
  pmaddwd: (_, a, b) => v.i32x4DotI16x8S(a, b),
  pavgb: (_, a, b) => v.i8x16AvgrU(a, b), pavgw: (_, a, b) => v.i16x8AvgrU(a, b),
  pminub: (_, a, b) => v.i8x16MinU(a, b), pmaxub: (_, a, b) => v.i8x16MaxU(a, b),
  pminsw: (_, a, b) => v.i16x8MinS(a, b), pmaxsw: (_, a, b) => v.i16x8MaxS(a, b),
  pcmpeqb: (_, a, b) => v.i8x16Eq(a, b), pcmpeqw: (_, a, b) => v.i16x8Eq(a, b), pcmpeqd: (_, a, b) => v.i32x4Eq(a, b),
  pcmpgtb: (_, a, b) => v.i8x16GtS(a, b), pcmpgtw: (_, a, b) => v.i16x8GtS(a, b), pcmpgtd: (_, a, b) => v.i32x4GtS(a, b),
  pand: (_, a, b) => v.v128And(a, b), pandn: (_, a, b) => v.v128AndNot(b, a), por: (_, a, b) => v.v128Or(a, b), pxor: (_, a, b) => v.v128Xor(a, b),
  /** Sums of absolute differences of eight bytes each, as 64-bit lanes. */
  psadbw: (f, a, b) => {
    const difference = v.v128Or(v.i8x16SubSatU(a, b), v.i8x16SubSatU(b, a))
    const fours = f.let(v.i32x4ExtaddPairwiseI16x8U(v.i16x8ExtaddPairwiseI8x16U(difference)))
    return v.v128And(v.i64x2Add(fours, v.i64x2ShrU(fours, i32.const(32))), v.const(0xffffffffn, 0xffffffffn))
  },
}

type LaneShift = (a: Expr, count: Expr) => Expr
/** Shifts by one count for all lanes: [lane bits, Wasm's shift, whose count is taken modulo the lane's width]. */
const SHIFTS: Readonly<Record<string, readonly [bits: number, shift: LaneShift]>> = {
  psllw: [16, v.i16x8Shl], pslld: [32, v.i32x4Shl], psllq: [64, v.i64x2Shl],
  psrlw: [16, v.i16x8ShrU], psrld: [32, v.i32x4ShrU], psrlq: [64, v.i64x2ShrU],
  psraw: [16, v.i16x8ShrS], psrad: [32, v.i32x4ShrS],
}

/** The count is an unsigned 64-bit number, bound: beyond the lane's width nothing but zeros, or signs, is left. */
export const SHIFT_OPERATIONS: Readonly<Record<string, PackedBinary>> = Object.fromEntries(
  Object.entries(SHIFTS).map(([name, [bits, shift]]): [string, PackedBinary] => {
    const last = i64.const(bits - 1)
    const arithmetic = name.startsWith('psra')
    return [name, (a, count) => {
      if (arithmetic) return shift(a, i32.wrap(select(i64.gtU(count, last), last, count)))
      return select(i64.gtU(count, last), ZERO, shift(a, i32.wrap(count)))
    }]
  }))

const range = (count: number, make: (i: number) => number): number[] => Array.from({ length: count }, (_, i) => make(i))
/** Lanes of `bytes` bytes taken in turn from a and b, from byte `start` of each; `total` bytes of result. */
export const interleaving = (bytes: number, start: number): number[] => range(16, (i) => {
  const lane = Math.floor(i / bytes)
  return start + (lane >> 1) * bytes + (i % bytes) + ((lane & 1) === 0 ? 0 : 16)
})

/**
 * Two-bit fields of an immediate as lane numbers, as byte indices for i8x16.swizzle.
 * @param immediate i64, bound
 */
export const dwordIndices = (immediate: Expr): Expr => {
  // Field i moves to bits 6–7 of lane i, then to the bottom; × 04040404 + 03020100 makes byte numbers of it.
  const fields = v.i32x4Mul(v.i32x4Splat(i32.wrap(immediate)), v.const(0x0000_0010_0000_0040n, 0x0000_0001_0000_0004n))
  const lanes = v.v128And(v.i32x4ShrU(fields, i32.const(6)), v.const(0x0000_0003_0000_0003n, 0x0000_0003_0000_0003n))
  return v.i32x4Add(v.i32x4Mul(lanes, v.i32x4Splat(i32.const(0x04040404))), v.i32x4Splat(i32.const(0x03020100)))
}

/** As `dwordIndices` for the four words of one half; the other half stays where it is. */
export const wordIndices = (immediate: Expr, half: 'low' | 'high'): Expr => {
  const multipliers = 0x0001_0004_0010_0040n
  const factor = half === 'low' ? v.const(multipliers, 0n) : v.const(0n, multipliers)
  const start = half === 'low' ? v.const(0x0100_0100_0100_0100n, 0x0f0e_0d0c_0b0a_0908n) : v.const(0x0706_0504_0302_0100n, 0x0908_0908_0908_0908n)
  const fields = v.i16x8Mul(v.i16x8Splat(i32.wrap(immediate)), factor)
  const lanes = v.v128And(v.i16x8ShrU(fields, i32.const(6)), v.i16x8Splat(i32.const(3)))
  return v.i16x8Add(v.i16x8Mul(lanes, v.i16x8Splat(i32.const(0x0202))), start)
}

/** The same as constants, for an immediate that is known: byte numbers of dwords, or of words in a half. */
export const constantDwords = (immediate: number): number[] => range(16, (i) => ((immediate >> ((i >> 2) * 2)) & 3) * 4 + (i & 3))
export const constantWords = (immediate: number, half: 'low' | 'high'): number[] => range(16, (i) => {
  const base = half === 'low' ? 0 : 8
  if (i < base || i >= base + 8) return i
  return base + ((immediate >> (((i - base) >> 1) * 2)) & 3) * 2 + (i & 1)
})

/** Bytes moved up or down by 0–16 (more counts as 16), zeros following. `count` is i64, bound. */
export const byteShift = (a: Expr, count: Expr, left: boolean): Expr => {
  const clipped = v.i8x16Splat(i32.wrap(select(i64.gtU(count, i64.const(15)), i64.const(16), count)))
  const iota = v.const(0x0706_0504_0302_0100n, 0x0f0e_0d0c_0b0a_0908n)
  // swizzle gives zero for indices beyond 15, which a negative one is too.
  return v.i8x16Swizzle(a, left ? v.i8x16Sub(iota, clipped) : v.i8x16Add(iota, clipped))
}

/** 64 bits as a vector whose high half is zero. */
export const fromLow = (value: Expr): Expr => v.i64x2ReplaceLane(ZERO, 0, value)
export const lowHalf = (value: Expr): Expr => v.i64x2ExtractLane(value, 0)
export const highHalf = (value: Expr): Expr => v.i64x2ExtractLane(value, 1)
export { ZERO as ZERO_VECTOR }
