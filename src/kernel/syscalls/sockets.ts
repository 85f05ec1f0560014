/** socket(2) and all that is done with sockets by descriptor; the families' part is in ../net. */
import { ACCESS_WRITE } from '../../emu/mmu/mmu.ts'
import { kernelPid, seenBy } from '../task/pid-namespace.ts'
import { hasCapabilityIn, kernelGid, kernelUid, shownGid, shownUid } from '../task/user-namespace.ts'
import { CAP_NET_RAW, CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN } from '../abi/capabilities.ts'
import {
  EACCES, EAFNOSUPPORT, EBADF, EFAULT, EINVAL, EMFILE, EMSGSIZE, ENOBUFS, ENOTCONN, ENOTSOCK, EOPNOTSUPP, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT,
} from '../abi/errno.ts'
import { O_PATH, O_RDWR } from '../abi/fcntl.ts'
import { int32, uint32, uint64 } from '../abi/numbers.ts'
import {
  AF_INET, AF_MAX, AF_NETLINK, AF_PACKET, AF_UNIX, IPPROTO_ICMP, IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, MSG_CMSG_CLOEXEC, MSG_CTRUNC, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_TRUNC, MSG_WAITALL, MSG_WAITFORONE, SCM_CREDENTIALS, SCM_MAX_FD,
  SCM_RIGHTS, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM, SOCK_TYPE_MASK, SOL_SOCKET,
} from '../abi/sockets.ts'
import { closeDescriptor, getAnyFile, getFile, hasFreeDescriptor, hasFreeDescriptors, installFile, makeOpenFile, releaseFile } from '../fs/descriptor.ts'
import type { OpenFile } from '../fs/file.ts'
import { makeSocketInode } from '../fs/inode.ts'
import type { Kernel } from '../kernel.ts'
import { BadAddress } from '../mm/user-memory.ts'
import { familyOf, refusalOfSend } from '../net/families.ts'
import { type InetSocket, type InetSocketType, makeInetSocket } from '../net/inet.ts'
import { hasNetCapability, netOf } from '../net/namespace.ts'
import { makeNetlinkSocket } from '../net/netlink.ts'
import { makePacketSocket } from '../net/packet.ts'
import { takeError } from '../net/plain-socket.ts'
import { type ControlMessage, type Outgoing, type PeerCredentials, type Socket, type SocketData, socketOf } from '../net/socket.ts'
import { connectPair, makeUnixSocket, type UnixSocketType } from '../net/unix.ts'
import { readablePart } from '../net/unix-messages.ts'
import type { Task } from '../task/task.ts'
import { deadlineAfter, readTimespec } from '../time/clock.ts'
import { BLOCKED } from '../wait-queue.ts'
import type { Args, SyscallEntry } from './entry.ts'
import { isUserRange, MAX_TRANSFER, readVector, type Segment } from './transfer.ts'

// ——— Making sockets ———

const TYPE_FLAGS = SOCK_CLOEXEC | SOCK_NONBLOCK

const NEVER = [0, 0] as const

/** A description of a socket, with an inode that fstat sees as one. */
const makeFile = (kernel: Kernel, task: Task, socket: Socket, flags: number): OpenFile => {
  const { fsuid, fsgid } = task.credentials
  const inode = makeSocketInode(kernel, kernel.state.fs.anonymous, 0o777, fsuid, fsgid)
  // Nobody sets their times (sock_alloc).
  inode.atime = inode.mtime = inode.ctime = NEVER
  socket.ino = inode.ino
  const file = makeOpenFile(kernel, 'socket', inode, `socket:[${inode.ino}]`, O_RDWR | (flags & SOCK_NONBLOCK), { socket } satisfies SocketData)
  if (socket.kind === 'inet') socket.file = file
  return file
}

const install = (kernel: Kernel, task: Task, socket: Socket, flags: number): number => {
  const file = makeFile(kernel, task, socket, flags)
  const fd = installFile(kernel, task, file, (flags & SOCK_CLOEXEC) !== 0)
  if (fd < 0) releaseFile(kernel, file)
  return fd
}

/** The socket's type out of family, type and protocol, or a negative errno. */
const checkType = (family: number, typeAndFlags: number, protocol: number): UnixSocketType | number => {
  const type = typeAndFlags & SOCK_TYPE_MASK
  if ((typeAndFlags & ~SOCK_TYPE_MASK & ~TYPE_FLAGS) !== 0) return -EINVAL
  if (family < 0 || family >= AF_MAX) return -EAFNOSUPPORT
  if (type < 0 || type > 10) return -EINVAL
  if (family !== AF_UNIX) return -EAFNOSUPPORT
  if (protocol !== 0 && protocol !== AF_UNIX) return -EPROTONOSUPPORT
  // A raw socket is a datagram socket in this family.
  if (type === SOCK_RAW) return SOCK_DGRAM
  return type === SOCK_STREAM || type === SOCK_DGRAM || type === SOCK_SEQPACKET ? type : -ESOCKTNOSUPPORT
}

