/** Moves, stack, exchange, conditional moves and sets, flag instructions. */
import { AF, CF, FLAG_OTHER, FS_BASE, GS_BASE, PF, RAX, RBP, RBX, RCX, RDX, RSP, SELECTORS, SF, ZF } from '../cpu/layout.ts'
import { type Expr, i32, i64 } from '../wasm/expression.ts'
import type { Emitter, Semantics } from './emitter.ts'
import { isMemory } from './emitter.ts'
import type { Family } from './registry.ts'

/** Of a 64-bit Linux process. */
const USER_CS = 0x33, USER_SS = 0x2b
export const ES = 0, CS = 1, SS = 2, DS = 3, FS = 4, GS = 5

export const setSelector = (e: Emitter, segment: number, selector: Expr): void => { e.f.i32Store16(i32.const(0), SELECTORS + segment * 2, i32.wrap(selector)) }
const selectorOf = (segment: Expr): Expr => i64.load16U(i32.shl(segment, i32.const(1)), SELECTORS)

const push = (e: Emitter, value: Expr, size: number): void => {
  const rsp = e.f.let(i64.sub(e.gpr(RSP), i64.const(size)))
  e.store(rsp, size, value)
  e.setGpr(RSP, rsp)
}

/** 2B, whatever the requested privilege level would be: Linux's user data segment, flat. */
export const isUserData = (selector: Expr): Expr => i64.eq(selector, i64.const(0x2b))
/** Null, or one of the segments of Linux that user mode can load for data: 32-bit and 64-bit code (readable), data, the processor's number. */
export const isLoadable = (selector: Expr): Expr => {
  const segment = i64.and(selector, i64.const(0xfffc))
  return [0x20, 0x28, 0x30, 0x78].reduce((any, known) => i32.or(any, i64.eq(segment, i64.const(known))), i64.eqz(segment))
}
/** #GP with the selector if it can't be loaded. All bases that can be loaded are 0. */
export const checkSelector = (e: Emitter, selector: Expr, loadable: Expr): void => {
  e.f.if(i32.eqz(loadable), () => { e.fault(13, i32.wrap(i64.and(selector, i64.const(0xfffc)))) })
}
const popSegment = (segment: number, base: number): Semantics => (e) => {
  const rsp = e.gpr(RSP)
  const selector = e.f.let(e.trunc(e.load(rsp, e.size), 2))
  checkSelector(e, selector, isLoadable(selector))
  e.setGpr(RSP, i64.add(rsp, i64.const(e.size)))
  e.setState64(base, i64.const(0))
  setSelector(e, segment, selector)
}
const pushSegment = (segment: number): Semantics => (e) => { push(e, selectorOf(i32.const(segment)), e.size) }

const conditionals: Record<string, Semantics> = {}
for (let code = 0; code < 16; code++) {
  // A 32-bit CMOV clears the upper half even if the condition does not hold; memory is read in any case.
  conditionals[`cmov_${code}`] = (e) => {
    const value = e.read(1)
    const old = e.read(0)
    e.write(0, e.choose(i32.ne(e.condition(code), i32.const(0)), value, old))
  }
  conditionals[`set_${code}`] = (e) => {
    e.write(0, i64.extendI32U(i32.ne(e.condition(code), i32.const(0))))
  }
}

const xlat = (address32: boolean): Semantics => (e) => {
  const source = e.f.let(i64.add(e.gpr(RBX), e.gpr(RAX, 1)))
  const segment = i64.sub(e.stringSource(address32), e.gpr(6, address32 ? 4 : 8))
  e.setGpr(RAX, e.load(i64.add(segment, address32 ? e.trunc(source, 4) : source), 1), 1)
}

