/** System V semaphores: semget(2), semop(2), semtimedop(2), semctl(2). */
import { E2BIG, EAGAIN, EFBIG, EINTR, EINVAL, ENOSPC, ERANGE } from '../abi/errno.ts'
import {
  GETALL, GETNCNT, GETPID, GETVAL, GETZCNT, IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT, S_IRUGO, S_IWUGO, SEM_INFO, SEM_STAT,
  SEM_STAT_ANY, SEM_UNDO, SEMMNI, SEMMNS, SEMMSL, SEMOPM, SEMVMX, SETALL, SETVAL,
} from '../abi/ipc.ts'
import { int32, uint32, uint64 } from '../abi/numbers.ts'
import { settingNumber } from '../fs/proc/settings.ts'
import type { SemaphoreOperation, SemaphoreSet, SemaphoreWaiter } from '../ipc/ipc-state.ts'
import { dismissWaiters, forgetUndo, serveWaiters, tryOperations, undoList } from '../ipc/semaphores.ts'
import {
  addObject, allocateId, bytesOf, checkOwner, checkPermission, findByKey, findObject, highestIndex, makePermission, now, objectAt,
  PERMISSION_SIZE, putLong, putPermission, readPermission, removeObject,
} from '../ipc/table.ts'
import type { Kernel } from '../kernel.ts'
import { seenBy } from '../task/pid-namespace.ts'
import type { Task } from '../task/task.ts'
import { deadlineAfter, readTimespec } from '../time/clock.ts'
import { waitQueue } from '../wait-queue.ts'
import type { Args, SyscallEntry } from './entry.ts'

/** SEMMSL, SEMMNS, SEMOPM, SEMMNI. */
const SETTING = 'sys/kernel/sem'

const semget = (kernel: Kernel, task: Task, args: Args): number => {
  const key = int32(args[0])
  const count = int32(args[1])
  const flags = int32(args[2])
  const table = task.namespaces.ipc.ipc.sem
  if (count < 0 || count > settingNumber(kernel, SETTING, SEMMSL, 0)) return -EINVAL
  const found = findByKey(task, table, key, flags, (set) => count <= set.semaphores.length)
  if (found !== undefined) return found
  if (count === 0) return -EINVAL
  const used = [...table.objects.values()].reduce((sum, set) => sum + set.semaphores.length, 0)
  if (used + count > settingNumber(kernel, SETTING, SEMMNS, 1)) return -ENOSPC
  const id = allocateId(kernel, table, settingNumber(kernel, SETTING, SEMMNI, 3), 'sem')
  if (id < 0) return id
  addObject(table, {
    kind: 'sem', id, permission: makePermission(task, key, flags), semaphores: Array.from({ length: count }, () => ({ value: 0, pid: 0 })),
    waiters: [], operationTime: 0, changeTime: now(kernel), undo: new Map(),
  })
  return id
}

// ——— semop ———

interface SemaphoreMemory { readonly kind: 'semaphore', readonly waiter: SemaphoreWaiter, readonly deadline: number }
const isSemaphoreMemory = (memory: unknown): memory is SemaphoreMemory =>
  typeof memory === 'object' && memory !== null && (memory as { kind?: unknown }).kind === 'semaphore'

/** The call was tried before: the operations were done meanwhile, or can't be, or it waits on. */
const resume = (kernel: Kernel, task: Task, id: number, memory: SemaphoreMemory): number => {
  const { waiter, deadline } = memory
  if (waiter.result !== undefined) return waiter.result
  const leave = (error: number): number => {
    const set = findObject(task.namespaces.ipc.ipc.sem, id)
    if (typeof set !== 'number') set.waiters.splice(set.waiters.indexOf(waiter), 1)
    return error
  }
  if (kernel.now >= deadline) return leave(-EAGAIN)
  if (kernel.interrupted(task)) return leave(-EINTR)
  return kernel.block(task, [waiter.queue], deadline)
}

