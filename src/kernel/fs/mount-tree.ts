/**
 * Mounts, as a tree for each mount namespace (mount_namespaces(7); fs/namespace.c).
 *
 * An inode may be seen through several mounts, so a place in the tree of names is a directory and the mount through which it
 * was reached. What is mounted on a directory is among the `children` of that mount; `mountpoints` of the directory counts those
 * of all mounts, so that a walk need not look where there is nothing.
 */
import type { FsState, Superblock } from './fs-state.ts'
import type { DirectoryInode, Inode } from './inode.ts'
import { waitQueue, type WaitQueue } from '../wait-queue.ts'
import type { UserNamespace } from '../task/user-namespace.ts'

export interface MountNamespace {
  readonly kind: 'mount-namespace'
  /** Inode number that /proc/PID/ns shows. */
  readonly id: number
  readonly owner: UserNamespace
  /** Its root: the first mount, until pivot_root(2) puts another one in its place. */
  root: Mount
  /** In the order in which they were made. */
  readonly mounts: Mount[]
  /** Woken when something is mounted or taken off. */
  readonly changed: WaitQueue
}

export interface Mount {
  readonly kind: 'mount'
  readonly id: number
  readonly superblock: Superblock
  /** The directory of the file system that is seen at its top, or the single file. */
  readonly root: Inode
  /** What it is mounted on: itself for roots, and for those that were taken off. */
  parent: Mount
  /** There: the directory that it covers, or for single files the directory and the name in it. */
  on: DirectoryInode | undefined
  name: string
  /** MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME … of this mount; those of the file system count as well. */
  flags: number
  /** Of MS_RDONLY and the like: those that a less privileged user namespace can't take off again. */
  lockedFlags: number
  /** It came from a more privileged namespace together with what is below: umount refuses it. */
  locked: boolean
  readonly children: Mount[]
  /** Undefined: not in a tree (any more). */
  namespace: MountNamespace | undefined
  /** Propagation, as mountinfo shows it: peer group and that of its master, 0: none; MS_UNBINDABLE. */
  peers: number
  master: number
  unbindable: boolean
  /** MNT_EXPIRE was asked for once. */
  expiring: boolean
}

/** The first mount's id is one more. */
const FIRST_MOUNT_ID = 19

export const makeMount = (fs: FsState, superblock: Superblock, root: Inode, flags: number): Mount => {
  fs.lastMountId = Math.max(fs.lastMountId, FIRST_MOUNT_ID) + 1
  const mount: Mount = {
    kind: 'mount', id: fs.lastMountId, superblock, root, parent: undefined as unknown as Mount, on: undefined, name: '', flags, lockedFlags: 0, locked: false,
    children: [], namespace: undefined, peers: 0, master: 0, unbindable: false, expiring: false,
  }
  mount.parent = mount
  return mount
}

/** Whether the mount is the root of its tree, or has been taken off. */
export const isTop = (mount: Mount): boolean => mount.parent === mount

// ——— Walking ———

/** What is mounted on the directory, or (with a name) in the place of a file of it. The last one mounted counts. */
export const childMount = (mount: Mount, on: DirectoryInode, name: string): Mount | undefined => {
  const { children } = mount
  for (let i = children.length - 1; i >= 0; i--) if (children[i].on === on && children[i].name === name) return children[i]
  return undefined
}

/** The mount at whose root one is when one comes to the directory: the topmost of those on it. */
export const enterMounts = (mount: Mount, directory: DirectoryInode): Mount => {
  let at = mount
  let place = directory
  while (place.mountpoints > 0) {
    const child = childMount(at, place, '')
    if (child?.root.kind !== 'directory') break
    at = child
    if (child.expiring) child.expiring = false
    place = child.root
  }
  return at
}

/** A directory through a mount. */
export interface Location { readonly mount: Mount, readonly directory: DirectoryInode }

/** '..': not above `root`, through the roots of mounts. */
export const parentLocation = (mount: Mount, directory: DirectoryInode, rootMount: Mount, root: DirectoryInode): Location => {
  let at = directory
  let through = mount
  while (!(at === root && through === rootMount) && at === through.root) {
    if (isTop(through) || through.on === undefined) return { mount: through, directory: at }
    at = through.on
    through = through.parent
  }
  if (at === root && through === rootMount) return { mount: through, directory: at }
  const above = at.parent
  const entered = enterMounts(through, above)
  return { mount: entered, directory: entered === through ? above : entered.root as DirectoryInode }
}

/** Path of a directory as seen from a root; '' if it is not below it. Without a root: from the top of its tree. */
export const directoryPath = (mount: Mount, directory: DirectoryInode, rootMount?: Mount, root?: DirectoryInode): string => {
  let path = ''
  let at = directory
  let through = mount
  while (!(at === root && through === rootMount)) {
    if (at === through.root) {
      if (isTop(through) || through.on === undefined) return root === undefined ? path === '' ? '/' : path : ''
      at = through.on
      through = through.parent
      continue
    }
    // Moved out of what the mount shows.
    if (at.parent === at) return ''
    path = `/${at.name}${path}`
    at = at.parent
  }
  return path === '' ? '/' : path
}

