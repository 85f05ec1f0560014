/** Builds one Wasm function: typed locals, structured control flow, statements over `Expr`. */
import { ByteWriter } from './bytes.ts'
import type { Expr, Statement } from './expression.ts'
import { i32, i64, stores } from './expression.ts'
import type { ModuleBuilder } from './module.ts'
import { type Signature, VALUE_TYPE_CODE, type ValueType } from './types.ts'

/** A local is an expression that reads it. */
export class Local implements Expr {
  readonly type: ValueType
  readonly index: number
  /** Made by `let`: it keeps its value. */
  bound = false
  /** Of an integer known to have no bits above its low `width` bytes; 8: nothing is known. */
  width = 8
  float: Expr | undefined
  constructor(type: ValueType, index: number) {
    this.type = type
    this.index = index
  }
  emit(out: ByteWriter): void {
    out.u8(0x20)
    out.unsigned(this.index)
  }
}

const bitsOf = (float: Expr, type: ValueType): Expr => {
  if (float.type === 'f64') return i64.reinterpretF64(float)
  const bits = i32.reinterpretF32(float)
  return type === 'i64' ? i64.extendI32U(bits) : bits
}

/** A branch target: `block` labels jump behind the block, `loop` labels to its start. */
export interface Label { readonly depth: number }

export class FunctionBuilder {
  readonly name: string
  readonly signature: Signature
  readonly params: readonly Local[]
  readonly module: ModuleBuilder
  readonly #locals: ValueType[] = []
  readonly #out = new ByteWriter()
  /** Where the `if`s are that hardly ever hold. */
  readonly #unlikely: number[] = []
  #depth = 0
  /** Locals of scopes that have ended, to be used again. */
  readonly #spare: Local[] = []
  #scope: Local[] | undefined

  constructor(module: ModuleBuilder, name: string, signature: Signature) {
    this.module = module
    this.name = name
    this.signature = signature
    this.params = signature.params.map((type, index) => new Local(type, index))
  }

