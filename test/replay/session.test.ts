/** Recording and replaying real guests: the same to the bit, and caught when it is not. */
import test from 'ava'
import { traceCodecs } from '../../src/platform/trace-files.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import { eventTextInWorld } from '../../src/replay/describe.ts'
import { diffTraces } from '../../src/replay/diff.ts'
import { startRecording } from '../../src/replay/record.ts'
import { startReplay } from '../../src/replay/replay.ts'
import { type ReplayMode, runToEnd } from '../../src/replay/session.ts'
import type { TraceEvent } from '../../src/trace/events.ts'
import { TraceReader } from '../../src/trace/reader.ts'
import { TraceWriter } from '../../src/trace/writer.ts'
import { MemorySink, memorySource } from '../trace/support.ts'
import { hostOf, loadEngine, MemoryConsole, record, replay, run, treeFor, worldOf } from './support.ts'

const MODES: readonly ReplayMode[] = ['drive', 'from-seed']
const race = treeFor('replay-race')
const tour = treeFor('replay-tour')
const INPUT = ['one\n', 'two\nth', 'ree\n']
/** Executed cycles between checkpoints: these guests are short. */
const often = { checkpointCycles: 20_000 }

const readerOf = (trace: Uint8Array): TraceReader => new TraceReader(memorySource(trace), traceCodecs)
const eventsOf = (trace: Uint8Array): TraceEvent[] => [...readerOf(trace).eventsFrom()]

/** The trace with its events changed: as another recorder would have written it. */
const rewrite = (trace: Uint8Array, change: (events: TraceEvent[]) => void): Uint8Array => {
  const reader = readerOf(trace)
  const events = eventsOf(trace)
  const sink = new MemorySink()
  const writer = new TraceWriter(sink, traceCodecs, reader.head)
  const blobs = Math.max(...events.map((event) => event.type === 'readFile' ? event.blob : -1))
  for (let blob = 0; blob <= blobs; blob++) writer.blob(reader.blob(blob))
  change(events)
  for (const event of events) writer.event(event)
  writer.finish()
  return sink.bytes
}

test('a guest that races: recorded, replayed both ways, run without recording', (t) => {
  const world = worldOf('replay-race')
  const recorded = record(world, race, [], often)
  t.is(recorded.result.outcome, 'exited')
  t.is(recorded.result.exitCode, 0)
  t.regex(recorded.output, /^counter \d+, order \d \d \d, random [0-9a-f]{8}\n$/)
  t.true(recorded.result.checkpoints > 2, `${recorded.result.checkpoints} checkpoints`)
  for (const mode of MODES) {
    const { result, output } = replay(recorded.trace, mode)
    t.is(result.divergence, undefined, mode)
    t.is(result.truncated, undefined)
    t.is(result.hash, recorded.result.hash)
    t.is(result.events, recorded.result.events)
    t.is(result.checkpoints, recorded.result.checkpoints)
    t.is(result.exitCode, 0)
    t.is(output, recorded.output)
  }
  const plain = run(world, race)
  t.is(plain.output, recorded.output)
  t.is(plain.result.hash, recorded.result.hash, 'watching a world does not change it')
})

test('files, processes, signals, timers and input', (t) => {
  const recorded = record(worldOf('replay-tour'), tour, INPUT, often)
  t.is(recorded.result.exitCode, 3)
  t.regex(recorded.output, /^file: hello\nmissing: 2\nsize 6\npipe: from the child, exit 7\nslept: -1 errno 4, alarms 1, 1 s\nrandom [0-9a-f]{8}\nline: one\nline: two\nline: three\nend of input\n$/)
  for (const mode of MODES) {
    const { result, output } = replay(recorded.trace, mode)
    t.is(result.divergence, undefined, mode)
    t.is(result.hash, recorded.result.hash)
    t.is(output, recorded.output)
    t.is(result.exitCode, 3)
  }
  const types = new Set(eventsOf(recorded.trace).map(({ type }) => type))
  for (const type of ['slice', 'syscall', 'random', 'readFile', 'lstat', 'input', 'output', 'signal', 'taskStart', 'taskExit', 'exec', 'checkpoint', 'end']) t.true(types.has(type as TraceEvent['type']), type)
})

test('one seed, one world: recordings are the same event for event; other seeds give other schedules', (t) => {
  const first = record(worldOf('replay-race', { seed: 'x' }), race)
  const second = record(worldOf('replay-race', { seed: 'x' }), race)
  t.is(first.result.hash, second.result.hash)
  t.is(diffTraces(readerOf(first.trace), readerOf(second.trace)), undefined)
  const seeds = Array.from({ length: 8 }, (_, i) => record(worldOf('replay-race', { seed: String(i) }), race).output.replace(/, random.*/s, ''))
  t.true(new Set(seeds).size > 2, seeds.join('\n'))
  const other = record(worldOf('replay-race', { seed: 'y' }), race)
  const difference = diffTraces(readerOf(first.trace), readerOf(other.trace))
  t.true((difference?.event ?? -1) >= 0)
  t.true((difference?.secondAfter.length ?? 0) > 0)
})

