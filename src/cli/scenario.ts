/** retrograde scenario: hosts, links, faults and what must hold, from a TypeScript file. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import chalk from 'chalk'
import { Command } from 'commander'
import { prefixOutput } from '../replay/host-output.ts'
import { type ScenarioOptions, type ScenarioResult, ScenarioSession, shrinkFaults } from '../replay/scenario/run.ts'
import { makeMachine } from '../replay/machine.ts'
import { type Scenario, SCENARIO_MEMORY, scenarioProblem } from '../replay/scenario/scenario.ts'
import { EXIT_FAILED, EXIT_FOUND, EXIT_INTERRUPTED, UsageError } from './errors.ts'
import { checkOutputDirectory, loadUserFile } from './files.ts'
import { buildVersion, codecs, loadEngine, platform, toByteString } from './host.ts'
import { integer } from './options.ts'

interface ScenarioFlags {
  readonly seed: string | undefined
  readonly seeds: number | undefined
  readonly output: string
  readonly keepGoing: boolean
  readonly quiet: boolean
  readonly json: boolean
}

const DEFAULT_SEEDS = 20
/** Runs that shrinking faults may take. */
const SHRINK_RUNS = 200

const load = async (file: string): Promise<Scenario> => {
  const it = await loadUserFile(file)
  const problem = scenarioProblem(it)
  if (problem !== undefined) throw new UsageError(`${file}: its default export is no scenario: ${problem}`)
  return it as Scenario
}

const turn = (): Promise<void> => new Promise((done) => { setImmediate(done) })

const action = async (file: string, flags: ScenarioFlags): Promise<void> => {
  checkOutputDirectory('-o', flags.output)
  const it = await load(file)
  const names = Object.keys(it.hosts)
  const shown = prefixOutput(names, (fd, bytes) => {
    platform.write(fd, bytes)
    return 0
  })
  // Compiling hot code does not pay where many short worlds are run.
  const engine = flags.seed === undefined ? { ...loadEngine(), tier: undefined } : loadEngine()
  const options: ScenarioOptions = {
    scenario: it, folder: toByteString(dirname(resolve(file))), outside: platform, engine, machine: makeMachine(engine, SCENARIO_MEMORY), clock: platform, codecs, version: buildVersion(),
  }
  // One seed that was asked for is shown as it runs.
  const shows = flags.seed !== undefined && !flags.quiet && !flags.json
  const seeds = flags.seed !== undefined ? [flags.seed] : Array.from({ length: flags.seeds ?? it.seeds ?? DEFAULT_SEEDS }, (_, i) => String(i + 1))
  let interrupted = false
  const stop = (): void => { interrupted = true }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  const failures: { seed: string, failure: string, trace: string, faults: number }[] = []
  const started = performance.now()
  let runs = 0
  const keep = (result: ScenarioResult, name: string): string => {
    mkdirSync(flags.output, { recursive: true })
    const path = join(flags.output, `${it.name.replace(/[^\w.-]+/g, '-')}-${name}.rgt`)
    writeFileSync(path, result.trace)
    return path
  }
  try {
    for (const seed of seeds) {
      const session = new ScenarioSession(shows ? { ...options, onOutput: (fd, bytes, host) => { shown.write(fd, bytes, host) } } : options, seed)
      let result = session.advance()
      while (result === undefined) {
        if (interrupted) session.interrupt()
        await turn()
        result = session.advance()
      }
      shown.flush()
      runs++
      if (result.outcome === 'interrupted') break
      if (result.broken !== undefined) throw new Error(result.broken)
      if (process.stderr.isTTY && !shows) process.stderr.write(`\r\x1b[K${chalk.dim(`seed ${seed}: ${result.failure ?? 'holds'}`.slice(0, 100))}`)
      if (result.failure === undefined) {
        if (flags.seed !== undefined) keep(result, `seed-${seed}`)
        continue
      }
      let small = result
      if (result.faults.length > 0) {
        const steps = shrinkFaults(options, result, SHRINK_RUNS)
        let step = steps.next()
        while (step.done !== true && !interrupted) {
          await turn()
          step = steps.next()
        }
        if (step.done === true) small = step.value
      }
      failures.push({ seed, failure: small.failure ?? result.failure, trace: keep(small, `seed-${seed}`), faults: small.faults.length })
      if (!flags.keepGoing) break
    }
  } finally {
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
    if (process.stderr.isTTY && !shows) process.stderr.write('\r\x1b[K')
  }
  const seconds = (performance.now() - started) / 1000
  const expected = it.expects ?? 'always'
  const asExpected = flags.seed !== undefined ? failures.length === 0 : expected === 'always' ? failures.length === 0 : failures.length > 0
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ scenario: it.name, runs, seconds, interrupted, expects: expected, asExpected, failures })}\n`)
  } else {
    const text = failures.length === 0 ? chalk.green(`holds in ${runs} run${runs === 1 ? '' : 's'}`) : chalk.red(`fails in ${failures.length} of ${runs} run${runs === 1 ? '' : 's'}`)
    process.stdout.write(`${it.name}: ${text}, ${seconds.toFixed(1)} s${expected === 'sometimes' ? ' (it is there to show a bug)' : ''}\n`)
    for (const { seed, failure, trace, faults } of failures) process.stdout.write(`  seed ${seed}: ${failure}${faults > 0 ? ` (${faults} fault${faults === 1 ? '' : 's'})` : ''}\n    retrograde replay ${trace}\n`)
  }
  process.exitCode = interrupted ? EXIT_INTERRUPTED : asExpected ? 0 : failures.length > 0 ? EXIT_FOUND : EXIT_FAILED
}

export const scenarioCommand = new Command('scenario')
  .description('run a scenario (hosts, links, faults, what must hold) under many seeds, and keep a trace of what fails; exit status 0 if it comes to what it expects, 1 if it fails, 125 if a bug that it is to show was not seen')
  .argument('<file.ts>', 'a file whose default export is a scenario')
  .option('--seed <seed>', 'this seed alone, and show what its hosts print; its trace is kept in any case')
  .option('--seeds <n>', 'how many seeds to try (default: what the scenario says, or 20)', integer(1, 1e6))
  .option('--keep-going', 'go on after a failure', false)
  .option('-o, --output <dir>', 'where traces go', 'scenario')
  .option('-q, --quiet', 'do not show what hosts print', false)
  .option('--json', 'the result as JSON', false)
  .action(action)
