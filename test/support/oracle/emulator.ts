/** The cases of the differential test on our processor: the same pages behind a small Mmu. */
import * as layout from '../../../src/emu/cpu/layout.ts'
import { generateTier0 } from '../../../src/emu/interp/generate.ts'
import { Interpreter } from '../../../src/emu/interp/interpreter.ts'
import { type TierOptions, tierOptions } from '../../../src/emu/jit/jit.ts'
import type { Stopwatch } from '../../../src/emu/statistics.ts'
import { PhysicalMemory } from '../../../src/emu/memory.ts'
import { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE, type Access, type Mmu, NO_FRAME } from '../../../src/emu/mmu/mmu.ts'
import { EXIT_BUDGET, EXIT_FAULT, EXIT_SYSCALL } from '../../../src/emu/processor.ts'
import * as machine from './machine.ts'
import { type Case, PAGE, REGIONS, type Result, initialContent } from './machine.ts'

export interface Mapping {
  frame: number
  readonly readable: boolean
  readonly writable: boolean
  readonly executable: boolean
}

/** Pages by number; nothing is filled in on demand. */
export class TableMmu implements Mmu {
  readonly pages = new Map<number, Mapping>()

  map(page: number, frame: number, permissions: string): void {
    this.pages.set(page, {
      frame, readable: permissions.includes('r'), writable: permissions.includes('w'), executable: permissions.includes('x'),
    })
  }

  resolve(page: number, access: Access): number {
    const mapping = this.pages.get(page)
    if (mapping === undefined) return NO_FRAME
    const allowed = access === ACCESS_READ ? mapping.readable : access === ACCESS_WRITE ? mapping.writable : mapping.executable
    return allowed ? mapping.frame : NO_FRAME
  }

  /** As Linux tells it: what is beyond the addresses that a process can have counts as present. */
  faultCode(page: number, _access: Access): number { return this.pages.has(page) || page >= 0x7_ffff_ffff ? 5 : 4 }

  isWritable(page: number): boolean { return this.pages.get(page)?.writable === true }
}

let module: { module: WebAssembly.Module, manifest: ReturnType<typeof generateTier0>['manifest'] } | undefined

/** A processor made from the sources as they are, whatever dist/ holds. */
export const makeProcessor = (memory = new PhysicalMemory(), arenaEnd?: number, tier = process.env.RETROGRADE_TIER === undefined ? undefined : tierOptions(process.env.RETROGRADE_TIER), now?: Stopwatch): Interpreter => {
  if (module === undefined) {
    const { wasm, manifest } = generateTier0()
    module = { module: new WebAssembly.Module(wasm), manifest }
  }
  return new Interpreter(memory, module.module, module.manifest, arenaEnd, tier, now)
}

/** Full tag (00 valid, 01 zero, 10 special, 11 empty) of an 80-bit value that is not empty (Intel SDM volume 1, 8.1.7). */
const fullTag = (low: number, high: number, top: number): number => {
  const exponent = top & 0x7fff
  if (exponent === 0) return high === 0 && low === 0 ? 1 : 2
  return exponent === 0x7fff || high < 0x8000_0000 ? 2 : 0
}

/** Words of a state block that lie in the processor's state as they are: pairs of indices. */
const PLAIN_WORDS = (() => {
  const pairs: number[] = []
  const add = (at: number, place: number, bytes: number): void => { for (let i = 0; i < bytes; i += 4) pairs.push((at + i) >> 2, (place + i) >> 2) }
  add(machine.STATE_GPR, layout.GPR, 128)
  add(machine.STATE_RIP, layout.RIP, 8)
  add(machine.STATE_FS, layout.FS_BASE, 8)
  add(machine.STATE_GS, layout.GS_BASE, 8)
  for (let i = 0; i < 16; i++) {
    add(machine.STATE_FX + machine.FX_XMM + i * 16, layout.VECTOR + i * layout.VECTOR_STRIDE, 16)
    add(machine.STATE_UPPER + i * 16, layout.VECTOR + i * layout.VECTOR_STRIDE + 16, 16)
  }
  return Int32Array.from(pairs)
})()

const FX_WORD = machine.STATE_FX >> 2, MXCSR_WORD = (machine.STATE_FX + machine.FX_MXCSR) >> 2, ST_WORD = (machine.STATE_FX + machine.FX_ST) >> 2

