/**
 * Writes an ext2 volume back to its image: every inode that can be reached, with all blocks placed anew (sync, umount), or one file of which
 * the image knows the names, into the blocks that it has and as many more as it needs (fsync). What the file system keeps for itself (copies of
 * the superblock, tables, reserved inodes and their blocks) stays where it is.
 */
import { PAGE_SIZE } from '../../../emu/cpu/layout.ts'
import { OutOfFrames } from '../../../emu/memory.ts'
import { NO_FRAME } from '../../../emu/mmu/mmu.ts'
import { ENOSPC, EUCLEAN } from '../../abi/errno.ts'
import type { Kernel } from '../../kernel.ts'
import { type DirectoryInode, type FileInode, type Inode, now, pageFrame, typeBits } from '../inode.ts'
import {
  BLOCK_POINTERS, DIRECT_BLOCKS, DIRENT_HEAD, FAST_LINK_LIMIT, GD, GROUP_SIZE, IN, INCOMPATIBLE_FILETYPE, CHANGEABLE_FLAGS, INDEX_FLAG,
  INODE_BASE_SIZE, READ_ONLY_LARGE_FILE, SB, SUPERBLOCK_OFFSET,
} from './format.ts'
import { ImagePages } from './image-pages.ts'
import { Damaged, eachReserved, Reader } from './load.ts'
import { type Ext2Volume, ROOT_INO } from './volume.ts'

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0))

/** Out of blocks. */
class Full {}
const FULL = Object.freeze(new Full())

const EXTRA_SIZE = 32
/** The pointers of an inode, in bytes. */
const POINTERS_SIZE = BLOCK_POINTERS * 4
/** Codes of file types in directory entries, by S_IFMT >> 12. */
const ENTRY_TYPES: Readonly<Record<number, number>> = { 8: 1, 4: 2, 2: 3, 6: 4, 1: 5, 12: 6, 10: 7 }

class Writer {
  readonly #kernel: Kernel
  readonly #volume: Ext2Volume
  readonly #reader: Reader
  /** The new image. */
  readonly #image: ImagePages
  /** By block number: 1 if it is used. */
  readonly #used: Uint8Array
  /** As the image has it. */
  readonly #usedBefore: Uint8Array
  #nextBlock: number
  readonly #hasTypes: boolean

  constructor(kernel: Kernel, volume: Ext2Volume) {
    this.#kernel = kernel
    this.#volume = volume
    this.#reader = new Reader(kernel, volume)
    this.#image = new ImagePages(kernel, volume.image)
    this.#used = new Uint8Array(volume.blockCount)
    this.#usedBefore = this.#readBitmaps()
    this.#nextBlock = volume.firstDataBlock
    this.#hasTypes = this.#super(SB.revision) !== 0 && (this.#super(SB.incompatible) & INCOMPATIBLE_FILETYPE) !== 0
  }

