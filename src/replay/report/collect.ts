/** Makes a report of a trace: replays it, with an eye on who runs, what is accessed, and where tasks stand when they are switched. */
import { KIND_READ, KIND_UPDATE, writesMemory } from '../../emu/watch.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { ownCycles } from '../../kernel/sched/script.ts'
import type { Task } from '../../kernel/task/task.ts'
import { SYSCALLS } from '../../kernel/syscalls/table.ts'
import { watchMemory } from '../../kernel/watch/memory-watch.ts'
import type { TraceEvent } from '../../trace/events.ts'
import type { TraceCodecs } from '../../trace/format.ts'
import type { TraceReader } from '../../trace/reader.ts'
import { eventTextInWorld } from '../describe.ts'
import { raceLine, raceLines } from '../detect/race-report.ts'
import { DEFAULT_FAIL_ON, type FailOn, failureText, needsOutput, Watch } from '../explore-failure.ts'
import { startReplay, worldOf } from '../replay.ts'
import type { Engine, ReplayResult, Session, SessionClock } from '../session.ts'
import { cycleIn, type Wait, waitOf } from '../wait-graph.ts'
import { racesIn } from '../trace-races.ts'
import { backtrace, type CodeLocation, locationText, placeText } from '../symbols.ts'
import { AccessLog, MOST_VARIABLES, type SeenAccess } from './accesses.ts'
import type { Entry, Place, Report, SourceExcerpt, Stretch, StretchEnd, Thread } from './model.ts'

export interface ReportOptions {
  readonly trace: TraceReader
  readonly engine: Engine
  readonly clock: SessionClock
  readonly codecs: TraceCodecs
  readonly failOn?: FailOn
  /** A source file's text, if it can be read. */
  readonly readSource: (path: string) => string | undefined
  /** Which preemption (from 0) the nearest schedule that passes does without, if that is known. */
  readonly passing?: { readonly dropped: number, readonly how: string } | undefined
}

/** The trace can't be reported on; the message says why. */
export class ReportError extends Error {}

const SYS_SCHED_YIELD = 24
const SOURCE_BEFORE = 3, SOURCE_AFTER = 2
const MOST_FRAMES = 12
/** Stretches beyond are left out in the middle, entries of a stretch too. */
const FIRST_STRETCHES = 20, LAST_STRETCHES = 100
const FIRST_ENTRIES = 5, LAST_ENTRIES = 9
const OUTPUT_TAIL = 2000
const LONGEST_TEXT = 110
const SHOWN: ReadonlySet<TraceEvent['type']> = new Set(['syscall', 'signal', 'taskStart', 'exec', 'unknownSyscall'])
/** What C libraries do to start programs and threads, and to end them; other events tell of it. Shown if it fails. */
const ROUTINE: ReadonlySet<string | undefined> = new Set(['arch_prctl', 'set_tid_address', 'set_robust_list', 'rseq', 'rt_sigprocmask', 'mmap', 'munmap', 'mprotect', 'madvise', 'brk',
  'prlimit64', 'getrandom', 'clone', 'clone3', 'fork', 'vfork', 'exit', 'rt_sigreturn', 'gettid', 'getpid'])

interface OrderedEntry extends Entry { readonly order: number }

interface OpenStretch {
  readonly task: Task
  readonly index: number
  readonly cpu: number
  readonly cycle: number
  readonly from: number
  readonly entries: OrderedEntry[]
}

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1)
const sourceAt = (place: CodeLocation | undefined): string | undefined => place?.file === undefined ? undefined : `${baseName(place.file)}:${place.line}`

/** Numbers as programs mean them, as far as can be told. */
const valueText = (value: number | undefined, size: number): string => {
  if (value === undefined) return ''
  const signed = size === 4 && value >= 2 ** 31 ? value - 2 ** 32 : size === 8 && value >= 2 ** 63 ? value - 2 ** 64 : value
  return Math.abs(signed) < 1e6 ? String(signed) : `0x${value.toString(16)}`
}

/** What is the same many times in a row, as one: a loop that waits. */
const joined = (entries: readonly OrderedEntry[]): OrderedEntry[] => {
  const result: OrderedEntry[] = []
  let count = 1
  for (const [i, entry] of entries.entries()) {
    const next = entries.at(i + 1)
    if (i + 1 < entries.length && next?.kind === entry.kind && next.text === entry.text && next.at === entry.at) {
      count++
      continue
    }
    result.push(count === 1 ? entry : { ...entry, text: `${entry.text} (${count} times)` })
    count = 1
  }
  return result
}

/** A call's beginning and result say enough. */
const shortened = (text: string): string => text.length <= LONGEST_TEXT ? text : `${text.slice(0, LONGEST_TEXT - 30)} … ${text.slice(-25)}`

