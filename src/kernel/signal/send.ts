/**
 * Sending signals (Linux's send_signal_locked and complete_signal).
 *
 * Invariant: a task for which `isSignalDue` holds has `signalDue` set, and is not blocked interruptibly.
 */
import { EAGAIN } from '../abi/errno.ts'
import { RLIMIT_SIGPENDING } from '../abi/resources.ts'
import { SI_KERNEL, SI_USER, SIG_DFL, SIG_IGN, SIGCHLD, SIGCONT, SIGKILL, SIGRTMIN, SIGSTOP, SIGURG, SIGWINCH } from '../abi/signals.ts'
import type { Kernel } from '../kernel.ts'
import { isPidNamespaceBelow, shownPid } from '../task/pid-namespace.ts'
import { processGroupMembers } from '../task/process-groups.ts'
import { shownUid } from '../task/user-namespace.ts'
import type { Task, ThreadGroup } from '../task/task.ts'
import { setHas, setRemove, type SignalInfo } from './signal.ts'
import { discardContinue, discardStops, enqueue, isSignalDue, STOP_SIGNALS } from './pending.ts'
import { continueGroup } from './job-control.ts'

export const kernelInfo = (signal: number): SignalInfo => ({ signal, errno: 0, code: SI_KERNEL, detail: { kind: 'kill', pid: 0, uid: 0 } })
export const userInfo = (signal: number, sender: Task): SignalInfo =>
  ({ signal, errno: 0, code: SI_USER, detail: { kind: 'kill', pid: sender.group.tgid, uid: sender.credentials.uid } })

const isTask = (target: Task | ThreadGroup): target is Task => 'tid' in target

/** Signals whose default action is to do nothing. */
const IGNORED_BY_DEFAULT: readonly number[] = [SIGCHLD, SIGCONT, SIGURG, SIGWINCH]
export const isIgnoredByDefault = (signal: number): boolean => IGNORED_BY_DEFAULT.includes(signal)

/** The signal would do nothing: it is dropped when sent, unless blocked (sigtimedwait may want it). */
export const isIgnored = (task: Task, signal: number): boolean => {
  const { handler } = task.actions.table[signal]
  return handler === SIG_IGN || (handler === SIG_DFL && isIgnoredByDefault(signal))
}
const isBlocked = (task: Task, signal: number): boolean => setHas(task.signalMask, signal)

/** The tasks of the group that have not ended. */
export const groupTasks = (kernel: Kernel, group: ThreadGroup): Task[] =>
  group.threads.flatMap((tid) => {
    const task = kernel.state.tasks.get(tid)
    return task === undefined || task.state === 'dead' || task.state === 'zombie' ? [] : [task]
  })

/** Whether any of its tasks has not ended. Only the leader stays in the list when it has. */
export const hasLiveTask = (kernel: Kernel, { threads }: ThreadGroup): boolean => {
  if (threads.length > 1) return true
  const state = threads.length === 0 ? undefined : kernel.state.tasks.get(threads[0])?.state
  return state !== undefined && state !== 'dead' && state !== 'zombie'
}

/** SIGCONT continues and SIGSTOP forgets SIGCONT when sent, whether or not they are blocked or ignored. */
const prepare = (kernel: Kernel, group: ThreadGroup, signal: number): void => {
  if (STOP_SIGNALS.includes(signal)) {
    discardContinue(group.pending)
    for (const task of groupTasks(kernel, group)) discardContinue(task.pending)
  } else if (signal === SIGCONT) {
    discardStops(group.pending)
    for (const task of groupTasks(kernel, group)) discardStops(task.pending)
    continueGroup(kernel, group)
  }
}

/** Makes the task look at its signals: wakes it if it sleeps interruptibly, or in any case for SIGKILL. */
export const notice = (kernel: Kernel, task: Task, isFatal: boolean): void => {
  task.signalDue = true
  if (isFatal && task.trace !== undefined) task.trace.stop = undefined
  if (task.state === 'blocked' && (isFatal || (!task.uninterruptible && isSignalDue(task)))) kernel.wakeTask(task, 'signal')
  else if (task.state === 'stopped' && isFatal) kernel.makeRunnable(task)
}

/** SIGKILL for every task of the group: the way in which a process dies as a whole. */
export const killGroup = (kernel: Kernel, group: ThreadGroup): void => {
  for (const task of groupTasks(kernel, group)) killTask(kernel, task)
}

export const killTask = (kernel: Kernel, task: Task): void => {
  task.pending.set[0] = (task.pending.set[0] | (1 << (SIGKILL - 1))) >>> 0
  notice(kernel, task, true)
}

const takesSignal = (task: Task, signal: number): boolean =>
  !setHas(task.signalMask, signal) && (signal === SIGKILL || task.state !== 'stopped')

