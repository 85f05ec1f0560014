/**
 * Lock-order inversions: locks that one task takes in one order and others in another, so that each may come to wait for the other,
 * whether or not it happened in this run.
 *
 * A lock is a word that an atomic instruction changes from 0 to something else, and that its task changes back to 0, as the mutexes
 * of the C libraries and most others do; a word that others change back (a semaphore) is none. Orders count only if no other lock was
 * held in all of them, which would keep them apart. That a lock was only tried is not seen, so that these are warnings.
 */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { type AccessKind, KIND_READ, KIND_UPDATE } from '../../emu/watch.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { type AddressSpace, PTE_FRAME } from '../../kernel/mm/address-space.ts'
import { getEntry } from '../../kernel/mm/page-table.ts'
import type { Task } from '../../kernel/task/task.ts'
import type { AccessListener, WatchedPage } from '../../kernel/watch/memory-watch.ts'
import type { OrderTracer } from '../../kernel/watch/tracer.ts'
import { dataText, locationText, symbolize, symbolizeData } from '../symbols.ts'
import type { Finding } from './finding.ts'
import { frameLines, framesAt } from './frames.ts'

interface Lock {
  readonly key: number
  readonly name: string
  holder: number | undefined
  /** Its holder gave it back; somebody else did. */
  isGivenBack: boolean
  isNone: boolean
}
interface Held { readonly lock: Lock, readonly place: string }
interface Edge { readonly from: Lock, readonly to: Lock, readonly task: number, readonly tid: number, readonly gates: readonly Lock[], readonly held: string, readonly lines: readonly string[] }
interface Change { readonly task: Task, readonly key: number, readonly address: number, readonly size: number, readonly old: number, readonly rip: number }

const MOST_EDGES = 10_000
const LONGEST_CYCLE = 4

export class LockOrder implements AccessListener, OrderTracer {
  readonly #kernel: Kernel
  readonly #isStack: (space: AddressSpace, address: number) => boolean
  readonly #locks = new Map<number, Lock>()
  /** By `Task.index`. */
  readonly #held = new Map<number, Held[]>()
  /** Texts by rip. */
  readonly #places = new Map<number, string>()
  /** Stacks by edge. */
  readonly #stacks = new Map<string, string[]>()
  readonly #edges = new Map<string, Edge>()
  /** An instruction that may change a lock, and what was there: what is there after it is known when the next access comes. */
  #change: Change | undefined

  /** @param isStack whether memory is a stack's: what is locked there orders two threads that know each other (musl's conditions do so) */
  constructor(kernel: Kernel, isStack: (space: AddressSpace, address: number) => boolean) {
    this.#kernel = kernel
    this.#isStack = isStack
  }

