/** ptrace(2). How tracees stop is in `../task/trace.ts`. */
import { seenBy, taskBy } from '../task/pid-namespace.ts'
import { EVENT_CLONE, EVENT_EXEC, EVENT_FORK, EVENT_VFORK, EVENT_VFORK_DONE } from '../task/trace.ts'
import * as layout from '../../emu/cpu/layout.ts'
import { FXSAVE_SIZE, isValidFxsave, readFxsave, writeFxsave } from '../../emu/cpu/fxsave.ts'
import { XCR0, XSAVE_BYTES, isValidXsave, readXsave, writeXsave } from '../../emu/cpu/xsave.ts'
import { hasXsave } from '../signal/fpu-frame.ts'
import { CAP_SYS_PTRACE } from '../abi/capabilities.ts'
import { EFAULT, EINVAL, EIO, EPERM, ESRCH } from '../abi/errno.ts'
import { int32, uint32, uint64 } from '../abi/numbers.ts'
import { SIGKILL, SIGNAL_COUNT, SIGSTOP, SIGTRAP } from '../abi/signals.ts'
import type { Kernel } from '../kernel.ts'
import { forceWrite } from '../mm/force-write.ts'
import type { UserMemory } from '../mm/user-memory.ts'
import { blockable } from '../signal/frame.ts'
import { stopForTracer } from '../signal/job-control.ts'
import { setSignalMask } from '../signal/pending.ts'
import { notice, sendSignal } from '../signal/send.ts'
import { readSiginfo, SIGINFO_SIZE, siginfoBytes } from '../signal/siginfo.ts'
import { mayAccessTask } from '../task/credentials.ts'
import { debugRegisters, readDebugRegister, writeDebugRegister } from '../task/debug-registers.ts'
import type { Task } from '../task/task.ts'
import { attach, detach, EVENT_STOP, PTRACE_O_EXITKILL, queueStop, resumeTracee, type Trace } from '../task/trace.ts'
import type { Args, SyscallEntry } from './entry.ts'

const TRACEME = 0, PEEKTEXT = 1, PEEKDATA = 2, PEEKUSER = 3, POKETEXT = 4, POKEDATA = 5, POKEUSER = 6, CONT = 7, KILL = 8, SINGLESTEP = 9,
  GETREGS = 12, SETREGS = 13, GETFPREGS = 14, SETFPREGS = 15, ATTACH = 16, DETACH = 17, SYSCALL = 24, SETOPTIONS = 0x4200, GETEVENTMSG = 0x4201,
  GETSIGINFO = 0x4202, SETSIGINFO = 0x4203, GETREGSET = 0x4204, SETREGSET = 0x4205, SEIZE = 0x4206, INTERRUPT = 0x4207, LISTEN = 0x4208,
  GETSIGMASK = 0x420a, SETSIGMASK = 0x420b, GET_SYSCALL_INFO = 0x420e
const OPTIONS_MASK = 0xff | PTRACE_O_EXITKILL
const NT_PRSTATUS = 1, NT_PRFPREG = 2, NT_X86_XSTATE = 0x202

// ——— Registers ———

/** struct user_regs_struct: general registers by their place, then the others. */
const REGISTERS: readonly number[] = [layout.R15, layout.R14, layout.R13, layout.R12, layout.RBP, layout.RBX, layout.R11, layout.R10, layout.R9,
  layout.R8, layout.RAX, layout.RCX, layout.RDX, layout.RSI, layout.RDI]
const ORIG_RAX = 15, RIP = 16, CS = 17, FLAGS = 18, RSP = 19, SS = 20, FS_BASE = 21, GS_BASE = 22, WORDS = 27
const REGISTERS_SIZE = WORDS * 8
const USER_CS = 0x33, USER_SS = 0x2b
const WRITABLE_FLAGS = layout.CF | layout.PF | layout.AF | layout.ZF | layout.SF | layout.TF | layout.DF | layout.OF | layout.RF | 0x4000 | 0x4_0000
/** struct user: debug registers from here, and two words for the kernel's own use behind them. */
const DEBUG_REGISTERS = 848, DEBUG_END = DEBUG_REGISTERS + 64, USER_SIZE = DEBUG_END + 16

