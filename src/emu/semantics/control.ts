/** Branches, calls, returns, loops. */
import { FLAG_OTHER, RCX, RSP } from '../cpu/layout.ts'
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

/** Linux's selectors for 64-bit code and for data. Others that could be returned to (32-bit code) are not supported: #GP. */
const USER_CS = 0x33, USER_SS = 0x2b
const NT = 0x4000, ABOVE_16_BITS = 0x240000

const checkSelector = (e: Emitter, selector: Expr, expected: number): void => {
  const value = e.f.let(i64.and(selector, i64.const(0xffff)))
  e.f.if(i64.ne(value, i64.const(expected)), () => { e.fault(13, i32.wrap(i64.and(value, i64.const(0xfffc)))) })
}

/** Far RET to the same code segment, which is the one that there is. */
const retFar = (e: Emitter, extra: Expr): void => {
  const rsp = e.gpr(RSP)
  const cs = e.load(e.f.let(i64.add(rsp, i64.const(e.size))), e.size)
  const target = e.load(rsp, e.size)
  // To another privilege level, which is refused, but not before the other stack pointer was read.
  e.f.if(i64.ne(i64.and(cs, i64.const(3)), i64.const(3)), () => {
    const outer = e.f.let(i64.add(rsp, i64.add(i64.const(e.size * 2), extra)))
    e.load(e.f.let(i64.add(outer, i64.const(e.size))), e.size)
    e.load(outer, e.size)
  })
  checkSelector(e, cs, USER_CS)
  e.checkCanonical(target)
  e.setGpr(RSP, i64.add(i64.add(rsp, i64.const(e.size * 2)), extra))
  e.jump(target)
}

/** IRET at the same privilege: in 64-bit mode it pops rsp and ss as well (volume 2, IRET). */
const iret: Semantics = (e) => {
  e.faultIf(i32.and(e.state32(FLAG_OTHER), i32.const(NT)), 13)
  const rsp = e.gpr(RSP)
  // In this order, which a fault shows.
  const [flags, cs, target, ss, stack] = [2, 1, 0, 4, 3].map((i) => e.load(e.f.let(i64.add(rsp, i64.const(i * e.size))), e.size))
  checkSelector(e, cs, USER_CS)
  checkSelector(e, ss, USER_SS)
  e.checkCanonical(target)
  e.setGpr(RSP, stack)
  // The 16-bit form keeps AC and ID, which are above it.
  e.callVoid('write_rflags', e.size === 2 ? i64.or(flags, i64.extendI32U(i32.and(e.state32(FLAG_OTHER), i32.const(ABOVE_16_BITS)))) : flags)
  // As after POPF, the engine looks at TF.
  e.exit(0, target)
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
  ret_far: (e) => { retFar(e, i64.const(0)) },
  ret_far_immediate: (e) => { retFar(e, e.f.let(i64.and(e.read(1), i64.const(0xffff)))) },
  iret,
  loop: loop(false, always), loope: loop(false, equal), loopne: loop(false, notEqual),
  loop_a32: loop(true, always), loope_a32: loop(true, equal), loopne_a32: loop(true, notEqual),
  jrcxz: (e) => { e.branch(i64.eqz(e.gpr(RCX))) },
  jrcxz_a32: (e) => { e.branch(i64.eqz(e.gpr(RCX, 4))) },
}
