/** Acknowledgements: what they free, what they say of losses, and of the time the way takes (RFC 5681, 6298, 6675). */
import type { Kernel } from '../../kernel.ts'
import type { InetSocket } from '../inet.ts'
import { growWindow, reduceWindow } from './congestion.ts'
import { pushPending, resend, resendLost, restartRetransmitTimer, timestamp } from './output.ts'
import { FIN, type Segment, SYN } from './segment.ts'
import { CHUNK_COST, type Chunk, DISORDER, LOSS, near, OPEN, RECOVERY, RTO_MAX_SECONDS, RTO_MIN_SECONDS, type Tcb } from './tcb.ts'

/** Segments that may be overtaken before one counts as lost. */
const DUPLICATE_THRESHOLD = 3

const measure = (kernel: Kernel, tcb: Tcb, rtt: number): void => {
  const least = RTO_MIN_SECONDS * kernel.config.cpuHz
  tcb.minRtt = Math.min(tcb.minRtt, rtt)
  if (tcb.srtt === 0) {
    tcb.srtt = Math.max(rtt, 1)
    tcb.rttvar = rtt / 2
  } else {
    tcb.rttvar += (Math.abs(rtt - tcb.srtt) - tcb.rttvar) / 4
    tcb.srtt += (rtt - tcb.srtt) / 8
  }
  tcb.rto = Math.min(tcb.srtt + Math.max(4 * tcb.rttvar, least), RTO_MAX_SECONDS * kernel.config.cpuHz)
}

/** Takes a chunk that was acknowledged out of the counts. */
const forget = (tcb: Tcb, chunk: Chunk): void => {
  if (chunk.sacked) tcb.sackedOut--
  if (chunk.lost) tcb.lostOut--
  if (chunk.resent) tcb.resentOut--
}

/** @returns how many segments were acknowledged whole */
const cleanQueue = (kernel: Kernel, tcb: Tcb, segment: Segment, ack: number): number => {
  const { sendQueue } = tcb
  let count = 0
  let rtt = -1
  let wasResent = false
  while (count < tcb.sent && sendQueue[count].end <= ack) {
    const chunk = sendQueue[count++]
    // A segment that was sent twice says nothing of time (Karn's algorithm), and holds up those behind it.
    delivered(tcb, chunk)
    if (chunk.transmissions > 1) wasResent = true
    else if (!chunk.sacked && rtt < 0) rtt = kernel.now - chunk.sentAt
    tcb.queued -= chunk.length + CHUNK_COST
    forget(tcb, chunk)
  }
  if (count === 1) sendQueue.shift()
  else if (count > 1) sendQueue.splice(0, count)
  tcb.sent -= count
  const first = sendQueue.at(0)
  if (first !== undefined && tcb.sent > 0 && first.seq < ack) {
    // A part of it was acknowledged, as happens after segments were cut anew.
    const done = Math.min(ack - first.seq, first.length)
    first.bytes = first.bytes.subarray(done, first.length)
    first.length -= done
    first.seq += done
    if ((first.flags & SYN) !== 0) first.flags &= ~SYN
    tcb.queued -= done
  }
  if (rtt >= 0 && !wasResent) measure(kernel, tcb, rtt)
  else if (count > 0 && tcb.hasTimestamps && segment.hasTimestamps && segment.tsecr !== 0) {
    // Timestamps tell which of them was answered (RFC 7323, 4).
    measure(kernel, tcb, Math.max((timestamp(kernel) - segment.tsecr) | 0, 0) * kernel.config.cpuHz / 1000)
  }
  return count
}

/** RACK (RFC 8985): of what has arrived, when the last was sent. */
const delivered = (tcb: Tcb, { sentAt }: Chunk): void => { if (sentAt > tcb.rackSent) tcb.rackSent = sentAt }

const takeSacks = (kernel: Kernel, tcb: Tcb, segment: Segment): boolean => {
  const { sacks } = segment
  let isNew = false
  let rtt = -1
  for (let i = 0; i + 1 < sacks.length; i += 2) {
    const from = near(tcb.sndUna, sacks[i]), to = near(tcb.sndUna, sacks[i + 1])
    // What is below was acknowledged: a duplicate came there.
    if (to <= tcb.sndUna || to > tcb.sndNxt || from >= to) continue
    for (let k = 0; k < tcb.sent; k++) {
      const chunk = tcb.sendQueue[k]
      if (chunk.seq < from || chunk.end > to || chunk.sacked) continue
      chunk.sacked = true
      isNew = true
      delivered(tcb, chunk)
      if (chunk.transmissions === 1) rtt = kernel.now - chunk.sentAt
      tcb.sackedOut++
      if (chunk.lost) {
        chunk.lost = false
        tcb.lostOut--
      }
      if (chunk.resent) {
        chunk.resent = false
        tcb.resentOut--
      }
      tcb.highestSacked = Math.max(tcb.highestSacked, chunk.end)
    }
  }
  if (rtt >= 0) measure(kernel, tcb, rtt)
  return isNew
}

