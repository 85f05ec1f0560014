/** BMI1 and BMI2, those with a VEX prefix (Intel SDM volume 2). Flags that the manual leaves undefined are as on AMD processors. */
import { AF, RDX } from '../cpu/layout.ts'
import { type Expr, i32, i64, select } from '../wasm/expression.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import type { Emitter, Semantics } from './emitter.ts'
import type { Family } from './registry.ts'

/** extract_bits(source, mask) and deposit_bits(source, mask): a round for each bit of the mask. */
export const defineBitFields = (module: ModuleBuilder): void => {
  for (const name of ['extract_bits', 'deposit_bits']) {
    module.function(name, signature(['i64', 'i64'], ['i64']), (f) => {
      const [source] = f.params
      const mask = f.local('i64')
      const rest = f.local('i64')
      const bit = f.local('i64')
      const result = f.local('i64')
      f.set(mask, f.params[1])
      f.set(rest, source)
      f.set(bit, i64.const(1))
      f.block((done) => {
        f.loop((again) => {
          f.brIf(done, i64.eqz(mask))
          const lowest = f.let(i64.and(mask, i64.sub(i64.const(0), mask)))
          if (name === 'extract_bits') f.set(result, i64.or(result, select(i64.eqz(i64.and(source, lowest)), i64.const(0), bit)))
          else f.set(result, i64.or(result, i64.and(lowest, i64.sub(i64.const(0), i64.and(rest, i64.const(1))))))
          f.set(bit, i64.shl(bit, i64.const(1)))
          f.set(rest, i64.shrU(rest, i64.const(1)))
          f.set(mask, i64.and(mask, i64.sub(mask, i64.const(1))))
          f.br(again)
        })
      })
      f.return(result)
    })
  }
}

const MINUS_ONE = i64.const(-1)
const minusOne = (value: Expr): Expr => i64.sub(value, i64.const(1))

/** Of the lowest bit that is set: `vvvv` gets what is made of the source. CF: whether that is zero, or is not. */
const lowest = (make: (source: Expr) => Expr, carryIfZero: boolean): Semantics => (e) => {
  const source = e.read(1)
  const result = e.f.let(e.trunc(make(source)))
  e.write(0, result)
  e.setFlags(result, carryIfZero ? i64.eqz(source) : i64.ne(source, i64.const(0)))
}

/** Shifts without flags by the low bits of a register. */
const shift = (operation: (e: Emitter, value: Expr, count: Expr) => Expr): Semantics => (e) => {
  const count = i64.and(e.read(2), i64.const(e.bits - 1))
  e.write(0, e.f.let(operation(e, e.read(1), count)))
}

const bitField = (name: string): Semantics => (e) => {
  const mask = e.read(2)
  e.write(0, e.f.let(e.call(name, e.read(1), mask)))
}

/** The low `count` bits (i64, 0–255) of a value; from 64 on, all. */
const lowBits = (value: Expr, count: Expr): Expr =>
  select(i64.gtU(count, i64.const(63)), value, i64.and(value, minusOne(i64.shl(i64.const(1), count))))

export const BMI: Family = {
  andn: (e) => {
    const b = e.read(2)
    const result = e.f.let(e.trunc(i64.and(i64.xor(e.read(1), MINUS_ONE), b)))
    e.write(0, result)
    e.setFlagsLogic(result)
  },
  blsr: lowest((source) => i64.and(source, minusOne(source)), true),
  blsmsk: lowest((source) => i64.xor(source, minusOne(source)), true),
  blsi: lowest((source) => i64.and(source, i64.sub(i64.const(0), source)), false),
  bzhi: (e) => {
    const source = e.read(1)
    const count = e.f.let(i64.and(e.read(2), i64.const(0xff)))
    const result = e.f.let(lowBits(source, count))
    e.write(0, result)
    e.setFlags(result, i64.gtU(count, i64.const(e.bits - 1)))
  },
  /** From bit START (bits 0–7 of the control) LENGTH bits (8–15). */
  bextr: (e) => {
    const source = e.read(1)
    const control = e.read(2)
    const start = e.f.let(i64.and(control, i64.const(0xff)))
    const count = e.f.let(i64.and(i64.shrU(control, i64.const(8)), i64.const(0xff)))
    const from = e.f.let(select(i64.gtU(start, i64.const(63)), i64.const(0), i64.shrU(source, start)))
    const result = e.f.let(lowBits(from, count))
    e.write(0, result)
    // AF is set and SF clear; what is not zero has a bit that is neither sign nor in the byte of the parity.
    e.setFlags(select(i64.eqz(result), i64.const(0), i64.or(i64.and(result, i64.const(0xff)), i64.const(0x100))), i32.const(AF), 8)
  },
  pext: bitField('extract_bits'), pdep: bitField('deposit_bits'),
  shlx: shift((_, value, count) => i64.shl(value, count)),
  shrx: shift((_, value, count) => i64.shrU(value, count)),
  sarx: shift((e, value, count) => i64.shrS(e.signed(value), count)),
  rorx: (e) => {
    const value = e.read(1)
    const count = i64.and(e.read(2), i64.const(e.bits - 1))
    // 32 bits twice over: what is shifted out of the lower half comes from the upper one.
    e.write(0, e.size === 8 ? i64.rotr(value, count) : i64.shrU(i64.or(value, i64.shl(value, i64.const(32))), count))
  },
  /** RDX × the source: the upper half to the first operand, even if it is the second as well. */
  mulx: (e) => {
    const b = e.read(2)
    const a = e.gpr(RDX, e.size)
    const high = e.f.let(e.size === 8 ? e.call('multiply_high', a, b) : i64.shrU(i64.mul(a, b), i64.const(32)))
    const low = e.f.let(i64.mul(a, b))
    e.write(1, low)
    e.write(0, high)
  },
}
