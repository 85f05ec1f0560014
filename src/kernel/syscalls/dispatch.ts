/**
 * From SYSCALL to its result.
 *
 * A call costs SYSCALL_CYCLES of virtual time, whatever it does, each time that its handler is tried.
 */
import { RAX } from '../../emu/cpu/layout.ts'
import { OutOfFrames } from '../../emu/memory.ts'
import { EFAULT, EINTR, ENOMEM, ENOSYS, ERESTART_RESTARTBLOCK, ERESTARTSYS } from '../abi/errno.ts'
import type { Kernel } from '../kernel.ts'
import { BadAddress } from '../mm/user-memory.ts'
import { meetFault } from '../plan/faults.ts'
import { isKilled } from '../signal/pending.ts'
import { checkSeccomp } from '../task/seccomp.ts'
import { SIGTRAP } from '../abi/signals.ts'
import type { SyscallInProgress, Task } from '../task/task.ts'
import { PTRACE_O_TRACESYSGOOD, queueStop, type Trace } from '../task/trace.ts'
import { BLOCKED } from '../wait-queue.ts'
import { beginSyscall, endSyscall, prepareRestart, readArguments, REGISTERS_SET, RESTART_SYSCALL } from './call.ts'
import type { SyscallEntry } from './entry.ts'
import { SYSCALLS } from './table.ts'

/** Virtual cost of a system call in cycles. */
export const SYSCALL_CYCLES = 200

const unknown = (kernel: Kernel, task: Task, number: number): number => {
  const { unknownSyscalls } = kernel.state
  if (!unknownSyscalls.has(number)) {
    unknownSyscalls.add(number)
    kernel.outside.observer.onUnknownSyscall(kernel.state.cycle, task.tid, number)
  }
  return -ENOSYS
}

/** restart_syscall goes on with the call that was interrupted: its arguments are still in the registers. */
const entryOf = (task: Task, call: SyscallInProgress): SyscallEntry | undefined => {
  const { restart } = task
  if (call.number === RESTART_SYSCALL && restart !== undefined) {
    call.memory ??= restart.memory
    if (restart.realtime === true) call.realtime = true
    return SYSCALLS[restart.number]
  }
  return call.number >= 0 ? SYSCALLS[call.number] : undefined
}

const handle = (kernel: Kernel, task: Task, call: SyscallInProgress, isNew: boolean): number => {
  if (isNew && task.seccomp !== undefined) {
    const refused = checkSeccomp(kernel, task, task.seccomp, call)
    if (refused !== undefined) return refused
  }
  if (isNew && kernel.state.faults !== undefined) {
    const met = meetFault(kernel, task, call)
    if (met !== undefined) return met
  }
  const entry = entryOf(task, call)
  if (entry === undefined) return unknown(kernel, task, call.number)
  try {
    return entry.handler(kernel, task, call.args)
  } catch (error) {
    if (error instanceof BadAddress) return -EFAULT
    if (error instanceof OutOfFrames) return -ENOMEM
    throw error
  }
}

/** A tracer that asked for it sees the end of the call, or of the step over it. */
const endTracedSyscall = (task: Task, trace: Trace, number: number, result: number): void => {
  trace.syscallNumber = number
  if (trace.resume === 'syscall') {
    queueStop(task, { kind: 'syscall-exit', code: SIGTRAP | ((trace.options & PTRACE_O_TRACESYSGOOD) !== 0 ? 0x80 : 0), info: undefined, message: result })
  } else if (trace.resume === 'step') {
    queueStop(task, { kind: 'event', code: SIGTRAP, info: undefined, message: 0 })
  }
}

/**
 * Makes the call of the loaded task, or tries again one that was blocked. Afterwards the task runs on with its result in
 * rax, or it is blocked, or it is gone.
 */
export const dispatch = (kernel: Kernel, task: Task): void => {
  const isNew = task.syscall === undefined
  const call = task.syscall ?? beginSyscall(kernel, task)
  // A tracer may have changed the arguments where the call was stopped.
  if (task.trace !== undefined && !isNew && call.memory === undefined) readArguments(kernel, call)
  task.usage.systemCycles += SYSCALL_CYCLES
  let result = handle(kernel, task, call, isNew)
  if (result === BLOCKED) {
    // What does not look at signals must still come back when the task is killed.
    if (!isKilled(task)) return
    kernel.wakeTask(task, 'signal')
    const { runqueue } = kernel.state
    runqueue.splice(runqueue.lastIndexOf(task.tid), 1)
    task.state = 'running'
    result = -EINTR
  }
  // The task may have ended in the call.
  if (task.state === 'zombie' || task.state === 'dead') return
  const { number } = call
  endSyscall(kernel, task, result === REGISTERS_SET ? 0 : result)
  if (task.trace !== undefined) endTracedSyscall(task, task.trace, number, result === REGISTERS_SET ? 0 : result)
  if (result === REGISTERS_SET) return
  if (result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK) prepareRestart(kernel, task, -result, number)
  else kernel.processor.cpu.set(RAX, result)
}
