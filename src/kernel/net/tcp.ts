/** TCP over loopback (tcp(7); what programs see of Linux's net/ipv4/tcp.c): connections are made at once, bytes arrive at once. */
import { EAFNOSUPPORT, EALREADY, ECONNABORTED, ECONNREFUSED, ECONNRESET, EINPROGRESS, EINVAL, EISCONN, ENOTCONN, EPIPE } from '../abi/errno.ts'
import { O_NONBLOCK } from '../abi/fcntl.ts'
import { AF_INET, AF_UNSPEC, MSG_NOSIGNAL, MSG_OOB, MSG_PEEK, MSG_TRUNC, SHUT_RDWR, SO_LINGER, SO_RCVLOWAT, SOCK_STREAM, SOMAXCONN } from '../abi/sockets.ts'
import { type OpenFile, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRNORM } from '../fs/file.ts'
import { brokenPipe } from '../fs/pipe.ts'
import { endWrite, rememberWritten, writtenSoFar } from '../fs/progress.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { BLOCKED } from '../wait-queue.ts'
import { addToPort, ANY, autobind, decodeAddress, encodeAddress, familyOfAddress, type InetAddress, type InetSocket, isLoopback, leavePort,
  makeInetSocket, route, takeError, takeStream, wakeBoth } from './inet.ts'
import type { Incoming, Outgoing } from './socket.ts'
import { waitOn } from './wait.ts'

export const SHUT_RECEIVE = 1, SHUT_SEND = 2, SHUT_BOTH = 3
/** Both ends' buffers together, as far as they grow by themselves (tcp_wmem and tcp_rmem). */
const CAPACITY = 2_500_000
/** SO_SNDBUF or SO_RCVBUF was set: no growing then. Kept beside the options. */
export const BUFFER_LOCKED = -1

const capacityFor = (socket: InetSocket): number =>
  socket.options.has(BUFFER_LOCKED) || socket.peer?.options.has(BUFFER_LOCKED) === true
    ? socket.sendBuffer + (socket.peer?.receiveBuffer ?? 0) : CAPACITY

const room = (socket: InetSocket): number => socket.peer === undefined ? 0 : capacityFor(socket) - socket.peer.queuedBytes
/** A third must be free before a socket that was full counts as writable (sk_stream_is_writeable). */
const isWritable = (socket: InetSocket): boolean => room(socket) * 3 >= capacityFor(socket)

// ——— Connections ———

const findListener = (kernel: Kernel, to: InetAddress): InetSocket | undefined => {
  const sockets = kernel.state.net.inet.tcp.get(to.port) ?? []
  return sockets.find((s) => s.listening && s.local.address === to.address) ?? sockets.find((s) => s.listening && s.local.address === ANY)
}

/** Both ends are there from now on; the new one waits to be accepted. */
const establish = (kernel: Kernel, listener: InetSocket, socket: InetSocket, to: InetAddress): void => {
  const accepted = makeInetSocket(SOCK_STREAM)
  accepted.local = to
  accepted.remote = socket.local
  for (const [option, value] of listener.options) accepted.options.set(option, value)
  accepted.sendBuffer = listener.sendBuffer
  accepted.receiveBuffer = listener.receiveBuffer
  accepted.peer = socket
  accepted.established = true
  addToPort(kernel, accepted)
  socket.peer = accepted
  socket.remote = to
  socket.established = true
  listener.waiting.push(accepted)
  kernel.wake(listener.readable)
  wakeBoth(kernel, socket)
}

/** The listener has room again: who waits for that gets connected. */
const servePending = (kernel: Kernel, listener: InetSocket): void => {
  while (listener.waiting.length <= listener.backlog) {
    const socket = listener.pending.shift()
    if (socket === undefined) return
    if (!socket.closed && socket.remote !== undefined) establish(kernel, listener, socket, socket.remote)
  }
}

/** A connect failed, and the socket does not wait any more. */
const fail = (kernel: Kernel, socket: InetSocket): void => {
  socket.error = ECONNREFUSED
  socket.shut = SHUT_BOTH
  wakeBoth(kernel, socket)
}
const hasFailed = (socket: InetSocket): boolean => socket.connecting && !socket.established && socket.shut === SHUT_BOTH

/** The outcome of a connect that was started before. */
const outcome = (kernel: Kernel, task: Task, file: OpenFile, socket: InetSocket): number => {
  if (socket.established) {
    socket.connecting = false
    return 0
  }
  if (socket.error !== 0 || hasFailed(socket)) {
    const error = takeError(socket)
    socket.connecting = false
    socket.shut = 0
    return error === 0 ? -ECONNABORTED : -error
  }
  if ((file.flags & O_NONBLOCK) !== 0) return -EALREADY
  return waitOn(kernel, task, file, 0, socket.writable, socket.sendTimeout, -EINPROGRESS)
}

const disconnect = (kernel: Kernel, socket: InetSocket): number => {
  if (socket.listening) return -EINVAL
  reset(kernel, socket)
  socket.connecting = false
  socket.established = false
  socket.remote = undefined
  socket.shut = 0
  socket.error = 0
  return 0
}

