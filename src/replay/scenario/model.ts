/**
 * Model-based commands for worlds: what a program does, driven step by step, is held against a model in TypeScript.
 *
 * Commands are fast-check's (`check`, `run`, `toString`), but `run` is a generator: it yields steps of a scenario, the world goes on until they are
 * taken, and it is told what the hosts printed meanwhile. A sequence that fails is shrunk by fast-check, and the steps that were
 * taken are a scenario, so that it is recorded as any other and its trace replays without the model.
 */
import * as fc from 'fast-check'
import type { PlanStep } from '../../kernel/config.ts'
import { mountsOf } from '../../kernel/hosts.ts'
import { makeDurability } from '../../kernel/plan/durability.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { makeHostFiles } from '../host-files.ts'
import { startRun } from '../run.ts'
import { type ScenarioOptions, ScenarioSession, type ScenarioResult, textOf } from './run.ts'
import { planOf, run, type ScenarioStep, waitForExit, worldOfScenario } from './scenario.ts'

/** What came of the steps that a command has yielded. */
export interface StepsResult {
  /** What the hosts printed since, by host. */
  readonly stdout: { readonly [host: string]: string }
  readonly stderr: { readonly [host: string]: string }
  /** Of programs that steps ran, by name: their exit status, 128 + a signal that killed one. Without those that still run. */
  readonly statuses: { readonly [name: string]: number }
  /** Virtual time since the world's start. */
  readonly seconds: number
}

export type CommandRun = Generator<readonly ScenarioStep[], void, StepsResult>

export interface ModelCommand<Model extends object> {
  /** Whether it makes sense now; the model is not changed. */
  check(model: Readonly<Model>): boolean
  /** Does it to the world, changes the model, and throws if they differ. */
  run(model: Model): CommandRun
  /** For people. */
  toString(): string
}

export interface ModelCommandsConstraints {
  readonly maxCommands?: number
  /** Of a failure that fast-check has printed. */
  readonly replayPath?: string
}

/** Sequences of commands, as fast-check's `commands` makes and shrinks them: what was not run goes first. */
export const modelCommands = <Model extends object>(commands: readonly fc.Arbitrary<ModelCommand<Model>>[], { maxCommands = 20, replayPath }: ModelCommandsConstraints = {}): fc.Arbitrary<Iterable<ModelCommand<Model>>> =>
  // fast-check passes on what `run` returns, which its types say is nothing.
  fc.commands(commands as unknown as fc.Arbitrary<fc.Command<Model, undefined>>[], { maxCommands, size: 'max', ...(replayPath === undefined ? {} : { replayPath }) }) as unknown as fc.Arbitrary<Iterable<ModelCommand<Model>>>

/** A program that is run on a host and waited for. */
export const request = (host: string, argv: readonly string[], name = 'request'): ScenarioStep[] => [run(host, argv, name), waitForExit(name)]

export interface ModelRun {
  /** Why model and world differ, or why the world did not go on; undefined: they agree. */
  readonly failure: string | undefined
  /** Retrograde's own failure. */
  readonly broken: string | undefined
  /** Commands that were run, as they call themselves: the last is the one that failed. */
  readonly commands: readonly string[]
  /** Steps that were taken: the scenario with these is the same run. */
  readonly steps: readonly ScenarioStep[]
  readonly seed: string
}

const messageOf = (error: unknown): string => error instanceof Error ? error.message : String(error)
const NO_STATUSES = {}

/** Drives the commands while the world runs. */
class Driver<Model extends object> {
  readonly #options: ScenarioOptions
  readonly #commands: Iterator<ModelCommand<Model>>
  readonly #model: Model
  readonly #output: Uint8Array[][][] = [[], [], []]
  #current: CommandRun | undefined
  readonly steps: ScenarioStep[] = []
  readonly names: string[] = []
  failure: string | undefined

  constructor(options: ScenarioOptions, model: Model, commands: Iterable<ModelCommand<Model>>) {
    this.#options = options
    this.#model = model
    this.#commands = commands[Symbol.iterator]()
  }