class Collector {
  readonly #options: ReportOptions
  readonly #sources = new Map<string, readonly string[] | undefined>()
  readonly threads: Thread[] = []
  readonly #threadOf = new Map<number, number>()
  readonly stretches: Omit<Stretch, 'entries'>[] = []
  readonly entries: OrderedEntry[][] = []
  #open: OpenStretch | undefined
  #order = 0
  #yieldedAt = -1
  #cpuHz = 1
  kernel: Kernel | undefined
  log: AccessLog | undefined

  constructor(options: ReportOptions) { this.#options = options }

  start(kernel: Kernel): void {
    this.kernel = kernel
    this.#cpuHz = kernel.config.cpuHz
    this.log = new AccessLog(kernel, () => this.#order++)
    watchMemory(kernel, { everything: true }).listen(this.log)
  }

  // ——— Sources ———

  #linesOf(file: string): readonly string[] | undefined {
    if (!this.#sources.has(file)) this.#sources.set(file, this.#options.readSource(file)?.split('\n'))
    return this.#sources.get(file)
  }

  #excerpt({ file, line }: CodeLocation): SourceExcerpt | undefined {
    if (file === undefined || line === undefined) return undefined
    const all = this.#linesOf(file)
    const first = Math.max(1, line - SOURCE_BEFORE)
    const lines = all === undefined || line > all.length ? [] : all.slice(first - 1, line + SOURCE_AFTER).map((text, i) => ({ number: first + i, text }))
    return { file, line, lines }
  }

  /**
   * Where a task stands. What belongs to no source line on the way is left out, if there is a source line.
   * @param last the access that it was preempted after: the next instruction may be of another line
   */
  #placeOf(task: Task, last: CodeLocation | undefined): Place | undefined {
    if (this.kernel === undefined || task.state === 'zombie' || task.state === 'dead') return undefined
    const all = backtrace(this.kernel, task, MOST_FRAMES)
    const frames = all.slice(Math.max(0, all.findIndex(({ file }) => file !== undefined)))
    const [first] = frames as [CodeLocation | undefined, ...CodeLocation[]]
    const thread = this.#thread(task)
    const start = all.findLast(({ file, function: name }) => file !== undefined && name !== undefined)?.function
    if (this.threads[thread].start === undefined && start !== undefined) this.threads[thread] = { ...this.threads[thread], start }
    if (first === undefined) return undefined
    if (last?.file !== undefined && last.module === first.module) return { text: `after ${locationText(last)}`, frames: frames.map(locationText), source: this.#excerpt(last) }
    // Of what comes from a header, the line that uses it says more.
    const outer = frames.find(({ isInlined }) => isInlined !== true)
    const shown = outer?.file !== undefined && outer.file !== first.file ? outer : first
    return { text: placeText(frames), frames: frames.map(locationText), source: this.#excerpt(shown) }
  }

  // ——— Events ———

  #hostOf({ namespaces }: Task): string | undefined {
    const hosts = this.kernel?.config.hosts ?? []
    return hosts.length > 1 ? hosts.at(namespaces.host)?.name : undefined
  }

  #thread(task: Task): number {
    let number = this.#threadOf.get(task.index)
    if (number === undefined) {
      number = this.threads.push({ index: task.index, tid: task.tid, name: task.name, host: this.#hostOf(task), start: undefined }) - 1
      this.#threadOf.set(task.index, number)
    }
    return number
  }

  event(event: TraceEvent): void {
    const { kernel } = this
    if (kernel === undefined) return
    this.log?.settle()
    if (event.type === 'slice') {
      const task = kernel.state.tasks.get(event.tid)
      if (task !== undefined) this.#slice(task, event.cpu, event.cycle)
      return
    }
    if (event.type === 'syscall' && event.number === SYS_SCHED_YIELD && this.#open?.task.tid === event.tid) this.#yieldedAt = ownCycles(this.#open.task)
    const open = this.#open
    if (open === undefined || !SHOWN.has(event.type)) return
    if (event.type === 'syscall' && event.result >= 0 && ROUTINE.has(SYSCALLS[event.number]?.name)) return
    const kind = event.type === 'syscall' || event.type === 'unknownSyscall' ? 'call' : event.type === 'signal' ? 'signal' : 'task'
    const text = event.type === 'taskStart' ? `starts task ${event.tid}` : shortened(eventTextInWorld(event, kernel))
    open.entries.push({ order: this.#order++, kind, text, at: undefined, variable: undefined, isWrite: false })
  }

  #slice(task: Task, cpu: number, cycle: number): void {
    const open = this.#open
    if (open !== undefined) {
      const isReady = open.task.state === 'runnable' || open.task.state === 'running'
      const yielded = this.#yieldedAt === ownCycles(open.task)
      // Nobody took the turn that it gave up.
      if (open.task === task && isReady) return
      this.#close(cycle, isReady ? yielded ? 'yields' : 'preempted' : open.task.state === 'zombie' || open.task.state === 'dead' ? 'ends' : 'waits')
    }
    this.#yieldedAt = -1
    this.#open = { task, index: this.stretches.length, cpu, cycle, from: ownCycles(task), entries: [] }
    if (this.log !== undefined) this.log.stretch = this.stretches.length
  }

  /** @param until the cycle at which the next stretch begins */
  #close(until: number, end: StretchEnd): void {
    const { task, cpu, cycle, from, entries } = this.#open as OpenStretch
    const stop = end === 'ends' ? undefined : this.#placeOf(task, end === 'preempted' ? this.log?.lastIn(this.stretches.length, entries.at(-1)?.order ?? -1) : undefined)
    const thread = this.#thread(task)
    this.stretches.push({ thread, cpu, seconds: cycle / this.#cpuHz, cycles: end === 'ends' ? Math.max(0, until - cycle) : ownCycles(task) - from, end, stop })
    this.entries.push(entries)
    this.#open = undefined
  }

  end(): void {
    this.log?.settle()
    if (this.#open !== undefined) this.#close(this.kernel?.now ?? 0, this.#open.task.state === 'blocked' ? 'waits' : this.#open.task.state === 'zombie' || this.#open.task.state === 'dead' ? 'ends' : 'end of the run')
  }

  /** All that happened in a stretch, in its order, with accesses to the variables that matter. */
  merged(stretch: number, variables: readonly number[]): Entry[] {
    const { log } = this
    if (log === undefined) return this.entries[stretch]
    // Who looks at a lock, and how often, is of no interest: who takes it is.
    const accesses = log.of(stretch).filter(({ word, kind }) => variables.includes(word) && !(kind === KIND_READ && log.isLock(word))).map((access): OrderedEntry => ({
      order: access.order, kind: 'access', text: this.#accessText(access), at: sourceAt(log.place(access.rip)), variable: variables.indexOf(access.word), isWrite: writesMemory(access.kind),
    }))
    const all = joined([...this.entries[stretch], ...accesses].sort((a, b) => a.order - b.order))
    const left = all.length - FIRST_ENTRIES - LAST_ENTRIES
    const plain = (entries: readonly OrderedEntry[]): Entry[] => entries.map(({ order: _order, ...entry }) => entry)
    if (left <= 1) return plain(all)
    const more: Entry = { kind: 'more', text: `${left} more`, at: undefined, variable: undefined, isWrite: false }
    return [...plain(all.slice(0, FIRST_ENTRIES)), more, ...plain(all.slice(-LAST_ENTRIES))]
  }

  /** Threads in the order of their creation; `stretches` name them by place in it. */
  named(): Thread[] {
    const { log } = this
    const order = this.threads.map((_, i) => i).sort((a, b) => this.threads[a].index - this.threads[b].index)
    for (const [i, stretch] of this.stretches.entries()) {
      const thread = this.threads[stretch.thread]
      const place = log?.of(i).map(({ rip }) => log.place(rip)).find((location) => location?.file !== undefined)
      if (thread.start === undefined && place?.function !== undefined) this.threads[stretch.thread] = { ...thread, start: place.function }
    }
    const placeOf = order.map((_, old) => order.indexOf(old))
    for (const [i, stretch] of this.stretches.entries()) this.stretches[i] = { ...stretch, thread: placeOf[stretch.thread] }
    return order.map((old) => this.threads[old])
  }

  #accessText({ word, kind, size, before, after }: SeenAccess): string {
    const name = this.log?.nameOf(word) ?? ''
    if (kind === KIND_READ) return `reads ${name}: ${valueText(before, size)}`
    const written = `${valueText(after, size)}`
    if (kind === KIND_UPDATE && before === 0 && after !== 0) return `takes ${name}`
    if (kind === KIND_UPDATE && before !== 0 && after === 0) return `gives back ${name}`
    if (kind === KIND_UPDATE) return before === after ? `tries ${name}: is ${valueText(before, size)}` : `changes ${name}: ${valueText(before, size)} → ${written} (atomically)`
    if (this.kernel?.config.memoryModel === 'tso' && before === undefined) return `stores ${name} (in its buffer, until that is emptied)`
    return before === undefined ? `writes ${name}: ${written}` : `changes ${name}: ${valueText(before, size)} → ${written}`
  }
}

/** All but the given things that a replay needs. */
const replayOf = ({ trace, engine, clock, codecs }: ReportOptions, more: { onEvent?: (event: TraceEvent) => void, output?: (fd: 1 | 2, bytes: Uint8Array) => void } = {}): Session<ReplayResult> =>
  startReplay({ trace, engine, clock, codecs, mode: 'drive', compareHashes: false, ...more })

const runOf = function* (session: Session<ReplayResult>): Generator<undefined, ReplayResult> {
  let result = session.advance()
  while (result === undefined) {
    yield undefined
    result = session.advance()
  }
  return result
}

/** Who has the locks that tasks wait for when the world has ended, where that is not in the lock itself. */
const lockLines = (kernel: Kernel, log: AccessLog | undefined): string[] => {
  const waits = [...kernel.state.tasks.values()].flatMap((task) => waitOf(kernel, task) ?? [])
  if (log === undefined || waits.every(({ holder }) => holder !== undefined)) return []
  const lines: string[] = []
  const known = waits.map((wait): Wait => {
    const taker = wait.holder === undefined && wait.what.startsWith('mutex') ? log.takerOf(wait.address) : undefined
    if (taker === undefined) return wait
    const { place } = taker
    lines.push(`  ${wait.what} is held by task ${taker.task.tid}${place === undefined ? '' : `, which took it at ${place}`}`)
    return { ...wait, holder: taker.task }
  })
  const cycle = cycleIn(known)
  if (cycle.length > 0) lines.push(`  cycle: ${cycle.map(({ task, what, holder }) => `task ${task.tid} waits for ${what}, held by task ${holder?.tid}`).join('; ')}`)
  return [...new Set(lines)]
}

const latin1ToText = (text: string): string => {
  const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0))
  return new TextDecoder().decode(bytes)
}

/** Yields now and then. @throws ReportError, TraceError */
export const collectReport = function* (options: ReportOptions): Generator<undefined, Report> {
  const { trace, failOn = DEFAULT_FAIL_ON, passing } = options
  const collector = new Collector(options)
  const watch = new Watch(needsOutput(failOn), new Uint8Array(0))
  let output = ''
  const session = replayOf(options, {
    onEvent: (event) => {
      watch.event(event)
      collector.event(event)
    },
    output: (fd, bytes) => {
      watch.write(fd, bytes)
      for (const byte of bytes) output += String.fromCharCode(byte)
      output = output.slice(-2 * OUTPUT_TAIL)
    },
  })
  if (session.kernel === undefined) throw new ReportError(trace.recovery === undefined ? `${trace.name} does not replay: the program can't be loaded` : `${trace.name} was cut short before its program began: ${trace.recovery.reason}`)
  collector.start(session.kernel)
  const result = yield* runOf(session)
  if (result.divergence !== undefined) throw new ReportError(`${trace.name} does not replay: ${result.divergence.what} (event ${result.divergence.event})`)
  collector.end()
  const races = yield* racesIn(options, failOn.ignore)
  const failure = watch.judge(result, session.kernel, failOn, failOn.kinds.includes('race') ? races.map(raceLine) : [])
  const { stretches, log } = collector
  const threads = collector.named()
  const preempted = stretches.flatMap(({ end }, i) => end === 'preempted' ? [i] : [])
  const around = log?.variables(stretches.map(({ thread }) => thread), preempted) ?? []
  const variables = around.length > 0 ? around : [...new Set(races.map(({ first }) => first.address))].slice(0, MOST_VARIABLES)
  const leftOut = Math.max(0, stretches.length - FIRST_STRETCHES - LAST_STRETCHES)
  const isShown = (i: number): boolean => i < FIRST_STRETCHES || i >= FIRST_STRETCHES + leftOut
  const world = worldOf(trace)
  const dropped = passing === undefined ? undefined : preempted.at(passing.dropped)
  return {
    failure: failure === undefined ? result.outcome === 'exited' ? 'exited with 0' : result.outcome : failureText(failure), hasFailed: failure !== undefined, command: world.hosts === undefined ? world.argv.map(latin1ToText) : world.hosts.map(({ name, argv }) => `${name}: ${argv.map(latin1ToText).join(' ')}`), seed: world.scheduleSeed ?? world.seed, cpus: world.cpus,
    trace: trace.name, events: result.events, preemptions: preempted.length, threads,
    stretches: stretches.flatMap((stretch, i): Stretch[] => isShown(i) ? [{ ...stretch, entries: collector.merged(i, variables) }] : []), leftOut, leftOutAfter: FIRST_STRETCHES,
    variables: variables.map((word) => ({ name: log?.nameOf(word) ?? '', isLock: log?.isLock(word) === true })), races: races.map(raceLines),
    passing: passing === undefined || dropped === undefined || !isShown(dropped) ? undefined : { stretch: dropped < FIRST_STRETCHES ? dropped : dropped - leftOut, how: passing.how },
    explanation: [...result.explanation, ...lockLines(session.kernel, log)], output: latin1ToText(output.slice(-OUTPUT_TAIL)),
  }
}
