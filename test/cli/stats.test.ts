/** --tier and --stats: the tiers do the same, and what is said about them adds up. */
import { join } from 'node:path'
import test from 'ava'
import { inDirectory, isInstalled, retrograde } from '../support/cli.ts'

const BUSYBOX = '/bin/busybox'
const run = isInstalled(BUSYBOX) ? test : test.skip
const LOOP = [BUSYBOX, 'sh', '-c', 'i=0; while [ $i -lt 300 ]; do i=$((i+1)); done; echo $i']

/** The number of instructions in a row of the table, and of all. */
const instructionsOf = (stderr: string, row: string): number => {
  const match = new RegExp(`^ *${row} .*?([0-9.]+)( [MG])? instructions`, 'm').exec(stderr)
  return match === null ? NaN : Number(match[1]) * ({ ' M': 1e6, ' G': 1e9 }[match[2]] ?? 1)
}

run('run --stats --tier: the share of each tier follows the option', (t) => {
  const [zero, one] = ['0', '1'].map((tier) => retrograde(['run', '--seed', '1', '--stats', '--tier', tier, ...LOOP]))
  t.deepEqual([zero.stdout, one.stdout], ['300\n', '300\n'])
  t.is(instructionsOf(zero.stderr, 'tier 1'), 0)
  t.true(instructionsOf(one.stderr, 'tier 1') > instructionsOf(one.stderr, 'all') / 2)
  t.is(instructionsOf(zero.stderr, 'all'), instructionsOf(one.stderr, 'all'))
  t.regex(one.stderr, /compilation .* regions of /)
})

run('replay --stats --json: numbers', (t) => {
  inDirectory((cwd) => {
    const trace = join(cwd, 'x.rgt')
    t.regex(retrograde(['record', '-o', trace, '--seed', '1', '--stats', ...LOOP]).stderr, /kernel and the rest/)
    const { equal, statistics } = JSON.parse(retrograde(['replay', '--json', '--stats', trace]).stdout) as
      { equal: boolean, statistics: { instructions: number, ms: number, tier0: { instructions: number }, tier1: { instructions: number } } }
    t.true(equal)
    t.is(statistics.tier0.instructions + statistics.tier1.instructions, statistics.instructions)
    t.true(statistics.instructions > 100_000 && statistics.ms > 0)
  })
})

test('--tier with what is no tier', (t) => {
  const { status, stderr } = retrograde(['run', '--tier', '2', 'x'])
  t.is(status, 125)
  t.regex(stderr, /no tier is called '2'/)
})
