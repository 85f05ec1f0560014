/** The file systems of a new world, from its configuration: mounts in order, then generated files over them. */
import { EEXIST, ENOENT, ENOTDIR, ERRNO_NAMES } from '../abi/errno.ts'
import { AT_FDCWD, O_RDWR } from '../abi/fcntl.ts'
import type { GeneratedFile, HostConfig, MountConfig } from '../config.ts'
import type { Kernel } from '../kernel.ts'
import { initialCredentials } from '../task/create.ts'
import type { PidNamespace } from '../task/pid-namespace.ts'
import type { Task } from '../task/task.ts'
import type { UserNamespace } from '../task/user-namespace.ts'
import { waitQueue } from '../wait-queue.ts'
import { adoptConsole, openConsole } from './console.ts'
import { installFile } from './descriptor.ts'
import { lookupChild } from './directory.ts'
import { deviceNumber, mountDev, openDevice } from './devices.ts'
import type { OpenFile } from './file.ts'
import type { FsState } from './fs-state.ts'
import {
  applyHostStat, type DirectoryInode, ensureAttributes, type Inode, makeDevice, makeDirectory, makeFile, makeHostInode,
  makeSymlink, S_IFDIR, S_IFMT, writeInode,
} from './inode.ts'
import { LOOP_COUNT } from './loop.ts'
import {
  ANONYMOUS_MAGIC, attach, EXT2_MAGIC, makeSuperblock, PROC_MAGIC, RAMFS_MAGIC, SYSFS_MAGIC, TMPFS_MAGIC,
} from './mounts.ts'
import { enterMounts, type Location, makeMount, makeMountNamespace, type Mount, type MountNamespace } from './mount-tree.ts'
import { LOOKUP_FOLLOW, type PathContext, type Place, resolve, walk } from './path.ts'
import { checkAccess, MAY_EXEC } from './permissions.ts'
import { mountProc } from './proc/root.ts'
import { SYSFS_ENTRY } from './proc/sysfs.ts'

const ROOT = initialCredentials(0, 0)
const DIRECTORY_MODE = 0o755
const TMPFS_MODE = 0o1777

/** The configuration asks for something that can't be: for people. */
export class SetupError extends Error {}

const errnoName = (error: number): string => ERRNO_NAMES.get(-error) ?? String(error)

/** Adds a name without the traces that a guest's doing would leave in the directory's times. */
const put = (kernel: Kernel, parent: DirectoryInode, name: string, inode: Inode): void => {
  ensureAttributes(kernel, parent)
  parent.entries.set(name, inode)
  parent.absent.delete(name)
  if (inode.kind === 'directory') parent.nlink++
}

/** Where the tree of names of a host starts: above all that is mounted at '/'. */
const topOf = ({ root }: MountNamespace): Location => {
  const mount = enterMounts(root, root.root as DirectoryInode)
  return { mount, directory: mount.root as DirectoryInode }
}

/** What an absolute path leads to in a tree of mounts, for the kernel itself. */
export const lookupIn = (kernel: Kernel, namespace: MountNamespace, path: string): Place | number => {
  const { mount, directory } = topOf(namespace)
  return walk(kernel, undefined, ROOT, mount, directory, mount, directory, path, LOOKUP_FOLLOW)
}

/** The directory at an absolute path; made, with those above it, where it is not there. */
const makePath = (kernel: Kernel, namespace: MountNamespace, path: string): Location => {
  let location = topOf(namespace)
  let prefix = ''
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue
    prefix += `/${name}`
    const found = lookupIn(kernel, namespace, prefix)
    if (typeof found !== 'number') {
      if (found.inode?.kind !== 'directory') throw new SetupError(`${prefix} is in the way of ${path}: ${errnoName(-ENOTDIR)}`)
      location = { mount: found.mount, directory: found.inode }
      continue
    }
    if (found !== -ENOENT) throw new SetupError(`can't make ${prefix}: ${errnoName(found)}`)
    const { directory } = location
    const child = makeDirectory(kernel, directory.superblock, directory, name, DIRECTORY_MODE)
    put(kernel, directory, name, child)
    location = { mount: location.mount, directory: child }
  }
  return location
}

const splitPath = (path: string): { directory: string, name: string } => {
  const trimmed = path.replace(/\/+$/, '')
  const at = trimmed.lastIndexOf('/')
  return { directory: trimmed.slice(0, Math.max(at, 0)), name: trimmed.slice(at + 1) }
}

const mountRoot = (kernel: Kernel, namespace: MountNamespace, root: DirectoryInode, path: string): void => {
  const { mount, directory } = makePath(kernel, namespace, path)
  root.superblock.root = root
  attach(kernel.state.fs, mount, directory, '', root)
}

