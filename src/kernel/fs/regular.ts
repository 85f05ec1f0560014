/** Open regular files: reading, writing, seeking; what writing changes besides the content. */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { OutOfFrames } from '../../emu/memory.ts'
import { ACCESS_READ, ACCESS_WRITE, NO_FRAME } from '../../emu/mmu/mmu.ts'
import { EFAULT, EFBIG, EINVAL, ENOSPC, ENXIO, EPERM } from '../abi/errno.ts'
import {
  F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_WRITE, O_APPEND, O_NOATIME, SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE,
  SEEK_SET, O_DSYNC } from '../abi/fcntl.ts'
import { PROT_WRITE, MAP_TYPE, MAP_PRIVATE } from '../abi/mman.ts'
import { IN_ACCESS, IN_MODIFY } from '../abi/inotify.ts'
import { RLIMIT_FSIZE } from '../abi/resources.ts'
import { SIGXFSZ } from '../abi/signals.ts'
import type { Kernel } from '../kernel.ts'
import { beforeContent, synchronize } from '../plan/durability.ts'
import { dropRange } from '../mm/map.ts'
import type { AddressSpace } from '../mm/address-space.ts'
import { USER_END } from '../mm/user-memory.ts'
import { sendSignal, userInfo } from '../signal/send.ts'
import type { Task } from '../task/task.ts'
import type { FileOperations, OpenFile } from './file.ts'
import {
  copyUnframed, ensureAttributes, type FileInode, pageFrame, readInode, touchAccessed, touchModified, truncateInode, writeInode,
} from './inode.ts'
import { notifyAnywhere, notifyFile } from './inotify.ts'
import { syncInode } from './mounts.ts'
import { dropSetId } from './permissions.ts'

/** Largest file offset: that of ext4 with 4 KiB blocks, so that offsets are exact as numbers. */
export const MAX_FILE_SIZE = 2 ** 44 - 4096

const inodeOf = (file: OpenFile): FileInode => file.inode as FileInode

const accessed = (kernel: Kernel, file: OpenFile, count: number): void => {
  if (count > 0) notifyFile(kernel, file, IN_ACCESS)
  if ((file.flags & O_NOATIME) === 0) touchAccessed(kernel, file.inode, file.mount.flags)
}

const read = (kernel: Kernel, _task: Task, file: OpenFile, length: number, offset: number | undefined): Uint8Array => {
  const at = offset ?? file.position
  const bytes = readInode(kernel, file.inode, at, length)
  if (offset === undefined) file.position = at + bytes.length
  accessed(kernel, file, bytes.length)
  return bytes
}

/**
 * Copies from the file straight into the guest's memory, page by page.
 * @returns how many bytes, −EFAULT if none for want of accessible memory
 */
const readTo = (kernel: Kernel, task: Task, file: OpenFile, address: number, length: number, offset: number | undefined): number => {
  const inode = inodeOf(file)
  ensureAttributes(kernel, inode)
  const { memory } = kernel
  const mmu = kernel.mmu(task.mm)
  const start = offset ?? file.position
  const count = Math.min(length, inode.size - start)
  let done = 0
  try {
    while (done < count) {
      const to = address + done
      if (!(to >= 0 && to < USER_END)) break
      const target = mmu.resolve(Math.floor(to / PAGE_SIZE), ACCESS_WRITE)
      if (target === NO_FRAME) break
      const from = start + done
      const source = inode.pages.get(Math.floor(from / PAGE_SIZE))
      const withinTo = to % PAGE_SIZE
      const withinFrom = from % PAGE_SIZE
      const piece = Math.min(count - done, PAGE_SIZE - withinTo, PAGE_SIZE - withinFrom)
      memory.beforeWrite(target)
      const host = target * PAGE_SIZE + withinTo
      if (source === undefined) copyUnframed(kernel, inode, from, piece, host)
      else memory.u8.copyWithin(host, source * PAGE_SIZE + withinFrom, source * PAGE_SIZE + withinFrom + piece)
      done += piece
    }
  } catch (error) {
    if (!(error instanceof OutOfFrames) || done === 0) throw error
  }
  if (offset === undefined) file.position = start + done
  accessed(kernel, file, done)
  return done === 0 && count > 0 ? -EFAULT : done
}

/**
 * Limits of a write (generic_write_checks): at which offset and how many bytes, in `allowed`, or a negative errno.
 * One object for all calls: it is used up at once.
 */
