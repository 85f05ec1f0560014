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
const fullTag = (view: DataView, at: number): number => {
  const exponent = view.getUint16(at + 8, true) & 0x7fff
  const high = view.getUint32(at + 4, true)
  if (exponent === 0) return high === 0 && view.getUint32(at, true) === 0 ? 1 : 2
  return exponent === 0x7fff || high < 0x8000_0000 ? 2 : 0
}

/** Loads a state block. */
export const loadState = (processor: Interpreter, state: Uint8Array): void => {
  const { memory, cpu } = processor
  const view = new DataView(state.buffer, state.byteOffset, state.byteLength)
  cpu.reset()
  memory.u8.set(state.subarray(0, 128), layout.GPR)
  memory.u8.set(state.subarray(machine.STATE_RIP, machine.STATE_RIP + 8), layout.RIP)
  cpu.rflags = view.getUint32(machine.STATE_RFLAGS, true)
  memory.u8.set(state.subarray(machine.STATE_FS, machine.STATE_FS + 8), layout.FS_BASE)
  memory.u8.set(state.subarray(machine.STATE_GS, machine.STATE_GS + 8), layout.GS_BASE)
  const fx = machine.STATE_FX
  memory.u32[layout.FPU_CONTROL >> 2] = view.getUint16(fx + machine.FX_FCW, true)
  const status = view.getUint16(fx + machine.FX_FSW, true)
  memory.u32[layout.FPU_STATUS >> 2] = status
  memory.u32[layout.MXCSR >> 2] = view.getUint32(fx + machine.FX_MXCSR, true)
  const abridged = state[fx + machine.FX_FTW]
  let tags = 0
  for (let i = 0; i < 8; i++) {
    const physical = (((status >> 11) & 7) + i) & 7
    const st = fx + machine.FX_ST + i * 16
    memory.u8.set(state.subarray(st, st + 10), layout.FPU_REGISTERS + physical * 16)
    tags |= ((abridged >> physical) & 1) === 0 ? 3 << (physical * 2) : fullTag(view, st) << (physical * 2)
  }
  memory.u32[layout.FPU_TAG >> 2] = tags
  for (let i = 0; i < 16; i++) {
    const xmm = fx + machine.FX_XMM + i * 16
    memory.u8.set(state.subarray(xmm, xmm + 16), layout.VECTOR + i * layout.VECTOR_STRIDE)
    const ymm = machine.STATE_UPPER + i * 16
    memory.u8.set(state.subarray(ymm, ymm + 16), layout.VECTOR + i * layout.VECTOR_STRIDE + 16)
  }
}

/** The processor's state as a block. FIP, FDP and FOP are left at zero. */
export const storeState = (processor: Interpreter): Uint8Array => {
  const { memory, cpu } = processor
  const state = new Uint8Array(machine.STATE_SIZE)
  const view = new DataView(state.buffer)
  state.set(memory.u8.subarray(layout.GPR, layout.GPR + 128))
  state.set(memory.u8.subarray(layout.RIP, layout.RIP + 8), machine.STATE_RIP)
  view.setUint32(machine.STATE_RFLAGS, cpu.rflags, true)
  state.set(memory.u8.subarray(layout.FS_BASE, layout.FS_BASE + 8), machine.STATE_FS)
  state.set(memory.u8.subarray(layout.GS_BASE, layout.GS_BASE + 8), machine.STATE_GS)
  const fx = machine.STATE_FX
  view.setUint16(fx + machine.FX_FCW, memory.u32[layout.FPU_CONTROL >> 2], true)
  const status = memory.u32[layout.FPU_STATUS >> 2]
  view.setUint16(fx + machine.FX_FSW, status, true)
  view.setUint32(fx + machine.FX_MXCSR, memory.u32[layout.MXCSR >> 2], true)
  const tags = memory.u32[layout.FPU_TAG >> 2]
  for (let i = 0; i < 8; i++) {
    if (((tags >> (i * 2)) & 3) !== 3) state[fx + machine.FX_FTW] |= 1 << i
    const physical = layout.FPU_REGISTERS + ((((status >> 11) & 7) + i) & 7) * 16
    state.set(memory.u8.subarray(physical, physical + 10), fx + machine.FX_ST + i * 16)
    const vector = layout.VECTOR + i * layout.VECTOR_STRIDE
    state.set(memory.u8.subarray(vector, vector + 16), fx + machine.FX_XMM + i * 16)
    const upper = layout.VECTOR + (i + 8) * layout.VECTOR_STRIDE
    state.set(memory.u8.subarray(upper, upper + 16), fx + machine.FX_XMM + (i + 8) * 16)
  }
  for (let i = 0; i < 16; i++) {
    const upper = layout.VECTOR + i * layout.VECTOR_STRIDE + 16
    state.set(memory.u8.subarray(upper, upper + 16), machine.STATE_UPPER + i * 16)
  }
  return state
}

