/**
 * Lock-order inversions: locks that one task takes in one order and others in another, so that each may come to wait for the other,
 * whether or not it happened in this run.
 *
 * A lock is a word that CMPXCHG, XCHG or BTS changes from 0 to something else, and that its task changes back to 0, as the mutexes
 * of the C libraries and most others do; or that other atomic instructions change so, if tasks wait for it by futex. None are
 * - a word that others change back (a semaphore), or that is waited for while it is 0;
 * - a word that somebody changes to another number while it is not 0 (a counter), but for those who then wait for it;
 * - a word that is given back by CMPXCHG, unless tasks wait for it by futex.
 * Orders count only if no other lock was held in all of them, which would keep them apart, and what was only tried waits for nobody: that
 * is known of functions with 'try' in their names alone, so that these are warnings.
 */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { type AccessKind, KIND_READ, KIND_UPDATE } from '../../emu/watch.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { type AddressSpace, PTE_FRAME } from '../../kernel/mm/address-space.ts'
import { getEntry } from '../../kernel/mm/page-table.ts'
import type { Task } from '../../kernel/task/task.ts'
import type { AccessListener, WatchedPage } from '../../kernel/watch/memory-watch.ts'
import type { OrderTracer } from '../../kernel/watch/tracer.ts'
import { peekBytes } from '../peek.ts'
import { type CodeLocation, dataText, locationText, symbolize, symbolizeData } from '../symbols.ts'
import type { Finding } from './finding.ts'
import { frameLines, framesAt } from './frames.ts'

type How = 'counts' | 'sets' | 'compares'
interface Lock {
  readonly key: number
  readonly name: string
  holder: number | undefined
  /** Its holder gave it back; somebody else did. */
  isGivenBack: boolean
  isNone: boolean
  /** Instructions that look at it first took it. */
  isTested: boolean
  /** Its holder changed it to another number, or compared it as it gave it back. */
  isCounted: boolean
  /** Tasks that changed it while another one had it: they should wait for it next. */
  readonly intruders: Map<number, { readonly task: Task, readonly address: number }>
}
interface Held { readonly lock: Lock, readonly place: string }
interface Edge { readonly from: Lock, readonly to: Lock, readonly task: number, readonly tid: number, readonly gates: readonly Lock[], readonly held: string, readonly lines: readonly string[] }
interface Change { readonly task: Task, readonly key: number, readonly address: number, readonly size: number, readonly old: number, readonly rip: number, readonly how: How }

const MOST_EDGES = 10_000
const LONGEST_CYCLE = 4
const MOST_INTRUDERS = 64
const FUTEX = 202, FUTEX_COMMAND = 0x7f, FUTEX_LOCK_PI = 6
/** WAIT, LOCK_PI, WAIT_BITSET. */
const FUTEX_WAITS: ReadonlySet<number> = new Set([0, FUTEX_LOCK_PI, 9])
/** LOCK, operand size, REPNE and REP, segments. */
const PREFIXES: ReadonlySet<number> = new Set([0xf0, 0x66, 0xf2, 0xf3, 0x2e, 0x3e, 0x64, 0x65])

/** The lock was tried, by a function that says so, and not on the way of one that waits (musl's). */
const isTry = ([leaf, ...callers]: readonly CodeLocation[]): boolean =>
  /try/i.test(leaf.function ?? '') && !callers.slice(0, 2).some(({ function: name }) => /pthread_(mutex|rwlock)_(timed)?(lock|rdlock|wrlock)$|sem_(timed)?wait$/.test(name ?? ''))

export class LockOrder implements AccessListener, OrderTracer {
  readonly #kernel: Kernel
  readonly #isStack: (space: AddressSpace, address: number) => boolean
  readonly #locks = new Map<number, Lock>()
  /** By `Task.index`. */
  readonly #held = new Map<number, Held[]>()
  /** Texts by rip. */
  readonly #places = new Map<number, string>()
  /** Stacks by edge; undefined: the lock was only tried. */
  readonly #stacks = new Map<string, string[] | undefined>()
  /** Words that tasks have waited for by futex. */
  readonly #waitedFor = new Set<number>()
  /** By address space, by rip. */
  readonly #hows = new Map<string, How>()
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

  callEnded(task: Task, number: number, args: ArrayLike<number>): void {
    this.#settle()
    if (number !== FUTEX || !FUTEX_WAITS.has(args[1] & FUTEX_COMMAND)) return
    const page = this.#kernel.watch?.pageAt(task.mm, args[0])
    if (page === undefined) return
    const key = page.id * PAGE_SIZE + args[0] % PAGE_SIZE
    this.#waitedFor.add(key)
    const lock = this.#locks.get(key)
    if (lock === undefined) return
    lock.intruders.delete(task.index)
    if (args[2] === 0 && (args[1] & FUTEX_COMMAND) !== FUTEX_LOCK_PI) lock.isNone = true
  }

