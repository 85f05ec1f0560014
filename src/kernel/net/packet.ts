/** Packet sockets (packet(7)): frames as they are on the link, whatever is in them. */
import { EAFNOSUPPORT, EINVAL, ENETDOWN, ENODEV, ENOPROTOOPT, ENXIO, EOPNOTSUPP } from '../abi/errno.ts'
import { AF_PACKET, MSG_OOB, MSG_PEEK, MSG_TRUNC, SOCK_RAW, type SOCK_DGRAM, SOL_SOCKET } from '../abi/sockets.ts'
import { POLLERR, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../fs/file.ts'
import type { Kernel } from '../kernel.ts'
import { drainBacklog, sendToLoopback } from './backlog.ts'
import { findDevice, IFF_PROMISC, isLoopbackDevice, isUp, type NetInterface } from './device.ts'
import { encodeFrame, ETHERNET_HEADER, ETHERTYPE_ANY, ETHERTYPE_IP, frameType, isBroadcastMac, isGroupMac, isSameMac } from './ethernet.ts'
import { interfaceIoctl } from './interfaces.ts'
import { decodeIp, get16 } from './ipv4.ts'
import { sendFrame } from './link.ts'
import type { NetNamespace } from './namespace.ts'
import { getCommonOption, setCommonOption } from './options.ts'
import { type PlainSocket, plainSocket } from './plain-socket.ts'
import type { Incoming, Outgoing, SocketOperations } from './socket.ts'
import { waitOn } from './wait.ts'

interface Captured {
  readonly bytes: Uint8Array
  /** struct sockaddr_ll. */
  readonly from: Uint8Array
}

export interface PacketSocket extends PlainSocket {
  readonly kind: 'packet'
  readonly type: typeof SOCK_RAW | typeof SOCK_DGRAM
  readonly net: NetNamespace
  /** Ethertype, ETHERTYPE_ANY for all; 0: nothing is received. */
  protocol: number
  /** Index of the interface, 0: all. */
  device: number
  readonly queue: Captured[]
  queuedBytes: number
  /** PACKET_STATISTICS, since it was last asked. */
  seen: number
  dropped: number
  /** Interfaces that it made promiscuous. */
  readonly promiscuous: NetInterface[]
}

/** What a frame costs of the buffer beyond its bytes. */
const COST = 768

export const makePacketSocket = (net: NetNamespace, type: PacketSocket['type'], protocol: number): PacketSocket => {
  const socket: PacketSocket = {
    kind: 'packet', type, net, protocol, device: 0, queue: [], queuedBytes: 0, seen: 0, dropped: 0, promiscuous: [], ...plainSocket(),
  }
  net.packetSockets.add(socket)
  return socket
}

const ADDRESS_SIZE = 20, SHORT_SIZE = 12
const PACKET_HOST = 0, PACKET_BROADCAST = 1, PACKET_MULTICAST = 2, PACKET_OTHERHOST = 3, PACKET_OUTGOING = 4

const encodeLinkAddress = (device: NetInterface | undefined, protocol: number, kind: number, mac: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(ADDRESS_SIZE)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, AF_PACKET, true)
  view.setUint16(2, protocol)
  view.setInt32(4, device?.index ?? 0, true)
  view.setUint16(8, device?.type ?? 0, true)
  bytes[10] = kind
  bytes[11] = 6
  bytes.set(mac, 12)
  return bytes
}

const kindOf = (device: NetInterface, frame: Uint8Array, isOutgoing: boolean): number => {
  if (isOutgoing) return PACKET_OUTGOING
  if (isBroadcastMac(frame)) return PACKET_BROADCAST
  if (isGroupMac(frame)) return PACKET_MULTICAST
  return isSameMac(frame, device.mac) ? PACKET_HOST : PACKET_OTHERHOST
}

/** Tells packet sockets of a frame that an interface sends or gets; what is sent only to those who want everything. */
export const tapFrame = (kernel: Kernel, device: NetInterface, frame: Uint8Array, isOutgoing: boolean): void => {
  const { packetSockets } = device.net
  if (packetSockets.size === 0) return
  const type = frameType(frame)
  const kind = kindOf(device, frame, isOutgoing)
  if (kind === PACKET_OTHERHOST && (device.flags & IFF_PROMISC) === 0 && ![...packetSockets].some(({ promiscuous }) => promiscuous.includes(device))) return
  for (const socket of packetSockets) {
    if (socket.protocol !== ETHERTYPE_ANY && (socket.protocol !== type || isOutgoing)) continue
    if (socket.device !== 0 && socket.device !== device.index) continue
    socket.seen++
    if (socket.queuedBytes + COST > socket.receiveBuffer) {
      socket.dropped++
      continue
    }
    const bytes = socket.type === SOCK_RAW ? frame.slice() : frame.slice(ETHERNET_HEADER)
    socket.queue.push({ bytes, from: encodeLinkAddress(device, type, kind, frame.subarray(6, 12)) })
    socket.queuedBytes += bytes.length + COST
    kernel.wake(socket.readable)
  }
}

const bind = (_kernel: Kernel, _task: unknown, socket: PacketSocket, bytes: Uint8Array): number => {
  if (bytes.length < ADDRESS_SIZE) return -EINVAL
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  if (view.getUint16(0, true) !== AF_PACKET) return -EINVAL
  const index = view.getInt32(4, true)
  if (index !== 0 && findDevice(socket.net, index) === undefined) return -ENODEV
  socket.device = index
  if (view.getUint16(2) !== 0) socket.protocol = view.getUint16(2)
  return 0
}

