/** x87 arithmetic, comparisons and functions on the register stack; moves between registers (Intel SDM volume 2). */
import { FPU_STATUS } from '../cpu/layout.ts'
import { C0, C1, C2, C3, CONTROL_ROUNDING_SHIFT, DOWN, IE, NEAREST, TOWARD_ZERO, UP } from '../float/constants.ts'
import { HAS_QUOTIENT } from '../float/x87-remainder.ts'
import { type Expr, i32, i64, select } from '../wasm/expression.ts'
import type { Emitter, Semantics } from './emitter.ts'
import type { Family } from './registry.ts'
import { CONDITIONS, OPERAND_SLOT, SECOND_SLOT, ST0, ST1, ST7, STACK_FAULT, controlWord, finish, isEmpty, pop, register, remember,
  stackRegister, waiting } from './x87-stack.ts'

const UNORDERED = C0 | C2 | C3
const none = i32.const(0)

// ——— Operations with two operands ———

/** name → exact function, and whether the second operand comes first. */
const ARITHMETIC: Readonly<Record<string, readonly [name: string, reversed: boolean]>> = {
  fadd: ['f80_add', false], fmul: ['f80_mul', false], fsub: ['f80_sub', false], fsubr: ['f80_sub', true],
  fdiv: ['f80_div', false], fdivr: ['f80_div', true],
}

/** ST(to) = ST(to) op ST(from), the other way round if `reversed`. */
const onStack = (name: string, reversed: boolean, to: (e: Emitter) => Expr, from: (e: Emitter) => Expr, pops = 0): Semantics => waiting((e) => {
  const { f } = e
  remember(e)
  const destination = f.let(to(e))
  const source = f.let(from(e))
  const a = stackRegister(e, destination)
  const b = stackRegister(e, source)
  f.if(i32.or(a.empty, b.empty), () => {
    e.callVoid('x87_underflow', destination, i32.const(pops))
  }, () => {
    const control = controlWord(e)
    finish(e, e.call(name, a.address, ...(reversed ? [b.address, a.address] : [a.address, b.address]), control), control, pops)
  })
})

/**
 * A memory operand in OPERAND_SLOT, and the control word that says whether it was denormal: f32 and f64 by size, or a
 * signed integer. Remembers the pointers.
 */
const memoryOperand = (e: Emitter, integer: boolean): Expr => {
  const { size } = e
  const bits = e.read(0)
  remember(e, e.address(0))
  if (!integer) return e.f.let(i32.or(e.call(size === 4 ? 'f80_widen_f32' : 'f80_widen_f64', OPERAND_SLOT, bits), controlWord(e)))
  e.callVoid('f80_from_int', OPERAND_SLOT, e.signed(bits, size))
  return controlWord(e)
}

const withMemory = (name: string, reversed: boolean, integer: boolean): Semantics => waiting((e) => {
  const control = memoryOperand(e, integer)
  const { address, empty } = stackRegister(e, ST0)
  e.f.if(empty, () => { e.callVoid('x87_underflow', ST0, none) }, () => {
    finish(e, e.call(name, address, ...(reversed ? [OPERAND_SLOT, address] : [address, OPERAND_SLOT]), control), control)
  })
})

const arithmetic: Record<string, Semantics> = {}
const operandIndex = (e: Emitter): Expr => e.stackIndex(0)
for (const [name, [operation, reversed]] of Object.entries(ARITHMETIC)) {
  arithmetic[name] = onStack(operation, reversed, () => ST0, operandIndex)
  arithmetic[`${name}_to`] = onStack(operation, reversed, operandIndex, () => ST0)
  arithmetic[`${name}_pop`] = onStack(operation, reversed, operandIndex, () => ST0, 1)
  arithmetic[`${name}_float`] = withMemory(operation, reversed, false)
  arithmetic[`${name}_int`] = withMemory(operation, reversed, true)
}

// ——— Comparisons ———

/** Empty operands compare as unordered. */
const compareOrUnderflow = (e: Emitter, empty: Expr, flags: () => Expr): Expr =>
  e.f.ifValue('i32', empty, () => i32.const(UNORDERED | IE | STACK_FAULT), flags)

