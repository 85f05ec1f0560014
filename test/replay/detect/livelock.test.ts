/** Worlds that don't end: those in which tasks look at what nobody changes any more are told from those that get on. */
import test from 'ava'
import { traceCodecs } from '../../../src/platform/trace-files.ts'
import { exploreAll } from '../../../src/replay/explore-all.ts'
import { DEFAULT_FAIL_ON } from '../../../src/replay/explore-failure.ts'
import { ScheduleRunner } from '../../../src/replay/explore-schedule.ts'
import { MemorySink } from '../../trace/support.ts'
import { loadEngine, memoryFiles, replay, treeFor, worldOf } from '../support.ts'

const hang = (guest: string, cycleLimit: number): { lines: readonly string[], trace: Uint8Array } => {
  const runner = new ScheduleRunner({
    world: worldOf(guest, { cpus: 1, stdio: ['null', 'pipe', 'pipe'] }), engine: loadEngine(), files: memoryFiles(treeFor(guest)),
    clock: { wallTimeMs: () => performance.now() }, input: new Uint8Array(0), failOn: DEFAULT_FAIL_ON,
  })
  const exploration = exploreAll(runner, {
    most: 50, seed: 'q', strategy: 'random', pct: { depth: 3, steps: undefined }, cycleLimit, keepGoing: false, shard: { part: 1, of: 1 },
  })
  const [{ schedule, failure }] = exploration.failures
  const sink = new MemorySink()
  const recording = runner.record(schedule, failure, 'test', traceCodecs, () => sink)
  for (;;) {
    const { done, value } = recording.next()
    if (done === true) return { lines: value, trace: sink.bytes }
  }
}

test('a wake-up is lost: both spin', (t) => {
  const { lines, trace } = hang('race-wakeup', 2e6)
  t.regex(lines[0], /^livelock: no task changes anything/)
  t.deepEqual(lines.filter((line) => line.includes('looks again')), ['  task 100 looks again and again:', '  task 101 looks again and again:'])
  t.is(replay(trace, 'drive').result.divergence, undefined)
})

test('a program that is only not finished yet is none', (t) => { t.deepEqual(hang('pthread-mutex', 5e5).lines, []) })
