/** Between registers and what memory holds: f32, f64, integers and packed decimals; and comparison. */
import { type Expr, i32, i64, select } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { C0, C1, C2, C3, DE, DOWN, FLOAT_RESULT, IE, NEAREST, OE, PE, TOWARD_ZERO, UE, UP } from './constants.ts'
import { FORMATS, type Format, absolute, isDenormal as isDenormalFormat, isNan, isSignaling, signBit } from './sse-format.ts'
import { BIAS, MAX_EXPONENT, WAS_DENORMAL, checkDenormals, inexactness, isInfinite, isOdd, isUnmasked, isUnsupported, isZero, load, roundingOf, signOf, store, unpack } from './x87-format.ts'
import { TOP_BIT, ZERO_ADDRESS, bool64, isNonZero, shiftRightJam, shl, shr } from './wide.ts'

const FRACTION = i64.const((1n << 63n) - 1n)
const QUIET = i64.const(1n << 62n)

/**
 * f80_widen_…(dst, bits) → WAS_DENORMAL or 0: as it is, signaling NaNs too, raising nothing: for operands in memory.
 * f80_from_…: what FLD loads.
 */
const defineFromFormat = (module: ModuleBuilder, format: Format): void => {
  module.function(`f80_widen_${format.name}`, signature(['i32', 'i64'], ['i32']), (f) => {
    const [dst, bits] = f.params
    const sign = f.let(i32.shl(i32.wrap(i64.shrU(signBit(format, bits), i64.const(format.bits - 1))), i32.const(15)))
    const magnitude = f.let(absolute(format, bits))
    const shift = 63 - format.fractionBits
    f.if(isDenormalFormat(format, magnitude), () => {
      const zeros = f.let(i32.wrap(i64.clz(magnitude)))
      store(f, dst, shl(magnitude, zeros), i32.or(sign, i32.sub(i32.const(BIAS + 1 - format.bias + shift), zeros)))
      f.return(i32.const(WAS_DENORMAL))
    })
    f.if(i64.eqz(magnitude), () => {
      store(f, dst, i64.const(0), sign)
      f.return(i32.const(0))
    })
    const significand = i64.or(i64.shl(magnitude, i64.const(shift)), TOP_BIT)
    const exponent = i32.add(i32.wrap(i64.shrU(magnitude, i64.const(format.fractionBits))), i32.const(BIAS - format.bias))
    const special = i64.geU(magnitude, i64.const(format.infinity))
    store(f, dst, significand, i32.or(sign, select(special, i32.const(MAX_EXPONENT), exponent)))
    f.return(i32.const(0))
  })
  module.function(`f80_from_${format.name}`, signature(['i32', 'i64', 'i32'], ['i32']), (f) => {
    const [dst, bits, control] = f.params
    const magnitude = absolute(format, bits)
    f.if(isNan(format, magnitude), () => {
      const signaling = f.let(isSignaling(format, magnitude))
      f.if(i32.eqz(i32.and(signaling, isUnmasked(control, IE))), () => {
        f.callVoid(`f80_widen_${format.name}`, dst, i64.or(bits, i64.const(format.quiet)))
      })
      f.return(signaling)
    })
    f.if(isDenormalFormat(format, magnitude), () => {
      // It is loaded even if the exception is unmasked.
      f.callVoid(`f80_widen_${format.name}`, dst, bits)
      f.return(i32.const(DE))
    })
    f.return(f.call(`f80_widen_${format.name}`, dst, bits))
  })
}

const defineFromInteger = (module: ModuleBuilder): void => {
  module.function('f80_from_int', signature(['i32', 'i64']), (f) => {
    const [dst, value] = f.params
    f.if(i64.eqz(value), () => { store(f, dst, i64.const(0), i32.const(0)); f.return() })
    const negative = f.let(i64.ltS(value, i64.const(0)))
    const magnitude = f.let(select(negative, i64.sub(i64.const(0), value), value))
    const zeros = f.let(i32.wrap(i64.clz(magnitude)))
    store(f, dst, shl(magnitude, zeros), i32.or(i32.shl(negative, i32.const(15)), i32.sub(i32.const(BIAS + 63), zeros)))
  })
}

