/** Signals as data: actions, pending queues, what a siginfo says. What is done with them is in the files beside this one. */
import { SIG_DFL, SIGNAL_COUNT } from '../abi/signals.ts'

/** 64 signals as two 32-bit words; bit (n − 1) & 31 of word (n − 1) >> 5. */
export type SignalSet = [low: number, high: number]

export interface SignalAction {
  /** Guest address, or SIG_DFL, SIG_IGN. */
  handler: number
  /** SA_* as an unsigned 32-bit number. */
  flags: number
  restorer: number
  mask: SignalSet
}

/** Shared by tasks of one thread group, and by CLONE_SIGHAND. */
export interface SignalActions {
  readonly kind: 'signal-actions'
  /** Index is the signal's number; 0 is unused. */
  readonly table: SignalAction[]
}

/** The part of siginfo_t behind si_code, by layout (sigaction(2)). */
export type SignalDetail =
  | { readonly kind: 'kill', readonly pid: number, readonly uid: number }
  | { readonly kind: 'queue', readonly pid: number, readonly uid: number, readonly valueLow: number, readonly valueHigh: number }
  | { readonly kind: 'timer', readonly timer: number, overrun: number, readonly valueLow: number, readonly valueHigh: number }
  | { readonly kind: 'child', readonly pid: number, readonly uid: number, readonly status: number, readonly userTicks: number, readonly systemTicks: number }
  | { readonly kind: 'fault', readonly address: number }
  | { readonly kind: 'poll', readonly band: number, readonly fd: number }
  | { readonly kind: 'system-call', readonly address: number, readonly number: number }
  /** rt_sigqueueinfo: bytes 12–127 as the sender gave them. */
  | { readonly kind: 'raw', readonly bytes: Uint8Array }

export interface SignalInfo {
  readonly signal: number
  readonly errno: number
  readonly code: number
  readonly detail: SignalDetail
}

export interface PendingSignals {
  readonly kind: 'pending-signals'
  set: SignalSet
  /** In order of arrival; a standard signal at most once. A signal may be in `set` without an entry here (queue limit): it has an empty siginfo. */
  queue: SignalInfo[]
}

export interface SignalStack {
  address: number
  size: number
  /** SS_DISABLE, SS_AUTODISARM. */
  flags: number
}

export const emptySet = (): SignalSet => [0, 0]
export const pendingSignals = (): PendingSignals => ({ kind: 'pending-signals', set: [0, 0], queue: [] })
const defaultAction = (): SignalAction => ({ handler: SIG_DFL, flags: 0, restorer: 0, mask: [0, 0] })
export const signalActions = (): SignalActions =>
  ({ kind: 'signal-actions', table: Array.from({ length: SIGNAL_COUNT + 1 }, defaultAction) })
export const copyActions = (actions: SignalActions): SignalActions =>
  ({ kind: 'signal-actions', table: actions.table.map((a) => ({ ...a, mask: [a.mask[0], a.mask[1]] })) })

export const setHas = (set: SignalSet, signal: number): boolean => (set[(signal - 1) >> 5] & (1 << ((signal - 1) & 31))) !== 0
export const setAdd = (set: SignalSet, signal: number): void => {
  const word = (signal - 1) >> 5
  set[word] = (set[word] | (1 << ((signal - 1) & 31))) >>> 0
}
export const setRemove = (set: SignalSet, signal: number): void => {
  const word = (signal - 1) >> 5
  set[word] = (set[word] & ~(1 << ((signal - 1) & 31))) >>> 0
}
