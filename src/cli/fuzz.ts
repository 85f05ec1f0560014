/** retrograde fuzz: sequences of system calls as properties, shrunk to the smallest that fails; with --guided the input of a program (fuzz-guided.ts). */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import chalk from 'chalk'
import { Command, InvalidArgumentError } from 'commander'
import * as fc from 'fast-check'
import { NativeFuzzer } from '../platform/native-fuzz.ts'
import { arbitraryProgram } from '../replay/fuzz/arbitraries.ts'
import { FUZZED } from '../replay/fuzz/calls.ts'
import { disagreement, type FuzzPropertyFunction } from '../replay/fuzz/oracle.ts'
import { encodeFuzzProgram, type FuzzProgram, PROCESSES } from '../replay/fuzz/program.ts'
import { FuzzRunner, type FuzzWorld } from '../replay/fuzz/run.ts'
import { callText, fuzzProgramToC } from '../replay/fuzz/source.ts'
import { duration } from './duration.ts'
import { EXIT_FOUND, UsageError } from './errors.ts'
import { checkOutputDirectory, loadUserFile } from './files.ts'
import { buildVersion, codecs, loadEngine, platform, root } from './host.ts'
import { faultKinds, fuzzGuided, type GuidedFlags, inputKind } from './fuzz-guided.ts'
import { parseFailOn } from './explore-setup.ts'
import { integer, quantity, regexp, withWorldOptions } from './options.ts'

interface FuzzFlags extends GuidedFlags {
  readonly guided: boolean
  readonly oracle: string
  readonly path: string | undefined
  readonly only: readonly string[] | undefined
  readonly length: number
  readonly processes: number
}

const SEQUENCES = 1000
const SHOW_EVERY_MS = 200
const NOBODY = 65534

/** Why a sequence fails; undefined if it does not. */
type Judge = (program: FuzzProgram) => string | undefined

interface Oracle {
  /** Only calls that Linux and a world must agree on, in one order. */
  readonly safe: boolean
  readonly judge: Judge
  close(): void
}

const world = (uid: number): FuzzWorld => ({ seed: '1', cpus: 2, strategy: 'random', uid })

const nothing = (): void => { /* nothing is open */ }

const linuxOracle = (runner: FuzzRunner, guest: Uint8Array): Oracle => {
  let native: NativeFuzzer
  try {
    native = new NativeFuzzer(guest)
  } catch (error) {
    throw new UsageError(`--oracle linux: ${(error as Error).message}`)
  }
  return {
    safe: true,
    judge: (program) => {
      const here = runner.run(program, world(native.uid))
      if (here.broken !== undefined) return here.broken
      const linux = native.run(encodeFuzzProgram(program))
      return disagreement(program, here.lines, linux.lines) ?? (here.exitCode === linux.exitCode ? undefined : `Linux ends with ${linux.exitCode}, Retrograde with ${here.exitCode}`)
    },
    close: () => { native.close() },
  }
}

const internalOracle = (runner: FuzzRunner): Oracle => ({ safe: false, judge: (program) => runner.verify(program, world(0)).broken, close: nothing })

const propertyOracle = async (runner: FuzzRunner, file: string): Promise<Oracle> => {
  if (!existsSync(file)) throw new UsageError(`--oracle ${file}: it is neither 'internal' nor 'linux', and there is no such file`)
  const it = await loadUserFile(file, '--oracle')
  if (typeof it !== 'function') throw new UsageError(`--oracle ${file}: it has no function as its default export`)
  const property = it as FuzzPropertyFunction
  return {
    safe: false,
    judge: (program) => {
      const outcome = runner.run(program, world(0))
      if (outcome.broken !== undefined) return outcome.broken
      try {
        return property({ ...outcome, program }) === false ? 'the property does not hold' : undefined
      } catch (error) {
        return `the property does not hold: ${(error as Error).message}`
      }
    },
    close: nothing,
  }
}

/** What can be made again of what failed: C source that runs natively, and a trace. */
const keep = (output: string, program: FuzzProgram, runner: FuzzRunner): { readonly source: string, readonly trace: string } => {
  mkdirSync(output, { recursive: true })
  const source = join(output, 'failure.c'), trace = join(output, 'failure.rgt')
  writeFileSync(source, fuzzProgramToC(program))
  writeFileSync(trace, runner.record(program, world(process.getuid?.() === 0 ? NOBODY : process.getuid?.() ?? NOBODY)).trace)
  return { source, trace }
}

const names = (text: string): string[] => text.split(',').map((name) => {
  if (!FUZZED.some((call) => call.name === name)) throw new InvalidArgumentError(`no system call that can be fuzzed is called '${name}'.`)
  return name
})

/** fast-check's seeds are numbers. */
const sequenceSeed = (text: string | undefined): number => {
  if (text === undefined) return parseInt(platform.freshSeed().slice(0, 6), 36) % 0x7fff_ffff
  const seed = Number(text)
  if (!Number.isInteger(seed) || Math.abs(seed) > 0x8000_0000) throw new UsageError(`--seed ${text}: without --guided it must be an integer of 32 bits`)
  return seed
}

const action = async (program: string | undefined, args: string[], flags: FuzzFlags): Promise<void> => {
  if (flags.guided) process.exit(await fuzzGuided(program, args, flags))
  if (program !== undefined) throw new UsageError(`retrograde fuzz ${program}: sequences of system calls are made by a program of Retrograde's own; --guided fuzzes another program's input`)
  await fuzzCalls(flags)
}

