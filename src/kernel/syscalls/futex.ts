/** futex(2). What waits where is in `../task/futex.ts`. */
import { EAGAIN, EDEADLOCK, EFAULT, EINVAL, ENOSYS, EPERM, ERESTART_RESTARTBLOCK, ERESTARTNOINTR, ERESTARTSYS, ESRCH, ETIMEDOUT } from '../abi/errno.ts'
import { int32, uint32, uint64 } from '../abi/numbers.ts'
import { CLOCK_MONOTONIC, CLOCK_REALTIME } from '../abi/time.ts'
import type { Kernel } from '../kernel.ts'
import { USER_END } from '../mm/user-memory.ts'
import { addWaiter, FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS, futexKey, handOverLock, MATCH_ANY, removeWaiter, wakeFutex, wakeWaiter } from '../task/futex.ts'
import { type FutexWaiter, isForLock } from '../task/futex-table.ts'
import { kernelPid, seenBy } from '../task/pid-namespace.ts'
import type { Task } from '../task/task.ts'
import { deadlineAfter, deadlineAt, isRealtimeClock, readTimespec, worldTime } from '../time/clock.ts'
import { waitQueue } from '../wait-queue.ts'
import type { Args, SyscallEntry } from './entry.ts'

const WAIT = 0, WAKE = 1, REQUEUE = 3, CMP_REQUEUE = 4, WAKE_OP = 5, LOCK_PI = 6, UNLOCK_PI = 7, TRYLOCK_PI = 8, WAIT_BITSET = 9,
  WAKE_BITSET = 10, WAIT_REQUEUE_PI = 11, CMP_REQUEUE_PI = 12, LOCK_PI2 = 13
const PRIVATE_FLAG = 128, CLOCK_REALTIME_FLAG = 256
const EWOULDBLOCK = EAGAIN

/** An interrupted wait with a timeout goes on until the same moment. */
interface FutexRestart { readonly kind: 'futex-restart', readonly deadline: number }
interface FutexWait { readonly kind: 'futex-wait', readonly waiter: FutexWaiter, readonly deadline: number }

const isAligned = (address: number): boolean => address % 4 === 0 && address >= 0 && address < USER_END

const wait = (kernel: Kernel, task: Task, address: number, isPrivate: boolean, value: number, mask: number, firstDeadline: () => number): number => {
  if (mask === 0) return -EINVAL
  const call = task.syscall
  const memory = call?.memory as FutexWait | FutexRestart | undefined
  if (memory?.kind === 'futex-wait') return goOn(kernel, task, memory)
  if (!isAligned(address)) return -EINVAL
  const deadline = memory === undefined ? firstDeadline() : memory.deadline
  if (deadline < 0) return deadline
  if (kernel.user(task).u32(address) !== value) return -EAGAIN
  const waiter: FutexWaiter = { tid: task.tid, mask, key: futexKey(task.mm, address, isPrivate), queue: waitQueue(), woken: false, lock: false, requeueTo: '', address, owner: 0 }
  addWaiter(kernel, waiter)
  return goOn(kernel, task, { kind: 'futex-wait', waiter, deadline }, true)
}

/** Woken, or about to sleep for the first time. */
const goOn = (kernel: Kernel, task: Task, memory: FutexWait, isFirst = false): number => {
  const { waiter, deadline } = memory
  const call = task.syscall
  if (waiter.woken) return 0
  if (deadline <= kernel.now || (!isFirst && task.wokenBy === 'timeout')) {
    removeWaiter(kernel, waiter)
    return -ETIMEDOUT
  }
  if (kernel.interrupted(task)) {
    removeWaiter(kernel, waiter)
    if (deadline === Infinity || call === undefined) return -ERESTARTSYS
    task.restart = { number: FUTEX, memory: { kind: 'futex-restart', deadline } satisfies FutexRestart, realtime: call.realtime }
    return -ERESTART_RESTARTBLOCK
  }
  if (call !== undefined) call.memory = memory
  return kernel.block(task, [waiter.queue], deadline)
}

