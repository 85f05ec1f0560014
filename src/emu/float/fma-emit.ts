/**
 * Fused multiply-add as semantics call it: the fast path inline, where it is certain that its result is the one that is rounded once and
 * that no flag would result beside PE, which is set already; the exact functions of fma.ts otherwise.
 *
 * Singles are computed as doubles, whose product is exact; the sum, rounded to a double and then to a single, is right unless the double
 * lies half-way between two singles. Doubles: product and sum with their errors (T. J. Dekker, "A floating-point technique for extending
 * the available precision", 1971), then the errors' sum, which is itself not exact, is added with a little more and a little less of it:
 * if both give the same, that is the result (the test of A. Ziv, "Fast evaluation of elementary mathematical functions", 1991).
 */
import { type Emitter } from '../semantics/emitter.ts'
import { type Expr, i32, v } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'
import { type FloatName, PACKED, fastOrExactAll, isFast, packedOrdinary, packedPlain, readMxcsr } from './sse-emit.ts'

/** What is negated: of even lanes and of odd ones. */
export interface FmaSigns { readonly product: readonly [boolean, boolean], readonly addend: readonly [boolean, boolean] }

const encoded = ({ product, addend }: FmaSigns): number => (product[0] ? 1 : 0) | (addend[0] ? 2 : 0) | (product[1] ? 4 : 0) | (addend[1] ? 8 : 0)
const flip = (name: FloatName, value: Expr, [even, odd]: readonly [boolean, boolean]): Expr => {
  if (!even && !odd) return value
  const sign = name === 'f32' ? 31n : 63n
  const mask = name === 'f32' ? (even ? 1n << sign : 0n) | (odd ? 1n << (sign + 32n) : 0n) : 0n
  return v.v128Xor(value, name === 'f32' ? v.const(mask, mask) : v.const(even ? 1n << sign : 0n, odd ? 1n << sign : 0n))
}

interface Quick { readonly value: Expr, readonly good: Expr }

const splat = PACKED.f64.splat
/** The upper two of four singles. */
const upper = (a: Expr): Expr => v.i8x16Shuffle(a, a, [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15])
/** The lower dwords of two pairs of qwords. */
const narrow = (a: Expr, b: Expr): Expr => v.i8x16Shuffle(a, b, [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27])
const HALFWAY = v.const(0x1000_0000n, 0x1000_0000n), DROPPED = v.const(0x1fff_ffffn, 0x1fff_ffffn)

/** @param whole all four; else only the lower two count */
const quickSingles = (f: FunctionBuilder, x: Expr, y: Expr, z: Expr, signs: FmaSigns, whole: boolean): Quick => {
  const pair = (part: (a: Expr) => Expr): { sum: Expr, halfway: Expr, zero: Expr } => {
    const product = v.f64x2Mul(v.f64x2PromoteLowF32x4(part(x)), v.f64x2PromoteLowF32x4(part(y)))
    const sum = f.let(v.f64x2Add(flip('f64', product, signs.product), flip('f64', v.f64x2PromoteLowF32x4(part(z)), signs.addend)))
    return { sum, halfway: v.i64x2Eq(v.v128And(sum, DROPPED), HALFWAY), zero: v.f64x2Eq(sum, splat(0)) }
  }
  const low = pair((a) => a)
  const high = whole ? pair(upper) : low
  const value = f.let(v.i8x16Shuffle(v.f32x4DemoteF64x2Zero(low.sum), v.f32x4DemoteF64x2Zero(high.sum), [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]))
  const exact = v.v128Or(packedOrdinary('f32', value), narrow(low.zero, high.zero))
  const operands = v.v128And(v.v128And(packedPlain('f32', x), packedPlain('f32', y)), packedPlain('f32', z))
  return { value, good: v.v128And(v.v128AndNot(exact, narrow(low.halfway, high.halfway)), operands) }
}

const SPLIT = 2 ** 27 + 1
const MORE = 1 + 2 ** -50, LESS = 1 - 2 ** -50
/** Factors that are not smaller have products whose errors don't underflow. What overflows makes the rest NaN, which equals nothing. */
const LEAST_FACTOR = 2 ** -450

