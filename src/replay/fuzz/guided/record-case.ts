/** Records a case as a world of its own, from its first instruction: a trace that replays without the fuzzer. */
import type { TraceCodecs, TraceSink } from '../../../trace/format.ts'
import type { HostFiles } from '../../../kernel/outside.ts'
import type { FailOn } from '../../explore-failure.ts'
import { type Machine, makeMachine } from '../../machine.ts'
import { startRecording } from '../../record.ts'
import type { Engine, SessionClock } from '../../session.ts'
import type { FuzzCase } from './corpus.ts'
import type { FoundFailure, Target } from './target.ts'

export interface RecordCaseOptions {
  readonly engine: Engine
  readonly clock: SessionClock
  readonly files: HostFiles
  readonly codecs: TraceCodecs
  readonly version: string
  readonly failOn: FailOn
  /** Of the engine: used again. */
  readonly machine?: Machine
}

/**
 * Yields now and then.
 * @throws Error if it does not fail as it did, and what `openTrace` throws
 */
export const recordCase = function* (target: Target, it: FuzzCase, found: FoundFailure & { readonly limit: number } | undefined, openTrace: () => TraceSink, options: RecordCaseOptions): Generator<undefined, void> {
  const { engine, clock, files, codecs, version, failOn } = options
  const world = target.worldOf(it, found?.limit)
  const machine = options.machine ?? makeMachine(engine, world.memoryLimit)
  machine.processor.recycle()
  const { watch, console } = target.consoleOf(it)
  const session = startRecording({ world, codecs, version, openTrace, onEvent: (event) => { watch.event(event) }, host: { engine, machine, files, console, wallTimeMs: () => clock.wallTimeMs() } })
  let result = session.advance()
  while (result === undefined) {
    yield undefined
    result = session.advance()
  }
  if (found === undefined) return
  if (result.outcome === 'failed') throw result.error instanceof Error ? result.error : new Error(String(result.error))
  const failure = watch.judge(result, session.kernel, failOn)
  if (failure?.kind !== found.failure.kind || failure.status !== found.failure.status || failure.rip !== found.failure.rip) {
    throw new Error(`the input ended otherwise when it was recorded: ${failure === undefined ? result.outcome : `${failure.kind} ${failure.status}`}`)
  }
}
