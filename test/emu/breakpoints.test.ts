/** Debug registers: every access to watched memory traps after its instruction, and every breakpoint before it, wherever blocks and budgets end. */
import test from 'ava'
import fc from 'fast-check'
import { type Breakpoint, Breakpoints, NO_BREAKPOINTS } from '../../src/emu/breakpoints.ts'
import * as layout from '../../src/emu/cpu/layout.ts'
import { VECTOR_DB } from '../../src/emu/processor.ts'
import { Box, CODE, DATA } from '../support/processor.ts'

const PROGRAM = `
  48 bb 00 00 60 00 00 00 00 00 ; mov rbx, DATA
  8b 03                         ; 0a mov eax, [rbx]
  88 43 05                      ; 0c mov [rbx + 5], al
  01 43 08                      ; 0f add [rbx + 8], eax
  f0 ff 43 0c                   ; 12 lock inc dword [rbx + 12]
  87 43 10                      ; 16 xchg [rbx + 16], eax
  0f 10 43 20                   ; 19 movups xmm0, [rbx + 32]
  0f 11 83 f8 0f 00 00          ; 1d movups [rbx + 0xff8], xmm0: crosses
  48 8d 73 40                   ; 24 lea rsi, [rbx + 64]
  48 8d bb 80 00 00 00          ; 28 lea rdi, [rbx + 128]
  b9 03 00 00 00                ; 2f mov ecx, 3
  f3 48 a5                      ; 34 rep movsq
  8f 43 78                      ; 37 pop [rbx + 120]
  90                            ; 3a
  0f 05                         ; 3b syscall
`
/** Where it is, iterations counted singly, and what it reads and writes: [offset, size]. */
const STEPS: readonly { readonly rip: number, readonly reads?: readonly [number, number], readonly writes?: readonly [number, number] }[] = [
  { rip: 0 }, { rip: 0xa, reads: [0, 4] }, { rip: 0xc, writes: [5, 1] }, { rip: 0xf, reads: [8, 4], writes: [8, 4] }, { rip: 0x12, reads: [12, 4], writes: [12, 4] },
  { rip: 0x16, reads: [16, 4], writes: [16, 4] }, { rip: 0x19, reads: [32, 16] }, { rip: 0x1d, writes: [0xff8, 16] }, { rip: 0x24 }, { rip: 0x28 }, { rip: 0x2f },
  ...[0, 8, 16].map((i) => ({ rip: 0x34, reads: [64 + i, 8], writes: [128 + i, 8] }) as const), { rip: 0x37, writes: [120, 8] }, { rip: 0x3a }, { rip: 0x3b },
]
/** 100,000 times: add [rbx], 1. */
const LOOP = '48 bb 00 00 60 00 00 00 00 00; b9 a0 86 01 00; 83 03 01; ff c9; 75 f9; 0f 05'.replaceAll(';', '')

/** What traps, in order: where rip is then, and the bits of DR6. */
const expected = (list: readonly Breakpoint[]): [number, number][] => STEPS.flatMap(({ rip, reads, writes }, i) => {
  const traps: [number, number][] = []
  let before = 0, after = 0
  for (const [bit, { kind, address, length }] of list.entries()) {
    const touches = (range: readonly [number, number] | undefined): boolean =>
      range !== undefined && address < DATA + range[0] + range[1] && DATA + range[0] < address + length
    if (kind === 'execute' && address === CODE + rip && STEPS[i - 1]?.rip !== rip) before |= 1 << bit
    if (kind !== 'execute' && (touches(writes) || (kind === 'access' && touches(reads)))) after |= 1 << bit
  }
  if (before !== 0) traps.push([rip, before])
  if (after !== 0) traps.push([STEPS[i + 1].rip, after])
  return traps
})

const anyBreakpoint: fc.Arbitrary<Breakpoint> = fc.oneof(
  fc.constantFrom(...STEPS, { rip: 0xb }).map(({ rip }): Breakpoint => ({ kind: 'execute', address: CODE + rip, length: 1 })),
  fc.tuple(fc.constantFrom('write', 'access'), fc.constantFrom(1, 2, 4, 8), fc.constantFrom(0, 1, 5, 8, 12, 15, 16, 20, 32, 47, 48, 64, 80, 88, 120, 128, 150, 152, 0xff8, 0x1000, 0x1007, 0x1008))
    .map(([kind, length, offset]): Breakpoint => ({ kind, address: DATA + offset - offset % length, length })),
)

test('traps come where they should, whatever the budgets, and nothing else changes', (t) => {
  const plain = new Box(PROGRAM)
  plain.run()
  fc.assert(fc.property(fc.array(anyBreakpoint, { minLength: 1, maxLength: 4 }), fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 6 }), (list, budgets) => {
    const box = new Box(PROGRAM)
    const { cpu, fault } = box.processor
    box.processor.setBreakpoints(new Breakpoints(list))
    const traps: [number, number][] = []
    let executed = 0
    for (let i = 0; i < 300; i++) {
      const reason = box.run(budgets[i % budgets.length])
      executed += box.processor.executed
      if (reason === 'syscall') break
      if (reason !== 'fault') continue
      t.is(fault.vector, VECTOR_DB)
      traps.push([cpu.rip - CODE, fault.debugStatus])
      // As the kernel does for what has not been executed.
      if (list.some(({ kind }, bit) => kind === 'execute' && (fault.debugStatus & 1 << bit) !== 0)) cpu.rflags |= layout.RF
    }
    t.deepEqual(traps, expected(list))
    t.is(executed, plain.processor.executed)
    t.is(box.state(), plain.state())
  }), { numRuns: 200 })
})

test('in a loop that was compiled each access traps, and it goes on to its end when nothing is watched', (t) => {
  const box = new Box(LOOP)
  const { processor } = box
  t.is(box.run(200_000), 'budget')
  const done = (): number => Number.parseInt(box.read(DATA, 4).replace(/(..)(..)(..)(..)/, '$4$3$2$1'), 16)
  const before = done()
  processor.setBreakpoints(new Breakpoints([undefined, { kind: 'write', address: DATA, length: 4 }, { kind: 'execute', address: CODE + 0x12, length: 1 }]))
  const met: number[] = []
  for (let i = 0; i < 20; i++) {
    t.is(box.run(), 'fault')
    met.push(processor.fault.debugStatus)
    if (processor.fault.debugStatus === 4) processor.cpu.rflags |= layout.RF
  }
  t.is(met.filter((status) => status === 2).length, 10)
  t.is(met.filter((status) => status === 4).length, 10)
  t.is(done(), before + 10)
  processor.setBreakpoints(NO_BREAKPOINTS)
  t.is(box.run(), 'syscall')
  t.is(done(), 100_000)
})
