/** `run(n)` executes n cycles, whatever n is, and where the budget ends does not show. */
import test from 'ava'
import fc from 'fast-check'
import { Box, CODE, DATA, PAGE, layout } from '../support/processor.ts'

/** Loops, calls, memory, REP strings across pages, and a fault at the end. */
const PROGRAM = `
  b9 05 00 00 00                ; mov ecx, 5
  48 bb 00 00 60 00 00 00 00 00 ; mov rbx, DATA
  01 0b                         ; loop: add [rbx], ecx
  e8 28 00 00 00                ; call (function)
  ff c9                         ; dec ecx
  75 f5                         ; jnz loop
  48 8d bb f0 0f 00 00          ; lea rdi, [rbx + 0xff0]
  48 89 de                      ; mov rsi, rbx
  b9 28 00 00 00                ; mov ecx, 40
  f3 a4                         ; rep movsb
  b9 09 00 00 00                ; mov ecx, 9
  48 ab                         ; stosq
  f3 48 ab                      ; rep stosq
  48 31 c0                      ; xor rax, rax
  8b 00                         ; mov eax, [rax]: faults
  90 90 90 90                   ;
  50                            ; function: push rax
  48 83 c0 07                   ; add rax, 7
  58                            ; pop rax
  48 01 c8                      ; add rax, rcx
  c3                            ; ret
`

const box = new Box(PROGRAM)
const restore = box.save()

const trace = (budgets: (i: number) => number): { states: Map<number, string>, cycles: number, fault: unknown } => {
  restore()
  const states = new Map<number, string>()
  let cycles = 0
  for (let i = 0; ; i++) {
    const budget = budgets(i)
    const reason = box.run(budget)
    cycles += box.processor.executed
    states.set(cycles, box.state())
    if (reason === 'budget' && box.processor.executed !== budget) throw new Error(`budget ${budget}, executed ${box.processor.executed}`)
    if (reason !== 'budget') return { states, cycles, fault: box.fault }
  }
}

test('every cut of a program into runs gives the states of single steps', (t) => {
  const steps = trace(() => 1)
  t.deepEqual(steps.fault, { vector: 14, errorCode: 4, address: 0, debugStatus: 0, rip: CODE + 0x38 })
  // 2 + 5 × (1 + 1 + 4 + 1 + 1 + 1) …: the faulting instruction does not count.
  t.true(steps.cycles > 90)
  for (let n = 1; n <= steps.cycles + 1; n++) {
    const cut = trace((i) => i === 0 ? n : 1_000_000)
    t.is(cut.cycles, steps.cycles)
    t.deepEqual(cut.fault, steps.fault)
    for (const [cycle, state] of cut.states) t.true(state === steps.states.get(cycle), `state at cycle ${cycle} after run(${n})`)
  }
})

test('any sequence of budgets gives the states of single steps', (t) => {
  const steps = trace(() => 1)
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }), (budgets) => {
    const cut = trace((i) => budgets[i % budgets.length])
    return cut.cycles === steps.cycles && [...cut.states].every(([cycle, state]) => state === steps.states.get(cycle))
  }), { numRuns: 100 })
  t.pass()
})

test('each iteration of a repeated instruction is a cycle', (t) => {
  const box = new Box('f3 aa 90')
  box.set(layout.RCX, 1000)
  box.set(layout.RDI, DATA)
  t.is(box.run(400), 'budget')
  t.is(box.processor.executed, 400)
  t.is(box.get(layout.RCX), 600)
  t.is(box.get(layout.RDI), DATA + 400)
  t.is(box.processor.cpu.rip, CODE)
  t.is(box.run(601), 'budget')
  t.is(box.processor.cpu.rip, CODE + 3)
  t.is(box.get(layout.RCX), 0)
})

test('a repeated instruction with count zero takes one cycle', (t) => {
  const box = new Box('f3 aa 90')
  t.is(box.run(1), 'budget')
  t.is(box.processor.cpu.rip, CODE + 2)
})

test('a fault in a repeated instruction leaves the registers of the iteration before, and counts those done', (t) => {
  for (const chunk of [1, 7, 1_000_000]) {
    const box = new Box('f3 a4')
    box.set(layout.RCX, 100)
    box.set(layout.RSI, DATA)
    box.set(layout.RDI, DATA + 4 * PAGE - 10)
    let executed = 0
    let reason
    do {
      reason = box.run(chunk)
      executed += box.processor.executed
    } while (reason === 'budget')
    t.is(reason, 'fault')
    t.deepEqual(box.fault, { vector: 14, errorCode: 6, address: DATA + 4 * PAGE, debugStatus: 0, rip: CODE })
    t.is(executed, 10)
    t.is(box.get(layout.RCX), 90)
    t.is(box.get(layout.RSI), DATA + 10)
  }
})

test('a fault in the middle of a block gives back what was paid for', (t) => {
  const box = new Box('90 90 a1 00 00 00 00 00 00 00 00 90 90 90')
  t.is(box.run(100), 'fault')
  t.is(box.processor.executed, 2)
  t.is(box.fault.rip, CODE + 2)
})

test('a jump to where nothing can be fetched is complete; the fault belongs to the next run', (t) => {
  const box = new Box('b8 00 10 00 00 ff e0')
  t.is(box.run(2), 'budget')
  t.is(box.processor.cpu.rip, 0x1000)
  t.is(box.run(1), 'fault')
  t.is(box.processor.executed, 0)
  t.deepEqual(box.fault, { vector: 14, errorCode: 0x14, address: 0x1000, debugStatus: 0, rip: 0x1000 })
})

test('SYSCALL counts, and leaves return address and flags', (t) => {
  const box = new Box('f9 0f 05')
  t.is(box.run(100), 'syscall')
  t.is(box.processor.executed, 2)
  t.is(box.processor.cpu.rip, CODE + 3)
  t.is(box.get(layout.RCX), CODE + 3)
  t.is(box.get(layout.R11), 0x203)
})

test('requestExit stops at a block, and the cycles are right', (t) => {
  const box = new Box('8b 03 eb fc')
  box.set(layout.RBX, DATA)
  const resolve = box.mmu.resolve.bind(box.mmu)
  box.mmu.resolve = (page, access) => {
    if (page === DATA / PAGE) box.processor.requestExit()
    return resolve(page, access)
  }
  t.is(box.run(1000), 'requested')
  t.is(box.processor.executed, 2)
  t.is(box.run(1000), 'budget')
})

test('RDTSC reads the cycle that it is, wherever the run began', (t) => {
  for (const [first, start] of [[10, 0], [1, 0], [2, 0], [3, 0]] as const) {
    const box = new Box('90 90 0f 31 90')
    box.processor.run(first, start)
    if (first < 3) box.processor.run(10, first)
    t.is(box.get(layout.RAX), 3)
  }
})
