/** Processes: making, replacing, ending and waiting for them (clone(2), execve(2), exit(2), wait(2)). */
import { E2BIG, EAGAIN, EBADF, ECHILD, EINVAL, ENOENT, ERESTARTSYS, ESRCH } from '../abi/errno.ts'
import { O_NONBLOCK } from '../abi/fcntl.ts'
import { int32, uint32, uint64 } from '../abi/numbers.ts'
import { SIGCHLD, SIGNAL_COUNT } from '../abi/signals.ts'
import { AT_FDCWD, type Image, readImage, releaseImage, STRING_LIMIT } from '../exec/image.ts'
import { execProgram } from '../exec/exec.ts'
import { getFile } from '../fs/descriptor.ts'
import { readPath } from '../fs/path.ts'
import { groupOfFile } from '../fs/pidfd.ts'
import type { Kernel } from '../kernel.ts'
import { USER_END, type UserMemory } from '../mm/user-memory.ts'
import { isKilled } from '../signal/pending.ts'
import { waitAlone } from '../task/exec-threads.ts'
import { exitGroup, exitStatus, exitTask } from '../task/exit.ts'
import { CLONE_CLEAR_SIGHAND_HIGH, CLONE_DETACHED, CLONE_INTO_CGROUP_HIGH, CLONE_NEWTIME, CLONE_PARENT, CLONE_PARENT_SETTID, CLONE_PIDFD, CLONE_SETTLS,
  CLONE_THREAD, CLONE_VFORK, CLONE_VM, type CloneRequest, cloneTask, CSIGNAL } from '../task/fork.ts'
import { kernelPid, seenBy } from '../task/pid-namespace.ts'
import { shownUid } from '../task/user-namespace.ts'
import { writeUsage } from '../task/rusage.ts'
import type { Task } from '../task/task.ts'
import { EVENT_VFORK_DONE, PTRACE_O_TRACEVFORKDONE, queueEvent, stopsBeforeExit, traceExec } from '../task/trace.ts'
import { P_ALL, P_PGID, P_PID, P_PIDFD, pollChildren, WALL, WCLONE, WCONTINUED, WEXITED, WNOHANG, WNOTHREAD, WNOWAIT, WSTOPPED,
  WUNTRACED } from '../task/wait.ts'
import { BLOCKED } from '../wait-queue.ts'
import { endSyscall } from './call.ts'
import type { Args, SyscallEntry } from './entry.ts'

// ——— clone ———

/** A vfork parent sleeps until the child has another address space. */
interface VforkWait { readonly kind: 'vfork', readonly child: number, readonly shown: number }

const clone = (kernel: Kernel, task: Task, request: CloneRequest): number => {
  const call = task.syscall
  const waiting = call?.memory as VforkWait | undefined
  if (waiting !== undefined) return waitForVfork(kernel, task, waiting)
  const child = cloneTask(kernel, task, request)
  if (typeof child === 'number') return child
  if ((request.flags & CLONE_VFORK) === 0) return seenBy(task, child.tid)
  const wait: VforkWait = { kind: 'vfork', child: child.tid, shown: seenBy(task, child.tid) }
  if (call !== undefined) call.memory = wait
  return waitForVfork(kernel, task, wait)
}

const waitForVfork = (kernel: Kernel, task: Task, { child: pid, shown }: VforkWait): number => {
  const child = kernel.state.tasks.get(pid)
  if (child?.vforkParent !== task.tid) {
    if (task.trace !== undefined && (task.trace.options & PTRACE_O_TRACEVFORKDONE) !== 0) queueEvent(task, EVENT_VFORK_DONE, pid)
    return shown
  }
  const blocked = kernel.block(task, [child.vforkDone])
  task.uninterruptible = true
  return blocked
}

const sysClone = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = uint32(args[0] & ~CSIGNAL)
  // The descriptor's place is the parent's thread id's.
  if ((flags & CLONE_PIDFD) !== 0 && (flags & (CLONE_PARENT_SETTID | CLONE_THREAD)) !== 0) return -EINVAL
  return clone(kernel, task, {
    flags, clearHandlers: false, exitSignal: args[0] & CSIGNAL, stack: uint64(args[1]),
    parentTid: args[2], childTid: args[3], tls: args[4], wantedTids: [], pidfd: args[2],
  })
}
const plain = (flags: number): CloneRequest =>
  ({ flags, clearHandlers: false, exitSignal: SIGCHLD, stack: 0, parentTid: 0, childTid: 0, tls: 0, wantedTids: [], pidfd: 0 })
