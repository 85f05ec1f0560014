/**
 * What instruction semantics are written against.
 *
 * A semantics function gets an `Emitter` for one *form* of its instruction (operand kinds and sizes are known) and emits
 * Wasm for it. It says what the instruction does once; where registers live and how memory is reached is the tier's
 * business: in tier 0 (src/emu/interp/tier0-emitter.ts) a register operand is a load at an address from the decoded
 * record, in tier 1 a Wasm local.
 *
 * Rules that every semantics function keeps:
 * - **All that can fault comes before any architectural effect.** Memory reads and writes may leave the instruction (page
 *   fault), after which it must be as if it had not started: read operands first, then store to memory, then write
 *   registers and flags. An instruction with several stores calls `probeWrite` first.
 * - Integer values are i64 expressions, zero-extended from their size (`read`); results need no masking before `write`,
 *   which uses the low bytes only, but flags helpers want them truncated (`trunc`).
 * - An `Expr` is emitted where it is consumed. What is read before a write and used after it must be bound with `f.let`;
 *   `read`, `load`, `address` and the flag getters return bound values already.
 * - Architecturally undefined flags have the value that the oracle processor gives where that is simple, else zero: said in a comment.
 */
import { AF, CF, EXIT_ERROR, EXIT_VECTOR, FLAG_AUX, FLAG_OTHER, FLAG_RESULT, MXCSR, OF, PF, SF } from '../cpu/layout.ts'
import { EXIT_FAULT as EXIT_FAULT_REASON } from '../processor.ts'
import { type Expr, i32, i64, select, v } from '../wasm/expression.ts'
import type { FunctionBuilder, Local } from '../wasm/function.ts'

/** Kinds of operands in a form: see `OperandKind` of the decoder; 'n' is memory with an index register. */
export type FormKind = 'r' | 'm' | 'n' | 'i' | 'x' | 'q' | 'f' | 'g' | 's' | 'j'
export interface OperandForm {
  readonly kind: FormKind
  /** Bytes; 0 for opaque memory and things without a size. */
  readonly size: number
}

export const isMemory = (operand: OperandForm): boolean => operand.kind === 'm' || operand.kind === 'n'

/** Condition codes in encoding order (volume 1, appendix B). */
export const CONDITIONS = ['o', 'no', 'b', 'nb', 'z', 'nz', 'be', 'nbe', 's', 'ns', 'p', 'np', 'l', 'nl', 'le', 'nle'] as const

export abstract class Emitter {
  readonly f: FunctionBuilder
  readonly operands: readonly OperandForm[]
  /** True once control was passed on: nothing may be emitted after that. */
  protected ended = false
  #scratch: Local | undefined

  constructor(f: FunctionBuilder, operands: readonly OperandForm[]) {
    this.f = f
    this.operands = operands
  }

  /** Size in bytes of the first operand: the operation's size for most instructions. */
  get size(): number { return this.operands[0].size }
  get bits(): number { return this.size * 8 }

  // ——— Operands ———

  /** Value of a general-register, memory or immediate operand, zero-extended, bound. Immediates have been sign-extended to their size by the decoder. */
  read(at: number, size = this.operands[at].size): Expr {
    const { kind } = this.operands[at]
    if (kind === 'r') return this.f.let(this.registerOperand(at, size))
    if (kind === 'i') return this.f.let(this.immediate(at))
    if (kind === 'm' || kind === 'n') return this.load(this.address(at), size)
    throw new TypeError(`operand ${at} is ${kind}: not an integer`)
  }

  /** As `read`, sign-extended to 64 bits. */
  readSigned(at: number): Expr { return this.f.let(this.signed(this.read(at), this.operands[at].size)) }

  /** Writes the low bytes; a 32-bit register write clears the upper half, smaller ones keep the rest (volume 1, 3.4.1.1). */
  write(at: number, value: Expr): void {
    const { kind, size } = this.operands[at]
    if (kind === 'r') this.setRegisterOperand(at, size, value)
    else if (kind === 'm' || kind === 'n') this.store(this.address(at), size, value)
    else throw new TypeError(`operand ${at} is ${kind}: can't be written`)
  }

  /** Read, change, write back, with one translation of a memory operand; `change` must not touch architectural state: return the result, then set flags after `modify`. */
  modify(at: number, change: (old: Expr) => Expr): void {
    const { kind, size } = this.operands[at]
    if (kind === 'r') {
      const value = this.f.let(change(this.f.let(this.registerOperand(at, size))))
      this.setRegisterOperand(at, size, value)
    } else {
      this.modifyMemory(this.address(at), size, change)
    }
  }

