/** The Wasm functions that semantics of extensions call. */
import type { ModuleBuilder } from '../wasm/module.ts'
import { defineAes } from './aes.ts'
import { defineCrc } from './bits-extended.ts'
import { defineCarrylessMultiply } from './pclmulqdq.ts'
import { defineSha } from './sha.ts'
import { defineStrings } from './sse42-strings.ts'

export const defineExtensions = (module: ModuleBuilder): void => {
  defineCrc(module)
  defineAes(module)
  defineCarrylessMultiply(module)
  defineSha(module)
  defineStrings(module)
}
