/** Messages of rtnetlink(7): interfaces, addresses, routes and neighbours as bytes. */
import { AF_INET } from '../abi/sockets.ts'
import type { Neighbour, NeighbourState } from './arp.ts'
import { hasCarrier, IFF_BROADCAST, type InterfaceAddress, isLoopbackDevice, isUp, type NetInterface, RT_SCOPE_HOST, RT_SCOPE_LINK, shownFlags } from './device.ts'
import { BROADCAST_MAC, NO_MAC } from './ethernet.ts'
import { broadcastOf } from './device.ts'
import type { NetNamespace } from './namespace.ts'
import type { Route, RouteType } from './route.ts'

export const HEADER = 16
export const NLM_F_MULTI = 2
export const RTM_NEWLINK = 16, RTM_DELLINK = 17, RTM_GETLINK = 18, RTM_SETLINK = 19, RTM_NEWADDR = 20, RTM_DELADDR = 21, RTM_GETADDR = 22, RTM_NEWROUTE = 24, RTM_DELROUTE = 25, RTM_GETROUTE = 26,
  RTM_NEWNEIGH = 28, RTM_DELNEIGH = 29, RTM_GETNEIGH = 30, RTM_NEWRULE = 32, RTM_GETRULE = 34, RTM_GETQDISC = 38
export const IFLA_ADDRESS = 1, IFLA_BROADCAST = 2, IFLA_IFNAME = 3, IFLA_MTU = 4, IFLA_LINK = 5, IFLA_QDISC = 6, IFLA_STATS = 7, IFLA_TXQLEN = 13, IFLA_OPERSTATE = 16, IFLA_LINKMODE = 17,
  IFLA_LINKINFO = 18, IFLA_NET_NS_PID = 19, IFLA_STATS64 = 23, IFLA_GROUP = 27, IFLA_NET_NS_FD = 28, IFLA_PROMISCUITY = 30, IFLA_NUM_TX_QUEUES = 31, IFLA_NUM_RX_QUEUES = 32, IFLA_CARRIER = 33
export const IFA_ADDRESS = 1, IFA_LOCAL = 2, IFA_LABEL = 3, IFA_BROADCAST = 4, IFA_CACHEINFO = 6, IFA_FLAGS = 8
export const RTA_DST = 1, RTA_OIF = 4, RTA_GATEWAY = 5, RTA_PRIORITY = 6, RTA_PREFSRC = 7, RTA_CACHEINFO = 12, RTA_TABLE = 15, RTA_UID = 25
export const NDA_DST = 1, NDA_LLADDR = 2, NDA_CACHEINFO = 3, NDA_PROBES = 4
const IFA_F_PERMANENT = 0x80
export const TABLE_MAIN = 254, TABLE_LOCAL = 255
const RTN: Readonly<Record<RouteType | 'local' | 'broadcast', number>> = { unicast: 1, local: 2, broadcast: 3, blackhole: 6, unreachable: 7, prohibit: 8 }
export const ROUTE_TYPES: ReadonlyMap<number, RouteType> = new Map([[1, 'unicast'], [6, 'blackhole'], [7, 'unreachable'], [8, 'prohibit']])
const NUD: Readonly<Record<NeighbourState, number>> = { incomplete: 1, reachable: 2, stale: 4, delay: 8, probe: 0x10, failed: 0x20, permanent: 0x80 }

export const align = (length: number): number => (length + 3) & ~3
export const u32 = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer)
export const text = (string: string): Uint8Array => Uint8Array.from([...string, '\0'], (char) => char.charCodeAt(0))
export const bigEndian = (value: number): Uint8Array => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)

export const attribute = (type: number, ...values: readonly Uint8Array[]): Uint8Array => {
  const length = 4 + values.reduce((sum, value) => sum + value.length, 0)
  const bytes = new Uint8Array(align(length))
  const view = new DataView(bytes.buffer)
  view.setUint16(0, length, true)
  view.setUint16(2, type, true)
  let at = 4
  for (const value of values) {
    bytes.set(value, at)
    at += value.length
  }
  return bytes
}