/** Runs `access` with the tracee's registers in the processor. */
const withRegisters = <T>(kernel: Kernel, tracer: Task, tracee: Task, access: () => T): T => {
  kernel.load(tracee)
  try {
    return access()
  } finally {
    kernel.load(tracer)
  }
}

const set64 = (view: DataView, at: number, value: number): void => {
  view.setUint32(at, value, true)
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true)
}
const get64 = (view: DataView, at: number): number => view.getInt32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true)

export const readRegisters = (kernel: Kernel, tracer: Task, tracee: Task): Uint8Array<ArrayBuffer> => withRegisters(kernel, tracer, tracee, () => {
  const { cpu } = kernel.processor
  const bytes = new Uint8Array(REGISTERS_SIZE)
  const view = new DataView(bytes.buffer)
  for (const [i, register] of REGISTERS.entries()) {
    view.setUint32(i * 8, cpu.low(register), true)
    view.setUint32(i * 8 + 4, cpu.high(register), true)
  }
  set64(view, ORIG_RAX * 8, tracee.syscall?.number ?? tracee.trace?.syscallNumber ?? -1)
  set64(view, RIP * 8, cpu.rip)
  set64(view, CS * 8, USER_CS)
  set64(view, FLAGS * 8, cpu.rflags)
  set64(view, RSP * 8, cpu.rsp)
  set64(view, SS * 8, USER_SS)
  set64(view, FS_BASE * 8, cpu.fsBase)
  set64(view, GS_BASE * 8, cpu.gsBase)
  return bytes
})

const writeRegisters = (kernel: Kernel, tracer: Task, tracee: Task, bytes: Uint8Array): void => {
  withRegisters(kernel, tracer, tracee, () => {
    const { cpu } = kernel.processor
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    for (const [i, register] of REGISTERS.entries()) cpu.setHalves(register, view.getUint32(i * 8, true), view.getUint32(i * 8 + 4, true))
    if (tracee.syscall !== undefined) tracee.syscall.number = view.getInt32(ORIG_RAX * 8, true)
    // A debugger that moves the tracee elsewhere tells so: no call is made again then.
    else if (view.getInt32(ORIG_RAX * 8, true) < 0) tracee.restartCode = 0
    cpu.rip = get64(view, RIP * 8)
    cpu.rsp = get64(view, RSP * 8)
    cpu.rflags = (cpu.rflags & ~WRITABLE_FLAGS) | (view.getUint32(FLAGS * 8, true) & WRITABLE_FLAGS)
    cpu.fsBase = get64(view, FS_BASE * 8)
    cpu.gsBase = get64(view, GS_BASE * 8)
  })
}

const readFpu = (kernel: Kernel, tracer: Task, tracee: Task): Uint8Array => withRegisters(kernel, tracer, tracee, () => {
  const image = new Uint8Array(FXSAVE_SIZE)
  writeFxsave(kernel.memory.u8, layout.CPU_STATE, image)
  return image
})
const writeFpu = (kernel: Kernel, tracer: Task, tracee: Task, image: Uint8Array): number => {
  if (!isValidFxsave(image)) return -EINVAL
  withRegisters(kernel, tracer, tracee, () => { readFxsave(image, kernel.memory.u8, layout.CPU_STATE) })
  return 0
}

