/** A system call in progress: its record in the task, and how interrupted ones are made again. */
import { RAX, RDI, RDX, RSI, R8, R9, R10 } from '../../emu/cpu/layout.ts'
import { EINTR, ERESTART_RESTARTBLOCK } from '../abi/errno.ts'
import type { Kernel } from '../kernel.ts'
import type { SyscallInProgress, Task } from '../task/task.ts'

/** Length of the SYSCALL instruction: a call is made again by stepping back over it. */
const SYSCALL_LENGTH = 2
export const RESTART_SYSCALL = 219

/** What a handler returns that has set all registers itself (rt_sigreturn). */
export const REGISTERS_SET = Number.MIN_SAFE_INTEGER + 1

/** The record of a call that has ended, for the next one to use: most calls then allocate nothing. Not state. */
let spare: SyscallInProgress | undefined

/** State was put back to an earlier one, in which the record may be in use. */
export const forgetSpareCall = (): void => { spare = undefined }

/** Takes number and arguments from the loaded task's registers. */
export const beginSyscall = (kernel: Kernel, task: Task): SyscallInProgress => {
  const { cpu } = kernel.processor
  const call = spare ?? { number: 0, args: [0, 0, 0, 0, 0, 0], started: 0, memory: undefined, realtime: false }
  spare = undefined
  // Linux takes eax, sign-extended.
  call.number = cpu.low(RAX) | 0
  readArguments(kernel, call)
  call.started = kernel.state.cycle
  call.realtime = false
  task.syscall = call
  return call
}

/** Takes the arguments from the loaded task's registers. */
export const readArguments = (kernel: Kernel, call: SyscallInProgress): void => {
  const { cpu } = kernel.processor
  call.args[0] = cpu.get(RDI)
  call.args[1] = cpu.get(RSI)
  call.args[2] = cpu.get(RDX)
  call.args[3] = cpu.get(R10)
  call.args[4] = cpu.get(R8)
  call.args[5] = cpu.get(R9)
}

/** The call is over: the observer is told. Calls that do not return do this themselves before they take effect. */
export const endSyscall = (kernel: Kernel, task: Task, result: number): void => {
  const call = task.syscall
  if (call === undefined) return
  task.syscall = undefined
  kernel.outside.observer.onSyscall(kernel.state.cycle, task.tid, call.number, call.args, result, call.started)
  for (const tracer of kernel.tracers) tracer.callEnded?.(task, call.number, call.args, result)
  call.memory = undefined
  spare = call
}

/** The call was interrupted: registers are set as if no handler will run, so that it is made again. */
export const prepareRestart = (kernel: Kernel, task: Task, code: number, number: number): void => {
  const { cpu } = kernel.processor
  task.restartCode = code
  task.signalDue = true
  cpu.set(RAX, code === ERESTART_RESTARTBLOCK ? RESTART_SYSCALL : number)
  cpu.rip -= SYSCALL_LENGTH
}

/** A handler runs before the interrupted call could be made again: it fails with EINTR after all. */
export const abandonRestart = (kernel: Kernel): void => {
  const { cpu } = kernel.processor
  cpu.rip += SYSCALL_LENGTH
  cpu.set(RAX, -EINTR)
}
