/** Runs scenarios: a world for each seed, recorded; what fails is made as small as its faults allow. */
import type { ListedFault, WorldConfig } from '../../kernel/config.ts'
import { mountsOf } from '../../kernel/hosts.ts'
import { listedFaults } from '../../kernel/plan/faults.ts'
import type { TraceCodecs } from '../../trace/format.ts'
import type { HostSurroundings } from '../default-world.ts'
import { makeHostFiles } from '../host-files.ts'
import { leaveOut } from '../leave-out.ts'
import type { Machine } from '../machine.ts'
import { MemorySink } from '../memory-sink.ts'
import { startRecording } from '../record.ts'
import type { Engine, RecordResult, Session, SessionClock } from '../session.ts'
import { type Scenario, type ScenarioRun, worldOfScenario } from './scenario.ts'

export interface ScenarioOptions {
  readonly scenario: Scenario
  /** Where the scenario's file is: its mounts are relative to it. */
  readonly folder: string
  readonly outside: HostSurroundings
  readonly engine: Engine
  readonly clock: SessionClock
  readonly codecs: TraceCodecs
  readonly version: string
  /** A machine of that engine to use again, for many worlds one after the other. */
  readonly machine?: Machine
  /** Told what the hosts print. */
  readonly onOutput?: (fd: 1 | 2, bytes: Uint8Array, host: number) => void
}

export interface ScenarioResult extends ScenarioRun {
  /** Why what must hold does not; undefined if it does. */
  readonly failure: string | undefined
  /** Retrograde's own failure. */
  readonly broken: string | undefined
  /** Faults that system calls met, with which the run can be made again. */
  readonly faults: readonly ListedFault[]
  readonly trace: Uint8Array
  readonly cycle: number
  /** Of the final state. */
  readonly hash: string
}

export const textOf = (parts: readonly Uint8Array[]): string => {
  const decoder = new TextDecoder()
  return parts.map((part) => decoder.decode(part, { stream: true })).join('') + decoder.decode()
}

/** Why the run is not as it must be. */
const judge = ({ holds }: Scenario, run: ScenarioRun): string | undefined => {
  if (run.outcome === 'deadlock') return `nothing can go on: ${run.explanation.join('; ')}`
  if (run.outcome === 'timeout') return 'it does not end'
  if (holds === undefined) return run.exitCode === 0 ? undefined : `a program ended with ${run.exitCode}`
  try {
    return holds(run) === false ? 'what must hold does not' : undefined
  } catch (error) {
    return (error as Error).message
  }
}

const messageOf = (error: unknown): string => error instanceof Error ? error.stack ?? error.message : String(error)

/** One world of a scenario; `advance` runs it for some milliseconds. */
export class ScenarioSession {
  readonly #options: ScenarioOptions
  readonly #world: WorldConfig
  readonly #output: Uint8Array[][][] = [[], [], []]
  readonly #sink = new MemorySink()
  readonly #session: Session<RecordResult>

  /** @throws WorldOptionError, WorldError */
  constructor(options: ScenarioOptions, seed: string, faults?: readonly ListedFault[]) {
    this.#options = options
    const world = worldOfScenario(options.outside, options.folder, options.scenario, seed)
    this.#world = faults === undefined ? world : { ...world, faults: listedFaults(world.faults ?? {}, faults) }
    const { engine, clock, codecs, version, machine } = options
    machine?.processor.recycle()
    this.#session = startRecording({
      world: this.#world, codecs, version, openTrace: () => this.#sink,
      host: {
        engine, ...(machine === undefined ? {} : { machine }), wallTimeMs: () => clock.wallTimeMs(), files: makeHostFiles(options.outside, mountsOf(this.#world)),
        console: {
          write: (fd, bytes, host = 0) => {
            (this.#output[fd][host] ??= []).push(bytes.slice())
            options.onOutput?.(fd, bytes, host)
            return 0
          },
          setRaw: () => { /* no terminal */ },
          readInput: () => new Uint8Array(0),
        },
      },
    })
  }

  get cycle(): number { return this.#session.progress().cycle }
  interrupt(): void { this.#session.interrupt() }

  advance(): ScenarioResult | undefined {
    const result = this.#session.advance()
    if (result === undefined) return undefined
    const names = (this.#world.hosts ?? []).map(({ name }) => name)
    const texts = (fd: 1 | 2): { readonly [host: string]: string } => Object.fromEntries(names.map((name, i) => [name, textOf(this.#output[fd][i] ?? [])]))
    const run: ScenarioRun = { seed: this.#world.seed, outcome: result.outcome, exitCode: result.exitCode, stdout: texts(1), stderr: texts(2), explanation: result.explanation }
    const isBroken = result.outcome === 'failed'
    return {
      ...run, failure: isBroken || result.outcome === 'interrupted' ? undefined : judge(this.#options.scenario, run), broken: isBroken ? messageOf(result.error) : undefined,
      faults: [...this.#session.kernel?.state.faults?.injected ?? []],
      trace: this.#sink.bytes, cycle: result.cycle, hash: result.hash,
    }
  }
}

export const runScenario = (options: ScenarioOptions, seed: string, faults?: readonly ListedFault[]): ScenarioResult => {
  const session = new ScenarioSession(options, seed, faults)
  for (;;) {
    const result = session.advance()
    if (result !== undefined) return result
  }
}

/** From a run that fails after faults to one that fails with as few as can be found by leaving out. Yields after each run. */
export function* shrinkFaults(options: ScenarioOptions, failing: ScenarioResult, most: number): Generator<number, ScenarioResult> {
  let best = failing
  let runs = 0
  const without = (from: number, size: number): boolean => {
    const result = runScenario(options, best.seed, [...best.faults.slice(0, from), ...best.faults.slice(from + size)])
    const fails = result.failure !== undefined && result.broken === undefined
    if (fails) best = result
    return fails
  }
  for (const _ of leaveOut(() => best.faults.length, without)) {
    yield ++runs
    if (runs >= most) break
  }
  return best
}
