/** Which functions were inlined where: .debug_info of DWARF 4 and 5 (DWARF 5, sections 3.3.8, 7.5). A unit is read when an address of it is asked for. */
import { Bytes, MalformedFile, stringAt } from './bytes.ts'
import type { ElfFile } from './elf-file.ts'
import type { LineTable } from './line-table.ts'

/** A function that the code at an address was inlined from, innermost first, and where it was called. */
export interface InlinedCall {
  readonly function: string
  readonly callFile: string | undefined
  readonly callLine: number
}

const DW_TAG_compile_unit = 0x11, DW_TAG_partial_unit = 0x3c, DW_TAG_subprogram = 0x2e, DW_TAG_inlined_subroutine = 0x1d
const DW_AT_name = 0x03, DW_AT_stmt_list = 0x10, DW_AT_low_pc = 0x11, DW_AT_high_pc = 0x12, DW_AT_abstract_origin = 0x31, DW_AT_specification = 0x47, DW_AT_ranges = 0x55,
  DW_AT_call_file = 0x58, DW_AT_call_line = 0x59, DW_AT_linkage_name = 0x6e, DW_AT_str_offsets_base = 0x72, DW_AT_addr_base = 0x73, DW_AT_rnglists_base = 0x74
const DW_UT_compile = 1, DW_UT_partial = 3
/** Chains of origins in files that are whole are short. */
const MOST_ORIGINS = 8

interface Attribute { readonly name: number, readonly form: number, readonly constant: number }
interface Abbreviation { readonly tag: number, readonly hasChildren: boolean, readonly attributes: readonly Attribute[] }

/** What is read of an attribute: a number, or a string. What is an index must be looked up with the unit's bases. */
interface Value { readonly form: number, readonly number: number, readonly text: string | undefined }

interface Unit {
  readonly start: number
  readonly end: number
  readonly version: number
  readonly addressSize: number
  readonly abbreviations: ReadonlyMap<number, Abbreviation>
  readonly dies: number
  lineOffset: number
  stringBase: number
  addressBase: number
  listBase: number
  low: number
  ranges: readonly (readonly [number, number])[]
  inlines: readonly Inline[] | undefined
}

interface Inline {
  readonly ranges: readonly (readonly [number, number])[]
  readonly depth: number
  readonly origin: number
  readonly callFile: number
  readonly callLine: number
}

type Die = ReadonlyMap<number, Value>

const isAddressForm = (form: number): boolean => form === 0x01 || form === 0x1b || (form >= 0x29 && form <= 0x2c)

export class InlineTable {
  readonly #info: Uint8Array | undefined
  readonly #strings: Uint8Array | undefined
  readonly #lineStrings: Uint8Array | undefined
  readonly #offsets: Uint8Array | undefined
  readonly #addresses: Uint8Array | undefined
  readonly #ranges: Uint8Array | undefined
  readonly #lists: Uint8Array | undefined
  readonly #lines: LineTable
  readonly #units: Unit[] = []

  constructor(elf: ElfFile, lines: LineTable) {
    this.#info = elf.bytesOf('.debug_info')
    this.#strings = elf.bytesOf('.debug_str')
    this.#lineStrings = elf.bytesOf('.debug_line_str')
    this.#offsets = elf.bytesOf('.debug_str_offsets')
    this.#addresses = elf.bytesOf('.debug_addr')
    this.#ranges = elf.bytesOf('.debug_ranges')
    this.#lists = elf.bytesOf('.debug_rnglists')
    this.#lines = lines
    const abbreviations = elf.bytesOf('.debug_abbrev')
    if (this.#info !== undefined && abbreviations !== undefined) this.#readUnits(this.#info, abbreviations)
  }

  #readUnits(info: Uint8Array, abbreviations: Uint8Array): void {
    const tables = new Map<number, ReadonlyMap<number, Abbreviation>>()
    for (let start = 0; start + 12 <= info.length;) {
      const at = new Bytes(info, start)
      const length = at.u32()
      const end = at.at + length
      if (length >= 0xffff_fff0 || end > info.length) return
      try {
        const unit = this.#unit(new Bytes(info, at.at, end), start, abbreviations, tables)
        if (unit !== undefined) this.#units.push(unit)
      } catch (error) {
        if (!(error instanceof MalformedFile)) throw error
      }
      start = end
    }
  }

