/** `retrograde run` by itself: a bundle without other subcommands starts sooner. */
import { runProgram } from './program.ts'
import { runCommand } from './run.ts'

await runProgram([runCommand], 'run')
