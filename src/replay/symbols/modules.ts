/** ELF files of the guest, read from what its mappings are of. They are kept by their content: worlds that are made again share them. */
import { PAGE_SIZE } from '../../emu/cpu/layout.ts'
import type { FileInode } from '../../kernel/fs/inode.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { AddressSpace, Vma } from '../../kernel/mm/address-space.ts'
import { MalformedFile } from './bytes.ts'
import { CallFrames } from './call-frames.ts'
import { ElfFile, type Unpack } from './elf-file.ts'
import { InlineTable } from './inlines.ts'
import { LineTable } from './line-table.ts'

export class Module {
  readonly elf: ElfFile
  #lines: LineTable | undefined
  #frames: CallFrames | undefined
  #inlines: InlineTable | undefined
  constructor(elf: ElfFile) { this.elf = elf }
  /** Made when first asked for. */
  get lines(): LineTable { return this.#lines ??= new LineTable(this.elf) }
  get inlines(): InlineTable { return this.#inlines ??= new InlineTable(this.elf, this.lines) }
  get frames(): CallFrames { return this.#frames ??= new CallFrames(this.elf) }
}

let unpack: Unpack | undefined
/** Debug sections may be compressed: whoever has zlib and zstd says so, once. Without, such sections are as if they weren't there. */
export const provideUnpack = (provided: Unpack): void => { unpack = provided }

const byContent = new WeakMap<Uint8Array, Module | null>()
/** Files that the guest wrote have no content of the host's: they are read anew when they have changed. */
const written = new WeakMap<FileInode, { readonly content: Uint8Array, readonly size: number, readonly changed: number }>()

/** The file as the guest sees it; nothing is asked of the host, so that a world that is looked at stays as it is. */
const contentOf = (kernel: Kernel, inode: FileInode): Uint8Array => {
  const host = inode.hostContent < 0 ? undefined : kernel.state.fs.hostContents.at(inode.hostContent)
  if (host !== undefined && host.length === inode.size && host.length === inode.hostSize) return host
  const known = written.get(inode)
  if (known?.size === inode.size && known.changed === inode.pages.size) return known.content
  const content = new Uint8Array(inode.size)
  if (host !== undefined) content.set(host.subarray(0, Math.min(inode.size, inode.hostSize)))
  for (const [index, frame] of inode.pages) {
    const at = index * PAGE_SIZE
    if (at < content.length) content.set(kernel.memory.u8.subarray(frame * PAGE_SIZE, frame * PAGE_SIZE + Math.min(PAGE_SIZE, content.length - at)), at)
  }
  written.set(inode, { content, size: inode.size, changed: inode.pages.size })
  return content
}

const moduleOf = (content: Uint8Array): Module | undefined => {
  let module = byContent.get(content)
  if (module === undefined) {
    try {
      module = new Module(new ElfFile(content, unpack))
    } catch (error) {
      if (!(error instanceof MalformedFile)) throw error
      module = null
    }
    byContent.set(content, module)
  }
  return module ?? undefined
}

export const areaAt = ({ vmas }: AddressSpace, address: number): Vma | undefined => {
  let [low, high] = [0, vmas.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (vmas[middle].end <= address) low = middle + 1
    else high = middle
  }
  const area = vmas.at(low)
  return low < vmas.length && area !== undefined && area.start <= address ? area : undefined
}

/** What ELF files are mapped, each with what must be added to its own addresses. */
export const modulesOf = (kernel: Kernel, space: AddressSpace): { readonly module: Module, readonly bias: number, readonly path: string }[] => {
  const found = new Map<Module, { readonly module: Module, readonly bias: number, readonly path: string }>()
  for (const { backing, start, offset, name } of space.vmas) {
    if (backing?.kind !== 'file') continue
    const module = moduleOf(contentOf(kernel, backing))
    const own = module?.elf.addressOf(offset)
    if (module !== undefined && own !== undefined && !found.has(module)) found.set(module, { module, bias: start - own, path: name })
  }
  return [...found.values()]
}

/** What ELF file is mapped at the address, and the address in its own terms. */
export const moduleAt = (kernel: Kernel, space: AddressSpace, address: number): { readonly module: Module, readonly address: number, readonly path: string } | undefined => {
  const area = areaAt(space, address)
  if (area?.backing?.kind !== 'file') return undefined
  const module = moduleOf(contentOf(kernel, area.backing))
  const own = module?.elf.addressOf(address - area.start + area.offset)
  return module === undefined || own === undefined ? undefined : { module, address: own, path: area.name }
}
