/**
 * The paths by which /proc shows open files and mappings follow when names change (Linux asks the dentry; here the path is a string
 * in the open file): a name that goes leaves ' (deleted)' behind.
 */
import type { Kernel } from '../kernel.ts'
import type { AddressSpace } from '../mm/address-space.ts'
import type { DescriptorTable } from './descriptor.ts'
import type { DirectoryInode, Inode } from './inode.ts'
import type { Mount } from './mount-tree.ts'
import { childPath } from './path.ts'

export const DELETED = ' (deleted)'

/** Gives each path that is held somewhere to `change`; undefined leaves it. */
const changePaths = (kernel: Kernel, change: (inode: Inode | undefined, path: string) => string | undefined): void => {
  const tables = new Set<DescriptorTable>()
  const spaces = new Set<AddressSpace>()
  for (const task of kernel.state.tasks.values()) {
    if (task.state === 'dead' || task.state === 'zombie') continue
    tables.add(task.files)
    spaces.add(task.mm)
  }
  for (const { slots } of tables) {
    for (const slot of slots) {
      if (slot === undefined) continue
      const { file } = slot
      const path = change(file.inode, file.path)
      if (path !== undefined) file.path = path
    }
  }
  for (const space of spaces) {
    for (const vma of space.vmas) {
      const { backing, name } = vma
      if (backing === undefined || backing.kind === 'shared-memory') continue
      const path = change(backing, name)
      if (path === undefined) continue
      vma.name = path
      if (space.executable === name) space.executable = path
    }
  }
}

/** To be called before or after the name goes. Nothing is held of a file without users. */
export const pathGone = (kernel: Kernel, mount: Mount, parent: DirectoryInode, name: string, inode: Inode): void => {
  if (inode.users === 0) return
  const old = childPath(mount, parent, name)
  changePaths(kernel, (held, path) => held === inode && path === old ? old + DELETED : undefined)
}

interface Name { readonly mount: Mount, readonly parent: DirectoryInode, readonly name: string, readonly inode: Inode | undefined }

/** What the path becomes when `from` becomes `to`; for a directory, all below it moves along. */
const moved = (held: Inode | undefined, path: string, inode: Inode | undefined, from: string, to: string): string | undefined => {
  if (held === inode && path === from) return to
  return inode?.kind === 'directory' && path.startsWith(`${from}/`) ? to + path.slice(from.length) : undefined
}

const isHeld = (inode: Inode | undefined): boolean => inode !== undefined && (inode.users > 0 || inode.kind === 'directory')

/** To be called after the inode of `from` got the name `to`. */
export const pathMoved = (kernel: Kernel, from: Name, to: Name): void => {
  if (!isHeld(from.inode)) return
  const old = childPath(from.mount, from.parent, from.name)
  const now = childPath(to.mount, to.parent, to.name)
  changePaths(kernel, (held, path) => moved(held, path, from.inode, old, now))
}

/** To be called before two names are exchanged. */
export const pathsExchanged = (kernel: Kernel, from: Name, to: Name): void => {
  if (!isHeld(from.inode) && !isHeld(to.inode)) return
  const one = childPath(from.mount, from.parent, from.name)
  const other = childPath(to.mount, to.parent, to.name)
  changePaths(kernel, (held, path) => moved(held, path, from.inode, one, other) ?? moved(held, path, to.inode, other, one))
}
