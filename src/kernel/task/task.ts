/**
 * Tasks (threads) and thread groups (processes), as plain data.
 *
 * Lifetimes: a task is in `kernel.state.tasks` from clone until it is reaped (group leaders) or gone (others).
 * What CLONE_* flags share is shared by reference here: two tasks with one `files` object have one descriptor table.
 */
import type { AddressSpace } from '../mm/address-space.ts'
import type { DescriptorTable } from '../fs/descriptor.ts'
import type { PathContext } from '../fs/path.ts'
import type { SignalActions, PendingSignals, SignalStack } from '../signal/signal.ts'
import type { WaitQueue } from '../wait-queue.ts'

export type TaskState = 'runnable' | 'running' | 'blocked' | 'stopped' | 'zombie' | 'dead'

export interface Credentials {
  uid: number, euid: number, suid: number, fsuid: number
  gid: number, egid: number, sgid: number, fsgid: number
  groups: number[]
}

/** The system call that a task is in, kept while it is blocked. */
export interface SyscallInProgress {
  number: number
  /** rdi, rsi, rdx, r10, r8, r9 as signed numbers. */
  args: [number, number, number, number, number, number]
  /** Cycle at which it was entered. */
  started: number
  /** What the handler must remember between tries: plain data, its own. */
  memory: unknown
}

export interface Task {
  readonly tid: number
  group: ThreadGroup
  state: TaskState
  /** The CPU block (layout.CPU_STATE_SIZE bytes) while the task is not loaded. */
  readonly context: Uint8Array
  /** Virtual CPU on which it last ran, and those it may run on (bit mask as a number, 0xffffffff…: all). */
  cpu: number
  affinity: number
  mm: AddressSpace
  files: DescriptorTable
  fs: PathContext
  actions: SignalActions
  credentials: Credentials
  /** Blocked signals: low and high 32 bits, bit (n − 1) & 31. */
  signalMask: [number, number]
  /** The mask to restore after the handler that ends sigsuspend, ppoll, pselect …; undefined if none. */
  savedMask: [number, number] | undefined
  pending: PendingSignals
  signalStack: SignalStack
  syscall: SyscallInProgress | undefined
  blockedOn: WaitQueue[]
  /** Cycle at which a blocked task wakes by itself; Infinity: never. */
  deadline: number
  /** Why it woke: set by wake-up, read by the handler's next try. */
  wokenBy: 'event' | 'timeout' | 'signal' | undefined
  /** CLONE_CHILD_CLEARTID, set_robust_list, rseq: guest addresses, 0 if none. */
  clearChildTid: number
  robustList: number
  robustListLength: number
  rseq: number
  name: string
  exitStatus: number
  /** Cycles executed in user mode. */
  userCycles: number
  /** vfork: the tid of the parent that waits until this task execs or exits; 0 if none. */
  vforkParent: number
}

export interface ThreadGroup {
  readonly tgid: number
  /** tids, the leader first. */
  threads: number[]
  parent: number
  children: number[]
  processGroup: number
  session: number
  /** wait4 of the parent sleeps here. */
  childExit: WaitQueue
  pending: PendingSignals
  /** Signal to the parent on exit (CLONE's low byte), SIGCHLD mostly. */
  exitSignal: number
  exiting: boolean
  exitStatus: number
  stopped: boolean
  /** Job-control changes that wait4 has not told yet. */
  stopReport: number
  continueReport: boolean
  /** Resource limits by RLIMIT_* number: [soft, hard]; Infinity is RLIM_INFINITY. */
  limits: [number, number][]
  executable: string
  /** argv and environment areas for /proc/PID/cmdline and environ: [start, end). */
  argumentArea: [number, number]
  environmentArea: [number, number]
  /** ITIMER_REAL, VIRTUAL, PROF as [next deadline in cycles, interval in cycles]; Infinity: off. */
  intervalTimers: [number, number][]
  startCycle: number
  /** Cycles of waited-for children. */
  childCycles: number
  dumpable: number
  noNewPrivileges: boolean
  childSubreaper: boolean
}
