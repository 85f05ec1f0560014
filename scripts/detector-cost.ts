/**
 * What watching memory and looking for races cost, in processor time:
 *   node_modules/.bin/node scripts/detector-cost.ts [--write]
 * runs guests without, watched, with the detectors, and with store buffers, each in a machine that is used again, and prints a table for docs/search.md, or puts it there.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { DEFAULT_TIER } from '../src/emu/jit/jit.ts'
import { watchMemory } from '../src/kernel/watch/memory-watch.ts'
import { RaceSearch } from '../src/replay/detect/race-report.ts'
import { makeMachine } from '../src/replay/machine.ts'
import { startRun } from '../src/replay/run.ts'
import { runToEnd } from '../src/replay/session.ts'
import { hostOf, loadEngine, MemoryConsole, treeFor, worldOf } from '../test/replay/support.ts'

const GUESTS = ['pthread-condition', 'pthread-rwlock', 'pthread-fork', 'pthread-mutex', 'pthread-producer-consumer']
const ROUNDS = 5

const cpuMs = (work: () => void): number => {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]

const engine = { ...loadEngine(), tier: DEFAULT_TIER }
const HOW = ['plain', 'watched', 'races', 'tso'] as const
const machines = Object.fromEntries(HOW.map((how) => [how, makeMachine(engine, 256 << 20)]))
const rows: string[] = []
for (const name of GUESTS) {
  const search = new RaceSearch()
  const run = (how: (typeof HOW)[number]): { accesses: number, executed: number } => {
    const machine = machines[how]
    machine.processor.recycle()
    const session = startRun({ world: worldOf(name, { memoryModel: how === 'tso' ? 'tso' : 'sc' }), host: { ...hostOf(treeFor(name), new MemoryConsole(), engine), machine } })
    if (session.kernel === undefined) throw new Error('no world')
    let accesses = 0
    if (how === 'watched') watchMemory(session.kernel).listen({ access: () => { accesses++ } })
    const races = how === 'races' ? search.attach(session.kernel) : undefined
    const result = runToEnd(session)
    if (result.error !== undefined) throw result.error
    races?.verdict()
    return { accesses, executed: session.progress().executed }
  }
  const times = { plain: [] as number[], watched: [] as number[], races: [] as number[], tso: [] as number[] }
  let { accesses, executed } = run('watched')
  // Once to be warm, and for what must be seen from the start.
  for (const how of HOW) run(how)
  for (let i = 0; i < ROUNDS; i++) {
    for (const how of HOW) times[how].push(cpuMs(() => { if (how === 'watched') ({ accesses, executed } = run(how)); else run(how) }))
  }
  const plain = median(times.plain)
  const factor = (values: number[]): string => (median(values) / plain).toFixed(1)
  rows.push(`| \`${name}\` | ${(executed / 1e6).toFixed(2)} M | ${(accesses / 1e3).toFixed(0)} k | ${plain.toFixed(0)} ms | ${factor(times.watched)} | ${factor(times.races)} | ${factor(times.tso)} |`)
}
const table = ['| guest | instructions | accesses seen | plain | watched | detectors | store buffers |', '| --- | ---: | ---: | ---: | ---: | ---: | ---: |', ...rows].join('\n')
if (process.argv.includes('--write')) {
  const path = new URL('../docs/search.md', import.meta.url)
  const text = readFileSync(path, 'utf8')
  writeFileSync(path, text.replace(/<!-- detectors -->[^]*<!-- end of detectors -->/, `<!-- detectors -->\n${table}\n<!-- end of detectors -->`))
} else {
  process.stdout.write(`${table}\n`)
}
