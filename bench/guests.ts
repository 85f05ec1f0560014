/** The guest programs: C sources in bench/guests, built into a cache folder with the host's compiler. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const SOURCES = join(import.meta.dirname, 'guests')
const CACHE = join(import.meta.dirname, '../node_modules/.cache/retrograde-bench')
export const QEMU = '/usr/bin/qemu-x86_64-static'

export interface Guest {
  readonly name: string
  /** Argument of the program for some 600 million instructions. */
  readonly repetitions: number
  /** Needs more of the kernel than the processor alone has. */
  readonly needsKernel?: boolean
}

export const GUESTS: readonly Guest[] = [
  { name: 'crc32', repetitions: 1200 },
  { name: 'integer', repetitions: 600 },
  { name: 'matrix', repetitions: 150 },
  { name: 'strings', repetitions: 24000 },
  { name: 'sha256', repetitions: 600 },
  { name: 'quicksort', repetitions: 180 },
  { name: 'nbody', repetitions: 1000 },
  { name: 'mandelbrot', repetitions: 200 },
  { name: 'hash', repetitions: 150 },
  { name: 'bytecode', repetitions: 200 },
  { name: 'syscalls', repetitions: 100, needsKernel: true },
  { name: 'pingpong', repetitions: 500, needsKernel: true },
]

const works = (command: string, ...args: string[]): boolean => spawnSync(command, args, { stdio: 'ignore' }).status === 0
const compiler = (): string | undefined => ['gcc', 'musl-gcc', 'cc'].find((name) => works(name, '--version'))

/** Path of the built program, undefined without a compiler. */
export const buildGuest = (name: string): string | undefined => {
  const source = join(SOURCES, `${name}.c`)
  const program = join(CACHE, name)
  if (existsSync(program) && statSync(program).mtimeMs > statSync(source).mtimeMs) return program
  const cc = compiler()
  if (cc === undefined) return undefined
  mkdirSync(CACHE, { recursive: true })
  const { status, stderr } = spawnSync(cc, ['-O2', '-static', '-o', program, source, '-lm', '-lpthread'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${cc} ${source}: ${stderr}`)
  return program
}

export const isNativePossible = process.arch === 'x64' && process.platform === 'linux'
export const hasQemu = existsSync(QEMU)

export interface Times { readonly processor: number, readonly wall: number }

/** Seconds of a command, of all its threads on a processor (the machine may have other work to do) and by the clock on the wall; throws if it fails. */
export const timesOf = (command: string, args: readonly string[]): Times => {
  const { status, signal, stderr } = spawnSync('bash', ['-c', 'TIMEFORMAT="%U %S %R"; time "$@"', 'bash', command, ...args],
    { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', maxBuffer: 1 << 28 })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: status ${status ?? signal ?? '?'}\n${stderr}`)
  const [user, system, wall] = (stderr.trim().split('\n').at(-1) ?? '').split(' ').map(Number)
  return { processor: user + system, wall }
}
export const secondsOf = (command: string, args: readonly string[]): number => timesOf(command, args).processor
export const bestOf = (count: number, measure: () => number): number => Math.min(...Array.from({ length: count }, measure))

/** Seconds that the guest's work takes, starting the process not counted. It is made long enough to be measured. */
const workSeconds = (command: string, before: readonly string[], repetitions: number): number => {
  const idle = bestOf(5, () => secondsOf(command, [...before, '0']))
  for (let factor = 1; ; factor *= 4) {
    const busy = bestOf(2, () => secondsOf(command, [...before, String(repetitions * factor)])) - idle
    if (busy > 0.25) return bestOf(2, () => secondsOf(command, [...before, String(repetitions * factor)]) - idle) / factor
  }
}
export const nativeSeconds = (program: string, repetitions: number): number => workSeconds(program, [], repetitions)
export const qemuSeconds = (program: string, repetitions: number): number => workSeconds(QEMU, [program], repetitions)
