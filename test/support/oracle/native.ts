/** The host's processor as an oracle: compiles oracle.c once and talks to it. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, existsSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, readFileSync, readSync, renameSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FEATURES, type Feature, featureMask } from '../../../src/emu/cpu/features.ts'
import type { Row } from '../../../src/emu/decode/rows.ts'
import { type Case, REGIONS, type Result, STATE_SIZE, initialContent } from './machine.ts'

const here = dirname(fileURLToPath(import.meta.url))
const cache = join(here, '../../../node_modules/.cache/retrograde-oracle')
const FLAGS = ['-O2', '-static-pie', '-fPIE', '-nostdlib', '-ffreestanding', '-fno-stack-protector', '-fcf-protection=none',
  '-mno-red-zone', '-fno-tree-loop-distribute-patterns']

const SIGALRM = 14
const SIGSYS = 31
const VECTOR_PF = 14

/** Why there is no oracle here, or undefined if there is one. */
export const whyNoOracle = (): string | undefined => {
  if (process.platform !== 'linux' || process.arch !== 'x64') return `the host is ${process.platform}-${process.arch}, not linux-x64`
  // What the manual leaves undefined, and our semantics have as AMD's processors.
  if (!readFileSync('/proc/cpuinfo', 'utf8').includes('AuthenticAMD')) return 'the host’s processor is not one of AMD’s'
  try {
    compile()
    return undefined
  } catch (error) {
    return `gcc can't compile the oracle: ${(error as Error).message.split('\n')[0]}`
  }
}

/** What /proc/cpuinfo calls them, where that is another name. */
const LINUX_NAMES: Partial<Record<Feature, string>> = { sse3: 'pni', lzcnt: 'abm', sha: 'sha_ni' }

let hostFeatures: number | undefined
/** Whether the host's processor has what the row belongs to. */
export const isOnHost = ({ features }: Row): boolean => {
  if (hostFeatures === undefined) {
    const flags = new Set(/^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1].trim().split(' '))
    hostFeatures = featureMask(FEATURES.filter((feature) => flags.has(LINUX_NAMES[feature] ?? feature)))
  }
  return (features & ~hostFeatures) === 0
}

const compile = (): string => {
  const source = join(here, 'oracle.c')
  const hash = createHash('sha256').update(readFileSync(source)).update(FLAGS.join(' ')).digest('hex').slice(0, 16)
  const binary = join(cache, `oracle-${hash}`)
  if (!existsSync(binary)) {
    mkdirSync(cache, { recursive: true })
    // Tests run in parallel: the file appears at once and whole.
    const temporary = `${binary}.${process.pid}`
    execFileSync('gcc', [...FLAGS, '-o', temporary, source], { stdio: 'pipe' })
    renameSync(temporary, binary)
  }
  return binary
}

const memoryMessage = (): Buffer => {
  const parts: Uint8Array[] = [Buffer.from(new Uint32Array([REGIONS.length, 0]).buffer)]
  for (const region of REGIONS) {
    const head = Buffer.alloc(16)
    head.writeBigUInt64LE(BigInt(region.address), 0)
    head.writeUInt32LE(region.bytes, 8)
    head.writeUInt32LE((region.readable ? 1 : 0) | (region.writable ? 2 : 0) | (region.executable ? 4 : 0), 12)
    parts.push(head, initialContent(region))
  }
  return Buffer.concat(parts)
}

/** Room for what is asked and answered at once, as in oracle.c, and cases whose answers have room for certain: each may change all memory. */
const IN_SIZE = 1 << 22, OUT_SIZE = 1 << 25
const MOST_CASES = 512

const align8 = (bytes: number): number => (bytes + 7) & ~7
const requestBytes = ({ patches }: Case): number => patches.reduce((sum, { bytes }) => sum + 16 + align8(bytes.length), 8 + STATE_SIZE)

/** Puts a request into a message; returns where it ends. */
const putRequest = (message: Buffer, words: Uint32Array, start: number, test: Case): number => {
  message.set(test.state, start + 8)
  let at = start + 8 + STATE_SIZE
  for (const { address, bytes } of test.patches) {
    words[at >> 2] = address % 2 ** 32
    words[(at >> 2) + 1] = Math.floor(address / 2 ** 32)
    words[(at >> 2) + 2] = bytes.length
    words[(at >> 2) + 3] = 0
    message.set(bytes, at + 16)
    at += 16 + align8(bytes.length)
  }
  words[start >> 2] = at - start
  words[(start >> 2) + 1] = test.patches.length
  return at
}

const HEAD = 48

const NO_CHANGES: readonly number[] = []

