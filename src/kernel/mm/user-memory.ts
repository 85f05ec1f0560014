/**
 * The kernel's access to guest memory (Linux's uaccess): goes through the address space page by page, so that demand
 * paging, copy-on-write and protection act as they do for the guest itself.
 */
import { ACCESS_READ, ACCESS_WRITE, type Mmu, NO_FRAME } from '../../emu/mmu/mmu.ts'
import { PAGE_MASK, PAGE_SIZE } from '../../emu/cpu/layout.ts'
import type { PhysicalMemory } from '../../emu/memory.ts'

/** A guest pointer can't be used: −EFAULT. One frozen instance, so that throwing is cheap; it carries no stack. */
export class BadAddress {}
export const BAD_ADDRESS = Object.freeze(new BadAddress())

/** One past the highest user address (Linux's TASK_SIZE_MAX with 4-level paging). */
export const USER_END = 0x7fff_ffff_f000

export class UserMemory {
  readonly #memory: PhysicalMemory
  readonly #mmu: Mmu

  constructor(memory: PhysicalMemory, mmu: Mmu) {
    this.#memory = memory
    this.#mmu = mmu
  }

  /** Byte address in the Wasm memory of a guest byte, good to the end of its page and until the next allocation. @throws BadAddress */
  #host(address: number, access: typeof ACCESS_READ | typeof ACCESS_WRITE): number {
    if (!(address >= 0 && address < USER_END)) throw BAD_ADDRESS
    const frame = this.#mmu.resolve(Math.floor(address / PAGE_SIZE), access)
    if (frame === NO_FRAME) throw BAD_ADDRESS
    if (access === ACCESS_WRITE) this.#memory.beforeWrite(frame)
    return frame * PAGE_SIZE + (address % PAGE_SIZE)
  }

  /** Copies out of the guest. @throws BadAddress with nothing copied beyond what came before the bad page */
  read(address: number, length: number): Uint8Array<ArrayBuffer> {
    if (length > 0 && !(address >= 0 && address + length <= USER_END)) throw BAD_ADDRESS
    const bytes = new Uint8Array(length)
    let done = 0
    while (done < length) {
      const at = this.#host(address + done, ACCESS_READ)
      const count = Math.min(length - done, PAGE_SIZE - (at & PAGE_MASK))
      bytes.set(this.#memory.u8.subarray(at, at + count), done)
      done += count
    }
    return bytes
  }

  write(address: number, bytes: Uint8Array): void {
    let done = 0
    while (done < bytes.length) {
      const at = this.#host(address + done, ACCESS_WRITE)
      const count = Math.min(bytes.length - done, PAGE_SIZE - (at & PAGE_MASK))
      this.#memory.u8.set(bytes.subarray(done, done + count), at)
      done += count
    }
  }

  /** How many of `length` bytes from `address` can be accessed before the first bad page: for partial reads and writes. */
  accessible(address: number, length: number, access: typeof ACCESS_READ | typeof ACCESS_WRITE): number {
    let done = 0
    while (done < length) {
      const at = address + done
      if (!(at >= 0 && at < USER_END)) return done
      if (this.#mmu.resolve(Math.floor(at / PAGE_SIZE), access) === NO_FRAME) return done
      done += PAGE_SIZE - (at % PAGE_SIZE)
    }
    return length
  }

  fill(address: number, length: number, byte: number): void {
    let done = 0
    while (done < length) {
      const at = this.#host(address + done, ACCESS_WRITE)
      const count = Math.min(length - done, PAGE_SIZE - (at & PAGE_MASK))
      this.#memory.u8.fill(byte, at, at + count)
      done += count
    }
  }

  u8(address: number): number { return this.#memory.u8[this.#host(address, ACCESS_READ)] }

  u16(address: number): number {
    const at = this.#host(address, ACCESS_READ)
    return (at & PAGE_MASK) <= PAGE_SIZE - 2 ? this.#memory.view.getUint16(at, true) : this.#crossing(address, 2).getUint16(0, true)
  }

  u32(address: number): number {
    const at = this.#host(address, ACCESS_READ)
    return (at & PAGE_MASK) <= PAGE_SIZE - 4 ? this.#memory.view.getUint32(at, true) : this.#crossing(address, 4).getUint32(0, true)
  }

  i32(address: number): number { return this.u32(address) | 0 }

  /** A signed 64-bit value as a number: rounded beyond ±2^53. */
  i64(address: number): number { return (this.u32(address + 4) | 0) * 0x1_0000_0000 + this.u32(address) }

  #crossing(address: number, length: number): DataView {
    return new DataView(this.read(address, length).buffer)
  }

  setU8(address: number, value: number): void { this.#memory.u8[this.#host(address, ACCESS_WRITE)] = value }
  setU16(address: number, value: number): void { this.write(address, Uint8Array.of(value, value >>> 8)) }

  setU32(address: number, value: number): void {
    const at = this.#host(address, ACCESS_WRITE)
    if ((at & PAGE_MASK) <= PAGE_SIZE - 4) this.#memory.view.setUint32(at, value, true)
    else {
      // One store: all of it or nothing (put_user).
      this.#host(address + 3, ACCESS_WRITE)
      this.write(address, Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24))
    }
  }

  /** All 64 bits from a signed or unsigned number. */
  setI64(address: number, value: number): void {
    this.setU32(address, value)
    this.setU32(address + 4, Math.floor(value / 0x1_0000_0000))
  }

  /**
   * A NUL-terminated string as latin1 (one code unit a byte), so that every byte string survives.
   * @returns undefined if there is no NUL within `limit` bytes
   * @throws BadAddress
   */
  string(address: number, limit: number): string | undefined {
    let text = ''
    let done = 0
    while (done < limit) {
      const at = this.#host(address + done, ACCESS_READ)
      const stop = at + Math.min(limit - done, PAGE_SIZE - (at & PAGE_MASK))
      const { u8 } = this.#memory
      let end = at
      while (end < stop && u8[end] !== 0) end++
      // A typed array as arguments: far faster than spreading it, which goes through its iterator.
      text += Reflect.apply(String.fromCharCode, undefined, u8.subarray(at, end))
      if (end < stop) return text
      done += stop - at
    }
    return undefined
  }
}
