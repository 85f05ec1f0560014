/** The functions f80_… by themselves, against exact arithmetic in integers of any size: needs no processor to compare with. */
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { SCRATCH } from '../../../src/emu/cpu/layout.ts'
import { FLOAT_RESULT } from '../../../src/emu/float/constants.ts'
import { defineFloatRuntime } from '../../../src/emu/float/index.ts'
import { ModuleBuilder } from '../../../src/emu/wasm/module.ts'
import { type Signature, signature } from '../../../src/emu/wasm/types.ts'
import { extended } from './x87-cases.ts'
import * as exact from './x87-reference.ts'

const BINARY = signature(['i32', 'i32', 'i32', 'i32'], ['i32'])
const UNARY = signature(['i32', 'i32', 'i32'], ['i32'])
const EXPORTS: Readonly<Record<string, Signature>> = {
  f80_add: BINARY, f80_sub: BINARY, f80_mul: BINARY, f80_div: BINARY, f80_sqrt: UNARY, f80_round: UNARY,
  f80_sin: UNARY, f80_cos: UNARY, f80_2xm1: UNARY, f80_atan: BINARY, f80_yl2x: BINARY, f80_yl2xp1: BINARY, f80_tan: BINARY, f80_sincos: BINARY,
  f80_rem: BINARY, f80_rem1: BINARY, f80_to_f64: signature(['i32', 'i32'], ['i32']), f80_to_i64: UNARY,
  f80_to_bcd: signature(['i32', 'i32'], ['i32']),
}

const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536 })
const functions = (() => {
  const module = new ModuleBuilder()
  module.importMemory(1, 65536)
  defineFloatRuntime(module)
  for (const [name, type] of Object.entries(EXPORTS)) {
    module.function(`test_${name}`, type, (f) => { f.return(f.call(name, ...f.params)) }, true)
  }
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { env: { memory } })
  return instance.exports as Record<string, (...args: number[]) => number>
})()
const view = new DataView(memory.buffer)

type Register = readonly [significand: bigint, head: number]
/** Operands, results: anywhere. */
const A = 0x300000, B = A + 16, RESULT = B + 16, SECOND = RESULT + 16
const put = (at: number, [significand, head]: Register): void => {
  view.setBigUint64(at, significand, true)
  view.setUint16(at + 8, head, true)
}
const get = (at: number): Register => [view.getBigUint64(at, true), view.getUint16(at + 8, true)]
const hex = ([significand, head]: Register): string => `${head.toString(16).padStart(4, '0')}:${significand.toString(16).padStart(16, '0')}`

const IE = 1, DE = 2, OE = 8, UE = 16, PE = 32, C1 = 0x200
const PRECISIONS = [24, 64, 53, 64] as const
const controls = fc.tuple(fc.constantFrom(0, 2, 3), fc.integer({ min: 0, max: 3 })).map(([precision, rounding]) => ({ precision: PRECISIONS[precision], rounding, word: 0x7f | (precision << 8) | (rounding << 10) }))

const TOP = 1n << 63n
/** Numbers: neither NaNs, infinities, unsupported values nor zeros. */
const number = extended.filter(([significand, head]) => significand !== 0n && (head & 0x7fff) !== 0x7fff && ((head & 0x7fff) === 0 || significand >= TOP))
const ordinary = (low: number, high: number): fc.Arbitrary<Register> => fc.tuple(
  fc.oneof(fc.bigInt({ min: TOP, max: 2n ** 64n - 1n }), fc.constantFrom(TOP, 2n ** 64n - 1n, TOP + 1n, 0xb504f333f9de6484n, 0xb504f333f9de6485n, 0xc90fdaa22168c235n)),
  fc.integer({ min: 16383 + low, max: 16383 + high }), fc.constantFrom(0, 0x8000)).map(([significand, exponent, sign]): Register => [significand, exponent | sign])
const denormal = ([, head]: Register): boolean => (head & 0x7fff) === 0

/** Flags that a rounded result has. */
const flagsOf = (result: exact.Rounded): number =>
  (result.inexact ? PE : 0) | (result.up ? C1 : 0) | (result.overflow ? OE | PE : 0) | (result.tiny && result.inexact ? UE : 0)

