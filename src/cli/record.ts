/** retrograde record: runs a program and writes a trace. */
import chalk from 'chalk'
import { Command } from 'commander'
import { startRecording } from '../replay/record.ts'
import { bytesText, drive } from './drive.ts'
import { explainEnd, finishMounts } from './end.ts'
import { codecs, createTraceFile, type EngineFlags, makeSessionHost, platform, buildVersion } from './host.ts'
import { prepareWorld, withWorldOptions, type WorldFlags } from './options.ts'
import { printStatistics, withEngineOptions } from './stats.ts'

interface RecordFlags extends WorldFlags, EngineFlags { readonly output: string, readonly quiet: boolean }

export const recordCommand = withEngineOptions(withWorldOptions(new Command('record').description('run a program and record it to a trace')))
  .option('-o, --output <file>', 'the trace to write', 'out.rgt')
  .option('-q, --quiet', 'say nothing at the end', false)
  .action(async (program: string, args: string[], flags: RecordFlags) => {
    const { config, files } = await prepareWorld(platform, [program, ...args], flags)
    const session = startRecording({
      world: config, host: makeSessionHost(files, flags.stdin, flags), codecs, version: buildVersion(),
      openTrace: () => createTraceFile(flags.output),
    })
    const started = performance.now()
    const result = await drive(session)
    explainEnd(result)
    finishMounts(session, result)
    if (!flags.quiet) {
      process.stderr.write(chalk.dim(`retrograde: recorded ${result.events} events to ${flags.output} `
        + `(${bytesText(result.traceBytes)}, seed ${config.seed}, state hash ${result.hash.slice(0, 16)})\n`))
    }
    if (flags.stats === true) printStatistics(session.statistics(), performance.now() - started)
    process.exit(result.exitCode)
  })
