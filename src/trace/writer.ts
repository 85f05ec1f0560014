/**
 * Writes a trace: chunks of events as they fill or `flush` is called, blobs before the events that name them, and an
 * index at the end. What was flushed can be read whatever happens to the process afterwards.
 */
// Without the native part, which would only help to read, and takes time to look for.
import { Packr } from 'msgpackr/pack'
import { encodeEvent, encodeSyscall } from './coder.ts'
import { contentHash, equalBytes, hashBytes } from './content-hash.ts'
import { Context } from './context.ts'
import type { TraceEvent } from './events.ts'
import {
  BLOB_PIECE_BYTES, CHUNK_HEADER_SIZE, CODEC_NONE, CODEC_ZSTD, type ChunkKind, encodeChunkHeader, EVENT_CHUNK_BYTES, FILE_HEADER_SIZE,
  FORMAT_VERSION, KIND_BLOBS, KIND_EVENTS, KIND_HEAD, KIND_INDEX, MAGIC, TRAILER_MAGIC, TRAILER_SIZE, type TraceCodecs, type TraceSink,
  ZSTD_LEVEL,
} from './format.ts'
import type { TraceHead } from './head.ts'
import { Packer } from './msgpack.ts'

/** Plain msgpack without msgpackr's record extension, so that any library reads it. */
const packr = new Packr({ useRecords: false, variableMapSize: true })

interface KnownBlob {
  readonly number: number
  readonly content: Uint8Array
}

const NO_BYTES = new Uint8Array(0)

export class TraceWriter {
  readonly #sink: TraceSink
  readonly #codecs: TraceCodecs
  readonly #packer = new Packer()
  readonly #context = new Context()
  readonly #blobPacker = new Packer()
  #blobPieces = 0
  /** By the lower half of their hash. */
  readonly #blobs = new Map<number, KnownBlob[]>()
  readonly #blobSizes: number[] = []
  /** For the index: four numbers a chunk (offset, kind, first event, count), and the chunks of each blob. */
  readonly #chunks: number[] = []
  readonly #blobChunks: number[][] = []
  readonly #checkpoints: number[] = []
  #bytesWritten = 0
  /** Events in chunks that are written. */
  #firstEvent = 0
  /** Events in the open chunk. */
  #open = 0

  constructor(sink: TraceSink, codecs: TraceCodecs, head: TraceHead) {
    this.#sink = sink
    this.#codecs = codecs
    const header = new Uint8Array(FILE_HEADER_SIZE)
    header.set(MAGIC)
    new DataView(header.buffer).setUint32(MAGIC.length, FORMAT_VERSION, true)
    this.#append(header)
    this.#chunk(KIND_HEAD, packr.pack(head), 0)
  }