const markLost = (tcb: Tcb, chunk: Chunk): void => {
  if (chunk.lost || chunk.sacked) return
  chunk.lost = true
  tcb.lostOut++
}

/** Those with enough behind them that has arrived are lost. */
const markOvertaken = (tcb: Tcb): void => {
  let behind = tcb.sackedOut
  for (let i = 0; i < tcb.sent && behind >= DUPLICATE_THRESHOLD; i++) {
    const chunk = tcb.sendQueue[i]
    if (chunk.sacked) behind--
    else markLost(tcb, chunk)
  }
}

/** What was sent well before something that has arrived is lost, be it the second time. */
const markOutrun = (tcb: Tcb): void => {
  const reordering = tcb.minRtt === Infinity ? 0 : tcb.minRtt / 4
  for (let i = 0; i < tcb.sent; i++) {
    const chunk = tcb.sendQueue[i]
    if (chunk.sacked || (chunk.lost && !chunk.resent) || chunk.sentAt + reordering >= tcb.rackSent) continue
    if (chunk.resent) {
      chunk.resent = false
      tcb.resentOut--
    }
    markLost(tcb, chunk)
  }
}

const enterRecovery = (kernel: Kernel, socket: InetSocket, tcb: Tcb): void => {
  const { tcpExt } = socket.net.counters
  if (tcb.hasSack) tcpExt.TCPSackRecovery++
  else tcpExt.TCPRenoRecovery++
  tcpExt.TCPFastRetrans++
  reduceWindow(tcb)
  tcb.phase = RECOVERY
  tcb.recover = tcb.sndNxt
  tcb.cwnd = tcb.ssthresh
  markLost(tcb, tcb.sendQueue[0])
  markOvertaken(tcb)
  resend(kernel, socket, tcb, 0)
}

/** All is lost that was not told to have arrived (tcp_enter_loss). */
export const enterLoss = (tcb: Tcb): void => {
  if (tcb.phase !== LOSS || tcb.sndUna >= tcb.recover) {
    if (tcb.phase !== RECOVERY || tcb.retries === 0) reduceWindow(tcb)
    tcb.recover = tcb.sndNxt
  }
  tcb.phase = LOSS
  tcb.cwnd = 1
  tcb.cwndCount = 0
  tcb.duplicateAcks = 0
  for (let i = 0; i < tcb.sent; i++) {
    const chunk = tcb.sendQueue[i]
    if (chunk.resent) {
      chunk.resent = false
      tcb.resentOut--
    }
    // Without SACK counts of duplicates stand for segments: they begin anew.
    if (!tcb.hasSack && chunk.sacked) {
      chunk.sacked = false
      tcb.sackedOut--
    }
    markLost(tcb, chunk)
  }
}

const endRecovery = (tcb: Tcb): void => {
  tcb.phase = OPEN
  tcb.duplicateAcks = 0
  tcb.cwnd = tcb.ssthresh === Infinity ? tcb.cwnd : Math.max(tcb.ssthresh, 2)
  tcb.cwndCount = 0
}

