/** What a TCP connection sends: segments out of its queue, acknowledgements, resets (Linux's net/ipv4/tcp_output.c). */
import { IPPROTO_TCP } from '../../abi/sockets.ts'
import type { Kernel } from '../../kernel.ts'
import { arm } from '../../time/timer-queue.ts'
import { sendToLoopback } from '../backlog.ts'
import { boundDevice, CLOSE, FIN_WAIT_1, has, type InetSocket, LAST_ACK, CLOSING, optionKey, SYN_SENT } from '../inet.ts'
import { sendIp } from '../ip-output.ts'
import type { NetNamespace } from '../namespace.ts'
import { findPath, type Path } from '../route.ts'
import { TCP_CORK, TCP_NODELAY } from './option-numbers.ts'
import { ACK, encodeSegment, FIN, NO_DATA, NO_SACKS, PSH, RST, type Segment, SYN, URG } from './segment.ts'
import { CHUNK_COST, type Chunk, inFlight, isLocalPath, OPEN, RTO_MAX_SECONDS, type Tcb, type TcpTimer, wire } from './tcb.ts'

// ——— Timers ———

/** Sets when the timer should act; it is moved only if it would be late. */
export const setTimer = (kernel: Kernel, timer: TcpTimer, deadline: number): void => {
  timer.wanted = deadline
  if (deadline < timer.deadline) arm(kernel.state.timers, timer, deadline)
}

export const retransmissionTimeout = (kernel: Kernel, tcb: Tcb): number =>
  Math.min(tcb.rto * 2 ** Math.min(tcb.backoff, 20), RTO_MAX_SECONDS * kernel.config.cpuHz)

/** A tail that was lost makes no duplicates: after two round trips its last segment is sent again, to hear what is missing (RFC 8985, 7). */
const mayProbeTail = (tcb: Tcb): boolean => tcb.hasSack && tcb.phase === OPEN && !tcb.probedTail && tcb.backoff === 0 && tcb.srtt > 0 && !isLocalPath(tcb)

export const restartRetransmitTimer = (kernel: Kernel, tcb: Tcb): void => {
  if (tcb.sent === 0) {
    tcb.retransmitTimer.wanted = Infinity
    return
  }
  let timeout = retransmissionTimeout(kernel, tcb)
  if (mayProbeTail(tcb)) timeout = Math.min(timeout, 2 * tcb.srtt + (tcb.sent === 1 ? ACK_PATIENCE_SECONDS : LEAST_PROBE_SECONDS) * kernel.config.cpuHz)
  setTimer(kernel, tcb.retransmitTimer, kernel.now + Math.floor(timeout))
}
/** One segment may wait for a delayed acknowledgement. */
const ACK_PATIENCE_SECONDS = 0.2, LEAST_PROBE_SECONDS = 0.002

/** @returns false if the timeout is one of retransmission */
export const probeTail = (kernel: Kernel, socket: InetSocket, tcb: Tcb): boolean => {
  if (!mayProbeTail(tcb)) return false
  tcb.probedTail = true
  socket.net.counters.tcpExt.TCPLossProbes++
  const next = tcb.sendQueue.at(tcb.sent)
  if (next !== undefined && next.end <= tcb.sndUna + tcb.sndWnd && next.length <= currentSize(tcb)) sendNew(kernel, socket, tcb, next)
  else send(kernel, socket, tcb, tcb.sendQueue[tcb.sent - 1])
  restartRetransmitTimer(kernel, tcb)
  return true
}

// ——— The way ———

/** Where segments go; looked up anew when routes or addresses have changed. A negative errno if there is no way now. */
export const pathOf = (socket: InetSocket, tcb: Tcb): Path | number => {
  const { net, remote, local } = socket
  if (tcb.path !== undefined && tcb.pathGeneration === net.routeGeneration) return tcb.path
  const path = findPath(net, remote?.address ?? 0, boundDevice(socket), local.address)
  if (typeof path === 'number') return path
  tcb.path = path
  tcb.pathGeneration = net.routeGeneration
  return path
}

const HEADERS = 40
/** The largest segment that an interface takes, without options. */
export const segmentSizeOf = (mtu: number): number => Math.min(mtu, 65_535) - HEADERS

/** Never more than half of the largest window, so that two segments can be under way. */
export const currentSize = (tcb: Tcb): number => {
  const half = tcb.maxWindow > 536 ? Math.floor(tcb.maxWindow / 2) : tcb.maxWindow
  return half > 0 && tcb.mss > half ? Math.max(half, 48) : tcb.mss
}

