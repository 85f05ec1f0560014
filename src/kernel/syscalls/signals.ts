/** Signals: actions, masks, sending, waiting (sigaction(2), sigprocmask(2), kill(2), sigwaitinfo(2) …). */
import { EAGAIN, EINTR, EINVAL, ENOMEM, EPERM, ERESTARTNOHAND, ESRCH } from '../abi/errno.ts'
import { int32, uint64 } from '../abi/numbers.ts'
import { MINSIGSTKSZ, SA_NOCLDSTOP, SA_NOCLDWAIT, SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART, SA_RESTORER, SA_SIGINFO, SI_TKILL,
  SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK, SIGKILL, SIGNAL_COUNT, SIGSEGV, SIGSTOP } from '../abi/signals.ts'
import type { Kernel } from '../kernel.ts'
import type { UserMemory } from '../mm/user-memory.ts'
import { takeSignal } from '../signal/deliver.ts'
import { blockable, popFrame, setSignalStack, stackFlags } from '../signal/frame.ts'
import { mayKill } from '../signal/permission.ts'
import { discardSignal, setSignalMask } from '../signal/pending.ts'
import { forceSignal, groupTasks, isIgnored, kernelInfo, sendSignal, userInfo } from '../signal/send.ts'
import { checkSiginfo, readSiginfo, SIGINFO_SIZE, siginfoBytes } from '../signal/siginfo.ts'
import type { SignalInfo, SignalSet } from '../signal/signal.ts'
import { groupBy, isVisibleIn, kernelPid, seenBy, shownPid, taskBy } from '../task/pid-namespace.ts'
import { processGroupMembers } from '../task/process-groups.ts'
import type { Task, ThreadGroup } from '../task/task.ts'
import { deadlineAfter, readTimespec } from '../time/clock.ts'
import { REGISTERS_SET } from './call.ts'
import type { Args, SyscallEntry } from './entry.ts'

/** sizeof(sigset_t) as the kernel has it: other sizes are refused. */
const SET_SIZE = 8
/** Flags that are kept; others read back as zero, which tells that they are not known (UAPI_SA_FLAGS). */
const KNOWN_FLAGS = SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER | SA_RESETHAND | SA_RESTORER | 0x800

const isSignal = (signal: number): boolean => signal >= 1 && signal <= SIGNAL_COUNT

const readSet = (user: UserMemory, address: number): SignalSet => [user.u32(address), user.u32(address + 4)]
const writeSet = (user: UserMemory, address: number, set: SignalSet): void => {
  user.setU32(address, set[0])
  user.setU32(address + 4, set[1])
}

const sigaction = (kernel: Kernel, task: Task, args: Args): number => {
  const signal = int32(args[0])
  const [, act, old, size] = [args[0], args[1], args[2], uint64(args[3])]
  if (size !== SET_SIZE) return -EINVAL
  const user = kernel.user(task)
  const wanted = act === 0 ? undefined : {
    handler: user.i64(act), flags: (user.u32(act + 8) & KNOWN_FLAGS) >>> 0, restorer: user.i64(act + 16),
    mask: blockable(user.u32(act + 24), user.u32(act + 28)),
  }
  if (!isSignal(signal) || (wanted !== undefined && (signal === SIGKILL || signal === SIGSTOP))) return -EINVAL
  const action = task.actions.table[signal]
  const before = { ...action }
  if (wanted !== undefined) {
    Object.assign(action, wanted)
    // What would be ignored now is forgotten (POSIX, and do_sigaction).
    if (isIgnored(task, signal)) {
      discardSignal(task.group.pending, signal)
      for (const other of groupTasks(kernel, task.group)) discardSignal(other.pending, signal)
    }
  }
  if (old !== 0) {
    user.setI64(old, before.handler)
    user.setI64(old + 8, before.flags)
    user.setI64(old + 16, before.restorer)
    writeSet(user, old + 24, before.mask)
  }
  return 0
}

