/**
 * Everything that reaches the kernel from outside the world, and everything that it tells the outside.
 *
 * A world is a pure function of its configuration, its seed and what these interfaces return. `src/replay` implements
 * them: recording draws from a seeded generator or asks the host and logs the answer; replay answers from the trace.
 * The kernel must call them in a deterministic order, and must not cache their answers anywhere but in its own plain state.
 */

/** What a draw is for; the name is in the trace. */
export type DecisionKind =
  /** Which of the runnable tasks a virtual CPU takes: an index into the runqueue. */
  | 'pick'
  /** What happens to a frame on a link: whether it is lost, damaged … */
  | 'packet'
  /** How many cycles a task runs before the scheduler looks again. */
  | 'slice'
  /** Strategy 'pct': the priority of a task, and when one falls. */
  | 'priority' | 'change'
  /** Whether a system call meets a fault, and how short a transfer is. */
  | 'fault'
  /** How many stores of a task come to memory (config.memoryModel 'tso'). */
  | 'stores'

export interface Entropy {
  /** An integer in [0, bound). */
  decide(kind: DecisionKind, bound: number): number
  /** getrandom, /dev/urandom, AT_RANDOM, RDRAND. */
  randomBytes(count: number): Uint8Array
}

/** Linux's struct stat of a host file, in numbers. Times are [seconds, nanoseconds]. */
export interface HostStat {
  readonly dev: number
  readonly ino: number
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  readonly size: number
  readonly blocks: number
  readonly atime: readonly [number, number]
  readonly mtime: readonly [number, number]
  readonly ctime: readonly [number, number]
}

/**
 * Read-only view of files outside. `mount` is an index into the configuration's list of mounts, `path` is relative to
 * that mount's host directory ('' is the directory itself). Failures are negative errno numbers.
 * The kernel asks once for each thing and keeps the answer, so that the world sees one consistent state.
 */
export interface HostFiles {
  lstat(mount: number, path: string): HostStat | number
  /** Names without '.' and '..', in the host's order; the kernel sorts nothing, the implementation sorts by code unit so that order does not depend on the host. */
  readdir(mount: number, path: string): readonly HostDirent[] | number
  readlink(mount: number, path: string): string | number
  /** The whole content of a regular file. */
  readFile(mount: number, path: string): Uint8Array | number
}
/** type is d_type of getdents64 (DT_REG = 8, DT_DIR = 4, DT_LNK = 10 …). Names are byte strings as latin1, so that any file name survives. */
export interface HostDirent { readonly name: string, readonly type: number }

/** The terminal outside has this size from now on. */
export interface TerminalSize { readonly rows: number, readonly columns: number }
/** What comes in: bytes, none at the end of the input; or another size of the terminal. */
export type ConsoleInput = Uint8Array | TerminalSize

/** The three standard descriptors outside. */
export interface HostConsole {
  /** Bytes of guest output, of the host with that index. 0, or a negative errno: −EPIPE when the reader is gone. */
  write(fd: 1 | 2, bytes: Uint8Array, host: number): number
  /**
   * Input that has arrived: up to `max` bytes; an empty array at the end of the input; undefined if nothing is there yet
   * (the kernel then says so to the world loop, which waits for the host when every task is blocked).
   */
  read(max: number): ConsoleInput | undefined
  /** Guest programs put the terminal in raw mode and back; only meaningful if the configuration says that stdin is a terminal. */
  setRaw(raw: boolean): void
}

/** Told of all that happens, in order. `cycle` is the virtual time of the CPU on which it happens. */
export interface Observer {
  /** A virtual CPU starts to run a task for at most `budget` cycles. */
  onSlice(cycle: number, cpu: number, tid: number, budget: number): void
  /** A system call ended; `args` are its six registers as signed numbers (valid during the call only), `result` what rax holds afterwards. Calls that do not return (exit, exit_group, rt_sigreturn) are told with result 0 when they take effect; interrupted ones with −ERESTART* (512 …), as strace shows them. `started` is the cycle at which it was entered. */
  onSyscall(cycle: number, tid: number, number: number, args: ArrayLike<number>, result: number, started: number): void
  /** A signal acts on a task: by a handler, its default action, or not at all. */
  onSignal(cycle: number, tid: number, signal: number, code: number, action: 'handler' | 'ignore' | 'terminate' | 'core' | 'stop' | 'continue'): void
  /** A task was made (clone, fork, vfork). */
  onTaskStart(cycle: number, tid: number, parent: number, tgid: number): void
  /** A task is gone; status as wait4 gives it. */
  onTaskExit(cycle: number, tid: number, status: number): void
  /** A program was loaded by execve. */
  onExec(cycle: number, tid: number, path: string): void
  /** Once for each number of an unknown system call. */
  onUnknownSyscall(cycle: number, tid: number, number: number): void
  /** Before the first packet of an interface: its name, kind (ARPHRD_*) and hardware address; `net` tells its namespace from others. */
  onInterface?(cycle: number, number: number, name: string, type: number, mac: Uint8Array, net: number): void
  /** A frame was sent by an interface, or came to one. `packet` counts what was sent; `frame` of what was delivered only if it is not as it was sent. */
  /** A system call meets a fault of the configuration. */
  onFault?(cycle: number, tid: number, fault: string, number: number): void
  onPacket?(cycle: number, interfaceNumber: number, fate: 'sent' | 'delivered', packet: number, frame: Uint8Array | undefined): void
}

export interface Outside {
  readonly entropy: Entropy
  readonly files: HostFiles
  readonly console: HostConsole
  readonly observer: Observer
}
