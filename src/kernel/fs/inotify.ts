/**
 * inotify(7): what happens to files, told to those who watch them. File systems' code calls `notifyName`, `notifyInode` and
 * `notifyFile`, which cost next to nothing while nobody watches anything.
 *
 * Invariant: a watch is in its inode's `watches` exactly if it is in its instance's; FsState.watches has all.
 */
import { EAGAIN, EINVAL, ENOTTY, ERESTARTSYS } from '../abi/errno.ts'
import { O_ACCMODE, O_NONBLOCK, O_RDONLY } from '../abi/fcntl.ts'
import {
  IN_CLOSE_NOWRITE, IN_CLOSE_WRITE, IN_DELETE_SELF, IN_IGNORED, IN_ISDIR, IN_MOVE_SELF, IN_EXCL_UNLINK, IN_ONESHOT, IN_Q_OVERFLOW, IN_UNMOUNT,
} from '../abi/inotify.ts'
import { POLL_MSG } from '../abi/signals.ts'
import type { Kernel } from '../kernel.ts'
import { type AsyncFile, signalOwner } from './async-io.ts'
import { type Mount, topLocation } from './mount-tree.ts'
import { initialCredentials } from '../task/create.ts'
import { waitQueue, type WaitQueue } from '../wait-queue.ts'
import { type FileOperations, type OpenFile, POLLIN, POLLRDNORM, stayingSeek } from './file.ts'
import type { Superblock } from './fs-state.ts'
import type { DirectoryInode, Inode } from './inode.ts'
import { DELETED } from './open-paths.ts'
import { LOOKUP_FOLLOW, walk } from './path.ts'

export interface InotifyWatch {
  readonly descriptor: number
  readonly inode: Inode
  readonly instance: Inotify
  /** Events and flags, unsigned. */
  mask: number
  /** Of F_NOTIFY (directory-watch.ts): who is told by a signal, and whether more than once. */
  signal?: AsyncFile
  repeats?: boolean
}

export interface InotifyEvent {
  readonly descriptor: number
  readonly mask: number
  readonly cookie: number
  /** '': without a name. */
  readonly name: string
}

export interface Inotify {
  readonly kind: 'inotify'
  readonly watches: InotifyWatch[]
  readonly events: InotifyEvent[]
  lastDescriptor: number
  readonly readable: WaitQueue
}

export const makeInotify = (): Inotify => ({ kind: 'inotify', watches: [], events: [], lastDescriptor: 0, readable: waitQueue() })
export const inotifyOf = (file: OpenFile): Inotify => file.data as Inotify

/** fs.inotify.max_queued_events. */
const QUEUE_LIMIT = 16_384

const post = (kernel: Kernel, instance: Inotify, event: InotifyEvent): void => {
  const { events } = instance
  const last = events.at(-1)
  // The same again says nothing new.
  if (last !== undefined && last.descriptor === event.descriptor && last.mask === event.mask && last.cookie === event.cookie && last.name === event.name) return
  if (events.length >= QUEUE_LIMIT) {
    if (last?.mask !== IN_Q_OVERFLOW) events.push({ descriptor: -1, mask: IN_Q_OVERFLOW, cookie: 0, name: '' })
    return
  }
  events.push(event)
  kernel.wake(instance.readable)
}

export const addWatch = (kernel: Kernel, instance: Inotify, inode: Inode, mask: number): number => {
  const watch: InotifyWatch = { descriptor: ++instance.lastDescriptor, inode, instance, mask }
  instance.watches.push(watch)
  inode.watches ??= []
  inode.watches.push(watch)
  kernel.state.fs.watches.push(watch)
  return watch.descriptor
}

export const dropWatch = (kernel: Kernel, watch: InotifyWatch): void => {
  const { inode, instance } = watch
  instance.watches.splice(instance.watches.indexOf(watch), 1)
  inode.watches?.splice(inode.watches.indexOf(watch), 1)
  if (inode.watches?.length === 0) inode.watches = undefined
  const { watches } = kernel.state.fs
  watches.splice(watches.indexOf(watch), 1)
}

/** Takes a watch away and says so. */
export const removeWatch = (kernel: Kernel, watch: InotifyWatch): void => {
  dropWatch(kernel, watch)
  post(kernel, watch.instance, { descriptor: watch.descriptor, mask: IN_IGNORED, cookie: 0, name: '' })
}

/** @param isUnlinked the name is of a file that has lost it */
const tell = (kernel: Kernel, watched: Inode, mask: number, name: string, cookie: number, isUnlinked = false): void => {
  if (watched.watches === undefined) return
  for (const watch of [...watched.watches]) {
    if ((watch.mask & mask & ~IN_ISDIR) === 0 || (isUnlinked && (watch.mask & IN_EXCL_UNLINK) !== 0)) continue
    if (watch.signal !== undefined) {
      signalOwner(kernel, watch.signal, POLL_MSG, POLLIN | POLLRDNORM)
      if (watch.repeats !== true) dropWatch(kernel, watch)
      continue
    }
    // Programs never saw IN_ISDIR with these two.
    const shown = (mask & (IN_DELETE_SELF | IN_MOVE_SELF)) !== 0 ? mask & ~IN_ISDIR : mask
    post(kernel, watch.instance, { descriptor: watch.descriptor, mask: shown >>> 0, cookie, name })
    if ((watch.mask & IN_ONESHOT) !== 0) removeWatch(kernel, watch)
  }
}

const withType = (inode: Inode, mask: number): number => inode.kind === 'directory' ? mask | IN_ISDIR : mask

/** Something happened to a name in a directory. */
export const notifyName = (kernel: Kernel, directory: DirectoryInode, name: string, inode: Inode, mask: number, cookie = 0): void => {
  if (kernel.state.fs.watches.length > 0) tell(kernel, directory, withType(inode, mask), name, cookie)
}

