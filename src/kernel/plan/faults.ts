/**
 * Faults that system calls meet by chance: short transfers, EINTR, failing allocations, full and broken disks, failing forks.
 *
 * Each time that a call could meet one of the faults of the configuration is an *opportunity*. With `rates` it is drawn whether the fault
 * happens, through entropy, so that it is in the trace; with `list` those opportunities have it that are listed: what was drawn once is kept
 * in the state (`injected`) and can be tried again, one by one less, which is how a shrinker finds those that matter.
 */
import { EAGAIN, EINTR, EIO, ENOMEM, ENOSPC } from '../abi/errno.ts'
import { O_CREAT } from '../abi/fcntl.ts'
import type { FaultConfig, FaultKind } from '../config.ts'
import type { Kernel } from '../kernel.ts'
import type { SyscallInProgress, Task } from '../task/task.ts'
import { makeSignalFaults, type SignalFaultState } from './signals.ts'

export interface FaultState {
  readonly kind: 'faults'
  opportunities: number
  /** [opportunity, index of the kind, value] of each that has happened. */
  injected: (readonly [opportunity: number, fault: number, value: number])[]
  /** Only if the configuration has signals. */
  readonly signals?: SignalFaultState
}

export const makeFaults = ({ signals }: FaultConfig): FaultState =>
  ({ kind: 'faults', opportunities: 0, injected: [], ...(signals === undefined ? {} : { signals: makeSignalFaults() }) })

/** In the order of their numbers in the state and in draws: new ones go to the end. */
export const FAULT_KINDS = ['short', 'eintr', 'enomem', 'enospc', 'eio', 'clone'] as const satisfies readonly FaultKind[]

/** Probabilities are drawn in these. */
const MILLION = 1_000_000

/** Calls by number (unistd_64.h) whose third argument is a length that may be done in part. */
const TRANSFERS: ReadonlySet<number> = new Set([0 /* read */, 1 /* write */, 17 /* pread64 */, 18 /* pwrite64 */, 44 /* sendto */, 45 /* recvfrom */])
/** Those that signal(7) lists as interrupted by handlers: the ones that programs loop around. */
const INTERRUPTED: ReadonlySet<number> = new Set([
  0, 1, 7 /* poll */, 19 /* readv */, 20 /* writev */, 23 /* select */, 35 /* nanosleep */, 42 /* connect */, 43 /* accept */, 44, 45, 46 /* sendmsg */, 47 /* recvmsg */,
  61 /* wait4 */, 73 /* flock */, 232 /* epoll_wait */, 230 /* clock_nanosleep */, 247 /* waitid */, 257 /* openat */, 270 /* pselect6 */, 271 /* ppoll */, 281 /* epoll_pwait */, 288, /* accept4 */
])
const ALLOCATING: ReadonlySet<number> = new Set([9 /* mmap */, 12 /* brk */, 25 /* mremap */])
const FORKING: ReadonlySet<number> = new Set([56 /* clone */, 57 /* fork */, 58 /* vfork */, 435 /* clone3 */])
/** What takes room on a disk. */
const GROWING: ReadonlySet<number> = new Set([1, 18, 20, 82 /* rename */, 83 /* mkdir */, 85 /* creat */, 86 /* link */, 88 /* symlink */, 258 /* mkdirat */, 264 /* renameat */, 265 /* linkat */, 266 /* symlinkat */, 285 /* fallocate */, 296 /* pwritev */])
const DISK: ReadonlySet<number> = new Set([0, 1, 17, 18, 19, 20, 74 /* fsync */, 75 /* fdatasync */, 295 /* preadv */, 296])
const OPEN = 2, OPENAT = 257, WRITE = 1, PWRITE = 18, WRITEV = 20, PWRITEV = 296, BRK = 12

const isRegular = (task: Task, fd: number): boolean => task.files.slots[fd | 0]?.file.kind === 'regular'
/** Those whose first argument is a descriptor, of a file of a disk or not. */
const BY_DESCRIPTOR: ReadonlySet<number> = new Set([WRITE, PWRITE, WRITEV, PWRITEV, 285])

const canHave = (fault: FaultKind, task: Task, { number, args }: SyscallInProgress): boolean => {
  switch (fault) {
    case 'short': return TRANSFERS.has(number) && args[2] > 1
    case 'eintr': return INTERRUPTED.has(number)
    case 'enomem': return ALLOCATING.has(number)
    case 'clone': return FORKING.has(number)
    case 'enospc':
      if (number === OPEN || number === OPENAT) return (args[number === OPEN ? 1 : 2] & O_CREAT) !== 0
      return GROWING.has(number) && (!BY_DESCRIPTOR.has(number) || isRegular(task, args[0]))
    case 'eio': return DISK.has(number) && isRegular(task, args[0])
  }
}

const ERRORS: Readonly<Record<Exclude<FaultKind, 'short'>, number>> = { eintr: EINTR, enomem: ENOMEM, clone: EAGAIN, enospc: ENOSPC, eio: EIO }

/** brk(2) does not fail with an errno: the kernel's call answers where the heap ends, which is where it was. */
const resultOf = (fault: Exclude<FaultKind, 'short'>, task: Task, number: number): number => number === BRK ? task.mm.heapEnd : -ERRORS[fault]

/** What a new call answers in place of being made; undefined: it is made, with a shorter length perhaps. */
export const meetFault = (kernel: Kernel, task: Task, call: SyscallInProgress): number | undefined => {
  const { faults } = kernel.state
  const config = kernel.config.faults
  if (faults === undefined || config === undefined || kernel.state.now < (config.after ?? 0)) return undefined
  if (config.hosts !== undefined && !config.hosts.includes(kernel.state.hosts[task.namespaces.host].name)) return undefined
  for (const [index, fault] of FAULT_KINDS.entries()) {
    if (!canHave(fault, task, call)) continue
    // Counted whatever the rates are, so that a list of what was drawn means the same calls.
    const opportunity = faults.opportunities++
    const rate = config.rates?.[fault] ?? 0
    const listed = config.list?.find((one) => one.opportunity === opportunity && one.fault !== 'signal')
    const happens = config.list === undefined ? rate > 0 && kernel.outside.entropy.decide('fault', MILLION) < rate * MILLION : listed?.fault === fault
    if (!happens) continue
    if (fault !== 'short') {
      faults.injected.push([opportunity, index, 0])
      kernel.outside.observer.onFault?.(kernel.state.cycle, task.tid, fault, call.number)
      return resultOf(fault, task, call.number)
    }
    const most = Math.min(call.args[2], 0x7fff_ffff)
    const length = listed?.value ?? 1 + kernel.outside.entropy.decide('fault', most - 1)
    faults.injected.push([opportunity, index, length])
    kernel.outside.observer.onFault?.(kernel.state.cycle, task.tid, fault, call.number)
    call.args[2] = Math.min(length, most)
    return undefined
  }
  return undefined
}
