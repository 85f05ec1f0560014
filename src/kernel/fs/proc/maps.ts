/** /proc/PID/maps, smaps, and what the other files say of memory (Linux's fs/proc/task_mmu.c). */
import { PAGE_SIZE } from '../../../emu/cpu/layout.ts'
import { CAP_SYS_ADMIN } from '../../abi/capabilities.ts'
import { EINVAL } from '../../abi/errno.ts'
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../../abi/mman.ts'
import type { Kernel } from '../../kernel.ts'
import {
  type AddressSpace, PTE_FRAME, PTE_PRIVATE, PTE_ZERO, TABLE_PAGES, VMA_DONTDUMP, VMA_DONTFORK, VMA_GROWSDOWN, VMA_LOCKED, VMA_MAYEXEC, VMA_MAYREAD,
  VMA_MAYWRITE, VMA_NORESERVE, VMA_SHARED, VMA_WIPEONFORK, type Vma,
} from '../../mm/address-space.ts'
import { getEntry } from '../../mm/page-table.ts'
import { USER_END } from '../../mm/user-memory.ts'
import { findVma } from '../../mm/vma.ts'
import { hasCapability } from '../../task/credentials.ts'
import type { Task } from '../../task/task.ts'
import type { Inode } from '../inode.ts'
import type { ProcNode } from './nodes.ts'
import { isAlive, subjectOf } from './subject.ts'

const hex = (value: number, width: number): string => value.toString(16).padStart(width, '0')

const PAGEMAP_ENTRY = 8, PAGEMAP_PRESENT = 0x8000_0000, PAGEMAP_FILE = 0x2000_0000, PAGEMAP_SOFT_DIRTY = 0x0080_0000

/** /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst): eight bytes a page; frame numbers are for the privileged. */
export const pagemap = (kernel: Kernel, subject: Task, reader: Task, at: number, length: number): Uint8Array | number => {
  if (at % PAGEMAP_ENTRY !== 0 || length % PAGEMAP_ENTRY !== 0) return -EINVAL
  const first = at / PAGEMAP_ENTRY
  const count = Math.max(Math.min(length / PAGEMAP_ENTRY, USER_END / PAGE_SIZE - first), 0)
  const bytes = new Uint8Array(count * PAGEMAP_ENTRY)
  const view = new DataView(bytes.buffer)
  const space = subject.mm
  const showsFrames = hasCapability(reader, CAP_SYS_ADMIN)
  for (let i = 0; i < count; i++) {
    const entry = getEntry(space, first + i)
    if (entry === 0) continue
    const isOfFile = findVma(space, (first + i) * PAGE_SIZE)?.backing !== undefined && (entry & PTE_PRIVATE) === 0
    if (showsFrames) view.setUint32(i * PAGEMAP_ENTRY, entry & PTE_FRAME, true)
    view.setUint32(i * PAGEMAP_ENTRY + 4, (PAGEMAP_PRESENT | PAGEMAP_SOFT_DIRTY | (isOfFile ? PAGEMAP_FILE : 0)) >>> 0, true)
  }
  return bytes
}

/** Where the name starts in a line of maps. */
const NAME_COLUMN = 73

/** The file that the program was loaded from. */
export const executableOf = (space: AddressSpace): Inode | undefined => {
  for (const { backing, name } of space.vmas) {
    if (backing !== undefined && backing.kind !== 'shared-memory' && name === space.executable) return backing
  }
  return undefined
}

const isStack = (space: AddressSpace, vma: Vma): boolean => vma.start <= space.stackStart && vma.end >= space.stackStart && space.stackStart > 0
const isHeap = (space: AddressSpace, vma: Vma): boolean =>
  space.heapEnd > space.heapStart && vma.start <= space.heapEnd && vma.end >= space.heapStart

/** What is behind the area, for people: a path, '[heap]', … or nothing. */
const nameOf = (space: AddressSpace, vma: Vma): string => {
  const { backing, name } = vma
  if (backing !== undefined && backing.kind !== 'shared-memory') {
    return name.replaceAll('\n', '\\012')
  }
  if (name !== '') return name
  if (backing !== undefined) return '/dev/zero (deleted)'
  return isHeap(space, vma) ? '[heap]' : isStack(space, vma) ? '[stack]' : ''
}

