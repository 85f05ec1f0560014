/**
 * The program that is fuzzed: one world, put back for each input to where the first byte of it would be read, or, if it comes to choices of
 * the scheduler before that, to the last moment before the first.
 *
 * What an execution does is what a world of its own does that is made with the same input (`worldOf`): up to the snapshot nothing was
 * decided and nothing of the input was looked at. Failures are recorded so.
 */
import { clearCoverage, eachEdge } from '../../../emu/coverage.ts'
import { PAGE_SIZE } from '../../../emu/cpu/layout.ts'
import type { FaultKind, WorldConfig } from '../../../kernel/config.ts'
import type { FileInode } from '../../../kernel/fs/inode.ts'
import { truncateInode, writeInode } from '../../../kernel/fs/inode.ts'
import { lookupIn } from '../../../kernel/fs/setup.ts'
import type { Kernel } from '../../../kernel/kernel.ts'
import type { Entropy, HostFiles } from '../../../kernel/outside.ts'
import { callOfKey } from '../../../kernel/plan/faults.ts'
import { SYSCALL_CYCLES } from '../../../kernel/syscalls/dispatch.ts'
import { createWorld, provideInput, runWorld } from '../../../kernel/world.ts'
import type { TraceEvent } from '../../../trace/events.ts'
import { SeededEntropy, type BytesPosition } from '../../entropy.ts'
import { type FailOn, type Failure, needsOutput, Watch } from '../../explore-failure.ts'
import { CommonEntropy, ChoiceReached, isChoice, resultOfFork } from '../../explore-fork.ts'
import { type End, INPUT_BYTES } from '../../loop.ts'
import type { Machine } from '../../machine.ts'
import { signalName } from '../../signal-name.ts'
import type { SessionConsole, SessionResult } from '../../session.ts'
import { type Snapshot, takeSnapshot } from '../../snapshot.ts'
import { backtrace, type CodeLocation, locationText } from '../../symbols.ts'
import { areaAt } from '../../symbols/modules.ts'
import { type EventSink, Tap, type TapPosition } from '../../tap.ts'
import type { CallRange, Edges, FuzzCase } from './corpus.ts'

/**
 * How a program gets its input: `@@` among its arguments stands for a file with it, or for the input itself ('argv'); a server on its port,
 * by a client that sends it over one connection, or as a datagram ('tcp', 'udp').
 */
export const INPUT_KINDS = ['stdin', 'file', 'argv', 'tcp', 'udp'] as const
export type InputKind = (typeof INPUT_KINDS)[number]

/** What sends the input to a server. */
export interface InputClient {
  /** The program guests/bin/fuzz-send. */
  readonly program: Uint8Array
  readonly port: number
}

export interface TargetOptions {
  /** The arguments may have `@@`. */
  readonly world: WorldConfig
  readonly input: InputKind
  /** Of 'tcp' and 'udp'. */
  readonly client?: InputClient
  readonly machine: Machine
  readonly files: HostFiles
  readonly failOn: FailOn
  /** What system calls may meet; without any, cases have no faults. */
  readonly faults: readonly FaultKind[]
  /** Which mapped files are looked at, by their paths in the guest. */
  readonly covers: (module: string) => boolean
  /** Told of constants in the code that was looked at. */
  readonly onConstant: (low: number, high: number, size: number) => void
}

/** How an execution ended. */
export interface Execution {
  /** Retrograde itself failed. */
  readonly broken: unknown
  readonly failure: FoundFailure | undefined
  /** Cycles since the snapshot. */
  readonly cycles: number
  readonly edges: Edges
  readonly calls: readonly CallRange[]
  readonly wasDrawn: boolean
}

export interface FoundFailure {
  readonly failure: Failure
  /** Where a fatal signal acted, innermost first. */
  readonly frames: readonly string[]
  /** Equal for failures that are taken for one. */
  readonly key: string
}

/** The program that was given can't be fuzzed so; the message says why. */
export class TargetError extends Error {}

