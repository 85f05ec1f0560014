/**
 * The 80-bit format: taking operands apart, what comes before the arithmetic, and rounding into a register
 * (Intel SDM volume 1, 4.8 and 8.5).
 *
 * Between unpacking and rounding a finite non-zero value is sign, biased exponent and significand: the significand has
 * bit 63 set; the exponent has the bias 16383 but may be zero or negative. What is below the significand's last bit is
 * the *low word*: 64 more bits, the last of which is sticky.
 */
import { type Expr, i32, i64, select } from '../wasm/expression.ts'
import type { FunctionBuilder, Local } from '../wasm/function.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { C1, CONTROL_PRECISION_SHIFT, CONTROL_ROUNDING_SHIFT, DE, DOWN, FLOAT_REMAINDER, IE, NEAREST, OE, PE, UE, UP } from './constants.ts'
import { MINUS_ONE, TOP_BIT, ZERO_ADDRESS, bool64, isNonZero, shiftRightJam128, shl } from './wide.ts'

export const BIAS = 16383
/** Exponent field of infinities and NaNs. */
export const MAX_EXPONENT = 0x7fff
/** By how much unmasked overflow and underflow change the exponent (volume 1, 8.5.4). */
const WRAP = 24576
const QUIET = 1n << 62n
const DEFAULT_NAN = i64.const(3n << 62n)
export const EXTENDED_PRECISION = 3 << CONTROL_PRECISION_SHIFT
export const SIGN = 0x8000
const ROUNDING_AND_PRECISION = 0xf00

/** A register's content, bound. */
export interface Extended {
  readonly significand: Expr
  /** Sign in bit 15, exponent below. */
  readonly head: Expr
  readonly exponent: Expr
}

export const load = (f: FunctionBuilder, address: Expr): Extended => {
  const significand = f.let(i64.load(address))
  const head = f.let(i32.load16U(address, 8))
  return { significand, head, exponent: f.let(i32.and(head, i32.const(MAX_EXPONENT))) }
}

export const store = (f: FunctionBuilder, address: Expr, significand: Expr, head: Expr): void => {
  f.i64Store(address, 0, significand)
  f.i32Store16(address, 8, head)
}

/** Copies a register; `from` must not be written in between. */
export const copy = (f: FunctionBuilder, to: Expr, from: Extended): void => { store(f, to, from.significand, from.head) }

export const signOf = (x: Extended): Expr => i32.shrU(x.head, i32.const(15))
export const signBits = (head: Expr): Expr => i32.and(head, i32.const(SIGN))
/** Bit 63 of the significand is clear though the exponent is not zero: unnormals, pseudo-infinities and pseudo-NaNs. */
export const isUnsupported = ({ exponent, significand }: Extended): Expr =>
  i32.and(i32.ne(exponent, i32.const(0)), i64.geS(significand, i64.const(0)))
export const isInfinite = ({ exponent, significand }: Extended): Expr =>
  i32.and(i32.eq(exponent, i32.const(MAX_EXPONENT)), i64.eq(significand, TOP_BIT))
/** Unsupported or a NaN. */
export const isOdd = (x: Extended): Expr =>
  i32.or(isUnsupported(x), i32.and(i32.eq(x.exponent, i32.const(MAX_EXPONENT)), i64.ne(x.significand, TOP_BIT)))
/** Of anything but unsupported values. */
export const isZero = ({ significand }: Extended): Expr => i64.eqz(significand)
/** Pseudo-denormals, whose bit 63 is set, count as denormal. */
export const isDenormal = ({ exponent, significand }: Extended): Expr => i32.and(i32.eqz(exponent), isNonZero(significand))
/** Of a NaN: the quiet bit is clear. */
const isSignaling = ({ significand }: Extended): Expr => i64.eqz(i64.and(significand, i64.const(QUIET)))

export const isUnmasked = (control: Expr, exception: number): Expr => i32.eqz(i32.and(control, i32.const(exception)))
export const roundingOf = (control: Expr): Expr => i32.and(i32.shrU(control, i32.const(CONTROL_ROUNDING_SHIFT)), i32.const(3))

/** The default NaN and the invalid exception; with that unmasked the destinations stay as they are. */
export const invalid = (f: FunctionBuilder, control: Expr, ...destinations: readonly Expr[]): void => {
  f.if(i32.and(control, i32.const(IE)), () => {
    for (const dst of destinations) store(f, dst, DEFAULT_NAN, i32.const(0xffff))
  })
  f.return(i32.const(IE))
}

/**
 * Beside the control word: an operand was denormal before it was widened to 80 bits, which nothing shows any more.
 * (It can't be raised when widening: invalid operations and zero-divide go before it.)
 */
export const WAS_DENORMAL = 0x10000

/** Flags of an operation so far: DE if one of the operands is denormal; with DE unmasked nothing more is done. */
export const checkDenormals = (f: FunctionBuilder, control: Expr, ...operands: readonly Extended[]): Local => {
  const flags = f.local('i32')
  f.set(flags, i32.const(0))
  f.if(operands.map(isDenormal).reduce((a, b) => i32.or(a, b), i32.and(control, i32.const(WAS_DENORMAL))), () => {
    f.set(flags, i32.const(DE))
    f.if(isUnmasked(control, DE), () => { f.return(flags) })
  })
  return flags
}

