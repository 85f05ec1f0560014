/**
 * What a node of /proc stands for: plain data in its inode. What it is called, who may read it and what it says is in the
 * tree (`tree.ts`), found by `entry`; content is made when a file is read (`open.ts`), names when a directory is looked at (`lookup.ts`).
 */
import type { PidNamespace } from '../../task/pid-namespace.ts'

export interface ProcNode {
  /** S_IFREG, S_IFLNK or S_IFDIR. */
  readonly type: number
  /** Its path below /proc, with PID, TID and FD in the place of numbers: 'meminfo', 'PID/stat', 'PID/task/TID/fd/FD'. */
  readonly entry: string
  /** The process, 0 for what belongs to none; and the thread (the process's leader outside of task/). */
  readonly tgid: number
  readonly tid: number
  /** Descriptor number of fd/FD and fdinfo/FD, −1 otherwise. */
  readonly fd: number
  /** Whose numbers are shown: processes that have none there are not. */
  readonly pids: PidNamespace
}
