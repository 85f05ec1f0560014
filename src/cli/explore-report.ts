/** What explore found: as lines, as JSON, as JUnit's XML. */
import chalk from 'chalk'
import { failureText } from '../replay/explore-failure.ts'
import type { Exploration, FoundFailure } from '../replay/explore.ts'
import { junit, type TestCase } from './junit.ts'

/** What `--shrink` made of a failure. */
export interface ShrunkTrace {
  readonly preemptions: number
  readonly before: number
  readonly trace: string
  readonly page: string
}

export interface Report {
  readonly command: readonly string[]
  readonly strategy: string
  readonly exploration: Exploration
  readonly seconds: number
  readonly jobs: number
  /** By failure: where its trace is. */
  readonly traces: ReadonlyMap<FoundFailure, string>
  readonly shrunk: ReadonlyMap<FoundFailure, ShrunkTrace>
  readonly interrupted: boolean
}

const rate = ({ exploration, seconds }: Report): number => seconds === 0 ? 0 : exploration.schedules / seconds

const shrunkText = (shrunk: ShrunkTrace | undefined): string => shrunk === undefined ? ''
  : `\n  ${shrunk.before} preemption${shrunk.before === 1 ? '' : 's'} became ${shrunk.preemptions}: ${shrunk.trace}\n  report: ${shrunk.page}`

export const textReport = (report: Report): string => {
  const { exploration, traces, seconds, strategy } = report
  const lines = exploration.failures.map((found) => `${chalk.red('found')} ${failureText(found.failure)}\n`
    + `  ${found.count} of ${exploration.schedules} schedules, first with seed ${found.schedule.seed}, the ${found.after}${ordinal(found.after)} after ${(found.afterMs / 1000).toFixed(2)} s`
    + (traces.has(found) ? `\n  trace: ${traces.get(found)}` : '') + shrunkText(report.shrunk.get(found)) + found.details.map((line) => `\n  ${line}`).join(''))
  for (const { details } of exploration.warnings.values()) lines.push(`${chalk.yellow('warning')} ${details.join('\n  ')}`)
  const end = exploration.failures.length === 0 ? chalk.green('no failure') : `${exploration.failed} failed, ${exploration.failures.length} distinct`
  if (exploration.searchProgress !== undefined) lines.push(`${exploration.searchProgress}${exploration.restarts === 0 ? '' : ` (begun anew ${exploration.restarts} times, as more memory was found that tasks compete for)`}`)
  const pct = strategy === 'pct' ? `, ${exploration.steps} steps` : ''
  lines.push(`${exploration.schedules} schedules (${strategy}${pct}) in ${seconds.toFixed(1)} s, ${rate(report).toFixed(0)} a second, ${exploration.orders} orders of system calls: ${end}${report.interrupted ? ', interrupted' : ''}`)
  return lines.join('\n')
}

const ordinal = (n: number): string => n % 100 >= 11 && n % 100 <= 13 ? 'th' : ['th', 'st', 'nd', 'rd'][n % 10] ?? 'th'

export const jsonReport = (report: Report): string => {
  const { exploration, traces, seconds, strategy, jobs, interrupted } = report
  return JSON.stringify({
    schedules: exploration.schedules, seconds, schedulesPerSecond: rate(report), instructions: exploration.executed, strategy, jobs, interrupted,
    ...(strategy === 'pct' ? { steps: exploration.steps } : {}), orders: exploration.orders, search: exploration.searchProgress, failed: exploration.failed,
    failures: exploration.failures.map((found) => ({
      ...found.failure, text: failureText(found.failure), count: found.count, seed: found.schedule.seed, schedule: found.schedule.number, pct: found.schedule.pct, strategy: found.schedule.strategy ?? strategy, choices: found.schedule.choices,
      after: found.after, afterSeconds: found.afterMs / 1000, trace: traces.get(found), shrunk: report.shrunk.get(found), details: found.details,
    })),
    warnings: [...exploration.warnings.values()],
    broken: exploration.broken,
  })
}

export const junitReport = ({ exploration, traces, seconds, command }: Report): string => {
  const name = command.join(' ')
  const cases = exploration.failures.map((found): TestCase => {
    const message = failureText(found.failure)
    const text = `seed ${found.schedule.seed}, ${found.count} of ${exploration.schedules} schedules${traces.has(found) ? `, trace ${traces.get(found)}` : ''}`
    return { name: message, seconds: found.afterMs / 1000, failure: { kind: found.failure.kind, message, text } }
  })
  if (exploration.broken !== undefined) cases.push({ name, seconds: 0, error: exploration.broken })
  return junit('retrograde explore', name, seconds, cases.length === 0 ? [{ name, seconds }] : cases)
}
