/** Words that inputs may be made of: constants that the guest's code compares with, and texts of its program. */
const MOST_WORDS = 1024
const LEAST_TEXT = 3, MOST_TEXT = 32

const latin1 = (bytes: Uint8Array): string => Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')

export class Dictionary {
  /** Out of the code, and given by somebody: each of them may be what a branch waits for. */
  readonly constants: Uint8Array[] = []
  /** Out of the program's file, messages and all. */
  readonly texts: Uint8Array[] = []
  readonly #known = new Set<string>()

  add(word: Uint8Array, to: Uint8Array[] = this.constants): void {
    const key = latin1(word)
    if (word.length === 0 || to.length >= MOST_WORDS || this.#known.has(key)) return
    this.#known.add(key)
    to.push(word)
  }

  /** A constant in the code: as many bytes as it needs, in both orders. */
  addConstant(low: number, high: number, size: number): void {
    const bytes = new Uint8Array(8)
    const view = new DataView(bytes.buffer)
    view.setUint32(0, low >>> 0, true)
    view.setUint32(4, high >>> 0, true)
    // 0, 1 and −1 and their like are what mutations make anyway; addresses are no data.
    const isSmall = high === (low >> 31) && low >= -0x80 && low < 0x100
    if (size === 1 || isSmall) {
      if ((low & 0xff) > 1 && (low & 0xff) < 0xff) this.add(bytes.slice(0, 1))
      return
    }
    const needed = size === 8 && (high === 0 || high === -1) ? 4 : size
    const short = needed === 4 && low >>> 16 === 0 ? 2 : needed
    const word = bytes.slice(0, short)
    this.add(word)
    this.add(word.slice().reverse())
  }

  /** Texts in a program's file: runs of printable characters. */
  addTexts(file: Uint8Array): void {
    let from = 0
    for (let at = 0; at <= file.length; at++) {
      const byte = at < file.length ? file[at] : 0
      if (byte >= 0x20 && byte < 0x7f) continue
      const length = at - from
      // Short ones are code, unless something ended right before.
      if (byte === 0 && length <= MOST_TEXT && (length >= LEAST_TEXT || (length === 2 && file[from - 1] === 0))) this.add(file.slice(from, at), this.texts)
      from = at + 1
    }
  }

  /** Of a dictionary file as AFL has them: name="text", with \\xNN; lines that begin with # are none. @throws SyntaxError with the number of the line */
  addFile(text: string): void {
    for (const [i, line] of text.split('\n').entries()) {
      const trimmed = line.trim()
      if (trimmed === '' || trimmed.startsWith('#')) continue
      const quoted = /^(?:[\w@.-]+\s*=\s*)?"((?:[^"\\]|\\(?:x[\da-fA-F]{2}|["\\nrt]))*)"$/.exec(trimmed)
      if (quoted === null) throw new SyntaxError(`line ${i + 1}: '${trimmed}' is not name="text"`)
      const plain = quoted[1].replace(/\\(x[\da-fA-F]{2}|.)/g, (_all, escape: string) =>
        escape.startsWith('x') ? String.fromCharCode(parseInt(escape.slice(1), 16)) : { n: '\n', r: '\r', t: '\t' }[escape] ?? escape)
      this.add(Uint8Array.from(plain, (char) => char.charCodeAt(0)))
    }
  }
}
