/** retrograde replay: makes a recorded run again and checks every event of it. */
import chalk from 'chalk'
import { Command } from 'commander'
import { describeDivergence } from '../replay/describe.ts'
import { prefixOutput } from '../replay/host-output.ts'
import { startReplay } from '../replay/replay.ts'
import type { ReplayResult } from '../replay/session.ts'
import type { TraceHead } from '../trace/head.ts'
import { isMap } from '../trace/msgpack.ts'
import { TraceReader } from '../trace/reader.ts'
import { drive, millions } from './drive.ts'
import { explainEnd } from './end.ts'
import { printStatistics, withEngineOptions } from './stats.ts'
import { EXIT_DIVERGED, EXIT_FAILED, EXIT_FOUND } from './errors.ts'
import { regexps } from './options.ts'
import { reportRaces } from './races.ts'
import { buildVersion, codecs, type EngineFlags, loadEngine, openTraceFile, platform } from './host.ts'

/** Names of the hosts of a trace's world, none if there is one. */
const hostNames = ({ hosts }: TraceHead['world']): string[] =>
  Array.isArray(hosts) ? hosts.map((host) => isMap(host) && typeof host.name === 'string' ? host.name : '?') : []

interface ReplayFlags extends EngineFlags { readonly fromSeed: boolean, readonly quiet: boolean, readonly json: boolean, readonly output: boolean, readonly races: boolean, readonly ignore: readonly RegExp[], readonly atomics: readonly RegExp[] }

export const openReplay = (file: string, fromSeed: boolean, output?: (fd: 1 | 2, bytes: Uint8Array, host: number) => void, engine: EngineFlags = {}, trace = new TraceReader(openTraceFile(file), codecs)): ReturnType<typeof startReplay> =>
  startReplay({
    trace, engine: loadEngine(engine), clock: platform, codecs,
    mode: fromSeed ? 'from-seed' : 'drive', output, version: buildVersion(),
  })

const report = (result: ReplayResult): void => {
  if (result.truncated !== undefined) process.stderr.write(`retrograde: ${chalk.yellow(result.truncated)}\n`)
  if (result.divergence !== undefined) {
    process.stderr.write(`retrograde: ${chalk.red('diverged')} ${describeDivergence(result.divergence).join('\n')}\n`)
    return
  }
  if (reachedCut(result)) {
    process.stderr.write(chalk.dim(`retrograde: replayed ${result.events} events, all that the trace has, `) + chalk.green('equal')
      + chalk.dim(` (${result.checkpoints} checkpoints)\n`))
    return
  }
  explainEnd(result)
  if (result.outcome === 'failed') return
  process.stderr.write(chalk.dim(`retrograde: replayed ${result.events} events, state hash ${result.hash.slice(0, 16)} `) + chalk.green('equal')
    + chalk.dim(` (${result.checkpoints} checkpoints)\n`))
}

/** A recording that was cut short, replayed as far as it goes: that is a success, though the guest has no exit status yet. */
const reachedCut = ({ truncated, outcome }: ReplayResult): boolean => truncated !== undefined && outcome === 'interrupted'

const statusOf = (result: ReplayResult): number => {
  if (result.divergence !== undefined) return EXIT_DIVERGED
  if (reachedCut(result)) return 0
  return result.outcome === 'failed' ? EXIT_FAILED : result.exitCode
}

export const replayCommand = withEngineOptions(new Command('replay').description('replay a trace, checking every event and state hash; exit status 3 if it diverges'))
  .argument('<trace>', 'file that record wrote')
  .option('--from-seed', 'draw the scheduler\'s decisions from the seed again, in place of taking them from the trace', false)
  .option('--no-output', 'leave out what the guest writes')
  .option('--json', 'the result as JSON on stdout, without the guest\'s output', false)
  .option('-q, --quiet', 'say nothing unless it diverges', false)
  .option('--races', 'say which memory accesses race with each other; exit status 1 if there are any', false)
  .option('--ignore <regexp>', 'races with a function, file or line that matches are none', regexps, [])
  .option('--atomics <regexp>', 'objects that match are atomics, though they are only loaded and stored', regexps, [])
  .action(async (file: string, flags: ReplayFlags) => {
    const show = flags.output && !flags.json
    const trace = new TraceReader(openTraceFile(file), codecs)
    const output = prefixOutput(hostNames(trace.head.world), (fd, bytes) => platform.write(fd, bytes) === undefined ? 0 : -1)
    const session = openReplay(file, flags.fromSeed, show ? output.write : undefined, flags, trace)
    const started = performance.now()
    const result = await drive(session, {
      progress: ({ fraction, events, executed }) => `replaying ${fraction === undefined ? '' : `${Math.floor(fraction * 100)}% `}${events} events, ${millions(executed)} instructions`,
    })
    output.flush()
    if (flags.json) {
      const { divergence, outcome, exitCode, cycle, events, hash, checkpoints, truncated } = result
      process.stdout.write(`${JSON.stringify({ equal: divergence === undefined, outcome, exitCode, cycle, events, hash, checkpoints, truncated, divergence, statistics: flags.stats === true ? session.statistics() : undefined })}\n`)
    } else if (!flags.quiet || result.divergence !== undefined) {
      report(result)
    }
    if (flags.stats === true && !flags.json) printStatistics(session.statistics(), performance.now() - started)
    if (flags.races && result.divergence === undefined && result.outcome !== 'failed' && await reportRaces(file, flags, flags)) process.exit(EXIT_FOUND)
    process.exit(statusOf(result))
  })
