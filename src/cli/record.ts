/** retrograde record: runs a program and writes a trace. */
import chalk from 'chalk'
import { Command } from 'commander'
import { startRecording } from '../replay/record.ts'
import { bytesText, drive } from './drive.ts'
import { explainEnd, finishMounts } from './end.ts'
import { EXIT_FOUND } from './errors.ts'
import { codecs, createTraceFile, type EngineFlags, makeSessionHost, platform, buildVersion } from './host.ts'
import { prepareWorld, regexps, withWorldOptions, type WorldFlags } from './options.ts'
import { printStatistics, withEngineOptions } from './stats.ts'

interface RecordFlags extends WorldFlags, EngineFlags { readonly output: string, readonly quiet: boolean, readonly races: boolean, readonly ignore: readonly RegExp[], readonly atomics: readonly RegExp[] }

export const recordCommand = withEngineOptions(withWorldOptions(new Command('record').description('run a program and record it to a trace')))
  .option('-o, --output <file>', 'the trace to write', 'out.rgt')
  .option('-q, --quiet', 'say nothing at the end', false)
  .option('--races', 'say which memory accesses race with each other, by replaying the trace; exit status 1 if there are any', false)
  .option('--ignore <regexp>', 'races with a function, file or line that matches are none', regexps, [])
  .option('--atomics <regexp>', 'objects that match are atomics, though they are only loaded and stored', regexps, [])
  .action(async (program: string | undefined, args: string[], flags: RecordFlags) => {
    const { config, files } = await prepareWorld(platform, program === undefined ? [] : [program, ...args], flags)
    const session = startRecording({
      world: config, host: makeSessionHost(files, flags.stdin, flags), codecs, version: buildVersion(),
      openTrace: () => createTraceFile(flags.output),
    })
    const started = platform.wallTimeMs()
    const result = await drive(session)
    explainEnd(result)
    finishMounts(session, result)
    if (!flags.quiet) {
      process.stderr.write(chalk.dim(`retrograde: recorded ${result.events} events to ${flags.output} `
        + `(${bytesText(result.traceBytes)}, seed ${config.seed}, state hash ${result.hash.slice(0, 16)})\n`))
    }
    if (flags.stats === true) printStatistics(session.statistics(), platform.wallTimeMs() - started)
    if (flags.races && result.outcome !== 'failed') {
      const { reportRaces } = await import('./races.ts')
      if (await reportRaces(flags.output, flags, flags)) process.exit(EXIT_FOUND)
    }
    process.exit(result.exitCode)
  })