const finishCompare = (e: Emitter, flags: Expr, pops: number): void => { finish(e, flags, controlWord(e), pops, CONDITIONS) }

const compareStack = (other: (e: Emitter) => Expr, quiet: boolean, pops: number): Semantics => waiting((e) => {
  remember(e)
  const i = e.f.let(other(e))
  const [a, b] = [stackRegister(e, ST0), stackRegister(e, i)]
  const flags = compareOrUnderflow(e, i32.or(a.empty, b.empty),
    () => e.call('f80_compare', a.address, b.address, i32.const(quiet ? 1 : 0), controlWord(e)))
  finishCompare(e, flags, pops)
})

const compareMemory = (integer: boolean, pops: number): Semantics => waiting((e) => {
  const control = memoryOperand(e, integer)
  const flags = compareOrUnderflow(e, isEmpty(e, ST0), () => e.call('f80_compare', register(e, ST0), OPERAND_SLOT, none, control))
  finishCompare(e, flags, pops)
})

/** FCOMI and its family: ZF, PF, CF, even with an exception unmasked; the condition codes stay. */
const compareFlags = (quiet: boolean, pops: number): Semantics => waiting((e) => {
  const { f } = e
  remember(e)
  const i = f.let(e.stackIndex(0))
  const [a, b] = [stackRegister(e, ST0), stackRegister(e, i)]
  const control = controlWord(e)
  const flags = f.let(compareOrUnderflow(e, i32.or(a.empty, b.empty),
    () => e.call('f80_compare', a.address, b.address, i32.const(quiet ? 1 : 0), control)))
  const bit = (mask: number): Expr => i32.ne(i32.and(flags, i32.const(mask)), none)
  e.setAllFlags({ cf: bit(C0), pf: bit(C2), zf: bit(C3), af: none, sf: none, of: none })
  // C1 stays as it is but for a stack fault.
  const kept = select(i32.and(flags, i32.const(STACK_FAULT)), none, i32.and(e.state32(FPU_STATUS), i32.const(C1)))
  finish(e, i32.or(i32.and(flags, i32.const(~UNORDERED)), kept), control, pops)
})

const clearConditions = (e: Emitter, which: number): void => {
  if (which !== 0) e.setState32(FPU_STATUS, i32.and(e.state32(FPU_STATUS), i32.const(~which)))
}
const clearC1 = (e: Emitter): void => { clearConditions(e, C1) }
const zeroSlot = (e: Emitter): Expr => {
  e.callVoid('f80_from_int', OPERAND_SLOT, i64.const(0))
  return OPERAND_SLOT
}

/** FXAM: C3 C2 C0 are the class, C1 the sign, which an empty register has too (volume 1, table 8-3 … volume 2, FXAM). */
const examine: Semantics = waiting((e) => {
  const { f } = e
  remember(e)
  const address = register(e, ST0)
  const significand = f.let(i64.load(address))
  const head = f.let(i32.load16U(address, 8))
  const exponent = f.let(i32.and(head, i32.const(0x7fff)))
  const normal = i64.ltS(significand, i64.const(0))
  const special = select(normal, select(i64.eq(significand, i64.const(1n << 63n)), i32.const(C2 | C0), i32.const(C0)), none)
  const small = select(i64.eqz(significand), i32.const(C3), i32.const(C3 | C2))
  const ordinary = select(normal, i32.const(C2), none)
  const kind = select(i32.eqz(exponent), small, select(i32.eq(exponent, i32.const(0x7fff)), special, ordinary))
  const all = f.let(select(isEmpty(e, ST0), i32.const(C3 | C0), kind))
  finishCompare(e, i32.or(all, i32.mul(i32.shrU(head, i32.const(15)), i32.const(C1))), 0)
})

