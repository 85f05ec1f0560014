/** Instructions a second of tier 0 and of both tiers, beside the same program run natively and by qemu's user-mode emulation. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { BareRun } from './bare.ts'
import { GUESTS, buildGuest, hasQemu, isNativePossible, nativeSeconds, qemuSeconds } from './guests.ts'
import type { Tables } from './table.ts'

const RUNS = 3

const measure = (program: string, repetitions: number, tier: string): BareRun => {
  const { stdout, stderr, status } = spawnSync(process.execPath, [join(import.meta.dirname, 'bare-child.ts'), program, String(repetitions)],
    { encoding: 'utf8', env: { ...process.env, RETROGRADE_TIER: tier } })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as BareRun
}

const fastest = (program: string, repetitions: number, tier: string): BareRun =>
  Array.from({ length: RUNS }, () => measure(program, repetitions, tier)).reduce((a, b) => a.seconds < b.seconds ? a : b)

/** Instructions and seconds of the guest's work, starting up not counted. */
const work = (name: string, program: string, repetitions: number, tier: string): { instructions: number, seconds: number } => {
  const run = fastest(program, repetitions, tier)
  if (isNativePossible) {
    const expected = spawnSync(program, [String(repetitions)], { encoding: 'utf8' }).stdout
    if (run.output !== expected) throw new Error(`${name}: printed ${run.output}, natively ${expected}`)
  }
  const idle = fastest(program, 0, tier)
  return { instructions: run.instructions - idle.instructions, seconds: run.seconds - idle.seconds }
}

const TITLE = 'The processor, without the kernel: processor time of its thread'

export const processorTable = (filter: (name: string) => boolean, beside: boolean, tables: Tables): void => {
  for (const { name, repetitions, needsKernel } of GUESTS) {
    if (!filter(name) || needsKernel === true) continue
    const program = buildGuest(name)
    if (program === undefined) {
      console.log(`${name}: skipped, there is no C compiler`)
      continue
    }
    const { instructions, seconds } = work(name, program, repetitions, '0')
    const rate = (time: number): number => instructions / time / 1e6
    if (!beside) {
      tables.add(TITLE, { guest: name, 'M instructions': instructions / 1e6, 'tier 0 M/s': rate(seconds) })
      continue
    }
    const mixed = work(name, program, repetitions, 'mixed').seconds
    const native = isNativePossible ? nativeSeconds(program, repetitions) : NaN
    const qemu = isNativePossible && hasQemu ? qemuSeconds(program, repetitions) : NaN
    tables.add(TITLE, {
      guest: name, 'M instructions': instructions / 1e6, 'tier 0 M/s': rate(seconds), 'with tier 1': rate(mixed), 'native': rate(native), 'qemu': rate(qemu),
      'tier 0: times native': seconds / native, 'times qemu': seconds / qemu, 'with tier 1: times native': mixed / native, ' times qemu': mixed / qemu,
    })
  }
}
