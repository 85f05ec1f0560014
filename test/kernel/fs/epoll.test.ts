/** epoll's list of what is ready against a model that looks at everything each time. */
import test from 'ava'
import * as fc from 'fast-check'
import { makeTestTask, type TestTask } from './fixture.ts'

const ADD = 1, DEL = 2, MOD = 3
const IN = 1, OUT = 4, ONESHOT = 1 << 30, ET = -0x8000_0000
const EVENT_SIZE = 12
const FILES = 6
const EFD_NONBLOCK = 0o4000

interface Item { events: number, edge: boolean, spent: boolean }

const step = fc.oneof(
  fc.record({ do: fc.constantFrom('add' as const, 'mod' as const), file: fc.nat({ max: FILES - 1 }), events: fc.constantFrom(IN, IN | OUT, IN | ET, IN | ONESHOT, IN | ONESHOT | ET), value: fc.constant(0) }),
  fc.record({ do: fc.constantFrom('del' as const, 'write' as const, 'read' as const, 'reopen' as const), file: fc.nat({ max: FILES - 1 }), events: fc.constant(0), value: fc.constant(0) }),
  fc.record({ do: fc.constant('wait' as const), file: fc.constant(0), events: fc.constant(0), value: fc.integer({ min: 1, max: FILES }) }))

const eventOf = (events: number, data: number): Uint8Array => {
  const bytes = new Uint8Array(EVENT_SIZE)
  const view = new DataView(bytes.buffer)
  view.setInt32(0, events, true)
  view.setUint32(4, data, true)
  return bytes
}

const wait = (task: TestTask, epoll: number, limit: number): number[] => {
  const at = task.buffer(EVENT_SIZE * limit)
  const count = task.do('epoll_wait', epoll, at, limit, 0)
  return Array.from({ length: count }, (_, i) => task.u32(at + i * EVENT_SIZE + 4))
}

test('what is reported is what is ready', (t) => {
  fc.assert(fc.property(fc.array(step, { minLength: 10, maxLength: 80 }), (steps) => {
    const task = makeTestTask()
    const epoll = task.do('epoll_create1', 0)
    const files = Array.from({ length: FILES }, () => task.do('eventfd2', 0, EFD_NONBLOCK))
    const items: (Item | undefined)[] = files.map(() => undefined)
    const hasCount = files.map(() => false)
    const one = new Uint8Array(8)
    one[0] = 1
    for (const { do: what, file, events, value } of steps) {
      const item = items[file]
      const edge = { events, edge: true, spent: false }
      switch (what) {
        case 'add':
          t.is(task.call('epoll_ctl', epoll, ADD, files[file], eventOf(events, file)), item === undefined ? 0 : 'EEXIST')
          if (item === undefined) items[file] = edge
          break
        case 'mod':
          t.is(task.call('epoll_ctl', epoll, MOD, files[file], eventOf(events, file)), item === undefined ? 'ENOENT' : 0)
          if (item !== undefined) items[file] = edge
          break
        case 'del':
          t.is(task.call('epoll_ctl', epoll, DEL, files[file], 0), item === undefined ? 'ENOENT' : 0)
          items[file] = undefined
          break
        case 'write':
          task.do('write', files[file], one, 8)
          hasCount[file] = true
          if (item !== undefined) item.edge = true
          break
        case 'read':
          t.is(task.call('read', files[file], task.buffer(8), 8), hasCount[file] ? 8 : 'EAGAIN')
          hasCount[file] = false
          break
        case 'reopen':
          task.do('close', files[file])
          t.is(task.do('eventfd2', 0, EFD_NONBLOCK), files[file])
          hasCount[file] = false
          items[file] = undefined
          break
        case 'wait': {
          const ready = items.map((one, i) => one !== undefined && !one.spent && (hasCount[i] || (one.events & OUT) !== 0) && ((one.events & ET) === 0 || one.edge))
          const reported = wait(task, epoll, value)
          t.is(reported.length, Math.min(value, ready.filter(Boolean).length))
          t.is(new Set(reported).size, reported.length)
          for (const i of reported) {
            t.true(ready[i], `${i} is not ready`)
            const of = items[i] as Item
            of.edge = false
            if ((of.events & ONESHOT) !== 0) of.spent = true
          }
          // An edge that was looked at with nothing there is over; whether it was looked at depends on the limit.
          if (reported.length < value) for (const [i, one] of items.entries()) if (one !== undefined && !hasCount[i] && !one.spent) one.edge = false
          break
        }
      }
    }
  }), { numRuns: 150, includeErrorInReport: true })
})

test('all get their turn, and later ones that become ready come after earlier ones', (t) => {
  const task = makeTestTask()
  const epoll = task.do('epoll_create1', 0)
  const files = Array.from({ length: 3 }, () => task.do('eventfd2', 0, EFD_NONBLOCK))
  const one = new Uint8Array(8)
  one[0] = 1
  for (const [i, fd] of files.entries()) task.do('epoll_ctl', epoll, ADD, fd, eventOf(IN, i))
  for (const i of [2, 0]) task.do('write', files[i], one, 8)
  t.deepEqual(wait(task, epoll, 1), [2])
  task.do('write', files[1], one, 8)
  t.deepEqual(wait(task, epoll, 1), [0])
  t.deepEqual(wait(task, epoll, 1), [2])
  t.deepEqual(wait(task, epoll, 3), [1, 0, 2])
})

test('of many files only those are asked that were told of', (t) => {
  const task = makeTestTask()
  task.task.group.limits[7] = [5000, 5000]
  const epoll = task.do('epoll_create1', 0)
  const files = Array.from({ length: 3000 }, () => task.do('eventfd2', 0, EFD_NONBLOCK))
  for (const [i, fd] of files.entries()) task.do('epoll_ctl', epoll, ADD, fd, eventOf(IN, i))
  t.deepEqual(wait(task, epoll, 8), [])
  const { data } = task.task.files.slots[epoll]?.file as { data: unknown }
  const set = data as { ready: ReadonlySet<unknown>, asked: ReadonlySet<unknown> }
  const one = new Uint8Array(8)
  one[0] = 1
  task.do('write', files[1234], one, 8)
  t.deepEqual([set.ready.size, set.asked.size], [1, 0])
  t.deepEqual(wait(task, epoll, 8), [1234])
})

test('a set in a set, and a file that is closed while it is in one', (t) => {
  const task = makeTestTask()
  const outer = task.do('epoll_create1', 0), inner = task.do('epoll_create1', 0), file = task.do('eventfd2', 0, EFD_NONBLOCK)
  task.do('epoll_ctl', outer, ADD, inner, eventOf(IN, 7))
  task.do('epoll_ctl', inner, ADD, file, eventOf(IN, 9))
  t.is(task.call('epoll_ctl', inner, ADD, outer, eventOf(IN, 1)), 'ELOOP')
  t.deepEqual(wait(task, outer, 4), [])
  t.is(task.raw('epoll_wait', outer, task.buffer(48), 4, -1) < 0, true)
  t.is(task.task.state, 'blocked')
  const one = new Uint8Array(8)
  one[0] = 1
  const other = task.fork()
  other.do('write', file, one, 8)
  t.is(task.task.state, 'runnable', 'the inner set wakes who waits for the outer one')
  t.is(task.retry(), 1)
  task.task.syscall = undefined
  t.deepEqual(wait(task, outer, 4), [7])
  other.do('close', file)
  task.do('close', file)
  t.deepEqual(wait(task, outer, 4), [])
})
