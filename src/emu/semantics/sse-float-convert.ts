/** SSE and SSE2 conversions between integers and floats, and between the two sizes of floats (Intel SDM volume 2). */
import { type FloatName, f32ToF64, f64ToF32, floatToInt, intToFloat, packedF32ToF64, packedF64ToF32, packedFloatToI32, packedI32ToF32,
  packedI32ToF64 } from '../float/sse-emit.ts'
import type { Expr } from '../wasm/expression.ts'
import { type Emitter, type Semantics, isMemory } from './emitter.ts'
import { enterMmx, mmx, writeMmx } from './mmx.ts'
import { fromLow, lowHalf } from './packed.ts'
import type { Family } from './registry.ts'

const fromInteger = (name: FloatName, size: 4 | 8): Semantics => (e) => {
  e.writeLow(0, size, intToFloat(e, name, e.operands[1].size, e.read(1)))
}

const toInteger = (name: FloatName, size: 4 | 8, truncate: boolean): Semantics => (e) => {
  e.write(0, floatToInt(e, name, e.size, truncate, e.readLow(1, size)))
}

/** MMX state is entered when the operand is there, before #XM: as the oracle does. The unused upper lanes are zeros, which convert exactly. */
const singlesToMmx = (truncate: boolean): Semantics => mmx((e) => {
  const a = e.f.let(fromLow(e.readLow(1, 8)))
  enterMmx(e)
  writeMmx(e, lowHalf(packedFloatToI32(e, 'f32', truncate, a)))
})
const doublesToMmx = (truncate: boolean): Semantics => mmx((e) => {
  const a = e.readVector(1)
  enterMmx(e)
  writeMmx(e, lowHalf(packedFloatToI32(e, 'f64', truncate, a)))
})

/**
 * From an operand in memory the x87 state is neither looked at nor changed. So volume 2 says of CVTPI2PD only, but the oracle
 * does the same with CVTPI2PS.
 */
const fromMmx = (convert: (e: Emitter, a: Expr) => void): Semantics => (e) => {
  if (isMemory(e.operands[1])) convert(e, e.f.let(fromLow(e.readMmx(1))))
  else {
    mmx(() => {
      const a = e.f.let(fromLow(e.readMmx(1)))
      enterMmx(e)
      convert(e, a)
    })(e)
  }
}

export const SSE_FLOAT_CONVERT: Family = {
  cvtsi2ss: fromInteger('f32', 4), cvtsi2sd: fromInteger('f64', 8),
  cvtss2si: toInteger('f32', 4, false), cvtsd2si: toInteger('f64', 8, false),
  cvttss2si: toInteger('f32', 4, true), cvttsd2si: toInteger('f64', 8, true),
  cvtss2sd: (e) => { e.writeLow(0, 8, f32ToF64(e, e.readLow(1, 4))) },
  cvtsd2ss: (e) => { e.writeLow(0, 4, f64ToF32(e, e.readLow(1, 8))) },

  /** From 8 bytes, at any address. */
  cvtps2pd: (e) => { e.writeVector(0, packedF32ToF64(e, e.f.let(fromLow(e.readLow(1, 8))))) },
  cvtdq2pd: (e) => { e.writeVector(0, packedI32ToF64(e, fromLow(e.readLow(1, 8)))) },
  cvtpd2ps: (e) => { e.writeVector(0, packedF64ToF32(e, e.readVector(1))) },
  cvtdq2ps: (e) => { e.writeVector(0, packedI32ToF32(e, e.readVector(1))) },
  cvtps2dq: (e) => { e.writeVector(0, packedFloatToI32(e, 'f32', false, e.readVector(1))) },
  cvttps2dq: (e) => { e.writeVector(0, packedFloatToI32(e, 'f32', true, e.readVector(1))) },
  cvtpd2dq: (e) => { e.writeVector(0, packedFloatToI32(e, 'f64', false, e.readVector(1))) },
  cvttpd2dq: (e) => { e.writeVector(0, packedFloatToI32(e, 'f64', true, e.readVector(1))) },

  cvtps2pi: singlesToMmx(false), cvttps2pi: singlesToMmx(true),
  cvtpd2pi: doublesToMmx(false), cvttpd2pi: doublesToMmx(true),
  cvtpi2ps: fromMmx((e, a) => { e.writeLow(0, 8, e.f.let(lowHalf(packedI32ToF32(e, a)))) }),
  cvtpi2pd: fromMmx((e, a) => { e.writeVector(0, packedI32ToF64(e, a)) }),
}
