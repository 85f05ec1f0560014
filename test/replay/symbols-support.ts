/** What the platform hands in to unpack sections. */
import { inflateSync, zstdDecompressSync } from 'node:zlib'

export const unzlib = (bytes: Uint8Array): Uint8Array => inflateSync(bytes)
export const unzstd = (bytes: Uint8Array, size: number): Uint8Array => zstdDecompressSync(bytes, { maxOutputLength: size })
