/** x87 loads and stores: floats, integers, packed decimals (Intel SDM volume 2). */
import { FPU_STATUS } from '../cpu/layout.ts'
import { C1, DE, EXCEPTIONS, FLOAT_RESULT, IE, OE, UE } from '../float/constants.ts'
import { type Expr, i32, i64 } from '../wasm/expression.ts'
import type { Emitter, Semantics } from './emitter.ts'
import type { Family } from './registry.ts'
import { INDEFINITE, OPERAND_SLOT, ST0, ST7, STACK_FAULT, controlWord, pop, remember, stackRegister, unmasked, waiting } from './x87-stack.ts'

const none = i32.const(0)
const RESULT = i32.const(FLOAT_RESULT)

/** Pushes what `fill` puts into OPERAND_SLOT unless its flags block that, those beside `harmless`. */
const push = (e: Emitter, fill: () => Expr, harmless = 0): void => {
  const { f } = e
  f.if(stackRegister(e, ST7).empty, () => {
    const flags = f.let(fill())
    const blocked = f.local('i32')
    f.if(flags, () => { f.set(blocked, e.call('x87_settle', flags, none)) }, () => {
      e.setState32(FPU_STATUS, i32.and(e.state32(FPU_STATUS), i32.const(~C1)))
      f.set(blocked, none)
    })
    f.if(i32.eqz(i32.and(blocked, i32.const(~harmless))), () => { e.callVoid('x87_push', OPERAND_SLOT) })
  }, () => { e.callVoid('x87_overflow') })
}

/** The 10 bytes of an operand: i64 and the two above. */
const load80 = (e: Emitter): { low: Expr, high: Expr } => {
  const address = e.address(0)
  const low = e.load(address, 8)
  return { low, high: e.load(e.f.let(i64.add(address, i64.const(8))), 2) }
}

/** In two parts, which shows at the end of user space. */
const probe80 = (e: Emitter): void => {
  const address = e.address(0)
  e.probeWrite(address, 8)
  e.probeWrite(e.f.let(i64.add(address, i64.const(8))), 2)
}

const store80 = (e: Emitter, low: Expr, high: Expr): void => {
  const address = e.address(0)
  probe80(e)
  e.store(address, 8, low)
  e.store(e.f.let(i64.add(address, i64.const(8))), 2, high)
}

/**
 * A store of ST(0) converted: `convert` leaves the bits at FLOAT_RESULT, `indefinite` is stored for an empty register.
 * The store comes before all other effects, because it may fault; it does not happen with an unmasked exception that has no result.
 */
const storeConverted = (convert: (e: Emitter, source: Expr, control: Expr) => Expr, indefinite: (e: Emitter) => bigint, pops: number): Semantics => waiting((e) => {
  const { f } = e
  const control = controlWord(e)
  const address = e.address(0)
  const source = stackRegister(e, ST0)
  const flags = f.ifValue('i32', source.empty, () => {
    f.i64Store(RESULT, 0, i64.const(indefinite(e)))
    f.i64Store16(RESULT, 8, i64.const(0xffff))
    return i32.const(IE | STACK_FAULT)
  }, () => convert(e, source.address, control))
  const refused = f.let(unmasked(flags, control, IE | OE | UE))
  f.if(i32.eqz(refused), () => {
    const low = f.let(i64.load(RESULT))
    if (e.size === 10) store80(e, low, f.let(i64.load16U(RESULT, 8)))
    else e.store(address, e.size, low)
  }, () => {
    // The access is checked all the same.
    if (e.size === 10) probe80(e)
    else e.probeWrite(address, e.size)
  })
  remember(e, address)
  f.if(unmasked(flags, control, EXCEPTIONS), () => { e.callVoid('x87_settle', flags, none) }, () => {
    e.setState32(FPU_STATUS, i32.or(i32.and(e.state32(FPU_STATUS), i32.const(~C1)), flags))
  })
  if (pops > 0) f.if(i32.eqz(refused), () => { pop(e, pops) })
})

const toFloat = (pops: number): Semantics => storeConverted(
  (e, source, control) => e.call(e.size === 4 ? 'f80_to_f32' : 'f80_to_f64', source, control),
  (e) => e.size === 4 ? 0xffc00000n : 0xfff8000000000000n, pops)
const toInteger = (truncate: number, pops: number): Semantics => storeConverted(
  (e, source, control) => e.call(`f80_to_i${e.bits}`, source, i32.const(truncate), control),
  (e) => 1n << BigInt(e.bits - 1), pops)

export const X87_MEMORY: Family = {
  fld_float: waiting((e) => {
    const bits = e.read(0)
    remember(e, e.address(0))
    // A denormal is loaded even if that exception is unmasked.
    push(e, () => e.call(e.size === 4 ? 'f80_from_f32' : 'f80_from_f64', OPERAND_SLOT, bits, controlWord(e)), DE)
  }),
  fld_extended: waiting((e) => {
    const { low, high } = load80(e)
    remember(e, e.address(0))
    push(e, () => {
      e.f.i64Store(OPERAND_SLOT, 0, low)
      e.f.i64Store16(OPERAND_SLOT, 8, high)
      return none
    })
  }),
  fild: waiting((e) => {
    const value = e.readSigned(0)
    remember(e, e.address(0))
    push(e, () => {
      e.callVoid('f80_from_int', OPERAND_SLOT, value)
      return none
    })
  }),
  fbld: waiting((e) => {
    const { low, high } = load80(e)
    remember(e, e.address(0))
    push(e, () => {
      e.callVoid('f80_from_bcd', OPERAND_SLOT, low, high)
      return none
    })
  }),
  fst_float: toFloat(0), fstp_float: toFloat(1),
  fist: toInteger(0, 0), fistp: toInteger(0, 1), fisttp: toInteger(1, 1),
  fbstp: storeConverted((e, source, control) => e.call('f80_to_bcd', source, control), () => 0xc000000000000000n, 1),
  /** As it is, even a signaling NaN. */
  fstp_extended: storeConverted((e, source) => {
    e.callVoid('x87_copy', RESULT, source)
    return none
  }, () => INDEFINITE.constant as bigint, 1),
}
