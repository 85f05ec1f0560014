/** docs/trace-format.md and the tables in src/trace say the same. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { EVENTS } from '../../src/trace/events.ts'
import { FIELD_TYPES, OUTCOMES, SIGNAL_ACTIONS, STAT_FIELDS } from '../../src/trace/fields.ts'
import * as format from '../../src/trace/format.ts'

const text = readFileSync(join(dirname(fileURLToPath(import.meta.url)), '../../docs/trace-format.md'), 'utf8')

/** Cells of the table that follows this heading. */
const table = (heading: string): string[][] => {
  const section = text.split(new RegExp(`^#+ ${heading}$`, 'm'))[1]
  const lines = section.split('\n')
  const start = lines.findIndex((line) => line.startsWith('| ---'))
  const rows: string[][] = []
  for (let i = start + 1; lines[i]?.startsWith('|'); i++) rows.push(lines[i].split('|').slice(1, -1).map((cell) => cell.trim()))
  return rows
}

test('the table of events', (t) => {
  t.deepEqual(table('Events'), Object.entries(EVENTS).sort(([, a], [, b]) => a.tag - b.tag).map(([name, { tag, fields }]) =>
    [String(tag), `\`${name}\``, Object.entries(fields).map(([field, type]) => `${field}: ${type}`).join(', ')]))
})

test('the types of fields', (t) => {
  t.deepEqual(table('Types of fields').map(([name]) => name).sort(), Object.keys(FIELD_TYPES).sort())
  const enumeration = (type: string): string => table('Types of fields').find(([name]) => name === type)?.[2] ?? ''
  t.is(enumeration('action'), SIGNAL_ACTIONS.map((name, i) => `${i} \`${name}\``).join(', '))
  t.is(enumeration('outcome'), OUTCOMES.map((name, i) => `${i} \`${name}\``).join(', '))
  t.true(text.includes(`\`${STAT_FIELDS.join(', ')}\``))
})

test('constants of the container', (t) => {
  t.true(text.includes(`\`${Array.from(format.MAGIC, (byte) => byte.toString(16).padStart(2, '0')).join(' ')}\``))
  t.true(text.startsWith(`# The trace format, version ${format.FORMAT_VERSION}\n`))
  t.true(text.includes(`at most ${format.MAX_CHUNK_RAW.toLocaleString('en')}`))
  t.true(text.includes(`kind: ${format.KIND_HEAD} head, ${format.KIND_EVENTS} events, ${format.KIND_BLOBS} blobs, ${format.KIND_INDEX} index`))
  t.true(text.includes(Buffer.from(format.TRAILER_MAGIC).toString('latin1')))
})
