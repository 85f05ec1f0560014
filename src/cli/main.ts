/** The command line: one file a subcommand. */
import type { Command } from 'commander'
import { runProgram } from './program.ts'

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

const asked = process.argv[2] ?? ''
const load = COMMANDS.get(asked)
await runProgram(await Promise.all(load === undefined ? [...COMMANDS.values()].map((each) => each()) : [load()]), asked)
