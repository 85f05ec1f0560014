/** What is wrong with a trace file, in one line: which file, where, why. The only thing that reading a bad trace throws. */
export class TraceError extends Error {
  readonly file: string
  /** Byte in the file, or undefined if the fault has no place (a file that is not there, say). */
  readonly offset: number | undefined
  readonly reason: string

  constructor(file: string, offset: number | undefined, reason: string) {
    super(offset === undefined ? `${file}: ${reason}` : `${file}: ${reason} (at byte ${offset})`)
    this.name = 'TraceError'
    this.file = file
    this.offset = offset
    this.reason = reason
  }
}

/** A fault in the bytes of a chunk, before it is known which file and chunk they are of; the reader makes a TraceError of it. */
export class Malformed extends Error {
  /** Byte in the chunk's raw content. */
  readonly at: number

  constructor(at: number, reason: string) {
    super(reason)
    this.name = 'Malformed'
    this.at = at
  }
}
