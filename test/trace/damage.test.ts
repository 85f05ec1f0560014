import test from 'ava'
import fc from 'fast-check'
import { TraceError } from '../../src/trace/errors.ts'
import type { TraceEvent } from '../../src/trace/events.ts'
import { CHUNK_HEADER_SIZE, FILE_HEADER_SIZE } from '../../src/trace/format.ts'
import { traceCodecs } from '../../src/platform/trace-files.ts'
import { anyEvent, makeTrace, plain, readerOf } from './support.ts'

const random = (count: number): TraceEvent[] => Array.from({ length: count }, (_, i) => ({ type: 'random', bytes: Uint8Array.of(i, i >> 8) }))

/** All that can be read; throws only what reading throws. */
const readAll = (bytes: Uint8Array): TraceEvent[] => {
  const reader = readerOf(bytes)
  const events = [...reader.eventsFrom()]
  for (const event of events) if (event.type === 'readFile' && event.blob >= 0) reader.blob(event.blob)
  return events
}

test('cut at any byte: whole chunks are kept, or an error says what is wrong', (t) => {
  const events = random(60)
  const bytes = makeTrace(events, [9, 19, 39])
  let recovered = 0
  for (let length = 0; length < bytes.length; length++) {
    try {
      const reader = readerOf(bytes.subarray(0, length))
      const kept = [...reader.eventsFrom()]
      t.true([0, 10, 20, 40, 60].includes(kept.length), `${kept.length} events of ${length} bytes`)
      t.deepEqual(kept.map(plain), events.slice(0, kept.length).map(plain))
      t.true(kept.length >= recovered, 'more bytes, never fewer events')
      recovered = kept.length
      t.truthy(reader.recovery?.reason)
      t.is(reader.recovery?.events, kept.length)
    } catch (error) {
      t.true(error instanceof TraceError, String(error))
      t.is(recovered, 0, 'only the head is needed')
      t.is((error as TraceError).file, 'test.rgt')
    }
  }
  t.is(recovered, 60)
})

test('a byte changed anywhere: never a wrong event, never anything but a TraceError', (t) => {
  const events = random(60)
  const bytes = makeTrace(events, [9, 19, 39], [Uint8Array.of(1, 2, 3)])
  const whole = events.map(plain)
  for (let at = 0; at < bytes.length; at++) {
    for (const change of [0x01, 0x80, 0xff]) {
      const damaged = Uint8Array.from(bytes)
      damaged[at] ^= change
      try {
        const kept = readAll(damaged)
        // Reserved bytes may be anything.
        t.deepEqual(kept.map(plain), whole.slice(0, kept.length), `byte ${at}`)
      } catch (error) {
        if (!(error instanceof TraceError)) throw error
        t.regex(error.message, /^test\.rgt: /)
      }
    }
  }
})

test('random damage that keeps checksums right throws nothing but TraceError', (t) => {
  fc.assert(fc.property(fc.array(anyEvent, { minLength: 1, maxLength: 20 }), fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 8 }), (events, place, noise) => {
    // Too short to compress well, so that the content is stored as it is; the checksum is made anew.
    const bytes = Uint8Array.from(makeTrace(events))
    const reader = readerOf(bytes)
    const view = new DataView(bytes.buffer)
    for (const { offset, header } of reader.chunks) {
      const from = offset + CHUNK_HEADER_SIZE
      for (let i = 0; i < noise.length; i++) bytes[from + (place + i) % header.storedLength] = noise[i]
      const checksum = traceCodecs.crc32(bytes.subarray(from, from + header.storedLength), traceCodecs.crc32(bytes.subarray(offset, from - 4)))
      view.setUint32(from - 4, checksum, true)
    }
    try {
      readAll(bytes)
    } catch (error) {
      if (!(error instanceof TraceError)) throw error
    }
    t.pass()
  }), { numRuns: 2000 })
})

test('hostile heads and indexes', (t) => {
  const bytes = makeTrace(random(3))
  fc.assert(fc.property(fc.constantFrom<'head' | 'index'>('head', 'index'), fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 6 }), (which, place, noise) => {
    const damaged = Uint8Array.from(bytes)
    const view = new DataView(damaged.buffer)
    const offset = which === 'head' ? FILE_HEADER_SIZE : view.getUint32(damaged.length - 8, true)
    const length = view.getUint32(offset + 8, true)
    const from = offset + CHUNK_HEADER_SIZE
    for (let i = 0; i < noise.length; i++) damaged[from + (place + i) % length] = noise[i]
    view.setUint32(from - 4, traceCodecs.crc32(damaged.subarray(from, from + length), traceCodecs.crc32(damaged.subarray(offset, from - 4))), true)
    try {
      t.is(readAll(damaged).length, 3)
    } catch (error) {
      if (!(error instanceof TraceError)) throw error
    }
  }), { numRuns: 1000 })
})

test('foreign, newer, mangled and empty files are named as such', (t) => {
  const bytes = makeTrace(random(3))
  const message = (changed: Uint8Array): string => t.throws(() => readerOf(changed), { instanceOf: TraceError }).message
  t.regex(message(new Uint8Array(0)), /test\.rgt: is empty/)
  t.regex(message(Buffer.from('#!/bin/sh\necho not a trace at all\n')), /is not a Retrograde trace/)
  t.regex(message(Buffer.from('\x7fELF')), /is not a Retrograde trace/)
  const newer = Uint8Array.from(bytes)
  newer[8] = 3
  t.regex(message(newer), /has format 3; this Retrograde reads up to 2: update it \(at byte 8\)/)
  t.regex(message(Buffer.from(Buffer.from(bytes).toString('latin1').replaceAll('\r\n', '\n'), 'latin1')), /transfer as text/)
  t.regex(message(bytes.subarray(0, 5)), /ends within the file header/)
})

test('lengths that lie are refused before anything is allocated', (t) => {
  const bytes = makeTrace(random(3))
  const [chunk] = readerOf(bytes).chunks
  const lying = Uint8Array.from(bytes)
  new DataView(lying.buffer).setUint32(chunk.offset + 12, 0xffff_ffff, true)
  t.is(readAll(lying).length, 0)
  t.regex(readerOf(lying).recovery?.reason ?? '', /claims 4294967295 bytes/)
})
