/**
 * SSE and SSE2 floating point beside the host's processor: every row of the table, with register and memory operands,
 * over values and MXCSRs that matter. The oracle is test/emu/float/oracle.c.
 */
import test from 'ava'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as layout from '../../src/emu/cpu/layout.ts'
import type { Row } from '../../src/emu/decode/rows.ts'
import { SSE_FLOAT_ROWS } from '../../src/emu/decode/tables/sse-float.ts'
import type { Tier0Manifest } from '../../src/emu/interp/generate.ts'
import { Interpreter } from '../../src/emu/interp/interpreter.ts'
import { PhysicalMemory } from '../../src/emu/memory.ts'
import { NO_FRAME } from '../../src/emu/mmu/mmu.ts'
import { EXIT_SYSCALL } from '../../src/emu/processor.ts'

const RECORD = 256
const CASES_PER_FORM = 300
/** Where the oracle's record has things: see oracle.c. */
const LENGTH = 15, MXCSR = 16, FCW = 20, FSW = 22, FTW = 24, XMM = 32, DATA = 64, STACK = 128
const SIGFPE = 8, SIGSEGV = 11
const SIGNALS: Readonly<Record<number, number>> = { 13: SIGSEGV, 16: SIGFPE, 19: SIGFPE }
const ARITHMETIC_FLAGS = 0x8d5

// ——— Cases ———

let state = 0x2545f491
const random = (below: number): number => {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % below
}
const pick = <T>(from: readonly T[]): T => from[random(from.length)]

const F32 = [0, 0x80000000, 0x3f800000, 0xbf800000, 0x00800000, 0x00800001, 0x807fffff, 1, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000,
  0x7fc00000, 0xffc12345, 0x7f800001, 0xffa00000, 0x4effffff, 0x4f000000, 0xcf000000, 0xcf000001, 0x3f000000, 0x3fc00000, 0x40200000,
  0x5effffff, 0x5f000000, 0xdf000000, 0x4b000001, 0x34000000, 0x20000000, 0x1fffffff, 0x5f7fffff]
const F64 = [0n, 0x8000000000000000n, 0x3ff0000000000000n, 0xbff0000000000000n, 0x0010000000000000n, 0x0010000000000001n, 0x800fffffffffffffn,
  1n, 0x7fefffffffffffffn, 0x7ff0000000000000n, 0xfff0000000000000n, 0x7ff8000000000000n, 0xfff8123456789abcn, 0x7ff0000000000001n,
  0xfff4000000000000n, 0x41dfffffffc00000n, 0x41e0000000000000n, 0xc1e0000000200000n, 0xc1e0000000000000n, 0x43dfffffffffffffn,
  0x43e0000000000000n, 0xc3e0000000000000n, 0x3fe0000000000000n, 0x4004000000000000n, 0x47efffffe0000000n, 0x47effffff0000000n,
  0x380fffffffffffffn, 0x3690000000000000n, 0x3800000000000000n, 0x2000000000000000n, 0x1ff0000000000001n]

/** Sixteen bytes: special values of one format, random bits, or floats of middling size. */
const fillVector = (view: DataView, at: number): void => {
  const kind = random(8)
  if (kind < 3) for (let i = 0; i < 16; i += 4) view.setUint32(at + i, pick(F32), true)
  else if (kind < 6) for (let i = 0; i < 16; i += 8) view.setBigUint64(at + i, pick(F64), true)
  else if (kind === 6) for (let i = 0; i < 16; i++) view.setUint8(at + i, random(256))
  else if (random(2) === 0) for (let i = 0; i < 16; i += 4) view.setFloat32(at + i, (random(2000001) - 1000000) / 1024, true)
  else for (let i = 0; i < 16; i += 8) view.setFloat64(at + i, (random(2000001) - 1000000) / 7, true)
}

const mxcsr = (): number => {
  const kind = random(6)
  if (kind === 0) return 0x1f80
  if (kind < 3) return 0x1fa0 | random(32)
  if (kind === 3) return 0x1f80 | random(0x40) | (random(4) << 13) | (random(2) << 6) | (random(2) << 15)
  return random(0x10000)
}

