/** The decoder on any bytes, and its lengths against objdump's. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { DECODE_INVALID, DECODE_OK, DECODE_TOO_LONG, DECODE_TRUNCATED, Decoder } from '../../src/emu/decode/decoder.ts'
import { ALL_ROWS } from '../../src/emu/decode/tables/index.ts'
import { formName, formsOfRow } from '../../src/emu/interp/forms.ts'
import { LATE_HANDLERS } from '../../src/emu/interp/late-handlers.ts'
import { SEMANTICS } from '../../src/emu/semantics/registry.ts'
import { Box } from '../support/processor.ts'
import { encode, INSTRUCTION_WORDS } from '../support/oracle/encode.ts'

const seed = Number(process.env.RETROGRADE_SEED ?? Date.now() % 2 ** 31)
const decoder = new Decoder()

test('any bytes decode to something or to nothing, and how many there are does not matter', (t) => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 15, maxLength: 20 }), (bytes) => {
    const result = decoder.decode(bytes, 0, bytes.length, 0x40_0000)
    const { length, row } = decoder.instruction
    if (result === DECODE_OK) {
      if (length < 1 || length > 15) return false
      // Any fewer bytes are too few, and no more are looked at.
      for (let end = 0; end < length; end++) if (decoder.decode(bytes, 0, end, 0x40_0000) !== DECODE_TRUNCATED) return false
      return decoder.decode(bytes, 0, length, 0x40_0000) === DECODE_OK && decoder.instruction.row === row && decoder.instruction.length === length
    }
    return result === DECODE_INVALID || result === DECODE_TOO_LONG
  }), { numRuns: 30_000, seed })
  t.pass()
})

test('any bytes run without an exception of the host', (t) => {
  const box = new Box()
  fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes) => {
    box.processor.cpu.reset()
    box.processor.cpu.rsp = 0x7f_f000
    box.processor.cpu.rip = 0x40_0000
    box.write(0x40_0000, bytes)
    box.run(200)
    return true
  }), { numRuns: 5_000, seed })
  t.pass()
})

test('every row has semantics, and forms', (t) => {
  for (const row of ALL_ROWS) {
    t.true(SEMANTICS.has(row.name), row.name)
    t.true(formsOfRow(row).length > 0, `${row.text}: ${formName(row.name, [])}`)
  }
})

test('there is room for the handlers of all forms that are made late', (t) => {
  const forms = new Set(ALL_ROWS.filter(({ features }) => features !== 0).flatMap((row) => formsOfRow(row).map((operands) => formName(row.name, operands))))
  t.true(forms.size < LATE_HANDLERS, String(forms.size))
})

test('no row is hidden by those before it', (t) => {
  const reached = new Set<unknown>()
  const registers = { gpr: Array.from({ length: 16 }, () => 0n), claimed: Array.from({ length: 16 }, () => true), used: [], fs: 0n, gs: 0n }
  fc.assert(fc.property(fc.uint32Array({ minLength: INSTRUCTION_WORDS, maxLength: INSTRUCTION_WORDS }), (words) => {
    for (const row of ALL_ROWS) {
      const { bytes } = encode(row, words, 0n, registers, 0n)
      if (decoder.decode(new Uint8Array([...bytes, ...new Array<number>(15).fill(0)]), 0, bytes.length + 15, 0) === DECODE_OK) reached.add(decoder.instruction.row)
    }
    return true
  }), { numRuns: 100, seed: 1 })
  t.deepEqual(ALL_ROWS.filter((row) => !reached.has(row)).map(({ text, name }) => `${text} ${name}`), [])
})

const hasObjdump = (): boolean => {
  try {
    return execFileSync('objdump', ['--version'], { encoding: 'utf8' }).includes('Binutils') && execFileSync('objdump', ['--help'], { encoding: 'utf8' }).includes('x86-64')
  } catch {
    return false
  }
}

const compare = hasObjdump() ? test : test.skip
compare('lengths of instructions of all rows agree with objdump', (t) => {
  const SLOT = 32
  const codes: Uint8Array[] = []
  const registers = { gpr: Array.from({ length: 16 }, () => 0n), claimed: Array.from({ length: 16 }, () => true), used: [], fs: 0n, gs: 0n }
  for (const words of fc.sample(fc.uint32Array({ minLength: INSTRUCTION_WORDS, maxLength: INSTRUCTION_WORDS }), { numRuns: 10, seed })) {
    for (const row of ALL_ROWS) {
      // UD0 and UD1 end with their opcode for us, as for AMD processors. No prefixes beside those that the row has, REX and 66: objdump shows superfluous ones as instructions.
      const plain = Uint32Array.from(words)
      plain[0] &= 0x7f
      plain[7] = 0
      const { bytes } = encode(row, plain, 0n, registers, 0n)
      const code = new Uint8Array(bytes)
      if (row.name !== 'ud' && code.length <= 15 && decoder.decode(code, 0, code.length, 0) === DECODE_OK) codes.push(code)
    }
  }
  const image = new Uint8Array(codes.length * SLOT).fill(0x90)
  codes.forEach((code, i) => { image.set(code, i * SLOT) })
  const folder = mkdtempSync(join(tmpdir(), 'retrograde-'))
  try {
    writeFileSync(join(folder, 'code'), image)
    const text = execFileSync('objdump', ['-D', '-z', '-w', '-b', 'binary', '-m', 'i386:x86-64', join(folder, 'code')], { encoding: 'utf8', maxBuffer: 1 << 28 })
    const wrong: string[] = []
    for (const line of text.split('\n')) {
      const match = /^\s*([0-9a-f]+):\t((?:[0-9a-f]{2} )+)\s*\t?(.*)$/.exec(line)
      if (match === null) continue
      const at = parseInt(match[1], 16)
      if (at % SLOT !== 0) continue
      const code = codes[at / SLOT]
      const length = match[2].trim().split(' ').length
      decoder.decode(code, 0, code.length, 0)
      if (length !== code.length && !/\(bad\)|^(rex|data16|repz|repnz|lock|addr32|fwait)/.test(match[3])) wrong.push(`${Buffer.from(code).toString('hex')}: ${code.length}, objdump ${length} ${match[3]}`)
    }
    t.deepEqual(wrong, [], `seed ${seed}`)
    t.true(codes.length > ALL_ROWS.length * 5)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
