/** What happens when a timer of the network fires, by what it is for. */
import type { Kernel } from '../kernel.ts'
import type { Timer } from '../time/timer-queue.ts'
import { type ArpTimer, fireArp } from './arp.ts'
import { drainBacklog } from './backlog.ts'
import { fireFragments, type FragmentTimer } from './fragments.ts'
import { arrive, type Flight } from './link.ts'
import { fireTcp } from './tcp/timers.ts'
import type { TcpTimer } from './tcp/tcb.ts'
import { fireTimeWaits, type TimeWaitTimer } from './tcp/time-wait.ts'

export type NetTimer = ArpTimer | FragmentTimer | Flight | TcpTimer | TimeWaitTimer

export const fireNetTimer = (kernel: Kernel, timer: Timer): void => {
  const net = timer as NetTimer
  switch (net.what) {
    case 'frame': arrive(kernel, net); break
    case 'arp': fireArp(kernel, net); break
    case 'fragments': fireFragments(kernel, net); break
    case 'time-wait': fireTimeWaits(kernel, net); break
    default: fireTcp(kernel, net)
  }
  drainBacklog(kernel)
}

/** Whether the timer will never wake anybody: what is left of connections that are over, and timers that need not act any more. */
export const isPassive = (timer: Timer): boolean => {
  if (timer.kind !== 'net') return false
  const net = timer as NetTimer
  return net.what === 'time-wait' || ((net.what === 'tcp-retransmit' || net.what === 'tcp-acknowledge' || net.what === 'tcp-keep-alive') && net.wanted === Infinity)
}
