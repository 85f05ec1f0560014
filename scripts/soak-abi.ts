/**
 * npm run soak:abi -- [--count N] [--seed S] [--from SEQUENCE] [--path P] [--keep-going] [--coverage] [--only CALLS]: sequences of system calls on this
 * host's Linux and in a world, until one disagrees; then it is shrunk and printed as C. Needs Linux on x86-64 that lets its users make namespaces; never
 * makes a call as root. Sequences come in batches of a seed of their own: `--from` goes on where a run was stopped.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import * as fc from 'fast-check'
import { isTooLate, NativeFuzzer } from '../src/platform/native-fuzz.ts'
import { traceCodecs } from '../src/platform/trace-files.ts'
import { arbitraryProgram } from '../src/replay/fuzz/arbitraries.ts'
import { FuzzCoverage } from '../src/replay/fuzz/coverage.ts'
import { FuzzFork } from '../src/replay/fuzz/fork.ts'
import { disagreement } from '../src/replay/fuzz/oracle.ts'
import { encodeFuzzProgram, type FuzzProgram } from '../src/replay/fuzz/program.ts'
import { callText, fuzzProgramToC } from '../src/replay/fuzz/source.ts'
import { loadEngine, root } from '../test/replay/support.ts'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100000' }, seed: { type: 'string' }, from: { type: 'string', default: '0' }, path: { type: 'string' }, only: { type: 'string' },
    'keep-going': { type: 'boolean', default: false }, coverage: { type: 'boolean', default: false }, length: { type: 'string', default: '40' },
  },
})
const BATCH = 500, SHOW_EVERY_MS = 10_000
/** Looking for something smaller, and asking Linux again whether it always answers so. */
const SHRINK_MS = 20_000, ASKED = 4

const guest = readFileSync(join(root, 'guests/bin/fuzz-run'))
const native = new NativeFuzzer(guest)
const fork = new FuzzFork(
  { engine: { ...loadEngine(), tier: undefined }, clock: { wallTimeMs: () => performance.now() }, codecs: traceCodecs, guest, version: 'soak' }, { seed: '1', cpus: 2, strategy: 'random', uid: native.uid },
)
const started = performance.now()
const seed = values.seed === undefined ? Math.floor(performance.timeOrigin) % 0x3fff_ffff : Number(values.seed), count = Number(values.count)
const coverage = new FuzzCoverage()
/** Without bias: no values or lengths are preferred. */
const arbitrary = fc.noBias(arbitraryProgram({ safe: true, maxLength: Number(values.length), size: 'max', only: values.only?.split(',') }))
let sequences = 0, calls = 0, wavering = 0, found = 0, shown = started

const compare = (program: FuzzProgram): string | undefined => {
  const bytes = encodeFuzzProgram(program)
  native.start(bytes)
  const here = fork.run(program, String(sequences))
  const linux = native.answers()
  if (here.broken !== undefined) return here.broken
  if (isTooLate(linux)) return 'on Linux, it does not end'
  coverage.add(program, linux.lines)
  return disagreement(program, here.lines, linux.lines) ?? (here.exitCode === linux.exitCode ? undefined : `Linux ends with ${linux.exitCode}, Retrograde with ${here.exitCode}`)
}

const seconds = (): string => ((performance.now() - started) / 1000).toFixed(0)
for (let from = Number(values.from); from < count; from += BATCH) {
  let until = Infinity
  const property = fc.property(arbitrary, (program) => {
    if (performance.now() > until) return
    if (until === Infinity) {
      sequences++
      calls += program.calls.length
    }
    if (performance.now() - shown > SHOW_EVERY_MS) {
      shown = performance.now()
      process.stderr.write(`${from + sequences % BATCH} of ${count} sequences, ${calls} calls, ${found} disagreements, ${wavering} not always the same on Linux, ${seconds()} s; seed ${seed}\n`)
    }
    let why = compare(program)
    for (let asked = 1; why !== undefined && asked < ASKED; asked++) {
      const again = compare(program)
      if (again === undefined) {
        if (until === Infinity) wavering++
        return
      }
      why = again
    }
    if (why === undefined) return
    if (until === Infinity) until = performance.now() + SHRINK_MS
    throw new Error(why)
  })
  const result = fc.check(property, { seed: seed + from, numRuns: Math.min(BATCH, count - from), path: values.path })
  if (!result.failed || result.counterexample === null) continue
  const [program] = result.counterexample
  found++
  console.log(`--seed ${seed} --from ${from} --path ${result.counterexamplePath ?? ''}: ${String((result.errorInstance as Error | null)?.message)}`)
  for (const [i, call] of program.calls.entries()) console.log(`  ${i} ${callText(call)}`)
  process.exitCode = 1
  if (!values['keep-going']) {
    console.log(fuzzProgramToC(program))
    break
  }
}
native.close()
if (values.coverage) {
  console.log(['call                       calls  success  errors', ...coverage.lines()].join('\n'))
  console.log(`never with success: ${coverage.unreached.join(', ')}`)
}
console.log(`${sequences} sequences, ${calls} calls, ${found === 0 ? 'no' : found} disagreements with this host's Linux, ${wavering} not always the same there, seed ${seed}, ${seconds()} s`)
