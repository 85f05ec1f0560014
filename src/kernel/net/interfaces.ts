/** ioctls about network interfaces, routes and ARP (netdevice(7), arp(7), rtentry): the same on sockets of all families. */
import { EADDRNOTAVAIL, EEXIST, EINVAL, ENODEV, ENOTTY, ENXIO, EPERM } from '../abi/errno.ts'
import { CAP_NET_ADMIN } from '../abi/capabilities.ts'
import { AF_INET } from '../abi/sockets.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { isOnLink, removeNeighbour, setNeighbour } from './arp.ts'
import { addAddress, classPrefix, defaultBroadcast, deleteRoute, putRoute, removeAddress, setFlags, setMtu } from './configure.ts'
import { findDevice, findDeviceByName, isLoopbackDevice, type InterfaceAddress, type NetInterface, shownFlags } from './device.ts'
import { maskOf, prefixOfMask } from './ipv4.ts'
import { hasNetCapability, type NetNamespace } from './namespace.ts'

const SIOCADDRT = 0x890b, SIOCDELRT = 0x890c, SIOCGIFNAME = 0x8910, SIOCGIFCONF = 0x8912, SIOCGIFFLAGS = 0x8913, SIOCSIFFLAGS = 0x8914, SIOCGIFADDR = 0x8915, SIOCSIFADDR = 0x8916,
  SIOCGIFDSTADDR = 0x8917, SIOCGIFBRDADDR = 0x8919, SIOCSIFBRDADDR = 0x891a, SIOCGIFNETMASK = 0x891b, SIOCSIFNETMASK = 0x891c, SIOCGIFMETRIC = 0x891d, SIOCGIFMTU = 0x8921,
  SIOCSIFMTU = 0x8922, SIOCSIFNAME = 0x8923, SIOCSIFHWADDR = 0x8924, SIOCGIFHWADDR = 0x8927, SIOCGIFINDEX = 0x8933, SIOCGIFTXQLEN = 0x8942, SIOCSIFTXQLEN = 0x8943, SIOCGIFMAP = 0x8970,
  SIOCDARP = 0x8953, SIOCGARP = 0x8954, SIOCSARP = 0x8955
const CHANGES: ReadonlySet<number> = new Set([SIOCADDRT, SIOCDELRT, SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFBRDADDR, SIOCSIFNETMASK, SIOCSIFMTU, SIOCSIFNAME, SIOCSIFHWADDR, SIOCSIFTXQLEN, SIOCDARP, SIOCSARP])
const IFREQ_SIZE = 40, IFNAME_SIZE = 16
/** IFF_UP, NOARP, PROMISC, ALLMULTI, MULTICAST. */
const CHANGEABLE = 0x1381

const bytesOf = (text: string): Uint8Array => Uint8Array.from(`${text}\0`.slice(0, IFNAME_SIZE), (char) => char.charCodeAt(0))

const writeAddress = (kernel: Kernel, task: Task, at: number, address: number): void => {
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, AF_INET, true)
  view.setUint32(4, address)
  kernel.user(task).write(at, bytes)
}
const readAddress = (kernel: Kernel, task: Task, at: number): number => new DataView(kernel.user(task).read(at + 4, 4).buffer).getUint32(0)

const listInterfaces = (kernel: Kernel, task: Task, net: NetNamespace, argument: number): number => {
  const user = kernel.user(task)
  const room = user.i32(argument), buffer = user.i64(argument + 8)
  let done = 0
  for (const device of net.interfaces) {
    for (const own of device.addresses) {
      if (buffer !== 0) {
        if (done + IFREQ_SIZE > room) break
        user.fill(buffer + done, IFREQ_SIZE, 0)
        user.write(buffer + done, bytesOf(own.label))
        writeAddress(kernel, task, buffer + done + IFNAME_SIZE, own.address)
      }
      done += IFREQ_SIZE
    }
  }
  user.setU32(argument, done)
  return 0
}