const FORK = plain(0)
const VFORK = plain(CLONE_VFORK | CLONE_VM)

const CLONE_ARGS_SIZE_VER0 = 64, CLONE_ARGS_SIZE = 88
const PAGE_SIZE = 4096
/** Flags that clone3 knows: all of clone's without the old CLONE_DETACHED, and two above 32 bits. */
const CLONE3_HIGH = CLONE_CLEAR_SIGHAND_HIGH | CLONE_INTO_CGROUP_HIGH

/** struct clone_args of a size that the kernel need not know (copy_struct_from_user). */
const readCloneArgs = (user: UserMemory, address: number, size: number): DataView | number => {
  if (size > PAGE_SIZE) return -E2BIG
  if (size < CLONE_ARGS_SIZE_VER0) return -EINVAL
  const bytes = user.read(address, size)
  if (bytes.subarray(CLONE_ARGS_SIZE).some((byte) => byte !== 0)) return -E2BIG
  const view = new DataView(new ArrayBuffer(CLONE_ARGS_SIZE))
  new Uint8Array(view.buffer).set(bytes.subarray(0, CLONE_ARGS_SIZE))
  return view
}

/** set_tid: the child's numbers from its own namespace outwards (alloc_pid checks them there). */
const wantedTids = (user: UserMemory, address: number, count: number): number[] | number => {
  if (count === 0) return address === 0 ? [] : -EINVAL
  if (address === 0 || count > 32) return -EINVAL
  return Array.from({ length: count }, (_, i) => user.u32(address + i * 4) | 0)
}

const sysClone3 = (kernel: Kernel, task: Task, args: Args): number => {
  if (task.syscall?.memory !== undefined) return clone(kernel, task, FORK)
  const user = kernel.user(task)
  const view = readCloneArgs(user, args[0], uint64(args[1]))
  if (typeof view === 'number') return view
  const word = (at: number): number => view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true)
  const flags = view.getUint32(0, true)
  const high = view.getUint32(4, true)
  const exitSignal = word(32), stack = word(40), stackSize = word(48)
  if (exitSignal > 255 || exitSignal > SIGNAL_COUNT) return -EINVAL
  if ((flags & (CLONE_DETACHED | (CSIGNAL & ~CLONE_NEWTIME))) !== 0 || (high & ~CLONE3_HIGH) !== 0) return -EINVAL
  if ((flags & (CLONE_THREAD | CLONE_PARENT)) !== 0 && exitSignal !== 0) return -EINVAL
  if (stack === 0 ? stackSize > 0 : stackSize === 0) return -EINVAL
  if (stack !== 0 && !(stack + stackSize <= USER_END)) return -EINVAL
  if ((flags & CLONE_PIDFD) !== 0 && (flags & CLONE_THREAD) !== 0) return -EINVAL
  // There are no cgroups.
  if ((high & CLONE_INTO_CGROUP_HIGH) !== 0) return -EINVAL
  const tids = wantedTids(user, word(64), word(72))
  if (typeof tids === 'number') return tids
  return clone(kernel, task, {
    flags, clearHandlers: (high & CLONE_CLEAR_SIGHAND_HIGH) !== 0, exitSignal, stack: stack + stackSize,
    parentTid: word(24), childTid: word(16), tls: (flags & CLONE_SETTLS) !== 0 ? word(56) : 0, wantedTids: tids, pidfd: word(8),
  })
}

// ——— execve ———

/** MAX_ARG_STRINGS is larger; this many pointers do not fit the stack anyway. */
const POINTER_LIMIT = 1 << 20

/** argv or envp; −E2BIG if a string is too long. @throws BadAddress */
const readStrings = (user: UserMemory, address: number): string[] | number => {
  const strings: string[] = []
  if (address === 0) return strings
  for (let at = address; ; at += 8) {
    const pointer = user.i64(at)
    if (pointer === 0) return strings
    if (strings.length >= POINTER_LIMIT) return -E2BIG
    const string = user.string(pointer, STRING_LIMIT)
    if (string === undefined) return -E2BIG
    strings.push(string)
  }
}

