/**
 * The SSE formats, and rounding into them.
 *
 * Between unpacking and rounding a finite non-zero value is sign, exponent and significand: significand has bit 63 set and
 * stands for (significand / 2^63) × 2^exponent; its bit 0 is sticky: set if anything below it was lost.
 */
import { type Expr, i32, i64, select } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { DE, DOWN, FLOAT_FLAGS, IE, MXCSR_DAZ, MXCSR_FTZ, MXCSR_MASK_SHIFT, MXCSR_ROUNDING_SHIFT, NEAREST, OE, PE, UE, UP } from './constants.ts'
import { ZERO_ADDRESS, bool64, isNonZero, shiftRightJam, shl } from './wide.ts'

export interface Format {
  readonly name: 'f16' | 'f32' | 'f64'
  readonly bits: 16 | 32 | 64
  readonly fractionBits: number
  readonly bias: number
  /** Exponent field of infinities and NaNs. */
  readonly maxExponent: number
  readonly sign: bigint
  readonly infinity: bigint
  readonly quiet: bigint
  readonly minNormal: bigint
}

const makeFormat = (name: Format['name'], bits: Format['bits'], fractionBits: number, bias: number): Format => {
  const minNormal = 1n << BigInt(fractionBits)
  const infinity = BigInt(2 * bias + 1) * minNormal
  return { name, bits, fractionBits, bias, maxExponent: 2 * bias + 1, sign: 1n << BigInt(bits - 1), infinity, quiet: minNormal >> 1n, minNormal }
}
/** Nothing but a format for storage: it can be rounded to. */
export const F16 = makeFormat('f16', 16, 10, 15)
export const F32 = makeFormat('f32', 32, 23, 127)
export const F64 = makeFormat('f64', 64, 52, 1023)
export const FORMATS: readonly Format[] = [F32, F64]

export const absolute = (format: Format, bits: Expr): Expr => i64.and(bits, i64.const(format.sign - 1n))
export const signBit = (format: Format, bits: Expr): Expr => i64.and(bits, i64.const(format.sign))
export const isNegative = (format: Format, bits: Expr): Expr => isNonZero(signBit(format, bits))
export const isNan = (format: Format, magnitude: Expr): Expr => i64.gtU(magnitude, i64.const(format.infinity))
export const isInfinite = (format: Format, magnitude: Expr): Expr => i64.eq(magnitude, i64.const(format.infinity))
/** NaN, of an absolute value, with the quiet bit clear. */
export const isSignaling = (format: Format, magnitude: Expr): Expr =>
  i32.and(isNan(format, magnitude), i64.eqz(i64.and(magnitude, i64.const(format.quiet))))
/** 0 < magnitude < smallest normal. */
export const isDenormal = (format: Format, magnitude: Expr): Expr =>
  i64.ltU(i64.sub(magnitude, i64.const(1)), i64.const(format.minNormal - 1n))
export const defaultNan = (format: Format): Expr => i64.const(format.sign | format.infinity | format.quiet)

export const raise = (f: FunctionBuilder, flags: Expr): void => {
  f.i32Store(ZERO_ADDRESS, FLOAT_FLAGS, i32.or(i32.load(ZERO_ADDRESS, FLOAT_FLAGS), flags))
}
export const raiseIf = (f: FunctionBuilder, condition: Expr, flag: number): void => {
  f.if(condition, () => { raise(f, i32.const(flag)) })
}
/** Raises the invalid exception and returns the default NaN. */
export const invalid = (f: FunctionBuilder, format: Format): void => {
  raise(f, i32.const(IE))
  f.return(defaultNan(format))
}

/** Is this exception masked in MXCSR? */
export const isMasked = (mxcsr: Expr, exception: number): Expr => i32.and(mxcsr, i32.const(exception << MXCSR_MASK_SHIFT))
export const isUnmasked = (mxcsr: Expr, exception: number): Expr => i32.eqz(isMasked(mxcsr, exception))

/** DAZ: denormals become zeros of their sign. */
export const denormalsAreZero = (f: FunctionBuilder, format: Format, bits: Expr, mxcsr: Expr): Expr => {
  const flush = i32.and(i32.ne(i32.and(mxcsr, i32.const(MXCSR_DAZ)), i32.const(0)), isDenormal(format, absolute(format, bits)))
  return f.let(select(flush, signBit(format, bits), bits))
}

/**
 * Raises DE if one of the magnitudes is denormal; with DE unmasked returns at once: nothing after it is computed.
 * (Denormals are gone by now if DAZ is set.)
 */
export const checkDenormals = (f: FunctionBuilder, format: Format, magnitudes: readonly Expr[], mxcsr: Expr, result = i64.const(0)): void => {
  const any = magnitudes.map((magnitude) => isDenormal(format, magnitude)).reduce((a, b) => i32.or(a, b))
  f.if(any, () => {
    raise(f, i32.const(DE))
    f.if(isUnmasked(mxcsr, DE), () => { f.return(result) })
  })
}

export interface Unpacked { readonly exponent: Expr, readonly significand: Expr }

