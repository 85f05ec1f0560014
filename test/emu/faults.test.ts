/** Exceptions of the guest: vector, error code, address, rip; nothing of the instruction has happened. Single steps. */
import test from 'ava'
import { Box, CODE, DATA, PAGE, STACK, layout } from '../support/processor.ts'

const faultOf = (text: string, set: (box: Box) => void = () => {}): { vector: number, errorCode: number, address: number, debugStatus: number, rip: number } => {
  const box = new Box(text)
  set(box)
  const before = [...Array(16).keys()].map((i) => box.get(i))
  if (box.run() !== 'fault') throw new Error('no fault')
  const after = [...Array(16).keys()].map((i) => box.get(i))
  if (before.some((value, i) => value !== after[i])) throw new Error('a register changed')
  return box.fault
}

test('page faults: error codes and addresses', (t) => {
  const at = (address: number) => (box: Box) => { box.set(layout.RBX, address) }
  t.deepEqual(faultOf('8b 03', at(0x1234)), { vector: 14, errorCode: 4, address: 0x1234, debugStatus: 0, rip: CODE })
  t.deepEqual(faultOf('89 03', at(0x1234)), { vector: 14, errorCode: 6, address: 0x1234, debugStatus: 0, rip: CODE })
  t.deepEqual(faultOf('01 03', at(0x1234)), { vector: 14, errorCode: 6, address: 0x1234, debugStatus: 0, rip: CODE })
  t.deepEqual(faultOf('89 03', at(CODE + 8)), { vector: 14, errorCode: 7, address: CODE + 8, debugStatus: 0, rip: CODE })
  t.deepEqual(faultOf('48 8b 03', at(DATA + 4 * PAGE - 3)), { vector: 14, errorCode: 4, address: DATA + 4 * PAGE, debugStatus: 0, rip: CODE })
  t.deepEqual(faultOf('48 89 03', at(DATA - 3)), { vector: 14, errorCode: 6, address: DATA - 3, debugStatus: 0, rip: CODE })
})

test('addresses that are not canonical: #GP, through the stack #SS; the kernel’s half: #PF', (t) => {
  const noncanonical = 0x8000_0000_0000
  t.deepEqual(faultOf('8b 03', (box) => { box.set(layout.RBX, noncanonical) }), { vector: 13, errorCode: 0, address: 0, debugStatus: 0, rip: CODE })
  t.deepEqual(faultOf('8b 45 00', (box) => { box.set(layout.RBP, noncanonical) }), { vector: 12, errorCode: 0, address: 0, debugStatus: 0, rip: CODE })
  t.deepEqual(faultOf('50', (box) => { box.set(layout.RSP, noncanonical + 64) }), { vector: 12, errorCode: 0, address: 0, debugStatus: 0, rip: CODE })
  t.deepEqual(faultOf('8b 03', (box) => { box.set(layout.RBX, -4096) }), { vector: 14, errorCode: 5, address: -4096, debugStatus: 0, rip: CODE })
})

test('FXSAVE and FXRSTOR through RBP: where the image begins says whether it is aligned (#GP) or not canonical (#SS), not where it ends', (t) => {
  for (const instruction of ['0f ae 45 00', '0f ae 4d 00']) {
    t.like(faultOf(instruction, (box) => { box.set(layout.RBP, 0x7fff_ffff_fff8) }), { vector: 13, errorCode: 0, rip: CODE })
    t.like(faultOf(instruction, (box) => { box.set(layout.RBP, 0x8000_0000_0008) }), { vector: 12, errorCode: 0, rip: CODE })
  }
})

