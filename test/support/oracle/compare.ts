/** Whether two results agree; if not, where they differ, in words. */
import type { Row } from '../../../src/emu/decode/rows.ts'
import { REGISTER_NAMES } from '../../../src/emu/cpu/layout.ts'
import { INEXACT_ROWS, POINTER_ROWS } from './exclusions.ts'
import { FX_FCW, FX_FIP, FX_FSW, FX_FTW, FX_MXCSR, FX_MXCSR_MASK, FX_ST, FX_USED, FX_XMM, PAGE, type Result, STATE_FS, STATE_FX, STATE_GS, STATE_RFLAGS, STATE_RIP, STATE_SIZE,
  STATE_UPPER, TOP } from './machine.ts'

/** RF is set in the image that a fault leaves; it is no business of programs. */
const RF = 0x10000
/** Linux maps what it chooses the place of from here on, below the top. */
const OWN_MEMORY = 0x7000_0000_0000n
const VECTOR_UD = 6, VECTOR_GP = 13, VECTOR_AC = 17
/** C1 of x87's status word: whether it was rounded up. */
const C1 = 0x200
/** AMD processors have an MXCSR bit of their own (MM: unaligned vector operands are allowed). */
const MXCSR_MM = 0x20000
/** RDRAND and RDSEED: 0F C7 /6 and /7 with a register, as hexadecimal digits. */
const RANDOM = /^(?:..)*0fc7f/

const hex = (view: DataView, at: number, bytes: number): string => {
  let text = ''
  for (let i = bytes - 1; i >= 0; i--) text += view.getUint8(at + i).toString(16).padStart(2, '0')
  return text
}

const FLAG_NAMES: readonly (readonly [number, string])[] = [[1, 'CF'], [4, 'PF'], [0x10, 'AF'], [0x40, 'ZF'], [0x80, 'SF'], [0x100, 'TF'], [0x200, 'IF'],
  [0x400, 'DF'], [0x800, 'OF'], [0x4000, 'NT'], [0x40000, 'AC'], [0x200000, 'ID']]
export const flagsText = (flags: number): string => FLAG_NAMES.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name).join(' ')

/** What of a case matters here. */
export interface Compared {
  readonly start: number
  readonly code: Uint8Array
  /** Addresses of the instructions, and the rows they were made from. */
  readonly addresses: readonly number[]
  readonly rows: readonly Row[]
}

export const ripOf = (result: Result): number => Number(new DataView(result.state.buffer, result.state.byteOffset).getBigUint64(STATE_RIP, true))

/** The mask of MXCSR in FXSAVE images, where AMD processors have a bit more than ours. */
const isMxcsrMask = (oracle: string | undefined, ours: string | undefined): boolean =>
  oracle?.slice(0, 8) === '0002ffff' && ours?.slice(0, 8) === '0000ffff' && oracle.slice(8) === ours.slice(8)

/** The same, in some vector register. */
const hasHostMask = (state: Uint8Array): boolean => Buffer.from(state.subarray(STATE_FX + FX_XMM)).includes(Buffer.from([0xff, 0xff, 2, 0]))

