/** POPCNT, LZCNT, TZCNT, MOVBE, CRC32, ADCX, ADOX (Intel SDM volume 2). */
import { CONSTANTS, FLAG_AUX, OF } from '../cpu/layout.ts'
import { type Expr, i32, i64 } from '../wasm/expression.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { byteSwap } from './bits.ts'
import type { Emitter, Semantics } from './emitter.ts'
import type { Family } from './registry.ts'

/** ZF, CF and OF from i32 words that are 0 or 1; the other arithmetic flags are cleared. */
const setZeroCarry = (e: Emitter, zero: Expr, carry: Expr, overflow = i32.const(0)): void => {
  e.setAllFlags({ cf: carry, pf: i32.const(0), af: i32.const(0), zf: zero, sf: i32.const(0), of: overflow })
}

/** Number of zeros: ZF if there are none, CF if there is nothing else. Of the other flags, undefined, OF stays, as on AMD processors. */
const countZeros = (count: (e: Emitter, source: Expr) => Expr): Semantics => (e) => {
  const source = e.read(1)
  const result = e.f.let(count(e, source))
  e.write(0, result)
  setZeroCarry(e, i64.eqz(result), i64.eqz(source), e.f.let(e.of()))
}

/** Addition with one flag as carry in and out; all others stay. */
const addWith = (read: (e: Emitter) => Expr, write: (e: Emitter, carry: Expr) => void): Semantics => (e) => {
  const b = e.read(1)
  const a = e.read(0)
  const carry = e.f.let(i64.extendI32U(read(e)))
  const sum = e.f.let(i64.add(a, b))
  const result = e.f.let(i64.add(sum, carry))
  const out = e.f.let(e.size === 8 ? i32.or(i64.ltU(sum, a), i64.ltU(result, sum)) : i32.wrap(i64.shrU(result, i64.const(32))))
  e.write(0, result)
  write(e, out)
}

/** Castagnoli's polynomial, reflected: the CRC goes in and out without inversion. */
const POLYNOMIAL = 0x82f63b78
const TABLES_AT = CONSTANTS + 0x1000
const SLICES = 8

/** Table s holds what a byte does to the CRC s bytes later. */
const crcTables = (): Uint8Array => {
  const tables = new Uint32Array(SLICES * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    tables[byte] = crc
  }
  for (let i = 256; i < tables.length; i++) tables[i] = (tables[i - 256] >>> 8) ^ tables[tables[i - 256] & 0xff]
  const bytes = new Uint8Array(tables.length * 4)
  const view = new DataView(bytes.buffer)
  tables.forEach((word, i) => { view.setUint32(i * 4, word, true) })
  return bytes
}

export const defineCrc = (module: ModuleBuilder): void => {
  module.data(TABLES_AT, crcTables())
  for (const size of [1, 2, 4, 8]) {
    module.function(`crc32c_${size}`, signature(['i64', 'i64'], ['i64']), (f) => {
      const [crc, value] = f.params
      const mixed = f.let(i64.xor(i64.and(crc, i64.const(0xffffffff)), value))
      const looked = Array.from({ length: size }, (_, i) => {
        const index = i32.and(i32.wrap(i64.shrU(mixed, i64.const(i * 8))), i32.const(0xff))
        return i64.load32U(i32.shl(index, i32.const(2)), TABLES_AT + (size - 1 - i) * 1024)
      }).reduce((a, b) => i64.xor(a, b))
      f.return(size >= 4 ? looked : i64.xor(looked, i64.shrU(i64.and(crc, i64.const(0xffffffff)), i64.const(size * 8))))
    })
  }
}

export const BITS_EXTENDED: Family = {
  popcnt: (e) => {
    const source = e.read(1)
    const result = e.f.let(i64.popcnt(source))
    e.write(0, result)
    setZeroCarry(e, i64.eqz(source), i32.const(0))
  },
  lzcnt: countZeros((e, source) => i64.sub(i64.clz(source), i64.const(64 - e.bits))),
  tzcnt: countZeros((e, source) => i64.ctz(e.size === 8 ? source : i64.or(source, i64.const(1n << BigInt(e.bits))))),
  movbe: (e) => { e.write(0, byteSwap(e, e.read(1))) },
  crc32: (e) => {
    const source = e.read(1)
    e.write(0, e.call(`crc32c_${e.operands[1].size}`, e.read(0), source))
  },
  adcx: addWith((e) => e.cf(), (e, carry) => { e.setCf(carry) }),
  adox: addWith((e) => e.of(), (e, carry) => {
    e.setState32(FLAG_AUX, i32.or(i32.and(e.state32(FLAG_AUX), i32.const(~OF)), i32.shl(carry, i32.const(11))))
  }),
}
