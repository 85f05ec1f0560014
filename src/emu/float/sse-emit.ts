/**
 * What SSE semantics call: emits the fast path of an operation inline, the call of the exact function otherwise, and then
 * settles MXCSR and #XM. All results are bound. Call these when all operands are read and before anything is written.
 *
 * Scalars are i64 (an f32 in the low half, upper half zero), as `Emitter.readLow` gives them and `writeLow` takes them.
 */
import { MXCSR } from '../cpu/layout.ts'
import type { Emitter } from '../semantics/emitter.ts'
import { type Expr, f32, f64, i32, i64, select, v } from '../wasm/expression.ts'
import { EXCEPTIONS, FLOAT_FLAGS, MXCSR_FAST, MXCSR_FAST_MASK, MXCSR_MASK_SHIFT, PE } from './constants.ts'
import { F32, F64, type Format } from './sse-format.ts'
import { ZERO_ADDRESS } from './wide.ts'

export type FloatName = 'f32' | 'f64'
export type ArithmeticName = 'add' | 'sub' | 'mul' | 'div'

const VECTOR_XM = 19
/** Invalid, denormal and zero-divide: with one of them unmasked nothing is computed, in no lane (volume 1, E.4.2). */
const PRECOMPUTATION = 7

const formatOf = (name: FloatName): Format => name === 'f32' ? F32 : F64

/** Calls an exact function: clears the flags, evaluates, adds the flags to MXCSR, raises #XM if one is unmasked. */
const exactly = (e: Emitter, mxcsr: Expr, call: Expr): Expr => {
  const { f } = e
  f.i32Store(ZERO_ADDRESS, FLOAT_FLAGS, i32.const(0))
  const result = f.let(call)
  const flags = f.let(i32.load(ZERO_ADDRESS, FLOAT_FLAGS))
  f.if(flags, () => {
    const unmasked = f.let(i32.and(i32.and(flags, i32.xor(i32.shrU(mxcsr, i32.const(MXCSR_MASK_SHIFT)), i32.const(-1))), i32.const(EXCEPTIONS)))
    const counted = select(i32.and(unmasked, i32.const(PRECOMPUTATION)), i32.and(flags, i32.const(PRECOMPUTATION)), flags)
    e.setState32(MXCSR, i32.or(mxcsr, counted))
    e.faultIf(unmasked, VECTOR_XM)
  })
  return result
}

/** `quick` where `condition` holds, else the exact call. `usual` is cheaper to find out, and never holds where `condition` does not. */
const fastOrExact = (e: Emitter, mxcsr: Expr, quick: Expr, condition: (quick: Expr) => Expr, exact: Expr, usual?: (quick: Expr) => Expr): Expr => {
  const { f } = e
  const fast = f.let(quick)
  const result = f.local(quick.type)
  f.set(result, fast)
  let isAlwaysFast = false
  const check = (): void => {
    isAlwaysFast = e.otherwisePlain(condition(fast))
    if (isAlwaysFast) return
    f.if(i32.eqz(condition(result)), () => { f.set(result, exactly(e, mxcsr, exact)) })
  }
  if (usual === undefined) check()
  else f.if(i32.eqz(usual(fast)), check)
  return isAlwaysFast ? fast : result
}

const readMxcsr = (e: Emitter): Expr => e.f.let(e.state32(MXCSR))
/** Rounds to nearest, no DAZ or FTZ, all masked, PE set already. */
const isFast = (mxcsr: Expr): Expr => i32.eq(i32.and(mxcsr, i32.const(MXCSR_FAST_MASK)), i32.const(MXCSR_FAST))

// ——— Scalars: values as Wasm floats, checks on their bits ———

interface ScalarOps {
  value(bits: Expr): Expr
  bits(value: Expr): Expr
  /** Bits as an integer of the format's width, shifted left by one: the sign is gone. */
  doubled(bits: Expr): Expr
  /** Neither zero nor denormal. */
  hasExponent(bits: Expr): Expr
  /** a − b ≤ c (or < with `strict`), unsigned, in that width. */
  within(doubled: Expr, lowest: bigint, length: bigint): Expr
  isZero(doubled: Expr): Expr
}

