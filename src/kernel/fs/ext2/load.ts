/** Reads an ext2 image: every file, directory and link becomes an inode in memory. A damaged image gives an errno, as on Linux. */
import { PAGE_SIZE } from '../../../emu/cpu/layout.ts'
import { OutOfFrames } from '../../../emu/memory.ts'
import { EFBIG, EINVAL, EUCLEAN, ENOMEM } from '../../abi/errno.ts'
import { MS_RDONLY } from '../../abi/fcntl.ts'
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../../abi/stat.ts'
import type { Kernel } from '../../kernel.ts'
import type { Superblock } from '../fs-state.ts'
import {
  type DirectoryInode, type FileInode, type Inode, makeDevice, makeDirectory, makeFifo, makeFile, makeSocketInode, makeSymlink,
  pageFrame, readInode, retainInode,
} from '../inode.ts'
import {
  BLOCK_POINTERS, CHANGEABLE_FLAGS, DIRECT_BLOCKS, DIRENT_HEAD, FAST_LINK_LIMIT, GD, GROUP_SIZE, hasSuperblock, IN, INCOMPATIBLE_FILETYPE, INODE_BASE_SIZE, MAGIC,
  READ_ONLY_EXTRA_ISIZE, READ_ONLY_LARGE_FILE, READ_ONLY_SPARSE_SUPER, SB, SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE, viewOf,
} from './format.ts'
import { type Ext2Volume, ROOT_INO } from './volume.ts'

/** Something in the image can't be. */
export class Damaged {}
const DAMAGED = Object.freeze(new Damaged())
// eslint-disable-next-line @typescript-eslint/only-throw-error -- caught by who mounts and who stores
export const damaged = (): never => { throw DAMAGED }

const LARGEST_LOG = 2
/** All of it is held in memory. */
const LARGEST_IMAGE = 1 << 30
/** No file is larger than its file system's largest offset, sparse or not. */
const LARGEST_FILE = 2 ** 44

/** Blocks that are no file's (ext2_statfs). */
const overheadOf = (groupCount: number, firstDataBlock: number, descriptorBlocks: number, tableBlocks: number, isSparse: boolean): number => {
  let sum = firstDataBlock + groupCount * (2 + tableBlocks)
  for (let group = 0; group < groupCount; group++) if (hasSuperblock(group, isSparse)) sum += 1 + descriptorBlocks
  return sum
}

/** What the superblock says, or a negative errno. */
export const readVolume = (kernel: Kernel, image: FileInode, flags: number): Ext2Volume | number => {
  const bytes = readInode(kernel, image, SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE)
  if (bytes.length < SUPERBLOCK_SIZE) return -EINVAL
  const view = viewOf(bytes)
  if (view.getUint16(SB.magic, true) !== MAGIC) return -EINVAL
  const isOld = view.getUint32(SB.revision, true) === 0
  const incompatible = isOld ? 0 : view.getUint32(SB.incompatible, true)
  const readOnly = isOld ? 0 : view.getUint32(SB.readOnlyCompatible, true)
  if ((incompatible & ~INCOMPATIBLE_FILETYPE) !== 0) return -EINVAL
  if ((flags & MS_RDONLY) === 0 && (readOnly & ~(READ_ONLY_SPARSE_SUPER | READ_ONLY_LARGE_FILE | READ_ONLY_EXTRA_ISIZE)) !== 0) return -EINVAL
  const log = view.getUint32(SB.logBlockSize, true)
  if (log > LARGEST_LOG) return -EINVAL
  const blockSize = 1024 << log
  const inodeSize = isOld ? INODE_BASE_SIZE : view.getUint16(SB.inodeSize, true)
  const blockCount = view.getUint32(SB.blockCount, true)
  const firstDataBlock = view.getUint32(SB.firstDataBlock, true)
  const blocksPerGroup = view.getUint32(SB.blocksPerGroup, true)
  const inodesPerGroup = view.getUint32(SB.inodesPerGroup, true)
  const inodeCount = view.getUint32(SB.inodeCount, true)
  const bits = blockSize * 8
  if (inodeSize < INODE_BASE_SIZE || inodeSize > blockSize || (inodeSize & (inodeSize - 1)) !== 0) return -EINVAL
  if (blocksPerGroup === 0 || blocksPerGroup > bits || inodesPerGroup === 0 || inodesPerGroup > bits) return -EINVAL
  if (firstDataBlock >= blockCount || blockCount * blockSize > image.size) return -EINVAL
  const groupCount = Math.ceil((blockCount - firstDataBlock) / blocksPerGroup)
  if (groupCount * inodesPerGroup !== inodeCount || inodeCount * inodeSize > image.size) return -EINVAL
  if (blockCount * blockSize > LARGEST_IMAGE) return -EFBIG
  return {
    kind: 'ext2', image, blockSize, blockCount, firstDataBlock, blocksPerGroup, inodesPerGroup, inodeCount, inodeSize, groupCount,
    overhead: overheadOf(groupCount, firstDataBlock, Math.ceil(groupCount * GROUP_SIZE / blockSize), Math.ceil(inodesPerGroup * inodeSize / blockSize), (view.getUint32(SB.readOnlyCompatible, true) & READ_ONLY_SPARSE_SUPER) !== 0),
    reservedBlocks: view.getUint32(SB.reservedBlocks, true),
    firstIno: isOld ? 11 : view.getUint32(SB.firstIno, true), used: new Uint8Array(inodeCount + 1), freeBlocks: view.getUint32(SB.freeBlocks, true),
  }
}

