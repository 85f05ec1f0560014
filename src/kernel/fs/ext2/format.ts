/** What lies where in an ext2 image. All numbers are little-endian. */

export const SUPERBLOCK_OFFSET = 1024, SUPERBLOCK_SIZE = 1024, MAGIC = 0xef53, GROUP_SIZE = 32
/** Offsets in the superblock. */
export const SB = {
  inodeCount: 0, blockCount: 4, reservedBlocks: 8, freeBlocks: 12, freeInodes: 16, firstDataBlock: 20, logBlockSize: 24, blocksPerGroup: 32,
  inodesPerGroup: 40, writeTime: 48, magic: 56, state: 58, revision: 76, firstIno: 84, inodeSize: 88, compatible: 92, incompatible: 96,
  readOnlyCompatible: 100, reservedGdtBlocks: 206,
} as const
/** Offsets in a group's descriptor. */
export const GD = { blockBitmap: 0, inodeBitmap: 4, inodeTable: 8, freeBlocks: 12, freeInodes: 14, usedDirectories: 16 } as const
/** Offsets in an inode. */
export const IN = {
  mode: 0, uid: 2, size: 4, atime: 8, ctime: 12, mtime: 16, dtime: 20, gid: 24, links: 26, blocks: 28, flags: 32, block: 40, fileAcl: 104,
  sizeHigh: 108, uidHigh: 120, gidHigh: 122, extraSize: 128,
} as const
export const INODE_BASE_SIZE = 128
export const DIRECT_BLOCKS = 12, BLOCK_POINTERS = 15
/** A target shorter than this lies in the inode itself. */
export const FAST_LINK_LIMIT = 60

/** Features that a driver must know to touch the file system at all, and those it must know to write to it. */
export const INCOMPATIBLE_FILETYPE = 0x2
export const READ_ONLY_SPARSE_SUPER = 0x1, READ_ONLY_LARGE_FILE = 0x2, READ_ONLY_EXTRA_ISIZE = 0x40
export const INDEX_FLAG = 0x1000
/** Those of inodes that users may change (EXT2_FL_USER_MODIFIABLE). */
export const CHANGEABLE_FLAGS = 0x3_80ff

export const DIRENT_HEAD = 8

/** Which groups have copies of the superblock and the descriptors. */
export const hasSuperblock = (group: number, isSparse: boolean): boolean => {
  if (!isSparse || group <= 1) return true
  for (const base of [3, 5, 7]) {
    let power = base
    while (power < group) power *= base
    if (power === group) return true
  }
  return false
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
