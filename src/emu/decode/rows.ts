/**
 * How an encoding is written down: one row an encoding, as text, close to the opcode maps of Intel SDM volume 2.
 *
 *   row('80 /0', 'add', 'Eb Ib', 'lock')
 *
 * Encoding: opcode bytes in hex, preceded by a mandatory prefix if any, followed by constraints:
 *   np          no 66, F3 or F2 prefix                 66 | f3 | f2   that mandatory prefix (as the first word, before 0f)
 *   0f, 0f 38, 0f 3a    opcode maps                    +r             three low bits of the opcode are a register
 *   /0 … /7     ModRM.reg is that digit                /r             has a ModRM byte (implied by operands; may be left out)
 *   mem | reg   ModRM.mod is not 3 | is 3              w0 | w1        REX.W
 *   =c8         the ModRM byte is just that            =c0+i          ModRM byte c0 … c7 (x87 stack operand)
 *   rep | repne F3 | F2 as a repeat prefix; norep: neither
 *   a32         with the address-size prefix 67             nob         without REX.B
 *
 * Operands, as a letter and a size:
 *   E ModRM.rm, register or memory     G ModRM.reg register      Z register in the opcode     M ModRM.rm, memory only
 *   R ModRM.rm, register only          A accumulator (rax)       C rcx (shift count, Cb)      D rdx (port, Dw)
 *   I immediate                        J branch displacement     O absolute address (moffs)
 *   V vector register in ModRM.reg     W vector register or memory in ModRM.rm    U vector register in ModRM.rm
 *   P, Q, N: the same for MMX registers
 *   S size only (string and similar instructions: their operands are implicit)
 *   1 the constant one                 F x87 register ST(i) of `=c0+i`
 *   Y segment register in ModRM.reg    X the implicit operand XMM0
 * Sizes: b 1, w 2, d 4, q 8, x 16 (vector), t 10 (x87), n none/opaque memory (address only),
 *   v 2/4/8 by operand size, y 4/8 by REX.W, z as v but an immediate of at most 4 bytes, sign-extended,
 *   s 2/8: 64-bit by default, 66 makes it 16 unless REX.W is there too (push, pop)
 *   Ib is sign-extended to the size of the first operand; Iv is a full immediate of up to 8 bytes.
 *
 * VEX rows have the manual's word for the prefix, as in
 *
 *   row('vex.66.0f38.w0 36', 'vpermd', 'Vx Hx Wx')
 *
 * vex[.128|.256|.lig] [.np|.66|.f3|.f2] .0f|.0f38|.0f3a [.w0|.w1]: without 128 or 256 (VEX.L) both are rows, and x, h, r, e follow it;
 * lig: L is ignored. Their letters and sizes beside those above:
 *   H vector register in VEX.vvvv      B general register in VEX.vvvv      L vector register in bits 4–7 of an immediate byte
 *   T memory operand with a vector of indices (VSIB), `Instruction.immLow`: the register's storage, and the scale's shift count << 16
 *   x 16 or 32 by VEX.L, h half of that, r a quarter, e an eighth, o always 16
 * Without H or B VEX.vvvv must be 1111. Ib is never sign-extended.
 *
 * Options: 'lock' LOCK is allowed with a memory destination; 'end' ends a basic block; 'ignore66' operand size ignores 66.
 */
import { type Feature, featureBit } from '../cpu/features.ts'

export type RowOption = 'lock' | 'end' | 'ignore66' | 'unsigned-immediate'

export interface OperandSpec {
  readonly letter: string
  readonly size: string
}

export interface Row {
  readonly text: string
  readonly isVex: boolean
  /** VEX.L, undefined: both. */
  readonly vexL: 0 | 1 | undefined
  /** Name of the semantics: key of the registry in `src/emu/semantics/registry.ts`. */
  readonly name: string
  readonly operands: readonly OperandSpec[]
  readonly options: ReadonlySet<RowOption>
  /** Opcode map: 0 one byte, 1 0F, 2 0F 38, 3 0F 3A. */
  readonly map: 0 | 1 | 2 | 3
  readonly opcode: number
  readonly registerInOpcode: boolean
  /** Mandatory prefix: undefined don't care, 0 none. */
  readonly prefix: undefined | 0 | 0x66 | 0xf3 | 0xf2
  readonly digit: number | undefined
  readonly mod: 'mem' | 'reg' | undefined
  readonly rexW: boolean | undefined
  /** ModRM byte, and how many that follow it also match. */
  readonly modrm: number | undefined
  readonly modrmCount: number
  readonly hasModrm: boolean
  /** Only with the address-size prefix. */
  readonly address32: boolean
  /** Only without REX.B. */
  readonly noRexB: boolean
  /** Bits of what a processor needs for it (cpu/features.ts), 0 if all have it: on others the row does not exist. */
  readonly features: number
}

const OPERAND = /^([EGZMRACDIJOVWUPQNSFYXHBLT])([bwdqxtnvyzshreo]?)$|^(1)$/
const VEX = /^vex(?:\.(128|256|lig))?(?:\.(np|66|f3|f2))?\.0f(38|3a)?(?:\.w([01]))?$/
const PREFIXES = { np: 0, 66: 0x66, f3: 0xf3, f2: 0xf2 } as const
const MAPS = { 38: 2, '3a': 3 } as const