const fuzzCalls = async (flags: FuzzFlags): Promise<void> => {
  checkOutputDirectory('-o', flags.output)
  const guest = readFileSync(join(root, 'guests/bin/fuzz-run'))
  const runner = new FuzzRunner({ engine: { ...loadEngine(), tier: undefined }, clock: platform, codecs, guest, version: buildVersion() })
  const oracle = flags.oracle === 'internal' ? internalOracle(runner) : flags.oracle === 'linux' ? linuxOracle(runner, guest) : await propertyOracle(runner, flags.oracle)
  const started = performance.now()
  const seed = sequenceSeed(flags.seed)
  let runs = 0, shown = started, found = false
  const shows = process.stderr.isTTY
  try {
    const result = fc.check(fc.property(arbitraryProgram({ safe: oracle.safe, ordered: oracle.safe, only: flags.only, maxLength: flags.length, processes: flags.processes }), (program) => {
      runs++
      if (shows && performance.now() - shown > SHOW_EVERY_MS) {
        shown = performance.now()
        process.stderr.write(`\r\x1b[K${chalk.dim(`${runs} sequences, ${(runs * 1000 / (shown - started)).toFixed(0)} a second${found ? ', shrinking' : ''}`)}`)
      }
      const why = oracle.judge(program)
      if (why === undefined) return
      found = true
      throw new Error(why)
    }), { seed, path: flags.path, numRuns: flags.number ?? SEQUENCES, interruptAfterTimeLimit: flags.time })
    if (shows) process.stderr.write('\r\x1b[K')
    const seconds = (performance.now() - started) / 1000
    const report = { oracle: flags.oracle, sequences: runs, seconds, seed: result.seed, failed: result.failed && result.counterexample !== null }
    if (!report.failed || result.counterexample === null) {
      process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : `${chalk.green('clean')}: ${runs} sequences of system calls in ${seconds.toFixed(1)} s, seed ${result.seed}\n`)
      return
    }
    const [program] = result.counterexample
    const why = oracle.judge(program) ?? 'it fails no longer: what it depends on is outside of the world'
    const kept = keep(flags.output, program, runner)
    process.exitCode = EXIT_FOUND
    process.stdout.write(flags.json ? `${JSON.stringify({ ...report, path: result.counterexamplePath, shrinks: result.numShrinks, why, program, ...kept })}\n` : [
      `${chalk.red('fails')} after ${runs} sequences, shrunk ${result.numShrinks} times: ${why}`, '', ...program.calls.map((call, i) => `  ${String(i).padStart(2)} ${callText(call)}`), '',
      `  again:    retrograde fuzz --oracle ${flags.oracle} --seed ${result.seed} --path ${result.counterexamplePath ?? ''}${flags.only === undefined ? '' : ` --only ${flags.only.join(',')}`} --length ${flags.length} --processes ${flags.processes}`,
      `  natively: ${kept.source}`, `  trace:    retrograde show ${kept.trace}`, '',
    ].join('\n'))
  } finally {
    oracle.close()
  }
}

export const fuzzCommand = withWorldOptions(new Command('fuzz')
  .description('make sequences of system calls at random until one fails, and shrink it; with --guided, inputs of a program, guided by its coverage. Exit status 1 if one was found, 0 if none, 125 if Retrograde failed')
  .option('-n, --number <n>', `sequences or executions at most (default: ${SEQUENCES}; 100000 with --guided)`, integer(1, 1e9))
  .option('--time <time>', 'stop after this time: 60s, 5m', duration)
  .option('-o, --output <dir>', 'where what failed goes', 'fuzz')
  .option('--json', 'the result as JSON', false)
  .optionsGroup('A program\'s input:')
  .option('--guided', 'fuzz PROGRAM: retrograde fuzz --guided -- PROGRAM ARGS, of which @@ stands for a file with the input', false)
  .option('--input <kind>', 'how the program gets its input: stdin, file (@@ is its path), argv (@@ is the input itself), or a server over loopback, tcp:PORT or udp:PORT (default: file if there is an @@, else stdin)', inputKind)
  .option('--corpus <dir>', 'inputs to begin with; those that take the program elsewhere are added')
  .option('--dictionary <file>', 'words that inputs may have, as AFL has them: name="text"')
  .option('--faults <kinds>', 'what system calls may meet, too: short,eintr,enomem,enospc,eio,clone', faultKinds, [])
  .option('--schedules', 'change the schedule, too, where there is something to choose', false)
  .option('--fail-on <kinds>', 'what a failure is, as for explore (default: signal,hang,deadlock)', parseFailOn)
  .option('--keep-going', 'go on after a failure; those at one place are counted together', false)
  .option('--cover <regexp>', 'files of the guest whose code guides (default: all but C libraries)', regexp)
  .option('--max-length <bytes>', 'inputs are no longer', quantity(1, 1 << 24), 1 << 16)
  .option('--blind', 'without guidance, to compare with', false)
  .optionsGroup('Sequences of system calls:')
  .option('--oracle <name|file.ts>', 'what must hold: \'internal\' (no failure of Retrograde, replays are equal), \'linux\' (the same answers as this host\'s Linux), or a file whose default export is a property', 'internal')
  .option('--path <path>', 'of a failure that was printed: begin there')
  .option('--only <calls>', 'only these system calls: read,write,pipe2', names)
  .option('--length <n>', 'calls in a sequence at most', integer(1, 1000), 40)
  .option('--processes <n>', 'processes at most', integer(1, PROCESSES), PROCESSES)
  .optionsGroup('The world (with --guided):'))
  .action(action)
