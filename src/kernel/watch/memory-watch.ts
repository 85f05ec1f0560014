/**
 * Which pages are watched, and who is told of accesses to them (see src/emu/watch.ts). Not state: what the world does is the
 * same whether it is watched or not, unless the strategy stops tasks at their accesses, which makes the configuration say so.
 *
 * Memory that one task alone can reach is not watched: private memory of a process that never had a second task, and what can't
 * be written. Of the rest a page is *shared* from when a second task touches it, and each access to it is seen from then on. Those of
 * the first task before were not: the page is noted in `contested`. As worlds repeat, whoever needs them runs the world again with
 * these pages in `always`.
 *
 * A detector that knows what orders tasks needs fewer: a page belongs to the task that touches it first, and goes over to another one
 * unseen if all that its owner did with it is ordered before. Otherwise it is *seen* from then on, and noted in `missed`. What tasks are
 * stopped at depends on what is shared alone, so that worlds are the same with and without detectors.
 */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { type AccessKind, type AccessWatcher, KIND_UPDATE } from '../../emu/watch.ts'
import { PROT_WRITE } from '../abi/mman.ts'
import type { Kernel } from '../kernel.ts'
import { type AddressSpace, VMA_SHARED, type Vma } from '../mm/address-space.ts'
import { findVma } from '../mm/vma.ts'
import type { Task } from '../task/task.ts'
import type { CodeRules } from './choice-code.ts'
import type { TaskStores } from './store-buffers.ts'

/** A page that several tasks can reach: private memory by address space and page, shared memory by what is behind it. */
export interface WatchedPage {
  /** Counts from 1. */
  readonly id: number
  /** Where it was first seen. */
  readonly page: number
  /** Of one address space: nobody maps it elsewhere. */
  readonly isPrivate: boolean
  /** `Task.index` of the first that touched it, and one; 0: none yet. */
  toucher: number
  shared: boolean
  /** For detectors: the task that has it for itself, in the same way. */
  owner: number
  /** The owner's clock (`Ordering.clock`) when it last asked for the page. */
  since: number
  seen: boolean
}

/** Told of each access to watched memory, in the order in which they happen. */
export interface AccessListener {
  access(task: Task, page: WatchedPage, address: number, size: number, kind: AccessKind, rip: number, cycle: number): void
}

/** What a detector knows of the order of events. */
export interface Ordering {
  /** Advances with each thing that others may be ordered after; `newEpoch` is called then. */
  clock(task: Task): number
  /** Whether all that the task of index `owner` did up to its clock `since` is before what `task` does now. */
  isBefore(owner: number, since: number, task: Task): boolean
}

/** What a task is about to do, having been stopped before it. Plain data. */
export type Pending =
  | { readonly kind: 'access', readonly access: AccessKind, readonly address: number, readonly size: number, readonly rip: number }
  /** Its SYSCALL instruction was executed, the call was not made yet. */
  | { readonly kind: 'syscall', readonly number: number, readonly args: readonly [number, number, number], readonly rip: number }

export interface WatchOptions {
  /** Virtual page numbers that are watched from their first access on, in any address space. */
  readonly always?: ReadonlySet<number>
  /** Every page that several tasks can reach is watched from its first access on. */
  readonly everything?: boolean
  /** As `everything`, but for stacks and shared mappings, of which a task may have two, so that it sees its own stores at both places. */
  readonly allButStacks?: boolean
  /** Memory has store buffers. */
  readonly buffers?: TaskStores
}

/** What a watch knows, as plain data: for snapshots. */
export interface WatchMemory {
  readonly lastId: number
  readonly many: ReadonlySet<number>
  readonly pages: ReadonlyMap<string, ReadonlyMap<number, WatchedPage>>
  readonly contested: ReadonlySet<number>
}

const copyPages = (pages: ReadonlyMap<string, ReadonlyMap<number, WatchedPage>>): Map<string, Map<number, WatchedPage>> =>
  new Map([...pages].map(([key, known]) => [key, new Map([...known].map(([index, page]) => [index, { ...page }]))]))