  /** A register operand's value / storage. */
  protected abstract registerOperand(at: number, size: number): Expr
  protected abstract setRegisterOperand(at: number, size: number, value: Expr): void
  abstract immediate(at: number): Expr
  /** Second immediate of ENTER, i32. */
  abstract immediate2(): Expr

  /** Linear address of a memory operand (segment base included), i64, bound. LEA uses `offset`, which leaves the segment out. */
  abstract address(at: number): Expr

  /** Segment base of the memory operand, i64; only for rows named `…_far_a32`. */
  abstract segmentBase(): Expr

  // ——— Vector operands ———

  /** 128 bits of a vector register or memory operand. `aligned`: a memory operand that is not 16-byte aligned raises #GP(0). */
  readVector(at: number, aligned = true): Expr {
    const operand = this.operands[at]
    if (operand.kind === 'x') return this.f.let(this.vectorOperand(at))
    const address = this.address(at)
    if (aligned) this.checkAligned(address)
    return this.load128(address)
  }

  checkAligned(address: Expr, size = 16): void {
    this.faultIf(i32.and(i32.wrap(address), i32.const(size - 1)), 13, 0)
  }

  /** The low 4 or 8 bytes of a vector register operand, or that many bytes of memory, as i64 zero-extended. */
  readLow(at: number, size: 4 | 8): Expr {
    const { kind } = this.operands[at]
    if (kind === 'x') return this.f.let(this.vectorLow(at, size))
    return this.load(this.address(at), size)
  }

  /** All 128 bits of a vector register (the upper half of YMM is kept, as legacy SSE does). */
  writeVector(at: number, value: Expr): void {
    const { kind } = this.operands[at]
    if (kind === 'x') this.setVectorOperand(at, value)
    else this.store128(this.address(at), value)
  }

  /** The low 4 or 8 bytes of a vector register; the rest is kept. For memory: stores that many. */
  writeLow(at: number, size: 4 | 8, value: Expr): void {
    const { kind } = this.operands[at]
    if (kind === 'x') this.setVectorLow(at, size, value)
    else this.store(this.address(at), size, value)
  }

  // ——— Vector operands with a VEX prefix: lanes of 128 bits, one or two ———

  /** All 16 or 32 bytes of a vector register or memory operand, bound. `aligned`: memory that is not aligned to its size raises #GP(0). */
  readLanes(at: number, aligned = false): Expr[] {
    const { kind, size } = this.operands[at]
    if (kind === 'x') return size === 32 ? [this.f.let(this.vectorOperand(at)), this.f.let(this.upperOperand(at))] : [this.f.let(this.vectorOperand(at))]
    const address = this.address(at)
    if (aligned) this.checkAligned(address, size)
    return size === 32 ? this.load256(address) : [this.load128(address)]
  }

  /** The low 2, 4, 8 or 16 bytes of a vector register operand, with anything above them, or that many bytes of memory: a vector, bound. */
  readPart(at: number, size: number): Expr {
    if (this.operands[at].kind === 'x') return this.f.let(this.vectorOperand(at))
    if (size === 16) return this.load128(this.address(at))
    return this.f.let(v.i64x2ReplaceLane(v.const(0n, 0n), 0, this.load(this.address(at), size)))
  }

  /** All of a YMM register, where zeros follow a single lane; or the lanes to memory. */
  writeLanes(at: number, lanes: readonly Expr[]): void {
    if (this.operands[at].kind === 'x') {
      // What the first lane changes the second may have been made of.
      const bound = lanes.map((lane) => this.f.let(lane))
      this.setVectorOperand(at, bound[0])
      this.setUpperOperand(at, bound[1] ?? v.const(0n, 0n))
    } else if (lanes.length === 2) this.store256(this.address(at), lanes)
    else this.store128(this.address(at), lanes[0])
  }

  /** Upper half of a YMM register operand. */
  protected abstract upperOperand(at: number): Expr
  protected abstract setUpperOperand(at: number, value: Expr): void
  /** A half of a YMM register by its number becomes zero; 0 is the lower one. */
  abstract clearVectorHalf(register: number, half: 0 | 1): void
  /** 32 bytes, as one access: bound. */
  abstract load256(address: Expr): Expr[]
  abstract store256(address: Expr, lanes: readonly Expr[]): void
  /** Of a VSIB operand: both halves of the index register, and the shift count of the scale (i32). All bound. */
  abstract vsibIndex(): { lanes: readonly Expr[], shift: Expr }
  /** Emits what is to have happened if an access that follows faults, where that is not simply nothing (gathers). */
  abstract soFar(write: () => void): void

