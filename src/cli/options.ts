/** Options that say how the world is made, shared by run, record and demo. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { CPU_NAMES, DEFAULT_CPU, type CpuName } from '../emu/cpu/model.ts'
import type { WorldConfig } from '../kernel/config.ts'
import type { Platform } from '../platform/platform.ts'
import { HOSTNAME, type HostSurroundings, makeWorldConfig, SEEDED_EPOCH, type WorldOptions } from '../replay/default-world.ts'
import { makeHostFiles } from '../replay/host-files.ts'
import type { ImageFiles, OciImage } from '../replay/oci-image.ts'
import type { TarTree } from '../replay/tar-tree.ts'
import type { HostFiles } from '../kernel/outside.ts'
import { UsageError } from './errors.ts'
import { toByteString } from './host.ts'
import { quantity } from './quantity.ts'

const GIB = 1 << 30
/** Of the strategy pct where nothing is said: most bugs need two orderings or fewer. Explore estimates the steps. */
export const PCT_DEPTH = 3
const PCT_STEPS = 10_000

export interface WorldFlags {
  readonly seed: string | undefined
  readonly scheduleSeed: string | undefined
  readonly cpus: number
  readonly cpu: CpuName
  readonly strategy: WorldConfig['strategy']
  readonly pctDepth: number | undefined
  readonly pctSteps: number | undefined
  readonly cpuHz: number
  readonly epoch: number | undefined
  /** The model; a number is the limit, as it was once. */
  readonly memory: 'sc' | 'tso' | number
  readonly memoryLimit: number
  readonly packets: boolean
  readonly timeout: number
  readonly rootfs: string | undefined
  readonly entrypoint: string | undefined
  readonly mount: readonly string[]
  readonly env: readonly string[]
  readonly clearEnv: boolean
  readonly cwd: string | undefined
  readonly uid: number | undefined
  readonly gid: number | undefined
  readonly stdin: string | undefined
}

export const integer = (lowest: number, highest: number) => (text: string): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < lowest || value > highest) throw new InvalidArgumentError(`It must be an integer from ${lowest} to ${highest}.`)
  return value
}

export { quantity } from './quantity.ts'

export const regexp = (value: string): RegExp => regexps(value, [])[0]

