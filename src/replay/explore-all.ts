/** Runs all schedules that an exploration gives out, one after the other, in this thread and without a pause: for libraries and tests. */
import { Exploration, type ExploreOptions } from './explore.ts'
import type { ScheduleRunner } from './explore-schedule.ts'

/** @throws WorldError if the program can't be run */
export const exploreAll = (runner: ScheduleRunner, options: ExploreOptions): Exploration => {
  const exploration = new Exploration(options)
  for (let schedule = exploration.next(); schedule !== undefined; schedule = exploration.next()) {
    const running = runner.start(schedule)
    let result = running.advance()
    while (result === undefined) result = running.advance()
    exploration.take(result, 0)
  }
  return exploration
}
