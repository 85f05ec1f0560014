/**
 * Accesses near each other through registers that still have the values they had: fields of an object, the words of a stack frame. The first
 * one makes sure that memory is to be had for them all, the others need only add. What they are follows from the code alone.
 */
import * as layout from '../cpu/layout.ts'
import type { Local } from '../wasm/function.ts'
import { isMemory } from '../semantics/emitter.ts'
import type { FactsTable } from './facts.ts'
import { type Block, successors } from './graph.ts'
import type { KeptInstruction } from './instruction.ts'
import { writtenBy } from './registers.ts'

export interface Group {
  /** All from the one to before the other, in bytes from what the registers had. */
  lowest: number
  end: number
  /** It may be written as well: what is only read by then need not be. */
  readonly write: boolean
  members: number
  /** Host address of `lowest`, from its first member on. */
  host: Local | undefined
}
export interface Member { readonly group: Group, readonly offset: number, readonly isFirst: boolean }
/** Of each instruction of a block, of each of its accesses in order; undefined where it is not known where that goes. */
export type Members = ReadonlyMap<Block, readonly (readonly (Member | undefined)[])[]>

/** An access of a form, as its semantics make it: to the memory operand or the stack; `plain`: whatever the operands are. */
export interface Access { readonly isOperand: boolean, readonly write: boolean, readonly size: number, readonly plain: boolean }

/** Of a group; a page has 4096: one in eight such groups lies across two, if they lie anywhere. */
const MOST_BYTES = 512
/** What has one access to the stack: below RSP, or at it. */
const PUSHES = /^(push(_immediate|_fs|_gs)?|call(_indirect)?)$/
const POPS = /^(pop(_fs|_gs)?|ret(_immediate)?)$/
/** Registers that are followed. */
const GPRS = 16
const MOST_DELTA = 2n ** 31n

/** What a register has: what something had where it was first seen, and what was added since. */
interface Value { readonly origin: number, readonly delta: number }
interface Place { readonly key: string, readonly offset: number }
interface Found extends Place { readonly access: Access }

