/**
 * npm run soak:abi -- [--number N] [--time SECONDS] [--seed S]: sequences of system calls on this host's Linux and in worlds, until one
 * disagrees; then it is shrunk and printed as C. Needs Linux on x86-64; never makes a call as root.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import * as fc from 'fast-check'
import { NativeFuzzer } from '../src/platform/native-fuzz.ts'
import { traceCodecs } from '../src/platform/trace-files.ts'
import { arbitraryProgram } from '../src/replay/fuzz/arbitraries.ts'
import { disagreement } from '../src/replay/fuzz/oracle.ts'
import { encodeFuzzProgram } from '../src/replay/fuzz/program.ts'
import { FuzzRunner } from '../src/replay/fuzz/run.ts'
import { callText, fuzzProgramToC } from '../src/replay/fuzz/source.ts'
import { loadEngine, root } from '../test/replay/support.ts'

const { values } = parseArgs({ options: { number: { type: 'string', default: '100000' }, time: { type: 'string' }, seed: { type: 'string' } } })
const guest = readFileSync(join(root, 'guests/bin/fuzz-run'))
const native = new NativeFuzzer(guest)
const runner = new FuzzRunner({ engine: { ...loadEngine(), tier: undefined }, clock: { wallTimeMs: () => performance.now() }, codecs: traceCodecs, guest, version: 'soak' })
const started = performance.now()
const seed = values.seed === undefined ? Math.floor(performance.timeOrigin) % 0x7fff_ffff : Number(values.seed)
let sequences = 0, calls = 0
const result = fc.check(fc.property(arbitraryProgram({ safe: true, maxLength: 40 }), (program) => {
  sequences++
  calls += program.calls.length
  if (sequences % 1000 === 0) process.stderr.write(`${sequences} sequences, ${calls} calls, ${((performance.now() - started) / 1000).toFixed(0)} s\n`)
  const here = runner.run(program, { seed: String(sequences), cpus: 1 + sequences % 3, strategy: 'random', uid: native.uid })
  if (here.broken !== undefined) throw new Error(here.broken)
  const linux = native.run(encodeFuzzProgram(program))
  const why = disagreement(program, here.lines, linux.lines) ?? (here.exitCode === linux.exitCode ? undefined : `Linux ends with ${linux.exitCode}, Retrograde with ${here.exitCode}`)
  if (why !== undefined) throw new Error(why)
}), { seed, numRuns: Number(values.number), interruptAfterTimeLimit: values.time === undefined ? undefined : Number(values.time) * 1000 })
native.close()
if (result.failed && result.counterexample !== null) {
  const [program] = result.counterexample
  console.log(`seed ${result.seed}, path ${result.counterexamplePath ?? ''}: ${String((result.errorInstance as Error | null)?.message)}`)
  for (const [i, call] of program.calls.entries()) console.log(`  ${i} ${callText(call)}`)
  console.log(fuzzProgramToC(program))
  process.exitCode = 1
} else {
  console.log(`${sequences} sequences, ${calls} calls, no disagreement with this host's Linux, seed ${seed}, ${((performance.now() - started) / 1000).toFixed(0)} s`)
}
