/** The function of a region while it is emitted: its locals, its flags, the ways out of it. */
import * as layout from '../cpu/layout.ts'
import { REGION_HANDLER } from '../interp/manifest.ts'
import { RECORD_REGION } from '../interp/records.ts'
import { REGION, ZERO_ADDRESS, tlbEntry } from '../interp/tier0-emitter.ts'
import { EXIT_BUDGET } from '../processor.ts'
import { type Expr, i32, i64, select, v } from '../wasm/expression.ts'
import type { FunctionBuilder, Label, Local } from '../wasm/function.ts'
import { type FlagState, type Operation, auxWord, packedNumber, resultWord } from './flags.ts'
import { EXIT_REASONS, type ExitName } from './reasons.ts'
import { windowName } from './windows.ts'

/** Addresses of the lower half have 47 bits; a block pays for fewer than 256 instructions; 16 reasons; which operation the flags are of, whose operands are in memory (0: no such). */
const REFUND_SHIFT = 48, REASON_SHIFT = 56, FLAGS_SHIFT = 60
const exitNumber = (rip: number, refund: number, reason: ExitName, packed: number): bigint => BigInt.asIntN(64,
  BigInt(rip) | BigInt(refund) << BigInt(REFUND_SHIFT) | BigInt(EXIT_REASONS.indexOf(reason)) << BigInt(REASON_SHIFT) | BigInt(packed) << BigInt(FLAGS_SHIFT))

const MASKS: Readonly<Record<number, number>> = { 1: 0xff, 2: 0xffff, 4: 0xffffffff }

/** Least width that holds a constant. */
const constantWidth = (value: bigint): number => value < 0n ? 8 : value < 0x100n ? 1 : value < 0x10000n ? 2 : value < 0x1_0000_0000n ? 4 : 8
const widthOf = (value: Expr): number => value.constant === undefined ? value.width ?? 8 : constantWidth(BigInt.asIntN(64, value.constant))
const withWidth = (value: Expr, width: number): Expr => value.constant !== undefined ? value : { type: value.type, width, emit: (out) => { value.emit(out) } }

/** What is known at a point of the code, for that point alone. */
export interface Knowledge { readonly flags: FlagState, readonly widths: readonly (number | undefined)[], readonly empty: ReadonlySet<Window> }

/**
 * The page that accesses through the same registers touched last, beside the TLB: its linear address, −1 if there is none,
 * and what is to be added to addresses. So what is accessed again and again needs no look-up in memory, and address and
 * data don't wait for one.
 */
export interface Window { readonly page: Local, readonly addend: Local }

export class RegionCode {
  readonly f: FunctionBuilder
  flags: FlagState = { kind: 'stored' }
  /** Set by who emits blocks. */
  onJump: (target: Expr) => void = () => {}
  onBranch: (condition: Expr) => void = () => {}
  leave: Label = { depth: 0 }
  chain: Label = { depth: 0 }

  readonly budget: Local
  /** Where to go on outside; or where and why to leave, in one number: `exitNumber`. */
  readonly #exit: Local
  readonly #registers: (Local | undefined)[] = []
  readonly #writtenRegisters = new Set<number>()
  readonly #vectors: (Local | undefined)[] = []
  readonly #writtenVectors = new Set<number>()
  /** Upper halves of YMM registers. */
  readonly #uppers: (Local | undefined)[] = []
  readonly #usedUppers = new Set<number>()
  readonly #writtenUppers = new Set<number>()

  readonly #windows = new Map<string, Window>()
  /** Windows that certainly show nothing here. */
  #empty = new Set<Window>()

  readonly #namedUppers: ReadonlySet<number>

  /**
   * @param windows names of those to have: see windows.ts
   * @param namedUppers storage of the vector registers whose upper halves are locals: those that an operand names
   */
  constructor(f: FunctionBuilder, windows: readonly string[], namedUppers: ReadonlySet<number> = new Set()) {
    this.f = f
    this.#namedUppers = namedUppers
    for (const name of windows) {
      const window: Window = { page: f.local('i64'), addend: f.local('i32') }
      this.#windows.set(name, window)
      this.#empty.add(window)
    }
    this.budget = f.local('i32')
    this.#exit = f.local('i64')
    this.#mxcsr = f.local('i32')
  }

  readonly #mxcsr: Local
  #usesMxcsr = false

  // ——— MXCSR ———

