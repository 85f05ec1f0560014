/**
 * Typed Wasm expressions.
 *
 * An `Expr` is a tree that is written out where a statement consumes it (`FunctionBuilder`), not where it is made:
 * bind what must be evaluated once, or before a later store, with `FunctionBuilder.let`.
 * Integer operations on constants are folded, so that tier 1's immediates cost nothing.
 */
import type { ByteWriter } from './bytes.ts'
import * as op from './opcodes.ts'
import type { ValueType } from './types.ts'

export interface Expr {
  readonly type: ValueType
  /** Present on integer constants only. */
  readonly constant?: bigint
  /** Bytes beyond which an integer is known to be zero. */
  readonly width?: number
  /** The float with the same bits, of an integer that was made from one: nobody need move them between register files. */
  readonly float?: Expr
  emit(out: ByteWriter): void
}

/** An opcode with its prefix: 0x6a, 0xfc03, or a SIMD opcode (which has prefix 0xfd and a LEB number). */
const emitOpcode = (out: ByteWriter, opcode: number): void => {
  if (opcode >= 0xfd00) {
    out.u8(0xfd)
    out.unsigned(opcode & 0xff)
  } else if (opcode >= 0xfc00) {
    out.u8(0xfc)
    out.unsigned(opcode & 0xff)
  } else {
    out.u8(opcode)
  }
}

const emitSimd = (out: ByteWriter, opcode: number): void => {
  out.u8(0xfd)
  out.unsigned(opcode)
}

const check = (what: string, expected: ValueType, actual: Expr): void => {
  if (actual.type !== expected) throw new TypeError(`wasm ${what}: expected ${expected}, got ${actual.type}`)
}

const makeI32 = (value: number): Expr => ({
  type: 'i32', constant: BigInt(value | 0),
  emit: (out) => { out.u8(0x41); out.signed(value) },
})
const makeI64 = (value: number | bigint): Expr => ({
  type: 'i64', constant: BigInt.asIntN(64, BigInt(value)),
  emit: (out) => { out.u8(0x42); out.signed64(value) },
})
/** Small ones are made once: tier 1 asks for them all the time. */
const SMALL = -64, SMALL_END = 4097
const SMALL_I32: Expr[] = []
const SMALL_I64: Expr[] = []
export const i32Const = (value: number): Expr =>
  value >= SMALL && value < SMALL_END ? SMALL_I32[value - SMALL] ??= makeI32(value) : makeI32(value)
export const i64Const = (value: number | bigint): Expr =>
  typeof value === 'number' && value >= SMALL && value < SMALL_END ? SMALL_I64[value - SMALL] ??= makeI64(value) : makeI64(value)
export const f32Const = (value: number): Expr => ({ type: 'f32', emit: (out) => { out.u8(0x43); out.f32(value) } })
export const f64Const = (value: number): Expr => ({ type: 'f64', emit: (out) => { out.u8(0x44); out.f64(value) } })
/** A 128-bit constant from two 64-bit halves, low first. */
export const v128Const = (low: bigint, high: bigint): Expr => ({
  type: 'v128',
  emit: (out) => {
    emitSimd(out, 0x0c)
    out.bytes(new Uint8Array(new BigUint64Array([BigInt.asUintN(64, low), BigInt.asUintN(64, high)]).buffer))
  },
})

type Fold = (a: bigint, b: bigint, bits: number) => bigint | undefined
const unsigned = (value: bigint, bits: number): bigint => BigInt.asUintN(bits, value)
const FOLDS: Partial<Record<string, Fold>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b, bits) => a << (b & BigInt(bits - 1)),
  shrU: (a, b, bits) => unsigned(a, bits) >> (b & BigInt(bits - 1)),
  shrS: (a, b, bits) => a >> (b & BigInt(bits - 1)),
}
const COMPARISONS: Partial<Record<string, (a: bigint, b: bigint, bits: number) => boolean>> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  ltS: (a, b) => a < b,
  gtS: (a, b) => a > b,
  leS: (a, b) => a <= b,
  geS: (a, b) => a >= b,
  ltU: (a, b, bits) => unsigned(a, bits) < unsigned(b, bits),
  gtU: (a, b, bits) => unsigned(a, bits) > unsigned(b, bits),
  leU: (a, b, bits) => unsigned(a, bits) <= unsigned(b, bits),
  geU: (a, b, bits) => unsigned(a, bits) >= unsigned(b, bits),
}