// ——— The window that we offer ———

const fullSpace = (socket: InetSocket): number => socket.receiveBuffer >> 1

/** __tcp_select_window: what there is room for; 0 rather than a silly little. */
export const roomFor = (socket: InetSocket, tcb: Tcb): number => {
  const full = fullSpace(socket)
  const free = Math.max(full - socket.queuedBytes, 0)
  const mss = Math.min(tcb.rcvMss, full)
  if (free < full >> 4 || free < mss) return 0
  if (tcb.rcvScale > 0) {
    const unit = 2 ** tcb.rcvScale
    return Math.ceil(free / unit) * unit
  }
  return free - free % mss
}

export const offeredWindow = (tcb: Tcb): number => Math.max(tcb.rcvAcked + tcb.rcvWnd - tcb.rcvNxt, 0)

/** Chooses the window for a segment that is about to be sent: what was offered is never taken back. */
const selectWindow = (socket: InetSocket, tcb: Tcb): number => {
  const offered = offeredWindow(tcb)
  let window = roomFor(socket, tcb)
  if (window < offered) {
    const unit = 2 ** tcb.rcvScale
    window = Math.ceil(offered / unit) * unit
  }
  window = Math.min(window, 65_535 * 2 ** tcb.rcvScale)
  tcb.rcvWnd = window
  tcb.rcvAcked = tcb.rcvNxt
  return window
}

// ——— Segments ———

export const timestamp = (kernel: Kernel): number => Math.floor(kernel.now / (kernel.config.cpuHz / 1000)) >>> 0

const IP_TOS = 1, IP_TTL = 2
export const ttlOf = (socket: InetSocket): number => {
  const ttl = socket.options.get(optionKey(0, IP_TTL)) ?? -1
  return ttl > 0 ? ttl : socket.net.settings.defaultTtl
}
export const tosOf = (socket: InetSocket): number => socket.options.get(optionKey(0, IP_TOS)) ?? 0

const emit = (kernel: Kernel, net: NetNamespace, path: Path, segment: Segment): void => {
  net.counters.tcp.OutSegs++
  if (path.kind === 'local') sendToLoopback(kernel, net, segment)
  else {
    sendIp(kernel, net, path, {
      source: segment.source, destination: segment.destination, protocol: IPPROTO_TCP, ttl: segment.ttl, tos: segment.tos, dontFragment: true, payload: encodeSegment(segment),
    })
  }
}

const sackBlocks = (tcb: Tcb): readonly number[] => {
  // The block that came last should be first; adjacent ones are joined.
  const edges: number[] = []
  for (const { seq, end } of tcb.early) {
    if (edges.length > 0 && edges[edges.length - 1] === wire(seq)) edges[edges.length - 1] = wire(end)
    else edges.push(wire(seq), wire(end))
  }
  return edges.slice(0, tcb.hasTimestamps ? 6 : 8)
}

/** Sends one segment with what the connection has to say. Its acknowledgement settles what was to be acknowledged. */
const transmit = (kernel: Kernel, socket: InetSocket, tcb: Tcb, seq: number, flags: number, data: Uint8Array): void => {
  const { net, local, remote } = socket
  const path = pathOf(socket, tcb)
  if (typeof path === 'number' || remote === undefined) {
    socket.softError = typeof path === 'number' ? -path : 0
    return
  }
  const isSyn = (flags & SYN) !== 0
  const window = selectWindow(socket, tcb)
  let urgent = 0
  let all = flags
  if (tcb.sndUrgent > seq && !isSyn) {
    const distance = tcb.sndUrgent - seq
    urgent = Math.min(distance, 0xffff)
    all |= URG
  }
  const sacks = tcb.early.length > 0 && tcb.hasSack && data.length < tcb.mss - 40 ? sackBlocks(tcb) : NO_SACKS
  tcb.segmentsOut++
  tcb.lastSent = kernel.now
  if ((all & ACK) !== 0) {
    tcb.ackPending = false
    tcb.ackPushed = false
    tcb.acknowledgeTimer.wanted = Infinity
    if (tcb.quickAcks > 0) tcb.quickAcks--
  }
  const { settings } = net
  const asks = isSyn && (all & ACK) === 0
  emit(kernel, net, path, {
    kind: 'tcp', source: local.address, sourcePort: local.port, destination: remote.address, destinationPort: remote.port, seq: wire(seq), ack: (all & ACK) !== 0 ? wire(tcb.rcvNxt) : 0,
    flags: all, window: isSyn ? synWindow(window, advertisedSize(socket, tcb, path) - (asks || !tcb.hasTimestamps ? 0 : TIMESTAMP_BYTES)) : Math.min(Math.floor(window / 2 ** tcb.rcvScale), 65_535), urgent,
    mss: isSyn ? advertisedSize(socket, tcb, path) : 0, scale: isSyn && (asks ? settings.windowScaling !== 0 : tcb.rcvScale > 0) ? tcb.rcvScale : -1,
    sackPermitted: isSyn && (asks ? settings.sack !== 0 : tcb.hasSack), sacks,
    hasTimestamps: asks ? settings.timestamps !== 0 : tcb.hasTimestamps, tsval: timestamp(kernel), tsecr: tcb.tsRecent, data, ttl: ttlOf(socket), tos: tosOf(socket),
  })
}

