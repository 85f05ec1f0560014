/** CMPXCHG16B. */
import { RAX, RBX, RCX, RDX } from '../cpu/layout.ts'
import { type Expr, i32, i64, v } from '../wasm/expression.ts'
import type { Emitter } from './emitter.ts'
import { highHalf, lowHalf } from './packed.ts'
import type { Family } from './registry.ts'

const pair = (e: Emitter, low: number, high: number): Expr => e.f.let(v.i64x2ReplaceLane(v.i64x2Splat(e.gpr(low)), 1, e.gpr(high)))

export const EXCHANGE_WIDE: Family = {
  cmpxchg16b: (e) => {
    const address = e.address(0)
    e.checkAligned(address)
    // The destination is written in any case, with its old value if the comparison fails.
    e.probeWrite(address, 16)
    const old = e.load128(address)
    const equal = e.f.let(v.i64x2AllTrue(v.i64x2Eq(old, pair(e, RAX, RDX))))
    e.store128(address, e.f.let(v.v128Bitselect(pair(e, RBX, RCX), old, v.i64x2Splat(i64.sub(i64.const(0), i64.extendI32U(equal))))))
    e.f.if(i32.eqz(equal), () => {
      e.setGpr(RAX, lowHalf(old))
      e.setGpr(RDX, highHalf(old))
    })
    // Only ZF changes.
    e.setAllFlags({ cf: e.f.let(e.cf()), pf: e.f.let(e.pf()), af: e.f.let(e.af()), zf: equal, sf: e.f.let(e.sf()), of: e.f.let(e.of()) })
  },
}
