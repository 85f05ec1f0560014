/** The function of a region while it is emitted: its locals, its flags, the ways out of it. */
import * as layout from '../cpu/layout.ts'
import { REGION_HANDLER, RETURNED } from '../interp/manifest.ts'
import { RECORD_REGION } from '../interp/records.ts'
import { REGION, ZERO_ADDRESS, tlbEntry } from '../interp/tier0-emitter.ts'
import { EXIT_BUDGET } from '../processor.ts'
import { type Expr, i32, i64, select, v } from '../wasm/expression.ts'
import type { FunctionBuilder, Label, Local } from '../wasm/function.ts'
import type { Member } from './groups.ts'
import { type FlagState, type Operation, auxWord, packedNumber, resultWord } from './flags.ts'
import { MXCSR_ID, type RegisterPlan, RegisterSet, Registers, UPPER_ID, VECTOR_ID } from './registers.ts'
import { EXIT_REASONS, type ExitName } from './reasons.ts'
import { isWritten, windowName } from './windows.ts'

/** Addresses of the lower half have 47 bits; fewer than 256 instructions are paid for at once (payments.ts); 16 reasons; which operation the flags are of, whose operands are in memory (0: no such). */
const REFUND_SHIFT = 48, REASON_SHIFT = 56, FLAGS_SHIFT = 60
const exitNumber = (rip: number, refund: number, reason: ExitName, packed: number): bigint => BigInt.asIntN(64,
  BigInt(rip) | BigInt(refund) << BigInt(REFUND_SHIFT) | BigInt(EXIT_REASONS.indexOf(reason)) << BigInt(REASON_SHIFT) | BigInt(packed) << BigInt(FLAGS_SHIFT))

const MASKS: Readonly<Record<number, number>> = { 1: 0xff, 2: 0xffff, 4: 0xffffffff }

const tlbOf = (write: boolean): number => write ? layout.TLB_WRITE : layout.TLB_READ
const missOf = ({ page }: Window, address: Expr, size: number): Expr => i64.gtU(i64.sub(address, page), i64.const(layout.PAGE_SIZE - size))
const vectorId = (storage: number): number => VECTOR_ID + (storage - layout.VECTOR) / layout.VECTOR_STRIDE

/** Least width that holds a constant. */
const constantWidth = (value: bigint): number => value < 0n ? 8 : value < 0x100n ? 1 : value < 0x10000n ? 2 : value < 0x1_0000_0000n ? 4 : 8
const widthOf = (value: Expr): number => value.constant === undefined ? value.width ?? 8 : constantWidth(BigInt.asIntN(64, value.constant))
const withWidth = (value: Expr, width: number): Expr => value.constant !== undefined ? value : { type: value.type, width, emit: (out) => { value.emit(out) } }

/** What is known at a point of the code, for that point alone. */
export interface Knowledge { readonly flags: FlagState, readonly widths: ReadonlyMap<number, number>, readonly registers: RegisterPlan }

/**
 * The page that accesses through the same registers touched last, beside the TLB: its linear address, and what is to be added to addresses. At
 * first it is any page that is to be had. So what is accessed again and again needs no look-up in memory, and address and data don't wait for one.
 */
export interface Window { readonly page: Local, readonly addend: Local }

/** Of an access: what is added to it is known. */
export interface HostAddress { readonly base: Expr, readonly offset: number }

export class RegionCode {
  readonly f: FunctionBuilder
  flags: FlagState = { kind: 'stored' }
  /** Set by who emits blocks. */
  onJump: (target: Expr) => void = () => {}
  onBranch: (condition: Expr) => void = () => {}
  leave: Label = { depth: 0 }
  #root: Label = { depth: 0 }
  #usesChain = false
  #usesLinked = false
  #hasLeft = false
  chain: Label = { depth: 0 }
  linked: Label = { depth: 0 }

