/** The package's own entry: what a program that imports it can do. */
import { existsSync } from 'node:fs'
import test from 'ava'
import * as fc from 'fast-check'
import { arbitraryFaults, codecs, eventText, loadEngine, platform, prepareWorld, runScenario, runToEnd, scenario, type SessionHost, startRecording, startReplay, type TraceEvent, TraceReader } from '../src/index.ts'

const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path))
const withBusybox = busybox === undefined ? test.skip : test

const FLAGS = {
  seed: '7', cpus: 1, strategy: 'random', cpuHz: 1e9, memory: 1 << 28, memoryLimit: 1 << 28, timeout: Infinity, mount: [], env: [], clearEnv: true,
} as unknown as Parameters<typeof prepareWorld>[2]

withBusybox('a program is recorded and replayed by calls', async (t) => {
  const { config, files } = await prepareWorld(platform, [busybox ?? '', 'echo', 'by calls'], FLAGS)
  const engine = loadEngine()
  let output = ''
  const parts: Uint8Array[] = []
  const host: SessionHost = {
    engine, files, wallTimeMs: () => platform.wallTimeMs(),
    console: {
      write: (_fd, bytes) => {
        output += Buffer.from(bytes).toString()
        return 0
      },
      setRaw: () => { /* no terminal */ }, readInput: () => new Uint8Array(0),
    },
  }
  const world = { ...config, stdio: ['null', 'pipe', 'pipe'] as const }
  const result = runToEnd(startRecording({ world, host, codecs, version: 'test', openTrace: () => ({ append: (bytes) => { parts.push(bytes.slice()) }, close: () => { /* nothing */ } }) }))
  t.is(result.exitCode, 0)
  t.is(output, 'by calls\n')
  const bytes = Buffer.concat(parts)
  const trace = new TraceReader({ name: 'memory', size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) }, codecs)
  const events: TraceEvent[] = []
  const again = runToEnd(startReplay({ trace, engine, clock: platform, codecs, mode: 'drive', onEvent: (event) => { events.push(event) } }))
  t.is(again.divergence, undefined)
  t.is(again.hash, result.hash)
  t.true(events.some((event) => eventText(event).includes('exit_group(0')))
})

withBusybox('faults are an arbitrary: whatever system calls meet, a world ends', (t) => {
  const it = scenario({ name: 'faults', about: '', hosts: { host: { run: [busybox ?? '', 'sh', '-c', 'echo a > /f; cat /f; for i in 1 2 3; do echo $i; done | wc -l'] } } })
  const folder = '/'
  fc.assert(fc.property(arbitraryFaults(), fc.nat().map(String), (faults, seed) => {
    const result = runScenario({ scenario: { ...it, faults, timeout: 20 }, folder, outside: platform, engine: { ...loadEngine(), tier: undefined }, clock: platform, codecs, version: 'test' }, seed)
    if (result.broken !== undefined) throw new Error(result.broken)
  }), { numRuns: 12 })
  t.pass()
})