const SCALAR: Readonly<Record<FloatName, ScalarOps>> = {
  f32: {
    value: (bits) => f32.reinterpretI32(i32.wrap(bits)),
    bits: (value) => i64.extendI32U(i32.reinterpretF32(value)),
    hasExponent: (bits) => i32.ne(i32.and(i32.wrap(bits), i32.const(0x7f800000)), i32.const(0)),
    doubled: (bits) => i32.shl(i32.wrap(bits), i32.const(1)),
    within: (doubled, lowest, length) => i32.ltU(i32.sub(doubled, i32.const(Number(lowest))), i32.const(Number(length))),
    isZero: (doubled) => i32.eqz(doubled),
  },
  f64: {
    value: (bits) => f64.reinterpretI64(bits),
    bits: (value) => i64.reinterpretF64(value),
    hasExponent: (bits) => i64.ne(i64.and(bits, i64.const(F64.infinity)), i64.const(0)),
    doubled: (bits) => i64.shl(bits, i64.const(1)),
    within: (doubled, lowest, length) => i64.ltU(i64.sub(doubled, i64.const(lowest)), i64.const(length)),
    isZero: (doubled) => i64.eqz(doubled),
  },
}

/** Larger than the smallest normal (results that were rounded up to it may have been tiny), and finite. */
const isOrdinary = (name: FloatName, bits: Expr): Expr => {
  const { minNormal, infinity } = formatOf(name)
  return SCALAR[name].within(SCALAR[name].doubled(bits), 2n * minNormal + 1n, 2n * (infinity - minNormal) - 1n)
}
/** Normal, infinite or zero: raises nothing by itself. */
const isPlain = (name: FloatName, bits: Expr): Expr => {
  const { minNormal, infinity } = formatOf(name)
  const { doubled, within, isZero } = SCALAR[name]
  return i32.or(within(doubled(bits), 2n * minNormal, 2n * (infinity - minNormal) + 1n), isZero(doubled(bits)))
}

const NATIVE = { f32, f64 }

export const arithmetic = (e: Emitter, operation: ArithmeticName, name: FloatName, a: Expr, b: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  const { value, bits, isZero, doubled } = SCALAR[name]
  const x = e.f.let(a)
  const y = e.f.let(b)
  return fastOrExact(e, mxcsr, bits(NATIVE[name][operation](value(x), value(y))), (result) => {
    // A sum is zero only if it is exact; its sign is that of rounding to nearest in both.
    const good = operation === 'add' || operation === 'sub' ? i32.or(isOrdinary(name, result), isZero(doubled(result))) : isOrdinary(name, result)
    return i32.and(i32.and(isFast(mxcsr), good), i32.and(isPlain(name, x), isPlain(name, y)))
  }, e.f.call(`sse_${operation}_${name}`, x, y, mxcsr),
  // Infinite and NaN operands don't give an ordinary result.
  (result) => i32.and(i32.and(isFast(mxcsr), isOrdinary(name, result)), i32.and(SCALAR[name].hasExponent(x), SCALAR[name].hasExponent(y))))
}

export const squareRoot = (e: Emitter, name: FloatName, a: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  const { value, bits } = SCALAR[name]
  const x = e.f.let(a)
  return fastOrExact(e, mxcsr, bits(NATIVE[name].sqrt(value(x))),
    (result) => i32.and(i32.and(isFast(mxcsr), isOrdinary(name, result)), isPlain(name, x)),
    e.f.call(`sse_sqrt_${name}`, x, mxcsr))
}

export const minMax = (e: Emitter, operation: 'min' | 'max', name: FloatName, a: Expr, b: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  const { value } = SCALAR[name]
  const x = e.f.let(a)
  const y = e.f.let(b)
  const { lt } = NATIVE[name]
  const first = operation === 'min' ? lt(value(x), value(y)) : lt(value(y), value(x))
  return fastOrExact(e, mxcsr, select(first, x, y), () => i32.and(isPlain(name, x), isPlain(name, y)),
    e.f.call(`sse_${operation}_${name}`, x, y, mxcsr))
}

/** COMISS, UCOMISS (`signaling` false): i32 with ZF, PF and CF in their places in RFLAGS. */
export const compare = (e: Emitter, name: FloatName, signaling: boolean, a: Expr, b: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  const { value } = SCALAR[name]
  const x = e.f.let(a)
  const y = e.f.let(b)
  const { lt, eq } = NATIVE[name]
  return fastOrExact(e, mxcsr, i32.or(lt(value(x), value(y)), i32.shl(eq(value(x), value(y)), i32.const(6))),
    () => i32.and(isPlain(name, x), isPlain(name, y)),
    e.f.call(`sse_compare_${name}`, x, y, i32.const(signaling ? 1 : 0), mxcsr))
}