/** Why a pair of results says nothing, or undefined. */
export const notComparable = (test: Compared, oracle: Result, ours: Result): string | undefined => {
  if (oracle.ending === 'timeout' || ours.ending === 'timeout') return 'does not end soon'
  if (oracle.ending === 'fault' && oracle.vector === VECTOR_AC) return 'alignment checks (AC), which we leave out'
  if (oracle.ending === 'syscall' && ours.ending === 'fault' && ours.errorCode === 0x402) return 'INT 80, which is a system call for the oracle’s kernel'
  // A jump into the middle of an instruction may find an F1.
  if (oracle.vector === 1 && ours.vector === 1 && ripOf(ours) === ripOf(oracle) + 1) return 'ICEBP, see EXCLUDED_ROWS'
  if (!test.rows.some(({ text }) => text.includes('0f c7')) && RANDOM.test(Buffer.from(test.code).toString('hex'))) return 'RDRAND or RDSEED, which a jump into the middle of other instructions may find'
  if (test.rows.some(({ name }) => /^rep\w*_(movs|stos)/.test(name)) && [oracle, ours].some(({ changes }) => changes.some((address, i) =>
    i % 3 === 0 && address < test.start + test.code.length && address + 8 > test.start))) return 'code that a repeated instruction writes to: we fetch it again'
  if ((oracle.vector === VECTOR_GP || oracle.vector === 12) && ours.vector === 14 && ours.address >> 47n === 0x1ffffn) return 'an offset that is not canonical, but is with the base of its segment'
  if (ours.vector === VECTOR_GP && ours.errorCode === 0x20 && test.rows.some(({ name }) => /_far$/.test(name))) return '32-bit code'
  // Where its stack and the like are is up to the host.
  if (ours.vector === 14 && ours.address >= OWN_MEMORY && ours.address < BigInt(TOP) && (oracle.vector !== 14 || oracle.address !== ours.address)) return 'memory of the oracle’s own process'
  const nextPage = BigInt(Math.ceil(ripOf(ours) / PAGE) * PAGE)
  if (ours.vector === VECTOR_UD && oracle.vector === 14 && (oracle.errorCode & 0x10) !== 0 && oracle.address === nextPage) return 'an undefined instruction whose rest can’t be fetched: we don’t try'
  if (ours.vector === VECTOR_UD && ripOf(oracle) === ripOf(ours) && oracle.vector === VECTOR_GP && test.rows.some(({ name, isVex }) => isVex || name === 'ud')) return 'an undefined instruction that would be longer than 15 bytes'
  if (ours.vector === VECTOR_UD && (oracle.vector !== VECTOR_UD || ripOf(oracle) !== ripOf(ours)) && !test.addresses.includes(ripOf(ours))) return 'instructions of the host that ours lacks, met by a jump into the middle of others'
  if (test.rows.some(({ name }) => name.startsWith('maskmovdqu')) && oracle.vector === 14 && oracle.address > 0x7fff_ffff_fff0n && oracle.address < 0x8000_0000_0000n) return 'MASKMOVDQU at the end of user space: the fault depends on the mask'
  if (test.rows.some(({ name }) => /^f?xsave/.test(name)) && hasHostMask(oracle.state) && !hasHostMask(ours.state)) return 'AMD’s mask of MXCSR, loaded from an image'
  const mxcsr = new DataView(oracle.state.buffer, oracle.state.byteOffset).getUint32(STATE_FX + FX_MXCSR, true)
  if ((mxcsr & MXCSR_MM) !== 0) return 'AMD’s misaligned exception mask'
  return undefined
}

/** Bits of each word of a state that are compared: not RF, x87's pointers, the mask of MXCSR, what is behind 80-bit floats. */
const COMPARED = (() => {
  const words = new Uint32Array(STATE_SIZE / 4).fill(0xffff_ffff)
  words[STATE_RFLAGS >> 2] = ~RF
  words[(STATE_RFLAGS >> 2) + 1] = 0
  const fx = STATE_FX >> 2
  words[fx + 1] = 0xff
  for (let at = FX_FIP; at < FX_MXCSR; at += 4) words[fx + (at >> 2)] = 0
  words[fx + (FX_MXCSR_MASK >> 2)] = 0
  for (let i = 0; i < 8; i++) {
    words[fx + ((FX_ST + i * 16) >> 2) + 2] = 0xffff
    words[fx + ((FX_ST + i * 16) >> 2) + 3] = 0
  }
  words.fill(0, fx + (FX_USED >> 2), STATE_UPPER >> 2)
  return words
})()

/** Whether they agree in all that is compared of any case, which `differences` then need not look for. */
export const agree = (oracle: Result, ours: Result): boolean => {
  if (oracle.ending !== ours.ending || oracle.vector !== ours.vector || oracle.errorCode !== ours.errorCode || oracle.address !== ours.address) return false
  if (oracle.ending === 'timeout' || oracle.changes.length !== ours.changes.length) return false
  const a = new Uint32Array(oracle.state.buffer, oracle.state.byteOffset, STATE_SIZE / 4)
  const b = new Uint32Array(ours.state.buffer, ours.state.byteOffset, STATE_SIZE / 4)
  for (let i = 0; i < COMPARED.length; i++) if (((a[i] ^ b[i]) & COMPARED[i]) !== 0) return false
  for (let i = 0; i < oracle.changes.length; i++) if (oracle.changes[i] !== ours.changes[i]) return false
  return true
}