const comparisons: Family = {
  fcom: compareStack(operandIndex, false, 0), fcomp: compareStack(operandIndex, false, 1), fcompp: compareStack(() => ST1, false, 2),
  fucom: compareStack(operandIndex, true, 0), fucomp: compareStack(operandIndex, true, 1), fucompp: compareStack(() => ST1, true, 2),
  fcom_float: compareMemory(false, 0), fcomp_float: compareMemory(false, 1),
  fcom_int: compareMemory(true, 0), fcomp_int: compareMemory(true, 1),
  fcomi: compareFlags(false, 0), fcomip: compareFlags(false, 1), fucomi: compareFlags(true, 0), fucomip: compareFlags(true, 1),
  ftst: waiting((e) => {
    remember(e)
    const flags = compareOrUnderflow(e, isEmpty(e, ST0), () => e.call('f80_compare', register(e, ST0), zeroSlot(e), none, controlWord(e)))
    finishCompare(e, flags, 0)
  }),
  fxam: examine,
}

// ——— Functions ———

/** ST(0) = function(ST(0)). */
const unary = (name: string, clear = 0): Semantics => waiting((e) => {
  remember(e)
  const { address, empty } = stackRegister(e, ST0)
  e.f.if(empty, () => {
    clearConditions(e, clear)
    e.callVoid('x87_underflow', ST0, none)
  }, () => {
    const control = controlWord(e)
    finish(e, e.call(name, address, address, control), control, 0, clear)
  })
})

/** ST(0) changed without looking at what it is: FCHS, FABS. */
const changeSign = (change: (head: Expr) => Expr): Semantics => waiting((e) => {
  remember(e)
  const { address, empty } = stackRegister(e, ST0)
  e.f.if(empty, () => { e.callVoid('x87_underflow', ST0, none) }, () => {
    e.f.i32Store16(address, 8, change(i32.load16U(address, 8)))
    clearC1(e)
  })
})

/** ST(0) = function(ST(0), ST(1)): FSCALE, FPREM; or into ST(1), then a pop: FPATAN, FYL2X. */
const binary = (name: string, clear: number): Semantics => waiting((e) => {
  remember(e)
  e.f.if(i32.or(isEmpty(e, ST0), isEmpty(e, ST1)), () => { e.callVoid('x87_underflow', ST0, none) }, () => {
    const a = register(e, ST0)
    e.callVoid('x87_finish', e.call(name, a, a, register(e, ST1), controlWord(e)), i32.const(clear), none)
  })
})

/** FPREM, FPREM1: C2 is told always, C0 and C3 if the operands were numbers. */
const remainder = (name: string): Semantics => waiting((e) => {
  const { f } = e
  remember(e)
  f.if(i32.or(isEmpty(e, ST0), isEmpty(e, ST1)), () => {
    clearConditions(e, C2)
    e.callVoid('x87_underflow', ST0, none)
  }, () => {
    const a = register(e, ST0)
    const flags = f.let(e.call(name, a, a, register(e, ST1), controlWord(e)))
    const clear = select(i32.and(flags, i32.const(HAS_QUOTIENT)), i32.const(CONDITIONS), i32.const(C2))
    e.callVoid('x87_finish', i32.and(flags, i32.const(~HAS_QUOTIENT)), clear, none)
  })
})

/**
 * FXTRACT, FPTAN, FSINCOS: ST(0) becomes the first result and the second is pushed. With the stack full or ST(0) empty
 * both are indefinite; C2 and nothing else if the operand is out of range.
 */
const pushing = (name: string, clear: number): Semantics => waiting((e) => {
  const { f } = e
  remember(e)
  f.if(isEmpty(e, ST0), () => {
    const masked = i32.eqz(e.call('x87_settle', i32.const(IE | STACK_FAULT), i32.const(clear)))
    f.if(masked, () => { indefinitePair(e) })
  }, () => {
    f.if(i32.eqz(isEmpty(e, ST7)), () => {
      const masked = i32.eqz(e.call('x87_settle', i32.const(IE | STACK_FAULT | C1), i32.const(clear)))
      f.if(masked, () => { indefinitePair(e) })
    }, () => {
      const a = register(e, ST0)
      const flags = f.let(e.call(name, OPERAND_SLOT, SECOND_SLOT, a, controlWord(e)))
      const blocked = e.call('x87_settle', flags, i32.const(clear))
      f.if(i32.eqz(i32.or(blocked, i32.and(flags, i32.const(C2)))), () => {
        e.callVoid('x87_copy', a, OPERAND_SLOT)
        e.callVoid('x87_push', SECOND_SLOT)
      })
    })
  })
})

