/** Raw sockets (raw(7)), and ping sockets (SOCK_DGRAM with IPPROTO_ICMP, icmp(7)): those who speak ICMP themselves. */
import { EACCES, EADDRNOTAVAIL, EAFNOSUPPORT, EDESTADDRREQ, EINVAL, EMSGSIZE, ENOTCONN, EOPNOTSUPP, EPIPE } from '../abi/errno.ts'
import { AF_UNSPEC, IPPROTO_ICMP, IPPROTO_IP, IPPROTO_RAW, MSG_ERRQUEUE, MSG_OOB, SHUT_RDWR, SO_BROADCAST, SOCK_RAW } from '../abi/sockets.ts'
import type { OpenFile } from '../fs/file.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { nextId } from './backlog.ts'
import { checksum } from './checksum.ts'
import { receiveDatagram, receiveError } from './datagrams.ts'
import { findDevice, type NetInterface } from './device.ts'
import { type IcmpError } from './icmp.ts'
import {
  autobind, boundDevice, CLOSE, decodeAddress, encodeAddress, ESTABLISHED, familyOfAddress, has, type InetAddress, type InetSocket, mayHaveAddress, optionKey, SHUT_RECEIVE, SHUT_SEND,
  wakeBoth,
} from './inet.ts'
import { mtuTo, sendIp, sendPacket } from './ip-output.ts'
import { ANY, decodeIp, encodeIp, get16, get32, IP_HEADER, type IpPacket, isMulticast, put16, put32 } from './ipv4.ts'
import type { NetNamespace } from './namespace.ts'
import { takeError } from './plain-socket.ts'
import { findPath, type Path } from './route.ts'
import { choicesOf } from './send-choices.ts'
import type { Incoming, Outgoing } from './socket.ts'
import { OVERHEAD, pollDatagrams, releaseDatagrams, udp } from './udp.ts'

const IP_HDRINCL = 3, IP_RECVERR = 11
const ECHO = 8
const isRaw = (socket: InetSocket): boolean => socket.type === SOCK_RAW

// ——— Arriving ———

const push = (kernel: Kernel, socket: InetSocket, bytes: Uint8Array, packet: IpPacket, port: number, device: NetInterface): void => {
  if (socket.queuedBytes + OVERHEAD > socket.receiveBuffer || (socket.shut & SHUT_RECEIVE) !== 0) return
  const { source, destination, ttl, tos } = packet
  socket.queue.push({ bytes, start: 0, from: { address: source, port }, about: { to: destination, local: destination, device: device.index, ttl, tos, cycle: kernel.now } })
  socket.queuedBytes += bytes.length + OVERHEAD
  kernel.wake(socket.readable)
}

/** Each raw socket of the protocol gets a copy, with the header. @returns whether there was one */
export const deliverRaw = (kernel: Kernel, net: NetNamespace, packet: IpPacket, device: NetInterface): boolean => {
  let wasWanted = false
  for (const socket of net.inet.raw) {
    if (socket.protocol !== packet.protocol) continue
    if (socket.local.address !== ANY && socket.local.address !== packet.destination) continue
    if (socket.state === ESTABLISHED && socket.remote !== undefined && socket.remote.address !== packet.source) continue
    if (socket.device !== 0 && socket.device !== device.index) continue
    wasWanted = true
    if (packet.protocol === IPPROTO_ICMP && packet.payload.length > 0 && packet.payload[0] < 32 && (socket.filter >>> packet.payload[0] & 1) !== 0) continue
    push(kernel, socket, encodeIp(packet), packet, 0, device)
  }
  return wasWanted
}

const findPing = (net: NetNamespace, id: number, local: number, remote: number): InetSocket | undefined => {
  for (const socket of net.inet.ping.get(id) ?? []) {
    if (socket.kind !== 'inet') continue
    if (socket.local.address !== ANY && socket.local.address !== local) continue
    if (socket.state === ESTABLISHED && socket.remote !== undefined && socket.remote.address !== remote) continue
    return socket
  }
  return undefined
}

