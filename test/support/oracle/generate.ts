/** Cases of the differential test: what fast-check draws, and the case that is made from it. */
import fc from 'fast-check'
import { type Row, feature, row } from '../../../src/emu/decode/rows.ts'
import { ALL_ROWS } from '../../../src/emu/decode/tables/index.ts'
import { type Encoded, IMMEDIATE, INSTRUCTION_WORDS, MEMORY, MODRM, MORE, SIB, TARGET, encode, type Registers } from './encode.ts'
import { CODE, CODE_END, type Case, DATA, PAGE, type Patch, STATE_FS, STATE_FX, STATE_GS, STATE_RFLAGS, STATE_RIP, STATE_SIZE, STATE_UPPER, FX_XMM, generator, sequence } from './machine.ts'
import { EXCLUDED_ROWS, INEXACT_ROWS } from './exclusions.ts'
import { isOnHost } from './native.ts'
import { FX_RECIPES, integer, mxcsr, putFxsave, putInteger, putVector, rflags, target } from './values.ts'

/** Numbers that stand for a case: each, taken smaller, makes it simpler. */
export interface Recipe {
  /** Where the code is. */
  readonly place: number
  /** 16 general registers, flags, segment bases, FXSAVE image. */
  readonly state: Uint32Array
  readonly instructions: readonly { readonly row: number, readonly words: Uint32Array }[]
}

const UPPER_RECIPES = 16 + 2 + FX_RECIPES
const STATE_RECIPES = UPPER_RECIPES + 16

const words = (count: number): fc.Arbitrary<Uint32Array> => fc.uint32Array({ minLength: count, maxLength: count })

/** What is no instruction in 64-bit mode, on any processor. */
const UNDEFINED: readonly Row[] = ['06', '07', '0e', '16', '17', '1e', '1f', '27', '2f', '37', '3f', '60', '61', '82', '9a', 'ce', 'd4', 'd5', 'd6', 'ea',
  '0f 04', '0f 0a', '0f 0c', '0f 24', '0f 25', '0f 26', '0f 27', '0f 36', '0f 39', '0f 3b', '0f 3c', '0f 3d', '0f 3e', '0f 3f', '0f a6', '0f a7',
  'fe /2', 'fe /3', 'fe /4', 'fe /5', 'fe /6', 'fe /7', 'ff /7', 'c6 /1', 'c6 /2', 'c7 /1', 'c7 /3', '8f /1', '0f ba /0', '0f ba /3', '0f c7 /0',
  '0f 71 /0', '0f 72 /1', '0f 73 /1', '8c reg /6', '8e /1', '8e /6', '0f ae reg /4',
].map((text) => row(text, 'ud'))

/** Rows that the oracle can be asked about. */
export const ROWS: readonly Row[] = [...ALL_ROWS.filter(({ name }) => !EXCLUDED_ROWS.has(name)), ...UNDEFINED]

const AVX_ROW = feature('avx', [row('90', 'nop')])[0]

/** Cases whose first instruction is of the given row; any may follow. */
export const recipes = (row: number): fc.Arbitrary<Recipe> => {
  const any = fc.record({ row: fc.nat(ROWS.length - 1), words: words(INSTRUCTION_WORDS) })
  const rest = fc.oneof({ withCrossShrink: true },
    { weight: 6, arbitrary: fc.constant<{ row: number, words: Uint32Array }[]>([]) },
    { weight: 4, arbitrary: fc.array(any, { maxLength: 4 }) },
    { weight: 2, arbitrary: fc.array(any, { maxLength: 19, size: 'max' }) })
  return fc.noBias(fc.record({
    place: fc.integer({ min: 0, max: 0xffffffff }), state: words(STATE_RECIPES), first: words(INSTRUCTION_WORDS), rest,
  }).map(({ place, state, first, rest }) => ({ place, state, instructions: [{ row, words: first }, ...rest] }),
  // The way back lets fast-check shrink what it did not generate itself.
  (value) => {
    const { place, state, instructions } = value as Recipe
    return { place, state, first: instructions[0].words, rest: [...instructions.slice(1)] }
  }))
}

/** Lengths of what follows a case's first instruction, of 12 equally likely classes as in `recipes`: none, up to 4, up to 19. */
const restLength = (next: () => number): number => {
  const kind = next() % 12
  return kind < 6 ? 0 : next() % (kind < 10 ? 5 : 20)
}

