/** The host's processor as an oracle: compiles oracle.c once and talks to it. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
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

const request = (test: Case): Buffer => {
  const bytes = 8 + STATE_SIZE + test.patches.reduce((sum, patch) => sum + 16 + Math.ceil(patch.bytes.length / 8) * 8, 0)
  const message = Buffer.alloc(bytes)
  message.writeUInt32LE(bytes, 0)
  message.writeUInt32LE(test.patches.length, 4)
  message.set(test.state, 8)
  let at = 8 + STATE_SIZE
  for (const patch of test.patches) {
    message.writeUInt32LE(patch.address % 2 ** 32, at)
    message.writeUInt32LE(Math.floor(patch.address / 2 ** 32), at + 4)
    message.writeUInt32LE(patch.bytes.length, at + 8)
    message.set(patch.bytes, at + 16)
    at += 16 + Math.ceil(patch.bytes.length / 8) * 8
  }
  return message
}

const HEAD = 48

const parse = (message: Buffer): Result => {
  const signal = message.readUInt32LE(4)
  const vector = message.readUInt32LE(16)
  const state = new Uint8Array(message.subarray(HEAD, HEAD + STATE_SIZE))
  const changes: number[] = []
  const count = message.readUInt32LE(HEAD + STATE_SIZE)
  for (let i = 0, at = HEAD + STATE_SIZE + 8; i < count; i++, at += 16) {
    changes.push(message.readUInt32LE(at) + message.readUInt32LE(at + 4) * 2 ** 32, message.readUInt32LE(at + 8), message.readUInt32LE(at + 12))
  }
  if (signal === SIGALRM) return { ending: 'timeout', vector: 0, errorCode: 0, address: 0n, state, changes }
  if (signal === SIGSYS) return { ending: 'syscall', vector: 0, errorCode: 0, address: 0n, state, changes }
  return {
    ending: 'fault', vector, errorCode: message.readUInt32LE(24),
    address: vector === VECTOR_PF ? message.readBigUInt64LE(32) : 0n, state, changes,
  }
}

export class NativeOracle {
  readonly #child: ChildProcess
  /** Whether SYSCALL in a case ends it; if not, cases must not have any. */
  catchesSyscalls = false
  #pending: Buffer = Buffer.alloc(0)
  #wake: () => void = () => {}
  #dead: string | undefined
  #busy = false

  private constructor() {
    this.#child = spawn(compile(), { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
      this.#wake()
    })
    this.#child.stdin?.on('error', () => { /* 'exit' says why */ })
    this.#child.on('exit', (code, signal) => {
      this.#dead = `the oracle ended (${signal ?? `status ${code}`})`
      this.#wake()
    })
  }

  static async start(): Promise<NativeOracle> {
    const oracle = new NativeOracle()
    oracle.#child.stdin?.write(memoryMessage())
    const hello = await oracle.#read(8)
    oracle.catchesSyscalls = hello.readUInt32LE(0) === 1
    // Idle, it must not keep the process alive.
    return oracle
  }

  async #read(bytes: number): Promise<Buffer> {
    while (this.#pending.length < bytes) {
      if (this.#dead !== undefined) throw new Error(this.#dead)
      await new Promise<void>((resolve) => { this.#wake = resolve })
    }
    const result = this.#pending.subarray(0, bytes)
    this.#pending = this.#pending.subarray(bytes)
    return result
  }

  /** Answers come in the order of the questions: one call at a time. */
  async run(cases: readonly Case[]): Promise<Result[]> {
    if (this.#busy) throw new Error('the oracle is being asked already')
    this.#busy = true
    const results: Result[] = []
    const message = Buffer.concat(cases.map(request))
    this.#child.stdin?.write(message)
    for (let i = 0; i < cases.length; i++) {
      const bytes = (await this.#read(4)).readUInt32LE(0)
      const body = await this.#read(bytes - 4)
      results.push(parse(Buffer.concat([Buffer.alloc(4), body])))
    }
    this.#busy = false
    return results
  }

  async stop(): Promise<void> {
    if (this.#dead !== undefined) return
    const ended = new Promise<void>((resolve) => { this.#child.once('exit', () => { resolve() }) })
    this.#child.stdin?.end()
    await ended
  }
}
