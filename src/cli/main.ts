/** The command line: one file a subcommand. */
import { Command, CommanderError } from 'commander'
import { WorldOptionError } from '../replay/default-world.ts'
import { TraceError } from '../trace/errors.ts'
import { EXIT_FAILURE, UsageError } from './errors.ts'
import { VERSION } from './host.ts'
import { demoCommand } from './demo.ts'
import { diffCommand } from './diff.ts'
import { exploreCommand } from './explore.ts'
import { recordCommand } from './record.ts'
import { replayCommand } from './replay.ts'
import { runCommand } from './run.ts'
import { showCommand } from './show.ts'
import { WorldError } from '../kernel/world.ts'

const program = new Command('retrograde')
  .description('Runs x86-64 Linux programs deterministically; records them to traces that replay bit-identically on any machine with Node.')
  .version(VERSION)
  .enablePositionalOptions()
  .exitOverride()
  .configureHelp({ sortSubcommands: false })
  .addHelpText('after', `
Exit status: the guest's own (128 + signal if one killed it), 3 if a replay diverged or two traces differ,
124 on the cycle limit, 125 if Retrograde itself failed.

  retrograde run -- /bin/busybox sh -c 'echo hello'
  retrograde record -o out.rgt --seed 7 --cpus 2 -- ./racy
  retrograde replay out.rgt`)

for (const command of [runCommand, recordCommand, replayCommand, showCommand, diffCommand, demoCommand, exploreCommand]) program.addCommand(command)
for (const command of program.commands) command.exitOverride()

const complain = (message: string): never => {
  process.stderr.write(`retrograde: ${message}\n`)
  return process.exit(EXIT_FAILURE)
}

// A reader that went away (`retrograde show x.rgt | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : EXIT_FAILURE)
  if (error instanceof UsageError || error instanceof TraceError || error instanceof WorldOptionError || error instanceof WorldError) complain(error.message)
  complain(`internal error: ${(error as Error).stack ?? String(error)}\nretrograde: please report this`)
}