/** CMPSS, CMPSD: `predicate` is an i32, 0–7. All ones of the lane or zero. */
export const compareMask = (e: Emitter, name: FloatName, predicate: Expr, a: Expr, b: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  const { value } = SCALAR[name]
  const x = e.f.let(a)
  const y = e.f.let(b)
  const { lt, eq } = NATIVE[name]
  // `truth`: bit p says whether predicate p holds for operands that are equal, less, greater.
  const holding = i32.add(i32.shl(eq(value(x), value(y)), i32.const(1)), lt(value(x), value(y)))
  const truth = (row: number): Expr => i32.and(i32.shrU(i32.const(row), predicate), i32.const(1))
  const holds = select(i32.and(holding, i32.const(2)), truth(0b1010_0101), select(holding, truth(0b1001_0110), truth(0b1111_0000)))
  return fastOrExact(e, mxcsr, select(holds, i64.const(name === 'f32' ? 0xffffffff : -1), i64.const(0)),
    () => i32.and(isPlain(name, x), isPlain(name, y)),
    e.f.call(`sse_cmp_${name}`, x, y, predicate, mxcsr))
}

/** ROUNDSS, ROUNDSD with their immediate as an i32. */
export const roundIntegral = (e: Emitter, name: FloatName, mode: Expr, a: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  return exactly(e, mxcsr, e.f.call(`sse_round_${name}`, a, mode, mxcsr))
}

/** CVTSS2SD. */
export const f32ToF64 = (e: Emitter, a: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  const x = e.f.let(a)
  return fastOrExact(e, mxcsr, i64.reinterpretF64(f64.promoteF32(SCALAR.f32.value(x))), () => isPlain('f32', x),
    e.f.call('sse_f32_to_f64', x, mxcsr))
}

/** CVTSD2SS. */
export const f64ToF32 = (e: Emitter, a: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  const x = e.f.let(a)
  // A denormal f64 is far too small to give an ordinary result.
  return fastOrExact(e, mxcsr, SCALAR.f32.bits(f32.demoteF64(SCALAR.f64.value(x))),
    (result) => i32.and(isFast(mxcsr), i32.or(isOrdinary('f32', result), i64.eqz(i64.shl(x, i64.const(1))))),
    e.f.call('sse_f64_to_f32', x, mxcsr))
}

/** CVTSI2SS, CVTSI2SD: `a` is the integer zero-extended from `size` bytes (4 or 8). */
export const intToFloat = (e: Emitter, name: FloatName, size: number, a: Expr): Expr => {
  const { bits } = SCALAR[name]
  // All 32-bit integers are f64 values.
  if (size === 4 && name === 'f64') return e.f.let(bits(f64.convertI32S(i32.wrap(a))))
  const mxcsr = readMxcsr(e)
  const x = e.f.let(size === 4 ? i64.extend32S(a) : a)
  return fastOrExact(e, mxcsr, bits(NATIVE[name].convertI64S(x)), () => isFast(mxcsr), e.f.call(`sse_int_to_${name}`, x, mxcsr))
}

/** CVTSS2SI, CVTSD2SI, CVTT…: an integer of `size` bytes (4 or 8), zero-extended. */
export const floatToInt = (e: Emitter, name: FloatName, size: number, truncate: boolean, a: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  const x = e.f.let(a)
  const native = NATIVE[name]
  const float = SCALAR[name].value(x)
  const whole = e.f.let(truncate ? float : native.nearest(float))
  const to64 = name === 'f32' ? i64.truncSatF32S(whole) : i64.truncSatF64S(whole)
  const to32 = i64.extendI32U(name === 'f32' ? i32.truncSatF32S(whole) : i32.truncSatF64S(whole))
  // Inexactness must not show: #P masked and set already.
  const inexact = (1 << MXCSR_MASK_SHIFT) * PE | PE
  const mask = truncate ? inexact : inexact | 0x6000
  return fastOrExact(e, mxcsr, size === 4 ? to32 : to64,
    () => i32.and(i32.eq(i32.and(mxcsr, i32.const(mask)), i32.const(inexact)), native.lt(native.abs(whole), native.const(2 ** (size * 8 - 1)))),
    e.f.call(`sse_${name}_to_i${size * 8}`, x, i32.const(truncate ? 1 : 0), mxcsr))
}

