/** System V shared memory: shmget(2), shmat(2), shmdt(2), shmctl(2). */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { CAP_IPC_LOCK } from '../abi/capabilities.ts'
import { EINVAL, ENOMEM, EPERM } from '../abi/errno.ts'
import {
  IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT, S_IRUGO, S_IWUGO, S_IXUGO, SHM_DEST, SHM_EXEC, SHM_HUGETLB, SHM_INFO, SHM_LOCK,
  SHM_LOCKED, SHM_NORESERVE, SHM_RDONLY, SHM_REMAP, SHM_RND, SHM_STAT, SHM_STAT_ANY, SHM_UNLOCK, SHMMNI,
} from '../abi/ipc.ts'
import { MAP_FIXED, PROT_EXEC, PROT_READ, PROT_WRITE } from '../abi/mman.ts'
import { int32, uint64 } from '../abi/numbers.ts'
import { RLIMIT_MEMLOCK } from '../abi/resources.ts'
import { settingNumber } from '../fs/proc/settings.ts'
import type { SharedSegment } from '../ipc/ipc-state.ts'
import { attachments, destroySegment, segmentAttached } from '../ipc/shared-memory.ts'
import {
  addObject, allocateId, bytesOf, checkOwner, checkPermission, findByKey, findObject, highestIndex, makePermission, now, objectAt,
  PERMISSION_SIZE, putLong, putPermission, readPermission,
} from '../ipc/table.ts'
import type { Kernel } from '../kernel.ts'
import { VMA_MAYEXEC, VMA_MAYREAD, VMA_MAYWRITE, VMA_SHARED } from '../mm/address-space.ts'
import { makeSharedMemory } from '../mm/backing.ts'
import { mapRegion, mayCommit, mayExpand, pageUp, unmapRange } from '../mm/map.ts'
import { USER_END } from '../mm/user-memory.ts'
import { isMapped } from '../mm/vma.ts'
import { hasCapability } from '../task/credentials.ts'
import { seenBy } from '../task/pid-namespace.ts'
import type { Task } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'
import { choosePlace } from './memory.ts'

const hex8 = (value: number): string => (value >>> 0).toString(16).padStart(8, '0')

const shmget = (kernel: Kernel, task: Task, args: Args): number => {
  const key = int32(args[0])
  const size = uint64(args[1])
  const flags = int32(args[2])
  const table = task.namespaces.ipc.ipc.shm
  const found = findByKey(task, table, key, flags, (segment) => segment.size >= size)
  if (found !== undefined) return found
  if (size === 0 || size >= 2 ** 63 || size > settingNumber(kernel, 'sys/kernel/shmmax', Infinity)) return -EINVAL
  // There is no pool of huge pages.
  if ((flags & SHM_HUGETLB) !== 0) return -ENOMEM
  if ((flags & SHM_NORESERVE) === 0 && !mayCommit(kernel, size)) return -ENOMEM
  const id = allocateId(kernel, table, settingNumber(kernel, 'sys/kernel/shmmni', SHMMNI), 'shm')
  if (id < 0) return id
  addObject(table, {
    kind: 'shm', id, permission: makePermission(task, key, flags), memory: makeSharedMemory(kernel, size, id, task.namespaces.ipc.ipc), size, destroyed: false, locked: false,
    attachTime: 0, detachTime: 0, changeTime: now(kernel), creatorPid: task.group.tgid, lastPid: 0, name: `/SYSV${hex8(key)} (deleted)`,
  })
  return id
}

const shmat = (kernel: Kernel, task: Task, args: Args): number => {
  const id = int32(args[0])
  const flags = int32(args[2])
  let address = uint64(args[1])
  if (id < 0) return -EINVAL
  if (address !== 0) {
    if (address % PAGE_SIZE !== 0) {
      if ((flags & SHM_RND) === 0) return -EINVAL
      address -= address % PAGE_SIZE
      if (address === 0 && (flags & SHM_REMAP) !== 0) return -EINVAL
    }
  } else if ((flags & SHM_REMAP) !== 0) {
    return -EINVAL
  }
  const isFixed = uint64(args[1]) !== 0
  const isReadOnly = (flags & SHM_RDONLY) !== 0
  const prot = PROT_READ | (isReadOnly ? 0 : PROT_WRITE) | ((flags & SHM_EXEC) !== 0 ? PROT_EXEC : 0)
  const wanted = S_IRUGO | (isReadOnly ? 0 : S_IWUGO) | ((flags & SHM_EXEC) !== 0 ? S_IXUGO : 0)
  const segment = findObject(task.namespaces.ipc.ipc.shm, id)
  if (typeof segment === 'number') return segment
  const refused = checkPermission(task, segment.permission, wanted)
  if (refused < 0) return refused
  const length = pageUp(segment.size)
  const space = task.mm
  if (isFixed && (flags & SHM_REMAP) === 0 && (address + length > USER_END || isMapped(space, address, address + length))) return -EINVAL
  const start = choosePlace(task, address, length, isFixed ? MAP_FIXED : 0)
  if (start < 0) return start
  const area = VMA_SHARED | VMA_MAYREAD | VMA_MAYEXEC | (isReadOnly ? 0 : VMA_MAYWRITE)
  if (!mayExpand(kernel, task.group, space, length, prot, area)) return -ENOMEM
  segment.memory.users++
  segmentAttached(kernel, segment.memory)
  mapRegion(kernel, space, { start, end: start + length, prot, flags: area, backing: segment.memory, offset: 0, name: segment.name })
  return start
}

