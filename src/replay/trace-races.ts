/** Data races in the run of a trace: it is replayed until the detector has seen all that it needs. */
import type { TraceCodecs } from '../trace/format.ts'
import type { TraceReader } from '../trace/reader.ts'
import { type RaceReport, RaceSearch } from './detect/race-report.ts'
import { startReplay } from './replay.ts'
import type { Engine, SessionClock } from './session.ts'

export interface RaceTrace {
  readonly trace: TraceReader
  readonly engine: Engine
  readonly clock: SessionClock
  readonly codecs: TraceCodecs
}

/** Yields now and then. None if the trace does not replay. */
export const racesIn = function* ({ trace, engine, clock, codecs }: RaceTrace, ignore: readonly RegExp[] = []): Generator<undefined, readonly RaceReport[]> {
  const search = new RaceSearch({ ignore })
  for (;;) {
    const session = startReplay({ trace, engine, clock, codecs, mode: 'drive', compareHashes: false })
    if (session.kernel === undefined) return []
    const run = search.attach(session.kernel)
    let result = session.advance()
    while (result === undefined) {
      yield undefined
      result = session.advance()
    }
    if (result.divergence !== undefined) return []
    const verdict = run.verdict()
    if (verdict !== 'again') return verdict.races
  }
}
