/** The world that a command line asks for: what the guest sees of the host, the generated files, the environment. */
import type { GeneratedFile, MountConfig, StdioKind, WorldConfig } from '../kernel/config.ts'
import type { HostFileAccess } from './host-files.ts'

export interface WorldOptions {
  /** Program and arguments, byte strings as latin1. */
  readonly command: readonly string[]
  /** NAME=VALUE. */
  readonly env: readonly string[]
  /** Guest path; the host's current directory by default. */
  readonly cwd: string | undefined
  /** A host directory or tar file that is all the guest sees. */
  readonly rootfs: string | undefined
  readonly mounts: readonly { readonly host: string, readonly guest: string, readonly writable: boolean }[]
  readonly seed: string
  readonly cpus: number
  readonly cpu?: WorldConfig['cpu']
  readonly strategy: WorldConfig['strategy']
  readonly pct?: WorldConfig['pct']
  readonly cpuHz: number
  readonly epochSeconds: number
  readonly memoryLimit: number
  readonly memoryModel?: WorldConfig['memoryModel']
  readonly packets?: boolean
  readonly cycleLimit: number
  readonly uid: number
  readonly gid: number
  readonly stdio: readonly [StdioKind, StdioKind, StdioKind]
  readonly terminal: WorldConfig['terminal']
  readonly attributes?: WorldConfig['attributes']
}

export interface HostSurroundings extends HostFileAccess {
  /** Absolute path of the host's current directory. */
  currentDirectory(): string
  /** All links followed; undefined if it is not there. */
  realPath(path: string): string | undefined
}

/** A command line that can't be carried out; the message says what to do. */
export class WorldOptionError extends Error {}

/** 2026-01-01 00:00:00 UTC: the clock of a world whose seed was given, so that the seed alone decides what it does. */
export const SEEDED_EPOCH = 1_767_225_600
export const HOSTNAME = 'retrograde'
const SYSTEM_DIRECTORIES = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32']
const ETC_DIRECTORIES = ['/etc/alternatives', '/etc/ld.so.conf.d', '/etc/terminfo', '/etc/ssl/certs']
const ETC_FILES = ['/etc/ld.so.cache', '/etc/ld.so.conf', '/etc/ld.so.preload', '/etc/debian_version', '/etc/os-release', '/etc/services', '/etc/protocols',
  '/etc/mime.types', '/etc/inputrc', '/etc/ssl/openssl.cnf']

const exists = (host: HostFileAccess, path: string): boolean => !('error' in host.lstat(path))
const isSymlink = (host: HostFileAccess, path: string): boolean => {
  const stat = host.lstat(path)
  return !('error' in stat) && (stat.mode & 0o170000) === 0o120000
}
const isDirectory = (host: HostFileAccess, path: string): boolean => {
  const stat = host.lstat(path)
  return !('error' in stat) && (stat.mode & 0o170000) === 0o040000
}
const isWithin = (path: string, directory: string): boolean => path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`)

/** '/a/./b/../c' → '/a/c'. */
export const normalize = (path: string): string => {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return `/${parts.join('/')}`
}
const absolute = (base: string, path: string): string => normalize(path.startsWith('/') ? path : `${base}/${path}`)

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))

/** TZif for UTC: no transitions, one type of local time (RFC 8536), as version 2 with an empty first block. */
const utcZone = (): Uint8Array => {
  const header = (version: number): number[] => [0x54, 0x5a, 0x69, 0x66, version, ...new Array<number>(15).fill(0),
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4]
  const body = [0, 0, 0, 0, 0, 0, ...bytesOf('UTC\0')]
  return Uint8Array.from([...header(0x32), ...body, ...header(0x32), ...body, ...bytesOf('\nUTC0\n')])
}

const generatedFiles = (options: WorldOptions, localtime: Uint8Array | undefined): GeneratedFile[] => {
  const { uid, gid } = options
  const user = uid === 0 ? '' : `user:x:${uid}:${gid}:user:/tmp:/bin/sh\n`
  const group = gid === 0 ? '' : `user:x:${gid}:\n`
  const text = (path: string, content: string): GeneratedFile => ({ path, mode: 0o644, content: bytesOf(content) })
  return [
    text('/etc/passwd', `root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nbin:x:2:2:bin:/bin:/usr/sbin/nologin\n${user}nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n`),
    text('/etc/group', `root:x:0:\ndaemon:x:1:\nbin:x:2:\ntty:x:5:\n${group}nogroup:x:65534:\n`),
    text('/etc/hosts', `127.0.0.1\tlocalhost\n127.0.1.1\t${HOSTNAME}\n`),
    text('/etc/hostname', `${HOSTNAME}\n`),
    text('/etc/host.conf', 'multi on\n'),
    text('/etc/resolv.conf', ''),
    text('/etc/nsswitch.conf', 'passwd: files\ngroup: files\nshadow: files\nhosts: files\nservices: files\nprotocols: files\n'),
    text('/etc/shells', '/bin/sh\n'),
    { path: '/etc/localtime', mode: 0o644, content: localtime ?? utcZone() },
    { path: '/etc/mtab', mode: 0o777, symlink: '/proc/self/mounts' },
    { path: '/var/run', mode: 0o777, symlink: '/run' },
    // Of sysfs what lscpu and the like can't do without.
    ...['online', 'possible', 'present'].map((name) => text(`/sys/devices/system/cpu/${name}`, options.cpus === 1 ? '0\n' : `0-${options.cpus - 1}\n`)),
  ]
}

/** The system's directories as the host has them: links stay links. */
const systemMounts = (host: HostSurroundings): { mounts: MountConfig[], files: GeneratedFile[] } => {
  const mounts: MountConfig[] = []
  const files: GeneratedFile[] = []
  for (const path of SYSTEM_DIRECTORIES) {
    if (isSymlink(host, path)) {
      const target = host.readlink(path)
      if (typeof target === 'string') files.push({ path, mode: 0o777, symlink: target })
    } else if (isDirectory(host, path)) {
      mounts.push({ guest: path, source: { kind: 'host', host: path } })
    }
  }
  for (const path of [...ETC_DIRECTORIES, ...ETC_FILES]) {
    const real = host.realPath(path)
    if (real !== undefined) mounts.push({ guest: path, source: { kind: 'host', host: real } })
  }
  return { mounts, files }
}

/** The program as execve gets it: with a slash as it is, else looked up in the guest's PATH. */
const findProgram = (options: WorldOptions, canRun: (guestPath: string) => boolean): string => {
  const name = options.command[0]
  if (name.includes('/')) return name
  const path = options.env.find((entry) => entry.startsWith('PATH='))?.slice(5) ?? '/usr/local/bin:/usr/bin:/bin'
  for (const directory of path.split(':')) {
    const candidate = directory === '' ? name : `${directory}/${name}`
    if (canRun(candidate)) return candidate
  }
  throw new WorldOptionError(`${name}: not found in the guest's PATH (${path})`)
}

