/**
 * Tasks (threads) and thread groups (processes), as plain data.
 *
 * Lifetimes: a task is in `kernel.state.tasks` from clone until it is reaped (group leaders) or gone (others).
 * What CLONE_* flags share is shared by reference here: two tasks with one `files` object have one descriptor table.
 */
import type { AddressSpace } from '../mm/address-space.ts'
import type { DescriptorTable } from '../fs/descriptor.ts'
import type { PathContext } from '../fs/path.ts'
import type { SignalActions, PendingSignals, SignalSet, SignalStack } from '../signal/signal.ts'
import type { Timer } from '../time/timer-queue.ts'
import type { WaitQueue } from '../wait-queue.ts'
import type { PidNamespace } from './pid-namespace.ts'
import type { Keyrings } from '../keys/key-state.ts'
import type { Namespaces } from './namespaces.ts'
import type { DebugRegisters } from './debug-registers.ts'
import type { Trace } from './trace.ts'
import type { UserNamespace } from './user-namespace.ts'
import type { Seccomp } from './seccomp.ts'
import type { Pending } from '../watch/memory-watch.ts'
import type { BufferedStore } from '../watch/store-buffers.ts'

export type TaskState = 'runnable' | 'running' | 'blocked' | 'stopped' | 'zombie' | 'dead'

/** 64 capability bits as two words (capabilities(7)). */
export type CapabilitySet = [low: number, high: number]

/** Never changed in place: set*id and capset make a new object, so that tasks may share one. */
export interface Credentials {
  readonly uid: number, readonly euid: number, readonly suid: number, readonly fsuid: number
  readonly gid: number, readonly egid: number, readonly sgid: number, readonly fsgid: number
  readonly groups: readonly number[]
  /** What capabilities are over, and how ids are shown. */
  readonly user: UserNamespace
  readonly effective: CapabilitySet
  readonly permitted: CapabilitySet
  readonly inheritable: CapabilitySet
  readonly bounding: CapabilitySet
  readonly ambient: CapabilitySet
  /** PR_SET_SECUREBITS, with PR_SET_KEEPCAPS as its bit 4. */
  readonly secureBits: number
}

/** How a call that was interrupted by a signal without a handler goes on: restart_syscall(2) finds it here. */
export interface RestartBlock {
  readonly number: number
  /** What the call must remember: plain data, its own. */
  readonly memory: unknown
  /** It waits for a time of CLOCK_REALTIME, which may be set meanwhile. */
  readonly realtime?: boolean
}

/** Counters for getrusage(2) and /proc. */
export interface Usage {
  userCycles: number
  systemCycles: number
  minorFaults: number
  majorFaults: number
  voluntarySwitches: number
  involuntarySwitches: number
  /** Most resident pages. */
  residentPeak: number
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
  /** It waits until CLOCK_REALTIME shows a time, which `memory.deadline` is the cycle of, if there is one. */
  realtime: boolean
}

export interface Task {
  /** Changes once at most: a thread that calls execve becomes the leader. */
  tid: number
  /** By order of creation, from 0: tids may be used again, this is not. */
  readonly index: number
  group: ThreadGroup
  state: TaskState
  /** The CPU block (layout.CPU_STATE_SIZE bytes) while the task is not loaded. */
  readonly context: Uint8Array<ArrayBuffer>
  /** Virtual CPU on which it last ran, and those it may run on: low and high 32 bits of a mask. */
  cpu: number
  affinity: readonly [low: number, high: number]
  mm: AddressSpace
  files: DescriptorTable
  fs: PathContext
  actions: SignalActions
  credentials: Credentials
  namespaces: Namespaces
  /** Blocked signals: low and high 32 bits, bit (n − 1) & 31. */
  signalMask: SignalSet
  /** The mask to restore after the handler that ends sigsuspend, ppoll, pselect …; undefined if none. */
  savedMask: SignalSet | undefined
  pending: PendingSignals
  signalStack: SignalStack
  /** rt_sigtimedwait: the signals that it waits for. */
  waitSet: SignalSet | undefined
  syscall: SyscallInProgress | undefined
  restart: RestartBlock | undefined
  /**
   * The ERESTART code with which a system call was interrupted, 0 if none. Registers are set to make the call again;
   * a handler that runs before that may turn it into EINTR (signal/deliver.ts).
   */
  restartCode: number
  readonly blockedOn: WaitQueue[]
  /** Wakes a blocked task at its deadline. */
  sleep: Timer
  /** Blocked so that only a fatal signal wakes it (vfork). */
  uninterruptible: boolean
  /** Cycle at which it became runnable. */
  readyAt: number
  /** Why it woke: set by wake-up, read by the handler's next try. */
  wokenBy: 'event' | 'timeout' | 'signal' | undefined
  /** CLONE_CHILD_CLEARTID, set_robust_list, rseq: guest addresses, 0 if none. */
  clearChildTid: number
  robustList: number
  robustListLength: number
  rseq: number
  rseqSignature: number
  name: string
  exitStatus: number
  readonly usage: Usage
  startCycle: number
  /** vfork: the tid of the parent that waits until this task execs or exits; 0 if none. */
  vforkParent: number
  /** The vfork parent sleeps here. */
  readonly vforkDone: WaitQueue
  /** PR_SET_PDEATHSIG. */
  parentDeathSignal: number
  noNewPrivileges: boolean
  /** System calls that it has given up (seccomp(2)); undefined: none. */
  seccomp: Seccomp | undefined
  /** PR_SET_TIMERSLACK, nanoseconds. */
  timerSlack: number
  /** What PR_SET_TIMERSLACK goes back to: the slack of the task that made it. */
  defaultTimerSlack: number
  /** sched_setscheduler(2): SCHED_*, real-time priority; nice(2). */
  policy: number
  priority: number
  /** SCHED_DEADLINE: runtime, deadline and period in nanoseconds. */
  /** Keyrings of its own (keys/), undefined until it asks for one. */
  keyrings: Keyrings | undefined
  reservation: readonly [runtime: number, deadline: number, period: number] | undefined
  nice: number
  /** Where semop's SEM_UNDO adjustments are kept: 0 none yet; shared by CLONE_SYSVSEM. */
  semaphoreUndo: number
  /** ioprio_set(2): class << 13 | level. */
  ioPriority: number
  personality: number
  /** set_mempolicy(2). */
  memoryPolicy: number
  /** What the last fault was, for ucontext's trapno, err, cr2. */
  faultVector: number
  faultError: number
  faultAddress: number
  /** Undefined until something is in them. */
  debug: DebugRegisters | undefined
  /** Undefined unless it is traced. */
  trace: Trace | undefined
  /** What it was stopped before, by a strategy that chooses at accesses and system calls; see watch/memory-watch.ts. */
  nextAction: Pending | undefined
  /** What it has stored and memory does not have yet: see watch/store-buffers.ts. */
  readonly stores: BufferedStore[]
  /** A host-side reason to look at signals before the task runs on: set when one may be due. */
  signalDue: boolean
}

