/** The command line around its subcommands: help, usage errors, what is said when something fails. */
import { Command, CommanderError, type Option } from 'commander'
import { WorldOptionError } from '../replay/default-world.ts'
import { TraceError } from '../trace/errors.ts'
import { EXIT_FAILED, UsageError } from './errors.ts'
import { VERSION } from './host.ts'
import { quantityText } from './quantity.ts'
import { reasonOf } from '../platform/trace-files.ts'
import { WorldError } from '../kernel/world.ts'

const HELP_AFTER = `
Exit status: the guest's own (128 + signal if one killed it), 3 if a replay diverged or two traces differ,
124 on the cycle limit, 125 if Retrograde itself failed.

  retrograde run -- /bin/busybox sh -c 'echo hello'
  retrograde record -o out.rgt --seed 7 --cpus 2 -- ./racy
  retrograde replay out.rgt`

/** Defaults that say nothing are left out, others are as one would write them. */
const HELP = {
  optionDescription: (option: Option): string => {
    const { description, defaultValue, defaultValueDescription, argChoices } = option
    const value = defaultValueDescription ?? (typeof defaultValue === 'number' && Number.isFinite(defaultValue) ? quantityText(defaultValue) : typeof defaultValue === 'string' ? defaultValue : undefined)
    const more = [...(argChoices === undefined ? [] : [`one of ${argChoices.join(', ')}`]), ...(value === undefined ? [] : [`default: ${value}`])]
    return more.length === 0 ? description : `${description} (${more.join('; ')})`
  },
}

/** What guests write does not go through Node's stream, which takes time to make. */
const WITHOUT_STREAM: ReadonlySet<string> = new Set(['run', 'record', 'ci'])

const complain = (message: string): never => {
  process.stderr.write(`retrograde: ${message}\n`)
  return process.exit(EXIT_FAILED)
}

/** Does what the arguments of this process say; `asked` is the subcommand among them. */
export const runProgram = async (commands: readonly Command[], asked: string): Promise<void> => {
  const program = new Command('retrograde')
    .description('Runs x86-64 Linux programs deterministically; records them to traces that replay bit-identically on any machine with Node.')
    .version(VERSION)
    .enablePositionalOptions()
    .exitOverride()
    .configureHelp({ sortSubcommands: false })
    .addHelpText('after', HELP_AFTER)
  for (const command of commands) program.addCommand(command.exitOverride().configureHelp(HELP))

  // A reader that went away (`retrograde show x.rgt | head`) is no error.
  if (!WITHOUT_STREAM.has(asked)) {
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
}
