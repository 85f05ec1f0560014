/** UDP (udp(7), RFC 768). */
import { EACCES, EAFNOSUPPORT, EDESTADDRREQ, EINVAL, EMSGSIZE, ENOTCONN, EOPNOTSUPP, EPIPE } from '../abi/errno.ts'
import { AF_UNSPEC, IPPROTO_IP, IPPROTO_UDP, MSG_ERRQUEUE, MSG_MORE, MSG_OOB, SHUT_RDWR, SO_BROADCAST } from '../abi/sockets.ts'
import { type OpenFile, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRBAND, POLLWRNORM } from '../fs/file.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { sendToLoopback } from './backlog.ts'
import { transportChecksum } from './checksum.ts'
import { receiveDatagram, receiveError } from './datagrams.ts'
import { findDevice, isBroadcastOf, isLoopbackDevice, type NetInterface } from './device.ts'
import { ICMP_PORT_UNREACHABLE, ICMP_UNREACHABLE, type IcmpError, sendIcmpError } from './icmp.ts'
import {
  autobind, boundDevice, CLOSE, decodeAddress, encodeAddress, ESTABLISHED, familyOfAddress, forgetAddress, has, type InetAddress, type InetSocket, leavePort, optionKey, portsOf, SHUT_BOTH, SHUT_RECEIVE,
  SHUT_SEND, wakeBoth,
} from './inet.ts'
import { mtuTo, sendIp } from './ip-output.ts'
import { ANY, get16, isMulticast, LOOPBACK, type IpPacket, NO_OPTIONS, put16 } from './ipv4.ts'
import { dropMemberships } from './multicast.ts'
import type { NetNamespace } from './namespace.ts'
import { takeError } from './plain-socket.ts'
import { findPath, type Path } from './route.ts'
import { type Choices, choicesOf } from './send-choices.ts'
import type { Incoming, Outgoing } from './socket.ts'

export interface Datagram {
  readonly kind: 'udp'
  readonly source: number
  readonly sourcePort: number
  readonly destination: number
  readonly destinationPort: number
  readonly data: Uint8Array
  readonly ttl: number
  readonly tos: number
}

const HEADER = 8
/** 65,535 less the headers of IP and UDP. */
const LARGEST = 65_507
/** What a datagram takes of the receive buffer beyond its bytes (skb->truesize, about). */
export const OVERHEAD = 768
const IP_RECVERR = 11, IP_MTU_DISCOVER = 10, IP_PMTUDISC_DO = 2, IP_PMTUDISC_PROBE = 3, IP_PMTUDISC_WANT = 1, IP_MULTICAST_ALL = 49

export const encodeDatagram = ({ source, sourcePort, destination, destinationPort, data }: Datagram): Uint8Array => {
  const bytes = new Uint8Array(HEADER + data.length)
  put16(bytes, 0, sourcePort)
  put16(bytes, 2, destinationPort)
  put16(bytes, 4, bytes.length)
  bytes.set(data, HEADER)
  // Zero would say that there is no checksum.
  put16(bytes, 6, transportChecksum(source, destination, IPPROTO_UDP, bytes) || 0xffff)
  return bytes
}

/** undefined for what is none, or a damaged one. */
export const decodeDatagram = ({ payload, source, destination, ttl, tos }: IpPacket): Datagram | undefined => {
  const length = payload.length < HEADER ? 0 : get16(payload, 4)
  if (length < HEADER || length > payload.length) return undefined
  const bytes = payload.subarray(0, length)
  if (get16(bytes, 6) !== 0 && transportChecksum(source, destination, IPPROTO_UDP, bytes) !== 0) return undefined
  return { kind: 'udp', source, sourcePort: get16(bytes, 0), destination, destinationPort: get16(bytes, 2), data: bytes.slice(HEADER), ttl, tos }
}

// ——— Arriving ———

const isMeant = (socket: InetSocket, datagram: Datagram, device: NetInterface): boolean => {
  if (socket.local.address !== ANY && socket.local.address !== datagram.destination) return false
  const { remote } = socket
  if (remote !== undefined && socket.state === ESTABLISHED && ((remote.address !== datagram.source && remote.address !== ANY) || (remote.port !== 0 && remote.port !== datagram.sourcePort))) return false
  return socket.device === 0 || socket.device === device.index
}

