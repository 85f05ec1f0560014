/**
 * The fast version of a form, as part of the one function that runs records: what it can't do without calling anybody (a
 * page missing from the TLB, a fault, an operation that is not exact) it leaves to the form's plain handler, which begins
 * again at the start of the instruction. So nothing architectural may have happened before: that is checked here.
 */
import * as layout from '../cpu/layout.ts'
import type { OperandForm } from '../semantics/emitter.ts'
import { type Expr, i32, i64, v } from '../wasm/expression.ts'
import type { FunctionBuilder, Label, Local } from '../wasm/function.ts'
import { Tier0Emitter, loadHost, storeHost, tlbEntry } from './tier0-emitter.ts'

/** Where the parts of `run` are: all that a body can end with. */
export interface RunLabels {
  readonly record: Local
  /** Linear address for `lookup`. */
  readonly target: Local
  /** Goes on with `record`. */
  readonly next: Label
  /** Goes on with `record`, which may begin a block: pays for it. */
  readonly enter: Label
  /** Goes on with the plain handler of `record`. */
  readonly plain: Label
  /** Goes on at the address in `target`, which is not in the jump cache. */
  readonly lookup: Label
}

/** What the translator must know of a form to leave out flags that nobody sees. */
export interface FlagUse {
  readsFlags: boolean
  /** Some, or under a condition. */
  changesFlags: boolean
  /** All six, whatever the operands. */
  writesFlags: boolean
  /** It may fault, and then the flags before it are seen. */
  leaves: boolean
}

/** What the flags stand for, where that is simpler than the flags. */
type Known =
  | { readonly kind: 'difference', readonly a: Expr, readonly b: Expr, readonly size: number }
  | { readonly kind: 'logic' | 'result', readonly result: Expr, readonly size: number }

/** A form that has no fast version. */
export class NotFast extends Error {}

export class HotEmitter extends Tier0Emitter {
  readonly #labels: RunLabels
  readonly #flagsDead: boolean
  readonly #depth: number
  readonly use: FlagUse = { readsFlags: false, changesFlags: false, writesFlags: false, leaves: false }
  #changed = false
  #known: Known | undefined

  /**
   * @param flagsDead the flags that this form leaves are not seen by anybody
   * @param before the form that has just been executed, in the same body
   */
  constructor(f: FunctionBuilder, operands: readonly OperandForm[], labels: RunLabels, flagsDead = false, before?: HotEmitter) {
    super(f, operands, labels.record)
    this.#labels = labels
    this.#flagsDead = flagsDead
    this.#depth = f.depth
    this.#known = before === undefined ? undefined : before.#known
  }

