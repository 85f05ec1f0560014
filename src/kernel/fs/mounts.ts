/** File systems that are mounted: superblocks, mount(2) and umount2(2). */
import { EBUSY, EINVAL, ELOOP, ENODEV, ENOENT, ENOTBLK, ENOTDIR, ENXIO, EPERM } from '../abi/errno.ts'
import { CAP_SYS_ADMIN } from '../abi/capabilities.ts'
import {
  AT_FDCWD, MNT_DETACH, MNT_EXPIRE, MNT_FORCE, MS_BIND, MS_MOVE, MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_PRIVATE,
  MS_RDONLY, MS_REMOUNT, MS_SHARED, MS_SLAVE, MS_STRICTATIME, MS_SYNCHRONOUS, MS_UNBINDABLE, UMOUNT_NOFOLLOW,
} from '../abi/fcntl.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { mountDev } from './devices.ts'
import type { FsState, Mount, Superblock, SuperblockKind } from './fs-state.ts'
import { loadExt2, readVolume } from './ext2/load.ts'
import { storeExt2 } from './ext2/store.ts'
import { type DirectoryInode, ensureAttributes, type Inode, isNameless, makeDirectory, releaseInode } from './inode.ts'
import { directoryPath, LOOKUP_DIRECTORY, LOOKUP_FOLLOW, placePath, resolve, resolveInode } from './path.ts'
import { clearUnusedLoops, isLoopDevice, loopImage } from './loop.ts'
import { capable } from './permissions.ts'
import { mountProc } from './proc/root.ts'

/** statfs f_type (statfs(2)). */
export const TMPFS_MAGIC = 0x0102_1994, PROC_MAGIC = 0x9fa0, EXT2_MAGIC = 0xef53, RAMFS_MAGIC = 0x8584_58f6, DEVPTS_MAGIC = 0x1cd1,
  ANONYMOUS_MAGIC = 0x0904_1934

const OPTION_NAMES: readonly (readonly [number, string])[] = [
  [MS_NOSUID, 'nosuid'], [MS_NODEV, 'nodev'], [MS_NOEXEC, 'noexec'], [MS_SYNCHRONOUS, 'sync'], [MS_NOATIME, 'noatime'], [MS_NODIRATIME, 'nodiratime'],
]

const optionText = (flags: number, extra: string): string => {
  const parts = [(flags & MS_RDONLY) !== 0 ? 'ro' : 'rw']
  for (const [flag, name] of OPTION_NAMES) if ((flags & flag) !== 0) parts.push(name)
  if ((flags & (MS_NOATIME | MS_STRICTATIME)) === 0) parts.push('relatime')
  if (extra !== '') parts.push(extra)
  return parts.join(',')
}

/** A new superblock; its device number is its place in the list. */
export const makeSuperblock = (fs: FsState, kind: SuperblockKind, type: string, source: string, magic: number, flags = 0, extra = ''): Superblock => {
  const superblock: Superblock = {
    kind, dev: fs.superblocks.length + 1, lastIno: 0, inodes: 0, volume: undefined, nextIno: 0, readOnly: (flags & MS_RDONLY) !== 0, source, type, options: optionText(flags, extra),
    flags, magic,
  }
  fs.superblocks.push(superblock)
  return superblock
}

/** Mounts a root on a directory. */
export const attach = (fs: FsState, on: DirectoryInode, root: DirectoryInode, path: string): void => {
  on.mounted = root
  if (root.parent === root) root.covers = on
  fs.mounts.push({ path, superblock: root.superblock, root, on, hidden: undefined, name: '' })
}

/** Mounts a single file (or link) in the place of a name. */
export const attachFile = (fs: FsState, parent: DirectoryInode, name: string, inode: Inode, path: string): void => {
  fs.mounts.push({ path, superblock: inode.superblock, root: inode, on: parent, hidden: parent.entries.get(name), name })
  parent.entries.set(name, inode)
  parent.absent.delete(name)
}

// ——— mount(2) ———

