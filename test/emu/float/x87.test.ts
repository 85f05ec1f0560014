/**
 * x87 instructions through the interpreter, beside the host's processor: every row of the table, over states that matter.
 *
 * What the manuals leave open is as on AMD's processors, so the live comparison wants one of those, and gcc for the oracle;
 * cases that one of them has answered are kept in fixtures/ and compared everywhere.
 * RETROGRADE_WRITE_FIXTURES=1 writes these anew.
 */
import test from 'ava'
import fc from 'fast-check'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { X87_ROWS } from '../../../src/emu/decode/tables/x87.ts'
import { DATA, DATA_PAGE, DATA_PAGE_END, FSW, LENGTH, RECORD, STACK, askEmulator, askHost, describe, differences, hostIsAmd, noHost, normalize, runOnce } from './host.ts'
import { type Form, formsOf, state, writeState } from './x87-cases.ts'

const CASES_PER_FORM = 250
const FIXTURES_PER_FORM = 40, FIXTURE_SEED = 1
const seed = Number(process.env.RETROGRADE_TEST_SEED ?? Date.now() % 1e9)
const fixtures = join(import.meta.dirname, 'fixtures', 'x87.bin.gz')
const writeFixtures = process.env.RETROGRADE_WRITE_FIXTURES !== undefined

/** mov rax, [rdi]; sahf: flags for FCMOV, and a value for FNSTSW AX to change. */
const PREAMBLE = [0x48, 0x8b, 0x07, 0x9e]
/** Their results may be one unit off, and so may C1, which tells how they were rounded. */
const TRANSCENDENTAL: ReadonlySet<string> = new Set(['f2xm1', 'fyl2x', 'fyl2xp1', 'fptan', 'fpatan', 'fsin', 'fcos', 'fsincos'])
const C1 = 0x200, STACK_FAULT = 0x40
/** Images of more than 64 bytes have a test of their own. */
const LARGE: ReadonlySet<string> = new Set(['fxsave', 'fxrstor', 'fnsave', 'frstor'])

const forms = X87_ROWS.filter(({ name }) => !LARGE.has(name)).flatMap(formsOf)
const withPreamble = ({ code }: Form): number[] => [...PREAMBLE, ...code]

const value = (view: DataView, at: number): bigint => (BigInt(view.getUint16(at + 8, true)) << 64n) | view.getBigUint64(at, true)
/** Difference of a unit in the last place across a power of two, in `value`'s terms. */
const ACROSS = (1n << 63n) + 1n

/** Makes our answer the host's where it is one unit off in ST(0) or ST(1). */
const forgiveLastUnit = (before: Uint8Array, ours: Uint8Array, host: Uint8Array): void => {
  const [a, b] = [ours, host].map((bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length))
  const faulted = (b.getUint16(FSW, true) & STACK_FAULT) !== 0 && (new DataView(before.buffer, before.byteOffset).getUint16(FSW, true) & STACK_FAULT) === 0
  if (!faulted) for (const view of [a, b]) view.setUint16(FSW, view.getUint16(FSW, true) & ~C1, true)
  for (const at of [STACK, STACK + 16]) {
    const difference = value(a, at) - value(b, at)
    const distance = difference < 0n ? -difference : difference
    if (distance === 1n || distance === ACROSS) ours.set(host.subarray(at, at + 10), at)
  }
}

/** The first case that differs, for people. */
const firstDifference = (form: Form, input: Uint8Array, ours: Uint8Array, host: Uint8Array, extra = 0): string | undefined => {
  const size = RECORD + extra
  for (let at = 0; at < input.length; at += size) {
    const [before, a, b] = [input, ours, host].map((bytes) => bytes.subarray(at, at + size))
    if (TRANSCENDENTAL.has(form.row.name)) forgiveLastUnit(before, a, b)
    if (differences(a, b).length > 0) return describe(form.title, before, a, b)
  }
  return undefined
}

const casesOf = (code: readonly number[], count: number, extra = 0, change: (record: Uint8Array) => void = () => {}, from = seed): Uint8Array => {
  const size = RECORD + extra
  const input = new Uint8Array(count * size)
  fc.sample(state, { numRuns: count, seed: from }).forEach((one, i) => {
    const record = input.subarray(i * size, (i + 1) * size)
    writeState(record, code, one)
    change(record)
  })
  return input
}

