/**
 * 128-bit fixed point for the transcendental functions: numbers in 16-byte slots of memory, low word first. Between steps
 * a finite positive value is a slot with bit 127 set and an exponent: (slot / 2^128) × 2^exponent.
 */
import { CONSTANTS } from '../cpu/layout.ts'
import { type Expr, i32, i64, select } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { FLOAT_SLOTS } from './constants.ts'
import { TOP_BIT, type Wide, add128, bool64, isNonZero, multiply64, shiftLeft128, shiftRightJam128, sub128 } from './wide.ts'

/** Slots of the float functions' scratch area: the first two belong to the semantics. */
export const slot = (index: number): Expr => i32.const(FLOAT_SLOTS + 32 + index * 16)

export const loadWide = (f: FunctionBuilder, address: Expr): Wide => {
  const low = f.let(i64.load(address))
  return { high: f.let(i64.load(address, 8)), low }
}
export const storeWide = (f: FunctionBuilder, address: Expr, { high, low }: Wide): void => {
  f.i64Store(address, 0, low)
  f.i64Store(address, 8, high)
}

/** (a × b) >> 128, at most 3 too small. Both bound. */
export const multiplyHigh128 = (f: FunctionBuilder, a: Wide, b: Wide): Wide => {
  const zero = i64.const(0)
  const top = multiply64(f, a.high, b.high)
  const one = add128(f, top, { high: zero, low: multiply64(f, a.high, b.low).high })
  return add128(f, one, { high: zero, low: multiply64(f, a.low, b.high).high })
}

/** value >> count, for any count ≥ 0. */
export const shiftRight128 = (f: FunctionBuilder, value: Wide, count: Expr): Wide => {
  const shifted = shiftRightJam128(f, value, count)
  return { high: shifted.high, low: f.let(i64.and(shifted.low, i64.const(-2))) }
}

/** value << its leading zeros, and how many they are (127 for the value 1; not for 0). */
export const normalize128 = (f: FunctionBuilder, value: Wide): { value: Wide, zeros: Expr } => {
  const deep = f.let(i64.eqz(value.high))
  const high = f.let(select(deep, value.low, value.high))
  const low = f.let(select(deep, i64.const(0), value.low))
  const zeros = f.let(i32.wrap(i64.clz(high)))
  return { value: shiftLeft128(f, { high, low }, zeros), zeros: f.let(i32.add(zeros, i32.shl(deep, i32.const(6)))) }
}

export const isLess128 = (a: Wide, b: Wide): Expr =>
  i32.or(i64.ltU(a.high, b.high), i32.and(i64.eq(a.high, b.high), i64.ltU(a.low, b.low)))

// ——— Tables: made when the module is, with integers of any size ———

const TABLES = CONSTANTS + 0x4000
const ENTRY = 16
export const ONE_128 = 1n << 128n

/** Places tables of 128-bit entries one after the other. */
export class Tables {
  readonly #bytes: number[] = []

  /** Address of the table. */
  add(entries: readonly bigint[]): number {
    const at = TABLES + this.#bytes.length
    for (const entry of entries) {
      if (entry < 0n || entry >= ONE_128) throw new RangeError(`constant ${entry} has more than 128 bits`)
      for (let i = 0n; i < 128n; i += 8n) this.#bytes.push(Number((entry >> i) & 0xffn))
    }
    return at
  }

  define(module: ModuleBuilder): void { module.data(TABLES, new Uint8Array(this.#bytes)) }
}
export const entryOf = (table: number, index: Expr): Expr => i32.add(i32.const(table), i32.mul(index, i32.const(ENTRY)))

export const defineFixed = (module: ModuleBuilder): void => {
  /** (dst, a, b): dst = (a × b) >> 128. */
  module.function('fixed_multiply', signature(['i32', 'i32', 'i32']), (f) => {
    const [dst, a, b] = f.params
    storeWide(f, dst, multiplyHigh128(f, loadWide(f, a), loadWide(f, b)))
  })
  /**
   * (dst, z, table, count, subtract): c[0] ± z·(c[1] ± z·(c[2] … c[count])), by Horner's scheme. z is a fraction of 128 bits;
   * coefficients and the sum are below 2, with 127 bits behind the point.
   */
  module.function('fixed_series', signature(['i32', 'i32', 'i32', 'i32', 'i32']), (f) => {
    const [dst, zAddress, table, count, subtract] = f.params
    const z = loadWide(f, zAddress)
    const at = f.local('i32')
    f.set(at, i32.add(table, i32.shl(count, i32.const(4))))
    const high = f.local('i64')
    const low = f.local('i64')
    const set = (value: Wide): void => { f.set(high, value.high); f.set(low, value.low) }
    set(loadWide(f, at))
    f.loop((again) => {
      f.set(at, i32.sub(at, i32.const(ENTRY)))
      const product = multiplyHigh128(f, { high, low }, z)
      const coefficient = loadWide(f, at)
      f.if(subtract, () => { set(sub128(f, coefficient, product)) }, () => { set(add128(f, coefficient, product)) })
      f.brIf(again, i32.gtU(at, table))
    })
    storeWide(f, dst, { high, low })
  })
  /** (dst, n, d): floor(n × 2^128 / d), for n < d; a bit at a time. */
  module.function('fixed_divide', signature(['i32', 'i32', 'i32']), (f) => {
    const [dst, n, d] = f.params
    const start = loadWide(f, n)
    const divisor = loadWide(f, d)
    const high = f.local('i64')
    const low = f.local('i64')
    const set = (value: Wide): void => { f.set(high, value.high); f.set(low, value.low) }
    set(start)
    const quotientHigh = f.local('i64')
    const quotientLow = f.local('i64')
    const count = f.local('i32')
    f.set(count, i32.const(128))
    f.loop((again) => {
      const carry = f.let(isNonZero(i64.and(high, TOP_BIT)))
      set(shiftLeft128(f, { high, low }, i32.const(1)))
      const bit = f.let(i32.or(carry, i32.eqz(isLess128({ high, low }, divisor))))
      f.if(bit, () => { set(sub128(f, { high, low }, divisor)) })
      f.set(quotientHigh, i64.or(i64.shl(quotientHigh, i64.const(1)), i64.shrU(quotientLow, i64.const(63))))
      f.set(quotientLow, i64.or(i64.shl(quotientLow, i64.const(1)), bool64(bit)))
      f.set(count, i32.sub(count, i32.const(1)))
      f.brIf(again, count)
    })
    storeWide(f, dst, { high: quotientHigh, low: quotientLow })
  })
}
