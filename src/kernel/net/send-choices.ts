/** What the sender of a datagram chooses: by options of the socket, or by control messages with the datagram (ip_cmsg_send). */
import { EINVAL } from '../abi/errno.ts'
import { IPPROTO_IP } from '../abi/sockets.ts'
import { type InetSocket, optionKey } from './inet.ts'
import { ANY, get32 } from './ipv4.ts'
import type { Outgoing } from './socket.ts'
import { tosOf, ttlOf } from './tcp/output.ts'

export interface Choices {
  readonly source: number
  /** Index of the interface, 0: as the route says. */
  readonly device: number
  readonly ttl: number
  readonly tos: number
  /** Whether this host's own members of the group get it. */
  readonly loops: boolean
}

const IP_TOS = 1, IP_TTL = 2, IP_PKTINFO = 8, IP_MULTICAST_IF = 32, IP_MULTICAST_TTL = 33, IP_MULTICAST_LOOP = 34

export const choicesOf = (socket: InetSocket, message: Outgoing, isToGroup: boolean): Choices | number => {
  const option = (number: number, otherwise: number): number => socket.options.get(optionKey(IPPROTO_IP, number)) ?? otherwise
  let source = ANY, device = isToGroup ? option(IP_MULTICAST_IF, 0) : 0
  let ttl = isToGroup ? option(IP_MULTICAST_TTL, 1) : ttlOf(socket)
  let tos = tosOf(socket)
  for (const { level, type, data } of message.control ?? []) {
    if (level !== IPPROTO_IP) continue
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
    if (type === IP_PKTINFO) {
      if (data.length !== 12) return -EINVAL
      if (view.getInt32(0, true) !== 0) device = view.getInt32(0, true)
      source = get32(data, 4)
    } else if (type === IP_TTL) {
      if (data.length !== 4 || view.getInt32(0, true) < 1 || view.getInt32(0, true) > 255) return -EINVAL
      ttl = view.getInt32(0, true)
    } else if (type === IP_TOS) {
      if (data.length !== 4 && data.length !== 1) return -EINVAL
      tos = data[0]
    } else return -EINVAL
  }
  return { source, device, ttl, tos, loops: option(IP_MULTICAST_LOOP, 1) !== 0 }
}
