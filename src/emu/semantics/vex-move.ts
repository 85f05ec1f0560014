/** AVX and AVX2: moves, broadcasts, parts of YMM registers, the upper halves cleared (Intel SDM volume 2). */
import { type Expr, i32, i64, v } from '../wasm/expression.ts'
import { type Semantics, isMemory } from './emitter.ts'
import { fromLow, highHalf, lowHalf } from './packed.ts'
import type { Family } from './registry.ts'
import { withLow } from './vex-float.ts'

const move = (aligned: boolean): Semantics => (e) => {
  const lanes = e.readLanes(1, aligned)
  if (aligned && isMemory(e.operands[0])) e.checkAligned(e.address(0), e.operands[0].size)
  e.writeLanes(0, lanes)
}
/** From memory, with zeros above. */
const loadScalar = (size: 4 | 8): Semantics => (e) => { e.writeLanes(0, [fromLow(e.load(e.address(1), size))]) }
const mergeScalar = (size: 4 | 8): Semantics => (e) => { e.writeLanes(0, [withLow(e.readPart(1, 16), size, e.readLow(2, size))]) }
/** One of the two dwords of each qword, twice. */
const doubled = (odd: 0 | 1): Semantics => (e) => {
  e.writeLanes(0, e.readLanes(1).map((a) => v.i8x16Shuffle(a, a, Array.from({ length: 16 }, (_, i) => (i & 8) + odd * 4 + (i & 3)))))
}
const twice = (a: Expr): Expr => v.i64x2Splat(lowHalf(a))

/** The low element of a register, or one from memory, everywhere. */
const broadcast = (bytes: 1 | 2 | 4 | 8): Semantics => (e) => {
  const a = lowHalf(e.readPart(1, bytes))
  const everywhere = e.f.let(bytes === 8 ? v.i64x2Splat(a) : bytes === 4 ? v.i32x4Splat(i32.wrap(a)) : bytes === 2 ? v.i16x8Splat(i32.wrap(a)) : v.i8x16Splat(i32.wrap(a)))
  e.writeLanes(0, e.size === 32 ? [everywhere, everywhere] : [everywhere])
}
const clear = (halves: readonly (0 | 1)[]): Semantics => (e) => {
  for (let register = 0; register < 16; register++) for (const half of halves) e.clearVectorHalf(register, half)
}

export const VEX_MOVE: Family = {
  /** VMOVUPS, VMOVUPD, VMOVDQU, VLDDQU. */
  vmovu: move(false),
  /** VMOVAPS, VMOVAPD, VMOVDQA, VMOVNTPS, VMOVNTPD, VMOVNTDQ, VMOVNTDQA: memory is aligned to its size. */
  vmova: move(true),
  vmovss_load: loadScalar(4), vmovsd_load: loadScalar(8),
  vmovss_merge: mergeScalar(4), vmovsd_merge: mergeScalar(8),
  /** VMOVQ to a vector register, or to memory. */
  vmovq: (e) => {
    const value = e.readLow(1, 8)
    if (isMemory(e.operands[0])) e.writeLow(0, 8, value)
    else e.writeLanes(0, [fromLow(value)])
  },
  vmovd_to_vector: (e) => { e.writeLanes(0, [fromLow(e.read(1))]) },
  vmovlp_load: (e) => {
    const value = e.load(e.address(2), 8)
    e.writeLanes(0, [v.i64x2ReplaceLane(e.readPart(1, 16), 0, value)])
  },
  vmovhp_load: (e) => {
    const value = e.load(e.address(2), 8)
    e.writeLanes(0, [v.i64x2ReplaceLane(e.readPart(1, 16), 1, value)])
  },
  vmovhlps: (e) => { e.writeLanes(0, [v.i64x2ReplaceLane(e.readPart(1, 16), 0, highHalf(e.readPart(2, 16)))]) },
  vmovlhps: (e) => { e.writeLanes(0, [v.i64x2ReplaceLane(e.readPart(1, 16), 1, lowHalf(e.readPart(2, 16)))]) },
  /** Of 128 bits from 8 bytes, of 256 from each lane's lower half. */
  vmovddup: (e) => { e.writeLanes(0, e.size === 32 ? e.readLanes(1).map(twice) : [twice(e.readPart(1, 8))]) },
  vmovsldup: doubled(0), vmovshdup: doubled(1),
  vbroadcast1: broadcast(1), vbroadcast2: broadcast(2), vbroadcast4: broadcast(4), vbroadcast8: broadcast(8),
  /** VBROADCASTF128, VBROADCASTI128. */
  vbroadcast16: (e) => {
    const lane = e.readPart(1, 16)
    e.writeLanes(0, [lane, lane])
  },
  vinsert128: (e) => {
    const lane = e.readPart(2, 16)
    const [low, high] = e.readLanes(1)
    const upper = e.f.let(i32.wrap(i64.and(e.read(3), i64.const(1))))
    e.writeLanes(0, [e.f.ifValue('v128', upper, () => low, () => lane), e.f.ifValue('v128', upper, () => lane, () => high)])
  },
  vextract128: (e) => {
    const [low, high] = e.readLanes(1)
    e.writeLanes(0, [e.f.ifValue('v128', i32.wrap(i64.and(e.read(2), i64.const(1))), () => high, () => low)])
  },
  vzeroupper: clear([1]), vzeroall: clear([0, 1]),
}
