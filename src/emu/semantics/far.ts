/** Far calls and jumps through memory, and LSS, LFS, LGS: offsets with selectors (Intel SDM volume 2). */
import { FS_BASE, GS_BASE, RSP } from '../cpu/layout.ts'
import { type Expr, i64 } from '../wasm/expression.ts'
import { FS, GS, checkSelector, isLoadable, isUserData, setSelector } from './data.ts'
import type { Emitter, Semantics } from './emitter.ts'
import type { Family } from './registry.ts'

const USER_CS = 0x33
/** The 64-bit code segment, whatever privilege is requested; there is no 32-bit code here. */
const isCode = (selector: Expr): Expr => i64.eq(i64.and(selector, i64.const(0xfffc)), i64.const(USER_CS & ~3))

/** Offset and selector at a memory operand whose size is given by another. */
const readPointer = (e: Emitter, at: number): { offset: Expr, selector: Expr } => {
  const address = e.address(at)
  const offset = e.load(address, e.size)
  const selector = e.load(e.f.let(i64.add(address, i64.const(e.size))), 2)
  return { offset, selector }
}

const transfer = (before: (e: Emitter) => void): Semantics => (e) => {
  const { offset, selector } = readPointer(e, 1)
  checkSelector(e, selector, isCode(selector))
  e.checkCanonical(offset)
  before(e)
  e.jump(offset)
}

const loadFar = (isAllowed: (selector: Expr) => Expr, segment: number | undefined): Semantics => (e) => {
  const { offset, selector } = readPointer(e, 1)
  checkSelector(e, selector, isAllowed(selector))
  e.write(0, offset)
  if (segment !== undefined) {
    e.setState64(segment === FS ? FS_BASE : GS_BASE, i64.const(0))
    setSelector(e, segment, selector)
  }
}

const family: Record<string, Semantics> = {
  jmp_far: transfer(() => {}),
  call_far: transfer((e) => {
    const rsp = e.f.let(i64.sub(e.gpr(RSP), i64.const(e.size * 2)))
    // If the second push faults, the first has been done.
    e.store(e.f.let(i64.add(rsp, i64.const(e.size))), e.size, i64.const(USER_CS))
    e.store(rsp, e.size, e.nextRip())
    e.setGpr(RSP, rsp)
  }),
  lss: loadFar(isUserData, undefined),
  lfs: loadFar(isLoadable, FS),
  lgs: loadFar(isLoadable, GS),
}

/** With REX.W the same on offsets of 64 bits; names of their own, as AMD's processors take 32 bits there. */
export const FAR: Family = Object.fromEntries(Object.entries(family).flatMap(([name, semantics]) => [[name, semantics], [`${name}_w`, semantics]]))
