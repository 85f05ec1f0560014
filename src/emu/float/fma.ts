/**
 * Fused multiply-add: x × y + z rounded once (Intel SDM volume 1, 14.5.2), exactly, in integer arithmetic.
 *
 *   sse_fma_…        (x: i64, y: i64, z: i64, signs: i32, mxcsr: i32) → i64
 *   sse_packed_fma_… (x: v128, y: v128, z: v128, signs: i32, mxcsr: i32) → v128
 *
 * signs: 1 negates the product, 2 the addend, of even lanes; 4 and 8 the same of odd ones (scalars have the number 0). NaNs keep theirs.
 */
import { type Expr, i32, i64, select } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { DOWN, IE, MXCSR_ROUNDING_SHIFT } from './constants.ts'
import { FORMATS, type Format, absolute, checkDenormals, denormalsAreZero, invalid, isInfinite, isNan, isNegative, isSignaling, raiseIf, signBit, unpack } from './sse-format.ts'
import { build, extract, laneCount } from './sse-packed.ts'
import { type Wide, add128, bool64, isNonZero, multiply64, shiftLeft128, shiftRightJam128, sub128 } from './wide.ts'

/** Below that of any product. */
const NO_EXPONENT = -100_000

/** A NaN among three operands: the first one, quieted; invalid if one is signaling. */
const checkNans = (f: FunctionBuilder, format: Format, operands: readonly Expr[]): void => {
  const magnitudes = operands.map((bits) => f.let(absolute(format, bits)))
  const any = magnitudes.map((magnitude) => isNan(format, magnitude)).reduce((a, b) => i32.or(a, b))
  f.if(any, () => {
    raiseIf(f, magnitudes.map((magnitude) => isSignaling(format, magnitude)).reduce((a, b) => i32.or(a, b)), IE)
    const first = select(isNan(format, magnitudes[0]), operands[0], select(isNan(format, magnitudes[1]), operands[1], operands[2]))
    f.return(i64.or(first, i64.const(format.quiet)))
  })
}

