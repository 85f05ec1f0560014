/**
 * Reads a trace chunk by chunk; the file is never in memory as a whole.
 *
 * A finished trace is found through its index. One that was cut off (no trailer) is found by walking from chunk to chunk,
 * up to the last that is whole; `recovery` then says what is missing. Everything else that is wrong throws TraceError.
 */
import { decodeEvent } from './coder.ts'
import { contentHash, equalBytes, hashBytes } from './content-hash.ts'
import { Context } from './context.ts'
import { Malformed, TraceError } from './errors.ts'
import type { TraceEvent } from './events.ts'
import {
  CHUNK_HEADER_SIZE, type ChunkHeader, CODEC_ZSTD, decodeChunkHeader, FILE_HEADER_SIZE, FORMAT_VERSION, KIND_BLOBS, KIND_EVENTS, KIND_HEAD,
  KIND_INDEX, MAGIC, TRAILER_MAGIC, TRAILER_SIZE, type TraceCodecs, type TraceSource,
} from './format.ts'
import { parseHead, type TraceHead } from './head.ts'
import { parseIndex, type TraceIndex } from './index-chunk.ts'
import { Unpacker } from './msgpack.ts'

export interface Chunk {
  /** Byte of its header in the file. */
  readonly offset: number
  readonly header: ChunkHeader
}

/** What is missing from a trace that was not finished. */
export interface Recovery {
  /** From this byte on nothing could be used. */
  readonly offset: number
  readonly reason: string
  /** Events that can be read. */
  readonly events: number
}

/** One piece of a blob, in its chunk's raw content. */
interface Piece {
  readonly blob: number
  readonly hash: Uint8Array
  readonly size: number
  readonly offset: number
  readonly bytes: Uint8Array
}

const TWO_32 = 0x1_0000_0000
/** Bytes of the hash of a blob in traces of version 1. */
const SHA256_BYTES = 32

export class TraceReader {
  readonly head: TraceHead
  /** Undefined: the trace was finished properly. */
  readonly recovery: Recovery | undefined
  readonly #source: TraceSource
  readonly #codecs: TraceCodecs
  /** Chunks of events and blobs, in order. */
  readonly #chunks: readonly Chunk[]
  /** By blob: its size and its chunks; made by walking over the blobs where there is no index. */
  #blobChunks: readonly (readonly Chunk[])[] | undefined
  /** Blobs are mostly asked for in order, and many share a chunk. */
  #lastPieces: { readonly chunk: Chunk, readonly pieces: readonly Piece[] } | undefined

  /** @throws TraceError */
  constructor(source: TraceSource, codecs: TraceCodecs) {
    this.#source = source
    this.#codecs = codecs
    this.#checkFileHeader()
    const head = this.#chunkAt(FILE_HEADER_SIZE, source.size)
    if (typeof head === 'string') throw this.#error(FILE_HEADER_SIZE, `its head can't be read: ${head}`)
    if (head.header.kind !== KIND_HEAD) throw this.#error(FILE_HEADER_SIZE, 'its first chunk is not its head')
    this.head = this.#parse(head, parseHead)
    const found = this.#findByIndex(head)
    if (typeof found === 'string') {
      const { chunks, offset, reason } = this.#walk(head)
      this.#chunks = chunks
      const events = chunks.reduce((sum, { header }) => sum + (header.kind === KIND_EVENTS ? header.count : 0), 0)
      this.recovery = { offset, reason: reason ?? found, events }
    } else {
      this.#chunks = found.chunks
      this.#blobChunks = found.blobChunks
    }
  }

