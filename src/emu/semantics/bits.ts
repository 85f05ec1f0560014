/** BT family, BSF, BSR, BSWAP. */
import { type Expr, i32, i64, select } from '../wasm/expression.ts'
import { type Emitter, type Semantics, isMemory } from './emitter.ts'
import type { Family } from './registry.ts'

type BitChange = (e: Emitter, value: Expr, mask: Expr) => Expr

/** Bit number from a register: with a memory operand it reaches beyond the operand, as a signed offset (volume 2, BT). */
const bitTest = (change: BitChange | undefined, immediate: boolean, address32 = false): Semantics => (e) => {
  const offset = immediate ? e.read(1) : e.readSigned(1)
  const bit = e.f.let(i64.and(offset, i64.const(e.bits - 1)))
  const mask = e.f.let(i64.shl(i64.const(1), bit))
  let old: Expr | undefined
  if (isMemory(e.operands[0]) && !immediate) {
    const shift = e.size === 8 ? 6 : e.size === 4 ? 5 : 4
    let address = e.f.let(i64.add(e.address(0), i64.shl(i64.shrS(offset, i64.const(shift)), i64.const(shift - 3))))
    if (address32) {
      const segment = e.f.let(e.segmentBase())
      address = e.f.let(i64.add(e.trunc(i64.sub(address, segment), 4), segment))
    }
    if (change === undefined) old = e.load(address, e.size)
    else e.modifyMemory(address, e.size, (value) => { old = value; return change(e, value, mask) })
  } else if (change === undefined) {
    old = e.read(0)
  } else {
    e.modify(0, (value) => { old = value; return change(e, value, mask) })
  }
  e.setCf(i64.ne(i64.and(old as Expr, mask), i64.const(0)))
}

const setBit: BitChange = (_, value, mask) => i64.or(value, mask)
const resetBit: BitChange = (_, value, mask) => i64.and(value, i64.xor(mask, i64.const(-1)))
const complementBit: BitChange = (_, value, mask) => i64.xor(value, mask)

/**
 * With a zero source the destination stays as it is, upper half included, and ZF is set. The other flags, undefined, are
 * as on AMD processors: PF is the parity of the index (even for none), the rest are clear.
 */
const scan = (index: (e: Emitter, source: Expr) => Expr): Semantics => (e) => {
  const source = e.read(1)
  const zero = e.f.let(i64.eqz(source))
  const result = e.f.let(index(e, source))
  e.f.if(i32.eqz(zero), () => { e.write(0, result) })
  // An index of 0 must not look like a zero result.
  e.setFlags(select(zero, i64.const(0), i64.or(result, i64.const(0x100))), i32.const(0), 8)
}

/** The bytes of a value of the operation's size in reverse, bound. */
export const byteSwap = (e: Emitter, value: Expr): Expr => {
  const swap = (input: Expr, shift: number, mask: bigint): Expr => e.f.let(i64.or(
    i64.and(i64.shrU(input, i64.const(shift)), i64.const(mask)),
    i64.shl(i64.and(input, i64.const(mask)), i64.const(shift))))
  let swapped = swap(value, 8, 0x00ff00ff00ff00ffn)
  if (e.size === 2) return swapped
  swapped = swap(swapped, 16, 0x0000ffff0000ffffn)
  swapped = i64.rotl(swapped, i64.const(32))
  return e.f.let(e.size === 8 ? swapped : i64.shrU(swapped, i64.const(32)))
}

export const BITS: Family = {
  bt: bitTest(undefined, false), bti: bitTest(undefined, true),
  bts: bitTest(setBit, false), btsi: bitTest(setBit, true),
  btr: bitTest(resetBit, false), btri: bitTest(resetBit, true),
  btc: bitTest(complementBit, false), btci: bitTest(complementBit, true),
  bt_far_a32: bitTest(undefined, false, true), bts_far_a32: bitTest(setBit, false, true),
  btr_far_a32: bitTest(resetBit, false, true), btc_far_a32: bitTest(complementBit, false, true),
  bsf: scan((_, source) => i64.ctz(source)),
  bsr: scan((_, source) => i64.sub(i64.const(63), i64.clz(source))),
  bswap: (e) => {
    const value = e.read(0)
    if (e.size === 2) {
      // Undefined; processors clear the register's low half.
      e.write(0, i64.const(0))
      return
    }
    e.write(0, byteSwap(e, value))
  },
}
