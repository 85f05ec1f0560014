/** Options of IPv4, TCP and UDP sockets (ip(7), tcp(7), udp(7)). */
import { EINVAL, ENODEV, ENOPROTOOPT, ENOTCONN } from '../abi/errno.ts'
import { IPPROTO_IP, IPPROTO_TCP, SIOCINQ, SIOCOUTQ, SO_RCVBUF, SO_RCVBUFFORCE, SO_SNDBUF, SO_SNDBUFFORCE, SOCK_STREAM, SOL_SOCKET } from '../abi/sockets.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import type { InetSocket } from './inet.ts'
import { interfaceIoctl, LOOPBACK_MTU } from './interfaces.ts'
import { getCommonOption, setCommonOption } from './options.ts'
import { BUFFER_LOCKED } from './tcp.ts'

const TCP_NODELAY = 1, TCP_MAXSEG = 2, TCP_CORK = 3, TCP_KEEPIDLE = 4, TCP_KEEPINTVL = 5, TCP_KEEPCNT = 6, TCP_SYNCNT = 7, TCP_LINGER2 = 8,
  TCP_DEFER_ACCEPT = 9, TCP_WINDOW_CLAMP = 10, TCP_INFO = 11, TCP_QUICKACK = 12, TCP_CONGESTION = 13, TCP_USER_TIMEOUT = 18,
  TCP_FASTOPEN = 23, TCP_NOTSENT_LOWAT = 25, TCP_FASTOPEN_CONNECT = 30
const IP_TOS = 1, IP_TTL = 2, IP_HDRINCL = 3, IP_OPTIONS = 4, IP_RECVOPTS = 6, IP_RETOPTS = 7, IP_PKTINFO = 8, IP_MTU_DISCOVER = 10,
  IP_RECVERR = 11, IP_RECVTTL = 12, IP_RECVTOS = 13, IP_MTU = 14, IP_FREEBIND = 15, IP_TRANSPARENT = 19, IP_BIND_ADDRESS_NO_PORT = 24,
  IP_MULTICAST_IF = 32, IP_MULTICAST_TTL = 33, IP_MULTICAST_LOOP = 34, IP_ADD_MEMBERSHIP = 35, IP_DROP_MEMBERSHIP = 36

/** Options that are kept without effect, and what they are at first. */
const TCP_DEFAULTS: ReadonlyMap<number, number> = new Map([
  [TCP_NODELAY, 0], [TCP_MAXSEG, 536], [TCP_CORK, 0], [TCP_KEEPIDLE, 7200], [TCP_KEEPINTVL, 75], [TCP_KEEPCNT, 9], [TCP_SYNCNT, 6],
  [TCP_LINGER2, 60], [TCP_DEFER_ACCEPT, 0], [TCP_WINDOW_CLAMP, 0], [TCP_QUICKACK, 1], [TCP_USER_TIMEOUT, 0], [TCP_FASTOPEN, 0],
  [TCP_NOTSENT_LOWAT, 0], [TCP_FASTOPEN_CONNECT, 0],
])
const IP_DEFAULTS: ReadonlyMap<number, number> = new Map([
  [IP_TOS, 0], [IP_TTL, 64], [IP_HDRINCL, 0], [IP_RECVOPTS, 0], [IP_RETOPTS, 0], [IP_PKTINFO, 0], [IP_MTU_DISCOVER, 1], [IP_RECVERR, 0],
  [IP_RECVTTL, 0], [IP_RECVTOS, 0], [IP_FREEBIND, 0], [IP_TRANSPARENT, 0], [IP_BIND_ADDRESS_NO_PORT, 0], [IP_MULTICAST_IF, 0],
  [IP_MULTICAST_TTL, 1], [IP_MULTICAST_LOOP, 1],
])
const LOOPBACK_SEGMENT = 65_483
const CONGESTION_NAME = 'cubic', CONGESTION_SIZE = 16

const int = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer)
const key = (level: number, option: number): number => level << 16 | option