const binary = (type: 'i32' | 'i64' | 'f32' | 'f64', name: string, opcode: number, result: ValueType) => {
  const fold = type === 'i32' || type === 'i64' ? FOLDS[name] : undefined
  const comparison = type === 'i32' || type === 'i64' ? COMPARISONS[name] : undefined
  const bits = type === 'i32' ? 32 : 64
  const constant = type === 'i32' ? (v: bigint) => i32Const(Number(BigInt.asIntN(32, v))) : i64Const
  /** x op 0 = x */
  const zeroIsNeutral = ['add', 'sub', 'or', 'xor', 'shl', 'shrU', 'shrS'].includes(name)
  return (a: Expr, b: Expr): Expr => {
    check(`${type}.${name}`, type, a)
    check(`${type}.${name}`, type, b)
    if (comparison !== undefined && a.constant !== undefined && b.constant !== undefined) {
      return i32Const(comparison(a.constant, b.constant, bits) ? 1 : 0)
    }
    if (fold !== undefined) {
      if (a.constant !== undefined && b.constant !== undefined) {
        const folded = fold(a.constant, b.constant, bits)
        if (folded !== undefined) return constant(folded)
      }
      if (zeroIsNeutral && b.constant === 0n) return a
      if ((name === 'add' || name === 'or' || name === 'xor') && a.constant === 0n) return b
    }
    return { type: result, emit: (out) => { a.emit(out); b.emit(out); out.u8(opcode) } }
  }
}

const unary = (type: ValueType, name: string, opcode: number, result: ValueType) => (a: Expr): Expr => {
  check(`${type}.${name}`, type, a)
  if (name === 'eqz' && a.constant !== undefined) return i32Const(a.constant === 0n ? 1 : 0)
  return { type: result, emit: (out) => { a.emit(out); out.u8(opcode) } }
}

type Binary<T> = { readonly [K in keyof T]: (a: Expr, b: Expr) => Expr }
type Unary<T> = { readonly [K in keyof T]: (a: Expr) => Expr }

const mapTable = <T extends object, F>(table: T, make: (name: string, row: T[keyof T]) => F): { readonly [K in keyof T]: F } =>
  Object.fromEntries(Object.entries(table).map(([name, row]) => [name, make(name, row as T[keyof T])])) as { readonly [K in keyof T]: F }

const binaries = <T extends Record<string, number>>(type: 'i32' | 'i64' | 'f32' | 'f64', table: T, result: ValueType): Binary<T> =>
  mapTable(table, (name, opcode) => binary(type, name, opcode as number, result))
const unaries = <T extends Record<string, number>>(type: ValueType, table: T, result: ValueType): Unary<T> =>
  mapTable(table, (name, opcode) => unary(type, name, opcode as number, result))

const converts = mapTable(op.CONVERT, (name, row) => (a: Expr): Expr => {
  const [opcode, from, to] = row
  check(name, from, a)
  if (a.constant !== undefined) {
    if (name === 'i32WrapI64') return i32Const(Number(BigInt.asIntN(32, a.constant)))
    if (name === 'i64ExtendI32U') return i64Const(BigInt.asUintN(32, a.constant))
    if (name === 'i64ExtendI32S') return i64Const(a.constant)
    if (name === 'i64Eqz') return i32Const(a.constant === 0n ? 1 : 0)
  }
  const { float } = a
  if (name === 'f64ReinterpretI64' && float?.type === 'f64') return float
  if (name === 'f32ReinterpretI32' && float?.type === 'f32') return float
  if (name === 'i64ReinterpretF64' || name === 'i32ReinterpretF32') return { type: to, float: a, emit: (out) => { a.emit(out); emitOpcode(out, opcode) } }
  if (float?.type === 'f32' && (name === 'i64ExtendI32U' || name === 'i32WrapI64')) return { type: to, float, emit: (out) => { a.emit(out); emitOpcode(out, opcode) } }
  return { type: to, emit: (out) => { a.emit(out); emitOpcode(out, opcode) } }
})

