/**
 * From SYSCALL to its result.
 *
 * A call costs SYSCALL_CYCLES of virtual time, whatever it does, each time that its handler is tried.
 */
import { RAX, RDI, RDX, RSI, R8, R9, R10 } from '../../emu/cpu/layout.ts'
import { OutOfFrames } from '../../emu/memory.ts'
import { EFAULT, EINTR, ENOMEM, ENOSYS, ERESTART_RESTARTBLOCK, ERESTARTSYS } from '../abi/errno.ts'
import type { Kernel } from '../kernel.ts'
import { BadAddress } from '../mm/user-memory.ts'
import { isKilled } from '../signal/pending.ts'
import type { SyscallInProgress, Task } from '../task/task.ts'
import { BLOCKED } from '../wait-queue.ts'
import { SYSCALLS } from './table.ts'

/** Virtual cost of a system call in cycles. */
export const SYSCALL_CYCLES = 200
/** Length of the SYSCALL instruction: a call is made again by stepping back over it. */
const SYSCALL_LENGTH = 2
const RESTART_SYSCALL = 219

/** What a handler returns that has set all registers itself (rt_sigreturn). */
export const REGISTERS_SET = Number.MIN_SAFE_INTEGER + 1

/** The record of a call that has ended, for the next one to use: most calls then allocate nothing. Not state. */
let spare: SyscallInProgress | undefined

const begin = (kernel: Kernel, task: Task): SyscallInProgress => {
  const { cpu } = kernel.processor
  const call = spare ?? { number: 0, args: [0, 0, 0, 0, 0, 0], started: 0, memory: undefined }
  spare = undefined
  // Linux takes eax, sign-extended.
  call.number = cpu.low(RAX) | 0
  call.args[0] = cpu.get(RDI)
  call.args[1] = cpu.get(RSI)
  call.args[2] = cpu.get(RDX)
  call.args[3] = cpu.get(R10)
  call.args[4] = cpu.get(R8)
  call.args[5] = cpu.get(R9)
  call.started = kernel.state.cycle
  task.syscall = call
  return call
}

/** The call is over: the observer is told. Calls that do not return do this themselves before they take effect. */
export const endSyscall = (kernel: Kernel, task: Task, result: number): void => {
  const call = task.syscall
  if (call === undefined) return
  task.syscall = undefined
  kernel.outside.observer.onSyscall(kernel.state.cycle, task.tid, call.number, call.args, result, call.started)
  call.memory = undefined
  spare = call
}

const unknown = (kernel: Kernel, task: Task, number: number): number => {
  const { unknownSyscalls } = kernel.state
  if (!unknownSyscalls.has(number)) {
    unknownSyscalls.add(number)
    kernel.outside.observer.onUnknownSyscall(kernel.state.cycle, task.tid, number)
  }
  return -ENOSYS
}

const handle = (kernel: Kernel, task: Task, call: SyscallInProgress): number => {
  const entry = call.number >= 0 ? SYSCALLS[call.number] : undefined
  if (entry === undefined) return unknown(kernel, task, call.number)
  try {
    return entry.handler(kernel, task, call.args)
  } catch (error) {
    if (error instanceof BadAddress) return -EFAULT
    if (error instanceof OutOfFrames) return -ENOMEM
    throw error
  }
}

/**
 * Makes the call of the loaded task, or tries again one that was blocked. Afterwards the task runs on with its result in
 * rax, or it is blocked, or it is gone.
 */
export const dispatch = (kernel: Kernel, task: Task): void => {
  const call = task.syscall ?? begin(kernel, task)
  task.usage.systemCycles += SYSCALL_CYCLES
  let result = handle(kernel, task, call)
  if (result === BLOCKED) {
    // What does not look at signals must still come back when the task is killed.
    if (!isKilled(task)) return
    kernel.wakeTask(task, 'signal')
    kernel.state.runqueue.splice(kernel.state.runqueue.indexOf(task.tid), 1)
    task.state = 'running'
    result = -EINTR
  }
  // The task may have ended in the call.
  if (task.state === 'zombie' || task.state === 'dead') return
  const { number } = call
  endSyscall(kernel, task, result === REGISTERS_SET ? 0 : result)
  if (result === REGISTERS_SET) return
  const { cpu } = kernel.processor
  if (result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK) {
    // As if no handler will run: the call is made again. Delivery of a signal to a handler may undo that.
    task.restartCode = -result
    task.signalDue = true
    cpu.set(RAX, -result === ERESTART_RESTARTBLOCK ? RESTART_SYSCALL : number)
    cpu.rip -= SYSCALL_LENGTH
    return
  }
  cpu.set(RAX, result)
}

/** A handler runs before the interrupted call could be made again: it fails with EINTR after all. */
export const abandonRestart = (kernel: Kernel): void => {
  const { cpu } = kernel.processor
  cpu.rip += SYSCALL_LENGTH
  cpu.set(RAX, -EINTR)
}
