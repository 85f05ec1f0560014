/**
 * Where things are in the one Wasm memory. All addresses are bytes; everything below `RECORD_ARENA` is fixed,
 * so that emitted code reaches registers with constant addresses.
 *
 * The architectural state of the running task is the block [CPU_STATE, CPU_STATE + CPU_STATE_SIZE): switching tasks
 * copies that block out and in, nothing else.
 */

/** Architectural state: saved and restored per task. */
export const CPU_STATE = 0x1000
export const CPU_STATE_SIZE = 0x400

/** 16 general registers, 8 bytes each, in encoding order: rax rcx rdx rbx rsp rbp rsi rdi r8 … r15. */
export const GPR = 0x1000
export const RIP = 0x1080
/**
 * Lazy flags. ZF, SF and PF follow `FLAG_RESULT` (the last result, sign-extended to 64 bits): ZF = it is zero,
 * SF = bit 63, PF = even parity of its low byte. `FLAG_AUX` is 32 bits laid out as RFLAGS: CF (bit 0), AF (bit 4) and
 * OF (bit 11) are the flags themselves; SF (bit 7) and PF (bit 2) are inverted by a one there, which only POPF-like
 * instructions need (a result can't be zero and negative at once; ZF is never inverted).
 */
export const FLAG_RESULT = 0x1088
export const FLAG_AUX = 0x1090
/** The other bits of RFLAGS, in place: TF 0x100, IF 0x200 (always set), DF 0x400, NT 0x4000, AC 0x40000, ID 0x200000. */
export const FLAG_OTHER = 0x1094
export const FS_BASE = 0x10a0
export const GS_BASE = 0x10a8
/** Always zero: the base or index of an address that has none. */
export const ZERO = 0x10b0
/** The linear address made by an address record, for the addressing forms that memory operands don't take directly. */
export const EFFECTIVE_ADDRESS = 0x10b8
export const MXCSR = 0x10c0
/** x87 control word; status word (TOP in bits 11–13 as the processor stores it); full tag word: each 32 bits. */
export const FPU_CONTROL = 0x10c4
export const FPU_STATUS = 0x10c8
export const FPU_TAG = 0x10cc
/** Last x87 opcode (11 bits), instruction pointer and data pointer. */
export const FPU_OPCODE = 0x10d0
export const FPU_IP = 0x10d8
export const FPU_DP = 0x10e0
/** Selectors by segment number (ES CS SS DS FS GS), 16 bits each; those of CS and SS are always the same and not kept. */
export const SELECTORS = 0x10f0
/** Physical x87 registers R0–R7, 16 bytes each: 64-bit significand, then 16 bits sign and exponent. ST(i) is R[(TOP + i) & 7]. */
export const FPU_REGISTERS = 0x1100
/** 16 vector registers, 32 bytes each (XMM is the low half). */
export const VECTOR = 0x1200
export const VECTOR_STRIDE = 32

/** Not architectural: images of FXSAVE, FNSAVE, FNSTENV and XSAVE are put together here, 832 bytes, and 192 for XRSTOR's own use. */
export const FPU_IMAGE = 0x1400

/** Not architectural: the engine's own words. */
export const BUDGET = 0x1800
export const EXIT_REASON = 0x1804
/** Vector number of a fault and its error code, when EXIT_REASON is FAULT. */
export const EXIT_VECTOR = 0x1808
export const EXIT_ERROR = 0x180c
/** Linear address of a page fault, 8 bytes. */
export const EXIT_ADDRESS = 0x1810
/** The record being executed when a slow path was taken. */
export const EXIT_RECORD = 0x1818
/** Cycle count at the start of the slice (f64) and the budget given then (i32): what RDTSC reads. */
export const SLICE_CYCLE = 0x1820
export const SLICE_BUDGET = 0x1828
/** RDTSC reads no less than this (f64): what another CPU may have read already. */
export const SLICE_FLOOR = 0x1838
/** Not zero if translations were dropped since the engine last began: a repeated instruction then looks whether it is still there. */
export const CODE_CHANGED = 0x182c
/** Counts how often translations or mappings of code were dropped. */
export const CODE_EPOCH = 0x1830
/** Not zero after a region was left because the budget did not reach. */
export const REGION_LEFT = 0x1834
/** Of tier 1: how often regions were left for each reason (jit/reasons.ts), 32 bits each. */
export const REGION_EXITS = 0x1840
/** Of tier 1: above the last return address of SHADOW. */
export const SHADOW_TOP = 0x1860
/** IA32_TSC_AUX, of the virtual CPU that is running: RDTSCP and RDPID read it; 32 bits. */
export const TSC_AUX = 0x1884
/** The last block that was counted, shifted to the right: half of the edge to the next (coverage.ts); 32 bits. */
export const COVERAGE_LAST = 0x18b0
/** Accesses that cross a page go through these 64 bytes. */
export const BOUNCE = 0x1900
export const BOUNCE_SIZE = 0x80
/** Scratch for semantics and runtime functions that return more than one value. */
export const SCRATCH = 0x1a00
/** Room for the records of one instruction when it is executed alone. */
export const STEP_RECORDS = 0x1c00
/** A record that leaves at an address that is not looked up any more because the budget is used up. */
export const LEAVE_RECORD = 0x1e00
/**
 * Of tier 1: where the regions go on that have called others, the last one at the end, each 8 bytes; the first is no address.
 * Each is a Wasm function that waits.
 */