test('many runs under one seed have one result (1,000 in npm run soak)', (t) => {
  const world = worldOf('replay-race', { seed: 'same', cpus: 3 })
  const results = new Set(Array.from({ length: 40 }, () => {
    const { result, output } = run(world, race)
    return `${result.hash} ${result.events} ${output}`
  }))
  t.is(results.size, 1)
})

test('a world that is not as recorded is caught at the first difference', (t) => {
  const recorded = record(worldOf('replay-tour'), tour, INPUT, often)
  const events = eventsOf(recorded.trace)
  const find = (type: TraceEvent['type'], skip = 0): number => events.map((event, i) => [event, i] as const).filter(([event]) => event.type === type)[skip][1]
  const changes: readonly (readonly [name: string, at: number, change: (event: TraceEvent) => object])[] = [
    ['a result', find('syscall', 20), (event) => ({ ...event, result: 12345 })],
    ['a register', find('syscall', 30), (event) => ({ ...event, args: event.type === 'syscall' ? Array.from(event.args, (arg) => arg + 1) : [], ...(event.type === 'syscall' && event.args.length === 0 ? { number: 500 } : {}) })],
    ['the checksum of the output', find('output'), (event) => ({ ...event, hash: 1 })],
    ['a state hash', find('checkpoint', 1), (event) => ({ ...event, hash: new Uint8Array(16) })],
    ['the final hash', find('end'), (event) => ({ ...event, hash: new Uint8Array(16) })],
    ['a signal', find('signal'), (event) => ({ ...event, code: 99 })],
  ]
  for (const [name, at, change] of changes) {
    const changed = rewrite(recorded.trace, (list) => { list[at] = change(list[at]) as TraceEvent })
    for (const mode of MODES) {
      const { result } = replay(changed, mode)
      t.is(result.divergence?.event, at, `${name}, ${mode}`)
      t.is(result.exitCode, 3)
      t.truthy(result.divergence?.expected)
      t.truthy(result.divergence?.actual)
    }
  }
  // A decision in another octave gives another budget; it is not what the seed gives either.
  const slice = find('slice', 5)
  const redrawn = rewrite(recorded.trace, (list) => {
    const event = list[slice]
    if (event.type === 'slice') list[slice] = { ...event, draws: [...event.draws.slice(0, -1), (event.draws.at(-1) ?? 0) ^ 1024] }
  })
  for (const mode of MODES) t.is(replay(redrawn, mode).result.divergence?.event, slice, mode)
})

test('other inputs and files than the trace has are caught', (t) => {
  const recorded = record(worldOf('replay-tour'), tour, INPUT)
  const events = eventsOf(recorded.trace)
  const input = events.findIndex(({ type }) => type === 'input')
  const changed = rewrite(recorded.trace, (list) => { list[input] = { ...list[input], bytes: Buffer.from('ONE\n') } as TraceEvent })
  const { result } = replay(changed, 'drive')
  t.true((result.divergence?.event ?? 0) > input)
  const removed = rewrite(recorded.trace, (list) => { list.splice(input, 1) })
  t.truthy(replay(removed, 'drive').result.divergence)
  const file = events.findIndex((event) => event.type === 'readFile')
  const renamed = rewrite(recorded.trace, (list) => { list[file] = { ...list[file], path: 'elsewhere' } as TraceEvent })
  t.is(replay(renamed, 'drive').result.divergence?.event, file)
})

test('a recording that was cut off replays to its last event, and says so', (t) => {
  const recorded = record(worldOf('replay-race'), race, [], often)
  const events = eventsOf(recorded.trace)
  const sink = new MemorySink()
  const reader = readerOf(recorded.trace)
  const writer = new TraceWriter(sink, traceCodecs, reader.head)
  for (const event of events) if (event.type === 'readFile') writer.blob(reader.blob(event.blob))
  const kept = Math.floor(events.length * 0.7)
  events.slice(0, kept).forEach((event) => { writer.event(event) })
  writer.flush()
  for (const mode of MODES) {
    const { result } = replay(Buffer.concat([sink.bytes, Buffer.from('RGTC torn')]), mode)
    t.is(result.divergence, undefined)
    t.is(result.events, kept)
    t.regex(result.truncated ?? '', /ends within a chunk/)
    t.is(result.outcome, 'interrupted')
  }
})

