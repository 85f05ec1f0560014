/** Source lines by address: .debug_line of DWARF 2 to 5 (DWARF 5, section 6.2). */
import { Bytes, MalformedFile, stringAt } from './bytes.ts'
import type { ElfFile } from './elf-file.ts'

export interface SourceLine {
  /** As the compiler wrote it down: absolute if it said in which directory it ran. */
  readonly file: string
  /** 0: code that belongs to no line. */
  readonly line: number
}

const DW_LNS_copy = 1, DW_LNS_advance_pc = 2, DW_LNS_advance_line = 3, DW_LNS_set_file = 4, DW_LNS_const_add_pc = 8, DW_LNS_fixed_advance_pc = 9
const DW_LNE_end_sequence = 1, DW_LNE_set_address = 2, DW_LNE_define_file = 3
const DW_LNCT_path = 1, DW_LNCT_directory_index = 2
const DW_FORM_block2 = 3, DW_FORM_block4 = 4, DW_FORM_data2 = 5, DW_FORM_data4 = 6, DW_FORM_data8 = 7, DW_FORM_string = 8, DW_FORM_block = 9,
  DW_FORM_block1 = 10, DW_FORM_data1 = 11, DW_FORM_strp = 14, DW_FORM_udata = 15, DW_FORM_data16 = 30, DW_FORM_line_strp = 31

/** A stretch of code whose rows are in order. */
interface Sequence { readonly low: number, readonly high: number, readonly first: number, readonly last: number }

interface Format { readonly content: number, readonly form: number }

const joined = (directory: string, file: string): string => file.startsWith('/') || directory === '' ? file : `${directory.replace(/\/$/, '')}/${file}`

export class LineTable {
  readonly #files: string[] = []
  readonly #fileNumbers = new Map<string, number>()
  readonly #addresses: number[] = []
  readonly #rowFiles: number[] = []
  readonly #rowLines: number[] = []
  readonly #sequences: Sequence[] = []
  /** By offset of a unit in the section: its files by their numbers there. */
  readonly #unitFiles = new Map<number, readonly number[]>()
  readonly #lineStrings: Uint8Array | undefined
  readonly #strings: Uint8Array | undefined

  constructor(elf: ElfFile) {
    this.#lineStrings = elf.bytesOf('.debug_line_str')
    this.#strings = elf.bytesOf('.debug_str')
    const bytes = elf.bytesOf('.debug_line')
    if (bytes === undefined) return
    const at = new Bytes(bytes)
    while (at.at + 4 <= bytes.length) {
      const start = at.at
      const length = at.u32()
      // Units of the 64-bit format are larger than what is looked at here.
      if (length >= 0xffff_fff0) break
      const end = at.at + length
      if (end > bytes.length) break
      try {
        this.#unit(new Bytes(bytes, at.at, end), start)
      } catch (error) {
        // Other units may be whole.
        if (!(error instanceof MalformedFile)) throw error
      }
      at.at = end
    }
    this.#sequences.sort((a, b) => a.low - b.low)
  }

