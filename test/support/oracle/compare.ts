/** Whether two results agree; if not, where they differ, in words. */
import type { Row } from '../../../src/emu/decode/rows.ts'
import { REGISTER_NAMES } from '../../../src/emu/cpu/layout.ts'
import { UNDEFINED_FLAGS } from './exclusions.ts'
import { FX_FCW, FX_FSW, FX_FTW, FX_MXCSR, FX_ST, FX_XMM, type Result, STATE_FS, STATE_FX, STATE_GS, STATE_RFLAGS, STATE_RIP } from './machine.ts'

/** RF is set in the image that a fault leaves; it is no business of programs. */
const RF = 0x10000
const VECTOR_AC = 17
/** AMD processors have an MXCSR bit of their own (MM: unaligned vector operands are allowed). */
const MXCSR_MM = 0x20000

const hex = (view: DataView, at: number, bytes: number): string => {
  let text = ''
  for (let i = bytes - 1; i >= 0; i--) text += view.getUint8(at + i).toString(16).padStart(2, '0')
  return text
}

const FLAG_NAMES: readonly (readonly [number, string])[] = [[1, 'CF'], [4, 'PF'], [0x10, 'AF'], [0x40, 'ZF'], [0x80, 'SF'], [0x100, 'TF'], [0x200, 'IF'],
  [0x400, 'DF'], [0x800, 'OF'], [0x4000, 'NT'], [0x40000, 'AC'], [0x200000, 'ID']]
export const flagsText = (flags: number): string => FLAG_NAMES.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name).join(' ')

export const ripOf = (result: Result): number => Number(new DataView(result.state.buffer, result.state.byteOffset).getBigUint64(STATE_RIP, true))

/** Why a pair of results says nothing, or undefined. */
export const notComparable = (oracle: Result, ours: Result): string | undefined => {
  if (oracle.ending === 'timeout' || ours.ending === 'timeout') return 'does not end soon'
  if (oracle.ending === 'fault' && oracle.vector === VECTOR_AC) return 'alignment checks (AC), which we leave out'
  if (oracle.ending === 'syscall' && ours.ending === 'fault' && ours.errorCode === 0x402) return 'INT 80, which is a system call for the oracle’s kernel'
  // A jump into the middle of an instruction may find an F1.
  if (oracle.vector === 1 && ours.vector === 1 && ripOf(ours) === ripOf(oracle) + 1) return 'ICEBP, see EXCLUDED_ROWS'
  const mxcsr = new DataView(oracle.state.buffer, oracle.state.byteOffset).getUint32(STATE_FX + FX_MXCSR, true)
  if ((mxcsr & MXCSR_MM) !== 0) return 'AMD’s misaligned exception mask'
  return undefined
}

/** What of a case matters here: the rows that its code was made from, and memory that is not compared. */
export interface Compared {
  readonly rows: readonly Row[]
  readonly masked: readonly (readonly [address: number, bytes: number])[]
}

/** Differences, empty if there are none. */
export const differences = ({ rows, masked }: Compared, oracle: Result, ours: Result): string[] => {
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
  const ignored = rows.reduce((mask, row) => mask | (UNDEFINED_FLAGS.get(row.name) ?? 0), RF)
  const flagsA = a.getUint32(STATE_RFLAGS, true) & ~ignored
  const flagsB = b.getUint32(STATE_RFLAGS, true) & ~ignored
  if (flagsA !== flagsB) found.push(`flags ${flagsText(flagsA)}, ours ${flagsText(flagsB)} (differ: ${flagsText(flagsA ^ flagsB)})`)
  check('x87 control', STATE_FX + FX_FCW, 2)
  check('x87 status', STATE_FX + FX_FSW, 2)
  check('x87 tags', STATE_FX + FX_FTW, 1)
  check('mxcsr', STATE_FX + FX_MXCSR, 4)
  for (let i = 0; i < 8; i++) check(`st${i}`, STATE_FX + FX_ST + i * 16, 10)
  for (let i = 0; i < 16; i++) check(`xmm${i}`, STATE_FX + FX_XMM + i * 16, 16)
  const changes = (result: Result): Map<number, string> => {
    const map = new Map<number, string>()
    for (let i = 0; i < result.changes.length; i += 3) {
      map.set(result.changes[i], `${result.changes[i + 2].toString(16).padStart(8, '0')}${result.changes[i + 1].toString(16).padStart(8, '0')}`)
    }
    return map
  }
  if (oracle.changes.length > 0 || ours.changes.length > 0) {
    const left = changes(oracle)
    const right = changes(ours)
    for (const address of new Set([...left.keys(), ...right.keys()])) {
      if (left.get(address) !== right.get(address) && !masked.some(([from, bytes]) => address < from + bytes && address + 8 > from)) found.push(`[${address.toString(16)}] = ${left.get(address) ?? 'unchanged'}, ours ${right.get(address) ?? 'unchanged'}`)
    }
  }
  return found
}
