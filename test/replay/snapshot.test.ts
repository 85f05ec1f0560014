/** Snapshots: going back gives the same world bit for bit, however many there are, and nothing is left of what was dropped. */
import test from 'ava'
import type { WorldConfig } from '../../src/kernel/config.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import type { Outside } from '../../src/kernel/outside.ts'
import { createWorld, provideInput, runWorld, skipToDeadline } from '../../src/kernel/world.ts'
import { type Machine, makeMachine } from '../../src/replay/machine.ts'
import { type Snapshot, restoreSnapshot, takeSnapshot } from '../../src/replay/snapshot.ts'
import { StateImage } from '../../src/replay/snapshot-state.ts'
import { hexOf, StateHasher } from '../../src/replay/state-hash.ts'
import { makeRandom } from '../support/random.ts'
import { loadEngine, memoryFiles, treeFor, worldOf } from './support.ts'

/** A world whose outside is a function of how often it was asked. */
class Lab {
  readonly kernel: Kernel
  readonly machine: Machine
  readonly #hasher: StateHasher
  seed = 1
  asked = 0
  output = ''
  ended = false

  constructor(guest: string, machine: Machine, config: Partial<WorldConfig> = {}) {
    this.machine = machine
    const word = (): number => {
      let x = Math.imul(this.seed, 0x9e3779b1) ^ Math.imul(++this.asked, 0x85ebca6b)
      x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d)
      x = Math.imul(x ^ (x >>> 12), 0x297a2d39)
      return (x ^ (x >>> 15)) >>> 0
    }
    const nothing = (): void => { /* of no interest */ }
    const outside: Outside = {
      entropy: { decide: (_kind, bound) => word() % bound, randomBytes: (count) => Uint8Array.from({ length: count }, () => word()) },
      files: memoryFiles(treeFor(guest)),
      console: { write: (_fd, bytes) => { this.output += Buffer.from(bytes).toString('latin1'); return 0 }, read: () => new Uint8Array(0), setRaw: nothing },
      observer: { onSlice: nothing, onSyscall: nothing, onSignal: nothing, onTaskStart: nothing, onTaskExit: nothing, onExec: nothing, onUnknownSyscall: nothing },
    }
    this.kernel = createWorld(worldOf(guest, { stdio: ['null', 'pipe', 'pipe'], ...config }), machine.memory, machine.processor, outside)
    this.#hasher = new StateHasher(machine.memory)
  }

  run(slices: number): void {
    for (let i = 0; i < slices && !this.ended; i++) {
      const stop = runWorld(this.kernel, 1)
      if (stop.reason === 'input') {
        if (stop.deadline === Infinity) provideInput(this.kernel, new Uint8Array(0))
        else skipToDeadline(this.kernel)
      } else if (stop.reason !== 'running') {
        this.ended = true
      }
    }
  }

  hash(): string { return hexOf(this.#hasher.hashWorld(this.kernel)) }

  take(): Saved {
    return { snapshot: takeSnapshot(this.kernel, this.machine), seed: this.seed, asked: this.asked, output: this.output, ended: this.ended, hash: this.hash(), frames: this.machine.memory.framesInUse }
  }

  restore({ snapshot, seed, asked, output, ended }: Saved): void {
    restoreSnapshot(snapshot)
    Object.assign(this, { seed, asked, output, ended })
  }
}

interface Saved { readonly snapshot: Snapshot, readonly seed: number, readonly asked: number, readonly output: string, readonly ended: boolean, readonly hash: string, readonly frames: number }

const machine = makeMachine(loadEngine(), 256 << 20)

/** Threads, processes, pipes, ptrace, epoll, futexes, signals, terminals, locks, memory of all kinds. */
const GUESTS = (process.env.GUESTS ?? 'lost-update pthread-condition pthread-fork pthread-signal abi-process abi-ptrace abi-poll abi-pipes abi-memory abi-ipc abi-unix abi-files replay-tour sched-tour').split(' ')

const WORLDS: readonly (readonly [title: string, guest: string, config: Partial<WorldConfig>])[] = [
  ...GUESTS.map((guest) => [guest, guest, {}] as const),
  ['tasks that are stopped at accesses', 'race-twostage', { strategy: 'pos', cpus: 1 }], ['store buffers', 'lost-update', { memoryModel: 'tso' }],
  ['a list of choices', 'race-aba', { strategy: 'guided', cpus: 1, guided: { choices: [1, 0, 1, 2, 0, 1, 2, 1, 0] } }],
  ['pct', 'pthread-mutex', { strategy: 'pct', cpus: 1, pct: { depth: 5, steps: 2000 } }],
]

for (const [title, guest, config] of WORLDS) {
  test.serial(`${title}: back and forth`, (t) => {
    machine.processor.recycle()
    const lab = new Lab(guest, machine, config)
    const { random } = makeRandom(guest.length + 1)
    for (let round = 0; round < 4 && !lab.ended; round++) {
      lab.run(random(12))
      const start = lab.take()
      const further = 1 + random(60)
      const future = (): [string, string, number] => {
        lab.run(further)
        return [lab.hash(), lab.output, lab.machine.processor.totalExecuted]
      }
      const first = future()
      lab.restore(start)
      t.is(lab.hash(), start.hash)
      t.deepEqual(future(), first)
      lab.restore(start)
      lab.seed = 77
      lab.run(further + 20)
      lab.restore(start)
      t.is(machine.memory.framesInUse, start.frames)
      t.deepEqual(future(), first)
      start.snapshot.drop()
      t.is(machine.versions.pagesInUse, 0)
    }
  })

  test.serial(`${title}: many snapshots`, (t) => {
    machine.processor.recycle()
    const lab = new Lab(guest, machine, config)
    const { random } = makeRandom(guest.length * 7 + 1)
    const saved = [lab.take()]
    for (let i = 0; i < 40; i++) {
      const choice = random(8)
      if (choice < 3) {
        lab.run(1 + random(25))
      } else if (choice < 5 && !lab.ended) {
        saved.push(lab.take())
      } else if (choice < 7) {
        const to = saved[random(saved.length)]
        lab.restore(to)
        t.is(lab.hash(), to.hash)
        lab.seed = i + 1
      } else if (saved.length > 2) {
        saved.splice(1 + random(saved.length - 1), 1)[0].snapshot.drop()
      }
    }
    for (const each of saved.reverse()) {
      lab.restore(each)
      t.is(lab.hash(), each.hash)
      t.is(machine.memory.framesInUse, each.frames)
    }
    for (const { snapshot } of saved) snapshot.drop()
    t.is(machine.versions.pagesInUse, 0)
    t.throws(() => { restoreSnapshot(saved[0].snapshot) }, { message: /was dropped/ })
  })
}

test('an image has all kinds of plain data, and their order', (t) => {
  const shared = { value: 1 }
  const state = {
    shared, list: [1, shared, [2, 3]] as unknown[], map: new Map<unknown, unknown>([['a', shared], ['b', 2]]), set: new Set([1, 2, 3]), bytes: new Uint8Array([1, 2, 3]),
    wide: new Float64Array([0.5]), optional: { a: 1, b: 2 } as Record<string, number>, nothing: undefined, frozen: Object.freeze([1, 2]), hostContents: [new Uint8Array([9])], self: undefined as unknown,
  }
  state.self = state
  const text = (): string => JSON.stringify({ ...state, self: state.self === state, map: [...state.map], set: [...state.set], optional: Object.entries(state.optional) })
  const before = text()
  const image = new StateImage(state)
  for (let i = 0; i < 2; i++) {
    shared.value = 5
    state.list.length = 1
    state.list.push('x', 'y', 'z', 'u')
    const { list } = state
    state.list = []
    state.map.delete('a')
    state.map.set('a', shared)
    state.map.set('c', 1)
    state.set.delete(1)
    state.set.add(1)
    state.bytes[1] = 7
    state.wide[0] = 0
    delete state.optional.a
    state.optional.a = 1
    state.hostContents[0] = new Uint8Array([8])
    t.not(text(), before)
    image.restore()
    t.is(text(), before)
    t.is(state.list, list)
    t.is(state.list[1], shared)
  }
  t.throws(() => new StateImage({ date: new URL('http://a/') }), { message: /plain data/ })
  t.throws(() => new StateImage({ view: new BigInt64Array(1) }), { message: /typed array/ })
})
