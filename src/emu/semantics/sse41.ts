/** SSE4.1 on packed integers, PCMPGTQ (Intel SDM volume 2). What they compute is in packed-extended.ts. */
import { FLAG_AUX, FLAG_RESULT } from '../cpu/layout.ts'
import { type Expr, i32, i64, v } from '../wasm/expression.ts'
import { type Emitter, type Semantics, isMemory } from './emitter.ts'
import { SSE41_IMMEDIATE, SSE41_OPERATIONS, SSE41_UNARY, WIDENINGS, extractLane, insertDword, insertLane, selectedDword, variableBlend } from './packed-extended.ts'
import type { Family } from './registry.ts'
import { readPart } from './ssse3.ts'

const immediate = (e: Emitter): Expr => e.f.let(i64.and(e.read(2), i64.const(0xff)))

const family: Record<string, Semantics> = {}

for (const [name, operation] of Object.entries(SSE41_OPERATIONS)) {
  family[name] = (e) => {
    const b = e.readVector(1)
    e.writeVector(0, operation(e.f, e.readVector(0), b))
  }
}
for (const [name, operation] of Object.entries(SSE41_UNARY)) family[name] = (e) => { e.writeVector(0, operation(e.f, e.readVector(1))) }
for (const [name, operation] of Object.entries(SSE41_IMMEDIATE)) {
  family[name] = (e) => {
    const b = e.readVector(1)
    e.writeVector(0, operation(e.f, e.readVector(0), b, immediate(e)))
  }
}
for (const [name, [bytes, widen]] of Object.entries(WIDENINGS)) family[name] = (e) => { e.writeVector(0, widen(e.f, readPart(e, 1, bytes))) }
/** The mask is XMM0. */
for (const [name, bytes] of [['pblendvb', 1], ['blendvps', 4], ['blendvpd', 8]] as const) {
  family[name] = (e) => {
    const b = e.readVector(1)
    e.writeVector(0, variableBlend(bytes)(e.f, e.readVector(0), b, e.readVector(2)))
  }
}
for (const [name, bytes] of [['pextrb', 1], ['pextrw_extended', 2], ['pextrd', 4], ['pextrq', 8]] as const) {
  family[name] = (e) => { e.write(0, extractLane(e.f, e.readVector(1), bytes, immediate(e))) }
}
for (const [name, bytes] of [['pinsrb', 1], ['pinsrd', 4], ['pinsrq', 8]] as const) {
  family[name] = (e) => {
    const value = e.read(1, bytes)
    e.writeVector(0, insertLane(e.f, e.readVector(0), bytes, immediate(e), value))
  }
}

/** ZF: nothing of b is in a; CF: nothing of b is outside of a. The other flags are cleared. PTEST, and VTESTPS with sign bits alone. */
export const setTest = (e: Emitter, common: Expr, outside: Expr): void => {
  const notZero = e.f.let(v.v128AnyTrue(common))
  const carry = e.f.let(i32.eqz(v.v128AnyTrue(outside)))
  // PF, too: zero has even parity, and one odd.
  e.setState64(FLAG_RESULT, i64.extendI32U(notZero))
  e.setState32(FLAG_AUX, i32.or(carry, i32.shl(i32.xor(notZero, i32.const(1)), i32.const(2))))
}

export const SSE41: Family = {
  ...family,
  insertps: (e) => {
    const code = immediate(e)
    const dword = isMemory(e.operands[1]) ? e.f.let(i32.wrap(e.read(1, 4))) : e.f.let(selectedDword(e.readVector(1), code))
    // From memory the bits that select a lane of the source mean nothing.
    e.writeVector(0, insertDword(e.f, e.readVector(0), dword, code))
  },
  ptest: (e) => {
    const b = e.readVector(1)
    const a = e.readVector(0)
    setTest(e, v.v128And(a, b), v.v128AndNot(b, a))
  },
}
