/** ELF64 headers as execve reads them (ELF-64 Object File Format; System V ABI for AMD64, chapter 4). */
import { EIO, ENOEXEC } from '../abi/errno.ts'
import type { Inode } from '../fs/inode.ts'
import { readInode } from '../fs/inode.ts'
import type { Kernel } from '../kernel.ts'

export const ET_EXEC = 2, ET_DYN = 3
export const PT_LOAD = 1, PT_INTERP = 3, PT_GNU_STACK = 0x6474_e551
export const PF_X = 1, PF_W = 2, PF_R = 4
const EM_X86_64 = 62
const HEADER_SIZE = 64
export const PROGRAM_HEADER_SIZE = 56
/** All program headers must fit this (fs/binfmt_elf.c, load_elf_phdrs). */
const HEADERS_LIMIT = 65_536
const PATH_LIMIT = 4096

export interface Segment {
  readonly type: number
  readonly flags: number
  readonly offset: number
  readonly address: number
  readonly fileSize: number
  readonly memorySize: number
  readonly align: number
}

export interface Elf {
  readonly type: number
  readonly entry: number
  readonly headersOffset: number
  readonly headerCount: number
  readonly segments: readonly Segment[]
}

/** Unsigned 64 bits as a number, rounded above 2^53 (every use compares with the size of the address space first). */
const u64 = (view: DataView, at: number): number => view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true)

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

export const hasElfMagic = (bytes: Uint8Array): boolean =>
  bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46

/** Headers of a program or interpreter, or −ENOEXEC. `head` holds at least what the file has of its first 64 bytes. */
export const readElf = (kernel: Kernel, inode: Inode, head: Uint8Array): Elf | number => {
  if (!hasElfMagic(head)) return -ENOEXEC
  // A short file reads as zeros, as the kernel's zeroed buffer does.
  const header = new Uint8Array(HEADER_SIZE)
  header.set(head.subarray(0, HEADER_SIZE))
  const view = viewOf(header)
  const type = view.getUint16(16, true)
  if (type !== ET_EXEC && type !== ET_DYN) return -ENOEXEC
  if (view.getUint16(18, true) !== EM_X86_64) return -ENOEXEC
  if (view.getUint16(54, true) !== PROGRAM_HEADER_SIZE) return -ENOEXEC
  const headerCount = view.getUint16(56, true)
  const size = headerCount * PROGRAM_HEADER_SIZE
  const headersOffset = u64(view, 32)
  if (size === 0 || size > HEADERS_LIMIT || headersOffset > Number.MAX_SAFE_INTEGER) return -ENOEXEC
  const bytes = readInode(kernel, inode, headersOffset, size)
  if (bytes.length < size) return -ENOEXEC
  const table = viewOf(bytes)
  const segments = Array.from({ length: headerCount }, (_, index): Segment => {
    const at = index * PROGRAM_HEADER_SIZE
    return {
      type: table.getUint32(at, true), flags: table.getUint32(at + 4, true), offset: u64(table, at + 8),
      address: u64(table, at + 16), fileSize: u64(table, at + 32), memorySize: u64(table, at + 40), align: u64(table, at + 48),
    }
  })
  return { type, entry: u64(view, 24), headersOffset, headerCount, segments }
}

/** The path in the first PT_INTERP, undefined if there is none, or a negative errno. */
export const interpreterPath = (kernel: Kernel, inode: Inode, elf: Elf): string | undefined | number => {
  const segment = elf.segments.find((s) => s.type === PT_INTERP)
  if (segment === undefined) return undefined
  if (segment.fileSize > PATH_LIMIT || segment.fileSize < 2) return -ENOEXEC
  if (segment.offset > Number.MAX_SAFE_INTEGER) return -EIO
  const bytes = readInode(kernel, inode, segment.offset, segment.fileSize)
  if (bytes.length < segment.fileSize) return -EIO
  if (bytes[bytes.length - 1] !== 0) return -ENOEXEC
  return String.fromCharCode(...bytes.subarray(0, bytes.indexOf(0)))
}
