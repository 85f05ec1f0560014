/**
 * Which memory tasks compete for: what more than one of them accessed in a schedule, one of them writing. Strategies that choose at
 * accesses do so there, and not at all the others, which nobody can tell the order of.
 */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { type AccessKind, KIND_READ } from '../../emu/watch.ts'
import type { Task } from '../../kernel/task/task.ts'
import type { AccessListener, WatchedPage } from '../../kernel/watch/memory-watch.ts'

interface Eight {
  /** `Task.index` of who was there first, and how many tasks there were when it last was. */
  task: number
  tasks: number
  isShared: boolean
  isWritten: boolean
  /** Virtual addresses in eights; nearly always one. */
  readonly addresses: Set<number>
}

const EIGHTS = PAGE_SIZE / 8

export class ConflictFinder implements AccessListener {
  readonly #eights = new Map<number, Eight>()
  /** All that were found since it was made. */
  readonly #found = new Set<number>()

  /** By `Task.index`: who made the task. */
  readonly #makers = new Map<number, number>()
  #tasks = 0

  /** The last task that all schedules have. */
  #common = 0

  /** Schedules begin here. */
  forked(): void { this.#common = this.#tasks }

  /** Another schedule begins: what was accessed before is of another world. */
  begin(): void {
    this.#eights.clear()
    for (const task of this.#makers.keys()) if (task > this.#common) this.#makers.delete(task)
    this.#tasks = this.#common
  }

  started(maker: Task, task: Task): void {
    this.#makers.set(task.index, maker.index)
    this.#tasks = task.index
  }

  access(task: Task, page: WatchedPage, address: number, size: number, kind: AccessKind): void {
    const last = Math.floor((address + size - 1) / 8)
    for (let eight = Math.floor(address / 8); eight <= last; eight++) {
      const key = page.id * EIGHTS + eight % EIGHTS
      let known = this.#eights.get(key)
      if (known === undefined) {
        known = { task: task.index, tasks: this.#tasks, isShared: false, isWritten: false, addresses: new Set() }
        this.#eights.set(key, known)
      }
      known.addresses.add(eight)
      if (kind !== KIND_READ) known.isWritten = true
      if (known.task === task.index) known.tasks = this.#tasks
      // What a task did before it made this one is always before what this one does.
      else if (!known.isShared && known.tasks < task.index && this.#makers.get(task.index) === known.task) this.#handOver(known, task, kind)
      else known.isShared = true
      if (known.isShared && known.isWritten) for (const found of known.addresses) this.#found.add(found)
    }
  }

  #handOver(eight: Eight, task: Task, kind: AccessKind): void {
    eight.task = task.index
    eight.tasks = this.#tasks
    eight.isWritten = kind !== KIND_READ
  }

  /** Addresses in eights. */
  get found(): readonly number[] { return [...this.#found].sort((a, b) => a - b) }
}
