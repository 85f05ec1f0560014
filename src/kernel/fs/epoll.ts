/**
 * epoll(7): a set of files of which to say which are ready.
 *
 * Files that tell of every change by their wait queues have the items in these (`WaitQueue.items`): a wake-up puts them on the ready list, and
 * only that is looked at, so that files that do nothing cost nothing. Items stay there while they are ready, and go to its end when they
 * were reported, so that all get their turn. Edge-triggered items compare how often their wait queues were woken.
 * Invariant: what is ready is in `ready`, but for items of `asked`; an item is in `queue.items` exactly if `queue` is in `item.queues`.
 */
import { EINVAL } from '../abi/errno.ts'
import { EPOLLET, EPOLLEXCLUSIVE, EPOLLONESHOT, EPOLLWAKEUP } from '../abi/epoll.ts'
import type { Kernel } from '../kernel.ts'
import { waitQueue, type WaitQueue } from '../wait-queue.ts'
import {
  type FileKind, type FileOperations, type OpenFile, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDBAND, POLLRDHUP, POLLRDNORM, POLLWRBAND, POLLWRNORM, stayingSeek,
} from './file.ts'
import { readiness, readinessQueues } from './readiness.ts'

export interface EpollItem {
  readonly epoll: Epoll
  readonly fd: number
  readonly file: OpenFile
  /** EPOLL* bits as given, a signed 32-bit number; without event bits once EPOLLONESHOT was used up. */
  events: number
  dataLow: number
  dataHigh: number
  /** Of an edge-triggered item: wake-ups of its queues when it was last looked at; −1: not yet. */
  seenWakes: number
  /** That tell it. */
  readonly queues: WaitQueue[]
}

export interface Epoll {
  readonly kind: 'epoll'
  /** By descriptor: more than one if it was of another file before, which is open still. */
  readonly items: Map<number, EpollItem[]>
  /** What may be ready, in the order in which it became so. */
  readonly ready: Set<EpollItem>
  /** Items that nobody tells. */
  readonly asked: Set<EpollItem>
  /** Woken when the set changes, and when items become ready. */
  readonly changed: WaitQueue
}

export const makeEpoll = (): Epoll => ({ kind: 'epoll', items: new Map(), ready: new Set(), asked: new Set(), changed: waitQueue() })
export const epollOf = (file: OpenFile): Epoll => file.data as Epoll

const FLAGS = EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET
const IN_EVENTS = POLLIN | POLLRDNORM | POLLRDBAND | POLLPRI | POLLRDHUP
const OUT_EVENTS = POLLOUT | POLLWRNORM | POLLWRBAND

/** Wake-ups that concern the item: of two queues the first is the reading side's (see FileOperations.queues). */
const wakesOf = (kernel: Kernel, item: EpollItem): number => {
  const queues = readinessQueues(kernel, item.file)
  if (queues.length === 2 && (item.events & OUT_EVENTS) === 0) return queues[0].wakes
  if (queues.length === 2 && (item.events & IN_EVENTS) === 0) return queues[1].wakes
  let sum = 0
  for (const queue of queues) sum += queue.wakes
  return sum
}

/** Events to report of an item, 0 if none. `consume`: they are being reported, so that an edge counts once. */
export const itemEvents = (kernel: Kernel, item: EpollItem, consume: boolean): number => {
  const wanted = item.events & ~FLAGS
  // Used up by EPOLLONESHOT.
  if (wanted === 0) return 0
  const found = readiness(kernel, item.file) & (wanted | POLLERR | POLLHUP)
  if ((item.events & EPOLLET) !== 0) {
    const wakes = wakesOf(kernel, item)
    if (wakes === item.seenWakes) return 0
    if (consume) item.seenWakes = wakes
  }
  if (found !== 0 && consume && (item.events & EPOLLONESHOT) !== 0) item.events &= FLAGS
  return found
}

/** What wakes who waits for the set: that of the set, and those of items that must be asked. */
export const epollQueues = (kernel: Kernel, epoll: Epoll): WaitQueue[] => {
  const queues = [epoll.changed]
  for (const item of epoll.asked) if ((item.events & ~FLAGS) !== 0) queues.push(...readinessQueues(kernel, item.file))
  return queues
}

/** A queue was woken: its items may be ready now. Of those with EPOLLEXCLUSIVE no more are told once one was that somebody waits for. */
export const tellItems = (kernel: Kernel, items: ReadonlySet<EpollItem>): void => {
  let isTaken = false
  for (const item of items) {
    // Used up by EPOLLONESHOT.
    if ((item.events & ~FLAGS) === 0) continue
    const { epoll, events } = item
    if ((events & EPOLLEXCLUSIVE) !== 0) {
      if (isTaken) continue
      isTaken = epoll.changed.tids.length > 0 && itemEvents(kernel, item, false) !== 0
    }
    epoll.ready.add(item)
    kernel.wake(epoll.changed)
  }
}

