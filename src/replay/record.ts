/** A world that is recorded: every event, and from time to time the hash of its state. */
import { cpuModel } from '../emu/cpu/model.ts'
import type { TraceEvent } from '../trace/events.ts'
import type { TraceSink } from '../trace/format.ts'
import { TraceWriter } from '../trace/writer.ts'
import { type End, TURN_SLICES } from './loop.ts'
import { Listener, LiveLoop } from './live.ts'
import type { RecordOptions, RecordResult, Session } from './session.ts'
import type { EventSink } from './tap.ts'
import { configToPlain } from './world-config.ts'

/** Whole chunks reach the file at least this often. */
const FLUSH_MS = 1000

/**
 * Estimates in nanoseconds of what things take on a machine of today: how often checkpoints are made follows from them, and not
 * from measured time, so that two recordings of one world are the same event for event.
 */
const NS = { instruction: 0.5, event: 800, object: 600, dirtyFrame: 2000, frame: 60 } as const
/** A checkpoint may take this part of the time, and comes no more often than after so much work. */
const CHECKPOINT_SHARE = 0.01
const LEAST_WORK_NS = 250e6

/** Keeps what is written until there is a file to write it to. */
class LateSink implements TraceSink {
  #sink: TraceSink | undefined
  #kept: Uint8Array[] = []

  open(sink: TraceSink): void {
    for (const bytes of this.#kept) sink.append(bytes)
    this.#kept = []
    this.#sink = sink
  }

  append(bytes: Uint8Array): void {
    if (this.#sink === undefined) this.#kept.push(bytes)
    else this.#sink.append(bytes)
  }

  close(): void { this.#sink?.close() }
}

/** To the trace, and to a listener if there is one. */
class RecordSink implements EventSink {
  readonly wantsStrings = true
  readonly writer: TraceWriter
  readonly #listener: Listener | undefined

  constructor(writer: TraceWriter, onEvent: RecordOptions['onEvent']) {
    this.writer = writer
    this.#listener = onEvent === undefined ? undefined : new Listener(onEvent)
  }

  event(event: TraceEvent): void {
    this.writer.event(event)
    this.#listener?.event(event)
  }

  syscall(cycle: number, tid: number, number: number, args: ArrayLike<number>, argCount: number, strings: readonly (string | undefined)[], result: number, started: number): void {
    this.writer.syscall(cycle, tid, number, args, argCount, strings, result, started)
    this.#listener?.syscall(cycle, tid, number, args, argCount, strings, result, started)
  }

  blob(content: Uint8Array): number { return this.writer.blob(content) }
}

class RecordSession extends LiveLoop<RecordResult> {
  readonly #writer: TraceWriter
  readonly #checkpointCycles: number | undefined
  #nextFlush: number
  #checkpoints = 0
  /** Work done up to the last checkpoint, and how much more calls for the next. */
  #workThen = 0
  #workBetween: number

  constructor({ world, host, onEvent, codecs, openTrace, version, checkpointCycles }: RecordOptions) {
    const late = new LateSink()
    const writer = new TraceWriter(late, codecs, { retrograde: version, processor: cpuModel(world.cpu).brand, turnSlices: TURN_SLICES, world: configToPlain(world) })
    super(world, host, new RecordSink(writer, onEvent), (bytes, previous) => codecs.crc32(bytes, previous))
    this.#writer = writer
    this.#checkpointCycles = checkpointCycles
    this.#workBetween = checkpointCycles ?? LEAST_WORK_NS
    this.start()
    late.open(openTrace())
    this.#nextFlush = host.wallTimeMs() + FLUSH_MS
  }

  protected get events(): number { return this.#writer.events }

  protected override betweenTurns(interrupted: boolean): End | undefined {
    if (this.#work() - this.#workThen >= this.#workBetween) this.#checkpoint()
    const now = this.clock.wallTimeMs()
    if (now >= this.#nextFlush) {
      this.#writer.flush()
      this.#nextFlush = now + FLUSH_MS
    }
    return super.betweenTurns(interrupted)
  }

  /** What was done so far: cycles if checkpoints come by cycles, else an estimate of time. */
  #work(): number {
    const { totalExecuted } = this.machine.processor
    return this.#checkpointCycles === undefined ? totalExecuted * NS.instruction + this.#writer.events * NS.event : totalExecuted
  }

  #checkpoint(): void {
    const hash = this.hasher.hashWorld(this.world)
    this.tap.flushDraws()
    this.tap.emit({ type: 'checkpoint', cycle: this.cycle, turn: this.turn, event: this.#writer.events, hash })
    this.#checkpoints++
    const { objects, dirtyFrames, frames } = this.hasher.cost
    const cost = objects * NS.object + dirtyFrames * NS.dirtyFrame + frames * NS.frame
    this.#workBetween = this.#checkpointCycles ?? Math.max(LEAST_WORK_NS, cost / CHECKPOINT_SHARE)
    this.#workThen = this.#work()
  }

  /** Never throws: a trace that can't be written to its end is as good as what was written of it. */
  protected finish(end: End): RecordResult {
    let failure = end
    let hash: Uint8Array = new Uint8Array(0)
    try {
      hash = this.finalHash(end)
      this.emitEnd(end, hash)
      this.#writer.finish()
    } catch (error) {
      if (end.outcome !== 'failed') failure = { outcome: 'failed', status: end.status, error }
    }
    return { ...this.resultOf(failure, hash), traceBytes: this.#writer.bytes, checkpoints: this.#checkpoints }
  }
}

/** @throws WorldError if the program can't be run, and what `openTrace` throws */
export const startRecording = (options: RecordOptions): Session<RecordResult> => new RecordSession(options)
