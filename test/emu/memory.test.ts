/** Frames, and the soft TLB over them. */
import test from 'ava'
import { OutOfFrames, PhysicalMemory } from '../../src/emu/memory.ts'
import { Box, DATA, PAGE, code, layout } from '../support/processor.ts'

test('frames are zero, counted, and given out again', (t) => {
  const memory = new PhysicalMemory()
  const frame = memory.allocate()
  memory.u8[frame * PAGE + 5] = 7
  const copy = memory.copy(frame)
  t.is(memory.u8[copy * PAGE + 5], 7)
  t.is(memory.framesInUse, 2)
  memory.retain(frame)
  memory.release(frame)
  t.is(memory.references(frame), 1)
  memory.release(frame)
  t.is(memory.framesInUse, 1)
  t.is(memory.allocate(), frame)
  t.is(memory.u8[frame * PAGE + 5], 0)
  memory.release(copy)
  t.throws(() => { memory.release(copy) }, { message: /released too often/ })
})

test('the memory grows, and ends at its limit', (t) => {
  const memory = new PhysicalMemory(6000 * PAGE)
  const frames = Array.from({ length: 6000 }, () => memory.allocate())
  memory.u8[frames[5999] * PAGE + PAGE - 1] = 1
  t.is(new Set(frames).size, 6000)
  t.throws(() => memory.allocate(), { instanceOf: OutOfFrames })
  memory.release(frames[17])
  t.is(memory.allocate(), frames[17])
})

test('a page that is taken away, or may not be written any more, faults after flushPage', (t) => {
  const box = new Box('89 03 8b 03 0f 05')
  box.set(layout.RBX, DATA)
  t.is(box.run(), 'syscall')
  const { frame } = box.mmu.pages.get(DATA / PAGE) ?? { frame: 0 }
  box.mmu.map(DATA / PAGE, frame, 'r')
  box.processor.flushPage(DATA / PAGE)
  box.processor.cpu.rip -= 6
  t.is(box.run(), 'fault')
  t.like(box.fault, { vector: 14, errorCode: 7, address: DATA })
  box.mmu.pages.delete(DATA / PAGE)
  box.processor.flushPage(DATA / PAGE)
  box.processor.cpu.rip += 2
  t.is(box.run(), 'fault')
  t.like(box.fault, { vector: 14, errorCode: 4, address: DATA })
})

test('after flushPages the pages of the range are looked for again, and no others', (t) => {
  // mov [rbx], eax; mov [rdx], eax
  const box = new Box('89 03 89 02 0f 05')
  box.map(DATA, 4, 'rw')
  box.set(layout.RBX, DATA)
  box.set(layout.RDX, DATA + 3 * PAGE)
  t.is(box.run(), 'syscall')
  const asked: number[] = []
  const resolve = box.mmu.resolve.bind(box.mmu)
  box.mmu.resolve = (page, access) => {
    asked.push(page)
    return resolve(page, access)
  }
  box.processor.flushPages(DATA / PAGE, DATA / PAGE + 3)
  box.processor.cpu.rip -= 6
  t.is(box.run(), 'syscall')
  t.deepEqual(asked, [DATA / PAGE], 'neither code nor the page behind the range')
  box.mmu.pages.delete(DATA / PAGE)
  box.processor.flushPages(DATA / PAGE - 1, DATA / PAGE + 1)
  box.processor.cpu.rip -= 6
  t.is(box.run(), 'fault')
  t.like(box.fault, { vector: 14, errorCode: 6, address: DATA })
})

test('pages that share a TLB entry do not get in each other’s way', (t) => {
  const box = new Box('88 03 88 0a 8a 03 8a 0a 0f 05')
  const far = DATA + layout.TLB_ENTRIES * PAGE
  box.map(far, 1, 'rw')
  box.set(layout.RBX, DATA)
  box.set(layout.RDX, far)
  box.set(layout.RAX, 0x11)
  box.set(layout.RCX, 0x22)
  t.is(box.run(), 'syscall')
  t.is(box.read(DATA, 1), '11')
  t.is(box.read(far, 1), '22')
})

test('copy on write: what was read before is read from the copy after', (t) => {
  // mov al, [rbx]; mov [rbx + 1], cl; mov dl, [rbx + 1]
  const box = new Box('8a 03 88 4b 01 8a 53 01 0f 05')
  box.set(layout.RBX, DATA)
  box.set(layout.RCX, 0x33)
  box.write(DATA, code('44 55'))
  const shared = box.frame(DATA)
  const page = DATA / PAGE
  const resolve = box.mmu.resolve.bind(box.mmu)
  box.mmu.resolve = (wanted, access) => {
    if (wanted === page && access === 1 && box.frame(DATA) === shared) {
      box.mmu.map(page, box.memory.copy(shared), 'rw')
      box.processor.flushPage(page)
    }
    return resolve(wanted, access)
  }
  t.is(box.run(), 'syscall')
  t.not(box.frame(DATA), shared)
  t.is(box.get(layout.RAX) & 0xff, 0x44)
  t.is(box.get(layout.RDX) & 0xff, 0x33)
  t.is(box.memory.u8[shared * PAGE + 1], 0x55)
})

test('a write across two pages is in both or in neither', (t) => {
  for (const [second, expected] of [['rw', 'syscall'], ['r', 'fault']] as const) {
    const box = new Box('48 89 03 0f 05')
    box.mmu.map(DATA / PAGE + 1, box.frame(DATA + PAGE), second)
    box.set(layout.RBX, DATA + PAGE - 3)
    box.set(layout.RAX, 0x0102030405060)
    t.is(box.run(), expected)
    t.is(box.read(DATA + PAGE - 3, 3), expected === 'fault' ? '000000' : '605040')
    t.is(box.read(DATA + PAGE, 5), expected === 'fault' ? '0000000000' : '3020100000')
  }
})
