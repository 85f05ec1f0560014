/**
 * Runs a guest over the host's files without recording: for tests of the kernel, and by hand:
 *   node_modules/.bin/node test/support/run-guest.ts [--trace] [--cpus N] [--seed S] [--strategy random|round-robin] program args…
 */
import { fileURLToPath } from 'node:url'
import * as fs from 'node:fs'
import { join } from 'node:path'
import type { Tier0Manifest } from '../../src/emu/interp/generate.ts'
import { Interpreter } from '../../src/emu/interp/interpreter.ts'
import { PhysicalMemory } from '../../src/emu/memory.ts'
import { ERRNO } from '../../src/kernel/abi/errno.ts'
import type { WorldConfig } from '../../src/kernel/config.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import type { HostConsole, HostDirent, HostFiles, HostStat, Observer, Outside } from '../../src/kernel/outside.ts'
import { SYSCALLS } from '../../src/kernel/syscalls/table.ts'
import { mountsOf } from '../../src/kernel/hosts.ts'
import { packetText } from '../../src/replay/packet-text.ts'
import { createWorld, provideInput, runWorld, skipToDeadline, type WorldStop } from '../../src/kernel/world.ts'

const dist = process.env.RETROGRADE_DIST ?? join(import.meta.dirname, '..', '..', 'dist')

let tier0: { module: WebAssembly.Module, manifest: Tier0Manifest } | undefined
const loadTier0 = (): NonNullable<typeof tier0> => {
  tier0 ??= {
    module: new WebAssembly.Module(fs.readFileSync(join(dist, 'tier0.wasm'))),
    manifest: JSON.parse(fs.readFileSync(join(dist, 'tier0.json'), 'utf8')) as Tier0Manifest,
  }
  return tier0
}

