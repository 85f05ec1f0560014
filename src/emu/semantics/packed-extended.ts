/**
 * What SSSE3, SSE4.1 and SSE4.2 compute on packed integers: v128 in, v128 out, whatever the encoding (Intel SDM volume 2).
 * Operands are bound. An immediate is a bound i64; where the tier knows its value, it becomes part of the code.
 */
import { type Expr, i32, i64, select, v } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'
import { type PackedBinaryBound, ZERO_VECTOR, byteShift, fromLow } from './packed.ts'

export type PackedUnary = (f: FunctionBuilder, a: Expr) => Expr
/** @param immediate i64, bound */
export type PackedImmediate = (f: FunctionBuilder, a: Expr, b: Expr, immediate: Expr) => Expr

const range = (count: number, make: (i: number) => number): number[] => Array.from({ length: count }, (_, i) => make(i))
/** The lanes of both operands with an even (`first` 0) or an odd number (1), a's below b's. */
const alternate = (bytes: number, first: 0 | 1): number[] => range(16, (i) => (Math.floor(i / bytes) * 2 + first) * bytes + i % bytes)
const splat64 = (word: bigint): Expr => v.const(word, word)
const IOTA = v.const(0x0706_0504_0302_0100n, 0x0f0e_0d0c_0b0a_0908n)
const EVEN_DWORDS = [0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11]

/** The number that an immediate is, if the tier knows it. */
const known = (immediate: Expr): number | undefined => immediate.constant === undefined ? undefined : Number(immediate.constant & 0xffn)

const horizontal = (bytes: number, operation: (a: Expr, b: Expr) => Expr): PackedBinaryBound => (_, a, b) =>
  operation(v.i8x16Shuffle(a, b, alternate(bytes, 0)), v.i8x16Shuffle(a, b, alternate(bytes, 1)))

type Shift = (a: Expr, count: Expr) => Expr
/** a with the sign of b, or zero where b is zero. */
const withSign = (bits: number, shift: Shift, sub: (a: Expr, b: Expr) => Expr, ne: (a: Expr, b: Expr) => Expr): PackedBinaryBound => (f, a, b) => {
  const sign = f.let(shift(b, i32.const(bits - 1)))
  return v.v128And(sub(v.v128Xor(a, sign), sign), ne(b, ZERO_VECTOR))
}

/** Each but `pshufb` is the same for MMX registers, on halves (`phadd…` and `phsub…` on a and b joined). */
export const SSSE3_OPERATIONS: Readonly<Record<string, PackedBinaryBound>> = {
  // Bits 4–6 of an index are ignored; swizzle gives zero for what is beyond 15.
  pshufb: (_, a, b) => v.i8x16Swizzle(a, v.v128And(b, splat64(0x8f8f_8f8f_8f8f_8f8fn))),
  phaddw: horizontal(2, v.i16x8Add), phaddd: horizontal(4, v.i32x4Add), phaddsw: horizontal(2, v.i16x8AddSatS),
  phsubw: horizontal(2, v.i16x8Sub), phsubd: horizontal(4, v.i32x4Sub), phsubsw: horizontal(2, v.i16x8SubSatS),
  /** Unsigned bytes of a times signed ones of b: products fit into 16 bits, sums are saturated. */
  pmaddubsw: (_, a, b) => v.i16x8AddSatS(
    v.i16x8Mul(v.v128And(a, splat64(0x00ff_00ff_00ff_00ffn)), v.i16x8ShrS(v.i16x8Shl(b, i32.const(8)), i32.const(8))),
    v.i16x8Mul(v.i16x8ShrU(a, i32.const(8)), v.i16x8ShrS(b, i32.const(8)))),
  /** Wasm's saturates where the processor's wraps: −1 × −1. */
  pmulhrsw: (_, a, b) => {
    const least = splat64(0x8000_8000_8000_8000n)
    return v.v128Xor(v.i16x8Q15mulrSatS(a, b), v.v128And(v.i16x8Eq(a, least), v.i16x8Eq(b, least)))
  },
  psignb: withSign(8, v.i8x16ShrS, v.i8x16Sub, v.i8x16Ne), psignw: withSign(16, v.i16x8ShrS, v.i16x8Sub, v.i16x8Ne),
  psignd: withSign(32, v.i32x4ShrS, v.i32x4Sub, v.i32x4Ne),
}

