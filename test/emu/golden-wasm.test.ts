/** What is emitted for some instructions is what their files say (`npm run golden:wasm` writes them anew). */
import { readFileSync, readdirSync } from 'node:fs'
import test from 'ava'
import { SAMPLES, goldenText } from '../support/golden-wasm.ts'

const directory = new URL('golden-wasm/', import.meta.url)

for (const name of Object.keys(SAMPLES)) {
  test(`emitted for ${name}`, (t) => { t.is(goldenText(name), readFileSync(new URL(`${name}.txt`, directory), 'utf8')) })
}

test('each file has its sample', (t) => {
  t.deepEqual(readdirSync(directory).sort(), Object.keys(SAMPLES).map((name) => `${name}.txt`).sort())
})
