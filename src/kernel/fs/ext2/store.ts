/**
 * Writes an ext2 volume back to its image: every inode that can be reached, with all blocks placed anew. What the file system
 * keeps for itself (copies of the superblock, tables, reserved inodes and their blocks) stays where it is.
 */
import { PAGE_SIZE } from '../../../emu/cpu/layout.ts'
import { OutOfFrames } from '../../../emu/memory.ts'
import { NO_FRAME } from '../../../emu/mmu/mmu.ts'
import { ENOSPC } from '../../abi/errno.ts'
import type { Kernel } from '../../kernel.ts'
import { type DirectoryInode, type FileInode, type Inode, now, pageFrame, readInode, touchModified, typeBits, writeInode } from '../inode.ts'
import {
  DIRECT_BLOCKS, DIRENT_HEAD, FAST_LINK_LIMIT, GD, GROUP_SIZE, IN, INCOMPATIBLE_FILETYPE, CHANGEABLE_FLAGS, INDEX_FLAG,
  INODE_BASE_SIZE, READ_ONLY_LARGE_FILE, SB, SUPERBLOCK_OFFSET, viewOf,
} from './format.ts'
import { countWritten } from '../loop.ts'
import { eachReserved, Reader } from './load.ts'
import { type Ext2Volume, ROOT_INO } from './volume.ts'

/** Out of blocks. */
class Full {}
const FULL = Object.freeze(new Full())

const EXTRA_SIZE = 32
/** Codes of file types in directory entries, by S_IFMT >> 12. */
const ENTRY_TYPES: Readonly<Record<number, number>> = { 8: 1, 4: 2, 2: 3, 6: 4, 1: 5, 12: 6, 10: 7 }

class Writer {
  readonly #kernel: Kernel
  readonly #volume: Ext2Volume
  /** The new image. */
  readonly #bytes: Uint8Array
  readonly #view: DataView
  /** By block number: 1 if it is used. */
  readonly #used: Uint8Array
  #nextBlock: number
  readonly #hasTypes: boolean

  constructor(kernel: Kernel, volume: Ext2Volume) {
    this.#kernel = kernel
    this.#volume = volume
    this.#bytes = readInode(kernel, volume.image, 0, volume.blockCount * volume.blockSize)
    this.#view = viewOf(this.#bytes)
    this.#used = new Uint8Array(volume.blockCount)
    this.#nextBlock = volume.firstDataBlock
    this.#hasTypes = this.#super(SB.revision) !== 0 && (this.#super(SB.incompatible) & INCOMPATIBLE_FILETYPE) !== 0
  }

