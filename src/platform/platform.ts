/**
 * What Retrograde needs of the host, and nothing else: files, compression, hashing, the terminal, wall time for progress.
 * The layers below get an implementation handed in, so that all but this folder and src/cli runs in a browser too.
 */
import type { HostStat } from '../kernel/outside.ts'

/** A host operation failed: the errno's name, as 'ENOENT'. */
export interface PlatformError { readonly error: string }
export const isPlatformError = (value: unknown): value is PlatformError =>
  typeof value === 'object' && value !== null && 'error' in value

/** Appends to one file; what was flushed survives the death of the process. */
export interface AppendFile {
  append(bytes: Uint8Array): void
  /** Through to the disk. */
  sync(): void
  close(): void
}

/** Host paths are strings of latin1 code units, one a byte, as the guest's are. */
export interface Platform {
  lstat(path: string): HostStat | PlatformError
  readdir(path: string): readonly { readonly name: string, readonly type: number }[] | PlatformError
  readlink(path: string): string | PlatformError
  readFile(path: string): Uint8Array | PlatformError
  writeFile(path: string, bytes: Uint8Array, mode?: number): PlatformError | undefined
  makeDirectory(path: string, mode: number): PlatformError | undefined
  makeSymlink(path: string, target: string): PlatformError | undefined
  changeMode(path: string, mode: number): PlatformError | undefined
  /** A file, or a directory with all that is in it. */
  remove(path: string): PlatformError | undefined
  createAppendFile(path: string): AppendFile | PlatformError

  zstdCompress(bytes: Uint8Array, level: number): Uint8Array
  /** @throws Error if the data is bad or would be longer than `limit` bytes */
  zstdDecompress(bytes: Uint8Array, limit: number): Uint8Array
  /** What zlib (RFC 1950) packed. @throws Error if the data is bad or would be longer than `limit` bytes */
  inflate(bytes: Uint8Array, limit: number): Uint8Array
  /** What a .tar.gz or .tar.zst holds; other bytes as they are. @throws Error if the data is bad or would be longer than `limit` bytes */
  decompress(bytes: Uint8Array, limit?: number): Uint8Array
  /** A seed that nobody has used before, short enough to type. */
  freshSeed(): string
  /** Hex digest. */
  sha256(bytes: Uint8Array): string

  /** Writes all of it; waits where the descriptor would block. Returns 'EPIPE' and the like when it can't. */
  write(fd: 1 | 2, bytes: Uint8Array): PlatformError | undefined
  isTerminal(fd: 0 | 1 | 2): boolean
  terminalSize(): { readonly rows: number, readonly columns: number }
  /** What a standard descriptor is. */
  stdioKind(fd: 0 | 1 | 2): 'tty' | 'pipe' | 'file' | 'null'
  /** Raw mode of the terminal on stdin; `restoreTerminal` undoes it however the process ends. */
  setRaw(raw: boolean): void
  /** Absolute path of the current directory. */
  currentDirectory(): string
  /** All links followed; undefined if it is not there. */
  realPath(path: string): string | undefined
  userId(): number
  groupId(): number

  /** Reads what is there, waiting at most `timeoutMs` (Infinity: until there is something): bytes, an empty array at the end, undefined on time-out. */
  readInput(max: number, timeoutMs: number): Uint8Array | undefined

  /** Wall time in milliseconds, for progress and flushing only: it must never enter a world. */
  wallTimeMs(): number
}
