/** Handlers of records that are no instructions: block entry, links between blocks, addresses, faults found while decoding. */
import * as layout from '../cpu/layout.ts'
import { EXIT_BUDGET } from '../processor.ts'
import { i32, i64, type Expr } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'
import * as record from './records.ts'
import { HANDLER, Tier0Emitter, ZERO_ADDRESS, goTo } from './tier0-emitter.ts'

const rip = (f: FunctionBuilder): Expr => i64.load(f.params[0], record.RECORD_RIP)
const storeRip = (f: FunctionBuilder): void => { f.i64Store(ZERO_ADDRESS, layout.RIP, rip(f)) }
const leave = (f: FunctionBuilder, reason: number): void => {
  storeRip(f)
  f.i32Store(ZERO_ADDRESS, layout.EXIT_REASON, i32.const(reason))
  f.return()
}
const next = (f: FunctionBuilder): void => {
  f.returnCallIndirect(HANDLER, i32.load(f.params[0], record.RECORD_SIZE), i32.add(f.params[0], i32.const(record.RECORD_SIZE)))
}
const lookup = (f: FunctionBuilder): void => {
  goTo(f, f.call('jump_slow', rip(f)))
}

/** name → body. Names begin with '@' so that they can't be an instruction's. */
export const ENGINE_HANDLERS: Readonly<Record<string, (f: FunctionBuilder) => void>> = {
  /** Start of a block: pays for all of it, or leaves if the budget does not reach; `Interpreter` then goes on one by one. */
  '@block': (f) => {
    const budget = f.let(i32.load(ZERO_ADDRESS, layout.BUDGET))
    const cost = f.let(i32.load(f.params[0], record.RECORD_COST))
    f.if(i32.ltS(budget, cost), () => { leave(f, EXIT_BUDGET) })
    f.i32Store(ZERO_ADDRESS, layout.BUDGET, i32.sub(budget, cost))
    next(f)
  },
  /** End of an instruction that is executed alone. */
  '@step-end': (f) => { leave(f, 0) },
  /** A branch whose target has not been looked up yet. */
  '@link': (f) => {
    storeRip(f)
    goTo(f, f.call('host_link', f.params[0]))
  },
  /** On to an address through the jump cache: between pages, which other address spaces may pair differently. */
  '@goto': (f) => { new Tier0Emitter(f, []).jump(rip(f)) },
  /** A record of a page whose code was written: gives back what the block had paid, then looks again. */
  '@stale': (f) => {
    f.i32Store(ZERO_ADDRESS, layout.BUDGET, i32.add(i32.load(ZERO_ADDRESS, layout.BUDGET), i32.load16U(f.params[0], record.RECORD_REFUND)))
    lookup(f)
  },
  /** Effective address of the next record's instruction: segment base and index, which operands don't combine. */
  '@address64': (f) => { effectiveAddress(f, false) },
  '@address32': (f) => { effectiveAddress(f, true) },
  /** Not an instruction, or longer than 15 bytes. */
  '@invalid': (f) => { new Tier0Emitter(f, []).fault(6, i32.const(0)) },
  '@too-long': (f) => { new Tier0Emitter(f, []).fault(13, i32.const(0)) },
}

const effectiveAddress = (f: FunctionBuilder, address32: boolean): void => {
  const at = f.params[0]
  const base = i64.load(i32.load16U(at, record.RECORD_BASE))
  const index = i64.shl(i64.load(i32.load16U(at, record.RECORD_INDEX)), i64.extendI32U(i32.load8U(at, record.RECORD_SCALE)))
  let sum = i64.add(i64.add(base, index), i64.load(at, record.RECORD_DISPLACEMENT))
  if (address32) sum = i64.and(sum, i64.const(0xffffffff))
  const segment = i64.load(i32.load16U(at, record.RECORD_REG))
  f.i64Store(ZERO_ADDRESS, layout.EFFECTIVE_ADDRESS, i64.add(sum, segment))
  next(f)
}
