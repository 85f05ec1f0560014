/** Encodes a Wasm module: imports first, then functions by name, one table, exports. */
import { ByteWriter } from './bytes.ts'
import { FunctionBuilder } from './function.ts'
import { type Signature, VALUE_TYPE_CODE } from './types.ts'

/** A reference type without null; the instruction that makes a reference to a function. */
const NON_NULL = 0x64, NULLABLE = 0x63, REF_FUNC = 0xd2

interface ImportedFunction { readonly module: string, readonly name: string, readonly signature: Signature }
interface DefinedFunction { readonly builder: FunctionBuilder, exported: boolean }
interface RegionTable { readonly signature: Signature, readonly size: number, readonly imported: boolean }

export class ModuleBuilder {
  readonly #types: Signature[] = []
  readonly #typeKeys = new Map<string, number>()
  readonly #imports: ImportedFunction[] = []
  readonly #functions: DefinedFunction[] = []
  readonly #indices = new Map<string, number>()
  readonly #signatures = new Map<string, Signature>()
  readonly #known: Readonly<Record<string, Signature>>[] = []
  #memory: { minimumPages: number, maximumPages: number } | undefined
  #elements: readonly string[] = []
  #spare = 0
  #regions: RegionTable | undefined
  readonly #data: { address: number, bytes: Uint8Array }[] = []

  typeIndex(signature: Signature): number {
    const key = `${signature.params.join(',')}>${signature.results.join(',')}`
    let index = this.#typeKeys.get(key)
    if (index === undefined) {
      index = this.#types.length
      this.#types.push(signature)
      this.#typeKeys.set(key, index)
    }
    return index
  }

