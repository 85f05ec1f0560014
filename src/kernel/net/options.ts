/** Socket options of level SOL_SOCKET (socket(7)). */
import { seenBy } from '../task/pid-namespace.ts'
import { shownGid, shownUid } from '../task/user-namespace.ts'
import { EDOM, EINVAL, ENODATA, ENODEV, ENOPROTOOPT, EOPNOTSUPP, EPERM } from '../abi/errno.ts'
import { CAP_NET_ADMIN, CAP_NET_RAW } from '../abi/capabilities.ts'
import {
  AF_INET, AF_NETLINK, AF_PACKET, AF_UNIX, SO_ACCEPTCONN, SO_BINDTODEVICE, SO_BROADCAST, SO_DEBUG, SO_DOMAIN, SO_DONTROUTE, SO_ERROR, SO_KEEPALIVE, SO_LINGER, SO_MARK,
  SO_OOBINLINE, SO_PASSCRED, SO_PASSSEC, SO_PEEK_OFF, SO_PEERCRED, SO_PEERGROUPS, SO_PEERSEC, SO_PRIORITY, SO_PROTOCOL, SO_RCVBUF,
  SO_RCVBUFFORCE, SO_RCVLOWAT, SO_RCVTIMEO, SO_REUSEADDR, SO_REUSEPORT, SO_SNDBUF, SO_SNDBUFFORCE, SO_SNDLOWAT, SO_SNDTIMEO,
  SO_TIMESTAMP, SO_TIMESTAMPNS, SO_TYPE, SOL_SOCKET,
} from '../abi/sockets.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { cyclesToTimespec, timespecToCycles } from '../time/clock.ts'
import { findDevice, findDeviceByName } from './device.ts'
import { hasNetCapability } from './namespace.ts'
import { takeError } from './plain-socket.ts'
import type { Socket } from './socket.ts'

const DOMAINS: Readonly<Record<Socket['kind'], number>> = { unix: AF_UNIX, inet: AF_INET, netlink: AF_NETLINK, packet: AF_PACKET }

const int = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer)
const ints = (...values: number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer)

/** Kept and shown, without effect. */
const FLAGS: readonly number[] = [SO_DEBUG, SO_REUSEADDR, SO_DONTROUTE, SO_BROADCAST, SO_KEEPALIVE, SO_OOBINLINE, SO_REUSEPORT, SO_PASSSEC,
  SO_TIMESTAMP, SO_TIMESTAMPNS]

/** Buffers count their overhead: the value given is doubled, within bounds. */
const SEND_MINIMUM = 4608, RECEIVE_MINIMUM = 2304, BUFFER_MAXIMUM = 212_992

const timeval = (kernel: Kernel, cycles: number): Uint8Array => {
  const [seconds, nanoseconds] = cyclesToTimespec(kernel, cycles)
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, seconds, true)
  view.setUint32(8, Math.floor(nanoseconds / 1000), true)
  return bytes
}

/** The value, which the call cuts to the caller's buffer; a negative errno. */
export const getCommonOption = (kernel: Kernel, task: Task, socket: Socket, level: number, option: number): Uint8Array | number => {
  if (level !== SOL_SOCKET) return -EOPNOTSUPP
  if (FLAGS.includes(option)) return int(socket.options.get(option) ?? 0)
  switch (option) {
    case SO_TYPE: return int(socket.type)
    case SO_DOMAIN: return int(DOMAINS[socket.kind])
    case SO_PROTOCOL: return int(socket.kind === 'inet' ? socket.protocol : 0)
    case SO_ACCEPTCONN: return int(socket.listening ? 1 : 0)
    case SO_ERROR: return int(takeError(socket))
    case SO_SNDBUF: return int(socket.sendBuffer)
    case SO_RCVBUF: return int(socket.receiveBuffer)
    case SO_PASSCRED: return socket.kind === 'inet' ? -EOPNOTSUPP : int(socket.passCredentials ? 1 : 0)
    case SO_PEERCRED: {
      const peer = socket.peerCredentials
      return peer === undefined ? ints(0, -1, -1) : ints(seenBy(task, peer.pid), shownUid(task.credentials.user, peer.uid), shownGid(task.credentials.user, peer.gid))
    }
    case SO_PEERGROUPS: return socket.peerCredentials === undefined ? -ENODATA : ints(...socket.peerGroups)
    case SO_PEERSEC: return -ENOPROTOOPT
    case SO_LINGER: return ints(socket.options.get(SO_LINGER) === undefined ? 0 : 1, socket.options.get(SO_LINGER) ?? 0)
    case SO_RCVLOWAT: return int(socket.options.get(option) ?? 1)
    case SO_SNDLOWAT: return int(1)
    case SO_PRIORITY: case SO_MARK: return int(socket.options.get(option) ?? 0)
    case SO_PEEK_OFF: return int(socket.options.get(option) ?? -1)
    case SO_RCVTIMEO: return timeval(kernel, socket.receiveTimeout)
    case SO_SNDTIMEO: return timeval(kernel, socket.sendTimeout)
    case SO_BINDTODEVICE: return deviceName(socket)
    default: return -ENOPROTOOPT
  }
}

