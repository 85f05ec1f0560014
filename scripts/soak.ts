/**
 * npm run soak [-- minutes [seed]]: records and replays guests under random seeds until the time is over, and runs one seed
 * 1,000 times. Prints the seed of what goes wrong and ends with status 1.
 */
import { record, replay, run, type Tree, treeFor, worldOf } from '../test/replay/support.ts'
import type { WorldConfig } from '../src/kernel/config.ts'

const minutes = Number(process.argv[2] ?? 5)
const firstSeed = process.argv[3] ?? String(Date.now())
const until = performance.now() + minutes * 60_000
const SAME_SEED_RUNS = 1000

interface Guest { readonly name: string, readonly tree: Tree, readonly input: readonly string[] }
const GUESTS: readonly Guest[] = [
  { name: 'replay-race', tree: treeFor('replay-race'), input: [] },
  { name: 'replay-tour', tree: treeFor('replay-tour'), input: ['one\n', 'two\nthree\n'] },
  { name: 'abi-threads', tree: treeFor('abi-threads'), input: [] },
  { name: 'abi-process', tree: treeFor('abi-process'), input: [] },
  { name: 'abi-signals', tree: treeFor('abi-signals'), input: [] },
]

const fail = (what: string): never => {
  console.error(`\n${what}`)
  process.exit(1)
}

const once = ({ name, tree, input }: Guest, seed: string, changes: Partial<WorldConfig>): void => {
  const title = `${name}, seed ${seed}, ${JSON.stringify(changes)}`
  const world = worldOf(name, { seed, ...changes })
  const recorded = record(world, tree, input, { checkpointCycles: 1_000_000 })
  if (recorded.result.outcome !== 'exited') fail(`${title}: ${recorded.result.outcome}\n${recorded.result.explanation.join('\n')}\n${String(recorded.result.error)}`)
  for (const mode of ['drive', 'from-seed'] as const) {
    const { result, output } = replay(recorded.trace, mode)
    if (result.divergence !== undefined) fail(`${title}: ${mode} differs at event ${result.divergence.event}: ${result.divergence.what}`)
    if (result.hash !== recorded.result.hash || output !== recorded.output) fail(`${title}: ${mode} ends in another state`)
  }
}

let worlds = 0
while (performance.now() < until) {
  const seed = `${firstSeed}-${worlds}`
  const guest = GUESTS[worlds % GUESTS.length]
  once(guest, seed, { cpus: 1 + worlds % 4, strategy: worlds % 7 === 0 ? 'round-robin' : 'random' })
  worlds++
  if (worlds % 10 === 0) process.stderr.write(`\r${worlds} worlds recorded and replayed both ways`)
}
process.stderr.write('\n')
const race = GUESTS[0]
const hashes = new Set<string>()
for (let i = 0; i < SAME_SEED_RUNS; i++) hashes.add(run(worldOf(race.name, { seed: firstSeed }), race.tree).result.hash)
if (hashes.size !== 1) fail(`${SAME_SEED_RUNS} runs of ${race.name} under seed ${firstSeed} had ${hashes.size} results`)
console.log(`${worlds} worlds replayed both ways; ${SAME_SEED_RUNS} runs under one seed: one result (seed ${firstSeed})`)