const isType = (type: number): type is UnixSocketType => type > 0

/** Groups that may make ping sockets (net.ipv4.ping_group_range). */
const mayPing = (task: Task): boolean => {
  const { pingFirstGroup, pingLastGroup } = netOf(task).settings
  return [task.credentials.egid, ...task.credentials.groups].some((group) => group >= pingFirstGroup && group <= pingLastGroup)
}

/** IPv4: the protocol by the type, or a negative errno; raw sockets are for the privileged. */
const checkInetType = (task: Task, typeAndFlags: number, protocol: number): number => {
  if ((typeAndFlags & ~SOCK_TYPE_MASK & ~TYPE_FLAGS) !== 0) return -EINVAL
  const type = typeAndFlags & SOCK_TYPE_MASK
  if (protocol < 0 || protocol > 255) return type > 10 ? -EINVAL : type === SOCK_RAW || type === SOCK_STREAM || type === SOCK_DGRAM ? (protocol < 0 || protocol > 262 ? -EINVAL : -EPROTONOSUPPORT) : -ESOCKTNOSUPPORT
  switch (type) {
    case SOCK_STREAM: return protocol === 0 || protocol === IPPROTO_TCP ? IPPROTO_TCP : -EPROTONOSUPPORT
    case SOCK_DGRAM:
      if (protocol === IPPROTO_ICMP) return mayPing(task) ? protocol : -EACCES
      return protocol === 0 || protocol === IPPROTO_UDP ? IPPROTO_UDP : -EPROTONOSUPPORT
    case SOCK_RAW:
      if (protocol === 0) return -EPROTONOSUPPORT
      return hasNetCapability(task, CAP_NET_RAW) ? protocol : -EPERM
    default: return type < 0 || type > 10 ? -EINVAL : -ESOCKTNOSUPPORT
  }
}

const makeInet = (task: Task, type: number, protocol: number): InetSocket => {
  const net = netOf(task)
  const made = makeInetSocket(net, (type & SOCK_TYPE_MASK) as InetSocketType, protocol, task.credentials.euid)
  if (made.type !== SOCK_RAW) return made
  // Raw sockets have no ports: they are found by their protocol, which is shown in the port's place.
  made.local = { address: 0, port: protocol }
  net.inet.raw.add(made)
  return made
}

const socket = (kernel: Kernel, task: Task, args: Args): number => {
  if (int32(args[0]) === AF_INET) {
    const protocol = checkInetType(task, int32(args[1]), int32(args[2]))
    return protocol < 0 ? protocol : install(kernel, task, makeInet(task, int32(args[1]), protocol), int32(args[1]))
  }
  if (int32(args[0]) === AF_PACKET && (int32(args[1]) & ~SOCK_TYPE_MASK & ~TYPE_FLAGS) === 0) {
    const type = int32(args[1]) & SOCK_TYPE_MASK
    if (!hasNetCapability(task, CAP_NET_RAW)) return -EPERM
    if (type !== SOCK_RAW && type !== SOCK_DGRAM) return -ESOCKTNOSUPPORT
    // The protocol is an Ethertype, most significant byte first.
    const protocol = uint32(args[2]) & 0xffff
    return install(kernel, task, makePacketSocket(netOf(task), type, (protocol >> 8) | ((protocol & 0xff) << 8)), int32(args[1]))
  }
  if (int32(args[0]) === AF_NETLINK && (int32(args[1]) & ~SOCK_TYPE_MASK & ~TYPE_FLAGS) === 0) {
    const type = int32(args[1]) & SOCK_TYPE_MASK
    if (type !== SOCK_RAW && type !== SOCK_DGRAM) return -ESOCKTNOSUPPORT
    // NETLINK_ROUTE is the only protocol.
    return int32(args[2]) === 0 ? install(kernel, task, makeNetlinkSocket(netOf(task), type), int32(args[1])) : -EPROTONOSUPPORT
  }
  const type = checkType(int32(args[0]), int32(args[1]), int32(args[2]))
  return isType(type) ? install(kernel, task, makeUnixSocket(netOf(task), type), int32(args[1])) : type
}

