/** --memory tso: the outcomes of litmus tests are those that x86 allows, all of them; what needs a fence fails without. */
import test from 'ava'
import type { WorldConfig } from '../../src/kernel/config.ts'
import type { Exploration } from '../../src/replay/explore.ts'
import { exploreAll } from '../../src/replay/explore-all.ts'
import { DEFAULT_FAIL_ON, failureText } from '../../src/replay/explore-failure.ts'
import { ScheduleRunner } from '../../src/replay/explore-schedule.ts'
import { type Machine, makeMachine } from '../../src/replay/machine.ts'
import { startRun } from '../../src/replay/run.ts'
import { runToEnd } from '../../src/replay/session.ts'
import { traceCodecs } from '../../src/platform/trace-files.ts'
import { MemorySink } from '../trace/support.ts'
import { hostOf, loadEngine, memoryFiles, MemoryConsole, record, replay, run, treeFor, worldOf } from './support.ts'
import { type Op, outcomes, type Threads } from './tso-model.ts'

const W = (at: string, value: number, mask?: number): Op => ['W', at, value, mask]
const R = (at: string): Op => ['R', at]
const F: Op = ['F']
const X = (at: string, value: number): Op => ['X', at, value]

interface Litmus {
  readonly threads: Threads
  readonly final?: string
  /** An outcome, and whether it is allowed by sequential consistency and by x86-TSO, as published. */
  readonly published?: readonly [outcome: string, sc: boolean, tso: boolean]
}

/** As in guests/src/litmus.c. */
const TESTS: Readonly<Record<string, Litmus>> = {
  SB: { threads: [[W('x', 1), R('y')], [W('y', 1), R('x')]], published: ['0 0', false, true] },
  'SB+mfences': { threads: [[W('x', 1), F, R('y')], [W('y', 1), F, R('x')]], published: ['0 0', false, false] },
  'SB+mfence+po': { threads: [[W('x', 1), F, R('y')], [W('y', 1), R('x')]], published: ['0 0', false, true] },
  'SB+xchgs': { threads: [[X('x', 1), R('y')], [X('y', 1), R('x')]], published: ['0 0', false, false] },
  'SB+locked': { threads: [[W('x', 1), F, R('y')], [W('y', 1), F, R('x')]], published: ['0 0', false, false] },
  MP: { threads: [[W('x', 1), W('y', 1)], [R('y'), R('x')]], published: ['1 0', false, false] },
  LB: { threads: [[R('x'), W('y', 1)], [R('y'), W('x', 1)]], published: ['1 1', false, false] },
  R: { threads: [[W('x', 1), W('y', 1)], [W('y', 2), R('x')]], final: 'y', published: ['0 y=2', false, true] },
  S: { threads: [[W('y', 2), W('x', 1)], [R('x'), W('y', 1)]], final: 'y', published: ['1 y=2', false, false] },
  '2+2W': { threads: [[W('x', 1), W('y', 2)], [W('y', 1), W('x', 2)]], final: 'xy', published: ['x=1 y=1', false, false] },
  IRIW: { threads: [[W('x', 1)], [W('y', 1)], [R('x'), R('y')], [R('y'), R('x')]], published: ['1 0 1 0', false, false] },
  WRC: { threads: [[W('x', 1)], [R('x'), W('y', 1)], [R('y'), R('x')]], published: ['1 1 0', false, false] },
  RWC: { threads: [[W('x', 1)], [R('x'), R('y')], [W('y', 1), R('x')]], published: ['1 0 0', false, true] },
  CoRR: { threads: [[W('x', 1)], [R('x'), R('x')]], published: ['1 0', false, false] },
  n1: { threads: [[W('x', 2), R('y')], [W('y', 1), W('x', 1)], [R('x'), R('x')]], published: ['0 1 2', false, true] },
  n5: { threads: [[W('x', 1), R('x')], [W('x', 2), R('x')]], final: 'x', published: ['2 1 x=1', false, false] },
  n6: { threads: [[W('x', 1), R('x'), R('y')], [W('y', 1), W('x', 2)]], final: 'x', published: ['1 0 x=1', false, true] },
  'SB+rfis': { threads: [[W('x', 1), R('x'), R('y')], [W('y', 1), R('y'), R('x')]], published: ['1 0 1 0', false, true] },
  partial: { threads: [[W('x', 0x01010101), W('x', 0x200, 0xff00), R('x'), R('y')], [W('y', 1), R('x')]], published: ['1010201 0 1010101', false, true] },
}

