/**
 * What the translator makes of a block (flags left out, pairs) must not show: random programs end in the same state,
 * executed by blocks, one by one, and with budgets that end anywhere. Faults in the middle show flags that nobody reads otherwise.
 */
import test from 'ava'
import { makeRandom } from '../support/random.ts'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as layout from '../../src/emu/cpu/layout.ts'
import { Interpreter } from '../../src/emu/interp/interpreter.ts'
import type { Tier0Manifest } from '../../src/emu/interp/manifest.ts'
import { PhysicalMemory } from '../../src/emu/memory.ts'
import { NO_FRAME } from '../../src/emu/mmu/mmu.ts'
import { EXIT_BUDGET, EXIT_FAULT } from '../../src/emu/processor.ts'

const PROGRAMS = 4000
const CODE = 0x10000, DATA = 0x20000, NOWHERE = 0x30000, STACK = 0x40000
const dist = join(import.meta.dirname, '../../dist')

const generator = makeRandom(0x1f123bb5)
const { random, pick } = generator

// RSP, RSI and RDI stay what they are: they point to memory.
const REGISTERS = [0, 1, 2, 3, 5, 8, 9, 10, 15]

/** REX, opcode, ModRM: `reg` in ModRM.reg; a register or [rdi + disp8], now and then [rsi], which is not there. */
const modrm = (opcode: readonly number[], reg: number, kind: 'any' | 'register' | 'memory' = 'any', prefix: readonly number[] = [], wide = random(2)): number[] => {
  const memory = kind === 'memory' || kind === 'any' && random(3) === 0
  const rm = pick(REGISTERS)
  const rex = 0x40 | wide << 3 | (reg >> 3) << 2 | (memory ? 0 : rm >> 3)
  const operand = !memory ? [0xc0 | (reg & 7) << 3 | (rm & 7)]
    : random(60) === 0 ? [0x06 | (reg & 7) << 3] : [0x47 | (reg & 7) << 3, random(14) * 8]
  return [...prefix, rex, ...opcode, ...operand]
}
const byte = (): number => pick([0, 1, 2, 7, 8, 31, 0x7f, 0x80, 0xff, random(256)])

const INSTRUCTIONS: readonly (() => number[])[] = [
  () => modrm([random(8) * 8 + pick([0, 1, 2, 3])], pick(REGISTERS)),
  () => [...modrm([0x83], random(8)), byte()],
  () => [...modrm([0x80], random(8)), byte()],
  () => [...modrm([0x81], random(8)), byte(), byte(), byte(), byte()],
  () => modrm([pick([0x84, 0x85])], pick(REGISTERS)),
  () => modrm([pick([0x88, 0x89, 0x8a, 0x8b])], pick(REGISTERS)),
  () => modrm([0x8b], pick(REGISTERS)),
  () => modrm([0x8d], pick(REGISTERS), 'memory'),
  () => modrm([0x0f, pick([0xb6, 0xb7, 0xbe, 0xbf, 0xaf])], pick(REGISTERS)),
  () => modrm([0x63], pick(REGISTERS)),
  () => [...modrm([pick([0xc0, 0xc1])], random(8)), byte()],
  () => modrm([pick([0xd0, 0xd1, 0xd2, 0xd3])], random(8)),
  () => modrm([pick([0xfe, 0xff])], random(2)),
  () => modrm([pick([0xf6, 0xf7])], 2 + random(2)),
  () => modrm([0x0f, 0x40 + random(16)], pick(REGISTERS)),
  () => modrm([0x0f, 0x90 + random(16)], 0),
  () => [0x50 + pick([0, 1, 2, 3, 5])],
  () => [0x58 + pick([0, 1, 2, 3, 5])],
  () => modrm([0x0f, pick([0xef, 0xfe, 0xd4, 0x6f, 0x7f, 0x74, 0x6c])], random(16), 'any', [0x66]),
  () => modrm([0x0f, pick([0x10, 0x58, 0x59, 0x5c, 0x5e, 0x2a])], random(16), 'any', [0xf2]),
  () => modrm([0x0f, 0x2e], random(16), 'register', [0x66]),
  // Over the next few bytes of NOP.
  () => [0x70 + random(16), 2, 0x90, 0x90],
]

