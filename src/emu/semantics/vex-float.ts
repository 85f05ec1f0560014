/**
 * AVX on floats: what the SSE instructions compute (src/emu/float), packed on one lane of 128 bits or on two whose exceptions come
 * together, scalar with the rest of the first source above the result (Intel SDM volume 2).
 */
import { type ArithmeticName, type FloatName, arithmetic, compareMask, f32ToF64, f64ToF32, intToFloat, lanesArithmetic, lanesCompareMask, lanesF32ToF64,
  lanesF64ToF32, lanesFloatToI32, lanesI32ToF32, lanesMinMax, lanesRoundIntegral, lanesSquareRoot, minMax, packedI32ToF64, roundIntegral, squareRoot, exactlyAll, readMxcsr } from '../float/sse-emit.ts'
import { lanesAddSub, lanesDotProduct, lanesHorizontal } from '../float/sse-extended.ts'
import { type Expr, i32, i64, v } from '../wasm/expression.ts'
import { type Emitter, type Semantics, isMemory } from './emitter.ts'
import { fromLow, highHalf, lowHalf } from './packed.ts'
import type { Family } from './registry.ts'

/** [suffix of the scalar instruction, of the packed one, format, bytes]. */
const FORMATS: readonly (readonly [scalar: string, packed: string, name: FloatName, size: 4 | 8])[] = [
  ['ss', 'ps', 'f32', 4], ['sd', 'pd', 'f64', 8],
]

type Binary = (e: Emitter, a: readonly Expr[], b: readonly Expr[]) => Expr[]
const packed = (operation: Binary): Semantics => (e) => {
  const b = e.readLanes(2)
  e.writeLanes(0, operation(e, e.readLanes(1), b))
}
const packedUnary = (operation: (e: Emitter, a: readonly Expr[]) => Expr[], at = 1): Semantics => (e) => { e.writeLanes(0, operation(e, e.readLanes(at))) }

/** The low 4 or 8 bytes of a vector replaced. */
export const withLow = (vector: Expr, size: 4 | 8, value: Expr): Expr =>
  size === 8 ? v.i64x2ReplaceLane(vector, 0, value) : v.i32x4ReplaceLane(vector, 0, i32.wrap(value))
const writeScalar = (e: Emitter, size: 4 | 8, value: Expr): void => { e.writeLanes(0, [withLow(e.readPart(1, 16), size, value)]) }
const scalar = (size: 4 | 8, operation: (e: Emitter, a: Expr, b: Expr) => Expr): Semantics => (e) => {
  const b = e.readLow(2, size)
  writeScalar(e, size, operation(e, e.readLow(1, size), b))
}
/** What is made of the second source goes into the first. */
const scalarUnary = (size: 4 | 8, operation: (e: Emitter, b: Expr) => Expr, from: 4 | 8 = size): Semantics => (e) => {
  writeScalar(e, size, operation(e, e.readLow(2, from)))
}
/** Unlike without VEX, five bits count. */
const predicate = (e: Emitter): Expr => e.f.let(i32.and(i32.wrap(e.read(3)), i32.const(31)))
const immediate = (e: Emitter, at: number): Expr => e.f.let(i32.and(i32.wrap(e.read(at)), i32.const(0xff)))

const family: Record<string, Semantics> = {}

for (const [ss, ps, name, size] of FORMATS) {
  for (const operation of ['add', 'sub', 'mul', 'div'] satisfies ArithmeticName[]) {
    family[`v${operation}${ss}`] = scalar(size, (e, a, b) => arithmetic(e, operation, name, a, b))
    family[`v${operation}${ps}`] = packed((e, a, b) => lanesArithmetic(e, operation, name, a, b))
  }
  for (const operation of ['min', 'max'] as const) {
    family[`v${operation}${ss}`] = scalar(size, (e, a, b) => minMax(e, operation, name, a, b))
    family[`v${operation}${ps}`] = packed((e, a, b) => lanesMinMax(e, operation, name, a, b))
  }
  family[`vsqrt${ss}`] = scalarUnary(size, (e, b) => squareRoot(e, name, b))
  family[`vsqrt${ps}`] = packedUnary((e, a) => lanesSquareRoot(e, name, a))
  family[`vcmp${ss}`] = scalar(size, (e, a, b) => compareMask(e, name, predicate(e), a, b))
  family[`vcmp${ps}`] = packed((e, a, b) => lanesCompareMask(e, name, predicate(e), a, b))
  family[`vround${ss}`] = scalarUnary(size, (e, b) => roundIntegral(e, name, immediate(e, 3), b))
  family[`vround${ps}`] = packedUnary((e, a) => lanesRoundIntegral(e, name, immediate(e, 2), a))
  family[`vaddsub${ps}`] = packed((e, a, b) => lanesAddSub(e, name, a, b))
  family[`vhadd${ps}`] = packed((e, a, b) => lanesHorizontal(e, 'add', name, a, b))
  family[`vhsub${ps}`] = packed((e, a, b) => lanesHorizontal(e, 'sub', name, a, b))
  family[`vdp${ps}`] = packed((e, a, b) => lanesDotProduct(e, name, a, b, immediate(e, 3)))
  family[`vcvtsi2${ss}`] = (e) => { writeScalar(e, size, intToFloat(e, name, e.operands[2].size, e.read(2))) }
}

