/**
 * The x87 register stack, its exceptions and pointers: what all x87 instructions share (Intel SDM volume 1, chapter 8).
 *
 * Of FPU_TAG only 3 (empty) and anything else (not empty) count: what a register holds is looked at when the tag word is
 * stored, as processors do. `blocked` means that an unmasked invalid, denormal or zero-divide exception left the
 * instruction without a result, so that the stack stays as it was.
 */
import { FPU_CONTROL, FPU_DP, FPU_IP, FPU_OPCODE, FPU_REGISTERS, FPU_STATUS, FPU_TAG } from '../cpu/layout.ts'
import { C0, C1, C2, C3, EXCEPTIONS, FLOAT_SLOTS, IE } from '../float/constants.ts'
import { type Expr, i32, i64 } from '../wasm/expression.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import type { Emitter, Semantics } from './emitter.ts'

const ZERO_ADDRESS = i32.const(0)
const VECTOR_MF = 16
/** Status word: stack fault, exception summary and busy (which follows the summary). */
export const STACK_FAULT = 0x40
export const SUMMARY = 0x80
export const BUSY = 0x8000
export const CONDITIONS = C0 | C1 | C2 | C3
const TOP_SHIFT = 11
const PRECOMPUTATION = 7
/** A slot for what was loaded; the transcendental functions use those behind it. */
export const OPERAND_SLOT = i32.const(FLOAT_SLOTS)
export const SECOND_SLOT = i32.const(FLOAT_SLOTS + 16)
export const INDEFINITE = i64.const(3n << 62n)

const word = (address: number): Expr => i32.load(ZERO_ADDRESS, address)

export const defineX87Stack = (module: ModuleBuilder): void => {
  /** (i) → address of ST(i). */
  module.function('x87_register', signature(['i32'], ['i32']), (f) => {
    const number = i32.add(i32.shrU(word(FPU_STATUS), i32.const(TOP_SHIFT)), f.params[0])
    f.return(i32.add(i32.shl(i32.and(number, i32.const(7)), i32.const(4)), i32.const(FPU_REGISTERS)))
  })
  /** (i) → two bits where the tag of ST(i) is. */
  module.function('x87_tag', signature(['i32'], ['i32']), (f) => {
    const number = i32.add(i32.shrU(word(FPU_STATUS), i32.const(TOP_SHIFT)), f.params[0])
    f.return(i32.shl(i32.const(3), i32.shl(i32.and(number, i32.const(7)), i32.const(1))))
  })
  module.function('x87_is_empty', signature(['i32'], ['i32']), (f) => {
    const tag = f.let(f.call('x87_tag', f.params[0]))
    f.return(i32.eq(i32.and(word(FPU_TAG), tag), tag))
  })
  module.function('x87_set_empty', signature(['i32']), (f) => {
    f.i32Store(ZERO_ADDRESS, FPU_TAG, i32.or(word(FPU_TAG), f.call('x87_tag', f.params[0])))
  })
  module.function('x87_set_full', signature(['i32']), (f) => {
    f.i32Store(ZERO_ADDRESS, FPU_TAG, i32.and(word(FPU_TAG), i32.xor(f.call('x87_tag', f.params[0]), i32.const(-1))))
  })
  /** (by): TOP + by. */
  module.function('x87_turn', signature(['i32']), (f) => {
    const status = f.let(word(FPU_STATUS))
    const turned = i32.add(status, i32.shl(f.params[0], i32.const(TOP_SHIFT)))
    const mask = 7 << TOP_SHIFT
    f.i32Store(ZERO_ADDRESS, FPU_STATUS, i32.or(i32.and(status, i32.const(~mask)), i32.and(turned, i32.const(mask))))
  })
  module.function('x87_pop', signature(['i32']), (f) => {
    const [count] = f.params
    f.if(count, () => {
      f.callVoid('x87_set_empty', i32.const(0))
      f.callVoid('x87_turn', i32.const(1))
    })
    f.if(i32.gtU(count, i32.const(1)), () => {
      f.callVoid('x87_set_empty', i32.const(0))
      f.callVoid('x87_turn', i32.const(1))
    })
  })
  /** Copies the 80 bits of a slot. */
  module.function('x87_copy', signature(['i32', 'i32']), (f) => {
    const [to, from] = f.params
    f.i64Store(to, 0, i64.load(from))
    f.i32Store16(to, 8, i32.load16U(from, 8))
  })
  /** Pushes a slot's content; no checks. */
  module.function('x87_push', signature(['i32']), (f) => {
    f.callVoid('x87_turn', i32.const(-1))
    f.callVoid('x87_set_full', i32.const(0))
    f.callVoid('x87_copy', f.call('x87_register', i32.const(0)), f.params[0])
  })
  /** ES and B: an exception is unmasked. */
  module.function('x87_summarize', signature([]), (f) => {
    const status = f.let(i32.and(word(FPU_STATUS), i32.const(~(SUMMARY | BUSY))))
    const unmasked = i32.and(i32.and(status, i32.xor(word(FPU_CONTROL), i32.const(-1))), i32.const(EXCEPTIONS))
    f.i32Store(ZERO_ADDRESS, FPU_STATUS, i32.or(status, i32.mul(i32.ne(unmasked, i32.const(0)), i32.const(SUMMARY | BUSY))))
  })
  /** (flags, clear) → blocked: clears C1 and `clear` in the status word, adds the flags. */
  module.function('x87_settle', signature(['i32', 'i32'], ['i32']), (f) => {
    const [flags, clear] = f.params
    const kept = i32.and(word(FPU_STATUS), i32.xor(i32.or(clear, i32.const(C1)), i32.const(-1)))
    f.i32Store(ZERO_ADDRESS, FPU_STATUS, i32.or(kept, flags))
    f.callVoid('x87_summarize')
    f.return(i32.and(i32.and(flags, i32.const(PRECOMPUTATION)), i32.xor(word(FPU_CONTROL), i32.const(-1))))
  })
  /** (flags, clear, pops): what ends most instructions. */
  module.function('x87_finish', signature(['i32', 'i32', 'i32']), (f) => {
    const [flags, clear, pops] = f.params
    f.if(i32.eqz(f.call('x87_settle', flags, clear)), () => { f.callVoid('x87_pop', pops) })
  })
  /** (i, pops): an operand was empty; masked, ST(i) becomes the indefinite value. */
  module.function('x87_underflow', signature(['i32', 'i32']), (f) => {
    const [i, pops] = f.params
    f.if(i32.eqz(f.call('x87_settle', i32.const(IE | STACK_FAULT), i32.const(0))), () => {
      const register = f.let(f.call('x87_register', i))
      f.i64Store(register, 0, INDEFINITE)
      f.i32Store16(register, 8, i32.const(0xffff))
      f.callVoid('x87_set_full', i)
      f.callVoid('x87_pop', pops)
    })
  })
  /** A push found ST(7) in use: masked, the indefinite value is pushed. */
  module.function('x87_overflow', signature([]), (f) => {
    f.if(i32.eqz(f.call('x87_settle', i32.const(IE | STACK_FAULT | C1), i32.const(0))), () => {
      f.callVoid('x87_turn', i32.const(-1))
      const register = f.let(f.call('x87_register', i32.const(0)))
      f.i64Store(register, 0, INDEFINITE)
      f.i32Store16(register, 8, i32.const(0xffff))
    })
  })
}