  readonly budget: Local
  /** Where to go on outside; or where and why to leave, in one number: `exitNumber`. */
  readonly #exit: Local
  /** Word of LINKS for that; 0: it has none. */
  readonly #link: Local
  readonly #scratch: readonly [Local, Local]
  readonly registers: Registers
  /** The region's. */
  #index = 0

  readonly #windows = new Map<string, Window>()

  readonly #namedUppers: ReadonlySet<number>
  /** Some instruction clears upper halves, whichever are locals. */
  hasClearedUppers = false

  /**
   * @param windows names of those to have: see windows.ts
   * @param namedUppers storage of the vector registers whose upper halves are locals: those that an operand names; undefined: this is a trial
   */
  constructor(f: FunctionBuilder, windows: readonly string[], namedUppers: ReadonlySet<number> | undefined) {
    this.f = f
    this.#namedUppers = namedUppers ?? new Set()
    this.registers = new Registers(f, namedUppers === undefined)
    for (const name of windows) {
      const window: Window = { page: f.local('i64'), addend: f.local('i32') }
      this.#windows.set(name, window)
    }
    this.budget = f.local('i32')
    this.#exit = f.local('i64')
    this.#link = f.local('i32')
    this.#scratch = [f.local('i32'), f.local('i32')]
  }

  // ——— MXCSR ———

  get mxcsr(): Expr { return this.registers.read(MXCSR_ID) }
  /** Memory has it as well. */
  setMxcsr(value: Expr): void {
    const local = this.registers.write(MXCSR_ID)
    this.f.set(local, value)
    this.f.i32Store(ZERO_ADDRESS, layout.MXCSR, local)
  }

  // ——— Registers ———

  /** @param offset of the storage from that of RAX; the second byte of a register is AH and the like */
  register(offset: number, size: number): Expr {
    const local = this.registers.read(offset >> 3)
    if ((offset & 1) !== 0) return withWidth(i64.and(i64.shrU(local, i64.const(8)), i64.const(0xff)), 1)
    return size >= local.width ? local : withWidth(i64.and(local, i64.const(MASKS[size])), size)
  }

