/** SSE3 and SSE4.1 on floats: which operands they take. What they compute is in src/emu/float. */
import { type FloatName, packedRoundIntegral, roundIntegral } from '../float/sse-emit.ts'
import { addSub, dotProduct, horizontal } from '../float/sse-extended.ts'
import { type Expr, i32 } from '../wasm/expression.ts'
import type { Emitter, Semantics } from './emitter.ts'
import type { Family } from './registry.ts'

const FORMATS: readonly (readonly [scalar: string, packed: string, name: FloatName, size: 4 | 8])[] = [
  ['ss', 'ps', 'f32', 4], ['sd', 'pd', 'f64', 8],
]

const packed = (operation: (e: Emitter, a: Expr, b: Expr) => Expr): Semantics => (e) => {
  const b = e.readVector(1)
  e.writeVector(0, operation(e, e.readVector(0), b))
}
const immediate = (e: Emitter): Expr => e.f.let(i32.and(i32.wrap(e.read(2)), i32.const(0xff)))

const family: Record<string, Semantics> = {}

for (const [ss, ps, name, size] of FORMATS) {
  family[`addsub${ps}`] = packed((e, a, b) => addSub(e, name, a, b))
  family[`hadd${ps}`] = packed((e, a, b) => horizontal(e, 'add', name, a, b))
  family[`hsub${ps}`] = packed((e, a, b) => horizontal(e, 'sub', name, a, b))
  family[`dp${ps}`] = packed((e, a, b) => dotProduct(e, name, a, b, immediate(e)))
  family[`round${ps}`] = (e) => { e.writeVector(0, packedRoundIntegral(e, name, immediate(e), e.readVector(1))) }
  family[`round${ss}`] = (e) => { e.writeLow(0, size, roundIntegral(e, name, immediate(e), e.readLow(1, size))) }
}

export const SSE_FLOAT_EXTENDED: Family = family
