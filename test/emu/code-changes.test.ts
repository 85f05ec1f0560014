/** Code that is written to while it runs, from itself, from another mapping, from the kernel; and the end of the arena. */
import test from 'ava'
import { TableMmu } from '../support/oracle/emulator.ts'
import { Box, CODE, DATA, PAGE, code, layout } from '../support/processor.ts'

const writable = (text: string, arenaEnd?: number): Box => {
  const box = new Box(text, arenaEnd)
  box.alias(CODE, CODE, 'rwx')
  box.alias(CODE + PAGE, CODE + PAGE, 'rwx')
  box.processor.flushTlb()
  return box
}

const everyBudget = (t: import('ava').ExecutionContext, make: () => Box, check: (box: Box) => void): void => {
  for (const budget of [1, 2, 3, 1_000_000]) {
    const box = make()
    let reason
    do reason = box.run(budget); while (reason === 'budget')
    check(box)
  }
  t.pass()
}

test('an instruction changes the next one of its own block', (t) => {
  everyBudget(t, () => {
    const box = writable('c6 03 41  b0 01  0f 05') // mov byte [rbx], 0x41; mov al, 1 → its immediate; syscall
    box.set(layout.RBX, CODE + 4)
    return box
  }, (box) => { t.is(box.get(layout.RAX), 0x41) })
})

test('a loop changes its own body', (t) => {
  everyBudget(t, () => {
    // loop: add eax, 1 (83 c0 01); inc byte [loop + 2]; dec ecx; jnz loop; syscall
    const box = writable('83 c0 01  fe 03  ff c9  75 f7  0f 05')
    box.set(layout.RBX, CODE + 2)
    box.set(layout.RCX, 5)
    return box
  }, (box) => { t.is(box.get(layout.RAX), 1 + 2 + 3 + 4 + 5) })
})

test('code that was executed before is written through another mapping', (t) => {
  const box = new Box('b0 01 0f 05')
  t.is(box.run(), 'syscall')
  t.is(box.get(layout.RAX), 1)
  box.alias(DATA, CODE, 'rw')
  // A program elsewhere, so that nothing but the alias touches the page: mov byte [rbx], 2; jmp rdx
  box.write(CODE + PAGE, code('c6 03 02 ff e2'))
  box.set(layout.RBX, DATA + 1)
  box.set(layout.RDX, CODE)
  box.processor.cpu.rip = CODE + PAGE
  t.is(box.run(), 'syscall')
  t.is(box.get(layout.RAX), 2)
})

test('the kernel writes to code', (t) => {
  const box = new Box('b0 01 0f 05')
  box.run()
  box.write(CODE + 1, code('07'))
  box.processor.cpu.rip = CODE
  box.run()
  t.is(box.get(layout.RAX), 7)
})

test('an instruction across two pages is dropped with either of them', (t) => {
  for (const at of [CODE + PAGE - 1, CODE + PAGE]) {
    const box = new Box()
    box.write(CODE + PAGE - 3, code('b8 11 22 33 44 0f 05'))
    box.processor.cpu.rip = CODE + PAGE - 3
    box.run()
    t.is(box.get(layout.RAX), 0x44332211)
    box.write(at, code('55'))
    box.processor.cpu.rip = CODE + PAGE - 3
    box.run()
    t.is(box.get(layout.RAX), at === CODE + PAGE - 1 ? 0x44335511 : 0x44552211)
  }
})

test('a page of code is exchanged: flushPages', (t) => {
  // A page that jumps to the next, which is exchanged; then the first.
  const box = new Box()
  box.map(CODE + PAGE, 1, 'rx')
  box.write(CODE, code('e9 fb 0f 00 00'))
  box.write(CODE + PAGE, code('b0 11 0f 05'))
  const put = (page: number, text: string): void => {
    const frame = box.memory.allocate()
    box.memory.u8.set(code(text), frame * PAGE)
    box.mmu.map(page, frame, 'rx')
    box.processor.flushPages(page, page + 1)
  }
  const result = (): number => {
    box.processor.cpu.rip = CODE
    t.is(box.run(), 'syscall')
    return box.get(layout.RAX) & 0xff
  }
  t.is(result(), 0x11)
  put(CODE / PAGE + 1, 'b0 22 0f 05')
  t.is(result(), 0x22)
  put(CODE / PAGE, 'b0 33 0f 05')
  t.is(result(), 0x33)
})

test('the second page of an instruction is exchanged', (t) => {
  const box = new Box()
  box.write(CODE + PAGE - 3, code('b8 11 22 33 44 0f 05'))
  box.processor.cpu.rip = CODE + PAGE - 3
  box.run()
  box.map(CODE + PAGE, 1, 'rx')
  box.write(CODE + PAGE, code('66 77 0f 05'))
  box.processor.flushPage((CODE + PAGE) / PAGE)
  box.processor.cpu.rip = CODE + PAGE - 3
  box.run()
  t.is(box.get(layout.RAX), 0x77662211)
})

/**
 * A jump across the end of the first page, itself jumped to by a link within the page. Its target is CODE + 0x10 (mov al, 1)
 * with F0 FF FF in the second page, CODE + 0x110 (mov al, 2) with F1 FF FF, in a frame that `second` makes.
 */
const crossingJump = (): { box: Box, second: () => number } => {
  const box = new Box('e9 f9 0f 00 00')
  box.write(CODE + 0x10, code('b0 01 0f 05'))
  box.write(CODE + 0x110, code('b0 02 0f 05'))
  box.write(CODE + PAGE - 2, code('e9 0d f0 ff ff'))
  const second = (): number => {
    const frame = box.memory.allocate()
    box.memory.u8.set(code('f1 ff ff'), frame * PAGE)
    return frame
  }
  return { box, second }
}

