/** FYL2X, FYL2XP1, F2XM1 in 128-bit fixed point: at most 0.51 units in the last of 64 places off (see x87-trigonometry.ts). */
import { type Expr, i32, i64, select } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { PE, UE, ZE } from './constants.ts'
import { BINARY, UNARY, infinity, operand, operands } from './x87-arithmetic.ts'
import { type Tables, loadWide, multiplyHigh128, normalize128, shiftRight128, slot, storeWide } from './x87-fixed.ts'
import { BIAS, EXTENDED_PRECISION, SIGN, type Unpacked, checkDenormals, copy, invalid, isInfinite, isZero, load, signBits, signOf, store, unpack } from './x87-format.ts'
import { TOP_BIT, type Wide, add128, sub128 } from './wide.ts'

const RATIO = slot(0), SQUARE = slot(1), SUM = slot(2), NUMERATOR = slot(3), DENOMINATOR = slot(4), WIDE = slot(5)
const LOGARITHM_TERMS = 25
const EXPONENTIAL_TERMS = 31
const ONE = 1n << 127n

const GUARD = 64n
/** ln 2 × 2^192 = Σ 1 / (k 2^k). */
const LN2_192 = (() => {
  let sum = 0n
  for (let k = 1n; k < 128n + GUARD; k++) sum += (1n << (128n + GUARD - k)) / k
  return sum
})()
const LN2 = LN2_192 >> GUARD
/** 2/ln 2 over 4. */
const TWICE_LOG2_E = (1n << (256n + GUARD - 1n)) / LN2_192
const ROOT_2 = 0xb504f333f9de6484n

const constant = (f: FunctionBuilder, value: bigint): Wide => ({ high: f.let(i64.const(value >> 64n)), low: f.let(i64.const(value & (2n ** 64n - 1n))) })

const defineSeries = (module: ModuleBuilder, tables: Tables): void => {
  const coefficients = tables.add(Array.from({ length: LOGARITHM_TERMS + 1 }, (_, k) => ONE / BigInt(2 * k + 1)))
  /**
   * log2_of_ratio(exponent) → exponent: NUMERATOR / DENOMINATOR × 2^exponent is s = (m − 1) / (m + 1) for an m between √½ and √2,
   * not zero; log2 m = 2/ln 2 · (s + s³/3 + s⁵/5 …), normalized, goes to SUM.
   */
  module.function('log2_of_ratio', signature(['i32'], ['i32']), (f) => {
    f.callVoid('fixed_divide', RATIO, NUMERATOR, DENOMINATOR)
    const normal = normalize128(f, loadWide(f, RATIO))
    storeWide(f, RATIO, normal.value)
    const exponent = f.let(i32.sub(f.params[0], normal.zeros))
    storeWide(f, SQUARE, shiftRight128(f, multiplyHigh128(f, normal.value, normal.value), i32.mul(exponent, i32.const(-2))))
    f.callVoid('fixed_series', SUM, SQUARE, i32.const(coefficients), i32.const(LOGARITHM_TERMS), i32.const(0))
    const product = multiplyHigh128(f, multiplyHigh128(f, normal.value, loadWide(f, SUM)), constant(f, TWICE_LOG2_E))
    const result = normalize128(f, product)
    storeWide(f, SUM, result.value)
    f.return(i32.sub(i32.add(exponent, i32.const(3)), result.zeros))
  })
}

/**
 * y × (value / 2^128) × 2^exponent packed into dst. What is exact (`sticky` 0: its value has few bits) counts as inexact all the
 * same, and as underflow if it is tiny, as in processors.
 */
