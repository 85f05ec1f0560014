/** Futex waiters as data (futex(2)); the calls are in `../syscalls/futex.ts`. */
import type { WaitQueue } from '../wait-queue.ts'

export interface FutexWaiter {
  readonly tid: number
  /** FUTEX_WAIT_BITSET's mask, as an unsigned number. */
  readonly mask: number
  /** The key that it waits on now: FUTEX_REQUEUE changes it. */
  key: string
  /** Its own queue: waiters are woken one by one. */
  readonly queue: WaitQueue
  woken: boolean
  /** Waits to own a priority-inheriting futex. */
  lock: boolean
  /** FUTEX_WAIT_REQUEUE_PI: the key of the lock that it is to be moved to; empty: it is not. */
  readonly requeueTo: string
  /** Of those who wait for a lock: where it is for them, and the task that has it. */
  address: number
  owner: number
}

export interface FutexTable {
  /** By key (`p:space:address` private, `s:…` shared): the longest waiting first. */
  readonly waiters: Map<string, FutexWaiter[]>
  /** How many of them have to do with locks (`isForLock`): mostly none, and then they need not be looked for. */
  forLocks: number
}
export const futexTable = (): FutexTable => ({ waiters: new Map(), forLocks: 0 })

/** Waits for a priority-inheriting lock, or to be moved to one. Does not change while it is in the table. */
export const isForLock = ({ lock, requeueTo }: FutexWaiter): boolean => lock || requeueTo !== ''
