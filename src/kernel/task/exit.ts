/**
 * Ends of tasks and processes (Linux's kernel/exit.c).
 *
 * A thread that ends is gone; a group's leader stays as a zombie until all its threads have ended and the parent has waited.
 */
import { CLD_DUMPED, CLD_EXITED, CLD_KILLED, SA_NOCLDWAIT, SIG_IGN, SIGCHLD, SIGKILL, SIGNAL_COUNT } from '../abi/signals.ts'
import { leaveDescriptors } from '../fs/descriptor.ts'
import { leavePathContext } from '../fs/path.ts'
import { leaveMountNamespace } from '../fs/mounts.ts'
import { leaveTerminal } from '../fs/tty-jobs.ts'
import { exitSemaphores } from '../ipc/semaphores.ts'
import { mainEnded } from '../hosts.ts'
import type { Kernel } from '../kernel.ts'
import { releaseSpace } from '../mm/space.ts'
import { BadAddress } from '../mm/user-memory.ts'
import { afterTaskLeft, killOrphaned } from '../signal/job-control.ts'
import { groupTasks, hasLiveTask, killGroup, killTask, sendSignal } from '../signal/send.ts'
import { childInfo } from '../signal/siginfo.ts'
import { disarm } from '../time/timer-queue.ts'
import { deletePosixTimers } from '../time/posix-timers.ts'
import { addUsage, noUsage } from './create.ts'
import { exitLocks, removeWaiter, wakeFutexWord } from './futex.ts'
import { isPidNamespaceBelow, leavePidNamespaces, type PidNamespace } from './pid-namespace.ts'
import { isNumberOfProcessGroup, removeGroup } from './process-groups.ts'
import { exitRobustList } from './robust-list.ts'
import type { Task, ThreadGroup } from './task.ts'
import { leaveQueue } from '../wait-queue.ts'
import { detach, traceeEnded, tracerEnded } from './trace.ts'

/** Orphans are the children of a process that is not in the world: it reaps at once. */
const INIT_PID = 1
/** The parent of the first process is in another pid namespace, as it were. */
export const OUTSIDE_PID = 0

/** Wait statuses (wait(2)). */
export const exitStatus = (code: number): number => (code & 0xff) << 8
export const signalStatus = (signal: number): number => signal & 0x7f

/** The task leaves its address space, to end or to run another program: what others wait for there is settled first. */
export const leaveSpace = (kernel: Kernel, task: Task): void => {
  exitRobustList(kernel, task)
  exitLocks(kernel, task)
  const { mm } = task
  const { clearChildTid } = task
  task.clearChildTid = 0
  if (clearChildTid !== 0 && mm.users > 1) {
    try {
      kernel.user(task).setU32(clearChildTid, 0)
    } catch (error) {
      if (!(error instanceof BadAddress)) throw error
    }
    wakeFutexWord(kernel, mm, clearChildTid, 1)
  }
  if (task.vforkParent !== 0) {
    task.vforkParent = 0
    kernel.wake(task.vforkDone)
  }
  task.group.usage.residentPeak = Math.max(task.group.usage.residentPeak, mm.residentPeak)
  releaseSpace(kernel, mm)
}

/** Takes a zombie off the world's books; its number may be used again. */
export const reapGroup = (kernel: Kernel, group: ThreadGroup): void => {
  const { groups, tasks } = kernel.state
  const parent = groups.get(group.parent)
  if (parent !== undefined) parent.children.splice(parent.children.indexOf(group.tgid), 1)
  removeGroup(kernel, group)
  const leader = tasks.get(group.tgid)
  if (leader !== undefined) {
    leader.state = 'dead'
    tasks.delete(group.tgid)
  }
  if (group.pids.level > 0) numberIsFree(kernel, group)
}

/** Numbers in nested namespaces are free, unless a process group or session is still known by them. An init that waits for it may go on. */
const numberIsFree = (kernel: Kernel, group: ThreadGroup): void => {
  const { groups } = kernel.state
  const { tgid } = group
  if (!isNumberOfProcessGroup(kernel, tgid)) leavePidNamespaces(group.pids, tgid)
  for (let at: PidNamespace | undefined = group.pids; at !== undefined && at.level > 0; at = at.parent) {
    const init = at.dead && at.init !== tgid ? groups.get(at.init) : undefined
    if (init?.endsLast === true && !hasOthers(kernel, at, init, group)) {
      init.endsLast = false
      endGroup(kernel, init, init.exitStatus)
    }
  }
}

