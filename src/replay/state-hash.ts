/**
 * A hash of all that makes up a world: the kernel's state as plain data, registers, and guest memory by content.
 *
 * Objects are numbered in the order in which they are first seen, and written in that order with references as numbers:
 * two states have one hash exactly if they have the same shape and values, shared references and cycles included. Frames
 * of guest memory are numbered in the same way, so that which frame a page happens to be in does not matter.
 *
 * A checkpoint costs what changed: the hash of a frame is kept until the frame is written (FRAME_DIRTY). After flags were
 * cleared the processor must forget the frames that it may write to directly, so that it sets them again.
 */
import type { XXHash } from 'xxhash-wasm'
import { FRAMES, PAGE_SHIFT, PAGE_SIZE } from '../emu/cpu/layout.ts'
import { FRAME_DIRTY, type PhysicalMemory } from '../emu/memory.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { PTE_FRAME } from '../kernel/mm/address-space.ts'
import { contentHash, wordsOf, xxhash } from '../trace/content-hash.ts'

const FIRST_FRAME = FRAMES >>> PAGE_SHIFT
const BUFFER_BYTES = 1 << 16
const SHORT_TEXT = 4096
/** The second half of the hash starts from another seed: 'Retrogra'. */
const SECOND_SEED = 0x52657472_6f677261n

/** What comes next in the stream that is hashed. */
const UNDEFINED = 0, NULL = 1, TRUE = 2, FALSE = 3, NUMBER = 4, NARROW = 5, WIDE = 6, REFERENCE = 7, OBJECT = 8, ARRAY = 9, MAP = 10,
  SET = 11, BYTES = 12, FRAME = 13, TABLE = 14, CONSTANT = 15, PAIR = 16

/** Fields that are not just values, by name; some only in objects of one `kind`. */
const SPECIAL = { frameMap: 1, pageTables: 2, constants: 3, frame: 4 } as const
const SPECIAL_FIELDS: { readonly [key: string]: { readonly is: number, readonly kind?: string } } = {
  pages: { is: SPECIAL.frameMap, kind: 'file' },
  frames: { is: SPECIAL.frameMap, kind: 'shared-memory' },
  tables: { is: SPECIAL.pageTables, kind: 'address-space' },
  /** Contents of host files: they never change. */
  hostContents: { is: SPECIAL.constants },
  zeroFrame: { is: SPECIAL.frame },
  dataFrame: { is: SPECIAL.frame },
}

/** Names of fields in their order: most objects have one of a few shapes, which are written once and then by number. */
interface Shape {
  readonly number: number
  readonly keys: readonly string[]
  /** SPECIAL by field, or 0. */
  readonly special: Uint8Array
}

/** Whether the object's fields are these: no array of its keys is made. */
const hasShape = (object: object, shape: Shape): boolean => {
  const { keys } = shape
  let i = 0
  for (const key in object) if (key !== keys[i++]) return false
  return i === keys.length
}

const hasKeys = (shape: Shape, keys: readonly string[]): boolean => {
  for (let i = 0; i < keys.length; i++) if (shape.keys[i] !== keys[i]) return false
  return true
}

const TYPED_ARRAYS = [Uint8Array, Int8Array, Uint16Array, Int16Array, Uint32Array, Int32Array, Float32Array, Float64Array] as const

const nameOf = (value: object): string => (Object.getPrototypeOf(value) as { constructor?: { name?: string } } | null)?.constructor?.name ?? 'an object without a prototype'

/** Hashes of frames as far as they are known, by frame from FIRST_FRAME on. */
export class FrameHashes {
  /** Two words each. */
  words = new Uint32Array(0)
  known = new Uint8Array(0)

  reserve(frames: number): void {
    if (frames <= this.known.length) return
    const words = new Uint32Array(frames * 2)
    words.set(this.words)
    this.words = words
    const known = new Uint8Array(frames)
    known.set(this.known)
    this.known = known
  }
}

/** FRAME_DIRTY can be cleared for one reader only: all that hash a memory share what they know. */
const shared = new WeakMap<PhysicalMemory, FrameHashes>()
const sharedHashes = (memory: PhysicalMemory): FrameHashes => {
  let hashes = shared.get(memory)
  if (hashes === undefined) {
    hashes = new FrameHashes()
    shared.set(memory, hashes)
  }
  return hashes
}

