/** SSE and SSE2: moves between registers, memory and each other; MXCSR; fences and hints (Intel SDM volume 2). */
import { MXCSR } from '../cpu/layout.ts'
import { type Expr, i32, i64, v } from '../wasm/expression.ts'
import { type Semantics, isMemory } from './emitter.ts'
import { fromLow, highHalf, lowHalf } from './packed.ts'
import type { Family } from './registry.ts'

/** Bits 16 to 31 are reserved (volume 1, 10.2.3; the mask that FXSAVE reports is 0xffff). */
const MXCSR_RESERVED = 0xffff0000

/** The high half replaced. */
const withHigh = (a: Expr, high: Expr): Expr => v.i64x2ReplaceLane(a, 1, high)

/** MOVSS, MOVSD, MOVQ from memory clear the rest of the register; MOVSS and MOVSD between registers keep it. */
const scalar = (size: 4 | 8): Semantics => (e) => {
  const value = e.readLow(1, size)
  if (isMemory(e.operands[1])) e.writeVector(0, fromLow(value))
  else e.writeLow(0, size, value)
}

/** Bytes of `value` where the mask has its sign bit set, else of `old`. */
export const maskedBytes = (value: Expr, old: Expr, mask: Expr): Expr => v.v128Bitselect(value, old, v.i8x16ShrS(mask, i32.const(7)))

/** All 16 bytes must be writable, whatever the mask: volume 2 leaves that to the processor, and ours does as AMD's do. */
const maskmovdqu = (address32: boolean): Semantics => (e) => {
  const address = e.maskedDestination(address32)
  e.probeWrite(address, 16)
  e.store128(address, maskedBytes(e.readVector(0), e.load128(address), e.readVector(1)))
}

export const SSE_MOVE: Family = {
  /** MOVAPS, MOVAPD, MOVDQA, MOVNTPS, MOVNTPD, MOVNTDQ: memory is aligned. */
  mova: (e) => {
    const value = e.readVector(1)
    if (isMemory(e.operands[0])) e.checkAligned(e.address(0))
    e.writeVector(0, value)
  },
  /** MOVUPS, MOVUPD, MOVDQU. */
  movu: (e) => { e.writeVector(0, e.readVector(1, false)) },
  movss: scalar(4),
  movsd_vector: scalar(8),
  /** MOVQ to a vector register or to memory, MOVQ2DQ's half: a register's high half becomes zero. */
  movq: (e) => {
    const value = e.readLow(1, 8)
    if (isMemory(e.operands[0])) e.writeLow(0, 8, value)
    else e.writeVector(0, fromLow(value))
  },
  /** MOVD, MOVQ between a vector and a general register or memory. */
  movd_to_vector: (e) => { e.writeVector(0, fromLow(e.read(1))) },
  movd_from_vector: (e) => { e.write(0, e.readLow(1, e.size === 8 ? 8 : 4)) },
  /** MOVLPS, MOVLPD from memory and to it. */
  movlp: (e) => { e.writeLow(0, 8, e.readLow(1, 8)) },
  movhp_load: (e) => {
    const value = e.readLow(1, 8)
    e.writeVector(0, withHigh(e.readVector(0), value))
  },
  movhp_store: (e) => { e.writeLow(0, 8, e.f.let(highHalf(e.readVector(1)))) },
  movhlps: (e) => { e.writeLow(0, 8, e.f.let(highHalf(e.readVector(1)))) },
  movlhps: (e) => { e.writeVector(0, withHigh(e.readVector(0), lowHalf(e.readVector(1)))) },
  movnti: (e) => { e.write(0, e.read(1)) },
  maskmovdqu: maskmovdqu(false),
  maskmovdqu_a32: maskmovdqu(true),

  ldmxcsr: (e) => {
    const value = e.f.let(i32.wrap(e.read(0)))
    e.faultIf(i32.and(value, i32.const(MXCSR_RESERVED)), 13)
    e.setState32(MXCSR, value)
  },
  stmxcsr: (e) => { e.write(0, i64.extendI32U(e.state32(MXCSR))) },
  /** LFENCE, MFENCE, SFENCE: a virtual processor's accesses are in order already. */
  fence: () => {},
  /** Faults as a load of the byte does. */
  clflush: (e) => { e.read(0, 1) },
}