/** An instruction that waits: a pending exception comes first. */
export const waiting = (body: Semantics): Semantics => (e) => {
  e.faultIf(i32.and(e.state32(FPU_STATUS), i32.const(SUMMARY)), VECTOR_MF)
  body(e)
}

/**
 * Last instruction and data pointer and opcode, of all but the control instructions; the data pointer of one without a
 * memory operand is zero, as AMD's processors have it. Nothing can fault after this.
 */
export const remember = (e: Emitter, address: Expr = i64.const(0)): void => {
  e.setState32(FPU_OPCODE, i32.wrap(e.immediate(0)))
  e.setState64(FPU_IP, e.rip())
  e.setState64(FPU_DP, address)
}

/** A register of the stack: its address, and whether it is empty (i32), both bound. */
export interface StackRegister { readonly address: Expr, readonly empty: Expr }

/** ST(i), inline: what `x87_register` and `x87_is_empty` tell. */
export const stackRegister = (e: Emitter, i: Expr): StackRegister => {
  const { f } = e
  const number = f.let(i32.and(i32.add(i32.shrU(e.state32(FPU_STATUS), i32.const(TOP_SHIFT)), i), i32.const(7)))
  const tag = i32.and(i32.shrU(e.state32(FPU_TAG), i32.shl(number, i32.const(1))), i32.const(3))
  return { address: f.let(i32.add(i32.shl(number, i32.const(4)), i32.const(FPU_REGISTERS))), empty: f.let(i32.eq(tag, i32.const(3))) }
}

/** Pops, inline. */
export const pop = (e: Emitter, count: number): void => {
  const { f } = e
  for (let i = 0; i < count; i++) {
    const status = f.let(e.state32(FPU_STATUS))
    const twice = i32.and(i32.shrU(status, i32.const(TOP_SHIFT - 1)), i32.const(14))
    e.setState32(FPU_TAG, i32.or(e.state32(FPU_TAG), i32.shl(i32.const(3), twice)))
    const mask = 7 << TOP_SHIFT
    e.setState32(FPU_STATUS, i32.or(i32.and(status, i32.const(~mask)), i32.and(i32.add(status, i32.const(1 << TOP_SHIFT)), i32.const(mask))))
  }
}

/** `x87_finish`, inline but for unmasked exceptions. (None was pending before: the instruction waited.) */
export const finish = (e: Emitter, flags: Expr, control: Expr, pops = 0, clear = 0): void => {
  const { f } = e
  const bound = f.let(flags)
  f.if(unmasked(bound, control, EXCEPTIONS), () => {
    e.callVoid('x87_finish', bound, i32.const(clear), i32.const(pops))
  }, () => {
    e.setState32(FPU_STATUS, i32.or(i32.and(e.state32(FPU_STATUS), i32.const(~(clear | C1))), bound))
    pop(e, pops)
  })
}

export const controlWord = (e: Emitter): Expr => e.f.let(e.state32(FPU_CONTROL))
export const register = (e: Emitter, i: Expr): Expr => e.f.let(e.call('x87_register', i))
export const isEmpty = (e: Emitter, i: Expr): Expr => e.call('x87_is_empty', i)
export const unmasked = (flags: Expr, control: Expr, which: number): Expr =>
  i32.and(i32.and(flags, i32.const(which)), i32.xor(control, i32.const(-1)))
export const ST0 = i32.const(0), ST1 = i32.const(1)
/** The register that a push would take. */
export const ST7 = i32.const(7)
