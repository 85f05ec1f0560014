/** The archive of states of the search for what is new: what it keeps of schedules that are long. */
import test from 'ava'
import { NoveltySearch } from '../../src/replay/search/novelty.ts'
import type { Moment, Plan } from '../../src/replay/search/plan.ts'

const MOMENTS = 20_000
const MEBIBYTE = 1 << 20

/** Each comes to another state. */
const moments = (schedule: number): Moment[] => Array.from({ length: MOMENTS }, (_, i) => ({
  task: i % 3, candidates: [], isChoice: true, effects: [], canGoOn: false, after: [], lock: 0, wasFree: false, waits: false, cells: [schedule * MOMENTS + i],
}))

test('states of one schedule share its choices', (t) => {
  const search = new NoveltySearch(7)
  const before = process.memoryUsage().arrayBuffers
  const round: Plan[] = []
  for (let plan = search.next(); plan !== undefined; plan = search.next()) round.push(plan)
  round.forEach((plan, i) => { search.take(plan, { moments: moments(i), isPruned: false, words: [], locked: [] }) })
  // Each state with a copy of its own would be 3 GiB.
  t.true(process.memoryUsage().arrayBuffers - before < 16 * MEBIBYTE)
  const next = Array.from({ length: 4 }, () => search.next()).filter((plan) => plan !== undefined && plan.choices.length > 0) as Plan[]
  t.true(next.length > 0)
  for (const { choices } of next) t.deepEqual(choices, choices.map((_, i) => i % 3), 'the first choices of a schedule, as they were')
  t.true(next.some(({ choices }) => choices.length < MOMENTS))
})
