/**
 * Tier 1: registers are locals of the region's function, operands and immediates are known.
 *
 * An instruction that can't be executed here (a fault, a page that is not to be had, a value that needs the exact
 * functions) leaves the region as if it had not started, and tier 0 executes it. So nothing architectural may have
 * happened before: an instruction that breaks that rule is `Unsupported`, which is found out by emitting it once for
 * nothing (facts.ts).
 */
import * as layout from '../cpu/layout.ts'
import { CF } from '../cpu/layout.ts'
import { ZERO_ADDRESS, loadHost, storeHost, tlbEntry } from '../interp/tier0-emitter.ts'
import { Emitter } from '../semantics/emitter.ts'
import { type Expr, f32, f64, i32, i64, select, v } from '../wasm/expression.ts'
import { Local } from '../wasm/function.ts'
import type { Access, Member } from './groups.ts'
import { type FlagState, type Operation, auxWord, carryOf, directCondition, resultWord, signExtend } from './flags.ts'
import type { KeptInstruction } from './instruction.ts'
import type { ExitName } from './reasons.ts'
import type { HostAddress, RegionCode } from './region-code.ts'
import { operandWindow, stackWindow } from './windows.ts'

/** Has no place in a region. */
export class Unsupported extends Error {}

export interface FlagFacts {
  reads: boolean
  /** All six, whatever the operands. */
  writes: boolean
  /** Under a condition that is not known when the code is emitted. */
  conditional: boolean
}

/** Which kinds of memory access there are, and whether it may leave at all. */
export interface AccessFacts { loads: boolean, stores: boolean, leaves: boolean }

/** What the semantics say of flags while nothing else depends on when it is evaluated. */
const PURE_FLAGS = /^(ro[lr]|rc[lr]|mul$|imul)/
/** Words that follow from each other are bound now and then: code that leaves repeats them all. */
const MAX_DEPTH = 3

export class Tier1Emitter extends Emitter {
  readonly #code: RegionCode
  readonly #insn: KeptInstruction
  readonly #refund: number
  readonly #depth: number
  readonly flagFacts: FlagFacts = { reads: false, writes: false, conditional: false }
  readonly accessFacts: AccessFacts = { loads: false, stores: false, leaves: false }
  /** As they were made. */
  readonly accesses: Access[] = []
  readonly #members: readonly (Member | undefined)[]
  #address: Expr | undefined
  #changed = false
  #wroteResult = false
  #wroteAux = false

  /**
   * @param refund cycles that were paid for this instruction and those behind it
   * @param members what groups its accesses are of
   */
  constructor(code: RegionCode, insn: KeptInstruction, refund: number, members: readonly (Member | undefined)[] = []) {
    super(code.f, insn.operands)
    this.#code = code
    this.#insn = insn
    this.#refund = refund
    this.#members = members
    this.#depth = code.f.depth
  }

  // ——— Leaving ———