const packProduct = (f: FunctionBuilder, y: Unpacked, sign: Expr, value: Wide, exponent: Expr, sticky: 0 | 1, control: Expr, flags: Expr): void => {
  const product = multiplyHigh128(f, value, { high: y.significand, low: i64.const(0) })
  const normal = normalize128(f, product)
  const biased = f.let(i32.sub(i32.add(exponent, y.exponent), normal.zeros))
  const counted = sticky === 1 ? i32.const(PE) : select(i32.leS(biased, i32.const(0)), i32.const(PE | UE), i32.const(PE))
  f.return(f.call('f80_pack', f.params[0], sign, biased, normal.value.high, i64.or(normal.value.low, i64.const(sticky)),
    i32.or(control, i32.const(EXTENDED_PRECISION)), i32.or(flags, counted)))
}

/**
 * f80_y_log2(dst, a, sign, exponent, control, flags) → flags: a × log2(x) for x = (WIDE / 2^127) × 2^exponent, WIDE normalized, x
 * not 1; `sign` is a's.
 */
const defineProduct = (module: ModuleBuilder): void => {
  module.function('f80_y_log2', signature(['i32', 'i32', 'i32', 'i32', 'i32', 'i32'], ['i32']), (f) => {
    const [, aAddress, sign, exponentIn, control, flags] = f.params
    const y = unpack(f, load(f, aAddress))
    const packed = (negative: Expr, value: Wide, exponent: Expr, sticky: 0 | 1): void => {
      packProduct(f, y, i32.xor(sign, negative), value, exponent, sticky, control, flags)
    }
    // m between √½ and √2; numerator and denominator of (m − 1) / (m + 1), both times 2^127.
    const wide = loadWide(f, WIDE)
    const upper = f.let(i64.gtU(wide.high, i64.const(ROOT_2)))
    const e = f.let(i32.add(exponentIn, upper))
    const eNegative = f.let(i32.ltS(e, i32.const(0)))
    const magnitude = select(eNegative, i32.sub(i32.const(0), e), e)
    // 16 bits before the point.
    const whole: Wide = { high: f.let(i64.shl(i64.extendI32U(magnitude), i64.const(48))), low: i64.const(0) }
    const zero = { high: i64.const(0), low: i64.const(0) }
    const negated = sub128(f, zero, wide)
    const numerator: Wide = { high: f.let(select(upper, negated.high, i64.sub(wide.high, TOP_BIT))), low: f.let(select(upper, negated.low, wide.low)) }
    f.if(i64.eqz(i64.or(numerator.high, numerator.low)), () => {
      // A power of two: its logarithm is a whole number.
      const normal = normalize128(f, whole)
      packed(eNegative, normal.value, i32.sub(i32.const(16), normal.zeros), 0)
    })
    const normal = normalize128(f, numerator)
    storeWide(f, NUMERATOR, shiftRight128(f, normal.value, i32.const(1)))
    const one: Wide = { high: f.let(select(upper, TOP_BIT, i64.const(1n << 62n))), low: i64.const(0) }
    storeWide(f, DENOMINATOR, add128(f, one, shiftRight128(f, wide, i32.const(1))))
    const exponent = f.let(f.call('log2_of_ratio', i32.sub(i32.const(0), normal.zeros)))
    const fraction = loadWide(f, SUM)
    f.if(i32.eqz(e), () => { packed(upper, fraction, exponent, 1) })
    // |e| ± the fraction, which is negative with `upper`.
    const part = shiftRight128(f, fraction, i32.sub(i32.const(16), exponent))
    const high = f.local('i64')
    const low = f.local('i64')
    const set = (value: Wide): void => { f.set(high, value.high); f.set(low, value.low) }
    f.if(i32.eq(eNegative, upper), () => { set(add128(f, whole, part)) }, () => { set(sub128(f, whole, part)) })
    const sum = normalize128(f, { high, low })
    packed(eNegative, sum.value, i32.sub(i32.const(16), sum.zeros), 1)
  })
}

