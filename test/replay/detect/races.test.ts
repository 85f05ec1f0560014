/** Data races: found in programs that have them, with both accesses; none in those that have none. */
import test from 'ava'
import type { WorldConfig } from '../../../src/kernel/config.ts'
import { traceCodecs } from '../../../src/platform/trace-files.ts'
import { type Machine, makeMachine } from '../../../src/replay/machine.ts'
import { raceLine, raceLines, type RaceOptions, type RaceReport, RaceSearch } from '../../../src/replay/detect/race-report.ts'
import { traceRaces } from '../../../src/replay/detect/trace-races.ts'
import { startRun } from '../../../src/replay/run.ts'
import { runToEnd, type Session } from '../../../src/replay/session.ts'
import { TraceReader } from '../../../src/trace/reader.ts'
import { memorySource } from '../../trace/support.ts'
import { hostOf, guest, loadEngine, MemoryConsole, record, run, treeFor, type Tree, worldOf } from '../support.ts'

let machine: Machine | undefined
/** In one machine, as worlds are many and short. */
const start = (world: WorldConfig, tree: Tree): Session => {
  const engine = loadEngine()
  if (machine === undefined) machine = makeMachine(engine, 256 << 20)
  else machine.processor.recycle()
  return startRun({ world, host: { ...hostOf(tree, new MemoryConsole(), engine), machine }, finalHash: true })
}

const racesOf = (search: RaceSearch, world: WorldConfig, tree: Tree): readonly RaceReport[] => {
  for (;;) {
    const session = start(world, tree)
    if (session.kernel === undefined) throw new Error('no world')
    const races = search.attach(session.kernel)
    const result = runToEnd(session)
    if (result.error !== undefined) throw result.error
    const verdict = races.verdict()
    if (verdict !== 'again') return verdict.races
  }
}

const search = (name: string, seeds: number, tree = treeFor(name), argv = [name], options: RaceOptions = {}): string[] => {
  const races = new RaceSearch(options)
  const lines = new Set<string>()
  for (let seed = 1; seed <= seeds; seed++) {
    for (const race of racesOf(races, worldOf(name, { argv, seed: `${seed}`, cpus: 1 + seed % 2 }), tree)) lines.add(raceLine(race))
  }
  return [...lines].sort()
}

const bug = (name: string): Tree => ({ [`bin/${name}`]: guest(`bugs/${name}`) })

test('a lost update: both places, with function and line', (t) => {
  t.deepEqual(search('account', 6, bug('account')), ['data race: withdraw+0x18 (account.c:22) and deposit+0x7 (account.c:9)'])
})

test('what a report says', (t) => {
  const [race] = racesOf(new RaceSearch(), worldOf('sched-race', { seed: '3' }), treeFor('sched-race'))
  const lines = raceLines(race)
  t.regex(lines[0], /^data race: 0x[0-9a-f]+ in \/bin\/sched-race and 0x[0-9a-f]+ in \/bin\/sched-race$/)
  t.regex(lines[1], /^ {2}on 0x[0-9a-f]+ in \/bin\/sched-race$/)
  t.regex(lines[2], /^ {2}first: (read|write) of 4 bytes at 0x[0-9a-f]+ by task 10\d, cycle \d+$/)
  t.true(lines.some((line) => line.startsWith('  second: ')))
  t.regex(lines.at(-1) ?? '', /^ {2}not ordered: /)
  // The same address, different tasks, at least one write.
  t.true(race.first.address < race.second.address + race.second.size && race.second.address < race.first.address + race.first.size)
  t.not(race.first.task, race.second.task)
})

for (const name of ['lost-update', 'race-reorder', 'replay-race']) {
  test(`races are found: ${name}`, (t) => { t.true(search(name, 3).length >= 2) })
}

for (const name of ['pthread-barrier', 'pthread-condition', 'pthread-fork', 'pthread-mutex', 'pthread-producer-consumer', 'pthread-rwlock', 'pthread-semaphore',
  'pthread-signal', 'pthread-tls', 'race-philosophers', 'sched-tour']) {
  test(`there is none: ${name}`, (t) => { t.deepEqual(search(name, /mutex|producer|fork/.test(name) ? 1 : 2), []) })
}

