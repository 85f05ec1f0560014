/** Drives a session to its end: lets the event loop run, shows progress, ends it on a signal. */
import chalk from 'chalk'
import type { Progress, Session, SessionResult } from '../replay/session.ts'
import { isLongRun } from './host.ts'

/** Before this a progress line would only flicker. */
const PROGRESS_AFTER_MS = 1000
const PROGRESS_EVERY_MS = 200
/** Steps of a session, some 20 ms each, after which a run is a long one. */
const LONG_RUN_STEPS = 12

export interface DriveOptions {
  /** A line of progress on stderr, if that is a terminal: only where the guest doesn't write to it. */
  readonly progress?: (progress: Progress) => string
}

const clearLine = (): void => { process.stderr.write('\r\x1b[K') }

export const drive = async <R extends SessionResult>(session: Session<R>, options: DriveOptions = {}): Promise<R> => {
  const stop = (): void => { session.interrupt() }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, stop)
  const showsProgress = options.progress !== undefined && process.stderr.isTTY
  // Node loads `performance` when it is first used, which takes 2 ms.
  const now = (): number => showsProgress ? performance.now() : 0
  const started = now()
  let shown = 0
  let steps = 0
  try {
    for (;;) {
      const result = session.advance()
      if (result !== undefined) return result
      if (++steps === LONG_RUN_STEPS) isLongRun()
      const time = now()
      if (showsProgress && time - started > PROGRESS_AFTER_MS && time - shown > PROGRESS_EVERY_MS) {
        clearLine()
        process.stderr.write(chalk.dim(options.progress?.(session.progress()) ?? ''))
        shown = time
      }
      // Signals are only seen between turns of the event loop.
      await new Promise((resolve) => { setImmediate(resolve) })
    }
  } finally {
    if (shown > 0) clearLine()
    for (const signal of signals) process.off(signal, stop)
  }
}

export const millions = (count: number): string => count >= 1e9 ? `${(count / 1e9).toFixed(2)} G` : count >= 1e6 ? `${(count / 1e6).toFixed(1)} M` : String(count)
export const bytesText = (count: number): string =>
  count >= 1 << 20 ? `${(count / (1 << 20)).toFixed(1)} MiB` : count >= 1024 ? `${(count / 1024).toFixed(1)} KiB` : `${count} bytes`