/** Loads: `address` is an i32, `offset` a constant that is added without wrapping. Alignment hints are 1: guests are unaligned. */
const loads = mapTable(op.LOAD, (name, row) => (address: Expr, offset = 0): Expr => {
  const [opcode, type] = row
  check(name, 'i32', address)
  return { type, emit: (out) => { address.emit(out); emitOpcode(out, opcode); out.u8(0); out.unsigned(offset) } }
})

export type Statement = (out: ByteWriter) => void
/** Stores, as statements for `FunctionBuilder.do`. */
export const stores = mapTable(op.STORE, (name, row) => (address: Expr, offset: number, value: Expr): Statement => {
  const [opcode, type] = row
  check(name, 'i32', address)
  check(name, type, value)
  const { float } = value
  if (float !== undefined && name === (float.type === 'f64' ? 'i64Store' : type === 'i64' ? 'i64Store32' : 'i32Store')) {
    const [floatOpcode] = op.STORE[float.type === 'f64' ? 'f64Store' : 'f32Store']
    return (out) => { address.emit(out); float.emit(out); emitOpcode(out, floatOpcode); out.u8(0); out.unsigned(offset) }
  }
  return (out) => { address.emit(out); value.emit(out); emitOpcode(out, opcode); out.u8(0); out.unsigned(offset) }
})

const simdBinaries = mapTable(op.SIMD_BINARY, (name, opcode) => (a: Expr, b: Expr): Expr => {
  check(name, 'v128', a)
  check(name, 'v128', b)
  return { type: 'v128', emit: (out) => { a.emit(out); b.emit(out); emitSimd(out, opcode) } }
})
const simdUnaries = mapTable(op.SIMD_UNARY, (name, opcode) => (a: Expr): Expr => {
  check(name, 'v128', a)
  return { type: 'v128', emit: (out) => { a.emit(out); emitSimd(out, opcode) } }
})
const simdTests = mapTable(op.SIMD_TEST, (name, opcode) => (a: Expr): Expr => {
  check(name, 'v128', a)
  return { type: 'i32', emit: (out) => { a.emit(out); emitSimd(out, opcode) } }
})
const simdShifts = mapTable(op.SIMD_SHIFT, (name, opcode) => (a: Expr, count: Expr): Expr => {
  check(name, 'v128', a)
  check(name, 'i32', count)
  return { type: 'v128', emit: (out) => { a.emit(out); count.emit(out); emitSimd(out, opcode) } }
})
const simdSplats = mapTable(op.SIMD_SPLAT, (name, row) => (a: Expr): Expr => {
  const [opcode, scalar] = row
  check(name, scalar, a)
  return { type: 'v128', emit: (out) => { a.emit(out); emitSimd(out, opcode) } }
})
const simdExtracts = mapTable(op.SIMD_EXTRACT, (name, row) => (a: Expr, lane: number): Expr => {
  const [opcode, scalar] = row
  check(name, 'v128', a)
  const result: Expr = { type: scalar, emit: (out) => { a.emit(out); emitSimd(out, opcode); out.u8(lane) } }
  const float = name === 'i64x2ExtractLane' ? op.SIMD_EXTRACT.f64x2ExtractLane : name === 'i32x4ExtractLane' ? op.SIMD_EXTRACT.f32x4ExtractLane : undefined
  if (float === undefined) return result
  return { ...result, float: { type: float[1], emit: (out) => { a.emit(out); emitSimd(out, float[0]); out.u8(lane) } } }
})
const simdReplaces = mapTable(op.SIMD_REPLACE, (name, row) => (a: Expr, lane: number, value: Expr): Expr => {
  const [opcode, scalar] = row
  check(name, 'v128', a)
  check(name, scalar, value)
  const { float } = value
  if (float !== undefined && name === (float.type === 'f64' ? 'i64x2ReplaceLane' : 'i32x4ReplaceLane')) {
    const [floatOpcode] = op.SIMD_REPLACE[float.type === 'f64' ? 'f64x2ReplaceLane' : 'f32x4ReplaceLane']
    return { type: 'v128', emit: (out) => { a.emit(out); float.emit(out); emitSimd(out, floatOpcode); out.u8(lane) } }
  }
  return { type: 'v128', emit: (out) => { a.emit(out); value.emit(out); emitSimd(out, opcode); out.u8(lane) } }
})
/** i8x16.shuffle: `lanes` are 16 indices below 32 into a (0–15) and b (16–31). */
const i8x16Shuffle = (a: Expr, b: Expr, lanes: readonly number[]): Expr => {
  if (lanes.length !== 16) throw new RangeError(`shuffle takes 16 lanes, got ${lanes.length}`)
  return { type: 'v128', emit: (out) => { a.emit(out); b.emit(out); emitSimd(out, 0x0d); out.bytes(lanes) } }
}
/** mask bits from a where set, else from b. */
const v128Bitselect = (a: Expr, b: Expr, mask: Expr): Expr =>
  ({ type: 'v128', emit: (out) => { a.emit(out); b.emit(out); mask.emit(out); emitSimd(out, 82) } })

