/** Process descriptors (pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2)). */
import { EBADF, EINVAL, EPERM, ESRCH } from '../abi/errno.ts'
import { O_CLOEXEC, O_NONBLOCK } from '../abi/fcntl.ts'
import { CAP_SYS_PTRACE } from '../abi/capabilities.ts'
import { int32, uint32 } from '../abi/numbers.ts'
import { SI_TKILL, SIGNAL_COUNT } from '../abi/signals.ts'
import { getAnyFile, getFile, installOrRelease, retainFile } from '../fs/descriptor.ts'
import { groupOfFile, openProcess } from '../fs/pidfd.ts'
import type { Kernel } from '../kernel.ts'
import { mayKill } from '../signal/permission.ts'
import { sendSignal, userInfo } from '../signal/send.ts'
import { checkSiginfo, readSiginfo, SIGINFO_SIZE } from '../signal/siginfo.ts'
import { mayAccessTask } from '../task/credentials.ts'
import { groupBy, taskBy } from '../task/pid-namespace.ts'
import type { Task, ThreadGroup } from '../task/task.ts'
import type { Args, SyscallEntry } from './entry.ts'

const pidfdOpen = (kernel: Kernel, task: Task, args: Args): number => {
  const pid = int32(args[0]), flags = uint32(args[1])
  if ((flags & ~O_NONBLOCK) !== 0 || pid <= 0) return -EINVAL
  const group = groupBy(kernel, task, pid)
  if (group === undefined) return taskBy(kernel, task, pid) !== undefined ? -EINVAL : -ESRCH
  return openProcess(kernel, task, group, flags | O_CLOEXEC)
}

/** Of a process descriptor; a directory of /proc does as well for sending signals, as before there were any. */
const processOf = (kernel: Kernel, task: Task, fd: number, allowsProc: boolean): ThreadGroup | undefined => {
  const file = getFile(task, fd)
  if (file?.kind === 'pid') return groupOfFile(file)
  const inode = file?.inode
  return allowsProc && inode?.kind === 'directory' && inode.node?.entry === 'PID' ? kernel.state.groups.get(inode.node.tgid) : undefined
}

const isReaped = (kernel: Kernel, group: ThreadGroup): boolean => kernel.state.groups.get(group.tgid) !== group

const pidfdSendSignal = (kernel: Kernel, task: Task, args: Args): number => {
  const signal = int32(args[1])
  if (uint32(args[3]) !== 0) return -EINVAL
  const group = processOf(kernel, task, int32(args[0]), true)
  if (group === undefined) return -EBADF
  let info = userInfo(signal, task)
  if (args[2] !== 0) {
    const bytes = kernel.user(task).read(args[2], SIGINFO_SIZE)
    const wrong = checkSiginfo(bytes, signal)
    if (wrong !== 0) return wrong
    info = readSiginfo(bytes, signal)
    if (new DataView(bytes.buffer).getInt32(0, true) !== signal) return -EINVAL
    if (group !== task.group && (info.code >= 0 || info.code === SI_TKILL)) return -EPERM
  }
  if (isReaped(kernel, group)) return -ESRCH
  if (signal < 0 || signal > SIGNAL_COUNT) return -EINVAL
  if (!mayKill(kernel, task, group, signal)) return -EPERM
  return signal === 0 ? 0 : sendSignal(kernel, group, signal, info)
}

const pidfdGetfd = (kernel: Kernel, task: Task, args: Args): number => {
  if (uint32(args[2]) !== 0) return -EINVAL
  const group = processOf(kernel, task, int32(args[0]), false)
  if (group === undefined) return -EBADF
  const other = kernel.state.tasks.get(group.tgid)
  if (other === undefined || other.state === 'zombie' || isReaped(kernel, group)) return -ESRCH
  if (!mayAccessTask(task, other, CAP_SYS_PTRACE)) return -EPERM
  const file = getAnyFile(other, int32(args[1]))
  if (file === undefined) return -EBADF
  retainFile(file)
  return installOrRelease(kernel, task, file, true)
}

export const pidfdCalls: readonly SyscallEntry[] = [
  { number: 424, name: 'pidfd_send_signal', args: ['pidfd:fd', 'sig:signal', 'info:struct(siginfo)', 'flags:uint'], handler: pidfdSendSignal, status: 'full' },
  { number: 434, name: 'pidfd_open', args: ['pid:pid', 'flags:flags(O_)'], handler: pidfdOpen, status: 'full', note: 'fstat shows its file as Linux 6.9 does (pidfs)' },
  { number: 438, name: 'pidfd_getfd', args: ['pidfd:fd', 'fd:fd', 'flags:uint'], handler: pidfdGetfd, status: 'full' },
]