const send = (kernel: Kernel, socket: PacketSocket, { bytes, address, flags }: Outgoing): number => {
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
  let { device: index, protocol } = socket
  let mac: Uint8Array = new Uint8Array(6)
  if (address !== undefined && address.length > 0) {
    if (address.length < SHORT_SIZE) return -EINVAL
    const view = new DataView(address.buffer, address.byteOffset)
    if (view.getUint16(0, true) !== AF_PACKET) return -EAFNOSUPPORT
    index = view.getInt32(4, true)
    protocol = view.getUint16(2)
    mac = address.slice(SHORT_SIZE, SHORT_SIZE + 6)
    if (socket.type !== SOCK_RAW && mac.length < 6) return -EINVAL
  }
  const device = findDevice(socket.net, index)
  if (device === undefined) return -ENXIO
  if (!isUp(device)) return -ENETDOWN
  const frame = socket.type === SOCK_RAW ? bytes.slice() : encodeFrame(mac, device.mac, protocol, bytes)
  if (frame.length < ETHERNET_HEADER) return -EINVAL
  if (!isLoopbackDevice(device)) {
    tapFrame(kernel, device, frame, true)
    sendFrame(kernel, device, frame)
  } else if (get16(frame, 12) === ETHERTYPE_IP) {
    const packet = decodeIp(frame, ETHERNET_HEADER)
    if (packet !== undefined) sendToLoopback(kernel, socket.net, packet)
    drainBacklog(kernel)
  }
  return bytes.length
}

const SOL_PACKET = 263, PACKET_ADD_MEMBERSHIP = 1, PACKET_DROP_MEMBERSHIP = 2, PACKET_STATISTICS = 6
const PACKET_MR_PROMISC = 1

const setMembership = (socket: PacketSocket, value: Uint8Array, isJoining: boolean): number => {
  if (value.length < 16) return -EINVAL
  const view = new DataView(value.buffer, value.byteOffset)
  const device = findDevice(socket.net, view.getInt32(0, true))
  if (device === undefined) return -ENODEV
  if (view.getUint16(4, true) !== PACKET_MR_PROMISC) return 0
  const at = socket.promiscuous.indexOf(device)
  if (isJoining) socket.promiscuous.push(device)
  else if (at >= 0) socket.promiscuous.splice(at, 1)
  return 0
}

const u32 = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer)

export const packetOperations: SocketOperations<PacketSocket> = {
  bind,
  connect: () => -EOPNOTSUPP,
  listen: () => -EOPNOTSUPP,
  accept: () => -EOPNOTSUPP,
  localName: (_kernel, socket) => {
    const device = findDevice(socket.net, socket.device)
    return encodeLinkAddress(device, socket.protocol, 0, device?.mac ?? new Uint8Array(6)).subarray(0, SHORT_SIZE + (device === undefined ? 0 : 6))
  },
  peerName: () => -EOPNOTSUPP,
  send: (kernel, _task, _file, socket, message) => send(kernel, socket, message),
  receive: (kernel, task, file, socket, length, flags): Incoming | number => {
    const first = socket.queue.at(0)
    if (first === undefined) return waitOn(kernel, task, file, flags, socket.readable, socket.receiveTimeout)
    if ((flags & MSG_PEEK) === 0) {
      socket.queue.shift()
      socket.queuedBytes -= first.bytes.length + COST
    }
    return {
      bytes: first.bytes.subarray(0, length), address: first.from, files: [], credentials: undefined, flags: first.bytes.length > length ? MSG_TRUNC : 0, length: first.bytes.length,
    }
  },
  shutdown: () => -EOPNOTSUPP,
  getOption: (kernel, task, socket, level, option) => {
    if (level === SOL_SOCKET) return getCommonOption(kernel, task, socket, level, option)
    if (level !== SOL_PACKET) return -ENOPROTOOPT
    if (option !== PACKET_STATISTICS) return u32(socket.options.get(level << 16 | option) ?? 0)
    const { seen, dropped } = socket
    socket.seen = 0
    socket.dropped = 0
    return u32(seen, dropped)
  },
  setOption: (kernel, task, socket, level, option, value) => {
    if (level === SOL_SOCKET) return setCommonOption(kernel, task, socket, level, option, value)
    if (level !== SOL_PACKET) return -ENOPROTOOPT
    if (option === PACKET_ADD_MEMBERSHIP || option === PACKET_DROP_MEMBERSHIP) return setMembership(socket, value, option === PACKET_ADD_MEMBERSHIP)
    // Rings and fanout are not there; programs go on without.
    return -ENOPROTOOPT
  },
  poll: (_kernel, socket) => POLLOUT | POLLWRNORM | (socket.error !== 0 ? POLLERR : 0) | (socket.queue.length > 0 ? POLLIN | POLLRDNORM : 0),
  ioctl: (kernel, task, socket, command, argument) => interfaceIoctl(kernel, task, socket.net, command, argument),
  release: (_kernel, socket) => {
    socket.net.packetSockets.delete(socket)
    socket.queue.length = 0
    socket.promiscuous.length = 0
  },
}