  protected abstract vectorOperand(at: number): Expr
  protected abstract setVectorOperand(at: number, value: Expr): void
  protected abstract vectorLow(at: number, size: 4 | 8): Expr
  protected abstract setVectorLow(at: number, size: 4 | 8, value: Expr): void
  /** MMX register operand or 8 bytes of memory, i64. */
  abstract readMmx(at: number): Expr
  abstract writeMmx(at: number, value: Expr): void
  /** Host address (i32) of a vector register operand's storage, for runtime functions that work on memory. */
  abstract vectorStorage(at: number): Expr
  /** i of an x87 operand ST(i), i32. */
  abstract stackIndex(at: number): Expr

  // ——— Named registers and state ———

  /** General register by number, zero-extended from `size` (low bytes), bound. */
  abstract gpr(register: number, size?: number): Expr
  abstract setGpr(register: number, value: Expr, size?: number): void
  /** Words of the CPU block that are no operands: MXCSR, FPU_*, FS_BASE …; read unbound. */
  abstract state32(address: number): Expr
  abstract setState32(address: number, value: Expr): void
  abstract state64(address: number): Expr
  abstract setState64(address: number, value: Expr): void

  // ——— Memory ———

  /** `size` 1, 2, 4 or 8 bytes at a linear address: zero-extended i64, bound. */
  abstract load(address: Expr, size: number): Expr
  abstract store(address: Expr, size: number, value: Expr): void
  abstract load128(address: Expr): Expr
  abstract store128(address: Expr, value: Expr): void
  abstract modifyMemory(address: Expr, size: number, change: (old: Expr) => Expr): void
  /** Faults now if [address, address + size) can't be written; size ≤ 4096. */
  abstract probeWrite(address: Expr, size: number): void

  // ——— Control ———

  /** Address of this instruction and of the next, i64. */
  abstract rip(): Expr
  abstract nextRip(): Expr
  /** Leaves for an absolute address, which `checkCanonical` was given before. */
  abstract jump(target: Expr): void
  /** To the branch operand 'J' if the condition (i32) holds, else on. */
  abstract branch(condition: Expr): void
  /** To the branch operand, always. */
  abstract branchAlways(): void
  /** Goes on with the next instruction: emitted by itself where a semantics function ends. */
  abstract next(): void
  /** Raises an exception at this instruction: nothing of it has happened. */
  abstract fault(vector: number, errorCode: Expr): void
  /** #GP(0) of an image that is not aligned; unlike with vector operands, what is not canonical gives its own fault. */
  abstract faultMisaligned(address: Expr): void
  /** Leaves `run` with the given reason after this instruction, rip = next or `target`. Not for faults. */
  abstract exit(reason: number, target?: Expr): void
  /** Raises a trap: as `exit`, but the kernel sees an exception, with rip behind the instruction. */
  trap(vector: number): void {
    this.setState32(EXIT_VECTOR, i32.const(vector))
    this.setState32(EXIT_ERROR, i32.const(0))
    this.exit(EXIT_FAULT_REASON)
  }
  /** Address of a string instruction's source: rsi (or esi) plus the segment base that a prefix named, bound. */
  abstract stringSource(address32: boolean): Expr
  /** As `stringSource` with rdi: MASKMOVDQU and MASKMOVQ, whose segment is DS, unlike that of the string instructions. */
  abstract maskedDestination(address32: boolean): Expr
  /** Calls a function of the runtime (src/emu/interp/runtime.ts, src/emu/float) that can't fault; and one of the host's that works on the CPU block. */
  call(name: string, ...args: readonly Expr[]): Expr { return this.f.call(name, ...args) }
  callVoid(name: string, ...args: readonly Expr[]): void { this.f.callVoid(name, ...args) }
  /** REP: cycles left beyond this iteration; takes one and returns 1, or returns 0 if there is none (i32). */
  abstract takeCycle(): Expr
  /** REP: as `takeCycle`, for up to `wanted` (i32 ≥ 0) cycles at once: how many were taken (i32). */
  abstract takeCycles(wanted: Expr): Expr
  /** Host address (i32) of a byte if the soft TLB has its page for this access, else 0; never faults. Good to the end of the page. */
  abstract hostIfCached(address: Expr, write: boolean): Expr
  /** Leaves before the instruction is complete, for want of a cycle: rip stays on it, as when REP is interrupted. */
  abstract exitIncomplete(): void
  /** The cycle counter, i64, exact only in instructions that end a block. */
  abstract cycle(): Expr

  /** An i32 local for a semantics function's own use. */
  get scratch(): Local {
    this.#scratch ??= this.f.local('i32')
    return this.#scratch
  }

