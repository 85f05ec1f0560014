/** Network interfaces: loopback and Ethernet, as data. */
import { NO_MAC } from './ethernet.ts'
import type { Link } from './link.ts'
import { isInNetwork, isLoopback, LOOPBACK, maskOf } from './ipv4.ts'
import type { Neighbour } from './arp.ts'
import type { NetNamespace } from './namespace.ts'

export const IFF_UP = 1, IFF_BROADCAST = 2, IFF_LOOPBACK = 8, IFF_POINTOPOINT = 0x10, IFF_RUNNING = 0x40, IFF_NOARP = 0x80, IFF_PROMISC = 0x100,
  IFF_ALLMULTI = 0x200, IFF_MULTICAST = 0x1000, IFF_LOWER_UP = 0x1_0000
export const ARPHRD_ETHER = 1, ARPHRD_LOOPBACK = 772
export const LOOPBACK_MTU = 65_536, ETHERNET_MTU = 1500
export const RT_SCOPE_UNIVERSE = 0, RT_SCOPE_LINK = 253, RT_SCOPE_HOST = 254

export interface InterfaceAddress {
  readonly address: number
  readonly prefix: number
  /** The other end of a point-to-point link; else the address itself. */
  readonly peer: number
  readonly broadcast: number
  readonly label: string
  readonly scope: number
}

export interface InterfaceCounters { bytes: number, packets: number, errors: number, dropped: number, multicast: number }
const counters = (): InterfaceCounters => ({ bytes: 0, packets: 0, errors: 0, dropped: 0, multicast: 0 })

export interface NetInterface {
  readonly kind: 'interface'
  /** Among all of the world: what packets in traces name it by. */
  readonly number: number
  /** In its namespace (if_nametoindex). */
  index: number
  net: NetNamespace
  name: string
  readonly type: typeof ARPHRD_ETHER | typeof ARPHRD_LOOPBACK
  mac: Uint8Array
  mtu: number
  queueLength: number
  /** IFF_UP and what else is set; IFF_RUNNING and the like follow from the link. */
  flags: number
  readonly addresses: InterfaceAddress[]
  /** By address. */
  readonly neighbours: Map<number, Neighbour>
  /** Multicast groups that are listened to, and how often. */
  readonly groups: Map<number, number>
  link: Link | undefined
  readonly received: InterfaceCounters
  readonly sent: InterfaceCounters
  /** Its name and kind are in the trace. */
  told: boolean
  /** It can be removed by `ip link del`; its other end then goes, too. */
  readonly removable: boolean
}

export const makeInterface = (net: NetNamespace, number: number, name: string, type: NetInterface['type'], mac: Uint8Array, removable = false): NetInterface => {
  const device: NetInterface = {
    kind: 'interface', number, index: ++net.lastIndex, net, name, type, mac, mtu: type === ARPHRD_LOOPBACK ? LOOPBACK_MTU : ETHERNET_MTU, queueLength: 1000,
    flags: type === ARPHRD_LOOPBACK ? IFF_LOOPBACK : IFF_BROADCAST | IFF_MULTICAST,
    addresses: [], neighbours: new Map(), groups: new Map(), link: undefined, received: counters(), sent: counters(), told: false, removable,
  }
  net.interfaces.push(device)
  return device
}

export const isLoopbackDevice = (device: NetInterface): boolean => device.type === ARPHRD_LOOPBACK
export const isUp = (device: NetInterface): boolean => (device.flags & IFF_UP) !== 0
/** A cable is in it: the link is up, and so is somebody at the other end. */
export const hasCarrier = (device: NetInterface): boolean => isLoopbackDevice(device) ||
  (device.link !== undefined && device.link.up && (device.link.size !== 2 || (device.link.ends.length === 2 && device.link.ends.every(isUp))))

/** As SIOCGIFFLAGS and netlink show them. */
export const shownFlags = (device: NetInterface): number =>
  device.flags | (isUp(device) && hasCarrier(device) ? IFF_RUNNING | IFF_LOWER_UP : 0)

export const makeLoopback = (net: NetNamespace, number: number): NetInterface => makeInterface(net, number, 'lo', ARPHRD_LOOPBACK, NO_MAC)

export const findDevice = (net: NetNamespace, index: number): NetInterface | undefined => net.interfaces.find((device) => device.index === index)
export const findDeviceByName = (net: NetNamespace, name: string): NetInterface | undefined => net.interfaces.find((device) => device.name === name)

/** The broadcast address of a network; none below /31. */
export const broadcastOf = (address: number, prefix: number): number => prefix >= 31 ? 0 : (address | ~maskOf(prefix)) >>> 0

/** The address of the interface that fits a destination: of the same network, else the first. */
export const addressFor = (device: NetInterface, destination: number): number => {
  const match = device.addresses.find(({ peer, prefix, scope }) => scope !== RT_SCOPE_HOST && isInNetwork(destination, peer, prefix))
  return (match ?? device.addresses[0])?.address ?? 0
}

/** The interface whose address this is. All of 127.0.0.0/8 is loopback's while that is up (its local route is /8). */
export const localDevice = (net: NetNamespace, address: number): NetInterface | undefined => {
  const { loopback } = net
  if (isLoopback(address) && isUp(loopback) && loopback.addresses.length > 0 &&
      (address === LOOPBACK || loopback.addresses.some(({ address: own, prefix }) => isInNetwork(address, own, prefix)))) return loopback
  for (const device of net.interfaces) {
    if (!isUp(device) && device.type === ARPHRD_LOOPBACK) continue
    for (const own of device.addresses) if (own.address === address && isUp(device)) return device
  }
  return undefined
}

/** Whether it is the broadcast address of one of the interface's networks (or of all). */
export const isBroadcastOf = (device: NetInterface, address: number): boolean => address === 0xffff_ffff ||
  ((device.flags & (IFF_BROADCAST | IFF_LOOPBACK)) !== 0 && address !== 0 && device.addresses.some((own) => own.broadcast === address || broadcastOf(own.address, own.prefix) === address))
