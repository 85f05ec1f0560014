/** A reader that was written from docs/trace-format.md alone, with other libraries, sees what we wrote. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import fc from 'fast-check'
import { EVENT_NAMES, type TraceEvent } from '../../src/trace/events.ts'
import { anyEvent, HEAD, makeTrace } from './support.ts'

const script = join(dirname(fileURLToPath(import.meta.url)), 'read-trace.py')
const python = '/usr/bin/python3'
const available = spawnSync(python, ['-c', 'import msgpack']).status === 0 &&
  (spawnSync('zstd', ['--version']).status === 0 || spawnSync(python, ['-c', 'import zstandard']).status === 0)
const check = available ? test : test.skip

/** As the script prints it. */
const json = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return `bytes:${Buffer.from(value).toString('hex')}`
  if (value === undefined) return null
  if (value === Infinity) return 'Infinity'
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<unknown>, json)
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, json(field)]))
  return value
}

const readWithPython = (trace: Uint8Array): { head: unknown, events: unknown[], blobs: string[], complete: boolean } => {
  const directory = mkdtempSync(join(tmpdir(), 'retrograde-python-'))
  try {
    const file = join(directory, 'trace.rgt')
    writeFileSync(file, trace)
    const result = spawnSync(python, [script, file], { encoding: 'utf8', maxBuffer: 1 << 28 })
    if (result.status !== 0) throw new Error(result.stderr)
    return JSON.parse(result.stdout) as { head: unknown, events: unknown[], blobs: string[], complete: boolean }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

check('Python reads every kind of event', (t) => {
  const events: TraceEvent[] = fc.sample(anyEvent, { numRuns: 3000, seed: 20261124 })
  t.is(new Set(events.map(({ type }) => type)).size, EVENT_NAMES.length)
  const blobs = [Uint8Array.of(1, 2, 3), new Uint8Array(0), new Uint8Array(3 << 20).fill(7)]
  const read = readWithPython(makeTrace(events, [10, 500, 1000, 1001], blobs))
  t.true(read.complete)
  t.deepEqual(read.head, json(HEAD))
  const wanted = events.map(json)
  t.is(read.events.length, wanted.length)
  // One by one: the difference of the whole lists would be unreadable.
  read.events.forEach((event, i) => { t.deepEqual(event, wanted[i], `event ${i}`) })
  t.deepEqual(read.blobs, blobs.map((blob) => createHash('sha256').update(blob).digest('hex')))
})
