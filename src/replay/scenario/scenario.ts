/**
 * Scenarios: hosts, what joins them, what befalls them, and what must hold. The files of `scenarios/` have one as their default export;
 * `retrograde scenario FILE` runs it, and so can a test.
 */
import type { CpuName } from '../../emu/cpu/model.ts'
import { SIGNALS } from '../../kernel/abi/signals.ts'
import type { FaultConfig, HostConfig, LinkConfig, PlanStep, WorldConfig } from '../../kernel/config.ts'
import { type HostSurroundings, makeWorldConfig, SEEDED_EPOCH, WorldOptionError } from '../default-world.ts'
import type { Outcome } from '../session.ts'

export interface ScenarioHost {
  /** The first program and its arguments. */
  readonly run: readonly string[]
  /** NAME → value. */
  readonly env?: { readonly [name: string]: string }
  readonly cwd?: string
  /** Virtual CPUs of its own, 1 if left out. */
  readonly cpus?: number
  readonly uid?: number
  /** Files that it has at its start, by path: on its disk, where programs may change them. */
  readonly files?: { readonly [path: string]: string }
  /** Further directories of the machine that it runs on: 'OUTSIDE:INSIDE', OUTSIDE from the directory of the scenario's file. */
  readonly mounts?: readonly string[]
  /** False: a server, for whose end nobody waits. */
  readonly main?: boolean
}

/** A cable between two hosts, each of which gets an interface with this address, '10.0.0.1/24'. */
export interface ScenarioLink {
  readonly between: { readonly [host: string]: string }
  readonly latencyMs?: number
  readonly bytesPerSecond?: number
  /** Probabilities of each frame, from 0 to 1. */
  readonly loss?: number
  readonly duplicate?: number
  readonly reorder?: number
  readonly corrupt?: number
}

export type Quality = Omit<ScenarioLink, 'between'>

/** What `steps` are made of: by the functions below. */
export type ScenarioStep =
  | Exclude<PlanStep, { readonly do: 'run' | 'link' }>
  | { readonly do: 'run', readonly host: string, readonly name: string, readonly argv: readonly string[] }
  | { readonly do: 'link', readonly between: readonly [string, string], readonly up?: boolean, readonly quality?: Quality }

/** Starts a program on a host; `name` is how `waitForExit` and `signal` call it. */
export const run = (host: string, argv: readonly string[], name: string = argv[0]): ScenarioStep => ({ do: 'run', host, argv, name })
export const waitForOutput = (host: string, text: string): ScenarioStep => ({ do: 'waitOutput', host, text })
export const waitForExit = (name: string): ScenarioStep => ({ do: 'waitExit', name })
/** Virtual seconds. */
export const waitFor = (seconds: number): ScenarioStep => ({ do: 'wait', seconds })
export const partition = (a: string, b: string): ScenarioStep => ({ do: 'link', between: [a, b], up: false })
export const heal = (a: string, b: string): ScenarioStep => ({ do: 'link', between: [a, b], up: true })
export const degrade = (a: string, b: string, quality: Quality): ScenarioStep => ({ do: 'link', between: [a, b], quality })
/**
 * The host loses its power: its programs are gone, and so is, unless its disks keep all, what was written and not synchronised, as chance
 * has it (docs/scenarios.md). /tmp is memory and empty afterwards in any case.
 */
export const crash = (host: string, disks: 'lose' | 'keep' = 'lose'): ScenarioStep => ({ do: 'crash', host, loses: disks === 'lose' })
export const restart = (host: string): ScenarioStep => ({ do: 'restart', host })
/** To the host's first program, or one that `run` has started. */
export const signal = (host: string, name: keyof typeof SIGNALS, program?: string): ScenarioStep =>
  ({ do: 'signal', host, signal: SIGNALS[name], ...(program === undefined ? {} : { name: program }) })
export const jumpClock = (seconds: number): ScenarioStep => ({ do: 'clock', seconds })

/** How a run of a scenario ended. */
export interface ScenarioRun {
  readonly seed: string
  readonly outcome: Outcome
  /** 0, or the first status of a program that was waited for that was not 0; 128 + a fatal signal. */
  readonly exitCode: number
  /** By host. */
  readonly stdout: { readonly [host: string]: string }
  readonly stderr: { readonly [host: string]: string }
  /** Who waits for what, if nothing could go on. */
  readonly explanation: readonly string[]
}

