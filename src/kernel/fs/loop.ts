/** Loop devices (loop(4)): block devices whose blocks are those of a regular file. Images of file systems are mounted through them. */
import { CAP_SYS_ADMIN } from '../abi/capabilities.ts'
import { EACCES, EBADF, EBUSY, EINVAL, ENOSPC, ENOTTY, ENXIO, EPERM } from '../abi/errno.ts'
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { O_ACCMODE, O_RDONLY, SEEK_CUR, SEEK_END, SEEK_SET } from '../abi/fcntl.ts'
import {
  BLKALIGNOFF, BLKBSZGET, BLKFLSBUF, BLKFRAGET, BLKFRASET, BLKIOMIN, BLKIOOPT, BLKPBSZGET, BLKRAGET, BLKRASET, LO_FLAGS_DIRECT_IO, LO_FLAGS_PARTSCAN, LOOP_CHANGE_FD, BLKGETSIZE, BLKGETSIZE64, BLKROGET, BLKROSET, BLKSSZGET, LO_FLAGS_AUTOCLEAR, LO_FLAGS_READ_ONLY, LOOP_CLR_FD, LOOP_CONFIGURE, LOOP_CONTROL_MAJOR,
  LOOP_CTL_GET_FREE, LOOP_GET_STATUS64, LOOP_MAJOR, LOOP_SET_BLOCK_SIZE, LOOP_SET_CAPACITY, LOOP_SET_DIRECT_IO, LOOP_SET_FD, LOOP_GET_STATUS, LOOP_SET_STATUS, LOOP_SET_STATUS64,
} from '../abi/loop.ts'
import type { Kernel } from '../kernel.ts'
import { hasCapability } from '../task/credentials.ts'
import type { Task } from '../task/task.ts'
import { getFile, makeOpenFile, releaseFile, retainFile } from './descriptor.ts'
import { operationsOf } from './file-operations.ts'
import type { FileOperations, OpenFile } from './file.ts'
import { type FileInode, type Inode, inodeSize } from './inode.ts'

export const LOOP_COUNT = 8
const SECTOR = 512

export interface LoopDevice {
  /** Holds a reference. */
  file: OpenFile
  /** struct loop_info64 as it was set. */
  info: Uint8Array
  /** LOOP_SET_BLOCK_SIZE. */
  blockSize: number
  /** Sectors read and written since it was bound. */
  read: number
  written: number
}

/** struct loop_info64. */
const INFO_SIZE = 232
const INFO = { offset: 24, sizeLimit: 32, number: 40, flags: 52 } as const
/** struct loop_config: the descriptor, a block size, then the info. */
const CONFIG_INFO = 8

const majorOf = (rdev: number): number => (rdev >>> 8) & 0xfff
const numberOf = (file: OpenFile): number => file.inode.rdev & 0xff
const isControl = (file: OpenFile): boolean => majorOf(file.inode.rdev) === LOOP_CONTROL_MAJOR
const loopOf = (kernel: Kernel, file: OpenFile): LoopDevice | undefined => isControl(file) ? undefined : kernel.state.fs.loops[numberOf(file)]

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const startOf = (loop: LoopDevice): number => viewOf(loop.info).getUint32(INFO.offset, true)
const flagsOf = (loop: LoopDevice): number => viewOf(loop.info).getUint32(INFO.flags, true)

/** Bytes of the device: whole sectors. */
const sizeOf = (kernel: Kernel, loop: LoopDevice): number => {
  const view = viewOf(loop.info)
  const limit = view.getUint32(INFO.sizeLimit, true) + view.getUint32(INFO.sizeLimit + 4, true) * 0x1_0000_0000
  const rest = Math.max(inodeSize(kernel, loop.file.inode) - startOf(loop), 0)
  const size = limit > 0 ? Math.min(limit, rest) : rest
  return size - size % SECTOR
}

export const isLoopDevice = (inode: Inode): boolean =>
  inode.kind === 'block' && majorOf(inode.rdev) === LOOP_MAJOR && (inode.rdev & 0xff) < LOOP_COUNT

/** The file behind a loop device, for mount; undefined if there is none, or it starts in the middle of a file. */
export const loopImage = (kernel: Kernel, inode: Inode): FileInode | undefined => {
  const loop = isLoopDevice(inode) ? kernel.state.fs.loops[inode.rdev & 0xff] : undefined
  return loop !== undefined && startOf(loop) === 0 && loop.file.inode.kind === 'file' ? loop.file.inode : undefined
}

