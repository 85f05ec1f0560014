/** What the three kinds of System V IPC have in common: identifiers, keys, permissions (ipc/util.c of Linux). */
import { CAP_IPC_OWNER, CAP_SYS_ADMIN } from '../abi/capabilities.ts'
import { EACCES, EEXIST, EIDRM, EINVAL, ENOENT, ENOSPC, EPERM } from '../abi/errno.ts'
import { IPC_CREAT, IPC_EXCL, IPC_PRIVATE } from '../abi/ipc.ts'
import { settingNumber } from '../fs/proc/settings.ts'
import type { Kernel } from '../kernel.ts'
import type { UserMemory } from '../mm/user-memory.ts'
import { hasCapabilityIn, kernelGid, kernelUid, shownGid, shownUid } from '../task/user-namespace.ts'
import type { Task } from '../task/task.ts'
import { realTime } from '../time/clock.ts'
import type { IpcObject, IpcPermission, IpcTable } from './ipc-state.ts'

const INDEX_LIMIT = 32_768
/** Indices go round over at least this many (ipc_min_cycle). */
const CYCLE_MINIMUM = 64
const SEQUENCE_LIMIT = 0xffff

export const now = (kernel: Kernel): number => realTime(kernel)[0]

export const makePermission = (task: Task, key: number, flags: number): IpcPermission => {
  const { euid, egid } = task.credentials
  return { key, uid: euid, gid: egid, cuid: euid, cgid: egid, mode: flags & 0o777 }
}

/**
 * The next identifier, or −ENOSPC. @param kind 'msg', 'sem' or 'shm': the one that kernel.KIND_next_id asks for comes once, if it is free
 */
export const allocateId = <T extends IpcObject>(kernel: Kernel, table: IpcTable<T>, limit: number, kind: string): number => {
  if (table.objects.size >= limit) return -ENOSPC
  const wish = `sys/kernel/${kind}_next_id`
  const wanted = settingNumber(kernel, wish, -1)
  if (wanted >= 0) {
    kernel.state.fs.settings.delete(wish)
    let free = wanted % INDEX_LIMIT
    while (free < INDEX_LIMIT && table.objects.has(free)) free++
    if (free < INDEX_LIMIT) return Math.floor(wanted / INDEX_LIMIT) * INDEX_LIMIT + free
  }
  const cycle = Math.min(Math.max(Math.floor((table.objects.size + 1) * 3 / 2), CYCLE_MINIMUM), INDEX_LIMIT)
  let index = table.lastIndex + 1 >= cycle ? 0 : table.lastIndex + 1
  while (table.objects.has(index)) index = index + 1 >= cycle ? 0 : index + 1
  if (index <= table.lastIndex) table.sequence = table.sequence >= SEQUENCE_LIMIT ? 0 : table.sequence + 1
  table.lastIndex = index
  return table.sequence * INDEX_LIMIT + index
}

export const addObject = <T extends IpcObject>(table: IpcTable<T>, object: T): void => { table.objects.set(object.id % INDEX_LIMIT, object) }
export const removeObject = <T extends IpcObject>(table: IpcTable<T>, object: T): void => { table.objects.delete(object.id % INDEX_LIMIT) }
export const objectAt = <T extends IpcObject>(table: IpcTable<T>, index: number): T | undefined => table.objects.get(index % INDEX_LIMIT)

/** The object, −EINVAL if there is none, −EIDRM if another one took its place. */
export const findObject = <T extends IpcObject>(table: IpcTable<T>, id: number): T | number => {
  if (id < 0) return -EINVAL
  const object = table.objects.get(id % INDEX_LIMIT)
  return object === undefined ? -EINVAL : object.id === id ? object : -EIDRM
}

export const highestIndex = <T extends IpcObject>(table: IpcTable<T>): number => Math.max(0, ...table.objects.keys())

const isMember = (task: Task, gid: number): boolean => task.credentials.egid === gid || task.credentials.groups.includes(gid)

/** 0 or −EACCES for permission bits, of which any of the three places counts (ipcperms). */
export const checkPermission = (task: Task, permission: IpcPermission, flags: number): number => {
  const wanted = (flags >> 6 | flags >> 3 | flags) & 7
  const { euid } = task.credentials
  const { mode } = permission
  const granted = euid === permission.cuid || euid === permission.uid ? mode >> 6
    : isMember(task, permission.cgid) || isMember(task, permission.gid) ? mode >> 3 : mode
  return (wanted & ~granted) !== 0 && !hasCapabilityIn(task, task.namespaces.ipc.owner, CAP_IPC_OWNER) ? -EACCES : 0
}

/** 0 or −EPERM: who may change or remove it. */
export const checkOwner = (task: Task, permission: IpcPermission): number => {
  const { euid } = task.credentials
  return euid === permission.cuid || euid === permission.uid || hasCapabilityIn(task, task.namespaces.ipc.owner, CAP_SYS_ADMIN) ? 0 : -EPERM
}

/** Finds by key what shmget, semget and msgget ask for: undefined if it is to be made, an object's id, or a negative errno. */
export const findByKey = <T extends IpcObject>(
  task: Task, table: IpcTable<T>, key: number, flags: number, fits: (object: T) => boolean,
): number | undefined => {
  if (key === IPC_PRIVATE) return undefined
  for (const object of table.objects.values()) {
    if (object.permission.key !== key) continue
    if ((flags & IPC_CREAT) !== 0 && (flags & IPC_EXCL) !== 0) return -EEXIST
    if (!fits(object)) return -EINVAL
    const refused = checkPermission(task, object.permission, flags & 0o777)
    return refused < 0 ? refused : object.id
  }
  return (flags & IPC_CREAT) !== 0 ? undefined : -ENOENT
}

/** struct ipc64_perm, 48 bytes. */
export const PERMISSION_SIZE = 48
export const putPermission = (task: Task, view: DataView, object: IpcObject, modeBits = 0): void => {
  const { key, uid, gid, cuid, cgid, mode } = object.permission
  const { user } = task.credentials
  for (const [i, value] of [key, shownUid(user, uid), shownGid(user, gid), shownUid(user, cuid), shownGid(user, cgid), mode | modeBits].entries()) view.setUint32(i * 4, value, true)
  view.setUint16(24, Math.floor(object.id / INDEX_LIMIT), true)
}

/** IPC_SET: uid, gid (−1: unknown ones) and mode from the guest's structure. @throws BadAddress */
export const readPermission = ({ credentials: { user: namespace } }: Task, user: UserMemory, address: number): { uid: number, gid: number, mode: number } =>
  ({ uid: kernelUid(namespace, user.u32(address + 4)), gid: kernelGid(namespace, user.u32(address + 8)), mode: user.u32(address + 20) & 0o777 })

export const putLong = (view: DataView, at: number, value: number): void => {
  view.setUint32(at, value, true)
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true)
}
export const bytesOf = (view: DataView): Uint8Array => new Uint8Array(view.buffer)
