/** From a command line to something that runs schedules: in the main thread, and the same in each worker. */
import { InvalidArgumentError } from 'commander'
import { type FailOn, FAILURE_KINDS, type FailureKind } from '../replay/explore-failure.ts'
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

/** 'exit,signal,output:/lost/': a regular expression goes to its last slash, and may have commas. */
export const parseFailOn = (text: string): FailOn => {
  const kinds: FailureKind[] = []
  let output: RegExp | undefined
  const rest = text.replace(/output:\/(.*)\/([imsu]*)/, (_all, source: string, flags: string) => {
    try {
      output = new RegExp(source, flags)
    } catch (error) {
      throw new InvalidArgumentError((error as Error).message)
    }
    return 'output'
  })
  for (const name of rest.split(',')) {
    if (!isKind(name) || (name === 'output' && output === undefined)) throw new InvalidArgumentError(`'${name}' is none of ${FAILURE_KINDS.join(', ')}; output needs what to look for: output:/lost/`)
    kinds.push(name)
  }
  return { kinds, output }
}

export const makeRunner = async ({ command, flags, failOn }: ExploreSetup): Promise<ScheduleRunner> => {
  const { config, files } = await prepareWorld(platform, command, flags)
  const input = flags.stdin === undefined ? new Uint8Array(0) : platform.readFile(toByteString(flags.stdin))
  if (!(input instanceof Uint8Array)) throw new UsageError(`--stdin ${flags.stdin}: ${input.error}`)
  const { pct: _, ...world } = config
  return new ScheduleRunner({
    world: { ...world, stdio: [flags.stdin === undefined ? 'null' : 'file', 'pipe', 'pipe'] },
    // Compiling hot code does not pay in worlds as short as these.
    engine: { ...loadEngine(), tier: undefined }, files, clock: platform, input, failOn,
  })
}