const TIMESTAMP_BYTES = 12
/** As many whole segments as fit into 16 bits (tcp_select_initial_window). */
const synWindow = (window: number, size: number): number => {
  const most = Math.min(window, 65_535)
  return most < size ? most : most - most % size
}

const TCP_MAXSEG = 2
export const advertisedSize = (socket: InetSocket, tcb: Tcb, path: Path): number => {
  const size = segmentSizeOf(tcb.pathMtu > 0 ? Math.min(tcb.pathMtu, path.device.mtu) : path.device.mtu)
  const wanted = socket.options.get(optionKey(IPPROTO_TCP, TCP_MAXSEG)) ?? 0
  return wanted > 0 ? Math.min(wanted, size) : size
}

export const sendAck = (kernel: Kernel, socket: InetSocket): void => {
  const { tcb } = socket
  if (tcb !== undefined && socket.state !== CLOSE) transmit(kernel, socket, tcb, tcb.sndNxt, ACK, NO_DATA)
}

/** An empty segment that is before what the peer expects: it answers with an acknowledgement. */
export const sendProbe = (kernel: Kernel, socket: InetSocket, tcb: Tcb): void => { transmit(kernel, socket, tcb, tcb.sndUna - 1, ACK, NO_DATA) }

/** The connection is cut (tcp_send_active_reset). */
export const sendReset = (kernel: Kernel, socket: InetSocket): void => {
  const { tcb, net } = socket
  if (tcb === undefined) return
  net.counters.tcp.OutRsts++
  transmit(kernel, socket, tcb, tcb.sndNxt, RST | ACK, NO_DATA)
}

/** Answers a segment that no connection wants (RFC 9293, 3.10.7.1). */
export const answerWithReset = (kernel: Kernel, net: NetNamespace, segment: Segment): void => {
  if ((segment.flags & RST) !== 0) return
  const path = findPath(net, segment.source, undefined, segment.destination)
  if (typeof path === 'number') return
  const hasAck = (segment.flags & ACK) !== 0
  const length = segment.data.length + ((segment.flags & SYN) !== 0 ? 1 : 0) + ((segment.flags & FIN) !== 0 ? 1 : 0)
  net.counters.tcp.OutRsts++
  emit(kernel, net, path, {
    ...segment, source: segment.destination, sourcePort: segment.destinationPort, destination: segment.source, destinationPort: segment.sourcePort,
    seq: hasAck ? segment.ack : 0, ack: hasAck ? 0 : wire(segment.seq + length), flags: hasAck ? RST : RST | ACK, window: 0, urgent: 0, mss: 0, scale: -1, sackPermitted: false,
    sacks: NO_SACKS, hasTimestamps: false, data: NO_DATA, ttl: net.settings.defaultTtl, tos: 0,
  })
}

/** An acknowledgement for a connection that is only remembered. */
export const answerFor = (kernel: Kernel, net: NetNamespace, segment: Segment, seq: number, ack: number, window: number, tsRecent: number): void => {
  const path = findPath(net, segment.source, undefined, segment.destination)
  if (typeof path === 'number') return
  emit(kernel, net, path, {
    ...segment, source: segment.destination, sourcePort: segment.destinationPort, destination: segment.source, destinationPort: segment.sourcePort, seq: wire(seq), ack: wire(ack), flags: ACK,
    window, urgent: 0, mss: 0, scale: -1, sackPermitted: false, sacks: NO_SACKS, tsval: timestamp(kernel), tsecr: tsRecent, data: NO_DATA, ttl: net.settings.defaultTtl, tos: 0,
  })
}

// ——— The queue ———

