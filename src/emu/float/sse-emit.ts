/**
 * What SSE semantics call: emits the fast path of an operation inline, the call of the exact function otherwise, and then
 * settles MXCSR and #XM. All results are bound. Call these when all operands are read and before anything is written.
 *
 * Scalars are i64 (an f32 in the low half, upper half zero), as `Emitter.readLow` gives them and `writeLow` takes them.
 */
import { MXCSR } from '../cpu/layout.ts'
import type { Emitter } from '../semantics/emitter.ts'
import { type Expr, f32, f64, i32, i64, select, v } from '../wasm/expression.ts'
import { EXCEPTIONS, FLOAT_FLAGS, MXCSR_DAZ, MXCSR_FAST, MXCSR_FAST_MASK, MXCSR_MASK_SHIFT, MXCSR_ROUNDING_SHIFT, PE } from './constants.ts'
import { HOLDS_EQUAL, HOLDS_GREATER, HOLDS_LESS } from './sse-compare.ts'
import { F32, F64, type Format } from './sse-format.ts'
import { ZERO_ADDRESS } from './wide.ts'

export type FloatName = 'f32' | 'f64'
export type ArithmeticName = 'add' | 'sub' | 'mul' | 'div'

/** Invalid, denormal and zero-divide: with one of them unmasked nothing is computed, in no lane (volume 1, E.4.2). */
const PRECOMPUTATION = 7

const formatOf = (name: FloatName): Format => name === 'f32' ? F32 : F64

/** Calls exact functions: clears the flags, evaluates, raises #XM if an exception of any is unmasked, adds the flags to MXCSR. */
export const exactlyAll = (e: Emitter, mxcsr: Expr, calls: readonly Expr[]): Expr[] => {
  const { results, flags } = evaluate(e, mxcsr, mxcsr, calls)
  e.f.if(flags, () => { e.setState32(MXCSR, i32.or(mxcsr, flags)) })
  return results
}

/** Evaluates exact functions, raises #XM if an exception of any is unmasked: MXCSR then has its flags beside those of `before`. */
const evaluate = (e: Emitter, mxcsr: Expr, before: Expr, calls: readonly Expr[]): { results: Expr[], flags: Expr } => {
  const { f } = e
  f.i32Store(ZERO_ADDRESS, FLOAT_FLAGS, i32.const(0))
  const results = calls.map((call) => f.let(call))
  const flags = f.let(i32.load(ZERO_ADDRESS, FLOAT_FLAGS))
  f.if(flags, () => {
    const unmasked = f.let(i32.and(i32.and(flags, i32.xor(i32.shrU(mxcsr, i32.const(MXCSR_MASK_SHIFT)), i32.const(-1))), i32.const(EXCEPTIONS)))
    const counted = select(i32.and(unmasked, i32.const(PRECOMPUTATION)), i32.and(flags, i32.const(PRECOMPUTATION)), flags)
    e.raiseFloat(unmasked, i32.or(before, counted))
  })
  return { results, flags }
}

/** As `exactlyAll` for calls of which later ones take the results of those before, if none of these raised an exception that is unmasked. */
export const exactlyInSteps = (e: Emitter, mxcsr: Expr, first: readonly Expr[], steps: readonly ((results: readonly Expr[]) => Expr[])[]): Expr[] => {
  const { f } = e
  const total = f.local('i32')
  f.set(total, mxcsr)
  let calls = first
  for (let i = 0; ; i++) {
    const { results, flags } = evaluate(e, mxcsr, total, calls)
    f.set(total, i32.or(total, flags))
    if (i === steps.length) {
      e.setState32(MXCSR, total)
      return results
    }
    calls = steps[i](results)
  }
}

export const exactly = (e: Emitter, mxcsr: Expr, call: Expr): Expr => exactlyAll(e, mxcsr, [call])[0]

/** `quick` where `condition` holds, else the exact calls. `usual` is cheaper to find out, and never holds where `condition` does not. */
export const fastOrExactAll = (e: Emitter, mxcsr: Expr, quick: readonly Expr[], condition: (quick: readonly Expr[]) => Expr, exact: readonly Expr[], usual?: (quick: readonly Expr[]) => Expr): Expr[] => {
  const { f } = e
  const fast = quick.map((value) => f.let(value))
  const results = quick.map(({ type }) => f.local(type))
  results.forEach((result, i) => { f.set(result, fast[i]) })
  let isAlwaysFast = false
  const check = (): void => {
    isAlwaysFast = e.otherwisePlain(condition(fast))
    if (isAlwaysFast) return
    f.if(i32.eqz(condition(results)), () => { exactlyAll(e, mxcsr, exact).forEach((value, i) => { f.set(results[i], value) }) })
  }
  if (usual === undefined) check()
  else f.if(i32.eqz(usual(fast)), check)
  return isAlwaysFast ? fast : results
}
export const fastOrExact = (e: Emitter, mxcsr: Expr, quick: Expr, condition: (quick: Expr) => Expr, exact: Expr, usual?: (quick: Expr) => Expr): Expr =>
  fastOrExactAll(e, mxcsr, [quick], ([value]) => condition(value), [exact], usual === undefined ? undefined : ([value]) => usual(value))[0]