/** An echo's answer for the ping socket with its identifier. */
export const deliverPing = (kernel: Kernel, net: NetNamespace, packet: IpPacket, device: NetInterface): void => {
  const socket = findPing(net, get16(packet.payload, 4), packet.destination, packet.source)
  if (socket !== undefined && (socket.device === 0 || socket.device === device.index)) push(kernel, socket, packet.payload.slice(), packet, 0, device)
}

const tell = (kernel: Kernel, socket: InetSocket, error: IcmpError, bytes: Uint8Array): void => {
  if (has(socket, optionKey(IPPROTO_IP, IP_RECVERR))) {
    socket.errors.push({ errno: error.errno, type: error.type, code: error.code, info: error.info, origin: 2, offender: error.offender, to: { address: error.about.destination, port: 0 }, bytes })
  } else if (!error.fatal || socket.state !== ESTABLISHED) return
  socket.error = error.errno
  wakeBoth(kernel, socket)
}

/** An error about what a raw or ping socket sent. */
export const rawError = (kernel: Kernel, net: NetNamespace, error: IcmpError): void => {
  const { about } = error
  for (const socket of net.inet.raw) {
    if (socket.protocol !== about.protocol || (socket.local.address !== ANY && socket.local.address !== about.source)) continue
    if (socket.state === ESTABLISHED && socket.remote !== undefined && socket.remote.address !== about.destination) continue
    tell(kernel, socket, error, about.payload.slice())
  }
  if (about.protocol !== IPPROTO_ICMP || about.payload.length < 8 || about.payload[0] !== ECHO) return
  const ping = findPing(net, get16(about.payload, 4), about.source, about.destination)
  if (ping !== undefined) tell(kernel, ping, error, about.payload.slice())
}

// ——— Calls ———

/** Raw sockets have addresses without ports; where ports are shown, it is the protocol's number. */
export const bindRaw = (socket: InetSocket, bytes: Uint8Array): number => {
  const wanted = decodeAddress(bytes)
  if (typeof wanted === 'number') return wanted
  if (socket.state !== CLOSE) return -EINVAL
  if (!mayHaveAddress(socket, wanted.address)) return -EADDRNOTAVAIL
  socket.local = { address: wanted.address, port: socket.protocol }
  return 0
}

const connect = (kernel: Kernel, task: Task, file: OpenFile, socket: InetSocket, bytes: Uint8Array): number => {
  if (!isRaw(socket)) return udp.connect(kernel, task, file, socket, bytes)
  if (bytes.length < 2) return -EINVAL
  if (familyOfAddress(bytes) === AF_UNSPEC) {
    socket.remote = undefined
    socket.state = CLOSE
    return 0
  }
  const wanted = decodeAddress(bytes)
  if (typeof wanted === 'number') return wanted
  const path = findPath(socket.net, wanted.address, boundDevice(socket), socket.local.address)
  if (typeof path === 'number') return path
  if (path.kind === 'broadcast' && !has(socket, SO_BROADCAST)) return -EACCES
  socket.local = { address: path.source, port: socket.protocol }
  socket.remote = wanted
  socket.state = ESTABLISHED
  return 0
}

const destinationOf = (socket: InetSocket, address: Uint8Array | undefined): InetAddress | number => {
  if (address === undefined || address.length === 0) return socket.state === ESTABLISHED && socket.remote !== undefined ? socket.remote : -EDESTADDRREQ
  const given = decodeAddress(address)
  // Old programs leave out the family.
  return given === -EAFNOSUPPORT && familyOfAddress(address) === AF_UNSPEC && isRaw(socket) ? { address: get32(address, 4), port: 0 } : given
}