const header = (space: AddressSpace, vma: Vma): string => {
  const { backing, prot } = vma
  const flags = `${(prot & PROT_READ) !== 0 ? 'r' : '-'}${(prot & PROT_WRITE) !== 0 ? 'w' : '-'}${(prot & PROT_EXEC) !== 0 ? 'x' : '-'}${(vma.flags & VMA_SHARED) !== 0 ? 's' : 'p'}`
  const isShared = backing?.kind === 'shared-memory'
  // The vDSO has no file behind it; a System V segment's inode is its identifier.
  const isKernels = vma.name === '[vdso]' || vma.name === '[vvar]'
  const device = backing === undefined || isKernels ? 0 : isShared ? 1 : backing.superblock.dev
  const ino = backing === undefined || isKernels ? 0 : isShared ? (backing.segment >= 0 ? backing.segment : backing.id) : backing.ino
  const offset = backing === undefined ? 0 : vma.offset
  const line = `${hex(vma.start, 8)}-${hex(vma.end, 8)} ${flags} ${hex(offset, 8)} ${hex(device >> 8, 2)}:${hex(device & 0xff, 2)} ${ino} `
  const name = nameOf(space, vma)
  return `${name === '' ? line : line.padEnd(NAME_COLUMN) + name}\n`
}

/** The processes' memory; zombies have none. */
const spaceOf = (kernel: Kernel, node: ProcNode): AddressSpace | undefined => {
  const subject = subjectOf(kernel, node)
  return subject === undefined || !isAlive(subject) ? undefined : subject.mm
}

export const maps = (kernel: Kernel, node: ProcNode): string => {
  const space = spaceOf(kernel, node)
  return space === undefined ? '' : space.vmas.map((vma) => header(space, vma)).join('')
}

// ——— What is resident ———

export interface Resident {
  /** Pages by where they are from. */
  anonymous: number
  file: number
  shared: number
  sharedClean: number
  sharedDirty: number
  privateClean: number
  privateDirty: number
  /** Pages divided by how many map them. */
  proportional: number
  proportionalDirty: number
}

const nothing = (): Resident => ({
  anonymous: 0, file: 0, shared: 0, sharedClean: 0, sharedDirty: 0, privateClean: 0, privateDirty: 0, proportional: 0, proportionalDirty: 0,
})

const countPage = (kernel: Kernel, vma: Vma, page: number, entry: number, sum: Resident): void => {
  const { backing } = vma
  const frame = entry & PTE_FRAME
  const references = kernel.memory.references(frame)
  let mappers = references
  let isDirty = true
  if (backing === undefined) sum.anonymous++
  else if (backing.kind === 'shared-memory') {
    sum.shared++
    mappers--
  } else {
    const index = (vma.offset + page * PAGE_SIZE - vma.start) / PAGE_SIZE
    if (backing.kind === 'file' && backing.pages.get(index) === frame) {
      sum.file++
      mappers--
      isDirty = false
    } else sum.anonymous++
  }
  sum.proportional += 1 / Math.max(mappers, 1)
  if (isDirty) sum.proportionalDirty += 1 / Math.max(mappers, 1)
  if (mappers > 1) {
    if (isDirty) sum.sharedDirty++
    else sum.sharedClean++
  } else if (isDirty) sum.privateDirty++
  else sum.privateClean++
}

const countArea = (kernel: Kernel, space: AddressSpace, vma: Vma, sum: Resident): void => {
  const first = vma.start / PAGE_SIZE
  const end = vma.end / PAGE_SIZE
  for (let page = first; page < end;) {
    const table = space.tables.get(Math.floor(page / TABLE_PAGES))
    const next = Math.min((Math.floor(page / TABLE_PAGES) + 1) * TABLE_PAGES, end)
    if (table !== undefined) {
      for (let at = page; at < next; at++) {
        const entry = table[at % TABLE_PAGES]
        if (entry !== 0 && (entry & PTE_ZERO) === 0) countPage(kernel, vma, at, entry, sum)
      }
    }
    page = next
  }
}

export const residentOf = (kernel: Kernel, space: AddressSpace): Resident => {
  const sum = nothing()
  for (const vma of space.vmas) countArea(kernel, space, vma, sum)
  return sum
}

export interface Sizes {
  readonly total: number
  readonly locked: number
  readonly data: number
  readonly stack: number
  readonly text: number
  readonly library: number
}

const KIB = 1024

