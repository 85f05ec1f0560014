/**
 * Unix sockets (unix(7); Linux's net/unix/af_unix.c): state, names, connections. Messages are in unix-messages.ts.
 *
 * Invariants: `peer` of connected stream and seqpacket sockets is mutual until one side closes; what is in `queue` was sent
 * by sockets whose `sentBytes` count it.
 */
import {
  EADDRINUSE, EAGAIN, ECONNREFUSED, EEXIST, EINVAL, EISCONN, ENOTCONN, EOPNOTSUPP, EPERM, EPROTOTYPE, ECONNRESET,
} from '../abi/errno.ts'
import { AT_FDCWD, O_NONBLOCK } from '../abi/fcntl.ts'
import type { SOCK_SEQPACKET, SOCK_STREAM} from '../abi/sockets.ts'
import {
  AF_UNIX, AF_UNSPEC, SHUT_RDWR, SIOCINQ, SIOCOUTQ, SOCK_DGRAM, SOMAXCONN,
} from '../abi/sockets.ts'
import { releaseFile } from '../fs/descriptor.ts'
import {
  type OpenFile, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRBAND, POLLWRNORM,
} from '../fs/file.ts'
import { makeSocketInode, type SocketInode } from '../fs/inode.ts'
import { createNode } from '../fs/names.ts'
import { LOOKUP_FOLLOW, resolveInode } from '../fs/path.ts'
import { checkAccess, MAY_WRITE } from '../fs/permissions.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { waitQueue } from '../wait-queue.ts'
import { interfaceIoctl } from './interfaces.ts'
import { type NetNamespace, netOf } from './namespace.ts'
import type { AnySocket } from './plain-socket.ts'
import type { PeerCredentials, SocketOperations } from './socket.ts'
import { getCommonOption, setCommonOption } from './options.ts'
import { receiveMessage, sendMessage } from './unix-messages.ts'
import { waitOn } from './wait.ts'

export interface UnixMessage {
  readonly bytes: Uint8Array
  /** What was read of it, for streams. */
  start: number
  files: OpenFile[]
  /** Undefined: nobody asked for them when it was sent. */
  readonly credentials: PeerCredentials | undefined
  /** Who sent it, and what its buffer counts for there. */
  readonly sender: UnixSocket
  readonly size: number
}

export type UnixSocketType = typeof SOCK_STREAM | typeof SOCK_DGRAM | typeof SOCK_SEQPACKET

export interface UnixSocket extends AnySocket {
  readonly kind: 'unix'
  readonly type: UnixSocketType
  /** Where its abstract names are known. */
  readonly net: NetNamespace
  /** Of its anonymous inode; a socket that waits to be accepted has none yet: 0. */
  ino: number
  /** Path as it was bound, or NUL and a name of the abstract namespace, as a byte string. */
  name: string | undefined
  /** The inode of the path. */
  place: SocketInode | undefined
  peer: UnixSocket | undefined
  listening: boolean
  backlog: number
  /** Connections to be accepted: the new sockets. */
  readonly waiting: UnixSocket[]
  /** SO_PEERCRED: who made the pair, connected, or listens there. */
  peerCredentials: PeerCredentials | undefined
  peerGroups: readonly number[]
  /** Who listens, for those who connect. */
  ownCredentials: PeerCredentials | undefined
  ownGroups: readonly number[]
  readonly queue: UnixMessage[]
  /** Room that messages of this socket take in others' queues. */
  sentBytes: number
  /** Bits: 1 receiving, 2 sending is over. */
  shut: number
  closed: boolean
}

/** net.core.wmem_default. */
const BUFFER = 212_992
export const SHUT_RECEIVE = 1, SHUT_SEND = 2, SHUT_BOTH = 3

export const makeUnixSocket = (net: NetNamespace, type: UnixSocketType): UnixSocket => {
  const socket: UnixSocket = {
    kind: 'unix', type, net, ino: 0, name: undefined, place: undefined, peer: undefined, listening: false, backlog: 0, waiting: [],
    peerCredentials: undefined, peerGroups: [], ownCredentials: undefined, ownGroups: [], queue: [], sentBytes: 0, shut: 0, closed: false,
    error: 0, passCredentials: false, sendBuffer: BUFFER, receiveBuffer: BUFFER, sendTimeout: 0, receiveTimeout: 0, options: new Map(),
    readable: waitQueue(), writable: waitQueue(),
  }
  net.unixSockets.add(socket)
  return socket
}