/** PTRACE_GETREGSET, PTRACE_SETREGSET: as much as both sides have. */
const registerSet = (kernel: Kernel, task: Task, tracee: Task, type: number, vector: number, writes: boolean): number => {
  const user = kernel.user(task)
  const base = user.i64(vector), room = uint64(user.i64(vector + 8))
  if (type === NT_X86_XSTATE && hasXsave(kernel)) return extendedState(kernel, task, tracee, vector, base, room, writes)
  if (type !== NT_PRSTATUS && type !== NT_PRFPREG) return -EINVAL
  const current = type === NT_PRSTATUS ? readRegisters(kernel, task, tracee) : readFpu(kernel, task, tracee)
  if (room % 8 !== 0) return -EINVAL
  const length = Math.min(room, current.length)
  if (!writes) {
    user.write(base, current.subarray(0, length))
  } else {
    current.set(user.read(base, length))
    if (type === NT_PRSTATUS) writeRegisters(kernel, task, tracee, current)
    else if (writeFpu(kernel, task, tracee, current) < 0) return -EINVAL
  }
  user.setI64(vector + 8, length)
  return 0
}

/** Where debuggers find XCR0 in the image (struct user_xstateregs). */
const XSTATE_XCR0 = 464
/** NT_X86_XSTATE: the image of XSAVE, which is only written as a whole. */
const extendedState = (kernel: Kernel, task: Task, tracee: Task, vector: number, base: number, room: number, writes: boolean): number => {
  const user = kernel.user(task)
  const image = new Uint8Array(XSAVE_BYTES)
  if (room % 8 !== 0) return -EINVAL
  const length = Math.min(room, XSAVE_BYTES)
  if (writes) {
    if (length !== XSAVE_BYTES) return -EFAULT
    image.set(user.read(base, length))
    if (!isValidXsave(image)) return -EINVAL
    withRegisters(kernel, task, tracee, () => { readXsave(image, kernel.memory.u8, layout.CPU_STATE) })
  } else {
    withRegisters(kernel, task, tracee, () => { writeXsave(kernel.memory.u8, layout.CPU_STATE, image) })
    image[XSTATE_XCR0] = XCR0
    user.write(base, image.subarray(0, length))
  }
  user.setI64(vector + 8, length)
  return 0
}

const peekUser = (kernel: Kernel, task: Task, tracee: Task, offset: number, data: number): number => {
  if (offset % 8 !== 0 || offset < 0 || offset >= USER_SIZE) return -EIO
  const user = kernel.user(task)
  if (offset >= DEBUG_REGISTERS) {
    user.setI64(data, offset < DEBUG_END ? readDebugRegister(tracee.debug, (offset - DEBUG_REGISTERS) / 8) : 0)
    return 0
  }
  const view = new DataView(readRegisters(kernel, task, tracee).buffer)
  user.setU32(data, offset < REGISTERS_SIZE ? view.getUint32(offset, true) : 0)
  user.setU32(data + 4, offset < REGISTERS_SIZE ? view.getUint32(offset + 4, true) : 0)
  return 0
}
const pokeUser = (kernel: Kernel, task: Task, tracee: Task, offset: number, value: number): number => {
  if (offset % 8 !== 0 || offset < 0 || offset >= DEBUG_END) return -EIO
  if (offset >= DEBUG_REGISTERS) {
    tracee.debug ??= debugRegisters()
    return writeDebugRegister(tracee.debug, (offset - DEBUG_REGISTERS) / 8, value)
  }
  if (offset >= REGISTERS_SIZE) return -EIO
  const bytes = readRegisters(kernel, task, tracee)
  set64(new DataView(bytes.buffer), offset, value)
  writeRegisters(kernel, task, tracee, bytes)
  return 0
}

// ——— What a tracee does ———

const SYSCALL_ENTRY = 1, SYSCALL_EXIT = 2
const AUDIT_ARCH_X86_64 = 0xc000_003e

