/** The command line: one file a subcommand. */
import { Command, CommanderError, type Option } from 'commander'
import { WorldOptionError } from '../replay/default-world.ts'
import { TraceError } from '../trace/errors.ts'
import { EXIT_FAILED, UsageError } from './errors.ts'
import { VERSION } from './host.ts'
import { quantityText } from './quantity.ts'
import { reasonOf } from '../platform/trace-files.ts'
import { WorldError } from '../kernel/world.ts'

/** In the order of the help. Only what is asked for is loaded: start-up is what a user waits for each time. */
const COMMANDS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ['run', async () => (await import('./run.ts')).runCommand],
  ['record', async () => (await import('./record.ts')).recordCommand],
  ['replay', async () => (await import('./replay.ts')).replayCommand],
  ['show', async () => (await import('./show.ts')).showCommand],
  ['export', async () => (await import('./export.ts')).exportCommand],
  ['diff', async () => (await import('./diff.ts')).diffCommand],
  ['demo', async () => (await import('./demo.ts')).demoCommand],
  ['explore', async () => (await import('./explore.ts')).exploreCommand],
  ['worker', async () => (await import('./worker.ts')).workerCommand],
  ['scenario', async () => (await import('./scenario.ts')).scenarioCommand],
  ['fuzz', async () => (await import('./fuzz.ts')).fuzzCommand],
  ['shrink', async () => (await import('./shrink.ts')).shrinkCommand],
  ['ci', async () => (await import('./ci.ts')).ciCommand],
  ['report', async () => (await import('./report.ts')).reportCommand],
])

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

/** Defaults that say nothing are left out, others are as one would write them. */
const HELP = {
  optionDescription: (option: Option): string => {
    const { description, defaultValue, defaultValueDescription, argChoices } = option
    const value = defaultValueDescription ?? (typeof defaultValue === 'number' && Number.isFinite(defaultValue) ? quantityText(defaultValue) : typeof defaultValue === 'string' ? defaultValue : undefined)
    const more = [...(argChoices === undefined ? [] : [`one of ${argChoices.join(', ')}`]), ...(value === undefined ? [] : [`default: ${value}`])]
    return more.length === 0 ? description : `${description} (${more.join('; ')})`
  },
}

const asked = process.argv[2] ?? ''
const load = COMMANDS.get(asked)
for (const command of await Promise.all(load === undefined ? [...COMMANDS.values()].map((each) => each()) : [load()])) {
  program.addCommand(command.exitOverride().configureHelp(HELP))
}

const complain = (message: string): never => {
  process.stderr.write(`retrograde: ${message}\n`)
  return process.exit(EXIT_FAILED)
}

// A reader that went away (`retrograde show x.rgt | head`) is no error. What guests write does not go through this stream, which takes time to make.
if (asked !== 'run' && asked !== 'record' && asked !== 'ci') {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
}

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : EXIT_FAILED)
  if (error instanceof UsageError || error instanceof TraceError || error instanceof WorldOptionError || error instanceof WorldError) complain(error.message)
  // What could not be written or made where the user said.
  const { path, syscall, code } = error as Partial<NodeJS.ErrnoException>
  if (path !== undefined && syscall !== undefined && code !== undefined) complain(`${path}: ${reasonOf(error)} (${syscall})`)
  complain(`internal error: ${(error as Error).stack ?? String(error)}\nretrograde: please report this`)
}
