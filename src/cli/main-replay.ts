/** `retrograde replay` by itself: a bundle without other subcommands starts sooner. */
import { runProgram } from './program.ts'
import { replayCommand } from './replay.ts'

await runProgram([replayCommand], 'replay')