export const readMxcsr = (e: Emitter): Expr => e.f.let(e.state32(MXCSR))
/** Rounds to nearest, no DAZ or FTZ, all masked, PE set already. */
export const isFast = (mxcsr: Expr): Expr => i32.eq(i32.and(mxcsr, i32.const(MXCSR_FAST_MASK)), i32.const(MXCSR_FAST))

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

/** CMPSS, CMPSD: `predicate` is an i32, 0–31 (0–7 without VEX). All ones of the lane or zero. */
export const compareMask = (e: Emitter, name: FloatName, predicate: Expr, a: Expr, b: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  const { value } = SCALAR[name]
  const x = e.f.let(a)
  const y = e.f.let(b)
  const { lt, eq } = NATIVE[name]
  const holding = i32.add(i32.shl(eq(value(x), value(y)), i32.const(1)), lt(value(x), value(y)))
  const truth = (row: number): Expr => i32.and(i32.shrU(i32.const(row), predicate), i32.const(1))
  const holds = select(i32.and(holding, i32.const(2)), truth(HOLDS_EQUAL), select(holding, truth(HOLDS_LESS), truth(HOLDS_GREATER)))
  return fastOrExact(e, mxcsr, select(holds, i64.const(name === 'f32' ? 0xffffffff : -1), i64.const(0)),
    () => i32.and(isPlain(name, x), isPlain(name, y)),
    e.f.call(`sse_cmp_${name}`, x, y, predicate, mxcsr))
}

/**
 * Which of Wasm's roundings ROUND's immediate names, if the tier knows it, and what MXCSR must be for it to be exact: no DAZ,
 * rounding to nearest if MXCSR decides, and inexactness must not show.
 */
const knownRounding = (mode: Expr): { rounding: 'nearest' | 'floor' | 'ceil' | 'trunc', mask: number, value: number } | undefined => {
  if (mode.constant === undefined) return undefined
  const code = Number(mode.constant)
  const inexact = (code & 8) !== 0 ? 0 : (1 << MXCSR_MASK_SHIFT) * PE | PE
  const usesMxcsr = (code & 4) !== 0
  const rounding = usesMxcsr ? 'nearest' : (['nearest', 'floor', 'ceil', 'trunc'] as const)[code & 3]
  return { rounding, mask: inexact | MXCSR_DAZ | (usesMxcsr ? 3 << MXCSR_ROUNDING_SHIFT : 0), value: inexact }
}