const quickDoubles = (f: FunctionBuilder, x: Expr, y: Expr, zIn: Expr, signs: FmaSigns): Quick => {
  const { f64x2Mul: mul, f64x2Sub: sub, f64x2Add: add } = v
  const halves = (a: Expr): [high: Expr, low: Expr] => {
    const scaled = f.let(mul(a, splat(SPLIT)))
    const high = f.let(sub(scaled, sub(scaled, a)))
    return [high, f.let(sub(a, high))]
  }
  const [xh, xl] = halves(x)
  const [yh, yl] = halves(y)
  const unsigned = f.let(mul(x, y))
  const lost = add(add(add(sub(mul(xh, yh), unsigned), mul(xh, yl)), mul(xl, yh)), mul(xl, yl))
  const product = f.let(flip('f64', unsigned, signs.product))
  const z = f.let(flip('f64', zIn, signs.addend))
  const sum = f.let(add(product, z))
  const back = f.let(sub(sum, product))
  const rest = f.let(add(add(sub(product, sub(sum, back)), sub(z, back)), flip('f64', lost, signs.product)))
  const isExact = f.let(v.f64x2Eq(rest, splat(0)))
  // An exact sum has its sign, of zero too.
  const value = f.let(v.v128Bitselect(sum, add(sum, mul(rest, splat(MORE))), isExact))
  const certain = v.v128Or(isExact, v.f64x2Eq(value, add(sum, mul(rest, splat(LESS)))))
  const factor = (a: Expr): Expr => v.v128Or(v.f64x2Ge(v.f64x2Abs(a), splat(LEAST_FACTOR)), v.f64x2Eq(a, splat(0)))
  const operands = v.v128And(v.v128And(factor(x), factor(y)), packedPlain('f64', z))
  const ordinary = v.v128Or(packedOrdinary('f64', value), v.f64x2Eq(value, splat(0)))
  return { value, good: v.v128And(v.v128And(certain, ordinary), operands) }
}

/** On lanes of 128 bits, one or two. */
export const lanesFma = (e: Emitter, name: FloatName, x: readonly Expr[], y: readonly Expr[], z: readonly Expr[], signs: FmaSigns): Expr[] => {
  const { f } = e
  const mxcsr = readMxcsr(e)
  const quick = x.map((_, i) => name === 'f32' ? quickSingles(f, x[i], y[i], z[i], signs, true) : quickDoubles(f, x[i], y[i], z[i], signs))
  const all = quick.map(({ good }) => good).reduce((a, b) => v.v128And(a, b))
  return fastOrExactAll(e, mxcsr, quick.map(({ value }) => value), () => i32.and(isFast(mxcsr), PACKED[name].all(all)),
    x.map((_, i) => f.call(`sse_packed_fma_${name}`, x[i], y[i], z[i], i32.const(encoded(signs)), mxcsr)))
}

/** Of the lowest elements alone: vectors in and out, with that of the result at the bottom. */
export const scalarFma = (e: Emitter, name: FloatName, x: Expr, y: Expr, z: Expr, signs: FmaSigns): Expr => {
  const { f } = e
  const mxcsr = readMxcsr(e)
  // The same everywhere, so that what is above does not count.
  const everywhere = (a: Expr): Expr => f.let(name === 'f32' ? v.i32x4Splat(v.i32x4ExtractLane(a, 0)) : v.i64x2Splat(v.i64x2ExtractLane(a, 0)))
  const [a, b, c] = [x, y, z].map(everywhere)
  const same: FmaSigns = { product: [signs.product[0], signs.product[0]], addend: [signs.addend[0], signs.addend[0]] }
  const { value, good } = name === 'f32' ? quickSingles(f, a, b, c, same, false) : quickDoubles(f, a, b, c, same)
  return fastOrExactAll(e, mxcsr, [value], () => i32.and(isFast(mxcsr), PACKED[name].all(good)),
    [f.call(`sse_packed_fma_${name}`, a, b, c, i32.const(encoded(same)), mxcsr)])[0]
}
