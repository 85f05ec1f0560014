/** The file systems of a new world, from its configuration: mounts in order, then generated files over them. */
import { EEXIST, ENOENT, ENOTDIR, ERRNO_NAMES } from '../abi/errno.ts'
import { AT_FDCWD, O_RDWR } from '../abi/fcntl.ts'
import type { GeneratedFile, MountConfig } from '../config.ts'
import type { Kernel } from '../kernel.ts'
import { initialCredentials } from '../task/create.ts'
import type { Task } from '../task/task.ts'
import { waitQueue } from '../wait-queue.ts'
import { adoptConsole, openConsole } from './console.ts'
import { installFile } from './descriptor.ts'
import { deviceNumber, mountDev, openDevice } from './devices.ts'
import type { OpenFile } from './file.ts'
import type { FsState } from './fs-state.ts'
import {
  applyHostStat, type DirectoryInode, ensureAttributes, type Inode, makeDevice, makeDirectory, makeFile, makeHostInode,
  makeSymlink, S_IFDIR, S_IFMT, writeInode,
} from './inode.ts'
import { LOOP_COUNT } from './loop.ts'
import {
  ANONYMOUS_MAGIC, attach, attachFile, EXT2_MAGIC, makeSuperblock, PROC_MAGIC, RAMFS_MAGIC, TMPFS_MAGIC,
} from './mounts.ts'
import { enterMounts, LOOKUP_FOLLOW, resolveInode, walk } from './path.ts'
import { checkAccess, MAY_EXEC } from './permissions.ts'
import { mountProc } from './proc/root.ts'

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

const lookup = (kernel: Kernel, path: string): Inode | number => {
  const { root } = kernel.state.fs
  const found = walk(kernel, undefined, ROOT, root, root, path, LOOKUP_FOLLOW)
  return typeof found === 'number' ? found : found.inode ?? -ENOENT
}

/** The directory at an absolute path; made, with those above it, where it is not there. */
const makePath = (kernel: Kernel, path: string): DirectoryInode => {
  let directory = enterMounts(kernel.state.fs.root)
  let prefix = ''
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue
    prefix += `/${name}`
    const found = lookup(kernel, prefix)
    if (typeof found !== 'number') {
      if (found.kind !== 'directory') throw new SetupError(`${prefix} is in the way of ${path}: ${errnoName(-ENOTDIR)}`)
      directory = found
      continue
    }
    if (found !== -ENOENT) throw new SetupError(`can't make ${prefix}: ${errnoName(found)}`)
    const child = makeDirectory(kernel, directory.superblock, directory, name, DIRECTORY_MODE)
    put(kernel, directory, name, child)
    directory = child
  }
  return directory
}

const splitPath = (path: string): { directory: string, name: string } => {
  const trimmed = path.replace(/\/+$/, '')
  const at = trimmed.lastIndexOf('/')
  return { directory: trimmed.slice(0, Math.max(at, 0)), name: trimmed.slice(at + 1) }
}

const mountRoot = (kernel: Kernel, root: DirectoryInode, path: string): void => {
  const { fs } = kernel.state
  const on = makePath(kernel, path)
  attach(fs, on, root, path)
  if (on === fs.root) fs.root = root
}

const mountHost = (kernel: Kernel, index: number, { guest }: MountConfig, host: string): void => {
  const { fs } = kernel.state
  const stat = kernel.outside.files.lstat(index, '')
  if (typeof stat === 'number') throw new SetupError(`can't mount ${host} on ${guest}: ${errnoName(stat)}`)
  // Host files look as on a plain disk.
  const superblock = makeSuperblock(fs, 'host', 'ext2', host, EXT2_MAGIC)
  const inode = makeHostInode(kernel, superblock, index, '', stat.mode >> 12, undefined, '')
  applyHostStat(inode, stat)
  if (inode.kind === 'directory') {
    mountRoot(kernel, inode, guest)
    return
  }
  const { directory, name } = splitPath(guest)
  attachFile(fs, makePath(kernel, directory), name, inode, guest)
}

