/** What a TCP connection makes of segments that come (RFC 9293, 3.10.7; Linux's net/ipv4/tcp_input.c). */
import { ECONNREFUSED, ECONNRESET, EPIPE } from '../../abi/errno.ts'
import { SOCK_STREAM, SO_REUSEPORT, IPPROTO_TCP } from '../../abi/sockets.ts'
import type { Kernel } from '../../kernel.ts'
import { confirmNeighbour } from '../arp.ts'
import type { NetInterface } from '../device.ts'
import {
  addConnection, addToPort, CLOSE, CLOSE_WAIT, CLOSING, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, findConnection, has, type InetSocket, LAST_ACK, makeInetSocket, SYN_RECEIVED, SYN_SENT,
  SHUT_RECEIVE, SHUT_SEND, TIME_WAIT, wakeBoth,
} from '../inet.ts'
import { ANY } from '../ipv4.ts'
import type { NetNamespace } from '../namespace.ts'
import { acknowledge } from './acknowledge.ts'
import { algorithmOf, finishConnection, initialSequence, scaleOf, settleSizes } from './connection.ts'
import { receiveData, checkUrgent } from './data.ts'
import { answerFor, answerWithReset, isFinAcknowledged, offeredWindow, pathOf, pushPending, resend, sendAck, sendSyn } from './output.ts'
import { ACK, FIN, RST, type Segment, SYN, URG } from './segment.ts'
import { isLocalPath, makeTcb, near, type Tcb } from './tcb.ts'
import { endTimeWait, enterTimeWait, restartTimeWait, type TimeWait } from './time-wait.ts'
import { startKeepAlive } from './timers.ts'

// ——— Whom a segment is for ———

/** Several listeners with SO_REUSEPORT share by the client's address and port. */
const findListener = (net: NetNamespace, segment: Segment, device: NetInterface): InetSocket | undefined => {
  const listeners = net.inet.listeners.get(segment.destinationPort)
  if (listeners === undefined) return undefined
  let best: InetSocket | undefined
  let bestScore = -1
  for (const listener of listeners) {
    if (listener.local.address !== ANY && listener.local.address !== segment.destination) continue
    if (listener.device !== 0 && listener.device !== device.index) continue
    const score = (listener.local.address !== ANY ? 2 : 0) + (listener.device !== 0 ? 1 : 0)
    if (score > bestScore) {
      bestScore = score
      best = listener
    }
  }
  if (best === undefined || listeners.length === 1 || !has(best, SO_REUSEPORT)) return best
  const { address } = best.local
  const sharing = listeners.filter((other) => has(other, SO_REUSEPORT) && other.local.address === address && other.device === best.device)
  const hash = Math.imul(segment.source ^ Math.imul(segment.sourcePort, 0x9e37_79b1), 0x85eb_ca6b) >>> 0
  return sharing[hash % sharing.length]
}

export const inputSegment = (kernel: Kernel, net: NetNamespace, segment: Segment, device: NetInterface): void => {
  net.counters.tcp.InSegs++
  const found = findConnection(net.inet, segment.destination, segment.destinationPort, segment.source, segment.sourcePort)
  if (found !== undefined) {
    if (found.kind === 'inet') inputForSocket(kernel, found, segment)
    else inputForTimeWait(kernel, net, found, segment, device)
    return
  }
  inputForListener(kernel, net, segment, device)
}

// ——— Listeners ———

const inputForListener = (kernel: Kernel, net: NetNamespace, segment: Segment, device: NetInterface): void => {
  const listener = findListener(net, segment, device)
  const { flags } = segment
  if (listener === undefined) {
    answerWithReset(kernel, net, segment)
    return
  }
  if ((flags & RST) !== 0) return
  if ((flags & ACK) !== 0) {
    answerWithReset(kernel, net, segment)
    return
  }
  if ((flags & SYN) === 0 || (flags & FIN) !== 0) return
  openPassively(kernel, net, listener, segment)
}

