/**
 * The frame that a signal handler returns through (struct rt_sigframe of arch/x86/include/asm/sigframe.h), and rt_sigreturn,
 * which undoes it.
 *
 * From low to high addresses: return address, ucontext, siginfo, then x87 and vector state (fpu-frame.ts) at a multiple of 64.
 */
import * as layout from '../../emu/cpu/layout.ts'
import { resetFpu } from '../../emu/cpu/fxsave.ts'
import { SA_NODEFER, SA_ONSTACK, SA_RESTORER, SIGKILL, SIGSEGV, SIGSTOP, SS_AUTODISARM, SS_DISABLE, SS_ONSTACK } from '../abi/signals.ts'
import type { Kernel } from '../kernel.ts'
import { BadAddress, USER_END } from '../mm/user-memory.ts'
import type { Task } from '../task/task.ts'
import { fpuFrameSize, hasXsave, readFpuFrame, writeFpuFrame } from './fpu-frame.ts'
import { type SignalAction, type SignalInfo, setAdd, setRemove, type SignalSet, type SignalStack } from './signal.ts'
import { SIGINFO_SIZE, writeSiginfo } from './siginfo.ts'

const RED_ZONE = 128
// Offsets in the frame.
const CONTEXT = 8
const STACK = CONTEXT + 16
const REGISTERS = CONTEXT + 40
const MASK = CONTEXT + 296
const INFO = CONTEXT + 304
const FRAME_SIZE = INFO + SIGINFO_SIZE
// In mcontext (struct sigcontext), from REGISTERS.
const RIP = 128, FLAGS = 136, SELECTORS = 144, ERROR = 152, TRAP = 160, OLD_MASK = 168, CR2 = 176, FPSTATE = 184
/** General registers in the order of struct sigcontext. */
const ORDER = [layout.R8, layout.R9, layout.R10, layout.R11, layout.R12, layout.R13, layout.R14, layout.R15, layout.RDI, layout.RSI,
  layout.RBP, layout.RBX, layout.RDX, layout.RAX, layout.RCX, layout.RSP] as const

/** UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS: cs and ss are in the frame and will be restored. */
const CONTEXT_FLAGS = 6
/** UC_FP_XSTATE: there may be more than an FXSAVE image. */
const CONTEXT_XSTATE = 1
const USER_CS = 0x33, USER_SS = 0x2b
/** Flags that a handler starts without: DF, RF, TF. */
const CLEARED_FLAGS = layout.DF | layout.RF | layout.TF
/** Flags that rt_sigreturn takes from the frame (FIX_EFLAGS): AC RF OF DF TF SF ZF AF PF CF. */
const RESTORED_FLAGS = 0x4_0000 | layout.RF | layout.OF | layout.DF | layout.TF | layout.SF | layout.ZF | layout.AF | layout.PF | layout.CF
/** Cycles are not charged for frames: they are part of the interruption. */
const STACK_FLAG_BITS = SS_AUTODISARM

// Scratch: filled and written before anything else can run.
const frame = new Uint8Array(FRAME_SIZE)
const view = new DataView(frame.buffer)

const set64 = (at: number, value: number): void => {
  view.setUint32(at, value, true)
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true)
}

export const isOnStack = (stack: SignalStack, sp: number): boolean =>
  (stack.flags & SS_AUTODISARM) === 0 && sp > stack.address && sp - stack.address <= stack.size

/** ss_flags as sigaltstack tells: SS_DISABLE, SS_ONSTACK or 0, with SS_AUTODISARM. */
export const stackFlags = (stack: SignalStack, sp: number): number =>
  (stack.size === 0 ? SS_DISABLE : isOnStack(stack, sp) ? SS_ONSTACK : 0) | (stack.flags & STACK_FLAG_BITS)

/**
 * Makes the loaded task enter the handler.
 * @returns false if the frame can't be written
 */
