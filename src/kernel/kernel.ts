/**
 * The kernel: services and the root of its state.
 *
 * Everything that makes up a world is in `state`, as plain data (objects, arrays, Maps, Sets, typed arrays, numbers,
 * strings; no closures, promises, generators or host handles), so that it can be hashed, copied and compared. What the
 * kernel does with it is in modules of functions that take the kernel first.
 */
import { NO_BREAKPOINTS } from '../emu/breakpoints.ts'
import { PAGE_SIZE } from '../emu/cpu/layout.ts'
import type { PhysicalMemory } from '../emu/memory.ts'
import type { Processor } from '../emu/processor.ts'
import type { PlanStep, WorldConfig } from './config.ts'
import type { Outside } from './outside.ts'
import type { KernelState } from './state.ts'
import { breakpointsOf } from './task/debug-registers.ts'
import type { Task } from './task/task.ts'
import type { AddressSpace } from './mm/address-space.ts'
import { ProcessMmu } from './mm/process-mmu.ts'
import type { UserMemory } from './mm/user-memory.ts'
import { forgetSpareCall } from './syscalls/call.ts'
import { tellOwners } from './fs/async-io.ts'
import { tellItems } from './fs/epoll.ts'
import { isSignalDue } from './signal/pending.ts'
import { arm, disarm } from './time/timer-queue.ts'
import { BLOCKED, leaveQueue, type WaitQueue } from './wait-queue.ts'
import type { MemoryWatch } from './watch/memory-watch.ts'
import type { OrderTracer } from './watch/tracer.ts'

/** Forgetting so many pages one by one costs less than looking for all others, and for code, again. */
const FEW_PAGES = 64

export class Kernel {
  /** Changes only when a world that was put back to a snapshot goes on under another one. */
  config: WorldConfig
  readonly memory: PhysicalMemory
  readonly processor: Processor
  readonly outside: Outside
  readonly state: KernelState
  readonly #mmus = new WeakMap<AddressSpace, ProcessMmu>()
  /** The address space that the processor has now. Not state: the world loop sets it anew when it differs. */
  loadedSpace: AddressSpace | undefined
  /** The task on whose behalf the kernel acts, or that the processor runs. Not state. */
  current: Task | undefined
  /** A page fault of the guest failed for lack of memory. Not state: handled before the guest goes on. */
  outOfFrames = false
  /** The task whose registers are in the processor; its `context` is out of date. Not state: `save` brings it up to date. */
  loadedTask: Task | undefined
  /** Of the strategy 'guided': chooses in place of the configuration's list; `lastOnly`: −1 if it is not the last. Not state. */
  guide: ((kernel: Kernel, tids: readonly number[], count: number, lastOnly: boolean) => number) | undefined
  /** Asked for more steps when those of the configuration's plan are taken: undefined ends it. Not state: what it answers becomes part of the configuration. */
  morePlan: (() => readonly PlanStep[] | undefined) | undefined
  /** The task gave up the rest of its slice (sched_yield). Not state: handled at the end of the system call. */
  yielded = false
  /** Another task could run beside the one that does. Not state: found out when a slice begins. */
  isContended = false
  /** Watches memory accesses. Not state: nothing that the world does depends on it. */
  watch: MemoryWatch | undefined
  /** Told of what orders tasks. Not state. */
  readonly tracers: OrderTracer[] = []

  constructor(config: WorldConfig, memory: PhysicalMemory, processor: Processor, outside: Outside, state: KernelState) {
    this.config = config
    this.memory = memory
    this.processor = processor
    this.outside = outside
    this.state = state
  }

  /** Virtual time in cycles, never going back: what clocks read. */
  get now(): number { return this.state.now }

  /** What the processor and `UserMemory` ask for pages: made from the state, one for each address space. */
  mmu(space: AddressSpace): ProcessMmu {
    let mmu = this.#mmus.get(space)
    if (mmu === undefined) {
      mmu = new ProcessMmu(this, space)
      this.#mmus.set(space, mmu)
    }
    return mmu
  }

  /** Guest memory of a task. */
  user(task: Task): UserMemory { return this.mmu(task.mm).user }

  /** Makes the address space the processor's. */
  loadSpace(space: AddressSpace): void {
    if (this.loadedSpace === space) return
    this.loadedSpace = space
    this.processor.setMmu(this.mmu(space))
  }

  /** Puts the task's registers and address space into the processor. Registers of the one before are saved first. */
  load(task: Task): void {
    if (this.loadedTask !== task) {
      this.save()
      this.processor.cpu.load(task.context)
      this.loadedTask = task
      this.watch?.switched()
      this.setBreakpoints(task)
    }
    this.loadSpace(task.mm)
  }

  /** The loaded task's debug registers are in force. */
  setBreakpoints(task: Task): void {
    this.processor.setBreakpoints(task.debug === undefined ? NO_BREAKPOINTS : breakpointsOf(task.debug) ?? NO_BREAKPOINTS)
  }