const openPassively = (kernel: Kernel, net: NetNamespace, listener: InetSocket, segment: Segment): void => {
  // No room: the client tries again.
  if (listener.waiting.length > listener.backlog) {
    net.counters.tcpExt.ListenOverflows++
    net.counters.tcpExt.ListenDrops++
    return
  }
  if (listener.halfOpen.size >= Math.max(listener.backlog, 8) * 2) {
    net.counters.tcpExt.TCPReqQFullDrop++
    net.counters.tcpExt.ListenDrops++
    return
  }
  const socket = makeInetSocket(net, SOCK_STREAM, IPPROTO_TCP, listener.uid)
  socket.local = { address: segment.destination, port: segment.destinationPort }
  socket.remote = { address: segment.source, port: segment.sourcePort }
  for (const [option, value] of listener.options) socket.options.set(option, value)
  socket.sendBuffer = listener.sendBuffer
  socket.receiveBuffer = listener.receiveBuffer
  socket.sendTimeout = listener.sendTimeout
  socket.receiveTimeout = listener.receiveTimeout
  socket.device = listener.device
  if (listener.keepsAddress === true) socket.keepsAddress = true
  socket.listener = listener
  const tcb = makeTcb(socket, initialSequence(kernel, socket), kernel.config.cpuHz, algorithmOf(socket))
  socket.tcb = tcb
  if (typeof pathOf(socket, tcb) === 'number') return
  tcb.rcvScale = scaleOf(socket)
  socket.state = SYN_RECEIVED
  takeSynOptions(kernel, socket, tcb, segment)
  addConnection(socket, net.inet)
  addToPort(socket, net.inet.tcp)
  listener.halfOpen.add(socket)
  sendSyn(kernel, socket, tcb)
}

/** What the other side's SYN says: where its numbers begin, and what both sides can do. */
const takeSynOptions = (kernel: Kernel, socket: InetSocket, tcb: Tcb, segment: Segment): void => {
  const { settings } = socket.net
  tcb.irs = segment.seq
  tcb.rcvNxt = segment.seq + 1
  tcb.rcvAcked = tcb.rcvNxt
  tcb.hasTimestamps = segment.hasTimestamps && settings.timestamps !== 0
  tcb.hasSack = segment.sackPermitted && settings.sack !== 0
  tcb.tsRecent = tcb.hasTimestamps ? segment.tsval : 0
  tcb.tsRecentAt = kernel.now
  if (segment.scale >= 0 && settings.windowScaling !== 0) tcb.sndScale = segment.scale
  else {
    tcb.sndScale = 0
    tcb.rcvScale = 0
  }
  tcb.sndWnd = segment.window
  tcb.maxWindow = segment.window
  tcb.sndWl1 = segment.seq
  settleSizes(kernel, socket, tcb, segment.mss)
}

// ——— TIME_WAIT ———

const inputForTimeWait = (kernel: Kernel, net: NetNamespace, wait: TimeWait, segment: Segment, device: NetInterface): void => {
  const { flags } = segment
  const seq = near(wait.rcvNxt, segment.seq)
  const end = seq + segment.data.length + ((flags & SYN) !== 0 ? 1 : 0) + ((flags & FIN) !== 0 ? 1 : 0)
  const isNewer = wait.hasTimestamps && segment.hasTimestamps && ((segment.tsval - wait.tsRecent) | 0) > 0
  const acknowledgeIt = (): void => {
    answerFor(kernel, net, segment, wait.sndNxt, wait.rcvNxt, Math.min(Math.floor(wait.rcvWnd / 2 ** wait.rcvScale), 65_535), wait.tsRecent)
  }
  if ((flags & RST) !== 0) {
    if (seq === wait.rcvNxt) endTimeWait(wait)
    return
  }
  if (wait.state === FIN_WAIT_2) {
    if (end === seq || end <= wait.rcvNxt) {
      if ((flags & SYN) !== 0 && seq >= wait.rcvNxt) answerWithReset(kernel, net, segment)
      return
    }
    if ((flags & FIN) === 0 || end !== wait.rcvNxt + 1) {
      // Data for somebody who is gone.
      net.counters.tcpExt.TCPAbortOnData++
      endTimeWait(wait)
      answerWithReset(kernel, net, segment)
      return
    }
    wait.state = TIME_WAIT
    wait.rcvNxt = end
    if (segment.hasTimestamps) wait.tsRecent = segment.tsval
    restartTimeWait(kernel, wait)
    acknowledgeIt()
    return
  }
  if ((flags & (SYN | ACK)) === SYN && (seq > wait.rcvNxt || isNewer)) {
    endTimeWait(wait)
    inputForListener(kernel, net, segment, device)
    return
  }
  if (end !== seq || (flags & SYN) !== 0) restartTimeWait(kernel, wait)
  if ((flags & ACK) !== 0 && end !== seq) acknowledgeIt()
}

