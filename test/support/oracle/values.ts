/**
 * Interesting values from *recipes*: 32-bit numbers, of which smaller ones make simpler values, so that fast-check's
 * shrinking of numbers shrinks cases. Recipe 0 is zero.
 */
import { CODE, CODE_END, DATA, DATA_END, DATA_READ_ONLY, FX_FCW, FX_FSW, FX_FTW, FX_MXCSR, FX_ST, FX_XMM, PAGE, TOP } from './machine.ts'

/** A well-mixed 32-bit number from two (the finalizer of MurmurHash3). */
const mix = (a: number, b: number): number => {
  let x = (a ^ Math.imul(b, 0x9e3779b1)) | 0
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}

const EDGES: readonly bigint[] = [
  0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0xffffn, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, 0x1_0000_0000n,
  0x7fff_ffff_ffff_ffffn, 0x8000_0000_0000_0000n, 0xffff_ffff_ffff_ffffn, 0xffff_ffff_8000_0000n, 0xffff_ffff_0000_0000n,
  0x0fn, 0x10n, 0xf0n, 0x5555_5555_5555_5555n, 0xaaaa_aaaa_aaaa_aaaan, 0x0123_4567_89ab_cdefn, 0x8080_8080_8080_8080n,
  0x3fn, 0x40n, 0x1fn, 0x20n, 0x21n, 0x41n, 0x08n, 0x09n, 0x11n, 0x2bn, 0x33n,
]
const ADDRESS_EDGES: readonly bigint[] = [
  0x7fff_ffff_ffffn, 0x8000_0000_0000n, 0xffff_8000_0000_0000n, 0xffff_ffff_ffff_f000n, 0x7fff_ffff_f000n, 0xffff_7fff_ffff_ffffn,
  0xffff_ffff_ff50_0000n, 0x7fff_ffff_fff8n, 0x7fff_ffff_eff8n,
]

/** A 64-bit integer, unsigned. */
export const integer = (recipe: number): bigint => {
  const r = recipe >>> 4
  const low = mix(r, 1)
  const high = mix(r, 2)
  switch (recipe & 15) {
    case 0: return BigInt(r & 15)
    case 1: return 1n << BigInt(r & 63)
    case 2: return (1n << BigInt(r & 63)) - 1n
    case 3: return BigInt.asUintN(64, -BigInt(r & 15))
    case 4: case 5: return EDGES[r % EDGES.length]
    case 6: return BigInt(r & 0xff)
    case 7: return BigInt(low >>> 16)
    case 8: return BigInt(low)
    case 9: return BigInt.asUintN(64, BigInt(low | 0))
    case 10: return BigInt.asUintN(64, BigInt(Math.floor(target(low))))
    case 11: return (r & 7) === 0 ? ADDRESS_EDGES[(r >>> 3) % ADDRESS_EDGES.length] : doubleBits(r)
    case 12: return BigInt(singleBits(r)) | BigInt(singleBits(low)) << 32n
    default: return BigInt(low) | BigInt(high) << 32n
  }
}

/** Where memory operands are aimed at: mostly somewhere good, sometimes across a page or where nothing is mapped. */
export const target = (recipe: number): number => {
  const r = recipe >>> 5
  switch (recipe & 31) {
    case 20: return DATA + PAGE - 1 - (r & 15)
    case 21: return DATA_READ_ONLY - 1 - (r & 15)
    case 22: return DATA_END - 1 - (r & 15)
    case 23: return DATA_END - (r & 63)
    case 24: return DATA - 1 - (r & 15)
    case 25: return DATA_READ_ONLY + (r & 0xff0)
    case 26: return DATA + (r % (2 * PAGE))
    case 27: return (r & 3) === 0 ? DATA_END + (r >>> 2) % PAGE : (r & 3) === 1 ? TOP + 0x1ff0 + ((r >>> 2) & 31) : DATA + (r & 0xfff)
    case 28: return (r & 7) === 0 ? CODE + (r >>> 3) % (CODE_END - CODE) : DATA + (r & 0xff8)
    case 29: case 30: return DATA + (r & 0xfff)
    default: return DATA + (r & 0x1f0) * 4 + 0x400
  }
}

