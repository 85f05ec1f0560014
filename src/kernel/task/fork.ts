/**
 * New tasks (clone(2), clone3(2), fork(2), vfork(2); Linux's copy_process).
 */
import * as layout from '../../emu/cpu/layout.ts'
import { ACCESS_WRITE } from '../../emu/mmu/mmu.ts'
import { EAGAIN, EFAULT, EINVAL, EMFILE, ENOMEM, EPERM, ERESTARTNOINTR } from '../abi/errno.ts'
import { CAP_SYS_ADMIN, CAP_SYS_RESOURCE } from '../abi/capabilities.ts'
import { RLIMIT_NPROC } from '../abi/resources.ts'
import { SIG_DFL, SIG_IGN, SIGCHLD, SIGNAL_COUNT, SS_DISABLE } from '../abi/signals.ts'
import { O_CLOEXEC } from '../abi/fcntl.ts'
import { copyDescriptors, hasFreeDescriptor } from '../fs/descriptor.ts'
import { copyPathContext } from '../fs/path.ts'
import { openProcess } from '../fs/pidfd.ts'
import { undoList } from '../ipc/semaphores.ts'
import type { Kernel } from '../kernel.ts'
import { copySpace } from '../mm/space.ts'
import { BadAddress, USER_END } from '../mm/user-memory.ts'
import { copyActions, type SignalActions } from '../signal/signal.ts'
import { CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_FILES, CLONE_FS, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLONE_PARENT, CLONE_PARENT_SETTID, CLONE_PIDFD, CLONE_SETTLS, CLONE_SIGHAND, CLONE_SYSVSEM, CLONE_THREAD, CLONE_UNTRACED, CLONE_VFORK, CLONE_VM } from './clone-flags.ts'
import { makeGroup, makeTask } from './create.ts'
import { hasCapability } from './credentials.ts'
import { becomeInit, type PidNamespace, seenBy } from './pid-namespace.ts'
import { giveNumbers, partNamespaces } from './part-namespaces.ts'
import { allocatePid } from './pids.ts'
import { inheritedDebugRegisters } from './debug-registers.ts'
import { addGroup } from './process-groups.ts'
import type { Task, ThreadGroup } from './task.ts'
import { joinTimeNamespace } from '../vdso/vdso.ts'
import { EVENT_CLONE, EVENT_FORK, EVENT_VFORK, traceChild } from './trace.ts'

const SCHED_RESET_ON_FORK = 0x4000_0000


export * from './clone-flags.ts'

export interface CloneRequest {
  /** CLONE_* without the exit signal; unsigned. */
  readonly flags: number
  readonly clearHandlers: boolean
  readonly exitSignal: number
  /** The child's rsp, 0: the parent's. */
  readonly stack: number
  readonly parentTid: number
  readonly childTid: number
  readonly tls: number
  /** set_tid: the child's numbers, from its own namespace outwards; those that are not given are any. */
  readonly wantedTids: readonly number[]
  /** CLONE_PIDFD: where the descriptor goes. */
  readonly pidfd: number
}

const has = (flags: number, bit: number): boolean => (flags & bit) !== 0

/** Combinations that make no sense, and what is not there. */
const check = (task: Task, { flags, clearHandlers, tls }: CloneRequest): number => {
  if (has(flags, CLONE_NEWNS) && has(flags, CLONE_FS)) return -EINVAL
  if (has(flags, CLONE_NEWUSER) && has(flags, CLONE_FS)) return -EINVAL
  if (has(flags, CLONE_THREAD) && !has(flags, CLONE_SIGHAND)) return -EINVAL
  if (has(flags, CLONE_SIGHAND) && !has(flags, CLONE_VM)) return -EINVAL
  if (clearHandlers && has(flags, CLONE_SIGHAND)) return -EINVAL
  if (has(flags, CLONE_THREAD) && (has(flags, CLONE_NEWUSER | CLONE_NEWPID) || task.namespaces.pid !== task.namespaces.pidForChildren)) return -EINVAL
  if (has(flags, CLONE_PARENT) && isNamespaceInit(task)) return -EINVAL
  if (has(flags, CLONE_SETTLS) && !(tls >= 0 && tls < USER_END)) return -EPERM
  return 0
}