/** Reads blocks, descriptors and inodes of an image. */
export class Reader {
  readonly kernel: Kernel
  readonly volume: Ext2Volume

  constructor(kernel: Kernel, volume: Ext2Volume) {
    this.kernel = kernel
    this.volume = volume
  }

  block(number: number): Uint8Array {
    const { blockSize, blockCount, image } = this.volume
    if (number >= blockCount) damaged()
    return readInode(this.kernel, image, number * blockSize, blockSize)
  }

  descriptor(group: number): DataView {
    const { blockSize, firstDataBlock, image } = this.volume
    const bytes = readInode(this.kernel, image, (firstDataBlock + 1) * blockSize + group * GROUP_SIZE, GROUP_SIZE)
    return bytes.length < GROUP_SIZE ? damaged() : viewOf(bytes)
  }

  inode(ino: number): DataView {
    const { blockSize, blockCount, inodeCount, inodesPerGroup, inodeSize, image } = this.volume
    if (ino < 1 || ino > inodeCount) damaged()
    const table = this.descriptor(Math.floor((ino - 1) / inodesPerGroup)).getUint32(GD.inodeTable, true)
    if (table >= blockCount) damaged()
    const bytes = readInode(this.kernel, image, table * blockSize + (ino - 1) % inodesPerGroup * inodeSize, inodeSize)
    return bytes.length < inodeSize ? damaged() : viewOf(bytes)
  }

  /** Calls `see` for each block of an inode with its place in the file, and with −1 for those that hold pointers. */
  eachBlock(inode: DataView, see: (index: number, block: number) => void): void {
    const pointers = this.volume.blockSize / 4
    let seen = 0
    const walk = (block: number, depth: number, first: number): void => {
      if (block === 0) return
      // Pointers that lead in circles come by more blocks than there are.
      if (block >= this.volume.blockCount || ++seen > this.volume.blockCount) damaged()
      if (depth === 0) {
        see(first, block)
        return
      }
      see(-1, block)
      const view = viewOf(this.block(block))
      for (let index = 0; index < pointers; index++) walk(view.getUint32(index * 4, true), depth - 1, first + index * pointers ** (depth - 1))
    }
    let first = 0
    for (let index = 0; index < BLOCK_POINTERS; index++) {
      const depth = Math.max(index - DIRECT_BLOCKS + 1, 0)
      walk(inode.getUint32(IN.block + index * 4, true), depth, first)
      first += pointers ** depth
    }
  }
}

const sizeOf = (inode: DataView): number => {
  const isFile = (inode.getUint16(IN.mode, true) & S_IFMT) === S_IFREG
  return inode.getUint32(IN.size, true) + (isFile ? inode.getUint32(IN.sizeHigh, true) * 0x1_0000_0000 : 0)
}

