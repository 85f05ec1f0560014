/**
 * Everything that passes between a world and its outside, as events in order.
 *
 * A tap is the `Outside` of a kernel. It gets answers from its sources (the host, a seed, a trace) and tells a sink what
 * happened: a writer when recording, a comparison when replaying. Both thus see the same events by construction.
 */
import { SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP } from '../kernel/abi/signals.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { ConsoleInput, Entropy, HostConsole, HostDirent, HostFiles, HostStat, Observer, Outside } from '../kernel/outside.ts'
import { SYSCALLS } from '../kernel/syscalls/table.ts'
import { NO_STRINGS } from '../trace/coder.ts'
import type { Task } from '../kernel/task/task.ts'
import type { TraceEvent } from '../trace/events.ts'
import { peekString } from './peek.ts'

export interface EventSink {
  event(event: TraceEvent): void
  /** A system call, of whose registers the first `argCount` are meant. `args` and `strings` are valid during the call only. */
  syscall(cycle: number, tid: number, number: number, args: ArrayLike<number>, argCount: number, strings: readonly (string | undefined)[],
    result: number, started: number): void
  /** The number under which the content of a file goes. */
  blob(content: Uint8Array): number
  /** Whether strings of system calls are worth reading. */
  readonly wantsStrings: boolean
}

/** Where answers come from. `missed` is how often there was no input since the last that was taken. */
export interface Sources {
  readonly entropy: Entropy
  readonly files: HostFiles
  readInput(max: number, missed: number): ConsoleInput | undefined
  /** 0 or a negative errno. */
  write(fd: 1 | 2, bytes: Uint8Array, host: number): number
  setRaw(raw: boolean): void
  /** Once for each number of an unknown system call: for people. */
  onUnknownSyscall?(number: number): void
}

const NO_BYTES = new Uint8Array(0)
/** Random bytes of one event at most, so that no event grows without bound. */
const RANDOM_BYTES = 1 << 16
/** PATH_MAX; other strings are cut to a length that shows what they are. */
const PATH_BYTES = 4096, STRING_BYTES = 256
const SYS_EXECVE = 59, SYS_EXECVEAT = 322

/** Signals that stand for faults have codes from 1 on; SI_KERNEL says that there is no address. */
const FAULT_SIGNALS: ReadonlySet<number> = new Set([SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP])
const SI_KERNEL = 128

interface Strings {
  /** Index of the argument, and how long it may be. */
  readonly args: readonly (readonly [index: number, max: number])[]
  readonly count: number
}

/** By number of the system call: how many arguments it has and which are strings. */
const SIGNATURES: readonly Strings[] = SYSCALLS.map((entry): Strings => ({
  count: entry?.args.length ?? 6,
  args: entry === undefined ? [] : entry.args.flatMap((spec, i): [number, number][] => {
    const type = spec.slice(spec.indexOf(':') + 1)
    return type === 'path' ? [[i, PATH_BYTES]] : type === 'string' ? [[i, STRING_BYTES]] : []
  }),
}))
const UNKNOWN: Strings = { count: 6, args: [] }

export const statToNumbers = ({ dev, ino, mode, nlink, uid, gid, rdev, size, blocks, mtime, atime, ctime }: HostStat): number[] =>
  [dev, ino, mode, nlink, uid, gid, rdev, size, blocks, mtime[0], mtime[1], atime[0], atime[1], ctime[0], ctime[1]]

export const numbersToStat = (n: ArrayLike<number>): HostStat => ({
  dev: n[0], ino: n[1], mode: n[2], nlink: n[3], uid: n[4], gid: n[5], rdev: n[6], size: n[7], blocks: n[8],
  mtime: [n[9], n[10]], atime: [n[11], n[12]], ctime: [n[13], n[14]],
})

export interface TapPosition {
  readonly draws: readonly number[]
  readonly missed: number
  readonly written: readonly number[]
  readonly loaded: readonly (readonly [tid: number, path: string])[]
}

/** What `fd` of output events is more for each further host. */
export const DESCRIPTORS = 4

