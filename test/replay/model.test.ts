/** Model-based commands: a key-value store behind TCP against a Map, with crashes and partitions; what differs is small, and its trace replays without the model. */
import { join } from 'node:path'
import test from 'ava'
import * as fc from 'fast-check'
import { NodePlatform } from '../../src/platform/node.ts'
import { traceCodecs } from '../../src/platform/trace-files.ts'
import { checkModel, type CheckedModel, type CheckModelOptions, type CommandRun, type ModelCommand, request, runModel } from '../../src/replay/scenario/model.ts'
import { crash, heal, partition, restart, scenario, type Scenario, waitFor, waitForOutput } from '../../src/replay/scenario/scenario.ts'
import { makeMachine } from '../../src/replay/machine.ts'
import { loadEngine, replay, root } from './support.ts'

/** By key what it may have: several values after a request that was not answered. */
interface Store {
  readonly entries: Map<string, Set<string>>
  connected: boolean
}
const NOTHING = 'nothing'
const valuesOf = ({ entries }: Store, key: string): Set<string> => entries.get(key) ?? new Set([NOTHING])

const SERVER = '10.0.0.1', PORT = '7000'
const client = (...args: readonly string[]): ReturnType<typeof request> => request('client', ['/guests/model-kv', args[0], SERVER, PORT, ...args.slice(1)])

class Change implements ModelCommand<Store> {
  readonly #key: string
  /** Undefined: it is deleted. */
  readonly #value: string | undefined
  constructor(key: string, value: string | undefined) {
    this.#key = key
    this.#value = value
  }

  check(): boolean { return true }
  * run(store: Store): CommandRun {
    const { stdout } = yield client(...(this.#value === undefined ? ['del', this.#key] : ['put', this.#key, this.#value]))
    const next = this.#value ?? NOTHING
    if (stdout.client === 'ok\n') store.entries.set(this.#key, new Set([next]))
    else if (stdout.client === 'no answer\n' && !store.connected) store.entries.set(this.#key, new Set([...valuesOf(store, this.#key), next]))
    else throw new Error(`${this.toString()}: the answer is ${stdout.client.trim()}`)
  }

  toString(): string { return this.#value === undefined ? `del ${this.#key}` : `put ${this.#key} ${this.#value}` }
}

class Get implements ModelCommand<Store> {
  readonly #key: string
  constructor(key: string) { this.#key = key }
  check({ connected }: Readonly<Store>): boolean { return connected }
  * run(store: Store): CommandRun {
    const { stdout, statuses } = yield client('get', this.#key)
    const value = stdout.client.trim(), may = valuesOf(store, this.#key)
    if (statuses.request !== 0 || !may.has(value)) throw new Error(`${this.#key} is ${value}, should be ${[...may].join(' or ')}`)
    store.entries.set(this.#key, new Set([value]))
  }

  toString(): string { return `get ${this.#key}` }
}

class Crash implements ModelCommand<Store> {
  check(): boolean { return true }
  * run(): CommandRun { yield [crash('server'), restart('server'), waitForOutput('server', 'serving')] }
  toString(): string { return 'crash' }
}

class Link implements ModelCommand<Store> {
  readonly #up: boolean
  constructor(up: boolean) { this.#up = up }
  check({ connected }: Readonly<Store>): boolean { return connected !== this.#up }
  * run(store: Store): CommandRun {
    // ARP asks again once a second.
    yield this.#up ? [heal('server', 'client'), waitFor(5)] : [partition('server', 'client')]
    store.connected = this.#up
  }

  toString(): string { return this.#up ? 'heal' : 'partition' }
}

const key = fc.constantFrom('k1', 'K1', 'k2'), value = fc.nat(99).map((n) => `v${n}`)
const COMMANDS: readonly fc.Arbitrary<ModelCommand<Store>>[] = [
  fc.tuple(key, value).map(([k, v]) => new Change(k, v)), key.map((k) => new Change(k, undefined)), key.map((k) => new Get(k)), key.map((k) => new Get(k)), fc.constant(new Crash()),
  fc.constant(new Link(false)), fc.constant(new Link(true)),
]

const service = (flags: readonly string[]): Scenario => scenario({
  name: 'kv', about: '',
  hosts: {
    server: { run: ['/guests/model-kv', 'serve', PORT, '/log', ...flags], mounts: ['../guests/bin:/guests'], main: false },
    client: { run: ['/guests/model-kv'], mounts: ['../guests/bin:/guests'], main: false },
  },
  links: [{ between: { server: `${SERVER}/24`, client: '10.0.0.2/24' }, latencyMs: 1 }],
  steps: [waitForOutput('server', 'serving')],
})
const engine = { ...loadEngine(), tier: undefined }
const machine = makeMachine(engine, 1 << 30)
const optionsOf = (flags: readonly string[]): CheckModelOptions<Store> => ({
  scenario: service(flags), folder: join(root, 'scenarios'), outside: new NodePlatform(), engine, machine, clock: { wallTimeMs: () => performance.now() }, codecs: traceCodecs, version: 'test',
  commands: COMMANDS, model: () => ({ entries: new Map(), connected: true }), maxCommands: 12, runs: 60, seed: 1,
})

const replays = (t: { is(a: unknown, b: unknown): void }, { trace }: CheckedModel): void => {
  for (const mode of ['drive', 'from-seed'] as const) t.is(replay(trace ?? new Uint8Array(0), mode).result.divergence, undefined)
}

test('a store that keeps what it has answered agrees with the model, whatever befalls it', (t) => {
  const checked = checkModel(optionsOf(['sync', 'exact']))
  t.is(checked.failure, undefined, checked.commands.join(', '))
  t.is(checked.runs, 60)
  t.is(checked.trace, undefined)
})

test('one that does not synchronise loses what it has answered: put, crash, get', (t) => {
  const checked = checkModel(optionsOf(['exact']))
  t.regex(checked.failure ?? '', /^[kK][12] is \w+, should be /)
  // A change, the crash, and somebody who looks.
  t.is(checked.commands.length, 3, checked.commands.join(', '))
  t.regex(checked.commands.join(', '), /^put \S+ \S+, crash, get \S+$/)
  replays(t, checked)
  const again = checkModel({ ...optionsOf(['exact']), seed: checked.seed })
  t.deepEqual([again.failure, again.commands, again.runs], [checked.failure, checked.commands, checked.runs])
})

test('one that takes two keys for one: put, get', (t) => {
  const checked = checkModel(optionsOf(['sync']))
  t.is(checked.commands.length, 2, checked.commands.join(', '))
  t.regex(checked.failure ?? '', /is v\d+, should be nothing/)
  replays(t, checked)
})

test('a command that names a host that is not there, and a world that can not go on', (t) => {
  const wrong: ModelCommand<Store> = { check: () => true, * run() { yield [crash('none')] }, toString: () => 'wrong' }
  const options = optionsOf(['exact'])
  t.is(runModel(options, options.model(), [wrong], '1').failure, 'the scenario \'kv\' names the host \'none\'; there are server, client')
  const stuck: ModelCommand<Store> = { check: () => true, * run() { yield [waitForOutput('server', 'never')] }, toString: () => 'stuck' }
  t.regex(runModel(options, options.model(), [new Change('k1', 'a'), stuck], '1').failure ?? '', /^nothing can go on/)
})
