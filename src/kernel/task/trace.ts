/**
 * Tracing (ptrace(2)): what a tracer and its tracees know of each other, and how tracees stop.
 *
 * Stops are queued in the tracee and happen one by one when it is about to go on (`enterTraceStop`): before a system call is
 * made, after it, before a signal acts. While it is in one its state is 'stopped' and `trace.stop` says why.
 * Invariant: a task with `trace` is in `tracees` of its tracer's group, and vice versa.
 */
import { TF } from '../../emu/cpu/layout.ts'
import { CLD_TRAPPED, SA_NOCLDSTOP, SIG_IGN, SIGCHLD, SIGKILL, SIGSTOP, SIGTRAP } from '../abi/signals.ts'
import type { Kernel } from '../kernel.ts'
import { enqueue } from '../signal/pending.ts'
import { kernelInfo, killGroup, sendSignal } from '../signal/send.ts'
import type { SignalInfo } from '../signal/signal.ts'
import { shownPid } from './pid-namespace.ts'
import type { Task, ThreadGroup } from './task.ts'

export const PTRACE_O_TRACESYSGOOD = 0x1, PTRACE_O_TRACEFORK = 0x2, PTRACE_O_TRACEVFORK = 0x4, PTRACE_O_TRACECLONE = 0x8,
  PTRACE_O_TRACEEXEC = 0x10, PTRACE_O_TRACEVFORKDONE = 0x20, PTRACE_O_TRACEEXIT = 0x40, PTRACE_O_TRACESECCOMP = 0x80,
  PTRACE_O_EXITKILL = 0x10_0000
export const EVENT_FORK = 1, EVENT_VFORK = 2, EVENT_CLONE = 3, EVENT_EXEC = 4, EVENT_VFORK_DONE = 5, EVENT_EXIT = 6, EVENT_STOP = 128

export interface TraceStop {
  readonly kind: 'signal' | 'syscall-enter' | 'syscall-exit' | 'event' | 'group'
  /** What wait4's status has above its low byte: signal, and event << 8. */
  readonly code: number
  readonly info: SignalInfo | undefined
  /** PTRACE_GETEVENTMSG; for the end of a system call its result. */
  readonly message: number
}

export interface Trace {
  /** The tracing process. */
  readonly tracer: number
  readonly seized: boolean
  options: number
  /** How it was let go on. */
  resume: 'run' | 'syscall' | 'step' | 'listen'
  /** The stop that it is in. */
  stop: TraceStop | undefined
  /** wait4 has told of the stop. */
  told: boolean
  /** Stops to come. */
  readonly queue: TraceStop[]
  message: number
  /** The signal that was taken and whose fate the tracer decides, and what it decided: 0 is nothing. */
  signal: SignalInfo | undefined
  decision: number
  /** Number of the system call that it comes from, −1 once it was in user mode: orig_rax. */
  syscallNumber: number
  /** The tracer let it go on though its group is stopped. */
  ignoresStop: boolean
}

export const attach = (kernel: Kernel, tracer: ThreadGroup, task: Task, seized: boolean, options: number): void => {
  task.trace = {
    tracer: tracer.tgid, seized, options, resume: 'run', stop: undefined, told: false, queue: [], message: 0, signal: undefined, decision: 0,
    syscallNumber: -1, ignoresStop: false,
  }
  tracer.tracees.push(task.tid)
}

/** The tracee goes its own way. Whether it runs on is up to the caller. */
export const detach = (kernel: Kernel, task: Task): void => {
  const { trace } = task
  if (trace === undefined) return
  task.trace = undefined
  const tracees = kernel.state.groups.get(trace.tracer)?.tracees
  const at = tracees?.indexOf(task.tid) ?? -1
  if (at >= 0) tracees?.splice(at, 1)
}

const tellTracer = (kernel: Kernel, task: Task, trace: Trace, code: number): void => {
  const group = kernel.state.groups.get(trace.tracer)
  if (group === undefined) return
  const action = kernel.state.tasks.get(group.tgid)?.actions.table[SIGCHLD]
  if (action !== undefined && action.handler !== SIG_IGN && (action.flags & SA_NOCLDSTOP) === 0) {
    sendSignal(kernel, group, SIGCHLD, {
      signal: SIGCHLD, errno: 0, code: CLD_TRAPPED,
      detail: { kind: 'child', pid: task.tid, uid: task.credentials.uid, status: code & 0xff, userTicks: 0, systemTicks: 0 },
    })
  }
  kernel.wake(group.childChange)
}

export const queueStop = (task: Task, stop: TraceStop): void => {
  task.trace?.queue.push(stop)
}

/** Something that PTRACE_O_TRACE* asks for happened. */
export const queueEvent = (task: Task, event: number, message: number): void => {
  queueStop(task, { kind: 'event', code: SIGTRAP | event << 8, info: undefined, message })
}