const defineLogarithm = (module: ModuleBuilder): void => {
  module.function('f80_yl2x', BINARY, (f) => {
    const [dst, aAddress, , control] = f.params
    const { a, b } = operands(f)
    const isOne = f.let(i32.and(i32.eq(b.exponent, i32.const(BIAS)), i64.eq(b.significand, TOP_BIT)))
    const negative = i32.and(signOf(b), i32.eqz(isZero(b)))
    const indeterminate = i32.or(i32.and(isZero(a), i32.or(isZero(b), isInfinite(b))), i32.and(isInfinite(a), isOne))
    f.if(i32.or(negative, indeterminate), () => { invalid(f, control, dst) })
    f.if(isZero(b), () => {
      const flags = f.local('i32')
      f.if(i32.eqz(isInfinite(a)), () => {
        f.set(flags, i32.const(ZE))
        f.if(i32.eqz(i32.and(control, i32.const(ZE))), () => { f.return(flags) })
      })
      infinity(f, dst, f.let(i32.xor(signBits(a.head), i32.const(SIGN))))
      f.return(flags)
    })
    const flags = checkDenormals(f, control, a, b)
    const sign = f.let(i32.shl(i32.xor(signOf(a), i32.ltU(b.exponent, i32.const(BIAS))), i32.const(15)))
    f.if(i32.or(isInfinite(a), isInfinite(b)), () => { infinity(f, dst, sign); f.return(flags) })
    f.if(i32.or(isZero(a), isOne), () => { store(f, dst, i64.const(0), sign); f.return(flags) })
    const x = unpack(f, b)
    storeWide(f, WIDE, { high: x.significand, low: i64.const(0) })
    f.return(f.call('f80_y_log2', dst, aAddress, signOf(a), i32.sub(x.exponent, i32.const(BIAS)), control, flags))
  })
}

/** The manual defines it within ±(1 − √½); processors go on up to any x above −1, and then give x back. */
const defineLogarithmPlusOne = (module: ModuleBuilder): void => {
  module.function('f80_yl2xp1', BINARY, (f) => {
    const [dst, aAddress, , control] = f.params
    const { a, b } = operands(f)
    const indeterminate = i32.or(i32.and(isZero(a), isInfinite(b)), i32.and(isInfinite(a), isZero(b)))
    f.if(i32.or(i32.and(isInfinite(b), signOf(b)), indeterminate), () => { invalid(f, control, dst) })
    const flags = checkDenormals(f, control, a, b)
    const sign = f.let(i32.xor(signOf(a), signOf(b)))
    f.if(i32.or(isInfinite(a), isInfinite(b)), () => { infinity(f, dst, i32.shl(sign, i32.const(15))); f.return(flags) })
    f.if(i32.or(isZero(a), isZero(b)), () => { store(f, dst, i64.const(0), i32.shl(sign, i32.const(15))); f.return(flags) })
    const x = unpack(f, b)
    const exponent = f.let(i32.sub(x.exponent, i32.const(BIAS)))
    f.if(i32.geS(exponent, i32.const(-1)), () => {
      f.if(signOf(b), () => {
        f.if(i32.geS(exponent, i32.const(0)), () => { copy(f, dst, b); f.return(i32.or(flags, i32.const(PE))) })
        // 1 − |x| with |x| from ½ on.
        const normal = normalize128(f, { high: f.let(i64.sub(i64.const(0), x.significand)), low: i64.const(0) })
        storeWide(f, WIDE, normal.value)
        f.return(f.call('f80_y_log2', dst, aAddress, signOf(a), i32.sub(i32.const(-1), normal.zeros), control, flags))
      })
      f.if(i32.ltS(exponent, i32.const(0)), () => {
        // 1 + x = (2^64 + significand) / 2^64, halved for a carry that is always there.
        storeWide(f, WIDE, { high: i64.or(i64.shrU(x.significand, i64.const(1)), TOP_BIT), low: i64.shl(x.significand, i64.const(63)) })
        f.return(f.call('f80_y_log2', dst, aAddress, signOf(a), i32.const(0), control, flags))
      })
      const one = shiftRight128(f, { high: TOP_BIT, low: i64.const(0) }, exponent)
      const sum = add128(f, { high: x.significand, low: i64.const(0) }, one)
      const carry = f.let(i64.geS(sum.high, i64.const(0)))
      const halved = shiftRight128(f, sum, carry)
      storeWide(f, WIDE, { high: i64.or(halved.high, TOP_BIT), low: halved.low })
      f.return(f.call('f80_y_log2', dst, aAddress, signOf(a), i32.add(exponent, carry), control, flags))
    })
    const y = unpack(f, a)
    // s = x / (2 + x), with two bits before the point.
    storeWide(f, NUMERATOR, { high: i64.shrU(x.significand, i64.const(2)), low: i64.shl(x.significand, i64.const(62)) })
    const two: Wide = { high: TOP_BIT, low: i64.const(0) }
    const part = shiftRight128(f, { high: x.significand, low: i64.const(0) }, i32.sub(i32.const(1), exponent))
    f.if(signOf(b), () => { storeWide(f, DENOMINATOR, sub128(f, two, part)) }, () => { storeWide(f, DENOMINATOR, add128(f, two, part)) })
    const power = f.let(f.call('log2_of_ratio', i32.add(exponent, i32.const(1))))
    packProduct(f, y, sign, loadWide(f, SUM), power, 1, control, flags)
  })
}

