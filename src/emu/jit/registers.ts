/**
 * The processor's registers while a region's code is emitted: which of them are in their locals (*valid*) and which of those
 * memory may not have (*dirty*). They are loaded where a block needs them and stored where the region is left; `planRegisters`
 * finds out which are where when paths meet.
 */
import * as layout from '../cpu/layout.ts'
import { ZERO_ADDRESS } from '../interp/tier0-emitter.ts'
import { i32, i64, v } from '../wasm/expression.ts'
import type { FunctionBuilder, Local } from '../wasm/function.ts'
import type { ValueType } from '../wasm/types.ts'
import { isMemory } from '../semantics/emitter.ts'
import type { Facts, FactsTable } from './facts.ts'
import { type Block, successors } from './graph.ts'
import type { KeptInstruction } from './instruction.ts'

/** Numbers of registers: general ones, vector registers' lower halves, upper halves, MXCSR. */
export const VECTOR_ID = 16, UPPER_ID = 32, MXCSR_ID = 48

/** An immutable set of such numbers. */
export class RegisterSet {
  static readonly EMPTY = new RegisterSet(0, 0)
  static readonly ALL = new RegisterSet(-1, -1)
  readonly #low: number
  readonly #high: number
  constructor(low: number, high: number) {
    this.#low = low
    this.#high = high
  }
  static of(ids: Iterable<number>): RegisterSet {
    let [low, high] = [0, 0]
    for (const id of ids) {
      if (id < 32) low |= 1 << id
      else high |= 1 << (id - 32)
    }
    return new RegisterSet(low, high)
  }
  has(id: number): boolean { return ((id < 32 ? this.#low >> id : this.#high >> (id - 32)) & 1) !== 0 }
  with(other: RegisterSet): RegisterSet { return new RegisterSet(this.#low | other.#low, this.#high | other.#high) }
  without(other: RegisterSet): RegisterSet { return new RegisterSet(this.#low & ~other.#low, this.#high & ~other.#high) }
  and(other: RegisterSet): RegisterSet { return new RegisterSet(this.#low & other.#low, this.#high & other.#high) }
  equals(other: RegisterSet): boolean { return this.#low === other.#low && this.#high === other.#high }
  forEach(visit: (id: number) => void): void {
    for (let rest = this.#low; rest !== 0; rest &= rest - 1) visit(31 - Math.clz32(rest & -rest))
    for (let rest = this.#high; rest !== 0; rest &= rest - 1) visit(63 - Math.clz32(rest & -rest))
  }
}

/** An instruction touches a register that its form was not known to: `planRegisters` must be told. */
export class UnknownTouch extends Error {
  readonly id: number
  readonly isWrite: boolean
  constructor(id: number, isWrite: boolean) {
    super(`register ${id} is ${isWrite ? 'written' : 'touched'} unexpectedly`)
    this.id = id
    this.isWrite = isWrite
  }
}

const typeOf = (id: number): ValueType => id < VECTOR_ID ? 'i64' : id === MXCSR_ID ? 'i32' : 'v128'

export class Registers {
  readonly #f: FunctionBuilder
  readonly #locals = new Map<number, Local>()
  valid = RegisterSet.EMPTY
  dirty = RegisterSet.EMPTY
  /** Of a trial: what was touched and written. */
  readonly trial: { readonly touches: Set<number>, readonly writes: Set<number> } | undefined

  constructor(f: FunctionBuilder, isTrial: boolean) {
    this.#f = f
    this.trial = isTrial ? { touches: new Set(), writes: new Set() } : undefined
  }

  get locals(): Iterable<Local> { return this.#locals.values() }
  get widths(): ReadonlyMap<number, number> {
    const widths = new Map<number, number>()
    for (const [id, { width }] of this.#locals) if (id < VECTOR_ID && width !== 8) widths.set(id, width)
    return widths
  }
  set widths(widths: ReadonlyMap<number, number>) { for (const [id, local] of this.#locals) local.width = widths.get(id) ?? 8 }
  forgetWidths(): void { for (const local of this.#locals.values()) local.width = 8 }

  #local(id: number): Local {
    let local = this.#locals.get(id)
    if (local === undefined) {
      local = this.#f.permanent(id < 64 ? typeOf(id) : id < VECTOR_OPERAND ? 'i64' : id < BASE ? 'v128' : 'i64')
      this.#locals.set(id, local)
    }
    return local
  }

  read(id: number): Local {
    if (this.trial !== undefined) this.trial.touches.add(id)
    else if (!this.valid.has(id)) throw new UnknownTouch(id, false)
    return this.#local(id)
  }
  write(id: number): Local {
    if (this.trial !== undefined) {
      this.trial.touches.add(id)
      this.trial.writes.add(id)
    } else if (!this.dirty.has(id)) {
      throw new UnknownTouch(id, true)
    }
    return this.#local(id)
  }

  load(ids: RegisterSet): void {
    const { valid } = this
    ids.without(valid).forEach((id) => {
      const local = this.#local(id)
      this.#f.set(local, id < VECTOR_ID ? i64.load(ZERO_ADDRESS, addressOf(id)) : id === MXCSR_ID ? i32.load(ZERO_ADDRESS, layout.MXCSR) : v.load(ZERO_ADDRESS, addressOf(id)))
      local.width = 8
    })
    this.valid = valid.with(ids)
  }

  /** MXCSR is never dirty. */
  store(ids: RegisterSet): void {
    ids.forEach((id) => {
      if (id < VECTOR_ID) this.#f.i64Store(ZERO_ADDRESS, addressOf(id), this.#local(id))
      else if (id < MXCSR_ID) this.#f.v128Store(ZERO_ADDRESS, addressOf(id), this.#local(id))
    })
    this.dirty = this.dirty.without(ids)
  }

  /** As a block has them that others lead to as well. */
  become({ valid, dirty }: RegisterPlan): void {
    this.store(this.dirty.without(dirty))
    this.load(valid)
  }
}

const addressOf = (id: number): number => id < VECTOR_ID ? layout.GPR + id * 8
  : id < UPPER_ID ? layout.VECTOR + (id - VECTOR_ID) * layout.VECTOR_STRIDE : layout.VECTOR + (id - UPPER_ID) * layout.VECTOR_STRIDE + 16

// ——— What instructions touch ———

/** Facts are of forms: numbers from here on stand for an instruction's operands, in a trial and in its facts. */
const OPERAND = 64, VECTOR_OPERAND = 72, UPPER_OPERAND = 88, BASE = 100, INDEX = 101

/** The instruction of a trial, with operands that can be told from each other and from registers that are implied. */
export const marked = (insn: KeptInstruction): KeptInstruction => ({
  ...insn,
  values: insn.values.map((value, at) => insn.operands[at].kind === 'r' ? layout.GPR + (OPERAND + at) * 8
    : insn.operands[at].kind === 'x' ? layout.VECTOR + (VECTOR_OPERAND - VECTOR_ID + at) * layout.VECTOR_STRIDE : value),
  base: insn.base === layout.ZERO ? layout.ZERO : layout.GPR + BASE * 8,
  index: insn.index === layout.ZERO ? layout.ZERO : layout.GPR + INDEX * 8,
})

const registerNumber = (storage: number): number => (storage - layout.GPR) >> 3
const vectorNumber = (storage: number): number => (storage - layout.VECTOR) / layout.VECTOR_STRIDE

const resolve = (insn: KeptInstruction, numbers: Iterable<number>): number[] => {
  const ids: number[] = []
  for (const number of numbers) {
    if (number < OPERAND) ids.push(number)
    else if (number === BASE) ids.push(registerNumber(insn.base))
    else if (number === INDEX) ids.push(registerNumber(insn.index))
    else if (number < VECTOR_OPERAND) ids.push(registerNumber(insn.values[number - OPERAND]))
    else if (number < UPPER_OPERAND) ids.push(VECTOR_ID + vectorNumber(insn.values[number - VECTOR_OPERAND]))
    else ids.push(UPPER_ID + vectorNumber(insn.values[number - UPPER_OPERAND]))
  }
  return ids
}

/** What it may write. */
export const writtenBy = (insn: KeptInstruction, { writesTo }: Facts): number[] => resolve(insn, writesTo)

export const touchesOf = (insn: KeptInstruction, facts: Facts): number[] => {
  const ids = resolve(insn, facts.touches)
  // A form is tried without base and index, or with both.
  if (insn.operands.some(isMemory)) for (const storage of [insn.base, insn.index]) if (storage !== layout.ZERO) ids.push(registerNumber(storage))
  if (insn.name.startsWith('vgather')) {
    const vector = vectorNumber(Number(insn.immediate) & 0xffff)
    ids.push(VECTOR_ID + vector, UPPER_ID + vector)
  }
  return ids
}

// ——— Where paths meet ———

export interface RegisterPlan { readonly valid: RegisterSet, readonly dirty: RegisterSet }
export interface BlockRegisters extends RegisterPlan {
  readonly touches: RegisterSet
  readonly writes: RegisterSet
}

/** Loops up to so many instructions have their registers in locals from the start. */
const SMALL_LOOP = 100

/** @param uppers vector registers whose upper halves are locals (region-code.ts): VZEROUPPER writes them */
export const planRegisters = (blocks: readonly Block[], facts: FactsTable, uppers: Iterable<number>): Map<Block, BlockRegisters> => {
  const named = RegisterSet.of([...uppers].map((storage) => UPPER_ID + vectorNumber(storage)))
  const own = new Map<Block, { touches: RegisterSet, writes: RegisterSet }>()
  for (const block of blocks) {
    let [touches, writes] = [RegisterSet.EMPTY, RegisterSet.EMPTY]
    for (const insn of block.instructions) {
      const known = facts.of(insn)
      touches = touches.with(RegisterSet.of(touchesOf(insn, known)))
      writes = writes.with(RegisterSet.of(resolve(insn, known.writesTo)))
      if (known.clearsUppers) writes = writes.with(named)
    }
    own.set(block, { touches: touches.with(writes), writes })
  }
  const before = predecessors(blocks)
  const { wanted, inside } = smallLoops(blocks, before, (block) => own.get(block)?.touches ?? RegisterSet.EMPTY)
  // What is valid: on all ways, or as a loop wants it. All is, until something else is known.
  const valid = new Map<Block, RegisterSet>(blocks.map((block) => [block, RegisterSet.ALL]))
  const dirty = new Map<Block, RegisterSet>(blocks.map((block) => [block, RegisterSet.EMPTY]))
  const at = (map: ReadonlyMap<Block, RegisterSet>, block: Block): RegisterSet => map.get(block) as RegisterSet
  const repeat = (step: (block: Block) => boolean): void => {
    for (let changed = true; changed;) {
      changed = false
      for (const block of blocks) if (step(block)) changed = true
    }
  }
  const [entry] = blocks
  repeat((block) => {
    let meeting = block === entry ? RegisterSet.EMPTY : RegisterSet.ALL
    const ways = before.get(block) ?? []
    // After a call all must be loaded: what other ways have is, what none has is not.
    if (block !== entry && ways.every(({ isReturn }) => isReturn)) meeting = RegisterSet.EMPTY
    for (const { from, isReturn } of ways) if (!isReturn) meeting = meeting.and(at(valid, from).with(own.get(from)?.touches ?? RegisterSet.EMPTY))
    meeting = meeting.with(wanted.get(block) ?? RegisterSet.EMPTY)
    if (meeting.equals(at(valid, block))) return false
    valid.set(block, meeting)
    return true
  })
  // Elsewhere each block stores what it has written: less code than storing it all wherever something leaves.
  repeat((block) => {
    if (!inside.has(block)) return false
    let meeting = at(dirty, block)
    for (const { from, isReturn } of before.get(block) ?? []) if (!isReturn) meeting = meeting.with(at(dirty, from)).with(own.get(from)?.writes ?? RegisterSet.EMPTY)
    meeting = meeting.and(at(valid, block))
    if (meeting.equals(at(dirty, block))) return false
    dirty.set(block, meeting)
    return true
  })
  return new Map(blocks.map((block) => [block, { ...own.get(block) as { touches: RegisterSet, writes: RegisterSet }, valid: at(valid, block), dirty: at(dirty, block) }]))
}

interface Way { readonly from: Block, readonly isReturn: boolean }

const predecessors = (blocks: readonly Block[]): Map<Block, Way[]> => {
  const before = new Map<Block, Way[]>(blocks.map((block) => [block, []]))
  for (const from of blocks) for (const { block, isReturn = false } of successors(from)) before.get(block as Block)?.push({ from, isReturn })
  return before
}

/** What the loop touches, of the heads of small loops; and the blocks of these. */
const smallLoops = (blocks: readonly Block[], before: ReadonlyMap<Block, readonly Way[]>, touches: (block: Block) => RegisterSet):
  { wanted: Map<Block, RegisterSet>, inside: Set<Block> } => {
  const wanted = new Map<Block, RegisterSet>()
  const inside = new Set<Block>()
  for (const head of blocks) {
    if (!head.isLoop) continue
    const body = new Set<Block>([head])
    const queue = (before.get(head) ?? []).map(({ from }) => from).filter((block) => block.order >= head.order)
    for (let block = queue.pop(); block !== undefined; block = queue.pop()) {
      if (body.has(block)) continue
      body.add(block)
      queue.push(...(before.get(block) ?? []).map(({ from }) => from))
    }
    let [all, size] = [RegisterSet.EMPTY, 0]
    for (const block of body) {
      all = all.with(touches(block))
      size += block.instructions.length
    }
    if (size > SMALL_LOOP) continue
    wanted.set(head, all)
    for (const block of body) inside.add(block)
  }
  return { wanted, inside }
}
