/**
 * IPv4 sockets (ip(7)): state, addresses, ports. What their protocols do is in tcp/, udp.ts and raw.ts.
 *
 * Invariants: a TCP or UDP socket with a port is in the table of its protocol's ports; a TCP socket that has a peer is in
 * `connections` until its state is CLOSE or TIME_WAIT (then the TimeWait is).
 */
import { EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EINVAL } from '../abi/errno.ts'
import { CAP_NET_BIND_SERVICE } from '../abi/capabilities.ts'
import { AF_INET, AF_UNSPEC, IPPROTO_TCP, SO_REUSEADDR, SO_REUSEPORT, SOCK_STREAM, type SOCK_DGRAM, type SOCK_RAW } from '../abi/sockets.ts'
import type { OpenFile } from '../fs/file.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import type { AnySocket } from './plain-socket.ts'
import type { Outgoing } from './socket.ts'
import { waitQueue } from '../wait-queue.ts'
import { findDevice, isBroadcastOf, localDevice, type NetInterface } from './device.ts'
import { ANY, isMulticast } from './ipv4.ts'
import { hasNetCapability, type NetNamespace } from './namespace.ts'
import type { PeerCredentials } from './socket.ts'
import type { Tcb } from './tcp/tcb.ts'
import type { TimeWait } from './tcp/time-wait.ts'

export interface InetAddress {
  /** Unsigned, most significant byte first: 127.0.0.1 is 0x7f000001. */
  readonly address: number
  readonly port: number
}

/** What arrived: bytes of a stream, or a datagram with its sender. */
export interface InetMessage {
  readonly bytes: Uint8Array
  /** What was read of it, for streams. */
  start: number
  readonly from: InetAddress
  /** Of datagrams: what control messages tell. */
  readonly about: Arrival | undefined
}

export interface Arrival {
  readonly to: number
  /** The address of this host by which it came. */
  readonly local: number
  /** Index of the interface. */
  readonly device: number
  readonly ttl: number
  readonly tos: number
  readonly cycle: number
}

/** An error that is kept to be asked for (IP_RECVERR). */
export interface QueuedError {
  readonly errno: number
  readonly type: number
  readonly code: number
  readonly info: number
  /** SO_EE_ORIGIN_LOCAL (1) or SO_EE_ORIGIN_ICMP (2). */
  readonly origin: number
  readonly offender: number
  readonly to: InetAddress
  readonly bytes: Uint8Array
}

export interface Membership { readonly group: number, readonly device: NetInterface }

export type InetSocketType = typeof SOCK_STREAM | typeof SOCK_DGRAM | typeof SOCK_RAW

/** States of TCP with Linux's numbers (include/net/tcp_states.h). Datagram sockets are ESTABLISHED when connected, else CLOSE. */
export const ESTABLISHED = 1, SYN_SENT = 2, SYN_RECEIVED = 3, FIN_WAIT_1 = 4, FIN_WAIT_2 = 5, TIME_WAIT = 6, CLOSE = 7, CLOSE_WAIT = 8, LAST_ACK = 9, LISTEN = 10, CLOSING = 11

