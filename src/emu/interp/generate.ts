/**
 * Builds the tier-0 module: one handler a form, in a table whose indices the manifest names.
 * `node src/emu/interp/generate.ts` is not a command: scripts/build.ts calls `generateTier0` and writes dist/tier0.wasm and dist/tier0.json.
 */
import { ALL_ROWS } from '../decode/tables/index.ts'
import { defineFloatRuntime } from '../float/index.ts'
import type { OperandForm } from '../semantics/emitter.ts'
import { SEMANTICS } from '../semantics/registry.ts'
import { defineReciprocals } from '../semantics/reciprocal.ts'
import { defineWideArithmetic } from '../semantics/wide.ts'
import { defineX87Control } from '../semantics/x87-control.ts'
import { defineX87Stack } from '../semantics/x87-stack.ts'
import { ModuleBuilder } from '../wasm/module.ts'
import { signature } from '../wasm/types.ts'
import { ENGINE_HANDLERS } from './engine-handlers.ts'
import { formName, formsOfRow } from './forms.ts'
import { HOST_FUNCTIONS, defineRuntime } from './runtime.ts'
import { HANDLER, Tier0Emitter } from './tier0-emitter.ts'

export interface Tier0Manifest {
  /** Handler names by table index. */
  readonly handlers: readonly string[]
}

export const generateTier0 = (): { wasm: Uint8Array<ArrayBuffer>, manifest: Tier0Manifest } => {
  const module = new ModuleBuilder()
  module.importMemory(1, 65536)
  for (const [name, type] of Object.entries(HOST_FUNCTIONS)) module.importFunction('host', name, type)
  defineRuntime(module)
  defineWideArithmetic(module)
  defineReciprocals(module)
  defineFloatRuntime(module)
  defineX87Stack(module)
  defineX87Control(module)

  const handlers: string[] = []
  for (const [name, body] of Object.entries(ENGINE_HANDLERS)) {
    module.function(name, HANDLER, body)
    handlers.push(name)
  }
  for (const row of ALL_ROWS) {
    const semantics = SEMANTICS.get(row.name)
    if (semantics === undefined) throw new Error(`row '${row.text}': no semantics named '${row.name}'`)
    for (const operands of formsOfRow(row)) {
      const name = formName(row.name, operands)
      if (module.hasFunction(name)) continue
      module.function(name, HANDLER, (f) => {
        const emitter = new Tier0Emitter(f, operands as OperandForm[])
        try {
          semantics(emitter)
        } catch (error) {
          throw new Error(`form '${name}': ${(error as Error).message}`, { cause: error })
        }
        if (!emitter.hasEnded) emitter.next()
      })
      handlers.push(name)
    }
  }
  module.function('run', signature(['i32', 'i32']), (f) => {
    const [record, handler] = f.params
    f.callIndirect(HANDLER, handler, record)
  }, true)
  module.table(handlers)
  return { wasm: module.encode(), manifest: { handlers } }
}