/** Worlds with 12 rounds each, at least and at most. */
const LEAST = 6, MOST = 400

const machines = new Map<string, Machine>()
const litmus = (changes: Partial<WorldConfig>): string => {
  const model = changes.memoryModel ?? 'sc'
  const engine = loadEngine()
  const machine = machines.get(model) ?? makeMachine(engine, 256 << 20)
  machines.set(model, machine)
  machine.processor.recycle()
  const output = new MemoryConsole()
  const result = runToEnd(startRun({ world: worldOf('litmus', { cpus: 1, cycleLimit: 1e8, ...changes }), host: { ...hostOf(treeFor('litmus'), output, engine), machine } }))
  if (result.exitCode !== 0) throw new Error(`litmus: ${result.outcome} ${String(result.error)}`)
  return output.output
}
/** Tasks are stopped before they use x, y and z. */
const choicePoints = (/^at (.*)$/m.exec(litmus({}))?.[1] ?? '').split(' ').map((address) => Math.floor(Number(address) / 8))

for (const [name, { threads, final = '', published }] of Object.entries(TESTS)) {
  test(`litmus: ${name}`, (t) => {
    for (const memoryModel of ['sc', 'tso'] as const) {
      const expected = outcomes(threads, memoryModel === 'tso', final)
      if (published !== undefined) t.is(expected.includes(published[0]), published[memoryModel === 'tso' ? 2 : 1], `${memoryModel}: the model of the test itself`)
      const seen = new Set<string>()
      for (let seed = 0; seed < MOST && (seed < LEAST || seen.size < expected.length); seed++) {
        const output = litmus({ argv: ['litmus', name, '12'], seed: String(seed), strategy: 'pos', memoryModel, choicePoints })
        for (const line of output.trimEnd().split('\n')) seen.add(line)
      }
      t.deepEqual([...seen].sort(), expected, memoryModel)
    }
  })
}

const explore = (args: readonly string[], memoryModel: 'sc' | 'tso'): { runner: ScheduleRunner, exploration: Exploration } => {
  const runner = new ScheduleRunner({
    world: worldOf('tso', { argv: ['tso', ...args], cpus: 1, stdio: ['null', 'pipe', 'pipe'], memoryModel }), engine: loadEngine(), files: memoryFiles(treeFor('tso')),
    clock: { wallTimeMs: () => performance.now() }, input: new Uint8Array(0), failOn: DEFAULT_FAIL_ON,
  })
  const exploration = exploreAll(runner, {
    most: 150, seed: 'q', strategy: 'random', pct: { depth: 3, steps: undefined }, cycleLimit: Infinity, keepGoing: false, shard: { part: 1, of: 1 },
  })
  return { runner, exploration }
}

for (const name of ['dekker', 'peterson', 'seqlock']) {
  test(`${name}: fails with store buffers, and the trace replays; not with fences, nor without buffers`, (t) => {
    const { runner, exploration } = explore([name], 'tso')
    t.is(exploration.broken, undefined)
    t.is(exploration.failures.length, 1)
    t.regex(failureText(exploration.failures[0].failure), /inside|half of a write/)
    const sink = new MemorySink()
    for (const _ of runner.record(exploration.failures[0].schedule, exploration.failures[0].failure, 'test', traceCodecs, () => sink)) { /* goes on */ }
    for (const mode of ['drive', 'from-seed'] as const) {
      const { result } = replay(sink.bytes, mode)
      t.is(result.divergence, undefined, mode)
      t.is(result.exitCode, 1)
    }
    for (const [args, model] of [[[name, 'fence'], 'tso'], [[name], 'sc']] as const) {
      const { exploration: other } = explore(args, model)
      t.is(other.broken, undefined)
      t.deepEqual(other.failures, [], `${args.join(' ')} ${model}`)
    }
  })
}

test('programs that synchronise do what they always do, and replay both ways', (t) => {
  for (const name of ['pthread-condition', 'pthread-semaphore', 'pthread-fork']) {
    const world = worldOf(name, { memoryModel: 'tso', seed: '5' })
    const { result, trace, output } = record(world, treeFor(name), [], { checkpointCycles: 20_000 })
    t.is(result.exitCode, 0)
    t.is(output, run(worldOf(name, { seed: '5' }), treeFor(name)).output)
    t.true(result.checkpoints > 0, name)
    for (const mode of ['drive', 'from-seed'] as const) {
      const again = replay(trace, mode)
      t.is(again.result.divergence, undefined, `${name} ${mode}`)
      t.is(again.result.hash, result.hash)
    }
  }
})
