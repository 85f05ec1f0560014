/** An ELF file for those who look for names (ELF-64 Object File Format; System V ABI, chapter 4): segments, sections, symbols of functions. */
import { Bytes, MalformedFile, stringAt } from './bytes.ts'

const PT_LOAD = 1, SHT_NOBITS = 8, SHT_SYMTAB = 2, SHT_DYNSYM = 11, SHF_COMPRESSED = 0x800
const ELFCOMPRESS_ZLIB = 1, ELFCOMPRESS_ZSTD = 2
const STT_NOTYPE = 0, STT_OBJECT = 1, STT_FUNC = 2, STT_GNU_IFUNC = 10, SHN_UNDEF = 0
const STB_GLOBAL = 1
const HEADER = 64, SECTION_HEADER = 64, PROGRAM_HEADER = 56, SYMBOL = 24
/** No section is unpacked to more. */
const MOST_UNPACKED = 1 << 30

export type Unpack = (format: 'zlib' | 'zstd', bytes: Uint8Array, size: number) => Uint8Array

interface Segment { readonly offset: number, readonly address: number, readonly fileSize: number, readonly memorySize: number }
export interface Section {
  readonly name: string
  readonly type: number
  readonly flags: number
  readonly address: number
  readonly offset: number
  readonly size: number
  readonly link: number
}
/** A function, or a variable. */
export interface ElfSymbol {
  readonly name: string
  readonly address: number
  /** 0: not known. */
  readonly size: number
}

/** Which of several names of one address is shown: global ones, those with a size, those without leading underscores. */
const rank = (name: string, isGlobal: boolean, size: number): number => (isGlobal ? 4 : 0) + (size > 0 ? 2 : 0) + (name.startsWith('_') ? 0 : 1)

export class ElfFile {
  readonly #bytes: Uint8Array
  readonly #unpack: Unpack | undefined
  readonly #segments: readonly Segment[]
  readonly sections: readonly Section[]
  readonly #contents = new Map<Section, Uint8Array | undefined>()
  #functions: readonly ElfSymbol[] | undefined
  #objects: readonly ElfSymbol[] | undefined

