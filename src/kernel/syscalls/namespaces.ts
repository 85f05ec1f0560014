/** unshare(2) and setns(2): what tasks share can be parted; there are no namespaces but the first ones. */
import { EBADF, EINVAL, EPERM } from '../abi/errno.ts'
import { int32, uint32 } from '../abi/numbers.ts'
import { CAP_SYS_ADMIN } from '../abi/capabilities.ts'
import { getFile, unshareDescriptors } from '../fs/descriptor.ts'
import { copyPathContext, leavePathContext } from '../fs/path.ts'
import { leaveUndoList } from '../ipc/semaphores.ts'
import type { Kernel } from '../kernel.ts'
import { hasCapability } from '../task/credentials.ts'
import { CLONE_FILES, CLONE_FS, CLONE_NEWTIME, CLONE_SIGHAND, CLONE_SYSVSEM, CLONE_THREAD, CLONE_VM, NAMESPACES } from '../task/fork.ts'
import type { Task } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'

const KNOWN = CLONE_THREAD | CLONE_FS | CLONE_SIGHAND | CLONE_VM | CLONE_FILES | CLONE_SYSVSEM | NAMESPACES | CLONE_NEWTIME

const unshare = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = uint32(args[0])
  if ((flags & ~KNOWN) !== 0) return -EINVAL
  // Threads, handlers and memory can't be parted once they are shared (check_unshare_flags).
  if ((flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)) !== 0 && task.group.threads.length > 1) return -EINVAL
  if ((flags & (CLONE_SIGHAND | CLONE_VM)) !== 0 && task.mm.users > 1) return -EINVAL
  if ((flags & (NAMESPACES | CLONE_NEWTIME)) !== 0) return hasCapability(task, CAP_SYS_ADMIN) ? -EINVAL : -EPERM
  if ((flags & CLONE_FS) !== 0 && task.fs.users > 1) {
    const own = copyPathContext(kernel, task.fs)
    leavePathContext(kernel, task)
    task.fs = own
  }
  if ((flags & CLONE_FILES) !== 0) unshareDescriptors(kernel, task)
  if ((flags & CLONE_SYSVSEM) !== 0) leaveUndoList(kernel, task)
  return 0
}

const setns = (_kernel: Kernel, task: Task, args: Args): number => {
  const file = getFile(task, int32(args[0]))
  if (file === undefined) return -EBADF
  return file.kind === 'pid' && !hasCapability(task, CAP_SYS_ADMIN) ? -EPERM : -EINVAL
}

export const namespaceCalls: readonly SyscallEntry[] = [
  { number: 272, name: 'unshare', args: ['flags:flags(CLONE_)'], handler: unshare, status: 'partial', note: 'no namespaces: EINVAL or EPERM' },
  { number: 308, name: 'setns', args: ['fd:fd', 'type:flags(CLONE_)'], handler: setns, status: 'partial', note: 'no namespaces: EINVAL' },
]
