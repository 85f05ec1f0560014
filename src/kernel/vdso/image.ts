/**
 * The vDSO as an ELF shared object of one page: what C libraries, Go and others look functions up in, by name and version
 * LINUX_2.6 (vdso(7); System V ABI, 'Dynamic Linking'; Linux Standard Base, 'Symbol Versioning').
 */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { callClockGettime, vdsoCode } from './code.ts'

const EHDR_SIZE = 64, PHDR_SIZE = 56, SYM_SIZE = 24, DYN_SIZE = 16, VERDEF_SIZE = 20, VERDAUX_SIZE = 8
const ET_DYN = 3, EM_X86_64 = 62
const PT_LOAD = 1, PT_DYNAMIC = 2, PF_X = 1, PF_R = 4
const DT_NULL = 0, DT_HASH = 4, DT_STRTAB = 5, DT_SYMTAB = 6, DT_STRSZ = 10, DT_SYMENT = 11, DT_SONAME = 14, DT_VERSYM = 0x6fff_fff0,
  DT_VERDEF = 0x6fff_fffc, DT_VERDEFNUM = 0x6fff_fffd
const GLOBAL_FUNCTION = 0x12, WEAK_FUNCTION = 0x22
const VER_FLG_BASE = 1
/** Index of a section: there are none, but a symbol that is defined has one. */
const TEXT = 1
const SONAME = 'linux-vdso.so.1', VERSION = 'LINUX_2.6'
const CODE_ALIGN = 64

/** Where the code begins: with its first function, which is the entry point. */
const imageCode = (image: Uint8Array): number => new DataView(image.buffer, image.byteOffset).getUint32(24, true) - vdsoCode(0, 0).functions[0].offset

/** The ELF hash function. */
const elfHash = (name: string): number => {
  let hash = 0
  for (const char of name) {
    hash = ((hash << 4) + char.charCodeAt(0)) >>> 0
    const high = hash & 0xf000_0000
    hash = (hash ^ (high >>> 24)) & ~high
  }
  return hash >>> 0
}

/** A copy of the image whose clock_gettime does nothing but the system call. */
export const withoutClocks = (image: Uint8Array): Uint8Array => {
  const bytes = image.slice()
  const code = imageCode(bytes)
  const [{ offset }] = vdsoCode(0, 0).functions.filter(({ name }) => name === 'clock_gettime')
  bytes.set(callClockGettime(), code + offset)
  return bytes
}

/** @param data where the page of data begins, relative to the image */
export const vdsoImage = (data: number): Uint8Array => {
  const bytes = new Uint8Array(PAGE_SIZE)
  const view = new DataView(bytes.buffer)
  const u64 = (at: number, value: number): void => {
    view.setUint32(at, value, true)
    view.setUint32(at + 4, Math.floor(value / 2 ** 32), true)
  }
  // Names come first, so that tables can refer to them; where things are is laid out front to back.
  const names = vdsoCode(0, 0).functions.flatMap(({ name }) => [`__vdso_${name}`, name])
  const strings = ['', SONAME, VERSION, ...names].join('\0') + '\0'
  const stringAt = (name: string): number => strings.indexOf(`\0${name}\0`) + 1
  const symbolCount = names.length + 1
  const hash = EHDR_SIZE + 2 * PHDR_SIZE
  const symbols = Math.ceil((hash + 4 * (2 + 1 + symbolCount)) / 8) * 8
  const text = symbols + symbolCount * SYM_SIZE
  const versions = Math.ceil((text + strings.length) / 8) * 8
  const definitions = Math.ceil((versions + symbolCount * 2) / 8) * 8
  const dynamic = Math.ceil((definitions + 2 * (VERDEF_SIZE + VERDAUX_SIZE)) / 16) * 16
  const entries: readonly (readonly [number, number])[] = [
    [DT_SONAME, stringAt(SONAME)], [DT_HASH, hash], [DT_STRTAB, text], [DT_SYMTAB, symbols], [DT_STRSZ, strings.length],
    [DT_SYMENT, SYM_SIZE], [DT_VERDEF, definitions], [DT_VERDEFNUM, 2], [DT_VERSYM, versions], [DT_NULL, 0],
  ]
  const code = Math.ceil((dynamic + entries.length * DYN_SIZE) / CODE_ALIGN) * CODE_ALIGN
  const { bytes: codeBytes, functions } = vdsoCode(code, data)
  const size = code + codeBytes.length
  if (size > PAGE_SIZE) throw new Error(`the vDSO has ${size} bytes: more than a page`)

  // ELF header.
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  view.setUint16(16, ET_DYN, true)
  view.setUint16(18, EM_X86_64, true)
  view.setUint32(20, 1, true)
  u64(24, functions[0].offset)
  u64(32, EHDR_SIZE)
  view.setUint16(52, EHDR_SIZE, true)
  view.setUint16(54, PHDR_SIZE, true)
  view.setUint16(56, 2, true)
  const segment = (at: number, type: number, flags: number, offset: number, length: number, align: number): void => {
    view.setUint32(at, type, true)
    view.setUint32(at + 4, flags, true)
    for (const [i, value] of [offset, offset, offset, length, length, align].entries()) u64(at + 8 + i * 8, value)
  }
  segment(EHDR_SIZE, PT_LOAD, PF_R | PF_X, 0, size, PAGE_SIZE)
  segment(EHDR_SIZE + PHDR_SIZE, PT_DYNAMIC, PF_R, dynamic, entries.length * DYN_SIZE, 8)

  // Hash table of one bucket: a chain through all symbols.
  view.setUint32(hash, 1, true)
  view.setUint32(hash + 4, symbolCount, true)
  view.setUint32(hash + 8, 1, true)
  for (let i = 1; i < symbolCount; i++) view.setUint32(hash + 12 + i * 4, (i + 1) % symbolCount, true)

  for (const [i, name] of names.entries()) {
    const { offset, size: length } = functions[i >> 1]
    const at = symbols + (i + 1) * SYM_SIZE
    view.setUint32(at, stringAt(name), true)
    bytes[at + 4] = i % 2 === 0 ? GLOBAL_FUNCTION : WEAK_FUNCTION
    view.setUint16(at + 6, TEXT, true)
    u64(at + 8, offset)
    u64(at + 16, length)
    view.setUint16(versions + (i + 1) * 2, 2, true)
  }
  for (let i = 0; i < strings.length; i++) bytes[text + i] = strings.charCodeAt(i)

  for (const [i, name] of [SONAME, VERSION].entries()) {
    const at = definitions + i * (VERDEF_SIZE + VERDAUX_SIZE)
    view.setUint16(at, 1, true)
    view.setUint16(at + 2, i === 0 ? VER_FLG_BASE : 0, true)
    view.setUint16(at + 4, i + 1, true)
    view.setUint16(at + 6, 1, true)
    view.setUint32(at + 8, elfHash(name), true)
    view.setUint32(at + 12, VERDEF_SIZE, true)
    view.setUint32(at + 16, i === 0 ? VERDEF_SIZE + VERDAUX_SIZE : 0, true)
    view.setUint32(at + VERDEF_SIZE, stringAt(name), true)
  }
  for (const [i, [tag, value]] of entries.entries()) {
    u64(dynamic + i * DYN_SIZE, tag)
    u64(dynamic + i * DYN_SIZE + 8, value)
  }
  bytes.set(codeBytes, code)
  return bytes
}