  importFunction(module: string, name: string, signature: Signature): void {
    if (this.#functions.length > 0) throw new Error('imports come before functions')
    this.#declare(name, signature, this.#imports.length)
    this.#imports.push({ module, name, signature })
  }

  importMemory(minimumPages: number, maximumPages: number): void {
    this.#memory = { minimumPages, maximumPages }
  }

  /** Functions may call themselves and those defined before; `declare` first what is called before its definition. */
  function(name: string, signature: Signature, body: (f: FunctionBuilder) => void, exported = false): void {
    this.#declare(name, signature, this.#imports.length + this.#functions.length)
    const builder = new FunctionBuilder(this, name, signature)
    this.#functions.push({ builder, exported })
    body(builder)
  }

  /**
   * Table 0: the named functions, all of one type, in order from index 0. Its elements have that type and are never null
   * and its size is fixed, so that an engine need not check more than the index in an indirect call. `spare` slots behind hold
   * the first function; the table is exported as 'handlers' for who fills them.
   */
  table(names: readonly string[], spare = 0): void {
    this.#elements = names
    this.#spare = spare
  }

  /**
   * A second table, of functions that come and go, all of one type: exported as 'regions', or imported (then it is the
   * module's only one).
   */
  regions(signature: Signature, size: number, imported: boolean): void {
    this.typeIndex(signature)
    this.#regions = { signature, size, imported }
  }
  get regionTable(): number { return this.#regions?.imported === true ? 0 : 1 }

  /** Exports all functions that are defined so far: name → signature. */
  exportAll(): Record<string, Signature> {
    for (const f of this.#functions) f.exported = true
    return Object.fromEntries(this.#functions.map(({ builder }) => [builder.name, builder.signature]))
  }

  /** Bytes that instantiating the module writes to the memory. */
  data(address: number, bytes: Uint8Array): void { this.#data.push({ address, bytes }) }

  /** Functions that expressions may name; what is emitted of them must be imported or defined, too. */
  know(signatures: Readonly<Record<string, Signature>>): void {
    this.#known.push(signatures)
  }

  hasFunction(name: string): boolean { return this.#indices.has(name) }

  functionIndex(name: string): number {
    const index = this.#indices.get(name)
    if (index === undefined) throw new Error(`no function ${name} in the module`)
    return index
  }

  functionSignature(name: string): Signature {
    const signature = this.#signatures.get(name) ?? this.#known.find((signatures) => Object.hasOwn(signatures, name))?.[name]
    if (signature === undefined) throw new Error(`no function ${name} in the module`)
    return signature
  }

  #declare(name: string, signature: Signature, index: number): void {
    if (this.#indices.has(name)) throw new Error(`function ${name} defined twice`)
    this.#indices.set(name, index)
    this.#signatures.set(name, signature)
    this.typeIndex(signature)
  }

  encode(): Uint8Array<ArrayBuffer> {
    const regionTableType = (s: ByteWriter): void => {
      if (this.#regions === undefined) return
      s.u8(NULLABLE)
      s.signed(this.typeIndex(this.#regions.signature))
      s.u8(0x01)
      s.unsigned(this.#regions.size)
      s.unsigned(this.#regions.size)
    }
    // Bodies first: encoding them may add types.
    const hints: number[][] = []
    const bodies = this.#functions.map(({ builder }, i) => builder.encode(hints[i] = []))
    const out = new ByteWriter()
    out.bytes([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00])
    const section = (id: number, write: (inner: ByteWriter) => void): void => {
      out.u8(id)
      out.sized(write)
    }
    section(1, (s) => {
      s.unsigned(this.#types.length)
      for (const { params, results } of this.#types) {
        s.u8(0x60)
        s.unsigned(params.length)
        for (const type of params) s.u8(VALUE_TYPE_CODE[type])
        s.unsigned(results.length)
        for (const type of results) s.u8(VALUE_TYPE_CODE[type])
      }
    })
    section(2, (s) => {
      s.unsigned(this.#imports.length + (this.#memory === undefined ? 0 : 1) + (this.#regions?.imported === true ? 1 : 0))
      for (const { module, name, signature } of this.#imports) {
        s.name(module)
        s.name(name)
        s.u8(0x00)
        s.unsigned(this.typeIndex(signature))
      }
      if (this.#memory !== undefined) {
        s.name('env')
        s.name('memory')
        s.u8(0x02)
        s.u8(0x01)
        s.unsigned(this.#memory.minimumPages)
        s.unsigned(this.#memory.maximumPages)
      }
      if (this.#regions?.imported === true) {
        s.name('env')
        s.name('regions')
        s.u8(0x01)
        regionTableType(s)
      }
    })
    section(3, (s) => {
      s.unsigned(this.#functions.length)
      for (const { builder } of this.#functions) s.unsigned(this.typeIndex(builder.signature))
    })
    const elementType = this.#elements.length === 0 ? 0 : this.typeIndex(this.functionSignature(this.#elements[0]))
    if (this.#elements.length > 0) {
      section(4, (s) => {
        s.unsigned(this.#regions === undefined ? 1 : 2)
        // With an initial value: the type does not allow null.
        s.bytes([0x40, 0x00, NON_NULL])
        s.signed(elementType)
        s.u8(0x01)
        s.unsigned(this.#elements.length + this.#spare)
        s.unsigned(this.#elements.length + this.#spare)
        s.u8(REF_FUNC)
        s.unsigned(this.functionIndex(this.#elements[0]))
        s.u8(0x0b)
        regionTableType(s)
      })
    }
    section(7, (s) => {
      const exported = this.#functions.filter((f) => f.exported)
      const hasTable = this.#regions?.imported === false
      const hasSpare = this.#spare > 0
      s.unsigned(exported.length + (hasTable ? 1 : 0) + (hasSpare ? 1 : 0))
      for (const { builder } of exported) {
        s.name(builder.name)
        s.u8(0x00)
        s.unsigned(this.functionIndex(builder.name))
      }
      if (hasTable) {
        s.name('regions')
        s.u8(0x01)
        s.unsigned(1)
      }
      if (hasSpare) {
        s.name('handlers')
        s.u8(0x01)
        s.unsigned(0)
      }
    })
    if (this.#elements.length > 0) {
      section(9, (s) => {
        s.unsigned(1)
        // Active, table 0, offset 0, elements of the table's type as expressions.
        s.bytes([0x06, 0x00, 0x41, 0x00, 0x0b, NON_NULL])
        s.signed(elementType)
        s.unsigned(this.#elements.length)
        for (const name of this.#elements) {
          s.u8(REF_FUNC)
          s.unsigned(this.functionIndex(name))
          s.u8(0x0b)
        }
      })
    }
    if (hints.some(({ length }) => length > 0)) {
      // WebAssembly proposal 'Branch Hinting'.
      section(0, (s) => {
        s.name('metadata.code.branch_hint')
        s.unsigned(hints.filter(({ length }) => length > 0).length)
        hints.forEach((list, i) => {
          if (list.length === 0) return
          s.unsigned(this.#imports.length + i)
          s.unsigned(list.length)
          for (const at of list) {
            s.unsigned(at)
            s.bytes([1, 0])
          }
        })
      })
    }
    section(10, (s) => {
      s.unsigned(bodies.length)
      for (const body of bodies) {
        s.unsigned(body.length)
        s.bytes(body)
      }
    })
    if (this.#data.length > 0) {
      section(11, (s) => {
        s.unsigned(this.#data.length)
        for (const { address, bytes } of this.#data) {
          s.u8(0x00)
          s.u8(0x41)
          s.signed(address)
          s.u8(0x0b)
          s.unsigned(bytes.length)
          s.bytes(bytes)
        }
      })
    }
    return out.take()
  }
}
