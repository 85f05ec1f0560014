/**
 * Contexts of asynchronous I/O (io_setup(2)).
 *
 * All that is submitted is done at once, which Linux does with files in its page cache, too; what remains is to fetch the results.
 * A context is named by the address of a page of the program's, as on Linux: it goes with the address space.
 */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { PROT_READ, PROT_WRITE } from '../abi/mman.ts'
import type { Kernel } from '../kernel.ts'
import { VMA_DONTFORK, VMA_MAYREAD, VMA_MAYWRITE } from '../mm/address-space.ts'
import { findPlace, mapRegion, unmapRange } from '../mm/map.ts'
import type { Task } from '../task/task.ts'
import { waitQueue, type WaitQueue } from '../wait-queue.ts'

/** A result, as io_getevents gives it: guest words as they were passed. */
export interface AioEvent {
  readonly dataLow: number
  readonly dataHigh: number
  /** Address of the control block. */
  readonly block: number
  readonly result: number
}

export interface AioContext {
  readonly space: number
  readonly address: number
  /** Events that may be outstanding. */
  readonly capacity: number
  readonly events: AioEvent[]
  readonly ready: WaitQueue
}

/** /proc/sys/fs/aio-max-nr. */
export const AIO_MAX = 65_536

export const findContext = (kernel: Kernel, task: Task, address: number): AioContext | undefined =>
  kernel.state.fs.aio.find((context) => context.address === address && context.space === task.mm.id)

/** Contexts of programs that are gone. */
const dropDead = (kernel: Kernel): void => {
  const { aio } = kernel.state.fs
  const spaces = new Set<number>()
  for (const task of kernel.state.tasks.values()) spaces.add(task.mm.id)
  for (let index = aio.length - 1; index >= 0; index--) if (!spaces.has(aio[index].space)) aio.splice(index, 1)
}

/** Undefined: there is no room in the address space. */
export const makeContext = (kernel: Kernel, task: Task, capacity: number): AioContext | undefined => {
  dropDead(kernel)
  const address = findPlace(task.mm, PAGE_SIZE, 0)
  if (address === undefined) return undefined
  mapRegion(kernel, task.mm, {
    start: address, end: address + PAGE_SIZE, prot: PROT_READ | PROT_WRITE, flags: VMA_MAYREAD | VMA_MAYWRITE | VMA_DONTFORK, backing: undefined,
    offset: 0, name: '/[aio] (deleted)',
  })
  const context: AioContext = { space: task.mm.id, address, capacity, events: [], ready: waitQueue() }
  kernel.state.fs.aio.push(context)
  return context
}

/** Who waits for events finds that the context is gone. */
export const destroyContext = (kernel: Kernel, task: Task, context: AioContext): void => {
  const { aio } = kernel.state.fs
  aio.splice(aio.indexOf(context), 1)
  unmapRange(kernel, task.mm, context.address, context.address + PAGE_SIZE)
  kernel.wake(context.ready)
}
