/**
 * What a TCP connection knows (RFC 9293, 3.3.1: the transmission control block).
 *
 * Sequence numbers are kept as whole numbers that do not wrap; their low 32 bits are what is on the wire (`near`, `wire`).
 * Invariants: sndUna ≤ sndNxt ≤ writeSeq; `sendQueue` covers [sndUna, writeSeq) without gaps, its first `sent` chunks were sent.
 */
import type { Timer } from '../../time/timer-queue.ts'
import { makeTimer } from '../../time/timer-queue.ts'
import type { InetSocket } from '../inet.ts'
import type { Path } from '../route.ts'

/** A number near `reference` with these low 32 bits. */
export const near = (reference: number, wire: number): number => reference + ((wire - reference) | 0)
export const wire = (sequence: number): number => sequence >>> 0

/** What is sent, or to be sent, as one segment. */
export interface Chunk {
  seq: number
  /** Payload; while it is not sent, with room to grow behind `length`. */
  bytes: Uint8Array
  length: number
  /** SYN, FIN, PSH. */
  flags: number
  /** Sequence number behind it. */
  end: number
  /** Cycle. */
  sentAt: number
  transmissions: number
  sacked: boolean
  /** Taken for lost, and not sent again since. */
  lost: boolean
  /** Sent again in this recovery. */
  resent: boolean
}

export interface TcpTimer extends Timer {
  readonly what: 'tcp-retransmit' | 'tcp-acknowledge' | 'tcp-keep-alive'
  readonly socket: InetSocket
  /** Cycle at which it should act: it may fire earlier, which does nothing, so that it need not be moved each time. */
  wanted: number
}
const tcpTimer = (what: TcpTimer['what'], socket: InetSocket): TcpTimer => ({ ...makeTimer('net', 0), what, socket, wanted: Infinity })

/** Segments that came too early. */
export interface EarlySegment { readonly seq: number, readonly end: number, readonly data: Uint8Array, readonly fin: boolean }

export const OPEN = 0, DISORDER = 1, RECOVERY = 2, LOSS = 3

export interface Tcb {
  readonly kind: 'tcb'
  // ——— Sending ———
  readonly iss: number
  sndUna: number
  sndNxt: number
  writeSeq: number
  /** The peer's window in bytes, and the largest it ever had. */
  sndWnd: number
  maxWindow: number
  /** Sequence number of the segment that last changed the window. */
  sndWl1: number
  /** Behind the last urgent byte; −1: none. */
  sndUrgent: number
  readonly sendQueue: Chunk[]
  sent: number
  /** Payload in the queue, with what each chunk costs. */
  queued: number
  /** End of the last small segment that was sent (Minshall's variant of Nagle's algorithm). */
  sndSmall: number
  /** Somebody waits for room to write. */
  wantsSpace: boolean
  // ——— Receiving ———
  irs: number
  rcvNxt: number
  /** rcvNxt when the last acknowledgement was sent, and the window that this told. */
  rcvAcked: number
  rcvWnd: number
  readonly early: EarlySegment[]
  finReceived: boolean
  /** The urgent byte's number, whether it has come, and what it is. */
  urgentSeq: number
  urgent: 'none' | 'coming' | 'here' | 'read'
  urgentByte: number
  /** What was read since the window was last looked at: it grows with readers. */
  readSince: number
  // ——— Options ———
  mss: number
  /** Size of the largest segments that come. */
  rcvMss: number
  sndScale: number
  rcvScale: number
  hasTimestamps: boolean
  hasSack: boolean
  tsRecent: number
  tsRecentAt: number
  // ——— Congestion (RFC 5681, 6675, 9438) ———
  cwnd: number
  ssthresh: number
  /** Acknowledged segments that did not yet count. */
  cwndCount: number
  phase: typeof OPEN | typeof DISORDER | typeof RECOVERY | typeof LOSS
  /** Recovery is over when this was acknowledged. */
  recover: number
  duplicateAcks: number
  sackedOut: number
  lostOut: number
  resentOut: number
  highestSacked: number
  /** RACK (RFC 8985): when the last was sent of what has arrived. */
  rackSent: number
  /** A probe for a lost tail was sent; the next timeout is a real one. */
  probedTail: boolean
  cubicMax: number
  cubicStart: number
  cubicK: number
  cubicOrigin: number
  algorithm: 'cubic' | 'reno'
  // ——— Times, in cycles ———
  srtt: number
  rttvar: number
  rto: number
  minRtt: number
  backoff: number
  /** Timeouts in a row, and the cycle of the first. */
  retries: number
  firstTimeout: number
  totalResent: number
  probes: number
  readonly retransmitTimer: TcpTimer
  readonly acknowledgeTimer: TcpTimer
  readonly keepAliveTimer: TcpTimer
  lastReceived: number
  lastSent: number
  lastAcked: number
  /** So many acknowledgements are sent at once. */
  quickAcks: number
  /** Data go both ways: acknowledgements can wait for an answer. */
  interactive: boolean
  ackPending: boolean
  ackPushed: boolean
  // ——— The way ———
  path: Path | undefined
  pathGeneration: number
  /** ICMP told of a smaller MTU; 0: no. */
  pathMtu: number
  // ——— For TCP_INFO ———
  bytesAcked: number
  bytesReceived: number
  bytesSent: number
  bytesResent: number
  segmentsIn: number
  segmentsOut: number
  dataIn: number
  dataOut: number
}