  #leave(reason: ExitName): void {
    // A repeated one changes registers from one iteration to the next; it then begins again where it is.
    if (this.#changed && !this.#insn.isRepeated) throw new Unsupported('leaves after it has changed something')
    this.accessFacts.leaves = true
    this.#code.leaveAt(this.#insn.rip, this.#refund, reason)
  }
  override fault(_vector: number, _errorCode: Expr): void { this.#leave('fault') }
  override faultMisaligned(): void { this.#leave('fault') }
  /** Tier 0 does it again, and then sets MXCSR. */
  override raiseFloat(unmasked: Expr, _mxcsr: Expr): void { this.f.unlikely(unmasked, () => { this.#leave('fault') }) }
  override otherwisePlain(condition: Expr): boolean {
    this.f.unlikely(i32.eqz(condition), () => { this.#leave('inexact') })
    return true
  }

  // ——— Registers ———

  protected override registerOperand(at: number, size: number): Expr { return this.#code.register(this.#insn.values[at] - layout.GPR, size) }
  protected override setRegisterOperand(at: number, size: number, value: Expr): void {
    this.#setRegister(this.#insn.values[at] - layout.GPR, size, value)
  }
  override gpr(register: number, size = 8): Expr { return this.f.let(this.#code.register(register * 8, size)) }
  override setGpr(register: number, value: Expr, size = 8): void {
    this.#setRegister(register * 8, size, value)
  }
  #setRegister(offset: number, size: number, value: Expr): void {
    this.#change()
    this.#code.setRegister(offset, size, value, this.f.depth !== this.#depth)
  }
  override immediate(_at: number): Expr { return i64.const(this.#insn.immediate) }
  override immediate2(): Expr { return i32.const(this.#insn.immediate2) }
  override stackIndex(at: number): Expr { return i32.const(this.#insn.values[at]) }

  #change(): void { this.#changed = true }

  // ——— Addresses ———

  #storageValue(storage: number): Expr {
    if (storage === layout.ZERO) return i64.const(0)
    if (storage === layout.FS_BASE || storage === layout.GS_BASE) return i64.load(ZERO_ADDRESS, storage)
    return this.#code.register(storage - layout.GPR, 8)
  }

  override address(_at: number): Expr {
    if (this.#address !== undefined) return this.#address
    const { base, index, scale, displacement, segment, address32, name } = this.#insn
    let sum = i64.add(this.#storageValue(base), i64.shl(this.#storageValue(index), i64.const(scale)))
    sum = i64.add(sum, i64.const(displacement))
    if (address32) sum = i64.and(sum, i64.const(0xffffffff))
    if (segment !== layout.ZERO && name !== 'lea') sum = i64.add(sum, this.#storageValue(segment))
    this.#address = this.f.let(sum)
    return this.#address
  }
  override segmentBase(): Expr { return this.#storageValue(this.#insn.segment) }
  override stringSource(address32: boolean): Expr { return this.#implicit(layout.RSI, address32) }
  override maskedDestination(address32: boolean): Expr { return this.#implicit(layout.RDI, address32) }
  #implicit(register: number, address32: boolean): Expr {
    return this.f.let(i64.add(this.#storageValue(this.#insn.segment), this.gpr(register, address32 ? 4 : 8)))
  }

  // ——— Vectors ———

  protected override vectorOperand(at: number): Expr { return this.#code.vector(this.#insn.values[at]) }
  protected override setVectorOperand(at: number, value: Expr): void {
    this.#change()
    this.#code.setVector(this.#insn.values[at], value)
  }
  protected override upperOperand(at: number): Expr { return this.#code.upper(this.#insn.values[at]) }
  protected override setUpperOperand(at: number, value: Expr): void {
    this.#change()
    this.#code.setUpper(this.#insn.values[at], value)
  }
  override clearVectorHalf(register: number, half: 0 | 1): void {
    this.#change()
    const storage = layout.VECTOR + register * layout.VECTOR_STRIDE
    if (half === 0) this.#code.setVector(storage, v.const(0n, 0n))
    else this.#code.clearUpper(storage)
  }
  override vsibIndex(): { lanes: readonly Expr[], shift: Expr } {
    const immediate = Number(this.#insn.immediate)
    const storage = immediate & 0xffff
    return { lanes: [this.#code.vector(storage), this.#code.upper(storage)], shift: i32.const(immediate >> 16) }
  }
  /** Tier 0 begins again with the whole instruction. */
  override soFar(): void {}
  protected override vectorLow(at: number, size: 4 | 8): Expr {
    const vector = this.#code.vector(this.#insn.values[at])
    return size === 8 ? v.i64x2ExtractLane(vector, 0) : i64.extendI32U(v.i32x4ExtractLane(vector, 0))
  }
  protected override setVectorLow(at: number, size: 4 | 8, value: Expr): void {
    this.#change()
    const vector = this.#code.vector(this.#insn.values[at])
    this.#code.setVector(this.#insn.values[at], size === 8 ? v.i64x2ReplaceLane(vector, 0, value) : v.i32x4ReplaceLane(vector, 0, i32.wrap(value)))
  }
  /** Perhaps a float: then it is best loaded as one. */
  override readLow(at: number, size: 4 | 8): Expr {
    if (this.operands[at].kind === 'x') return super.readLow(at, size)
    const { base, offset } = this.#host(false, this.address(at), size)
    return this.f.let(size === 8 ? i64.reinterpretF64(f64.load(base, offset)) : i64.extendI32U(i32.reinterpretF32(f32.load(base, offset))))
  }
  override vectorStorage(): Expr { throw new Unsupported('works on storage') }
  override readMmx(at: number): Expr {
    if (this.operands[at].kind === 'q') return this.f.let(i64.load(ZERO_ADDRESS, this.#insn.values[at]))
    return this.load(this.address(at), 8)
  }
  override writeMmx(at: number, value: Expr): void {
    if (this.operands[at].kind !== 'q') {
      this.store(this.address(at), 8, value)
      return
    }
    this.#change()
    this.f.i64Store(ZERO_ADDRESS, this.#insn.values[at], value)
    this.f.i32Store16(ZERO_ADDRESS, this.#insn.values[at] + 8, i32.const(0xffff))
  }

  // ——— Memory ———

  /** Host address of an access; leaves if there is none. Its expression is unbound: to be used once, now. */
  #host(write: boolean, address: Expr, size: number): HostAddress {
    if (write) this.accessFacts.stores = true
    else this.accessFacts.loads = true
    const otherwise = (): void => { this.#leave(write ? 'write' : 'read') }
    const isOperand = address === this.#address
    const member = this.#members[this.accesses.length]
    this.accesses.push({ isOperand, write, size, plain: this.f.depth === this.#depth })
    if (member !== undefined && !member.isFirst) return this.#code.beside(member)
    const isWritten = member?.group.write ?? write
    const window = this.#code.windowOf(isOperand ? operandWindow(this.#insn) : stackWindow(this.#insn), isWritten)
    if (member !== undefined) return this.#code.first(member, window, address, otherwise)
    return { base: window === undefined ? this.#code.lookUp(write, address, size, otherwise) : this.#code.through(window, write, address, size, otherwise), offset: 0 }
  }
  #bound({ base, offset }: HostAddress): HostAddress { return { base: this.f.let(base), offset } }

  override load(address: Expr, size: number): Expr {
    const at = this.f.let(address)
    const { base, offset } = this.#host(false, at, size)
    const value = this.f.let(loadHost(base, size, offset))
    if (value instanceof Local) value.width = size
    return value
  }
  override load128(address: Expr): Expr {
    const at = this.f.let(address)
    const { base, offset } = this.#host(false, at, 16)
    return this.f.let(v.load(base, offset))
  }
  override load256(address: Expr): Expr[] {
    const at = this.f.let(address)
    const { base, offset } = this.#bound(this.#host(false, at, 32))
    return [this.f.let(v.load(base, offset)), this.f.let(v.load(base, offset + 16))]
  }
  override store256(address: Expr, lanes: readonly Expr[]): void {
    const at = this.f.let(address)
    const bound = lanes.map((lane) => this.f.let(lane))
    const { base, offset } = this.#bound(this.#host(true, at, 32))
    bound.forEach((lane, i) => { this.f.v128Store(base, offset + i * 16, lane) })
    this.#change()
  }
  override store(address: Expr, size: number, value: Expr): void {
    const at = this.f.let(address)
    const bound = this.f.let(value)
    const { base, offset } = this.#host(true, at, size)
    storeHost(this.f, base, size, bound, offset)
    this.#change()
  }
  override store128(address: Expr, value: Expr): void {
    const at = this.f.let(address)
    const bound = this.f.let(value)
    const { base, offset } = this.#host(true, at, 16)
    this.f.v128Store(base, offset, bound)
    this.#change()
  }
  override modifyMemory(address: Expr, size: number, change: (old: Expr) => Expr): void {
    const at = this.f.let(address)
    const { base, offset } = this.#bound(this.#host(true, at, size))
    const old = this.f.let(loadHost(base, size, offset))
    if (old instanceof Local) old.width = size
    const value = this.f.let(change(old))
    storeHost(this.f, base, size, value, offset)
    this.#change()
  }
  override probeWrite(address: Expr, size: number): void { this.#bound(this.#host(true, this.f.let(address), size)) }
  override hostIfCached(address: Expr, write: boolean): Expr {
    const { hit, host } = tlbEntry(this.f, write ? layout.TLB_WRITE : layout.TLB_READ, address, 1)
    return this.f.let(select(hit, host, i32.const(0)))
  }

  // ——— Control ———

  override rip(): Expr { return i64.const(this.#insn.rip) }
  override nextRip(): Expr { return i64.const(this.#insn.nextRip) }
  override jump(target: Expr): void {
    this.#code.onJump(target)
    this.ended = true
  }
  override branch(condition: Expr): void {
    this.#code.onBranch(condition)
    this.ended = true
  }
  override branchAlways(): void {
    this.#code.onBranch(i32.const(1))
    this.ended = true
  }
  override next(): void {}
  override exit(): void { throw new Unsupported('leaves for the kernel') }
  override takeCycle(): Expr { return this.#code.takeCycle() }
  override takeCycles(wanted: Expr): Expr { return this.#code.takeCycles(wanted) }
  override exitIncomplete(): void {
    this.accessFacts.leaves = true
    this.#code.leaveAt(this.#insn.rip, 0, 'budget')
  }
  override cycle(): Expr { throw new Unsupported('reads the cycle counter') }

  /** A runtime function is called, perhaps by those of the semantics that don't ask the emitter. */
  noteCall(name: string): void {
    if (/^x87_(read|write)_fxsave$/.test(name)) throw new Unsupported('works on the storage of vector registers')
    if (/^x87_(?!is_empty|register|tag)/.test(name)) this.#change()
  }

  override call(name: string, ...args: readonly Expr[]): Expr {
    this.#called(name)
    return super.call(name, ...args)
  }
  override callVoid(name: string, ...args: readonly Expr[]): void {
    this.#called(name)
    super.callVoid(name, ...args)
  }
  #called(name: string): void {
    if (/^(host_|write_rflags)/.test(name)) throw new Unsupported(`calls ${name}`)
    // It looks at the words in memory, where they may be too.
    if (name === 'read_rflags') {
      this.flagFacts.reads = true
      this.#code.settleFlags()
    }
  }

  // ——— Arithmetic ———

  override trunc(value: Expr, size = this.size): Expr {
    if ((value.width ?? 8) <= size) return value
    const result = super.trunc(value, size)
    return result.constant !== undefined ? result : { ...result, width: size, emit: (out) => { result.emit(out) } }
  }

  // ——— Flags ———

  get #state(): FlagState { return this.#code.flags }

  /** Replaces the flags: under a condition, in memory, where `RegionCode` has put what was before. */
  #become(state: FlagState): void {
    this.#change()
    if (this.f.depth === this.#depth) {
      this.#code.flags = state
      return
    }
    this.flagFacts.conditional = true
    this.#code.storeFlags(state)
  }

  #result(): Expr {
    const state = this.#state
    return state.kind === 'words' ? state.result : state.kind === 'stored' || state.kind === 'packed' ? this.f.let(i64.load(ZERO_ADDRESS, layout.FLAG_RESULT)) : resultWord(state)
  }
  #aux(): Expr {
    const state = this.#state
    return state.kind === 'words' ? state.aux : state.kind === 'stored' || state.kind === 'packed' ? this.f.let(i32.load(ZERO_ADDRESS, layout.FLAG_AUX)) : auxWord(state)
  }
  get #isPlain(): boolean {
    const state = this.#state
    return state.kind === 'words' ? state.plain : state.kind !== 'stored' && state.kind !== 'packed'
  }

  /** Words of which the auxiliary one follows from the flags before. */
  #following(result: Expr, aux: Expr, plain: boolean): void {
    const before = this.#state
    const depth = before.kind === 'words' ? before.depth + 1 : 1
    this.#become({ kind: 'words', result, aux: depth > MAX_DEPTH ? this.f.let(aux) : aux, plain, depth: depth > MAX_DEPTH ? 0 : depth })
  }

  #reads(): void {
    this.flagFacts.reads = true
    if (this.#state.kind === 'packed') throw new Error(`${this.#insn.name} reads flags that were taken to be dead`)
  }

  override setFlags(result: Expr, aux: Expr, size = this.size): void {
    const bound = this.f.let(result)
    this.flagFacts.writes ||= this.f.depth === this.#depth
    this.#become({ kind: 'words', result: signExtend(bound, size), aux, plain: true, depth: 0 })
  }
  override setFlagsAdd(a: Expr, b: Expr, result: Expr, size = this.size): void { this.#operation({ kind: 'add', size, a, b, result }) }
  override setFlagsSub(a: Expr, b: Expr, result: Expr, size = this.size): void { this.#operation({ kind: 'sub', size, a, b, result }) }
  override setFlagsLogic(result: Expr, size = this.size): void { this.#operation({ kind: 'logic', size, a: result, b: result, result }) }
  #operation(state: Operation): void {
    this.flagFacts.writes ||= this.f.depth === this.#depth
    this.#become({ ...state, a: this.f.let(state.a), b: this.f.let(state.b), result: this.f.let(state.result) })
  }
  override setFlagsIncDec(a: Expr, result: Expr, increment: boolean): void {
    const carry = this.cf()
    const operation = { kind: increment ? 'add' : 'sub', size: this.size, a, b: i64.const(1), result } as const
    const rest = i32.and(auxWord(operation), i32.const(~CF))
    this.#following(resultWord(operation), i32.or(carry, rest), true)
  }
  override setCf(value: Expr): void {
    const plain = this.#isPlain
    this.#reads()
    this.#following(this.#result(), i32.or(i32.and(this.#aux(), i32.const(~CF)), value), plain)
  }

  override state32(address: number): Expr {
    if (address === layout.MXCSR) return this.#code.mxcsr
    if (address !== layout.FLAG_AUX) return i32.load(ZERO_ADDRESS, address)
    this.#reads()
    return this.#aux()
  }
  override state64(address: number): Expr {
    if (address !== layout.FLAG_RESULT) return i64.load(ZERO_ADDRESS, address)
    this.#reads()
    return this.#result()
  }
  override setState32(address: number, value: Expr): void {
    if (address !== layout.FLAG_AUX) {
      this.#change()
      if (address === layout.MXCSR) this.#code.setMxcsr(value)
      else this.f.i32Store(ZERO_ADDRESS, address, value)
      return
    }
    const pure = PURE_FLAGS.test(this.#insn.name)
    const plain = pure && this.#isPlain
    this.#wroteAux = true
    if (pure) this.#following(this.#result(), value, plain)
    else this.#become({ kind: 'words', result: this.#result(), aux: this.f.let(value), plain, depth: 0 })
    this.#written()
  }
  override setState64(address: number, value: Expr): void {
    if (address !== layout.FLAG_RESULT) {
      this.#change()
      this.f.i64Store(ZERO_ADDRESS, address, value)
      return
    }
    this.#wroteResult = true
    this.#become({ kind: 'words', result: this.f.let(value), aux: this.#aux(), plain: false, depth: 0 })
    this.#written()
  }
  #written(): void { this.flagFacts.writes ||= this.#wroteResult && this.#wroteAux && this.f.depth === this.#depth }

  override cf(): Expr {
    this.#reads()
    const state = this.#state
    return state.kind === 'sub' || state.kind === 'add' || state.kind === 'logic' ? carryOf(state) : i32.and(this.#aux(), i32.const(CF))
  }
  override zf(): Expr {
    this.#reads()
    return i64.eqz(this.#result())
  }
  override sf(): Expr {
    if (!this.#isPlain) return super.sf()
    this.#reads()
    return i64.ltS(this.#result(), i64.const(0))
  }
  override pf(): Expr {
    if (!this.#isPlain) return super.pf()
    this.#reads()
    return i32.xor(i32.and(i32.popcnt(i32.and(i32.wrap(this.#result()), i32.const(0xff))), i32.const(1)), i32.const(1))
  }

  override condition(code: number): Expr {
    this.#reads()
    const positive = directCondition(this.#state, code >> 1)
    if (positive === undefined) return super.condition(code)
    return (code & 1) === 0 ? positive : i32.eqz(positive)
  }
}
