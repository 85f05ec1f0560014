/**
 * Builds the tier-0 module: one handler a form, in a table whose indices the manifest names.
 * `node src/emu/interp/generate.ts` is not a command: scripts/build.ts calls `generateTier0` and writes dist/tier0.wasm and dist/tier0.json.
 */
import { ALL_ROWS } from '../decode/tables/index.ts'
import { defineFloatRuntime } from '../float/index.ts'
import { SEMANTICS } from '../semantics/registry.ts'
import { defineReciprocals } from '../semantics/reciprocal.ts'
import { defineWideArithmetic } from '../semantics/wide.ts'
import { defineX87Control } from '../semantics/x87-control.ts'
import { defineX87Stack } from '../semantics/x87-stack.ts'
import { ModuleBuilder } from '../wasm/module.ts'
import { ENGINE_HANDLERS } from './engine-handlers.ts'
import { formName, formsOfRow } from './forms.ts'
import { HOT_FORMS } from './hot-forms.ts'
import { type Form, defineRun, hasFastVersion } from './run.ts'
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

  const forms = new Map<string, Form>()
  for (const [name, emit] of Object.entries(ENGINE_HANDLERS)) forms.set(name, { operands: [], emit })
  for (const row of ALL_ROWS) {
    const semantics = SEMANTICS.get(row.name)
    if (semantics === undefined) throw new Error(`row '${row.text}': no semantics named '${row.name}'`)
    for (const operands of formsOfRow(row)) forms.set(formName(row.name, operands), { operands, emit: semantics })
  }
  for (const [name, { operands, emit }] of forms) {
    module.function(name, HANDLER, (f) => {
      const emitter = new Tier0Emitter(f, operands)
      try {
        emit(emitter)
      } catch (error) {
        throw new Error(`form '${name}': ${(error as Error).message}`, { cause: error })
      }
      if (!emitter.hasEnded) emitter.next()
      f.unreachable()
    })
  }
  const fast = new Map<string, Form>()
  for (const name of HOT_FORMS) {
    const form = forms.get(name)
    if (form !== undefined && hasFastVersion(module, form)) fast.set(name, form)
  }
  // Handlers with a fast version come first: their table index is the case of `run`.
  const handlers = [...fast.keys(), ...[...forms.keys()].filter((name) => !fast.has(name))]
  defineRun(module, [...fast.values()])
  module.table(handlers)
  return { wasm: module.encode(), manifest: { handlers } }
}
