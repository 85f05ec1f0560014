/** Requests of rtnetlink(7): what they ask, and what they change. */
import { EEXIST, EINVAL, ENODEV, ENOENT, EOPNOTSUPP, ESRCH } from '../abi/errno.ts'
import { AF_INET, AF_UNSPEC } from '../abi/sockets.ts'
import type { Kernel } from '../kernel.ts'
import { removeNeighbour, setNeighbour } from './arp.ts'
import { addAddress, deleteRoute, makeEthernet, makePair, moveDevice, putRoute, removeAddress, removeDevice, setFlags, setMtu } from './configure.ts'
import { findDevice, findDeviceByName, isLoopbackDevice, type NetInterface } from './device.ts'
import { get32 } from './ipv4.ts'
import { type NetNamespace, netOf } from './namespace.ts'
import { notifyLink } from './notify.ts'
import { findPath, listRoutes } from './route.ts'
import {
  addressMessage, align, answerRoute, IFA_ADDRESS, IFA_BROADCAST, IFA_LABEL, IFA_LOCAL, IFLA_ADDRESS, IFLA_IFNAME, IFLA_LINKINFO, IFLA_MTU, IFLA_NET_NS_PID, IFLA_TXQLEN, linkMessage,
  localRouteMessages, NDA_DST, NDA_LLADDR, neighbourMessage, NLM_F_MULTI, routeMessage, ROUTE_TYPES, RTA_DST, RTA_GATEWAY, RTA_OIF, RTA_PREFSRC, RTA_PRIORITY, RTA_TABLE, RTM_DELADDR,
  RTM_DELLINK, RTM_DELNEIGH, RTM_DELROUTE, RTM_GETADDR, RTM_GETLINK, RTM_GETNEIGH, RTM_GETQDISC, RTM_GETROUTE, RTM_GETRULE, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWNEIGH, RTM_NEWROUTE, RTM_SETLINK,
  ruleMessages, TABLE_MAIN,
} from './rtnetlink-messages.ts'

const NLM_F_REPLACE = 0x100, NLM_F_EXCL = 0x200, NLM_F_CREATE = 0x400, NLM_F_APPEND = 0x800

type Attributes = ReadonlyMap<number, Uint8Array>

/** Attributes behind a header of `start` bytes. */
const attributesOf = (body: Uint8Array, start: number): Attributes => {
  const found = new Map<number, Uint8Array>()
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  for (let at = start; at + 4 <= body.length;) {
    const length = view.getUint16(at, true)
    if (length < 4 || at + length > body.length) break
    found.set(view.getUint16(at + 2, true) & 0x3fff, body.subarray(at + 4, at + length))
    at += align(length)
  }
  return found
}
const textOf = (value: Uint8Array | undefined): string | undefined => {
  if (value === undefined) return undefined
  const end = value.indexOf(0)
  return String.fromCharCode(...(end < 0 ? value : value.subarray(0, end)))
}
const numberOf = (value: Uint8Array | undefined): number => value === undefined || value.length < 4 ? 0 : new DataView(value.buffer, value.byteOffset).getUint32(0, true)
const addressOf = (value: Uint8Array | undefined): number => value === undefined || value.length < 4 ? 0 : get32(value, 0)

// ——— Questions about everything ———

const dump = (net: NetNamespace, type: number, sequence: number, port: number, body: Uint8Array): readonly Uint8Array[] | number => {
  const family = body.length > 0 ? body[0] : AF_UNSPEC
  const isOurs = family === AF_UNSPEC || family === AF_INET
  switch (type) {
    case RTM_GETLINK: return net.interfaces.map((device) => linkMessage(device, NLM_F_MULTI, sequence, port))
    case RTM_GETADDR: return !isOurs ? [] : net.interfaces.flatMap((device) => device.addresses.map((own) => addressMessage(device, own, NLM_F_MULTI, sequence, port)))
    case RTM_GETROUTE: return !isOurs ? [] : [...listRoutes(net).map((route) => routeMessage(route, NLM_F_MULTI, sequence, port)), ...localRouteMessages(net, sequence, port)]
    case RTM_GETNEIGH: return !isOurs ? [] : net.interfaces.flatMap((device) => [...device.neighbours.values()].map((neighbour) => neighbourMessage(neighbour, NLM_F_MULTI, sequence, port)))
    case RTM_GETRULE: return isOurs ? ruleMessages(sequence, port) : []
    case RTM_GETQDISC: return []
    default: return -EOPNOTSUPP
  }
}

// ——— Interfaces ———

const deviceOf = (net: NetNamespace, body: Uint8Array, attributes: Attributes): NetInterface | undefined => {
  const index = new DataView(body.buffer, body.byteOffset).getInt32(4, true)
  const name = textOf(attributes.get(IFLA_IFNAME))
  return index !== 0 ? findDevice(net, index) : name === undefined ? undefined : findDeviceByName(net, name)
}

const LINK_HEAD = 16
const INFO_KIND = 1, INFO_DATA = 2, VETH_INFO_PEER = 1

