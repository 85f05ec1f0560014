/** File systems that are mounted: superblocks, mount(2), umount2(2) and pivot_root(2). The trees of mounts are in mount-tree.ts. */
import { EACCES, EAGAIN, EBUSY, EINVAL, ELOOP, ENODEV, ENOENT, ENOTBLK, ENOTDIR, ENXIO, EPERM } from '../abi/errno.ts'
import { CAP_SYS_ADMIN } from '../abi/capabilities.ts'
import {
  AT_FDCWD, MNT_DETACH, MNT_EXPIRE, MNT_FORCE, MS_BIND, MS_MOVE, MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_NOSYMFOLLOW, MS_PRIVATE,
  MS_RDONLY, MS_REC, MS_RELATIME, MS_REMOUNT, MS_SHARED, MS_SILENT, MS_SLAVE, MS_STRICTATIME, MS_SYNCHRONOUS, MS_UNBINDABLE, O_ACCMODE, O_RDONLY, UMOUNT_NOFOLLOW,
} from '../abi/fcntl.ts'
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { hasCapabilityIn, kernelGid, kernelUid, type UserNamespace } from '../task/user-namespace.ts'
import { mountDev, mountDevpts } from './devices.ts'
import type { FsState, Superblock, SuperblockKind } from './fs-state.ts'
import { loadExt2, readVolume } from './ext2/load.ts'
import { storeExt2, storeExt2File } from './ext2/store.ts'
import { type DirectoryInode, ensureAttributes, type Inode, isNameless, makeDirectory, releaseInode } from './inode.ts'
import { superblockGone } from './inotify.ts'
import {
  attachMount, copyMount, detachMount, isBelow, isMountBelow, isTop, makeMount, type Mount, type MountNamespace,
} from './mount-tree.ts'
import { isLink, LOOKUP_DIRECTORY, LOOKUP_FOLLOW, type Place, resolve, resolveInode } from './path.ts'
import { clearUnusedLoops, isLoopDevice, isReadOnlyLoop, loopImage } from './loop.ts'
import { mountProc } from './proc/root.ts'
import { SYSFS_ENTRY } from './proc/sysfs.ts'

/** statfs f_type (statfs(2)). */
export const TMPFS_MAGIC = 0x0102_1994, PROC_MAGIC = 0x9fa0, EXT2_MAGIC = 0xef53, RAMFS_MAGIC = 0x8584_58f6, DEVPTS_MAGIC = 0x1cd1,
  ANONYMOUS_MAGIC = 0x0904_1934, SYSFS_MAGIC = 0x6265_6572
export const MQUEUE_MAGIC = 0x1980_0202

/** Flags that belong to the mount; the others are the file system's. */
export const MOUNT_FLAGS = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_STRICTATIME | MS_NOSYMFOLLOW

const OPTION_NAMES: readonly (readonly [number, string])[] = [
  [MS_NOSUID, 'nosuid'], [MS_NODEV, 'nodev'], [MS_NOEXEC, 'noexec'], [MS_NOATIME, 'noatime'], [MS_NODIRATIME, 'nodiratime'],
]

/** What the mount's own flags say, behind 'ro' or 'rw'. */
const mountOptions = (flags: number): string => {
  let text = ''
  for (const [flag, name] of OPTION_NAMES) if ((flags & flag) !== 0) text += `,${name}`
  if ((flags & (MS_NOATIME | MS_STRICTATIME)) === 0) text += ',relatime'
  if ((flags & MS_NOSYMFOLLOW) !== 0) text += ',nosymfollow'
  return text
}
const superblockOptions = ({ flags, options }: Superblock): string => ((flags & MS_SYNCHRONOUS) !== 0 ? ',sync' : '') + (options === '' ? '' : `,${options}`)

export const isReadOnly = (mount: Mount, superblock: Superblock): boolean => superblock.readOnly || (mount.flags & MS_RDONLY) !== 0

/** Options as /proc/mounts has them. */
export const optionText = ({ flags, superblock }: Mount): string =>
  ((flags & MS_RDONLY) !== 0 || superblock.readOnly ? 'ro' : 'rw') + superblockOptions({ ...superblock, options: '' }) + mountOptions(flags) + (superblock.options === '' ? '' : `,${superblock.options}`)
