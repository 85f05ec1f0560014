/** Exploring schedules: bugs are found, told apart, recorded; correct programs are clean; machines used again are as new. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { WorldConfig } from '../../src/kernel/config.ts'
import { traceCodecs } from '../../src/platform/trace-files.ts'
import { Exploration, type ExploreOptions, type ExploreStrategy } from '../../src/replay/explore.ts'
import { exploreAll } from '../../src/replay/explore-all.ts'
import { DEFAULT_FAIL_ON, type FailOn, failureKey, failureText } from '../../src/replay/explore-failure.ts'
import { type ScheduleResult, ScheduleRunner } from '../../src/replay/explore-schedule.ts'
import { makeMachine } from '../../src/replay/machine.ts'
import { startRun } from '../../src/replay/run.ts'
import { runToEnd } from '../../src/replay/session.ts'
import { MemorySink } from '../trace/support.ts'
import { hostOf, loadEngine, memoryFiles, MemoryConsole, replay, root, run, treeFor, worldOf } from './support.ts'

const runnerOf = (guest: string, world: Partial<WorldConfig> = {}, failOn: FailOn = DEFAULT_FAIL_ON): ScheduleRunner => new ScheduleRunner({
  world: worldOf(guest, { cpus: 1, stdio: ['null', 'pipe', 'pipe'], ...world }), engine: loadEngine(), files: memoryFiles(treeFor(guest)),
  clock: { wallTimeMs: () => performance.now() }, input: new Uint8Array(0), failOn,
})

const explore = (runner: ScheduleRunner, strategy: ExploreStrategy, options: Partial<ExploreOptions> = {}): Exploration => exploreAll(runner, {
  most: 2000, seed: 'test', strategy, pct: { depth: 3, steps: undefined }, cycleLimit: Infinity, keepGoing: false, shard: { part: 1, of: 1 }, ...options,
})

const recordIn = (runner: ScheduleRunner, { failures: [found] }: Exploration): Uint8Array => {
  const sink = new MemorySink()
  for (const _ of runner.record(found.schedule, found.failure, 'test', traceCodecs, () => sink)) { /* goes on */ }
  return sink.bytes
}

for (const strategy of ['random', 'pct'] as const) {
  test(`the lost update is found, and its trace replays: ${strategy}`, (t) => {
    const runner = runnerOf('lost-update', { strategy })
    const exploration = explore(runner, strategy)
    t.is(exploration.broken, undefined)
    t.is(exploration.failures.length, 1)
    t.is(failureText(exploration.failures[0].failure), 'exit status 1')
    const trace = recordIn(runner, exploration)
    const hashes = new Set<string>()
    for (const mode of ['drive', 'from-seed'] as const) {
      const { result, output } = replay(trace, mode)
      t.is(result.divergence, undefined, mode)
      t.is(result.exitCode, 1)
      t.regex(output, /a deposit is lost/)
      hashes.add(result.hash)
    }
    t.is(hashes.size, 1)
  })
}

test('round-robin is one schedule whatever the seed', (t) => {
  const exploration = explore(runnerOf('lost-update', { strategy: 'round-robin' }), 'round-robin', { most: 10 })
  t.is(exploration.schedules, 10)
  t.is(exploration.failed, 0)
})

for (const strategy of ['random', 'pct'] as const) {
  test(`a correct program is clean: ${strategy}`, (t) => {
    const exploration = explore(runnerOf('pthread-mutex', { strategy }), strategy, { most: 40 })
    t.is(exploration.schedules, 40)
    t.deepEqual(exploration.failures, [])
    t.is(exploration.broken, undefined)
  })
}

test('a deadlock is found and says who waits', (t) => {
  const runner = runnerOf('race-philosophers', { strategy: 'pct' })
  const exploration = explore(runner, 'pct', { most: 5000 })
  t.is(exploration.failures.length, 1)
  t.regex(failureText(exploration.failures[0].failure), /^deadlock \(race-philosophe in futex at 0x[0-9a-f]+ \(4 tasks\)\)$/)
  const { result } = replay(recordIn(runner, exploration), 'from-seed')
  t.is(result.divergence, undefined)
  t.is(result.outcome, 'deadlock')
})

test('failures that are alike are one', (t) => {
  const exploration = explore(runnerOf('lost-update', { strategy: 'random' }), 'random', { keepGoing: true, most: 300 })
  t.is(exploration.schedules, 300)
  t.true(exploration.failed > 1, `${exploration.failed} failed`)
  t.is(exploration.failures.length, 1)
  t.is(exploration.failures[0].count, exploration.failed)
  const failure = { kind: 'signal', status: 11, line: '', rip: 0x401000, waits: [] } as const
  t.not(failureKey(failure), failureKey({ ...failure, rip: 0x401001 }))
  t.not(failureKey(failure), failureKey({ ...failure, line: 'x' }))
})