const syscallInfo = (kernel: Kernel, task: Task, tracee: Task, trace: Trace, room: number, address: number): number => {
  const bytes = new Uint8Array(88)
  const view = new DataView(bytes.buffer)
  const registers = new DataView(readRegisters(kernel, task, tracee).buffer)
  const kind = trace.stop?.kind
  view.setUint32(4, AUDIT_ARCH_X86_64, true)
  set64(view, 8, get64(registers, RIP * 8))
  set64(view, 16, get64(registers, RSP * 8))
  let length = 24
  if (kind === 'syscall-enter' && tracee.syscall !== undefined) {
    bytes[0] = SYSCALL_ENTRY
    set64(view, 24, uint64(tracee.syscall.number))
    const places = [14, 13, 12, 7, 9, 8]
    for (const [i, place] of places.entries()) for (const half of [0, 4]) view.setUint32(32 + i * 8 + half, registers.getUint32(place * 8 + half, true), true)
    length = 80
  } else if (kind === 'syscall-exit') {
    bytes[0] = SYSCALL_EXIT
    set64(view, 24, trace.message)
    bytes[32] = trace.message < 0 && trace.message >= -4095 ? 1 : 0
    length = 33
  }
  kernel.user(task).write(address, bytes.subarray(0, Math.min(room, length)))
  return length
}

const setMask = (user: UserMemory, tracee: Task, address: number): void => {
  setSignalMask(tracee, blockable(user.u32(address), user.u32(address + 4)))
}

// ——— Requests ———

const traceMe = (kernel: Kernel, task: Task): number => {
  const parent = kernel.state.groups.get(task.group.parent)
  if (task.trace !== undefined || parent === undefined) return -EPERM
  attach(kernel, parent, task, false, 0)
  return 0
}

const attachTo = (kernel: Kernel, task: Task, pid: number, seizes: boolean, address: number, options: number): number => {
  const tracee = taskBy(kernel, task, pid)
  if (tracee === undefined) return -ESRCH
  if (seizes && (address !== 0 || (options & ~OPTIONS_MASK) !== 0)) return -EIO
  if (tracee.group === task.group || tracee.trace !== undefined || tracee.state === 'zombie') return -EPERM
  if (!mayAccessTask(task, tracee, CAP_SYS_PTRACE)) return -EPERM
  attach(kernel, task.group, tracee, seizes, seizes ? options : 0)
  if (!seizes) sendSignal(kernel, tracee, SIGSTOP)
  // Who is stopped already is so for the tracer from now on.
  if (tracee.state === 'stopped') stopForTracer(kernel, tracee)
  return 0
}

/** A seized tracee is to stop, whatever it does. */
const interrupt = (kernel: Kernel, tracee: Task, trace: Trace): number => {
  if (!trace.seized) return -EIO
  if (trace.stop !== undefined && trace.resume !== 'listen') return 0
  queueStop(tracee, { kind: 'event', code: SIGTRAP | EVENT_STOP << 8, info: undefined, message: 0 })
  tracee.signalDue = true
  if (tracee.state === 'blocked' && !tracee.uninterruptible) kernel.wakeTask(tracee, 'signal')
  else notice(kernel, tracee, false)
  return 0
}

const leave = (kernel: Kernel, tracee: Task, trace: Trace, signal: number): number => {
  resumeTracee(kernel, tracee, trace, 'run', signal)
  if (signal !== 0 && trace.signal === undefined) sendSignal(kernel, tracee, signal)
  // What the tracer had yet to decide on acts by itself.
  if (trace.signal !== undefined && signal !== 0) sendSignal(kernel, tracee, signal, trace.signal)
  detach(kernel, tracee)
  return 0
}

/** Messages of these events are numbers of tasks. */
const isPidMessage = (event: number): boolean =>
  event === EVENT_FORK || event === EVENT_VFORK || event === EVENT_CLONE || event === EVENT_VFORK_DONE || event === EVENT_EXEC

