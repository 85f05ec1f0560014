/**
 * Directories: finding, adding, removing and listing names.
 *
 * `entries` holds names in the order in which they came. A directory of a host mount is asked name by name until it is
 * listed; its names then come in the order the host gave, those made in memory behind them. What was removed is
 * in `absent`, so that it is never asked for again: the host's files don't change.
 */
import { EFAULT, EINVAL, EISDIR, ENOENT } from '../abi/errno.ts'
import { SEEK_CUR, SEEK_SET } from '../abi/fcntl.ts'
import { ACCESS_WRITE } from '../../emu/mmu/mmu.ts'
import { dropDirectoryWatch } from './directory-watch.ts'
import { IN_ACCESS } from '../abi/inotify.ts'
import type { Kernel } from '../kernel.ts'
import { beforeName } from '../plan/durability.ts'
import type { Task } from '../task/task.ts'
import type { FileOperations, OpenFile } from './file.ts'
import {
  applyHostStat, type DirectoryInode, directoryType, type Inode, makeHostInode, touchAccessed, touchModified,
} from './inode.ts'
import { notifyFile } from './inotify.ts'
import { refreshProc } from './proc/lookup.ts'

const hostChildPath = (directory: DirectoryInode, name: string): string => {
  const path = directory.host?.path ?? ''
  return path === '' ? name : `${path}/${name}`
}

const askHost = (kernel: Kernel, directory: DirectoryInode, mount: number, name: string): Inode | undefined => {
  const path = hostChildPath(directory, name)
  const stat = kernel.outside.files.lstat(mount, path)
  if (typeof stat === 'number') {
    directory.absent.add(name)
    return undefined
  }
  const inode = makeHostInode(kernel, directory.superblock, mount, path, stat.mode >> 12, directory, name)
  applyHostStat(inode, stat)
  directory.entries.set(name, inode)
  return inode
}

/** What the name stands for in the directory itself: mounts are not crossed, links not followed. */
export const lookupChild = (kernel: Kernel, task: Task | undefined, directory: DirectoryInode, name: string): Inode | undefined => {
  if (directory.node !== undefined) refreshProc(kernel, task, directory, name)
  const inode = directory.entries.get(name)
  const { host } = directory
  if (inode !== undefined || host === undefined || directory.listed || directory.absent.has(name)) return inode
  return askHost(kernel, directory, host.mount, name)
}

const listHost = (kernel: Kernel, directory: DirectoryInode, mount: number): void => {
  directory.listed = true
  const listing = kernel.outside.files.readdir(mount, directory.host?.path ?? '')
  if (typeof listing === 'number') return
  const known = new Map(directory.entries)
  directory.entries.clear()
  for (const { name, type } of listing) {
    if (directory.absent.has(name)) continue
    const inode = known.get(name)
    if (inode !== undefined) directory.entries.set(name, inode)
    else if (type === 0) askHost(kernel, directory, mount, name)
    else directory.entries.set(name, makeHostInode(kernel, directory.superblock, mount, hostChildPath(directory, name), type, directory, name))
  }
  for (const [name, inode] of known) directory.entries.set(name, inode)
  directory.absent.clear()
}

/** Makes `entries` complete. */
export const completeEntries = (kernel: Kernel, task: Task | undefined, directory: DirectoryInode): void => {
  if (directory.node !== undefined) refreshProc(kernel, task, directory, undefined)
  else if (directory.host !== undefined && !directory.listed) listHost(kernel, directory, directory.host.mount)
}

export const isEmptyDirectory = (kernel: Kernel, task: Task | undefined, directory: DirectoryInode): boolean => {
  completeEntries(kernel, task, directory)
  return directory.entries.size === 0
}

/** Adds a name; the caller counts links. */
export const addEntry = (kernel: Kernel, directory: DirectoryInode, name: string, inode: Inode): void => {
  beforeName(kernel, directory, name)
  directory.entries.set(name, inode)
  directory.absent.delete(name)
  directory.version++
  touchModified(kernel, directory)
}