const defineExponential = (module: ModuleBuilder, tables: Tables): void => {
  const factorials: bigint[] = []
  for (let k = 0, factorial = 1n; k <= EXPONENTIAL_TERMS; k++) {
    factorial *= BigInt(k + 1)
    factorials.push(ONE / factorial)
  }
  const coefficients = tables.add(factorials)
  module.function('f80_2xm1', UNARY, (f) => {
    const [dst, , control] = f.params
    const a = operand(f)
    f.if(isInfinite(a), () => {
      f.if(signOf(a), () => { store(f, dst, TOP_BIT, i32.const(BIAS | SIGN)) }, () => { copy(f, dst, a) })
      f.return(i32.const(0))
    })
    const flags = checkDenormals(f, control, a)
    f.if(isZero(a), () => { copy(f, dst, a); f.return(flags) })
    f.if(i32.geU(a.exponent, i32.const(BIAS)), () => {
      // 2^-1 − 1 = −1/2; from 1 on, where only that is defined, the operand comes back.
      const isMinusOne = i32.and(i32.eq(a.head, i32.const(BIAS | SIGN)), i64.eq(a.significand, TOP_BIT))
      store(f, dst, a.significand, i32.sub(a.head, isMinusOne))
      f.return(i32.or(flags, i32.const(PE)))
    })
    const x = unpack(f, a)
    // u = |x| ln 2; e^u − 1 = u (1 + u/2 + u²/6 …), with alternating signs for a negative x.
    const product = multiplyHigh128(f, { high: x.significand, low: i64.const(0) }, constant(f, LN2))
    const u = normalize128(f, product)
    const exponent = f.let(i32.sub(i32.sub(x.exponent, i32.const(BIAS - 1)), u.zeros))
    storeWide(f, SQUARE, shiftRight128(f, u.value, i32.sub(i32.const(0), exponent)))
    f.callVoid('fixed_series', SUM, SQUARE, i32.const(coefficients), i32.const(EXPONENTIAL_TERMS), signOf(a))
    const result = normalize128(f, multiplyHigh128(f, u.value, loadWide(f, SUM)))
    const biased = i32.sub(i32.add(exponent, i32.const(BIAS)), result.zeros)
    f.return(f.call('f80_pack', dst, signOf(a), biased, result.value.high, i64.or(result.value.low, i64.const(1)),
      i32.or(control, i32.const(EXTENDED_PRECISION)), flags))
  })
}

export const defineX87Logarithm = (module: ModuleBuilder, tables: Tables): void => {
  defineSeries(module, tables)
  defineProduct(module)
  defineLogarithm(module)
  defineLogarithmPlusOne(module)
  defineExponential(module, tables)
}
