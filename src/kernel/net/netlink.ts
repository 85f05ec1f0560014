/**
 * Netlink (netlink(7), rtnetlink(7)), as far as C libraries and tools ask it for interfaces and addresses: there is the loopback
 * interface with one address, and nothing can be changed.
 */
import { EADDRINUSE, ECONNREFUSED, EINVAL, ENODEV, EOPNOTSUPP, EPERM } from '../abi/errno.ts'
import { CAP_NET_ADMIN } from '../abi/capabilities.ts'
import { AF_INET, AF_NETLINK, AF_UNSPEC, MSG_OOB, MSG_PEEK, MSG_TRUNC, SOL_SOCKET, type SOCK_DGRAM, type SOCK_RAW } from '../abi/sockets.ts'
import { POLLERR, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../fs/file.ts'
import type { Kernel } from '../kernel.ts'
import { hasCapability } from '../task/credentials.ts'
import type { Task } from '../task/task.ts'
import { waitQueue, type WaitQueue } from '../wait-queue.ts'
import { LOOPBACK } from './inet.ts'
import { interfaceIoctl } from './interfaces.ts'
import { getCommonOption, setCommonOption } from './options.ts'
import type { PeerCredentials, SocketOperations } from './socket.ts'
import { waitOn } from './wait.ts'

export interface NetlinkSocket {
  readonly kind: 'netlink'
  readonly type: typeof SOCK_DGRAM | typeof SOCK_RAW
  ino: number
  /** nl_pid: its number among netlink sockets, 0 until it is bound. */
  port: number
  /** Multicast groups that it asked for; nothing ever happens there. */
  groups: number
  /** Answers, each a datagram. */
  readonly queue: Uint8Array[]
  error: number
  readonly listening: false
  sendBuffer: number
  receiveBuffer: number
  sendTimeout: number
  receiveTimeout: number
  readonly options: Map<number, number>
  readonly readable: WaitQueue
  readonly writable: WaitQueue
  passCredentials: boolean
  readonly peerCredentials: PeerCredentials | undefined
  readonly peerGroups: readonly number[]
}

const BUFFER = 212_992
export const makeNetlinkSocket = (type: NetlinkSocket['type']): NetlinkSocket => ({
  kind: 'netlink', type, ino: 0, port: 0, groups: 0, queue: [], error: 0, listening: false, sendBuffer: BUFFER, receiveBuffer: BUFFER,
  sendTimeout: 0, receiveTimeout: 0, options: new Map(), readable: waitQueue(), writable: waitQueue(), passCredentials: false,
  peerCredentials: undefined, peerGroups: [],
})

// ——— Messages ———

const HEADER = 16
const NLMSG_ERROR = 2, NLMSG_DONE = 3
const NLM_F_REQUEST = 1, NLM_F_MULTI = 2, NLM_F_ACK = 4, NLM_F_DUMP = 0x300
const RTM_NEWLINK = 16, RTM_GETLINK = 18, RTM_NEWADDR = 20, RTM_GETADDR = 22, RTM_LAST = 120
const IFLA_ADDRESS = 1, IFLA_BROADCAST = 2, IFLA_IFNAME = 3, IFLA_MTU = 4, IFLA_QDISC = 6, IFLA_TXQLEN = 13, IFLA_OPERSTATE = 16,
  IFLA_LINKMODE = 17, IFLA_GROUP = 27
const IFA_ADDRESS = 1, IFA_LOCAL = 2, IFA_LABEL = 3, IFA_CACHEINFO = 6, IFA_FLAGS = 8
const NAME = 'lo', INDEX = 1, MTU = 65_536
/** IFF_UP | IFF_LOOPBACK | IFF_RUNNING | IFF_LOWER_UP. */
const LINK_FLAGS = 0x1_0049
const ARPHRD_LOOPBACK = 772, RT_SCOPE_HOST = 254, IFA_F_PERMANENT = 0x80, PREFIX = 8

const align = (length: number): number => (length + 3) & ~3
const u32 = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer)
const text = (string: string): Uint8Array => Uint8Array.from([...string, '\0'], (char) => char.charCodeAt(0))
const bigEndian = (value: number): Uint8Array => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)

const attribute = (type: number, value: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(align(4 + value.length))
  const view = new DataView(bytes.buffer)
  view.setUint16(0, 4 + value.length, true)
  view.setUint16(2, type, true)
  bytes.set(value, 4)
  return bytes
}