  /** Stores the low `size` bytes at a host address that `hostIfCached` gave. */
  storeHost(host: Expr, value: Expr): void {
    if (this.size === 1) this.f.i64Store8(host, 0, value)
    else if (this.size === 2) this.f.i64Store16(host, 0, value)
    else if (this.size === 4) this.f.i64Store32(host, 0, value)
    else this.f.i64Store(host, 0, value)
  }

  get hasEnded(): boolean { return this.ended }

  /**
   * Where a tier has a fast and a plain version of an instruction: leaves the fast one for the plain one if the condition
   * does not hold, nothing having happened yet. False where there is only the plain one, which then must do it all.
   */
  otherwisePlain(_condition: Expr): boolean { return false }

  faultIf(condition: Expr, vector: number, errorCode = 0): void {
    this.f.if(condition, () => { this.fault(vector, i32.const(errorCode)) })
  }

  /** #GP(0) at this instruction if an address that it is to go to is not canonical. */
  checkCanonical(target: Expr): void {
    this.faultIf(i32.eqz(this.isCanonical(target)), 13)
  }

  /** #XM if the word `unmasked` is not zero: MXCSR is then what it is said to be, and nothing else has happened. */
  raiseFloat(unmasked: Expr, mxcsr: Expr): void {
    this.f.if(unmasked, () => {
      this.setState32(MXCSR, mxcsr)
      this.fault(19, i32.const(0))
    })
  }

  isCanonical(address: Expr): Expr { return i64.eq(i64.shrS(i64.shl(address, i64.const(16)), i64.const(16)), address) }

  // ——— Arithmetic helpers ———

  /** The low `size` bytes, zero-extended. */
  trunc(value: Expr, size = this.size): Expr {
    return size === 8 ? value : size === 4 ? i64.and(value, i64.const(0xffffffff)) : i64.and(value, i64.const(size === 2 ? 0xffff : 0xff))
  }

  signed(value: Expr, size = this.size): Expr {
    return size === 8 ? value : size === 4 ? i64.extend32S(value) : size === 2 ? i64.extend16S(value) : i64.extend8S(value)
  }

  /** Bit `bits − 1` as i32 0 or 1. */
  signBit(value: Expr, size = this.size): Expr {
    return i32.wrap(size === 8 ? i64.shrU(value, i64.const(63)) : i64.and(i64.shrU(value, i64.const(size * 8 - 1)), i64.const(1)))
  }

  // ——— Flags (see layout.ts for the representation) ———

  /** Stores ZF, SF and PF of a result (any upper bits) and the auxiliary word with CF, AF and OF in place. */
  setFlags(result: Expr, aux: Expr, size = this.size): void {
    this.setState64(FLAG_RESULT, this.signed(result, size))
    this.setState32(FLAG_AUX, aux)
  }