/** The socket that a datagram is for: the one that fits best (compute_score), the last made among equals, or by hash if they share. */
const findReceiver = (net: NetNamespace, datagram: Datagram, device: NetInterface): InetSocket | undefined => {
  let best: InetSocket | undefined
  let bestScore = -1
  for (const socket of net.inet.udp.get(datagram.destinationPort) ?? []) {
    if (socket.kind !== 'inet' || !isMeant(socket, datagram, device)) continue
    const score = (socket.local.address !== ANY ? 1 : 0) + (socket.state === ESTABLISHED ? 2 : 0) + (socket.device !== 0 ? 1 : 0)
    if (score >= bestScore) {
      bestScore = score
      best = socket
    }
  }
  return best
}

const queueFor = (kernel: Kernel, socket: InetSocket, datagram: Datagram, device: NetInterface, local: number): void => {
  const { udp } = socket.net.counters
  if (socket.queuedBytes + OVERHEAD > socket.receiveBuffer || (socket.shut & SHUT_RECEIVE) !== 0) {
    udp.RcvbufErrors++
    udp.InErrors++
    return
  }
  udp.InDatagrams++
  const { data, source, sourcePort, destination, ttl, tos } = datagram
  socket.queue.push({ bytes: data, start: 0, from: { address: source, port: sourcePort }, about: { to: destination, local, device: device.index, ttl, tos, cycle: kernel.now } })
  socket.queuedBytes += data.length + OVERHEAD
  kernel.wake(socket.readable)
}

/** Everybody who listens gets what was sent to many. */
const deliverToMany = (kernel: Kernel, net: NetNamespace, datagram: Datagram, device: NetInterface): void => {
  const local = device.addresses.at(0)?.address ?? datagram.destination
  for (const socket of net.inet.udp.get(datagram.destinationPort) ?? []) {
    if (socket.kind !== 'inet' || !isMeant(socket, datagram, device)) continue
    const isMember = socket.memberships.some(({ group, device: where }) => group === datagram.destination && (where === device || device === net.loopback))
    if (isMulticast(datagram.destination) && !isMember && (socket.options.get(optionKey(IPPROTO_IP, IP_MULTICAST_ALL)) ?? 1) === 0) continue
    queueFor(kernel, socket, datagram, device, local)
  }
}

export const inputDatagram = (kernel: Kernel, net: NetNamespace, datagram: Datagram, device: NetInterface, packet?: IpPacket): void => {
  const { destination } = datagram
  if (destination !== LOOPBACK && (isMulticast(destination) || isBroadcastOf(device, destination) || (device === net.loopback && net.interfaces.some((other) => isBroadcastOf(other, destination))))) {
    deliverToMany(kernel, net, datagram, device)
    return
  }
  const receiver = findReceiver(net, datagram, device)
  if (receiver !== undefined) {
    queueFor(kernel, receiver, datagram, device, destination)
    return
  }
  net.counters.udp.NoPorts++
  const { source, ttl, tos } = datagram
  sendIcmpError(kernel, net, packet ?? {
    source, destination, ttl, tos, protocol: IPPROTO_UDP, id: 0, dontFragment: true, moreFragments: false, offset: 0, options: NO_OPTIONS, payload: encodeDatagram(datagram),
  }, ICMP_UNREACHABLE, ICMP_PORT_UNREACHABLE)
}

/** What ICMP says of a datagram that this host sent (__udp4_lib_err). */
export const udpError = (kernel: Kernel, net: NetNamespace, error: IcmpError): void => {
  const { about } = error
  if (about.payload.length < HEADER) return
  const from = get16(about.payload, 0), port = get16(about.payload, 2)
  const reversed: Datagram = { kind: 'udp', source: about.destination, sourcePort: port, destination: about.source, destinationPort: from, data: about.payload, ttl: 0, tos: 0 }
  const socket = findReceiver(net, reversed, net.loopback)
  if (socket === undefined) return
  if (has(socket, optionKey(IPPROTO_IP, IP_RECVERR))) {
    socket.errors.push({ errno: error.errno, type: error.type, code: error.code, info: error.info, origin: 2, offender: error.offender,
      to: { address: about.destination, port }, bytes: about.payload.slice(HEADER) })
  } else if (!error.fatal || socket.state !== ESTABLISHED) return
  socket.error = error.errno
  wakeBoth(kernel, socket)
}

// ——— Calls ———

