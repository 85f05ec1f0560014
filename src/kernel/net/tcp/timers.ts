/** Timers of TCP connections: sending again, asking whether a window has opened, late acknowledgements, keep-alive (Linux's net/ipv4/tcp_timer.c). */
import { ETIMEDOUT } from '../../abi/errno.ts'
import { IPPROTO_TCP, SO_KEEPALIVE } from '../../abi/sockets.ts'
import type { Kernel } from '../../kernel.ts'
import { arm } from '../../time/timer-queue.ts'
import { CLOSE, has, type InetSocket, LISTEN, optionKey, SYN_RECEIVED, SYN_SENT } from '../inet.ts'
import { enterLoss } from './acknowledge.ts'
import { finishConnection } from './connection.ts'
import { TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_SYNCNT, TCP_USER_TIMEOUT } from './option-numbers.ts'
import { probeTail, pushPending, resend, restartRetransmitTimer, retransmissionTimeout, sendAck, sendProbe, sendReset, setTimer, wakeWindow } from './output.ts'
import { isLocalPath, type Tcb, type TcpTimer } from './tcb.ts'

/** Nobody holds the socket any more: it is given up sooner (tcp_orphan_retries). */
const ORPHAN_RETRIES = 8

const option = (socket: InetSocket, number: number, otherwise: number): number => socket.options.get(optionKey(IPPROTO_TCP, number)) ?? otherwise

const giveUp = (kernel: Kernel, socket: InetSocket): void => {
  socket.error = socket.softError !== 0 ? socket.softError : ETIMEDOUT
  socket.net.counters.tcpExt.TCPAbortOnTimeout++
  if (socket.state === SYN_SENT || socket.state === SYN_RECEIVED) socket.net.counters.tcp.AttemptFails++
  finishConnection(kernel, socket)
}

const retriesFor = (socket: InetSocket): number => {
  const { settings } = socket.net
  if (socket.state === SYN_SENT) return option(socket, TCP_SYNCNT, settings.synRetries)
  if (socket.state === SYN_RECEIVED) return settings.synackRetries
  return socket.closed ? Math.min(ORPHAN_RETRIES, settings.retries2) : settings.retries2
}

const userTimeout = (kernel: Kernel, socket: InetSocket): number => option(socket, TCP_USER_TIMEOUT, 0) * kernel.config.cpuHz / 1000

const fireRetransmit = (kernel: Kernel, socket: InetSocket, tcb: Tcb): void => {
  const patience = userTimeout(kernel, socket)
  if (tcb.sent === 0) {
    // A window that does not open, or a cork.
    if (tcb.sendQueue.length === 0) return
    if (tcb.probes >= retriesFor(socket) || (patience > 0 && tcb.probes > 0 && kernel.now - tcb.lastAcked >= patience)) {
      giveUp(kernel, socket)
      return
    }
    wakeWindow(kernel, socket, tcb)
    if (tcb.sent > 0) return
    tcb.probes++
    tcb.backoff++
    setTimer(kernel, tcb.retransmitTimer, kernel.now + Math.floor(retransmissionTimeout(kernel, tcb)))
    return
  }
  if (probeTail(kernel, socket, tcb)) return
  if (tcb.retries === 0) tcb.firstTimeout = tcb.sendQueue[0].sentAt
  if (tcb.retries >= retriesFor(socket) || (patience > 0 && tcb.retries > 0 && kernel.now - tcb.firstTimeout >= patience)) {
    giveUp(kernel, socket)
    return
  }
  socket.net.counters.tcpExt.TCPTimeouts++
  enterLoss(tcb)
  tcb.retries++
  tcb.backoff++
  resend(kernel, socket, tcb, 0)
  restartRetransmitTimer(kernel, tcb)
}

const keepAliveSeconds = (socket: InetSocket): number => option(socket, TCP_KEEPIDLE, socket.net.settings.keepaliveTime)

/** Over loopback the other side is there for certain: nobody needs to be asked. */
export const startKeepAlive = (kernel: Kernel, socket: InetSocket, tcb: Tcb): void => {
  if (!has(socket, SO_KEEPALIVE) || isLocalPath(tcb) || socket.state === CLOSE || socket.state === LISTEN || socket.state === SYN_SENT) {
    tcb.keepAliveTimer.wanted = Infinity
    return
  }
  setTimer(kernel, tcb.keepAliveTimer, kernel.now + keepAliveSeconds(socket) * kernel.config.cpuHz)
}

const fireKeepAlive = (kernel: Kernel, socket: InetSocket, tcb: Tcb): void => {
  const { cpuHz } = kernel.config
  if (!has(socket, SO_KEEPALIVE)) return
  const idle = keepAliveSeconds(socket) * cpuHz
  const elapsed = kernel.now - Math.max(tcb.lastReceived, tcb.lastAcked)
  if (tcb.sendQueue.length > 0 || elapsed < idle) {
    setTimer(kernel, tcb.keepAliveTimer, kernel.now + (tcb.sendQueue.length > 0 ? idle : idle - elapsed))
    return
  }
  const patience = userTimeout(kernel, socket)
  if (patience > 0 ? elapsed >= patience && tcb.probes > 0 : tcb.probes >= option(socket, TCP_KEEPCNT, socket.net.settings.keepaliveProbes)) {
    sendReset(kernel, socket)
    giveUp(kernel, socket)
    return
  }
  socket.net.counters.tcpExt.TCPKeepAlive++
  sendProbe(kernel, socket, tcb)
  tcb.probes++
  setTimer(kernel, tcb.keepAliveTimer, kernel.now + option(socket, TCP_KEEPINTVL, socket.net.settings.keepaliveInterval) * cpuHz)
}

export const fireTcp = (kernel: Kernel, timer: TcpTimer): void => {
  const { socket } = timer
  const { tcb } = socket
  if (tcb === undefined || socket.state === CLOSE || timer.wanted === Infinity) return
  if (timer.wanted > kernel.now) {
    arm(kernel.state.timers, timer, timer.wanted)
    return
  }
  timer.wanted = Infinity
  switch (timer.what) {
    case 'tcp-retransmit': fireRetransmit(kernel, socket, tcb); break
    case 'tcp-acknowledge':
      if (!tcb.ackPending) break
      // The answer did not come in time: it would not be waited for next time.
      tcb.interactive = false
      socket.net.counters.tcpExt.DelayedACKs++
      sendAck(kernel, socket)
      break
    case 'tcp-keep-alive': fireKeepAlive(kernel, socket, tcb); break
  }
}

/** TCP_NODELAY was set, or a cork pulled. */
export const releaseHeld = (kernel: Kernel, socket: InetSocket): void => { pushPending(kernel, socket) }
