/** RFLAGS in its lazy form. */
import test from 'ava'
import fc from 'fast-check'
import { CpuState } from '../../src/emu/cpu/state.ts'
import { PhysicalMemory } from '../../src/emu/memory.ts'
import { Box, layout } from '../support/processor.ts'

const ARITHMETIC = layout.CF | layout.PF | layout.AF | layout.ZF | layout.SF | layout.OF
const arithmeticFlags = fc.nat(ARITHMETIC).map((bits) => bits & ARITHMETIC)

test('every combination of flags is kept, and has one form', (t) => {
  const cpu = new CpuState(new PhysicalMemory())
  const forms = new Map<string, number>()
  for (let bits = 0; bits <= ARITHMETIC; bits++) {
    const flags = bits & ARITHMETIC
    cpu.rflags = flags
    t.is(cpu.rflags & ARITHMETIC, flags)
    t.is(cpu.rflags & (layout.IF | 2), layout.IF | 2)
    const form = Buffer.from(cpu.save()).toString('hex')
    t.is(forms.get(form) ?? flags, flags)
    forms.set(form, flags)
  }
  t.is(forms.size, 64)
})

test('equal states are equal bytes, however the flags came about', (t) => {
  const box = new Box()
  const { cpu, memory } = box.processor
  fc.assert(fc.property(fc.integer(), fc.integer(), fc.integer(), (low, high, aux) => {
    memory.i32[layout.FLAG_RESULT >> 2] = low
    memory.i32[(layout.FLAG_RESULT >> 2) + 1] = high
    memory.i32[layout.FLAG_AUX >> 2] = aux
    const flags = cpu.rflags
    const first = Buffer.from(cpu.save())
    cpu.rflags = flags
    return cpu.rflags === flags && first.equals(Buffer.from(cpu.save()))
  }))
  t.pass()
})

test('PUSHF, LAHF, SETcc and Jcc see the flags that POPF loaded', (t) => {
  // push rbx; popf; pushf; pop rdx; lahf; (seto … setg to [rdi + i]); syscall
  const sets = Array.from({ length: 16 }, (_, i) => `0f ${(0x90 + i).toString(16)} 47 ${i.toString(16).padStart(2, '0')}`).join(' ')
  const box = new Box(`53 9d 9c 5a 9f ${sets} 0f 05`)
  const restore = box.save()
  fc.assert(fc.property(arithmeticFlags, (flags) => {
    restore()
    box.set(layout.RBX, flags)
    box.set(layout.RDI, 0x60_0000)
    box.run()
    const { CF, PF, AF, ZF, SF, OF } = layout
    const has = (flag: number): boolean => (flags & flag) !== 0
    const even = [has(OF), has(CF), has(ZF), has(CF) || has(ZF), has(SF), has(PF), has(SF) !== has(OF), has(ZF) || has(SF) !== has(OF)]
    const expected = even.flatMap((holds) => [holds, !holds]).map((holds) => holds ? '01' : '00').join('')
    return box.get(layout.RDX) === (flags | layout.IF | 2) && ((box.get(layout.RAX) >> 8) & 0xff) === ((flags & (SF | ZF | AF | PF | CF)) | 2)
      && box.read(0x60_0000, 16) === expected
  }))
  t.pass()
})
