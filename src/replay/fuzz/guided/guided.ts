/**
 * Looks for inputs that fail, guided by coverage: an input that takes the program along an edge, or so many times along one, as none did
 * before is kept and changed further (the corpus). The loop is AFL's, made small; all is drawn from the seed and counted in executions, so
 * that the same seed and the same inputs to begin with find the same.
 */
import type { FaultKind, ListedFault } from '../../../kernel/config.ts'
import { leaveOut } from '../../leave-out.ts'
import { Corpus, type CorpusEntry, type Edges, type FuzzCase } from './corpus.ts'
import type { Dictionary } from './dictionary.ts'
import { mutate } from './mutate.ts'
import { Random } from './random.ts'
import { type Execution, type FoundFailure, Target, type TargetOptions } from './target.ts'

export interface GuidedOptions extends Omit<TargetOptions, 'onConstant'> {
  readonly seed: string
  /** Inputs to begin with. */
  readonly seeds: readonly Uint8Array[]
  readonly dictionary: Dictionary
  /** Inputs are no longer than this. */
  readonly mostBytes: number
  /** Schedules are changed, too, where there is something to choose. */
  readonly schedules: boolean
  /** False: nothing is kept, to compare with. */
  readonly isGuided: boolean
}

export interface Finding extends FoundFailure {
  /** The smallest that was found. */
  case: FuzzCase
  /** Cycles that it was given. */
  readonly limit: number
  /** Executions before it was found. */
  readonly after: number
  count: number
}

/** What to begin with where nobody gave anything. */
const FIRST = [new Uint8Array(0), Uint8Array.of(0x0a), Uint8Array.from('0000', (char) => char.charCodeAt(0))]
/** An execution that takes so many times the cycles of the longest of the first inputs, and as many more, hangs. */
const HANG_FACTOR = 20, HANG_CYCLES = 5e6
/** What takes that long is given so many times as much before it is a failure: a sanitizer's report takes its time. */
const PATIENCE = 30, MOST_PATIENCE = 1e9
/** Of the inputs to begin with, before it is known how long they take. */
const FIRST_CYCLES = 500e6
/** Executions by which a new input of the corpus that is longer than some bytes, and one that fails, is made smaller. */
const TRIM_FROM = 16, TRIM_RUNS = 64, SHRINK_RUNS = 2000, SHRINK_RUNS_OF_HANGS = 100
const MOST_FAULTS = 8

const patient = (limit: number): number => Math.max(limit, Math.min(limit * PATIENCE, MOST_PATIENCE))

const sameEdges = (a: Edges, b: Edges): boolean => a.length === b.length && a.every((edge, i) => edge === b[i])

const withoutPart = (bytes: Uint8Array, from: number, size: number): Uint8Array => {
  const shorter = new Uint8Array(bytes.length - size)
  shorter.set(bytes.subarray(0, from))
  shorter.set(bytes.subarray(from + size), from)
  return shorter
}

export class GuidedFuzz {
  readonly #options: GuidedOptions
  readonly #random: Random
  readonly target: Target
  readonly corpus = new Corpus()
  readonly #findings = new Map<string, Finding>()
  executions = 0
  /** The last case differs in its schedule alone: where slices cut blocks says nothing. */
  #isOtherSchedule = false
  /** How many constants were known before the last execution. */
  #constantsBefore = 0
  /** A failure that was found is being made small. */
  isShrinking = false
  /** Retrograde's own failure: the case that brought it about. */
  broken: { readonly error: unknown, readonly case: FuzzCase } | undefined

  constructor(options: GuidedOptions) {
    this.#options = options
    this.#random = new Random(options.seed)
    this.target = new Target({ ...options, onConstant: (low, high, size) => { options.dictionary.addConstant(low, high, size) } })
  }

