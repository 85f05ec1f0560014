/** Failing traces and their shrunk forms, for tests. */
import { traceCodecs } from '../../src/platform/trace-files.ts'
import { exploreAll } from '../../src/replay/explore-all.ts'
import { DEFAULT_FAIL_ON } from '../../src/replay/explore-failure.ts'
import { ScheduleRunner } from '../../src/replay/explore-schedule.ts'
import { shrinkTrace, type ShrinkTraceResult } from '../../src/replay/shrink-trace.ts'
import { TraceReader } from '../../src/trace/reader.ts'
import { MemorySink, memorySource } from '../trace/support.ts'
import { loadEngine, memoryFiles, type Tree, treeFor, worldOf } from './support.ts'

export const clock = { wallTimeMs: () => performance.now() }

/** A trace of the first failure that a search finds. */
export const failing = (guest: string, cpus = 1, seed = 'shrink', strategy: 'random' | 'pct' = 'random', tree: Tree = treeFor(guest)): Uint8Array => {
  const runner = new ScheduleRunner({
    world: worldOf(guest, { cpus, strategy, ...(strategy === 'pct' ? { pct: { depth: 3, steps: 1 } } : {}), stdio: ['null', 'pipe', 'pipe'] }), engine: loadEngine(), files: memoryFiles(tree), clock, input: new Uint8Array(0), failOn: DEFAULT_FAIL_ON,
  })
  const exploration = exploreAll(runner, {
    most: 5000, seed, strategy, pct: { depth: 3, steps: undefined }, cycleLimit: Infinity, keepGoing: false, shard: { part: 1, of: 1 },
  })
  const [found] = exploration.failures
  const sink = new MemorySink()
  for (const _ of runner.record(found.schedule, found.failure, 'test', traceCodecs, () => sink)) { /* goes on */ }
  return sink.bytes
}

export const shrunk = (trace: Uint8Array): { result: ShrinkTraceResult, trace: Uint8Array } => {
  const sink = new MemorySink()
  const steps = shrinkTrace({
    trace: new TraceReader(memorySource(trace), traceCodecs), engine: loadEngine(), clock, codecs: traceCodecs, failOn: DEFAULT_FAIL_ON, isLate: () => false,
    version: 'test', openTrace: () => sink,
  })
  const result = finish(steps)
  return { result, trace: sink.bytes }
}

export const finish = <T>(steps: Generator<unknown, T>): T => {
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}
