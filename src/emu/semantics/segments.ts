/**
 * What user mode can ask of segments and system tables: LAR, LSL, VERR, VERW of the selectors that Linux has for it, and
 * SGDT and its like, which are answered as Linux answers for processors that keep them from user mode (UMIP): with values
 * that are the same everywhere (arch/x86/kernel/umip.c).
 */
import { TSC_AUX } from '../cpu/layout.ts'
import { type Expr, i32, i64, select } from '../wasm/expression.ts'
import type { Emitter, Semantics } from './emitter.ts'
import type { Family } from './registry.ts'

interface Segment {
  /** The selector without its requested privilege level, which may be any. */
  readonly selector: number
  /** As LAR has it. */
  readonly access: number
  /** In bytes; of the segment that tells a processor's number, that. */
  readonly limit: number | 'number'
  readonly isWritable: boolean
}
/** 32-bit code, data, 64-bit code, the number of the CPU: all others are of the kernel, or empty. */
const SEGMENTS: readonly Segment[] = [
  { selector: 0x20, access: 0xcffb00, limit: 0xffffffff, isWritable: false },
  { selector: 0x28, access: 0xcff300, limit: 0xffffffff, isWritable: true },
  { selector: 0x30, access: 0xaffb00, limit: 0xffffffff, isWritable: false },
  { selector: 0x78, access: 0x40f500, limit: 'number', isWritable: false },
]

const isOf = (selector: Expr, segments: readonly Segment[]): Expr =>
  segments.map((segment) => i64.eq(selector, i64.const(segment.selector))).reduce((a, b) => i32.or(a, b))
const readSelector = (e: Emitter, at: number): Expr => e.f.let(i64.and(e.read(at, 2), i64.const(0xfffc)))

/** ZF alone changes. */
const setZf = (e: Emitter, zero: Expr): void => {
  e.setAllFlags({ cf: e.f.let(e.cf()), pf: e.f.let(e.pf()), af: e.f.let(e.af()), zf: zero, sf: e.f.let(e.sf()), of: e.f.let(e.of()) })
}

/** ZF says whether there is such a segment; without one, the destination stays. */
const load = (value: (segment: Segment) => Expr): Semantics => (e) => {
  const selector = readSelector(e, 1)
  const found = e.f.let(isOf(selector, SEGMENTS))
  const result = e.f.let(SEGMENTS.reduce((others: Expr, segment) => select(i64.eq(selector, i64.const(segment.selector)), value(segment), others), i64.const(0)))
  e.f.if(found, () => { e.write(0, result) })
  setZf(e, found)
}
const verify = (segments: readonly Segment[]): Semantics => (e) => { setZf(e, e.f.let(isOf(readSelector(e, 0), segments))) }

/** What a table register holds: a limit of 0, and a base. */
const storeTable = (base: bigint): Semantics => (e) => {
  const address = e.address(0)
  e.probeWrite(address, 10)
  e.store(address, 2, i64.const(0))
  e.store(e.f.let(i64.add(address, i64.const(2))), 8, i64.const(BigInt.asIntN(64, base)))
}
const storeWord = (value: number): Semantics => (e) => { e.write(0, i64.const(value)) }

/** The selector of the task's segment, and the low half of CR0 (arch/x86/include/asm/processor-flags.h: CR0_STATE). */
const TASK_SELECTOR = 0x40, CONTROL = 0x80050033

export const SEGMENT_QUERIES: Family = {
  lar: load(({ access }) => i64.const(access)),
  lsl: load(({ limit }) => limit === 'number' ? i64.extendI32U(i32.load(i32.const(0), TSC_AUX)) : i64.const(limit)),
  verr: verify(SEGMENTS),
  verw: verify(SEGMENTS.filter(({ isWritable }) => isWritable)),
  sgdt: storeTable(0xffff_ffff_fffe_0000n),
  sidt: storeTable(0xffff_ffff_ffff_0000n),
  sldt: storeWord(0),
  str: storeWord(TASK_SELECTOR),
  smsw: storeWord(CONTROL),
}