test('fetching: not executable, not mapped, across the end of what is', (t) => {
  const jump = new Box('ff e3')
  jump.set(layout.RBX, DATA)
  t.is(jump.run(), 'fault')
  t.deepEqual(jump.fault, { vector: 14, errorCode: 0x15, address: DATA, debugStatus: 0, rip: DATA })
  const end = new Box()
  end.write(CODE + 2 * PAGE - 2, new Uint8Array([0xb8, 0]))
  end.processor.cpu.rip = CODE + 2 * PAGE - 2
  t.is(end.run(), 'fault')
  t.deepEqual(end.fault, { vector: 14, errorCode: 0x14, address: CODE + 2 * PAGE, debugStatus: 0, rip: CODE + 2 * PAGE - 2 })
  // A jump to −1, which must not be taken for an empty slot of the jump cache.
  const minusOne = new Box('ff e3')
  minusOne.set(layout.RBX, -1)
  t.is(minusOne.run(), 'fault')
  t.deepEqual(minusOne.fault, { vector: 14, errorCode: 0x15, address: -1, debugStatus: 0, rip: -1 })
})

test('exceptions of instructions', (t) => {
  t.like(faultOf('f7 f1'), { vector: 0, errorCode: 0, rip: CODE })
  t.like(faultOf('0f 0b'), { vector: 6, rip: CODE })
  t.like(faultOf('06'), { vector: 6, rip: CODE })
  t.like(faultOf('f0 01 c0'), { vector: 6, rip: CODE })
  t.like(faultOf('f4'), { vector: 13, errorCode: 0, rip: CODE })
  t.like(faultOf('cd 80'), { vector: 13, errorCode: 0x402, rip: CODE })
  t.like(faultOf('66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90'), { vector: 13, errorCode: 0, rip: CODE })
  t.like(faultOf('0f 28 03', (box) => { box.set(layout.RBX, DATA + 8) }), { vector: 13, errorCode: 0, rip: CODE })
})

test('traps leave rip behind the instruction', (t) => {
  for (const [text, vector] of [['cc', 3], ['cd 03', 3], ['cd 04', 4], ['f1', 1]] as const) {
    const box = new Box(`90 ${text} 90`)
    t.is(box.run(), 'fault')
    t.like(box.fault, { vector, errorCode: 0, rip: CODE + 1 + text.replaceAll(' ', '').length / 2 })
    t.is(box.processor.executed, 2)
  }
})

test('TF: a trap after each instruction, and each iteration of a repeated one', (t) => {
  const box = new Box('90 f3 a4 89 03 eb fe')
  box.processor.cpu.rflags |= layout.TF
  box.set(layout.RCX, 2)
  box.set(layout.RSI, DATA)
  box.set(layout.RDI, DATA + 8)
  const seen = []
  for (let i = 0; i < 5; i++) {
    t.is(box.run(), 'fault')
    t.is(box.fault.vector, i < 3 ? 1 : 14)
    seen.push([box.fault.rip - CODE, box.get(layout.RCX), box.processor.executed])
  }
  // The store to address 0 faults instead: it is not complete.
  t.deepEqual(seen, [[1, 2, 1], [1, 1, 1], [3, 0, 1], [3, 0, 0], [3, 0, 0]])
})

test('POPF sets TF: the trap comes after the next instruction, whatever the budget', (t) => {
  for (const budget of [1, 2, 100]) {
    const box = new Box('68 00 01 00 00 9d 90 90 90')
    let reason
    do reason = box.run(budget); while (reason === 'budget')
    t.is(reason, 'fault')
    t.like(box.fault, { vector: 1, rip: CODE + 7 })
  }
})

test('PUSHF and POPF: what a program can change', (t) => {
  const box = new Box('68 ff ff ff ff 9d 9c 58 0f 05') // push −1; popf; pushf; pop rax; syscall
  t.is(box.run(), 'fault')
  // TF is one of it: trap after PUSHF, with TF in what was pushed.
  t.like(box.fault, { vector: 1, rip: CODE + 7 })
  // CF PF AF ZF SF TF IF DF OF NT AC ID, and bit 1: 244fd7.
  t.is(box.read(STACK - 8, 8), 'd74f240000000000')
})
