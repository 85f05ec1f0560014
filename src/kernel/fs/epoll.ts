/**
 * epoll(7): a set of files of which to say which are ready.
 *
 * There is no list of ready items that wake-ups fill: items are asked when somebody wants to know, in order, and those
 * that were reported go to the end so that all get their turn. Edge-triggered items compare how often their wait queues were woken.
 */
import { EPOLLET, EPOLLEXCLUSIVE, EPOLLONESHOT, EPOLLWAKEUP } from '../abi/epoll.ts'
import type { Kernel } from '../kernel.ts'
import { waitQueue, type WaitQueue } from '../wait-queue.ts'
import {
  type FileOperations, type OpenFile, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDBAND, POLLRDHUP, POLLRDNORM, POLLWRBAND, POLLWRNORM, stayingSeek,
} from './file.ts'
import { readiness, readinessQueues } from './readiness.ts'

export interface EpollItem {
  readonly fd: number
  readonly file: OpenFile
  /** EPOLL* bits as given, a signed 32-bit number; without event bits once EPOLLONESHOT was used up. */
  events: number
  dataLow: number
  dataHigh: number
  /** Of an edge-triggered item: wake-ups of its queues when it was last looked at; −1: not yet. */
  seenWakes: number
}

export interface Epoll {
  readonly kind: 'epoll'
  readonly items: EpollItem[]
  /** Woken when the set changes. */
  readonly changed: WaitQueue
}

export const makeEpoll = (): Epoll => ({ kind: 'epoll', items: [], changed: waitQueue() })
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

/** Queues of all items, and that of changes of the set. */
export const epollQueues = (kernel: Kernel, epoll: Epoll): WaitQueue[] => {
  const queues = [epoll.changed]
  for (const item of epoll.items) if ((item.events & ~FLAGS) !== 0) queues.push(...readinessQueues(kernel, item.file))
  return queues
}

/** A set that is in another one adds to how deep they are nested. */
const depthOf = (epoll: Epoll): number =>
  1 + epoll.items.reduce((deepest, { file }) => Math.max(deepest, file.kind === 'epoll' ? depthOf(epollOf(file)) : 0), 0)

/** EP_MAX_NESTS: sets in sets, at most so deep. */
const NEST_LIMIT = 4
const holds = (epoll: Epoll, sought: Epoll): boolean =>
  epoll === sought || epoll.items.some(({ file }) => file.kind === 'epoll' && holds(epollOf(file), sought))

/** Whether `inner` can't be put into `outer`: a loop, or too deep. */
export const wouldNestBadly = (outer: Epoll, inner: Epoll): boolean => holds(inner, outer) || depthOf(inner) > NEST_LIMIT

const removeItem = (epoll: Epoll, item: EpollItem): void => {
  epoll.items.splice(epoll.items.indexOf(item), 1)
  const { watchers } = item.file
  if (watchers !== undefined) watchers.splice(watchers.indexOf(epoll), 1)
}

export const addItem = (kernel: Kernel, epoll: Epoll, item: EpollItem): void => {
  epoll.items.push(item)
  const { watchers } = item.file
  if (watchers === undefined) item.file.watchers = [epoll]
  else watchers.push(epoll)
  kernel.wake(epoll.changed)
}

export const dropItem = (kernel: Kernel, epoll: Epoll, item: EpollItem): void => {
  removeItem(epoll, item)
  kernel.wake(epoll.changed)
}

/** The description is going: it is in no set any more. */
export const forgetFile = (_kernel: Kernel, file: OpenFile): void => {
  const { watchers } = file
  if (watchers === undefined) return
  while (watchers.length > 0) {
    const epoll = watchers[0]
    const item = epoll.items.find((other) => other.file === file)
    if (item === undefined) throw new Error(`a file's watcher has no item for it (${file.path})`)
    removeItem(epoll, item)
  }
}

export const epollOperations: FileOperations = {
  seek: stayingSeek,
  poll: (kernel, file) => epollOf(file).items.some((item) => itemEvents(kernel, item, false) !== 0) ? POLLIN | POLLRDNORM : 0,
  queues: (kernel, file) => epollQueues(kernel, epollOf(file)),
  release: (_kernel, file) => {
    const epoll = epollOf(file)
    while (epoll.items.length > 0) removeItem(epoll, epoll.items[0])
  },
}
