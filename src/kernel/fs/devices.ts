/** Character devices by number (mem(4), random(4), tty(4)), and the file system that shows them at /dev. */
import { ACCESS_READ, ACCESS_WRITE } from '../../emu/mmu/mmu.ts'
import { EFAULT, EINVAL, ENODEV, ENOSPC, ENOTTY, ENXIO } from '../abi/errno.ts'
import { LOOP_CONTROL_MAJOR, LOOP_CONTROL_MINOR, LOOP_MAJOR } from '../abi/loop.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { CONSOLE_NAME, consoleTerminal } from './console.ts'
import { makeOpenFile } from './descriptor.ts'
import type { FileOperations, OpenFile } from './file.ts'
import type { Superblock } from './fs-state.ts'
import { type DeviceInode, type DirectoryInode, type Inode, makeDevice, makeDirectory, makeSymlink } from './inode.ts'
import { LOOP_COUNT, openLoop } from './loop.ts'
import { openMaster, openSlave, showTerminal } from './pty.ts'
import { controllingTerminal, terminalByDevice } from './tty-jobs.ts'

/** st_rdev: minor numbers above 255 go on at bit 20. */
export const deviceNumber = (major: number, minor: number): number => (major << 8) | (minor & 0xff) | ((minor & ~0xff) << 12)
const majorOf = (rdev: number): number => (rdev >> 8) & 0xfff

const MEMORY_MAJOR = 1, TTY_MAJOR = 5
export const PTS_MAJOR = 136
const NULL = deviceNumber(MEMORY_MAJOR, 3), ZERO = deviceNumber(MEMORY_MAJOR, 5), FULL = deviceNumber(MEMORY_MAJOR, 7),
  RANDOM = deviceNumber(MEMORY_MAJOR, 8), URANDOM = deviceNumber(MEMORY_MAJOR, 9), TTY = deviceNumber(TTY_MAJOR, 0),
  CONSOLE = deviceNumber(TTY_MAJOR, 1), PTMX = deviceNumber(TTY_MAJOR, 2)
export const NULL_DEVICE = NULL, ZERO_DEVICE = ZERO, FULL_DEVICE = FULL

const RNDGETENTCNT = 0x8004_5200
/** Bits in a full pool. */
const POOL_BITS = 256

const LOOP_CONTROL = deviceNumber(LOOP_CONTROL_MAJOR, LOOP_CONTROL_MINOR)
/** Group 'disk'. */
const DISK_GID = 6

/** So that a huge buffer's pages are not all made in one call. */
const MOST_AT_ONCE = 64 << 20

const isRandom = (rdev: number): boolean => rdev === RANDOM || rdev === URANDOM

/** Device numbers that are plain memory devices: what each does differs little enough to say it by number. */
export const deviceOperations: FileOperations = {
  positioned: true,
  read: (kernel, _task, file, length) => {
    const { rdev } = file.inode
    if (rdev === NULL) return new Uint8Array(0)
    return isRandom(rdev) ? kernel.outside.entropy.randomBytes(length) : new Uint8Array(length)
  },
  write: (_kernel, _task, file, bytes) => file.inode.rdev === FULL ? -ENOSPC : bytes.length,
  readTo: (kernel, task, file, address, length) => {
    if (file.inode.rdev === NULL || length === 0) return 0
    const user = kernel.user(task)
    const room = user.accessible(address, Math.min(length, MOST_AT_ONCE), ACCESS_WRITE)
    if (room === 0) return -EFAULT
    if (isRandom(file.inode.rdev)) user.write(address, kernel.outside.entropy.randomBytes(room))
    else user.fill(address, room, 0)
    return room
  },
  // Where nothing goes, nothing is looked at: any address will do (write_null).
  writeFrom: (kernel, task, file, address, length) => {
    if (file.inode.rdev === FULL) return -ENOSPC
    if (!isRandom(file.inode.rdev) || length === 0) return length
    return kernel.user(task).accessible(address, length, ACCESS_READ) || -EFAULT
  },
  seek: (_kernel, _task, file) => {
    file.position = 0
    return 0
  },
  map: (_kernel, _task, file) => file.inode.rdev === ZERO ? 0 : -ENODEV,
  ioctl: (kernel, task, file, command, argument) => {
    if (!isRandom(file.inode.rdev)) return -ENOTTY
    if (command !== RNDGETENTCNT) return -EINVAL
    kernel.user(task).setU32(argument, POOL_BITS)
    return 0
  },
}