export const PLACEHOLDER = '@@'
export const INPUT_PATH = '/tmp/fuzz-input'
const CLIENT_PATH = '/tmp/fuzz-send'
/** Virtual time that a server has to begin. */
const SETTLE_SECONDS = 1
const isServed = (input: InputKind): boolean => input === 'tcp' || input === 'udp'

const SLICES = 32
/** Before the input is read. */
const START_CYCLES = 20e9
/** Frames that tell one crash from another. */
const KEY_FRAMES = 3, MOST_FRAMES = 24, MOST_ENDING = 16
/** Functions by which C libraries and sanitizers end a program: where they were called is of interest. */
const ENDING = /^(_*(pthread_kill\w*|raise|gsignal|abort|kill|fortify_fail|chk_fail|stack_chk_fail|libc_message\w*|assert_fail\w*|malloc_printerr|_GI_\w*)|.*(asan|ubsan|sanitizer|interceptor)\w*.*)$/i
const SANITIZERS = /lib(asan|ubsan|tsan|msan)/

class TargetSink implements EventSink {
  wantsStrings = true
  watch: Watch
  /** The cycle at which the first call was entered that names the input's file. */
  touched = Infinity
  constructor(watch: Watch) { this.watch = watch }
  /** Before a signal kills a task and leaves a core. */
  onCore: (tid: number) => void = () => { /* nobody asks */ }

  event(event: TraceEvent): void {
    this.watch.event(event)
    if (event.type === 'signal' && event.action === 'core') this.onCore(event.tid)
  }

  syscall(_cycle: number, _tid: number, _number: number, _args: unknown, _count: number, strings: readonly (string | undefined)[], _result: number, started: number): void {
    if (this.wantsStrings && strings.includes(INPUT_PATH)) this.touched = Math.min(this.touched, started)
  }

  blob(): number { return 0 }
}

/** Of a server: a crash of any of its processes is one, and how the client ends is nothing. */
class ServerWatch extends Watch {
  #crash: { readonly signal: number, readonly rip: number } | undefined
  override event(event: TraceEvent): void {
    super.event(event)
    if (event.type === 'signal' && event.action === 'core') this.#crash ??= { signal: event.signal, rip: event.rip }
  }

  override judge(result: SessionResult, kernel: Kernel | undefined, failOn: FailOn): Failure | undefined {
    if (this.#crash !== undefined && failOn.kinds.includes('signal')) return { kind: 'signal', status: this.#crash.signal, line: this.lastLine, rip: this.#crash.rip, waits: [] }
    return super.judge(result.outcome === 'exited' ? { ...result, status: 0 } : result, kernel, failOn)
  }
}

const latin1 = (bytes: Uint8Array): string => Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')

/** Numbers in a message need not be the same each time. */
const plainLine = (line: string): string => line.replace(/0x[\da-f]+|\d+/gi, '#')

export const foundFailure = (failure: Failure, frames: readonly CodeLocation[]): FoundFailure => {
  // Behind them are frames of the C library's that have no names.
  const last = frames.slice(0, MOST_ENDING).findLastIndex(({ function: name, module }) => (name !== undefined && ENDING.test(name)) || (module !== undefined && SANITIZERS.test(module)))
  const own = last + 1 < frames.length ? frames.slice(last + 1) : frames
  const where = failure.kind === 'signal' && own.length > 0 ? own.slice(0, KEY_FRAMES).map(({ address }) => address) : [plainLine(failure.line)]
  return { failure, frames: own.map(locationText), key: JSON.stringify([failure.kind, failure.status, failure.waits, where]) }
}

export const foundText = ({ failure, frames }: FoundFailure): string =>
  failure.kind === 'signal' ? `${signalName(failure.status)}${frames.length > 0 ? ` in ${frames[0]}` : ''}` : failure.kind === 'exit' ? `exit status ${failure.status}` : failure.kind

interface Start {
  readonly snapshot: Snapshot
  readonly bytes: BytesPosition
  readonly tap: TapPosition
  readonly watch: Watch
  readonly cycle: number
  readonly inode: FileInode | undefined
}

export class Target {
  readonly #options: TargetOptions
  readonly #sink: TargetSink
  #kernel: Kernel | undefined
  #tap: Tap | undefined
  #entropy: Entropy
  #start: Start | undefined
  #decided = 0
  /** Whether the input of a case is there. */
  #hasInput = false
  /** By key of FaultState.calls, at the snapshot. */
  readonly #callsBefore = new Map<number, number>()
  #crash: readonly CodeLocation[] = []
  /** Cycles that an execution may take. */
  limit = Infinity
  /** Instructions of all executions. */
  executed = 0

