/**
 * node scripts/search-table.ts [seeds [most]] [--bugs] [--write] [--keep FILE [--kept]] [--only COLUMN] [--guests REGEXP]: schedules until the bug of each guest is found, by strategy, over 20
 * seeds; with `--bugs` for the programs of guests/src/bugs. `--write` puts the table into docs/search.md. `--keep FILE` keeps what was measured, so that it can be interrupted; with `--kept` nothing is measured.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { WorldConfig } from '../src/kernel/config.ts'
import type { ExploreStrategy } from '../src/replay/explore.ts'
import { exploreAll } from '../src/replay/explore-all.ts'
import { DEFAULT_FAIL_ON } from '../src/replay/explore-failure.ts'
import { ScheduleRunner } from '../src/replay/explore-schedule.ts'
import { loadEngine, memoryFiles, root, treeFor, worldOf } from '../test/replay/support.ts'

const isOfBugs = process.argv.includes('--bugs')

/** Sizes in which the suites have them; the others come in one. */
const SIZES: Readonly<Record<string, readonly number[]>> = { philosophers: [2, 3, 4, 5], reorder: [3, 4, 5, 10], twostage: [1, 5], 'wrong-lock': [1, 3] }
/** The first sentence of the comment that each begins with, without its end. */
const aboutOf = (name: string): string => {
  const source = readFileSync(join(root, 'guests/src/bugs', `${name}.c`), 'utf8')
  return /\/\*\s*(?:\* )?([^]*?)[.;:](?:\s|$)/.exec(source.replace(/\n \*? */g, ' '))?.[1].replace(/\s+/g, ' ').trim() ?? name
}
const bugs = (): (readonly [string, string])[] => readdirSync(join(root, 'guests/bin/bugs')).flatMap((name) =>
  (SIZES[name] ?? [undefined]).map((size): readonly [string, string] => [`bugs/${name}${size === undefined ? '' : ` ${size}`}`, aboutOf(name)]))

const seeds = Number(process.argv[2] ?? 20)
const most = Number(process.argv[3] ?? 3000)

/** Guest and its arguments, and what is wrong with it. */
const GUESTS: readonly (readonly [guest: string, bug: string])[] = isOfBugs ? bugs() : [
  ['lost-update', 'two threads, `balance = balance + 5` 40 times'],
  ['race-reorder', 'three setters, one checker'],
  ['race-twostage', 'two locks where one is needed'],
  ['race-philosophers', 'three philosophers, two meals: deadlock'],
  ['race-aba', 'lock-free stack without counters'],
]
const onlyAt = process.argv.indexOf('--only')
interface Column { readonly title: string, readonly strategy?: ExploreStrategy, readonly world: Partial<WorldConfig>, readonly depth: number }
const ALL_COLUMNS: readonly Column[] = [
  { title: 'random, 1 CPU', world: { strategy: 'random', cpus: 1 }, depth: 0 },
  ...isOfBugs ? [] : [{ title: 'random, 2 CPUs', world: { strategy: 'random', cpus: 2 } as const, depth: 0 }],
  ...isOfBugs ? [] : [{ title: 'pct, d = 2', world: { strategy: 'pct', cpus: 1 } as const, depth: 2 }],
  { title: 'pct, d = 3', world: { strategy: 'pct', cpus: 1 }, depth: 3 },
  ...isOfBugs ? [] : [{ title: 'pct, d = 5', world: { strategy: 'pct', cpus: 1 } as const, depth: 5 }],
  { title: 'pct-access, d = 3', world: { strategy: 'pct-access', cpus: 1 }, depth: 3 },
  { title: 'pos', world: { strategy: 'pos', cpus: 1 }, depth: 0 },
  { title: 'novelty', strategy: 'novelty', world: { cpus: 1 }, depth: 0 },
  { title: 'preempt', strategy: 'preempt', world: { cpus: 1 }, depth: 0 },
  { title: 'delay', strategy: 'delay', world: { cpus: 1 }, depth: 0 },
]
const COLUMNS = ALL_COLUMNS.filter(({ title }) => onlyAt < 0 || title === process.argv[onlyAt + 1])

/** Of systematic searches with a bound, which are slower, and say at the end what they have done. */
const MOST_OF_SEARCHES = 2000

