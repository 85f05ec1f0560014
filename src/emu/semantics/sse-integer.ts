/** SSE2 instructions on packed integers, lane by lane (Intel SDM volume 2; legacy SSE encodings: memory operands are aligned). */
import { i64 } from '../wasm/expression.ts'
import type { Semantics } from './emitter.ts'
import { LANE_OPERATIONS, SHIFT_OPERATIONS, byteShift, lowHalf } from './packed.ts'
import type { Family } from './registry.ts'

const family: Record<string, Semantics> = {}

for (const [name, operation] of Object.entries(LANE_OPERATIONS)) {
  family[name] = (e) => {
    const b = e.readVector(1)
    e.writeVector(0, operation(e.f, e.readVector(0), b))
  }
}

/** The count is the low half of a vector operand, all 128 bits of which are read, or an immediate byte. */
for (const [name, operation] of Object.entries(SHIFT_OPERATIONS)) {
  family[name] = (e) => {
    if (e.operands[1].kind === 'i') {
      const count = e.f.let(i64.and(e.read(1), i64.const(0xff)))
      e.writeVector(0, operation(e.readVector(0), count))
      return
    }
    const count = e.f.let(lowHalf(e.readVector(1)))
    e.writeVector(0, operation(e.readVector(0), count))
  }
}

for (const [name, left] of [['pslldq', true], ['psrldq', false]] as const) {
  family[name] = (e) => {
    const count = e.f.let(i64.and(e.read(1), i64.const(0xff)))
    e.writeVector(0, byteShift(e.readVector(0), count, left))
  }
}

export const SSE_INTEGER: Family = family
