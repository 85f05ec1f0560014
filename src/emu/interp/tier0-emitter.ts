/** Tier 0: operands come from the decoded record, registers live in memory, each handler says which record is next. */
import * as layout from '../cpu/layout.ts'
import { Emitter, type OperandForm } from '../semantics/emitter.ts'
import { type Expr, f64, i32, i64, select, v } from '../wasm/expression.ts'
import type { FunctionBuilder } from '../wasm/function.ts'
import { signature } from '../wasm/types.ts'
import * as record from './records.ts'

/** Handlers take their record and return the one to go on with, or 0 to leave. */
export const HANDLER = signature(['i32'], ['i32'])
/** Regions of tier 1 return a record too. */
export const REGION = signature([], ['i32'])
export const ZERO_ADDRESS = i32.const(0)

/** A load or store of `size` bytes as i64, at a host address. */
export const loadHost = (address: Expr, size: number, offset = 0): Expr => {
  switch (size) {
    case 1: return i64.load8U(address, offset)
    case 2: return i64.load16U(address, offset)
    case 4: return i64.load32U(address, offset)
    case 8: return i64.load(address, offset)
    default: throw new RangeError(`load of ${size} bytes`)
  }
}
export const storeHost = (f: FunctionBuilder, address: Expr, size: number, value: Expr, offset = 0): void => {
  switch (size) {
    case 1: f.i64Store8(address, offset, value); return
    case 2: f.i64Store16(address, offset, value); return
    case 4: f.i64Store32(address, offset, value); return
    case 8: f.i64Store(address, offset, value); return
    default: throw new RangeError(`store of ${size} bytes`)
  }
}

/** Where in a soft TLB the entry of a linear address is. */
export const tlbOffset = (address: Expr): Expr =>
  i32.and(i32.shrU(i32.wrap(address), i32.const(layout.PAGE_SHIFT - 4)), i32.const((layout.TLB_ENTRIES - 1) << 4))

/**
 * The entry of a linear address in a soft TLB: whether it has the page, and the host address if so.
 * An access that crosses a page never hits: it begins too far behind the page's begin.
 */
export const tlbEntry = (f: FunctionBuilder, tlb: number, address: Expr, size: number): { hit: Expr, miss: Expr, host: Expr, entry: Expr } => {
  const entry = f.let(tlbOffset(address))
  const offset = f.let(i64.sub(address, i64.load(entry, tlb)))
  const last = i64.const(layout.PAGE_SIZE - size)
  return {
    hit: i64.leU(offset, last), miss: i64.gtU(offset, last),
    host: i32.add(i32.wrap(address), i32.load(entry, tlb + 8)),
    entry,
  }
}

/** `hit` gets the host address if the TLB has the page; `miss` is emitted otherwise. */
export const lookupTlb = (f: FunctionBuilder, tlb: number, address: Expr, size: number, hit: (host: Expr) => void, miss: () => void): void => {
  const found = tlbEntry(f, tlb, address, size)
  f.if(found.hit, () => { hit(found.host) }, miss)
}

export class Tier0Emitter extends Emitter {
  readonly record: Expr
  #address: Expr | undefined

  constructor(f: FunctionBuilder, operands: readonly OperandForm[], at: Expr = f.params[0]) {
    super(f, operands)
    this.record = at
  }

  /** Passes control to a record. */
  goOn(target: Expr): void {
    this.f.return(target)
    this.ended = true
  }

  /** As `goOn`, or leaves if the record is 0. */
  goOnOrLeave(target: Expr): void { this.goOn(target) }

  /** As `goOn`, to a record that may begin a block. */
  enter(target: Expr): void { this.goOn(target) }

  /** Nothing more is to be emitted. */
  finish(): void { this.ended = true }

  /** Out of `run`. */
  leave(): void { this.f.return(i32.const(0)) }

  /** A fourth register is that of an immediate byte. */
  #storage(at: number): Expr { return i32.load16U(this.record, at === 3 ? record.RECORD_IMMEDIATE : record.RECORD_REG + at * 2) }

