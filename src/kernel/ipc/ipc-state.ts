/** System V and POSIX IPC as state (sysvipc(7), mq_overview(7)). What is done with it is in the files beside this one. */
import type { FileInode } from '../fs/inode.ts'
import type { Superblock } from '../fs/fs-state.ts'
import type { OpenFile } from '../fs/file.ts'
import type { SharedMemory } from '../mm/address-space.ts'
import type { WaitQueue } from '../wait-queue.ts'

/** Owner, creator and mode: struct ipc_perm. */
export interface IpcPermission {
  /** IPC_PRIVATE (0) for those without a key, and for removed ones. */
  key: number
  uid: number
  gid: number
  readonly cuid: number
  readonly cgid: number
  /** The nine permission bits. */
  mode: number
}

/** Objects by index. An identifier is index + sequence · 32768: indices go round, so that a removed one is known to be gone. */
export interface IpcTable<T extends IpcObject> {
  readonly objects: Map<number, T>
  /** Index given out last, and the sequence number that rises each time they go round. */
  lastIndex: number
  sequence: number
}
export interface IpcObject {
  readonly id: number
  readonly permission: IpcPermission
}

export interface SharedSegment extends IpcObject {
  readonly kind: 'shm'
  readonly memory: SharedMemory
  readonly size: number
  /** What /proc/PID/maps shows. */
  readonly name: string
  /** IPC_RMID was called: it goes with the last area that maps it. */
  destroyed: boolean
  /** SHM_LOCK. */
  locked: boolean
  attachTime: number
  detachTime: number
  changeTime: number
  readonly creatorPid: number
  lastPid: number
}

export interface Semaphore {
  value: number
  /** The process that changed it last. */
  pid: number
}
/** A task that waits in semop: what it wants to do. */
export interface SemaphoreWaiter {
  readonly tid: number
  readonly operations: readonly SemaphoreOperation[]
  /** The operation that can't be done. */
  blocking: number
  readonly queue: WaitQueue
  /** 0 when it was done for the task, a negative errno when it can't be, undefined while it waits. */
  result: number | undefined
}
export interface SemaphoreOperation { readonly number: number, readonly change: number, readonly flags: number }
export interface SemaphoreSet extends IpcObject {
  readonly kind: 'sem'
  readonly semaphores: Semaphore[]
  readonly waiters: SemaphoreWaiter[]
  operationTime: number
  changeTime: number
  /** SEM_UNDO adjustments by undo list (a process, or what shares CLONE_SYSVSEM), then by semaphore. */
  readonly undo: Map<number, number[]>
}

export interface Message { readonly type: number, readonly bytes: Uint8Array }
export interface MessageQueue extends IpcObject {
  readonly kind: 'msg'
  readonly messages: Message[]
  bytes: number
  limit: number
  sendTime: number
  receiveTime: number
  changeTime: number
  lastSender: number
  lastReceiver: number
  readonly senders: WaitQueue
  readonly receivers: WaitQueue
}

export interface PosixMessage { readonly priority: number, readonly bytes: Uint8Array }
export interface PosixMessageQueue {
  readonly kind: 'mqueue'
  readonly name: string
  readonly maxMessages: number
  readonly messageSize: number
  /** Its file: of who it is, and who may open it. */
  readonly inode: FileInode
  /** By falling priority, then by age. */
  readonly messages: PosixMessage[]
  readonly senders: WaitQueue
  readonly receivers: WaitQueue
  /** mq_notify: who is told of the next message to the empty queue. */
  notify: {
    readonly tgid: number, readonly method: number, readonly signal: number, readonly valueLow: number, readonly valueHigh: number
    /** SIGEV_THREAD: the netlink socket through which the library's thread is told, and what it is told. */
    readonly socket?: OpenFile, readonly cookie?: Uint8Array
  } | undefined
}

export interface IpcState {
  readonly kind: 'ipc'
  readonly shm: IpcTable<SharedSegment>
  readonly sem: IpcTable<SemaphoreSet>
  readonly msg: IpcTable<MessageQueue>
  /** POSIX message queues by name without the slash. */
  readonly queues: Map<string, PosixMessageQueue>
  /** The file system of their files, once there was one. */
  files: Superblock | undefined
}

export const makeIpc = (): IpcState => ({
  kind: 'ipc',
  shm: { objects: new Map(), lastIndex: -1, sequence: 0 },
  sem: { objects: new Map(), lastIndex: -1, sequence: 0 },
  msg: { objects: new Map(), lastIndex: -1, sequence: 0 },
  queues: new Map(), files: undefined,
})