const indefinite = (e: Emitter, slot: Expr): void => {
  e.f.i64Store(slot, 0, i64.const(3n << 62n))
  e.f.i32Store16(slot, 8, i32.const(0xffff))
}
const indefinitePair = (e: Emitter): void => {
  indefinite(e, SECOND_SLOT)
  e.callVoid('x87_copy', register(e, ST0), SECOND_SLOT)
  e.callVoid('x87_set_full', ST0)
  e.callVoid('x87_push', SECOND_SLOT)
}

/** ST(1) = function(ST(1), ST(0)), then a pop: FPATAN, FYL2X, FYL2XP1. */
const popping = (name: string): Semantics => onStack(name, false, () => ST1, () => ST0, 1)

const functions: Family = {
  fchs: changeSign((head) => i32.xor(head, i32.const(0x8000))),
  fabs: changeSign((head) => i32.and(head, i32.const(0x7fff))),
  fsqrt: unary('f80_sqrt'), frndint: unary('f80_round'),
  fscale: binary('f80_scale', 0), fprem: remainder('f80_rem'), fprem1: remainder('f80_rem1'),
  fxtract: pushing('f80_extract', 0),
  fsin: unary('f80_sin', C2), fcos: unary('f80_cos', C2), fsincos: pushing('f80_sincos', C2), fptan: pushing('f80_tan', C2),
  fpatan: popping('f80_atan'), fyl2x: popping('f80_yl2x'), fyl2xp1: popping('f80_yl2xp1'), f2xm1: unary('f80_2xm1'),
}

// ——— Constants and moves ———

/** Rounded to nearest; whether the number itself is above that. */
const CONSTANTS: Readonly<Record<string, readonly [significand: bigint, head: number, above: boolean]>> = {
  l2t: [0xd49a784bcd1b8afen, 0x4000, true], l2e: [0xb8aa3b295c17f0bcn, 0x3fff, false], pi: [0xc90fdaa22168c235n, 0x4000, false],
  lg2: [0x9a209a84fbcff799n, 0x3ffd, false], ln2: [0xb17217f7d1cf79acn, 0x3ffe, false],
}

/** Pushes what `fill` puts into OPERAND_SLOT, after the check for room. */
const pushOperand = (e: Emitter, fill: () => void): void => {
  e.f.if(isEmpty(e, ST7), () => {
    fill()
    e.callVoid('x87_push', OPERAND_SLOT)
    clearC1(e)
  }, () => { e.callVoid('x87_overflow') })
}

const setSlot = (e: Emitter, significand: Expr, head: number): void => {
  e.f.i64Store(OPERAND_SLOT, 0, significand)
  e.f.i32Store16(OPERAND_SLOT, 8, i32.const(head))
}

const loadConstant = (significand: bigint, head: number, adjust: (rounding: Expr) => Expr = () => i64.const(0)): Semantics => waiting((e) => {
  remember(e)
  pushOperand(e, () => {
    const rounding = i32.and(i32.shrU(controlWord(e), i32.const(CONTROL_ROUNDING_SHIFT)), i32.const(3))
    setSlot(e, i64.add(i64.const(significand), adjust(e.f.let(rounding))), head)
  })
})

const constants: Record<string, Semantics> = { fld1: loadConstant(1n << 63n, 0x3fff), fldz: loadConstant(0n, 0) }
for (const [name, [significand, head, above]] of Object.entries(CONSTANTS)) {
  constants[`fld${name}`] = loadConstant(significand, head, (rounding) => {
    if (above) return i64.extendI32U(i32.eq(rounding, i32.const(UP)))
    const down = i32.or(i32.eq(rounding, i32.const(DOWN)), i32.eq(rounding, i32.const(TOWARD_ZERO)))
    return i64.sub(i64.const(NEAREST), i64.extendI32U(down))
  })
}

const conditionalMove = (condition: number): Semantics => waiting((e) => {
  const { f } = e
  remember(e)
  const [to, from] = [stackRegister(e, ST0), stackRegister(e, f.let(e.stackIndex(0)))]
  f.if(i32.or(to.empty, from.empty), () => { e.callVoid('x87_underflow', ST0, none) }, () => {
    // C1 stays.
    f.if(e.condition(condition), () => { e.callVoid('x87_copy', to.address, from.address) })
  })
})

