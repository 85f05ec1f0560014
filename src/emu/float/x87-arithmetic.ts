/** FADD, FSUB, FMUL, FDIV, FSQRT in the precision of the control word (Intel SDM volume 1, 8.1.5.2). */
import { type Expr, i32, i64, select } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { DOWN, FLOAT_REMAINDER, ZE } from './constants.ts'
import { BIAS, type Extended, MAX_EXPONENT, SIGN, type Unpacked, WAS_DENORMAL, checkDenormals, copy, invalid, isInfinite, isOdd, isZero, load, roundingOf, signBits, signOf, store, unpack } from './x87-format.ts'
import { TOP_BIT, ZERO_ADDRESS, add128, bool64, isNonZero, multiply64, shiftLeft128, shiftRightJam128, sub128 } from './wide.ts'

export const BINARY = signature(['i32', 'i32', 'i32', 'i32'], ['i32'])
export const UNARY = signature(['i32', 'i32', 'i32'], ['i32'])

/** Both operands; what comes first in all operations: unsupported values and NaNs. */
export const operands = (f: FunctionBuilder): { a: Extended, b: Extended } => {
  const [dst, aAddress, bAddress, control] = f.params
  const a = load(f, aAddress)
  const b = load(f, bAddress)
  f.if(i32.or(isOdd(a), isOdd(b)), () => { f.return(f.call('f80_nan', dst, aAddress, bAddress, control)) })
  return { a, b }
}

/** The one operand of an operation (dst, a, control). */
export const operand = (f: FunctionBuilder): Extended => {
  const [dst, address, control] = f.params
  const a = load(f, address)
  f.if(isOdd(a), () => { f.return(f.call('f80_nan', dst, address, address, control)) })
  return a
}

export const infinity = (f: FunctionBuilder, dst: Expr, sign: Expr): void => { store(f, dst, TOP_BIT, i32.or(sign, i32.const(MAX_EXPONENT))) }

/** Neither zero, denormal, infinite, NaN nor unsupported. */
const isNormal = (x: Extended): Expr =>
  i32.and(i64.ltS(x.significand, i64.const(0)), i32.ltU(i32.sub(x.exponent, i32.const(1)), i32.const(MAX_EXPONENT - 1)))

interface Prepared { readonly a: Extended, readonly b: Extended, readonly x: Unpacked, readonly y: Unpacked, readonly flags: Expr }

/**
 * Both operands unpacked. `special` is for the rest of what is not normal once NaNs are gone: it returns from the function for
 * infinities and zeros, and gives the flags of what else there is.
 */
const prepare = (f: FunctionBuilder, special: (a: Extended, b: Extended) => Expr, change: (b: Extended) => Extended = (b) => b): Prepared => {
  const [dst, aAddress, bAddress, control] = f.params
  const a = load(f, aAddress)
  const second = load(f, bAddress)
  const b = change(second)
  const flags = f.local('i32')
  const x = { exponent: f.local('i32'), significand: f.local('i64') }
  const y = { exponent: f.local('i32'), significand: f.local('i64') }
  const set = (to: typeof x, from: Unpacked): void => {
    f.set(to.exponent, from.exponent)
    f.set(to.significand, from.significand)
  }
  f.set(flags, i32.const(0))
  set(x, a)
  set(y, b)
  f.if(i32.eqz(i32.and(isNormal(a), isNormal(b))), () => {
    f.if(i32.or(isOdd(a), isOdd(second)), () => { f.return(f.call('f80_nan', dst, aAddress, bAddress, control)) })
    f.set(flags, special(a, b))
    set(x, unpack(f, a))
    set(y, unpack(f, b))
  }, () => {
    // Widened from a denormal: normal by now.
    f.if(i32.and(control, i32.const(WAS_DENORMAL)), () => { f.set(flags, checkDenormals(f, control, a, b)) })
  })
  return { a, b, x, y, flags }
}