const textOf = (bytes: Uint8Array): string => {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}

class Loader {
  readonly reader: Reader
  readonly superblock: Superblock
  readonly inodes = new Map<number, Inode>()
  /** Directories whose entries are still to be read. */
  readonly #pending: [DirectoryInode, DataView][] = []

  constructor(reader: Reader, superblock: Superblock) {
    this.reader = reader
    this.superblock = superblock
  }

  /** Puts the blocks of a regular file into its pages. */
  #content(inode: FileInode, raw: DataView): void {
    const { kernel, volume } = this.reader
    const { blockSize } = volume
    inode.size = sizeOf(raw)
    if (inode.size >= LARGEST_FILE) damaged()
    this.reader.eachBlock(raw, (index, block) => {
      const offset = index * blockSize
      if (index < 0 || offset >= inode.size) return
      const bytes = this.reader.block(block)
      const frame = pageFrame(kernel, inode, Math.floor(offset / PAGE_SIZE), true)
      kernel.memory.u8.set(bytes.subarray(0, Math.min(blockSize, inode.size - offset)), frame * PAGE_SIZE + offset % PAGE_SIZE)
    })
  }

  #target(raw: DataView): string {
    const size = sizeOf(raw)
    if (size === 0 || size >= PAGE_SIZE) damaged()
    if (size < FAST_LINK_LIMIT && raw.getUint32(IN.blocks, true) === 0) return textOf(new Uint8Array(raw.buffer, raw.byteOffset + IN.block, size))
    let text = ''
    this.reader.eachBlock(raw, (index, block) => { if (index >= 0) text += textOf(this.reader.block(block)) })
    return text.slice(0, size)
  }

  #make(raw: DataView, ino: number, parent: DirectoryInode | undefined, name: string): Inode {
    const { kernel, volume } = this.reader
    const { superblock } = this
    const mode = raw.getUint16(IN.mode, true)
    volume.used[ino] = 1
    superblock.nextIno = ino
    const permissions = mode & 0o7777
    const direct = raw.getUint32(IN.block, true)
    // Old device numbers are in the first pointer, new ones in the second.
    const rdev = direct !== 0 ? direct & 0xffff : raw.getUint32(IN.block + 4, true)
    switch (mode & S_IFMT) {
      case S_IFREG: {
        const file = makeFile(kernel, superblock, permissions)
        this.#content(file, raw)
        return file
      }
      case S_IFDIR: return makeDirectory(kernel, superblock, parent, name, permissions)
      case S_IFLNK: return makeSymlink(kernel, superblock, this.#target(raw))
      case S_IFIFO: return makeFifo(kernel, superblock, permissions)
      case S_IFSOCK: return makeSocketInode(kernel, superblock, permissions)
      case S_IFCHR: return makeDevice(kernel, superblock, 'character', permissions, rdev)
      case S_IFBLK: return makeDevice(kernel, superblock, 'block', permissions, rdev)
      default: return damaged()
    }
  }

  inode(ino: number, parent: DirectoryInode | undefined, name: string): Inode {
    const known = this.inodes.get(ino)
    if (known !== undefined) return known.kind === 'directory' ? damaged() : known
    const raw = this.reader.inode(ino)
    const inode = this.#make(raw, ino, parent, name)
    this.inodes.set(ino, inode)
    inode.isStored = true
    inode.uid = (raw.getUint16(IN.uid, true) | raw.getUint16(IN.uidHigh, true) << 16) >>> 0
    inode.gid = (raw.getUint16(IN.gid, true) | raw.getUint16(IN.gidHigh, true) << 16) >>> 0
    inode.nlink = raw.getUint16(IN.links, true)
    inode.atime = [raw.getInt32(IN.atime, true), 0]
    inode.mtime = [raw.getInt32(IN.mtime, true), 0]
    inode.ctime = [raw.getInt32(IN.ctime, true), 0]
    const flags = raw.getUint32(IN.flags, true) & CHANGEABLE_FLAGS
    if (flags !== 0) inode.flags = flags
    if (inode.kind === 'directory') this.#pending.push([inode, raw])
    return inode
  }

  /** The root and all below it; not by recursion, as directories may be deep. */
  load(): Inode {
    const root = this.inode(ROOT_INO, undefined, '')
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) this.#entries(...next)
    return root
  }

  #entries(directory: DirectoryInode, raw: DataView): void {
    const { blockSize, inodeCount } = this.reader.volume
    this.reader.eachBlock(raw, (index, block) => {
      if (index < 0) return
      const bytes = this.reader.block(block)
      const view = viewOf(bytes)
      for (let at = 0; at < blockSize;) {
        const ino = view.getUint32(at, true)
        const length = view.getUint16(at + 4, true)
        const nameLength = bytes[at + 6]
        if (length < DIRENT_HEAD || length % 4 !== 0 || at + length > blockSize || DIRENT_HEAD + nameLength > length || ino > inodeCount) damaged()
        const name = textOf(bytes.subarray(at + DIRENT_HEAD, at + DIRENT_HEAD + nameLength))
        at += length
        if (ino === 0 || name === '.' || name === '..') continue
        if (name === '' || name.includes('/') || directory.entries.has(name)) damaged()
        directory.entries.set(name, this.inode(ino, directory, name))
      }
    })
  }
}