for (const [name, call] of [['rcp', 'reciprocal_f32'], ['rsqrt', 'reciprocal_sqrt_f32']] as const) {
  family[`v${name}ss`] = scalarUnary(4, (e, b) => i64.extendI32U(e.call(call, i32.wrap(b))))
  family[`v${name}ps`] = packedUnary((e, lanes) => lanes.map((a) => {
    const result = e.f.local('v128')
    for (let lane = 0; lane < 4; lane++) e.f.set(result, v.i32x4ReplaceLane(result, lane, e.call(call, v.i32x4ExtractLane(a, lane))))
    return result
  }))
}

/** A source of half the size, as lanes with what belongs to each at the bottom. */
const halves = (e: Emitter): Expr[] => {
  const a = e.readPart(1, e.operands[1].size)
  return e.size === 16 ? [a] : [a, e.f.let(v.i64x2Splat(highHalf(a)))]
}
/** Results that fill half of each lane, as one of 128 bits: above the one of a single lane is zero. */
const narrowed = (e: Emitter, lanes: readonly Expr[]): Expr => lanes.length === 1 ? lanes[0] : v.i64x2ReplaceLane(lanes[0], 1, lowHalf(lanes[1]))
const narrowing = (convert: (e: Emitter, a: readonly Expr[]) => Expr[]): Semantics => (e) => { e.writeLanes(0, [narrowed(e, convert(e, e.readLanes(1)))]) }

/** VCVTPS2PD reads 8 bytes for a result of 16: what else there is in the lane must not be looked at. */
export const VEX_FLOAT: Family = {
  ...family,
  vcvtss2sd: scalarUnary(8, (e, b) => f32ToF64(e, b), 4),
  vcvtsd2ss: scalarUnary(4, (e, b) => f64ToF32(e, b), 8),
  vcvtps2pd: (e) => { e.writeLanes(0, lanesF32ToF64(e, halves(e))) },
  vcvtdq2pd: (e) => { e.writeLanes(0, halves(e).map((a) => packedI32ToF64(e, a))) },
  vcvtpd2ps: narrowing((e, a) => lanesF64ToF32(e, a)),
  vcvtpd2dq: narrowing((e, a) => lanesFloatToI32(e, 'f64', false, a)),
  vcvttpd2dq: narrowing((e, a) => lanesFloatToI32(e, 'f64', true, a)),
  vcvtph2ps: (e) => {
    const a = halves(e)
    e.writeLanes(0, exactlyAll(e, readMxcsr(e), a.map((lane) => e.f.call('sse_packed_f16_to_f32', lane))))
  },
  vcvtps2ph: (e) => {
    const mxcsr = readMxcsr(e)
    const mode = immediate(e, 2)
    if (isMemory(e.operands[0])) e.probeWrite(e.address(0), e.size)
    const words = exactlyAll(e, mxcsr, e.readLanes(1).map((lane) => e.f.call('sse_packed_f32_to_f16', lane, mode, mxcsr)))
    if (isMemory(e.operands[0]) && words.length === 1) e.store(e.address(0), 8, words[0])
    else e.writeLanes(0, [words.length === 1 ? fromLow(words[0]) : v.i64x2ReplaceLane(fromLow(words[0]), 1, words[1])])
  },
  vcvtdq2ps: packedUnary((e, a) => lanesI32ToF32(e, a)),
  vcvtps2dq: packedUnary((e, a) => lanesFloatToI32(e, 'f32', false, a)),
  vcvttps2dq: packedUnary((e, a) => lanesFloatToI32(e, 'f32', true, a)),
}
