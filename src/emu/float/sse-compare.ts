/** Comparisons, minimum and maximum in f32 and f64. */
import { type Expr, f32, f64, i32, i64, select } from '../wasm/expression.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { IE } from './constants.ts'
import { FORMATS, type Format, absolute, checkDenormals, denormalsAreZero, isNan, isSignaling, raise, raiseIf } from './sse-format.ts'

/** Wasm's own comparisons are exact; they get no NaNs here. */
const compareOps = (format: Format): { lessThan: (a: Expr, b: Expr) => Expr, equal: (a: Expr, b: Expr) => Expr } => {
  if (format.name === 'f64') {
    return { lessThan: (a, b) => f64.lt(f64.reinterpretI64(a), f64.reinterpretI64(b)), equal: (a, b) => f64.eq(f64.reinterpretI64(a), f64.reinterpretI64(b)) }
  }
  const value = (bits: Expr): Expr => f32.reinterpretI32(i32.wrap(bits))
  return { lessThan: (a, b) => f32.lt(value(a), value(b)), equal: (a, b) => f32.eq(value(a), value(b)) }
}

const UNORDERED = 0x45

const defineMinMax = (module: ModuleBuilder, format: Format, maximum: boolean): void => {
  module.function(`sse_${maximum ? 'max' : 'min'}_${format.name}`, signature(['i64', 'i64', 'i32'], ['i64']), (f) => {
    const [first, second, mxcsr] = f.params
    f.if(i32.or(isNan(format, absolute(format, first)), isNan(format, absolute(format, second))), () => {
      // Any NaN is invalid, and the second operand comes back as it is but for DAZ (volume 2, MINSD).
      raise(f, i32.const(IE))
      f.return(denormalsAreZero(f, format, second, mxcsr))
    })
    const a = denormalsAreZero(f, format, first, mxcsr)
    const b = denormalsAreZero(f, format, second, mxcsr)
    checkDenormals(f, format, [absolute(format, a), absolute(format, b)], mxcsr)
    const { lessThan } = compareOps(format)
    f.return(select(maximum ? lessThan(b, a) : lessThan(a, b), a, b))
  })
}

const defineCompare = (module: ModuleBuilder, format: Format): void => {
  module.function(`sse_compare_${format.name}`, signature(['i64', 'i64', 'i32', 'i32'], ['i32']), (f) => {
    const [first, second, signaling, mxcsr] = f.params
    const firstMagnitude = f.let(absolute(format, first))
    const secondMagnitude = f.let(absolute(format, second))
    f.if(i32.or(isNan(format, firstMagnitude), isNan(format, secondMagnitude)), () => {
      raiseIf(f, i32.or(signaling, i32.or(isSignaling(format, firstMagnitude), isSignaling(format, secondMagnitude))), IE)
      f.return(i32.const(UNORDERED))
    })
    const a = denormalsAreZero(f, format, first, mxcsr)
    const b = denormalsAreZero(f, format, second, mxcsr)
    checkDenormals(f, format, [absolute(format, a), absolute(format, b)], mxcsr, i32.const(0))
    const { lessThan, equal } = compareOps(format)
    f.return(i32.or(lessThan(a, b), i32.shl(equal(a, b), i32.const(6))))
  })
}

/**
 * Predicates of CMPSS and its family that hold for operands that are equal, less, greater, unordered (volume 2, table 3-1): bit p
 * is predicate p, and beyond 15 they are the same. Without VEX there are 0–7.
 */
export const HOLDS_EQUAL = 0xa5a5_a5a5 | 0, HOLDS_LESS = 0x9696_9696 | 0, HOLDS_GREATER = 0xf0f0_f0f0 | 0
const HOLDS_UNORDERED = 0x8778_8778 | 0

const defineCompareMask = (module: ModuleBuilder, format: Format): void => {
  module.function(`sse_cmp_${format.name}`, signature(['i64', 'i64', 'i32', 'i32'], ['i64']), (f) => {
    const [a, b, predicate, mxcsr] = f.params
    // LT and LE don't take quiet NaNs, nor do their negations; from predicate 16 on it is the other way round.
    const signaling = i32.and(i32.xor(i32.xor(predicate, i32.shrU(predicate, i32.const(1))), i32.shrU(predicate, i32.const(4))), i32.const(1))
    const relation = f.let(f.call(`sse_compare_${format.name}`, a, b, signaling, mxcsr))
    const ordered = select(i32.eq(relation, i32.const(0x40)), i32.const(HOLDS_EQUAL), select(relation, i32.const(HOLDS_LESS), i32.const(HOLDS_GREATER)))
    const rows = select(i32.eq(relation, i32.const(UNORDERED)), i32.const(HOLDS_UNORDERED), ordered)
    f.return(select(i32.and(i32.shrU(rows, predicate), i32.const(1)), i64.const((1n << BigInt(format.bits)) - 1n), i64.const(0)))
  })
}

export const defineSseCompare = (module: ModuleBuilder): void => {
  for (const format of FORMATS) {
    defineMinMax(module, format, false)
    defineMinMax(module, format, true)
    defineCompare(module, format)
    defineCompareMask(module, format)
  }
}