const EVENT_OPTION: Readonly<Record<number, number>> = { [EVENT_FORK]: PTRACE_O_TRACEFORK, [EVENT_VFORK]: PTRACE_O_TRACEVFORK, [EVENT_CLONE]: PTRACE_O_TRACECLONE }

/** A tracee made a task: the tracer may want to trace that as well. */
export const traceChild = (kernel: Kernel, task: Task, child: Task, event: number): void => {
  const { trace } = task
  const tracer = trace === undefined ? undefined : kernel.state.groups.get(trace.tracer)
  if (trace === undefined || tracer === undefined || (trace.options & EVENT_OPTION[event]) === 0) return
  attach(kernel, tracer, child, trace.seized, trace.options)
  if (trace.seized) queueStop(child, { kind: 'event', code: SIGTRAP | EVENT_STOP << 8, info: undefined, message: 0 })
  else {
    // It is not running yet: nobody is to be woken.
    enqueue(child.pending, kernelInfo(SIGSTOP))
    child.signalDue = true
  }
  queueEvent(task, event, child.tid)
}

/** A tracee runs another program; it was `formerTid` before. */
export const traceExec = (kernel: Kernel, task: Task, formerTid: number): void => {
  const { trace } = task
  if (trace === undefined) return
  if ((trace.options & PTRACE_O_TRACEEXEC) !== 0) queueEvent(task, EVENT_EXEC, formerTid)
  else if (!trace.seized) sendSignal(kernel, task, SIGTRAP)
}

/**
 * A tracee calls exit or exit_group: with PTRACE_O_TRACEEXIT it stops once more before it goes. `status` is a wait status.
 * @returns whether it does: the call is made again when it is let go on
 */
export const stopsBeforeExit = (task: Task, status: number): boolean => {
  const { trace, syscall } = task
  if (trace === undefined || syscall === undefined || (trace.options & PTRACE_O_TRACEEXIT) === 0 || syscall.memory !== undefined) return false
  syscall.memory = { kind: 'exit-event' }
  queueEvent(task, EVENT_EXIT, status)
  return true
}

/** The next queued stop happens, if there is one that still should. @returns whether the task is stopped now */
export const enterTraceStop = (kernel: Kernel, task: Task): boolean => {
  const { trace } = task
  if (trace === undefined) return false
  for (;;) {
    const stop = trace.queue.shift()
    if (stop === undefined) return false
    if ((stop.kind === 'syscall-exit' || stop.kind === 'syscall-enter') && trace.resume !== 'syscall') continue
    if (trace.resume === 'step') kernel.processor.cpu.rflags &= ~TF
    task.state = 'stopped'
    trace.stop = stop
    trace.told = false
    trace.message = stop.message
    tellTracer(kernel, task, trace, stop.code)
    return true
  }
}

/** The tracer lets the task go on. */
export const resumeTracee = (kernel: Kernel, task: Task, trace: Trace, resume: Trace['resume'], signal: number): void => {
  const { stop } = trace
  trace.resume = resume
  trace.decision = signal
  if (resume === 'listen') return
  trace.stop = undefined
  if (stop?.kind === 'group') trace.ignoresStop = true
  task.signalDue = true
  if (task.state === 'stopped') kernel.makeRunnable(task)
}

/** SIGCONT reached a group: tracees that were left listening notice. */
export const continueListener = (kernel: Kernel, task: Task): void => {
  const { trace } = task
  if (trace?.stop === undefined || trace.resume !== 'listen') return
  trace.resume = 'run'
  trace.stop = undefined
  queueEvent(task, EVENT_STOP, 0)
  task.signalDue = true
  kernel.makeRunnable(task)
}

/** A tracee ended: a tracer that is not its parent, or whose tracee is a thread, is told of it here. */
export const traceeEnded = (kernel: Kernel, task: Task, status: number): void => {
  const { trace, group } = task
  if (trace === undefined) return
  detach(kernel, task)
  const tracer = kernel.state.groups.get(trace.tracer)
  if (tracer === undefined || (task.tid === group.tgid && group.parent === trace.tracer)) return
  tracer.traceeExits.push({ tid: task.tid, shown: shownPid(tracer.pids, task.tid), status, uid: task.credentials.uid })
  tellTracer(kernel, task, trace, 0)
}

/** A tracer ended: its tracees run on, or die with it. */
export const tracerEnded = (kernel: Kernel, group: ThreadGroup): void => {
  for (const tid of [...group.tracees]) {
    const task = kernel.state.tasks.get(tid)
    const trace = task?.trace
    if (task === undefined || trace === undefined) continue
    const wasStopped = trace.stop !== undefined
    if (trace.signal !== undefined) enqueue(task.pending, trace.signal)
    detach(kernel, task)
    if ((trace.options & PTRACE_O_EXITKILL) !== 0) {
      sendSignal(kernel, task.group, SIGKILL)
      killGroup(kernel, task.group)
    } else if (wasStopped && task.state === 'stopped') {
      task.signalDue = true
      kernel.makeRunnable(task)
    }
  }
  group.traceeExits.length = 0
}