  get name(): string { return this.#source.name }
  get size(): number { return this.#source.size }

  /** Events that can be read. */
  get events(): number {
    const last = this.#chunks.findLast(({ header }) => header.kind === KIND_EVENTS)
    return last === undefined ? 0 : last.header.firstEvent + last.header.count
  }

  get chunks(): readonly Chunk[] { return this.#chunks }

  /** Events from this number on. @throws TraceError on the way */
  * eventsFrom(first = 0): Generator<TraceEvent, undefined> {
    const cursor = new TraceCursor(this, first)
    for (let event = cursor.take(); event !== undefined; event = cursor.take()) yield event
  }

  /** Content of the blob with this number. @throws TraceError */
  blob(number: number): Uint8Array {
    this.#blobChunks ??= this.#listBlobs()
    const chunks = this.#blobChunks[number]
    if (chunks === undefined) throw this.#error(undefined, `blob ${number} is named but not there`)
    const pieces = chunks.flatMap((chunk) => this.#pieces(chunk).filter(({ blob }) => blob === number))
    const { offset } = chunks[0]
    const length = pieces.reduce((sum, { bytes }) => sum + bytes.length, 0)
    const content = new Uint8Array(length)
    let at = 0
    for (const piece of pieces) {
      if (piece.offset !== at || piece.size !== length || !equalBytes(piece.hash, pieces[0].hash)) throw this.#error(offset, `pieces of blob ${number} don't fit together`)
      content.set(piece.bytes, at)
      at += piece.bytes.length
    }
    if (pieces.length === 0 || !equalBytes(this.#hashOf(content, pieces[0].hash.length), pieces[0].hash)) throw this.#error(offset, `blob ${number} is damaged: its hash is another`)
    return content
  }

  #hashOf(content: Uint8Array, length: number): Uint8Array {
    return length === SHA256_BYTES ? this.#codecs.sha256(content) : hashBytes(contentHash(content))
  }

  /** The decompressed content of a chunk, checked. @throws TraceError */
  content({ offset, header }: Chunk): Uint8Array {
    const start = this.#source.read(offset, CHUNK_HEADER_SIZE)
    const stored = this.#source.read(offset + CHUNK_HEADER_SIZE, header.storedLength)
    if (stored.length !== header.storedLength || start.length !== CHUNK_HEADER_SIZE) throw this.#error(offset, 'the file became shorter while it was read')
    const checksum = this.#codecs.crc32(stored, this.#codecs.crc32(start.subarray(0, CHUNK_HEADER_SIZE - 4)))
    if (checksum !== header.checksum) throw this.#error(offset, 'chunk is damaged: its checksum does not match')
    if (header.codec !== CODEC_ZSTD) {
      if (stored.length !== header.rawLength) throw this.#error(offset, 'chunk is damaged: its two lengths differ')
      return stored
    }
    let raw: Uint8Array
    try {
      raw = this.#codecs.zstdDecompress(stored, header.rawLength)
    } catch {
      throw this.#error(offset, 'chunk is damaged: its zstd data can\'t be decompressed')
    }
    if (raw.length !== header.rawLength) throw this.#error(offset, 'chunk is damaged: it decompresses to another length')
    return raw
  }

  /** A fault found while the raw content of a chunk was decoded, as an error for people. Anything else is passed on. */
  errorIn(chunk: Chunk, error: unknown): unknown {
    return error instanceof Malformed ? this.#error(chunk.offset, `chunk is malformed: ${error.message} (at byte ${error.at} of its content)`) : error
  }

  #error(offset: number | undefined, reason: string): TraceError {
    return new TraceError(this.#source.name, offset, reason)
  }

  #checkFileHeader(): void {
    const bytes = this.#source.read(0, FILE_HEADER_SIZE)
    if (bytes.length === 0) throw this.#error(undefined, 'is empty')
    const magic = bytes.subarray(0, MAGIC.length)
    if (!equalBytes(magic, MAGIC.subarray(0, magic.length))) {
      // A transfer in text mode changes the line ends of the magic and much else.
      const mangled = bytes.length > 3 && bytes[1] === MAGIC[1] && bytes[2] === MAGIC[2] && bytes[3] === MAGIC[3]
      throw this.#error(0, mangled ? 'is a Retrograde trace that was damaged by a transfer as text' : 'is not a Retrograde trace')
    }
    if (bytes.length < FILE_HEADER_SIZE) throw this.#error(bytes.length, 'ends within the file header')
    const version = new DataView(bytes.buffer, bytes.byteOffset).getUint32(MAGIC.length, true)
    if (version > FORMAT_VERSION) throw this.#error(MAGIC.length, `has format ${version}; this Retrograde reads up to ${FORMAT_VERSION}: update it`)
    if (version === 0) throw this.#error(MAGIC.length, 'has format 0, which does not exist')
  }

  /** The chunk whose header is at this byte, if it lies whole before `end`; else why not. */
  #chunkAt(offset: number, end: number): Chunk | string {
    const bytes = this.#source.read(offset, Math.min(CHUNK_HEADER_SIZE, end - offset))
    if (bytes.length < CHUNK_HEADER_SIZE) return 'the file ends within a chunk'
    const header = decodeChunkHeader(bytes)
    if (typeof header === 'string') return header
    if (offset + CHUNK_HEADER_SIZE + header.storedLength > end) return 'the file ends within a chunk'
    return { offset, header }
  }

  #parse<T>(chunk: Chunk, parse: (unpacker: Unpacker) => T): T {
    const content = this.content(chunk)
    try {
      return parse(new Unpacker(content))
    } catch (error) {
      throw this.errorIn(chunk, error)
    }
  }

  /** The chunks as the index lists them, or why there is none that can be used. */
  #findByIndex(head: Chunk): { chunks: Chunk[], blobChunks: Chunk[][] } | string {
    const { size } = this.#source
    const trailer = this.#source.read(Math.max(size - TRAILER_SIZE, 0), TRAILER_SIZE)
    if (trailer.length < TRAILER_SIZE || !equalBytes(trailer.subarray(0, TRAILER_MAGIC.length), TRAILER_MAGIC)) return 'the recording was cut off: there is no index'
    const view = new DataView(trailer.buffer, trailer.byteOffset)
    const offset = view.getUint32(12, true) * TWO_32 + view.getUint32(8, true)
    const end = size - TRAILER_SIZE
    const chunk = offset < end ? this.#chunkAt(offset, end) : 'it lies beyond the end'
    if (typeof chunk === 'string') return `the index can't be read: ${chunk}`
    if (chunk.header.kind !== KIND_INDEX || offset + CHUNK_HEADER_SIZE + chunk.header.storedLength !== end) return 'the index can\'t be read: it is not where it should be'
    let index: TraceIndex
    try {
      index = this.#parse(chunk, parseIndex)
    } catch (error) {
      if (error instanceof TraceError) return `the index can't be read: ${error.reason}`
      throw error
    }
    const chunks: Chunk[] = []
    let expected = head.offset + CHUNK_HEADER_SIZE + head.header.storedLength
    for (let i = 4; i < index.chunks.length; i += 4) {
      // Headers are read again: what the index says must be what is there.
      const found = this.#chunkAt(index.chunks[i], offset)
      if (typeof found === 'string') return `the index does not fit the file: ${found}`
      const { header } = found
      if (found.offset !== expected || header.kind !== index.chunks[i + 1] || header.firstEvent !== index.chunks[i + 2] || header.count !== index.chunks[i + 3]) return 'the index does not fit the file'
      expected = found.offset + CHUNK_HEADER_SIZE + header.storedLength
      chunks.push(found)
    }
    if (expected !== offset) return 'the index does not fit the file'
    const blobChunks: Chunk[][] = []
    for (const [, ...numbers] of index.blobs) {
      const list: Chunk[] = []
      // The index counts the head as chunk 0.
      for (const number of numbers) {
        const listed = chunks[number - 1]
        if (listed?.header.kind !== KIND_BLOBS) return 'the index does not fit the file'
        list.push(listed)
      }
      if (list.length === 0) return 'the index does not fit the file'
      blobChunks.push(list)
    }
    return { chunks, blobChunks }
  }

  /** The chunks from the head on, as far as they are whole. */
  #walk(head: Chunk): { chunks: Chunk[], offset: number, reason: string | undefined } {
    const chunks: Chunk[] = []
    let reason: string | undefined
    let offset = head.offset + CHUNK_HEADER_SIZE + head.header.storedLength
    let events = 0
    while (offset < this.#source.size) {
      const chunk = this.#chunkAt(offset, this.#source.size)
      if (typeof chunk === 'string') {
        reason = chunk
        break
      }
      const { header } = chunk
      if (header.kind === KIND_INDEX) break
      if (header.kind === KIND_HEAD || header.firstEvent !== events) {
        reason = 'a chunk is out of order'
        break
      }
      if (header.kind === KIND_EVENTS) events += header.count
      chunks.push(chunk)
      offset += CHUNK_HEADER_SIZE + header.storedLength
    }
    // The last blocks of a file may be missing though its length is right (a crash of the host).
    for (let last = chunks.at(-1); last !== undefined; last = chunks.at(-1)) {
      try {
        this.content(last)
        break
      } catch (error) {
        if (!(error instanceof TraceError)) throw error
        reason = error.reason
        offset = last.offset
        chunks.pop()
      }
    }
    return { chunks, offset, reason }
  }