  /** How many blocks are open. */
  get depth(): number { return this.#depth }

  /** Outside of scopes it is zero at first. */
  local(type: ValueType): Local {
    const spare = this.#scope === undefined ? -1 : this.#spare.findIndex((local) => local.type === type)
    const local = spare < 0 ? new Local(type, this.params.length + this.#locals.length) : this.#spare.splice(spare, 1)[0]
    if (spare < 0) this.#locals.push(type)
    local.bound = false
    local.width = 8
    local.float = undefined
    this.#scope?.push(local)
    return local
  }

  /** A local that is not of the scope. */
  permanent(type: ValueType): Local {
    const scope = this.#scope
    this.#scope = undefined
    const local = this.local(type)
    this.#scope = scope
    return local
  }

  /** Locals made in `body` are free for others afterwards: they hold anything at first. Scopes don't nest. */
  scope(body: () => void): void {
    this.#scope = []
    body()
    this.#spare.push(...this.#scope)
    this.#scope = undefined
  }

  /** As `scope`, in two halves; locals in `kept` stay what they are. */
  openScope(): void { this.#scope = [] }
  closeScope(kept: ReadonlySet<Expr>): void {
    if (this.#scope !== undefined) for (const local of this.#scope) if (!kept.has(local)) this.#spare.push(local)
    this.#scope = undefined
  }

  /** As `closeScope`, keeping all. */
  keepScope(): void { this.#scope = undefined }

  /** Emits what comes before all that was emitted so far; `body` leaves no block open. */
  prologue(body: () => void): void {
    const rest = this.#out.take()
    const hints = this.#unlikely.splice(0)
    this.#out.length = 0
    body()
    this.#unlikely.push(...hints.map((at) => at + this.#out.length))
    this.#out.bytes(rest)
  }

  /** Evaluates now, once; constants and locals that are already bound stay what they are. */
  let(value: Expr): Expr {
    if (value.constant !== undefined || value instanceof Local && value.bound) return value
    const float = value.float === undefined ? undefined : this.let(value.float)
    const local = this.local(value.type)
    this.set(local, float === undefined ? value : bitsOf(float, value.type))
    local.float = float
    local.bound = true
    local.width = value.width ?? 8
    return local
  }

  set(local: Local, value: Expr): void {
    if (local.type !== value.type) throw new TypeError(`${this.name}: local is ${local.type}, value ${value.type}`)
    value.emit(this.#out)
    this.#out.u8(0x21)
    this.#out.unsigned(local.index)
  }

  do(statement: Statement): void {
    statement(this.#out)
  }

  i32Store(address: Expr, offset: number, value: Expr): void { this.do(stores.i32Store(address, offset, value)) }
  i32Store8(address: Expr, offset: number, value: Expr): void { this.do(stores.i32Store8(address, offset, value)) }
  i32Store16(address: Expr, offset: number, value: Expr): void { this.do(stores.i32Store16(address, offset, value)) }
  i64Store(address: Expr, offset: number, value: Expr): void { this.do(stores.i64Store(address, offset, value)) }
  i64Store8(address: Expr, offset: number, value: Expr): void { this.do(stores.i64Store8(address, offset, value)) }
  i64Store16(address: Expr, offset: number, value: Expr): void { this.do(stores.i64Store16(address, offset, value)) }
  i64Store32(address: Expr, offset: number, value: Expr): void { this.do(stores.i64Store32(address, offset, value)) }
  v128Store(address: Expr, offset: number, value: Expr): void { this.do(stores.v128Store(address, offset, value)) }

  if(condition: Expr, then: () => void, otherwise?: () => void): void {
    if (condition.constant !== undefined) {
      if (condition.constant !== 0n) then()
      else otherwise?.()
      return
    }
    condition.emit(this.#out)
    this.#out.u8(0x04)
    this.#out.u8(0x40)
    this.#depth++
    then()
    if (otherwise !== undefined) {
      this.#out.u8(0x05)
      otherwise()
    }
    this.#depth--
    this.#out.u8(0x0b)
  }

  /** A value from one of two branches, only one of which is evaluated; both may contain statements. */
  ifValue(type: ValueType, condition: Expr, then: () => Expr, otherwise: () => Expr): Expr {
    const result = this.local(type)
    this.if(condition, () => { this.set(result, then()) }, () => { this.set(result, otherwise()) })
    return result
  }

  /** An `if` that hardly ever holds: engines that take hints keep its code out of the way. */
  unlikely(condition: Expr, then: () => void): void {
    if (condition.constant !== undefined) {
      this.if(condition, then)
      return
    }
    condition.emit(this.#out)
    this.#unlikely.push(this.#out.length)
    this.#out.u8(0x04)
    this.#out.u8(0x40)
    this.#depth++
    then()
    this.#depth--
    this.#out.u8(0x0b)
  }

  block(body: (label: Label) => void): void { this.#nested(0x02, body) }
  loop(body: (label: Label) => void): void { this.#nested(0x03, body) }

  #nested(opcode: number, body: (label: Label) => void): void {
    this.#out.u8(opcode)
    this.#out.u8(0x40)
    this.#depth++
    body({ depth: this.#depth })
    this.#depth--
    this.#out.u8(0x0b)
  }

  br(label: Label): void {
    this.#out.u8(0x0c)
    this.#out.unsigned(this.#depth - label.depth)
  }

  brIf(label: Label, condition: Expr): void {
    condition.emit(this.#out)
    this.#out.u8(0x0d)
    this.#out.unsigned(this.#depth - label.depth)
  }

  /** br_table: index i goes to labels[i], anything else to `fallback`. */
  brTable(index: Expr, labels: readonly Label[], fallback: Label): void {
    index.emit(this.#out)
    this.#out.u8(0x0e)
    this.#out.unsigned(labels.length)
    for (const label of labels) this.#out.unsigned(this.#depth - label.depth)
    this.#out.unsigned(this.#depth - fallback.depth)
  }

  return(...values: readonly Expr[]): void {
    for (const value of values) value.emit(this.#out)
    this.#out.u8(0x0f)
  }

  unreachable(): void { this.#out.u8(0x00) }

  /** A call as an expression; a function without a result, or whose result is not wanted, goes through `callVoid`. */
  call(name: string, ...args: readonly Expr[]): Expr {
    const callee = this.module.functionSignature(name)
    if (callee.results.length !== 1) throw new TypeError(`${name} has ${callee.results.length} results, not one`)
    return { type: callee.results[0], emit: (out) => { this.#emitCall(out, name, callee, args) } }
  }

  callVoid(name: string, ...args: readonly Expr[]): void {
    const callee = this.module.functionSignature(name)
    this.#emitCall(this.#out, name, callee, args)
    for (let i = 0; i < callee.results.length; i++) this.#out.u8(0x1a)
  }

  #emitCall(out: ByteWriter, name: string, callee: Signature, args: readonly Expr[]): void {
    if (args.length !== callee.params.length) throw new TypeError(`${name} takes ${callee.params.length} arguments, got ${args.length}`)
    args.forEach((arg, i) => {
      if (arg.type !== callee.params[i]) throw new TypeError(`${name}: argument ${i} is ${arg.type}, not ${callee.params[i]}`)
      arg.emit(out)
    })
    out.u8(0x10)
    out.unsigned(this.module.functionIndex(name))
  }

  /** return_call_indirect through table 0. */
  returnCallIndirect(callee: Signature, index: Expr, ...args: readonly Expr[]): void {
    for (const arg of args) arg.emit(this.#out)
    index.emit(this.#out)
    this.#out.u8(0x13)
    this.#out.unsigned(this.module.typeIndex(callee))
    this.#out.unsigned(0)
  }

  /** A call through the table of regions: no arguments, one result. */
  callRegion(callee: Signature, index: Expr): Expr {
    const typeIndex = this.module.typeIndex(callee)
    return {
      type: callee.results[0],
      emit: (out) => {
        index.emit(out)
        out.u8(0x11)
        out.unsigned(typeIndex)
        out.unsigned(this.module.regionTable)
      },
    }
  }
  returnCallRegion(callee: Signature, index: Expr): void {
    index.emit(this.#out)
    this.#out.u8(0x13)
    this.#out.unsigned(this.module.typeIndex(callee))
    this.#out.unsigned(this.module.regionTable)
  }

  callIndirect(callee: Signature, index: Expr, ...args: readonly Expr[]): void {
    for (const arg of args) arg.emit(this.#out)
    index.emit(this.#out)
    this.#out.u8(0x11)
    this.#out.unsigned(this.module.typeIndex(callee))
    this.#out.unsigned(0)
  }

  /** call_indirect of a function with one result. */
  callIndirectValue(callee: Signature, index: Expr, ...args: readonly Expr[]): Expr {
    const typeIndex = this.module.typeIndex(callee)
    return {
      type: callee.results[0],
      emit: (out) => {
        for (const arg of args) arg.emit(out)
        index.emit(out)
        out.u8(0x11)
        out.unsigned(typeIndex)
        out.unsigned(0)
      },
    }
  }

  /** memory.fill and memory.copy of memory 0. */
  memoryFill(destination: Expr, byte: Expr, length: Expr): void {
    destination.emit(this.#out); byte.emit(this.#out); length.emit(this.#out)
    this.#out.bytes([0xfc, 0x0b, 0x00])
  }

  memoryCopy(destination: Expr, source: Expr, length: Expr): void {
    destination.emit(this.#out); source.emit(this.#out); length.emit(this.#out)
    this.#out.bytes([0xfc, 0x0a, 0x00, 0x00])
  }

  /** The body as the code section wants it; `hints` gets where in it the `if`s are that hardly ever hold. */
  encode(hints: number[]): Uint8Array {
    const body = new ByteWriter()
    // Runs of equal types are grouped (5.5.13).
    const groups: { type: ValueType, count: number }[] = []
    for (const type of this.#locals) {
      const last = groups.at(-1)
      if (last?.type === type) last.count++
      else groups.push({ type, count: 1 })
    }
    body.unsigned(groups.length)
    for (const { type, count } of groups) {
      body.unsigned(count)
      body.u8(VALUE_TYPE_CODE[type])
    }
    for (const at of this.#unlikely) hints.push(body.length + at)
    body.bytes(this.#out.view())
    body.u8(0x0b)
    return body.take()
  }
}
