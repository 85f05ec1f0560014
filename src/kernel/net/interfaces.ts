/** ioctls that ask for network interfaces (netdevice(7)): there is the loopback interface. */
import { ENODEV, ENOTTY } from '../abi/errno.ts'
import { AF_INET } from '../abi/sockets.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { LOOPBACK } from './inet.ts'

const SIOCGIFNAME = 0x8910, SIOCGIFCONF = 0x8912, SIOCGIFFLAGS = 0x8913, SIOCGIFADDR = 0x8915, SIOCGIFBRDADDR = 0x8919, SIOCGIFNETMASK = 0x891b,
  SIOCGIFMETRIC = 0x891d, SIOCGIFMTU = 0x8921, SIOCGIFHWADDR = 0x8927, SIOCGIFINDEX = 0x8933, SIOCGIFTXQLEN = 0x8942
const IFREQ_SIZE = 40, IFNAME_SIZE = 16
const NAME = 'lo', INDEX = 1
export const LOOPBACK_MTU = 65_536
/** IFF_UP | IFF_LOOPBACK | IFF_RUNNING. */
const FLAGS = 0x49
const ARPHRD_LOOPBACK = 772

const writeAddress = (kernel: Kernel, task: Task, at: number, address: number): void => {
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, AF_INET, true)
  view.setUint32(4, address)
  kernel.user(task).write(at, bytes)
}

/** The same on sockets of all families. */
export const interfaceIoctl = (kernel: Kernel, task: Task, command: number, argument: number): number => {
  const user = kernel.user(task)
  const name = (): boolean => user.string(argument, IFNAME_SIZE) === NAME
  const value = argument + IFNAME_SIZE
  switch (command) {
    case SIOCGIFCONF: {
      const room = user.i32(argument)
      const buffer = user.i64(argument + 8)
      if (buffer !== 0 && room >= IFREQ_SIZE) {
        user.fill(buffer, IFREQ_SIZE, 0)
        user.write(buffer, Uint8Array.from(NAME, (char) => char.charCodeAt(0)))
        writeAddress(kernel, task, buffer + IFNAME_SIZE, LOOPBACK)
      }
      user.setU32(argument, buffer === 0 || room >= IFREQ_SIZE ? IFREQ_SIZE : 0)
      return 0
    }
    case SIOCGIFNAME:
      if (user.i32(value) !== INDEX) return -ENODEV
      user.write(argument, Uint8Array.from([...NAME, '\0'], (char) => char.charCodeAt(0)))
      return 0
    case SIOCGIFFLAGS: if (!name()) return -ENODEV; user.setU16(value, FLAGS); return 0
    case SIOCGIFADDR: if (!name()) return -ENODEV; writeAddress(kernel, task, value, LOOPBACK); return 0
    case SIOCGIFBRDADDR: if (!name()) return -ENODEV; writeAddress(kernel, task, value, 0); return 0
    case SIOCGIFNETMASK: if (!name()) return -ENODEV; writeAddress(kernel, task, value, 0xff00_0000); return 0
    case SIOCGIFMTU: if (!name()) return -ENODEV; user.setU32(value, LOOPBACK_MTU); return 0
    case SIOCGIFMETRIC: if (!name()) return -ENODEV; user.setU32(value, 0); return 0
    case SIOCGIFINDEX: if (!name()) return -ENODEV; user.setU32(value, INDEX); return 0
    case SIOCGIFTXQLEN: if (!name()) return -ENODEV; user.setU32(value, 1000); return 0
    case SIOCGIFHWADDR:
      if (!name()) return -ENODEV
      user.fill(value, 16, 0)
      user.setU16(value, ARPHRD_LOOPBACK)
      return 0
    default: return -ENOTTY
  }
}