  protected registerOperand(at: number, size: number): Expr { return loadHost(this.#storage(at), size) }

  protected setRegisterOperand(at: number, size: number, value: Expr): void {
    if (size === 4) storeHost(this.f, this.#storage(at), 8, this.trunc(value, 4))
    else storeHost(this.f, this.#storage(at), size, value)
  }

  immediate(_at: number): Expr { return i64.load(this.record, record.RECORD_IMMEDIATE) }
  immediate2(): Expr { return i32.load8U(this.record, record.RECORD_IMM2) }

  address(at: number): Expr {
    if (this.#address !== undefined) return this.#address
    const base = i64.load(i32.load16U(this.record, record.RECORD_BASE))
    const displacement = i64.load(this.record, record.RECORD_DISPLACEMENT)
    let sum = i64.add(base, displacement)
    if (this.operands[at].kind === 'n') {
      const index = i64.load(i32.load16U(this.record, record.RECORD_INDEX))
      sum = i64.add(sum, i64.shl(index, i64.extendI32U(i32.load8U(this.record, record.RECORD_SCALE))))
    }
    this.#address = this.f.let(sum)
    return this.#address
  }

  segmentBase(): Expr { return i64.load(i32.load16U(this.record, record.RECORD_INDEX)) }

  protected vectorOperand(at: number): Expr { return v.load(this.#storage(at)) }
  protected setVectorOperand(at: number, value: Expr): void { this.f.v128Store(this.#storage(at), 0, value) }
  protected upperOperand(at: number): Expr { return v.load(this.#storage(at), 16) }
  protected setUpperOperand(at: number, value: Expr): void { this.f.v128Store(this.#storage(at), 16, value) }
  clearVectorHalf(register: number, half: 0 | 1): void {
    this.f.v128Store(ZERO_ADDRESS, layout.VECTOR + register * layout.VECTOR_STRIDE + half * 16, v.const(0n, 0n))
  }
  vsibIndex(): { lanes: readonly Expr[], shift: Expr } {
    const storage = this.f.let(i32.load16U(this.record, record.RECORD_IMMEDIATE))
    return { lanes: [this.f.let(v.load(storage)), this.f.let(v.load(storage, 16))], shift: this.f.let(i32.load8U(this.record, record.RECORD_IMMEDIATE + 2)) }
  }
  soFar(write: () => void): void { write() }
  protected vectorLow(at: number, size: 4 | 8): Expr { return loadHost(this.#storage(at), size) }
  protected setVectorLow(at: number, size: 4 | 8, value: Expr): void { storeHost(this.f, this.#storage(at), size, value) }
  vectorStorage(at: number): Expr { return this.f.let(this.#storage(at)) }
  readMmx(at: number): Expr {
    if (this.operands[at].kind === 'q') return this.f.let(i64.load(this.#storage(at)))
    return this.load(this.address(at), 8)
  }
  writeMmx(at: number, value: Expr): void {
    if (this.operands[at].kind !== 'q') {
      this.store(this.address(at), 8, value)
      return
    }
    const storage = this.f.let(this.#storage(at))
    this.f.i64Store(storage, 0, value)
    // Sign and exponent become ones (Intel SDM volume 3, 12.2).
    this.f.i32Store16(storage, 8, i32.const(0xffff))
  }
  stackIndex(at: number): Expr { return this.#storage(at) }

  stringSource(address32: boolean): Expr { return this.#implicitAddress(layout.RSI, address32) }
  maskedDestination(address32: boolean): Expr { return this.#implicitAddress(layout.RDI, address32) }

  #implicitAddress(register: number, address32: boolean): Expr {
    const segment = i64.load(i32.load16U(this.record, record.RECORD_BASE))
    return this.f.let(i64.add(segment, this.gpr(register, address32 ? 4 : 8)))
  }

  gpr(register: number, size = 8): Expr { return this.f.let(loadHost(ZERO_ADDRESS, size, layout.GPR + register * 8)) }

  setGpr(register: number, value: Expr, size = 8): void {
    if (size === 4) storeHost(this.f, ZERO_ADDRESS, 8, this.trunc(value, 4), layout.GPR + register * 8)
    else storeHost(this.f, ZERO_ADDRESS, size, value, layout.GPR + register * 8)
  }

  state32(address: number): Expr { return i32.load(ZERO_ADDRESS, address) }
  setState32(address: number, value: Expr): void { this.f.i32Store(ZERO_ADDRESS, address, value) }
  state64(address: number): Expr { return i64.load(ZERO_ADDRESS, address) }
  setState64(address: number, value: Expr): void { this.f.i64Store(ZERO_ADDRESS, address, value) }

  load(address: Expr, size: number): Expr {
    const { f } = this
    const at = f.let(address)
    const result = f.local('i64')
    lookupTlb(f, layout.TLB_READ, at, size,
      (host) => { f.set(result, loadHost(host, size)) },
      () => { f.set(result, loadHost(f.call('translate_read', this.record, at, i32.const(size)), size)) })
    return result
  }

  load128(address: Expr): Expr {
    const { f } = this
    const at = f.let(address)
    const result = f.local('v128')
    lookupTlb(f, layout.TLB_READ, at, 16,
      (host) => { f.set(result, v.load(host)) },
      () => { f.set(result, v.load(f.call('translate_read', this.record, at, i32.const(16)))) })
    return result
  }

  load256(address: Expr): Expr[] {
    const { f } = this
    const at = f.let(address)
    const host = f.local('i32')
    lookupTlb(f, layout.TLB_READ, at, 32,
      (hit) => { f.set(host, hit) },
      () => { f.set(host, f.call('translate_read', this.record, at, i32.const(32))) })
    return [f.let(v.load(host)), f.let(v.load(host, 16))]
  }

  store256(address: Expr, lanes: readonly Expr[]): void {
    const { f } = this
    const at = f.let(address)
    const bound = lanes.map((lane) => f.let(lane))
    const write = (host: Expr): void => {
      const to = f.let(host)
      bound.forEach((lane, i) => { f.v128Store(to, i * 16, lane) })
    }
    lookupTlb(f, layout.TLB_WRITE, at, 32, write, () => { this.#storeSlowly(at, 32, write) })
  }

  store(address: Expr, size: number, value: Expr): void {
    const { f } = this
    const at = f.let(address)
    const bound = f.let(value)
    lookupTlb(f, layout.TLB_WRITE, at, size,
      (host) => { storeHost(f, host, size, bound) },
      () => { this.#storeSlowly(at, size, (host) => { storeHost(f, host, size, bound) }) })
  }

  store128(address: Expr, value: Expr): void {
    const { f } = this
    const at = f.let(address)
    const bound = f.let(value)
    lookupTlb(f, layout.TLB_WRITE, at, 16,
      (host) => { f.v128Store(host, 0, bound) },
      () => { this.#storeSlowly(at, 16, (host) => { f.v128Store(host, 0, bound) }) })
  }

  /** Through `translate_write`, whose answer may be the bounce buffer; `finish_write` then copies it to both pages. */
  #storeSlowly(address: Expr, size: number, write: (host: Expr) => void): void {
    const { f } = this
    const host = f.let(f.call('translate_write', this.record, address, i32.const(size)))
    write(host)
    f.if(i32.eq(host, i32.const(layout.BOUNCE)), () => { f.callVoid('finish_write') })
  }

  modifyMemory(address: Expr, size: number, change: (old: Expr) => Expr): void {
    const { f } = this
    const at = f.let(address)
    const host = f.local('i32')
    lookupTlb(f, layout.TLB_WRITE, at, size,
      (hit) => { f.set(host, hit) },
      () => { f.set(host, f.call('translate_modify', this.record, at, i32.const(size))) })
    const value = f.let(change(f.let(loadHost(host, size))))
    storeHost(f, host, size, value)
    f.if(i32.eq(host, i32.const(layout.BOUNCE)), () => { f.callVoid('finish_write') })
  }

  probeWrite(address: Expr, size: number): void {
    this.f.callVoid('probe_write', this.record, address, i32.const(size))
  }

  rip(): Expr { return i64.load(this.record, record.RECORD_RIP) }
  nextRip(): Expr {
    return i64.add(i64.load(this.record, record.RECORD_RIP), i64.load8U(this.record, record.RECORD_LENGTH))
  }

  jump(target: Expr): void {
    const { f } = this
    const at = f.let(target)
    const hash = i32.xor(i32.wrap(at), i32.wrap(i64.shrU(at, i64.const(12))))
    const entry = f.let(i32.shl(i32.and(hash, i32.const(layout.JUMP_CACHE_ENTRIES - 1)), i32.const(4)))
    f.if(i64.ne(i64.load(entry, layout.JUMP_CACHE), at), () => { this.jumpSlowly(at) })
    this.enter(i32.load(entry, layout.JUMP_CACHE + 8))
  }

  protected jumpSlowly(target: Expr): void { this.f.return(this.f.call('jump_slow', target)) }

  branch(condition: Expr): void {
    // A branch, not a select: the host then predicts the guest's branch where it has the history for it, and the switch after it.
    const next = this.f.local('i32')
    this.f.if(condition,
      () => { this.f.set(next, i32.load(this.record, record.RECORD_TAKEN)) },
      () => { this.f.set(next, i32.load(this.record, record.RECORD_FALL)) })
    this.enter(next)
  }

  branchAlways(): void { this.enter(i32.load(this.record, record.RECORD_TAKEN)) }

  next(): void { this.goOn(i32.add(this.record, i32.const(record.RECORD_SIZE))) }

  fault(vector: number, errorCode: Expr): void {
    this.f.callVoid('raise', this.record, i32.const(vector), errorCode)
    this.f.unreachable()
  }

  faultMisaligned(address: Expr): void {
    this.f.callVoid('raise_misaligned', this.record, address)
    this.f.unreachable()
  }

  exit(reason: number, target = this.nextRip()): void {
    this.f.i64Store(ZERO_ADDRESS, layout.RIP, target)
    this.f.i32Store(ZERO_ADDRESS, layout.EXIT_REASON, i32.const(reason))
    this.leave()
    this.ended = true
  }

  takeCycle(): Expr {
    const { f } = this
    const budget = f.let(i32.load(ZERO_ADDRESS, layout.BUDGET))
    // After a change of code, perhaps of this very instruction, it is fetched again, as if the budget had been used up here.
    const unchanged = i32.eqz(i32.load(ZERO_ADDRESS, layout.CODE_CHANGED))
    return f.ifValue('i32', i32.and(i32.gtS(budget, i32.const(0)), unchanged), () => {
      f.i32Store(ZERO_ADDRESS, layout.BUDGET, i32.sub(budget, i32.const(1)))
      return i32.const(1)
    }, () => i32.const(0))
  }

  takeCycles(wanted: Expr): Expr {
    const { f } = this
    const budget = f.let(i32.load(ZERO_ADDRESS, layout.BUDGET))
    const most = f.let(select(i32.gtS(budget, i32.const(0)), budget, i32.const(0)))
    const taken = f.let(select(i32.ltU(wanted, most), wanted, most))
    f.i32Store(ZERO_ADDRESS, layout.BUDGET, i32.sub(budget, taken))
    return taken
  }

  hostIfCached(address: Expr, write: boolean): Expr {
    const { f } = this
    const result = f.local('i32')
    lookupTlb(f, write ? layout.TLB_WRITE : layout.TLB_READ, address, 1,
      (host) => { f.set(result, host) }, () => { f.set(result, i32.const(0)) })
    return result
  }

  exitIncomplete(): void {
    this.f.i64Store(ZERO_ADDRESS, layout.RIP, this.rip())
    this.f.i32Store(ZERO_ADDRESS, layout.EXIT_REASON, i32.leS(i32.load(ZERO_ADDRESS, layout.BUDGET), i32.const(0)))
    this.leave()
  }

  cycle(): Expr {
    const executed = i32.sub(i32.load(ZERO_ADDRESS, layout.SLICE_BUDGET), i32.load(ZERO_ADDRESS, layout.BUDGET))
    const start = i64.truncSatF64S(f64.load(ZERO_ADDRESS, layout.SLICE_CYCLE))
    const cycle = this.f.let(i64.add(start, i64.extendI32S(executed)))
    const floor = this.f.let(i64.truncSatF64S(f64.load(ZERO_ADDRESS, layout.SLICE_FLOOR)))
    return select(i64.geS(cycle, floor), cycle, floor)
  }
}
