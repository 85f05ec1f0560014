/**
 * Signals act on a task on its way to user mode (Linux's get_signal and handle_signal).
 */
import { dumpCore } from '../exec/core-dump.ts'
import { ERESTART_RESTARTBLOCK, ERESTARTNOHAND, ERESTARTNOINTR, ERESTARTSYS } from '../abi/errno.ts'
import { SA_RESETHAND, SA_RESTART, SI_USER, SIG_DFL, SIG_IGN, SIGABRT, SIGALRM, SIGBUS, SIGFPE, SIGILL, SIGKILL, SIGQUIT, SIGSEGV, SIGSTOP,
  SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ } from '../abi/signals.ts'
import type { Kernel } from '../kernel.ts'
import { abandonRestart } from '../syscalls/call.ts'
import { exitGroup, exitTask, signalStatus } from '../task/exit.ts'
import { updateRseq } from '../task/rseq.ts'
import type { Task } from '../task/task.ts'
import { queueStop, type Trace } from '../task/trace.ts'
import { realTimerTaken } from '../time/itimers.ts'
import { timerSignalTaken } from '../time/posix-timers.ts'
import { pushFrame } from './frame.ts'
import { isOrphaned, park, stopGroup } from './job-control.ts'
import { dequeue, enqueue, isKilled, isSignalDue, STOP_SIGNALS } from './pending.ts'
import { forceFatal, forceSignal, isIgnoredByDefault, kernelInfo } from './send.ts'
import { setHas, type SignalAction, type SignalInfo, type SignalSet } from './signal.ts'

/** Signals whose default action is to dump core. */
const CORE_SIGNALS: readonly number[] = [SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, SIGXCPU, SIGXFSZ]

/** Takes the next signal that the task does not block, and lets timers know whose signal it was. */
export const takeSignal = (kernel: Kernel, task: Task, mask: SignalSet): SignalInfo | undefined => {
  const own = dequeue(task.pending, mask)
  if (own !== undefined) {
    if (own.detail.kind === 'timer') timerSignalTaken(kernel, task.group, own)
    return own
  }
  const shared = dequeue(task.group.pending, mask)
  if (shared === undefined) return undefined
  if (shared.detail.kind === 'timer') timerSignalTaken(kernel, task.group, shared)
  else if (shared.signal === SIGALRM) realTimerTaken(kernel, task.group)
  return shared
}

const tell = (kernel: Kernel, task: Task, info: SignalInfo, action: Parameters<Kernel['outside']['observer']['onSignal']>[4]): void => {
  kernel.outside.observer.onSignal(kernel.state.cycle, task.tid, info.signal, info.code, action)
  for (const tracer of kernel.tracers) tracer.signalTaken?.(task)
}

/** A handler is about to run: does the call that was interrupted fail, or is it made again afterwards? */
const settleRestart = (kernel: Kernel, task: Task, action: SignalAction): void => {
  const code = task.restartCode
  task.restartCode = 0
  if (code === 0 || code === ERESTARTNOINTR) return
  if (code === ERESTARTNOHAND || code === ERESTART_RESTARTBLOCK || (code === ERESTARTSYS && (action.flags & SA_RESTART) === 0)) {
    abandonRestart(kernel)
  }
}

const handle = (kernel: Kernel, task: Task, action: SignalAction, info: SignalInfo): void => {
  settleRestart(kernel, task, action)
  updateRseq(kernel, task)
  const mask = task.savedMask ?? [task.signalMask[0], task.signalMask[1]]
  if (!pushFrame(kernel, task, action, info, mask)) {
    // Linux forces SIGSEGV; if that was the signal, it is fatal.
    if (info.signal === SIGSEGV) forceFatal(kernel, task, SIGSEGV)
    else forceSignal(kernel, task, kernelInfo(SIGSEGV))
    return
  }
  task.savedMask = undefined
  if ((action.flags & SA_RESETHAND) !== 0) action.handler = SIG_DFL
}

/** Of a wait status. */
const CORE_DUMPED = 0x80

/** The default action. */
const actByDefault = (kernel: Kernel, task: Task, info: SignalInfo): void => {
  const { signal } = info
  if (isIgnoredByDefault(signal)) {
    tell(kernel, task, info, 'ignore')
    return
  }
  if (STOP_SIGNALS.includes(signal)) {
    if (signal !== SIGSTOP && isOrphaned(kernel, task.group.processGroup)) return
    tell(kernel, task, info, 'stop')
    stopGroup(kernel, task.group, signal)
    return
  }
  const isCore = CORE_SIGNALS.includes(signal)
  tell(kernel, task, info, isCore ? 'core' : 'terminate')
  exitGroup(kernel, task, signalStatus(signal) | (isCore && dumpCore(kernel, task, info) ? CORE_DUMPED : 0))
}

/** SIGKILL is pending: the task goes, with its group unless that is doing so already or another of its tasks calls execve. */
const die = (kernel: Kernel, task: Task): void => {
  const { group } = task
  if (group.exiting) exitTask(kernel, task, group.exitStatus)
  else if (group.execTid !== 0 && group.execTid !== task.tid) exitTask(kernel, task, signalStatus(SIGKILL))
  else {
    tell(kernel, task, kernelInfo(SIGKILL), 'terminate')
    exitGroup(kernel, task, signalStatus(SIGKILL))
  }
}

/** What the tracer made of the signal that its tracee stopped for: undefined if nothing is to act now. */
const decided = (kernel: Kernel, task: Task, trace: Trace): SignalInfo | undefined => {
  const { signal: taken, decision } = trace
  trace.signal = undefined
  trace.decision = 0
  if (taken === undefined || decision === 0) return undefined
  const info: SignalInfo = taken.signal === decision ? taken
    : { signal: decision, errno: 0, code: SI_USER, detail: { kind: 'kill', pid: trace.tracer, uid: 0 } }
  if (setHas(task.signalMask, info.signal)) {
    enqueue(task.pending, info)
    return undefined
  }
  return info
}

/**
 * Lets all signals act that are due. Afterwards the loaded task can go on in user mode if it is still running; else it is
 * stopped, or gone.
 */
export const deliverSignals = (kernel: Kernel, task: Task): void => {
  for (;;) {
    if (isKilled(task)) {
      die(kernel, task)
      return
    }
    const { trace } = task
    // A tracer is told first.
    if (trace !== undefined && trace.queue.length > 0) return
    let info: SignalInfo | undefined
    if (trace?.signal !== undefined) {
      info = decided(kernel, task, trace)
      if (info === undefined) continue
    } else {
      if (task.group.stopSignal !== 0 && trace?.ignoresStop !== true) {
        park(kernel, task)
        return
      }
      info = takeSignal(kernel, task, task.signalMask)
      if (info === undefined) break
      if (trace !== undefined) {
        trace.signal = info
        queueStop(task, { kind: 'signal', code: info.signal, info, message: 0 })
        return
      }
    }
    const action = task.actions.table[info.signal]
    if (action.handler === SIG_IGN) tell(kernel, task, info, 'ignore')
    else if (action.handler === SIG_DFL) {
      actByDefault(kernel, task, info)
      if (task.state !== 'running') return
    } else {
      tell(kernel, task, info, 'handler')
      handle(kernel, task, action, info)
    }
  }
  task.restartCode = 0
  if (task.savedMask !== undefined) {
    task.signalMask = task.savedMask
    task.savedMask = undefined
  }
  task.signalDue = isSignalDue(task) || (task.group.stopSignal !== 0 && task.trace?.ignoresStop !== true)
}
