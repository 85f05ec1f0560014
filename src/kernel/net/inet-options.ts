/** Options of IPv4, TCP, UDP and raw sockets (ip(7), tcp(7), udp(7), raw(7)), and their ioctls. */
import { EADDRNOTAVAIL, EINVAL, ENOENT, ENOTTY, ENOPROTOOPT, ENOTCONN, EOPNOTSUPP, EPERM } from '../abi/errno.ts'
import { CAP_NET_ADMIN } from '../abi/capabilities.ts'
import {
  AF_INET, IPPROTO_ICMP, IPPROTO_IP, IPPROTO_RAW, IPPROTO_TCP, IPPROTO_UDP, SIOCATMARK, SIOCINQ, SIOCOUTQ, SIOCOUTQNSD, SO_KEEPALIVE, SO_OOBINLINE, SO_RCVBUF, SO_RCVBUFFORCE, SO_SNDBUF, SO_SNDBUFFORCE, SOCK_RAW,
  SOCK_STREAM, SOL_SOCKET,
} from '../abi/sockets.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { boundDevice, CLOSE, has, type InetSocket, LISTEN, optionKey, SYN_RECEIVED, SYN_SENT } from './inet.ts'
import { interfaceIoctl } from './interfaces.ts'
import { get32, put32 } from './ipv4.ts'
import { mtuTo } from './ip-output.ts'
import { join, leave, membershipOf } from './multicast.ts'
import { hasNetCapability } from './namespace.ts'
import { getCommonOption, setCommonOption } from './options.ts'
import { findPath } from './route.ts'
import { algorithmOf } from './tcp/connection.ts'
import { BUFFER_LOCKED, readNext } from './tcp/data.ts'
import { tcpInfo } from './tcp/info.ts'
import {
  TCP_CONGESTION, TCP_CORK, TCP_DEFER_ACCEPT, TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, TCP_INFO, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_LINGER2, TCP_MAXSEG, TCP_NODELAY, TCP_NOTSENT_LOWAT,
  TCP_QUICKACK, TCP_SYNCNT, TCP_USER_TIMEOUT, TCP_WINDOW_CLAMP,
} from './tcp/option-numbers.ts'
import { currentSize, sendAck } from './tcp/output.ts'
import { releaseHeld, startKeepAlive } from './tcp/timers.ts'

const IP_TOS = 1, IP_TTL = 2, IP_HDRINCL = 3, IP_OPTIONS = 4, IP_RECVOPTS = 6, IP_RETOPTS = 7, IP_PKTINFO = 8, IP_MTU_DISCOVER = 10,
  IP_RECVERR = 11, IP_RECVTTL = 12, IP_RECVTOS = 13, IP_MTU = 14, IP_FREEBIND = 15, IP_TRANSPARENT = 19, IP_RECVORIGDSTADDR = 20, IP_BIND_ADDRESS_NO_PORT = 24,
  IP_MULTICAST_IF = 32, IP_MULTICAST_TTL = 33, IP_MULTICAST_LOOP = 34, IP_ADD_MEMBERSHIP = 35, IP_DROP_MEMBERSHIP = 36, IP_MULTICAST_ALL = 49, MCAST_JOIN_GROUP = 42, MCAST_LEAVE_GROUP = 45
const ICMP_FILTER = 1
/** The address by which IP_MULTICAST_IF named the interface, kept beside it. */
const MULTICAST_ADDRESS = 1000

