/**
 * Tier 1 does not show: random programs with loops, calls and jumps of all kinds end in the same state, after the same
 * number of cycles, as in tier 0; whenever regions are made and wherever budgets end.
 */
import test, { type ExecutionContext } from 'ava'
import { makeRandom } from '../support/random.ts'
import * as layout from '../../src/emu/cpu/layout.ts'
import type { Interpreter } from '../../src/emu/interp/interpreter.ts'
import { EAGER_TIER, type TierOptions, tierOptions } from '../../src/emu/jit/jit.ts'
import { PhysicalMemory } from '../../src/emu/memory.ts'
import type { JitStatistics } from '../../src/emu/statistics.ts'
import { EXIT_BUDGET, EXIT_FAULT, EXIT_REQUESTED, EXIT_SYSCALL } from '../../src/emu/processor.ts'
import { ACCESS_WRITE, TableMmu, makeProcessor } from '../support/oracle/emulator.ts'

const PAGE = layout.PAGE_SIZE
const CODE = 0x40_0000, DATA = 0x60_0000, NOWHERE = 0x70_0000, STACK = 0x7f_f000
const CYCLES = 3000

const generator = makeRandom(0x2545f491)
const { random, pick } = generator

const PLACES = ['elsewhere', 'behind', 'read-only'] as const
type Place = typeof PLACES[number]

class Machine {
  readonly memory = new PhysicalMemory(1 << 22)
  readonly mmu = new TableMmu()
  readonly processor: Interpreter
  constructor(tier: TierOptions | undefined) {
    this.processor = makeProcessor(this.memory, undefined, tier)
    this.map()
  }
  /** All pages, zero. No two are neighbours in the host's memory too. */
  map(): void {
    for (const address of [CODE + PAGE, CODE]) this.mmu.map(address / PAGE, this.memory.allocate(), 'rx')
    for (const address of [DATA + PAGE, STACK - PAGE, DATA]) this.mmu.map(address / PAGE, this.memory.allocate(), 'rw')
    this.processor.setMmu(this.mmu)
  }
  /** Where the second page of data is. */
  mapSecond(place: Place): void {
    const [first, second] = [this.memory.allocate(), this.memory.allocate()]
    this.mmu.map(DATA / PAGE, place === 'elsewhere' ? second : first, 'rw')
    this.mmu.map(DATA / PAGE + 1, place === 'elsewhere' ? first : second, place === 'read-only' ? 'r' : 'rw')
    this.processor.flushTlb()
  }
  frame(address: number): number { return this.mmu.pages.get(Math.floor(address / PAGE))?.frame ?? 0 }
  write(address: number, bytes: ArrayLike<number>): void {
    for (let i = 0; i < bytes.length; i++) {
      const frame = this.frame(address + i)
      this.memory.beforeWrite(frame)
      this.memory.u8[frame * PAGE + (address + i) % PAGE] = bytes[i]
    }
  }
  start(rip: number, values: readonly number[], data: Uint8Array): void {
    const { cpu } = this.processor
    this.write(DATA, new Uint8Array(2 * PAGE).fill(0x22))
    this.write(DATA, data)
    this.write(STACK - PAGE, new Uint8Array(PAGE).fill(0x11))
    cpu.reset()
    cpu.mxcsr = 0x1fa0
    values.forEach((value, i) => { cpu.setHalves(i, value, values[(i * 7 + 1) % values.length]) })
    for (let i = 0; i < 16; i++) this.memory.u8.set(data.subarray(i * 8, i * 8 + 16), layout.VECTOR + i * layout.VECTOR_STRIDE)
    cpu.set(layout.RDI, DATA)
    cpu.set(layout.RSI, NOWHERE)
    cpu.rsp = STACK - 512
    cpu.rip = rip
  }
  /** Runs for so many cycles or until something else ends it: all there is to see. */
  run(cycles: number, budget: () => number): string {
    const { processor } = this
    let executed = 0
    while (executed < cycles) {
      const reason = processor.run(Math.min(budget(), cycles - executed), executed)
      executed += processor.executed
      if (reason === EXIT_FAULT) {
        const { vector, errorCode, address } = processor.fault
        return `fault ${vector} ${errorCode} ${address} after ${executed}: ${this.state()}`
      }
      if (reason !== EXIT_BUDGET) return `${reason} after ${executed}: ${this.state()}`
    }
    return `ran ${executed}: ${this.state()}`
  }
  state(): string {
    const { memory, processor } = this
    const pages = [DATA, DATA + PAGE, STACK - PAGE].map((address) => Buffer.from(memory.u8.subarray(this.frame(address) * PAGE, (this.frame(address) + 1) * PAGE)).toString('base64'))
    return [Buffer.from(processor.cpu.save()).toString('hex'), ...pages].join(' ')
  }
}

