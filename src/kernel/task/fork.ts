/**
 * New tasks (clone(2), clone3(2), fork(2), vfork(2); Linux's copy_process).
 */
import * as layout from '../../emu/cpu/layout.ts'
import { EAGAIN, EINVAL, EMFILE, EPERM, ERESTARTNOINTR } from '../abi/errno.ts'
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
import { makeGroup, makeTask } from './create.ts'
import { hasCapability } from './credentials.ts'
import { allocatePid } from './pids.ts'
import type { Task, ThreadGroup } from './task.ts'
import { EVENT_CLONE, EVENT_FORK, EVENT_VFORK, traceChild } from './trace.ts'

export const CSIGNAL = 0xff, CLONE_VM = 0x100, CLONE_FS = 0x200, CLONE_FILES = 0x400, CLONE_SIGHAND = 0x800, CLONE_PIDFD = 0x1000,
  CLONE_PTRACE = 0x2000, CLONE_VFORK = 0x4000, CLONE_PARENT = 0x8000, CLONE_THREAD = 0x1_0000, CLONE_NEWNS = 0x2_0000,
  CLONE_SYSVSEM = 0x4_0000, CLONE_SETTLS = 0x8_0000, CLONE_PARENT_SETTID = 0x10_0000, CLONE_CHILD_CLEARTID = 0x20_0000,
  CLONE_DETACHED = 0x40_0000, CLONE_UNTRACED = 0x80_0000, CLONE_CHILD_SETTID = 0x100_0000, CLONE_NEWCGROUP = 0x200_0000,
  CLONE_NEWUTS = 0x400_0000, CLONE_NEWIPC = 0x800_0000, CLONE_NEWUSER = 0x1000_0000, CLONE_NEWPID = 0x2000_0000,
  CLONE_NEWNET = 0x4000_0000, CLONE_IO = 0x8000_0000
/** Bits above 32 of clone3's flags; they have no place in clone's. */
export const CLONE_CLEAR_SIGHAND_HIGH = 1, CLONE_INTO_CGROUP_HIGH = 2
/** Where clone has its signal; clone3 and unshare know it. */
export const CLONE_NEWTIME = 0x80
const SCHED_RESET_ON_FORK = 0x4000_0000

export const NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET

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
  /** set_tid: the child's number, 0: any. */
  readonly wantedTid: number
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
  if (has(flags, CLONE_THREAD) && has(flags, CLONE_NEWUSER | CLONE_NEWPID)) return -EINVAL
  // Namespaces need a privilege; with it, they are what this kernel was built without.
  if (has(flags, NAMESPACES)) return has(flags, CLONE_NEWUSER) || hasCapability(task, CAP_SYS_ADMIN) ? -EINVAL : -EPERM
  if (has(flags, CLONE_SETTLS) && !(tls >= 0 && tls < USER_END)) return -EPERM
  return 0
}

const mayFork = (kernel: Kernel, task: Task): boolean => {
  const limit = task.group.limits[RLIMIT_NPROC][0]
  if (kernel.state.tasks.size < limit || task.credentials.uid === 0) return true
  let count = 0
  for (const other of kernel.state.tasks.values()) if (other.credentials.uid === task.credentials.uid) count++
  return count < limit || hasCapability(task, CAP_SYS_RESOURCE) || hasCapability(task, CAP_SYS_ADMIN)
}

const cleared = (actions: SignalActions): SignalActions => {
  const copy = copyActions(actions)
  for (let signal = 1; signal <= SIGNAL_COUNT; signal++) {
    if (copy.table[signal].handler !== SIG_IGN) copy.table[signal].handler = SIG_DFL
  }
  return copy
}

const newGroup = (kernel: Kernel, task: Task, tid: number, request: CloneRequest): ThreadGroup => {
  const { group: own } = task
  const isSibling = has(request.flags, CLONE_PARENT)
  const group = makeGroup(kernel, {
    tgid: tid, parent: isSibling ? own.parent : own.tgid, processGroup: own.processGroup, session: own.session,
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
  child.timerSlack = task.timerSlack
  child.policy = task.policy
  child.priority = task.priority
  child.nice = task.nice
  if (has(task.policy, SCHED_RESET_ON_FORK)) {
    // What was privileged is not passed on (sched(7)).
    child.policy = task.priority !== 0 ? 0 : task.policy & ~SCHED_RESET_ON_FORK
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
  const { state } = kernel
  const tid = request.wantedTid !== 0 ? request.wantedTid : allocatePid(kernel)
  if (tid === 0) return -EAGAIN

  const isThread = has(flags, CLONE_THREAD)
  if (has(flags, CLONE_PIDFD) && !hasFreeDescriptor(task)) return -EMFILE
  const group = isThread ? task.group : newGroup(kernel, task, tid, request)
  const mm = has(flags, CLONE_VM) ? task.mm : copySpace(kernel, task.mm)
  if (mm === task.mm) mm.users++
  const files = has(flags, CLONE_FILES) ? task.files : copyDescriptors(kernel, task.files)
  if (files === task.files) files.users++
  const fs = has(flags, CLONE_FS) ? task.fs : copyPathContext(kernel, task.fs)
  if (fs === task.fs) fs.users++
  const actions = has(flags, CLONE_SIGHAND) ? task.actions : request.clearHandlers ? cleared(task.actions) : copyActions(task.actions)
  const child = makeTask(kernel, { tid, group, mm, files, fs, actions, credentials: task.credentials, name: task.name })
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
    state.groups.set(tid, group)
    state.groups.get(group.parent)?.children.push(tid)
  }
  // The child has no such descriptor: it was not there yet when the table was copied.
  if (has(flags, CLONE_PIDFD)) storeTid(kernel, task, request.pidfd, openProcess(kernel, task, group, O_CLOEXEC))
  if (has(flags, CLONE_PARENT_SETTID)) storeTid(kernel, task, request.parentTid, tid)
  if (has(flags, CLONE_CHILD_SETTID)) storeTid(kernel, child, request.childTid, tid)
  kernel.watch?.taskStarted(task, child)
  for (const tracer of kernel.tracers) tracer.taskStarted?.(task, child)
  kernel.outside.observer.onTaskStart(state.cycle, tid, task.tid, group.tgid)
  if (task.trace !== undefined && !has(flags, CLONE_UNTRACED)) {
    traceChild(kernel, task, child, has(flags, CLONE_VFORK) ? EVENT_VFORK : isThread || request.exitSignal !== SIGCHLD ? EVENT_CLONE : EVENT_FORK)
  }
  kernel.makeRunnable(child)
  return child
}
