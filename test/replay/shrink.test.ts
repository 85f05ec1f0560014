/** Shrinking: from a schedule that a search found to one with a few preemptions, which fails alike and is recorded. */
import test from 'ava'
import type { Kernel } from '../../src/kernel/kernel.ts'
import { traceCodecs } from '../../src/platform/trace-files.ts'
import { runToEnd } from '../../src/replay/session.ts'
import { startReplay } from '../../src/replay/replay.ts'
import { plainSegments, preemptionsIn, ScheduleRecorder } from '../../src/replay/schedule.ts'
import type { ScheduleSegment } from '../../src/kernel/config.ts'
import { DEFAULT_FAIL_ON } from '../../src/replay/explore-failure.ts'
import { type Attempt, scripted, ScriptRunner } from '../../src/replay/shrink-run.ts'
import { TraceReader } from '../../src/trace/reader.ts'
import { memorySource } from '../trace/support.ts'
import { makeRandom } from '../support/random.ts'
import { clock, failing, shrunk } from './shrink-support.ts'
import { loadEngine, memoryFiles, record, replay, treeFor, worldOf } from './support.ts'

const preemptionsOf = (trace: Uint8Array): number => {
  const recorder = new ScheduleRecorder()
  let kernel = (): Kernel | undefined => undefined
  const session = startReplay({
    trace: new TraceReader(memorySource(trace), traceCodecs), engine: loadEngine(), clock, codecs: traceCodecs, mode: 'drive', onEvent: (event) => { recorder.event(event, kernel()) },
  })
  kernel = () => session.kernel
  runToEnd(session)
  return preemptionsIn(plainSegments(recorder.slices()))
}

for (const [guest, cpus, most] of [['lost-update', 1, 1], ['lost-update', 2, 1], ['race-reorder', 1, 2], ['race-twostage', 1, 2], ['race-philosophers', 1, 3], ['race-aba', 1, 3]] as const) {
  test(`the fewest preemptions: ${guest} on ${cpus} CPUs`, (t) => {
    const original = failing(guest, cpus)
    const { result, trace } = shrunk(original)
    t.true(result.preemptions >= 1 && result.preemptions <= most, `${result.preemptionsBefore} preemptions became ${result.preemptions} in ${result.runs} runs`)
    t.log(`${result.preemptionsBefore} preemptions became ${result.preemptions} in ${result.runs} runs`, JSON.stringify(result.segments))
    t.is(preemptionsOf(trace), result.preemptions)
    t.false(result.wasLate)
    const hashes = (['drive', 'from-seed'] as const).map((mode) => {
      const { result: again } = replay(trace, mode)
      t.is(again.divergence, undefined)
      return again.hash
    })
    t.is(hashes[0], hashes[1])
    t.not(result.passing, undefined)
    t.is(replay(trace, 'drive').result.exitCode, replay(original, 'drive').result.exitCode)
  })
}

test('worlds that start from snapshots are as those that start from the beginning', (t) => {
  for (const guest of ['pthread-condition', 'race-philosophers', 'pthread-mutex']) {
    const world = worldOf(guest, { cpus: 1, stdio: ['null', 'pipe', 'pipe'] })
    const runner = new ScriptRunner({ engine: loadEngine(), clock, files: memoryFiles(treeFor(guest)), failOn: DEFAULT_FAIL_ON })
    const input = new Uint8Array(0)
    const of = (segments: readonly ScheduleSegment[], wantsPoints: boolean): Attempt => runner.run(scripted(world, { oneAtATime: true, segments }), input, wantsPoints)
    const { random } = makeRandom(7)
    let segments = plainSegments(of([], false).slices)
    for (let i = 0; i < 12; i++) {
      // What is edited is, now and then, what the scheduler made of an edited list.
      const at = random(segments.length)
      const changed = segments.map((segment, place) => place === at ? { ...segment, until: 500 + random(20_000) } : segment)
      const edited = i % 3 === 0 ? changed.slice(0, at + 1) : i % 3 === 1 ? changed : changed.filter((_, place) => place !== random(segments.length))
      const [forked, whole] = [of(edited, false), of(edited, true)]
      t.deepEqual(forked.slices, whole.slices.map((slice, n) => ({ ...slice, event: forked.slices[n]?.event })), `${guest} ${i}`)
      t.is(forked.cycle, whole.cycle)
      t.deepEqual(forked.failure, whole.failure)
      if (i % 4 === 3) segments = plainSegments(forked.slices)
    }
  }
})

test('of the faults that are listed, those that do not matter are left out', (t) => {
  const list = [{ fault: 'enomem', task: 0, call: 9, count: 0 }, { fault: 'clone', task: 0, call: 56, count: 1 }, { fault: 'eintr', task: 0, call: 1, count: 0 }] as const
  const original = record(worldOf('pthread-condition', { cpus: 1, stdio: ['null', 'pipe', 'pipe'], faults: { list } }), treeFor('pthread-condition'))
  t.is(original.result.exitCode, 139)
  const { result, trace } = shrunk(original.trace)
  t.deepEqual(result.world.faults?.list, [list[0]])
  t.is(replay(trace, 'from-seed').result.exitCode, 139)
})

test('faults that are drawn become a list, of which is left what matters', (t) => {
  for (let seed = 1; seed < 40; seed++) {
    const world = worldOf('pthread-condition', { cpus: 1, seed: String(seed), stdio: ['null', 'pipe', 'pipe'], faults: { rates: { enomem: 0.2, eintr: 0.4, clone: 0.1 } } })
    const original = record(world, treeFor('pthread-condition'))
    if (original.result.exitCode !== 139) continue
    const { result, trace } = shrunk(original.trace)
    t.is(result.world.faults?.rates, undefined)
    t.is(result.world.faults?.list?.length, 1)
    t.is(replay(trace, 'from-seed').result.exitCode, 139)
    return
  }
  t.fail('no seed crashed it')
})

test('the same trace shrinks to the same', (t) => {
  const original = failing('lost-update')
  const [a, b] = [shrunk(original), shrunk(original)]
  t.deepEqual(a.result.segments, b.result.segments)
  t.deepEqual(a.trace, b.trace)
})
