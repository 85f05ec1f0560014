/** The float operations that SSE3 and SSE4.1 added: ADDSUBPS, HADDPS, DPPS (Intel SDM volume 2). Used as those of sse-emit.ts. */
import type { Emitter } from '../semantics/emitter.ts'
import { type Expr, i32, i64, v } from '../wasm/expression.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { type FloatName, PACKED, exactlyInSteps, isFast, lanesArithmetic, lanewise, packedOrdinary, packedPlain, packedZero, readMxcsr } from './sse-emit.ts'
import { extract, laneCount } from './sse-packed.ts'

const insert = (name: FloatName, vector: Expr, at: number, value: Expr): Expr =>
  name === 'f64' ? v.i64x2ReplaceLane(vector, at, value) : v.i32x4ReplaceLane(vector, at, i32.wrap(value))

export const defineSseExtended = (module: ModuleBuilder): void => {
  for (const name of ['f32', 'f64'] as const) {
    const lanes = laneCount(name)
    module.function(`sse_packed_addsub_${name}`, signature(['v128', 'v128', 'i32'], ['v128']), (f) => {
      const [a, b, mxcsr] = f.params
      const result = f.local('v128')
      for (let at = 0; at < lanes; at++) {
        f.set(result, insert(name, result, at, f.call(`sse_${at % 2 === 0 ? 'sub' : 'add'}_${name}`, extract(name, a, at), extract(name, b, at), mxcsr)))
      }
      f.return(result)
    })
    /** sse_products_…(a, b, immediate, mxcsr) → products in the lanes whose bit is set in the immediate's high half, zero in the others. */
    module.function(`sse_products_${name}`, signature(['v128', 'v128', 'i32', 'i32'], ['v128']), (f) => {
      const [a, b, immediate, mxcsr] = f.params
      const result = f.local('v128')
      for (let at = 0; at < lanes; at++) {
        f.if(i32.and(immediate, i32.const(16 << at)), () => {
          f.set(result, insert(name, result, at, f.call(`sse_mul_${name}`, extract(name, a, at), extract(name, b, at), mxcsr)))
        })
      }
      f.return(result)
    })
  }
}

/** Differences in even places, sums in odd ones. */
export const lanesAddSub = (e: Emitter, name: FloatName, a: readonly Expr[], b: readonly Expr[]): Expr[] => {
  const signs = name === 'f32' ? v.const(0x8000_0000n, 0x8000_0000n) : v.const(1n << 63n, 0n)
  return lanewise(e, [a, b], {
    quick: (x, y) => PACKED[name].arithmetic.add(x, v.v128Xor(y, signs)),
    good: (result, x, y) => v.v128And(v.v128Or(packedOrdinary(name, result), packedZero(name, result)), v.v128And(packedPlain(name, x), packedPlain(name, y))),
    all: PACKED[name].all, mode: isFast,
    exact: (mxcsr, x, y) => e.f.call(`sse_packed_addsub_${name}`, x, y, mxcsr),
  })
}
export const addSub = (e: Emitter, name: FloatName, a: Expr, b: Expr): Expr => lanesAddSub(e, name, [a], [b])[0]

const numbersOf = (name: FloatName, odd: 0 | 1): number[] => {
  const bytes = name === 'f32' ? 4 : 8
  return Array.from({ length: 16 }, (_, i) => (Math.floor(i / bytes) * 2 + odd) * bytes + i % bytes)
}

/** Neighbours added or subtracted: a's results below b's in each lane. */
export const lanesHorizontal = (e: Emitter, operation: 'add' | 'sub', name: FloatName, a: readonly Expr[], b: readonly Expr[]): Expr[] => {
  const x = a.map((lane) => e.f.let(lane))
  const y = b.map((lane) => e.f.let(lane))
  const chosen = (odd: 0 | 1): Expr[] => x.map((lane, i) => v.i8x16Shuffle(lane, y[i], numbersOf(name, odd)))
  return lanesArithmetic(e, operation, name, chosen(0), chosen(1))
}
export const horizontal = (e: Emitter, operation: 'add' | 'sub', name: FloatName, a: Expr, b: Expr): Expr => lanesHorizontal(e, operation, name, [a], [b])[0]

/** In each lane: all lanes of a vector whose bit is set in the immediate, zeros in the others. */
const chosenLanes = (name: FloatName, vector: Expr, immediate: Expr): Expr => {
  const bits = name === 'f32' ? v.const(0x0000_0002_0000_0001n, 0x0000_0008_0000_0004n) : v.const(1n, 2n)
  const mask = name === 'f32' ? v.i32x4Eq(v.v128And(v.i32x4Splat(immediate), bits), bits) : v.i64x2Eq(v.v128And(v.i64x2Splat(i64.extendI32U(immediate)), bits), bits)
  return v.v128And(vector, mask)
}

/**
 * The sum of products that the immediate's high half chooses, in the lanes that its low half chooses. Multiplication and each
 * round of additions raise their exceptions one after the other.
 * @param immediate i32
 */
export const lanesDotProduct = (e: Emitter, name: FloatName, a: readonly Expr[], b: readonly Expr[], immediate: Expr): Expr[] => {
  const mxcsr = readMxcsr(e)
  const sums = (terms: readonly Expr[]): Expr[] => terms.map((lane) => {
    const neighbours = (odd: 0 | 1): Expr => v.i8x16Shuffle(lane, lane, numbersOf(name, odd))
    return e.f.call(`sse_packed_add_${name}`, neighbours(0), neighbours(1), mxcsr)
  })
  const products = a.map((lane, i) => e.f.call(`sse_products_${name}`, lane, b[i], immediate, mxcsr))
  return exactlyInSteps(e, mxcsr, products, name === 'f32' ? [sums, sums] : [sums]).map((lane) => chosenLanes(name, lane, immediate))
}
export const dotProduct = (e: Emitter, name: FloatName, a: Expr, b: Expr, immediate: Expr): Expr => lanesDotProduct(e, name, [a], [b], immediate)[0]