const sigprocmask = (kernel: Kernel, task: Task, args: Args): number => {
  const how = int32(args[0])
  const set = args[1], old = args[2]
  if (uint64(args[3]) !== SET_SIZE) return -EINVAL
  const user = kernel.user(task)
  const before: SignalSet = task.signalMask
  if (set !== 0) {
    const [low, high] = readSet(user, set)
    const change = blockable(low, high)
    if (how === SIG_BLOCK) setSignalMask(task, [(before[0] | change[0]) >>> 0, (before[1] | change[1]) >>> 0])
    else if (how === SIG_UNBLOCK) setSignalMask(task, [(before[0] & ~change[0]) >>> 0, (before[1] & ~change[1]) >>> 0])
    else if (how === SIG_SETMASK) setSignalMask(task, change)
    else return -EINVAL
  }
  if (old !== 0) writeSet(user, old, before)
  return 0
}

const sigreturn = (kernel: Kernel, task: Task): number => {
  if (!popFrame(kernel, task)) forceSignal(kernel, task, kernelInfo(SIGSEGV))
  setSignalMask(task, task.signalMask)
  task.restart = undefined
  return REGISTERS_SET
}

const sigpending = (kernel: Kernel, task: Task, args: Args): number => {
  const size = uint64(args[1])
  if (size > SET_SIZE) return -EINVAL
  const own = task.pending.set, shared = task.group.pending.set, mask = task.signalMask
  const bytes = new Uint8Array(SET_SIZE)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, (own[0] | shared[0]) & mask[0], true)
  view.setUint32(4, (own[1] | shared[1]) & mask[1], true)
  kernel.user(task).write(args[0], bytes.subarray(0, size))
  return 0
}

interface TimedWait { readonly kind: 'sigtimedwait', readonly deadline: number }

const sigtimedwait = (kernel: Kernel, task: Task, args: Args): number => {
  if (uint64(args[3]) !== SET_SIZE) return -EINVAL
  const user = kernel.user(task)
  const set = blockable(user.u32(args[0]), user.u32(args[0] + 4))
  const call = task.syscall
  const waiting = call?.memory as TimedWait | undefined
  let deadline = waiting?.deadline ?? Infinity
  if (waiting === undefined && args[2] !== 0) {
    const time = readTimespec(user, args[2])
    if (typeof time === 'number') return time
    deadline = time[0] === 0 && time[1] === 0 ? 0 : deadlineAfter(kernel, time)
  }
  task.waitSet = undefined
  const info = takeSignal(kernel, task, [~set[0] >>> 0, ~set[1] >>> 0])
  if (info !== undefined) {
    setSignalMask(task, task.signalMask)
    if (args[1] !== 0) user.write(args[1], siginfoBytes(info))
    return info.signal
  }
  if (deadline === 0 || task.wokenBy === 'timeout' && waiting !== undefined) return -EAGAIN
  if (kernel.interrupted(task)) return -EINTR
  if (call !== undefined) call.memory = { kind: 'sigtimedwait', deadline } satisfies TimedWait
  task.waitSet = set
  return kernel.block(task, [], deadline)
}

const sigsuspend = (kernel: Kernel, task: Task, args: Args): number => {
  if (uint64(args[1]) !== SET_SIZE) return -EINVAL
  const call = task.syscall
  if (call !== undefined && call.memory === undefined) {
    const user = kernel.user(task)
    const mask = blockable(user.u32(args[0]), user.u32(args[0] + 4))
    task.savedMask = task.signalMask
    setSignalMask(task, mask)
    call.memory = { kind: 'sigsuspend' }
  }
  return kernel.interrupted(task) ? -ERESTARTNOHAND : kernel.block(task, [])
}

const pause = (kernel: Kernel, task: Task): number => kernel.interrupted(task) ? -ERESTARTNOHAND : kernel.block(task, [])

