/** `Platform` on Node ≥ 24. */
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { constants as osConstants } from 'node:os'
import { isatty } from 'node:tty'
import type * as Zlib from 'node:zlib'
import type { HostStat } from '../kernel/outside.ts'
import type { AppendFile, Platform, PlatformError } from './platform.ts'

/** What few runs need, and what takes milliseconds to load. */
const zlib = (): typeof Zlib => process.getBuiltinModule('node:zlib')

const failure = (error: unknown): PlatformError => {
  const code = (error as NodeJS.ErrnoException).code
  if (code === undefined || !(code in osConstants.errno)) throw error
  return { error: code }
}

const attempt = <T>(operation: () => T): T | PlatformError => {
  try {
    return operation()
  } catch (error) {
    return failure(error)
  }
}

/** Host paths travel as latin1 so that any byte string survives. */
const toHost = (path: string): Buffer => Buffer.from(path, 'latin1')

const timestamp = (ns: bigint): readonly [number, number] => {
  const seconds = ns >= 0n ? ns / 1_000_000_000n : -((-ns + 999_999_999n) / 1_000_000_000n)
  return [Number(seconds), Number(ns - seconds * 1_000_000_000n)]
}

const DIRENT_TYPES = [
  ['isFile', 8], ['isDirectory', 4], ['isSymbolicLink', 10], ['isCharacterDevice', 2],
  ['isBlockDevice', 6], ['isFIFO', 1], ['isSocket', 12],
] as const

/** A short wait without spinning. */
const sleeper = new Int32Array(new SharedArrayBuffer(4))
const pause = (ms: number): void => { Atomics.wait(sleeper, 0, 0, ms) }

export class NodePlatform implements Platform {
  #raw = false
  #input: number | undefined

  lstat(path: string): HostStat | PlatformError {
    return attempt(() => {
      const stat = fs.lstatSync(toHost(path), { bigint: true })
      return {
        dev: Number(stat.dev), ino: Number(stat.ino), mode: Number(stat.mode), nlink: Number(stat.nlink),
        uid: Number(stat.uid), gid: Number(stat.gid), rdev: Number(stat.rdev), size: Number(stat.size),
        blocks: Number(stat.blocks), atime: timestamp(stat.atimeNs), mtime: timestamp(stat.mtimeNs), ctime: timestamp(stat.ctimeNs),
      }
    })
  }

  readdir(path: string): { name: string, type: number }[] | PlatformError {
    return attempt(() => fs.readdirSync(toHost(path), { withFileTypes: true, encoding: 'buffer' }).map((entry) => ({
      name: entry.name.toString('latin1'),
      type: DIRENT_TYPES.find(([method]) => entry[method]())?.[1] ?? 0,
    })))
  }

  readlink(path: string): string | PlatformError {
    return attempt(() => fs.readlinkSync(toHost(path), { encoding: 'buffer' }).toString('latin1'))
  }

  readFile(path: string): Uint8Array | PlatformError {
    return attempt(() => {
      const bytes = fs.readFileSync(toHost(path))
      return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    })
  }

  writeFile(path: string, bytes: Uint8Array, mode = 0o644): PlatformError | undefined {
    const result = attempt(() => { fs.writeFileSync(toHost(path), bytes, { mode }) })
    return result as PlatformError | undefined
  }

  makeDirectory(path: string, mode: number): PlatformError | undefined {
    return attempt(() => { fs.mkdirSync(toHost(path), { mode }) }) as PlatformError | undefined
  }

  makeSymlink(path: string, target: string): PlatformError | undefined {
    return attempt(() => { fs.symlinkSync(toHost(target), toHost(path)) }) as PlatformError | undefined
  }

  changeMode(path: string, mode: number): PlatformError | undefined {
    return attempt(() => { fs.chmodSync(toHost(path), mode) }) as PlatformError | undefined
  }

  remove(path: string): PlatformError | undefined {
    return attempt(() => { fs.rmSync(toHost(path), { recursive: true }) }) as PlatformError | undefined
  }

  createAppendFile(path: string): AppendFile | PlatformError {
    return attempt((): AppendFile => {
      const fd = fs.openSync(toHost(path), 'w', 0o644)
      return {
        append: (bytes) => {
          let done = 0
          while (done < bytes.length) done += fs.writeSync(fd, bytes, done)
        },
        sync: () => { fs.fdatasyncSync(fd) },
        close: () => { fs.closeSync(fd) },
      }
    })
  }