const shmdt = (kernel: Kernel, task: Task, args: Args): number => {
  const address = uint64(args[0])
  if (address % PAGE_SIZE !== 0) return -EINVAL
  const space = task.mm
  // Pieces may have been unmapped already: what is left of one attachment lies at its offsets from the address, within the segment's size (ksys_shmdt).
  const first = space.vmas.find((vma) => vma.start >= address && vma.backing?.kind === 'shared-memory' && vma.backing.segment >= 0 &&
    vma.start - address === vma.offset)
  if (first === undefined) return -EINVAL
  const { backing } = first
  const end = backing?.kind === 'shared-memory' ? address + backing.pages * PAGE_SIZE : address
  for (const vma of space.vmas.filter((v) => v === first || (v.backing === backing && v.start - address === v.offset && v.end <= end))) unmapRange(kernel, space, vma.start, vma.end)
  return 0
}

const SHMID_SIZE = PERMISSION_SIZE + 64

const stat = (task: Task, segment: SharedSegment): Uint8Array => {
  const view = new DataView(new ArrayBuffer(SHMID_SIZE))
  putPermission(task, view, segment, (segment.destroyed ? SHM_DEST : 0) | (segment.locked ? SHM_LOCKED : 0))
  putLong(view, 48, segment.size)
  putLong(view, 56, segment.attachTime)
  putLong(view, 64, segment.detachTime)
  putLong(view, 72, segment.changeTime)
  view.setInt32(80, seenBy(task, segment.creatorPid), true)
  view.setInt32(84, seenBy(task, segment.lastPid), true)
  putLong(view, 88, attachments(segment))
  return bytesOf(view)
}

const SHMINFO_SIZE = 72, SHM_INFO_SIZE = 48
/** SHMMAX, SHMALL: no limit but the last 16 MiB of addresses. */
const SHARED_LIMIT = 2 ** 64 - 2 ** 24

const info = (kernel: Kernel, task: Task, command: number, address: number): number => {
  const table = task.namespaces.ipc.ipc.shm
  const view = new DataView(new ArrayBuffer(command === IPC_INFO ? SHMINFO_SIZE : SHM_INFO_SIZE))
  if (command === IPC_INFO) {
    for (const [i, value] of [SHARED_LIMIT, 1, SHMMNI, SHMMNI, SHARED_LIMIT].entries()) putLong(view, i * 8, value)
    // Which no number here is: 2^64 − 2^24 − 1.
    for (const at of [0, 32]) {
      view.setUint32(at, 0xfeff_ffff, true)
      view.setUint32(at + 4, 0xffff_ffff, true)
    }
  } else {
    const segments = [...table.objects.values()]
    view.setUint32(0, segments.length, true)
    putLong(view, 8, segments.reduce((sum, segment) => sum + pageUp(segment.size) / PAGE_SIZE, 0))
    putLong(view, 16, segments.reduce((sum, segment) => sum + segment.memory.frames.size, 0))
  }
  kernel.user(task).write(address, bytesOf(view))
  return highestIndex(table)
}

const setLock = (task: Task, segment: SharedSegment, isLock: boolean): number => {
  if (!hasCapability(task, CAP_IPC_LOCK)) {
    const { euid } = task.credentials
    if (euid !== segment.permission.uid && euid !== segment.permission.cuid) return -EPERM
    if (isLock && task.group.limits[RLIMIT_MEMLOCK][0] === 0) return -EPERM
  }
  segment.locked = isLock
  return 0
}

const shmctl = (kernel: Kernel, task: Task, args: Args): number => {
  const id = int32(args[0])
  const command = int32(args[1])
  const address = uint64(args[2])
  if (command < 0 || id < 0) return -EINVAL
  const user = kernel.user(task)
  const table = task.namespaces.ipc.ipc.shm
  if (command === IPC_INFO || command === SHM_INFO) return info(kernel, task, command, address)
  if (command === SHM_STAT || command === SHM_STAT_ANY) {
    const segment = objectAt(table, id)
    if (segment === undefined) return -EINVAL
    const refused = command === SHM_STAT ? checkPermission(task, segment.permission, S_IRUGO) : 0
    if (refused < 0) return refused
    user.write(address, stat(task, segment))
    return segment.id
  }
  const set = command === IPC_SET ? readPermission(task, user, address) : undefined
  const segment = findObject(table, id)
  if (![IPC_STAT, IPC_SET, IPC_RMID, SHM_LOCK, SHM_UNLOCK].includes(command)) return -EINVAL
  if (typeof segment === 'number') return segment
  if (command === IPC_STAT) {
    const refused = checkPermission(task, segment.permission, S_IRUGO)
    if (refused < 0) return refused
    user.write(address, stat(task, segment))
    return 0
  }
  if (command === SHM_LOCK || command === SHM_UNLOCK) return setLock(task, segment, command === SHM_LOCK)
  const refused = checkOwner(task, segment.permission)
  if (refused < 0) return refused
  if (set === undefined) destroySegment(kernel, segment)
  else {
    Object.assign(segment.permission, set)
    segment.changeTime = now(kernel)
  }
  return 0
}

export const shmCalls: readonly SyscallEntry[] = [
  { number: 29, name: 'shmget', args: ['key:int', 'size:size', 'shmflg:flags(IPC)'], handler: shmget, status: 'full' },
  { number: 30, name: 'shmat', args: ['shmid:int', 'shmaddr:address', 'shmflg:flags(SHM)'], handler: shmat, status: 'full' },
  { number: 31, name: 'shmctl', args: ['shmid:int', 'cmd:enum(IPC)', 'buf:pointer'], handler: shmctl, status: 'full' },
  { number: 67, name: 'shmdt', args: ['shmaddr:address'], handler: shmdt, status: 'full' },
]
