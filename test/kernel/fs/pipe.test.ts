/** Pipes: who is woken, what is merged, and that nothing is lost between many readers and writers. */
import test from 'ava'
import * as fc from 'fast-check'
import { makeTestTask, type TestTask } from './fixture.ts'

const PAGE = 4096
const BLOCKED = Number.MIN_SAFE_INTEGER
const O_DIRECT = 0o40000, O_NONBLOCK = 0o4000

const makePipe = (task: TestTask, flags = 0): [number, number] => {
  const at = task.buffer(8)
  task.do('pipe2', at, flags)
  return [task.u32(at), task.u32(at + 4)]
}
const isBlocked = ({ task }: TestTask): boolean => task.state === 'blocked'

test('a byte wakes one of those who wait for it; what is left wakes the next; the end wakes all', (t) => {
  const task = makeTestTask()
  const [reader, writer] = makePipe(task)
  const readers = Array.from({ length: 4 }, () => task.fork())
  for (const one of readers) {
    one.do('close', writer)
    t.is(one.raw('read', reader, one.buffer(16), 2), BLOCKED)
  }
  task.write(writer, 'a')
  t.deepEqual(readers.map(isBlocked), [false, true, true, true])
  t.is(readers[0].retry(), 1)
  t.deepEqual(readers.map(isBlocked), [false, true, true, true])
  task.write(writer, 'bcd')
  t.deepEqual(readers.map(isBlocked), [false, false, true, true])
  t.is(readers[1].retry(), 2)
  t.deepEqual(readers.map(isBlocked), [false, false, false, true], 'it left a byte')
  t.is(readers[2].retry(), 1)
  task.do('close', writer)
  t.deepEqual(readers.map(isBlocked), [false, false, false, false])
  t.is(readers[3].retry(), 0)
})

test('who was woken and can’t take it wakes the next', (t) => {
  const task = makeTestTask()
  const [reader, writer] = makePipe(task)
  const [bad, good] = [task.fork(), task.fork()]
  t.is(bad.raw('read', reader, 0x6000_0000, 4), BLOCKED)
  t.is(good.raw('read', reader, good.buffer(4), 4), BLOCKED)
  task.write(writer, 'x')
  t.deepEqual([isBlocked(bad), isBlocked(good)], [false, true])
  t.is(bad.retry(), -14)
  t.is(isBlocked(good), false)
  t.is(good.retry(), 1)
})

test('room wakes one writer, which wakes the next if it leaves some', (t) => {
  const task = makeTestTask()
  const [reader, writer] = makePipe(task)
  task.write(writer, 'f'.repeat(16 * PAGE))
  const writers = Array.from({ length: 3 }, () => task.fork())
  for (const one of writers) t.is(one.raw('write', writer, one.put(new Uint8Array(PAGE)), PAGE), BLOCKED)
  task.read(reader, PAGE)
  t.deepEqual(writers.map(isBlocked), [false, true, true])
  t.is(writers[0].retry(), PAGE)
  t.deepEqual(writers.map(isBlocked), [false, true, true])
  task.read(reader, 3 * PAGE)
  t.is(writers[1].retry(), PAGE)
  t.deepEqual(writers.map(isBlocked), [false, false, false])
  t.is(writers[2].retry(), PAGE)
})

test('a writer whose memory turns out to be bad wakes the next', (t) => {
  const task = makeTestTask()
  const [reader, writer] = makePipe(task)
  task.write(writer, 'f'.repeat(16 * PAGE))
  const [bad, good] = [task.fork(), task.fork()]
  // A hundred bytes before the end of what is mapped.
  const end = 0x10_0000 + (2 << 20)
  t.is(bad.raw('write', writer, end - 100, 2 * PAGE), BLOCKED)
  t.is(good.raw('write', writer, good.put(new Uint8Array(8)), 8), BLOCKED)
  task.read(reader, 2 * PAGE)
  t.deepEqual([isBlocked(bad), isBlocked(good)], [false, true])
  t.is(bad.retry(), -14)
  t.is(isBlocked(good), false)
  t.is(good.retry(), 8)
})

test('a vector that does not fit at once goes in once', (t) => {
  const task = makeTestTask()
  const [reader, writer] = makePipe(task)
  task.write(writer, 'f'.repeat(15 * PAGE))
  const other = task.fork()
  const pieces = [other.put(new Uint8Array(PAGE).fill(65)), other.put(new Uint8Array(2 * PAGE).fill(66))]
  const vector = new Uint8Array(32)
  const view = new DataView(vector.buffer)
  view.setUint32(0, pieces[0], true)
  view.setUint32(8, PAGE, true)
  view.setUint32(16, pieces[1], true)
  view.setUint32(24, 2 * PAGE, true)
  t.is(other.raw('writev', writer, vector, 2), BLOCKED)
  t.is(task.read(reader, 15 * PAGE), 'f'.repeat(15 * PAGE))
  t.is(other.retry(), 3 * PAGE)
  other.task.syscall = undefined
  t.is(task.read(reader, 16 * PAGE), 'A'.repeat(PAGE) + 'B'.repeat(2 * PAGE))
})

test('what is read is what was written, in pieces of any size', (t) => {
  const piece = fc.record({ write: fc.boolean(), vector: fc.boolean(), length: fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 3 * PAGE }), fc.constantFrom(PAGE, 2 * PAGE, 16 * PAGE)) })
  fc.assert(fc.property(fc.array(piece, { maxLength: 60 }), fc.boolean(), (pieces, packets) => {
    const task = makeTestTask()
    const [reader, writer] = makePipe(task, O_NONBLOCK | (packets ? O_DIRECT : 0))
    let written = ''
    let read = ''
    let sent = 0
    for (const { write, vector, length } of pieces) {
      if (!write) {
        const at = task.buffer(length)
        const got = task.raw('read', reader, at, length)
        // Of packets what does not fit is lost.
        if (got > 0 && !packets) read += Buffer.from(task.bytes(at, got)).toString('latin1')
        continue
      }
      const bytes = Uint8Array.from({ length: Math.min(length, 3 * PAGE) }, (_, i) => (sent + i) % 251)
      let done: number
      if (vector) {
        const at = task.put(bytes)
        const half = bytes.length >> 1
        const list = new Uint8Array(32)
        const view = new DataView(list.buffer)
        view.setUint32(0, at, true)
        view.setUint32(8, half, true)
        view.setUint32(16, at + half, true)
        view.setUint32(24, bytes.length - half, true)
        done = task.raw('writev', writer, list, 2)
      } else {
        done = task.raw('write', writer, bytes, bytes.length)
      }
      if (done <= 0) continue
      if (bytes.length <= PAGE) t.is(done, bytes.length, 'small writes are not torn')
      sent += done
      written += Buffer.from(bytes.subarray(0, done)).toString('latin1')
    }
    if (packets) return
    for (;;) {
      const at = task.buffer(8 * PAGE)
      const got = task.raw('read', reader, at, 8 * PAGE)
      if (got <= 0) break
      read += Buffer.from(task.bytes(at, got)).toString('latin1')
    }
    t.is(read, written)
  }), { numRuns: 100, includeErrorInReport: true })
})
