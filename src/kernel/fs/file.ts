/**
 * Open file descriptions (open(2)): what descriptors refer to, and what each kind of them can do.
 *
 * A description is plain data with a `kind`; what is done with it is in `FileOperations`, found by that kind
 * (`file-operations.ts` has the table). To add a kind: its interface here, its operations in a file of its own, a row there.
 */
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import type { WaitQueue } from '../wait-queue.ts'
import type { EpollItem } from './epoll.ts'
import type { Inode } from './inode.ts'
import type { Mount } from './mount-tree.ts'

export type FileKind = 'regular' | 'directory' | 'path' | 'pipe' | 'stream' | 'device' | 'loop' | 'terminal' | 'proc' | 'mounts' | 'fscontext' | 'event' | 'epoll' | 'timer'
  | 'signal' | 'socket' | 'pid' | 'inotify' | 'mqueue' | 'namespace'

/** Of regular inodes, whatever else they can do (S_ISREG). */
export const REGULAR_KINDS: ReadonlySet<FileKind> = new Set<FileKind>(['regular', 'proc', 'mounts', 'mqueue'])

export interface OpenFile {
  readonly kind: FileKind
  /** Anonymous files (pipes, eventfds …) have an inode of `FsState.anonymous`. Retained while the description lives. */
  readonly inode: Inode
  /** Through which it was opened. */
  mount: Mount
  /** Absolute guest path it was opened by, or as /proc/PID/fd shows anonymous ones: 'pipe:[7]', 'anon_inode:[eventfd]'. */
  path: string
  /** Access mode and status flags (O_*), as F_GETFL gives them. */
  flags: number
  /** Byte offset of the next read or write; for directories the cursor of getdents. */
  position: number
  /** Descriptors, mappings in progress and messages in flight that refer to it; the last one to go calls `release`. */
  references: number
  /** F_SETOWN (negative: process group) and F_SETSIG. */
  owner: number
  ownerSignal: number
  /** F_OWNER_* of F_SETOWN_EX. */
  ownerType: number
  /** What it is in epoll sets. */
  watchers: Set<EpollItem> | undefined
  /** What the kind needs beyond that: plain data, its own. */
  readonly data: unknown
}

/** Bits of poll(2). */
export const POLLIN = 0x001, POLLPRI = 0x002, POLLOUT = 0x004, POLLERR = 0x008, POLLHUP = 0x010, POLLNVAL = 0x020,
  POLLRDNORM = 0x040, POLLRDBAND = 0x080, POLLWRNORM = 0x100, POLLWRBAND = 0x200, POLLRDHUP = 0x2000

/**
 * What a kind of file can do. What is left out fails as Linux does without it (read, write: EINVAL; ioctl: ENOTTY; seek: ESPIPE;
 * map: ENODEV; poll: always readable and writable).
 *
 * `read` and `write` move bytes between the file and the kernel; the system calls have checked the access mode and that the
 * guest's buffer can be accessed (they ask for no more than its accessible part). They may return `kernel.block(…)`, unless
 * the file has O_NONBLOCK: then −EAGAIN. `offset` undefined: at `file.position`, which they move.
 */
export interface FileOperations {
  /** At most `length` bytes; empty at the end of the file; a negative errno; or BLOCKED. */
  read?(kernel: Kernel, task: Task, file: OpenFile, length: number, offset: number | undefined): Uint8Array | number
  /** How many bytes were taken, a negative errno, or BLOCKED. */
  write?(kernel: Kernel, task: Task, file: OpenFile, bytes: Uint8Array, offset: number | undefined): number
  /**
   * Fast paths, if there are any: straight between the file and the guest's memory at `address`. They find out themselves how much of it
   * can be accessed, and return how many bytes were moved, −EFAULT if none could be for that reason, another negative errno, or BLOCKED.
   */
  readTo?(kernel: Kernel, task: Task, file: OpenFile, address: number, length: number, offset: number | undefined): number
  writeFrom?(kernel: Kernel, task: Task, file: OpenFile, address: number, length: number, offset: number | undefined): number
  /** POLL* bits that hold now. */
  poll?(kernel: Kernel, file: OpenFile): number
  /** Woken whenever `poll` may have changed. Two queues are that of the reading and that of the writing side, in this order. */
  queues?(kernel: Kernel, file: OpenFile): readonly WaitQueue[]
  ioctl?(kernel: Kernel, task: Task, file: OpenFile, command: number, argument: number): number
  /** lseek: the new position or a negative errno. */
  seek?(kernel: Kernel, task: Task, file: OpenFile, offset: number, whence: number): number
  /** Whether mmap takes it: 0 or a negative errno; the area's backing is the file's inode. */
  map?(kernel: Kernel, task: Task, file: OpenFile, prot: number, flags: number): number
  /** A descriptor of it is being closed (locks of the process go, say). */
  close?(kernel: Kernel, task: Task, file: OpenFile): void
  /** The last reference is gone. */
  release?(kernel: Kernel, file: OpenFile): void
  /** 'offset' reads and writes (pread) are allowed: false means ESPIPE. */
  readonly positioned?: boolean
}

/** Seeking in files that have no position succeeds and does nothing (Linux's noop_llseek). */
export const stayingSeek: NonNullable<FileOperations['seek']> = (_kernel, _task, file) => file.position
