import { readFileSync } from 'node:fs'
import test from 'ava'
import fc from 'fast-check'
import { Packr, Unpackr } from 'msgpackr'
import { encodeByTable, encodeEvent, encodeSyscall } from '../../src/trace/coder.ts'
import { contentHash } from '../../src/trace/content-hash.ts'
import { Context } from '../../src/trace/context.ts'
import { BLOB_PIECE_BYTES, KIND_EVENTS } from '../../src/trace/format.ts'
import { Packer, type Plain, Unpacker } from '../../src/trace/msgpack.ts'
import { TraceCursor } from '../../src/trace/reader.ts'
import { TraceWriter } from '../../src/trace/writer.ts'
import { traceCodecs } from '../../src/platform/trace-files.ts'
import { anyEvent, HEAD, makeTrace, MemorySink, plain, readerOf } from './support.ts'

const plainValue: fc.Arbitrary<Plain> = fc.letrec<{ value: Plain }>((tie) => ({
  value: fc.oneof({ depthSize: 'small' },
    fc.constant(null), fc.boolean(), fc.maxSafeInteger(), fc.integer({ min: -300, max: 300 }), fc.double({ noNaN: true }).filter((n) => !Object.is(n, -0)),
    fc.string({ unit: 'grapheme' }), fc.uint8Array(), fc.array(tie('value')),
    fc.dictionary(fc.string().filter((key) => key !== '__proto__'), tie('value'), { noNullPrototype: true })) as fc.Arbitrary<Plain>,
})).value

test('what the packer writes, msgpackr reads, and the other way round', (t) => {
  const library = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' })
  const packr = new Packr({ useRecords: false, variableMapSize: true })
  fc.assert(fc.property(plainValue, (value) => {
    const packer = new Packer()
    packer.plain(value)
    t.deepEqual(plain(library.unpack(packer.packed())), plain(value))
    t.deepEqual(plain(new Unpacker(packer.packed()).plain()), plain(value))
    t.deepEqual(plain(new Unpacker(packr.pack(value)).plain()), plain(value))
  }))
})

test('events come back as they were, whatever the chunks', (t) => {
  fc.assert(fc.property(fc.array(anyEvent, { maxLength: 30 }), fc.array(fc.nat(29), { maxLength: 5 }), (events, flushes) => {
    const reader = readerOf(makeTrace(events, flushes))
    t.is(reader.recovery, undefined)
    t.is(reader.events, events.length)
    t.deepEqual([...reader.eventsFrom()].map(plain), events.map(plain))
  }), { numRuns: 300 })
})

test('reading may start at any event', (t) => {
  fc.assert(fc.property(fc.array(anyEvent, { maxLength: 20 }), fc.array(fc.nat(19), { maxLength: 4 }), fc.nat(22), (events, flushes, first) => {
    const cursor = new TraceCursor(readerOf(makeTrace(events, flushes)), first)
    t.is(cursor.number, Math.max(first, cursor.number))
    const rest = []
    for (let event = cursor.take(); event !== undefined; event = cursor.take()) rest.push(event)
    t.deepEqual(rest.map(plain), events.slice(first).map(plain))
  }))
})

test('system calls are the same bytes by the fast way', (t) => {
  fc.assert(fc.property(fc.array(anyEvent, { maxLength: 30 }), (events) => {
    const [slow, fast] = [new Packer(), new Packer()]
    const [slowContext, fastContext] = [new Context(), new Context()]
    for (const event of events) {
      encodeByTable(slow, slowContext, event)
      if (event.type === 'syscall') encodeSyscall(fast, fastContext, event.cycle, event.tid, event.number, event.args, event.args.length, event.strings, event.result, event.started)
      else encodeEvent(fast, fastContext, event)
    }
    t.deepEqual(fast.packed(), slow.packed())
  }))
})

test('blobs are stored once and come back whole', (t) => {
  const big = new Uint8Array(BLOB_PIECE_BYTES * 2 + 5)
  for (let i = 0; i < big.length; i++) big[i] = (i * 2654435761) >>> 13
  const blobs = [Uint8Array.of(1, 2, 3), new Uint8Array(0), big, Uint8Array.of(9)]
  const sink = new MemorySink()
  const writer = new TraceWriter(sink, traceCodecs, HEAD)
  t.deepEqual([...blobs, ...blobs].map((blob) => writer.blob(blob)), [0, 1, 2, 3, 0, 1, 2, 3])
  writer.event({ type: 'readFile', mount: 0, path: 'x', blob: 2 })
  writer.flush()
  const cut = readerOf(sink.bytes)
  writer.finish()
  t.true(sink.closed)
  const whole = readerOf(sink.bytes)
  t.is(whole.recovery, undefined)
  t.not(cut.recovery, undefined)
  for (const reader of [whole, cut]) blobs.forEach((blob, i) => { t.deepEqual(reader.blob(3 - i), Uint8Array.from(blobs[3 - i])) })
  t.throws(() => whole.blob(4), { name: 'TraceError', message: /blob 4/ })
})

test('chunks close as they fill, and stay below what a reader allows', (t) => {
  const events = Array.from({ length: 3000 }, (_, i) => ({ type: 'random' as const, bytes: new Uint8Array(1000).fill(i) }))
  const reader = readerOf(makeTrace(events))
  const chunks = reader.chunks.filter(({ header }) => header.kind === KIND_EVENTS)
  t.true(chunks.length > 4)
  t.is([...reader.eventsFrom()].length, 3000)
  t.deepEqual(reader.head, HEAD)
})

test('traces of version 1, whose blobs have SHA-256, can be read', (t) => {
  const bytes = readFileSync(new URL('fixtures/version-1.rgt', import.meta.url))
  t.is(bytes[8], 1)
  const reader = readerOf(bytes)
  t.deepEqual([...reader.blob(0)], [1, 2, 3])
  t.deepEqual(reader.blob(1), new Uint8Array(100_000).fill(7))
})

test('blobs whose hashes collide are told apart', (t) => {
  const sink = new MemorySink()
  const writer = new TraceWriter(sink, traceCodecs, HEAD)
  // Of some 80,000 contents two have the same half of the hash, by which blobs are looked for.
  const alike = new Map<number, Uint8Array>()
  let pair: [Uint8Array, Uint8Array] | undefined
  for (let i = 0; pair === undefined; i++) {
    const content = new Uint8Array(Uint32Array.of(i, 0x9e37).buffer)
    const low = contentHash(content)[1]
    const other = alike.get(low)
    if (other !== undefined) pair = [other, content]
    alike.set(low, content)
  }
  t.is(writer.blob(pair[0]), 0)
  t.is(writer.blob(pair[1]), 1)
  t.is(writer.blob(pair[0].slice()), 0)
  t.is(writer.blob(pair[1].slice()), 1)
  writer.finish()
  const reader = readerOf(sink.bytes)
  t.deepEqual(reader.blob(0), pair[0])
  t.deepEqual(reader.blob(1), pair[1])
})
