import test from 'ava'
import * as fc from 'fast-check'
import { arm, disarm, makeTimer, nextDeadline, takeDue, type Timer, timerQueue } from '../../../src/kernel/time/timer-queue.ts'

const step = fc.oneof(
  fc.record({ do: fc.constant('arm' as const), timer: fc.nat({ max: 9 }), deadline: fc.oneof(fc.nat({ max: 50 }), fc.constant(Infinity)) }),
  fc.record({ do: fc.constant('disarm' as const), timer: fc.nat({ max: 9 }), deadline: fc.constant(0) }),
  fc.record({ do: fc.constant('take' as const), timer: fc.constant(0), deadline: fc.nat({ max: 50 }) }))

test('timers fire by deadline, then in the order in which they were armed: as a sorted list does', (t) => {
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
    const queue = timerQueue()
    const timers = Array.from({ length: 10 }, (_, id) => makeTimer('posix', 1, id))
    let model: { timer: Timer, deadline: number }[] = []
    for (const { do: action, timer: index, deadline } of steps) {
      const timer = timers[index]
      if (action === 'take') {
        const first = model[0]
        const expected = first !== undefined && first.deadline <= deadline ? first.timer : undefined
        t.is(takeDue(queue, deadline), expected)
        if (expected !== undefined) model = model.slice(1)
      } else {
        model = model.filter((entry) => entry.timer !== timer)
        if (action === 'arm') {
          arm(queue, timer, deadline)
          if (deadline !== Infinity) model.push({ timer, deadline })
          // Stable: what was armed later stays behind.
          model.sort((a, b) => a.deadline - b.deadline)
        } else {
          disarm(queue, timer)
        }
      }
      t.is(nextDeadline(queue), model[0]?.deadline ?? Infinity)
      for (const [place, entry] of queue.heap.entries()) t.is(entry.place, place)
      t.is(queue.heap.length, model.length)
    }
  }))
})
