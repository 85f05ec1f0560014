/** execve ends the other threads of its process, and the caller becomes the leader (Linux's de_thread). */
import { EAGAIN, EINTR } from '../abi/errno.ts'
import type { Kernel } from '../kernel.ts'
import { isKilled } from '../signal/pending.ts'
import { groupTasks, killTask } from '../signal/send.ts'
import { makeTimer } from '../time/timer-queue.ts'
import { leavePidNamespaces } from './pid-namespace.ts'
import type { Task } from './task.ts'
import { detach } from './trace.ts'

/** The task takes over number and place of the leader, which has ended. */
const becomeLeader = (kernel: Kernel, task: Task): void => {
  const { group } = task
  const { state } = kernel
  const old = state.tasks.get(group.tgid)
  state.tasks.delete(task.tid)
  const cpu = state.cpus.find((c) => c.tid === task.tid)
  if (cpu !== undefined) cpu.tid = group.tgid
  if (old !== undefined) detach(kernel, old)
  const tracees = task.trace === undefined ? undefined : state.groups.get(task.trace.tracer)?.tracees
  if (tracees?.includes(task.tid) === true) tracees[tracees.indexOf(task.tid)] = group.tgid
  if (group.pids.level > 0) leavePidNamespaces(group.pids, task.tid)
  task.tid = group.tgid
  task.sleep = makeTimer('sleep', task.tid)
  if (old !== undefined) {
    old.state = 'dead'
    task.startCycle = old.startCycle
  }
  state.tasks.set(task.tid, task)
  group.threads = [task.tid]
}

/** 0 when the task is alone and leads its group; BLOCKED while others are on their way out; a negative errno if it can't be. */
export const waitAlone = (kernel: Kernel, task: Task): number => {
  const { group } = task
  if (isKilled(task) || group.exiting) return -EINTR
  if (group.execTid !== 0 && group.execTid !== task.tid) return -EAGAIN
  const others = groupTasks(kernel, group).filter((other) => other !== task)
  if (others.length > 0) {
    if (group.execTid === 0) {
      group.execTid = task.tid
      for (const other of others) killTask(kernel, other)
    }
    const blocked = kernel.block(task, [group.threadExit])
    task.uninterruptible = true
    return blocked
  }
  group.execTid = 0
  if (task.tid !== group.tgid) becomeLeader(kernel, task)
  return 0
}