/** RFC 6298, and Linux's TCP_RTO_MIN and TCP_RTO_MAX. */
export const RTO_INITIAL_SECONDS = 1, RTO_MIN_SECONDS = 0.2, RTO_MAX_SECONDS = 120
export const INITIAL_WINDOW_SEGMENTS = 10

export const makeTcb = (socket: InetSocket, iss: number, cpuHz: number, algorithm: 'cubic' | 'reno'): Tcb => ({
  kind: 'tcb', iss, sndUna: iss, sndNxt: iss, writeSeq: iss, sndWnd: 0, maxWindow: 0, sndWl1: 0, sndUrgent: -1, sendQueue: [], sent: 0, queued: 0, sndSmall: iss,
  wantsSpace: false, irs: 0, rcvNxt: 0, rcvAcked: 0, rcvWnd: 0, early: [], finReceived: false, urgentSeq: -1, urgent: 'none', urgentByte: 0, readSince: 0,
  mss: 536, rcvMss: 536, sndScale: 0, rcvScale: 0, hasTimestamps: false, hasSack: false, tsRecent: 0, tsRecentAt: 0,
  cwnd: INITIAL_WINDOW_SEGMENTS, ssthresh: Infinity, cwndCount: 0, phase: OPEN, recover: iss, duplicateAcks: 0, sackedOut: 0, lostOut: 0, resentOut: 0, highestSacked: 0, rackSent: 0, probedTail: false,
  cubicMax: 0, cubicStart: -1, cubicK: 0, cubicOrigin: 0, algorithm, srtt: 0, rttvar: 0, rto: RTO_INITIAL_SECONDS * cpuHz, minRtt: Infinity, backoff: 0, retries: 0, firstTimeout: 0,
  totalResent: 0, probes: 0, retransmitTimer: tcpTimer('tcp-retransmit', socket), acknowledgeTimer: tcpTimer('tcp-acknowledge', socket),
  keepAliveTimer: tcpTimer('tcp-keep-alive', socket), lastReceived: 0, lastSent: 0, lastAcked: 0, quickAcks: 0, interactive: false, ackPending: false, ackPushed: false,
  path: undefined, pathGeneration: 0, pathMtu: 0, bytesAcked: 0, bytesReceived: 0, bytesSent: 0, bytesResent: 0, segmentsIn: 0, segmentsOut: 0, dataIn: 0, dataOut: 0,
})

export const isLocalPath = (tcb: Tcb): boolean => tcb.path !== undefined && tcb.path.kind === 'local'

/** Segments under way (RFC 6675's pipe). */
export const inFlight = (tcb: Tcb): number => tcb.sent - tcb.sackedOut - tcb.lostOut + tcb.resentOut

/** What a chunk costs of the send buffer beyond its bytes (about a sk_buff). */
export const CHUNK_COST = 512