/** Calls `see` for each piece that the file system keeps for itself: copies of superblock and descriptors, bitmaps, tables. */
export const eachReserved = (reader: Reader, see: (block: number, count: number) => void): void => {
  const { groupCount, blockSize, blocksPerGroup, inodesPerGroup, inodeSize, firstDataBlock, image } = reader.volume
  const superblock = viewOf(readInode(reader.kernel, image, SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE))
  const isOld = superblock.getUint32(SB.revision, true) === 0
  const isSparse = !isOld && (superblock.getUint32(SB.readOnlyCompatible, true) & READ_ONLY_SPARSE_SUPER) !== 0
  const copies = 1 + Math.ceil(groupCount * GROUP_SIZE / blockSize) + (isOld ? 0 : superblock.getUint16(SB.reservedGdtBlocks, true))
  const tableBlocks = Math.ceil(inodesPerGroup * inodeSize / blockSize)
  for (let group = 0; group < groupCount; group++) {
    const descriptor = reader.descriptor(group)
    if (hasSuperblock(group, isSparse)) see(firstDataBlock + group * blocksPerGroup, copies)
    see(descriptor.getUint32(GD.blockBitmap, true), 1)
    see(descriptor.getUint32(GD.inodeBitmap, true), 1)
    see(descriptor.getUint32(GD.inodeTable, true), tableBlocks)
  }
}

/** What the file system keeps for itself must be inside of it and not overlap: storing relies on that. */
const checkTables = (reader: Reader): void => {
  const { blockCount, firstIno, inodeCount } = reader.volume
  const taken = new Uint8Array(blockCount)
  eachReserved(reader, (block, count) => {
    if (block + count > blockCount || taken.subarray(block, block + count).includes(1)) damaged()
    taken.fill(1, block, block + count)
  })
  if (firstIno <= ROOT_INO || firstIno > inodeCount) damaged()
  for (let ino = 1; ino < firstIno; ino++) if (ino !== ROOT_INO) reader.eachBlock(reader.inode(ino), () => {})
}

/** Fills a new superblock from its volume: the root, or a negative errno. */
export const loadExt2 = (kernel: Kernel, superblock: Superblock, volume: Ext2Volume): DirectoryInode | number => {
  volume.used.fill(1, 0, Math.min(volume.firstIno, volume.inodeCount + 1))
  const { freeBlocks } = volume
  // What is in the image has its blocks already.
  volume.freeBlocks = Infinity
  try {
    const reader = new Reader(kernel, volume)
    checkTables(reader)
    const root = new Loader(reader, superblock).load()
    if (root.kind !== 'directory') return -EUCLEAN
    retainInode(kernel, volume.image)
    volume.freeBlocks = freeBlocks
    return root
  } catch (error) {
    if (error instanceof Damaged) return -EUCLEAN
    if (error instanceof OutOfFrames) return -ENOMEM
    throw error
  }
}
