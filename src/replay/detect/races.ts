/**
 * Data races: two accesses to the same bytes by different tasks, at least one of them a write, that nothing orders (order.ts).
 *
 * By the FastTrack idea (Flanagan and Freund, PLDI 2009) an access is remembered as the task and its clock at that time; it is before
 * another if that task knows as much. For each 8 bytes there are the last accesses, with a mask of the bytes that they are about, so
 * that neighbours are not taken for each other.
 *
 * Synchronisation variables do not race: whatever was accessed by a locked instruction or as a futex, at any time in the run. (A race
 * that was found on it before is dropped.) What a program does with plain loads and stores alone, though it means C11's acquire and
 * release, looks like a race, as in machine code it is the same.
 */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { DECODE_OK, Decoder } from '../../emu/decode/decoder.ts'
import { type AccessKind, KIND_READ, KIND_UPDATE, KIND_WRITE, readsMemory, writesMemory } from '../../emu/watch.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Task } from '../../kernel/task/task.ts'
import { type AccessListener, type WatchedPage, watchMemory } from '../../kernel/watch/memory-watch.ts'
import { peekBytes } from '../peek.ts'
import { join, knows, type VectorClock } from './clock.ts'
import { Order, type Release, type Thread } from './order.ts'

export interface RaceAccess {
  /** `Task.index`, and its number. */
  readonly task: number
  readonly tid: number
  readonly kind: AccessKind
  readonly address: number
  readonly size: number
  readonly rip: number
  /** Of the CPU, when it was made. */
  readonly cycle: number
}

export interface Race {
  readonly first: RaceAccess
  readonly second: RaceAccess
  /** The last release of the first task that the second knows of: the first access came after it. undefined: none, or long ago. */
  readonly known: Release | undefined
}

export const accessKey = (task: number, rip: number, cycle: number): string => `${task} ${rip} ${cycle}`
/** Races between the same two places in the code are one. */
export const pairKey = (rip: number, other: number): string => rip < other ? `${rip} ${other}` : `${other} ${rip}`

/** The last access of a task to some bytes of a word. */
interface Mark {
  readonly thread: Thread
  clock: number
  mask: number
  kind: AccessKind
  address: number
  size: number
  rip: number
  cycle: number
}

interface Word {
  readonly marks: Mark[]
  /** Bytes that are synchronisation variables; the clocks of the lower and of the upper four. */
  syncMask: number
  readonly clocks: [VectorClock | undefined, VectorClock | undefined]
}

interface Found { readonly race: Race, readonly word: Word, readonly mask: number }

/** read, pread64, recvfrom; write, pwrite64, sendto: the buffer is the second argument, and the result says how much of it. */
const FILLS_BUFFER: ReadonlySet<number> = new Set([0, 17, 45]), READS_BUFFER: ReadonlySet<number> = new Set([1, 18, 44])
const MOST_BUFFER = 1 << 16
const SYSCALL_LENGTH = 2
const FUTEX = 202, SET_TID_ADDRESS = 218
const FUTEX_COMMAND = 0x7f
/** Commands that only wait, by number: WAIT, WAIT_BITSET. All others tell somebody something. */
const FUTEX_WAITS: ReadonlySet<number> = new Set([0, 9])
/** Commands with a second word: REQUEUE, CMP_REQUEUE, WAKE_OP. */
const FUTEX_PAIRS: ReadonlySet<number> = new Set([3, 4, 5])
const ANY = -1
/** LOCK OR [rsp + …], imm8 of 32 and 64 bits, with and without displacement; MFENCE. */
const FENCES: readonly (readonly number[])[] = [
  [0xf0, 0x48, 0x83, 0x4c, 0x24, ANY, 0], [0xf0, 0x48, 0x83, 0x0c, 0x24, 0], [0xf0, 0x83, 0x4c, 0x24, ANY, 0], [0xf0, 0x83, 0x0c, 0x24, 0], [0x0f, 0xae, 0xf0],
]
/** Different pairs of places that are remembered. */
const MOST_RACES = 1000

export class RaceDetector extends Order implements AccessListener {
  readonly #pages = new Map<number, (Word | undefined)[]>()
  readonly #found = new Map<string, Found>()
  readonly #decoder = new Decoder()
  /** By address space, by rip of a store. */
  readonly #fenced = new Map<number, Map<number, boolean>>()
  /** Accesses to be told of when they come, by `accessKey`: those of an earlier run of the same world. */
  wanted: ReadonlySet<string> = new Set()
  onWanted: ((key: string, task: Task, rip: number) => void) | undefined
  /** What the program says are synchronisation variables, though it accesses them by plain loads and stores only. */
  isAtomic: ((task: Task, address: number) => boolean) | undefined
  /** Told of a race when its second access is about to be made, once for each pair of places. */
  onRace: ((race: Race, task: Task) => void) | undefined

  /**
   * Begins with the world as it is: what its tasks did before is taken to be ordered.
   * @param pages to be seen from their first access on
   */
  constructor(kernel: Kernel, pages: ReadonlySet<number> = new Set()) {
    super(kernel)
    watchMemory(kernel).detect(this, pages)
    kernel.tracers.push(this)
    for (const task of kernel.state.tasks.values()) if (task.clearChildTid !== 0) this.#futexWord(task, task.clearChildTid)
  }