  #pieces(chunk: Chunk): readonly Piece[] {
    if (this.#lastPieces?.chunk !== chunk) this.#lastPieces = { chunk, pieces: this.#parse(chunk, (unpacker) => parsePieces(unpacker, chunk.header.count)) }
    return this.#lastPieces.pieces
  }

  #listBlobs(): Chunk[][] {
    const list: Chunk[][] = []
    for (const chunk of this.#chunks) {
      if (chunk.header.kind !== KIND_BLOBS) continue
      for (const { blob } of this.#pieces(chunk)) {
        if (blob > list.length) throw this.#error(chunk.offset, `blob ${blob} comes before blob ${list.length}`)
        const chunks = list[blob] ??= []
        if (chunks.at(-1) !== chunk) chunks.push(chunk)
      }
    }
    return list
  }
}

const parsePieces = (unpacker: Unpacker, count: number): Piece[] => {
  const pieces: Piece[] = []
  while (!unpacker.done) {
    const at = unpacker.at
    if (unpacker.array() !== 5) throw new Malformed(at, 'a piece of a blob has 5 fields')
    pieces.push({ blob: unpacker.unsigned(), hash: unpacker.bin(), size: unpacker.unsigned(), offset: unpacker.unsigned(), bytes: unpacker.bin() })
  }
  if (pieces.length !== count) throw new Malformed(unpacker.at, `${count} pieces announced, ${pieces.length} found`)
  return pieces
}