/** Runs `body` with `count` going from 0 up to `end` − 1. */
const times = (f: FunctionBuilder, end: number, body: (count: Expr) => void): void => {
  const count = f.local('i32')
  f.set(count, i32.const(0))
  f.loop((again) => {
    body(count)
    f.set(count, i32.add(count, i32.const(1)))
    f.brIf(again, i32.ltU(count, i32.const(end)))
  })
}

const defineFromBcd = (module: ModuleBuilder): void => {
  module.function('f80_from_bcd', signature(['i32', 'i64', 'i64']), (f) => {
    const [dst, low, high] = f.params
    const value = f.local('i64')
    const digit = (word: Expr, at: Expr): void => {
      f.set(value, i64.add(i64.mul(value, i64.const(10)), i64.and(shr(word, i32.shl(at, i32.const(2))), i64.const(15))))
    }
    // Digits above 9 count as they are: their result is undefined.
    times(f, 2, (count) => { digit(high, i32.sub(i32.const(1), count)) })
    times(f, 16, (count) => { digit(low, i32.sub(i32.const(15), count)) })
    f.callVoid('f80_from_int', dst, value)
    f.i32Store16(dst, 8, i32.or(i32.load16U(dst, 8), i32.and(i32.wrap(high), i32.const(0x8000))))
  })
}

/**
 * f80_round_to_…(sign, exponent, significand, control) → flags; the bits are at FLOAT_RESULT. Exponents have the bias of
 * 80 bits. Rounding is to the format's own precision; unmasked overflow and underflow give no result.
 */
const defineRoundTo = (module: ModuleBuilder, format: Format): void => {
  module.function(`f80_round_to_${format.name}`, signature(['i32', 'i32', 'i64', 'i32'], ['i32']), (f) => {
    const [sign, exponent, significandIn, control] = f.params
    const dropped = 63 - format.fractionBits
    const mask = i64.const((1n << BigInt(dropped)) - 1n)
    const half = i64.const(1n << BigInt(dropped - 1))
    const unit = 1n << BigInt(dropped)
    const rounding = f.let(roundingOf(control))
    const away = f.let(i32.eq(rounding, select(sign, i32.const(DOWN), i32.const(UP))))
    const isNearest = f.let(i32.eq(rounding, i32.const(NEAREST)))
    const signBits = f.let(i64.shl(i64.extendI32U(sign), i64.const(format.bits - 1)))
    const significand = f.local('i64')
    f.set(significand, significandIn)
    const inexact = f.local('i32')
    const up = f.local('i32')
    /** The significand in the format's bits; 2^(fractionBits + 1) after a carry. */
    const rounded = (): Expr => {
      const lost = f.let(i64.and(significand, mask))
      const kept = f.let(i64.shrU(significand, i64.const(dropped)))
      f.set(inexact, isNonZero(lost))
      const nearest = i32.or(i64.gtU(lost, half), i32.and(i64.eq(lost, half), isNonZero(i64.and(significand, i64.const(unit)))))
      f.set(up, select(isNearest, nearest, i32.and(away, inexact)))
      return f.let(i64.add(kept, bool64(up)))
    }
    const flags = (): Expr => i32.or(i32.mul(inexact, i32.const(PE)), i32.mul(up, i32.const(C1)))
    const result = (bits: Expr): void => { f.i64Store(ZERO_ADDRESS, FLOAT_RESULT, i64.or(bits, signBits)) }

    const field = f.let(i32.sub(exponent, i32.const(BIAS - format.bias)))
    const value = f.local('i64')
    f.set(value, rounded())
    f.if(i32.leS(field, i32.const(0)), () => {
      const tiny = f.let(i32.eqz(i32.and(i32.eqz(field), isNonZero(i64.shrU(value, i64.const(format.fractionBits + 1))))))
      f.if(i32.and(tiny, isUnmasked(control, UE)), () => { f.return(i32.const(UE)) })
      f.set(significand, shiftRightJam(f, significand, i32.sub(i32.const(1), field)))
      f.set(value, rounded())
      result(value)
      f.return(i32.or(flags(), i32.mul(i32.and(tiny, inexact), i32.const(UE))))
    })
    // The implicit bit, and a carry, are added into the exponent field.
    f.if(i32.ltS(field, i32.const(format.maxExponent)), () => {
      const bits = f.let(i64.add(i64.shl(i64.extendI32U(i32.sub(field, i32.const(1))), i64.const(format.fractionBits)), value))
      f.if(i64.ltU(bits, i64.const(format.infinity)), () => {
        result(bits)
        f.return(flags())
      })
    })
    f.if(isUnmasked(control, OE), () => { f.return(i32.const(OE)) })
    const toInfinity = f.let(i32.or(isNearest, away))
    result(select(toInfinity, i64.const(format.infinity), i64.const(format.infinity - 1n)))
    f.return(select(toInfinity, i32.const(OE | PE | C1), i32.const(OE | PE)))
  })
}

