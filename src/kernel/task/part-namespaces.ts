/** CLONE_NEW*: the namespaces of a task that leaves some of its own, by clone(2) or unshare(2) (kernel/nsproxy.c, create_new_namespaces). */
import { CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN } from '../abi/capabilities.ts'
import { EAGAIN, EEXIST, EINVAL, ENOSPC, EPERM } from '../abi/errno.ts'
import type { DirectoryInode } from '../fs/inode.ts'
import { copyMountNamespace, enterMounts, type Mount } from '../fs/mount-tree.ts'
import type { PathContext } from '../fs/path.ts'
import { makeIpc } from '../ipc/ipc-state.ts'
import type { Kernel } from '../kernel.ts'
import { makeNetNamespace } from '../net/namespace.ts'
import { CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER, CLONE_NEWUTS, CLONE_VM } from './clone-flags.ts'
import { ALL_CAPABILITIES } from './create.ts'
import { type Namespaces, nextNamespaceId } from './namespaces.ts'
import { enterPidNamespace, kernelPid, leavePidNamespaces, makePidNamespace, PID_NAMESPACE_DEPTH, type PidNamespace } from './pid-namespace.ts'
import { allocatePid, isPidUsed } from './pids.ts'
import type { Credentials, Task } from './task.ts'
import { hasGid, hasUid, isCapableIn, makeUserNamespace, USER_NAMESPACE_DEPTH } from './user-namespace.ts'

const PARTED = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME

export interface Parted {
  readonly namespaces: Namespaces
  readonly credentials: Credentials
  /** Moves a root and a working directory into the new tree of mounts. */
  readonly enter: (context: PathContext) => void
}

const stay = (): void => { /* the tree of mounts is the same */ }

/** Credentials in a user namespace of one's own: all capabilities over it, and none over anything else. */
export const credentialsIn = (credentials: Credentials, user: Credentials['user']): Credentials => ({
  ...credentials, user, effective: ALL_CAPABILITIES, permitted: ALL_CAPABILITIES, inheritable: [0, 0], bounding: ALL_CAPABILITIES, ambient: [0, 0], secureBits: 0,
})

const newUser = (kernel: Kernel, task: Task): Credentials | number => {
  const { credentials } = task
  if (credentials.user.level + 1 > USER_NAMESPACE_DEPTH) return -ENOSPC
  // Nobody can get out of a chroot by this (create_user_ns).
  const top = task.namespaces.mount.root
  const entered = enterMounts(top, top.root as DirectoryInode)
  if (task.fs.rootMount !== entered || task.fs.root !== entered.root) return -EPERM
  if (!hasUid(credentials.user, credentials.euid) || !hasGid(credentials.user, credentials.egid)) return -EPERM
  return credentialsIn(credentials, makeUserNamespace(nextNamespaceId(kernel), credentials))
}

/**
 * What the flags part, as the task or its child will have it: a negative errno if it may not.
 * @param isThread the child is in the same process, so in the same namespace of processes
 */