/** As mountinfo has them: of the mount, and of the file system. */
export const optionTexts = ({ flags, superblock }: Mount): readonly [string, string] =>
  [((flags & MS_RDONLY) !== 0 ? 'ro' : 'rw') + mountOptions(flags), (superblock.readOnly ? 'ro' : 'rw') + superblockOptions(superblock)]

/** A new superblock; its device number is its place in the list. */
export const makeSuperblock = (fs: FsState, kind: SuperblockKind, type: string, source: string, magic: number, flags = 0, extra = ''): Superblock => {
  const superblock: Superblock = {
    kind, dev: fs.superblocks.length + 1, lastIno: 0, inodes: 0, volume: undefined, nextIno: 0, limits: undefined, readOnly: (flags & MS_RDONLY) !== 0, source, type, options: extra,
    flags: flags & ~MOUNT_FLAGS, root: undefined, owner: undefined, magic,
  }
  fs.superblocks.push(superblock)
  return superblock
}

/** Mounts the root of a file system, or a single file of one, on a place. */
export const attach = (fs: FsState, parent: Mount, on: DirectoryInode, name: string, root: Inode, flags = 0): Mount => {
  const mount = makeMount(fs, root.superblock, root, flags & MOUNT_FLAGS)
  attachMount(mount, parent, on, name)
  return mount
}

// ——— mount(2) ———

const SUFFIXES: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }
/** A number with a suffix, or (of sizes) a share of memory; 0: no limit; undefined: neither. */
const parseSize = (kernel: Kernel, text: string): number | undefined => {
  const match = /^(\d+)([kmgt]|%)?$/i.exec(text)
  if (match === null) return undefined
  const suffix = (match[2] ?? '').toLowerCase()
  return suffix === '%' ? Math.floor(kernel.memory.frameLimit * PAGE_SIZE / 100) * Number(match[1]) : Number(match[1]) * SUFFIXES[suffix]
}

interface TmpfsOptions { mode: number, uid: number, gid: number, pages: number, inodes: number }
/** Options of tmpfs (tmpfs(5)): half of memory if nothing is said; undefined: an option that it does not know. */
const tmpfsOptions = (kernel: Kernel, { credentials: { user, fsuid, fsgid } }: Task, data: string): TmpfsOptions | undefined => {
  const half = Math.floor(kernel.memory.frameLimit / 2)
  const options = { mode: 0o1777, uid: fsuid, gid: fsgid, pages: half, inodes: half }
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
        options[name] = name === 'uid' ? kernelUid(user, Number(value)) : kernelGid(user, Number(value))
        if (options[name] < 0) return undefined
        break
      case 'size': case 'nr_blocks': case 'nr_inodes': {
        const size = parseSize(kernel, value)
        if (size === undefined) return undefined
        const limit = size === 0 ? Infinity : name === 'size' ? Math.ceil(size / PAGE_SIZE) : size
        if (name === 'nr_inodes') options.inodes = limit
        else options.pages = limit
        break
      }
      case 'huge': case 'mpol': case 'inode32': case 'inode64': break
      default: return undefined
    }
  }
  return options
}

/** File systems that a user namespace may mount (FS_USERNS_MOUNT). */
export const FOR_USERS: readonly string[] = ['tmpfs', 'ramfs', 'proc', 'sysfs', 'devpts', 'mqueue']

export const makeRoot = (kernel: Kernel, task: Task, type: string, source: string, flags: number, data: string): DirectoryInode | number => {
  const { fs } = kernel.state
  switch (type) {
    case 'tmpfs': case 'ramfs': {
      const options = tmpfsOptions(kernel, task, data)
      if (options === undefined && type === 'tmpfs') return -EINVAL
      const superblock = makeSuperblock(fs, 'ramfs', type, source, type === 'tmpfs' ? TMPFS_MAGIC : RAMFS_MAGIC, flags)
      if (type === 'tmpfs' && options !== undefined) {
        const { pages, inodes } = options
        superblock.limits = { pages, inodes, usedPages: 0 }
        if (/(^|,)(size|nr_blocks)=/.test(data)) superblock.options = pages === Infinity ? 'size=0' : `size=${pages * PAGE_SIZE / 1024}k`
      }
      return makeDirectory(kernel, superblock, undefined, '', type === 'tmpfs' ? options?.mode ?? 0o1777 : 0o755,
        options?.uid, options?.gid)
    }
    case 'proc': return mountProc(kernel, makeSuperblock(fs, 'proc', 'proc', source, PROC_MAGIC, flags), task.namespaces.pid)
    case 'devtmpfs': return mountDev(kernel, makeSuperblock(fs, 'dev', 'devtmpfs', source, TMPFS_MAGIC, flags))
    case 'devpts': return mountDevpts(kernel, makeSuperblock(fs, 'dev', 'devpts', source, DEVPTS_MAGIC, flags, 'mode=600,ptmxmode=000'))
    case 'mqueue': return makeDirectory(kernel, makeSuperblock(fs, 'ramfs', type, source, MQUEUE_MAGIC, flags), undefined, '', 0o1777)
    case 'sysfs': return mountProc(kernel, makeSuperblock(fs, 'proc', type, source, SYSFS_MAGIC, flags), task.namespaces.pid, SYSFS_ENTRY)
    case 'ext2': return mountExt2(kernel, task, source, flags)
    default: return -ENODEV
  }
}

