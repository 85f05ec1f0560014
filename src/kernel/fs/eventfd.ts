/** eventfd(2): a 64-bit counter. */
import { EAGAIN, EINVAL, ERESTARTSYS } from '../abi/errno.ts'
import { O_NONBLOCK } from '../abi/fcntl.ts'
import { waitQueue, type WaitQueue } from '../wait-queue.ts'
import { type FileOperations, type OpenFile, POLLERR, POLLIN, POLLOUT, stayingSeek } from './file.ts'

export interface EventCounter {
  readonly kind: 'eventfd'
  /** The count's halves, unsigned. */
  low: number
  high: number
  /** EFD_SEMAPHORE: a read takes 1. */
  readonly isSemaphore: boolean
  readonly readable: WaitQueue
  readonly writable: WaitQueue
}

const MAX = 0xffff_ffff
const TWO_32 = 0x1_0000_0000
const SIZE = 8

export const makeEventCounter = (initial: number, isSemaphore: boolean): EventCounter =>
  ({ kind: 'eventfd', low: initial, high: 0, isSemaphore, readable: waitQueue(), writable: waitQueue() })

const counterOf = (file: OpenFile): EventCounter => file.data as EventCounter

const eightBytes = (low: number, high: number): Uint8Array => {
  const bytes = new Uint8Array(SIZE)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, low, true)
  view.setUint32(4, high, true)
  return bytes
}

export const eventOperations: FileOperations = {
  seek: stayingSeek,
  read: (kernel, task, file, length) => {
    if (length < SIZE) return -EINVAL
    const counter = counterOf(file)
    const { low, high } = counter
    if (low === 0 && high === 0) {
      if ((file.flags & O_NONBLOCK) !== 0) return -EAGAIN
      if (kernel.interrupted(task)) return -ERESTARTSYS
      return kernel.block(task, [counter.readable])
    }
    if (counter.isSemaphore) {
      counter.low = low === 0 ? MAX : low - 1
      if (low === 0) counter.high--
    } else counter.low = counter.high = 0
    kernel.wake(counter.writable)
    return counter.isSemaphore ? eightBytes(1, 0) : eightBytes(low, high)
  },
  write: (kernel, task, file, bytes) => {
    // Exactly eight since Linux 6.10, reading takes more.
    if (bytes.length !== SIZE) return -EINVAL
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    const addLow = view.getUint32(0, true)
    const addHigh = view.getUint32(4, true)
    if (addLow === MAX && addHigh === MAX) return -EINVAL
    const counter = counterOf(file)
    const low = counter.low + addLow
    const high = counter.high + addHigh + (low >= TWO_32 ? 1 : 0)
    // The count stays below 2⁶⁴ − 1.
    if (high >= TWO_32 || (high === MAX && low % TWO_32 === MAX)) {
      if ((file.flags & O_NONBLOCK) !== 0) return -EAGAIN
      if (kernel.interrupted(task)) return -ERESTARTSYS
      return kernel.block(task, [counter.writable])
    }
    counter.low = low % TWO_32
    counter.high = high
    kernel.wake(counter.readable)
    return SIZE
  },
  poll: (_kernel, file) => {
    const { low, high } = counterOf(file)
    let events = low !== 0 || high !== 0 ? POLLIN : 0
    if (high === MAX && low === MAX) events |= POLLERR
    if (high < MAX || low < MAX - 1) events |= POLLOUT
    return events
  },
  queues: (_kernel, file) => [counterOf(file).readable, counterOf(file).writable],
}
