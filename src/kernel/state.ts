/** The root of a world's state: plain data only (see kernel.ts). */
import type { FsState } from './fs/fs-state.ts'
import type { NetState } from './net/namespace.ts'
import type { GuidedState } from './sched/guided.ts'
import type { PctState } from './sched/pct.ts'
import type { DurabilityState } from './plan/durability.ts'
import type { FaultState } from './plan/faults.ts'
import type { PlanState } from './plan/plan.ts'
import type { PosState } from './sched/pos.ts'
import type { ScriptState } from './sched/script.ts'
import type { HostState } from './hosts.ts'
import type { FutexTable } from './task/futex-table.ts'
import type { PidNamespace } from './task/pid-namespace.ts'
import type { ProcessGroups } from './task/process-groups.ts'
import type { KeyState } from './keys/key-state.ts'
import type { Task, ThreadGroup } from './task/task.ts'
import type { ClockState } from './time/clock.ts'
import type { TimerQueue } from './time/timer-queue.ts'
import type { VdsoState } from './vdso/vdso-state.ts'
import type { WaitQueue } from './wait-queue.ts'

/** A virtual CPU: its own cycle clock and the task that it runs. */
export interface VirtualCpu {
  readonly index: number
  /** Cycles. Clocks of idle CPUs lag behind; they catch up when a task is taken. */
  clock: number
  /** The task being run, 0 if idle. */
  tid: number
  /** Cycle at which the slice ends; Infinity while no other task could run. */
  sliceEnd: number
}

export interface KernelState {
  /** The global monotone virtual clock in cycles: at least what any CPU's clock was when it last entered the kernel. */
  now: number
  /** The clock of the CPU that is in the kernel now, behind `now` by at most a slice. */
  cycle: number
  readonly tasks: Map<number, Task>
  /** Thread groups by tgid, until reaped. */
  readonly groups: Map<number, ThreadGroup>
  readonly processGroups: ProcessGroups
  /** Runnable tasks that no CPU runs, in the order in which they became so. */
  readonly runqueue: number[]
  readonly cpus: VirtualCpu[]
  /** Somebody has asked for a nice value or a policy (sched/policies.ts). */
  hasPriorities: boolean
  readonly keys: KeyState
  /** The last pid given out; numbers are reused only after the whole range was. */
  lastPid: number
  /** The last id given to an address space or to shared memory. */
  lastSpaceId: number
  /** The frame of zeros behind private pages that were only read so far. */
  zeroFrame: number
  readonly timers: TimerQueue
  readonly futexes: FutexTable
  /** System call numbers that were reported as unknown. */
  readonly unknownSyscalls: Set<number>
  /** Tasks that wait for input from outside (a read or poll of the console): the world loop asks for it when all wait. */
  readonly consoleInput: WaitQueue
  /** The program that the world was made for (of the first host), and the wait status once all that the world waits for have ended. */
  mainPid: number
  mainStatus: number | undefined
  /** Cycle at which it ended. */
  mainExitCycle: number
  /** Cycle from which on the world loop asks a terminal for input again. */
  nextConsolePoll: number
  /** By index; the first one is what a world without `hosts` is. */
  readonly hosts: HostState[]
  /** Inode number of the last namespace that was made, and those of processes that are nested. */
  lastNamespace: number
  readonly pidNamespaces: PidNamespace[]
  /** Of the strategy 'pct'. */
  readonly pct: PctState | undefined
  /** Of the strategy 'pos'. */
  /** Only if the configuration has a plan, or faults. */
  readonly plan: PlanState | undefined
  readonly faults: FaultState | undefined
  /** Only if a host of the plan loses its power and what its disks have not got. */
  readonly durability: DurabilityState | undefined
  readonly pos: PosState | undefined
  /** Of the strategy 'guided'. */
  readonly guided: GuidedState | undefined
  /** Of the strategy 'script'. */
  readonly script: ScriptState | undefined
  /** Tasks that there have been: the next one's `index`. */
  tasksMade: number
  readonly fs: FsState
  /** makeNet(). */
  readonly net: NetState
  /** makeClocks(config.epochSeconds). */
  readonly clocks: ClockState
  /** makeVdso(). */
  readonly vdso: VdsoState
}
