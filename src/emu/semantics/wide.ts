/** Runtime functions for 128-bit products and quotients. */
import { SCRATCH } from '../cpu/layout.ts'
import { type Expr, i32, i64 } from '../wasm/expression.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'

const LOW = i64.const(0xffffffff)
const low = (value: Expr): Expr => i64.and(value, LOW)
const high = (value: Expr): Expr => i64.shrU(value, i64.const(32))
const ZERO_ADDRESS = i32.const(0)

export const defineWideArithmetic = (module: ModuleBuilder): void => {
  /** High 64 bits of an unsigned 64 × 64 product. */
  module.function('multiply_high', signature(['i64', 'i64'], ['i64']), (f) => {
    const [a, b] = f.params
    const cross = f.let(i64.add(i64.mul(high(a), low(b)), high(i64.mul(low(a), low(b)))))
    const other = f.let(i64.add(i64.mul(low(a), high(b)), low(cross)))
    f.return(i64.add(i64.add(i64.mul(high(a), high(b)), high(cross)), high(other)))
  })
  module.function('multiply_high_signed', signature(['i64', 'i64'], ['i64']), (f) => {
    const [a, b] = f.params
    const unsigned = f.call('multiply_high', a, b)
    const correction = i64.add(i64.and(i64.shrS(a, i64.const(63)), b), i64.and(i64.shrS(b, i64.const(63)), a))
    f.return(i64.sub(unsigned, correction))
  })
  /** (high:low) / divisor, high < divisor; the remainder goes to SCRATCH. */
  module.function('divide', signature(['i64', 'i64', 'i64'], ['i64']), (f) => {
    const [highIn, lowIn, divisor] = f.params
    f.if(i64.eqz(highIn), () => {
      f.i64Store(ZERO_ADDRESS, SCRATCH, i64.remU(lowIn, divisor))
      f.return(i64.divU(lowIn, divisor))
    })
    // Restoring division, a bit at a time: rare enough.
    const remainder = f.local('i64')
    const rest = f.local('i64')
    const count = f.local('i32')
    f.set(remainder, highIn)
    f.set(rest, lowIn)
    f.set(count, i32.const(64))
    f.loop((again) => {
      const carry = f.let(i64.shrU(remainder, i64.const(63)))
      f.set(remainder, i64.or(i64.shl(remainder, i64.const(1)), i64.shrU(rest, i64.const(63))))
      f.set(rest, i64.shl(rest, i64.const(1)))
      f.if(i32.or(i64.ne(carry, i64.const(0)), i64.geU(remainder, divisor)), () => {
        f.set(remainder, i64.sub(remainder, divisor))
        f.set(rest, i64.or(rest, i64.const(1)))
      })
      f.set(count, i32.sub(count, i32.const(1)))
      f.brIf(again, count)
    })
    f.i64Store(ZERO_ADDRESS, SCRATCH, remainder)
    f.return(rest)
  })
  /** Signed (high:low) / divisor ≠ 0; the remainder goes to SCRATCH, and 1 to SCRATCH + 8 if the quotient fits, else 0. */
  module.function('divide_signed', signature(['i64', 'i64', 'i64'], ['i64']), (f) => {
    const [highIn, lowIn, divisor] = f.params
    const negative = f.let(i64.shrS(highIn, i64.const(63)))
    const divisorSign = f.let(i64.shrS(divisor, i64.const(63)))
    // Absolute values: (x ^ sign) − sign, over 128 bits for the dividend.
    const lowAbs = f.let(i64.sub(i64.xor(lowIn, negative), negative))
    const borrow = f.let(i64.extendI32U(i32.and(i64.ne(negative, i64.const(0)), i64.eqz(lowAbs))))
    const highAbs = f.let(i64.add(i64.xor(highIn, negative), borrow))
    const by = f.let(i64.sub(i64.xor(divisor, divisorSign), divisorSign))
    f.i32Store(ZERO_ADDRESS, SCRATCH + 8, i32.const(0))
    f.if(i64.geU(highAbs, by), () => { f.return(i64.const(0)) })
    const magnitude = f.let(f.call('divide', highAbs, lowAbs, by))
    const sign = f.let(i64.xor(negative, divisorSign))
    const quotient = f.let(i64.sub(i64.xor(magnitude, sign), sign))
    // Fits if its sign is right (or it is zero).
    f.if(i32.or(i64.eqz(magnitude), i64.eq(i64.shrS(quotient, i64.const(63)), sign)), () => {
      f.i32Store(ZERO_ADDRESS, SCRATCH + 8, i32.const(1))
    })
    const remainder = f.let(i64.load(ZERO_ADDRESS, SCRATCH))
    f.i64Store(ZERO_ADDRESS, SCRATCH, i64.sub(i64.xor(remainder, negative), negative))
    f.return(quotient)
  })
}
