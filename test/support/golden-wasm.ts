/**
 * What is emitted for some instructions, as text: files that are kept beside the test that compares them, so that a change in
 * semantics or in a tier shows what it changes. `npm run golden:wasm` writes them anew.
 */
import iced from 'iced-x86'
import * as layout from '../../src/emu/cpu/layout.ts'
import { DECODE_OK, Decoder } from '../../src/emu/decode/decoder.ts'
import { formName } from '../../src/emu/interp/forms.ts'
import { generateTier0 } from '../../src/emu/interp/generate.ts'
import { HOST_FUNCTIONS } from '../../src/emu/interp/runtime.ts'
import { HANDLER, Tier0Emitter } from '../../src/emu/interp/tier0-emitter.ts'
import type { CodePage } from '../../src/emu/interp/translator.ts'
import { compileRegions } from '../../src/emu/jit/compiler.ts'
import { FactsTable } from '../../src/emu/jit/facts.ts'
import { RegionFinder } from '../../src/emu/jit/graph.ts'
import { keep } from '../../src/emu/jit/instruction.ts'
import { PhysicalMemory } from '../../src/emu/memory.ts'
import { ModuleBuilder } from '../../src/emu/wasm/module.ts'
import { functionsAsText } from './wasm-text.ts'

/** File name → guest code. */
export const SAMPLES: Readonly<Record<string, string>> = {
  'mov-register': '4889d8', 'mov-load': '8b448b08', 'mov-store': '48894424 10', 'mov-high-byte': '88e3', 'lea-32': '678d04 1a',
  'add-memory': '014304', 'sub-branch': '4829d8 7202', 'adc': '4811d8', 'inc': 'ffc1', 'cmp-setcc': '39d8 0f9cc0', 'test-cmov': '4885c0 480f44d9',
  'imul': '480fafc3', 'div': '48f7f1', 'fields': '8b4308 034310 894314', 'shl-cl': 'd3e0', 'rol-immediate': 'c1c007', 'push-pop': '50 5b', 'call': 'e8fb000000', 'ret': 'c3',
  'movs-repeated': 'f348a5', 'cmpxchg-locked': 'f00fb10b', 'xadd': '480fc103', 'bsf': '480fbcc3', 'movaps-load': '0f280b', 'addsd': 'f20f58c1',
  'mulps': '0f59c1', 'cvttsd2si': 'f2480f2cc0', 'ucomisd-branch': '660f2ec1 7702', 'pshufd': '660f70c11b', 'paddd-memory': '660ffe03',
  'fld-fadd': 'dd03 d8c1', 'mmx-paddw': '0ffdc1', 'pshufb': '660f3800c1', 'aesenc': '660f38dcc1', 'roundsd': '660f3a0bc109', 'popcnt': 'f3480fb8c3',
}

/** The sample that is shown with the ways out of its region. */
const WHOLE = 'mov-register'

const RIP = 0x40_1000
/** HLT, which no region goes on with. */
const END = 0xf4

const instructionsOf = (code: Uint8Array): string[] => {
  const decoder = new iced.Decoder(64, code, iced.DecoderOptions.None)
  const formatter = new iced.Formatter(iced.FormatterSyntax.Intel)
  decoder.ip = BigInt(RIP)
  const lines: string[] = []
  while (decoder.canDecode) {
    const at = decoder.position
    const instruction = decoder.decode()
    lines.push(`${Buffer.from(code.subarray(at, decoder.position)).toString('hex').padEnd(16)} ${formatter.format(instruction)}`)
    instruction.free()
  }
  decoder.free()
  formatter.free()
  return lines
}

let made: ReturnType<typeof generateTier0>['manifest'] | undefined
const manifestOf = (): NonNullable<typeof made> => made ??= generateTier0().manifest

/** The handlers of tier 0 for the code's forms. */
const tier0 = (code: Uint8Array): string[] => {
  const decoder = new Decoder()
  const { runtime } = manifestOf()
  const lines: string[] = []
  for (let at = 0; at < code.length; at += decoder.instruction.length) {
    if (decoder.decode(code, at, code.length, RIP + at) !== DECODE_OK) throw new Error(`not an instruction: ${Buffer.from(code.subarray(at)).toString('hex')}`)
    const { semantics, operands, name } = keep(decoder.instruction, RIP + at)
    const module = new ModuleBuilder()
    for (const [imported, signature] of Object.entries({ ...HOST_FUNCTIONS, ...runtime })) module.importFunction('tier0', imported, signature)
    module.function('handler', HANDLER, (f) => {
      const emitter = new Tier0Emitter(f, operands)
      semantics(emitter)
      if (!emitter.hasEnded) emitter.next()
    })
    lines.push(`tier 0, ${formName(name, operands)}:`, ...functionsAsText(module.encode())[0].map((line) => `  ${line}`))
  }
  return lines
}

/** The region of tier 1 that begins with the code: all of it for one sample, for the others what the instructions make of it. */
const tier1 = (code: Uint8Array, whole: boolean): string[] => {
  const manifest = manifestOf()
  const memory = new PhysicalMemory()
  const frame = memory.allocate()
  memory.u8.fill(END, frame * layout.PAGE_SIZE, (frame + 1) * layout.PAGE_SIZE)
  memory.u8.set(code, frame * layout.PAGE_SIZE + RIP % layout.PAGE_SIZE)
  const page: CodePage = { page: Math.floor(RIP / layout.PAGE_SIZE), frame, entries: new Int32Array(layout.PAGE_SIZE), ranges: [], valid: true }
  const facts = new FactsTable(manifest)
  const finder = new RegionFinder(memory, facts, (number) => number === page.page ? page : undefined, () => [])
  const region = finder.find(RIP, { instructions: code.length, inlined: 0, callDepth: 0, executedOnly: false, leavesAt: () => false })
  if (region === undefined) return ['tier 1: none']
  const lines = functionsAsText(compileRegions([{ region, index: 0, isApart: false }], facts, manifest, { target: () => undefined, link: () => 0 }))[0]
  // Behind the inner of two blocks come the ways out, which are the same for all.
  return ['tier 1:', ...(whole ? lines : lines.slice(0, lines.indexOf('  end') + 1)).map((line) => `  ${line}`)]
}

/** What the file of a sample holds. */
export const goldenText = (name: string): string => {
  const code = Uint8Array.from(Buffer.from(SAMPLES[name].replaceAll(' ', ''), 'hex'))
  return [...instructionsOf(code), '', ...tier0(code), '', ...tier1(code, name === WHOLE), ''].join('\n')
}
