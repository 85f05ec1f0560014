/** Runs one program under one script after the other, in one machine, and says what the scheduler did and how it failed. */
import type { ScriptConfig, WorldConfig } from '../kernel/config.ts'
import type { HostFiles } from '../kernel/outside.ts'
import { watchMemory } from '../kernel/watch/memory-watch.ts'
import type { TraceEvent } from '../trace/events.ts'
import { type FailOn, type Failure, failureKey, needsOutput, Watch } from './explore-failure.ts'
import { RaceSearch } from './detect/race-report.ts'
import { LiveLoop } from './live.ts'
import type { End } from './loop.ts'
import { type Machine, makeMachine } from './machine.ts'
import { ScriptFork } from './script-fork.ts'
import { type RunSegment, ScheduleRecorder } from './schedule.ts'
import type { Engine, SessionClock, SessionHost, SessionResult } from './session.ts'
import type { EventSink } from './tap.ts'

export interface ScriptRunnerOptions {
  readonly engine: Engine
  readonly clock: SessionClock
  readonly files: HostFiles
  readonly failOn: FailOn
}

/** A place in a run at which a task can be switched away from with effect: after a system call, or after an access to memory that tasks share. */
export interface ChoicePoint {
  readonly task: number
  /** Own cycles of the task there. */
  readonly own: number
}

export interface Attempt {
  readonly failure: Failure | undefined
  readonly slices: readonly RunSegment[]
  readonly cycle: number
  readonly executed: number
  /** In the order in which they came, if they were asked for. */
  readonly points: readonly ChoicePoint[]
}

/** The same numbers in a message need not be the same failure's: balances, addresses, counts. */
export const failsAlike = (a: Failure | undefined, b: Failure | undefined): boolean => {
  if (a === undefined || b === undefined) return a === b
  const plain = (failure: Failure): string => failureKey({ ...failure, line: failure.line.replace(/0x[\da-f]+|\d+/gi, '#') })
  return a.kind === 'race' && b.kind === 'race' ? sameRace(a.line, b.line) : plain(a) === plain(b)
}

/** Which of the two accesses came first is the schedule's business. */
const sameRace = (a: string, b: string): boolean => {
  const places = (line: string): string => line.replace(/^data race: /, '').split(' and ').sort().join(' and ')
  return places(a) === places(b)
}

class ScriptSink implements EventSink {
  readonly wantsStrings = false
  readonly watch: Watch
  readonly recorder = new ScheduleRecorder()
  loop: ScriptLoop | undefined
  constructor(watch: Watch) { this.watch = watch }

  event(event: TraceEvent): void {
    this.watch.event(event)
    if (event.type === 'slice') this.recorder.event(event, this.loop?.kernel)
  }

  syscall(_cycle: number, tid: number, number: number): void {
    this.recorder.syscall(tid, number)
    this.loop?.pointAtCall(tid)
  }

  blob(): number { return 0 }
}

class ScriptLoop extends LiveLoop<SessionResult> {
  readonly points: ChoicePoint[] = []
  readonly #sink: ScriptSink
  readonly #wantsPoints: boolean

  constructor(world: WorldConfig, host: SessionHost, sink: ScriptSink, wantsPoints: boolean) {
    super(world, host, sink, () => 0)
    this.#sink = sink
    this.#wantsPoints = wantsPoints
    this.start()
    sink.loop = this
    if (!wantsPoints) return
    watchMemory(this.world, { everything: true }).listen({
      access: (task, _page, _address, _size, _kind, _rip, cycle) => {
        // After the instruction, which is a cycle.
        const own = sink.recorder.ownAt(cycle) + 1
        const last = this.points.at(-1)
        if (last?.task !== task.index || last.own !== own) this.points.push({ task: task.index, own })
      },
    })
  }