  #number(file: string): number {
    let number = this.#fileNumbers.get(file)
    if (number === undefined) {
      number = this.#files.push(file) - 1
      this.#fileNumbers.set(file, number)
    }
    return number
  }

  #unit(at: Bytes, start: number): void {
    const version = at.u16()
    if (version < 2 || version > 5) return
    if (version === 5) at.skip(2)
    const program = at.u32() + at.at
    const minimum = at.u8()
    if (version >= 4) at.skip(1)
    at.skip(1)
    const lineBase = at.i8()
    const lineRange = at.u8()
    const opcodeBase = at.u8()
    if (lineRange === 0 || opcodeBase === 0) throw new MalformedFile('a line table without a range')
    const lengths = Array.from({ length: opcodeBase - 1 }, () => at.u8())
    const files = version === 5 ? this.#files5(at) : this.#files4(at)
    this.#unitFiles.set(start, files)
    at.at = program
    let [address, file, line, first] = [0, 1, 1, this.#addresses.length]
    const row = (): void => {
      this.#addresses.push(address)
      this.#rowFiles.push(files[file] ?? -1)
      this.#rowLines.push(line)
    }
    while (!at.isAtEnd) {
      const opcode = at.u8()
      if (opcode >= opcodeBase) {
        const adjusted = opcode - opcodeBase
        address += Math.floor(adjusted / lineRange) * minimum
        line += lineBase + adjusted % lineRange
        row()
        continue
      }
      switch (opcode) {
        case 0: {
          const next = at.uleb() + at.at
          switch (at.u8()) {
            case DW_LNE_end_sequence: {
              const last = this.#addresses.length
              // What the linker threw away is left at address 0.
              if (last > first && this.#addresses[first] !== 0) this.#sequences.push({ low: this.#addresses[first], high: address, first, last })
              ;[address, file, line, first] = [0, 1, 1, last]
              break
            }
            case DW_LNE_set_address: address = at.u64(); break
            case DW_LNE_define_file: files.push(this.#number(at.text())); break
          }
          at.at = next
          break
        }
        case DW_LNS_copy: row(); break
        case DW_LNS_advance_pc: address += at.uleb() * minimum; break
        case DW_LNS_advance_line: line += at.sleb(); break
        case DW_LNS_set_file: file = at.uleb(); break
        case DW_LNS_const_add_pc: address += Math.floor((255 - opcodeBase) / lineRange) * minimum; break
        case DW_LNS_fixed_advance_pc: address += at.u16(); break
        default: for (let i = 0; i < lengths[opcode - 1]; i++) at.uleb()
      }
    }
  }

  /** Files are numbered from 1 on; directory 0 is where the compiler ran, which is not said here. */
  #files4(at: Bytes): number[] {
    const directories = ['']
    for (let name = at.text(); name !== ''; name = at.text()) directories.push(name)
    const files = [-1]
    for (let name = at.text(); name !== ''; name = at.text()) {
      files.push(this.#number(joined(directories[at.uleb()] ?? '', name)))
      at.uleb()
      at.uleb()
    }
    return files
  }

  #files5(at: Bytes): number[] {
    const directories = this.#entries(at).map(({ path }) => path)
    const full = directories.map((directory) => joined(directories[0], directory))
    return this.#entries(at).map(({ path, directory }) => this.#number(joined(full[directory] ?? '', path)))
  }

  #entries(at: Bytes): { readonly path: string, readonly directory: number }[] {
    const formats = Array.from({ length: at.u8() }, (): Format => ({ content: at.uleb(), form: at.uleb() }))
    const count = at.uleb()
    if (count > at.end - at.at) throw new MalformedFile('more files than there is room for')
    return Array.from({ length: count }, () => {
      let [path, directory] = ['', 0]
      for (const { content, form } of formats) {
        const value = this.#value(at, form)
        if (content === DW_LNCT_path && typeof value === 'string') path = value
        if (content === DW_LNCT_directory_index && typeof value === 'number') directory = value
      }
      return { path, directory }
    })
  }

  #value(at: Bytes, form: number): string | number {
    switch (form) {
      case DW_FORM_string: return at.text()
      case DW_FORM_line_strp: return stringAt(this.#lineStrings, at.u32())
      case DW_FORM_strp: return stringAt(this.#strings, at.u32())
      case DW_FORM_data1: return at.u8()
      case DW_FORM_data2: return at.u16()
      case DW_FORM_data4: return at.u32()
      case DW_FORM_data8: return at.u64()
      case DW_FORM_udata: return at.uleb()
      case DW_FORM_data16: at.skip(16); return 0
      case DW_FORM_block: at.skip(at.uleb()); return 0
      case DW_FORM_block1: at.skip(at.u8()); return 0
      case DW_FORM_block2: at.skip(at.u16()); return 0
      case DW_FORM_block4: at.skip(at.u32()); return 0
      default: throw new MalformedFile(`a form ${form} in a line table`)
    }
  }

  /** A file by its number in the unit at that offset. */
  fileOf(unit: number, number: number): string | undefined {
    const file = this.#unitFiles.get(unit)?.at(number)
    return number < 0 || file === undefined || file < 0 ? undefined : this.#files[file]
  }

  /** The line of the instruction at, or around, the address. */
  lineAt(address: number): SourceLine | undefined {
    let [low, high] = [0, this.#sequences.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#sequences[middle].low <= address) low = middle + 1
      else high = middle
    }
    const sequence = this.#sequences[low - 1] as Sequence | undefined
    if (sequence === undefined || address >= sequence.high) return undefined
    let [from, to] = [sequence.first, sequence.last]
    while (from < to) {
      const middle = (from + to) >> 1
      if (this.#addresses[middle] <= address) from = middle + 1
      else to = middle
    }
    // Of several rows of one address the last counts.
    const row = from - 1
    const file = this.#rowFiles[row]
    return file < 0 ? undefined : { file: this.#files[file], line: this.#rowLines[row] }
  }
}