// ——— Packed ———

interface PackedOps {
  readonly splat: (value: number) => Expr
  readonly abs: (a: Expr) => Expr
  readonly lt: (a: Expr, b: Expr) => Expr
  readonly gt: (a: Expr, b: Expr) => Expr
  readonly ge: (a: Expr, b: Expr) => Expr
  readonly eq: (a: Expr, b: Expr) => Expr
  readonly sqrt: (a: Expr) => Expr
  readonly min: (a: Expr, b: Expr) => Expr
  readonly max: (a: Expr, b: Expr) => Expr
  readonly arithmetic: Readonly<Record<ArithmeticName, (a: Expr, b: Expr) => Expr>>
  readonly all: (mask: Expr) => Expr
  readonly minNormal: number
}

const splatF64 = (value: number): Expr => {
  const bits = new BigUint64Array(new Float64Array([value]).buffer)[0]
  return v.const(bits, bits)
}
const splatF32 = (value: number): Expr => {
  const bits = BigInt(new Uint32Array(new Float32Array([value]).buffer)[0]) * 0x1_0000_0001n
  return v.const(bits, bits)
}

const PACKED: Readonly<Record<FloatName, PackedOps>> = {
  f32: {
    splat: splatF32, abs: v.f32x4Abs, lt: v.f32x4Lt, gt: v.f32x4Gt, ge: v.f32x4Ge, eq: v.f32x4Eq, sqrt: v.f32x4Sqrt,
    min: v.f32x4Pmin, max: v.f32x4Pmax,
    arithmetic: { add: v.f32x4Add, sub: v.f32x4Sub, mul: v.f32x4Mul, div: v.f32x4Div }, all: v.i32x4AllTrue, minNormal: 2 ** -126,
  },
  f64: {
    splat: splatF64, abs: v.f64x2Abs, lt: v.f64x2Lt, gt: v.f64x2Gt, ge: v.f64x2Ge, eq: v.f64x2Eq, sqrt: v.f64x2Sqrt,
    min: v.f64x2Pmin, max: v.f64x2Pmax,
    arithmetic: { add: v.f64x2Add, sub: v.f64x2Sub, mul: v.f64x2Mul, div: v.f64x2Div }, all: v.i64x2AllTrue, minNormal: 2 ** -1022,
  },
}

const packedOrdinary = (name: FloatName, vector: Expr): Expr => {
  const { abs, lt, gt, splat, minNormal } = PACKED[name]
  return v.v128And(lt(abs(vector), splat(Infinity)), gt(abs(vector), splat(minNormal)))
}
const packedZero = (name: FloatName, vector: Expr): Expr => PACKED[name].eq(vector, splatF64(0))
const packedPlain = (name: FloatName, vector: Expr): Expr => {
  const { abs, ge, splat, minNormal } = PACKED[name]
  return v.v128Or(ge(abs(vector), splat(minNormal)), packedZero(name, vector))
}

export const packedArithmetic = (e: Emitter, operation: ArithmeticName, name: FloatName, a: Expr, b: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  const x = e.f.let(a)
  const y = e.f.let(b)
  return fastOrExact(e, mxcsr, PACKED[name].arithmetic[operation](x, y), (result) => {
    // Zeros are common in unused lanes: exact if no sum, or from a zero operand.
    let zero = packedZero(name, result)
    if (operation === 'mul') zero = v.v128And(zero, v.v128Or(packedZero(name, x), packedZero(name, y)))
    if (operation === 'div') zero = v.v128And(zero, packedZero(name, x))
    const good = v.v128And(v.v128Or(packedOrdinary(name, result), zero), v.v128And(packedPlain(name, x), packedPlain(name, y)))
    return i32.and(isFast(mxcsr), PACKED[name].all(good))
  }, e.f.call(`sse_packed_${operation}_${name}`, x, y, mxcsr))
}

export const packedSquareRoot = (e: Emitter, name: FloatName, a: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  const x = e.f.let(a)
  return fastOrExact(e, mxcsr, PACKED[name].sqrt(x), (result) => {
    const good = v.v128Or(v.v128And(packedOrdinary(name, result), packedPlain(name, x)), packedZero(name, x))
    return i32.and(isFast(mxcsr), PACKED[name].all(good))
  }, e.f.call(`sse_packed_sqrt_${name}`, x, mxcsr))
}

