/** retrograde explore: runs a program under many schedules until one fails, and records that. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import chalk from 'chalk'
import { Command, InvalidArgumentError } from 'commander'
import { Exploration, type ExploreStrategy, type FoundFailure, isSearch } from '../replay/explore.ts'
import { DEFAULT_FAIL_ON, type FailOn } from '../replay/explore-failure.ts'
import type { Schedule, ScheduleResult, ScheduleRun, ScheduleRunner } from '../replay/explore-schedule.ts'
import { SEARCHES } from '../replay/search/plan.ts'
import type { Batch } from './explore-worker.ts'
import { duration } from './duration.ts'
import { EXIT_FAILED, EXIT_FOUND, EXIT_INTERRUPTED, UsageError } from './errors.ts'
import { checkOutput, checkOutputDirectory } from './files.ts'
import { type Report, type ShrunkTrace, jsonReport, junitReport, textReport } from './explore-report.ts'
import { type ExploreSetup, makeRunner, parseFailOn, plainSetup } from './explore-setup.ts'
import { buildVersion, codecs, createTraceFile, platform } from './host.ts'
import { integer, PCT_DEPTH, regexps, withWorldOptions, type WorldFlags } from './options.ts'

interface Shard { readonly part: number, readonly of: number }

interface ExploreFlags extends Omit<WorldFlags, 'strategy'> {
  readonly strategy: ExploreStrategy
  readonly bound: number | undefined
  readonly number: number | undefined
  readonly time: number | undefined
  readonly depth: number | undefined
  readonly keepGoing: boolean
  readonly failOn: FailOn | undefined
  readonly ignore: readonly RegExp[]
  readonly atomics: readonly RegExp[]
  readonly output: string
  readonly json: boolean
  readonly junit: string | undefined
  readonly jobs: number
  readonly workers: string | undefined
  readonly shard: Shard | undefined
  readonly shrink: boolean
}

const DEFAULT_SCHEDULES = 1000
/** A systematic search that ends early has not said anything. */
const DEFAULT_OF_SEARCHES = 100_000
const PROGRESS_EVERY_MS = 200
/** The event loop gets a turn this often: signals. */
const TURN_MS = 20
/** Threads are given about this much at a time. */
const BATCH_MS = 200
const MOST_BATCH = 256

const shard = (text: string): Shard => {
  const match = /^(\d+)\/(\d+)$/.exec(text)
  const [part, of] = match === null ? [0, 0] : [Number(match[1]), Number(match[2])]
  if (part < 1 || part > of) throw new InvalidArgumentError('It must be I/N, I from 1 to N: 2/5.')
  return { part, of }
}

/** Where the work is done. */
export interface Workshop {
  /** Until nothing is left to do, or `isLate`. */
  run(exploration: Exploration, isLate: () => boolean, show: () => void, elapsed: () => number): Promise<void>
  interrupt(): void
}

const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

