/**
 * AVX and AVX2 on packed integers: what the SSE instructions compute, on one lane of 128 bits or on two (Intel SDM volume 2).
 * Without a memory operand that need be aligned, and with zeros above a result of 128 bits.
 */
import { i32, i64, v, type Expr } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'
import { AES_OPERATIONS, inverseMixColumns, keyGenerationAssist } from './aes.ts'
import { type Emitter, type Semantics, isMemory } from './emitter.ts'
import { LANE_OPERATIONS, type PackedBinaryBound, SHIFT_OPERATIONS, byteShift, lowHalf } from './packed.ts'
import { type PackedImmediate, type PackedUnary, SSE41_IMMEDIATE, SSE41_OPERATIONS, SSE41_UNARY, SSSE3_OPERATIONS, SSSE3_UNARY, WIDENINGS, alignRight,
  extractLane, insertDword, insertLane, selectedDword, variableBlend } from './packed-extended.ts'
import { carrylessMultiply } from './pclmulqdq.ts'
import type { Family } from './registry.ts'
import { setTest } from './sse41.ts'
import { INTERLEAVINGS, PACKS, insertWord, shuffleDoubles, shuffleDwords, shuffleSingles, shuffleWords } from './sse-shuffle.ts'

export const binary = (operation: PackedBinaryBound): Semantics => (e) => {
  const b = e.readLanes(2)
  const a = e.readLanes(1)
  e.writeLanes(0, a.map((x, i) => operation(e.f, x, b[i])))
}
export const unary = (operation: PackedUnary): Semantics => (e) => {
  e.writeLanes(0, e.readLanes(1).map((x) => operation(e.f, x)))
}
const immediate = (e: Emitter, at: number): Expr => e.f.let(i64.and(e.read(at), i64.const(0xff)))
/** @param bits of the immediate that belong to a lane; 0: each lane has all */
const withImmediate = (operation: PackedImmediate, bits = 0): Semantics => (e) => {
  const b = e.readLanes(2)
  const a = e.readLanes(1)
  const code = immediate(e, 3)
  e.writeLanes(0, a.map((x, i) => operation(e.f, x, b[i], bits * i === 0 ? code : e.f.let(i64.shrU(code, i64.const(bits * i))))))
}

const family: Record<string, Semantics> = {}

for (const [name, operation] of Object.entries({ ...LANE_OPERATIONS, ...SSSE3_OPERATIONS, ...SSE41_OPERATIONS, ...AES_OPERATIONS })) family[`v${name}`] = binary(operation)
for (const [name, lanes] of Object.entries(INTERLEAVINGS)) family[`v${name}`] = binary((_, a, b) => v.i8x16Shuffle(a, b, lanes))
for (const [name, operation] of Object.entries(PACKS)) family[`v${name}`] = binary((_, a, b) => operation(a, b))
for (const [name, operation] of Object.entries({ ...SSSE3_UNARY, ...SSE41_UNARY, aesimc: inverseMixColumns })) family[`v${name}`] = unary(operation)

/** The count is the low half of a vector of 16 bytes, all of which are read, or an immediate byte: the same for both lanes. */
for (const [name, operation] of Object.entries(SHIFT_OPERATIONS)) {
  family[`v${name}`] = (e) => {
    const count = e.operands[2].kind === 'i' ? immediate(e, 2) : e.f.let(lowHalf(e.readPart(2, 16)))
    e.writeLanes(0, e.readLanes(1).map((a) => operation(a, count)))
  }
}
for (const [name, left] of [['vpslldq', true], ['vpsrldq', false]] as const) {
  family[name] = (e) => {
    const count = immediate(e, 2)
    e.writeLanes(0, e.readLanes(1).map((a) => byteShift(a, count, left)))
  }
}

for (const [name, [, widen]] of Object.entries(WIDENINGS)) {
  family[`v${name}`] = (e) => {
    const { size } = e.operands[1]
    const a = e.readPart(1, size)
    if (e.size === 16) e.writeLanes(0, [widen(e.f, a)])
    // Of a source of half the size: its upper half is for the upper lane.
    else e.writeLanes(0, [widen(e.f, a), widen(e.f, e.f.let(v.i8x16Shuffle(a, a, Array.from({ length: 16 }, (_, i) => (i + size / 2) % 16))))])
  }
}

/** The mask is a register named in the immediate. */
for (const [name, bytes] of [['vpblendvb', 1], ['vblendvps', 4], ['vblendvpd', 8]] as const) {
  family[name] = (e) => {
    const b = e.readLanes(2)
    const a = e.readLanes(1)
    const mask = e.readLanes(3)
    e.writeLanes(0, a.map((x, i) => variableBlend(bytes)(e.f, x, b[i], mask[i])))
  }
}

const bitmask = (bits: number, ofLane: (a: Expr) => Expr): Semantics => (e) => {
  const masks = e.readLanes(1).map((a, i) => i32.shl(ofLane(a), i32.const(bits * i)))
  e.write(0, i64.extendI32U(masks.reduce((a, b) => i32.or(a, b))))
}

