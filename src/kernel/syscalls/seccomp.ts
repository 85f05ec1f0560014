/** seccomp(2), and prctl(2)'s older way to it. What it does to system calls is in `../task/seccomp.ts`. */
import { hasCapabilityIn } from '../task/user-namespace.ts'
import { CAP_SYS_ADMIN } from '../abi/capabilities.ts'
import { EACCES, EINVAL, ENOMEM, EOPNOTSUPP, ESRCH } from '../abi/errno.ts'
import { uint32, uint64 } from '../abi/numbers.ts'
import type { Kernel } from '../kernel.ts'
import {
  isValidFilter, SECCOMP_MODE_FILTER, SECCOMP_MODE_STRICT, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_PROCESS,
  SECCOMP_RET_KILL_THREAD, SECCOMP_RET_LOG, SECCOMP_RET_TRAP, type Seccomp, type SeccompFilter,
} from '../task/seccomp.ts'
import type { Task } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'

const SET_MODE_STRICT = 0, SET_MODE_FILTER = 1, GET_ACTION_AVAIL = 2, GET_NOTIF_SIZES = 3
const FLAG_TSYNC = 1, FLAG_LOG = 2, FLAG_SPEC_ALLOW = 4, FLAG_TSYNC_ESRCH = 16
/** SECCOMP_FILTER_FLAG_NEW_LISTENER is not there: nobody could answer for a call. */
const KNOWN_FLAGS = FLAG_TSYNC | FLAG_LOG | FLAG_SPEC_ALLOW | FLAG_TSYNC_ESRCH
const PROGRAM_LIMIT = 4096
/** Of all filters of a task, each counted with four more. */
const TOTAL_LIMIT = 32_768, OVERHEAD = 4
const ACTIONS: readonly number[] = [SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO, SECCOMP_RET_LOG, SECCOMP_RET_ALLOW]

export const setStrict = (task: Task): number => {
  if (task.seccomp !== undefined && task.seccomp.mode !== SECCOMP_MODE_STRICT) return -EINVAL
  task.seccomp = { mode: SECCOMP_MODE_STRICT, filters: [] }
  return 0
}

const readFilter = (kernel: Kernel, task: Task, address: number): SeccompFilter | number => {
  const user = kernel.user(task)
  const count = user.u16(address)
  const program = uint64(user.i64(address + 8))
  if (count === 0 || count > PROGRAM_LIMIT) return -EINVAL
  if (!task.noNewPrivileges && !hasCapabilityIn(task, task.credentials.user, CAP_SYS_ADMIN)) return -EACCES
  const view = new DataView(user.read(program, count * 8).buffer)
  const filter = Uint32Array.from({ length: count * 2 }, (_, i) => view.getUint32(i * 4, true))
  return isValidFilter(filter) ? filter : -EINVAL
}

/** Whether `old` is what a task has that was started before the newer filters were: it can be brought up to date. */
const isAncestor = (old: Seccomp | undefined, current: Seccomp | undefined): boolean => {
  if (old === undefined) return true
  const mine = current?.filters ?? []
  return old.mode === SECCOMP_MODE_FILTER && old.filters.every((filter, i) => filter === mine[mine.length - old.filters.length + i])
}

export const addFilter = (kernel: Kernel, task: Task, address: number, flags: number): number => {
  if ((flags & ~KNOWN_FLAGS) !== 0) return -EINVAL
  const filter = readFilter(kernel, task, address)
  if (typeof filter === 'number') return filter
  if (task.seccomp !== undefined && task.seccomp.mode !== SECCOMP_MODE_FILTER) return -EINVAL
  const older = task.seccomp?.filters ?? []
  if (older.reduce((sum, f) => sum + f.length / 2 + OVERHEAD, filter.length / 2) > TOTAL_LIMIT) return -ENOMEM
  const others = (flags & FLAG_TSYNC) === 0 ? [] : task.group.threads.flatMap((tid) => {
    const other = kernel.state.tasks.get(tid)
    return other === undefined || other === task || other.state === 'zombie' || other.state === 'dead' ? [] : [other]
  })
  for (const other of others) {
    if (!isAncestor(other.seccomp, task.seccomp)) return (flags & FLAG_TSYNC_ESRCH) !== 0 ? -ESRCH : other.tid
  }
  task.seccomp = { mode: SECCOMP_MODE_FILTER, filters: [filter, ...older] }
  for (const other of others) {
    other.seccomp = task.seccomp
    if (task.noNewPrivileges) other.noNewPrivileges = true
  }
  return 0
}

const seccomp = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = uint32(args[1])
  const address = uint64(args[2])
  const user = kernel.user(task)
  switch (uint32(args[0])) {
    case SET_MODE_STRICT: return flags !== 0 || address !== 0 ? -EINVAL : setStrict(task)
    case SET_MODE_FILTER: return addFilter(kernel, task, address, flags)
    case GET_ACTION_AVAIL:
      if (flags !== 0) return -EINVAL
      return ACTIONS.includes(user.u32(address)) ? 0 : -EOPNOTSUPP
    case GET_NOTIF_SIZES:
      if (flags !== 0) return -EINVAL
      for (const [i, size] of [80, 24, 64].entries()) user.setU16(address + i * 2, size)
      return 0
    default: return -EINVAL
  }
}

export const seccompCalls: readonly SyscallEntry[] = [
  { number: 317, name: 'seccomp', args: ['operation:uint', 'flags:uint', 'args:pointer'], handler: seccomp, status: 'partial', note: 'no SECCOMP_RET_USER_NOTIF: SECCOMP_FILTER_FLAG_NEW_LISTENER gives EINVAL' },
]