  pointAtCall(tid: number): void {
    if (!this.#wantsPoints) return
    const point = this.#sink.recorder.pointOf(tid)
    if (point !== undefined) this.points.push(point)
  }

  protected override get wantsExplanation(): boolean { return false }
  protected get events(): number { return 0 }
  protected finish(end: End): SessionResult { return this.resultOf(end, new Uint8Array(0)) }
}

/** Whether more than the schedule is drawn: when store buffers are emptied, which faults happen, what links lose. Which draws come when follows from the schedule. */
export const isDrawn = ({ memoryModel, faults, links }: WorldConfig): boolean => memoryModel === 'tso' || faults?.rates !== undefined || ((faults?.signals !== undefined || faults?.clock !== undefined) && faults.list === undefined) || (links?.length ?? 0) > 0

/** What a world of a script is: of a world that was recorded under any strategy. */
export const scripted = (world: WorldConfig, script: ScriptConfig): WorldConfig => {
  const { pct: _pct, guided: _guided, choicePoints: _points, choiceCode: _code, script: _script, scheduleSeed, ...rest } = world
  return { ...rest, strategy: 'script', script, ...(scheduleSeed === undefined || !isDrawn(world) ? {} : { scheduleSeed }) }
}

export class ScriptRunner {
  readonly #options: ScriptRunnerOptions
  #machine: Machine | undefined
  readonly #search: RaceSearch | undefined
  #fork: { readonly input: Uint8Array, readonly machine: Machine, readonly worlds: ScriptFork } | undefined
  /** Of several races in a run this is the failure. */
  wantedRace: string | undefined
  runs = 0
  executed = 0

  constructor(options: ScriptRunnerOptions) {
    this.#options = options
    this.#search = options.failOn.kinds.includes('race') ? new RaceSearch({ ignore: options.failOn.ignore, atomics: options.failOn.atomics }) : undefined
  }

  host(world: WorldConfig, console: SessionHost['console']): SessionHost {
    const { engine, clock, files } = this.#options
    if (this.#machine === undefined) this.#machine = makeMachine(engine, world.memoryLimit)
    else this.#machine.processor.recycle()
    return { engine, machine: this.#machine, files, console, wallTimeMs: () => clock.wallTimeMs() }
  }

  #runFork(world: WorldConfig, input: Uint8Array, watch: Watch): Attempt {
    const { engine, files, failOn } = this.#options
    try {
      if (this.#fork?.input !== input || !this.#fork.worlds.isOf(world)) {
        this.#fork?.worlds.drop()
        const machine = this.#fork?.machine ?? makeMachine(engine, world.memoryLimit)
        this.#fork = undefined
        this.#fork = { input, machine, worlds: new ScriptFork(machine, files, world, watch) }
      }
      const { worlds } = this.#fork
      const { result, executed } = worlds.run(world)
      this.executed += executed
      return { failure: worlds.watch.judge(result, worlds.kernel, failOn), slices: worlds.recorder.slices(), cycle: result.cycle, executed, points: [] }
    } catch (error) {
      this.#fork = undefined
      throw error
    }
  }

  /** @throws Error if Retrograde itself fails */
  run(world: WorldConfig, input: Uint8Array, wantsPoints = false): Attempt {
    this.runs++
    const watch = new Watch(needsOutput(this.#options.failOn), input)
    // What watches accesses must see them from the start; draws go on from where they were only with their world.
    if (!wantsPoints && this.#search === undefined && !isDrawn(world)) return this.#runFork(world, input, watch)
    const sink = new ScriptSink(watch)
    const loop = new ScriptLoop(world, this.host(world, watch), sink, wantsPoints)
    // Points are asked for of schedules that are known to fail alike.
    const races = loop.kernel === undefined || wantsPoints ? undefined : this.#search?.attach(loop.kernel)
    let result = loop.advance()
    while (result === undefined) result = loop.advance()
    if (wantsPoints) this.#machine?.processor.watch(undefined)
    if (result.outcome === 'failed') {
      this.#machine = undefined
      throw result.error instanceof Error ? result.error : new Error(String(result.error))
    }
    const verdict = races?.verdict()
    if (verdict === 'again') return this.run(world, input)
    const lines = (verdict?.failures ?? []).map(({ line }) => line)
    const wanted = this.wantedRace
    if (wanted !== undefined) lines.sort((a, b) => Number(sameRace(b, wanted)) - Number(sameRace(a, wanted)))
    const executed = loop.progress().executed
    this.executed += executed
    return { failure: watch.judge(result, loop.kernel, this.#options.failOn, lines), slices: sink.recorder.slices(), cycle: result.cycle, executed, points: loop.points }
  }
}