const defineAdd = (module: ModuleBuilder, subtract: boolean): void => {
  module.function(subtract ? 'f80_sub' : 'f80_add', BINARY, (f) => {
    const [dst, , , control] = f.params
    const opposite = f.local('i32')
    const zero = (sign: Expr, flags: Expr): void => { store(f, dst, i64.const(0), i32.shl(sign, i32.const(15))); f.return(flags) }
    const isDown = i32.eq(roundingOf(control), i32.const(DOWN))
    const differ = (a: Extended, b: Extended): Expr => i32.shrU(signBits(i32.xor(a.head, b.head)), i32.const(15))
    const { a, b, x, y, flags } = prepare(f, (a, b) => {
      f.set(opposite, differ(a, b))
      f.if(i32.and(i32.and(isInfinite(a), isInfinite(b)), opposite), () => { invalid(f, control, dst) })
      const flags = checkDenormals(f, control, a, b)
      f.if(isInfinite(a), () => { copy(f, dst, a); f.return(flags) })
      f.if(isInfinite(b), () => { copy(f, dst, b); f.return(flags) })
      // (+0) + (−0): +0, but −0 when rounding down; like signs keep theirs.
      f.if(i32.and(isZero(a), isZero(b)), () => { zero(select(opposite, isDown, signOf(a)), flags) })
      for (const [one, other] of [[a, b], [b, a]] as const) {
        f.if(isZero(one), () => {
          const value = unpack(f, other)
          f.return(f.call('f80_pack', dst, signOf(other), value.exponent, value.significand, i64.const(0), control, flags))
        })
      }
      return flags
    }, (b) => subtract ? { ...b, head: f.let(i32.xor(b.head, i32.const(SIGN))) } : b)
    f.set(opposite, differ(a, b))
    const exchange = f.let(i32.or(i32.ltS(x.exponent, y.exponent), i32.and(i32.eq(x.exponent, y.exponent), i64.ltU(x.significand, y.significand))))
    const exponent = f.let(select(exchange, y.exponent, x.exponent))
    const large = { high: f.let(select(exchange, y.significand, x.significand)), low: i64.const(0) }
    const sign = f.let(i32.shrU(select(exchange, b.head, a.head), i32.const(15)))
    const small = f.let(select(exchange, x.significand, y.significand))
    const distance = f.let(i32.sub(exponent, select(exchange, x.exponent, y.exponent)))
    const shifted = shiftRightJam128(f, { high: small, low: i64.const(0) }, distance)
    f.if(opposite, () => {
      const rest = sub128(f, large, shifted)
      f.if(i64.eqz(i64.or(rest.high, rest.low)), () => { zero(isDown, flags) })
      // Cancellation of 64 bits leaves the low word's one bit.
      const deep = f.let(i64.eqz(rest.high))
      const high = f.let(select(deep, rest.low, rest.high))
      const low = f.let(select(deep, i64.const(0), rest.low))
      const zeros = f.let(i32.wrap(i64.clz(high)))
      const normal = shiftLeft128(f, { high, low }, zeros)
      const less = i32.add(zeros, i32.shl(deep, i32.const(6)))
      f.return(f.call('f80_pack', dst, sign, i32.sub(exponent, less), normal.high, normal.low, control, flags))
    })
    const sum = add128(f, large, shifted)
    f.if(i64.ltU(sum.high, large.high), () => {
      const half = shiftRightJam128(f, sum, i32.const(1))
      f.return(f.call('f80_pack', dst, sign, i32.add(exponent, i32.const(1)), i64.or(half.high, TOP_BIT), half.low, control, flags))
    })
    f.return(f.call('f80_pack', dst, sign, exponent, sum.high, sum.low, control, flags))
  })
}

const defineMultiply = (module: ModuleBuilder): void => {
  module.function('f80_mul', BINARY, (f) => {
    const [dst, , , control] = f.params
    const signOfProduct = (a: Extended, b: Extended): Expr => f.let(signBits(i32.xor(a.head, b.head)))
    const { a, b, x, y, flags } = prepare(f, (a, b) => {
      const sign = signOfProduct(a, b)
      const anyInfinite = f.let(i32.or(isInfinite(a), isInfinite(b)))
      const anyZero = f.let(i32.or(isZero(a), isZero(b)))
      f.if(i32.and(anyInfinite, anyZero), () => { invalid(f, control, dst) })
      const flags = checkDenormals(f, control, a, b)
      f.if(anyInfinite, () => { infinity(f, dst, sign); f.return(flags) })
      f.if(anyZero, () => { store(f, dst, i64.const(0), sign); f.return(flags) })
      return flags
    })
    const product = multiply64(f, x.significand, y.significand)
    const zeros = f.let(i32.wrap(i64.clz(product.high)))
    const normal = shiftLeft128(f, product, zeros)
    const exponent = i32.sub(i32.add(i32.add(x.exponent, y.exponent), i32.const(1 - BIAS)), zeros)
    f.return(f.call('f80_pack', dst, i32.shrU(signOfProduct(a, b), i32.const(15)), exponent, normal.high, normal.low, control, flags))
  })
}