export interface Scenario {
  readonly name: string
  /** A sentence for people. */
  readonly about: string
  readonly hosts: { readonly [name: string]: ScenarioHost }
  readonly links?: readonly ScenarioLink[]
  readonly faults?: FaultConfig
  /** One after the other, as the world goes on. */
  readonly steps?: readonly ScenarioStep[]
  /** Throws, or answers false, if what must hold does not. Without it every program must end with 0. */
  readonly holds?: (run: ScenarioRun) => boolean | undefined
  /** What its seeds are expected to come to: 'always' holds, or 'sometimes' does not (which shows a bug). */
  readonly expects?: 'always' | 'sometimes'
  /** How many seeds are tried. */
  readonly seeds?: number
  readonly strategy?: 'random' | 'round-robin'
  readonly memory?: 'sc' | 'tso'
  readonly cpu?: CpuName
  /** Virtual seconds after which a run that does not end has failed. */
  readonly timeout?: number
}

/** For the types of a scenario's file. */
export const scenario = (it: Scenario): Scenario => it

const STEPS: ReadonlySet<unknown> = new Set<ScenarioStep['do']>(['run', 'wait', 'waitOutput', 'waitExit', 'link', 'crash', 'restart', 'signal', 'clock'])
const isRecord = (value: unknown): value is { readonly [key: string]: unknown } => typeof value === 'object' && value !== null && !Array.isArray(value)
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every((one) => typeof one === 'string')

/** What is wrong with something that should be a scenario, as far as its types go: files are not checked against them when they are loaded. */
export const scenarioProblem = (it: unknown): string | undefined => {
  if (!isRecord(it)) return it === undefined ? 'there is none' : 'it is no object'
  if (typeof it.name !== 'string') return 'it needs a name'
  if (!isRecord(it.hosts)) return 'it needs hosts'
  for (const [name, host] of Object.entries(it.hosts)) {
    if (!isRecord(host)) return `host ${name} is no object`
    if (!isTexts(host.run)) return `host ${name}: run must be the program and its arguments, an array of strings`
    if (host.mounts !== undefined && !isTexts(host.mounts)) return `host ${name}: mounts must be an array of strings`
  }
  if (it.steps !== undefined && !Array.isArray(it.steps)) return 'its steps are no array'
  for (const [i, step] of ((it.steps ?? []) as readonly unknown[]).entries()) {
    if (!isRecord(step) || !STEPS.has(step.do)) return `step ${i + 1} is none that there is${isRecord(step) && typeof step.do === 'string' ? `: '${step.do}'` : ''}; there are ${[...STEPS].join(', ')}`
  }
  if (it.links !== undefined && !(Array.isArray(it.links) && it.links.every((link) => isRecord(link) && isRecord(link.between)))) return 'its links must be an array of { between: { HOST: ADDRESS, HOST: ADDRESS } }'
  if (it.holds !== undefined && typeof it.holds !== 'function') return 'holds must be a function'
  return undefined
}

const CPU_HZ = 1e9
const TIMEOUT_SECONDS = 600
/** Of all hosts together, in bytes. */
export const SCENARIO_MEMORY = 1 << 30
const ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LANG: 'C', TERM: 'dumb' }

const latin1 = (text: string): string => Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join('')

/** The host's own view: nothing of the current directory. */
const surroundingsOf = (outside: HostSurroundings): HostSurroundings => ({
  lstat: (path) => outside.lstat(path), readdir: (path) => outside.readdir(path), readlink: (path) => outside.readlink(path), readFile: (path) => outside.readFile(path),
  realPath: (path) => outside.realPath(path), currentDirectory: () => '/',
})

const hostOf = (outside: HostSurroundings, folder: string, name: string, host: ScenarioHost): HostConfig => {
  const mounts = (host.mounts ?? []).map((text) => {
    const at = text.lastIndexOf(':')
    if (at < 1 || text[at + 1] !== '/') throw new WorldOptionError(`host ${name}: the mount '${text}' must be OUTSIDE:INSIDE with an absolute INSIDE`)
    const path = text.slice(0, at)
    return { host: latin1(path.startsWith('/') ? path : `${folder}/${path}`), guest: latin1(text.slice(at + 1)), writable: false }
  })
  const env = Object.entries({ ...ENVIRONMENT, ...host.env }).map(([key, value]) => latin1(`${key}=${value}`))
  const uid = host.uid ?? 0
  if (host.run.length === 0) throw new WorldOptionError(`host ${name} has nothing to run`)
  // Programs in mounts of its own have their path as it is.
  const world = makeWorldConfig(surroundingsOf(outside), {
    command: host.run.map(latin1), env, cwd: host.cwd ?? '/', rootfs: undefined, mounts, seed: '', cpus: host.cpus ?? 1, strategy: 'random', cpuHz: CPU_HZ, epochSeconds: SEEDED_EPOCH,
    memoryLimit: SCENARIO_MEMORY, cycleLimit: Infinity, uid, gid: uid, stdio: ['null', 'pipe', 'pipe'], terminal: { rows: 24, columns: 80 },
  })
  const files = Object.entries(host.files ?? {}).map(([path, text]) => ({ path: latin1(path), mode: 0o644, content: new TextEncoder().encode(text) }))
  return {
    name, cpus: host.cpus ?? 1, program: world.program, argv: world.argv, env: world.env, cwd: world.cwd, uid, gid: uid, mounts: world.mounts,
    files: [...world.files.filter(({ path }) => !files.some((own) => own.path === path)), ...files], ...(host.main === undefined ? {} : { main: host.main }),
  }
}

