/** struct stat, struct statx and struct statfs as the x86-64 ABI lays them out. */
import { shownGid, shownUid } from '../task/user-namespace.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { ensureAttributes, type Inode, inodeBlocks, inodeSize, isNameless, type Timestamp, typeBits } from './inode.ts'
import { MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_NOSYMFOLLOW } from '../abi/fcntl.ts'
import { freeInos } from './ext2/volume.ts'
import { statxFlags, statxMask } from './inode-flags.ts'
import type { Mount } from './mount-tree.ts'
import { isReadOnly } from './mounts.ts'

/** The inode that eventfds and their like share on Linux has one link; memfds have none. */
const linksOf = (inode: Inode): number => inode.superblock.kind === 'anonymous' && inode.kind === 'file' && inode.seals === undefined ? 1 : inode.nlink

const STAT_SIZE = 144, STATX_SIZE = 256, STATFS_SIZE = 120
const BLOCK_SIZE = 4096

/** One buffer for all calls: it is copied to the guest at once. */
const scratch = new Uint8Array(STATX_SIZE)
const view = new DataView(scratch.buffer)
const statBytes = scratch.subarray(0, STAT_SIZE)
const statfsBytes = scratch.subarray(0, STATFS_SIZE)

const put64 = (at: number, value: number): void => {
  view.setUint32(at, value, true)
  view.setInt32(at + 4, Math.floor(value / 0x1_0000_0000), true)
}

const putTime = (at: number, time: Timestamp): void => {
  put64(at, time[0])
  put64(at + 8, time[1])
}

/** st_mode. Inodes of eventfds, epolls and the like have no file type. */
export const modeOf = (inode: Inode): number =>
  isNameless(inode) ? inode.mode : typeBits(inode) | inode.mode

export const writeStat = (kernel: Kernel, task: Task, inode: Inode, address: number): void => {
  ensureAttributes(kernel, inode)
  scratch.fill(0, 0, STAT_SIZE)
  put64(0, inode.superblock.dev)
  put64(8, inode.ino)
  put64(16, linksOf(inode))
  view.setUint32(24, modeOf(inode), true)
  view.setUint32(28, shownUid(task.credentials.user, inode.uid), true)
  view.setUint32(32, shownGid(task.credentials.user, inode.gid), true)
  put64(40, inode.rdev)
  put64(48, inodeSize(kernel, inode))
  put64(56, inode.superblock.volume?.blockSize ?? BLOCK_SIZE)
  put64(64, inodeBlocks(inode))
  putTime(72, inode.atime)
  putTime(88, inode.mtime)
  putTime(104, inode.ctime)
  kernel.user(task).write(address, statBytes)
}

const STATX_BASIC_STATS = 0x7ff, STATX_MTIME = 0x40, STATX_CTIME = 0x80, STATX_MNT_ID = 0x1000
const STATX_ATTR_MOUNT_ROOT = 0x2000
/** Attributes that file systems here could show, were they set. */
const ATTRIBUTES_MASK = STATX_ATTR_MOUNT_ROOT

const putStatxTime = (at: number, time: Timestamp): void => {
  put64(at, time[0])
  view.setUint32(at + 8, time[1], true)
}

const majorOf = (rdev: number): number => (rdev >>> 8) & 0xfff
const minorOf = (rdev: number): number => (rdev & 0xff) | ((rdev >>> 12) & ~0xff)

export const writeStatx = (kernel: Kernel, task: Task, mount: Mount, inode: Inode, mask: number, address: number): void => {
  ensureAttributes(kernel, inode)
  scratch.fill(0)
  const { dev } = inode.superblock
  // Times of changes that nobody asked for are not given, so that they need not be told apart finely (fill_mg_cmtime).
  const isTimed = (mask & (STATX_MTIME | STATX_CTIME)) !== 0 || inode.superblock.type !== 'tmpfs'
  view.setUint32(0, (isTimed ? STATX_BASIC_STATS : STATX_BASIC_STATS & ~(STATX_MTIME | STATX_CTIME)) | (mask & STATX_MNT_ID), true)
  view.setUint32(4, inode.superblock.volume?.blockSize ?? BLOCK_SIZE, true)
  put64(8, (mount.root === inode ? STATX_ATTR_MOUNT_ROOT : 0) | statxFlags(inode))
  view.setUint32(16, linksOf(inode), true)
  view.setUint32(20, shownUid(task.credentials.user, inode.uid), true)
  view.setUint32(24, shownGid(task.credentials.user, inode.gid), true)
  view.setUint16(28, modeOf(inode), true)
  put64(32, inode.ino)
  put64(40, inodeSize(kernel, inode))
  put64(48, inodeBlocks(inode))
  put64(56, ATTRIBUTES_MASK | statxMask(inode))
  putStatxTime(64, inode.atime)
  if (isTimed) {
    putStatxTime(96, inode.ctime)
    putStatxTime(112, inode.mtime)
  }
  view.setUint32(128, majorOf(inode.rdev), true)
  view.setUint32(132, minorOf(inode.rdev), true)
  view.setUint32(140, dev, true)
  if ((mask & STATX_MNT_ID) !== 0) put64(144, mount.id)
  kernel.user(task).write(address, scratch)
}

