/** retrograde run: runs a program, records nothing. */
import { Command } from 'commander'
import { startRun } from '../replay/run.ts'
import { drive } from './drive.ts'
import { explainEnd, finishMounts } from './end.ts'
import { type EngineFlags, makeSessionHost, platform } from './host.ts'
import { prepareWorld, withWorldOptions, type WorldFlags } from './options.ts'
import { printStatistics, withEngineOptions } from './stats.ts'

export const runCommand = withEngineOptions(withWorldOptions(new Command('run').description('run a program; its exit status is passed through')))
  .action(async (program: string | undefined, args: string[], flags: WorldFlags & EngineFlags) => {
    const { config, files } = await prepareWorld(platform, program === undefined ? [] : [program, ...args], flags)
    const session = startRun({ world: config, host: makeSessionHost(files, flags.stdin, flags) })
    const started = platform.wallTimeMs()
    const result = await drive(session)
    explainEnd(result)
    finishMounts(session, result)
    if (flags.stats === true) printStatistics(session.statistics(), platform.wallTimeMs() - started)
    process.exit(result.exitCode)
  })
