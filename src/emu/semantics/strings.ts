/**
 * String instructions. A repeated one does an iteration at a time: each counts as a cycle, may fault with the registers
 * as after the iteration before, and may be interrupted when the budget ends (volume 2, REP).
 */
import { RAX, RCX, RDI, RSI } from '../cpu/layout.ts'
import { type Expr, i32, i64, select } from '../wasm/expression.ts'
import type { Emitter, Semantics } from './emitter.ts'
import type { Family } from './registry.ts'

type Repeat = 'rep' | 'repe' | 'repne' | undefined

interface StringOperation {
  readonly source: boolean
  readonly destination: boolean
  /** Memory and accumulator; flags for those that compare. */
  readonly act: (e: Emitter, source: Expr | undefined, destination: Expr | undefined) => void
}

const step = (e: Emitter): Expr => select(e.df(), i64.const(-e.size), i64.const(e.size))

const compare = (e: Emitter, a: Expr, b: Expr): void => {
  e.setFlagsSub(a, b, e.f.let(e.trunc(i64.sub(a, b))))
}

const OPERATIONS: Readonly<Record<string, StringOperation>> = {
  movs: { source: true, destination: true, act: (e, source, destination) => { e.store(destination as Expr, e.size, e.load(source as Expr, e.size)) } },
  cmps: {
    source: true, destination: true,
    act: (e, source, destination) => {
      const a = e.load(source as Expr, e.size)
      compare(e, a, e.load(destination as Expr, e.size))
    },
  },
  stos: { source: false, destination: true, act: (e, _, destination) => { e.store(destination as Expr, e.size, e.gpr(RAX, e.size)) } },
  lods: { source: true, destination: false, act: (e, source) => { e.setGpr(RAX, e.load(source as Expr, e.size), e.size) } },
  scas: { source: false, destination: true, act: (e, _, destination) => { compare(e, e.gpr(RAX, e.size), e.load(destination as Expr, e.size)) } },
}

const once = (e: Emitter, operation: StringOperation, address32: boolean): void => {
  const size = address32 ? 4 : 8
  const source = operation.source ? e.stringSource(address32) : undefined
  const destination = operation.destination ? e.gpr(RDI, size) : undefined
  operation.act(e, source, destination)
  if (operation.source) e.setGpr(RSI, i64.add(e.gpr(RSI, size), step(e)), size)
  if (operation.destination) e.setGpr(RDI, i64.add(e.gpr(RDI, size), step(e)), size)
}

const string = (name: string, repeat: Repeat, address32: boolean): Semantics => (e) => {
  const operation = OPERATIONS[name]
  if (repeat === undefined) {
    once(e, operation, address32)
    return
  }
  const size = address32 ? 4 : 8
  const { f } = e
  f.block((done) => {
    f.brIf(done, i64.eqz(e.gpr(RCX, size)))
    f.loop((again) => {
      once(e, operation, address32)
      const count = f.let(e.trunc(i64.sub(e.gpr(RCX, size), i64.const(1)), size))
      e.setGpr(RCX, count, size)
      f.brIf(done, i64.eqz(count))
      if (repeat === 'repe') f.brIf(done, i32.eqz(e.zf()))
      if (repeat === 'repne') f.brIf(done, e.zf())
      f.brIf(again, e.takeCycle())
      e.exitIncomplete()
    })
  })
}

const family: Record<string, Semantics> = {}
for (const name of Object.keys(OPERATIONS)) {
  for (const [suffix, address32] of [['', false], ['_a32', true]] as const) {
    family[`${name}${suffix}`] = string(name, undefined, address32)
    for (const repeat of name === 'cmps' || name === 'scas' ? ['repe', 'repne'] as const : ['rep'] as const) {
      family[`${repeat}_${name}${suffix}`] = string(name, repeat, address32)
    }
  }
}

export const STRINGS: Family = family
