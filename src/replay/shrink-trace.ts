/** Shrinks the schedule of a trace, and records the result as a trace of its own. */
import type { ListedFault, WorldConfig } from '../kernel/config.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { listedFaults } from '../kernel/plan/faults.ts'
import type { TraceCodecs, TraceSink } from '../trace/format.ts'
import type { TraceReader } from '../trace/reader.ts'
import { DEFAULT_FAIL_ON, type FailOn, type Failure, failureText, needsOutput, Watch } from './explore-failure.ts'
import { raceLine } from './detect/race-report.ts'
import { startRecording } from './record.ts'
import { startReplay, worldOf } from './replay.ts'
import { plainSegments, type RunSegment, ScheduleRecorder } from './schedule.ts'
import type { Engine, ReplayResult, SessionClock } from './session.ts'
import { preemptionPlaces, pullUp, pushDown, shrink, ShrinkError, type Shrunk, type ShrinkProgress, without } from './shrink.ts'
import { failsAlike, scripted, ScriptRunner } from './shrink-run.ts'
import { racesIn } from './trace-races.ts'
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

/** What is needed to replay a trace and judge it. */
export type WatchedTrace = Pick<ShrinkTraceOptions, 'trace' | 'engine' | 'clock' | 'codecs'> & { readonly failOn?: FailOn | undefined, readonly version?: string }

interface Watched {
  readonly failure: Failure | undefined
  readonly slices: readonly RunSegment[]
  readonly result: ReplayResult
  /** Those that were drawn, or listed, and happened. */
  readonly faults: readonly ListedFault[]
}

/** Replays a trace: how it failed, and what its scheduler did. */
const watchReplay = function* ({ trace, engine, clock, codecs, failOn = DEFAULT_FAIL_ON, version }: WatchedTrace): Generator<undefined, Watched> {
  const watch = new Watch(needsOutput(failOn), new Uint8Array(0))
  const recorder = new ScheduleRecorder()
  let kernel = (): Kernel | undefined => undefined
  const session = startReplay({
    // A trace of another version may do the same though its states are laid out otherwise.
    trace, engine, clock, codecs, mode: 'drive', compareHashes: false, ...(version === undefined ? {} : { version }), output: (fd, bytes) => { watch.write(fd, bytes) },
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
  const races = failOn.kinds.includes('race') ? yield* racesIn({ trace, engine, clock, codecs }, failOn.ignore) : []
  return { failure: watch.judge(result, session.kernel, failOn, races.map(raceLine)), slices: recorder.slices(), result, faults: [...session.kernel?.state.faults?.injected ?? []] }
}

/** What was drawn once is a list from now on: it goes with any schedule, and can be left out one by one. */
const withListed = (world: WorldConfig, faults: readonly ListedFault[]): WorldConfig => world.faults === undefined ? world : { ...world, faults: listedFaults(world.faults, faults) }

/** Yields now and then. @throws ShrinkError, Error if Retrograde itself fails, TraceError, and what `openTrace` throws */
export const shrinkTrace = function* (options: ShrinkTraceOptions): Generator<ShrinkProgress, ShrinkTraceResult> {
  const { trace, engine, clock, codecs, failOn, isLate, version, openTrace } = options
  const replaying: ShrinkProgress = { step: 'replaying the trace', runs: 0, preemptions: 0 }
  const replay = watchReplay(options)
  let step = replay.next()
  for (; step.done !== true; step = replay.next()) yield replaying
  const { failure, slices, result, faults } = step.value
  if (result.divergence !== undefined) throw new ShrinkError(`${trace.name} does not replay: ${result.divergence.what} (event ${result.divergence.event})`)
  if (failure === undefined && trace.recovery !== undefined) throw new ShrinkError(`${trace.name} was cut short, so that it does not show how its run ended: ${trace.recovery.reason}; ${trace.recovery.events} events are whole`)
  if (failure === undefined) throw new ShrinkError(`${trace.name} does not fail${result.outcome === 'exited' ? ': its program exits with 0' : `: ${result.outcome}`} (--fail-on says what a failure is)`)
  const { files, input } = outsideOf(trace)
  const runner = new ScriptRunner({ engine, clock, files, failOn })
  if (failure.kind === 'race') runner.wantedRace = failure.line
  const shrunk = yield* shrink({ runner, world: withListed(worldOf(trace), faults), input, slices, cycle: result.cycle, failure, isLate })
  const watch = new Watch(needsOutput(failOn), shrunk.input)
  const session = startRecording({
    world: shrunk.world, host: runner.host(shrunk.world, watch), codecs, version, openTrace, onEvent: (event) => { watch.event(event) },
  })
  let recorded = session.advance()
  while (recorded === undefined) {
    yield { step: 'recording', runs: shrunk.runs, preemptions: shrunk.preemptions }
    recorded = session.advance()
  }
  const found = failure.kind === 'race' ? shrunk.failure : watch.judge(recorded, session.kernel, failOn)
  if (!failsAlike(found, failure)) throw new Error(`the shrunk schedule ended otherwise when it was recorded: ${found === undefined ? recorded.outcome : failureText(found)}`)
  return { ...shrunk, original: failure, traceBytes: recorded.traceBytes, hash: recorded.hash }
}

/** No schedule with more preemptions has a neighbour that is looked for. */
const MOST_PREEMPTIONS = 12

/** Which preemption (from 0) must be dropped, if any, so that the schedule of a trace does not fail; the last that does. */
export const passingNeighbour = function* (options: WatchedTrace): Generator<undefined, number | undefined> {
  const { trace, engine, clock, failOn = DEFAULT_FAIL_ON } = options
  const { failure, slices, result } = yield* watchReplay(options)
  const segments = plainSegments(slices)
  const places = preemptionPlaces(segments)
  if (failure === undefined || result.divergence !== undefined || places.length > MOST_PREEMPTIONS) return undefined
  const { files, input } = outsideOf(trace)
  const runner = new ScriptRunner({ engine, clock, files, failOn })
  const world = worldOf(trace)
  const fails = (script: typeof segments): boolean => runner.run(scripted(world, { oneAtATime: true, segments: script }), input).failure !== undefined
  // Only where the schedule itself fails as one task at a time does its neighbour say anything.
  if (!fails(segments)) return undefined
  for (let dropped = places.length - 1; dropped >= 0; dropped--) {
    for (const remove of [pullUp, pushDown]) {
      yield undefined
      if (!fails(without(segments, [places[dropped]], remove))) return dropped
    }
  }
  return undefined
}
