/** FS_IOC_FIEMAP (Documentation/filesystems/fiemap.rst): where a file has data. Addresses on a disk are made up: a page lies where it is in the file. */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { EBADR, EFBIG, EINVAL, EOPNOTSUPP } from '../abi/errno.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { ensureAttributes, type FileInode, type Inode } from './inode.ts'

export const FS_IOC_FIEMAP = 0xc020_660b
const HEAD_SIZE = 32, EXTENT_SIZE = 56
const FIEMAP_FLAG_SYNC = 1, FIEMAP_FLAG_CACHE = 4, FIEMAP_EXTENT_LAST = 1, FIEMAP_EXTENT_UNWRITTEN = 0x800

interface Extent { readonly start: number, readonly length: number, readonly flags: number }

/** Runs of pages that are there, or that were set aside. */
const extentsOf = (inode: FileInode, from: number, to: number): Extent[] => {
  const extents: { start: number, length: number, flags: number }[] = []
  const indices = new Map<number, number>()
  for (let index = 0; index * PAGE_SIZE < inode.hostSize; index++) indices.set(index, 0)
  for (const index of inode.pages.keys()) indices.set(index, 0)
  for (const index of inode.reserved ?? []) indices.set(index, FIEMAP_EXTENT_UNWRITTEN)
  for (const [index, flags] of [...indices].sort(([a], [b]) => a - b)) {
    const start = index * PAGE_SIZE
    const last = extents.at(-1)
    if (last !== undefined && last.start + last.length === start && last.flags === flags) last.length += PAGE_SIZE
    else extents.push({ start, length: PAGE_SIZE, flags })
  }
  const end = extents.at(-1)
  if (end !== undefined) end.flags |= FIEMAP_EXTENT_LAST
  return extents.filter(({ start, length }) => start < to && start + length > from)
}

export const fiemap = (kernel: Kernel, task: Task, inode: Inode, address: number): number => {
  // tmpfs has no disk.
  if (inode.kind !== 'file' || inode.superblock.type !== 'ext2') return -EOPNOTSUPP
  const user = kernel.user(task)
  const unsigned = (at: number): number => user.u32(at) + user.u32(at + 4) * 2 ** 32
  const start = unsigned(address), length = unsigned(address + 8), flags = user.u32(address + 16), room = user.u32(address + 24)
  if (room > 2 ** 32 / EXTENT_SIZE) return -EINVAL
  ensureAttributes(kernel, inode)
  const unknown = flags & ~(FIEMAP_FLAG_SYNC | FIEMAP_FLAG_CACHE)
  if (unknown !== 0) {
    user.setU32(address + 16, unknown)
    return -EBADR
  }
  if (length === 0) return -EINVAL
  if (start >= 2 ** 63) return -EFBIG
  const extents = extentsOf(inode, start, start + length)
  const told = room === 0 ? [] : extents.slice(0, room)
  for (const [i, extent] of told.entries()) {
    const at = address + HEAD_SIZE + i * EXTENT_SIZE
    user.fill(at, EXTENT_SIZE, 0)
    user.setI64(at, extent.start)
    user.setI64(at + 8, extent.start + inode.ino * PAGE_SIZE)
    user.setI64(at + 16, extent.length)
    user.setU32(at + 40, extent.flags)
  }
  user.setU32(address + 20, room === 0 ? extents.length : told.length)
  return 0
}
