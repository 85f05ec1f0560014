/** What UDP, ping and raw sockets have in common: queues of datagrams, control messages about them, queued errors (ip(7)). */
import { EAGAIN } from '../abi/errno.ts'
import { O_NONBLOCK } from '../abi/fcntl.ts'
import { IPPROTO_IP, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_PEEK, MSG_TRUNC, SO_TIMESTAMP, SO_TIMESTAMPNS, SOL_SOCKET } from '../abi/sockets.ts'
import type { OpenFile } from '../fs/file.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { addTime, cyclesToTimespec } from '../time/clock.ts'
import { encodeAddress, has, type InetMessage, type InetSocket, optionKey, SHUT_RECEIVE } from './inet.ts'
import { put32 } from './ipv4.ts'
import { takeError } from './plain-socket.ts'
import type { ControlMessage, Incoming } from './socket.ts'
import { waitOn } from './wait.ts'

const IP_TTL = 2, IP_TOS = 1, IP_PKTINFO = 8, IP_RECVERR = 11, IP_RECVTTL = 12, IP_RECVTOS = 13, IP_RECVORIGDSTADDR = 20

const int = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer)
const pair = (seconds: number, rest: number): Uint8Array => {
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  view.setInt32(0, seconds, true)
  view.setInt32(4, Math.floor(seconds / 0x1_0000_0000), true)
  view.setInt32(8, rest, true)
  return bytes
}

/** In Linux's order: the time, then ip_cmsg_recv's. */
const controlOf = (kernel: Kernel, socket: InetSocket, { about, from }: InetMessage): ControlMessage[] => {
  const control: ControlMessage[] = []
  if (about === undefined || socket.options.size === 0) return control
  const wants = (option: number): boolean => has(socket, optionKey(IPPROTO_IP, option))
  if (has(socket, SO_TIMESTAMPNS) || has(socket, SO_TIMESTAMP)) {
    const [seconds, nanoseconds] = addTime(kernel.state.clocks.realtimeBase, cyclesToTimespec(kernel, about.cycle))
    if (has(socket, SO_TIMESTAMPNS)) control.push({ level: SOL_SOCKET, type: SO_TIMESTAMPNS, data: pair(seconds, nanoseconds) })
    else control.push({ level: SOL_SOCKET, type: SO_TIMESTAMP, data: pair(seconds, Math.floor(nanoseconds / 1000)) })
  }
  if (wants(IP_PKTINFO)) {
    const info = new Uint8Array(12)
    new DataView(info.buffer).setInt32(0, about.device, true)
    put32(info, 4, about.local)
    put32(info, 8, about.to)
    control.push({ level: IPPROTO_IP, type: IP_PKTINFO, data: info })
  }
  if (wants(IP_RECVTTL)) control.push({ level: IPPROTO_IP, type: IP_TTL, data: int(about.ttl) })
  if (wants(IP_RECVTOS)) control.push({ level: IPPROTO_IP, type: IP_TOS, data: Uint8Array.of(about.tos) })
  if (wants(IP_RECVORIGDSTADDR)) control.push({ level: IPPROTO_IP, type: IP_RECVORIGDSTADDR, data: encodeAddress({ address: about.to, port: socket.local.port || from.port }) })
  return control
}

/** @param cost what each takes of the buffer beyond its bytes */
export const receiveDatagram = (kernel: Kernel, task: Task, file: OpenFile, socket: InetSocket, length: number, flags: number, cost: number): Incoming | number => {
  if (socket.error !== 0) return -takeError(socket)
  const message = socket.queue.at(0)
  if (message === undefined) {
    // Only who would wait is told of the end (__skb_wait_for_more_packets).
    if ((socket.shut & SHUT_RECEIVE) !== 0 && ((file.flags & O_NONBLOCK) | (flags & MSG_DONTWAIT)) === 0) return { bytes: new Uint8Array(0), address: new Uint8Array(0), files: [], credentials: undefined, flags: 0, length: 0 }
    return waitOn(kernel, task, file, flags, socket.readable, socket.receiveTimeout)
  }
  if ((flags & MSG_PEEK) === 0) {
    socket.queue.shift()
    socket.queuedBytes -= message.bytes.length + cost
  }
  return {
    bytes: message.bytes.subarray(0, length), address: encodeAddress(message.from), files: [], credentials: undefined, control: controlOf(kernel, socket, message),
    flags: message.bytes.length > length ? MSG_TRUNC : 0, length: message.bytes.length,
  }
}

/** MSG_ERRQUEUE: the datagram that failed, where it was sent, and struct sock_extended_err with who said so (ip_recv_error). */
export const receiveError = (socket: InetSocket, length: number): Incoming | number => {
  const error = socket.errors.shift()
  if (error === undefined) return -EAGAIN
  socket.error = socket.errors.at(0)?.errno ?? 0
  const data = new Uint8Array(32)
  const view = new DataView(data.buffer)
  view.setUint32(0, error.errno, true)
  data[4] = error.origin
  data[5] = error.type
  data[6] = error.code
  view.setUint32(8, error.info, true)
  if (error.offender !== 0) data.set(encodeAddress({ address: error.offender, port: 0 }), 16)
  return {
    bytes: error.bytes.subarray(0, length), address: encodeAddress(error.to), files: [], credentials: undefined, control: [{ level: IPPROTO_IP, type: IP_RECVERR, data }],
    flags: MSG_ERRQUEUE | (error.bytes.length > length ? MSG_TRUNC : 0), length: error.bytes.length,
  }
}