/** The timeout argument as a cycle; Infinity without one; −EINVAL. */
const readDeadline = (kernel: Kernel, task: Task, address: number, isAbsolute: boolean, clock: number): number => {
  if (address === 0) return Infinity
  const time = readTimespec(kernel.user(task), address)
  if (typeof time === 'number') return time
  if (task.syscall !== undefined) task.syscall.realtime = isAbsolute && isRealtimeClock(clock)
  return isAbsolute ? Math.max(deadlineAt(kernel, clock, worldTime(task, clock, time)), 0) : deadlineAfter(kernel, time)
}

const wake = (kernel: Kernel, task: Task, address: number, isPrivate: boolean, count: number, mask: number): number => {
  if (mask === 0 || !isAligned(address)) return -EINVAL
  // Shared keys are of mapped memory only.
  if (!isPrivate) kernel.user(task).u32(address)
  if (kernel.state.futexes.waiters.size === 0) return 0
  const key = futexKey(task.mm, address, isPrivate)
  if (hasLockWaiter(kernel, key)) return -EINVAL
  return wakeFutex(kernel, key, Math.max(count, 1), mask)
}

/** Those who wait for a lock, or to be moved to one, are woken in other ways only. */
const hasLockWaiter = (kernel: Kernel, key: string): boolean =>
  kernel.state.futexes.forLocks > 0 && kernel.state.futexes.waiters.get(key)?.some(isForLock) === true

/** Whether there can be a futex (get_futex_key). @throws BadAddress for a shared one where nothing is mapped */
const checkKey = (kernel: Kernel, task: Task, address: number, isPrivate: boolean): number => {
  if (address % 4 !== 0) return -EINVAL
  if (!(address < USER_END)) return -EFAULT
  if (!isPrivate) kernel.user(task).u32(address)
  return 0
}

const requeue = (kernel: Kernel, task: Task, from: number, to: number, isPrivate: boolean, wakeCount: number, moveCount: number, compare: number | undefined): number => {
  if (wakeCount < 0 || moveCount < 0) return -EINVAL
  const bad = checkKey(kernel, task, from, isPrivate) || checkKey(kernel, task, to, isPrivate)
  if (bad !== 0) return bad
  if (compare !== undefined && kernel.user(task).u32(from) !== compare) return -EAGAIN
  const source = futexKey(task.mm, from, isPrivate), target = futexKey(task.mm, to, isPrivate)
  if (hasLockWaiter(kernel, source)) return -EINVAL
  const woken = wakeCount === 0 ? 0 : wakeFutex(kernel, source, wakeCount)
  let moved = 0
  const list = kernel.state.futexes.waiters.get(source)
  while (list !== undefined && moved < moveCount) {
    // To its own futex: counted, but nothing moves.
    const waiter = source === target ? list.at(moved) : list.at(0)
    if (waiter === undefined) break
    if (source !== target) {
      removeWaiter(kernel, waiter)
      waiter.key = target
      addWaiter(kernel, waiter)
    }
    moved++
  }
  return woken + moved
}

/** The operation that FUTEX_WAKE_OP does on the second word: its old value, or a negative errno below −2^31. */
const wakeOperation = (kernel: Kernel, task: Task, address: number, encoded: number): { old: number, compares: boolean } | number => {
  const operation = (encoded >>> 28) & 7, comparison = (encoded >>> 24) & 15
  let argument = (encoded << 8) >> 20
  const compareArgument = (encoded << 20) >> 20
  if ((encoded & 0x8000_0000) !== 0) argument = 1 << (argument & 31)
  const user = kernel.user(task)
  const old = user.u32(address) | 0
  const results = [argument, old + argument, old | argument, old & ~argument, old ^ argument]
  if (operation >= results.length) return -ENOSYS
  user.setU32(address, results[operation] >>> 0)
  const comparisons = [old === compareArgument, old !== compareArgument, old < compareArgument, old <= compareArgument, old > compareArgument, old >= compareArgument]
  return comparison >= comparisons.length ? -ENOSYS : { old, compares: comparisons[comparison] }
}

const wakeOp = (kernel: Kernel, task: Task, first: number, second: number, isPrivate: boolean, count: number, secondCount: number, encoded: number): number => {
  const bad = checkKey(kernel, task, first, isPrivate) || checkKey(kernel, task, second, isPrivate)
  if (bad !== 0) return bad
  const done = wakeOperation(kernel, task, second, encoded)
  if (typeof done === 'number') return done
  let woken = wakeFutex(kernel, futexKey(task.mm, first, isPrivate), Math.max(count, 1))
  if (done.compares) woken += wakeFutex(kernel, futexKey(task.mm, second, isPrivate), Math.max(secondCount, 1))
  return woken
}