export interface InetSocket extends AnySocket {
  readonly kind: 'inet'
  readonly type: InetSocketType
  /** IPPROTO_*. */
  readonly protocol: number
  readonly net: NetNamespace
  readonly uid: number
  ino: number
  /** Of SIGURG's owner. */
  file: OpenFile | undefined
  local: InetAddress
  /** It lost its connection, and with it a port that it had not asked for; `local` still shows it. */
  hasLeftPort?: boolean
  /** The port was asked for, by bind (SOCK_BINDPORT_LOCK). */
  bound: boolean
  /** So was the address, and stays when the socket is disconnected (SOCK_BINDADDR_LOCK). */
  keepsAddress?: boolean
  remote: InetAddress | undefined
  state: number
  /** What connect(2) has told: nothing yet, that it goes on, that it is done; or it was shut while it went on. */
  connection: 'none' | 'connecting' | 'connected' | 'disconnecting'
  /** TCP, from connect or the arrival of a SYN on. */
  tcb: Tcb | undefined
  listening: boolean
  backlog: number
  /** Connections to be accepted: the new sockets. */
  readonly waiting: InetSocket[]
  /** Of a listener: connections that are half there (SYN_RECEIVED). */
  readonly halfOpen: Set<InetSocket>
  /** The listener, for one that waits or is half open. */
  listener: InetSocket | undefined
  readonly queue: InetMessage[]
  queuedBytes: number
  /** Of UDP: what MSG_MORE held back, and the message that it is the begin of. */
  held: { readonly first: Outgoing, readonly pieces: Uint8Array[] } | undefined
  /** Bits: 1 receiving, 2 sending is over. */
  shut: number
  /** Nobody has it as a file any more; connections may go on for a while. */
  closed: boolean
  /** Told only if nothing better is known when the connection fails. */
  softError: number
  readonly errors: QueuedError[]
  /** SO_BINDTODEVICE: index of the interface, 0: any. */
  device: number
  readonly memberships: Membership[]
  /** Of raw sockets: ICMP_FILTER. */
  filter: number
  // For options that all families answer.
  readonly peerCredentials: PeerCredentials | undefined
  readonly peerGroups: readonly number[]
}

/** Sockets by port and connection. */
export interface InetTables {
  readonly tcp: Map<number, Set<InetSocket | TimeWait>>
  readonly udp: Map<number, Set<InetSocket | TimeWait>>
  /** Ping sockets by identifier. */
  readonly ping: Map<number, Set<InetSocket | TimeWait>>
  readonly listeners: Map<number, InetSocket[]>
  /** By local port × 2^16 + remote port. */
  readonly connections: Map<number, (InetSocket | TimeWait)[]>
  readonly raw: Set<InetSocket>
  lastPort: number
}
export const makeInetTables = (): InetTables =>
  ({ tcp: new Map(), udp: new Map(), ping: new Map(), listeners: new Map(), connections: new Map(), raw: new Set(), lastPort: 0 })

const UNNAMED: InetAddress = { address: ANY, port: 0 }

/** Sizes as Linux tells them of new sockets: tcp_wmem, tcp_rmem, wmem_default. */
const TCP_SEND = 16_384, TCP_RECEIVE = 131_072, UDP_BUFFER = 212_992

export const makeInetSocket = (net: NetNamespace, type: InetSocketType, protocol: number, uid: number): InetSocket => ({
  kind: 'inet', type, protocol, net, uid, ino: 0, file: undefined, local: UNNAMED, bound: false, remote: undefined, state: CLOSE, connection: 'none', tcb: undefined,
  listening: false, backlog: 0, waiting: [], halfOpen: new Set(), listener: undefined, queue: [], queuedBytes: 0, held: undefined, shut: 0, closed: false, error: 0, softError: 0, errors: [],
  sendBuffer: type === SOCK_STREAM ? TCP_SEND : UDP_BUFFER, receiveBuffer: type === SOCK_STREAM ? TCP_RECEIVE : UDP_BUFFER,
  sendTimeout: 0, receiveTimeout: 0, device: 0, memberships: [], filter: 0, options: new Map(), readable: waitQueue(), writable: waitQueue(),
  passCredentials: false, peerCredentials: undefined, peerGroups: [],
})

// ——— Addresses ———

const ADDRESS_SIZE = 16
const USED_SIZE = 8

