/**
 * FMA against exact arithmetic on big integers, in all rounding modes, with operands that bring sums close to where rounding changes: the
 * fast path must give what rounding once gives, or not be taken. (The oracle's cases compare NaNs, flags and exceptions.)
 */
import test from 'ava'
import { RCX, RDI, RSI } from '../../../src/emu/cpu/layout.ts'
import { makeRandom } from '../../support/random.ts'
import { Box, CODE, DATA } from '../../support/processor.ts'

const seed = Number(process.env.RETROGRADE_SEED ?? Date.now() % 2 ** 31) || 1
const CASES = 512
const ROUNDS = 12
const NEAREST = 0, DOWN = 1, UP = 2

interface Format { readonly bits: 32 | 64, readonly fraction: bigint, readonly bias: bigint, readonly instruction: string }
const F64: Format = { bits: 64, fraction: 52n, bias: 1023n, instruction: 'c4 e2 f5 a8 c2' }
const F32: Format = { bits: 32, fraction: 23n, bias: 127n, instruction: 'c4 e2 75 a8 c2' }

const LOOP = (instruction: string): string =>
  `c5 fe 6f 06 c5 fe 6f 4e 20 c5 fe 6f 56 40 ${instruction} c5 fe 7f 07 48 83 c6 60 48 83 c7 20 ff c9 75 dd cc`

/** A finite number as integer × 2^exponent, and its sign. */
const parts = ({ bits, fraction, bias }: Format, value: bigint): { sign: bigint, significand: bigint, exponent: bigint } => {
  const field = (value >> fraction) & ((1n << (BigInt(bits) - fraction - 1n)) - 1n)
  const low = value & ((1n << fraction) - 1n)
  return { sign: value >> BigInt(bits - 1), significand: field === 0n ? low : low | 1n << fraction, exponent: (field === 0n ? 1n : field) - bias - fraction }
}

/** integer × 2^exponent, rounded once. */
const rounded = (format: Format, sum: bigint, exponent: bigint, negativeZero: boolean, mode: number): bigint => {
  const { bits, fraction, bias } = format
  const sign = sum < 0n || sum === 0n && negativeZero ? 1n << BigInt(bits - 1) : 0n
  const magnitude = sum < 0n ? -sum : sum
  if (magnitude === 0n) return sign
  const lead = BigInt(magnitude.toString(2).length) - 1n + exponent
  const unit = (lead < 1n - bias ? 1n - bias : lead) - fraction
  let quotient: bigint
  if (exponent >= unit) quotient = magnitude << (exponent - unit)
  else {
    const shift = unit - exponent
    quotient = magnitude >> shift
    const rest = magnitude - (quotient << shift)
    const half = 1n << (shift - 1n)
    const away = mode === NEAREST ? rest > half || rest === half && (quotient & 1n) === 1n : rest > 0n && mode === (sign === 0n ? UP : DOWN)
    if (away) quotient++
  }
  // The implicit bit is added into the exponent, and so is a carry.
  const result = ((unit + bias + fraction - 1n) << fraction) + quotient
  const infinity = ((1n << (BigInt(bits) - fraction - 1n)) - 1n) << fraction
  if (result < infinity) return sign | result
  return sign | (mode === NEAREST || mode === (sign === 0n ? UP : DOWN) ? infinity : infinity - 1n)
}

const fused = (format: Format, x: bigint, y: bigint, z: bigint, mode: number): bigint => {
  const [a, b, c] = [x, y, z].map((value) => parts(format, value))
  const productSign = a.sign ^ b.sign
  const product = a.significand * b.significand * (productSign === 1n ? -1n : 1n)
  const addend = c.significand * (c.sign === 1n ? -1n : 1n)
  const productExponent = a.exponent + b.exponent
  const least = productExponent < c.exponent ? productExponent : c.exponent
  const sum = (product << (productExponent - least)) + (addend << (c.exponent - least))
  const negativeZero = productSign === 1n && c.sign === 1n || productSign !== c.sign && mode === DOWN
  return rounded(format, sum, least, negativeZero, mode)
}

for (const [name, format] of [['doubles', F64], ['singles', F32]] as const) {
  test(`fused multiply-add of ${name} rounds the exact result once`, (t) => {
    const { random } = makeRandom(seed)
    const { bits, fraction, bias } = format
    const bytes = bits / 8
    const perVector = 32 / bytes
    const few = (): bigint => BigInt(random(3)) === 0n ? BigInt(random(256)) : BigInt(random(2 ** 31)) << 31n | BigInt(random(2 ** 31))
    const make = (exponent: number): bigint => {
      const field = BigInt(Math.min(Math.max(exponent + Number(bias), 0), Number(bias) * 2))
      // Few bits at the top, or at the bottom, or all: ties and what is just beside them.
      const noise = few() & ((1n << fraction) - 1n)
      // One bit more makes products whose lowest bit is far below the others.
      const one = 1n << BigInt(random(Number(fraction)))
      const low = [noise, noise & 0xffn, (noise & 0xffn) << (fraction - 8n), (noise & 7n) << (fraction - 3n) ^ one, one][random(5)]
      return BigInt(random(2)) << BigInt(bits - 1) | field << fraction | low
    }
    const box = new Box(LOOP(format.instruction))
    box.map(DATA, 20, 'rw')
    for (let round = 0; round < ROUNDS; round++) {
      const mode = round % 4
      const input = new DataView(new ArrayBuffer(CASES * 96))
      const put = (at: number, value: bigint): void => { if (bits === 64) input.setBigUint64(at, value, true); else input.setUint32(at, Number(value), true) }
      const cases: bigint[][] = []
      for (let i = 0; i < CASES; i++) {
        for (let lane = 0; lane < perVector; lane++) {
          const wide = random(12) === 0
          const reach = wide ? Number(bias) : 12
          const [ex, ey] = [random(2 * reach) - reach, random(2 * reach) - reach]
          const x = make(ex), y = make(ey)
          const distance = Number(fraction)
          let z = random(16) === 0 ? BigInt(random(2)) << BigInt(bits - 1) : make(ex + ey + random(4) * random(distance + 6) * (random(2) * 2 - 1))
          // What cancels all but the product's rounding error.
          if (random(6) === 0) z = fused(format, x, y, 0n, NEAREST) ^ 1n << BigInt(bits - 1)
          if (((z >> fraction) & ((1n << (BigInt(bits) - fraction - 1n)) - 1n)) > 2n * bias) z = 0n
          ;[x, y, z].forEach((value, k) => { put(i * 96 + k * 32 + lane * bytes, value) })
          cases.push([x, y, z])
        }
      }
      box.write(DATA, new Uint8Array(input.buffer))
      const output = DATA + CASES * 96
      const { cpu } = box.processor
      cpu.set(RSI, DATA)
      cpu.set(RDI, output)
      cpu.set(RCX, CASES)
      cpu.rip = CODE
      // PE is set already: the fast path may be taken.
      cpu.mxcsr = 0x1fa0 | mode << 13
      t.is(box.run(), 'fault')
      const results = new DataView(Uint8Array.from(Buffer.from(box.read(output, CASES * 32), 'hex')).buffer)
      for (const [i, [x, y, z]] of cases.entries()) {
        const got = bits === 64 ? results.getBigUint64(i * 8, true) : BigInt(results.getUint32(i * 4, true))
        const wanted = fused(format, x, y, z, mode)
        if (got !== wanted) t.fail(`seed ${seed}, mode ${mode}: ${[x, y, z].map((value) => value.toString(16)).join(' ')} gives ${got.toString(16)}, not ${wanted.toString(16)}`)
      }
    }
    t.pass()
  })
}
