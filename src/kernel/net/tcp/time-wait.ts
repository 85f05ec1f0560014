/** TIME_WAIT, and FIN_WAIT_2 of those whom nobody holds any more: what is left of a connection for a minute (Linux's tcp_minisocks.c). */
import type { Kernel } from '../../kernel.ts'
import { arm, makeTimer, type Timer } from '../../time/timer-queue.ts'
import type { FIN_WAIT_2, TIME_WAIT } from '../inet.ts'
import { addConnection, addToPort, type InetAddress, type InetSocket, has, leavePort, removeConnection } from '../inet.ts'
import { SO_REUSEADDR } from '../../abi/sockets.ts'
import type { NetNamespace } from '../namespace.ts'

export interface TimeWait {
  readonly kind: 'time-wait'
  readonly net: NetNamespace
  readonly local: InetAddress
  readonly remote: InetAddress
  state: typeof FIN_WAIT_2 | typeof TIME_WAIT
  /** SO_REUSEADDR. */
  readonly reuse: boolean
  readonly sndNxt: number
  rcvNxt: number
  readonly rcvWnd: number
  readonly rcvScale: number
  readonly hasTimestamps: boolean
  tsRecent: number
  /** Cycle. */
  deadline: number
}

export interface TimeWaitTimer extends Timer {
  readonly what: 'time-wait'
  readonly waits: TimeWaits
}

/** In the order of their deadlines. */
export interface TimeWaits {
  readonly kind: 'time-waits'
  readonly all: Set<TimeWait>
  readonly timer: TimeWaitTimer
}
export const makeTimeWaits = (): TimeWaits => {
  const timer = { ...makeTimer('net', 0), what: 'time-wait', waits: undefined as unknown as TimeWaits } satisfies TimeWaitTimer
  const waits: TimeWaits = { kind: 'time-waits', all: new Set(), timer }
  timer.waits = waits
  return waits
}

/** TCP_TIMEWAIT_LEN. */
export const TIME_WAIT_SECONDS = 60

const start = (kernel: Kernel, wait: TimeWait): void => {
  const { all, timer } = wait.net.timeWaits
  wait.deadline = kernel.now + TIME_WAIT_SECONDS * kernel.config.cpuHz
  all.delete(wait)
  all.add(wait)
  if (timer.place < 0) arm(kernel.state.timers, timer, wait.deadline)
}
export const restartTimeWait = start

/** The socket's connection goes on as this, which takes its place in all tables. */
export const enterTimeWait = (kernel: Kernel, socket: InetSocket, state: TimeWait['state']): void => {
  const { net, tcb, local, remote } = socket
  if (tcb === undefined || remote === undefined) return
  const wait: TimeWait = {
    kind: 'time-wait', net, local, remote, state, reuse: has(socket, SO_REUSEADDR), sndNxt: tcb.sndNxt, rcvNxt: tcb.rcvNxt,
    rcvWnd: tcb.rcvWnd, rcvScale: tcb.rcvScale, hasTimestamps: tcb.hasTimestamps, tsRecent: tcb.tsRecent, deadline: 0,
  }
  addConnection(wait, net.inet)
  addToPort(wait, net.inet.tcp)
  net.counters.tcpExt.TW++
  start(kernel, wait)
}

export const endTimeWait = (wait: TimeWait): void => {
  const { inet, timeWaits } = wait.net
  removeConnection(wait, inet)
  leavePort(wait, inet.tcp)
  timeWaits.all.delete(wait)
}

export const fireTimeWaits = (kernel: Kernel, { waits }: TimeWaitTimer): void => {
  for (const wait of waits.all) {
    if (wait.deadline > kernel.now) {
      arm(kernel.state.timers, waits.timer, wait.deadline)
      return
    }
    endTimeWait(wait)
  }
}