/** The init of a namespace has no siblings in it. */
const isNamespaceInit = ({ group, namespaces: { pid } }: Task): boolean => pid.level > 0 && pid.hasInit && pid.init === group.tgid

const mayFork = (kernel: Kernel, task: Task): boolean => {
  const limit = task.group.limits[RLIMIT_NPROC][0]
  if (kernel.state.tasks.size < limit || task.credentials.uid === 0) return true
  let count = 0
  const { host } = task.namespaces
  for (const other of kernel.state.tasks.values()) if (other.credentials.uid === task.credentials.uid && other.namespaces.host === host) count++
  return count < limit || hasCapability(task, CAP_SYS_RESOURCE) || hasCapability(task, CAP_SYS_ADMIN)
}

const cleared = (actions: SignalActions): SignalActions => {
  const copy = copyActions(actions)
  for (let signal = 1; signal <= SIGNAL_COUNT; signal++) {
    if (copy.table[signal].handler !== SIG_IGN) copy.table[signal].handler = SIG_DFL
  }
  return copy
}

const newGroup = (kernel: Kernel, task: Task, tid: number, request: CloneRequest, pids: PidNamespace): ThreadGroup => {
  const { group: own } = task
  const isSibling = has(request.flags, CLONE_PARENT)
  const group = makeGroup(kernel, {
    tgid: tid, parent: isSibling ? own.parent : own.tgid, processGroup: own.processGroup, session: own.session, pids,
  })
  group.exitSignal = isSibling ? own.exitSignal : request.exitSignal
  group.limits = own.limits.map(([soft, hard]): [number, number] => [soft, hard])
  group.dumpable = own.dumpable
  group.controllingTerminal = own.controllingTerminal
  group.oomScoreAdjust = own.oomScoreAdjust
  return group
}

/** What a child has of its parent beyond what flags say. */
const inherit = (task: Task, child: Task, flags: number): void => {
  child.affinity = task.affinity
  child.cpu = task.cpu
  child.signalMask = [task.signalMask[0], task.signalMask[1]]
  child.signalStack = has(flags, CLONE_VM) && !has(flags, CLONE_VFORK) ? { address: 0, size: 0, flags: SS_DISABLE } : { ...task.signalStack }
  child.noNewPrivileges = task.noNewPrivileges
  child.seccomp = task.seccomp
  child.debug = inheritedDebugRegisters(task.debug)
  child.timerSlack = task.timerSlack
  child.defaultTimerSlack = task.timerSlack
  child.policy = task.policy
  // The session keyring is shared, that of the thread is its own.
  if (task.keyrings !== undefined) child.keyrings = { ...task.keyrings, thread: 0 }
  child.priority = task.priority
  child.nice = task.nice
  if (has(task.policy, SCHED_RESET_ON_FORK)) {
    // What was privileged is not passed on (sched(7)).
    child.policy = task.priority !== 0 || task.reservation !== undefined ? 0 : task.policy & ~SCHED_RESET_ON_FORK
    child.priority = 0
    child.nice = Math.max(task.nice, 0)
  }
  child.ioPriority = task.ioPriority
  child.memoryPolicy = task.memoryPolicy
  child.personality = task.personality
  // A new address space keeps the registration, as it keeps the memory.
  child.rseq = has(flags, CLONE_VM) ? 0 : task.rseq
  child.rseqSignature = task.rseqSignature
}

const storeTid = (kernel: Kernel, task: Task, address: number, tid: number): void => {
  try {
    kernel.user(task).setU32(address, tid)
  } catch (error) {
    // put_user's failure is ignored there, too.
    if (!(error instanceof BadAddress)) throw error
  }
}

const setRegisters = (kernel: Kernel, child: Task, request: CloneRequest): void => {
  kernel.processor.cpu.saveInto(child.context)
  const view = new DataView(child.context.buffer, child.context.byteOffset)
  const set = (address: number, value: number): void => {
    view.setUint32(address - layout.CPU_STATE, value, true)
    view.setUint32(address - layout.CPU_STATE + 4, Math.floor(value / 0x1_0000_0000), true)
  }
  set(layout.GPR + layout.RAX * 8, 0)
  if (request.stack !== 0) set(layout.GPR + layout.RSP * 8, request.stack)
  if (has(request.flags, CLONE_SETTLS)) set(layout.FS_BASE, request.tls)
}

