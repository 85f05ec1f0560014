/**
 * Programs through the command line, whatever tiers it uses, beside their native run and qemu's: twelve C programs of ours
 * (guests.ts) and five real ones. Processor time of all threads, start-up and V8's compiler included.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GUESTS, QEMU, buildGuest, hasQemu, isNativePossible, secondsOf } from './guests.ts'
import type { Row } from './table.ts'

const RETROGRADE = join(import.meta.dirname, '../bin/retrograde.js')
/** So long that starting up weighs little; a fourth of that for a quick look. */
const LONGER = 4, QUICK = 1
const RUNS = 3, QUICK_RUNS = 1
const MEBIBYTE = 1 << 20

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
  let [seconds, nativeSeconds, qemu] = [Infinity, Infinity, hasQemu ? Infinity : NaN]
  for (let i = 0; i < runs; i++) {
    seconds = Math.min(seconds, secondsOf(process.execPath, ours))
    nativeSeconds = Math.min(nativeSeconds, secondsOf(path, command.slice(1)))
    if (hasQemu) qemu = Math.min(qemu, secondsOf(QEMU, [realpathSync(path), ...command.slice(1)]))
  }
  return { program: name, 'ours s': seconds, 'native s': nativeSeconds, 'qemu s': qemu, 'times native': seconds / nativeSeconds, 'times qemu': seconds / qemu }
}

/** With the geometric mean as the last row. */
const withMean = (rows: readonly (Row | undefined)[]): Row[] => {
  const all = rows.filter((each) => each !== undefined)
  if (all.length < 2) return all
  const mean = (column: string): number => Math.exp(all.reduce((sum, each) => sum + Math.log(Number(each[column])), 0) / all.length)
  return [...all, { program: 'geometric mean', 'ours s': '', 'native s': '', 'qemu s': '', 'times native': mean('times native'), 'times qemu': mean('times qemu') }]
}

export const programTables = (wanted: (name: string) => boolean, quick: boolean): { title: string, rows: Row[] }[] => {
  if (!isNativePossible) return []
  const folder = mkdtempSync(join(tmpdir(), 'retrograde-bench-'))
  const [longer, runs] = quick ? [QUICK, QUICK_RUNS] : [LONGER, RUNS]
  try {
    const guests = GUESTS.filter(({ name }) => wanted(name)).map(({ name, repetitions }) => {
      const program = buildGuest(name)
      return program === undefined ? undefined : row(name, [program, String(repetitions * longer)], ['--seed', '1'], runs)
    })
    const share = longer / LONGER
    const text = join(folder, 'text')
    writeFileSync(text, makeText(16 * MEBIBYTE * share))
    const real = REAL_PROGRAMS.filter(([name]) => wanted(name)).map(([name, command]) =>
      row(name, command(share).map((word) => word === 'TEXT' ? text : word), ['--seed', '1', '--mount', `${folder}:${folder}`], runs))
    return [{ title: 'C programs, -O2 -static', rows: withMean(guests) }, { title: 'Real programs', rows: withMean(real) }]
  } finally {
    rmSync(folder, { recursive: true })
  }
}
