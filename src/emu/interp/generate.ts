/**
 * Builds the tier-0 module: one handler a form (but for most of extensions, see late-handlers.ts), in a table whose indices the manifest names.
 * `node src/emu/interp/generate.ts` is not a command: scripts/build.ts calls `generateTier0` and writes dist/tier0.wasm and dist/tier0.json.
 */
import { REGIONS } from '../cpu/layout.ts'
import { ALL_ROWS } from '../decode/tables/index.ts'
import { defineFloatRuntime } from '../float/index.ts'
import { defineBitFields } from '../semantics/bmi.ts'
import { SEMANTICS } from '../semantics/registry.ts'
import { defineExtensions } from '../semantics/extensions.ts'
import { defineReciprocals } from '../semantics/reciprocal.ts'
import { defineWideArithmetic } from '../semantics/wide.ts'
import { defineX87Control } from '../semantics/x87-control.ts'
import { defineX87Stack } from '../semantics/x87-stack.ts'
import { defineXsave } from '../semantics/xsave.ts'
import { ModuleBuilder } from '../wasm/module.ts'
import { ENGINE_HANDLERS } from './engine-handlers.ts'
import { formName, formsOfRow } from './forms.ts'
import type { FlagUse } from './hot-emitter.ts'
import { LEAVES, NO_FLAGS, PAIR, READS_FLAGS, type Tier0Manifest, WRITES_FLAGS } from './manifest.ts'
import { LATE_HANDLERS } from './late-handlers.ts'
import { HOT_FORMS, HOT_PAIRS } from './hot-forms.ts'
import { type Case, type Form, defineRun, fastVersion } from './run.ts'
import { HOST_FUNCTIONS, defineRuntime } from './runtime.ts'
import { HANDLER, REGION, Tier0Emitter } from './tier0-emitter.ts'

export type { Tier0Manifest } from './manifest.ts'

/** Of extensions, what the C library executes in nearly every program where the processor has it: making them late takes 3 ms of its start. */
const IN_EVERY_PROGRAM: ReadonlySet<string> = new Set(['palignr', 'pcmpistri'])

export const generateTier0 = (): { wasm: Uint8Array<ArrayBuffer>, manifest: Tier0Manifest } => {
  const module = new ModuleBuilder()
  module.importMemory(1, 65536)
  for (const [name, type] of Object.entries(HOST_FUNCTIONS)) module.importFunction('host', name, type)
  defineRuntime(module)
  defineWideArithmetic(module)
  defineBitFields(module)
  defineReciprocals(module)
  defineFloatRuntime(module)
  defineX87Stack(module)
  defineX87Control(module)
  defineXsave(module)
  defineExtensions(module)
  const runtime = module.exportAll()
  module.regions(REGION, REGIONS, false)

  const forms = new Map<string, Form>()
  for (const [name, emit] of Object.entries(ENGINE_HANDLERS)) forms.set(name, { operands: [], emit })
  for (const row of ALL_ROWS) {
    if (row.features !== 0 && !IN_EVERY_PROGRAM.has(row.name)) continue
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
  const { cases, flagUse } = fastCases(module, forms)
  const [first, second] = cases.keys()
  if (first !== '@region' || second !== '@block') throw new Error('@region and @block are not the first handlers')
  // Handlers with a fast version come first: their table index is the case of `run`.
  const handlers = [...cases.keys(), ...[...forms.keys()].filter((name) => !cases.has(name))]
  defineRun(module, [...cases.values()])
  // Behind a case is the plain handler of its first form.
  module.table(handlers.map((name) => name.split(PAIR)[0].replace(NO_FLAGS, '')), LATE_HANDLERS)
  return { wasm: module.encode(), manifest: { handlers, flagUse, runtime } }
}

/** The cases of `run` by name: hot forms, those without their flags, and pairs. */
const fastCases = (module: ModuleBuilder, forms: ReadonlyMap<string, Form>): { cases: Map<string, Case>, flagUse: number[] } => {
  const cases = new Map<string, Case>()
  const flagUse: number[] = []
  const add = (name: string, form: Form, flagsDead: boolean, use: FlagUse): void => {
    cases.set(name, { parts: [{ form, flagsDead }] })
    flagUse.push((use.readsFlags ? READS_FLAGS : 0) | (use.writesFlags ? WRITES_FLAGS : 0) | (use.leaves ? LEAVES : 0))
  }
  for (const name of ['@region', '@block', ...HOT_FORMS]) {
    const form = forms.get(name)
    const use = form === undefined ? undefined : fastVersion(module, form, false)
    if (form === undefined || use === undefined || cases.has(name)) continue
    add(name, form, false, use)
    if (use.changesFlags && !/^(cmp|test|u?comi)/.test(name)) add(name + NO_FLAGS, form, true, fastVersion(module, form, true) as FlagUse)
  }
  for (const name of HOT_PAIRS) {
    const parts = name.split(PAIR).map((part) => cases.get(part)?.parts[0])
    const [first, second] = parts
    if (parts.length === 2 && first !== undefined && second !== undefined) cases.set(name, { parts: [first, second] })
  }
  return { cases, flagUse }
}
