/** Programs that use AVX2, FMA, F16C and BMI, on a processor that has them; and what the kernel does with YMM registers. */
import test from 'ava'
import { readFileSync } from 'node:fs'
import { runGuest } from '../../support/run-guest.ts'
import { compare, expectedOutput, guestPath, isLinux, runNative } from './native.ts'

const hasAvx2 = isLinux && /^flags\s*:.*\bavx2\b.*\bbmi2\b/m.test(readFileSync('/proc/cpuinfo', 'latin1'))
const WORLDS = [{ cpus: 1, seed: 'a', strategy: 'round-robin' }, { cpus: 3, seed: 'b', strategy: 'random' }] as const

for (const name of ['vector', 'vector-state']) {
  for (const world of WORLDS) {
    test(`${name} prints what it prints on Linux: ${world.cpus} CPUs, ${world.strategy}`, (t) => { compare(t, name, expectedOutput(name), { ...world, cpu: 'x86-64-v3' }) })
  }
  const against = hasAvx2 ? test : test.skip
  against(`${name} prints on this machine what is expected${hasAvx2 ? '' : ' (no AVX2)'}`, (t) => {
    const native = runNative(name, expectedOutput(name))
    t.is(native.stdout, expectedOutput(name))
    t.is(native.code, 0)
  })
  test(`${name} finds that x86-64-v2 has no AVX2`, (t) => { t.regex(runGuest({ argv: [guestPath(name)], cpu: 'x86-64-v2' }).stdout, /^no AVX/) })
}

test('no line of what the kernel does says no', (t) => { t.notRegex(expectedOutput('vector-state'), /: NO$/m) })
