/** What a thread of `explore --jobs` does: runs batches of schedules. */
import type { Schedule, ScheduleResult, ScheduleRunner } from '../replay/explore-schedule.ts'
import { type ExploreSetup, makeRunner } from './explore-setup.ts'

export interface Batch {
  readonly setup: ExploreSetup
  readonly schedules: readonly Schedule[]
  /** The rest is left after a failure. */
  readonly keepGoing: boolean
}

let runner: Promise<ScheduleRunner> | undefined

/** Results of the schedules that were run, in order. */
export default async ({ setup, schedules, keepGoing }: Batch): Promise<ScheduleResult[]> => {
  const { start } = await (runner ??= makeRunner(setup)).then((made) => ({ start: (schedule: Schedule) => made.start(schedule) }))
  const results: ScheduleResult[] = []
  for (const schedule of schedules) {
    const run = start(schedule)
    let result: ScheduleResult | undefined
    while (result === undefined) result = run.advance()
    results.push(result)
    if (result.broken !== undefined || (result.failure !== undefined && !keepGoing)) break
  }
  return results
}