  detach(): void {
    const { tracers, watch } = this.kernel
    watch?.detect(undefined, new Set())
    tracers.splice(tracers.indexOf(this), 1)
  }

  /** In the order in which they were found. Those of a run in which pages were contested (MemoryWatch) are not reliable. */
  get races(): Race[] { return [...this.#found.values()].filter(({ word, mask }) => (word.syncMask & mask) === 0).map(({ race }) => race) }

  #word(task: Task, page: WatchedPage, address: number): Word {
    let words = this.#pages.get(page.id)
    if (words === undefined) {
      words = []
      this.#pages.set(page.id, words)
    }
    const index = (address % PAGE_SIZE) >> 3
    while (words.length <= index) words.push(undefined)
    return words[index] ??= { marks: [], syncMask: this.#atomicBytes(task, address - address % 8), clocks: [undefined, undefined] }
  }

  #atomicBytes(task: Task, address: number): number {
    const { isAtomic } = this
    return isAtomic === undefined ? 0 : (isAtomic(task, address) ? 0x0f : 0) | (isAtomic(task, address + 4) ? 0xf0 : 0)
  }

  access(task: Task, page: WatchedPage, address: number, size: number, kind: AccessKind, rip: number, cycle: number): void {
    if (this.wanted.size > 0 && this.wanted.has(accessKey(task.index, rip, cycle))) this.onWanted?.(accessKey(task.index, rip, cycle), task, rip)
    const thread = this.thread(task)
    const within = address % 8
    // As most are: plain, within eight bytes, of no synchronisation variable.
    if (within + size <= 8 && kind !== KIND_UPDATE && (kind !== KIND_WRITE || !this.#isFenced(task, rip))) {
      const word = this.#word(task, page, address)
      const mask = ((1 << size) - 1) << within
      if ((word.syncMask & mask) === 0) {
        this.#plain(task, thread, word, mask, kind, address, size, rip, cycle)
        return
      }
    }
    let released = false
    for (let done = 0; done < size;) {
      const at = address + done
      const within = at % 8
      const count = Math.min(8 - within, size - done)
      done += count
      const here = Math.floor(at / PAGE_SIZE) === Math.floor(address / PAGE_SIZE) ? page : this.kernel.watch?.pageAt(task.mm, at)
      if (here === undefined) continue
      const word = this.#word(task, here, at)
      let mask = ((1 << count) - 1) << within
      if (kind === KIND_UPDATE || (kind === KIND_WRITE && this.#isFenced(task, rip))) word.syncMask |= mask
      const sync = mask & word.syncMask
      if (sync !== 0) {
        mask &= ~sync
        if (readsMemory(kind)) this.#acquireWord(thread, word, sync)
        if (writesMemory(kind)) {
          this.#releaseWord(thread, word, sync, kind !== KIND_UPDATE)
          released = true
        }
      }
      if (mask !== 0) this.#plain(task, thread, word, mask, kind, address, size, rip, cycle)
    }
    if (released) this.tick(thread, kind === KIND_UPDATE ? 'locked instruction' : 'store', address)
  }

  /**
   * Whether a store is followed by a fence, MFENCE or LOCK OR on the stack: that is how some compilers and musl store what C11 calls
   * sequentially consistent.
   */
  #isFenced(task: Task, rip: number): boolean {
    let known = this.#fenced.get(task.mm.id)
    if (known === undefined) {
      known = new Map()
      this.#fenced.set(task.mm.id, known)
    }
    let answer = known.get(rip)
    if (answer === undefined) {
      const code = peekBytes(this.kernel.memory, task.mm, rip, 15 + FENCES[0].length)
      const next = this.#decoder.decode(code, 0, code.length, rip) === DECODE_OK ? this.#decoder.instruction.length : code.length
      answer = FENCES.some((fence) => fence.every((byte, i) => byte === ANY || code[next + i] === byte))
      known.set(rip, answer)
    }
    return answer
  }

  #acquireWord(thread: Thread, word: Word, mask: number): void {
    const [low, high] = word.clocks
    if (low !== undefined && (mask & 0x0f) !== 0) join(thread.clock, low)
    if (high !== undefined && (mask & 0xf0) !== 0) join(thread.clock, high)
  }

  /** @param replaces a plain store: who reads it learns of what its task knew, not of what was there before */
  #releaseWord(thread: Thread, word: Word, mask: number, replaces: boolean): void {
    for (const half of [0, 1] as const) {
      if ((mask & (half === 0 ? 0x0f : 0xf0)) === 0) continue
      const known = word.clocks[half]
      if (known === undefined || replaces) word.clocks[half] = thread.clock.slice()
      else join(known, thread.clock)
    }
  }

  #plain(task: Task, thread: Thread, word: Word, mask: number, kind: AccessKind, address: number, size: number, rip: number, cycle: number): void {
    const { marks } = word
    const isWrite = writesMemory(kind)
    const clock = thread.clock[thread.index]
    // Again what was done last.
    if (marks.length === 1) {
      const [mark] = marks
      if (mark.thread === thread && mark.mask === mask && (mark.kind === kind || mark.kind !== KIND_READ)) {
        if (isWrite || mark.kind === KIND_READ) {
          mark.clock = clock
          mark.kind = kind
          mark.address = address
          mark.size = size
          mark.rip = rip
          mark.cycle = cycle
          return
        }
        // A read after a write of its own: others race with that as well.
        if (mark.clock === clock) return
      }
    }
    let kept = 0
    let own: Mark | undefined
    for (const mark of marks) {
      const common = mark.mask & mask
      if (common !== 0) {
        if (mark.thread !== thread && (isWrite || mark.kind !== KIND_READ) && !knows(thread.clock, mark.thread.index, mark.clock)) {
          this.#report(task, word, common, mark, { task: thread.index, tid: thread.tid, kind, address, size, rip, cycle })
        }
        // What is after this access is after what is before it: that need not be kept.
        const isCovered = isWrite || (mark.kind === KIND_READ && (mark.thread === thread || knows(thread.clock, mark.thread.index, mark.clock)))
        if (isCovered) mark.mask &= ~mask
        if (mark.mask === 0) {
          if (mark.thread === thread) own = mark
          continue
        }
      }
      marks[kept++] = mark
    }
    marks.length = kept
    if (own === undefined) {
      marks.push({ thread, clock, mask, kind, address, size, rip, cycle })
      return
    }
    own.clock = clock
    own.mask = mask
    own.kind = kind
    own.address = address
    own.size = size
    own.rip = rip
    own.cycle = cycle
    marks.push(own)
  }