/** From a loop device, or its file at once. */
const mountExt2 = (kernel: Kernel, task: Task, source: string, flags: number): DirectoryInode | number => {
  if (source === 'none' || source === '') return -EINVAL
  const found = resolveInode(kernel, task, AT_FDCWD, source, LOOKUP_FOLLOW)
  if (typeof found === 'number') return found
  const isLoop = isLoopDevice(found)
  if (isLoop && (flags & MS_RDONLY) === 0 && isReadOnlyLoop(kernel, found)) return -EACCES
  const image = isLoop ? loopImage(kernel, found) : found
  if (image?.kind !== 'file' || isNameless(image)) return isLoop ? -EINVAL : found.kind === 'block' ? -ENXIO : -ENOTBLK
  ensureAttributes(kernel, image)
  const { fs } = kernel.state
  // Mounted elsewhere, or still in use after MNT_DETACH: it is the same file system.
  const known = fs.superblocks.find(({ volume }) => volume?.image === image)
  if (known?.root !== undefined) return known.readOnly === ((flags & MS_RDONLY) !== 0) ? known.root : -EBUSY
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
  for (const superblock of kernel.state.fs.superblocks) {
    const { volume, root } = superblock
    if (volume === undefined || superblock.readOnly || (only !== undefined && superblock !== only) || root === undefined) continue
    const result = storeExt2(kernel, volume, root)
    if (error === 0) error = result
  }
  return error
}

/** fsync(2): what is of an ext2 volume goes to its image. */
export const syncInode = (kernel: Kernel, inode: Inode): number => {
  const { volume, root, readOnly } = inode.superblock
  if (volume === undefined || root === undefined || readOnly) return 0
  return inode.kind === 'file' ? storeExt2File(kernel, volume, root, inode) : storeExt2(kernel, volume, root)
}

/** Whether the task may change the tree of mounts that it sees (may_mount). */
export const mayMount = (task: Task): boolean => hasCapabilityIn(task, task.namespaces.mount.owner, CAP_SYS_ADMIN)

/** The mount that the place is the root of. */
export const mountAt = ({ mount, inode }: Place): Mount | undefined => mount.root === inode ? mount : undefined
export const isOurs = (task: Task, mount: Mount): boolean => mount.namespace === task.namespaces.mount

const PROPAGATION = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE

/** Flags that a remount gives a mount; those about access times stay if it says nothing of them. */
const remountFlags = (old: number, flags: number): number => {
  const times = MS_NOATIME | MS_NODIRATIME | MS_STRICTATIME
  const given = flags & MOUNT_FLAGS
  return (flags & (times | MS_RELATIME)) === 0 ? given | (old & times) : given
}

/** Whether something of the file system is open for writing. */
export const isWritten = (kernel: Kernel, superblock: Superblock): boolean => {
  for (const { files, state } of kernel.state.tasks.values()) {
    if (state === 'dead' || state === 'zombie') continue
    if (files.slots.some((slot) => slot?.file.inode.superblock === superblock && slot.file.kind === 'regular' && (slot.file.flags & O_ACCMODE) !== O_RDONLY)) return true
  }
  return false
}

/** Flags of a file system, for all its mounts (reconfigure_super). */
export const reconfigure = (kernel: Kernel, superblock: Superblock, flags: number): number => {
  if ((flags & MS_RDONLY) !== 0 && !superblock.readOnly && isWritten(kernel, superblock)) return -EBUSY
  superblock.flags = flags & ~MOUNT_FLAGS
  superblock.readOnly = (flags & MS_RDONLY) !== 0
  return 0
}