// ——— Live ———

const live = hostIsAmd ? test : test.skip
const why = noHost ?? (hostIsAmd ? '' : 'the host is not AMD\'s')
const title = (what: string): string => `${what}${why === '' ? '' : ` (${why}: fixtures only)`}`

live(title('x87: all rows agree with the host processor'), (t) => {
  t.log(`seed ${seed}: RETROGRADE_TEST_SEED repeats it`)
  for (const form of forms) {
    const input = casesOf(withPreamble(form), CASES_PER_FORM)
    const host = askHost(input)
    const ours = askEmulator(input)
    normalize(host)
    normalize(ours)
    const difference = firstDifference(form, input, ours, host)
    if (difference !== undefined) { t.fail(difference); return }
  }
  t.pass()
})

live(title('x87: a pending exception is reported by the next waiting instruction'), (t) => {
  // fdivr [rdi], then: fwait; fld1; emms; movd mm0, eax; fnstsw ax; fnclex, fld1; fnstenv [rdi+8], fwait.
  const followers = [[0x9b], [0xd9, 0xe8], [0x0f, 0x77], [0x0f, 0x6e, 0xc0], [0xdf, 0xe0], [0xdb, 0xe2, 0xd9, 0xe8], [0xd9, 0x77, 0x08, 0x9b]]
  for (const follower of followers) {
    const code = [0x48, 0x31, 0xc0, 0xd8, 0x3f, ...follower]
    const input = casesOf(code, CASES_PER_FORM)
    const host = askHost(input)
    const ours = askEmulator(input)
    for (const output of [host, ours]) {
      normalize(output)
      // Pointers in FNSTENV's image differ.
      if (follower.length === 4 && follower[0] === 0xd9) for (let at = 0; at < output.length; at += RECORD) output.fill(0, at + DATA + 8 + 12, at + DATA + 8 + 28)
    }
    const difference = firstDifference({ title: 'fdivr, then another', row: forms[0].row, code }, input, ours, host)
    if (difference !== undefined) { t.fail(difference); return }
  }
  t.pass()
})

const IMAGE = 512
const MXCSR_AT = 24, MXCSR_MASK_AT = 28

live(title('x87: images of FNSAVE, FRSTOR, FXSAVE and FXRSTOR agree with the host processor'), (t) => {
  for (const form of X87_ROWS.filter(({ name }) => LARGE.has(name)).flatMap(formsOf)) {
    let mixed = seed | 1
    const input = casesOf([0x31, 0xc0, ...form.code], CASES_PER_FORM, IMAGE, (record) => {
      for (let at = RECORD; at < record.length; at++) {
        mixed = (Math.imul(mixed, 1664525) + 1013904223) | 0
        record[at] = mixed >>> 24
      }
      // Mostly an MXCSR that can be loaded.
      if (form.row.name === 'fxrstor' && (mixed & 0xf00) !== 0) record.fill(0, DATA + MXCSR_AT + 2, DATA + MXCSR_AT + 4)
    })
    const host = askHost(input, IMAGE)
    const ours = askEmulator(input, IMAGE)
    for (const output of [host, ours]) {
      normalize(output, IMAGE)
      // Processors with more features have more bits in the mask.
      if (form.row.name === 'fxsave') for (let at = 0; at < output.length; at += RECORD + IMAGE) output.fill(0, at + DATA + MXCSR_MASK_AT, at + DATA + MXCSR_MASK_AT + 4)
    }
    const difference = firstDifference(form, input, ours, host, IMAGE)
    if (difference !== undefined) { t.fail(difference); return }
  }
  t.pass()
})