const operate = (kernel: Kernel, task: Task, args: Args, timeout: number): number => {
  const id = int32(args[0])
  const count = uint32(args[2])
  const memory = task.syscall?.memory
  if (isSemaphoreMemory(memory)) return resume(kernel, task, id, memory)
  const user = kernel.user(task)
  const span = timeout === 0 ? undefined : readTimespec(user, timeout)
  if (count > settingNumber(kernel, SETTING, SEMOPM, 2)) return -E2BIG
  const view = new DataView(user.read(uint64(args[1]), count * 6).buffer)
  if (count < 1 || id < 0) return -EINVAL
  if (typeof span === 'number') return span
  const operations = Array.from({ length: count }, (_, i): SemaphoreOperation =>
    ({ number: view.getUint16(i * 6, true), change: view.getInt16(i * 6 + 2, true), flags: view.getInt16(i * 6 + 4, true) }))
  const set = findObject(task.namespaces.ipc.ipc.sem, id)
  if (typeof set === 'number') return set
  if (operations.some((operation) => operation.number >= set.semaphores.length)) return -EFBIG
  const alters = operations.some((operation) => operation.change !== 0)
  const refused = checkPermission(task, set.permission, alters ? S_IWUGO : S_IRUGO)
  if (refused < 0) return refused
  const list = operations.some((operation) => (operation.flags & SEM_UNDO) !== 0) ? undoList(kernel, task) : 0
  const result = tryOperations(kernel, set, operations, list, task.group.tgid)
  if (result <= 0) {
    if (result === 0 && alters) serveWaiters(kernel, set)
    return result
  }
  const deadline = span === undefined ? Infinity : deadlineAfter(kernel, span)
  if (kernel.now >= deadline) return -EAGAIN
  if (kernel.interrupted(task)) return -EINTR
  const waiter: SemaphoreWaiter = { tid: task.tid, operations, blocking: result - 1, queue: waitQueue(), result: undefined }
  set.waiters.push(waiter)
  if (task.syscall !== undefined) task.syscall.memory = { kind: 'semaphore', waiter, deadline } satisfies SemaphoreMemory
  return kernel.block(task, [waiter.queue], deadline)
}

const semop = (kernel: Kernel, task: Task, args: Args): number => operate(kernel, task, args, 0)
const semtimedop = (kernel: Kernel, task: Task, args: Args): number => operate(kernel, task, args, uint64(args[3]))

// ——— semctl ———

const SEMID_SIZE = PERMISSION_SIZE + 56

const stat = (task: Task, set: SemaphoreSet): Uint8Array => {
  const view = new DataView(new ArrayBuffer(SEMID_SIZE))
  putPermission(task, view, set)
  putLong(view, 48, set.operationTime)
  putLong(view, 64, set.changeTime)
  putLong(view, 80, set.semaphores.length)
  return bytesOf(view)
}

const info = (kernel: Kernel, task: Task, command: number, address: number): number => {
  const table = task.namespaces.ipc.ipc.sem
  const sets = [...table.objects.values()]
  const view = new DataView(new ArrayBuffer(40))
  const inUse = sets.reduce((sum, set) => sum + set.semaphores.length, 0)
  // The last of each is in use for SEM_INFO, a constant of Linux's for IPC_INFO.
  const values = [SEMMNS, SEMMNI, SEMMNS, SEMMNS, SEMMSL, SEMOPM, SEMOPM, command === SEM_INFO ? sets.length : 20, SEMVMX,
    command === SEM_INFO ? inUse : SEMVMX]
  for (const [i, value] of values.entries()) view.setInt32(i * 4, value, true)
  kernel.user(task).write(address, bytesOf(view))
  return highestIndex(table)
}

const setValue = (kernel: Kernel, task: Task, id: number, number: number, value: number): number => {
  if (value < 0 || value > SEMVMX) return -ERANGE
  const set = findObject(task.namespaces.ipc.ipc.sem, id)
  if (typeof set === 'number') return set
  if (number < 0 || number >= set.semaphores.length) return -EINVAL
  const refused = checkPermission(task, set.permission, S_IWUGO)
  if (refused < 0) return refused
  forgetUndo(set, number)
  set.semaphores[number].value = value
  set.semaphores[number].pid = task.group.tgid
  set.changeTime = now(kernel)
  serveWaiters(kernel, set)
  return 0
}