/** Opens a device node: the driver is found by the number, wherever the node is. */
export const openDevice = (kernel: Kernel, task: Task, inode: DeviceInode, path: string, flags: number): OpenFile | number => {
  const { rdev } = inode
  if (inode.kind === 'block' || rdev === LOOP_CONTROL) return openLoop(kernel, inode, path, flags)
  switch (rdev) {
    case NULL: case ZERO: case FULL: case RANDOM: case URANDOM:
      return makeOpenFile(kernel, 'device', inode, path, flags, undefined)
    case PTMX: return openMaster(kernel, task, inode, path, flags)
    case TTY: case CONSOLE: {
      const terminal = rdev === TTY ? controllingTerminal(kernel, task.group) : consoleTerminal(kernel)
      return terminal === undefined ? rdev === TTY ? -ENXIO : -ENODEV : openSlave(kernel, task, terminal, inode, path, flags)
    }
    default: {
      const terminal = majorOf(rdev) >= PTS_MAJOR && majorOf(rdev) < PTS_MAJOR + 8 ? terminalByDevice(kernel, rdev) : undefined
      return terminal === undefined ? -ENXIO : openSlave(kernel, task, terminal, inode, path, flags)
    }
  }
}

const DEVICES: readonly (readonly [name: string, mode: number, rdev: number, gid: number])[] = [
  ['null', 0o666, NULL, 0], ['zero', 0o666, ZERO, 0], ['full', 0o666, FULL, 0], ['random', 0o666, RANDOM, 0],
  ['urandom', 0o666, URANDOM, 0], ['tty', 0o666, TTY, 5], ['console', 0o600, CONSOLE, 5], ['ptmx', 0o666, PTMX, 5],
]
const LINKS: readonly (readonly [name: string, target: string])[] = [
  ['fd', '/proc/self/fd'], ['stdin', '/proc/self/fd/0'], ['stdout', '/proc/self/fd/1'], ['stderr', '/proc/self/fd/2'],
  ['core', '/proc/kcore'],
]

const fillPts = (kernel: Kernel, pts: DirectoryInode): void => {
  pts.entries.set('ptmx', makeDevice(kernel, pts.superblock, 'character', 0, PTMX))
  const terminal = consoleTerminal(kernel)
  if (terminal !== undefined) showTerminal(kernel, pts, terminal, CONSOLE_NAME, kernel.config.uid)
  for (const other of kernel.state.fs.terminals.values()) if (other.number >= 0) showTerminal(kernel, pts, other, String(other.number), 0)
}

/** A new /dev/pts; all of them show the same terminals. */
export const mountDevpts = (kernel: Kernel, superblock: Superblock): DirectoryInode => {
  const root = makeDirectory(kernel, superblock, undefined, '', 0o755)
  fillPts(kernel, root)
  const ptmx = root.entries.get('ptmx')
  if (ptmx !== undefined) ptmx.mode = 0o666
  return root
}

/** The tree of a new /dev. */
export const mountDev = (kernel: Kernel, superblock: Superblock): DirectoryInode => {
  const root = makeDirectory(kernel, superblock, undefined, '', 0o755)
  const add = (name: string, inode: Inode): void => {
    root.entries.set(name, inode)
    if (inode.kind === 'directory') root.nlink++
  }
  for (const [name, mode, rdev, gid] of DEVICES) add(name, makeDevice(kernel, superblock, 'character', mode, rdev, 0, gid))
  for (const [name, target] of LINKS) add(name, makeSymlink(kernel, superblock, target))
  add('loop-control', makeDevice(kernel, superblock, 'character', 0o660, LOOP_CONTROL, 0, DISK_GID))
  for (let number = 0; number < LOOP_COUNT; number++) {
    add(`loop${number}`, makeDevice(kernel, superblock, 'block', 0o660, deviceNumber(LOOP_MAJOR, number), 0, DISK_GID))
  }
  const pts = makeDirectory(kernel, superblock, root, 'pts', 0o755)
  add('pts', pts)
  add('shm', makeDirectory(kernel, superblock, root, 'shm', 0o1777))
  add('mqueue', makeDirectory(kernel, superblock, root, 'mqueue', 0o1777))
  fillPts(kernel, pts)
  return root
}
