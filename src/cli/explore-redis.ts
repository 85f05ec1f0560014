/** explore --workers redis://…: the schedules are run by `retrograde worker` processes, on this machine or others, that share a Redis. */
import { type Job, Queue, QueueEvents } from 'bullmq'
import type { Exploration } from '../replay/explore.ts'
import type { Schedule } from '../replay/explore-schedule.ts'
import type { Workshop } from './explore.ts'
import { connectionOf, packBatch, QUEUE, unpackResults } from './explore-queue.ts'
import type { ExploreSetup } from './explore-setup.ts'

/** Batches that wait or run: more than there are workers, or some have nothing to do while we add up. */
const BATCHES = 16
const BATCH_SCHEDULES = 32
const POLL_MS = 20

export class RedisWorkers implements Workshop {
  readonly #setup: ExploreSetup
  readonly #url: string
  readonly #keepGoing: boolean
  #interrupt: () => void = () => { /* not begun */ }

  constructor(setup: ExploreSetup, url: string, keepGoing: boolean) {
    this.#setup = setup
    this.#url = url
    this.#keepGoing = keepGoing
  }

  async run(exploration: Exploration, isLate: () => boolean, show: () => void, elapsed: () => number): Promise<void> {
    const connection = connectionOf(this.#url)
    const queue = new Queue(QUEUE, { connection })
    const events = new QueueEvents(QUEUE, { connection })
    const mine: Job[] = []
    const interrupted = new Promise<undefined>((resolve) => { this.#interrupt = () => { resolve(undefined) } })
    const timer = setInterval(() => {
      show()
      if (isLate()) this.#interrupt()
    }, POLL_MS)
    const work = async (): Promise<void> => {
      for (;;) {
        const schedules: Schedule[] = []
        while (schedules.length < BATCH_SCHEDULES) {
          const schedule = exploration.next()
          if (schedule === undefined) break
          schedules.push(schedule)
        }
        if (schedules.length === 0) {
          if (exploration.isExhausted) return
          await new Promise((resolve) => { setTimeout(resolve, POLL_MS) })
          continue
        }
        const job = await queue.add('batch', packBatch({ setup: this.#setup, schedules, keepGoing: this.#keepGoing }), { removeOnComplete: { age: 60 }, removeOnFail: { age: 60 } })
        mine.push(job)
        const packed = await Promise.race([job.waitUntilFinished(events) as Promise<string>, interrupted])
        if (packed === undefined) return
        for (const result of unpackResults(packed)) exploration.take(result, elapsed())
      }
    }
    try {
      await Promise.race([events.waitUntilReady(), interrupted])
      await Promise.all(Array.from({ length: BATCHES }, work))
    } finally {
      clearInterval(timer)
      // What nobody began is not wanted any more; what runs ends on its own.
      await Promise.allSettled(mine.map((job) => job.remove()))
      await Promise.allSettled([events.close(), queue.close()])
    }
  }

  interrupt(): void { this.#interrupt() }
}
