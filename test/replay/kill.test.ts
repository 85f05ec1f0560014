import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { openTraceFile, traceCodecs } from '../../src/platform/trace-files.ts'
import { startReplay } from '../../src/replay/replay.ts'
import { runToEnd } from '../../src/replay/session.ts'
import { TraceError } from '../../src/trace/errors.ts'
import { KIND_EVENTS } from '../../src/trace/format.ts'
import { TraceReader } from '../../src/trace/reader.ts'
import { loadEngine } from './support.ts'

const script = join(dirname(fileURLToPath(import.meta.url)), 'record-forever.ts')

/** Of a file that may be of any length yet. */
const eventChunks = (file: string): number => {
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 0) return 0
  const source = openTraceFile(file)
  try {
    return new TraceReader(source, traceCodecs).chunks.filter(({ header }) => header.kind === KIND_EVENTS).length
  } catch (error) {
    if (error instanceof TraceError) return 0
    throw error
  } finally {
    source.close()
  }
}

test('kill -9 loses no more than the last second', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'retrograde-kill-'))
  const file = join(directory, 'trace.rgt')
  try {
    const child = spawn(process.execPath, [script, file], { stdio: ['ignore', 'ignore', 'inherit'] })
    const ended = new Promise((resolve) => { child.on('exit', (_code, signal) => { resolve(signal) }) })
    // Until two chunks of events are whole: what was recorded then is there, whatever comes.
    let chunks = 0
    for (let tries = 0; chunks < 2 && tries < 2000; tries++) {
      await sleep(50)
      chunks = eventChunks(file)
    }
    t.true(chunks >= 2)
    child.kill('SIGKILL')
    t.is(await ended, 'SIGKILL')
    const source = openTraceFile(file)
    const trace = new TraceReader(source, traceCodecs)
    t.regex(trace.recovery?.reason ?? '', /cut off/)
    t.true(trace.chunks.filter(({ header }) => header.kind === KIND_EVENTS).length >= 2)
    const result = runToEnd(startReplay({
      trace, engine: loadEngine(), clock: { wallTimeMs: () => performance.now() }, codecs: traceCodecs, mode: 'from-seed',
    }))
    source.close()
    t.is(result.divergence, undefined)
    t.is(result.events, trace.events)
    t.true(result.events > 100)
    t.regex(result.truncated ?? '', /the recording was cut off/)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
