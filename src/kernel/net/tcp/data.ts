/** The stream as it arrives: in order, early, or again (tcp_data_queue). */
import { SIGURG } from '../../abi/signals.ts'
import type { Kernel } from '../../kernel.ts'
import { sendSignal } from '../../signal/send.ts'
import { processGroupMembers } from '../../task/process-groups.ts'
import { CLOSE, type InetSocket } from '../inet.ts'
import { DELAYED_ACK_SECONDS, offeredWindow, roomFor, sendAck, setTimer } from './output.ts'
import { FIN, PSH, type Segment } from './segment.ts'
import type { EarlySegment, Tcb } from './tcb.ts'

/** Most of what comes early, in segments. */
const EARLY_LIMIT = 4096

const queueData = (socket: InetSocket, tcb: Tcb, data: Uint8Array): void => {
  if (data.length === 0) return
  socket.queue.push({ bytes: data, start: 0, from: socket.local, about: undefined })
  socket.queuedBytes += data.length
  tcb.rcvNxt += data.length
  tcb.bytesReceived += data.length
  tcb.dataIn++
}

const keepEarly = (socket: InetSocket, tcb: Tcb, early: EarlySegment): void => {
  socket.net.counters.tcpExt.TCPOFOQueue++
  const { early: list } = tcb
  let at = list.length
  while (at > 0 && list[at - 1].seq > early.seq) at--
  const before = list.at(at - 1)
  if (at > 0 && before !== undefined && before.end >= early.end) return
  list.splice(at, 0, early)
  // Those that it covers.
  while (list.length > at + 1 && list[at + 1].end <= early.end) list.splice(at + 1, 1)
  if (list.length > EARLY_LIMIT) list.pop()
}

/** @returns whether a FIN is next */
const takeEarly = (socket: InetSocket, tcb: Tcb): boolean => {
  const { early } = tcb
  while (early.length > 0 && early[0].seq <= tcb.rcvNxt) {
    const { seq, end, data, fin } = early[0]
    early.shift()
    if (end < tcb.rcvNxt) continue
    queueData(socket, tcb, data.subarray(Math.min(tcb.rcvNxt - seq, data.length)))
    if (fin && tcb.rcvNxt === seq + data.length) return true
  }
  return false
}

/** Readers that keep up get a larger window (dynamic right-sizing), up to net.ipv4.tcp_rmem. */
const RECEIVE_MAXIMUM = 6_291_456
export const BUFFER_LOCKED = -1
export const growReceiveBuffer = (socket: InetSocket, tcb: Tcb, read: number): void => {
  tcb.readSince += read
  if (tcb.readSince < socket.receiveBuffer >> 1) return
  tcb.readSince = 0
  if (!socket.options.has(BUFFER_LOCKED)) socket.receiveBuffer = Math.min(socket.receiveBuffer * 2, RECEIVE_MAXIMUM)
}

const scheduleAck = (kernel: Kernel, socket: InetSocket, tcb: Tcb): void => {
  // Two full segments at most go without an acknowledgement (RFC 9293, 3.8.6.3).
  const unacknowledged = tcb.rcvNxt - tcb.rcvAcked
  if ((unacknowledged > tcb.rcvMss && roomFor(socket, tcb) >= offeredWindow(tcb)) || (tcb.quickAcks > 0 && !tcb.interactive) || tcb.early.length > 0) {
    sendAck(kernel, socket)
    return
  }
  tcb.ackPending = true
  if (tcb.acknowledgeTimer.wanted === Infinity) setTimer(kernel, tcb.acknowledgeTimer, kernel.now + DELAYED_ACK_SECONDS * kernel.config.cpuHz)
}

/** Something was lost: the sender needs to hear soon of what comes (tcp_enter_quickack_mode). */
const hurry = (tcb: Tcb): void => {
  tcb.quickAcks = 16
  tcb.interactive = false
}

