/** FRNDINT, FSCALE, FXTRACT, FPREM, FPREM1 (Intel SDM volume 2). They round to 64 bits whatever the precision control says. */
import { type Expr, i32, i64, select } from '../wasm/expression.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { C0, C1, C2, C3, FLOAT_REMAINDER, ZE } from './constants.ts'
import { BIAS, EXTENDED_PRECISION, MAX_EXPONENT, SIGN, checkDenormals, copy, inexactness, invalid, isInfinite, isZero, load, roundingOf, signBits, signOf, store, unpack } from './x87-format.ts'
import { BINARY, UNARY, infinity, operand, operands } from './x87-arithmetic.ts'
import { TOP_BIT, ZERO_ADDRESS, shl, shr } from './wide.ts'

const defineRound = (module: ModuleBuilder): void => {
  module.function('f80_round', UNARY, (f) => {
    const [dst, , control] = f.params
    const a = operand(f)
    const flags = checkDenormals(f, control, a)
    f.if(i32.or(isZero(a), i32.geU(a.exponent, i32.const(BIAS + 63))), () => { copy(f, dst, a); f.return(flags) })
    const x = unpack(f, a)
    const integer = f.let(f.call('round_integer', signOf(a), i32.sub(x.exponent, i32.const(BIAS)), x.significand, roundingOf(control)))
    f.callVoid('f80_from_int', dst, integer)
    // The integer is at most 2^63, which as a signed one came out negative.
    f.i32Store16(dst, 8, i32.or(i32.and(i32.load16U(dst, 8), i32.const(MAX_EXPONENT)), signBits(a.head)))
    f.return(i32.or(flags, inexactness()))
  })
}

/** Beyond this every finite number over- or underflows, even with its exponent wrapped. */
const SCALE_LIMIT = 65536

const defineScale = (module: ModuleBuilder): void => {
  module.function('f80_scale', BINARY, (f) => {
    const [dst, , , control] = f.params
    const { a, b } = operands(f)
    const down = f.let(signBits(b.head))
    f.if(isInfinite(b), () => {
      f.if(select(down, isInfinite(a), isZero(a)), () => { invalid(f, control, dst) })
      const flags = checkDenormals(f, control, a)
      f.if(down, () => { store(f, dst, i64.const(0), signBits(a.head)) }, () => { infinity(f, dst, signBits(a.head)) })
      f.return(flags)
    })
    const flags = checkDenormals(f, control, a, b)
    f.if(i32.or(isInfinite(a), isZero(a)), () => { copy(f, dst, a); f.return(flags) })
    const power = f.local('i32')
    f.if(i32.geU(b.exponent, i32.const(BIAS + 16)), () => {
      f.set(power, i32.const(SCALE_LIMIT))
    }, () => {
      f.if(i32.geU(b.exponent, i32.const(BIAS)), () => {
        f.set(power, i32.wrap(shr(b.significand, i32.sub(i32.const(BIAS + 63), b.exponent))))
      })
    })
    const x = unpack(f, a)
    const exponent = i32.add(x.exponent, select(down, i32.sub(i32.const(0), power), power))
    f.return(f.call('f80_pack', dst, signOf(a), exponent, x.significand, i64.const(0), i32.or(control, i32.const(EXTENDED_PRECISION)), flags))
  })
}

const defineExtract = (module: ModuleBuilder): void => {
  module.function('f80_extract', signature(['i32', 'i32', 'i32', 'i32'], ['i32']), (f) => {
    const [dst, second, address, control] = f.params
    const a = load(f, address)
    const original = f.let(i32.eq(a.exponent, i32.const(MAX_EXPONENT)))
    f.if(i32.and(original, i64.eq(a.significand, TOP_BIT)), () => {
      copy(f, second, a)
      infinity(f, dst, i32.const(0))
      f.return(i32.const(0))
    })
    f.if(i32.or(original, i32.and(i32.ne(a.exponent, i32.const(0)), i64.geS(a.significand, i64.const(0)))), () => {
      const flags = f.let(f.call('f80_nan', second, address, address, control))
      f.if(i32.eqz(i32.and(flags, i32.xor(control, i32.const(-1)))), () => { copy(f, dst, load(f, second)) })
      f.return(flags)
    })
    f.if(isZero(a), () => {
      f.if(i32.and(control, i32.const(ZE)), () => {
        store(f, second, i64.const(0), a.head)
        infinity(f, dst, i32.const(SIGN))
      })
      f.return(i32.const(ZE))
    })
    const flags = checkDenormals(f, control, a)
    const x = unpack(f, a)
    store(f, second, x.significand, i32.or(signBits(a.head), i32.const(BIAS)))
    f.callVoid('f80_from_int', dst, i64.extendI32S(i32.sub(x.exponent, i32.const(BIAS))))
    f.return(flags)
  })
}

