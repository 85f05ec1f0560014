/** Shifts and rotates (Intel SDM volume 2: SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR, SHLD, SHRD). */
import { AF, CF, FLAG_AUX, OF } from '../cpu/layout.ts'
import { type Expr, i32, i64, select } from '../wasm/expression.ts'
import type { Emitter, Semantics } from './emitter.ts'
import type { Family } from './registry.ts'

/** The count, masked to 5 bits, 6 for 64-bit operands, i64. */
const countOf = (e: Emitter, at: number): Expr => e.f.let(i64.and(e.read(at, e.operands[at].kind === 'r' ? 1 : undefined), i64.const(e.size === 8 ? 63 : 31)))

const bit = (value: Expr, number: number): Expr => i32.wrap(i64.and(i64.shrU(value, i64.const(number)), i64.const(1)))
const place = (flag: Expr, position: number): Expr => i32.shl(flag, i32.const(position))

/** Count 0 changes no flag (but still writes memory, and clears the upper half of a 32-bit register); else AF, undefined, is set as on AMD processors. */
const shift = (
  operate: (e: Emitter, value: Expr, count: Expr) => Expr,
  flags: (e: Emitter, value: Expr, count: Expr, result: Expr) => { cf: Expr, of: Expr },
): Semantics => (e) => {
  const count = countOf(e, 1)
  let value: Expr | undefined
  let result: Expr | undefined
  e.modify(0, (old) => { value = old; result = e.f.let(e.trunc(operate(e, old, count))); return result })
  e.f.if(i64.ne(count, i64.const(0)), () => {
    const { cf, of } = flags(e, value as Expr, count, result as Expr)
    e.setFlags(result as Expr, i32.or(i32.or(cf, i32.const(AF)), place(of, 11)))
  })
}

/** Rotates change CF and OF only. */
const setCfOf = (e: Emitter, cf: Expr, of: Expr): void => {
  const kept = i32.and(e.state32(FLAG_AUX), i32.const(~(CF | OF)))
  e.setState32(FLAG_AUX, i32.or(i32.or(kept, cf), place(of, 11)))
}

const rotate = (left: boolean): Semantics => (e) => {
  const count = countOf(e, 1)
  let result: Expr | undefined
  e.modify(0, (old) => {
    const by = e.f.let(i64.and(count, i64.const(e.bits - 1)))
    if (e.size === 8) {
      result = e.f.let(left ? i64.rotl(old, by) : i64.rotr(old, by))
    } else {
      const back = i64.and(i64.sub(i64.const(e.bits), by), i64.const(63))
      result = e.f.let(e.trunc(left
        ? i64.or(i64.shl(old, by), i64.shrU(old, back))
        : i64.or(i64.shrU(old, by), i64.shl(old, back))))
    }
    return result
  })
  e.f.if(i64.ne(count, i64.const(0)), () => {
    const top = e.f.let(bit(result as Expr, e.bits - 1))
    if (left) {
      const cf = e.f.let(bit(result as Expr, 0))
      setCfOf(e, cf, i32.xor(top, cf))
    } else {
      setCfOf(e, top, i32.xor(top, bit(result as Expr, e.bits - 2)))
    }
  })
}

/** Rotates through CF: bits + 1 positions. */
const rotateCarry = (left: boolean): Semantics => (e) => {
  const masked = countOf(e, 1)
  const count = e.size >= 4 ? masked : e.f.let(i64.remU(masked, i64.const(e.bits + 1)))
  const carry = e.f.let(i64.extendI32U(e.cf()))
  let value: Expr | undefined
  let result: Expr | undefined
  e.modify(0, (old) => {
    value = old
    const less = i64.sub(count, i64.const(1))
    const back = e.f.let(i64.sub(i64.const(e.bits + 1), count))
    // Shifts by 64 count as 0 in Wasm: the wrapped part is empty for a count of 1.
    const wrapped = e.f.let(select(i64.eq(count, i64.const(1)), i64.const(0), left ? i64.shrU(old, back) : i64.shl(old, back)))
    const moved = left ? i64.shl(old, count) : i64.shrU(old, count)
    const inserted = left ? i64.shl(carry, less) : i64.shl(carry, i64.sub(i64.const(e.bits), count))
    result = e.f.let(select(i64.eqz(count), old, e.trunc(i64.or(i64.or(moved, wrapped), inserted))))
    return result
  })
  // A count of 8 or 16 bits that comes to nothing after the reduction leaves CF but still sets OF.
  e.f.if(i64.ne(masked, i64.const(0)), () => {
    const old = value as Expr
    const at = left ? i64.sub(i64.const(e.bits), count) : i64.sub(count, i64.const(1))
    const moved = i64.and(i64.shrU(old, at), i64.const(1))
    const cf = e.f.let(i32.wrap(e.size >= 4 ? moved : select(i64.eqz(count), carry, moved)))
    const top = bit(result as Expr, e.bits - 1)
    setCfOf(e, cf, i32.xor(top, left ? cf : bit(result as Expr, e.bits - 2)))
  })
}

