/** What soak:abi found and was mended: answers as Linux's, which were kept; and on that Linux, once more as it answers now. */
import { existsSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { type NativeAnswers, NativeFuzzer } from '../../src/platform/native-fuzz.ts'
import { traceCodecs } from '../../src/platform/trace-files.ts'
import { FuzzCoverage } from '../../src/replay/fuzz/coverage.ts'
import { FuzzFork } from '../../src/replay/fuzz/fork.ts'
import { encodeFuzzProgram } from '../../src/replay/fuzz/program.ts'
import { FuzzRunner } from '../../src/replay/fuzz/run.ts'
import { KEPT } from './fuzz-kept.ts'
import { loadEngine, root } from './support.ts'

const guest = readFileSync(join(root, 'guests/bin/fuzz-run'))
const host = { engine: { ...loadEngine(), tier: undefined }, clock: { wallTimeMs: () => performance.now() }, codecs: traceCodecs, guest, version: 'test' }
const { linux, answers } = JSON.parse(readFileSync(join(root, 'test/replay/fixtures/fuzz-kept.json'), 'utf8')) as { linux: string, answers: Record<string, NativeAnswers | undefined> }
const WORLD = { seed: '1', cpus: 2, strategy: 'random', uid: 65534 } as const

test('what once disagreed with Linux agrees', (t) => {
  const fork = new FuzzFork(host, WORLD)
  for (const [name, program] of Object.entries(KEPT)) {
    const { lines, exitCode, broken } = fork.run(program, name)
    t.deepEqual({ lines, exitCode, broken }, { lines: [...answers[name]?.lines ?? []], exitCode: answers[name]?.exitCode ?? -1, broken: undefined }, name)
  }
})

const isCompared = process.platform === 'linux' && process.arch === 'x64' && release().split('.').slice(0, 2).join('.') === linux.split('.').slice(0, 2).join('.') && existsSync('/dev/shm')
;(isCompared ? test : test.skip)('what was kept is what this Linux answers', (t) => {
  const native = new NativeFuzzer(guest)
  t.teardown(() => { native.close() })
  for (const [name, program] of Object.entries(KEPT)) t.deepEqual(native.run(encodeFuzzProgram(program)), answers[name], name)
})

test('a sequence is recorded and replayed both ways', (t) => {
  t.is(new FuzzRunner(host).verify(KEPT['one process ends another'], WORLD).broken, undefined)
})

test('a world that is forked for each sequence answers as one of its own, again and again', (t) => {
  const fork = new FuzzFork(host, WORLD), runner = new FuzzRunner(host), coverage = new FuzzCoverage()
  for (const name of ['a queue has a file', 'children tell', 'one process ends another', 'messages of a stream go whole']) {
    const own = runner.run(KEPT[name], WORLD)
    for (let i = 0; i < 2; i++) t.deepEqual(fork.run(KEPT[name], String(i)).lines, own.lines, name)
    coverage.add(KEPT[name], own.lines)
  }
  t.regex(coverage.lines().find((line) => line.startsWith('mq_open')) ?? '', /^mq_open +1 +1/)
  t.true(coverage.unreached.includes('mmap') && !coverage.unreached.includes('fork'))
})
