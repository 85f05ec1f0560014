/** What system calls do with TCP sockets (tcp(7); Linux's net/ipv4/tcp.c and af_inet.c). */
import {
  EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EALREADY, ECONNABORTED, ECONNRESET, EINPROGRESS, EINVAL, EISCONN, ENETUNREACH, ENOTCONN, EPIPE,
} from '../../abi/errno.ts'
import { O_NONBLOCK } from '../../abi/fcntl.ts'
import { AF_UNSPEC, MSG_ERRQUEUE, MSG_MORE, MSG_NOSIGNAL, MSG_OOB, MSG_PEEK, MSG_TRUNC, SHUT_RDWR, SO_LINGER, SO_OOBINLINE, SO_RCVLOWAT } from '../../abi/sockets.ts'
import { type OpenFile, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDHUP, POLLRDNORM, POLLWRNORM } from '../../fs/file.ts'
import { brokenPipe } from '../../fs/pipe.ts'
import { endWrite, rememberWritten, writtenSoFar } from '../../fs/progress.ts'
import type { Kernel } from '../../kernel.ts'
import type { Task } from '../../task/task.ts'
import { BLOCKED } from '../../wait-queue.ts'
import { drainBacklog } from '../backlog.ts'
import {
  addConnection, autobind, boundDevice, CLOSE, CLOSE_WAIT, decodeAddress, encodeAddress, ESTABLISHED, familyOfAddress, FIN_WAIT_1, FIN_WAIT_2, findConnection, forgetAddress, has, hasPort,
  type InetAddress, type InetSocket, LAST_ACK, LISTEN, leavePort, SHUT_BOTH, SHUT_RECEIVE, SHUT_SEND, SYN_RECEIVED, SYN_SENT, wakeBoth, isPortTaken,
} from '../inet.ts'
import { ANY, isLoopback } from '../ipv4.ts'
import { takeError } from '../plain-socket.ts'
import { findPath } from '../route.ts'
import type { Incoming, Outgoing } from '../socket.ts'
import { waitOn } from '../wait.ts'
import { hasSpace } from './acknowledge.ts'
import { algorithmOf, finishConnection, initialSequence, scaleOf } from './connection.ts'
import { growReceiveBuffer, readNext } from './data.ts'
import { becomeTimeWait } from './input.ts'
import { currentSize, offeredWindow, pushPending, queueBytes, queueControl, roomFor, sendAck, sendReset, sendSyn } from './output.ts'
import { FIN, PSH } from './segment.ts'
import { makeTcb, type Tcb } from './tcb.ts'
import { endTimeWait, TIME_WAIT_SECONDS } from './time-wait.ts'

// ——— Connections ———

/** The outcome of a connect that was started before. */
const outcome = (kernel: Kernel, task: Task, file: OpenFile, socket: InetSocket, isFirst: boolean): number => {
  if (socket.state === SYN_SENT || socket.state === SYN_RECEIVED) {
    if ((file.flags & O_NONBLOCK) !== 0) return isFirst ? -EINPROGRESS : -EALREADY
    return waitOn(kernel, task, file, 0, socket.writable, socket.sendTimeout, -EINPROGRESS)
  }
  if (socket.state === CLOSE) {
    const error = takeError(socket)
    reset(kernel, socket)
    return error === 0 ? -ECONNABORTED : -error
  }
  socket.connection = 'connected'
  return 0
}

/** As it was before connect, but for errors (tcp_disconnect). */
const reset = (kernel: Kernel, socket: InetSocket): void => {
  finishConnection(kernel, socket)
  forgetAddress(socket)
  socket.connection = 'none'
  socket.remote = undefined
  socket.tcb = undefined
  socket.shut = 0
  socket.queue.length = 0
  socket.queuedBytes = 0
}

const disconnect = (kernel: Kernel, socket: InetSocket): number => {
  const { state } = socket
  if (state === LISTEN) stopListening(kernel, socket)
  else if (isCuttable(state)) {
    sendReset(kernel, socket)
    socket.error = ECONNRESET
  } else if (state === SYN_SENT) socket.error = ECONNRESET
  const { error } = socket
  reset(kernel, socket)
  socket.error = error
  wakeBoth(kernel, socket)
  return 0
}

/** States in which the other side must be told when the connection goes (tcp_need_reset). */
const isCuttable = (state: number): boolean => state === ESTABLISHED || state === CLOSE_WAIT || state === FIN_WAIT_1 || state === FIN_WAIT_2 || state === SYN_RECEIVED

/**
 * Whether a connection between the two could be made: there is none, or only the memory of one over loopback that is old enough (tcp_tw_reuse is 2).
 * That is a second, as on Linux, where it takes longer to use up all ports; so here younger ones will do when there is nothing else.
 */
const isUnused = (kernel: Kernel, socket: InetSocket, local: number, port: number, to: InetAddress, leastSeconds: number): boolean => {
  const other = findConnection(socket.net.inet, local, port, to.address, to.port)
  if (other === undefined) return true
  if (other.kind === 'inet' || !isLoopback(other.local.address)) return false
  const { cpuHz } = kernel.config
  return kernel.now - (other.deadline - TIME_WAIT_SECONDS * cpuHz) > leastSeconds * cpuHz
}
const REUSE_SECONDS = 1, ANY_AGE = -1

/** A port of its own, or one that can be shared. */
const choosePort = (kernel: Kernel, socket: InetSocket, from: number, to: InetAddress): number => {
  const { inet, settings, timeWaits } = socket.net
  // With all ports in use, and none for long, nobody need look through them.
  const [oldest] = timeWaits.all
  const isFull = inet.tcp.size > settings.lastPort - settings.firstPort
  const isYoung = oldest !== undefined && kernel.now - oldest.deadline < (REUSE_SECONDS - TIME_WAIT_SECONDS) * kernel.config.cpuHz
  for (const age of isFull && isYoung ? [ANY_AGE] : [REUSE_SECONDS, ANY_AGE]) {
    if (autobind(socket, from, (port) => isShareable(socket, port) && isUnused(kernel, socket, from, port, to, age)) === 0) return 0
  }
  return -EADDRNOTAVAIL
}

/** Sequence numbers of a connection that takes the place of one are above that one's. */
const OUT_OF_WINDOW = 65_537

/** Ports whose sockets did not ask for them can be had by others with other ends. */
const isShareable = (socket: InetSocket, port: number): boolean => {
  for (const other of socket.net.inet.tcp.get(port) ?? []) if (other.kind === 'inet' && (other.bound || other.listening || other.state === CLOSE)) return false
  return true
}

const open = (kernel: Kernel, socket: InetSocket, wanted: InetAddress): number => {
  const { net } = socket
  const path = findPath(net, wanted.address, boundDevice(socket), socket.local.address)
  if (typeof path === 'number') return path
  if (path.kind === 'broadcast' || path.kind === 'multicast') return -ENETUNREACH
  const to: InetAddress = { address: wanted.address === ANY ? path.nextHop : wanted.address, port: wanted.port }
  const from = socket.local.address === ANY ? path.source : socket.local.address
  if (!hasPort(socket)) {
    const bound = choosePort(kernel, socket, from, to)
    if (bound < 0) return bound
  } else if (!isUnused(kernel, socket, from, socket.local.port, to, REUSE_SECONDS)) return -EADDRNOTAVAIL
  const before = findConnection(net.inet, from, socket.local.port, to.address, to.port)
  if (before?.kind === 'time-wait') endTimeWait(before)
  if (socket.local.address === ANY) socket.local = { address: from, port: socket.local.port }
  socket.remote = to
  socket.error = 0
  socket.softError = 0
  const iss = before?.kind === 'time-wait' ? (before.sndNxt + OUT_OF_WINDOW) >>> 0 : initialSequence(kernel, socket)
  const tcb = makeTcb(socket, iss, kernel.config.cpuHz, algorithmOf(socket))
  tcb.rcvScale = scaleOf(socket)
  socket.tcb = tcb
  socket.state = SYN_SENT
  socket.connection = 'connecting'
  net.counters.tcp.ActiveOpens++
  addConnection(socket, net.inet)
  sendSyn(kernel, socket, tcb)
  drainBacklog(kernel)
  return 0
}

const connect = (kernel: Kernel, task: Task, file: OpenFile, socket: InetSocket, bytes: Uint8Array): number => {
  if (bytes.length < 2) return -EINVAL
  if (familyOfAddress(bytes) === AF_UNSPEC) return disconnect(kernel, socket)
  if (socket.connection === 'connected') return -EISCONN
  if (socket.connection === 'connecting') return outcome(kernel, task, file, socket, false)
  if (socket.connection === 'disconnecting') return -EINVAL
  if (socket.state !== CLOSE) return -EISCONN
  const wanted = decodeAddress(bytes)
  if (typeof wanted === 'number') return bytes.length < 16 ? -EINVAL : -EAFNOSUPPORT
  const result = open(kernel, socket, wanted)
  if (result < 0) return result
  // Without waiting even what happens at once is told later.
  if ((file.flags & O_NONBLOCK) !== 0) return -EINPROGRESS
  return outcome(kernel, task, file, socket, true)
}

const listen = (_kernel: Kernel, _task: Task, socket: InetSocket, backlog: number): number => {
  if (socket.connection !== 'none' || (socket.state !== CLOSE && socket.state !== LISTEN)) return -EINVAL
  const limit = Math.min(backlog >>> 0, socket.net.settings.somaxconn)
  if (socket.state === LISTEN) {
    socket.backlog = limit
    return 0
  }
  if (!hasPort(socket)) {
    const bound = autobind(socket)
    if (bound < 0) return bound
  } else {
    // Another may have begun to listen since this one was bound.
    socket.listening = true
    const taken = isPortTaken(socket, socket.local.address, socket.local.port)
    socket.listening = false
    if (taken) return -EADDRINUSE
  }
  socket.backlog = limit
  socket.listening = true
  socket.state = LISTEN
  socket.shut = 0
  const { listeners } = socket.net.inet
  const list = listeners.get(socket.local.port)
  if (list === undefined) listeners.set(socket.local.port, [socket])
  else list.push(socket)
  return 0
}

const accept = (kernel: Kernel, task: Task, file: OpenFile, socket: InetSocket): InetSocket | number => {
  if (socket.state !== LISTEN) return -EINVAL
  const accepted = socket.waiting.shift()
  if (accepted === undefined) return waitOn(kernel, task, file, 0, socket.readable, socket.receiveTimeout)
  accepted.listener = undefined
  accepted.connection = 'connected'
  return accepted
}

// ——— Ends ———

const stopListening = (kernel: Kernel, socket: InetSocket): void => {
  const { listeners } = socket.net.inet
  const list = listeners.get(socket.local.port)
  const at = list?.indexOf(socket) ?? -1
  if (list !== undefined && at >= 0) {
    if (list.length === 1) listeners.delete(socket.local.port)
    else list.splice(at, 1)
  }
  socket.listening = false
  socket.state = CLOSE
  // It is shown for as long as there is no other (tcp_set_state leaves inet_sport).
  if (!socket.bound) {
    leavePort(socket, socket.net.inet.tcp)
    socket.hasLeftPort = true
  }
  for (const half of [...socket.halfOpen]) {
    half.closed = true
    finishConnection(kernel, half)
  }
  for (const waiting of socket.waiting.splice(0)) {
    waiting.closed = true
    if (waiting.state !== CLOSE) sendReset(kernel, waiting)
    finishConnection(kernel, waiting)
  }
  wakeBoth(kernel, socket)
}

/** No more will be sent: a FIN goes behind what waits. */
const finish = (kernel: Kernel, socket: InetSocket): void => {
  const { tcb, state } = socket
  if (tcb === undefined) return
  if (state === ESTABLISHED || state === SYN_RECEIVED) socket.state = FIN_WAIT_1
  else if (state === CLOSE_WAIT) socket.state = LAST_ACK
  else return
  queueControl(tcb, FIN)
  pushPending(kernel, socket)
}

const shutdown = (kernel: Kernel, socket: InetSocket, how: number): number => {
  if (how < 0 || how > SHUT_RDWR) return -EINVAL
  const bits = how + 1
  const { state } = socket
  if (socket.connection === 'connecting') socket.connection = state === SYN_SENT || state === SYN_RECEIVED || state === CLOSE ? 'disconnecting' : 'connected'
  switch (state) {
    case CLOSE:
      // It is shut all the same (inet_shutdown).
      socket.shut |= bits
      wakeBoth(kernel, socket)
      return -ENOTCONN
    case LISTEN:
      return (bits & SHUT_RECEIVE) !== 0 ? disconnect(kernel, socket) : 0
    case SYN_SENT: return disconnect(kernel, socket)
    default:
      socket.shut |= bits
      if ((bits & SHUT_SEND) !== 0) finish(kernel, socket)
      wakeBoth(kernel, socket)
      return 0
  }
}

const release = (kernel: Kernel, socket: InetSocket): void => {
  if (socket.closed) return
  socket.closed = true
  const { tcb } = socket
  if (socket.state === LISTEN) stopListening(kernel, socket)
  else if (tcb !== undefined && socket.state !== CLOSE) {
    if (socket.queuedBytes > 0) {
      // Unread bytes: the other end must know that they are lost (RFC 2525, 2.17).
      socket.net.counters.tcpExt.TCPAbortOnClose++
      sendReset(kernel, socket)
      finishConnection(kernel, socket)
    } else if (socket.options.get(SO_LINGER) === 0) {
      if (isCuttable(socket.state)) sendReset(kernel, socket)
      finishConnection(kernel, socket)
    } else if (socket.state === SYN_SENT) finishConnection(kernel, socket)
    else if (socket.state === FIN_WAIT_2) becomeTimeWait(kernel, socket, FIN_WAIT_2)
    else finish(kernel, socket)
  }
  socket.shut = SHUT_BOTH
  socket.queue.length = 0
  socket.queuedBytes = 0
  if (socket.state === CLOSE) leavePort(socket, socket.net.inet.tcp)
}

// ——— Bytes ———

/** Where connect(2) has not come to an end, or there is nothing to send to: why (sk_stream_wait_connect). */
const notConnected = (kernel: Kernel, task: Task, file: OpenFile, socket: InetSocket, flags: number): number => {
  if (socket.error !== 0) return -takeError(socket)
  if (socket.state !== SYN_SENT && socket.state !== SYN_RECEIVED) return -EPIPE
  return waitOn(kernel, task, file, flags, socket.writable, socket.sendTimeout)
}

/** A window full at a time: what is acknowledged meanwhile makes room. */
const send = (kernel: Kernel, task: Task, file: OpenFile, socket: InetSocket, message: Outgoing): number => {
  let done = writtenSoFar(task)
  const { bytes, flags } = message
  const fail = (result: number): number => {
    if (result === BLOCKED) {
      rememberWritten(task, done)
      return result
    }
    if (done > 0) return endWrite(task, done, result)
    const error = result === -EPIPE && socket.error !== 0 ? -takeError(socket) : result
    return endWrite(task, 0, error === -EPIPE && (flags & MSG_NOSIGNAL) === 0 ? brokenPipe(kernel, task) : error)
  }
  if (socket.state !== ESTABLISHED && socket.state !== CLOSE_WAIT) {
    const result = notConnected(kernel, task, file, socket, flags)
    if (result !== 0) return fail(result)
  }
  const { tcb } = socket
  if (tcb === undefined) return fail(-EPIPE)
  if (socket.error !== 0 || (socket.shut & SHUT_SEND) !== 0) return fail(-EPIPE)
  while (done < bytes.length) {
    if (socket.error !== 0 || (socket.shut & SHUT_SEND) !== 0) return fail(-EPIPE)
    const free = socket.sendBuffer - tcb.queued
    if (free <= 0) {
      pushPending(kernel, socket)
      drainBacklog(kernel)
      if (tcb.queued < socket.sendBuffer) continue
      tcb.wantsSpace = true
      return fail(waitOn(kernel, task, file, flags, socket.writable, socket.sendTimeout))
    }
    // A segment that begins while there is room is taken whole, as on Linux.
    const piece = Math.min(bytes.length - done, Math.max(free, currentSize(tcb)))
    queueBytes(tcb, piece === bytes.length ? bytes : bytes.subarray(done, done + piece), currentSize(tcb))
    done += piece
    if (done === bytes.length) {
      if ((flags & MSG_OOB) !== 0) tcb.sndUrgent = tcb.writeSeq
      tcb.sendQueue[tcb.sendQueue.length - 1].flags |= PSH
    }
    pushPending(kernel, socket, (flags & MSG_MORE) !== 0 && done === bytes.length)
  }
  return endWrite(task, done, 0)
}

const NO_ADDRESS = new Uint8Array(0)
const NO_FILES: readonly OpenFile[] = []
const incoming = (bytes: Uint8Array, length: number, flags = 0): Incoming => ({ bytes, address: NO_ADDRESS, files: NO_FILES, credentials: undefined, flags, length })

/** Takes up to `length` bytes off the queue behind the first `skip`, or looks at them. */
const takeStream = (socket: InetSocket, length: number, skip: number, peeks: boolean): Uint8Array => {
  const { queue } = socket
  const first = queue[0]
  // What is read most: one segment, whole.
  if (skip === 0 && !peeks && first.start === 0 && first.bytes.length <= length && (queue.length === 1 || first.bytes.length === length)) {
    queue.shift()
    socket.queuedBytes -= first.bytes.length
    return first.bytes
  }
  let room = Math.min(length, socket.queuedBytes - skip)
  const bytes = new Uint8Array(room)
  let done = 0, passed = skip, taken = 0
  for (let index = 0; room > 0; index++) {
    const message = queue[index]
    const available = message.bytes.length - message.start
    if (available <= passed) {
      passed -= available
      taken++
      continue
    }
    const part = message.bytes.subarray(message.start + passed, message.start + passed + room)
    bytes.set(part, done)
    done += part.length
    room -= part.length
    if (part.length + passed === available) taken++
    else if (!peeks) message.start += part.length + passed
    passed = 0
  }
  if (!peeks) {
    queue.splice(0, taken)
    socket.queuedBytes -= done + skip
  }
  return bytes
}

/** What reading makes room for is told when it is much, or an acknowledgement is due (tcp_cleanup_rbuf). */
const afterRead = (kernel: Kernel, socket: InetSocket, tcb: Tcb, read: number): void => {
  growReceiveBuffer(socket, tcb, read)
  if (tcb.ackPending) {
    const unacknowledged = tcb.rcvNxt - tcb.rcvAcked
    if (unacknowledged > tcb.rcvMss || (tcb.ackPushed && !tcb.interactive && socket.queuedBytes === 0)) {
      sendAck(kernel, socket)
      return
    }
  }
  if ((socket.shut & SHUT_RECEIVE) !== 0) return
  const offered = offeredWindow(tcb)
  if (2 * offered > socket.receiveBuffer >> 1) return
  const room = roomFor(socket, tcb)
  if (room > 0 && room >= 2 * offered) sendAck(kernel, socket)
}

/** MSG_OOB: the urgent byte (tcp_recv_urg). */
const receiveUrgent = (socket: InetSocket, length: number, flags: number): Incoming | number => {
  const { tcb } = socket
  if (tcb === undefined || has(socket, SO_OOBINLINE) || tcb.urgent === 'none' || tcb.urgent === 'read') return -EINVAL
  if (tcb.urgent === 'here') {
    if ((flags & MSG_PEEK) === 0) tcb.urgent = 'read'
    return length > 0 ? incoming(Uint8Array.of(tcb.urgentByte), 1, MSG_OOB) : incoming(NO_ADDRESS, 0, MSG_OOB | MSG_TRUNC)
  }
  if (socket.state === CLOSE || (socket.shut & SHUT_RECEIVE) !== 0) return incoming(NO_ADDRESS, 0)
  return -EAGAIN
}