  get findings(): readonly Finding[] { return [...this.#findings.values()] }

  /** Yields after each execution, for ever. @throws TargetError, WorldError */
  *run(): Generator<undefined, void> {
    // Copies: slice() of Node's buffers is none.
    const seeds = (this.#options.seeds.length > 0 ? this.#options.seeds : FIRST).map((bytes): FuzzCase => ({ bytes: new Uint8Array(bytes.subarray(0, this.#options.mostBytes)), faults: [], scheduleSeed: undefined }))
    this.target.prepare(seeds[0])
    this.target.limit = FIRST_CYCLES
    let longest = 0
    for (const it of seeds) {
      const execution = this.#execute(it)
      longest = Math.max(longest, execution.cycles)
      yield undefined
      if (this.broken !== undefined) return
      this.corpus.isNew(execution.edges)
      this.#keep(it, execution)
      yield* this.#judge(it, execution)
    }
    this.target.limit = longest * HANG_FACTOR + HANG_CYCLES
    while (this.broken === undefined) {
      const it = this.#next()
      const execution = this.#execute(it)
      yield undefined
      if (this.broken !== undefined) return
      if (execution.failure !== undefined) yield* this.#judge(it, execution)
      else if (this.#options.isGuided && !this.#isOtherSchedule && this.corpus.isNew(execution.edges)) yield* this.#trim(it, execution)
    }
  }

  /** Constants that the last execution was the first to come by. */
  get #fresh(): Uint8Array[] { return this.#options.dictionary.constants.slice(this.#constantsBefore) }

  #execute(it: FuzzCase): Execution {
    this.executions++
    this.#constantsBefore = this.#options.dictionary.constants.length
    const execution = this.target.run(it)
    if (execution.broken !== undefined) this.broken = { error: execution.broken, case: it }
    return execution
  }

  #keep(it: FuzzCase, { edges, cycles, calls, wasDrawn }: Execution, fresh = this.#fresh): void {
    this.corpus.add({ ...it, edges, cycles, calls, wasDrawn, after: this.executions, fresh, steps: [0, 0, 0, 0] })
  }

  #next(): FuzzCase {
    const random = this.#random
    this.#isOtherSchedule = false
    const step = random.oneIn(2) ? this.corpus.step(this.#options.dictionary.constants, this.#options.dictionary.texts) : undefined
    if (step !== undefined) return { bytes: step.bytes, faults: step.entry.faults, scheduleSeed: step.entry.scheduleSeed }
    const entry = this.corpus.pick(random)
    const { faults: kinds, schedules, mostBytes, dictionary } = this.#options
    const { faults, scheduleSeed } = entry
    const whats = ['bytes', 'bytes', ...(kinds.length > 0 && entry.calls.length > 0 ? ['faults'] : []), ...(schedules && entry.wasDrawn ? ['schedule'] : [])]
    const what = random.pick(whats)
    this.#isOtherSchedule = what === 'schedule'
    return {
      bytes: what === 'bytes' ? mutate(random, entry.bytes, { dictionary, others: this.corpus.entries.map(({ bytes }) => bytes), mostBytes }) : entry.bytes,
      faults: what === 'faults' ? this.#otherFaults(entry, kinds) : faults,
      scheduleSeed: what === 'schedule' ? `${this.#options.seed}-${random.below(0x7fff_ffff)}` : scheduleSeed,
    }
  }

  #otherFaults({ faults, calls }: CorpusEntry, kinds: readonly FaultKind[]): ListedFault[] {
    const random = this.#random
    if (faults.length > 0 && (faults.length >= MOST_FAULTS || random.oneIn(3))) return faults.filter((_, i) => i !== random.below(faults.length))
    const { task, call, from, to } = random.pick(calls)
    const fault = random.pick(kinds)
    return [...faults, { fault, task, call, count: from + random.below(Math.max(1, to - from)), ...(fault === 'short' ? { value: 1 + random.below(16) } : {}) }]
  }

  /** Makes an input that did something new smaller, as long as it does the same, and keeps it. */
  *#trim(it: FuzzCase, execution: Execution): Generator<undefined, void> {
    let [best, bestExecution] = [it, execution]
    const fresh = this.#fresh
    let runs = 0
    const without = (from: number, size: number): boolean => {
      const smaller = { ...best, bytes: withoutPart(best.bytes, from, size) }
      const other = this.#execute(smaller)
      const does = other.failure === undefined && sameEdges(other.edges, execution.edges)
      if (does) [best, bestExecution] = [smaller, other]
      return does
    }
    for (const _ of leaveOut(() => best.bytes.length > TRIM_FROM ? best.bytes.length : 0, without)) {
      yield undefined
      if (++runs >= TRIM_RUNS || this.broken !== undefined) break
    }
    this.#keep(best, bestExecution, fresh)
  }

  /** A case again, that came to the limit of its cycles: what comes of it if there is time. */
  #patiently(it: FuzzCase): FoundFailure | undefined {
    const { limit } = this.target
    this.target.limit = patient(limit)
    const { failure } = this.#execute(it)
    this.target.limit = limit
    return failure
  }

  *#judge(it: FuzzCase, execution: Execution): Generator<undefined, void> {
    const isSlow = execution.failure?.failure.kind === 'hang'
    if (isSlow && this.#findings.has(execution.failure?.key ?? '')) {
      const known = this.#findings.get(execution.failure?.key ?? '')
      if (known !== undefined) known.count++
      return
    }
    const failure = isSlow ? this.#patiently(it) : execution.failure
    if (failure === undefined) return
    const known = this.#findings.get(failure.key)
    if (known !== undefined) {
      known.count++
      return
    }
    const { limit } = this.target
    const finding: Finding = { ...failure, case: it, limit: isSlow ? patient(limit) : limit, after: this.executions, count: 1 }
    this.#findings.set(failure.key, finding)
    this.isShrinking = true
    // A hang is made small with less patience; it must still be one in the end.
    this.target.limit = failure.failure.kind === 'hang' ? limit : finding.limit
    yield* this.#shrink(finding)
    this.target.limit = limit
    if (failure.failure.kind === 'hang' && this.#patiently(finding.case)?.key !== finding.key) finding.case = it
    this.isShrinking = false
  }

  /** Fewer bytes, fewer faults, the world's own schedule, and plain bytes, as long as it fails at the same place. */
  *#shrink(finding: Finding): Generator<undefined, void> {
    let runs = 0
    const attempt = (other: FuzzCase): boolean => {
      runs++
      if (this.#execute(other).failure?.key !== finding.key) return false
      finding.case = other
      return true
    }
    const now = (): FuzzCase => finding.case
    const isOver = (): boolean => runs >= (finding.failure.kind === 'hang' ? SHRINK_RUNS_OF_HANGS : SHRINK_RUNS) || this.broken !== undefined
    if (now().scheduleSeed !== undefined) attempt({ ...now(), scheduleSeed: undefined })
    yield undefined
    for (const _ of leaveOut(() => now().faults.length, (from, size) => attempt({ ...now(), faults: [...now().faults.slice(0, from), ...now().faults.slice(from + size)] }))) {
      yield undefined
      if (isOver()) return
    }
    for (const _ of leaveOut(() => now().bytes.length, (from, size) => attempt({ ...now(), bytes: withoutPart(now().bytes, from, size) }))) {
      yield undefined
      if (isOver()) return
    }
    for (let at = 0; at < now().bytes.length && !isOver(); at++) {
      if (now().bytes[at] === PLAIN) continue
      const plain = now().bytes.slice()
      plain[at] = PLAIN
      attempt({ ...now(), bytes: plain })
      yield undefined
    }
  }
}

/** '0' */
const PLAIN = 0x30
