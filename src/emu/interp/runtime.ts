/**
 * Wasm functions that handlers call: slow paths of memory access and jumps, RFLAGS as a whole.
 * What only the host can do is imported from 'host' (implemented in interpreter.ts); 64-bit values cross as two i32,
 * because an i64 would become a BigInt.
 */
import * as layout from '../cpu/layout.ts'
import { type Expr, i32, i64 } from '../wasm/expression.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { EXIT_BUDGET } from '../processor.ts'
import { ACCESS_MODIFIES, ACCESS_PROBES } from '../watch.ts'
import { REGION_HANDLER } from './manifest.ts'
import { RECORD_SAVED_COST, RECORD_SIZE } from './records.ts'
import { Tier0Emitter, ZERO_ADDRESS, tlbOffset } from './tier0-emitter.ts'

/** Functions of the host: name → signature. */
export const HOST_FUNCTIONS = {
  /** (record, address low, high, size, access with ACCESS_MODIFIES or ACCESS_PROBES) → host address; the bounce buffer for accesses that cross a page. Throws a guest fault. */
  host_translate: signature(['i32', 'i32', 'i32', 'i32', 'i32'], ['i32']),
  /** Copies the bounce buffer to the two pages of the last write translation. */
  finish_write: signature([]),
  /** (record, vector, error code): throws a guest fault. */
  raise: signature(['i32', 'i32', 'i32']),
  /** (rip low, high) → record of the block there, translating it if need be; throws a guest fault if it can't be fetched. */
  host_lookup: signature(['i32', 'i32'], ['i32']),
  /** (link record) → record of its target; makes the link direct where that is safe. */
  host_link: signature(['i32'], ['i32']),
  /** CPUID on the register block. */
  host_cpuid: signature([]),
  /** (region) → 1 if its code is what this address space has at those pages. */
  host_revalidate: signature(['i32'], ['i32']),
  /** (record) Store buffers are emptied, unless the watcher stops the instruction. */
  host_fence: signature(['i32']),
  /** 32 random bits from the kernel's entropy. */
  host_random: signature([], ['i32']),
} as const

