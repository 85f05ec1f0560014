/** Names of signals: apart from those of all other numbers (names.ts), which most runs don't need. */
import { SIGNAL_COUNT, SIGNALS, SIGRTMIN } from '../kernel/abi/signals.ts'

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(SIGNALS).map(([name, number]) => [number, name]))

export const signalName = (signal: number): string =>
  NAMES.get(signal) ?? (signal >= SIGRTMIN && signal <= SIGNAL_COUNT ? `SIGRT_${signal - SIGRTMIN}` : String(signal))
