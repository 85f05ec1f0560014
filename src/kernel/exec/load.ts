/** Maps the segments of an ELF file (fs/binfmt_elf.c, load_elf_binary and load_elf_interp of Linux 6.1). */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../abi/mman.ts'
import { type Inode, retainInode } from '../fs/inode.ts'
import type { Kernel } from '../kernel.ts'
import { type AddressSpace, VMA_MAYEXEC, VMA_MAYREAD, VMA_MAYWRITE } from '../mm/address-space.ts'
import { findPlace, mapRegion, pageDown, pageUp } from '../mm/map.ts'
import { PIE_BASE } from '../mm/space.ts'
import { BadAddress, USER_END } from '../mm/user-memory.ts'
import { isMapped } from '../mm/vma.ts'
import { type Elf, ET_DYN, PF_R, PF_W, PF_X, PT_LOAD, type Segment } from './elf.ts'

/** The file can't be loaded: the program dies of SIGSEGV, as its old self is gone already. */
export class LoadFailure {}
export const LOAD_FAILURE = Object.freeze(new LoadFailure())

export interface Loaded {
  readonly bias: number
  readonly entry: number
  /** Address of the program headers, 0 if no segment holds them. */
  readonly headers: number
  readonly codeStart: number
  readonly codeEnd: number
  readonly dataStart: number
  readonly dataEnd: number
  /** End of all segments in memory, page-aligned: the heap starts here. */
  readonly end: number
}

const MAY_ALL = VMA_MAYREAD | VMA_MAYWRITE | VMA_MAYEXEC
const protection = (flags: number): number =>
  ((flags & PF_R) !== 0 ? PROT_READ : 0) | ((flags & PF_W) !== 0 ? PROT_WRITE : 0) | ((flags & PF_X) !== 0 ? PROT_EXEC : 0)

// eslint-disable-next-line @typescript-eslint/only-throw-error -- caught by execProgram only
const fail = (): never => { throw LOAD_FAILURE }

const checkSegment = (segment: Segment, address: number): void => {
  if (address >= USER_END || segment.fileSize > segment.memorySize || segment.memorySize > USER_END ||
      USER_END - segment.memorySize < address) fail()
}

const mapAnonymous = (kernel: Kernel, space: AddressSpace, start: number, end: number, prot: number): void => {
  if (end > start) mapRegion(kernel, space, { start, end, prot, flags: MAY_ALL, backing: undefined, offset: 0, name: '' })
}

/** Zeroes from the end of file data to the end of its page. */
const zeroTail = (kernel: Kernel, space: AddressSpace, from: number): boolean => {
  const length = pageUp(from) - from
  if (length === 0) return true
  try {
    kernel.mmu(space).user.fill(from, length, 0)
    return true
  } catch (error) {
    if (error instanceof BadAddress) return false
    throw error
  }
}

const isPowerOfTwo = (value: number): boolean => value > 0 && value <= 2 ** 40 && 2 ** 40 % value === 0

const chooseBias = (space: AddressSpace, elf: Elf, loads: readonly Segment[], hasInterpreter: boolean): number => {
  if (elf.type !== ET_DYN) return 0
  const first = pageDown(Math.min(...loads.map((s) => s.address)))
  const last = Math.max(...loads.map((s) => s.address + s.memorySize))
  const align = Math.max(PAGE_SIZE, ...loads.map((s) => s.align).filter(isPowerOfTwo))
  const size = pageUp(last - first)
  if (size === 0 || last > USER_END) return fail()
  if (hasInterpreter) return Math.floor(PIE_BASE / align) * align - first
  const place = findPlace(space, size + (align > PAGE_SIZE ? align : 0), 0)
  if (place === undefined) return fail()
  return Math.ceil(place / align) * align - first
}

/**
 * @param fixedBase a program with an interpreter goes to PIE_BASE; interpreters and static PIEs where mmap puts them
 */
export const loadElf = (kernel: Kernel, space: AddressSpace, inode: Inode, path: string, elf: Elf, fixedBase: boolean): Loaded => {
  const loads = elf.segments.filter((segment) => segment.type === PT_LOAD)
  if (loads.length === 0) fail()
  const bias = chooseBias(space, elf, loads, fixedBase)
  let headers = 0
  let codeStart = Infinity, codeEnd = 0, dataStart = 0, dataEnd = 0
  /** End of file data and of memory so far: what lies between is zeroed once the next segment is known. */
  let fileEnd = 0, memoryEnd = 0, zeroProt = 0
  for (const segment of loads) {
    const address = bias + segment.address
    if (memoryEnd > fileEnd) {
      mapAnonymous(kernel, space, pageUp(fileEnd), pageUp(memoryEnd), zeroProt)
      zeroTail(kernel, space, fileEnd)
    }
    checkSegment(segment, segment.address)
    const prot = protection(segment.flags)
    const within = segment.address % PAGE_SIZE
    const start = address - within
    const end = pageUp(address + segment.fileSize)
    if (segment.fileSize > 0) {
      const offset = segment.offset - within
      if (offset < 0 || offset % PAGE_SIZE !== 0 || end > USER_END) fail()
      // Overlapping segments of a fixed program: MAP_FIXED_NOREPLACE for the first, MAP_FIXED for the others.
      if (segment === loads[0] && isMapped(space, start, end)) fail()
      retainInode(kernel, inode)
      mapRegion(kernel, space, { start, end, prot, flags: MAY_ALL, backing: inode, offset, name: path })
    }
    if (segment.offset <= elf.headersOffset && elf.headersOffset < segment.offset + segment.fileSize) {
      headers = bias + elf.headersOffset - segment.offset + segment.address
    }
    if ((segment.flags & PF_X) !== 0 && address < codeStart) codeStart = address
    if (address > dataStart) dataStart = address
    if (address + segment.fileSize > fileEnd) {
      fileEnd = address + segment.fileSize
      if ((segment.flags & PF_X) !== 0 && fileEnd > codeEnd) codeEnd = fileEnd
      if (fileEnd > dataEnd) dataEnd = fileEnd
    }
    if (address + segment.memorySize > memoryEnd) {
      memoryEnd = address + segment.memorySize
      zeroProt = prot
    }
  }
  mapAnonymous(kernel, space, pageUp(fileEnd), pageUp(memoryEnd), zeroProt)
  if (fileEnd !== memoryEnd && !zeroTail(kernel, space, fileEnd)) fail()
  if (bias + elf.entry >= USER_END) fail()
  return {
    bias, entry: bias + elf.entry, headers, codeStart: codeStart === Infinity ? 0 : codeStart, codeEnd, dataStart, dataEnd,
    end: pageUp(memoryEnd),
  }
}
