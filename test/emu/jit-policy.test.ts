/** What is compiled, and what the host is asked for: nothing of it shows in a world, but all of it takes time. */
import test from 'ava'
import * as layout from '../../src/emu/cpu/layout.ts'
import { DEFAULT_TIER, type TierOptions } from '../../src/emu/jit/jit.ts'
import { PhysicalMemory } from '../../src/emu/memory.ts'
import { EXIT_BUDGET } from '../../src/emu/processor.ts'
import { TableMmu, makeProcessor } from '../support/oracle/emulator.ts'

const PAGE = layout.PAGE_SIZE
const CODE = 0x40_0000, STACK = 0x7f_f000
/** As soon as can be, and never made anew. */
const QUICK: TierOptions = { ...DEFAULT_TIER, chunk: 1000, samples: 1, batch: 1, patience: 1, tier0Cycles: 1, heat: 1, chainsPerInstruction: 1e9 }

/** A processor with code at some addresses, of which each has a page of its own; its memory can be written to. */
const makeMachine = (code: Readonly<Record<number, readonly number[]>>, tier?: TierOptions) => {
  const memory = new PhysicalMemory(1 << 22)
  const mmu = new TableMmu()
  // With a stopwatch services are counted.
  const processor = makeProcessor(memory, undefined, tier, () => 0)
  const frames = new Map<number, number>()
  for (const [address, bytes] of [...Object.entries(code), [String(STACK - PAGE), []] as const]) {
    const page = Math.floor(Number(address) / PAGE)
    const frame = frames.get(page) ?? memory.allocate()
    frames.set(page, frame)
    mmu.map(page, frame, 'rwx')
    memory.u8.set(bytes, frame * PAGE + Number(address) % PAGE)
  }
  processor.setMmu(mmu)
  processor.cpu.reset()
  processor.cpu.rip = Number(Object.keys(code)[0])
  processor.cpu.rsp = STACK - 64
  return processor
}

test('blocks that displace each other in the jump cache are not looked up by the host again and again', (t) => {
  // The hash is the exclusive or of the address with its page: the same for these two.
  const [a, b] = [CODE + 0x10, CODE + 4 * PAGE + 0x14]
  // inc rax; jmp rbx · inc rax; jmp rcx
  const processor = makeMachine({ [a]: [0x48, 0xff, 0xc0, 0xff, 0xe3], [b]: [0x48, 0xff, 0xc0, 0xff, 0xe1] })
  processor.cpu.set(layout.RBX, b)
  processor.cpu.set(layout.RCX, a)
  t.is(processor.run(10_000, 0), EXIT_BUDGET)
  t.is(processor.cpu.get(layout.RAX), 5000)
  t.true(processor.statistics.lookups.count < 10, String(processor.statistics.lookups.count))
})

test('a write to one page of code does not make others be looked up again', (t) => {
  const callee = CODE + PAGE
  // call callee; mov [rdi], al; jmp to here · ret
  const processor = makeMachine({ [CODE]: [0xe8, 0xfb, 0x0f, 0, 0, 0x88, 0x07, 0xeb, 0xf7], [callee]: [0xc3] })
  processor.cpu.set(layout.RDI, callee + 0x800)
  t.is(processor.run(4000, 0), EXIT_BUDGET)
  t.is(processor.cpu.rip, CODE)
  const { count } = processor.statistics.lookups
  // The callee each time, nothing else.
  t.true(count > 900 && count < 1100, String(count))
})

test('a jump through a pointer in memory is part of the first region', (t) => {
  const [stub, callee, table] = [CODE + 0x100, CODE + PAGE, CODE + 2 * PAGE]
  const relative = (from: number, to: number): number[] => [0, 8, 16, 24].map((shift) => ((to - from) >> shift) & 0xff)
  const processor = makeMachine({
    // call stub; jmp to here
    [CODE]: [0xe8, ...relative(CODE + 5, stub), 0xeb, 0xf9],
    // jmp [rip + …]
    [stub]: [0xff, 0x25, ...relative(stub + 6, table)],
    // inc rax; ret
    [callee]: [0x48, 0xff, 0xc0, 0xc3],
    [table]: [...relative(0, callee), 0, 0, 0, 0],
  }, QUICK)
  t.is(processor.run(1_000_000, 0), EXIT_BUDGET)
  t.is(processor.cpu.get(layout.RAX), 200_000)
  const statistics = processor.jitStatistics
  t.true(statistics !== undefined && statistics.regions > 0 && statistics.regions < 10, String(statistics?.regions))
  t.true((statistics?.chains ?? Infinity) < 1000, String(statistics?.chains))
})

test('blocks that regions lead to are compiled before a sample falls on them', (t) => {
  // Two loops in turn by indirect jumps: dec rcx; jnz to here; mov ecx, 100; jmp rbx (or rdx)
  const loop = (jump: number): number[] => [0x48, 0xff, 0xc9, 0x75, 0xfb, 0xb9, 100, 0, 0, 0, 0xff, jump]
  const count = (heat: number): number => {
    const processor = makeMachine({ [CODE]: loop(0xe3), [CODE + PAGE]: loop(0xe2) }, { ...QUICK, samples: 4, heat })
    // The first loop alone, until it is a region.
    processor.cpu.set(layout.RBX, CODE)
    processor.cpu.set(layout.RDX, CODE)
    processor.cpu.set(layout.RCX, 100)
    t.is(processor.run(6000, 0), EXIT_BUDGET)
    t.is(processor.jitStatistics?.regions, 1)
    processor.cpu.set(layout.RBX, CODE + PAGE)
    t.is(processor.run(30_000, 6000), EXIT_BUDGET)
    return processor.statistics.tier0.instructions
  }
  const [cold, warm] = [count(1_000_000), count(2)]
  t.true(warm < cold, `${warm} instructions in tier 0, ${cold} without`)
})

test('under a limit the older half of the regions goes, and what is still hot comes back', (t) => {
  // Loops, one after the other, in a ring: dec rcx; jnz to here; mov ecx, 2000; jmp to the next one
  const count = 12
  const code = Object.fromEntries(Array.from({ length: count }, (_, i) => {
    const next = (((i + 1) % count) - i) * PAGE - 15
    return [CODE + i * PAGE, [0x48, 0xff, 0xc9, 0x75, 0xfb, 0xb9, 0xd0, 7, 0, 0, 0xe9, ...[0, 8, 16, 24].map((shift) => (next >> shift) & 0xff)]]
  }))
  const run = (mostBytes: number) => {
    const processor = makeMachine(code, { ...QUICK, heat: 1e9, mostBytes })
    processor.cpu.set(layout.RCX, 2000)
    t.is(processor.run(1_000_000, 0), EXIT_BUDGET)
    return { regions: processor.jitStatistics?.regions ?? 0, rcx: processor.cpu.get(layout.RCX), rip: processor.cpu.rip }
  }
  const [free, limited] = [run(1 << 20), run(2000)]
  t.is(free.regions, count)
  t.true(limited.regions > count, String(limited.regions))
  t.deepEqual({ ...limited, regions: 0 }, { ...free, regions: 0 })
})
