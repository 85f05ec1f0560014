/** Which accesses of a region share a window (region-code.ts): those through the same registers, near each other. */
import * as layout from '../cpu/layout.ts'
import type { FactsTable } from './facts.ts'
import type { Block } from './graph.ts'
import type { Members } from './groups.ts'
import type { KeptInstruction } from './instruction.ts'
import { VECTOR_ID, touchesOf } from './registers.ts'

/** Each takes two registers of the host; what has more to keep there than it can hold keeps it on the stack, which takes longer than looking again. */
const HOST_REGISTERS = 12, REGISTERS_EACH = 2, MAX_WINDOWS = 4
/** A loop counts as this many rounds, up to a depth. */
const ROUNDS = 8, MAX_DEPTH = 4

export const windowName = (name: string, write: boolean): string => write ? `${name} write` : name
export const isWritten = (windowName: string): boolean => windowName.endsWith(' write')

const nameOf = (base: number, index: number, segment: number, displacement: number): string =>
  `${base} ${index} ${segment} ${Math.round(displacement / layout.PAGE_SIZE)}`
const STACK = nameOf(layout.GPR + layout.RSP * 8, layout.ZERO, layout.ZERO, 0)
const FRAME = nameOf(layout.GPR + layout.RBP * 8, layout.ZERO, layout.ZERO, 0)

/** Of the memory operand. */
export const operandWindow = ({ base, index, segment, displacement }: KeptInstruction): string => {
  // An address that is known is in a page that is known.
  const isAbsolute = base === layout.ZERO && index === layout.ZERO
  return isAbsolute ? `${segment} ${Math.floor(displacement / layout.PAGE_SIZE)}` : nameOf(base, index, segment, displacement)
}
/** Of accesses without one. */
export const stackWindow = ({ name }: KeptInstruction): string | undefined =>
  name === 'leave' ? FRAME : /^(push|pop|call|ret)/.test(name) ? STACK : undefined

/** How many general registers are used at all. */
const registersOf = (blocks: readonly Block[], facts: FactsTable): number => {
  const all = new Set<number>()
  for (const { instructions } of blocks) for (const insn of instructions) for (const id of touchesOf(insn, facts.of(insn))) if (id < VECTOR_ID) all.add(id)
  return all.size
}

export const chooseWindows = (blocks: readonly Block[], facts: FactsTable, members: Members): string[] => {
  const weights = new Map<string, number>()
  for (const block of blocks) {
    const weight = ROUNDS ** Math.min(block.depth, MAX_DEPTH)
    block.instructions.forEach((insn, i) => {
      facts.of(insn).accesses.forEach(({ isOperand, write }, j) => {
        const member = members.get(block)?.[i][j]
        const name = isOperand ? operandWindow(insn) : stackWindow(insn)
        if (name === undefined || member?.isFirst === false) return
        const full = windowName(name, member?.group.write ?? write)
        weights.set(full, (weights.get(full) ?? 0) + weight)
      })
    })
  }
  const room = Math.floor((HOST_REGISTERS - registersOf(blocks, facts)) / REGISTERS_EACH)
  if (room <= 0) return []
  return [...weights].filter(([, weight]) => weight > 1).sort((a, b) => b[1] - a[1]).slice(0, Math.min(room, MAX_WINDOWS)).map(([name]) => name)
}
