/** Accesses to memory that tasks share, as far as a report can use them: around where tasks were switched. */
import { CPU_STATE, CPU_STATE_SIZE } from '../../emu/cpu/layout.ts'
import { type AccessKind, KIND_READ, KIND_UPDATE, readsMemory, writesMemory } from '../../emu/watch.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Task } from '../../kernel/task/task.ts'
import type { AccessListener, WatchedPage } from '../../kernel/watch/memory-watch.ts'
import { peekBytes } from '../peek.ts'
import { type CodeLocation, dataText, frameRegisters, placeText, symbolize, symbolizeData, unwind } from '../symbols.ts'
import { FRAME_RIP } from '../symbols/call-frames.ts'
import { MUSL_LOCK, MUSL_LOCKED } from '../wait-graph.ts'

export interface SeenAccess {
  /** Among accesses and events of the run. */
  readonly order: number
  readonly stretch: number
  readonly task: number
  readonly word: number
  readonly size: number
  readonly kind: AccessKind
  readonly rip: number
  /** What is there before, and after. */
  readonly before: number | undefined
  after: number | undefined
}

/** What is known of the bytes that are accessed together. */
interface Word {
  tasks: Set<number>
  written: boolean
  /** Accesses by locked instructions: a lock, or some other means to order tasks. */
  isLock: boolean
  name: string | undefined
}

/** Of a stretch its first and last accesses are kept. */
const KEPT = 400
/** An access has something to do with a preemption if it is one of so many before, or after. */
const NEAR = 60
/** No more variables are shown. */
export const MOST_VARIABLES = 8
/** Callers are looked for at locks that are taken, so many times and so far up. */
const MOST_UNWOUND = 2000, FRAMES = 8

export class AccessLog implements AccessListener {
  readonly #kernel: Kernel
  readonly #nextOrder: () => number
  readonly #words = new Map<number, Word>()
  readonly #places = new Map<number, CodeLocation>()
  /** By stretch. */
  readonly #first: SeenAccess[][] = []
  readonly #last: SeenAccess[][] = []
  readonly counts: number[] = []
  /** By word: who changed it last from 0, as one takes a lock, if it is not 0 again. */
  readonly #takers = new Map<number, { readonly task: Task, readonly place: string | undefined }>()
  /** Callers were looked for so many times. */
  #unwound = 0
  #pending: { readonly access: SeenAccess, readonly task: Task, readonly place: string | undefined } | undefined
  stretch = 0

  constructor(kernel: Kernel, nextOrder: () => number) {
    this.#kernel = kernel
    this.#nextOrder = nextOrder
  }

  #value(task: Task, address: number, size: number): number | undefined {
    if (size > 8) return undefined
    const bytes = peekBytes(this.#kernel.memory, task.mm, address, size)
    if (bytes.length < size) return undefined
    let value = 0
    for (let i = size - 1; i >= 0; i--) value = value * 256 + bytes[i]
    return value
  }

