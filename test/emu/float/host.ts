/**
 * The host's processor as an oracle for floating point, and the emulator as it answers the same records (oracle.c says what
 * is where in them). Cases are run in batches: one process for thousands.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as layout from '../../../src/emu/cpu/layout.ts'
import type { Tier0Manifest } from '../../../src/emu/interp/generate.ts'
import { Interpreter } from '../../../src/emu/interp/interpreter.ts'
import { PhysicalMemory } from '../../../src/emu/memory.ts'
import { NO_FRAME } from '../../../src/emu/mmu/mmu.ts'
import { EXIT_SYSCALL } from '../../../src/emu/processor.ts'

export const RECORD = 256
export const LENGTH = 15, MXCSR = 16, FCW = 20, FSW = 22, FTW = 24, XMM = 32, DATA = 64, STACK = 128
const DATA_BYTES = 64
const SIGNALS: Readonly<Record<number, number>> = { 6: 4, 13: 11, 14: 11, 16: 8, 19: 8 }
const ARITHMETIC_FLAGS = 0x8d5
const root = join(import.meta.dirname, '../../..')

const isAmd = (): boolean => {
  try { return readFileSync('/proc/cpuinfo', 'utf8').includes('AuthenticAMD') } catch { return false }
}
/** Why the host can't be asked; undefined if it can. */
export const noHost = process.arch !== 'x64' || process.platform !== 'linux' ? 'needs Linux on x86-64'
  : spawnSync('gcc', ['--version']).status !== 0 ? 'needs gcc' : undefined
/** Undefined results are those of AMD's processors: on another maker's only what is defined is compared. */
export const hostIsAmd = noHost === undefined && isAmd()

