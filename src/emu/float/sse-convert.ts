/** Conversions between f32, f64 and integers, and rounding to an integral value. */
import { type Expr, f32, f64, i32, i64, select } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { DOWN, FLOAT_REMAINDER, IE, MXCSR_ROUNDING_SHIFT, NEAREST, PE, TOWARD_ZERO, UP } from './constants.ts'
import { F32, F64, FORMATS, type Format, absolute, checkDenormals, denormalsAreZero, isInfinite, isNan, isNegative, isSignaling, raise, raiseIf, signBit, unpack } from './sse-format.ts'
import { TOP_BIT, ZERO_ADDRESS, bool64, isNonZero, shl, shr } from './wide.ts'

const UNARY = signature(['i64', 'i32'], ['i64'])
const roundingOf = (mxcsr: Expr): Expr => i32.and(i32.shrU(mxcsr, i32.const(MXCSR_ROUNDING_SHIFT)), i32.const(3))

/**
 * round_integer(sign, exponent, significand, rounding) → magnitude of the value rounded to an integer, for exponents below 64.
 * FLOAT_REMAINDER: i32 1 if it was inexact, and at +4 i32 1 if it was rounded away from zero.
 */
const defineRoundInteger = (module: ModuleBuilder): void => {
  module.function('round_integer', signature(['i32', 'i32', 'i64', 'i32'], ['i64']), (f) => {
    const [sign, exponent, significand, rounding] = f.params
    const shift = f.let(i32.sub(i32.const(63), exponent))
    const integer = f.local('i64')
    // What is behind the point, its first bit at bit 63, what does not fit ORed into bit 0.
    const fraction = f.local('i64')
    f.if(i32.ltU(shift, i32.const(64)), () => {
      f.set(integer, shr(significand, shift))
      f.set(fraction, i64.shl(shl(significand, i32.sub(i32.const(63), shift)), i64.const(1)))
    }, () => {
      f.set(fraction, select(i32.eq(shift, i32.const(64)), significand, i64.const(1)))
    })
    const odd = isNonZero(i64.and(integer, i64.const(1)))
    const nearest = i32.or(i64.gtU(fraction, TOP_BIT), i32.and(i64.eq(fraction, TOP_BIT), odd))
    const inexact = f.let(isNonZero(fraction))
    const away = i32.and(inexact, i32.eq(rounding, select(sign, i32.const(DOWN), i32.const(UP))))
    const increment = f.let(select(i32.eq(rounding, i32.const(NEAREST)), nearest, away))
    f.i32Store(ZERO_ADDRESS, FLOAT_REMAINDER, inexact)
    f.i32Store(ZERO_ADDRESS, FLOAT_REMAINDER + 4, increment)
    f.return(i64.add(integer, bool64(increment)))
  })
}

const defineToInteger = (module: ModuleBuilder, format: Format, bits: 32 | 64): void => {
  module.function(`sse_${format.name}_to_i${bits}`, signature(['i64', 'i32', 'i32'], ['i64']), (f) => {
    const [input, truncate, mxcsr] = f.params
    const limit = 1n << BigInt(bits - 1)
    const a = denormalsAreZero(f, format, input, mxcsr)
    const magnitude = f.let(absolute(format, a))
    f.if(i64.eqz(magnitude), () => { f.return(i64.const(0)) })
    const sign = f.let(isNegative(format, a))
    const { exponent, significand } = unpack(f, format, magnitude)
    f.block((outOfRange) => {
      // Infinities and NaNs unpack to large exponents.
      f.brIf(outOfRange, i32.geS(exponent, i32.const(bits)))
      const integer = f.let(f.call('round_integer', sign, exponent, significand, select(truncate, i32.const(TOWARD_ZERO), roundingOf(mxcsr))))
      f.brIf(outOfRange, i64.gtU(integer, i64.add(i64.const(limit - 1n), bool64(sign))))
      raiseIf(f, i32.load(ZERO_ADDRESS, FLOAT_REMAINDER), PE)
      const value = select(sign, i64.sub(i64.const(0), integer), integer)
      f.return(bits === 32 ? i64.and(value, i64.const(0xffffffff)) : value)
    })
    raise(f, i32.const(IE))
    f.return(i64.const(limit))
  })
}

