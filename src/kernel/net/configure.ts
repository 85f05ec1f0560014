/** Changing interfaces, addresses and routes: what netlink, ioctls and the configuration of hosts have in common. */
import { EADDRNOTAVAIL, EEXIST, EINVAL, ENETUNREACH, ENODEV, EOPNOTSUPP, ESRCH } from '../abi/errno.ts'
import type { Kernel } from '../kernel.ts'
import { forgetNeighbours } from './arp.ts'
import {
  ARPHRD_ETHER, broadcastOf, findDeviceByName, IFF_BROADCAST, IFF_UP, type InterfaceAddress, isLoopbackDevice, isUp, localDevice, makeInterface, type NetInterface, RT_SCOPE_HOST,
  RT_SCOPE_LINK, RT_SCOPE_UNIVERSE,
} from './device.ts'
import { isLoopback, maskOf } from './ipv4.ts'
import { detach, makeLink, PERFECT } from './link.ts'
import type { NetNamespace } from './namespace.ts'
import { notifyAddress, notifyLink, notifyRoute } from './notify.ts'
import { addRoute, lookUpRoute, removeRoute, type Route, RTPROT_KERNEL } from './route.ts'

/** A locally administered address that says which interface of the world it is. */
export const makeMac = (number: number): Uint8Array => Uint8Array.of(0x02, 0x52, number >>> 24, number >>> 16, number >>> 8, number)

export const makeEthernet = (kernel: Kernel, net: NetNamespace, name: string, mac?: Uint8Array, removable = false): NetInterface => {
  const number = ++kernel.state.net.lastInterface
  const device = makeInterface(net, number, name, ARPHRD_ETHER, mac ?? makeMac(number), removable)
  notifyLink(kernel, device, true)
  return device
}

// ——— Addresses ———

const connectedRoute = (device: NetInterface, own: InterfaceAddress): Route | undefined => {
  if (isLoopbackDevice(device) || (own.prefix === 32 && own.peer === own.address) || own.peer === 0) return undefined
  return {
    destination: (own.peer & maskOf(own.prefix)) >>> 0, prefix: own.prefix, gateway: 0, device, source: own.address, metric: 0, type: 'unicast', protocol: RTPROT_KERNEL, scope: RT_SCOPE_LINK,
  }
}

const connect = (kernel: Kernel, device: NetInterface, own: InterfaceAddress): void => {
  const { net } = device
  const route = isUp(device) ? connectedRoute(device, own) : undefined
  if (route === undefined || net.routes.some((other) => isSameRoute(other, route))) return
  addRoute(net, route)
  notifyRoute(kernel, net, route, true)
}

const isSameRoute = (a: Route, b: Route): boolean =>
  a.destination === b.destination && a.prefix === b.prefix && a.device === b.device && a.gateway === b.gateway && a.metric === b.metric && a.source === b.source

export interface NewAddress { readonly address: number, readonly prefix: number, readonly peer?: number, readonly broadcast?: number, readonly label?: string, readonly scope?: number }

/** 0 or −EEXIST. The route to the network comes with it. */
export const addAddress = (kernel: Kernel, device: NetInterface, wanted: NewAddress): number => {
  const { address, prefix, peer = address } = wanted
  if (device.addresses.some((own) => own.address === address && own.prefix === prefix && own.peer === peer)) return -EEXIST
  const own: InterfaceAddress = {
    address, prefix, peer, broadcast: wanted.broadcast ?? 0, label: wanted.label ?? device.name, scope: wanted.scope ?? (isLoopback(address) ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE),
  }
  device.addresses.push(own)
  device.net.routeGeneration++
  notifyAddress(kernel, device, own, true)
  connect(kernel, device, own)
  return 0
}

export const removeAddress = (kernel: Kernel, device: NetInterface, address: number, prefix?: number): number => {
  const at = device.addresses.findIndex((own) => own.address === address && (prefix === undefined || own.prefix === prefix))
  if (at < 0) return -EADDRNOTAVAIL
  const [own] = device.addresses.splice(at, 1)
  const { net } = device
  net.routeGeneration++
  for (const route of net.routes.filter(({ source, device: by }) => source === own.address && by === device)) {
    removeRoute(net, route)
    notifyRoute(kernel, net, route, false)
  }
  notifyAddress(kernel, device, own, false)
  return 0
}

// ——— Interfaces ———

/** IFF_* that may be set by hand. */
export const setFlags = (kernel: Kernel, device: NetInterface, flags: number): void => {
  const wasUp = isUp(device)
  device.flags = flags
  const up = isUp(device)
  const { net } = device
  net.routeGeneration++
  if (up && !wasUp) for (const own of device.addresses) connect(kernel, device, own)
  if (!up && wasUp) {
    for (const route of net.routes.filter(({ device: by }) => by === device)) {
      removeRoute(net, route)
      notifyRoute(kernel, net, route, false)
    }
    forgetNeighbours(kernel, device)
  }
  // lo gets its address when it goes up (inetdev_event).
  if (up && !wasUp && isLoopbackDevice(device) && device.addresses.length === 0) addAddress(kernel, device, { address: 0x7f00_0001, prefix: 8 })
  notifyLink(kernel, device, true)
}