const remount = (kernel: Kernel, task: Task, place: Place, flags: number): number => {
  const mount = mountAt(place)
  if (mount === undefined || !isOurs(task, mount)) return -EINVAL
  const next = remountFlags(mount.flags, flags)
  if ((mount.lockedFlags & ~next) !== 0) return -EPERM
  const { superblock } = mount
  if ((flags & MS_BIND) === 0) {
    if (!hasCapabilityIn(task, ownerOf(mount, task), CAP_SYS_ADMIN)) return -EPERM
    const refused = reconfigure(kernel, superblock, flags & ~MS_REMOUNT)
    if (refused !== 0) return refused
  }
  mount.flags = next
  return 0
}

/** Whose the file system is: that of a nested user namespace if it was mounted there. */
export const ownerOf = (mount: Mount, task: Task): UserNamespace => mount.superblock.owner ?? firstOf(task)
const firstOf = (task: Task): UserNamespace => {
  let at = task.credentials.user
  while (at.parent !== undefined) at = at.parent
  return at
}

const changePropagation = (kernel: Kernel, _task: Task, place: Place, flags: number): number => {
  const kind = flags & PROPAGATION
  if ((flags & ~(PROPAGATION | MS_REC | MS_SILENT)) !== 0 || (kind & (kind - 1)) !== 0) return -EINVAL
  const mount = mountAt(place)
  if (mount === undefined) return -EINVAL
  setPropagation(kernel, mount, kind, (flags & MS_REC) !== 0)
  return 0
}

/** MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE for a mount, and those below it. */
export const setPropagation = (kernel: Kernel, mount: Mount, kind: number, recursive: boolean): void => {
  mount.unbindable = kind === MS_UNBINDABLE
  switch (kind) {
    case MS_SHARED: if (mount.peers === 0) mount.peers = ++kernel.state.fs.lastPeers; break
    case MS_SLAVE:
      if (mount.peers !== 0) mount.master = hasOtherPeers(kernel, mount) ? mount.peers : mount.master
      mount.peers = 0
      break
    default:
      mount.peers = 0
      mount.master = 0
  }
  if (recursive) for (const child of mount.children) setPropagation(kernel, child, kind, recursive)
}

const hasOtherPeers = (kernel: Kernel, mount: Mount): boolean =>
  kernel.state.fs.mountNamespaces.some(({ mounts }) => mounts.some((other) => other !== mount && other.peers === mount.peers))

/** Where something may be mounted: a directory on a directory, a file on a file (graft_tree). */
export const graft = (kernel: Kernel, mount: Mount, place: Place): number => {
  const { inode } = place
  if (inode === undefined) return -ENOENT
  // Links of /proc come and go (dont_mount).
  if (inode.kind === 'proc' && isLink(inode)) return -ENOENT
  if ((mount.root.kind === 'directory') !== (inode.kind === 'directory')) return -ENOTDIR
  if (inode.nlink === 0 && inode.kind !== 'proc') return -ENOENT
  if (inode.kind === 'directory') attachMount(mount, place.mount, inode, '')
  else if (place.last !== 'name') return graftOnFile(mount, place)
  else attachMount(mount, place.parentMount, place.parent, place.name)
  propagate(kernel, mount)
  if (mount.namespace !== undefined) kernel.wake(mount.namespace.changed)
  return 0
}

/** On a file that was found by descriptor or by a link of /proc: on what it is mounted as, if it is the root of a mount. */
const graftOnFile = (mount: Mount, { mount: under }: Place): number => {
  if (under.on === undefined) return -EINVAL
  attachMount(mount, under.parent, under.on, under.name)
  return 0
}

/** What is mounted below a mount of a peer group appears below its peers and slaves as well (one step: slaves of slaves as peers do). */
const propagate = (kernel: Kernel, mount: Mount): void => {
  const { parent, on, name } = mount
  if (parent.peers === 0 || on === undefined) return
  const isRecursive = mount.peers === 0
  if (isRecursive) mount.peers = ++kernel.state.fs.lastPeers
  for (const { mounts } of kernel.state.fs.mountNamespaces) {
    for (const other of [...mounts]) {
      if (other === parent || other === mount || (other.peers !== parent.peers && other.master !== parent.peers) || !isBelow(on, other.root)) continue
      const copy = copyMount(kernel.state.fs, mount, mount.root, true)
      if (other.peers !== parent.peers) {
        copy.master = mount.peers
        copy.peers = other.peers === 0 ? 0 : ++kernel.state.fs.lastPeers
      }
      attachMount(copy, other, on, name)
    }
  }
}