const socketpair = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = int32(args[1])
  if ((flags & ~(SOCK_TYPE_MASK | TYPE_FLAGS)) !== 0) return -EINVAL
  // Linux has the numbers, and writes them, before it makes the sockets.
  if (!hasFreeDescriptors(task)) return -EMFILE
  if (kernel.user(task).accessible(args[3], 8, ACCESS_WRITE) < 8) return -EFAULT
  // IPv4 has no pairs.
  if (int32(args[0]) === AF_INET) {
    const inet = checkInetType(task, flags, int32(args[2]))
    return inet >= 0 ? -EOPNOTSUPP : inet
  }
  const type = checkType(int32(args[0]), flags, int32(args[2]))
  if (!isType(type)) return type
  const a = makeUnixSocket(netOf(task), type)
  const b = makeUnixSocket(netOf(task), type)
  connectPair(task, a, b)
  const first = install(kernel, task, a, flags)
  if (first < 0) {
    releaseFile(kernel, makeFile(kernel, task, b, flags))
    return first
  }
  const second = install(kernel, task, b, flags)
  if (second < 0) {
    closeDescriptor(kernel, task, first)
    return second
  }
  const user = kernel.user(task)
  try {
    user.setU32(args[3], first)
    user.setU32(args[3] + 4, second)
  } catch (error) {
    closeDescriptor(kernel, task, first)
    closeDescriptor(kernel, task, second)
    throw error
  }
  return 0
}

// ——— Arguments ———

/** The file of a socket's descriptor, or a negative errno. */
const socketFile = (task: Task, fd: number): OpenFile | number => {
  const file = getFile(task, int32(fd))
  if (file === undefined) {
    const path = getAnyFile(task, int32(fd))
    return path !== undefined && (path.flags & O_PATH) === 0 ? -ENOTSOCK : -EBADF
  }
  return file.kind === 'socket' ? file : -ENOTSOCK
}

/** sizeof(struct sockaddr_storage). */
const ADDRESS_LIMIT = 128

/** struct sockaddr as given, or −EINVAL for a length that none can have. @throws BadAddress */
const readAddress = (kernel: Kernel, task: Task, address: number, length: number): Uint8Array | number =>
  length < 0 || length > ADDRESS_LIMIT ? -EINVAL : kernel.user(task).read(address, length)

/** Gives an address back: cut to the caller's buffer, with its true length. */
const writeAddress = (kernel: Kernel, task: Task, address: number, lengthAddress: number, bytes: Uint8Array): number => {
  const user = kernel.user(task)
  const room = user.i32(lengthAddress)
  if (room < 0) return -EINVAL
  user.write(address, bytes.subarray(0, room))
  user.setU32(lengthAddress, bytes.length)
  return 0
}

// ——— Names and connections ———

const bind = (kernel: Kernel, task: Task, args: Args): number => {
  const file = socketFile(task, args[0])
  if (typeof file === 'number') return file
  const address = readAddress(kernel, task, args[1], int32(args[2]))
  return typeof address === 'number' ? address : familyOf(socketOf(file)).bind(kernel, task, socketOf(file), address)
}

const connect = (kernel: Kernel, task: Task, args: Args): number => {
  const file = socketFile(task, args[0])
  if (file === -EBADF) return file
  const address = readAddress(kernel, task, args[1], int32(args[2]))
  if (typeof address === 'number') return address
  return typeof file === 'number' ? file : familyOf(socketOf(file)).connect(kernel, task, file, socketOf(file), address)
}

const listen = (kernel: Kernel, task: Task, args: Args): number => {
  const file = socketFile(task, args[0])
  return typeof file === 'number' ? file : familyOf(socketOf(file)).listen(kernel, task, socketOf(file), int32(args[1]))
}

const accept = (kernel: Kernel, task: Task, args: Args, flags: number): number => {
  const file = socketFile(task, args[0])
  if (file === -EBADF) return file
  if ((flags & ~TYPE_FLAGS) !== 0) return -EINVAL
  if (!hasFreeDescriptor(task)) return -EMFILE
  if (typeof file === 'number') return file
  const listener = socketOf(file)
  const accepted = familyOf(listener).accept(kernel, task, file, listener)
  if (typeof accepted === 'number') return accepted
  const fd = install(kernel, task, accepted, flags)
  if (fd < 0 || args[1] === 0) return fd
  const name = familyOf(accepted).peerName(kernel, accepted)
  try {
    const error = writeAddress(kernel, task, args[1], args[2], typeof name === 'number' ? new Uint8Array(2) : name)
    if (error < 0) closeDescriptor(kernel, task, fd)
    return error < 0 ? error : fd
  } catch (error) {
    closeDescriptor(kernel, task, fd)
    throw error
  }
}

const nameCall = (kernel: Kernel, task: Task, args: Args, which: 'localName' | 'peerName'): number => {
  const file = socketFile(task, args[0])
  if (typeof file === 'number') return file
  const name = familyOf(socketOf(file))[which](kernel, socketOf(file))
  return typeof name === 'number' ? name : writeAddress(kernel, task, args[1], args[2], name)
}

const shutdown = (kernel: Kernel, task: Task, args: Args): number => {
  const file = socketFile(task, args[0])
  return typeof file === 'number' ? file : familyOf(socketOf(file)).shutdown(kernel, socketOf(file), int32(args[1]))
}