const connect = (kernel: Kernel, task: Task, file: OpenFile, socket: InetSocket, bytes: Uint8Array): number => {
  if (bytes.length < 2) return -EINVAL
  if (familyOfAddress(bytes) === AF_UNSPEC) return disconnect(kernel, socket)
  if (socket.connecting) return outcome(kernel, task, file, socket)
  if (socket.established) return -EISCONN
  if (socket.listening) return -EISCONN
  const wanted = decodeAddress(bytes)
  if (typeof wanted === 'number') return familyOfAddress(bytes) === AF_INET ? wanted : -EAFNOSUPPORT
  const to = route(wanted)
  if (typeof to === 'number') return to
  const bound = autobind(kernel, socket, isLoopback(to.address) ? to.address : ANY)
  if (bound < 0) return bound
  if (socket.local.address === ANY) socket.local = { address: to.address, port: socket.local.port }
  const listener = findListener(kernel, to)
  const waits = (file.flags & O_NONBLOCK) === 0
  // Without waiting even what happens at once is told later.
  if (listener === undefined) {
    if (waits) return -ECONNREFUSED
    socket.connecting = true
    fail(kernel, socket)
    return -EINPROGRESS
  }
  if (listener.waiting.length > listener.backlog) {
    socket.remote = to
    socket.connecting = true
    listener.pending.push(socket)
    return waits ? outcome(kernel, task, file, socket) : -EINPROGRESS
  }
  establish(kernel, listener, socket, to)
  if (waits) return 0
  socket.connecting = true
  return -EINPROGRESS
}

const listen = (kernel: Kernel, _task: Task, socket: InetSocket, backlog: number): number => {
  if (socket.established || socket.connecting) return -EINVAL
  const bound = autobind(kernel, socket)
  if (bound < 0) return bound
  socket.backlog = Math.min(backlog >>> 0, SOMAXCONN)
  socket.listening = true
  socket.shut = 0
  return 0
}

const accept = (kernel: Kernel, task: Task, file: OpenFile, socket: InetSocket): InetSocket | number => {
  if (!socket.listening) return -EINVAL
  const accepted = socket.waiting.shift()
  if (accepted === undefined) return waitOn(kernel, task, file, 0, socket.readable, socket.receiveTimeout)
  servePending(kernel, socket)
  return accepted
}

// ——— Ends ———

/** The connection is cut: the other end is told (RST). */
const reset = (kernel: Kernel, socket: InetSocket): void => {
  const { peer } = socket
  socket.peer = undefined
  if (peer === undefined || peer.closed) return
  peer.peer = undefined
  // Who has seen the end of what comes is told of a broken pipe (tcp_reset).
  peer.error = (peer.shut & SHUT_RECEIVE) !== 0 ? EPIPE : ECONNRESET
  peer.shut = SHUT_BOTH
  wakeBoth(kernel, peer)
}

/** No more will be sent (FIN). */
const finish = (kernel: Kernel, socket: InetSocket): void => {
  const { peer } = socket
  if (peer === undefined) return
  peer.shut |= SHUT_RECEIVE
  wakeBoth(kernel, peer)
}

const stopListening = (kernel: Kernel, socket: InetSocket): void => {
  socket.listening = false
  for (const waiting of socket.waiting.splice(0)) {
    reset(kernel, waiting)
    waiting.closed = true
    leavePort(kernel, waiting)
  }
  for (const pending of socket.pending.splice(0)) fail(kernel, pending)
  wakeBoth(kernel, socket)
}

const shutdown = (kernel: Kernel, socket: InetSocket, how: number): number => {
  if (how < 0 || how > SHUT_RDWR) return -EINVAL
  const bits = how + 1
  if (socket.listening) {
    if ((bits & SHUT_RECEIVE) !== 0) stopListening(kernel, socket)
    return 0
  }
  if (!socket.established || (socket.peer === undefined && socket.shut === SHUT_BOTH)) return -ENOTCONN
  const ends = (bits & SHUT_SEND) !== 0 && (socket.shut & SHUT_SEND) === 0
  socket.shut |= bits
  if (ends) finish(kernel, socket)
  wakeBoth(kernel, socket)
  return 0
}

export const releaseTcp = (kernel: Kernel, socket: InetSocket): void => {
  if (socket.closed) return
  socket.closed = true
  if (socket.listening) stopListening(kernel, socket)
  leavePort(kernel, socket)
  if (socket.queuedBytes > 0 || socket.options.get(SO_LINGER) === 0) {
    // Unread bytes, or no time to linger: the other end's connection is cut.
    reset(kernel, socket)
  } else if ((socket.shut & SHUT_SEND) === 0) {
    finish(kernel, socket)
  }
  socket.shut = SHUT_BOTH
  socket.queue.length = 0
  socket.queuedBytes = 0
  if (socket.peer?.closed === true) socket.peer.peer = undefined
  wakeBoth(kernel, socket)
}

// ——— Bytes ———