  /** AF of an addition or subtraction. */
  #af(a: Expr, b: Expr, result: Expr): Expr {
    return i32.and(i32.wrap(i64.xor(i64.xor(a, b), result)), i32.const(AF))
  }

  /** The sign bit of `value` moved to OF's place. */
  #of(value: Expr, size: number): Expr {
    const shift = size * 8 - 1 - 11
    const moved = shift >= 0 ? i64.shrU(value, i64.const(shift)) : i64.shl(value, i64.const(-shift))
    return i32.and(i32.wrap(moved), i32.const(OF))
  }

  /** result = trunc(a + b), all bound and truncated. */
  setFlagsAdd(a: Expr, b: Expr, result: Expr, size = this.size): void {
    const aux = i32.or(i32.or(i64.ltU(result, a), this.#af(a, b, result)), this.#of(i64.and(i64.xor(a, result), i64.xor(b, result)), size))
    this.setFlags(result, aux, size)
  }

  /** result = trunc(a − b): SUB, CMP, NEG (a = 0), CMPXCHG, SCAS, CMPS. */
  setFlagsSub(a: Expr, b: Expr, result: Expr, size = this.size): void {
    const aux = i32.or(i32.or(i64.ltU(a, b), this.#af(a, b, result)), this.#of(i64.and(i64.xor(a, b), i64.xor(a, result)), size))
    this.setFlags(result, aux, size)
  }

  /** result = trunc(a + b + carry): the carry vector gives CF. */
  setFlagsAdc(a: Expr, b: Expr, result: Expr, size = this.size): void {
    const carries = i64.or(i64.and(a, b), i64.and(i64.or(a, b), i64.xor(result, i64.const(-1))))
    const aux = i32.or(i32.or(this.signBit(carries, size), this.#af(a, b, result)), this.#of(i64.and(i64.xor(a, result), i64.xor(b, result)), size))
    this.setFlags(result, aux, size)
  }

  /** result = trunc(a − b − borrow). */
  setFlagsSbb(a: Expr, b: Expr, result: Expr, size = this.size): void {
    const notA = i64.xor(a, i64.const(-1))
    const borrows = i64.or(i64.and(notA, b), i64.and(i64.or(notA, b), result))
    const aux = i32.or(i32.or(this.signBit(borrows, size), this.#af(a, b, result)), this.#of(i64.and(i64.xor(a, b), i64.xor(a, result)), size))
    this.setFlags(result, aux, size)
  }

  /** AND, OR, XOR, TEST: CF and OF clear; AF, undefined, is clear too. */
  setFlagsLogic(result: Expr, size = this.size): void { this.setFlags(result, i32.const(0), size) }

  /** INC (b = 1) and DEC: CF stays. */
  setFlagsIncDec(a: Expr, result: Expr, increment: boolean): void {
    const overflow = increment ? i64.and(i64.xor(a, result), result) : i64.and(i64.xor(a, result), a)
    const aux = i32.or(i32.or(this.cf(), this.#af(a, i64.const(1), result)), this.#of(overflow, this.size))
    this.setFlags(result, aux)
  }

  /** CF as i32 0 or 1, unbound. */
  cf(): Expr { return i32.and(this.state32(FLAG_AUX), i32.const(CF)) }
  /** Replaces CF (i32 0 or 1), keeps all else. */
  setCf(value: Expr): void { this.setState32(FLAG_AUX, i32.or(i32.and(this.state32(FLAG_AUX), i32.const(~CF)), value)) }
  zf(): Expr { return i64.eqz(this.state64(FLAG_RESULT)) }
  sf(): Expr {
    return i32.xor(i32.wrap(i64.shrU(this.state64(FLAG_RESULT), i64.const(63))), i32.and(i32.shrU(this.state32(FLAG_AUX), i32.const(7)), i32.const(1)))
  }
  of(): Expr { return i32.and(i32.shrU(this.state32(FLAG_AUX), i32.const(11)), i32.const(1)) }
  af(): Expr { return i32.and(i32.shrU(this.state32(FLAG_AUX), i32.const(4)), i32.const(1)) }
  pf(): Expr {
    const low = i32.and(i32.wrap(this.state64(FLAG_RESULT)), i32.const(0xff))
    const odd = i32.and(i32.popcnt(low), i32.const(1))
    const inverted = i32.and(i32.shrU(this.state32(FLAG_AUX), i32.const(2)), i32.const(1))
    return i32.xor(i32.xor(odd, i32.const(1)), inverted)
  }
  df(): Expr { return i32.and(this.state32(FLAG_OTHER), i32.const(0x400)) }

  /** Sets all six arithmetic flags from i32 words that are 0 or 1. */
  setAllFlags(flags: { cf: Expr, pf: Expr, af: Expr, zf: Expr, sf: Expr, of: Expr }): void {
    const f = this.f
    const zero = f.let(flags.zf)
    // Result 0 has even parity and no sign; result 1 odd parity and no sign: the auxiliary word inverts from there.
    let aux = i32.or(flags.cf, i32.shl(flags.af, i32.const(4)))
    aux = i32.or(aux, i32.shl(flags.of, i32.const(11)))
    aux = i32.or(aux, i32.shl(flags.sf, i32.const(7)))
    aux = i32.or(aux, i32.shl(i32.xor(flags.pf, zero), i32.const(2)))
    const bound = f.let(aux)
    this.setState64(FLAG_RESULT, i64.extendI32U(i32.xor(zero, i32.const(1))))
    this.setState32(FLAG_AUX, bound)
  }

  /** A condition of Jcc, SETcc, CMOVcc as i32, zero or not (0 or 1 for the even ones and their negations). */
  condition(code: number): Expr {
    const positive = (): Expr => {
      switch (code >> 1) {
        case 0: return this.of()
        case 1: return this.cf()
        case 2: return this.zf()
        case 3: return i32.or(this.cf(), this.zf())
        case 4: return this.sf()
        case 5: return this.pf()
        case 6: return i32.xor(this.sf(), this.of())
        default: return i32.or(this.zf(), i32.xor(this.sf(), this.of()))
      }
    }
    return (code & 1) === 0 ? positive() : i32.eqz(positive())
  }

  /** condition ? a : b on i64 values. */
  choose(condition: Expr, a: Expr, b: Expr): Expr { return select(condition, a, b) }
}

export type Semantics = (e: Emitter) => void
export { AF, CF, OF, PF, SF }
