/**
 * What the differential test does not compare, and why. Everything else must agree to the bit: undefined flags too, for which our semantics follow AMD’s processors.
 */

/** Rows that the oracle can't be asked about, by name of their semantics. */
export const EXCLUDED_ROWS: ReadonlyMap<string, string> = new Map([
  ['cpuid', 'our processor is not the host'],
  ['xgetbv', 'the host may enable more components'],
  ['rdtsc', 'counts cycles of the world'],
  ['rdtscp', 'counts cycles of the world'],
  ['rdpid', 'the number of the host’s processor'],
  ['lsl', 'the number of the host’s processor, for one selector; LAR looks selectors up in the same way'],
  ...['sgdt', 'sidt', 'sldt', 'str', 'smsw'].map((name) => [name, 'executed by the host’s kernel (UMIP), which leaves the upper halves of registers'] as const),
  ...['jmp_far_w', 'call_far_w', 'lss_w', 'lfs_w', 'lgs_w'].map((name) => [name, 'with REX.W AMD processors read an offset of 32 bits, Intel’s, whose manual is ours, of 64'] as const),
  ['rdrand', 'random'],
  ['rdseed', 'random'],
  ['icebp', 'under KVM on AMD processors rip stays on the instruction; the manual has it behind'],
])

/**
 * x87's functions, which AMD processors compute in microcode with errors of up to an ulp: only as the single instruction
 * of a case, without C1, and with results that may be one unit in the last place away.
 */
export const INEXACT_ROWS: ReadonlySet<string> = new Set(['f2xm1', 'fyl2x', 'fyl2xp1', 'fptan', 'fpatan', 'fsin', 'fcos', 'fsincos'])

/**
 * Rows that store x87's pointers to the last instruction and operand. Where other instructions come before, memory is not
 * compared: our operand pointer is a linear address and is cleared by instructions without an operand, the oracle's an
 * offset that stays, and the selectors that FRSTOR loads are not kept.
 */
export const POINTER_ROWS: ReadonlySet<string> = new Set(['fnstenv', 'fnsave', 'fxsave'])
