import test from 'ava'
import * as fc from 'fast-check'
import type { Kernel } from '../../../src/kernel/kernel.ts'
import { addTime, cyclesToTimespec, deadlineAt, makeClocks, subtractTime, timespecToCycles, timeUntil } from '../../../src/kernel/time/clock.ts'

/** As much of a kernel as clocks look at. */
const kernelAt = (cpuHz: number, now = 0, epochSeconds = 1_700_000_000): Kernel =>
  ({ config: { cpuHz, epochSeconds }, now, state: { clocks: makeClocks(epochSeconds) } }) as unknown as Kernel

const hz = fc.oneof(fc.constantFrom(1e9, 3e9, 1_000_000, 2_399_999_971), fc.integer({ min: 1_000_000, max: 10_000_000_000 }))
const cycles = fc.oneof(fc.nat({ max: 1_000_000 }), fc.integer({ min: 0, max: 2 ** 52 }))
const E9 = 1_000_000_000n

test('cycles to time is exact, rounded down', (t) => {
  fc.assert(fc.property(hz, cycles, (cpuHz, count) => {
    const [seconds, nanoseconds] = cyclesToTimespec(kernelAt(cpuHz), count)
    t.is(BigInt(seconds) * E9 + BigInt(nanoseconds), BigInt(count) / BigInt(cpuHz) * E9 + BigInt(count) % BigInt(cpuHz) * E9 / BigInt(cpuHz))
  }))
})

test('time to cycles is exact, rounded up', (t) => {
  fc.assert(fc.property(hz, fc.nat({ max: 100_000 }), fc.nat({ max: 999_999_999 }), (cpuHz, seconds, nanoseconds) => {
    const exact = (BigInt(seconds) * E9 + BigInt(nanoseconds)) * BigInt(cpuHz)
    const up = (exact + E9 - 1n) / E9
    t.is(timespecToCycles(kernelAt(cpuHz), [seconds, nanoseconds]), up > BigInt(Number.MAX_SAFE_INTEGER) ? Infinity : Number(up))
  }))
})

test('a deadline is the first cycle at which the clock shows the time', (t) => {
  fc.assert(fc.property(hz, fc.nat({ max: 1000 }), fc.nat({ max: 999_999_999 }), (cpuHz, seconds, nanoseconds) => {
    const kernel = kernelAt(cpuHz)
    const shows = (cycle: number): bigint => {
      const [s, ns] = cyclesToTimespec(kernel, cycle)
      return BigInt(s) * E9 + BigInt(ns)
    }
    const wanted = BigInt(seconds) * E9 + BigInt(nanoseconds)
    const deadline = deadlineAt(kernel, 1, [seconds, nanoseconds])
    t.true(shows(deadline) >= wanted)
    if (deadline > 0) t.true(shows(deadline - 1) < wanted)
  }))
})

test('CLOCK_REALTIME before the epoch of the world is never waited for', (t) => {
  t.true(deadlineAt(kernelAt(1e9, 5), 0, [1, 0]) <= 5)
  t.is(deadlineAt(kernelAt(1e9), 0, [1_700_000_002, 500]), 2_000_000_500)
})

test('centuries are for ever', (t) => {
  t.is(timespecToCycles(kernelAt(1e9), [9_223_372_036, 0]), Infinity)
  t.deepEqual(timeUntil(kernelAt(1e9, 7), Infinity), [9_223_372_036, 854_775_807])
})

test('what is left is never shown as nothing', (t) => {
  fc.assert(fc.property(hz, fc.integer({ min: 1, max: 1_000_000 }), (cpuHz, left) => {
    const [seconds, nanoseconds] = timeUntil(kernelAt(cpuHz, 1000), 1000 + left)
    t.true(seconds > 0 || nanoseconds > 0)
    t.true(timespecToCycles(kernelAt(cpuHz), [seconds, nanoseconds]) >= left)
  }))
})

test('sums and differences carry', (t) => {
  const time = fc.tuple(fc.integer({ min: -1e9, max: 1e9 }), fc.nat({ max: 999_999_999 }))
  fc.assert(fc.property(time, time, (a, b) => {
    t.deepEqual(subtractTime(addTime(a, b), b), a)
    const [, nanoseconds] = addTime(a, b)
    t.true(nanoseconds >= 0 && nanoseconds < 1e9)
  }))
})