/** Options that are numbers, and what they are at first. */
const TCP_DEFAULTS: ReadonlyMap<number, number> = new Map([
  [TCP_NODELAY, 0], [TCP_MAXSEG, 536], [TCP_CORK, 0], [TCP_KEEPIDLE, 7200], [TCP_KEEPINTVL, 75], [TCP_KEEPCNT, 9], [TCP_SYNCNT, 6],
  [TCP_LINGER2, 60], [TCP_DEFER_ACCEPT, 0], [TCP_WINDOW_CLAMP, 0], [TCP_QUICKACK, 1], [TCP_USER_TIMEOUT, 0], [TCP_FASTOPEN, 0],
  [TCP_NOTSENT_LOWAT, 0], [TCP_FASTOPEN_CONNECT, 0],
])
/** What may be set (do_tcp_setsockopt). */
const TCP_BOUNDS: ReadonlyMap<number, readonly [least: number, most: number]> = new Map([
  [TCP_KEEPIDLE, [1, 32_767]], [TCP_KEEPINTVL, [1, 32_767]], [TCP_KEEPCNT, [1, 127]], [TCP_SYNCNT, [1, 127]], [TCP_USER_TIMEOUT, [0, 0x7fff_ffff]], [TCP_MAXSEG, [88, 32_767]],
])
const IP_DEFAULTS: ReadonlyMap<number, number> = new Map([
  [IP_TOS, 0], [IP_TTL, -1], [IP_HDRINCL, 0], [IP_RECVOPTS, 0], [IP_RETOPTS, 0], [IP_PKTINFO, 0], [IP_MTU_DISCOVER, 1], [IP_RECVERR, 0],
  [IP_RECVTTL, 0], [IP_RECVTOS, 0], [IP_FREEBIND, 0], [IP_TRANSPARENT, 0], [IP_RECVORIGDSTADDR, 0], [IP_BIND_ADDRESS_NO_PORT, 0], [IP_MULTICAST_IF, 0],
  [IP_MULTICAST_TTL, 1], [IP_MULTICAST_LOOP, 1], [IP_MULTICAST_ALL, 1],
])
const CONGESTION_SIZE = 16
const ALGORITHMS: readonly string[] = ['cubic', 'reno']

const int = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer)

const getTcpOption = (kernel: Kernel, socket: InetSocket, option: number): Uint8Array | number => {
  if (option === TCP_INFO) return tcpInfo(kernel, socket)
  if (option === TCP_CONGESTION) {
    const name = algorithmOf(socket)
    return Uint8Array.from({ length: CONGESTION_SIZE }, (_, i) => name.charCodeAt(i) || 0)
  }
  const initial = TCP_DEFAULTS.get(option)
  if (initial === undefined) return -ENOPROTOOPT
  if (option === TCP_MAXSEG && socket.tcb !== undefined && socket.state !== CLOSE) return int(currentSize(socket.tcb))
  if (option === TCP_QUICKACK && socket.tcb !== undefined) return int(socket.tcb.interactive ? 0 : 1)
  const value = socket.options.get(optionKey(IPPROTO_TCP, option))
  // 0 is as if it had not been asked for.
  if (value === 0 && option === TCP_LINGER2) return int(socket.net.settings.finTimeout)
  return int(value === undefined || (value === 0 && option === TCP_MAXSEG) ? initial : value)
}

const getIpOption = (kernel: Kernel, socket: InetSocket, option: number): Uint8Array | number => {
  if (option === IP_OPTIONS) return new Uint8Array(0)
  if (option === IP_MTU) {
    if (socket.remote === undefined || socket.state === CLOSE || socket.state === LISTEN) return -ENOTCONN
    const path = findPath(socket.net, socket.remote.address, boundDevice(socket), socket.local.address)
    return typeof path === 'number' ? -ENOTCONN : int(Math.min(mtuTo(kernel, socket.net, path.device, socket.remote.address), 65_535))
  }
  if (option === IP_MULTICAST_IF) {
    const bytes = new Uint8Array(4)
    put32(bytes, 0, socket.options.get(optionKey(IPPROTO_IP, MULTICAST_ADDRESS)) ?? 0)
    return bytes
  }
  const initial = IP_DEFAULTS.get(option)
  if (initial === undefined) return -ENOPROTOOPT
  const value = socket.options.get(optionKey(IPPROTO_IP, option)) ?? (option === IP_HDRINCL && socket.protocol === IPPROTO_RAW ? 1 : initial)
  return int(option === IP_TTL && value === -1 ? socket.net.settings.defaultTtl : value)
}

