/** A world's configuration in the head of a trace: to plain data and back, checked, as a trace may come from anywhere. */
import { CPU_NAMES } from '../emu/cpu/model.ts'
import type { ChoiceCode, FileAttribute, GeneratedFile, HostConfig, LinkConfig, LinkEnd, MountConfig, MountSource, ScriptConfig, StdioKind, WorldConfig } from '../kernel/config.ts'
import { parseAddress, parseMac } from '../kernel/net/hosts.ts'
import { parseDotted } from '../kernel/net/ipv4.ts'
import { isMap, type Plain } from '../trace/msgpack.ts'
import { faultsToPlain, parseFaults, parseStep, planToPlain } from './plan-config.ts'

type PlainMap = { readonly [key: string]: Plain }

const mountsToPlain = (mounts: readonly MountConfig[]): PlainMap[] => mounts.map(({ guest, source }) => ({ guest, source: { ...source } }))
const filesToPlain = (files: readonly GeneratedFile[]): PlainMap[] => files.map(({ path, mode, content, symlink }) => ({
  path, mode, ...(content === undefined ? {} : { content }), ...(symlink === undefined ? {} : { symlink }),
}))
const attributesToPlain = (attributes: readonly FileAttribute[] | undefined): PlainMap =>
  attributes === undefined ? {} : { attributes: attributes.map((attribute) => ({ ...attribute })) }
const hostToPlain = ({ attributes, ...host }: HostConfig): PlainMap =>
  ({ ...host, ...attributesToPlain(attributes), argv: [...host.argv], env: [...host.env], mounts: mountsToPlain(host.mounts), files: filesToPlain(host.files) })

export const configToPlain = ({ pct, script, guided, choicePoints, choiceCode, hosts, links, attributes, plan, faults, ...config }: WorldConfig): PlainMap => ({
  ...config,
  ...attributesToPlain(attributes),
  ...(hosts === undefined ? {} : { hosts: hosts.map(hostToPlain) }),
  ...(links === undefined ? {} : { links: links.map((link) => ({ ...link, ends: link.ends.map((end) => ({ ...end })) })) }),
  ...(plan === undefined ? {} : { plan: planToPlain(plan) }),
  ...(faults === undefined ? {} : { faults: faultsToPlain(faults) }),
  ...(guided === undefined ? {} : { guided: { choices: [...guided.choices] } }),
  ...(choicePoints === undefined ? {} : { choicePoints: [...choicePoints] }),
  ...(choiceCode === undefined ? {} : { choiceCode: { quiet: [...choiceCode.quiet], sync: [...choiceCode.sync], once: [...choiceCode.once] } }),
  argv: [...config.argv],
  env: [...config.env],
  mounts: mountsToPlain(config.mounts),
  files: filesToPlain(config.files),
  stdio: [...config.stdio],
  terminal: { ...config.terminal },
  ...(pct === undefined ? {} : { pct: { ...pct } }),
  ...(script === undefined ? {} : { script: { oneAtATime: script.oneAtATime, segments: script.segments.map(({ task, until, cpu }) => [task, until, cpu]) } }),
})

/** The configuration can't be used; the message says which part. */
export class ConfigError extends Error {}

const fail = (what: string): never => { throw new ConfigError(`the configuration of its world has a bad '${what}'`) }

export class Fields {
  readonly #map: PlainMap
  readonly #where: string

  constructor(value: Plain | undefined, where: string) {
    this.#map = isMap(value) ? value : fail(where)
    this.#where = where === '' ? '' : `${where}.`
  }