/** FST to a register. */
const storeStack = (pops: number): Semantics => waiting((e) => {
  const { f } = e
  remember(e)
  const i = f.let(e.stackIndex(0))
  const { address, empty } = stackRegister(e, ST0)
  f.if(empty, () => { e.callVoid('x87_underflow', i, i32.const(pops)) }, () => {
    e.callVoid('x87_copy', register(e, i), address)
    e.callVoid('x87_set_full', i)
    clearC1(e)
    pop(e, pops)
  })
})

const moves: Family = {
  fld: waiting((e) => {
    const { f } = e
    remember(e)
    const i = f.let(e.stackIndex(0))
    // Both an empty source and a full stack: the source counts.
    f.if(isEmpty(e, i), () => {
      f.if(i32.eqz(e.call('x87_settle', i32.const(IE | STACK_FAULT), none)), () => {
        indefinite(e, OPERAND_SLOT)
        e.callVoid('x87_push', OPERAND_SLOT)
      })
    }, () => {
      f.if(isEmpty(e, ST7), () => {
        e.callVoid('x87_push', register(e, i))
        clearC1(e)
      }, () => { e.callVoid('x87_overflow') })
    })
  }),
  fst: storeStack(0), fstp: storeStack(1),
  /** Undocumented D9 D8+i: as FSTP, but an empty ST(0) is just popped. */
  fstpnce: waiting((e) => {
    remember(e)
    clearC1(e)
    e.f.if(i32.eqz(isEmpty(e, ST0)), () => {
      const i = e.f.let(e.stackIndex(0))
      e.callVoid('x87_copy', register(e, i), register(e, ST0))
      e.callVoid('x87_set_full', i)
    })
    e.callVoid('x87_pop', i32.const(1))
  }),
  fxch: waiting((e) => {
    const { f } = e
    remember(e)
    const i = f.let(e.stackIndex(0))
    const [a, b] = [stackRegister(e, ST0), stackRegister(e, i)]
    const swap = (): void => {
      const significand = f.let(i64.load(a.address))
      const head = f.let(i32.load16U(a.address, 8))
      e.callVoid('x87_copy', a.address, b.address)
      f.i64Store(b.address, 0, significand)
      f.i32Store16(b.address, 8, head)
    }
    f.if(i32.or(a.empty, b.empty), () => {
      f.if(i32.eqz(e.call('x87_settle', i32.const(IE | STACK_FAULT), none)), () => {
        // Empty registers become the indefinite value first.
        for (const [one, index] of [[a, ST0], [b, i]] as const) {
          f.if(one.empty, () => {
            indefinite(e, one.address)
            e.callVoid('x87_set_full', index)
          })
        }
        swap()
      })
    }, () => {
      swap()
      clearC1(e)
    })
  }),
  fcmovb: conditionalMove(2), fcmove: conditionalMove(4), fcmovbe: conditionalMove(6), fcmovu: conditionalMove(10),
  fcmovnb: conditionalMove(3), fcmovne: conditionalMove(5), fcmovnbe: conditionalMove(7), fcmovnu: conditionalMove(11),
}

const turn = (by: number): Semantics => waiting((e) => {
  remember(e)
  e.callVoid('x87_turn', i32.const(by))
  clearC1(e)
})

const stack: Family = {
  fdecstp: turn(-1), fincstp: turn(1),
  ffree: waiting((e) => {
    remember(e)
    clearC1(e)
    e.callVoid('x87_set_empty', e.stackIndex(0))
  }),
  ffreep: waiting((e) => {
    remember(e)
    clearC1(e)
    e.callVoid('x87_set_empty', e.stackIndex(0))
    e.callVoid('x87_pop', i32.const(1))
  }),
  fnop: waiting((e) => { remember(e) }),
  fnop_control: () => {},
  fwait: waiting(() => {}),
}

export const X87: Family = { ...arithmetic, ...comparisons, ...functions, ...constants, ...moves, ...stack }
