/** Worlds with the host outside: what running and recording have in common. */
import type { ConsoleInput } from '../kernel/outside.ts'
import type { WorldConfig } from '../kernel/config.ts'
import type { TraceEvent } from '../trace/events.ts'
import { type End, INPUT_BYTES, TURN_SLICES, type Waiting, WorldLoop } from './loop.ts'
import { hostSources } from './host-sources.ts'
import type { SessionHost, SessionResult } from './session.ts'
import { type EventSink, Tap } from './tap.ts'

/** `advance` waits for input this long at most. */
const WAIT_MS = 50

export abstract class LiveLoop<R extends SessionResult> extends WorldLoop<R> {
  readonly #host: SessionHost

  constructor(config: WorldConfig, host: SessionHost, sink: EventSink, crc32: (bytes: Uint8Array, previous: number) => number) {
    super(config, host.engine, new Tap(hostSources(config, host), sink, crc32), host, TURN_SLICES, host.machine)
    this.#host = host
  }

  protected betweenTurns(interrupted: boolean): End | undefined {
    return interrupted ? { outcome: 'interrupted', status: this.status } : undefined
  }

  protected takeInput({ deadline, deadlineMs }: Waiting): ConsoleInput | 'deadline' | 'wait' {
    const left = Math.max(0, deadlineMs - this.clock.wallTimeMs())
    const bytes = this.#host.console.readInput(INPUT_BYTES, Math.min(left, WAIT_MS))
    if (bytes !== undefined) {
      this.tap.tookInput(bytes)
      return bytes
    }
    if (deadline === Infinity || this.clock.wallTimeMs() < deadlineMs) return 'wait'
    this.tap.missedInput()
    return 'deadline'
  }
}

/** Passes what happens on to a listener, with its number. */
export class Listener implements EventSink {
  events = 0
  readonly #onEvent: ((event: TraceEvent, number: number) => void) | undefined

  constructor(onEvent: ((event: TraceEvent, number: number) => void) | undefined) {
    this.#onEvent = onEvent
  }

  event(event: TraceEvent): void {
    const number = this.events++
    this.#onEvent?.(event, number)
  }

  syscall(cycle: number, tid: number, number: number, args: ArrayLike<number>, argCount: number, strings: readonly (string | undefined)[], result: number, started: number): void {
    const at = this.events++
    this.#onEvent?.({ type: 'syscall', cycle, tid, started, number, args: Array.from({ length: argCount }, (_, i) => args[i]), strings: [...strings], result }, at)
  }

  blob(): number { return 0 }

  get wantsStrings(): boolean { return this.#onEvent !== undefined }
}