  #plain(): void {
    this.use.leaves = true
    if (this.#changed) throw new NotFast('leaves for the plain handler after it has changed something')
    this.f.br(this.#labels.plain)
  }

  override goOn(target: Expr): void {
    this.f.set(this.#labels.record, target)
    this.f.br(this.#labels.next)
    this.ended = true
  }

  override goOnOrLeave(target: Expr): void {
    this.f.set(this.#labels.record, target)
    this.f.brIf(this.#labels.next, this.#labels.record)
    this.f.return()
    this.ended = true
  }

  override enter(target: Expr): void {
    this.f.set(this.#labels.record, target)
    this.f.br(this.#labels.enter)
    this.ended = true
  }

  override leave(): void { this.f.return() }

  protected override jumpSlowly(target: Expr): void {
    this.use.leaves = true
    this.f.set(this.#labels.target, target)
    this.f.br(this.#labels.lookup)
  }

  override otherwisePlain(condition: Expr): boolean {
    this.f.if(i32.eqz(condition), () => { this.#plain() })
    return true
  }

  override fault(_vector: number, _errorCode: Expr): void { this.#plain() }

  override probeWrite(): void { this.#plain() }

  #host(tlb: number, address: Expr, size: number): Expr {
    const { hit, host } = tlbEntry(this.f, tlb, address, size)
    this.f.if(i32.eqz(hit), () => { this.#plain() })
    return host
  }

  override load(address: Expr, size: number): Expr {
    const at = this.f.let(address)
    return this.f.let(loadHost(this.#host(layout.TLB_READ, at, size), size))
  }

  override load128(address: Expr): Expr {
    const at = this.f.let(address)
    return this.f.let(v.load(this.#host(layout.TLB_READ, at, 16)))
  }

  override store(address: Expr, size: number, value: Expr): void {
    const at = this.f.let(address)
    const bound = this.f.let(value)
    storeHost(this.f, this.#host(layout.TLB_WRITE, at, size), size, bound)
    this.#changed = true
  }

  override store128(address: Expr, value: Expr): void {
    const at = this.f.let(address)
    const bound = this.f.let(value)
    this.f.v128Store(this.#host(layout.TLB_WRITE, at, 16), 0, bound)
    this.#changed = true
  }

  override modifyMemory(address: Expr, size: number, change: (old: Expr) => Expr): void {
    const at = this.f.let(address)
    const host = this.f.let(this.#host(layout.TLB_WRITE, at, size))
    const value = this.f.let(change(this.f.let(loadHost(host, size))))
    storeHost(this.f, host, size, value)
    this.#changed = true
  }

  // What changes the state.

  protected override setRegisterOperand(at: number, size: number, value: Expr): void {
    super.setRegisterOperand(at, size, value)
    this.#changed = true
  }
  protected override setVectorOperand(at: number, value: Expr): void {
    super.setVectorOperand(at, value)
    this.#changed = true
  }
  protected override setVectorLow(at: number, size: 4 | 8, value: Expr): void {
    super.setVectorLow(at, size, value)
    this.#changed = true
  }
  override setGpr(register: number, value: Expr, size = 8): void {
    super.setGpr(register, value, size)
    this.#changed = true
  }
  override setState32(address: number, value: Expr): void {
    if (address === layout.FLAG_AUX) {
      this.#known = undefined
      this.use.changesFlags = true
      if (this.#flagsDead) return
    }
    super.setState32(address, value)
    this.#changed = true
  }
  override setState64(address: number, value: Expr): void {
    if (address === layout.FLAG_RESULT) {
      this.#known = undefined
      this.use.writesFlags ||= this.f.depth === this.#depth
      if (this.#flagsDead) return
    }
    super.setState64(address, value)
    this.#changed = true
  }
  override writeMmx(at: number, value: Expr): void {
    super.writeMmx(at, value)
    this.#changed = true
  }

  // Flags. A branch that follows an arithmetic instruction in the same body compares the operands.

  #reading(address: number, value: Expr): Expr {
    if (address !== layout.FLAG_AUX && address !== layout.FLAG_RESULT) return value
    return { type: value.type, emit: (out) => { this.use.readsFlags = true; value.emit(out) } }
  }
  override state32(address: number): Expr { return this.#reading(address, super.state32(address)) }
  override state64(address: number): Expr { return this.#reading(address, super.state64(address)) }

  #know(known: Known): void {
    // Within a condition they may be those of before.
    if (this.f.depth === this.#depth) this.#known = known
  }
  override setFlags(result: Expr, aux: Expr, size = this.size): void {
    const bound = this.f.let(result)
    super.setFlags(bound, aux, size)
    this.#know({ kind: 'result', result: bound, size })
  }
  override setFlagsSub(a: Expr, b: Expr, result: Expr, size = this.size): void {
    super.setFlagsSub(a, b, result, size)
    this.#know({ kind: 'difference', a, b, size })
  }
  override setFlagsLogic(result: Expr, size = this.size): void {
    const bound = this.f.let(result)
    super.setFlagsLogic(bound, size)
    this.#know({ kind: 'logic', result: bound, size })
  }

  override condition(code: number): Expr {
    const positive = this.#knownCondition(code >> 1)
    if (positive === undefined) return super.condition(code)
    return (code & 1) === 0 ? positive : i32.eqz(positive)
  }

  #knownCondition(pair: number): Expr | undefined {
    const known = this.#known
    if (known === undefined) return undefined
    if (known.kind === 'difference') {
      const { a, b, size } = known
      switch (pair) {
        case 1: return i64.ltU(a, b)
        case 2: return i64.eq(a, b)
        case 3: return i64.leU(a, b)
        case 6: return i64.ltS(this.signed(a, size), this.signed(b, size))
        case 7: return i64.leS(this.signed(a, size), this.signed(b, size))
        default: return undefined
      }
    }
    const signed = this.signed(known.result, known.size)
    if (pair === 2) return i64.eqz(signed)
    if (pair === 4) return i64.ltS(signed, i64.const(0))
    if (known.kind === 'result') return undefined
    // CF and OF are clear.
    if (pair === 6) return i64.ltS(signed, i64.const(0))
    if (pair === 7) return i64.leS(signed, i64.const(0))
    if (pair === 3) return i64.eqz(signed)
    return undefined
  }

  // What calls or needs more than one go.

  override vectorStorage(): Expr { throw new NotFast('works on storage') }
  override exit(): void { throw new NotFast('leaves') }
  override exitIncomplete(): void { throw new NotFast('repeats') }
  override takeCycle(): Expr { throw new NotFast('repeats') }
  override takeCycles(): Expr { throw new NotFast('repeats') }
  override hostIfCached(): Expr { throw new NotFast('repeats') }
  override cycle(): Expr { throw new NotFast('reads the cycle counter') }
  override call(name: string): Expr { throw new NotFast(`calls ${name}`) }
  override callVoid(name: string): void { throw new NotFast(`calls ${name}`) }
}
