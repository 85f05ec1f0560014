/** Signal masks for the time of a call (ppoll, pselect6, epoll_pwait): put in place first, taken back unless a signal ends the call. */
import { EINVAL } from '../abi/errno.ts'
import type { Kernel } from '../kernel.ts'
import { UNBLOCKABLE } from '../signal/pending.ts'
import type { Task } from '../task/task.ts'

/** sizeof(sigset_t) of the kernel. */
const SIGSET_SIZE = 8

/** On the first try of a call. A null address leaves the mask. @returns 0 or −EINVAL @throws BadAddress */
export const installMask = (kernel: Kernel, task: Task, address: number, size: number): number => {
  if (address === 0) return 0
  if (size !== SIGSET_SIZE) return -EINVAL
  const user = kernel.user(task)
  const low = user.u32(address)
  const high = user.u32(address + 4)
  task.savedMask = task.signalMask
  task.signalMask = [(low & ~UNBLOCKABLE) >>> 0, high]
  task.signalDue = true
  return 0
}

/** When the call ends by itself: what came meanwhile is looked at with the old mask. */
export const restoreMask = (task: Task): void => {
  if (task.savedMask === undefined) return
  task.signalMask = task.savedMask
  task.savedMask = undefined
  task.signalDue = true
}
