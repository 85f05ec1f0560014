/**
 * npm run soak:abi -- [--count N] [--seed S] [--time SECONDS] [--from SEQUENCE] [--path P] [--keep-going] [--coverage] [--only CALLS]: sequences of system calls on this
 * host's Linux and in a world, until one disagrees; then it is shrunk and printed as C. Needs Linux on x86-64 that lets its users make namespaces; never
 * makes a call as root. Sequences come in batches of a seed of their own: `--from` goes on where a run was stopped.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import * as fc from 'fast-check'
import { isTooLate, type NativeAnswers, NativeFuzzer } from '../src/platform/native-fuzz.ts'
import { traceCodecs } from '../src/platform/trace-files.ts'
import { arbitraryProgram } from '../src/replay/fuzz/arbitraries.ts'
import { FuzzCoverage } from '../src/replay/fuzz/coverage.ts'
import { FuzzFork } from '../src/replay/fuzz/fork.ts'
import { disagreement } from '../src/replay/fuzz/oracle.ts'
import { encodeFuzzProgram, type FuzzProgram } from '../src/replay/fuzz/program.ts'
import type { FuzzOutcome } from '../src/replay/fuzz/run.ts'
import { callText, fuzzProgramToC } from '../src/replay/fuzz/source.ts'
import { loadEngine, root } from '../test/replay/support.ts'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100000' }, seed: { type: 'string' }, from: { type: 'string', default: '0' }, path: { type: 'string' }, only: { type: 'string' },
    'keep-going': { type: 'boolean', default: false }, coverage: { type: 'boolean', default: false }, length: { type: 'string', default: '40' }, time: { type: 'string' },
  },
})
const BATCH = 500, SHOW_EVERY_MS = 30_000
/** Looking for something smaller, and asking Linux again whether it always answers so. */
const SHRINK_MS = 20_000, ASKED = 4, SETTLE_MS = 50
/** So many at once natively: there, most time goes by waiting for one process to wake the other. */
const SERVERS = 4

const guest = readFileSync(join(root, 'guests/bin/fuzz-run'))
const natives = Array.from({ length: SERVERS }, () => new NativeFuzzer(guest))
const [native] = natives
const fork = new FuzzFork(
  { engine: { ...loadEngine(), tier: undefined }, clock: { wallTimeMs: () => performance.now() }, codecs: traceCodecs, guest, version: 'soak' }, { seed: '1', cpus: 2, strategy: 'random', uid: native.uid },
)
const started = performance.now()
const seed = values.seed === undefined ? Math.floor(performance.timeOrigin) % 0x3fff_ffff : Number(values.seed), count = Number(values.count)
const coverage = new FuzzCoverage()
/** Without bias: no values or lengths are preferred. */
const arbitrary = fc.noBias(arbitraryProgram({ safe: true, maxLength: Number(values.length), size: 'max', only: values.only?.split(',') }))
let sequences = 0, calls = 0, wavering = 0, found = 0, shown = started

const why = (program: FuzzProgram, here: FuzzOutcome, linux: NativeAnswers): string | undefined => {
  if (here.broken !== undefined) return here.broken
  if (isTooLate(linux)) return 'on Linux, it does not end'
  return disagreement(program, here.lines, linux.lines) ?? (here.exitCode === linux.exitCode ? undefined : `Linux ends with ${linux.exitCode}, Retrograde with ${here.exitCode}`)
}
/** Message queues of namespaces that have ended count for their user a while longer. */
const settleLinux = (): void => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SETTLE_MS) }

/** Unless Linux answers so one time and otherwise another. */
const compare = (program: FuzzProgram): string | undefined => {
  const bytes = encodeFuzzProgram(program)
  let reason: string | undefined
  for (let asked = 1; asked < ASKED; asked++) {
    reason = why(program, fork.run(program, String(sequences)), native.run(bytes))
    if (reason === undefined) return undefined
    settleLinux()
  }
  return reason
}
const seconds = (): string => ((performance.now() - started) / 1000).toFixed(0)
const show = (from: number): void => {
  if (performance.now() - shown < SHOW_EVERY_MS) return
  shown = performance.now()
  process.stderr.write(`${from} of ${count} sequences, ${calls} calls, ${found} disagreements, ${wavering} not always the same on Linux, ${seconds()} s; seed ${seed}\n`)
}

/** Those of a batch that disagree, by number. */
const disagreeing = (from: number, programs: readonly FuzzProgram[]): number[] => {
  const numbers: number[] = []
  for (let at = 0; at < programs.length; at += SERVERS) {
    const some = programs.slice(at, at + SERVERS)
    for (const [i, program] of some.entries()) natives[i].start(encodeFuzzProgram(program))
    for (const [i, program] of some.entries()) {
      const here = fork.run(program, String(from + at + i)), linux = natives[i].answers()
      sequences++
      calls += program.calls.length
      coverage.add(program, linux.lines)
      if (why(program, here, linux) === undefined) continue
      if (compare(program) === undefined) wavering++
      else numbers.push(at + i)
    }
    show(from + at)
  }
  return numbers
}

/** What is left when it has been made smaller; @param path where fast-check begins */
const shrink = (from: number, path: string): void => {
  const until = performance.now() + SHRINK_MS
  const property = fc.property(arbitrary, (program) => {
    const reason = performance.now() > until ? undefined : compare(program)
    if (reason !== undefined) throw new Error(reason)
  })
  const result = fc.check(property, { seed: seed + from, numRuns: Number(path.split(':')[0]) + 1, path })
  if (!result.failed || result.counterexample === null) return
  const [program] = result.counterexample
  found++
  console.log(`--seed ${seed} --from ${from} --path ${result.counterexamplePath ?? ''}: ${String((result.errorInstance as Error | null)?.message)}`)
  for (const [i, call] of program.calls.entries()) console.log(`  ${i} ${callText(call)}`)
  if (!values['keep-going']) console.log(fuzzProgramToC(program))
}

/** For those who have so much time only: batches are not begun any more. */
const isOver = (): boolean => values.time !== undefined && performance.now() - started > Number(values.time) * 1000

for (let from = Number(values.from); from < count && !isOver() && (found === 0 || values['keep-going']); from += BATCH) {
  if (values.path !== undefined) {
    shrink(from, values.path)
    break
  }
  for (const number of disagreeing(from, fc.sample(arbitrary, { seed: seed + from, numRuns: Math.min(BATCH, count - from) }))) {
    if (found === 0 || values['keep-going']) shrink(from, String(number))
  }
}
for (const server of natives) server.close()
if (found > 0) process.exitCode = 1
if (values.coverage) {
  console.log(['call                       calls  success  errors', ...coverage.lines()].join('\n'))
  console.log(`never with success: ${coverage.unreached.join(', ')}`)
}
console.log(`${sequences} sequences, ${calls} calls, ${found === 0 ? 'no' : found} disagreement${found === 1 ? '' : 's'} with this host's Linux, ${wavering} not always the same there, seed ${seed}, ${seconds()} s`)
