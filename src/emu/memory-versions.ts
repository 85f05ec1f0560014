/**
 * Versions of guest memory: what snapshots keep of frames.
 *
 * Guests share frames on purpose (shared memory, pages of files), so that a frame can't be copied for the one who writes
 * as fork does: the frame stays the place where its content is now, and what it held when a snapshot was taken is put
 * aside before its first write since. A version is a content that a frame had at a time; snapshots hold versions, and
 * share them as long as nothing was written. Taking a snapshot costs a word a frame, a write after it one copy, going
 * back one copy for each frame that has changed.
 */
import { FRAMES, PAGE_SHIFT, PAGE_SIZE } from './cpu/layout.ts'
import { type Allocation, FRAME_CODE, FRAME_DIRTY, FRAME_HELD, type PhysicalMemory } from './memory.ts'

const FIRST_FRAME = FRAMES >>> PAGE_SHIFT
/** Pages for contents come from chunks of this many. */
const CHUNK_PAGES = 64
/** No version: the frame was written since the last snapshot, or is free. */
const NONE = 0

export interface MemorySnapshot {
  readonly allocation: Allocation
  /** By frame from FIRST_FRAME on: the version that it has, NONE for free ones. */
  readonly versions: Int32Array
}

export class MemoryVersions {
  readonly #memory: PhysicalMemory
  readonly #onCodeLost: (frame: number) => void
  /** By frame from FIRST_FRAME on: the version that it holds now. */
  #current = new Int32Array(0)
  /** By version: how many snapshots have it, and its content if it was put aside. */
  readonly #holders: number[] = [0]
  readonly #contents: (Uint8Array | undefined)[] = [undefined]
  readonly #freeVersions: number[] = []
  readonly #freePages: Uint8Array[] = []
  /** Pages that hold contents. */
  pagesInUse = 0

  /** @param onCodeLost a frame with translations gets another content: what was made of it may be kept for when the old one comes back */
  constructor(memory: PhysicalMemory, onCodeLost: (frame: number) => void) {
    this.#memory = memory
    this.#onCodeLost = onCodeLost
    memory.onHeldWrite = (frame) => { this.#putAside(frame) }
  }

  /** The processor must forget afterwards which frames it may write to. */
  take(): MemorySnapshot {
    const memory = this.#memory
    const allocation = memory.allocation()
    const { references } = allocation
    const versions = new Int32Array(references.length)
    this.#reserve(references.length)
    const current = this.#current
    for (let index = 0; index < versions.length; index++) {
      if (references[index] === 0) continue
      if (current[index] === NONE) {
        current[index] = this.#newVersion()
        memory.setFlag(FIRST_FRAME + index, FRAME_HELD)
      }
      versions[index] = current[index]
      this.#holders[current[index]]++
    }
    return { allocation, versions }
  }

  /** Puts the memory back. The processor must forget afterwards all that it knows of pages. */
  restore({ allocation, versions }: MemorySnapshot): void {
    const memory = this.#memory
    const { references } = allocation
    const count = Math.max(memory.frameCount, references.length)
    this.#reserve(count)
    const current = this.#current
    for (let index = 0; index < count; index++) {
      const version = index < versions.length ? versions[index] : NONE
      if (version === current[index] && version !== NONE) continue
      const frame = FIRST_FRAME + index
      if (version === NONE && memory.references(frame) === 0) continue
      if ((memory.flags(frame) & FRAME_CODE) !== 0) this.#onCodeLost(frame)
      // What others hold is put aside by whoever is given the frame next.
      if (version === NONE) continue
      if (current[index] !== NONE) this.#putAside(frame)
      const content = this.#contents[version]
      if (content === undefined) throw new Error(`frame ${frame}: nobody has its version ${version}`)
      memory.u8.set(content, frame * PAGE_SIZE)
      current[index] = version
      memory.setFlag(frame, FRAME_HELD | FRAME_DIRTY)
    }
    memory.setAllocation(allocation)
  }

  drop({ versions }: MemorySnapshot): void {
    for (let index = 0; index < versions.length; index++) {
      const version = versions[index]
      if (version === NONE || --this.#holders[version] > 0) continue
      if (this.#current[index] === version) {
        this.#current[index] = NONE
        this.#memory.clearFlag(FIRST_FRAME + index, FRAME_HELD)
      }
      this.#freeVersion(version)
    }
  }

  /** All snapshots are dropped, and frames will be given out anew. */
  clear(): void {
    this.#current.fill(NONE)
    this.#holders.length = 1
    this.#freeVersions.length = 0
    for (const content of this.#contents) if (content !== undefined) this.#freePages.push(content)
    this.#contents.length = 1
    this.pagesInUse = 0
  }

  /** The frame is about to change. */
  #putAside(frame: number): void {
    const index = frame - FIRST_FRAME
    const version = this.#current[index]
    this.#current[index] = NONE
    this.#memory.clearFlag(frame, FRAME_HELD)
    if (version === NONE || this.#contents[version] !== undefined) return
    const page = this.#freePages.pop() ?? this.#newPage()
    page.set(this.#memory.u8.subarray(frame * PAGE_SIZE, (frame + 1) * PAGE_SIZE))
    this.#contents[version] = page
    this.pagesInUse++
  }

  #newPage(): Uint8Array {
    const chunk = new Uint8Array(CHUNK_PAGES * PAGE_SIZE)
    for (let i = 1; i < CHUNK_PAGES; i++) this.#freePages.push(chunk.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE))
    return chunk.subarray(0, PAGE_SIZE)
  }

  #newVersion(): number {
    const version = this.#freeVersions.pop() ?? this.#holders.length
    this.#holders[version] = 0
    this.#contents[version] = undefined
    return version
  }

  #freeVersion(version: number): void {
    const content = this.#contents[version]
    if (content !== undefined) {
      this.#freePages.push(content)
      this.#contents[version] = undefined
      this.pagesInUse--
    }
    this.#freeVersions.push(version)
  }

  #reserve(count: number): void {
    if (count <= this.#current.length) return
    const current = new Int32Array(count * 2)
    current.set(this.#current)
    this.#current = current
  }
}
