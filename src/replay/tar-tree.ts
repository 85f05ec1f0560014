/** A tar file as a tree in memory: what `--rootfs FILE.tar` shows the guest. */
import { extract, type Header } from 'tar-stream'
import type { HostStat } from '../kernel/outside.ts'

export interface TarNode {
  readonly stat: HostStat
  /** Of a directory. */
  readonly children: Map<string, TarNode> | undefined
  /** Of a symbolic link. */
  readonly target: string | undefined
  /** Of a regular file. */
  readonly content: Uint8Array | undefined
}

const TYPES: Readonly<Record<string, number>> = {
  'file': 0o100000, 'contiguous-file': 0o100000, 'directory': 0o040000, 'symlink': 0o120000,
  'character-device': 0o020000, 'block-device': 0o060000, 'fifo': 0o010000,
}

/** tar-stream decodes names as UTF-8; the guest's are byte strings held as latin1. */
const toBytes = (text: string): string => {
  const bytes = new TextEncoder().encode(text)
  let latin1 = ''
  for (const byte of bytes) latin1 += String.fromCharCode(byte)
  return latin1
}

/** Name parts without '.', empty ones and what climbs out: '..' stays at the root, as in a chroot. */
const parts = (path: string): string[] => {
  const result: string[] = []
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue
    if (part === '..') result.pop()
    else result.push(part)
  }
  return result
}

export class TarTree {
  #nextInode = 1
  readonly #root: TarNode = this.#directory(0o755, 0, 0, 0)

  get(path: string): TarNode | undefined {
    let node: TarNode | undefined = this.#root
    if (path === '') return node
    for (const part of path.split('/')) {
      node = node.children?.get(part)
      if (node === undefined) return undefined
    }
    return node
  }

  #stat(type: number, mode: number, uid: number, gid: number, seconds: number, size: number, rdev = 0): HostStat {
    const time = [seconds, 0] as const
    return {
      dev: 1, ino: this.#nextInode++, mode: type | (mode & 0o7777), nlink: type === 0o040000 ? 2 : 1, uid, gid, rdev, size,
      blocks: Math.ceil(size / 4096) * 8, atime: time, mtime: time, ctime: time,
    }
  }

  #directory(mode: number, uid: number, gid: number, seconds: number): TarNode {
    return { stat: this.#stat(0o040000, mode, uid, gid, seconds, 4096), children: new Map(), target: undefined, content: undefined }
  }

  #parentOf(path: readonly string[]): TarNode {
    let node = this.#root
    for (const part of path.slice(0, -1)) {
      const children = node.children as Map<string, TarNode>
      let child = children.get(part)
      if (child?.children === undefined) {
        child = this.#directory(0o755, 0, 0, 0)
        children.set(part, child)
      }
      node = child
    }
    return node
  }

  /** A later entry takes the place of an earlier one; a directory keeps what is in it. */
  add(header: Header, content: Uint8Array): void {
    const path = parts(toBytes(header.name))
    const name = path.at(-1)
    if (name === undefined) return
    const siblings = this.#parentOf(path).children as Map<string, TarNode>
    if (header.type === 'link') {
      const original = this.get(parts(toBytes(header.linkname ?? '')).join('/'))
      if (original !== undefined) siblings.set(name, original)
      return
    }
    const type = TYPES[header.type ?? 'file']
    if (type === undefined) return
    const seconds = Math.floor((header.mtime?.getTime() ?? 0) / 1000)
    const mode = header.mode ?? 0o644
    const uid = header.uid ?? 0
    const gid = header.gid ?? 0
    const target = header.type === 'symlink' ? toBytes(header.linkname ?? '') : undefined
    const isFile = type === 0o100000
    const rdev = ((header.devmajor ?? 0) << 8) | (header.devminor ?? 0)
    siblings.set(name, {
      stat: this.#stat(type, mode, uid, gid, seconds, isFile ? content.length : target?.length ?? 0, rdev),
      children: type === 0o040000 ? siblings.get(name)?.children ?? new Map() : undefined,
      target,
      content: isFile ? content : undefined,
    })
  }
}

/** @throws Error as tar-stream words it, if the bytes are not a tar archive */
export const readTar = async (bytes: Uint8Array): Promise<TarTree> => {
  const tree = new TarTree()
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
    tree.add(entry.header, content)
  }
  return tree
}
