/** Who may send signals to whom (kill(2)). */
import { CAP_KILL } from '../abi/capabilities.ts'
import { SIGCONT } from '../abi/signals.ts'
import type { Kernel } from '../kernel.ts'
import { hasCapabilityIn } from '../task/user-namespace.ts'
import type { Task, ThreadGroup } from '../task/task.ts'

/** Whether credentials let the task send the signal (check_kill_permission). */
export const mayKill = (kernel: Kernel, sender: Task, group: ThreadGroup, signal: number): boolean => {
  if (sender.group === group) return true
  const target = kernel.state.tasks.get(group.tgid)
  if (target === undefined) return false
  const own = sender.credentials, their = target.credentials
  if (own.euid === their.suid || own.euid === their.uid || own.uid === their.suid || own.uid === their.uid) return true
  return hasCapabilityIn(sender, their.user, CAP_KILL) || (signal === SIGCONT && sender.group.session === group.session)
}