const AT_SYMLINK_NOFOLLOW = 0x100, AT_EMPTY_PATH = 0x1000

/** What the program is told it was called as (bprm->filename). */
const execName = (dirfd: number, path: string): string =>
  dirfd === AT_FDCWD || path.startsWith('/') ? path : path === '' ? `/dev/fd/${dirfd}` : `/dev/fd/${dirfd}/${path}`

const exec = (kernel: Kernel, task: Task, dirfd: number, pathAt: number, argvAt: number, envAt: number, flags: number): number => {
  const call = task.syscall
  let image = call?.memory as Image | undefined
  if (image === undefined) {
    const user = kernel.user(task)
    const path = readPath(kernel, task, pathAt)
    if (typeof path === 'number') return path
    const argv = readStrings(user, argvAt)
    if (typeof argv === 'number') return argv
    const env = readStrings(user, envAt)
    if (typeof env === 'number') return env
    const isRelative = dirfd !== AT_FDCWD && !path.startsWith('/')
    const inaccessible = isRelative && task.files.slots[dirfd]?.closeOnExec === true
    const read = readImage(kernel, task, dirfd, path, flags, execName(dirfd, path), argv, env, inaccessible)
    if (typeof read === 'number') return read
    image = read
  }
  const formerTid = task.tid
  const ready = waitAlone(kernel, task)
  if (ready === BLOCKED) {
    if (call !== undefined) call.memory = image
    return BLOCKED
  }
  if (ready < 0) {
    releaseImage(kernel, image)
    return ready
  }
  if (call !== undefined) call.memory = undefined
  execProgram(kernel, task, image)
  traceExec(kernel, task, formerTid)
  return 0
}

const execveat = (kernel: Kernel, task: Task, args: Args): number => {
  const flags = int32(args[4])
  const path = readPath(kernel, task, args[1])
  if (typeof path === 'number') return path
  if (path === '' && (flags & AT_EMPTY_PATH) === 0) return -ENOENT
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL
  return exec(kernel, task, int32(args[0]), args[1], args[2], args[3], flags)
}

// ——— exit ———

const exit = (kernel: Kernel, task: Task, args: Args): number => {
  const status = exitStatus(args[0])
  if (!isKilled(task) && stopsBeforeExit(task, status)) return BLOCKED
  endSyscall(kernel, task, 0)
  exitTask(kernel, task, status)
  return 0
}
const sysExitGroup = (kernel: Kernel, task: Task, args: Args): number => {
  const status = exitStatus(args[0])
  if (!isKilled(task) && stopsBeforeExit(task, status)) return BLOCKED
  endSyscall(kernel, task, 0)
  exitGroup(kernel, task, status)
  return 0
}

// ——— wait ———

const WAIT4_OPTIONS = WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WCLONE | WALL
const WAITID_OPTIONS = WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | WNOTHREAD | WCLONE | WALL
const INT_MIN = -0x8000_0000

/** Sleeps until a child changes state, unless WNOHANG. */
const blockForChild = (kernel: Kernel, task: Task, options: number): number => {
  if ((options & WNOHANG) !== 0) return 0
  return kernel.interrupted(task) ? -ERESTARTSYS : kernel.block(task, [task.group.childChange])
}

const wait4 = (kernel: Kernel, task: Task, args: Args): number => {
  const pid = int32(args[0]), options = int32(args[2])
  if ((options & ~WAIT4_OPTIONS) !== 0) return -EINVAL
  if (pid === INT_MIN) return -ESRCH
  const type = pid === -1 ? P_ALL : pid > 0 ? P_PID : P_PGID
  const pids = task.namespaces.pid
  const id = pid > 0 ? kernelPid(pids, pid) : pid === 0 ? task.group.processGroup : kernelPid(pids, -pid)
  const told = pollChildren(kernel, task, { type, id, options: options | WEXITED })
  if (typeof told === 'number') return told < 0 ? told : blockForChild(kernel, task, options)
  const user = kernel.user(task)
  if (args[1] !== 0) user.setU32(args[1], told.status)
  if (args[3] !== 0) writeUsage(kernel, user, args[3], told.usage)
  return told.pid
}