export const SSSE3_UNARY: Readonly<Record<string, PackedUnary>> = {
  pabsb: (_, a) => v.i8x16Abs(a), pabsw: (_, a) => v.i16x8Abs(a), pabsd: (_, a) => v.i32x4Abs(a),
}

/** PALIGNR: bytes from number `immediate` on of b with a above it. */
export const alignRight: PackedImmediate = (f, a, b, immediate) => {
  const count = known(immediate)
  if (count !== undefined) {
    if (count >= 32) return ZERO_VECTOR
    return count <= 16 ? v.i8x16Shuffle(b, a, range(16, (i) => i + count)) : v.i8x16Shuffle(a, ZERO_VECTOR, range(16, (i) => i + count - 16))
  }
  const clipped = i32.wrap(select(i64.gtU(immediate, i64.const(32)), i64.const(32), immediate))
  const indices = f.let(v.i8x16Add(IOTA, v.i8x16Splat(clipped)))
  // Of a, those that are 16 or more; below, they become large.
  return v.v128Or(v.i8x16Swizzle(b, indices), v.i8x16Swizzle(a, v.i8x16Sub(indices, splat64(0x1010_1010_1010_1010n))))
}

/** SSE4.1, and PCMPGTQ of SSE4.2. */
export const SSE41_OPERATIONS: Readonly<Record<string, PackedBinaryBound>> = {
  pmuldq: (_, a, b) => v.i64x2ExtmulLowI32x4S(v.i8x16Shuffle(a, a, EVEN_DWORDS), v.i8x16Shuffle(b, b, EVEN_DWORDS)),
  pmulld: (_, a, b) => v.i32x4Mul(a, b),
  pminsb: (_, a, b) => v.i8x16MinS(a, b), pmaxsb: (_, a, b) => v.i8x16MaxS(a, b),
  pminuw: (_, a, b) => v.i16x8MinU(a, b), pmaxuw: (_, a, b) => v.i16x8MaxU(a, b),
  pminsd: (_, a, b) => v.i32x4MinS(a, b), pmaxsd: (_, a, b) => v.i32x4MaxS(a, b),
  pminud: (_, a, b) => v.i32x4MinU(a, b), pmaxud: (_, a, b) => v.i32x4MaxU(a, b),
  pcmpeqq: (_, a, b) => v.i64x2Eq(a, b), pcmpgtq: (_, a, b) => v.i64x2GtS(a, b),
  packusdw: (_, a, b) => v.i16x8NarrowI32x4U(a, b),
}

export const SSE41_UNARY: Readonly<Record<string, PackedUnary>> = {
  /** The least of eight words, and its number above it: words with their numbers below them have the same order. */
  phminposuw: (f, a) => {
    const numbered = (half: Expr, low: bigint, high: bigint): Expr => v.v128Or(v.i32x4Shl(half, i32.const(16)), v.const(low, high))
    let least = f.let(v.i32x4MinU(
      numbered(v.i32x4ExtendLowI16x8U(a), 0x0000_0001_0000_0000n, 0x0000_0003_0000_0002n),
      numbered(v.i32x4ExtendHighI16x8U(a), 0x0000_0005_0000_0004n, 0x0000_0007_0000_0006n)))
    for (const step of [8, 4]) least = f.let(v.i32x4MinU(least, v.i8x16Shuffle(least, least, range(16, (i) => (i + step) % 16))))
    return fromLow(i64.extendI32U(i32.rotl(v.i32x4ExtractLane(least, 0), i32.const(16))))
  },
}

