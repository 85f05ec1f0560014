/** Hashes of frames are kept until the frame is written: what is kept must be what hashing everything anew gives, on every tier. */
import test from 'ava'
import { tierOptions } from '../../src/emu/jit/jit.ts'
import { startRun } from '../../src/replay/run.ts'
import { FrameHashes, hexOf, StateHasher } from '../../src/replay/state-hash.ts'
import { hostOf, loadEngine, MemoryConsole, treeFor, worldOf } from './support.ts'

for (const tier of ['0', '1', 'mixed']) {
  for (const guest of ['replay-race', 'abi-process', 'abi-threads', 'abi-memory']) {
    test(`${guest}, tier ${tier}`, (t) => {
      const tree = treeFor(guest)
      // Each look at the clock takes long, so that a step of the session is one turn.
      let now = 0
      const host = { ...hostOf(tree, new MemoryConsole(), { ...loadEngine(), tier: tierOptions(tier) }), wallTimeMs: () => now += 1000 }
      const session = startRun({ world: worldOf(guest, { cycleLimit: 30e6 }), host })
      const { kernel } = session
      if (kernel === undefined) throw new Error('no world')
      const hasher = new StateHasher(kernel.memory)
      let kept = 0
      let turns = 0
      for (let result = session.advance(); result === undefined && turns < 300; result = session.advance(), turns++) {
        const cached = hexOf(hasher.hashWorld(kernel))
        t.is(hasher.cost.frames, kernel.memory.framesInUse, 'all memory is reached, and none is lost')
        kept += hasher.cost.frames - hasher.cost.dirtyFrames
        t.is(hexOf(new StateHasher(kernel.memory, new FrameHashes()).hash(kernel.state)), cached)
      }
      t.true(turns > 3, `${turns} turns`)
      t.true(kept > 0)
    })
  }
}
