/**
 * Faults that come at cycles that are drawn, wherever programs are: signals (`FaultConfig.signals`) and jumps of CLOCK_REALTIME
 * (`FaultConfig.clock`). A timer ends the slice at the next one's cycle.
 *
 * Each that was drawn is kept in `FaultState.injected`, and a list of those is the same run, also where nobody was there to get the signal.
 */
import type { ClockFault, FaultConfig, SignalFault } from '../config.ts'
import { findHost } from '../hosts.ts'
import type { Kernel } from '../kernel.ts'
import { sendSignal } from '../signal/send.ts'
import type { ThreadGroup } from '../task/task.ts'
import { jumpRealtime } from '../time/set-clock.ts'
import { arm, makeTimer, type Timer } from '../time/timer-queue.ts'

export interface TimedFaultState {
  readonly kind: 'timedFaults'
  readonly timer: Timer
  /** By place in `FaultConfig.signals`, then in `FaultConfig.clock`: the cycle of the next one (Infinity: none), and how many there have been. Empty before the first look. */
  readonly next: number[]
  readonly count: number[]
  /** Of a list: how many of it have come. */
  listed: number
}

export const makeTimedFaults = (): TimedFaultState => ({ kind: 'timedFaults', timer: makeTimer('plan', 0), next: [], count: [], listed: 0 })

/** Whether there are any. */
export const hasTimedFaults = ({ signals, clock, list }: FaultConfig): boolean => signals !== undefined || clock !== undefined || list?.some((one) => 'cycle' in one) === true

/** As faults of these calls they are told to observers: kill(2), clock_settime(2). */
const KILL = 62, CLOCK_SETTIME = 227

const MILLISECONDS = 1000, NANOSECONDS = 1e6

const nextAfter = (kernel: Kernel, { every, most }: SignalFault | ClockFault, count: number, cycle: number): number =>
  // Evenly from 1 to twice the mean: any instruction is as likely as its neighbour.
  count >= (most ?? Infinity) ? Infinity : cycle + 1 + kernel.outside.entropy.decide('fault', Math.max(1, 2 * every - 1))

const targetOf = (kernel: Kernel, { host, name }: SignalFault): ThreadGroup | undefined =>
  kernel.state.groups.get(name !== undefined ? kernel.state.plan?.runs.get(name)?.tgid ?? 0 : host !== undefined ? findHost(kernel, host).mainPid : kernel.state.mainPid)

const signal = (kernel: Kernel, cycle: number, place: number): void => {
  kernel.state.faults?.injected.push({ fault: 'signal', cycle, ...(place === 0 ? {} : { value: place }) })
  const source = kernel.config.faults?.signals?.[place]
  const group = source === undefined ? undefined : targetOf(kernel, source)
  if (source === undefined || group === undefined) return
  kernel.outside.observer.onFault?.(kernel.state.cycle, group.tgid, `signal ${source.signal}`, KILL)
  sendSignal(kernel, group, source.signal)
}

const jump = (kernel: Kernel, cycle: number, milliseconds: number): void => {
  kernel.state.faults?.injected.push({ fault: 'clock', cycle, value: milliseconds })
  kernel.outside.observer.onFault?.(kernel.state.cycle, 0, `clock ${(milliseconds / MILLISECONDS).toFixed(3)}`, CLOCK_SETTIME)
  const seconds = Math.floor(milliseconds / MILLISECONDS)
  jumpRealtime(kernel, [seconds, (milliseconds - seconds * MILLISECONDS) * NANOSECONDS])
}

/** As likely to be of any order of magnitude: programs mind a millisecond, a second or a day. */
const drawJump = (kernel: Kernel, { seconds, direction }: ClockFault): number => {
  const { entropy } = kernel.outside
  const most = Math.max(1, Math.round(seconds * MILLISECONDS))
  const magnitude = 10 ** (1 + entropy.decide('fault', String(most).length))
  const amount = 1 + entropy.decide('fault', Math.min(most, magnitude))
  return direction === 'forward' || (direction === undefined && entropy.decide('fault', 2) === 0) ? amount : -amount
}

/** Those of a list that are due, and the cycle of the next. */
const takeListed = (kernel: Kernel, timed: TimedFaultState, config: FaultConfig): number => {
  const list = (config.list ?? []).flatMap((one) => 'cycle' in one ? [one] : []).sort((a, b) => a.cycle - b.cycle)
  for (; timed.listed < list.length; timed.listed++) {
    const one = list[timed.listed]
    if (one.cycle > kernel.state.now) return one.cycle
    if (one.fault === 'signal') signal(kernel, one.cycle, one.value ?? 0)
    else jump(kernel, one.cycle, one.value)
  }
  return Infinity
}

/** Those that are due; called between slices. */
export const takeTimedFaults = (kernel: Kernel, timed: TimedFaultState): void => {
  const { state, config: { faults: config } } = kernel
  if (timed.timer.place >= 0 || config === undefined) return
  if (config.list !== undefined) {
    const due = takeListed(kernel, timed, config)
    if (due < Infinity) arm(state.timers, timed.timer, due)
    return
  }
  const { next, count } = timed
  const isFirst = next.length === 0
  const signals = config.signals ?? []
  for (const [place, source] of [...signals, ...config.clock ?? []].entries()) {
    if (isFirst) {
      count[place] = 0
      next[place] = nextAfter(kernel, source, 0, config.after ?? 0)
    }
    if (next[place] > state.now) continue
    if (place < signals.length) signal(kernel, next[place], place)
    else jump(kernel, next[place], drawJump(kernel, source as ClockFault))
    count[place]++
    next[place] = nextAfter(kernel, source, count[place], state.now)
  }
  const due = Math.min(...next)
  if (due < Infinity) arm(state.timers, timed.timer, due)
}
