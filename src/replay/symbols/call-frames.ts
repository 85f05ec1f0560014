/** How callers' registers are found: .eh_frame and .debug_frame (DWARF 5, section 6.4; Linux Standard Base, 'Exception Frames'). */
import { Bytes, MalformedFile } from './bytes.ts'
import type { ElfFile, Section } from './elf-file.ts'

/** DWARF's numbers of registers (System V ABI for AMD64, figure 3.36): rax rdx rcx rbx rsi rdi rbp rsp r8 … r15, and the return address. */
export const FRAME_RSP = 7, FRAME_RIP = 16, FRAME_RBP = 6
export const FRAME_REGISTERS = 17

/** Where a caller's register is. Addresses are relative to the canonical frame address (CFA). */
export type Rule =
  | { readonly kind: 'same' } | { readonly kind: 'undefined' }
  | { readonly kind: 'offset', readonly offset: number } | { readonly kind: 'value-offset', readonly offset: number }
  | { readonly kind: 'register', readonly register: number }
  | { readonly kind: 'expression' | 'value-expression', readonly code: Uint8Array }

export type CfaRule = { readonly kind: 'register', readonly register: number, readonly offset: number } | { readonly kind: 'expression', readonly code: Uint8Array }

export interface FrameRow {
  readonly cfa: CfaRule
  readonly rules: ReadonlyMap<number, Rule>
  readonly returnRegister: number
  readonly isSignalFrame: boolean
}

interface Cie {
  readonly codeAlign: number
  readonly dataAlign: number
  readonly returnRegister: number
  readonly encoding: number
  readonly hasAugmentation: boolean
  readonly isSignalFrame: boolean
  readonly start: number
  readonly end: number
}

interface Fde { readonly low: number, readonly high: number, readonly cie: Cie, readonly bytes: Uint8Array, readonly start: number, readonly end: number }

const DW_EH_PE_omit = 0xff, DW_EH_PE_pcrel = 0x10, DW_EH_PE_indirect = 0x80

const encoded = (at: Bytes, encoding: number, sectionAddress: number): number => {
  const from = sectionAddress + at.at
  const value = ((): number => {
    switch (encoding & 15) {
      case 0: case 4: return at.u64()
      case 1: return at.uleb()
      case 2: return at.u16()
      case 3: return at.u32()
      case 9: return at.sleb()
      case 10: return at.i16()
      case 11: return at.i32()
      case 12: return at.i64()
      default: throw new MalformedFile('a pointer in an unknown form')
    }
  })()
  if ((encoding & DW_EH_PE_indirect) !== 0) return 0
  return (encoding & 0x70) === DW_EH_PE_pcrel ? from + value : value
}

class State {
  cfa: CfaRule = { kind: 'register', register: FRAME_RSP, offset: 8 }
  rules = new Map<number, Rule>()
}

export class CallFrames {
  readonly #fdes: Fde[] = []

  constructor(elf: ElfFile) {
    for (const name of ['.eh_frame', '.debug_frame']) {
      const section = elf.section(name)
      const bytes = section === undefined ? undefined : elf.content(section)
      if (section !== undefined && bytes !== undefined) this.#read(bytes, section, name === '.eh_frame')
    }
    this.#fdes.sort((a, b) => a.low - b.low)
  }

  #read(bytes: Uint8Array, { address }: Section, isEh: boolean): void {
    const cies = new Map<number, Cie>()
    const at = new Bytes(bytes)
    try {
      while (at.at + 4 <= bytes.length) {
        const entry = at.at
        const length = at.u32()
        if (length === 0) {
          if (isEh) continue
          return
        }
        if (length >= 0xffff_fff0) return
        const end = at.at + length
        const here = at.at
        const id = at.u32()
        if (isEh ? id === 0 : id === 0xffff_ffff) {
          cies.set(entry, this.#cie(new Bytes(bytes, at.at, end), address, isEh))
        } else {
          const cie = cies.get(isEh ? here - id : id)
          if (cie !== undefined) this.#fde(new Bytes(bytes, at.at, end), cie, address)
        }
        at.at = end
      }
    } catch (error) {
      // What was read before is good.
      if (!(error instanceof MalformedFile)) throw error
    }
  }

