/**
 * FSIN, FCOS, FSINCOS, FPTAN, FPATAN, in 128-bit fixed point: at most 0.51 units in the last of 64 places off. The processors'
 * own results are within one unit, and not the same between makers: ours are the same everywhere, which is what
 * counts here, and need not agree with a given processor's in the last bit.
 *
 * Arguments are reduced with the π of 66 bits that Intel's and AMD's processors have (volume 1, 8.3.8): far from zero, and
 * near multiples of π, the result is not that of the true π, here as there.
 */
import { type Expr, i32, i64, select } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { C2 } from './constants.ts'
import { BINARY, UNARY } from './x87-arithmetic.ts'
import { type Tables, entryOf, isLess128, loadWide, multiplyHigh128, normalize128, shiftRight128, slot, storeWide } from './x87-fixed.ts'
import { BIAS, EXTENDED_PRECISION, type Extended, checkDenormals, copy, invalid, isInfinite, isOdd, isZero, load, signBits, signOf, store, unpack } from './x87-format.ts'
import { TOP_BIT, type Wide, add128, multiply64, shiftLeft128, shiftRightJam128, sub128 } from './wide.ts'

/** π/2 in 66 bits, with 65 behind the point. */
const HALF_PI_66 = 0x3243f6a8885a308d3n
const ANGLE = slot(0), SQUARE = slot(1), SINE = slot(2), COSINE = slot(3), QUOTIENT = slot(4)
const EXPONENT = slot(5)

/** 1/0!, 1/1! … or every second of them, with 127 bits behind the point. */
const reciprocalFactorials = (first: number, step: number, count: number): bigint[] => {
  const result: bigint[] = []
  let factorial = 1n
  for (let n = 1; n <= first; n++) factorial *= BigInt(n)
  for (let i = 0, n = first; i < count; i++) {
    result.push((1n << 127n) / factorial)
    for (let k = 0; k < step; k++) factorial *= BigInt(++n)
  }
  return result
}
const SERIES_TERMS = 16

/** Extra bits while tables are made. */
const GUARD = 64n
const scaled = 1n << (128n + GUARD)

/** arctan(numerator / denominator) × 2^192, for arguments up to 1/2. */
const arctangentSeries = (numerator: bigint, denominator: bigint): bigint => {
  let power = scaled * numerator / denominator
  let sum = 0n
  for (let k = 1n; power !== 0n; k += 2n) {
    sum += k % 4n === 1n ? power / k : -power / k
    power = power * numerator * numerator / (denominator * denominator)
  }
  return sum
}
/** Machin: π/4 = 4 arctan(1/5) − arctan(1/239). */
const QUARTER_PI_192 = 4n * arctangentSeries(1n, 5n) - arctangentSeries(1n, 239n)
/** From 17/32 on through the angle's complement to 45°: arctan(k/32) = π/4 − arctan((32 − k) / (32 + k)). */
const ARCTANGENT_STEPS = 32
const arctangent = (k: number): bigint =>
  (k <= 16 ? arctangentSeries(BigInt(k), 32n) : QUARTER_PI_192 - arctangentSeries(BigInt(32 - k), BigInt(32 + k))) >> GUARD

const ONE = 1n << 127n
const ARCTANGENT_TERMS = 13

/** Packs (value / 2^128) × 2^exponent, which is inexact. */
export const packInexact = (f: FunctionBuilder, dst: Expr, sign: Expr, exponent: Expr, value: Wide, control: Expr, flags: Expr): Expr =>
  f.call('f80_pack', dst, sign, i32.add(exponent, i32.const(BIAS - 1)), value.high, i64.or(value.low, i64.const(1)),
    i32.or(control, i32.const(EXTENDED_PRECISION)), flags)

/**
 * f80_reduce(address) → quadrant in bits 0 and 1, and in bit 2 whether the rest is negative; the rest, normalized, is at ANGLE
 * and its exponent (i32) at EXPONENT. For the magnitude of a finite value below 2^63, not zero.
 */
