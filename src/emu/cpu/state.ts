/**
 * Registers of the running task, in the Wasm memory's CPU block.
 *
 * 64-bit registers are read as JS numbers where the value is known to be an address or a small integer (`get`: exact
 * for −2^53 … 2^53, signed), or as two 32-bit halves (`low`, `high`).
 */
import type { PhysicalMemory } from '../memory.ts'
import * as layout from './layout.ts'

const parityIsEven = (byte: number): boolean => {
  let x = byte & 0xff
  x ^= x >> 4
  x ^= x >> 2
  x ^= x >> 1
  return (x & 1) === 0
}

const TWO_32 = 0x1_0000_0000

export class CpuState {
  readonly #memory: PhysicalMemory

  constructor(memory: PhysicalMemory) {
    this.#memory = memory
  }

  /** Unsigned low and high halves of a general register (index in encoding order: RAX = 0 … R15 = 15). */
  low(register: number): number { return this.#memory.u32[(layout.GPR >> 2) + register * 2] }
  high(register: number): number { return this.#memory.u32[(layout.GPR >> 2) + register * 2 + 1] }

  /** As a signed number; values beyond ±2^53 are rounded. */
  get(register: number): number {
    const at = (layout.GPR >> 2) + register * 2
    return this.#memory.i32[at + 1] * TWO_32 + this.#memory.u32[at]
  }

  /** Sets all 64 bits from a signed or unsigned number (two's complement of negative ones). */
  set(register: number, value: number): void { this.#store64(layout.GPR + register * 8, value) }

  setHalves(register: number, low: number, high: number): void {
    const at = (layout.GPR >> 2) + register * 2
    this.#memory.u32[at] = low
    this.#memory.u32[at + 1] = high
  }

  get rip(): number { return this.#load64(layout.RIP) }
  set rip(value: number) { this.#store64(layout.RIP, value) }
  get rsp(): number { return this.get(layout.RSP) }
  set rsp(value: number) { this.set(layout.RSP, value) }
  get fsBase(): number { return this.#load64(layout.FS_BASE) }
  set fsBase(value: number) { this.#store64(layout.FS_BASE, value) }
  get gsBase(): number { return this.#load64(layout.GS_BASE) }
  set gsBase(value: number) { this.#store64(layout.GS_BASE, value) }
  get mxcsr(): number { return this.#memory.u32[layout.MXCSR >> 2] }
  set mxcsr(value: number) { this.#memory.u32[layout.MXCSR >> 2] = value }

  /** RFLAGS with bit 1, which is always set. */
  get rflags(): number {
    const { u32, i32 } = this.#memory
    const at = layout.FLAG_RESULT >> 2
    const aux = u32[layout.FLAG_AUX >> 2]
    let flags = (u32[layout.FLAG_OTHER >> 2] & ~(layout.CF | layout.PF | layout.AF | layout.ZF | layout.SF | layout.OF)) | 2
    flags |= aux & (layout.CF | layout.AF | layout.OF)
    if (u32[at] === 0 && u32[at + 1] === 0) flags |= layout.ZF
    if ((i32[at + 1] < 0) !== ((aux & layout.SF) !== 0)) flags |= layout.SF
    if (parityIsEven(u32[at]) !== ((aux & layout.PF) !== 0)) flags |= layout.PF
    return flags
  }

  set rflags(flags: number) {
    const { u32 } = this.#memory
    const at = layout.FLAG_RESULT >> 2
    const zero = (flags & layout.ZF) !== 0
    // Result 0 has ZF, no SF, even parity; result 1 has none and odd parity: the auxiliary word inverts SF and PF from there.
    u32[at] = zero ? 0 : 1
    u32[at + 1] = 0
    let aux = flags & (layout.CF | layout.AF | layout.OF | layout.SF)
    if (((flags & layout.PF) !== 0) !== zero) aux |= layout.PF
    u32[layout.FLAG_AUX >> 2] = aux
    u32[layout.FLAG_OTHER >> 2] = flags & (layout.TF | layout.DF | layout.RF | 0x4000 | 0x40000 | 0x200000) | layout.IF
  }

  /** A copy of the architectural state, to be given to `load` later. The lazy flags are put into their one normal form, so that equal states are equal bytes. */
  save(): Uint8Array {
    this.normalizeFlags()
    return this.#memory.u8.slice(layout.CPU_STATE, layout.CPU_STATE + layout.CPU_STATE_SIZE)
  }

  saveInto(block: Uint8Array): void {
    this.normalizeFlags()
    block.set(this.#memory.u8.subarray(layout.CPU_STATE, layout.CPU_STATE + layout.CPU_STATE_SIZE))
  }

  load(block: Uint8Array): void {
    this.#memory.u8.set(block, layout.CPU_STATE)
  }

  normalizeFlags(): void {
    // eslint-disable-next-line no-self-assign -- reading evaluates the flags, writing stores the normal form
    this.rflags = this.rflags
    this.#memory.u32[layout.EFFECTIVE_ADDRESS >> 2] = 0
    this.#memory.u32[(layout.EFFECTIVE_ADDRESS >> 2) + 1] = 0
  }

  /** The state after execve: registers zero, x87 and MXCSR at their defaults (System V ABI for AMD64, 3.4.1). */
  reset(): void {
    this.#memory.u8.fill(0, layout.CPU_STATE, layout.CPU_STATE + layout.CPU_STATE_SIZE)
    this.rflags = layout.IF
    this.mxcsr = 0x1f80
    this.#memory.u32[layout.FPU_CONTROL >> 2] = 0x37f
    this.#memory.u32[layout.FPU_STATUS >> 2] = 0
    this.#memory.u32[layout.FPU_TAG >> 2] = 0xffff
  }

  #load64(address: number): number {
    return this.#memory.i32[(address >> 2) + 1] * TWO_32 + this.#memory.u32[address >> 2]
  }

  #store64(address: number, value: number): void {
    const { u32 } = this.#memory
    // ToUint32 of a number is its value modulo 2^32, also for negative ones and those above 2^32.
    u32[address >> 2] = value
    u32[(address >> 2) + 1] = Math.floor(value / TWO_32)
  }
}
