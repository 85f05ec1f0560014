/**
 * Sockets as the system calls see them, whatever their family (socket(2), socket(7)).
 *
 * To add a family: its socket type in the union below, its operations in a file of its own, a row in `families.ts`.
 */
import type { OpenFile } from '../fs/file.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import type { InetSocket } from './inet.ts'
import type { NetlinkSocket } from './netlink.ts'
import type { PacketSocket } from './packet.ts'
import type { UnixSocket } from './unix.ts'

export type Socket = UnixSocket | InetSocket | NetlinkSocket | PacketSocket

/** What an open description of kind 'socket' has as its data. */
export interface SocketData { readonly socket: Socket }
export const socketOf = (file: OpenFile): Socket => (file.data as SocketData).socket

/** struct ucred. */
export interface PeerCredentials { readonly pid: number, readonly uid: number, readonly gid: number }

/** A control message that is not of SOL_SOCKET's own (cmsg(3)). */
export interface ControlMessage { readonly level: number, readonly type: number, readonly data: Uint8Array }

/** A message to send, out of struct msghdr. */
export interface Outgoing {
  readonly bytes: Uint8Array
  /** struct sockaddr as given; undefined: none. */
  readonly address: Uint8Array | undefined
  /** SCM_RIGHTS; references are the message's once it is sent. */
  readonly files: readonly OpenFile[]
  /** SCM_CREDENTIALS, checked. */
  readonly credentials: PeerCredentials | undefined
  /** Of other levels: IP_PKTINFO and the like. */
  readonly control?: readonly ControlMessage[]
  /** MSG_*. */
  readonly flags: number
  /** Only whether so many bytes could be sent; `bytes` are not there. */
  readonly probes?: number
}

export interface Incoming {
  readonly bytes: Uint8Array
  /** struct sockaddr of the sender; empty: it has no name. */
  readonly address: Uint8Array
  /** Their references go to the receiver. */
  readonly files: readonly OpenFile[]
  readonly credentials: PeerCredentials | undefined
  readonly control?: readonly ControlMessage[]
  /** MSG_* for msg_flags: MSG_TRUNC, MSG_OOB, MSG_ERRQUEUE. */
  readonly flags: number
  /** Length of the whole message, of which `bytes` may be a part. */
  readonly length: number
}

/** What a family does for the calls. Results are as the calls', negative errno numbers or BLOCKED. */
export interface SocketOperations<S extends Socket> {
  bind(kernel: Kernel, task: Task, socket: S, address: Uint8Array): number
  connect(kernel: Kernel, task: Task, file: OpenFile, socket: S, address: Uint8Array): number
  listen(kernel: Kernel, task: Task, socket: S, backlog: number): number
  accept(kernel: Kernel, task: Task, file: OpenFile, socket: S): S | number
  /** struct sockaddr, or a negative errno. */
  localName(kernel: Kernel, socket: S): Uint8Array | number
  peerName(kernel: Kernel, socket: S): Uint8Array | number
  send(kernel: Kernel, task: Task, file: OpenFile, socket: S, message: Outgoing): number
  receive(kernel: Kernel, task: Task, file: OpenFile, socket: S, length: number, flags: number): Incoming | number
  shutdown(kernel: Kernel, socket: S, how: number): number
  getOption(kernel: Kernel, task: Task, socket: S, level: number, option: number): Uint8Array | number
  setOption(kernel: Kernel, task: Task, socket: S, level: number, option: number, value: Uint8Array): number
  poll(kernel: Kernel, socket: S): number
  ioctl(kernel: Kernel, task: Task, socket: S, command: number, argument: number): number
  release(kernel: Kernel, socket: S): void
}