const message = (type: number, flags: number, sequence: number, port: number, ...parts: readonly Uint8Array[]): Uint8Array => {
  const length = HEADER + parts.reduce((sum, part) => sum + part.length, 0)
  const bytes = new Uint8Array(align(length))
  const view = new DataView(bytes.buffer)
  view.setUint32(0, length, true)
  view.setUint16(4, type, true)
  view.setUint16(6, flags, true)
  view.setUint32(8, sequence, true)
  view.setUint32(12, port, true)
  let at = HEADER
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

const linkInfo = (): Uint8Array => {
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  view.setUint16(2, ARPHRD_LOOPBACK, true)
  view.setInt32(4, INDEX, true)
  view.setUint32(8, LINK_FLAGS, true)
  return bytes
}
const link = (flags: number, sequence: number, port: number): Uint8Array => message(RTM_NEWLINK, flags, sequence, port, linkInfo(),
  attribute(IFLA_IFNAME, text(NAME)), attribute(IFLA_TXQLEN, u32(1000)), attribute(IFLA_OPERSTATE, Uint8Array.of(0)),
  attribute(IFLA_LINKMODE, Uint8Array.of(0)), attribute(IFLA_MTU, u32(MTU)), attribute(IFLA_GROUP, u32(0)),
  attribute(IFLA_QDISC, text('noqueue')), attribute(IFLA_ADDRESS, new Uint8Array(6)), attribute(IFLA_BROADCAST, new Uint8Array(6)))
const address = (flags: number, sequence: number, port: number): Uint8Array => message(RTM_NEWADDR, flags, sequence, port,
  Uint8Array.of(AF_INET, PREFIX, IFA_F_PERMANENT, RT_SCOPE_HOST, INDEX, 0, 0, 0),
  attribute(IFA_ADDRESS, bigEndian(LOOPBACK)), attribute(IFA_LOCAL, bigEndian(LOOPBACK)), attribute(IFA_LABEL, text(NAME)),
  attribute(IFA_FLAGS, u32(IFA_F_PERMANENT)), attribute(IFA_CACHEINFO, u32(0xffff_ffff, 0xffff_ffff, 0, 0)))

const join = (parts: readonly Uint8Array[]): Uint8Array => {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** Names by which RTM_GETLINK may ask for one interface. */
const isWantedLink = (body: Uint8Array): boolean => {
  if (body.length < 16) return false
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  if (view.getInt32(4, true) !== 0) return view.getInt32(4, true) === INDEX
  for (let at = 16; at + 4 <= body.length;) {
    const length = view.getUint16(at, true)
    if (length < 4) break
    if (view.getUint16(at + 2, true) === IFLA_IFNAME) return String.fromCharCode(...body.subarray(at + 4, at + 4 + NAME.length)) === NAME && body[at + 4 + NAME.length] === 0
    at += align(length)
  }
  return false
}

/** What a request is answered with; a negative errno for an error message. */
const answer = (type: number, flags: number, sequence: number, port: number, body: Uint8Array): Uint8Array[] | number => {
  if ((flags & NLM_F_DUMP) === NLM_F_DUMP) {
    const family = body.length > 0 ? body[0] : AF_UNSPEC
    const parts: Uint8Array[] = []
    if (type === RTM_GETLINK) parts.push(link(NLM_F_MULTI, sequence, port))
    if (type === RTM_GETADDR && (family === AF_UNSPEC || family === AF_INET)) parts.push(address(NLM_F_MULTI, sequence, port))
    const done = message(NLMSG_DONE, NLM_F_MULTI, sequence, port, u32(0))
    return parts.length > 0 ? [join(parts), done] : [done]
  }
  if (type === RTM_GETLINK) return isWantedLink(body) ? [link(0, sequence, port)] : -ENODEV
  return -EOPNOTSUPP
}

const handle = (kernel: Kernel, task: Task, socket: NetlinkSocket, request: Uint8Array): void => {
  const view = new DataView(request.buffer, request.byteOffset, request.byteLength)
  for (let at = 0; at + HEADER <= request.length;) {
    const length = view.getUint32(at, true)
    if (length < HEADER || at + length > request.length) return
    const type = view.getUint16(at + 4, true), flags = view.getUint16(at + 6, true), sequence = view.getUint32(at + 8, true)
    if ((flags & NLM_F_REQUEST) !== 0 && type >= RTM_NEWLINK) {
      // All but questions is for the privileged.
      const isQuestion = (type & 3) === 2
      const result = type > RTM_LAST ? -EOPNOTSUPP : !isQuestion && !hasCapability(task, CAP_NET_ADMIN) ? -EPERM
        : answer(type, flags, sequence, socket.port, request.subarray(at + HEADER, at + length))
      if (typeof result !== 'number') socket.queue.push(...result)
      if (typeof result === 'number' || ((flags & NLM_F_ACK) !== 0 && (flags & NLM_F_DUMP) !== NLM_F_DUMP)) {
        const error = typeof result === 'number' ? result : 0
        const original = request.slice(at, at + (error === 0 ? HEADER : length))
        socket.queue.push(message(NLMSG_ERROR, 0, sequence, socket.port, u32(error >>> 0), original))
      }
    }
    at += align(length)
  }
  kernel.wake(socket.readable)
}

// ——— The socket ———

const ADDRESS_SIZE = 12
const encode = (port: number, groups: number): Uint8Array => {
  const bytes = new Uint8Array(ADDRESS_SIZE)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, AF_NETLINK, true)
  view.setUint32(4, port, true)
  view.setUint32(8, groups, true)
  return bytes
}

const takePort = (kernel: Kernel, socket: NetlinkSocket, wanted: number): number => {
  const { netlinkPorts } = kernel.state.net
  if (wanted !== 0 && netlinkPorts.has(wanted)) return -EADDRINUSE
  socket.port = wanted
  netlinkPorts.add(wanted)
  return 0
}

/** The first socket of a process has its pid as its number, others get large ones. */
const autobind = (kernel: Kernel, task: Task, socket: NetlinkSocket): void => {
  const { netlinkPorts } = kernel.state.net
  let port = task.group.tgid
  while (netlinkPorts.has(port)) port = port === task.group.tgid ? 0xffff_f000 : port - 1
  takePort(kernel, socket, port)
}

const bind = (kernel: Kernel, task: Task, socket: NetlinkSocket, bytes: Uint8Array): number => {
  if (bytes.length < ADDRESS_SIZE) return -EINVAL
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  if (view.getUint16(0, true) !== AF_NETLINK) return -EINVAL
  const wanted = view.getUint32(4, true)
  if (socket.port !== 0 && wanted !== socket.port) return -EINVAL
  socket.groups = view.getUint32(8, true)
  if (socket.port === 0) {
    if (wanted !== 0) return takePort(kernel, socket, wanted)
    autobind(kernel, task, socket)
  }
  return 0
}

export const netlinkOperations: SocketOperations<NetlinkSocket> = {
  bind,
  connect: (kernel, task, _file, socket, bytes) => {
    if (bytes.length < 2) return -EINVAL
    if ((bytes[0] | (bytes[1] << 8)) !== AF_UNSPEC && bytes.length < ADDRESS_SIZE) return -EINVAL
    if (socket.port === 0) autobind(kernel, task, socket)
    return 0
  },
  listen: () => -EOPNOTSUPP,
  accept: () => -EOPNOTSUPP,
  localName: (_kernel, socket) => encode(socket.port, socket.groups),
  peerName: () => encode(0, 0),
  send: (kernel, task, _file, socket, { bytes, address: to, flags }) => {
    if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
    // Only the kernel listens.
    if (to !== undefined && to.length >= ADDRESS_SIZE && new DataView(to.buffer, to.byteOffset).getUint32(4, true) !== 0) return -ECONNREFUSED
    if (socket.port === 0) autobind(kernel, task, socket)
    handle(kernel, task, socket, bytes)
    return bytes.length
  },
  receive: (kernel, task, file, socket, length, flags) => {
    const first = socket.queue.at(0)
    if (first === undefined) return waitOn(kernel, task, file, flags, socket.readable, socket.receiveTimeout)
    if ((flags & MSG_PEEK) === 0) socket.queue.shift()
    return {
      bytes: first.subarray(0, length), address: encode(0, 0), files: [], credentials: undefined, flags: first.length > length ? MSG_TRUNC : 0,
      length: first.length,
    }
  },
  shutdown: () => -EOPNOTSUPP,
  getOption: (kernel, task, socket, level, option) => level === SOL_SOCKET ? getCommonOption(kernel, task, socket, level, option)
    : new Uint8Array(Int32Array.of(socket.options.get(level << 16 | option) ?? 0).buffer),
  setOption: (kernel, task, socket, level, option, value) => {
    if (level === SOL_SOCKET) return setCommonOption(kernel, task, socket, level, option, value)
    if (value.length < 4) return -EINVAL
    socket.options.set(level << 16 | option, new DataView(value.buffer, value.byteOffset).getInt32(0, true))
    return 0
  },
  poll: (_kernel, socket) => POLLOUT | POLLWRNORM | (socket.error !== 0 ? POLLERR : 0) | (socket.queue.length > 0 ? POLLIN | POLLRDNORM : 0),
  ioctl: (kernel, task, _socket, command, argument) => interfaceIoctl(kernel, task, command, argument),
  release: (kernel, socket) => {
    if (socket.port !== 0) kernel.state.net.netlinkPorts.delete(socket.port)
    socket.port = 0
    socket.queue.length = 0
  },
}