export class MemoryWatch implements AccessWatcher {
  readonly #kernel: Kernel
  readonly #always: Set<number>
  readonly #allButStacks: boolean
  /** Each page that several tasks can reach is seen from its first access on. Where tasks are stopped does not change if `stopsAt` is set. */
  everything: boolean
  readonly #listeners: AccessListener[] = []
  #ordering: (AccessListener & Ordering) | undefined
  /** Pages that are seen from their first access on, for the detector. */
  #detected: ReadonlySet<number> = new Set()
  #detectsAll = false
  /** Ranges that the detector wants to see. */
  readonly #ranges: { readonly spaceId: number, readonly start: number, readonly end: number }[] = []
  /** Pages of which the detector did not see all that it needs. */
  readonly missed = new Set<number>()
  readonly buffers: TaskStores | undefined
  /** Tasks that compete are stopped before each access to shared memory and each system call (strategies that choose there). */
  stops = false
  /** Only at accesses to these addresses, in eights; undefined: at all. */
  stopsAt: ReadonlySet<number> | undefined
  /** Code in which they are stopped less. */
  code: CodeRules | undefined
  /** Asks the strategy. */
  goesOn: (task: Task) => boolean = () => false
  /** Pages whose first owner's accesses were not seen. */
  contested = new Set<number>()
  /** Ids of address spaces that have or had more than one task. */
  #many = new Set<number>()
  /** By address space ('s', id), shared memory ('m', id) or file ('f', device, inode), by page within it. */
  #pages = new Map<string, Map<number, WatchedPage>>()
  #lastId = 0
  /** By space, by page of it: what was found there, until mappings change. undefined: nobody else reaches it. */
  readonly #links = new Map<number, Map<number, WatchedPage>>()
  /** Pages are in the TLB because their owner asked. */
  #hasFilled = false
  /** The task may do what it was stopped at. */
  #granted = false

  constructor(kernel: Kernel, options: WatchOptions = {}) {
    this.#kernel = kernel
    for (const { mm } of kernel.state.tasks.values()) if (mm.users > 1) this.#many.add(mm.id)
    this.#always = new Set(options.always)
    this.everything = options.everything === true
    this.#allButStacks = options.allButStacks === true
    this.buffers = options.buffers
  }