export interface Unpacked { readonly exponent: Expr, readonly significand: Expr }

/** A finite non-zero value, normalized. Pseudo-denormals have exponent 1. */
export const unpack = (f: FunctionBuilder, x: Extended): Unpacked => {
  const exponent = f.local('i32')
  const significand = f.local('i64')
  f.set(exponent, x.exponent)
  f.set(significand, x.significand)
  f.if(i32.eqz(exponent), () => {
    const zeros = f.let(i32.wrap(i64.clz(significand)))
    f.set(exponent, i32.sub(i32.const(1), zeros))
    f.set(significand, shl(significand, zeros))
  })
  return { exponent, significand }
}

/**
 * f80_nan(dst, a, b, control) → flags, where a or b is a NaN or unsupported. Of two NaNs the quiet one comes back, of two of
 * a kind that with the larger significand, then the positive one (volume 1, table 4-7).
 */
const defineNan = (module: ModuleBuilder): void => {
  module.function('f80_nan', signature(['i32', 'i32', 'i32', 'i32'], ['i32']), (f) => {
    const [dst, aAddress, bAddress, control] = f.params
    const a = load(f, aAddress)
    const b = load(f, bAddress)
    f.if(i32.or(isUnsupported(a), isUnsupported(b)), () => { invalid(f, control, dst) })
    const aNan = f.let(isOdd(a))
    const bNan = f.let(isOdd(b))
    const aSignaling = f.let(i32.and(aNan, isSignaling(a)))
    const bSignaling = f.let(i32.and(bNan, isSignaling(b)))
    const flags = f.let(i32.or(aSignaling, bSignaling))
    f.if(i32.and(flags, isUnmasked(control, IE)), () => { f.return(flags) })
    const larger = i32.or(i64.gtU(a.significand, b.significand),
      i32.and(i64.eq(a.significand, b.significand), i32.ltU(a.head, b.head)))
    const both = i32.and(aNan, bNan)
    // With one signaling and one quiet, the quiet one; IE is 1, so `flags` is the exception.
    const first = select(both, select(i32.eq(aSignaling, bSignaling), larger, bSignaling), aNan)
    f.if(first, () => {
      store(f, dst, i64.or(a.significand, i64.const(QUIET)), a.head)
    }, () => {
      store(f, dst, i64.or(b.significand, i64.const(QUIET)), b.head)
    })
    f.return(flags)
  })
}

/**
 * f80_round_significand(sign, significand, low word, control) → significand rounded to the precision of the control word,
 * 0 if a carry ran out of it. FLOAT_REMAINDER: i32 1 if it was inexact, and at +4 i32 1 if it was rounded away from zero.
 */
const defineRoundSignificand = (module: ModuleBuilder): void => {
  module.function('f80_round_significand', signature(['i32', 'i64', 'i64', 'i32'], ['i64']), (f) => {
    const [sign, significand, low, control] = f.params
    const precision = f.let(i32.and(i32.shrU(control, i32.const(CONTROL_PRECISION_SHIFT)), i32.const(3)))
    /** Ones where bits are dropped. */
    const mask = f.local('i64')
    const lost = f.local('i64')
    f.set(lost, low)
    // The reserved value 1 is 64 bits, as AMD's processors take it.
    f.if(i32.eqz(i32.and(precision, i32.const(1))), () => {
      const bits = f.let(select(precision, i64.const(53), i64.const(24)))
      f.set(mask, i64.shrU(MINUS_ONE, bits))
      f.set(lost, i64.or(i64.shl(significand, bits), bool64(isNonZero(low))))
    })
    const kept = f.let(i64.and(significand, i64.xor(mask, MINUS_ONE)))
    const unit = f.let(i64.add(mask, i64.const(1)))
    const rounding = f.let(roundingOf(control))
    const nearest = i32.or(i64.gtU(lost, TOP_BIT), i32.and(i64.eq(lost, TOP_BIT), isNonZero(i64.and(kept, unit))))
    const inexact = f.let(isNonZero(lost))
    const away = i32.and(inexact, i32.eq(rounding, select(sign, i32.const(DOWN), i32.const(UP))))
    const increment = f.let(select(i32.eq(rounding, i32.const(NEAREST)), nearest, away))
    f.i32Store(ZERO_ADDRESS, FLOAT_REMAINDER, inexact)
    f.i32Store(ZERO_ADDRESS, FLOAT_REMAINDER + 4, increment)
    f.return(i64.add(kept, select(increment, unit, i64.const(0))))
  })
}

/** PE and C1 of the last call of `f80_round_significand` or `round_integer`. */
export const inexactness = (): Expr => i32.or(
  i32.mul(i32.load(ZERO_ADDRESS, FLOAT_REMAINDER), i32.const(PE)),
  i32.mul(i32.load(ZERO_ADDRESS, FLOAT_REMAINDER + 4), i32.const(C1)))