/** The top of the tree that the mount is in: absolute paths start there. */
export const topLocation = (mount: Mount): Location => {
  let top = mount
  while (!isTop(top)) top = top.parent
  if (top.root.kind !== 'directory') throw new Error(`mount ${top.id} is of a file and in no tree`)
  const entered = enterMounts(top, top.root)
  return { mount: entered, directory: entered.root as DirectoryInode }
}

/** Path of a mount's root from the top of its tree. */
export const mountPath = (mount: Mount): string => {
  if (mount.root.kind === 'directory' || mount.on === undefined) return mount.on === undefined ? '/' : directoryPath(mount.parent, mount.on)
  const path = directoryPath(mount.parent, mount.on)
  return path.length > 1 ? `${path}/${mount.name}` : `/${mount.name}`
}

/** Path of the mount's root in its file system, as mountinfo has it. */
export const rootPath = (mount: Mount): string => {
  let path = ''
  for (let at = mount.root; at.kind === 'directory' && at.parent !== at; at = at.parent) path = `/${at.name}${path}`
  return path === '' ? '/' : path
}

// ——— Changing the tree ———

/** Mounts it on a directory (or, with a name, on a file of one) that is seen through `parent`. */
export const attachMount = (mount: Mount, parent: Mount, on: DirectoryInode, name: string): void => {
  mount.parent = parent
  mount.on = on
  mount.name = name
  parent.children.push(mount)
  on.mountpoints++
  enlist(mount, parent.namespace)
}

/** The mount and all below it are listed in the namespace from now on. */
const enlist = (mount: Mount, namespace: MountNamespace | undefined): void => {
  mount.namespace = namespace
  namespace?.mounts.push(mount)
  for (const child of mount.children) enlist(child, namespace)
}

const delist = (mount: Mount): void => {
  const mounts = mount.namespace?.mounts
  if (mounts !== undefined) mounts.splice(mounts.indexOf(mount), 1)
  mount.namespace = undefined
  for (const child of mount.children) delist(child)
}

/** Takes it off where it is; what is mounted below it stays below it. */
export const detachMount = (mount: Mount): void => {
  const { parent, on } = mount
  if (on === undefined) return
  parent.children.splice(parent.children.indexOf(mount), 1)
  on.mountpoints--
  mount.parent = mount
  mount.on = undefined
  mount.name = ''
  delist(mount)
}

/** Whether the mount is `ancestor` or below it. */
export const isMountBelow = (mount: Mount, ancestor: Mount): boolean => {
  for (let at = mount; ; at = at.parent) {
    if (at === ancestor) return true
    if (isTop(at)) return false
  }
}

/** Whether the directory is `ancestor` or below it in its file system. */
export const isBelow = (directory: DirectoryInode, ancestor: Inode): boolean => {
  for (let at = directory; ; at = at.parent) {
    if (at === ancestor) return true
    if (at.parent === at) return false
  }
}

/**
 * A copy of a mount with another root in the same file system, and (`recursive`) of what is mounted below that. It is in no tree.
 * @param copies gets each original with its copy
 */
export const copyMount = (fs: FsState, mount: Mount, root: Inode, recursive: boolean, copies?: Map<Mount, Mount>): Mount => {
  const copy = makeMount(fs, mount.superblock, root, mount.flags)
  copy.lockedFlags = mount.lockedFlags
  copy.peers = mount.peers
  copy.master = mount.master
  copies?.set(mount, copy)
  if (!recursive) return copy
  for (const child of mount.children) {
    if (child.on === undefined || (child.unbindable && copies === undefined) || !isBelow(child.on, root)) continue
    const below = copyMount(fs, child, child.root, true, copies)
    below.parent = copy
    below.on = child.on
    below.name = child.name
    below.locked = child.locked
    below.unbindable = child.unbindable
    copy.children.push(below)
    child.on.mountpoints++
  }
  return copy
}

/** A namespace with a copy of another one's tree; `copies` says what became what. */
export const copyMountNamespace = (fs: FsState, from: MountNamespace, id: number, owner: UserNamespace, copies: Map<Mount, Mount>): MountNamespace => {
  const root = copyMount(fs, from.root, from.root.root, true, copies)
  root.unbindable = from.root.unbindable
  const namespace = makeMountNamespace(fs, id, owner, root)
  if (owner !== from.owner) {
    // What came from outside can't be looked under, nor be made writable (mount_namespaces(7)).
    for (const mount of namespace.mounts) {
      mount.locked = mount !== root
      mount.lockedFlags = mount.flags
      if (mount.peers !== 0) {
        mount.master = mount.peers
        mount.peers = 0
      }
    }
  }
  return namespace
}

export const makeMountNamespace = (fs: FsState, id: number, owner: UserNamespace, root: Mount): MountNamespace => {
  const namespace: MountNamespace = { kind: 'mount-namespace', id, owner, root, mounts: [], changed: waitQueue() }
  fs.mountNamespaces.push(namespace)
  enlist(root, namespace)
  return namespace
}
