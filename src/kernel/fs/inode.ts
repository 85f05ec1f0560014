/**
 * Inodes, and the pages of regular files.
 *
 * The content of a regular file is a sparse table of page frames: read, write and every mapping see the same bytes. A file
 * of the host is asked for once, when first needed; its pages become frames one by one.
 * Lifetime: an inode lives as long as something refers to it; frames are released when the last link, open file and
 * mapping are gone (`users`, `nlink`).
 */
import { EACCES } from '../abi/errno.ts'
import { MS_NOATIME, MS_NODIRATIME, MS_RDONLY, MS_STRICTATIME } from '../abi/fcntl.ts'
import { S_IFSOCK, S_IFLNK, S_IFREG, S_IFBLK, S_IFDIR, S_IFCHR, S_IFIFO } from '../abi/stat.ts'
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { OutOfFrames } from '../../emu/memory.ts'
import { NO_FRAME } from '../../emu/mmu/mmu.ts'
import type { Kernel } from '../kernel.ts'
import { realTime } from '../time/clock.ts'
import type { HostStat } from '../outside.ts'
import type { AnyNamespace } from '../task/namespaces.ts'
import type { Superblock } from './fs-state.ts'
import { giveIno, givePage, hasFreeIno, takeIno, takePage } from './ext2/volume.ts'
import { inodeGone, type InotifyWatch } from './inotify.ts'
import type { Pipe } from './pipe.ts'
import type { ProcNode } from './proc/nodes.ts'
import type { UnixSocket } from '../net/unix.ts'

export * from '../abi/stat.ts'

export type Timestamp = readonly [seconds: number, nanoseconds: number]

/** Where an inode of a host mount comes from; what was not asked yet is asked when needed. */
export interface HostOrigin {
  readonly mount: number
  readonly path: string
  /** Attributes were asked for. */
  stated: boolean
  /** st_size and st_blocks outside, for directories and unchanged files. */
  size: number
  blocks: number
}

interface InodeBase {
  readonly ino: number
  readonly superblock: Superblock
  /** Permission bits and set-id, sticky bits; the type is `kind`. */
  mode: number
  uid: number
  gid: number
  nlink: number
  rdev: number
  atime: Timestamp
  mtime: Timestamp
  ctime: Timestamp
  host: HostOrigin | undefined
  /** Open files and mappings that use it. */
  users: number
  xattrs?: Map<string, Uint8Array>
  /** FS_*_FL (inode-flags.ts); undefined: none were ever set. */
  flags?: number
  /** An ext2 image has names for it, as of the last time when all of it was written. */
  isStored?: boolean
  /** RWH_* of F_SET_RW_HINT (fcntl(2)). */
  writeHint?: number
  /** inotify watches of it (inotify.ts). */
  watches?: InotifyWatch[]
}

export interface FileInode extends InodeBase {
  readonly kind: 'file'
  size: number
  /** Frames by page index; pages that are not there are zero, or those of the host's file. */
  readonly pages: Map<number, number>
  /** Indexes of pages that fallocate set aside: they count in st_blocks, and are holes until they are written. Never in `pages`, too. */
  reserved: Set<number> | undefined
  /** Index into FsState.hostContents once the host file was read; pages beyond `hostSize` never come from it. */
  hostContent: number
  hostSize: number
  /** memfd seals; undefined: can't be sealed. */
  seals?: number
  /** Of event files and process descriptors: mode, owner and times can't be set. */
  isFixed?: boolean
  /** Made by O_TMPFILE without O_EXCL: linkat may give it a name though it has none. */
  linkable?: boolean
  /** Open descriptions that can write: execve fails with ETXTBSY while there are any. */
  writers: number
}

export interface DirectoryInode extends InodeBase {
  readonly kind: 'directory'
  readonly entries: Map<string, Inode>
  /** Parent directory and the name in it; a root is its own parent. */
  parent: DirectoryInode
  name: string
  /** How many mounts there are on it, and on files in it, in all trees of mounts (mount-tree.ts). */
  mountpoints: number
  /** Of a host directory: all names are in `entries`. */
  listed: boolean
  /** Of a host directory: names that are not there (any more). */
  readonly absent: Set<string>
  /** Changes with each entry added or removed. */
  version: number
  /** Of /proc: what it shows. `refreshProc` brings `entries` up to date before they are used. */
  node: ProcNode | undefined
}