test('a recording that is interrupted is a whole trace that replays', (t) => {
  const sink = new MemorySink()
  const session = startRecording({
    world: worldOf('replay-race'), host: { ...hostOf(race, new MemoryConsole()), wallTimeMs: (() => { let now = 0; return () => now += 30 })() },
    codecs: traceCodecs, version: 'test', openTrace: () => sink,
  })
  for (let i = 0; i < 4; i++) t.is(session.advance(), undefined)
  session.interrupt()
  const result = session.advance()
  t.is(result?.outcome, 'interrupted')
  t.is(result?.exitCode, 130)
  t.true(sink.closed)
  for (const mode of MODES) {
    const { result: again } = replay(sink.bytes, mode)
    t.is(again.divergence, undefined)
    t.is(again.truncated, undefined)
    t.is(again.hash, result?.hash ?? '')
    t.is(again.outcome, 'interrupted')
  }
})

test('a session can be stopped at an event', (t) => {
  const recorded = record(worldOf('replay-race'), race)
  const seen: number[] = []
  const session = startReplay({
    trace: readerOf(recorded.trace), engine: loadEngine(), clock: { wallTimeMs: () => performance.now() }, codecs: traceCodecs, mode: 'drive',
    untilEvent: 50, onEvent: (_event, number) => { seen.push(number) },
  })
  let result = session.advance()
  while (result === undefined) result = session.advance()
  t.is(result.outcome, 'interrupted')
  t.is(result.divergence, undefined)
  t.deepEqual(seen, Array.from({ length: 51 }, (_, i) => i))
})

test('in a replay, what system calls point to can be seen', (t) => {
  const recorded = record(worldOf('replay-tour'), tour, INPUT)
  const lines: string[] = []
  let world = (): Kernel | undefined => undefined
  const session = startReplay({
    trace: readerOf(recorded.trace), engine: loadEngine(), clock: { wallTimeMs: () => performance.now() }, codecs: traceCodecs, mode: 'drive',
    onEvent: (event) => {
      const kernel = world()
      if (kernel !== undefined) lines.push(eventTextInWorld(event, kernel))
    },
  })
  world = () => session.kernel
  t.is(runToEnd(session).divergence, undefined)
  const text = lines.join('\n')
  for (const line of [
    /^open\("\/data\/hello\.txt", O_RDONLY\|O_LARGEFILE\) = 3$/m, /^read\(3, "hello\\n", 63\) = 6$/m, /^open\("\/data\/missing\.txt", O_RDONLY\|O_LARGEFILE\) = -1 ENOENT$/m,
    /^write\(\d, "from the child", 14\) = 14$/m, /^SIGALRM \(SI_KERNEL\) at 0x[0-9a-f]+: handler$/m, /^rt_sigaction\(SIGALRM, \{sa_handler=0x[0-9a-f]+, sa_flags=SA_RESTORER\}, /m,
    /nanosleep\(.*\{tv_sec=2, tv_nsec=\d+\}, 0x[0-9a-f]+\) = \? ERESTART_RESTARTBLOCK/, /^exit_group\(3\) = \?$/m, /^output of \d+ bytes to 1$/m,
  ]) t.regex(text, line)
})

test('a program that is not there leaves no trace behind', (t) => {
  let opened = false
  t.throws(() => startRecording({
    world: worldOf('nothing'), host: hostOf(race, new MemoryConsole()), codecs: traceCodecs, version: 'test',
    openTrace: () => {
      opened = true
      return new MemorySink()
    },
  }), { name: 'WorldError', message: /ENOENT/ })
  t.false(opened)
})

test('when Retrograde fails, the trace is kept up to there', (t) => {
  const host = hostOf(tour, new MemoryConsole())
  const files = { ...host.files, readFile: (mount: number, path: string) => {
    if (path === 'data/hello.txt') throw new Error('a bug')
    return host.files.readFile(mount, path)
  } }
  const sink = new MemorySink()
  const result = runToEnd(startRecording({ world: worldOf('replay-tour'), host: { ...host, files }, codecs: traceCodecs, version: 'test', openTrace: () => sink }))
  t.is(result.outcome, 'failed')
  t.is(result.exitCode, 125)
  t.is((result.error as Error).message, 'a bug')
  t.regex(result.explanation.join('\n'), /task 100 \(replay-tour\) was acting, rip 0x/)
  const end = eventsOf(sink.bytes).at(-1)
  t.is(end?.type === 'end' ? end.message : '', 'a bug')
  const again = replay(sink.bytes, 'drive').result
  t.regex(again.divergence?.what ?? '', /the recording failed here \("a bug"\), the replay goes on/)
  t.is(again.divergence?.event, result.events - 1)
})

test('a trace that can\'t be written ends the recording with the reason', (t) => {
  let appended = 0
  const append = (): void => { if (++appended > 3) throw new Error('disk full') }
  const { result } = record(worldOf('replay-race'), race, [], { openTrace: () => ({ append, close: () => { /* nothing is open */ } }), ...often })
  t.is(result.outcome, 'failed')
  t.is((result.error as Error).message, 'disk full')
  t.is(result.exitCode, 125)
})
