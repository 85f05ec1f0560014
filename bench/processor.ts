/** Instructions a second of tier 0, beside the same program run natively and by qemu's user-mode emulation. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { BareRun } from './bare.ts'
import { GUESTS, buildGuest, hasQemu, isNativePossible, nativeSeconds, qemuSeconds } from './guests.ts'
import type { Row } from './table.ts'

const RUNS = 3

const measure = (program: string, repetitions: number): BareRun => {
  const { stdout, stderr, status } = spawnSync(process.execPath, [join(import.meta.dirname, 'tier0-child.ts'), program, String(repetitions)], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as BareRun
}

const fastest = (program: string, repetitions: number): BareRun =>
  Array.from({ length: RUNS }, () => measure(program, repetitions)).reduce((a, b) => a.seconds < b.seconds ? a : b)

export const processorRows = (filter: (name: string) => boolean, beside = true): Row[] => {
  const rows: Row[] = []
  for (const { name, repetitions } of GUESTS) {
    if (!filter(name)) continue
    const program = buildGuest(name)
    if (program === undefined) {
      console.log(`${name}: skipped, there is no C compiler`)
      continue
    }
    const run = fastest(program, repetitions)
    if (isNativePossible) {
      const expected = spawnSync(program, [String(repetitions)], { encoding: 'utf8' }).stdout
      if (run.output !== expected) throw new Error(`${name}: printed ${run.output}, natively ${expected}`)
    }
    const idle = fastest(program, 0)
    const instructions = run.instructions - idle.instructions
    const seconds = run.seconds - idle.seconds
    const native = beside && isNativePossible ? nativeSeconds(program, repetitions) : NaN
    const qemu = beside && isNativePossible && hasQemu ? qemuSeconds(program, repetitions) : NaN
    rows.push({
      guest: name, 'M instructions': instructions / 1e6, 'tier 0 M/s': instructions / seconds / 1e6,
      ...beside ? { 'native M/s': instructions / native / 1e6, 'qemu M/s': instructions / qemu / 1e6, 'times native': seconds / native, 'times qemu': seconds / qemu } : {},
    })
  }
  return rows
}