// RSP, RSI and RDI stay what they are: they point to memory. RCX counts. Few others, so that they meet.
const REGISTERS = [0, 2, 3, 9]
const modrm = (opcode: readonly number[], reg: number, kind: 'any' | 'register' | 'memory' = 'any', prefix: readonly number[] = [], wide = random(2)): number[] => {
  const memory = kind === 'memory' || kind === 'any' && random(3) === 0
  const rm = pick(REGISTERS)
  const rex = 0x40 | wide << 3 | (reg >> 3) << 2 | (memory ? 0 : rm >> 3)
  // Now and then what is not there, and what reaches into the next page.
  const operand = !memory ? [0xc0 | (reg & 7) << 3 | (rm & 7)] : random(200) === 0 ? [0x06 | (reg & 7) << 3]
    : random(3) === 0 ? [0x87 | (reg & 7) << 3, 0xf0 + random(16), 0x0f, 0, 0] : [0x47 | (reg & 7) << 3, random(14) * 8]
  return [...prefix, rex, ...opcode, ...operand]
}
/** Accesses near each other, by what moves meanwhile: RDI, and RDX and R9 that come from it. */
const near = (): number[] => {
  const [base, wide] = [pick([2, 7, 9]), random(2)]
  const operand = (reg: number): number[] => [0x40 | (reg & 7) << 3 | (base & 7), (random(24) - 12) * pick([1, 8]) & 0xff]
  const rex = (reg: number): number => 0x40 | wide << 3 | (reg >> 3) << 2 | base >> 3
  const reg = pick(REGISTERS.filter((register) => register !== base))
  switch (random(8)) {
    case 0: return [0x48, 0x83, pick([0xc7, 0xef]), random(64)]
    case 1: return pick([[0x48, 0x89, 0xfa], [0x49, 0x89, 0xf9], [0x48, 0x8d, 0x57, random(256)], [0x48, 0xff, pick([0xc7, 0xcf])]])
    case 2: return [0xff, 0x77, random(100)]
    case 3: return [rex(0), 0x83, ...operand(random(8)), byte()]
    default: return [rex(reg), pick([0x01, 0x03, 0x2b, 0x88, 0x89, 0x8a, 0x8b, 0x8b]), ...operand(reg)]
  }
}
const byte = (): number => pick([0, 1, 2, 7, 8, 31, 0x7f, 0x80, 0xff, random(256)])
const INSTRUCTIONS: readonly (() => number[])[] = [
  () => modrm([random(8) * 8 + pick([0, 1, 2, 3])], pick(REGISTERS)),
  () => [...modrm([0x83], random(8)), byte()],
  () => [...modrm([0x80], random(8)), byte()],
  () => modrm([pick([0x84, 0x85])], pick(REGISTERS)),
  () => modrm([pick([0x88, 0x89, 0x8a, 0x8b])], pick(REGISTERS)),
  () => modrm([0x8b], pick(REGISTERS)),
  () => modrm([0x8d], pick(REGISTERS), 'memory'),
  () => modrm([0x0f, pick([0xb6, 0xb7, 0xbe, 0xbf, 0xaf, 0xbc, 0xbd, 0xa3, 0xab])], pick(REGISTERS), 'register'),
  () => modrm([0x63], pick(REGISTERS)),
  () => [...modrm([pick([0xc0, 0xc1])], random(8)), byte()],
  () => modrm([pick([0xd0, 0xd1, 0xd2, 0xd3])], random(8)),
  () => modrm([pick([0xfe, 0xff])], random(2)),
  () => modrm([pick([0xf6, 0xf7])], 2 + random(4)),
  () => modrm([0x0f, 0x40 + random(16)], pick(REGISTERS)),
  () => modrm([0x0f, 0x90 + random(16)], 0),
  () => modrm([0x0f, pick([0xb0, 0xb1, 0xc0, 0xc1])], pick(REGISTERS)),
  () => modrm([0x0f, pick([0xb1, 0xbc, 0xbd])], pick(REGISTERS), 'register'),
  () => [pick([0xf5, 0xf8, 0xf9, 0x9e, 0x9f, 0x99, 0x98])],
  () => [0x50 + pick([0, 2, 3, 5])],
  () => [0x58 + pick([0, 2, 3, 5])],
  () => modrm([0x0f, pick([0xef, 0xfe, 0xd4, 0x6f, 0x7f, 0x74, 0x6c])], random(16), 'any', [0x66]),
  () => modrm([0x0f, pick([0x10, 0x11, 0x58, 0x59, 0x5c, 0x5e, 0x2a])], random(16), 'any', [0xf2]),
  () => modrm([0x0f, 0x2e], random(16), 'register', [0x66]),
  // Instructions that only tier 0 knows, repeated ones, x87.
  () => pick([[0x0f, 0xa2], [0x0f, 0x31], [0xd9, 0xe8], [0xdd, 0xd8], [0xd9, 0xc9], [0x9c, 0x58]]),
  () => [0x51, 0x57, 0xb9, random(20), 0, 0, 0, 0xf3, pick([0xaa, 0xab]), 0x5f, 0x59],
]

