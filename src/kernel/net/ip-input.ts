/** IPv4 packets that arrive: for this host, or to be sent on. */
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../abi/sockets.ts'
import type { Kernel } from '../kernel.ts'
import { isBroadcastOf, localDevice, type NetInterface } from './device.ts'
import { reassemble } from './fragments.ts'
import { ICMP_FRAGMENTATION_NEEDED, ICMP_HOST_UNREACHABLE, ICMP_NET_UNREACHABLE, ICMP_PROTOCOL_UNREACHABLE, ICMP_TIME_EXCEEDED, ICMP_UNREACHABLE, inputIcmp, sendIcmpError } from './icmp.ts'
import { sendPacket } from './ip-output.ts'
import { BROADCAST, decodeIp, isLoopback, isMulticast, type IpPacket } from './ipv4.ts'
import type { NetNamespace } from './namespace.ts'
import { deliverRaw } from './raw.ts'
import { findPath } from './route.ts'
import { inputSegment } from './tcp/input.ts'
import { decodeSegment } from './tcp/segment.ts'
import { decodeDatagram, inputDatagram } from './udp.ts'

/** To the protocol it is for, and to raw sockets. */
export const deliverIp = (kernel: Kernel, net: NetNamespace, packet: IpPacket, device: NetInterface): void => {
  const { source, destination, payload, ttl, tos } = packet
  const wasRaw = deliverRaw(kernel, net, packet, device)
  switch (packet.protocol) {
    case IPPROTO_TCP: {
      const segment = decodeSegment(payload, source, destination, ttl, tos)
      if (segment !== undefined) inputSegment(kernel, net, segment, device)
      else {
        net.counters.tcp.InErrs++
        net.counters.tcp.InCsumErrors++
      }
      break
    }
    case IPPROTO_UDP: {
      const datagram = decodeDatagram(packet)
      if (datagram !== undefined) inputDatagram(kernel, net, datagram, device, packet)
      else {
        net.counters.udp.InErrors++
        net.counters.udp.InCsumErrors++
      }
      break
    }
    case IPPROTO_ICMP: inputIcmp(kernel, net, packet, device); break
    default:
      if (wasRaw) break
      net.counters.ip.InUnknownProtos++
      sendIcmpError(kernel, net, packet, ICMP_UNREACHABLE, ICMP_PROTOCOL_UNREACHABLE)
  }
}

const ALL_HOSTS = 0xe000_0001

const forward = (kernel: Kernel, net: NetNamespace, packet: IpPacket): void => {
  if (packet.ttl <= 1) {
    net.counters.ip.InHdrErrors++
    sendIcmpError(kernel, net, packet, ICMP_TIME_EXCEEDED, 0)
    return
  }
  const path = findPath(net, packet.destination)
  if (typeof path === 'number') {
    net.counters.ip.OutNoRoutes++
    sendIcmpError(kernel, net, packet, ICMP_UNREACHABLE, net.routes.length === 0 ? ICMP_NET_UNREACHABLE : ICMP_HOST_UNREACHABLE)
    return
  }
  net.counters.ip.ForwDatagrams++
  const result = sendPacket(kernel, net, path, { ...packet, ttl: packet.ttl - 1 })
  if (result < 0) sendIcmpError(kernel, net, packet, ICMP_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED, path.device.mtu)
}

export const receiveIp = (kernel: Kernel, device: NetInterface, frame: Uint8Array, at: number): void => {
  const { net } = device
  const { ip } = net.counters
  ip.InReceives++
  const packet = decodeIp(frame, at)
  if (packet === undefined) {
    ip.InHdrErrors++
    return
  }
  const { destination, source } = packet
  // Martians: nobody outside has such addresses.
  if (isLoopback(destination) || isLoopback(source) || source === BROADCAST || isMulticast(source)) {
    ip.InAddrErrors++
    return
  }
  const isLocal = localDevice(net, destination) !== undefined || isBroadcastOf(device, destination) ||
    (isMulticast(destination) && (destination === ALL_HOSTS || device.groups.has(destination)))
  if (!isLocal) {
    if (net.settings.forwarding !== 0 && !isMulticast(destination)) forward(kernel, net, packet)
    else ip.InAddrErrors++
    return
  }
  const whole = packet.moreFragments || packet.offset > 0 ? reassemble(kernel, net, device, packet) : packet
  if (whole === undefined) return
  ip.InDelivers++
  deliverIp(kernel, net, whole, device)
}
