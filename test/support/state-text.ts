/** The state of a world as lines, path = value: to see in what two worlds differ whose hashes do. */
import { createHash } from 'node:crypto'
import { PAGE_SIZE } from '../../src/emu/cpu/layout.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import { PTE_FRAME, TABLE_PAGES } from '../../src/kernel/mm/address-space.ts'

const digest = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex').slice(0, 16)

class StateText {
  readonly lines: string[] = []
  readonly #kernel: Kernel
  readonly #seen = new Map<object, string>()
  readonly #queue: (readonly [object, string])[] = []
  readonly #frames = new Map<number, number>()

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    kernel.save()
    this.#value(kernel.state, 'state')
    for (let i = 0; i < this.#queue.length; i++) this.#content(...this.#queue[i])
  }

  #frame(frame: number): string {
    if (frame === 0) return 'none'
    const known = this.#frames.get(frame)
    if (known !== undefined) return `frame ${known}`
    this.#frames.set(frame, this.#frames.size)
    return `frame ${this.#frames.size - 1} ${digest(this.#kernel.memory.u8.subarray(frame * PAGE_SIZE, (frame + 1) * PAGE_SIZE))}`
  }

  #value(value: unknown, path: string): string {
    if (typeof value !== 'object' || value === null) return typeof value === 'string' ? JSON.stringify(value) : String(value)
    if (Array.isArray(value) && value.length === 2 && value.every((element) => typeof element === 'number')) return `[${value.join(', ')}]`
    const known = this.#seen.get(value)
    if (known !== undefined) return `→ ${known}`
    this.#seen.set(value, path)
    this.#queue.push([value, path])
    return '…'
  }

  #add(path: string, value: unknown): void { this.lines.push(`${path} = ${this.#value(value, path)}`) }

  #content(object: object, path: string): void {
    if (ArrayBuffer.isView(object)) {
      this.lines.push(`${path} = ${object.byteLength} bytes ${digest(new Uint8Array(object.buffer, object.byteOffset, object.byteLength))}`)
    } else if (Array.isArray(object)) {
      object.forEach((element, i) => { this.#add(`${path}[${i}]`, element) })
    } else if (object instanceof Map) {
      for (const [key, value] of object) this.#add(`${path}{${typeof key === 'object' ? this.#value(key, `${path}.key`) : String(key)}}`, value)
    } else if (object instanceof Set) {
      let i = 0
      for (const value of object) this.#add(`${path}<${i++}>`, value)
    } else {
      this.#fields(object as { readonly [key: string]: unknown }, path)
    }
  }

  #fields(object: { readonly [key: string]: unknown }, path: string): void {
    for (const [key, value] of Object.entries(object)) {
      const { kind } = object
      if (key === 'tables' && kind === 'address-space') {
        for (const [index, table] of value as ReadonlyMap<number, Int32Array>) {
          table.forEach((entry, slot) => {
            if (entry !== 0) this.lines.push(`${path}.page 0x${(index * TABLE_PAGES + slot).toString(16)} = ${(entry >>> 20).toString(16)} ${this.#frame(entry & PTE_FRAME)}`)
          })
        }
      } else if (value instanceof Map && ((key === 'pages' && kind === 'file') || (key === 'frames' && kind === 'shared-memory'))) {
        for (const [page, frame] of value as ReadonlyMap<number, number>) this.lines.push(`${path}.${key} ${page} = ${this.#frame(frame)}`)
      } else if ((key === 'zeroFrame' || key === 'dataFrame') && typeof value === 'number') {
        this.lines.push(`${path}.${key} = ${this.#frame(value)}`)
      } else {
        this.#add(`${path}.${key}`, value)
      }
    }
  }
}

export const stateLines = (kernel: Kernel): readonly string[] => new StateText(kernel).lines

/** Lines that are only in one of two states, at most `most` of each. */
export const differingLines = (first: readonly string[], second: readonly string[], most = 20): { readonly first: string[], readonly second: string[] } => {
  const [inFirst, inSecond] = [new Set(first), new Set(second)]
  return { first: first.filter((line) => !inSecond.has(line)).slice(0, most), second: second.filter((line) => !inFirst.has(line)).slice(0, most) }
}