/** Cycles after which a case counts as one that does not end. */
const ENOUGH = 300_000

export class Emulator {
  readonly processor: Interpreter
  readonly #mmu = new TableMmu()
  /** Frames of the regions' pages, the content before any patch, and what the pages hold at the start of the case. */
  readonly #frames: { address: number, frame: number, pristine: Uint32Array, image: Uint32Array }[] = []

  /** @param arenaEnd, tier see `Interpreter` */
  constructor(arenaEnd?: number, tier?: TierOptions) {
    this.processor = makeProcessor(new PhysicalMemory(), arenaEnd, tier)
    const { memory } = this.processor
    for (const region of REGIONS) {
      const content = initialContent(region)
      for (let at = 0; at < region.bytes; at += PAGE) {
        const frame = memory.allocate()
        const pristine = new Uint32Array(content.slice(at, at + PAGE).buffer)
        memory.u32.set(pristine, frame * PAGE / 4)
        this.#frames.push({ address: region.address + at, frame, pristine, image: pristine.slice() })
        this.#mmu.map((region.address + at) / PAGE, frame, `${region.readable ? 'r' : ''}${region.writable ? 'w' : ''}${region.executable ? 'x' : ''}`)
      }
    }
    this.processor.setMmu(this.#mmu)
  }

  /** @param chunk budget of each `run`: the result must not depend on it */
  run(test: Case, chunk = ENOUGH): Result {
    const { processor } = this
    const { memory } = processor
    for (const patch of test.patches) this.#patch(patch)
    loadState(processor, test.state)
    let reason = EXIT_BUDGET as ReturnType<Interpreter['run']>
    let executed = 0
    while (reason === EXIT_BUDGET && executed < ENOUGH) {
      const budget = Math.min(chunk, ENOUGH - executed)
      reason = processor.run(budget, 0)
      if (reason === EXIT_BUDGET && processor.executed !== budget) throw new Error(`run(${budget}) executed ${processor.executed} cycles and said it was out of budget`)
      executed += processor.executed
      if (reason === EXIT_BUDGET) this.#switch(chunk)
    }
    const ending = reason === EXIT_FAULT ? 'fault' : reason === EXIT_SYSCALL ? 'syscall' : 'timeout'
    const state = storeState(processor)
    const changes: number[] = []
    for (const page of this.#frames) {
      const base = page.frame * PAGE / 4
      const { u32 } = memory
      let dirty = false
      for (let i = 0; i < PAGE / 4; i += 2) {
        const low = u32[base + i]
        const high = u32[base + i + 1]
        if (low !== page.image[i] || high !== page.image[i + 1]) {
          changes.push(page.address + i * 4, low, high)
          dirty = true
        }
      }
      if (dirty) {
        memory.beforeWrite(page.frame)
        u32.set(page.image, base)
      }
    }
    for (const patch of test.patches) this.#patch(patch, true)
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

  #patch({ address, bytes }: machine.Patch, restore = false): void {
    const { memory } = this.processor
    for (const page of this.#frames) {
      const from = Math.max(address, page.address)
      const to = Math.min(address + bytes.length, page.address + PAGE)
      if (from >= to) continue
      memory.beforeWrite(page.frame)
      const image = new Uint8Array(page.image.buffer)
      const source = restore ? new Uint8Array(page.pristine.buffer, from - page.address, to - from) : bytes.subarray(from - address, to - address)
      image.set(source, from - page.address)
      memory.u8.set(source, page.frame * PAGE + from - page.address)
    }
  }
}

export { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE }
