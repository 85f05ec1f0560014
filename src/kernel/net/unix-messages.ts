/** Sending and receiving on Unix sockets, with descriptors and credentials (unix(7)). */
import {
  EAGAIN, ECONNREFUSED, EFAULT, EINVAL, EISCONN, EMSGSIZE, ENOTCONN, EOPNOTSUPP, EPERM, EPIPE,
} from '../abi/errno.ts'
import {
  MSG_DONTWAIT, MSG_NOSIGNAL, MSG_OOB, MSG_PEEK, MSG_TRUNC, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM,
} from '../abi/sockets.ts'
import { O_NONBLOCK } from '../abi/fcntl.ts'
import { retainFile } from '../fs/descriptor.ts'
import type { OpenFile } from '../fs/file.ts'
import { brokenPipe } from '../fs/pipe.ts'
import { endWrite, rememberWritten, writtenSoFar } from '../fs/progress.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { BLOCKED } from '../wait-queue.ts'
import { takeError } from './plain-socket.ts'
import type { Incoming, Outgoing, PeerCredentials } from './socket.ts'
import {
  credentialsOf, decodeName, encodeName, findSocket, forgetMessage, isConnected, isQueueFull, leavePeer, nameForCredentials, SHUT_RECEIVE, SHUT_SEND, type UnixMessage,
  type UnixSocket,
} from './unix.ts'
import { waitOn } from './wait.ts'

const PAGE = 4096
/** What fits into the head of Linux's buffers, and what a stream puts into one at most: programs see it as the size of partial writes. */
const HEAD_ROOM = 3776
const STREAM_PIECE = HEAD_ROOM + 32_768
const HEAD_OVERHEAD = 320, BUFFER_OVERHEAD = 256, SMALLEST_HEAD = 512
const DATAGRAM_OVERHEAD = 32

/** What a message counts for in its sender's buffer (skb->truesize). */
const sizeOf = (length: number): number => {
  const paged = Math.min(length, Math.ceil(Math.max(length - HEAD_ROOM, 0) / PAGE) * PAGE)
  let head = SMALLEST_HEAD
  while (head < length - paged + HEAD_OVERHEAD) head *= 2
  return head + BUFFER_OVERHEAD + paged
}

const deliver = (kernel: Kernel, from: UnixSocket, to: UnixSocket, bytes: Uint8Array, files: OpenFile[], credentials: PeerCredentials | undefined): void => {
  const message: UnixMessage = { bytes, start: 0, files, credentials, sender: from, size: sizeOf(bytes.length) }
  from.sentBytes += message.size
  to.queue.push(message)
  kernel.wake(to.readable)
}

/** Who sends is noted if one of the two asks for it by then, or the receiver could before it is accepted (unix_maybe_add_creds). */
const sentCredentials = (task: Task, from: UnixSocket, to: UnixSocket, { credentials }: Outgoing): PeerCredentials | undefined =>
  credentials ?? (from.passCredentials || to.passCredentials || to.ino === 0 ? credentialsOf(task) : undefined)

const takeFiles = (message: Outgoing): OpenFile[] => {
  for (const file of message.files) retainFile(file)
  return [...message.files]
}

/** How much goes into one message: of a stream it can be a part of what is sent, which then has been sent when the next part is at a bad address. */
export const pieceOf = (socket: UnixSocket): number =>
  socket.type === SOCK_STREAM ? Math.min(Math.floor(socket.sendBuffer / 2) - 64, STREAM_PIECE) : Infinity

const sendStream = (kernel: Kernel, task: Task, file: OpenFile, socket: UnixSocket, message: Outgoing): number => {
  if ((message.flags & MSG_OOB) !== 0) return -EOPNOTSUPP
  if (message.address !== undefined && message.address.length > 0) return isConnected(socket) ? -EISCONN : -EOPNOTSUPP
  const { peer } = socket
  if (peer === undefined || !isConnected(socket)) return -ENOTCONN
  let done = writtenSoFar(task)
  const broken = (): number => (message.flags & MSG_NOSIGNAL) !== 0 || done > 0 ? -EPIPE : brokenPipe(kernel, task)
  if ((socket.shut & SHUT_SEND) !== 0) return endWrite(task, done, broken())
  const { bytes } = message
  // A message without bytes carries nothing on a stream.
  while (done < bytes.length) {
    if (peer.closed || (peer.shut & SHUT_RECEIVE) !== 0) return endWrite(task, done, broken())
    if (socket.sentBytes >= socket.sendBuffer) {
      const result = waitOn(kernel, task, file, message.flags, socket.writable, socket.sendTimeout)
      if (result !== BLOCKED) return endWrite(task, done, result)
      rememberWritten(task, done)
      return result
    }
    const piece = Math.min(bytes.length - done, pieceOf(socket))
    // Descriptors go with the first byte.
    deliver(kernel, socket, peer, bytes.slice(done, done + piece), done === 0 ? takeFiles(message) : [], sentCredentials(task, socket, peer, message))
    done += piece
  }
  return endWrite(task, done, 0)
}

/** Whom a datagram is for: by the address given, or the peer. */
const destination = (kernel: Kernel, task: Task, socket: UnixSocket, message: Outgoing): UnixSocket | number => {
  if (message.address === undefined || message.address.length === 0 || socket.type === SOCK_SEQPACKET) {
    if (socket.peer === undefined || (socket.type === SOCK_SEQPACKET && !isConnected(socket))) return -ENOTCONN
    return socket.peer
  }
  const name = decodeName(message.address)
  if (typeof name === 'number') return name
  return name === '' ? -EINVAL : findSocket(kernel, task, name, socket.type)
}

const sendDatagram = (kernel: Kernel, task: Task, file: OpenFile, socket: UnixSocket, message: Outgoing): number => {
  const { bytes } = message
  const refusal = refusalOf(kernel, task, file, socket, message, bytes.length)
  if (refusal !== -EFAULT && refusal !== -EAGAIN) return refusal
  if (socket.sentBytes >= socket.sendBuffer) return waitOn(kernel, task, file, message.flags, socket.writable, socket.sendTimeout)
  // To whom comes last: the message has been copied by then.
  const other = destination(kernel, task, socket, message)
  if (typeof other === 'number') return other
  if (other.closed) {
    if (socket.type === SOCK_SEQPACKET) return -EPIPE
    if (socket.peer === other) leavePeer(kernel, socket)
    return -ECONNREFUSED
  }
  // Only its peer may write to a socket that has one.
  if (other.peer !== undefined && other.peer !== socket) return -EPERM
  if ((other.shut & SHUT_RECEIVE) !== 0) return -EPIPE
  if (other.peer !== socket && isQueueFull(other)) return waitOn(kernel, task, file, message.flags, other.writable, socket.sendTimeout)
  deliver(kernel, socket, other, bytes.slice(), takeFiles(message), sentCredentials(task, socket, other, message))
  return bytes.length
}

/** What is looked at before the bytes are, which turn out to be at a bad address: the errno that a send of so many ends with. */
export const refusalOf = (kernel: Kernel, task: Task, file: OpenFile, socket: UnixSocket, { flags, address }: Pick<Outgoing, 'flags' | 'address'>, length: number): number => {
  if ((flags & MSG_OOB) !== 0 && socket.type !== SOCK_SEQPACKET) return -EOPNOTSUPP
  if (socket.type === SOCK_STREAM) {
    if (address !== undefined && address.length > 0) return isConnected(socket) ? -EISCONN : -EOPNOTSUPP
    if (!isConnected(socket)) return -ENOTCONN
    if ((socket.shut & SHUT_SEND) !== 0) return (flags & MSG_NOSIGNAL) !== 0 ? -EPIPE : brokenPipe(kernel, task)
  } else {
    if (socket.type === SOCK_SEQPACKET) {
      if (socket.error !== 0) return -takeError(socket)
      if (!isConnected(socket)) return -ENOTCONN
    }
    if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
    if (socket.type !== SOCK_SEQPACKET && address !== undefined && address.length > 0) {
      const name = decodeName(address)
      if (typeof name === 'number') return name
      if (name === '') return -EINVAL
    }
    nameForCredentials(socket)
    if (length > socket.sendBuffer - DATAGRAM_OVERHEAD) return -EMSGSIZE
    if (socket.error !== 0) return -takeError(socket)
    if ((socket.shut & SHUT_SEND) !== 0) return -EPIPE
  }
  const isWaiting = (flags & MSG_DONTWAIT) === 0 && (file.flags & O_NONBLOCK) === 0
  return socket.sentBytes >= socket.sendBuffer && !isWaiting ? -EAGAIN : -EFAULT
}

export const sendMessage = (kernel: Kernel, task: Task, file: OpenFile, socket: UnixSocket, message: Outgoing): number =>
  socket.type === SOCK_STREAM ? sendStream(kernel, task, file, socket, message) : sendDatagram(kernel, task, file, socket, message)

// ——— Receiving ———

const nothing = (kernel: Kernel, task: Task, file: OpenFile, socket: UnixSocket, flags: number): Incoming | number => {
  const error = takeError(socket)
  if (error !== 0) return -error
  // A datagram socket that is shut tells so where it could wait only (__unix_dgram_recvmsg).
  if ((socket.shut & SHUT_RECEIVE) !== 0 && !(socket.type === SOCK_DGRAM && ((flags & MSG_DONTWAIT) !== 0 || (file.flags & O_NONBLOCK) !== 0))) {
    return { bytes: new Uint8Array(0), address: new Uint8Array(0), files: [], credentials: undefined, flags: 0, length: 0 }
  }
  return waitOn(kernel, task, file, flags, socket.readable, socket.receiveTimeout)
}

/** Descriptors of a message that stays in the queue are handed out, too. */
const peekFiles = (message: UnixMessage): readonly OpenFile[] => {
  for (const file of message.files) retainFile(file)
  return message.files
}

const isSame = (a: PeerCredentials | undefined, b: PeerCredentials | undefined): boolean => a?.pid === b?.pid && a?.uid === b?.uid && a?.gid === b?.gid

const receiveStream = (kernel: Kernel, task: Task, file: OpenFile, socket: UnixSocket, length: number, flags: number): Incoming | number => {
  if (!isConnected(socket)) return -EINVAL
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
  const { queue } = socket
  if (queue.length === 0) return nothing(kernel, task, file, socket, flags)
  const first = queue[0]
  const isPeek = (flags & MSG_PEEK) !== 0
  const pieces: Uint8Array[] = []
  let done = 0
  let files: readonly OpenFile[] = []
  let at = 0
  // Even who wants no bytes gets the descriptors of the first message (unix_stream_read_generic).
  do {
    const message = queue[at]
    // Bytes of different senders are not mixed for one who asks for credentials.
    if (message !== first && socket.passCredentials && !isSame(message.credentials, first.credentials)) break
    const count = Math.min(message.bytes.length - message.start, length - done)
    pieces.push(message.bytes.subarray(message.start, message.start + count))
    done += count
    if (message.files.length > 0) {
      files = isPeek ? peekFiles(message) : message.files
      if (!isPeek) message.files = []
    }
    if (isPeek) at++
    else {
      message.start += count
      if (message.start < message.bytes.length) break
      queue.shift()
      forgetMessage(kernel, message)
    }
    // What comes behind descriptors is not mixed with what came with them.
    if (files.length > 0) break
  } while (done < length && at < queue.length)
  const bytes = new Uint8Array(done)
  let to = 0
  for (const piece of pieces) {
    bytes.set(piece, to)
    to += piece.length
  }
  const { name } = first.sender
  return { bytes, address: name === undefined ? new Uint8Array(0) : encodeName(name), files, credentials: first.credentials, flags: 0, length: done }
}

/** How much of a stream can be read when only `room` of the `wanted` bytes' buffer is there: what comes out of one message goes whole or not at all. */
export const readablePart = (socket: UnixSocket, room: number, wanted: number): number => {
  if (socket.type !== SOCK_STREAM) return room
  let done = 0
  for (const { bytes, start } of socket.queue) {
    const count = Math.min(bytes.length - start, wanted - done)
    if (done + count > room) return done
    done += count
  }
  return room
}

const receiveDatagram = (kernel: Kernel, task: Task, file: OpenFile, socket: UnixSocket, length: number, flags: number): Incoming | number => {
  if (socket.type === SOCK_SEQPACKET && !isConnected(socket)) return -ENOTCONN
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
  const message = socket.queue[0] as UnixMessage | undefined
  if (message === undefined) return nothing(kernel, task, file, socket, flags)
  const isPeek = (flags & MSG_PEEK) !== 0
  const files = isPeek ? peekFiles(message) : message.files
  if (!isPeek) {
    message.files = []
    socket.queue.shift()
    forgetMessage(kernel, message)
    // Senders that are not connected here wait for room on this queue.
    kernel.wake(socket.writable)
  }
  return {
    bytes: message.bytes.subarray(0, length), address: message.sender.name === undefined ? new Uint8Array(0) : encodeName(message.sender.name),
    files, credentials: message.credentials, length: message.bytes.length,
    flags: message.bytes.length > length ? MSG_TRUNC : 0,
  }
}

export const receiveMessage = (kernel: Kernel, task: Task, file: OpenFile, socket: UnixSocket, length: number, flags: number): Incoming | number =>
  socket.type === SOCK_STREAM ? receiveStream(kernel, task, file, socket, length, flags)
    : receiveDatagram(kernel, task, file, socket, length, flags)

