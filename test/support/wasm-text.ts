/** A reader of the Wasm modules that we emit: functions as text, a statement a line with its operands in parentheses; names are those of the text format. */
import * as op from '../../src/emu/wasm/opcodes.ts'

const PREFIX = /^(i8x16|i16x8|i32x4|i64x2|f32x4|f64x2|v128|i32|i64|f32|f64)(.*)$/
/** i32WrapI64 → i32.wrap_i64. */
const textName = (name: string): string => {
  const match = PREFIX.exec(name)
  if (match === null) return name
  return `${match[1]}.${match[2].replace(/(?!^)([A-Z])/g, '_$1').toLowerCase()}`
}

interface Known { readonly name: string, readonly immediate: 'none' | 'memory' | 'lane' | 'lanes' | 'v128', readonly takes: number, readonly gives: number }

const PLAIN = new Map<number, Known>()
const SATURATING = new Map<number, Known>()
const SIMD = new Map<number, Known>()
const add = (opcode: number, name: string, takes: number, immediate: Known['immediate'] = 'none', gives = 1): void => {
  if (opcode >= 0xfd00) SIMD.set(opcode & 0xff, { name, immediate, takes, gives })
  else if (opcode >= 0xfc00) SATURATING.set(opcode & 0xff, { name, immediate, takes, gives })
  else PLAIN.set(opcode, { name, immediate, takes, gives })
}
for (const [type, [two, one]] of Object.entries({
  i32: [[op.I32_BINARY, op.I32_COMPARE], op.I32_UNARY], i64: [[op.I64_BINARY, op.I64_COMPARE], op.I64_UNARY],
  f32: [[op.F32_BINARY, op.F32_COMPARE], op.F32_UNARY], f64: [[op.F64_BINARY, op.F64_COMPARE], op.F64_UNARY],
} as const)) {
  const named = (name: string): string => textName(`${type}${name[0].toUpperCase()}${name.slice(1)}`)
  for (const table of two) for (const [name, opcode] of Object.entries(table)) add(opcode, named(name), 2)
  for (const [name, opcode] of Object.entries(one)) add(opcode, named(name), 1)
}
for (const [name, [opcode]] of Object.entries(op.CONVERT)) add(opcode, textName(name), 1)
for (const [name, [opcode]] of Object.entries(op.LOAD)) add(opcode, textName(name), 1, 'memory')
for (const [name, [opcode]] of Object.entries(op.STORE)) add(opcode, textName(name), 2, 'memory', 0)
const simd = (opcode: number, name: string, takes: number, immediate: Known['immediate'] = 'none'): void => { add(0xfd00 | opcode, name, takes, immediate) }
for (const table of [op.SIMD_BINARY, op.SIMD_SHIFT]) for (const [name, opcode] of Object.entries(table)) simd(opcode, textName(name), 2)
for (const table of [op.SIMD_UNARY, op.SIMD_TEST]) for (const [name, opcode] of Object.entries(table)) simd(opcode, textName(name), 1)
for (const [name, [opcode]] of Object.entries(op.SIMD_SPLAT)) simd(opcode, textName(name), 1)
for (const [name, [opcode]] of Object.entries(op.SIMD_EXTRACT)) simd(opcode, textName(name), 1, 'lane')
for (const [name, [opcode]] of Object.entries(op.SIMD_REPLACE)) simd(opcode, textName(name), 2, 'lane')
simd(0x0c, 'v128.const', 0, 'v128')
simd(0x0d, 'i8x16.shuffle', 2, 'lanes')
simd(82, 'v128.bitselect', 3)

const TYPES: Readonly<Record<number, string>> = { 0x7f: 'i32', 0x7e: 'i64', 0x7d: 'f32', 0x7c: 'f64', 0x7b: 'v128', 0x40: '' }

class Reader {
  readonly bytes: Uint8Array
  at = 0
  constructor(bytes: Uint8Array) { this.bytes = bytes }
  u8(): number { return this.bytes[this.at++] }
  unsigned(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.u8()
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
  }
  signed(): bigint {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.u8()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asIntN(Number(shift) + 7, value)
    }
  }
  take(count: number): Uint8Array {
    this.at += count
    return this.bytes.subarray(this.at - count, this.at)
  }
  name(): string { return Buffer.from(this.take(this.unsigned())).toString('utf8') }
}

const hex = (value: number): string => value < 10 ? String(value) : `0x${value.toString(16)}`

interface Signature { readonly params: number, readonly results: number }
interface Module {
  readonly types: readonly Signature[]
  /** Imported ones first. */
  readonly functions: readonly { readonly name: string, readonly type: number }[]
}

