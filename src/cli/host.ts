/** What sessions need of this host, made from the platform. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import type { Tier0Manifest } from '../emu/interp/generate.ts'
import { tierOptions } from '../emu/jit/jit.ts'
import { ERRNO, type ErrnoName } from '../kernel/abi/errno.ts'
import type { HostFiles } from '../kernel/outside.ts'
import { NodePlatform } from '../platform/node.ts'
import type { Engine, SessionConsole, SessionHost } from '../replay/session.ts'
import { provideUnpack } from '../replay/symbols/modules.ts'
import { UsageError } from './errors.ts'

export { traceCodecs as codecs, createTraceFile, openTraceFile } from '../platform/trace-files.ts'

export const platform = new NodePlatform()
provideUnpack((format, bytes, size) => format === 'zlib' ? platform.inflate(bytes, size) : platform.zstdDecompress(bytes, size))

/** What the shell gives as UTF-8 travels as latin1, one code unit a byte. */
export const toByteString = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

/** dist/, whether this runs bundled from there or as source. */
const findRoot = (): string => {
  let directory = dirname(fileURLToPath(import.meta.url))
  for (;;) {
    try {
      const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as { name?: string }
      if (manifest.name === 'retrograde') return directory
    } catch { /* not here */ }
    const parent = dirname(directory)
    if (parent === directory) throw new UsageError('package.json of Retrograde was not found above its program: the installation is incomplete')
    directory = parent
  }
}
export const root = findRoot()
export const VERSION = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version

/** Version and build: traces say which one recorded them. From source there is no build. */
export const buildVersion = (): string => {
  const isSource = import.meta.url.endsWith('.ts')
  return `${VERSION}+${isSource ? 'source' : readFileSync(join(root, 'dist/build-id'), 'utf8')}`
}

/** The processor as `npm run build` left it. */
export interface EngineFlags {
  /** As `tierOptions` has it; by default what RETROGRADE_TIER says, or mixed. */
  readonly tier?: string
  /** Measure what the processor does. */
  readonly stats?: boolean
}
/**
 * Calls of a JavaScript function after which V8's TurboFan makes code of it. Maglev's code does for what is called less: compiling took 5 to 10 %
 * of programs that end within half a second, and 5 % still of those that end within seconds when it came after V8's own 3,000 calls.
 */
const SHORT_RUN_CALLS = 100_000, LONG_RUN_CALLS = 20_000
const optimizeAfter = (calls: number): void => {
  if (process.versions.node.startsWith('24.')) setFlagsFromString(`--invocation-count-for-turbofan=${calls}`)
}
/** The program has run for a while: from here on optimized code pays. */
export const isLongRun = (): void => { optimizeAfter(LONG_RUN_CALLS) }

export const loadEngine = ({ tier = process.env.RETROGRADE_TIER, stats = false }: EngineFlags = {}): Engine => {
  try {
    const bytes = readFileSync(join(root, 'dist/tier0.wasm'))
    const manifest = JSON.parse(readFileSync(join(root, 'dist/tier0.json'), 'utf8')) as Tier0Manifest
    // V8 13 takes branch hints, which tier 1 gives for what hardly ever happens, only if it is told to.
    if (process.versions.node.startsWith('24.')) setFlagsFromString('--experimental-wasm-branch-hinting')
    optimizeAfter(SHORT_RUN_CALLS)
    // V8 gives a module's functions what this says when it makes it. Programs that end at once then do without the optimized interpreter.
    setFlagsFromString('--wasm-tiering-budget=2147483647')
    const module = new WebAssembly.Module(bytes)
    setFlagsFromString('--wasm-tiering-budget=13000000')
    return { module, manifest, tier: tierOptions(tier), stopwatch: stats ? (): number => performance.now() : undefined }
  } catch (error) {
    throw new UsageError(`the processor could not be loaded: ${(error as Error).message}. Run 'npm run build' in ${root}`)
  }
}

/** Standard input, and each change of the terminal's size when it is asked for next. */
const terminalInput = (): SessionConsole['readInput'] => {
  if (!platform.isTerminal(0)) return (max, timeoutMs) => platform.readInput(max, timeoutMs)
  let told = platform.terminalSize()
  return (max, timeoutMs) => {
    const size = platform.terminalSize()
    if (size.rows === told.rows && size.columns === told.columns) return platform.readInput(max, timeoutMs)
    told = size
    return size
  }
}

const hostConsole = (stdin: string | undefined): SessionConsole => {
  const write = (fd: 1 | 2, bytes: Uint8Array): number => {
    const problem = platform.write(fd, bytes)
    return problem === undefined ? 0 : -(ERRNO[problem.error as ErrnoName] ?? ERRNO.EIO)
  }
  const setRaw = (raw: boolean): void => { platform.setRaw(raw) }
  if (stdin === undefined) return { write, setRaw, readInput: terminalInput() }
  const bytes = platform.readFile(toByteString(stdin))
  if (!(bytes instanceof Uint8Array)) throw new UsageError(`--stdin ${stdin}: ${bytes.error}`)
  let at = 0
  return { write, setRaw, readInput: (max) => bytes.subarray(at, at += Math.min(max, bytes.length - at)) }
}

export const makeSessionHost = (files: HostFiles, stdin: string | undefined, engine: EngineFlags = {}): SessionHost =>
  ({
    engine: loadEngine(engine), files, console: hostConsole(stdin), wallTimeMs: () => platform.wallTimeMs(),
    onUnknownSyscall: (number) => { process.stderr.write(`retrograde: unknown system call ${number}: answered ENOSYS\n`) },
  })