/** Opens /dev/loopN or /dev/loop-control; there are no other block devices. */
export const openLoop = (kernel: Kernel, inode: Inode, path: string, flags: number): OpenFile | number =>
  inode.kind === 'block' && !isLoopDevice(inode) ? -ENXIO : makeOpenFile(kernel, 'loop', inode, path, flags, undefined)

/** Whether a device was set so that nothing may be written to it. */
export const isReadOnlyLoop = (kernel: Kernel, { rdev }: Inode): boolean => {
  const loop = kernel.state.fs.loops[rdev & 0xff]
  return loop !== undefined && (flagsOf(loop) & LO_FLAGS_READ_ONLY) !== 0
}

const isMounted = (kernel: Kernel, loop: LoopDevice): boolean =>
  kernel.state.fs.superblocks.some(({ volume }) => volume !== undefined && volume.image === loop.file.inode)

const clear = (kernel: Kernel, number: number): void => {
  const loop = kernel.state.fs.loops[number]
  if (loop === undefined) return
  kernel.state.fs.loops[number] = undefined
  releaseFile(kernel, loop.file)
}

const isInUse = (kernel: Kernel, number: number): boolean => {
  for (const task of kernel.state.tasks.values()) {
    for (const slot of task.files.slots) if (slot?.file.kind === 'loop' && !isControl(slot.file) && numberOf(slot.file) === number) return true
  }
  return false
}

/** Devices that clear themselves do so when nobody has them open or mounted. */
export const clearUnusedLoops = (kernel: Kernel): void => {
  kernel.state.fs.loops.forEach((loop, number) => {
    if (loop !== undefined && (flagsOf(loop) & LO_FLAGS_AUTOCLEAR) !== 0 && !isMounted(kernel, loop) && !isInUse(kernel, number)) clear(kernel, number)
  })
}

const bind = (kernel: Kernel, task: Task, file: OpenFile, fd: number, info: Uint8Array, blockSize = 0): number => {
  const { loops } = kernel.state.fs
  const number = numberOf(file)
  const backing = getFile(task, fd)
  if (backing === undefined) return -EBADF
  if (loops[number] !== undefined) return -EBUSY
  if (backing.kind !== 'regular' || (blockSize !== 0 && !isBlockSize(blockSize))) return -EINVAL
  if ((backing.flags & O_ACCMODE) === O_RDONLY) viewOf(info).setUint32(INFO.flags, viewOf(info).getUint32(INFO.flags, true) | LO_FLAGS_READ_ONLY, true)
  retainFile(backing)
  viewOf(info).setUint32(INFO.number, number, true)
  loops[number] = { file: backing, info, blockSize: blockSize === 0 ? SECTOR : blockSize, read: 0, written: 0 }
  return 0
}

const getFree = (kernel: Kernel): number => {
  for (let number = 0; number < LOOP_COUNT; number++) if (kernel.state.fs.loops[number] === undefined) return number
  return -ENOSPC
}

const isBlockSize = (size: number): boolean => size >= SECTOR && size <= PAGE_SIZE && (size & (size - 1)) === 0

const setReadAhead = (kernel: Kernel, file: OpenFile, sectors: number): number => {
  kernel.state.fs.loopReadAhead[numberOf(file)] = sectors
  return 0
}

/** What /sys tells of a device; undefined: it has no file. */
export const loopFacts = (kernel: Kernel, number: number): {
  readonly size: number, readonly flags: number, readonly blockSize: number, readonly read: number, readonly written: number, readonly path: string
  readonly offset: number, readonly sizeLimit: number
} | undefined => {
  const loop = kernel.state.fs.loops[number]
  return loop === undefined ? undefined : {
    size: sizeOf(kernel, loop), flags: flagsOf(loop), blockSize: loop.blockSize, read: loop.read, written: loop.written, path: loop.file.path, offset: startOf(loop),
    sizeLimit: viewOf(loop.info).getUint32(INFO.sizeLimit, true),
  }
}

/** A file system wrote to the file behind a device. */
export const countWritten = (kernel: Kernel, image: FileInode, bytes: number): void => {
  for (const loop of kernel.state.fs.loops) if (loop?.file.inode === image) loop.written += Math.ceil(bytes / SECTOR)
}

