/** IPv4 packets on their way out. */
import { EMSGSIZE } from '../abi/errno.ts'
import type { Kernel } from '../kernel.ts'
import { sendToNeighbour } from './arp.ts'
import { nextId, sendToLoopback } from './backlog.ts'
import { isLoopbackDevice, type NetInterface } from './device.ts'
import { BROADCAST_MAC, encodeFrame, ETHERTYPE_IP, multicastMac } from './ethernet.ts'
import { encodeIp, IP_HEADER, type IpPacket, NO_OPTIONS } from './ipv4.ts'
import { sendFrame } from './link.ts'
import type { NetNamespace } from './namespace.ts'
import type { Path } from './route.ts'

export interface Outbound {
  readonly source: number
  readonly destination: number
  readonly protocol: number
  readonly ttl: number
  readonly tos: number
  readonly dontFragment: boolean
  readonly options?: Uint8Array
  readonly payload: Uint8Array
}

const transmit = (kernel: Kernel, path: Path, packet: Uint8Array): void => {
  const { device, nextHop, kind } = path
  if (kind === 'broadcast') sendFrame(kernel, device, encodeFrame(BROADCAST_MAC, device.mac, ETHERTYPE_IP, packet))
  else if (kind === 'multicast') sendFrame(kernel, device, encodeFrame(multicastMac(nextHop), device.mac, ETHERTYPE_IP, packet))
  else sendToNeighbour(kernel, device, nextHop, packet)
}

/** net.ipv4.route.mtu_expires, and its min_pmtu. */
const MTU_SECONDS = 600, LEAST_MTU = 552

/** ICMP told that packets to a host must be smaller. */
export const learnMtu = (kernel: Kernel, net: NetNamespace, destination: number, mtu: number): void => {
  net.pathMtus.set(destination, { mtu: Math.max(mtu, LEAST_MTU), until: kernel.now + MTU_SECONDS * kernel.config.cpuHz })
}

export const mtuTo = (kernel: Kernel, net: NetNamespace, device: NetInterface, destination: number): number => {
  const known = net.pathMtus.size > 0 ? net.pathMtus.get(destination) : undefined
  if (known === undefined) return device.mtu
  if (known.until > kernel.now) return Math.min(known.mtu, device.mtu)
  net.pathMtus.delete(destination)
  return device.mtu
}

const fragment = (kernel: Kernel, net: NetNamespace, path: Path, packet: IpPacket, mtu: number): void => {
  // The first has all options; the others would have those that are copied, of which we send none.
  const room = (mtu - IP_HEADER - packet.options.length) & ~7
  const { payload } = packet
  for (let at = 0; at < payload.length; at += room) {
    const part = payload.subarray(at, at + room)
    net.counters.ip.FragCreates++
    transmit(kernel, path, encodeIp({ ...packet, payload: part, offset: packet.offset + at, moreFragments: packet.moreFragments || at + room < payload.length }))
  }
  net.counters.ip.FragOKs++
}

/** Sends a packet that is complete, forwarded ones included. 0, or −EMSGSIZE if it must not be fragmented. */
export const sendPacket = (kernel: Kernel, net: NetNamespace, path: Path, packet: IpPacket): number => {
  if (isLoopbackDevice(path.device)) {
    sendToLoopback(kernel, net, packet)
    return 0
  }
  const size = IP_HEADER + packet.options.length + packet.payload.length
  const mtu = mtuTo(kernel, net, path.device, packet.destination)
  if (size <= mtu) transmit(kernel, path, encodeIp(packet))
  else if (packet.dontFragment) {
    net.counters.ip.FragFails++
    return -EMSGSIZE
  } else fragment(kernel, net, path, packet, mtu)
  return 0
}

/** Sends what a protocol of this host has to say. */
export const sendIp = (kernel: Kernel, net: NetNamespace, path: Path, out: Outbound): number => {
  const { source, destination, protocol, ttl, tos, dontFragment, payload } = out
  const packet: IpPacket = { source, destination, protocol, ttl, tos, dontFragment, payload, id: nextId(net), moreFragments: false, offset: 0, options: out.options ?? NO_OPTIONS }
  if (!isLoopbackDevice(path.device)) net.counters.ip.OutRequests++
  const result = sendPacket(kernel, net, path, packet)
  // Who sends to all is one of them.
  if (path.kind === 'broadcast' && !isLoopbackDevice(path.device)) kernel.state.net.backlog.push({ net, what: packet })
  return result
}
