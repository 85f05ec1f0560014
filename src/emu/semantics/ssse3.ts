/** SSE3's moves and SSSE3, whose instructions exist for MMX registers too (Intel SDM volume 2). */
import { i64, v } from '../wasm/expression.ts'
import { type Emitter, type Semantics, isMemory } from './emitter.ts'
import { mmx, writeMmx } from './mmx.ts'
import { byteShift, fromLow, lowHalf } from './packed.ts'
import { SSSE3_OPERATIONS, SSSE3_UNARY, alignRight } from './packed-extended.ts'
import type { Family } from './registry.ts'

const immediate = (e: Emitter): ReturnType<Emitter['read']> => e.f.let(i64.and(e.read(2), i64.const(0xff)))

const family: Record<string, Semantics> = {}

for (const [name, operation] of Object.entries(SSSE3_OPERATIONS)) {
  family[name] = (e) => {
    const b = e.readVector(1)
    e.writeVector(0, operation(e.f, e.readVector(0), b))
  }
}
for (const name of ['pmaddubsw', 'pmulhrsw', 'psignb', 'psignw', 'psignd']) {
  family[`mmx_${name}`] = mmx((e) => {
    const b = e.f.let(fromLow(e.readMmx(1)))
    writeMmx(e, lowHalf(SSSE3_OPERATIONS[name](e.f, e.f.let(fromLow(e.readMmx(0))), b)))
  })
}
for (const name of ['phaddw', 'phaddd', 'phaddsw', 'phsubw', 'phsubd', 'phsubsw']) {
  family[`mmx_${name}`] = mmx((e) => {
    const b = e.readMmx(1)
    const both = e.f.let(v.i64x2ReplaceLane(fromLow(e.readMmx(0)), 1, b))
    writeMmx(e, lowHalf(SSSE3_OPERATIONS[name](e.f, both, both)))
  })
}
for (const [name, operation] of Object.entries(SSSE3_UNARY)) {
  family[name] = (e) => { e.writeVector(0, operation(e.f, e.readVector(1))) }
  family[`mmx_${name}`] = mmx((e) => { writeMmx(e, lowHalf(operation(e.f, e.f.let(fromLow(e.readMmx(1)))))) })
}

export const SSSE3: Family = {
  ...family,
  palignr: (e) => {
    const b = e.readVector(1)
    e.writeVector(0, alignRight(e.f, e.readVector(0), b, immediate(e)))
  },
  mmx_palignr: mmx((e) => {
    const b = e.readMmx(1)
    const both = v.i64x2ReplaceLane(fromLow(b), 1, e.readMmx(0))
    writeMmx(e, lowHalf(byteShift(both, immediate(e), false)))
  }),
  /** Three bits of an index count, and the high half stands for nothing. */
  mmx_pshufb: mmx((e) => {
    const b = e.readMmx(1)
    const indices = fromLow(i64.and(b, i64.const(0x8787_8787_8787_8787n)))
    writeMmx(e, lowHalf(v.i8x16Swizzle(fromLow(e.readMmx(0)), indices)))
  }),
  movddup: (e) => { e.writeVector(0, v.i64x2Splat(e.readLow(1, 8))) },
  movsldup: (e) => {
    const a = e.readVector(1)
    e.writeVector(0, v.i8x16Shuffle(a, a, [0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11]))
  },
  movshdup: (e) => {
    const a = e.readVector(1)
    e.writeVector(0, v.i8x16Shuffle(a, a, [4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15]))
  },
}

/** The low `bytes` bytes of a vector register or of memory; what is above them is anything, for a register. */
export const readPart = (e: Emitter, at: number, bytes: number): ReturnType<Emitter['read']> =>
  isMemory(e.operands[at]) ? e.f.let(fromLow(e.load(e.address(at), bytes))) : e.readVector(at)