// ——— Options ———

const OPTION_LIMIT = 1 << 16

const setsockopt = (kernel: Kernel, task: Task, args: Args): number => {
  const length = int32(args[4])
  if (length < 0) return -EINVAL
  const file = socketFile(task, args[0])
  if (typeof file === 'number') return file
  const value = kernel.user(task).read(args[3], Math.min(length, OPTION_LIMIT))
  return familyOf(socketOf(file)).setOption(kernel, task, socketOf(file), int32(args[1]), int32(args[2]), value)
}

const getsockopt = (kernel: Kernel, task: Task, args: Args): number => {
  const file = socketFile(task, args[0])
  if (typeof file === 'number') return file
  const user = kernel.user(task)
  const room = user.i32(args[4])
  if (room < 0) return -EINVAL
  const value = familyOf(socketOf(file)).getOption(kernel, task, socketOf(file), int32(args[1]), int32(args[2]))
  if (typeof value === 'number') return value
  if (int32(args[1]) === IPPROTO_IP && room > 0 && room < 4 && value.length === 4 && value[1] === 0 && value[2] === 0 && value[3] === 0) {
    // Small numbers fit into a byte (do_ip_getsockopt).
    user.write(args[3], value.subarray(0, 1))
    user.setU32(args[4], 1)
    return 0
  }
  user.write(args[3], value.subarray(0, room))
  user.setU32(args[4], Math.min(value.length, room))
  return 0
}

// ——— Sending ———

/** Bytes of the vector, in one piece. @throws BadAddress */
const gather = (kernel: Kernel, task: Task, segments: readonly Segment[]): Uint8Array => {
  const user = kernel.user(task)
  if (segments.length === 1) return user.read(segments[0].address, segments[0].length)
  const bytes = new Uint8Array(segments.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const { address, length } of segments) {
    bytes.set(user.read(address, length), at)
    at += length
  }
  return bytes
}

const send = (kernel: Kernel, task: Task, file: OpenFile, message: Outgoing): number =>
  familyOf(socketOf(file)).send(kernel, task, file, socketOf(file), message)

const sendto = (kernel: Kernel, task: Task, args: Args): number => {
  const length = Math.min(uint64(args[2]), MAX_TRANSFER)
  if (!isUserRange(args[1], length)) return -EFAULT
  const file = socketFile(task, args[0])
  if (typeof file === 'number') return file
  const address = args[4] === 0 ? undefined : readAddress(kernel, task, args[4], int32(args[5]))
  if (typeof address === 'number') return address
  const message = { address, files: [], credentials: undefined, flags: uint32(args[3]) }
  try {
    return send(kernel, task, file, { ...message, bytes: kernel.user(task).read(args[1], length) })
  } catch (error) {
    if (!(error instanceof BadAddress)) throw error
    return refusalOfSend(kernel, task, file, message, length)
  }
}

const CMSG_HEAD = 16
const cmsgAlign = (length: number): number => (length + 7) & ~7

interface Control { files: OpenFile[], credentials: PeerCredentials | undefined, others: ControlMessage[] }

/** SCM_CREDENTIALS as sent: others' ids are for the privileged (scm_check_creds). */
const checkCredentials = (task: Task, { pid, uid, gid }: PeerCredentials): boolean => {
  const c = task.credentials
  return (pid === task.group.tgid || hasCapabilityIn(task, task.namespaces.pid.owner, CAP_SYS_ADMIN)) &&
    (uid === c.uid || uid === c.euid || uid === c.suid || hasCapabilityIn(task, c.user, CAP_SETUID)) &&
    (gid === c.gid || gid === c.egid || gid === c.sgid || hasCapabilityIn(task, c.user, CAP_SETGID))
}

/** Control messages, or a negative errno. */
const parseControl = (task: Task, bytes: Uint8Array, isUnix: boolean): Control | number => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const control: Control = { files: [], credentials: undefined, others: [] }
  for (let at = 0; at + CMSG_HEAD <= bytes.length;) {
    const length = view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000
    if (length < CMSG_HEAD || at + length > bytes.length) return -EINVAL
    const level = view.getInt32(at + 8, true)
    const type = view.getInt32(at + 12, true)
    if (level === SOL_SOCKET) {
      if ((type === SCM_RIGHTS || type === SCM_CREDENTIALS) && !isUnix) {
        // Others take no notice of what is for Unix sockets (__sock_cmsg_send).
      } else if (type === SCM_RIGHTS) {
        const count = Math.floor((length - CMSG_HEAD) / 4)
        if (count + control.files.length > SCM_MAX_FD) return -EINVAL
        for (let i = 0; i < count; i++) {
          const file = getAnyFile(task, view.getInt32(at + CMSG_HEAD + i * 4, true))
          if (file === undefined) return -EBADF
          control.files.push(file)
        }
      } else if (type === SCM_CREDENTIALS) {
        if (length !== CMSG_HEAD + 12) return -EINVAL
        const { user } = task.credentials
        const credentials = {
          pid: kernelPid(task.namespaces.pid, view.getInt32(at + CMSG_HEAD, true)), uid: kernelUid(user, view.getUint32(at + CMSG_HEAD + 4, true)),
          gid: kernelGid(user, view.getUint32(at + CMSG_HEAD + 8, true)),
        }
        if (credentials.uid < 0 || credentials.gid < 0) return -EINVAL
        if (!checkCredentials(task, credentials)) return -EPERM
        control.credentials = credentials
      } else return -EINVAL
    } else control.others.push({ level, type, data: bytes.slice(at + CMSG_HEAD, at + length) })
    at += cmsgAlign(length)
  }
  return control
}

