/** What sockets have that connect to nobody (netlink and packet sockets), beside what is their own: all that options and calls of any family ask for. */
import { waitQueue, type WaitQueue } from '../wait-queue.ts'
import type { PeerCredentials } from './socket.ts'

export interface PlainSocket {
  ino: number
  error: number
  readonly listening: false
  sendBuffer: number
  receiveBuffer: number
  sendTimeout: number
  receiveTimeout: number
  readonly options: Map<number, number>
  readonly readable: WaitQueue
  readonly writable: WaitQueue
  passCredentials: boolean
  readonly peerCredentials: PeerCredentials | undefined
  readonly peerGroups: readonly number[]
}

/** net.core.wmem_default and rmem_default. */
const BUFFER = 212_992

export const plainSocket = (): PlainSocket => ({
  ino: 0, error: 0, listening: false, sendBuffer: BUFFER, receiveBuffer: BUFFER, sendTimeout: 0, receiveTimeout: 0, options: new Map(), readable: waitQueue(), writable: waitQueue(),
  passCredentials: false, peerCredentials: undefined, peerGroups: [],
})