export const credentialsOf = (task: Task): PeerCredentials =>
  ({ pid: task.group.tgid, uid: task.credentials.euid, gid: task.credentials.egid })

/** socketpair(2). */
export const connectPair = (task: Task, a: UnixSocket, b: UnixSocket): void => {
  a.peer = b
  b.peer = a
  for (const socket of [a, b]) {
    socket.peerCredentials = credentialsOf(task)
    socket.peerGroups = task.credentials.groups
  }
}

export const isConnected = (socket: UnixSocket): boolean => socket.type !== SOCK_DGRAM && !socket.listening && socket.peerCredentials !== undefined

// ——— Names ———

const PATH_SIZE = 108
const FAMILY_SIZE = 2

const fromBytes = (bytes: Uint8Array): string => String.fromCharCode(...bytes)

/** struct sockaddr_un of a name; only the family of an unnamed socket. */
export const encodeName = (name: string | undefined): Uint8Array => {
  if (name === undefined) return Uint8Array.of(AF_UNIX, 0)
  const isAbstract = name.startsWith('\0')
  const bytes = new Uint8Array(FAMILY_SIZE + name.length + (isAbstract ? 0 : 1))
  bytes[0] = AF_UNIX
  for (let i = 0; i < name.length; i++) bytes[FAMILY_SIZE + i] = name.charCodeAt(i)
  return bytes
}

/** A name out of struct sockaddr_un; '' for none (autobind), a negative errno. */
export const decodeName = (address: Uint8Array): string | number => {
  if (address.length < FAMILY_SIZE || address.length > FAMILY_SIZE + PATH_SIZE) return -EINVAL
  if ((address[0] | (address[1] << 8)) !== AF_UNIX) return -EINVAL
  const path = address.subarray(FAMILY_SIZE)
  if (path.length === 0 || path[0] === 0) return fromBytes(path)
  const end = path.indexOf(0)
  return fromBytes(end < 0 ? path : path.subarray(0, end))
}

/** Each type of sockets has abstract names of its own (unix_abstract_hash). */
const abstractKey = (type: UnixSocketType, name: string): string => `${type}${name}`

const autobind = (socket: UnixSocket): number => {
  if (socket.name !== undefined) return 0
  const { net } = socket
  let name: string
  do name = `\0${(++net.lastAutobind & 0xf_ffff).toString(16).padStart(5, '0')}`
  while (net.abstractNames.has(abstractKey(socket.type, name)))
  socket.name = name
  net.abstractNames.set(abstractKey(socket.type, name), socket)
  return 0
}

/** Who wants to know who sends has a name itself (unix_may_passcred). */
export const nameForCredentials = (socket: UnixSocket): void => {
  if (socket.passCredentials) autobind(socket)
}

const bind = (kernel: Kernel, task: Task, socket: UnixSocket, address: Uint8Array): number => {
  const name = decodeName(address)
  if (typeof name === 'number') return name
  if (name === '') return autobind(socket)
  const { abstractNames } = socket.net
  if (name.startsWith('\0')) {
    if (socket.name !== undefined) return -EINVAL
    if (abstractNames.has(abstractKey(socket.type, name))) return -EADDRINUSE
    abstractNames.set(abstractKey(socket.type, name), socket)
    socket.name = name
    return 0
  }
  const inode = createNode(kernel, task, AT_FDCWD, name, (parent, uid, gid) =>
    makeSocketInode(kernel, parent.superblock, 0o777 & ~task.fs.umask, uid, gid),
  // Once there is a file (unix_bind_bsd).
  () => socket.name !== undefined ? -EINVAL : 0)
  // What is there already is an address in use.
  if (typeof inode === 'number') return inode === -EEXIST ? -EADDRINUSE : inode
  if (inode.kind !== 'socket') return -EINVAL
  inode.socket = socket
  socket.place = inode
  socket.name = name
  return 0
}

/** The socket that a name leads to, or a negative errno. */
export const findSocket = (kernel: Kernel, task: Task, name: string, type: UnixSocketType): UnixSocket | number => {
  let socket: UnixSocket | undefined
  if (name.startsWith('\0')) socket = netOf(task).abstractNames.get(abstractKey(type, name))
  else {
    const inode = resolveInode(kernel, task, AT_FDCWD, name, LOOKUP_FOLLOW)
    if (typeof inode === 'number') return inode
    const denied = checkAccess(kernel, task.credentials, inode, MAY_WRITE)
    if (denied !== 0) return denied
    socket = inode.kind === 'socket' ? inode.socket : undefined
  }
  if (socket === undefined || socket.closed) return -ECONNREFUSED
  return socket.type === type ? socket : -EPROTOTYPE
}

