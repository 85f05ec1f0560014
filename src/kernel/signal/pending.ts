/** Pending signals of tasks and groups: what is queued, what is due, which comes next. */
import { SIGRTMIN, SIGBUS, SIGCONT, SIGFPE, SIGILL, SIGKILL, SIGSEGV, SIGSTOP, SIGSYS, SIGTRAP, SIGTSTP, SIGTTIN, SIGTTOU } from '../abi/signals.ts'
import type { Task } from '../task/task.ts'
import { type PendingSignals, setAdd, setHas, setRemove, type SignalInfo, type SignalSet } from './signal.ts'

const bit = (signal: number): number => 1 << ((signal - 1) & 31)

/** Signals of the faulting instruction come before others (Linux's SYNCHRONOUS_MASK). */
const SYNCHRONOUS = bit(SIGSEGV) | bit(SIGBUS) | bit(SIGILL) | bit(SIGTRAP) | bit(SIGFPE) | bit(SIGSYS)
export const STOP_SIGNALS: readonly number[] = [SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU]
const STOP_MASK = bit(SIGSTOP) | bit(SIGTSTP) | bit(SIGTTIN) | bit(SIGTTOU)
const CONTINUE_MASK = bit(SIGCONT)
/** Can't be blocked. */
export const UNBLOCKABLE = bit(SIGKILL) | bit(SIGSTOP)

/** Whether a signal that the task does not block is pending, for it or its group. */
export const isSignalDue = (task: Task): boolean => {
  const own = task.pending.set
  const shared = task.group.pending.set
  const mask = task.signalMask
  return ((own[0] | shared[0]) & ~mask[0]) !== 0 || ((own[1] | shared[1]) & ~mask[1]) !== 0
}

/** Blocks other signals than before: some may be due now. */
export const setSignalMask = (task: Task, mask: SignalSet): void => {
  task.signalMask = mask
  task.signalDue = isSignalDue(task) || task.group.stopSignal !== 0
}

/** SIGKILL waits: even what no other signal wakes must come back. */
export const isKilled = (task: Task): boolean => setHas(task.pending.set, SIGKILL)

/** Standard signals are queued once; real-time ones each time. @returns false if it was there already */
export const enqueue = (pending: PendingSignals, info: SignalInfo): boolean => {
  if (info.signal < SIGRTMIN && setHas(pending.set, info.signal)) return false
  setAdd(pending.set, info.signal)
  pending.queue.push(info)
  return true
}

/** Lowest signal of the set outside the mask, those of faults first; 0 if none. */
const next = (set: SignalSet, mask: SignalSet): number => {
  const low = set[0] & ~mask[0]
  if (low !== 0) {
    const first = (low & SYNCHRONOUS) !== 0 ? low & SYNCHRONOUS : low
    return 32 - Math.clz32(first & -first)
  }
  const high = set[1] & ~mask[1]
  return high === 0 ? 0 : 64 - Math.clz32(high & -high)
}

/** Takes the next pending signal that `mask` does not hold back. */
export const dequeue = (pending: PendingSignals, mask: SignalSet): SignalInfo | undefined => {
  const signal = next(pending.set, mask)
  return signal === 0 ? undefined : take(pending, signal)
}

/** Takes the first entry of a pending signal; the signal stays pending if there are more. */
export const take = (pending: PendingSignals, signal: number): SignalInfo => {
  const at = pending.queue.findIndex((info) => info.signal === signal)
  if (at < 0) {
    setRemove(pending.set, signal)
    return { signal, errno: 0, code: 0, detail: { kind: 'kill', pid: 0, uid: 0 } }
  }
  const [info] = pending.queue.splice(at, 1)
  if (!pending.queue.some((other) => other.signal === signal)) setRemove(pending.set, signal)
  return info
}

/** Forgets pending signals: `low` is a mask of standard signals. */
const discard = (pending: PendingSignals, low: number): void => {
  if ((pending.set[0] & low) === 0) return
  pending.set[0] = (pending.set[0] & ~low) >>> 0
  pending.queue = pending.queue.filter((info) => info.signal >= 32 || (low & bit(info.signal)) === 0)
}
export const discardStops = (pending: PendingSignals): void => { discard(pending, STOP_MASK) }
export const discardContinue = (pending: PendingSignals): void => { discard(pending, CONTINUE_MASK) }
export const discardSignal = (pending: PendingSignals, signal: number): void => {
  setRemove(pending.set, signal)
  pending.queue = pending.queue.filter((info) => info.signal !== signal)
}
