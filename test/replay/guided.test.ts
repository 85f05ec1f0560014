/** Fuzzing inputs guided by coverage: hidden branches are found with guidance and not without; what is found is small, and a trace of it replays. */
import test from 'ava'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { FAULT_KINDS } from '../../src/kernel/plan/faults.ts'
import type { FaultKind } from '../../src/kernel/config.ts'
import { codecs, loadEngine, platform } from '../../src/cli/host.ts'
import { prepareWorld, type WorldFlags } from '../../src/cli/options.ts'
import { Dictionary } from '../../src/replay/fuzz/guided/dictionary.ts'
import { GuidedFuzz, type GuidedOptions } from '../../src/replay/fuzz/guided/guided.ts'
import { mutate } from '../../src/replay/fuzz/guided/mutate.ts'
import { Random } from '../../src/replay/fuzz/guided/random.ts'
import { recordCase } from '../../src/replay/fuzz/guided/record-case.ts'
import { foundText, type InputKind } from '../../src/replay/fuzz/guided/target.ts'
import { makeMachine } from '../../src/replay/machine.ts'
import { MemorySink } from '../../src/replay/memory-sink.ts'
import { replay, root } from './support.ts'

const engine = { ...loadEngine(), tier: undefined }
const machine = makeMachine(engine, 1 << 28)
const FLAGS = { cpus: 1, cpu: 'x86-64-v2', strategy: 'random', cpuHz: 1e9, memory: 'sc', memoryLimit: 1 << 28, packets: false, timeout: Infinity, mount: [], env: [], clearEnv: true } as unknown as WorldFlags
const FAIL_ON = { kinds: ['signal', 'hang'], output: undefined } as const

interface Options extends Partial<GuidedOptions> { readonly input?: InputKind }

const optionsOf = async (command: readonly string[], more: Options = {}): Promise<GuidedOptions> => {
  const { config, files } = await prepareWorld(platform, command, { ...FLAGS, seed: '1' })
  const dictionary = new Dictionary()
  const program = platform.readFile(config.program)
  if (program instanceof Uint8Array) dictionary.addTexts(program)
  return {
    world: { ...config, stdio: ['null', 'pipe', 'pipe'], uid: 0, gid: 0 }, input: 'stdin', machine, files, failOn: FAIL_ON, faults: [], seed: '1', seeds: [], dictionary, mostBytes: 4096, schedules: false, isGuided: true,
    covers: (module) => !/\/(libc|ld-)/.test(module), ...more,
  }
}

/** Until something fails, or so many executions. */
const search = async (command: readonly string[], executions: number, more: Options = {}): Promise<GuidedFuzz> => {
  const fuzz = new GuidedFuzz(await optionsOf(command, more))
  for (const _ of fuzz.run()) if (!fuzz.isShrinking && (fuzz.executions >= executions || fuzz.findings.length > 0)) break
  if (fuzz.broken !== undefined) throw fuzz.broken.error as Error
  return fuzz
}

const guestPath = (name: string): string => join(root, 'guests/bin', name)
const found = (fuzz: GuidedFuzz): string[] => fuzz.findings.map((finding) => `${finding.failure.kind} ${finding.failure.status} ${Buffer.from(finding.case.bytes).toString('latin1')} ${finding.after}`)
const magic = guestPath('fuzz-magic'), parts = guestPath('fuzz-parts')

/** Records what was found, and replays that both ways. */
const traceOf = async (fuzz: GuidedFuzz, command: readonly string[], more: Options = {}): Promise<number> => {
  const [finding] = fuzz.findings
  const { files } = await optionsOf(command, more)
  const sink = new MemorySink()
  for (const _ of recordCase(fuzz.target, finding.case, finding, () => sink, { engine, clock: platform, files, codecs, version: 'test', failOn: FAIL_ON })) { /* goes on */ }
  const [driven, again] = [replay(sink.bytes, 'drive').result, replay(sink.bytes, 'from-seed').result]
  if (driven.divergence !== undefined || again.divergence !== undefined) throw new Error('the replay differs')
  return driven.exitCode
}