const SINGLES: readonly number[] = [
  0, 0x8000_0000, 0x3f80_0000, 0xbf80_0000, 1, 0x8000_0001, 0x007f_ffff, 0x807f_ffff, 0x0080_0000, 0x8080_0000, 0x7f7f_ffff, 0xff7f_ffff,
  0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0xffc0_0000, 0x7fc1_2345, 0xffe0_0001, 0x7f80_0001, 0xff81_2345, 0x7fbf_ffff, 0x7fff_ffff,
  0x3f00_0000, 0x3fc0_0000, 0x4020_0000, 0xbf00_0000, 0x4f00_0000, 0xcf00_0000, 0x4eff_ffff, 0x5f00_0000, 0xdf00_0000, 0x4b7f_ffff, 0x4b80_0001,
  0x3f7f_ffff, 0x3f80_0001, 0x0080_0001, 0x0100_0000, 0x7f00_0000, 0x4049_0fdb, 0x3eaa_aaab,
]
const DOUBLES: readonly bigint[] = [
  0n, 1n << 63n, 0x3ff0n << 48n, 0xbff0n << 48n, 1n, (1n << 63n) | 1n, 0x000f_ffff_ffff_ffffn, 0x800f_ffff_ffff_ffffn, 0x0010n << 48n, 0x8010n << 48n,
  0x7fef_ffff_ffff_ffffn, 0xffef_ffff_ffff_ffffn, 0x7ff0n << 48n, 0xfff0n << 48n, 0x7ff8n << 48n, 0xfff8n << 48n, 0x7ff8_1234_5678_9abcn, 0xfffc_0000_0000_0001n,
  0x7ff0_0000_0000_0001n, 0xfff1_2345_6789_abcdn, 0x7ff7_ffff_ffff_ffffn, 0x3fe0n << 48n, 0x3ff8n << 48n, 0x4004n << 48n, 0xbfe0n << 48n,
  0x41e0n << 48n, 0xc1e0n << 48n, 0x41df_ffff_ffc0_0000n, 0xc1e0_0000_0020_0000n, 0x43e0n << 48n, 0xc3e0n << 48n, 0x433f_ffff_ffff_ffffn,
  0x3fef_ffff_ffff_ffffn, 0x3ff0_0000_0000_0001n, 0x47ef_ffff_e000_0000n, 0x47ef_ffff_f000_0000n, 0x380f_ffff_f000_0000n, 0x36a0n << 48n, 0x3690n << 48n,
  0x4009_21fb_5444_2d18n, 0x3fd5_5555_5555_5555n,
]

/** Bits of a single: special ones, or a random significand with an exponent near 1 or anywhere. */
export const singleBits = (recipe: number): number => {
  const r = recipe >>> 2
  const noise = mix(r, 3)
  if ((recipe & 3) < 2) return SINGLES[r % SINGLES.length]
  const exponent = (recipe & 3) === 2 ? 120 + (r & 15) : r & 0xff
  return ((noise & 0x807f_ffff) | (exponent << 23)) >>> 0
}

export const doubleBits = (recipe: number): bigint => {
  const r = recipe >>> 2
  if ((recipe & 3) < 2) return DOUBLES[r % DOUBLES.length]
  const exponent = (recipe & 3) === 2 ? 1015 + (r & 15) : (r & 15) === 0 ? mix(r, 5) & 0x7ff : 1023 - 140 + (mix(r, 5) % 280)
  // Few significant bits now and then: halfway cases of rounding.
  const low = (r & 0x30) === 0 ? 0 : mix(r, 6)
  const high = (mix(r, 7) & 0x800f_ffff) | (exponent << 20)
  return BigInt(high >>> 0) << 32n | BigInt(low)
}

/** Writes 8 bytes. */
export const putInteger = (view: DataView, at: number, recipe: number): void => { view.setBigUint64(at, integer(recipe), true) }

