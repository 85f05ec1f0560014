/** RDTSCP, RDPID, RDRAND, RDSEED, and the bases of FS and GS for user mode (Intel SDM volume 2). */
import { CF, FLAG_AUX, FLAG_RESULT, FS_BASE, GS_BASE, RAX, RCX, RDX, TSC_AUX } from '../cpu/layout.ts'
import { i32, i64 } from '../wasm/expression.ts'
import type { Semantics } from './emitter.ts'
import type { Family } from './registry.ts'

/** There is always a number: CF is set, the other flags are cleared. */
const random: Semantics = (e) => {
  const low = e.f.let(i64.extendI32U(e.call('host_random')))
  e.write(0, e.size === 8 ? i64.or(low, i64.shl(i64.extendI32U(e.call('host_random')), i64.const(32))) : low)
  e.setState64(FLAG_RESULT, i64.const(1))
  e.setState32(FLAG_AUX, i32.const(CF))
}

const writeBase = (base: number): Semantics => (e) => {
  const value = e.read(0)
  e.checkCanonical(value)
  e.setState64(base, value)
}

export const SYSTEM_EXTENDED: Family = {
  rdtscp: (e) => {
    const cycle = e.f.let(e.cycle())
    e.setGpr(RAX, cycle, 4)
    e.setGpr(RDX, i64.shrU(cycle, i64.const(32)), 4)
    e.setGpr(RCX, i64.extendI32U(e.state32(TSC_AUX)), 4)
  },
  rdpid: (e) => { e.write(0, i64.extendI32U(e.state32(TSC_AUX))) },
  rdrand: random,
  rdseed: random,
  rdfsbase: (e) => { e.write(0, e.state64(FS_BASE)) },
  rdgsbase: (e) => { e.write(0, e.state64(GS_BASE)) },
  wrfsbase: writeBase(FS_BASE),
  wrgsbase: writeBase(GS_BASE),
}