/** ROUNDSS, ROUNDSD with their immediate as an i32. */
export const roundIntegral = (e: Emitter, name: FloatName, mode: Expr, a: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  const x = e.f.let(a)
  const exact = e.f.call(`sse_round_${name}`, x, mode, mxcsr)
  const known = knownRounding(mode)
  if (known === undefined) return exactly(e, mxcsr, exact)
  const native = NATIVE[name]
  const { value, bits } = SCALAR[name]
  return fastOrExact(e, mxcsr, bits(native[known.rounding](value(x))),
    () => i32.and(i32.eq(i32.and(mxcsr, i32.const(known.mask)), i32.const(known.value)), native.eq(value(x), value(x))), exact)
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

export const PACKED: Readonly<Record<FloatName, PackedOps>> = {
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

export const packedOrdinary = (name: FloatName, vector: Expr): Expr => {
  const { abs, lt, gt, splat, minNormal } = PACKED[name]
  return v.v128And(lt(abs(vector), splat(Infinity)), gt(abs(vector), splat(minNormal)))
}
export /** A mask's lower half is all ones. */
const lowerHalf = (mask: Expr): Expr => i64.eq(v.i64x2ExtractLane(mask, 0), i64.const(-1))
export const packedZero = (name: FloatName, vector: Expr): Expr => PACKED[name].eq(vector, splatF64(0))
export const packedPlain = (name: FloatName, vector: Expr): Expr => {
  const { abs, ge, splat, minNormal } = PACKED[name]
  return v.v128Or(ge(abs(vector), splat(minNormal)), packedZero(name, vector))
}

/** A packed operation on lanes of 128 bits, one or two: all their flags come together. */
export interface Lanewise {
  readonly quick: (...operands: Expr[]) => Expr
  /** A mask: where the quick result is right and nothing is raised, as far as the values say. */
  readonly good: (result: Expr, ...operands: Expr[]) => Expr
  /** Whether all of that mask that counts is set. */
  readonly all: (mask: Expr) => Expr
  /** What must hold of MXCSR beside. */
  readonly mode?: (mxcsr: Expr) => Expr
  readonly exact: (mxcsr: Expr, ...operands: Expr[]) => Expr
}

/** @param operands each with its lanes */
export const lanewise = (e: Emitter, operands: readonly (readonly Expr[])[], { quick, good, all, mode, exact }: Lanewise): Expr[] => {
  const mxcsr = readMxcsr(e)
  const lanes = operands[0].map((_, i) => operands.map((operand) => e.f.let(operand[i])))
  return fastOrExactAll(e, mxcsr, lanes.map((lane) => quick(...lane)), (results) => {
    const mask = results.map((result, i) => good(result, ...lanes[i])).reduce((a, b) => v.v128And(a, b))
    return mode === undefined ? all(mask) : i32.and(mode(mxcsr), all(mask))
  }, lanes.map((lane) => exact(mxcsr, ...lane)))
}

export const lanesArithmetic = (e: Emitter, operation: ArithmeticName, name: FloatName, a: readonly Expr[], b: readonly Expr[]): Expr[] =>
  lanewise(e, [a, b], {
    quick: PACKED[name].arithmetic[operation],
    good: (result, x, y) => {
      // Zeros are common in unused lanes: exact if no sum, or from a zero operand.
      let zero = packedZero(name, result)
      if (operation === 'mul') zero = v.v128And(zero, v.v128Or(packedZero(name, x), packedZero(name, y)))
      if (operation === 'div') zero = v.v128And(zero, packedZero(name, x))
      return v.v128And(v.v128Or(packedOrdinary(name, result), zero), v.v128And(packedPlain(name, x), packedPlain(name, y)))
    },
    all: PACKED[name].all, mode: isFast,
    exact: (mxcsr, x, y) => e.f.call(`sse_packed_${operation}_${name}`, x, y, mxcsr),
  })

export const lanesSquareRoot = (e: Emitter, name: FloatName, a: readonly Expr[]): Expr[] => lanewise(e, [a], {
  quick: PACKED[name].sqrt,
  good: (result, x) => v.v128Or(v.v128And(packedOrdinary(name, result), packedPlain(name, x)), packedZero(name, x)),
  all: PACKED[name].all, mode: isFast,
  exact: (mxcsr, x) => e.f.call(`sse_packed_sqrt_${name}`, x, mxcsr),
})

export const lanesMinMax = (e: Emitter, operation: 'min' | 'max', name: FloatName, a: readonly Expr[], b: readonly Expr[]): Expr[] =>
  lanewise(e, [a, b], {
    // MINPS takes the second operand unless the first is less; f32x4.pmin takes its first unless the second is less.
    quick: (x, y) => PACKED[name][operation](y, x),
    good: (_, x, y) => v.v128And(packedPlain(name, x), packedPlain(name, y)),
    all: PACKED[name].all,
    exact: (mxcsr, x, y) => e.f.call(`sse_packed_${operation}_${name}`, x, y, mxcsr),
  })

export const lanesCompareMask = (e: Emitter, name: FloatName, predicate: Expr, a: readonly Expr[], b: readonly Expr[]): Expr[] => {
  const { lt, eq, all } = PACKED[name]
  // All ones if the predicate is one of those in `rows`.
  const among = (rows: number): Expr => v.i64x2Splat(i64.sub(i64.const(0), i64.extendI32U(i32.and(i32.shrU(i32.const(rows), predicate), i32.const(1)))))
  return lanewise(e, [a, b], {
    quick: (x, y) => {
      const less = v.v128And(lt(x, y), among(HOLDS_LESS ^ HOLDS_GREATER))
      const equal = v.v128And(eq(x, y), among(HOLDS_EQUAL ^ HOLDS_GREATER))
      return v.v128Xor(v.v128Or(less, equal), among(HOLDS_GREATER))
    },
    good: (_, x, y) => v.v128And(packedPlain(name, x), packedPlain(name, y)),
    all,
    exact: (mxcsr, x, y) => e.f.call(`sse_packed_cmp_${name}`, x, y, predicate, mxcsr),
  })
}

const PACKED_ROUNDING = {
  f32: { nearest: v.f32x4Nearest, floor: v.f32x4Floor, ceil: v.f32x4Ceil, trunc: v.f32x4Trunc },
  f64: { nearest: v.f64x2Nearest, floor: v.f64x2Floor, ceil: v.f64x2Ceil, trunc: v.f64x2Trunc },
}

/** ROUNDPS, ROUNDPD. */
export const lanesRoundIntegral = (e: Emitter, name: FloatName, mode: Expr, a: readonly Expr[]): Expr[] => {
  const exact = (mxcsr: Expr, x: Expr): Expr => e.f.call(`sse_packed_round_${name}`, x, mode, mxcsr)
  const known = knownRounding(mode)
  if (known === undefined) {
    const mxcsr = readMxcsr(e)
    return exactlyAll(e, mxcsr, a.map((x) => exact(mxcsr, x)))
  }
  return lanewise(e, [a], {
    quick: PACKED_ROUNDING[name][known.rounding], good: (_, x) => PACKED[name].eq(x, x), all: PACKED[name].all,
    mode: (mxcsr) => i32.eq(i32.and(mxcsr, i32.const(known.mask)), i32.const(known.value)), exact,
  })
}

/** CVTPS2PD: from the two lower floats of each lane. */
export const lanesF32ToF64 = (e: Emitter, a: readonly Expr[]): Expr[] => lanewise(e, [a], {
  quick: v.f64x2PromoteLowF32x4,
  good: (_, x) => packedPlain('f32', x),
  // The upper floats don't count.
  all: lowerHalf,
  exact: (mxcsr, x) => e.f.call('sse_packed_f32_to_f64', x, mxcsr),
})

/** CVTPD2PS: to the lower half of each lane, the upper half zero. */
export const lanesF64ToF32 = (e: Emitter, a: readonly Expr[]): Expr[] => lanewise(e, [a], {
  quick: v.f32x4DemoteF64x2Zero,
  good: (result) => packedOrdinary('f32', result),
  all: lowerHalf, mode: isFast,
  exact: (mxcsr, x) => e.f.call('sse_packed_f64_to_f32', x, mxcsr),
})

/** CVTDQ2PS. */
export const lanesI32ToF32 = (e: Emitter, a: readonly Expr[]): Expr[] => lanewise(e, [a], {
  quick: v.f32x4ConvertI32x4S,
  good: () => v.const(-1n, -1n),
  all: () => i32.const(1), mode: isFast,
  exact: (mxcsr, x) => e.f.call('sse_packed_i32_to_f32', x, mxcsr),
})

/** CVTDQ2PD: exact. */
export const packedI32ToF64 = (e: Emitter, a: Expr): Expr => e.f.let(v.f64x2ConvertLowI32x4S(a))

/** CVTPS2DQ, CVTPD2DQ (upper half of each lane zero) and the truncating ones. */
export const lanesFloatToI32 = (e: Emitter, name: FloatName, truncate: boolean, a: readonly Expr[]): Expr[] => {
  const nearest = name === 'f32' ? v.f32x4Nearest : v.f64x2Nearest
  const { abs, lt, splat, all } = PACKED[name]
  const inexact = (1 << MXCSR_MASK_SHIFT) * PE | PE
  const mask = truncate ? inexact : inexact | 0x6000
  const whole = a.map((x) => e.f.let(truncate ? x : nearest(x)))
  return lanewise(e, [a, whole], {
    quick: (_, x) => name === 'f32' ? v.i32x4TruncSatF32x4S(x) : v.i32x4TruncSatF64x2SZero(x),
    good: (_, __, x) => lt(abs(x), splat(2 ** 31)),
    all, mode: (mxcsr) => i32.eq(i32.and(mxcsr, i32.const(mask)), i32.const(inexact)),
    exact: (mxcsr, x) => e.f.call(`sse_packed_${name}_to_i32`, x, i32.const(truncate ? 1 : 0), mxcsr),
  })
}

// One lane: what the instructions without VEX are.

export const packedArithmetic = (e: Emitter, operation: ArithmeticName, name: FloatName, a: Expr, b: Expr): Expr => lanesArithmetic(e, operation, name, [a], [b])[0]
export const packedSquareRoot = (e: Emitter, name: FloatName, a: Expr): Expr => lanesSquareRoot(e, name, [a])[0]
export const packedMinMax = (e: Emitter, operation: 'min' | 'max', name: FloatName, a: Expr, b: Expr): Expr => lanesMinMax(e, operation, name, [a], [b])[0]
export const packedCompareMask = (e: Emitter, name: FloatName, predicate: Expr, a: Expr, b: Expr): Expr => lanesCompareMask(e, name, predicate, [a], [b])[0]
export const packedRoundIntegral = (e: Emitter, name: FloatName, mode: Expr, a: Expr): Expr => lanesRoundIntegral(e, name, mode, [a])[0]
export const packedF32ToF64 = (e: Emitter, a: Expr): Expr => lanesF32ToF64(e, [a])[0]
export const packedF64ToF32 = (e: Emitter, a: Expr): Expr => lanesF64ToF32(e, [a])[0]
export const packedI32ToF32 = (e: Emitter, a: Expr): Expr => lanesI32ToF32(e, [a])[0]
export const packedFloatToI32 = (e: Emitter, name: FloatName, truncate: boolean, a: Expr): Expr => lanesFloatToI32(e, name, truncate, [a])[0]
