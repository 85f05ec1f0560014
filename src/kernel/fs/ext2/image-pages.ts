/** An image that is being written to: pages of it are copied when they are first touched, and go back all at once. */
import { PAGE_SIZE } from '../../../emu/cpu/layout.ts'
import type { Kernel } from '../../kernel.ts'
import { type FileInode, pageFrame, readInode, touchModified, writeInode } from '../inode.ts'
import { countWritten } from '../loop.ts'
import { viewOf } from './format.ts'
import { damaged } from './load.ts'

interface Page { readonly bytes: Uint8Array, readonly view: DataView }

/** Offsets are the image's, in bytes; numbers lie within a page, as all of ext2's do. */
export class ImagePages {
  readonly #kernel: Kernel
  readonly #image: FileInode
  readonly #pages = new Map<number, Page>()
  /** Pages that a disk is given though it has the same, as blocks in them come into use. */
  readonly #fresh = new Set<number>()

  constructor(kernel: Kernel, image: FileInode) {
    this.#kernel = kernel
    this.#image = image
  }

  #page(offset: number): Page {
    const index = Math.floor(offset / PAGE_SIZE)
    let page = this.#pages.get(index)
    if (page === undefined) {
      if (index * PAGE_SIZE >= this.#image.size) damaged()
      const bytes = new Uint8Array(PAGE_SIZE)
      bytes.set(readInode(this.#kernel, this.#image, index * PAGE_SIZE, PAGE_SIZE))
      page = { bytes, view: viewOf(bytes) }
      this.#pages.set(index, page)
    }
    return page
  }

  u8(offset: number): number { return this.#page(offset).bytes[offset % PAGE_SIZE] }
  u16(offset: number): number { return this.#page(offset).view.getUint16(offset % PAGE_SIZE, true) }
  u32(offset: number): number { return this.#page(offset).view.getUint32(offset % PAGE_SIZE, true) }
  setU8(offset: number, value: number): void { this.#page(offset).bytes[offset % PAGE_SIZE] = value }
  setU16(offset: number, value: number): void { this.#page(offset).view.setUint16(offset % PAGE_SIZE, value, true) }
  setU32(offset: number, value: number): void { this.#page(offset).view.setUint32(offset % PAGE_SIZE, value, true) }

  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let done = 0; done < length;) {
      const at = (offset + done) % PAGE_SIZE
      const piece = this.#page(offset + done).bytes.subarray(at, at + length - done)
      bytes.set(piece, done)
      done += piece.length
    }
    return bytes
  }

  write(offset: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const at = (offset + done) % PAGE_SIZE
      const piece = bytes.subarray(done, done + PAGE_SIZE - at)
      this.#page(offset + done).bytes.set(piece, at)
      done += piece.length
    }
  }

  fill(value: number, offset: number, end: number): void {
    for (let at = offset; at < end;) {
      const inPage = at % PAGE_SIZE
      const count = Math.min(PAGE_SIZE - inPage, end - at)
      this.#page(at).bytes.fill(value, inPage, inPage + count)
      at += count
    }
  }

  /** A block comes into use: whatever is in it counts as written. */
  use(offset: number): void { this.#fresh.add(Math.floor(offset / PAGE_SIZE)) }

  /** Writes what differs to the image. @throws OutOfFrames, with the image as it was */
  commit(): void {
    const image = this.#image
    const changed: number[] = []
    for (const [index, { bytes }] of this.#pages) if (differs(readInode(this.#kernel, image, index * PAGE_SIZE, PAGE_SIZE), bytes)) changed.push(index)
    changed.sort((a, b) => a - b)
    // Room for all of it first: a half-written image would be a broken one.
    for (const index of changed) pageFrame(this.#kernel, image, index, true)
    for (const index of changed) writeInode(this.#kernel, image, index * PAGE_SIZE, this.#page(index * PAGE_SIZE).bytes.subarray(0, image.size - index * PAGE_SIZE))
    if (changed.length > 0) touchModified(this.#kernel, image)
    for (const index of changed) this.#fresh.add(index)
    countWritten(this.#kernel, image, this.#fresh.size * PAGE_SIZE)
  }
}

/** A plain loop, as whole images are compared so. */
const differs = (old: Uint8Array, bytes: Uint8Array): boolean => {
  for (let i = 0; i < old.length; i++) if (old[i] !== bytes[i]) return true
  return false
}