const defineReduce = (module: ModuleBuilder): void => {
  module.function('f80_reduce', signature(['i32'], ['i32']), (f) => {
    const x = unpack(f, load(f, f.params[0]))
    const exponent = f.let(i32.sub(x.exponent, i32.const(BIAS)))
    f.if(i32.ltS(exponent, i32.const(-1)), () => {
      storeWide(f, ANGLE, { high: x.significand, low: i64.const(0) })
      f.i32Store(EXPONENT, 0, i32.add(exponent, i32.const(1)))
      f.return(i32.const(0))
    })
    // In units of 2^-65 the value is significand × 2^(exponent + 2).
    const divisor: Wide = { high: i64.const(HALF_PI_66 >> 64n), low: i64.const(HALF_PI_66 & (2n ** 64n - 1n)) }
    const high = f.local('i64')
    const low = f.local('i64')
    const set = (value: Wide): void => { f.set(high, value.high); f.set(low, value.low) }
    const quotient = f.local('i32')
    const count = f.local('i32')
    set({ high: i64.const(0), low: x.significand })
    f.set(count, i32.add(exponent, i32.const(2)))
    f.loop((again) => {
      set(shiftLeft128(f, { high, low }, i32.const(1)))
      const bit = f.let(i32.eqz(isLess128({ high, low }, divisor)))
      f.if(bit, () => { set(sub128(f, { high, low }, divisor)) })
      f.set(quotient, i32.or(i32.shl(quotient, i32.const(1)), bit))
      f.set(count, i32.sub(count, i32.const(1)))
      f.brIf(again, count)
    })
    const other = sub128(f, { high: f.let(divisor.high), low: f.let(divisor.low) }, { high, low })
    const past = f.let(isLess128(other, { high, low }))
    f.if(past, () => {
      set(other)
      f.set(quotient, i32.add(quotient, i32.const(1)))
    })
    const normal = normalize128(f, { high, low })
    storeWide(f, ANGLE, normal.value)
    f.i32Store(EXPONENT, 0, i32.sub(i32.const(63), normal.zeros))
    f.return(i32.or(i32.and(quotient, i32.const(3)), i32.shl(past, i32.const(2))))
  })
}

/** sine_of_rest() and cosine_of_rest() → exponent; normalized at SINE, COSINE. SQUARE has been set by `square_of_rest`. */
const defineSeries = (module: ModuleBuilder, tables: Tables): void => {
  const sine = tables.add(reciprocalFactorials(1, 2, SERIES_TERMS + 1))
  const cosine = tables.add(reciprocalFactorials(0, 2, SERIES_TERMS + 1))
  const exponent = i32.load(EXPONENT)
  module.function('square_of_rest', signature([]), (f) => {
    const angle = loadWide(f, ANGLE)
    const square = multiplyHigh128(f, angle, angle)
    storeWide(f, SQUARE, shiftRight128(f, square, i32.mul(exponent, i32.const(-2))))
  })
  /** One less than computed: the functions are below their first terms even where that does not show in 128 bits. */
  const finish = (f: FunctionBuilder, to: Expr, value: Wide, power: Expr): void => {
    const less = sub128(f, value, { high: i64.const(0), low: i64.const(1) })
    const normal = normalize128(f, less)
    storeWide(f, to, normal.value)
    f.return(i32.sub(power, normal.zeros))
  }
  module.function('sine_of_rest', signature([], ['i32']), (f) => {
    f.callVoid('fixed_series', SINE, SQUARE, i32.const(sine), i32.const(SERIES_TERMS), i32.const(1))
    finish(f, SINE, multiplyHigh128(f, loadWide(f, ANGLE), loadWide(f, SINE)), i32.add(exponent, i32.const(1)))
  })
  module.function('cosine_of_rest', signature([], ['i32']), (f) => {
    f.callVoid('fixed_series', COSINE, SQUARE, i32.const(cosine), i32.const(SERIES_TERMS), i32.const(1))
    finish(f, COSINE, loadWide(f, COSINE), i32.const(1))
  })
}

/** What all four have in common: NaNs, infinities, denormals, magnitudes from 2^63 on. Returns the flags so far. */
const commonCases = (f: FunctionBuilder, a: Extended, control: Expr, ...destinations: readonly Expr[]): Expr => {
  f.if(isInfinite(a), () => { invalid(f, control, ...destinations) })
  f.if(i32.geU(a.exponent, i32.const(BIAS + 63)), () => { f.return(i32.const(C2)) })
  return checkDenormals(f, control, a)
}

const one = (f: FunctionBuilder, dst: Expr): void => { store(f, dst, TOP_BIT, i32.const(BIAS)) }

