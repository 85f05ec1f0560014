/**
 * Which memory tasks compete for: where strategies that choose at accesses do so. That is what instructions with LOCK access in several
 * tasks, and what is accessed otherwise with nothing to order it: data races. What is always ordered, by locks say, is left out: the order
 * of those who have the lock is that of the instructions that took it. If no schedule that was run has a race outside of what is
 * known, nothing was missed (CHESS rests on the same; Musuvathi and others, OSDI 2008).
 *
 * Order is found with vector clocks: who makes a task, wakes one, or ends is before what the other does then, and instructions with LOCK
 * on one place are in order. What else may order is not known here, and then there is a choice more than is needed.
 */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { type AccessKind, KIND_READ, KIND_UPDATE } from '../../emu/watch.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Task } from '../../kernel/task/task.ts'
import type { AccessListener, WatchedPage } from '../../kernel/watch/memory-watch.ts'
import { StateImage } from '../snapshot-state.ts'
import type { Library } from './library.ts'

/** By `Task.index`. */
type Clock = number[]

/** Eight bytes. */
interface Eight {
  /** The last that wrote, −1: nobody; at which of its times. */
  writer: number
  time: number
  /** Since then: who read, and when, in pairs. */
  readonly readers: number[]
  /** Of what is accessed with LOCK, or cleared when a task ends: what is before accesses that come. */
  clock: Clock | undefined
  /** Whoever was here, if it was one or all others were before it; −2: several. */
  user: number
  /** Virtual addresses in eights; nearly always one. */
  readonly addresses: number[]
}

const EIGHTS = PAGE_SIZE / 8
const NOBODY = -1, SEVERAL = -2

const join = (into: Clock, from: Clock): void => {
  for (let task = 0; task < from.length; task++) if (from[task] > (into[task] ?? 0)) into[task] = from[task]
}

export class ConflictFinder implements AccessListener {
  readonly #state: { readonly eights: Map<number, Eight>, readonly clocks: Map<number, Clock> } = { eights: new Map(), clocks: new Map() }
  /** As it is where schedules begin. */
  #start: StateImage | undefined
  readonly #found = new Set<number>()
  /** What is known of the program's C library: of 'dpor'. */
  library: Library | undefined

  /** Schedules begin here. */
  forked(): void { this.#start = this.image() }
  /** Another schedule begins. */
  begin(): void { this.#start?.restore() }
  /** What it knows of the schedule so far, to go back to. */
  image(): StateImage { return new StateImage(this.#state) }

  /** Addresses in eights. */
  get found(): readonly number[] { return [...this.#found].sort((a, b) => a - b) }

  // ——— Order ———

  #clock(task: number): Clock {
    let clock = this.#state.clocks.get(task)
    if (clock === undefined) {
      clock = Array.from({ length: task + 1 }, () => 0)
      clock[task] = 1
      this.#state.clocks.set(task, clock)
    }
    return clock
  }

  /** What one did so far is before what the other does from now on. */
  #order(first: number, second: number): void {
    const clock = this.#clock(first)
    const later = this.#clock(second)
    for (let task = later.length; task < clock.length; task++) later[task] = 0
    join(later, clock)
    clock[first]++
  }

  started(maker: Task, task: Task): void { this.#order(maker.index, task.index) }
  woke(waker: Task | undefined, woken: Task): void { if (waker !== undefined) this.#order(waker.index, woken.index) }

  /** Its thread identifier will be cleared: who reads that knows that it has ended. */
  ends(kernel: Kernel, task: Task): void {
    const page = task.clearChildTid === 0 ? undefined : kernel.watch?.pageAt(task.mm, task.clearChildTid)
    if (page === undefined) return
    const eight = this.#eight(page.id * EIGHTS + Math.floor(task.clearChildTid / 8) % EIGHTS)
    eight.clock ??= []
    this.#merge(eight.clock, this.#clock(task.index))
  }

  #merge(into: Clock, from: Clock): void {
    for (let task = into.length; task < from.length; task++) into[task] = 0
    join(into, from)
  }

  // ——— Accesses ———

  #eight(key: number): Eight {
    let eight = this.#state.eights.get(key)
    if (eight === undefined) {
      eight = { writer: NOBODY, time: 0, readers: [], clock: undefined, user: NOBODY, addresses: [] }
      this.#state.eights.set(key, eight)
    }
    return eight
  }

  access({ index }: Task, page: WatchedPage, address: number, size: number, kind: AccessKind, rip: number): void {
    // Where there are no choices nothing is put in order by them.
    if (this.library?.isUnseen(rip, kind) === true) return
    const last = Math.floor((address + size - 1) / 8)
    for (let at = Math.floor(address / 8); at <= last; at++) {
      const eight = this.#eight(page.id * EIGHTS + at % EIGHTS)
      // One task that comes back, as most do, and no other was here since.
      if (eight.user === index && kind !== KIND_UPDATE && eight.clock === undefined) {
        this.#note(eight, index, kind)
        continue
      }
      if (!eight.addresses.includes(at)) eight.addresses.push(at)
      const isSync = eight.clock !== undefined
      const competes = isSync ? this.#meets(eight, index, kind) : this.#races(eight, index, kind)
      if (competes) for (const found of eight.addresses) this.#found.add(found)
      // Where all is in order whoever comes last has it for itself; reads are in no order with reads.
      eight.user = eight.user === NOBODY || eight.user === index || (!isSync && !this.#races(eight, index, KIND_UPDATE)) ? index : SEVERAL
      this.#note(eight, index, kind)
    }
  }

  /** Of what is accessed with LOCK, by somebody. x86 keeps other accesses to it in order as well. */
  #meets(eight: Eight, task: number, kind: AccessKind): boolean {
    if (eight.clock !== undefined) this.#merge(this.#clock(task), eight.clock)
    return eight.user !== NOBODY && eight.user !== task && (kind !== KIND_READ || eight.writer !== NOBODY)
  }

  #races({ writer, time, readers }: Eight, task: number, kind: AccessKind): boolean {
    const clock = this.#clock(task)
    if (writer !== NOBODY && writer !== task && (clock[writer] ?? 0) < time) return true
    if (kind === KIND_READ) return false
    for (let i = 0; i < readers.length; i += 2) if (readers[i] !== task && (clock[readers[i]] ?? 0) < readers[i + 1]) return true
    return false
  }

  #note(eight: Eight, task: number, kind: AccessKind): void {
    const clock = this.#clock(task)
    if (kind === KIND_READ) {
      const { readers } = eight
      let at = 0
      while (at < readers.length && readers[at] !== task) at += 2
      readers[at] = task
      readers[at + 1] = clock[task]
    } else {
      eight.writer = task
      eight.time = clock[task]
      eight.readers.length = 0
    }
    if (kind === KIND_UPDATE) eight.clock ??= []
    if (eight.clock === undefined) return
    this.#merge(eight.clock, clock)
    clock[task]++
  }
}
