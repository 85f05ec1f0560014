/**
 * File handles (name_to_handle_at(2)): an inode by its number in its file system, as tmpfs and ext2 make them (fs/exportfs, shmem_encode_fh).
 * Numbers are not given out again in a world, so that a handle needs no generation.
 */
import type { Kernel } from '../kernel.ts'
import type { Superblock } from './fs-state.ts'
import type { DirectoryInode, Inode } from './inode.ts'

/** f_handle: the inode's number in two words, and a generation. */
export const HANDLE_SIZE = 12
export const HANDLE_TYPE = 1

/** File systems whose inodes can be named so. */
export const hasHandles = ({ kind }: Superblock): boolean => kind === 'ramfs' || kind === 'host'

export const encodeHandle = (inode: Inode): Uint8Array => {
  const bytes = new Uint8Array(HANDLE_SIZE)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, inode.ino, true)
  view.setUint32(4, Math.floor(inode.ino / 2 ** 32), true)
  return bytes
}

export interface HandlePlace { readonly inode: Inode, readonly parent: DirectoryInode, readonly name: string }

/** The inode of a handle, and where it has a name; undefined if it has none (any more): then the handle is stale. */
export const decodeHandle = (_kernel: Kernel, superblock: Superblock, bytes: Uint8Array): HandlePlace | undefined => {
  const { root } = superblock
  if (root === undefined || bytes.length < HANDLE_SIZE) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const ino = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32
  if (root.ino === ino) return { inode: root, parent: root, name: '' }
  const pending: DirectoryInode[] = [root]
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for (const [name, inode] of directory.entries) {
      if (inode.superblock !== superblock) continue
      if (inode.ino === ino) return { inode, parent: directory, name }
      if (inode.kind === 'directory') pending.push(inode)
    }
  }
  return undefined
}
