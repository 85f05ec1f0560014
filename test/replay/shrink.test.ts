/** Shrinking: from a schedule that a search found to one with a few preemptions, which fails alike and is recorded. */
import test from 'ava'
import type { Kernel } from '../../src/kernel/kernel.ts'
import { traceCodecs } from '../../src/platform/trace-files.ts'
import { Exploration } from '../../src/replay/explore.ts'
import { DEFAULT_FAIL_ON } from '../../src/replay/explore-failure.ts'
import { ScheduleRunner } from '../../src/replay/explore-schedule.ts'
import { runToEnd } from '../../src/replay/session.ts'
import { shrinkTrace, type ShrinkTraceResult } from '../../src/replay/shrink-trace.ts'
import { startReplay } from '../../src/replay/replay.ts'
import { plainSegments, preemptionsIn, ScheduleRecorder } from '../../src/replay/schedule.ts'
import { TraceReader } from '../../src/trace/reader.ts'
import { MemorySink, memorySource } from '../trace/support.ts'
import { loadEngine, memoryFiles, replay, treeFor, worldOf } from './support.ts'

const clock = { wallTimeMs: () => performance.now() }

/** A trace of the first failure that a search finds. */
const failing = (guest: string, cpus = 1, seed = 'shrink'): Uint8Array => {
  const runner = new ScheduleRunner({
    world: worldOf(guest, { cpus, stdio: ['null', 'pipe', 'pipe'] }), engine: loadEngine(), files: memoryFiles(treeFor(guest)), clock, input: new Uint8Array(0), failOn: DEFAULT_FAIL_ON,
  })
  const exploration = new Exploration({
    most: 5000, seed, strategy: 'random', pct: { depth: 3, steps: undefined }, cycleLimit: Infinity, keepGoing: false, shard: { part: 1, of: 1 },
  })
  for (let schedule = exploration.next(); schedule !== undefined; schedule = exploration.next()) {
    const running = runner.start(schedule)
    let result = running.advance()
    while (result === undefined) result = running.advance()
    exploration.take(result, 0)
  }
  const [found] = exploration.failures
  const sink = new MemorySink()
  for (const _ of runner.record(found.schedule, found.failure, 'test', traceCodecs, () => sink)) { /* goes on */ }
  return sink.bytes
}

const shrunk = (trace: Uint8Array): { result: ShrinkTraceResult, trace: Uint8Array } => {
  const sink = new MemorySink()
  const steps = shrinkTrace({
    trace: new TraceReader(memorySource(trace), traceCodecs), engine: loadEngine(), clock, codecs: traceCodecs, failOn: DEFAULT_FAIL_ON, isLate: () => false,
    version: 'test', openTrace: () => sink,
  })
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return { result: value, trace: sink.bytes }
  }
}

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

test('the same trace shrinks to the same', (t) => {
  const original = failing('lost-update')
  const [a, b] = [shrunk(original), shrunk(original)]
  t.deepEqual(a.result.segments, b.result.segments)
  t.deepEqual(a.trace, b.trace)
})
