/** Routes of IPv4 (ip-route(8)): the local table follows from the interfaces' addresses, the main table is a list. */
import { ENETUNREACH, EHOSTUNREACH, EINVAL, EACCES } from '../abi/errno.ts'
import { addressFor, isBroadcastOf, isUp, localDevice, type NetInterface, RT_SCOPE_HOST } from './device.ts'
import { ANY, BROADCAST, isInNetwork, isLoopback, isMulticast, LOOPBACK } from './ipv4.ts'
import type { NetNamespace } from './namespace.ts'

export type RouteType = 'unicast' | 'unreachable' | 'blackhole' | 'prohibit'

export interface Route {
  readonly destination: number
  readonly prefix: number
  /** 0: the destination is on the link. */
  readonly gateway: number
  /** undefined only of routes that lead nowhere. */
  readonly device: NetInterface | undefined
  /** Preferred source; 0: the interface's. */
  readonly source: number
  readonly metric: number
  readonly type: RouteType
  /** RTPROT_*: 2 for those that came with an address. */
  readonly protocol: number
  readonly scope: number
}

/** Where packets go. */
export interface Path {
  readonly device: NetInterface
  /** Whose hardware address is wanted. */
  readonly nextHop: number
  readonly source: number
  readonly kind: 'local' | 'unicast' | 'broadcast' | 'multicast'
  readonly gateway: number
}

const FAILURES: Readonly<Record<Exclude<RouteType, 'unicast'>, number>> = { unreachable: -EHOSTUNREACH, blackhole: -EINVAL, prohibit: -EACCES }

/** Longest prefix first, then the smallest metric. */
export const addRoute = (net: NetNamespace, route: Route): void => {
  const at = net.routes.findIndex((other) => other.prefix < route.prefix || (other.prefix === route.prefix && other.metric > route.metric))
  net.routes.splice(at < 0 ? net.routes.length : at, 0, route)
  net.routeGeneration++
}

/** As Linux lists them: by destination, the longest prefix first. */
export const listRoutes = (net: NetNamespace): Route[] => [...net.routes].sort((a, b) => a.destination - b.destination || b.prefix - a.prefix || a.metric - b.metric)

export const removeRoute = (net: NetNamespace, route: Route): void => {
  const at = net.routes.indexOf(route)
  if (at >= 0) net.routes.splice(at, 1)
  net.routeGeneration++
}

export const lookUpRoute = (net: NetNamespace, destination: number, device?: NetInterface): Route | undefined => net.routes.find((route) =>
  isInNetwork(destination, route.destination, route.prefix) && (route.device === undefined || (isUp(route.device) && (device === undefined || route.device === device))))

/**
 * Where packets to an address go (ip_route_output): a path or a negative errno.
 * @param device of SO_BINDTODEVICE and the like
 * @param source the sender's address, if it has one
 */
export const findPath = (net: NetNamespace, to: number, device?: NetInterface, source = ANY): Path | number => {
  const destination = to === ANY ? (source === ANY ? LOOPBACK : source) : to
  if (isLoopback(destination) && isUp(net.loopback) && isBroadcastOf(net.loopback, destination)) {
    return { device: net.loopback, nextHop: destination, source: source !== ANY ? source : LOOPBACK, kind: 'broadcast', gateway: 0 }
  }
  const owner = localDevice(net, destination)
  if (owner !== undefined) {
    const own = source !== ANY ? source : owner === net.loopback && to !== ANY && owner.addresses.every(({ address }) => address !== destination) ? LOOPBACK : destination
    return { device: net.loopback, nextHop: destination, source: own, kind: 'local', gateway: 0 }
  }
  if (destination === BROADCAST || isMulticast(destination)) {
    const kind = destination === BROADCAST ? 'broadcast' : 'multicast'
    const bySource = source === ANY ? undefined : localDevice(net, source)
    const out = device ?? (bySource === net.loopback ? undefined : bySource) ?? lookUpRoute(net, destination)?.device
    if (out === undefined || !isUp(out)) return -ENETUNREACH
    return { device: out, nextHop: destination, source: source !== ANY ? source : addressFor(out, destination), kind, gateway: 0 }
  }
  const route = lookUpRoute(net, destination, device)
  if (route === undefined) {
    // A bound device is a route by itself.
    if (device === undefined || !isUp(device)) return -ENETUNREACH
    return { device, nextHop: destination, source: source !== ANY ? source : addressFor(device, destination), kind: 'unicast', gateway: 0 }
  }
  if (route.type !== 'unicast' || route.device === undefined) return FAILURES[route.type as Exclude<RouteType, 'unicast'>]
  const out = route.device
  const own = source !== ANY ? source : route.source !== ANY ? route.source : addressFor(out, route.gateway !== 0 ? route.gateway : destination)
  const isBroadcast = route.gateway === 0 && isBroadcastOf(out, destination)
  return { device: out, nextHop: route.gateway !== 0 ? route.gateway : destination, source: own, kind: isBroadcast ? 'broadcast' : 'unicast', gateway: route.gateway }
}

export const RTPROT_KERNEL = 2, RTPROT_BOOT = 3, RTPROT_STATIC = 4

/** Whether the address may be a socket's own. */
export const isOwnAddress = (net: NetNamespace, address: number): boolean => localDevice(net, address) !== undefined
export { RT_SCOPE_HOST }