/** All that may be ready, those that must be asked included. */
export const readyItems = (kernel: Kernel, epoll: Epoll): ReadonlySet<EpollItem> => {
  for (const item of epoll.asked) if (itemEvents(kernel, item, false) !== 0) epoll.ready.add(item)
  return epoll.ready
}

/** Items were reported: they go to the end; edges are over. */
export const wereReported = (epoll: Epoll, items: readonly EpollItem[]): void => {
  for (const item of items) {
    epoll.ready.delete(item)
    if ((item.events & EPOLLET) === 0) epoll.ready.add(item)
  }
}

/** A set that is in another one adds to how deep they are nested. */
const depthOf = (epoll: Epoll): number => {
  let deepest = 0
  for (const { file } of epoll.asked) if (file.kind === 'epoll') deepest = Math.max(deepest, depthOf(epollOf(file)))
  return 1 + deepest
}

/** EP_MAX_NESTS: sets in sets, at most so deep. */
const NEST_LIMIT = 4
const holds = (epoll: Epoll, sought: Epoll): boolean => {
  if (epoll === sought) return true
  for (const { file } of epoll.asked) if (file.kind === 'epoll' && holds(epollOf(file), sought)) return true
  return false
}

/** Whether `inner` can't be put into `outer`: a loop, or too deep. */
export const wouldNestBadly = (outer: Epoll, inner: Epoll): boolean => holds(inner, outer) || depthOf(inner) > NEST_LIMIT

/** What becomes ready wakes a queue that is always the same. Others depend on who asks, on the world outside, or on further sets. */
const TELLING: ReadonlySet<FileKind> = new Set<FileKind>(['pipe', 'event', 'timer', 'socket', 'pid', 'inotify', 'mqueue'])

export const findItem = (epoll: Epoll, fd: number, file: OpenFile): EpollItem | undefined => epoll.items.get(fd)?.find((item) => item.file === file)

const removeItem = (item: EpollItem): void => {
  const { epoll, fd, file } = item
  const items = epoll.items.get(fd)
  items?.splice(items.indexOf(item), 1)
  if (items?.length === 0) epoll.items.delete(fd)
  epoll.ready.delete(item)
  epoll.asked.delete(item)
  for (const queue of item.queues) {
    queue.items?.delete(item)
    if (queue.items?.size === 0) queue.items = undefined
  }
  item.queues.length = 0
  file.watchers?.delete(item)
  if (file.watchers?.size === 0) file.watchers = undefined
}

/** It may be ready: it is new, or what is asked of it is. */
export const lookAgain = (kernel: Kernel, item: EpollItem): void => {
  if (itemEvents(kernel, item, false) !== 0) item.epoll.ready.add(item)
  kernel.wake(item.epoll.changed)
}

export const addItem = (kernel: Kernel, epoll: Epoll, fd: number, file: OpenFile, events: number, dataLow: number, dataHigh: number): void => {
  const item: EpollItem = { epoll, fd, file, events, dataLow, dataHigh, seenWakes: -1, queues: [] }
  const items = epoll.items.get(fd)
  if (items === undefined) epoll.items.set(fd, [item])
  else items.push(item)
  file.watchers ??= new Set()
  file.watchers.add(item)
  if (TELLING.has(file.kind)) {
    for (const queue of readinessQueues(kernel, file)) {
      queue.items ??= new Set()
      queue.items.add(item)
      item.queues.push(queue)
    }
  } else {
    epoll.asked.add(item)
  }
  lookAgain(kernel, item)
}

export const dropItem = (kernel: Kernel, item: EpollItem): void => {
  removeItem(item)
  kernel.wake(item.epoll.changed)
}

/** The description is going: it is in no set any more. */
export const forgetFile = (_kernel: Kernel, file: OpenFile): void => {
  for (const item of file.watchers ?? []) removeItem(item)
}

export const epollOperations: FileOperations = {
  seek: stayingSeek,
  // Not ENOTTY since it knows requests of its own (ep_eventpoll_ioctl, Linux 6.9).
  ioctl: () => -EINVAL,
  poll: (kernel, file) => {
    for (const item of readyItems(kernel, epollOf(file))) if (itemEvents(kernel, item, false) !== 0) return POLLIN | POLLRDNORM
    return 0
  },
  queues: (kernel, file) => epollQueues(kernel, epollOf(file)),
  release: (_kernel, file) => {
    for (const items of epollOf(file).items.values()) for (const item of [...items]) removeItem(item)
  },
}