  /** Whose line an access is on behalf of: of the C library, that of who called. */
  #callerAt(task: Task, rip: number): string | undefined {
    if (this.#unwound++ >= MOST_UNWOUND) return undefined
    // The engine keeps registers in memory, but for rip, while it executes an instruction that is watched.
    const registers = [...frameRegisters(this.#kernel.memory.u8.slice(CPU_STATE, CPU_STATE + CPU_STATE_SIZE))]
    registers[FRAME_RIP] = rip
    const frames = unwind(this.#kernel, task, registers, FRAMES)
    return placeText(frames.slice(Math.max(0, frames.findIndex(({ file }) => file !== undefined))))
  }

  /** What was written last is in memory now. */
  settle(): void {
    if (this.#pending === undefined) return
    const { access, task, place } = this.#pending
    access.after = this.#value(task, access.word, access.size)
    if (access.kind === KIND_UPDATE && access.before === 0 && access.after !== 0) {
      this.#takers.set(access.word, { task, place })
      const word = this.#words.get(access.word)
      // The word of musl's mutexes is not their first (wait-graph.ts).
      if (word !== undefined && access.after === MUSL_LOCKED) word.name = dataText(symbolizeData(this.#kernel, task, access.word - MUSL_LOCK))
    }
    if (access.after === 0) this.#takers.delete(access.word)
    this.#pending = undefined
  }

  access(task: Task, _page: WatchedPage, address: number, size: number, kind: AccessKind, rip: number): void {
    this.settle()
    let word = this.#words.get(address)
    if (word === undefined) this.#words.set(address, word = { tasks: new Set(), written: false, isLock: false, name: undefined })
    word.tasks.add(task.index)
    word.written ||= writesMemory(kind)
    word.isLock ||= kind === KIND_UPDATE
    // Names are found while the program is there.
    if (word.tasks.size > 1) word.name ??= dataText(symbolizeData(this.#kernel, task, address))
    if (!this.#places.has(rip)) this.#places.set(rip, symbolize(this.#kernel, task, rip))
    const seen: SeenAccess = {
      order: this.#nextOrder(), stretch: this.stretch, task: task.index, word: address, size, kind, rip, before: readsMemory(kind) ? this.#value(task, address, size) : undefined, after: undefined,
    }
    if (writesMemory(kind)) this.#pending = { access: seen, task, place: kind === KIND_UPDATE && seen.before === 0 ? this.#callerAt(task, rip) : undefined }
    const first = this.#first[this.stretch] ??= []
    this.counts[this.stretch] = (this.counts[this.stretch] ?? 0) + 1
    if (first.length < KEPT) {
      first.push(seen)
      return
    }
    const last = this.#last[this.stretch] ??= []
    last.push(seen)
    if (last.length >= 2 * KEPT) last.splice(0, KEPT)
  }

  of(stretch: number): readonly SeenAccess[] { return [...this.#first.at(stretch) ?? [], ...(this.#last.at(stretch) ?? []).slice(-KEPT)] }
  /** Where the last access of a stretch was made, if that came after `order`. */
  lastIn(stretch: number, order: number): CodeLocation | undefined {
    const last = (this.#last.at(stretch) ?? this.#first.at(stretch))?.at(-1)
    return stretch < this.counts.length && last !== undefined && last.order > order ? this.#places.get(last.rip) : undefined
  }

  place(rip: number): CodeLocation | undefined { return this.#places.get(rip) }
  /** Who has a lock, and where that was taken. */
  takerOf(word: number): { readonly task: Task, readonly place: string | undefined } | undefined { return this.#takers.get(word) }
  nameOf(word: number): string { return this.#words.get(word)?.name ?? `0x${word.toString(16)}` }
  isLock(word: number): boolean { return this.#words.get(word)?.isLock === true }

  /**
   * The variables about which a preemption mattered: its task accessed them shortly before or after it was away, and others in between,
   * somebody wrote; those of the program's own source come first, and locks last.
   * @param tasks by stretch: whose it is
   */
  variables(tasks: readonly number[], preempted: readonly number[]): number[] {
    const scores = new Map<number, number>()
    for (const at of preempted) {
      const back = tasks.findIndex((task, i) => i > at && task === tasks[at])
      const before = this.of(at).slice(-NEAR)
      const after = back < 0 ? [] : this.of(back).slice(0, NEAR)
      const between = tasks.flatMap((_, i) => i > at && (back < 0 || i < back) ? this.of(i) : [])
      const others = new Map<number, boolean>()
      for (const { word, kind } of between) others.set(word, (others.get(word) ?? false) || kind !== KIND_READ)
      const mine = new Map<number, { writes: boolean, sides: number }>()
      for (const [side, accesses] of [[1, before], [2, after]] as const) {
        for (const { word, kind } of accesses) {
          const known = mine.get(word) ?? { writes: false, sides: 0 }
          mine.set(word, { writes: known.writes || kind !== KIND_READ, sides: known.sides | side })
        }
      }
      for (const [word, { writes, sides }] of mine) {
        const written = others.get(word)
        if (written === undefined || !(written || writes)) continue
        const hasSource = [...before, ...after, ...between].some((access) => access.word === word && this.#places.get(access.rip)?.file !== undefined)
        const score = (hasSource ? 4 : 0) + (this.isLock(word) ? 0 : 3) + (sides === 3 ? 1 : 0)
        scores.set(word, Math.max(score, scores.get(word) ?? 0))
      }
    }
    const best = Math.max(0, ...scores.values())
    // Where the program's own variables explain it, locks and the library's words would only distract.
    return [...scores].filter(([, score]) => score >= best - 2).sort(([a, x], [b, y]) => y - x || a - b).slice(0, MOST_VARIABLES).map(([word]) => word)
  }
}