const word = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24]

/** Blocks that end in a branch to any of them; where the program begins, so that it goes across the end of the page. */
const makeProgram = (isNear = false): { code: number[], start: number } => {
  const count = 2 + random(8)
  const bodies = Array.from({ length: count }, () => Array.from({ length: 1 + random(5) }, () => isNear && random(3) !== 0 ? near() : pick(INSTRUCTIONS)()).flat())
  const ends = Array.from({ length: count }, (): (to: (from: number) => number[]) => number[] => {
    switch (random(9)) {
      case 0: return (to) => [0xe9, ...to(5)]
      case 1: return (to) => [0xe8, ...to(5)]
      case 2: return () => [0xc3]
      // Counted: dec ecx; jnz.
      case 3: case 4: return (to) => [0xff, 0xc9, 0x0f, 0x85, ...to(8)]
      // lea rax, [rip + target]; jmp or call rax.
      case 5: { const operation = pick([0xe0, 0xd0]); return (to) => [0x48, 0x8d, 0x05, ...to(7), 0xff, operation] }
      default: { const condition = random(16); return (to) => [0x0f, 0x80 + condition, ...to(6)] }
    }
  })
  const targets = bodies.map(() => random(count))
  const sizes = bodies.map((body, i) => body.length + ends[i](() => [0, 0, 0, 0]).length)
  const starts = sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b, 0))
  const code = bodies.flatMap((body, i) => {
    const at = starts[i] + body.length
    return [...body, ...ends[i]((length) => word(starts[targets[i]] - at - length))]
  })
  return { code: [...code, 0xe9, ...word(-code.length - 5)], start: CODE + (random(2) === 0 ? 0x100 : PAGE - random(code.length)) }
}

const TIERS: readonly (readonly [name: string, tier: TierOptions, programs: number])[] = [
  ['as soon as it can be', EAGER_TIER, 250], ['for what is hot', tierOptions('47,1,1,1') as TierOptions, 500], ['later', tierOptions('170,2,3,2') as TierOptions, 250], ['under a limit', { ...tierOptions('47,1,1,1') as TierOptions, mostBytes: 8000 }, 250],
]

interface Case { readonly code: readonly number[], readonly start: number, readonly values: readonly number[], readonly data: Uint8Array, readonly cycles: number }