export const pushFrame = (kernel: Kernel, task: Task, action: SignalAction, info: SignalInfo, savedMask: SignalSet): boolean => {
  const { cpu, memory } = kernel.processor
  if ((action.flags & SA_RESTORER) === 0) return false
  const { signalStack } = task
  const oldSp = cpu.rsp
  const wasOnStack = isOnStack(signalStack, oldSp)
  let sp = oldSp - RED_ZONE
  let entersStack = false
  if ((action.flags & SA_ONSTACK) !== 0 && signalStack.size > 0 && !wasOnStack) {
    sp = signalStack.address + signalStack.size
    entersStack = true
  }
  const fpuAt = Math.floor((sp - fpuFrameSize(kernel)) / 64) * 64
  const at = Math.floor((fpuAt - FRAME_SIZE) / 16) * 16 - 8
  // A handler that overflows its alternate stack must not run on below it.
  if ((wasOnStack || entersStack) && !(at > signalStack.address && at - signalStack.address <= signalStack.size)) return false
  if (!(at > 0 && at < USER_END)) return false

  frame.fill(0)
  set64(0, action.restorer)
  view.setUint32(CONTEXT, CONTEXT_FLAGS | (hasXsave(kernel) ? CONTEXT_XSTATE : 0), true)
  set64(STACK, signalStack.address)
  view.setUint32(STACK + 8, stackFlags(signalStack, oldSp), true)
  set64(STACK + 16, signalStack.size)
  for (let i = 0; i < ORDER.length; i++) {
    view.setUint32(REGISTERS + i * 8, cpu.low(ORDER[i]), true)
    view.setUint32(REGISTERS + i * 8 + 4, cpu.high(ORDER[i]), true)
  }
  set64(REGISTERS + RIP, cpu.rip)
  set64(REGISTERS + FLAGS, cpu.rflags)
  view.setUint16(REGISTERS + SELECTORS, USER_CS, true)
  view.setUint16(REGISTERS + SELECTORS + 6, USER_SS, true)
  set64(REGISTERS + ERROR, task.faultError)
  set64(REGISTERS + TRAP, task.faultVector)
  view.setUint32(REGISTERS + OLD_MASK, savedMask[0], true)
  view.setUint32(REGISTERS + OLD_MASK + 4, savedMask[1], true)
  set64(REGISTERS + CR2, task.faultAddress)
  set64(REGISTERS + FPSTATE, fpuAt)
  view.setUint32(MASK, savedMask[0], true)
  view.setUint32(MASK + 4, savedMask[1], true)
  writeSiginfo(view, INFO, info)
  try {
    const user = kernel.user(task)
    writeFpuFrame(kernel, user, fpuAt)
    user.write(at, frame)
  } catch (error) {
    if (error instanceof BadAddress) return false
    throw error
  }
  if ((signalStack.flags & SS_AUTODISARM) !== 0) task.signalStack = { address: 0, size: 0, flags: SS_DISABLE }

  cpu.set(layout.RDI, info.signal)
  cpu.set(layout.RAX, 0)
  cpu.set(layout.RSI, at + INFO)
  cpu.set(layout.RDX, at + CONTEXT)
  cpu.rsp = at
  cpu.rip = action.handler
  cpu.rflags = cpu.rflags & ~CLEARED_FLAGS
  resetFpu(memory.u8, layout.CPU_STATE)

  task.signalMask[0] = (task.signalMask[0] | action.mask[0]) >>> 0
  task.signalMask[1] = (task.signalMask[1] | action.mask[1]) >>> 0
  if ((action.flags & SA_NODEFER) === 0) setAdd(task.signalMask, info.signal)
  return true
}

/** A mask as the guest gives it, without what can't be blocked. */
export const blockable = (low: number, high: number): SignalSet => {
  const set: SignalSet = [low, high]
  setRemove(set, SIGKILL)
  setRemove(set, SIGSTOP)
  return set
}

/** sigaltstack's rules for a new stack; 0 or what is wrong with it. */
export const setSignalStack = (task: Task, address: number, size: number, flags: number, sp: number, errors: { perm: number, inval: number, nomem: number }, minimum: number): number => {
  if (isOnStack(task.signalStack, sp)) return errors.perm
  const mode = (flags & ~SS_AUTODISARM) >>> 0
  if (mode !== 0 && mode !== SS_DISABLE && mode !== SS_ONSTACK) return errors.inval
  if (mode === SS_DISABLE) {
    task.signalStack = { address: 0, size: 0, flags: flags >>> 0 }
    return 0
  }
  if (size < minimum) return errors.nomem
  task.signalStack = { address, size, flags: flags >>> 0 }
  return 0
}

/**
 * rt_sigreturn: registers, mask and alternate stack from the frame that rsp points behind.
 * @returns false if it is not usable: the task gets SIGSEGV
 */
export const popFrame = (kernel: Kernel, task: Task): boolean => {
  const { cpu, memory } = kernel.processor
  const at = cpu.rsp - 8
  const user = kernel.user(task)
  try {
    const bytes = user.read(at, INFO)
    const saved = new DataView(bytes.buffer)
    const get64 = (offset: number): number => saved.getInt32(offset + 4, true) * 0x1_0000_0000 + saved.getUint32(offset, true)
    task.signalMask = blockable(saved.getUint32(MASK, true), saved.getUint32(MASK + 4, true))
    const fpuAt = get64(REGISTERS + FPSTATE)
    if (fpuAt !== 0) {
      if (!readFpuFrame(kernel, user, fpuAt)) return false
    } else {
      resetFpu(memory.u8, layout.CPU_STATE)
    }
    for (let i = 0; i < ORDER.length; i++) {
      cpu.setHalves(ORDER[i], saved.getUint32(REGISTERS + i * 8, true), saved.getUint32(REGISTERS + i * 8 + 4, true))
    }
    cpu.rip = get64(REGISTERS + RIP)
    cpu.rflags = (cpu.rflags & ~RESTORED_FLAGS) | (saved.getUint32(REGISTERS + FLAGS, true) & RESTORED_FLAGS)
    // Failures but for bad addresses are ignored (restore_altstack).
    setSignalStack(task, get64(STACK), get64(STACK + 16), saved.getUint32(STACK + 8, true), cpu.rsp, { perm: 0, inval: 0, nomem: 0 }, 2048)
    // Selectors other than those of 64-bit user mode fault when loaded.
    return saved.getUint16(REGISTERS + SELECTORS, true) === USER_CS && (saved.getUint16(REGISTERS + SELECTORS + 6, true) | 3) === USER_SS
  } catch (error) {
    if (error instanceof BadAddress) return false
    throw error
  }
}

/** The signal that a frame which can't be written or read turns into. */
export const FRAME_SIGNAL = SIGSEGV
