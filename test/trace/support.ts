/** Traces in memory, and arbitraries of events. */
import fc from 'fast-check'
import { EVENTS, type TraceEvent, type WireName } from '../../src/trace/events.ts'
import { type FieldType, OUTCOMES, SIGNAL_ACTIONS } from '../../src/trace/fields.ts'
import type { TraceSink, TraceSource } from '../../src/trace/format.ts'
import type { TraceHead } from '../../src/trace/head.ts'
import { TraceReader } from '../../src/trace/reader.ts'
import { TraceWriter } from '../../src/trace/writer.ts'
import { traceCodecs } from '../../src/platform/trace-files.ts'

export class MemorySink implements TraceSink {
  readonly parts: Uint8Array[] = []
  closed = false
  append(bytes: Uint8Array): void { this.parts.push(bytes.slice()) }
  close(): void { this.closed = true }
  get bytes(): Uint8Array { return Buffer.concat(this.parts) }
}

export const memorySource = (bytes: Uint8Array, name = 'test.rgt'): TraceSource => ({
  name, size: bytes.length, read: (offset, length) => bytes.subarray(offset, Math.max(offset, Math.min(offset + length, bytes.length))),
})

export const readerOf = (bytes: Uint8Array): TraceReader => new TraceReader(memorySource(bytes), traceCodecs)

export const HEAD: TraceHead = { retrograde: '0.1.0', processor: 'test', turnSlices: 8, world: { program: '/bin/true', argv: ['true'], limit: Infinity } }

/** A trace of these events, flushed after those whose place is in `flushes`. */
export const makeTrace = (events: readonly TraceEvent[], flushes: readonly number[] = [], blobs: readonly Uint8Array[] = []): Uint8Array => {
  const sink = new MemorySink()
  const writer = new TraceWriter(sink, traceCodecs, HEAD)
  for (const blob of blobs) writer.blob(blob)
  events.forEach((event, i) => {
    writer.event(event)
    if (flushes.includes(i)) writer.flush()
  })
  writer.finish()
  return sink.bytes
}

const uint = fc.oneof(fc.nat(2), fc.nat(300), fc.nat(2 ** 31 - 1), fc.maxSafeNat().map((n) => Math.floor(n / 4)))
const int = fc.oneof(fc.integer({ min: -200, max: 200 }), fc.maxSafeInteger().map((n) => Math.trunc(n / 4) + 0))
const register = fc.oneof(int, fc.constantFrom(2 ** 63, -(2 ** 63), 2 ** 53 + 2, -(2 ** 62)))
/** A byte string; some names come again. */
const name = fc.oneof(fc.constantFrom('a', 'b', 'etc', 'usr/lib'), fc.uint8Array({ maxLength: 40 }).map((bytes) => String.fromCharCode(...bytes)))
const bytes = fc.uint8Array({ maxLength: 100 })
const errno = fc.integer({ min: -133, max: -1 })

const FIELDS: { readonly [T in FieldType]: fc.Arbitrary<unknown> } = {
  cycle: uint, sliceCycle: uint, budget: fc.nat(2 ** 31 - 1), task: fc.nat(2), started: uint, uint, int, uints: fc.array(uint, { maxLength: 5 }),
  registers: fc.array(register, { maxLength: 6 }), result: register,
  address: register,
  strings: fc.array(fc.option(name, { nil: undefined }), { maxLength: 3 }),
  bytes, name, text: fc.string(), path: name, stat: fc.oneof(errno, fc.array(int, { minLength: 15, maxLength: 15 })),
  listing: fc.oneof(errno, fc.array(fc.record({ name, type: fc.nat(12) }), { maxLength: 5 })),
  target: fc.oneof(errno, name), input: fc.option(bytes, { nil: undefined }),
  action: fc.constantFrom(...SIGNAL_ACTIONS), outcome: fc.constantFrom(...OUTCOMES),
}

const eventOf = (wire: WireName): fc.Arbitrary<TraceEvent> => {
  const fields: Record<string, fc.Arbitrary<unknown>> = Object.fromEntries(Object.entries(EVENTS[wire].fields).map(([field, type]) => [field, FIELDS[type]]))
  // All forms of a system call are one event; which one is written follows from its fields.
  if (wire === 'syscall' || wire === 'slowSyscall' || wire === 'namedSyscall') {
    return fc.record({ ...fields, tid: FIELDS.task, started: uint, strings: wire === 'namedSyscall' ? FIELDS.strings : fc.constant([]) })
      .map((event) => ({ type: 'syscall', ...event, ...(wire === 'syscall' ? { started: (event as { cycle?: number }).cycle } : {}) }) as unknown as TraceEvent)
  }
  return fc.record(fields).map((event) => ({ type: wire, ...event }) as unknown as TraceEvent)
}

export const anyEvent: fc.Arbitrary<TraceEvent> = fc.oneof(...(Object.keys(EVENTS) as WireName[]).map(eventOf))

/** With what differs between a typed array and an array, and between missing and undefined, taken away. */
export const plain = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return `bytes:${Buffer.from(value).toString('hex')}`
  if (value === undefined) return 'undefined'
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<unknown>, plain)
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([key, field]) => [key, plain(field)]))
  return value
}
