/** Traces that are well-formed and lie: replay says so, whatever they say. */
import test from 'ava'
import fc from 'fast-check'
import { traceCodecs } from '../../src/platform/trace-files.ts'
import type { TraceEvent } from '../../src/trace/events.ts'
import { TraceError } from '../../src/trace/errors.ts'
import type { Plain } from '../../src/trace/msgpack.ts'
import { TraceReader } from '../../src/trace/reader.ts'
import { TraceWriter } from '../../src/trace/writer.ts'
import { anyEvent, MemorySink, memorySource } from '../trace/support.ts'
import { record, replay, treeFor, worldOf } from './support.ts'

const recorded = record(worldOf('replay-tour'), treeFor('replay-tour'), ['one\n', 'two\n'], { checkpointCycles: 100_000 })
const reader = new TraceReader(memorySource(recorded.trace), traceCodecs)
const events = [...reader.eventsFrom()]
const blobs = [reader.blob(0), reader.blob(1)]

const write = (list: readonly TraceEvent[], changes: { readonly head?: Readonly<Record<string, Plain>>, readonly blobs?: readonly Uint8Array[] } = {}): Uint8Array => {
  const sink = new MemorySink()
  const writer = new TraceWriter(sink, traceCodecs, { ...reader.head, world: { ...reader.head.world, ...changes.head } })
  for (const blob of changes.blobs ?? blobs) writer.blob(blob)
  for (const event of list) writer.event(event)
  writer.finish()
  return sink.bytes
}

const check = (trace: Uint8Array, mode: 'drive' | 'from-seed'): 'equal' | 'diverged' | 'damaged' | 'other' => {
  try {
    const { result } = replay(trace, mode)
    if (result.divergence !== undefined) return 'diverged'
    if (result.error instanceof TraceError) return 'damaged'
    return result.error === undefined && result.truncated === undefined ? 'equal' : 'other'
  } catch (error) {
    if (error instanceof TraceError) return 'damaged'
    throw error
  }
}

test('the trace itself is right', (t) => {
  t.is(check(write(events), 'drive'), 'equal')
  t.is(check(write(events), 'from-seed'), 'equal')
})

test('an event that is replaced, left out or put in is found', (t) => {
  const change = fc.record({
    at: fc.nat(events.length - 1), how: fc.constantFrom('replace', 'remove', 'insert', 'swap'), event: anyEvent, mode: fc.constantFrom('drive' as const, 'from-seed' as const),
  })
  fc.assert(fc.property(change, ({ at, how, event, mode }) => {
    const list = [...events]
    if (how === 'replace') list[at] = event
    else if (how === 'remove') list.splice(at, 1)
    else if (how === 'insert') list.splice(at, 0, event)
    else list.splice(at, 2, ...list.slice(at, at + 2).reverse())
    const result = check(write(list), mode)
    // Nothing but later checkpoints says that there was one.
    if (how === 'remove' && events[at].type === 'checkpoint') t.not(result, 'other')
    else if (how === 'remove' && at === events.length - 1) t.is(result, 'other', 'no end')
    else if (how === 'swap' && at === events.length - 1) t.is(result, 'equal')
    else t.true(result === 'diverged' || result === 'damaged', `${how} at ${at}: ${result}`)
  }), { numRuns: 60 })
})

test('a field that is changed is found', (t) => {
  // Where what is changed is not compared it is an answer that the world depends on; this guest does not look at all of a stat.
  const targets = events.flatMap((event, at) => event.type === 'lstat' || event.type === 'readdir' ? [] : Object.keys(event).filter((key) => key !== 'type').map((key) => ({ at, key })))
  fc.assert(fc.property(fc.constantFrom(...targets), fc.constantFrom('drive' as const, 'from-seed' as const), ({ at, key }, mode) => {
    const event = events[at] as unknown as Record<string, unknown>
    const value = event[key]
    const changed = key === 'error' ? -32 : typeof value === 'number' ? value + 1 : typeof value === 'string' ? (key === 'outcome' ? 'deadlock' : key === 'action' ? 'stop' : `${value}x`)
      : value instanceof Uint8Array ? value.map((byte) => byte ^ 1) : Array.isArray(value) ? [...(value as unknown[]), typeof value[0] === 'string' ? 'x' : 1] : Uint8Array.of(1)
    const list = [...events]
    list[at] = { ...event, [key]: changed } as unknown as TraceEvent
    const result = check(write(list), mode)
    t.true(result === 'diverged' || result === 'damaged', `${key} of ${String(event.type)} ${at}: ${result}`)
  }), { numRuns: 60 })
})

test('a program that is damaged, and configurations of another world', (t) => {
  fc.assert(fc.property(fc.nat(blobs[0].length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
    const program = Uint8Array.from(blobs[0])
    program[at] ^= change
    // A byte that is never used changes nothing but the memory it is in.
    t.not(check(write(events, { blobs: [program, blobs[1]] }), 'drive'), 'other')
  }), { numRuns: 20 })
  const heads: Readonly<Record<string, Plain>>[] = [{ cpus: 1 }, { cpuHz: 5 }, { program: '/bin/none' }, { memoryLimit: 16384 }, { cycleLimit: 10 }, { seed: 'other' }, { env: [] }, { cwd: '/nowhere' }, { mounts: [] }, { argv: [] }, { uid: 7 }]
  for (const head of heads) {
    t.is(check(write(events, { head }), 'from-seed'), 'diverged', JSON.stringify(head))
  }
})
