/** What happens in a replay beside what the trace says must happen. */
import type { DecisionKind } from '../kernel/outside.ts'
import type { EventName, EventOf, TraceEvent } from '../trace/events.ts'
import type { TraceCursor } from '../trace/reader.ts'
import type { NumberedEvent } from './session.ts'
import type { EventSink } from './tap.ts'

/** Thrown through the kernel: the replay is not what was recorded. */
export class Diverged extends Error {
  readonly what: string
  readonly expected: TraceEvent | undefined
  readonly actual: TraceEvent | undefined

  constructor(what: string, expected: TraceEvent | undefined, actual: TraceEvent | undefined) {
    super(`the replay differs from the trace: ${what}`)
    this.what = what
    this.expected = expected
    this.actual = actual
  }
}

/** Thrown through the kernel: the trace has nothing more, as its recording was cut off. */
export class TraceEnded extends Error {}

/** Thrown through the kernel: the event up to which replay was wanted has happened. */
export class StopReached extends Error {}

const isList = (value: unknown): value is ArrayLike<unknown> => Array.isArray(value) || ArrayBuffer.isView(value)

const same = (a: unknown, b: unknown): boolean => {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (isList(a) && isList(b)) {
    if (a.length !== b.length) return false
    for (let i = 0; i < a.length; i++) if (!same(a[i], b[i])) return false
    return true
  }
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length &&
    keys.every((key) => same((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]))
}

export const sameEvent = (a: TraceEvent, b: TraceEvent): boolean => same(a, b)

/** How many events before a difference are kept. */
const CONTEXT = 8

/** What differs, in a few words. */
export const difference = (expected: TraceEvent, actual: TraceEvent): string => {
  if (expected.type === 'end' && expected.outcome === 'failed' && actual.type !== 'end') return `the recording failed here ("${expected.message}"), the replay goes on`
  if (expected.type !== actual.type) return `'${actual.type}' instead of '${expected.type}'`
  const fields = Object.keys(expected).filter((key) =>
    !same((expected as unknown as Record<string, unknown>)[key], (actual as unknown as Record<string, unknown>)[key]))
  if ((expected.type === 'checkpoint' || expected.type === 'end') && fields.length === 1 && fields[0] === 'hash') return 'the state of the world has another hash'
  return `${fields.join(', ')} of '${expected.type}'`
}

export class Comparison implements EventSink {
  readonly wantsStrings = true
  /** Number of the last checkpoint at which the states were the same. */
  lastCheckpoint = -1
  checkpoints = 0
  readonly #cursor: TraceCursor
  readonly #onEvent: ((event: TraceEvent, number: number) => void) | undefined
  readonly #until: number
  readonly #compareHashes: boolean
  readonly #last: NumberedEvent[] = []
  #draw = 0
  #ended = false

  constructor(cursor: TraceCursor, onEvent: ((event: TraceEvent, number: number) => void) | undefined, until: number, compareHashes: boolean) {
    this.#cursor = cursor
    this.#onEvent = onEvent
    this.#until = until
    this.#compareHashes = compareHashes
  }

  /** Events that were as recorded. */
  get events(): number { return this.#cursor.number }
  /** The last of them. */
  get before(): readonly NumberedEvent[] { return this.#last }
  /** The recording's end was reached. */
  get ended(): boolean { return this.#ended }
  /** What must come next; undefined at the end of the trace. */
  get expected(): TraceEvent | undefined { return this.#cursor.next }

  #require(): TraceEvent {
    const expected = this.#cursor.next
    if (expected === undefined) throw new TraceEnded()
    return expected
  }

  event(actual: TraceEvent): void {
    const expected = this.#require()
    const compared = !this.#compareHashes && 'hash' in actual && typeof actual.hash === 'object' ? { ...actual, hash: 'hash' in expected ? expected.hash : actual.hash } as TraceEvent : actual
    if (!sameEvent(expected, compared)) throw new Diverged(difference(expected, actual), expected, actual)
    this.#advance(expected)
  }

  syscall(cycle: number, tid: number, number: number, args: ArrayLike<number>, argCount: number, strings: readonly (string | undefined)[],
    result: number, started: number): void {
    const expected = this.#require()
    let isSame = expected.type === 'syscall' && expected.cycle === cycle && expected.tid === tid && expected.number === number &&
      expected.result === result && expected.started === started && expected.args.length === argCount && same(expected.strings, strings)
    if (isSame && expected.type === 'syscall') for (let i = 0; i < argCount; i++) isSame &&= expected.args[i] === args[i]
    if (!isSame) {
      const actual: TraceEvent = { type: 'syscall', cycle, tid, started, number, args: Array.from({ length: argCount }, (_, i) => args[i]), strings: [...strings], result }
      throw new Diverged(difference(expected, actual), expected, actual)
    }
    this.#advance(expected)
  }

  /** Contents come from the trace themselves, so that their number is the one that was asked for. */
  blob(): number {
    const { expected } = this
    return expected?.type === 'readFile' ? expected.blob : -1
  }

  #advance(event: TraceEvent): void {
    const { number } = this.#cursor
    this.#draw = 0
    this.#last.push({ number, event })
    if (this.#last.length > CONTEXT) this.#last.shift()
    if (event.type === 'checkpoint') {
      this.lastCheckpoint = number
      this.checkpoints++
    }
    if (event.type === 'end') this.#ended = true
    this.#cursor.take()
    this.#onEvent?.(event, number)
    if (number >= this.#until && !this.#ended) throw new StopReached()
  }

  // ——— Answers that the trace holds ———

  /** What must come next if the world asks for this: an event of that type. */
  answer<K extends EventName>(type: K): EventOf<K> {
    const expected = this.#require()
    if (expected.type === 'end' && expected.outcome === 'failed') throw new Diverged(`the recording failed here ("${expected.message}"), the replay goes on`, expected, undefined)
    if (expected.type !== type) throw new Diverged(`the world asks for '${type}' where the trace has '${expected.type}'`, expected, undefined)
    return expected as unknown as EventOf<K>
  }

  /** The next decision that was recorded. */
  decision(kind: DecisionKind, bound: number): number {
    const expected = this.#require()
    const value = expected.type === 'slice' || expected.type === 'draw' ? expected.draws[this.#draw] : undefined
    if (value === undefined) throw new Diverged(`the scheduler decides ('${kind}') where the trace has no decision`, expected, undefined)
    if (value >= bound) throw new Diverged(`the scheduler decides ('${kind}') among ${bound} where the trace has ${value}`, expected, undefined)
    this.#draw++
    return value
  }
}