/** SO_BINDTODEVICE: with the final zero; nothing if there is none. */
const deviceName = (socket: Socket): Uint8Array => {
  const device = socket.kind === 'inet' && socket.device !== 0 ? findDevice(socket.net, socket.device) : undefined
  return device === undefined ? new Uint8Array(0) : Uint8Array.from(`${device.name}\0`, (char) => char.charCodeAt(0))
}

/** Whoever is bound already needs a privilege to be bound elsewhere. */
const bindToDevice = (task: Task, socket: Socket, value: Uint8Array): number => {
  if (socket.kind !== 'inet') return 0
  if (socket.device !== 0 && !hasNetCapability(task, CAP_NET_RAW)) return -EPERM
  const end = value.indexOf(0)
  const name = String.fromCharCode(...value.subarray(0, end < 0 ? Math.min(value.length, 15) : end))
  const device = name === '' ? undefined : findDeviceByName(socket.net, name)
  if (name !== '' && device === undefined) return -ENODEV
  socket.device = device?.index ?? 0
  if (socket.tcb !== undefined) socket.tcb.path = undefined
  return 0
}

export const setCommonOption = (kernel: Kernel, task: Task, socket: Socket, level: number, option: number, value: Uint8Array): number => {
  if (level !== SOL_SOCKET) return -EOPNOTSUPP
  if (option === SO_BINDTODEVICE) return bindToDevice(task, socket, value)
  if (value.length < 4) return -EINVAL
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  const number = view.getInt32(0, true)
  if (FLAGS.includes(option)) {
    // Only where there are ports (sk_is_inet).
    if (option === SO_REUSEPORT && number !== 0 && socket.kind !== 'inet') return -EOPNOTSUPP
    socket.options.set(option, number !== 0 ? 1 : 0)
    return 0
  }
  switch (option) {
    case SO_SNDBUF: case SO_SNDBUFFORCE:
      if (option === SO_SNDBUFFORCE && !hasNetCapability(task, CAP_NET_ADMIN)) return -EPERM
      socket.sendBuffer = Math.max((option === SO_SNDBUF ? Math.min(number >>> 0, BUFFER_MAXIMUM) : Math.min(Math.max(number, 0), 0x3fff_ffff)) * 2, SEND_MINIMUM)
      kernel.wake(socket.writable)
      return 0
    case SO_RCVBUF: case SO_RCVBUFFORCE:
      if (option === SO_RCVBUFFORCE && !hasNetCapability(task, CAP_NET_ADMIN)) return -EPERM
      socket.receiveBuffer = Math.max((option === SO_RCVBUF ? Math.min(number >>> 0, BUFFER_MAXIMUM) : Math.min(Math.max(number, 0), 0x3fff_ffff)) * 2, RECEIVE_MINIMUM)
      return 0
    case SO_PASSCRED:
      // For Unix and netlink sockets only (Linux 6.16).
      if (socket.kind === 'inet') return -EOPNOTSUPP
      socket.passCredentials = number !== 0
      return 0
    case SO_LINGER:
      if (value.length < 8) return -EINVAL
      if (number === 0) socket.options.delete(SO_LINGER)
      else socket.options.set(SO_LINGER, view.getInt32(4, true))
      return 0
    case SO_RCVLOWAT: case SO_PRIORITY: case SO_MARK: case SO_PEEK_OFF:
      socket.options.set(option, number)
      return 0
    case SO_RCVTIMEO: case SO_SNDTIMEO: {
      if (value.length < 16) return -EINVAL
      const microseconds = view.getInt32(8, true)
      if (microseconds < 0 || microseconds >= 1_000_000) return -EDOM
      const seconds = view.getInt32(4, true) * 0x1_0000_0000 + view.getUint32(0, true)
      const cycles = seconds < 0 ? 0 : timespecToCycles(kernel, [seconds, microseconds * 1000])
      if (option === SO_RCVTIMEO) socket.receiveTimeout = cycles === Infinity ? 0 : cycles
      else socket.sendTimeout = cycles === Infinity ? 0 : cycles
      return 0
    }
    default: return -ENOPROTOOPT
  }
}