const RTF_GATEWAY = 2, RTF_REJECT = 0x200

/** struct rtentry. */
const changeRoute = (kernel: Kernel, task: Task, net: NetNamespace, argument: number, isAdding: boolean): number => {
  const user = kernel.user(task)
  const mask = readAddress(kernel, task, argument + 40)
  const flags = user.u16(argument + 56)
  const metric = Math.max(user.u16(argument + 80) - 1, 0)
  const name = user.i64(argument + 88)
  const device = name === 0 ? undefined : findDeviceByName(net, user.string(name, IFNAME_SIZE) ?? '')
  if (name !== 0 && device === undefined) return -ENODEV
  const prefix = prefixOfMask(mask)
  if (maskOf(prefix) !== mask) return -EINVAL
  const destination = readAddress(kernel, task, argument + 8)
  const gateway = (flags & RTF_GATEWAY) !== 0 ? readAddress(kernel, task, argument + 24) : 0
  if (!isAdding) return deleteRoute(kernel, net, destination, prefix, gateway, device, metric)
  return putRoute(kernel, net, { destination, prefix, gateway, device, source: 0, metric, type: (flags & RTF_REJECT) !== 0 ? 'unreachable' : 'unicast', protocol: 3 }, 'create')
}

const ATF_COM = 2, ATF_PERM = 4

/** struct arpreq. */
const arp = (kernel: Kernel, task: Task, net: NetNamespace, command: number, argument: number): number => {
  const user = kernel.user(task)
  const address = readAddress(kernel, task, argument)
  const name = user.string(argument + 52, IFNAME_SIZE) ?? ''
  const device = name !== '' ? findDeviceByName(net, name) : net.interfaces.find((each) => !isLoopbackDevice(each) && isOnLink(each, address))
  if (device === undefined) return name !== '' ? -ENODEV : -ENXIO
  const known = device.neighbours.get(address)
  switch (command) {
    case SIOCGARP:
      if (known === undefined) return -ENXIO
      user.fill(argument + 16, 16, 0)
      user.setU16(argument + 16, device.type)
      user.write(argument + 18, known.mac)
      user.setU32(argument + 32, known.state === 'permanent' ? ATF_COM | ATF_PERM : known.state === 'failed' || known.state === 'incomplete' ? 0 : ATF_COM)
      return 0
    case SIOCSARP:
      setNeighbour(kernel, device, address, user.read(argument + 18, 6), (user.i32(argument + 32) & ATF_PERM) !== 0 ? 'permanent' : 'stale')
      return 0
    default: return removeNeighbour(kernel, device, address) ? 0 : -ENXIO
  }
}

/** The address that an ioctl is about: by its label (eth0:1), else the interface's first. */
const addressOf = (device: NetInterface, label: string): InterfaceAddress | undefined => device.addresses.find((own) => own.label === label) ?? (label === device.name ? device.addresses.at(0) : undefined)

const setAddress = (kernel: Kernel, device: NetInterface, label: string, address: number): number => {
  const old = addressOf(device, label)
  if (old !== undefined) {
    if (old.address === address) return 0
    removeAddress(kernel, device, old.address, old.prefix)
  }
  if (address === 0) return 0
  const prefix = classPrefix(address)
  const result = addAddress(kernel, device, { address, prefix, broadcast: defaultBroadcast(device, address, prefix), label })
  return result === -EEXIST ? 0 : result
}

const replaceAddress = (kernel: Kernel, device: NetInterface, own: InterfaceAddress, change: Partial<InterfaceAddress>): number => {
  removeAddress(kernel, device, own.address, own.prefix)
  return addAddress(kernel, device, { ...own, ...change })
}