export const getInetOption = (kernel: Kernel, task: Task, socket: InetSocket, level: number, option: number): Uint8Array | number => {
  if (level === SOL_SOCKET) return getCommonOption(kernel, task, socket, level, option)
  if (level === IPPROTO_TCP && socket.type === SOCK_STREAM) return getTcpOption(kernel, socket, option)
  if (level === IPPROTO_IP) return getIpOption(kernel, socket, option)
  if (level === SOL_RAW && socket.type === SOCK_RAW && socket.protocol === IPPROTO_ICMP && option === ICMP_FILTER) return int(socket.filter)
  if (level === IPPROTO_UDP && socket.protocol === IPPROTO_UDP) return UDP_OPTIONS.has(option) ? int(socket.options.get(optionKey(level, option)) ?? 0) : -ENOPROTOOPT
  return -EOPNOTSUPP
}
const SOL_RAW = 255
/** UDP_CORK, UDP_ENCAP, UDP_NO_CHECK6_TX and RX, UDP_SEGMENT, UDP_GRO: kept, as far as programs ask; datagrams are sent one by one. */
const UDP_OPTIONS: ReadonlySet<number> = new Set([1, 101, 102])

/** Options of IP may be given as one byte. */
const numberOf = (value: Uint8Array): number | undefined =>
  value.length >= 4 ? new DataView(value.buffer, value.byteOffset).getInt32(0, true) : value.length >= 1 ? value[0] : undefined

/** TCP_TIMEOUT_INIT, TCP_RTO_MAX; more answers than this one does not count. */
const FIRST_TIMEOUT_SECONDS = 1, LONGEST_TIMEOUT_SECONDS = 120, MOST_RETRIES = 255

/** So many seconds and what is left until the next retransmission after them, which is what is counted (secs_to_retrans, retrans_to_secs). */
const untilRetransmission = (seconds: number): number => {
  let timeout = FIRST_TIMEOUT_SECONDS, period = seconds > 0 ? timeout : 0
  for (let retries = 1; period < seconds && retries < MOST_RETRIES; retries++) {
    timeout = Math.min(timeout * 2, LONGEST_TIMEOUT_SECONDS)
    period += timeout
  }
  return period
}

/** TCP_FIN_TIMEOUT_MAX, in seconds. */
const LONGEST_LINGER_SECONDS = 120

const keptTcpValue = (option: number, number: number): number => {
  switch (option) {
    case TCP_NODELAY: case TCP_CORK: case TCP_QUICKACK: return number === 0 ? 0 : 1
    case TCP_LINGER2: return Math.max(-1, Math.min(number, LONGEST_LINGER_SECONDS))
    case TCP_DEFER_ACCEPT: return untilRetransmission(number)
    default: return number
  }
}

const setTcpOption = (kernel: Kernel, task: Task, socket: InetSocket, option: number, value: Uint8Array): number => {
  if (option === TCP_CONGESTION) {
    if (value.length < 1) return -EINVAL
    const end = value.indexOf(0)
    const algorithm = ALGORITHMS.indexOf(String.fromCharCode(...value.subarray(0, end < 0 ? Math.min(value.length, CONGESTION_SIZE) : end)))
    if (algorithm < 0) return -ENOENT
    socket.options.set(optionKey(IPPROTO_TCP, option), algorithm)
    if (socket.tcb !== undefined) socket.tcb.algorithm = algorithmOf(socket)
    return 0
  }
  const number = numberOf(value)
  if (value.length < 4 || number === undefined) return -EINVAL
  if (!TCP_DEFAULTS.has(option)) return -ENOPROTOOPT
  const bounds = TCP_BOUNDS.get(option)
  if (bounds !== undefined && (number < bounds[0] || number > bounds[1]) && !(option === TCP_MAXSEG && number === 0)) return -EINVAL
  socket.options.set(optionKey(IPPROTO_TCP, option), keptTcpValue(option, number))
  const { tcb } = socket
  if (tcb === undefined) return 0
  if ((option === TCP_NODELAY && number !== 0) || (option === TCP_CORK && number === 0)) releaseHeld(kernel, socket)
  if (option === TCP_KEEPIDLE || option === TCP_KEEPINTVL || option === TCP_KEEPCNT) startKeepAlive(kernel, socket, tcb)
  if (option === TCP_QUICKACK) {
    tcb.interactive = number === 0
    if (number !== 0 && tcb.ackPending) sendAck(kernel, socket)
  }
  return 0
}

