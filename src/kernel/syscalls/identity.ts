/** Numbers of tasks, process groups and sessions (getpid(2), setpgid(2), setsid(2)). */
import { EACCES, EINVAL, EPERM, ESRCH } from '../abi/errno.ts'
import { int32 } from '../abi/numbers.ts'
import type { Kernel } from '../kernel.ts'
import { groupBy, kernelPid, parentSeenBy, seenBy, taskBy } from '../task/pid-namespace.ts'
import { moveToProcessGroup, sessionOfProcessGroup } from '../task/process-groups.ts'
import type { Task, ThreadGroup } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'

/** The process of a pid, also by a thread's number; the caller's for 0. */
const find = (kernel: Kernel, task: Task, pid: number): ThreadGroup | undefined =>
  pid === 0 ? task.group : groupBy(kernel, task, pid) ?? taskBy(kernel, task, pid)?.group

const shown = (task: Task, pid: number | undefined): number => pid === undefined ? -ESRCH : seenBy(task, pid)

const setpgid = (kernel: Kernel, task: Task, args: Args): number => {
  const pids = task.namespaces.pid
  const pid = int32(args[0]) === 0 ? task.group.tgid : kernelPid(pids, int32(args[0]))
  if (int32(args[1]) < 0) return -EINVAL
  const wanted = int32(args[1]) === 0 ? pid : kernelPid(pids, int32(args[1]))
  const group = kernel.state.groups.get(pid)
  if (group === undefined) return kernel.state.tasks.has(pid) ? -EINVAL : -ESRCH
  const own = task.group
  if (group.parent === own.tgid) {
    if (group.session !== own.session) return -EPERM
    if (group.didExec) return -EACCES
  } else if (group !== own) {
    return -ESRCH
  }
  if (group.session === group.tgid) return -EPERM
  if (wanted !== pid && sessionOfProcessGroup(kernel, wanted) !== own.session) return -EPERM
  moveToProcessGroup(kernel, group, wanted)
  return 0
}

const setsid = (kernel: Kernel, task: Task): number => {
  const { group } = task
  if (group.session === group.tgid || kernel.state.processGroups.members.has(group.tgid)) return -EPERM
  moveToProcessGroup(kernel, group, group.tgid, group.tgid)
  group.controllingTerminal = 0
  return seenBy(task, group.session)
}

export const identityCalls: readonly SyscallEntry[] = [
  { number: 39, name: 'getpid', args: [], handler: (_kernel, task) => seenBy(task, task.group.tgid), status: 'full' },
  { number: 109, name: 'setpgid', args: ['pid:pid', 'pgid:pid'], handler: setpgid, status: 'full' },
  { number: 110, name: 'getppid', args: [], handler: (_kernel, task) => parentSeenBy(task), status: 'full' },
  { number: 111, name: 'getpgrp', args: [], handler: (_kernel, task) => seenBy(task, task.group.processGroup), status: 'full' },
  { number: 112, name: 'setsid', args: [], handler: setsid, status: 'full' },
  { number: 121, name: 'getpgid', args: ['pid:pid'], handler: (kernel, task, args) => shown(task, find(kernel, task, int32(args[0]))?.processGroup), status: 'full' },
  { number: 124, name: 'getsid', args: ['pid:pid'], handler: (kernel, task, args) => shown(task, find(kernel, task, int32(args[0]))?.session), status: 'full' },
  { number: 186, name: 'gettid', args: [], handler: (_kernel, task) => seenBy(task, task.tid), status: 'full' },
]
