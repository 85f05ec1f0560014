/**
 * The decoder on random bytes, beside iced-x86: both find an instruction of the same length there, or neither does. What differs
 * on purpose is listed here, with the reason.
 */
import test from 'ava'
import iced from 'iced-x86'
import { DECODE_OK, Decoder } from '../../src/emu/decode/decoder.ts'
import { sequence } from '../support/oracle/machine.ts'

const seed = Number(process.env.RETROGRADE_SEED ?? Date.now() % 2 ** 31)
const CASES = 60_000
const LENGTH = 20

const { Code, CpuidFeature, Decoder: Reference, DecoderOptions } = iced

/** Extensions of iced's instructions that our processors have; of others nothing is expected but that we don't throw. */
const OURS: ReadonlySet<string> = new Set([
  'INTEL8086', 'INTEL8086_ONLY', 'INTEL186', 'INTEL286', 'INTEL386', 'INTEL486', 'X64', 'FPU', 'FPU287', 'FPU387', 'CMOV', 'CPUID', 'CX8', 'CMPXCHG16B', 'TSC', 'MSR', 'RDPMC',
  'SYSCALL', 'SEP', 'MULTIBYTENOP', 'PAUSE', 'UD', 'MMX', 'FXSR', 'CLFSH', 'SSE', 'SSE2', 'SSE3', 'SSSE3', 'SSE4_1', 'SSE4_2', 'POPCNT', 'LZCNT', 'MOVBE', 'ADX', 'AES', 'PCLMULQDQ', 'SHA', 'RDRAND',
  'RDSEED', 'RDTSCP', 'RDPID', 'FSGSBASE', 'CLFLUSHOPT', 'CLWB', 'PREFETCHW', 'PREFETCHWT1', 'BMI1', 'BMI2', 'AVX', 'AVX2', 'FMA', 'F16C', 'XSAVE',
])

/** What iced knows and we don't, by the start of its code's name. */
const MISSING: readonly (readonly [code: RegExp, reason: string])[] = [
  [/^(Sysenter|Sysret|Sysexit|Rsm|Loadall)/, 'not of 64-bit user mode'],
  [/^Reservednop/, '0F 0D of registers is #UD on AMD processors'],
]

/** Rows of ours that differ from iced, or are none for it. */
const KNOWN: readonly (readonly [row: RegExp, reason: string])[] = [
  [/^0f 2[0-3] .*privileged$/, 'control registers: ModRM.mod means nothing, but #GP comes whatever the length'],
  [/^0f (b9|ff|0b).*ud$/, 'UD0 and UD1: nothing behind the opcode is looked at'],
  [/^8[ce] .*segment$/, 'segment registers that there are none of: #UD by the semantics'],
  [/ ud$/, 'rows that are #UD'],
]

const PREFIXES = [0x66, 0xf2, 0xf3, 0x67, 0x2e, 0x64, 0xf0, 0x48, 0x4f]

/** Bytes in which the rarer maps and VEX prefixes are as frequent as one-byte opcodes. */
const randomCode = (next: () => number): Uint8Array => {
  const bytes: number[] = []
  for (let count = Math.max(0, next() % 8 - 5); count > 0; count--) bytes.push(PREFIXES[next() % PREFIXES.length])
  if (next() % 3 === 0) bytes.push(0x40 | next() % 16)
  const maps = [[0x0f], [0x0f], [0x0f, 0x38], [0x0f, 0x3a], [0xc5], [0xc4, next() & 0xe0 | 1 + next() % 3], [], []]
  bytes.push(...maps[next() % maps.length])
  while (bytes.length < LENGTH) bytes.push(next() & 0xff)
  return Uint8Array.from(bytes)
}

test('lengths are those of iced-x86, or neither finds an instruction', (t) => {
  const next = sequence(seed)
  const ours = new Decoder()
  const failures: string[] = []
  let both = 0
  for (let i = 0; i < CASES; i++) {
    const bytes = randomCode(next)
    const reference = new Reference(64, bytes, DecoderOptions.None)
    const instruction = reference.decode()
    const found = ours.decode(bytes, 0, bytes.length, 0x40_0000) === DECODE_OK
    const { row, length } = ours.instruction
    const theirs = instruction.isInvalid ? undefined : { code: Code[instruction.code], length: instruction.length, features: [...instruction.cpuidFeatures()].map((feature) => CpuidFeature[feature]) }
    instruction.free()
    reference.free()
    if (theirs === undefined ? !found : found && length === theirs.length) {
      if (found) both++
      continue
    }
    const text = `${row.text} ${row.name}`
    if (found && KNOWN.some(([pattern]) => pattern.test(text))) continue
    if (theirs !== undefined && (theirs.features.some((feature) => !OURS.has(feature)) || !found && MISSING.some(([pattern]) => pattern.test(theirs.code)))) continue
    failures.push(`${Buffer.from(bytes).toString('hex')}: ${found ? `'${text}', ${length} bytes` : 'nothing'}; iced: ${theirs === undefined ? 'nothing' : `${theirs.code} (${theirs.features.join(' ')}), ${theirs.length} bytes`}`)
  }
  t.log(`${CASES} cases, ${both} instructions of equal length, seed ${seed}`)
  t.deepEqual(failures.slice(0, 20), [])
  t.true(both > CASES / 4)
})