  /** These pages too are watched from their first access on. */
  watchAlways(pages: ReadonlySet<number>): void { for (const page of pages) this.#always.add(page) }

  listen(listener: AccessListener): void { this.#listeners.push(listener) }
  unlisten(listener: AccessListener): void {
    const at = this.#listeners.indexOf(listener)
    if (at >= 0) this.#listeners.splice(at, 1)
  }

  /** A detector begins with the world as it is; undefined: it has ended. @param pages to be seen from their first access on */
  detect(detector: (AccessListener & Ordering) | undefined, pages: ReadonlySet<number> | 'all'): void {
    if (this.#ordering !== undefined) this.unlisten(this.#ordering)
    this.#ordering = detector
    this.#detectsAll = pages === 'all'
    this.#detected = pages === 'all' ? new Set() : pages
    this.missed.clear()
    this.#ranges.length = 0
    this.#links.clear()
    for (const known of this.#pages.values()) {
      for (const page of known.values()) {
        page.owner = 0
        page.since = 0
        page.seen = false
      }
    }
    if (detector !== undefined) this.#listeners.push(detector)
    this.#kernel.processor.forgetData()
  }

  /** For the detector: accesses to a range are seen from now on. */
  see(spaceId: number, start: number, end: number): void {
    this.#ranges.push({ spaceId, start, end })
    this.#kernel.processor.forgetData()
  }

  save(): WatchMemory {
    return { lastId: this.#lastId, many: new Set(this.#many), pages: copyPages(this.#pages), contested: new Set(this.contested) }
  }

  load(memory: WatchMemory): void {
    this.#lastId = memory.lastId
    this.#many = new Set(memory.many)
    this.#pages = copyPages(memory.pages)
    this.contested = new Set(memory.contested)
    this.#links.clear()
    this.#granted = false
    this.#hasFilled = false
    this.#kernel.processor.forgetData()
  }

  // ——— Told by the kernel ———

  /** A task was made. */
  taskStarted(parent: Task, child: Task): void {
    if (parent.mm !== child.mm) return
    this.#many.add(child.mm.id)
    this.#kernel.processor.forgetData()
  }

  /** Another task's registers were loaded: what belongs to the one before must be asked for. */
  switched(): void { this.newEpoch() }

  /** The clock of the task that runs advances (`Ordering`): its pages must be asked for again. */
  newEpoch(): void {
    if (!this.#hasFilled) return
    this.#hasFilled = false
    this.#kernel.processor.forgetData()
  }

  /** Private pages of a range are gone: what comes in their place is new. */
  unmapped(space: AddressSpace, start: number, end: number): void {
    const pages = this.#pages.get(`s${space.id}`)
    if (pages === undefined) return
    if ((end - start) / PAGE_SIZE > pages.size) {
      for (const page of pages.keys()) if (page * PAGE_SIZE >= start && page * PAGE_SIZE < end) pages.delete(page)
    } else {
      for (let page = start / PAGE_SIZE; page * PAGE_SIZE < end; page++) pages.delete(page)
    }
  }

  /** Mappings of the space changed. */
  flushed(space: AddressSpace): void { this.#links.delete(space.id) }

  /** The task goes on: with what it was stopped at, if it was. */
  grant(task: Task): void {
    this.#granted = task.nextAction?.kind === 'access'
    task.nextAction = undefined
  }

  // ——— Asked by the processor ———

  watches(page: number, isWrite: boolean): boolean {
    void isWrite
    const kernel = this.#kernel
    const { loadedSpace: space, current: task } = kernel
    if (space === undefined || task === undefined) return false
    const known = this.#pageOf(space, page)
    if (known === undefined) return false
    const me = task.index + 1
    if (!known.shared) {
      if (this.everything || this.#always.has(page) || (known.toucher === 0 && this.#allButStacks && known.isPrivate && !this.#isOwnStack(space, page))) {
        known.shared = true
      } else if (known.toucher === 0) {
        known.toucher = me
      } else if (known.toucher !== me) {
        known.shared = true
        this.contested.add(page)
        this.buffers?.drainSpace()
      }
    }
    const ordering = this.#ordering
    if (ordering !== undefined && !known.seen) {
      if (this.everything || this.#detectsAll || this.#detected.has(page) ||
          this.#ranges.some(({ spaceId, start, end }) => spaceId === space.id && page * PAGE_SIZE < end && (page + 1) * PAGE_SIZE > start)) {
        known.seen = true
      } else if (known.owner !== me && known.owner !== 0 && !ordering.isBefore(known.owner - 1, known.since, task)) {
        known.seen = true
        this.missed.add(page)
      } else {
        known.owner = me
        known.since = ordering.clock(task)
      }
    }
    if (known.seen || (known.shared && (this.stops || this.buffers !== undefined || ordering === undefined))) return true
    this.#hasFilled = true
    return false
  }

  access(address: number, size: number, kind: AccessKind, rip: number, position: number, first: boolean): boolean {
    const kernel = this.#kernel
    const { current: task, loadedSpace: space } = kernel
    if (task === undefined || space === undefined) throw new Error('an access by nobody')
    const start = Math.floor(address / PAGE_SIZE), last = Math.floor((address + size - 1) / PAGE_SIZE)
    const page = this.#pageOf(space, start) ?? this.#pageOf(space, last)
    const isShared = page?.shared === true || (start !== last && this.#pageOf(space, last)?.shared === true)
    if (first && this.stops && isShared && (this.stopsAt === undefined || touches(this.stopsAt, address, size)) && this.code?.stopsAtAccess(task, rip, kind) !== false) {
      if (!this.#granted && kernel.isContended) {
        task.nextAction = { kind: 'access', access: kind, address, size, rip }
        if (!this.goesOn(task)) return false
        task.nextAction = undefined
      }
      this.#granted = false
    }
    if (page === undefined) return true
    for (const listener of this.#listeners) listener.access(task, page, address, size, kind, rip, kernel.state.cycle + position)
    return true
  }

  /** The kernel reads or writes memory of the task that it acts for: whether a detector is to know, as of an access. */
  touches(page: number, isWrite: boolean): WatchedPage | undefined {
    const { loadedSpace: space } = this.#kernel
    return space !== undefined && this.watches(page, isWrite) ? this.#pageOf(space, page) : undefined
  }

  /** What a fence brings to memory others may see: a place to choose, like an access. */
  fence(rip: number, first: boolean): boolean {
    const { current: task, isContended } = this.#kernel
    if (!first || !this.stops || task === undefined) return true
    if (!this.#granted && isContended) {
      task.nextAction = { kind: 'access', access: KIND_UPDATE, address: 0, size: 0, rip }
      return false
    }
    this.#granted = false
    return true
  }

  // ——— Pages ———

  /** Whether the page is in the area that the stack pointer of the task that runs is in. */
  #isOwnStack(space: AddressSpace, page: number): boolean {
    const vma = findVma(space, page * PAGE_SIZE)
    return vma !== undefined && vma === findVma(space, this.#kernel.processor.cpu.rsp)
  }

  /** The page as several tasks may reach it; undefined if none but this one does, or nobody may write it. */
  #pageOf(space: AddressSpace, page: number): WatchedPage | undefined {
    let links = this.#links.get(space.id)
    const known = links?.get(page)
    if (known !== undefined) return known
    const vma = findVma(space, page * PAGE_SIZE)
    if (vma === undefined) return undefined
    const isShared = (vma.flags & VMA_SHARED) !== 0
    if (!isShared && (!this.#many.has(space.id) || (vma.prot & PROT_WRITE) === 0)) return undefined
    const found = isShared ? this.#find(keyOf(vma), (vma.offset + page * PAGE_SIZE - vma.start) / PAGE_SIZE, page) : this.#find(`s${space.id}`, page, page)
    if (links === undefined) {
      links = new Map()
      this.#links.set(space.id, links)
    }
    links.set(page, found)
    return found
  }

  #find(key: string, index: number, page: number): WatchedPage {
    let pages = this.#pages.get(key)
    if (pages === undefined) {
      pages = new Map()
      this.#pages.set(key, pages)
    }
    let found = pages.get(index)
    if (found === undefined) {
      found = { id: ++this.#lastId, page, isPrivate: key.startsWith('s'), toucher: 0, shared: false, owner: 0, since: 0, seen: false }
      pages.set(index, found)
    }
    return found
  }

  /** For what the kernel itself does with memory, and for detectors: the page of an address of a task. */
  pageAt(space: AddressSpace, address: number): WatchedPage | undefined { return this.#pageOf(space, Math.floor(address / PAGE_SIZE)) }
}

const touches = (eights: ReadonlySet<number>, address: number, size: number): boolean => {
  const last = Math.floor((address + size - 1) / 8)
  for (let eight = Math.floor(address / 8); eight <= last; eight++) if (eights.has(eight)) return true
  return false
}

const keyOf = ({ backing }: Vma): string =>
  backing === undefined ? 'none' : backing.kind === 'shared-memory' ? `m${backing.id}` : `f${backing.superblock.dev}:${backing.ino}`

/** Begins to watch a world. */
export const watchMemory = (kernel: Kernel, options?: WatchOptions): MemoryWatch => {
  if (kernel.watch !== undefined) {
    kernel.watch.watchAlways(options?.always ?? new Set())
    return kernel.watch
  }
  const watch = new MemoryWatch(kernel, options)
  kernel.watch = watch
  kernel.processor.watch(watch)
  return watch
}