export interface ThreadGroup {
  readonly tgid: number
  /** Of its tasks, kept for when they are gone. */
  readonly pids: PidNamespace
  /** tids, the leader first. */
  threads: number[]
  /** Keyring of the process (keys/), 0: none. */
  processKeyring: number
  parent: number
  children: number[]
  processGroup: number
  session: number
  /** wait4 sleeps here until a child of this group changes state. */
  readonly childChange: WaitQueue
  /** Woken when a signal is sent to one of its tasks or to all of it: for signalfd. */
  readonly signalWait: WaitQueue
  pending: PendingSignals
  /** Signal to the parent on exit (CLONE's low byte), SIGCHLD mostly. */
  exitSignal: number
  /** exit_group or a fatal signal: all its tasks go. */
  exiting: boolean
  /** The task that calls execve and waits for the others to go, 0 if none. */
  execTid: number
  /** Woken whenever one of its tasks is gone. */
  readonly threadExit: WaitQueue
  /** Wait status. */
  exitStatus: number
  /** The init of a namespace whose tasks are gone: it is a zombie when all others of the namespace are gone, too. */
  endsLast: boolean
  /** All tasks are gone; stays in `groups` until waited for. */
  zombie: boolean
  /** Tasks that it traces, and those that have ended which wait4 has not told of yet. */
  readonly tracees: number[]
  readonly traceeExits: { readonly tid: number, readonly shown: number, readonly status: number, readonly uid: number }[]
  /** Woken when it becomes a zombie: process descriptors. */
  readonly ended: WaitQueue
  /** The signal by which it is stopped, 0 if it is not. */
  stopSignal: number
  /** Its tasks are all stopped: the signal while wait4 has not told of it yet, then the signal's negative; else 0. */
  stopReport: number
  continueReport: boolean
  /** It called execve since it was forked: setpgid by its parent fails. */
  didExec: boolean
  /** Resource limits by RLIMIT_* number: [soft, hard]; Infinity is RLIM_INFINITY. */
  limits: [number, number][]
  /** ITIMER_REAL and its interval in cycles, 0 for once. */
  readonly realTimer: Timer
  realInterval: number
  /** ITIMER_REAL is set to a time beyond what cycles can count: it never comes, but shows what is left. */
  realFar: { readonly value: readonly [seconds: number, nanoseconds: number], readonly since: number } | undefined
  /** The cycle at which a periodic ITIMER_REAL expired whose signal waits: it goes on when that is taken. 0: none. */
  realExpired: number
  /** ITIMER_VIRTUAL, ITIMER_PROF: the group's CPU cycles at which they expire (Infinity: off), and intervals. */
  readonly cpuTimers: { virtual: number, virtualInterval: number, profile: number, profileInterval: number }
  readonly posixTimers: Map<number, PosixTimer>
  /** Those of them that measure CPU time, which are looked at in each slice. */
  readonly posixCpuTimers: Set<PosixTimer>
  nextPosixTimer: number
  startCycle: number
  /** Of its tasks that are gone. */
  readonly usage: Usage
  /** Of waited-for children. */
  readonly childUsage: Usage
  dumpable: number
  childSubreaper: boolean
  /** Device number of the controlling terminal, 0 if none: kept by the terminal's code. */
  controllingTerminal: number
  /** /proc/PID/oom_score_adj. */
  oomScoreAdjust: number
}

/** timer_create(2). */
export interface PosixTimer {
  readonly id: number
  readonly clock: number
  /** SIGEV_SIGNAL 0, SIGEV_NONE 1, SIGEV_THREAD_ID 4. */
  readonly notify: number
  readonly signal: number
  readonly valueLow: number
  readonly valueHigh: number
  /** SIGEV_THREAD_ID's tid. */
  readonly tid: number
  /** The task that made it: CLOCK_THREAD_CPUTIME_ID is its time. */
  readonly clockTid: number
  readonly timer: Timer
  /** Cycles; 0 for once. For clocks of CPU time `expiry` is in cycles of that clock, Infinity if off. */
  interval: number
  expiry: number
  /** TIMER_ABSTIME: the time as given, for when the clock is set. */
  absolute: readonly [seconds: number, nanoseconds: number] | undefined
  overrun: number
  lastOverrun: number
  /** Its signal is pending: expiries count as overruns. */
  queued: boolean
}