// ——— Locks with an owner (PI futexes): there are no priorities to inherit, what counts is who holds them ———

const tryTake = (kernel: Kernel, task: Task, address: number): number => {
  const user = kernel.user(task)
  const value = user.u32(address)
  const owner = value & FUTEX_TID_MASK
  if (owner === seenBy(task, task.tid)) return -EDEADLOCK
  if (owner !== 0) return -EWOULDBLOCK
  user.setU32(address, (seenBy(task, task.tid) | (value & (FUTEX_WAITERS | FUTEX_OWNER_DIED))) >>> 0)
  return 0
}

const lockPi = (kernel: Kernel, task: Task, address: number, isPrivate: boolean, deadlineOf: () => number): number => {
  const call = task.syscall
  const memory = call?.memory as FutexWait | undefined
  if (memory !== undefined) {
    const result = goOn(kernel, task, memory)
    return result === -ERESTART_RESTARTBLOCK ? -ERESTARTSYS : result
  }
  if (!isAligned(address)) return -EINVAL
  const deadline = deadlineOf()
  if (deadline < 0) return deadline
  const taken = tryTake(kernel, task, address)
  if (taken !== -EWOULDBLOCK) return taken
  const user = kernel.user(task)
  const value = user.u32(address)
  const holder = kernelPid(task.namespaces.pid, value & FUTEX_TID_MASK)
  if (!kernel.state.tasks.has(holder)) return -ESRCH
  user.setU32(address, (value | FUTEX_WAITERS) >>> 0)
  const waiter: FutexWaiter = { tid: task.tid, mask: MATCH_ANY, key: futexKey(task.mm, address, isPrivate), queue: waitQueue(), woken: false, lock: true, requeueTo: '', address, owner: holder }
  addWaiter(kernel, waiter)
  const result = goOn(kernel, task, { kind: 'futex-wait', waiter, deadline }, true)
  return result === -ERESTART_RESTARTBLOCK ? -ERESTARTSYS : result
}

const unlockPi = (kernel: Kernel, task: Task, address: number): number => {
  const user = kernel.user(task)
  // The word is read before it is known to be one (futex_unlock_pi).
  if ((user.u32(address) & FUTEX_TID_MASK) !== seenBy(task, task.tid)) return -EPERM
  if (!isAligned(address)) return -EINVAL
  if (!handOverLock(kernel, user, task.mm, address, 0)) user.setU32(address, 0)
  return 0
}

// ——— Condition variables over such locks: a waiter is moved to the lock's queue ———

const waitRequeue = (kernel: Kernel, task: Task, address: number, target: number, isPrivate: boolean, value: number, mask: number, deadlineOf: () => number): number => {
  const call = task.syscall
  const memory = call?.memory as FutexWait | undefined
  if (memory !== undefined) {
    const result = goOn(kernel, task, memory)
    if (result !== -ERESTART_RESTARTBLOCK && result !== -ERESTARTSYS) return result
    // Moved already: it does not have the lock, which is told like this (futex_wait_requeue_pi).
    return memory.waiter.lock ? -EWOULDBLOCK : -ERESTARTNOINTR
  }
  if (address === target || mask === 0 || !isAligned(address) || !isAligned(target)) return -EINVAL
  const deadline = deadlineOf()
  if (deadline < 0) return deadline
  const user = kernel.user(task)
  user.u32(target)
  if (user.u32(address) !== value) return -EWOULDBLOCK
  const waiter: FutexWaiter = {
    tid: task.tid, mask, key: futexKey(task.mm, address, isPrivate), queue: waitQueue(), woken: false, lock: false, requeueTo: futexKey(task.mm, target, isPrivate),
    address: target, owner: 0,
  }
  addWaiter(kernel, waiter)
  const result = goOn(kernel, task, { kind: 'futex-wait', waiter, deadline }, true)
  return result === -ERESTART_RESTARTBLOCK || result === -ERESTARTSYS ? -ERESTARTNOINTR : result
}