/** A packet with its header (IP_HDRINCL): lengths, checksum, and what was left out is filled in. */
const sendWhole = (kernel: Kernel, socket: InetSocket, path: Path, bytes: Uint8Array): number => {
  if (bytes.length < IP_HEADER) return -EINVAL
  if (bytes.length > path.device.mtu) return -EMSGSIZE
  const packet = bytes.slice()
  const header = (packet[0] & 0xf) * 4
  if (header < IP_HEADER || header > packet.length) return -EINVAL
  put16(packet, 2, packet.length)
  if (get32(packet, 12) === ANY) put32(packet, 12, path.source)
  if (get16(packet, 4) === 0) put16(packet, 4, nextId(socket.net))
  put16(packet, 10, 0)
  put16(packet, 10, checksum(packet, 0, header))
  const decoded = decodeIp(packet)
  return decoded === undefined ? -EINVAL : sendPacket(kernel, socket.net, path, decoded)
}

const send = (kernel: Kernel, _task: Task, _file: OpenFile, socket: InetSocket, message: Outgoing): number => {
  const { bytes, flags } = message
  const { net } = socket
  if (bytes.length > 0xffff) return -EMSGSIZE
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
  if (!isRaw(socket)) {
    // The header of the echo is the caller's.
    if (bytes.length < 8) return -EINVAL
    if (bytes[0] !== ECHO || bytes[1] !== 0) return -EINVAL
  }
  const to = destinationOf(socket, message.address)
  if (typeof to === 'number') return to
  const choices = choicesOf(socket, message, isMulticast(to.address))
  if (typeof choices === 'number') return choices
  const device = choices.device !== 0 ? findDevice(net, choices.device) : boundDevice(socket)
  const path = findPath(net, to.address, device, choices.source !== ANY ? choices.source : socket.local.address)
  if (typeof path === 'number') return path
  if (path.kind === 'broadcast' && !has(socket, SO_BROADCAST)) return -EACCES
  // Raw sockets look at neither when they send.
  if (!isRaw(socket) && socket.error !== 0) return -takeError(socket)
  if (!isRaw(socket) && (socket.shut & SHUT_SEND) !== 0) return -EPIPE
  if (isRaw(socket) && (has(socket, optionKey(IPPROTO_IP, IP_HDRINCL)) || socket.protocol === IPPROTO_RAW)) {
    const result = sendWhole(kernel, socket, path, bytes)
    return result < 0 ? result : bytes.length
  }
  const payload = bytes.slice()
  if (!isRaw(socket)) {
    const bound = autobind(socket)
    if (bound < 0) return bound
    put16(payload, 4, socket.local.port)
    put16(payload, 2, 0)
    put16(payload, 2, checksum(payload))
  }
  const result = sendIp(kernel, net, path, {
    source: path.source, destination: to.address === ANY ? path.nextHop : to.address, protocol: socket.protocol, ttl: choices.ttl, tos: choices.tos,
    dontFragment: bytes.length + IP_HEADER <= mtuTo(kernel, net, path.device, to.address), payload,
  })
  return result < 0 ? result : bytes.length
}

const receive = (kernel: Kernel, task: Task, file: OpenFile, socket: InetSocket, length: number, flags: number): Incoming | number => {
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
  return (flags & MSG_ERRQUEUE) !== 0 ? receiveError(socket, length) : receiveDatagram(kernel, task, file, socket, length, flags, OVERHEAD)
}

const shutdown = (kernel: Kernel, socket: InetSocket, how: number): number => {
  if (how < 0 || how > SHUT_RDWR) return -EINVAL
  if (socket.state !== ESTABLISHED) return -ENOTCONN
  socket.shut |= how + 1
  wakeBoth(kernel, socket)
  return 0
}

export const raw = {
  connect, send, receive, shutdown, poll: pollDatagrams,
  release: (kernel: Kernel, socket: InetSocket): void => {
    socket.net.inet.raw.delete(socket)
    releaseDatagrams(kernel, socket)
  },
  peerName: (socket: InetSocket): Uint8Array | number => socket.state !== ESTABLISHED || socket.remote === undefined ? -ENOTCONN : encodeAddress(socket.remote),
}