const joined = (lanes: readonly Expr[]): Expr => lanes.reduce((a, b) => v.v128Or(a, b))
/** PTEST on all bits, VTESTPS and VTESTPD on those of `counted`. */
const test = (counted?: Expr): Semantics => (e) => {
  const b = e.readLanes(1)
  const a = e.readLanes(0)
  const only = (bits: Expr): Expr => counted === undefined ? bits : v.v128And(bits, counted)
  setTest(e, only(joined(a.map((x, i) => v.v128And(x, b[i])))), only(joined(a.map((x, i) => v.v128AndNot(b[i], x)))))
}

type ScalarShift = (a: Expr, count: Expr) => Expr
/** Each dword or qword by a count of its own: too much gives zeros, or signs. */
const variableShift = (bytes: 4 | 8, shift: ScalarShift, isArithmetic = false): Semantics => binary((f: FunctionBuilder, a, counts) => {
  let result = a
  for (let lane = 0; lane < 16 / bytes; lane++) {
    const result32 = (): Expr => {
      const value = v.i32x4ExtractLane(a, lane)
      const count = f.let(v.i32x4ExtractLane(counts, lane))
      const isLarge = i32.gtU(count, i32.const(31))
      const shifted = isArithmetic ? shift(value, f.ifValue('i32', isLarge, () => i32.const(31), () => count)) : i32.and(shift(value, count), i32.sub(isLarge, i32.const(1)))
      return v.i32x4ReplaceLane(result, lane, shifted)
    }
    const result64 = (): Expr => {
      const count = f.let(v.i64x2ExtractLane(counts, lane))
      const keep = i64.sub(i64.extendI32U(i64.gtU(count, i64.const(63))), i64.const(1))
      return v.i64x2ReplaceLane(result, lane, i64.and(shift(v.i64x2ExtractLane(a, lane), count), keep))
    }
    result = f.let(bytes === 4 ? result32() : result64())
  }
  return result
})

const SIGNS_32 = v.const(0x8000_0000_8000_0000n, 0x8000_0000_8000_0000n)
const SIGNS_64 = v.const(1n << 63n, 1n << 63n)

export const VEX_INTEGER: Family = {
  ...family,
  vpsrlvd: variableShift(4, i32.shrU), vpsllvd: variableShift(4, i32.shl), vpsravd: variableShift(4, i32.shrS, true),
  vpsrlvq: variableShift(8, i64.shrU), vpsllvq: variableShift(8, i64.shl),
  vpalignr: withImmediate(alignRight), vmpsadbw: withImmediate(SSE41_IMMEDIATE.mpsadbw, 3),
  vpblendw: withImmediate(SSE41_IMMEDIATE.pblendw), vblendps: withImmediate(SSE41_IMMEDIATE.blendps, 4), vblendpd: withImmediate(SSE41_IMMEDIATE.blendpd, 2),
  vpclmulqdq: withImmediate(carrylessMultiply),
  vaeskeygenassist: (e) => {
    const a = e.readLanes(1)
    e.writeLanes(0, [keyGenerationAssist(e.f, a[0], immediate(e, 2))])
  },
  vpshufd: (e) => { e.writeLanes(0, e.readLanes(1).map((a) => shuffleDwords(e, a, 2))) },
  vpshuflw: (e) => { e.writeLanes(0, e.readLanes(1).map((a) => shuffleWords(e, a, 2, 'low'))) },
  vpshufhw: (e) => { e.writeLanes(0, e.readLanes(1).map((a) => shuffleWords(e, a, 2, 'high'))) },
  vshufps: (e) => {
    const b = e.readLanes(2)
    e.writeLanes(0, e.readLanes(1).map((a, i) => shuffleSingles(e, a, b[i], 3)))
  },
  vshufpd: (e) => {
    const b = e.readLanes(2)
    e.writeLanes(0, e.readLanes(1).map((a, i) => shuffleDoubles(e, a, b[i], 3, i * 2)))
  },
  vpmovmskb: bitmask(16, v.i8x16Bitmask), vmovmskps: bitmask(4, v.i32x4Bitmask), vmovmskpd: bitmask(2, v.i64x2Bitmask),
  vptest: test(), vtestps: test(SIGNS_32), vtestpd: test(SIGNS_64),
  vpinsrw: (e) => {
    const word = e.read(2, 2)
    e.writeLanes(0, [insertWord(e.readPart(1, 16), word, e.read(3))])
  },
  vpinsrb: insertion(1), vpinsrd: insertion(4), vpinsrq: insertion(8),
  vpextrb: extraction(1), vpextrw: extraction(2), vpextrd: extraction(4), vpextrq: extraction(8),
  vinsertps: (e) => {
    const code = immediate(e, 3)
    const dword = isMemory(e.operands[2]) ? e.f.let(i32.wrap(e.read(2, 4))) : e.f.let(selectedDword(e.readPart(2, 16), code))
    e.writeLanes(0, [insertDword(e.f, e.readPart(1, 16), dword, code)])
  },
}

function insertion(bytes: 1 | 4 | 8): Semantics {
  return (e) => {
    const value = e.read(2, bytes)
    e.writeLanes(0, [insertLane(e.f, e.readPart(1, 16), bytes, immediate(e, 3), value)])
  }
}
function extraction(bytes: 1 | 2 | 4 | 8): Semantics {
  return (e) => { e.write(0, extractLane(e.f, e.readPart(1, 16), bytes, immediate(e, 2))) }
}
