/**
 * IPv4 sockets (ip(7)) over loopback, the one interface that a world has: state, addresses, ports. TCP is in tcp.ts, UDP in
 * udp.ts. Bytes go from socket to socket; there are no packets, losses or delays.
 *
 * Invariants: a socket with a port is in `ports` of its protocol; `peer` of connected TCP sockets is mutual until one side is gone.
 */
import { EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, ENETUNREACH } from '../abi/errno.ts'
import { CAP_NET_BIND_SERVICE } from '../abi/capabilities.ts'
import { AF_INET, AF_UNSPEC, SO_REUSEADDR, SO_REUSEPORT, SOCK_STREAM, type SOCK_DGRAM } from '../abi/sockets.ts'
import type { Kernel } from '../kernel.ts'
import { hasCapability } from '../task/credentials.ts'
import type { Task } from '../task/task.ts'
import { waitQueue, type WaitQueue } from '../wait-queue.ts'
import type { PeerCredentials } from './socket.ts'

export interface InetAddress {
  /** Unsigned, most significant byte first: 127.0.0.1 is 0x7f000001. */
  readonly address: number
  readonly port: number
}

/** What was sent: bytes of a stream, or a datagram with its sender. */
export interface InetMessage {
  readonly bytes: Uint8Array
  /** What was read of it, for streams. */
  start: number
  readonly from: InetAddress
}

export type InetSocketType = typeof SOCK_STREAM | typeof SOCK_DGRAM

export interface InetSocket {
  readonly kind: 'inet'
  readonly type: InetSocketType
  ino: number
  local: InetAddress
  /** The port was asked for, by bind. */
  bound: boolean
  remote: InetAddress | undefined
  /** TCP: the other end. */
  peer: InetSocket | undefined
  /** TCP: connect was called without waiting, or waits for room at the listener: its outcome has not been told. */
  connecting: boolean
  /** TCP: a connection was made at some time. */
  established: boolean
  listening: boolean
  backlog: number
  /** Connections to be accepted: the new sockets. */
  readonly waiting: InetSocket[]
  /** Those who want to connect while there is no room for them. */
  readonly pending: InetSocket[]
  readonly queue: InetMessage[]
  queuedBytes: number
  /** Bits: 1 receiving, 2 sending is over. */
  shut: number
  closed: boolean
  error: number
  sendBuffer: number
  receiveBuffer: number
  sendTimeout: number
  receiveTimeout: number
  /** By level << 16 | number, those of SOL_SOCKET by number alone. */
  readonly options: Map<number, number>
  readonly readable: WaitQueue
  readonly writable: WaitQueue
  // For options that all families answer.
  passCredentials: boolean
  readonly peerCredentials: PeerCredentials | undefined
  readonly peerGroups: readonly number[]
}

/** The network's IPv4 part: sockets by port. */
export interface InetState {
  readonly tcp: Map<number, InetSocket[]>
  readonly udp: Map<number, InetSocket[]>
  lastPort: number
}
export const makeInet = (): InetState => ({ tcp: new Map(), udp: new Map(), lastPort: LAST_PORT })

/** net.ipv4.ip_local_port_range. */
const FIRST_PORT = 32_768, LAST_PORT = 60_999
/** net.ipv4.ip_unprivileged_port_start. */
const UNPRIVILEGED_PORT = 1024
export const ANY = 0, LOOPBACK = 0x7f00_0001
const UNNAMED: InetAddress = { address: ANY, port: 0 }

/** Sizes as Linux tells them of new sockets: tcp_wmem, tcp_rmem, wmem_default. */
const TCP_SEND = 16_384, TCP_RECEIVE = 131_072, UDP_BUFFER = 212_992

export const makeInetSocket = (type: InetSocketType): InetSocket => ({
  kind: 'inet', type, ino: 0, local: UNNAMED, bound: false, remote: undefined, peer: undefined, connecting: false, established: false,
  listening: false, backlog: 0, waiting: [], pending: [], queue: [], queuedBytes: 0, shut: 0, closed: false, error: 0,
  sendBuffer: type === SOCK_STREAM ? TCP_SEND : UDP_BUFFER, receiveBuffer: type === SOCK_STREAM ? TCP_RECEIVE : UDP_BUFFER,
  sendTimeout: 0, receiveTimeout: 0, options: new Map(), readable: waitQueue(), writable: waitQueue(),
  passCredentials: false, peerCredentials: undefined, peerGroups: [],
})

// ——— Addresses ———

const ADDRESS_SIZE = 16
const USED_SIZE = 8

export const encodeAddress = ({ address, port }: InetAddress): Uint8Array => {
  const bytes = new Uint8Array(ADDRESS_SIZE)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, AF_INET, true)
  view.setUint16(2, port)
  view.setUint32(4, address)
  return bytes
}

export const familyOfAddress = (bytes: Uint8Array): number => bytes.length < 2 ? AF_UNSPEC : bytes[0] | (bytes[1] << 8)

/** An address out of struct sockaddr_in, or a negative errno. */
export const decodeAddress = (bytes: Uint8Array): InetAddress | number => {
  if (bytes.length < ADDRESS_SIZE) return -EINVAL
  if (familyOfAddress(bytes) !== AF_INET) return -EAFNOSUPPORT
  const view = new DataView(bytes.buffer, bytes.byteOffset, USED_SIZE)
  return { address: view.getUint32(4), port: view.getUint16(2) }
}

