/**
 * AES-NI (FIPS 197; Intel SDM volume 2): a round of the cipher on a state of 16 bytes, column by column, as four look-ups a
 * column in a table that has substitution and mixing of columns in one.
 */
import { CONSTANTS } from '../cpu/layout.ts'
import { type Expr, i32, i64, v } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import type { Emitter, Semantics } from './emitter.ts'
import type { PackedUnary } from './packed-extended.ts'
import type { PackedBinaryBound } from './packed.ts'
import type { Family } from './registry.ts'

/** Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197, 4.2). */
const multiply = (a: number, b: number): number => {
  let product = 0
  for (let bit = 0, power = a; bit < 8; bit++) {
    if (((b >> bit) & 1) !== 0) product ^= power
    power = (power << 1) ^ ((power & 0x80) !== 0 ? 0x11b : 0)
  }
  return product
}

/** The S-box (FIPS 197, 5.1.1): the inverse, then an affine map. */
const makeSubstitution = (): { forward: Uint8Array, inverse: Uint8Array } => {
  const forward = new Uint8Array(256)
  const inverse = new Uint8Array(256)
  for (let x = 0; x < 256; x++) {
    // x^254 is the inverse of x, and 0 of 0.
    let y = 1
    for (let i = 0; i < 254; i++) y = multiply(y, x)
    let mapped = 0x63
    for (let turn = 0; turn < 5; turn++) mapped ^= ((y << turn) | (y >> (8 - turn))) & 0xff
    forward[x] = mapped
    inverse[mapped] = x
  }
  return { forward, inverse }
}

const FORWARD_MIXED = CONSTANTS + 0x3000, INVERSE_MIXED = FORWARD_MIXED + 0x400
const FORWARD = CONSTANTS + 0x3800, INVERSE = FORWARD + 0x100

/** A column that has the substituted byte in its first row and zeros elsewhere, mixed; other rows are that rotated. */
const mixedTable = (box: Uint8Array, factors: readonly number[]): Uint8Array =>
  Uint8Array.from({ length: 1024 }, (_, i) => multiply(box[i >> 2], factors[i & 3]))

/** Byte numbers of the rows of column j after ShiftRows, or its inverse. */
const shifted = (column: number, inverse: boolean): number[] =>
  [0, 1, 2, 3].map((row) => ((column + (inverse ? 4 - row : row)) % 4) * 4 + row)

const byteAt = (state: Expr, at: number): Expr => v.i8x16ExtractLaneU(state, at)
const mixed = (table: number, byte: Expr, row: number): Expr => {
  const word = i32.load(i32.shl(byte, i32.const(2)), table)
  return row === 0 ? word : i32.rotl(word, i32.const(row * 8))
}
const substituted = (table: number, byte: Expr, row: number): Expr => {
  const value = i32.load8U(byte, table)
  return row === 0 ? value : i32.shl(value, i32.const(row * 8))
}

const columns = (f: FunctionBuilder, word: (column: number) => Expr): Expr => {
  const result = f.local('v128')
  for (let column = 0; column < 4; column++) f.set(result, v.i32x4ReplaceLane(result, column, word(column)))
  return result
}
const xorAll = (words: readonly Expr[]): Expr => words.reduce((a, b) => i32.xor(a, b))

const STEP = signature(['v128', 'v128'], ['v128'])
const UNARY = signature(['v128'], ['v128'])

export const defineAes = (module: ModuleBuilder): void => {
  const { forward, inverse } = makeSubstitution()
  module.data(FORWARD_MIXED, mixedTable(forward, [2, 1, 1, 3]))
  module.data(INVERSE_MIXED, mixedTable(inverse, [14, 9, 13, 11]))
  module.data(FORWARD, forward)
  module.data(INVERSE, inverse)
  for (const [name, isInverse, table, look] of [
    ['aesenc', false, FORWARD_MIXED, mixed], ['aesdec', true, INVERSE_MIXED, mixed],
    ['aesenclast', false, FORWARD, substituted], ['aesdeclast', true, INVERSE, substituted],
  ] as const) {
    module.function(name, STEP, (f) => {
      const [state, key] = f.params
      f.return(v.v128Xor(columns(f, (column) => xorAll(shifted(column, isInverse).map((at, row) => look(table, byteAt(state, at), row)))), key))
    })
  }
  /** InvMixColumns alone: the table's substitution is undone first. */
  module.function('aesimc', UNARY, (f) => {
    const [state] = f.params
    f.return(columns(f, (column) => xorAll([0, 1, 2, 3].map((row) => mixed(INVERSE_MIXED, i32.load8U(byteAt(state, column * 4 + row), FORWARD), row)))))
  })
  /** SubWord of columns 1 and 3, and each rotated and with the round's constant. */
  module.function('aeskeygenassist', signature(['v128', 'i32'], ['v128']), (f) => {
    const [key, constant] = f.params
    const words = [1, 3].map((column) => f.let(xorAll([0, 1, 2, 3].map((row) => substituted(FORWARD, byteAt(key, column * 4 + row), row)))))
    f.return(columns(f, (column) => {
      const word = words[column >> 1]
      return (column & 1) === 0 ? word : i32.xor(i32.rotr(word, i32.const(8)), constant)
    }))
  })
}

export const AES_OPERATIONS: Readonly<Record<string, PackedBinaryBound>> = Object.fromEntries(
  ['aesenc', 'aesenclast', 'aesdec', 'aesdeclast'].map((name): [string, PackedBinaryBound] => [name, (f, a, key) => f.call(name, a, key)]))
export const inverseMixColumns: PackedUnary = (f, a) => f.call('aesimc', a)
/** @param immediate i64, bound */
export const keyGenerationAssist = (f: FunctionBuilder, a: Expr, immediate: Expr): Expr => f.call('aeskeygenassist', a, i32.wrap(i64.and(immediate, i64.const(0xff))))

const family: Record<string, Semantics> = {}
for (const [name, operation] of Object.entries(AES_OPERATIONS)) {
  family[name] = (e: Emitter) => {
    const key = e.readVector(1)
    e.writeVector(0, operation(e.f, e.readVector(0), key))
  }
}

export const AES: Family = {
  ...family,
  aesimc: (e) => { e.writeVector(0, inverseMixColumns(e.f, e.readVector(1))) },
  aeskeygenassist: (e) => {
    const a = e.readVector(1)
    e.writeVector(0, keyGenerationAssist(e.f, a, e.read(2)))
  },
}