/** A mount in no tree that shows what a place has (clone_mnt): −EINVAL for what may not be shown elsewhere. @param onDirectory what it is for, if that is known */
export const copyPlace = (kernel: Kernel, task: Task, { mount, inode }: Place, recursive: boolean, onDirectory?: boolean): Mount | number => {
  if (inode === undefined) return -ENOENT
  const isNamespaceFile = inode.kind === 'namespace'
  if ((!isOurs(task, mount) && !isNamespaceFile) || mount.unbindable) return -EINVAL
  if (!recursive && mount.children.some((child) => child.locked && child.on !== undefined && isBelow(child.on, inode))) return -EINVAL
  if (onDirectory !== undefined && (inode.kind === 'directory') !== onDirectory) return -ENOTDIR
  const copy = isNamespaceFile ? makeMount(kernel.state.fs, inode.superblock, inode, 0) : copyMount(kernel.state.fs, mount, inode, recursive)
  copy.namespace = undefined
  return copy
}

const bind = (kernel: Kernel, task: Task, source: string, place: Place, flags: number): number => {
  if (source === '') return -EINVAL
  const from = resolve(kernel, task, AT_FDCWD, source, LOOKUP_FOLLOW)
  if (typeof from === 'number') return from
  if (from.inode === undefined) return -ENOENT
  if (!isOurs(task, place.mount)) return -EINVAL
  const copy = copyPlace(kernel, task, from, (flags & MS_REC) !== 0, place.inode?.kind === 'directory')
  return typeof copy === 'number' ? copy : graft(kernel, copy, place)
}

const move = (kernel: Kernel, task: Task, source: string, place: Place): number => {
  if (source === '') return -EINVAL
  const from = resolve(kernel, task, AT_FDCWD, source, LOOKUP_FOLLOW)
  if (typeof from === 'number') return from
  if (from.inode === undefined) return -ENOENT
  return moveMount(kernel, task, from, place)
}

/** From where it is, or one that was taken from nowhere yet (fsmount(2), open_tree(2)). */
export const moveMount = (kernel: Kernel, task: Task, from: Place, place: Place): number => {
  const mount = mountAt(from)
  if (mount === undefined || !isOurs(task, place.mount) || mount.locked) return -EINVAL
  const isDetached = isTop(mount) && mount.namespace === undefined
  if (!isDetached && (!isOurs(task, mount) || isTop(mount) || mount.parent.peers !== 0)) return -EINVAL
  if ((mount.root.kind === 'directory') !== (place.inode?.kind === 'directory')) return -EINVAL
  if (isMountBelow(place.mount, mount)) return -ELOOP
  if (!isDetached) detachMount(mount)
  return graft(kernel, mount, place)
}

export const mount = (kernel: Kernel, task: Task, source: string, target: string, type: string, flags: number, data: string): number => {
  const place = resolve(kernel, task, AT_FDCWD, target, LOOKUP_FOLLOW)
  if (typeof place === 'number') return place
  const { inode } = place
  if (inode === undefined) return -ENOENT
  if (!mayMount(task)) return -EPERM
  if ((flags & MS_REMOUNT) !== 0) return remount(kernel, task, place, flags)
  if ((flags & MS_BIND) !== 0) return bind(kernel, task, source, place, flags)
  if ((flags & PROPAGATION) !== 0) return changePropagation(kernel, task, place, flags)
  if ((flags & MS_MOVE) !== 0) return move(kernel, task, source, place)
  if (type === '') return -EINVAL
  const isNested = task.credentials.user.level > 0
  if (isNested && FILE_SYSTEMS.includes(type) && !FOR_USERS.includes(type)) return -EPERM
  if (type === 'proc' && !hasCapabilityIn(task, task.namespaces.pid.owner, CAP_SYS_ADMIN)) return -EPERM
  const root = makeRoot(kernel, task, type, source === '' ? 'none' : source, flags, data)
  if (typeof root === 'number') return root
  root.superblock.root = root
  if (isNested) root.superblock.owner = task.credentials.user
  if (!isOurs(task, place.mount)) return -EINVAL
  // Not the same over itself (do_add_mount).
  if (place.mount.superblock === root.superblock && place.mount.root === inode) return -EBUSY
  return graft(kernel, makeMount(kernel.state.fs, root.superblock, root, (flags & MOUNT_FLAGS) | (isNested ? MS_NODEV : 0)), place)
}
export const FILE_SYSTEMS: readonly string[] = [...FOR_USERS, 'devtmpfs', 'ext2']