/** Cuts a chunk in two: the first is `length` bytes. */
const split = (tcb: Tcb, index: number, length: number): void => {
  const { sendQueue } = tcb
  const chunk = sendQueue[index]
  const rest: Chunk = { ...chunk, seq: chunk.seq + length, bytes: chunk.bytes.subarray(length, chunk.length), length: chunk.length - length }
  chunk.bytes = chunk.bytes.subarray(0, length)
  chunk.length = length
  chunk.flags &= ~(FIN | PSH)
  chunk.end = rest.seq
  sendQueue.splice(index + 1, 0, rest)
  tcb.queued += CHUNK_COST
  if (index >= tcb.sent) return
  tcb.sent++
  if (chunk.sacked) tcb.sackedOut++
  if (chunk.lost) tcb.lostOut++
  if (chunk.resent) tcb.resentOut++
}

const send = (kernel: Kernel, socket: InetSocket, tcb: Tcb, chunk: Chunk): void => {
  chunk.sentAt = kernel.now
  chunk.transmissions++
  tcb.bytesSent += chunk.length
  if (chunk.length > 0) tcb.dataOut++
  const flags = (chunk.flags & SYN) !== 0 && socket.state === SYN_SENT ? chunk.flags : chunk.flags | ACK
  transmit(kernel, socket, tcb, chunk.seq, flags, chunk.length === chunk.bytes.length ? chunk.bytes : chunk.bytes.subarray(0, chunk.length))
}

/** Sends a chunk for the first time. */
const sendNew = (kernel: Kernel, socket: InetSocket, tcb: Tcb, chunk: Chunk): void => {
  tcb.sent++
  tcb.sndNxt = chunk.end
  if (chunk.length < currentSize(tcb)) tcb.sndSmall = chunk.end
  // Data that answer data: the other side may wait with acknowledgements for ours.
  if (chunk.length > 0 && kernel.now - tcb.lastReceived < DELAYED_ACK_SECONDS * kernel.config.cpuHz) tcb.interactive = true
  send(kernel, socket, tcb, chunk)
  if (tcb.sent === 1 || tcb.retransmitTimer.wanted === Infinity) {
    tcb.backoff = 0
    restartRetransmitTimer(kernel, tcb)
  }
}

export const DELAYED_ACK_SECONDS = 0.04

/** Whether Nagle's algorithm, or a cork, holds a segment that is not full. */
const isHeld = (socket: InetSocket, tcb: Tcb, chunk: Chunk, size: number, more: boolean): boolean => {
  if (chunk.length >= size || (chunk.flags & (FIN | SYN)) !== 0 || tcb.sndUrgent > chunk.seq) return false
  if (more || has(socket, optionKey(IPPROTO_TCP, TCP_CORK))) return true
  if (tcb.sent === 0 || has(socket, optionKey(IPPROTO_TCP, TCP_NODELAY))) return false
  return tcb.sndSmall > tcb.sndUna && tcb.sndSmall <= tcb.sndNxt
}

/** Sends what windows and rules allow (tcp_write_xmit). */
export const pushPending = (kernel: Kernel, socket: InetSocket, more = false): void => {
  const { tcb } = socket
  if (tcb === undefined || socket.state === CLOSE) return
  const { sendQueue } = tcb
  if (tcb.sent < sendQueue.length && tcb.sent === 0 && tcb.lastSent > 0 && kernel.now - tcb.lastSent > tcb.rto && tcb.cwnd > 10) {
    // What was known of the way is old (RFC 5681, 4.1).
    tcb.ssthresh = Math.max(tcb.ssthresh, Math.floor(tcb.cwnd * 3 / 4))
    tcb.cwnd = 10
  }
  const windowEnd = tcb.sndUna + tcb.sndWnd
  const size = currentSize(tcb)
  while (tcb.sent < sendQueue.length) {
    const chunk = sendQueue[tcb.sent]
    if (inFlight(tcb) >= tcb.cwnd) break
    if (Math.min(chunk.end, chunk.seq + size) > windowEnd) break
    if (chunk.length > size) split(tcb, tcb.sent, size)
    if (tcb.sent === sendQueue.length - 1 && isHeld(socket, tcb, chunk, size, more)) break
    sendNew(kernel, socket, tcb, chunk)
  }
  // Something waits, and nothing is under way whose acknowledgement would let it go: a timer will.
  if (tcb.sent === 0 && sendQueue.length > 0 && (tcb.sndWnd > 0 || !isLocalPath(tcb))) {
    if (tcb.retransmitTimer.wanted === Infinity) setTimer(kernel, tcb.retransmitTimer, kernel.now + Math.floor(retransmissionTimeout(kernel, tcb)))
  }
}