/** Whether two 80-bit floats are at most one unit in the last place apart. */
const areNeighbours = (a: DataView, b: DataView, at: number): boolean => {
  const value = (view: DataView): bigint => BigInt(view.getUint16(at + 8, true)) << 63n | BigInt.asUintN(63, view.getBigUint64(at, true))
  const difference = value(a) - value(b)
  return difference >= -1n && difference <= 1n
}

/** Differences, empty if there are none. */
export const differences = ({ rows }: Compared, oracle: Result, ours: Result): string[] => {
  const found: string[] = []
  const ending = (result: Result): string => result.ending === 'fault'
    ? `#${result.vector}(${result.errorCode.toString(16)})${result.vector === 14 ? ` at ${result.address.toString(16)}` : ''}` : result.ending
  if (ending(oracle) !== ending(ours)) found.push(`ends with ${ending(oracle)}, ours ${ending(ours)}`)
  const a = new DataView(oracle.state.buffer, oracle.state.byteOffset)
  const b = new DataView(ours.state.buffer, ours.state.byteOffset)
  const check = (name: string, at: number, bytes: number): void => {
    for (let i = 0; i < bytes; i++) {
      if (a.getUint8(at + i) !== b.getUint8(at + i)) {
        found.push(`${name} = ${hex(a, at, bytes)}, ours ${hex(b, at, bytes)}`)
        return
      }
    }
  }
  REGISTER_NAMES.forEach((name, i) => { check(name, i * 8, 8) })
  check('rip', STATE_RIP, 8)
  check('fs base', STATE_FS, 8)
  check('gs base', STATE_GS, 8)
  const flagsA = a.getUint32(STATE_RFLAGS, true) & ~RF
  const flagsB = b.getUint32(STATE_RFLAGS, true) & ~RF
  if (flagsA !== flagsB) found.push(`flags ${flagsText(flagsA)}, ours ${flagsText(flagsB)} (differ: ${flagsText(flagsA ^ flagsB)})`)
  check('x87 control', STATE_FX + FX_FCW, 2)
  const isInexact = rows.some(({ name }) => INEXACT_ROWS.has(name))
  if (!isInexact || ((a.getUint16(STATE_FX + FX_FSW, true) ^ b.getUint16(STATE_FX + FX_FSW, true)) & ~C1) !== 0) check('x87 status', STATE_FX + FX_FSW, 2)
  check('x87 tags', STATE_FX + FX_FTW, 1)
  check('mxcsr', STATE_FX + FX_MXCSR, 4)
  for (let i = 0; i < 8; i++) {
    const at = STATE_FX + FX_ST + i * 16
    if (!isInexact || !areNeighbours(a, b, at)) check(`st${i}`, at, 10)
  }
  for (let i = 0; i < 16; i++) check(`xmm${i}`, STATE_FX + FX_XMM + i * 16, 16)
  for (let i = 0; i < 16; i++) check(`upper half of ymm${i}`, STATE_UPPER + i * 16, 16)
  const changes = (result: Result): Map<number, string> => {
    const map = new Map<number, string>()
    for (let i = 0; i < result.changes.length; i += 3) {
      map.set(result.changes[i], `${result.changes[i + 2].toString(16).padStart(8, '0')}${result.changes[i + 1].toString(16).padStart(8, '0')}`)
    }
    return map
  }
  // x87's pointers to the last instruction and operand: not all that a sequence can do with them is as the oracle has it.
  const hasPointers = rows.length > 1 && rows.some(({ name }) => POINTER_ROWS.has(name))
  if (hasPointers) return found
  if (oracle.changes.length > 0 || ours.changes.length > 0) {
    const left = changes(oracle)
    const right = changes(ours)
    for (const address of new Set([...left.keys(), ...right.keys()])) {
      if (left.get(address) !== right.get(address) && !isMxcsrMask(left.get(address), right.get(address))) found.push(`[${address.toString(16)}] = ${left.get(address) ?? 'unchanged'}, ours ${right.get(address) ?? 'unchanged'}`)
    }
  }
  return found
}