const defineDivide = (module: ModuleBuilder): void => {
  module.function('f80_div', BINARY, (f) => {
    const [dst, , , control] = f.params
    const signOfQuotient = (a: Extended, b: Extended): Expr => f.let(signBits(i32.xor(a.head, b.head)))
    const { a, b, x, y, flags } = prepare(f, (a, b) => {
      const sign = signOfQuotient(a, b)
      f.if(i32.or(i32.and(isInfinite(a), isInfinite(b)), i32.and(isZero(a), isZero(b))), () => { invalid(f, control, dst) })
      f.if(i32.and(isZero(b), i32.eqz(isInfinite(a))), () => {
        // Zero-divide goes before a denormal dividend.
        f.if(i32.and(control, i32.const(ZE)), () => { infinity(f, dst, sign) })
        f.return(i32.const(ZE))
      })
      const flags = checkDenormals(f, control, a, b)
      f.if(isInfinite(a), () => { infinity(f, dst, sign); f.return(flags) })
      f.if(i32.or(isInfinite(b), isZero(a)), () => { store(f, dst, i64.const(0), sign); f.return(flags) })
      return flags
    })
    // The dividend is halved if need be: then the quotient has just 64 bits.
    const less = f.let(i64.ltU(x.significand, y.significand))
    const high = select(less, x.significand, i64.shrU(x.significand, i64.const(1)))
    const low = select(less, i64.const(0), i64.shl(x.significand, i64.const(63)))
    const quotient = f.let(f.call('divide_128', high, low, y.significand))
    // The low word says where the remainder is from half of the divisor.
    const remainder = f.let(i64.load(ZERO_ADDRESS, FLOAT_REMAINDER))
    const other = f.let(i64.sub(y.significand, remainder))
    const half = i64.shl(bool64(i64.geU(remainder, other)), i64.const(63))
    const rest = i64.or(half, bool64(i32.and(isNonZero(remainder), i64.ne(remainder, other))))
    const exponent = i32.sub(i32.add(i32.sub(x.exponent, y.exponent), i32.const(BIAS)), less)
    f.return(f.call('f80_pack', dst, i32.shrU(signOfQuotient(a, b), i32.const(15)), exponent, quotient, rest, control, flags))
  })
}

const defineSquareRoot = (module: ModuleBuilder): void => {
  module.function('f80_sqrt', UNARY, (f) => {
    const [dst, , control] = f.params
    const a = operand(f)
    f.if(isZero(a), () => { copy(f, dst, a); f.return(i32.const(0)) })
    f.if(signBits(a.head), () => { invalid(f, control, dst) })
    const flags = checkDenormals(f, control, a)
    f.if(isInfinite(a), () => { copy(f, dst, a); f.return(flags) })
    const x = unpack(f, a)
    const power = f.let(i32.sub(x.exponent, i32.const(BIAS)))
    const odd = f.let(i32.and(power, i32.const(1)))
    // m × 2^126 for an even exponent, 2m × 2^126 for an odd one: its root has 64 bits.
    const high = select(odd, x.significand, i64.shrU(x.significand, i64.const(1)))
    const low = select(odd, i64.const(0), i64.shl(x.significand, i64.const(63)))
    const root = f.let(f.call('sqrt_128', high, low))
    const kind = f.let(i64.load(ZERO_ADDRESS, FLOAT_REMAINDER))
    const rest = i64.or(i64.shl(kind, i64.const(62)), bool64(isNonZero(kind)))
    const lowWord = select(i64.eq(kind, i64.const(1)), i64.const(1), rest)
    f.return(f.call('f80_pack', dst, i32.const(0), i32.add(i32.shrS(power, i32.const(1)), i32.const(BIAS)), root, lowWord, control, flags))
  })
}

export const defineX87Arithmetic = (module: ModuleBuilder): void => {
  defineAdd(module, false)
  defineAdd(module, true)
  defineMultiply(module)
  defineDivide(module)
  defineSquareRoot(module)
}