class Values {
  #next: { origin: number }
  #values: Value[]
  constructor(values?: Values) {
    this.#next = values === undefined ? { origin: 0 } : values.#next
    this.#values = values === undefined ? Array.from({ length: GPRS }, () => this.#fresh()) : [...values.#values]
  }
  #fresh(): Value { return { origin: ++this.#next.origin, delta: 0 } }
  of(storage: number): Value { return this.#values[(storage - layout.GPR) >> 3] }
  #set(register: number, { origin, delta }: Value, more: number): void { this.#values[register] = { origin, delta: delta + more } }

  /** After the instruction. */
  pass(insn: KeptInstruction, written: readonly number[], stackBytes: number): void {
    const { name, operands, values: [to, from], immediate } = insn
    const before = [...this.#values]
    for (const register of written) if (register < GPRS) this.#values[register] = this.#fresh()
    const at = (to - layout.GPR) >> 3
    const isWide = operands.length > 0 && operands[0].kind === 'r' && operands[0].size === 8
    const second = operands[1]?.kind
    if (PUSHES.test(name)) this.#set(layout.RSP, before[layout.RSP], -stackBytes)
    else if (name === 'pop' && isWide && at !== layout.RSP || name === 'ret') this.#set(layout.RSP, before[layout.RSP], stackBytes)
    else if (name === 'leave') this.#set(layout.RSP, before[layout.RBP], stackBytes)
    else if (!isWide) return
    else if ((name === 'add' || name === 'sub') && second === 'i' && immediate > -MOST_DELTA && immediate < MOST_DELTA) {
      this.#set(at, before[at], name === 'add' ? Number(immediate) : -Number(immediate))
    } else if (name === 'inc' || name === 'dec') this.#set(at, before[at], name === 'inc' ? 1 : -1)
    else if (name === 'mov' && second === 'r') this.#set(at, before[(from - layout.GPR) >> 3], 0)
    else if (name === 'lea' && insn.base !== layout.ZERO && insn.index === layout.ZERO && !insn.address32) {
      this.#set(at, before[(insn.base - layout.GPR) >> 3], insn.displacement)
    }
  }
}

/** Where an access goes. */
const placeOf = (insn: KeptInstruction, access: Access, values: Values): Place | undefined => {
  if (!access.plain) return undefined
  const { base, index, scale, displacement, segment, address32, name } = insn
  // POP computes the address of its operand when RSP is what it will be.
  if (POPS.test(name) && insn.operands.some(isMemory)) return undefined
  if (!access.isOperand) {
    const isPush = PUSHES.test(name)
    if (!isPush && !POPS.test(name) && name !== 'leave') return undefined
    const { origin, delta } = values.of(layout.GPR + (name === 'leave' ? layout.RBP : layout.RSP) * 8)
    return { key: `${origin}`, offset: delta - (isPush ? access.size : 0) }
  }
  if (segment !== layout.ZERO || address32) return undefined
  const page = base === layout.ZERO && index === layout.ZERO ? Math.floor(displacement / layout.PAGE_SIZE) : undefined
  if (page !== undefined) return { key: `page ${page}`, offset: displacement }
  const first = base === layout.ZERO ? undefined : values.of(base)
  const second = index === layout.ZERO ? undefined : values.of(index)
  return {
    key: second === undefined ? `${first?.origin ?? ''}` : `${first?.origin ?? ''} ${second.origin} ${scale}`,
    offset: displacement + (first?.delta ?? 0) + (second?.delta ?? 0) * 2 ** scale,
  }
}

class Planner {
  readonly #facts: FactsTable
  readonly members = new Map<Block, (Member | undefined)[][]>()
  constructor(facts: FactsTable) { this.#facts = facts }

  /** The block, and those that are only reached from it. */
  plan(block: Block, values: Values, groups: Map<string, Group>): void {
    const found = block.instructions.map((insn) => {
      const facts = this.#facts.of(insn)
      const places = facts.isIrregular ? [] : facts.accesses.map((access): Found | undefined => {
        const place = placeOf(insn, access, values)
        return place === undefined ? undefined : { ...place, access }
      })
      values.pass(insn, writtenBy(insn, facts), facts.accesses.find(({ isOperand }) => !isOperand)?.size ?? 0)
      return places
    })
    const written = new Map<string, number>()
    for (const place of found.flat()) if (place?.access.write === true) written.set(place.key, (written.get(place.key) ?? 0) + 1)
    this.members.set(block, found.map((places) => places.map((place) => {
      if (place === undefined) return undefined
      const left = written.get(place.key) ?? 0
      if (place.access.write) written.set(place.key, left - 1)
      return this.#join(place, left > 0, groups)
    })))
    for (const { block: next, isReturn } of successors(block)) {
      if (next === undefined || isReturn === true || !isInPlace(next)) continue
      this.plan(next, new Values(values), new Map(groups))
    }
  }

  /** @param isWritten by this access, or by one that follows for certain */
  #join({ key, offset, access: { size, write } }: Found, isWritten: boolean, groups: Map<string, Group>): Member {
    for (const name of write ? [`${key} w`] : [`${key} w`, `${key} r`]) {
      const group = groups.get(name)
      if (group === undefined || Math.max(group.end, offset + size) - Math.min(group.lowest, offset) > MOST_BYTES) continue
      group.lowest = Math.min(group.lowest, offset)
      group.end = Math.max(group.end, offset + size)
      group.members++
      return { group, offset, isFirst: false }
    }
    const group: Group = { lowest: offset, end: offset + size, write: isWritten, members: 1, host: undefined }
    groups.set(`${key} ${isWritten ? 'w' : 'r'}`, group)
    return { group, offset, isFirst: true }
  }
}

/** Emitted where it is branched to (compiler.ts), with all that was known there. */
const isInPlace = (block: Block): boolean => block.forwardPredecessors === 1 && !block.isLoop

/** @param isApart each access is looked for by itself */
export const planGroups = (blocks: readonly Block[], facts: FactsTable, isApart: boolean): Members => {
  if (isApart) return new Map()
  const planner = new Planner(facts)
  for (const block of blocks) if (!planner.members.has(block)) planner.plan(block, new Values(), new Map())
  return planner.members
}