const makeCase = (isNear: boolean): Case => {
  const { code, start } = makeProgram(isNear)
  const data = Uint8Array.from({ length: 256 }, random(4) === 0 ? () => 0 : byte)
  const values = Array.from({ length: 16 }, () => pick([0, 1, -1, 0x7fffffff, 0x80000000, random(0x7fffffff)]))
  values[layout.RCX] = random(400)
  return { code, start, values, data, cycles: 1 + random(CYCLES) }
}

for (const [name, tier, programs] of TIERS) {
  test(`random programs end as in tier 0: compiled ${name}`, (t) => {
    const reference = new Machine(undefined)
    const machine = new Machine(tier)
    let faults = 0
    for (let i = 0; i < programs; i++) {
      const from = generator.seed
      const { code, start, values, data, cycles } = makeCase(false)
      const [expected, whole, sliced] = ([[reference, () => CYCLES], [machine, () => CYCLES], [machine, () => 1 + random(300)]] as const).map(([which, budget]) => {
        which.write(start, code)
        which.start(start, values, data)
        return which.run(cycles, budget)
      })
      if (expected.startsWith('fault')) faults++
      if (whole !== expected || sliced !== expected) {
        t.is(whole, expected, `seed ${from}: ${Buffer.from(code).toString('hex')} at ${start.toString(16)}`)
        t.is(sliced, expected, `seed ${from}, in slices: ${Buffer.from(code).toString('hex')} at ${start.toString(16)}`)
        return
      }
    }
    t.true(faults > programs / 20 && faults < programs, 'some programs fault, others don’t')
    const statistics = machine.processor.jitStatistics
    t.true((statistics?.regions ?? 0) > programs / 2, 'regions were made')
    t.true((statistics?.exits.budget ?? 0) > programs, 'and executed')
  })

  test(`accesses near each other and the end of a page: compiled ${name}`, (t) => {
    for (const place of PLACES) {
      const machines = [new Machine(undefined), new Machine(tier)]
      for (const machine of machines) machine.mapSecond(place)
      for (let i = 0; i < programs; i++) {
        const from = generator.seed
        const { code, start, values, data, cycles } = makeCase(true)
        const [near, budget] = [DATA + pick([PAGE, PAGE - 16, PAGE - 100, 64]) + random(32), 1 + random(CYCLES)]
        const [expected, found] = machines.map((machine) => {
          machine.write(start, code)
          machine.start(start, values, data)
          for (const register of [layout.RDI, layout.RDX, 9]) machine.processor.cpu.set(register, near)
          return machine.run(cycles, () => budget)
        })
        if (found !== expected) {
          t.is(found, expected, `seed ${from}, ${place}: ${Buffer.from(code).toString('hex')} at ${start.toString(16)}, ${near.toString(16)}`)
          return
        }
      }
      t.true((machines[1].processor.jitStatistics?.regions ?? 0) > programs / 4)
    }
  })
}

test('what lies across two pages again and again is looked for piece by piece', (t) => {
  // mov eax, [rdi - 8]; add eax, [rdi + 8]; add r8, rax; dec ebp; jnz; syscall
  const code = [0x8b, 0x47, 0xf8, 0x03, 0x47, 0x08, 0x49, 0x01, 0xc0, 0xff, 0xcd, 0x75, 0xf3, 0x0f, 0x05]
  const rounds = 400_000
  for (const place of ['elsewhere', 'behind'] as const) {
    const machine = loops(tierOptions(), code)
    machine.mapSecond(place)
    machine.write(DATA + PAGE - 8, [3, 0, 0, 0])
    machine.write(DATA + PAGE + 8, [4, 0, 0, 0])
    const { cpu } = machine.processor
    cpu.set(layout.RDI, DATA + PAGE)
    cpu.set(layout.RBP, rounds)
    cpu.set(8, 0)
    t.true(machine.run(10_000_000, () => 100_000).startsWith(String(EXIT_SYSCALL)))
    t.is(cpu.get(8), rounds * 7)
    const { exits, regions } = machine.processor.jitStatistics as JitStatistics
    t.true(exits.read < rounds / 10, `${place}: ${exits.read} exits`)
    t.is(regions, place === 'behind' ? 1 : 2)
  }
})

