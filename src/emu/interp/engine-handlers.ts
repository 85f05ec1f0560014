/** Handlers of records that are no instructions: block entry, links between blocks, addresses, faults found while decoding. */
import * as layout from '../cpu/layout.ts'
import { EXIT_BUDGET } from '../processor.ts'
import { i32, i64 } from '../wasm/expression.ts'
import { BLOCK_HANDLER } from './manifest.ts'
import * as record from './records.ts'
import { REGION, type Tier0Emitter, ZERO_ADDRESS } from './tier0-emitter.ts'

const storeRip = (e: Tier0Emitter): void => { e.f.i64Store(ZERO_ADDRESS, layout.RIP, e.rip()) }
const leave = (e: Tier0Emitter, reason: number): void => {
  storeRip(e)
  e.f.i32Store(ZERO_ADDRESS, layout.EXIT_REASON, i32.const(reason))
  e.leave()
}

/** name → body. Names begin with '@' so that they can't be an instruction's. */
export const ENGINE_HANDLERS: Readonly<Record<string, (e: Tier0Emitter) => void>> = {
  /** Start of a block: pays for all of it, or leaves if the budget does not reach; `Interpreter` then goes on one by one. */
  '@block': (e) => {
    const { f } = e
    const budget = f.let(i32.load(ZERO_ADDRESS, layout.BUDGET))
    const cost = f.let(i32.load(e.record, record.RECORD_COST))
    f.if(i32.ltS(budget, cost), () => { leave(e, EXIT_BUDGET) })
    f.i32Store(ZERO_ADDRESS, layout.BUDGET, i32.sub(budget, cost))
  },
  /** Start of a block that is compiled: calls the region, which says how to go on. */
  '@region': (e) => {
    const { f } = e
    const before = f.let(i32.load(ZERO_ADDRESS, layout.BUDGET))
    // Nobody is to be returned to.
    f.i32Store(ZERO_ADDRESS, layout.SHADOW_TOP, i32.const(layout.SHADOW + 8))
    const next = f.let(f.callRegion(REGION, i32.load(e.record, record.RECORD_REGION)))
    const executed = i64.extendI32S(i32.sub(before, i32.load(ZERO_ADDRESS, layout.BUDGET)))
    f.i64Store(ZERO_ADDRESS, layout.TIER1_CYCLES, i64.add(i64.load(ZERO_ADDRESS, layout.TIER1_CYCLES), executed))
    f.i64Store(ZERO_ADDRESS, layout.TIER1_ENTRIES, i64.add(i64.load(ZERO_ADDRESS, layout.TIER1_ENTRIES), i64.const(1)))
    // Blocks that regions lead to again and again should be regions. At 0, where there is no record, there is no block either.
    f.if(i32.eq(i32.load(next), i32.const(BLOCK_HANDLER)), () => {
      const heat = f.let(i32.add(i32.load(next, record.RECORD_HEAT), i32.const(1)))
      f.i32Store(next, record.RECORD_HEAT, heat)
      f.if(i32.eq(heat, i32.load(ZERO_ADDRESS, layout.HEAT_LIMIT)), () => {
        const count = f.let(i32.load(ZERO_ADDRESS, layout.HOT_COUNT))
        f.if(i32.ltU(count, i32.const(layout.MOST_HOT)), () => {
          f.i32Store(i32.shl(count, i32.const(2)), layout.HOT_RECORDS, next)
          f.i32Store(ZERO_ADDRESS, layout.HOT_COUNT, i32.add(count, i32.const(1)))
        })
      })
    })
    e.goOnOrLeave(next)
  },
  /** End of an instruction that is executed alone. */
  '@step-end': (e) => { leave(e, 0); e.finish() },
  /** A branch whose target has not been looked up yet. */
  '@link': (e) => {
    storeRip(e)
    e.goOn(e.call('host_link', e.record))
  },
  /** A link that is a record of its own, not in a branch, once its target is known. */
  '@linked': (e) => { e.branchAlways() },
  /** On to an address through the jump cache: between pages, which other address spaces may pair differently. */
  '@goto': (e) => { e.jump(e.rip()) },
  /** A record of a page whose code was written: gives back what the block had paid, then looks again. */
  '@stale': (e) => {
    e.f.i32Store(ZERO_ADDRESS, layout.BUDGET, i32.add(i32.load(ZERO_ADDRESS, layout.BUDGET), i32.load16U(e.record, record.RECORD_REFUND)))
    e.goOn(e.call('look_again', e.rip()))
  },
  /** Effective address of the next record's instruction: segment base and index, which operands don't combine. */
  '@address64': (e) => { effectiveAddress(e, false) },
  '@address32': (e) => { effectiveAddress(e, true) },
  /** First in a block, where coverage is on: counts the edge from the block before (coverage.ts). A count goes from 255 to 1. */
  '@cover': (e) => {
    const { f } = e
    const block = f.let(i32.load(e.record, record.RECORD_BLOCK))
    const cell = f.let(i32.xor(block, i32.load(ZERO_ADDRESS, layout.COVERAGE_LAST)))
    const count = f.let(i32.add(i32.load8U(cell, layout.COVERAGE), i32.const(1)))
    f.i32Store8(cell, layout.COVERAGE, i32.add(count, i32.shrU(count, i32.const(8))))
    f.i32Store(ZERO_ADDRESS, layout.COVERAGE_LAST, i32.shrU(block, i32.const(1)))
  },
  /** Before an instruction that waits for all stores, where there are store buffers. */
  '@fence': (e) => { e.callVoid('host_fence', e.record) },
  /** Not an instruction, or longer than 15 bytes. */
  '@invalid': (e) => { e.fault(6, i32.const(0)); e.finish() },
  '@too-long': (e) => { e.fault(13, i32.const(0)); e.finish() },
}

const effectiveAddress = (e: Tier0Emitter, address32: boolean): void => {
  const at = e.record
  const base = i64.load(i32.load16U(at, record.RECORD_BASE))
  const index = i64.shl(i64.load(i32.load16U(at, record.RECORD_INDEX)), i64.extendI32U(i32.load8U(at, record.RECORD_SCALE)))
  let sum = i64.add(i64.add(base, index), i64.load(at, record.RECORD_DISPLACEMENT))
  if (address32) sum = i64.and(sum, i64.const(0xffffffff))
  const segment = i64.load(i32.load16U(at, record.RECORD_REG))
  e.f.i64Store(ZERO_ADDRESS, layout.EFFECTIVE_ADDRESS, i64.add(sum, segment))
}