const connect = (_kernel: Kernel, _task: Task, _file: OpenFile, socket: InetSocket, bytes: Uint8Array): number => {
  if (bytes.length < 2) return -EINVAL
  if (familyOfAddress(bytes) === AF_UNSPEC) {
    socket.remote = undefined
    socket.state = CLOSE
    forgetAddress(socket)
    if (!socket.bound) {
      leavePort(socket, portsOf(socket))
      socket.local = { address: socket.local.address, port: 0 }
    }
    return 0
  }
  // It has a port before its peer's address is looked at (inet_dgram_connect).
  const early = autobind(socket)
  if (early < 0) return early
  const wanted = decodeAddress(bytes)
  if (typeof wanted === 'number') return wanted
  const path = findPath(socket.net, wanted.address, boundDevice(socket), socket.local.address)
  if (typeof path === 'number') return path
  if (path.kind === 'broadcast' && !has(socket, SO_BROADCAST)) return -EACCES
  const to: InetAddress = { address: wanted.address === ANY ? path.nextHop : wanted.address, port: wanted.port }
  const bound = autobind(socket, path.source)
  if (bound < 0) return bound
  if (socket.local.address === ANY) {
    leavePort(socket, portsOf(socket))
    socket.local = { address: path.source, port: socket.local.port }
    rejoin(socket)
  }
  socket.remote = to
  socket.state = ESTABLISHED
  return 0
}

/** The same place in its port's set as a new one has. */
const rejoin = (socket: InetSocket): void => {
  const ports = portsOf(socket)
  const set = ports.get(socket.local.port)
  if (set === undefined) ports.set(socket.local.port, new Set([socket]))
  else set.add(socket)
}

const destinationOf = (socket: InetSocket, address: Uint8Array | undefined): InetAddress | number => {
  if (address === undefined) return socket.state === ESTABLISHED && socket.remote !== undefined ? socket.remote : -EDESTADDRREQ
  let given = decodeAddress(address)
  if (given === -EAFNOSUPPORT && familyOfAddress(address) === AF_UNSPEC) given = { address: new DataView(address.buffer, address.byteOffset).getUint32(4), port: (address[2] << 8) | address[3] }
  if (typeof given === 'number') return given
  return given.port === 0 ? -EINVAL : given
}

const pathFor = (socket: InetSocket, to: InetAddress, choices: Choices): Path | number => {
  const { net } = socket
  const device = choices.device !== 0 ? findDevice(net, choices.device) : boundDevice(socket)
  const source = choices.source !== ANY ? choices.source : isMulticast(socket.local.address) ? ANY : socket.local.address
  return findPath(net, to.address, device, source)
}

/** MSG_MORE holds what is sent until a message comes without it: together they are one datagram to where the first one went (udp(7), UDP_CORK). */
const send = (kernel: Kernel, task: Task, file: OpenFile, socket: InetSocket, message: Outgoing): number => {
  // It has a port whatever comes of it (inet_send_prepare).
  const early = autobind(socket)
  if (early < 0) return early
  const { held } = socket
  const hasMore = (message.flags & MSG_MORE) !== 0
  if ((held === undefined && !hasMore) || message.probes !== undefined) return sendNow(kernel, task, file, socket, message)
  const size = message.bytes.length
  if (size > 0xffff) return -EMSGSIZE
  if ((socket.shut & SHUT_SEND) !== 0) return -EPIPE
  if (held === undefined) {
    const wanted = destinationOf(socket, message.address)
    if (typeof wanted === 'number') return wanted
  }
  const pieces = [...held?.pieces ?? [], message.bytes.slice()]
  const total = pieces.reduce((sum, piece) => sum + piece.length, 0)
  if (total > LARGEST) return -EMSGSIZE
  const first = held?.first ?? { ...message, bytes: new Uint8Array(0) }
  if (hasMore) {
    socket.held = { first, pieces }
    return size
  }
  socket.held = undefined
  const bytes = new Uint8Array(total)
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  const sent = sendNow(kernel, task, file, socket, { ...first, bytes, flags: message.flags })
  return sent < 0 ? sent : size
}