const mountHost = (kernel: Kernel, namespace: MountNamespace, index: number, { guest }: MountConfig, host: string): DirectoryInode | undefined => {
  const { fs } = kernel.state
  const stat = kernel.outside.files.lstat(index, '')
  if (typeof stat === 'number') throw new SetupError(`can't mount ${host} on ${guest}: ${errnoName(stat)}`)
  // Host files look as on a plain disk.
  const superblock = makeSuperblock(fs, 'host', 'ext2', host, EXT2_MAGIC)
  const inode = makeHostInode(kernel, superblock, index, '', stat.mode >> 12, undefined, '')
  applyHostStat(inode, stat)
  if (inode.kind === 'directory') {
    mountRoot(kernel, namespace, inode, guest)
    return inode
  }
  const { directory: path, name } = splitPath(guest)
  const { mount, directory } = makePath(kernel, namespace, path)
  // A mount needs something to be mounted on.
  const existing = lookupChild(kernel, undefined, directory, name)
  if (existing === undefined) put(kernel, directory, name, inode.kind === 'symlink' ? inode : makeFile(kernel, directory.superblock, inode.mode))
  if (inode.kind !== 'symlink') attach(fs, mount, directory, name, inode)
  else if (existing !== undefined) put(kernel, directory, name, inode)
  return undefined
}

/** Carries out a mount. @returns the root of a file system that outlives a crash */
const mountOne = (
  kernel: Kernel, namespace: MountNamespace, pids: PidNamespace, mount: MountConfig, index: number, disk: DirectoryInode | undefined,
): DirectoryInode | undefined => {
  const { fs } = kernel.state
  const { guest, source } = mount
  switch (source.kind) {
    case 'host': case 'host-rw':
      if (disk === undefined) return mountHost(kernel, namespace, index, mount, source.host)
      mountRoot(kernel, namespace, disk, guest)
      return disk
    case 'tmpfs': {
      const superblock = makeSuperblock(fs, 'ramfs', 'tmpfs', 'tmpfs', TMPFS_MAGIC)
      mountRoot(kernel, namespace, makeDirectory(kernel, superblock, undefined, '', TMPFS_MODE), guest)
      return undefined
    }
    case 'proc': mountRoot(kernel, namespace, mountProc(kernel, makeSuperblock(fs, 'proc', 'proc', 'proc', PROC_MAGIC), pids), guest); return undefined
    case 'sys': mountRoot(kernel, namespace, mountProc(kernel, makeSuperblock(fs, 'proc', 'sysfs', 'sysfs', SYSFS_MAGIC), pids, SYSFS_ENTRY), guest); return undefined
    case 'dev': mountRoot(kernel, namespace, mountDev(kernel, makeSuperblock(fs, 'dev', 'devtmpfs', 'devtmpfs', TMPFS_MAGIC)), guest); return undefined
  }
}

const generate = (kernel: Kernel, namespace: MountNamespace, { path, mode, content, symlink }: GeneratedFile): void => {
  if ((mode & S_IFMT) === S_IFDIR) {
    makePath(kernel, namespace, path).directory.mode = mode & 0o7777
    return
  }
  const { directory, name } = splitPath(path)
  const parent = makePath(kernel, namespace, directory).directory
  if (name === '' || parent.entries.get(name)?.kind === 'directory') throw new SetupError(`can't make the file ${path}: ${errnoName(-EEXIST)}`)
  if (symlink !== undefined) {
    put(kernel, parent, name, makeSymlink(kernel, parent.superblock, symlink))
    return
  }
  const inode = makeFile(kernel, parent.superblock, mode & 0o7777)
  if (content !== undefined) writeInode(kernel, inode, 0, content)
  put(kernel, parent, name, inode)
}

/** 128 KiB. */
const READ_AHEAD_SECTORS = 256

const HEX_DIGITS = '0123456789abcdef'
const BOOT_ID_BYTES = 16

/** A random UUID, as /proc/sys/kernel/random/boot_id shows it. */
const makeBootId = (kernel: Kernel): string => {
  const bytes = kernel.outside.entropy.randomBytes(BOOT_ID_BYTES)
  let text = ''
  for (let i = 0; i < BOOT_ID_BYTES; i++) {
    const byte = i === 6 ? (bytes[i] & 0x0f) | 0x40 : i === 8 ? (bytes[i] & 0x3f) | 0x80 : bytes[i]
    if (i === 4 || i === 6 || i === 8 || i === 10) text += '-'
    text += HEX_DIGITS[byte >> 4] + HEX_DIGITS[byte & 15]
  }
  return text
}

