/** 128-bit integer arithmetic out of 64-bit operations. Pairs are high and low word, unsigned unless said otherwise. */
import { type Expr, f64, i32, i64, select } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { FLOAT_REMAINDER } from './constants.ts'

export interface Wide { readonly high: Expr, readonly low: Expr }

export const ZERO_ADDRESS = i32.const(0)
export const MINUS_ONE = i64.const(-1)
export const TOP_BIT = i64.const(1n << 63n)
const LOW_32 = i64.const(0xffffffff)

export const not64 = (value: Expr): Expr => i64.xor(value, MINUS_ONE)
/** i32 condition (0 or 1) as i64. */
export const bool64 = (condition: Expr): Expr => i64.extendI32U(condition)
export const isNonZero = (value: Expr): Expr => i64.ne(value, i64.const(0))
/** i64 shift counts are i64: an i32 count, which must be 0 … 63. */
export const shl = (value: Expr, count: Expr): Expr => i64.shl(value, i64.extendI32U(count))
export const shr = (value: Expr, count: Expr): Expr => i64.shrU(value, i64.extendI32U(count))

/** value >> count with what falls out ORed into bit 0; any count ≥ 0. */
export const shiftRightJam = (f: FunctionBuilder, value: Expr, count: Expr): Expr => {
  const v = f.let(value)
  const n = f.let(count)
  const lost = i64.and(v, i64.sub(shl(i64.const(1), n), i64.const(1)))
  return f.let(select(i32.ltU(n, i32.const(64)),
    i64.or(shr(v, n), bool64(isNonZero(lost))),
    bool64(isNonZero(v))))
}

/** pair >> count with what falls out ORed into bit 0; any count ≥ 0. */
export const shiftRightJam128 = (f: FunctionBuilder, value: Wide, count: Expr): Wide => {
  const n = f.let(count)
  const high = f.local('i64')
  const low = f.local('i64')
  f.set(high, value.high)
  f.set(low, value.low)
  f.if(i32.geU(n, i32.const(64)), () => {
    f.set(low, i64.or(shiftRightJam(f, high, i32.sub(n, i32.const(64))), bool64(isNonZero(low))))
    f.set(high, i64.const(0))
  }, () => {
    f.if(n, () => {
      const up = f.let(i64.sub(i64.const(64), i64.extendI32U(n)))
      const lost = f.let(bool64(isNonZero(i64.shl(low, up))))
      f.set(low, i64.or(i64.or(shr(low, n), i64.shl(high, up)), lost))
      f.set(high, shr(high, n))
    })
  })
  return { high, low }
}

/** pair << count for a count of 0 … 63. */
export const shiftLeft128 = (f: FunctionBuilder, value: Wide, count: Expr): Wide => {
  const n = f.let(count)
  const { high, low } = value
  // Two shifts, so that a count of 0 moves 64 bits out rather than none.
  const carried = i64.shrU(i64.shrU(low, i64.const(1)), i64.extendI32U(i32.sub(i32.const(63), n)))
  return { high: f.let(i64.or(shl(high, n), carried)), low: f.let(shl(low, n)) }
}

export const add128 = (f: FunctionBuilder, a: Wide, b: Wide): Wide => {
  const low = f.let(i64.add(a.low, b.low))
  return { high: f.let(i64.add(i64.add(a.high, b.high), bool64(i64.ltU(low, b.low)))), low }
}

/** `a` must be bound. */
export const sub128 = (f: FunctionBuilder, a: Wide, b: Wide): Wide => {
  const bLow = f.let(b.low)
  const high = f.let(i64.sub(i64.sub(a.high, b.high), bool64(i64.ltU(a.low, bLow))))
  return { high, low: f.let(i64.sub(a.low, bLow)) }
}

/** a × b. */
export const multiply64 = (f: FunctionBuilder, a: Expr, b: Expr): Wide => {
  const x = f.let(a)
  const y = f.let(b)
  const shift = i64.const(32)
  const xl = f.let(i64.and(x, LOW_32))
  const xh = f.let(i64.shrU(x, shift))
  const yl = f.let(i64.and(y, LOW_32))
  const yh = f.let(i64.shrU(y, shift))
  const middle = f.let(i64.add(i64.mul(xl, yh), i64.shrU(i64.mul(xl, yl), shift)))
  const middle2 = i64.add(i64.mul(xh, yl), i64.and(middle, LOW_32))
  const high = i64.add(i64.add(i64.mul(xh, yh), i64.shrU(middle, shift)), i64.shrU(middle2, shift))
  return { high: f.let(high), low: f.let(i64.mul(x, y)) }
}

/**
 * divide_128(high, low, divisor) → quotient, remainder at FLOAT_REMAINDER, for high < divisor ≥ 2^63.
 * Schoolbook division in base 2^32: the estimate of a digit from the upper half of the divisor is at most 2 too large
 * (Knuth, The Art of Computer Programming 2, 4.3.1).
 */