/** Bytes of areas by what they are for (Linux's vm_stat_account). */
export const sizesOf = (space: AddressSpace): Sizes => {
  let total = 0
  let locked = 0
  let data = 0
  let stack = 0
  let executable = 0
  for (const vma of space.vmas) {
    const size = vma.end - vma.start
    total += size
    if ((vma.flags & VMA_LOCKED) !== 0) locked += size
    if ((vma.prot & PROT_EXEC) !== 0 && (vma.prot & PROT_WRITE) === 0 && (vma.flags & VMA_GROWSDOWN) === 0) executable += size
    else if ((vma.flags & VMA_GROWSDOWN) !== 0) stack += size
    else if ((vma.prot & PROT_WRITE) !== 0 && (vma.flags & VMA_SHARED) === 0) data += size
  }
  const up = Math.ceil(space.codeEnd / PAGE_SIZE) * PAGE_SIZE
  const text = Math.min(up - Math.floor(space.codeStart / PAGE_SIZE) * PAGE_SIZE, executable)
  return { total, locked, data, stack, text, library: executable - text }
}

const pages = (count: number): number => count * (PAGE_SIZE / KIB)
const line = (name: string, kib: number): string => `${`${name}:`.padEnd(16)}${String(Math.floor(kib)).padStart(8)} kB\n`

const VM_FLAGS: readonly (readonly [keyof Pick<Vma, 'prot' | 'flags'>, number, string])[] = [
  ['prot', PROT_READ, 'rd'], ['prot', PROT_WRITE, 'wr'], ['prot', PROT_EXEC, 'ex'], ['flags', VMA_SHARED, 'sh'],
  ['flags', VMA_MAYREAD, 'mr'], ['flags', VMA_MAYWRITE, 'mw'], ['flags', VMA_MAYEXEC, 'me'], ['flags', VMA_SHARED, 'ms'],
  ['flags', VMA_GROWSDOWN, 'gd'], ['flags', VMA_LOCKED, 'lo'], ['flags', VMA_DONTFORK, 'dc'], ['flags', VMA_NORESERVE, 'nr'],
  ['flags', VMA_DONTDUMP, 'dd'], ['flags', VMA_WIPEONFORK, 'wf'],
]

const body = (sum: Resident, locked: number): string => {
  const rss = sum.anonymous + sum.file + sum.shared
  return line('Rss', pages(rss)) + line('Pss', pages(sum.proportional)) + line('Pss_Dirty', pages(sum.proportionalDirty)) +
    line('Shared_Clean', pages(sum.sharedClean)) + line('Shared_Dirty', pages(sum.sharedDirty)) +
    line('Private_Clean', pages(sum.privateClean)) + line('Private_Dirty', pages(sum.privateDirty)) +
    line('Referenced', pages(rss)) + line('Anonymous', pages(sum.anonymous)) + line('LazyFree', 0) + line('AnonHugePages', 0) +
    line('ShmemPmdMapped', 0) + line('FilePmdMapped', 0) + line('Shared_Hugetlb', 0) + 'Private_Hugetlb:       0 kB\n' +
    line('Swap', 0) + line('SwapPss', 0) + line('Locked', locked)
}

export const smaps = (kernel: Kernel, node: ProcNode): string => {
  const space = spaceOf(kernel, node)
  if (space === undefined) return ''
  return space.vmas.map((vma) => {
    const sum = nothing()
    countArea(kernel, space, vma, sum)
    const names = VM_FLAGS.filter(([key, bit]) => (vma[key] & bit) !== 0).map(([, , name]) => name)
    if (vma.backing === undefined) names.push('ac')
    names.push('sd')
    return header(space, vma) + line('Size', (vma.end - vma.start) / KIB) + line('KernelPageSize', 4) + line('MMUPageSize', 4) +
      body(sum, (vma.flags & VMA_LOCKED) !== 0 ? pages(sum.proportional) : 0) + 'THPeligible:    0\n' + `VmFlags: ${names.join(' ')} \n`
  }).join('')
}

export const smapsRollup = (kernel: Kernel, node: ProcNode): string => {
  const space = spaceOf(kernel, node)
  if (space === undefined || space.vmas.length === 0) return ''
  const head = `${hex(space.vmas[0].start, 8)}-${hex(space.vmas[space.vmas.length - 1].end, 8)} ---p 00000000 00:00 0 `
  const sum = residentOf(kernel, space)
  const text = body(sum, sizesOf(space).locked / KIB)
  // Rollups tell Pss by kind, too.
  const at = text.indexOf('Shared_Clean:')
  return `${head.padEnd(NAME_COLUMN)}[rollup]\n${text.slice(0, at)}${line('Pss_Anon', pages(sum.anonymous))}${line('Pss_File', pages(sum.file))}${line('Pss_Shmem', pages(sum.shared))}${text.slice(at)}`
}
