/** SYSCALL, CPUID, RDTSC, traps, and what user mode may not execute. */
import { RAX, RCX, RDX, R11 } from '../cpu/layout.ts'
import { EXIT_SYSCALL } from '../processor.ts'
import { i32, i64 } from '../wasm/expression.ts'
import type { Family } from './registry.ts'

export const SYSTEM: Family = {
  syscall: (e) => {
    e.setGpr(R11, e.call('read_rflags'))
    e.setGpr(RCX, e.nextRip())
    e.exit(EXIT_SYSCALL)
  },
  cpuid: (e) => { e.callVoid('host_cpuid') },
  rdtsc: (e) => {
    const cycle = e.f.let(e.cycle())
    e.setGpr(RAX, cycle, 4)
    e.setGpr(RDX, i64.shrU(cycle, i64.const(32)), 4)
  },
  int3: (e) => { e.trap(3) },
  icebp: (e) => { e.trap(1) },
  /**
   * INT 3 and INT 4 are open to user mode on Linux; the other gates give #GP with the vector's index in the error code
   * (volume 3, 6.13), as does 80, the 32-bit system call, in a kernel without it.
   */
  int: (e) => {
    const vector = e.f.let(i64.and(e.read(0), i64.const(0xff)))
    for (const open of [3, 4]) e.f.if(i64.eq(vector, i64.const(open)), () => { e.trap(open) })
    e.fault(13, i32.wrap(i64.or(i64.shl(vector, i64.const(3)), i64.const(2))))
  },
  ud: (e) => { e.fault(6, i32.const(0)) },
  privileged: (e) => { e.fault(13, i32.const(0)) },
}