/** A finite non-zero magnitude. */
export const unpack = (f: FunctionBuilder, format: Format, magnitude: Expr): Unpacked => {
  const shift = 63 - format.fractionBits
  const field = f.let(i32.wrap(i64.shrU(magnitude, i64.const(format.fractionBits))))
  const exponent = f.local('i32')
  const significand = f.local('i64')
  f.if(field, () => {
    f.set(exponent, i32.sub(field, i32.const(format.bias)))
    f.set(significand, i64.or(i64.shl(magnitude, i64.const(shift)), i64.const(1n << 63n)))
  }, () => {
    const zeros = f.let(i32.wrap(i64.clz(magnitude)))
    f.set(exponent, i32.sub(i32.const(63 - format.fractionBits + 1 - format.bias), zeros))
    f.set(significand, shl(magnitude, zeros))
  })
  return { exponent, significand }
}

/** round_…(sign: 0 or 1, exponent, significand, mxcsr) → bits; raises OE, UE, PE. */
export const defineRound = (module: ModuleBuilder, format: Format): void => {
  module.function(`round_${format.name}`, signature(['i32', 'i32', 'i64', 'i32'], ['i64']), (f) => {
    const [sign, exponent, significandIn, mxcsr] = f.params
    const dropped = 63 - format.fractionBits
    const half = 1n << BigInt(dropped - 1)
    const mask = (1n << BigInt(dropped)) - 1n
    const rounding = f.let(i32.and(i32.shrU(mxcsr, i32.const(MXCSR_ROUNDING_SHIFT)), i32.const(3)))
    const nearest = i32.eq(rounding, i32.const(NEAREST))
    const away = i32.eq(rounding, select(sign, i32.const(DOWN), i32.const(UP)))
    const increment = f.let(select(nearest, i64.const(half), select(away, i64.const(mask), i64.const(0))))
    const signBits = f.let(i64.shl(i64.extendI32U(sign), i64.const(format.bits - 1)))
    const significand = f.local('i64')
    f.set(significand, significandIn)
    const field = f.local('i32')
    f.set(field, i32.add(exponent, i32.const(format.bias)))
    /** The significand rounded, its lowest bit at bit 0; 2^(fractionBits + 1) if it was carried over. */
    const rounded = (): Expr => {
      const sum = f.let(i64.add(significand, increment))
      const carry = bool64(i64.ltU(sum, increment))
      const quotient = i64.or(i64.shrU(sum, i64.const(dropped)), i64.shl(carry, i64.const(format.fractionBits + 1)))
      const tie = i32.and(nearest, i64.eq(i64.and(significand, i64.const(mask)), i64.const(half)))
      return f.let(i64.and(quotient, i64.xor(bool64(tie), i64.const(-1))))
    }
    const inexact = (): Expr => isNonZero(i64.and(significand, i64.const(mask)))

    f.if(i32.leS(field, i32.const(0)), () => {
      // Tiny, unless rounding (as if exponents had no limit) makes it the smallest normal number: volume 1, 4.9.1.5.
      const reachesNormal = f.let(i32.and(i32.eqz(field), isNonZero(i64.shrU(rounded(), i64.const(format.fractionBits + 1)))))
      f.if(i32.eqz(reachesNormal), () => {
        f.if(isUnmasked(mxcsr, UE), () => {
          // Tiny alone raises it; the result is not written. PE belongs to rounding with the exponent unlimited.
          raise(f, i32.or(i32.const(UE), select(inexact(), i32.const(PE), i32.const(0))))
          f.return(signBits)
        })
        f.if(i32.and(mxcsr, i32.const(MXCSR_FTZ)), () => {
          raise(f, i32.const(UE | PE))
          f.return(signBits)
        })
      })
      f.set(significand, shiftRightJam(f, significand, i32.sub(i32.const(1), field)))
      f.if(inexact(), () => { raise(f, select(reachesNormal, i32.const(PE), i32.const(UE | PE))) })
      f.return(i64.or(rounded(), signBits))
    })
    // The implicit bit, and a carry, are added into the exponent field. Beyond 2^30 exponents would run over: no caller gets there.
    f.if(i32.ltS(field, i32.const(format.maxExponent)), () => {
      const result = f.let(i64.add(i64.shl(i64.extendI32U(i32.sub(field, i32.const(1))), i64.const(format.fractionBits)), rounded()))
      f.if(i64.ltU(result, i64.const(format.infinity)), () => {
        raiseIf(f, inexact(), PE)
        f.return(i64.or(result, signBits))
      })
    })
    f.if(isUnmasked(mxcsr, OE), () => {
      raise(f, i32.or(i32.const(OE), select(inexact(), i32.const(PE), i32.const(0))))
      f.return(signBits)
    })
    raise(f, i32.const(OE | PE))
    f.return(i64.or(select(i32.or(nearest, away), i64.const(format.infinity), i64.const(format.infinity - 1n)), signBits))
  })
}

/** nan_…(a, b) → the first that is a NaN, quieted; raises IE if one is signaling. One of them is a NaN. */
const defineNan = (module: ModuleBuilder, format: Format): void => {
  module.function(`nan_${format.name}`, signature(['i64', 'i64'], ['i64']), (f) => {
    const [a, b] = f.params
    const aMagnitude = f.let(absolute(format, a))
    const bMagnitude = f.let(absolute(format, b))
    raiseIf(f, i32.or(isSignaling(format, aMagnitude), isSignaling(format, bMagnitude)), IE)
    f.return(i64.or(select(isNan(format, aMagnitude), a, b), i64.const(format.quiet)))
  })
}

export const defineFormats = (module: ModuleBuilder): void => {
  for (const format of FORMATS) {
    defineRound(module, format)
    defineNan(module, format)
  }
}
