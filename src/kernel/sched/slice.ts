/** One slice of one task on one virtual CPU: user code, system calls, faults and signals until it ends, blocks or is gone. */
import { RAX, RDI, RDX, RSI, TF } from '../../emu/cpu/layout.ts'
import { EXIT_ACCESS, EXIT_BUDGET, EXIT_FAULT, EXIT_SYSCALL } from '../../emu/processor.ts'
import { ENOSYS } from '../abi/errno.ts'
import { SIGTRAP } from '../abi/signals.ts'
import type { Kernel } from '../kernel.ts'
import { deliverSignals } from '../signal/deliver.ts'
import { signalFault } from '../signal/faults.ts'
import { killForMemory } from '../signal/out-of-memory.ts'
import type { VirtualCpu } from '../state.ts'
import { isKilled } from '../signal/pending.ts'
import { beginSyscall } from '../syscalls/call.ts'
import { dispatch, SYSCALL_CYCLES } from '../syscalls/dispatch.ts'
import { updateRseq } from '../task/rseq.ts'
import type { Task } from '../task/task.ts'
import { enterTraceStop, PTRACE_O_TRACESYSGOOD, queueStop, type Trace } from '../task/trace.ts'
import { checkCpuTimers, cyclesToCpuTimer } from '../time/itimers.ts'
import { nextDeadline } from '../time/timer-queue.ts'
import { updateVdsoCpu } from '../vdso/vdso.ts'
import { isAlone, mayRunOn } from './schedule.ts'
import { YIELDED } from './policies.ts'
import type { SchedulingStrategy } from './strategy.ts'

/** Virtual cost of an exception. */
const FAULT_CYCLES = 200
const SYSCALL_LENGTH = 2
/** `Processor.run` takes less than 2^31. */
const LONGEST_RUN = 2 ** 30

/** A traced task is about to make a system call. @returns whether it stops before that */
const traceSyscall = (kernel: Kernel, task: Task, trace: Trace): boolean => {
  const { cpu } = kernel.processor
  if (trace.resume === 'step') cpu.rflags &= ~TF
  if (trace.resume !== 'syscall') return false
  beginSyscall(kernel, task)
  cpu.set(RAX, -ENOSYS)
  queueStop(task, { kind: 'syscall-enter', code: SIGTRAP | ((trace.options & PTRACE_O_TRACESYSGOOD) !== 0 ? 0x80 : 0), info: undefined, message: 0 })
  return true
}

/** The CPU's clock moved on: the world's follows. */
const advance = (kernel: Kernel, cpu: VirtualCpu, cycles: number): void => {
  const { state } = kernel
  cpu.clock += cycles
  state.cycle = cpu.clock
  if (cpu.clock > state.now) state.now = cpu.clock
}

const handleFault = (kernel: Kernel, task: Task): void => {
  if (kernel.outOfFrames) {
    // The instruction runs again when there is room.
    kernel.outOfFrames = false
    kernel.yielded = true
    killForMemory(kernel)
  } else {
    signalFault(kernel, task)
  }
}

/**
 * Runs the task for at most `budget` cycles.
 * @param isNew the CPU did not have the task in its last slice
 * @param alone no other task could run when the slice began: it ends when that changes
 * @param strategy when it ends because of others
 * @returns how many instructions were executed; `kernel.yielded` says whether the task gave up the rest of its slice
 */