export const setUp = (kernel: Kernel, device: NetInterface, up: boolean): void => {
  if (isUp(device) !== up) setFlags(kernel, device, up ? device.flags | IFF_UP : device.flags & ~IFF_UP)
}

const LEAST_MTU = 68, MOST_MTU = 65_535
export const setMtu = (kernel: Kernel, device: NetInterface, mtu: number): number => {
  if (!isLoopbackDevice(device) && (mtu < LEAST_MTU || mtu > MOST_MTU)) return -EINVAL
  if (mtu < 0) return -EINVAL
  device.mtu = mtu
  device.net.routeGeneration++
  notifyLink(kernel, device, true)
  return 0
}

/** Two interfaces with a cable between them (veth(4)). */
export const makePair = (kernel: Kernel, net: NetNamespace, name: string, peerNet: NetNamespace, peerName: string): readonly [NetInterface, NetInterface] => {
  const peer = makeEthernet(kernel, peerNet, peerName, undefined, true)
  const device = makeEthernet(kernel, net, name, undefined, true)
  makeLink(kernel, PERFECT, [device, peer])
  return [device, peer]
}

const takeOut = (kernel: Kernel, device: NetInterface): void => {
  setUp(kernel, device, false)
  for (const own of [...device.addresses]) removeAddress(kernel, device, own.address, own.prefix)
  const { net } = device
  const at = net.interfaces.indexOf(device)
  if (at >= 0) net.interfaces.splice(at, 1)
  notifyLink(kernel, device, false)
}

export const removeDevice = (kernel: Kernel, device: NetInterface): number => {
  if (!device.removable) return -EOPNOTSUPP
  const { link } = device
  takeOut(kernel, device)
  if (link !== undefined) {
    link.up = false
    for (const other of [...link.ends]) {
      detach(other)
      if (other !== device && other.removable) takeOut(kernel, other)
    }
  }
  return 0
}

/** `ip link set DEVICE netns …`: it arrives down and without addresses. */
export const moveDevice = (kernel: Kernel, device: NetInterface, net: NetNamespace): number => {
  if (isLoopbackDevice(device)) return -EINVAL
  if (device.net === net) return 0
  if (findDeviceByName(net, device.name) !== undefined) return -EEXIST
  takeOut(kernel, device)
  device.net = net
  device.index = ++net.lastIndex
  net.interfaces.push(device)
  notifyLink(kernel, device, true)
  return 0
}

/** A namespace that goes: its interfaces go, too. */
export const closeNetNamespace = (kernel: Kernel, net: NetNamespace): void => {
  for (const device of [...net.interfaces]) if (!isLoopbackDevice(device)) {
    if (device.removable) removeDevice(kernel, device)
    else takeOut(kernel, device)
  }
}

// ——— Routes ———

export interface NewRoute extends Omit<Route, 'device' | 'scope'> { readonly device: NetInterface | undefined }

/** @param mode whether the route may, or must, be there already */
export const putRoute = (kernel: Kernel, net: NetNamespace, wanted: NewRoute, mode: 'create' | 'replace' | 'append'): number => {
  const destination = (wanted.destination & maskOf(wanted.prefix)) >>> 0
  if (destination !== wanted.destination) return -EINVAL
  let { device } = wanted
  if (wanted.type === 'unicast') {
    if (wanted.gateway !== 0) {
      if (localDevice(net, wanted.gateway) !== undefined) return -EINVAL
      const way = lookUpRoute(net, wanted.gateway, device)
      if (way?.device === undefined || way.gateway !== 0) return -ENETUNREACH
      device ??= way.device
    }
    if (device === undefined) return -ENODEV
    if (!isUp(device)) return -ENETUNREACH
  }
  const route: Route = { ...wanted, device, scope: wanted.gateway !== 0 || wanted.type !== 'unicast' ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK }
  const same = net.routes.find((other) => other.destination === destination && other.prefix === route.prefix && other.metric === route.metric)
  if (same !== undefined) {
    if (mode === 'create') return -EEXIST
    if (mode === 'replace') removeRoute(net, same)
    else if (isSameRoute(same, route)) return -EEXIST
  }
  addRoute(net, route)
  notifyRoute(kernel, net, route, true)
  return 0
}

export const deleteRoute = (kernel: Kernel, net: NetNamespace, destination: number, prefix: number, gateway: number, device: NetInterface | undefined, metric: number): number => {
  const found = net.routes.find((route) => route.destination === destination && route.prefix === prefix && (gateway === 0 || route.gateway === gateway) &&
    (device === undefined || route.device === device) && (metric === 0 || route.metric === metric))
  if (found === undefined) return -ESRCH
  removeRoute(net, found)
  notifyRoute(kernel, net, found, false)
  return 0
}

/** The mask that an address had before there were prefixes (RFC 791). */
export const classPrefix = (address: number): number => address >>> 31 === 0 ? 8 : address >>> 30 === 2 ? 16 : address >>> 29 === 6 ? 24 : 0
export const defaultBroadcast = (device: NetInterface, address: number, prefix: number): number => (device.flags & IFF_BROADCAST) !== 0 ? broadcastOf(address, prefix) : 0