export const defineRuntime = (module: ModuleBuilder): void => {
  for (const [name, access] of [['translate_read', 0], ['translate_write', 1], ['translate_modify', 1 | ACCESS_MODIFIES]] as const) {
    module.function(name, signature(['i32', 'i64', 'i32'], ['i32']), (f) => {
      const [record, address, size] = f.params
      f.return(f.call('host_translate', record, i32.wrap(address), i32.wrap(i64.shrU(address, i64.const(32))), size, i32.const(access)))
    })
  }
  /** Faults if the range can't be written. */
  module.function('probe_write', signature(['i32', 'i64', 'i32']), (f) => {
    const [record, address, size] = f.params
    const probe = (at: Expr): void => {
      f.callVoid('host_translate', record, i32.wrap(at), i32.wrap(i64.shrU(at, i64.const(32))), i32.const(1), i32.const(1 | ACCESS_PROBES))
    }
    const last = f.let(i64.add(address, i64.extendI32U(i32.sub(size, i32.const(1)))))
    // That all of it is canonical comes before what is mapped: let the access itself find that out.
    f.if(i64.ne(i64.shrU(address, i64.const(47)), i64.shrU(last, i64.const(47))), () => {
      f.callVoid('host_translate', record, i32.wrap(address), i32.wrap(i64.shrU(address, i64.const(32))), size, i32.const(1 | ACCESS_PROBES))
    })
    probe(address)
    f.if(i64.ne(i64.shrU(address, i64.const(12)), i64.shrU(last, i64.const(12))), () => {
      // The first byte of the next page is the one that a processor would report.
      probe(f.let(i64.and(last, i64.const(-4096))))
    })
  })
  module.function('raise_misaligned', signature(['i32', 'i64']), (f) => {
    const [record, address] = f.params
    f.if(i64.ne(i64.shrS(i64.shl(address, i64.const(16)), i64.const(16)), address), () => {
      f.callVoid('host_translate', record, i32.wrap(address), i32.wrap(i64.shrU(address, i64.const(32))), i32.const(1), i32.const(0))
    })
    f.callVoid('raise', record, i32.const(13), i32.const(0))
  })
  /** The record at a linear address, whatever caches say. rip is set first: a fetch fault is the target's. */
  module.function('look_again', signature(['i64'], ['i32']), (f) => {
    const [target] = f.params
    f.i64Store(ZERO_ADDRESS, layout.RIP, target)
    f.return(f.call('host_lookup', i32.wrap(target), i32.wrap(i64.shrU(target, i64.const(32)))))
  })
  /** The record at a linear address that is not in the jump cache. */
  module.function('jump_slow', signature(['i64'], ['i32']), (f) => {
    const [target] = f.params
    const second = f.let(i32.shl(i32.shrU(i32.mul(i32.wrap(target), i32.const(layout.SECOND_JUMP_MULTIPLIER)), i32.const(layout.SECOND_JUMP_SHIFT)), i32.const(4)))
    f.if(i64.eq(i64.load(second, layout.SECOND_JUMP_CACHE), target), () => {
      const hash = i32.xor(i32.wrap(target), i32.wrap(i64.shrU(target, i64.const(12))))
      const first = f.let(i32.shl(i32.and(hash, i32.const(layout.JUMP_CACHE_ENTRIES - 1)), i32.const(4)))
      const at = f.let(i32.load(second, layout.SECOND_JUMP_CACHE + 8))
      f.i64Store(first, layout.JUMP_CACHE, target)
      f.i32Store(first, layout.JUMP_CACHE + 8, at)
      f.return(at)
    })
    f.return(f.call('look_again', target))
  })
  defineTier1Runtime(module)
  /** RFLAGS from the lazy form. */
  module.function('read_rflags', signature([], ['i64']), (f) => {
    const result = f.let(i64.load(ZERO_ADDRESS, layout.FLAG_RESULT))
    const aux = f.let(i32.load(ZERO_ADDRESS, layout.FLAG_AUX))
    const odd = i32.and(i32.popcnt(i32.and(i32.wrap(result), i32.const(0xff))), i32.const(1))
    const pf = i32.xor(i32.shl(i32.xor(odd, i32.const(1)), i32.const(2)), i32.and(aux, i32.const(layout.PF)))
    const sf = i32.xor(i32.shl(i32.wrap(i64.shrU(result, i64.const(63))), i32.const(7)), i32.and(aux, i32.const(layout.SF)))
    const zf = i32.shl(i64.eqz(result), i32.const(6))
    const rest = i32.or(i32.and(aux, i32.const(layout.CF | layout.AF | layout.OF)), i32.or(i32.load(ZERO_ADDRESS, layout.FLAG_OTHER), i32.const(2)))
    f.return(i64.extendI32U(i32.or(i32.or(pf, sf), i32.or(zf, rest))))
  })
  /** Sets the arithmetic flags, TF, DF, NT, AC and ID from an RFLAGS image. */
  module.function('write_rflags', signature(['i64']), (f) => {
    const flags = f.let(i32.wrap(f.params[0]))
    const zero = f.let(i32.and(i32.shrU(flags, i32.const(6)), i32.const(1)))
    f.i64Store(ZERO_ADDRESS, layout.FLAG_RESULT, i64.extendI32U(i32.xor(zero, i32.const(1))))
    const pf = i32.xor(i32.and(flags, i32.const(layout.PF)), i32.shl(zero, i32.const(2)))
    f.i32Store(ZERO_ADDRESS, layout.FLAG_AUX, i32.or(pf, i32.and(flags, i32.const(layout.CF | layout.AF | layout.OF | layout.SF))))
    f.i32Store(ZERO_ADDRESS, layout.FLAG_OTHER, i32.or(i32.and(flags, i32.const(layout.TF | layout.DF | 0x4000 | 0x40000 | 0x200000)), i32.const(layout.IF)))
  })
}

