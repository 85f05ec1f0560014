/** Two traces side by side: where they first differ, with what came before. */
import type { TraceEvent } from '../trace/events.ts'
import { TraceCursor, type TraceReader } from '../trace/reader.ts'
import { difference, sameEvent } from './comparison.ts'
import type { NumberedEvent } from './session.ts'

export type { NumberedEvent } from './session.ts'

export interface TraceDifference {
  /** Number of the first event that differs. */
  readonly event: number
  readonly what: string
  /** undefined: that trace has ended. */
  readonly first: TraceEvent | undefined
  readonly second: TraceEvent | undefined
  /** Events before, the same in both; and those that follow in each. */
  readonly before: readonly NumberedEvent[]
  readonly firstAfter: readonly NumberedEvent[]
  readonly secondAfter: readonly NumberedEvent[]
}

/** Checkpoints are made when it suits the recorder: they are no part of what the guest did, and of its end only how it ended is. */
const isOfGuest = (event: TraceEvent): boolean => event.type !== 'checkpoint'
const comparable = (event: TraceEvent): TraceEvent => event.type === 'end' ? { ...event, turn: 0 } : event

class GuestEvents {
  readonly #cursor: TraceCursor
  #next: NumberedEvent | undefined

  constructor(trace: TraceReader) {
    this.#cursor = new TraceCursor(trace)
    this.#find()
  }

  get next(): NumberedEvent | undefined { return this.#next }

  #find(): void {
    for (;;) {
      const { number } = this.#cursor
      const event = this.#cursor.take()
      if (event === undefined || isOfGuest(event)) {
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
export const diffTraces = (first: TraceReader, second: TraceReader, context = 5): TraceDifference | undefined => {
  const [a, b] = [new GuestEvents(first), new GuestEvents(second)]
  const before: NumberedEvent[] = []
  for (;;) {
    const [left, right] = [a.next, b.next]
    if (left === undefined && right === undefined) return undefined
    if (left === undefined || right === undefined || !sameEvent(comparable(left.event), comparable(right.event))) {
      const what = left === undefined ? 'the first trace has ended' : right === undefined ? 'the second trace has ended' : difference(left.event, right.event)
      a.take()
      b.take()
      return {
        event: (left ?? right)?.number ?? 0, what, first: left?.event, second: right?.event, before, firstAfter: a.few(context), secondAfter: b.few(context),
      }
    }
    before.push(left)
    if (before.length > context) before.shift()
    a.take()
    b.take()
  }
}
