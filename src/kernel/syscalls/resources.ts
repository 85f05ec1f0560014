/** Resource limits and usage, nice values and I/O priorities (getrlimit(2), getrusage(2), getpriority(2), ioprio_set(2)). */
import { CAP_SYS_NICE, CAP_SYS_RESOURCE } from '../abi/capabilities.ts'
import { EACCES, EINVAL, EPERM, ESRCH } from '../abi/errno.ts'
import { int32, uint32, uint64 } from '../abi/numbers.ts'
import { RLIMIT_COUNT, RLIMIT_NICE, RLIMIT_NOFILE } from '../abi/resources.ts'
import { settingNumber } from '../fs/proc/settings.ts'
import type { Kernel } from '../kernel.ts'
import { hasCapability } from '../task/credentials.ts'
import { groupUsage, writeUsage } from '../task/rusage.ts'
import { isOutsideInit, kernelPid, taskBy } from '../task/pid-namespace.ts'
import { hasCapabilityIn, kernelUid } from '../task/user-namespace.ts'
import type { Task, ThreadGroup } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'

// ——— Limits ———

/** fs.nr_open. */
const OPEN_FILES_LIMIT = 1 << 20

const readLimit = (kernel: Kernel, task: Task, address: number): [number, number] => {
  const word = (at: number): number => {
    const value = kernel.user(task).i64(at)
    return value === -1 ? Infinity : uint64(value)
  }
  return [word(address), word(address + 8)]
}
const writeLimit = (kernel: Kernel, task: Task, address: number, limit: readonly [number, number]): void => {
  const user = kernel.user(task)
  for (const [i, value] of limit.entries()) user.setI64(address + i * 8, value === Infinity ? -1 : value)
}

/** do_prlimit: the limit as it was, or a negative errno. */
const changeLimit = (kernel: Kernel, task: Task, group: ThreadGroup, resource: number, next: [number, number] | undefined): [number, number] | number => {
  if (resource >= RLIMIT_COUNT) return -EINVAL
  const old = group.limits[resource]
  if (next !== undefined) {
    if (next[0] > next[1]) return -EINVAL
    if (resource === RLIMIT_NOFILE && next[1] > settingNumber(kernel, 'sys/fs/nr_open', OPEN_FILES_LIMIT)) return -EPERM
    if (next[1] > old[1] && !hasCapability(task, CAP_SYS_RESOURCE)) return -EPERM
    group.limits[resource] = next
  }
  return old
}

const getrlimit = (kernel: Kernel, task: Task, args: Args): number => {
  const limit = changeLimit(kernel, task, task.group, uint32(args[0]), undefined)
  if (typeof limit === 'number') return limit
  writeLimit(kernel, task, uint64(args[1]), limit)
  return 0
}

const setrlimit = (kernel: Kernel, task: Task, args: Args): number => {
  const limit = changeLimit(kernel, task, task.group, uint32(args[0]), readLimit(kernel, task, uint64(args[1])))
  return typeof limit === 'number' ? limit : 0
}

const mayChangeLimits = (task: Task, other: Task): boolean => {
  if (task === other) return true
  const { uid, gid } = task.credentials
  const o = other.credentials
  return (uid === o.euid && uid === o.suid && uid === o.uid && gid === o.egid && gid === o.sgid && gid === o.gid) || hasCapabilityIn(task, o.user, CAP_SYS_RESOURCE)
}

const prlimit = (kernel: Kernel, task: Task, args: Args): number => {
  const pid = int32(args[0])
  const next = args[2] === 0 ? undefined : readLimit(kernel, task, uint64(args[2]))
  const target = pid === 0 ? task : taskBy(kernel, task, pid)
  if (target === undefined) return -ESRCH
  if (!mayChangeLimits(task, target)) return -EPERM
  const limit = changeLimit(kernel, task, target.group, uint32(args[1]), next)
  if (typeof limit === 'number') return limit
  if (args[3] !== 0) writeLimit(kernel, task, uint64(args[3]), limit)
  return 0
}

const RUSAGE_SELF = 0, RUSAGE_CHILDREN = -1, RUSAGE_THREAD = 1

const getrusage = (kernel: Kernel, task: Task, args: Args): number => {
  const who = int32(args[0])
  if (who !== RUSAGE_SELF && who !== RUSAGE_CHILDREN && who !== RUSAGE_THREAD) return -EINVAL
  const usage = who === RUSAGE_SELF ? groupUsage(kernel, task.group)
    : who === RUSAGE_CHILDREN ? task.group.childUsage : { ...task.usage, residentPeak: task.mm.residentPeak }
  writeUsage(kernel, kernel.user(task), uint64(args[1]), usage)
  return 0
}

// ——— Nice values ———

const PRIO_PROCESS = 0, PRIO_PGRP = 1, PRIO_USER = 2
const isAlive = (task: Task): boolean => task.state !== 'zombie' && task.state !== 'dead'

/** The tasks that `which` and `who` name; for process groups and users every thread of every process. */
const targets = (kernel: Kernel, task: Task, which: number, who: number): Task[] => {
  if (which === PRIO_PROCESS) {
    const other = who === 0 ? task : taskBy(kernel, task, who)
    // Also one that has ended, until it is waited for.
    return other === undefined ? [] : [other]
  }
  const all = [...kernel.state.tasks.values()].filter(isAlive)
  if (which === PRIO_PGRP) {
    const processGroup = who === 0 ? task.group.processGroup : kernelPid(task.namespaces.pid, who)
    return all.filter((other) => other.group.processGroup === processGroup)
  }
  const uid = who === 0 ? task.credentials.uid : kernelUid(task.credentials.user, who >>> 0)
  return all.filter((other) => other.namespaces.host === task.namespaces.host && other.credentials.uid === uid)
}