/**
 * The recipe with a number among those of a row and seed: of the same distribution as what `recipes` draws, without fast-check's
 * trees of what it could be shrunk to, which take longer than the case itself. `recipes` can shrink it.
 */
export const draw = (row: number, seed: number, path: number): Recipe => {
  const next = generator(seed, row, path)
  const draws = (count: number): Uint32Array => {
    const words = new Uint32Array(count)
    for (let i = 0; i < count; i++) words[i] = next()
    return words
  }
  const instructions = [{ row, words: draws(INSTRUCTION_WORDS) }]
  for (let left = restLength(next); left > 0; left--) instructions.push({ row: next() % ROWS.length, words: draws(INSTRUCTION_WORDS) })
  return { place: next(), state: draws(STATE_RECIPES), instructions }
}

const RSP = 4, RCX = 1, RBX = 3, RBP = 5, RSI = 6, RDI = 7, RDX = 2

const isString = (row: Row): boolean => /(movs|cmps|stos|lods|scas)(_a32)?$/.test(row.name) && row.map === 0
/** The host may have more components than ours: only as the single instruction of a case, with those asked for that both have. */
const isXsave = (row: Row): boolean => /^(xsave|xrstor)/.test(row.name)
const isShift = (row: Row): boolean => row.operands.some(({ letter }) => letter === 'C')

/** Rows that end a case for certain, or go who knows where. */
const ENDS: ReadonlySet<string> = new Set(['ud', 'privileged', 'int', 'int3', 'syscall', 'iret', 'ret', 'ret_immediate', 'ret_far', 'ret_far_immediate', 'call_indirect', 'jmp_indirect', 'popf', 'fxrstor', 'fldenv', 'frstor', 'ldmxcsr', 'fldcw'])

/**
 * In some cases, much less goes wrong, so that more instructions are reached: memory operands are aimed at the middle of
 * pages, without registers that those before may have changed, and exceptions of floating point are masked.
 */
const isCalm = (place: number): boolean => (place >>> 26 & 3) === 2

const calmState = (words: Uint32Array): Uint32Array => {
  const state = words.slice()
  state[RSP] &= ~7
  for (const register of [RSI, RDI]) state[register] = (state[register] & ~0x1ff | state[register] & 7) >>> 0
  state[18] = (state[18] & ~15) >>> 0
  state[19] = (state[19] & ~8) >>> 0
  return state
}

const calm = (recipe: Recipe): Recipe => {
  if (!isCalm(recipe.place)) return recipe
  const instructions = recipe.instructions.filter(({ row }, i) => i === 0 || !ENDS.has(ROWS[row].name)).map(({ row, words }, i) => {
    const changed = words.slice()
    changed[TARGET] = (changed[TARGET] & ~31) >>> 0
    if (i > 0) changed[SIB] = (changed[SIB] & ~0xc0000) >>> 0
    return { row, words: changed }
  })
  return { ...recipe, state: calmState(recipe.state), instructions }
}