const defineToFormat = (module: ModuleBuilder, format: Format): void => {
  module.function(`f80_to_${format.name}`, signature(['i32', 'i32'], ['i32']), (f) => {
    const [address, control] = f.params
    const a = load(f, address)
    const sign = f.let(i64.shl(i64.extendI32U(signOf(a)), i64.const(format.bits - 1)))
    const result = (bits: Expr): void => { f.i64Store(ZERO_ADDRESS, FLOAT_RESULT, bits) }
    f.if(isOdd(a), () => {
      f.if(isUnsupported(a), () => {
        result(i64.const(format.sign | format.infinity | format.quiet))
        f.return(i32.const(IE))
      })
      const fraction = i64.shrU(i64.and(a.significand, FRACTION), i64.const(63 - format.fractionBits))
      result(i64.or(i64.or(sign, fraction), i64.const(format.infinity | format.quiet)))
      f.return(i64.eqz(i64.and(a.significand, QUIET)))
    })
    f.if(isInfinite(a), () => { result(i64.or(sign, i64.const(format.infinity))); f.return(i32.const(0)) })
    f.if(isZero(a), () => { result(sign); f.return(i32.const(0)) })
    const x = unpack(f, a)
    f.return(f.call(`f80_round_to_${format.name}`, signOf(a), x.exponent, x.significand, control))
  })
}

const defineToInteger = (module: ModuleBuilder, bits: 16 | 32 | 64): void => {
  module.function(`f80_to_i${bits}`, signature(['i32', 'i32', 'i32'], ['i32']), (f) => {
    const [address, truncate, control] = f.params
    const limit = 1n << BigInt(bits - 1)
    const a = load(f, address)
    f.block((outOfRange) => {
      // Infinities and NaNs have large exponents.
      f.brIf(outOfRange, i32.or(isUnsupported(a), i32.geU(a.exponent, i32.const(BIAS + bits))))
      f.if(isZero(a), () => { f.i64Store(ZERO_ADDRESS, FLOAT_RESULT, i64.const(0)); f.return(i32.const(0)) })
      const sign = f.let(signOf(a))
      const x = unpack(f, a)
      const rounding = select(truncate, i32.const(TOWARD_ZERO), roundingOf(control))
      const integer = f.let(f.call('round_integer', sign, i32.sub(x.exponent, i32.const(BIAS)), x.significand, rounding))
      f.brIf(outOfRange, i64.gtU(integer, i64.add(i64.const(limit - 1n), bool64(sign))))
      f.i64Store(ZERO_ADDRESS, FLOAT_RESULT, select(sign, i64.sub(i64.const(0), integer), integer))
      f.return(inexactness())
    })
    f.i64Store(ZERO_ADDRESS, FLOAT_RESULT, i64.const(limit))
    f.return(i32.const(IE))
  })
}

const BCD_LIMIT = 10n ** 18n

