/**
 * What the processor keeps (TLBs, translations, links between blocks, the jump cache) must never show. Two processors do
 * the same: one keeps what it has, the other is made to forget everything before each run. In between, pages are mapped,
 * protected, shared, written to by 'the kernel' and by the code itself, and address spaces change.
 */
import test from 'ava'
import fc from 'fast-check'
import { TableMmu, makeProcessor } from '../support/oracle/emulator.ts'
import { PAGE, layout } from '../support/processor.ts'
import type { Interpreter } from '../../src/emu/interp/interpreter.ts'
import { EAGER_TIER, type TierOptions } from '../../src/emu/jit/jit.ts'
import { PhysicalMemory } from '../../src/emu/memory.ts'

const seed = Number(process.env.RETROGRADE_SEED ?? Date.now() % 2 ** 31)
const BASE = 0x40_0000
const PAGES = 6
const FRAMES = 8
const SPACES = 2
/** Small arenas fill, too. */
const ARENA_END = layout.RECORD_ARENA + 600 * 48

/** Instructions that read and write near rbx and rdi, which point to anywhere in the pages, and jump about a bit. */
const INSTRUCTIONS: readonly (readonly number[])[] = [
  [0xff, 0xc0], [0x88, 0x03], [0x8a, 0x03], [0x00, 0x03], [0x66, 0x89, 0x43, 0x01], [0x48, 0x89, 0x43, 0x07], [0x48, 0x8b, 0x4b, 0x02],
  [0x48, 0xff, 0xc3], [0xaa], [0xab], [0xa4], [0xf3, 0xaa], [0x48, 0x83, 0xc7, 0x05], [0x75, 0x02], [0x74, 0x09], [0xeb, 0x03], [0xeb, 0x00], [0x7a, 0xfb],
  [0xe8, 0x01, 0x00, 0x00, 0x00], [0xc3], [0x58], [0x50], [0x81, 0xc3, 0x10, 0x00, 0x00, 0x00], [0x48, 0x81, 0xeb, 0x00, 0x0f, 0x00, 0x00],
  [0xe9, 0xf0, 0x0f, 0x00, 0x00], [0xe9, 0x00, 0xf0, 0xff, 0xff], [0x0f, 0x11, 0x43, 0x04], [0xff, 0xe3], [0xb9, 0x03, 0x00, 0x00, 0x00], [0x83, 0x03, 0x01],
]

const mix = (a: number, b: number): number => {
  let x = Math.imul(a ^ Math.imul(b + 1, 0x9e3779b1), 0x85ebca6b)
  x ^= x >>> 15
  return Math.imul(x ^ (x >>> 13), 0xc2b2ae35) >>> 0
}

class World {
  readonly memory = new PhysicalMemory()
  readonly processor: Interpreter
  readonly frames: readonly number[]
  readonly spaces: readonly TableMmu[]
  readonly #forgets: boolean
  #space = 0

  constructor(forgets: boolean, tier?: TierOptions) {
    this.#forgets = forgets
    this.processor = makeProcessor(this.memory, forgets ? undefined : ARENA_END, tier)
    this.frames = Array.from({ length: FRAMES }, () => this.memory.allocate())
    this.frames.forEach((_, i) => { this.fill(i, i) })
    this.spaces = Array.from({ length: SPACES }, (_, s) => {
      const mmu = new TableMmu()
      for (let i = 0; i < PAGES; i++) mmu.map(BASE / PAGE + i, this.frames[(i + s * (i & 1)) % FRAMES], ['rx', 'rx', 'rwx', 'rw', 'rwx', 'r'][i])
      return mmu
    })
    this.processor.setMmu(this.spaces[0])
  }

  /** Instructions one after another, so that they cross into the next page as it comes. */
  fill(frame: number, what: number): void {
    const at = this.frames[frame] * PAGE
    this.memory.beforeWrite(this.frames[frame])
    for (let i = 0, n = 0; i < PAGE; n++) {
      const bytes = INSTRUCTIONS[mix(what, n) % INSTRUCTIONS.length]
      for (const byte of bytes) if (i < PAGE) this.memory.u8[at + i++] = byte
    }
    // The last instruction reaches into the next page, and is jumped to from before it.
    const last = PAGE - 1 - what % 4
    INSTRUCTIONS[mix(what, 99) % INSTRUCTIONS.length].forEach((byte, i) => { if (last + i < PAGE) this.memory.u8[at + last + i] = byte })
    for (let i = last - 24; i < last; i += 2) {
      this.memory.u8[at + i] = [0xeb, 0x75, 0x74, 0x79][i >> 1 & 3]
      this.memory.u8[at + i + 1] = last - i - 2
    }
  }