/** Whether something uses the mount, or another one is below it. */
const isBusy = (kernel: Kernel, mount: Mount): boolean => {
  if (mount.children.length > 0) return true
  const { superblock } = mount
  const isLast = !kernel.state.fs.mountNamespaces.some(({ mounts }) => mounts.some((other) => other !== mount && other.superblock === superblock))
  for (const task of kernel.state.tasks.values()) {
    if (task.state === 'dead' || task.state === 'zombie') continue
    if (task.fs.cwdMount === mount || task.fs.rootMount === mount) return true
    if (task.files.slots.some((slot) => slot?.file.mount === mount)) return true
    if (isLast && task.mm.vmas.some((vma) => vma.backing !== undefined && 'superblock' in vma.backing && vma.backing.superblock === superblock)) return true
  }
  return false
}

const isUsed = (kernel: Kernel, superblock: Superblock): boolean => {
  for (const task of kernel.state.tasks.values()) {
    if (task.state === 'dead' || task.state === 'zombie') continue
    if (task.fs.cwd.superblock === superblock || task.fs.root.superblock === superblock) return true
    if (task.files.slots.some((slot) => slot?.file.inode.superblock === superblock)) return true
  }
  return false
}

/** Takes a mount with all below it off; a file system whose last mount this was is written back, unless its host has lost its power. */
export const takeOff = (kernel: Kernel, mount: Mount, isLost = false): number => {
  const { superblock } = mount
  const { volume } = superblock
  const isLast = !kernel.state.fs.mountNamespaces.some(({ mounts }) => mounts.some((other) => other !== mount && other.superblock === superblock))
  if (volume !== undefined && isLast && !isLost) {
    const error = syncVolumes(kernel, superblock)
    if (error !== 0) return error
  }
  if (isLast && kernel.state.fs.watches.length > 0) superblockGone(kernel, superblock)
  // What is still open of it after MNT_DETACH goes on until it is mounted again.
  if (volume !== undefined && isLast && !isUsed(kernel, superblock)) {
    superblock.volume = undefined
    releaseInode(kernel, volume.image)
    clearUnusedLoops(kernel)
  }
  for (const child of [...mount.children]) {
    const error = takeOff(kernel, child, isLost)
    if (error !== 0) return error
  }
  const { namespace } = mount
  detachMount(mount)
  if (namespace !== undefined) kernel.wake(namespace.changed)
  return 0
}

/** A task that is in another namespace than its host's goes: with the last one the namespace goes as well. */
export const leaveMountNamespace = (kernel: Kernel, task: Task): void => {
  const { mount } = task.namespaces
  for (const other of kernel.state.tasks.values()) if (other !== task && other.namespaces.mount === mount && other.state !== 'zombie') return
  for (const { namespaces } of kernel.state.hosts) if (namespaces?.mount === mount) return
  dropMountNamespace(kernel, mount)
}

/** Nobody is in the namespace any more. @param isLost as its host was killed: nothing is written back */
export const dropMountNamespace = (kernel: Kernel, namespace: MountNamespace, isLost = false): void => {
  const { mountNamespaces } = kernel.state.fs
  for (const child of [...namespace.root.children]) takeOff(kernel, child, isLost)
  const at = mountNamespaces.indexOf(namespace)
  if (at >= 0) mountNamespaces.splice(at, 1)
}