test('what a failure is can be chosen', (t) => {
  const none = explore(runnerOf('lost-update', {}, { kinds: ['signal'], output: undefined }), 'random', { most: 100, keepGoing: true })
  t.is(none.failed, 0)
  const text = explore(runnerOf('lost-update', {}, { kinds: ['output'], output: /deposit is (lost)/ }), 'random')
  t.is(text.failures[0].failure.line, 'deposit is lost')
  const check = ({ output }: { readonly output: string }): { status: number, line: string } => ({ status: output.includes('lost') ? 7 : 0, line: 'lost' })
  const script = explore(runnerOf('lost-update', {}, { kinds: ['script'], output: undefined, script: { path: '', check } }), 'random')
  t.is(failureText(script.failures[0].failure), 'the script exited with 7: lost')
  const hang = explore(runnerOf('replay-forever', { cpus: 1 }), 'random', { most: 1, cycleLimit: 1e6 })
  t.is(hang.failures[0].failure.kind, 'hang')
})

test('shards are parts of the whole, and nothing else', (t) => {
  const options = { most: 6, keepGoing: true }
  const seedsOf = (part: number, of: number): string[] => {
    const exploration = new Exploration({ most: options.most, seed: 's', strategy: 'random', pct: { depth: 3, steps: 1 }, cycleLimit: 1e6, keepGoing: true, shard: { part, of } })
    const seeds: string[] = []
    for (let schedule = exploration.next(); schedule !== undefined; schedule = exploration.next()) {
      seeds.push(schedule.seed)
      exploration.take({ ...schedule, failure: undefined, broken: undefined, interrupted: false, cycle: 1, executed: 1, steps: 1, order: 0, details: [], warnings: [] }, 0)
    }
    return seeds
  }
  t.deepEqual([...seedsOf(1, 2), ...seedsOf(2, 2)].sort(), Array.from({ length: 12 }, (_, i) => `s-${i + 1}`).sort())
})

test('a machine that was used before is as a new one', (t) => {
  const machine = makeMachine(loadEngine(), 256 << 20)
  const guests = ['race-aba', 'lost-update', 'pthread-fork', 'race-aba', 'pthread-signal', 'replay-race', 'lost-update', 'abi-memory', 'race-aba']
  for (const [i, guest] of guests.entries()) {
    const world = worldOf(guest, i % 3 === 2 ? { cpus: 1, strategy: 'pct', pct: { depth: 3, steps: 3000 }, seed: String(i) } : { seed: String(i) })
    const tree = treeFor(guest)
    const console = new MemoryConsole()
    machine.processor.recycle()
    const session = startRun({ world, host: { ...hostOf(tree, console), machine }, finalHash: true })
    const used = runToEnd(session)
    const fresh = run(world, tree)
    t.is(used.hash, fresh.result.hash, guest)
    t.is(used.cycle, fresh.result.cycle)
    t.is(console.output, fresh.output)
  }
})

test('the command line: finds, records, reports; with threads as without', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'retrograde-explore-'))
  const cli = (args: string[]): Promise<{ status: number, stdout: string }> => new Promise((resolve) => {
    execFile(process.execPath, [join(root, 'bin/retrograde.js'), 'explore', ...args], { cwd: directory }, (error, stdout) => {
      resolve({ status: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout })
    })
  })
  try {
    const guest = join(root, 'guests/bin/lost-update')
    const args = ['-n', '150', '--keep-going', '--seed', 'cli', '--clear-env', '--json', '--junit', 'junit.xml', '-o', 'traces']
    const [one, two] = [await cli([...args, '--', guest]), await cli([...args, '--jobs', '2', '--', guest])]
    t.is(one.status, 1)
    t.is(two.status, 1)
    const [first, second] = [one, two].map(({ stdout }) => JSON.parse(stdout) as { schedules: number, failed: number, failures: { trace: string }[] })
    t.is(first.schedules, 150)
    t.is(second.schedules, 150)
    t.is(first.failed, second.failed)
    t.is(first.failures[0].trace, 'traces/1-exit.rgt')
    const { result } = replay(readFileSync(join(directory, 'traces/1-exit.rgt')), 'drive')
    t.is(result.divergence, undefined)
    t.is(result.exitCode, 1)
    t.regex(readFileSync(join(directory, 'junit.xml'), 'utf8'), /<failure type="exit" message="exit status 1">/)
    t.is((await cli(['-n', '5', '--', join(root, 'guests/bin/pthread-tls')])).status, 0)
    t.is((await cli(['--', '/nonexistent'])).status, 125)
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('a first schedule that hangs does not let the others run twenty times as long', (t) => {
  const exploration = new Exploration({ most: 100, seed: 'test', strategy: 'pct', pct: { depth: 3, steps: undefined }, cycleLimit: Infinity, keepGoing: true, shard: { part: 1, of: 1 } })
  const hang = { kind: 'hang', status: 0, line: '', rip: 0, waits: [] } as const
  for (let schedule = exploration.next(); schedule !== undefined; schedule = exploration.next()) {
    const hangs = schedule.number === 2
    const ended = { cycle: hangs ? 1e9 : 20_000, steps: hangs ? 3e8 : 5000, executed: 20_000, order: schedule.number, warnings: [], details: [], failure: hangs ? hang : undefined }
    exploration.take({ ...schedule, ...ended } as unknown as ScheduleResult, 0)
    if (exploration.schedules === 4) break
  }
  t.is(exploration.schedules, 4)
  t.is(exploration.cycleLimit, 20_000 * 20 + 50e6)
  t.is(exploration.steps, 5000)
  t.is(exploration.failures.length, 1)
})