const hasOthers = (kernel: Kernel, pids: PidNamespace, init: ThreadGroup, without?: ThreadGroup): boolean => {
  for (const group of kernel.state.groups.values()) {
    if (group !== init && group !== without && isPidNamespaceBelow(group.pids, pids)) return true
  }
  return false
}

/** With its init a namespace's processes end (zap_pid_ns_processes). @returns whether there are any, which it waits for */
const endNamespace = (kernel: Kernel, init: ThreadGroup): boolean => {
  const { pids } = init
  pids.dead = true
  for (const group of [...kernel.state.groups.values()]) {
    if (group === init || !isPidNamespaceBelow(group.pids, pids)) continue
    if (group.zombie) {
      if (group.parent === init.tgid) reapGroup(kernel, group)
    } else {
      sendSignal(kernel, group, SIGKILL)
      killGroup(kernel, group)
    }
  }
  return hasOthers(kernel, pids, init)
}

const isInit = (group: ThreadGroup): boolean => group.pids.level > 0 && group.pids.init === group.tgid

/** Children of a group that ends go to the nearest subreaper above it in its namespace of processes, or to init. */
const reparentChildren = (kernel: Kernel, group: ThreadGroup): void => {
  const { groups, tasks } = kernel.state
  let reaper = groups.get(group.parent)
  while (reaper !== undefined && (!reaper.childSubreaper || reaper.zombie || reaper.pids !== group.pids)) reaper = groups.get(reaper.parent)
  if (reaper === undefined && group.pids.init !== 0 && group.pids.init !== group.tgid) reaper = groups.get(group.pids.init)
  for (const pid of group.children.splice(0)) {
    const child = groups.get(pid)
    if (child === undefined) continue
    child.parent = reaper?.tgid ?? INIT_PID
    reaper?.children.push(pid)
    for (const tid of child.threads) {
      const task = tasks.get(tid)
      if (task !== undefined && task.parentDeathSignal !== 0 && !child.zombie) {
        sendSignal(kernel, task, task.parentDeathSignal)
      }
    }
    if (child.zombie) tellOfExit(kernel, child)
    killOrphaned(kernel, child, group)
  }
}

/** Tells the parent, or reaps at once if nobody will wait (do_notify_parent). */
const tellOfExit = (kernel: Kernel, group: ThreadGroup): void => {
  const parent = kernel.state.groups.get(group.parent)
  if (parent === undefined || parent.endsLast) {
    reapGroup(kernel, group)
    return
  }
  const status = group.exitStatus
  const signal = status & 0x7f
  const code = signal === 0 ? CLD_EXITED : (status & 0x80) !== 0 ? CLD_DUMPED : CLD_KILLED
  const action = kernel.state.tasks.get(parent.tgid)?.actions.table[SIGCHLD]
  const isIgnored = group.exitSignal === SIGCHLD && action !== undefined &&
    (action.handler === SIG_IGN || (action.flags & SA_NOCLDWAIT) !== 0)
  // clone(2) takes any low byte as the signal; only real ones are sent.
  if (group.exitSignal !== 0 && group.exitSignal <= SIGNAL_COUNT && !(isIgnored && action.handler === SIG_IGN)) {
    sendSignal(kernel, parent, group.exitSignal, childInfo(kernel, group, code, signal === 0 ? status >> 8 : signal, group.exitSignal))
  }
  if (isIgnored) reapGroup(kernel, group)
  kernel.wake(parent.childChange)
}

const endGroup = (kernel: Kernel, group: ThreadGroup, lastStatus: number): void => {
  const { state } = kernel
  // Without exit_group the last task to end decides (synchronize_group_exit, since Linux 5.19).
  if (!group.exiting) group.exitStatus = lastStatus
  group.zombie = true
  kernel.wake(group.ended)
  disarm(state.timers, group.realTimer)
  deletePosixTimers(kernel, group)
  mainEnded(kernel, group.tgid, group.exitStatus)
  if (group.session === group.tgid) leaveTerminal(kernel, group, true)
  killOrphaned(kernel, group, state.groups.get(group.parent), group)
  tracerEnded(kernel, group)
  reparentChildren(kernel, group)
  tellOfExit(kernel, group)
}

