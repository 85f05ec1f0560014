/**
 * What a disk keeps when its host loses power: what was synchronised, and of the rest what chance has it.
 *
 * The model is a journalling file system with ordered metadata and delayed data, which is where programs that forget fsync lose most:
 * - *names* (create, link, rename, unlink, mkdir …) come to the disk in their order, one system call whole or not at all, as far as is
 *   drawn; fsync of anything on the disk brings all before it (one journal);
 * - *contents* come in sectors of 512 bytes in any order: a file that was not synchronised has, after the loss, its old content, its new
 *   one, or sectors of either (torn), and its old size or its new one; a sector that never came to the disk reads as zeros.
 * Kept only if the configuration's plan has a crash that loses something. Writes through shared mappings count from the next write or sync.
 */
import type { Kernel } from '../kernel.ts'
import type { DirectoryInode, FileInode, Inode } from '../fs/inode.ts'
import { inodeSize, readInode, releaseInode, truncateInode, writeInode } from '../fs/inode.ts'
import type { Superblock } from '../fs/fs-state.ts'

interface NameChange {
  readonly directory: DirectoryInode
  readonly name: string
  /** What the name meant before; kept alive for as long as it may come back. */
  readonly before: Inode | undefined
  readonly wasAbsent: boolean
  /** Changes of one system call belong together. */
  readonly group: number
}

export interface DurabilityState {
  readonly kind: 'durability'
  /** Content on the disk of files that were changed since they were synchronised. */
  readonly old: Map<FileInode, Uint8Array>
  journal: NameChange[]
}

export const makeDurability = (): DurabilityState => ({ kind: 'durability', old: new Map(), journal: [] })

const SECTOR = 512

/** A file is about to be changed. */
export const beforeContent = (kernel: Kernel, inode: FileInode): void => {
  const { durability } = kernel.state
  if (durability === undefined || durability.old.has(inode)) return
  durability.old.set(inode, readInode(kernel, inode, 0, inodeSize(kernel, inode)))
}

/** A name is about to be given, or taken away. */
export const beforeName = (kernel: Kernel, directory: DirectoryInode, name: string): void => {
  const { durability } = kernel.state
  if (durability === undefined) return
  const before = directory.entries.get(name)
  if (before !== undefined) before.users++
  durability.journal.push({ directory, name, before, wasAbsent: directory.absent.has(name), group: kernel.state.cycle })
}

const forget = (kernel: Kernel, changes: readonly NameChange[]): void => {
  for (const { before } of changes) if (before !== undefined) releaseInode(kernel, before)
}

/** fsync and fdatasync of one file, or of all (sync): the content, and all names of its disk. */
export const synchronize = (kernel: Kernel, inode?: Inode): void => {
  const { durability } = kernel.state
  if (durability === undefined) return
  const { journal } = durability
  durability.journal = inode === undefined ? [] : journal.filter(({ directory }) => directory.superblock !== inode.superblock)
  forget(kernel, inode === undefined ? journal : journal.filter(({ directory }) => directory.superblock === inode.superblock))
  if (inode === undefined) durability.old.clear()
  else if (inode.kind === 'file') durability.old.delete(inode)
}

const subdirectories = ({ entries }: DirectoryInode): number => [...entries.values()].filter(({ kind }) => kind === 'directory').length

const undo = ({ directory, name, before, wasAbsent }: NameChange): void => {
  const current = directory.entries.get(name)
  if (current === before) return
  if (current !== undefined) {
    if (current.kind === 'directory') {
      current.nlink = 0
      directory.nlink--
    } else {
      current.nlink--
    }
    directory.entries.delete(name)
  }
  if (before !== undefined) {
    if (before.kind === 'directory') {
      before.nlink = 2 + subdirectories(before)
      before.parent = directory
      before.name = name
      directory.nlink++
    } else {
      before.nlink++
    }
    directory.entries.set(name, before)
  }
  if (wasAbsent) directory.absent.add(name)
  else directory.absent.delete(name)
  directory.version++
}

/** What a file's content is after the loss. */
const mixed = (kernel: Kernel, old: Uint8Array, latest: Uint8Array): Uint8Array => {
  const { entropy } = kernel.outside
  const how = entropy.decide('fault', 3)
  if (how === 0) return old
  if (how === 1) return latest
  const content = new Uint8Array(entropy.decide('fault', 2) === 0 ? old.length : latest.length)
  for (let at = 0; at < content.length; at += SECTOR) {
    const from = entropy.decide('fault', 2) === 0 ? old : latest
    content.set(from.subarray(at, Math.min(at + SECTOR, content.length)), at)
  }
  return content
}

/** The power is gone: to be called when all tasks of the host are. `disks` are its file systems. */
export const losePower = (kernel: Kernel, disks: ReadonlySet<Superblock>): void => {
  const { durability } = kernel.state
  if (durability === undefined) return
  const own = durability.journal.filter(({ directory }) => disks.has(directory.superblock))
  const groups = [...new Set(own.map(({ group }) => group))]
  const kept = new Set(groups.slice(0, groups.length === 0 ? 0 : kernel.outside.entropy.decide('fault', groups.length + 1)))
  for (const change of own.toReversed()) if (!kept.has(change.group)) undo(change)
  for (const [inode, old] of durability.old) {
    if (!disks.has(inode.superblock)) continue
    durability.old.delete(inode)
    if (inode.nlink === 0) continue
    const latest = readInode(kernel, inode, 0, inodeSize(kernel, inode))
    const content = mixed(kernel, old, latest)
    if (content === latest) continue
    truncateInode(kernel, inode, 0)
    truncateInode(kernel, inode, content.length)
    writeInode(kernel, inode, 0, content)
  }
  durability.journal = durability.journal.filter(({ directory }) => !disks.has(directory.superblock))
  forget(kernel, own)
}
