/** Groups that sockets listen to (IP_ADD_MEMBERSHIP, ip(7)). There is no router that would have to be told (IGMP). */
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENODEV } from '../abi/errno.ts'
import { findDevice, type NetInterface } from './device.ts'
import type { InetSocket } from './inet.ts'
import { ANY, get32, isMulticast } from './ipv4.ts'
import { lookUpRoute } from './route.ts'

/** struct ip_mreq (8 bytes) or ip_mreqn (12): the group, an address of the interface, its index. */
export const membershipOf = (socket: InetSocket, value: Uint8Array): { group: number, device: NetInterface } | number => {
  if (value.length < 8) return -EINVAL
  const { net } = socket
  const group = get32(value, 0), address = get32(value, 4)
  if (!isMulticast(group)) return -EINVAL
  const index = value.length >= 12 ? new DataView(value.buffer, value.byteOffset).getInt32(8, true) : 0
  const device = index !== 0 ? findDevice(net, index) : address !== ANY ? net.interfaces.find(({ addresses }) => addresses.some((own) => own.address === address))
    : lookUpRoute(net, group)?.device
  return device === undefined ? -ENODEV : { group, device }
}

const count = (device: NetInterface, group: number, by: 1 | -1): void => {
  const users = (device.groups.get(group) ?? 0) + by
  if (users > 0) device.groups.set(group, users)
  else device.groups.delete(group)
}

export const join = (socket: InetSocket, value: Uint8Array): number => {
  const wanted = membershipOf(socket, value)
  if (typeof wanted === 'number') return wanted
  if (socket.memberships.some(({ group, device }) => group === wanted.group && device === wanted.device)) return -EADDRINUSE
  socket.memberships.push(wanted)
  count(wanted.device, wanted.group, 1)
  return 0
}

export const leave = (socket: InetSocket, value: Uint8Array): number => {
  const wanted = membershipOf(socket, value)
  if (typeof wanted === 'number') return wanted
  const at = socket.memberships.findIndex(({ group, device }) => group === wanted.group && device === wanted.device)
  if (at < 0) return -EADDRNOTAVAIL
  socket.memberships.splice(at, 1)
  count(wanted.device, wanted.group, -1)
  return 0
}

export const dropMemberships = (socket: InetSocket): void => {
  for (const { device, group } of socket.memberships.splice(0)) count(device, group, -1)
}
