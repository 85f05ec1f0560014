/**
 * Futexes (futex(2)): keys, waiters, waking. The system call is in `../syscalls/futex.ts`; exit wakes through here too.
 *
 * A futex is found by the memory behind it: private ones by address space and address, shared ones by file or shared
 * memory and offset, so that processes that map it at different addresses meet.
 */
import type { Kernel } from '../kernel.ts'
import type { AddressSpace } from '../mm/address-space.ts'
import { VMA_SHARED } from '../mm/address-space.ts'
import { BadAddress, type UserMemory } from '../mm/user-memory.ts'
import { findVma } from '../mm/vma.ts'
import { type FutexWaiter, isForLock } from './futex-table.ts'
import { seenBy } from './pid-namespace.ts'
import type { Task } from './task.ts'

export const FUTEX_WAITERS = 0x8000_0000, FUTEX_OWNER_DIED = 0x4000_0000, FUTEX_TID_MASK = 0x3fff_ffff
export const MATCH_ANY = 0xffff_ffff

/** The key of a futex word; the address must be good (the caller has read it, or a shared one is looked up here). */
export const futexKey = (space: AddressSpace, address: number, isPrivate: boolean): string => {
  if (!isPrivate) {
    const vma = findVma(space, address)
    if (vma?.backing !== undefined && (vma.flags & VMA_SHARED) !== 0) {
      const offset = vma.offset + address - vma.start
      return vma.backing.kind === 'shared-memory' ? `m:${vma.backing.id}:${offset}`
        : `f:${vma.backing.superblock.dev}:${vma.backing.ino}:${offset}`
    }
  }
  return `p:${space.id}:${address}`
}

export const addWaiter = (kernel: Kernel, waiter: FutexWaiter): void => {
  const { futexes } = kernel.state
  const list = futexes.waiters.get(waiter.key)
  if (list === undefined) futexes.waiters.set(waiter.key, [waiter])
  else list.push(waiter)
  if (isForLock(waiter)) futexes.forLocks++
}

/** Takes a waiter off its futex, if it is still there. */
export const removeWaiter = (kernel: Kernel, waiter: FutexWaiter): void => {
  const { futexes } = kernel.state
  const list = futexes.waiters.get(waiter.key)
  const at = list === undefined ? -1 : list.indexOf(waiter)
  if (list === undefined || at < 0) return
  list.splice(at, 1)
  if (list.length === 0) futexes.waiters.delete(waiter.key)
  if (isForLock(waiter)) futexes.forLocks--
}

/** Wakes one waiter, which it takes off the list. */
export const wakeWaiter = (kernel: Kernel, waiter: FutexWaiter): void => {
  removeWaiter(kernel, waiter)
  waiter.woken = true
  kernel.wake(waiter.queue)
}

/** Wakes up to `count` waiters whose mask meets `mask`; returns how many. */
export const wakeFutex = (kernel: Kernel, key: string, count: number, mask = MATCH_ANY): number => {
  const list = kernel.state.futexes.waiters.get(key)
  if (list === undefined) return 0
  let woken = 0
  for (let i = 0; i < list.length && woken < count;) {
    const waiter = list[i]
    // Waiters for the lock of a PI futex are handed it by FUTEX_UNLOCK_PI only.
    if (waiter.lock || (waiter.mask & mask) === 0) { i++; continue }
    wakeWaiter(kernel, waiter)
    woken++
  }
  return woken
}

/** Wakes a futex for the kernel's own purposes (exit): both ways in which it may be waited for. */
export const wakeFutexWord = (kernel: Kernel, space: AddressSpace, address: number, count: number): void => {
  if (kernel.state.futexes.waiters.size === 0) return
  const shared = futexKey(space, address, false)
  const woken = wakeFutex(kernel, shared, count)
  const own = futexKey(space, address, true)
  if (woken < count && own !== shared) wakeFutex(kernel, own, count - woken)
}

/** The lock is the waiter's: the others wait for that one now. @returns whether there are others */
const passOn = (kernel: Kernel, { key, tid }: FutexWaiter): boolean => {
  const others = kernel.state.futexes.waiters.get(key)?.filter((w) => w.lock) ?? []
  for (const other of others) other.owner = tid
  return others.length > 0
}

/** A task ends: locks that it has and others wait for go to the first of these (exit_pi_state_list). */
export const exitLocks = (kernel: Kernel, { tid }: Task): void => {
  if (kernel.state.futexes.forLocks === 0) return
  for (const list of [...kernel.state.futexes.waiters.values()]) {
    const waiter = list.find((one) => one.lock && one.owner === tid)
    const next = waiter === undefined ? undefined : kernel.state.tasks.get(waiter.tid)
    if (waiter === undefined || next === undefined) continue
    wakeWaiter(kernel, waiter)
    const others = passOn(kernel, waiter)
    try {
      kernel.user(next).setU32(waiter.address, (seenBy(next, next.tid) | FUTEX_OWNER_DIED | (others ? FUTEX_WAITERS : 0)) >>> 0)
    } catch (error) {
      if (!(error instanceof BadAddress)) throw error
    }
  }
}

/** A priority-inheriting lock goes to the task that has waited longest. @returns false if none waits */
export const handOverLock = (kernel: Kernel, user: UserMemory, space: AddressSpace, address: number, flags: number): boolean => {
  for (const isPrivate of [true, false]) {
    const waiter = kernel.state.futexes.waiters.get(futexKey(space, address, isPrivate))?.find((w) => w.lock)
    if (waiter === undefined) continue
    wakeWaiter(kernel, waiter)
    const others = passOn(kernel, waiter)
    const owner = kernel.state.tasks.get(waiter.tid)
    user.setU32(address, ((owner === undefined ? waiter.tid : seenBy(owner, waiter.tid)) | flags | (others ? FUTEX_WAITERS : 0)) >>> 0)
    return true
  }
  return false
}
