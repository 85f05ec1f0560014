/** A growing byte buffer with the encodings that the Wasm binary format uses (Core Specification, section 5.2). */
export class ByteWriter {
  #bytes = new Uint8Array(256)
  length = 0

  #reserve(count: number): void {
    const needed = this.length + count
    if (needed <= this.#bytes.length) return
    let capacity = this.#bytes.length * 2
    while (capacity < needed) capacity *= 2
    const grown = new Uint8Array(capacity)
    grown.set(this.#bytes.subarray(0, this.length))
    this.#bytes = grown
  }

  u8(value: number): void {
    if (this.length === this.#bytes.length) this.#reserve(1)
    this.#bytes[this.length++] = value
  }

  bytes(bytes: Uint8Array | readonly number[]): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.length)
    this.length += bytes.length
  }

  /** Unsigned LEB128 of a non-negative integer below 2^32. */
  unsigned(value: number): void {
    let rest = value >>> 0
    while (rest >= 0x80) {
      this.u8((rest & 0x7f) | 0x80)
      rest >>>= 7
    }
    this.u8(rest)
  }

  /** Signed LEB128 of an int32. */
  signed(value: number): void {
    let rest = value | 0
    for (;;) {
      const low = rest & 0x7f
      rest >>= 7
      if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) {
        this.u8(low)
        return
      }
      this.u8(low | 0x80)
    }
  }

  /** Signed LEB128 of a 64-bit value: an int32-sized number takes the quick way. */
  signed64(value: number | bigint): void {
    if (typeof value === 'number' && (value | 0) === value) {
      this.signed(value)
      return
    }
    let rest = BigInt.asIntN(64, BigInt(value))
    for (;;) {
      const low = Number(rest & 0x7fn)
      rest >>= 7n
      if ((rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)) {
        this.u8(low)
        return
      }
      this.u8(low | 0x80)
    }
  }

  f32(value: number): void {
    this.bytes(new Uint8Array(new Float32Array([value]).buffer))
  }

  f64(value: number): void {
    this.bytes(new Uint8Array(new Float64Array([value]).buffer))
  }

  name(text: string): void {
    // Names in our modules are ASCII identifiers.
    this.unsigned(text.length)
    for (let i = 0; i < text.length; i++) this.u8(text.charCodeAt(i))
  }

  /** A length-prefixed sub-buffer: sections and function bodies. */
  sized(write: (inner: ByteWriter) => void): void {
    const inner = new ByteWriter()
    write(inner)
    this.unsigned(inner.length)
    this.bytes(inner.view())
  }

  view(): Uint8Array {
    return this.#bytes.subarray(0, this.length)
  }

  take(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.length)
  }
}
