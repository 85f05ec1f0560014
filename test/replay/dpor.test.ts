/** DPOR on programs of POSIX threads: it ends, has the published numbers of executions, and sees every outcome that there is. */
import fc from 'fast-check'
import test from 'ava'
import { Exploration } from '../../src/replay/explore.ts'
import { exploreAll } from '../../src/replay/explore-all.ts'
import { ScheduleRunner } from '../../src/replay/explore-schedule.ts'
import { traceCodecs } from '../../src/platform/trace-files.ts'
import { DEFAULT_FAIL_ON } from '../../src/replay/explore-failure.ts'
import { MemorySink } from '../trace/support.ts'
import { DEADLOCK, outcomesOf } from './dpor-model.ts'
import { loadEngine, memoryFiles, replay, treeFor, worldOf } from './support.ts'

const GUEST = 'dpor-threads'
const seed = Number(process.env.RETROGRADE_SEED ?? Date.now() % 2 ** 31)
const RUNS = Number(process.env.RETROGRADE_DPOR_RUNS ?? 12)

interface Explored { readonly progress: string, readonly outcomes: readonly string[], readonly broken: string | undefined }

/** All executions, and what they print. Schedules that only look for what threads compete for don't count. */
const explore = (args: readonly string[], most = 4000): Explored => {
  const outcomes = new Set<string>()
  let isOfSearch = false
  const check = ({ outcome, output }: { outcome: string, output: string }): { status: number, line: string } => {
    if (isOfSearch) outcomes.add(outcome === 'deadlock' ? DEADLOCK : outcome === 'exited' ? output : outcome)
    return { status: 0, line: '' }
  }
  const runner = new ScheduleRunner({
    world: worldOf(GUEST, { cpus: 1, argv: [GUEST, ...args], stdio: ['null', 'pipe', 'pipe'] }), engine: loadEngine(), files: memoryFiles(treeFor(GUEST)),
    clock: { wallTimeMs: () => performance.now() }, input: new Uint8Array(0), failOn: { kinds: [], output: undefined, script: { path: '', check } },
  })
  const exploration = new Exploration({ most, seed: 'test', strategy: 'dpor', pct: { depth: 3, steps: undefined }, cycleLimit: Infinity, keepGoing: true, shard: { part: 1, of: 1 } })
  for (let schedule = exploration.next(); schedule !== undefined; schedule = exploration.next()) {
    const running = runner.start(schedule)
    isOfSearch = schedule.plan !== undefined
    let result = running.advance()
    while (result === undefined) result = running.advance()
    exploration.take(result, 0)
  }
  return { progress: exploration.searchProgress ?? '', outcomes: [...outcomes].sort(), broken: exploration.broken }
}

const KNOWN: readonly (readonly [args: readonly string[], executions: number, why: string])[] = [
  [['l0i0n0,l0i0n0'], 2, 'n threads that lock one mutex once: n!'],
  [['l0i0n0,l0i0n0,l0i0n0'], 6, 'n!'],
  [['l0i0n0,l0i0n0,l0i0n0,l0i0n0'], 24, 'n!'],
  [['l0i0n0,l1i1n1,l2i2n2'], 1, 'three mutexes have nothing to do with each other'],
  [['w0,r0,r0,r0'], 8, 'one writer and n readers: 2^n'],
  [['w0r1,w1r0'], 3, 'store buffering'],
  [['l0l1n1n0,l1l0n0n1'], 3, 'two orders, and the deadlock'],
  [['l0e0n0,l0w0s0n0'], 2, 'who waits comes first, or finds that it need not wait'],
  [['filesystem', '14'], 2, 'Abdulla and others (POPL 2014), table 1'],
  [['filesystem', '16'], 8, 'the same'],
  [['indexer', '11'], 1, 'no two threads want the same place'],
  [['indexer', '12'], 8, 'Abdulla and others (POPL 2014), table 1'],
]

test('DPOR with a C library has the number of executions that is known', (t) => {
  for (const [args, executions, why] of KNOWN) {
    const { progress, broken } = explore(args)
    t.is(broken, undefined, args.join(' '))
    t.regex(progress, new RegExp(`^all ${executions} executions explored`), `${args.join(' ')}: ${why}`)
  }
})