/** The oracle's program, compiled once for each version of its source. */
const buildOracle = (): string => {
  const source = join(import.meta.dirname, 'oracle.c')
  const directory = join(tmpdir(), `retrograde-oracle-${process.getuid?.() ?? 0}`)
  const program = join(directory, createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16))
  if (existsSync(program)) return program
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const { status, stderr } = spawnSync('gcc', ['-O2', '-o', `${program}.${process.pid}`, source], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the oracle could not be compiled:\n${stderr}`)
  renameSync(`${program}.${process.pid}`, program)
  return program
}

/** @param extra bytes of memory beyond the record's 64 that follow each record */
export const askHost = (input: Uint8Array, extra = 0): Uint8Array => {
  const { stdout, status, signal } = spawnSync(buildOracle(), [String(extra)], { input, maxBuffer: input.length + 65536 })
  if (status !== 0 || stdout.length !== input.length) throw new Error(`the oracle ended with ${status ?? signal} after ${stdout.length} of ${input.length} bytes`)
  return new Uint8Array(stdout)
}

const CODE = 0x10000, MEMORY = 0x20000
const physical = new PhysicalMemory(1 << 20)
const codeFrame = physical.allocate()
const dataFrame = physical.allocate()
const frames = new Map([[CODE / layout.PAGE_SIZE, codeFrame], [MEMORY / layout.PAGE_SIZE, dataFrame]])
const interpreter = new Interpreter(physical, new WebAssembly.Module(readFileSync(join(root, 'dist/tier0.wasm'))),
  JSON.parse(readFileSync(join(root, 'dist/tier0.json'), 'utf8')) as Tier0Manifest)
interpreter.setMmu({ resolve: (page) => frames.get(page) ?? NO_FRAME, faultCode: () => 4, isWritable: () => true })

const summary = (status: number, control: number): number => (status & ~control & 0x3f) !== 0 ? status | 0x8080 : status & ~0x8080

/** Runs a record in place, as the oracle does. */
const emulateRecord = (bytes: Uint8Array): void => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const { cpu } = interpreter
  const { u8, u32 } = physical
  const code = codeFrame * layout.PAGE_SIZE
  const data = dataFrame * layout.PAGE_SIZE
  const length = bytes[LENGTH]
  physical.beforeWrite(codeFrame)
  u8.set(bytes.subarray(0, length), code)
  u8.set([0x0f, 0x05], code + length)
  cpu.reset()
  cpu.rip = CODE
  cpu.set(layout.RDI, MEMORY)
  cpu.mxcsr = view.getUint32(MXCSR, true)
  const control = view.getUint16(FCW, true) & 0x1f3f | 0x40
  u32[layout.FPU_CONTROL >> 2] = control
  u32[layout.FPU_STATUS >> 2] = summary(view.getUint16(FSW, true), control)
  let tags = 0
  for (let i = 0; i < 8; i++) if ((bytes[FTW] & (1 << i)) === 0) tags |= 3 << (2 * i)
  u32[layout.FPU_TAG >> 2] = tags
  for (let i = 0; i < 2; i++) u8.set(bytes.subarray(XMM + i * 16, XMM + i * 16 + 16), layout.VECTOR + i * layout.VECTOR_STRIDE)
  u8.set(bytes.subarray(DATA, DATA + DATA_BYTES), data)
  u8.set(bytes.subarray(RECORD), data + DATA_BYTES)
  const register = (i: number): number => layout.FPU_REGISTERS + (((u32[layout.FPU_STATUS >> 2] >> 11) + i) & 7) * 16
  for (let i = 0; i < 8; i++) u8.set(bytes.subarray(STACK + i * 16, STACK + i * 16 + 10), register(i))
  const reason = interpreter.run(100, 0)
  view.setUint32(0, reason === EXIT_SYSCALL ? 0 : SIGNALS[interpreter.fault.vector] ?? -1, true)
  view.setUint32(4, cpu.rflags, true)
  bytes.set(u8.subarray(layout.GPR, layout.GPR + 8), 8)
  view.setUint32(MXCSR, cpu.mxcsr, true)
  view.setUint16(FCW, u32[layout.FPU_CONTROL >> 2], true)
  view.setUint16(FSW, u32[layout.FPU_STATUS >> 2], true)
  let used = 0
  for (let i = 0; i < 8; i++) if (((u32[layout.FPU_TAG >> 2] >> (2 * i)) & 3) !== 3) used |= 1 << i
  bytes[FTW] = used
  for (let i = 0; i < 2; i++) bytes.set(u8.subarray(layout.VECTOR + i * layout.VECTOR_STRIDE, layout.VECTOR + i * layout.VECTOR_STRIDE + 16), XMM + i * 16)
  bytes.set(u8.subarray(data, data + DATA_BYTES), DATA)
  bytes.set(u8.subarray(data + DATA_BYTES, data + DATA_BYTES + bytes.length - RECORD), RECORD)
  for (let i = 0; i < 8; i++) bytes.set(u8.subarray(register(i), register(i) + 10), STACK + i * 16)
}

/** Runs code once with RDI as given, from a state with all registers in use; the CPU block before and after, and the exception's vector. */
export const runOnce = (code: readonly number[], rdi: number): { vector: number | undefined, before: Uint8Array, after: Uint8Array } => {
  const { cpu } = interpreter
  const { u8, u32 } = physical
  physical.beforeWrite(codeFrame)
  u8.set([...code, 0x0f, 0x05], codeFrame * layout.PAGE_SIZE)
  cpu.reset()
  cpu.rip = CODE
  cpu.set(layout.RDI, rdi)
  u32[layout.FPU_TAG >> 2] = 0xc000
  u32[layout.FPU_IP >> 2] = 0x1234
  for (let i = 0; i < 8; i++) u8.set([i + 1, 0, 0, 0, 0, 0, 0, 0x80 + i, 0xff, 0x3f + i], layout.FPU_REGISTERS + i * 16)
  const before = cpu.save()
  const reason = interpreter.run(100, 0)
  return { vector: reason === EXIT_SYSCALL ? undefined : interpreter.fault.vector, before, after: cpu.save() }
}
/** The page that holds the data, and the end of it, behind which nothing is mapped. */
export const DATA_PAGE = MEMORY, DATA_PAGE_END = MEMORY + layout.PAGE_SIZE

/** What the emulator makes of the records. */
export const askEmulator = (input: Uint8Array, extra = 0): Uint8Array => {
  const output = input.slice()
  const size = RECORD + extra
  for (let at = 0; at < output.length; at += size) emulateRecord(output.subarray(at, at + size))
  return output
}

export interface Field { readonly name: string, readonly at: number, readonly length: number }
export const FIELDS: readonly Field[] = [
  { name: 'signal', at: 0, length: 4 }, { name: 'rflags', at: 4, length: 4 }, { name: 'rax', at: 8, length: 8 },
  { name: 'mxcsr', at: MXCSR, length: 4 }, { name: 'control', at: FCW, length: 2 }, { name: 'status', at: FSW, length: 2 },
  { name: 'tags', at: FTW, length: 1 }, { name: 'memory', at: DATA, length: DATA_BYTES },
  ...Array.from({ length: 8 }, (_, i) => ({ name: `st${i}`, at: STACK + i * 16, length: 10 })),
]

/** Most significant digit first. */
export const hex = (bytes: Uint8Array, { at, length }: Field): string => Buffer.from(bytes.subarray(at, at + length)).reverse().toString('hex')

/** Flags that aren't arithmetic, and what a signal loses: flags and RAX. */
export const normalize = (output: Uint8Array, extra = 0): void => {
  const view = new DataView(output.buffer, output.byteOffset, output.length)
  for (let at = 0; at < output.length; at += RECORD + extra) {
    if (view.getUint32(at, true) !== 0) output.fill(0, at + 4, at + 16)
    else view.setUint32(at + 4, view.getUint32(at + 4, true) & ARITHMETIC_FLAGS, true)
  }
}

/** Names of the fields that differ; `ignore` may blank what is undefined first. */
export const differences = (ours: Uint8Array, theirs: Uint8Array): Field[] => {
  const result = FIELDS.filter((field) => hex(ours, field) !== hex(theirs, field))
  if (ours.length > RECORD) {
    const rest = { name: 'more memory', at: RECORD, length: ours.length - RECORD }
    if (hex(ours, rest) !== hex(theirs, rest)) result.push(rest)
  }
  return result
}

/** A report of one case for people. */
export const describe = (title: string, before: Uint8Array, ours: Uint8Array, theirs: Uint8Array): string => {
  const code = Buffer.from(before.subarray(0, before[LENGTH])).toString('hex')
  return [`${title} (${code})`,
    ...FIELDS.filter(({ at }) => at >= FCW).map((field) => `  before  ${field.name} ${hex(before, field)}`),
    ...differences(ours, theirs).map((field) => `  differs ${field.name}\n    host ${hex(theirs, field)}\n    ours ${hex(ours, field)}`)].join('\n')
}
