/**
 * Use of the stack of a thread that has ended: by a pointer to one of its local variables, say. The stack is what was below the stack
 * pointer that the thread started with, in memory mapped for it; it is dead until it is unmapped, another thread starts on it, or a task
 * that knows of the end writes to it.
 */
import { CPU_STATE, GPR, PAGE_SIZE, RSP } from '../../emu/cpu/layout.ts'
import { type AccessKind, KIND_READ } from '../../emu/watch.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { type AddressSpace, VMA_GROWSDOWN } from '../../kernel/mm/address-space.ts'
import { findVma } from '../../kernel/mm/vma.ts'
import type { Task } from '../../kernel/task/task.ts'
import type { AccessListener, Ordering, WatchedPage } from '../../kernel/watch/memory-watch.ts'
import type { OrderTracer } from '../../kernel/watch/tracer.ts'
import { locationText } from '../symbols.ts'
import type { Finding } from './finding.ts'
import { frameLines, framesAt } from './frames.ts'

/** Above the stack are the thread's descriptor and its static TLS, which others use; more than this above is no stack mapped for a thread. */
const MOST_ABOVE = 1 << 16
const MOST_FINDINGS = 100

interface Stack { readonly tid: number, readonly name: string, readonly spaceId: number, readonly start: number, readonly end: number }
interface DeadStack extends Stack { readonly index: number, readonly clock: number }

export class DeadStacks implements AccessListener, OrderTracer {
  readonly #kernel: Kernel
  readonly #order: Ordering
  /** By `Task.index`. */
  readonly #living = new Map<number, Stack>()
  #dead: DeadStack[] = []
  readonly #found = new Map<string, Finding>()

  /** @param order told of ends of tasks before this is */
  constructor(kernel: Kernel, order: Ordering) {
    this.#kernel = kernel
    this.#order = order
    kernel.save()
    // Of those that have run already, what is above is not known: it counts as theirs no more.
    for (const task of kernel.state.tasks.values()) if (task.tid !== task.group.tgid) this.#note(task)
  }

  /** Whether an address is in the stack of a thread, or of a process. */
  isStack(space: AddressSpace, address: number): boolean {
    const holds = ({ spaceId, start, end }: Stack): boolean => spaceId === space.id && address >= start && address < end
    for (const stack of this.#living.values()) if (holds(stack)) return true
    return this.#dead.some(holds) || ((findVma(space, address)?.flags ?? 0) & VMA_GROWSDOWN) !== 0
  }

  get findings(): Finding[] { return [...this.#found.values()] }

  taskStarted(parent: Task, child: Task): void {
    // Not of vfork and the like, which run on a part of their parent's.
    if (child.group === parent.group) this.#note(child)
  }

  #note(child: Task): void {
    const view = new DataView(child.context.buffer, child.context.byteOffset)
    const at = GPR + RSP * 8 - CPU_STATE
    const end = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true)
    this.#dead = this.#dead.filter((stack) => stack.spaceId !== child.mm.id || end <= stack.start || end > stack.end)
    const vma = findVma(child.mm, end - 1)
    if (vma === undefined || vma.backing !== undefined || vma.name !== '' || (vma.flags & VMA_GROWSDOWN) !== 0 || vma.end - end > MOST_ABOVE) return
    this.#living.set(child.index, { tid: child.tid, name: child.name, spaceId: child.mm.id, start: vma.start, end })
  }

  taskEnds(task: Task): void {
    const stack = this.#living.get(task.index)
    this.#living.delete(task.index)
    if (stack === undefined || task.mm.id !== stack.spaceId || task.mm.users < 2) return
    // Its clock advanced when the end was told to others, once or twice.
    this.#dead.push({ ...stack, index: task.index, clock: this.#order.clock(task) - (task.clearChildTid === 0 ? 1 : 2) })
    this.#kernel.watch?.see(stack.spaceId, stack.start, stack.end)
  }

  unmapped(space: AddressSpace, start: number, end: number): void {
    this.#dead = this.#dead.filter((stack) => stack.spaceId !== space.id || end <= stack.start || start >= stack.end)
  }

  access(task: Task, _page: WatchedPage, address: number, size: number, kind: AccessKind, rip: number): void {
    if (this.#dead.length === 0) return
    const stack = this.#dead.find(({ spaceId, start, end }) => spaceId === task.mm.id && address < end && address + size > start)
    if (stack === undefined) return
    if (kind !== KIND_READ && this.#order.isBefore(stack.index, stack.clock, task)) {
      // Whoever knows that the thread has ended may use the memory for something else, if it is the program's own.
      this.#dead = this.#dead.filter((other) => other !== stack)
      return
    }
    if (this.#found.size >= MOST_FINDINGS) return
    const frames = framesAt(this.#kernel, task, rip)
    const line = `use of the stack of a thread that has ended: ${locationText(frames[0])}`
    if (this.#found.has(line)) return
    this.#found.set(line, { line, details: [
      line, `  ${kind === KIND_READ ? 'read' : 'write'} of ${size} byte${size === 1 ? '' : 's'} at 0x${address.toString(16)} by task ${task.tid}`, ...frameLines(frames),
      `  the stack was that of task ${stack.tid}, 0x${stack.start.toString(16)} to 0x${stack.end.toString(16)} (page ${Math.floor((stack.end - address) / PAGE_SIZE)} from its top)`,
    ] })
  }
}