  #report(task: Task, word: Word, mask: number, mark: Mark, second: RaceAccess): void {
    const key = pairKey(mark.rip, second.rip)
    if (this.#found.size >= MOST_RACES || this.#found.has(key)) return
    const { thread, kind, address, size, rip, cycle } = mark
    const seen = this.thread(task).clock[thread.index] ?? 0
    const race: Race = {
      first: { task: thread.index, tid: thread.tid, kind, address, size, rip, cycle }, second, known: thread.releases.find(({ time }) => time === seen),
    }
    this.#found.set(key, { race, word, mask })
    this.onRace?.(race, task)
  }

  // ——— Words that the kernel uses ———

  /** A word of four bytes is a synchronisation variable. */
  #futexWord(task: Task, address: number): Word | undefined {
    if (!(address > 0) || address % 4 !== 0) return undefined
    const page = this.kernel.watch?.pageAt(task.mm, address)
    if (page === undefined) return undefined
    const word = this.#word(task, page, address)
    word.syncMask |= 0x0f << (address % 8)
    return word
  }

  #useFutex(task: Task, address: number, wakes: boolean): void {
    const word = this.#futexWord(task, address)
    if (word === undefined) return
    const thread = this.thread(task)
    const mask = 0x0f << (address % 8)
    this.#acquireWord(thread, word, mask)
    if (!wakes) return
    this.#releaseWord(thread, word, mask, false)
    this.tick(thread, 'futex', address)
  }

  override taskStarted(parent: Task, child: Task): void {
    super.taskStarted(parent, child)
    if (child.clearChildTid !== 0) this.#futexWord(child, child.clearChildTid)
  }

  override taskEnds(task: Task): void {
    if (task.clearChildTid !== 0) this.#useFutex(task, task.clearChildTid, true)
    super.taskEnds(task)
  }

  override callEnded(task: Task, number: number, args: ArrayLike<number>, result: number): void {
    if (number === FUTEX) {
      const command = args[1] & FUTEX_COMMAND
      this.#useFutex(task, args[0], !FUTEX_WAITS.has(command))
      if (FUTEX_PAIRS.has(command)) this.#useFutex(task, args[4], true)
    } else if (number === SET_TID_ADDRESS) {
      this.#futexWord(task, args[0])
    }
    if (result > 0 && READS_BUFFER.has(number)) this.#buffer(task, args[1], result, KIND_READ)
    super.callEnded(task, number, args, result)
    if (result > 0 && FILLS_BUFFER.has(number)) this.#buffer(task, args[1], result, KIND_WRITE)
  }

  /** What a system call has read or written for the task, as if its instruction had. */
  #buffer(task: Task, address: number, length: number, kind: AccessKind): void {
    const { processor, state, watch } = this.kernel
    const rip = processor.cpu.rip - SYSCALL_LENGTH
    const end = address + Math.min(length, MOST_BUFFER)
    for (let at = address; at < end;) {
      const page = Math.floor(at / PAGE_SIZE)
      const next = Math.min(end, (page + 1) * PAGE_SIZE)
      const watched = watch?.touches(page, kind === KIND_WRITE)
      // In eights, as accesses are.
      if (watched !== undefined) {
        for (let eight = at; eight < next; eight += 8 - eight % 8) this.access(task, watched, eight, Math.min(8 - eight % 8, next - eight), kind, rip, state.cycle)
      }
      at = next
    }
  }
}

