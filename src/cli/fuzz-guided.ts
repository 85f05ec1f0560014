/** retrograde fuzz --guided: a program's input, its system calls' faults and its schedule, guided by coverage. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import chalk from 'chalk'
import { InvalidArgumentError } from 'commander'
import type { FaultKind } from '../kernel/config.ts'
import { FAULT_KINDS } from '../kernel/plan/faults.ts'
import { SYSCALLS } from '../kernel/syscalls/table.ts'
import type { FailOn } from '../replay/explore-failure.ts'
import { Dictionary } from '../replay/fuzz/guided/dictionary.ts'
import { type Finding, GuidedFuzz } from '../replay/fuzz/guided/guided.ts'
import { recordCase } from '../replay/fuzz/guided/record-case.ts'
import { foundText, INPUT_KINDS, type InputKind, PLACEHOLDER, TargetError } from '../replay/fuzz/guided/target.ts'
import { reasonOf } from '../platform/trace-files.ts'
import { makeMachine } from '../replay/machine.ts'
import { EXIT_FAILED, EXIT_FOUND, EXIT_INTERRUPTED, UsageError } from './errors.ts'
import { checkOutputDirectory } from './files.ts'
import { buildVersion, codecs, createTraceFile, loadEngine, platform, root, toByteString } from './host.ts'
import { prepareWorld, type WorldFlags } from './options.ts'

export interface GuidedFlags extends WorldFlags {
  readonly number: number | undefined
  readonly time: number | undefined
  readonly input: InputFlag | undefined
  readonly corpus: string | undefined
  readonly dictionary: string | undefined
  readonly faults: readonly FaultKind[]
  readonly schedules: boolean
  readonly blind: boolean
  readonly cover: RegExp | undefined
  readonly maxLength: number
  readonly failOn: FailOn | undefined
  readonly keepGoing: boolean
  readonly output: string
  readonly json: boolean
}

/** A crash, or no end: an exit status says nothing of a program that is given nonsense. */
const GUIDED_FAIL_ON: FailOn = { kinds: ['signal', 'hang', 'deadlock'], output: undefined }
const SHOW_EVERY_MS = 200
const TURN_MS = 20
/** What C libraries and sanitizers do follows from their callers. */
const LIBRARIES = /\/(ld-[^/]*|lib(c|m|pthread|dl|rt|gcc_s|stdc\+\+|asan|ubsan|tsan|resolv)[-.\d]*\.so[^/]*)$|^\[/
/** A sanitizer's report ends the program as a crash does, without what takes time. */
const SANITIZERS = ['ASAN_OPTIONS=abort_on_error=1:symbolize=0:detect_leaks=0', 'UBSAN_OPTIONS=abort_on_error=1:halt_on_error=1:symbolize=0']
/** Of a program's file, to look for texts in. */
const MOST_PROGRAM = 16 << 20
const SHOWN_BYTES = 60

export const faultKinds = (text: string): FaultKind[] => text.split(',').map((name) => {
  const kind = FAULT_KINDS.find((one) => one === name)
  if (kind === undefined) throw new InvalidArgumentError(`'${name}' is none of ${FAULT_KINDS.join(', ')}.`)
  return kind
})

export interface InputFlag { readonly kind: InputKind, readonly port: number | undefined }

const MOST_PORT = 65_535
export const inputKind = (text: string): InputFlag => {
  const [name, number] = text.split(':')
  const kind = INPUT_KINDS.find((one) => one === name)
  const port = number === undefined ? undefined : Number(number)
  const isServer = kind === 'tcp' || kind === 'udp'
  if (kind === undefined || isServer !== (port !== undefined) || (port !== undefined && !(Number.isInteger(port) && port > 0 && port <= MOST_PORT))) throw new InvalidArgumentError('It must be stdin, file, argv, tcp:PORT or udp:PORT.')
  return { kind, port }
}

const read = (what: string, path: string): Uint8Array => {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new UsageError(`${what} ${path}: ${reasonOf(error)}`)
  }
}

/** Inputs in files, by their content: what is there twice counts once. */
class CorpusDirectory {
  readonly #path: string
  readonly #known = new Set<string>()
  readonly seeds: Uint8Array[] = []