  /** Events so far: the number of the next one. */
  get events(): number { return this.#firstEvent + this.#open }
  /** Bytes given to the sink so far. */
  get bytes(): number { return this.#bytesWritten }

  event(event: TraceEvent): void {
    if (event.type === 'checkpoint') this.#checkpoints.push(this.events)
    encodeEvent(this.#packer, this.#context, event)
    this.#added()
  }

  /** As `event` of a system call, of whose registers the first `argCount` are kept. */
  syscall(cycle: number, tid: number, number: number, args: ArrayLike<number>, argCount: number, strings: readonly (string | undefined)[],
    result: number, started: number): void {
    encodeSyscall(this.#packer, this.#context, cycle, tid, number, args, argCount, strings, result, started)
    this.#added()
  }

  #added(): void {
    this.#open++
    if (this.#packer.length >= EVENT_CHUNK_BYTES) this.flush()
  }

  /** The number of the blob with this content, which nobody may change; equal contents are stored once. */
  blob(bytes: Uint8Array): number {
    const words = contentHash(bytes)
    const alike = this.#blobs.get(words[1])
    // A hash that anybody can make collide says who may be equal, no more.
    const known = alike?.find(({ content }) => equalBytes(content, bytes))
    if (known !== undefined) return known.number
    const hash = hashBytes(words)
    const number = this.#blobSizes.length
    if (alike === undefined) this.#blobs.set(words[1], [{ number, content: bytes }])
    else alike.push({ number, content: bytes })
    this.#blobSizes.push(bytes.length)
    this.#blobChunks.push([])
    let offset = 0
    do {
      const piece = bytes.subarray(offset, offset + BLOB_PIECE_BYTES)
      this.#blobPacker.array(5)
      this.#blobPacker.number(number)
      this.#blobPacker.bin(hash)
      this.#blobPacker.number(bytes.length)
      this.#blobPacker.number(offset)
      this.#blobPacker.bin(piece)
      this.#blobPieces++
      const chunks = this.#blobChunks[number]
      const chunk = this.#chunks.length / 4
      if (chunks.at(-1) !== chunk) chunks.push(chunk)
      offset += piece.length
      if (this.#blobPacker.length >= BLOB_PIECE_BYTES) this.#flushBlobs()
    } while (offset < bytes.length)
    return number
  }

  #flushBlobs(): void {
    if (this.#blobPieces === 0) return
    this.#chunk(KIND_BLOBS, this.#blobPacker.packed(), this.#blobPieces)
    this.#blobPacker.clear()
    this.#blobPieces = 0
  }

  /** Writes what is still in memory as whole chunks. */
  flush(): void {
    this.#flushBlobs()
    if (this.#open === 0) return
    this.#chunk(KIND_EVENTS, this.#packer.packed(), this.#open)
    this.#firstEvent += this.#open
    this.#open = 0
    this.#packer.clear()
    this.#context.reset()
  }

  /** The last chunk, the index and the trailer; the sink is closed. */
  finish(): void {
    this.flush()
    const offset = this.#bytesWritten
    this.#chunk(KIND_INDEX, packr.pack({
      events: this.events, chunks: this.#chunks, checkpoints: this.#checkpoints,
      blobs: this.#blobChunks.map((chunks, number) => [this.#blobSizes[number], ...chunks]),
    }), 0)
    const trailer = new Uint8Array(TRAILER_SIZE)
    trailer.set(TRAILER_MAGIC)
    const view = new DataView(trailer.buffer)
    view.setUint32(8, offset, true)
    view.setUint32(12, Math.floor(offset / 0x1_0000_0000), true)
    this.#append(trailer)
    this.#sink.close()
  }

  #chunk(kind: ChunkKind, raw: Uint8Array, count: number): void {
    const compressed = raw.length > 64 ? this.#codecs.zstdCompress(raw, ZSTD_LEVEL) : NO_BYTES
    const isSmaller = compressed.length > 0 && compressed.length < raw.length
    const stored = isSmaller ? compressed : raw
    const header = encodeChunkHeader({
      kind, codec: isSmaller ? CODEC_ZSTD : CODEC_NONE, storedLength: stored.length, rawLength: raw.length, firstEvent: this.#firstEvent, count,
    })
    const checksum = this.#codecs.crc32(stored, this.#codecs.crc32(header.subarray(0, CHUNK_HEADER_SIZE - 4)))
    new DataView(header.buffer).setUint32(CHUNK_HEADER_SIZE - 4, checksum, true)
    if (kind !== KIND_INDEX) this.#chunks.push(this.#bytesWritten, kind, this.#firstEvent, count)
    // One append, so that the sink's file has no header without its chunk but when the process dies in the middle of it.
    const chunk = new Uint8Array(CHUNK_HEADER_SIZE + stored.length)
    chunk.set(header)
    chunk.set(stored, CHUNK_HEADER_SIZE)
    this.#append(chunk)
  }

  #append(bytes: Uint8Array): void {
    this.#sink.append(bytes)
    this.#bytesWritten += bytes.length
  }
}