  #super(field: number): number { return this.#image.u32(SUPERBLOCK_OFFSET + field) }
  #setSuper(field: number, value: number): void { this.#image.setU32(SUPERBLOCK_OFFSET + field, value) }
  #descriptor(group: number): number { return (this.#volume.firstDataBlock + 1) * this.#volume.blockSize + group * GROUP_SIZE }
  #table(group: number): number { return this.#image.u32(this.#descriptor(group) + GD.inodeTable) }
  #inodeOffset(ino: number): number {
    const { inodesPerGroup, inodeSize, blockSize } = this.#volume
    return this.#table(Math.floor((ino - 1) / inodesPerGroup)) * blockSize + (ino - 1) % inodesPerGroup * inodeSize
  }

  /** Marks what the file system needs for itself. */
  #reserve(): void {
    const { firstDataBlock, firstIno } = this.#volume
    const reader = this.#reader
    this.#used.fill(1, 0, firstDataBlock)
    eachReserved(reader, (block, count) => { this.#used.fill(1, block, block + count) })
    for (let ino = 1; ino < firstIno; ino++) {
      if (ino !== ROOT_INO) reader.eachBlock(reader.inode(ino), (_index, block) => { this.#used[block] = 1 })
    }
  }

  /** A free block, zeroed. */
  #allocate(): number {
    const block = this.#used.indexOf(0, this.#nextBlock)
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- caught by `storing`
    if (block < 0) throw FULL
    this.#used[block] = 1
    this.#nextBlock = block + 1
    const { blockSize } = this.#volume
    this.#image.fill(0, block * blockSize, (block + 1) * blockSize)
    if (this.#usedBefore[block] === 0) this.#image.use(block * blockSize)
    return block
  }

  /** The block for a place in the file, its pointers made as needed; `count.blocks` counts all that are made. */
  #blockFor(inode: number, index: number, count: { blocks: number }): number {
    const { blockSize } = this.#volume
    const pointers = blockSize / 4
    const at = (slot: number): number => {
      let block = this.#image.u32(slot)
      if (block === 0) {
        block = this.#allocate()
        count.blocks++
        this.#image.setU32(slot, block)
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
        this.#image.write(this.#blockFor(at, offset / blockSize, count) * blockSize, bytes)
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
        this.#image.setU16(block + last + 4, blockSize - last)
        block = this.#blockFor(at, ++index, count) * blockSize
        used = 0
      }
      last = used
      this.#image.setU32(block + used, inode.ino)
      this.#image.setU16(block + used + 4, size)
      this.#image.setU8(block + used + 6, name.length)
      this.#image.setU8(block + used + 7, this.#hasTypes ? ENTRY_TYPES[typeBits(inode) >> 12] : 0)
      this.#image.write(block + used + DIRENT_HEAD, bytesOf(name))
      used += size
    }
    this.#image.setU16(block + last + 4, blockSize - last)
    return (index + 1) * blockSize
  }

  #writeLink(target: string, at: number, count: { blocks: number }): void {
    const start = target.length < FAST_LINK_LIMIT ? at + IN.block : this.#blockFor(at, 0, count) * this.#volume.blockSize
    this.#image.write(start, bytesOf(target))
  }

  /** @param kept of a file that is written into the blocks that it has: how many these are */
  #write(inode: Inode, links: number, kept = 0): void {
    const { inodeSize, blockSize } = this.#volume
    const at = this.#inodeOffset(inode.ino)
    const flags = this.#image.u32(at + IN.flags)
    const wasUsed = this.#image.u16(at + IN.links) > 0
    const pointers = kept > 0 ? this.#image.read(at + IN.block, POINTERS_SIZE) : undefined
    this.#image.fill(0, at, at + INODE_BASE_SIZE)
    if (!wasUsed) {
      this.#image.fill(0, at + INODE_BASE_SIZE, at + inodeSize)
      if (inodeSize > INODE_BASE_SIZE) this.#image.setU16(at + IN.extraSize, EXTRA_SIZE)
    }
    if (pointers !== undefined) this.#image.write(at + IN.block, pointers)
    this.#image.setU16(at + IN.mode, typeBits(inode) | inode.mode)
    this.#image.setU16(at + IN.uid, inode.uid)
    this.#image.setU16(at + IN.uidHigh, inode.uid >>> 16)
    this.#image.setU16(at + IN.gid, inode.gid)
    this.#image.setU16(at + IN.gidHigh, inode.gid >>> 16)
    this.#image.setU32(at + IN.atime, inode.atime[0])
    this.#image.setU32(at + IN.mtime, inode.mtime[0])
    this.#image.setU32(at + IN.ctime, inode.ctime[0])
    this.#image.setU16(at + IN.links, links)
    const flagsKept = wasUsed ? flags & ~INDEX_FLAG : 0
    this.#image.setU32(at + IN.flags, inode.flags === undefined ? flagsKept : (flagsKept & ~CHANGEABLE_FLAGS) | inode.flags)
    const count = { blocks: kept }
    let size = 0
    switch (inode.kind) {
      case 'file':
        size = inode.size
        this.#writeFile(inode, at, count)
        this.#image.setU32(at + IN.sizeHigh, Math.floor(size / 0x1_0000_0000))
        if (size >= 2 ** 31 && this.#super(SB.revision) !== 0) this.#setSuper(SB.readOnlyCompatible, this.#super(SB.readOnlyCompatible) | READ_ONLY_LARGE_FILE)
        break
      case 'directory': size = this.#writeDirectory(inode, at, count); break
      case 'symlink':
        size = (inode.target ?? '').length
        this.#writeLink(inode.target ?? '', at, count)
        break
      case 'character': case 'block': this.#image.setU32(at + IN.block + (inode.rdev <= 0xffff ? 0 : 4), inode.rdev); break
      default:
    }
    this.#image.setU32(at + IN.size, size % 0x1_0000_0000)
    this.#image.setU32(at + IN.blocks, count.blocks * (blockSize / 512))
  }

  #clearBit(bitmap: number, index: number): void {
    const at = bitmap + (index >> 3)
    this.#image.setU8(at, this.#image.u8(at) & ~(1 << (index & 7)))
  }

  #finishBlocks(): number {
    const { blockSize, blockCount, firstDataBlock, blocksPerGroup, groupCount } = this.#volume
    let freeBlocks = 0
    for (let group = 0; group < groupCount; group++) {
      const at = this.#descriptor(group)
      const start = firstDataBlock + group * blocksPerGroup
      // Bits beyond the end are set.
      const bitmap = new Uint8Array(blockSize).fill(0xff)
      let free = 0
      for (let index = 0; index < blocksPerGroup && start + index < blockCount; index++) {
        if (this.#used[start + index] !== 0) continue
        bitmap[index >> 3] &= ~(1 << (index & 7))
        free++
      }
      this.#image.write(this.#image.u32(at + GD.blockBitmap) * blockSize, bitmap)
      this.#image.setU16(at + GD.freeBlocks, free)
      freeBlocks += free
    }
    this.#setSuper(SB.freeBlocks, freeBlocks)
    this.#setSuper(SB.writeTime, now(this.#kernel)[0])
    return freeBlocks
  }

  #finishInodes(live: ReadonlyMap<number, Inode>): void {
    const { blockSize, inodesPerGroup, groupCount, inodeCount, inodeSize, firstIno } = this.#volume
    let freeInodes = 0
    for (let group = 0; group < groupCount; group++) {
      const at = this.#descriptor(group)
      const inodes = this.#image.u32(at + GD.inodeBitmap) * blockSize
      this.#image.fill(0xff, inodes, inodes + blockSize)
      let freeHere = 0
      let directories = 0
      for (let index = 0; index < inodesPerGroup; index++) {
        const ino = group * inodesPerGroup + index + 1
        const inode = live.get(ino)
        if (inode?.kind === 'directory') directories++
        if (inode !== undefined || ino < firstIno) continue
        this.#clearBit(inodes, index)
        const offset = this.#inodeOffset(ino)
        if (this.#image.u16(offset + IN.links) > 0) this.#image.fill(0, offset, offset + inodeSize)
        freeHere++
      }
      this.#image.setU16(at + GD.freeInodes, freeHere)
      this.#image.setU16(at + GD.usedDirectories, directories)
      freeInodes += freeHere
    }
    if (freeInodes > inodeCount) throw new Error('more inodes are free than there are')
    this.#setSuper(SB.freeInodes, freeInodes)
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
    const freeBlocks = this.#finishBlocks()
    this.#finishInodes(live)
    this.#image.commit()
    this.#volume.freeBlocks = freeBlocks
    for (const inode of live.values()) inode.isStored = true
  }

  /** Which blocks are used, as the image has it. */
  #readBitmaps(): Uint8Array {
    const { blockSize, blockCount, firstDataBlock, blocksPerGroup, groupCount } = this.#volume
    const used = new Uint8Array(blockCount)
    used.fill(1, 0, firstDataBlock)
    for (let group = 0; group < groupCount; group++) {
      const bitmap = this.#image.read(this.#image.u32(this.#descriptor(group) + GD.blockBitmap) * blockSize, blockSize)
      const start = firstDataBlock + group * blocksPerGroup
      for (let index = 0; index < blocksPerGroup && start + index < blockCount; index++) used[start + index] = (bitmap[index >> 3] >> (index & 7)) & 1
    }
    return used
  }

  /** Whether the file has content for its block of that number. */
  #hasBlock(inode: FileInode, index: number): boolean {
    const offset = index * this.#volume.blockSize
    const page = Math.floor(offset / PAGE_SIZE)
    return offset < inode.size && inode.pages.has(page) && pageFrame(this.#kernel, inode, page, false) !== NO_FRAME
  }

  /** One file, of which the image has names already: how many of these is not changed. @returns whether it has */
  storeFile(inode: FileInode): boolean {
    const links = this.#image.u16(this.#inodeOffset(inode.ino) + IN.links)
    if (links === 0) return false
    this.#used.set(this.#usedBefore)
    const blocks: number[] = []
    let fits = true
    this.#reader.eachBlock(this.#reader.inode(inode.ino), (index, block) => {
      blocks.push(block)
      if (index >= 0 && !this.#hasBlock(inode, index)) fits = false
    })
    // What was cut off or punched out gives its blocks back: then all are placed anew.
    if (!fits) for (const block of blocks) this.#used[block] = 0
    this.#write(inode, links, fits ? blocks.length : 0)
    this.#finishBlocks()
    this.#image.commit()
    return true
  }
}

/** 0 or what `store` says, −ENOSPC with the image as it was, or −EUCLEAN where somebody has written other things to it. */
const storing = (store: () => number): number => {
  try {
    return store()
  } catch (error) {
    if (error instanceof Full || error instanceof OutOfFrames) return -ENOSPC
    if (error instanceof Damaged) return -EUCLEAN
    throw error
  }
}

/** Brings the image up to date. */
export const storeExt2 = (kernel: Kernel, volume: Ext2Volume, root: DirectoryInode): number => storing(() => {
  new Writer(kernel, volume).store(root)
  return 0
})

/** Brings a file to the image; with all the rest where the image has no name for it, or no room before others have left it. */
export const storeExt2File = (kernel: Kernel, volume: Ext2Volume, root: DirectoryInode, inode: FileInode): number => {
  // Nobody can have it back.
  if (inode.nlink === 0) return 0
  const stored = inode.isStored === true ? storing(() => new Writer(kernel, volume).storeFile(inode) ? 0 : -ENOSPC) : -ENOSPC
  return stored !== -ENOSPC ? stored : storeExt2(kernel, volume, root)
}