/** The file systems' state before anything is mounted. */
export const setUpFileSystems = (kernel: Kernel): FsState => {
  const fs: FsState = {
    superblocks: [], mountNamespaces: [], lastMountId: 0, lastPeers: 0, anonymousMount: undefined as unknown as Mount, anonymous: undefined as unknown as FsState['anonymous'],
    terminals: new Map(), lastPty: -1, hostInput: { pending: [], ended: false }, streams: [undefined, undefined, undefined], outputBytes: [0, 0, 0], hostContents: [],
    locks: [], lockWaiters: waitQueue(), leases: [], aio: [], loops: Array.from({ length: LOOP_COUNT }, () => undefined), loopReadAhead: Array.from({ length: LOOP_COUNT }, () => READ_AHEAD_SECTORS), watches: [], settings: new Map(), lastCookie: 0, bootId: makeBootId(kernel),
  }
  // What follows works on the state as everything does.
  Object.assign(kernel.state, { fs })
  fs.anonymous = makeSuperblock(fs, 'anonymous', 'anon_inodefs', 'anon_inodefs', ANONYMOUS_MAGIC)
  fs.anonymousMount = makeMount(fs, fs.anonymous, makeDirectory(kernel, fs.anonymous, undefined, '', DIRECTORY_MODE), 0)
  return fs
}

/**
 * The tree of mounts of a host.
 * @param base index of the host's first mount among those of the world
 * @param disks file systems that were there before a crash: the root, then by mount; filled if it is empty
 * @throws SetupError if the configuration can't be fulfilled
 */
export const setUpMounts = (
  kernel: Kernel, id: number, owner: UserNamespace, pids: PidNamespace,
  { mounts, files, attributes = [] }: Pick<HostConfig, 'mounts' | 'files' | 'attributes'>, base: number, disks: (DirectoryInode | undefined)[],
): MountNamespace => {
  const { fs } = kernel.state
  const isFirst = disks.length === 0
  const superblock = disks[0]?.superblock ?? makeSuperblock(fs, 'ramfs', 'rootfs', 'rootfs', RAMFS_MAGIC)
  superblock.root = disks[0] ?? makeDirectory(kernel, superblock, undefined, '', DIRECTORY_MODE)
  // pivot_root(2) needs something below the root that programs see.
  const namespace = makeMountNamespace(fs, id, owner, makeMount(fs, superblock, superblock.root, 0))
  attach(fs, namespace.root, superblock.root, '', superblock.root)
  mounts.forEach((mount, index) => { disks[index + 1] = mountOne(kernel, namespace, pids, mount, base + index, disks[index + 1]) })
  if (isFirst) {
    for (const file of files) generate(kernel, namespace, file)
    for (const { path, name, value } of attributes) {
      const place = lookupIn(kernel, namespace, path)
      if (typeof place !== 'number' && place.inode !== undefined) (place.inode.xattrs ??= new Map<string, Uint8Array>()).set(name, value)
    }
  }
  disks[0] = superblock.root
  return namespace
}

/** Root and working directory of a first task. */
export const rootContext = (namespace: MountNamespace): PathContext => {
  const { mount, directory } = topOf(namespace)
  return { kind: 'path-context', users: 1, root: directory, rootMount: mount, cwd: directory, cwdMount: mount, umask: 0o022 }
}

/** chdir(2) by path: also where the first task starts. 0 or a negative errno. */
export const changeDirectory = (kernel: Kernel, task: Task, path: string): number => {
  const place = resolve(kernel, task, AT_FDCWD, path, LOOKUP_FOLLOW)
  if (typeof place === 'number') return place
  const { inode, mount } = place
  if (inode?.kind !== 'directory') return -ENOTDIR
  const denied = checkAccess(kernel, task.credentials, inode, MAY_EXEC)
  if (denied !== 0) return denied
  task.fs.cwd = inode
  task.fs.cwdMount = mount
  return 0
}

const NULL_DEVICE = deviceNumber(1, 3)

const openNull = (kernel: Kernel, task: Task): OpenFile => {
  const place = lookupIn(kernel, task.namespaces.mount, '/dev/null')
  const existing = typeof place === 'number' ? undefined : place.inode
  const inode = existing?.kind === 'character' && existing.rdev === NULL_DEVICE ? existing
    : makeDevice(kernel, kernel.state.fs.anonymous, 'character', 0o666, NULL_DEVICE)
  const file = openDevice(kernel, task, inode, '/dev/null', O_RDWR)
  if (typeof file === 'number') throw new Error(`/dev/null can't be opened: ${file}`)
  return file
}

/** Descriptors 0, 1 and 2 of a host's first task: only the first host has the standard input and the terminal. */
export const openStandardFiles = (kernel: Kernel, task: Task): void => {
  const { host } = task.namespaces
  if (host === 0) adoptConsole(kernel, task.group)
  for (const fd of [0, 1, 2] as const) {
    const isNull = kernel.config.stdio[fd] === 'null' || (host > 0 && fd === 0)
    installFile(kernel, task, isNull ? openNull(kernel, task) : openConsole(kernel, fd, task), false)
  }
}
