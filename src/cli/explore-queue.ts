/** What goes through Redis between `explore --workers` and `retrograde worker`: batches of schedules and their results, as bytes in text. */
import { deserialize, serialize } from 'node:v8'
import type { ConnectionOptions } from 'bullmq'
import type { ScheduleResult } from '../replay/explore-schedule.ts'
import { UsageError } from './errors.ts'
import type { Batch } from './explore-worker.ts'

export const QUEUE = 'retrograde'

/** A batch as it is queued. Workers take relative paths from where explore was started. */
export interface QueuedBatch {
  readonly cwd: string
  /** Of Batch. */
  readonly batch: string
}

/** Regular expressions and bytes are in it, which JSON does not know. */
const pack = (value: unknown): string => serialize(value).toString('base64')
const unpack = (text: string): unknown => deserialize(Buffer.from(text, 'base64'))

export const packBatch = (batch: Batch): QueuedBatch => ({ cwd: process.cwd(), batch: pack(batch) })
export const unpackBatch = ({ batch }: QueuedBatch): Batch => unpack(batch) as Batch
export const packResults = (results: readonly ScheduleResult[]): string => pack(results)
export const unpackResults = (text: string): ScheduleResult[] => unpack(text) as ScheduleResult[]

/** redis://[user:password@]host[:port][/database] */
export const connectionOf = (text: string): ConnectionOptions => {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new UsageError(`${text} is no address such as redis://host:6379`)
  }
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') throw new UsageError(`${text}: only redis:// and rediss:// are known`)
  return {
    host: url.hostname, port: url.port === '' ? 6379 : Number(url.port), db: url.pathname.length > 1 ? Number(url.pathname.slice(1)) : 0,
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }), ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
    ...(url.protocol === 'rediss:' ? { tls: {} } : {}), maxRetriesPerRequest: null,
  }
}

/**
 * A worker that says nothing for so long is gone, and its batch goes to another one. Between schedules it lets its event loop run, which
 * tells Redis that it is there.
 */
export const LOCK_MS = 5000
export const STALLED_EVERY_MS = 1000
/** A batch that so many workers died of is no accident. */
export const MOST_DEATHS = 5