/** Operands as rows have them, by text: there are few, and all rows are made when a program starts. */
const operandLists = new Map<string, readonly OperandSpec[]>()

const operandsOf = (operands: string, where: string): readonly OperandSpec[] => {
  let specs = operandLists.get(operands)
  if (specs === undefined) {
    specs = operands.split(/[\s,]+/).filter((word) => word !== '').map((word): OperandSpec => {
      const match = OPERAND.exec(word)
      if (match === null) throw new Error(`row '${where}': operand '${word}' is not known`)
      return { letter: match[3] ?? match[1], size: match[2] ?? '' }
    })
    operandLists.set(operands, specs)
  }
  return specs
}

const NO_OPTIONS: ReadonlySet<RowOption> = new Set()
const VEX_OPTIONS: ReadonlySet<RowOption> = new Set(['unsigned-immediate'])
const MODRM_LETTERS = 'EGMRVWUPQNYT'

export const row = (text: string, name: string, operands = '', ...options: readonly RowOption[]): Row => {
  const specs = operandsOf(operands, `${text} ${name}`)
  let map: Row['map'] = 0
  let opcode: number | undefined
  let prefix: Row['prefix']
  let digit: number | undefined
  let mod: Row['mod']
  let rexW: boolean | undefined
  let modrm: number | undefined
  let modrmCount = 1
  let registerInOpcode = false
  let address32 = false
  let noRexB = false
  let needsModrm = false
  for (const { letter } of specs) if (MODRM_LETTERS.includes(letter)) needsModrm = true
  let vexL: Row['vexL']
  const words = text.split(' ')
  const vexAt = text.includes('vex') ? words.findIndex((word) => word.startsWith('vex')) : -1
  const isVex = vexAt >= 0
  if (isVex) {
    const [vex] = words.splice(vexAt, 1)
    const match = VEX.exec(vex)
    if (match === null) throw new Error(`row '${text} ${name}': '${vex}' is not understood`)
    const [, length, mandatory, escape, w] = match as unknown as [string, string | undefined, keyof typeof PREFIXES | undefined, keyof typeof MAPS | undefined, string | undefined]
    vexL = length === '128' ? 0 : length === '256' ? 1 : undefined
    prefix = PREFIXES[mandatory ?? 'np']
    map = escape === undefined ? 1 : MAPS[escape]
    if (w !== undefined) rexW = w === '1'
  }
  for (let at = 0; at < words.length; at++) {
    const word = words[at]
    switch (word) {
      case 'np': case 'norep': prefix = 0; continue
      case 'rep': prefix = 0xf3; continue
      case 'repne': prefix = 0xf2; continue
      case 'a32': address32 = true; continue
      case 'nob': noRexB = true; continue
      case 'mem': case 'reg': mod = word; needsModrm = true; continue
      case 'w0': case 'w1': rexW = word === 'w1'; continue
      case '/r': needsModrm = true; continue
      case '66': case 'f3': case 'f2':
        if (words[at + 1] === '0f') {
          prefix = parseInt(word, 16) as 0x66
          continue
        }
        break
      case '0f':
        if (opcode === undefined && words.length > at + 1) {
          map = 1
          continue
        }
        break
      case '38': case '3a':
        if (map === 1 && opcode === undefined) {
          map = MAPS[word]
          continue
        }
        break
      default:
    }
    if (word.startsWith('/') && /^\/[0-7]$/.test(word)) {
      digit = Number(word[1])
      needsModrm = true
    } else if (word.startsWith('=') && /^=[0-9a-f]{2}(\+i)?$/.test(word)) {
      modrm = parseInt(word.slice(1, 3), 16)
      if (word.endsWith('+i')) modrmCount = 8
      needsModrm = true
    } else if (opcode === undefined && /^[0-9a-f]{2}(\+r)?$/.test(word)) {
      opcode = parseInt(word.slice(0, 2), 16)
      registerInOpcode = word.endsWith('+r')
    } else {
      throw new Error(`row '${text} ${name}': '${word}' is not understood`)
    }
  }
  if (opcode === undefined) throw new Error(`row '${text} ${name}' has no opcode`)
  return {
    text, isVex, vexL, name, operands: specs, options: options.length > 0 ? new Set(isVex ? [...options, 'unsigned-immediate' as const] : options) : isVex ? VEX_OPTIONS : NO_OPTIONS,
    map, opcode, registerInOpcode, prefix, digit, mod, rexW, modrm, modrmCount, hasModrm: needsModrm, address32, noRexB, features: 0,
  }
}

/** Several rows that differ in one thing: `rows(8, (i) => row(…))`. */
export const rows = (count: number, make: (index: number) => Row): Row[] => Array.from({ length: count }, (_, i) => make(i))

/** Rows of an extension. */
export const feature = (name: Feature, list: readonly Row[]): Row[] => list.map((one) => ({ ...one, features: one.features | featureBit(name) }))