const TCP_INFO_SIZE = 232
const STATE_ESTABLISHED = 1, STATE_CLOSE = 7, STATE_LISTEN = 10
const tcpInfo = (socket: InetSocket): Uint8Array => {
  const bytes = new Uint8Array(TCP_INFO_SIZE)
  bytes[0] = socket.listening ? STATE_LISTEN : socket.peer !== undefined ? STATE_ESTABLISHED : STATE_CLOSE
  return bytes
}

const getTcpOption = (socket: InetSocket, option: number): Uint8Array | number => {
  if (option === TCP_INFO) return tcpInfo(socket)
  if (option === TCP_CONGESTION) return Uint8Array.from({ length: CONGESTION_SIZE }, (_, i) => CONGESTION_NAME.charCodeAt(i) || 0)
  const initial = TCP_DEFAULTS.get(option)
  if (initial === undefined) return -ENOPROTOOPT
  if (option === TCP_MAXSEG && socket.established) return int(LOOPBACK_SEGMENT)
  return int(socket.options.get(key(IPPROTO_TCP, option)) ?? initial)
}

export const getInetOption = (kernel: Kernel, task: Task, socket: InetSocket, level: number, option: number): Uint8Array | number => {
  if (level === SOL_SOCKET) return getCommonOption(kernel, task, socket, level, option)
  if (level === IPPROTO_TCP && socket.type === SOCK_STREAM) return getTcpOption(socket, option)
  if (level !== IPPROTO_IP) return -ENOPROTOOPT
  if (option === IP_OPTIONS) return new Uint8Array(0)
  if (option === IP_MTU) return socket.remote === undefined ? -ENOTCONN : int(LOOPBACK_MTU)
  const initial = IP_DEFAULTS.get(option)
  return initial === undefined ? -ENOPROTOOPT : int(socket.options.get(key(level, option)) ?? initial)
}

/** Options of IP may be given as one byte. */
const numberOf = (value: Uint8Array): number | undefined =>
  value.length >= 4 ? new DataView(value.buffer, value.byteOffset).getInt32(0, true) : value.length >= 1 ? value[0] : undefined

export const setInetOption = (kernel: Kernel, task: Task, socket: InetSocket, level: number, option: number, value: Uint8Array): number => {
  if (level === SOL_SOCKET) {
    const isSize = option === SO_SNDBUF || option === SO_RCVBUF || option === SO_SNDBUFFORCE || option === SO_RCVBUFFORCE
    if (isSize) socket.options.set(BUFFER_LOCKED, 1)
    return setCommonOption(kernel, task, socket, level, option, value)
  }
  const number = numberOf(value)
  if (level === IPPROTO_TCP && socket.type === SOCK_STREAM) {
    if (option === TCP_CONGESTION) return 0
    if (!TCP_DEFAULTS.has(option)) return -ENOPROTOOPT
    if (value.length < 4 || number === undefined) return -EINVAL
    socket.options.set(key(level, option), number)
    return 0
  }
  if (level !== IPPROTO_IP) return -ENOPROTOOPT
  if (option === IP_ADD_MEMBERSHIP || option === IP_DROP_MEMBERSHIP) return value.length < 8 ? -EINVAL : -ENODEV
  if (!IP_DEFAULTS.has(option)) return -ENOPROTOOPT
  if (number === undefined) return -EINVAL
  if (option === IP_TTL && number !== -1 && (number < 1 || number > 255)) return -EINVAL
  socket.options.set(key(level, option), number)
  return 0
}

export const inetIoctl = (kernel: Kernel, task: Task, socket: InetSocket, command: number, argument: number): number => {
  const user = kernel.user(task)
  switch (command) {
    case SIOCINQ:
      if (socket.listening) return -EINVAL
      user.setU32(argument, socket.type === SOCK_STREAM ? socket.queuedBytes : socket.queue.at(0)?.bytes.length ?? 0)
      return 0
    case SIOCOUTQ:
      if (socket.listening) return -EINVAL
      user.setU32(argument, 0)
      return 0
    default: return interfaceIoctl(kernel, task, command, argument)
  }
}