export interface SymlinkInode extends InodeBase {
  readonly kind: 'symlink'
  target: string | undefined
}

/** Character and block devices; `rdev` tells the driver. */
export interface DeviceInode extends InodeBase { readonly kind: 'character' | 'block' }
export interface FifoInode extends InodeBase { readonly kind: 'fifo', pipe: Pipe | undefined }
export interface SocketInode extends InodeBase { readonly kind: 'socket', socket: UnixSocket | undefined }
/** A file, directory or link whose content is made when it is asked for. */
export interface ProcInode extends InodeBase { readonly kind: 'proc', readonly node: ProcNode }

/** A namespace as a file (namespace-files.ts). */
export interface NamespaceInode extends InodeBase { readonly kind: 'namespace', readonly namespace: AnyNamespace }

export type Inode = NamespaceInode | FileInode | DirectoryInode | SymlinkInode | DeviceInode | FifoInode | SocketInode | ProcInode

const TYPE_BITS = {
  file: S_IFREG, directory: S_IFDIR, symlink: S_IFLNK, character: S_IFCHR, block: S_IFBLK, fifo: S_IFIFO, socket: S_IFSOCK, namespace: S_IFREG,
} as const

/** Inodes of eventfds, epolls and the like: no files that could be opened again, and without a type in st_mode. */
export const isNameless = (inode: Inode): boolean =>
  inode.kind === 'file' && inode.superblock.kind === 'anonymous' && inode.seals === undefined

/** File type bits of st_mode. */
export const typeBits = (inode: Inode): number => inode.kind === 'proc' ? inode.node.type : TYPE_BITS[inode.kind]
/** d_type of getdents64. */
export const directoryType = (inode: Inode): number => typeBits(inode) >> 12

/** CLOCK_REALTIME as a timestamp. */
export const now = (kernel: Kernel): Timestamp => realTime(kernel)

const newIno = (superblock: Superblock): number => {
  const { volume, nextIno } = superblock
  if (volume === undefined) return ++superblock.lastIno
  superblock.nextIno = 0
  return nextIno > 0 ? nextIno : takeIno(volume)
}

const base = (kernel: Kernel, superblock: Superblock, mode: number, uid: number, gid: number): Omit<InodeBase, 'kind'> => {
  const time = now(kernel)
  superblock.inodes++
  return {
    ino: newIno(superblock), superblock, mode, uid, gid, nlink: 1, rdev: 0, atime: time, mtime: time, ctime: time,
    host: undefined, users: 0,
  }
}

export const makeFile = (kernel: Kernel, superblock: Superblock, mode: number, uid = 0, gid = 0): FileInode =>
  ({ ...base(kernel, superblock, mode, uid, gid), kind: 'file', size: 0, pages: new Map(), reserved: undefined, hostContent: NOT_ASKED, hostSize: 0, writers: 0 })

/** Without a parent: a root. */
export const makeDirectory = (kernel: Kernel, superblock: Superblock, parent: DirectoryInode | undefined, name: string, mode: number, uid = 0, gid = 0): DirectoryInode => {
  const directory = {
    ...base(kernel, superblock, mode, uid, gid), nlink: 2, kind: 'directory' as const, entries: new Map(), name,
    parent: parent as DirectoryInode, mountpoints: 0, listed: true, absent: new Set<string>(), version: 0, node: undefined,
  }
  if (parent === undefined) directory.parent = directory
  return directory
}

export const makeSymlink = (kernel: Kernel, superblock: Superblock, target: string | undefined, uid = 0, gid = 0): SymlinkInode =>
  ({ ...base(kernel, superblock, 0o777, uid, gid), kind: 'symlink', target })

export const makeDevice = (kernel: Kernel, superblock: Superblock, kind: 'character' | 'block', mode: number, rdev: number, uid = 0, gid = 0): DeviceInode =>
  ({ ...base(kernel, superblock, mode, uid, gid), kind, rdev })

export const makeFifo = (kernel: Kernel, superblock: Superblock, mode: number, uid = 0, gid = 0): FifoInode =>
  ({ ...base(kernel, superblock, mode, uid, gid), kind: 'fifo', pipe: undefined })