const check = (t: ExecutionContext, arbitrary: fc.Arbitrary<[Register, Register, { precision: number, rounding: number, word: number }]>,
  name: string, compute: (a: exact.Exact, b: exact.Exact) => { value: exact.Exact, rest: boolean }, unary = false): void => {
  t.notThrows(() => {
    fc.assert(fc.property(arbitrary, ([a, b, { precision, rounding, word }]) => {
      put(A, a)
      put(B, b)
      const flags = unary ? functions[`test_${name}`](RESULT, A, word) : functions[`test_${name}`](RESULT, A, B, word)
      const { value, rest } = compute(exact.exactOf(a), exact.exactOf(b))
      // Exact zeros have their sign from other rules, which the comparison with the host tests.
      if (value.significand === 0n) return get(RESULT)[0] === 0n
      const expected = exact.round80(value, precision, rounding, rest)
      const wanted = flagsOf(expected) | (denormal(a) || (!unary && denormal(b)) ? DE : 0)
      const result = get(RESULT)
      if (result[0] !== expected.significand || result[1] !== expected.head || flags !== wanted) {
        throw new Error(`${name} ${hex(a)} ${unary ? '' : hex(b)}: ${hex(result)} flags ${flags.toString(16)}, expected ${hex([expected.significand, expected.head])} flags ${wanted.toString(16)}`)
      }
      return true
    }), { numRuns: 3000, includeErrorInReport: true })
  })
}
const two = fc.tuple(fc.oneof(number, ordinary(-70, 70)), fc.oneof(number, ordinary(-70, 70)), controls)

test('f80_add, f80_sub, f80_mul, f80_div round the exact result once', (t) => {
  check(t, two, 'f80_add', (a, b) => ({ value: exact.add(a, b), rest: false }))
  check(t, two, 'f80_sub', (a, b) => ({ value: exact.add(a, exact.negate(b)), rest: false }))
  check(t, two, 'f80_mul', (a, b) => ({ value: exact.multiply(a, b), rest: false }))
  check(t, two, 'f80_div', exact.divide)
})

test('f80_sqrt rounds the exact root once', (t) => {
  const positive = number.map(([significand, head]): Register => [significand, head & 0x7fff])
  check(t, fc.tuple(positive, positive, controls), 'f80_sqrt', (a) => exact.squareRoot(a), true)
})

test('f80_round rounds to an integer', (t) => {
  const operand = fc.oneof(ordinary(-3, 70), fc.constantFrom<Register>([2n ** 64n - 1n, 16383 + 62], [2n ** 64n - 1n, 0xc000 + 61]))
  t.notThrows(() => {
    fc.assert(fc.property(operand, controls, (a, { rounding, word }) => {
      put(A, a)
      const flags = functions.test_f80_round(RESULT, A, word)
      const value = exact.exactOf(a)
      // As if a number of that many bits above the point were wanted.
      const wanted = exact.roundToInteger(value, rounding)
      const result = exact.exactOf(get(RESULT))
      const same = result.exponent >= 0 ? result.significand << BigInt(result.exponent) : result.significand >> BigInt(-result.exponent)
      return same === wanted.count && (get(RESULT)[1] & 0x8000) === (a[1] & 0x8000) && flags === ((wanted.inexact ? PE : 0) | (wanted.up ? C1 : 0))
    }), { numRuns: 3000, includeErrorInReport: true })
  })
})

test('f80_rem and f80_rem1 are exact', (t) => {
  const pair = fc.tuple(ordinary(-20, 40), ordinary(-20, 40), controls)
  for (const [name, nearest] of [['f80_rem', false], ['f80_rem1', true]] as const) {
    t.notThrows(() => {
      fc.assert(fc.property(pair, ([a, b, { word }]) => {
        if ((a[1] & 0x7fff) - (b[1] & 0x7fff) >= 64) return true
        put(A, a)
        put(B, b)
        const flags = functions[`test_${name}`](RESULT, A, B, word)
        const [x, y] = [exact.exactOf(a), exact.exactOf(b)]
        const low = Math.min(x.exponent, y.exponent)
        const [n, d] = [x, y].map((value) => value.significand << BigInt(value.exponent - low))
        let quotient = n / d
        if (nearest && (2n * (n % d) > d || (2n * (n % d) === d && (quotient & 1n) === 1n))) quotient++
        const rest = n - quotient * d
        const result = get(RESULT)
        const value = exact.exactOf(result)
        const signed = (result[1] >= 0x8000) !== x.negative && result[0] !== 0n ? -value.significand : value.significand
        const common = Math.min(value.exponent, low)
        if (signed << BigInt(value.exponent - common) !== rest << BigInt(low - common)) return false
        const bits = (Number(quotient & 1n) * C1) | (Number((quotient >> 1n) & 1n) * 0x4000) | (Number((quotient >> 2n) & 1n) * 0x100)
        return (flags & 0x4700) === bits
      }), { numRuns: 3000, includeErrorInReport: true })
    })
  }
})