/** [text, code]: the row with operands in registers, in aligned and in unaligned memory. RAX is loaded first: the integer operand. */
const encodings = (row: Row): [string, number[]][] => {
  const prefix = row.prefix === undefined || row.prefix === 0 ? [] : [row.prefix]
  const immediates = row.operands.some(({ letter }) => letter === 'I') ? [0, 1, 2, 3, 4, 5, 6, 7, 0xfd] : [undefined]
  const result: [string, number[]][] = []
  for (const rex of row.operands.some(({ size }) => size === 'y') ? [0x40, 0x48] : [0x40]) {
    for (const immediate of immediates) {
      // xmm0, xmm1 (or mm1, rax); [rdi]; [rdi+4].
      const general = row.operands[1].letter === 'E'
      for (const [name, operand] of [['register', [general ? 0xc0 : 0xc1]], ['memory', [0x07]], ['[rdi+4]', [0x47, 0x04]]] as const) {
        const tail = immediate === undefined ? [] : [immediate]
        // mov rax, [rdi+16]; test al, 0: flags that are known.
        const code = [0x48, 0x8b, 0x47, 0x10, 0xa8, 0, ...prefix, rex, 0x0f, row.opcode, ...operand, ...tail]
        result.push([`${row.name} ${name}${immediate === undefined ? '' : ` ${immediate}`}${rex === 0x48 ? ' REX.W' : ''}`, code])
      }
    }
  }
  return result
}

const writeCase = (bytes: Uint8Array, code: readonly number[]): void => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, RECORD)
  bytes.set(code)
  bytes[LENGTH] = code.length
  view.setUint32(MXCSR, mxcsr(), true)
  // An x87 exception pends now and then; TOP and tags show what MMX does to them.
  view.setUint16(FCW, random(16) === 0 ? 0x37e : 0x37f, true)
  view.setUint16(FSW, (random(8) << 11) | (random(16) === 0 ? 1 : 0), true)
  bytes[FTW] = random(2) === 0 ? 0 : 0xff
  for (let at = XMM; at < STACK; at += 16) fillVector(view, at)
  for (let i = 0; i < 8; i++) {
    fillVector(view, STACK + i * 16)
    // FXRSTOR ignores what is above 80 bits.
    bytes.fill(0, STACK + i * 16 + 10, STACK + i * 16 + 16)
  }
}

// ——— The emulator ———

const CODE = 0x10000, MEMORY = 0x20000
const physical = new PhysicalMemory(1 << 20)
const frames = new Map([[CODE / layout.PAGE_SIZE, physical.allocate()], [MEMORY / layout.PAGE_SIZE, physical.allocate()]])
const root = join(import.meta.dirname, '../..')
const interpreter = new Interpreter(physical, new WebAssembly.Module(readFileSync(join(root, 'dist/tier0.wasm'))),
  JSON.parse(readFileSync(join(root, 'dist/tier0.json'), 'utf8')) as Tier0Manifest)
interpreter.setMmu({ resolve: (page) => frames.get(page) ?? NO_FRAME, faultCode: () => 4, isWritable: () => true })

/** Runs a case in place, as the oracle does. Words of the answer that are not compared are zero. */
const emulate = (bytes: Uint8Array): void => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, RECORD)
  const { cpu } = interpreter
  const { u8, u16, u32 } = physical
  const frameOf = (address: number): number => (frames.get(address / layout.PAGE_SIZE) as number) * layout.PAGE_SIZE
  const length = bytes[LENGTH]
  physical.beforeWrite(frameOf(CODE) / layout.PAGE_SIZE)
  u8.set(bytes.subarray(0, length), frameOf(CODE))
  u8.set([0x0f, 0x05], frameOf(CODE) + length)
  cpu.reset()
  cpu.rip = CODE
  cpu.set(layout.RDI, MEMORY)
  cpu.mxcsr = view.getUint32(MXCSR, true)
  u32[layout.FPU_CONTROL >> 2] = view.getUint16(FCW, true)
  const status = view.getUint16(FSW, true)
  const pending = (status & ~view.getUint16(FCW, true) & 0x3f) !== 0
  u32[layout.FPU_STATUS >> 2] = pending ? status | 0x8080 : status
  u32[layout.FPU_TAG >> 2] = bytes[FTW] === 0 ? 0xffff : 0
  u8.set(bytes.subarray(XMM, XMM + 16), layout.VECTOR)
  u8.set(bytes.subarray(XMM + 16, XMM + 32), layout.VECTOR + layout.VECTOR_STRIDE)
  u8.set(bytes.subarray(DATA, DATA + 64), frameOf(MEMORY))
  const top = (): number => (u32[layout.FPU_STATUS >> 2] >> 11) & 7
  const physicalRegister = (i: number): number => layout.FPU_REGISTERS + ((top() + i) & 7) * 16
  for (let i = 0; i < 8; i++) u8.set(bytes.subarray(STACK + i * 16, STACK + i * 16 + 16), physicalRegister(i))
  const reason = interpreter.run(100, 0)
  const signal = reason === EXIT_SYSCALL ? 0 : SIGNALS[interpreter.fault.vector] ?? -1
  view.setUint32(0, signal, true)
  view.setUint32(4, reason === EXIT_SYSCALL ? cpu.rflags & ARITHMETIC_FLAGS : 0, true)
  bytes.set(u8.subarray(layout.GPR, layout.GPR + 8), 8)
  view.setUint32(MXCSR, cpu.mxcsr, true)
  view.setUint16(FSW, u32[layout.FPU_STATUS >> 2], true)
  let tag = 0
  for (let i = 0; i < 8; i++) if (((u16[layout.FPU_TAG >> 1] >> (2 * i)) & 3) !== 3) tag |= 1 << i
  bytes[FTW] = tag
  bytes.set(u8.subarray(layout.VECTOR, layout.VECTOR + 16), XMM)
  bytes.set(u8.subarray(layout.VECTOR + layout.VECTOR_STRIDE, layout.VECTOR + layout.VECTOR_STRIDE + 16), XMM + 16)
  bytes.set(u8.subarray(frameOf(MEMORY), frameOf(MEMORY) + 64), DATA)
  for (let i = 0; i < 8; i++) bytes.set(u8.subarray(physicalRegister(i), physicalRegister(i) + 16), STACK + i * 16)
}