export const makeSocketInode = (kernel: Kernel, superblock: Superblock, mode: number, uid = 0, gid = 0): SocketInode =>
  ({ ...base(kernel, superblock, mode, uid, gid), kind: 'socket', socket: undefined })

export const makeProc = (kernel: Kernel, superblock: Superblock, node: ProcNode, mode: number, uid = 0, gid = 0): ProcInode =>
  ({ ...base(kernel, superblock, mode, uid, gid), kind: 'proc', node })

export const makeNamespaceInode = (kernel: Kernel, superblock: Superblock, namespace: AnyNamespace): NamespaceInode =>
  ({ ...base(kernel, superblock, 0o444, 0, 0), ino: namespace.id, kind: 'namespace', namespace })

// ——— Attributes that the host has ———

/** Asks the host for attributes that have not been asked yet. */
export const ensureAttributes = (kernel: Kernel, inode: Inode): void => {
  const { host } = inode
  if (host === undefined || host.stated) return
  host.stated = true
  const stat = kernel.outside.files.lstat(host.mount, host.path)
  if (typeof stat === 'number') return
  applyHostStat(inode, stat)
}

export const applyHostStat = (inode: Inode, stat: HostStat): void => {
  const { host } = inode
  if (host === undefined) return
  host.stated = true
  host.size = stat.size
  host.blocks = stat.blocks
  inode.mode = stat.mode & 0o7777
  inode.uid = stat.uid
  inode.gid = stat.gid
  inode.nlink = stat.nlink
  inode.rdev = stat.rdev
  inode.atime = stat.atime
  inode.mtime = stat.mtime
  inode.ctime = stat.ctime
  if (inode.kind === 'file') {
    inode.size = stat.size
    inode.hostSize = stat.size
  }
}

/** An inode for a thing of a host mount, by its type (d_type); attributes come later. */
export const makeHostInode = (kernel: Kernel, superblock: Superblock, mount: number, path: string, type: number, parent: DirectoryInode | undefined, name: string): Inode => {
  const inode = ((): Inode => {
    switch (type) {
      case 4: {
        const directory = makeDirectory(kernel, superblock, parent, name, 0o755)
        directory.listed = false
        return directory
      }
      case 10: return makeSymlink(kernel, superblock, undefined)
      case 8: return makeFile(kernel, superblock, 0o644)
      case 1: return makeFifo(kernel, superblock, 0o644)
      case 12: return makeSocketInode(kernel, superblock, 0o755)
      default: return makeDevice(kernel, superblock, type === 6 ? 'block' : 'character', 0o600, 0)
    }
  })()
  superblock.inodes--
  inode.host = { mount, path, stated: false, size: 0, blocks: 0 }
  return inode
}

/** The target of a symbolic link; host links are asked for once. */
export const linkTarget = (kernel: Kernel, inode: SymlinkInode): string => {
  if (inode.target === undefined) {
    const target = inode.host === undefined ? '' : kernel.outside.files.readlink(inode.host.mount, inode.host.path)
    inode.target = typeof target === 'string' ? target : ''
  }
  return inode.target
}

// ——— Pages ———

/** FileInode.hostContent before the file was asked for. Other negative values: the errno with which that failed. */
const NOT_ASKED = -1

/** Asks for a host file's bytes, once: 0, or why they can't be had (the host may refuse what the guest's root could read). */
export const ensureContent = (kernel: Kernel, inode: FileInode): number => {
  if (inode.host === undefined || inode.hostSize === 0 || inode.hostContent >= 0) return 0
  if (inode.hostContent !== NOT_ASKED) return inode.hostContent
  const contents = kernel.state.fs.hostContents
  const content = kernel.outside.files.readFile(inode.host.mount, inode.host.path)
  if (typeof content === 'number') {
    inode.hostContent = content === NOT_ASKED ? -EACCES : content
    return inode.hostContent
  }
  inode.hostContent = contents.length
  contents.push(content)
  return 0
}

const loadHostContent = (kernel: Kernel, inode: FileInode): Uint8Array | undefined =>
  inode.host === undefined || inode.hostSize === 0 || ensureContent(kernel, inode) < 0 ? undefined : kernel.state.fs.hostContents[inode.hostContent]

