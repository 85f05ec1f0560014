import test from 'ava'
import fc from 'fast-check'
import { PAGE_SIZE } from '../../src/emu/cpu/layout.ts'
import { FRAME_DIRTY, PhysicalMemory } from '../../src/emu/memory.ts'
import { PTE_READ, PTE_WRITE } from '../../src/kernel/mm/address-space.ts'
import { hexOf, StateHasher } from '../../src/replay/state-hash.ts'

const memory = new PhysicalMemory()
const hash = (state: object): string => hexOf(new StateHasher(memory).hash(state))

/** A state with everything that states have; each call makes the same one anew. */
const makeState = () => {
  const shared = { kind: 'shared', count: 3 }
  const set = new Set(['one', 'two'])
  const state = {
    now: 12.5, none: undefined, nothing: null, yes: true, name: 'näme ☃', bytes: Uint8Array.of(1, 2, 3), wide: Int32Array.of(-1, 5),
    list: [1, 'two', { three: 3 }, [4]], map: new Map<number, object>([[1, shared], [2, { deep: { deeper: [Infinity, -1] } }]]), set,
    first: shared, second: shared, self: undefined as unknown,
  }
  state.self = state
  return state
}
type State = ReturnType<typeof makeState>

test('equal states have one hash, in any process and run', (t) => {
  t.is(hash(makeState()), hash(makeState()))
  t.is(hash(makeState()).length, 32)
  // What the hash is made of must not change unnoticed: traces that were recorded would not replay.
  t.is(hash(makeState()), '2939c3f349d89dffa8c7a324a4a3e94a')
})

test('any single change shows', (t) => {
  const changes: ((state: State) => void)[] = [
    (s) => { s.now += 2 ** -30 }, (s) => { s.nothing = undefined as unknown as null }, (s) => { s.none = null as unknown as undefined },
    (s) => { s.yes = false }, (s) => { s.name = 'näme ☂' }, (s) => { s.bytes[1] ^= 1 }, (s) => { s.wide[1] = 6 },
    (s) => { s.bytes = new Uint8Array(0) }, (s) => { s.bytes = Int8Array.of(1, 2, 3) as unknown as Uint8Array<ArrayBuffer> },
    (s) => { s.list.push(5) }, (s) => { s.list.reverse() }, (s) => { (s.list[3] as number[])[0] = 5 }, (s) => { s.list[0] = '1' },
    (s) => { s.map.delete(2) }, (s) => { s.map.set(3, {}) }, (s) => { s.map = new Map([...s.map].reverse()) },
    (s) => { s.set.add('three') }, (s) => { s.set = new Set(['two', 'one']) },
    (s) => { s.second = { ...s.first } }, (s) => { s.self = undefined }, (s) => { s.self = s.first }, (s) => { s.first.count++ },
    (s) => { (s as unknown as { more: number }).more = 1 }, (s) => { delete (s as { now?: number }).now },
  ]
  const hashes = [hash(makeState()), ...changes.map((change) => {
    const state = makeState()
    change(state)
    return hash(state)
  })]
  t.is(new Set(hashes).size, hashes.length)
})

test('any byte of any field of random states shows', (t) => {
  const value = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof({ depthSize: 'small' }, fc.double({ noNaN: true }), fc.integer(), fc.string(), fc.boolean(), fc.constant(undefined), fc.constant(null),
      fc.uint8Array(), fc.array(tie('value')), fc.dictionary(fc.string({ minLength: 1 }).filter((key) => !key.startsWith('_')), tie('value'), { noNullPrototype: true })),
  })).value
  fc.assert(fc.property(value, value, (a, b) => {
    const same = fc.stringify(a) === fc.stringify(b)
    t.is(hash({ value: a }) === hash({ value: b }), same)
    t.is(hash({ value: a }), hash({ value: structuredClone(a) as unknown }))
  }), { numRuns: 500 })
})

test('what is not plain data is refused', (t) => {
  class Thing { field = 1 }
  for (const bad of [() => 1, new Thing(), Promise.resolve(), 1n, Symbol('s'), new Date(0), new WeakMap()]) {
    t.throws(() => hash({ deep: [{ bad }] }), { message: /no place in the state of a world/ })
  }
})

test('guest memory counts by content, wherever its frames are', (t) => {
  const own = new PhysicalMemory()
  const world = (frames: readonly number[]): object => ({
    zeroFrame: frames[0],
    space: { kind: 'address-space', tables: new Map([[7, Int32Array.from({ length: 512 }, (_, i) => i < 4 ? frames[i] | PTE_READ : 0)]]) },
    file: { kind: 'file', pages: new Map([[0, frames[1]], [9, frames[4]]]) },
    shared: { kind: 'shared-memory', frames: new Map([[2, frames[5]]]) },
  })
  const fill = (frames: readonly number[]): void => {
    for (const [i, frame] of frames.entries()) own.u8.fill(i, frame * PAGE_SIZE, (frame + 1) * PAGE_SIZE)
  }
  const [one, two] = [Array.from({ length: 6 }, () => own.allocate()), Array.from({ length: 6 }, () => own.allocate()).reverse()]
  fill(one)
  fill(two)
  const hasher = new StateHasher(own)
  const first = hexOf(hasher.hash(world(one)))
  t.is(hasher.cost.dirtyFrames, 6)
  t.is(hexOf(hasher.hash(world(two))), first)
  t.is(hexOf(hasher.hash(world(one))), first)
  t.is(hasher.cost.dirtyFrames, 0, 'frames that were not written are not hashed again')
  t.is(hasher.cost.frames, 6)
  for (const [i, frame] of one.entries()) {
    t.is(own.flags(frame) & FRAME_DIRTY, 0)
    own.beforeWrite(frame)
    own.u8[frame * PAGE_SIZE + 4095 - i] ^= 1
    t.not(hexOf(hasher.hash(world(one))), first, `frame ${i}`)
    t.is(hasher.cost.dirtyFrames, 1)
    own.beforeWrite(frame)
    own.u8[frame * PAGE_SIZE + 4095 - i] ^= 1
    t.is(hexOf(hasher.hash(world(one))), first)
  }
  // Sharing a frame is not the same as having an equal one.
  t.not(hexOf(hasher.hash(world([one[0], one[1], one[2], one[3], one[1], one[5]]))), first)
  const writable = world(one) as { space: { tables: Map<number, Int32Array> } }
  const table = writable.space.tables.get(7)
  if (table !== undefined) table[0] |= PTE_WRITE
  t.not(hexOf(hasher.hash(writable)), first)
  // Another hasher sees what was written since the first one looked.
  own.beforeWrite(one[2])
  own.u8[one[2] * PAGE_SIZE] ^= 1
  const changed = hexOf(new StateHasher(own).hash(world(one)))
  t.not(changed, first)
  t.is(hexOf(hasher.hash(world(one))), changed)
  const reused = own.allocate()
  own.release(reused)
  t.is(own.allocate(), reused)
})