const initialRegisters = (recipe: Recipe, rows: readonly Row[]): Registers => {
  const gpr = Array.from({ length: 16 }, (_, i) => integer(recipe.state[i]))
  const claimed = gpr.map(() => false)
  const put = (register: number, value: bigint): void => { gpr[register] = BigInt.asUintN(64, value); claimed[register] = true }
  const pick = (register: number): number => recipe.state[register]
  // The stack is somewhere in data, often at the edge of a page.
  put(RSP, (pick(RSP) & 7) < 4 ? BigInt(DATA + 0x800 + (pick(RSP) >>> 8) % 0x100 * 8) : BigInt(target(pick(RSP) >>> 3)))
  if (rows.some(isString)) {
    for (const register of [RSI, RDI]) if ((pick(register) & 15) !== 15) put(register, BigInt(target(pick(register) >>> 4)))
    const kind = pick(RCX) & 15
    put(RCX, kind < 8 ? BigInt((pick(RCX) >>> 4) & 7) : kind < 14 ? BigInt((pick(RCX) >>> 4) & 0x3ff) : integer(pick(RCX) >>> 4))
  } else if (rows.some(isShift)) {
    if ((pick(RCX) & 3) !== 0) put(RCX, (gpr[RCX] & ~0xffn) | BigInt((pick(RCX) >>> 4) & 0x7f))
    claimed[RCX] = true
  }
  for (const row of rows) {
    if (isXsave(row)) {
      put(0, gpr[0] & 7n | gpr[0] >> 32n << 32n)
      put(RDX, 0n)
    }
    if (row.name.startsWith('xlat')) put(RBX, BigInt(target(pick(RBX))))
    if (row.name.startsWith('maskmov')) put(RDI, BigInt(target(pick(RDI))))
    // Lengths of strings, of either sign.
    if (row.name.startsWith('pcmpestr')) for (const register of [0, RDX]) if ((pick(register) & 7) !== 7) put(register, BigInt.asUintN(64, BigInt((pick(register) >>> 3) % 41 - 20)))
    if ((row.name === 'leave' || row.name === 'enter') && (pick(RBP) & 7) !== 0) put(RBP, BigInt(target(pick(RBP) >>> 3)))
    if (row.name === 'div' || row.name === 'idiv') {
      // Quotients that fit.
      if ((pick(RDX) & 3) < 2) put(RDX, (pick(RDX) & 3) === 0 ? 0n : gpr[0] >> 63n === 0n && (gpr[0] >> 31n & 1n) === 0n ? 0n : (1n << 64n) - 1n)
      if ((pick(RDX) & 3) === 2) put(RDX, gpr[RDX] & 0xffffn)
    }
  }
  const bases = [0n, BigInt(DATA), BigInt(DATA - 0x5000), 0x7000_0000n, 0x1234n]
  return { gpr, claimed, used: gpr.map(() => false), fs: bases[recipe.state[17] % bases.length], gs: bases[(recipe.state[17] >>> 8) % bases.length] }
}

/** Offset of the first instruction in the code pages: anywhere, at a page's end, at the start. */
const placement = (place: number, length: number): number => {
  const r = place >>> 4
  switch (place & 15) {
    case 0: case 1: return r & 0xfff
    case 2: return PAGE - 1 - (r % Math.max(1, length))
    case 3: return 2 * PAGE - 1 - (r % Math.max(1, length + 2))
    case 4: return PAGE + (r & 0xfff)
    case 5: return PAGE - 1 - (r & 15)
    default: return 0x100 + (r & 0xff)
  }
}

/** Counts rounds: far from where memory operands are aimed at. */
const COUNTER = DATA + 0x1f0

const isLoop = (place: number): boolean => (place >>> 28 & 3) === 1

/** In some cases all is done several times over, the first time with empty TLBs, then with full ones: dec dword [COUNTER]; jnz start. */
const loopTail = (at: number, start: number): number[] => {
  const word = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >> shift) & 0xff)
  return [0xff, 0x0d, ...word(COUNTER - at - 6), 0x0f, 0x85, ...word(start - at - 12)]
}

/** An offset of 32 bits, that being the most frequent size, and a selector. */
const farPointer = (row: Row, recipe: Uint32Array, addresses: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  const memory = recipe[MEMORY]
  view.setUint32(0, addresses[(memory >>> 4) % addresses.length], true)
  const selectors = row.name.endsWith('_far') ? [0x33, 0x33, 0x33, 0x30, 0x2b, 0] : [0x2b, 0x2b, 0, 3, 0x33, 0x28]
  const selector = selectors[(memory >>> 8) % selectors.length]
  view.setUint16(4, (memory & 14) === 14 && (recipe[MORE] & 0xfffc) !== 0x20 ? recipe[MORE] & 0xffff : selector, true)
  return bytes
}

