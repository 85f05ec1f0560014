/** Which accesses of a region share a window (region-code.ts): those through the same registers, near each other. */
import * as layout from '../cpu/layout.ts'
import { isMemory } from '../semantics/emitter.ts'
import type { FactsTable } from './facts.ts'
import type { Block } from './graph.ts'
import type { KeptInstruction } from './instruction.ts'

/** Each takes two registers of the host. */
const MAX_WINDOWS = 6
/** A loop counts as this many rounds, up to a depth. */
const ROUNDS = 8, MAX_DEPTH = 4

export const windowName = (name: string, write: boolean): string => write ? `${name} write` : name

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

export const chooseWindows = (blocks: readonly Block[], facts: FactsTable): string[] => {
  const weights = new Map<string, number>()
  for (const block of blocks) {
    const weight = ROUNDS ** Math.min(block.depth, MAX_DEPTH)
    const add = (name: string): void => { weights.set(name, (weights.get(name) ?? 0) + weight) }
    for (const insn of block.instructions) {
      const { loads, stores } = facts.of(insn)
      const stack = stackWindow(insn)
      const operand = insn.operands.some(isMemory) ? operandWindow(insn) : undefined
      if (loads) add(windowName(operand ?? stack ?? '', false))
      if (stores) add(windowName(stack ?? operand ?? '', true))
    }
  }
  weights.delete(windowName('', false))
  weights.delete(windowName('', true))
  return [...weights].filter(([, weight]) => weight > 1).sort((a, b) => b[1] - a[1]).slice(0, MAX_WINDOWS).map(([name]) => name)
}