/** Results are within 0.51 units of the last place, rounding to nearest; directed rounding may be a unit off. */
const within = (t: ExecutionContext, name: string, arbitrary: fc.Arbitrary<[Register, Register]>, call: (word: number) => number,
  reference: (a: exact.Exact, b: exact.Exact) => exact.Exact, at = RESULT): void => {
  t.notThrows(() => {
    fc.assert(fc.property(arbitrary, fc.integer({ min: 0, max: 3 }), ([a, b], rounding) => {
      put(A, a)
      put(B, b)
      const flags = call(0x37f | (rounding << 10))
      const result = get(at)
      const off = exact.thousandthsOff(result, reference(exact.exactOf(a), exact.exactOf(b)))
      if (off > (rounding === 0 ? 510 : 1010)) throw new Error(`${name} ${hex(a)} ${hex(b)}: ${hex(result)} is ${off / 1000} units off`)
      return (flags & (IE | DE | OE | UE)) === 0
    }), { numRuns: 600, includeErrorInReport: true })
  })
}

test('the transcendental functions are within 0.51 units of the last place', (t) => {
  const one = fc.tuple(ordinary(-40, 62), fc.constant<Register>([TOP, 16383]))
  const nearMultiple = fc.tuple(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: -2, max: 2 })).map(([n, by]): [Register, Register] => {
    const value = BigInt(n) * 0xc90fdaa22168c235n
    const shift = value.toString(2).length - 64
    return [[(value >> BigInt(shift)) + BigInt(by), 16383 + shift], [TOP, 16383]]
  })
  const angle = fc.oneof({ weight: 3, arbitrary: one }, { weight: 1, arbitrary: nearMultiple })
  within(t, 'sin', angle, (word) => functions.test_f80_sin(RESULT, A, word), exact.sin)
  within(t, 'cos', angle, (word) => functions.test_f80_cos(RESULT, A, word), exact.cos)
  within(t, 'tan', angle, (word) => functions.test_f80_tan(RESULT, SECOND, A, word), exact.tan)
  within(t, 'sin of sincos', angle, (word) => functions.test_f80_sincos(RESULT, SECOND, A, word), exact.sin)
  within(t, 'cos of sincos', angle, (word) => functions.test_f80_sincos(RESULT, SECOND, A, word), exact.cos, SECOND)
  within(t, '2xm1', fc.tuple(ordinary(-60, -1), fc.constant<Register>([TOP, 16383])), (word) => functions.test_f80_2xm1(RESULT, A, word), exact.twoToTheMinusOne)
  within(t, 'atan', fc.tuple(ordinary(-40, 40), ordinary(-40, 40)), (word) => functions.test_f80_atan(RESULT, A, B, word), exact.atan2)
  const positive = fc.oneof(ordinary(-100, 100), ordinary(-1, 0)).map(([significand, head]): Register => [significand, head & 0x7fff]).filter(([significand, head]) => significand !== TOP || head !== 16383)
  within(t, 'yl2x', fc.tuple(ordinary(-20, 20), positive), (word) => functions.test_f80_yl2x(RESULT, A, B, word), (a, b) => exact.multiply(a, exact.log2(b)))
  within(t, 'yl2xp1', fc.tuple(ordinary(-20, 20), ordinary(-60, -2)), (word) => functions.test_f80_yl2xp1(RESULT, A, B, word), (a, b) => exact.multiply(a, exact.log2PlusOne(b)))
})

test('f80_to_f64, f80_to_i64 and f80_to_bcd of integers are exact', (t) => {
  t.notThrows(() => {
    fc.assert(fc.property(fc.bigInt({ min: 1n, max: 10n ** 18n - 1n }), fc.boolean(), (magnitude, negative) => {
      const shift = 64 - magnitude.toString(2).length
      put(A, [magnitude << BigInt(shift), (16383 + 63 - shift) | (negative ? 0x8000 : 0)])
      const value = negative ? -magnitude : magnitude
      const integer = functions.test_f80_to_i64(A, 0, 0x37f) === 0 && view.getBigInt64(FLOAT_RESULT, true) === value
      functions.test_f80_to_f64(A, 0x37f)
      const float = view.getFloat64(FLOAT_RESULT, true) === Number(value)
      functions.test_f80_to_bcd(A, 0x37f)
      const digits = Array.from({ length: 9 }, (_, i) => view.getUint8(FLOAT_RESULT + 8 - i).toString(16).padStart(2, '0')).join('')
      return integer && float && BigInt(digits) === magnitude && view.getUint8(FLOAT_RESULT + 9) === (negative ? 0x80 : 0)
    }), { numRuns: 3000, includeErrorInReport: true })
  })
  t.true(FLOAT_RESULT > SCRATCH)
})
