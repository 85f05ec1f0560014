/** Tar files as a tree in memory: what `--rootfs FILE.tar`, or the layers of an image (oci-image.ts), show the guest. */
import { extract, type Header } from 'tar-stream'
import type { HostStat } from '../kernel/outside.ts'

export interface TarNode {
  stat: HostStat
  /** Of a directory. */
  readonly children: Map<string, TarNode> | undefined
  /** Of a symbolic link. */
  readonly target: string | undefined
  /** Of a regular file. */
  readonly content: Uint8Array | undefined
}

/** A member of an archive. Names are byte strings. */
export interface TarEntry {
  readonly name: string
  readonly type: string
  /** Of links of both kinds. */
  readonly linkName: string
  readonly header: Header
  readonly content: Uint8Array
  /** PAX records with bytes of their own, by name. */
  readonly attributes: ReadonlyMap<string, Uint8Array>
}

const S_IFDIR = 0o040000, S_IFREG = 0o100000
const TYPES: Readonly<Record<string, number>> = {
  'file': S_IFREG, 'contiguous-file': S_IFREG, 'directory': S_IFDIR, 'symlink': 0o120000,
  'character-device': 0o020000, 'block-device': 0o060000, 'fifo': 0o010000,
}
const LINK_LIMIT = 40

/** tar-stream decodes names as UTF-8; the guest's are byte strings held as latin1. */
const toBytes = (text: string): string => {
  const bytes = new TextEncoder().encode(text)
  let latin1 = ''
  for (const byte of bytes) latin1 += String.fromCharCode(byte)
  return latin1
}

/** Name parts without '.' and empty ones. */
const parts = (path: string): string[] => path.split('/').filter((part) => part !== '' && part !== '.')

/** What climbs out stays at the root, as in a chroot. */
const inside = (path: readonly string[]): string[] => {
  const result: string[] = []
  for (const part of path) {
    if (part === '..') result.pop()
    else result.push(part)
  }
  return result
}

export class TarTree {
  #nextInode = 1
  readonly #root: TarNode = this.#directory(0o755, 0, 0, 0)

  /** By its own path: links are not followed. */
  get(path: string): TarNode | undefined {
    let node: TarNode | undefined = this.#root
    if (path === '') return node
    for (const part of path.split('/')) {
      node = node.children?.get(part)
      if (node === undefined) return undefined
    }
    return node
  }

  /** Following links, as a program with this root does. */
  find(path: string): TarNode | undefined {
    const real = this.#resolve(inside(parts(path)), true)
    return real === undefined ? undefined : this.get(real.join('/'))
  }