  zstdCompress(bytes: Uint8Array, level: number): Uint8Array {
    const { constants, zstdCompressSync } = zlib()
    return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: level } })
  }

  zstdDecompress(bytes: Uint8Array, limit: number): Uint8Array {
    return zlib().zstdDecompressSync(bytes, { maxOutputLength: limit })
  }

  inflate(bytes: Uint8Array, limit: number): Uint8Array { return zlib().inflateSync(bytes, { maxOutputLength: Math.max(limit, 1) }) }

  decompress(bytes: Uint8Array, limit = 2 ** 33): Uint8Array {
    const options = { maxOutputLength: Math.max(limit, 1) }
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) return zlib().gunzipSync(bytes, options)
    if (bytes[0] === 0x28 && bytes[1] === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd) return zlib().zstdDecompressSync(bytes, options)
    return bytes
  }

  /** By V8's own generator, which the system seeds: node:crypto takes 3 ms to load. */
  freshSeed(): string { return String(1 + Math.floor(Math.random() * (2 ** 32 - 1))) }

  sha256(bytes: Uint8Array): string {
    return createHash('sha256').update(bytes).digest('hex')
  }

  write(fd: 1 | 2, bytes: Uint8Array): PlatformError | undefined {
    let done = 0
    while (done < bytes.length) {
      try {
        done += fs.writeSync(fd, bytes, done)
      } catch (error) {
        const problem = failure(error)
        if (problem.error !== 'EAGAIN') return problem
        pause(1)
      }
    }
    return undefined
  }

  isTerminal(fd: 0 | 1 | 2): boolean {
    // Not by the streams: Node makes them when they are first looked at.
    return isatty(fd)
  }

  terminalSize(): { rows: number, columns: number } {
    const [columns, rows] = isatty(1) ? process.stdout.getWindowSize() : [80, 24]
    return { rows, columns }
  }

  stdioKind(fd: 0 | 1 | 2): 'tty' | 'pipe' | 'file' | 'null' {
    const stat = attempt(() => fs.fstatSync(fd))
    if ('error' in stat) return 'null'
    if (stat.isCharacterDevice()) {
      // A character device that is no terminal is /dev/null for all that matters to a guest.
      return this.isTerminal(fd) ? 'tty' : 'null'
    }
    return stat.isFile() ? 'file' : 'pipe'
  }

  setRaw(raw: boolean): void {
    if (!process.stdin.isTTY || raw === this.#raw) return
    if (!this.#raw) process.once('exit', () => { if (this.#raw) process.stdin.setRawMode(false) })
    process.stdin.setRawMode(raw)
    // Node's raw mode still makes \r\n of \n on output; the guest's terminal has done what there is to do.
    if (raw) process.getBuiltinModule('node:child_process').spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] })
    this.#raw = raw
  }

  currentDirectory(): string { return Buffer.from(process.cwd(), 'utf8').toString('latin1') }

  realPath(path: string): string | undefined {
    const real = attempt(() => fs.realpathSync.native(toHost(path), { encoding: 'buffer' }).toString('latin1'))
    return typeof real === 'string' ? real : undefined
  }

  userId(): number { return process.getuid?.() ?? 0 }
  groupId(): number { return process.getgid?.() ?? 0 }

  /**
   * Standard input as a description of our own that does not block: descriptor 0 is shared with whoever started us, and
   * Node leaves it blocking. Where it can't be opened anew (a socket, a host without /proc) reads wait.
   */
  #inputDescriptor(): number {
    if (this.#input === undefined) {
      const opened = attempt(() => fs.openSync('/proc/self/fd/0', fs.constants.O_RDONLY | fs.constants.O_NONBLOCK | fs.constants.O_NOCTTY))
      // A file's offset is where descriptor 0 left it.
      this.#input = typeof opened === 'number' && this.stdioKind(0) !== 'file' ? opened : 0
    }
    return this.#input
  }

  readInput(max: number, timeoutMs: number): Uint8Array | undefined {
    const buffer = new Uint8Array(max)
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const count = attempt(() => fs.readSync(this.#inputDescriptor(), buffer, 0, max, null))
      if (typeof count === 'number') return buffer.subarray(0, count)
      // EIO is a terminal that hung up; anything else that isn't 'not yet' ends the input too.
      if (count.error !== 'EAGAIN') return buffer.subarray(0, 0)
      const left = deadline - performance.now()
      if (left <= 0) return undefined
      pause(Math.min(left, 5))
    }
  }

  /** Not `performance`, which Node loads when it is first used: 2 ms. */
  wallTimeMs(): number {
    const [seconds, nanoseconds] = process.hrtime()
    return seconds * 1000 + nanoseconds / 1e6
  }
}
