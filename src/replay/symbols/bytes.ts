/** A cursor over the bytes of an ELF section. Reading beyond the end throws: files come from anywhere. */

export class MalformedFile extends Error {}

const TWO_32 = 0x1_0000_0000

export class Bytes {
  readonly bytes: Uint8Array
  readonly #view: DataView
  at: number
  /** Reads end here. */
  end: number

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    if (at < 0 || end > bytes.length) throw new MalformedFile('a part lies beyond the end of the file')
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.at = at
    this.end = end
  }

  get isAtEnd(): boolean { return this.at >= this.end }

  #take(count: number): number {
    const { at } = this
    if (at + count > this.end) throw new MalformedFile('a part is cut off')
    this.at += count
    return at
  }

  skip(count: number): void { this.#take(count) }
  u8(): number { return this.#view.getUint8(this.#take(1)) }
  i8(): number { return this.#view.getInt8(this.#take(1)) }
  u16(): number { return this.#view.getUint16(this.#take(2), true) }
  i16(): number { return this.#view.getInt16(this.#take(2), true) }
  u32(): number { return this.#view.getUint32(this.#take(4), true) }
  i32(): number { return this.#view.getInt32(this.#take(4), true) }

  /** Rounded above 2^53: no address or offset is that large. */
  u64(): number {
    const low = this.u32()
    return this.u32() * TWO_32 + low
  }

  i64(): number {
    const low = this.u32()
    return this.i32() * TWO_32 + low
  }

  uleb(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.u8()
      value += (byte & 0x7f) * scale
      if (byte < 128) return value
    }
  }

  sleb(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.u8()
      value += (byte & 0x7f) * scale
      if (byte < 128) return (byte & 0x40) === 0 ? value : value - scale * 128
    }
  }

  /** Up to a NUL, as latin1. */
  text(): string {
    const nul = this.bytes.indexOf(0, this.at)
    if (nul < 0 || nul >= this.end) throw new MalformedFile('a name has no end')
    const text = latin1(this.bytes.subarray(this.at, nul))
    this.at = nul + 1
    return text
  }
}

export const latin1 = (bytes: Uint8Array): string => {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}

/** The string at an offset of a section of strings; '' if there is none. */
export const stringAt = (section: Uint8Array | undefined, offset: number): string => {
  if (section === undefined || offset >= section.length) return ''
  const nul = section.indexOf(0, offset)
  return latin1(section.subarray(offset, nul < 0 ? section.length : nul))
}