/** In the answer of FPREM and FPREM1: the operands were numbers, so that C0 and C3 are told. Otherwise they stay. */
export const HAS_QUOTIENT = 0x10000

/** Bits 0 to 2 of the quotient in C1, C3 and C0. */
const quotientBits = (quotient: Expr): Expr => {
  const q = i32.wrap(quotient)
  const bit = (at: number, to: number): Expr => i32.mul(i32.and(i32.shrU(q, i32.const(at)), i32.const(1)), i32.const(to))
  return i32.or(i32.or(bit(0, C1), bit(1, C3)), bit(2, C0))
}

/**
 * How many bits of the quotient a step takes when exponents differ by 64 or more: the difference is lowered by N, with N
 * between 32 and 63. Processors differ; this is AMD's rule, N = 32 + (difference mod 32), also Intel's.
 */
const stepBits = (difference: Expr): Expr => i32.or(i32.and(difference, i32.const(31)), i32.const(32))

const defineRemainder = (module: ModuleBuilder, nearest: boolean): void => {
  module.function(nearest ? 'f80_rem1' : 'f80_rem', BINARY, (f) => {
    const [dst, , , control] = f.params
    const { a, b } = operands(f)
    f.if(i32.or(isInfinite(a), isZero(b)), () => { invalid(f, control, dst) })
    const flags = checkDenormals(f, control, a, b)
    f.if(isZero(a), () => { copy(f, dst, a); f.return(i32.or(flags, i32.const(HAS_QUOTIENT))) })
    const x = unpack(f, a)
    const packed = (exponent: Expr, significand: Expr, sign: Expr, conditions: Expr): void => {
      const value = f.let(significand)
      const bits = f.let(i32.or(i32.or(flags, conditions), i32.const(HAS_QUOTIENT)))
      f.if(i64.eqz(value), () => {
        store(f, dst, i64.const(0), signBits(a.head))
        f.return(bits)
      })
      const zeros = f.let(i32.wrap(i64.clz(value)))
      f.return(f.call('f80_pack', dst, sign, i32.sub(exponent, zeros), shl(value, zeros), i64.const(0), i32.or(control, i32.const(EXTENDED_PRECISION)), bits))
    }
    const unchanged = (): void => { packed(x.exponent, x.significand, signOf(a), i32.const(0)) }
    f.if(isInfinite(b), unchanged)
    const y = unpack(f, b)
    const difference = f.let(i32.sub(x.exponent, y.exponent))
    f.if(i32.ltS(difference, i32.const(nearest ? -1 : 0)), unchanged)
    if (nearest) {
      f.if(i32.eq(difference, i32.const(-1)), () => {
        // |a| < |b|: the quotient is 1 if |a| > |b| / 2. (Just a half: to the even 0.)
        f.if(i64.leU(x.significand, y.significand), unchanged)
        const rest = i64.sub(i64.shl(y.significand, i64.const(1)), x.significand)
        packed(x.exponent, rest, i32.xor(signOf(a), i32.const(1)), i32.const(C1))
      })
    }
    const incomplete = f.let(i32.geS(difference, i32.const(64)))
    const count = f.let(select(incomplete, stepBits(difference), difference))
    const first = f.let(i64.geU(x.significand, y.significand))
    const rest = f.let(i64.sub(x.significand, select(first, y.significand, i64.const(0))))
    const quotient = f.local('i64')
    const remainder = f.local('i64')
    f.set(quotient, i64.extendI32U(first))
    f.set(remainder, rest)
    f.if(count, () => {
      const high = shr(rest, i32.sub(i32.const(64), count))
      f.set(quotient, i64.or(shl(quotient, count), f.call('divide_128', high, shl(rest, count), y.significand)))
      f.set(remainder, i64.load(ZERO_ADDRESS, FLOAT_REMAINDER))
    })
    f.if(incomplete, () => { packed(i32.sub(x.exponent, count), remainder, signOf(a), i32.const(C2)) })
    const sign = f.local('i32')
    f.set(sign, signOf(a))
    if (nearest) {
      const other = f.let(i64.sub(y.significand, remainder))
      const odd = i32.wrap(i64.and(quotient, i64.const(1)))
      f.if(i32.or(i64.gtU(remainder, other), i32.and(i64.eq(remainder, other), odd)), () => {
        f.set(remainder, other)
        f.set(sign, i32.xor(sign, i32.const(1)))
        f.set(quotient, i64.add(quotient, i64.const(1)))
      })
    }
    packed(y.exponent, remainder, sign, quotientBits(quotient))
  })
}

export const defineX87Remainder = (module: ModuleBuilder): void => {
  defineRound(module)
  defineScale(module)
  defineExtract(module)
  defineRemainder(module, false)
  defineRemainder(module, true)
}
