/** `retrograde record` by itself: a bundle without other subcommands starts sooner. */
import { runProgram } from './program.ts'
import { recordCommand } from './record.ts'

await runProgram([recordCommand], 'record')
