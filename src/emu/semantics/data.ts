/** Moves, stack, exchange, conditional moves and sets, flag instructions. */
import { AF, CF, FLAG_OTHER, PF, RAX, RBP, RBX, RCX, RDX, RSP, SF, ZF } from '../cpu/layout.ts'
import { type Expr, i32, i64 } from '../wasm/expression.ts'
import type { Emitter, Semantics } from './emitter.ts'
import { isMemory } from './emitter.ts'
import type { Family } from './registry.ts'

/** Selectors of a 64-bit Linux process: CS, SS; the others are null. Indexed by segment register number ES CS SS DS FS GS. */
const SELECTORS = [0, 0x33, 0x2b, 0, 0, 0]

const push = (e: Emitter, value: Expr, size: number): void => {
  const rsp = e.f.let(i64.sub(e.gpr(RSP), i64.const(size)))
  e.store(rsp, size, value)
  e.setGpr(RSP, rsp)
}

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
  push_segment: (e) => { push(e, i64.const(0), e.size) },
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
  pop_segment: (e) => {
    const rsp = e.gpr(RSP)
    const selector = e.load(rsp, 2)
    e.f.if(i64.ne(i64.and(selector, i64.const(0xfffc)), i64.const(0)), () => {
      e.f.if(i64.ne(selector, i64.const(0x2b)), () => { e.fault(13, i32.wrap(i64.and(selector, i64.const(0xfffc)))) })
    })
    e.setGpr(RSP, i64.add(rsp, i64.const(e.size)))
  },
  mov_from_segment: (e) => {
    const number = e.f.let(e.stackIndex(1))
    let value: Expr = i64.const(0)
    SELECTORS.forEach((selector, i) => {
      if (selector !== 0) value = e.choose(i32.eq(number, i32.const(i)), i64.const(selector), value)
    })
    e.faultIf(i32.gtU(number, i32.const(5)), 6)
    e.write(0, value)
  },
  mov_to_segment: (e) => {
    const number = e.f.let(e.stackIndex(0))
    e.faultIf(i32.or(i32.eq(number, i32.const(1)), i32.gtU(number, i32.const(5))), 6)
    const selector = e.read(1)
    // Null selectors (not for SS) and the flat user data segment can be loaded; nothing depends on them in 64-bit mode.
    const flat = i32.or(i64.eq(selector, i64.const(0x2b)),
      i32.and(i64.leU(selector, i64.const(3)), i32.ne(number, i32.const(2))))
    e.f.if(i32.eqz(flat), () => { e.fault(13, i32.wrap(i64.and(selector, i64.const(0xfffc)))) })
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
  enter: (e) => {
    const level = e.f.let(i32.and(e.immediate2(), i32.const(31)))
    const frame = e.f.let(i64.sub(e.gpr(RSP), i64.const(8)))
    const rbp = e.gpr(RBP)
    const size = e.read(0)
    const depth = e.f.let(i64.shl(i64.extendI32U(level), i64.const(3)))
    const bottom = e.f.let(i64.sub(frame, depth))
    e.probeWrite(bottom, 8)
    e.probeWrite(i64.sub(bottom, size), 1)
    e.store(frame, 8, rbp)
    const i = e.f.local('i64')
    e.f.set(i, i64.const(8))
    e.f.block((done) => {
      e.f.loop((again) => {
        e.f.brIf(done, i64.geU(i, depth))
        e.store(i64.sub(frame, i), 8, e.load(i64.sub(rbp, i), 8))
        e.f.set(i, i64.add(i, i64.const(8)))
        e.f.br(again)
      })
    })
    e.f.if(level, () => { e.store(bottom, 8, frame) })
    e.setGpr(RBP, frame)
    e.setGpr(RSP, i64.sub(bottom, size))
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
