/** Two traces side by side: where they first differ, with what came before. */
import type { TraceEvent } from '../trace/events.ts'
import { TraceCursor, type TraceReader } from '../trace/reader.ts'
import { difference, sameEvent } from './comparison.ts'
import type { NumberedEvent } from './session.ts'

export type { NumberedEvent } from './session.ts'

export interface TraceDifference {
  /** Number of the first event that differs, in the first trace and in the second: the same unless something is left out. */
  readonly event: number
  readonly secondEvent: number
  readonly what: string
  /** undefined: that trace has ended. */
  readonly first: TraceEvent | undefined
  readonly second: TraceEvent | undefined
  /** Events before, the same in both; and those that follow in each. */
  readonly before: readonly NumberedEvent[]
  readonly firstAfter: readonly NumberedEvent[]
  readonly secondAfter: readonly NumberedEvent[]
}

/** What may be left out of a comparison: what programs are given rather than do. */
export const IGNORABLE = ['random', 'slices', 'time', 'files'] as const
export type Ignorable = (typeof IGNORABLE)[number]

const KINDS: Readonly<Partial<Record<TraceEvent['type'], Ignorable>>> = {
  random: 'random', slice: 'slices', draw: 'slices', lstat: 'files', readdir: 'files', readlink: 'files', readFile: 'files',
}

/** Checkpoints are made when it suits the recorder: they are no part of what the guest did, and of its end only how it ended is. */
const isCompared = (event: TraceEvent, ignored: ReadonlySet<Ignorable>): boolean => {
  const kind = KINDS[event.type]
  return event.type !== 'checkpoint' && (kind === undefined || !ignored.has(kind))
}

const comparable = (event: TraceEvent, ignored: ReadonlySet<Ignorable>): TraceEvent => {
  // The final state holds all that was ignored on the way.
  let compared = event.type === 'end' ? { ...event, turn: 0, ...(ignored.size === 0 ? {} : { hash: new Uint8Array(0) }) } : event
  if (ignored.has('time') && 'cycle' in compared) compared = { ...compared, cycle: 0, ...('started' in compared ? { started: 0 } : {}), ...('budget' in compared ? { budget: 0 } : {}) }
  return compared
}

class GuestEvents {
  readonly #cursor: TraceCursor
  readonly #ignored: ReadonlySet<Ignorable>
  #next: NumberedEvent | undefined

  constructor(trace: TraceReader, ignored: ReadonlySet<Ignorable>) {
    this.#cursor = new TraceCursor(trace)
    this.#ignored = ignored
    this.#find()
  }

  get next(): NumberedEvent | undefined { return this.#next }

  #find(): void {
    for (;;) {
      const { number } = this.#cursor
      const event = this.#cursor.take()
      if (event === undefined || isCompared(event, this.#ignored)) {
        this.#next = event === undefined ? undefined : { number, event }
        return
      }
    }
  }

  take(): NumberedEvent | undefined {
    const taken = this.#next
    if (taken !== undefined) this.#find()
    return taken
  }

  few(count: number): NumberedEvent[] {
    const taken: NumberedEvent[] = []
    for (let event = this.take(); event !== undefined && taken.length < count; event = this.take()) taken.push(event)
    return taken
  }
}

/** Fields of the configurations in which two worlds differ. */
export const configDifferences = (first: TraceReader, second: TraceReader): string[] => {
  const [a, b] = [first.head.world, second.head.world]
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key]))
}

/** The first difference, undefined if there is none. @throws TraceError */
export const diffTraces = (first: TraceReader, second: TraceReader, context = 5, ignored: ReadonlySet<Ignorable> = new Set()): TraceDifference | undefined => {
  const [a, b] = [new GuestEvents(first, ignored), new GuestEvents(second, ignored)]
  const before: NumberedEvent[] = []
  for (;;) {
    const [left, right] = [a.next, b.next]
    if (left === undefined && right === undefined) return undefined
    if (left === undefined || right === undefined || !sameEvent(comparable(left.event, ignored), comparable(right.event, ignored))) {
      const what = left === undefined ? 'the first trace has ended' : right === undefined ? 'the second trace has ended' : difference(comparable(left.event, ignored), comparable(right.event, ignored))
      a.take()
      b.take()
      return {
        event: (left ?? right)?.number ?? 0, secondEvent: (right ?? left)?.number ?? 0, what, first: left?.event, second: right?.event, before, firstAfter: a.few(context), secondAfter: b.few(context),
      }
    }
    before.push(left)
    if (before.length > context) before.shift()
    a.take()
    b.take()
  }
}
