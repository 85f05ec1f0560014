/** ICMP (RFC 792): echoes, errors, and what errors mean to sockets. */
import { ECONNREFUSED, EHOSTDOWN, EHOSTUNREACH, EMSGSIZE, ENETUNREACH, ENONET, ENOPROTOOPT, EOPNOTSUPP, EPROTO } from '../abi/errno.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../abi/sockets.ts'
import type { Kernel } from '../kernel.ts'
import { checksum } from './checksum.ts'
import { isBroadcastOf, isLoopbackDevice, localDevice, type NetInterface } from './device.ts'
import { learnMtu, sendIp } from './ip-output.ts'
import { decodeIp, encodeIp, get16, IP_HEADER, type IpPacket, isMulticast, NO_OPTIONS, put16 } from './ipv4.ts'
import type { NetNamespace } from './namespace.ts'
import { deliverPing, rawError } from './raw.ts'
import { findPath } from './route.ts'
import { tcpError } from './tcp/errors.ts'
import { udpError } from './udp.ts'

export const ICMP_ECHO_REPLY = 0, ICMP_UNREACHABLE = 3, ICMP_ECHO = 8, ICMP_TIME_EXCEEDED = 11, ICMP_PARAMETER_PROBLEM = 12, ICMP_TIMESTAMP = 13, ICMP_TIMESTAMP_REPLY = 14
export const ICMP_NET_UNREACHABLE = 0, ICMP_HOST_UNREACHABLE = 1, ICMP_PROTOCOL_UNREACHABLE = 2, ICMP_PORT_UNREACHABLE = 3, ICMP_FRAGMENTATION_NEEDED = 4
const HEADER = 8
/** What of a packet an error shows: as much as fits into 576 bytes (RFC 1812, 4.3.2.3). */
const QUOTE = 548

/** errno of destination unreachable by code, and whether it ends what it is about (icmp_err_convert). */
const UNREACHABLE: readonly (readonly [errno: number, fatal: boolean])[] = [
  [ENETUNREACH, false], [EHOSTUNREACH, false], [ENOPROTOOPT, true], [ECONNREFUSED, true], [EMSGSIZE, false], [EOPNOTSUPP, false], [ENETUNREACH, true],
  [EHOSTDOWN, true], [ENONET, true], [ENETUNREACH, true], [EHOSTUNREACH, true], [ENETUNREACH, false], [EHOSTUNREACH, false], [EHOSTUNREACH, true],
  [EHOSTUNREACH, true], [EHOSTUNREACH, true],
]

/** An error as sockets get it. */
export interface IcmpError {
  readonly errno: number
  readonly fatal: boolean
  readonly type: number
  readonly code: number
  /** Of fragmentation needed: the MTU there. */
  readonly info: number
  /** Who says so. */
  readonly offender: number
  /** The packet that it is about, as far as it is known. */
  readonly about: IpPacket
}

const send = (kernel: Kernel, net: NetNamespace, source: number, destination: number, tos: number, message: Uint8Array): void => {
  const path = findPath(net, destination, undefined, source)
  put16(message, 2, 0)
  put16(message, 2, checksum(message))
  if (typeof path === 'number') {
    net.counters.icmp.OutErrors++
    return
  }
  net.counters.icmp.OutMsgs++
  sendIp(kernel, net, path, { source: path.source, destination, protocol: IPPROTO_ICMP, ttl: net.settings.defaultTtl, tos, dontFragment: false, payload: message })
}

/** Tells the sender of a packet what became of it, if it may be told. */
export const sendIcmpError = (kernel: Kernel, net: NetNamespace, packet: IpPacket, type: number, code: number, info = 0): void => {
  // Never about errors, fragments behind the first, or what was sent to many (RFC 1122, 3.2.2).
  if (packet.offset !== 0 || packet.source === 0 || isMulticast(packet.destination)) return
  if (net.interfaces.some((device) => !isLoopbackDevice(device) && isBroadcastOf(device, packet.destination))) return
  if (packet.protocol === IPPROTO_ICMP && packet.payload.length > 0) {
    const about = packet.payload[0]
    if (about !== ICMP_ECHO && about !== ICMP_ECHO_REPLY && about !== ICMP_TIMESTAMP && about !== ICMP_TIMESTAMP_REPLY) return
  }
  const quoted = encodeIp(packet).subarray(0, QUOTE)
  const message = new Uint8Array(HEADER + quoted.length)
  message[0] = type
  message[1] = code
  if (type === ICMP_UNREACHABLE && code === ICMP_FRAGMENTATION_NEEDED) put16(message, 6, info)
  message.set(quoted, HEADER)
  if (type === ICMP_UNREACHABLE) net.counters.icmp.OutDestUnreachs++
  else if (type === ICMP_TIME_EXCEEDED) net.counters.icmp.OutTimeExcds++
  const from = localDevice(net, packet.destination) === undefined ? 0 : packet.destination
  send(kernel, net, from, packet.source, packet.tos, message)
}