/** xorshift over a hash of the seed: tests need no better. */
export const seededBits = (seed: string): (() => number) => {
  let state = 0x9e37_79b9
  for (const char of seed) state = Math.imul(state ^ char.charCodeAt(0), 0x0100_0193) >>> 0
  state ||= 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

const errno = (error: unknown): number => -(ERRNO[(error as { code?: keyof typeof ERRNO }).code ?? 'EIO'])
const attempt = <T>(operation: () => T): T | number => {
  try {
    return operation()
  } catch (error) {
    return errno(error)
  }
}
const time = (ns: bigint): readonly [number, number] => [Number(ns / 1_000_000_000n), Number(ns % 1_000_000_000n)]
const TYPES = [['isFile', 8], ['isDirectory', 4], ['isSymbolicLink', 10], ['isCharacterDevice', 2], ['isBlockDevice', 6], ['isFIFO', 1], ['isSocket', 12]] as const

const hostFiles = (mounts: readonly string[]): HostFiles => {
  const at = (mount: number, path: string): Buffer => Buffer.from(path === '' ? mounts[mount] : `${mounts[mount] === '/' ? '' : mounts[mount]}/${path}`, 'latin1')
  return {
    lstat: (mount, path) => attempt((): HostStat => {
      const s = fs.lstatSync(at(mount, path), { bigint: true })
      return {
        dev: Number(s.dev), ino: Number(s.ino), mode: Number(s.mode), nlink: Number(s.nlink), uid: Number(s.uid), gid: Number(s.gid),
        rdev: Number(s.rdev), size: Number(s.size), blocks: Number(s.blocks), atime: time(s.atimeNs), mtime: time(s.mtimeNs), ctime: time(s.ctimeNs),
      }
    }),
    readdir: (mount, path) => attempt(() => fs.readdirSync(at(mount, path), { withFileTypes: true, encoding: 'buffer' }).map((entry): HostDirent => ({
      name: entry.name.toString('latin1'), type: TYPES.find(([method]) => entry[method]())?.[1] ?? 0,
    })).sort((a, b) => a.name < b.name ? -1 : 1)),
    readlink: (mount, path) => attempt(() => fs.readlinkSync(at(mount, path), 'latin1')),
    readFile: (mount, path) => attempt(() => new Uint8Array(fs.readFileSync(at(mount, path)))),
  }
}

export interface GuestOptions {
  readonly argv?: readonly string[]
  readonly env?: readonly string[]
  readonly input?: string | Uint8Array
  /** In place of `input`: what is typed when (virtual seconds; at once if nothing else can happen). */
  readonly typed?: readonly (readonly [seconds: number, text: string])[]
  readonly cwd?: string
  /** Made in the world before it starts. */
  readonly files?: WorldConfig['files']
  readonly seed?: string
  readonly cpus?: number
  readonly cpu?: WorldConfig['cpu']
  readonly strategy?: WorldConfig['strategy']
  readonly uid?: number
  readonly memoryLimit?: number
  readonly cycleLimit?: number
  readonly cpuHz?: number
  readonly stdio?: WorldConfig['stdio']
  /** In place of `argv`: several hosts over the same files; what each prints is in `outputs`. */
  readonly hosts?: readonly { readonly name: string, readonly argv: readonly string[], readonly main?: boolean }[]
  readonly links?: WorldConfig['links']
  readonly packets?: boolean
  readonly onPacket?: (text: string, name: string, frame: Uint8Array, cycle: number) => void
  /** Called with each thing that the observer is told, as a line. */
  readonly trace?: (line: string) => void
  readonly onOutput?: (fd: 1 | 2, bytes: Uint8Array) => void
}

export interface GuestResult {
  readonly stop: WorldStop
  /** Exit code, or 128 + signal. −1 if the world did not end. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** Standard output by host. */
  readonly outputs: readonly string[]
  readonly cycles: number
  readonly kernel: Kernel
}

const observer = (trace: (line: string) => void): Observer => ({
  onSlice: (cycle, cpu, tid, budget) => { trace(`${cycle} cpu${cpu} ${tid} slice ${budget}`) },
  onSyscall: (cycle, tid, number, args, result, started) => {
    const entry = SYSCALLS[number]
    const count = entry?.args.length ?? 6
    trace(`${cycle} ${tid} ${entry?.name ?? number}(${Array.from(args).slice(0, count).map((a) => a > 4095 || a < -4095 ? `0x${(a < 0 ? a + 2 ** 64 : a).toString(16)}` : String(a)).join(', ')}) = ${result} [${started}]`)
  },
  onSignal: (cycle, tid, signal, code, action) => { trace(`${cycle} ${tid} signal ${signal} code ${code} ${action}`) },
  onTaskStart: (cycle, tid, parent, tgid) => { trace(`${cycle} ${tid} starts, parent ${parent}, group ${tgid}`) },
  onTaskExit: (cycle, tid, status) => { trace(`${cycle} ${tid} exits ${status}`) },
  onExec: (cycle, tid, path) => { trace(`${cycle} ${tid} exec ${path}`) },
  onUnknownSyscall: (cycle, tid, number) => { trace(`${cycle} ${tid} unknown system call ${number}`) },
})

const packetObserver = (tell: NonNullable<GuestOptions['onPacket']>): Pick<Observer, 'onInterface' | 'onPacket'> => {
  const names = new Map<number, string>()
  return {
    onInterface: (_cycle, number, name) => { names.set(number, name) },
    onPacket: (cycle, number, fate, _packet, frame) => { if (fate === 'sent' && frame !== undefined) tell(packetText(frame), names.get(number) ?? '', frame, cycle) },
  }
}

const nothing = (): void => {}
const SILENT: Observer = {
  onSlice: nothing, onSyscall: nothing, onSignal: nothing, onTaskStart: nothing, onTaskExit: nothing, onExec: nothing, onUnknownSyscall: nothing,
}

export const defaultEnvironment = ['PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', 'HOME=/tmp', 'LANG=C', 'USER=root']

const checkout = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/** A world made but not run, and what it will print. */
interface GuestWorld {
  readonly kernel: Kernel
  readonly output: readonly [string[], string[]]
  readonly outputs: readonly string[][]
  /** When the world waits for input: gives it some, or lets time pass. @returns false if it would wait forever */
  readonly feed: (deadline: number) => boolean
}

export const makeGuestWorld = (options: GuestOptions): GuestWorld => {
  const { module, manifest } = loadTier0()
  const mounts: WorldConfig['mounts'] = [
    { guest: '/', source: { kind: 'host', host: '/' } }, { guest: '/proc', source: { kind: 'proc' } },
    { guest: '/dev', source: { kind: 'dev' } }, { guest: '/tmp', source: { kind: 'tmpfs' } },
    // A checkout below /tmp would be hidden.
    { guest: checkout, source: { kind: 'host', host: checkout } },
  ]
  const config: WorldConfig = {
    program: options.argv?.[0] ?? '', argv: options.argv ?? [], env: options.env ?? defaultEnvironment, cwd: options.cwd ?? '/', mounts, files: options.files ?? [],
    hostname: 'guest', cpus: options.cpus ?? 2, ...options.cpu === undefined ? {} : { cpu: options.cpu }, seed: options.seed ?? '1', strategy: options.strategy ?? 'random', cpuHz: options.cpuHz ?? 1e9,
    epochSeconds: 1_700_000_000, uid: options.uid ?? 0, gid: options.uid ?? 0, stdio: options.stdio ?? ['pipe', 'pipe', 'pipe'],
    terminal: { rows: 25, columns: 80 }, memoryLimit: options.memoryLimit ?? 1 << 30, cycleLimit: options.cycleLimit ?? 20e9,
    ...(options.links === undefined ? {} : { links: options.links }), ...(options.packets === true ? { packets: true } : {}),
    ...(options.hosts === undefined ? {} : { cpus: options.hosts.length, hosts: options.hosts.map(({ name, argv, main }) => ({
      name, cpus: 1, program: argv[0], argv, env: options.env ?? defaultEnvironment, cwd: '/', uid: 0, gid: 0, mounts, files: options.files ?? [], ...(main === undefined ? {} : { main }),
    })) }),
  }
  const bits = seededBits(config.seed)
  const typed = [...options.typed ?? []]
  const world: { kernel?: Kernel } = {}
  const now = (): number => world.kernel?.now ?? 0
  const output: [string[], string[]] = [[], []]
  const outputs = (options.hosts ?? [0]).map((): string[] => [])
  let input = typeof options.input === 'string' ? Buffer.from(options.input) : options.input ?? new Uint8Array(0)
  const console: HostConsole = {
    write: (fd, bytes, host) => {
      if (fd === 1) outputs[host].push(Buffer.from(bytes).toString('latin1'))
      output[fd - 1].push(Buffer.from(bytes).toString('latin1'))
      options.onOutput?.(fd, bytes)
      return 0
    },
    read: (max) => {
      if (options.typed !== undefined) {
        const next = typed[0]
        if (next === undefined || next[0] * config.cpuHz > now()) return undefined
        typed.shift()
        return Uint8Array.from(Buffer.from(next[1]))
      }
      const bytes = input.subarray(0, max)
      input = input.subarray(bytes.length)
      return new Uint8Array(bytes)
    },
    setRaw: nothing,
  }
  const outside: Outside = {
    entropy: {
      decide: (_kind, bound) => bits() % bound,
      randomBytes: (count) => Uint8Array.from({ length: count }, () => bits() >>> 11),
    },
    files: hostFiles(mountsOf(config).map(({ source }) => 'host' in source ? source.host : '')),
    console, observer: { ...(options.trace === undefined ? SILENT : observer(options.trace)), ...(options.onPacket === undefined ? {} : packetObserver(options.onPacket)) },
  }
  const memory = new PhysicalMemory(config.memoryLimit)
  const kernel = world.kernel = createWorld(config, memory, new Interpreter(memory, module, manifest), outside)
  const feed = (deadline: number): boolean => {
    if (options.typed !== undefined) {
      const next = typed.shift()
      if (next === undefined && deadline === Infinity) return false
      if (next === undefined) skipToDeadline(kernel)
      else provideInput(kernel, Uint8Array.from(Buffer.from(next[1])))
    } else if (input.length > 0 || deadline === Infinity) provideInput(kernel, console.read(4096) ?? new Uint8Array(0))
    else skipToDeadline(kernel)
    return true
  }
  return { kernel, output, outputs, feed }
}

export const runGuest = (options: GuestOptions): GuestResult => {
  const { kernel, output, outputs, feed } = makeGuestWorld(options)
  let stop: WorldStop
  for (;;) {
    stop = runWorld(kernel, 1000)
    if (stop.reason === 'input' ? !feed(stop.deadline) : stop.reason !== 'running') break
  }
  const status = stop.reason === 'exited' ? stop.status : undefined
  return {
    stop, stdout: output[0].join(''), stderr: output[1].join(''), outputs: outputs.map((parts) => parts.join('')), cycles: kernel.now, kernel,
    code: status === undefined ? -1 : (status & 0x7f) === 0 ? status >> 8 : 128 + (status & 0x7f),
  }
}

if (import.meta.main) {
  const args = process.argv.slice(2)
  const options: Record<string, string> = {}
  while (args[0]?.startsWith('--')) {
    const name = (args.shift() as string).slice(2)
    options[name] = name === 'trace' || name === 'time' || name === 'tty' ? 'yes' : args.shift() ?? ''
  }
  const started = performance.now()
  // --type '0.1:text|0.5:more' types into a terminal.
  const typed = options.type?.split('|').map((part): [number, string] => {
    const [, at, text] = /^([\d.]+):(.*)$/s.exec(part) ?? []
    return [Number(at), JSON.parse(`"${text}"`) as string]
  })
  const input = typed !== undefined || process.stdin.isTTY ? new Uint8Array(0) : fs.readFileSync(0)
  const result = runGuest({
    argv: args, input, typed, cwd: options.cwd ?? process.cwd(), seed: options.seed, cpus: Number(options.cpus ?? 2), env: options.env === undefined ? undefined : [...defaultEnvironment, options.env],
    strategy: options.strategy as WorldConfig['strategy'] | undefined, stdio: options.tty === undefined ? undefined : ['tty', 'tty', 'tty'],
    cycleLimit: Number(options.limit ?? 100e9),
    trace: options.trace === undefined ? undefined : (line) => { fs.writeSync(2, `${line}\n`) },
    onOutput: (fd, bytes) => { fs.writeSync(fd, bytes) },
  })
  if (options.time !== undefined) fs.writeSync(2, `${result.stop.reason} ${result.code}, ${(result.cycles / 1e6).toFixed(1)} M cycles, ${Math.round(performance.now() - started)} ms\n`)
  if (result.stop.reason !== 'exited') fs.writeSync(2, `stopped: ${result.stop.reason}\n`)
  process.exitCode = result.code < 0 ? 125 : result.code
}
