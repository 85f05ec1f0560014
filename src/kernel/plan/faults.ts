/**
 * Faults that system calls meet by chance: short transfers, EINTR, failing allocations, full and broken disks, failing forks.
 *
 * With `rates` it is drawn whether a fault happens each time that a call could meet it, through entropy, so that it is in the trace; with
 * `list` those calls have it that are listed: what was drawn once is kept in the state (`injected`) and can be tried again, one by one
 * less, which is how a shrinker finds those that matter.
 */
import { EAGAIN, EINTR, EIO, ENOMEM, ENOSPC } from '../abi/errno.ts'
import { O_CREAT } from '../abi/fcntl.ts'
import type { CallFault, FaultConfig, FaultKind, ListedFault } from '../config.ts'
import type { Kernel } from '../kernel.ts'
import type { SyscallInProgress, Task } from '../task/task.ts'
import { hasTimedFaults, makeTimedFaults, type TimedFaultState } from './timed.ts'

export interface FaultState {
  readonly kind: 'faults'
  /** Of the calls of each task that could meet a fault, by `callKey`: how many were made, and how often the next was cut short or interrupted so far. */
  readonly calls: Map<number, { count: number, again: number }>
  /** Each that has happened, in order. */
  readonly injected: ListedFault[]
  /** Only if the configuration has signals, or jumps of the clock. */
  readonly timed?: TimedFaultState
}

export const makeFaults = (config: FaultConfig): FaultState =>
  ({ kind: 'faults', calls: new Map(), injected: [], ...(hasTimedFaults(config) ? { timed: makeTimedFaults() } : {}) })

/** In place of drawing: these, and no others. */
export const listedFaults = ({ rates: _rates, ...config }: FaultConfig, list: readonly ListedFault[]): FaultConfig => ({ ...config, list })

/** In the order in which they are drawn: new ones go to the end. */
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

/** What a program does again, or goes on with, after such a fault is the same call as without it. */
const isMadeAgain = (fault: FaultKind): boolean => fault === 'short' || fault === 'eintr'

/** More than there are system calls. */
const CALLS = 1024
const callKey = (task: Task, number: number): number => task.index * CALLS + number
/** Of a key of `FaultState.calls`. */
export const callOfKey = (key: number): Pick<CallFault, 'task' | 'call'> => ({ task: Math.floor(key / CALLS), call: key % CALLS })

const isListed = (list: readonly ListedFault[], here: CallFault): CallFault | undefined => {
  for (const one of list) {
    if (one.fault === here.fault && 'task' in one && one.task === here.task && one.call === here.call && one.count === here.count && (one.again ?? 0) === (here.again ?? 0)) return one
  }
  return undefined
}

/** What a new call answers in place of being made; undefined: it is made, with a shorter length perhaps. */
export const meetFault = (kernel: Kernel, task: Task, call: SyscallInProgress): number | undefined => {
  const { faults } = kernel.state
  const config = kernel.config.faults
  if (faults === undefined || config === undefined) return undefined
  const { number } = call
  const possible = FAULT_KINDS.filter((fault) => canHave(fault, task, call))
  if (possible.length === 0) return undefined
  // Counted whatever the rates and hosts are, so that a list of what was drawn means the same calls.
  let made = faults.calls.get(callKey(task, number))
  if (made === undefined) faults.calls.set(callKey(task, number), made = { count: 0, again: 0 })
  const spared = kernel.state.now < (config.after ?? 0) || config.hosts?.includes(kernel.state.hosts[task.namespaces.host].name) === false
  for (const fault of spared ? [] : possible) {
    const here: CallFault = { fault, task: task.index, call: number, count: made.count, ...(made.again === 0 ? {} : { again: made.again }) }
    const rate = config.rates?.[fault] ?? 0
    const listed = config.list === undefined ? undefined : isListed(config.list, here)
    const happens = config.list === undefined ? rate > 0 && kernel.outside.entropy.decide('fault', MILLION) < rate * MILLION : listed !== undefined
    if (!happens) continue
    if (isMadeAgain(fault)) {
      made.again++
    } else {
      made.count++
      made.again = 0
    }
    if (fault !== 'short') {
      faults.injected.push(here)
      kernel.outside.observer.onFault?.(kernel.state.cycle, task.tid, fault, number)
      return resultOf(fault, task, number)
    }
    const most = Math.min(call.args[2], 0x7fff_ffff)
    const length = Math.min(listed?.value ?? 1 + kernel.outside.entropy.decide('fault', most - 1), most)
    faults.injected.push({ ...here, value: length })
    kernel.outside.observer.onFault?.(kernel.state.cycle, task.tid, fault, number)
    call.args[2] = length
    return undefined
  }
  made.count++
  made.again = 0
  return undefined
}