const FIXED = ['b0r0,w0b0', 'v0r0,w0p0', 'f0r1,w1w0', 'l0e0n0r1,l0e0n0w1,l0w0a0n0', 't0i0d0,t0i0d0', 'v0u0,v0u0,p0p0', 'l0e0n0,s0,l0w0n0']

for (const program of FIXED) {
  test(`DPOR ends, and sees each outcome: ${program}`, (t) => {
    const { progress, broken, outcomes } = explore([program])
    t.is(broken, undefined)
    t.regex(progress, /^all \d+ executions explored/)
    t.deepEqual(outcomes, outcomesOf(program))
  })
}

test('a deadlock that DPOR finds is recorded, and replays', (t) => {
  const runner = new ScheduleRunner({
    world: worldOf(GUEST, { cpus: 1, argv: [GUEST, 'l0l1n1n0,l1l0n0n1'], stdio: ['null', 'pipe', 'pipe'] }), engine: loadEngine(), files: memoryFiles(treeFor(GUEST)),
    clock: { wallTimeMs: () => performance.now() }, input: new Uint8Array(0), failOn: DEFAULT_FAIL_ON,
  })
  const exploration = exploreAll(runner, { most: 100, seed: 'test', strategy: 'dpor', pct: { depth: 3, steps: undefined }, cycleLimit: Infinity, keepGoing: true, shard: { part: 1, of: 1 } })
  const found = exploration.failures.find(({ schedule }) => schedule.choiceCode !== undefined)
  if (found === undefined) return t.fail()
  t.true((found.schedule.choiceCode?.sync.length ?? 0) > 0)
  t.is(found.failure.kind, 'deadlock')
  const sink = new MemorySink()
  for (const _ of runner.record(found.schedule, found.failure, 'test', traceCodecs, () => sink)) { /* goes on */ }
  const hashes = new Set<string>()
  for (const mode of ['drive', 'from-seed'] as const) {
    const { result } = replay(sink.bytes, mode)
    t.is(result.divergence, undefined, mode)
    hashes.add(result.hash)
  }
  t.is(hashes.size, 1)
})

const variable = fc.constantFrom(0, 1)
const plain = fc.tuple(fc.constantFrom('r', 'w', 'u', 'i'), variable).map(([kind, n]) => `${kind}${n}`)
const locked = fc.tuple(fc.constantFrom(0, 1), fc.array(plain, { maxLength: 2 })).map(([n, inner]) => `l${n}${inner.join('')}n${n}`)
const tried = fc.tuple(fc.constantFrom(0, 1), plain).map(([n, inner]) => `t${n}${inner}d${n}`)
const nested = fc.tuple(fc.constantFrom('l0l1', 'l1l0'), plain).map(([begin, inner]) => `${begin}${inner}n0n1`)
const others = fc.constantFrom('b0', 'p0', 'v0', 's0', 'l0e0n0', 'l0w0s0n0', 'l0w0a0n0')
const thread = fc.array(fc.oneof({ weight: 4, arbitrary: plain }, { weight: 3, arbitrary: locked }, { weight: 1, arbitrary: tried }, { weight: 1, arbitrary: nested }, { weight: 2, arbitrary: others }), { minLength: 1, maxLength: 3 }).map((parts) => parts.join(''))
const programs = fc.oneof(fc.array(thread, { minLength: 2, maxLength: 2 }), fc.array(fc.array(fc.oneof(plain, locked), { minLength: 1, maxLength: 2 }).map((parts) => parts.join('')), { minLength: 3, maxLength: 3 })).map((threads) => threads.join(','))

test('random programs: DPOR ends, and sees the outcomes of all interleavings, no more and no fewer', (t) => {
  fc.assert(fc.property(programs, (program) => {
    const { progress, broken, outcomes } = explore([program])
    t.is(broken, undefined, program)
    if (!progress.startsWith('all')) throw new Error(`${program}: ${progress}`)
    t.deepEqual(outcomes, outcomesOf(program), program)
  }), { seed, numRuns: RUNS })
})
