/** Addition, subtraction, multiplication, division and square root in f32 and f64 (Intel SDM volume 1, 11.5 and appendix E). */
import { type Expr, i32, i64, select } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { DOWN, FLOAT_REMAINDER, MXCSR_ROUNDING_SHIFT, ZE } from './constants.ts'
import { FORMATS, type Format, absolute, checkDenormals, denormalsAreZero, invalid, isInfinite, isNan, isNegative, raise, signBit, unpack } from './sse-format.ts'
import { ZERO_ADDRESS, bool64, isNonZero, multiply64, shiftRightJam, shl } from './wide.ts'

const BINARY = signature(['i64', 'i64', 'i32'], ['i64'])

interface Operands {
  readonly a: Expr
  readonly b: Expr
  readonly aMagnitude: Expr
  readonly bMagnitude: Expr
}

/** What comes first in all operations with two operands: NaNs, then DAZ. */
const operands = (f: FunctionBuilder, format: Format): Operands => {
  const [a, b, mxcsr] = f.params
  f.if(i32.or(isNan(format, absolute(format, a)), isNan(format, absolute(format, b))), () => {
    f.return(f.call(`nan_${format.name}`, a, b))
  })
  const x = denormalsAreZero(f, format, a, mxcsr)
  const y = denormalsAreZero(f, format, b, mxcsr)
  return { a: x, b: y, aMagnitude: f.let(absolute(format, x)), bMagnitude: f.let(absolute(format, y)) }
}

const round = (f: FunctionBuilder, format: Format, sign: Expr, exponent: Expr, significand: Expr): void => {
  f.return(f.call(`round_${format.name}`, sign, exponent, significand, f.params[2]))
}

const defineAdd = (module: ModuleBuilder, format: Format, subtract: boolean): void => {
  module.function(`sse_${subtract ? 'sub' : 'add'}_${format.name}`, BINARY, (f) => {
    const mxcsr = f.params[2]
    const { a, b: second, aMagnitude, bMagnitude } = operands(f, format)
    const b = subtract ? f.let(i64.xor(second, i64.const(format.sign))) : second
    f.if(i32.and(isInfinite(format, aMagnitude), isInfinite(format, bMagnitude)), () => {
      f.if(i64.ne(a, b), () => { invalid(f, format) })
      f.return(a)
    })
    checkDenormals(f, format, [aMagnitude, bMagnitude], mxcsr)
    f.if(isInfinite(format, aMagnitude), () => { f.return(a) })
    f.if(isInfinite(format, bMagnitude), () => { f.return(b) })
    const exchange = f.let(i64.ltU(aMagnitude, bMagnitude))
    const large = unpack(f, format, f.let(select(exchange, bMagnitude, aMagnitude)))
    // A zero unpacks to significand 0 with an exponent below all others.
    const small = unpack(f, format, f.let(select(exchange, aMagnitude, bMagnitude)))
    // One bit of room for the carry.
    const augend = f.let(i64.shrU(large.significand, i64.const(1)))
    const addend = shiftRightJam(f, i64.shrU(small.significand, i64.const(1)), i32.sub(large.exponent, small.exponent))
    const opposite = f.let(isNegative(format, i64.xor(a, b)))
    const sum = f.let(select(opposite, i64.sub(augend, addend), i64.add(augend, addend)))
    f.if(i64.eqz(sum), () => {
      // x − x and (+0) + (−0): +0, but −0 when rounding down; like signs keep theirs.
      const down = i32.eq(i32.and(i32.shrU(mxcsr, i32.const(MXCSR_ROUNDING_SHIFT)), i32.const(3)), i32.const(DOWN))
      f.return(select(opposite, i64.shl(bool64(down), i64.const(format.bits - 1)), signBit(format, a)))
    })
    const zeros = f.let(i32.wrap(i64.clz(sum)))
    round(f, format, isNegative(format, select(exchange, b, a)), i32.sub(i32.add(large.exponent, i32.const(1)), zeros), shl(sum, zeros))
  })
}