/** Ends the task that is running. `status` is a wait status. */
export const exitTask = (kernel: Kernel, task: Task, status: number): void => {
  const { group, tid } = task
  const { state } = kernel
  const memory = task.syscall?.memory
  if (isFutexWaiter(memory)) removeWaiter(kernel, memory)
  task.syscall = undefined
  task.restart = undefined
  task.exitStatus = status
  disarm(state.timers, task.sleep)
  kernel.outside.observer.onTaskExit(state.cycle, tid, status)
  for (const tracer of kernel.tracers) tracer.taskEnds?.(task)
  leaveSpace(kernel, task)
  exitSemaphores(kernel, task)
  leaveDescriptors(kernel, task)
  leavePathContext(kernel, task)
  traceeEnded(kernel, task, status)
  addUsage(group.usage, task.usage)
  Object.assign(task.usage, noUsage())
  const isLeader = tid === group.tgid
  task.state = isLeader ? 'zombie' : 'dead'
  kernel.forget(task)
  if (!isLeader) {
    group.threads.splice(group.threads.indexOf(tid), 1)
    state.tasks.delete(tid)
    if (group.pids.level > 0) leavePidNamespaces(group.pids, tid)
  }
  if (task.namespaces.mount !== state.hosts[task.namespaces.host].namespaces?.mount) leaveMountNamespace(kernel, task)
  kernel.wake(group.threadExit)
  if (hasLiveTask(kernel, group)) {
    afterTaskLeft(kernel, group)
    return
  }
  if (isInit(group) && endNamespace(kernel, group)) {
    if (!group.exiting) group.exitStatus = status
    group.exiting = true
    group.endsLast = true
    return
  }
  endGroup(kernel, group, status)
}

/** All tasks of a host are gone at once, without a last word to anybody. */
export const endAbruptly = (kernel: Kernel, host: number): void => {
  const { state } = kernel
  const victims = [...state.tasks.values()].filter((task) => task.namespaces.host === host)
  // Nothing that goes may wake one of them any more.
  for (const task of victims) {
    for (const queue of task.blockedOn) leaveQueue(queue, task.tid)
    task.blockedOn.length = 0
    disarm(state.timers, task.sleep)
    const place = state.runqueue.indexOf(task.tid)
    if (place >= 0) state.runqueue.splice(place, 1)
    const cpu = state.cpus.find(({ tid }) => tid === task.tid)
    if (cpu !== undefined) cpu.tid = 0
    task.syscall = undefined
  }
  const dead = new Set(victims.map(({ tid }) => tid))
  for (const list of [...state.futexes.waiters.values()]) for (const waiter of [...list]) if (dead.has(waiter.tid)) removeWaiter(kernel, waiter)
  for (const task of victims) {
    const { group, tid } = task
    const wasAlive = task.state !== 'zombie'
    detach(kernel, task)
    if (wasAlive) {
      kernel.outside.observer.onTaskExit(state.cycle, tid, signalStatus(SIGKILL))
      releaseSpace(kernel, task.mm)
      leaveDescriptors(kernel, task)
      leavePathContext(kernel, task)
    }
    task.state = 'dead'
    kernel.forget(task)
    state.tasks.delete(tid)
    if (tid !== group.tgid) continue
    disarm(state.timers, group.realTimer)
    deletePosixTimers(kernel, group)
    removeGroup(kernel, group)
  }
}

const isFutexWaiter = (memory: unknown): memory is Parameters<typeof removeWaiter>[1] =>
  typeof memory === 'object' && memory !== null && 'key' in memory && 'woken' in memory && 'lock' in memory

/** exit_group(2), or a fatal signal: the running task ends, the others of its group as soon as they run. */
export const exitGroup = (kernel: Kernel, task: Task, status: number): void => {
  const { group } = task
  if (!group.exiting) {
    group.exiting = true
    group.exitStatus = status
    group.stopSignal = 0
    for (const other of groupTasks(kernel, group)) if (other !== task) killTask(kernel, other)
  }
  exitTask(kernel, task, group.exitStatus)
}
