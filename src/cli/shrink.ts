/** retrograde shrink: from a trace that fails to the smallest schedule that fails alike. */
import chalk from 'chalk'
import { Command } from 'commander'
import { DEFAULT_FAIL_ON, type FailOn, failureText } from '../replay/explore-failure.ts'
import { ShrinkError, type ShrinkProgress } from '../replay/shrink.ts'
import { shrinkTrace, type ShrinkTraceResult } from '../replay/shrink-trace.ts'
import { TraceReader } from '../trace/reader.ts'
import { EXIT_FAILED, EXIT_INTERRUPTED } from './errors.ts'
import { reportText } from '../replay/report/text.ts'
import { COLOURS, makeReport, writePage } from './report.ts'
import { duration } from './duration.ts'
import { checkOutput } from './files.ts'
import { parseFailOn } from './explore-setup.ts'
import { buildVersion, codecs, createTraceFile, loadEngine, openTraceFile, platform } from './host.ts'

/** The event loop gets a turn, and the line of progress is renewed, this often. */
const TURN_MS = 100
export const SHRINK_MS = 60_000

export interface ShrinkFlags {
  readonly failOn: FailOn | undefined
  readonly timeMs: number
}

const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

const progressText = ({ step, runs, preemptions }: ShrinkProgress): string => `shrinking: ${runs} runs, ${preemptions} preemption${preemptions === 1 ? '' : 's'}, ${step}`

export interface ShrinkOutcome { readonly result: ShrinkTraceResult, readonly seconds: number, readonly interrupted: boolean }

/** Shrinks one file to another; a signal ends it with what there is by then. @throws ShrinkError, TraceError, Error */
export const shrinkFile = async (input: string, output: string, { failOn = DEFAULT_FAIL_ON, timeMs }: ShrinkFlags): Promise<ShrinkOutcome> => {
  const started = performance.now()
  let interrupted = false
  const stop = (): void => { interrupted = true }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, stop)
  let turned = started
  const shows = process.stderr.isTTY
  try {
    const steps = shrinkTrace({
      // Compiling hot code does not pay in worlds as short as these.
      trace: new TraceReader(openTraceFile(input), codecs), engine: { ...loadEngine(), tier: undefined }, clock: platform, codecs, failOn, version: buildVersion(),
      isLate: () => interrupted || performance.now() - started > timeMs, openTrace: () => createTraceFile(output),
    })
    for (;;) {
      const { done, value } = steps.next()
      if (done === true) return { result: value, seconds: (performance.now() - started) / 1000, interrupted }
      if (performance.now() - turned < TURN_MS) continue
      if (shows) process.stderr.write(`\r\x1b[K${chalk.dim(progressText(value))}`)
      await turn()
      turned = performance.now()
    }
  } finally {
    if (shows && turned > started) process.stderr.write('\r\x1b[K')
    for (const signal of signals) process.off(signal, stop)
  }
}

export const shrinkText = ({ result, seconds }: ShrinkOutcome, output: string): string => {
  const { preemptions, preemptionsBefore, runs, wasLate, failure } = result
  return `${chalk.red('fails')} ${failureText(failure)}\n`
    + `  ${preemptionsBefore} preemption${preemptionsBefore === 1 ? '' : 's'} became ${chalk.bold(String(preemptions))} in ${runs} runs, ${seconds.toFixed(1)} s${wasLate ? chalk.yellow(' (cut short: more time may find fewer)') : ''}\n`
    + `  trace: ${output}`
}

const shrinkJson = ({ result, seconds, interrupted }: ShrinkOutcome, output: string): string => {
  const { failure, preemptions, preemptionsBefore, runs, wasLate, segments, hash, world } = result
  return JSON.stringify({
    failure: { ...failure, text: failureText(failure) }, preemptions, preemptionsBefore, runs, seconds, cutShort: wasLate, interrupted,
    segments: segments.map(({ task, until, cpu }) => ({ task, until: until === Infinity ? null : until, cpu })), seed: world.seed, cpus: world.cpus, trace: output, hash,
  })
}

interface Flags { readonly output: string, readonly failOn: FailOn | undefined, readonly time: number, readonly json: boolean, readonly html: string | undefined, readonly report: boolean }

export const shrinkCommand = new Command('shrink')
  .description('from a trace that fails to one with the fewest preemptions that fails alike, with a report of how; exit status 0, 125 if it can\'t be')
  .argument('<trace>', 'a trace of a run that fails')
  .option('-o, --output <file>', 'the trace to write', 'min.rgt')
  .option('--fail-on <kinds>', 'what a failure is, as for explore (default: exit,signal,deadlock,hang)', parseFailOn)
  .option('--time <time>', 'the best after this time will do: 60s, 5m', duration, SHRINK_MS)
  .option('--json', 'the result as JSON, without a report', false)
  .option('--html <file>', 'the report as a page, too')
  .option('--no-report', 'without a report')
  .action(async (file: string, flags: Flags) => {
    checkOutput('-o', flags.output)
    if (flags.html !== undefined) checkOutput('--html', flags.html)
    try {
      const outcome = await shrinkFile(file, flags.output, { failOn: flags.failOn, timeMs: flags.time })
      process.stdout.write(`${(flags.json ? shrinkJson : shrinkText)(outcome, flags.output)}\n`)
      if (flags.html !== undefined || (flags.report && !flags.json)) {
        const report = makeReport(flags.output, flags.failOn, outcome.result.passing?.dropped)
        if (flags.report && !flags.json) process.stdout.write(`\n${reportText(report, COLOURS)}\n`)
        if (flags.html !== undefined) writePage(report, flags.html)
      }
      process.exit(outcome.interrupted ? EXIT_INTERRUPTED : 0)
    } catch (error) {
      if (!(error instanceof ShrinkError)) throw error
      process.stderr.write(`retrograde: ${error.message}\n`)
      process.exit(EXIT_FAILED)
    }
  })
