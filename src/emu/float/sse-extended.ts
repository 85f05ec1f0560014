/** The float operations that SSE3 and SSE4.1 added: ADDSUBPS, HADDPS, DPPS (Intel SDM volume 2). Used as those of sse-emit.ts. */
import type { Emitter } from '../semantics/emitter.ts'
import { type Expr, i32, i64, select, v } from '../wasm/expression.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { EXCEPTIONS, FLOAT_FLAGS, MXCSR_MASK_SHIFT } from './constants.ts'
import { type FloatName, PACKED, exactlyAll, isFast, lanesArithmetic, lanewise, packedOrdinary, packedPlain, packedZero, readMxcsr } from './sse-emit.ts'
import { extract, laneCount } from './sse-packed.ts'
import { ZERO_ADDRESS } from './wide.ts'

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
    /**
     * sse_dot_…(a, b, immediate, mxcsr) → the sum of products whose bit is set in the immediate's high half, in the lanes of its
     * low half. Each step raises its exceptions, and the next is not taken if one of them is unmasked.
     */
    module.function(`sse_dot_${name}`, signature(['v128', 'v128', 'i32', 'i32'], ['v128']), (f) => {
      const [a, b, immediate, mxcsr] = f.params
      const bit = (number: number): Expr => i32.and(i32.shrU(immediate, i32.const(number)), i32.const(1))
      const unmasked = i32.and(i32.xor(i32.shrU(mxcsr, i32.const(MXCSR_MASK_SHIFT)), i32.const(-1)), i32.const(EXCEPTIONS))
      const settle = (): void => {
        f.if(i32.and(i32.load(ZERO_ADDRESS, FLOAT_FLAGS), unmasked), () => { f.return(a) })
      }
      let terms: Expr[] = Array.from({ length: lanes }, (_, at) => f.ifValue('i64', bit(4 + at),
        () => f.call(`sse_mul_${name}`, extract(name, a, at), extract(name, b, at), mxcsr), () => i64.const(0)))
      settle()
      while (terms.length > 1) {
        terms = Array.from({ length: terms.length / 2 }, (_, at) => f.let(f.call(`sse_add_${name}`, terms[at * 2], terms[at * 2 + 1], mxcsr)))
        settle()
      }
      const result = f.local('v128')
      for (let at = 0; at < lanes; at++) f.set(result, insert(name, result, at, select(bit(at), terms[0], i64.const(0))))
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

/** @param immediate i32 */
export const lanesDotProduct = (e: Emitter, name: FloatName, a: readonly Expr[], b: readonly Expr[], immediate: Expr): Expr[] => {
  const mxcsr = readMxcsr(e)
  return exactlyAll(e, mxcsr, a.map((lane, i) => e.f.call(`sse_dot_${name}`, lane, b[i], immediate, mxcsr)))
}
export const dotProduct = (e: Emitter, name: FloatName, a: Expr, b: Expr, immediate: Expr): Expr => lanesDotProduct(e, name, [a], [b], immediate)[0]