/** `mode=`, `uid=` and `gid=` of tmpfs; undefined: an option that it does not know. */
const tmpfsOptions = (data: string): { mode: number, uid: number, gid: number } | undefined => {
  const options = { mode: 0o1777, uid: 0, gid: 0 }
  for (const option of data.split(',')) {
    if (option === '') continue
    const [name, value = ''] = option.split('=')
    switch (name) {
      case 'mode':
        if (!/^[0-7]+$/.test(value)) return undefined
        options.mode = parseInt(value, 8) & 0o7777
        break
      case 'uid': case 'gid':
        if (!/^\d+$/.test(value)) return undefined
        options[name] = Number(value)
        break
      case 'size': case 'nr_inodes': case 'nr_blocks': case 'huge': case 'mpol': case 'inode32': case 'inode64': break
      default: return undefined
    }
  }
  return options
}

const makeRoot = (kernel: Kernel, task: Task, type: string, source: string, flags: number, data: string): DirectoryInode | number => {
  const { fs } = kernel.state
  switch (type) {
    case 'tmpfs': case 'ramfs': {
      const options = tmpfsOptions(data)
      if (options === undefined && type === 'tmpfs') return -EINVAL
      const superblock = makeSuperblock(fs, 'ramfs', type, source, type === 'tmpfs' ? TMPFS_MAGIC : RAMFS_MAGIC, flags)
      return makeDirectory(kernel, superblock, undefined, '', type === 'tmpfs' ? options?.mode ?? 0o1777 : 0o755, options?.uid, options?.gid)
    }
    case 'proc': return mountProc(kernel, makeSuperblock(fs, 'proc', 'proc', source, PROC_MAGIC, flags))
    case 'devtmpfs': return mountDev(kernel, makeSuperblock(fs, 'dev', 'devtmpfs', source, TMPFS_MAGIC, flags))
    case 'ext2': return mountExt2(kernel, task, source, flags)
    default: return -ENODEV
  }
}

/** From a loop device, or its file at once. */
const mountExt2 = (kernel: Kernel, task: Task, source: string, flags: number): DirectoryInode | number => {
  const found = resolveInode(kernel, task, AT_FDCWD, source, LOOKUP_FOLLOW)
  if (typeof found === 'number') return found
  const isLoop = isLoopDevice(found)
  const image = isLoop ? loopImage(kernel, found) : found
  if (image?.kind !== 'file' || isNameless(image)) return isLoop ? -EINVAL : found.kind === 'block' ? -ENXIO : -ENOTBLK
  ensureAttributes(kernel, image)
  const { fs } = kernel.state
  if (fs.superblocks.some(({ volume }) => volume?.image === image)) return -EBUSY
  const volume = readVolume(kernel, image, flags)
  if (typeof volume === 'number') return volume
  const superblock = makeSuperblock(fs, 'ramfs', 'ext2', source, EXT2_MAGIC, flags)
  superblock.volume = volume
  const root = loadExt2(kernel, superblock, volume)
  if (typeof root === 'number') superblock.volume = undefined
  return root
}

/** Writes ext2 volumes back to their images: one, or all. The first error that there was. */
export const syncVolumes = (kernel: Kernel, only?: Superblock): number => {
  let error = 0
  for (const { superblock, root } of kernel.state.fs.mounts) {
    const { volume } = superblock
    if (volume === undefined || superblock.readOnly || (only !== undefined && superblock !== only) || root.kind !== 'directory' || root.parent !== root) continue
    const result = storeExt2(kernel, volume, root)
    if (error === 0) error = result
  }
  return error
}

/** The mount that a path leads to the root of. */
const mountAt = (fs: FsState, inode: Inode): Mount | undefined => fs.mounts.findLast((mount) => mount.root === inode)

const PROPAGATION = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE

const remount = (kernel: Kernel, inode: Inode, flags: number): number => {
  const mount = mountAt(kernel.state.fs, inode)
  if (mount === undefined) return -EINVAL
  const { superblock } = mount
  superblock.flags = flags & ~MS_REMOUNT & ~MS_BIND
  superblock.readOnly = (flags & MS_RDONLY) !== 0
  superblock.options = optionText(superblock.flags, '')
  return 0
}

