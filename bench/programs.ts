/** Programs of the host through the command line, whatever tiers it uses, beside their native run and qemu's. Processor time, start-up included. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GUESTS, QEMU, bestOf, buildGuest, hasQemu, isNativePossible, secondsOf } from './guests.ts'
import type { Row } from './table.ts'

const RETROGRADE = join(import.meta.dirname, '../bin/retrograde.js')
const RUNS = 3
/** The guests run longer than for tier 0 alone, so that start-up weighs little. */
const LONGER = 2

const PROGRAMS: readonly (readonly [name: string, command: readonly string[]])[] = [
  ['sh, a loop', ['busybox', 'sh', '-c', 'i=0; while [ $i -lt 30000 ]; do i=$((i+1)); x="a$i b"; done; echo $x']],
  ['gzip, 3 MB', ['gzip', '-c', 'TEXT']],
  ['sort, 3 MB', ['sort', 'TEXT']],
  ['perl, hashes', ['perl', '-e', 'my %h; for my $i (1..200000) { $h{$i % 777} .= "x$i"; } print length(join ",", map {"$_=$h{$_}"} sort keys %h), "\n"']],
  ['python, sums', ['/usr/bin/python3', '-S', '-c', 'print(sum(i * i % 7 for i in range(500000)))']],
]

/** Words of a small vocabulary, always the same. */
const makeText = (bytes: number): string => {
  let text = ''
  for (let x = 1; text.length < bytes; x = (x * 48271) % 0x7fffffff) text += `${(x % 4096).toString(36)}${x % 9 === 0 ? '\n' : ' '}`
  return text
}

export const programRows = (wanted: (name: string) => boolean): Row[] => {
  if (!isNativePossible) return []
  const folder = mkdtempSync(join(tmpdir(), 'retrograde-bench-'))
  const rows: Row[] = []
  try {
    const file = join(folder, 'text')
    writeFileSync(file, makeText(3_000_000))
    const guests = GUESTS.flatMap(({ name, repetitions }): [string, string[]][] => {
      const program = buildGuest(name)
      return program === undefined ? [] : [[name, [program, String(repetitions * LONGER)]]]
    })
    for (const [name, template] of [...PROGRAMS, ...guests]) {
      if (!wanted(name)) continue
      const command = template.map((word) => word === 'TEXT' ? file : word)
      const native = spawnSync(command[0], command.slice(1), { maxBuffer: 1 << 28 })
      if (native.status !== 0) {
        console.log(`${name}: skipped, ${command[0]} does not run here`)
        continue
      }
      const options = ['--seed', '1', '--mount', `${folder}:${folder}`]
      const ours = spawnSync(process.execPath, [RETROGRADE, 'run', ...options, ...command], { maxBuffer: 1 << 28 })
      if (ours.status !== 0 || !ours.stdout.equals(native.stdout)) {
        console.log(`${name}: FAILED, status ${ours.status ?? '?'}, ${ours.stdout.length} bytes of output; natively ${native.stdout.length}`)
        continue
      }
      const trace = join(folder, 'trace.rgt')
      secondsOf(process.execPath, [RETROGRADE, 'record', '-q', '-o', trace, ...options, ...command])
      const { cycle } = JSON.parse(spawnSync(process.execPath, [RETROGRADE, 'replay', '--json', trace], { encoding: 'utf8' }).stdout) as { cycle: number }
      const seconds = bestOf(RUNS, () => secondsOf(process.execPath, [RETROGRADE, 'run', ...options, ...command]))
      const nativeSeconds = bestOf(RUNS, () => secondsOf(command[0], command.slice(1)))
      const path = spawnSync('which', [command[0]], { encoding: 'utf8' }).stdout.trim()
      const qemu = hasQemu ? bestOf(RUNS, () => secondsOf(QEMU, [path, ...command.slice(1)])) : NaN
      rows.push({
        program: name, 'M instructions': cycle / 1e6, 's': seconds, 'M/s': cycle / seconds / 1e6, 'native s': nativeSeconds, 'qemu s': qemu,
        'times native': seconds / nativeSeconds, 'times qemu': seconds / qemu,
      })
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  return rows
}
