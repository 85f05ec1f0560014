/** A processor with a few pages, for tests that run a bit of machine code. */
import { ACCESS_WRITE, TableMmu, makeProcessor } from './oracle/emulator.ts'
import { PAGE } from './oracle/machine.ts'
import * as layout from '../../src/emu/cpu/layout.ts'
import type { Interpreter } from '../../src/emu/interp/interpreter.ts'
import { PhysicalMemory } from '../../src/emu/memory.ts'
import { EXIT_ACCESS, EXIT_BUDGET, EXIT_FAULT, EXIT_REQUESTED, EXIT_SYSCALL, type ExitReason } from '../../src/emu/processor.ts'

export const CODE = 0x40_0000
export const DATA = 0x60_0000
export const STACK = 0x7f_f000

/** Bytes from hex, with spaces and `; comments`. */
export const code = (text: string): Uint8Array =>
  new Uint8Array(Buffer.from(text.replaceAll(/;.*$/gm, '').replaceAll(/\s/g, ''), 'hex'))

const REASONS: Readonly<Record<ExitReason, string>> = {
  [EXIT_BUDGET]: 'budget', [EXIT_SYSCALL]: 'syscall', [EXIT_FAULT]: 'fault', [EXIT_REQUESTED]: 'requested',
  [EXIT_ACCESS]: 'access',
}

/** Two pages of code at CODE (r-x), four of data at DATA (rw-), two of stack that end at STACK + PAGE. */
export class Box {
  readonly memory = new PhysicalMemory()
  readonly mmu = new TableMmu()
  readonly processor: Interpreter

  /** @param arenaEnd see `Interpreter` */
  constructor(text = '', arenaEnd?: number) {
    this.processor = makeProcessor(this.memory, arenaEnd)
    this.map(CODE, 2, 'rx')
    this.map(DATA, 4, 'rw')
    this.map(STACK - PAGE, 2, 'rw')
    this.processor.setMmu(this.mmu)
    this.processor.cpu.reset()
    this.processor.cpu.rip = CODE
    this.processor.cpu.rsp = STACK
    this.write(CODE, code(text))
  }

  map(address: number, pages: number, permissions: string): void {
    for (let i = 0; i < pages; i++) this.mmu.map(address / PAGE + i, this.memory.allocate(), permissions)
  }

  /** The frame at `from` is at `to` too. */
  alias(to: number, from: number, permissions: string): void {
    this.mmu.map(to / PAGE, this.frame(from), permissions)
  }

  frame(address: number): number {
    const mapping = this.mmu.pages.get(Math.floor(address / PAGE))
    if (mapping === undefined) throw new Error(`nothing is mapped at ${address.toString(16)}`)
    return mapping.frame
  }

  #host(address: number): number { return this.frame(address) * PAGE + address % PAGE }

  /** As the kernel writes. */
  write(address: number, bytes: Uint8Array): void {
    bytes.forEach((byte, i) => {
      this.memory.beforeWrite(this.frame(address + i))
      this.memory.u8[this.#host(address + i)] = byte
    })
  }

  read(address: number, bytes: number): string {
    return Buffer.from(Array.from({ length: bytes }, (_, i) => this.memory.u8[this.#host(address + i)])).toString('hex')
  }

  run(budget = 1_000_000): string { return REASONS[this.processor.run(budget, 0)] }

  /** What there is to see: registers as bytes, and all memory. */
  state(): string {
    const { memory, processor } = this
    const cpu = Buffer.from(processor.cpu.save()).toString('hex')
    const frames = [...this.mmu.pages.values()].map(({ frame }) => Buffer.from(memory.u8.subarray(frame * PAGE, (frame + 1) * PAGE)).toString('base64'))
    return `${cpu} ${frames.join(' ')}`
  }

  /** Returns what brings registers and the memory that is mapped now back to what they are now. */
  save(): () => void {
    const { memory, processor } = this
    const cpu = processor.cpu.save()
    const frames = [...this.mmu.pages.values()].map(({ frame }) => ({ frame, content: memory.u8.slice(frame * PAGE, (frame + 1) * PAGE) }))
    return () => {
      processor.cpu.load(cpu)
      for (const { frame, content } of frames) {
        memory.beforeWrite(frame)
        memory.u8.set(content, frame * PAGE)
      }
    }
  }

  get fault(): { vector: number, errorCode: number, address: number, debugStatus: number, rip: number } {
    return { ...this.processor.fault, rip: this.processor.cpu.rip }
  }

  get(register: number): number { return this.processor.cpu.get(register) }
  set(register: number, value: number): void { this.processor.cpu.set(register, value) }
}

export { ACCESS_WRITE, PAGE, layout }
