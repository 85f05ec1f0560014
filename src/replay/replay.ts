/** A world made again from its trace, and compared with it event for event. */
import type { ConsoleInput } from '../kernel/outside.ts'
import type { Entropy, HostFiles } from '../kernel/outside.ts'
import { WorldError } from '../kernel/world.ts'
import { TraceError } from '../trace/errors.ts'
import { TraceCursor } from '../trace/reader.ts'
import { Comparison, Diverged, StopReached, TraceEnded } from './comparison.ts'
import { SeededEntropy } from './entropy.ts'
import { type End, INPUT_BYTES, type Waiting, WorldLoop } from './loop.ts'
import { type Divergence, EXIT_DIVERGED, type ReplayOptions, type ReplayResult, type Session } from './session.ts'
import { numbersToStat, type Sources, Tap } from './tap.ts'
import { ConfigError, configFromPlain } from './world-config.ts'
import type { WorldConfig } from '../kernel/config.ts'
import type { TraceReader } from '../trace/reader.ts'

/** The configuration of a trace's world. @throws TraceError */
export const worldOf = (trace: TraceReader): WorldConfig => {
  try {
    return configFromPlain(trace.head.world)
  } catch (error) {
    if (error instanceof ConfigError) throw new TraceError(trace.name, undefined, error.message)
    throw error
  }
}

const driven = (comparison: Comparison): Entropy => ({
  decide: (kind, bound) => comparison.decision(kind, bound),
  randomBytes: (count) => {
    const event = comparison.answer('random')
    if (event.bytes.length !== count) throw new Diverged(`the world asks for ${count} random bytes where the trace has ${event.bytes.length}`, event, undefined)
    return event.bytes
  },
})

const recordedFiles = (comparison: Comparison, trace: TraceReader): HostFiles => {
  const answer = <K extends 'lstat' | 'readdir' | 'readlink' | 'readFile'>(type: K, mount: number, path: string) => {
    const event = comparison.answer(type)
    if (event.mount !== mount || event.path !== path) throw new Diverged(`the world asks for ${type} of '${path}' (mount ${mount}) where the trace has '${event.path}' (mount ${event.mount})`, comparison.expected, undefined)
    return event
  }
  return {
    lstat: (mount, path) => {
      const { stat } = answer('lstat', mount, path)
      return typeof stat === 'number' ? stat : numbersToStat(stat)
    },
    readdir: (mount, path) => answer('readdir', mount, path).entries,
    readlink: (mount, path) => answer('readlink', mount, path).target,
    readFile: (mount, path) => {
      const { blob } = answer('readFile', mount, path)
      return blob < 0 ? blob : trace.blob(blob)
    },
  }
}

const NO_BYTES = new Uint8Array(0)

const recordedSources = (comparison: Comparison, options: ReplayOptions, config: WorldConfig): Sources => ({
  entropy: options.mode === 'drive' ? driven(comparison) : new SeededEntropy(config.seed, config.scheduleSeed),
  files: recordedFiles(comparison, options.trace),
  readInput: (_max, missed) => {
    const { expected } = comparison
    if (expected?.type === 'resize') return expected.missed === missed ? { rows: expected.rows, columns: expected.columns } : undefined
    return expected?.type === 'input' && expected.missed === missed ? expected.bytes ?? NO_BYTES : undefined
  },
  write: (fd, bytes, host) => {
    options.output?.(fd, bytes, host)
    const { expected } = comparison
    return expected?.type === 'output' ? expected.error : 0
  },
  setRaw: () => {},
})

class ReplaySession extends WorldLoop<ReplayResult> {
  readonly #trace: TraceReader
  readonly #comparison: Comparison
  readonly #version: string | undefined
  #early: End | undefined
  /** How replay went on after the trace's last event. */
  #truncated: string | undefined

  constructor(options: ReplayOptions) {
    const { trace, engine, clock, codecs } = options
    const config = worldOf(trace)
    const comparison = new Comparison(new TraceCursor(trace), options.onEvent, options.untilEvent ?? Infinity, options.compareHashes ?? true)
    super(config, engine, new Tap(recordedSources(comparison, options, config), comparison, (bytes, previous) => codecs.crc32(bytes, previous)), clock, trace.head.turnSlices)
    this.#trace = trace
    this.#comparison = comparison
    this.#version = options.version
    try {
      this.start()
    } catch (error) {
      // It could be loaded when it was recorded.
      this.#early = this.failed(error instanceof WorldError ? new Diverged(error.message, comparison.expected, undefined) : error)
    }
  }

