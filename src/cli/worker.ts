/** retrograde worker: runs schedules for `explore --workers`, from a queue in Redis, until it is stopped. */
import { serialize } from 'node:v8'
import { type Job, Worker } from 'bullmq'
import { Command } from 'commander'
import type { ScheduleResult, ScheduleRunner } from '../replay/explore-schedule.ts'
import { connectionOf, LOCK_MS, MOST_DEATHS, packResults, QUEUE, type QueuedBatch, STALLED_EVERY_MS, unpackBatch } from './explore-queue.ts'
import { type ExploreSetup, makeRunner } from './explore-setup.ts'

const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })
/** Redis is told that we are there this often. */
const TURN_MS = 100

/** One program at a time: its runner is kept for the next batch. */
class Bench {
  #key = ''
  #runner: Promise<ScheduleRunner> | undefined

  runner(cwd: string, setup: ExploreSetup): Promise<ScheduleRunner> {
    const key = `${cwd} ${serialize(setup).toString('base64')}`
    if (this.#runner === undefined || this.#key !== key) {
      process.chdir(cwd)
      this.#key = key
      this.#runner = makeRunner(setup)
    }
    return this.#runner
  }
}

const runBatch = async (bench: Bench, { cwd, batch }: QueuedBatch): Promise<string> => {
  const { setup, schedules, keepGoing } = unpackBatch({ cwd, batch })
  const runner = await bench.runner(cwd, setup)
  const results: ScheduleResult[] = []
  let turned = performance.now()
  for (const schedule of schedules) {
    const run = runner.start(schedule)
    let result: ScheduleResult | undefined
    while (result === undefined) {
      result = run.advance()
      if (performance.now() - turned < TURN_MS) continue
      await turn()
      turned = performance.now()
    }
    results.push(result)
    if (result.broken !== undefined || (result.failure !== undefined && !keepGoing)) break
  }
  return packResults(results)
}

export const workerCommand = new Command('worker')
  .description('run schedules for explore --workers, until it is stopped')
  .argument('<redis>', 'the same address: redis://host:6379')
  .action(async (url: string) => {
    const bench = new Bench()
    const worker = new Worker(QUEUE, (job: Job<QueuedBatch, string>) => runBatch(bench, job.data), {
      connection: connectionOf(url), concurrency: 1, lockDuration: LOCK_MS, stalledInterval: STALLED_EVERY_MS, maxStalledCount: MOST_DEATHS,
    })
    worker.on('error', (error) => { process.stderr.write(`retrograde: ${error.message}\n`) })
    await worker.waitUntilReady()
    process.stderr.write('retrograde: waiting for schedules\n')
    await new Promise<void>((resolve) => { for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, resolve) })
    await worker.close()
    process.exit(0)
  })