test('the second page of an instruction is exchanged, from which nothing else was executed', (t) => {
  const { box, second } = crossingJump()
  for (const expected of [1, 1, 2]) {
    if (expected === 2) {
      box.mmu.map(CODE / PAGE + 1, second(), 'rx')
      box.processor.flushPage(CODE / PAGE + 1)
    }
    box.processor.cpu.rip = CODE
    t.is(box.run(), 'syscall')
    t.is(box.get(layout.RAX), expected)
  }
})

test('the same by flushPages', (t) => {
  const { box, second } = crossingJump()
  for (const expected of [1, 1, 2]) {
    if (expected === 2) {
      box.mmu.map(CODE / PAGE + 1, second(), 'rx')
      box.processor.flushPages(CODE / PAGE + 1, CODE / PAGE + 3)
    }
    box.processor.cpu.rip = CODE
    t.is(box.run(), 'syscall')
    t.is(box.get(layout.RAX), expected)
  }
})

test('two address spaces share a page, but not the next one that an instruction reaches into', (t) => {
  const { box, second } = crossingJump()
  const other = new TableMmu()
  for (const [page, mapping] of box.mmu.pages) other.pages.set(page, { ...mapping })
  other.map(CODE / PAGE + 1, second(), 'rx')
  for (let i = 0; i < 3; i++) {
    for (const [mmu, expected] of [[box.mmu, 1], [other, 2]] as const) {
      box.processor.setMmu(mmu)
      box.processor.cpu.rip = CODE
      t.is(box.run(), 'syscall')
      t.is(box.get(layout.RAX), expected)
    }
  }
})

test('a page of code is exchanged for another', (t) => {
  const box = new Box('b0 01 0f 05')
  box.run()
  box.map(CODE, 1, 'rx')
  box.write(CODE, code('b0 02 0f 05'))
  box.processor.flushPage(CODE / PAGE)
  box.processor.cpu.rip = CODE
  box.run()
  t.is(box.get(layout.RAX), 2)
})

test('one frame at two addresses has its own relative addresses in each', (t) => {
  const box = new Box('48 8d 05 00 00 00 00 0f 05') // lea rax, [rip]
  box.alias(DATA, CODE, 'rx')
  box.processor.flushTlb()
  for (const start of [CODE, DATA, CODE]) {
    box.processor.cpu.rip = start
    box.run()
    t.is(box.get(layout.RAX), start + 7)
  }
})

test('a repeated store that overwrites its own instruction is the same for every budget', (t) => {
  const states = [1, 2, 3, 5, 1_000_000].map((budget) => {
    const box = writable('90 90 90 90 f3 aa 0f 05')
    box.set(layout.RAX, 0xf4)
    box.set(layout.RCX, 8)
    box.set(layout.RDI, CODE)
    let reason
    do reason = box.run(budget); while (reason === 'budget')
    t.is(reason, 'fault')
    return box.state()
  })
  t.is(new Set(states).size, 1)
})

test('translations that fill their arena are made again', (t) => {
  // Room for two blocks only. Each page: jumps to the next, the last one back, counting rounds.
  const box = new Box('', layout.RECORD_ARENA + 140 * 48)
  const pages = 16
  box.map(0x50_0000, pages, 'rx')
  for (let i = 0; i < pages; i++) {
    const next = i === pages - 1 ? 0 : i + 1
    const target = 0x50_0000 + next * PAGE - (0x50_0000 + i * PAGE + 3 + 5)
    const displacement = new Uint8Array(new Int32Array([target]).buffer)
    box.write(0x50_0000 + i * PAGE, code(`48 ff c0 e9 ${Buffer.from(displacement).toString('hex')}`)) // inc rax; jmp next
  }
  box.processor.cpu.rip = 0x50_0000
  t.is(box.run(20_000), 'budget')
  t.is(box.get(layout.RAX), 10_000)
  t.true(box.processor.translatedInstructions > 5_000, 'the arena was emptied over and over')
})

test('a frame that is freed takes its translations along', (t) => {
  const box = new Box('b0 01 0f 05')
  box.run()
  const old = box.frame(CODE)
  box.memory.release(old)
  // The next frame is the same one, with other content.
  box.map(CODE, 1, 'rx')
  t.is(box.frame(CODE), old)
  box.write(CODE, code('b0 02 0f 05'))
  box.processor.flushPage(CODE / PAGE)
  box.processor.cpu.rip = CODE
  box.run()
  t.is(box.get(layout.RAX), 2)
})

test('a page that first holds the end of an instruction, then changes itself', (t) => {
  everyBudget(t, () => {
    const box = writable('')
    // Write to the second page (it is in the TLB then), run into it by an instruction that crosses, change the next but one there.
    box.write(CODE + PAGE - 6, code('c6 47 40 00  ba 05'))      // mov byte [rdi + 0x40], 0; mov edx, 5, whose last bytes are in the next page
    box.write(CODE + PAGE, code('00 00 00  c6 07 41  b0 01  0f 05')) // mov byte [rdi], 0x41; mov al, 1 → its immediate; syscall
    box.set(layout.RDI, CODE + PAGE + 7)
    box.processor.cpu.rip = CODE + PAGE - 6
    return box
  }, (box) => { t.deepEqual([box.get(layout.RAX), box.get(layout.RDX)], [0x41, 5]) })
})