// ——— Connections ———

/** The connection was cut by the other side (tcp_reset). */
export const cutByPeer = (kernel: Kernel, socket: InetSocket): void => {
  const { state, net } = socket
  if (state === CLOSE) return
  if (state === ESTABLISHED || state === CLOSE_WAIT) net.counters.tcp.EstabResets++
  if (state === SYN_SENT || state === SYN_RECEIVED) net.counters.tcp.AttemptFails++
  socket.error = state === SYN_SENT ? ECONNREFUSED : state === CLOSE_WAIT ? EPIPE : ECONNRESET
  finishConnection(kernel, socket)
}

const inputForSynSent = (kernel: Kernel, socket: InetSocket, tcb: Tcb, segment: Segment): void => {
  const { flags } = segment
  const ack = near(tcb.sndUna, segment.ack)
  if ((flags & ACK) !== 0 && (ack <= tcb.iss || ack > tcb.sndNxt)) {
    answerWithReset(kernel, socket.net, segment)
    return
  }
  if ((flags & RST) !== 0) {
    if ((flags & ACK) !== 0) cutByPeer(kernel, socket)
    return
  }
  if ((flags & SYN) === 0) return
  takeSynOptions(kernel, socket, tcb, segment)
  if ((flags & ACK) === 0) {
    // Both sides opened at once (RFC 9293, 3.5).
    socket.state = SYN_RECEIVED
    resend(kernel, socket, tcb, 0)
    return
  }
  acknowledge(kernel, socket, tcb, segment, tcb.rcvNxt, ack)
  socket.state = ESTABLISHED
  opened(kernel, socket, tcb)
  sendAck(kernel, socket)
  wakeBoth(kernel, socket)
}

const opened = (kernel: Kernel, socket: InetSocket, tcb: Tcb): void => {
  tcb.quickAcks = 16
  tcb.lastReceived = kernel.now
  startKeepAlive(kernel, socket, tcb)
}

/** The third segment of the handshake: the connection waits to be accepted, or for room there. */
const completePassiveOpen = (kernel: Kernel, socket: InetSocket, tcb: Tcb): boolean => {
  const { listener } = socket
  if (listener !== undefined) {
    if (listener.waiting.length > listener.backlog) {
      // As if the segment had not come: SYN and ACK will be sent again.
      socket.net.counters.tcpExt.ListenOverflows++
      return false
    }
    listener.halfOpen.delete(socket)
    listener.waiting.push(socket)
    socket.net.counters.tcp.PassiveOpens++
  }
  socket.state = ESTABLISHED
  opened(kernel, socket, tcb)
  if (listener !== undefined) kernel.wake(listener.readable)
  else wakeBoth(kernel, socket)
  return true
}

/** PAWS (RFC 7323, 5): the segment is older than what has come. */
const isOld = (kernel: Kernel, tcb: Tcb, segment: Segment): boolean => tcb.hasTimestamps && segment.hasTimestamps && tcb.tsRecent !== 0 &&
  ((tcb.tsRecent - segment.tsval) | 0) > 1 && kernel.now - tcb.tsRecentAt < 24 * 86_400 * kernel.config.cpuHz

