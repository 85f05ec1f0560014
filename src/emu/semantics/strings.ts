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

/**
 * REP MOVS and STOS upwards, as many elements at once as the pages in the TLB, the count and the budget allow: what
 * `length` iterations would do. Nothing is done (and the caller does one iteration the plain way) if a page is missing,
 * an element crosses a page, or the copy overlaps itself so that it must propagate byte by byte.
 */
const manyAtOnce = (e: Emitter, name: 'movs' | 'stos'): void => {
  const { f } = e
  const shift = e.size === 8 ? 3 : e.size >> 1
  const destination = e.gpr(RDI)
  const to = e.hostIfCached(destination, true)
  const source = name === 'movs' ? e.stringSource(false) : undefined
  const from = source === undefined ? to : e.hostIfCached(source, false)
  const upwards = i32.eqz(e.df())
  f.if(i32.and(i32.and(i32.ne(to, i32.const(0)), i32.ne(from, i32.const(0))), upwards), () => {
    const minimum = (a: Expr, b: Expr): Expr => f.let(select(i32.ltU(a, b), a, b))
    const toPageEnd = (host: Expr): Expr => f.let(i32.sub(i32.const(4096), i32.and(host, i32.const(4095))))
    const room = f.let(i32.shrU(source === undefined ? toPageEnd(to) : minimum(toPageEnd(to), toPageEnd(from)), i32.const(shift)))
    const count = e.gpr(RCX)
    const elements = f.let(select(i64.ltU(count, i64.extendI32U(room)), i32.wrap(count), room))
    const apart = source === undefined ? i32.const(1)
      : i32.geU(i32.sub(to, from), i32.shl(elements, i32.const(shift)))
    f.if(i32.and(i32.gtU(elements, i32.const(1)), apart), () => {
      // The iteration after these is paid for already; of these the first was.
      const done = f.let(i32.add(e.takeCycles(i32.sub(elements, i32.const(1))), i32.const(1)))
      const length = f.let(i32.shl(done, i32.const(shift)))
      if (source !== undefined) {
        f.memoryCopy(to, from, length)
      } else if (e.size === 1) {
        f.memoryFill(to, i32.wrap(e.gpr(RAX, 1)), length)
      } else {
        const value = e.gpr(RAX, e.size)
        const at = f.local('i32')
        const end = f.let(i32.add(to, length))
        f.set(at, to)
        f.loop((again) => {
          e.storeHost(at, value)
          f.set(at, i32.add(at, i32.const(e.size)))
          f.brIf(again, i32.ltU(at, end))
        })
      }
      const bytes = f.let(i64.extendI32U(length))
      e.setGpr(RDI, i64.add(destination, bytes))
      if (source !== undefined) e.setGpr(RSI, i64.add(e.gpr(RSI), bytes))
      e.setGpr(RCX, i64.sub(count, i64.extendI32U(done)))
      f.set(e.scratch, i32.const(1))
    })
  })
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
      if ((name === 'movs' || name === 'stos') && !address32) {
        f.set(e.scratch, i32.const(0))
        manyAtOnce(e, name)
        f.if(e.scratch, () => {
          f.brIf(done, i64.eqz(e.gpr(RCX)))
          f.brIf(again, e.takeCycle())
          e.exitIncomplete()
        })
      }
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
