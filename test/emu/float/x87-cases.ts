/** Arbitraries for x87 state, and the instructions to try it on. */
import fc from 'fast-check'
import type { Row } from '../../../src/emu/decode/rows.ts'
import { DATA, FCW, FSW, FTW, LENGTH, MXCSR, RECORD, STACK, XMM } from './host.ts'

const TOP = 1n << 63n
const significands: readonly bigint[] = [TOP, TOP + 1n, 2n ** 64n - 1n, 2n ** 64n - 2n, 3n << 62n, (3n << 62n) + 1n, TOP | (1n << 62n) | 0x12345n,
  TOP | 0x3ffn, TOP | 0x400n, TOP | 0x401n, TOP | 0xc00n, TOP | 0x7ffn, TOP | (1n << 39n), TOP | (1n << 39n) | 1n, TOP | (3n << 39n), 0xffffff0000000000n, 0xfffffffffffff800n,
  0xb504f333f9de6484n, 0xc90fdaa22168c235n, 0xde0b6b3a7640000n << 4n]
const odd: readonly bigint[] = [0n, 1n, 2n, (1n << 62n) - 1n, 1n << 62n, TOP - 1n, TOP, TOP + 1n, 0x123456789abcdn]
const exponents: readonly number[] = [1, 2, 3, 63, 64, 65, 0x3ffe, 0x3fff, 0x4000, 0x4001, 0x400d, 0x400e, 0x400f, 0x401d, 0x401e, 0x401f, 0x403a, 0x403b, 0x403d, 0x403e, 0x403f, 0x7ffd, 0x7ffe,
  0x3f80, 0x3f81, 0x3f6a, 0x3f6b, 0x3c00, 0x3c01, 0x3bcd, 0x3bcc, 0x407d, 0x407e, 0x407f, 0x43fd, 0x43fe, 0x43ff, 0x1fff, 0x2000, 0x2001, 0x5ffd, 0x5ffe, 0x5fff]

const sign = fc.constantFrom(0, 0x8000)
const significand = fc.oneof(fc.constantFrom(...significands), fc.bigInt({ min: TOP, max: 2n ** 64n - 1n }))
const normal = fc.tuple(significand, sign, fc.oneof(fc.constantFrom(...exponents), fc.integer({ min: 0x3fc0, max: 0x4040 }), fc.integer({ min: 1, max: 0x7ffe })))
  .map(([s, h, e]): [bigint, number] => [s, h | e])
/** 64-bit significand, and sign and exponent. */
export const extended: fc.Arbitrary<[bigint, number]> = fc.oneof(
  { weight: 8, arbitrary: normal },
  { weight: 2, arbitrary: fc.tuple(fc.oneof(significand, fc.constantFrom(...odd)), sign, fc.constantFrom(0x3fff, 0x3ffe, 0x4000)).map(([s, h, e]): [bigint, number] => [s | TOP, h | e]) },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom(0n, TOP), sign).map(([s, h]): [bigint, number] => s === 0n ? [0n, h] : [TOP, h | 0x7fff]) },
  { weight: 1, arbitrary: fc.tuple(fc.oneof(fc.constantFrom(...odd), significand), sign).map(([s, h]): [bigint, number] => [s, h]) },
  { weight: 1, arbitrary: fc.tuple(fc.oneof(fc.constantFrom(...odd), significand), sign).map(([s, h]): [bigint, number] => [s | TOP, h | 0x7fff]) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...odd), sign, fc.constantFrom(...exponents, 0x7fff)).map(([s, h, e]): [bigint, number] => [s, h | e]) },
)

/** A second operand near the first: cancellation, quotients near 1. */
const near = (value: [bigint, number]): fc.Arbitrary<[bigint, number]> => fc.tuple(fc.integer({ min: -66, max: 66 }), fc.constantFrom(0n, 1n, -1n, 2n), sign)
  .map(([by, add, flip]) => [BigInt.asUintN(64, value[0] + add), (((value[1] & 0x7fff) + by) & 0x7fff) | ((value[1] ^ flip) & 0x8000)])

/** Masks are mostly all set; rounding and precision anything. */
const control = fc.tuple(fc.oneof({ weight: 3, arbitrary: fc.constant(0x3f) }, { weight: 1, arbitrary: fc.integer({ min: 0, max: 0x3f }) }),
  fc.oneof(fc.constant(3), fc.integer({ min: 0, max: 3 })), fc.integer({ min: 0, max: 3 }))
  .map(([masks, precision, rounding]) => masks | 0x40 | (precision << 8) | (rounding << 10))