const sigaltstack = (kernel: Kernel, task: Task, args: Args): number => {
  const [wanted, old] = [args[0], args[1]]
  const user = kernel.user(task)
  const sp = kernel.processor.cpu.rsp
  const before = task.signalStack
  const flags = stackFlags(before, sp)
  if (wanted !== 0) {
    const result = setSignalStack(task, user.i64(wanted), uint64(user.i64(wanted + 16)), user.u32(wanted + 8), sp,
      { perm: -EPERM, inval: -EINVAL, nomem: -ENOMEM }, MINSIGSTKSZ)
    if (result < 0) return result
  }
  if (old !== 0) {
    user.setI64(old, before.address)
    user.setU32(old + 8, flags)
    user.setU32(old + 12, 0)
    user.setI64(old + 16, before.size)
  }
  return 0
}

// ——— Sending ———

/** Checks and sends; signal 0 only checks. */
const post = (kernel: Kernel, sender: Task, target: Task | ThreadGroup, signal: number, info: SignalInfo): number => {
  if (signal !== 0 && !isSignal(signal)) return -EINVAL
  const group = 'tid' in target ? target.group : target
  if (!mayKill(kernel, sender, group, signal)) return -EPERM
  return signal === 0 ? 0 : sendSignal(kernel, target, signal, info)
}

/** Sends to each; the call succeeds if one of them can be sent to. */
const postAll = (kernel: Kernel, task: Task, groups: readonly ThreadGroup[], signal: number): number => {
  let result = -ESRCH
  let succeeded = false
  for (const group of groups) {
    const sent = post(kernel, task, group, signal, userInfo(signal, task))
    if (sent === 0) succeeded = true
    else result = sent
  }
  return succeeded ? 0 : result
}

const groupOf = (kernel: Kernel, task: Task, pid: number): ThreadGroup | undefined => groupBy(kernel, task, pid) ?? taskBy(kernel, task, pid)?.group

const kill = (kernel: Kernel, task: Task, args: Args): number => {
  const pid = int32(args[0]), signal = int32(args[1])
  if (pid > 0) {
    const group = groupOf(kernel, task, pid)
    return group === undefined ? -ESRCH : post(kernel, task, group, signal, userInfo(signal, task))
  }
  if (pid === -1) {
    // All that it sees, but for itself and its init (kill_something_info).
    const pids = task.namespaces.pid
    const others = [...kernel.state.groups.values()].filter((group) => group !== task.group && isVisibleIn(pids, group.tgid) && (pids.level === 0 || shownPid(pids, group.tgid) > 1))
    const result = postAll(kernel, task, others, signal)
    // Without others there is nothing to find; those that may not be sent to do not count (kill_something_info).
    return result === -EPERM ? 0 : result
  }
  return postAll(kernel, task, processGroupMembers(kernel, pid === 0 ? task.group.processGroup : kernelPid(task.namespaces.pid, -pid)), signal)
}

const tkillInfo = (signal: number, sender: Task): SignalInfo => ({ ...userInfo(signal, sender), code: SI_TKILL })

const sendToThread = (kernel: Kernel, task: Task, tgid: number, tid: number, signal: number, info: SignalInfo): number => {
  const target = taskBy(kernel, task, tid)
  if (target === undefined || (tgid > 0 && target.group.tgid !== kernelPid(task.namespaces.pid, tgid))) return -ESRCH
  return post(kernel, task, target, signal, info)
}

const tgkill = (kernel: Kernel, task: Task, args: Args): number => {
  const tgid = int32(args[0]), tid = int32(args[1]), signal = int32(args[2])
  return tgid <= 0 || tid <= 0 ? -EINVAL : sendToThread(kernel, task, tgid, tid, signal, tkillInfo(signal, task))
}
const tkill = (kernel: Kernel, task: Task, args: Args): number => {
  const tid = int32(args[0]), signal = int32(args[1])
  return tid <= 0 ? -EINVAL : sendToThread(kernel, task, 0, tid, signal, tkillInfo(signal, task))
}