const defineDivide = (module: ModuleBuilder): void => {
  module.function('divide_128', signature(['i64', 'i64', 'i64'], ['i64']), (f) => {
    const [high, low, divisor] = f.params
    const shift = i64.const(32)
    const dh = f.let(i64.shrU(divisor, shift))
    const dl = f.let(i64.and(divisor, LOW_32))
    const digit = (rest: Expr, next: Expr): { quotient: Expr, rest: Expr } => {
      const q = f.local('i64')
      const r = f.local('i64')
      f.set(q, i64.divU(rest, dh))
      f.set(r, i64.sub(rest, i64.mul(q, dh)))
      f.block((done) => {
        f.loop((again) => {
          const tooLarge = i32.or(isNonZero(i64.shrU(q, shift)), i64.gtU(i64.mul(q, dl), i64.or(i64.shl(r, shift), next)))
          f.brIf(done, i32.eqz(tooLarge))
          f.set(q, i64.sub(q, i64.const(1)))
          f.set(r, i64.add(r, dh))
          f.brIf(again, i64.eqz(i64.shrU(r, shift)))
        })
      })
      return { quotient: q, rest: f.let(i64.sub(i64.or(i64.shl(rest, shift), next), i64.mul(q, divisor))) }
    }
    const first = digit(high, f.let(i64.shrU(low, shift)))
    const second = digit(first.rest, f.let(i64.and(low, LOW_32)))
    f.i64Store(ZERO_ADDRESS, FLOAT_REMAINDER, second.rest)
    f.return(i64.or(i64.shl(first.quotient, shift), second.quotient))
  })
}

/**
 * sqrt_128(high, low) → floor(√n) for n ≥ 2^126; FLOAT_REMAINDER: 0 if n is a square, 1 if its root is less than a half
 * above the floor, 2 if more (never just a half).
 */
const defineSquareRoot = (module: ModuleBuilder): void => {
  module.function('sqrt_128', signature(['i64', 'i64'], ['i64']), (f) => {
    const [high, low] = f.params
    // The processor's own square root is right to 53 bits; kept below 2^64.
    const magnitude = f64.add(f64.mul(f64.convertI64S(i64.shrU(high, i64.const(1))), f64.const(2)), f64.convertI64S(i64.and(high, i64.const(1))))
    const estimate = f64.mul(f64.sqrt(magnitude), f64.const(2 ** 31))
    const half = f.let(i64.truncSatF64S(estimate))
    const root = f.local('i64')
    f.set(root, select(i64.geU(half, i64.const((1n << 63n) - 1n)), i64.const(-1), i64.shl(half, i64.const(1))))
    // One Newton step: the error was below 2^13, so (n − root²) / 2root is what lacks, to within a few units.
    const square = multiply64(f, root, root)
    const difference = sub128(f, { high, low }, square)
    const scaled = i64.or(i64.shl(difference.high, i64.const(49)), i64.shrU(difference.low, i64.const(15)))
    f.set(root, i64.add(root, i64.divS(scaled, i64.shrU(root, i64.const(14)))))
    // Now exactly: rest = n − root², wanted in [0, 2 root]. 66 bits and a sign.
    const square2 = multiply64(f, root, root)
    const start = sub128(f, { high, low }, square2)
    const restHigh = f.local('i64')
    const restLow = f.local('i64')
    f.set(restHigh, start.high)
    f.set(restLow, start.low)
    const setRest = (value: Wide): void => { f.set(restHigh, value.high); f.set(restLow, value.low) }
    f.block((done) => {
      f.loop((again) => {
        f.brIf(done, i64.geS(restHigh, i64.const(0)))
        // (root − 1)² = root² − (2 root − 1)
        f.set(root, i64.sub(root, i64.const(1)))
        setRest(add128(f, { high: restHigh, low: restLow }, { high: i64.shrU(root, i64.const(63)), low: f.let(i64.or(i64.shl(root, i64.const(1)), i64.const(1))) }))
        f.br(again)
      })
    })
    f.block((done) => {
      f.loop((again) => {
        const twiceHigh = f.let(i64.shrU(root, i64.const(63)))
        const twiceLow = f.let(i64.shl(root, i64.const(1)))
        const more = i32.or(i64.gtU(restHigh, twiceHigh), i32.and(i64.eq(restHigh, twiceHigh), i64.gtU(restLow, twiceLow)))
        f.brIf(done, i32.eqz(more))
        setRest(sub128(f, { high: restHigh, low: restLow }, { high: twiceHigh, low: i64.or(twiceLow, i64.const(1)) }))
        f.set(root, i64.add(root, i64.const(1)))
        f.br(again)
      })
    })
    // (root + ½)² = root² + root + ¼: above the half if rest > root.
    const above = i32.or(isNonZero(restHigh), i64.gtU(restLow, root))
    const kind = select(isNonZero(i64.or(restHigh, restLow)), select(above, i64.const(2), i64.const(1)), i64.const(0))
    f.i64Store(ZERO_ADDRESS, FLOAT_REMAINDER, kind)
    f.return(root)
  })
}

export const defineWide = (module: ModuleBuilder): void => {
  defineDivide(module)
  defineSquareRoot(module)
}