export const message = (type: number, flags: number, sequence: number, port: number, ...parts: readonly Uint8Array[]): Uint8Array => {
  const length = HEADER + parts.reduce((sum, part) => sum + part.length, 0)
  const bytes = new Uint8Array(align(length))
  const view = new DataView(bytes.buffer)
  view.setUint32(0, length, true)
  view.setUint16(4, type, true)
  view.setUint16(6, flags, true)
  view.setUint32(8, sequence, true)
  view.setUint32(12, port, true)
  let at = HEADER
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

const linkInfo = (device: NetInterface): Uint8Array => {
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  view.setUint16(2, device.type, true)
  view.setInt32(4, device.index, true)
  view.setUint32(8, shownFlags(device), true)
  return bytes
}

/** struct rtnl_link_stats64, or with words rtnl_link_stats. */
const statistics = ({ received, sent }: NetInterface, size: 4 | 8): Uint8Array => {
  const values = [received.packets, sent.packets, received.bytes, sent.bytes, received.errors, sent.errors, received.dropped, sent.dropped, received.multicast]
  const bytes = new Uint8Array(size * (size === 8 ? 25 : 24))
  const view = new DataView(bytes.buffer)
  for (const [i, value] of values.entries()) {
    view.setUint32(i * size, value % 0x1_0000_0000, true)
    if (size === 8) view.setUint32(i * size + 4, Math.floor(value / 0x1_0000_0000), true)
  }
  return bytes
}

const OPERSTATE_UNKNOWN = 0, OPERSTATE_DOWN = 2, OPERSTATE_LOWERLAYERDOWN = 3, OPERSTATE_UP = 6
const operstate = (device: NetInterface): number => {
  if (isLoopbackDevice(device)) return isUp(device) ? OPERSTATE_UNKNOWN : OPERSTATE_DOWN
  return !isUp(device) ? OPERSTATE_DOWN : hasCarrier(device) ? OPERSTATE_UP : OPERSTATE_LOWERLAYERDOWN
}

export const linkMessage = (device: NetInterface, flags: number, sequence: number, port: number, isThere = true): Uint8Array => {
  const isLo = isLoopbackDevice(device)
  const peer = device.removable ? device.link?.ends.find((other) => other !== device) : undefined
  return message(isThere ? RTM_NEWLINK : RTM_DELLINK, flags, sequence, port, linkInfo(device),
    attribute(IFLA_IFNAME, text(device.name)), attribute(IFLA_TXQLEN, u32(device.queueLength)), attribute(IFLA_OPERSTATE, Uint8Array.of(operstate(device))),
    attribute(IFLA_LINKMODE, Uint8Array.of(0)), attribute(IFLA_MTU, u32(device.mtu)), attribute(IFLA_GROUP, u32(0)), attribute(IFLA_PROMISCUITY, u32(0)),
    attribute(IFLA_NUM_TX_QUEUES, u32(1)), attribute(IFLA_NUM_RX_QUEUES, u32(1)), attribute(IFLA_CARRIER, Uint8Array.of(hasCarrier(device) ? 1 : 0)),
    attribute(IFLA_QDISC, text(!isUp(device) ? 'noop' : isLo || device.removable ? 'noqueue' : 'pfifo_fast')), attribute(IFLA_ADDRESS, isLo ? NO_MAC : device.mac),
    attribute(IFLA_BROADCAST, isLo ? NO_MAC : BROADCAST_MAC), attribute(IFLA_STATS64, statistics(device, 8)), attribute(IFLA_STATS, statistics(device, 4)),
    ...(peer === undefined ? [] : [attribute(IFLA_LINK, u32(peer.net === device.net ? peer.index : 0)), attribute(IFLA_LINKINFO, attribute(1, text('veth')))]))
}

export const addressMessage = (device: NetInterface, own: InterfaceAddress, flags: number, sequence: number, port: number, isThere = true): Uint8Array =>
  message(isThere ? RTM_NEWADDR : RTM_DELADDR, flags, sequence, port, Uint8Array.of(AF_INET, own.prefix, IFA_F_PERMANENT, own.scope), u32(device.index),
    attribute(IFA_ADDRESS, bigEndian(own.peer)), attribute(IFA_LOCAL, bigEndian(own.address)), ...(own.broadcast === 0 ? [] : [attribute(IFA_BROADCAST, bigEndian(own.broadcast))]),
    attribute(IFA_LABEL, text(own.label)), attribute(IFA_FLAGS, u32(IFA_F_PERMANENT)), attribute(IFA_CACHEINFO, u32(0xffff_ffff, 0xffff_ffff, 0, 0)))

/** RTNH_F_LINKDOWN: no carrier. */
const LINKDOWN = 16
const routeHeader = (prefix: number, table: number, protocol: number, scope: number, type: number, flags = 0): Uint8Array =>
  Uint8Array.of(AF_INET, prefix, 0, 0, table, protocol, scope, type, flags, 0, 0, 0)

export const routeMessage = (route: Route, flags: number, sequence: number, port: number, isThere = true): Uint8Array => {
  const { prefix, destination, gateway, device, source, metric } = route
  return message(isThere ? RTM_NEWROUTE : RTM_DELROUTE, flags, sequence, port, routeHeader(prefix, TABLE_MAIN, route.protocol, route.scope, RTN[route.type], device === undefined || hasCarrier(device) ? 0 : LINKDOWN),
    attribute(RTA_TABLE, u32(TABLE_MAIN)), ...(prefix === 0 ? [] : [attribute(RTA_DST, bigEndian(destination))]), ...(metric === 0 ? [] : [attribute(RTA_PRIORITY, u32(metric))]),
    ...(source === 0 ? [] : [attribute(RTA_PREFSRC, bigEndian(source))]), ...(gateway === 0 ? [] : [attribute(RTA_GATEWAY, bigEndian(gateway))]),
    ...(device === undefined ? [] : [attribute(RTA_OIF, u32(device.index))]))
}

/** Routes to this host's own addresses, and broadcasts: the local table. */
export const localRouteMessages = (net: NetNamespace, sequence: number, port: number): Uint8Array[] => net.interfaces.filter(isUp).flatMap((device) => device.addresses.flatMap((own) => {
  const one = (destination: number, prefix: number, type: 'local' | 'broadcast'): Uint8Array => message(RTM_NEWROUTE, NLM_F_MULTI, sequence, port,
    routeHeader(prefix, TABLE_LOCAL, 2, type === 'local' ? RT_SCOPE_HOST : RT_SCOPE_LINK, RTN[type]), attribute(RTA_TABLE, u32(TABLE_LOCAL)), attribute(RTA_DST, bigEndian(destination)),
    attribute(RTA_PREFSRC, bigEndian(own.address)), attribute(RTA_OIF, u32(device.index)))
  const routes = own.scope === RT_SCOPE_HOST && own.prefix < 32 ? [one((own.address & (0xffff_ffff << (32 - own.prefix))) >>> 0, own.prefix, 'local')] : []
  routes.push(one(own.address, 32, 'local'))
  const broadcast = broadcastOf(own.address, own.prefix)
  if (broadcast !== 0 && ((device.flags & IFF_BROADCAST) !== 0 || isLoopbackDevice(device))) routes.push(one(broadcast, 32, 'broadcast'))
  return routes
}))

/** RTM_GETROUTE of one destination: what `ip route get` shows. */
export const answerRoute = (sequence: number, port: number, destination: number, device: NetInterface, source: number, gateway: number, isLocal: boolean, uid: number): Uint8Array =>
  message(RTM_NEWROUTE, 0, sequence, port, Uint8Array.of(AF_INET, 32, 0, 0, TABLE_MAIN, 0, 0, isLocal ? RTN.local : RTN.unicast, 0, 0x02, 0, 0),
    attribute(RTA_TABLE, u32(TABLE_MAIN)), attribute(RTA_DST, bigEndian(destination)), attribute(RTA_OIF, u32(device.index)),
    ...(gateway === 0 ? [] : [attribute(RTA_GATEWAY, bigEndian(gateway))]), attribute(RTA_PREFSRC, bigEndian(source)), attribute(RTA_UID, u32(uid)), attribute(RTA_CACHEINFO, new Uint8Array(32)))

export const neighbourMessage = (neighbour: Neighbour, flags: number, sequence: number, port: number, isThere = true): Uint8Array => {
  const head = new Uint8Array(12)
  const view = new DataView(head.buffer)
  head[0] = AF_INET
  view.setInt32(4, neighbour.device.index, true)
  view.setUint16(8, NUD[neighbour.state], true)
  head[11] = RTN.unicast
  return message(isThere ? RTM_NEWNEIGH : RTM_DELNEIGH, flags, sequence, port, head, attribute(NDA_DST, bigEndian(neighbour.address)),
    ...(neighbour.state === 'incomplete' || neighbour.state === 'failed' ? [] : [attribute(NDA_LLADDR, neighbour.mac)]), attribute(NDA_PROBES, u32(neighbour.tries)),
    attribute(NDA_CACHEINFO, u32(0, 0, 0, 1)))
}

/** The rules that every namespace has: local, main, default. */
export const ruleMessages = (sequence: number, port: number): Uint8Array[] => [[0, TABLE_LOCAL], [32_766, TABLE_MAIN], [32_767, 253]].map(([priority, table]) =>
  message(RTM_NEWRULE, NLM_F_MULTI, sequence, port, Uint8Array.of(AF_INET, 0, 0, 0, table, 0, 0, 1, 0, 0, 0, 0), attribute(15, u32(table)), ...(priority === 0 ? [] : [attribute(6, u32(priority))])))
