/** The packed operations, lane by lane: what raised exceptions in any lane counts for the instruction. */
import { type Expr, i32, i64, v } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'

export type Lane = 'f32' | 'f64'

export const laneCount = (lane: Lane | 'i32'): number => lane === 'f64' ? 2 : 4
/** Lane `at` as i64, zero-extended. */
export const extract = (lane: Lane | 'i32', vector: Expr, at: number): Expr =>
  lane === 'f64' ? v.i64x2ExtractLane(vector, at) : i64.extendI32U(v.i32x4ExtractLane(vector, at))
const insert = (lane: Lane | 'i32', vector: Expr, at: number, value: Expr): Expr =>
  lane === 'f64' ? v.i64x2ReplaceLane(vector, at, value) : v.i32x4ReplaceLane(vector, at, i32.wrap(value))

/** Each of `count` lanes of the result from a call; the other lanes are zero. */
export const build = (f: FunctionBuilder, to: Lane | 'i32', count: number, value: (at: number) => Expr): void => {
  const result = f.local('v128')
  for (let at = 0; at < count; at++) f.set(result, insert(to, result, at, value(at)))
  f.return(result)
}

const BINARY = signature(['v128', 'v128', 'i32'], ['v128'])
const UNARY = signature(['v128', 'i32'], ['v128'])

export const defineSsePacked = (module: ModuleBuilder): void => {
  for (const lane of ['f32', 'f64'] as const) {
    for (const name of ['add', 'sub', 'mul', 'div', 'min', 'max']) {
      module.function(`sse_packed_${name}_${lane}`, BINARY, (f) => {
        const [a, b, mxcsr] = f.params
        build(f, lane, laneCount(lane), (at) => f.call(`sse_${name}_${lane}`, extract(lane, a, at), extract(lane, b, at), mxcsr))
      })
    }
    module.function(`sse_packed_sqrt_${lane}`, UNARY, (f) => {
      const [a, mxcsr] = f.params
      build(f, lane, laneCount(lane), (at) => f.call(`sse_sqrt_${lane}`, extract(lane, a, at), mxcsr))
    })
    module.function(`sse_packed_cmp_${lane}`, signature(['v128', 'v128', 'i32', 'i32'], ['v128']), (f) => {
      const [a, b, predicate, mxcsr] = f.params
      build(f, lane, laneCount(lane), (at) => f.call(`sse_cmp_${lane}`, extract(lane, a, at), extract(lane, b, at), predicate, mxcsr))
    })
    module.function(`sse_packed_${lane}_to_i32`, signature(['v128', 'i32', 'i32'], ['v128']), (f) => {
      const [a, truncate, mxcsr] = f.params
      build(f, 'i32', laneCount(lane), (at) => f.call(`sse_${lane}_to_i32`, extract(lane, a, at), truncate, mxcsr))
    })
    module.function(`sse_packed_round_${lane}`, signature(['v128', 'i32', 'i32'], ['v128']), (f) => {
      const [a, mode, mxcsr] = f.params
      build(f, lane, laneCount(lane), (at) => f.call(`sse_round_${lane}`, extract(lane, a, at), mode, mxcsr))
    })
  }
  module.function('sse_packed_f32_to_f64', UNARY, (f) => {
    const [a, mxcsr] = f.params
    build(f, 'f64', 2, (at) => f.call('sse_f32_to_f64', extract('f32', a, at), mxcsr))
  })
  module.function('sse_packed_f64_to_f32', UNARY, (f) => {
    const [a, mxcsr] = f.params
    build(f, 'f32', 2, (at) => f.call('sse_f64_to_f32', extract('f64', a, at), mxcsr))
  })
  module.function('sse_packed_i32_to_f32', UNARY, (f) => {
    const [a, mxcsr] = f.params
    build(f, 'f32', 4, (at) => f.call('sse_int_to_f32', i64.extendI32S(v.i32x4ExtractLane(a, at)), mxcsr))
  })
}
