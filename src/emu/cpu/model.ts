/**
 * The processors that a world can have: what CPUID reports, whatever the host. A model is a level of the x86-64 psABI, with the
 * extensions that processors of its time had besides (those of 2010 AES, those of 2019 SHA); what it lacks is #UD. The
 * caches make C libraries choose sane copy thresholds.
 */
import type { PhysicalMemory } from '../memory.ts'
import { type Feature, featureBit, featureMask } from './features.ts'
import { GPR, RAX, RBX, RCX, RDX } from './layout.ts'
import { XCR0, XSAVE_AVX, XSAVE_BYTES } from './xsave.ts'

export const CPU_NAMES = ['x86-64-v1', 'x86-64-v2', 'x86-64-v3'] as const
export type CpuName = typeof CPU_NAMES[number]
/** Of worlds that don't say: traces from before there was a choice. */
export const BASE_CPU: CpuName = 'x86-64-v1'

/**
 * Of worlds that are made on the command line. With v2 OpenSSL's AES takes three quarters of the time that it takes with v1, and
 * nothing that was measured takes longer; with v3 C libraries choose AVX2, which is no gain here (docs/performance.md).
 */
export const DEFAULT_CPU: CpuName = 'x86-64-v2'

export interface CpuModel {
  readonly name: CpuName
  readonly brand: string
  /** Bits of cpu/features.ts. */
  readonly features: number
  /** CPUID.1:EAX. */
  readonly signature: number
}

const V2: readonly Feature[] = ['sse3', 'ssse3', 'sse4_1', 'sse4_2', 'popcnt', 'cx16', 'aes', 'pclmulqdq', 'rdtscp']
const V3: readonly Feature[] = [...V2, 'movbe', 'lzcnt', 'bmi1', 'bmi2', 'avx', 'avx2', 'fma', 'f16c', 'xsave',
  'fsgsbase', 'adx', 'rdrand', 'rdseed', 'rdpid', 'sha', 'clflushopt', 'clwb']

const model = (name: CpuName, signature: number, features: readonly Feature[]): CpuModel =>
  ({ name, brand: `Retrograde ${name} virtual CPU`, features: featureMask(features), signature })

const MODELS: Readonly<Record<CpuName, CpuModel>> = {
  // Family 6: model 15, stepping 1; 44, 2; 126, 5.
  'x86-64-v1': model('x86-64-v1', 0x000006f1, []),
  'x86-64-v2': model('x86-64-v2', 0x000206c2, V2),
  'x86-64-v3': model('x86-64-v3', 0x000706e5, V3),
}
export const cpuModel = (name: CpuName = BASE_CPU): CpuModel => MODELS[name]
export const hasFeature = ({ features }: CpuModel, feature: Feature): boolean => (features & featureBit(feature)) !== 0

export const VENDOR = 'GenuineIntel'
/** CPUID.1:EDX: FPU DE PSE TSC MSR PAE MCE CX8 APIC SEP MTRR PGE MCA CMOV PAT PSE36 CLFSH MMX FXSR SSE SSE2. Also AT_HWCAP. */
export const CPUID_1_EDX = 0x078bfbff
/** LAHF in 64-bit mode, PREFETCHW; SYSCALL, NX, long mode. */
const EXTENDED_ECX = 1
const EXTENDED_EDX = 0x20100800

/** Bit numbers of features in the registers of CPUID. */
type Bits = readonly (readonly [feature: Feature, bit: number])[]
const ECX_1: Bits = [['sse3', 0], ['pclmulqdq', 1], ['ssse3', 9], ['fma', 12], ['cx16', 13], ['sse4_1', 19], ['sse4_2', 20], ['movbe', 22], ['popcnt', 23],
  ['aes', 25], ['xsave', 26], ['xsave', 27], ['avx', 28], ['f16c', 29], ['rdrand', 30]]
const EBX_7: Bits = [['fsgsbase', 0], ['bmi1', 3], ['avx2', 5], ['bmi2', 8], ['rdseed', 18], ['adx', 19], ['clflushopt', 23], ['clwb', 24], ['sha', 29]]
const ECX_7: Bits = [['rdpid', 22]]
const ECX_EXTENDED: Bits = [['lzcnt', 5]]
const EDX_EXTENDED: Bits = [['rdtscp', 27]]

const bitsOf = (of: CpuModel, bits: Bits): number => bits.reduce((word, [feature, bit]) => hasFeature(of, feature) ? word | 1 << bit : word, 0)

/** AT_HWCAP2: bit 1 says that user mode may use RDFSBASE and its relatives (arch/x86/include/uapi/asm/hwcap2.h). */
export const hwcap2 = (of: CpuModel): number => hasFeature(of, 'fsgsbase') ? 2 : 0

type Registers = readonly [eax: number, ebx: number, ecx: number, edx: number]

const word = (text: string, at: number): number =>
  text.charCodeAt(at) | (text.charCodeAt(at + 1) << 8) | (text.charCodeAt(at + 2) << 16) | (text.charCodeAt(at + 3) << 24)

/** Deterministic cache parameters (leaf 4): type | level << 5, ways, sets, with 64-byte lines. */
const CACHES: readonly (readonly [typeAndLevel: number, ways: number, sets: number])[] = [
  [0x21, 8, 64], [0x22, 8, 64], [0x43, 8, 1024], [0x63, 16, 8192],
]

const brandLeaf = (of: CpuModel, leaf: number): Registers => {
  const text = of.brand.padEnd(48, '\0')
  const at = (leaf - 0x80000002) * 16
  return [word(text, at), word(text, at + 4), word(text, at + 8), word(text, at + 12)]
}

