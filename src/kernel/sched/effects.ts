/**
 * What a task's next action has to do with what others do: two actions that are *independent* may be swapped, and nobody can tell.
 * Strategies and searches that stop tasks at their actions build on it (pos.ts, src/replay/search/).
 *
 * Independence is about memory and what a system call is known to be about. It is not about time: that each action takes some
 * cycles, which clocks show, does not count. Calls that are not known are taken to depend on all others that are not.
 */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { readsMemory, writesMemory } from '../../emu/watch.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import type { Pending } from '../watch/memory-watch.ts'

/** What is done to a range: its bytes are read or written; a task waits for the futex there, or wakes those that do. */
const READS = 1, WRITES = 2, WAITS = 4, WAKES = 8

/** Things of the kernel that calls are about. */
const MAPPINGS = 1, NUMBERS = 2, CHILDREN = 4, FILES = 8, EVERYTHING = 16

export interface Range { readonly at: number, readonly size: number, readonly does: number }

export interface Effects {
  readonly about: number
  readonly ranges: readonly Range[]
}

/** Whether it depends on all others. */
export const isAboutAll = ({ about }: Effects): boolean => (about & EVERYTHING) !== 0

/** Whether nobody may notice it. */
export const isAboutNothing = ({ about, ranges }: Effects): boolean => about === 0 && ranges.length === 0

const NOTHING: Effects = { about: 0, ranges: [] }

const conflict = (a: number, b: number): boolean =>
  ((a & WRITES) !== 0 && (b & (READS | WRITES)) !== 0) || ((b & WRITES) !== 0 && (a & READS) !== 0) ||
  ((a & WAITS) !== 0 && (b & (WAITS | WAKES)) !== 0) || ((b & WAITS) !== 0 && (a & WAKES) !== 0)

const overlap = (a: Range, b: Range): boolean => a.at < b.at + b.size && b.at < a.at + a.size && conflict(a.does, b.does)

/** Whether the order of the two may show. */
export const areDependent = (a: Effects, b: Effects): boolean => {
  if ((a.about & b.about) !== 0 || ((a.about | b.about) & EVERYTHING) !== 0) return true
  for (const range of a.ranges) for (const other of b.ranges) if (overlap(range, other)) return true
  return false
}

/** Ranges of memory as all tasks that reach it name it: by page of the watch. */
const rangesOf = (kernel: Kernel, task: Task, address: number, size: number, does: number): Range[] => {
  const ranges: Range[] = []
  for (let done = 0; done < size;) {
    const offset = (address + done) % PAGE_SIZE
    const length = Math.min(size - done, PAGE_SIZE - offset)
    const page = kernel.watch?.pageAt(task.mm, address + done)
    if (page !== undefined) ranges.push({ at: page.id * PAGE_SIZE + offset, size: length, does })
    done += length
  }
  return ranges
}

const LONGEST_RANGE = 1 << 16

/** System calls by number. Of their own task alone: */
const OWN = new Set([
  // madvise, rt_sigaction, rt_sigprocmask, sched_yield, nanosleep, getpid, uname, and others that ask or say something of the caller
  28, 13, 14, 24, 35, 39, 63, 96, 98, 99, 102, 104, 107, 108, 127, 131, 157, 158, 186, 201, 203, 204, 218, 228, 229, 230, 273, 309, 318, 324, 334,
])
const CALL_READ = 0, CALL_WRITE = 1, CALL_PREAD = 17, CALL_PWRITE = 18, CALL_SENDTO = 44, CALL_RECVFROM = 45
const CALL_FUTEX = 202, CALL_EXIT = 60, CALL_EXIT_GROUP = 231, CALL_WAIT4 = 61, CALL_WAITID = 247
const MAPPING_CALLS = new Set([9, 10, 11, 12, 25])
const TASK_CALLS = new Set([56, 57, 58, 435])
/** kill, tkill, tgkill, execve, execveat, rt_sigqueueinfo, rt_tgsigqueueinfo, ptrace, mount and the like. */
const GLOBAL_CALLS = new Set([62, 200, 234, 59, 322, 129, 297, 101, 165, 166])
/** futex operations with a second word: REQUEUE, CMP_REQUEUE, WAKE_OP, WAIT_REQUEUE_PI, CMP_REQUEUE_PI. */
const TWO_WORDS = new Set([3, 4, 5, 11, 12])