const qualityOf = ({ latencyMs, ...rest }: Quality): Omit<LinkConfig, 'ends'> => ({ ...rest, ...(latencyMs === undefined ? {} : { latencyCycles: Math.round(latencyMs * CPU_HZ / 1000) }) })

const linkOf = ({ between, ...quality }: ScenarioLink): LinkConfig => ({
  ends: Object.entries(between).map(([host, address]) => ({ host, interface: '', address })), ...qualityOf(quality),
})

/** Interfaces are numbered by host: eth0, eth1 … */
const withInterfaces = (links: readonly LinkConfig[]): LinkConfig[] => {
  const counts = new Map<string, number>()
  return links.map((link) => ({
    ...link,
    ends: link.ends.map((end) => {
      const count = counts.get(end.host) ?? 0
      counts.set(end.host, count + 1)
      return { ...end, interface: `eth${count}` }
    }),
  }))
}

const knownHost = (it: Scenario, hosts: readonly HostConfig[]) => (name: string): string => {
  if (!hosts.some((host) => host.name === name)) throw new WorldOptionError(`the scenario '${it.name}' names the host '${name}'; there are ${hosts.map((host) => host.name).join(', ')}`)
  return name
}

/** Steps as the world takes them. @throws WorldOptionError for a host or link that is not there */
export const planOf = (it: Scenario, { hosts = [], links = [] }: Pick<WorldConfig, 'hosts' | 'links'>, steps: readonly ScenarioStep[]): PlanStep[] => steps.map((step): PlanStep => {
  if ('host' in step) knownHost(it, hosts)(step.host)
  if (step.do === 'run') {
    const { env } = hosts.find(({ name }) => name === step.host) as HostConfig
    return { do: 'run', host: step.host, name: step.name, program: latin1(step.argv[0]), argv: step.argv.map(latin1), env }
  }
  if (step.do !== 'link') return step
  const [a, b] = step.between
  const link = links.findIndex(({ ends }) => ends.some(({ host }) => host === a) && ends.some(({ host }) => host === b))
  if (link < 0) throw new WorldOptionError(`the scenario '${it.name}' has no link between '${a}' and '${b}'`)
  return { do: 'link', link, change: { ...(step.up === undefined ? {} : { up: step.up }), ...qualityOf(step.quality ?? {}) } }
})

/** The world of a scenario under a seed. @throws WorldOptionError for what can't be: a program, host or link that is not there */
export const worldOfScenario = (outside: HostSurroundings, folder: string, it: Scenario, seed: string): WorldConfig => {
  const hosts = Object.entries(it.hosts).map(([name, host]) => hostOf(outside, folder, name, host))
  const [first] = hosts
  if (first === undefined) throw new WorldOptionError(`the scenario '${it.name}' has no hosts`)
  const links = withInterfaces((it.links ?? []).map(linkOf))
  const known = knownHost(it, hosts)
  for (const { ends } of links) for (const { host } of ends) known(host)
  for (const host of it.faults?.hosts ?? []) known(host)
  const started = (it.steps ?? []).flatMap((step) => step.do === 'run' ? [step.name] : [])
  for (const { host, name } of it.faults?.signals ?? []) {
    if (host !== undefined) known(host)
    if (name !== undefined && !started.includes(name)) throw new WorldOptionError(`the scenario '${it.name}' sends signals to '${name}', which no step runs; there ${started.length === 1 ? 'is' : 'are'} ${started.join(', ') || 'none'}`)
  }
  const plan = planOf(it, { hosts, links }, it.steps ?? [])
  return {
    ...first, hostname: first.name, hosts, ...(links.length === 0 ? {} : { links }), ...(plan.length === 0 ? {} : { plan }), ...(it.faults === undefined ? {} : { faults: it.faults }),
    // What these say is in the hosts.
    program: first.program, argv: [], env: [], cwd: '/', mounts: [], files: [], uid: 0, gid: 0,
    cpus: hosts.reduce((sum, { cpus }) => sum + cpus, 0), seed, strategy: it.strategy ?? 'random', ...(it.memory === undefined ? {} : { memoryModel: it.memory }), ...(it.cpu === undefined ? {} : { cpu: it.cpu }),
    cpuHz: CPU_HZ, epochSeconds: SEEDED_EPOCH, stdio: ['null', 'pipe', 'pipe'], terminal: { rows: 24, columns: 80 }, memoryLimit: SCENARIO_MEMORY, cycleLimit: (it.timeout ?? TIMEOUT_SECONDS) * CPU_HZ,
  }
}