export const packedMinMax = (e: Emitter, operation: 'min' | 'max', name: FloatName, a: Expr, b: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  const x = e.f.let(a)
  const y = e.f.let(b)
  // MINPS takes the second operand unless the first is less; f32x4.pmin takes its first unless the second is less.
  return fastOrExact(e, mxcsr, PACKED[name][operation](y, x),
    () => PACKED[name].all(v.v128And(packedPlain(name, x), packedPlain(name, y))),
    e.f.call(`sse_packed_${operation}_${name}`, x, y, mxcsr))
}

export const packedCompareMask = (e: Emitter, name: FloatName, predicate: Expr, a: Expr, b: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  const x = e.f.let(a)
  const y = e.f.let(b)
  const { lt, eq, all } = PACKED[name]
  // All ones if the predicate is one of those in `rows`.
  const among = (rows: number): Expr => v.i64x2Splat(i64.sub(i64.const(0), i64.extendI32U(i32.and(i32.shrU(i32.const(rows), predicate), i32.const(1)))))
  const less = v.v128And(lt(x, y), among(0b0110_0110))
  const equal = v.v128And(eq(x, y), among(0b0101_0101))
  return fastOrExact(e, mxcsr, v.v128Xor(v.v128Or(less, equal), among(0b1111_0000)),
    () => all(v.v128And(packedPlain(name, x), packedPlain(name, y))),
    e.f.call(`sse_packed_cmp_${name}`, x, y, predicate, mxcsr))
}

/** ROUNDPS, ROUNDPD. */
export const packedRoundIntegral = (e: Emitter, name: FloatName, mode: Expr, a: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  return exactly(e, mxcsr, e.f.call(`sse_packed_round_${name}`, a, mode, mxcsr))
}

/** CVTPS2PD: from the two lower lanes. */
export const packedF32ToF64 = (e: Emitter, a: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  const x = e.f.let(a)
  // The upper lanes don't count: all-true on the lower half's mask widened over both.
  const plain = (): Expr => v.i64x2ExtractLane(packedPlain('f32', x), 0)
  return fastOrExact(e, mxcsr, v.f64x2PromoteLowF32x4(x), () => i64.eq(plain(), i64.const(-1)), e.f.call('sse_packed_f32_to_f64', x, mxcsr))
}

/** CVTPD2PS: upper half zero. */
export const packedF64ToF32 = (e: Emitter, a: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  const x = e.f.let(a)
  return fastOrExact(e, mxcsr, v.f32x4DemoteF64x2Zero(x), (result) => {
    const ordinary = i64.eq(v.i64x2ExtractLane(packedOrdinary('f32', result), 0), i64.const(-1))
    return i32.and(isFast(mxcsr), ordinary)
  }, e.f.call('sse_packed_f64_to_f32', x, mxcsr))
}

/** CVTDQ2PS. */
export const packedI32ToF32 = (e: Emitter, a: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  const x = e.f.let(a)
  return fastOrExact(e, mxcsr, v.f32x4ConvertI32x4S(x), () => isFast(mxcsr), e.f.call('sse_packed_i32_to_f32', x, mxcsr))
}

/** CVTDQ2PD: exact. */
export const packedI32ToF64 = (e: Emitter, a: Expr): Expr => e.f.let(v.f64x2ConvertLowI32x4S(a))

/** CVTPS2DQ, CVTPD2DQ (upper half zero) and the truncating ones. */
export const packedFloatToI32 = (e: Emitter, name: FloatName, truncate: boolean, a: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  const x = e.f.let(a)
  const nearest = name === 'f32' ? v.f32x4Nearest : v.f64x2Nearest
  const whole = e.f.let(truncate ? x : nearest(x))
  const { abs, lt, splat, all } = PACKED[name]
  const inexact = (1 << MXCSR_MASK_SHIFT) * PE | PE
  const mask = truncate ? inexact : inexact | 0x6000
  return fastOrExact(e, mxcsr, name === 'f32' ? v.i32x4TruncSatF32x4S(whole) : v.i32x4TruncSatF64x2SZero(whole),
    () => i32.and(i32.eq(i32.and(mxcsr, i32.const(mask)), i32.const(inexact)), all(lt(abs(whole), splat(2 ** 31)))),
    e.f.call(`sse_packed_${name}_to_i32`, x, i32.const(truncate ? 1 : 0), mxcsr))
}