/** struct msghdr's fields by offset. */
interface MessageHeader {
  readonly name: number
  readonly nameLength: number
  readonly segments: Segment[]
  readonly control: number
  readonly controlLength: number
}

const readHeader = (kernel: Kernel, task: Task, address: number): MessageHeader | number => {
  const user = kernel.user(task)
  const nameLength = user.i32(address + 8)
  if (nameLength < 0) return -EINVAL
  const count = user.i64(address + 24)
  if (count < 0 || count > 1024) return -EMSGSIZE
  const segments = readVector(kernel, task, user.i64(address + 16), count)
  if (typeof segments === 'number') return segments
  return { name: user.i64(address), nameLength: Math.min(nameLength, ADDRESS_LIMIT), segments, control: user.i64(address + 32), controlLength: uint64(user.i64(address + 40)) }
}

const CONTROL_LIMIT = 20_480

const sendHeader = (kernel: Kernel, task: Task, file: OpenFile, address: number, flags: number): number => {
  const header = readHeader(kernel, task, address)
  if (typeof header === 'number') return header
  const user = kernel.user(task)
  const name = header.name === 0 || header.nameLength === 0 ? undefined : user.read(header.name, header.nameLength)
  let control: Control | number = { files: [], credentials: undefined, others: [] }
  if (header.controlLength > 0) {
    if (header.controlLength > CONTROL_LIMIT) return -ENOBUFS
    const bytes = user.read(header.control, header.controlLength)
    const socket = socketOf(file)
    // Looked at before the messages are (unix_seqpacket_sendmsg).
    if (socket.kind === 'unix' && socket.type === SOCK_SEQPACKET) {
      if (socket.error !== 0) return -takeError(socket)
      if (socket.peer === undefined) return -ENOTCONN
    }
    control = parseControl(task, bytes, socket.kind === 'unix')
    if (typeof control === 'number') {
      // Whether a TCP socket can send at all, and to where a datagram goes, is looked at before (tcp_sendmsg_locked, udp_sendmsg).
      const refused = socket.kind === 'inet' && (socket.type === SOCK_STREAM || socket.protocol === IPPROTO_UDP)
        ? send(kernel, task, file, { bytes: NOTHING, address: name, files: [], credentials: undefined, control: [], flags, probes: header.segments.reduce((sum, { length }) => sum + length, 0) }) : 0
      return refused < 0 ? refused : control
    }
  }
  const message = { address: name, files: control.files, credentials: control.credentials, control: control.others, flags }
  let bytes: Uint8Array
  try {
    bytes = gather(kernel, task, header.segments)
  } catch (error) {
    if (!(error instanceof BadAddress)) throw error
    return refusalOfSend(kernel, task, file, message, header.segments.reduce((sum, { length }) => sum + length, 0))
  }
  return send(kernel, task, file, { ...message, bytes })
}

const sendmsg = (kernel: Kernel, task: Task, args: Args): number => {
  const file = socketFile(task, args[0])
  return typeof file === 'number' ? file : sendHeader(kernel, task, file, args[1], uint32(args[2]))
}

/** What the calls for several messages remember between tries. */
interface SeveralMemory { messages?: number, deadline?: number }
const severalDone = (task: Task): SeveralMemory => (task.syscall?.memory ?? {}) as SeveralMemory
const rememberSeveral = (task: Task, memory: SeveralMemory): void => {
  if (task.syscall !== undefined) task.syscall.memory = { ...(task.syscall.memory as object | undefined), ...memory }
}

const MMSGHDR_SIZE = 64, MMSGHDR_LENGTH = 56
const MESSAGES_LIMIT = 1024

/** One message of a call that moves several: its length goes into its header; `done` is kept if it must wait. */
const oneOfSeveral = (kernel: Kernel, task: Task, address: number, done: number, move: () => number): number => {
  try {
    const result = move()
    if (result === BLOCKED) rememberSeveral(task, { messages: done })
    else if (result >= 0) kernel.user(task).setU32(address + MMSGHDR_LENGTH, result)
    return result
  } catch (error) {
    if (!(error instanceof BadAddress)) throw error
    return -EFAULT
  }
}

