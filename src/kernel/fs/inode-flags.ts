/** Flags of inodes as chattr(1) sets them (ioctl_iflags(2), FS_IOC_FSSETXATTR): immutable, append-only, and those that are only kept. */
import { CAP_LINUX_IMMUTABLE } from '../abi/capabilities.ts'
import { EINVAL, ENOTTY, EOPNOTSUPP, EPERM, EROFS } from '../abi/errno.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import type { OpenFile } from './file.ts'
import { type Inode, now } from './inode.ts'
import { isReadOnly } from './mounts.ts'
import { capableOver, ownsInode } from './permissions.ts'

export const FS_IOC_GETFLAGS = 0x8008_6601, FS_IOC_SETFLAGS = 0x4008_6602, FS_IOC_FSGETXATTR = 0x801c_581f, FS_IOC_FSSETXATTR = 0x401c_5820

const SYNC = 0x8, IMMUTABLE = 0x10, APPEND = 0x20, NODUMP = 0x40, NOATIME = 0x80
/** What tmpfs, and what ext2 lets users change. */
const OF_TMPFS = IMMUTABLE | APPEND | NODUMP | NOATIME, OF_EXT2 = 0x3_80ff
const modifiable = ({ superblock }: Inode): number => superblock.type === 'ext2' ? OF_EXT2 : OF_TMPFS

export const isImmutable = ({ flags }: Inode): boolean => flags !== undefined && (flags & IMMUTABLE) !== 0
export const isAppendOnly = ({ flags }: Inode): boolean => flags !== undefined && (flags & APPEND) !== 0
/** Its names, mode, owner, times and attributes stay as they are. */
export const isProtected = ({ flags }: Inode): boolean => flags !== undefined && (flags & (IMMUTABLE | APPEND)) !== 0

const COMPRESSED = 0x4, ENCRYPTED = 0x800
/** stx_attributes_mask: of file systems with flags; they are the same bits there. */
export const statxMask = ({ superblock }: Inode): number => superblock.kind !== 'ramfs' && superblock.kind !== 'host' ? 0
  : superblock.type === 'ext2' ? COMPRESSED | IMMUTABLE | APPEND | NODUMP | ENCRYPTED : IMMUTABLE | APPEND | NODUMP
export const statxFlags = (inode: Inode): number => (inode.flags ?? 0) & statxMask(inode)

/** fsx_xflags, and the flags that they are. */
const XFLAGS: readonly (readonly [number, number])[] = [[0x8, IMMUTABLE], [0x10, APPEND], [0x20, SYNC], [0x40, NOATIME], [0x80, NODUMP]]
const XATTR_SIZE = 28

const change = (kernel: Kernel, task: Task, { inode, mount }: OpenFile, wanted: number): number => {
  if (isReadOnly(mount, inode.superblock)) return -EROFS
  if (!ownsInode(kernel, task.credentials, inode)) return -EPERM
  const old = inode.flags ?? 0
  if (((old ^ wanted) & (IMMUTABLE | APPEND)) !== 0 && !capableOver(task.credentials, inode, CAP_LINUX_IMMUTABLE)) return -EPERM
  if ((wanted & ~modifiable(inode)) !== 0) return -EOPNOTSUPP
  inode.flags = wanted
  inode.ctime = now(kernel)
  return 0
}

/** The requests; undefined: another one. */
export const flagsIoctl = (kernel: Kernel, task: Task, file: OpenFile, command: number, argument: number): number | undefined => {
  if (command !== FS_IOC_GETFLAGS && command !== FS_IOC_SETFLAGS && command !== FS_IOC_FSGETXATTR && command !== FS_IOC_FSSETXATTR) return undefined
  const { inode } = file
  const { kind } = inode.superblock
  if ((file.kind !== 'regular' && file.kind !== 'directory') || (kind !== 'ramfs' && kind !== 'host')) return -ENOTTY
  const user = kernel.user(task)
  switch (command) {
    case FS_IOC_GETFLAGS:
      user.setU32(argument, inode.flags ?? 0)
      return 0
    case FS_IOC_SETFLAGS: return change(kernel, task, file, user.u32(argument))
    case FS_IOC_FSGETXATTR: {
      user.fill(argument, XATTR_SIZE, 0)
      user.setU32(argument, XFLAGS.reduce((all, [xflag, flag]) => ((inode.flags ?? 0) & flag) !== 0 ? all | xflag : all, 0))
      return 0
    }
    default: {
      const xflags = user.u32(argument)
      if (user.u32(argument + 4) !== 0 || user.u32(argument + 12) !== 0) return -EINVAL
      if (XFLAGS.reduce((rest, [xflag]) => rest & ~xflag, xflags) !== 0) return -EOPNOTSUPP
      const kept = (inode.flags ?? 0) & ~XFLAGS.reduce((all, [, flag]) => all | flag, 0)
      return change(kernel, task, file, XFLAGS.reduce((all, [xflag, flag]) => (xflags & xflag) !== 0 ? all | flag : all, kept))
    }
  }
}