const memory = new PhysicalMemory(1 << 20)
const pages = [CODE, DATA, STACK - layout.PAGE_SIZE].map((address): [number, number] => [address / layout.PAGE_SIZE, memory.allocate()])
const frames = new Map(pages)
const interpreter = new Interpreter(memory, new WebAssembly.Module(readFileSync(join(dist, 'tier0.wasm'))),
  JSON.parse(readFileSync(join(dist, 'tier0.json'), 'utf8')) as Tier0Manifest)
interpreter.setMmu({ resolve: (page) => frames.get(page) ?? NO_FRAME, faultCode: () => 4, isWritable: () => true })
const hostOf = (address: number): number => (frames.get(address / layout.PAGE_SIZE) as number) * layout.PAGE_SIZE

const start = (code: readonly number[], data: Uint8Array, values: readonly number[]): void => {
  const { u8 } = memory
  memory.beforeWrite(hostOf(CODE) / layout.PAGE_SIZE)
  u8.set(code, hostOf(CODE))
  u8.set(data, hostOf(DATA))
  u8.fill(0x5a, hostOf(STACK - layout.PAGE_SIZE), hostOf(STACK - layout.PAGE_SIZE) + layout.PAGE_SIZE)
  const { cpu } = interpreter
  cpu.reset()
  // Else the first inexact operation leaves the fast path.
  cpu.mxcsr = 0x1fa0
  values.forEach((value, i) => { cpu.setHalves(i, value, values[(i * 7 + 1) % values.length]) })
  for (let i = 0; i < 16; i++) u8.set(data.subarray(i * 8, i * 8 + 16), layout.VECTOR + i * layout.VECTOR_STRIDE)
  cpu.set(layout.RDI, DATA)
  cpu.set(layout.RSI, NOWHERE)
  cpu.rsp = STACK - 2048
  cpu.rip = CODE
}

/** Runs to the end; everything there is to see. */
const finish = (budget: () => number): string => {
  let executed = 0
  for (;;) {
    const reason = interpreter.run(budget(), executed)
    executed += interpreter.executed
    if (reason === EXIT_BUDGET) continue
    const { fault } = interpreter
    const state = [interpreter.cpu.save(), memory.u8.subarray(hostOf(DATA), hostOf(DATA) + 256), memory.u8.subarray(hostOf(STACK - layout.PAGE_SIZE), hostOf(STACK - layout.PAGE_SIZE) + layout.PAGE_SIZE)]
    return `${reason} after ${executed}${reason === EXIT_FAULT ? `, #${fault.vector} at ${fault.address.toString(16)}` : ''}, rip ${interpreter.cpu.rip.toString(16)}, flags ${interpreter.cpu.rflags.toString(16)}\n`
      + state.map((bytes) => Buffer.from(bytes).toString('hex')).join('\n')
  }
}

test('programs end alike whether executed by blocks, one by one or in any slices', (t) => {
  let faults = 0
  for (let program = 0; program < PROGRAMS; program++) {
    const from = generator.seed
    const code: number[] = []
    while (code.length < 200) code.push(...pick(INSTRUCTIONS)())
    code.push(0x0f, 0x05)
    const data = Uint8Array.from({ length: 256 }, byte)
    const values = Array.from({ length: 16 }, () => pick([0, 1, -1, 0x7fffffff, 0x80000000, random(0x7fffffff)]))
    start(code, data, values)
    const whole = finish(() => 1_000_000)
    start(code, data, values)
    const single = finish(() => 1)
    start(code, data, values)
    const sliced = finish(() => 1 + random(9))
    if (whole.startsWith('3')) faults++
    if (whole !== single || whole !== sliced) {
      t.is(whole, single, `seed ${from}, one by one: ${Buffer.from(code).toString('hex')}`)
      t.is(whole, sliced, `seed ${from}, in slices: ${Buffer.from(code).toString('hex')}`)
      return
    }
  }
  t.true(faults > PROGRAMS / 10, 'faults were among them')
})