const sendmmsg = (kernel: Kernel, task: Task, args: Args): number => {
  const file = socketFile(task, args[0])
  if (typeof file === 'number') return file
  const count = Math.min(uint32(args[2]), MESSAGES_LIMIT)
  let done = severalDone(task).messages ?? 0
  while (done < count) {
    const address = args[1] + done * MMSGHDR_SIZE
    const result = oneOfSeveral(kernel, task, address, done, () => sendHeader(kernel, task, file, address, uint32(args[3])))
    if (result === BLOCKED) return result
    if (result < 0) return done > 0 ? done : result
    done++
  }
  return done
}

// ——— Receiving ———

/** Spreads bytes over the vector from `offset` of it on. */
const scatter = (kernel: Kernel, task: Task, segments: readonly Segment[], bytes: Uint8Array, offset: number): void => {
  const user = kernel.user(task)
  let skip = offset
  let at = 0
  for (const { address, length } of segments) {
    if (skip >= length) {
      skip -= length
      continue
    }
    const count = Math.min(length - skip, bytes.length - at)
    user.write(address + skip, bytes.subarray(at, at + count))
    at += count
    skip = 0
    if (at === bytes.length) return
  }
}

interface ReceiveMemory { received?: number }

interface Received {
  readonly result: number
  readonly address: Uint8Array
  readonly files: readonly OpenFile[]
  readonly credentials: PeerCredentials | undefined
  readonly control: readonly ControlMessage[]
  readonly flags: number
}

const NOTHING = new Uint8Array(0)
const NO_CONTROL: readonly ControlMessage[] = []
const failed = (result: number): Received => ({ result, address: NOTHING, files: [], credentials: undefined, control: NO_CONTROL, flags: 0 })

/** How much of a buffer is filled by a Unix stream: a message goes whole before a bad page or not at all (unix_stream_read_generic). */
const roomOfStream = (kernel: Kernel, task: Task, socket: Socket, segments: readonly Segment[], room: number): number => {
  if (socket.kind !== 'unix' || socket.type !== SOCK_STREAM || socket.queue.length === 0) return room
  const user = kernel.user(task)
  let good = 0
  for (const { address, length } of segments) {
    const part = user.accessible(address, length, ACCESS_WRITE)
    good += part
    if (part < length) break
  }
  if (good === room) return room
  const part = readablePart(socket, good, room)
  return part === 0 ? -EFAULT : part
}

/** One message, or bytes of a stream: with MSG_WAITALL until the buffer is full. */
const receive = (kernel: Kernel, task: Task, file: OpenFile, segments: readonly Segment[], flags: number): Received => {
  const socket = socketOf(file)
  const room = segments.reduce((sum, { length }) => sum + length, 0)
  const waitsForAll = (flags & MSG_WAITALL) !== 0 && socket.type === SOCK_STREAM
  const { syscall } = task
  let done = (syscall?.memory as ReceiveMemory | undefined)?.received ?? 0
  let last = failed(done)
  const most = done > 0 ? room : roomOfStream(kernel, task, socket, segments, room)
  if (most < 0) return failed(most)
  const finish = (received: Received): Received => {
    if (syscall?.memory !== undefined) (syscall.memory as ReceiveMemory).received = 0
    return received
  }
  for (;;) {
    const incoming = familyOf(socket).receive(kernel, task, file, socket, most - done, flags)
    if (typeof incoming === 'number') {
      if (incoming === BLOCKED && done > 0 && syscall !== undefined) syscall.memory = { ...(syscall.memory as object | undefined), received: done }
      if (incoming === BLOCKED) return failed(BLOCKED)
      return finish(done > 0 ? { ...last, result: done } : failed(incoming))
    }
    scatter(kernel, task, segments, incoming.bytes, done)
    // What MSG_TRUNC throws away of a stream counts (tcp(7)).
    done += socket.type === SOCK_STREAM ? incoming.length : incoming.bytes.length
    const isWhole = (flags & MSG_TRUNC) !== 0 && socket.type !== SOCK_STREAM
    last = { result: isWhole ? incoming.length : done, address: incoming.address, files: incoming.files, credentials: incoming.credentials, control: incoming.control ?? NO_CONTROL, flags: incoming.flags }
    if (!waitsForAll || done === most || incoming.bytes.length === 0 || incoming.files.length > 0) return finish(last)
  }
}

