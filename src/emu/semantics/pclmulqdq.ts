/** PCLMULQDQ: products of polynomials over GF(2) (Intel SDM volume 2). */
import { type Expr, i32, i64, v } from '../wasm/expression.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { highHalf, lowHalf } from './packed.ts'
import type { PackedImmediate } from './packed-extended.ts'
import type { Family } from './registry.ts'

/**
 * Every fourth bit: in products of such numbers of 32 bits at most eight ones come together, whose sum does not reach the
 * next bit that counts ("holes", as in Thomas Pornin's description of bitsliced GHASH).
 */
const EVERY_FOURTH = [0, 1, 2, 3].map((start) => 0x1111_1111_1111_1111n << BigInt(start))

export const defineCarrylessMultiply = (module: ModuleBuilder): void => {
  /** Of two numbers of 32 bits. */
  module.function('carryless_32', signature(['i64', 'i64'], ['i64']), (f) => {
    const [a, b] = f.params
    const x = EVERY_FOURTH.map((mask) => f.let(i64.and(a, i64.const(mask & 0xffff_ffffn))))
    const y = EVERY_FOURTH.map((mask) => f.let(i64.and(b, i64.const(mask & 0xffff_ffffn))))
    f.return([0, 1, 2, 3].map((start) => {
      const sum = [0, 1, 2, 3].map((i) => i64.mul(x[i], y[(start - i) & 3])).reduce((p, q) => i64.xor(p, q))
      return i64.and(sum, i64.const(BigInt.asIntN(64, EVERY_FOURTH[start])))
    }).reduce((p, q) => i64.or(p, q)))
  })
  /** Of two numbers of 64 bits, from three products of halves (Karatsuba). */
  module.function('carryless_64', signature(['i64', 'i64'], ['v128']), (f) => {
    const [a, b] = f.params
    const low32 = (value: Expr): Expr => i64.and(value, i64.const(0xffffffff))
    const high32 = (value: Expr): Expr => i64.shrU(value, i64.const(32))
    const low = f.let(f.call('carryless_32', low32(a), low32(b)))
    const high = f.let(f.call('carryless_32', high32(a), high32(b)))
    const both = f.call('carryless_32', low32(i64.xor(a, high32(a))), low32(i64.xor(b, high32(b))))
    const middle = f.let(i64.xor(i64.xor(both, low), high))
    f.return(v.i64x2ReplaceLane(v.i64x2Splat(i64.xor(low, i64.shl(middle, i64.const(32)))), 1, i64.xor(high, high32(middle))))
  })
}

/** Bit 0 of the immediate chooses a half of a, bit 4 one of b. */
export const carrylessMultiply: PackedImmediate = (f, a, b, immediate) => {
  const byte = i32.wrap(immediate)
  const half = (vector: Expr, bit: number): Expr => f.ifValue('i64', i32.and(byte, i32.const(bit)), () => highHalf(vector), () => lowHalf(vector))
  return f.call('carryless_64', half(a, 1), half(b, 16))
}

export const PCLMULQDQ: Family = {
  pclmulqdq: (e) => {
    const b = e.readVector(1)
    const a = e.readVector(0)
    e.writeVector(0, carrylessMultiply(e.f, a, b, e.f.let(e.read(2))))
  },
}
