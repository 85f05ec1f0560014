/** From a decode row and recipes to the bytes of an instruction, with registers and memory so that it meets something. */
import type { Row } from '../../../src/emu/decode/rows.ts'
import { integer } from './values.ts'

/** Words of an instruction's recipe. */
export const BITS = 0, MODRM = 1, SIB = 2, DISPLACEMENT = 3, IMMEDIATE = 4, TARGET = 5, MEMORY = 6, MORE = 7
export const INSTRUCTION_WORDS = 8

export interface Registers {
  /** Initial values. */
  readonly gpr: bigint[]
  /** Which were given theirs on purpose. */
  readonly claimed: boolean[]
  /** Whose values addresses were made for. */
  readonly used: boolean[]
  readonly fs: bigint
  readonly gs: bigint
}

export interface Encoded {
  readonly bytes: number[]
  /** Where the memory operand is, if the encoder knows. */
  readonly memory: bigint | undefined
  /** A branch displacement: its offset in `bytes` and its size. */
  readonly branch: { readonly at: number, readonly size: 1 | 4 } | undefined
  /** Register of an E or R operand, if it is one. */
  readonly register: number | undefined
  /** Of a gather: vector registers of indices and mask, bytes of an index. */
  readonly vsib?: { readonly index: number, readonly mask: number, readonly bytes: 4 | 8 }
}

const signed64 = (value: bigint): bigint => BigInt.asIntN(64, value)
const fitsIn = (value: bigint, bits: number): boolean => BigInt.asIntN(bits, value) === value

/** Rows whose meaning 66 changes on AMD processors but not on Intel's, whose manual is ours: near branches. */
const isNearBranch = (row: Row): boolean =>
  row.operands.some(({ letter }) => letter === 'J') || ['call_indirect', 'jmp_indirect', 'ret', 'ret_immediate'].includes(row.name)

/** LOOPE and LOOPNE take F2 and F3 as their condition on AMD processors. */
const isLoop = (row: Row): boolean => row.name.startsWith('loop')

/** Opcodes of map 1 that a repeat prefix turns into another instruction even though the row does not mention it (TZCNT, LZCNT, RDSSP …). */
const isRepeatSensitive = (row: Row): boolean => row.map !== 0 || row.prefix !== undefined

const chance = (bits: number, from: number, width: number, value = 0): boolean => ((bits >>> from) & ((1 << width) - 1)) === value

/**
 * @param rip where the instruction will be
 * @param target where its memory operand shall be
 */