  #super(field: number): number { return this.#view.getUint32(SUPERBLOCK_OFFSET + field, true) }
  #setSuper(field: number, value: number): void { this.#view.setUint32(SUPERBLOCK_OFFSET + field, value, true) }
  #descriptor(group: number): number { return (this.#volume.firstDataBlock + 1) * this.#volume.blockSize + group * GROUP_SIZE }
  #table(group: number): number { return this.#view.getUint32(this.#descriptor(group) + GD.inodeTable, true) }
  #inodeOffset(ino: number): number {
    const { inodesPerGroup, inodeSize, blockSize } = this.#volume
    return this.#table(Math.floor((ino - 1) / inodesPerGroup)) * blockSize + (ino - 1) % inodesPerGroup * inodeSize
  }

  /** Marks what the file system needs for itself. */
  #reserve(): void {
    const { firstDataBlock, firstIno } = this.#volume
    const reader = new Reader(this.#kernel, this.#volume)
    this.#used.fill(1, 0, firstDataBlock)
    eachReserved(reader, (block, count) => { this.#used.fill(1, block, block + count) })
    for (let ino = 1; ino < firstIno; ino++) {
      if (ino !== ROOT_INO) reader.eachBlock(reader.inode(ino), (_index, block) => { this.#used[block] = 1 })
    }
  }

  /** A free block, zeroed. */
  #allocate(): number {
    const block = this.#used.indexOf(0, this.#nextBlock)
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- caught by storeExt2
    if (block < 0) throw FULL
    this.#used[block] = 1
    this.#nextBlock = block + 1
    const { blockSize } = this.#volume
    this.#bytes.fill(0, block * blockSize, (block + 1) * blockSize)
    return block
  }

  /** The block for a place in the file, its pointers made as needed; `count.blocks` counts all that are made. */
  #blockFor(inode: number, index: number, count: { blocks: number }): number {
    const { blockSize } = this.#volume
    const pointers = blockSize / 4
    const at = (slot: number): number => {
      let block = this.#view.getUint32(slot, true)
      if (block === 0) {
        block = this.#allocate()
        count.blocks++
        this.#view.setUint32(slot, block, true)
      }
      return block
    }
    if (index < DIRECT_BLOCKS) return at(inode + IN.block + index * 4)
    let rest = index - DIRECT_BLOCKS
    let depth = 1
    while (rest >= pointers ** depth) rest -= pointers ** depth++
    let block = at(inode + IN.block + (DIRECT_BLOCKS + depth - 1) * 4)
    for (let level = depth - 1; level >= 0; level--) {
      const span = pointers ** level
      block = at(block * blockSize + Math.floor(rest / span) * 4)
      rest %= span
    }
    return block
  }

  #writeFile(inode: FileInode, at: number, count: { blocks: number }): void {
    const { blockSize } = this.#volume
    const { memory } = this.#kernel
    for (const index of [...inode.pages.keys()].sort((a, b) => a - b)) {
      const frame = pageFrame(this.#kernel, inode, index, false)
      if (frame === NO_FRAME) continue
      for (let part = 0; part < PAGE_SIZE; part += blockSize) {
        const offset = index * PAGE_SIZE + part
        if (offset >= inode.size) break
        const bytes = memory.u8.subarray(frame * PAGE_SIZE + part, frame * PAGE_SIZE + part + Math.min(blockSize, inode.size - offset))
        this.#bytes.set(bytes, this.#blockFor(at, offset / blockSize, count) * blockSize)
      }
    }
  }

  #writeDirectory(directory: DirectoryInode, at: number, count: { blocks: number }): number {
    const { blockSize } = this.#volume
    const names: [string, Inode][] = [['.', directory], ['..', directory.parent], ...directory.entries]
      .filter((entry): entry is [string, Inode] => (entry[1] as Inode).superblock === directory.superblock)
    let index = 0
    let block = this.#blockFor(at, 0, count) * blockSize
    let used = 0
    let last = 0
    for (const [name, inode] of names) {
      const size = Math.ceil((DIRENT_HEAD + name.length) / 4) * 4
      if (used + size > blockSize) {
        // The last entry takes what is left.
        this.#view.setUint16(block + last + 4, blockSize - last, true)
        block = this.#blockFor(at, ++index, count) * blockSize
        used = 0
      }
      last = used
      this.#view.setUint32(block + used, inode.ino, true)
      this.#view.setUint16(block + used + 4, size, true)
      this.#bytes[block + used + 6] = name.length
      this.#bytes[block + used + 7] = this.#hasTypes ? ENTRY_TYPES[typeBits(inode) >> 12] : 0
      for (let i = 0; i < name.length; i++) this.#bytes[block + used + DIRENT_HEAD + i] = name.charCodeAt(i)
      used += size
    }
    this.#view.setUint16(block + last + 4, blockSize - last, true)
    return (index + 1) * blockSize
  }

  #writeLink(target: string, at: number, count: { blocks: number }): void {
    const start = target.length < FAST_LINK_LIMIT ? at + IN.block : this.#blockFor(at, 0, count) * this.#volume.blockSize
    for (let i = 0; i < target.length; i++) this.#bytes[start + i] = target.charCodeAt(i)
  }

  #write(inode: Inode, links: number): void {
    const view = this.#view
    const { inodeSize, blockSize } = this.#volume
    const at = this.#inodeOffset(inode.ino)
    const flags = view.getUint32(at + IN.flags, true)
    const wasUsed = view.getUint16(at + IN.links, true) > 0
    this.#bytes.fill(0, at, at + INODE_BASE_SIZE)
    if (!wasUsed) {
      this.#bytes.fill(0, at + INODE_BASE_SIZE, at + inodeSize)
      if (inodeSize > INODE_BASE_SIZE) view.setUint16(at + IN.extraSize, EXTRA_SIZE, true)
    }
    view.setUint16(at + IN.mode, typeBits(inode) | inode.mode, true)
    view.setUint16(at + IN.uid, inode.uid, true)
    view.setUint16(at + IN.uidHigh, inode.uid >>> 16, true)
    view.setUint16(at + IN.gid, inode.gid, true)
    view.setUint16(at + IN.gidHigh, inode.gid >>> 16, true)
    view.setInt32(at + IN.atime, inode.atime[0], true)
    view.setInt32(at + IN.mtime, inode.mtime[0], true)
    view.setInt32(at + IN.ctime, inode.ctime[0], true)
    view.setUint16(at + IN.links, links, true)
    const kept = wasUsed ? flags & ~INDEX_FLAG : 0
    view.setUint32(at + IN.flags, inode.flags === undefined ? kept : (kept & ~CHANGEABLE_FLAGS) | inode.flags, true)
    const count = { blocks: 0 }
    let size = 0
    switch (inode.kind) {
      case 'file':
        size = inode.size
        this.#writeFile(inode, at, count)
        view.setUint32(at + IN.sizeHigh, Math.floor(size / 0x1_0000_0000), true)
        if (size >= 2 ** 31 && this.#super(SB.revision) !== 0) this.#setSuper(SB.readOnlyCompatible, this.#super(SB.readOnlyCompatible) | READ_ONLY_LARGE_FILE)
        break
      case 'directory': size = this.#writeDirectory(inode, at, count); break
      case 'symlink':
        size = (inode.target ?? '').length
        this.#writeLink(inode.target ?? '', at, count)
        break
      case 'character': case 'block': view.setUint32(at + IN.block + (inode.rdev <= 0xffff ? 0 : 4), inode.rdev, true); break
      default:
    }
    view.setUint32(at + IN.size, size % 0x1_0000_0000, true)
    view.setUint32(at + IN.blocks, count.blocks * (blockSize / 512), true)
  }

  /** Bitmaps and counts, from what is used now. */
  #finish(live: ReadonlyMap<number, Inode>): void {
    const volume = this.#volume
    const { blockSize, blockCount, firstDataBlock, blocksPerGroup, inodesPerGroup, groupCount, inodeCount, firstIno } = volume
    const view = this.#view
    let freeBlocks = 0
    let freeInodes = 0
    for (let group = 0; group < groupCount; group++) {
      const at = this.#descriptor(group)
      const blocks = view.getUint32(at + GD.blockBitmap, true) * blockSize
      const inodes = view.getUint32(at + GD.inodeBitmap, true) * blockSize
      // Bits beyond the end are set.
      this.#bytes.fill(0xff, blocks, blocks + blockSize)
      this.#bytes.fill(0xff, inodes, inodes + blockSize)
      let free = 0
      const start = firstDataBlock + group * blocksPerGroup
      for (let index = 0; index < blocksPerGroup && start + index < blockCount; index++) {
        if (this.#used[start + index] !== 0) continue
        this.#bytes[blocks + (index >> 3)] &= ~(1 << (index & 7))
        free++
      }
      let freeHere = 0
      let directories = 0
      for (let index = 0; index < inodesPerGroup; index++) {
        const ino = group * inodesPerGroup + index + 1
        const inode = live.get(ino)
        if (inode?.kind === 'directory') directories++
        if (inode !== undefined || ino < firstIno) continue
        this.#bytes[inodes + (index >> 3)] &= ~(1 << (index & 7))
        const offset = this.#inodeOffset(ino)
        if (view.getUint16(offset + IN.links, true) > 0) this.#bytes.fill(0, offset, offset + volume.inodeSize)
        freeHere++
      }
      view.setUint16(at + GD.freeBlocks, free, true)
      view.setUint16(at + GD.freeInodes, freeHere, true)
      view.setUint16(at + GD.usedDirectories, directories, true)
      freeBlocks += free
      freeInodes += freeHere
    }
    if (freeInodes > inodeCount) throw new Error('more inodes are free than there are')
    this.#setSuper(SB.freeBlocks, freeBlocks)
    this.#setSuper(SB.freeInodes, freeInodes)
    this.#setSuper(SB.writeTime, now(this.#kernel)[0])
    volume.freeBlocks = freeBlocks
  }

  store(root: DirectoryInode): void {
    this.#reserve()
    const links = new Map<number, number>()
    const live = new Map<number, Inode>()
    const addLink = (inode: Inode): void => { links.set(inode.ino, (links.get(inode.ino) ?? 0) + 1) }
    const pending: DirectoryInode[] = [root]
    live.set(root.ino, root)
    addLink(root)
    for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
      for (const child of directory.entries.values()) {
        // A single file that is mounted over a name is of another file system.
        if (child.superblock !== root.superblock) continue
        addLink(child)
        if (child.kind === 'directory') {
          addLink(directory)
          pending.push(child)
        }
        live.set(child.ino, child)
      }
    }
    for (const [ino, inode] of live) this.#write(inode, (links.get(ino) ?? 0) + (inode.kind === 'directory' ? 1 : 0))
    this.#finish(live)
    this.#commit()
  }

  /** Writes what differs to the image. */
  #commit(): void {
    const { image } = this.#volume
    const changed: number[] = []
    for (let at = 0; at < this.#bytes.length; at += PAGE_SIZE) {
      const old = readInode(this.#kernel, image, at, PAGE_SIZE)
      if (differs(old, this.#bytes, at)) changed.push(at)
    }
    // Room for all of it first: a half-written image would be a broken one.
    for (const at of changed) pageFrame(this.#kernel, image, at / PAGE_SIZE, true)
    for (const at of changed) writeInode(this.#kernel, image, at, this.#bytes.subarray(at, at + PAGE_SIZE))
    if (changed.length > 0) touchModified(this.#kernel, image)
    countWritten(this.#kernel, image, changed.length * PAGE_SIZE)
  }
}

/** Whether a page is not what is at the offset. A plain loop, as whole images are compared so. */
const differs = (page: Uint8Array, bytes: Uint8Array, at: number): boolean => {
  for (let i = 0; i < page.length; i++) if (page[i] !== bytes[at + i]) return true
  return false
}

/** Brings the image up to date: 0, or −ENOSPC with the image as it was. */
export const storeExt2 = (kernel: Kernel, volume: Ext2Volume, root: DirectoryInode): number => {
  try {
    new Writer(kernel, volume).store(root)
    return 0
  } catch (error) {
    if (error instanceof Full || error instanceof OutOfFrames) return -ENOSPC
    throw error
  }
}
