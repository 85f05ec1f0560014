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
import { KIND_EVENTS } from '../../src/trace/format.ts'
import { TraceReader } from '../../src/trace/reader.ts'
import { loadEngine } from './support.ts'

const script = join(dirname(fileURLToPath(import.meta.url)), 'record-forever.ts')

test('kill -9 loses no more than the last second', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'retrograde-kill-'))
  const file = join(directory, 'trace.rgt')
  try {
    const child = spawn(process.execPath, [script, file], { stdio: ['ignore', 'ignore', 'inherit'] })
    const ended = new Promise((resolve) => { child.on('exit', (_code, signal) => { resolve(signal) }) })
    // Until the third time that the file has grown: what was recorded then is there, whatever comes.
    let grown = 0
    for (let size = 0, tries = 0; grown < 3 && tries < 2000; tries++) {
      const now = statSync(file, { throwIfNoEntry: false })?.size ?? 0
      if (now > size) grown++
      size = now
      await sleep(50)
    }
    t.is(grown, 3)
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