export class StateHasher {
  readonly #memory: PhysicalMemory
  readonly #hashes: FrameHashes
  #low!: XXHash<bigint>
  #high!: XXHash<bigint>
  readonly #bytes = new Uint8Array(BUFFER_BYTES)
  readonly #view = new DataView(this.#bytes.buffer)
  #at = 0
  readonly #numbers = new Map<object, number>()
  readonly #queue: object[] = []
  /** By number of fields. */
  readonly #shapes: Shape[][] = []
  #shapeCount = 0
  /** By the objects' `kind`: the shape that was last. */
  readonly #lastShapes = new Map<unknown, Shape>()
  /** By frame from FIRST_FRAME on: its number in the hash being made. */
  #frameNumbers = new Int32Array(0)
  #frames = 0
  /** What the last hash took: objects that were written, frames that had to be hashed, frames in all. */
  readonly cost = { objects: 0, dirtyFrames: 0, frames: 0 }

  constructor(memory: PhysicalMemory, hashes = sharedHashes(memory)) {
    this.#memory = memory
    this.#hashes = hashes
  }

  /** 16 bytes: the state of the whole world. */
  hashWorld(kernel: Kernel): Uint8Array {
    kernel.save()
    const hash = this.hash(kernel.state)
    if (this.cost.dirtyFrames > 0) kernel.processor.forgetWrites()
    return hash
  }

  /** 16 bytes: whatever can be reached from `state`. If `cost.dirtyFrames` is not 0 afterwards, the processor must forget which pages it may write. */
  hash(state: object): Uint8Array {
    this.#begin()
    this.#reference(state)
    for (let i = 0; i < this.#queue.length; i++) this.#content(this.#queue[i])
    this.cost.objects = this.#queue.length
    this.cost.frames = this.#frames
    this.#flush()
    // Nothing of the world is kept alive.
    this.#numbers.clear()
    this.#queue.length = 0
    const result = new Uint8Array(16)
    const view = new DataView(result.buffer)
    view.setBigUint64(0, this.#low.digest())
    view.setBigUint64(8, this.#high.digest())
    return result
  }

  #begin(): void {
    this.#low = xxhash.create64(0n)
    this.#high = xxhash.create64(SECOND_SEED)
    this.#at = 0
    this.#numbers.clear()
    this.#queue.length = 0
    this.#shapes.length = 0
    this.#shapeCount = 0
    this.#lastShapes.clear()
    this.#frames = 0
    this.cost.dirtyFrames = 0
    const frames = (this.#memory.u8.length >>> PAGE_SHIFT) - FIRST_FRAME
    this.#hashes.reserve(frames)
    if (frames > this.#frameNumbers.length) this.#frameNumbers = new Int32Array(frames)
    else this.#frameNumbers.fill(0)
  }

  // ——— The stream ———

  #flush(): void {
    const bytes = this.#bytes.subarray(0, this.#at)
    this.#low.update(bytes)
    this.#high.update(bytes)
    this.#at = 0
  }

  /** A place for `count` bytes. */
  #room(count: number): number {
    if (this.#at + count > BUFFER_BYTES) this.#flush()
    const at = this.#at
    this.#at = at + count
    return at
  }

  #tag(tag: number): void { this.#bytes[this.#room(1)] = tag }

  #tagged(tag: number, word: number): void {
    const at = this.#room(5)
    this.#bytes[at] = tag
    this.#view.setUint32(at + 1, word, true)
  }

  #text(text: string): void {
    const { length } = text
    let wide = false
    if (length <= SHORT_TEXT) {
      // As if it were narrow: written again if it is not.
      const at = this.#room(length + 5)
      const bytes = this.#bytes
      bytes[at] = NARROW
      this.#view.setUint32(at + 1, length, true)
      let seen = 0
      for (let i = 0; i < length; i++) {
        const unit = text.charCodeAt(i)
        seen |= unit
        bytes[at + 5 + i] = unit
      }
      if (seen <= 0xff) return
      this.#at = at
      wide = true
    } else {
      for (let i = 0; i < length && !wide; i++) wide = text.charCodeAt(i) > 0xff
    }
    this.#tagged(wide ? WIDE : NARROW, length)
    if (wide) {
      for (let i = 0; i < text.length; i++) this.#view.setUint16(this.#room(2), text.charCodeAt(i), true)
    } else {
      for (let i = 0; i < text.length; i++) this.#bytes[this.#room(1)] = text.charCodeAt(i)
    }
  }

  #raw(bytes: Uint8Array): void {
    if (bytes.length > BUFFER_BYTES) {
      this.#flush()
      this.#low.update(bytes)
      this.#high.update(bytes)
    } else {
      this.#bytes.set(bytes, this.#room(bytes.length))
    }
  }

