/** What is said on stderr when a world ends in another way than by its program's end. */
import chalk from 'chalk'
import { platform } from './host.ts'
import { writeBack } from '../replay/write-back.ts'
import { TraceError } from '../trace/errors.ts'
import type { Session, SessionResult } from '../replay/session.ts'

const REASONS: Readonly<Record<SessionResult['outcome'], string | undefined>> = {
  exited: undefined,
  deadlock: 'deadlock: every task waits, and nothing can wake one',
  timeout: 'stopped at the cycle limit (--timeout)',
  interrupted: 'interrupted',
  failed: 'internal error',
}

export const explainEnd = (result: SessionResult): void => {
  // A damaged trace is no fault of ours.
  if (result.error instanceof TraceError) {
    process.stderr.write(`retrograde: ${result.error.message}\n`)
    return
  }
  const reason = REASONS[result.outcome]
  if (reason === undefined) {
    if (result.explanation.length > 0) process.stderr.write(`retrograde: ${result.explanation.join('\n')}\n`)
    return
  }
  const lines = [`retrograde: ${chalk.yellow(reason)}`, ...result.explanation.map((line) => `  ${line}`)]
  if (result.outcome === 'failed') {
    const { error } = result
    lines.push(error instanceof Error ? error.stack ?? error.message : String(error), 'retrograde: please report this')
  }
  process.stderr.write(`${lines.join('\n')}\n`)
}

/** Carries out on the host what the guest changed under mounts that end in :rw, if the world came to its own end. */
export const finishMounts = (session: Session, result: SessionResult): void => {
  if (result.outcome !== 'exited' || session.kernel === undefined) return
  for (const line of writeBack(session.kernel, platform)) process.stderr.write(`retrograde: could not write back ${line}\n`)
}