const requeueToLock = (kernel: Kernel, task: Task, from: number, to: number, isPrivate: boolean, wakeCount: number, moveCount: number, compare: number): number => {
  if (wakeCount < 0 || moveCount < 0 || !isAligned(from) || !isAligned(to) || from === to || wakeCount !== 1) return -EINVAL
  const user = kernel.user(task)
  user.u32(to)
  if (user.u32(from) !== compare) return -EAGAIN
  const source = futexKey(task.mm, from, isPrivate), target = futexKey(task.mm, to, isPrivate)
  const list = [...kernel.state.futexes.waiters.get(source) ?? []]
  if (list.length === 0) return 0
  if (list.some(({ requeueTo }) => requeueTo !== target)) return -EINVAL
  let done = 0
  const [first] = list
  const owner = kernel.state.tasks.get(first.tid)
  // A free lock goes to the first at once.
  if (owner !== undefined && (user.u32(to) & FUTEX_TID_MASK) === 0) {
    wakeWaiter(kernel, first)
    user.setU32(to, (seenBy(owner, owner.tid) | (user.u32(to) & FUTEX_OWNER_DIED)) >>> 0)
    done++
  }
  for (const waiter of list.slice(done, done + moveCount + (done === 0 ? wakeCount : 0))) {
    removeWaiter(kernel, waiter)
    waiter.key = target
    waiter.lock = true
    waiter.owner = kernelPid(task.namespaces.pid, user.u32(to) & FUTEX_TID_MASK)
    addWaiter(kernel, waiter)
    user.setU32(to, (user.u32(to) | FUTEX_WAITERS) >>> 0)
    done++
  }
  return done
}

// ——— Many at once ———

interface FutexWaitAny { readonly kind: 'futex-wait-any', readonly waiters: readonly FutexWaiter[], readonly deadline: number }

const WAITV_SIZE = 24, WAITV_LIMIT = 128, FUTEX_32 = 2

const endAny = (kernel: Kernel, waiters: readonly FutexWaiter[], result: number): number => {
  for (const waiter of waiters) removeWaiter(kernel, waiter)
  const woken = waiters.findIndex((waiter) => waiter.woken)
  return woken >= 0 ? woken : result
}

const waitForAny = (kernel: Kernel, task: Task, { waiters, deadline }: FutexWaitAny, isFirst: boolean): number => {
  if (waiters.some(({ woken }) => woken)) return endAny(kernel, waiters, 0)
  if (deadline <= kernel.now || (!isFirst && task.wokenBy === 'timeout')) return endAny(kernel, waiters, -ETIMEDOUT)
  if (kernel.interrupted(task)) return endAny(kernel, waiters, -ERESTARTSYS)
  return kernel.block(task, waiters.map(({ queue }) => queue), deadline)
}

const futexWaitv = (kernel: Kernel, task: Task, args: Args): number => {
  const call = task.syscall
  const memory = call?.memory as FutexWaitAny | undefined
  if (memory !== undefined) return waitForAny(kernel, task, memory, false)
  const [address, count, flags, timeout, clock] = [uint64(args[0]), uint32(args[1]), uint32(args[2]), uint64(args[3]), int32(args[4])]
  if (flags !== 0 || count === 0 || count > WAITV_LIMIT || address === 0) return -EINVAL
  if (timeout !== 0 && clock !== CLOCK_MONOTONIC && clock !== CLOCK_REALTIME) return -EINVAL
  const deadline = readDeadline(kernel, task, timeout, true, clock)
  if (deadline < 0) return deadline
  const user = kernel.user(task)
  const view = new DataView(user.read(address, count * WAITV_SIZE).buffer)
  const wanted = Array.from({ length: count }, (_, i) => ({
    value: view.getUint32(i * WAITV_SIZE, true), high: view.getUint32(i * WAITV_SIZE + 4, true),
    at: view.getUint32(i * WAITV_SIZE + 8, true) + view.getUint32(i * WAITV_SIZE + 12, true) * 0x1_0000_0000,
    flags: view.getUint32(i * WAITV_SIZE + 16, true), reserved: view.getUint32(i * WAITV_SIZE + 20, true),
  }))
  if (wanted.some((one) => (one.flags & ~(FUTEX_32 | PRIVATE_FLAG)) !== 0 || one.reserved !== 0 || (one.flags & FUTEX_32) === 0)) return -EINVAL
  if (wanted.some(({ at }) => !isAligned(at))) return wanted.some(({ at }) => at >= USER_END) ? -EFAULT : -EINVAL
  if (wanted.some(({ at, value, high }) => user.u32(at) !== value || high !== 0)) return -EAGAIN
  const waiters = wanted.map(({ at, flags: own }): FutexWaiter => ({
    tid: task.tid, mask: MATCH_ANY, key: futexKey(task.mm, at, (own & PRIVATE_FLAG) !== 0), queue: waitQueue(), woken: false, lock: false, requeueTo: '', address: at, owner: 0,
  }))
  for (const waiter of waiters) addWaiter(kernel, waiter)
  const waiting: FutexWaitAny = { kind: 'futex-wait-any', waiters, deadline }
  if (call !== undefined) call.memory = waiting
  return waitForAny(kernel, task, waiting, true)
}

