/** Robust mutexes (set_robust_list(2), Documentation/locking/robust-futex-ABI.rst): what a dying task held is marked so. */
import type { Kernel } from '../kernel.ts'
import { BadAddress, type UserMemory } from '../mm/user-memory.ts'
import { FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS, handOverLock, wakeFutexWord } from './futex.ts'
import { seenBy } from './pid-namespace.ts'
import type { Task } from './task.ts'

/** ROBUST_LIST_LIMIT: lists may be circular. */
const LIMIT = 2048
const NEXT = 0, OFFSET = 8, PENDING = 16

const isAligned = (address: number): boolean => address % 4 === 0

const markDead = (kernel: Kernel, task: Task, user: UserMemory, address: number, isPi: boolean, isPending: boolean): void => {
  if (!isAligned(address)) return
  const value = user.u32(address)
  // A pending operation may have unlocked already, without waking (handle_futex_death).
  if (isPending && !isPi && value === 0) {
    wakeFutexWord(kernel, task.mm, address, 1)
    return
  }
  if ((value & FUTEX_TID_MASK) !== seenBy(task, task.tid)) return
  user.setU32(address, ((value & FUTEX_WAITERS) | FUTEX_OWNER_DIED) >>> 0)
  if (isPi) handOverLock(kernel, user, task.mm, address, FUTEX_OWNER_DIED)
  else if ((value & FUTEX_WAITERS) !== 0) wakeFutexWord(kernel, task.mm, address, 1)
}

export const exitRobustList = (kernel: Kernel, task: Task): void => {
  const head = task.robustList
  if (head === 0) return
  task.robustList = 0
  const user = kernel.user(task)
  try {
    const offset = user.i64(head + OFFSET)
    const pending = user.i64(head + PENDING)
    let entry = user.i64(head + NEXT)
    for (let left = LIMIT; left > 0; left--) {
      const isPi = entry % 2 !== 0
      const at = isPi ? entry - 1 : entry
      if (at === head) break
      // The entry is read before the futex is touched: whoever takes it may reuse it.
      const next = user.i64(at + NEXT)
      if (entry !== pending) markDead(kernel, task, user, at + offset, isPi, false)
      entry = next
    }
    if (pending !== 0) {
      const isPi = pending % 2 !== 0
      markDead(kernel, task, user, (isPi ? pending - 1 : pending) + offset, isPi, true)
    }
  } catch (error) {
    // A list that can't be read ends there.
    if (!(error instanceof BadAddress)) throw error
  }
}
