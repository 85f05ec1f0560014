/** Netlink sockets (netlink(7)): those of NETLINK_ROUTE. What is asked and changed there is in rtnetlink.ts. */
import { EADDRINUSE, ECONNREFUSED, EINVAL, EOPNOTSUPP, EPERM } from '../abi/errno.ts'
import { CAP_NET_ADMIN } from '../abi/capabilities.ts'
import { AF_NETLINK, AF_UNSPEC, MSG_OOB, MSG_PEEK, MSG_TRUNC, SOL_SOCKET, type SOCK_DGRAM, type SOCK_RAW } from '../abi/sockets.ts'
import { POLLERR, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../fs/file.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { shownUid } from '../task/user-namespace.ts'
import { seenBy } from '../task/pid-namespace.ts'
import { drainBacklog } from './backlog.ts'
import { interfaceIoctl } from './interfaces.ts'
import { hasNetCapability, type NetNamespace } from './namespace.ts'
import { getCommonOption, setCommonOption } from './options.ts'
import { answerRequest } from './rtnetlink.ts'
import { align, HEADER, message, NLM_F_MULTI, RTM_NEWLINK, u32 } from './rtnetlink-messages.ts'
import { type PlainSocket, plainSocket } from './plain-socket.ts'
import type { SocketOperations } from './socket.ts'
import { waitOn } from './wait.ts'

export interface NetlinkSocket extends PlainSocket {
  readonly kind: 'netlink'
  readonly type: typeof SOCK_DGRAM | typeof SOCK_RAW
  readonly net: NetNamespace
  /** nl_pid: its number among netlink sockets, 0 until it is bound. */
  port: number
  /** Multicast groups that it asked for (RTMGRP_*), as bits. */
  groups: number
  /** Answers and news, each a datagram; of news the group. */
  readonly queue: { readonly bytes: Uint8Array, readonly group: number }[]
}

export const makeNetlinkSocket = (net: NetNamespace, type: NetlinkSocket['type']): NetlinkSocket => ({
  kind: 'netlink', type, net, port: 0, groups: 0, queue: [], ...plainSocket(),
})

// ——— Requests ———

const NLMSG_ERROR = 2, NLMSG_DONE = 3
const NLM_F_REQUEST = 1, NLM_F_ACK = 4, NLM_F_DUMP = 0x300
const RTM_LAST = 120

/** Lists go out in pieces of about a page, as Linux makes them: what readers offer room for. */
const PIECE = 4096

const putList = (socket: NetlinkSocket, parts: readonly Uint8Array[], sequence: number): void => {
  let piece: Uint8Array[] = []
  let size = 0
  const flush = (): void => {
    if (piece.length === 0) return
    const bytes = new Uint8Array(size)
    let at = 0
    for (const part of piece) {
      bytes.set(part, at)
      at += part.length
    }
    socket.queue.push({ bytes, group: 0 })
    piece = []
    size = 0
  }
  for (const part of parts) {
    if (size + part.length > PIECE) flush()
    piece.push(part)
    size += part.length
  }
  flush()
  socket.queue.push({ bytes: message(NLMSG_DONE, NLM_F_MULTI, sequence, socket.port, u32(0)), group: 0 })
}

const handle = (kernel: Kernel, task: Task, socket: NetlinkSocket, request: Uint8Array): void => {
  const view = new DataView(request.buffer, request.byteOffset, request.byteLength)
  for (let at = 0; at + HEADER <= request.length;) {
    const length = view.getUint32(at, true)
    if (length < HEADER || at + length > request.length) break
    const type = view.getUint16(at + 4, true), flags = view.getUint16(at + 6, true), sequence = view.getUint32(at + 8, true)
    if ((flags & NLM_F_REQUEST) !== 0 && type >= RTM_NEWLINK) {
      // All but questions is for the privileged.
      const isQuestion = (type & 3) === 2
      const isDump = isQuestion && (flags & NLM_F_DUMP) === NLM_F_DUMP
      const result = type > RTM_LAST ? -EOPNOTSUPP : !isQuestion && !hasNetCapability(task, CAP_NET_ADMIN) ? -EPERM
        : answerRequest(kernel, socket.net, type, flags, sequence, socket.port, request.slice(at + HEADER, at + length), shownUid(task.credentials.user, task.credentials.uid))
      if (typeof result !== 'number') {
        if (isDump) putList(socket, result, sequence)
        else for (const bytes of result) socket.queue.push({ bytes, group: 0 })
      }
      const isFailure = typeof result === 'number' && result < 0
      if (isFailure || ((flags & NLM_F_ACK) !== 0 && !isDump)) {
        const original = request.slice(at, at + (isFailure ? length : HEADER))
        socket.queue.push({ bytes: message(NLMSG_ERROR, 0, sequence, socket.port, u32((isFailure ? result : 0) >>> 0), original), group: 0 })
      }
    }
    at += align(length)
  }
  kernel.wake(socket.readable)
  drainBacklog(kernel)
}

// ——— The socket ———

const ADDRESS_SIZE = 12
const SOL_NETLINK = 270
const encode = (port: number, groups: number): Uint8Array => {
  const bytes = new Uint8Array(ADDRESS_SIZE)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, AF_NETLINK, true)
  view.setUint32(4, port, true)
  view.setUint32(8, groups, true)
  return bytes
}

