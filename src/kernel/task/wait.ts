/** Waiting for children (wait(2); Linux's do_wait): what is there to be told of which child. */
import { CLD_CONTINUED, CLD_DUMPED, CLD_EXITED, CLD_KILLED, CLD_STOPPED, CLD_TRAPPED, SIGCHLD, SIGCONT } from '../abi/signals.ts'
import { ECHILD } from '../abi/errno.ts'
import type { Kernel } from '../kernel.ts'
import { addUsage, noUsage } from './create.ts'
import { reapGroup } from './exit.ts'
import { shownPid } from './pid-namespace.ts'
import type { Task, ThreadGroup, Usage } from './task.ts'

export const WNOHANG = 1, WUNTRACED = 2, WSTOPPED = 2, WEXITED = 4, WCONTINUED = 8, WNOWAIT = 0x100_0000, WNOTHREAD = 0x2000_0000,
  WALL = 0x4000_0000, WCLONE = 0x8000_0000
export const P_ALL = 0, P_PID = 1, P_PGID = 2, P_PIDFD = 3

export interface WaitRequest {
  /** P_ALL, P_PID, P_PGID and its number. */
  readonly type: number
  readonly id: number
  /** W*. */
  readonly options: number
}

export interface WaitReport {
  /** As who waits knows it. */
  readonly pid: number
  readonly uid: number
  /** As wait4 gives it. */
  readonly status: number
  /** As siginfo has it: CLD_*, and exit code or signal. */
  readonly code: number
  readonly value: number
  readonly usage: Usage
}

const isWanted = (child: ThreadGroup, { type, id, options }: WaitRequest): boolean => {
  if (type === P_PID && child.tgid !== id) return false
  if (type === P_PGID && child.processGroup !== id) return false
  // 'Clone' children are those that don't send SIGCHLD.
  return (options & WALL) !== 0 || (child.exitSignal !== SIGCHLD) === ((options & WCLONE) !== 0)
}

const report = (kernel: Kernel, parent: ThreadGroup, child: ThreadGroup, status: number, code: number, value: number): WaitReport => {
  const uid = kernel.state.tasks.get(child.tgid)?.credentials.uid ?? 0
  const usage = { ...child.usage }
  for (const tid of child.threads) {
    const task = kernel.state.tasks.get(tid)
    if (task !== undefined) addUsage(usage, task.usage)
  }
  // wait4's rusage has the child's own waited-for children in it.
  addUsage(usage, child.childUsage)
  return { pid: shownPid(parent.pids, child.tgid), uid, status, code, value, usage }
}

const exitReport = (kernel: Kernel, parent: ThreadGroup, child: ThreadGroup): WaitReport => {
  const { exitStatus: status } = child
  const signal = status & 0x7f
  return signal === 0 ? report(kernel, parent, child, status, CLD_EXITED, status >> 8)
    : report(kernel, parent, child, status, (status & 0x80) !== 0 ? CLD_DUMPED : CLD_KILLED, signal)
}

/** What a child has to tell, which is then told unless WNOWAIT. */
const collect = (kernel: Kernel, parent: ThreadGroup, child: ThreadGroup, options: number): WaitReport | undefined => {
  const keeps = (options & WNOWAIT) !== 0
  if (child.zombie) {
    if ((options & WEXITED) === 0) return undefined
    const told = exitReport(kernel, parent, child)
    if (!keeps) {
      addUsage(parent.childUsage, told.usage)
      reapGroup(kernel, child)
    }
    return told
  }
  if (child.stopReport !== 0 && (options & WSTOPPED) !== 0) {
    const signal = child.stopReport
    if (!keeps) child.stopReport = -signal
    if (signal > 0) return report(kernel, parent, child, (signal << 8) | 0x7f, CLD_STOPPED, signal)
  }
  if (child.continueReport && (options & WCONTINUED) !== 0) {
    if (!keeps) child.continueReport = false
    return report(kernel, parent, child, 0xffff, CLD_CONTINUED, SIGCONT)
  }
  return undefined
}

const isWantedTask = (tid: number, processGroup: number, { type, id }: WaitRequest): boolean =>
  type === P_ALL || (type === P_PID ? tid === id : processGroup === id)

/** What the first tracee that has something to tell tells; 0 if there are tracees; −ECHILD if there are none. */
const pollTracees = (kernel: Kernel, group: ThreadGroup, request: WaitRequest): WaitReport | number => {
  if (group.tracees.length === 0 && group.traceeExits.length === 0) return -ECHILD
  let found = false
  const keeps = (request.options & WNOWAIT) !== 0
  for (const [at, { tid, shown, status, uid }] of group.traceeExits.entries()) {
    if (!isWantedTask(tid, -1, request)) continue
    found = true
    if ((request.options & WEXITED) === 0) continue
    if (!keeps) group.traceeExits.splice(at, 1)
    const signal = status & 0x7f
    return { pid: shown, uid, status, code: signal === 0 ? CLD_EXITED : CLD_KILLED, value: signal === 0 ? status >> 8 : signal, usage: noUsage() }
  }
  for (const tid of group.tracees) {
    const task = kernel.state.tasks.get(tid)
    const trace = task?.trace
    if (task === undefined || trace === undefined || !isWantedTask(tid, task.group.processGroup, request)) continue
    found = true
    const { stop } = trace
    if (stop === undefined || trace.told) continue
    if (!keeps) trace.told = true
    return { pid: shownPid(group.pids, tid), uid: task.credentials.uid, status: stop.code << 8 | 0x7f, code: CLD_TRAPPED, value: stop.code, usage: noUsage() }
  }
  return found ? 0 : -ECHILD
}

/** What the first child that has something to tell tells; −ECHILD if no child is waited for; 0 if all have nothing yet. */
export const pollChildren = (kernel: Kernel, task: Task, request: WaitRequest): WaitReport | number => {
  const { group } = task
  let found = false
  const traced = pollTracees(kernel, group, request)
  if (typeof traced !== 'number') return traced
  if (traced === 0) found = true
  // One that is asked for by its number need not be looked for among the others.
  for (const pid of request.type === P_PID ? [request.id] : group.children) {
    const child = kernel.state.groups.get(pid)
    if (child?.parent !== group.tgid || !isWanted(child, request)) continue
    found = true
    const told = collect(kernel, group, child, request.options)
    if (told !== undefined) return told
  }
  return found ? 0 : -ECHILD
}