  /** Brings the `context` of the loaded task up to date: before state is looked at from outside, or another task is loaded. */
  save(): void {
    if (this.loadedTask !== undefined) this.processor.cpu.saveInto(this.loadedTask.context)
  }

  /** The state was replaced from outside: nothing of it is in the processor. */
  forgetLoaded(): void {
    this.loadedTask = undefined
    this.loadedSpace = undefined
    this.current = undefined
    this.outOfFrames = false
    this.yielded = false
    forgetSpareCall()
  }

  /** The task is gone: its registers are not worth saving. */
  forget(task: Task): void {
    if (this.loadedTask === task) this.loadedTask = undefined
  }

  /** A page of the space changed: the processor must not use what it remembers of it. */
  flushPage(space: AddressSpace, page: number): void {
    if (this.loadedSpace === space) this.processor.flushPage(page)
  }

  /** A range of the space changed: if it is small, what is known of other pages and of code stays. Of unmapping and protecting. */
  flushRange(space: AddressSpace, start: number, end: number): void {
    if (end - start > FEW_PAGES * PAGE_SIZE) {
      this.flushSpace(space)
      return
    }
    this.watch?.flushed(space)
    if (this.loadedSpace === space) this.processor.flushPages(start / PAGE_SIZE, end / PAGE_SIZE)
  }

  /** All its pages may be shared now: they can't be written directly any more. */
  flushWrites(space: AddressSpace): void {
    this.watch?.flushed(space)
    if (this.loadedSpace === space) this.processor.forgetData()
  }

  /** Many pages of the space changed. */
  flushSpace(space: AddressSpace): void {
    this.watch?.flushed(space)
    if (this.loadedSpace === space) this.processor.flushTlb()
  }

  /** A signal that would act on the task waits: what blocks must come back with EINTR or one of the ERESTART codes. */
  interrupted(task: Task): boolean { return task.signalDue && (isSignalDue(task) || task.group.stopSignal !== 0 || (task.trace !== undefined && task.trace.queue.length > 0)) }

  /**
   * Puts the task to sleep on the queues until one is woken, `deadline` (a cycle) comes, or a signal is due.
   * The handler returns what this returns; it runs again from its start when the task wakes. A handler that may be
   * interrupted asks `interrupted` before it blocks, as Linux's wait loops do.
   */
  block(task: Task, queues: readonly WaitQueue[], deadline = Infinity): typeof BLOCKED {
    task.state = 'blocked'
    arm(this.state.timers, task.sleep, deadline)
    task.wokenBy = undefined
    for (const queue of queues) {
      queue.tids.push(task.tid)
      task.blockedOn.push(queue)
    }
    return BLOCKED
  }

  /** As `block`, for what only one can have (wait-queue.ts). */
  blockExclusively(task: Task, queue: WaitQueue): typeof BLOCKED {
    this.block(task, [])
    queue.exclusive ??= []
    queue.exclusive.push(task.tid)
    task.blockedOn.push(queue)
    return BLOCKED
  }

  /** Of those that wait exclusively, wakes the one that has waited longest. */
  wakeNext({ exclusive }: WaitQueue): void {
    const task = exclusive === undefined || exclusive.length === 0 ? undefined : this.state.tasks.get(exclusive[0])
    if (task !== undefined) this.wakeTask(task, 'event')
  }

  /** For what all are concerned by, as that there will be nothing more. */
  wakeAll(queue: WaitQueue): void {
    this.wake(queue)
    while (queue.exclusive !== undefined && queue.exclusive.length > 0) this.wakeNext(queue)
  }

  /** Wakes up to `count` tasks of the queue, the longest waiting first, and one of those that wait exclusively; returns how many of the former. */
  wake(queue: WaitQueue, count = Infinity): number {
    let woken = 0
    queue.wakes++
    if (queue.async !== undefined) tellOwners(this, queue)
    if (queue.items !== undefined) tellItems(this, queue.items)
    while (woken < count && queue.tids.length > 0) {
      const task = this.state.tasks.get(queue.tids[0])
      if (task === undefined) throw new Error(`wait queue lists task ${queue.tids[0]}, which is gone`)
      this.wakeTask(task, 'event')
      woken++
    }
    if (queue.exclusive !== undefined) this.wakeNext(queue)
    return woken
  }

  wakeTask(task: Task, by: 'event' | 'timeout' | 'signal'): void {
    if (task.state !== 'blocked') return
    for (const queue of task.blockedOn) leaveQueue(queue, task.tid)
    task.blockedOn.length = 0
    disarm(this.state.timers, task.sleep)
    task.wokenBy = by
    for (const tracer of this.tracers) tracer.woke?.(this.current, task)
    task.uninterruptible = false
    this.makeRunnable(task)
  }
  makeRunnable(task: Task): void {
    task.state = 'runnable'
    task.readyAt = this.state.cycle
    this.state.runqueue.push(task.tid)
  }
}