/** What can be read at once, up to the urgent mark. undefined: nothing. */
const receiveQueued = (kernel: Kernel, socket: InetSocket, tcb: Tcb, length: number, flags: number): Incoming | undefined => {
  let most = length
  let skip = 0
  if (tcb.urgent !== 'none') {
    const toMark = tcb.urgentSeq - readNext(socket, tcb)
    if (toMark < 0) tcb.urgent = 'none'
    else if (toMark > 0) most = Math.min(most, toMark)
    else if (!has(socket, SO_OOBINLINE)) skip = 1
  }
  if (socket.queuedBytes - skip <= 0) return undefined
  const peeks = (flags & MSG_PEEK) !== 0
  const bytes = takeStream(socket, most, skip, peeks)
  if (!peeks) {
    if (tcb.urgent !== 'none' && readNext(socket, tcb) > tcb.urgentSeq) tcb.urgent = 'none'
    afterRead(kernel, socket, tcb, bytes.length)
  }
  // MSG_TRUNC throws bytes away.
  return incoming((flags & MSG_TRUNC) !== 0 ? NO_ADDRESS : bytes, bytes.length)
}

const receive = (kernel: Kernel, task: Task, file: OpenFile, socket: InetSocket, length: number, flags: number): Incoming | number => {
  if ((flags & MSG_ERRQUEUE) !== 0) return -EAGAIN
  if (socket.state === LISTEN) return -ENOTCONN
  if ((flags & MSG_OOB) !== 0) return receiveUrgent(socket, length, flags)
  const { tcb } = socket
  const ended = (socket.shut & SHUT_RECEIVE) !== 0
  if (tcb !== undefined && socket.queuedBytes > 0) {
    const least = Math.min(Math.max(socket.options.get(SO_RCVLOWAT) ?? 1, 1), Math.max(length, 1))
    if (socket.queuedBytes >= least || ended || socket.error !== 0) {
      const got = receiveQueued(kernel, socket, tcb, length, flags)
      if (got !== undefined) return got
    }
  }
  if (socket.error !== 0 && !(tcb?.finReceived === true && socket.error === EPIPE)) return -takeError(socket)
  if (ended) return incoming(NO_ADDRESS, 0)
  if (socket.state === CLOSE) return -ENOTCONN
  return waitOn(kernel, task, file, flags, socket.readable, socket.receiveTimeout)
}

// ——— The rest ———

/** Whether a read would not wait: SO_RCVLOWAT bytes are there, or the urgent byte is next to be skipped. */
const isReadable = (socket: InetSocket, tcb: Tcb): boolean => {
  const least = socket.options.get(SO_RCVLOWAT) ?? 1
  let bytes = socket.queuedBytes
  if (tcb.urgent !== 'none' && tcb.urgentSeq === readNext(socket, tcb) && !has(socket, SO_OOBINLINE)) bytes--
  return bytes >= Math.max(least, 1)
}

const poll = (_kernel: Kernel, socket: InetSocket): number => {
  if (socket.state === LISTEN) return socket.waiting.length > 0 ? POLLIN | POLLRDNORM : 0
  const { tcb } = socket
  let events = 0
  if (socket.shut === SHUT_BOTH || socket.state === CLOSE) events |= POLLHUP
  if ((socket.shut & SHUT_RECEIVE) !== 0) events |= POLLIN | POLLRDNORM | POLLRDHUP
  if (socket.state !== SYN_SENT && socket.state !== SYN_RECEIVED) {
    if (tcb !== undefined && socket.queuedBytes > 0 && isReadable(socket, tcb)) events |= POLLIN | POLLRDNORM
    if ((socket.shut & SHUT_SEND) !== 0 || tcb === undefined || hasSpace(socket, tcb)) events |= POLLOUT | POLLWRNORM
    else tcb.wantsSpace = true
    if (tcb?.urgent === 'here') events |= POLLPRI
  }
  if (socket.error !== 0) events |= POLLERR
  return events
}

export const tcp = {
  connect, listen, accept, shutdown, send, receive, poll, release,
  peerName: (socket: InetSocket): Uint8Array | number =>
    socket.remote === undefined || socket.remote.port === 0 || socket.state === CLOSE || socket.state === SYN_SENT ? -ENOTCONN : encodeAddress(socket.remote),
}
