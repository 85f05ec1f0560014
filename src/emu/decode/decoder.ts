/**
 * The instruction decoder: bytes → `Instruction`, by the rows of `tables/`.
 * Intel SDM volume 2, chapter 2: legacy prefixes, REX, opcode, ModRM, SIB, displacement, immediate; at most 15 bytes.
 */
import { ALL_FEATURES, featureBit } from '../cpu/features.ts'
import * as layout from '../cpu/layout.ts'
import type { Row } from './rows.ts'
import { TABLES, VEX_TABLES } from './tables/index.ts'

export type OperandKind =
  /** General register; `value` is the address of its storage. */
  | 'r'
  /** Memory: see `Instruction.base` and so on. */
  | 'm'
  /** Immediate: `immLow`, `immHigh`. */
  | 'i'
  /** Vector register; `value` is the address of its storage. */
  | 'x'
  /** MMX register: storage address. */
  | 'q'
  /** x87 stack register: `value` is i of ST(i). */
  | 'f'
  /** Segment register number in `value`. */
  | 'g'
  /** Nothing but a size. */
  | 's'
  /** Branch target: `targetLow/High` are the absolute rip. */
  | 'j'

export interface Operand {
  kind: OperandKind
  /** Bytes. */
  size: number
  value: number
}

/** Decoding results; one object is reused, so copy what must be kept. */
export interface Instruction {
  row: Row
  /** Bytes. */
  length: number
  operands: Operand[]
  operandCount: number
  /** Memory operand: addresses of the storage of base and index (layout.ZERO if none), shift count of the index. */
  base: number
  index: number
  scale: number
  /** Displacement as a signed number; for RIP-relative ones the absolute address. */
  displacement: number
  /** Address of the storage of the segment base (FS_BASE, GS_BASE), or ZERO. */
  segment: number
  /** 67: effective addresses are 32-bit. */
  address32: boolean
  /** Immediate, sign-extended to 64 bits, then truncated to its operand's size: two halves. */
  immLow: number
  immHigh: number
  /** Second immediate (ENTER). */
  imm2: number
  /** Absolute branch target. */
  target: number
  lock: boolean
  rexW: boolean
  /** General operand size in bytes: 2, 4 or 8. */
  operandSize: number
}

/** Decoding stopped: more bytes are needed than there are (the caller faults on the next page), or it is not an instruction. */
export const DECODE_OK = 0
export const DECODE_TRUNCATED = 1
export const DECODE_INVALID = 2
export const DECODE_TOO_LONG = 3
export type DecodeResult = typeof DECODE_OK | typeof DECODE_TRUNCATED | typeof DECODE_INVALID | typeof DECODE_TOO_LONG

const MAX_LENGTH = 15
const AVX = featureBit('avx')
/** VEX.pp as the prefix that it stands for. */
const PP = [0, 0x66, 0xf3, 0xf2] as const

const gprAddress = (register: number): number => layout.GPR + register * 8
const vectorAddress = (register: number): number => layout.VECTOR + register * layout.VECTOR_STRIDE

/** Storage of a byte register: without REX, numbers 4–7 are AH, CH, DH, BH. */
const byteAddress = (register: number, rex: boolean): number =>
  !rex && register >= 4 && register < 8 ? gprAddress(register - 4) + 1 : gprAddress(register)

export class Decoder {
  readonly instruction: Instruction = {
    row: undefined as unknown as Row, length: 0, operandCount: 0,
    operands: Array.from({ length: 4 }, (): Operand => ({ kind: 's', size: 0, value: 0 })),
    base: layout.ZERO, index: layout.ZERO, scale: 0, displacement: 0, segment: layout.ZERO, address32: false,
    immLow: 0, immHigh: 0, imm2: 0, target: 0, lock: false, rexW: false, operandSize: 4,
  }

  /** Extensions that the processor has: rows of others don't exist. */
  features = ALL_FEATURES

  /** Of the last memory operand with a SIB byte: the number in its index field, whatever that means; −1 without one. */
  #sibIndex = -1
  #bytes: Uint8Array = new Uint8Array(0)
  #at = 0
  #end = 0

  #u8(): number { return this.#at < this.#end ? this.#bytes[this.#at++] : (this.#at++, 0) }
  #s8(): number { return (this.#u8() << 24) >> 24 }
  #u16(): number { return this.#u8() | (this.#u8() << 8) }
  #s32(): number { return this.#u16() | (this.#u16() << 16) }

