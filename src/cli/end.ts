/** What is said on stderr when a world ends in another way than by its program's end. */
import chalk from 'chalk'
import type { SessionResult } from '../replay/session.ts'

const REASONS: Readonly<Record<SessionResult['outcome'], string | undefined>> = {
  exited: undefined,
  deadlock: 'deadlock: every task waits, and nothing can wake one',
  timeout: 'stopped at the cycle limit (--timeout)',
  interrupted: 'interrupted',
  failed: 'internal error',
}

export const explainEnd = (result: SessionResult): void => {
  const reason = REASONS[result.outcome]
  if (reason === undefined) return
  const lines = [`retrograde: ${chalk.yellow(reason)}`, ...result.explanation.map((line) => `  ${line}`)]
  if (result.outcome === 'failed') {
    const { error } = result
    lines.push(error instanceof Error ? error.stack ?? error.message : String(error), 'retrograde: please report this')
  }
  process.stderr.write(`${lines.join('\n')}\n`)
}
