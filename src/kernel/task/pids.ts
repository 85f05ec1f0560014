/** Numbers of tasks, process groups and sessions. */
import type { Kernel } from '../kernel.ts'
import { leavePidNamespaces } from './pid-namespace.ts'
import { isNumberOfProcessGroup } from './process-groups.ts'

const PID_LIMIT = 32_768
/** After the first round, numbers below are left alone (RESERVED_PIDS). */
const RESERVED = 300

export const isPidUsed = (kernel: Kernel, pid: number): boolean =>
  kernel.state.tasks.has(pid) || kernel.state.groups.has(pid) || isNumberOfProcessGroup(kernel, pid)

/** The next free number, 0 if there is none. */
export const allocatePid = (kernel: Kernel): number => {
  const { state } = kernel
  for (let tries = 0; tries < PID_LIMIT; tries++) {
    state.lastPid = state.lastPid + 1 >= PID_LIMIT ? RESERVED : state.lastPid + 1
    if (isPidUsed(kernel, state.lastPid)) continue
    // What was left of a number that stood for a process group or session whose leader was gone.
    for (const namespace of state.pidNamespaces) if (namespace.shown.has(state.lastPid)) leavePidNamespaces(namespace, state.lastPid)
    return state.lastPid
  }
  return 0
}