/** What a memory operand holds, where the row has a say in it. */
const memoryContent = (row: Row, recipe: Uint32Array, addresses: readonly number[]): Uint8Array | undefined => {
  const memory = recipe[MEMORY]
  if ((memory & 15) === 15) return undefined
  const bytes = new Uint8Array(row.name === 'xrstor' ? 832 : row.name.includes('fxrstor') ? 512 : row.name.includes('frstor') || row.name.includes('fldenv') ? 108 : row.isVex ? 32 : 16)
  const view = new DataView(bytes.buffer)
  const kinds = row.operands.map(({ letter }) => letter).join('')
  if (row.map === 0 && row.name.endsWith('_far') || /^l[fgs]s$/.test(row.name)) return farPointer(row, recipe, addresses)
  if (row.name.endsWith('_indirect') && (memory & 15) < 13) view.setUint32(0, addresses[(memory >>> 4) % addresses.length], true)
  else if (row.name === 'ldmxcsr' && (memory & 15) < 14) view.setUint32(0, mxcsr(memory >>> 4), true)
  else if (row.name === 'xrstor') {
    const words = Array.from({ length: FX_RECIPES }, (_, i) => Math.imul(memory, 0x9e3779b1 + i * 2) >>> 0)
    putFxsave(view, 0, words, 0)
    for (let i = 0; i < 16; i++) putVector(view, 576 + i * 16, words[i])
    const kind = (memory >>> 4) & 31
    view.setUint8(512, (memory >>> 9) & 7)
    if (kind < 4) bytes.set([(memory >>> 9) & 7 | (kind < 3 ? (memory >>> 12) & 7 : 0), 0, 0, 0, 0, 0, 0, 0x80], 520)
    else if (kind < 10) {
      // Not the components that the host may have and we don't: of AVX-512 (5 to 7), PKRU (9), AMX (17, 18).
      const [at, bit] = [(memory >>> 12) % 64, (memory >>> 20) & 7]
      view.setUint8(512 + at, 1 << (at === 0 ? bit & 3 : at === 1 ? bit | 2 : at === 2 ? bit | 4 : bit))
    }
  } else if (row.name.includes('fxrstor')) {
    putFxsave(view, 0, Array.from({ length: FX_RECIPES }, (_, i) => Math.imul(memory, 0x9e3779b1 + i * 2) >>> 0), 0)
  } else if (row.operands.length > 0 && kinds !== 'M' && !/[VPUH]/.test(kinds) && row.operands.every(({ size }) => size !== 't')) {
    putInteger(view, 0, memory >>> 4)
    putInteger(view, 8, recipe[MORE])
  } else {
    putVector(view, 0, memory >>> 4)
    if (row.isVex) putVector(view, 16, recipe[MORE])
    // As an 80-bit number: exponents in the middle are of more interest.
    if ((memory & 0x300) === 0) view.setUint16(8, 0x3fff + ((memory >>> 10) & 63) - 32 | (memory >>> 31) << 15, true)
  }
  return bytes
}

export interface Built extends Case {
  readonly code: Uint8Array
  readonly start: number
  readonly rows: readonly Row[]
  /** Addresses of the instructions. */
  readonly addresses: readonly number[]
}

/** The code of a case, which others with other states may have too. */
interface Layout {
  /** What the code was made from: simplified where the recipe is a calm one. */
  readonly instructions: Recipe['instructions']
  readonly rows: readonly Row[]
  readonly list: readonly Encoded[]
  readonly start: number
  readonly addresses: readonly number[]
  readonly code: Uint8Array
  /** The code in memory. */
  readonly patch: Patch
  readonly counter: Patch | undefined
  /** General registers; those that somebody has made a choice for, and those that the code was made for. */
  readonly gpr: readonly bigint[]
  readonly kept: readonly boolean[]
  readonly fixed: readonly boolean[]
  readonly fs: bigint
  readonly gs: bigint
}

/** RIP, CS, RFLAGS, RSP, SS on the stack, with something wrong now and then. AC stays clear. */
const farReturn = (row: Row, words: Uint32Array, bytes: readonly number[], target: number): Uint8Array => {
  const rexW = row.operands.length > 0 && bytes.some((byte, i) => (byte & 0xf8) === 0x48 && bytes[i + 1] === row.opcode)
  const size = rexW ? 8 : bytes.includes(0x66) ? 2 : 4
  const frame = new Uint8Array(40)
  const view = new DataView(frame.buffer)
  const memory = words[MEMORY]
  const values = [BigInt(target), 0x33n, BigInt(rflags(memory >>> 8)) & ~0x40000n, BigInt(DATA + 0x808), 0x2bn]
  if ((memory & 15) === 14) values[(memory >>> 4) % 5] = (memory & 0x700) === 0 ? 0n : integer(words[MORE]) & ~0x40000n
  // 32-bit code is something else altogether.
  if ((values[1] & 0xfffcn) === 0x20n) values[1] = 0x10n
  values.forEach((value, i) => { for (let k = 0; k < size; k++) frame[i * size + k] = Number((value >> BigInt(k * 8)) & 0xffn) })
  return new Uint8Array(view.buffer, 0, size * 5)
}

/** The recipe with most of the registers at their simplest: what is kept of it takes less room. */
export const sparse = (recipe: Recipe): Recipe => {
  const next = sequence(recipe.place)
  return { ...recipe, state: recipe.state.map((word) => next() % 100 < 30 ? word : 0) }
}