export const i32 = {
  const: i32Const,
  ...binaries('i32', op.I32_BINARY, 'i32'), ...binaries('i32', op.I32_COMPARE, 'i32'), ...unaries('i32', op.I32_UNARY, 'i32'),
  wrap: converts.i32WrapI64,
  load: loads.i32Load, load8U: loads.i32Load8U, load8S: loads.i32Load8S, load16U: loads.i32Load16U, load16S: loads.i32Load16S,
  reinterpretF32: converts.i32ReinterpretF32,
  truncSatF32S: converts.i32TruncSatF32S, truncSatF64S: converts.i32TruncSatF64S,
}
export const i64 = {
  const: i64Const,
  ...binaries('i64', op.I64_BINARY, 'i64'), ...binaries('i64', op.I64_COMPARE, 'i32'), ...unaries('i64', op.I64_UNARY, 'i64'),
  eqz: converts.i64Eqz, extendI32U: converts.i64ExtendI32U, extendI32S: converts.i64ExtendI32S,
  load: loads.i64Load, load8U: loads.i64Load8U, load8S: loads.i64Load8S, load16U: loads.i64Load16U, load16S: loads.i64Load16S,
  load32U: loads.i64Load32U, load32S: loads.i64Load32S,
  reinterpretF64: converts.i64ReinterpretF64,
  truncSatF32S: converts.i64TruncSatF32S, truncSatF64S: converts.i64TruncSatF64S,
}
export const f32 = {
  const: f32Const,
  ...binaries('f32', op.F32_BINARY, 'f32'), ...binaries('f32', op.F32_COMPARE, 'i32'), ...unaries('f32', op.F32_UNARY, 'f32'),
  load: loads.f32Load, reinterpretI32: converts.f32ReinterpretI32, demoteF64: converts.f32DemoteF64,
  convertI32S: converts.f32ConvertI32S, convertI64S: converts.f32ConvertI64S,
}
export const f64 = {
  const: f64Const,
  ...binaries('f64', op.F64_BINARY, 'f64'), ...binaries('f64', op.F64_COMPARE, 'i32'), ...unaries('f64', op.F64_UNARY, 'f64'),
  load: loads.f64Load, reinterpretI64: converts.f64ReinterpretI64, promoteF32: converts.f64PromoteF32,
  convertI32S: converts.f64ConvertI32S, convertI64S: converts.f64ConvertI64S,
}
/** SIMD: names are those of the text format with the dot dropped (`i32x4.add` → `v.i32x4Add`). */
export const v = {
  const: v128Const, load: loads.v128Load, load32Zero: loads.v128Load32Zero, load64Zero: loads.v128Load64Zero,
  ...simdBinaries, ...simdUnaries, ...simdTests, ...simdShifts, ...simdSplats, ...simdExtracts, ...simdReplaces,
  i8x16Shuffle, v128Bitselect,
}

/** condition ≠ 0 ? a : b, both evaluated. */
export const select = (condition: Expr, a: Expr, b: Expr): Expr => {
  check('select', 'i32', condition)
  check('select', a.type, b)
  if (condition.constant !== undefined) return condition.constant !== 0n ? a : b
  return {
    type: a.type,
    emit: (out) => {
      a.emit(out)
      b.emit(out)
      condition.emit(out)
      if (a.type === 'v128') { out.u8(0x1c); out.u8(1); out.u8(0x7b) } else { out.u8(0x1b) }
    },
  }
}
export const memorySize = (): Expr => ({ type: 'i32', emit: (out) => { out.u8(0x3f); out.u8(0) } })