const SEGV = 128 + 11, ABRT = 128 + 6

test('bytes behind bytes: found with guidance, not without', async (t) => {
  for (const seed of ['2', '3']) {
    const fuzz = await search([magic], 6000, { seed })
    t.deepEqual(fuzz.findings.map(({ failure }) => failure.kind), ['signal'], `seed ${seed}`)
    t.is(Buffer.from(fuzz.findings[0].case.bytes).toString('latin1'), 'M\u00a7z\u0003?', 'nothing is left that it does not need')
    t.is(await traceOf(fuzz, [magic]), SEGV)
    const blind = await search([magic], 6000, { seed, isGuided: false })
    t.deepEqual(blind.findings.filter(({ failure }) => failure.kind === 'signal'), [])
    t.true(fuzz.corpus.cells > blind.corpus.cells)
  }
})

test('the same seed finds the same, from a file as from standard input', async (t) => {
  const [a, b, other] = [await search([magic, '@@'], 8000, { seed: '5', input: 'file' }), await search([magic, '@@'], 8000, { seed: '5', input: 'file' }), await search([magic, '@@'], 500, { seed: '6', input: 'file' })]
  t.true(a.findings.length > 0)
  t.deepEqual(found(a), found(b))
  t.deepEqual(a.corpus.entries.map(({ bytes }) => [...bytes]), b.corpus.entries.map(({ bytes }) => [...bytes]))
  t.notDeepEqual(a.corpus.entries.slice(0, 20).map(({ bytes }) => [...bytes]), other.corpus.entries.slice(0, 20).map(({ bytes }) => [...bytes]))
  t.is(await traceOf(a, [magic, '@@'], { input: 'file' }), 128 + a.findings[0].failure.status)
})

test('an argument is the input', async (t) => {
  const seeds = [Uint8Array.from(Buffer.from('M\u00a7z\u00030', 'latin1'))]
  const fuzz = await search([magic, '-a', '@@'], 4000, { input: 'argv', seeds })
  t.is(fuzz.findings.length, 1)
  t.is(await traceOf(fuzz, [magic, '-a', '@@'], { input: 'argv' }), SEGV)
})

test('a server is sent its input over TCP and in datagrams, from where its client has it', async (t) => {
  const client = { program: readFileSync(guestPath('fuzz-send')), port: 7000 }
  for (const input of ['tcp', 'udp'] as const) {
    const command = [guestPath('fuzz-server'), input, '7000'], more = { input, client, seeds: [Buffer.from('SET u')] }
    const fuzz = await search(command, 3000, more)
    t.regex(Buffer.from(fuzz.findings[0]?.case.bytes ?? []).toString(), /^SET [v-z]$/, input)
    t.is(await traceOf(fuzz, command, more), 0, 'the world ends with its client')
  }
  await t.throwsAsync(search([guestPath('fuzz-server'), 'tcp', '7001'], 10, { input: 'tcp', client }), { message: /nothing listens on port 7000/ })
})

test('a fault of a system call is part of what is looked for', async (t) => {
  const faults: readonly FaultKind[] = ['eintr', 'short']
  const fuzz = await search([parts], 5000, { faults })
  t.deepEqual(fuzz.findings.map(({ case: { faults: list } }) => list), [[{ fault: 'eintr', task: 0, call: 0, count: 1 }]])
  t.is(await traceOf(fuzz, [parts], { faults }), SEGV)
  t.deepEqual((await search([parts], 2000)).findings, [], 'without it nothing fails')
  t.true(FAULT_KINDS.includes('eintr'))
})

test('a schedule is part of what is looked for', async (t) => {
  const fuzz = await search([parts], 6000, { schedules: true })
  t.is(Buffer.from(fuzz.findings[0].case.bytes.subarray(0, 3)).toString(), 'PAY')
  t.not(fuzz.findings[0].case.scheduleSeed, undefined)
  t.is(await traceOf(fuzz, [parts]), ABRT)
})