/**
 * Makes a task as a copy of the loaded one. It is runnable.
 * @returns the task, or a negative errno
 */
export const cloneTask = (kernel: Kernel, task: Task, request: CloneRequest): Task | number => {
  const { flags } = request
  const invalid = check(task, request)
  if (invalid < 0) return invalid
  // Signals are taken before, so that what is sent to a group reaches either both or none.
  if (kernel.interrupted(task)) return -ERESTARTNOINTR
  if (!mayFork(kernel, task)) return -EAGAIN
  // Reservations are not passed on (sched_fork).
  if (task.reservation !== undefined && !has(task.policy, SCHED_RESET_ON_FORK)) return -EAGAIN
  const { state } = kernel
  const isThread = has(flags, CLONE_THREAD)
  if (has(flags, CLONE_PIDFD)) {
    if (!hasFreeDescriptor(task)) return -EMFILE
    // What can't be told is not made.
    if (kernel.user(task).accessible(request.pidfd, 4, ACCESS_WRITE) < 4) return -EFAULT
  }
  const parted = partNamespaces(kernel, task, flags, isThread)
  if (typeof parted === 'number') return parted
  const { namespaces, credentials } = parted
  if (!isThread && namespaces.pid.dead) return -ENOMEM
  const tid = request.wantedTids.length === 0 && namespaces.pid.level === 0 ? allocatePid(kernel) : giveNumbers(kernel, task, namespaces.pid, request.wantedTids)
  if (tid === 0) return -EAGAIN
  if (tid < 0) return tid

  const group = isThread ? task.group : newGroup(kernel, task, tid, request, namespaces.pid)
  const mm = has(flags, CLONE_VM) ? task.mm : copySpace(kernel, task.mm)
  if (mm === task.mm) mm.users++
  else if (namespaces.time !== task.namespaces.time) joinTimeNamespace(kernel, mm, namespaces.time)
  const files = has(flags, CLONE_FILES) ? task.files : copyDescriptors(kernel, task.files)
  if (files === task.files) files.users++
  const fs = has(flags, CLONE_FS) ? task.fs : copyPathContext(kernel, task.fs)
  if (fs === task.fs) fs.users++
  parted.enter(fs)
  const actions = has(flags, CLONE_SIGHAND) ? task.actions : request.clearHandlers ? cleared(task.actions) : copyActions(task.actions)
  const child = makeTask(kernel, { tid, group, mm, files, fs, actions, credentials, namespaces, name: task.name })
  inherit(task, child, flags)
  setRegisters(kernel, child, request)
  if (has(flags, CLONE_CHILD_CLEARTID)) child.clearChildTid = request.childTid
  if (has(flags, CLONE_VFORK)) child.vforkParent = task.tid
  if (has(flags, CLONE_SYSVSEM)) child.semaphoreUndo = undoList(kernel, task)

  state.tasks.set(tid, child)
  if (isThread) {
    group.threads.push(tid)
    if (group.stopSignal !== 0) child.signalDue = true
  } else {
    addGroup(kernel, group)
    state.groups.get(group.parent)?.children.push(tid)
    becomeInit(namespaces.pid, tid)
  }
  // The child has no such descriptor: it was not there yet when the table was copied.
  if (has(flags, CLONE_PIDFD)) storeTid(kernel, task, request.pidfd, openProcess(kernel, task, group, O_CLOEXEC))
  if (has(flags, CLONE_PARENT_SETTID)) storeTid(kernel, task, request.parentTid, seenBy(task, tid))
  if (has(flags, CLONE_CHILD_SETTID)) storeTid(kernel, child, request.childTid, seenBy(child, tid))
  kernel.watch?.taskStarted(task, child)
  for (const tracer of kernel.tracers) tracer.taskStarted?.(task, child)
  kernel.outside.observer.onTaskStart(state.cycle, tid, task.tid, group.tgid)
  if (task.trace !== undefined && !has(flags, CLONE_UNTRACED)) {
    traceChild(kernel, task, child, has(flags, CLONE_VFORK) ? EVENT_VFORK : isThread || request.exitSignal !== SIGCHLD ? EVENT_CLONE : EVENT_FORK)
  }
  kernel.makeRunnable(child)
  return child
}
