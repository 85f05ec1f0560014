/** AVX and AVX2: permutations within and across the lanes of a YMM register (Intel SDM volume 2). */
import { type Expr, i32, v } from '../wasm/expression.ts'
import type { Emitter, Semantics } from './emitter.ts'
import { highHalf, lowHalf } from './packed.ts'
import type { Family } from './registry.ts'
import { immediateByte, shuffleDoubles, shuffleDwords } from './sse-shuffle.ts'
import { binary } from './vex-integer.ts'

const splat32 = (word: bigint): Expr => v.const(word * 0x1_0000_0001n, word * 0x1_0000_0001n)
const splat64 = (word: bigint): Expr => v.const(word, word)

/** Byte numbers for i8x16.swizzle of the dwords whose numbers are in bits 0–1 of each dword. */
const dwordBytes = (control: Expr): Expr =>
  v.i32x4Add(v.i32x4Mul(v.v128And(control, splat32(3n)), splat32(0x04040404n)), splat32(0x03020100n))

/** VPERMD, VPERMPS: dwords of all eight of the second source, by bits 0–2 of each dword of the first. */
const dwords: Semantics = (e) => {
  const [low, high] = e.readLanes(2)
  e.writeLanes(0, e.readLanes(1).map((control) => {
    const bytes = e.f.let(dwordBytes(control))
    return v.v128Bitselect(v.i8x16Swizzle(high, bytes), v.i8x16Swizzle(low, bytes), v.i32x4ShrS(v.i32x4Shl(control, i32.const(29)), i32.const(31)))
  }))
}

/** VPERMQ, VPERMPD: qwords of all four, by two bits each of the immediate. */
const qwords: Semantics = (e) => {
  const [low, high] = e.readLanes(1)
  const words = [lowHalf(low), highHalf(low), lowHalf(high), highHalf(high)].map((word) => e.f.let(word))
  const { value } = immediateByte(e, 2)
  const code = i32.wrap(value)
  const chosen = [0, 1, 2, 3].map((i) => {
    const bit = (number: number): Expr => i32.and(i32.shrU(code, i32.const(i * 2 + number)), i32.const(1))
    return e.f.let(e.choose(bit(1), e.choose(bit(0), words[3], words[2]), e.choose(bit(0), words[1], words[0])))
  })
  const pair = (a: Expr, b: Expr): Expr => v.i64x2ReplaceLane(v.i64x2Splat(a), 1, b)
  e.writeLanes(0, [pair(chosen[0], chosen[1]), pair(chosen[2], chosen[3])])
}

/** VPERM2F128, VPERM2I128: each lane is one of four, or zero. */
const lanes: Semantics = (e) => {
  const b = e.readLanes(2)
  const all = [...e.readLanes(1), ...b]
  const { value } = immediateByte(e, 3)
  const code = i32.wrap(value)
  e.writeLanes(0, [0, 4].map((from) => {
    const bit = (number: number): Expr => i32.and(i32.shrU(code, i32.const(from + number)), i32.const(1))
    const one = (first: number): Expr => e.f.ifValue('v128', bit(0), () => all[first + 1], () => all[first])
    return e.f.ifValue('v128', bit(3), () => v.const(0n, 0n), () => e.f.ifValue('v128', bit(1), () => one(2), () => one(0)))
  }))
}

/** VPERMILPD's control: bit 1 of each qword. */
const doublesBy = (e: Emitter, a: Expr, control: Expr): Expr => {
  const upper = e.f.let(v.i64x2ShrS(v.i64x2Shl(control, i32.const(62)), i32.const(63)))
  const bytes = v.v128Or(v.v128And(upper, splat64(0x0808_0808_0808_0808n)), splat64(0x0706_0504_0302_0100n))
  return v.i8x16Swizzle(a, bytes)
}

export const VEX_PERMUTE: Family = {
  vpermd: dwords,
  vpermq: qwords,
  vperm2x128: lanes,
  vpermilps: binary((_, a, control) => v.i8x16Swizzle(a, dwordBytes(control))),
  vpermilpd: (e) => {
    const control = e.readLanes(2)
    e.writeLanes(0, e.readLanes(1).map((a, i) => doublesBy(e, a, control[i])))
  },
  vpermilps_immediate: (e) => { e.writeLanes(0, e.readLanes(1).map((a) => shuffleDwords(e, a, 2))) },
  vpermilpd_immediate: (e) => { e.writeLanes(0, e.readLanes(1).map((a, i) => shuffleDoubles(e, a, a, 2, i * 2))) },
}
