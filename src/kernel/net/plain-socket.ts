/** What sockets of all families have, as options and calls of any family ask for it; and what those have that connect to nobody (netlink and packet sockets). */
import { waitQueue, type WaitQueue } from '../wait-queue.ts'
import type { PeerCredentials } from './socket.ts'

export interface AnySocket {
  /** SO_ERROR, and what the next call fails with. */
  error: number
  sendBuffer: number
  receiveBuffer: number
  /** Cycles, 0: none. */
  sendTimeout: number
  receiveTimeout: number
  /** Options that are kept, by level << 16 | number; of IPv4 those of SOL_SOCKET by number alone. */
  readonly options: Map<number, number>
  readonly readable: WaitQueue
  readonly writable: WaitQueue
  /** SO_PASSCRED. */
  passCredentials: boolean
}

/** An error of the socket is told once. */
export const takeError = (socket: AnySocket): number => {
  const { error } = socket
  socket.error = 0
  return error
}

export interface PlainSocket extends AnySocket {
  ino: number
  readonly listening: false
  readonly peerCredentials: PeerCredentials | undefined
  readonly peerGroups: readonly number[]
}

/** net.core.wmem_default and rmem_default. */
const BUFFER = 212_992

export const plainSocket = (): PlainSocket => ({
  ino: 0, error: 0, listening: false, sendBuffer: BUFFER, receiveBuffer: BUFFER, sendTimeout: 0, receiveTimeout: 0, options: new Map(), readable: waitQueue(), writable: waitQueue(),
  passCredentials: false, peerCredentials: undefined, peerGroups: [],
})