export const mount = (kernel: Kernel, task: Task, source: string, target: string, type: string, flags: number, data: string): number => {
  const { fs } = kernel.state
  const place = resolve(kernel, task, AT_FDCWD, target, LOOKUP_FOLLOW)
  if (typeof place === 'number') return place
  const { inode } = place
  if (inode === undefined) return -ENOENT
  if (!capable(task.credentials, CAP_SYS_ADMIN)) return -EPERM
  if ((flags & MS_REMOUNT) !== 0) return remount(kernel, inode, flags)
  if ((flags & MS_BIND) !== 0) {
    if (source === '') return -EINVAL
    const from = resolve(kernel, task, AT_FDCWD, source, LOOKUP_FOLLOW)
    if (typeof from === 'number') return from
    if (from.inode === undefined) return -ENOENT
    if ((from.inode.kind === 'directory') !== (inode.kind === 'directory')) return -ENOTDIR
    if (from.inode.kind === 'directory' && inode.kind === 'directory') {
      if (from.inode === inode) return 0
      attach(fs, inode, from.inode, placePath(kernel, place))
    } else attachFile(fs, place.parent, place.name, from.inode, placePath(kernel, place))
    return 0
  }
  // Propagation: there is one mount namespace, so nothing to do.
  if ((flags & PROPAGATION) !== 0) return mountAt(fs, inode) === undefined ? -EINVAL : 0
  if ((flags & MS_MOVE) !== 0) {
    if (source === '') return -EINVAL
    const from = resolve(kernel, task, AT_FDCWD, source, LOOKUP_FOLLOW)
    if (typeof from === 'number') return from
    const moved = from.inode === undefined ? undefined : mountAt(fs, from.inode)
    if (moved === undefined || moved.root.kind !== 'directory' || moved.root.covers === undefined) return -EINVAL
    if (inode.kind !== 'directory') return -ENOTDIR
    for (let at: DirectoryInode | undefined = inode; at !== undefined; at = at.parent === at ? at.covers : at.parent) {
      if (at === moved.root) return -ELOOP
    }
    fs.mounts.splice(fs.mounts.indexOf(moved), 1)
    moved.on.mounted = undefined
    attach(fs, inode, moved.root, placePath(kernel, place))
    return 0
  }
  if (type === '') return -EINVAL
  if (inode.kind !== 'directory') return -ENOTDIR
  const root = makeRoot(kernel, task, type, source === '' ? 'none' : source, flags, data)
  if (typeof root === 'number') return root
  attach(fs, inode, root, placePath(kernel, place))
  return 0
}

/** Whether something uses files of the superblock, or another file system is mounted in it. */
const isBusy = (kernel: Kernel, mount: Mount): boolean => {
  const { superblock } = mount
  if (kernel.state.fs.mounts.some((other) => other !== mount && other.on.superblock === superblock && other.root !== mount.root)) return true
  for (const task of kernel.state.tasks.values()) {
    if (task.state === 'dead' || task.state === 'zombie') continue
    if (task.fs.cwd.superblock === superblock || task.fs.root.superblock === superblock) return true
    if (task.files.slots.some((slot) => slot?.file.inode.superblock === superblock)) return true
    if (task.mm.vmas.some((vma) => vma.backing !== undefined && 'superblock' in vma.backing && vma.backing.superblock === superblock)) return true
  }
  return false
}

