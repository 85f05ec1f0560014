/**
 * Stopping and continuing process groups (signal(7); Linux's do_signal_stop, prepare_signal, notify of the parent).
 *
 * A stop is for the group: `stopSignal` is set, every task parks itself on its way to user mode, and the last one to do so
 * tells the parent. SIGCONT undoes it when it is sent.
 */
import { CLD_CONTINUED, CLD_STOPPED, SA_NOCLDSTOP, SIG_IGN, SIGCHLD, SIGCONT, SIGHUP } from '../abi/signals.ts'
import type { Kernel } from '../kernel.ts'
import { processGroupMembers } from '../task/process-groups.ts'
import type { Task, ThreadGroup } from '../task/task.ts'
import { continueListener, enterTraceStop, EVENT_STOP, queueStop } from '../task/trace.ts'
import { groupTasks, notice, sendSignal, sendToProcessGroup } from './send.ts'
import { childInfo } from './siginfo.ts'

const tellParent = (kernel: Kernel, group: ThreadGroup, code: number, status: number): void => {
  const parent = kernel.state.groups.get(group.parent)
  if (parent === undefined) return
  const leader = kernel.state.tasks.get(parent.tgid)
  const action = leader?.actions.table[SIGCHLD]
  if (action !== undefined && action.handler !== SIG_IGN && (action.flags & SA_NOCLDSTOP) === 0) {
    sendSignal(kernel, parent, SIGCHLD, childInfo(kernel, group, code, status))
  }
  kernel.wake(parent.childChange)
}

/** A stop signal acts: all tasks of the group are to stop. */
export const stopGroup = (kernel: Kernel, group: ThreadGroup, signal: number): void => {
  if (group.stopSignal !== 0) return
  group.stopSignal = signal
  group.continueReport = false
  for (const task of groupTasks(kernel, group)) {
    task.signalDue = true
    if (task.state === 'blocked' && !task.uninterruptible) kernel.wakeTask(task, 'signal')
  }
}

/** A tracee stops as its group does. */
export const stopForTracer = (kernel: Kernel, task: Task): void => {
  queueStop(task, { kind: 'group', code: task.group.stopSignal | (task.trace?.seized === true ? EVENT_STOP << 8 : 0), info: undefined, message: 0 })
  enterTraceStop(kernel, task)
}

/** The task is on its way to user mode while its group is to stop. */
export const park = (kernel: Kernel, task: Task): void => {
  const { group, trace } = task
  if (trace === undefined) task.state = 'stopped'
  else stopForTracer(kernel, task)
  if (groupTasks(kernel, group).every((other) => other.state === 'stopped')) reportStop(kernel, group)
}

const reportStop = (kernel: Kernel, group: ThreadGroup): void => {
  group.stopReport = group.stopSignal
  tellParent(kernel, group, CLD_STOPPED, group.stopSignal)
}

/** A task of a stopping group ended: the others may all be parked already. */
export const afterTaskLeft = (kernel: Kernel, group: ThreadGroup): void => {
  if (group.stopSignal === 0 || group.stopReport !== 0 || group.exiting) return
  const tasks = groupTasks(kernel, group)
  if (tasks.length > 0 && tasks.every((other) => other.state === 'stopped')) reportStop(kernel, group)
}

/** SIGCONT was sent. */
export const continueGroup = (kernel: Kernel, group: ThreadGroup): void => {
  if (group.stopSignal === 0) return
  const tasks = groupTasks(kernel, group)
  const wasStopped = tasks.some((task) => task.state === 'stopped')
  group.stopSignal = 0
  group.stopReport = 0
  for (const task of tasks) {
    task.signalDue = true
    if (task.trace !== undefined) task.trace.ignoresStop = false
    if (task.state === 'stopped') {
      // What is stopped for its tracer stays so, unless it listens.
      if (task.trace?.stop === undefined) kernel.makeRunnable(task)
      else continueListener(kernel, task)
    }
    else if (task.state === 'blocked') notice(kernel, task, false)
  }
  if (!wasStopped) return
  group.continueReport = true
  kernel.outside.observer.onSignal(kernel.state.cycle, group.tgid, SIGCONT, 0, 'continue')
  tellParent(kernel, group, CLD_CONTINUED, SIGCONT)
}

/** No member has a parent in another process group of the same session: nobody could continue it (will_become_orphaned_pgrp). */
export const isOrphaned = (kernel: Kernel, processGroup: number, without?: ThreadGroup): boolean =>
  processGroupMembers(kernel, processGroup).every((member) => {
    if (member === without || member.zombie) return true
    const parent = kernel.state.groups.get(member.parent)
    return parent === undefined || parent.zombie || parent.processGroup === processGroup || parent.session !== member.session
  })

const hasStopped = (kernel: Kernel, processGroup: number): boolean =>
  processGroupMembers(kernel, processGroup).some((member) => !member.zombie && member.stopSignal !== 0)

/**
 * `group` goes (or is reparented from `parent`): process groups that it kept from being orphaned, and that have stopped
 * members, get SIGHUP and SIGCONT (kill_orphaned_pgrp).
 */
export const killOrphaned = (kernel: Kernel, group: ThreadGroup, parent: ThreadGroup | undefined, ignored?: ThreadGroup): void => {
  if (parent === undefined || parent.processGroup === group.processGroup || parent.session !== group.session) return
  if (!isOrphaned(kernel, group.processGroup, ignored) || !hasStopped(kernel, group.processGroup)) return
  sendToProcessGroup(kernel, group.processGroup, SIGHUP)
  sendToProcessGroup(kernel, group.processGroup, SIGCONT)
}
