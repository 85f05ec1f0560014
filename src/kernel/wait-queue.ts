/**
 * Blocking without closures.
 *
 * A system call that can't go on yet returns `block(…)`: the task leaves the runqueue and is listed in one or more wait
 * queues. Waking it makes it runnable; when a virtual CPU takes it next, the same handler runs again from its start
 * with the same arguments, and finds what it must remember between tries in `task.syscall.memory`.
 *
 * Who waits for what only one can have (bytes of a pipe, room in it) may wait exclusively: a wake-up is for one of those, who must see to it
 * that the next is woken if something is left (`Kernel.wakeNext`). Otherwise many would be woken for each byte.
 * Invariant: a task is in `queue.tids` or in `queue.exclusive` exactly if `queue` is in `task.blockedOn`.
 */
import type { AsyncFile } from './fs/async-io.ts'
import type { EpollItem } from './fs/epoll.ts'

export interface WaitQueue {
  /** Tasks in the order in which they came. */
  readonly tids: number[]
  /** Those that wait exclusively: there once there were some. */
  exclusive?: number[]
  /** How often it was woken, whether or not somebody waited: edge-triggered epoll looks for changes of it. */
  wakes: number
  /** Descriptions whose owners want a signal (fs/async-io.ts): there only while there are some. */
  async?: AsyncFile[]
  /** Items of epoll sets that are told when it is woken (fs/epoll.ts): there only while there are some. */
  items?: Set<EpollItem>
}
/** The task waits no longer. */
export const leaveQueue = (queue: WaitQueue, tid: number): void => {
  const at = queue.tids.indexOf(tid)
  if (at >= 0) {
    queue.tids.splice(at, 1)
    return
  }
  const { exclusive } = queue
  const place = exclusive?.indexOf(tid) ?? -1
  if (place >= 0) exclusive?.splice(place, 1)
}

export const waitQueue = (): WaitQueue => ({ tids: [], wakes: 0 })

/** What a handler returns after `kernel.block`: not a result yet. */
export const BLOCKED = Number.MIN_SAFE_INTEGER
