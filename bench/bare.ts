/**
 * The processor without the kernel: loads a static program, answers the handful of system calls that a C library makes to
 * start and to print. What is measured here is tier 0 alone.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import * as layout from '../src/emu/cpu/layout.ts'
import type { Tier0Manifest } from '../src/emu/interp/generate.ts'
import { Interpreter } from '../src/emu/interp/interpreter.ts'
import { tierOptions } from '../src/emu/jit/jit.ts'
import type { JitStatistics } from '../src/emu/statistics.ts'
import { PhysicalMemory } from '../src/emu/memory.ts'
import { type Mmu, NO_FRAME } from '../src/emu/mmu/mmu.ts'
import { EXIT_BUDGET, EXIT_FAULT } from '../src/emu/processor.ts'

const STACK_TOP = 0x7ffd_0000_0000, STACK_SIZE = 1 << 20
const HEAP_SIZE = 16 << 20
const SLICE = 1_000_000
const PT_LOAD = 1
const ENOSYS = 38

/** One address space: pages of the given ranges appear as they are used. */
class Space implements Mmu {
  readonly #memory: PhysicalMemory
  readonly #frames = new Map<number, number>()
  readonly #ranges: [start: number, end: number][] = []
  constructor(memory: PhysicalMemory) { this.#memory = memory }

  add(start: number, size: number): void { this.#ranges.push([Math.floor(start / layout.PAGE_SIZE), Math.ceil((start + size) / layout.PAGE_SIZE)]) }

  resolve(page: number): number {
    const known = this.#frames.get(page)
    if (known !== undefined) return known
    if (!this.#ranges.some(([start, end]) => page >= start && page < end)) return NO_FRAME
    const frame = this.#memory.allocate()
    this.#frames.set(page, frame)
    return frame
  }

  faultCode(): number { return 4 }
  isWritable(): boolean { return true }

  write(address: number, bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length;) {
      const at = address + i
      const length = Math.min(bytes.length - i, layout.PAGE_SIZE - at % layout.PAGE_SIZE)
      this.#memory.u8.set(bytes.subarray(i, i + length), this.#host(at))
      i += length
    }
  }

  read(address: number, length: number): Uint8Array {
    return Uint8Array.from({ length }, (_, i) => this.#memory.u8[this.#host(address + i)])
  }

  #host(address: number): number {
    const frame = this.resolve(Math.floor(address / layout.PAGE_SIZE))
    if (frame === NO_FRAME) throw new Error(`no memory at ${address.toString(16)}`)
    return frame * layout.PAGE_SIZE + address % layout.PAGE_SIZE
  }
}

const word = (value: number): Uint8Array => {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, value, true)
  view.setUint32(4, Math.floor(value / 0x1_0000_0000), true)
  return bytes
}

export interface BareRun {
  readonly instructions: number
  /** Processor time of `run` alone, without loading and without V8's compiler threads. */
  readonly seconds: number
  readonly output: string
  readonly jit: JitStatistics | undefined
}

const threadSeconds = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1e6
}

const dist = join(import.meta.dirname, '../dist')

export const runBare = (path: string, args: readonly string[]): BareRun => {
  // As the command line does.
  if (process.versions.node.startsWith('24.')) setFlagsFromString('--experimental-wasm-branch-hinting')
  const module = new WebAssembly.Module(readFileSync(join(dist, 'tier0.wasm')))
  const manifest = JSON.parse(readFileSync(join(dist, 'tier0.json'), 'utf8')) as Tier0Manifest
  const memory = new PhysicalMemory()
  const interpreter = new Interpreter(memory, module, manifest, undefined, tierOptions(process.env.RETROGRADE_TIER))
  const space = new Space(memory)
  const { cpu } = interpreter

  const file = readFileSync(path)
  const elf = new DataView(file.buffer, file.byteOffset, file.length)
  const headers = Number(elf.getBigUint64(32, true))
  let end = 0
  let base = 0
  for (let i = 0; i < elf.getUint16(56, true); i++) {
    const at = headers + i * 56
    if (elf.getUint32(at, true) !== PT_LOAD) continue
    const [offset, address, , fileSize, memorySize] = [8, 16, 24, 32, 40].map((field) => Number(elf.getBigUint64(at + field, true)))
    base ||= address - offset
    space.add(address, memorySize)
    space.write(address, file.subarray(offset, offset + fileSize))
    end = Math.max(end, address + memorySize)
  }
  let heap = Math.ceil(end / layout.PAGE_SIZE) * layout.PAGE_SIZE
  space.add(heap, HEAP_SIZE)
  space.add(STACK_TOP - STACK_SIZE, STACK_SIZE)

  let top = STACK_TOP - 4096
  const pointers = [path, ...args].map((text) => {
    const bytes = new TextEncoder().encode(`${text}\0`)
    space.write(top, bytes)
    top += bytes.length
    return top - bytes.length
  })
  // argc, argv, no environment; auxiliary vector: AT_PHDR, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_RANDOM.
  const words = [pointers.length, ...pointers, 0, 0, 3, base + headers, 4, 56, 5, elf.getUint16(56, true), 6, layout.PAGE_SIZE, 25, STACK_TOP - 64, 0, 0]
  words.forEach((value, i) => { space.write(STACK_TOP - 8192 + i * 8, word(value)) })
  cpu.reset()
  cpu.rsp = STACK_TOP - 8192
  cpu.rip = Number(elf.getBigUint64(24, true))
  interpreter.setMmu(space)

  let instructions = 0
  let output = ''
  const started = threadSeconds()
  for (;;) {
    const reason = interpreter.run(SLICE, instructions)
    instructions += interpreter.executed
    if (reason === EXIT_BUDGET) continue
    if (reason === EXIT_FAULT) {
      const { vector, address } = interpreter.fault
      throw new Error(`${path}: exception ${vector} at rip ${cpu.rip.toString(16)}, address ${address.toString(16)}`)
    }
    const [a, b, c] = [layout.RDI, layout.RSI, layout.RDX].map((register) => cpu.get(register))
    let result = -ENOSYS
    switch (cpu.get(layout.RAX)) {
      case 1: output += new TextDecoder().decode(space.read(b, c)); result = c; break
      case 10: result = 0; break
      case 12: if (a !== 0) heap = a; result = heap; break
      // ioctl: not a terminal.
      case 16: result = -25; break
      case 20: {
        const [vector, length] = [0, 8].map((field) => Number(new DataView(space.read(b + field, 8).buffer).getBigUint64(0, true)))
        output += new TextDecoder().decode(space.read(vector, length))
        result = length
        break
      }
      case 158: cpu.fsBase = b; result = 0; break
      case 60: case 231: return { instructions, seconds: threadSeconds() - started, output, jit: interpreter.jitStatistics }
      default:
    }
    cpu.set(layout.RAX, result)
  }
}