const defineFused = (module: ModuleBuilder, format: Format): void => {
  module.function(`sse_fma_${format.name}`, signature(['i64', 'i64', 'i64', 'i32', 'i32'], ['i64']), (f) => {
    const [xIn, yIn, zIn, signs, mxcsr] = f.params
    checkNans(f, format, [xIn, yIn, zIn])
    const negated = (bits: Expr, bit: number): Expr =>
      i64.xor(bits, i64.shl(i64.extendI32U(i32.and(i32.shrU(signs, i32.const(bit)), i32.const(1))), i64.const(format.bits - 1)))
    const x = denormalsAreZero(f, format, f.let(negated(xIn, 0)), mxcsr)
    const y = denormalsAreZero(f, format, yIn, mxcsr)
    const z = denormalsAreZero(f, format, f.let(negated(zIn, 1)), mxcsr)
    const [xMagnitude, yMagnitude, zMagnitude] = [x, y, z].map((bits) => f.let(absolute(format, bits)))
    const sign = f.let(signBit(format, i64.xor(x, y)))
    const zSign = f.let(signBit(format, z))
    const isProductInfinite = f.let(i32.or(isInfinite(format, xMagnitude), isInfinite(format, yMagnitude)))
    const isProductZero = f.let(i32.or(i64.eqz(xMagnitude), i64.eqz(yMagnitude)))
    f.if(i32.and(isProductInfinite, i32.or(isProductZero, i32.and(isInfinite(format, zMagnitude), i64.ne(sign, zSign)))), () => { invalid(f, format) })
    checkDenormals(f, format, [xMagnitude, yMagnitude, zMagnitude], mxcsr)
    f.if(isProductInfinite, () => { f.return(i64.or(sign, i64.const(format.infinity))) })
    f.if(isInfinite(format, zMagnitude), () => { f.return(z) })
    const opposite = f.let(i64.ne(sign, zSign))
    const zeroSum = (): void => {
      const down = i32.eq(i32.and(i32.shrU(mxcsr, i32.const(MXCSR_ROUNDING_SHIFT)), i32.const(3)), i32.const(DOWN))
      f.return(select(opposite, i64.shl(bool64(down), i64.const(format.bits - 1)), sign))
    }
    const addend = unpack(f, format, zMagnitude)
    const round = (negative: Expr, exponent: Expr, significand: Expr): void => { f.return(f.call(`round_${format.name}`, negative, exponent, significand, mxcsr)) }
    f.if(isProductZero, () => {
      f.if(i64.eqz(zMagnitude), zeroSum)
      round(isNegative(format, z), addend.exponent, addend.significand)
    })
    const left = unpack(f, format, xMagnitude)
    const right = unpack(f, format, yMagnitude)
    // Both with one bit of room for a carry: nothing is lost, their lowest bits are zeros.
    const product = multiply64(f, left.significand, right.significand)
    const zeros = f.let(i32.wrap(i64.clz(product.high)))
    const normal = shiftLeft128(f, product, zeros)
    const productExponent = f.let(i32.sub(i32.add(i32.add(left.exponent, right.exponent), i32.const(1)), zeros))
    const half = (value: Wide): Wide => ({ high: f.let(i64.shrU(value.high, i64.const(1))), low: f.let(i64.or(i64.shrU(value.low, i64.const(1)), i64.shl(value.high, i64.const(63)))) })
    const p = half(normal)
    const q = half({ high: addend.significand, low: i64.const(0) })
    const addendExponent = f.let(select(i64.eqz(zMagnitude), i32.const(NO_EXPONENT), addend.exponent))
    // The larger one first: the other is shifted to its exponent. What that loses is far below what a difference cancels.
    const isLess = f.let(i32.or(i32.ltS(productExponent, addendExponent), i32.and(i32.eq(productExponent, addendExponent),
      i32.or(i64.ltU(p.high, q.high), i32.and(i64.eq(p.high, q.high), i64.ltU(p.low, q.low))))))
    const large: Wide = { high: f.let(select(isLess, q.high, p.high)), low: f.let(select(isLess, q.low, p.low)) }
    const small: Wide = { high: select(isLess, p.high, q.high), low: select(isLess, p.low, q.low) }
    const exponent = f.let(select(isLess, addendExponent, productExponent))
    const shifted = shiftRightJam128(f, small, i32.sub(exponent, select(isLess, productExponent, addendExponent)))
    const high = f.local('i64')
    const low = f.local('i64')
    f.if(opposite, () => {
      const difference = sub128(f, large, shifted)
      f.set(high, difference.high)
      f.set(low, difference.low)
    }, () => {
      const sum = add128(f, large, shifted)
      f.set(high, sum.high)
      f.set(low, sum.low)
    })
    f.if(i64.eqz(i64.or(high, low)), zeroSum)
    const lead = f.local('i32')
    f.set(lead, i32.wrap(i64.clz(high)))
    f.if(i64.eqz(high), () => {
      f.set(lead, i32.add(i32.const(64), i32.wrap(i64.clz(low))))
      f.set(high, low)
      f.set(low, i64.const(0))
    })
    const result = shiftLeft128(f, { high, low }, i32.and(lead, i32.const(63)))
    const negative = isNonZero(select(isLess, zSign, sign))
    round(negative, i32.sub(i32.add(exponent, i32.const(1)), lead), i64.or(result.high, bool64(isNonZero(result.low))))
  })
}

export const defineFma = (module: ModuleBuilder): void => {
  for (const format of FORMATS) defineFused(module, format)
  for (const name of ['f32', 'f64'] as const) {
    module.function(`sse_packed_fma_${name}`, signature(['v128', 'v128', 'v128', 'i32', 'i32'], ['v128']), (f) => {
      const [x, y, z, signs, mxcsr] = f.params
      build(f, name, laneCount(name), (at) => f.call(`sse_fma_${name}`, extract(name, x, at), extract(name, y, at), extract(name, z, at),
        at % 2 === 0 ? signs : i32.shrU(signs, i32.const(2)), mxcsr))
    })
  }
}