export const receiveData = (
  kernel: Kernel, socket: InetSocket, tcb: Tcb, segment: Segment, seq: number, afterFin: (kernel: Kernel, socket: InetSocket, tcb: Tcb) => void,
): void => {
  const { data } = segment
  const fin = (segment.flags & FIN) !== 0
  const end = seq + data.length + (fin ? 1 : 0)
  tcb.lastReceived = kernel.now
  if (data.length > tcb.rcvMss) tcb.rcvMss = Math.min(data.length, 65_535)
  if ((segment.flags & PSH) !== 0) tcb.ackPushed = true
  if (end <= tcb.rcvNxt || tcb.finReceived) {
    // It came before: the acknowledgement was lost.
    hurry(tcb)
    sendAck(kernel, socket)
    return
  }
  // A probe of a closed window, or more than there is room for.
  const windowEnd = tcb.rcvNxt + offeredWindow(tcb)
  if (seq >= windowEnd && data.length > 0) {
    sendAck(kernel, socket)
    return
  }
  if (seq > tcb.rcvNxt) {
    keepEarly(socket, tcb, { seq, end, data, fin })
    hurry(tcb)
    sendAck(kernel, socket)
    return
  }
  const before = socket.queuedBytes
  queueData(socket, tcb, seq === tcb.rcvNxt ? data : data.subarray(tcb.rcvNxt - seq))
  const isLast = fin || (tcb.early.length > 0 && takeEarly(socket, tcb))
  if (tcb.urgent === 'coming') takeUrgentByte(socket, tcb)
  if (isLast) {
    tcb.rcvNxt++
    tcb.finReceived = true
    tcb.early.length = 0
    afterFin(kernel, socket, tcb)
    if (tcb.rcvAcked < tcb.rcvNxt) scheduleFinAck(kernel, socket, tcb)
  } else scheduleAck(kernel, socket, tcb)
  if (socket.queuedBytes > before && !socket.closed) kernel.wake(socket.readable)
}

/** A FIN is acknowledged soon: unless an answer carries it. */
const scheduleFinAck = (kernel: Kernel, socket: InetSocket, tcb: Tcb): void => {
  if (socket.state === CLOSE) return
  tcb.ackPending = true
  if (tcb.quickAcks > 0 && !tcb.interactive) sendAck(kernel, socket)
  else if (tcb.acknowledgeTimer.wanted === Infinity) setTimer(kernel, tcb.acknowledgeTimer, kernel.now + DELAYED_ACK_SECONDS * kernel.config.cpuHz)
}

// ——— Urgent data (RFC 6093 says what systems do) ———

/** Number of the next byte that is read. */
export const readNext = (socket: InetSocket, tcb: Tcb): number => tcb.rcvNxt - socket.queuedBytes - (tcb.finReceived ? 1 : 0)

const takeUrgentByte = (socket: InetSocket, tcb: Tcb): void => {
  let at = readNext(socket, tcb)
  if (tcb.urgentSeq < at || tcb.urgentSeq >= at + socket.queuedBytes) return
  for (const { bytes, start } of socket.queue) {
    const length = bytes.length - start
    if (tcb.urgentSeq < at + length) {
      tcb.urgentByte = bytes[start + tcb.urgentSeq - at]
      tcb.urgent = 'here'
      return
    }
    at += length
  }
}

/** A segment says that there are urgent data: the last byte of them counts (tcp_check_urg). */
export const checkUrgent = (kernel: Kernel, socket: InetSocket, tcb: Tcb, segment: Segment, seq: number): void => {
  if (segment.urgent === 0 || tcb.finReceived) return
  const place = seq + segment.urgent - 1
  if (place < readNext(socket, tcb) || place < tcb.rcvNxt) return
  if (tcb.urgent !== 'none' && place <= tcb.urgentSeq) return
  const owner = socket.file?.owner ?? 0
  if (owner > 0) {
    const target = kernel.state.tasks.get(owner)?.group ?? kernel.state.groups.get(owner)
    if (target !== undefined) sendSignal(kernel, target, SIGURG)
  } else if (owner < 0) for (const group of processGroupMembers(kernel, -owner)) sendSignal(kernel, group, SIGURG)
  tcb.urgentSeq = place
  tcb.urgent = 'coming'
  kernel.wake(socket.readable)
}
