/** unshare(2) and setns(2): leaving what tasks share, and entering namespaces (kernel/fork.c, kernel/nsproxy.c). */
import { EBADF, EINVAL, EMFILE, EPERM, ESRCH, EUSERS } from '../abi/errno.ts'
import { int32, uint32 } from '../abi/numbers.ts'
import { CAP_SYS_ADMIN, CAP_SYS_CHROOT, CAP_SYS_PTRACE } from '../abi/capabilities.ts'
import { getFile, unshareDescriptors } from '../fs/descriptor.ts'
import { settingNumber } from '../fs/proc/settings.ts'
import { namespaceFlag, namespaceOfFile } from '../fs/namespace-files.ts'
import { leaveMountNamespace } from '../fs/mounts.ts'
import { copyPathContext, leavePathContext } from '../fs/path.ts'
import { groupOfFile } from '../fs/pidfd.ts'
import { rootContext } from '../fs/setup.ts'
import { leaveUndoList } from '../ipc/semaphores.ts'
import type { Kernel } from '../kernel.ts'
import {
  CLONE_FILES, CLONE_FS, CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER, CLONE_NEWUTS,
  CLONE_SIGHAND, CLONE_SYSVSEM, CLONE_THREAD, CLONE_VM, NAMESPACES,
} from '../task/clone-flags.ts'
import { mayAccessTask, setCredentials } from '../task/credentials.ts'
import type { AnyNamespace, Namespaces } from '../task/namespaces.ts'
import { credentialsIn, partNamespaces } from '../task/part-namespaces.ts'
import { isPidNamespaceBelow } from '../task/pid-namespace.ts'
import type { Credentials, Task } from '../task/task.ts'
import { isCapableIn } from '../task/user-namespace.ts'
import { joinTimeNamespace } from '../vdso/vdso.ts'
import type { Args, SyscallEntry } from './entry.ts'

const KNOWN = CLONE_THREAD | CLONE_FS | CLONE_SIGHAND | CLONE_VM | CLONE_FILES | CLONE_SYSVSEM | NAMESPACES | CLONE_NEWTIME

/** What else has to be parted with what is (ksys_unshare). */
const withImplied = (flags: number): number => {
  let all = flags
  if ((all & CLONE_NEWUSER) !== 0) all |= CLONE_THREAD | CLONE_FS
  if ((all & CLONE_VM) !== 0) all |= CLONE_SIGHAND
  if ((all & CLONE_SIGHAND) !== 0) all |= CLONE_THREAD
  if ((all & CLONE_NEWNS) !== 0) all |= CLONE_FS
  return all
}

/** The task has other namespaces from now on: what it leaves behind is given up. */
const switchTo = (kernel: Kernel, task: Task, namespaces: Namespaces): void => {
  const old = task.namespaces
  if (old.ipc !== namespaces.ipc) leaveUndoList(kernel, task)
  task.namespaces = namespaces
  if (old.mount !== namespaces.mount) leaveMountNamespace(kernel, { ...task, namespaces: old })
}

const unshare = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = withImplied(uint32(args[0]))
  if ((flags & ~KNOWN) !== 0) return -EINVAL
  // Threads, handlers and memory can't be parted once they are shared (check_unshare_flags).
  if ((flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)) !== 0 && task.group.threads.length > 1) return -EINVAL
  if ((flags & (CLONE_SIGHAND | CLONE_VM)) !== 0 && task.mm.users > 1) return -EINVAL
  if ((flags & CLONE_FILES) !== 0 && task.files.users > 1 && hasDescriptorFrom(task, settingNumber(kernel, 'sys/fs/nr_open', Infinity))) return -EMFILE
  const parted = partNamespaces(kernel, task, flags, false, true)
  if (typeof parted === 'number') return parted
  if ((flags & CLONE_FS) !== 0 && task.fs.users > 1) {
    const own = copyPathContext(kernel, task.fs)
    leavePathContext(kernel, task)
    task.fs = own
  }
  if ((flags & CLONE_FILES) !== 0) unshareDescriptors(kernel, task)
  if ((flags & (CLONE_SYSVSEM | CLONE_NEWIPC)) !== 0) leaveUndoList(kernel, task)
  if (parted.namespaces !== task.namespaces) {
    parted.enter(task.fs)
    switchTo(kernel, task, parted.namespaces)
  }
  if (parted.credentials !== task.credentials) setCredentials(task, parted.credentials)
  return 0
}

/** A table with such descriptors can't be copied (alloc_fdtable). */
const hasDescriptorFrom = ({ files }: Task, limit: number): boolean => files.slots.some((slot, fd) => slot !== undefined && fd >= limit)

interface Entering { namespaces: Namespaces, credentials: Credentials, mount: boolean }