/** Lanes with their sign or zeros in front: bytes of the operand, and what becomes of its low part. */
export const WIDENINGS: Readonly<Record<string, readonly [bytes: 2 | 4 | 8, widen: PackedUnary]>> = {
  pmovsxbw: [8, (_, a) => v.i16x8ExtendLowI8x16S(a)], pmovzxbw: [8, (_, a) => v.i16x8ExtendLowI8x16U(a)],
  pmovsxbd: [4, (_, a) => v.i32x4ExtendLowI16x8S(v.i16x8ExtendLowI8x16S(a))], pmovzxbd: [4, (_, a) => v.i32x4ExtendLowI16x8U(v.i16x8ExtendLowI8x16U(a))],
  pmovsxbq: [2, (_, a) => v.i64x2ExtendLowI32x4S(v.i32x4ExtendLowI16x8S(v.i16x8ExtendLowI8x16S(a)))],
  pmovzxbq: [2, (_, a) => v.i64x2ExtendLowI32x4U(v.i32x4ExtendLowI16x8U(v.i16x8ExtendLowI8x16U(a)))],
  pmovsxwd: [8, (_, a) => v.i32x4ExtendLowI16x8S(a)], pmovzxwd: [8, (_, a) => v.i32x4ExtendLowI16x8U(a)],
  pmovsxwq: [4, (_, a) => v.i64x2ExtendLowI32x4S(v.i32x4ExtendLowI16x8S(a))], pmovzxwq: [4, (_, a) => v.i64x2ExtendLowI32x4U(v.i32x4ExtendLowI16x8U(a))],
  pmovsxdq: [8, (_, a) => v.i64x2ExtendLowI32x4S(a)], pmovzxdq: [8, (_, a) => v.i64x2ExtendLowI32x4U(a)],
}

/** Lane i of b where bit i of the immediate is set, else of a. */
const blend = (bytes: 2 | 4 | 8): PackedImmediate => (_, a, b, immediate) => {
  const number = known(immediate)
  if (number !== undefined) return v.i8x16Shuffle(a, b, range(16, (i) => i + ((number >> Math.floor(i / bytes)) & 1) * 16))
  const byte = i32.wrap(immediate)
  const [bits, chosen] = bytes === 2 ? [v.const(0x0008_0004_0002_0001n, 0x0080_0040_0020_0010n), v.i16x8Splat(byte)]
    : bytes === 4 ? [v.const(0x0000_0002_0000_0001n, 0x0000_0008_0000_0004n), v.i32x4Splat(byte)] : [v.const(1n, 2n), v.i64x2Splat(immediate)]
  const equal = bytes === 2 ? v.i16x8Eq : bytes === 4 ? v.i32x4Eq : v.i64x2Eq
  return v.v128Bitselect(b, a, equal(v.v128And(chosen, bits), bits))
}

export const SSE41_IMMEDIATE: Readonly<Record<string, PackedImmediate>> = {
  pblendw: blend(2), blendps: blend(4), blendpd: blend(8),
  /** Eight sums of four absolute differences: of the bytes from a's place on, each against the four at b's. */
  mpsadbw: (f, a, b, immediate) => {
    const bits = i32.wrap(immediate)
    const from = (vector: Expr, byte: Expr): Expr => f.let(v.i8x16Swizzle(vector, v.i8x16Add(IOTA, v.i8x16Splat(byte))))
    const window = from(a, i32.and(bits, i32.const(4)))
    const block = from(b, i32.shl(i32.and(bits, i32.const(3)), i32.const(2)))
    let sum: Expr | undefined
    for (let k = 0; k < 4; k++) {
      const x = f.let(v.i8x16Shuffle(window, window, range(16, (i) => (i + k) % 16)))
      const y = f.let(v.i8x16Shuffle(block, block, range(16, () => k)))
      const difference = v.i16x8ExtendLowI8x16U(v.v128Or(v.i8x16SubSatU(x, y), v.i8x16SubSatU(y, x)))
      sum = f.let(sum === undefined ? difference : v.i16x8Add(sum, difference))
    }
    return sum as Expr
  },
}