const getpriority = (kernel: Kernel, task: Task, args: Args): number => {
  const which = int32(args[0])
  if (which < PRIO_PROCESS || which > PRIO_USER) return -EINVAL
  const found = targets(kernel, task, which, int32(args[1]))
  if (which === PRIO_PROCESS && isOutsideInit(kernel, task, int32(args[1]))) return 20
  return found.length === 0 ? -ESRCH : Math.max(...found.map((other) => 20 - other.nice))
}

/** Whether the task may have this nice value: RLIMIT_NICE is 20 − the lowest. */
export const mayBeNice = (task: Task, other: Task, nice: number): boolean =>
  20 - nice <= other.group.limits[RLIMIT_NICE][0] || hasCapabilityIn(task, other.credentials.user, CAP_SYS_NICE)

const setpriority = (kernel: Kernel, task: Task, args: Args): number => {
  const which = int32(args[0])
  if (which < PRIO_PROCESS || which > PRIO_USER) return -EINVAL
  const nice = Math.max(-20, Math.min(19, int32(args[2])))
  if (which === PRIO_PROCESS && isOutsideInit(kernel, task, int32(args[1]))) return -EPERM
  let error = -ESRCH
  for (const other of targets(kernel, task, which, int32(args[1]))) {
    const { uid, euid } = other.credentials
    const mine = task.credentials.euid
    if (uid !== mine && euid !== mine && !hasCapability(task, CAP_SYS_NICE)) {
      error = -EPERM
    } else if (nice < other.nice && !mayBeNice(task, other, nice)) {
      error = -EACCES
    } else {
      if (error === -ESRCH) error = 0
      other.nice = nice
      kernel.state.hasPriorities ||= nice !== 0
    }
  }
  return error
}

// ——— I/O priorities ———

const IOPRIO_WHO_PROCESS = 1, IOPRIO_WHO_USER = 3
const CLASS_SHIFT = 13, CLASS_NONE = 0, CLASS_RT = 1, CLASS_BE = 2, CLASS_IDLE = 3, IO_LEVELS = 8

const ioprioSet = (kernel: Kernel, task: Task, args: Args): number => {
  const priority = int32(args[2])
  const level = priority & 0x1fff
  switch (priority >> CLASS_SHIFT) {
    case CLASS_RT:
      if (!hasCapability(task, CAP_SYS_NICE)) return -EPERM
      if (level >= IO_LEVELS) return -EINVAL
      break
    case CLASS_BE:
      if (level >= IO_LEVELS) return -EINVAL
      break
    case CLASS_IDLE: break
    case CLASS_NONE:
      if (level !== 0) return -EINVAL
      break
    default: return -EINVAL
  }
  const which = int32(args[0])
  if (which < IOPRIO_WHO_PROCESS || which > IOPRIO_WHO_USER) return -EINVAL
  const found = targets(kernel, task, which - 1, int32(args[1]))
  if (found.length === 0) return -ESRCH
  for (const other of found) {
    const { uid } = other.credentials
    if (uid !== task.credentials.euid && uid !== task.credentials.uid && !hasCapability(task, CAP_SYS_NICE)) return -EPERM
    other.ioPriority = priority
  }
  return 0
}

/** Without one of its own a task has that of its nice value, in the middle of best effort. */
const effectiveIoPriority = (task: Task): number =>
  task.ioPriority >> CLASS_SHIFT !== CLASS_NONE ? task.ioPriority : CLASS_BE << CLASS_SHIFT | Math.floor((task.nice + 20) / 5)

const ioprioGet = (kernel: Kernel, task: Task, args: Args): number => {
  const which = int32(args[0])
  if (which < IOPRIO_WHO_PROCESS || which > IOPRIO_WHO_USER) return -EINVAL
  const found = targets(kernel, task, which - 1, int32(args[1]))
  if (found.length === 0) return -ESRCH
  return which === IOPRIO_WHO_PROCESS ? found[0].ioPriority : Math.min(...found.map(effectiveIoPriority))
}

export const resourceCalls: readonly SyscallEntry[] = [
  { number: 97, name: 'getrlimit', args: ['resource:enum(RLIMIT)', 'rlim:struct(rlimit)*'], handler: getrlimit, status: 'full' },
  { number: 98, name: 'getrusage', args: ['who:enum(RUSAGE)', 'usage:struct(rusage)*'], handler: getrusage, status: 'full' },
  { number: 140, name: 'getpriority', args: ['which:enum(PRIO)', 'who:pid'], handler: getpriority, status: 'full' },
  { number: 141, name: 'setpriority', args: ['which:enum(PRIO)', 'who:pid', 'prio:int'], handler: setpriority, status: 'full' },
  { number: 160, name: 'setrlimit', args: ['resource:enum(RLIMIT)', 'rlim:struct(rlimit)'], handler: setrlimit, status: 'full' },
  { number: 251, name: 'ioprio_set', args: ['which:int', 'who:pid', 'ioprio:int'], handler: ioprioSet, status: 'full' },
  { number: 252, name: 'ioprio_get', args: ['which:int', 'who:pid'], handler: ioprioGet, status: 'full' },
  { number: 302, name: 'prlimit64', args: ['pid:pid', 'resource:enum(RLIMIT)', 'new:struct(rlimit)', 'old:struct(rlimit)*'], handler: prlimit, status: 'full' },
]
