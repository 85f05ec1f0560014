/** Schedules as data: what was recorded of a run makes the same run again under the strategy 'script'. */
import test from 'ava'
import type { ScriptConfig, WorldConfig } from '../../src/kernel/config.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import { traceCodecs } from '../../src/platform/trace-files.ts'
import { startReplay } from '../../src/replay/replay.ts'
import { startRun } from '../../src/replay/run.ts'
import { exactScript, plainSegments, preemptionsIn, ScheduleRecorder } from '../../src/replay/schedule.ts'
import { runToEnd } from '../../src/replay/session.ts'
import { StateHasher, hexOf } from '../../src/replay/state-hash.ts'
import type { TraceEvent } from '../../src/trace/events.ts'
import { TraceReader } from '../../src/trace/reader.ts'
import { memorySource } from '../trace/support.ts'
import { hostOf, loadEngine, MemoryConsole, record, replay, treeFor, worldOf } from './support.ts'

/** State without what belongs to the strategy: two strategies that do the same differ in it. */
const hashOf = (kernel: Kernel): string => {
  for (const { usage } of kernel.state.tasks.values()) usage.involuntarySwitches = 0
  for (const { usage } of kernel.state.groups.values()) usage.involuntarySwitches = 0
  for (const cpu of kernel.state.cpus) cpu.sliceEnd = 0
  Object.assign(kernel.state, { pct: undefined, script: undefined })
  return hexOf(new StateHasher(kernel.memory).hashWorld(kernel))
}

/** What decisions there were is the strategy's own. */
const comparable = (event: TraceEvent): string => JSON.stringify(event.type === 'slice' ? { ...event, draws: [], budget: 0 } : event.type === 'end' ? { ...event, hash: '' } : event)

interface Run { readonly events: string[], readonly hash: string, readonly recorder: ScheduleRecorder }

const run = (world: WorldConfig, guest: string): Run => {
  const events: string[] = []
  const recorder = new ScheduleRecorder()
  let kernel = (): Kernel | undefined => undefined
  const session = startRun({
    world, host: hostOf(treeFor(guest), new MemoryConsole()), onEvent: (event) => {
      recorder.event(event, kernel())
      if (event.type !== 'draw') events.push(comparable(event))
    },
  })
  kernel = () => session.kernel
  runToEnd(session)
  return { events, hash: hashOf(session.kernel as Kernel), recorder }
}

const scripted = (world: WorldConfig, script: ScriptConfig): WorldConfig => {
  const { pct: _, ...rest } = world
  return { ...rest, strategy: 'script', script, seed: world.seed }
}

const CASES = [
  ['lost-update', { cpus: 1 }], ['lost-update', { cpus: 2 }], ['pthread-condition', { cpus: 1 }], ['pthread-signal', { cpus: 3 }],
  ['race-twostage', { cpus: 1, strategy: 'pct', pct: { depth: 5, steps: 2000 } }], ['replay-tour', { cpus: 2 }], ['sched-tour', { cpus: 2 }],
] as const

for (const [guest, changes] of CASES) {
  test(`a script makes the same run again: ${guest} ${JSON.stringify(changes)}`, (t) => {
    for (const seed of ['1', '2', '3']) {
      const world = worldOf(guest, { ...changes, seed } as Partial<WorldConfig>)
      const original = run(world, guest)
      const again = run(scripted(world, exactScript(original.recorder.slices())), guest)
      t.true(original.events.length > 20)
      t.deepEqual(again.events, original.events, seed)
      t.is(again.hash, original.hash, seed)
    }
  })
}

test('strategies that stop at accesses and system calls: the same, but for a cycle here and there', (t) => {
  const plain = ({ events }: Run): string[] => events.filter((event) => !event.startsWith('{"type":"slice"')).map((event) => event.replace(/"(cycle|started)":\d+/g, '').replace(/"turn":\d+/, ''))
  for (const guest of ['lost-update', 'race-twostage', 'pthread-condition']) {
    const world = worldOf(guest, { cpus: 1, strategy: 'pos', seed: '4' })
    const original = run(world, guest)
    t.deepEqual(plain(run(scripted(world, exactScript(original.recorder.slices())), guest)), plain(original), guest)
    const segments = plainSegments(original.recorder.slices())
    t.deepEqual(plain(run(scripted(world, { oneAtATime: true, segments }), guest)), plain(original), guest)
  }
})

test('a trace that was recorded under a script replays both ways, and gives the script again', (t) => {
  const world = worldOf('lost-update', { cpus: 2, seed: '5' })
  const script = exactScript(run(world, 'lost-update').recorder.slices())
  const { trace, result } = record(scripted(world, script), treeFor('lost-update'))
  for (const mode of ['drive', 'from-seed'] as const) t.is(replay(trace, mode).result.divergence, undefined)
  const recorder = new ScheduleRecorder()
  let kernel = (): Kernel | undefined => undefined
  const session = startReplay({
    trace: new TraceReader(memorySource(trace), traceCodecs), engine: loadEngine(), clock: { wallTimeMs: () => 0 }, codecs: traceCodecs, mode: 'drive',
    onEvent: (event) => { recorder.event(event, kernel()) },
  })
  kernel = () => session.kernel
  t.is(runToEnd(session).hash, result.hash)
  t.deepEqual(exactScript(recorder.slices()), script)
})

test('one task at a time: two CPUs become one, and what is preempted is counted', (t) => {
  let preemptions = 0
  for (const seed of ['1', '2', '3', '4', '5']) {
    const world = worldOf('lost-update', { cpus: 2, seed })
    const segments = plainSegments(run(world, 'lost-update').recorder.slices())
    preemptions += preemptionsIn(segments)
    const again = plainSegments(run(scripted(world, { oneAtATime: true, segments }), 'lost-update').recorder.slices())
    t.true(preemptionsIn(again) <= preemptionsIn(segments), seed)
    // Of what one CPU did a script makes the same again.
    t.deepEqual(plainSegments(run(scripted(world, { oneAtATime: true, segments: again }), 'lost-update').recorder.slices()), again, seed)
  }
  t.true(preemptions > 5, String(preemptions))
})

test('without segments nothing is preempted, and all get their turn', (t) => {
  for (const guest of ['lost-update', 'pthread-condition', 'race-philosophers', 'sched-tour']) {
    const world = scripted(worldOf(guest), { oneAtATime: true, segments: [] })
    const { recorder, events } = run(world, guest)
    t.is(preemptionsIn(plainSegments(recorder.slices())), 0, guest)
    t.regex(events.at(-1) ?? '', /"outcome":"exited"/, guest)
  }
})

test('a script that does not fit harms nothing', (t) => {
  const segments = [{ task: 7, until: 100, cpu: 0 }, { task: 1, until: 0, cpu: 0 }, { task: 0, until: 3, cpu: 0 }, { task: 2, until: Infinity, cpu: 0 }, { task: 900, until: 5, cpu: 3 }]
  const { events } = run(scripted(worldOf('pthread-condition'), { oneAtATime: true, segments }), 'pthread-condition')
  t.regex(events.at(-1) ?? '', /"outcome":"exited"/)
})
