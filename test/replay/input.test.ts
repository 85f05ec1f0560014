/** Input that comes while the world works or waits, at a terminal and from a pipe: replay hands it over at the same points. */
import test from 'ava'
import { traceCodecs } from '../../src/platform/trace-files.ts'
import type { WorldConfig } from '../../src/kernel/config.ts'
import { startRecording } from '../../src/replay/record.ts'
import { runToEnd, type SessionConsole } from '../../src/replay/session.ts'
import { TraceReader } from '../../src/trace/reader.ts'
import { MemorySink, memorySource } from '../trace/support.ts'
import { hostOf, MemoryConsole, replay, treeFor, worldOf } from './support.ts'

/** Input by wall time in milliseconds; the clock goes on by what is waited for, and a little with each look at it. */
class TimedConsole implements SessionConsole {
  now = 0
  output = ''
  readonly #input: (readonly [at: number, text: string])[]
  constructor(input: readonly (readonly [at: number, text: string])[]) { this.#input = [...input] }
  wallTimeMs(): number { return this.now += 0.25 }
  setRaw(): void { /* no terminal */ }
  write(_fd: number, bytes: Uint8Array): number {
    this.output += Buffer.from(bytes).toString('latin1')
    return 0
  }

  readInput(_max: number, timeoutMs: number): Uint8Array | undefined {
    if (this.#input.length === 0) return new Uint8Array(0)
    const [at] = this.#input[0]
    if (at > this.now + timeoutMs) {
      this.now += timeoutMs
      return undefined
    }
    this.now = Math.max(this.now, at)
    return Buffer.from(this.#input.shift()?.[1] ?? '')
  }
}

const recordTimed = (program: string, world: Partial<WorldConfig>, console: TimedConsole) => {
  const sink = new MemorySink()
  const tree = treeFor(program)
  const result = runToEnd(startRecording({
    world: worldOf(program, world), host: { ...hostOf(tree, console), wallTimeMs: () => console.wallTimeMs() }, codecs: traceCodecs, version: 'test', openTrace: () => sink,
  }))
  return { result, trace: sink.bytes }
}

for (const kind of ['pipe', 'tty'] as const) {
  test(`input in its own time: ${kind}`, (t) => {
    const console = new TimedConsole([[5, 'now\n'], [130, 'later\n'], [131, 'at once\n'], [700, 'much later\n'], ...(kind === 'tty' ? [[900, '\x04'] as const] : [])])
    const { result, trace } = recordTimed('replay-wait', { stdio: [kind, kind, kind] }, console)
    t.is(result.outcome, 'exited', String(result.error))
    t.is(result.exitCode, 0)
    const timeouts = Number(/end after (\d+) timeouts/.exec(console.output)?.[1])
    t.true(timeouts > 10, console.output)
    const inputs = [...new TraceReader(memorySource(trace), traceCodecs).eventsFrom()].filter(({ type }) => type === 'input')
    t.true(inputs.some((event) => event.type === 'input' && event.missed > 0))
    for (const mode of ['drive', 'from-seed'] as const) {
      const again = replay(trace, mode)
      t.is(again.result.divergence, undefined)
      t.is(again.result.hash, result.hash)
      t.is(again.output, console.output)
    }
  })
}

test('^C reaches a guest that works', (t) => {
  const console = new TimedConsole([[50, '\x03'], [90, '\x03'], [200, 'x\n'], [300, '\x04']])
  const { result, trace } = recordTimed('replay-wait', { stdio: ['tty', 'tty', 'tty'] }, console)
  t.regex(console.output, /2 interrupts, read 2/)
  t.is(replay(trace, 'drive').result.hash, result.hash)
})

test('a world that waits is interrupted, and replays to there', (t) => {
  const sink = new MemorySink()
  const console = new MemoryConsole()
  const session = startRecording({
    world: worldOf('replay-tour'), host: { ...hostOf(treeFor('replay-tour'), console), console: { write: () => 0, setRaw: () => { /* no terminal */ }, readInput: () => undefined } },
    codecs: traceCodecs, version: 'test', openTrace: () => sink,
  })
  while (!session.progress().waiting) t.is(session.advance(), undefined)
  session.interrupt()
  const result = session.advance()
  t.is(result?.outcome, 'interrupted')
  t.regex(result?.explanation.join('\n') ?? '', /task 100 \(replay-tour\): blocked in read\(0, /)
  const again = replay(sink.bytes, 'drive').result
  t.is(again.divergence, undefined)
  t.is(again.outcome, 'interrupted')
  t.is(again.hash, result?.hash ?? '')
})

test('a terminal that changes its size while the world waits or works', (t) => {
  // Each when the program has shown the one before.
  const sizes = [['24 x 80', { rows: 30, columns: 100 }], ['30 x 100', { rows: 10, columns: 40 }]] as const
  let next = 0
  const console = new MemoryConsole()
  const host = { ...hostOf(treeFor('replay-resize'), { write: (fd, bytes) => console.write(fd, bytes), setRaw: () => { /* none */ }, readInput: () => next < sizes.length && console.output.includes(sizes[next][0]) ? sizes[next++][1] : undefined }) }
  const sink = new MemorySink()
  const result = runToEnd(startRecording({
    world: worldOf('replay-resize', { stdio: ['tty', 'tty', 'tty'] }), host, codecs: traceCodecs, version: 'test', openTrace: () => sink,
  }))
  t.is(result.outcome, 'exited')
  t.is(console.output, '24 x 80\r\n30 x 100\r\n10 x 40\r\n')
  for (const mode of ['drive', 'from-seed'] as const) {
    const again = replay(sink.bytes, mode)
    t.is(again.result.divergence, undefined)
    t.is(again.output, console.output)
  }
})