export const encode = (row: Row, recipe: ArrayLike<number>, rip: bigint, registers: Registers, target: bigint): Encoded => {
  const bits = recipe[BITS]
  const more = recipe[MORE]
  const letters = row.operands.map(({ letter }) => letter).join('')
  // Control and debug registers: some encodings more than the manual has (LOCK for CR8, ModRM.mod ignored), which our rows don't tell.
  const isSystem = row.name === 'privileged' && row.hasModrm && row.operands.length === 0
  const isMemory = isSystem ? false : row.mod === 'mem' || /[MT]/.test(letters) ? true
    : row.mod === 'reg' || /[RUN]/.test(letters) || !row.hasModrm || (row.modrm !== undefined && row.modrm >= 0xc0) ? false
      : (recipe[MODRM] & 3) !== 3 && (recipe[MODRM] & 0xc) !== 0xc
  const hasMemory = row.hasModrm && isMemory

  const rexW = row.rexW ?? chance(bits, 0, 2, 1)
  const noRexR = isSystem ? ~4 : ~0
  const rex = rexW || chance(bits, 2, 1, 1) ? 0x40 | (rexW ? 8 : 0) | ((bits >>> 3) & (row.noRexB ? 6 : 7) & noRexR) : 0
  const rexB = (rex & 1) << 3
  const rexR = (rex & 4) << 1

  // Legacy prefixes, in some order.
  const prefixes: number[] = []
  const { isVex } = row
  const mayHave66 = !isVex && !isNearBranch(row) && row.prefix !== 0x66
    && (row.map === 0 || row.prefix === undefined) || row.prefix === 0xf2 || row.prefix === 0xf3
  if (row.prefix === 0x66 && !isVex) prefixes.push(0x66)
  else if (mayHave66 && chance(bits, 6, 2, 1)) prefixes.push(0x66)
  const address32 = row.address32 || chance(bits, 8, 4, 1)
  if (address32) prefixes.push(0x67)
  let segment = 0
  if (chance(bits, 12, 3, 1)) { segment = 0x64 + ((bits >>> 15) & 1); prefixes.push(segment) } else if (chance(bits, 12, 5, 2)) prefixes.push([0x26, 0x2e, 0x36, 0x3e][bits >>> 30])
  if (isVex) {
    // Not allowed before VEX.
    if (chance(bits, 17, 7, 1)) prefixes.push([0x66, 0xf0, 0xf2, 0xf3][(bits >>> 24) & 3])
  } else if (row.prefix === 0xf2 || row.prefix === 0xf3) prefixes.push(row.prefix)
  else if (!isRepeatSensitive(row) && !isLoop(row) && chance(bits, 17, 6, 1)) prefixes.push((bits >>> 23) & 1 ? 0xf2 : 0xf3)
  if (isVex) { /* above */ } else if (row.options.has('lock') && hasMemory ? chance(bits, 24, 2, 1) : !isSystem && chance(bits, 24, 6, 1)) prefixes.push(0xf0)
  if (chance(more, 0, 7, 1)) prefixes.push(prefixes[0] ?? 0x3e)
  if (row.name !== 'ud' && chance(more, 7, 9, 1)) while (prefixes.length < 9) prefixes.push(0x2e)
  if (prefixes.length > 1) {
    const turn = (bits >>> 26) % prefixes.length
    prefixes.push(...prefixes.splice(0, turn))
  }
  const bytes = [...prefixes]
  let vvvv = 0
  if (isVex) {
    if (chance(bits, 17, 7, 2)) bytes.push(0x40 | (bits >>> 24) & 15)
    const isVvvvUsed = /[HB]/.test(letters)
    vvvv = isVvvvUsed ? (more >>> 26) & 15 : chance(more, 16, 6, 1) ? (more >>> 26) & 15 : 0
    const vexL = row.vexL ?? (row.text.includes('.lig.') || row.operands.some(({ size }) => 'xhre'.includes(size)) ? (bits >>> 6) & 1 : 0)
    const low = (~vvvv & 15) << 3 | vexL << 2 | [0, 0x66, 0xf3, 0xf2].indexOf(row.prefix as number)
    if (row.map === 1 && (rex & 0xb) === 0 && chance(more, 22, 1)) bytes.push(0xc5, ((rex & 4) === 0 ? 0x80 : 0) | low)
    else bytes.push(0xc4, ((~rex & 7) << 5) | row.map, (rex & 8) << 4 | low)
  } else if (rex !== 0) bytes.push(rex)
  // A REX that is not the last prefix does not count.
  else if (prefixes.length > 0 && chance(more, 16, 6, 1)) bytes.unshift(0x40 | (more >>> 22) & 15)
  if (row.map > 0 && !isVex) bytes.push(0x0f)
  if (row.map === 2 && !isVex) bytes.push(0x38)
  if (row.map === 3 && !isVex) bytes.push(0x3a)
  bytes.push(row.opcode | (row.registerInOpcode ? (recipe[MODRM] >>> 4) & 7 : 0))

  const segmentBase = segment === 0x64 ? registers.fs : segment === 0x65 ? registers.gs : 0n
  let memory: bigint | undefined
  let register: number | undefined
  let relative: number | undefined
  let vsib: Encoded['vsib']
  if (row.hasModrm) {
    let reg = row.digit ?? (recipe[MODRM] >>> 4) & 7
    let rm = (recipe[MODRM] >>> 8) & 7
    if (row.modrm !== undefined) {
      const modrm = row.modrm + (recipe[MODRM] >>> 4) % row.modrmCount
      reg = (modrm >> 3) & 7
      rm = modrm & 7
    }
    if (!hasMemory) {
      bytes.push(0xc0 | reg << 3 | rm)
      register = rm | rexB
    } else {
      const wanted = BigInt.asUintN(64, target - segmentBase)
      const effective = (value: bigint): bigint => BigInt.asUintN(64, (address32 ? BigInt.asUintN(32, value) : value) + segmentBase)
      const noise = recipe[DISPLACEMENT]
      // How far the displacement that was picked may be bent to reach the target.
      const isVsib = letters.includes('T')
      const kind = isVsib ? 10 : (recipe[SIB] >>> 16) & 15
      const put32 = (value: bigint): void => { for (let i = 0n; i < 32n; i += 8n) bytes.push(Number((value >> i) & 0xffn)) }
      if (kind < 2) {
        // RIP-relative: filled in when the length is known.
        bytes.push(reg << 3 | 5)
        relative = bytes.length
        put32(0n)
        memory = effective(wanted)
      } else if (kind < 4) {
        const index = ((recipe[SIB] >>> 3) & 7) === 4 && (rex & 2) === 0 ? -1 : ((recipe[SIB] >>> 3) & 7) | ((rex & 2) << 2)
        if (index >= 0) registers.used[index] = true
        const scaled = index < 0 ? 0n : registers.gpr[index] << BigInt((recipe[SIB] >>> 6) & 3)
        const displacement = signed64(wanted - scaled)
        const used = address32 || fitsIn(displacement, 32) ? BigInt.asIntN(32, displacement) : BigInt(noise | 0)
        bytes.push(reg << 3 | 4, (recipe[SIB] & 0xf8) | 5)
        put32(used)
        memory = effective(scaled + used)
      } else {
        const needsSib = kind >= 10 || rm === 4
        const baseRegister = rm | rexB
        let index = -1
        let scale = 0n
        if (needsSib) {
          const number = ((recipe[SIB] >>> 3) & 7) | ((rex & 2) << 2)
          if (isVsib) vsib = { index: number, mask: vvvv, bytes: /gatherq/.test(row.name) ? 8 : 4 }
          else if (number !== 4) { index = number; scale = BigInt((recipe[SIB] >>> 6) & 3) }
        }
        registers.used[baseRegister] = true
        if (index >= 0) registers.used[index] = true
        const scaled = index < 0 ? 0n : registers.gpr[index] << scale
        let size = (noise & 7) < 3 && (rm & 7) !== 5 ? 0 : (noise & 7) < 6 ? 1 : 4
        let displacement = size === 0 ? 0n : size === 1 ? BigInt((noise << 16) >> 24) : BigInt(noise >> 8)
        if (!registers.claimed[baseRegister] && index !== baseRegister) {
          registers.claimed[baseRegister] = true
          let value = BigInt.asUintN(64, wanted - scaled - displacement)
          if (address32) value = BigInt.asUintN(32, value) | integer(noise) << 32n
          registers.gpr[baseRegister] = BigInt.asUintN(64, value)
          if (index >= 0) registers.claimed[index] = true
        } else {
          const exact = signed64(wanted - scaled - registers.gpr[baseRegister])
          if (fitsIn(exact, 8) && size !== 4) { displacement = exact; size = exact === 0n && (rm & 7) !== 5 ? 0 : 1 } else if (address32 || fitsIn(exact, 32)) { displacement = BigInt.asIntN(32, exact); size = 4 }
        }
        const mod = size === 0 ? 0 : size === 1 ? 1 : 2
        bytes.push(mod << 6 | reg << 3 | (needsSib ? 4 : rm))
        if (needsSib) bytes.push(recipe[SIB] & 0xf8 | rm)
        if (size === 1) bytes.push(Number(BigInt.asUintN(8, displacement)))
        if (size === 4) put32(displacement)
        memory = effective(registers.gpr[baseRegister] + scaled + displacement)
      }
    }
  }

  const operandSize = rexW ? 8 : prefixes.includes(0x66) && row.prefix !== 0x66 && !row.options.has('ignore66') ? 2 : 4
  let branch: Encoded['branch']
  let immediates = 0
  for (const { letter, size } of row.operands) {
    if (letter === 'I') {
      const value = integer((recipe[IMMEDIATE] + immediates++ * 0x51) >>> 0)
      const count = size === 'b' ? 1 : size === 'w' ? 2 : size === 'd' ? 4 : size === 'z' ? Math.min(operandSize, 4) : operandSize
      for (let i = 0; i < count; i++) bytes.push(Number((value >> BigInt(i * 8)) & 0xffn))
    } else if (letter === 'L') {
      bytes.push(recipe[IMMEDIATE] & 0xff)
    } else if (letter === 'J') {
      branch = { at: bytes.length, size: size === 'b' ? 1 : 4 }
      for (let i = 0; i < branch.size; i++) bytes.push(0)
    } else if (letter === 'O') {
      const offset = BigInt.asUintN(64, target - segmentBase)
      for (let i = 0; i < (address32 ? 4 : 8); i++) bytes.push(Number((offset >> BigInt(i * 8)) & 0xffn))
      memory = BigInt.asUintN(64, (address32 ? BigInt.asUintN(32, offset) : offset) + segmentBase)
    }
  }
  if (relative !== undefined) {
    const displacement = BigInt.asUintN(32, target - segmentBase - rip - BigInt(bytes.length))
    for (let i = 0; i < 4; i++) bytes[relative + i] = Number((displacement >> BigInt(i * 8)) & 0xffn)
    const sum = rip + BigInt(bytes.length) + BigInt.asIntN(32, displacement)
    memory = BigInt.asUintN(64, (address32 ? BigInt.asUintN(32, sum) : sum) + segmentBase)
  }
  return { bytes, memory, branch, register, vsib }
}