/** How many wait for the semaphore to rise, or to become zero. */
const countWaiters = (set: SemaphoreSet, number: number, forZero: boolean): number =>
  set.waiters.filter(({ operations, blocking }) =>
    operations[blocking].number === number && (forZero ? operations[blocking].change === 0 : operations[blocking].change < 0)).length

const readOrWrite = (kernel: Kernel, task: Task, id: number, number: number, command: number, address: number): number => {
  const user = kernel.user(task)
  const set = findObject(task.namespaces.ipc.ipc.sem, id)
  if (typeof set === 'number') return set
  const refused = checkPermission(task, set.permission, command === SETALL ? S_IWUGO : S_IRUGO)
  if (refused < 0) return refused
  const { semaphores } = set
  if (command === GETALL) {
    for (const [i, { value }] of semaphores.entries()) user.setU16(address + i * 2, value)
    return 0
  }
  if (command === SETALL) {
    const values = semaphores.map((_, i) => user.u16(address + i * 2))
    if (values.some((value) => value > SEMVMX)) return -ERANGE
    for (const [i, value] of values.entries()) semaphores[i] = { value, pid: task.group.tgid }
    forgetUndo(set)
    set.changeTime = now(kernel)
    serveWaiters(kernel, set)
    return 0
  }
  if (number < 0 || number >= semaphores.length) return -EINVAL
  switch (command) {
    case GETVAL: return semaphores[number].value
    case GETPID: return seenBy(task, semaphores[number].pid)
    default: return countWaiters(set, number, command === GETZCNT)
  }
}

const semctl = (kernel: Kernel, task: Task, args: Args): number => {
  const id = int32(args[0])
  const number = int32(args[1])
  const command = int32(args[2])
  const address = uint64(args[3])
  const table = task.namespaces.ipc.ipc.sem
  const user = kernel.user(task)
  if (id < 0) return -EINVAL
  switch (command) {
    case IPC_INFO: case SEM_INFO: return info(kernel, task, command, address)
    case IPC_STAT: case SEM_STAT: case SEM_STAT_ANY: {
      const set = command === IPC_STAT ? findObject(table, id) : objectAt(table, id) ?? -EINVAL
      if (typeof set === 'number') return set
      const refused = command === SEM_STAT_ANY ? 0 : checkPermission(task, set.permission, S_IRUGO)
      if (refused < 0) return refused
      user.write(address, stat(task, set))
      return command === IPC_STAT ? 0 : set.id
    }
    case GETALL: case GETVAL: case GETPID: case GETNCNT: case GETZCNT: case SETALL:
      return readOrWrite(kernel, task, id, number, command, address)
    case SETVAL: return setValue(kernel, task, id, number, int32(args[3]))
    case IPC_SET: case IPC_RMID: {
      const change = command === IPC_SET ? readPermission(task, user, address) : undefined
      const set = findObject(table, id)
      if (typeof set === 'number') return set
      const refused = checkOwner(task, set.permission)
      if (refused < 0) return refused
      if (change === undefined) {
        removeObject(table, set)
        dismissWaiters(kernel, set)
      } else {
        Object.assign(set.permission, change)
        set.changeTime = now(kernel)
      }
      return 0
    }
    default: return -EINVAL
  }
}

export const semCalls: readonly SyscallEntry[] = [
  { number: 64, name: 'semget', args: ['key:int', 'nsems:int', 'semflg:flags(IPC)'], handler: semget, status: 'full' },
  { number: 65, name: 'semop', args: ['semid:int', 'sops:pointer', 'nsops:size'], handler: semop, status: 'full' },
  { number: 66, name: 'semctl', args: ['semid:int', 'semnum:int', 'cmd:enum(SEM)', 'arg:long'], handler: semctl, status: 'full' },
  { number: 220, name: 'semtimedop', args: ['semid:int', 'sops:pointer', 'nsops:size', 'timeout:struct(timespec)'], handler: semtimedop, status: 'full' },
]
