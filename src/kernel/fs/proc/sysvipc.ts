/** /proc/sysvipc: System V IPC of the reader's namespace, as ipcs(1) reads it (ipc/msg.c, sem.c, shm.c). */
import { PAGE_SIZE } from '../../../emu/cpu/layout.ts'
import { SHM_DEST, SHM_LOCKED } from '../../abi/ipc.ts'
import type { IpcObject } from '../../ipc/ipc-state.ts'
import { attachments } from '../../ipc/shared-memory.ts'
import type { Kernel } from '../../kernel.ts'
import { seenBy } from '../../task/pid-namespace.ts'
import type { Task } from '../../task/task.ts'
import { shownGid, shownUid } from '../../task/user-namespace.ts'
import type { ProcNode } from './nodes.ts'

const HEADS = {
  msg: '       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n',
  sem: '       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n',
  shm: '       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n',
} as const

const pad = (value: number, width: number): string => String(value).padStart(width)

/** Key, identifier and mode, with which every line begins. */
const begin = ({ id, permission: { key, mode } }: IpcObject, bits = 0): string => `${pad(key | 0, 10)} ${pad(id, 10)}  ${(mode | bits).toString(8).padStart(4)} `
const owners = (reader: Task, { permission: { uid, gid, cuid, cgid } }: IpcObject): string => {
  const { user } = reader.credentials
  return [shownUid(user, uid), shownGid(user, gid), shownUid(user, cuid), shownGid(user, cgid)].map((id) => pad(id, 5)).join(' ')
}
const times = (...values: number[]): string => values.map((value) => pad(value, 10)).join(' ')
const byIndex = <T extends IpcObject>(objects: ReadonlyMap<number, T>): T[] => [...objects].sort(([a], [b]) => a - b).map(([, object]) => object)

export const messages = (_kernel: Kernel, _node: ProcNode, reader: Task): string => HEADS.msg + byIndex(reader.namespaces.ipc.ipc.msg.objects).map((queue) =>
  `${begin(queue)} ${pad(queue.bytes, 10)} ${pad(queue.messages.length, 10)} ${pad(seenBy(reader, queue.lastSender), 5)} ${pad(seenBy(reader, queue.lastReceiver), 5)} ` +
  `${owners(reader, queue)} ${times(queue.sendTime, queue.receiveTime, queue.changeTime)}\n`).join('')

export const semaphores = (_kernel: Kernel, _node: ProcNode, reader: Task): string => HEADS.sem + byIndex(reader.namespaces.ipc.ipc.sem.objects).map((set) =>
  `${begin(set)} ${pad(set.semaphores.length, 10)} ${owners(reader, set)} ${times(set.operationTime, set.changeTime)}\n`).join('')

export const segments = (_kernel: Kernel, _node: ProcNode, reader: Task): string => HEADS.shm + byIndex(reader.namespaces.ipc.ipc.shm.objects).map((segment) =>
  `${begin(segment, (segment.destroyed ? SHM_DEST : 0) | (segment.locked ? SHM_LOCKED : 0))}${pad(segment.size, 21)} ` +
  `${pad(seenBy(reader, segment.creatorPid), 5)} ${pad(seenBy(reader, segment.lastPid), 5)}  ${pad(attachments(segment), 5)} ${owners(reader, segment)} ` +
  `${times(segment.attachTime, segment.detachTime, segment.changeTime)} ${pad(segment.memory.frames.size * PAGE_SIZE, 21)} ${pad(0, 21)}\n`).join('')