const waitForId = (kernel: Kernel, task: Task, args: Args): number => {
  const type = int32(args[0]), options = int32(args[3])
  const id = int32(args[1])
  if ((options & ~WAITID_OPTIONS) !== 0 || (options & (WEXITED | WSTOPPED | WCONTINUED)) === 0) return -EINVAL
  if (type === P_PID ? id <= 0 : type === P_PGID ? id < 0 : type !== P_ALL && type !== P_PIDFD) return -EINVAL
  let wait = { type, id: type === P_PID || type === P_PGID ? kernelPid(task.namespaces.pid, id) : id, options }
  let isNonBlocking = false
  if (type === P_PIDFD) {
    if (id < 0) return -EINVAL
    const file = getFile(task, id)
    if (file?.kind !== 'pid') return -EBADF
    isNonBlocking = (file.flags & O_NONBLOCK) !== 0
    wait = { type: P_PID, id: groupOfFile(file).tgid, options }
  }
  if (type === P_PGID && id === 0) wait = { type, id: task.group.processGroup, options }
  const told = pollChildren(kernel, task, wait)
  let result = 0
  if (typeof told === 'number') {
    // A process descriptor with O_NONBLOCK does not wait.
    result = told < 0 ? told : isNonBlocking && (options & WNOHANG) === 0 ? -EAGAIN : blockForChild(kernel, task, options)
    if (result === -EAGAIN) return result
    if (result === BLOCKED || result === -ERESTARTSYS || result === -ECHILD) return result
  }
  const user = kernel.user(task)
  const report = typeof told === 'number' ? undefined : told
  if (report !== undefined && args[4] !== 0) writeUsage(kernel, user, args[4], report.usage)
  if (args[2] !== 0) {
    const info = args[2]
    user.setU32(info, report === undefined ? 0 : SIGCHLD)
    user.setU32(info + 4, 0)
    user.setU32(info + 8, report?.code ?? 0)
    user.setU32(info + 16, report?.pid ?? 0)
    user.setU32(info + 20, report === undefined ? 0 : shownUid(task.credentials.user, report.uid))
    user.setU32(info + 24, report?.value ?? 0)
  }
  return result
}

/** A failure is told in the siginfo, too, which can be at a bad address: then that is what is told. */
const waitid = (kernel: Kernel, task: Task, args: Args): number => {
  const result = waitForId(kernel, task, args)
  if (result >= 0 || result === BLOCKED || args[2] === 0) return result
  const user = kernel.user(task)
  // All but the padding.
  for (const at of [0, 4, 8, 16, 20, 24]) user.setU32(args[2] + at, 0)
  return result
}

const NAMESPACE_NOTE = 'no cgroups: CLONE_INTO_CGROUP gives EINVAL'

export const processCalls: readonly SyscallEntry[] = [
  { number: 56, name: 'clone', args: ['flags:flags(CLONE_)', 'stack:address', 'ptid:pointer', 'ctid:pointer', 'tls:address'], handler: sysClone, status: 'full' },
  { number: 57, name: 'fork', args: [], handler: (kernel, task) => clone(kernel, task, FORK), status: 'full' },
  { number: 58, name: 'vfork', args: [], handler: (kernel, task) => clone(kernel, task, VFORK), status: 'full' },
  { number: 59, name: 'execve', args: ['path:path', 'argv:argv', 'envp:argv'], handler: (kernel, task, args) => exec(kernel, task, AT_FDCWD, args[0], args[1], args[2], 0), status: 'full' },
  { number: 60, name: 'exit', args: ['status:int'], handler: exit, status: 'full' },
  { number: 61, name: 'wait4', args: ['pid:pid', 'status:pointer', 'options:flags(W)', 'rusage:struct(rusage)*'], handler: wait4, status: 'full' },
  { number: 231, name: 'exit_group', args: ['status:int'], handler: sysExitGroup, status: 'full' },
  { number: 247, name: 'waitid', args: ['type:enum(P_)', 'id:pid', 'info:struct(siginfo)*', 'options:flags(W)', 'rusage:struct(rusage)*'], handler: waitid, status: 'full' },
  { number: 322, name: 'execveat', args: ['dirfd:dirfd', 'path:path', 'argv:argv', 'envp:argv', 'flags:flags(AT_)'], handler: execveat, status: 'full' },
  { number: 435, name: 'clone3', args: ['args:struct(clone_args)', 'size:size'], handler: sysClone3, status: 'partial', note: NAMESPACE_NOTE },
]