interface Reduced { readonly quadrant: Expr, readonly swap: Expr, readonly restSign: Expr }
const reduce = (f: FunctionBuilder, address: Expr): Reduced => {
  const reduced = f.let(f.call('f80_reduce', address))
  f.callVoid('square_of_rest')
  const quadrant = f.let(i32.and(reduced, i32.const(3)))
  return { quadrant, swap: f.let(i32.and(quadrant, i32.const(1))), restSign: f.let(i32.shrU(reduced, i32.const(2))) }
}
/** Sine of the argument's magnitude: that of the rest or its cosine; negative in the lower half of the circle. */
const sineOf = (f: FunctionBuilder, { quadrant, swap, restSign }: Reduced, pack: (sign: Expr, exponent: Expr, value: Wide) => Expr): Expr => {
  const lower = f.let(i32.shrU(quadrant, i32.const(1)))
  return f.ifValue('i32', swap,
    () => { const exponent = f.let(f.call('cosine_of_rest')); return pack(lower, exponent, loadWide(f, COSINE)) },
    () => { const exponent = f.let(f.call('sine_of_rest')); return pack(i32.xor(lower, restSign), exponent, loadWide(f, SINE)) })
}
/** Negative in the left half: quadrants 1 and 2. */
const cosineOf = (f: FunctionBuilder, { quadrant, swap, restSign }: Reduced, pack: (sign: Expr, exponent: Expr, value: Wide) => Expr): Expr => {
  const left = f.let(i32.and(i32.xor(quadrant, i32.shrU(quadrant, i32.const(1))), i32.const(1)))
  return f.ifValue('i32', swap,
    () => { const exponent = f.let(f.call('sine_of_rest')); return pack(i32.xor(left, restSign), exponent, loadWide(f, SINE)) },
    () => { const exponent = f.let(f.call('cosine_of_rest')); return pack(left, exponent, loadWide(f, COSINE)) })
}

const defineSineAndCosine = (module: ModuleBuilder): void => {
  const packer = (f: FunctionBuilder, dst: Expr, control: Expr, flags: Expr, flip?: Expr) => (sign: Expr, exponent: Expr, value: Wide): Expr =>
    packInexact(f, dst, flip === undefined ? sign : i32.xor(sign, flip), exponent, value, control, flags)
  const nan = (f: FunctionBuilder, a: Extended, dst: Expr, address: Expr, control: Expr): void => {
    f.if(isOdd(a), () => { f.return(f.call('f80_nan', dst, address, address, control)) })
  }
  module.function('f80_sin', UNARY, (f) => {
    const [dst, address, control] = f.params
    const a = load(f, address)
    nan(f, a, dst, address, control)
    const flags = commonCases(f, a, control, dst)
    f.if(isZero(a), () => { copy(f, dst, a); f.return(flags) })
    f.return(sineOf(f, reduce(f, address), packer(f, dst, control, flags, signOf(a))))
  })
  module.function('f80_cos', UNARY, (f) => {
    const [dst, address, control] = f.params
    const a = load(f, address)
    nan(f, a, dst, address, control)
    const flags = commonCases(f, a, control, dst)
    f.if(isZero(a), () => { one(f, dst); f.return(flags) })
    f.return(cosineOf(f, reduce(f, address), packer(f, dst, control, flags)))
  })
  const PAIR = signature(['i32', 'i32', 'i32', 'i32'], ['i32'])
  /** NaNs for both results. */
  const pairOfNans = (f: FunctionBuilder, a: Extended, dst: Expr, second: Expr, address: Expr, control: Expr): void => {
    f.if(isOdd(a), () => {
      const flags = f.let(f.call('f80_nan', second, address, address, control))
      f.if(i32.eqz(i32.and(flags, i32.xor(control, i32.const(-1)))), () => { copy(f, dst, load(f, second)) })
      f.return(flags)
    })
  }
  module.function('f80_sincos', PAIR, (f) => {
    const [dst, second, address, control] = f.params
    const a = load(f, address)
    pairOfNans(f, a, dst, second, address, control)
    const flags = commonCases(f, a, control, dst, second)
    f.if(isZero(a), () => { copy(f, dst, a); one(f, second); f.return(flags) })
    const reduced = reduce(f, address)
    const sineFlags = f.let(sineOf(f, reduced, packer(f, dst, control, flags, signOf(a))))
    f.return(i32.or(sineFlags, cosineOf(f, reduced, packer(f, second, control, flags))))
  })
  module.function('f80_tan', PAIR, (f) => {
    const [dst, second, address, control] = f.params
    const a = load(f, address)
    pairOfNans(f, a, dst, second, address, control)
    const flags = commonCases(f, a, control, dst, second)
    one(f, second)
    f.if(isZero(a), () => { copy(f, dst, a); f.return(flags) })
    const { swap, restSign } = reduce(f, address)
    f.if(i32.and(i32.eqz(swap), i32.ltS(i32.load(EXPONENT), i32.const(-64))), () => {
      // The tangent is above its argument, though 128 bits don't show it.
      f.return(packInexact(f, dst, i32.xor(restSign, signOf(a)), i32.load(EXPONENT), loadWide(f, ANGLE), control, flags))
    })
    const sineExponent = f.let(f.call('sine_of_rest'))
    const cosineExponent = f.let(f.call('cosine_of_rest'))
    const numerator = select(swap, COSINE, SINE)
    const denominator = f.let(select(swap, SINE, COSINE))
    // Halved, so that it is below the denominator.
    storeWide(f, QUOTIENT, shiftRight128(f, loadWide(f, f.let(numerator)), i32.const(1)))
    f.callVoid('fixed_divide', QUOTIENT, QUOTIENT, denominator)
    const difference = f.let(i32.sub(sineExponent, cosineExponent))
    const exponent = f.let(i32.add(select(swap, i32.sub(i32.const(0), difference), difference), i32.const(1)))
    const normal = normalize128(f, loadWide(f, QUOTIENT))
    const sign = i32.xor(i32.xor(swap, restSign), signOf(a))
    f.return(packInexact(f, dst, sign, i32.sub(exponent, normal.zeros), normal.value, control, flags))
  })
}