  /** @throws MalformedFile */
  constructor(bytes: Uint8Array, unpack: Unpack | undefined) {
    this.#bytes = bytes
    this.#unpack = unpack
    const header = new Bytes(bytes, 0, Math.min(HEADER, bytes.length))
    if (header.u32() !== 0x464c_457f || header.u8() !== 2 || header.u8() !== 1) throw new MalformedFile('not an ELF file of 64 bits')
    header.at = 32
    const programHeaders = header.u64()
    const sectionHeaders = header.u64()
    header.at = 54
    const [programSize, programCount, sectionSize, sectionCount, names] = [header.u16(), header.u16(), header.u16(), header.u16(), header.u16()]
    this.#segments = this.#table(programHeaders, programCount, programSize, PROGRAM_HEADER, (at) => {
      const type = at.u32()
      at.skip(4)
      const offset = at.u64()
      const address = at.u64()
      at.skip(8)
      const fileSize = at.u64()
      return { type, offset, address, fileSize, memorySize: at.u64() }
    }).filter(({ type }) => type === PT_LOAD)
    const sections = this.#table(sectionHeaders, sectionCount, sectionSize, SECTION_HEADER, (at) => {
      const [nameAt, type, flags, address, offset, size, link] = [at.u32(), at.u32(), at.u64(), at.u64(), at.u64(), at.u64(), at.u32()]
      return { nameAt, name: '', type, flags, address, offset, size, link }
    })
    const nameSection = sections.at(names)
    const nameBytes = nameSection === undefined ? undefined : this.content(nameSection)
    this.sections = sections.map((section) => ({ ...section, name: stringAt(nameBytes, section.nameAt) }))
  }

  #table<T>(offset: number, count: number, size: number, least: number, read: (at: Bytes) => T): T[] {
    if (count === 0 || offset === 0) return []
    if (size < least) throw new MalformedFile('headers are too small')
    return Array.from({ length: count }, (_, i) => read(new Bytes(this.#bytes, offset + i * size)))
  }

  /** The address in the file's own terms of a byte of the file, as it is loaded; undefined if it isn't. */
  addressOf(fileOffset: number): number | undefined {
    const segment = this.#segments.find(({ offset, fileSize }) => fileOffset >= offset - offset % 4096 && fileOffset < offset + fileSize)
    return segment === undefined ? undefined : segment.address + fileOffset - segment.offset
  }

  /** Bytes of code at an address of the file. */
  codeAt(address: number, count: number): Uint8Array | undefined {
    const segment = this.#segments.find((s) => address >= s.address && address + count <= s.address + s.fileSize)
    return segment === undefined ? undefined : this.#bytes.subarray(address - segment.address + segment.offset, address - segment.address + segment.offset + count)
  }

  section(name: string): Section | undefined { return this.sections.find((section) => section.name === name && section.type !== SHT_NOBITS) }

  bytesOf(name: string): Uint8Array | undefined {
    const section = this.section(name)
    return section === undefined ? undefined : this.content(section)
  }

  /** What the section holds, unpacked; undefined if it can't be. */
  content(section: Section): Uint8Array | undefined {
    if (!this.#contents.has(section)) this.#contents.set(section, this.#read(section))
    return this.#contents.get(section)
  }

  #read({ type, flags, offset, size }: Section): Uint8Array | undefined {
    if (type === SHT_NOBITS || offset + size > this.#bytes.length) return undefined
    const raw = this.#bytes.subarray(offset, offset + size)
    if ((flags & SHF_COMPRESSED) === 0) return raw
    const header = new Bytes(raw)
    const format = header.u32()
    header.skip(4)
    const unpacked = header.u64()
    header.skip(8)
    if (this.#unpack === undefined || unpacked > MOST_UNPACKED || (format !== ELFCOMPRESS_ZLIB && format !== ELFCOMPRESS_ZSTD)) return undefined
    try {
      return this.#unpack(format === ELFCOMPRESS_ZLIB ? 'zlib' : 'zstd', raw.subarray(header.at), unpacked)
    } catch {
      // Damaged: whatever the unpacker throws, there is nothing to read.
      return undefined
    }
  }

  /** By address; one for each. Names come from the symbols of the linker, or else from those for dynamic linking. */
  get functions(): readonly ElfSymbol[] {
    // Assembly code often does not say that a symbol is a function.
    return this.#functions ??= this.#symbols((type, section) => type === STT_FUNC || type === STT_GNU_IFUNC || (type === STT_NOTYPE && this.#isCode(section)))
  }

  get objects(): readonly ElfSymbol[] { return this.#objects ??= this.#symbols((type) => type === STT_OBJECT) }

  #symbols(isWanted: (type: number, section: number) => boolean): ElfSymbol[] {
    const best = new Map<number, ElfSymbol & { readonly rank: number }>()
    for (const table of this.sections.filter(({ type }) => type === SHT_SYMTAB || type === SHT_DYNSYM)) {
      const content = this.content(table)
      const strings = this.sections.at(table.link)
      if (content === undefined || strings === undefined) continue
      const names = this.content(strings)
      const at = new Bytes(content)
      for (let i = 0; i + SYMBOL <= content.length; i += SYMBOL) {
        at.at = i
        const nameAt = at.u32()
        const info = at.u8()
        at.skip(1)
        const section = at.u16()
        const address = at.u64()
        const size = at.u64()
        if (section === SHN_UNDEF || !isWanted(info & 15, section)) continue
        const name = stringAt(names, nameAt)
        if (name === '') continue
        const symbol = { name, address, size, rank: rank(name, info >> 4 === STB_GLOBAL, size) }
        const known = best.get(address)
        if (known === undefined || symbol.rank > known.rank || (symbol.rank === known.rank && name < known.name)) best.set(address, symbol)
      }
    }
    return [...best.values()].sort((a, b) => a.address - b.address)
  }

  #isCode(section: number): boolean { return ((this.sections.at(section)?.flags ?? 0) & 4) !== 0 && section < this.sections.length }

  /** The function that has the address; one without a size reaches to the next. */
  functionAt(address: number): ElfSymbol | undefined { return symbolAt(this.functions, address) }

  /** The variable that has the address. */
  objectAt(address: number): ElfSymbol | undefined {
    return this.#segments.some((s) => address >= s.address && address < s.address + s.memorySize) ? symbolAt(this.objects, address) : undefined
  }
}

const symbolAt = (symbols: readonly ElfSymbol[], address: number): ElfSymbol | undefined => {
  let [low, high] = [0, symbols.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (symbols[middle].address <= address) low = middle + 1
    else high = middle
  }
  // What is inside of one that is larger may have begun and ended before.
  for (let i = low - 1; i >= 0 && i >= low - 8; i--) {
    const { address: start, size } = symbols[i]
    if (size === 0 ? i === low - 1 : address < start + size) return symbols[i]
  }
  return undefined
}