const send = (kernel: Kernel, task: Task, file: OpenFile, socket: InetSocket, message: Outgoing): number => {
  let done = writtenSoFar(task)
  const broken = (error: number = EPIPE): number => error === EPIPE && (message.flags & MSG_NOSIGNAL) === 0 && done === 0 ? brokenPipe(kernel, task) : -error
  if (socket.connecting && !socket.established && socket.error === 0) {
    const result = waitOn(kernel, task, file, message.flags, socket.writable, socket.sendTimeout)
    if (result === BLOCKED) rememberWritten(task, done)
    return result
  }
  if (socket.established) socket.connecting = false
  const { bytes } = message
  if (socket.error !== 0) return endWrite(task, done, broken(takeError(socket)))
  if ((socket.shut & SHUT_SEND) !== 0 || !socket.established) return endWrite(task, done, broken())
  while (done < bytes.length) {
    const { peer } = socket
    if (socket.error !== 0) return endWrite(task, done, broken(takeError(socket)))
    if (peer === undefined || (socket.shut & SHUT_SEND) !== 0) return endWrite(task, done, broken())
    if (peer.closed) {
      // Nobody is there any more: the bytes go, and what comes back cuts the connection.
      peer.peer = undefined
      socket.peer = undefined
      socket.error = (socket.shut & SHUT_RECEIVE) !== 0 ? EPIPE : ECONNRESET
      socket.shut = SHUT_BOTH
      wakeBoth(kernel, socket)
      return endWrite(task, bytes.length, 0)
    }
    const free = room(socket)
    if (free <= 0) {
      const result = waitOn(kernel, task, file, message.flags, socket.writable, socket.sendTimeout)
      if (result !== BLOCKED) return endWrite(task, done, result)
      rememberWritten(task, done)
      return result
    }
    const piece = Math.min(bytes.length - done, free)
    // What comes after shutdown(SHUT_RD) can still be read there, as on Linux.
    peer.queue.push({ bytes: bytes.slice(done, done + piece), start: 0, from: socket.local })
    peer.queuedBytes += piece
    kernel.wake(peer.readable)
    done += piece
  }
  return endWrite(task, done, 0)
}

const NO_ADDRESS = new Uint8Array(0)
const incoming = (bytes: Uint8Array, length = bytes.length): Incoming =>
  ({ bytes, address: NO_ADDRESS, files: [], credentials: undefined, flags: 0, length })

const receive = (kernel: Kernel, task: Task, file: OpenFile, socket: InetSocket, length: number, flags: number): Incoming | number => {
  if (socket.listening) return -ENOTCONN
  if ((flags & MSG_OOB) !== 0) return -EINVAL
  if (socket.established) socket.connecting = false
  const least = Math.min(Math.max(socket.options.get(SO_RCVLOWAT) ?? 1, 1), Math.max(length, 1))
  const ended = (socket.shut & SHUT_RECEIVE) !== 0
  if (socket.queuedBytes > 0 && (socket.queuedBytes >= least || ended)) {
    const peeks = (flags & MSG_PEEK) !== 0
    const bytes = takeStream(socket, length, peeks)
    const { peer } = socket
    if (!peeks && peer !== undefined && isWritable(peer)) kernel.wake(peer.writable)
    // MSG_TRUNC throws bytes away.
    return (flags & MSG_TRUNC) !== 0 ? incoming(NO_ADDRESS, bytes.length) : incoming(bytes)
  }
  if (socket.error !== 0 && !(ended && socket.error === EPIPE)) return -takeError(socket)
  if (ended) return incoming(NO_ADDRESS)
  if (!socket.established && !socket.connecting) return -ENOTCONN
  if (length === 0) return incoming(NO_ADDRESS)
  return waitOn(kernel, task, file, flags, socket.readable, socket.receiveTimeout)
}

// ——— The rest ———

const poll = (_kernel: Kernel, socket: InetSocket): number => {
  if (socket.listening) return socket.waiting.length > 0 ? POLLIN | POLLRDNORM : 0
  let events = 0
  const isPending = socket.connecting && !socket.established && !hasFailed(socket)
  const isClosed = !socket.established && !isPending
  if (socket.shut === SHUT_BOTH || isClosed) events |= POLLHUP
  if ((socket.shut & SHUT_RECEIVE) !== 0) events |= POLLIN | POLLRDNORM | POLLRDHUP
  if (socket.error !== 0) events |= POLLERR | POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM
  if (isPending) return events
  if (socket.queuedBytes > 0) events |= POLLIN | POLLRDNORM
  if ((socket.shut & SHUT_SEND) !== 0 || isClosed || isWritable(socket)) events |= POLLOUT | POLLWRNORM
  return events
}


export const tcp = {
  connect, listen, accept, shutdown, send, receive, poll,
  peerName: (socket: InetSocket): Uint8Array | number =>
    socket.remote === undefined || !socket.established || (socket.peer === undefined && socket.shut === SHUT_BOTH) ? -ENOTCONN : encodeAddress(socket.remote),
}
