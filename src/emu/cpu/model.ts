/**
 * The one processor that CPUID reports, whatever the host: x86-64-v1 (SSE2), family 6, with caches that make C
 * libraries choose sane copy thresholds.
 */
import type { PhysicalMemory } from '../memory.ts'
import { RAX, RBX, RCX, RDX, GPR } from './layout.ts'

/** CPUID.1:EDX: FPU DE PSE TSC MSR PAE MCE CX8 APIC SEP MTRR PGE MCA CMOV PAT PSE36 CLFSH MMX FXSR SSE SSE2. Also AT_HWCAP. */
export const CPUID_1_EDX = 0x078bfbff
/** Family 6, model 15, stepping 1. */
const SIGNATURE = 0x000006f1
export const VENDOR = 'GenuineIntel'
export const BRAND = 'Retrograde x86-64-v1 virtual CPU'

type Registers = readonly [eax: number, ebx: number, ecx: number, edx: number]

const word = (text: string, at: number): number =>
  text.charCodeAt(at) | (text.charCodeAt(at + 1) << 8) | (text.charCodeAt(at + 2) << 16) | (text.charCodeAt(at + 3) << 24)

/** Deterministic cache parameters (leaf 4): type | level << 5, ways, sets, with 64-byte lines. */
const CACHES: readonly (readonly [typeAndLevel: number, ways: number, sets: number])[] = [
  [0x21, 8, 64], [0x22, 8, 64], [0x43, 8, 1024], [0x63, 16, 8192],
]

const brand = (leaf: number): Registers => {
  const text = BRAND.padEnd(48, '\0')
  const at = (leaf - 0x80000002) * 16
  return [word(text, at), word(text, at + 4), word(text, at + 8), word(text, at + 12)]
}

const leaves = (leaf: number, subleaf: number): Registers => {
  switch (leaf) {
    case 0: return [0x0d, word(VENDOR, 0), word(VENDOR, 8), word(VENDOR, 4)]
    case 1: return [SIGNATURE, 8 << 8, 0, CPUID_1_EDX]
    case 2: return [0x00ffff01, 0, 0, 0]
    case 4: {
      const cache = CACHES[subleaf]
      if (cache === undefined) return [0, 0, 0, 0]
      const [typeAndLevel, ways, sets] = cache
      return [typeAndLevel | 0x100, ((ways - 1) << 22) | 63, sets - 1, 0]
    }
    case 0x80000000: return [0x80000008 | 0, 0, 0, 0]
    // LAHF in 64-bit mode; SYSCALL, NX, long mode.
    case 0x80000001: return [0, 0, 1, 0x20100800]
    case 0x80000002: case 0x80000003: case 0x80000004: return brand(leaf)
    case 0x80000006: return [0, 0, (512 << 16) | 0x8040, 0]
    case 0x80000007: return [0, 0, 0, 0x100]
    case 0x80000008: return [0x3030, 0, 0, 0]
    default: return [0, 0, 0, 0]
  }
}

/** CPUID on the loaded registers. Leaves beyond the highest answer zeros. */
export const cpuid = (memory: PhysicalMemory): void => {
  const { u32 } = memory
  const at = (register: number): number => (GPR >> 2) + register * 2
  const result = leaves(u32[at(RAX)], u32[at(RCX)])
  for (const [i, register] of [RAX, RBX, RCX, RDX].entries()) {
    u32[at(register)] = result[i]
    u32[at(register) + 1] = 0
  }
}
