/**
 * Runs scripts that begin alike from snapshots: of a script that has the same segments as far as another had looked at them, the world
 * is the same up to there. A run leaves snapshots on its way, so that the next costs what it executes after the change.
 */
import type { ScheduleSegment, WorldConfig } from '../kernel/config.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { HostFiles } from '../kernel/outside.ts'
import { createWorld, provideInput, runWorld, type WorldStop } from '../kernel/world.ts'
import type { TraceEvent } from '../trace/events.ts'
import { type BytesPosition, SeededEntropy } from './entropy.ts'
import type { Watch } from './explore-failure.ts'
import { INPUT_BYTES } from './loop.ts'
import type { Machine } from './machine.ts'
import { ScheduleRecorder } from './schedule.ts'
import { exitCodeOf, type SessionResult } from './session.ts'
import { type Snapshot, takeSnapshot } from './snapshot.ts'
import { type EventSink, Tap, type TapPosition } from './tap.ts'

/** Instructions between snapshots: a snapshot costs about as much as executing some thousand. */
const MARK_INSTRUCTIONS = 200_000
const MOST_MARKS = 24

interface Mark {
  readonly snapshot: Snapshot
  readonly bytes: BytesPosition
  readonly tap: TapPosition
  readonly watch: Watch
  readonly recorder: ScheduleRecorder
  readonly executed: number
  /** The segments that had been looked at; all of them, and that there are no more, if `isWhole`. */
  readonly segments: readonly ScheduleSegment[]
  readonly isWhole: boolean
  used: number
}

class ForkSink implements EventSink {
  readonly wantsStrings = false
  watch: Watch
  recorder = new ScheduleRecorder()
  kernel: Kernel | undefined
  constructor(watch: Watch) { this.watch = watch }

  event(event: TraceEvent): void {
    this.watch.event(event)
    if (event.type === 'slice') this.recorder.event(event, this.kernel)
  }

  syscall(_cycle: number, tid: number, number: number): void { this.recorder.syscall(tid, number) }
  blob(): number { return 0 }
}

const sameSegments = (a: readonly ScheduleSegment[], b: readonly ScheduleSegment[], count: number): boolean => {
  for (let i = 0; i < count; i++) if (a[i].task !== b[i].task || a[i].until !== b[i].until || a[i].cpu !== b[i].cpu) return false
  return true
}

/** Worlds of one configuration but for the script's segments. */
export class ScriptFork {
  readonly #machine: Machine
  readonly #files: HostFiles
  readonly #world: WorldConfig
  readonly #sink: ForkSink
  readonly #kernel: Kernel
  readonly #tap: Tap
  readonly #marks: Mark[] = []
  #entropy: SeededEntropy
  #uses = 0

  /** @throws WorldError if the program can't be run */
  constructor(machine: Machine, files: HostFiles, world: WorldConfig, watch: Watch) {
    this.#machine = machine
    this.#files = files
    this.#world = world
    this.#sink = new ForkSink(watch)
    this.#entropy = new SeededEntropy(world.seed, world.scheduleSeed)
    machine.processor.recycle()
    this.#tap = this.#makeTap()
    this.#kernel = createWorld(world, machine.memory, machine.processor, this.#tap)
    this.#tap.kernel = this.#kernel
    this.#sink.kernel = this.#kernel
    this.#mark()
  }

  #makeTap(): Tap {
    return new Tap({
      entropy: { decide: (kind, bound) => this.#entropy.decide(kind, bound), randomBytes: (count) => this.#entropy.randomBytes(count) },
      files: this.#files, readInput: (max) => this.#sink.watch.readInput(max), write: (fd, bytes) => this.#sink.watch.write(fd, bytes), setRaw: () => { /* no terminal */ },
    }, this.#sink, () => 0)
  }

  get kernel(): Kernel { return this.#kernel }
  get watch(): Watch { return this.#sink.watch }
  get recorder(): ScheduleRecorder { return this.#sink.recorder }

  /** Frees the snapshots: the machine is somebody else's now. */
  drop(): void {
    for (const { snapshot } of this.#marks) snapshot.drop()
    this.#marks.length = 0
  }

  /** Whether the configuration differs in segments alone. */
  isOf(world: WorldConfig): boolean {
    const [a, b] = [this.#world, world] as const
    if (a.script?.oneAtATime !== b.script?.oneAtATime) return false
    const names = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof WorldConfig>
    for (const name of names) if (name !== 'script' && a[name] !== b[name]) return false
    return true
  }

  #mark(): void {
    const { state, config } = this.#kernel
    const seen = state.script?.seen ?? 0
    const segments = config.script?.segments ?? []
    if (this.#marks.length >= MOST_MARKS) {
      // The first is where all begin.
      const oldest = this.#marks.slice(1).reduce((a, b) => a.used <= b.used ? a : b)
      oldest.snapshot.drop()
      this.#marks.splice(this.#marks.indexOf(oldest), 1)
    }
    this.#marks.push({
      snapshot: takeSnapshot(this.#kernel, this.#machine), bytes: this.#entropy.bytesPosition, tap: this.#tap.position(), watch: this.#sink.watch.copy(), recorder: this.#sink.recorder.copy(),
      executed: this.#machine.processor.totalExecuted, segments: segments.slice(0, seen), isWhole: seen > segments.length, used: ++this.#uses,
    })
  }

  /** Runs a world to its end. @returns what came of it, and how many instructions it took from where it began */
  run(world: WorldConfig): { readonly result: SessionResult, readonly executed: number } {
    const segments = world.script?.segments ?? []
    const fits = (mark: Mark): boolean => mark.segments.length <= segments.length && (!mark.isWhole || mark.segments.length === segments.length) && sameSegments(mark.segments, segments, mark.segments.length)
    const mark = this.#marks.reduce((best, other) => other.executed > best.executed && fits(other) ? other : best)
    mark.used = ++this.#uses
    mark.snapshot.restore()
    this.#kernel.config = world
    this.#tap.goTo(mark.tap)
    this.#sink.watch = mark.watch.copy()
    this.#sink.recorder = mark.recorder.copy()
    this.#entropy = new SeededEntropy(world.seed, world.scheduleSeed, mark.bytes)
    const { processor } = this.#machine
    let next = mark.executed + MARK_INSTRUCTIONS
    for (;;) {
      const stop = runWorld(this.#kernel, 1)
      if (stop.reason === 'input') {
        const bytes = this.#sink.watch.readInput(INPUT_BYTES)
        this.#tap.tookInput(bytes)
        provideInput(this.#kernel, bytes)
      } else if (stop.reason !== 'running') {
        return { result: this.#resultOf(stop), executed: processor.totalExecuted - mark.executed }
      }
      if (processor.totalExecuted >= next) {
        this.#mark()
        next = processor.totalExecuted + MARK_INSTRUCTIONS
      }
    }
  }

  #resultOf(stop: Exclude<WorldStop, { reason: 'running' | 'input' }>): SessionResult {
    const status = stop.reason === 'exited' ? stop.status : this.#kernel.state.mainStatus
    return { outcome: stop.reason, status, exitCode: exitCodeOf(stop.reason, status), cycle: this.#kernel.now, events: 0, hash: '', explanation: [], error: undefined }
  }
}
