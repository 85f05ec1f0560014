/**
 * Conversions between half and single precision (Intel SDM volume 2, VCVTPH2PS and VCVTPS2PH).
 *
 *   sse_packed_f16_to_f32 (a: v128) → v128                            the four halves at the bottom; DAZ has no effect
 *   sse_packed_f32_to_f16 (a: v128, mode: i32, mxcsr: i32) → i64      mode: the immediate: bits 0–1 rounding, 2: MXCSR's instead; FTZ has no effect
 */
import { type Expr, f32, i32, i64, select, v } from '../wasm/expression.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { IE, MXCSR_FTZ, MXCSR_ROUNDING_SHIFT } from './constants.ts'
import { F16, F32, absolute, checkDenormals, defineRound, denormalsAreZero, isNan, isSignaling, raiseIf, unpack } from './sse-format.ts'

const SIGN = 0x8000, INFINITY = 0x7c00, QUIET = 0x200

export const defineHalf = (module: ModuleBuilder): void => {
  defineRound(module, F16)
  module.function('sse_f16_to_f32', signature(['i32'], ['i32']), (f) => {
    const [half] = f.params
    const sign = f.let(i32.shl(i32.and(half, i32.const(SIGN)), i32.const(16)))
    const magnitude = f.let(i32.and(half, i32.const(SIGN - 1)))
    f.if(i32.geU(magnitude, i32.const(INFINITY)), () => {
      const isAnyNan = i32.gtU(magnitude, i32.const(INFINITY))
      raiseIf(f, i32.and(isAnyNan, i32.eqz(i32.and(magnitude, i32.const(QUIET)))), IE)
      const quieted = select(isAnyNan, i32.const(QUIET << 13), i32.const(0))
      f.return(i32.or(i32.or(sign, quieted), i32.or(i32.const(0x7f800000), i32.shl(magnitude, i32.const(13)))))
    })
    // Denormals are multiples of 2^-24, exactly.
    f.if(i32.ltU(magnitude, i32.const(0x400)), () => {
      f.return(i32.or(sign, i32.reinterpretF32(f32.mul(f32.convertI32S(magnitude), f32.const(2 ** -24)))))
    })
    f.return(i32.or(sign, i32.add(i32.shl(magnitude, i32.const(13)), i32.const((127 - 15) << 23))))
  })
  /** (single, mxcsr that says how to round) */
  module.function('sse_f32_to_f16', signature(['i64', 'i32'], ['i64']), (f) => {
    const [single, mxcsr] = f.params
    const sign = f.let(i64.and(i64.shrU(single, i64.const(16)), i64.const(SIGN)))
    const bits = f.let(absolute(F32, single))
    f.if(isNan(F32, bits), () => {
      raiseIf(f, isSignaling(F32, bits), IE)
      f.return(i64.or(i64.or(sign, i64.const(INFINITY | QUIET)), i64.and(i64.shrU(bits, i64.const(13)), i64.const(QUIET * 2 - 1))))
    })
    f.if(i64.eq(bits, i64.const(F32.infinity)), () => { f.return(i64.or(sign, i64.const(INFINITY))) })
    const magnitude = denormalsAreZero(f, F32, bits, mxcsr)
    f.if(i64.eqz(magnitude), () => { f.return(sign) })
    checkDenormals(f, F32, [magnitude], mxcsr)
    const { exponent, significand } = unpack(f, F32, magnitude)
    f.return(f.call('round_f16', i64.ne(sign, i64.const(0)), exponent, significand, mxcsr))
  })
  module.function('sse_packed_f16_to_f32', signature(['v128'], ['v128']), (f) => {
    const result = f.local('v128')
    for (let at = 0; at < 4; at++) f.set(result, v.i32x4ReplaceLane(result, at, f.call('sse_f16_to_f32', v.i16x8ExtractLaneU(f.params[0], at))))
    f.return(result)
  })
  module.function('sse_packed_f32_to_f16', signature(['v128', 'i32', 'i32'], ['i64']), (f) => {
    const [a, mode, mxcsr] = f.params
    const ROUNDING = 3 << MXCSR_ROUNDING_SHIFT
    const rounding = select(i32.and(mode, i32.const(4)), i32.and(mxcsr, i32.const(ROUNDING)), i32.and(i32.shl(mode, i32.const(MXCSR_ROUNDING_SHIFT)), i32.const(ROUNDING)))
    const control = f.let(i32.or(i32.and(mxcsr, i32.const(~(ROUNDING | MXCSR_FTZ))), rounding))
    let result: Expr = i64.const(0)
    for (let at = 0; at < 4; at++) {
      const half = f.let(f.call('sse_f32_to_f16', i64.extendI32U(v.i32x4ExtractLane(a, at)), control))
      result = f.let(i64.or(result, i64.shl(half, i64.const(at * 16))))
    }
    f.return(result)
  })
}