class OneThread implements Workshop {
  readonly #runner: ScheduleRunner
  #run: ScheduleRun | undefined
  constructor(runner: ScheduleRunner) { this.#runner = runner }

  async run(exploration: Exploration, isLate: () => boolean, show: () => void, elapsed: () => number): Promise<void> {
    let turned = performance.now()
    for (let schedule = exploration.next(); schedule !== undefined; schedule = exploration.next()) {
      const run = this.#run = this.#runner.start(schedule)
      let result: ScheduleResult | undefined
      while (result === undefined) {
        result = run.advance()
        if (performance.now() - turned < TURN_MS) continue
        if (isLate()) this.interrupt()
        show()
        await turn()
        turned = performance.now()
      }
      exploration.take(result, elapsed())
      if (isLate()) exploration.stop()
    }
    this.#run = undefined
  }

  interrupt(): void { this.#run?.interrupt() }
}

class Threads implements Workshop {
  readonly #setup: ExploreSetup
  readonly #jobs: number
  readonly #keepGoing: boolean
  #interrupt: () => void = () => {}
  constructor(setup: ExploreSetup, jobs: number, keepGoing: boolean) {
    this.#setup = setup
    this.#jobs = jobs
    this.#keepGoing = keepGoing
  }

  async run(exploration: Exploration, isLate: () => boolean, show: () => void, elapsed: () => number): Promise<void> {
    const { default: Tinypool } = await import('tinypool')
    const isSource = import.meta.url.endsWith('.ts')
    let filename = new URL(isSource ? './explore-worker.ts' : './explore-worker.js', import.meta.url)
    // Bundled, this may be in dist/chunks.
    if (!isSource && !existsSync(fileURLToPath(filename))) filename = new URL('../explore-worker.js', import.meta.url)
    const pool = new Tinypool({ filename: filename.href, minThreads: this.#jobs, maxThreads: this.#jobs, idleTimeout: 60_000 })
    const interrupted = new Promise<undefined>((resolve) => { this.#interrupt = () => { resolve(undefined) } })
    const timer = setInterval(() => {
      show()
      if (isLate()) this.#interrupt()
    }, TURN_MS)
    let batch = 1
    const work = async (): Promise<void> => {
      for (;;) {
        const schedules: Schedule[] = []
        while (schedules.length < batch) {
          const schedule = exploration.next()
          if (schedule === undefined) break
          schedules.push(schedule)
        }
        if (schedules.length === 0) {
          // Probes of others may be under way.
          if (exploration.isExhausted) return
          await new Promise((resolve) => { setTimeout(resolve, 1) })
          continue
        }
        const started = performance.now()
        const results = await Promise.race([pool.run({ setup: this.#setup, schedules, keepGoing: this.#keepGoing } satisfies Batch) as Promise<ScheduleResult[]>, interrupted])
        if (results === undefined) return
        for (const result of results) exploration.take(result, elapsed())
        batch = Math.max(1, Math.min(MOST_BATCH, Math.floor(BATCH_MS / ((performance.now() - started) / results.length))))
      }
    }
    try {
      await Promise.all(Array.from({ length: this.#jobs }, work))
    } finally {
      clearInterval(timer)
      await pool.destroy()
    }
  }

  interrupt(): void { this.#interrupt() }
}

const record = async (runner: ScheduleRunner, directory: string, failures: readonly FoundFailure[]): Promise<Map<FoundFailure, string>> => {
  const traces = new Map<FoundFailure, string>()
  if (failures.length > 0) mkdirSync(directory, { recursive: true })
  for (const [i, found] of failures.entries()) {
    const path = join(directory, `${i + 1}-${found.failure.kind}.rgt`)
    const recording = runner.record(found.schedule, found.failure, buildVersion(), codecs, () => createTraceFile(path))
    let step = recording.next()
    while (step.done !== true) {
      await turn()
      step = recording.next()
    }
    found.details = [...found.details, ...step.value]
    traces.set(found, path)
  }
  return traces
}

/** The smallest schedule of each failure, and a page about it, beside its trace. */
const shrinkAll = async (traces: ReadonlyMap<FoundFailure, string>, failOn: FailOn): Promise<Map<FoundFailure, ShrunkTrace>> => {
  const shrunk = new Map<FoundFailure, ShrunkTrace>()
  if (traces.size === 0) return shrunk
  const [{ shrinkFile, SHRINK_MS }, { makeReport, writePage }] = await Promise.all([import('./shrink.ts'), import('./report.ts')])
  for (const [found, trace] of traces) {
    const base = trace.replace(/\.rgt$/, '')
    const { result, interrupted } = await shrinkFile(trace, `${base}.min.rgt`, { failOn, timeMs: SHRINK_MS })
    writePage(makeReport(`${base}.min.rgt`, failOn, result.passing?.dropped), `${base}.html`)
    shrunk.set(found, { preemptions: result.preemptions, before: result.preemptionsBefore, trace: `${base}.min.rgt`, page: `${base}.html` })
    if (interrupted) break
  }
  return shrunk
}

const progressLine = (exploration: Exploration, most: number, seconds: number): string =>
  `${exploration.schedules}${most === Infinity ? '' : ` of ${most}`} schedules, ${(exploration.schedules / seconds).toFixed(0)} a second`
  + `, ${exploration.orders} orders of system calls${exploration.searchProgress === undefined ? '' : `, ${exploration.searchProgress}`}`
  + (exploration.failed === 0 ? ', no failure' : `, ${exploration.failed} failed, ${exploration.failures.length} distinct, first after ${((exploration.failures[0]?.afterMs ?? 0) / 1000).toFixed(1)} s`)

const explore = async (program: string | undefined, args: string[], flags: ExploreFlags): Promise<number> => {
  checkOutputDirectory('-o', flags.output)
  if (flags.junit !== undefined) checkOutput('--junit', flags.junit)
  const seed = flags.seed ?? platform.freshSeed()
  const command = program === undefined ? [] : [program, ...args]
  const { strategy } = flags
  const search = isSearch(strategy)
  if (search && flags.shard !== undefined) throw new UsageError(`--shard: a search such as ${strategy} goes on from what it has seen, which shards do not tell each other`)
  if (search && flags.memory === 'tso') throw new UsageError(`--strategy ${strategy} knows no store buffers: random, pct and pos do`)
  // How the worlds are made follows from the seed alone.
  const setup: ExploreSetup = { command, flags: { ...flags, seed, strategy: search ? 'guided' : strategy }, failOn: { ...flags.failOn ?? DEFAULT_FAIL_ON, ignore: flags.ignore, atomics: flags.atomics } }
  const runner = await makeRunner(setup)
  const total = flags.number ?? (flags.time !== undefined ? Infinity : search ? DEFAULT_OF_SEARCHES : DEFAULT_SCHEDULES)
  const { part, of } = flags.shard ?? { part: 1, of: 1 }
  const most = total === Infinity ? Infinity : Math.max(0, Math.floor((total - part) / of) + 1)
  const exploration = new Exploration({
    most, seed, strategy, mostBound: flags.bound ?? Infinity, pct: { depth: flags.depth ?? flags.pctDepth ?? PCT_DEPTH, steps: flags.pctSteps },
    cycleLimit: flags.timeout, keepGoing: flags.keepGoing, shard: { part, of },
  })
  const workshop: Workshop = flags.workers !== undefined ? new (await import('./explore-redis.ts')).RedisWorkers(plainSetup(setup), flags.workers, flags.keepGoing)
    : flags.jobs === 1 ? new OneThread(runner) : new Threads(plainSetup(setup), flags.jobs, flags.keepGoing)
  const started = performance.now()
  const elapsed = (): number => performance.now() - started
  let interrupted = false
  const stop = (): void => {
    interrupted = true
    exploration.stop()
    workshop.interrupt()
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, stop)
  let shown = 0
  const clear = (): void => { if (shown > 0) process.stderr.write('\r\x1b[K') }
  const show = (): void => {
    if (!process.stderr.isTTY || performance.now() - shown < PROGRESS_EVERY_MS) return
    process.stderr.write(`\r\x1b[K${chalk.dim(progressLine(exploration, most, elapsed() / 1000))}`)
    shown = performance.now()
  }
  await workshop.run(exploration, () => flags.time !== undefined && elapsed() >= flags.time, show, elapsed)
  const seconds = elapsed() / 1000
  clear()
  let traces = new Map<FoundFailure, string>()
  let problem = exploration.broken
  try {
    traces = await record(runner, flags.output, exploration.failures)
  } catch (error) {
    problem ??= (error as Error).message
  }
  for (const signal of signals) process.off(signal, stop)
  let shrunk = new Map<FoundFailure, ShrunkTrace>()
  try {
    if (flags.shrink) shrunk = await shrinkAll(traces, setup.failOn)
  } catch (error) {
    problem ??= (error as Error).message
  }
  const report: Report = { command, strategy, exploration, seconds, jobs: flags.jobs, traces, shrunk, interrupted }
  process.stdout.write(`${flags.json ? jsonReport(report) : textReport(report)}\n`)
  if (flags.junit !== undefined) writeFileSync(flags.junit, junitReport(report))
  if (problem !== undefined) {
    process.stderr.write(`retrograde: ${problem}\nretrograde: please report this\n`)
    return EXIT_FAILED
  }
  return exploration.failures.length > 0 ? EXIT_FOUND : interrupted ? EXIT_INTERRUPTED : 0
}

export const exploreCommand = withWorldOptions(new Command('explore')
  .description('run a program under many schedules until one fails, and record that; exit status 1 if one was found, 0 if none, 125 if Retrograde failed'), SEARCHES)
  .option('-n, --number <n>', `schedules at most (default: ${DEFAULT_SCHEDULES}, or what fits the time)`, integer(1, Number.MAX_SAFE_INTEGER))
  .option('--time <time>', 'stop after this time: 60s, 5m', duration)
  .option('--depth <n>', 'same as --pct-depth', integer(1, 1000))
  .option('--bound <n>', 'of the strategies preempt and delay: preemptions or delays at most (default: as many as there are)', integer(0, 1000))
  .option('--keep-going', 'go on after a failure; those that fail alike are counted together', false)
  .option('--fail-on <kinds>', 'what a failure is, of exit, signal, deadlock, hang, race, output:/regexp/, script:./check.sh (default: exit,signal,deadlock,hang)', parseFailOn)
  .option('--ignore <regexp>', 'races with a function, file or line that matches are none', regexps, [])
  .option('--atomics <regexp>', 'objects that match are atomics, though they are only loaded and stored', regexps, [])
  .option('-o, --output <dir>', 'where the trace of each failure goes', 'explore')
  .option('--shrink', 'the smallest schedule that fails alike, too, and a page about it', false)
  .option('--json', 'the result as JSON', false)
  .option('--junit <file>', 'the result as JUnit\'s XML')
  .option('--jobs <n>', 'threads', integer(1, 256), 1)
  .option('--workers <redis://host:port>', 'let processes that run `retrograde worker` with the same address do the work')
  .option('--shard <i/n>', 'the i-th part of n of the schedules: for several machines, with one --seed', shard)
  .action(async (program: string | undefined, args: string[], flags: ExploreFlags) => { process.exit(await explore(program, args, flags)) })