const body = (code: Reader, end: number, params: number, { types, functions }: Module): string[] => {
  const lines: string[] = []
  const locals: string[] = []
  for (let groups = code.unsigned(); groups > 0; groups--) {
    const count = code.unsigned()
    const type = TYPES[code.u8()]
    for (let i = 0; i < count; i++) locals.push(`$${params + locals.length}:${type}`)
  }
  if (locals.length > 0) lines.push(`local ${locals.join(' ')}`)
  let depth = 0
  /** What is on the stack, as expressions. */
  const stack: string[] = []
  const line = (text: string): void => { lines.push('  '.repeat(depth) + text) }
  const pop = (): string => stack.pop() ?? '?'
  const popped = (count: number): string => count === 0 ? '' : `(${stack.splice(stack.length - count, count).join(', ')})`
  const apply = (name: string, takes: number, gives: number): void => {
    const text = `${name}${popped(takes)}`
    if (gives > 0) stack.push(text)
    else line(text)
  }
  const known = (found: Known | undefined, opcode: number): void => {
    if (found === undefined) throw new Error(`Wasm opcode ${opcode.toString(16)} is not known here`)
    let { name } = found
    if (found.immediate === 'lane') name += ` ${code.u8()}`
    else if (found.immediate === 'lanes') name += ` ${[...code.take(16)].join(' ')} `
    else if (found.immediate === 'v128') name += ` ${Buffer.from(code.take(16)).toString('hex')}`
    else if (found.immediate === 'memory') {
      code.unsigned()
      const offset = code.unsigned()
      if (offset !== 0) name += ` ${hex(offset)}+`
    }
    apply(name, found.takes, found.gives)
  }
  while (code.at < end) {
    const opcode = code.u8()
    switch (opcode) {
      case 0x00: line('unreachable'); break
      case 0x02: case 0x03: case 0x04:
        code.u8()
        line(opcode === 0x04 ? `if ${pop()}` : opcode === 0x02 ? 'block' : 'loop')
        depth++
        break
      case 0x05: depth--; line('else'); depth++; break
      case 0x0b: if (depth > 0) { depth--; line('end') } break
      case 0x0c: line(`br ${code.unsigned()}`); break
      case 0x0d: line(`br_if ${code.unsigned()} ${pop()}`); break
      case 0x0e: line(`br_table ${Array.from({ length: code.unsigned() + 1 }, () => code.unsigned()).join(' ')} ${pop()}`); break
      case 0x0f: line(`return${stack.length === 0 ? '' : ` ${stack.splice(0).join(', ')}`}`); break
      case 0x10: {
        const { name, type } = functions[code.unsigned()]
        apply(`call ${name}`, types[type].params, types[type].results)
        break
      }
      case 0x11: case 0x13: {
        const { params: takes, results } = types[code.unsigned()]
        apply(`${opcode === 0x11 ? 'call_indirect' : 'return_call_indirect'} table ${code.unsigned()} `, takes + 1, opcode === 0x13 ? 0 : results)
        break
      }
      case 0x1a: line(`drop ${pop()}`); break
      case 0x1b: apply('select', 3, 1); break
      case 0x1c: code.take(2); apply('select', 3, 1); break
      case 0x20: stack.push(`$${code.unsigned()}`); break
      case 0x21: line(`$${code.unsigned()} = ${pop()}`); break
      case 0x22: { const local = code.unsigned(); stack.push(`($${local} = ${pop()})`); break }
      case 0x41: case 0x42: {
        const value = code.signed()
        stack.push(value > -4096n && value < 4096n ? String(value) : `0x${BigInt.asUintN(opcode === 0x41 ? 32 : 64, value).toString(16)}`)
        break
      }
      case 0x43: stack.push(String(Buffer.from(code.take(4)).readFloatLE())); break
      case 0x44: stack.push(String(Buffer.from(code.take(8)).readDoubleLE())); break
      case 0xfc: {
        const second = code.unsigned()
        if (second === 10) { code.take(2); apply('memory.copy', 3, 0) } else if (second === 11) { code.take(1); apply('memory.fill', 3, 0) } else known(SATURATING.get(second), second)
        break
      }
      case 0xfd: {
        const second = code.unsigned()
        known(SIMD.get(second), second)
        break
      }
      default: known(PLAIN.get(opcode), opcode)
    }
  }
  return lines
}

/** The functions of a module, by order, as lines. */
export const functionsAsText = (module: Uint8Array): string[][] => {
  const reader = new Reader(module)
  reader.at = 8
  const types: Signature[] = []
  const known: { name: string, type: number }[] = []
  let imported = 0
  const functions: string[][] = []
  while (reader.at < module.length) {
    const id = reader.u8()
    const end = reader.unsigned() + reader.at
    if (id === 1) {
      for (let count = reader.unsigned(); count > 0; count--) {
        reader.u8()
        const params = reader.unsigned()
        reader.take(params)
        const results = reader.unsigned()
        reader.take(results)
        types.push({ params, results })
      }
    } else if (id === 2) {
      for (let count = reader.unsigned(); count > 0; count--) {
        reader.name()
        const name = reader.name()
        const kind = reader.u8()
        if (kind === 0) {
          known.push({ name, type: reader.unsigned() })
          imported++
        } else {
          // A table's type comes before its limits: a reference to functions of one type.
          if (kind === 1 && reader.u8() < 0x70) reader.signed()
          for (let numbers = reader.u8() === 0 ? 1 : 2; numbers > 0; numbers--) reader.unsigned()
        }
      }
    } else if (id === 3) {
      for (let count = reader.unsigned(); count > 0; count--) known.push({ name: `$f${known.length}`, type: reader.unsigned() })
    } else if (id === 10) {
      const count = reader.unsigned()
      for (let i = 0; i < count; i++) {
        const size = reader.unsigned()
        functions.push(body(reader, reader.at + size, types[known[imported + i].type].params, { types, functions: known }))
      }
    }
    reader.at = end
  }
  return functions
}