const takePort = (socket: NetlinkSocket, wanted: number): number => {
  const { netlinkSockets } = socket.net
  if (netlinkSockets.has(wanted)) return -EADDRINUSE
  socket.port = wanted
  netlinkSockets.set(wanted, socket)
  return 0
}

/** The first socket of a process has its pid as its number, others get large ones. */
const autobind = (task: Task, socket: NetlinkSocket): void => {
  const own = seenBy(task, task.group.tgid)
  let port = own
  while (socket.net.netlinkSockets.has(port)) port = port === own ? 0xffff_f000 : port - 1
  takePort(socket, port)
}

const bind = (_kernel: Kernel, task: Task, socket: NetlinkSocket, bytes: Uint8Array): number => {
  if (bytes.length < ADDRESS_SIZE) return -EINVAL
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  if (view.getUint16(0, true) !== AF_NETLINK) return -EINVAL
  const wanted = view.getUint32(4, true)
  if (socket.port !== 0 && wanted !== socket.port) return -EINVAL
  socket.groups = view.getUint32(8, true)
  if (socket.port === 0) {
    if (wanted !== 0) return takePort(socket, wanted)
    autobind(task, socket)
  }
  return 0
}

export const netlinkOperations: SocketOperations<NetlinkSocket> = {
  bind,
  connect: (_kernel, task, _file, socket, bytes) => {
    if (bytes.length < 2) return -EINVAL
    if ((bytes[0] | (bytes[1] << 8)) !== AF_UNSPEC && bytes.length < ADDRESS_SIZE) return -EINVAL
    if (socket.port === 0) autobind(task, socket)
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
    if (socket.port === 0) autobind(task, socket)
    handle(kernel, task, socket, bytes)
    return bytes.length
  },
  receive: (kernel, task, file, socket, length, flags) => {
    const first = socket.queue.at(0)
    if (first === undefined) return waitOn(kernel, task, file, flags, socket.readable, socket.receiveTimeout)
    if ((flags & MSG_PEEK) === 0) socket.queue.shift()
    return {
      bytes: first.bytes.subarray(0, length), address: encode(0, first.group), files: [], credentials: undefined, flags: first.bytes.length > length ? MSG_TRUNC : 0,
      length: first.bytes.length,
    }
  },
  shutdown: () => -EOPNOTSUPP,
  getOption: (kernel, task, socket, level, option) => level === SOL_SOCKET ? getCommonOption(kernel, task, socket, level, option)
    : new Uint8Array(Int32Array.of(socket.options.get(level << 16 | option) ?? 0).buffer),
  setOption: (kernel, task, socket, level, option, value) => {
    if (level === SOL_SOCKET) return setCommonOption(kernel, task, socket, level, option, value)
    if (value.length < 4) return -EINVAL
    // NETLINK_ADD_MEMBERSHIP and NETLINK_DROP_MEMBERSHIP: groups by number.
    const group = new DataView(value.buffer, value.byteOffset).getUint32(0, true)
    if (level === SOL_NETLINK && (option === 1 || option === 2)) {
      if (group < 1 || group > 32) return group > 64 ? -EINVAL : 0
      socket.groups = (option === 1 ? socket.groups | (1 << (group - 1)) : socket.groups & ~(1 << (group - 1))) >>> 0
      return 0
    }
    socket.options.set(level << 16 | option, new DataView(value.buffer, value.byteOffset).getInt32(0, true))
    return 0
  },
  poll: (_kernel, socket) => POLLOUT | POLLWRNORM | (socket.error !== 0 ? POLLERR : 0) | (socket.queue.length > 0 ? POLLIN | POLLRDNORM : 0),
  ioctl: (kernel, task, socket, command, argument) => interfaceIoctl(kernel, task, socket.net, command, argument),
  release: (_kernel, socket) => {
    if (socket.port !== 0) socket.net.netlinkSockets.delete(socket.port)
    socket.port = 0
    socket.queue.length = 0
  },
}
