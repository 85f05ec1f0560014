/** Bytes of x86-64 code with labels: no more than the vDSO needs. Instructions come as bytes; jumps and data are resolved here. */

/** Conditions of Jcc rel32 (0F 80 + n). */
export const JUMP_IF = { below: 0x2, notBelow: 0x3, equal: 0x4, notEqual: 0x5, above: 0x7 } as const

interface Fixup { readonly at: number, readonly label: string }

export class Assembler {
  readonly #bytes: number[] = []
  readonly #labels = new Map<string, number>()
  readonly #fixups: Fixup[] = []
  /** Where the code will be, and where the data begins, relative to the image. */
  readonly #base: number
  readonly #data: number

  constructor(base: number, data: number) {
    this.#base = base
    this.#data = data
  }

  /** Offset in the image of what comes next. */
  get here(): number { return this.#base + this.#bytes.length }

  code(...bytes: readonly number[]): void { this.#bytes.push(...bytes) }

  /** An instruction whose last operand is an imm32. */
  immediate(opcode: readonly number[], value: number): void {
    this.code(...opcode)
    this.#put32(value)
  }

  label(name: string): void {
    if (this.#labels.has(name)) throw new Error(`label ${name} twice`)
    this.#labels.set(name, this.#bytes.length)
  }

  jump(label: string): void {
    this.code(0xe9)
    this.#reference(label)
  }

  jumpIf(condition: number, label: string): void {
    this.code(0x0f, 0x80 + condition)
    this.#reference(label)
  }


  /** An instruction with a RIP-relative operand: `opcode` ends in the ModRM byte (mod 00, rm 101); the data's offset follows. */
  withData(opcode: readonly number[], offset: number): void {
    this.code(...opcode)
    this.#put32(this.#data + offset - (this.here + 4))
  }

  /** Functions begin at multiples of 16; INT3 between them. */
  align(): void { while (this.here % 16 !== 0) this.code(0xcc) }

  finish(): Uint8Array {
    for (const { at, label } of this.#fixups) {
      const target = this.#labels.get(label)
      if (target === undefined) throw new Error(`no label ${label}`)
      const distance = target - (at + 4)
      for (let i = 0; i < 4; i++) this.#bytes[at + i] = (distance >> (i * 8)) & 0xff
    }
    return Uint8Array.from(this.#bytes)
  }

  #reference(label: string): void {
    this.#fixups.push({ at: this.#bytes.length, label })
    this.#put32(0)
  }

  #put32(value: number): void { for (let i = 0; i < 4; i++) this.#bytes.push((value >> (i * 8)) & 0xff) }
}
