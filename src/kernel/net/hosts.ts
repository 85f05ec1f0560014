/** The network of hosts: what a host has of it when it starts, by the configuration's links, and what happens when its power goes. */
import type { LinkConfig } from '../config.ts'
import type { Kernel } from '../kernel.ts'
import { disarm } from '../time/timer-queue.ts'
import { addAddress, makeEthernet, setUp } from './configure.ts'
import { broadcastOf, findDeviceByName, IFF_UP, isLoopbackDevice } from './device.ts'
import { parseDotted } from './ipv4.ts'
import { attach, detach, type LinkQuality, makeLink, PERFECT } from './link.ts'
import { makeNetNamespace, type NetNamespace, startLoopback } from './namespace.ts'
import { addRoute, RTPROT_BOOT } from './route.ts'
import { finishConnection } from './tcp/connection.ts'

export interface ParsedAddress { readonly address: number, readonly prefix: number }

/** '10.0.0.1/24'. undefined for what is none. */
export const parseAddress = (text: string): ParsedAddress | undefined => {
  const [dotted, bits = '32', ...rest] = text.split('/')
  const address = parseDotted(dotted)
  const prefix = /^\d{1,2}$/.test(bits) ? Number(bits) : 33
  return address === undefined || prefix > 32 || rest.length > 0 ? undefined : { address, prefix }
}

/** '02:00:00:00:00:01'. */
export const parseMac = (text: string): Uint8Array | undefined => /^([\da-f]{2}:){5}[\da-f]{2}$/i.test(text) ? Uint8Array.from(text.split(':'), (part) => parseInt(part, 16)) : undefined

export const qualityOf = (config: LinkConfig): LinkQuality => ({
  latencyCycles: config.latencyCycles ?? PERFECT.latencyCycles, bytesPerSecond: config.bytesPerSecond ?? PERFECT.bytesPerSecond, loss: config.loss ?? 0, duplicate: config.duplicate ?? 0,
  reorder: config.reorder ?? 0, corrupt: config.corrupt ?? 0,
})

/** The same however often the host is started. */
const linkMac = (link: number, end: number): Uint8Array => Uint8Array.of(0x02, 0x53, link >>> 8, link, end >>> 8, end + 1)

/** The network namespace of a host that starts, with its interfaces. */
export const hostNet = (kernel: Kernel, host: number, isFirst: boolean): NetNamespace => {
  const { config, state: { net: state } } = kernel
  const links = config.links ?? []
  while (state.links.length < links.length) {
    const next = links[state.links.length]
    makeLink(kernel, qualityOf(next), [], next.ends.length)
  }
  let net = state.initial
  if (!isFirst) {
    net = makeNetNamespace(kernel)
    startLoopback(net)
  }
  const name = config.hosts?.[host].name ?? config.hostname
  if (config.hosts !== undefined) net.owner = name
  for (const [index, { ends }] of links.entries()) {
    for (const [place, end] of ends.entries()) {
      if (end.host !== name) continue
      const device = findDeviceByName(net, end.interface) ?? makeEthernet(kernel, net, end.interface, end.mac === undefined ? linkMac(index, place) : parseMac(end.mac))
      attach(state.links[index], device)
      setUp(kernel, device, true)
      const own = end.address === undefined ? undefined : parseAddress(end.address)
      if (own !== undefined) addAddress(kernel, device, { ...own, broadcast: broadcastOf(own.address, own.prefix) })
      const gateway = end.gateway === undefined ? undefined : parseDotted(end.gateway)
      if (gateway !== undefined) addRoute(net, { destination: 0, prefix: 0, gateway, device, source: 0, metric: 0, type: 'unicast', protocol: RTPROT_BOOT, scope: 0 })
    }
  }
  return net
}

/** The power goes: nothing is sent any more, no connection is ended in good order, and its cables lead to nobody. */
export const powerOff = (kernel: Kernel, net: NetNamespace): void => {
  const { timers } = kernel.state
  for (const device of net.interfaces) {
    if (isLoopbackDevice(device)) continue
    device.flags &= ~IFF_UP
    detach(device)
    for (const { timer } of device.neighbours.values()) disarm(timers, timer)
  }
  for (const list of [...net.inet.connections.values()]) {
    for (const socket of [...list]) {
      if (socket.kind !== 'inet') continue
      socket.closed = true
      finishConnection(kernel, socket)
    }
  }
  disarm(timers, net.timeWaits.timer)
  net.timeWaits.all.clear()
  for (const { timer } of net.fragments.values()) disarm(timers, timer)
  net.fragments.clear()
}
