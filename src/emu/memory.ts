/**
 * Guest memory: page frames in one Wasm memory.
 *
 * A frame is named by its number (byte address >> 12). Frames are reference-counted: an address space, the page cache
 * and a snapshot each hold references, and a frame with more than one reference that is mapped privately is copied
 * before it is written. New frames are zero.
 *
 * Growing a Wasm memory detaches its ArrayBuffer: never keep `u8` and the other views in a variable across a call
 * that may allocate.
 */
import { FRAMES, PAGE_SHIFT, PAGE_SIZE } from './cpu/layout.ts'

/** Wasm pages are 64 KiB. */
const WASM_PAGE = 65536
const GROW_BYTES = 16 << 20
const INITIAL_BYTES = FRAMES + GROW_BYTES
const MAXIMUM_BYTES = 0x1_0000_0000

/** The frame was written since flags were last cleared: its hash is stale. */
export const FRAME_DIRTY = 1
/** Translations were made from this frame: a write must drop them first. */
export const FRAME_CODE = 2

/** A snapshot has the content: it must be put aside before it changes (memory-versions.ts). Frames that are free may have it too. */
export const FRAME_HELD = 0x80

/** Which frames are in use, and in which order the others will be given out. */
export interface Allocation {
  /** By frame from FRAMES on, of those that were ever given out. */
  readonly references: Int32Array
  readonly free: Int32Array
}

/** Thrown when guests hold all of the memory that there is; the kernel turns it into ENOMEM or an OOM kill. */
export class OutOfFrames extends Error {}

export class PhysicalMemory {
  readonly memory: WebAssembly.Memory
  /** At most this many frames are given out. */
  readonly frameLimit: number
  u8!: Uint8Array
  u16!: Uint16Array
  u32!: Uint32Array
  i32!: Int32Array
  f64!: Float64Array
  u64!: BigUint64Array
  view!: DataView

  #free: number[] = []
  #next = FRAMES >>> PAGE_SHIFT
  #references = new Int32Array(1 << 14)
  #flags = new Uint8Array(1 << 14)
  framesInUse = 0

  /** Called with a frame before a write to it drops translations made from it. Set by the processor. */
  onCodeWrite: (frame: number) => void = () => {}
  /** Called when a frame becomes one with translations, whoever marked it: direct write access to it must go. Set by the processor. */
  onCodeMark: () => void = () => {}
  /** Called with a frame that is held, before its content changes. Set by whoever keeps snapshots. */
  onHeldWrite: (frame: number) => void = () => {}

  constructor(limitBytes = MAXIMUM_BYTES) {
    // Not the last frame: an address behind it would wrap to 0.
    this.frameLimit = Math.min(limitBytes, MAXIMUM_BYTES - FRAMES - PAGE_SIZE) / PAGE_SIZE >>> 0
    this.memory = new WebAssembly.Memory({ initial: INITIAL_BYTES / WASM_PAGE, maximum: MAXIMUM_BYTES / WASM_PAGE })
    this.#refresh()
  }