  /** @param perhaps it may not be executed */
  setRegister(offset: number, size: number, value: Expr, perhaps: boolean): void {
    const { f } = this
    const local = this.registers.write(offset >> 3)
    const before = local.width
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

  vector(storage: number): Expr { return this.registers.read(vectorId(storage)) }
  setVector(storage: number, value: Expr): void { this.f.set(this.registers.write(vectorId(storage)), value) }
  upper(storage: number): Expr { return this.registers.read(UPPER_ID - VECTOR_ID + vectorId(storage)) }
  setUpper(storage: number, value: Expr): void { this.f.set(this.registers.write(UPPER_ID - VECTOR_ID + vectorId(storage)), value) }

  /** VZEROUPPER, of one register: memory has the upper halves that nothing else in the region touches. */
  clearUpper(storage: number): void {
    const zero = v.const(0n, 0n)
    this.hasClearedUppers = true
    if (this.#namedUppers.has(storage)) this.setUpper(storage, zero)
    else this.f.v128Store(ZERO_ADDRESS, storage + 16, zero)
  }

  // ——— What is known ———

  get knowledge(): Knowledge {
    const { valid, dirty, widths } = this.registers
    return { flags: this.flags, widths, registers: { valid, dirty } }
  }
  set knowledge({ flags, widths, registers: { valid, dirty } }: Knowledge) {
    this.flags = flags
    this.registers.valid = valid
    this.registers.dirty = dirty
    this.registers.widths = widths
  }
  /** Where paths meet. */
  meet(areFlagsRead: boolean, { valid, dirty }: RegisterPlan): void {
    this.registers.valid = valid
    this.registers.dirty = dirty
    this.flags = { kind: areFlagsRead ? 'stored' : 'packed' }
    this.registers.forgetWidths()
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
    if (this.leave !== this.#root) this.#hasLeft = true
    this.f.br(this.leave)
  }

  /** What leaves within `body` stores the registers that are dirty now, in one place. */
  leavingTogether(body: () => void): void {
    const { f, registers, leave } = this
    const hasLeftBefore = this.#hasLeft
    const { dirty } = registers
    this.#hasLeft = false
    f.block((label) => {
      this.leave = label
      body()
    })
    this.leave = leave
    if (this.#hasLeft) {
      registers.store(dirty)
      f.br(this.#root)
    }
    this.#hasLeft = hasLeftBefore
  }

  /** All that other code expects in memory. */
  #put(): void {
    this.packFlags()
    this.registers.store(this.registers.dirty)
  }

  #toChain(): void {
    this.#usesChain = true
    this.f.br(this.chain)
  }

  /** On to code outside of the region. */
  chainTo(target: Expr): void {
    this.#put()
    this.f.set(this.#exit, target)
    this.#toChain()
  }
  /** On to what is always the same address. */
  chainLinked(rip: number, link: number): void {
    this.#put()
    this.#toLinked(rip, link)
  }
  #toLinked(rip: number, link: number): void {
    const { f } = this
    f.set(this.#exit, i64.const(rip))
    f.set(this.#link, i32.const(link))
    this.#usesLinked = true
    f.br(this.linked)
  }

  /** Back to the region that called, if it is its call that this returns from. */
  returnTo(target: Expr): void {
    const { f } = this
    this.#put()
    f.set(this.#exit, target)
    f.if(i64.eq(i64.load(i32.sub(i32.load(ZERO_ADDRESS, layout.SHADOW_TOP), i32.const(8))), target), () => {
      f.i32Store(ZERO_ADDRESS, layout.BUDGET, this.budget)
      f.return(i32.const(RETURNED))
    })
    this.#toChain()
  }

  /** A call of the region at an address, after which it goes on here; without one, or with too many that wait, on as a jump would. */
  callLinked(rip: number, link: number, returnRip: number): void {
    const { f } = this
    this.#put()
    const [region, top] = this.#scratch
    f.set(region, i32.load(ZERO_ADDRESS, layout.LINKS + link))
    f.set(top, i32.load(ZERO_ADDRESS, layout.SHADOW_TOP))
    f.unlikely(i32.or(i32.eqz(region), i32.geU(top, i32.const(layout.SHADOW_END))), () => { this.#toLinked(rip, link) })
    this.#call(region, top, returnRip)
  }
  callDynamic(target: Expr, returnRip: number): void {
    const { f } = this
    this.#put()
    f.set(this.#exit, target)
    const [record, top] = this.#scratch
    f.set(record, this.#recordOr(target, () => { this.#toChain() }))
    f.set(top, i32.load(ZERO_ADDRESS, layout.SHADOW_TOP))
    f.unlikely(i32.or(i32.ne(i32.load(record), i32.const(REGION_HANDLER)), i32.geU(top, i32.const(layout.SHADOW_END))), () => { this.#toChain() })
    this.#call(i32.load(record, RECORD_REGION), top, returnRip)
  }
  #call(region: Expr, top: Expr, returnRip: number): void {
    const { f } = this
    f.i64Store(top, 0, i64.const(returnRip))
    f.i32Store(ZERO_ADDRESS, layout.SHADOW_TOP, i32.add(top, i32.const(8)))
    f.i32Store(ZERO_ADDRESS, layout.BUDGET, this.budget)
    const [next] = this.#scratch
    f.set(next, f.callRegion(REGION, region))
    f.unlikely(i32.ne(next, i32.const(RETURNED)), () => { f.return(next) })
    f.i32Store(ZERO_ADDRESS, layout.SHADOW_TOP, top)
    f.set(this.budget, i32.load(ZERO_ADDRESS, layout.BUDGET))
    // Registers are in memory: who leaves now has nothing to store.
    this.registers.valid = RegisterSet.EMPTY
    this.leave = this.#root
    this.flags = { kind: 'packed' }
  }

  // ——— Memory ———

  windowOf(name: string | undefined, write: boolean): Window | undefined {
    return name === undefined ? undefined : this.#windows.get(windowName(name, write))
  }

  /** Host address of an access, by the soft TLB. Unbound. */
  lookUp(write: boolean, address: Expr, size: number, otherwise: () => void): Expr {
    const { f } = this
    const { miss, host } = tlbEntry(f, tlbOf(write), address, size)
    f.unlikely(miss, otherwise)
    return host
  }

  /** By a window. Unbound. */
  through(window: Window, write: boolean, address: Expr, size: number, otherwise: () => void): Expr {
    const { f } = this
    f.unlikely(missOf(window, address, size), () => {
      const { miss, entry } = tlbEntry(f, tlbOf(write), address, size)
      f.unlikely(miss, otherwise)
      this.#move(window, write, entry)
    })
    return i32.add(i32.wrap(address), window.addend)
  }
  #move({ page, addend }: Window, write: boolean, entry: Expr): void {
    this.f.set(page, i64.load(entry, tlbOf(write)))
    this.f.set(addend, i32.load(entry, tlbOf(write) + 8))
  }

  /** The first access of a group, at `address`: looks for all of it. Unbound. */
  first(member: Member, window: Window | undefined, address: Expr, otherwise: () => void): HostAddress {
    const { group, offset } = member
    const { lowest, write, members } = group
    const size = group.end - lowest
    if (members === 1) return { base: window === undefined ? this.lookUp(write, address, size, otherwise) : this.through(window, write, address, size, otherwise), offset: 0 }
    const { f } = this
    const host = f.permanent('i32')
    const from = f.let(i64.add(address, i64.const(lowest - offset)))
    // Across two pages it may still be one piece of memory.
    const reach = (): void => {
      f.set(host, f.call('reach', from, i32.const(size), i32.const(tlbOf(write)), i32.const(this.#index)))
      f.unlikely(i32.eqz(host), otherwise)
    }
    if (window === undefined) {
      const found = tlbEntry(f, tlbOf(write), from, size)
      f.set(host, found.host)
      f.unlikely(found.miss, reach)
    } else {
      f.set(host, i32.add(i32.wrap(from), window.addend))
      f.unlikely(missOf(window, from, size), () => {
        reach()
        this.#move(window, write, tlbEntry(f, tlbOf(write), from, 1).entry)
      })
    }
    group.host = host
    return this.beside(member)
  }
  /** Another one. */
  beside({ group: { host, lowest }, offset }: Member): HostAddress {
    if (host === undefined) throw new Error('an access before the first of its group')
    return { base: host, offset: offset - lowest }
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

  /** Pays for a block that begins at `rip` and what follows it, or leaves there. */
  pay(rip: number, rest: number, cost: number): void {
    const { f, budget } = this
    f.set(budget, i32.sub(budget, i32.const(cost - rest)))
    f.unlikely(i32.ltS(budget, i32.const(0)), () => { this.leaveAt(rip, cost, 'budget') })
  }
  giveBack(rest: number): void {
    if (rest !== 0) this.f.set(this.budget, i32.add(this.budget, i32.const(rest)))
  }

  /** The function around the blocks that `body` emits. `check`: is the code valid in this address space? */
  function(region: number, entry: number, check: boolean, body: () => void): void {
    const { f } = this
    this.#index = region
    f.block((leave) => {
      this.leave = leave
      this.#root = leave
      f.block((chain) => {
        this.chain = chain
        f.block((linked) => {
          this.linked = linked
          body()
        })
        if (this.#usesLinked) this.#linkedTail(region)
      })
      if (this.#usesChain || this.#usesLinked) this.#chainTail(region)
    })
    this.#leaveTail()
    f.prologue(() => {
      if (check) {
        const known = i32.load(ZERO_ADDRESS, layout.REGION_EPOCHS + region * 4)
        f.unlikely(i32.ne(known, i32.load(ZERO_ADDRESS, layout.CODE_EPOCH)), () => {
          f.if(i32.eqz(f.call('revalidate', i32.const(region))), () => { this.#toPlain(entry) })
        })
      }
      this.#openWindows(entry)
      f.set(this.budget, i32.load(ZERO_ADDRESS, layout.BUDGET))
    })
  }

  /** On any page: one that was looked for last. What there is none for has not accessed anything yet. */
  #openWindows(entry: number): void {
    const { f } = this
    for (const write of [false, true]) {
      const windows = [...this.#windows].filter(([name]) => isWritten(name) === write).map(([, window]) => window)
      if (windows.length === 0) continue
      const last = write ? layout.TLB_WRITE_LAST : layout.TLB_READ_LAST
      for (const { page, addend } of windows) {
        f.set(page, i64.load(ZERO_ADDRESS, last))
        f.set(addend, i32.load(ZERO_ADDRESS, last + 8))
      }
      f.unlikely(i64.ltS(windows[0].page, i64.const(0)), () => { this.#toPlain(entry) })
    }
  }
  #toPlain(entry: number): void {
    const { f } = this
    f.callVoid('settle_flags')
    f.return(f.call('leave_plain', i64.const(entry)))
  }

  /** To the region that the link has. */
  #linkedTail(region: number): void {
    const { f } = this
    const next = f.let(i32.load(this.#link, layout.LINKS))
    f.if(next, () => {
      this.#countChain(region)
      f.i32Store(ZERO_ADDRESS, layout.BUDGET, this.budget)
      f.returnCallRegion(REGION, next)
    })
  }
  #countChain(region: number): void {
    const { f } = this
    const counter = layout.REGION_CHAINS + region * 4
    f.i32Store(ZERO_ADDRESS, counter, i32.add(i32.load(ZERO_ADDRESS, counter), i32.const(1)))
    f.i32Store(ZERO_ADDRESS, layout.LAST_CHAIN, i32.const(region))
  }

  /** The record at an address, if the jump cache has it. */
  #recordOr(target: Expr, otherwise: () => void): Expr {
    const { f } = this
    const hash = i32.xor(i32.wrap(target), i32.wrap(i64.shrU(target, i64.const(12))))
    const entry = f.let(i32.shl(i32.and(hash, i32.const(layout.JUMP_CACHE_ENTRIES - 1)), i32.const(4)))
    f.unlikely(i64.ne(i64.load(entry, layout.JUMP_CACHE), target), otherwise)
    return i32.load(entry, layout.JUMP_CACHE + 8)
  }

  /** To the region at the address, or back to tier 0 with the record there. */
  #chainTail(region: number): void {
    const { f } = this
    this.#countChain(region)
    f.i32Store(ZERO_ADDRESS, layout.BUDGET, this.budget)
    const record = f.let(this.#recordOr(this.#exit, () => {
      f.callVoid('settle_flags')
      f.return(f.call('jump_slow', this.#exit))
    }))
    f.if(i32.ne(i32.load(record), i32.const(REGION_HANDLER)), () => {
      f.callVoid('settle_flags')
      f.return(record)
    })
    const next = f.let(i32.load(record, RECORD_REGION))
    f.i32Store(this.#link, layout.LINKS, next)
    f.returnCallRegion(REGION, next)
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
    f.i32Store(ZERO_ADDRESS, layout.BUDGET, this.budget)
    const rip = f.let(i64.and(this.#exit, i64.const(2 ** REFUND_SHIFT - 1)))
    f.if(i32.eqz(reason), () => {
      f.i32Store(ZERO_ADDRESS, layout.REGION_LEFT, i32.const(1))
      // What is left is for tier 0.
      f.if(i32.leS(budget, i32.const(0)), () => {
        f.i64Store(ZERO_ADDRESS, layout.RIP, rip)
        f.i32Store(ZERO_ADDRESS, layout.EXIT_REASON, i32.const(EXIT_BUDGET))
        f.return(i32.const(0))
      })
    })
    f.return(f.call('leave_plain', rip))
  }
}