const memory64 = fc.oneof(
  fc.constantFrom(0n, 1n, 0x3ff0000000000000n, 0xbff0000000000000n, 0x7ff0000000000000n, 0xfff0000000000000n, 0x7ff8000000000000n, 0x7ff0000000000001n,
    0xfff4000000000123n, 0x000fffffffffffffn, 0x8010000000000000n, 0x7fefffffffffffffn, 0x800000007f800001n, 0x0000000100000001n, 0x7fc000007f800000n,
    0x800000003f800000n, 0x00000000ffc12345n, 0x8000000000000000n, 0x7fffffffffffffffn, 0x000000007fffffffn, 0x0000000080000000n),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.double({ noNaN: true }).map((value) => new BigUint64Array(new Float64Array([value]).buffer)[0]),
  fc.float({ noNaN: true }).map((value) => BigInt(new Uint32Array(new Float32Array([value]).buffer)[0])),
  fc.constantFrom(0x0123456789012345n, 0x9999999999999999n),
)

export interface State {
  readonly stack: readonly (readonly [bigint, number])[]
  readonly control: number
  readonly status: number
  readonly tags: number
  readonly memory: readonly bigint[]
}

const stack = extended.chain((first) => fc.tuple(fc.constant(first), fc.oneof(extended, near(first)), ...Array.from({ length: 6 }, () => extended)))

export const state: fc.Arbitrary<State> = fc.record({
  stack, control,
  /** TOP, condition codes and now and then a flag that was raised before. */
  status: fc.tuple(fc.integer({ min: 0, max: 7 }), fc.constantFrom(0, 0x4700, 0x4300, 0x200, 0x100), fc.oneof({ weight: 7, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: 0, max: 0x7f }) }))
    .map(([top, conditions, flags]) => (top << 11) | conditions | flags),
  tags: fc.oneof({ weight: 6, arbitrary: fc.constant(0xff) }, { weight: 6, arbitrary: fc.constant(0x7f) }, { weight: 2, arbitrary: fc.integer({ min: 0, max: 0xff }) }),
  memory: fc.array(memory64, { minLength: 8, maxLength: 8 }),
})

/** `tags` of a state counts from ST(0): here it goes to the physical registers. */
const physicalTags = (tags: number, status: number): number => {
  const top = (status >> 11) & 7
  let result = 0
  for (let i = 0; i < 8; i++) if ((tags & (1 << i)) !== 0) result |= 1 << ((top + i) & 7)
  return result
}

export const writeState = (bytes: Uint8Array, code: readonly number[], from: State): void => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  bytes.fill(0, 0, RECORD)
  bytes.set(code)
  bytes[LENGTH] = code.length
  view.setUint32(MXCSR, 0x1f80, true)
  view.setUint16(FCW, from.control, true)
  view.setUint16(FSW, from.status, true)
  bytes[FTW] = physicalTags(from.tags, from.status)
  bytes.fill(0, XMM, DATA)
  from.memory.forEach((word, i) => { view.setBigUint64(DATA + i * 8, word, true) })
  from.stack.forEach(([low, head], i) => {
    view.setBigUint64(STACK + i * 16, low, true)
    view.setUint16(STACK + i * 16 + 8, head, true)
  })
}

export interface Form { readonly title: string, readonly row: Row, readonly code: readonly number[] }

/** Encodings of a row: memory at [rdi] and, with 66 where that matters, stack operands 0, 1, 2 and 6. */
export const formsOf = (row: Row): Form[] => {
  const escape = row.map === 1 ? [0x0f] : []
  if (row.mod === 'mem') {
    const modrm = ((row.digit ?? 0) << 3) | 7
    const prefixes = row.operands[0].size === 'v' ? [[], [0x66]] : row.operands[0].size === 'y' ? [[], [0x48]] : [[]]
    return prefixes.map((prefix) => ({ title: `${row.text} ${row.name}${prefix.length > 0 ? ` prefix ${prefix[0].toString(16)}` : ''}`, row, code: [...prefix, ...escape, row.opcode, modrm] }))
  }
  if (row.modrm === undefined) return [{ title: `${row.text} ${row.name}`, row, code: [row.opcode] }]
  const indices = row.modrmCount === 8 ? [0, 1, 2, 6] : [0]
  return indices.map((i) => ({ title: `${row.name} ${row.modrmCount === 8 ? `st${i}` : ''}`, row, code: [row.opcode, (row.modrm as number) + i] }))
}