export const partNamespaces = (kernel: Kernel, task: Task, flags: number, isThread: boolean, forSelf = false): Parted | number => {
  const old = task.namespaces
  // Clocks are the address space's: who shares it stays in its time namespace until it executes a program (copy_namespaces).
  const sharesMemory = (flags & CLONE_VM) !== 0
  let { credentials } = task
  if ((flags & (PARTED | CLONE_NEWUSER)) === 0) {
    const time = sharesMemory ? old.time : old.timeForChildren
    if (forSelf || isThread || (old.pid === old.pidForChildren && old.time === time)) return { namespaces: old, credentials, enter: stay }
    time.frozen = true
    return { namespaces: { ...old, pid: old.pidForChildren, time }, credentials, enter: stay }
  }
  if ((flags & CLONE_NEWUSER) !== 0) {
    const parted = newUser(kernel, task)
    if (typeof parted === 'number') return parted
    credentials = parted
  }
  const owner = credentials.user
  if ((flags & PARTED) !== 0 && !isCapableIn(credentials, owner, CAP_SYS_ADMIN)) return -EPERM
  const has = (flag: number): boolean => (flags & flag) !== 0
  const id = (): number => nextNamespaceId(kernel)
  let { pidForChildren: pid } = old
  if (has(CLONE_NEWPID)) {
    if (pid.level + 1 > PID_NAMESPACE_DEPTH) return -ENOSPC
    if (pid !== old.pid) return -EINVAL
    pid = makePidNamespace(id(), pid, owner, true, 0)
    kernel.state.pidNamespaces.push(pid)
  }
  let { timeForChildren: time } = old
  if (has(CLONE_NEWTIME)) time = { ...time, id: id(), owner, frozen: false }
  const joinsTime = !forSelf && !sharesMemory
  if (joinsTime) time.frozen = true
  const copies = new Map<Mount, Mount>()
  const mount = has(CLONE_NEWNS) ? copyMountNamespace(kernel.state.fs, old.mount, id(), owner, copies) : old.mount
  const namespaces: Namespaces = {
    kind: 'namespaces', host: old.host, pid: forSelf || isThread ? old.pid : pid, pidForChildren: pid, mount,
    uts: has(CLONE_NEWUTS) ? { ...old.uts, id: id(), owner } : old.uts,
    ipc: has(CLONE_NEWIPC) ? { kind: 'ipc-namespace', id: id(), owner, ipc: makeIpc() } : old.ipc,
    net: has(CLONE_NEWNET) ? { kind: 'net-namespace', id: id(), owner, net: makeNetNamespace(kernel) } : old.net,
    cgroup: has(CLONE_NEWCGROUP) ? { ...old.cgroup, id: id(), owner } : old.cgroup,
    time: joinsTime ? time : old.time, timeForChildren: time,
  }
  const enter = (context: PathContext): void => {
    context.rootMount = copies.get(context.rootMount) ?? context.rootMount
    context.cwdMount = copies.get(context.cwdMount) ?? context.cwdMount
  }
  return { namespaces, credentials, enter }
}

/** Who executes a program comes into the time namespace that its children would be in (exec_task_namespaces). */
export const enterTimeNamespace = (task: Task): void => {
  const { namespaces } = task
  if (namespaces.time === namespaces.timeForChildren) return
  namespaces.timeForChildren.frozen = true
  task.namespaces = { ...namespaces, time: namespaces.timeForChildren }
}

/**
 * Numbers for a new task in a namespace and those around it. @param wanted from the namespace outwards, as far as it goes
 * @returns the kernel's, 0 if there is none, a negative errno
 */
export const giveNumbers = (kernel: Kernel, task: Task, namespace: PidNamespace, wanted: readonly number[]): number => {
  if (wanted.length > namespace.level + 1) return -EINVAL
  for (const [i, number] of wanted.entries()) {
    let at: PidNamespace | undefined = namespace
    for (let up = 0; up < i; up++) at = at?.parent
    if (at === undefined || number < 1 || number >= 32_768) return -EINVAL
    // The first one in a namespace is its init.
    if (number !== 1 && at.level > 0 && at.hasInit && at.init === 0) return -EINVAL
    if (!isCapableIn(task.credentials, at.owner, CAP_CHECKPOINT_RESTORE) && !isCapableIn(task.credentials, at.owner, CAP_SYS_ADMIN)) return -EPERM
    const known = kernelPid(at, number)
    if (known >= 0 && (at.level > 0 || isPidUsed(kernel, known))) return -EEXIST
  }
  const outer = wanted.length > namespace.level ? wanted[namespace.level] : allocatePid(kernel)
  if (outer === 0) return -EAGAIN
  let up = 0
  for (let at = namespace; at.level > 0; up++) {
    const number = enterPidNamespace(at, outer, up < wanted.length ? wanted[up] : 0)
    if (number === 0) {
      leavePidNamespaces(namespace, outer)
      return -EAGAIN
    }
    if (at.parent === undefined) break
    at = at.parent
  }
  return outer
}