  #value(task: Task, address: number, size: number): number {
    // No lock crosses pages, and all are aligned.
    if (address % size !== 0) return 0
    const { u8, u32 } = this.#kernel.memory
    const at = (getEntry(task.mm, Math.floor(address / PAGE_SIZE)) & PTE_FRAME) * PAGE_SIZE + address % PAGE_SIZE
    return size === 8 ? u32[(at >>> 2) + 1] * 2 ** 32 + u32[at >>> 2] : size === 4 ? u32[at >>> 2] : u8[at]
  }

  callEnded(): void { this.#settle() }
  taskEnds(task: Task): void {
    this.#settle()
    this.#held.delete(task.index)
  }

  access(task: Task, page: WatchedPage, address: number, size: number, kind: AccessKind, rip: number): void {
    if (kind === KIND_READ) return
    this.#settle()
    if (size !== 1 && size !== 4 && size !== 8) return
    const key = page.id * PAGE_SIZE + address % PAGE_SIZE
    if (kind !== KIND_UPDATE && !this.#locks.has(key)) return
    this.#change = { task, key, address, size, old: this.#value(task, address, size), rip }
    if (kind !== KIND_UPDATE || this.#change.old !== 0) return
    // The stack is there now only; it is looked at once for each pair of words, as that takes long.
    for (const { lock } of this.#held.get(task.index) ?? []) {
      const edge = `${lock.key} ${key} ${task.index}`
      if (this.#stacks.has(edge) || this.#stacks.size >= MOST_EDGES) continue
      this.#stacks.set(edge, frameLines(framesAt(this.#kernel, task, rip)))
    }
  }

  #settle(): void {
    const change = this.#change
    if (change === undefined) return
    this.#change = undefined
    const { task, key, address, size, old, rip } = change
    const now = this.#value(task, address, size)
    if (old === 0 && now !== 0) this.#taken(task, key, address, rip)
    else if (old !== 0 && now === 0) this.#given(task, key)
  }

  #taken(task: Task, key: number, address: number, rip: number): void {
    let lock = this.#locks.get(key)
    if (lock === undefined) {
      if (this.#isStack(task.mm, address)) return
      lock = { key, name: dataText(symbolizeData(this.#kernel, task, address)), holder: undefined, isGivenBack: false, isNone: false }
      this.#locks.set(key, lock)
    }
    lock.holder = task.index
    let held = this.#held.get(task.index)
    if (held === undefined) {
      held = []
      this.#held.set(task.index, held)
    }
    let place = this.#places.get(rip)
    if (place === undefined) {
      place = locationText(symbolize(this.#kernel, task, rip))
      this.#places.set(rip, place)
    }
    for (const { lock: before, place: where } of held) {
      const edgeKey = `${before.key} ${key} ${task.index}`
      if (before === lock || this.#edges.size >= MOST_EDGES || this.#edges.has(edgeKey)) continue
      const gates = held.map(({ lock: gate }) => gate).filter((gate) => gate !== before)
      this.#edges.set(edgeKey, { from: before, to: lock, task: task.index, tid: task.tid, gates, held: where, lines: this.#stacks.get(edgeKey) ?? [] })
    }
    held.push({ lock, place })
  }

  #given(task: Task, key: number): void {
    const lock = this.#locks.get(key)
    if (lock?.holder === undefined) return
    if (lock.holder === task.index) lock.isGivenBack = true
    else lock.isNone = true
    const held = this.#held.get(lock.holder)
    const at = held?.findLastIndex((one) => one.lock === lock) ?? -1
    if (at >= 0) held?.splice(at, 1)
    lock.holder = undefined
  }

  /** Cycles of locks, each once. */
  get findings(): Finding[] {
    this.#settle()
    const edges = [...this.#edges.values()].filter(({ from, to }) => [from, to].every((lock) => (lock.isGivenBack || lock.holder !== undefined) && !lock.isNone))
    const found = new Map<string, Finding>()
    const extend = (path: readonly Edge[]): void => {
      const last = path[path.length - 1]
      for (const edge of edges) {
        if (edge.from !== last.to || path.some(({ task, from }) => task === edge.task || (from === edge.to && from !== path[0].from))) continue
        if (edge.gates.some((gate) => path.some(({ gates, from }) => gates.includes(gate) && from !== gate))) continue
        const next = [...path, edge]
        if (edge.to === path[0].from) this.#note(found, next)
        else if (next.length < LONGEST_CYCLE) extend(next)
      }
    }
    for (const edge of edges) extend([edge])
    return [...found.values()]
  }

  #note(found: Map<string, Finding>, cycle: readonly Edge[]): void {
    const key = cycle.map(({ from }) => from.key).sort((a, b) => a - b).join(' ')
    if (found.has(key)) return
    // From the lock that comes first, so that it is the same whoever was first.
    const first = cycle.findIndex(({ from }) => cycle.every((other) => from.key <= other.from.key))
    const ordered = [...cycle.slice(first), ...cycle.slice(0, first)]
    const line = `lock order: ${[...ordered.map(({ from }) => from.name), ordered[0].from.name].join(' → ')}`
    found.set(key, { line, details: [line, ...ordered.flatMap(({ from, to, tid, held, lines }) => [`  task ${tid} has ${from.name} (taken at ${held}) and takes ${to.name}:`, ...lines])] })
  }
}