// ——— Comparison ———

const FIELDS: readonly (readonly [name: string, at: number, length: number])[] = [
  ['signal', 0, 4], ['rflags', 4, 4], ['rax', 8, 8], ['mxcsr', MXCSR, 4], ['x87 status', FSW, 2], ['x87 tags', FTW, 1],
  ['xmm0', XMM, 16], ['xmm1', XMM + 16, 16], ['memory', DATA, 64], ['st', STACK, 128],
]
/** Most significant digit first. */
const hex = (bytes: Uint8Array, at: number, length: number): string => Buffer.from(bytes.subarray(at, at + length)).reverse().toString('hex')

/** What the oracle leaves open: flags are lost at a signal, RAX too; the bytes above 80 bits of an x87 register. */
const normalize = (bytes: Uint8Array): void => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, RECORD)
  const signal = view.getUint32(0, true)
  view.setUint32(4, signal === 0 ? view.getUint32(4, true) & ARITHMETIC_FLAGS : 0, true)
  if (signal !== 0) bytes.fill(0, 8, 16)
  for (let i = 0; i < 8; i++) bytes.fill(0, STACK + i * 16 + 10, STACK + i * 16 + 16)
}

const buildOracle = (directory: string): string | undefined => {
  const program = join(directory, 'oracle')
  const { status } = spawnSync('gcc', ['-O2', '-o', program, join(root, 'test/emu/float/oracle.c')], { stdio: ['ignore', 'ignore', 'inherit'] })
  return status === 0 ? program : undefined
}
const hasOracle = process.arch === 'x64' && process.platform === 'linux' && spawnSync('gcc', ['--version']).status === 0
const ifOracle = hasOracle ? test : test.skip

ifOracle('SSE floats: all rows agree with the host processor (needs gcc on x86-64)', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'retrograde-sse-'))
  t.teardown(() => { rmSync(directory, { recursive: true }) })
  const oracle = buildOracle(directory)
  if (oracle === undefined) { t.fail('the oracle could not be compiled'); return }
  for (const row of SSE_FLOAT_ROWS) {
    // Reciprocals are AMD's tables: other makers' differ (reciprocal.ts).
    if (/^r(cp|sqrt)/.test(row.name) && !readFileSync('/proc/cpuinfo', 'utf8').includes('AuthenticAMD')) continue
    const forms = encodings(row)
    const input = new Uint8Array(forms.length * CASES_PER_FORM * RECORD)
    forms.forEach(([, code], form) => {
      for (let i = 0; i < CASES_PER_FORM; i++) writeCase(input.subarray((form * CASES_PER_FORM + i) * RECORD).subarray(0, RECORD), code)
    })
    const { stdout, status } = spawnSync(oracle, { input, maxBuffer: 1 << 28 })
    t.is(status, 0)
    t.is(stdout.length, input.length)
    const expected = new Uint8Array(stdout)
    for (let at = 0; at < input.length; at += RECORD) {
      const before = input.slice(at, at + RECORD)
      const actual = input.subarray(at, at + RECORD)
      const host = expected.subarray(at, at + RECORD)
      emulate(actual)
      normalize(actual)
      normalize(host)
      const wrong = FIELDS.filter(([, from, length]) => hex(actual, from, length) !== hex(host, from, length))
      if (wrong.length === 0) continue
      const [text, code] = forms[Math.floor(at / RECORD / CASES_PER_FORM)]
      t.fail([`${text} (${code.map((byte) => byte.toString(16)).join(' ')})`,
        ...FIELDS.map(([name, from, length]) => `  before  ${name} ${hex(before, from, length)}`),
        ...wrong.map(([name, from, length]) => `  differs ${name}\n    host ${hex(host, from, length)}\n    ours ${hex(actual, from, length)}`)].join('\n'))
      return
    }
  }
})
