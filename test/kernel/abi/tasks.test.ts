/** Signals, processes, threads: what a guest prints about them is the same as on Linux, however tasks are scheduled. */
import test from 'ava'
import { compare, expectedOutput, isLinux, runNative } from './native.ts'

const WORLDS = [
  { cpus: 1, seed: 'a', strategy: 'round-robin' }, { cpus: 1, seed: 'b', strategy: 'random' }, { cpus: 2, seed: 'c', strategy: 'random' },
  { cpus: 4, seed: 'd', strategy: 'random' },
] as const

for (const name of ['abi-signals', 'abi-process', 'abi-threads', 'abi-pidfd', 'abi-ptrace']) {
  for (const world of WORLDS) {
    test(`${name} prints what it prints on Linux: ${world.cpus} CPUs, ${world.strategy}`, (t) => { compare(t, name, expectedOutput(name), world) })
  }
  const against = isLinux ? test : test.skip
  against(`${name} prints on this machine what is expected`, (t) => {
    const native = runNative(name, expectedOutput(name))
    t.is(native.code, 0)
    t.deepEqual(native.stdout.split('\n'), expectedOutput(name).split('\n'))
  })
}

// Natively it takes a minute, and a loaded machine is too late for it.
for (const world of WORLDS) {
  test(`calls that are interrupted go on or fail as on Linux: ${world.cpus} CPUs, ${world.strategy}`, (t) => {
    compare(t, 'abi-restart', expectedOutput('abi-restart'), { ...world, cycleLimit: 1e12 })
  })
}
