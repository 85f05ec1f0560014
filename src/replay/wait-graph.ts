/** Who waits for whom: of tasks that wait for a lock, the one that has it, as far as the lock says so. */
import type { Kernel } from '../kernel/kernel.ts'
import { kernelPid } from '../kernel/task/pid-namespace.ts'
import type { Task } from '../kernel/task/task.ts'
import { peekBytes } from './peek.ts'
import { dataText, symbolizeData } from './symbols.ts'

export interface Wait {
  readonly task: Task
  /** Address of the futex. */
  readonly address: number
  /** 'mutex forks+0x28', 'the end of task 102'. */
  readonly what: string
  /** Undefined: it doesn't say. */
  readonly holder: Task | undefined
}

const SYS_FUTEX = 202
/** linux/futex.h. */
const FUTEX_WAIT = 0, FUTEX_LOCK_PI = 6, FUTEX_WAIT_BITSET = 9, FUTEX_LOCK_PI2 = 13, FUTEX_COMMAND = 127
const FUTEX_WAITERS = 0x8000_0000, FUTEX_TID_MASK = 0x3fff_ffff
/** glibc: the word of a mutex that others wait for, and where its owner's number is beside it (sysdeps/nptl/bits/struct_mutex.h). */
const GLIBC_LOCKED_WITH_WAITERS = 2, GLIBC_OWNER = 8
/** musl: the word of an ordinary mutex that is held, without its owner's number (EBUSY), and where in the mutex it is (src/thread/pthread_mutex_lock.c). */
export const MUSL_LOCKED = 16, MUSL_LOCK = 4

const word = (kernel: Kernel, task: Task, address: number): number | undefined => {
  const bytes = peekBytes(kernel.memory, task.mm, address, 4)
  return bytes.length < 4 ? undefined : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
}

/** A task by the number that programs know it by, of those that share memory with another. */
const companion = (kernel: Kernel, task: Task, tid: number): Task | undefined => {
  const found = kernel.state.tasks.get(kernelPid(task.namespaces.pid, tid))
  return found?.mm === task.mm && found.state !== 'dead' && found.state !== 'zombie' ? found : undefined
}

/** What a task waits for in futex(2); undefined if it doesn't. */
export const waitOf = (kernel: Kernel, task: Task): Wait | undefined => {
  const { syscall } = task
  if (task.state !== 'blocked' || syscall?.number !== SYS_FUTEX) return undefined
  const [address, operation] = syscall.args
  const command = operation & FUTEX_COMMAND
  if (command !== FUTEX_WAIT && command !== FUTEX_WAIT_BITSET && command !== FUTEX_LOCK_PI && command !== FUTEX_LOCK_PI2) return undefined
  const name = dataText(symbolizeData(kernel, task, address))
  const value = word(kernel, task, address) ?? 0
  const named = companion(kernel, task, value & FUTEX_TID_MASK)
  if (named !== undefined) {
    // A number alone is what the kernel clears when the task ends (CLONE_CHILD_CLEARTID): a join.
    const isLock = value >= FUTEX_WAITERS || command === FUTEX_LOCK_PI || command === FUTEX_LOCK_PI2
    return { task, address, what: isLock ? `mutex ${name}` : `the end of task ${named.tid}`, holder: named }
  }
  if (value === GLIBC_LOCKED_WITH_WAITERS) {
    const owner = companion(kernel, task, word(kernel, task, address + GLIBC_OWNER) ?? 0)
    if (owner !== undefined) return { task, address, what: `mutex ${name}`, holder: owner }
  }
  if ((value & FUTEX_TID_MASK) !== MUSL_LOCKED || value < FUTEX_WAITERS) return { task, address, what: `futex ${name}`, holder: undefined }
  return { task, address, what: `mutex ${dataText(symbolizeData(kernel, task, address - MUSL_LOCK))}`, holder: undefined }
}

/** The first cycle, each waiting for the next and the last for the first; empty if there is none. */
export const cycleIn = (waits: readonly Wait[]): Wait[] => {
  const of = new Map(waits.map((wait) => [wait.task, wait]))
  for (const start of waits) {
    const path: Wait[] = []
    for (let wait: Wait | undefined = start; wait !== undefined; wait = wait.holder === undefined ? undefined : of.get(wait.holder)) {
      if (path.includes(wait)) {
        if (wait === start) return path
        break
      }
      path.push(wait)
    }
  }
  return []
}
