/** A new /proc: it shows the processes of a namespace. Or another file system that is made of rows (sysfs.ts). */
import type { Kernel } from '../../kernel.ts'
import type { PidNamespace } from '../../task/pid-namespace.ts'
import type { Superblock } from '../fs-state.ts'
import { type DirectoryInode, makeDirectory, S_IFDIR } from '../inode.ts'

/** @param entry the root among the table's rows: '' for /proc itself */
export const mountProc = (kernel: Kernel, superblock: Superblock, pids: PidNamespace, entry = ''): DirectoryInode => {
  const root = makeDirectory(kernel, superblock, undefined, '', 0o555)
  root.node = { type: S_IFDIR, entry, tgid: 0, tid: 0, fd: -1, pids }
  return root
}
