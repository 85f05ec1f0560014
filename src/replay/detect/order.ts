/**
 * Happens-before: a vector clock for each task, and for each thing by which tasks order each other.
 *
 * - Memory: locked instructions (LOCK, XCHG) and futexes acquire and release the word that they work on. From then on it is a
 *   synchronisation variable, whose plain reads acquire and whose plain writes release, as what unlocks with a store, or asks
 *   with a load, is a MOV like any other (see races.ts).
 * - The kernel: starting and ending tasks, wait4, waking, signals, and what is written to files, pipes and sockets and read there.
 */
import type { Inode } from '../../kernel/fs/inode.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { SYSCALLS } from '../../kernel/syscalls/table.ts'
import type { Task, ThreadGroup } from '../../kernel/task/task.ts'
import type { Ordering } from '../../kernel/watch/memory-watch.ts'
import type { OrderTracer } from '../../kernel/watch/tracer.ts'
import { advance, join, knows, type VectorClock } from './clock.ts'

/** What a task did that others may be ordered after, when its clock went on. */
export interface Release {
  /** The task's clock before. */
  readonly time: number
  readonly what: string
  /** Of the word in memory, 0 if it is none. */
  readonly address: number
  readonly cycle: number
}

export interface Thread {
  readonly index: number
  readonly tid: number
  readonly clock: VectorClock
  /** The last ones. */
  readonly releases: Release[]
}

const MOST_RELEASES = 64

/** Calls whose first argument is a descriptor: those that tell others something, and those that learn of it. */
const SENDS = new Set(['write', 'pwrite64', 'writev', 'pwritev', 'pwritev2', 'sendto', 'sendmsg', 'sendmmsg', 'sendfile', 'splice', 'tee', 'vmsplice', 'ftruncate',
  'shutdown', 'close', 'connect', 'mq_timedsend', 'fcntl', 'flock', 'timerfd_settime', 'epoll_ctl'])
const RECEIVES = new Set(['read', 'pread64', 'readv', 'preadv', 'preadv2', 'recvfrom', 'recvmsg', 'recvmmsg', 'accept', 'accept4', 'splice', 'tee', 'mq_timedreceive',
  'fcntl', 'flock', 'epoll_wait', 'epoll_pwait', 'epoll_pwait2'])
const SYSTEM_V = new Set(['semop', 'semtimedop', 'semctl', 'msgsnd', 'msgrcv', 'msgctl'])
const numbersOf = (names: ReadonlySet<string>): ReadonlySet<number> => new Set(SYSCALLS.flatMap((entry) => entry !== undefined && names.has(entry.name) ? [entry.number] : []))
const SENDING = numbersOf(SENDS), RECEIVING = numbersOf(RECEIVES), SYSTEM_V_CALLS = numbersOf(SYSTEM_V)
const WAITING = numbersOf(new Set(['wait4', 'waitid']))

/** Sockets are not told apart: what was sent on any is before what is received on any. */
const SOCKETS = {}
const SYSTEM_V_OBJECTS = {}

export class Order implements Ordering, OrderTracer {
  protected readonly kernel: Kernel
  readonly threads: Thread[] = []
  /** By inode and the like. */
  readonly #objects = new WeakMap<object, VectorClock>()
  /** By tgid of the parent: what its children that have ended did. */
  readonly #ended = new Map<number, VectorClock>()

  constructor(kernel: Kernel) {
    this.kernel = kernel
  }

  thread(task: Task): Thread {
    let thread = this.threads[task.index] as Thread | undefined
    if (thread === undefined) {
      thread = { index: task.index, tid: task.tid, clock: [], releases: [] }
      advance(thread.clock, task.index)
      this.threads[task.index] = thread
    }
    return thread
  }

  clock(task: Task): number { return this.thread(task).clock[task.index] }
  isBefore(owner: number, since: number, task: Task): boolean { return knows(this.thread(task).clock, owner, since) }

  /** What the task did so far is before whatever acquires the clock that was released to. */
  protected tick(thread: Thread, what: string, address = 0): void {
    const { releases } = thread
    if (releases.length >= MOST_RELEASES) releases.shift()
    releases.push({ time: thread.clock[thread.index], what, address, cycle: this.kernel.state.cycle })
    advance(thread.clock, thread.index)
    this.kernel.watch?.newEpoch()
  }

  #release(task: Task, object: object, what: string): void {
    const thread = this.thread(task)
    const known = this.#objects.get(object)
    if (known === undefined) this.#objects.set(object, thread.clock.slice())
    else join(known, thread.clock)
    this.tick(thread, what)
  }

  #acquire(task: Task, object: object): void {
    const known = this.#objects.get(object)
    if (known !== undefined) join(this.thread(task).clock, known)
  }

  // ——— Told by the kernel ———

  taskStarted(parent: Task, child: Task): void {
    const thread = this.thread(parent)
    const clock = thread.clock.slice()
    advance(clock, child.index)
    this.threads[child.index] = { index: child.index, tid: child.tid, clock, releases: [] }
    this.tick(thread, `start of task ${child.tid}`)
  }

  taskEnds(task: Task): void {
    const thread = this.thread(task)
    const parent = task.group.parent
    const known = this.#ended.get(parent)
    if (known === undefined) this.#ended.set(parent, thread.clock.slice())
    else join(known, thread.clock)
    this.#release(task, task.group, 'end')
  }

  woke(waker: Task | undefined, woken: Task): void {
    if (waker === undefined || waker === woken) return
    const thread = this.thread(waker)
    join(this.thread(woken).clock, thread.clock)
    this.tick(thread, `waking task ${woken.tid}`)
  }

  signalSent(sender: Task | undefined, target: Task | ThreadGroup): void {
    if (sender !== undefined) this.#release(sender, target.pending, 'signal')
  }

  signalTaken(task: Task): void {
    this.#acquire(task, task.pending)
    this.#acquire(task, task.group.pending)
  }

  callEnded(task: Task, number: number, args: ArrayLike<number>, result: number): void {
    if (result < 0) return
    if (WAITING.has(number)) {
      const known = this.#ended.get(task.group.tgid)
      if (known !== undefined) join(this.thread(task).clock, known)
    } else if (SYSTEM_V_CALLS.has(number)) {
      this.#acquire(task, SYSTEM_V_OBJECTS)
      this.#release(task, SYSTEM_V_OBJECTS, SYSCALLS[number]?.name ?? '')
    }
    const receives = RECEIVING.has(number), sends = SENDING.has(number)
    if (!receives && !sends) return
    const file = task.files.slots[args[0]]?.file
    if (file === undefined) return
    const object: Inode | typeof SOCKETS = file.kind === 'socket' ? SOCKETS : file.inode
    if (receives) this.#acquire(task, object)
    if (sends) this.#release(task, object, SYSCALLS[number]?.name ?? '')
  }
}