/** Loads a state block, which must be aligned to words. */
export const loadState = (processor: Interpreter, state: Uint8Array): void => {
  const { memory, cpu } = processor
  const { u32 } = memory
  const words = new Uint32Array(state.buffer, state.byteOffset, machine.STATE_SIZE / 4)
  cpu.reset()
  for (let i = 0; i < PLAIN_WORDS.length; i += 2) u32[PLAIN_WORDS[i + 1]] = words[PLAIN_WORDS[i]]
  cpu.rflags = words[machine.STATE_RFLAGS >> 2]
  u32[layout.FPU_CONTROL >> 2] = words[FX_WORD] & 0xffff
  const status = words[FX_WORD] >>> 16
  u32[layout.FPU_STATUS >> 2] = status
  u32[layout.MXCSR >> 2] = words[MXCSR_WORD]
  const abridged = words[FX_WORD + 1] & 0xff
  let tags = 0
  for (let i = 0; i < 8; i++) {
    const physical = (((status >> 11) & 7) + i) & 7
    const [from, to] = [ST_WORD + i * 4, (layout.FPU_REGISTERS + physical * 16) >> 2]
    const [low, high, top] = [words[from], words[from + 1], words[from + 2] & 0xffff]
    u32[to] = low
    u32[to + 1] = high
    u32[to + 2] = u32[to + 2] & 0xffff_0000 | top
    tags |= (((abridged >> physical) & 1) === 0 ? 3 : fullTag(low, high, top)) << (physical * 2)
  }
  u32[layout.FPU_TAG >> 2] = tags
}

/** The processor's state as a block. FIP, FDP and FOP are left at zero. */
export const storeState = (processor: Interpreter): Uint8Array => {
  const { memory, cpu } = processor
  const { u32 } = memory
  const words = new Uint32Array(machine.STATE_SIZE / 4)
  for (let i = 0; i < PLAIN_WORDS.length; i += 2) words[PLAIN_WORDS[i]] = u32[PLAIN_WORDS[i + 1]]
  words[machine.STATE_RFLAGS >> 2] = cpu.rflags
  const status = u32[layout.FPU_STATUS >> 2]
  words[FX_WORD] = u32[layout.FPU_CONTROL >> 2] & 0xffff | status << 16
  words[MXCSR_WORD] = u32[layout.MXCSR >> 2]
  const tags = u32[layout.FPU_TAG >> 2]
  for (let i = 0; i < 8; i++) {
    if (((tags >> (i * 2)) & 3) !== 3) words[FX_WORD + 1] |= 1 << i
    const [from, to] = [(layout.FPU_REGISTERS + ((((status >> 11) & 7) + i) & 7) * 16) >> 2, ST_WORD + i * 4]
    words[to] = u32[from]
    words[to + 1] = u32[from + 1]
    words[to + 2] = u32[from + 2] & 0xffff
  }
  return new Uint8Array(words.buffer)
}

/** Cycles after which a case counts as one that does not end. */
const ENOUGH = 300_000

/** Runs after which the budget grows: of a loop that does not end soon, the rest is no news. */
const MANY_RUNS = 512

const REGION_BYTES = REGIONS.reduce((sum, { bytes }) => sum + bytes, 0)

export class Emulator {
  readonly processor: Interpreter
  readonly #mmu = new TableMmu()
  /** The regions' pages, in frames that follow each other: address, and offset among their contents. */
  readonly #pages: { readonly address: number, readonly frame: number, readonly offset: number }[] = []
  /** The content before any patch, and what the pages hold at the start of the case. */
  readonly #pristine = Buffer.alloc(REGION_BYTES)
  readonly #image: Buffer
  readonly #imageWords: Uint32Array
  #memory: Buffer
  /** The patch with the code of the case before. */
  #code: machine.Patch | undefined