const ST_RDONLY = 1, ST_NOSUID = 2, ST_NODEV = 4, ST_NOEXEC = 8, ST_VALID = 0x20, ST_NOATIME = 0x400, ST_NOSYMFOLLOW = 0x2000, ST_NODIRATIME = 0x800, ST_RELATIME = 0x1000
const NAME_LENGTH = 255
/** A disk is not there: this is what file systems say that they hold and have free, in blocks. */
const TOTAL_BLOCKS = 1 << 20
const FREE_BLOCKS = TOTAL_BLOCKS / 4 * 3
const TOTAL_FILES = 1 << 20

const mountFlags = (mount: Mount): number => {
  const { flags } = mount
  return ST_VALID | (isReadOnly(mount, mount.superblock) ? ST_RDONLY : 0) | ((flags & MS_NOSUID) !== 0 ? ST_NOSUID : 0) |
    ((flags & MS_NODEV) !== 0 ? ST_NODEV : 0) | ((flags & MS_NOEXEC) !== 0 ? ST_NOEXEC : 0) |
    ((flags & MS_NOATIME) !== 0 ? ST_NOATIME : ST_RELATIME) | ((flags & MS_NODIRATIME) !== 0 ? ST_NODIRATIME : 0) |
    ((flags & MS_NOSYMFOLLOW) !== 0 ? ST_NOSYMFOLLOW : 0)
}

const PIPEFS_MAGIC = 0x5049_5045, SOCKFS_MAGIC = 0x534f_434b, TMPFS_MAGIC = 0x0102_1994

/** What is anonymous here belongs to several internal file systems of Linux. */
const magicOf = (inode: Inode): number => {
  const { superblock } = inode
  if (superblock.kind !== 'anonymous') return superblock.magic
  switch (inode.kind) {
    case 'fifo': return PIPEFS_MAGIC
    case 'socket': return SOCKFS_MAGIC
    case 'file': return inode.seals === undefined ? superblock.magic : TMPFS_MAGIC
    default: return superblock.magic
  }
}

export const writeStatfs = (kernel: Kernel, task: Task, mount: Mount, inode: Inode, address: number): void => {
  const { superblock } = inode
  scratch.fill(0, 0, STATFS_SIZE)
  const hasStorage = superblock.kind === 'ramfs' || superblock.kind === 'host'
  put64(0, magicOf(inode))
  put64(8, BLOCK_SIZE)
  put64(72, BLOCK_SIZE)
  if (hasStorage) {
    const { volume, limits } = superblock
    // A tmpfs without limits shows none.
    const shown = (count: number): number => count === Infinity ? 0 : count
    const size = volume?.blockSize ?? BLOCK_SIZE
    put64(8, size)
    put64(72, size)
    const total = volume !== undefined ? volume.blockCount - volume.overhead : limits === undefined ? TOTAL_BLOCKS : shown(limits.pages)
    const free = volume !== undefined ? volume.freeBlocks : limits === undefined ? FREE_BLOCKS : shown(Math.max(limits.pages - limits.usedPages, 0))
    const files = volume?.inodeCount ?? (limits === undefined ? TOTAL_FILES : shown(limits.inodes))
    put64(16, total)
    put64(24, free)
    put64(32, volume === undefined ? free : Math.max(free - volume.reservedBlocks, 0))
    put64(40, files)
    put64(48, volume === undefined ? Math.max(files - superblock.inodes, 0) : freeInos(volume))
  }
  view.setUint32(56, superblock.dev, true)
  put64(64, NAME_LENGTH)
  put64(80, mountFlags(mount))
  kernel.user(task).write(address, statfsBytes)
}
