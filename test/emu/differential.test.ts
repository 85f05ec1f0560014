/**
 * Our processor against the host's: generated cases of every row of the decoder's tables. A failure prints row, seed and
 * path; `npm run soak:cpu -- --seed N --row TEXT` is the long form of this.
 */
import test from 'ava'
import type { Row } from '../../src/emu/decode/rows.ts'
import { Campaign } from '../support/oracle/campaign.ts'
import { ROWS } from '../support/oracle/generate.ts'
import { isOnHost, whyNoOracle } from '../support/oracle/native.ts'

/** Cases a row, and time for all. */
const PER_ROW = 6
const TIME_MS = 45_000

const seed = Number(process.env.RETROGRADE_SEED ?? Date.now() % 2 ** 31)
const missing = whyNoOracle()
const compare = missing === undefined ? test.serial : test.serial.skip

const letters = (row: Row): string => row.operands.map(({ letter }) => letter).join('')
const isX87 = (row: Row): boolean => row.map === 0 && row.opcode >= 0xd8 && row.opcode <= 0xdf
const isVector = (row: Row): boolean => /[VWU]/.test(letters(row))
const isMmx = (row: Row): boolean => /[PQN]/.test(letters(row)) && !isVector(row)
const GROUPS: readonly (readonly [string, (row: Row) => boolean])[] = [
  ['one-byte opcodes', (row) => row.map === 0 && !isX87(row)],
  ['two-byte opcodes on general registers', (row) => row.map !== 0 && !isVector(row) && !isMmx(row)],
  ['vector instructions', isVector],
  ['MMX', isMmx],
  ['x87', isX87],
]

let campaign: Campaign | undefined
test.after.always(async () => { await campaign?.stop() })

const started = performance.now()
for (const [name, belongs] of GROUPS) {
  compare(`the host's processor agrees: ${name}${missing === undefined ? '' : ` (${missing})`}`, async (t) => {
    campaign ??= await Campaign.start()
    t.timeout(120_000)
    const all = ROWS.map((_, i) => i).filter((i) => belongs(ROWS[i]))
    const rows = all.filter((i) => isOnHost(ROWS[i]))
    const lacking = new Set(all.filter((i) => !isOnHost(ROWS[i])).map((i) => ROWS[i].name))
    if (lacking.size > 0) t.log(`skipped, as this host's processor has none of them: ${[...lacking].join(' ')}`)
    const before = performance.now()
    let reached = 0
    for (const row of rows) {
      if (performance.now() - started > TIME_MS) break
      const mismatch = await campaign.row(row, (seed + Math.imul(row, 0x9e3779b1)) | 0, PER_ROW)
      if (mismatch !== undefined) t.fail(`seed ${seed}: ${mismatch.report}`)
      reached++
    }
    t.log(`${reached} of ${rows.length} rows, seed ${seed}, ${Math.round(performance.now() - before)} ms`)
    // A slow host may not get through them all, but must get somewhere.
    t.true(reached === rows.length || performance.now() - started > TIME_MS)
    t.true(rows.every((row) => (campaign?.coverage.compared[row] ?? 0) > 0) || reached < rows.length, 'each row reached')
  })
}