  constructor(options: TargetOptions) {
    this.#options = options
    this.#sink = new TargetSink(this.#watch(new Uint8Array(0)))
    this.#entropy = new CommonEntropy(options.world.seed)
    if (isServed(options.input) !== (options.client !== undefined)) throw new TargetError('a server needs a port')
    if ((options.input === 'file' || options.input === 'argv') && !options.world.argv.some((argument) => argument.includes(PLACEHOLDER))) throw new TargetError(`none of the program's arguments has ${PLACEHOLDER}, for which the input stands`)
  }

  #watch(bytes: Uint8Array): Watch {
    const { input, failOn } = this.#options
    return new (isServed(input) ? ServerWatch : Watch)(needsOutput(failOn), input === 'stdin' ? bytes : new Uint8Array(0))
  }

  /** What looks on when the case is recorded; and its console, at which the input is not there yet when it is asked for first, so that the world waits for it. */
  consoleOf(it: FuzzCase): { readonly watch: Watch, readonly console: SessionConsole } {
    const watch = this.#watch(it.bytes)
    let asked = false
    const readInput = (max: number): Uint8Array | undefined => {
      if (asked) return watch.readInput(max)
      asked = true
      return undefined
    }
    return { watch, console: { write: (fd, bytes) => watch.write(fd, bytes), setRaw: () => { /* no terminal */ }, readInput } }
  }

