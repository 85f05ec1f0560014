/**
 * What goes over loopback. It is queued, and delivered when the operation that sent it has done its part (as Linux's
 * softirq does after a socket was unlocked), so that nobody's state changes under its hands.
 */
import type { Kernel } from '../kernel.ts'
import { isTold, tellSent } from './tell.ts'
import { encodeFrame, ETHERTYPE_IP, NO_MAC } from './ethernet.ts'
import { deliverIp } from './ip-input.ts'
import { encodeIp, type IpPacket, NO_OPTIONS } from './ipv4.ts'
import type { NetNamespace } from './namespace.ts'
import { tapFrame } from './packet.ts'
import { encodeSegment, optionBytes, type Segment } from './tcp/segment.ts'
import { inputSegment } from './tcp/input.ts'
import { type Datagram, encodeDatagram, inputDatagram } from './udp.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../abi/sockets.ts'

export interface BacklogItem {
  readonly net: NetNamespace
  readonly what: Segment | Datagram | IpPacket
}

const isSegment = (what: BacklogItem['what']): what is Segment => 'kind' in what && what.kind === 'tcp'
const isDatagram = (what: BacklogItem['what']): what is Datagram => 'kind' in what && what.kind === 'udp'

/** As bytes, for those who look at packets. */
const toPacket = (net: NetNamespace, what: BacklogItem['what']): IpPacket => {
  if (!isSegment(what) && !isDatagram(what)) return what
  const { source, destination, ttl, tos } = what
  return {
    source, destination, ttl, tos, protocol: isSegment(what) ? IPPROTO_TCP : IPPROTO_UDP, id: nextId(net), dontFragment: true, moreFragments: false, offset: 0,
    options: NO_OPTIONS, payload: isSegment(what) ? encodeSegment(what) : encodeDatagram(what),
  }
}

/** Identifications of packets are counted. */
export const nextId = (net: NetNamespace): number => net.lastId = (net.lastId + 1) & 0xffff

const IP_HEADER = 20
const sizeOf = (what: BacklogItem['what']): number => isSegment(what) ? IP_HEADER + 20 + optionBytes(what) + what.data.length
  : isDatagram(what) ? IP_HEADER + 8 + what.data.length : IP_HEADER + what.options.length + what.payload.length

export const sendToLoopback = (kernel: Kernel, net: NetNamespace, what: BacklogItem['what']): void => {
  const { loopback, counters } = net
  const size = sizeOf(what)
  loopback.sent.packets++
  loopback.sent.bytes += size
  loopback.received.packets++
  loopback.received.bytes += size
  counters.ip.OutRequests++
  if (net.packetSockets.size > 0 || isTold(kernel, loopback)) {
    const frame = encodeFrame(NO_MAC, NO_MAC, ETHERTYPE_IP, encodeIp(toPacket(net, what)))
    if (isTold(kernel, loopback)) tellSent(kernel, loopback, frame)
    tapFrame(kernel, loopback, frame, true)
    tapFrame(kernel, loopback, frame, false)
  }
  kernel.state.net.backlog.push({ net, what })
}

/** Delivers what is queued, and what comes of it. */
export const drainBacklog = (kernel: Kernel): void => {
  const { net: state } = kernel.state
  const { backlog } = state
  if (state.draining || backlog.length === 0) return
  state.draining = true
  for (let i = 0; i < backlog.length; i++) {
    const { net, what } = backlog[i]
    net.counters.ip.InReceives++
    net.counters.ip.InDelivers++
    if (isSegment(what)) inputSegment(kernel, net, what, net.loopback)
    else if (isDatagram(what)) inputDatagram(kernel, net, what, net.loopback)
    else deliverIp(kernel, net, what, net.loopback)
  }
  backlog.length = 0
  state.draining = false
}
