/** retrograde ci: runs a test command in recorded worlds, and keeps the traces of those that fail. */
import { appendFileSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import chalk from 'chalk'
import { Command } from 'commander'
import { DEFAULT_FAIL_ON, failureText, Watch } from '../replay/explore-failure.ts'
import { startRecording } from '../replay/record.ts'
import type { SessionConsole } from '../replay/session.ts'
import type { TraceSink } from '../trace/format.ts'
import { bytesText, drive } from './drive.ts'
import { explainEnd, finishMounts } from './end.ts'
import { EXIT_FAILED, EXIT_FOUND, EXIT_INTERRUPTED } from './errors.ts'
import { checkOutput, checkOutputDirectory } from './files.ts'
import { buildVersion, codecs, createTraceFile, makeSessionHost, platform } from './host.ts'
import { junit, type TestCase } from './junit.ts'
import { integer, prepareWorld, quantity, withWorldOptions, type WorldFlags } from './options.ts'

interface CiFlags extends WorldFlags {
  readonly keep: string
  readonly maxSize: number
  readonly runs: number
  readonly junit: string | undefined
  readonly json: boolean
}

interface CiRun {
  readonly seed: string
  readonly seconds: number
  /** Undefined: it passed. */
  readonly failure: string | undefined
  readonly kind: string
  readonly status: number
  readonly trace: string | undefined
  /** Why the trace of a failing run was not kept. */
  readonly lost: string | undefined
}

const DEFAULT_SIZE = 256 * 2 ** 20

/** Writes no more than it may: what does not fit is no trace that could be replayed to its end. */
class LimitedSink implements TraceSink {
  readonly #sink: TraceSink
  #left: number
  isFull = false

  constructor(sink: TraceSink, limit: number) {
    this.#sink = sink
    this.#left = limit
  }

  append(bytes: Uint8Array): void {
    this.#left -= bytes.length
    this.isFull ||= this.#left < 0
    if (!this.isFull) this.#sink.append(bytes)
  }

  close(): void { this.#sink.close() }
}

/** Removes the oldest traces, but not the one given, until all together are no larger. Returns how many. */
const makeRoom = (directory: string, most: number, kept: string): number => {
  const traces = readdirSync(directory).filter((name) => name.endsWith('.rgt')).map((name) => {
    const path = join(directory, name)
    const { size, mtimeMs } = statSync(path)
    return { path, size, mtimeMs }
  }).sort((a, b) => a.mtimeMs - b.mtimeMs || (a.path < b.path ? -1 : 1))
  let total = traces.reduce((sum, { size }) => sum + size, 0)
  let removed = 0
  for (const { path, size } of traces) {
    if (total <= most || path === kept) continue
    rmSync(path)
    total -= size
    removed++
  }
  return removed
}

/** A name that says what it is of, and is one on every file system. */
const fileName = (command: readonly string[], seed: string): string =>
  `${command.join(' ').replace(/[^\w.-]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 60)}-${seed.replace(/[^\w.-]+/g, '-')}.rgt`

const say = (text: string): void => { process.stderr.write(`retrograde: ${text}\n`) }

const runOnce = async (command: readonly string[], flags: CiFlags, seed: string): Promise<CiRun> => {
  const { config, files } = await prepareWorld(platform, command, { ...flags, seed })
  const host = makeSessionHost(files, flags.stdin, {})
  const watch = new Watch(false, new Uint8Array(0))
  const console: SessionConsole = {
    write: (fd, bytes, from) => {
      watch.write(fd, bytes)
      return host.console.write(fd, bytes, from)
    },
    setRaw: (raw) => { host.console.setRaw(raw) },
    readInput: (max, timeoutMs) => host.console.readInput(max, timeoutMs),
  }
  mkdirSync(flags.keep, { recursive: true })
  const path = join(flags.keep, fileName(command, seed))
  const partial = `${path}.part`
  let sink: LimitedSink | undefined
  const started = performance.now()
  const session = startRecording({
    world: config, host: { ...host, console }, codecs, version: buildVersion(), onEvent: (event) => { watch.event(event) },
    openTrace: () => sink = new LimitedSink(createTraceFile(partial), flags.maxSize),
  })
  const result = await drive(session)
  explainEnd(result)
  finishMounts(session, result)
  const seconds = (performance.now() - started) / 1000
  const broken = result.outcome === 'failed'
  const interrupted = result.outcome === 'interrupted'
  const found = broken || interrupted ? undefined : watch.judge(result, session.kernel, DEFAULT_FAIL_ON)
  const failure = broken ? 'Retrograde itself failed' : interrupted ? 'interrupted' : found === undefined ? undefined : failureText(found)
  const run = {
    seed, seconds, failure, kind: broken ? 'broken' : interrupted ? 'interrupted' : found?.kind ?? 'passed',
    status: broken ? EXIT_FAILED : interrupted ? EXIT_INTERRUPTED : found === undefined ? 0 : EXIT_FOUND,
  }
  // What ran into Retrograde's own failure is worth keeping as well.
  if (failure === undefined || interrupted) {
    rmSync(partial, { force: true })
    return { ...run, trace: undefined, lost: undefined }
  }
  if (sink?.isFull === true) {
    rmSync(partial, { force: true })
    return { ...run, trace: undefined, lost: `it is larger than ${bytesText(flags.maxSize)} (--max-size)` }
  }
  renameSync(partial, path)
  const removed = makeRoom(flags.keep, flags.maxSize, path)
  if (removed > 0) say(`${removed} older trace${removed === 1 ? '' : 's'} removed from ${flags.keep}: together they were larger than ${bytesText(flags.maxSize)}`)
  return { ...run, trace: path, lost: undefined }
}

/** How to go on from a failure: on the terminal, and in the summary of a workflow of GitHub. */
const howTo = ({ failure, trace, lost, seed }: CiRun): string[] => trace === undefined
  ? [`${failure}`, `its trace was not kept: ${lost ?? 'it could not be written'}; seed ${seed}`]
  : [`${failure}`, `retrograde replay ${trace}`, `retrograde shrink ${trace} -o min.rgt --html report.html`]

const writeSummary = (command: readonly string[], failed: readonly CiRun[]): void => {
  const file = process.env.GITHUB_STEP_SUMMARY
  if (file === undefined || file === '' || failed.length === 0) return
  const fence = '```'
  appendFileSync(file, `### \`${command.join(' ')}\` failed under Retrograde\n\n${failed.map((run) => `${fence}\n${howTo(run).join('\n')}\n${fence}\n`).join('\n')}\n`)
}

const ci = async (command: readonly string[], flags: CiFlags): Promise<number> => {
  checkOutputDirectory('--keep', flags.keep)
  if (flags.junit !== undefined) checkOutput('--junit', flags.junit)
  const seed = flags.seed ?? platform.freshSeed()
  const runs: CiRun[] = []
  const started = performance.now()
  for (let i = 1; i <= flags.runs; i++) {
    const run = await runOnce(command, flags, flags.runs === 1 ? seed : `${seed}-${i}`)
    runs.push(run)
    if (run.status === EXIT_FAILED || run.status === EXIT_INTERRUPTED) break
  }
  const failed = runs.filter(({ status }) => status !== 0)
  if (flags.junit !== undefined) {
    const name = command.join(' ')
    writeFileSync(flags.junit, junit('retrograde ci', name, (performance.now() - started) / 1000, runs.map((run): TestCase => ({
      name: runs.length === 1 ? name : `${name} (seed ${run.seed})`, seconds: run.seconds,
      ...(run.status === EXIT_FAILED ? { error: run.failure } : run.failure === undefined ? {} : { failure: { kind: run.kind, message: run.failure, text: howTo(run).join('\n') } }),
    }))))
  }
  if (flags.json) process.stdout.write(`${JSON.stringify({ runs })}\n`)
  for (const run of failed) {
    const [what, ...next] = howTo(run)
    say([chalk.red(what), ...next.map((line) => `  ${line}`)].join('\n'))
  }
  if (runs.length > 1) say(`${failed.length} of ${runs.length} runs failed`)
  writeSummary(command, failed.filter(({ status }) => status !== EXIT_INTERRUPTED))
  return Math.max(0, ...failed.map(({ status }) => status))
}

export const ciCommand = withWorldOptions(new Command('ci')
  .description('run a test command recorded, and keep the trace if it fails; exit status 0 if it passes, 1 if not (however), 125 if Retrograde itself failed'))
  .option('--keep <dir>', 'where traces of failing runs go', 'retrograde-traces')
  .option('--max-size <bytes>', 'of all traces there together: older ones are removed, larger ones not kept', quantity(1, Number.MAX_SAFE_INTEGER), DEFAULT_SIZE)
  .option('--runs <n>', 'run it so often, each time under another schedule', integer(1, 1_000_000), 1)
  .option('--junit <file>', 'the result as JUnit\'s XML')
  .option('--json', 'the result as JSON on stdout, after what the command writes', false)
  .action(async (program: string | undefined, args: string[], flags: CiFlags) => { process.exit(await ci(program === undefined ? [] : [program, ...args], flags)) })
