/** Which files pages can be spliced from and to (splice_read and splice_write of Linux's struct file_operations). */
import { FULL_DEVICE, NULL_DEVICE } from './devices.ts'
import { operationsOf } from './file-operations.ts'
import type { FileKind, OpenFile } from './file.ts'

const SOURCES: ReadonlySet<FileKind> = new Set<FileKind>(['regular', 'device', 'proc', 'mounts', 'socket', 'terminal'])
const TARGETS: ReadonlySet<FileKind> = new Set<FileKind>(['regular', 'device', 'loop', 'proc', 'mounts', 'socket', 'terminal', 'stream'])

/** Nothing comes from /dev/null (null_fops). */
export const canSpliceFrom = (file: OpenFile): boolean =>
  SOURCES.has(file.kind) && operationsOf(file).read !== undefined && !(file.kind === 'device' && file.inode.rdev === NULL_DEVICE)

/** Nothing is spliced to /dev/full (full_fops). */
export const canSpliceTo = (file: OpenFile): boolean =>
  TARGETS.has(file.kind) && operationsOf(file).write !== undefined && !(file.kind === 'device' && file.inode.rdev === FULL_DEVICE)