  #refresh(): void {
    const buffer = this.memory.buffer
    this.u8 = new Uint8Array(buffer)
    this.u16 = new Uint16Array(buffer)
    this.u32 = new Uint32Array(buffer)
    this.i32 = new Int32Array(buffer)
    this.f64 = new Float64Array(buffer)
    this.u64 = new BigUint64Array(buffer)
    this.view = new DataView(buffer)
  }

  /** A zeroed frame with one reference. @throws OutOfFrames */
  allocate(): number {
    if (this.framesInUse >= this.frameLimit) throw new OutOfFrames('guest memory is full')
    let frame = this.#free.pop()
    if (frame !== undefined) {
      if ((this.flags(frame) & FRAME_HELD) !== 0) this.onHeldWrite(frame)
      this.u8.fill(0, frame * PAGE_SIZE, (frame + 1) * PAGE_SIZE)
    } else {
      frame = this.#next
      if ((frame + 1) * PAGE_SIZE > this.u8.length) this.#grow()
      this.#next++
      const index = frame - (FRAMES >>> PAGE_SHIFT)
      if (index >= this.#references.length) {
        const references = new Int32Array(this.#references.length * 2)
        references.set(this.#references)
        this.#references = references
        const flags = new Uint8Array(this.#flags.length * 2)
        flags.set(this.#flags)
        this.#flags = flags
      }
    }
    const index = frame - (FRAMES >>> PAGE_SHIFT)
    this.#references[index] = 1
    this.#flags[index] = FRAME_DIRTY
    this.framesInUse++
    return frame
  }

  #grow(): void {
    try {
      this.memory.grow(GROW_BYTES / WASM_PAGE)
    } catch {
      throw new OutOfFrames('the host refused to grow the guest memory')
    }
    this.#refresh()
  }

  /** A copy of `frame` with one reference. */
  copy(frame: number): number {
    const copy = this.allocate()
    this.u8.copyWithin(copy * PAGE_SIZE, frame * PAGE_SIZE, (frame + 1) * PAGE_SIZE)
    return copy
  }

  retain(frame: number): void {
    this.#references[frame - (FRAMES >>> PAGE_SHIFT)]++
  }

  /** Drops a reference; the last one frees the frame. */
  release(frame: number): void {
    const index = frame - (FRAMES >>> PAGE_SHIFT)
    if (--this.#references[index] > 0) return
    if (this.#references[index] < 0) throw new Error(`frame ${frame} released too often`)
    if ((this.#flags[index] & FRAME_CODE) !== 0) this.onCodeWrite(frame)
    this.#flags[index] &= FRAME_HELD | FRAME_DIRTY
    this.#free.push(frame)
    this.framesInUse--
  }

  /** Frees all frames, for another world: they are given out again in the order in which a new memory gives them. */
  recycle(): void {
    this.#free = []
    for (let frame = this.#next - 1; frame >= FRAMES >>> PAGE_SHIFT; frame--) this.#free.push(frame)
    this.#references.fill(0)
    this.#flags.fill(0)
    this.framesInUse = 0
  }

  references(frame: number): number {
    return this.#references[frame - (FRAMES >>> PAGE_SHIFT)]
  }

  flags(frame: number): number {
    return this.#flags[frame - (FRAMES >>> PAGE_SHIFT)]
  }

  /** Must be called before every write to a frame that does not come from emitted code. */
  beforeWrite(frame: number): void {
    const index = frame - (FRAMES >>> PAGE_SHIFT)
    const flags = this.#flags[index]
    if ((flags & (FRAME_CODE | FRAME_HELD)) !== 0) {
      if ((flags & FRAME_CODE) !== 0) this.onCodeWrite(frame)
      if ((flags & FRAME_HELD) !== 0) this.onHeldWrite(frame)
    }
    this.#flags[index] |= FRAME_DIRTY
  }

  /** Translations are made from the frame: writes to it must be noticed from now on. */
  markCode(frame: number): void {
    const index = frame - (FRAMES >>> PAGE_SHIFT)
    if ((this.#flags[index] & FRAME_CODE) !== 0) return
    this.#flags[index] |= FRAME_CODE
    this.onCodeMark()
  }

  /** How many frames were ever given out. */
  get frameCount(): number { return this.#next - (FRAMES >>> PAGE_SHIFT) }

  allocation(): Allocation {
    return { references: this.#references.slice(0, this.frameCount), free: Int32Array.from(this.#free) }
  }

  /** Makes the frames that are in use those that were then; contents are the caller's business, translations of freed frames too. */
  setAllocation({ references, free }: Allocation): void {
    const first = FRAMES >>> PAGE_SHIFT
    const count = this.frameCount
    for (let index = 0; index < count; index++) {
      const now = index < references.length ? references[index] : 0
      if (now === 0 && this.#references[index] > 0) this.#flags[index] &= FRAME_HELD | FRAME_DIRTY
      this.#references[index] = now
    }
    this.#free.length = 0
    // Frames that came since are given out last.
    for (let frame = first + count - 1; frame >= first + references.length; frame--) this.#free.push(frame)
    for (const frame of free) this.#free.push(frame)
    this.framesInUse = count - this.#free.length
  }

  setFlag(frame: number, flag: number): void {
    this.#flags[frame - (FRAMES >>> PAGE_SHIFT)] |= flag
  }

  clearFlag(frame: number, flag: number): void {
    this.#flags[frame - (FRAMES >>> PAGE_SHIFT)] &= ~flag
  }
}
