/** Large writes to pipes: they block in the middle and go on where they were. */
import test from 'ava'
import { makeTestTask, type TestTask } from './fixture.ts'

const SIZE = 300_000
const O_NONBLOCK = 0o4000, O_CREAT = 0o100, O_RDWR = 2

const pattern = (at: number): number => (at * 7 + (at >> 8)) & 0xff
const makePipe = (task: TestTask, flags = 0): [number, number] => {
  const at = task.buffer(8)
  task.do('pipe2', at, flags)
  return [task.u32(at), task.u32(at + 4)]
}
const fill = (task: TestTask, size: number): number => {
  const at = task.buffer(size)
  task.kernel.user(task.task).write(at, Uint8Array.from({ length: size }, (_, index) => pattern(index)))
  return at
}
/** Lets the reader read until the writer's call ends; returns what was read and the result. */
const drain = (writer: TestTask, reader: TestTask, fd: number): { bytes: number[], result: number } => {
  const bytes: number[] = []
  const at = reader.buffer(50_000)
  for (;;) {
    const got = reader.do('read', fd, at, 50_000)
    bytes.push(...reader.bytes(at, got))
    if (writer.task.state === 'runnable') {
      writer.task.state = 'running'
      const result = writer.retry()
      if (writer.task.state === 'running') return { bytes, result }
    }
  }
}

test('write', (t) => {
  const writer = makeTestTask()
  const reader = writer.fork()
  const [r, w] = makePipe(writer)
  const child = writer.fork()
  t.is(writer.call('write', w, fill(writer, SIZE), SIZE), 'blocked')
  const { bytes, result } = drain(writer, child, r)
  t.is(result, SIZE)
  const at = child.buffer(1 << 17)
  bytes.push(...child.bytes(at, child.do('read', r, at, 1 << 17)))
  t.is(bytes.length, SIZE)
  t.true(bytes.every((byte, index) => byte === pattern(index)))
  t.is(reader.task.state, 'running')
})

test('writev, of pieces that do not fit the chunks', (t) => {
  const writer = makeTestTask()
  const [r, w] = makePipe(writer)
  const child = writer.fork()
  const base = fill(writer, SIZE)
  const sizes = [1, 70_000, 0, 5, 129_994, 100_000]
  const vector = new DataView(new ArrayBuffer(sizes.length * 16))
  let offset = 0
  sizes.forEach((size, index) => {
    vector.setBigInt64(index * 16, BigInt(base + offset), true)
    vector.setBigInt64(index * 16 + 8, BigInt(size), true)
    offset += size
  })
  t.is(offset, SIZE)
  t.is(writer.call('writev', w, new Uint8Array(vector.buffer), sizes.length), 'blocked')
  const { bytes, result } = drain(writer, child, r)
  t.is(result, SIZE)
  const at = child.buffer(1 << 17)
  bytes.push(...child.bytes(at, child.do('read', r, at, 1 << 17)))
  t.is(bytes.length, SIZE)
  t.true(bytes.every((byte, index) => byte === pattern(index)))
})

test('without blocking, and when the reader goes', (t) => {
  const writer = makeTestTask()
  const [r, w] = makePipe(writer, O_NONBLOCK)
  const base = fill(writer, SIZE)
  t.is(writer.do('write', w, base, SIZE), 65_536)
  t.is(writer.call('write', w, base, SIZE), 'EAGAIN')
  const [r2, w2] = makePipe(writer)
  const child = writer.fork()
  writer.do('close', r2)
  t.is(writer.call('write', w2, base, SIZE), 'blocked')
  const at = child.buffer(4096)
  child.do('read', r2, at, 4096)
  writer.task.state = 'running'
  writer.retry()
  child.do('close', r2)
  writer.task.state = 'running'
  t.is(writer.retry(), 65_536 + 4096)
  t.true(r >= 0)
})

test('sendfile into a pipe', (t) => {
  const writer = makeTestTask()
  const file = writer.open('/f', O_CREAT | O_RDWR)
  writer.do('write', file, fill(writer, SIZE), SIZE)
  writer.do('lseek', file, 0, 0)
  const [r, w] = makePipe(writer)
  const child = writer.fork()
  t.is(writer.call('sendfile', w, file, 0, SIZE), 'blocked')
  const { bytes, result } = drain(writer, child, r)
  t.is(result, SIZE)
  t.is(writer.do('lseek', file, 0, 1), SIZE)
  const at = child.buffer(1 << 17)
  bytes.push(...child.bytes(at, child.do('read', r, at, 1 << 17)))
  t.is(bytes.length, SIZE)
  t.true(bytes.every((byte, index) => byte === pattern(index)))
})