const BYTES = [0, 1, 0x7f, 0x80, 0x81, 0xff, 0xfe, 0x55]

/** Writes 16 bytes: floats, packed integers, noise. */
export const putVector = (view: DataView, at: number, recipe: number): void => {
  const r = recipe >>> 4
  const each = (bytes: number, put: (at: number, r: number) => void): void => {
    for (let i = 0; i < 16; i += bytes) put(at + i, mix(r, i + 16))
  }
  switch (recipe & 15) {
    case 0: each(8, (to) => { view.setBigUint64(to, BigInt(r & 0xff), true) }); break
    case 1: each(4, (to) => { view.setUint32(to, singleBits(r), true) }); break
    case 2: case 3: case 4: case 5: each(4, (to, n) => { view.setUint32(to, singleBits(n), true) }); break
    case 6: each(8, (to) => { view.setBigUint64(to, doubleBits(r), true) }); break
    case 7: case 8: case 9: each(8, (to, n) => { view.setBigUint64(to, doubleBits(n), true) }); break
    case 10: each(1, (to, n) => { view.setUint8(to, BYTES[n & 7]) }); break
    case 11: each(2, (to, n) => { view.setUint16(to, Number(EDGES[n % EDGES.length] & 0xffffn), true) }); break
    case 12: each(4, (to, n) => { view.setUint32(to, Number(EDGES[n % EDGES.length] & 0xffff_ffffn), true) }); break
    case 13: each(8, (to, n) => { view.setBigUint64(to, integer(n), true) }); break
    default: each(4, (to, n) => { view.setUint32(to, n, true) })
  }
}

const SIGNIFICANDS: readonly bigint[] = [
  0n, 1n << 63n, (1n << 64n) - 1n, (1n << 63n) | 1n, 3n << 62n, (3n << 62n) | 1n, 1n, (1n << 63n) - 1n, 1n << 62n, 0x8000_0000_0000_0400n,
  0x8000_0080_0000_0000n, 0xffff_ffff_ffff_f800n, 0xffff_ff00_0000_0000n, 0x8000_0000_0000_0800n, 0xa000_0000_0000_0000n, 0xc90f_daa2_2168_c235n,
  0xffff_ffff_ffff_fc00n, 0x8000_0000_0000_0c00n, 0xffff_ff80_0000_0000n, 0x8000_0040_0000_0000n,
]
const EXPONENTS: readonly number[] = [0, 1, 0x3fff, 0x3ffe, 0x4000, 0x7ffe, 0x7fff, 0x403e, 0x403d, 0x401e, 0x400e, 0x3c01, 0x3c00, 0x3f81, 0x3f80, 0x43fe, 0x43ff,
  0x407e, 0x407f, 0x3fbe, 0x3fc0, 0x3bcd, 0x3f6a, 2, 0x4003, 0x403f]

/** Writes an 80-bit float: numbers of all classes, those that no operation makes (unnormals and the like), MMX values. */
export const putExtended = (view: DataView, at: number, recipe: number): void => {
  const r = recipe >>> 4
  const noise = BigInt(mix(r, 8)) | BigInt(mix(r, 9)) << 32n
  const sign = (r & 1) << 15
  let significand: bigint
  let exponent: number
  switch (recipe & 15) {
    case 0: significand = BigInt(r & 1) << 63n; exponent = significand === 0n ? 0 : 0x3fff; break
    case 1: case 2: significand = SIGNIFICANDS[(r >>> 1) % SIGNIFICANDS.length]; exponent = EXPONENTS[(r >>> 8) % EXPONENTS.length]; break
    case 3: significand = noise; exponent = 0x7fff; break
    case 4: significand = noise; exponent = mix(r, 10) & 0x7fff; break
    case 5: significand = SIGNIFICANDS[(r >>> 1) % SIGNIFICANDS.length] | 1n << 63n; exponent = 0x3fff - 40 + ((r >>> 8) % 110); break
    case 6: significand = noise | 1n << 63n; exponent = mix(r, 10) & 0x7fff; break
    case 7: {
      // An integer, perhaps with a fraction of a half or a quarter.
      const value = BigInt((r >>> 1) & 0xffff) | 1n
      const bits = value.toString(2).length
      significand = value << BigInt(64 - bits)
      exponent = 0x3fff + bits - 1 - ((r >>> 17) & 3)
      break
    }
    case 8: significand = 0n; exponent = 0; break
    case 9: significand = 1n << 63n; exponent = (r & 2) === 0 ? 0x7fff : 0x3fff; break
    case 10: significand = noise; exponent = 0; break
    default: significand = noise | 1n << 63n; exponent = 0x3fff - 20 + (mix(r, 10) % 50)
  }
  view.setBigUint64(at, significand, true)
  view.setUint16(at + 8, exponent | sign, true)
}

