/** What the 80-bit functions should give, in integers of any size: exact values rounded once, and functions to 256 bits. */

/** sign × significand × 2^exponent, significand ≥ 0. */
export interface Exact { readonly negative: boolean, readonly significand: bigint, readonly exponent: number }
export interface Rounded { readonly significand: bigint, readonly head: number, readonly inexact: boolean, readonly up: boolean, readonly overflow: boolean, readonly tiny: boolean }

export const NEAREST = 0, DOWN = 1, UP = 2
const BIAS = 16383
const bits = (value: bigint): number => value.toString(2).length

/** A register's finite value. */
export const exactOf = ([significand, head]: readonly [bigint, number]): Exact =>
  ({ negative: head >= 0x8000, significand, exponent: Math.max(head & 0x7fff, 1) - BIAS - 63 })

/**
 * significand × 2^exponent, with `rest` saying that a little more lies above, cut to `precision` bits, but none below 2^lowest.
 * Returns the integer number of units 2^unit.
 */
const cut = (value: Exact, rest: boolean, precision: number, rounding: number, lowest: number): { count: bigint, unit: number, inexact: boolean, up: boolean } => {
  const unit = Math.max(value.exponent + bits(value.significand) - precision, lowest)
  const shift = unit - value.exponent
  if (shift <= 0) {
    if (rest) throw new RangeError('too few bits to round')
    return { count: value.significand << BigInt(-shift), unit, inexact: false, up: false }
  }
  const count = value.significand >> BigInt(shift)
  const lost = value.significand - (count << BigInt(shift))
  const half = 1n << BigInt(shift - 1)
  const inexact = lost !== 0n || rest
  const nearest = lost > half || (lost === half && (rest || (count & 1n) === 1n))
  const away = rounding === (value.negative ? DOWN : UP)
  const up = inexact && (rounding === NEAREST ? nearest : away)
  return { count: count + (up ? 1n : 0n), unit, inexact, up }
}

/** The magnitude, an integer. */
export const roundToInteger = (value: Exact, rounding: number): { count: bigint, inexact: boolean, up: boolean } => {
  if (value.exponent >= 0) return { count: value.significand << BigInt(value.exponent), inexact: false, up: false }
  return cut(value, false, Math.max(bits(value.significand) + value.exponent, 1), rounding, 0)
}

/** Rounds a non-zero value as the x87 does with all exceptions masked. */
export const round80 = (value: Exact, precision: number, rounding: number, rest = false): Rounded => {
  const sign = value.negative ? 0x8000 : 0
  const free = cut(value, rest, precision, rounding, -1e9)
  const tiny = free.unit + bits(free.count) - 1 < 1 - BIAS
  const { count, unit, inexact, up } = tiny ? cut(value, rest, precision, rounding, 1 - BIAS - 63 + (64 - precision)) : free
  if (count === 0n) return { significand: 0n, head: sign, inexact, up, overflow: false, tiny }
  // Exponent of the first bit.
  const exponent = unit + bits(count) - 1
  if (exponent > BIAS) {
    const infinite = rounding === NEAREST || rounding === (value.negative ? DOWN : UP)
    const largest = ((1n << BigInt(precision)) - 1n) << BigInt(64 - precision)
    return infinite ? { significand: 1n << 63n, head: sign | 0x7fff, inexact: true, up: true, overflow: true, tiny }
      : { significand: largest, head: sign | 0x7ffe, inexact: true, up: false, overflow: true, tiny }
  }
  if (exponent < 1 - BIAS) return { significand: count << BigInt(unit - (1 - BIAS - 63)), head: sign, inexact, up, overflow: false, tiny }
  return { significand: count << BigInt(64 - bits(count)), head: sign | (exponent + BIAS), inexact, up, overflow: false, tiny }
}

export const add = (a: Exact, b: Exact): Exact => {
  const exponent = Math.min(a.exponent, b.exponent)
  const term = (x: Exact): bigint => (x.significand << BigInt(x.exponent - exponent)) * (x.negative ? -1n : 1n)
  const sum = term(a) + term(b)
  return { negative: sum < 0n, significand: sum < 0n ? -sum : sum, exponent }
}
export const negate = (a: Exact): Exact => ({ ...a, negative: !a.negative })
export const multiply = (a: Exact, b: Exact): Exact =>
  ({ negative: a.negative !== b.negative, significand: a.significand * b.significand, exponent: a.exponent + b.exponent })
/** Quotient to 200 bits and whether more follow. */
export const divide = (a: Exact, b: Exact): { value: Exact, rest: boolean } => {
  const numerator = a.significand << 264n
  const quotient = numerator / b.significand
  return { value: { negative: a.negative !== b.negative, significand: quotient, exponent: a.exponent - b.exponent - 264 }, rest: numerator % b.significand !== 0n }
}
export const squareRoot = (a: Exact): { value: Exact, rest: boolean } => {
  const shift = 200 + (a.exponent & 1)
  const n = a.significand << BigInt(shift)
  let root = 1n << BigInt((bits(n) + 1) >> 1)
  for (;;) {
    const next = (root + n / root) >> 1n
    if (next >= root) break
    root = next
  }
  return { value: { negative: false, significand: root, exponent: (a.exponent - shift) / 2 }, rest: root * root !== n }
}

// ——— Functions, in fixed point ———

