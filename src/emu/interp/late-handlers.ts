/**
 * Handlers of forms of extensions. There are thousands, of which a program uses some dozens, so all but a few are not in the
 * tier-0 module: each is made when the translator meets its form for the first time, as a module of one function, from the
 * semantics that all else is made from, and put into a spare slot of the handlers' table.
 */
import { SEMANTICS } from '../semantics/registry.ts'
import type { OperandForm } from '../semantics/emitter.ts'
import { ModuleBuilder } from '../wasm/module.ts'
import { HOST_FUNCTIONS } from './runtime.ts'
import type { Tier0Manifest } from './manifest.ts'
import { HANDLER, Tier0Emitter } from './tier0-emitter.ts'

/** Slots of the table behind those of the manifest's handlers: more than there are forms. */
export const LATE_HANDLERS = 4096

/** Notes which functions are called. */
class TrialModule extends ModuleBuilder {
  readonly called = new Set<string>()
  override functionIndex(name: string): number {
    this.called.add(name)
    return 0
  }
}

export class LateHandlers {
  readonly #manifest: Tier0Manifest
  readonly #instance: WebAssembly.Instance['exports']
  readonly #imports: { readonly env: Readonly<Record<string, unknown>>, readonly host: Readonly<Record<string, unknown>> }
  readonly #table: WebAssembly.Table
  #next: number

  /**
   * @param instance exports of the tier-0 module
   * @param imports what that was given
   */
  constructor(manifest: Tier0Manifest, instance: WebAssembly.Instance['exports'], imports: { readonly env: Readonly<Record<string, unknown>>, readonly host: Readonly<Record<string, unknown>> }) {
    this.#manifest = manifest
    this.#instance = instance
    this.#imports = imports
    this.#table = instance.handlers as WebAssembly.Table
    this.#next = manifest.handlers.length
  }

  /** @returns the index of the form's handler in the table */
  make(name: string, operands: readonly OperandForm[]): number {
    const trial = new TrialModule()
    this.#define(trial, name, operands)
    const module = new ModuleBuilder()
    module.importMemory(1, 65536)
    for (const called of trial.called) {
      const isHost = called in HOST_FUNCTIONS
      module.importFunction(isHost ? 'host' : 'tier0', called, isHost ? HOST_FUNCTIONS[called as keyof typeof HOST_FUNCTIONS] : this.#manifest.runtime[called])
    }
    this.#define(module, name, operands)
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { ...this.#imports, tier0: this.#instance })
    const index = this.#next++
    this.#table.set(index, exports.handler)
    return index
  }

  #define(module: ModuleBuilder, name: string, operands: readonly OperandForm[]): void {
    const semantics = SEMANTICS.get(name)
    if (semantics === undefined) throw new Error(`no semantics named '${name}'`)
    module.know(HOST_FUNCTIONS)
    module.know(this.#manifest.runtime)
    module.function('handler', HANDLER, (f) => {
      const emitter = new Tier0Emitter(f, operands)
      semantics(emitter)
      if (!emitter.hasEnded) emitter.next()
      f.unreachable()
    }, true)
  }
}