/** The timer of a closed or corked window: sends what fits, or asks whether the window has opened (tcp_write_wakeup). */
export const wakeWindow = (kernel: Kernel, socket: InetSocket, tcb: Tcb): void => {
  const chunk = tcb.sendQueue.at(tcb.sent)
  const room = tcb.sndUna + tcb.sndWnd - (chunk?.seq ?? 0)
  if (chunk === undefined || room <= 0) {
    sendProbe(kernel, socket, tcb)
    return
  }
  const length = Math.min(chunk.length, room, currentSize(tcb))
  if (length < chunk.length) split(tcb, tcb.sent, length)
  chunk.flags |= PSH
  sendNew(kernel, socket, tcb, chunk)
}

export const resend = (kernel: Kernel, socket: InetSocket, tcb: Tcb, index: number): void => {
  const chunk = tcb.sendQueue[index]
  const size = currentSize(tcb)
  if (chunk.length > size) split(tcb, index, size)
  if (!chunk.resent) {
    chunk.resent = true
    tcb.resentOut++
  }
  tcb.totalResent++
  tcb.bytesResent += chunk.length
  socket.net.counters.tcp.RetransSegs++
  if ((chunk.flags & SYN) !== 0) socket.net.counters.tcpExt.TCPSynRetrans++
  send(kernel, socket, tcb, chunk)
}

/** Sends again what was lost, as far as the window of congestion allows. */
export const resendLost = (kernel: Kernel, socket: InetSocket, tcb: Tcb): void => {
  for (let i = 0; i < tcb.sent && tcb.lostOut > tcb.resentOut; i++) {
    const chunk = tcb.sendQueue[i]
    if (!chunk.lost || chunk.resent) continue
    if (inFlight(tcb) >= tcb.cwnd) return
    resend(kernel, socket, tcb, i)
  }
}

/** Queues bytes behind what is there; they are the queue's. @returns how many, at least as far as one segment goes */
export const queueBytes = (tcb: Tcb, bytes: Uint8Array, size: number): void => {
  const { sendQueue } = tcb
  let at = 0
  const last = sendQueue.length > tcb.sent ? sendQueue[sendQueue.length - 1] : undefined
  if (last !== undefined && last.length < size && (last.flags & (SYN | FIN)) === 0) {
    const piece = Math.min(bytes.length, size - last.length)
    if (last.bytes.length < last.length + piece) {
      const grown = new Uint8Array(Math.min(size, Math.max(2 * last.length, last.length + piece)))
      grown.set(last.bytes.subarray(0, last.length))
      last.bytes = grown
    }
    last.bytes.set(bytes.subarray(0, piece), last.length)
    last.length += piece
    last.end += piece
    last.flags &= ~PSH
    at = piece
  }
  while (at < bytes.length) {
    const piece = bytes.slice(at, at + size)
    const seq = tcb.writeSeq + at
    sendQueue.push({ seq, bytes: piece, length: piece.length, flags: 0, end: seq + piece.length, sentAt: 0, transmissions: 0, sacked: false, lost: false, resent: false })
    tcb.queued += CHUNK_COST
    at += piece.length
  }
  tcb.writeSeq += bytes.length
  tcb.queued += bytes.length
}

export const queueControl = (tcb: Tcb, flags: typeof SYN | typeof FIN): void => {
  const { sendQueue } = tcb
  const last = sendQueue.length > tcb.sent ? sendQueue[sendQueue.length - 1] : undefined
  if (flags === FIN && last !== undefined && (last.flags & SYN) === 0) {
    last.flags |= FIN
    last.end++
  } else {
    sendQueue.push({ seq: tcb.writeSeq, bytes: NO_DATA, length: 0, flags, end: tcb.writeSeq + 1, sentAt: 0, transmissions: 0, sacked: false, lost: false, resent: false })
    tcb.queued += CHUNK_COST
  }
  tcb.writeSeq++
}

/** The SYN goes whatever the window says. */
export const sendSyn = (kernel: Kernel, socket: InetSocket, tcb: Tcb): void => {
  queueControl(tcb, SYN)
  sendNew(kernel, socket, tcb, tcb.sendQueue[0])
}

/** Whether all that was written, a FIN included, has been acknowledged. */
export const isFinAcknowledged = (socket: InetSocket, tcb: Tcb): boolean =>
  (socket.state === FIN_WAIT_1 || socket.state === LAST_ACK || socket.state === CLOSING) && tcb.sndUna === tcb.writeSeq