const freeName = (net: NetNamespace, stem: string): string => {
  let i = 0
  while (findDeviceByName(net, `${stem}${i}`) !== undefined) i++
  return `${stem}${i}`
}

/** The namespace of IFLA_NET_NS_PID, if it is given. */
const targetOf = (kernel: Kernel, attributes: Attributes): NetNamespace | number | undefined => {
  const pid = attributes.get(IFLA_NET_NS_PID)
  if (pid === undefined) return undefined
  const task = kernel.state.tasks.get(numberOf(pid))
  return task === undefined ? -ESRCH : netOf(task)
}

const createLink = (kernel: Kernel, net: NetNamespace, attributes: Attributes): number => {
  const info = attributesOf(attributes.get(IFLA_LINKINFO) ?? new Uint8Array(0), 0)
  const kind = textOf(info.get(INFO_KIND))
  const name = textOf(attributes.get(IFLA_IFNAME))
  if (name !== undefined && findDeviceByName(net, name) !== undefined) return -EEXIST
  if (kind === 'dummy') {
    const device = makeEthernet(kernel, net, name ?? freeName(net, 'dummy'), attributes.get(IFLA_ADDRESS)?.slice(), true)
    return device.index > 0 ? 0 : -EINVAL
  }
  if (kind !== 'veth') return kind === undefined ? -EINVAL : -EOPNOTSUPP
  const peerBody = attributesOf(info.get(INFO_DATA) ?? new Uint8Array(0), 0).get(VETH_INFO_PEER)
  const peer = peerBody === undefined ? new Map<number, Uint8Array>() : attributesOf(peerBody, LINK_HEAD)
  const peerNet = targetOf(kernel, peer) ?? net
  if (typeof peerNet === 'number') return peerNet
  const own = name ?? freeName(net, 'veth')
  const other = textOf(peer.get(IFLA_IFNAME)) ?? (own === freeName(peerNet, 'veth') ? `${own}p` : freeName(peerNet, 'veth'))
  if (findDeviceByName(peerNet, other) !== undefined || (peerNet === net && other === own)) return -EEXIST
  makePair(kernel, net, own, peerNet, other)
  return 0
}

const changeLink = (kernel: Kernel, net: NetNamespace, device: NetInterface, body: Uint8Array, attributes: Attributes): number => {
  const view = new DataView(body.buffer, body.byteOffset)
  const target = targetOf(kernel, attributes)
  if (typeof target === 'number') return target
  if (target !== undefined) {
    const moved = moveDevice(kernel, device, target)
    if (moved < 0) return moved
  }
  const name = textOf(attributes.get(IFLA_IFNAME))
  if (name !== undefined && name !== device.name) {
    if (findDeviceByName(device.net, name) !== undefined) return -EEXIST
    device.name = name
    notifyLink(kernel, device, true)
  }
  if (attributes.has(IFLA_MTU)) {
    const result = setMtu(kernel, device, numberOf(attributes.get(IFLA_MTU)))
    if (result < 0) return result
  }
  const mac = attributes.get(IFLA_ADDRESS)
  if (mac !== undefined && mac.length === 6 && !isLoopbackDevice(device)) device.mac = mac.slice()
  if (attributes.has(IFLA_TXQLEN)) device.queueLength = numberOf(attributes.get(IFLA_TXQLEN))
  const flags = view.getUint32(8, true), change = view.getUint32(12, true)
  const mask = change !== 0 ? change : flags !== 0 ? 0xffff : 0
  const wanted = ((device.flags & ~mask) | (flags & mask & CHANGEABLE) | (device.flags & ~CHANGEABLE)) >>> 0
  if (wanted !== device.flags) setFlags(kernel, device, wanted)
  return 0
}
/** IFF_UP, NOARP, PROMISC, ALLMULTI, MULTICAST. */
const CHANGEABLE = 0x1381

const link = (kernel: Kernel, net: NetNamespace, type: number, flags: number, sequence: number, port: number, body: Uint8Array): Uint8Array[] | number => {
  if (body.length < LINK_HEAD) return -EINVAL
  const attributes = attributesOf(body, LINK_HEAD)
  const device = deviceOf(net, body, attributes)
  if (type === RTM_GETLINK) return device === undefined ? -ENODEV : [linkMessage(device, 0, sequence, port)]
  if (type === RTM_DELLINK) return device === undefined ? -ENODEV : removeDevice(kernel, device)
  if (device === undefined) return type === RTM_NEWLINK && (flags & NLM_F_CREATE) !== 0 ? createLink(kernel, net, attributes) : -ENODEV
  if ((flags & NLM_F_EXCL) !== 0) return -EEXIST
  return changeLink(kernel, net, device, body, attributes)
}

// ——— Addresses, routes, neighbours ———