live(title('x87: last instruction and data pointers and opcode agree with the host processor'), (t) => {
  const ENVIRONMENT = DATA + 32
  const offsets = { ip: ENVIRONMENT + 12, selector: ENVIRONMENT + 16, dp: ENVIRONMENT + 20, dataSelector: ENVIRONMENT + 24 }
  // fadd [rdi+4]; fld st(2); fxch st(3), which sets them last; fist, fld tbyte, fnop, fldcw, fnclex.
  const codes = [[0xd8, 0x47, 4], [0xd9, 0xc2], [0xd9, 0xe8, 0xd9, 0xcb], [0xdf, 0x57, 8], [0xdb, 0x6f, 16], [0xd9, 0xd0], [0xd8, 0x47, 4, 0xd9, 0x2f], [0xdd, 0x07, 0xdb, 0xe2]]
  for (const code of codes) {
    const whole = [...code, 0xd9, 0x77, 32]
    const input = casesOf(whole, 20)
    const host = askHost(input)
    const ours = askEmulator(input)
    const CODE_AT = 3
    for (const [output, start] of [[host, CODE_AT], [ours, 0]] as const) {
      normalize(output)
      const view = new DataView(output.buffer)
      for (let at = 0; at < output.length; at += RECORD) {
        // A fault before leaves memory as it was.
        if (view.getUint32(at, true) !== 0) continue
        const ip = view.getUint32(at + offsets.ip, true)
        view.setUint32(at + offsets.ip, ip === 0 ? 0 : (ip & 0xfff) - start, true)
        // Ours has no selectors.
        view.setUint16(at + offsets.selector, 0, true)
        view.setUint32(at + offsets.dp, view.getUint32(at + offsets.dp, true) & 0x3f, true)
        view.setUint32(at + offsets.dataSelector, 0, true)
        view.setUint32(at + 4, 0, true)
        output.fill(0, at + 8, at + 16)
      }
    }
    const difference = firstDifference({ title: 'pointers', row: forms[0].row, code: whole }, input, ours, host)
    if (difference !== undefined) { t.fail(difference); return }
  }
  t.pass()
})

// ——— Faults ———

const VECTOR_PF = 14
test('x87: an access that faults leaves all registers as they were', (t) => {
  for (const form of X87_ROWS.filter(({ mod }) => mod === 'mem').flatMap(formsOf)) {
    // Not mapped at all; mapped but for the last byte (images are aligned, and reach to the next page).
    const cut = form.row.name.startsWith('fx') ? DATA_PAGE_END - 16 : DATA_PAGE_END - 1
    for (const address of [DATA_PAGE_END, cut]) {
      const { vector, before, after } = runOnce(form.code, address)
      t.is(vector, VECTOR_PF, form.title)
      t.deepEqual(after, before, form.title)
    }
  }
  t.is(runOnce([0x0f, 0xae, 0x07], DATA_PAGE + 8).vector, 13, 'FXSAVE wants 16-byte alignment')
})

// ——— Fixtures ———

/** Pairs of records, before and after, of all forms in order. */
if (writeFixtures && hostIsAmd) {
  const parts: Uint8Array[] = []
  for (const form of forms) {
    const input = casesOf(withPreamble(form), FIXTURES_PER_FORM, 0, () => {}, FIXTURE_SEED)
    parts.push(input, askHost(input))
  }
  mkdirSync(join(fixtures, '..'), { recursive: true })
  writeFileSync(fixtures, gzipSync(Buffer.concat(parts), { level: 9 }))
}

test('x87: the cases of the fixtures are as an AMD processor had them', (t) => {
  t.true(existsSync(fixtures))
  const all = new Uint8Array(gunzipSync(readFileSync(fixtures)))
  const half = FIXTURES_PER_FORM * RECORD
  const byCode = new Map(forms.map((form) => [Buffer.from(withPreamble(form)).toString('hex'), form]))
  let compared = 0
  for (let at = 0; at < all.length; at += 2 * half) {
    const input = all.slice(at, at + half)
    const host = all.slice(at + half, at + 2 * half)
    const form = byCode.get(Buffer.from(input.subarray(0, input[LENGTH])).toString('hex'))
    if (form === undefined) continue
    const ours = askEmulator(input)
    normalize(host)
    normalize(ours)
    const difference = firstDifference(form, input, ours, host)
    if (difference !== undefined) { t.fail(difference); return }
    compared++
  }
  t.is(compared, forms.length, 'forms without fixtures: RETROGRADE_WRITE_FIXTURES=1 on an AMD processor writes them')
})
