/**
 * Signals at instructions that are drawn (`FaultConfig.signals`): a timer ends the slice at the cycle that was drawn, wherever the program is.
 *
 * Each cycle that was drawn is kept in `FaultState.injected`, and a list of those is the same run, also where nobody was there to get the signal.
 */
import type { FaultConfig, SignalFault } from '../config.ts'
import { findHost } from '../hosts.ts'
import type { Kernel } from '../kernel.ts'
import { sendSignal } from '../signal/send.ts'
import type { ThreadGroup } from '../task/task.ts'
import { arm, makeTimer, type Timer } from '../time/timer-queue.ts'

export interface SignalFaultState {
  readonly kind: 'signalFaults'
  readonly timer: Timer
  /** By place in `FaultConfig.signals`: the cycle of the next one (Infinity: none), and how many there have been. Empty before the first look. */
  readonly next: number[]
  readonly count: number[]
}

export const makeSignalFaults = (): SignalFaultState => ({ kind: 'signalFaults', timer: makeTimer('plan', 0), next: [], count: [] })

/** kill(2), as a fault of it is told to observers. */
const KILL = 62

const nextAfter = (kernel: Kernel, config: FaultConfig, place: number, { every, most }: SignalFault, count: number, cycle: number): number => {
  if (config.list !== undefined) {
    let next = Infinity
    for (const one of config.list) if (one.fault === 'signal' && (one.value ?? 0) === place && one.cycle > cycle) next = Math.min(next, one.cycle)
    return next
  }
  // Evenly from 1 to twice the mean: any instruction is as likely as its neighbour.
  return count >= (most ?? Infinity) ? Infinity : cycle + 1 + kernel.outside.entropy.decide('fault', Math.max(1, 2 * every - 1))
}

const targetOf = (kernel: Kernel, { host, name }: SignalFault): ThreadGroup | undefined =>
  kernel.state.groups.get(name !== undefined ? kernel.state.plan?.runs.get(name)?.tgid ?? 0 : host !== undefined ? findHost(kernel, host).mainPid : kernel.state.mainPid)

/** Those that are due; called between slices. */
export const sendDrawnSignals = (kernel: Kernel, signals: SignalFaultState): void => {
  const { state, config: { faults: config } } = kernel
  if (signals.timer.place >= 0 || config?.signals === undefined) return
  const { next, count } = signals
  const isFirst = next.length === 0
  for (const [place, source] of config.signals.entries()) {
    if (isFirst) {
      count[place] = 0
      next[place] = nextAfter(kernel, config, place, source, 0, config.after ?? 0)
    }
    if (next[place] > state.now) continue
    state.faults?.injected.push({ fault: 'signal', cycle: next[place], ...(place === 0 ? {} : { value: place }) })
    count[place]++
    next[place] = nextAfter(kernel, config, place, source, count[place], state.now)
    const group = targetOf(kernel, source)
    if (group === undefined) continue
    kernel.outside.observer.onFault?.(state.cycle, group.tgid, `signal ${source.signal}`, KILL)
    sendSignal(kernel, group, source.signal)
  }
  const due = Math.min(...next)
  if (due < Infinity) arm(state.timers, signals.timer, due)
}
