/**
 * Traces that were recorded before replay event for event: nothing that guests see has changed since. State hashes are
 * left out: how the state is laid out may change. If a change is meant, `npm run golden` records anew.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { describeDivergence } from '../../src/replay/describe.ts'
import { GOLDEN } from './golden.ts'
import { SCENARIO_GOLDEN } from './scenario-golden.ts'
import { replay, root } from './support.ts'

for (const { name } of GOLDEN) {
  test(`traces/${name}.rgt`, (t) => {
    const trace = readFileSync(join(root, 'traces', `${name}.rgt`))
    for (const mode of ['drive', 'from-seed'] as const) {
      const { result } = replay(trace, mode, { compareHashes: false })
      t.is(result.divergence, undefined, result.divergence === undefined ? '' : describeDivergence(result.divergence).join('\n'))
      t.is(result.outcome, 'exited')
      t.true(result.events > 50)
    }
  })
}

for (const { name } of SCENARIO_GOLDEN) {
  test(`traces/scenario-${name}.rgt`, (t) => {
    const trace = readFileSync(join(root, 'traces', `scenario-${name}.rgt`))
    for (const mode of ['drive', 'from-seed'] as const) {
      const { result } = replay(trace, mode, { compareHashes: false })
      t.is(result.divergence, undefined, result.divergence === undefined ? '' : describeDivergence(result.divergence).join('\n'))
      t.true(result.outcome === 'exited' || result.outcome === 'deadlock', result.outcome)
      t.true(result.events > 50)
    }
  })
}