  #unit(at: Bytes, start: number, sections: Uint8Array, tables: Map<number, ReadonlyMap<number, Abbreviation>>): Unit | undefined {
    const version = at.u16()
    if (version !== 4 && version !== 5) return undefined
    let addressSize = 8
    let tableAt: number
    if (version === 5) {
      const type = at.u8()
      addressSize = at.u8()
      tableAt = at.u32()
      if (type !== DW_UT_compile && type !== DW_UT_partial) return undefined
    } else {
      tableAt = at.u32()
      addressSize = at.u8()
    }
    let abbreviations = tables.get(tableAt)
    if (abbreviations === undefined) tables.set(tableAt, abbreviations = readAbbreviations(new Bytes(sections, tableAt)))
    const unit: Unit = { start, end: at.end, version, addressSize, abbreviations, dies: at.at, lineOffset: -1, stringBase: 8, addressBase: 8, listBase: 12, low: 0, ranges: [], inlines: undefined }
    const root = this.#die(at, unit)
    if (root === undefined || (root.tag !== DW_TAG_compile_unit && root.tag !== DW_TAG_partial_unit)) return undefined
    const number = (name: number, otherwise: number): number => root.values.get(name)?.number ?? otherwise
    unit.lineOffset = number(DW_AT_stmt_list, -1)
    unit.stringBase = number(DW_AT_str_offsets_base, unit.stringBase)
    unit.addressBase = number(DW_AT_addr_base, unit.addressBase)
    unit.listBase = number(DW_AT_rnglists_base, unit.listBase)
    unit.low = this.#address(unit, root.values.get(DW_AT_low_pc)) ?? 0
    unit.ranges = this.#rangesOf(unit, root.values)
    return unit
  }

  /** The entry at the cursor; undefined: the end of a list of children. */
  #die(at: Bytes, unit: Unit): { readonly tag: number, readonly hasChildren: boolean, readonly values: Die } | undefined {
    const code = at.uleb()
    if (code === 0) return undefined
    const abbreviation = unit.abbreviations.get(code)
    if (abbreviation === undefined) throw new MalformedFile(`an entry of unknown kind ${code}`)
    const values = new Map<number, Value>()
    for (const { name, form, constant } of abbreviation.attributes) values.set(name, this.#value(at, unit, form, constant))
    return { tag: abbreviation.tag, hasChildren: abbreviation.hasChildren, values }
  }

  #value(at: Bytes, unit: Unit, form: number, constant: number): Value {
    const number = (value: number): Value => ({ form, number: value, text: undefined })
    const text = (value: string): Value => ({ form, number: 0, text: value })
    const skip = (count: number): Value => {
      at.skip(count)
      return number(0)
    }
    switch (form) {
      case 0x01: return number(at.u64())
      case 0x03: return skip(at.u16())
      case 0x04: return skip(at.u32())
      case 0x05: return number(at.u16())
      case 0x06: return number(at.u32())
      case 0x07: return number(at.u64())
      case 0x08: return text(at.text())
      case 0x09: case 0x18: return skip(at.uleb())
      case 0x0a: return skip(at.u8())
      case 0x0b: case 0x0c: return number(at.u8())
      case 0x0d: return number(at.sleb())
      case 0x0e: return text(stringAt(this.#strings, at.u32()))
      case 0x0f: return number(at.uleb())
      case 0x10: return number(at.u32())
      case 0x11: return number(unit.start + at.u8())
      case 0x12: return number(unit.start + at.u16())
      case 0x13: return number(unit.start + at.u32())
      case 0x14: return number(unit.start + at.u64())
      case 0x15: return number(unit.start + at.uleb())
      case 0x16: return this.#value(at, unit, at.uleb(), constant)
      case 0x17: return number(at.u32())
      case 0x19: return number(1)
      case 0x1a: return { form, number: at.uleb(), text: undefined }
      case 0x1b: case 0x22: case 0x23: return number(at.uleb())
      case 0x1c: case 0x1d: return number(at.u32())
      case 0x1e: return skip(16)
      case 0x1f: return text(stringAt(this.#lineStrings, at.u32()))
      case 0x20: return number(at.u64())
      case 0x21: return number(constant)
      case 0x24: return number(at.u64())
      case 0x25: case 0x29: return number(at.u8())
      case 0x26: case 0x2a: return number(at.u16())
      case 0x27: case 0x2b: return number(at.u8() + at.u16() * 256)
      case 0x28: case 0x2c: return number(at.u32())
      // GNU: in another file (dwz).
      case 0x1f20: at.skip(4); return number(-1)
      case 0x1f21: at.skip(4); return text('')
      default: throw new MalformedFile(`a form ${form}`)
    }
  }

  #text(unit: Unit, value: Value | undefined): string | undefined {
    if (value === undefined || value.text !== undefined) return value?.text
    const isIndex = value.form === 0x1a || (value.form >= 0x25 && value.form <= 0x28)
    if (!isIndex || this.#offsets === undefined) return undefined
    return stringAt(this.#strings, new Bytes(this.#offsets, unit.stringBase + value.number * 4).u32())
  }

  #address(unit: Unit, value: Value | undefined): number | undefined {
    if (value === undefined) return undefined
    if (value.form === 0x01) return value.number
    return isAddressForm(value.form) ? this.#addressAt(unit, value.number) : undefined
  }

  #addressAt(unit: Unit, index: number): number | undefined {
    return this.#addresses === undefined ? undefined : new Bytes(this.#addresses, unit.addressBase + index * unit.addressSize).u64()
  }

  #rangesOf(unit: Unit, values: Die): readonly (readonly [number, number])[] {
    const ranges = values.get(DW_AT_ranges)
    if (ranges !== undefined) return unit.version === 5 ? this.#rangeList5(unit, ranges) : this.#rangeList4(unit, ranges.number)
    const low = this.#address(unit, values.get(DW_AT_low_pc))
    const high = values.get(DW_AT_high_pc)
    if (low === undefined || high === undefined) return []
    const end = isAddressForm(high.form) ? this.#address(unit, high) ?? low : low + high.number
    return end > low ? [[low, end]] : []
  }

  #rangeList4(unit: Unit, offset: number): [number, number][] {
    if (this.#ranges === undefined) return []
    const at = new Bytes(this.#ranges, offset)
    const ranges: [number, number][] = []
    let base = unit.low
    while (!at.isAtEnd) {
      const [low, high] = [at.u64(), at.u64()]
      if (low === 0 && high === 0) break
      // The largest address says that a new base follows.
      if (low >= 2 ** 63) base = high
      else if (high > low) ranges.push([base + low, base + high])
    }
    return ranges
  }

  #rangeList5(unit: Unit, value: Value): [number, number][] {
    if (this.#lists === undefined) return []
    // DW_FORM_rnglistx is an index into offsets that are relative to the base.
    const start = value.form === 0x23 ? unit.listBase + new Bytes(this.#lists, unit.listBase + value.number * 4).u32() : value.number
    const at = new Bytes(this.#lists, start)
    const ranges: [number, number][] = []
    let base = unit.low
    const add = (low: number | undefined, high: number | undefined): void => { if (low !== undefined && high !== undefined && high > low) ranges.push([low, high]) }
    for (;;) {
      switch (at.u8()) {
        case 0: return ranges
        case 1: base = this.#addressAt(unit, at.uleb()) ?? 0; break
        case 2: add(this.#addressAt(unit, at.uleb()), this.#addressAt(unit, at.uleb())); break
        case 3: { const low = this.#addressAt(unit, at.uleb()); add(low, (low ?? 0) + at.uleb()); break }
        case 4: { const [low, high] = [at.uleb(), at.uleb()]; add(base + low, base + high); break }
        case 5: base = at.u64(); break
        case 6: add(at.u64(), at.u64()); break
        case 7: { const low = at.u64(); add(low, low + at.uleb()); break }
        default: throw new MalformedFile('a list of ranges')
      }
    }
  }

  #inlinesOf(unit: Unit): readonly Inline[] {
    if (unit.inlines !== undefined) return unit.inlines
    const inlines: Inline[] = []
    unit.inlines = inlines
    if (this.#info === undefined) return inlines
    const at = new Bytes(this.#info, unit.dies, unit.end)
    try {
      for (let depth = 0; !at.isAtEnd;) {
        const die = this.#die(at, unit)
        if (die === undefined) {
          depth--
          if (depth <= 0) break
          continue
        }
        if (die.tag === DW_TAG_inlined_subroutine) {
          const { values } = die
          const ranges = this.#rangesOf(unit, values)
          if (ranges.length > 0) {
            inlines.push({
              ranges, depth, origin: values.get(DW_AT_abstract_origin)?.number ?? -1, callFile: values.get(DW_AT_call_file)?.number ?? -1, callLine: values.get(DW_AT_call_line)?.number ?? 0,
            })
          }
        }
        if (die.hasChildren) depth++
        else if (depth === 0) break
      }
    } catch (error) {
      if (!(error instanceof MalformedFile)) throw error
    }
    return inlines
  }

  /** The name of a function by the place of its entry. */
  #nameAt(offset: number): string | undefined {
    let place = offset
    for (let i = 0; i < MOST_ORIGINS; i++) {
      const unit = this.#units.find(({ start, end }) => place > start && place < end)
      if (unit === undefined || this.#info === undefined) return undefined
      const die = this.#die(new Bytes(this.#info, place, unit.end), unit)
      if (die?.tag !== DW_TAG_subprogram) return undefined
      const name = this.#text(unit, die.values.get(DW_AT_name)) ?? this.#text(unit, die.values.get(DW_AT_linkage_name))
      if (name !== undefined) return name
      const next = die.values.get(DW_AT_abstract_origin) ?? die.values.get(DW_AT_specification)
      if (next === undefined) return undefined
      place = next.number
    }
    return undefined
  }

  /** Innermost first; empty where nothing was inlined, or nothing is known of it. */
  at(address: number): InlinedCall[] {
    const isIn = (ranges: readonly (readonly [number, number])[]): boolean => ranges.some(([low, high]) => address >= low && address < high)
    try {
      const unit = this.#units.find(({ ranges }) => isIn(ranges))
      if (unit === undefined) return []
      return this.#inlinesOf(unit).filter(({ ranges }) => isIn(ranges)).sort((a, b) => b.depth - a.depth)
        .map(({ origin, callFile, callLine }) => ({ function: this.#nameAt(origin) ?? '?', callFile: this.#lines.fileOf(unit.lineOffset, callFile), callLine }))
    } catch (error) {
      if (error instanceof MalformedFile) return []
      throw error
    }
  }
}

const readAbbreviations = (at: Bytes): ReadonlyMap<number, Abbreviation> => {
  const table = new Map<number, Abbreviation>()
  for (let code = at.uleb(); code !== 0; code = at.uleb()) {
    const tag = at.uleb()
    const hasChildren = at.u8() !== 0
    const attributes: Attribute[] = []
    for (;;) {
      const [name, form] = [at.uleb(), at.uleb()]
      const constant = form === 0x21 ? at.sleb() : 0
      if (name === 0 && form === 0) break
      attributes.push({ name, form, constant })
    }
    table.set(code, { tag, hasChildren, attributes })
  }
  return table
}