  /**
   * @param bytes code; decoding starts at `start` and may use bytes before `end`
   * @param rip guest address of `start`, for relative operands
   */
  decode(bytes: Uint8Array, start: number, end: number, rip: number): DecodeResult {
    this.#bytes = bytes
    this.#at = start
    this.#end = Math.min(end, start + MAX_LENGTH)
    const insn = this.instruction
    const result = this.#decode(rip, start)
    if (this.#at > this.#end) return this.#end - start >= MAX_LENGTH ? DECODE_TOO_LONG : DECODE_TRUNCATED
    insn.length = this.#at - start
    return result
  }

  #decode(rip: number, start: number): DecodeResult {
    const insn = this.instruction
    let rex = 0
    let size66 = false
    let repeat: 0 | 0xf3 | 0xf2 = 0
    let opcode: number
    insn.segment = layout.ZERO
    insn.address32 = false
    insn.lock = false
    insn.base = layout.ZERO
    insn.index = layout.ZERO
    insn.scale = 0
    insn.displacement = 0
    insn.immLow = 0
    insn.immHigh = 0
    insn.operandCount = 0
    for (;;) {
      opcode = this.#u8()
      if (this.#at > this.#end) return DECODE_TRUNCATED
      if ((opcode & 0xf0) === 0x40) { rex = opcode; continue }
      let legacy = true
      switch (opcode) {
        case 0x66: size66 = true; break
        case 0x67: insn.address32 = true; break
        case 0xf0: insn.lock = true; break
        case 0xf2: repeat = 0xf2; break
        case 0xf3: repeat = 0xf3; break
        // CS, SS, DS, ES overrides are ignored in 64-bit mode, but a later one does not undo FS or GS.
        case 0x26: case 0x2e: case 0x36: case 0x3e: break
        case 0x64: insn.segment = layout.FS_BASE; break
        case 0x65: insn.segment = layout.GS_BASE; break
        default: legacy = false
      }
      if (!legacy) break
      // A REX that is not the last prefix is ignored.
      rex = 0
    }
    let map = 0
    if (opcode === 0x0f) {
      map = 1
      opcode = this.#u8()
      if (opcode === 0x38) { map = 2; opcode = this.#u8() } else if (opcode === 0x3a) { map = 3; opcode = this.#u8() }
    }
    const isVex = (opcode === 0xc4 || opcode === 0xc5) && map === 0 && (this.features & AVX) !== 0
    // VEX.L, VEX.vvvv (its bits inverted, as REX's are in VEX), VEX.pp.
    let vex = 0
    if (isVex) {
      // Volume 2, 2.3.2 to 2.3.4.
      if (size66 || repeat !== 0 || insn.lock || rex !== 0) return DECODE_INVALID
      const first = this.#u8()
      rex = (~first >> 5) & 4
      map = 1
      vex = first
      if (opcode === 0xc4) {
        map = first & 31
        vex = this.#u8()
        rex |= (~first >> 5) & 3 | (vex >> 4) & 8
        if (map < 1 || map > 3) return this.#at > this.#end ? DECODE_TRUNCATED : DECODE_INVALID
      }
      opcode = this.#u8()
    }
    const vexL = (vex >> 2) & 1
    const vvvv = (~vex >> 3) & 15
    const candidates = (isVex ? VEX_TABLES : TABLES)[map][opcode]
    if (candidates === undefined) return DECODE_INVALID
    const rexW = (rex & 8) !== 0
    const rexR = (rex & 4) << 1
    const rexX = (rex & 2) << 2
    const rexB = (rex & 1) << 3
    const mandatory = isVex ? PP[vex & 3] : repeat !== 0 ? repeat : size66 ? 0x66 : 0
    const modrm = this.#at < this.#end ? this.#bytes[this.#at] : -1
    let row: Row | undefined
    for (const candidate of candidates) {
      if (candidate.hasModrm) {
        if (modrm < 0) continue
        if (candidate.digit !== undefined && ((modrm >> 3) & 7) !== candidate.digit) continue
        if (candidate.mod !== undefined && (modrm >= 0xc0) !== (candidate.mod === 'reg')) continue
        if (candidate.modrm !== undefined && (modrm < candidate.modrm || modrm >= candidate.modrm + candidate.modrmCount)) continue
      }
      if (candidate.prefix !== undefined && candidate.prefix !== mandatory) {
        // String instructions take 66 as operand size beside their repeat prefix or the lack of one.
        if (!(candidate.prefix === 0 && mandatory === 0x66 && candidate.map === 0)) continue
      }
      if (candidate.rexW !== undefined && candidate.rexW !== rexW) continue
      if (candidate.vexL !== undefined && candidate.vexL !== vexL) continue
      if (candidate.address32 && !insn.address32) continue
      if (candidate.noRexB && rexB !== 0) continue
      if ((candidate.features & ~this.features) !== 0) continue
      row = candidate
      break
    }
    if (row === undefined) {
      if (modrm < 0 && candidates.some((candidate) => candidate.hasModrm)) { this.#at = this.#end + 1; return DECODE_TRUNCATED }
      return DECODE_INVALID
    }
    insn.row = row
    insn.rexW = rexW
    const operandSize = rexW ? 8 : size66 && row.prefix !== 0x66 && !row.options.has('ignore66') ? 2 : 4
    insn.operandSize = operandSize
    // x87 instructions have no immediate: theirs is the opcode that FNSTENV shows (volume 1, 8.1.9).
    if (map === 0 && (opcode & 0xf8) === 0xd8) insn.immLow = ((opcode & 7) << 8) | modrm

    let mod = 3
    let reg = 0
    let rm = 0
    let ripRelative = false
    if (row.hasModrm) {
      this.#at++
      mod = modrm >> 6
      reg = ((modrm >> 3) & 7) | rexR
      rm = modrm & 7
      if (mod !== 3) ripRelative = this.#memoryOperand(mod, rm, rexX, rexB)
      rm |= rexB
    }
    let memoryDestination = false
    let usesVvvv = !isVex
    for (let i = 0; i < row.operands.length; i++) {
      const spec = row.operands[i]
      const operand = insn.operands[i]
      insn.operandCount = i + 1
      const size = operandBytes(spec.size, operandSize, rexW, size66, vexL)
      operand.size = size
      operand.value = 0
      switch (spec.letter) {
        case 'E':
          if (mod === 3) {
            operand.kind = 'r'
            operand.value = size === 1 ? byteAddress(rm, rex !== 0) : gprAddress(rm)
          } else { operand.kind = 'm'; memoryDestination ||= i === 0 }
          break
        case 'M':
          if (mod === 3) return DECODE_INVALID
          operand.kind = 'm'
          memoryDestination ||= i === 0
          break
        case 'R':
          if (mod !== 3) return DECODE_INVALID
          operand.kind = 'r'
          operand.value = size === 1 ? byteAddress(rm, rex !== 0) : gprAddress(rm)
          break
        case 'G':
          operand.kind = 'r'
          operand.value = size === 1 ? byteAddress(reg, rex !== 0) : gprAddress(reg)
          break
        case 'Z': {
          const register = (opcode & 7) | rexB
          operand.kind = 'r'
          operand.value = size === 1 ? byteAddress(register, rex !== 0) : gprAddress(register)
          break
        }
        case 'A': operand.kind = 'r'; operand.value = gprAddress(layout.RAX); break
        case 'C': operand.kind = 'r'; operand.value = gprAddress(layout.RCX); break
        case 'D': operand.kind = 'r'; operand.value = gprAddress(layout.RDX); break
        case 'V': operand.kind = 'x'; operand.value = vectorAddress(reg); break
        case 'W':
          if (mod === 3) { operand.kind = 'x'; operand.value = vectorAddress(rm) } else operand.kind = 'm'
          break
        case 'X': operand.kind = 'x'; operand.value = vectorAddress(0); break
        case 'U':
          if (mod !== 3) return DECODE_INVALID
          operand.kind = 'x'
          operand.value = vectorAddress(rm)
          break
        case 'H': operand.kind = 'x'; operand.value = vectorAddress(vvvv); usesVvvv = true; break
        case 'B': operand.kind = 'r'; operand.value = gprAddress(vvvv); usesVvvv = true; break
        case 'L':
          operand.kind = 'x'
          operand.value = vectorAddress(this.#u8() >> 4)
          insn.immLow = operand.value
          break
        case 'T':
          if (mod === 3 || this.#sibIndex < 0) return DECODE_INVALID
          // #UD if two of destination, index and mask are the same register (volume 2, VGATHERDPS).
          if (this.#sibIndex === reg || this.#sibIndex === vvvv || reg === vvvv) return DECODE_INVALID
          operand.kind = 'm'
          insn.immLow = vectorAddress(this.#sibIndex) | insn.scale << 16
          insn.index = layout.ZERO
          insn.scale = 0
          break
        case 'P': operand.kind = 'q'; operand.value = layout.FPU_REGISTERS + (reg & 7) * 16; break
        case 'Q':
          if (mod === 3) { operand.kind = 'q'; operand.value = layout.FPU_REGISTERS + (rm & 7) * 16 } else operand.kind = 'm'
          break
        case 'N':
          if (mod !== 3) return DECODE_INVALID
          operand.kind = 'q'
          operand.value = layout.FPU_REGISTERS + (rm & 7) * 16
          break
        case 'S': operand.kind = 's'; break
        case 'F': operand.kind = 'f'; operand.value = modrm & 7; break
        case 'Y': operand.kind = 'g'; operand.value = (modrm >> 3) & 7; break
        case '1': operand.kind = 'i'; operand.size = insn.operands[0].size; insn.immLow = 1; break
        case 'O': {
          operand.kind = 'm'
          const low = this.#s32()
          const high = insn.address32 ? 0 : this.#s32()
          insn.displacement = high * 0x1_0000_0000 + (low >>> 0)
          insn.base = layout.ZERO
          break
        }
        case 'I': this.#immediate(operand, spec.size, row, insn.operands[0].size, operandSize); break
        case 'J': {
          // The displacement counts from the end of the instruction, which it ends.
          const displacement = spec.size === 'b' ? this.#s8() : this.#s32()
          operand.kind = 'j'
          operand.size = 8
          insn.target = rip + (this.#at - start) + displacement
          break
        }
        default: throw new Error(`row '${row.text}': operand letter ${spec.letter}`)
      }
    }
    if (!usesVvvv && vvvv !== 0) return DECODE_INVALID
    if (insn.lock && !(memoryDestination && row.options.has('lock'))) return DECODE_INVALID
    if (ripRelative) insn.displacement += rip + (this.#at - start)
    // POP computes the address of its operand after it has moved the stack pointer (volume 2, POP).
    if (row.name === 'pop' && insn.operands[0].kind === 'm' && insn.base === gprAddress(layout.RSP)) insn.displacement += insn.operands[0].size
    return DECODE_OK
  }

  /** ModRM with mod ≠ 3, SIB and displacement; true if RIP-relative. Volume 2, tables 2-2 and 2-3. */
  #memoryOperand(mod: number, rm: number, rexX: number, rexB: number): boolean {
    const insn = this.instruction
    let ripRelative = false
    this.#sibIndex = -1
    if (rm === 4) {
      const sib = this.#u8()
      const index = ((sib >> 3) & 7) | rexX
      const base = sib & 7
      this.#sibIndex = index
      insn.scale = sib >> 6
      insn.index = index === 4 ? layout.ZERO : gprAddress(index)
      if (base === 5 && mod === 0) insn.displacement = this.#s32()
      else insn.base = gprAddress(base | rexB)
    } else if (rm === 5 && mod === 0) {
      insn.displacement = this.#s32()
      ripRelative = true
    } else {
      insn.base = gprAddress(rm | rexB)
    }
    if (mod === 1) insn.displacement = this.#s8()
    else if (mod === 2) insn.displacement = this.#s32()
    return ripRelative
  }

  #immediate(operand: Operand, size: string, row: Row, firstSize: number, operandSize: number): void {
    const insn = this.instruction
    operand.kind = 'i'
    let low: number
    let high: number
    // A size-only first operand, an x87 or a vector one does not widen the immediate.
    const widen = row.operands[0].letter !== 'V' && row.operands[0].letter !== 'W' && row.operands[0].letter !== 'I'
    if (size === 'b') {
      low = row.options.has('unsigned-immediate') ? this.#u8() : this.#s8()
      operand.size = widen && !row.options.has('unsigned-immediate') ? firstSize : 1
    } else if (size === 'w') {
      low = this.#u16()
      operand.size = 2
    } else if (operandSize === 2 && (size === 'z' || size === 'v')) {
      low = (this.#u16() << 16) >> 16
      operand.size = 2
    } else if (size === 'v' && operandSize === 8) {
      low = this.#s32()
      high = this.#s32()
      operand.size = 8
      insn.immLow = low
      insn.immHigh = high
      return
    } else {
      low = this.#s32()
      operand.size = size === 'd' ? 4 : widen ? firstSize : operandSize
    }
    if (insn.operandCount > 1 && row.operands[insn.operandCount - 2].letter === 'I') {
      insn.imm2 = low & 0xff
      return
    }
    high = low >> 31
    if (operand.size === 1) { low &= 0xff; high = 0 } else if (operand.size === 2) { low &= 0xffff; high = 0 } else if (operand.size === 4) high = 0
    insn.immLow = low
    insn.immHigh = high
  }
}

const operandBytes = (size: string, operandSize: number, rexW: boolean, size66: boolean, vexL: number): number => {
  switch (size) {
    case 'b': return 1
    case 'w': return 2
    case 'd': return 4
    case 'q': return 8
    case 'x': return 16 << vexL
    case 'h': return 8 << vexL
    case 'r': return 4 << vexL
    case 'e': return 2 << vexL
    case 'o': return 16
    case 't': return 10
    case 'v': case 'z': return operandSize
    case 'y': return rexW ? 8 : 4
    case 's': return size66 && !rexW ? 2 : 8
    default: return 0
  }
}
