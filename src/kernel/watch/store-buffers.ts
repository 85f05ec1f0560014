/**
 * Store buffers: x86-TSO (Owens, Sarkar, Sewell: 'A Better x86 Memory Model', TPHOLs 2009) on memory that several tasks can reach.
 *
 * A store is first seen by its own task alone. It comes to memory in its turn, first in first out, at times that are drawn: where a
 * slice begins, whoever's. Loads take each byte from the newest store to it of their own task that waits. Everything that orders on a
 * processor empties the task's buffer first: instructions with LOCK, XCHG, MFENCE, CPUID, and whatever enters the kernel.
 *
 * The buffer is the task's, not the virtual CPU's: a task that is preempted waits as if it were on a slow CPU of its own. So one virtual
 * CPU shows what programs do on many, which is what strategies that run a task at a time need.
 *
 * Pages of a task's stack are without a buffer until another task touches them; all that waits anywhere is stored first then, so that
 * nobody sees stores out of order.
 */
import type { StoreBuffers } from '../../emu/watch.ts'
import type { Kernel } from '../kernel.ts'
import type { AddressSpace } from '../mm/address-space.ts'
import type { Task } from '../task/task.ts'

/** In `Task.stores`, the oldest first. */
export interface BufferedStore { readonly address: number, readonly bytes: Uint8Array }

/** As many as processors have, about. */
const MOST_STORES = 40
/** Of so many slices a task's stores wait in all but one. */
const WAITS = 4

export class TaskStores implements StoreBuffers {
  readonly #kernel: Kernel

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  get #current(): Task {
    const { current } = this.#kernel
    if (current === undefined) throw new Error('a store by nobody')
    return current
  }

  // ——— Of the processor ———

  get isEmpty(): boolean { return this.#current.stores.length === 0 }

  forward(address: number, size: number, u8: Uint8Array, at: number): void {
    for (const { address: start, bytes } of this.#current.stores) {
      const from = Math.max(start, address), to = Math.min(start + bytes.length, address + size)
      if (from < to) u8.set(bytes.subarray(from - start, to - start), at + from - address)
    }
  }

  store(address: number, size: number, u8: Uint8Array, at: number): void {
    const { stores } = this.#current
    if (stores.length >= MOST_STORES) this.#perform(this.#current, 1)
    stores.push({ address, bytes: u8.slice(at, at + size) })
  }

  fence(): void { this.drain(this.#current) }

  // ——— Of the kernel ———

  /** All that the task has stored is in memory. */
  drain(task: Task): void { if (task.stores.length > 0) this.#perform(task, task.stores.length) }

  /** Before pages of a space change, or of any. */
  drainSpace(space?: AddressSpace): void {
    for (const task of this.#kernel.state.tasks.values()) if (space === undefined || task.mm === space) this.drain(task)
  }

  /** Where a slice begins: how many stores of each task come to memory now. */
  drainSome(): void {
    const { state, outside } = this.#kernel
    for (const task of state.tasks.values()) {
      const { length } = task.stores
      if (length === 0) continue
      const drawn = outside.entropy.decide('stores', length * WAITS)
      if (drawn < length) this.#perform(task, drawn + 1)
    }
  }

  #perform(task: Task, count: number): void {
    const user = this.#kernel.user(task)
    for (const { address, bytes } of task.stores.splice(0, count)) user.write(address, bytes)
  }
}