/**
 * Copies bytes of a page that has no frame into memory: a hole's zeros, or the host's bytes, which need no frame to be read.
 * @param to where, in the Wasm memory
 */
export const copyUnframed = (kernel: Kernel, inode: FileInode, offset: number, length: number, to: number): void => {
  const { u8 } = kernel.memory
  const content = offset < inode.hostSize ? loadHostContent(kernel, inode) : undefined
  const bytes = content?.subarray(offset, Math.min(offset + length, inode.hostSize))
  const count = bytes?.length ?? 0
  if (bytes !== undefined) u8.set(bytes, to)
  if (count < length) u8.fill(0, to + count, to + length)
}

/** The frame of a page within the file, NO_FRAME for a hole that is only read. */
export const pageFrame = (kernel: Kernel, inode: FileInode, index: number, create: boolean): number => {
  let frame = inode.pages.get(index)
  if (frame !== undefined) return frame
  const offset = index * PAGE_SIZE
  const content = offset < inode.hostSize ? loadHostContent(kernel, inode) : undefined
  if (content === undefined && !create) return NO_FRAME
  const { volume, limits } = inode.superblock
  if (volume !== undefined && !takePage(volume)) throw new OutOfFrames('the ext2 volume is full')
  const isCounted = limits === undefined || inode.reserved?.has(index) === true
  if (!isCounted && limits.usedPages >= limits.pages) throw new OutOfFrames('the tmpfs is full')
  frame = kernel.memory.allocate()
  if (!isCounted) limits.usedPages++
  if (content !== undefined) kernel.memory.u8.set(content.subarray(offset, Math.min(offset + PAGE_SIZE, inode.hostSize)), frame * PAGE_SIZE)
  inode.pages.set(index, frame)
  if (inode.reserved !== undefined) inode.reserved.delete(index)
  return frame
}

/** Gives pages [first, last) back; those that the host has would show its bytes again. */
const dropPages = (kernel: Kernel, inode: FileInode, first: number, last: number): void => {
  const { pages, reserved } = inode
  const { volume, limits } = inode.superblock
  const drop = (index: number, frame: number): void => {
    kernel.memory.release(frame)
    if (volume !== undefined) givePage(volume)
    if (limits !== undefined) limits.usedPages--
    pages.delete(index)
  }
  if (last - first > pages.size) {
    for (const [index, frame] of pages) if (index >= first && index < last) drop(index, frame)
  } else {
    for (let index = first; index < last; index++) {
      const frame = pages.get(index)
      if (frame !== undefined) drop(index, frame)
    }
  }
  if (reserved === undefined) return
  for (const index of reserved) {
    if (index < first || index >= last) continue
    reserved.delete(index)
    if (limits !== undefined) limits.usedPages--
  }
}

/** Zeroes bytes of a page, if there is a page. */
const zeroPart = (kernel: Kernel, inode: FileInode, index: number, start: number, end: number): void => {
  const frame = inode.pages.get(index)
  if (frame === undefined || start >= end) return
  kernel.memory.beforeWrite(frame)
  kernel.memory.u8.fill(0, frame * PAGE_SIZE + start, frame * PAGE_SIZE + end)
}

/** Sets pages aside, as fallocate does. @returns false if the file system has not so many: then none are */
export const reservePages = (inode: FileInode, first: number, last: number): boolean => {
  const { limits } = inode.superblock
  const reserved = inode.reserved ??= new Set<number>()
  const wanted: number[] = []
  for (let index = Math.max(first, Math.ceil(inode.hostSize / PAGE_SIZE)); index < last; index++) if (!inode.pages.has(index) && !reserved.has(index)) wanted.push(index)
  if (limits !== undefined) {
    if (limits.usedPages + wanted.length > limits.pages) return false
    limits.usedPages += wanted.length
  }
  for (const index of wanted) reserved.add(index)
  return true
}

/** st_size of /proc/PID/fd's links. */
const DESCRIPTOR_LINK_SIZE = 64

export const inodeSize = (kernel: Kernel, inode: Inode): number => {
  ensureAttributes(kernel, inode)
  if (inode.kind === 'file') return inode.size
  if (inode.kind === 'symlink') return linkTarget(kernel, inode).length
  if (inode.kind === 'directory') return directorySize(inode)
  if (inode.kind === 'proc' && inode.node.type === S_IFLNK && inode.node.fd >= 0) return DESCRIPTOR_LINK_SIZE
  return 0
}

