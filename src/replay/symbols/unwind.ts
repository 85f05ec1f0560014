/** From registers and memory to the chain of callers. */
import { Bytes, MalformedFile } from './bytes.ts'
import { FRAME_REGISTERS, FRAME_RBP, FRAME_RIP, FRAME_RSP, type FrameRow, type Rule } from './call-frames.ts'
import type { Module } from './modules.ts'

/** By DWARF's numbers; NaN: not known. Values beyond 2^53 are rounded: they are no addresses. */
export type FrameRegisters = readonly number[]

export interface UnwindSource {
  /** 8 bytes of memory; undefined if they are not there. */
  word(address: number): number | undefined
  bytes(address: number, count: number): Uint8Array | undefined
  /** What is mapped there, if that is an ELF file, and the address in its terms. */
  moduleAt(address: number): { readonly module: Module, readonly address: number } | undefined
}

export interface Frame {
  readonly pc: number
  /** `pc` is the address to return to: the call is before it. */
  readonly isReturn: boolean
}

const TOO_DEEP = 10_000
/** How far up a frame without call frame information may reach. */
const SCAN_BYTES = 2048
/** Longer functions are not looked through for jumps. */
const MOST_CODE = 512
/** mov $15, %eax or %rax; syscall: where a signal handler returns to. */
const SIGRETURNS = [[0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05], [0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05]]
/** Of struct rt_sigframe's ucontext: where uc_mcontext is, and in it the registers by DWARF's numbers (arch/x86/include/uapi/asm/sigcontext.h). */
const MCONTEXT = 40
const SIGNAL_REGISTERS = [104, 96, 112, 88, 72, 64, 80, 120, 0, 8, 16, 24, 32, 40, 48, 56, 128]

const starts = (bytes: Uint8Array, start: readonly number[]): boolean => start.every((byte, i) => bytes[i] === byte)

/** Evaluates what call frame information uses of expressions (DWARF 5, section 2.5). @throws MalformedFile */
const evaluate = (code: Uint8Array, registers: FrameRegisters, source: UnwindSource, first: number | undefined): number => {
  const at = new Bytes(code)
  const stack: number[] = first === undefined ? [] : [first]
  const pop = (): number => {
    const value = stack.pop()
    if (value === undefined) throw new MalformedFile('an expression takes from an empty stack')
    return value
  }
  const two = (operation: (a: number, b: number) => number): void => {
    const b = pop()
    stack.push(operation(pop(), b))
  }
  while (!at.isAtEnd) {
    const op = at.u8()
    if (op >= 0x30 && op <= 0x4f) stack.push(op - 0x30)
    else if (op >= 0x70 && op <= 0x8f) stack.push((registers[op - 0x70] ?? NaN) + at.sleb())
    else {
      switch (op) {
        case 0x03: case 0x0e: stack.push(at.u64()); break
        case 0x06: stack.push(source.word(pop()) ?? NaN); break
        case 0x08: stack.push(at.u8()); break
        case 0x09: stack.push(at.i8()); break
        case 0x0a: stack.push(at.u16()); break
        case 0x0b: stack.push(at.i16()); break
        case 0x0c: stack.push(at.u32()); break
        case 0x0d: stack.push(at.i32()); break
        case 0x10: stack.push(at.uleb()); break
        case 0x11: stack.push(at.sleb()); break
        case 0x12: { const top = pop(); stack.push(top, top); break }
        case 0x13: pop(); break
        // Of addresses, the low bits are asked for.
        case 0x1a: two((a, b) => b < 2 ** 31 ? ((a % 2 ** 32) & b) >>> 0 : NaN); break
        case 0x1c: two((a, b) => a - b); break
        case 0x1e: two((a, b) => a * b); break
        case 0x22: two((a, b) => a + b); break
        case 0x23: stack.push(pop() + at.uleb()); break
        case 0x24: two((a, b) => a * 2 ** b); break
        case 0x29: two((a, b) => a === b ? 1 : 0); break
        case 0x2a: two((a, b) => a >= b ? 1 : 0); break
        case 0x2b: two((a, b) => a > b ? 1 : 0); break
        case 0x2c: two((a, b) => a <= b ? 1 : 0); break
        case 0x2d: two((a, b) => a < b ? 1 : 0); break
        case 0x2e: two((a, b) => a !== b ? 1 : 0); break
        case 0x96: break
        default: throw new MalformedFile(`an operation ${op} in an expression`)
      }
    }
  }
  return pop()
}

const byRules = (row: FrameRow, registers: FrameRegisters, source: UnwindSource): number[] | undefined => {
  const cfa = row.cfa.kind === 'register' ? registers[row.cfa.register] + row.cfa.offset : evaluate(row.cfa.code, registers, source, undefined)
  if (!(cfa > 0)) return undefined
  const value = (register: number, rule: Rule | undefined): number => {
    switch (rule?.kind) {
      case undefined: return register === FRAME_RSP ? cfa : register === row.returnRegister ? NaN : registers[register]
      case 'same': return registers[register]
      case 'undefined': return NaN
      case 'offset': return source.word(cfa + rule.offset) ?? NaN
      case 'value-offset': return cfa + rule.offset
      case 'register': return registers[rule.register] ?? NaN
      case 'expression': return source.word(evaluate(rule.code, registers, source, cfa)) ?? NaN
      case 'value-expression': return evaluate(rule.code, registers, source, cfa)
    }
  }
  const caller = Array.from({ length: FRAME_REGISTERS }, (_, register) => value(register, row.rules.get(register)))
  caller[FRAME_RIP] = value(row.returnRegister, row.rules.get(row.returnRegister))
  return caller
}

