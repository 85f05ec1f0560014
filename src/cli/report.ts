/** retrograde report: what happened in a run that fails, for people. */
import { readFileSync, writeFileSync } from 'node:fs'
import chalk from 'chalk'
import { Command } from 'commander'
import type { FailOn } from '../replay/explore-failure.ts'
import { collectReport, ReportError } from '../replay/report/collect.ts'
import type { Report } from '../replay/report/model.ts'
import { reportHtml } from '../replay/report/html.ts'
import { type Paint, reportText } from '../replay/report/text.ts'
import { passingNeighbour } from '../replay/shrink-trace.ts'
import { TraceReader } from '../trace/reader.ts'
import { EXIT_FAILED } from './errors.ts'
import { checkOutput } from './files.ts'
import { parseFailOn } from './explore-setup.ts'
import { codecs, loadEngine, openTraceFile, platform } from './host.ts'

export const COLOURS: Paint = { strong: chalk.bold, dim: chalk.dim, bad: chalk.red, access: chalk.cyan }
/** Longer source files are none. */
const MOST_SOURCE = 8 << 20

const readSource = (path: string): string | undefined => {
  try {
    const text = readFileSync(path, 'utf8')
    return text.length > MOST_SOURCE ? undefined : text
  } catch {
    // Of another machine, or gone: lines are named, not shown.
    return undefined
  }
}

const finish = <T>(steps: Generator<unknown, T>): T => {
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}

/** @throws ReportError, TraceError */
export const makeReport = (file: string, failOn: FailOn | undefined, dropped?: number): Report => {
  const options = { trace: new TraceReader(openTraceFile(file), codecs), engine: { ...loadEngine(), tier: undefined }, clock: platform, codecs, failOn }
  const nearest = dropped ?? finish(passingNeighbour(options))
  return finish(collectReport({ ...options, readSource, passing: nearest === undefined ? undefined : { dropped: nearest, how: 'Without this preemption, and nothing else changed, the run does not fail.' } }))
}

export const writePage = (report: Report, file: string): void => { writeFileSync(file, reportHtml(report)) }

export const reportCommand = new Command('report').description('what happened in a run that fails: threads side by side, the accesses and system calls around each preemption, how it ended')
  .argument('<trace>', 'a trace, best one that shrink made')
  .option('--html <file>', 'a page, too')
  .option('--json', 'as JSON', false)
  .option('--fail-on <kinds>', 'what a failure is, as for explore (default: exit,signal,deadlock,hang)', parseFailOn)
  .action((file: string, flags: { readonly html: string | undefined, readonly json: boolean, readonly failOn: FailOn | undefined }) => {
    if (flags.html !== undefined) checkOutput('--html', flags.html)
    try {
      const report = makeReport(file, flags.failOn)
      process.stdout.write(`${flags.json ? JSON.stringify(report) : reportText(report, COLOURS)}\n`)
      if (flags.html !== undefined) writePage(report, flags.html)
    } catch (error) {
      if (!(error instanceof ReportError)) throw error
      process.stderr.write(`retrograde: ${error.message}\n`)
      process.exitCode = EXIT_FAILED
    }
  })