/** What entering one namespace changes: 0 or a negative errno (the `install` of each kind). */
const enter = (kernel: Kernel, task: Task, to: Entering, namespace: AnyNamespace): number => {
  const { credentials } = to
  const isAdmin = (owner: AnyNamespace): boolean => owner.kind === 'user-namespace' && isCapableIn(credentials, owner, CAP_SYS_ADMIN)
  if (namespace.kind === 'user-namespace') {
    if (namespace === credentials.user || task.group.threads.length > 1 || task.fs.users !== 1) return -EINVAL
    if (!isAdmin(namespace)) return -EPERM
    to.credentials = credentialsIn(credentials, namespace)
    return 0
  }
  if (!isAdmin(namespace.owner)) return -EPERM
  const isOwnAdmin = isAdmin(credentials.user)
  switch (namespace.kind) {
    case 'mount-namespace':
      if (!isOwnAdmin || !isCapableIn(credentials, credentials.user, CAP_SYS_CHROOT)) return -EPERM
      if (task.fs.users !== 1) return -EINVAL
      to.namespaces = { ...to.namespaces, mount: namespace }
      to.mount = true
      return 0
    case 'pid-namespace':
      if (!isOwnAdmin) return -EPERM
      if (!isPidNamespaceBelow(namespace, task.namespaces.pid)) return -EINVAL
      to.namespaces = { ...to.namespaces, pidForChildren: namespace }
      return 0
    case 'time-namespace':
      if (task.group.threads.length > 1) return -EUSERS
      if (!isOwnAdmin) return -EPERM
      namespace.frozen = true
      to.namespaces = { ...to.namespaces, time: namespace, timeForChildren: namespace }
      return 0
    default:
      if (!isOwnAdmin) return -EPERM
      to.namespaces = namespace.kind === 'uts-namespace' ? { ...to.namespaces, uts: namespace }
        : namespace.kind === 'ipc-namespace' ? { ...to.namespaces, ipc: namespace }
          : namespace.kind === 'net-namespace' ? { ...to.namespaces, net: namespace } : { ...to.namespaces, cgroup: namespace }
      return 0
  }
}

/** Those of a process that a descriptor stands for, in the order in which they are entered (validate_nsset). */
const namespacesOf = ({ namespaces, credentials }: Task, flags: number): AnyNamespace[] => ([
  [CLONE_NEWUSER, credentials.user], [CLONE_NEWNS, namespaces.mount], [CLONE_NEWUTS, namespaces.uts], [CLONE_NEWIPC, namespaces.ipc],
  [CLONE_NEWPID, namespaces.pid], [CLONE_NEWCGROUP, namespaces.cgroup], [CLONE_NEWNET, namespaces.net], [CLONE_NEWTIME, namespaces.time],
] as const).filter(([flag]) => (flags & flag) !== 0).map(([, namespace]) => namespace)

const setns = (kernel: Kernel, task: Task, args: Args): number => {
  const file = getFile(task, int32(args[0]))
  const flags = uint32(args[1])
  if (file === undefined) return -EBADF
  let wanted: AnyNamespace[]
  const single = namespaceOfFile(file)
  if (single !== undefined) {
    if (flags !== 0 && flags !== namespaceFlag(single)) return -EINVAL
    wanted = [single]
  } else if (file.kind === 'pid') {
    if (flags === 0 || (flags & ~(NAMESPACES | CLONE_NEWTIME)) !== 0) return -EINVAL
    const other = kernel.state.tasks.get(groupOfFile(file).tgid)
    if (other === undefined || other.state === 'zombie') return -ESRCH
    if (!mayAccessTask(task, other, CAP_SYS_PTRACE)) return -EPERM
    wanted = namespacesOf(other, flags)
  } else return -EINVAL
  const to: Entering = { namespaces: task.namespaces, credentials: task.credentials, mount: false }
  for (const namespace of wanted) {
    const error = enter(kernel, task, to, namespace)
    if (error < 0) return error
  }
  if (to.mount) {
    const { umask } = task.fs
    Object.assign(task.fs, rootContext(to.namespaces.mount), { umask })
  }
  if (to.namespaces.time !== task.namespaces.time) joinTimeNamespace(kernel, task.mm, to.namespaces.time)
  switchTo(kernel, task, to.namespaces)
  if (to.credentials !== task.credentials) setCredentials(task, to.credentials)
  return 0
}

export const namespaceCalls: readonly SyscallEntry[] = [
  { number: 272, name: 'unshare', args: ['flags:flags(CLONE_)'], handler: unshare, status: 'partial', note: 'cgroup namespaces have nothing in them' },
  { number: 308, name: 'setns', args: ['fd:fd', 'type:flags(CLONE_)'], handler: setns, status: 'full' },
]
