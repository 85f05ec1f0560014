/** Hashes of frames are kept until the frame is written: what is kept must be what hashing everything anew gives, on every tier. */
import test from 'ava'
import fc from 'fast-check'
import { tierOptions } from '../../src/emu/jit/jit.ts'
import { startRun } from '../../src/replay/run.ts'
import { FrameHashes, hexOf, StateHasher } from '../../src/replay/state-hash.ts'
import type { WorldConfig } from '../../src/kernel/config.ts'
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

// Checkpoints come at any point, not after each turn: what was written between two of them must all show, however long that is, whoever wrote it
// (guests by either tier, system calls, copies for writing, shared memory, mapped files, several hosts).
const programs = ['abi-process', 'abi-memory', 'abi-ipc', 'abi-files', 'abi-pipes', 'pthread-fork', 'race-shared', 'abi-threads', 'hosts']

const hostsWorld = (): Partial<WorldConfig> => ({
  hosts: ['one', 'two'].map((name) => ({ ...worldOf('replay-race'), name, hostname: name })),
})

test('at random turns of random worlds', (t) => {
  fc.assert(fc.property(fc.constantFrom(...programs), fc.constantFrom('0', '1', 'mixed'), fc.nat(1 << 20), fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 3, maxLength: 12 }), (program, tier, seed, steps) => {
    const name = program === 'hosts' ? 'replay-race' : program
    let now = 0
    const host = { ...hostOf(treeFor(name), new MemoryConsole(), { ...loadEngine(), tier: tierOptions(tier) }), wallTimeMs: () => now += 1000 }
    const session = startRun({ world: worldOf(name, { seed: String(seed), cycleLimit: 10e6, ...(program === 'hosts' ? hostsWorld() : {}) }), host })
    const { kernel } = session
    if (kernel === undefined) throw new Error('no world')
    const hasher = new StateHasher(kernel.memory)
    let ended = false
    for (const step of steps) {
      for (let i = 0; i < step && !ended; i++) ended = session.advance() !== undefined
      t.is(hexOf(hasher.hashWorld(kernel)), hexOf(new StateHasher(kernel.memory, new FrameHashes()).hash(kernel.state)), `${program}, tier ${tier}, seed ${seed}`)
      if (ended) break
    }
  }), { numRuns: 40 })
})