const defineMultiply = (module: ModuleBuilder, format: Format): void => {
  module.function(`sse_mul_${format.name}`, BINARY, (f) => {
    const { a, b, aMagnitude, bMagnitude } = operands(f, format)
    const sign = f.let(signBit(format, i64.xor(a, b)))
    const anyInfinite = f.let(i32.or(isInfinite(format, aMagnitude), isInfinite(format, bMagnitude)))
    const anyZero = f.let(i32.or(i64.eqz(aMagnitude), i64.eqz(bMagnitude)))
    f.if(i32.and(anyInfinite, anyZero), () => { invalid(f, format) })
    checkDenormals(f, format, [aMagnitude, bMagnitude], f.params[2])
    f.if(anyInfinite, () => { f.return(i64.or(sign, i64.const(format.infinity))) })
    f.if(anyZero, () => { f.return(sign) })
    const x = unpack(f, format, aMagnitude)
    const y = unpack(f, format, bMagnitude)
    const product = multiply64(f, x.significand, y.significand)
    const zeros = f.let(i32.wrap(i64.clz(product.high)))
    // The significands have at most 53 bits: shifting by one moves nothing in from the low word that its sticky bit does not say.
    const significand = i64.or(shl(product.high, zeros), bool64(isNonZero(product.low)))
    round(f, format, isNonZero(sign), i32.sub(i32.add(i32.add(x.exponent, y.exponent), i32.const(1)), zeros), significand)
  })
}

const defineDivide = (module: ModuleBuilder, format: Format): void => {
  module.function(`sse_div_${format.name}`, BINARY, (f) => {
    const mxcsr = f.params[2]
    const { a, b, aMagnitude, bMagnitude } = operands(f, format)
    const sign = f.let(signBit(format, i64.xor(a, b)))
    f.if(i32.or(i32.and(isInfinite(format, aMagnitude), isInfinite(format, bMagnitude)), i64.eqz(i64.or(aMagnitude, bMagnitude))), () => {
      invalid(f, format)
    })
    f.if(i32.and(i64.eqz(bMagnitude), i32.eqz(isInfinite(format, aMagnitude))), () => {
      // Zero-divide goes before a denormal dividend.
      raise(f, i32.const(ZE))
      f.return(i64.or(sign, i64.const(format.infinity)))
    })
    checkDenormals(f, format, [aMagnitude, bMagnitude], mxcsr)
    f.if(isInfinite(format, aMagnitude), () => { f.return(i64.or(sign, i64.const(format.infinity))) })
    f.if(i32.or(isInfinite(format, bMagnitude), i64.eqz(aMagnitude)), () => { f.return(sign) })
    const x = unpack(f, format, aMagnitude)
    const y = unpack(f, format, bMagnitude)
    // The dividend is halved if need be: then the quotient has just 64 bits.
    const less = f.let(i64.ltU(x.significand, y.significand))
    const half = i64.shrU(x.significand, i64.const(1))
    const quotient = f.let(f.call('divide_128', select(less, x.significand, half), i64.const(0), y.significand))
    // A dividend that was halved lost no bit: it has at most 53.
    const remainder = bool64(isNonZero(i64.load(ZERO_ADDRESS, FLOAT_REMAINDER)))
    round(f, format, isNonZero(sign), i32.sub(i32.sub(x.exponent, y.exponent), less), i64.or(quotient, remainder))
  })
}

const defineSquareRoot = (module: ModuleBuilder, format: Format): void => {
  module.function(`sse_sqrt_${format.name}`, signature(['i64', 'i32'], ['i64']), (f) => {
    const [input, mxcsr] = f.params
    f.if(isNan(format, absolute(format, input)), () => { f.return(f.call(`nan_${format.name}`, input, input)) })
    const a = denormalsAreZero(f, format, input, mxcsr)
    f.if(i64.eqz(absolute(format, a)), () => { f.return(a) })
    f.if(isNegative(format, a), () => { invalid(f, format) })
    checkDenormals(f, format, [a], mxcsr)
    f.if(isInfinite(format, a), () => { f.return(a) })
    const { exponent, significand } = unpack(f, format, a)
    const odd = f.let(i32.and(exponent, i32.const(1)))
    // m × 2^126 for an even exponent, 2m × 2^126 for an odd one: its root has 64 bits.
    const high = select(odd, significand, i64.shrU(significand, i64.const(1)))
    const root = f.let(f.call('sqrt_128', high, i64.const(0)))
    const sticky = bool64(isNonZero(i64.load(ZERO_ADDRESS, FLOAT_REMAINDER)))
    f.return(f.call(`round_${format.name}`, i32.const(0), i32.shrS(exponent, i32.const(1)), i64.or(root, sticky), mxcsr))
  })
}

export const defineSseArithmetic = (module: ModuleBuilder): void => {
  for (const format of FORMATS) {
    defineAdd(module, format, false)
    defineAdd(module, format, true)
    defineMultiply(module, format)
    defineDivide(module, format)
    defineSquareRoot(module, format)
  }
}