const GROUP_REQUEST_SIZE = 136
/** struct group_req, which is of any family, as the struct ip_mreqn that says the same. */
const groupRequest = (value: Uint8Array): Uint8Array | number => {
  if (value.length < GROUP_REQUEST_SIZE) return -EINVAL
  const view = new DataView(value.buffer, value.byteOffset)
  if (view.getUint16(8, true) !== AF_INET) return -EADDRNOTAVAIL
  const request = new Uint8Array(12)
  request.set(value.subarray(12, 16))
  request.set(value.subarray(0, 4), 8)
  return request
}

/** Yes or no, whatever the number (inet_assign_bit): IP_RECVOPTS, IP_RETOPTS, IP_PKTINFO, IP_RECVERR, IP_RECVTTL, IP_RECVTOS, IP_FREEBIND, IP_TRANSPARENT, IP_RECVORIGDSTADDR, IP_BIND_ADDRESS_NO_PORT, IP_MULTICAST_LOOP. */
const IP_BITS: ReadonlySet<number> = new Set([IP_HDRINCL, IP_RECVOPTS, IP_RETOPTS, IP_PKTINFO, IP_RECVERR, IP_RECVTTL, IP_RECVTOS, IP_FREEBIND, IP_TRANSPARENT, IP_RECVORIGDSTADDR, IP_BIND_ADDRESS_NO_PORT, IP_MULTICAST_LOOP])
/** Of the type of service, streams keep what tells of congestion (INET_ECN_MASK). */
const CONGESTION_BITS = 3

const keptIpValue = (socket: InetSocket, option: number, number: number): number => {
  if (IP_BITS.has(option)) return number === 0 ? 0 : 1
  if (option === IP_MULTICAST_TTL && number === -1) return 1
  if (option !== IP_TOS) return number
  return socket.type === SOCK_STREAM ? (number & 0xff & ~CONGESTION_BITS) | ((socket.options.get(optionKey(IPPROTO_IP, IP_TOS)) ?? 0) & CONGESTION_BITS) : number & 0xff
}

/** No bytes at all are a zero to these (do_ip_setsockopt): IP_TOS, IP_RECVOPTS, IP_RETOPTS, IP_PKTINFO, IP_MTU_DISCOVER, IP_RECVERR, IP_RECVTTL, IP_RECVTOS. */
const WITHOUT_BYTES: ReadonlySet<number> = new Set([1, 6, 7, 8, 10, 11, 12, 13])

const setIpOption = (task: Task, socket: InetSocket, option: number, value: Uint8Array): number => {
  if (option === MCAST_JOIN_GROUP || option === MCAST_LEAVE_GROUP) {
    const request = groupRequest(value)
    return typeof request === 'number' ? request : option === MCAST_JOIN_GROUP ? join(socket, request) : leave(socket, request)
  }
  if (option === IP_ADD_MEMBERSHIP) return join(socket, value)
  if (option === IP_DROP_MEMBERSHIP) return leave(socket, value)
  // These are not for streams.
  if ((option === IP_MULTICAST_IF || option === IP_MULTICAST_TTL) && socket.type === SOCK_STREAM) return -EINVAL
  if (option === IP_MULTICAST_IF) {
    // The address of an interface, or struct ip_mreqn; 0.0.0.0 is any.
    if (value.length < 4) return -EINVAL
    const isAny = value.subarray(0, Math.min(value.length, 12)).every((byte) => byte === 0)
    const padded = new Uint8Array(12)
    padded[0] = 224
    if (value.length >= 12) padded.set(value.subarray(4, 12), 4)
    else padded.set(value.subarray(0, 4), 4)
    const found = isAny ? undefined : membershipOf(socket, padded)
    if (typeof found === 'number') return found
    socket.options.set(optionKey(IPPROTO_IP, option), found?.device.index ?? 0)
    socket.options.set(optionKey(IPPROTO_IP, MULTICAST_ADDRESS), get32(padded, 4))
    return 0
  }
  if (!IP_DEFAULTS.has(option) || (option === IP_HDRINCL && socket.type !== SOCK_RAW)) return -ENOPROTOOPT
  const number = numberOf(value) ?? (WITHOUT_BYTES.has(option) ? 0 : undefined)
  if (number === undefined) return -EINVAL
  if (option === IP_TTL && number !== -1 && (number < 1 || number > 255)) return -EINVAL
  if (option === IP_MULTICAST_TTL && (number < -1 || number > 255)) return -EINVAL
  if (option === IP_MTU_DISCOVER && (number < 0 || number > 5)) return -EINVAL
  if (option === IP_TRANSPARENT && number !== 0 && !hasNetCapability(task, CAP_NET_ADMIN)) return -EPERM
  if (option === IP_RECVERR && number === 0) socket.errors.length = 0
  socket.options.set(optionKey(IPPROTO_IP, option), keptIpValue(socket, option, number))
  return 0
}