const defineToBcd = (module: ModuleBuilder): void => {
  module.function('f80_to_bcd', signature(['i32', 'i32'], ['i32']), (f) => {
    const [address, control] = f.params
    const a = load(f, address)
    const signs = f.let(i64.shl(i64.extendI32U(signOf(a)), i64.const(15)))
    const result = (low: Expr, high: Expr): void => {
      f.i64Store(ZERO_ADDRESS, FLOAT_RESULT, low)
      f.i64Store16(ZERO_ADDRESS, FLOAT_RESULT + 8, high)
    }
    f.block((outOfRange) => {
      f.brIf(outOfRange, i32.or(isUnsupported(a), i32.geU(a.exponent, i32.const(BIAS + 60))))
      f.if(isZero(a), () => { result(i64.const(0), signs); f.return(i32.const(0)) })
      const x = unpack(f, a)
      const integer = f.let(f.call('round_integer', signOf(a), i32.sub(x.exponent, i32.const(BIAS)), x.significand, roundingOf(control)))
      f.brIf(outOfRange, i64.geU(integer, i64.const(BCD_LIMIT)))
      const rest = f.local('i64')
      const low = f.local('i64')
      f.set(rest, integer)
      const ten = i64.const(10)
      const digit = (at: Expr): Expr => {
        const value = f.let(shl(i64.remU(rest, ten), i32.shl(at, i32.const(2))))
        f.set(rest, i64.divU(rest, ten))
        return value
      }
      times(f, 16, (count) => { f.set(low, i64.or(low, digit(count))) })
      const first = digit(i32.const(0))
      result(low, i64.or(signs, i64.or(first, digit(i32.const(1)))))
      f.return(inexactness())
    })
    // The packed decimal indefinite.
    result(i64.const(0xc000000000000000n), i64.const(0xffff))
    f.return(i32.const(IE))
  })
}

const defineCompare = (module: ModuleBuilder): void => {
  module.function('f80_compare', signature(['i32', 'i32', 'i32', 'i32'], ['i32']), (f) => {
    const [aAddress, bAddress, quiet, control] = f.params
    const a = load(f, aAddress)
    const b = load(f, bAddress)
    f.if(i32.or(isOdd(a), isOdd(b)), () => {
      const quietNan = (x: typeof a): Expr => i32.or(i32.eqz(isOdd(x)), i32.and(i32.eqz(isUnsupported(x)), isNonZero(i64.and(x.significand, QUIET))))
      const allowed = i32.and(quiet, i32.and(quietNan(a), quietNan(b)))
      f.return(select(allowed, i32.const(C0 | C2 | C3), i32.const(C0 | C2 | C3 | IE)))
    })
    // An unmasked denormal exception does not keep the processor from telling how they compare.
    const flags = checkDenormals(f, i32.or(control, i32.const(DE)), a, b)
    f.if(i32.and(isZero(a), isZero(b)), () => { f.return(i32.or(flags, i32.const(C3))) })
    const x = exponentForOrder(f, a)
    const y = exponentForOrder(f, b)
    f.if(i32.ne(signOf(a), signOf(b)), () => { f.return(i32.or(flags, select(signOf(a), i32.const(C0), i32.const(0)))) })
    const equal = i32.and(i32.eq(x, y), i64.eq(a.significand, b.significand))
    f.if(equal, () => { f.return(i32.or(flags, i32.const(C3))) })
    const less = i32.or(i32.ltU(x, y), i32.and(i32.eq(x, y), i64.ltU(a.significand, b.significand)))
    f.return(i32.or(flags, select(i32.ne(less, signOf(a)), i32.const(C0), i32.const(0))))
  })
}

/** The exponent that the significand as it stands belongs to: denormals and zeros have that of the smallest normal number. */
const exponentForOrder = (f: FunctionBuilder, x: { readonly exponent: Expr }): Expr => f.let(select(x.exponent, x.exponent, i32.const(1)))

export const defineX87Convert = (module: ModuleBuilder): void => {
  for (const format of FORMATS) {
    defineFromFormat(module, format)
    defineRoundTo(module, format)
    defineToFormat(module, format)
  }
  defineFromInteger(module)
  defineFromBcd(module)
  for (const bits of [16, 32, 64] as const) defineToInteger(module, bits)
  defineToBcd(module)
  defineCompare(module)
}