  /** CMPXCHG compares; XCHG and BTS set, and say what was there; arithmetic counts. */
  #howOf({ mm }: Task, rip: number): How {
    const key = `${mm.id} ${rip}`
    let answer = this.#hows.get(key)
    if (answer === undefined) {
      const code = peekBytes(this.#kernel.memory, mm, rip, 15)
      let at = 0
      while (PREFIXES.has(code[at]) || code[at] >> 4 === 4) at++
      const [first, second, third] = code.subarray(at)
      answer = first === 0x0f && (second === 0xb0 || second === 0xb1) ? 'compares'
        : first === 0x86 || first === 0x87 || (first === 0x0f && (second === 0xab || (second === 0xba && ((third >> 3) & 7) === 5))) ? 'sets' : 'counts'
      this.#hows.set(key, answer)
    }
    return answer
  }

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
    this.#change = { task, key, address, size, old: this.#value(task, address, size), rip, how: kind === KIND_UPDATE ? this.#howOf(task, rip) : 'sets' }
    if (kind !== KIND_UPDATE || this.#change.old !== 0) return
    // The stack is there now only; it is looked at once for each pair of words, as that takes long.
    for (const { lock } of this.#held.get(task.index) ?? []) {
      const edge = `${lock.key} ${key} ${task.index}`
      if (this.#stacks.has(edge) || this.#stacks.size >= MOST_EDGES) continue
      const frames = framesAt(this.#kernel, task, rip)
      this.#stacks.set(edge, isTry(frames) ? undefined : frameLines(frames))
    }
  }

  #settle(): void {
    const change = this.#change
    if (change === undefined) return
    this.#change = undefined
    const { task, key, address, size, old, rip, how } = change
    const now = this.#value(task, address, size)
    if (old === 0 && now !== 0) this.#taken(task, key, address, rip, how)
    else if (old !== 0 && now === 0) this.#given(task, key, how)
    else if (old !== now) this.#changed(task, key, address)
  }

  #changed(task: Task, key: number, address: number): void {
    const lock = this.#locks.get(key)
    if (lock?.holder === undefined) return
    if (lock.holder === task.index) lock.isCounted = true
    else if (lock.intruders.size < MOST_INTRUDERS) lock.intruders.set(task.index, { task, address })
  }

  #taken(task: Task, key: number, address: number, rip: number, how: How): void {
    let lock = this.#locks.get(key)
    if (lock === undefined) {
      if (this.#isStack(task.mm, address)) return
      lock = { key, name: dataText(symbolizeData(this.#kernel, task, address)), holder: undefined, isGivenBack: false, isNone: false, isTested: false, isCounted: false, intruders: new Map() }
      this.#locks.set(key, lock)
    }
    lock.holder = task.index
    if (how !== 'counts') lock.isTested = true
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
      if (before === lock || this.#edges.size >= MOST_EDGES || this.#edges.has(edgeKey) || (this.#stacks.has(edgeKey) && this.#stacks.get(edgeKey) === undefined)) continue
      const gates = held.map(({ lock: gate }) => gate).filter((gate) => gate !== before)
      this.#edges.set(edgeKey, { from: before, to: lock, task: task.index, tid: task.tid, gates, held: where, lines: this.#stacks.get(edgeKey) ?? [] })
    }
    held.push({ lock, place })
  }

  #given(task: Task, key: number, how: How): void {
    const lock = this.#locks.get(key)
    if (lock?.holder === undefined) return
    if (lock.holder === task.index) lock.isGivenBack = true
    else lock.isNone = true
    // Whoever has a lock need not look; counters are counted down so, and semaphores.
    if (how === 'compares') lock.isCounted = true
    const held = this.#held.get(lock.holder)
    const at = held?.findLastIndex((one) => one.lock === lock) ?? -1
    if (at >= 0) held?.splice(at, 1)
    lock.holder = undefined
  }

  #isLock(lock: Lock): boolean {
    const { key, holder, isGivenBack, isNone, isTested, isCounted, intruders } = lock
    const isWaitedFor = this.#waitedFor.has(key)
    if (isNone || !(isGivenBack || holder !== undefined) || !(isWaitedFor || isTested) || (isCounted && !isWaitedFor)) return false
    // Who still waits has not come back from the call.
    return [...intruders.values()].every(({ task, address }) => task.state === 'blocked' && task.syscall?.number === FUTEX && task.syscall.args[0] === address)
  }

  /** Cycles of locks, each once. */
  get findings(): Finding[] {
    this.#settle()
    const edges = [...this.#edges.values()].filter(({ from, to }) => [from, to].every((lock) => this.#isLock(lock)))
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
