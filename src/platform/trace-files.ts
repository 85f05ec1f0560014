/** Traces on the host's disk, and the codecs that they need, on Node ≥ 24. */
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import type * as Zlib from 'node:zlib'
import { TraceError } from '../trace/errors.ts'
import type { TraceCodecs, TraceSink, TraceSource } from '../trace/format.ts'

/** Loaded when it is first needed: running does without. */
const zlib = (): typeof Zlib => process.getBuiltinModule('node:zlib')

/** Of a buffer that zstd never fills for what a chunk holds. */
const ZSTD_SLACK = 4096

export const traceCodecs: TraceCodecs = {
  // Into one buffer that is large enough: by default it is done in pieces of 16 KiB.
  zstdCompress: (bytes, level) => zlib().zstdCompressSync(bytes, { chunkSize: bytes.length + ZSTD_SLACK, params: { [zlib().constants.ZSTD_c_compressionLevel]: level } }),
  // Node refuses a limit of 0.
  zstdDecompress: (bytes, maxLength) => zlib().zstdDecompressSync(bytes, { maxOutputLength: Math.max(maxLength, 1) }),
  crc32: (bytes, previous = 0) => zlib().crc32(bytes, previous),
  sha256: (bytes) => createHash('sha256').update(bytes).digest(),
}

/** What is wrong with a file, for people. */
export const reasonOf = (error: unknown): string => {
  const { code } = error as NodeJS.ErrnoException
  switch (code) {
    case 'ENOENT': return 'no such file'
    case 'EACCES': case 'EPERM': return 'permission denied'
    case 'EISDIR': return 'is a directory'
    case 'ENOTDIR': return 'not a directory'
    case 'EROFS': return 'the file system is read-only'
    case 'ENOSPC': return 'no space is left'
    default: return (error as Error).message
  }
}

/** @throws TraceError, also from `read` */
export const openTraceFile = (path: string): TraceSource & { close(): void } => {
  let fd: number
  let size: number
  try {
    fd = fs.openSync(path, 'r')
    const stat = fs.fstatSync(fd)
    if (!stat.isFile()) {
      fs.closeSync(fd)
      throw new TraceError(path, undefined, stat.isDirectory() ? 'is a directory' : 'is not a regular file')
    }
    size = stat.size
  } catch (error) {
    if (error instanceof TraceError) throw error
    throw new TraceError(path, undefined, `can't be opened: ${reasonOf(error)}`)
  }
  return {
    name: path,
    size,
    read: (offset, length) => {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)))
      let done = 0
      try {
        while (done < bytes.length) {
          const count = fs.readSync(fd, bytes, done, bytes.length - done, offset + done)
          if (count === 0) break
          done += count
        }
      } catch (error) {
        throw new TraceError(path, offset, `can't be read: ${reasonOf(error)}`)
      }
      return bytes.subarray(0, done)
    },
    close: () => { fs.closeSync(fd) },
  }
}

/** @throws TraceError if the file can't be made or written */
export const createTraceFile = (path: string): TraceSink => {
  const attempt = <T>(what: string, action: () => T): T => {
    try {
      return action()
    } catch (error) {
      throw new TraceError(path, undefined, `can't be ${what}: ${reasonOf(error)}`)
    }
  }
  const fd = attempt('made', () => fs.openSync(path, 'w', 0o644))
  return {
    append: (bytes) => {
      attempt('written', () => {
        let done = 0
        while (done < bytes.length) done += fs.writeSync(fd, bytes, done)
      })
    },
    close: () => { attempt('closed', () => { fs.closeSync(fd) }) },
  }
}
