/**
 * `run`: the one function that executes records, beginning with its parameter, until a handler leaves.
 *
 * A loop with a switch over the record's handler. The forms that programs execute most have their fast versions
 * (hot-emitter.ts) as cases; everything else, and what a fast version can't do, goes through the form's plain handler in
 * the table. In a measurement this was 2.5 to 4.6 times as fast as handlers that tail-call each other: an indirect call in
 * V8 loads the callee's instance from the table, and all that a handler reads hangs on that.
 */
import { BUDGET } from '../cpu/layout.ts'
import type { OperandForm } from '../semantics/emitter.ts'
import { i32 } from '../wasm/expression.ts'
import { FunctionBuilder, type Label } from '../wasm/function.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { type FlagUse, HotEmitter, NotFast, type RunLabels } from './hot-emitter.ts'
import { RECORD_COST, RECORD_SIZE } from './records.ts'
import { HANDLER, type Tier0Emitter, ZERO_ADDRESS } from './tier0-emitter.ts'

export interface Form {
  readonly operands: readonly OperandForm[]
  readonly emit: (e: Tier0Emitter) => void
}

/** A case of `run`: a form, perhaps without its flags; or two that follow each other. */
export interface Case {
  readonly parts: readonly { readonly form: Form, readonly flagsDead: boolean }[]
}

const RUN = signature(['i32'])

/** @param cases handler indices from 0 */
export const defineRun = (module: ModuleBuilder, cases: readonly Case[]): void => {
  module.function('run', RUN, (f) => {
    const record = f.params[0]
    const target = f.local('i64')
    const hasBegun = f.local('i32')
    f.loop((enter) => {
      // What the handler of a block's record does, without a turn of its own where the budget reaches. Records that don't
      // begin a block cost more than any budget; the first one may be any. This is before the cases, as a way back from the
      // end of this function is a long one for V8's count (see below).
      f.block((after) => {
        f.brIf(after, i32.eqz(hasBegun))
        const budget = f.let(i32.load(ZERO_ADDRESS, BUDGET))
        const cost = f.let(i32.load(record, RECORD_COST))
        f.brIf(after, i32.ltS(budget, cost))
        f.i32Store(ZERO_ADDRESS, BUDGET, i32.sub(budget, cost))
        f.set(record, i32.add(record, i32.const(RECORD_SIZE)))
      })
      f.set(hasBegun, i32.const(1))
      f.loop((next) => {
        f.block((lookup) => {
          f.block((plain) => {
            emitCases(f, cases, { record, target, next, enter, plain, lookup })
          })
          f.set(record, f.callIndirectValue(HANDLER, i32.load(record), record))
          f.brIf(next, record)
          f.return()
        })
        f.set(record, f.call('jump_slow', target))
        f.br(enter)
      })
    })
  }, true)
}

/**
 * Numbers of the cases in the order of their bodies: what is executed most comes first. V8 optimizes a function when its
 * loops have jumped back over enough bytes, so that programs which end at once end before that begins. How often a form is
 * executed shows in the pairs that it is part of, which are sorted.
 */
const bodyOrder = (cases: readonly Case[]): number[] => {
  const weights = new Map<Case['parts'][number], number>()
  const pairs = cases.filter(({ parts }) => parts.length > 1)
  pairs.forEach(({ parts }, rank) => { for (const part of parts) weights.set(part, (weights.get(part) ?? 0) + 1 / (rank + 1)) })
  const weightOf = (at: number): number => cases[at].parts.length > 1 ? 1 / (pairs.indexOf(cases[at]) + 1) : weights.get(cases[at].parts[0]) ?? 0
  return cases.map((_, at) => at).sort((a, b) => weightOf(b) - weightOf(a) || a - b)
}

const emitCases = (f: FunctionBuilder, cases: readonly Case[], labels: RunLabels): void => {
  const order = bodyOrder(cases)
  const entries: Label[] = []
  // The i-th body follows the block that is the i-th from the inside.
  const nest = (i: number): void => {
    if (i < 0) {
      f.brTable(i32.load(labels.record), entries, labels.plain)
      return
    }
    f.block((label) => {
      entries[order[i]] = label
      nest(i - 1)
    })
    f.scope(() => {
      let before: HotEmitter | undefined
      cases[order[i]].parts.forEach(({ form, flagsDead }, part) => {
        if (part > 0) f.set(labels.record, i32.add(labels.record, i32.const(RECORD_SIZE)))
        const emitter = new HotEmitter(f, form.operands, labels, flagsDead, before)
        form.emit(emitter)
        before = emitter
      })
      if (before?.hasEnded !== true) before?.next()
    })
  }
  nest(cases.length - 1)
}

/** What the fast version of a form does with flags, or undefined if it has none: tries it on a function that is thrown away. */
export const fastVersion = (module: ModuleBuilder, form: Form, flagsDead: boolean): FlagUse | undefined => {
  const f = new FunctionBuilder(module, 'trial', RUN)
  const label: Label = { depth: 0 }
  const labels: RunLabels = { record: f.params[0], target: f.local('i64'), next: label, enter: label, plain: label, lookup: label }
  const emitter = new HotEmitter(f, form.operands, labels, flagsDead)
  try {
    form.emit(emitter)
    return emitter.use
  } catch (error) {
    if (error instanceof NotFast) return undefined
    throw error
  }
}