export const interfaceIoctl = (kernel: Kernel, task: Task, net: NetNamespace, command: number, argument: number): number => {
  const user = kernel.user(task)
  if (CHANGES.has(command) && !hasNetCapability(task, CAP_NET_ADMIN)) return -EPERM
  switch (command) {
    case SIOCGIFCONF: return listInterfaces(kernel, task, net, argument)
    case SIOCGIFNAME: {
      const device = findDevice(net, user.i32(argument + IFNAME_SIZE))
      if (device === undefined) return -ENODEV
      user.write(argument, bytesOf(device.name))
      return 0
    }
    case SIOCADDRT: case SIOCDELRT: return changeRoute(kernel, task, net, argument, command === SIOCADDRT)
    case SIOCGARP: case SIOCSARP: case SIOCDARP: return arp(kernel, task, net, command, argument)
    default: return aboutOne(kernel, task, net, command, argument)
  }
}

/** ioctls with struct ifreq, which names an interface. */
const aboutOne = (kernel: Kernel, task: Task, net: NetNamespace, command: number, argument: number): number => {
  const user = kernel.user(task)
  if (command < SIOCGIFFLAGS || command > SIOCGIFMAP) return -ENOTTY
  const label = user.string(argument, IFNAME_SIZE) ?? ''
  const device = findDeviceByName(net, label.split(':')[0])
  const value = argument + IFNAME_SIZE
  if (device === undefined) return -ENODEV
  const own = addressOf(device, label)
  switch (command) {
    case SIOCGIFFLAGS: user.setU16(value, shownFlags(device) & 0xffff); return 0
    case SIOCGIFADDR: case SIOCGIFDSTADDR: case SIOCGIFBRDADDR: case SIOCGIFNETMASK:
      if (own === undefined) return -EADDRNOTAVAIL
      writeAddress(kernel, task, value, command === SIOCGIFADDR ? own.address : command === SIOCGIFDSTADDR ? own.peer : command === SIOCGIFBRDADDR ? own.broadcast : maskOf(own.prefix))
      return 0
    case SIOCGIFMTU: user.setU32(value, device.mtu); return 0
    case SIOCGIFMETRIC: user.setU32(value, 0); return 0
    case SIOCGIFINDEX: user.setU32(value, device.index); return 0
    case SIOCGIFTXQLEN: user.setU32(value, device.queueLength); return 0
    case SIOCGIFMAP: user.fill(value, 24, 0); return 0
    case SIOCGIFHWADDR:
      user.fill(value, 16, 0)
      user.setU16(value, device.type)
      user.write(value + 2, device.mac)
      return 0
    case SIOCSIFFLAGS:
      setFlags(kernel, device, (device.flags & ~CHANGEABLE) | (user.u16(value) & CHANGEABLE))
      return 0
    case SIOCSIFADDR: return setAddress(kernel, device, label, readAddress(kernel, task, value))
    case SIOCSIFNETMASK: {
      const mask = readAddress(kernel, task, value)
      const prefix = prefixOfMask(mask)
      if (maskOf(prefix) !== mask) return -EINVAL
      return own === undefined ? -EADDRNOTAVAIL : replaceAddress(kernel, device, own, { prefix, broadcast: defaultBroadcast(device, own.address, prefix) })
    }
    case SIOCSIFBRDADDR: return own === undefined ? -EADDRNOTAVAIL : replaceAddress(kernel, device, own, { broadcast: readAddress(kernel, task, value) })
    case SIOCSIFMTU: return setMtu(kernel, device, user.i32(value))
    case SIOCSIFTXQLEN: device.queueLength = user.i32(value); return 0
    case SIOCSIFHWADDR:
      if (isLoopbackDevice(device)) return -EINVAL
      device.mac = user.read(value + 2, 6)
      return 0
    case SIOCSIFNAME: {
      const name = user.string(value, IFNAME_SIZE) ?? ''
      if (name === '' || /[/\s:]/.test(name)) return -EINVAL
      if (findDeviceByName(net, name) !== undefined) return -EEXIST
      device.name = name
      return 0
    }
    default: return -ENOTTY
  }
}