test('where a failure is tells it from others', async (t) => {
  const fuzz = new GuidedFuzz(await optionsOf([magic], { seeds: ['M\u00a7z\u0003?', 'M\u00a7z\u0003?more', '\u00de\u00c0\u00ed\u00fe\u0000\u0008\u0000\u0000'].map((text) => Uint8Array.from(Buffer.from(text, 'latin1'))) }))
  for (const _ of fuzz.run()) if (!fuzz.isShrinking && fuzz.executions > 100) break
  t.deepEqual(fuzz.findings.map((finding) => foundText(finding).split(' ')[0]), ['SIGSEGV', 'SIGABRT'])
  t.true(fuzz.findings[0].count >= 2)
})

test('a program that does not read its input is told of', async (t) => {
  await t.throwsAsync(search([guestPath('processor')], 10), { message: /ended without reading its standard input/ })
  await t.throwsAsync(search([guestPath('processor'), '@@'], 10, { input: 'file' }), { message: /ended without reading its input/ })
  await t.throwsAsync(search([magic], 10, { input: 'file' }), { message: /none of the program's arguments has @@/ })
})

const jq = ['/usr/bin/jq', '/usr/bin/mawk', '/usr/bin/bc'].find((path) => existsSync(path))
;(jq === undefined ? test.skip : test)('a program of Debian: guidance goes where chance does not', async (t) => {
  const command = [jq ?? '', ...jq?.endsWith('jq') === true ? ['.'] : jq?.endsWith('mawk') === true ? ['-f', '/dev/stdin'] : []]
  const [guided, blind] = [await search(command, 1500), await search(command, 1500, { isGuided: false })]
  t.true(guided.corpus.entries.length > 10)
  t.true(guided.corpus.cells > blind.corpus.cells, `${guided.corpus.cells} edges, ${blind.corpus.cells} without guidance`)
})

test('mutations: another array each time, no longer than allowed, and the same from the same seed', (t) => {
  const dictionary = new Dictionary()
  dictionary.addConstant(0x0a0b0c0d, 0, 4)
  const all = ['a', 'a', 'b'].map((seed) => {
    const random = new Random(seed)
    let bytes: Uint8Array = new Uint8Array(0)
    const seen: string[] = []
    for (let i = 0; i < 3000; i++) {
      const before = bytes.slice()
      const changed = mutate(random, bytes, { dictionary, others: [Uint8Array.of(1, 2, 3)], mostBytes: 50 })
      t.deepEqual(bytes, before)
      t.true(changed.length <= 50)
      bytes = changed
      seen.push(Buffer.from(changed).toString('hex'))
    }
    return seen
  })
  t.deepEqual(all[0], all[1])
  t.notDeepEqual(all[0], all[2])
  t.true(all[0].some((text) => text.includes('0a0b0c0d')) && all[0].some((text) => text.includes('0d0c0b0a')))
})

test('dictionaries: constants, texts of a program, and files as AFL has them', (t) => {
  const dictionary = new Dictionary()
  for (const [low, high, size] of [[0x7f, 0, 4], [0x1234, 0, 4], [-2, -1, 8], [0x55667788, 0x11223344, 8], [1, 0, 4], [0, 0, 1]] as const) dictionary.addConstant(low, high, size)
  t.deepEqual(dictionary.constants.map((word) => Buffer.from(word).toString('hex')), ['7f', '3412', '1234', 'fe', '8877665544332211', '1122334455667788'])
  dictionary.addFile('# comment\nkeyword="GET \\x2f\\n"\n\n"\\"\\\\"\n')
  t.deepEqual(dictionary.constants.slice(6).map((word) => Buffer.from(word).toString('latin1')), ['GET /\n', '"\\'])
  t.throws(() => { dictionary.addFile('a="b"\nnothing') }, { instanceOf: SyntaxError, message: /line 2/ })
  dictionary.addTexts(readFileSync(magic))
  t.true(dictionary.texts.some((word) => Buffer.from(word).toString() === 'verb='))
})