export const makeWorldConfig = (host: HostSurroundings, options: WorldOptions,
  inRootfs?: (guestPath: string) => boolean): WorldConfig => {
  const cwdOutside = host.currentDirectory()
  const mounts: MountConfig[] = []
  const files: GeneratedFile[] = []
  let cwd: string
  let program: string
  if (options.rootfs !== undefined) {
    mounts.push({ guest: '/', source: { kind: 'host', host: options.rootfs } },
      { guest: '/proc', source: { kind: 'proc' } }, { guest: '/sys', source: { kind: 'sys' } }, { guest: '/dev', source: { kind: 'dev' } })
    cwd = options.cwd ?? '/'
    program = findProgram(options, (path) => inRootfs?.(normalize(path).slice(1)) ?? false)
  } else {
    const system = systemMounts(host)
    mounts.push(...system.mounts, { guest: '/tmp', source: { kind: 'tmpfs' } }, { guest: '/root', source: { kind: 'tmpfs' } }, { guest: '/run', source: { kind: 'tmpfs' } },
      { guest: '/proc', source: { kind: 'proc' } }, { guest: '/sys', source: { kind: 'sys' } }, { guest: '/dev', source: { kind: 'dev' } })
    const zone = host.readFile('/etc/localtime')
    files.push(...system.files, ...generatedFiles(options, zone instanceof Uint8Array ? zone : undefined))
    // The root itself would be everything that the host has.
    const showsCwd = cwdOutside !== '/' && !SYSTEM_DIRECTORIES.some((directory) => isWithin(cwdOutside, directory))
    if (showsCwd) mounts.push({ guest: cwdOutside, source: { kind: 'host', host: cwdOutside } })
    cwd = options.cwd ?? (['/proc', '/dev', '/sys'].some((directory) => isWithin(cwdOutside, directory)) ? '/' : cwdOutside)
    program = findProgram(options, (path) => {
      const real = host.realPath(absolute(cwdOutside, path))
      return real !== undefined && !isDirectory(host, real)
    })
    // A program from elsewhere is shown at its own path, alone.
    const path = absolute(cwdOutside, program)
    const real = host.realPath(path)
    const visible = [...SYSTEM_DIRECTORIES, ...showsCwd ? [cwdOutside] : [], ...options.mounts.map(({ guest }) => guest)]
    if (real !== undefined && options.cwd === undefined && !visible.some((directory) => isWithin(path, directory) && isWithin(real, directory))
      && !(SYSTEM_DIRECTORIES.some((directory) => isWithin(path, directory)))) {
      mounts.push({ guest: path, source: { kind: 'host', host: real } })
    }
  }
  for (const { host: outside, guest, writable } of options.mounts) {
    const real = host.realPath(absolute(cwdOutside, outside))
    if (real === undefined || !exists(host, real)) throw new WorldOptionError(`--mount ${outside}:${guest}: there is no ${outside} on this machine`)
    mounts.push({ guest: absolute('/', guest), source: { kind: writable ? 'host-rw' : 'host', host: real } })
  }
  return {
    program, argv: options.command, env: options.env, cwd, mounts, files, ...(options.attributes === undefined || options.attributes.length === 0 ? {} : { attributes: options.attributes }), hostname: HOSTNAME,
    cpus: options.cpus, ...(options.cpu === undefined ? {} : { cpu: options.cpu }), seed: options.seed, strategy: options.strategy, cpuHz: options.cpuHz, epochSeconds: options.epochSeconds,
    uid: options.uid, gid: options.gid, stdio: options.stdio, terminal: options.terminal, ...(options.pct === undefined ? {} : { pct: options.pct }),
    memoryLimit: options.memoryLimit, ...(options.memoryModel === undefined ? {} : { memoryModel: options.memoryModel }), cycleLimit: options.cycleLimit,
    ...(options.packets === true ? { packets: true } : {}),
  }
}