  protected get events(): number { return this.#comparison.events }
  protected override get fraction(): number { return this.#trace.events === 0 ? 1 : this.events / this.#trace.events }

  protected betweenTurns(interrupted: boolean): End | undefined {
    if (this.#early !== undefined) return this.#early
    if (interrupted) return { outcome: 'interrupted', status: this.status }
    for (;;) {
      const { expected } = this.#comparison
      if (expected === undefined) return this.failed(new TraceEnded())
      const isCheckpoint = expected.type === 'checkpoint'
      if (!isCheckpoint && !(expected.type === 'end' && expected.outcome === 'interrupted')) return undefined
      if (expected.turn > this.turn) return undefined
      if (!isCheckpoint) return { outcome: 'interrupted', status: this.status }
      this.tap.flushDraws()
      this.tap.emit({ type: 'checkpoint', cycle: this.cycle, turn: this.turn, event: this.events, hash: this.hasher.hashWorld(this.world) })
    }
  }

  protected takeInput({ deadline }: Waiting): ConsoleInput | 'deadline' {
    const bytes = this.tap.readInput(INPUT_BYTES)
    if (bytes !== undefined) return bytes
    if (deadline !== Infinity) return 'deadline'
    const { expected } = this.#comparison
    if (expected === undefined) throw new TraceEnded()
    throw new Diverged('the world waits for input where the trace goes on without', expected, undefined)
  }

  protected override failed(error: unknown): End {
    if (error instanceof TraceEnded) {
      const { recovery } = this.#trace
      this.#truncated = recovery === undefined ? 'the trace has no end' : `${recovery.reason} (at byte ${recovery.offset} of ${this.#trace.name})`
      return { outcome: 'interrupted', status: this.status }
    }
    if (error instanceof StopReached) return { outcome: 'interrupted', status: this.status }
    return super.failed(error)
  }

  protected finish(end: End): ReplayResult {
    let { error } = end
    let hash: Uint8Array = new Uint8Array(0)
    // A replay that stops before its trace does has no end to compare.
    const { expected } = this.#comparison
    const stoppedEarly = end.outcome === 'interrupted' && !(expected?.type === 'end' && expected.outcome === 'interrupted' && expected.turn <= this.turn)
    const isOurs = error instanceof Diverged || error instanceof TraceError
    if (!isOurs && !stoppedEarly) {
      try {
        hash = this.finalHash(end)
        this.emitEnd(end, hash)
      } catch (problem) {
        if (problem instanceof TraceEnded) this.failed(problem)
        else if (problem instanceof Diverged && end.outcome === 'failed') return this.#diverged(end, problem, error)
        else error = problem
      }
    }
    if (error instanceof Diverged) return this.#diverged(end, error, undefined)
    const outcome = error === undefined ? end.outcome : 'failed'
    return { ...this.resultOf({ ...end, outcome, error }, hash), divergence: undefined, checkpoints: this.#comparison.checkpoints, truncated: this.#truncated }
  }

  /** @param error what Retrograde failed with, if that is how they differ */
  #diverged(end: End, { what, expected, actual }: Diverged, error: unknown): ReplayResult {
    const { kernel } = this
    const task = kernel?.current ?? kernel?.loadedTask
    const divergence: Divergence = {
      event: this.events, cycle: kernel?.state.cycle ?? 0, task: task?.tid ?? 0,
      rip: kernel?.loadedTask === undefined ? undefined : kernel.processor.cpu.rip,
      what, expected, actual, lastCheckpoint: this.#comparison.lastCheckpoint, before: [...this.#comparison.before],
      recordedBy: this.#version === undefined || this.#version === this.#trace.head.retrograde ? undefined : this.#trace.head.retrograde,
    }
    return {
      ...this.resultOf({ outcome: 'failed', status: end.status, error }, new Uint8Array(0)), exitCode: EXIT_DIVERGED,
      divergence, checkpoints: this.#comparison.checkpoints, truncated: this.#truncated,
    }
  }
}

/** @throws TraceError if the trace's head can't be used */
export const startReplay = (options: ReplayOptions): Session<ReplayResult> => new ReplaySession(options)