const address = (kernel: Kernel, net: NetNamespace, type: number, body: Uint8Array): number => {
  if (body.length < 8) return -EINVAL
  if (body[0] !== AF_INET) return -EOPNOTSUPP
  const attributes = attributesOf(body, 8)
  const device = findDevice(net, new DataView(body.buffer, body.byteOffset).getInt32(4, true))
  if (device === undefined) return -ENODEV
  const prefix = body[1], scope = body[3]
  const own = addressOf(attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS))
  if (prefix > 32 || own === 0) return -EINVAL
  if (type === RTM_DELADDR) return removeAddress(kernel, device, own, prefix)
  return addAddress(kernel, device, {
    address: own, prefix, peer: attributes.has(IFA_ADDRESS) ? addressOf(attributes.get(IFA_ADDRESS)) : own, broadcast: addressOf(attributes.get(IFA_BROADCAST)),
    label: textOf(attributes.get(IFA_LABEL)), scope,
  })
}

const route = (kernel: Kernel, net: NetNamespace, type: number, flags: number, sequence: number, port: number, body: Uint8Array, uid: number): Uint8Array[] | number => {
  if (body.length < 12) return -EINVAL
  if (body[0] !== AF_INET) return -EOPNOTSUPP
  const attributes = attributesOf(body, 12)
  const destination = addressOf(attributes.get(RTA_DST)), gateway = addressOf(attributes.get(RTA_GATEWAY)), prefix = body[1]
  const index = numberOf(attributes.get(RTA_OIF))
  const device = index === 0 ? undefined : findDevice(net, index)
  if (index !== 0 && device === undefined) return -ENODEV
  if (type === RTM_GETROUTE) {
    const path = findPath(net, destination, device)
    return typeof path === 'number' ? path : [answerRoute(sequence, port, destination, path.device, path.source, path.gateway, path.kind === 'local', uid)]
  }
  const table = numberOf(attributes.get(RTA_TABLE)) || body[4]
  if (table !== TABLE_MAIN && table !== 0) return -EOPNOTSUPP
  const metric = numberOf(attributes.get(RTA_PRIORITY))
  if (type === RTM_DELROUTE) return deleteRoute(kernel, net, destination, prefix, gateway, device, metric)
  const kind = ROUTE_TYPES.get(body[7])
  if (kind === undefined) return -EOPNOTSUPP
  if ((flags & (NLM_F_CREATE | NLM_F_REPLACE | NLM_F_APPEND)) === 0) return -ENOENT
  return putRoute(kernel, net, { destination, prefix, gateway, device, source: addressOf(attributes.get(RTA_PREFSRC)), metric, type: kind, protocol: body[5] },
    (flags & NLM_F_REPLACE) !== 0 ? 'replace' : (flags & NLM_F_EXCL) !== 0 ? 'create' : (flags & NLM_F_APPEND) !== 0 ? 'append' : 'create')
}

const NUD_PERMANENT = 0x80, NUD_STALE = 4
const neighbour = (kernel: Kernel, net: NetNamespace, type: number, flags: number, sequence: number, port: number, body: Uint8Array): Uint8Array[] | number => {
  if (body.length < 12) return -EINVAL
  if (body[0] !== AF_INET) return -EOPNOTSUPP
  const view = new DataView(body.buffer, body.byteOffset)
  const attributes = attributesOf(body, 12)
  const device = findDevice(net, view.getInt32(4, true))
  if (device === undefined) return -ENODEV
  const target = addressOf(attributes.get(NDA_DST))
  if (type === RTM_GETNEIGH) {
    const known = device.neighbours.get(target)
    return known === undefined ? -ENOENT : [neighbourMessage(known, 0, sequence, port)]
  }
  if (type === RTM_DELNEIGH) return removeNeighbour(kernel, device, target) ? 0 : -ENOENT
  if ((flags & NLM_F_EXCL) !== 0 && device.neighbours.has(target)) return -EEXIST
  const mac = attributes.get(NDA_LLADDR)
  if (mac === undefined || mac.length !== 6) return -EINVAL
  const state = view.getUint16(8, true)
  setNeighbour(kernel, device, target, mac, (state & NUD_PERMANENT) !== 0 ? 'permanent' : (state & NUD_STALE) !== 0 ? 'stale' : 'reachable')
  return 0
}

const NLM_F_DUMP = 0x300

/** Messages, 0 for done, or a negative errno. `isDump`: the messages are parts of a list that needs an end. */
export const answerRequest = (
  kernel: Kernel, net: NetNamespace, type: number, flags: number, sequence: number, port: number, body: Uint8Array, uid: number,
): readonly Uint8Array[] | number => {
  // The last two bits of a type say what is done: 2 is a question (rtnetlink(7)).
  if ((type & 3) === 2 && (flags & NLM_F_DUMP) === NLM_F_DUMP) return dump(net, type, sequence, port, body)
  switch (type) {
    case RTM_GETLINK: case RTM_NEWLINK: case RTM_SETLINK: case RTM_DELLINK: return link(kernel, net, type, flags, sequence, port, body)
    case RTM_NEWADDR: case RTM_DELADDR: return address(kernel, net, type, body)
    case RTM_GETROUTE: case RTM_NEWROUTE: case RTM_DELROUTE: return route(kernel, net, type, flags, sequence, port, body, uid)
    case RTM_GETNEIGH: case RTM_NEWNEIGH: case RTM_DELNEIGH: return neighbour(kernel, net, type, flags, sequence, port, body)
    default: return -EOPNOTSUPP
  }
}
