/** The float operations that SSE3 and SSE4.1 added: ADDSUBPS, HADDPS, DPPS (Intel SDM volume 2). Used as those of sse-emit.ts. */
import type { Emitter } from '../semantics/emitter.ts'
import { type Expr, i32, i64, select, v } from '../wasm/expression.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { EXCEPTIONS, FLOAT_FLAGS, MXCSR_MASK_SHIFT } from './constants.ts'
import { type FloatName, PACKED, exactly, fastOrExact, isFast, packedArithmetic, packedOrdinary, packedPlain, packedZero, readMxcsr } from './sse-emit.ts'
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

/** Differences in even lanes, sums in odd ones. */
export const addSub = (e: Emitter, name: FloatName, a: Expr, b: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  const x = e.f.let(a)
  const y = e.f.let(b)
  const signs = name === 'f32' ? v.const(0x8000_0000n, 0x8000_0000n) : v.const(1n << 63n, 0n)
  return fastOrExact(e, mxcsr, PACKED[name].arithmetic.add(x, v.v128Xor(y, signs)), (result) => {
    const good = v.v128And(v.v128Or(packedOrdinary(name, result), packedZero(name, result)), v.v128And(packedPlain(name, x), packedPlain(name, y)))
    return i32.and(isFast(mxcsr), PACKED[name].all(good))
  }, e.f.call(`sse_packed_addsub_${name}`, x, y, mxcsr))
}

const lanesOf = (name: FloatName, odd: 0 | 1): number[] => {
  const bytes = name === 'f32' ? 4 : 8
  return Array.from({ length: 16 }, (_, i) => (Math.floor(i / bytes) * 2 + odd) * bytes + i % bytes)
}

/** Neighbours added or subtracted: a's results below b's. */
export const horizontal = (e: Emitter, operation: 'add' | 'sub', name: FloatName, a: Expr, b: Expr): Expr => {
  const x = e.f.let(a)
  const y = e.f.let(b)
  return packedArithmetic(e, operation, name, v.i8x16Shuffle(x, y, lanesOf(name, 0)), v.i8x16Shuffle(x, y, lanesOf(name, 1)))
}

/** @param immediate i32 */
export const dotProduct = (e: Emitter, name: FloatName, a: Expr, b: Expr, immediate: Expr): Expr => {
  const mxcsr = readMxcsr(e)
  return exactly(e, mxcsr, e.f.call(`sse_dot_${name}`, a, b, immediate, mxcsr))
}