test('what only a way that is not taken needs, of a page that is not there, keeps nobody in tier 0 for ever', (t) => {
  // mov eax, [rdi]; test eax, eax; js back; add r8, rax; dec ebp; jnz; syscall; back: add eax, [rdi - 8]; jmp
  const code = [0x8b, 0x07, 0x85, 0xc0, 0x78, 0x09, 0x49, 0x01, 0xc0, 0xff, 0xcd, 0x75, 0xf3, 0x0f, 0x05, 0x03, 0x47, 0xf8, 0xeb, 0xf2]
  const rounds = 400_000
  const machine = loops(tierOptions(), code)
  const { cpu } = machine.processor
  const run = (value: number, at: number, count: number): void => {
    machine.write(at, [value & 0xff, 0, 0, value >>> 24])
    cpu.rip = CODE
    cpu.set(layout.RDI, at)
    cpu.set(layout.RBP, count)
    cpu.set(8, 0)
    t.true(machine.run(10_000_000, () => 100_000).startsWith(String(EXIT_SYSCALL)))
  }
  // Both ways are known before the page before the data is missing.
  run(0x80000003 | 0, DATA + 64, 20)
  run(3, DATA, rounds)
  t.is(cpu.get(8), rounds * 3)
  const { exits, entries } = machine.processor.jitStatistics as JitStatistics
  t.true(entries > 0)
  t.true(exits.read < rounds / 10, `${exits.read} exits`)
})

const loops = (tier: TierOptions | undefined, code: readonly number[]): Machine => {
  const machine = new Machine(tier)
  machine.write(CODE, code)
  machine.start(CODE, Array.from({ length: 16 }, () => 0), new Uint8Array(256))
  return machine
}

/** A program that counts EBP down and leaves its result in R8: as in tier 0, whole and in slices. */
const agrees = (t: ExecutionContext, tier: TierOptions, rounds: number, code: readonly number[], result: number): void => {
  const results = ([[undefined, () => 1_000_000], [tier, () => 1_000_000], [tier, () => 1 + random(3000)]] as const).map(([which, budget]) => {
    const machine = loops(which, code)
    const { cpu } = machine.processor
    cpu.set(layout.RBP, rounds)
    cpu.set(layout.RDI, 0)
    const end = machine.run(1_000_000, budget)
    t.is(cpu.get(8), result)
    return end
  })
  t.true(results[0].startsWith(String(EXIT_SYSCALL)))
  t.is(results[1], results[0])
  t.is(results[2], results[0])
}

