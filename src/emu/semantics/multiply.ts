/** MUL, IMUL, DIV, IDIV and the sign extensions of the accumulator. 128-bit arithmetic is in `wide.ts`. */
import { AF, CF, FLAG_AUX, FLAG_RESULT, OF, RAX, RDX, SCRATCH } from '../cpu/layout.ts'
import { type Expr, i32, i64 } from '../wasm/expression.ts'
import type { Emitter, Semantics } from './emitter.ts'
import type { Family } from './registry.ts'

/** CF = OF = the high half is more than a sign or zero extension; the others, undefined, stay as they are. */
const setOverflow = (e: Emitter, overflow: Expr): void => {
  const kept = i32.and(e.state32(FLAG_AUX), i32.const(~(CF | OF)))
  e.setState32(FLAG_AUX, i32.or(kept, i32.mul(overflow, i32.const(CF | OF))))
}

/** Accumulator and high half for the one-operand forms: AX for bytes, else rDX:rAX. */
const writeWide = (e: Emitter, low: Expr, high: Expr): void => {
  if (e.size === 1) {
    e.setGpr(RAX, i64.or(i64.and(low, i64.const(0xff)), i64.shl(high, i64.const(8))), 2)
  } else {
    e.setGpr(RAX, low, e.size)
    e.setGpr(RDX, high, e.size)
  }
}

const wideMultiply = (signed: boolean): Semantics => (e) => {
  const source = e.read(0)
  const accumulator = e.gpr(RAX, e.size)
  if (e.size === 8) {
    const low = e.f.let(i64.mul(accumulator, source))
    const high = e.f.let(e.call(signed ? 'multiply_high_signed' : 'multiply_high', accumulator, source))
    writeWide(e, low, high)
    const trivial = signed ? i64.shrS(low, i64.const(63)) : i64.const(0)
    setOverflow(e, i64.ne(high, trivial))
    return
  }
  const product = e.f.let(signed ? i64.mul(e.signed(accumulator), e.signed(source)) : i64.mul(accumulator, source))
  const low = e.f.let(e.trunc(product))
  const high = e.f.let(e.trunc(i64.shrU(product, i64.const(e.bits))))
  writeWide(e, low, high)
  setOverflow(e, i64.ne(product, signed ? e.signed(low) : low))
}

/** IMUL with two or three operands. */
const multiply = (a: number, b: number): Semantics => (e) => {
  const x = e.f.let(e.signed(e.read(a)))
  const y = e.f.let(e.signed(e.read(b)))
  const product = e.f.let(i64.mul(x, y))
  const low = e.f.let(e.trunc(product))
  e.write(0, low)
  const overflow = e.size === 8
    ? i64.ne(e.call('multiply_high_signed', x, y), i64.shrS(product, i64.const(63)))
    : i64.ne(product, e.signed(low))
  setOverflow(e, overflow)
}

/** The flags, undefined by the manual, are as on AMD processors: CF and OF stay, AF is set, the others are clear. */
const divide = (signed: boolean): Semantics => (e) => {
  divideAccumulator(e, signed)
  e.setState64(FLAG_RESULT, i64.const(1))
  e.setState32(FLAG_AUX, i32.or(i32.and(e.state32(FLAG_AUX), i32.const(CF | OF)), i32.const(AF)))
}

const divideAccumulator = (e: Emitter, signed: boolean): void => {
  const { f } = e
  const divisor = e.read(0)
  e.faultIf(i64.eqz(divisor), 0)
  if (e.size === 8) {
    const high = e.gpr(RDX)
    const low = e.gpr(RAX)
    if (signed) {
      // divide_signed leaves 0 at SCRATCH + 8 if the quotient does not fit.
      const quotient = f.let(e.call('divide_signed', high, low, divisor))
      e.faultIf(i32.eqz(i32.load(i32.const(0), SCRATCH + 8)), 0)
      e.setGpr(RAX, quotient)
    } else {
      e.faultIf(i64.geU(high, divisor), 0)
      const quotient = f.let(e.call('divide', high, low, divisor))
      e.setGpr(RAX, quotient)
    }
    e.setGpr(RDX, i64.load(i32.const(0), SCRATCH))
    return
  }
  const dividend = f.let(e.size === 1
    ? e.gpr(RAX, 2)
    : i64.or(e.gpr(RAX, e.size), i64.shl(e.gpr(RDX, e.size), i64.const(e.bits))))
  if (signed) {
    const by = f.let(e.signed(divisor))
    const wide = f.let(e.size === 4 ? dividend : e.signed(dividend, e.size * 2))
    // −2^63 / −1 traps in Wasm; it does not fit here either.
    e.faultIf(i32.and(i64.eq(by, i64.const(-1)), i64.eq(wide, i64.const(-(1n << 63n)))), 0)
    const quotient = f.let(i64.divS(wide, by))
    e.faultIf(i64.ne(quotient, e.signed(quotient)), 0)
    writeWide(e, quotient, e.trunc(i64.remS(wide, by)))
  } else {
    const quotient = f.let(i64.divU(dividend, divisor))
    e.faultIf(i64.ne(quotient, e.trunc(quotient)), 0)
    writeWide(e, quotient, i64.remU(dividend, divisor))
  }
}

export const MULTIPLY: Family = {
  mul: wideMultiply(false),
  imul1: wideMultiply(true),
  imul2: multiply(0, 1),
  imul3: multiply(1, 2),
  div: divide(false),
  idiv: divide(true),
  /** CBW, CWDE, CDQE. */
  sign_extend_a: (e) => { e.setGpr(RAX, e.signed(e.gpr(RAX, e.size / 2), e.size / 2), e.size) },
  /** CWD, CDQ, CQO. */
  sign_extend_d: (e) => { e.setGpr(RDX, i64.shrS(e.signed(e.gpr(RAX, e.size)), i64.const(63)), e.size) },
}