export const fragmentTimeout = (kernel: Kernel, net: NetNamespace, first: IpPacket): void => { sendIcmpError(kernel, net, first, ICMP_TIME_EXCEEDED, 1) }

/** Nobody answered to ARP: who sent the packet is told, be it ourselves. */
export const unreachableNeighbour = (kernel: Kernel, device: NetInterface, bytes: Uint8Array): void => {
  const packet = decodeIp(bytes)
  if (packet === undefined) return
  const { net } = device
  if (localDevice(net, packet.source) === undefined) {
    sendIcmpError(kernel, net, packet, ICMP_UNREACHABLE, ICMP_HOST_UNREACHABLE)
    return
  }
  tellProtocol(kernel, net, { errno: EHOSTUNREACH, fatal: false, type: ICMP_UNREACHABLE, code: ICMP_HOST_UNREACHABLE, info: 0, offender: packet.source, about: packet })
}

const tellProtocol = (kernel: Kernel, net: NetNamespace, error: IcmpError): void => {
  const { about } = error
  if (about.protocol === IPPROTO_TCP) tcpError(kernel, net, error)
  else if (about.protocol === IPPROTO_UDP) udpError(kernel, net, error)
  rawError(kernel, net, error)
}

const inputError = (kernel: Kernel, net: NetNamespace, packet: IpPacket): void => {
  const { payload } = packet
  const quoted = payload.slice(HEADER)
  if (quoted.length < IP_HEADER + HEADER || quoted[0] >> 4 !== 4) {
    net.counters.icmp.InErrors++
    return
  }
  // The packet may be cut: its length says more than there is.
  const header = (quoted[0] & 0xf) * 4
  const about: IpPacket | undefined = decodeIp(quoted) ?? decodeCut(quoted, header)
  if (about === undefined) return
  const [type, code] = payload
  if (type === ICMP_UNREACHABLE && code === ICMP_FRAGMENTATION_NEEDED && localDevice(net, about.source) !== undefined) learnMtu(kernel, net, about.destination, get16(payload, 6))
  const [errno, fatal] = type === ICMP_UNREACHABLE ? UNREACHABLE[code & 15] : type === ICMP_PARAMETER_PROBLEM ? [EPROTO, true] as const : [EHOSTUNREACH, false] as const
  tellProtocol(kernel, net, { errno, fatal, type, code, info: type === ICMP_UNREACHABLE && code === ICMP_FRAGMENTATION_NEEDED ? get16(payload, 6) : 0, offender: packet.source, about })
}

const decodeCut = (quoted: Uint8Array, header: number): IpPacket | undefined => {
  if (quoted.length < header || header < IP_HEADER) return undefined
  const whole = quoted.slice()
  put16(whole, 2, whole.length)
  put16(whole, 10, 0)
  put16(whole, 10, checksum(whole, 0, header))
  return decodeIp(whole)
}

export const inputIcmp = (kernel: Kernel, net: NetNamespace, packet: IpPacket, device: NetInterface): void => {
  const { icmp } = net.counters
  const { payload } = packet
  icmp.InMsgs++
  if (payload.length < HEADER || checksum(payload) !== 0) {
    icmp.InErrors++
    if (payload.length >= HEADER) icmp.InCsumErrors++
    return
  }
  const isForMany = isMulticast(packet.destination) || isBroadcastOf(device, packet.destination)
  switch (payload[0]) {
    case ICMP_ECHO: {
      icmp.InEchos++
      // Not if it was sent to all: net.ipv4.icmp_echo_ignore_broadcasts.
      if (net.settings.ignoreEcho !== 0 || isForMany) return
      const reply = payload.slice()
      reply[0] = ICMP_ECHO_REPLY
      icmp.OutEchoReps++
      send(kernel, net, packet.destination, packet.source, packet.tos, reply)
      return
    }
    case ICMP_ECHO_REPLY:
      icmp.InEchoReps++
      deliverPing(kernel, net, packet, device)
      return
    case ICMP_UNREACHABLE: icmp.InDestUnreachs++; inputError(kernel, net, packet); return
    case ICMP_TIME_EXCEEDED: icmp.InTimeExcds++; inputError(kernel, net, packet); return
    case ICMP_PARAMETER_PROBLEM: icmp.InParmProbs++; inputError(kernel, net, packet); return
    case ICMP_TIMESTAMP: {
      icmp.InTimestamps++
      if (payload.length < 20 || isForMany) return
      const reply = payload.slice(0, 20)
      reply[0] = ICMP_TIMESTAMP_REPLY
      const milliseconds = (Math.floor(kernel.config.epochSeconds) % 86_400 * 1000 + Math.floor(kernel.now / (kernel.config.cpuHz / 1000))) % 86_400_000
      for (const at of [12, 16]) for (let i = 0; i < 4; i++) reply[at + i] = milliseconds >>> (24 - i * 8)
      icmp.OutTimestampReps++
      send(kernel, net, packet.destination, packet.source, packet.tos, reply)
      return
    }
    default: return
  }
}
export { NO_OPTIONS }
