/**
 * npm run soak:cpu: a long campaign of the differential test of the processor against the host's.
 *
 *   npm run soak:cpu -- [--cases N] [--time SECONDS] [--seed N] [--row text] [--per-row N] [--states N] [--tier1-every N] [--quiet]
 *
 * Of each row `--per-row` sequences are made in each round, and each is executed from `--states` (8) states: making, translating and
 * compiling code takes longer than executing it. Every 5th sequence (--tier1-every) is for tier 1, the rest for tier 0 with budgets of all sizes.
 * Goes round the rows of the decoder's tables until N cases (default 1,000,000) were compared. Mismatches are shrunk, and
 * the first of each row printed; at the end comes the coverage by row. Exit status 1 if anything differed.
 */
import { parseArgs } from 'node:util'
import { Campaign } from '../test/support/oracle/campaign.ts'
import { formName, formsOfRow } from '../src/emu/interp/forms.ts'
import { ROWS } from '../test/support/oracle/generate.ts'
import { whyNoOracle } from '../test/support/oracle/native.ts'

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '1000000' }, seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    row: { type: 'string' }, 'tier1-every': { type: 'string', default: '5' }, 'per-row': { type: 'string', default: '12' }, states: { type: 'string', default: '8' }, time: { type: 'string', default: 'Infinity' }, quiet: { type: 'boolean', default: false },
  },
})

const missing = whyNoOracle()
if (missing !== undefined) {
  console.error(`no oracle here: ${missing}`)
  process.exit(2)
}

const wanted = Number(values.cases)
const perRow = Number(values['per-row'])
const states = Number(values.states)
const rows = ROWS.map((_, i) => i).filter((i) => values.row === undefined || `${ROWS[i].text} ${ROWS[i].name}`.includes(values.row))
if (rows.length === 0) {
  console.error(`no row contains ${values.row}`)
  process.exit(2)
}
const campaign = await Campaign.start(Number(values['tier1-every']))
const started = performance.now()
let seed = Number(values.seed)
let compared = 0
let mismatches = 0
const broken = new Map<number, number>()
console.log(`seed ${seed}, ${rows.length} rows`)
while (compared < wanted && performance.now() - started < Number(values.time) * 1000) {
  // A seed of its own for each row: the same one would make the same states.
  const base = seed
  const { mismatches: found, differing } = await campaign.rows(rows, (row) => (base + Math.imul(row, 0x9e3779b1)) | 0, perRow, states, (row) => !broken.has(row))
  for (const { row, report } of found) {
    console.log(`\n${report}`)
    broken.set(row, (broken.get(row) ?? 0) + 1)
  }
  mismatches += differing
  compared = campaign.coverage.compared.reduce((sum, count) => sum + count, 0)
  seed++
  if (!values.quiet) console.error(`${compared} cases compared, ${mismatches} mismatches in ${broken.size} rows, ${Math.round(compared / (performance.now() - started) * 1000)} a second`)
}
await campaign.stop()
const { sequences, byTier1 } = campaign.coverage
const seconds = (performance.now() - started) / 1000
console.log(`\n${compared} cases (${sequences} sequences, ${byTier1} cases in tier 1), ${mismatches} mismatches, ${Math.round(seconds)} s, ${Math.round(compared / seconds)} a second`)
if (campaign.coverage.lacking.size > 0) console.log(`  not on this host: ${[...campaign.coverage.lacking].join(' ')}`)
for (const [reason, count] of campaign.coverage.skipped) console.log(`  not compared: ${count}, ${reason}`)
const never = rows.filter((row) => campaign.coverage.completed[row] === 0 && !['privileged', 'ud', 'int3', 'int'].includes(ROWS[row].name))
const forms = new Set(ROWS.flatMap((row) => formsOfRow(row).map((operands) => formName(row.name, operands))))
console.log(`forms reached by first instructions: ${[...campaign.coverage.forms].filter((name) => forms.has(name)).length} of ${forms.size}`)
console.log(`rows reached: ${rows.filter((row) => campaign.coverage.compared[row] > 0).length} of ${rows.length}; never completed: ${never.map((row) => `'${ROWS[row].text} ${ROWS[row].name}'`).join(', ') || 'none'}`)
if (broken.size > 0) console.log(`rows that differ:\n${[...broken].map(([row, count]) => `  ${count} × ${ROWS[row].text} ${ROWS[row].name}`).join('\n')}`)
process.exitCode = mismatches > 0 ? 1 : 0
