/** retrograde demo (npm start): finds a lost update, records it, replays it. */
import { existsSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import chalk from 'chalk'
import { Command } from 'commander'
import type { WorldConfig } from '../kernel/config.ts'
import { HOSTNAME, SEEDED_EPOCH } from '../replay/default-world.ts'
import { makeHostFiles } from '../replay/host-files.ts'
import { startRecording } from '../replay/record.ts'
import { startRun } from '../replay/run.ts'
import type { Engine, SessionHost } from '../replay/session.ts'
import type { TraceEvent } from '../trace/events.ts'
import { TraceReader } from '../trace/reader.ts'
import { bytesText, drive } from './drive.ts'
import { UsageError } from './errors.ts'
import { eventLineForTerminal } from './event-lines.ts'
import { buildVersion, codecs, createTraceFile, loadEngine, openTraceFile, platform, root, toByteString, VERSION } from './host.ts'
import { openReplay } from './replay.ts'

const GUEST = 'lost-update'
const MOST_SEEDS = 2000
/** Events shown before the end of the failing run. */
const TAIL = 14

const demoWorld = (directory: string, seed: string): WorldConfig => ({
  program: `/guests/${GUEST}`, argv: [GUEST], env: [], cwd: '/', files: [], hostname: HOSTNAME,
  mounts: [{ guest: '/guests', source: { kind: 'host', host: toByteString(directory) } }],
  cpus: 2, seed, strategy: 'random', cpuHz: 1e9, epochSeconds: SEEDED_EPOCH, uid: 1000, gid: 1000,
  stdio: ['null', 'pipe', 'pipe'], terminal: { rows: 24, columns: 80 }, memoryLimit: 256 << 20, cycleLimit: 1e9,
})

const say = (text: string): void => { process.stdout.write(`${text}\n`) }
const step = (number: number, text: string): void => { say(`\n${chalk.bold.cyan(`${number}.`)} ${chalk.bold(text)}`) }

const hostFor = (engine: Engine, world: WorldConfig, output: string[]): SessionHost => ({
  engine, files: makeHostFiles(platform, world.mounts),
  console: {
    write: (_fd, bytes) => { output.push(Buffer.from(bytes).toString('latin1')); return 0 },
    setRaw: () => {}, readInput: () => new Uint8Array(0),
  },
  wallTimeMs: () => platform.wallTimeMs(),
})

const findFailure = async (engine: Engine, directory: string): Promise<{ seed: string, tried: number, output: string }> => {
  const outcomes = new Map<string, number>()
  for (let tried = 1; tried <= MOST_SEEDS; tried++) {
    const seed = String(tried)
    const world = demoWorld(directory, seed)
    const output: string[] = []
    const result = await drive(startRun({ world, host: hostFor(engine, world, output) }))
    const text = output.join('').trim()
    outcomes.set(text, (outcomes.get(text) ?? 0) + 1)
    if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K   seed ${seed}: ${text}`)
    if (result.exitCode !== 0) {
      if (process.stdout.isTTY) process.stdout.write('\r\x1b[K')
      for (const [line, times] of outcomes) say(`   ${String(times).padStart(4)} × ${line}`)
      return { seed, tried, output: text }
    }
  }
  throw new UsageError(`the demo's race did not show in ${MOST_SEEDS} seeds: that is a bug, please report it`)
}

export const demoCommand = new Command('demo').description('find a lost update in a bundled guest, record it and replay it (what npm start runs)')
  .option('-o, --output <file>', 'where the trace goes', join(tmpdir(), 'retrograde-demo', `${GUEST}.rgt`))
  .action(async (flags: { readonly output: string }) => {
    const directory = join(root, 'guests', 'bin')
    if (!existsSync(join(directory, GUEST))) throw new UsageError(`${join(directory, GUEST)} is missing: the checkout is incomplete`)
    mkdirSync(join(flags.output, '..'), { recursive: true })
    const engine = loadEngine()
    say(`${chalk.bold('Retrograde')} ${VERSION}: a program with a data race, ${relative(process.cwd(), join(root, 'guests/src', `${GUEST}.c`)) || GUEST}`)
    say(chalk.dim('Two threads pay into one account without a lock: balance = balance + 1. Mostly that goes well.'))

    step(1, 'Try seeds until the balance is wrong')
    const { seed, tried } = await findFailure(engine, directory)
    say(`   seed ${chalk.bold(seed)} loses an update (${tried} tried)`)

    step(2, `Record seed ${seed}`)
    const world = demoWorld(directory, seed)
    const output: string[] = []
    const recorded = await drive(startRecording({
      world, host: hostFor(engine, world, output), codecs, version: buildVersion(), openTrace: () => createTraceFile(flags.output),
    }))
    say(`   ${output.join('').trim()} ${chalk.dim(`(exit status ${recorded.exitCode})`)}`)
    say(`   ${recorded.events} events, ${bytesText(recorded.traceBytes)}: ${flags.output}`)

    step(3, 'Replay it, from the trace and from the seed alone')
    const replays = [await drive(openReplay(flags.output, false)), await drive(openReplay(flags.output, true))]
    const hashes = [recorded.hash, ...replays.map(({ hash }) => hash)]
    for (const [i, name] of ['recorded', 'trace', 'seed'].entries()) say(`   ${name.padEnd(10)} state hash ${hashes[i]}`)
    const agree = replays.every(({ divergence, hash }) => divergence === undefined && hash === recorded.hash)
    say(agree ? `   ${chalk.green('equal')}: every event and every checkpoint agrees` : `   ${chalk.red('DIVERGED')}: that is a bug, please report it`)

    step(4, 'What happened before the end')
    const trace = new TraceReader(openTraceFile(flags.output), codecs)
    let number = 0
    const tail: { number: number, event: TraceEvent }[] = []
    for (const event of trace.eventsFrom(0)) {
      if (event.type !== 'checkpoint') tail.push({ number, event })
      if (tail.length > TAIL) tail.shift()
      number++
    }
    for (const line of tail) say(eventLineForTerminal(line.event, line.number, world.cpuHz))

    step(5, 'What to try next')
    const npx = 'npx retrograde'
    say(`   ${npx} show --all ${flags.output}`)
    say(`   ${npx} replay ${flags.output}`)
    say(`   ${npx} run -- /bin/sh -c 'echo hello from a virtual processor'`)
    say(`   ${npx} record -o out.rgt --seed 7 --cpus 2 -- ./your-program`)
    process.exit(agree && recorded.exitCode !== 0 ? 0 : 1)
  })
