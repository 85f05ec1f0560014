/** Branches, calls, returns, loops. */
import { RCX, RSP } from '../cpu/layout.ts'
import { type Expr, i32, i64 } from '../wasm/expression.ts'
import type { Emitter, Semantics } from './emitter.ts'
import type { Family } from './registry.ts'

const conditionals: Record<string, Semantics> = {}
for (let code = 0; code < 16; code++) conditionals[`j_${code}`] = (e) => { e.branch(e.condition(code)) }

const pushReturn = (e: Emitter): void => {
  const rsp = e.f.let(i64.sub(e.gpr(RSP), i64.const(8)))
  e.store(rsp, 8, e.nextRip())
  e.setGpr(RSP, rsp)
}

const ret = (e: Emitter, extra: Expr): void => {
  const rsp = e.gpr(RSP)
  const target = e.load(rsp, 8)
  e.checkCanonical(target)
  e.setGpr(RSP, i64.add(i64.add(rsp, i64.const(8)), extra))
  e.jump(target)
}

/** LOOP, LOOPE, LOOPNE: the count register is rcx, or ecx with 67. */
const loop = (address32: boolean, condition: (e: Emitter) => Expr): Semantics => (e) => {
  const size = address32 ? 4 : 8
  const count = e.f.let(e.trunc(i64.sub(e.gpr(RCX, size), i64.const(1)), size))
  e.setGpr(RCX, count, size)
  e.branch(i32.and(i64.ne(count, i64.const(0)), condition(e)))
}

const always = (): Expr => i32.const(1)
const equal = (e: Emitter): Expr => e.zf()
const notEqual = (e: Emitter): Expr => i32.eqz(e.zf())

export const CONTROL: Family = {
  ...conditionals,
  jmp: (e) => { e.branchAlways() },
  call: (e) => {
    pushReturn(e)
    e.branchAlways()
  },
  jmp_indirect: (e) => {
    const target = e.read(0)
    e.checkCanonical(target)
    e.jump(target)
  },
  call_indirect: (e) => {
    const target = e.read(0)
    // That the push can be done comes first.
    const isCanonical = e.isCanonical(target)
    e.f.if(i32.eqz(isCanonical), () => {
      e.probeWrite(e.f.let(i64.sub(e.gpr(RSP), i64.const(8))), 8)
      e.fault(13, i32.const(0))
    })
    pushReturn(e)
    e.jump(target)
  },
  ret: (e) => { ret(e, i64.const(0)) },
  ret_immediate: (e) => { ret(e, e.read(0)) },
  loop: loop(false, always), loope: loop(false, equal), loopne: loop(false, notEqual),
  loop_a32: loop(true, always), loope_a32: loop(true, equal), loopne_a32: loop(true, notEqual),
  jrcxz: (e) => { e.branch(i64.eqz(e.gpr(RCX))) },
  jrcxz_a32: (e) => { e.branch(i64.eqz(e.gpr(RCX, 4))) },
}