const POINT = 320n
const ONE = 1n << POINT
const mul = (a: bigint, b: bigint): bigint => (a * b) >> POINT

const atanSeries = (x: bigint): bigint => {
  const square = mul(x, x)
  let power = x
  let sum = 0n
  for (let k = 1n; power !== 0n && power !== -1n; k += 2n) {
    sum += k % 4n === 1n ? power / k : -(power / k)
    power = mul(power, square)
  }
  return sum
}
/** arctan by halving the angle: x → x / (1 + √(1 + x²)). */
const atanFixed = (x: bigint): bigint => {
  let y = x
  let times = 0n
  while (y > ONE >> 8n) {
    y = (y << POINT) / (ONE + rootFixed(ONE + mul(y, y)))
    times++
  }
  return atanSeries(y) << times
}
const rootFixed = (x: bigint): bigint => {
  const n = x << POINT
  let root = 1n << BigInt((bits(n) + 1) >> 1)
  for (;;) {
    const next = (root + n / root) >> 1n
    if (next >= root) return root
    root = next
  }
}
const PI = 16n * atanSeries(ONE / 5n) - 4n * atanSeries(ONE / 239n)
/** π/2 in the processor's 66 bits. */
const HALF_PI_66 = 0x3243f6a8885a308d3n << (POINT - 65n)

const fixed = ({ negative, significand, exponent }: Exact): bigint => {
  const shift = POINT + BigInt(exponent)
  const value = shift >= 0n ? significand << shift : significand >> -shift
  return negative ? -value : value
}
const unfixed = (value: bigint): Exact => ({ negative: value < 0n, significand: value < 0n ? -value : value, exponent: -Number(POINT) })

const exponential = (x: bigint): bigint => {
  // e^x − 1 for |x| < 1.
  let term = x
  let sum = 0n
  for (let k = 2n; term !== 0n && term !== -1n; k++) {
    sum += term
    term = mul(term, x) / k
  }
  return sum
}
/** sin and cos of |x| ≤ π/4. */
const sine = (x: bigint, start: bigint, first: bigint): bigint => {
  const square = mul(x, x)
  let term = start
  let sum = 0n
  for (let k = first; term !== 0n && term !== -1n; k += 2n) {
    sum += term
    term = -mul(term, square) / ((k + 1n) * (k + 2n))
  }
  return sum
}
const circular = (x: Exact, quarter: bigint): bigint => {
  const value = fixed(x)
  let n = value / HALF_PI_66
  let rest = value - n * HALF_PI_66
  while (rest > HALF_PI_66 / 2n) { rest -= HALF_PI_66; n++ }
  while (rest < -HALF_PI_66 / 2n) { rest += HALF_PI_66; n-- }
  const quadrant = (((n + quarter) % 4n) + 4n) % 4n
  const result = (quadrant & 1n) === 0n ? sine(rest, rest, 1n) : sine(rest, ONE, 0n)
  return quadrant >= 2n ? -result : result
}
const LN2 = (() => {
  // 2 artanh(1/3)
  let sum = 0n
  let power = ONE / 3n
  for (let k = 1n; power !== 0n; k += 2n) {
    sum += power / k
    power /= 9n
  }
  return 2n * sum
})()
/** ln of 1 + x by artanh(x / (2 + x)), for x from −½ to 1. */
const logarithm = (x: bigint): bigint => {
  const s = (x << POINT) / (2n * ONE + x)
  const square = mul(s, s)
  let power = s
  let sum = 0n
  for (let k = 1n; power !== 0n && power !== -1n; k += 2n) {
    sum += power / k
    power = mul(power, square)
  }
  return 2n * sum
}

/** Absolute errors are 2^-300: good for results from 2^-200 on. */
export const sin = (x: Exact): Exact => unfixed(circular(x, 0n))
export const cos = (x: Exact): Exact => unfixed(circular(x, 1n))
export const tan = (x: Exact): Exact => unfixed((circular(x, 0n) << POINT) / circular(x, 1n))
export const twoToTheMinusOne = (x: Exact): Exact => unfixed(exponential(mul(fixed(x), LN2)))
export const log2 = (x: Exact): Exact => {
  const power = x.exponent + bits(x.significand) - 1
  const mantissa = fixed({ ...x, exponent: x.exponent - power })
  return unfixed(BigInt(power) * ONE + (logarithm(mantissa - ONE) << POINT) / LN2)
}
export const log2PlusOne = (x: Exact): Exact => unfixed((logarithm(fixed(x)) << POINT) / LN2)
export const atan2 = (y: Exact, x: Exact): Exact => {
  const [a, b] = [y, x].map((value) => fixed({ ...value, negative: false }))
  const angle = a <= b ? atanFixed((a << POINT) / b) : PI / 2n - atanFixed((b << POINT) / a)
  const whole = x.negative ? PI - angle : angle
  return unfixed(y.negative ? -whole : whole)
}

/** |ours − exact| in units of the 64th place of ours, times 1000. */
export const thousandthsOff = (ours: readonly [bigint, number], exact: Exact): number => {
  const value = exactOf(ours)
  const difference = add(value, negate(exact))
  const shift = difference.exponent - value.exponent
  const units = difference.significand * 1000n
  return Number(shift >= 0 ? units << BigInt(shift) : units >> BigInt(-shift))
}