/**
 * SHLD and SHRD. What is undefined is as on AMD processors: AF is set; OF for counts above 1 compares the result's sign
 * with CF (SHLD) or with the bit below it (SHRD), which is the same as a change of sign for 1; 16-bit operands take
 * counts above 16 as if the source were there twice, with CF clear; OF of SHLD is CF from 16 on.
 */
const doubleShift = (left: boolean): Semantics => (e) => {
  const count = countOf(e, 2)
  const source = e.read(1)
  const { f } = e
  let wide: Expr | undefined
  let value: Expr | undefined
  let result: Expr | undefined
  e.modify(0, (old) => {
    value = old
    const back = i64.and(i64.sub(i64.const(e.bits), count), i64.const(63))
    let joined: Expr
    if (e.size === 2) {
      const twice = i64.or(source, i64.shl(source, i64.const(16)))
      wide = f.let(left ? i64.or(i64.shl(old, i64.const(32)), twice) : i64.or(i64.shl(twice, i64.const(16)), old))
      joined = left ? i64.shrU(i64.shl(wide, count), i64.const(32)) : i64.shrU(wide, count)
    } else {
      joined = left ? i64.or(i64.shl(old, count), i64.shrU(source, back)) : i64.or(i64.shrU(old, count), i64.shl(source, back))
    }
    result = f.let(select(i64.eqz(count), old, e.trunc(joined)))
    return result
  })
  f.if(i64.ne(count, i64.const(0)), () => {
    const from = wide ?? value as Expr
    const at = left ? i64.sub(i64.const(wide === undefined ? e.bits : 48), count) : i64.sub(count, i64.const(1))
    let cf = i32.wrap(i64.and(i64.shrU(from, at), i64.const(1)))
    const within = e.size === 2 ? f.let(i64.leU(count, i64.const(16))) : undefined
    cf = f.let(within === undefined ? cf : i32.and(cf, within))
    let sign = bit(result as Expr, e.bits - 1)
    if (left && e.size === 2) sign = i32.and(sign, i64.ltU(count, i64.const(16)))
    const of = i32.xor(sign, left ? cf : bit(result as Expr, e.bits - 2))
    e.setFlags(result as Expr, i32.or(i32.or(cf, i32.const(AF)), place(of, 11)))
  })
}

export const SHIFTS: Family = {
  shl: shift((_, value, count) => i64.shl(value, count), (e, value, count, result) => {
    const cf = e.f.let(bit(i64.shl(value, i64.sub(count, i64.const(1))), e.bits - 1))
    return { cf, of: i32.xor(cf, bit(result, e.bits - 1)) }
  }),
  shr: shift((_, value, count) => i64.shrU(value, count), (e, value, count, result) => ({
    cf: i32.wrap(i64.and(i64.shrU(value, i64.sub(count, i64.const(1))), i64.const(1))),
    of: i32.xor(bit(result, e.bits - 1), bit(result, e.bits - 2)),
  })),
  sar: shift((e, value, count) => i64.shrS(e.signed(value), count), (e, value, count) => ({
    cf: i32.wrap(i64.and(i64.shrS(e.signed(value), i64.sub(count, i64.const(1))), i64.const(1))),
    of: i32.const(0),
  })),
  rol: rotate(true), ror: rotate(false), rcl: rotateCarry(true), rcr: rotateCarry(false),
  shld: doubleShift(true), shrd: doubleShift(false),
}
