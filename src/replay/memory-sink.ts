import type { TraceSink } from '../trace/format.ts'

/** Keeps a trace in memory. */
export class MemorySink implements TraceSink {
  readonly #parts: Uint8Array[] = []
  append(bytes: Uint8Array): void { this.#parts.push(bytes.slice()) }
  close(): void { /* nothing is open */ }
  get bytes(): Uint8Array {
    const all = new Uint8Array(this.#parts.reduce((sum, part) => sum + part.length, 0))
    let at = 0
    for (const part of this.#parts) {
      all.set(part, at)
      at += part.length
    }
    return all
  }
}
