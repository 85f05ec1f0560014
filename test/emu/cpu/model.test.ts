/** What a processor has follows from its model: CPUID and instructions alike. */
import test from 'ava'
import { RAX, RBX, RCX, RDX } from '../../../src/emu/cpu/layout.ts'
import { CPU_NAMES, type CpuName, cpuModel, flagNames } from '../../../src/emu/cpu/model.ts'
import { Decoder, DECODE_INVALID, DECODE_OK } from '../../../src/emu/decode/decoder.ts'
import { ALL_ROWS } from '../../../src/emu/decode/tables/index.ts'
import { Box, CODE } from '../../support/processor.ts'

const CPUID = '0fa2 f4'

const cpuid = (name: CpuName, leaf: number, subleaf = 0): number[] => {
  const box = new Box(CPUID)
  box.processor.setModel(name)
  box.set(RAX, leaf)
  box.set(RCX, subleaf)
  box.run()
  return [RAX, RBX, RCX, RDX].map((register) => box.get(register))
}

test('CPUID tells the levels of the psABI', (t) => {
  const [v1, v2, v3] = CPU_NAMES.map((name) => ({ ecx: cpuid(name, 1)[2], edx: cpuid(name, 1)[3], leaf7: cpuid(name, 7), extended: cpuid(name, 0x80000001)[2] }))
  const SSE3 = 1, SSSE3 = 1 << 9, CX16 = 1 << 13, SSE41 = 1 << 19, SSE42 = 1 << 20, POPCNT = 1 << 23
  const FMA = 1 << 12, MOVBE = 1 << 22, OSXSAVE = 1 << 27, AVX = 1 << 28, F16C = 1 << 29, LAHF = 1, LZCNT = 1 << 5, BMI1 = 1 << 3, AVX2 = 1 << 5, BMI2 = 1 << 8
  const LEVEL2 = SSE3 | SSSE3 | CX16 | SSE41 | SSE42 | POPCNT
  t.is(v1.ecx, 0)
  t.deepEqual(v1.leaf7, [0, 0, 0, 0])
  t.is(v2.ecx & LEVEL2, LEVEL2)
  t.is(v2.ecx & (AVX | OSXSAVE | FMA | MOVBE), 0)
  t.is(v3.ecx & (LEVEL2 | FMA | MOVBE | OSXSAVE | AVX | F16C), LEVEL2 | FMA | MOVBE | OSXSAVE | AVX | F16C)
  t.is(v3.leaf7[1] & (BMI1 | AVX2 | BMI2), BMI1 | AVX2 | BMI2)
  t.deepEqual([v1, v2, v3].map(({ extended }) => extended & (LAHF | LZCNT)), [LAHF, LAHF, LAHF | LZCNT])
  t.is(new Set([v1.edx, v2.edx, v3.edx]).size, 1)
  // Leaves beyond the last.
  t.deepEqual(cpuid('x86-64-v3', 0x20), [0, 0, 0, 0])
})

test('/proc/cpuinfo has the flags', (t) => {
  t.false(flagNames(cpuModel('x86-64-v1')).includes('pni'))
  t.true(flagNames(cpuModel('x86-64-v2')).includes('sse4_2'))
  t.false(flagNames(cpuModel('x86-64-v2')).includes('avx2'))
  t.true(flagNames(cpuModel('x86-64-v3')).includes('avx2'))
  t.is(cpuModel().name, 'x86-64-v1')
})

test('what the model lacks is undefined, or what it was before', (t) => {
  const box = new Box('f3480fbcc3 f4')
  const scan = (name: CpuName): number => {
    box.processor.setModel(name)
    box.processor.cpu.rip = CODE
    box.set(RAX, 77)
    box.set(RBX, 0)
    box.run()
    return box.get(RAX)
  }
  // The same code again: what was translated for another model is not used.
  t.deepEqual((['x86-64-v1', 'x86-64-v3', 'x86-64-v2', 'x86-64-v3', 'x86-64-v1'] as const).map(scan), [77, 64, 77, 64, 77])

  const decoder = new Decoder()
  const lacking = (name: CpuName, code: string): boolean => {
    decoder.features = cpuModel(name).features
    const bytes = Uint8Array.from(Buffer.from(code.padEnd(30, '0'), 'hex'))
    const result = decoder.decode(bytes, 0, bytes.length, 0)
    if (result === DECODE_OK) return decoder.instruction.row.name === 'ud'
    t.is(result, DECODE_INVALID)
    return true
  }
  const levels = (code: string): boolean[] => CPU_NAMES.map((name) => lacking(name, code))
  for (const code of ['f20f7cc0', '660f3800c0', '660f3817c0', '660f3837c0', 'f30fb8c0', '660f38dcc0', '480fc70e', '0f01f9', 'df08']) t.deepEqual(levels(code), [true, false, false], code)
  for (const code of ['0f38f006', '0fc7f0', 'f30faec0', 'f30fc7f8', '660f38f6c0', '0f38c8c0', '660fae3e']) t.deepEqual(levels(code), [true, true, false], code)
  for (const code of ['0fa2', '660fefc0', '0f18c0', 'f30f1efa', '9f']) t.deepEqual(levels(code), [false, false, false], code)
})

test('rows of the base need nothing, and all features are of some model', (t) => {
  const all = CPU_NAMES.reduce((mask, name) => mask | cpuModel(name).features, 0)
  t.true(ALL_ROWS.every(({ features }) => (features & ~all) === 0))
  t.true(ALL_ROWS.filter(({ features }) => features === 0).length > 700)
})

test('the number of the CPU, random words, and bases', (t) => {
  // rdtscp; rdpid rbx; rdrand rdx; rdfsbase rsi; hlt
  const box = new Box('0f01f9 f30fc7fb 480fc7f2 f3480faec6 f4')
  const words = [0x1234_5678, 0x0001_0000]
  box.processor.randomWord = () => words.shift() ?? 0
  box.processor.setCpuNumber(5)
  box.processor.cpu.fsBase = 0x7000_1230
  box.run()
  t.is(box.get(RCX), 5)
  t.is(box.get(RBX), 5)
  t.is(box.get(RDX), 0x0001_0000_1234_5678)
  t.is(box.get(6), 0x7000_1230)
  t.deepEqual(words, [])
})
