/**
 * `run`: the one function that executes records, beginning with its parameter, until a handler leaves.
 *
 * A loop with a switch over the record's handler. The forms that programs execute most have their fast versions
 * (hot-emitter.ts) as cases; everything else, and what a fast version can't do, goes through the form's plain handler in
 * the table. In a measurement this was 2.5 to 4.6 times as fast as handlers that tail-call each other: an indirect call in
 * V8 loads the callee's instance from the table, and all that a handler reads hangs on that.
 */
import type { OperandForm } from '../semantics/emitter.ts'
import { i32 } from '../wasm/expression.ts'
import { FunctionBuilder, type Label } from '../wasm/function.ts'
import type { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { HotEmitter, NotFast, type RunLabels } from './hot-emitter.ts'
import { HANDLER, type Tier0Emitter } from './tier0-emitter.ts'

export interface Form {
  readonly operands: readonly OperandForm[]
  readonly emit: (e: Tier0Emitter) => void
}

const RUN = signature(['i32'])

/** @param fast the cases: handler indices from 0 */
export const defineRun = (module: ModuleBuilder, fast: readonly Form[]): void => {
  module.function('run', RUN, (f) => {
    const record = f.params[0]
    const target = f.local('i64')
    f.loop((next) => {
      f.block((lookup) => {
        f.block((plain) => {
          emitCases(f, fast, { record, target, next, plain, lookup })
        })
        f.set(record, f.callIndirectValue(HANDLER, i32.load(record), record))
        f.brIf(next, record)
        f.return()
      })
      f.set(record, f.call('jump_slow', target))
      f.br(next)
    })
  }, true)
}

const emitCases = (f: FunctionBuilder, fast: readonly Form[], labels: RunLabels): void => {
  const cases: Label[] = []
  // Body i follows the block that is the i-th from the inside.
  const nest = (i: number): void => {
    if (i < 0) {
      f.brTable(i32.load(labels.record), cases.toReversed(), labels.plain)
      return
    }
    f.block((label) => {
      cases.push(label)
      nest(i - 1)
    })
    f.scope(() => {
      const emitter = new HotEmitter(f, fast[i].operands, labels)
      fast[i].emit(emitter)
      if (!emitter.hasEnded) emitter.next()
    })
  }
  nest(fast.length - 1)
}

/** Whether a form has a fast version: tries it on a function that is thrown away. */
export const hasFastVersion = (module: ModuleBuilder, form: Form): boolean => {
  const f = new FunctionBuilder(module, 'trial', RUN)
  const label: Label = { depth: 0 }
  try {
    form.emit(new HotEmitter(f, form.operands, { record: f.params[0], target: f.local('i64'), next: label, plain: label, lookup: label }))
    return true
  } catch (error) {
    if (error instanceof NotFast) return false
    throw error
  }
}