  #cie(at: Bytes, sectionAddress: number, isEh: boolean): Cie {
    const version = at.u8()
    const augmentation = at.text()
    if (!isEh && version >= 4) at.skip(2)
    const codeAlign = at.uleb()
    const dataAlign = at.sleb()
    const returnRegister = version === 1 ? at.u8() : at.uleb()
    let [encoding, isSignalFrame] = [0, false]
    const hasAugmentation = augmentation.startsWith('z')
    if (hasAugmentation) {
      const next = at.uleb() + at.at
      for (const letter of augmentation.slice(1)) {
        if (letter === 'R') encoding = at.u8()
        else if (letter === 'L') at.skip(1)
        else if (letter === 'S') isSignalFrame = true
        else if (letter === 'P') encoded(at, at.u8(), sectionAddress)
        else break
      }
      at.at = next
    }
    return { codeAlign, dataAlign, returnRegister, encoding, hasAugmentation, isSignalFrame, start: at.at, end: at.end }
  }

  #fde(at: Bytes, cie: Cie, sectionAddress: number): void {
    if (cie.encoding === DW_EH_PE_omit) return
    const low = encoded(at, cie.encoding, sectionAddress)
    const size = encoded(at, cie.encoding & 15, 0)
    if (cie.hasAugmentation) {
      const length = at.uleb()
      at.skip(length)
    }
    if (low !== 0 && size > 0) this.#fdes.push({ low, high: low + size, cie, bytes: at.bytes, start: at.at, end: at.end })
  }

  /** How to go from an instruction to its caller; undefined: nothing is known. */
  rowAt(address: number): FrameRow | undefined {
    let [low, high] = [0, this.#fdes.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#fdes[middle].low <= address) low = middle + 1
      else high = middle
    }
    const fde = this.#fdes[low - 1] as Fde | undefined
    if (fde === undefined || address >= fde.high) return undefined
    const { cie, bytes } = fde
    try {
      const state = new State()
      run(new Bytes(bytes, cie.start, cie.end), cie, state, undefined, Infinity, 0)
      const initial = new Map(state.rules)
      run(new Bytes(bytes, fde.start, fde.end), cie, state, initial, address, fde.low)
      return { cfa: state.cfa, rules: state.rules, returnRegister: cie.returnRegister, isSignalFrame: cie.isSignalFrame }
    } catch (error) {
      if (error instanceof MalformedFile) return undefined
      throw error
    }
  }
}

const block = (at: Bytes): Uint8Array => {
  const length = at.uleb()
  const start = at.at
  at.skip(length)
  return at.bytes.subarray(start, start + length)
}

/** Carries out instructions (DWARF 5, section 6.4.2) up to the row that holds `until`. */
const run = (at: Bytes, cie: Cie, state: State, initial: ReadonlyMap<number, Rule> | undefined, until: number, from: number): void => {
  let address = from
  const kept: { cfa: CfaRule, rules: Map<number, Rule> }[] = []
  const offsetCfa = (change: (cfa: { register: number, offset: number }) => { register: number, offset: number }): void => {
    const old = state.cfa.kind === 'register' ? state.cfa : { register: FRAME_RSP, offset: 8 }
    state.cfa = { kind: 'register', ...change(old) }
  }
  const restore = (register: number): void => {
    const rule = initial?.get(register)
    if (rule === undefined) state.rules.delete(register)
    else state.rules.set(register, rule)
  }
  while (!at.isAtEnd && address <= until) {
    const opcode = at.u8()
    const low = opcode & 0x3f
    const advance = (delta: number): boolean => {
      address += delta * cie.codeAlign
      return address > until
    }
    switch (opcode >> 6) {
      case 1: if (advance(low)) return; continue
      case 2: state.rules.set(low, { kind: 'offset', offset: at.uleb() * cie.dataAlign }); continue
      case 3: restore(low); continue
    }
    switch (opcode) {
      case 0x00: break
      case 0x01: address = at.u64(); if (address > until) return; break
      case 0x02: if (advance(at.u8())) return; break
      case 0x03: if (advance(at.u16())) return; break
      case 0x04: if (advance(at.u32())) return; break
      case 0x05: state.rules.set(at.uleb(), { kind: 'offset', offset: at.uleb() * cie.dataAlign }); break
      case 0x06: restore(at.uleb()); break
      case 0x07: state.rules.set(at.uleb(), { kind: 'undefined' }); break
      case 0x08: state.rules.set(at.uleb(), { kind: 'same' }); break
      case 0x09: state.rules.set(at.uleb(), { kind: 'register', register: at.uleb() }); break
      case 0x0a: kept.push({ cfa: state.cfa, rules: new Map(state.rules) }); break
      case 0x0b: {
        const old = kept.pop()
        if (old === undefined) throw new MalformedFile('nothing to restore')
        state.cfa = old.cfa
        state.rules = old.rules
        break
      }
      case 0x0c: { const register = at.uleb(), offset = at.uleb(); offsetCfa(() => ({ register, offset })); break }
      case 0x0d: { const register = at.uleb(); offsetCfa(({ offset }) => ({ register, offset })); break }
      case 0x0e: { const offset = at.uleb(); offsetCfa(({ register }) => ({ register, offset })); break }
      case 0x0f: state.cfa = { kind: 'expression', code: block(at) }; break
      case 0x10: state.rules.set(at.uleb(), { kind: 'expression', code: block(at) }); break
      case 0x11: state.rules.set(at.uleb(), { kind: 'offset', offset: at.sleb() * cie.dataAlign }); break
      case 0x12: { const register = at.uleb(), offset = at.sleb() * cie.dataAlign; offsetCfa(() => ({ register, offset })); break }
      case 0x13: { const offset = at.sleb() * cie.dataAlign; offsetCfa(({ register }) => ({ register, offset })); break }
      case 0x14: state.rules.set(at.uleb(), { kind: 'value-offset', offset: at.uleb() * cie.dataAlign }); break
      case 0x15: state.rules.set(at.uleb(), { kind: 'value-offset', offset: at.sleb() * cie.dataAlign }); break
      case 0x16: state.rules.set(at.uleb(), { kind: 'value-expression', code: block(at) }); break
      // GNU: size of arguments on the stack.
      case 0x2e: at.uleb(); break
      default: throw new MalformedFile(`a call frame instruction ${opcode}`)
    }
  }
}
