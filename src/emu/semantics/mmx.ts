/**
 * MMX, with what SSE and SSE2 added to it.
 *
 * MMX registers are the significands of the physical x87 registers. Every one of these instructions but EMMS leaves
 * TOP at 0 and all tags valid; a register that is written gets ones in its sign and exponent. A pending x87 exception
 * is reported first (Intel SDM volume 3, 12.2).
 */
import { FPU_STATUS, FPU_TAG } from '../cpu/layout.ts'
import { type Expr, i32, i64, v } from '../wasm/expression.ts'
import { type Emitter, type Semantics, isMemory } from './emitter.ts'
import { LANE_OPERATIONS, SHIFT_OPERATIONS, fromLow, interleaving, lowHalf } from './packed.ts'
import type { Family } from './registry.ts'
import { maskedBytes } from './sse-move.ts'
import { PACKS, extractWord, shuffleWords } from './sse-shuffle.ts'

const TOP_MASK = 0x3800
const EXCEPTION_SUMMARY = 0x80
const VECTOR_MF = 16

/** An MMX instruction; `body` calls `enterMmx` when nothing can fault any more, or one of the writers below, which do. */
export const mmx = (body: Semantics): Semantics => (e) => {
  e.faultIf(i32.and(e.state32(FPU_STATUS), i32.const(EXCEPTION_SUMMARY)), VECTOR_MF)
  body(e)
}

export const enterMmx = (e: Emitter, tag = 0): void => {
  e.setState32(FPU_STATUS, i32.and(e.state32(FPU_STATUS), i32.const(~TOP_MASK)))
  e.setState32(FPU_TAG, i32.const(tag))
}

/** Result in an MMX register or 8 bytes of memory; the value is emitted before anything changes. */
export const writeMmx = (e: Emitter, value: Expr): void => {
  const bound = e.f.let(value)
  if (isMemory(e.operands[0])) {
    e.writeMmx(0, bound)
    enterMmx(e)
  } else {
    enterMmx(e)
    e.writeMmx(0, bound)
  }
}

const splat = (value: Expr): Expr => v.i64x2Splat(value)

const family: Record<string, Semantics> = {}

for (const [name, operation] of Object.entries(LANE_OPERATIONS)) {
  family[`mmx_${name}`] = mmx((e) => {
    const b = e.f.let(splat(e.readMmx(1)))
    writeMmx(e, lowHalf(operation(e.f, e.f.let(splat(e.readMmx(0))), b)))
  })
}

for (const [name, operation] of Object.entries(SHIFT_OPERATIONS)) {
  family[`mmx_${name}`] = mmx((e) => {
    const count = e.operands[1].kind === 'i' ? e.f.let(i64.and(e.read(1), i64.const(0xff))) : e.readMmx(1)
    writeMmx(e, lowHalf(operation(splat(e.readMmx(0)), count)))
  })
}

for (const [name, operation] of Object.entries(PACKS)) {
  family[`mmx_${name}`] = mmx((e) => {
    const b = e.readMmx(1)
    const both = e.f.let(v.i64x2ReplaceLane(splat(e.readMmx(0)), 1, b))
    writeMmx(e, lowHalf(operation(both, both)))
  })
}

for (const [bytes, suffix] of [[1, 'bw'], [2, 'wd'], [4, 'dq']] as const) {
  family[`mmx_punpckl${suffix}`] = mmx((e) => {
    const b = isMemory(e.operands[1]) ? e.read(1, 4) : e.readMmx(1)
    writeMmx(e, lowHalf(v.i8x16Shuffle(splat(e.readMmx(0)), splat(b), interleaving(bytes, 0))))
  })
  family[`mmx_punpckh${suffix}`] = mmx((e) => {
    const b = e.readMmx(1)
    writeMmx(e, lowHalf(v.i8x16Shuffle(splat(e.readMmx(0)), splat(b), interleaving(bytes, 4))))
  })
}

/** A general register gets something out of an MMX one. */
const toGeneral = (value: (e: Emitter) => Expr): Semantics => mmx((e) => {
  const bound = e.f.let(value(e))
  e.write(0, bound)
  enterMmx(e)
})

const maskmovq = (address32: boolean): Semantics => mmx((e) => {
  const address = e.maskedDestination(address32)
  // The one that leaves the registers in MMX mode even if the access faults.
  enterMmx(e)
  e.probeWrite(address, 8)
  const old = fromLow(e.load(address, 8))
  e.store(address, 8, lowHalf(maskedBytes(fromLow(e.readMmx(0)), old, fromLow(e.readMmx(1)))))
})

export const MMX: Family = {
  ...family,
  /** MOVQ between MMX registers and memory, MOVNTQ. */
  mmx_movq: mmx((e) => { writeMmx(e, e.readMmx(1)) }),
  mmx_movd_load: mmx((e) => { writeMmx(e, e.read(1)) }),
  mmx_movd_store: toGeneral((e) => e.readMmx(1)),
  movdq2q: mmx((e) => { writeMmx(e, e.readLow(1, 8)) }),
  movq2dq: mmx((e) => {
    const value = e.readMmx(1)
    enterMmx(e)
    e.writeVector(0, fromLow(value))
  }),
  mmx_pshufw: mmx((e) => { writeMmx(e, lowHalf(shuffleWords(e, fromLow(e.readMmx(1)), 2, 'low'))) }),
  mmx_pextrw: toGeneral((e) => extractWord(e, e.readMmx(1), 2)),
  mmx_pinsrw: mmx((e) => {
    const word = e.read(1, 2)
    const shift = e.f.let(i64.shl(i64.and(e.read(2), i64.const(3)), i64.const(4)))
    const rest = i64.and(e.readMmx(0), i64.xor(i64.shl(i64.const(0xffff), shift), i64.const(-1)))
    writeMmx(e, i64.or(rest, i64.shl(word, shift)))
  }),
  mmx_pmovmskb: toGeneral((e) => i64.extendI32U(v.i8x16Bitmask(fromLow(e.readMmx(1))))),
  maskmovq: maskmovq(false),
  maskmovq_a32: maskmovq(true),
  emms: mmx((e) => { enterMmx(e, 0xffff) }),
}
