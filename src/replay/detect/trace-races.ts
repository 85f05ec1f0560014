/** Races of a run that was recorded: it is replayed, as often as it takes (race-report.ts). */
import { startReplay } from '../replay.ts'
import type { ReplayOptions } from '../session.ts'
import { type RaceOptions, RaceSearch, type Verdict } from './race-report.ts'

/** Goes on in steps of some milliseconds. @throws Error if the trace can't be replayed */
export function* traceRaces(options: ReplayOptions, raceOptions?: RaceOptions): Generator<undefined, Verdict> {
  const search = new RaceSearch(raceOptions)
  for (;;) {
    const session = startReplay(options)
    if (session.kernel === undefined) throw new Error('the trace can\'t be replayed: its program could not be loaded')
    const run = search.attach(session.kernel)
    let result = session.advance()
    while (result === undefined) {
      yield undefined
      result = session.advance()
    }
    if (result.divergence !== undefined) throw new Error(`the trace can't be replayed: ${result.divergence.what}`)
    const verdict = run.verdict()
    if (verdict !== 'again') return verdict
  }
}
