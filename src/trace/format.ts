/**
 * The container: constants of docs/trace-format.md, sections 'File' and 'Chunks'. Numbers are little-endian.
 */

/** As PNG's: a byte that is not ASCII, the name, and line ends that show when a transfer in text mode mangled the file. */
export const MAGIC = Uint8Array.of(0x89, 0x52, 0x47, 0x54, 0x0d, 0x0a, 0x1a, 0x0a)
export const FORMAT_VERSION = 2
/** Magic, then the version as u32, then 4 reserved zero bytes. */
export const FILE_HEADER_SIZE = 16

/** 'RGTC' */
export const CHUNK_MAGIC = 0x43544752
export const CHUNK_HEADER_SIZE = 32

export const KIND_HEAD = 1, KIND_EVENTS = 2, KIND_BLOBS = 3, KIND_INDEX = 4
export type ChunkKind = typeof KIND_HEAD | typeof KIND_EVENTS | typeof KIND_BLOBS | typeof KIND_INDEX
export const CODEC_NONE = 0, CODEC_ZSTD = 1
export type Codec = typeof CODEC_NONE | typeof CODEC_ZSTD

/** No chunk is longer than this before compression: what a reader must be ready to allocate, whatever a hostile header claims. */
export const MAX_CHUNK_RAW = 64 << 20
/** A writer closes an event chunk that has grown to this. */
export const EVENT_CHUNK_BYTES = 512 << 10
/** Host files are cut into pieces of at most this many bytes. */
export const BLOB_PIECE_BYTES = 1 << 20
/** Fast enough that recording costs little; higher levels gain a few percent of size on events. */
export const ZSTD_LEVEL = 1

/** The last 16 bytes of a finished trace: 'RGTINDEX', then the byte offset of the index chunk as u64. */
export const TRAILER_MAGIC = Uint8Array.of(0x52, 0x47, 0x54, 0x49, 0x4e, 0x44, 0x45, 0x58)
export const TRAILER_SIZE = 16

export interface ChunkHeader {
  readonly kind: ChunkKind
  readonly codec: Codec
  /** Bytes that follow the header, and bytes that they are when decompressed. */
  readonly storedLength: number
  readonly rawLength: number
  /** Events in chunks before this one. */
  readonly firstEvent: number
  /** Events, or pieces of blobs, in this chunk. */
  readonly count: number
  /** CRC-32 of the header's first 28 bytes followed by the stored bytes. */
  readonly checksum: number
}

const TWO_32 = 0x1_0000_0000

/** The header without its checksum, which covers it. */
export const encodeChunkHeader = (header: Omit<ChunkHeader, 'checksum'>): Uint8Array => {
  const bytes = new Uint8Array(CHUNK_HEADER_SIZE)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, CHUNK_MAGIC, true)
  view.setUint8(4, header.kind)
  view.setUint8(5, header.codec)
  view.setUint32(8, header.storedLength, true)
  view.setUint32(12, header.rawLength, true)
  view.setUint32(16, header.firstEvent % TWO_32, true)
  view.setUint32(20, Math.floor(header.firstEvent / TWO_32), true)
  view.setUint32(24, header.count, true)
  return bytes
}

/** What the header says, or why it can't be one. */
export const decodeChunkHeader = (bytes: Uint8Array): ChunkHeader | string => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(0, true) !== CHUNK_MAGIC) return 'no chunk starts here'
  const kind = view.getUint8(4), codec = view.getUint8(5)
  if (kind < KIND_HEAD || kind > KIND_INDEX) return `unknown kind of chunk ${kind}`
  if (codec > CODEC_ZSTD) return `unknown codec ${codec}`
  const storedLength = view.getUint32(8, true), rawLength = view.getUint32(12, true)
  if (rawLength > MAX_CHUNK_RAW) return `chunk claims ${rawLength} bytes, more than the ${MAX_CHUNK_RAW} allowed`
  const firstEvent = view.getUint32(20, true) * TWO_32 + view.getUint32(16, true)
  if (!Number.isSafeInteger(firstEvent)) return 'event number beyond 2^53'
  return {
    kind: kind as ChunkKind, codec: codec as Codec, storedLength, rawLength, firstEvent,
    count: view.getUint32(24, true), checksum: view.getUint32(28, true),
  }
}

/** What the host gives: compression, checksums and hashes, all synchronous, so that recording never waits. */
export interface TraceCodecs {
  zstdCompress(bytes: Uint8Array, level: number): Uint8Array
  /** @throws any error if the bytes are not a zstd frame or would be more than `maxLength` */
  zstdDecompress(bytes: Uint8Array, maxLength: number): Uint8Array
  /** CRC-32 as in gzip and PNG; `previous` is the value for the bytes before these. */
  crc32(bytes: Uint8Array, previous?: number): number
  /** Of blobs in traces of version 1. */
  sha256(bytes: Uint8Array): Uint8Array
}

/** Where a trace is read from. */
export interface TraceSource {
  /** For messages. */
  readonly name: string
  readonly size: number
  /** Up to `length` bytes from `offset`; fewer at the end. */
  read(offset: number, length: number): Uint8Array
}

/** Where a trace is written to. */
export interface TraceSink {
  append(bytes: Uint8Array): void
  close(): void
}
