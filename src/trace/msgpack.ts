/**
 * The part of msgpack that a trace uses: nil, booleans, integers, float64, str, bin, array, map; no extension types.
 *
 * Why not msgpackr for events too: recording may cost 5%, so events are packed field by field without building an array
 * for each, and a reader of hostile files needs exact offsets in its errors and a check of every length before it
 * allocates. Head and index are packed by msgpackr. The tests hold this file against msgpackr and Python's msgpack.
 */
import { Malformed } from './errors.ts'

const TWO_32 = 0x1_0000_0000
const MAX_DEPTH = 32

export type Plain = null | boolean | number | string | Uint8Array | readonly Plain[] | { readonly [key: string]: Plain }

const utf8Encoder = new TextEncoder()
const utf8Decoder = new TextDecoder('utf-8', { fatal: true })

export class Packer {
  bytes = new Uint8Array(1 << 16)
  length = 0
  #view = new DataView(this.bytes.buffer)

  /** What was packed so far: valid until the next call. */
  packed(): Uint8Array { return this.bytes.subarray(0, this.length) }

  clear(): void { this.length = 0 }

  #reserve(count: number): number {
    const at = this.length
    if (at + count > this.bytes.length) this.#grow(count)
    this.length = at + count
    return at
  }

  #grow(count: number): void {
    const bytes = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count))
    bytes.set(this.bytes.subarray(0, this.length))
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer)
  }

  #byte(value: number): void {
    // `reserve` may replace `bytes`: it comes first.
    const at = this.#reserve(1)
    this.bytes[at] = value
  }

  /** Any number: in the shortest integer form if it is a safe integer, else as float64. */
  number(value: number): void {
    // Most numbers are small: one byte, two's complement for −32 … −1.
    if (value < 128 && value >= -32 && (value | 0) === value) {
      if (this.length === this.bytes.length) this.#grow(1)
      this.bytes[this.length++] = value
      return
    }
    if (!Number.isSafeInteger(value)) {
      this.float(value)
    } else if (value >= 0) {
      this.#positive(value)
    } else if (value >= -0x80) {
      const at = this.#reserve(2)
      this.bytes[at] = 0xd0
      this.bytes[at + 1] = value
    } else if (value >= -0x8000) {
      const at = this.#reserve(3)
      this.bytes[at] = 0xd1
      this.#view.setInt16(at + 1, value)
    } else if (value >= -0x8000_0000) {
      const at = this.#reserve(5)
      this.bytes[at] = 0xd2
      this.#view.setInt32(at + 1, value)
    } else {
      const at = this.#reserve(9)
      this.bytes[at] = 0xd3
      this.#view.setInt32(at + 1, Math.floor(value / TWO_32))
      this.#view.setUint32(at + 5, value)
    }
  }

  #positive(value: number): void {
    if (value < 0x100) {
      const at = this.#reserve(2)
      this.bytes[at] = 0xcc
      this.bytes[at + 1] = value
    } else if (value < 0x1_0000) {
      const at = this.#reserve(3)
      this.bytes[at] = 0xcd
      this.#view.setUint16(at + 1, value)
    } else if (value < TWO_32) {
      const at = this.#reserve(5)
      this.bytes[at] = 0xce
      this.#view.setUint32(at + 1, value)
    } else {
      const at = this.#reserve(9)
      this.bytes[at] = 0xcf
      this.#view.setUint32(at + 1, value / TWO_32)
      this.#view.setUint32(at + 5, value)
    }
  }

  float(value: number): void {
    const at = this.#reserve(9)
    this.bytes[at] = 0xcb
    this.#view.setFloat64(at + 1, value)
  }

  nil(): void { this.#byte(0xc0) }
  boolean(value: boolean): void { this.#byte(value ? 0xc3 : 0xc2) }

  array(count: number): void { this.#header(count, 0x90, 16, 0xdc) }
  map(count: number): void { this.#header(count, 0x80, 16, 0xde) }

  #header(count: number, fix: number, fixLimit: number, wide: number): void {
    if (count < fixLimit) {
      this.#byte(fix | count)
    } else if (count < 0x1_0000) {
      const at = this.#reserve(3)
      this.bytes[at] = wide
      this.#view.setUint16(at + 1, count)
    } else {
      const at = this.#reserve(5)
      this.bytes[at] = wide + 1
      this.#view.setUint32(at + 1, count)
    }
  }

  #binHeader(count: number): void {
    if (count < 0x100) {
      const at = this.#reserve(2)
      this.bytes[at] = 0xc4
      this.bytes[at + 1] = count
    } else if (count < 0x1_0000) {
      const at = this.#reserve(3)
      this.bytes[at] = 0xc5
      this.#view.setUint16(at + 1, count)
    } else {
      const at = this.#reserve(5)
      this.bytes[at] = 0xc6
      this.#view.setUint32(at + 1, count)
    }
  }

  bin(bytes: Uint8Array): void {
    this.#binHeader(bytes.length)
    const at = this.#reserve(bytes.length)
    this.bytes.set(bytes, at)
  }

  /** A byte string held as latin1, as bin. */
  byteString(text: string): void {
    this.#binHeader(text.length)
    const at = this.#reserve(text.length)
    for (let i = 0; i < text.length; i++) this.bytes[at + i] = text.charCodeAt(i)
  }

  text(text: string): void {
    const bytes = utf8Encoder.encode(text)
    if (bytes.length < 32) {
      this.#byte(0xa0 | bytes.length)
    } else if (bytes.length < 0x100) {
      const at = this.#reserve(2)
      this.bytes[at] = 0xd9
      this.bytes[at + 1] = bytes.length
    } else {
      const at = this.#reserve(5)
      this.bytes[at] = 0xdb
      this.#view.setUint32(at + 1, bytes.length)
    }
    const at = this.#reserve(bytes.length)
    this.bytes.set(bytes, at)
  }

  plain(value: Plain): void {
    if (value === null) this.nil()
    else if (typeof value === 'number') this.number(value)
    else if (typeof value === 'string') this.text(value)
    else if (typeof value === 'boolean') this.boolean(value)
    else if (value instanceof Uint8Array) this.bin(value)
    else if (Array.isArray(value)) {
      this.array(value.length)
      for (const element of value as readonly Plain[]) this.plain(element)
    } else {
      const entries = Object.entries(value as { readonly [key: string]: Plain })
      this.map(entries.length)
      for (const [key, element] of entries) {
        this.text(key)
        this.plain(element)
      }
    }
  }
}

/** Reads what a Packer (or any msgpack library) wrote. @throws Malformed from every method */
export class Unpacker {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get done(): boolean { return this.at >= this.#bytes.length }

  #take(count: number): number {
    const at = this.at
    if (count > this.#bytes.length - at) throw new Malformed(at, `${count} bytes wanted where ${this.#bytes.length - at} are left`)
    this.at = at + count
    return at
  }

  /** The type byte of what comes next. */
  peek(): number {
    if (this.at >= this.#bytes.length) throw new Malformed(this.at, 'ends in the middle of an event')
    return this.#bytes[this.at]
  }

  isFloat(): boolean { return this.peek() === 0xcb }
  isNil(): boolean { return this.peek() === 0xc0 }
  isNumber(): boolean {
    const byte = this.peek()
    return byte < 0x80 || byte >= 0xe0 || (byte >= 0xcb && byte <= 0xd3)
  }

  isArray(): boolean {
    const byte = this.peek()
    return (byte & 0xf0) === 0x90 || byte === 0xdc || byte === 0xdd
  }

  #fail(what: string): never {
    throw new Malformed(this.at, `${what} expected, type byte 0x${this.peek().toString(16)} found`)
  }

  nil(): void {
    if (!this.isNil()) this.#fail('nil')
    this.at++
  }

  /** An integer of at most 53 bits. */
  integer(): number {
    const byte = this.peek()
    if (byte < 0x80) {
      this.at++
      return byte
    }
    if (byte >= 0xe0) {
      this.at++
      return byte - 0x100
    }
    const view = this.#view
    switch (byte) {
      case 0xcc: return view.getUint8(this.#take(2) + 1)
      case 0xcd: return view.getUint16(this.#take(3) + 1)
      case 0xce: return view.getUint32(this.#take(5) + 1)
      case 0xd0: return view.getInt8(this.#take(2) + 1)
      case 0xd1: return view.getInt16(this.#take(3) + 1)
      case 0xd2: return view.getInt32(this.#take(5) + 1)
      case 0xcf: case 0xd3: {
        const at = this.#take(9) + 1
        const value = (byte === 0xcf ? view.getUint32(at) : view.getInt32(at)) * TWO_32 + view.getUint32(at + 4)
        if (!Number.isSafeInteger(value)) throw new Malformed(at - 1, 'integer beyond 2^53')
        return value
      }
      default: return this.#fail('integer')
    }
  }

  unsigned(): number {
    const at = this.at
    const value = this.integer()
    if (value < 0) throw new Malformed(at, `number that is not negative expected, ${value} found`)
    return value
  }

  float(): number {
    if (!this.isFloat()) this.#fail('float64')
    return this.#view.getFloat64(this.#take(9) + 1)
  }

  #lengthOf(fix: number, fixMask: number, forms: readonly [number, number][], what: string): number {
    const byte = this.peek()
    if (fixMask !== 0 && (byte & ~fixMask & 0xff) === fix) {
      this.at++
      return byte & fixMask
    }
    for (const [form, width] of forms) {
      if (byte !== form) continue
      const at = this.#take(1 + width) + 1
      return width === 1 ? this.#view.getUint8(at) : width === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at)
    }
    return this.#fail(what)
  }

  /** Number of elements; each takes at least a byte, so a length beyond what is left is a lie told before anything is allocated. */
  array(): number {
    const start = this.at
    const count = this.#lengthOf(0x90, 0xf, [[0xdc, 2], [0xdd, 4]], 'array')
    if (count > this.#bytes.length - this.at) throw new Malformed(start, `array claims ${count} elements`)
    return count
  }

  map(): number {
    const start = this.at
    const count = this.#lengthOf(0x80, 0xf, [[0xde, 2], [0xdf, 4]], 'map')
    if (count * 2 > this.#bytes.length - this.at) throw new Malformed(start, `map claims ${count} entries`)
    return count
  }

  /** A view of the bytes, not a copy. */
  bin(): Uint8Array {
    const count = this.#lengthOf(-1, 0, [[0xc4, 1], [0xc5, 2], [0xc6, 4]], 'bin')
    const at = this.#take(count)
    return this.#bytes.subarray(at, at + count)
  }

  /** bin as a latin1 string. */
  byteString(): string {
    const bytes = this.bin()
    if (bytes.length < 4096) return String.fromCharCode(...bytes)
    const parts: string[] = []
    for (let i = 0; i < bytes.length; i += 4096) parts.push(String.fromCharCode(...bytes.subarray(i, i + 4096)))
    return parts.join('')
  }

  text(): string {
    const count = this.#lengthOf(0xa0, 0x1f, [[0xd9, 1], [0xda, 2], [0xdb, 4]], 'str')
    const at = this.#take(count)
    try {
      return utf8Decoder.decode(this.#bytes.subarray(at, at + count))
    } catch {
      throw new Malformed(at, 'str is not UTF-8')
    }
  }

  plain(depth = 0): Plain {
    if (depth > MAX_DEPTH) throw new Malformed(this.at, 'nested too deeply')
    const byte = this.peek()
    if (byte === 0xc0) {
      this.at++
      return null
    }
    if (byte === 0xc2 || byte === 0xc3) {
      this.at++
      return byte === 0xc3
    }
    if (byte === 0xcb) return this.float()
    if (this.isNumber()) return this.integer()
    if (byte >= 0xc4 && byte <= 0xc6) return this.bin()
    if ((byte & 0xe0) === 0xa0 || (byte >= 0xd9 && byte <= 0xdb)) return this.text()
    if (this.isArray()) {
      const count = this.array()
      const array: Plain[] = []
      for (let i = 0; i < count; i++) array.push(this.plain(depth + 1))
      return array
    }
    if ((byte & 0xf0) === 0x80 || byte === 0xde || byte === 0xdf) {
      const count = this.map()
      const entries: [string, Plain][] = []
      for (let i = 0; i < count; i++) entries.push([this.text(), this.plain(depth + 1)])
      return Object.fromEntries(entries)
    }
    return this.#fail('value')
  }
}

export const isMap = (value: Plain | undefined): value is { readonly [key: string]: Plain } =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