export class Tap implements Outside {
  readonly entropy: Entropy
  readonly files: HostFiles
  readonly console: HostConsole
  readonly observer: Observer
  /** Known once the world was made: only to look at guest memory and registers. */
  kernel: Kernel | undefined
  /** Told before a signal kills a task of the first program and leaves a core: its registers are as they were. */
  onCore: ((kernel: Kernel, task: Task, signal: number, faultAddress: number | undefined) => void) | undefined
  readonly #sink: EventSink
  readonly #sources: Sources
  readonly #crc32: (bytes: Uint8Array, previous: number) => number
  /** Decisions since the last event. */
  #draws: number[] = []
  #missed = 0
  /** CRC-32 of what was written to each descriptor. */
  readonly #written = [0, 0, 0]
  /** By tid: the path of a program that was just loaded, for the execve that is about to end in new memory. */
  readonly #loaded = new Map<number, string>()
  readonly #strings: (string | undefined)[] = []

  constructor(sources: Sources, sink: EventSink, crc32: (bytes: Uint8Array, previous: number) => number) {
    this.#sources = sources
    this.#sink = sink
    this.#crc32 = crc32
    this.entropy = {
      decide: (kind, bound) => {
        const value = this.#sources.entropy.decide(kind, bound)
        this.#draws.push(value)
        return value
      },
      randomBytes: (count) => this.#randomBytes(count),
    }
    this.files = this.#makeFiles()
    this.console = {
      write: (fd, bytes, host) => this.#write(fd, bytes, host),
      read: (max) => this.readInput(max),
      setRaw: (raw) => { this.#sources.setRaw(raw) },
    }
    this.observer = this.#makeObserver()
  }

  /** Tells the sink, after decisions that no slice followed. */
  emit(event: TraceEvent): void {
    this.flushDraws()
    this.#sink.event(event)
  }

  /** Tells the sink of decisions that no slice followed. */
  flushDraws(): void {
    if (this.#draws.length === 0) return
    const draws = this.#draws
    this.#draws = []
    this.#sink.event({ type: 'draw', draws })
  }

  /** What it keeps of what has passed, to be given to `goTo`. */
  position(): TapPosition {
    return { draws: [...this.#draws], missed: this.#missed, written: [...this.#written], loaded: [...this.#loaded] }
  }

  /** The world was put back to where it was then. */
  goTo({ draws, missed, written, loaded }: TapPosition): void {
    this.#draws = [...draws]
    this.#missed = missed
    this.#written.length = 0
    this.#written.push(...written)
    this.#loaded.clear()
    for (const [tid, path] of loaded) this.#loaded.set(tid, path)
  }

  /** Input that is there, if any: what the kernel asks for, and the session when the world waits for it. */
  readInput(max: number): ConsoleInput | undefined {
    const input = this.#sources.readInput(max, this.#missed)
    if (input === undefined) this.#missed++
    else this.tookInput(input)
    return input
  }

  /** The session waited for input in vain. */
  missedInput(): void { this.#missed++ }

  tookInput(input: ConsoleInput): void {
    if (input instanceof Uint8Array) this.emit({ type: 'input', missed: this.#missed, bytes: input.length === 0 ? undefined : input })
    else this.emit({ type: 'resize', missed: this.#missed, rows: input.rows, columns: input.columns })
    this.#missed = 0
  }

  #randomBytes(count: number): Uint8Array {
    // What was drawn before comes before in the trace, from which the answer may come.
    this.flushDraws()
    const all = new Uint8Array(count)
    for (let done = 0; done < count;) {
      const bytes = this.#sources.entropy.randomBytes(Math.min(count - done, RANDOM_BYTES))
      this.emit({ type: 'random', bytes })
      all.set(bytes, done)
      done += bytes.length
    }
    return all
  }

  #write(fd: 1 | 2, bytes: Uint8Array, host: number): number {
    const error = this.#sources.write(fd, bytes, host)
    // Descriptors of the first host are known by their numbers, those of the others by higher ones.
    const stream = fd + host * DESCRIPTORS
    while (this.#written.length <= stream) this.#written.push(0)
    this.#written[stream] = this.#crc32(bytes, this.#written[stream])
    this.emit({ type: 'output', fd: stream, length: bytes.length, hash: this.#written[stream], error })
    return error
  }

  #makeFiles(): HostFiles {
    const { files } = this.#sources
    return {
      lstat: (mount, path) => {
        this.flushDraws()
        const answer = files.lstat(mount, path)
        const stat = typeof answer === 'number' ? answer : statToNumbers(answer)
        this.emit({ type: 'lstat', mount, path, stat })
        // What the source may share between answers must not be shared in the state of the world.
        return typeof stat === 'number' ? stat : numbersToStat(stat)
      },
      readdir: (mount, path) => {
        this.flushDraws()
        const entries: readonly HostDirent[] | number = files.readdir(mount, path)
        this.emit({ type: 'readdir', mount, path, entries })
        return entries
      },
      readlink: (mount, path) => {
        this.flushDraws()
        const target = files.readlink(mount, path)
        this.emit({ type: 'readlink', mount, path, target })
        return target
      },
      readFile: (mount, path) => {
        this.flushDraws()
        const content = files.readFile(mount, path)
        this.emit({ type: 'readFile', mount, path, blob: typeof content === 'number' ? content : this.#sink.blob(content) })
        return content
      },
    }
  }

  #makeObserver(): Observer {
    return {
      onSlice: (cycle, cpu, tid, budget) => {
        const draws = this.#draws
        if (draws.length > 0) this.#draws = []
        this.#sink.event({ type: 'slice', cpu, cycle, tid, draws, budget })
      },
      onSyscall: (cycle, tid, number, args, result, started) => { this.#syscall(cycle, tid, number, args, result, started) },
      onSignal: (cycle, tid, signal, code, action) => {
        const whereabouts = this.#whereabouts(tid, signal, code)
        const task = action === 'core' ? this.kernel?.state.tasks.get(tid) : undefined
        if (this.kernel !== undefined && task !== undefined && task.group.tgid === this.kernel.state.mainPid) this.onCore?.(this.kernel, task, signal, whereabouts.isFault ? whereabouts.address : undefined)
        const { rip, address } = whereabouts
        this.emit({ type: 'signal', cycle, tid, signal, code, action, rip, address })
      },
      onTaskStart: (cycle, tid, parent, tgid) => { this.emit({ type: 'taskStart', cycle, tid, parent, tgid }) },
      onTaskExit: (cycle, tid, status) => {
        this.#loaded.delete(tid)
        this.emit({ type: 'taskExit', cycle, tid, status })
      },
      onExec: (cycle, tid, path) => {
        this.#loaded.set(tid, path)
        this.emit({ type: 'exec', cycle, tid, path })
      },
      onFault: (cycle, tid, fault, number) => { this.emit({ type: 'fault', cycle, tid, fault, number }) },
      onInterface: (cycle, number, name, kind, mac, net) => { this.emit({ type: 'interface', cycle, number, name, kind, mac: mac.slice(), net }) },
      onPacket: (cycle, number, fate, packet, frame) => {
        this.emit({ type: 'packet', cycle, interface: number, delivered: fate === 'delivered' ? 1 : 0, packet, frame: frame ?? NO_BYTES })
      },
      onUnknownSyscall: (cycle, tid, number) => {
        this.#sources.onUnknownSyscall?.(number)
        this.emit({ type: 'unknownSyscall', cycle, tid, number })
      },
    }
  }

  /** Where a task is when a signal acts on it, and what address a fault is about. */
  #whereabouts(tid: number, signal: number, code: number): { rip: number, address: number, isFault: boolean } {
    const task = this.kernel?.loadedTask
    if (this.kernel === undefined || task?.tid !== tid) return { rip: 0, address: 0, isFault: false }
    const { rip } = this.kernel.processor.cpu
    const isFault = code > 0 && code < SI_KERNEL && FAULT_SIGNALS.has(signal)
    return { rip, address: !isFault ? 0 : signal === SIGSEGV || signal === SIGBUS ? task.faultAddress : rip, isFault }
  }

  #syscall(cycle: number, tid: number, number: number, args: ArrayLike<number>, result: number, started: number): void {
    if (this.#draws.length > 0) this.flushDraws()
    const signature = SIGNATURES[number] ?? UNKNOWN
    let strings = NO_STRINGS
    if (signature.args.length > 0 && this.#sink.wantsStrings) strings = this.#readStrings(tid, number, args, result, signature)
    this.#sink.syscall(cycle, tid, number, args, signature.count, strings, result, started)
  }

  #readStrings(tid: number, number: number, args: ArrayLike<number>, result: number, signature: Strings): readonly (string | undefined)[] {
    const strings = this.#strings
    strings.length = 0
    if ((number === SYS_EXECVE || number === SYS_EXECVEAT) && result === 0) {
      // The memory that held the path is gone.
      strings.push(this.#loaded.get(tid))
      this.#loaded.delete(tid)
      return strings
    }
    const task = this.kernel?.state.tasks.get(tid)
    for (const [index, max] of signature.args) {
      strings.push(task === undefined || this.kernel === undefined || args[index] === 0 ? undefined : peekString(this.kernel.memory, task.mm, args[index], max))
    }
    return strings
  }
}
