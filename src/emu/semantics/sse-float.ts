/**
 * SSE and SSE2 arithmetic and comparisons on floats (Intel SDM volume 2). What they compute is in src/emu/float; here is
 * which operands they take. A packed operand in memory is 16 bytes, aligned; a scalar one is its own size, anywhere.
 */
import { FLAG_AUX, FLAG_RESULT } from '../cpu/layout.ts'
import { type ArithmeticName, type FloatName, arithmetic, compare, compareMask, minMax, packedArithmetic, packedCompareMask, packedMinMax,
  packedSquareRoot, squareRoot } from '../float/sse-emit.ts'
import { type Expr, i32, i64, v } from '../wasm/expression.ts'
import type { Emitter, Semantics } from './emitter.ts'
import type { Family } from './registry.ts'

/** [suffix of the scalar instruction, of the packed one, format, bytes]. */
const FORMATS: readonly (readonly [scalar: string, packed: string, name: FloatName, size: 4 | 8])[] = [
  ['ss', 'ps', 'f32', 4], ['sd', 'pd', 'f64', 8],
]

type Scalar = (e: Emitter, a: Expr, b: Expr) => Expr

/** The memory operand is read first: its fault comes before anything that the values raise. */
const scalar = (size: 4 | 8, operation: Scalar): Semantics => (e) => {
  const b = e.readLow(1, size)
  e.writeLow(0, size, operation(e, e.readLow(0, size), b))
}
const packed = (operation: Scalar): Semantics => (e) => {
  const b = e.readVector(1)
  e.writeVector(0, operation(e, e.readVector(0), b))
}

/** ZF, PF and CF from `flags`, which has them where RFLAGS does; OF, SF and AF are cleared. */
const setComparison = (e: Emitter, flags: Expr): void => {
  const notEqual = e.f.let(i32.and(i32.xor(i32.shrU(flags, i32.const(6)), i32.const(1)), i32.const(1)))
  e.setState64(FLAG_RESULT, i64.extendI32U(notEqual))
  // Zero has even parity and one odd: PF is inverted where it is not so.
  const parity = i32.and(i32.xor(flags, i32.shl(i32.xor(notEqual, i32.const(1)), i32.const(2))), i32.const(4))
  e.setState32(FLAG_AUX, i32.or(i32.and(flags, i32.const(1)), parity))
}

const comparison = (name: FloatName, size: 4 | 8, signaling: boolean): Semantics => (e) => {
  const b = e.readLow(1, size)
  setComparison(e, compare(e, name, signaling, e.readLow(0, size), b))
}

/** Bits 3–7 of the immediate are reserved and ignored. */
const predicate = (e: Emitter): Expr => e.f.let(i32.and(i32.wrap(e.read(2)), i32.const(7)))

const family: Record<string, Semantics> = {}

for (const [ss, ps, name, size] of FORMATS) {
  for (const operation of ['add', 'sub', 'mul', 'div'] satisfies ArithmeticName[]) {
    family[`${operation}${ss}`] = scalar(size, (e, a, b) => arithmetic(e, operation, name, a, b))
    family[`${operation}${ps}`] = packed((e, a, b) => packedArithmetic(e, operation, name, a, b))
  }
  for (const operation of ['min', 'max'] as const) {
    family[`${operation}${ss}`] = scalar(size, (e, a, b) => minMax(e, operation, name, a, b))
    family[`${operation}${ps}`] = packed((e, a, b) => packedMinMax(e, operation, name, a, b))
  }
  family[`sqrt${ss}`] = (e) => { e.writeLow(0, size, squareRoot(e, name, e.readLow(1, size))) }
  family[`sqrt${ps}`] = (e) => { e.writeVector(0, packedSquareRoot(e, name, e.readVector(1))) }
  family[`cmp_${ss}`] = scalar(size, (e, a, b) => compareMask(e, name, predicate(e), a, b))
  family[`cmp_${ps}`] = packed((e, a, b) => packedCompareMask(e, name, predicate(e), a, b))
  family[`ucomi${ss}`] = comparison(name, size, false)
  family[`comi${ss}`] = comparison(name, size, true)
}

/** RCP and RSQRT: table look-ups (reciprocal.ts) that raise no exceptions and don't depend on MXCSR. */
for (const [name, call] of [['rcp', 'reciprocal_f32'], ['rsqrt', 'reciprocal_sqrt_f32']] as const) {
  family[`${name}ss`] = (e) => { e.writeLow(0, 4, i64.extendI32U(e.call(call, i32.wrap(e.readLow(1, 4))))) }
  family[`${name}ps`] = (e) => {
    const a = e.readVector(1)
    const result = e.f.local('v128')
    for (let lane = 0; lane < 4; lane++) e.f.set(result, v.i32x4ReplaceLane(result, lane, e.call(call, v.i32x4ExtractLane(a, lane))))
    e.writeVector(0, result)
  }
}

export const SSE_FLOAT: Family = family
