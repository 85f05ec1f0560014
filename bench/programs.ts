/**
 * Programs through the command line, whatever tiers it uses, beside their native run and qemu's: twelve C programs of ours
 * (guests.ts) and five real ones. Processor time of all threads, start-up and V8's compiler included, and the time that a user waits.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GUESTS, QEMU, type Times, buildGuest, hasQemu, isNativePossible, timesOf } from './guests.ts'
import type { Row, Tables } from './table.ts'

const RETROGRADE = join(import.meta.dirname, '../bin/retrograde.js')
/** So long that starting up weighs little; a fourth of that for a quick look. */
const LONGER = 4, QUICK = 1
const RUNS = 3, QUICK_RUNS = 1
const MEBIBYTE = 1 << 20
const NEVER: Times = { processor: Infinity, wall: Infinity }, UNKNOWN: Times = { processor: NaN, wall: NaN }
const least = (a: Times, b: Times): Times => ({ processor: Math.min(a.processor, b.processor), wall: Math.min(a.wall, b.wall) })

/** TEXT: a file of 16 MiB. */
const REAL_PROGRAMS: readonly (readonly [name: string, command: (share: number) => readonly string[]])[] = [
  ['busybox gzip, 16 MiB', () => ['busybox', 'gzip', '-c', 'TEXT']],
  ['sqlite3, 200,000 rows', (share) => ['sqlite3', ':memory:', `create table t(a integer primary key, b text, c real);
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${200_000 * share}) insert into t select i, 'row ' || i, i * 0.5 from n;
    select count(*), sum(c), max(b) from t;`]],
  ['python3, 2,000,000 steps', (share) => ['/usr/bin/python3', '-S', '-c', `total = 0
for i in range(${2_000_000 * share}):
    total += i * i % 7
print(total)`]],
  ['bash, 200,000 steps', (share) => ['bash', '-c', `s=0; for ((i = 0; i < ${200_000 * share}; i++)); do s=$((s + i % 7)); t="x$i"; done; echo $s $t`]],
  ['perl, regular expressions over 16 MiB', () => ['perl', '-ne', '$n++ while /\\b(\\w)(\\w*)\\1\\b/g; $m++ if /(?:ab|ba)\\w+ [0-9]/; END { print "$n $m\\n" }', 'TEXT']],
]

/** Words of a small vocabulary, always the same. */
const makeText = (bytes: number): string => {
  const words: string[] = []
  for (let x = 1, length = 0; length < bytes; x = (x * 48271) % 0x7fffffff) {
    const word = `${(x % 4096).toString(36)}${x % 9 === 0 ? '\n' : ' '}`
    words.push(word)
    length += word.length
  }
  return words.join('')
}

const row = (name: string, command: readonly string[], options: readonly string[], runs: number): Row | undefined => {
  const path = spawnSync('which', [command[0]], { encoding: 'utf8' }).stdout.trim()
  const native = path === '' ? undefined : spawnSync(path, command.slice(1), { maxBuffer: 1 << 28 })
  if (native?.status !== 0) {
    console.log(`${name}: skipped, ${command[0]} does not run here`)
    return undefined
  }
  const ours = [RETROGRADE, 'run', ...options, path, ...command.slice(1)]
  const checked = spawnSync(process.execPath, ours, { maxBuffer: 1 << 28 })
  if (checked.status !== 0 || !checked.stdout.equals(native.stdout)) {
    console.log(`${name}: FAILED, status ${checked.status ?? '?'}, ${checked.stdout.length} bytes of output; natively ${native.stdout.length}`)
    return undefined
  }
  // Turn by turn, so that what else the machine does hits all of them.
  let [mine, alone, qemu]: Times[] = [NEVER, NEVER, hasQemu ? NEVER : UNKNOWN]
  for (let i = 0; i < runs; i++) {
    mine = least(mine, timesOf(process.execPath, ours))
    alone = least(alone, timesOf(path, command.slice(1)))
    if (hasQemu) qemu = least(qemu, timesOf(QEMU, [realpathSync(path), ...command.slice(1)]))
  }
  return {
    program: name, 'ours s': mine.processor, 'native s': alone.processor, 'qemu s': qemu.processor,
    '× native': mine.processor / alone.processor, '× qemu': mine.processor / qemu.processor,
    'wall: ours s': mine.wall, 'native': alone.wall, 'qemu': qemu.wall, 'wall × native': mine.wall / alone.wall, 'wall × qemu': mine.wall / qemu.wall,
  }
}

/** What there is to do, row by row, and the geometric mean of the ratios behind it. */
const addRows = (tables: Tables, title: string, measures: readonly (() => Row | undefined)[]): void => {
  const rows: Row[] = []
  for (const measure of measures) {
    const row = measure()
    if (row === undefined) continue
    rows.push(row)
    tables.add(title, row)
  }
  if (rows.length < 2) return
  const mean = (column: string): number => Math.exp(rows.reduce((sum, each) => sum + Math.log(Number(each[column])), 0) / rows.length)
  tables.add(title, { program: 'geometric mean', ...Object.fromEntries(Object.keys(rows[0]).filter((column) => column.includes('×')).map((column) => [column, mean(column)])) })
}

export const programTables = (wanted: (name: string) => boolean, quick: boolean, tables: Tables): void => {
  if (!isNativePossible) return
  const folder = mkdtempSync(join(tmpdir(), 'retrograde-bench-'))
  const [longer, runs] = quick ? [QUICK, QUICK_RUNS] : [LONGER, RUNS]
  try {
    addRows(tables, 'C programs, -O2 -static, through the command line: processor time, wall time, start-up included', GUESTS.filter(({ name }) => wanted(name)).map(({ name, repetitions }) => () => {
      const program = buildGuest(name)
      return program === undefined ? undefined : row(name, [program, String(repetitions * longer)], ['--seed', '1'], runs)
    }))
    const share = longer / LONGER
    const text = join(folder, 'text')
    writeFileSync(text, makeText(16 * MEBIBYTE * share))
    addRows(tables, 'Real programs, through the command line: processor time, wall time, start-up included', REAL_PROGRAMS.filter(([name]) => wanted(name)).map(([name, command]) => () =>
      row(name, command(share).map((word) => word === 'TEXT' ? text : word), ['--seed', '1', '--mount', `${folder}:${folder}`], runs)))
  } finally {
    rmSync(folder, { recursive: true })
  }
}