const FUTEX = 202

const futex = (kernel: Kernel, task: Task, args: Args): number => {
  const [address, op, value, fourth, second, third] = [uint64(args[0]), int32(args[1]), uint32(args[2]), args[3], uint64(args[4]), uint32(args[5])]
  const command = op & ~(PRIVATE_FLAG | CLOCK_REALTIME_FLAG)
  const isPrivate = (op & PRIVATE_FLAG) !== 0
  const isRealtime = (op & CLOCK_REALTIME_FLAG) !== 0
  if (isRealtime && command !== WAIT_BITSET && command !== WAIT_REQUEUE_PI && command !== LOCK_PI2) return -ENOSYS
  // What is wrong with the other arguments counts first.
  const isRequeue = command === REQUEUE || command === CMP_REQUEUE
  if (!(address < USER_END) && !isRequeue && !(third === 0 && (command === WAIT_BITSET || command === WAKE_BITSET)) && command <= LOCK_PI2) return -EFAULT
  const clock = isRealtime ? CLOCK_REALTIME : CLOCK_MONOTONIC
  switch (command) {
    case WAIT: return wait(kernel, task, address, isPrivate, value, MATCH_ANY, () => readDeadline(kernel, task, fourth, false, clock))
    case WAIT_BITSET: return wait(kernel, task, address, isPrivate, value, third, () => readDeadline(kernel, task, fourth, true, clock))
    case WAKE: return wake(kernel, task, address, isPrivate, value | 0, MATCH_ANY)
    case WAKE_BITSET: return wake(kernel, task, address, isPrivate, value | 0, third)
    case REQUEUE: return requeue(kernel, task, address, second, isPrivate, value | 0, int32(fourth), undefined)
    case CMP_REQUEUE: return requeue(kernel, task, address, second, isPrivate, value | 0, int32(fourth), third)
    case WAKE_OP: return wakeOp(kernel, task, address, second, isPrivate, value | 0, int32(fourth), third | 0)
    case LOCK_PI: return lockPi(kernel, task, address, isPrivate, () => readDeadline(kernel, task, fourth, true, CLOCK_REALTIME))
    case LOCK_PI2: return lockPi(kernel, task, address, isPrivate, () => readDeadline(kernel, task, fourth, true, clock))
    case TRYLOCK_PI: return isAligned(address) ? tryTake(kernel, task, address) : -EINVAL
    case UNLOCK_PI: return unlockPi(kernel, task, address)
    case WAIT_REQUEUE_PI: return waitRequeue(kernel, task, address, second, isPrivate, value, MATCH_ANY, () => readDeadline(kernel, task, fourth, true, clock))
    case CMP_REQUEUE_PI: return requeueToLock(kernel, task, address, second, isPrivate, value | 0, int32(fourth), third)
    default: return -ENOSYS
  }
}

export const futexCalls: readonly SyscallEntry[] = [
  { number: FUTEX, name: 'futex', args: ['address:pointer', 'op:enum(FUTEX_)', 'value:uint', 'timeout:struct(timespec)', 'address2:pointer', 'value3:uint'], handler: futex, status: 'partial', note: 'priorities are not inherited: a lock goes to who has waited longest' },
  { number: 449, name: 'futex_waitv', args: ['waiters:pointer', 'count:uint', 'flags:uint', 'timeout:struct(timespec)', 'clock:int'], handler: futexWaitv, status: 'full' },
]
