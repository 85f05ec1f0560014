/** Changes as netlink's groups hear of them (rtnetlink(7), RTMGRP_*). */
import type { Kernel } from '../kernel.ts'
import type { Neighbour } from './arp.ts'
import type { InterfaceAddress, NetInterface } from './device.ts'
import type { NetNamespace } from './namespace.ts'
import type { Route } from './route.ts'
import { addressMessage, linkMessage, neighbourMessage, routeMessage } from './rtnetlink-messages.ts'

const GROUP_LINK = 1, GROUP_NEIGHBOUR = 1 << 2, GROUP_ADDRESS = 1 << 4, GROUP_ROUTE = 1 << 6

const tell = (kernel: Kernel, net: NetNamespace, group: number, message: () => Uint8Array): void => {
  let bytes: Uint8Array | undefined
  for (const socket of net.netlinkSockets.values()) {
    if ((socket.groups & group) === 0) continue
    bytes ??= message()
    socket.queue.push({ bytes, group })
    kernel.wake(socket.readable)
  }
}

export const notifyLink = (kernel: Kernel, device: NetInterface, isThere: boolean): void => { tell(kernel, device.net, GROUP_LINK, () => linkMessage(device, 0, 0, 0, isThere)) }
export const notifyAddress = (kernel: Kernel, device: NetInterface, own: InterfaceAddress, isThere: boolean): void => {
  tell(kernel, device.net, GROUP_ADDRESS, () => addressMessage(device, own, 0, 0, 0, isThere))
}
export const notifyRoute = (kernel: Kernel, net: NetNamespace, route: Route, isThere: boolean): void => { tell(kernel, net, GROUP_ROUTE, () => routeMessage(route, 0, 0, 0, isThere)) }
export const notifyNeighbour = (kernel: Kernel, neighbour: Neighbour): void => {
  tell(kernel, neighbour.device.net, GROUP_NEIGHBOUR, () => neighbourMessage(neighbour, 0, 0, 0, true))
}
