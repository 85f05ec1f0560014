/**
 * The fast version of a form, as part of the one function that runs records: what it can't do without calling anybody (a
 * page missing from the TLB, a fault, an operation that is not exact) it leaves to the form's plain handler, which begins
 * again at the start of the instruction. So nothing architectural may have happened before: that is checked here.
 */
import * as layout from '../cpu/layout.ts'
import type { OperandForm } from '../semantics/emitter.ts'
import { type Expr, i32, v } from '../wasm/expression.ts'
import type { FunctionBuilder, Label, Local } from '../wasm/function.ts'
import { Tier0Emitter, loadHost, storeHost, tlbEntry } from './tier0-emitter.ts'

/** Where the parts of `run` are: all that a body can end with. */
export interface RunLabels {
  readonly record: Local
  /** Linear address for `lookup`. */
  readonly target: Local
  /** Goes on with `record`. */
  readonly next: Label
  /** Goes on with the plain handler of `record`. */
  readonly plain: Label
  /** Goes on at the address in `target`, which is not in the jump cache. */
  readonly lookup: Label
}

/** A form that has no fast version. */
export class NotFast extends Error {}

export class HotEmitter extends Tier0Emitter {
  readonly #labels: RunLabels
  #changed = false

  constructor(f: FunctionBuilder, operands: readonly OperandForm[], labels: RunLabels) {
    super(f, operands, labels.record)
    this.#labels = labels
  }

  #plain(): void {
    if (this.#changed) throw new NotFast('leaves for the plain handler after it has changed something')
    this.f.br(this.#labels.plain)
  }

  override goOn(target: Expr): void {
    this.f.set(this.#labels.record, target)
    this.f.br(this.#labels.next)
    this.ended = true
  }

  override leave(): void { this.f.return() }

  protected override jumpSlowly(target: Expr): void {
    this.f.set(this.#labels.target, target)
    this.f.br(this.#labels.lookup)
  }

  override otherwisePlain(condition: Expr): boolean {
    this.f.if(i32.eqz(condition), () => { this.#plain() })
    return true
  }

  override fault(_vector: number, _errorCode: Expr): void { this.#plain() }

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
    super.setState32(address, value)
    this.#changed = true
  }
  override setState64(address: number, value: Expr): void {
    super.setState64(address, value)
    this.#changed = true
  }
  override writeMmx(at: number, value: Expr): void {
    super.writeMmx(at, value)
    this.#changed = true
  }

  // What calls or needs more than one go.

  override vectorStorage(): Expr { throw new NotFast('works on storage') }
  override probeWrite(): void { throw new NotFast('probes') }
  override exit(): void { throw new NotFast('leaves') }
  override exitIncomplete(): void { throw new NotFast('repeats') }
  override takeCycle(): Expr { throw new NotFast('repeats') }
  override takeCycles(): Expr { throw new NotFast('repeats') }
  override hostIfCached(): Expr { throw new NotFast('repeats') }
  override cycle(): Expr { throw new NotFast('reads the cycle counter') }
  override call(name: string): Expr { throw new NotFast(`calls ${name}`) }
  override callVoid(name: string): void { throw new NotFast(`calls ${name}`) }
}