  do([kind, a, b, c]: Operation): unknown {
    const page = BASE / PAGE + a % PAGES
    switch (kind) {
      case 0:
        this.spaces[this.#space].map(page, this.frames[b % FRAMES], ['rx', 'rwx', 'rw', 'r', 'rwx'][c % 5])
        this.processor.flushPage(page)
        return undefined
      case 1:
        this.spaces[this.#space].pages.delete(page)
        this.processor.flushPage(page)
        return undefined
      case 2: this.fill(a % FRAMES, b); return undefined
      case 3: {
        const frame = this.frames[a % FRAMES]
        this.memory.beforeWrite(frame)
        this.memory.u8[frame * PAGE + b % PAGE] = c
        return undefined
      }
      case 4:
        this.#space = a % SPACES
        this.processor.setMmu(this.spaces[this.#space])
        return undefined
      default: return this.#run(a, b, c)
    }
  }

  #run(a: number, b: number, c: number): unknown {
    const { memory, processor } = this
    if (this.#forgets) {
      for (const frame of this.frames) memory.beforeWrite(frame)
      processor.flushTlb()
    }
    processor.cpu.reset()
    // At the page ends more often than not.
    const place = (r: number): number => BASE + (r % PAGES) * PAGE + ((r >>> 8 & 1) === 0 ? PAGE - 1 - (r >>> 9) % 30 : (r >>> 9) % PAGE)
    // Near the end of a page, from where its last instruction is jumped to, or at the start.
    processor.cpu.rip = (a & 3) === 0 ? BASE + a % 7 : BASE + (a >>> 2) % 3 * PAGE + PAGE - 28 + 2 * ((a >>> 5) % 12)
    // Mostly away from the code, which would be translated anew all the time.
    const aim = (r: number): number => (r >>> 28) < 12 ? BASE + 3 * PAGE + (r >>> 4) % (2 * PAGE) : place(r)
    processor.cpu.set(layout.RBX, aim(mix(b, 4)))
    processor.cpu.set(layout.RDI, aim(mix(b, 1)))
    processor.cpu.set(layout.RSI, place(mix(b, 2)))
    processor.cpu.rsp = aim(mix(b, 3))
    processor.cpu.set(layout.RCX, b % 5)
    const results: unknown[] = []
    for (let i = 0; i < 3; i++) {
      const reason = processor.run(1 + mix(c, i) % 300, 0)
      results.push(reason, processor.executed, { ...processor.fault }, Buffer.from(processor.cpu.save()).toString('hex'))
      if (reason !== 1) break
    }
    return results
  }

  content(): string {
    const { u8 } = this.memory
    return this.frames.map((frame) => Buffer.from(u8.subarray(frame * PAGE, (frame + 1) * PAGE)).toString('latin1')).join('')
  }
}

type Operation = readonly [kind: number, a: number, b: number, c: number]
const operation: fc.Arbitrary<Operation> = fc.tuple(
  fc.oneof({ weight: 12, arbitrary: fc.constant(5) }, { weight: 4, arbitrary: fc.constant(4) }, { weight: 3, arbitrary: fc.integer({ min: 0, max: 3 }) }),
  fc.noBias(fc.nat()), fc.noBias(fc.nat()), fc.noBias(fc.nat(255)))

const CASES: readonly (readonly [name: string, tier: TierOptions | undefined, seed: number, runs: number])[] = [
  ['tier 0', undefined, seed, 1500], ['tier 1', EAGER_TIER, seed, 1500],
  // A page that became code as the end of an instruction; instructions that tier 1 remembered of a page that was another by then.
  ['tier 0, a seed that differed', undefined, 263910243, 310], ['tier 1, a seed that differed', EAGER_TIER, 13928957, 385],
]
for (const [name, tier, seed, numRuns] of CASES) test(`a processor that keeps translations does what one that forgets them does: ${name}`, (t) => {
  const keeps = new World(false, tier)
  const forgets = new World(true)
  let runs = 0
  const started = performance.now()
  fc.assert(fc.property(fc.array(operation, { minLength: 1, maxLength: 60, size: 'max' }), (operations) => {
    if (performance.now() - started > 10_000) return
    // Back to the start, by the same means in both.
    for (const world of [keeps, forgets]) {
      for (let i = 0; i < FRAMES; i++) world.do([2, i, i, 0])
      for (let s = SPACES - 1; s >= 0; s--) {
        world.do([4, s, 0, 0])
        for (let i = 0; i < PAGES; i++) world.do([0, i, (i + s * (i & 1)) % FRAMES, [0, 0, 1, 2, 1, 3][i]])
      }
    }
    for (const [i, one] of operations.entries()) {
      const left = keeps.do(one)
      const right = forgets.do(one)
      if (one[0] === 5) runs++
      t.deepEqual(left, right, `seed ${seed}, operation ${i}`)
    }
    if (keeps.content() !== forgets.content()) throw new Error('memory differs')
  }), { numRuns, seed })
  t.log(`${runs} runs, seed ${seed}`)
})