  get mxcsr(): Expr {
    this.#usesMxcsr = true
    return this.#mxcsr
  }
  /** Memory has it as well. */
  setMxcsr(value: Expr): void {
    this.f.set(this.#mxcsr, value)
    this.f.i32Store(ZERO_ADDRESS, layout.MXCSR, this.#mxcsr)
  }

  readonly #usedRegisters = new Set<number>()
  readonly #usedVectors = new Set<number>()

  // ——— Registers ———

  #register(index: number): Local {
    this.#usedRegisters.add(index)
    return this.#registers[index] ??= this.f.permanent('i64')
  }

  /** @param offset of the storage from that of RAX; the second byte of a register is AH and the like */
  register(offset: number, size: number): Expr {
    const local = this.#register(offset >> 3)
    if ((offset & 1) !== 0) return withWidth(i64.and(i64.shrU(local, i64.const(8)), i64.const(0xff)), 1)
    return size >= local.width ? local : withWidth(i64.and(local, i64.const(MASKS[size])), size)
  }

  /** @param perhaps it may not be executed */
  setRegister(offset: number, size: number, value: Expr, perhaps: boolean): void {
    const { f } = this
    const local = this.#register(offset >> 3)
    const before = local.width
    this.#writtenRegisters.add(offset >> 3)
    const width = widthOf(value)
    if (size === 8) {
      f.set(local, value)
      local.width = width
    } else if (size === 4) {
      f.set(local, width <= 4 ? value : i64.and(value, i64.const(MASKS[4])))
      local.width = Math.min(width, 4)
    } else {
      const shift = (offset & 1) * 8
      const mask = MASKS[size] << shift
      const low = width <= size ? value : i64.and(value, i64.const(MASKS[size]))
      f.set(local, i64.or(i64.and(local, i64.const(~mask)), i64.shl(low, i64.const(shift))))
      local.width = Math.max(local.width, size + shift / 8)
    }
    if (perhaps) local.width = Math.max(local.width, before)
  }

  vector(storage: number): Expr { return this.#vector((storage - layout.VECTOR) / layout.VECTOR_STRIDE) }
  #vector(index: number): Local {
    this.#usedVectors.add(index)
    return this.#vectors[index] ??= this.f.permanent('v128')
  }
  setVector(storage: number, value: Expr): void {
    const index = (storage - layout.VECTOR) / layout.VECTOR_STRIDE
    this.f.set(this.#vector(index), value)
    this.#writtenVectors.add(index)
  }

  upper(storage: number): Expr { return this.#upper((storage - layout.VECTOR) / layout.VECTOR_STRIDE) }
  #upper(index: number): Local {
    this.#usedUppers.add(index)
    return this.#uppers[index] ??= this.f.permanent('v128')
  }
  setUpper(storage: number, value: Expr): void {
    const index = (storage - layout.VECTOR) / layout.VECTOR_STRIDE
    this.f.set(this.#upper(index), value)
    this.#writtenUppers.add(index)
  }

  /** VZEROUPPER, of one register: memory has the upper halves that nothing else in the region touches. */
  clearUpper(storage: number): void {
    const zero = v.const(0n, 0n)
    if (this.#namedUppers.has(storage)) this.setUpper(storage, zero)
    else this.f.v128Store(ZERO_ADDRESS, storage + 16, zero)
  }

  // ——— What is known ———

  get knowledge(): Knowledge { return { flags: this.flags, widths: this.#registers.map((local) => local?.width), empty: new Set(this.#empty) } }
  set knowledge({ flags, widths, empty }: Knowledge) {
    this.flags = flags
    this.#empty = new Set(empty)
    this.#registers.forEach((local, i) => { if (local !== undefined) local.width = widths[i] ?? 8 })
  }
  /** Where paths meet. */
  meet(areFlagsRead: boolean): void {
    this.flags = { kind: areFlagsRead ? 'stored' : 'packed' }
    this.#empty.clear()
    this.forgetWidths()
  }
  /** Before code that is executed more than once. */
  forgetWidths(): void {
    for (const local of this.#registers) if (local !== undefined) local.width = 8
  }

  // ——— Flags ———

  /** Into the two words. */
  storeFlags(state: FlagState): void {
    const { f } = this
    if (state.kind === 'stored') return
    if (state.kind === 'packed') {
      f.callVoid('settle_flags')
      return
    }
    const aux = f.let(state.kind === 'words' ? state.aux : auxWord(state))
    f.i64Store(ZERO_ADDRESS, layout.FLAG_RESULT, state.kind === 'words' ? state.result : resultWord(state))
    f.i32Store(ZERO_ADDRESS, layout.FLAG_AUX, aux)
    f.i32Store(ZERO_ADDRESS, layout.FLAGS_PACKED, i32.const(0))
  }
  /** From now on they are there. */
  settleFlags(): void {
    this.storeFlags(this.flags)
    this.flags = { kind: 'stored' }
  }

  /** Where they can be found whatever comes next: in memory, as operands where that is less work. */
  packFlags(): void {
    const { f, flags } = this
    if (flags.kind === 'sub' || flags.kind === 'add' || flags.kind === 'logic') {
      f.i32Store(ZERO_ADDRESS, layout.FLAGS_PACKED, i32.const(packedNumber(flags)))
      this.#packOperands(flags)
    } else if (flags.kind === 'words') {
      this.storeFlags(flags)
    }
  }

  #packOperands({ kind, a, b }: Operation): void {
    this.f.i64Store(ZERO_ADDRESS, layout.FLAGS_A, a)
    if (kind !== 'logic') this.f.i64Store(ZERO_ADDRESS, layout.FLAGS_B, b)
  }

  // ——— Ways out ———

  /** Leaves before the instruction at `rip`, for which and for what follows it `refund` cycles were paid. */
  leaveAt(rip: number, refund: number, reason: ExitName): void {
    const { flags } = this
    const isOperation = flags.kind === 'sub' || flags.kind === 'add' || flags.kind === 'logic'
    if (isOperation) this.#packOperands(flags)
    else this.packFlags()
    this.f.set(this.#exit, i64.const(exitNumber(rip, refund, reason, isOperation ? packedNumber(flags) : 0)))
    this.f.br(this.leave)
  }

  /** On to code outside of the region. */
  chainTo(target: Expr): void {
    this.packFlags()
    this.f.set(this.#exit, target)
    this.f.br(this.chain)
  }

  // ——— Memory ———

  windowOf(name: string | undefined, write: boolean): Window | undefined {
    return name === undefined ? undefined : this.#windows.get(windowName(name, write))
  }

  /** Host address of an access, by the soft TLB. Unbound. */
  lookUp(write: boolean, address: Expr, size: number, otherwise: () => void): Expr {
    const { f } = this
    const { miss, host } = tlbEntry(f, write ? layout.TLB_WRITE : layout.TLB_READ, address, size)
    f.unlikely(miss, otherwise)
    return host
  }

  /** By a window: what is not aligned may reach into the next page and takes the longer way. Unbound. */
  through(window: Window, write: boolean, address: Expr, size: number, otherwise: () => void): Expr {
    const { f } = this
    const move = (): void => {
      const tlb = write ? layout.TLB_WRITE : layout.TLB_READ
      const { miss, entry } = tlbEntry(f, tlb, address, size)
      f.unlikely(miss, otherwise)
      f.set(window.page, i64.and(address, i64.const(-4096)))
      f.set(window.addend, i32.load(entry, tlb + 8))
    }
    if (this.#empty.has(window)) move()
    else f.unlikely(i64.ne(i64.and(address, i64.const(-4096 + size - 1)), window.page), move)
    this.#empty.delete(window)
    return i32.add(i32.wrap(address), window.addend)
  }

  /** A cycle beyond those that are paid for: 1, or 0 if there is none. */
  takeCycle(): Expr {
    const { f, budget } = this
    const taken = f.let(i32.gtS(budget, i32.const(0)))
    f.set(budget, i32.sub(budget, taken))
    return taken
  }
  takeCycles(wanted: Expr): Expr {
    const { f, budget } = this
    const taken = f.let(select(i32.ltU(wanted, budget), wanted, budget))
    f.set(budget, i32.sub(budget, taken))
    return taken
  }

  /** Pays for a block that begins at `rip`, or leaves there. */
  pay(rip: number, cost: number): void {
    const { f, budget } = this
    f.set(budget, i32.sub(budget, i32.const(cost)))
    f.unlikely(i32.ltS(budget, i32.const(0)), () => { this.leaveAt(rip, cost, 'budget') })
  }

  /** The function around the blocks that `body` emits. `check`: is the code valid in this address space? */
  function(region: number, entry: number, check: boolean, body: () => void): void {
    const { f } = this
    f.block((leave) => {
      this.leave = leave
      f.block((chain) => {
        this.chain = chain
        body()
      })
      this.#chainTail(region)
    })
    this.#leaveTail()
    f.prologue(() => {
      if (check) {
        const known = i32.load(ZERO_ADDRESS, layout.REGION_EPOCHS + region * 4)
        f.unlikely(i32.ne(known, i32.load(ZERO_ADDRESS, layout.CODE_EPOCH)), () => {
          f.if(i32.eqz(f.call('revalidate', i32.const(region))), () => {
            f.callVoid('settle_flags')
            f.return(f.call('leave_plain', i64.const(entry)))
          })
        })
      }
      for (const window of this.#windows.values()) f.set(window.page, i64.const(-1))
      f.set(this.budget, i32.load(ZERO_ADDRESS, layout.BUDGET))
      if (this.#usesMxcsr) f.set(this.#mxcsr, i32.load(ZERO_ADDRESS, layout.MXCSR))
      for (const i of this.#usedRegisters) f.set(this.#registers[i] as Local, i64.load(ZERO_ADDRESS, layout.GPR + i * 8))
      for (const i of this.#usedVectors) f.set(this.#vectors[i] as Local, v.load(ZERO_ADDRESS, layout.VECTOR + i * layout.VECTOR_STRIDE))
      for (const i of this.#usedUppers) f.set(this.#uppers[i] as Local, v.load(ZERO_ADDRESS, layout.VECTOR + i * layout.VECTOR_STRIDE + 16))
    })
  }

  #spill(): void {
    const { f } = this
    for (const i of this.#writtenRegisters) f.i64Store(ZERO_ADDRESS, layout.GPR + i * 8, this.#registers[i] as Local)
    for (const i of this.#writtenVectors) f.v128Store(ZERO_ADDRESS, layout.VECTOR + i * layout.VECTOR_STRIDE, this.#vectors[i] as Local)
    for (const i of this.#writtenUppers) f.v128Store(ZERO_ADDRESS, layout.VECTOR + i * layout.VECTOR_STRIDE + 16, this.#uppers[i] as Local)
    f.i32Store(ZERO_ADDRESS, layout.BUDGET, this.budget)
  }

  /** To the region at the address, or back to tier 0 with the record there. */
  #chainTail(region: number): void {
    const { f } = this
    const target = this.#exit
    const counter = layout.REGION_CHAINS + region * 4
    f.i32Store(ZERO_ADDRESS, counter, i32.add(i32.load(ZERO_ADDRESS, counter), i32.const(1)))
    f.i32Store(ZERO_ADDRESS, layout.LAST_CHAIN, i32.const(region))
    this.#spill()
    const hash = i32.xor(i32.wrap(target), i32.wrap(i64.shrU(target, i64.const(12))))
    const entry = f.let(i32.shl(i32.and(hash, i32.const(layout.JUMP_CACHE_ENTRIES - 1)), i32.const(4)))
    f.unlikely(i64.ne(i64.load(entry, layout.JUMP_CACHE), target), () => {
      f.callVoid('settle_flags')
      f.return(f.call('jump_slow', target))
    })
    const record = f.let(i32.load(entry, layout.JUMP_CACHE + 8))
    f.if(i32.ne(i32.load(record), i32.const(REGION_HANDLER)), () => {
      f.callVoid('settle_flags')
      f.return(record)
    })
    f.returnCallRegion(REGION, i32.load(record, RECORD_REGION))
  }

  #leaveTail(): void {
    const { f, budget } = this
    const reason = f.let(i32.and(i32.wrap(i64.shrU(this.#exit, i64.const(REASON_SHIFT))), i32.const(0xf)))
    const packed = f.let(i32.wrap(i64.shrU(this.#exit, i64.const(FLAGS_SHIFT))))
    f.if(packed, () => { f.i32Store(ZERO_ADDRESS, layout.FLAGS_PACKED, packed) })
    const counter = f.let(i32.shl(reason, i32.const(2)))
    f.i32Store(counter, layout.REGION_EXITS, i32.add(i32.load(counter, layout.REGION_EXITS), i32.const(1)))
    f.callVoid('settle_flags')
    f.set(budget, i32.add(budget, i32.and(i32.wrap(i64.shrU(this.#exit, i64.const(REFUND_SHIFT))), i32.const(0xff))))
    this.#spill()
    const rip = f.let(i64.and(this.#exit, i64.const(2 ** REFUND_SHIFT - 1)))
    f.if(i32.eqz(reason), () => {
      f.i64Store(ZERO_ADDRESS, layout.RIP, rip)
      f.i32Store(ZERO_ADDRESS, layout.EXIT_REASON, i32.const(EXIT_BUDGET))
      f.i32Store(ZERO_ADDRESS, layout.REGION_LEFT, i32.const(1))
      f.return(i32.const(0))
    })
    f.return(f.call('leave_plain', rip))
  }
}