const sendNow = (kernel: Kernel, _task: Task, _file: OpenFile, socket: InetSocket, message: Outgoing): number => {
  const { net } = socket
  const { bytes } = message
  const length = message.probes ?? bytes.length
  if (length > 0xffff) return -EMSGSIZE
  if ((message.flags & MSG_OOB) !== 0) return -EOPNOTSUPP
  const wanted = destinationOf(socket, message.address)
  if (typeof wanted === 'number') return wanted
  const choices = choicesOf(socket, message, isMulticast(wanted.address))
  if (typeof choices === 'number') return choices
  const path = pathFor(socket, wanted, choices)
  if (typeof path === 'number') {
    if (wanted.address === 0xffff_ffff && !has(socket, SO_BROADCAST)) return -EACCES
    net.counters.ip.OutNoRoutes++
    return path
  }
  if (path.kind === 'broadcast' && !has(socket, SO_BROADCAST)) return -EACCES
  if (length > LARGEST) return -EMSGSIZE
  if (socket.error !== 0) return -takeError(socket)
  if ((socket.shut & SHUT_SEND) !== 0) return -EPIPE
  const bound = autobind(socket)
  if (bound < 0) return bound
  if (message.probes !== undefined) return 0
  const datagram: Datagram = {
    kind: 'udp', source: path.source, sourcePort: socket.local.port, destination: wanted.address === ANY ? path.nextHop : wanted.address, destinationPort: wanted.port, data: bytes.slice(),
    ttl: choices.ttl, tos: choices.tos,
  }
  net.counters.udp.OutDatagrams++
  if (path.kind === 'local') sendToLoopback(kernel, net, datagram)
  else {
    const discover = socket.options.get(optionKey(IPPROTO_IP, IP_MTU_DISCOVER)) ?? IP_PMTUDISC_WANT
    const mtu = mtuTo(kernel, net, path.device, wanted.address)
    const fits = bytes.length + HEADER + 20 <= mtu
    const isStrict = discover === IP_PMTUDISC_DO || discover === IP_PMTUDISC_PROBE
    if (!fits && isStrict) {
      if (has(socket, optionKey(IPPROTO_IP, IP_RECVERR))) {
        socket.errors.push({ errno: EMSGSIZE, type: 0, code: 0, info: mtu, origin: 1, offender: 0, to: wanted, bytes: bytes.slice() })
      }
      return -EMSGSIZE
    }
    sendIp(kernel, net, path, {
      source: datagram.source, destination: datagram.destination, protocol: IPPROTO_UDP, ttl: choices.ttl, tos: choices.tos,
      dontFragment: isStrict || (discover === IP_PMTUDISC_WANT && fits), payload: encodeDatagram(datagram),
    })
    // Members on this host hear it, too.
    if (path.kind === 'multicast' && choices.loops && !isLoopbackDevice(path.device)) inputDatagram(kernel, net, datagram, path.device)
  }
  return bytes.length
}

const receive = (kernel: Kernel, task: Task, file: OpenFile, socket: InetSocket, length: number, flags: number): Incoming | number =>
  (flags & MSG_ERRQUEUE) !== 0 ? receiveError(socket, length) : receiveDatagram(kernel, task, file, socket, length, flags, OVERHEAD)

const shutdown = (kernel: Kernel, socket: InetSocket, how: number): number => {
  if (how < 0 || how > SHUT_RDWR) return -EINVAL
  // It is shut all the same (inet_shutdown).
  socket.shut |= how + 1
  wakeBoth(kernel, socket)
  return socket.state === ESTABLISHED ? 0 : -ENOTCONN
}

export const pollDatagrams = (_kernel: Kernel, socket: InetSocket): number => {
  let events = POLLOUT | POLLWRNORM | POLLWRBAND
  if (socket.error !== 0 || socket.errors.length > 0) events |= POLLERR
  if (socket.shut === SHUT_BOTH) events |= POLLHUP
  if ((socket.shut & SHUT_RECEIVE) !== 0) events |= POLLRDHUP | POLLIN | POLLRDNORM
  if (socket.queue.length > 0) events |= POLLIN | POLLRDNORM
  return events
}

export const releaseDatagrams = (_kernel: Kernel, socket: InetSocket): void => {
  if (socket.closed) return
  socket.closed = true
  leavePort(socket, portsOf(socket))
  dropMemberships(socket)
  socket.queue.length = 0
  socket.queuedBytes = 0
  socket.errors.length = 0
}

export const udp = {
  connect, shutdown, send, receive, poll: pollDatagrams, release: releaseDatagrams,
  // Port 0 is none (inet_getname).
  peerName: (socket: InetSocket): Uint8Array | number => socket.state !== ESTABLISHED || socket.remote === undefined || socket.remote.port === 0 ? -ENOTCONN : encodeAddress(socket.remote),
}