/** Linux's tmpfs counts so much for each name (BOGO_DIRENT_SIZE). */
const NAME_SIZE = 20
const directorySize = (inode: DirectoryInode): number => {
  if (inode.host !== undefined) return inode.host.size
  return inode.node !== undefined ? 0 : (inode.entries.size + 2) * NAME_SIZE
}

/** Up to `length` bytes from `offset`; fewer at the end of the file. */
export const readInode = (kernel: Kernel, inode: Inode, offset: number, length: number): Uint8Array => {
  if (inode.kind !== 'file') return new Uint8Array(0)
  ensureAttributes(kernel, inode)
  const bytes = new Uint8Array(Math.max(0, Math.min(length, inode.size - offset)))
  let done = 0
  while (done < bytes.length) {
    const at = offset + done
    const within = at % PAGE_SIZE
    const count = Math.min(bytes.length - done, PAGE_SIZE - within)
    const frame = inode.pages.get(Math.floor(at / PAGE_SIZE))
    if (frame !== undefined) {
      const host = frame * PAGE_SIZE + within
      bytes.set(kernel.memory.u8.subarray(host, host + count), done)
    } else if (at < inode.hostSize) {
      const content = loadHostContent(kernel, inode)
      if (content !== undefined) bytes.set(content.subarray(at, Math.min(at + count, inode.hostSize)), done)
    }
    done += count
  }
  return bytes
}

/** Returns how many bytes were written: fewer than all when memory is full. @throws OutOfFrames if none could be */
export const writeInode = (kernel: Kernel, inode: FileInode, offset: number, bytes: Uint8Array): number => {
  ensureAttributes(kernel, inode)
  let done = 0
  try {
    while (done < bytes.length) {
      const at = offset + done
      const within = at % PAGE_SIZE
      const count = Math.min(bytes.length - done, PAGE_SIZE - within)
      const frame = pageFrame(kernel, inode, Math.floor(at / PAGE_SIZE), true)
      kernel.memory.beforeWrite(frame)
      kernel.memory.u8.set(bytes.subarray(done, done + count), frame * PAGE_SIZE + within)
      done += count
    }
  } catch (error) {
    if (!(error instanceof OutOfFrames) || done === 0) throw error
  }
  if (offset + done > inode.size) inode.size = offset + done
  return done
}

/** Cuts or extends; what is beyond the new end reads as zero if the file grows again. */
export const truncateInode = (kernel: Kernel, inode: FileInode, size: number): void => {
  ensureAttributes(kernel, inode)
  // What fallocate set aside beyond the end goes, too, if the size stays.
  if (size <= inode.size) {
    const partial = size % PAGE_SIZE
    // The host's bytes beyond must not come back.
    if (partial !== 0 && size < inode.hostSize) pageFrame(kernel, inode, Math.floor(size / PAGE_SIZE), true)
    inode.hostSize = Math.min(inode.hostSize, size)
    dropPages(kernel, inode, Math.ceil(size / PAGE_SIZE), Infinity)
    if (partial !== 0) zeroPart(kernel, inode, Math.floor(size / PAGE_SIZE), partial, PAGE_SIZE)
  }
  inode.size = size
}

/** Makes a range read as zeros: whole pages are given back, parts are zeroed. The size stays. */
export const zeroRange = (kernel: Kernel, inode: FileInode, offset: number, length: number): void => {
  const end = offset + length
  const first = Math.floor(offset / PAGE_SIZE)
  const last = Math.floor(end / PAGE_SIZE)
  // Pages of the host's become zeros of our own.
  const hostEnd = Math.min(Math.ceil(inode.hostSize / PAGE_SIZE), Math.ceil(end / PAGE_SIZE))
  for (let index = first; index < hostEnd; index++) {
    pageFrame(kernel, inode, index, true)
    zeroPart(kernel, inode, index, Math.max(offset - index * PAGE_SIZE, 0), Math.min(end - index * PAGE_SIZE, PAGE_SIZE))
  }
  const from = Math.max(Math.ceil(offset / PAGE_SIZE), hostEnd)
  if (from < last) dropPages(kernel, inode, from, last)
  if (first < from && first >= hostEnd) zeroPart(kernel, inode, first, offset - first * PAGE_SIZE, Math.min(end - first * PAGE_SIZE, PAGE_SIZE))
  if (last >= from && (last > first || from === first)) zeroPart(kernel, inode, last, 0, end - last * PAGE_SIZE)
}