const mountOne = (kernel: Kernel, mount: MountConfig, index: number): void => {
  const { fs } = kernel.state
  const { guest, source } = mount
  switch (source.kind) {
    case 'host': case 'host-rw': mountHost(kernel, index, mount, source.host); break
    case 'tmpfs': {
      const superblock = makeSuperblock(fs, 'ramfs', 'tmpfs', 'tmpfs', TMPFS_MAGIC)
      mountRoot(kernel, makeDirectory(kernel, superblock, undefined, '', TMPFS_MODE), guest)
      break
    }
    case 'proc': mountRoot(kernel, mountProc(kernel, makeSuperblock(fs, 'proc', 'proc', 'proc', PROC_MAGIC)), guest); break
    case 'dev': mountRoot(kernel, mountDev(kernel, makeSuperblock(fs, 'dev', 'devtmpfs', 'devtmpfs', TMPFS_MAGIC)), guest); break
  }
}

const generate = (kernel: Kernel, { path, mode, content, symlink }: GeneratedFile): void => {
  if ((mode & S_IFMT) === S_IFDIR) {
    makePath(kernel, path).mode = mode & 0o7777
    return
  }
  const { directory, name } = splitPath(path)
  const parent = makePath(kernel, directory)
  if (name === '' || parent.entries.get(name)?.kind === 'directory') throw new SetupError(`can't make the file ${path}: ${errnoName(-EEXIST)}`)
  if (symlink !== undefined) {
    put(kernel, parent, name, makeSymlink(kernel, parent.superblock, symlink))
    return
  }
  const inode = makeFile(kernel, parent.superblock, mode & 0o7777)
  if (content !== undefined) writeInode(kernel, inode, 0, content)
  put(kernel, parent, name, inode)
}

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

/** @throws SetupError if the configuration can't be fulfilled */
export const setUpFileSystems = (kernel: Kernel): FsState => {
  const fs: FsState = {
    superblocks: [], mounts: [], root: undefined as unknown as DirectoryInode, anonymous: undefined as unknown as FsState['anonymous'],
    terminals: new Map(), lastPty: -1, hostInput: { pending: [], ended: false }, streams: [undefined, undefined, undefined], outputBytes: [0, 0, 0], hostContents: [],
    locks: [], lockWaiters: waitQueue(), aio: [], loops: Array.from({ length: LOOP_COUNT }, () => undefined), watches: [], settings: new Map(), lastCookie: 0, bootId: makeBootId(kernel),
  }
  // What follows works on the state as everything does.
  Object.assign(kernel.state, { fs })
  fs.anonymous = makeSuperblock(fs, 'anonymous', 'anon_inodefs', 'anon_inodefs', ANONYMOUS_MAGIC)
  const superblock = makeSuperblock(fs, 'ramfs', 'rootfs', 'rootfs', RAMFS_MAGIC)
  fs.root = makeDirectory(kernel, superblock, undefined, '', DIRECTORY_MODE)
  fs.mounts.push({ path: '/', superblock, root: fs.root, on: fs.root, hidden: undefined, name: '' })
  kernel.config.mounts.forEach((mount, index) => mountOne(kernel, mount, index))
  for (const file of kernel.config.files) generate(kernel, file)
  return fs
}

/** chdir(2) by path: also where the first task starts. 0 or a negative errno. */
export const changeDirectory = (kernel: Kernel, task: Task, path: string): number => {
  const inode = resolveInode(kernel, task, AT_FDCWD, path, LOOKUP_FOLLOW)
  if (typeof inode === 'number') return inode
  if (inode.kind !== 'directory') return -ENOTDIR
  const denied = checkAccess(kernel, task.credentials, inode, MAY_EXEC)
  if (denied === 0) task.fs.cwd = inode
  return denied
}

const NULL_DEVICE = deviceNumber(1, 3)

const openNull = (kernel: Kernel, task: Task): OpenFile => {
  const existing = lookup(kernel, '/dev/null')
  const inode = typeof existing !== 'number' && existing.kind === 'character' && existing.rdev === NULL_DEVICE ? existing
    : makeDevice(kernel, kernel.state.fs.anonymous, 'character', 0o666, NULL_DEVICE)
  const file = openDevice(kernel, task, inode, '/dev/null', O_RDWR)
  if (typeof file === 'number') throw new Error(`/dev/null can't be opened: ${file}`)
  return file
}

/** Descriptors 0, 1 and 2 of the first task. */
export const openStandardFiles = (kernel: Kernel, task: Task): void => {
  adoptConsole(kernel, task.group)
  for (const fd of [0, 1, 2] as const) {
    installFile(kernel, task, kernel.config.stdio[fd] === 'null' ? openNull(kernel, task) : openConsole(kernel, fd), false)
  }
}