export const setInetOption = (kernel: Kernel, task: Task, socket: InetSocket, level: number, option: number, value: Uint8Array): number => {
  if (level === SOL_SOCKET) {
    const isSize = option === SO_SNDBUF || option === SO_RCVBUF || option === SO_SNDBUFFORCE || option === SO_RCVBUFFORCE
    if (isSize) socket.options.set(BUFFER_LOCKED, 1)
    const result = setCommonOption(kernel, task, socket, level, option, value)
    if (option === SO_KEEPALIVE && result === 0 && socket.tcb !== undefined) startKeepAlive(kernel, socket, socket.tcb)
    return result
  }
  if (level === IPPROTO_TCP && socket.type === SOCK_STREAM) return setTcpOption(kernel, task, socket, option, value)
  if (level === IPPROTO_IP) return setIpOption(task, socket, option, value)
  if (level === SOL_RAW && socket.type === SOCK_RAW && socket.protocol === IPPROTO_ICMP && option === ICMP_FILTER) {
    socket.filter = numberOf(value) ?? 0
    return 0
  }
  if (level === IPPROTO_UDP && socket.protocol === IPPROTO_UDP) {
    if (value.length < 4) return -EINVAL
    if (!UDP_OPTIONS.has(option)) return -ENOPROTOOPT
    socket.options.set(optionKey(level, option), numberOf(value) ?? 0)
    return 0
  }
  return -ENOPROTOOPT
}

/** Bytes that wait to be read: of a stream without an urgent byte that is read by itself. */
const pending = (socket: InetSocket): number => {
  if (socket.type !== SOCK_STREAM) return socket.queue.at(0)?.bytes.length ?? 0
  const { tcb } = socket
  if (tcb === undefined || tcb.urgent === 'none') return socket.queuedBytes
  // Up to the mark, if that is in what has come (tcp_inq).
  const toMark = tcb.urgentSeq - readNext(socket, tcb)
  return !has(socket, SO_OOBINLINE) && toMark >= 0 && toMark < socket.queuedBytes ? toMark : socket.queuedBytes
}

export const inetIoctl = (kernel: Kernel, task: Task, socket: InetSocket, command: number, argument: number): number => {
  const user = kernel.user(task)
  const { tcb } = socket
  const isStream = socket.type === SOCK_STREAM
  if (socket.state === LISTEN && (command === SIOCINQ || command === SIOCOUTQ || command === SIOCOUTQNSD)) return -EINVAL
  switch (command) {
    case SIOCINQ:
      user.setU32(argument, pending(socket))
      return 0
    case SIOCOUTQ:
      user.setU32(argument, !isStream || tcb === undefined || socket.state === SYN_SENT || socket.state === SYN_RECEIVED || socket.state === CLOSE ? 0 : tcb.writeSeq - tcb.sndUna)
      return 0
    case SIOCOUTQNSD:
      if (!isStream) return -EINVAL
      user.setU32(argument, tcb === undefined || socket.state === CLOSE ? 0 : tcb.writeSeq - tcb.sndNxt)
      return 0
    case SIOCATMARK:
      if (!isStream) return -ENOTTY
      user.setU32(argument, tcb !== undefined && tcb.urgent !== 'none' && tcb.urgentSeq === readNext(socket, tcb) ? 1 : 0)
      return 0
    default: return interfaceIoctl(kernel, task, socket.net, command, argument)
  }
}
