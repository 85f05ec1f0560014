/**
 * System V semaphores (semop(2)): operations that happen all or not at all, for the caller or, later, on behalf of one that
 * waits. SEM_UNDO adjustments belong to an undo list: a process's, or that of all who share it (CLONE_SYSVSEM).
 */
import { EAGAIN, EIDRM, ERANGE } from '../abi/errno.ts'
import { IPC_NOWAIT, SEM_UNDO, SEMVMX } from '../abi/ipc.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import type { SemaphoreOperation, SemaphoreSet } from './ipc-state.ts'
import { now } from './table.ts'

/** Adjustments stay within ± this (SEMAEM). */
const ADJUSTMENT_LIMIT = 32_767

/** The undo list of the task, made when first needed. */
export const undoList = (kernel: Kernel, task: Task): number => {
  if (task.semaphoreUndo === 0) task.semaphoreUndo = ++kernel.state.lastSpaceId
  return task.semaphoreUndo
}

const adjustmentsOf = (set: SemaphoreSet, list: number): number[] => {
  let adjustments = set.undo.get(list)
  if (adjustments === undefined) {
    adjustments = set.semaphores.map(() => 0)
    set.undo.set(list, adjustments)
  }
  return adjustments
}

/**
 * Does all the operations, or none.
 * @returns 0, a negative errno, or 1 + the index of the operation that can't be done yet
 */
export const tryOperations = (
  kernel: Kernel, set: SemaphoreSet, operations: readonly SemaphoreOperation[], list: number, pid: number,
): number => {
  const values = new Map<number, number>()
  const adjusted = new Map<number, number>()
  const adjustments = operations.some((operation) => (operation.flags & SEM_UNDO) !== 0) ? adjustmentsOf(set, list) : undefined
  for (const [index, { number, change, flags }] of operations.entries()) {
    const value = values.get(number) ?? set.semaphores[number].value
    const next = value + change
    if (change === 0 ? value !== 0 : next < 0) return (flags & IPC_NOWAIT) !== 0 ? -EAGAIN : index + 1
    if (next > SEMVMX) return -ERANGE
    if ((flags & SEM_UNDO) !== 0 && adjustments !== undefined) {
      const adjustment = (adjusted.get(number) ?? adjustments[number]) - change
      if (adjustment < -ADJUSTMENT_LIMIT - 1 || adjustment > ADJUSTMENT_LIMIT) return -ERANGE
      adjusted.set(number, adjustment)
    }
    values.set(number, next)
  }
  for (const [number, value] of values) {
    set.semaphores[number].value = value
    set.semaphores[number].pid = pid
  }
  if (adjustments !== undefined) for (const [number, adjustment] of adjusted) adjustments[number] = adjustment
  set.operationTime = now(kernel)
  return 0
}

/** Values changed: those who waited longest go first, and start again from the front whenever one changed something. */
export const serveWaiters = (kernel: Kernel, set: SemaphoreSet): void => {
  for (let at = 0; at < set.waiters.length;) {
    const waiter = set.waiters[at]
    const task = kernel.state.tasks.get(waiter.tid)
    const result = task === undefined ? -EIDRM
      : tryOperations(kernel, set, waiter.operations, task.semaphoreUndo, task.group.tgid)
    if (result > 0) {
      waiter.blocking = result - 1
      at++
      continue
    }
    set.waiters.splice(at, 1)
    waiter.result = result
    kernel.wake(waiter.queue)
    at = result === 0 && waiter.operations.some((operation) => operation.change !== 0) ? 0 : at
  }
}

/** The set is being removed: everyone who waits learns it. */
export const dismissWaiters = (kernel: Kernel, set: SemaphoreSet): void => {
  for (const waiter of set.waiters.splice(0)) {
    waiter.result = -EIDRM
    kernel.wake(waiter.queue)
  }
}

/** SETVAL and SETALL forget what would have been undone. */
export const forgetUndo = (set: SemaphoreSet, number?: number): void => {
  for (const adjustments of set.undo.values()) {
    if (number === undefined) adjustments.fill(0)
    else adjustments[number] = 0
  }
}

/** The task ends: it waits no more, and leaves its undo list. */
export const exitSemaphores = (kernel: Kernel, task: Task): void => {
  for (const set of task.namespaces.ipc.ipc.sem.objects.values()) {
    const at = set.waiters.findIndex((waiter) => waiter.tid === task.tid)
    if (at >= 0) set.waiters.splice(at, 1)
  }
  leaveUndoList(kernel, task)
}

/** The task ends, or goes its own way (unshare): if no other task has its undo list, what that lists is undone (exit_sem). */
export const leaveUndoList = (kernel: Kernel, task: Task): void => {
  const list = task.semaphoreUndo
  if (list === 0) return
  task.semaphoreUndo = 0
  for (const other of kernel.state.tasks.values()) if (other !== task && other.semaphoreUndo === list) return
  for (const set of task.namespaces.ipc.ipc.sem.objects.values()) {
    const adjustments = set.undo.get(list)
    if (adjustments === undefined) continue
    set.undo.delete(list)
    let changed = false
    for (const [number, adjustment] of adjustments.entries()) {
      if (adjustment === 0) continue
      const semaphore = set.semaphores[number]
      semaphore.value = Math.max(0, Math.min(SEMVMX, semaphore.value + adjustment))
      semaphore.pid = task.group.tgid
      changed = true
    }
    if (changed) {
      set.operationTime = now(kernel)
      serveWaiters(kernel, set)
    }
  }
}
