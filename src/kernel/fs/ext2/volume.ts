/**
 * A mounted ext2 file system (Documentation/filesystems/ext2.rst; 'The Second Extended File System').
 *
 * Mounting reads the whole image into inodes of the common kinds (`load.ts`): the guest works on those, and sync and umount
 * write them back (`store.ts`), as Linux's page cache reaches the disk when it is asked to. The volume knows what the image has
 * room for, so that a full disk shows when it is written to.
 */
import { PAGE_SIZE } from '../../../emu/cpu/layout.ts'
import type { FileInode } from '../inode.ts'

export const ROOT_INO = 2

export interface Ext2Volume {
  readonly kind: 'ext2'
  /** The file (of the guest) that holds the image; retained while mounted. */
  readonly image: FileInode
  readonly blockSize: number
  readonly blockCount: number
  /** Of these: superblocks, group descriptors, bitmaps and inode tables (ext2_statfs). */
  readonly overhead: number
  /** For root. */
  readonly reservedBlocks: number
  readonly firstDataBlock: number
  readonly blocksPerGroup: number
  readonly inodesPerGroup: number
  readonly inodeCount: number
  readonly inodeSize: number
  readonly groupCount: number
  /** First inode that files may have: below are the file system's own. */
  readonly firstIno: number
  /** By inode number: 1 if it is used. */
  readonly used: Uint8Array
  /** Blocks that new pages may take; set anew when the volume is stored. */
  freeBlocks: number
}

/** The lowest free inode number; the caller has asked `hasFreeIno`. */
export const takeIno = (volume: Ext2Volume): number => {
  const ino = volume.used.indexOf(0, volume.firstIno)
  if (ino < 0) throw new Error('no inode is free in the ext2 volume')
  volume.used[ino] = 1
  return ino
}
export const hasFreeIno = (volume: Ext2Volume): boolean => volume.used.indexOf(0, volume.firstIno) >= 0
export const freeInos = (volume: Ext2Volume): number => {
  let count = 0
  for (let ino = 1; ino <= volume.inodeCount; ino++) if (volume.used[ino] === 0) count++
  return count
}
export const giveIno = (volume: Ext2Volume, ino: number): void => { if (ino >= volume.firstIno) volume.used[ino] = 0 }

const blocksOfPage = (volume: Ext2Volume): number => PAGE_SIZE / volume.blockSize
/** Accounts for a new page of a file; false if the volume is full. */
export const takePage = (volume: Ext2Volume): boolean => {
  if (volume.freeBlocks < blocksOfPage(volume)) return false
  volume.freeBlocks -= blocksOfPage(volume)
  return true
}
export const givePage = (volume: Ext2Volume): void => { volume.freeBlocks += blocksOfPage(volume) }