/** What was not measured is left out. */
const keptOnly = process.argv.includes('--kept')
const mostOf = (strategy: ExploreStrategy | undefined): number => strategy === 'preempt' || strategy === 'delay' ? Math.min(most, MOST_OF_SEARCHES) : most

const guestsAt = process.argv.indexOf('--guests')
const keepAt = process.argv.indexOf('--keep')
const keepFile = keepAt < 0 ? undefined : process.argv[keepAt + 1]
/** By guest and column: how many schedules it took with each seed, −1: not found. */
const kept: Record<string, number[] | undefined> = keepFile !== undefined && existsSync(keepFile) ? JSON.parse(readFileSync(keepFile, 'utf8')) as Record<string, number[]> : {}

let schedules = 0
const started = performance.now()

/** How many schedules it took, Infinity if it was not found. */
const search = (runner: ScheduleRunner, { strategy, world, depth }: Column, seed: string): number => {
  const exploration = exploreAll(runner, {
    most: mostOf(strategy), seed, strategy: strategy ?? world.strategy ?? 'random', pct: { depth, steps: undefined }, cycleLimit: Infinity, keepGoing: false, shard: { part: 1, of: 1 },
  })
  if (exploration.broken !== undefined) throw new Error(exploration.broken)
  schedules += exploration.schedules
  return exploration.failures[0]?.after ?? Infinity
}

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : Math.round((sorted[middle - 1] + sorted[middle]) / 2)
}

const cell = (values: readonly number[], limit: number): string => {
  if (values.length === 0) return ''
  const found = values.filter((value) => value !== Infinity)
  const fewer = values.length < seeds ? `, ${values.length} seeds` : ''
  const middle = median(values)
  return found.length === 0 ? `—${fewer === '' ? '' : ` (${fewer.slice(2)})`}` : `${middle === Infinity || Number.isNaN(middle) ? `> ${limit}` : middle} (${Math.min(...found)}–${found.length < values.length ? `> ${limit}, ${found.length} of ${values.length} found` : Math.max(...found)}${fewer})`
}

const lines = [`| guest | ${COLUMNS.map(({ title }) => title).join(' | ')} |`, `| --- |${' ---: |'.repeat(COLUMNS.length)}`]
for (const [command, bug] of GUESTS) {
  if (guestsAt >= 0 && !new RegExp(process.argv[guestsAt + 1]).test(command)) continue
  const [guest, ...args] = command.split(' ')
  const tree = treeFor(guest)
  const cells = COLUMNS.map((column) => {
    const world = worldOf(guest, { ...column.world, argv: [guest, ...args], stdio: ['null', 'pipe', 'pipe'] })
    const runner = new ScheduleRunner({
      world, engine: loadEngine(), files: memoryFiles(tree), clock: { wallTimeMs: () => performance.now() }, input: new Uint8Array(0), failOn: DEFAULT_FAIL_ON,
    })
    const key = `${command}, ${column.title}`
    const values = (kept[key] ?? []).slice(0, seeds).map((value) => value < 0 ? Infinity : value)
    while (values.length < seeds && !keptOnly) {
      values.push(search(runner, column, `table-${values.length}`))
      kept[key] = values.map((value) => value === Infinity ? -1 : value)
      if (keepFile !== undefined) writeFileSync(keepFile, JSON.stringify(kept))
    }
    process.stderr.write(`${key}: ${values.join(' ')}\n`)
    return cell(values, mostOf(column.strategy))
  })
  lines.push(`| \`${command.replace('bugs/', '')}\`: ${bug} | ${cells.join(' | ')} |`)
}
const seconds = (performance.now() - started) / 1000
const speed = keepFile === undefined ? ` ${schedules} schedules in ${seconds.toFixed(0)} s on one core of a shared machine, ${(schedules / seconds).toFixed(0)} a second.` : ''
lines.push('', `${seeds} seeds, at most ${most} schedules each (${MOST_OF_SEARCHES} of preempt and delay): median (least–most).${speed}`)
const table = lines.join('\n')
console.log(table)
if (process.argv.includes('--write')) {
  const file = join(root, 'docs/search.md')
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text.replace(isOfBugs ? /(<!-- bugs -->\n)[^]*?(\n<!-- end of bugs -->)/ : /(<!-- table -->\n)[^]*?(\n<!-- end of the table -->)/, (_all, begin: string, end: string) => `${begin}${table}${end}`))
}