/** XSAVE (volume 1, 13.2): x87, SSE and AVX state in its standard form, the upper halves of YMM at 576. */
const XSAVEOPT = 1, XSAVEC = 2, XGETBV_1 = 4
const xsaveLeaf = (of: CpuModel, subleaf: number): Registers => {
  if (!hasFeature(of, 'xsave')) return [0, 0, 0, 0]
  if (subleaf === 0) return [XCR0, XSAVE_BYTES, XSAVE_BYTES, 0]
  if (subleaf === 1) return [XSAVEOPT | XSAVEC | XGETBV_1, XSAVE_BYTES, 0, 0]
  return subleaf === 2 ? [XSAVE_BYTES - XSAVE_AVX, XSAVE_AVX, 0, 0] : [0, 0, 0, 0]
}

const leaves = (of: CpuModel, leaf: number, subleaf: number): Registers => {
  switch (leaf) {
    case 0: return [0x0d, word(VENDOR, 0), word(VENDOR, 8), word(VENDOR, 4)]
    case 1: return [of.signature, 8 << 8, bitsOf(of, ECX_1), CPUID_1_EDX]
    case 2: return [0x00ffff01, 0, 0, 0]
    case 4: {
      const cache = CACHES[subleaf]
      if (cache === undefined) return [0, 0, 0, 0]
      const [typeAndLevel, ways, sets] = cache
      return [typeAndLevel | 0x100, ((ways - 1) << 22) | 63, sets - 1, 0]
    }
    case 7: return subleaf === 0 ? [0, bitsOf(of, EBX_7), bitsOf(of, ECX_7), 0] : [0, 0, 0, 0]
    case 0xd: return xsaveLeaf(of, subleaf)
    case 0x80000000: return [0x80000008 | 0, 0, 0, 0]
    case 0x80000001: return [0, 0, EXTENDED_ECX | bitsOf(of, ECX_EXTENDED), EXTENDED_EDX | bitsOf(of, EDX_EXTENDED)]
    case 0x80000002: case 0x80000003: case 0x80000004: return brandLeaf(of, leaf)
    case 0x80000006: return [0, 0, (512 << 16) | 0x8040, 0]
    case 0x80000007: return [0, 0, 0, 0x100]
    case 0x80000008: return [0x3030, 0, 0, 0]
    default: return [0, 0, 0, 0]
  }
}

/** CPUID on the loaded registers. Leaves beyond the highest answer zeros. */
export const cpuid = (of: CpuModel, memory: PhysicalMemory): void => {
  const { u32 } = memory
  const at = (register: number): number => (GPR >> 2) + register * 2
  const result = leaves(of, u32[at(RAX)], u32[at(RCX)])
  for (const [i, register] of [RAX, RBX, RCX, RDX].entries()) {
    u32[at(register)] = result[i]
    u32[at(register) + 1] = 0
  }
}

/** Names of CPUID.1:EDX's bits, and those of the features, as Linux has them (arch/x86/include/asm/cpufeatures.h). */
const EDX_NAMES = ['fpu', 'vme', 'de', 'pse', 'tsc', 'msr', 'pae', 'mce', 'cx8', 'apic', '', 'sep', 'mtrr', 'pge', 'mca', 'cmov', 'pat',
  'pse36', 'pn', 'clflush', '', 'dts', 'acpi', 'mmx', 'fxsr', 'sse', 'sse2', 'ss', 'ht', 'tm', 'ia64', 'pbe']
type Flags = readonly (readonly [flag: string, feature?: Feature])[]
const FLAGS: Flags = [
  ['syscall'], ['nx'], ['rdtscp', 'rdtscp'], ['lm'], ['constant_tsc'], ['nopl'], ['nonstop_tsc'], ['cpuid'],
  ['pni', 'sse3'], ['pclmulqdq', 'pclmulqdq'], ['ssse3', 'ssse3'], ['fma', 'fma'], ['cx16', 'cx16'], ['sse4_1', 'sse4_1'], ['sse4_2', 'sse4_2'],
  ['movbe', 'movbe'], ['popcnt', 'popcnt'], ['aes', 'aes'], ['xsave', 'xsave'], ['xsaveopt', 'xsave'], ['xsavec', 'xsave'], ['xgetbv1', 'xsave'], ['avx', 'avx'], ['f16c', 'f16c'], ['rdrand', 'rdrand'],
  ['lahf_lm'], ['abm', 'lzcnt'], ['fsgsbase', 'fsgsbase'], ['bmi1', 'bmi1'], ['avx2', 'avx2'], ['bmi2', 'bmi2'], ['rdseed', 'rdseed'], ['adx', 'adx'],
  ['clflushopt', 'clflushopt'], ['clwb', 'clwb'], ['sha_ni', 'sha'], ['rdpid', 'rdpid'],
]

/** The line 'flags' of /proc/cpuinfo. */
export const flagNames = (of: CpuModel): string[] => [
  ...EDX_NAMES.filter((name, bit) => name !== '' && (CPUID_1_EDX & (1 << bit)) !== 0),
  ...FLAGS.filter(([, feature]) => feature === undefined || hasFeature(of, feature)).map(([flag]) => flag),
]
/** Family, model and stepping as Linux and CPUID's readers put them together (volume 2, CPUID). */
export const signatureParts = ({ signature }: CpuModel): { family: number, model: number, stepping: number } =>
  ({ family: (signature >> 8) & 15, model: ((signature >> 4) & 15) | ((signature >> 12) & 0xf0), stepping: signature & 15 })