/** Regular expressions, of an option that may come several times. */
export const regexps = (value: string, previous: readonly RegExp[]): RegExp[] => {
  try {
    return [...previous, new RegExp(value)]
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
}

const bytes = quantity(16 << 20, 4 * GIB - (64 << 20))
const memory = (text: string): 'sc' | 'tso' | number => {
  if (text === 'sc' || text === 'tso') return text
  if (/^\d/.test(text)) return bytes(text)
  throw new InvalidArgumentError('It must be sc or tso.')
}

const collect = (value: string, previous: readonly string[]): string[] => [...previous, value]

const epoch = (text: string): number => {
  if (text === 'now') return Date.now() / 1000
  const value = /^\d+$/.test(text) ? Number(text) : Date.parse(text) / 1000
  if (!Number.isSafeInteger(Math.floor(value))) throw new InvalidArgumentError(`It must be 'now', seconds since 1970, or a date such as 2026-01-31T12:00:00Z.`)
  return value
}

/** Of run and record; explore has more. */
const STRATEGY_NAMES: readonly string[] = ['random', 'round-robin', 'pct', 'pct-access', 'pos']

/** Adds the options and the program's own arguments, which are taken as they are. @param strategies more of them */
export const withWorldOptions = (command: Command, strategies: readonly string[] = []): Command => command
  .argument('[program]', 'program to run, looked up in PATH; an image says itself what is to be run')
  .argument('[arguments...]', 'its arguments, as they are')
  .passThroughOptions()
  .option('--seed <seed>', 'what all choices are drawn from (default: a new one each time)')
  .option('--schedule-seed <seed>', 'what the decisions of the scheduler alone are drawn from: one schedule of explore')
  .option('--cpus <n>', 'virtual CPUs', integer(1, 64), 1)
  .addOption(new Option('--cpu <level>', 'what the processor has: nothing that came after SSE2 (v1), SSE4.2 and AES (v2), or AVX2, BMI2, SHA (v3)').choices(CPU_NAMES).default(DEFAULT_CPU))
  .addOption(new Option('--strategy <name>', 'who runs next, and for how long').choices([...STRATEGY_NAMES, ...strategies]).default('random'))
  .option('--pct-depth <n>', 'of the strategy pct: how many orderings a bug needs', integer(1, 1000))
  .option('--pct-steps <n>', 'of the strategy pct: instructions that the program takes while more than one task could run', integer(1, 2 ** 31))
  .option('--cpu-hz <hz>', 'cycles in a virtual second', quantity(1e6, 1e12), 1e9)
  .option('--epoch <time>', `the clock at the start: 'now', seconds or a date (default: now, or 2026-01-01 where a seed is given)`, epoch)
  .option('--memory <model>', 'sc: each store is seen by all at once; tso: with store buffers, as processors have them', memory, 'sc')
  .option('--memory-limit <bytes>', 'memory of the guest', bytes, 2 * GIB)
  .option('--packets', 'record what goes over loopback, too (retrograde export --pcapng)', false)
  .option('--timeout <cycles>', 'stop after so many cycles', quantity(1, Number.MAX_SAFE_INTEGER), Infinity)
  .option('--rootfs <dir|tar|image>', 'all that the guest sees, in place of the host\'s programs and libraries: a directory, a tar file, or a container image (docker save, OCI layout)')
  .option('--entrypoint <program>', 'of an image: run this in place of its own entry point (empty: none)')
  .option('--mount <host:guest[:rw]>', 'show a file or directory of the host; what is written stays in memory unless it ends in :rw', collect, [])
  .option('--env <NAME=value>', 'set an environment variable (NAME alone takes it out)', collect, [])
  .option('--clear-env', 'start from an empty environment', false)
  .option('--cwd <dir>', 'the guest\'s current directory')
  .option('--uid <n>', 'user id of the guest (default: yours)', integer(0, 0xffff_fffe))
  .option('--gid <n>', 'group id of the guest (default: yours)', integer(0, 0xffff_fffe))
  .option('--stdin <file>', 'read standard input from a file')

const environment = (flags: WorldFlags): string[] => {
  const variables = new Map<string, string>(flags.clearEnv ? [] : Object.entries(process.env).map(([name, value]) => [name, value ?? '']))
  for (const setting of flags.env) {
    const at = setting.indexOf('=')
    if (at < 0) variables.delete(setting)
    else variables.set(setting.slice(0, at), setting.slice(at + 1))
  }
  return [...variables].map(([name, value]) => toByteString(`${name}=${value}`))
}

const parseMount = (text: string): WorldOptions['mounts'][number] => {
  const parts = text.split(':')
  const writable = parts.length === 3 && parts[2] === 'rw'
  if (parts.length < 2 || parts.length > 3 || (parts.length === 3 && !writable && parts[2] !== 'ro') || parts[0] === '' || !parts[1].startsWith('/')) {
    throw new UsageError(`--mount ${text}: it must be HOST:GUEST or HOST:GUEST:rw with an absolute GUEST path`)
  }
  return { host: toByteString(parts[0]), guest: toByteString(parts[1]), writable }
}

export interface PreparedWorld {
  readonly config: WorldConfig
  readonly files: HostFiles
  readonly seedWasGiven: boolean
}

interface Rootfs { readonly host: string, readonly tree: TarTree | undefined, readonly image: OciImage | undefined }

/** Files of an image as a directory of the host. */
const directoryFiles = (platform: Platform, root: string): ImageFiles => ({
  read: (path) => {
    // Names come from the image: they stay inside.
    if (path.split('/').includes('..')) return undefined
    const bytes = platform.readFile(`${root}/${path}`)
    return bytes instanceof Uint8Array ? bytes : undefined
  },
})

const loadRootfs = async (platform: Platform, path: string): Promise<Rootfs> => {
  const real = platform.realPath(toByteString(path))
  if (real === undefined) throw new UsageError(`--rootfs ${path}: there is no such directory or file`)
  const stat = platform.lstat(real)
  if ('error' in stat) throw new UsageError(`--rootfs ${path}: ${stat.error}`)
  const { isImage, readImage, ImageError } = await import('../replay/oci-image.ts')
  const tools = { decompress: (bytes: Uint8Array, limit: number): Uint8Array => platform.decompress(bytes, limit), sha256: (bytes: Uint8Array): string => platform.sha256(bytes) }
  const load = async (files: ImageFiles): Promise<Rootfs> => {
    try {
      const image = await readImage(files, tools)
      return { host: real, tree: image.tree, image }
    } catch (error) {
      if (!(error instanceof ImageError)) throw error
      throw new UsageError(`--rootfs ${path}: ${error.message}`)
    }
  }
  if ((stat.mode & 0o170000) === 0o040000) {
    const files = directoryFiles(platform, real)
    return isImage(files) ? load(files) : { host: real, tree: undefined, image: undefined }
  }
  const bytes = platform.readFile(real)
  if (!(bytes instanceof Uint8Array)) throw new UsageError(`--rootfs ${path}: ${bytes.error}`)
  const { readTar } = await import('../replay/tar-tree.ts')
  let tree: TarTree
  try {
    tree = await readTar(platform.decompress(bytes))
  } catch (error) {
    throw new UsageError(`--rootfs ${path}: neither a directory nor a tar file (${(error as Error).message})`)
  }
  const files: ImageFiles = { read: (name) => tree.get(name)?.content ?? tree.find(name)?.content }
  return isImage(files) ? load(files) : { host: real, tree, image: undefined }
}

/** What an image runs: its entry point with the arguments given, or its own. */
const imageCommand = (image: OciImage, command: readonly string[], { entrypoint, rootfs }: WorldFlags): readonly string[] => {
  const first = entrypoint === undefined ? image.entrypoint : entrypoint === '' ? [] : [toByteString(entrypoint)]
  // Another entry point has no use for the arguments of the image's own.
  const rest = command.length > 0 ? command : entrypoint === undefined ? image.command : []
  if (first.length + rest.length === 0) throw new UsageError(`--rootfs ${rootfs}: the image names no program, and none was given`)
  return [...first, ...rest]
}

/** Variables of the image, what a login sets, and what was asked for. */
const imageEnvironment = (image: OciImage, flags: WorldFlags): string[] => {
  const variables = new Map<string, string>([['PATH', '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], ['HOME', image.home], ['HOSTNAME', HOSTNAME]])
  if (process.env.TERM !== undefined) variables.set('TERM', process.env.TERM)
  for (const setting of [...image.env, ...flags.env.map(toByteString)]) {
    const at = setting.indexOf('=')
    if (at < 0) variables.delete(setting)
    else variables.set(setting.slice(0, at), setting.slice(at + 1))
  }
  return [...variables].map(([name, value]) => `${name}=${value}`)
}

export const prepareWorld = async (platform: Platform & HostSurroundings, command: readonly string[], flags: WorldFlags): Promise<PreparedWorld> => {
  if (flags.strategy === 'pct' && flags.cpus > 1) throw new UsageError('--strategy pct runs one task at a time, the most important: leave out --cpus')
  const rootfs = flags.rootfs === undefined ? undefined : await loadRootfs(platform, flags.rootfs)
  const image = rootfs?.image
  if (flags.entrypoint !== undefined && image === undefined) throw new UsageError('--entrypoint is for images (--rootfs)')
  const words = image === undefined ? command.map(toByteString) : imageCommand(image, command.map(toByteString), flags)
  if (words.length === 0) throw new UsageError("missing required argument 'program'")
  const seed = flags.seed ?? platform.freshSeed()
  const kind = platform.stdioKind
  const uid = flags.uid ?? image?.uid ?? platform.userId()
  const gid = flags.gid ?? (flags.uid === undefined ? image?.gid ?? platform.groupId() : uid)
  const options: WorldOptions = {
    command: words, env: image === undefined ? environment(flags) : imageEnvironment(image, flags),
    cwd: flags.cwd === undefined ? image?.workingDirectory : toByteString(flags.cwd), attributes: image?.attributes,
    rootfs: rootfs?.host, mounts: flags.mount.map(parseMount), seed, cpus: flags.cpus, cpu: flags.cpu, strategy: flags.strategy,
    ...(flags.strategy === 'pct' || flags.strategy === 'pct-access' ? { pct: { depth: flags.pctDepth ?? PCT_DEPTH, steps: flags.pctSteps ?? (flags.strategy === 'pct' ? PCT_STEPS : 1) } } : {}), cpuHz: flags.cpuHz,
    epochSeconds: flags.epoch ?? (flags.seed === undefined ? Date.now() / 1000 : SEEDED_EPOCH),
    memoryLimit: typeof flags.memory === 'number' ? flags.memory : flags.memoryLimit, ...(flags.memory === 'tso' ? { memoryModel: 'tso' as const } : {}), cycleLimit: flags.timeout, uid, gid,
    stdio: [flags.stdin === undefined ? kind.call(platform, 0) : 'file', kind.call(platform, 1), kind.call(platform, 2)],
    terminal: platform.terminalSize(), packets: flags.packets,
  }
  const tree = rootfs?.tree
  const tars = new Map<string, TarTree>(rootfs === undefined || tree === undefined ? [] : [[rootfs.host, tree]])
  const inRootfs = rootfs === undefined ? undefined : (path: string): boolean => {
    if (tree !== undefined) return tree.find(path) !== undefined
    const files = makeHostFiles(platform, [{ guest: '/', source: { kind: 'host', host: rootfs.host } }], tars)
    return typeof files.lstat(0, path) !== 'number'
  }
  const made = makeWorldConfig(platform, options, inRootfs)
  const config = flags.scheduleSeed === undefined ? made : { ...made, scheduleSeed: flags.scheduleSeed }
  return { config, files: makeHostFiles(platform, config.mounts, tars), seedWasGiven: flags.seed !== undefined }
}
