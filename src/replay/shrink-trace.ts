/** Shrinks the schedule of a trace, and records the result as a trace of its own. */
import type { Kernel } from '../kernel/kernel.ts'
import type { TraceCodecs, TraceSink } from '../trace/format.ts'
import type { TraceReader } from '../trace/reader.ts'
import { type FailOn, type Failure, failureText, Watch } from './explore-failure.ts'
import { startRecording } from './record.ts'
import { startReplay, worldOf } from './replay.ts'
import { type RunSegment, ScheduleRecorder } from './schedule.ts'
import type { Engine, ReplayResult, SessionClock } from './session.ts'
import { shrink, type Shrunk, type ShrinkProgress } from './shrink.ts'
import { failsAlike, ScriptRunner } from './shrink-run.ts'
import { outsideOf } from './trace-world.ts'

export interface ShrinkTraceOptions {
  readonly trace: TraceReader
  readonly engine: Engine
  readonly clock: SessionClock
  readonly codecs: TraceCodecs
  readonly failOn: FailOn
  readonly isLate: () => boolean
  readonly version: string
  /** Where the result goes; called once there is one. */
  readonly openTrace: () => TraceSink
}

export interface ShrinkTraceResult extends Shrunk {
  /** How the trace that came in fails. */
  readonly original: Failure
  readonly traceBytes: number
  readonly hash: string
}

/** The trace can't be shrunk; the message says why. */
export class ShrinkError extends Error {}

interface Watched { readonly failure: Failure | undefined, readonly slices: readonly RunSegment[], readonly result: ReplayResult }

/** Replays a trace: how it failed, and what its scheduler did. */
const watchReplay = function* ({ trace, engine, clock, codecs, failOn, version }: ShrinkTraceOptions): Generator<undefined, Watched> {
  const watch = new Watch(failOn.output !== undefined, new Uint8Array(0))
  const recorder = new ScheduleRecorder()
  let kernel = (): Kernel | undefined => undefined
  const session = startReplay({
    trace, engine, clock, codecs, mode: 'drive', version, output: (fd, bytes) => { watch.write(fd, bytes) },
    onEvent: (event) => {
      watch.event(event)
      recorder.event(event, kernel())
    },
  })
  kernel = () => session.kernel
  let result = session.advance()
  while (result === undefined) {
    yield undefined
    result = session.advance()
  }
  return { failure: watch.judge(result, session.kernel, failOn), slices: recorder.slices(), result }
}

/** Yields now and then. @throws ShrinkError, Error if Retrograde itself fails, TraceError, and what `openTrace` throws */
export const shrinkTrace = function* (options: ShrinkTraceOptions): Generator<ShrinkProgress, ShrinkTraceResult> {
  const { trace, engine, clock, codecs, failOn, isLate, version, openTrace } = options
  const replaying: ShrinkProgress = { step: 'replaying the trace', runs: 0, preemptions: 0 }
  const replay = watchReplay(options)
  let step = replay.next()
  for (; step.done !== true; step = replay.next()) yield replaying
  const { failure, slices, result } = step.value
  if (result.divergence !== undefined) throw new ShrinkError(`${trace.name} does not replay: ${result.divergence.what} (event ${result.divergence.event})`)
  if (failure === undefined) throw new ShrinkError(`${trace.name} does not fail${result.outcome === 'exited' ? ': its program exits with 0' : `: ${result.outcome}`}`)
  const { files, input } = outsideOf(trace)
  const runner = new ScriptRunner({ engine, clock, files, failOn })
  const shrunk = yield* shrink({ runner, world: worldOf(trace), input, slices, cycle: result.cycle, failure, isLate })
  const watch = new Watch(failOn.output !== undefined, shrunk.input)
  const session = startRecording({
    world: shrunk.world, host: runner.host(shrunk.world, watch), codecs, version, openTrace, onEvent: (event) => { watch.event(event) },
  })
  let recorded = session.advance()
  while (recorded === undefined) {
    yield { step: 'recording', runs: shrunk.runs, preemptions: shrunk.preemptions }
    recorded = session.advance()
  }
  const found = watch.judge(recorded, session.kernel, failOn)
  if (!failsAlike(found, failure)) throw new Error(`the shrunk schedule ended otherwise when it was recorded: ${found === undefined ? recorded.outcome : failureText(found)}`)
  return { ...shrunk, original: failure, traceBytes: recorded.traceBytes, hash: recorded.hash }
}