const control = (kernel: Kernel, command: number): number => command === LOOP_CTL_GET_FREE ? getFree(kernel) : -ENOTTY

/** Of the flags a status sets AUTOCLEAR and PARTSCAN, and takes AUTOCLEAR off (loop_set_status). */
const setInfo = (loop: LoopDevice, number: number, info: Uint8Array): number => {
  const view = viewOf(info)
  const old = flagsOf(loop)
  view.setUint32(INFO.flags, (old & ~LO_FLAGS_AUTOCLEAR) | (view.getUint32(INFO.flags, true) & (LO_FLAGS_AUTOCLEAR | LO_FLAGS_PARTSCAN)), true)
  view.setUint32(INFO.number, number, true)
  loop.info = info
  return 0
}

/** struct loop_info, as before there was loop_info64: where it has what. */
const OLD_INFO_SIZE = 168, OLD_OFFSET = 32, OLD_FLAGS = 44, OLD_NAME = 48, NEW_NAME = 56, NAME_SIZE = 64

const ioctl = (kernel: Kernel, task: Task, file: OpenFile, command: number, argument: number): number => {
  if (isControl(file)) return control(kernel, command)
  const user = kernel.user(task)
  if (command === LOOP_SET_FD) return bind(kernel, task, file, argument | 0, new Uint8Array(INFO_SIZE))
  if (command === LOOP_CONFIGURE) return bind(kernel, task, file, user.i32(argument), user.read(argument + CONFIG_INFO, INFO_SIZE), user.u32(argument + 4))
  const loop = loopOf(kernel, file)
  switch (command) {
    case BLKGETSIZE64:
      user.setI64(argument, loop === undefined ? 0 : sizeOf(kernel, loop))
      return 0
    case BLKGETSIZE:
      user.setI64(argument, loop === undefined ? 0 : sizeOf(kernel, loop) / SECTOR)
      return 0
    case BLKSSZGET:
      user.setU32(argument, loop?.blockSize ?? SECTOR)
      return 0
    case BLKROSET: {
      if (!hasCapability(task, CAP_SYS_ADMIN)) return -EACCES
      if (loop === undefined) return 0
      const flags = flagsOf(loop)
      viewOf(loop.info).setUint32(INFO.flags, user.u32(argument) !== 0 ? flags | LO_FLAGS_READ_ONLY : flags & ~LO_FLAGS_READ_ONLY, true)
      return 0
    }
    case BLKROGET:
      user.setU32(argument, loop !== undefined && (flagsOf(loop) & LO_FLAGS_READ_ONLY) !== 0 ? 1 : 0)
      return 0
    case BLKFLSBUF: return 0
    case BLKRASET: case BLKFRASET:
      return hasCapability(task, CAP_SYS_ADMIN) ? setReadAhead(kernel, file, argument) : -EACCES
    case BLKRAGET: case BLKFRAGET:
      user.setI64(argument, kernel.state.fs.loopReadAhead[numberOf(file)])
      return 0
    case BLKBSZGET:
      user.setU32(argument, 4096)
      return 0
    case BLKPBSZGET: case BLKIOMIN:
      user.setU32(argument, loop?.blockSize ?? SECTOR)
      return 0
    case BLKIOOPT: case BLKALIGNOFF:
      user.setU32(argument, 0)
      return 0
  }
  if (loop === undefined) return command >= LOOP_SET_FD && command <= LOOP_CONFIGURE ? -ENXIO : -ENOTTY
  switch (command) {
    case LOOP_CLR_FD:
      if (isMounted(kernel, loop)) {
        // It goes when it is unmounted, as on Linux.
        viewOf(loop.info).setUint32(INFO.flags, flagsOf(loop) | LO_FLAGS_AUTOCLEAR, true)
        return 0
      }
      clear(kernel, numberOf(file))
      return 0
    case LOOP_SET_STATUS64: return setInfo(loop, numberOf(file), user.read(argument, INFO_SIZE))
    case LOOP_GET_STATUS64:
      user.write(argument, loop.info)
      user.setI64(argument + 8, loop.file.inode.ino)
      return 0
    case LOOP_SET_STATUS: {
      const old = user.read(argument, OLD_INFO_SIZE)
      const info = new Uint8Array(INFO_SIZE)
      const to = viewOf(info), from = viewOf(old)
      to.setUint32(24, from.getUint32(OLD_OFFSET, true), true)
      to.setUint32(INFO.flags, from.getUint32(OLD_FLAGS, true), true)
      info.set(old.subarray(OLD_NAME, OLD_NAME + NAME_SIZE), NEW_NAME)
      return setInfo(loop, numberOf(file), info)
    }
    case LOOP_GET_STATUS: {
      const old = new Uint8Array(OLD_INFO_SIZE)
      const to = viewOf(old), from = viewOf(loop.info)
      to.setUint32(0, numberOf(file), true)
      to.setUint32(16, loop.file.inode.ino, true)
      to.setUint32(OLD_OFFSET, from.getUint32(24, true), true)
      to.setUint32(OLD_FLAGS, flagsOf(loop), true)
      old.set(loop.info.subarray(NEW_NAME, NEW_NAME + NAME_SIZE), OLD_NAME)
      user.write(argument, old)
      return 0
    }
    case LOOP_SET_BLOCK_SIZE:
      if (!isBlockSize(argument)) return -EINVAL
      loop.blockSize = argument
      return 0
    case LOOP_SET_DIRECT_IO: {
      const flags = flagsOf(loop)
      viewOf(loop.info).setUint32(INFO.flags, argument !== 0 ? flags | LO_FLAGS_DIRECT_IO : flags & ~LO_FLAGS_DIRECT_IO, true)
      return 0
    }
    case LOOP_CHANGE_FD: {
      // For read-only devices, and files of the same size.
      if ((flagsOf(loop) & LO_FLAGS_READ_ONLY) === 0) return -EINVAL
      const backing = getFile(task, argument | 0)
      if (backing === undefined) return -EBADF
      if (backing.kind !== 'regular' || inodeSize(kernel, backing.inode) !== inodeSize(kernel, loop.file.inode)) return -EINVAL
      retainFile(backing)
      releaseFile(kernel, loop.file)
      loop.file = backing
      return 0
    }
    case LOOP_SET_CAPACITY: return 0
    default: return -ENOTTY
  }
}