/** f80_pack(dst, sign: 0 or 1, exponent, significand, low word, control, flags) → flags, with those of rounding. */
const definePack = (module: ModuleBuilder): void => {
  module.function('f80_pack', signature(['i32', 'i32', 'i32', 'i64', 'i64', 'i32', 'i32'], ['i32']), (f) => {
    const [dst, sign, exponentIn, significand, low, control, flags] = f.params
    const head = f.let(i32.shl(sign, i32.const(15)))
    const rounded = f.local('i64')
    // What nearly always comes: 64 bits, to nearest, far from both ends.
    const plain = i32.and(i32.eq(i32.and(control, i32.const(ROUNDING_AND_PRECISION)), i32.const(EXTENDED_PRECISION)),
      i32.ltU(i32.sub(exponentIn, i32.const(1)), i32.const(MAX_EXPONENT - 2)))
    f.if(plain, () => {
      const odd = i32.and(i64.eq(low, TOP_BIT), i32.wrap(i64.and(significand, i64.const(1))))
      const up = f.let(i32.or(i64.gtU(low, TOP_BIT), odd))
      f.set(rounded, i64.add(significand, bool64(up)))
      const carry = f.let(i64.eqz(rounded))
      store(f, dst, i64.or(rounded, i64.shl(bool64(carry), i64.const(63))), i32.or(head, i32.add(exponentIn, carry)))
      f.return(i32.or(flags, i32.or(i32.mul(isNonZero(low), i32.const(PE)), i32.mul(up, i32.const(C1)))))
    })
    const exponent = f.local('i32')
    f.set(exponent, exponentIn)
    const signalled = f.local('i32')
    f.set(signalled, flags)
    const signal = (more: Expr): void => { f.set(signalled, i32.or(signalled, more)) }

    f.set(rounded, f.call('f80_round_significand', sign, significand, low, control))
    const carried = i64.eqz(rounded)
    f.if(i32.leS(exponent, i32.const(0)), () => {
      // Tiny, unless rounding (as if exponents had no limit) makes it the smallest normal number.
      const tiny = f.let(i32.eqz(i32.and(i32.eqz(exponent), carried)))
      f.if(i32.and(tiny, isUnmasked(control, UE)), () => {
        f.set(exponent, i32.add(exponent, i32.const(WRAP)))
        signal(i32.const(UE))
        // Beyond the wrapped range as well, which only FSCALE can do: zero.
        f.if(i32.leS(exponent, i32.const(0)), () => {
          store(f, dst, i64.const(0), head)
          f.return(i32.or(signalled, i32.const(PE)))
        })
      }, () => {
        const shifted = shiftRightJam128(f, { high: significand, low }, i32.sub(i32.const(1), exponent))
        f.set(rounded, f.call('f80_round_significand', sign, shifted.high, shifted.low, control))
        const inexact = f.let(inexactness())
        f.if(i32.and(inexact, i32.const(PE)), () => { signal(i32.or(inexact, i32.mul(tiny, i32.const(UE)))) })
        // A carry into bit 63 makes it normal: exponent 1.
        store(f, dst, rounded, i32.or(head, i32.wrap(i64.shrU(rounded, i64.const(63)))))
        f.return(signalled)
      })
    })
    f.if(carried, () => {
      f.set(rounded, TOP_BIT)
      f.set(exponent, i32.add(exponent, i32.const(1)))
    })
    f.if(i32.geS(exponent, i32.const(MAX_EXPONENT)), () => {
      signal(i32.const(OE))
      f.if(isUnmasked(control, OE), () => { f.set(exponent, i32.sub(exponent, i32.const(WRAP))) })
      // Always when masked; beyond the wrapped range as well only FSCALE can come: infinity, however it rounds.
      f.if(i32.geS(exponent, i32.const(MAX_EXPONENT)), () => {
        const rounding = f.let(roundingOf(control))
        const away = i32.or(i32.eq(rounding, i32.const(NEAREST)), i32.eq(rounding, select(sign, i32.const(DOWN), i32.const(UP))))
        const toInfinity = f.let(i32.or(away, isUnmasked(control, OE)))
        f.if(toInfinity, () => {
          store(f, dst, TOP_BIT, i32.or(head, i32.const(MAX_EXPONENT)))
          signal(i32.const(C1))
        }, () => {
          // The largest number of the precision: ones, cut off by rounding toward zero.
          const towardZero = i32.or(control, i32.const(3 << CONTROL_ROUNDING_SHIFT))
          store(f, dst, f.call('f80_round_significand', i32.const(0), MINUS_ONE, MINUS_ONE, towardZero), i32.or(head, i32.const(MAX_EXPONENT - 1)))
        })
        f.return(i32.or(signalled, i32.const(PE)))
      })
    })
    store(f, dst, rounded, i32.or(head, exponent))
    f.return(i32.or(signalled, inexactness()))
  })
}

export const defineX87Format = (module: ModuleBuilder): void => {
  defineNan(module)
  defineRoundSignificand(module)
  definePack(module)
}