/** The frame that the kernel made for a signal handler, above the address that the handler returns to. */
const bySignalFrame = ({ bytes, word }: UnwindSource, registers: FrameRegisters): number[] | undefined => {
  const code = bytes(registers[FRAME_RIP], 9)
  if (code === undefined || !SIGRETURNS.some((start) => starts(code, start))) return undefined
  return SIGNAL_REGISTERS.map((offset) => word(registers[FRAME_RSP] + MCONTEXT + offset) ?? NaN)
}

/** The address that a direct call before `returnAddress` goes to; −1: there is another call; undefined: none. */
const callBefore = (source: UnwindSource, returnAddress: number): number | undefined => {
  const before = source.bytes(returnAddress - 7, 7)
  if (before?.length !== 7) return undefined
  if (before[2] === 0xe8) {
    const view = new DataView(before.buffer, before.byteOffset)
    return returnAddress + view.getInt32(3, true)
  }
  // call *register, *(register), *disp8(register), *disp32(register) and with SIB.
  for (const length of [2, 3, 4, 6, 7]) if (before[7 - length] === 0xff && (before[8 - length] & 0x38) === 0x10) return -1
  return undefined
}

/** Whether the function has a jump to that address: a call at its very end. */
const jumpsTo = (source: UnwindSource, start: number, entry: number): boolean => {
  const here = source.moduleAt(start)
  const code = here === undefined ? undefined : source.bytes(start, Math.min(here.module.elf.functionAt(here.address)?.size ?? 0, MOST_CODE))
  if (code === undefined) return false
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength)
  for (let at = 0; at + 5 <= code.length; at++) if (code[at] === 0xe9 && start + at + 5 + view.getInt32(at + 1, true) === entry) return true
  return false
}

/**
 * Code without call frame information, as musl's is: the caller's address is on the stack somewhere. One whose call goes to this very
 * function is it, or to one that ends in a jump to it; else the nearest that follows any call.
 */
const byScan = (source: UnwindSource, registers: FrameRegisters): number[] | undefined => {
  const here = source.moduleAt(registers[FRAME_RIP])
  const start = here?.module.elf.functionAt(here.address)
  const entry = here === undefined || start === undefined ? undefined : registers[FRAME_RIP] - here.address + start.address
  const from = registers[FRAME_RSP]
  let nearest: number | undefined
  let jumping: number | undefined
  for (let at = from; at < from + SCAN_BYTES; at += 8) {
    const word = source.word(at)
    if (word === undefined) break
    if (source.moduleAt(word) === undefined) continue
    const target = callBefore(source, word)
    if (target === undefined) continue
    nearest ??= at
    if (target === entry) return above(source, registers, at)
    if (jumping === undefined && target >= 0 && entry !== undefined && jumpsTo(source, target, entry)) jumping = at
  }
  const best = jumping ?? nearest
  return best === undefined ? undefined : above(source, registers, best)
}

const above = (source: UnwindSource, registers: FrameRegisters, at: number): number[] => {
  const caller = [...registers]
  caller[FRAME_RIP] = source.word(at) ?? NaN
  caller[FRAME_RSP] = at + 8
  return caller
}

/** A chain of frame pointers, where code keeps them: before guessing. */
const byFramePointer = (source: UnwindSource, registers: FrameRegisters): number[] | undefined => {
  const rbp = registers[FRAME_RBP]
  const rsp = registers[FRAME_RSP]
  if (!(rbp >= rsp && rbp < rsp + (1 << 20)) || rbp % 8 !== 0) return undefined
  const [next, address] = [source.word(rbp), source.word(rbp + 8)]
  if (next === undefined || address === undefined || !(next > rbp) || source.moduleAt(address) === undefined || callBefore(source, address) === undefined) return undefined
  const caller = [...registers]
  caller[FRAME_RIP] = address
  caller[FRAME_RSP] = rbp + 16
  caller[FRAME_RBP] = next
  return caller
}

/** Innermost first. */
export const unwindFrames = (source: UnwindSource, start: FrameRegisters, most: number): Frame[] => {
  const frames: Frame[] = []
  let registers = start
  let isReturn = false
  for (let depth = 0; depth < Math.min(most, TOO_DEEP); depth++) {
    const pc = registers[FRAME_RIP]
    if (!(pc > 0)) break
    frames.push({ pc, isReturn })
    const here = source.moduleAt(pc)
    const wasReturn = isReturn
    isReturn = true
    let caller: number[] | undefined
    try {
      caller = bySignalFrame(source, registers)
      // Where a signal came is an instruction that was to be executed, not a call that was.
      if (caller !== undefined) isReturn = false
      const row = caller !== undefined || here === undefined ? undefined : here.module.frames.rowAt(here.address - (wasReturn ? 1 : 0))
      if (row !== undefined) {
        caller = byRules(row, registers, source)
        if (row.isSignalFrame) isReturn = false
        // The outermost function says that it has no caller.
        if (caller !== undefined && Number.isNaN(caller[FRAME_RIP])) break
      }
      // A call through a pointer to nowhere: its return address is on top.
      if (caller === undefined && depth === 0 && here === undefined) {
        const top = source.word(registers[FRAME_RSP])
        if (top !== undefined && source.moduleAt(top) !== undefined && callBefore(source, top) !== undefined) caller = above(source, registers, registers[FRAME_RSP])
      }
      caller ??= here === undefined ? undefined : byFramePointer(source, registers) ?? byScan(source, registers)
    } catch (error) {
      if (!(error instanceof MalformedFile)) throw error
    }
    // Stacks grow down: who is further up is a caller, except across a signal on another stack.
    if (caller === undefined || (isReturn && caller[FRAME_RSP] <= registers[FRAME_RSP]) || source.moduleAt(caller[FRAME_RIP]) === undefined) break
    registers = caller
  }
  return frames
}