  /** The world of a case, which needs nothing else but its standard input. */
  worldOf({ bytes, faults, scheduleSeed }: FuzzCase, limit = this.limit): WorldConfig {
    const { world, input, faults: kinds } = this.#options
    const nul = bytes.indexOf(0)
    const text = latin1(nul < 0 ? bytes : bytes.subarray(0, nul))
    return {
      ...(isServed(input) ? this.#served(bytes) : world), ...(input === 'stdin' ? { stdio: ['pipe', world.stdio[1], world.stdio[2]] as const } : isServed(input) ? {} : { argv: world.argv.map((argument) => argument.replaceAll(PLACEHOLDER, input === 'file' ? INPUT_PATH : text)) }),
      ...(input === 'file' ? { files: [...world.files, { path: INPUT_PATH, mode: 0o644, content: bytes }] } : {}),
      ...(kinds.length === 0 ? {} : { faults: { list: faults } }), ...(scheduleSeed === undefined ? {} : { scheduleSeed }),
      cycleLimit: Math.min(world.cycleLimit, (this.#start?.cycle ?? 0) + limit),
    }
  }

  /** The world of a server, which ends when the client that sends the input has. */
  #served(bytes: Uint8Array): WorldConfig {
    const { world: { program, argv, env, cwd, uid, gid, mounts, files, attributes, cpus, ...world }, input, client } = this.#options
    if (client === undefined) throw new Error('nobody sends the input')
    const host = {
      name: world.hostname, cpus, program, argv, env, cwd, uid, gid, mounts, ...(attributes === undefined ? {} : { attributes }), main: false,
      files: [...files, { path: INPUT_PATH, mode: 0o644, content: bytes }, { path: CLIENT_PATH, mode: 0o755, content: client.program }],
    }
    return {
      ...world, program, argv: [], env: [], cwd: '/', mounts: [], files: [], uid: 0, gid: 0, cpus, hosts: [host],
      plan: [
        { do: 'wait', seconds: SETTLE_SECONDS },
        { do: 'run', host: world.hostname, name: 'client', program: CLIENT_PATH, argv: ['fuzz-send', input, String(client.port), INPUT_PATH], env: [] }, { do: 'waitExit', name: 'client' },
      ],
    }
  }

  /** Makes the world and runs it to where executions start. @throws TargetError, WorldError */
  prepare(first: FuzzCase): void {
    const { machine, input } = this.#options
    if (input === 'argv') {
      this.#cover(machine)
      return
    }
    this.#sink.wantsStrings = input === 'file' || isServed(input)
    const slices = this.#common(first, Infinity, Infinity)
    // Once more, to right before the instruction SYSCALL; or to before the slice in which there was something to choose.
    if (this.#sink.touched < Infinity) this.#common(first, Infinity, this.#sink.touched - SYSCALL_CYCLES - 1)
    else if (slices < 0) this.#common(first, -slices - 1, Infinity)
    const kernel = this.#world
    this.#sink.wantsStrings = false
    for (const [key, { count }] of kernel.state.faults?.calls ?? []) this.#callsBefore.set(key, count)
    let inode: FileInode | undefined
    if (input === 'file' || isServed(input)) {
      const { namespaces } = kernel.state.hosts[0]
      const place = namespaces === undefined ? undefined : lookupIn(kernel, namespaces.mount, INPUT_PATH)
      if (place === undefined || typeof place === 'number' || place.inode?.kind !== 'file') throw new TargetError(`${INPUT_PATH}, where the input is, was taken away before it was read`)
      inode = place.inode
    }
    this.#cover(machine)
    this.#start = {
      snapshot: takeSnapshot(kernel, machine), bytes: (this.#entropy as CommonEntropy).bytesPosition, tap: (this.#tap as Tap).position(), watch: this.#sink.watch, cycle: kernel.state.now, inode,
    }
  }

  get #world(): Kernel {
    if (this.#kernel === undefined) throw new Error('the world was not made yet')
    return this.#kernel
  }

  #cover(machine: Machine): void {
    machine.processor.cover({
      covers: (page) => {
        const task = this.#kernel?.current
        const module = task === undefined ? undefined : areaAt(task.mm, page * PAGE_SIZE)?.name
        return module !== undefined && module !== CLIENT_PATH && this.#options.covers(module)
      },
      constant: this.#options.onConstant,
    })
  }

  #make(it: FuzzCase): void {
    const { machine, files } = this.#options
    machine.processor.recycle()
    this.#sink.watch = this.#watch(new Uint8Array(0))
    const tap = new Tap({
      entropy: {
        decide: (kind, bound) => {
          this.#decided++
          return this.#entropy.decide(kind, bound)
        },
        randomBytes: (count) => this.#entropy.randomBytes(count),
      },
      files, readInput: (max) => this.#hasInput ? this.#sink.watch.readInput(max) : undefined, write: (fd, bytes) => this.#sink.watch.write(fd, bytes), setRaw: () => { /* no terminal */ },
    }, this.#sink, () => 0)
    this.#sink.onCore = (tid) => {
      const task = this.#kernel?.state.tasks.get(tid)
      if (this.#kernel !== undefined && task !== undefined) this.#crash = backtrace(this.#kernel, task, MOST_FRAMES)
    }
    this.#kernel = undefined
    this.#kernel = createWorld(this.worldOf(it), machine.memory, machine.processor, tap)
    tap.kernel = this.#kernel
    this.#tap = tap
  }

  /**
   * Runs a new world to where the input is read, or could be: to that cycle, so many slices, or the first choice.
   * @returns slices that were run; −1 − slices if a choice came in the middle of the one after them
   */
  #common(first: FuzzCase, slices: number, cycle: number): number {
    this.#entropy = new CommonEntropy(this.#options.world.seed)
    this.#make(first)
    const kernel = this.#world
    const { config } = kernel
    const most = Math.min(cycle, START_CYCLES)
    kernel.config = { ...config, cycleLimit: most }
    let done = 0
    try {
      while (done < slices && !isChoice(kernel.state) && !(cycle === Infinity && this.#sink.touched < Infinity)) {
        const stop = runWorld(kernel, 1)
        if (stop.reason === 'input' && this.#options.input === 'stdin') break
        if (stop.reason === 'timeout' && cycle < Infinity) break
        if (stop.reason === 'input') throw new TargetError('the program waits for its standard input, and the input is elsewhere')
        if (stop.reason === 'timeout') throw new TargetError(`the program did not come to its input in ${START_CYCLES / 1e9} virtual seconds`)
        // It has read the file, and ended, in its last slice.
        if (stop.reason !== 'running') {
          if (this.#sink.touched < Infinity) break
          throw new TargetError(`the program ended without reading its ${this.#options.input === 'stdin' ? 'standard input' : 'input'}${this.#sink.watch.lastLine === '' ? '' : `: ${this.#sink.watch.lastLine}`}`)
        }
        done++
      }
    } catch (error) {
      if (!(error instanceof ChoiceReached)) throw error
      return -1 - done
    }
    kernel.config = config
    return done
  }

  /** Executes a case. */
  run(it: FuzzCase): Execution {
    const { machine, world } = this.#options
    this.#crash = []
    this.#hasInput = true
    const start = this.#start
    let end: End
    const before = start === undefined ? 0 : start.cycle
    try {
      if (start === undefined) {
        this.#entropy = new SeededEntropy(world.seed, it.scheduleSeed ?? world.scheduleSeed)
        clearCoverage(machine.memory)
        this.#sink.wantsStrings = false
        this.#make(it)
      } else {
        start.snapshot.restore()
        this.#world.config = { ...this.#world.config, ...this.#changing(it) }
        this.#tap?.goTo(start.tap)
        this.#entropy = new SeededEntropy(world.seed, it.scheduleSeed ?? world.scheduleSeed, start.bytes)
        this.#sink.watch = this.#watch(it.bytes)
        if (start.inode !== undefined) {
          truncateInode(this.#world, start.inode, 0)
          writeInode(this.#world, start.inode, 0, it.bytes)
        }
        clearCoverage(machine.memory)
      }
      this.#decided = 0
      const from = machine.processor.totalExecuted
      end = this.#toEnd()
      this.executed += machine.processor.totalExecuted - from
    } catch (error) {
      return { broken: error, failure: undefined, cycles: 0, edges: [], calls: [], wasDrawn: false }
    }
    const kernel = this.#world
    const failure = this.#sink.watch.judge(resultOfFork(kernel, end), kernel, this.#options.failOn)
    const edges: number[] = []
    eachEdge(machine.memory, (cell, bucket) => { edges.push(cell * 256 + bucket) })
    return {
      broken: undefined, failure: failure === undefined ? undefined : foundFailure(failure, this.#crash), cycles: kernel.now - before, edges, calls: this.#callsOf(kernel), wasDrawn: this.#decided > 0,
    }
  }

  /** What of the configuration is another in each execution. */
  #changing(it: FuzzCase): Pick<WorldConfig, 'faults' | 'scheduleSeed' | 'cycleLimit'> {
    const { cycleLimit, faults, scheduleSeed } = this.worldOf({ ...it, bytes: new Uint8Array(0) })
    return { cycleLimit, ...(faults === undefined ? {} : { faults }), ...(scheduleSeed === undefined ? {} : { scheduleSeed }) }
  }

  #callsOf(kernel: Kernel): CallRange[] {
    const { faults } = kernel.state
    return faults === undefined ? [] : [...faults.calls].map(([key, { count }]): CallRange => ({ ...callOfKey(key), from: this.#callsBefore.get(key) ?? 0, to: count }))
  }

  #toEnd(): End {
    const kernel = this.#world
    for (;;) {
      const stop = runWorld(kernel, SLICES)
      if (stop.reason === 'input') {
        const bytes = this.#sink.watch.readInput(INPUT_BYTES)
        this.#tap?.tookInput(bytes)
        provideInput(kernel, bytes)
      } else if (stop.reason !== 'running') {
        return { outcome: stop.reason, status: stop.reason === 'exited' ? stop.status : kernel.state.mainStatus }
      }
    }
  }
}