export const encodeAddress = ({ address, port }: InetAddress): Uint8Array => {
  const bytes = new Uint8Array(ADDRESS_SIZE)
  bytes[0] = AF_INET
  bytes[2] = port >>> 8
  bytes[3] = port
  bytes[4] = address >>> 24
  bytes[5] = address >>> 16
  bytes[6] = address >>> 8
  bytes[7] = address
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

/** The interface that the socket is bound to, if it is. */
export const boundDevice = (socket: InetSocket): NetInterface | undefined => socket.device === 0 ? undefined : findDevice(socket.net, socket.device)

export const has = (socket: InetSocket, option: number): boolean => (socket.options.get(option) ?? 0) !== 0
/** Where the value of an option of another level than SOL_SOCKET is kept, whose are by number alone; IPPROTO_IP is level 0. */
export const optionKey = (level: number, option: number): number => (level + 1) << 16 | option

// ——— Ports ———

export const portsOf = (socket: InetSocket): Map<number, Set<InetSocket | TimeWait>> => {
  const { inet } = socket.net
  return socket.type === SOCK_STREAM ? inet.tcp : socket.protocol === 1 ? inet.ping : inet.udp
}

export const addToPort = (socket: InetSocket | TimeWait, ports: Map<number, Set<InetSocket | TimeWait>>): void => {
  const set = ports.get(socket.local.port)
  if (set === undefined) ports.set(socket.local.port, new Set([socket]))
  else set.add(socket)
}

export const leavePort = (socket: InetSocket | TimeWait, ports: Map<number, Set<InetSocket | TimeWait>>): void => {
  const set = ports.get(socket.local.port)
  if (set === undefined || !set.delete(socket)) return
  if (set.size === 0) ports.delete(socket.local.port)
}

/** Whether two sockets can't have one port (inet_csk_bind_conflict, udp_lib_lport_inuse). */
const conflicts = (socket: InetSocket, address: number, other: InetSocket | TimeWait): boolean => {
  if (other === socket) return false
  if (address !== ANY && other.local.address !== ANY && address !== other.local.address) return false
  if (other.kind === 'time-wait') return !(has(socket, SO_REUSEADDR) && other.reuse)
  if (socket.device !== 0 && other.device !== 0 && socket.device !== other.device) return false
  if (has(socket, SO_REUSEPORT) && has(other, SO_REUSEPORT) && socket.uid === other.uid) return false
  return !(has(socket, SO_REUSEADDR) && has(other, SO_REUSEADDR) && !other.listening)
}

export const isPortTaken = (socket: InetSocket, address: number, port: number): boolean => {
  for (const other of portsOf(socket).get(port) ?? []) if (conflicts(socket, address, other)) return true
  return false
}

/** A port that nobody has, or for which `mayShare` says that it can be had too; 0 if there is none. */
const freePort = (socket: InetSocket, mayShare?: (port: number) => boolean): number => {
  const { inet, settings: { firstPort, lastPort } } = socket.net
  const ports = portsOf(socket)
  if (inet.lastPort === 0) inet.lastPort = lastPort
  for (let tries = firstPort; tries <= lastPort; tries++) {
    inet.lastPort = inet.lastPort >= lastPort || inet.lastPort < firstPort ? firstPort : inet.lastPort + 1
    if (!ports.has(inet.lastPort) || mayShare?.(inet.lastPort) === true) return inet.lastPort
  }
  return 0
}

/** What a socket that lost its connection still shows is none. */
export const hasPort = (socket: InetSocket): boolean => socket.local.port !== 0 && socket.hasLeftPort !== true

/** Gives a socket without a port one. 0, −EADDRINUSE for streams or −EAGAIN for others. */
export const autobind = (socket: InetSocket, address = ANY, mayShare?: (port: number) => boolean): number => {
  if (hasPort(socket)) return 0
  const port = freePort(socket, mayShare)
  if (port === 0) return socket.type === SOCK_STREAM ? -EADDRINUSE : -EAGAIN
  socket.local = { address: socket.local.address === ANY ? address : socket.local.address, port }
  if (socket.hasLeftPort === true) socket.hasLeftPort = false
  addToPort(socket, portsOf(socket))
  return 0
}

const IPPROTO_IP = 0, IP_FREEBIND = 15, IP_TRANSPARENT = 19

/** Whether a socket may have the address: one of this host's, or for datagrams that of a group or broadcasts. */
export const mayHaveAddress = (socket: InetSocket, address: number): boolean => {
  if (address === ANY || localDevice(socket.net, address) !== undefined) return true
  if (has(socket, optionKey(IPPROTO_IP, IP_FREEBIND)) || has(socket, optionKey(IPPROTO_IP, IP_TRANSPARENT))) return true
  return socket.type !== SOCK_STREAM && (isMulticast(address) || socket.net.interfaces.some((device) => isBroadcastOf(device, address)))
}

export const bind = (_kernel: Kernel, task: Task, socket: InetSocket, bytes: Uint8Array): number => {
  let wanted = decodeAddress(bytes)
  // Old programs leave the family out of the wildcard address.
  if (wanted === -EAFNOSUPPORT && familyOfAddress(bytes) === AF_UNSPEC && bytes.subarray(4, USED_SIZE).every((byte) => byte === 0)) {
    wanted = { address: ANY, port: (bytes[2] << 8) | bytes[3] }
  }
  if (typeof wanted === 'number') return wanted
  const { address, port } = wanted
  if (!mayHaveAddress(socket, address)) return -EADDRNOTAVAIL
  if (port !== 0 && port < socket.net.settings.unprivilegedPort && socket.protocol !== 1 && !hasNetCapability(task, CAP_NET_BIND_SERVICE)) return -EACCES
  // A stream that lost its connection has left a port that it did not ask for (tcp_set_state).
  if (hasPort(socket) || socket.state !== CLOSE || socket.closed) return -EINVAL
  if (port === 0) {
    socket.local = { address, port: 0 }
    const bound = autobind(socket, address)
    if (bound === 0 && address !== ANY) socket.keepsAddress = true
    return bound
  }
  if (isPortTaken(socket, address, port)) return -EADDRINUSE
  if (address !== ANY) socket.keepsAddress = true
  socket.local = { address, port }
  socket.bound = true
  if (socket.hasLeftPort === true) socket.hasLeftPort = false
  addToPort(socket, portsOf(socket))
  return 0
}

/** A socket that is disconnected has any address again, unless it asked for one. */
export const forgetAddress = (socket: InetSocket): void => {
  if (socket.keepsAddress !== true) socket.local = { address: ANY, port: socket.local.port }
}

// ——— Connections ———

export const connectionKey = (localPort: number, remotePort: number): number => localPort * 0x1_0000 + remotePort

export const addConnection = (socket: InetSocket | TimeWait, tables: InetTables): void => {
  const key = connectionKey(socket.local.port, socket.remote?.port ?? 0)
  const list = tables.connections.get(key)
  if (list === undefined) tables.connections.set(key, [socket])
  else list.push(socket)
}

export const removeConnection = (socket: InetSocket | TimeWait, tables: InetTables): void => {
  const key = connectionKey(socket.local.port, socket.remote?.port ?? 0)
  const list = tables.connections.get(key)
  const at = list === undefined ? -1 : list.indexOf(socket)
  if (list === undefined || at < 0) return
  if (list.length === 1) tables.connections.delete(key)
  else list.splice(at, 1)
}

export const findConnection = (tables: InetTables, local: number, localPort: number, remote: number, remotePort: number): InetSocket | TimeWait | undefined => {
  const list = tables.connections.get(connectionKey(localPort, remotePort))
  if (list === undefined) return undefined
  for (let i = 0; i < list.length; i++) {
    const socket = list[i]
    if (socket.local.address === local && socket.remote?.address === remote) return socket
  }
  return undefined
}

// ——— Messages ———

export const wakeBoth = (kernel: Kernel, socket: InetSocket): void => {
  kernel.wake(socket.readable)
  kernel.wake(socket.writable)
}

export const isTcp = (socket: InetSocket): boolean => socket.protocol === IPPROTO_TCP && socket.type === SOCK_STREAM

export const SHUT_RECEIVE = 1, SHUT_SEND = 2, SHUT_BOTH = 3