export const DATA: Family = {
  ...conditionals,
  nop: () => {},
  mov: (e) => { e.write(0, e.read(1)) },
  movzx: (e) => { e.write(0, e.read(1)) },
  movsx: (e) => { e.write(0, e.readSigned(1)) },
  lea: (e) => { e.write(0, e.address(1)) },
  xchg: (e) => {
    const b = e.read(1)
    let a: Expr | undefined
    e.modify(0, (old) => { a = old; return b })
    e.write(1, a as Expr)
  },
  xadd: (e) => {
    const b = e.read(1)
    if (isMemory(e.operands[0])) {
      let a: Expr | undefined
      let result: Expr | undefined
      e.modify(0, (old) => { a = old; result = e.f.let(e.trunc(i64.add(old, b))); return result })
      e.write(1, a as Expr)
      e.setFlagsAdd(a as Expr, b, result as Expr)
    } else {
      const a = e.read(0)
      const result = e.f.let(e.trunc(i64.add(a, b)))
      // With one register twice the sum stays.
      e.write(1, a)
      e.write(0, result)
      e.setFlagsAdd(a, b, result)
    }
  },
  cmpxchg: (e) => {
    const accumulator = e.gpr(RAX, e.size)
    const source = e.read(1)
    if (!isMemory(e.operands[0])) {
      // A register is written only if equal: with 32 bits its upper half stays otherwise.
      const value = e.read(0)
      const result = e.f.let(e.trunc(i64.sub(accumulator, value)))
      e.f.if(i64.eqz(result), () => { e.write(0, source) }, () => { e.setGpr(RAX, value, e.size) })
      e.setFlagsSub(accumulator, value, result)
      return
    }
    let old: Expr | undefined
    let equal: Expr | undefined
    e.modify(0, (value) => {
      old = value
      equal = e.f.let(i64.eq(accumulator, value))
      return e.choose(equal, source, value)
    })
    const result = e.f.let(e.trunc(i64.sub(accumulator, old as Expr)))
    e.f.if(i32.eqz(equal as Expr), () => { e.setGpr(RAX, old as Expr, e.size) })
    e.setFlagsSub(accumulator, old as Expr, result)
  },
  cmpxchg8b: (e) => {
    const expected = e.f.let(i64.or(e.gpr(RAX, 4), i64.shl(e.gpr(RDX, 4), i64.const(32))))
    const replacement = e.f.let(i64.or(e.gpr(RBX, 4), i64.shl(e.gpr(RCX, 4), i64.const(32))))
    let old: Expr | undefined
    let equal: Expr | undefined
    e.modify(0, (value) => {
      old = value
      equal = e.f.let(i64.eq(expected, value))
      return e.choose(equal, replacement, value)
    })
    e.f.if(i32.eqz(equal as Expr), () => {
      e.setGpr(RAX, old as Expr, 4)
      e.setGpr(RDX, i64.shrU(old as Expr, i64.const(32)), 4)
    })
    // Only ZF changes.
    e.setAllFlags({ cf: e.f.let(e.cf()), pf: e.f.let(e.pf()), af: e.f.let(e.af()), zf: equal as Expr, sf: e.f.let(e.sf()), of: e.f.let(e.of()) })
  },
  push: (e) => { push(e, e.read(0), e.size) },
  push_immediate: (e) => { push(e, e.read(1), e.size) },
  push_fs: pushSegment(FS), push_gs: pushSegment(GS),
  pop: (e) => {
    const rsp = e.gpr(RSP)
    const value = e.load(rsp, e.size)
    const next = e.f.let(i64.add(rsp, i64.const(e.size)))
    if (isMemory(e.operands[0])) {
      e.write(0, value)
      e.setGpr(RSP, next)
    } else {
      // POP RSP leaves what was popped.
      e.setGpr(RSP, next)
      e.write(0, value)
    }
  },
  pop_fs: popSegment(FS, FS_BASE),
  pop_gs: popSegment(GS, GS_BASE),
  mov_from_segment: (e) => {
    const number = e.f.let(e.stackIndex(1))
    const fixed = e.choose(i32.eq(number, i32.const(CS)), i64.const(USER_CS), i64.const(USER_SS))
    e.faultIf(i32.gtU(number, i32.const(5)), 6)
    e.write(0, e.choose(i32.or(i32.eq(number, i32.const(CS)), i32.eq(number, i32.const(SS))), fixed, selectorOf(number)))
  },
  mov_to_segment: (e) => {
    const number = e.f.let(e.stackIndex(0))
    e.faultIf(i32.or(i32.eq(number, i32.const(1)), i32.gtU(number, i32.const(5))), 6)
    const selector = e.read(1)
    // The stack segment is none but user data; a null selector would do for the kernel only.
    const isStack = i32.eq(number, i32.const(2))
    checkSelector(e, selector, i32.or(isUserData(selector), i32.and(isLoadable(selector), i32.eqz(isStack))))
    e.f.if(i32.eq(number, i32.const(4)), () => { e.setState64(FS_BASE, i64.const(0)) })
    e.f.if(i32.eq(number, i32.const(5)), () => { e.setState64(GS_BASE, i64.const(0)) })
    e.f.if(i32.eqz(isStack), () => { e.f.i32Store16(i32.shl(number, i32.const(1)), SELECTORS, i32.wrap(selector)) })
  },
  pushf: (e) => {
    // RF and VM read as zero.
    push(e, e.call('read_rflags'), e.size)
  },
  popf: (e) => {
    const rsp = e.gpr(RSP)
    const value = e.load(rsp, e.size)
    e.setGpr(RSP, i64.add(rsp, i64.const(e.size)))
    // The 16-bit form keeps AC and ID, which are above it.
    const flags = e.size === 2 ? i64.or(value, i64.extendI32U(i32.and(e.state32(FLAG_OTHER), i32.const(0x240000)))) : value
    e.callVoid('write_rflags', flags)
    // TF may have been set: the engine looks at it between instructions.
    e.exit(0)
  },
  /** As a processor does it: a push after another, so that a fault leaves what was pushed in memory, but no register changed. */
  enter: (e) => {
    const { size } = e
    const level = e.f.let(i32.and(e.immediate2(), i32.const(31)))
    const frame = e.f.let(i64.sub(e.gpr(RSP), i64.const(size)))
    const rbp = e.gpr(RBP)
    const depth = e.f.let(i64.mul(i64.extendI32U(level), i64.const(size)))
    const bottom = e.f.let(i64.sub(frame, depth))
    e.store(frame, size, rbp)
    const i = e.f.local('i64')
    e.f.set(i, i64.const(size))
    e.f.block((done) => {
      e.f.loop((again) => {
        e.f.brIf(done, i64.geU(i, depth))
        e.store(i64.sub(frame, i), size, e.load(i64.sub(rbp, i), size))
        e.f.set(i, i64.add(i, i64.const(size)))
        e.f.br(again)
      })
    })
    e.f.if(level, () => { e.store(bottom, size, frame) })
    const top = e.f.let(i64.sub(bottom, e.read(1)))
    e.probeWrite(top, 1)
    e.setGpr(RBP, frame, size)
    e.setGpr(RSP, top)
  },
  leave: (e) => {
    const rbp = e.gpr(RBP)
    const value = e.load(rbp, e.size)
    e.setGpr(RSP, i64.add(rbp, i64.const(e.size)))
    e.setGpr(RBP, value, e.size)
  },
  sahf: (e) => {
    const ah = e.f.let(i32.wrap(i64.shrU(e.gpr(RAX), i64.const(8))))
    const bit = (mask: number): Expr => i32.ne(i32.and(ah, i32.const(mask)), i32.const(0))
    e.setAllFlags({ cf: bit(CF), pf: bit(PF), af: bit(AF), zf: bit(ZF), sf: bit(SF), of: e.f.let(e.of()) })
  },
  lahf: (e) => {
    const flags = i64.and(e.call('read_rflags'), i64.const(0xd7))
    const rax = i64.and(e.gpr(RAX), i64.const(~0xff00))
    e.setGpr(RAX, i64.or(rax, i64.shl(flags, i64.const(8))))
  },
  cmc: (e) => { e.setCf(i32.xor(e.cf(), i32.const(1))) },
  clc: (e) => { e.setCf(i32.const(0)) },
  stc: (e) => { e.setCf(i32.const(1)) },
  cld: (e) => { e.setState32(FLAG_OTHER, i32.and(e.state32(FLAG_OTHER), i32.const(~0x400))) },
  std: (e) => { e.setState32(FLAG_OTHER, i32.or(e.state32(FLAG_OTHER), i32.const(0x400))) },
  xlat: xlat(false),
  xlat_a32: xlat(true),
}