// ——— Connections ———

/** A datagram socket has its peer no more: what that sent it is gone, which the peer is told (unix_dgram_disconnected). */
export const leavePeer = (kernel: Kernel, socket: UnixSocket): void => {
  const { peer, queue } = socket
  socket.peer = undefined
  if (peer === undefined || queue.length === 0) return
  for (const message of queue.splice(0)) {
    forgetMessage(kernel, message)
    for (const file of message.files) releaseFile(kernel, file)
  }
  if (peer.closed || peer.peer !== socket) return
  peer.error = ECONNRESET
  wakeBoth(kernel, peer)
}

const connectDatagram = (kernel: Kernel, task: Task, socket: UnixSocket, address: Uint8Array): number => {
  if ((address[0] | (address[1] << 8)) === AF_UNSPEC) {
    leavePeer(kernel, socket)
    kernel.wake(socket.writable)
    return 0
  }
  const name = decodeName(address)
  if (typeof name === 'number') return name
  if (name === '') return -EINVAL
  nameForCredentials(socket)
  const other = findSocket(kernel, task, name, socket.type)
  if (typeof other === 'number') return other
  // A socket with a peer of its own takes messages of that one only.
  if (other.peer !== undefined && other.peer !== socket) return -EPERM
  if (socket.peer !== other) leavePeer(kernel, socket)
  socket.peer = other
  kernel.wake(socket.writable)
  return 0
}

const connect = (kernel: Kernel, task: Task, file: OpenFile, socket: UnixSocket, address: Uint8Array): number => {
  if (address.length < FAMILY_SIZE) return -EINVAL
  if (socket.type === SOCK_DGRAM) return connectDatagram(kernel, task, socket, address)
  const name = decodeName(address)
  if (typeof name === 'number') return name
  if (name === '') return -EINVAL
  nameForCredentials(socket)
  const listener = findSocket(kernel, task, name, socket.type)
  if (typeof listener === 'number') return listener
  if (!listener.listening || (listener.shut & SHUT_RECEIVE) !== 0) return -ECONNREFUSED
  if (socket.listening) return -EINVAL
  if (isConnected(socket)) return -EISCONN
  if (listener.waiting.length > listener.backlog) return waitOn(kernel, task, file, 0, listener.writable, socket.sendTimeout, -EAGAIN)
  const accepted = makeUnixSocket(socket.net, socket.type)
  accepted.peer = socket
  accepted.peerCredentials = credentialsOf(task)
  accepted.peerGroups = task.credentials.groups
  accepted.name = listener.name
  accepted.passCredentials = listener.passCredentials
  socket.peer = accepted
  socket.peerCredentials = listener.ownCredentials
  socket.peerGroups = listener.ownGroups
  listener.waiting.push(accepted)
  kernel.wake(listener.readable)
  kernel.wake(socket.writable)
  return 0
}

const listen = (kernel: Kernel, task: Task, socket: UnixSocket, backlog: number): number => {
  if (socket.type === SOCK_DGRAM) return -EOPNOTSUPP
  if (socket.name === undefined) return -EINVAL
  if (isConnected(socket)) return -EINVAL
  // The limit is unsigned: a negative backlog means the largest.
  const limit = Math.min(backlog >>> 0, SOMAXCONN)
  if (limit > socket.backlog) kernel.wake(socket.writable)
  socket.backlog = limit
  socket.listening = true
  socket.ownCredentials = socket.peerCredentials = credentialsOf(task)
  socket.ownGroups = socket.peerGroups = task.credentials.groups
  return 0
}

const accept = (kernel: Kernel, task: Task, file: OpenFile, socket: UnixSocket): UnixSocket | number => {
  if (socket.type === SOCK_DGRAM) return -EOPNOTSUPP
  if (!socket.listening) return -EINVAL
  const accepted = socket.waiting.shift()
  if (accepted !== undefined) {
    kernel.wake(socket.writable)
    return accepted
  }
  // Who would not wait is told of nothing but that (unix_accept, skb_recv_datagram).
  if ((socket.shut & SHUT_RECEIVE) !== 0 && (file.flags & O_NONBLOCK) === 0) return -EINVAL
  return waitOn(kernel, task, file, 0, socket.readable, socket.receiveTimeout)
}

export const wakeBoth = (kernel: Kernel, socket: UnixSocket): void => {
  kernel.wake(socket.readable)
  kernel.wake(socket.writable)
}