/** Page-cache frame of a file for a mapping; NO_FRAME beyond the end. The caller retains it to keep it. */
export const inodeFrame = (kernel: Kernel, inode: Inode, pageIndex: number, _forWrite: boolean): number => {
  if (inode.kind !== 'file') return inode.kind === 'character' ? kernel.memory.allocate() : NO_FRAME
  ensureAttributes(kernel, inode)
  if (pageIndex * PAGE_SIZE >= inode.size) return NO_FRAME
  return pageFrame(kernel, inode, pageIndex, true)
}

export const retainInode = (_kernel: Kernel, inode: Inode): void => { inode.users++ }

/** Drops a use; a file that nobody uses or names gives its pages back. */
export const releaseInode = (kernel: Kernel, inode: Inode): void => {
  inode.users--
  disposeIfUnused(kernel, inode)
}

export const disposeIfUnused = (kernel: Kernel, inode: Inode): void => {
  if (inode.users > 0 || inode.nlink > 0) return
  if (inode.watches !== undefined) inodeGone(kernel, inode)
  if (inode.host === undefined) inode.superblock.inodes--
  if (inode.superblock.volume !== undefined) giveIno(inode.superblock.volume, inode.ino)
  if (inode.kind !== 'file') return
  dropPages(kernel, inode, 0, Infinity)
  inode.reserved = undefined
  inode.size = 0
}

/** Whether the file system may have one more inode in memory: half as many as there are pages, as tmpfs does it (nr_inodes). */
export const hasInodeRoom = (kernel: Kernel, superblock: Superblock): boolean =>
  superblock.inodes < (superblock.limits?.inodes ?? kernel.memory.frameLimit / 2) && (superblock.volume === undefined || hasFreeIno(superblock.volume))

/** 512-byte blocks in use, as st_blocks counts them. */
export const inodeBlocks = (inode: Inode): number => {
  const { host } = inode
  // A tmpfs keeps long links in a page (SHORT_SYMLINK_LEN).
  if (inode.kind === 'symlink' && host === undefined && inode.superblock.type === 'tmpfs' && (inode.target?.length ?? 0) >= 128) return PAGE_SIZE / 512
  if (inode.kind !== 'file') return host === undefined ? 0 : host.blocks
  const hostPages = host === undefined ? 0 : Math.ceil(inode.hostSize / PAGE_SIZE)
  let pages = inode.reserved?.size ?? 0
  if (hostPages === 0) pages += inode.pages.size
  else for (const index of inode.pages.keys()) if (index >= hostPages) pages++
  if (pages === 0 && host !== undefined && inode.hostSize === host.size) return host.blocks
  return (hostPages + pages) * (PAGE_SIZE / 512)
}

export const touchModified = (kernel: Kernel, inode: Inode): void => {
  inode.mtime = now(kernel)
  inode.ctime = inode.mtime
}

const DAY_SECONDS = 86_400
const isBefore = (a: Timestamp, b: Timestamp): boolean => a[0] < b[0] || (a[0] === b[0] && a[1] <= b[1])

/** What reading does to st_atime, by the flags of the mount (mount(8), relatime; atime_needs_update). */
export const touchAccessed = (kernel: Kernel, inode: Inode, mountFlags: number): void => {
  if ((mountFlags & (MS_NOATIME | MS_RDONLY)) !== 0 || inode.superblock.readOnly) return
  if ((mountFlags & MS_NODIRATIME) !== 0 && inode.kind === 'directory') return
  ensureAttributes(kernel, inode)
  const { atime } = inode
  if ((mountFlags & MS_STRICTATIME) === 0 && !isBefore(atime, inode.mtime) && !isBefore(atime, inode.ctime)) {
    if (now(kernel)[0] - atime[0] < DAY_SECONDS) return
  }
  inode.atime = now(kernel)
}