export const isLoopback = (address: number): boolean => (address >>> 24) === 127

/** Where a message to the address goes: this host is meant by 0.0.0.0, too; there is no way to others. */
export const route = ({ address, port }: InetAddress): InetAddress | number => {
  if (address === ANY) return { address: LOOPBACK, port }
  return isLoopback(address) ? { address, port } : -ENETUNREACH
}

// ——— Ports ———

export const portsOf = (kernel: Kernel, socket: InetSocket): Map<number, InetSocket[]> =>
  socket.type === SOCK_STREAM ? kernel.state.net.inet.tcp : kernel.state.net.inet.udp

export const addToPort = (kernel: Kernel, socket: InetSocket): void => {
  const ports = portsOf(kernel, socket)
  const list = ports.get(socket.local.port)
  if (list === undefined) ports.set(socket.local.port, [socket])
  else list.push(socket)
}

export const leavePort = (kernel: Kernel, socket: InetSocket): void => {
  const ports = portsOf(kernel, socket)
  const list = ports.get(socket.local.port)
  const at = list === undefined ? -1 : list.indexOf(socket)
  if (list === undefined || at < 0) return
  list.splice(at, 1)
  if (list.length === 0) ports.delete(socket.local.port)
}

const has = (socket: InetSocket, option: number): boolean => (socket.options.get(option) ?? 0) !== 0

/** Whether two sockets can't have one port (inet_csk_bind_conflict, udp_lib_lport_inuse). */
const conflicts = (socket: InetSocket, address: number, other: InetSocket): boolean => {
  if (address !== ANY && other.local.address !== ANY && address !== other.local.address) return false
  if (has(socket, SO_REUSEPORT) && has(other, SO_REUSEPORT)) return false
  return !(has(socket, SO_REUSEADDR) && has(other, SO_REUSEADDR) && !other.listening)
}

/** A port that nobody has; 0 if there is none. */
const freePort = (kernel: Kernel, socket: InetSocket): number => {
  const { inet } = kernel.state.net
  const ports = portsOf(kernel, socket)
  for (let tries = FIRST_PORT; tries <= LAST_PORT; tries++) {
    inet.lastPort = inet.lastPort >= LAST_PORT ? FIRST_PORT : inet.lastPort + 1
    if (!ports.has(inet.lastPort)) return inet.lastPort
  }
  return 0
}

/** Gives a socket without a port one. 0 or −EADDRINUSE (−EAGAIN for datagrams is not told apart). */
export const autobind = (kernel: Kernel, socket: InetSocket, address = ANY): number => {
  if (socket.local.port !== 0) return 0
  const port = freePort(kernel, socket)
  if (port === 0) return -EADDRINUSE
  socket.local = { address: socket.local.address === ANY ? address : socket.local.address, port }
  addToPort(kernel, socket)
  return 0
}

export const bind = (kernel: Kernel, task: Task, socket: InetSocket, bytes: Uint8Array): number => {
  let wanted = decodeAddress(bytes)
  // Old programs leave the family out of the wildcard address.
  if (wanted === -EAFNOSUPPORT && familyOfAddress(bytes) === AF_UNSPEC && bytes.subarray(4, USED_SIZE).every((byte) => byte === 0)) {
    wanted = { address: ANY, port: (bytes[2] << 8) | bytes[3] }
  }
  if (typeof wanted === 'number') return wanted
  const { address, port } = wanted
  if (address !== ANY && !isLoopback(address)) return -EADDRNOTAVAIL
  if (port !== 0 && port < UNPRIVILEGED_PORT && !hasCapability(task, CAP_NET_BIND_SERVICE)) return -EACCES
  if (socket.local.port !== 0 || socket.established || socket.closed) return -EINVAL
  if (port === 0) {
    socket.local = { address, port: 0 }
    return autobind(kernel, socket, address)
  }
  for (const other of portsOf(kernel, socket).get(port) ?? []) if (conflicts(socket, address, other)) return -EADDRINUSE
  socket.local = { address, port }
  socket.bound = true
  addToPort(kernel, socket)
  return 0
}

// ——— Messages ———

/** Takes up to `length` bytes of a stream off the queue, or looks at them. */
export const takeStream = (socket: InetSocket, length: number, peeks: boolean): Uint8Array => {
  let room = Math.min(length, socket.queuedBytes)
  const bytes = new Uint8Array(room)
  let done = 0
  for (let index = 0; room > 0;) {
    const message = socket.queue[index]
    const part = message.bytes.subarray(message.start, message.start + room)
    bytes.set(part, done)
    done += part.length
    room -= part.length
    if (peeks) { index++; continue }
    message.start += part.length
    socket.queuedBytes -= part.length
    if (message.start === message.bytes.length) socket.queue.shift()
  }
  return bytes
}

export const wakeBoth = (kernel: Kernel, socket: InetSocket): void => {
  kernel.wake(socket.readable)
  kernel.wake(socket.writable)
}

/** An error of the socket is told once. */
export const takeError = (socket: InetSocket): number => {
  const { error } = socket
  socket.error = 0
  return error
}