test('looking for races changes nothing that the world does', (t) => {
  const world = worldOf('lost-update', { seed: '7' })
  const tree = treeFor('lost-update')
  const session = start(world, tree)
  if (session.kernel === undefined) throw new Error('no world')
  new RaceSearch().attach(session.kernel)
  const watched = runToEnd(session)
  const { result } = run(world, tree)
  t.is(watched.hash, result.hash)
  t.is(watched.cycle, result.cycle)
})

test('races of a trace; some may be ignored', (t) => {
  const { trace } = record(worldOf('account', { seed: '3' }), bug('account'))
  const options = { trace: new TraceReader(memorySource(trace), traceCodecs), engine: loadEngine(), clock: { wallTimeMs: () => performance.now() }, codecs: traceCodecs, mode: 'drive' } as const
  const racesIn = (ignore: readonly RegExp[]): readonly RaceReport[] => {
    const found = traceRaces(options, { ignore })
    for (;;) {
      const { done, value } = found.next()
      if (done === true) return value.races
    }
  }
  t.is(racesIn([]).length, 1)
  t.is(racesIn([/^withdraw/]).length, 0)
})

test('the stack of a thread that has ended is used', (t) => {
  const tree = treeFor('race-stack')
  const search = new RaceSearch()
  for (;;) {
    const session = start(worldOf('race-stack', { cpus: 1 }), tree)
    if (session.kernel === undefined) throw new Error('no world')
    const detectors = search.attach(session.kernel)
    t.is(runToEnd(session).exitCode, 0)
    const verdict = detectors.verdict()
    if (verdict === 'again') continue
    t.regex(verdict.failures[0].line, /^use of the stack of a thread that has ended: 0x[0-9a-f]+ in \/bin\/race-stack$/)
    return
  }
})

test('orders of locks: a warning where tasks take them in a circle, though none waited for ever', (t) => {
  const warnings = (name: string, tree: Tree, ...args: string[]): string[] => {
    const search = new RaceSearch()
    for (let seed = 1; ; seed++) {
      const session = start(worldOf(name, { seed: `${seed}`, cpus: 2, argv: [name, ...args] }), tree)
      if (session.kernel === undefined) throw new Error('no world')
      const detectors = search.attach(session.kernel)
      const { outcome } = runToEnd(session)
      const verdict = detectors.verdict()
      if (verdict !== 'again' && outcome === 'exited') return verdict.warnings.map(({ line }) => line)
    }
  }
  t.deepEqual(warnings('deadlock', bug('deadlock')), ['lock order: b+0x4 → a+0x4 → b+0x4'])
  t.deepEqual(warnings('pthread-condition', treeFor('pthread-condition')), [])
  t.deepEqual(warnings('pthread-mutex', treeFor('pthread-mutex')), [])
  const orders = (mode: string): string[] => warnings('lock-orders', treeFor('lock-orders'), mode)
  t.deepEqual(orders('mutexes'), ['lock order: mutexes+0x4 → mutexes+0x2c → mutexes+0x4'])
  for (const mode of ['spins', 'bits', 'futexes']) t.deepEqual(orders(mode), ['lock order: words → words+0x40 → words'], mode)
  for (const mode of ['counters', 'references', 'semaphores', 'tried']) t.deepEqual(orders(mode), [], mode)
})

test('processes that share memory: what orders them and what does not', (t) => {
  const races = (how: string): number => search('race-shared', 3, treeFor('race-shared'), ['race-shared', how]).length
  t.true(races('none') > 0)
  for (const how of ['semaphore', 'pipe', 'wait']) t.is(races(how), 0, how)
})

test('system calls that fill a buffer race as well', (t) => {
  t.true(search('race-buffer', 4).length > 0)
  t.deepEqual(search('race-buffer', 4, treeFor('race-buffer'), ['race-buffer', 'fixed']), [])
})

test('what is said to be atomic orders tasks, and the race that remains is the bug', (t) => {
  const lines = (options: RaceOptions): string[] => search('double-checked', 6, bug('double-checked'), ['double-checked'], options)
  t.true(lines({}).length > 1)
  t.deepEqual(lines({ atomics: [/^instance$/] }), ['data race: use+0x17 (double-checked.c:30) and get (inlined, double-checked.c:20)'])
})