/** Takes a name away; the caller counts links. */
export const removeEntry = (kernel: Kernel, directory: DirectoryInode, name: string): void => {
  beforeName(kernel, directory, name)
  directory.entries.delete(name)
  if (directory.host !== undefined && !directory.listed) directory.absent.add(name)
  directory.version++
  touchModified(kernel, directory)
}

// ——— getdents ———

/**
 * What an open directory remembers: the names as they were when it was first read since it was opened or rewound. So
 * position n stands for one name whatever is added or removed meanwhile: 0 is '.', 1 is '..', then `names`.
 */
export interface DirectoryCursor { names: string[] | undefined }

const ALIGN = 8
const HEAD_64 = 19
const HEAD_OLD = 18
/** More than programs ask for at once; a larger buffer is filled in several calls. */
const SCRATCH_SIZE = 1 << 16
const scratch = new Uint8Array(SCRATCH_SIZE)
const view = new DataView(scratch.buffer)

const putEntry = (at: number, size: number, ino: number, next: number, type: number, name: string, isOld: boolean): void => {
  view.setUint32(at, ino, true)
  view.setUint32(at + 4, Math.floor(ino / 0x1_0000_0000), true)
  view.setUint32(at + 8, next, true)
  view.setUint32(at + 12, 0, true)
  view.setUint16(at + 16, size, true)
  const start = at + (isOld ? HEAD_OLD : HEAD_64)
  for (let i = 0; i < name.length; i++) scratch[start + i] = name.charCodeAt(i)
  scratch.fill(0, start + name.length, at + size)
  scratch[isOld ? at + size - 1 : at + 18] = type
}

/** getdents64, and getdents (`isOld`: the type is in the last byte). */
export const readDirectory = (kernel: Kernel, task: Task, file: OpenFile, address: number, count: number, isOld: boolean): number => {
  const directory = file.inode as DirectoryInode
  if (directory.nlink === 0) return -ENOENT
  const cursor = file.data as DirectoryCursor
  if (cursor.names === undefined) {
    completeEntries(kernel, task, directory)
    cursor.names = [...directory.entries.keys()]
  }
  const { names } = cursor
  const user = kernel.user(task)
  const wanted = Math.min(count, SCRATCH_SIZE)
  const room = user.accessible(address, wanted, ACCESS_WRITE)
  let used = 0
  let full = 0
  while (file.position < names.length + 2) {
    const index = file.position
    const name = index === 0 ? '.' : index === 1 ? '..' : names[index - 2]
    const inode = index === 0 ? directory : index === 1 ? directory.parent : directory.entries.get(name)
    if (inode !== undefined) {
      const length = isOld ? HEAD_OLD + name.length + 2 : HEAD_64 + name.length + 1
      const size = Math.ceil(length / ALIGN) * ALIGN
      if (used + size > room) {
        // How much was asked for is looked at before where it goes (filldir64).
        full = used + size > wanted ? -EINVAL : -EFAULT
        break
      }
      putEntry(used, size, inode.ino, index + 1, directoryType(inode), name, isOld)
      used += size
    }
    file.position = index + 1
  }
  if (used > 0) user.write(address, scratch.subarray(0, used))
  touchAccessed(kernel, directory, file.mount.flags)
  notifyFile(kernel, file, IN_ACCESS)
  return used > 0 ? used : full
}

export const directoryOperations: FileOperations = {
  close: (kernel, _task, file) => { if (kernel.state.fs.watches.length > 0) dropDirectoryWatch(kernel, file) },
  read: () => -EISDIR,
  readTo: () => -EISDIR,
  positioned: true,
  seek: (_kernel, _task, file, offset, whence) => {
    const position = whence === SEEK_SET ? offset : whence === SEEK_CUR ? file.position + offset : -1
    if (position < 0) return -EINVAL
    file.position = position
    if (position === 0) (file.data as DirectoryCursor).names = undefined
    return position
  },
}
