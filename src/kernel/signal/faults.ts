/** What exceptions of the processor mean to a program (arch/x86/kernel/traps.c, arch/x86/mm/fault.c). */
import { type Fault, VECTOR_AC, VECTOR_BP, VECTOR_DB, VECTOR_DE, VECTOR_GP, VECTOR_MF, VECTOR_OF, VECTOR_PF, VECTOR_SS, VECTOR_UD,
  VECTOR_XM } from '../../emu/processor.ts'
import { DR6_STEP } from '../../emu/breakpoints.ts'
import * as layout from '../../emu/cpu/layout.ts'
import { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE } from '../../emu/mmu/mmu.ts'
import { BUS_ADRALN, FPE_FLTDIV, FPE_FLTINV, FPE_FLTOVF, FPE_FLTRES, FPE_FLTUND, FPE_INTDIV, ILL_ILLOPN, SIGBUS, SIGFPE, SIGILL,
  SIGSEGV, SIGTRAP, TRAP_BRKPT, TRAP_HWBKPT, TRAP_TRACE } from '../abi/signals.ts'
import type { Kernel } from '../kernel.ts'
import { explainFault } from '../mm/fault.ts'
import { debugRegisters, isBeforeInstruction } from '../task/debug-registers.ts'
import type { Task } from '../task/task.ts'
import { forceSignal, kernelInfo } from './send.ts'
import { faultInfo } from './siginfo.ts'
import type { SignalInfo } from './signal.ts'

/** Bits of a page fault's error code. */
const WRITE = 2, FETCH = 16

/** si_code for pending unmasked exceptions (fpu__exception_code); 0 if there are none. */
const floatCode = (pending: number): number => {
  if ((pending & 0x01) !== 0) return FPE_FLTINV
  if ((pending & 0x04) !== 0) return FPE_FLTDIV
  if ((pending & 0x08) !== 0) return FPE_FLTOVF
  if ((pending & 0x12) !== 0) return FPE_FLTUND
  return (pending & 0x20) !== 0 ? FPE_FLTRES : 0
}

const floatFault = (kernel: Kernel, vector: number): number => {
  const { memory, cpu } = kernel.processor
  if (vector === VECTOR_XM) return floatCode(cpu.mxcsr & ~(cpu.mxcsr >> 7))
  return floatCode(memory.u32[layout.FPU_STATUS >> 2] & ~memory.u32[layout.FPU_CONTROL >> 2])
}

const pageFault = (task: Task, errorCode: number, address: number): SignalInfo => {
  const access = (errorCode & FETCH) !== 0 ? ACCESS_EXECUTE : (errorCode & WRITE) !== 0 ? ACCESS_WRITE : ACCESS_READ
  const { signal, code } = explainFault(task.mm, address, access)
  return faultInfo(signal, code, address)
}

const explain = (kernel: Kernel, task: Task): SignalInfo | undefined => {
  const { cpu, fault } = kernel.processor
  const { vector } = fault
  switch (vector) {
    case VECTOR_PF: return pageFault(task, fault.errorCode, fault.address)
    case VECTOR_DE: return faultInfo(SIGFPE, FPE_INTDIV, cpu.rip)
    case VECTOR_UD: return faultInfo(SIGILL, ILL_ILLOPN, cpu.rip)
    case VECTOR_GP: case VECTOR_OF: return kernelInfo(SIGSEGV)
    case VECTOR_SS: return kernelInfo(SIGBUS)
    case VECTOR_BP: return kernelInfo(SIGTRAP)
    case VECTOR_DB: return faultInfo(SIGTRAP, (fault.debugStatus & DR6_STEP) !== 0 ? TRAP_TRACE : fault.debugStatus !== 0 ? TRAP_HWBKPT : TRAP_BRKPT, cpu.rip)
    case VECTOR_AC: return faultInfo(SIGBUS, BUS_ADRALN, 0)
    case VECTOR_MF: case VECTOR_XM: {
      const code = floatFault(kernel, vector)
      return code === 0 ? undefined : faultInfo(SIGFPE, code, cpu.rip)
    }
    default: return kernelInfo(SIGSEGV)
  }
}

/** Faults, not traps, leave RF set: the instruction is executed when the program goes on, past its breakpoint (Intel SDM volume 3, 18.3.1.1). */
const isBeforeTheInstruction = (task: Task, fault: Fault): boolean => {
  if (fault.vector !== VECTOR_DB) return fault.vector !== VECTOR_BP && fault.vector !== VECTOR_OF
  task.debug ??= debugRegisters()
  task.debug.status = fault.debugStatus
  return isBeforeInstruction(task.debug, fault.debugStatus)
}

/** The loaded task's instruction faulted: the signal for it is forced on the task. */
export const signalFault = (kernel: Kernel, task: Task): void => {
  const { fault } = kernel.processor
  task.faultVector = fault.vector
  task.faultError = fault.errorCode
  if (fault.vector === VECTOR_PF) task.faultAddress = fault.address
  if (isBeforeTheInstruction(task, fault)) kernel.processor.cpu.rflags |= layout.RF
  const info = explain(kernel, task)
  if (info !== undefined) forceSignal(kernel, task, info)
}