/** siginfo from the guest: only itself may be told what the kernel tells (do_rt_sigqueueinfo). */
const readQueued = (kernel: Kernel, task: Task, address: number, signal: number, pid: number): SignalInfo | number => {
  const bytes = kernel.user(task).read(address, SIGINFO_SIZE)
  const wrong = checkSiginfo(bytes, signal)
  if (wrong !== 0) return wrong
  const info = readSiginfo(bytes, signal)
  return (info.code >= 0 || info.code === SI_TKILL) && seenBy(task, task.tid) !== pid ? -EPERM : info
}

const sigqueueinfo = (kernel: Kernel, task: Task, args: Args): number => {
  const pid = int32(args[0]), signal = int32(args[1])
  const info = readQueued(kernel, task, args[2], signal, pid)
  if (typeof info === 'number') return info
  const group = groupOf(kernel, task, pid)
  return group === undefined ? -ESRCH : post(kernel, task, group, signal, info)
}
const tgsigqueueinfo = (kernel: Kernel, task: Task, args: Args): number => {
  const tgid = int32(args[0]), tid = int32(args[1]), signal = int32(args[2])
  if (tgid <= 0 || tid <= 0) return -EINVAL
  const info = readQueued(kernel, task, args[3], signal, tid)
  return typeof info === 'number' ? info : sendToThread(kernel, task, tgid, tid, signal, info)
}

const FRAME_NOTE = 'frames have the FXSAVE image of a processor without XSAVE'

export const signalCalls: readonly SyscallEntry[] = [
  { number: 13, name: 'rt_sigaction', args: ['sig:signal', 'act:struct(sigaction)', 'oact:struct(sigaction)*', 'size:size'], handler: sigaction, status: 'full' },
  { number: 14, name: 'rt_sigprocmask', args: ['how:enum(SIG_)', 'set:struct(sigset)', 'oset:struct(sigset)*', 'size:size'], handler: sigprocmask, status: 'full' },
  { number: 15, name: 'rt_sigreturn', args: [], handler: sigreturn, status: 'full', note: FRAME_NOTE },
  { number: 34, name: 'pause', args: [], handler: pause, status: 'full' },
  { number: 62, name: 'kill', args: ['pid:pid', 'sig:signal'], handler: kill, status: 'full' },
  { number: 127, name: 'rt_sigpending', args: ['set:struct(sigset)*', 'size:size'], handler: sigpending, status: 'full' },
  { number: 128, name: 'rt_sigtimedwait', args: ['set:struct(sigset)', 'info:struct(siginfo)*', 'timeout:struct(timespec)', 'size:size'], handler: sigtimedwait, status: 'full' },
  { number: 129, name: 'rt_sigqueueinfo', args: ['pid:pid', 'sig:signal', 'info:struct(siginfo)'], handler: sigqueueinfo, status: 'full' },
  { number: 130, name: 'rt_sigsuspend', args: ['set:struct(sigset)', 'size:size'], handler: sigsuspend, status: 'full' },
  { number: 131, name: 'sigaltstack', args: ['ss:struct(stack)', 'oss:struct(stack)*'], handler: sigaltstack, status: 'full' },
  { number: 200, name: 'tkill', args: ['tid:pid', 'sig:signal'], handler: tkill, status: 'full' },
  // The dispatcher goes on with an interrupted call; without one there is nothing to restart.
  { number: 219, name: 'restart_syscall', args: [], handler: () => -EINTR, status: 'full' },
  { number: 234, name: 'tgkill', args: ['tgid:pid', 'tid:pid', 'sig:signal'], handler: tgkill, status: 'full' },
  { number: 297, name: 'rt_tgsigqueueinfo', args: ['tgid:pid', 'tid:pid', 'sig:signal', 'info:struct(siginfo)'], handler: tgsigqueueinfo, status: 'full' },
]
