/** SSE and SSE2: shuffles, unpacks, packs, words in and out of vectors (Intel SDM volume 2). */
import { type Expr, i32, i64, v } from '../wasm/expression.ts'
import type { Emitter, Semantics } from './emitter.ts'
import { constantDwords, constantWords, dwordIndices, highHalf, interleaving, lowHalf, wordIndices } from './packed.ts'
import type { Family } from './registry.ts'

/** Bytes 0–15 are the destination's, 16–31 the source's. */
export const INTERLEAVINGS: Readonly<Record<string, readonly number[]>> = {
  punpcklbw: interleaving(1, 0), punpckhbw: interleaving(1, 8),
  punpcklwd: interleaving(2, 0), punpckhwd: interleaving(2, 8),
  punpckldq: interleaving(4, 0), punpckhdq: interleaving(4, 8),
  punpcklqdq: interleaving(8, 0), punpckhqdq: interleaving(8, 8),
}

export const PACKS: Readonly<Record<string, (a: Expr, b: Expr) => Expr>> = {
  packsswb: v.i8x16NarrowI16x8S, packuswb: v.i8x16NarrowI16x8U, packssdw: v.i16x8NarrowI32x4S,
}

const family: Record<string, Semantics> = {}

for (const [name, lanes] of Object.entries(INTERLEAVINGS)) {
  family[name] = (e) => {
    const b = e.readVector(1)
    e.writeVector(0, v.i8x16Shuffle(e.readVector(0), b, lanes))
  }
}

for (const [name, operation] of Object.entries(PACKS)) {
  family[name] = (e) => {
    const b = e.readVector(1)
    e.writeVector(0, operation(e.readVector(0), b))
  }
}

/** The immediate byte, bound, and its value where the tier knows it. */
export const immediateByte = (e: Emitter, at: number): { value: Expr, known: number | undefined } => {
  const value = e.f.let(i64.and(e.read(at), i64.const(0xff)))
  return { value, known: value.constant === undefined ? undefined : Number(value.constant) }
}

/** Words chosen in one half: PSHUFLW, PSHUFHW and, on a low half, PSHUFW. */
export const shuffleWords = (e: Emitter, a: Expr, immediateAt: number, half: 'low' | 'high'): Expr => {
  const { value, known } = immediateByte(e, immediateAt)
  if (known !== undefined) return v.i8x16Shuffle(a, a, constantWords(known, half))
  return v.i8x16Swizzle(a, wordIndices(value, half))
}

/** Word number `lane` (i64, its low bits) of 64 bits, which go up to `words`. */
const wordOf = (bits: Expr, lane: Expr): Expr =>
  i64.and(i64.shrU(bits, i64.shl(i64.and(lane, i64.const(3)), i64.const(4))), i64.const(0xffff))
export const extractWord = (e: Emitter, half: Expr, immediateAt: number): Expr => wordOf(half, e.read(immediateAt))

/** PSHUFD, and VPERMILPS by an immediate. */
export const shuffleDwords = (e: Emitter, a: Expr, immediateAt: number): Expr => {
  const { value, known } = immediateByte(e, immediateAt)
  return known !== undefined ? v.i8x16Shuffle(a, a, constantDwords(known)) : v.i8x16Swizzle(a, dwordIndices(value))
}
/** SHUFPS: two dwords of a, then two of b. */
export const shuffleSingles = (e: Emitter, a: Expr, b: Expr, immediateAt: number): Expr => {
  const { value, known } = immediateByte(e, immediateAt)
  if (known !== undefined) return v.i8x16Shuffle(a, b, constantDwords(known).map((byte, i) => i < 8 ? byte : byte + 16))
  const indices = e.f.let(dwordIndices(value))
  return v.i8x16Shuffle(v.i8x16Swizzle(a, indices), v.i8x16Swizzle(b, indices), [0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31])
}
/** SHUFPD: one half of a, one of b, by two bits of the immediate from number `bit` on. */
export const shuffleDoubles = (e: Emitter, a: Expr, b: Expr, immediateAt: number, bit = 0): Expr => {
  const { value } = immediateByte(e, immediateAt)
  const low = e.choose(i32.and(i32.wrap(value), i32.const(1 << bit)), highHalf(a), lowHalf(a))
  const high = e.choose(i32.and(i32.wrap(value), i32.const(2 << bit)), highHalf(b), lowHalf(b))
  return v.i64x2ReplaceLane(v.i64x2Splat(low), 1, high)
}
/** PEXTRW. */
export const extractWordAt = (e: Emitter, a: Expr, lane: Expr): Expr =>
  wordOf(e.f.let(e.choose(i32.and(i32.wrap(lane), i32.const(4)), highHalf(a), lowHalf(a))), lane)
/** PINSRW: a with its word number `lane` replaced. */
export const insertWord = (a: Expr, word: Expr, lane: Expr): Expr => {
  const chosen = v.i16x8Eq(v.const(0x0003_0002_0001_0000n, 0x0007_0006_0005_0004n), v.i16x8Splat(i32.and(i32.wrap(lane), i32.const(7))))
  return v.v128Bitselect(v.i16x8Splat(i32.wrap(word)), a, chosen)
}

export const SSE_SHUFFLE: Family = {
  ...family,
  pshufd: (e) => { e.writeVector(0, shuffleDwords(e, e.readVector(1), 2)) },
  pshuflw: (e) => { e.writeVector(0, shuffleWords(e, e.readVector(1), 2, 'low')) },
  pshufhw: (e) => { e.writeVector(0, shuffleWords(e, e.readVector(1), 2, 'high')) },
  shufps: (e) => {
    const b = e.readVector(1)
    e.writeVector(0, shuffleSingles(e, e.readVector(0), b, 2))
  },
  shufpd: (e) => {
    const b = e.readVector(1)
    e.writeVector(0, shuffleDoubles(e, e.readVector(0), b, 2))
  },
  pextrw: (e) => { e.write(0, extractWordAt(e, e.readVector(1), e.f.let(e.read(2)))) },
  pinsrw: (e) => {
    const word = e.read(1, 2)
    e.writeVector(0, insertWord(e.readVector(0), word, e.read(2)))
  },
  pmovmskb: (e) => { e.write(0, i64.extendI32U(v.i8x16Bitmask(e.readVector(1)))) },
  movmskps: (e) => { e.write(0, i64.extendI32U(v.i32x4Bitmask(e.readVector(1)))) },
  movmskpd: (e) => { e.write(0, i64.extendI32U(v.i64x2Bitmask(e.readVector(1)))) },
}