/** The answer at an offset of a message; its state stays there. */
const parse = (message: Buffer, words: Uint32Array, start: number): Result => {
  const at = start >> 2
  const signal = words[at + 1]
  const vector = words[at + 4]
  const state = new Uint8Array(message.buffer, message.byteOffset + start + HEAD, STATE_SIZE)
  const count = words[(start + HEAD + STATE_SIZE) >> 2]
  const changes: number[] = []
  for (let i = 0, word = (start + HEAD + STATE_SIZE + 8) >> 2; i < count; i++, word += 4) {
    changes.push(words[word] + words[word + 1] * 2 ** 32, words[word + 2], words[word + 3])
  }
  const list = count === 0 ? NO_CHANGES : changes
  if (signal === SIGALRM) return { ending: 'timeout', vector: 0, errorCode: 0, address: 0n, state, changes: list }
  if (signal === SIGSYS) return { ending: 'syscall', vector: 0, errorCode: 0, address: 0n, state, changes: list }
  return { ending: 'fault', vector, errorCode: words[at + 6], address: vector === VECTOR_PF ? message.readBigUInt64LE(start + 32) : 0n, state, changes: list }
}

/** A file without a name, in memory if that can be: the helper gets its descriptor. */
const sharedFile = (bytes: number): number => {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'retrograde-oracle-'))
  const descriptor = openSync(join(folder, 'file'), 'w+')
  rmSync(folder, { recursive: true })
  ftruncateSync(descriptor, bytes)
  return descriptor
}

export class NativeOracle {
  readonly #in = sharedFile(IN_SIZE)
  readonly #out = sharedFile(OUT_SIZE)
  readonly #child: ChildProcess
  readonly #message = Buffer.from(new ArrayBuffer(IN_SIZE))
  readonly #messageWords = new Uint32Array(this.#message.buffer)
  /** Whether SYSCALL in a case ends it; if not, cases must not have any. */
  catchesSyscalls = false
  #pending: Buffer = Buffer.alloc(0)
  #wake: () => void = () => {}
  #dead: string | undefined
  #busy = false

  private constructor() {
    this.#child = spawn(compile(), { stdio: ['pipe', 'pipe', 'inherit', this.#in, this.#out] })
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
      this.#wake()
    })
    this.#child.stdin?.on('error', () => { /* 'exit' says why */ })
    this.#child.on('exit', (code, signal) => {
      this.#dead = `the oracle ended (${signal ?? `status ${code}`})`
      closeSync(this.#in)
      closeSync(this.#out)
      this.#wake()
    })
  }

  static async start(): Promise<NativeOracle> {
    const oracle = new NativeOracle()
    const hello = await oracle.#ask(memoryMessage())
    oracle.catchesSyscalls = hello.readUInt32LE(0) === 1
    return oracle
  }

  /** One batch: the answer's bytes, in a buffer of their own. */
  async #ask(message: Uint8Array): Promise<Buffer> {
    if (this.#dead !== undefined) throw new Error(this.#dead)
    if (this.#busy) throw new Error('the oracle is being asked already')
    this.#busy = true
    for (let at = 0; at < message.length;) at += writeSync(this.#in, message, at, message.length - at, at)
    const go = Buffer.alloc(8)
    go.writeUInt32LE(message.length)
    this.#child.stdin?.write(go)
    while (this.#pending.length < 8) {
      if (this.#dead !== undefined) throw new Error(this.#dead)
      await new Promise<void>((resolve) => { this.#wake = resolve })
    }
    const answer = Buffer.from(new ArrayBuffer(this.#pending.readUInt32LE(0)))
    this.#pending = this.#pending.subarray(8)
    for (let at = 0; at < answer.length;) at += readSync(this.#out, answer, at, answer.length - at, at)
    this.#busy = false
    return answer
  }

  /** The helper works while the caller does something else; but it is asked one thing at a time. */
  async run(cases: readonly Case[]): Promise<Result[]> {
    const results: Result[] = []
    while (results.length < cases.length) {
      let count = 0
      let end = 0
      for (let i = results.length; i < cases.length && count < MOST_CASES && end + requestBytes(cases[i]) <= IN_SIZE; i++, count++) {
        end = putRequest(this.#message, this.#messageWords, end, cases[i])
      }
      const answer = await this.#ask(this.#message.subarray(0, end))
      const words = new Uint32Array(answer.buffer)
      for (let i = 0, at = 0; i < count; i++, at += words[at >> 2]) results.push(parse(answer, words, at))
    }
    return results
  }

  async stop(): Promise<void> {
    if (this.#dead !== undefined) return
    const ended = new Promise<void>((resolve) => { this.#child.once('exit', () => { resolve() }) })
    this.#child.stdin?.end()
    await ended
  }
}