export const loopOperations: FileOperations = {
  positioned: true,
  ioctl,
  read: (kernel, task, file, length, offset) => {
    const loop = loopOf(kernel, file)
    if (isControl(file)) return -EINVAL
    const at = offset ?? file.position
    const count = loop === undefined ? 0 : Math.max(Math.min(length, sizeOf(kernel, loop) - at), 0)
    if (loop === undefined || count === 0) return new Uint8Array(0)
    const bytes = operationsOf(loop.file).read?.(kernel, task, loop.file, count, startOf(loop) + at) ?? -EINVAL
    if (typeof bytes !== 'number' && offset === undefined) file.position = at + bytes.length
    if (typeof bytes !== 'number') loop.read += Math.ceil(bytes.length / SECTOR)
    return bytes
  },
  write: (kernel, task, file, bytes, offset) => {
    const loop = loopOf(kernel, file)
    if (isControl(file)) return -EINVAL
    const at = offset ?? file.position
    const count = loop === undefined ? 0 : Math.min(bytes.length, sizeOf(kernel, loop) - at)
    if (bytes.length === 0) return 0
    if (loop !== undefined && (flagsOf(loop) & LO_FLAGS_READ_ONLY) !== 0) return -EPERM
    if (loop === undefined || count <= 0) return -ENOSPC
    const done = operationsOf(loop.file).write?.(kernel, task, loop.file, bytes.subarray(0, count), startOf(loop) + at) ?? -EINVAL
    if (done > 0 && offset === undefined) file.position = at + done
    if (done > 0) loop.written += Math.ceil(done / SECTOR)
    return done
  },
  seek: (kernel, _task, file, offset, whence) => {
    const loop = loopOf(kernel, file)
    const size = loop === undefined ? 0 : sizeOf(kernel, loop)
    const position = whence === SEEK_SET ? offset : whence === SEEK_CUR ? file.position + offset : whence === SEEK_END ? size + offset : -1
    if (position < 0 || position > size) return -EINVAL
    file.position = position
    return position
  },
  release: (kernel) => { clearUnusedLoops(kernel) },
}
