/** The processor as the kernel sees it. */
import type { Breakpoints } from './breakpoints.ts'
import type { CpuName } from './cpu/model.ts'
import type { CpuState } from './cpu/state.ts'
import type { PhysicalMemory } from './memory.ts'
import type { Mmu } from './mmu/mmu.ts'
import type { AccessWatcher } from './watch.ts'

/** Why `Processor.run` came back. */
export const EXIT_BUDGET = 1
export const EXIT_SYSCALL = 2
/** An exception of the guest: see `Processor.fault`. rip is that of the instruction (after it for #BP and single-step #DB). */
export const EXIT_FAULT = 3
/** `Processor.requestExit` was called. */
export const EXIT_REQUESTED = 4
/** The watcher stopped an access: nothing of its instruction has happened. */
export const EXIT_ACCESS = 5
export type ExitReason = typeof EXIT_BUDGET | typeof EXIT_SYSCALL | typeof EXIT_FAULT | typeof EXIT_REQUESTED | typeof EXIT_ACCESS

/** Exception vectors (Intel SDM volume 3, table 6-1). */
export const VECTOR_DE = 0, VECTOR_DB = 1, VECTOR_BP = 3, VECTOR_OF = 4, VECTOR_UD = 6, VECTOR_SS = 12, VECTOR_GP = 13,
  VECTOR_PF = 14, VECTOR_MF = 16, VECTOR_AC = 17, VECTOR_XM = 19

export interface Fault {
  vector: number
  errorCode: number
  /** CR2 of a page fault, as a number; non-canonical addresses give #GP or #SS, not #PF. */
  address: number
  /** DR6 of a #DB: breakpoints that were met, and single step; 0 for INT1. */
  debugStatus: number
}

export interface Processor {
  readonly memory: PhysicalMemory
  /** Registers of the task that is loaded. */
  readonly cpu: CpuState
  readonly fault: Fault
  /** Cycles (= instructions, and iterations of REP) that the last `run` executed. */
  readonly executed: number
  /** RDRAND, RDSEED: set by the kernel; 32 bits an answer, drawn from entropy. */
  randomWord: () => number
  /** Which processor it is: what CPUID says, and which instructions there are. */
  setModel(name: CpuName): void
  /** The number of the virtual CPU that `run` stands for: RDTSCP and RDPID. */
  setCpuNumber(cpu: number): void
  /** Makes this address space current; the TLBs are emptied. */
  setMmu(mmu: Mmu): void
  /**
   * Executes the loaded task for at most `budget` cycles (1 ≤ budget < 2^31), exactly: on EXIT_BUDGET just that many
   * were executed. After EXIT_SYSCALL rip is behind the SYSCALL instruction and rcx, r11 hold what it leaves there.
   * @param cycle the virtual cycle count at the start: RDTSC reads cycle + what was executed
   * @param floor but no less than this: CPUs lag behind each other, and their counters are synchronised
   */
  run(budget: number, cycle: number, floor?: number): ExitReason
  /** Mappings of the current address space changed (unmapped, protected, made copy-on-write): forget all pages, or one. */
  flushTlb(): void
  /** Forgets which pages may be written without asking: FRAME_DIRTY was cleared, and must be set again by the next write. */
  forgetWrites(): void
  flushPage(page: number): void
  /** Mappings of these pages changed, [from, to): as flushTlb, but what is known of others stays, and of code unless some is in them. */
  flushPages(from: number, to: number): void
  /** Tells the watcher of accesses to the pages that it watches; undefined: of none. Not between the accesses of one instruction. */
  watch(watcher: AccessWatcher | undefined): void
  /** The watcher may answer otherwise about pages: all are asked for again. What is known of code stays. */
  forgetData(): void
  /** The debug registers of the task that is loaded: see breakpoints.ts. Cheap if they are the same object as before. */
  setBreakpoints(breakpoints: Breakpoints): void
  /** From inside `Mmu.resolve`: makes `run` return EXIT_REQUESTED at the next instruction boundary that it can. */
  requestExit(): void
}