  #stat(type: number, mode: number, uid: number, gid: number, seconds: number, size: number, rdev = 0): HostStat {
    const time = [seconds, 0] as const
    return {
      dev: 1, ino: this.#nextInode++, mode: type | (mode & 0o7777), nlink: type === S_IFDIR ? 2 : 1, uid, gid, rdev, size,
      blocks: Math.ceil(size / 4096) * 8, atime: time, mtime: time, ctime: time,
    }
  }

  #directory(mode: number, uid: number, gid: number, seconds: number): TarNode {
    return { stat: this.#stat(S_IFDIR, mode, uid, gid, seconds, 4096), children: new Map(), target: undefined, content: undefined }
  }

  /**
   * The path without links in it: those that lead out end at the root. What is not there yet stays as it is named.
   * @param last the last part is followed, too
   * @returns undefined if there are too many links
   */
  #resolve(path: readonly string[], last: boolean): string[] | undefined {
    const rest = [...path]
    let real: string[] = []
    for (let links = 0; rest.length > 0;) {
      const part = rest.shift() as string
      if (part === '..') {
        real.pop()
        continue
      }
      const target = last || rest.length > 0 ? this.get([...real, part].join('/'))?.target : undefined
      if (target === undefined) {
        real.push(part)
        continue
      }
      if (++links > LINK_LIMIT) return undefined
      if (target.startsWith('/')) real = []
      rest.unshift(...parts(target))
    }
    return real
  }

  /** The directory that the name is in, made where it is not there; undefined: something else is in the way. */
  #parentOf(path: readonly string[]): TarNode | undefined {
    const real = this.#resolve(path.slice(0, -1), true)
    return real === undefined ? undefined : this.#make(real)
  }

  #make(path: readonly string[]): TarNode | undefined {
    let node = this.#root
    for (const part of path) {
      if (node.children === undefined) return undefined
      let child = node.children.get(part)
      if (child === undefined) {
        child = this.#directory(0o755, 0, 0, 0)
        node.children.set(part, child)
      }
      node = child
    }
    return node.children === undefined ? undefined : node
  }

  /** A directory, with those above it, where there is nothing. */
  makeDirectory(path: string): void {
    const real = this.#resolve(inside(parts(path)), true)
    if (real !== undefined) this.#make(real)
  }

  /** Takes a name away, with all below it. */
  remove(path: string): void {
    const names = inside(parts(path))
    const real = this.#resolve(names.slice(0, -1), true)
    const name = names.at(-1)
    if (real !== undefined && name !== undefined) this.get(real.join('/'))?.children?.delete(name)
  }

  /** Takes away all that is in a directory. */
  empty(path: string): void { this.find(path)?.children?.clear() }

  /**
   * A later entry takes the place of an earlier one; a directory keeps what is in it. Links on the way are followed, and end inside of the tree.
   * @returns why it can't be, if so
   */
  add({ name: entryName, type: entryType, linkName, header, content }: TarEntry): string | undefined {
    const path = inside(parts(entryName))
    const name = path.at(-1)
    if (name === undefined) {
      // The root itself: its attributes.
      if (entryType === 'directory') this.#root.stat = { ...this.#root.stat, mode: S_IFDIR | ((header.mode ?? 0o755) & 0o7777), uid: header.uid ?? 0, gid: header.gid ?? 0 }
      return undefined
    }
    const siblings = this.#parentOf(path)?.children
    if (siblings === undefined) return `'${entryName}' is below something that is no directory`
    if (entryType === 'link') {
      const target = this.#resolve(inside(parts(linkName)), false)
      const original = target === undefined ? undefined : this.get(target.join('/'))
      if (original === undefined) return `'${entryName}' is a hard link to '${linkName}', which is not there`
      if (original.children !== undefined) return `'${entryName}' is a hard link to the directory '${linkName}'`
      if (siblings.get(name) !== original) original.stat = { ...original.stat, nlink: original.stat.nlink + 1 }
      siblings.set(name, original)
      return undefined
    }
    const kind = TYPES[entryType]
    if (kind === undefined) return undefined
    const seconds = Math.floor((header.mtime?.getTime() ?? 0) / 1000)
    const mode = header.mode ?? 0o644
    const uid = header.uid ?? 0
    const gid = header.gid ?? 0
    const target = entryType === 'symlink' ? linkName : undefined
    const isFile = kind === S_IFREG
    const rdev = ((header.devmajor ?? 0) << 8) | (header.devminor ?? 0)
    siblings.set(name, {
      stat: this.#stat(kind, mode, uid, gid, seconds, isFile ? content.length : target?.length ?? 0, rdev),
      children: kind === S_IFDIR ? siblings.get(name)?.children ?? new Map() : undefined,
      target,
      content: isFile ? content : undefined,
    })
    return undefined
  }
}

const NO_ATTRIBUTES: ReadonlyMap<string, Uint8Array> = new Map()

const attributesOf = (header: Header): ReadonlyMap<string, Uint8Array> => {
  const pax = (header as { readonly pax?: Readonly<Record<string, string>> | null }).pax
  if (pax === undefined || pax === null) return NO_ATTRIBUTES
  return new Map(Object.entries(pax).map(([name, value]) => [toBytes(name), new TextEncoder().encode(value)]))
}

/** @throws Error as tar-stream words it, if the bytes are not a tar archive */
export const tarEntries = async (bytes: Uint8Array): Promise<TarEntry[]> => {
  const entries: TarEntry[] = []
  const archive = extract()
  archive.end(bytes)
  for await (const entry of archive) {
    const chunks: Uint8Array[] = []
    let length = 0
    for await (const chunk of entry as AsyncIterable<Uint8Array>) {
      chunks.push(chunk)
      length += chunk.length
    }
    const content = new Uint8Array(length)
    let at = 0
    for (const chunk of chunks) {
      content.set(chunk, at)
      at += chunk.length
    }
    const { header } = entry
    entries.push({
      name: toBytes(header.name), type: header.type ?? 'file', linkName: toBytes(header.linkname ?? ''), header, content, attributes: attributesOf(header),
    })
  }
  return entries
}

/** @throws Error as tar-stream words it, if the bytes are not a tar archive */
export const readTar = async (bytes: Uint8Array): Promise<TarTree> => {
  const tree = new TarTree()
  for (const entry of await tarEntries(bytes)) tree.add(entry)
  return tree
}