const recvfrom = (kernel: Kernel, task: Task, args: Args): number => {
  const length = Math.min(uint64(args[2]), MAX_TRANSFER)
  if (!isUserRange(args[1], length)) return -EFAULT
  const file = socketFile(task, args[0])
  if (typeof file === 'number') return file
  const { result, address, files } = receive(kernel, task, file, [{ address: args[1], length }], uint32(args[3]))
  for (const other of files) releaseFile(kernel, other)
  if (result < 0) return result
  if (args[4] !== 0) {
    const error = writeAddress(kernel, task, args[4], args[5], address)
    if (error < 0) return error
  }
  return result
}

/** Writes control messages into the caller's buffer as far as they fit. */
class ControlWriter {
  readonly #kernel: Kernel
  readonly #task: Task
  readonly #start: number
  readonly #room: number
  used = 0
  flags = 0

  constructor(kernel: Kernel, task: Task, start: number, room: number) {
    this.#kernel = kernel
    this.#task = task
    this.#start = start
    this.#room = room
  }

  get left(): number { return this.#room - this.used }

  put(type: number, data: Uint8Array, level = SOL_SOCKET): void {
    const user = this.#kernel.user(this.#task)
    if (this.left < CMSG_HEAD) {
      this.flags |= MSG_CTRUNC
      return
    }
    let length = CMSG_HEAD + data.length
    if (length > this.left) {
      this.flags |= MSG_CTRUNC
      length = this.left
    }
    const at = this.#start + this.used
    user.setI64(at, length)
    user.setU32(at + 8, level)
    user.setU32(at + 12, type)
    user.write(at + CMSG_HEAD, data.subarray(0, length - CMSG_HEAD))
    this.used = Math.min(this.used + cmsgAlign(length), this.#room)
  }
}

/** SCM_RIGHTS: as many descriptors as fit and may be open; the others are closed. */
const putFiles = (kernel: Kernel, task: Task, control: ControlWriter, files: readonly OpenFile[], closeOnExec: boolean): void => {
  const fits = Math.max(Math.floor((control.left - CMSG_HEAD) / 4), 0)
  const fds: number[] = []
  for (const file of files) {
    const fd = fds.length < fits && control.flags === 0 ? installFile(kernel, task, file, closeOnExec) : -1
    if (fd >= 0) fds.push(fd)
    else {
      control.flags |= MSG_CTRUNC
      releaseFile(kernel, file)
    }
  }
  if (fds.length > 0) control.put(SCM_RIGHTS, new Uint8Array(Int32Array.from(fds).buffer))
}

const receiveHeader = (kernel: Kernel, task: Task, file: OpenFile, address: number, flags: number): number => {
  const header = readHeader(kernel, task, address)
  if (typeof header === 'number') return header
  const received = receive(kernel, task, file, header.segments, flags)
  const { result, files, credentials } = received
  if (result < 0) return result
  const user = kernel.user(task)
  const control = new ControlWriter(kernel, task, header.control, header.control === 0 ? 0 : header.controlLength)
  const socket = socketOf(file)
  if (socket.passCredentials) {
    const { user } = task.credentials
    const pid = credentials === undefined ? 0 : seenBy(task, credentials.pid)
    const uid = credentials === undefined ? 65_534 : shownUid(user, credentials.uid)
    const gid = credentials === undefined ? 65_534 : shownGid(user, credentials.gid)
    control.put(SCM_CREDENTIALS, new Uint8Array(Int32Array.of(pid, uid, gid).buffer))
  }
  for (const { level, type, data } of received.control) control.put(type, data, level)
  if (files.length > 0) putFiles(kernel, task, control, files, (flags & MSG_CMSG_CLOEXEC) !== 0)
  if (header.name !== 0) {
    user.write(header.name, received.address.subarray(0, header.nameLength))
    user.setU32(address + 8, received.address.length)
  }
  user.setI64(address + 40, control.used)
  user.setU32(address + 48, received.flags | control.flags | (flags & MSG_CMSG_CLOEXEC))
  return result
}

const recvmsg = (kernel: Kernel, task: Task, args: Args): number => {
  const file = socketFile(task, args[0])
  return typeof file === 'number' ? file : receiveHeader(kernel, task, file, args[1], uint32(args[2]))
}

const recvmmsg = (kernel: Kernel, task: Task, args: Args): number => {
  const file = socketFile(task, args[0])
  if (typeof file === 'number') return file
  const count = Math.min(uint32(args[2]), MESSAGES_LIMIT)
  const user = kernel.user(task)
  const memory = severalDone(task)
  let deadline = memory.deadline
  if (deadline === undefined) {
    const timeout = args[4] === 0 ? undefined : readTimespec(user, args[4])
    if (typeof timeout === 'number') return timeout
    deadline = timeout === undefined ? Infinity : deadlineAfter(kernel, timeout)
    rememberSeveral(task, { deadline })
  }
  let done = memory.messages ?? 0
  const socket = socketOf(file)
  // Before there is a message to be asked for (do_recvmmsg).
  if (done === 0 && socket.error !== 0 && (uint32(args[3]) & MSG_ERRQUEUE) === 0) return -takeError(socket)
  while (done < count) {
    const flags = uint32(args[3])
    const nonBlocking = done > 0 && (flags & MSG_WAITFORONE) !== 0 ? MSG_DONTWAIT : 0
    const address = args[1] + done * MMSGHDR_SIZE
    const result = oneOfSeveral(kernel, task, address, done, () => receiveHeader(kernel, task, file, address, (flags & ~MSG_WAITFORONE) | nonBlocking))
    if (result === BLOCKED) return result
    if (result < 0) return done > 0 ? done : result
    done++
    // The timeout is looked at after each message only (recvmmsg(2), 'BUGS').
    if (kernel.now >= deadline) break
  }
  return done
}

const FAMILY_NOTE = 'AF_UNIX, AF_INET, AF_PACKET and NETLINK_ROUTE; other families fail with EAFNOSUPPORT'

export const socketCalls: readonly SyscallEntry[] = [
  { number: 41, name: 'socket', args: ['family:enum(AF)', 'type:enum(SOCK)', 'protocol:int'], handler: socket, status: 'partial', note: FAMILY_NOTE },
  { number: 42, name: 'connect', args: ['fd:fd', 'uservaddr:in[2]', 'addrlen:int'], handler: connect, status: 'full' },
  { number: 43, name: 'accept', args: ['fd:fd', 'upeer_sockaddr:pointer', 'upeer_addrlen:pointer'], handler: (kernel, task, args) => accept(kernel, task, args, 0), status: 'full' },
  { number: 44, name: 'sendto', args: ['fd:fd', 'buff:in[2]', 'len:size', 'flags:flags(MSG)', 'addr:in[5]', 'addr_len:int'], handler: sendto, status: 'full' },
  { number: 45, name: 'recvfrom', args: ['fd:fd', 'ubuf:out[2]', 'size:size', 'flags:flags(MSG)', 'addr:pointer', 'addr_len:pointer'], handler: recvfrom, status: 'full' },
  { number: 46, name: 'sendmsg', args: ['fd:fd', 'msg:struct(msghdr)', 'flags:flags(MSG)'], handler: sendmsg, status: 'full' },
  { number: 47, name: 'recvmsg', args: ['fd:fd', 'msg:struct(msghdr)*', 'flags:flags(MSG)'], handler: recvmsg, status: 'full' },
  { number: 48, name: 'shutdown', args: ['fd:fd', 'how:enum(SHUT)'], handler: shutdown, status: 'full' },
  { number: 49, name: 'bind', args: ['fd:fd', 'umyaddr:in[2]', 'addrlen:int'], handler: bind, status: 'full' },
  { number: 50, name: 'listen', args: ['fd:fd', 'backlog:int'], handler: listen, status: 'full' },
  { number: 51, name: 'getsockname', args: ['fd:fd', 'usockaddr:pointer', 'usockaddr_len:pointer'], handler: (kernel, task, args) => nameCall(kernel, task, args, 'localName'), status: 'full' },
  { number: 52, name: 'getpeername', args: ['fd:fd', 'usockaddr:pointer', 'usockaddr_len:pointer'], handler: (kernel, task, args) => nameCall(kernel, task, args, 'peerName'), status: 'full' },
  { number: 53, name: 'socketpair', args: ['family:enum(AF)', 'type:enum(SOCK)', 'protocol:int', 'usockvec:out[8]'], handler: socketpair, status: 'partial', note: FAMILY_NOTE },
  { number: 54, name: 'setsockopt', args: ['fd:fd', 'level:int', 'optname:enum(SO)', 'optval:in[4]', 'optlen:int'], handler: setsockopt, status: 'full', note: 'SO_PASSCRED is for Unix and netlink sockets, as in Linux 6.16' },
  { number: 55, name: 'getsockopt', args: ['fd:fd', 'level:int', 'optname:enum(SO)', 'optval:pointer', 'optlen:pointer'], handler: getsockopt, status: 'full' },
  { number: 288, name: 'accept4', args: ['fd:fd', 'upeer_sockaddr:pointer', 'upeer_addrlen:pointer', 'flags:flags(SOCK)'], handler: (kernel, task, args) => accept(kernel, task, args, int32(args[3])), status: 'full' },
  { number: 299, name: 'recvmmsg', args: ['fd:fd', 'mmsg:pointer', 'vlen:uint', 'flags:flags(MSG)', 'timeout:struct(timespec)'], handler: recvmmsg, status: 'full' },
  { number: 307, name: 'sendmmsg', args: ['fd:fd', 'mmsg:pointer', 'vlen:uint', 'flags:flags(MSG)'], handler: sendmmsg, status: 'full' },
]