export const unmount = (kernel: Kernel, task: Task, target: string, flags: number): number => {
  if ((flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) !== 0) return -EINVAL
  const place = resolve(kernel, task, AT_FDCWD, target, (flags & UMOUNT_NOFOLLOW) === 0 ? LOOKUP_FOLLOW : 0)
  if (typeof place === 'number') return place
  if (place.inode === undefined) return -ENOENT
  if (!capable(task.credentials, CAP_SYS_ADMIN)) return -EPERM
  const { fs } = kernel.state
  const { inode } = place
  const mount = inode.kind === 'directory' ? mountAt(fs, inode) : fs.mounts.findLast(({ on, name }) => on === place.parent && name === place.name)
  if (mount === undefined || mount.root === fs.root) return -EINVAL
  if ((flags & MNT_EXPIRE) !== 0 && (flags & (MNT_FORCE | MNT_DETACH)) !== 0) return -EINVAL
  const { root, on } = mount
  const isBind = root.kind === 'directory' ? root.covers !== on : true
  if ((flags & MNT_DETACH) === 0 && !isBind && isBusy(kernel, mount)) return -EBUSY
  const { superblock } = mount
  const { volume } = superblock
  if (volume !== undefined && !isBind) {
    const error = syncVolumes(kernel, superblock)
    if (error !== 0) return error
    // What is still open of it after MNT_DETACH lives in memory from now on.
    superblock.volume = undefined
    releaseInode(kernel, volume.image)
    clearUnusedLoops(kernel)
  }
  fs.mounts.splice(fs.mounts.lastIndexOf(mount), 1)
  if (root.kind === 'directory') {
    on.mounted = undefined
    if (root.covers === on) root.covers = undefined
    return 0
  }
  if (mount.hidden === undefined) on.entries.delete(mount.name)
  else on.entries.set(mount.name, mount.hidden)
  return 0
}

/** pivot_root(2): another mount becomes the root of the world, and the old root is mounted below it. */
export const pivotRoot = (kernel: Kernel, task: Task, newPath: string, oldPath: string): number => {
  if (!capable(task.credentials, CAP_SYS_ADMIN)) return -EPERM
  const newPlace = resolve(kernel, task, AT_FDCWD, newPath, LOOKUP_FOLLOW | LOOKUP_DIRECTORY)
  if (typeof newPlace === 'number') return newPlace
  const oldPlace = resolve(kernel, task, AT_FDCWD, oldPath, LOOKUP_FOLLOW | LOOKUP_DIRECTORY)
  if (typeof oldPlace === 'number') return oldPlace
  const newRoot = newPlace.inode
  const on = oldPlace.inode
  if (newRoot?.kind !== 'directory' || on?.kind !== 'directory') return -ENOENT
  const { fs } = kernel.state
  const { root } = task.fs
  const newMount = mountAt(fs, newRoot)
  const oldMount = mountAt(fs, root)
  if (newMount === undefined || oldMount === undefined || newRoot.covers !== newMount.on) return -EINVAL
  if (newRoot === root || on === root) return -EBUSY
  if (directoryPath(on, newRoot) === '') return -EINVAL
  newMount.on.mounted = undefined
  newRoot.covers = undefined
  newMount.on = newRoot
  if (on === newRoot) {
    // The old root lies over the new one, as `pivot_root . .` wants it: umount2 of it is what follows.
    return attachOver(kernel, oldMount, newRoot, root)
  }
  on.mounted = root
  root.covers = on
  oldMount.on = on
  moveRoots(kernel, root, newRoot)
  return 0
}

const attachOver = (kernel: Kernel, oldMount: Mount, newRoot: DirectoryInode, root: DirectoryInode): number => {
  newRoot.mounted = root
  root.covers = newRoot
  oldMount.on = newRoot
  moveRoots(kernel, root, newRoot)
  return 0
}

/** Tasks at the old root go to the new one, and paths are those from there. */
const moveRoots = (kernel: Kernel, root: DirectoryInode, newRoot: DirectoryInode): void => {
  const { fs } = kernel.state
  if (fs.root === root) fs.root = newRoot
  for (const { fs: context } of kernel.state.tasks.values()) {
    if (context.root === root) context.root = newRoot
    if (context.cwd === root) context.cwd = newRoot
  }
  for (const mount of fs.mounts) {
    if (mount.root.kind === 'directory') mount.path = directoryPath(mount.root, fs.root) || mount.path
  }
}