  write(fd: 1 | 2, bytes: Uint8Array, host: number): void { (this.#output[fd][host] ??= []).push(bytes.slice()) }

  /** What is to be done next; undefined: nothing more. */
  next(kernel: Kernel): readonly PlanStep[] | undefined {
    const steps = this.#nextSteps(kernel)
    if (steps === undefined) return undefined
    this.steps.push(...steps)
    try {
      return planOf(this.#options.scenario, kernel.config, steps)
    } catch (error) {
      this.failure = messageOf(error)
      return undefined
    }
  }

  #nextSteps(kernel: Kernel): readonly ScenarioStep[] | undefined {
    const result = this.#take(kernel)
    try {
      for (;;) {
        if (this.#current !== undefined) {
          // The first `next` begins the generator, which does not look at what it is given.
          const { done, value } = this.#current.next(result)
          if (done !== true && value.length > 0) return value
          if (done !== true) continue
          this.#current = undefined
        }
        const { done, value: command } = this.#commands.next()
        if (done === true) return undefined
        if (!command.check(this.#model)) continue
        this.names.push(command.toString())
        this.#current = command.run(this.#model)
      }
    } catch (error) {
      this.failure = messageOf(error)
      return undefined
    }
  }

  #take({ state, now, config }: Kernel): StepsResult {
    const names = state.hosts.map(({ name }) => name)
    const texts = (fd: 1 | 2): { readonly [host: string]: string } => Object.fromEntries(names.map((name, i) => [name, textOf(this.#output[fd][i] ?? [])]))
    const result: StepsResult = {
      stdout: texts(1), stderr: texts(2), seconds: now / config.cpuHz,
      statuses: state.plan === undefined ? NO_STATUSES : Object.fromEntries([...state.plan.runs].flatMap(([name, { status }]) => status === undefined ? [] : [[name, (status & 0x7f) !== 0 ? 128 + (status & 0x7f) : (status >> 8) & 0xff]])),
    }
    for (const fd of [1, 2]) this.#output[fd].length = 0
    return result
  }
}

/**
 * Runs commands in the world of the scenario, whose own steps come first.
 * @throws WorldOptionError, WorldError
 */
export const runModel = <Model extends object>(options: ScenarioOptions, model: Model, commands: Iterable<ModelCommand<Model>>, seed: string): ModelRun => {
  const { engine, clock, machine } = options
  const driver = new Driver(options, model, commands)
  driver.steps.push(...options.scenario.steps ?? [])
  const config = worldOfScenario(options.outside, options.folder, options.scenario, seed)
  const world = { ...config, plan: config.plan ?? [] }
  machine?.processor.recycle()
  const session = startRun({
    world,
    host: {
      engine, ...(machine === undefined ? {} : { machine }), wallTimeMs: () => clock.wallTimeMs(), files: makeHostFiles(options.outside, mountsOf(world)),
      console: {
        write: (fd, bytes, host = 0) => {
          driver.write(fd, bytes, host)
          options.onOutput?.(fd, bytes, host)
          return 0
        },
        setRaw: () => { /* no terminal */ },
        readInput: () => new Uint8Array(0),
      },
    },
  })
  const { kernel } = session
  if (kernel === undefined) throw new Error('the world was not made')
  // A step may crash a host; what disks keep then is followed from the start.
  if (kernel.state.durability === undefined) Object.assign(kernel.state, { durability: makeDurability() })
  kernel.morePlan = () => driver.next(kernel)
  let result = session.advance()
  while (result === undefined) {
    if (driver.failure !== undefined) session.interrupt()
    result = session.advance()
  }
  const isBroken = result.outcome === 'failed'
  const stopped = result.outcome === 'deadlock' ? `nothing can go on: ${result.explanation.join('; ')}` : result.outcome === 'timeout' ? 'it does not end' : undefined
  return { failure: isBroken ? undefined : driver.failure ?? stopped, broken: isBroken ? messageOf(result.error) : undefined, commands: driver.names, steps: driver.steps, seed }
}

/** The same steps as a scenario of their own, recorded: a trace that needs no model. */
export const recordModel = (options: ScenarioOptions, { steps, seed }: ModelRun): ScenarioResult => {
  const session = new ScenarioSession({ ...options, scenario: { ...options.scenario, steps } }, seed)
  for (;;) {
    const result = session.advance()
    if (result !== undefined) return result
  }
}

export interface CheckModelOptions<Model extends object> extends ScenarioOptions {
  readonly commands: readonly fc.Arbitrary<ModelCommand<Model>>[]
  readonly model: () => Model
  readonly maxCommands?: number
  /** Sequences that are tried. */
  readonly runs?: number
  /** Of fast-check. */
  readonly seed?: number
  /** Worlds are made from one of so many seeds, each of which is another schedule; 1 if left out. */
  readonly worlds?: number
}

export interface CheckedModel {
  /** Undefined: model and world agree. */
  readonly failure: string | undefined
  readonly commands: readonly string[]
  readonly runs: number
  readonly shrinks: number
  /** Of fast-check, to have the same again. */
  readonly seed: number
  /** Of the smallest sequence that fails. */
  readonly trace: Uint8Array | undefined
  readonly run: ModelRun | undefined
}

/** Looks for a sequence of commands after which model and world differ, makes it small, and records it. @throws Error if Retrograde itself fails */
export const checkModel = <Model extends object>(options: CheckModelOptions<Model>): CheckedModel => {
  let failed: ModelRun | undefined
  const property = fc.property(modelCommands(options.commands, { maxCommands: options.maxCommands ?? 20 }), fc.integer({ min: 1, max: options.worlds ?? 1 }), (commands, world) => {
    const done = runModel(options, options.model(), commands, String(world))
    if (done.broken !== undefined) throw new BrokenModel(done.broken)
    if (done.failure === undefined) return
    failed = done
    throw new Error(done.failure)
  })
  const { numRuns, numShrinks, seed, errorInstance } = fc.check(property, { numRuns: options.runs ?? 100, ...(options.seed === undefined ? {} : { seed: options.seed }) })
  if (errorInstance instanceof BrokenModel) throw errorInstance
  return { failure: failed?.failure, commands: failed?.commands ?? [], runs: numRuns, shrinks: numShrinks, seed, run: failed, trace: failed === undefined ? undefined : recordModel(options, failed).trace }
}

/** Retrograde itself failed while commands were run. */
export class BrokenModel extends Error {}