  get(name: string): Plain | undefined { return Object.hasOwn(this.#map, name) ? this.#map[name] : undefined }
  has(name: string): boolean { return this.get(name) !== undefined }
  fail(name: string): never { return fail(this.#where + name) }

  /** A byte string: no code unit above 255, no NUL. */
  text(name: string): string {
    const value = this.get(name)
    // eslint-disable-next-line no-control-regex -- NUL ends a guest's string
    return typeof value === 'string' && /^[\x01-\xff]*$/.test(value) ? value : this.fail(name)
  }

  number(name: string, minimum: number, maximum: number): number {
    const value = this.get(name)
    return typeof value === 'number' && value >= minimum && value <= maximum ? value : this.fail(name)
  }

  integer(name: string, minimum: number, maximum: number): number {
    const value = this.number(name, minimum, maximum)
    return Number.isSafeInteger(value) ? value : this.fail(name)
  }

  choice<T extends string>(name: string, values: readonly T[]): T {
    const value = this.get(name)
    return values.find((known) => known === value) ?? this.fail(name)
  }

  list<T>(name: string, parse: (value: Plain, where: string) => T): T[] {
    const value = this.get(name)
    return Array.isArray(value) ? (value as readonly Plain[]).map((element, i) => parse(element, `${this.#where}${name}[${i}]`)) : this.fail(name)
  }

  texts(name: string): string[] { return this.list(name, (value, where) => new Fields({ value }, where).text('value')) }
  inner(name: string): Fields { return new Fields(this.get(name), this.#where + name) }
}

const STDIO: readonly StdioKind[] = ['tty', 'pipe', 'file', 'null']
const MOST_DEPTH = 1000
const MAX_ID = 2 ** 32 - 2

const parseSource = (fields: Fields): MountSource => {
  const kind = fields.choice('kind', ['host', 'host-rw', 'tmpfs', 'proc', 'sys', 'dev'])
  return kind === 'host' || kind === 'host-rw' ? { kind, host: fields.text('host') } : { kind }
}

const parseMount = (value: Plain, where: string): MountConfig => {
  const fields = new Fields(value, where)
  return { guest: fields.text('guest'), source: parseSource(fields.inner('source')) }
}

const parseFile = (value: Plain, where: string): GeneratedFile => {
  const fields = new Fields(value, where)
  const content = fields.get('content')
  if (content !== undefined && !(content instanceof Uint8Array)) fields.fail('content')
  return {
    path: fields.text('path'), mode: fields.integer('mode', 0, 0o177_777),
    ...(content instanceof Uint8Array ? { content } : {}), ...(fields.has('symlink') ? { symlink: fields.text('symlink') } : {}),
  }
}

const parseScript = (script: Fields): ScriptConfig => {
  const oneAtATime = script.get('oneAtATime')
  return {
    oneAtATime: typeof oneAtATime === 'boolean' ? oneAtATime : script.fail('oneAtATime'),
    segments: script.list('segments', (value, where) => {
      if (!Array.isArray(value) || value.length !== 3) return fail(where)
      const [task, until, cpu] = value as readonly Plain[]
      const fields = new Fields({ task, until, cpu }, where)
      return { task: fields.integer('task', 0, 2 ** 53), until: fields.number('until', 0, Infinity), cpu: fields.integer('cpu', 0, 63) }
    }),
  }
}

const integers = (fields: Fields, name: string): number[] => fields.list(name, (value, where) => new Fields({ value }, where).integer('value', 0, 2 ** 53))

const parseChoiceCode = (fields: Fields): ChoiceCode => ({ quiet: integers(fields, 'quiet'), sync: integers(fields, 'sync'), once: integers(fields, 'once') })

const parseStrategy = (fields: Fields): Pick<WorldConfig, 'strategy' | 'pct' | 'script' | 'guided'> => {
  const strategy = fields.choice('strategy', ['round-robin', 'random', 'pct', 'pct-access', 'script', 'pos', 'guided'])
  if (strategy !== 'guided' && fields.has('guided')) fields.fail('guided')
  if (strategy !== 'script' && fields.has('script')) fields.fail('script')
  if (strategy !== 'pct' && strategy !== 'pct-access' && fields.has('pct')) fields.fail('pct')
  if (strategy === 'script') return { strategy, script: parseScript(fields.inner('script')) }
  if (strategy === 'guided') return { strategy, guided: { choices: integers(fields.inner('guided'), 'choices') } }
  if (strategy !== 'pct' && strategy !== 'pct-access') return { strategy }
  const pct = fields.inner('pct')
  return { strategy, pct: { depth: pct.integer('depth', 1, MOST_DEPTH), steps: pct.integer('steps', 1, 2 ** 31) } }
}

const parseAttribute = (plain: Plain, where: string): FileAttribute => {
  const fields = new Fields(plain, where)
  const value = fields.get('value')
  return { path: fields.text('path'), name: fields.text('name'), value: value instanceof Uint8Array ? value : fields.fail('value') }
}
const parseAttributes = (fields: Fields): { attributes?: FileAttribute[] } => fields.has('attributes') ? { attributes: fields.list('attributes', parseAttribute) } : {}

const parseHost = (value: Plain, where: string): HostConfig => {
  const fields = new Fields(value, where)
  const main = fields.get('main')
  return {
    name: fields.text('name'), cpus: fields.integer('cpus', 1, 64), program: fields.text('program'), argv: fields.texts('argv'), env: fields.texts('env'),
    cwd: fields.text('cwd'), uid: fields.integer('uid', 0, MAX_ID), gid: fields.integer('gid', 0, MAX_ID),
    mounts: fields.list('mounts', parseMount), files: fields.list('files', parseFile), ...parseAttributes(fields),
    ...(main === undefined ? {} : { main: typeof main === 'boolean' ? main : fields.fail('main') }),
  }
}

const parseHosts = (fields: Fields): Pick<WorldConfig, 'hosts'> => {
  if (!fields.has('hosts')) return {}
  const hosts = fields.list('hosts', parseHost)
  const isSum = hosts.reduce((sum, { cpus }) => sum + cpus, 0) === fields.get('cpus')
  return hosts.length > 0 && isSum && new Set(hosts.map(({ name }) => name)).size === hosts.length ? { hosts } : fields.fail('hosts')
}

const parseEnd = (value: Plain, where: string): LinkEnd => {
  const fields = new Fields(value, where)
  const valid = (name: 'address' | 'mac' | 'gateway', isValid: (text: string) => boolean): { [name: string]: string } =>
    !fields.has(name) ? {} : isValid(fields.text(name)) ? { [name]: fields.text(name) } : fields.fail(name)
  return {
    host: fields.text('host'), interface: fields.text('interface').length < 16 ? fields.text('interface') : fields.fail('interface'),
    ...valid('address', (text) => parseAddress(text) !== undefined), ...valid('mac', (text) => parseMac(text) !== undefined), ...valid('gateway', (text) => parseDotted(text) !== undefined),
  }
}

const PROBABILITIES = ['loss', 'duplicate', 'reorder', 'corrupt'] as const
const MOST_ENDS = 64

const parseLink = (value: Plain, where: string): LinkConfig => {
  const fields = new Fields(value, where)
  const ends = fields.list('ends', parseEnd)
  return {
    ends: ends.length <= MOST_ENDS ? ends : fields.fail('ends'),
    ...(fields.has('latencyCycles') ? { latencyCycles: fields.integer('latencyCycles', 0, 2 ** 53) } : {}),
    ...(fields.has('bytesPerSecond') ? { bytesPerSecond: fields.number('bytesPerSecond', 1, Infinity) } : {}),
    ...Object.fromEntries(PROBABILITIES.filter((name) => fields.has(name)).map((name) => [name, fields.number(name, 0, 1)])),
  }
}

const parseNetwork = (fields: Fields, hosts: readonly HostConfig[] | undefined): Pick<WorldConfig, 'links' | 'packets'> => {
  const packets = fields.get('packets')
  if (packets !== undefined && typeof packets !== 'boolean') fields.fail('packets')
  const links = fields.has('links') ? fields.list('links', parseLink) : undefined
  const names = new Set(hosts?.map(({ name }) => name) ?? [fields.text('hostname')])
  // An interface is one end of one link.
  const ends = links?.flatMap((link) => link.ends.map((end) => `${end.host} ${end.interface}`)) ?? []
  if (links?.some((link) => link.ends.some(({ host }) => !names.has(host))) === true || new Set(ends).size !== ends.length) fields.fail('links')
  return { ...(links === undefined ? {} : { links }), ...(packets === true ? { packets } : {}) }
}

/** @throws ConfigError */
export const configFromPlain = (plain: PlainMap): WorldConfig => {
  const fields = new Fields(plain, '')
  const terminal = fields.inner('terminal')
  const stdio = fields.list('stdio', (value, where) => new Fields({ kind: value }, where).choice('kind', STDIO))
  if (stdio.length !== 3) fields.fail('stdio')
  const seed = fields.get('seed')
  const scheduleSeed = fields.get('scheduleSeed')
  return {
    program: fields.text('program'),
    argv: fields.texts('argv'),
    env: fields.texts('env'),
    cwd: fields.text('cwd'),
    mounts: fields.list('mounts', parseMount),
    files: fields.list('files', parseFile),
    ...parseAttributes(fields),
    ...parseHosts(fields),
    ...parseNetwork(fields, parseHosts(fields).hosts),
    ...(fields.has('plan') ? { plan: fields.list('plan', parseStep) } : {}),
    ...(fields.has('faults') ? { faults: parseFaults(fields.inner('faults')) } : {}),
    hostname: fields.text('hostname'),
    cpus: fields.integer('cpus', 1, 64),
    ...(fields.has('cpu') ? { cpu: fields.choice('cpu', CPU_NAMES) } : {}),
    seed: typeof seed === 'string' ? seed : fields.fail('seed'),
    ...(fields.has('scheduleSeed') ? { scheduleSeed: typeof scheduleSeed === 'string' ? scheduleSeed : fields.fail('scheduleSeed') } : {}),
    ...parseStrategy(fields),
    ...(fields.has('choicePoints') ? { choicePoints: integers(fields, 'choicePoints') } : {}),
    ...(fields.has('choiceCode') ? { choiceCode: parseChoiceCode(fields.inner('choiceCode')) } : {}),
    ...(fields.has('memoryModel') ? { memoryModel: fields.choice('memoryModel', ['sc', 'tso'] as const) } : {}),
    cpuHz: fields.number('cpuHz', 1, 2 ** 53),
    epochSeconds: fields.number('epochSeconds', -(2 ** 53), 2 ** 53),
    uid: fields.integer('uid', 0, MAX_ID),
    gid: fields.integer('gid', 0, MAX_ID),
    stdio: [stdio[0], stdio[1], stdio[2]],
    terminal: { rows: terminal.integer('rows', 0, 0xffff), columns: terminal.integer('columns', 0, 0xffff) },
    memoryLimit: fields.number('memoryLimit', 0, Infinity),
    cycleLimit: fields.number('cycleLimit', 0, Infinity),
  }
}