export const runSlice = (kernel: Kernel, cpu: VirtualCpu, task: Task, budget: number, isNew: boolean, alone: boolean, strategy: SchedulingStrategy): number => {
  const { preempts, asksWhenJoined = preempts, stops = false } = strategy
  const { state, processor } = kernel
  state.cycle = cpu.clock
  if (cpu.clock > state.now) state.now = cpu.clock
  const end = cpu.clock + budget
  cpu.sliceEnd = end
  kernel.current = task
  kernel.yielded = false
  kernel.load(task)
  processor.setCpuNumber(cpu.index)
  updateVdsoCpu(kernel, cpu)
  if (isNew) updateRseq(kernel, task)
  const buffers = kernel.watch?.buffers
  // Its draws go with the slice.
  buffers?.drainSome()
  kernel.outside.observer.onSlice(cpu.clock, cpu.index, task.tid, budget)
  let joined = false
  let total = 0
  kernel.isContended = !alone
  if (task.nextAction !== undefined) {
    const isCall = task.nextAction.kind === 'syscall'
    kernel.watch?.grant(task)
    task.nextAction = undefined
    if (isCall) {
      advance(kernel, cpu, SYSCALL_CYCLES)
      dispatch(kernel, task)
    }
  }
  const waiting = preempts || state.hasPriorities ? state.runqueue.length : Infinity
  for (;;) {
    if (task.trace !== undefined && task.trace.queue.length > 0) {
      buffers?.drain(task)
      if (!isKilled(task) && enterTraceStop(kernel, task)) break
    }
    if (task.syscall !== undefined) {
      advance(kernel, cpu, SYSCALL_CYCLES)
      dispatch(kernel, task)
    }
    if (task.state === 'running' && task.signalDue && task.syscall === undefined) {
      buffers?.drain(task)
      deliverSignals(kernel, task)
    }
    if (task.state !== 'running') break
    if (task.trace !== undefined) {
      if (task.trace.queue.length > 0) continue
      if (task.trace.resume === 'step') processor.cpu.rflags |= TF
      task.trace.syscallNumber = -1
    }
    if (kernel.yielded) {
      if (!isAlone(state, cpu) || !mayRunOn(state, task, cpu)) break
      kernel.yielded = false
    }
    if (state.runqueue.length > waiting) break
    if (alone && state.runqueue.length > 0) {
      joined = true
      break
    }
    const limit = Math.min(end, nextDeadline(state.timers))
    const left = Math.min(limit - cpu.clock, cyclesToCpuTimer(kernel, task), LONGEST_RUN)
    if (left <= 0) break
    const reason = processor.run(left, cpu.clock, state.now)
    const { executed } = processor
    total += executed
    task.usage.userCycles += executed
    advance(kernel, cpu, executed)
    if (reason === EXIT_ACCESS) break
    if (reason !== EXIT_BUDGET) buffers?.drain(task)
    if (reason === EXIT_SYSCALL && task.trace !== undefined && traceSyscall(kernel, task, task.trace)) continue
    if (reason === EXIT_SYSCALL && stops && !alone && kernel.watch?.code?.stopsAtCall(processor.cpu.rip - SYSCALL_LENGTH, processor.cpu.low(RAX) | 0) !== false) {
      task.nextAction = { kind: 'syscall', number: processor.cpu.low(RAX) | 0, args: [processor.cpu.get(RDI), processor.cpu.get(RSI), processor.cpu.get(RDX)], rip: processor.cpu.rip }
      if (strategy.goesOn?.(kernel, task) !== true) break
      task.nextAction = undefined
    }
    if (reason === EXIT_SYSCALL) {
      advance(kernel, cpu, SYSCALL_CYCLES)
      dispatch(kernel, task)
    } else if (reason === EXIT_FAULT) {
      advance(kernel, cpu, FAULT_CYCLES)
      task.usage.systemCycles += FAULT_CYCLES
      handleFault(kernel, task)
    } else {
      checkCpuTimers(kernel, task)
    }
  }
  kernel.current = undefined
  if (task.state === 'running') {
    checkCpuTimers(kernel, task)
    // What ended early may be preempted too; but one that is not alone any more goes on for a slice of the usual length.
    cpu.sliceEnd = joined && !asksWhenJoined && !state.hasPriorities ? cpu.clock + 1 : kernel.yielded ? YIELDED : cpu.clock
  } else {
    cpu.tid = 0
    task.usage.voluntarySwitches++
  }
  return total
}