const ptrace = (kernel: Kernel, task: Task, args: Args): number => {
  const request = int32(args[0]), pid = int32(args[1]), address = args[2], data = args[3]
  if (request === TRACEME) return traceMe(kernel, task)
  if (request === ATTACH || request === SEIZE) return attachTo(kernel, task, pid, request === SEIZE, address, uint32(data))
  const tracee = taskBy(kernel, task, pid)
  const trace = tracee?.trace
  if (tracee === undefined || trace === undefined || trace.tracer !== task.group.tgid) return -ESRCH
  if (request === KILL) {
    sendSignal(kernel, tracee, SIGKILL)
    return 0
  }
  if (request === INTERRUPT) return interrupt(kernel, tracee, trace)
  if (trace.stop === undefined || trace.resume === 'listen' && request !== LISTEN) return -ESRCH
  const user = kernel.user(task)
  const signal = uint64(data)
  switch (request) {
    case PEEKTEXT: case PEEKDATA: {
      // Another space's memory: what can't be read there is an I/O error.
      const bytes = kernel.user(tracee).accessible(address, 8, 0) === 8 ? kernel.user(tracee).read(address, 8) : undefined
      if (bytes === undefined) return -EIO
      user.write(data, bytes)
      return 0
    }
    case POKETEXT: case POKEDATA: {
      const bytes = new Uint8Array(8)
      // All 64 bits: the argument as a number may be rounded.
      const { cpu } = kernel.processor
      const view = new DataView(bytes.buffer)
      view.setUint32(0, cpu.low(layout.R10), true)
      view.setUint32(4, cpu.high(layout.R10), true)
      return forceWrite(kernel, tracee.mm, address, bytes) ? 0 : -EIO
    }
    case PEEKUSER: return peekUser(kernel, task, tracee, address, data)
    case POKEUSER: return pokeUser(kernel, task, tracee, address, data)
    case GETREGS: user.write(data, readRegisters(kernel, task, tracee)); return 0
    case SETREGS: writeRegisters(kernel, task, tracee, user.read(data, REGISTERS_SIZE)); return 0
    case GETFPREGS: user.write(data, readFpu(kernel, task, tracee)); return 0
    case SETFPREGS: return writeFpu(kernel, task, tracee, user.read(data, FXSAVE_SIZE))
    case GETREGSET: case SETREGSET: return registerSet(kernel, task, tracee, address, data, request === SETREGSET)
    case CONT: case SYSCALL: case SINGLESTEP:
      if (signal > SIGNAL_COUNT) return -EIO
      resumeTracee(kernel, tracee, trace, request === CONT ? 'run' : request === SYSCALL ? 'syscall' : 'step', signal)
      return 0
    case DETACH: return signal > SIGNAL_COUNT ? -EIO : leave(kernel, tracee, trace, signal)
    case SETOPTIONS:
      if ((data & ~OPTIONS_MASK) !== 0) return -EINVAL
      trace.options = data
      return 0
    case GETEVENTMSG: user.setI64(data, isPidMessage(trace.stop.code >> 8) ? seenBy(task, trace.message) : trace.message); return 0
    case GETSIGINFO:
      if (trace.stop.info === undefined && trace.stop.kind === 'group') return -EINVAL
      user.write(data, siginfoBytes(trace.stop.info ??
        { signal: SIGTRAP, errno: 0, code: trace.stop.code, detail: { kind: 'kill', pid: seenBy(task, tracee.tid), uid: tracee.credentials.uid } }))
      return 0
    case SETSIGINFO: {
      const bytes = user.read(data, SIGINFO_SIZE)
      if (trace.signal !== undefined) trace.signal = readSiginfo(bytes, new DataView(bytes.buffer).getInt32(0, true))
      return 0
    }
    case GETSIGMASK:
      if (address !== 8) return -EINVAL
      user.setU32(data, tracee.signalMask[0])
      user.setU32(data + 4, tracee.signalMask[1])
      return 0
    case SETSIGMASK:
      if (address !== 8) return -EINVAL
      setMask(user, tracee, data)
      tracee.signalDue = true
      return 0
    case LISTEN:
      if (!trace.seized || trace.stop.code >> 8 !== EVENT_STOP) return -EIO
      resumeTracee(kernel, tracee, trace, 'listen', 0)
      return 0
    case GET_SYSCALL_INFO: return syscallInfo(kernel, task, tracee, trace, uint64(address), data)
    default: return -EIO
  }
}

export const ptraceCalls: readonly SyscallEntry[] = [
  { number: 101, name: 'ptrace', args: ['request:int', 'pid:pid', 'address:address', 'data:long'], handler: ptrace, status: 'partial', note: 'no seccomp events, exit events but for exit and exit_group, system call emulation' },
]
