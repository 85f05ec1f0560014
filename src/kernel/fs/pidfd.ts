/** Process descriptors (pidfd_open(2)): a process by descriptor, readable once it has ended. */
import { O_CLOEXEC, O_NONBLOCK, O_RDWR } from '../abi/fcntl.ts'
import type { Kernel } from '../kernel.ts'
import type { Task, ThreadGroup } from '../task/task.ts'
import { installOrRelease, makeAnonymousFile } from './descriptor.ts'
import { type FileOperations, type OpenFile, POLLHUP, POLLIN, POLLRDNORM } from './file.ts'

export interface ProcessReference {
  readonly kind: 'pidfd'
  readonly pid: number
  readonly group: ThreadGroup
}

export const groupOfFile = (file: OpenFile): ThreadGroup => (file.data as ProcessReference).group

/** A descriptor for the process; always close-on-exec. A negative errno if there is none free. */
export const openProcess = (kernel: Kernel, task: Task, group: ThreadGroup, flags: number): number => {
  const data: ProcessReference = { kind: 'pidfd', pid: group.tgid, group }
  const file = makeAnonymousFile(kernel, task, 'pid', 'anon_inode:[pidfd]', O_RDWR | (flags & O_NONBLOCK), data)
  // Nobody's in particular (pidfs).
  file.inode.uid = file.inode.gid = 0
  file.inode.mode = 0o700
  return installOrRelease(kernel, task, file, (flags & O_CLOEXEC) !== 0)
}

export const processOperations: FileOperations = {
  // There is nothing to read or write, wherever (pidfs).
  positioned: true,
  poll: (kernel, file) => {
    const group = groupOfFile(file)
    if (!group.zombie) return 0
    return POLLIN | POLLRDNORM | (kernel.state.groups.get(group.tgid) === group ? 0 : POLLHUP)
  },
  queues: (_kernel, file) => [groupOfFile(file).ended],
}
