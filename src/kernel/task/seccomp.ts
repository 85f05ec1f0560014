/**
 * Secure computing (seccomp(2)): system calls that a task has given up, by a fixed short list or by filters.
 *
 * A filter is a program of the classic Berkeley packet filter over 64 bytes that describe the call (Linux's
 * Documentation/networking/filter.rst). It is checked when installed, so that running it can't go wrong: jumps go forward,
 * loads are within the data, the last instruction returns.
 */
import { ENOSYS } from '../abi/errno.ts'
import type { Kernel } from '../kernel.ts'
import { SIGKILL, SIGSYS } from '../abi/signals.ts'
import { forceFatal, forceSignal } from '../signal/send.ts'
import { endSyscall } from '../syscalls/call.ts'
import { exitTask } from './exit.ts'
import type { SyscallInProgress, Task } from './task.ts'

/** Newest filter first. Never changed in place: tasks share it. */
export interface Seccomp {
  readonly mode: typeof SECCOMP_MODE_STRICT | typeof SECCOMP_MODE_FILTER
  readonly filters: readonly SeccompFilter[]
}
/** Two words an instruction, as struct sock_filter: code | jt << 16 | jf << 24, and k. */
export type SeccompFilter = Uint32Array

export const SECCOMP_MODE_STRICT = 1, SECCOMP_MODE_FILTER = 2
export const SECCOMP_RET_KILL_PROCESS = 0x8000_0000, SECCOMP_RET_KILL_THREAD = 0, SECCOMP_RET_TRAP = 0x3_0000, SECCOMP_RET_ERRNO = 0x5_0000,
  SECCOMP_RET_USER_NOTIF = 0x7fc0_0000, SECCOMP_RET_TRACE = 0x7ff0_0000, SECCOMP_RET_LOG = 0x7ffc_0000, SECCOMP_RET_ALLOW = 0x7fff_0000
const ACTION_MASK = 0xffff_0000, DATA_MASK = 0xffff
const ERRNO_LIMIT = 4095

// Instruction classes and their parts.
const LD = 0, LDX = 1, ST = 2, STX = 3, ALU = 4, JMP = 5, RET = 6
const W_ABS = 0x20, W_LEN = 0x80, IMM = 0x00, MEM = 0x60
const SOURCE_X = 0x08
const ADD = 0x00, SUB = 0x10, MUL = 0x20, DIV = 0x30, OR = 0x40, AND = 0x50, LSH = 0x60, RSH = 0x70, NEG = 0x80, XOR = 0xa0
const JA = 0x00, JEQ = 0x10, JGT = 0x20, JGE = 0x30, JSET = 0x40
const RET_A = 0x10, TXA = 0x80
const SCRATCH_WORDS = 16
export const DATA_SIZE = 64

const alu = (operation: number, a: number, b: number): number => {
  switch (operation) {
    case ADD: return (a + b) >>> 0
    case SUB: return (a - b) >>> 0
    case MUL: return Math.imul(a, b) >>> 0
    // Division by zero ends the program as if it had returned 0: the caller sees to that.
    case DIV: return Math.floor(a / b)
    case OR: return (a | b) >>> 0
    case AND: return (a & b) >>> 0
    case LSH: return b > 31 ? 0 : (a << b) >>> 0
    case RSH: return b > 31 ? 0 : a >>> b
    case NEG: return -a >>> 0
    default: return (a ^ b) >>> 0
  }
}

const jumps = (operation: number, a: number, b: number): boolean => {
  switch (operation) {
    case JEQ: return a === b
    case JGT: return a > b
    case JGE: return a >= b
    default: return (a & b) !== 0
  }
}

const ALU_OPERATIONS: readonly number[] = [ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, NEG, XOR]

const isValidInstruction = (code: number, jumpTrue: number, jumpFalse: number, k: number, left: number): boolean => {
  switch (code & 7) {
    case LD: return code === (LD | W_ABS) ? k < DATA_SIZE && k % 4 === 0 : code === (LD | W_LEN) || code === (LD | IMM) || (code === (LD | MEM) && k < SCRATCH_WORDS)
    case LDX: return code === (LDX | W_LEN) || code === (LDX | IMM) || (code === (LDX | MEM) && k < SCRATCH_WORDS)
    case ST: case STX: return (code === ST || code === STX) && k < SCRATCH_WORDS
    case ALU: {
      const operation = code & 0xf0
      if (!ALU_OPERATIONS.includes(operation) || (operation === NEG && (code & SOURCE_X) !== 0)) return false
      if ((code & SOURCE_X) !== 0) return true
      return operation === DIV ? k !== 0 : (operation !== LSH && operation !== RSH) || k < 32
    }
    case JMP:
      if (code === (JMP | JA)) return k < left
      return [JEQ, JGT, JGE, JSET].includes(code & 0xf0) && jumpTrue < left && jumpFalse < left
    case RET: return code === RET || code === (RET | RET_A)
    default: return code === 7 || code === (7 | TXA)
  }
}