/** Goes through the events of a trace in order, one chunk in memory at a time. */
export class TraceCursor {
  readonly #reader: TraceReader
  readonly #context = new Context()
  /** Place of the open chunk in `reader.chunks`. */
  #place = -1
  #unpacker = new Unpacker(new Uint8Array(0))
  #leftInChunk = 0
  #next: TraceEvent | undefined
  #nextNumber: number

  /** @throws TraceError */
  constructor(reader: TraceReader, first = 0) {
    this.#reader = reader
    this.#nextNumber = first
    const { chunks } = reader
    const place = chunks.findIndex(({ header }) => header.kind === KIND_EVENTS && first < header.firstEvent + header.count)
    if (place < 0) {
      this.#place = chunks.length
      return
    }
    this.#place = place - 1
    this.#nextNumber = chunks[place].header.firstEvent - 1
    while (this.#nextNumber < first) this.#decode()
  }

  /** The next event, which stays the next; undefined at the end. */
  get next(): TraceEvent | undefined { return this.#next }
  /** Its number; at the end, how many there are. */
  get number(): number { return this.#nextNumber }
  /** Where its chunk is in the file. */
  get offset(): number | undefined { return this.#reader.chunks[this.#place]?.offset }

  /** The next event, and goes on. @throws TraceError */
  take(): TraceEvent | undefined {
    const event = this.#next
    if (event !== undefined) this.#decode()
    return event
  }

  #decode(): void {
    this.#nextNumber++
    while (this.#leftInChunk === 0) {
      if (!this.#openChunk()) {
        this.#next = undefined
        return
      }
    }
    const chunk = this.#reader.chunks[this.#place]
    try {
      this.#next = decodeEvent(this.#unpacker, this.#context)
      this.#leftInChunk--
      if (this.#leftInChunk === 0 && !this.#unpacker.done) throw new Malformed(this.#unpacker.at, 'more than the events announced')
    } catch (error) {
      throw this.#reader.errorIn(chunk, error)
    }
  }

  #openChunk(): boolean {
    const { chunks } = this.#reader
    do this.#place++
    while (this.#place < chunks.length && chunks[this.#place].header.kind !== KIND_EVENTS)
    const chunk = chunks[this.#place]
    if (chunk === undefined) return false
    if (chunk.header.firstEvent !== this.#nextNumber) throw new TraceError(this.#reader.name, chunk.offset, `chunk starts at event ${chunk.header.firstEvent} where ${this.#nextNumber} comes`)
    this.#unpacker = new Unpacker(this.#reader.content(chunk))
    this.#context.reset()
    this.#leftInChunk = chunk.header.count
    return true
  }
}