const inputForSocket = (kernel: Kernel, socket: InetSocket, segment: Segment): void => {
  const { tcb } = socket
  if (tcb === undefined || socket.state === CLOSE) return
  tcb.segmentsIn++
  if (!isLocalPath(tcb) && tcb.path !== undefined) confirmNeighbour(kernel, tcb.path.device, tcb.path.nextHop)
  if (socket.state === SYN_SENT) {
    inputForSynSent(kernel, socket, tcb, segment)
    pushPending(kernel, socket)
    return
  }
  const { flags, data } = segment
  const seq = near(tcb.rcvNxt, segment.seq)
  const end = seq + data.length + ((flags & SYN) !== 0 ? 1 : 0) + ((flags & FIN) !== 0 ? 1 : 0)
  // First: is it inside of the window?
  if (isOld(kernel, tcb, segment) && (flags & RST) === 0) {
    socket.net.counters.tcpExt.PAWSEstab++
    sendAck(kernel, socket)
    return
  }
  if (end < tcb.rcvAcked || seq > tcb.rcvNxt + offeredWindow(tcb)) {
    if ((flags & RST) !== 0) return
    if (socket.state === SYN_RECEIVED && (flags & SYN) !== 0) resend(kernel, socket, tcb, 0)
    else sendAck(kernel, socket)
    return
  }
  if ((flags & RST) !== 0) {
    // A number that does not match exactly is answered (RFC 5961, 3.2).
    if (seq === tcb.rcvNxt) cutHalfOpen(kernel, socket)
    else sendAck(kernel, socket)
    return
  }
  if ((flags & SYN) !== 0) {
    if (socket.state === SYN_RECEIVED && segment.seq === (tcb.irs >>> 0)) {
      // The other side of a simultaneous open, or our answer was lost.
      if ((flags & ACK) === 0) {
        resend(kernel, socket, tcb, 0)
        return
      }
    } else {
      sendAck(kernel, socket)
      return
    }
  }
  if ((flags & ACK) === 0) return
  const ack = near(tcb.sndUna, segment.ack)
  if (segment.hasTimestamps && tcb.hasTimestamps && seq <= tcb.rcvAcked && ((segment.tsval - tcb.tsRecent) | 0) >= 0) {
    tcb.tsRecent = segment.tsval
    tcb.tsRecentAt = kernel.now
  }
  if (socket.state === SYN_RECEIVED) {
    if (ack <= tcb.sndUna || ack > tcb.sndNxt) {
      answerWithReset(kernel, socket.net, segment)
      return
    }
    if (!completePassiveOpen(kernel, socket, tcb)) return
    tcb.sndWl1 = seq
  }
  if (ack > tcb.sndNxt) {
    sendAck(kernel, socket)
    return
  }
  acknowledge(kernel, socket, tcb, segment, seq, ack)
  if (isFinAcknowledged(socket, tcb) && !closeFurther(kernel, socket)) return
  if ((flags & URG) !== 0) checkUrgent(kernel, socket, tcb, segment, seq)
  if (end > seq && (flags & SYN) === 0) {
    if ((socket.state === FIN_WAIT_1 || socket.state === FIN_WAIT_2) && (socket.shut & SHUT_RECEIVE) !== 0 && data.length > 0 && seq + data.length > tcb.rcvNxt) {
      // Data that nobody will read any more.
      socket.net.counters.tcpExt.TCPAbortOnData++
      cutByPeer(kernel, socket)
      answerWithReset(kernel, socket.net, segment)
      return
    }
    receiveData(kernel, socket, tcb, segment, seq, afterFin)
  }
  if (tcb.sent < tcb.sendQueue.length) pushPending(kernel, socket)
  // Nobody holds it, and all that it still waits for is the other side's FIN.
  if (socket.closed && socket.state === FIN_WAIT_2) becomeTimeWait(kernel, socket, FIN_WAIT_2)
}

const cutHalfOpen = (kernel: Kernel, socket: InetSocket): void => {
  socket.listener?.halfOpen.delete(socket)
  cutByPeer(kernel, socket)
}

/** Our FIN was acknowledged. @returns false if the connection is over */
const closeFurther = (kernel: Kernel, socket: InetSocket): boolean => {
  switch (socket.state) {
    case FIN_WAIT_1:
      socket.state = FIN_WAIT_2
      socket.shut |= SHUT_SEND
      if (!socket.closed) wakeBoth(kernel, socket)
      return true
    case CLOSING:
      becomeTimeWait(kernel, socket, TIME_WAIT)
      return false
    case LAST_ACK:
      finishConnection(kernel, socket)
      return false
    default: return true
  }
}

/** What is left of the connection is remembered for a minute; the socket itself is closed. */
export const becomeTimeWait = (kernel: Kernel, socket: InetSocket, state: typeof FIN_WAIT_2 | typeof TIME_WAIT): void => {
  enterTimeWait(kernel, socket, state)
  finishConnection(kernel, socket)
}

/** The other side has nothing more to send (tcp_fin). */
const afterFin = (kernel: Kernel, socket: InetSocket, tcb: Tcb): void => {
  socket.shut |= SHUT_RECEIVE
  switch (socket.state) {
    case SYN_RECEIVED: case ESTABLISHED:
      socket.state = CLOSE_WAIT
      tcb.interactive = true
      break
    case FIN_WAIT_1:
      sendAck(kernel, socket)
      socket.state = CLOSING
      break
    case FIN_WAIT_2:
      sendAck(kernel, socket)
      becomeTimeWait(kernel, socket, TIME_WAIT)
      break
    default: break
  }
  if (!socket.closed) wakeBoth(kernel, socket)
}