/** What regions of tier 1 call (src/emu/jit). */
const defineTier1Runtime = (module: ModuleBuilder): void => {
  module.function('revalidate', signature(['i32'], ['i32']), (f) => { f.return(f.call('host_revalidate', f.params[0])) })
  /**
   * Host address of `size` bytes from a linear address on, by the TLB that begins at `tlb`; 0 if a page is not there, or the second one's
   * frame is not behind the first one's. That one of two pages is there, but not both as one piece, is counted for the region.
   */
  module.function('reach', signature(['i64', 'i32', 'i32', 'i32'], ['i32']), (f) => {
    const [address, size, tlb, region] = f.params
    const entryOf = (at: Expr): Expr => i32.add(tlb, tlbOffset(at))
    const isThere = (at: Expr, entry: Expr): Expr => i64.ltU(i64.sub(at, i64.load(entry)), i64.const(layout.PAGE_SIZE))
    const straddles = (): void => {
      const counter = f.let(i32.shl(region, i32.const(2)))
      f.i32Store(counter, layout.REGION_STRADDLES, i32.add(i32.load(counter, layout.REGION_STRADDLES), i32.const(1)))
      f.i32Store(ZERO_ADDRESS, layout.LAST_STRADDLE, region)
    }
    const first = f.let(entryOf(address))
    f.if(i32.eqz(isThere(address, first)), () => {
      const last = f.let(i64.add(address, i64.extendI32U(i32.sub(size, i32.const(1)))))
      f.if(isThere(last, f.let(entryOf(last))), straddles)
      f.return(i32.const(0))
    })
    const offset = f.let(i64.sub(address, i64.load(first)))
    const addend = f.let(i32.load(first, 8))
    const host = f.let(i32.add(addend, i32.wrap(address)))
    f.if(i32.leU(i32.add(i32.wrap(offset), size), i32.const(layout.PAGE_SIZE)), () => { f.return(host) })
    const next = f.let(i64.add(i64.load(first), i64.const(layout.PAGE_SIZE)))
    const second = f.let(entryOf(next))
    f.if(i32.or(i64.ne(i64.load(second), next), i32.ne(i32.load(second, 8), addend)), () => {
      straddles()
      f.return(i32.const(0))
    })
    f.return(host)
  })
  /** The record with which tier 0 goes on at an address, even if that is the entry of a region. 0: the budget does not reach. */
  module.function('leave_plain', signature(['i64'], ['i32']), (f) => {
    const [target] = f.params
    const hash = i32.xor(i32.wrap(target), i32.wrap(i64.shrU(target, i64.const(12))))
    const entry = f.let(i32.shl(i32.and(hash, i32.const(layout.JUMP_CACHE_ENTRIES - 1)), i32.const(4)))
    const at = f.ifValue('i32', i64.eq(i64.load(entry, layout.JUMP_CACHE), target),
      () => i32.load(entry, layout.JUMP_CACHE + 8), () => f.call('jump_slow', target))
    f.if(i32.ne(i32.load(at), i32.const(REGION_HANDLER)), () => { f.return(at) })
    const budget = f.let(i32.load(ZERO_ADDRESS, layout.BUDGET))
    const cost = f.let(i32.load(at, RECORD_SAVED_COST))
    f.if(i32.ltS(budget, cost), () => {
      f.i64Store(ZERO_ADDRESS, layout.RIP, target)
      f.i32Store(ZERO_ADDRESS, layout.EXIT_REASON, i32.const(EXIT_BUDGET))
      f.return(i32.const(0))
    })
    f.i32Store(ZERO_ADDRESS, layout.BUDGET, i32.sub(budget, cost))
    f.return(i32.add(at, i32.const(RECORD_SIZE)))
  })
  /** The flags' two words from the form in which a region leaves them: see jit/flags.ts. */
  module.function('settle_flags', signature([]), (f) => {
    const operation = f.let(i32.load(ZERO_ADDRESS, layout.FLAGS_PACKED))
    f.if(i32.eqz(operation), () => { f.return() })
    f.i32Store(ZERO_ADDRESS, layout.FLAGS_PACKED, i32.const(0))
    const a = f.let(i64.load(ZERO_ADDRESS, layout.FLAGS_A))
    const b = f.let(i64.load(ZERO_ADDRESS, layout.FLAGS_B))
    const e = new Tier0Emitter(f, [])
    PACKED_FLAGS.forEach((kind, k) => {
      [1, 2, 4, 8].forEach((size, s) => {
        f.if(i32.eq(operation, i32.const(packedFlags(k, s))), () => {
          if (kind === 'sub') e.setFlagsSub(a, b, f.let(e.trunc(i64.sub(a, b), size)), size)
          else if (kind === 'add') e.setFlagsAdd(a, b, f.let(e.trunc(i64.add(a, b), size)), size)
          else e.setFlagsLogic(a, size)
        })
      })
    })
  })
}

/** Kinds of operations whose flags regions keep as operands. */
export const PACKED_FLAGS = ['sub', 'add', 'logic'] as const
/** @param sizeLog2 of the operands in bytes */
export const packedFlags = (kind: number, sizeLog2: number): number => 1 + kind * 4 + sizeLog2