/** The task that will act on a signal for the group: the leader if it wants it, else the first that does. */
const chooseTask = (tasks: readonly Task[], preferred: Task | undefined, signal: number): Task | undefined => {
  if (preferred !== undefined && takesSignal(preferred, signal) && preferred.state !== 'dead' && preferred.state !== 'zombie') return preferred
  return tasks.find((task) => takesSignal(task, signal) && !isSignalDue(task)) ?? tasks.find((task) => takesSignal(task, signal))
}

/** How many signals are queued for processes of the user: RLIMIT_SIGPENDING bounds it. Approximated by the group's own. */
const queuedSignals = (kernel: Kernel, group: ThreadGroup): number =>
  groupTasks(kernel, group).reduce((sum, task) => sum + task.pending.queue.length, group.pending.queue.length)

/**
 * Sends a signal to a thread or a process, without asking for permission (see `mayKill`).
 * @returns 0, or −EAGAIN if a real-time signal can't be queued
 */
export const sendSignal = (kernel: Kernel, target: Task | ThreadGroup, signal: number, info: SignalInfo = kernelInfo(signal)): number => {
  const group = isTask(target) ? target.group : target
  const task = isTask(target) ? target : kernel.state.tasks.get(group.tgid)
  if (task === undefined || group.zombie || group.exiting && signal !== SIGKILL) return 0
  prepare(kernel, group, signal)
  if (isProtected(kernel, task, group, signal, info)) return 0
  // A tracer sees even those that do nothing.
  if (signal !== SIGKILL && isIgnored(task, signal) && !isBlocked(task, signal) && task.trace === undefined) return 0
  const pending = isTask(target) ? target.pending : group.pending
  if (signal >= SIGRTMIN && info.code !== SI_USER && info.code < 0 &&
      queuedSignals(kernel, group) >= group.limits[RLIMIT_SIGPENDING][0]) return -EAGAIN
  for (const tracer of kernel.tracers) tracer.signalSent?.(kernel.current, target)
  if (!enqueue(pending, asSeenBy(task, info))) return 0
  kernel.wake(group.signalWait)
  // A task in sigtimedwait for it takes it, though it blocks it otherwise.
  const tasks = isTask(target) ? [target] : groupTasks(kernel, group)
  for (const waiter of tasks) {
    if (waiter.state === 'blocked' && waiter.waitSet !== undefined && setHas(waiter.waitSet, signal)) {
      kernel.wakeTask(waiter, 'signal')
      return 0
    }
  }
  const chosen = isTask(target)
    ? takesSignal(target, signal) ? target : undefined
    : chooseTask(tasks, task, signal)
  if (signal === SIGKILL) {
    killGroup(kernel, group)
    return 0
  }
  if (chosen === undefined) return 0
  // Others of the group may end up taking a shared signal: they all look.
  if (!isTask(target)) for (const other of tasks) other.signalDue = true
  notice(kernel, chosen, false)
  return 0
}

/** Ids as the namespaces of who gets the signal have them. */
const asSeenBy = ({ namespaces: { pid: pids }, credentials: { user } }: Task, info: SignalInfo): SignalInfo => {
  const { detail } = info
  if ((pids.level === 0 && user.level === 0) || !('pid' in detail)) return info
  return { ...info, detail: { ...detail, pid: shownPid(pids, detail.pid), uid: shownUid(user, detail.uid) } }
}

/**
 * The init of a nested namespace gets no signal that it has no handler for, but for SIGKILL and SIGSTOP from outside of it
 * (SIGNAL_UNKILLABLE, sig_task_ignored).
 */
const isProtected = (kernel: Kernel, task: Task, group: ThreadGroup, signal: number, info: SignalInfo): boolean => {
  const { pids } = group
  if (pids.level === 0 || pids.init !== group.tgid || task.actions.table[signal].handler !== SIG_DFL || pids.dead) return false
  const isFromInside = info.code <= 0 && kernel.current !== undefined && isPidNamespaceBelow(kernel.current.namespaces.pid, pids)
  return isFromInside || (signal !== SIGKILL && signal !== SIGSTOP)
}

/** Sends to each process of a process group; returns how many there are. */
export const sendToProcessGroup = (kernel: Kernel, processGroup: number, signal: number, info?: SignalInfo): number => {
  const members = processGroupMembers(kernel, processGroup)
  for (const group of members) sendSignal(kernel, group, signal, info)
  return members.length
}

/**
 * A signal that the task can't escape: one caused by its own instruction. Blocked or ignored, it kills.
 */
export const forceSignal = (kernel: Kernel, task: Task, info: SignalInfo): void => {
  const action = task.actions.table[info.signal]
  if (setHas(task.signalMask, info.signal) || action.handler === SIG_IGN) {
    action.handler = SIG_DFL
    setRemove(task.signalMask, info.signal)
  }
  enqueue(task.pending, info)
  task.signalDue = true
}

/** Kills the task's group with the signal, whatever its actions and mask say. */
export const forceFatal = (kernel: Kernel, task: Task, signal: number): void => {
  task.actions.table[signal].handler = SIG_DFL
  setRemove(task.signalMask, signal)
  forceSignal(kernel, task, kernelInfo(signal))
}
