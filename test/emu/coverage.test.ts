/** Coverage counts the edges between blocks that were executed, and nothing else shows that it is on. */
import test from 'ava'
import { blockNumber, clearCoverage, type CoverageObserver, eachEdge } from '../../src/emu/coverage.ts'
import { Box, CODE } from '../support/processor.ts'

const ALL: CoverageObserver = { covers: () => true, constant: () => { /* nobody asks */ } }

/** A loop of `ecx` rounds, of which those with an even counter take another way; then system call. */
const LOOP = `
  b9 0500 0000   ; 00 mov ecx, 5
  f6 c1 01       ; 05 test cl, 1
  75 05          ; 08 jnz 0f
  05 0100 0000   ; 0a add eax, 1
  ff c9          ; 0f dec ecx
  75 f2          ; 11 jnz 05
  0f 05          ; 13 syscall`

const edges = (box: Box): Map<number, number> => {
  const found = new Map<number, number>()
  eachEdge(box.memory, (cell, bucket) => { found.set(cell, bucket) })
  return found
}

const cell = (from: number | undefined, to: number): number => blockNumber(CODE + to) ^ (from === undefined ? 0 : blockNumber(CODE + from) >> 1)

test('edges are counted in buckets', (t) => {
  const box = new Box(LOOP)
  box.processor.cover(ALL)
  t.is(box.run(), 'syscall')
  t.deepEqual(new Map([...edges(box)].sort()), new Map([
    // 5, 4, 3, 2, 1: odd counters go by, even ones add.
    [cell(undefined, 0), 1], [cell(0, 0x0f), 1], [cell(0x0f, 0x05), 2], [cell(0x05, 0x0f), 2], [cell(0x05, 0x0a), 2], [cell(0x0a, 0x05), 2], [cell(0x0f, 0x13), 1],
  ].sort() as [number, number][]))
  t.is(box.processor.cpu.get(0), 2)
})

test('what was translated before does not show', (t) => {
  const first = new Box(LOOP)
  first.processor.cover(ALL)
  first.run()
  const later = new Box(LOOP)
  later.processor.cover(ALL)
  // Begins in the middle: blocks that are known then begin there.
  for (const start of [0x13, 0x0a, 0x0f, 0x05]) {
    later.processor.cpu.rip = CODE + start
    later.processor.cpu.set(1, 1)
    later.run()
  }
  later.processor.cpu.reset()
  later.processor.cpu.rip = CODE
  clearCoverage(later.memory)
  later.run()
  t.deepEqual(edges(later), edges(first))
})

test('registers and budgets are as without it', (t) => {
  for (let budget = 1; budget < 30; budget++) {
    const [plain, covered] = [new Box(LOOP), new Box(LOOP)]
    covered.processor.cover(ALL)
    for (let i = 0; i < 3; i++) {
      t.is(covered.run(budget), plain.run(budget))
      t.is(covered.processor.executed, plain.processor.executed)
      t.is(covered.state(), plain.state())
    }
  }
})

test('pages that nobody asks for are not counted, and constants are told', (t) => {
  const constants: string[] = []
  const box = new Box(`81 f9 efbe adde   ; cmp ecx, 0xdeadbeef
    48 b8 8877 6655 4433 2211  ; mov rax, 0x1122334455667788
    0f 05`)
  box.processor.cover({ covers: (page) => page !== CODE / 4096, constant: (low, high, size) => { constants.push(`${high >>> 0} ${low >>> 0} ${size}`) } })
  t.is(box.run(), 'syscall')
  t.is(edges(box).size, 0)
  t.deepEqual(constants, [])
  box.processor.cover({ covers: () => true, constant: (low, high, size) => { constants.push(`${(high >>> 0).toString(16)} ${(low >>> 0).toString(16)} ${size}`) } })
  box.processor.cpu.rip = CODE
  t.is(box.run(), 'syscall')
  t.deepEqual(constants, ['0 deadbeef 4', '11223344 55667788 8'])
})
