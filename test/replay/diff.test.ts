/** What may be left out when two traces are compared. */
import test from 'ava'
import { traceCodecs } from '../../src/platform/trace-files.ts'
import { diffTraces, type Ignorable } from '../../src/replay/diff.ts'
import { TraceReader } from '../../src/trace/reader.ts'
import { memorySource } from '../trace/support.ts'
import { record, treeFor, worldOf } from './support.ts'

const traceOf = (guest: string, seed: string): TraceReader => new TraceReader(memorySource(record(worldOf(guest, { seed, cpus: 1 }), treeFor(guest)).trace), traceCodecs)

test('random bytes are what the seed gives to a program that draws nothing else', (t) => {
  const [a, b] = [traceOf('abi-interfaces', '1'), traceOf('abi-interfaces', '2')]
  t.is(diffTraces(a, b)?.first?.type, 'random')
  t.is(diffTraces(a, b, 5, new Set(['random'])), undefined)
})

test('the schedule, and the cycles that follow from it', (t) => {
  const [a, b] = [traceOf('pthread-tls', '1'), traceOf('pthread-tls', '2')]
  const ignored = (...kinds: Ignorable[]): ReturnType<typeof diffTraces> => diffTraces(a, b, 5, new Set(kinds))
  t.is(ignored('random')?.first?.type, 'slice')
  const [some, more] = [ignored('random', 'slices'), ignored('random', 'slices', 'time')]
  t.not(some, undefined)
  t.true(more === undefined || more.event >= (some?.event ?? 0))
  t.true(more === undefined || (more.first?.type !== 'slice' && !/cycle/.test(more.what)), more?.what)
})
