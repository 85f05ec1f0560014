/**
 * What a node of /proc stands for: plain data. Content is made when a file is opened (`open.ts`), names when a directory
 * is looked at (`lookup.ts`).
 */
import type { DirectoryInode } from '../inode.ts'

export interface ProcNode {
  /** S_IFREG, S_IFLNK or S_IFDIR. */
  readonly type: number
  /** Which node it is: the path below /proc with PID and TID in place of numbers: 'meminfo', 'PID/stat', 'PID/fd/FD'. */
  readonly entry: string
  /** The process, 0 for what belongs to none; and the thread (the leader's tid outside of task/). */
  readonly tgid: number
  readonly tid: number
  /** Descriptor number of fd/FD and fdinfo/FD, −1 otherwise. */
  readonly fd: number
}

/** Directories are inodes of the common kind, so that walking, cwd and getcwd need not know; their names are refreshed when looked at. */
export interface ProcDirectory extends DirectoryInode { readonly proc: ProcNode }
export const isProcDirectory = (directory: DirectoryInode): directory is ProcDirectory => 'proc' in directory