for (const [name, tier] of TIERS) {
  test(`a loop writes to itself: compiled ${name}`, (t) => {
    // add eax, 1 (immediate at +2); then each 16th round: inc byte [rbx]; dec ecx; jnz.
    const machine = loops(tier, [0x83, 0xc0, 0x01, 0xf6, 0xc1, 0x0f, 0x75, 0x02, 0xfe, 0x03, 0xff, 0xc9, 0x75, 0xf2, 0x0f, 0x05])
    machine.mmu.map(CODE / PAGE, machine.frame(CODE), 'rwx')
    machine.processor.flushTlb()
    const { cpu } = machine.processor
    cpu.set(layout.RBX, CODE + 2)
    cpu.set(layout.RCX, 800)
    let expected = 0
    for (let count = 800, addend = 1; count > 0; count--) {
      expected += addend << 24 >> 24
      if ((count & 15) === 0) addend++
    }
    t.is(machine.processor.run(1_000_000, 0), EXIT_SYSCALL)
    t.is(cpu.get(layout.RAX), expected)
    t.true((machine.processor.jitStatistics?.regions ?? 0) > 0)
  })

  test(`address spaces share one page of a loop: compiled ${name}`, (t) => {
    const at = PAGE - 3
    // add eax, 1 at the end of the page; the next page adds another number; dec ecx; jnz; syscall.
    const machine = loops(tier, [])
    const second = [5, 7].map((addend) => {
      const frame = machine.memory.allocate()
      machine.memory.u8.set([0x83, 0xc0, addend, 0xff, 0xc9, 0x75, 0xf6, 0x0f, 0x05], frame * PAGE)
      return frame
    })
    machine.write(CODE + at, [0x83, 0xc0, 0x01])
    const spaces = second.map((frame) => {
      const mmu = new TableMmu()
      for (const [page, mapping] of machine.mmu.pages) mmu.pages.set(page, mapping)
      mmu.map(CODE / PAGE + 1, frame, 'rx')
      return mmu
    })
    const { cpu } = machine.processor
    for (let round = 0; round < 12; round++) {
      const which = round % 3 === 2 ? 0 : round % 2
      machine.processor.setMmu(spaces[which])
      cpu.rip = CODE + at
      cpu.set(layout.RAX, 0)
      cpu.set(layout.RCX, 500)
      t.is(machine.processor.run(1_000_000, 0), EXIT_SYSCALL)
      t.is(cpu.get(layout.RAX), 500 * (which === 0 ? 6 : 8))
    }
  })

  test(`a page is copied when it is written to: compiled ${name}`, (t) => {
    // mov eax, [rbx]; add rdx, rax; inc dword [rdi]; dec ecx; jnz; syscall. RBX and RDI are the same address.
    const machine = loops(tier, [0x8b, 0x03, 0x48, 0x01, 0xc2, 0xff, 0x07, 0xff, 0xc9, 0x75, 0xf5, 0x0f, 0x05])
    const { processor, mmu, memory } = machine
    const { cpu } = processor
    const resolve = mmu.resolve.bind(mmu)
    let copies = 0
    mmu.resolve = (page, access) => {
      if (page === DATA / PAGE && access === ACCESS_WRITE && copies++ % 2 === 0) {
        mmu.map(page, memory.copy(machine.frame(DATA)), 'rw')
        processor.flushPage(page)
      }
      return resolve(page, access)
    }
    for (let round = 0; round < 8; round++) {
      machine.write(DATA, [0, 0, 0, 0])
      processor.flushTlb()
      copies = 0
      cpu.rip = CODE
      cpu.set(layout.RBX, DATA)
      cpu.set(layout.RDI, DATA)
      cpu.set(layout.RDX, 0)
      cpu.set(layout.RCX, 100)
      t.is(processor.run(1_000_000, 0), EXIT_SYSCALL)
      t.is(cpu.get(layout.RDX), 99 * 100 / 2)
    }
  })

  test(`functions call each other, deeper than regions wait for each other: compiled ${name}`, (t) => {
    // mov edi, 120; call f; add r8, rax; dec ebp; jnz; syscall. f: test edi, edi; jz; push rdi; dec edi; call f; pop rdi; add rax, rdi; ret; xor eax, eax; ret.
    agrees(t, tier, 40, [
      0xbf, 120, 0, 0, 0, 0xe8, 9, 0, 0, 0, 0x49, 0x01, 0xc0, 0xff, 0xcd, 0x75, 0xef, 0x0f, 0x05,
      0x85, 0xff, 0x74, 13, 0x57, 0xff, 0xcf, 0xe8, 0xf4, 0xff, 0xff, 0xff, 0x5f, 0x48, 0x01, 0xf8, 0xc3, 0x31, 0xc0, 0xc3,
    ], 40 * 120 * 121 / 2)
  })

  test(`functions return to where they were not called: compiled ${name}`, (t) => {
    // call g; add r8, 1; jmp; add r8, 100; dec ebp; jnz; syscall. g: call h; ret; or six bytes on: inc r8; ret.
    // h: test ebp, 1; jz; add rsp, 8; test ebp, 2; jz; add qword [rsp], 6; ret.
    agrees(t, tier, 600, [
      0xe8, 16, 0, 0, 0, 0x49, 0x83, 0xc0, 1, 0xeb, 4, 0x49, 0x83, 0xc0, 100, 0xff, 0xcd, 0x75, 0xed, 0x0f, 0x05,
      0xe8, 10, 0, 0, 0, 0xc3, 0x90, 0x90, 0x90, 0x90, 0x90, 0x49, 0xff, 0xc0, 0xc3,
      0xf7, 0xc5, 1, 0, 0, 0, 0x74, 4, 0x48, 0x83, 0xc4, 8, 0xf7, 0xc5, 2, 0, 0, 0, 0x74, 5, 0x48, 0x83, 0x04, 0x24, 6, 0xc3,
    ], 150 * (1 + 1 + 2 + 100))
  })

  test(`address spaces have different functions at an address: compiled ${name}`, (t) => {
    // call f on the next page; add r8, rax; dec ebp; jnz; syscall. f: call to the ret at its end; mov eax; ret.
    const machine = loops(tier, [0xe8, ...word(PAGE - 5), 0x49, 0x01, 0xc0, 0xff, 0xcd, 0x75, 0xf4, 0x0f, 0x05])
    const spaces = [3, 1000].map((value) => {
      const frame = machine.memory.allocate()
      machine.memory.u8.set([0xe8, 6, 0, 0, 0, 0xb8, ...word(value), 0xc3, 0xc3], frame * PAGE)
      const mmu = new TableMmu()
      for (const [page, mapping] of machine.mmu.pages) mmu.pages.set(page, mapping)
      mmu.map(CODE / PAGE + 1, frame, 'rx')
      return { mmu, value }
    })
    const { cpu } = machine.processor
    for (let round = 0; round < 12; round++) {
      const { mmu, value } = spaces[round % 3 === 2 ? 0 : round % 2]
      machine.processor.setMmu(mmu)
      cpu.rip = CODE
      cpu.rsp = STACK - 512
      cpu.set(8, 0)
      cpu.set(layout.RBP, 500)
      t.is(machine.processor.run(1_000_000, 0), EXIT_SYSCALL)
      t.is(cpu.get(8), 500 * value)
    }
  })

  test(`a processor is used again for another world: compiled ${name}`, (t) => {
    // add eax, [rbx]; dec ecx; jnz; syscall
    const machine = new Machine(tier)
    for (let world = 0; world < 4; world++) {
      if (world > 0) {
        machine.processor.recycle()
        machine.map()
      }
      machine.write(CODE, [0x03, 0x03, 0xff, 0xc9, 0x75, 0xfa, 0x0f, 0x05])
      machine.start(CODE, Array.from({ length: 16 }, () => 0), Uint8Array.of(1 + world, 0, 0, 0))
      const { cpu } = machine.processor
      cpu.set(layout.RBX, DATA)
      cpu.set(layout.RCX, 900)
      t.is(machine.processor.run(1_000_000, 0), EXIT_SYSCALL)
      t.is(machine.processor.executed, 2701)
      t.is(cpu.get(layout.RAX), 900 * (1 + world))
    }
  })

  test(`the kernel asks for an exit in the middle of a region: compiled ${name}`, (t) => {
    // add eax, [rbx]; add rbx, 8; dec ecx; jnz; syscall. The second page is where the exit is asked for.
    const machine = loops(tier, [0x03, 0x03, 0x48, 0x83, 0xc3, 0x08, 0xff, 0xc9, 0x75, 0xf6, 0x0f, 0x05])
    const { processor, mmu } = machine
    const resolve = mmu.resolve.bind(mmu)
    let asked = 0
    mmu.resolve = (page, access) => {
      if (page === DATA / PAGE + 1 && asked++ === 0) processor.requestExit()
      return resolve(page, access)
    }
    machine.write(DATA, new Uint8Array(2 * PAGE).fill(1))
    processor.cpu.set(layout.RBX, DATA)
    processor.cpu.set(layout.RCX, 1024)
    t.is(processor.run(1_000_000, 0), EXIT_REQUESTED)
    t.is(asked, 1)
    // 512 rounds of four instructions, and the one that asked, with what was left of its block.
    const first = processor.executed
    t.true(first > 512 * 4 && first <= 513 * 4, String(first))
    t.is(processor.run(1_000_000, 0), EXIT_SYSCALL)
    t.is(first + processor.executed, 1024 * 4 + 1)
    t.is(processor.cpu.low(layout.RAX), Math.imul(0x01010101, 1024) >>> 0)
  })
}