/** tcp_ack: `ack` is at most sndNxt. */
export const acknowledge = (kernel: Kernel, socket: InetSocket, tcb: Tcb, segment: Segment, seq: number, ack: number): void => {
  if (ack < tcb.sndUna) {
    if (segment.sacks.length > 0) takeSacks(kernel, tcb, segment)
    return
  }
  const window = segment.window * ((segment.flags & SYN) !== 0 ? 1 : 2 ** tcb.sndScale)
  const isProgress = ack > tcb.sndUna
  const isDuplicate = !isProgress && segment.data.length === 0 && (segment.flags & FIN) === 0 && window === tcb.sndWnd && tcb.sent > 0
  if (isProgress || seq > tcb.sndWl1 || (seq === tcb.sndWl1 && window > tcb.sndWnd)) {
    tcb.sndWnd = window
    tcb.sndWl1 = seq
    if (window > tcb.maxWindow) tcb.maxWindow = window
  }
  tcb.probes = 0
  tcb.lastAcked = kernel.now
  const outstanding = tcb.sent
  let acked = 0
  if (isProgress) {
    tcb.bytesAcked += ack - tcb.sndUna
    tcb.sndUna = ack
    if (tcb.sndUrgent >= 0 && tcb.sndUrgent <= ack) tcb.sndUrgent = -1
    tcb.retries = 0
    tcb.backoff = 0
    tcb.probedTail = false
    acked = cleanQueue(kernel, tcb, segment, ack)
  }
  const isSackNews = segment.sacks.length > 0 && takeSacks(kernel, tcb, segment)
  if (tcb.phase !== OPEN || isDuplicate || isSackNews || tcb.sackedOut > 0) recover(kernel, socket, tcb, acked, isProgress, isDuplicate)
  else if (acked > 0) {
    const isLimited = tcb.cwnd < tcb.ssthresh ? tcb.cwnd < 2 * outstanding : outstanding >= tcb.cwnd
    if (isLimited) growWindow(kernel, tcb, acked)
  }
  if (isProgress) {
    if (tcb.sent > 0) restartRetransmitTimer(kernel, tcb)
    else tcb.retransmitTimer.wanted = Infinity
    if (tcb.wantsSpace && hasSpace(socket, tcb)) {
      tcb.wantsSpace = false
      kernel.wake(socket.writable)
    }
  }
  // A probe was answered: with the window as it was the timer goes on, else pushPending does.
  if (tcb.sent < tcb.sendQueue.length) pushPending(kernel, socket)
}

/** tcp_fastretrans_alert: what acknowledgements mean while something may be lost. */
const recover = (kernel: Kernel, socket: InetSocket, tcb: Tcb, acked: number, isProgress: boolean, isDuplicate: boolean): void => {
  if (isDuplicate) {
    tcb.duplicateAcks++
    if (!tcb.hasSack && tcb.phase !== LOSS) {
      // Each duplicate stands for a segment that has left the network.
      const chunk = tcb.sendQueue.slice(1, tcb.sent).find(({ sacked, lost }) => !sacked && !lost)
      if (chunk !== undefined) {
        chunk.sacked = true
        tcb.sackedOut++
      }
    }
  } else if (isProgress && !tcb.hasSack) clearGuesses(tcb)
  switch (tcb.phase) {
    case OPEN: case DISORDER:
      if (tcb.sent > 0 && (tcb.sackedOut >= DUPLICATE_THRESHOLD || tcb.duplicateAcks >= DUPLICATE_THRESHOLD)) enterRecovery(kernel, socket, tcb)
      else {
        if (isProgress) {
          if (tcb.sackedOut === 0) tcb.duplicateAcks = 0
          growWindow(kernel, tcb, acked)
        }
        tcb.phase = tcb.sackedOut > 0 || tcb.duplicateAcks > 0 ? DISORDER : OPEN
      }
      break
    case RECOVERY:
      if (isProgress && tcb.sndUna >= tcb.recover) endRecovery(tcb)
      else {
        // A partial acknowledgement: what comes next is lost, too (RFC 6582).
        if (isProgress && tcb.sent > 0 && !tcb.sendQueue[0].sacked) markLost(tcb, tcb.sendQueue[0])
        markOvertaken(tcb)
        if (tcb.hasSack) markOutrun(tcb)
        resendLost(kernel, socket, tcb)
      }
      break
    case LOSS:
      if (isProgress) growWindow(kernel, tcb, Math.max(acked, 1))
      if (tcb.sndUna >= tcb.recover) {
        tcb.phase = OPEN
        tcb.duplicateAcks = 0
      } else {
        if (tcb.hasSack) markOutrun(tcb)
        resendLost(kernel, socket, tcb)
      }
      break
  }
}

const clearGuesses = (tcb: Tcb): void => {
  tcb.duplicateAcks = 0
  for (let i = 0; i < tcb.sent; i++) {
    const chunk = tcb.sendQueue[i]
    if (chunk.sacked) {
      chunk.sacked = false
      tcb.sackedOut--
    }
  }
}

/** A third must be free before a socket that was full counts as writable (sk_stream_is_writeable). */
export const hasSpace = (socket: InetSocket, tcb: Tcb): boolean => tcb.queued * 3 <= socket.sendBuffer * 2
