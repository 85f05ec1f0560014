/** From a command line to something that runs schedules: in the main thread, and the same in each worker. */
import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { InvalidArgumentError } from 'commander'
import { type FailOn, FAILURE_KINDS, type FailureKind, type ScriptCheck } from '../replay/explore-failure.ts'
import { ScheduleRunner } from '../replay/explore-schedule.ts'
import { UsageError } from './errors.ts'
import { loadEngine, platform, toByteString } from './host.ts'
import { prepareWorld, type WorldFlags } from './options.ts'

/** Plain data: workers get it. */
export interface ExploreSetup {
  readonly command: readonly string[]
  /** With a seed, so that all threads make the same of it. */
  readonly flags: WorldFlags
  readonly failOn: FailOn
}

const isKind = (name: string): name is FailureKind => (FAILURE_KINDS as readonly string[]).includes(name)

/** Runs the script with the program's output on its standard input. */
const checkWith = (path: string): ScriptCheck => ({ outcome, status, output }) => {
  const { status: exit, signal, stdout, stderr, error } = spawnSync(path, {
    input: Buffer.from(output, 'latin1'), encoding: 'latin1', env: { ...process.env, RETROGRADE_OUTCOME: outcome, RETROGRADE_STATUS: String(status) },
  })
  if (error !== undefined && (error as NodeJS.ErrnoException).code !== 'EPIPE') throw new UsageError(`--fail-on script:${path}: ${error.message}`)
  return { status: signal !== null ? 128 : exit ?? 0, line: (stdout + stderr).trimEnd().split('\n').at(-1) ?? '' }
}

/** What is plain data of what a failure is, with what can be called. */
const withScript = (failOn: FailOn): FailOn =>
  failOn.script === undefined ? failOn : { ...failOn, script: { path: failOn.script.path, check: checkWith(failOn.script.path) } }

/** As it goes to another thread: options that are functions or hold some stay here. */
export const plainSetup = ({ command, flags, failOn }: ExploreSetup): ExploreSetup => ({
  command, flags: { ...flags, failOn: undefined } as WorldFlags, failOn: failOn.script === undefined ? failOn : { ...failOn, script: { path: failOn.script.path } },
})

/** 'exit,signal,output:/lost/': a regular expression goes to its last slash, and may have commas. */
export const parseFailOn = (text: string): FailOn => {
  const kinds: FailureKind[] = []
  let output: RegExp | undefined
  let path: string | undefined
  const rest = text.replace(/output:\/(.*)\/([imsu]*)/, (_all, source: string, flags: string) => {
    try {
      output = new RegExp(source, flags)
    } catch (error) {
      throw new InvalidArgumentError((error as Error).message)
    }
    return 'output'
  }).replace(/script:([^,]+)/, (_all, file: string) => {
    path = resolve(file)
    return 'script'
  })
  for (const name of rest.split(',')) {
    if (!isKind(name) || (name === 'output' && output === undefined) || (name === 'script' && path === undefined)) {
      throw new InvalidArgumentError(`'${name}' is none of ${FAILURE_KINDS.join(', ')}; output needs what to look for: output:/lost/; script needs which: script:./check.sh`)
    }
    kinds.push(name)
  }
  return withScript({ kinds, output, ...(path === undefined ? {} : { script: { path } }) })
}

export const makeRunner = async ({ command, flags, failOn }: ExploreSetup): Promise<ScheduleRunner> => {
  const { config, files } = await prepareWorld(platform, command, flags)
  const input = flags.stdin === undefined ? new Uint8Array(0) : platform.readFile(toByteString(flags.stdin))
  if (!(input instanceof Uint8Array)) throw new UsageError(`--stdin ${flags.stdin}: ${input.error}`)
  const { pct: _, ...world } = config
  return new ScheduleRunner({
    world: { ...world, stdio: [flags.stdin === undefined ? 'null' : 'file', 'pipe', 'pipe'] },
    // Compiling hot code does not pay in worlds as short as these.
    engine: { ...loadEngine(), tier: undefined }, files, clock: platform, input, failOn: withScript(failOn),
  })
}
