/** The file systems' part of the kernel's state. */
import type { WaitQueue } from '../wait-queue.ts'
import type { AioContext } from './aio.ts'
import type { Ext2Volume } from './ext2/volume.ts'
import type { DirectoryInode, Inode } from './inode.ts'
import type { Mount, MountNamespace } from './mount-tree.ts'
import type { InotifyWatch } from './inotify.ts'
import type { Lease } from './leases.ts'
import type { FileLock } from './locks.ts'
import type { LoopDevice } from './loop.ts'
import type { Terminal } from './tty.ts'
import type { UserNamespace } from '../task/user-namespace.ts'

/** A mounted file system. Inode numbers are given out per superblock, so that they do not depend on the host. */
export interface Superblock {
  readonly kind: SuperblockKind
  /** st_dev as a number (minor; major 0), unique. */
  readonly dev: number
  lastIno: number
  /** Inodes that exist in memory only, of file systems that hold files: they are limited, as tmpfs's are. */
  inodes: number
  /** Of ext2: what its image has room for; and the number that the next inode to be made has in the image, 0 for new ones. */
  volume: Ext2Volume | undefined
  nextIno: number
  /** size= and nr_inodes= of a tmpfs: pages and inodes that it may have, and the pages that it has or has set aside. */
  limits: { readonly pages: number, readonly inodes: number, usedPages: number } | undefined
  /** Read-only mounts refuse writes with EROFS. */
  readOnly: boolean
  /** What /proc/mounts says. */
  readonly source: string
  readonly type: string
  options: string
  /** MS_NOSUID, MS_NODEV, MS_NOEXEC … as mount(2) was given them. */
  flags: number
  /** Once it is there. */
  root: DirectoryInode | undefined
  /** The nested user namespace in which it was mounted, if it was. */
  owner: UserNamespace | undefined
  /** statfs f_type. */
  readonly magic: number
}
export type SuperblockKind = 'ramfs' | 'host' | 'proc' | 'dev' | 'anonymous'

/** Input of the host's standard input that has arrived. */
export interface HostInput {
  /** Bytes not read yet, oldest first. */
  pending: Uint8Array[]
  ended: boolean
}

export interface FsState {
  readonly superblocks: Superblock[]
  /** All of them; one goes with the last task in it. */
  readonly mountNamespaces: MountNamespace[]
  /** Id of the last mount, and number of the last peer group, that was made. */
  lastMountId: number
  lastPeers: number
  /** What is seen through no mount that has a place: anonymous inodes. */
  anonymousMount: Mount
  /** Anonymous inodes: pipes, eventfds, memfds. */
  anonymous: Superblock
  /** Terminals by number of /dev/pts, and the console at −1. */
  readonly terminals: Map<number, Terminal>
  lastPty: number
  /** By number of /dev/loopN: sectors of each device, as BLKRASET set them: nothing is read ahead. */
  readonly loopReadAhead: number[]
  /** By number of /dev/loopN. */
  readonly loops: (LoopDevice | undefined)[]
  /** Contexts of io_setup(2). */
  readonly aio: AioContext[]
  readonly hostInput: HostInput
  /** Inodes of the host's descriptors that are not terminals, three for each host by descriptor: opening one again (/dev/stdout) leads outside. */
  readonly streams: (Inode | undefined)[]
  /** Running hash of what was written to the host's descriptors 1 and 2 is kept by the session; the kernel counts bytes. */
  readonly outputBytes: [number, number, number]
  /** Contents of host files that were read, by HostContent.id. */
  readonly hostContents: Uint8Array[]
  /** Record locks (fcntl) and flock locks by inode. */
  readonly locks: FileLock[]
  readonly lockWaiters: WaitQueue
  readonly leases: Lease[]
  /** All inotify watches, and the last number of a rename. */
  readonly watches: InotifyWatch[]
  lastCookie: number
  bootId: string
  /** What was written to files of /proc that only keep it, by node and process. */
  readonly settings: Map<string, string>
}