export const unmount = (kernel: Kernel, task: Task, target: string, flags: number): number => {
  if ((flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) !== 0) return -EINVAL
  // To look for it is to use it, but for this call.
  const expiring = (flags & MNT_EXPIRE) === 0 ? [] : task.namespaces.mount.mounts.filter((one) => one.expiring)
  const place = resolve(kernel, task, AT_FDCWD, target, (flags & UMOUNT_NOFOLLOW) === 0 ? LOOKUP_FOLLOW : 0)
  if (typeof place === 'number') return place
  if (place.inode === undefined) return -ENOENT
  if (!mayMount(task)) return -EPERM
  const mount = mountAt(place)
  if (mount === undefined || !isOurs(task, mount) || mount.locked || isTop(mount)) return -EINVAL
  if ((flags & MNT_EXPIRE) !== 0 && ((flags & (MNT_FORCE | MNT_DETACH)) !== 0 || mount === task.fs.rootMount)) return -EINVAL
  if ((flags & MNT_DETACH) === 0 && (mount === task.fs.rootMount || isBusy(kernel, mount))) return -EBUSY
  if ((flags & MNT_EXPIRE) !== 0 && !expiring.includes(mount)) {
    mount.expiring = true
    return -EAGAIN
  }
  if (mount.parent.peers !== 0) for (const peer of propagated(kernel, mount)) if (peer.children.length === 0) takeOff(kernel, peer)
  return takeOff(kernel, mount)
}

/** Copies of a mount that are at the same place of its parent's peers and slaves. */
const propagated = (kernel: Kernel, mount: Mount): Mount[] =>
  kernel.state.fs.mountNamespaces.flatMap(({ mounts }) => mounts.filter((other) => other !== mount && other.on === mount.on && other.name === mount.name &&
    other.root === mount.root && (other.parent.peers === mount.parent.peers || other.parent.master === mount.parent.peers)))

/** Whether the directory can be reached through the mount from the other one. */
const isReachable = (mount: Mount, directory: DirectoryInode, fromMount: Mount, from: DirectoryInode): boolean => {
  let at = { mount, directory }
  for (;;) {
    if (at.mount === fromMount) return isBelow(at.directory, from)
    if (isTop(at.mount) || at.mount.on === undefined) return false
    at = { mount: at.mount.parent, directory: at.mount.on }
  }
}

/** pivot_root(2): another mount becomes the root, and the old root is mounted below it. */
export const pivotRoot = (kernel: Kernel, task: Task, newPath: string, oldPath: string): number => {
  if (!mayMount(task)) return -EPERM
  const newPlace = resolve(kernel, task, AT_FDCWD, newPath, LOOKUP_FOLLOW | LOOKUP_DIRECTORY)
  if (typeof newPlace === 'number') return newPlace
  const oldPlace = resolve(kernel, task, AT_FDCWD, oldPath, LOOKUP_FOLLOW | LOOKUP_DIRECTORY)
  if (typeof oldPlace === 'number') return oldPlace
  const newRoot = newPlace.inode
  const on = oldPlace.inode
  if (newRoot?.kind !== 'directory' || on?.kind !== 'directory') return -ENOENT
  const { root, rootMount } = task.fs
  const newMount = newPlace.mount
  if (oldPlace.mount.peers !== 0 || newMount.parent.peers !== 0 || rootMount.parent.peers !== 0) return -EINVAL
  if (!isOurs(task, rootMount) || !isOurs(task, newMount) || newMount.locked) return -EINVAL
  if (newRoot.nlink === 0) return -ENOENT
  if (newMount === rootMount || oldPlace.mount === rootMount) return -EBUSY
  if (rootMount.root !== root || isTop(rootMount) || newMount.root !== newRoot || isTop(newMount)) return -EINVAL
  if (!isReachable(oldPlace.mount, on, newMount, newRoot) || !isReachable(newMount, newRoot, rootMount, root)) return -EINVAL
  const { parent, on: under, name } = rootMount
  if (under === undefined) return -EINVAL
  detachMount(newMount)
  if (rootMount.locked) {
    newMount.locked = true
    rootMount.locked = false
  }
  detachMount(rootMount)
  attachMount(newMount, parent, under, name)
  attachMount(rootMount, oldPlace.mount, on, '')
  // Tasks at the old root go to the new one (chroot_fs_refs).
  for (const { fs } of kernel.state.tasks.values()) {
    if (fs.root === root && fs.rootMount === rootMount) {
      fs.root = newRoot
      fs.rootMount = newMount
    }
    if (fs.cwd === root && fs.cwdMount === rootMount) {
      fs.cwd = newRoot
      fs.cwdMount = newMount
    }
  }
  return 0
}