  /** @param arenaEnd, tier see `Interpreter` */
  constructor(arenaEnd?: number, tier?: TierOptions) {
    this.processor = makeProcessor(new PhysicalMemory(), arenaEnd, tier)
    const { memory } = this.processor
    for (const region of REGIONS) {
      this.#pristine.set(initialContent(region), this.#pages.length * PAGE)
      for (let at = 0; at < region.bytes; at += PAGE) {
        const frame = memory.allocate()
        const offset = this.#pages.length * PAGE
        this.#pages.push({ address: region.address + at, frame, offset })
        if (frame !== this.#pages[0].frame + offset / PAGE) throw new Error('frames do not follow each other')
        this.#mmu.map((region.address + at) / PAGE, frame, `${region.readable ? 'r' : ''}${region.writable ? 'w' : ''}${region.executable ? 'x' : ''}`)
      }
    }
    memory.u8.set(this.#pristine, this.#pages[0].frame * PAGE)
    this.#imageWords = new Uint32Array(REGION_BYTES / 4)
    this.#image = Buffer.from(this.#imageWords.buffer)
    this.#image.set(this.#pristine)
    this.#memory = this.#view()
    this.processor.setMmu(this.#mmu)
  }

  #view(): Buffer { return Buffer.from(this.processor.memory.u8.buffer, this.#pages[0].frame * PAGE, REGION_BYTES) }

  /** What is not as at the start of the case, which it becomes again. */
  #changes(): number[] {
    const { memory } = this.processor
    if (this.#memory.buffer !== memory.u8.buffer) this.#memory = this.#view()
    const changes: number[] = []
    if (this.#memory.equals(this.#image)) return changes
    const image = this.#imageWords
    for (const { address, frame, offset } of this.#pages) {
      if (this.#memory.compare(this.#image, offset, offset + PAGE, offset, offset + PAGE) === 0) continue
      const { u32 } = memory
      const base = frame * PAGE / 4
      const first = offset / 4
      for (let i = 0; i < PAGE / 4; i += 2) {
        const low = u32[base + i]
        const high = u32[base + i + 1]
        if (low !== image[first + i] || high !== image[first + i + 1]) changes.push(address + i * 4, low, high)
      }
      memory.beforeWrite(frame)
      u32.set(image.subarray(first, first + PAGE / 4), base)
    }
    return changes
  }

  /** @param chunk budget of each `run`: the result must not depend on it */
  run(test: Case, chunk = ENOUGH): Result {
    const { processor } = this
    this.#put(test.patches)
    loadState(processor, test.state)
    let reason = EXIT_BUDGET as ReturnType<Interpreter['run']>
    let executed = 0
    let runs = 0
    while (reason === EXIT_BUDGET && executed < ENOUGH) {
      const budget = Math.min(runs++ < MANY_RUNS ? chunk : ENOUGH, ENOUGH - executed)
      reason = processor.run(budget, 0)
      if (reason === EXIT_BUDGET && processor.executed !== budget) throw new Error(`run(${budget}) executed ${processor.executed} cycles and said it was out of budget`)
      executed += processor.executed
      if (reason === EXIT_BUDGET) this.#switch(chunk)
    }
    const ending = reason === EXIT_FAULT ? 'fault' : reason === EXIT_SYSCALL ? 'syscall' : 'timeout'
    const state = storeState(processor)
    const changes = this.#changes()
    this.#take(test.patches)
    const { vector, errorCode, address } = processor.fault
    const isFault = ending === 'fault'
    return {
      ending, vector: isFault ? vector : 0, errorCode: isFault ? errorCode : 0,
      address: isFault && vector === 14 ? BigInt.asUintN(64, BigInt(address)) : 0n, state, changes,
    }
  }

  /** Another task runs in between: all that belongs to this one is in the state that is saved. */
  #switch(chunk: number): void {
    const { cpu } = this.processor
    const saved = cpu.save()
    cpu.reset()
    cpu.rsp = -1
    if (chunk % 2 === 1) this.processor.flushTlb()
    cpu.load(saved)
  }

  /** Memory as a case begins with. Code that the one before had too stays, and with it what was translated. */
  #put(patches: readonly machine.Patch[]): void {
    const code = patches[patches.length - 1]
    const stays = code === this.#code && patches.every((patch) => patch === code || patch.address >= machine.CODE_END || patch.address + patch.bytes.length <= machine.CODE)
    if (!stays && this.#code !== undefined) {
      this.#patch(this.#code, true)
      this.#code = undefined
    }
    for (const patch of patches) if (patch !== code || !stays) this.#patch(patch)
    this.#code = code
  }

  #take(patches: readonly machine.Patch[]): void {
    for (const patch of patches) if (patch !== this.#code) this.#patch(patch, true)
    // A patch of data may lie in code pages: the code is whole again for the next.
    if (patches.some((patch) => patch !== this.#code && patch.address < machine.CODE_END && patch.address + patch.bytes.length > machine.CODE) && this.#code !== undefined) {
      this.#patch(this.#code, true)
      this.#code = undefined
    }
  }

  #patch({ address, bytes }: machine.Patch, restore = false): void {
    const { memory } = this.processor
    for (const page of this.#pages) {
      const from = Math.max(address, page.address)
      const to = Math.min(address + bytes.length, page.address + PAGE)
      if (from >= to) continue
      memory.beforeWrite(page.frame)
      const at = page.offset + from - page.address
      const source = restore ? this.#pristine.subarray(at, at + to - from) : to - from === bytes.length ? bytes : bytes.subarray(from - address, to - address)
      this.#image.set(source, at)
      memory.u8.set(source, page.frame * PAGE + from - page.address)
    }
  }
}

export { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE }
