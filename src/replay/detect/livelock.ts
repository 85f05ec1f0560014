/**
 * Of a world that did not come to its end: whether it would have got on. It runs for some more cycles while all accesses to memory
 * that several tasks can reach are looked at: if none changes anything, and no system call does, all that tasks do is to wait for
 * each other by looking.
 */
import { type AccessKind, KIND_READ, readsMemory } from '../../emu/watch.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { findVma } from '../../kernel/mm/vma.ts'
import { SYSCALLS } from '../../kernel/syscalls/table.ts'
import type { Task } from '../../kernel/task/task.ts'
import { type AccessListener, type Ordering, type WatchedPage, watchMemory } from '../../kernel/watch/memory-watch.ts'
import type { OrderTracer } from '../../kernel/watch/tracer.ts'
import { peekBytes } from '../peek.ts'
import { dataText, locationText, symbolize, symbolizeData } from '../symbols.ts'

/** So many cycles are looked at. */
const CYCLES = 2e6
const SLICES = 4096
/** Calls that leave everything as it is. */
const IDLE = new Set(['sched_yield', 'nanosleep', 'clock_nanosleep', 'clock_gettime', 'gettimeofday', 'time', 'getpid', 'gettid', 'getcpu'])
const FUTEX = 202
/** Places of a task that are told of. */
const MOST_PLACES = 4
const MOST_READS = 64

interface Reads { readonly task: Task, readonly places: Map<string, { readonly rip: number, readonly address: number }> }

class Observer implements AccessListener, Ordering, OrderTracer {
  readonly #kernel: Kernel
  /** By `Task.index`. */
  readonly reads = new Map<number, Reads>()
  #before: { readonly task: Task, readonly address: number, readonly bytes: Uint8Array } | undefined
  changes = false

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  clock(): number { return 0 }
  isBefore(): boolean { return false }

  settle(): void {
    const before = this.#before
    if (before === undefined) return
    this.#before = undefined
    const now = peekBytes(this.#kernel.memory, before.task.mm, before.address, before.bytes.length)
    if (now.some((byte, i) => byte !== before.bytes[i])) this.changes = true
  }

  access(task: Task, _page: WatchedPage, address: number, size: number, kind: AccessKind, rip: number): void {
    this.settle()
    // What is below the frames of a loop is written again and again.
    const stack = findVma(task.mm, this.#kernel.processor.cpu.rsp)
    if (stack !== undefined && address >= stack.start && address < stack.end) return
    if (kind !== KIND_READ) this.#before = { task, address, bytes: peekBytes(this.#kernel.memory, task.mm, address, size) }
    if (!readsMemory(kind)) return
    let reads = this.reads.get(task.index)
    if (reads === undefined) {
      reads = { task, places: new Map() }
      this.reads.set(task.index, reads)
    }
    if (reads.places.size < MOST_READS) reads.places.set(`${rip} ${address}`, { rip, address })
  }

  taskStarted(): void { this.changes = true }
  taskEnds(): void { this.changes = true }
  callEnded(_task: Task, number: number, _args: ArrayLike<number>, result: number): void {
    this.settle()
    if (number === FUTEX ? result >= 0 : !IDLE.has(SYSCALLS[number]?.name ?? '')) this.changes = true
  }
}

/**
 * Lines about a livelock; empty if it is none. The world is not what it was afterwards.
 * @param run runs so many slices
 */
export const livelockLines = (kernel: Kernel, run: (slices: number) => void): string[] => {
  const observer = new Observer(kernel)
  const isWatched = kernel.watch !== undefined
  const watch = watchMemory(kernel)
  const { config } = kernel
  const until = kernel.now + CYCLES
  kernel.config = { ...config, cycleLimit: until }
  watch.detect(observer, 'all')
  kernel.tracers.push(observer)
  try {
    for (let slices = 0; slices < SLICES && kernel.now < until && !observer.changes; slices += 16) run(16)
    observer.settle()
    if (observer.changes || observer.reads.size === 0) return []
    const lines = [`livelock: no task changes anything that others see, in ${CYCLES / 1e6} million cycles more`]
    for (const { task, places } of [...observer.reads.values()].sort((a, b) => a.task.index - b.task.index)) {
      lines.push(`  task ${task.tid} looks again and again:`)
      for (const { rip, address } of [...places.values()].slice(0, MOST_PLACES)) {
        lines.push(`      ${locationText(symbolize(kernel, task, rip))}: ${dataText(symbolizeData(kernel, task, address))} (0x${address.toString(16)})`)
      }
    }
    return lines
  } finally {
    watch.detect(undefined, new Set())
    if (!isWatched) {
      kernel.watch = undefined
      kernel.processor.watch(undefined)
    }
    kernel.tracers.splice(kernel.tracers.indexOf(observer), 1)
    kernel.config = config
  }
}
