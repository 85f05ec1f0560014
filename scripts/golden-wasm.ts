/** npm run golden:wasm: writes test/emu/golden-wasm/*.txt anew, when a change in what is emitted is meant. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SAMPLES, goldenText } from '../test/support/golden-wasm.ts'

const directory = join(dirname(fileURLToPath(import.meta.url)), '../test/emu/golden-wasm')
mkdirSync(directory, { recursive: true })
for (const file of readdirSync(directory)) rmSync(join(directory, file))
for (const name of Object.keys(SAMPLES)) writeFileSync(join(directory, `${name}.txt`), goldenText(name))
console.log(`${Object.keys(SAMPLES).length} files`)
