/** node scripts/make-fuzz-fixtures.ts: what this host's Linux answers to the sequences of test/replay/fuzz-kept.ts, to test/replay/fixtures/fuzz-kept.json. */
import { readFileSync, writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import { NativeFuzzer } from '../src/platform/native-fuzz.ts'
import { encodeFuzzProgram } from '../src/replay/fuzz/program.ts'
import { KEPT } from '../test/replay/fuzz-kept.ts'
import { root } from '../test/replay/support.ts'

const native = new NativeFuzzer(readFileSync(join(root, 'guests/bin/fuzz-run')))
const answers = Object.fromEntries(Object.entries(KEPT).map(([name, program]) => [name, native.run(encodeFuzzProgram(program))]))
native.close()
writeFileSync(join(root, 'test/replay/fixtures/fuzz-kept.json'), `${JSON.stringify({ linux: release(), answers }, undefined, 1)}\n`)
