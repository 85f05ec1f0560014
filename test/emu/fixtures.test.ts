/** Cases with the answers of a real processor, on hosts that may have none of that kind. */
import { readFileSync } from 'node:fs'
import test from 'ava'
import { differences } from '../support/oracle/compare.ts'
import { Emulator } from '../support/oracle/emulator.ts'
import { unpackFixtures } from '../support/oracle/fixtures.ts'
import { EAGER_TIER } from '../../src/emu/jit/jit.ts'
import { ROWS } from '../support/oracle/generate.ts'
import { INEXACT_ROWS } from '../support/oracle/exclusions.ts'

const file = new URL('fixtures/cases.msgpack.gz', import.meta.url)

for (const [how, chunk, tier] of [['in one run', 1_000_000, undefined], ['one cycle a run', 1, undefined], ['by tier 1', 1_000_000, EAGER_TIER]] as const) {
  test(`kept answers of a processor agree, ${how}`, (t) => {
    const emulator = new Emulator(undefined, tier)
    const { cases } = unpackFixtures(readFileSync(file))
    const failed = cases.flatMap(({ title, state, patches, result }) => {
      const found = differences({ start: 0, code: new Uint8Array(0), addresses: [], rows: [] }, result, emulator.run({ state, patches }, chunk))
      return found.length === 0 ? [] : [`${title}: ${Buffer.from(patches[patches.length - 1].bytes).toString('hex')}: ${found.join('; ')}`]
    })
    t.deepEqual(failed, [])
    t.true(cases.length > 3000)
  })
}

test('kept answers cover the rows of the decoder', (t) => {
  const kept = new Set(unpackFixtures(readFileSync(file)).cases.map(({ title }) => title))
  const missing = ROWS.filter(({ text, name }) => !INEXACT_ROWS.has(name) && !kept.has(`${text} ${name}`)).map(({ text, name }) => `${text} ${name}`)
  // Some rows may be newer than the file; when there are many, run scripts/make-cpu-fixtures.ts.
  t.true(missing.length < ROWS.length / 10, missing.join(', '))
})
