/** UDP over loopback (udp(7)): datagrams arrive at once, or not at all if there is no room for them. */
import { EACCES, EAFNOSUPPORT, ECONNREFUSED, EDESTADDRREQ, EINVAL, EMSGSIZE, ENOTCONN, EOPNOTSUPP, EPIPE } from '../abi/errno.ts'
import { AF_UNSPEC, MSG_OOB, MSG_PEEK, MSG_TRUNC, SHUT_RDWR, SO_BROADCAST } from '../abi/sockets.ts'
import { type OpenFile, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRNORM } from '../fs/file.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { ANY, autobind, decodeAddress, encodeAddress, familyOfAddress, type InetAddress, type InetSocket, leavePort, LOOPBACK, route, takeError, wakeBoth } from './inet.ts'
import type { Incoming, Outgoing } from './socket.ts'
import { SHUT_BOTH, SHUT_RECEIVE, SHUT_SEND } from './tcp.ts'
import { waitOn } from './wait.ts'

/** 65,535 less the headers of IP and UDP. */
const LARGEST = 65_507
/** What a datagram takes of the receive buffer beyond its bytes (skb->truesize, about). */
const OVERHEAD = 768
const BROADCAST = 0xffff_ffff

const connect = (kernel: Kernel, _task: Task, _file: OpenFile, socket: InetSocket, bytes: Uint8Array): number => {
  if (bytes.length < 2) return -EINVAL
  if (familyOfAddress(bytes) === AF_UNSPEC) {
    socket.remote = undefined
    if (!socket.bound) {
      leavePort(kernel, socket)
      socket.local = { address: ANY, port: 0 }
    }
    return 0
  }
  const wanted = decodeAddress(bytes)
  if (typeof wanted === 'number') return wanted === -EAFNOSUPPORT ? -EAFNOSUPPORT : wanted
  const to = route(wanted)
  if (typeof to === 'number') return to
  const bound = autobind(kernel, socket, LOOPBACK)
  if (bound < 0) return bound
  if (socket.local.address === ANY) socket.local = { address: LOOPBACK, port: socket.local.port }
  socket.remote = to
  return 0
}

/** The socket that a datagram is for: the one that fits best (compute_score), the last made among equals. */
const findReceiver = (kernel: Kernel, from: InetAddress, to: InetAddress): InetSocket | undefined => {
  let best: InetSocket | undefined
  let bestScore = -1
  for (const socket of kernel.state.net.inet.udp.get(to.port) ?? []) {
    if (socket.local.address !== ANY && socket.local.address !== to.address) continue
    const { remote } = socket
    if (remote !== undefined && (remote.address !== from.address || remote.port !== from.port)) continue
    const score = (socket.local.address !== ANY ? 1 : 0) + (remote !== undefined ? 2 : 0)
    if (score >= bestScore) {
      bestScore = score
      best = socket
    }
  }
  return best
}

const send = (kernel: Kernel, _task: Task, _file: OpenFile, socket: InetSocket, message: Outgoing): number => {
  if ((message.flags & MSG_OOB) !== 0) return -EOPNOTSUPP
  const { bytes } = message
  if (bytes.length > LARGEST) return -EMSGSIZE
  if (socket.error !== 0) return -takeError(socket)
  let to = socket.remote
  if (message.address !== undefined && message.address.length > 0) {
    const given = decodeAddress(message.address)
    if (typeof given === 'number') return given
    if (given.port === 0) return -EINVAL
    if (given.address === BROADCAST && (socket.options.get(SO_BROADCAST) ?? 0) === 0) return -EACCES
    const routed = route(given)
    if (typeof routed === 'number') return routed
    to = routed
  }
  if (to === undefined) return -EDESTADDRREQ
  if ((socket.shut & SHUT_SEND) !== 0) return -EPIPE
  const bound = autobind(kernel, socket)
  if (bound < 0) return bound
  const from: InetAddress = { address: socket.local.address === ANY ? LOOPBACK : socket.local.address, port: socket.local.port }
  const receiver = findReceiver(kernel, from, to)
  if (receiver === undefined) {
    // The answer that nobody is there reaches connected sockets only.
    if (socket.remote !== undefined) {
      socket.error = ECONNREFUSED
      wakeBoth(kernel, socket)
    }
  } else if (receiver.queuedBytes + OVERHEAD <= receiver.receiveBuffer && (receiver.shut & SHUT_RECEIVE) === 0) {
    receiver.queue.push({ bytes: bytes.slice(), start: 0, from })
    receiver.queuedBytes += bytes.length + OVERHEAD
    kernel.wake(receiver.readable)
  }
  return bytes.length
}

const receive = (kernel: Kernel, task: Task, file: OpenFile, socket: InetSocket, length: number, flags: number): Incoming | number => {
  if (socket.error !== 0) return -takeError(socket)
  const message = socket.queue.at(0)
  if (message === undefined) {
    if ((socket.shut & SHUT_RECEIVE) !== 0) return { bytes: new Uint8Array(0), address: new Uint8Array(0), files: [], credentials: undefined, flags: 0, length: 0 }
    return waitOn(kernel, task, file, flags, socket.readable, socket.receiveTimeout)
  }
  if ((flags & MSG_PEEK) === 0) {
    socket.queue.shift()
    socket.queuedBytes -= message.bytes.length + OVERHEAD
  }
  return {
    bytes: message.bytes.subarray(0, length), address: encodeAddress(message.from), files: [], credentials: undefined,
    flags: message.bytes.length > length ? MSG_TRUNC : 0, length: message.bytes.length,
  }
}

const shutdown = (kernel: Kernel, socket: InetSocket, how: number): number => {
  if (how < 0 || how > SHUT_RDWR) return -EINVAL
  if (socket.remote === undefined) return -ENOTCONN
  socket.shut |= how + 1
  wakeBoth(kernel, socket)
  return 0
}

const poll = (_kernel: Kernel, socket: InetSocket): number => {
  let events = POLLOUT | POLLWRNORM
  if (socket.error !== 0) events |= POLLERR
  if (socket.shut === SHUT_BOTH) events |= POLLHUP
  if ((socket.shut & SHUT_RECEIVE) !== 0) events |= POLLRDHUP | POLLIN | POLLRDNORM
  if (socket.queue.length > 0) events |= POLLIN | POLLRDNORM
  return events
}

export const releaseUdp = (kernel: Kernel, socket: InetSocket): void => {
  if (socket.closed) return
  socket.closed = true
  leavePort(kernel, socket)
  socket.queue.length = 0
  socket.queuedBytes = 0
}

export const udp = {
  connect, shutdown, send, receive, poll,
  listen: (): number => -EOPNOTSUPP,
  accept: (): number => -EOPNOTSUPP,
  peerName: (socket: InetSocket): Uint8Array | number => socket.remote === undefined ? -ENOTCONN : encodeAddress(socket.remote),
}