/** Registers of a gather: indices that mostly stay in the pages around, a mask that mostly wants something. */
const putGather = (view: DataView, { index, mask, bytes }: NonNullable<Encoded['vsib']>, state: Uint32Array): void => {
  const place = (register: number, at: number): number => at < 16 ? STATE_FX + FX_XMM + register * 16 + at : STATE_UPPER + register * 16 + at - 16
  for (let at = 0; at < 32; at += bytes) {
    const r = state[(index + mask + at) % STATE_RECIPES] >>> (at % 7)
    const kind = r & 31
    const value = kind === 0 ? r >> 5 : kind < 3 ? -((r >>> 5) & 0xff) : kind < 5 ? (r >>> 5) & 0x1fff : (r >>> 5) & 0x3f
    view.setInt32(place(index, at), value, true)
    if (bytes === 8) view.setInt32(place(index, at) + 4, value < 0 ? -1 : kind === 31 ? r : 0, true)
  }
  for (let at = 0; at < 32; at += 4) {
    const r = state[(mask + at + 3) % STATE_RECIPES]
    if ((r & 0x70) !== 0 || index === mask) view.setUint8(place(mask, at) + 3, (r >>> 8) | ((r & 0x700) === 0 ? 0 : 0x80))
  }
}

const layOut = (whole: Recipe): { layout: Layout, state: Uint32Array } => {
  const isAlone = (row: number): boolean => INEXACT_ROWS.has(ROWS[row].name) || isXsave(ROWS[row])
  const [head, ...all] = whole.instructions
  const rest = all.filter(({ row }) => isOnHost(ROWS[row]))
  const recipe = calm({ ...whole, instructions: isAlone(head.row) ? [head] : [head, ...rest.filter(({ row }) => !isAlone(row))] })
  const { instructions } = recipe
  const rows = instructions.map(({ row }) => ROWS[row])
  const registers = initialRegisters(recipe, rows)
  const put = (i: number, at: number): Encoded => encode(rows[i], instructions[i].words, BigInt(at), registers, BigInt(Math.floor(target(instructions[i].words[TARGET]))))
  // The place depends on the length of the first instruction: encode that once to know it, and again.
  const saved = { gpr: [...registers.gpr], claimed: [...registers.claimed] }
  const start = CODE + placement(recipe.place, put(0, CODE).bytes.length)
  registers.gpr.splice(0, 16, ...saved.gpr)
  registers.claimed.splice(0, 16, ...saved.claimed)
  const addresses = [start]
  const list = instructions.map((_, i) => {
    const encoded = put(i, addresses[i])
    addresses.push(addresses[i] + encoded.bytes.length)
    return encoded
  })
  list.forEach((encoded, i) => {
    const { words } = instructions[i]
    if (rows[i].name.endsWith('_indirect') && encoded.register !== undefined && (words[MODRM] >>> 12 & 7) !== 0 && !registers.claimed[encoded.register]) {
      registers.gpr[encoded.register] = BigInt(addresses[(words[IMMEDIATE] >>> 4) % addresses.length])
      registers.claimed[encoded.register] = true
    }
    if (encoded.branch !== undefined) {
      const { at, size } = encoded.branch
      const r = words[IMMEDIATE] >>> 6
      const kind = words[IMMEDIATE] & 63
      const goal = kind === 0 ? addresses[r % addresses.length] : kind < 4 ? CODE + r % (CODE_END - CODE) : kind < 6 ? CODE_END - 8 + (r & 15) : addresses[i + 1 + r % (addresses.length - i - 1)]
      const displacement = goal - addresses[i + 1]
      for (let k = 0; k < size; k++) encoded.bytes[at + k] = (displacement >> (k * 8)) & 0xff
    }
  })
  // Errors of several rounds would add up.
  const loops = isLoop(recipe.place) && !INEXACT_ROWS.has(rows[0].name)
  const tail = loops ? loopTail(addresses[addresses.length - 1], start) : []
  const code = new Uint8Array([...list.flatMap(({ bytes }) => bytes), ...tail])
  const layout = {
    instructions, rows, list, start, addresses, code, patch: { address: start, bytes: code.subarray(0, CODE_END - start) },
    counter: loops ? { address: COUNTER, bytes: new Uint8Array([2 + (recipe.place >>> 24 & 3), 0, 0, 0]) } : undefined,
    gpr: registers.gpr, kept: registers.claimed.map((claimed, i) => claimed || registers.used[i]),
    fixed: registers.claimed.map((claimed, i) => registers.used[i] || claimed && !saved.claimed[i]), fs: registers.fs, gs: registers.gs,
  }
  return { layout, state: recipe.state }
}

