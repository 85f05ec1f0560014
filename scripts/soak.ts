/**
 * npm run soak [-- minutes [seed]]: until the time is over
 * - records guests under random seeds and replays them both ways,
 * - explores guests under each strategy: each failure, and a schedule of each search that did not fail, is recorded (where the recording must end in the
 *   state that its fork ended in) and replayed both ways;
 * and last it runs one seed 1,000 times. Prints the seed of what goes wrong and ends with status 1.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { record, replay, root, run, loadEngine, memoryFiles, type Tree, treeFor, worldOf } from '../test/replay/support.ts'
import { MemorySink } from '../test/trace/support.ts'
import type { WorldConfig } from '../src/kernel/config.ts'
import { traceCodecs } from '../src/platform/trace-files.ts'
import { Exploration, type ExploreStrategy, isSearch, scheduleOf } from '../src/replay/explore.ts'
import { DEFAULT_FAIL_ON } from '../src/replay/explore-failure.ts'
import { ScheduleRunner, type ScheduleResult } from '../src/replay/explore-schedule.ts'

const minutes = Number(process.argv[2] ?? 5)
const firstSeed = process.argv[3] ?? String(Date.now())
const until = performance.now() + minutes * 60_000
const SAME_SEED_RUNS = 1000
const SCHEDULES = 60

interface Guest { readonly name: string, readonly tree: Tree, readonly input: readonly string[] }
const GUESTS: readonly Guest[] = [
  { name: 'replay-race', tree: treeFor('replay-race'), input: [] },
  { name: 'replay-tour', tree: treeFor('replay-tour'), input: ['one\n', 'two\nthree\n'] },
  { name: 'abi-threads', tree: treeFor('abi-threads'), input: [] },
  { name: 'abi-process', tree: treeFor('abi-process'), input: [] },
  { name: 'abi-signals', tree: treeFor('abi-signals'), input: [] },
]
/** Those with several threads that end in little time, also where all their accesses are looked at. */
const EXPLORED = [
  ...readdirSync(join(root, 'guests/bin/bugs')).map((name) => `bugs/${name}`), ...readdirSync(join(root, 'guests/bin')).filter((name) => /^(race-|lost-update|dpor-threads|pthread-(barrier|semaphore|tls))/.test(name)),
]
const STRATEGIES: readonly ExploreStrategy[] = ['random', 'pct', 'pct-access', 'pos', 'preempt', 'delay', 'dpor', 'novelty']

const fail = (what: string): never => {
  console.error(`\n${what}`)
  process.exit(1)
}

const replayBothWays = (title: string, trace: Uint8Array, hash?: string, output?: string): void => {
  const hashes = new Set(hash === undefined ? [] : [hash])
  for (const mode of ['drive', 'from-seed'] as const) {
    const { result, output: again } = replay(trace, mode)
    if (result.divergence !== undefined) fail(`${title}: ${mode} differs at event ${result.divergence.event}: ${result.divergence.what}`)
    hashes.add(result.hash)
    if (hashes.size !== 1 || (output !== undefined && again !== output)) fail(`${title}: ${mode} ends in another state`)
  }
}

const once = ({ name, tree, input }: Guest, seed: string, changes: Partial<WorldConfig>): void => {
  const title = `${name}, seed ${seed}, ${JSON.stringify(changes)}`
  const recorded = record(worldOf(name, { seed, ...changes }), tree, input, { checkpointCycles: 1_000_000 })
  if (recorded.result.outcome !== 'exited') fail(`${title}: ${recorded.result.outcome}\n${recorded.result.explanation.join('\n')}\n${String(recorded.result.error)}`)
  replayBothWays(title, recorded.trace, recorded.result.hash, recorded.output)
}

/** Returns how many were recorded. */
const explored = (name: string, strategy: ExploreStrategy, seed: string): number => {
  const title = `explore ${name}, ${strategy}, seed ${seed}`
  const world = worldOf(name, { ...(name === 'dpor-threads' ? { argv: [name, 'l0e0n0t1i1d1,l1i1n1,l0w0s0n0'] } : {}), seed, cpus: strategy === 'random' ? 1 + seed.length % 2 : 1, strategy: isSearch(strategy) ? 'random' : strategy, stdio: ['null', 'pipe', 'pipe'], ...(strategy === 'pct' || strategy === 'pct-access' ? { pct: { depth: 3, steps: 1 } } : {}) })
  const runner = new ScheduleRunner({ world, engine: loadEngine(), files: memoryFiles(treeFor(name)), clock: { wallTimeMs: () => performance.now() }, input: new Uint8Array(0), failOn: DEFAULT_FAIL_ON })
  const exploration = new Exploration({ most: SCHEDULES, seed, strategy, pct: { depth: 3, steps: undefined }, cycleLimit: Infinity, keepGoing: true, shard: { part: 1, of: 1 } })
  let passed: ScheduleResult | undefined
  for (let schedule = exploration.next(); schedule !== undefined; schedule = exploration.next()) {
    const running = runner.start(schedule)
    let result = running.advance()
    while (result === undefined) result = running.advance()
    exploration.take(result, 0)
    if (result.failure === undefined && result.path?.isPruned !== true) passed = result
  }
  if (exploration.broken !== undefined) fail(`${title}: ${exploration.broken}`)
  const all = [...exploration.failures, ...passed === undefined ? [] : [{ schedule: scheduleOf(passed), failure: undefined }]]
  for (const { schedule, failure } of all) {
    const sink = new MemorySink()
    try {
      for (const _ of runner.record(schedule, failure, 'soak', traceCodecs, () => sink)) { /* goes on */ }
    } catch (error) {
      fail(`${title}: ${String(error)}`)
    }
    replayBothWays(`${title}, schedule ${schedule.number}`, sink.bytes)
  }
  return all.length
}

let worlds = 0, searches = 0, recordings = 0
while (performance.now() < until) {
  const seed = `${firstSeed}-${worlds}`
  once(GUESTS[worlds % GUESTS.length], seed, { cpus: 1 + worlds % 4, strategy: worlds % 7 === 0 ? 'round-robin' : 'random' })
  worlds++
  // Programs and strategies go round with different periods.
  recordings += explored(EXPLORED[searches % EXPLORED.length], STRATEGIES[(searches + Math.floor(searches / EXPLORED.length)) % STRATEGIES.length], seed)
  searches++
  if (worlds % 10 === 0) process.stderr.write(`\r${worlds} worlds recorded and replayed both ways, ${searches} searches with ${recordings} recordings`)
}
process.stderr.write('\n')
const race = GUESTS[0]
const hashes = new Set<string>()
for (let i = 0; i < SAME_SEED_RUNS; i++) hashes.add(run(worldOf(race.name, { seed: firstSeed }), race.tree).result.hash)
if (hashes.size !== 1) fail(`${SAME_SEED_RUNS} runs of ${race.name} under seed ${firstSeed} had ${hashes.size} results`)
console.log(`${worlds} worlds replayed both ways; ${searches} searches of ${SCHEDULES} schedules, ${recordings} of them recorded and replayed both ways; ${SAME_SEED_RUNS} runs under one seed: one result (seed ${firstSeed})`)
