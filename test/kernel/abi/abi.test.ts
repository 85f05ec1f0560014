import test from 'ava'
import { compare, expectedOutput, isLinux, runNative } from './native.ts'

const GUESTS = ['abi-memory', 'abi-time', 'abi-credentials', 'abi-resources', 'abi-ipc', 'abi-seccomp', 'abi-futex', 'abi-async']
const WORLDS = [
  { cpus: 1, seed: 'a', strategy: 'round-robin' }, { cpus: 2, seed: 'b', strategy: 'random' }, { cpus: 4, seed: 'c', strategy: 'random' },
] as const

for (const name of GUESTS) {
  for (const world of WORLDS) {
    test(`${name} prints what it prints on Linux: ${world.cpus} CPUs, ${world.strategy}`, (t) => { compare(t, name, expectedOutput(name), world) })
  }
  // Natively it runs as whoever runs the tests; here then, too.
  const against = isLinux ? test : test.skip
  against(`${name} prints here what it prints on this machine`, (t) => {
    const native = runNative(name)
    t.is(native.code, 0)
    compare(t, name, native.stdout, { uid: process.getuid?.() ?? 0 })
  })
}