const shutdown = (kernel: Kernel, socket: UnixSocket, how: number): number => {
  if (how < 0 || how > SHUT_RDWR) return -EINVAL
  const bits = how + 1
  socket.shut |= bits
  const { peer } = socket
  if (peer !== undefined && socket.type !== SOCK_DGRAM) {
    peer.shut |= ((bits & SHUT_RECEIVE) !== 0 ? SHUT_SEND : 0) | ((bits & SHUT_SEND) !== 0 ? SHUT_RECEIVE : 0)
    wakeBoth(kernel, peer)
  }
  wakeBoth(kernel, socket)
  return 0
}

/** A message leaves a queue: its sender has room again. */
export const forgetMessage = (kernel: Kernel, message: UnixMessage): void => {
  message.sender.sentBytes -= message.size
  kernel.wake(message.sender.writable)
}

/** The last description is gone. */
const release = (kernel: Kernel, socket: UnixSocket): void => {
  if (socket.closed) return
  socket.closed = true
  socket.shut = SHUT_BOTH
  const { net } = socket
  net.unixSockets.delete(socket)
  if (socket.name !== undefined && net.abstractNames.get(abstractKey(socket.type, socket.name)) === socket) net.abstractNames.delete(abstractKey(socket.type, socket.name))
  if (socket.place !== undefined) socket.place.socket = undefined
  const { peer } = socket
  if (peer !== undefined && socket.type !== SOCK_DGRAM && !peer.closed) {
    peer.shut = SHUT_BOTH
    if (socket.queue.some(({ bytes, start }) => start < bytes.length)) peer.error = ECONNRESET
    wakeBoth(kernel, peer)
  }
  for (const message of socket.queue.splice(0)) {
    forgetMessage(kernel, message)
    for (const file of message.files) releaseFile(kernel, file)
  }
  for (const waiting of socket.waiting.splice(0)) {
    if (waiting.peer !== undefined) waiting.peer.error = ECONNRESET
    release(kernel, waiting)
  }
  wakeBoth(kernel, socket)
}

// ——— The rest ———

/** Linux lets senders wait for three quarters of the room before it calls the socket writable again. */
export const isWritable = (socket: UnixSocket): boolean => !socket.listening && socket.sentBytes * 4 <= socket.sendBuffer

/** net.unix.max_dgram_qlen: datagrams that wait at a socket, one more than that. */
export const DATAGRAM_LIMIT = 10
export const isQueueFull = (socket: UnixSocket): boolean => socket.queue.length > DATAGRAM_LIMIT

const poll = (_kernel: Kernel, socket: UnixSocket): number => {
  let events = 0
  if (socket.error !== 0) events |= POLLERR
  if (socket.shut === SHUT_BOTH) events |= POLLHUP
  if ((socket.shut & SHUT_RECEIVE) !== 0) events |= POLLRDHUP | POLLIN | POLLRDNORM
  if (socket.queue.length > 0 || socket.waiting.length > 0) events |= POLLIN | POLLRDNORM
  if (socket.type !== SOCK_DGRAM && !socket.listening && !isConnected(socket)) events |= POLLHUP
  const { peer } = socket
  const isHeldUp = socket.type === SOCK_DGRAM && peer !== undefined && peer.peer !== socket && isQueueFull(peer)
  if (isWritable(socket) && !isHeldUp) events |= POLLOUT | POLLWRNORM | POLLWRBAND
  return events
}

const ioctl = (kernel: Kernel, task: Task, socket: UnixSocket, command: number, argument: number): number => {
  switch (command) {
    case SIOCINQ: {
      if (socket.listening) return -EINVAL
      const { queue } = socket
      const count = socket.type === SOCK_DGRAM ? queue[0]?.bytes.length ?? 0
        : queue.reduce((sum, { bytes, start }) => sum + bytes.length - start, 0)
      kernel.user(task).setU32(argument, count)
      return 0
    }
    case SIOCOUTQ:
      kernel.user(task).setU32(argument, socket.sentBytes)
      return 0
    default: return interfaceIoctl(kernel, task, socket.net, command, argument)
  }
}

export const unixOperations: SocketOperations<UnixSocket> = {
  bind, connect, listen, accept, shutdown, poll, ioctl, release,
  localName: (_kernel, socket) => encodeName(socket.name),
  peerName: (_kernel, socket) => {
    const { peer } = socket
    if (peer === undefined) return -ENOTCONN
    return encodeName(peer.name)
  },
  send: sendMessage,
  receive: receiveMessage,
  getOption: getCommonOption,
  setOption: setCommonOption,
}