/** MXCSR: mostly all masked; any rounding mode, DAZ, FTZ and flags. */
export const mxcsr = (recipe: number): number => {
  const r = recipe >>> 4
  const rounding = (r & 3) << 13
  switch (recipe & 15) {
    case 0: case 1: case 2: case 3: case 4: return 0x1f80
    case 5: case 6: case 7: case 8: return 0x1f80 | rounding
    case 9: return 0x1f80 | rounding | 0x8040
    case 10: return 0x1f80 | rounding | ((r & 4) === 0 ? 0x40 : 0x8000)
    case 11: return 0x1f80 | (mix(r, 11) & 0xe07f)
    case 12: return 0x1fbf | rounding
    case 13: return mix(r, 11) & 0xffff & ~0x3f
    case 14: return 0x1f80 & ~(0x80 << (r % 6)) | rounding
    default: return mix(r, 11) & 0xffff
  }
}

/** Words of x87: control, status, abridged tags. */
const putX87Control = (view: DataView, at: number, recipe: number): void => {
  const r = recipe >>> 4
  const kind = recipe & 15
  let control = 0x37f
  if (kind >= 6) control = 0x7f | ((r & 3) << 10) | ((r >>> 2) & 3) << 8
  if (kind >= 14) control &= ~(mix(r, 12) & 0x3f)
  let status = 0
  let tags = 0
  if (kind > 0) {
    status = ((r >>> 4) & 7) << 11
    if ((r & 0x180) === 0) status |= mix(r, 13) & 0x473f
    tags = [0, 0xff, mix(r, 14) & 0xff, 0xff][(r >>> 9) & 3]
  }
  // An exception that is flagged and not masked is pending: ES and B say so.
  if ((status & ~control & 0x3f) !== 0) status |= 0x8080
  view.setUint16(at + FX_FCW, control | 0x40, true)
  view.setUint16(at + FX_FSW, status, true)
  view.setUint8(at + FX_FTW, tags)
}

/** How many recipes `putFxsave` takes. */
export const FX_RECIPES = 26

/** An FXSAVE image that FXRSTOR accepts. */
export const putFxsave = (view: DataView, at: number, recipes: ArrayLike<number>, from: number): void => {
  putX87Control(view, at, recipes[from])
  view.setUint32(at + FX_MXCSR, mxcsr(recipes[from + 1]), true)
  const isMmx = (recipes[from] & 15) === 3
  for (let i = 0; i < 8; i++) {
    putExtended(view, at + FX_ST + i * 16, recipes[from + 2 + i])
    if (isMmx) {
      putInteger(view, at + FX_ST + i * 16, recipes[from + 2 + i])
      view.setUint16(at + FX_ST + i * 16 + 8, 0xffff, true)
    }
  }
  for (let i = 0; i < 16; i++) putVector(view, at + FX_XMM + i * 16, recipes[from + 10 + i])
}

/** RFLAGS as user mode may have them at the start: the six arithmetic flags and DF. */
export const rflags = (recipe: number): number => 0x202 | (mix(recipe >>> 1, 15) & ((recipe & 7) === 7 ? 0xcd5 : 0x8d5) & (recipe === 0 ? 0 : -1))