/** A case with the code: what memory holds follows from the instructions' words, what is in registers from `words`. */
const fill = ({ rows, list, start, addresses, code, patch, counter, fs, gs }: Layout, instructions: Recipe['instructions'], gpr: readonly bigint[], words: Uint32Array): Built => {
  const patches: Patch[] = []
  for (let i = 0; i < list.length; i++) {
    const row = rows[i]
    const { words } = instructions[i]
    let content = memoryContent(row, words, addresses)
    let where = list[i].memory
    if (row.name === 'iret' || row.name.startsWith('ret_far')) {
      where = gpr[RSP]
      content = farReturn(row, words, list[i].bytes, addresses[(words[MEMORY] >>> 4) % addresses.length])
    } else if (row.name === 'pop' || row.name === 'popf' || row.name.startsWith('ret')) {
      where = gpr[RSP]
      if (row.name.startsWith('ret') && content !== undefined) new DataView(content.buffer).setBigUint64(0, BigInt(addresses[(words[MEMORY] >>> 4) % addresses.length]), true)
      // AC would make unaligned accesses fault, which we leave out.
      if (row.name === 'popf' && content !== undefined) content[2] &= ~4
    }
    if (content !== undefined && where !== undefined && where < 0x8000_0000n) patches.push({ address: Number(where), bytes: content })
  }
  if (counter !== undefined) patches.push(counter)
  patches.push(patch)

  const state = new Uint8Array(STATE_SIZE)
  const view = new DataView(state.buffer)
  for (let i = 0; i < 16; i++) view.setBigUint64(i * 8, gpr[i], true)
  view.setUint32(STATE_RIP, start, true)
  view.setUint32(STATE_RFLAGS, rflags(words[16]), true)
  view.setBigUint64(STATE_FS, fs, true)
  view.setBigUint64(STATE_GS, gs, true)
  putFxsave(view, STATE_FX, words, 18)
  if (isOnHost(AVX_ROW)) for (let i = 0; i < 16; i++) putVector(view, STATE_UPPER + i * 16, words[UPPER_RECIPES + i])
  for (const { vsib } of list) if (vsib !== undefined) putGather(view, vsib, words)
  return { state, patches, code, start, rows, addresses }
}

/** The case that a recipe stands for. */
export const build = (recipe: Recipe): Built => {
  const { layout, state } = layOut(recipe)
  return fill(layout, layout.instructions, layout.gpr, state)
}

/** Others of the same code: registers that no address was made from, flags, floats, vectors, and what memory holds are drawn anew. */
const vary = ({ place, state, instructions }: Recipe, kept: readonly boolean[], seed: number, variant: number): Recipe => {
  const next = generator(seed, place, variant)
  const changed = state.map((word, i) => i === 17 || kept[i] ? word : next())
  return {
    place, state: changed, instructions: instructions.map(({ row, words }) => {
      const other = words.slice()
      other[MEMORY] = next()
      return { row, words: other }
    }),
  }
}

/** A case of some code: the recipe with the number `path`, or, above 0, one of its variants, which differ in what they start from. */
export const drawVariant = (row: number, seed: number, path: number, variant: number): Recipe => {
  const recipe = draw(row, seed, path)
  if (variant === 0) return recipe
  const { kept, instructions } = layOut(recipe).layout
  return vary({ ...recipe, instructions }, kept, seed, variant)
}

/** The cases of `drawVariant` from 0 to `variants`, made together: their code is one object. */
export const buildVariants = (row: number, seed: number, path: number, variants: number): Built[] => {
  const recipe = draw(row, seed, path)
  const { layout, state } = layOut(recipe)
  const { kept } = layout
  const cases = [fill(layout, layout.instructions, layout.gpr, state)]
  for (let variant = 1; variant < variants; variant++) {
    const other = vary({ ...recipe, instructions: layout.instructions }, kept, seed, variant)
    const words = isCalm(recipe.place) ? calmState(other.state) : other.state
    const { gpr } = initialRegisters({ ...other, state: words }, layout.rows)
    for (let i = 0; i < 16; i++) if (layout.fixed[i]) gpr[i] = layout.gpr[i]
    cases.push(fill(layout, other.instructions, gpr, words))
  }
  return cases
}
