/**
 * node scripts/make-cpu-fixtures.ts [seed]: writes test/emu/fixtures/cases.msgpack.gz, some cases of each row with what the
 * host's processor answers, for hosts that are none (test/emu/fixtures.test.ts). Only cases in which we agree go in.
 */
import { cpus } from 'node:os'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Campaign } from '../test/support/oracle/campaign.ts'
import { INEXACT_ROWS, POINTER_ROWS } from '../test/support/oracle/exclusions.ts'
import { MOST_CHANGES, packFixtures } from '../test/support/oracle/fixtures.ts'
import { ROWS, sparse } from '../test/support/oracle/generate.ts'
import type { Case, Result } from '../test/support/oracle/machine.ts'

const PER_ROW = 4
/** Many of the rows with a VEX prefix differ in little. */
const PER_VEX_ROW = 2
const file = join(dirname(fileURLToPath(import.meta.url)), '../test/emu/fixtures/cases.msgpack.gz')
const seed = Number(process.argv[2] ?? 1)
const campaign = await Campaign.start()
const chosen: { title: string, test: Case, result: Result }[] = []
for (const [row, { text, name, isVex }] of ROWS.entries()) {
  if (INEXACT_ROWS.has(name)) continue
  let left = isVex ? PER_VEX_ROW : PER_ROW
  const mismatch = await campaign.row(row, seed + row, PER_ROW * 3, (test, result) => {
    // Compared without its rows, so without what depends on them.
    if (test.rows.length > 1 && test.rows.some((one) => POINTER_ROWS.has(one.name))) return
    const isSmall = result.changes.length / 3 <= MOST_CHANGES && test.patches.length < 8 && test.rows.length < 6
    if (left > 0 && isSmall) { left--; chosen.push({ title: `${text} ${name}`, test, result }) }
  }, sparse)
  if (mismatch !== undefined) console.error(mismatch.report)
}
await campaign.stop()
const packed = packFixtures(cpus()[0].model, chosen)
mkdirSync(dirname(file), { recursive: true })
writeFileSync(file, packed)
console.log(`${chosen.length} cases, ${packed.length} bytes`)
