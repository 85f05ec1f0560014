/** What was recorded on one tier of the processor replays on another, state hashes included. */
import test from 'ava'
import { tierOptions } from '../../src/emu/jit/jit.ts'
import { describeDivergence } from '../../src/replay/describe.ts'
import { hostOf, loadEngine, MemoryConsole, record, replay, treeFor, worldOf } from './support.ts'

const TIERS = ['0', '1', 'mixed'] as const

const GUESTS = [['replay-race', []], ['replay-tour', ['one\n', 'two\n']], ['abi-threads', []], ['abi-signals', []],
  ['vector', [], 'x86-64-v3'], ['vector-state', [], 'x86-64-v3']] as const

for (const [guest, input, cpu] of GUESTS) {
  test(`${guest}: recorded on each tier, replayed on the others`, (t) => {
    const tree = treeFor(guest)
    const hashes = new Set<string>()
    for (const [i, recordTier] of TIERS.entries()) {
      const engine = { ...loadEngine(), tier: tierOptions(recordTier) }
      const recorded = record(worldOf(guest, { cpus: 2, ...cpu === undefined ? {} : { cpu } }), tree, [], { host: hostOf(tree, new MemoryConsole(input), engine), checkpointCycles: 200_000 })
      t.is(recorded.result.outcome, 'exited', String(recorded.result.error))
      hashes.add(recorded.result.hash)
      const replayTier = TIERS[(i + 1) % TIERS.length]
      const { result } = replay(recorded.trace, 'from-seed', { engine: { ...loadEngine(), tier: tierOptions(replayTier) } })
      t.is(result.divergence, undefined, `${recordTier} → ${replayTier}: ${result.divergence === undefined ? '' : describeDivergence(result.divergence).join('\n')}`)
      t.is(result.hash, recorded.result.hash)
    }
    t.is(hashes.size, 1)
  })
}