const defineFromInteger = (module: ModuleBuilder, format: Format): void => {
  module.function(`sse_int_to_${format.name}`, UNARY, (f) => {
    const [a, mxcsr] = f.params
    f.if(i64.eqz(a), () => { f.return(i64.const(0)) })
    const sign = f.let(i64.ltS(a, i64.const(0)))
    const magnitude = f.let(select(sign, i64.sub(i64.const(0), a), a))
    const zeros = f.let(i32.wrap(i64.clz(magnitude)))
    f.return(f.call(`round_${format.name}`, sign, i32.sub(i32.const(63), zeros), shl(magnitude, zeros), mxcsr))
  })
}

const WIDENING = BigInt(F64.fractionBits - F32.fractionBits)

const defineBetween = (module: ModuleBuilder): void => {
  module.function('sse_f32_to_f64', UNARY, (f) => {
    const [input, mxcsr] = f.params
    const magnitude = absolute(F32, input)
    f.if(isNan(F32, magnitude), () => {
      raiseIf(f, isSignaling(F32, magnitude), IE)
      const sign = i64.shl(signBit(F32, input), i64.const(32))
      const fraction = i64.shl(i64.and(input, i64.const(F32.minNormal - 1n)), i64.const(WIDENING))
      f.return(i64.or(i64.or(sign, fraction), i64.const(F64.infinity | F64.quiet)))
    })
    const a = denormalsAreZero(f, F32, input, mxcsr)
    checkDenormals(f, F32, [absolute(F32, a)], mxcsr)
    f.return(i64.reinterpretF64(f64.promoteF32(f32.reinterpretI32(i32.wrap(a)))))
  })
  module.function('sse_f64_to_f32', UNARY, (f) => {
    const [input, mxcsr] = f.params
    const inputSign = f.let(i64.shrU(signBit(F64, input), i64.const(32)))
    const inputMagnitude = f.let(absolute(F64, input))
    f.if(isNan(F64, inputMagnitude), () => {
      raiseIf(f, isSignaling(F64, inputMagnitude), IE)
      const fraction = i64.and(i64.shrU(input, i64.const(WIDENING)), i64.const(F32.minNormal - 1n))
      f.return(i64.or(i64.or(inputSign, fraction), i64.const(F32.infinity | F32.quiet)))
    })
    f.if(isInfinite(F64, inputMagnitude), () => { f.return(i64.or(inputSign, i64.const(F32.infinity))) })
    const a = denormalsAreZero(f, F64, input, mxcsr)
    const magnitude = f.let(absolute(F64, a))
    f.if(i64.eqz(magnitude), () => { f.return(inputSign) })
    checkDenormals(f, F64, [magnitude], mxcsr)
    const { exponent, significand } = unpack(f, F64, magnitude)
    f.return(f.call('round_f32', isNegative(F64, a), exponent, significand, mxcsr))
  })
}

/** ROUNDSS, ROUNDSD: neither denormals nor, with bit 3, inexactness count. */
const defineRoundToIntegral = (module: ModuleBuilder, format: Format): void => {
  module.function(`sse_round_${format.name}`, signature(['i64', 'i32', 'i32'], ['i64']), (f: FunctionBuilder) => {
    const [input, mode, mxcsr] = f.params
    f.if(isNan(format, absolute(format, input)), () => { f.return(f.call(`nan_${format.name}`, input, input)) })
    const a = denormalsAreZero(f, format, input, mxcsr)
    const magnitude = f.let(absolute(format, a))
    // Zero, or from here on integral already (infinities as well).
    f.if(i32.or(i64.eqz(magnitude), i64.geU(magnitude, i64.const(BigInt(format.bias + format.fractionBits) << BigInt(format.fractionBits)))), () => {
      f.return(a)
    })
    const rounding = select(i32.and(mode, i32.const(4)), roundingOf(mxcsr), i32.and(mode, i32.const(3)))
    const { exponent, significand } = unpack(f, format, magnitude)
    const integer = f.let(f.call('round_integer', isNegative(format, a), exponent, significand, rounding))
    f.if(i32.load(ZERO_ADDRESS, FLOAT_REMAINDER), () => {
      raiseIf(f, i32.eqz(i32.and(mode, i32.const(8))), PE)
    })
    // At most 2^53: exact whatever the rounding.
    f.return(i64.or(f.call(`sse_int_to_${format.name}`, integer, mxcsr), signBit(format, a)))
  })
}

export const defineSseConvert = (module: ModuleBuilder): void => {
  defineRoundInteger(module)
  defineBetween(module)
  for (const format of FORMATS) {
    defineToInteger(module, format, 32)
    defineToInteger(module, format, 64)
    defineFromInteger(module, format)
    defineRoundToIntegral(module, format)
  }
}