  constructor(path: string) {
    this.#path = path
    checkOutputDirectory('--corpus', path)
    mkdirSync(path, { recursive: true })
    for (const name of readdirSync(path).sort()) {
      const file = join(path, name)
      if (!statSync(file).isFile()) continue
      const bytes = read('--corpus', file)
      if (this.#isNew(bytes)) this.seeds.push(bytes)
    }
    // Short ones first: they are likely to be enough.
    this.seeds.sort((a, b) => a.length - b.length)
  }

  #isNew(bytes: Uint8Array): boolean {
    const hash = platform.sha256(bytes)
    if (this.#known.has(hash)) return false
    this.#known.add(hash)
    return true
  }

  add(bytes: Uint8Array): void {
    if (this.#isNew(bytes)) writeFileSync(join(this.#path, platform.sha256(bytes).slice(0, 16)), bytes)
  }
}

const shown = (bytes: Uint8Array): string =>
  `"${Array.from(bytes.subarray(0, SHOWN_BYTES), (byte) => byte === 0x22 || byte === 0x5c ? `\\${String.fromCharCode(byte)}` : byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`).join('')}"${bytes.length > SHOWN_BYTES ? '…' : ''}`

interface Kept { readonly finding: Finding, readonly trace: string, readonly input: string }

const keptText = ({ finding, trace, input }: Kept): string => {
  const { case: { bytes, faults, scheduleSeed }, after, count, failure } = finding
  return [
    `${chalk.red(foundText(finding))}, after ${after} executions${count > 1 ? `, ${count} times` : ''}${failure.line === '' ? '' : `: ${failure.line}`}`,
    ...finding.frames.slice(1, 4).map((frame) => `      called from ${frame}`),
    `    ${bytes.length} bytes: ${shown(bytes)}`,
    ...faults.map((fault) => `    with the fault ${fault.fault}${'call' in fault ? ` in call ${fault.count + 1} of ${SYSCALLS[fault.call]?.name ?? fault.call} of task ${fault.task}` : ''}`),
    ...(scheduleSeed === undefined ? [] : [`    under the schedule ${scheduleSeed}`]),
    `    retrograde replay ${trace}    (the input: ${input})`,
  ].join('\n')
}

const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

