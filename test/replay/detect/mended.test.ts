/** The mended versions of the programs with known bugs: no schedule fails, and no detector says anything. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { exploreAll } from '../../../src/replay/explore-all.ts'
import { ScheduleRunner } from '../../../src/replay/explore-schedule.ts'
import { failureText } from '../../../src/replay/explore-failure.ts'
import { loadEngine, memoryFiles, root, worldOf } from '../support.ts'

const SCHEDULES = 12
const hasCompiler = process.platform === 'linux' && spawnSync('sh', ['-c', 'command -v musl-gcc']).status === 0

;(hasCompiler ? test : test.skip)('mended programs never fail, and no race is reported', (t) => {
  const directory = mkdtempSync(join(root, 'dist', 'mended-'))
  t.teardown(() => { rmSync(directory, { recursive: true }) })
  const built = spawnSync('sh', [join(root, 'guests', 'build.sh'), '--fixed', directory], { encoding: 'utf8' })
  t.is(built.status, 0, built.stderr)
  const names = readdirSync(directory)
  t.true(names.length >= 40)
  for (const name of names) {
    const runner = new ScheduleRunner({
      world: worldOf(name, { strategy: 'random', cpus: 1, stdio: ['null', 'pipe', 'pipe'] }), engine: { ...loadEngine(), tier: undefined }, files: memoryFiles({ [`bin/${name}`]: readFileSync(join(directory, name)) }),
      clock: { wallTimeMs: () => performance.now() }, input: new Uint8Array(0), failOn: { kinds: ['exit', 'signal', 'deadlock', 'hang', 'race'], output: undefined },
    })
    const exploration = exploreAll(runner, { most: SCHEDULES, seed: 'mended', strategy: 'random', pct: { depth: 0, steps: undefined }, cycleLimit: Infinity, keepGoing: false, shard: { part: 1, of: 1 } })
    t.is(exploration.broken, undefined)
    t.deepEqual(exploration.failures.map(({ failure }) => failureText(failure)), [], name)
    t.is(exploration.schedules, SCHEDULES)
  }
})
