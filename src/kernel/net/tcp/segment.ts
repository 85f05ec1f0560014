/**
 * TCP segments (RFC 9293, 3.1) with the options of RFC 7323 (window scale, timestamps) and RFC 2018 (SACK).
 *
 * Over loopback a segment is handed over as this object; on other links it is bytes.
 */
import { transportChecksum } from '../checksum.ts'
import { get16, get32, put16, put32 } from '../ipv4.ts'

export const FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32
const HEADER = 20
const PROTOCOL = 6

export interface Segment {
  readonly kind: 'tcp'
  readonly source: number
  readonly sourcePort: number
  readonly destination: number
  readonly destinationPort: number
  /** 32 bits, as on the wire. */
  readonly seq: number
  readonly ack: number
  readonly flags: number
  /** 16 bits, not scaled. */
  readonly window: number
  readonly urgent: number
  /** MSS option; 0: none. */
  readonly mss: number
  /** Window scale option; −1: none. */
  readonly scale: number
  readonly sackPermitted: boolean
  /** Pairs of sequence numbers. */
  readonly sacks: readonly number[]
  readonly hasTimestamps: boolean
  readonly tsval: number
  readonly tsecr: number
  readonly data: Uint8Array
  readonly ttl: number
  readonly tos: number
}

export const NO_SACKS: readonly number[] = []
export const NO_DATA = new Uint8Array(0)

export const optionBytes = (segment: Segment): number => {
  let length = (segment.mss !== 0 ? 4 : 0) + (segment.scale >= 0 ? 4 : 0)
  if (segment.hasTimestamps) length += 12
  else if (segment.sackPermitted) length += 4
  if (segment.sacks.length > 0) length += 4 + segment.sacks.length * 4
  return length
}

export const encodeSegment = (segment: Segment): Uint8Array => {
  const { data, sacks } = segment
  const header = HEADER + optionBytes(segment)
  const bytes = new Uint8Array(header + data.length)
  put16(bytes, 0, segment.sourcePort)
  put16(bytes, 2, segment.destinationPort)
  put32(bytes, 4, segment.seq)
  put32(bytes, 8, segment.ack)
  bytes[12] = (header >> 2) << 4
  bytes[13] = segment.flags
  put16(bytes, 14, segment.window)
  put16(bytes, 18, segment.urgent)
  let at = HEADER
  if (segment.mss !== 0) {
    bytes.set([2, 4, segment.mss >> 8, segment.mss & 0xff], at)
    at += 4
  }
  // In Linux's order: SACK permitted shares four bytes with the timestamps.
  if (segment.hasTimestamps) {
    bytes.set(segment.sackPermitted ? [4, 2, 8, 10] : [1, 1, 8, 10], at)
    put32(bytes, at + 4, segment.tsval)
    put32(bytes, at + 8, segment.tsecr)
    at += 12
  } else if (segment.sackPermitted) {
    bytes.set([1, 1, 4, 2], at)
    at += 4
  }
  if (segment.scale >= 0) {
    bytes.set([1, 3, 3, segment.scale], at)
    at += 4
  }
  if (sacks.length > 0) {
    bytes.set([1, 1, 5, 2 + sacks.length * 4], at)
    at += 4
    for (const edge of sacks) {
      put32(bytes, at, edge)
      at += 4
    }
  }
  bytes.set(data, at)
  put16(bytes, 16, transportChecksum(segment.source, segment.destination, PROTOCOL, bytes))
  return bytes
}

/** undefined for what is no segment, or a damaged one. */
export const decodeSegment = (bytes: Uint8Array, source: number, destination: number, ttl: number, tos: number): Segment | undefined => {
  if (bytes.length < HEADER) return undefined
  const header = (bytes[12] >> 4) * 4
  if (header < HEADER || header > bytes.length) return undefined
  if (transportChecksum(source, destination, PROTOCOL, bytes) !== 0) return undefined
  let mss = 0, scale = -1, sackPermitted = false, hasTimestamps = false, tsval = 0, tsecr = 0
  let sacks = NO_SACKS
  for (let at = HEADER; at < header;) {
    const kind = bytes[at]
    if (kind === 0) break
    if (kind === 1) { at++; continue }
    const length = bytes[at + 1]
    if (at + 1 >= header || length < 2 || at + length > header) break
    if (kind === 2 && length === 4) mss = get16(bytes, at + 2)
    else if (kind === 3 && length === 3) scale = Math.min(bytes[at + 2], 14)
    else if (kind === 4 && length === 2) sackPermitted = true
    else if (kind === 5 && length >= 10 && (length - 2) % 8 === 0) {
      const edges: number[] = []
      for (let edge = at + 2; edge < at + length; edge += 4) edges.push(get32(bytes, edge))
      sacks = edges
    } else if (kind === 8 && length === 10) {
      hasTimestamps = true
      tsval = get32(bytes, at + 2)
      tsecr = get32(bytes, at + 6)
    }
    at += length
  }
  return {
    kind: 'tcp', source, sourcePort: get16(bytes, 0), destination, destinationPort: get16(bytes, 2), seq: get32(bytes, 4), ack: get32(bytes, 8),
    flags: bytes[13] & 0x3f, window: get16(bytes, 14), urgent: get16(bytes, 18), mss, scale, sackPermitted, sacks, hasTimestamps, tsval, tsecr,
    data: bytes.slice(header), ttl, tos,
  }
}