const allowed = { at: 0, count: 0 }
const checkWrite = (kernel: Kernel, task: Task, file: OpenFile, length: number, offset: number | undefined): number => {
  const inode = inodeOf(file)
  ensureAttributes(kernel, inode)
  const at = (file.flags & O_APPEND) !== 0 ? inode.size : offset ?? file.position
  let count = length
  const limit = task.group.limits[RLIMIT_FSIZE][0]
  if (at + count > limit) {
    if (at >= limit) {
      sendSignal(kernel, task, SIGXFSZ, userInfo(SIGXFSZ, task))
      return -EFBIG
    }
    count = limit - at
  }
  if (at >= MAX_FILE_SIZE) return -EFBIG
  count = Math.min(count, MAX_FILE_SIZE - at)
  const seals = inode.seals ?? 0
  if ((seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) return -EPERM
  if ((seals & F_SEAL_GROW) !== 0 && at + count > inode.size) {
    // Pages that are in the file are written, the one that would make it grow is not (shmem_write_begin).
    count = Math.floor(inode.size / PAGE_SIZE) * PAGE_SIZE - at
    if (count <= 0) return -EPERM
  }
  allowed.at = at
  allowed.count = count
  if (kernel.state.durability !== undefined) beforeContent(kernel, inode)
  return 0
}

const wrote = (kernel: Kernel, task: Task, file: OpenFile, at: number, count: number, offset: number | undefined): number => {
  if (count === 0) return 0
  if (offset === undefined) file.position = at + count
  dropSetId(task, file.inode)
  touchModified(kernel, file.inode)
  notifyFile(kernel, file, IN_MODIFY)
  if ((file.flags & O_DSYNC) !== 0) {
    if (kernel.state.durability !== undefined) synchronize(kernel, file.inode)
    const error = syncInode(kernel, file.inode)
    if (error !== 0) return error
  }
  return count
}

const write = (kernel: Kernel, task: Task, file: OpenFile, bytes: Uint8Array, offset: number | undefined): number => {
  if (bytes.length === 0) return 0
  const error = checkWrite(kernel, task, file, bytes.length, offset)
  if (error !== 0) return error
  const { at, count } = allowed
  try {
    const done = writeInode(kernel, inodeOf(file), at, count === bytes.length ? bytes : bytes.subarray(0, count))
    return wrote(kernel, task, file, at, done, offset)
  } catch (failure) {
    if (failure instanceof OutOfFrames) return -ENOSPC
    throw failure
  }
}

/** Copies from the guest's memory straight into the file. */
const writeFrom = (kernel: Kernel, task: Task, file: OpenFile, address: number, length: number, offset: number | undefined): number => {
  if (length === 0) return 0
  const error = checkWrite(kernel, task, file, length, offset)
  if (error !== 0) return error
  const { at: start, count } = allowed
  const inode = inodeOf(file)
  const { memory } = kernel
  const mmu = kernel.mmu(task.mm)
  let done = 0
  let isFull = false
  try {
    while (done < count) {
      const from = address + done
      if (!(from >= 0 && from < USER_END)) break
      const source = mmu.resolve(Math.floor(from / PAGE_SIZE), ACCESS_READ)
      if (source === NO_FRAME) break
      const to = start + done
      const target = pageFrame(kernel, inode, Math.floor(to / PAGE_SIZE), true)
      const withinTo = to % PAGE_SIZE
      const withinFrom = from % PAGE_SIZE
      const piece = Math.min(count - done, PAGE_SIZE - withinTo, PAGE_SIZE - withinFrom)
      memory.beforeWrite(target)
      memory.u8.copyWithin(target * PAGE_SIZE + withinTo, source * PAGE_SIZE + withinFrom, source * PAGE_SIZE + withinFrom + piece)
      done += piece
    }
  } catch (failure) {
    if (!(failure instanceof OutOfFrames)) throw failure
    isFull = true
  }
  if (start + done > inode.size && done > 0) inode.size = start + done
  if (done === 0) return isFull ? -ENOSPC : -EFAULT
  return wrote(kernel, task, file, start, done, offset)
}

/** The first offset ≥ `from` with data, the file's size if there is none: pages that exist, and the host's. */
const findData = (inode: FileInode, from: number): number => {
  if (from < inode.hostSize) return from
  const first = Math.floor(from / PAGE_SIZE)
  let best = Infinity
  for (const index of inode.pages.keys()) if (index >= first && index < best) best = index
  return Math.min(Math.max(best * PAGE_SIZE, from), inode.size)
}

const findHole = (inode: FileInode, from: number): number => {
  let at = Math.max(from, inode.hostSize)
  while (at < inode.size && inode.pages.has(Math.floor(at / PAGE_SIZE))) at = (Math.floor(at / PAGE_SIZE) + 1) * PAGE_SIZE
  return Math.min(at, inode.size)
}

const seek = (kernel: Kernel, _task: Task, file: OpenFile, offset: number, whence: number): number => {
  const inode = inodeOf(file)
  ensureAttributes(kernel, inode)
  let position: number
  switch (whence) {
    case SEEK_SET: position = offset; break
    case SEEK_CUR: position = file.position + offset; break
    case SEEK_END: position = inode.size + offset; break
    case SEEK_DATA:
    case SEEK_HOLE:
      if (offset < 0 || offset >= inode.size) return -ENXIO
      position = whence === SEEK_DATA ? findData(inode, offset) : findHole(inode, offset)
      if (whence === SEEK_DATA && position >= inode.size) return -ENXIO
      break
    default: return -EINVAL
  }
  if (position < 0 || position > MAX_FILE_SIZE) return -EINVAL
  file.position = position
  return position
}

/** What a description of a regular file remembers. */
export interface RegularData {
  /** It is one of the inode's `writers`. */
  readonly countsAsWriter: boolean
}


export const regularOperations: FileOperations = {
  read, write, readTo, writeFrom, seek,
  positioned: true,
  map: (_kernel, _task, file, prot, flags) => {
    const seals = inodeOf(file).seals ?? 0
    const isShared = (flags & MAP_TYPE) !== MAP_PRIVATE
    return isShared && (prot & PROT_WRITE) !== 0 && (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0 ? -EPERM : 0
  },
  release: (_kernel, file) => { if ((file.data as RegularData).countsAsWriter && file.inode.kind === 'file') file.inode.writers-- },
}

/** Address spaces of all tasks, each once. */
const addressSpaces = (kernel: Kernel): Set<AddressSpace> => {
  const spaces = new Set<AddressSpace>()
  for (const task of kernel.state.tasks.values()) if (task.state !== 'dead' && task.state !== 'zombie') spaces.add(task.mm)
  return spaces
}

/** Makes every mapping of a part of the file forget its pages: what is no longer in the file must not be seen (unmap_mapping_range). */
export const unmapFileRange = (kernel: Kernel, inode: FileInode, start: number, end: number): void => {
  for (const space of addressSpaces(kernel)) {
    for (const vma of space.vmas) {
      if (vma.backing !== inode) continue
      const from = Math.max(vma.start, vma.start + Math.ceil(start / PAGE_SIZE) * PAGE_SIZE - vma.offset)
      const to = Math.min(vma.end, end === Infinity ? Infinity : vma.start + Math.floor(end / PAGE_SIZE) * PAGE_SIZE - vma.offset)
      if (from < to) dropRange(kernel, space, from, to)
    }
  }
}

/** Whether some address space maps the file as shared and writable: then it can't be sealed against writing. */
export const isMappedWritable = (kernel: Kernel, inode: FileInode, mayWriteFlags: number): boolean => {
  for (const space of addressSpaces(kernel)) {
    for (const vma of space.vmas) if (vma.backing === inode && (vma.flags & mayWriteFlags) === mayWriteFlags) return true
  }
  return false
}

/** Whether the file is a program that is being run: writing to it fails with ETXTBSY. */
export const isExecuting = (kernel: Kernel, inode: FileInode): boolean => {
  if ((inode.mode & 0o111) === 0 || inode.users === 0) return false
  for (const space of addressSpaces(kernel)) {
    for (const vma of space.vmas) if (vma.backing === inode && vma.name === space.executable) return true
  }
  return false
}

/** Changes the size as truncate(2), ftruncate(2) and O_TRUNC do; size and permission are checked. */
export const setSize = (kernel: Kernel, task: Task, inode: FileInode, size: number): void => {
  ensureAttributes(kernel, inode)
  if (kernel.state.durability !== undefined) beforeContent(kernel, inode)
  const old = inode.size
  truncateInode(kernel, inode, size)
  if (size < old) unmapFileRange(kernel, inode, size, Infinity)
  dropSetId(task, inode)
  touchModified(kernel, inode)
  notifyAnywhere(kernel, inode, IN_MODIFY)
}