/** π × k/4 for k = 1 … 4, each normalized. */
const piMultiple = (k: number): { value: bigint, exponent: number } => {
  const value = QUARTER_PI_192 * BigInt(k)
  const exponent = value.toString(2).length - Number(128n + GUARD)
  return { value: value >> (GUARD + BigInt(exponent)), exponent }
}
const wideConstant = (value: bigint): Wide => ({ high: i64.const(value >> 64n), low: i64.const(value & (2n ** 64n - 1n)) })

/** FPATAN: arctan(a / b) with a = ST(1), b = ST(0), in the quadrant that their signs say. */
const defineArctangent = (module: ModuleBuilder, tables: Tables): void => {
  const coefficients = tables.add(Array.from({ length: ARCTANGENT_TERMS + 1 }, (_, k) => ONE / BigInt(2 * k + 1)))
  const steps = tables.add(Array.from({ length: ARCTANGENT_STEPS + 1 }, (_, k) => arctangent(k)))
  const T = slot(0), NUMERATOR = slot(2), DENOMINATOR = slot(3), SUM = slot(4)
  module.function('f80_atan', BINARY, (f) => {
    const [dst, aAddress, bAddress, control] = f.params
    const a = load(f, aAddress)
    const b = load(f, bAddress)
    f.if(i32.or(isOdd(a), isOdd(b)), () => { f.return(f.call('f80_nan', dst, aAddress, bAddress, control)) })
    const flags = checkDenormals(f, control, a, b)
    const sign = f.let(signOf(a))
    const left = f.let(signOf(b))
    const multiple = (k: number): void => {
      const { value, exponent } = piMultiple(k)
      f.return(packInexact(f, dst, sign, i32.const(exponent), wideConstant(value), control, flags))
    }
    f.if(isInfinite(a), () => {
      f.if(isInfinite(b), () => { f.if(left, () => { multiple(3) }, () => { multiple(1) }) })
      multiple(2)
    })
    f.if(i32.or(isZero(a), isInfinite(b)), () => {
      f.if(left, () => { multiple(4) })
      store(f, dst, i64.const(0), signBits(a.head))
      f.return(flags)
    })
    f.if(isZero(b), () => { multiple(2) })
    const y = unpack(f, a)
    const x = unpack(f, b)
    // The smaller over the larger: t ≤ 1, arctan(1/t) = π/2 − arctan(t).
    const steep = f.let(i32.or(i32.gtS(y.exponent, x.exponent), i32.and(i32.eq(y.exponent, x.exponent), i64.gtU(y.significand, x.significand))))
    const small = f.let(select(steep, x.significand, y.significand))
    const large = f.let(select(steep, y.significand, x.significand))
    const distance = f.let(select(steep, i32.sub(y.exponent, x.exponent), i32.sub(x.exponent, y.exponent)))
    const exponent = f.local('i32')
    const high = f.local('i64')
    const low = f.local('i64')
    /** arctan(T) = T · series(T²), T normalized with that exponent; the result the same. */
    const arctangentOfT = (power: Expr): void => {
      const t = loadWide(f, T)
      storeWide(f, SQUARE, shiftRight128(f, multiplyHigh128(f, t, t), i32.mul(power, i32.const(-2))))
      f.callVoid('fixed_series', SUM, SQUARE, i32.const(coefficients), i32.const(ARCTANGENT_TERMS), i32.const(1))
      const less = sub128(f, multiplyHigh128(f, t, loadWide(f, SUM)), { high: i64.const(0), low: i64.const(1) })
      const normal = normalize128(f, less)
      f.set(high, normal.value.high)
      f.set(low, normal.value.low)
      f.set(exponent, i32.sub(i32.add(power, i32.const(1)), normal.zeros))
    }
    const quotient = (): Expr => {
      f.callVoid('fixed_divide', T, NUMERATOR, DENOMINATOR)
      const normal = normalize128(f, loadWide(f, T))
      storeWide(f, T, normal.value)
      return normal.zeros
    }
    f.block((done) => {
      f.if(i32.geS(distance, i32.const(6)), () => {
        // t < 1/32: the quotient of the significands, halved.
        storeWide(f, NUMERATOR, { high: i64.shrU(small, i64.const(1)), low: i64.shl(small, i64.const(63)) })
        storeWide(f, DENOMINATOR, { high: large, low: i64.const(0) })
        const zeros = quotient()
        arctangentOfT(f.let(i32.sub(i32.sub(i32.const(1), distance), zeros)))
        f.br(done)
      })
      // The step k nearest to 32 t, from the upper bits; being one off does no harm.
      const estimate = i64.divU(i64.shrU(small, i64.extendI32U(i32.add(i32.const(26), distance))), i64.shrU(large, i64.const(32)))
      const k = f.let(i32.shrU(i32.add(i32.wrap(estimate), i32.const(1)), i32.const(1)))
      // arctan(t) = arctan(k/32) + arctan((32 small − k large) / (32 large + k small)); both times 2^distance, in 128 bits.
      const k64 = f.let(i64.extendI32U(k))
      const times32 = (value: Wide): Wide => shiftLeft128(f, value, i32.const(5))
      const smallWide: Wide = { high: i64.const(0), low: small }
      const largeWide = shiftLeft128(f, { high: i64.const(0), low: large }, distance)
      const kLarge = shiftLeft128(f, multiply64(f, large, k64), distance)
      const top = times32(smallWide)
      const negative = f.let(isLess128(top, kLarge))
      f.if(negative, () => { storeWide(f, NUMERATOR, sub128(f, kLarge, top)) }, () => { storeWide(f, NUMERATOR, sub128(f, top, kLarge)) })
      storeWide(f, DENOMINATOR, add128(f, times32(largeWide), multiply64(f, small, k64)))
      const exact = loadWide(f, NUMERATOR)
      const step = loadWide(f, f.let(entryOf(steps, k)))
      const hasRest = f.let(i64.ne(i64.or(exact.high, exact.low), i64.const(0)))
      f.if(hasRest, () => {
        const zeros = quotient()
        arctangentOfT(f.let(i32.sub(i32.const(0), zeros)))
        f.brIf(done, i32.eqz(k))
        const rest = shiftRight128(f, { high, low }, i32.sub(i32.const(0), exponent))
        f.if(negative, () => {
          const sum = sub128(f, step, rest)
          f.set(high, sum.high); f.set(low, sum.low)
        }, () => {
          const sum = add128(f, step, rest)
          f.set(high, sum.high); f.set(low, sum.low)
        })
      }, () => {
        f.set(high, step.high)
        f.set(low, step.low)
      })
      const normal = normalize128(f, { high, low })
      f.set(high, normal.value.high)
      f.set(low, normal.value.low)
      f.set(exponent, i32.sub(i32.const(0), normal.zeros))
    })
    // From here with two bits before the point: π or π/2 plus or minus it.
    const inFixed = (): Wide => shiftRightJam128(f, { high, low }, i32.sub(i32.const(2), exponent))
    const from = (k: number, subtract: boolean): void => {
      const whole = wideConstant((QUARTER_PI_192 * BigInt(k)) >> (GUARD + 2n))
      const bound = { high: f.let(whole.high), low: f.let(whole.low) }
      const sum = subtract ? sub128(f, bound, inFixed()) : add128(f, bound, inFixed())
      const normal = normalize128(f, sum)
      f.return(packInexact(f, dst, sign, i32.sub(i32.const(2), normal.zeros), normal.value, control, flags))
    }
    f.if(steep, () => { f.if(left, () => { from(2, false) }, () => { from(2, true) }) })
    f.if(left, () => { from(4, true) })
    f.return(packInexact(f, dst, sign, exponent, { high, low }, control, flags))
  })
}

export const defineX87Trigonometry = (module: ModuleBuilder, tables: Tables): void => {
  defineReduce(module)
  defineSeries(module, tables)
  defineSineAndCosine(module)
  defineArctangent(module, tables)
}