export const SHADOW = 0x2000
export const SHADOW_END = SHADOW + 8 * 64
/** All of the above. */
export const ENGINE_STATE_END = 0x4000

/** Edges between blocks that were executed, a byte each, where coverage is on: coverage.ts. */
export const COVERAGE = 0x10000
export const COVERAGE_SIZE = 0x10000

/**
 * Soft TLBs: entries of 16 bytes: i64 linear address of the page, i32 addend: host address = low 32 bits of linear address + addend. What is in
 * the page lies less than a page above the former, which an empty entry has of a page that another entry is for: −1 but for those that −1 and
 * what follows it would hit.
 */
export const TLB_ENTRIES = 4096
export const TLB_READ = 0x100000
export const TLB_WRITE = 0x110000
/** By soft TLB, the page that was filled in last, as an entry, for as long as it is good: −1 if there is none. */
export const TLB_READ_LAST = 0x18d0
export const TLB_WRITE_LAST = 0x18e0
/** Jump cache: entries of 16 bytes: i64 rip (not canonical: empty), i32 record. */
export const JUMP_CACHE = 0x120000
export const JUMP_CACHE_ENTRIES = 16384
/** What the jump cache lacks is looked for here before the host is asked: by another hash, so that two blocks hardly ever displace each other in both. */
export const SECOND_JUMP_CACHE = 0x80000
/** Its hash: the upper bits of a product (Knuth, The Art of Computer Programming, volume 3, 6.4). */
export const SECOND_JUMP_MULTIPLIER = 0x9e3779b1 | 0, SECOND_JUMP_SHIFT = 32 - 14
/** Constant tables for semantics: data segments of the tier-0 module. */
export const CONSTANTS = 0x20000
/** Of tier 1: by region, the epoch in which it was last found valid. */
export const REGION_EPOCHS = 0xf0000
export const REGIONS = 4096
/** By region, how often it was left for code outside; and which was last. */
export const REGION_CHAINS = 0xec000
export const LAST_CHAIN = 0x1880
/** By region, how often what it accesses together lay across two pages (`reach`) since somebody looked; and which was last. */
export const REGION_STRADDLES = 0xf4000
export const LAST_STRADDLE = 0x18c0
/** Of tier 1: instructions executed in regions, and how often tier 0 entered one, 64 bits each. */
export const TIER1_CYCLES = 0x1888
export const TIER1_ENTRIES = 0x1890
/** Of tier 1, never while tier 0 or the host runs: not zero if the flags are those of an operation (`packedFlags`) on the two operands that follow. */
export const FLAGS_PACKED = 0x1898
export const FLAGS_A = 0x18a0
export const FLAGS_B = 0x18a8
/** Of tier 1: how often a region must lead to a block of tier 0 for that to be noted; how many are noted; their records. */
export const HEAT_LIMIT = 0x18b8
export const HOT_COUNT = 0x18bc
export const HOT_RECORDS = 0xe8000
export const MOST_HOT = 1024
/** Where indirect branches and returns went: jit/compiler.ts. */
export const BRANCH_TARGETS = 0x160000
export const BRANCH_TARGETS_END = 0x1f0000
/**
 * Of tier 1, by address to which regions lead: the index of the region there, 0 if there is none or it is not known. The
 * first word is nobody's.
 */
export const LINKS = 0x1f0000
export const LINKS_END = 0x200000
/** Decoded records grow from here to FRAMES. */
export const RECORD_ARENA = 0x200000
export const RECORD_ARENA_END = 0x3000000
/** Guest page frames from here on. */
export const FRAMES = RECORD_ARENA_END

export const PAGE_SHIFT = 12
export const PAGE_SIZE = 4096
export const PAGE_MASK = 4095

export const REGISTER_NAMES = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi',
  'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'] as const
export const RAX = 0, RCX = 1, RDX = 2, RBX = 3, RSP = 4, RBP = 5, RSI = 6, RDI = 7,
  R8 = 8, R9 = 9, R10 = 10, R11 = 11, R12 = 12, R13 = 13, R14 = 14, R15 = 15

/** RFLAGS bits (Intel SDM volume 1, 3.4.3). */
export const CF = 0x1, PF = 0x4, AF = 0x10, ZF = 0x40, SF = 0x80, TF = 0x100, IF = 0x200, DF = 0x400, OF = 0x800, RF = 0x1_0000