/** INSERTPS: a dword (i32) goes to the lane in bits 4–5 of the immediate; lanes whose bit is set in 0–3 become zero. */
export const insertDword = (_: FunctionBuilder, a: Expr, dword: Expr, immediate: Expr): Expr => {
  const byte = i32.wrap(immediate)
  const lane = i32.and(i32.shrU(byte, i32.const(4)), i32.const(3))
  const inserted = v.v128Bitselect(v.i32x4Splat(dword), a, v.i32x4Eq(v.const(0x0000_0001_0000_0000n, 0x0000_0003_0000_0002n), v.i32x4Splat(lane)))
  const bits = v.const(0x0000_0002_0000_0001n, 0x0000_0008_0000_0004n)
  return v.v128AndNot(inserted, v.i32x4Eq(v.v128And(v.i32x4Splat(byte), bits), bits))
}
/** The dword of b that INSERTPS takes from a register: bits 6–7. */
export const selectedDword = (b: Expr, immediate: Expr): Expr => {
  const byte = i32.and(i32.shrU(i32.wrap(immediate), i32.const(4)), i32.const(12))
  return v.i32x4ExtractLane(v.i8x16Swizzle(b, v.i8x16Add(IOTA, v.i8x16Splat(byte))), 0)
}

/** b where the lane of the mask has its sign bit set, else a: PBLENDVB, BLENDVPS, BLENDVPD. */
export const variableBlend = (bytes: 1 | 4 | 8) => (_: FunctionBuilder, a: Expr, b: Expr, mask: Expr): Expr => v.v128Bitselect(b, a,
  bytes === 1 ? v.i8x16ShrS(mask, i32.const(7)) : bytes === 4 ? v.i32x4ShrS(mask, i32.const(31)) : v.i64x2ShrS(mask, i32.const(63)))

/** Lane of `bytes` bytes that the immediate names, as i64, zero-extended: PEXTRB and relatives. */
export const extractLane = (f: FunctionBuilder, a: Expr, bytes: 1 | 2 | 4 | 8, immediate: Expr): Expr => {
  const number = known(immediate)
  if (number !== undefined) {
    const lane = number & (16 / bytes - 1)
    return bytes === 8 ? v.i64x2ExtractLane(a, lane) : i64.extendI32U(bytes === 4 ? v.i32x4ExtractLane(a, lane)
      : bytes === 2 ? v.i16x8ExtractLaneU(a, lane) : v.i8x16ExtractLaneU(a, lane))
  }
  const count = f.let(i64.mul(i64.and(immediate, i64.const(16 / bytes - 1)), i64.const(bytes)))
  const low = v.i64x2ExtractLane(byteShift(a, count, false), 0)
  return bytes === 8 ? low : i64.and(low, i64.const(2n ** BigInt(bytes * 8) - 1n))
}

/** The lane that the immediate names replaced by an i64: PINSRB and relatives. */
export const insertLane = (_: FunctionBuilder, a: Expr, bytes: 1 | 4 | 8, immediate: Expr, value: Expr): Expr => {
  const number = known(immediate)
  if (number !== undefined) {
    const lane = number & (16 / bytes - 1)
    return bytes === 8 ? v.i64x2ReplaceLane(a, lane, value) : bytes === 4 ? v.i32x4ReplaceLane(a, lane, i32.wrap(value)) : v.i8x16ReplaceLane(a, lane, i32.wrap(value))
  }
  const lane = i64.and(immediate, i64.const(16 / bytes - 1))
  const mask = bytes === 8 ? v.i64x2Eq(v.const(0n, 1n), v.i64x2Splat(lane))
    : bytes === 4 ? v.i32x4Eq(v.const(0x0000_0001_0000_0000n, 0x0000_0003_0000_0002n), v.i32x4Splat(i32.wrap(lane))) : v.i8x16Eq(IOTA, v.i8x16Splat(i32.wrap(lane)))
  const everywhere = bytes === 8 ? v.i64x2Splat(value) : bytes === 4 ? v.i32x4Splat(i32.wrap(value)) : v.i8x16Splat(i32.wrap(value))
  return v.v128Bitselect(everywhere, a, mask)
}