export const fuzzGuided = async (program: string | undefined, args: readonly string[], flags: GuidedFlags): Promise<number> => {
  checkOutputDirectory('-o', flags.output)
  if (flags.failOn?.kinds.includes('race') === true) throw new UsageError('--fail-on race: explore looks for races, with one input')
  const seed = flags.seed ?? platform.freshSeed()
  const command = program === undefined ? [] : [program, ...args]
  const input = flags.input?.kind ?? (args.some((arg) => arg.includes(PLACEHOLDER)) ? 'file' : 'stdin')
  const env = [...SANITIZERS.filter((setting) => process.env[setting.split('=')[0]] === undefined), ...flags.env]
  const { config, files } = await prepareWorld(platform, command, { ...flags, seed, env, timeout: flags.timeout })
  const world = { ...config, stdio: ['null', 'pipe', 'pipe'] as const }
  const failOn = flags.failOn ?? GUIDED_FAIL_ON
  const directory = flags.corpus === undefined ? undefined : new CorpusDirectory(flags.corpus)
  const dictionary = new Dictionary()
  if (flags.dictionary !== undefined) {
    try {
      dictionary.addFile(Buffer.from(read('--dictionary', flags.dictionary)).toString('latin1'))
    } catch (error) {
      if (error instanceof SyntaxError) throw new UsageError(`--dictionary ${flags.dictionary}, ${error.message}`)
      throw error
    }
  }
  const real = platform.realPath(toByteString(world.program))
  const content = real === undefined ? undefined : platform.readFile(real)
  if (content instanceof Uint8Array && content.length <= MOST_PROGRAM) dictionary.addTexts(content)
  // Compiling hot code does not pay in worlds as short as these, and its blocks are not counted.
  const engine = { ...loadEngine(), tier: undefined }
  const cover = flags.cover
  const port = flags.input?.port
  if ((input === 'file' || input === 'argv') && !command.some((word) => word.includes(PLACEHOLDER))) throw new UsageError(`--input ${input}: none of the program's arguments has ${PLACEHOLDER}, for which the input stands`)
  const fuzz = new GuidedFuzz({
    world, input, ...(port === undefined ? {} : { client: { program: readFileSync(join(root, 'guests/bin/fuzz-send')), port } }), files, failOn, faults: flags.faults, seed, dictionary, machine: makeMachine(engine, world.memoryLimit), seeds: directory?.seeds ?? [], mostBytes: flags.maxLength, schedules: flags.schedules, isGuided: !flags.blind,
    covers: (module) => cover === undefined ? !LIBRARIES.test(module) : cover.test(module),
  })
  const most = flags.number ?? (flags.time === undefined ? 100_000 : Infinity)
  const started = performance.now()
  const seconds = (): number => (performance.now() - started) / 1000
  let interrupted = false
  const stop = (): void => { interrupted = true }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, stop)
  const shows = process.stderr.isTTY
  let [turned, showed, saved] = [started, started, directory?.seeds.length ?? 0]
  const save = (): void => {
    for (; saved < fuzz.corpus.entries.length; saved++) directory?.add(fuzz.corpus.entries[saved].bytes)
  }
  const isOver = (): boolean => interrupted || fuzz.executions >= most || (flags.time !== undefined && performance.now() - started >= flags.time)
  const run = fuzz.run()
  try {
    let isShrinking = false
    for (let step = run.next(); step.done !== true; step = run.next()) {
      if (performance.now() - turned > TURN_MS) {
        await turn()
        turned = performance.now()
        save()
        if (shows && turned - showed > SHOW_EVERY_MS) {
          showed = turned
          process.stderr.write(`\r\x1b[K${chalk.dim(`${fuzz.executions} executions, ${(fuzz.executions / seconds()).toFixed(0)} a second, corpus of ${fuzz.corpus.entries.length}, ${fuzz.corpus.cells} edges, ${fuzz.findings.length} failures`)}`)
        }
      }
      // What was found is made small before the end, unless somebody is in a hurry.
      isShrinking = fuzz.isShrinking
      if (interrupted || (!isShrinking && (isOver() || (fuzz.findings.length > 0 && !flags.keepGoing)))) break
    }
  } catch (error) {
    if (error instanceof TargetError) throw new UsageError(error.message)
    throw error
  } finally {
    if (shows) process.stderr.write('\r\x1b[K')
    for (const signal of signals) process.off(signal, stop)
  }
  save()
  const took = seconds()
  const kept: Kept[] = []
  const keep = async (finding: Finding | undefined, it: Finding['case'], name: string): Promise<void> => {
    mkdirSync(flags.output, { recursive: true })
    const [trace, inputFile] = [join(flags.output, `${name}.rgt`), join(flags.output, `${name}.input`)]
    writeFileSync(inputFile, it.bytes)
    for (const _ of recordCase(fuzz.target, it, finding, () => createTraceFile(trace), { engine, clock: platform, files, codecs, version: buildVersion(), failOn })) await turn()
    if (finding !== undefined) kept.push({ finding, trace, input: inputFile })
  }
  for (const [i, finding] of fuzz.findings.entries()) await keep(finding, finding.case, `${i + 1}-${finding.failure.kind}`)
  const report = {
    executions: fuzz.executions, seconds: took, seed, input, corpus: fuzz.corpus.entries.length, edges: fuzz.corpus.cells, interrupted,
    failures: kept.map(({ finding, trace, input: file }) => ({ text: foundText(finding), ...finding.failure, frames: finding.frames, after: finding.after, count: finding.count, bytes: Buffer.from(finding.case.bytes).toString('base64'), faults: finding.case.faults, scheduleSeed: finding.case.scheduleSeed, trace, input: file })),
  }
  if (flags.json) {
    process.stdout.write(`${JSON.stringify(report)}\n`)
  } else {
    const what = `${fuzz.executions} executions in ${took.toFixed(1)} s (${(fuzz.executions / took).toFixed(0)} a second), corpus of ${fuzz.corpus.entries.length}, ${fuzz.corpus.cells} edges, seed ${seed}`
    process.stdout.write(kept.length === 0 ? `${chalk.green('clean')}: ${what}\n` : `${what}\n${kept.map((one, i) => `${String(i + 1).padStart(2)}. ${keptText(one)}`).join('\n')}\n`)
  }
  if (fuzz.broken !== undefined) {
    const { error, case: it } = fuzz.broken
    process.stderr.write(`retrograde: internal error: ${error instanceof Error ? error.stack ?? error.message : String(error)}\n`)
    await keep(undefined, it, 'internal').catch(() => { /* the input is kept */ })
    process.stderr.write(`retrograde: please report this, with ${join(flags.output, 'internal.input')}\n`)
    return EXIT_FAILED
  }
  return kept.length > 0 ? EXIT_FOUND : interrupted ? EXIT_INTERRUPTED : 0
}