/** Whether a program may be installed (bpf_check_classic, seccomp_check_filter). */
export const isValidFilter = (filter: SeccompFilter): boolean => {
  const count = filter.length / 2
  for (let i = 0; i < count; i++) {
    const word = filter[i * 2]
    if (!isValidInstruction(word & 0xffff, (word >>> 16) & 0xff, word >>> 24, filter[i * 2 + 1], count - i - 1)) return false
  }
  return (filter[(count - 1) * 2] & 7) === RET
}

/** The value that the program returns for the call: an action and its data. */
export const runFilter = (filter: SeccompFilter, data: DataView): number => {
  const scratch = new Uint32Array(SCRATCH_WORDS)
  let a = 0
  let x = 0
  for (let at = 0; ; at += 2) {
    const word = filter[at]
    const k = filter[at + 1]
    const code = word & 0xffff
    switch (code & 7) {
      case LD: a = code === (LD | W_ABS) ? data.getUint32(k, true) : code === (LD | W_LEN) ? DATA_SIZE : code === (LD | MEM) ? scratch[k] : k; break
      case LDX: x = code === (LDX | W_LEN) ? DATA_SIZE : code === (LDX | MEM) ? scratch[k] : k; break
      case ST: scratch[k] = a; break
      case STX: scratch[k] = x; break
      case ALU: {
        const operand = (code & SOURCE_X) !== 0 ? x : k
        if ((code & 0xf0) === DIV && operand === 0) return SECCOMP_RET_KILL_THREAD
        a = alu(code & 0xf0, a, operand)
        break
      }
      case JMP:
        if (code === (JMP | JA)) at += k * 2
        else at += (jumps(code & 0xf0, a, (code & SOURCE_X) !== 0 ? x : k) ? (word >>> 16) & 0xff : word >>> 24) * 2
        break
      case RET: return (code & 0x18) === RET_A ? a : k
      default:
        if (code === (7 | TXA)) a = x
        else x = a
    }
  }
}

const AUDIT_ARCH_X86_64 = 0xc000_003e
/** rdi, rsi, rdx, r10, r8, r9 in encoding order. */
const ARGUMENT_REGISTERS: readonly number[] = [7, 6, 2, 10, 8, 9]

/** struct seccomp_data, from the registers: arguments have all their 64 bits there. */
const describeCall = (kernel: Kernel, number: number): DataView => {
  const { cpu } = kernel.processor
  const view = new DataView(new ArrayBuffer(DATA_SIZE))
  view.setInt32(0, number, true)
  view.setUint32(4, AUDIT_ARCH_X86_64, true)
  view.setUint32(8, cpu.rip, true)
  view.setUint32(12, Math.floor(cpu.rip / 2 ** 32), true)
  for (const [i, register] of ARGUMENT_REGISTERS.entries()) {
    view.setUint32(16 + i * 8, cpu.low(register), true)
    view.setUint32(20 + i * 8, cpu.high(register), true)
  }
  return view
}

/** read, write, exit, rt_sigreturn. */
const STRICT_CALLS: readonly number[] = [0, 1, 60, 15]

/** The strictest of what the filters say: actions order as signed numbers. */
const judge = (kernel: Kernel, seccomp: Seccomp, number: number): number => {
  if (seccomp.mode === SECCOMP_MODE_STRICT) return STRICT_CALLS.includes(number) ? SECCOMP_RET_ALLOW : SECCOMP_RET_KILL_THREAD
  const data = describeCall(kernel, number)
  let strictest = SECCOMP_RET_ALLOW
  for (const filter of seccomp.filters) {
    const value = runFilter(filter, data)
    if ((value & ACTION_MASK) < (strictest & ACTION_MASK)) strictest = value
  }
  return strictest
}

/**
 * Asks whether the task may make the call that it begins.
 * @returns undefined if it may, else what the call answers; the task may be gone, or about to take SIGSYS
 */
export const checkSeccomp = (kernel: Kernel, task: Task, seccomp: Seccomp, call: SyscallInProgress): number | undefined => {
  const { number } = call
  const value = judge(kernel, seccomp, number)
  const data = value & DATA_MASK
  switch ((value & ACTION_MASK) >>> 0) {
    case SECCOMP_RET_ALLOW: case SECCOMP_RET_LOG: return undefined
    case SECCOMP_RET_ERRNO: return -Math.min(data, ERRNO_LIMIT)
    case SECCOMP_RET_TRAP:
      forceSignal(kernel, task, { signal: SIGSYS, errno: data, code: 1, detail: { kind: 'system-call', address: kernel.processor.cpu.rip, number } })
      // The handler sees the registers as they were.
      return number
    case SECCOMP_RET_KILL_THREAD:
      if (task.group.threads.length > 1 || seccomp.mode === SECCOMP_MODE_STRICT) {
        endSyscall(kernel, task, 0)
        exitTask(kernel, task, seccomp.mode === SECCOMP_MODE_STRICT ? SIGKILL : SIGSYS)
        return 0
      }
      forceFatal(kernel, task, SIGSYS)
      return number
    // Nobody listens.
    case SECCOMP_RET_TRACE: case SECCOMP_RET_USER_NOTIF: return -ENOSYS
    // SECCOMP_RET_KILL_PROCESS, and what is not known.
    default:
      forceFatal(kernel, task, SIGSYS)
      return number
  }
}