/** Something happened to an inode, whatever its names. */
export const notifyInode = (kernel: Kernel, inode: Inode, mask: number): void => {
  if (kernel.state.fs.watches.length > 0) tell(kernel, inode, withType(inode, mask), '', 0)
}

/** The next number that ties the two halves of a rename together. */
export const renameCookie = (kernel: Kernel): number => ++kernel.state.fs.lastCookie

const ROOT = initialCredentials(0, 0)

/** Something happened to what a path leads to: those who watch its directory hear of it by name, too. */
export const notifyPath = (kernel: Kernel, inode: Inode, through: Mount, path: string, mask: number): void => {
  const { fs } = kernel.state
  if (fs.watches.length === 0) return
  const isUnlinked = inode.nlink === 0 && path.endsWith(DELETED)
  const slash = path.lastIndexOf('/')
  if (slash >= 0 && path.startsWith('/')) {
    const name = isUnlinked ? path.slice(slash + 1, -DELETED.length) : path.slice(slash + 1)
    const { mount, directory } = topLocation(through)
    const place = walk(kernel, undefined, ROOT, mount, directory, mount, directory, path.slice(0, slash) || '/', LOOKUP_FOLLOW)
    if (typeof place !== 'number' && place.inode?.kind === 'directory' && (isUnlinked || place.inode.entries.get(name) === inode)) {
      tell(kernel, place.inode, withType(inode, mask), name, 0, isUnlinked)
    }
  }
  tell(kernel, inode, withType(inode, mask), '', 0)
}

/** The same for an inode of which no path is at hand: by each name that it has in a watched directory. */
export const notifyAnywhere = (kernel: Kernel, inode: Inode, mask: number): void => {
  for (const directory of new Set(kernel.state.fs.watches.map((watch) => watch.inode))) {
    if (directory.kind !== 'directory') continue
    for (const [name, child] of directory.entries) if (child === inode) tell(kernel, directory, withType(inode, mask), name, 0)
  }
  tell(kernel, inode, withType(inode, mask), '', 0)
}

/** Files of kinds that have no names are watched by nobody. */
const isNamed = (file: OpenFile): boolean => file.kind === 'regular' || file.kind === 'directory' || file.inode.kind === 'fifo' || file.kind === 'device'

export const notifyFile = (kernel: Kernel, file: OpenFile, mask: number): void => {
  if (kernel.state.fs.watches.length > 0 && isNamed(file)) notifyPath(kernel, file.inode, file.mount, file.path, mask)
}

/** The last descriptor of an open file goes. */
export const notifyClose = (kernel: Kernel, file: OpenFile): void => {
  if (kernel.state.fs.watches.length > 0) notifyFile(kernel, file, (file.flags & O_ACCMODE) === O_RDONLY ? IN_CLOSE_NOWRITE : IN_CLOSE_WRITE)
}

/** A file system goes: those who watch something of it are told, and watch it no more. */
export const superblockGone = (kernel: Kernel, superblock: Superblock): void => {
  for (const watch of kernel.state.fs.watches.filter(({ inode }) => inode.superblock === superblock)) {
    post(kernel, watch.instance, { descriptor: watch.descriptor, mask: IN_UNMOUNT, cookie: 0, name: '' })
    removeWatch(kernel, watch)
  }
}

/** An inode without names that nobody uses any more. */
export const inodeGone = (kernel: Kernel, inode: Inode): void => {
  if (inode.watches === undefined) return
  tell(kernel, inode, withType(inode, IN_DELETE_SELF), '', 0)
  for (const watch of [...inode.watches ?? []]) removeWatch(kernel, watch)
}

// ——— The file ———

const HEAD_SIZE = 16
const FIONREAD = 0x541b
/** Names are padded with NULs, one at least. */
const nameSize = (name: string): number => name === '' ? 0 : Math.ceil((name.length + 1) / HEAD_SIZE) * HEAD_SIZE

const encode = (events: readonly InotifyEvent[], size: number): Uint8Array => {
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const { descriptor, mask, cookie, name } of events) {
    view.setInt32(at, descriptor, true)
    view.setUint32(at + 4, mask, true)
    view.setUint32(at + 8, cookie, true)
    view.setUint32(at + 12, nameSize(name), true)
    for (let i = 0; i < name.length; i++) bytes[at + HEAD_SIZE + i] = name.charCodeAt(i)
    at += HEAD_SIZE + nameSize(name)
  }
  return bytes
}

export const inotifyOperations: FileOperations = {
  seek: stayingSeek,
  read: (kernel, task, file, length) => {
    const { events, readable } = inotifyOf(file)
    if (events.length === 0) {
      if ((file.flags & O_NONBLOCK) !== 0) return -EAGAIN
      if (kernel.interrupted(task)) return -ERESTARTSYS
      return kernel.block(task, [readable])
    }
    let size = 0
    let count = 0
    while (count < events.length && size + HEAD_SIZE + nameSize(events[count].name) <= length) size += HEAD_SIZE + nameSize(events[count++].name)
    return count === 0 ? -EINVAL : encode(events.splice(0, count), size)
  },
  poll: (_kernel, file) => inotifyOf(file).events.length > 0 ? POLLIN | POLLRDNORM : 0,
  queues: (_kernel, file) => [inotifyOf(file).readable],
  ioctl: (kernel, task, file, command, argument) => {
    if (command !== FIONREAD) return -ENOTTY
    kernel.user(task).setU32(argument, inotifyOf(file).events.reduce((sum, { name }) => sum + HEAD_SIZE + nameSize(name), 0))
    return 0
  },
  release: (kernel, file) => { for (const watch of [...inotifyOf(file).watches]) dropWatch(kernel, watch) },
}
