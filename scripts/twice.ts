/**
 * npm run twice -- [options of run] program [arguments]: is this world what we say that worlds are?
 *
 * Records the program without input, then runs it again and replays the trace side by side, turn by turn. When the states
 * differ it says in what, field by field: what a hash that differs in a replay can't. Exit status 1 then.
 */
import { Command } from 'commander'
import { codecs, loadEngine, makeSessionHost, platform } from '../src/cli/host.ts'
import { prepareWorld, withWorldOptions, type WorldFlags } from '../src/cli/options.ts'
import { describeDivergence } from '../src/replay/describe.ts'
import { startRecording } from '../src/replay/record.ts'
import { startReplay } from '../src/replay/replay.ts'
import { startRun } from '../src/replay/run.ts'
import { runToEnd } from '../src/replay/session.ts'
import { hexOf, StateHasher } from '../src/replay/state-hash.ts'
import { TraceReader } from '../src/trace/reader.ts'
import { differingLines, stateLines } from '../test/support/state-text.ts'
import { MemorySink, memorySource } from '../test/trace/support.ts'

/** A clock on which each look takes long, so that a session comes back after each turn. */
const slowClock = (): { wallTimeMs(): number } => {
  let now = 0
  return { wallTimeMs: () => now += 1000 }
}

const command = withWorldOptions(new Command('twice')).action(async (program: string, args: string[], flags: WorldFlags) => {
  const { config, files } = await prepareWorld(platform, [program, ...args], { ...flags, stdin: '/dev/null' })
  const host = { ...makeSessionHost(files, '/dev/null'), console: { write: () => 0, setRaw: () => { /* no terminal */ }, readInput: () => new Uint8Array(0) } }
  const sink = new MemorySink()
  const recorded = runToEnd(startRecording({ world: config, host, codecs, version: 'twice', openTrace: () => sink }))
  console.log(`recorded ${recorded.events} events, seed ${config.seed}: ${recorded.outcome}, state hash ${recorded.hash}`)
  const run = startRun({ world: config, host: { ...host, ...slowClock() } })
  const replay = startReplay({ trace: new TraceReader(memorySource(sink.bytes), codecs), engine: loadEngine(), clock: slowClock(), codecs, mode: 'drive' })
  const hashers = [run, replay].map(({ kernel }) => kernel === undefined ? undefined : new StateHasher(kernel.memory))
  for (let turn = 1; ; turn++) {
    const [a, b] = [run.advance(), replay.advance()]
    if (b?.divergence !== undefined) console.log(describeDivergence(b.divergence).join('\n'))
    const [first, second] = [run.kernel, replay.kernel]
    if (first === undefined || second === undefined) break
    if (hexOf(hashers[0]?.hashWorld(first) ?? new Uint8Array(0)) !== hexOf(hashers[1]?.hashWorld(second) ?? new Uint8Array(0))) {
      const difference = differingLines(stateLines(first), stateLines(second))
      console.log(`after turn ${turn} the states differ; run again:\n${difference.first.join('\n')}\nreplayed:\n${difference.second.join('\n')}`)
      process.exit(1)
    }
    if (a !== undefined || b !== undefined) {
      console.log(`${turn} turns, the same state after each`)
      process.exit(b?.divergence === undefined && (a === undefined) === (b === undefined) ? 0 : 1)
    }
  }
  process.exit(1)
})
await command.parseAsync(process.argv)
