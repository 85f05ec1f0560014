/** Decoded instructions that are kept, with what is known of their form. */
import type { Instruction } from '../decode/decoder.ts'
import type { Row } from '../decode/rows.ts'
import * as layout from '../cpu/layout.ts'
import type { OperandForm, Semantics } from '../semantics/emitter.ts'
import { SEMANTICS } from '../semantics/registry.ts'
import { formName } from '../interp/forms.ts'
import type { Facts } from './facts.ts'

export interface KeptInstruction {
  readonly name: string
  readonly form: string
  readonly semantics: Semantics
  readonly operands: readonly OperandForm[]
  /** Storage addresses of register operands, numbers of others. */
  readonly values: readonly number[]
  readonly base: number
  readonly index: number
  readonly scale: number
  readonly displacement: number
  readonly segment: number
  readonly address32: boolean
  readonly immediate: bigint
  readonly immediate2: number
  readonly rip: number
  readonly nextRip: number
  /** Branch target, undefined without one. */
  readonly target: number | undefined
  readonly endsBlock: boolean
  /** REP and its kind: what follows is another block, as the budget may end before. */
  readonly isRepeated: boolean
  /** Set by who asks for it first. */
  facts: Facts | undefined
}

interface Form { readonly name: string, readonly operands: readonly OperandForm[] }
const KINDS = 'rmnixqfgsj'
const forms = new WeakMap<Row, Map<number, Form>>()

/** Names are made once. */
const formOf = (insn: Instruction): Form => {
  let key = 1
  for (let i = 0; i < insn.operandCount; i++) {
    const { kind, size } = insn.operands[i]
    key = key * 256 + (kind === 'm' && insn.index !== layout.ZERO ? 2 : KINDS.indexOf(kind)) * 17 + size
  }
  let known = forms.get(insn.row)
  if (known === undefined) {
    known = new Map()
    forms.set(insn.row, known)
  }
  let form = known.get(key)
  if (form === undefined) {
    const operands = insn.operands.slice(0, insn.operandCount).map(({ kind, size }): OperandForm => ({ kind: kind === 'm' && insn.index !== layout.ZERO ? 'n' : kind, size }))
    form = { name: formName(insn.row.name, operands), operands }
    known.set(key, form)
  }
  return form
}

export const keep = (insn: Instruction, rip: number): KeptInstruction => {
  const operands = insn.operands.slice(0, insn.operandCount)
  const form = formOf(insn)
  const semantics = SEMANTICS.get(insn.row.name)
  if (semantics === undefined) throw new Error(`no semantics named '${insn.row.name}'`)
  const isBranch = insn.operandCount > 0 && operands[insn.operandCount - 1].kind === 'j'
  return {
    name: insn.row.name, form: form.name, semantics, operands: form.operands, values: operands.map(({ value }) => value),
    base: insn.base, index: insn.index, scale: insn.scale, displacement: insn.displacement, segment: insn.segment, address32: insn.address32,
    immediate: BigInt.asIntN(64, BigInt(insn.immHigh >>> 0) << 32n | BigInt(insn.immLow >>> 0)), immediate2: insn.imm2,
    rip, nextRip: rip + insn.length, target: isBranch ? insn.target : undefined,
    endsBlock: isBranch || insn.row.options.has('end'), facts: undefined,
    isRepeated: insn.row.name.startsWith('rep'),
  }
}