  // ——— Values ———

  #value(value: unknown): void {
    switch (typeof value) {
      case 'number': {
        const at = this.#room(9)
        this.#bytes[at] = NUMBER
        this.#view.setFloat64(at + 1, value, true)
        return
      }
      case 'string': this.#text(value); return
      case 'boolean': this.#tag(value ? TRUE : FALSE); return
      case 'undefined': this.#tag(UNDEFINED); return
      case 'object':
        if (value === null) this.#tag(NULL)
        else if (Array.isArray(value) && value.length === 2 && typeof value[0] === 'number' && typeof value[1] === 'number') this.#pair(value[0], value[1])
        else this.#reference(value)
        return
      default: throw new TypeError(`a ${typeof value} is not plain data: it has no place in the state of a world`)
    }
  }

  /** Pairs of numbers (times, sets of signals) are values, not objects: there are many, and which of them are shared means nothing. */
  #pair(first: number, second: number): void {
    const at = this.#room(17)
    this.#bytes[at] = PAIR
    this.#view.setFloat64(at + 1, first, true)
    this.#view.setFloat64(at + 9, second, true)
  }

  /** The object's number; its content is written when its turn comes. */
  #reference(object: object): void {
    let number = this.#numbers.get(object)
    if (number === undefined) {
      number = this.#queue.length
      this.#numbers.set(object, number)
      this.#queue.push(object)
    }
    this.#tagged(REFERENCE, number)
  }

  /** The shape of an object, which is written: most have the one that the last of their kind had. */
  #shapeOf(object: { readonly kind?: unknown }): Shape {
    const { kind } = object
    const last = this.#lastShapes.get(kind)
    if (last !== undefined && hasShape(object, last)) {
      this.#tagged(OBJECT, last.number)
      return last
    }
    const shape = this.#shape(Object.keys(object))
    this.#lastShapes.set(kind, shape)
    return shape
  }

  /** The shape with these fields; a new one is written out. */
  #shape(keys: readonly string[]): Shape {
    const shapes = this.#shapes[keys.length] ??= []
    for (const known of shapes) {
      if (hasKeys(known, keys)) {
        this.#tagged(OBJECT, known.number)
        return known
      }
    }
    const shape: Shape = { number: this.#shapeCount++, keys, special: Uint8Array.from(keys, (key) => Object.hasOwn(SPECIAL_FIELDS, key) ? SPECIAL_FIELDS[key].is : 0) }
    shapes.push(shape)
    this.#tagged(OBJECT, shape.number)
    this.#tagged(ARRAY, keys.length)
    for (const key of keys) this.#text(key)
    return shape
  }

  #content(object: object): void {
    if (Array.isArray(object)) {
      this.#tagged(ARRAY, object.length)
      for (let i = 0; i < object.length; i++) this.#value(object[i])
    } else if (object instanceof Map) {
      this.#tagged(MAP, object.size)
      for (const [key, value] of object) {
        this.#value(key)
        this.#value(value)
      }
    } else if (object instanceof Set) {
      this.#tagged(SET, object.size)
      for (const value of object) this.#value(value)
    } else if (ArrayBuffer.isView(object)) {
      this.#typedArray(object)
    } else {
      this.#fields(object as { readonly [key: string]: unknown })
    }
  }

  #typedArray(array: ArrayBufferView): void {
    const type = TYPED_ARRAYS.findIndex((constructor) => array instanceof constructor)
    if (type < 0) throw new TypeError(`a ${nameOf(array)} has no place in the state of a world`)
    this.#tagged(BYTES, type)
    this.#tagged(BYTES, array.byteLength)
    this.#raw(new Uint8Array(array.buffer, array.byteOffset, array.byteLength))
  }

  #fields(object: { readonly [key: string]: unknown }): void {
    const prototype: unknown = Object.getPrototypeOf(object)
    if (prototype !== Object.prototype && prototype !== null) throw new TypeError(`${nameOf(object)} is not plain data: it has no place in the state of a world`)
    const { special } = this.#shapeOf(object)
    let i = 0
    // With `in`, as V8 then finds values by place and not by name. There is nothing to inherit.
    for (const key in object) {
      const value = object[key]
      if (special[i++] === 0) this.#value(value)
      else this.#special(key, value, object.kind)
    }
  }

  #special(key: string, value: unknown, kind: unknown): void {
    const { is, kind: wanted } = SPECIAL_FIELDS[key]
    if (wanted !== undefined && kind !== wanted) this.#value(value)
    else if (is === SPECIAL.frameMap && value instanceof Map) this.#frameMap(value as ReadonlyMap<number, number>)
    else if (is === SPECIAL.pageTables && value instanceof Map) this.#pageTables(value as ReadonlyMap<number, Int32Array>)
    else if (is === SPECIAL.constants && Array.isArray(value)) this.#constantContents(value as readonly Uint8Array[])
    else if (is === SPECIAL.frame && typeof value === 'number') this.#frame(value)
    else this.#value(value)
  }

  // ——— Memory ———

  #frameMap(map: ReadonlyMap<number, number>): void {
    this.#tagged(MAP, map.size)
    for (const [page, frame] of map) {
      this.#value(page)
      this.#frame(frame)
    }
  }

  #pageTables(tables: ReadonlyMap<number, Int32Array>): void {
    this.#tagged(MAP, tables.size)
    for (const [index, table] of tables) {
      this.#value(index)
      this.#tag(TABLE)
      for (let slot = 0; slot < table.length; slot++) {
        const entry = table[slot]
        if (entry === 0) continue
        const at = this.#room(6)
        this.#view.setUint16(at, slot, true)
        this.#view.setUint32(at + 2, entry & ~PTE_FRAME, true)
        this.#frame(entry & PTE_FRAME)
      }
      this.#view.setUint16(this.#room(2), 0xffff, true)
    }
  }

  #frame(frame: number): void {
    const index = frame - FIRST_FRAME
    // 0 stands for no frame.
    if (index < 0) {
      this.#value(frame)
      return
    }
    const known = this.#frameNumbers[index]
    if (known !== 0) {
      this.#tagged(FRAME, known)
      return
    }
    this.#frameNumbers[index] = ++this.#frames
    if (this.#hashes.known[index] === 0 || (this.#memory.flags(frame) & FRAME_DIRTY) !== 0) this.#hashFrame(frame, index)
    this.#tagged(FRAME, this.#frames)
    const at = this.#room(8)
    this.#view.setUint32(at, this.#hashes.words[index * 2], true)
    this.#view.setUint32(at + 4, this.#hashes.words[index * 2 + 1], true)
  }

  #hashFrame(frame: number, index: number): void {
    const [high, low] = wordsOf(xxhash.h64Raw(this.#memory.u8.subarray(frame * PAGE_SIZE, (frame + 1) * PAGE_SIZE)))
    this.#hashes.words[index * 2] = low
    this.#hashes.words[index * 2 + 1] = high
    this.#hashes.known[index] = 1
    this.#memory.clearFlag(frame, FRAME_DIRTY)
    this.cost.dirtyFrames++
  }

  #constantContents(contents: readonly Uint8Array[]): void {
    this.#tagged(CONSTANT, contents.length)
    for (const content of contents) {
      const words = contentHash(content)
      this.#tagged(CONSTANT, content.length)
      const at = this.#room(8)
      this.#view.setUint32(at, words[0], true)
      this.#view.setUint32(at + 4, words[1], true)
    }
  }
}

export const hexOf = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