const effectsOfExit = (kernel: Kernel, task: Task): Effects => {
  const isLast = task.group.threads.length <= 1
  const ranges = task.clearChildTid === 0 ? [] : rangesOf(kernel, task, task.clearChildTid, 4, WRITES | WAKES)
  return { about: isLast ? CHILDREN | FILES : 0, ranges }
}

const effectsOfCall = (kernel: Kernel, task: Task, number: number, args: ArrayLike<number>): Effects => {
  if (OWN.has(number)) return NOTHING
  if (MAPPING_CALLS.has(number)) return { about: MAPPINGS, ranges: [] }
  if (TASK_CALLS.has(number)) return { about: NUMBERS, ranges: [] }
  if (GLOBAL_CALLS.has(number)) return { about: EVERYTHING, ranges: [] }
  switch (number) {
    case CALL_FUTEX: {
      const ranges = rangesOf(kernel, task, args[0], 4, READS | WAITS)
      // The second word is the fifth argument, which is not kept here: nothing is known of it.
      return TWO_WORDS.has(args[1] & 0x7f) ? { about: EVERYTHING, ranges } : { about: 0, ranges: isWake(args[1]) ? ranges.map((range) => ({ ...range, does: WAKES })) : ranges }
    }
    case CALL_EXIT: return effectsOfExit(kernel, task)
    case CALL_EXIT_GROUP: return { about: EVERYTHING, ranges: [] }
    case CALL_WAIT4: case CALL_WAITID: return { about: CHILDREN, ranges: [] }
    case CALL_READ: case CALL_PREAD: case CALL_RECVFROM: return { about: FILES, ranges: rangesOf(kernel, task, args[1], Math.min(args[2], LONGEST_RANGE), WRITES) }
    case CALL_WRITE: case CALL_PWRITE: case CALL_SENDTO: return { about: FILES, ranges: rangesOf(kernel, task, args[1], Math.min(args[2], LONGEST_RANGE), READS) }
    default: return { about: FILES, ranges: [] }
  }
}

/** FUTEX_WAKE, FUTEX_WAKE_BITSET. */
const isWake = (operation: number): boolean => (operation & 0x7f) === 1 || (operation & 0x7f) === 10

const effectsOfPending = (kernel: Kernel, task: Task, pending: Pending): Effects => pending.kind === 'syscall'
  ? effectsOfCall(kernel, task, pending.number, pending.args)
  : { about: 0, ranges: rangesOf(kernel, task, pending.address, pending.size, (readsMemory(pending.access) ? READS : 0) | (writesMemory(pending.access) ? WRITES : 0)) }

/** Whether it is known what the task will do next that others may notice. If not it has to run up to there, which nobody notices. */
export const isActionKnown = ({ nextAction, syscall }: Task): boolean =>
  // One that was woken in a call goes on with it. What woke it from a futex has decided how that ends.
  nextAction !== undefined || (syscall !== undefined && syscall.number !== CALL_FUTEX)

/** The same, if it turns out that nothing is changed. */
export const asRead = ({ about, ranges }: Effects): Effects => ({ about, ranges: ranges.map((range) => ({ ...range, does: range.does & ~WRITES })) })

/** Of a task that waits until somebody writes there. */
export const readsOf = (kernel: Kernel, task: Task, addresses: readonly number[]): Effects =>
  ({ about: 0, ranges: addresses.flatMap((address) => rangesOf(kernel, task, address - address % 8, 8, READS)) })

/** A number for the word at an address, the same for all tasks that reach it; 0: nobody else does. */
export const wordOf = (kernel: Kernel, task: Task, address: number): number => {
  const page = kernel.watch?.pageAt(task.mm, address)
  return page === undefined ? 0 : page.id * PAGE_SIZE + address % PAGE_SIZE
}

/** What the task will do next, which is known. */
export const nextEffects = (kernel: Kernel, task: Task): Effects => {
  const { nextAction, syscall } = task
  if (nextAction !== undefined) return effectsOfPending(kernel, task, nextAction)
  return syscall === undefined ? NOTHING : effectsOfCall(kernel, task, syscall.number, syscall.args)
}
