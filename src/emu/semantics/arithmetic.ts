/** ADD … CMP, INC, DEC, NEG, NOT, TEST. */
import { type Expr, i64 } from '../wasm/expression.ts'
import type { Emitter, Semantics } from './emitter.ts'
import type { Family } from './registry.ts'

/** dst = dst op src with flags from both operands and the result. */
const binary = (
  operate: (e: Emitter, a: Expr, b: Expr) => Expr,
  flags: (e: Emitter, a: Expr, b: Expr, result: Expr) => void,
): Semantics => (e) => {
  const b = e.read(1)
  let a: Expr | undefined
  let result: Expr | undefined
  e.modify(0, (old) => {
    a = old
    result = e.f.let(e.trunc(operate(e, old, b)))
    return result
  })
  flags(e, a as Expr, b, result as Expr)
}

const carry = (e: Emitter): Expr => i64.extendI32U(e.cf())

export const ARITHMETIC: Family = {
  add: binary((_, a, b) => i64.add(a, b), (e, a, b, r) => { e.setFlagsAdd(a, b, r) }),
  adc: binary((e, a, b) => i64.add(i64.add(a, b), carry(e)), (e, a, b, r) => { e.setFlagsAdc(a, b, r) }),
  sub: binary((_, a, b) => i64.sub(a, b), (e, a, b, r) => { e.setFlagsSub(a, b, r) }),
  sbb: binary((e, a, b) => i64.sub(i64.sub(a, b), carry(e)), (e, a, b, r) => { e.setFlagsSbb(a, b, r) }),
  and: binary((_, a, b) => i64.and(a, b), (e, _a, _b, r) => { e.setFlagsLogic(r) }),
  or: binary((_, a, b) => i64.or(a, b), (e, _a, _b, r) => { e.setFlagsLogic(r) }),
  xor: binary((_, a, b) => i64.xor(a, b), (e, _a, _b, r) => { e.setFlagsLogic(r) }),
  cmp: (e) => {
    const a = e.read(0)
    const b = e.read(1)
    e.setFlagsSub(a, b, e.f.let(e.trunc(i64.sub(a, b))))
  },
  test: (e) => {
    const a = e.read(0)
    e.setFlagsLogic(e.f.let(i64.and(a, e.read(1))))
  },
  inc: (e) => {
    let a: Expr | undefined
    let result: Expr | undefined
    e.modify(0, (old) => { a = old; result = e.f.let(e.trunc(i64.add(old, i64.const(1)))); return result })
    e.setFlagsIncDec(a as Expr, result as Expr, true)
  },
  dec: (e) => {
    let a: Expr | undefined
    let result: Expr | undefined
    e.modify(0, (old) => { a = old; result = e.f.let(e.trunc(i64.sub(old, i64.const(1)))); return result })
    e.setFlagsIncDec(a as Expr, result as Expr, false)
  },
  neg: (e) => {
    let a: Expr | undefined
    let result: Expr | undefined
    e.modify(0, (old) => { a = old; result = e.f.let(e.trunc(i64.sub(i64.const(0), old))); return result })
    e.setFlagsSub(i64.const(0), a as Expr, result as Expr)
  },
  not: (e) => { e.modify(0, (old) => i64.xor(old, i64.const(-1))) },
}
