/** Worlds for the tests of sessions: guests of guests/bin over files in memory, with a console in memory. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Tier0Manifest } from '../../src/emu/interp/generate.ts'
import { ENOENT, ENOTDIR } from '../../src/kernel/abi/errno.ts'
import type { WorldConfig } from '../../src/kernel/config.ts'
import type { HostFiles, HostStat } from '../../src/kernel/outside.ts'
import { traceCodecs } from '../../src/platform/trace-files.ts'
import { startRecording } from '../../src/replay/record.ts'
import { startReplay } from '../../src/replay/replay.ts'
import { startRun } from '../../src/replay/run.ts'
import { type Engine, type RecordOptions, type RecordResult, type ReplayMode, type ReplayOptions, type ReplayResult, runToEnd, type SessionHost, type SessionResult } from '../../src/replay/session.ts'
import { TraceReader } from '../../src/trace/reader.ts'
import { MemorySink, memorySource } from '../trace/support.ts'

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

let engine: Engine | undefined
export const loadEngine = (): Engine => engine ??= {
  module: new WebAssembly.Module(readFileSync(join(root, 'dist/tier0.wasm'))),
  manifest: JSON.parse(readFileSync(join(root, 'dist/tier0.json'), 'utf8')) as Tier0Manifest,
}

export const guest = (name: string): Uint8Array => readFileSync(join(root, 'guests/bin', name))

/** Path → content; directories are made as needed. */
export type Tree = Readonly<Record<string, Uint8Array>>

/** Host files in memory: mount 0 is this tree. */
export const memoryFiles = (tree: Tree): HostFiles => {
  const isDirectory = (path: string): boolean => path === '' || Object.keys(tree).some((name) => name.startsWith(`${path}/`))
  const stat = (mode: number, path: string, size: number): HostStat => {
    const ino = [...path].reduce((sum, char) => sum * 31 % 65521 + char.charCodeAt(0), 1)
    const time = [1_700_000_000, 0] as const
    return { dev: 1, ino, mode, nlink: 1, uid: 0, gid: 0, rdev: 0, size, blocks: Math.ceil(size / 512), atime: time, mtime: time, ctime: time }
  }
  return {
    lstat: (_mount, path) => path in tree ? stat(0o100755, path, tree[path].length) : isDirectory(path) ? stat(0o040755, path, 4096) : -ENOENT,
    readdir: (_mount, path) => {
      if (path in tree) return -ENOTDIR
      const prefix = path === '' ? '' : `${path}/`
      const names = new Set(Object.keys(tree).filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length).split('/')[0]))
      return [...names].sort().map((name) => ({ name, type: prefix + name in tree ? 8 : 4 }))
    },
    readlink: () => -ENOENT,
    readFile: (_mount, path) => path in tree ? tree[path] : -ENOENT,
  }
}

export const worldOf = (program: string, changes: Partial<WorldConfig> = {}): WorldConfig => ({
  program: `/bin/${program}`, argv: [program], env: ['PATH=/bin', 'HOME=/'], cwd: '/',
  mounts: [
    { guest: '/', source: { kind: 'host', host: 'memory' } }, { guest: '/tmp', source: { kind: 'tmpfs' } },
    { guest: '/proc', source: { kind: 'proc' } }, { guest: '/dev', source: { kind: 'dev' } },
  ],
  files: [], hostname: 'test', cpus: 2, seed: '1', strategy: 'random', cpuHz: 1e9, epochSeconds: 1_700_000_000, uid: 0, gid: 0,
  stdio: ['pipe', 'pipe', 'pipe'], terminal: { rows: 24, columns: 80 }, memoryLimit: 256 << 20, cycleLimit: 1e12,
  ...changes,
})

export const treeFor = (program: string): Tree => ({ [`bin/${program}`]: guest(program), 'data/hello.txt': Buffer.from('hello\n') })

/** Input that is there from the start, in these pieces, then its end. */
export class MemoryConsole {
  readonly #input: Uint8Array[]
  output = ''
  constructor(input: readonly string[] = []) { this.#input = input.map((text) => Buffer.from(text)) }
  write(fd: 1 | 2, bytes: Uint8Array): number {
    this.output += `${fd === 2 ? '!' : ''}${Buffer.from(bytes).toString('latin1')}`
    return 0
  }

  setRaw(): void { /* no terminal */ }
  readInput(): Uint8Array | undefined { return this.#input.shift() ?? new Uint8Array(0) }
}

export interface Recorded { readonly result: RecordResult, readonly trace: Uint8Array, readonly output: string }

export const hostOf = (tree: Tree, console: SessionHost['console'], engine = loadEngine()): SessionHost =>
  ({ engine, files: memoryFiles(tree), console, wallTimeMs: () => performance.now() })

export const record = (world: WorldConfig, tree: Tree, input: readonly string[] = [], more: Partial<RecordOptions> = {}): Recorded => {
  const console = new MemoryConsole(input)
  const sink = new MemorySink()
  const result = runToEnd(startRecording({ world, host: hostOf(tree, console), codecs: traceCodecs, version: 'test', openTrace: () => sink, ...more }))
  return { result, trace: sink.bytes, output: console.output }
}

export const run = (world: WorldConfig, tree: Tree, input: readonly string[] = []): { result: SessionResult, output: string } => {
  const console = new MemoryConsole(input)
  return { result: runToEnd(startRun({ world, host: hostOf(tree, console), finalHash: true })), output: console.output }
}

export const replay = (trace: Uint8Array, mode: ReplayMode, more: Partial<ReplayOptions> = {}): { result: ReplayResult, output: string } => {
  let output = ''
  const result = runToEnd(startReplay({
    trace: new TraceReader(memorySource(trace), traceCodecs), engine: loadEngine(), clock: { wallTimeMs: () => performance.now() }, codecs: traceCodecs, mode,
    output: (fd, bytes) => { output += `${fd === 2 ? '!' : ''}${Buffer.from(bytes).toString('latin1')}` }, ...more,
  }))
  return { result, output }
}
