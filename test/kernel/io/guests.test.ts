/** Pipes, waiting, sockets, terminals and inotify: guests that print the same on Linux (as root, for what they expect of ids) and here. */
import test from 'ava'
import { compare, expectedOutput, isLinux, runNative } from '../abi/native.ts'

const GUESTS = ['abi-pipes', 'abi-poll', 'abi-unix', 'abi-terminal', 'abi-inotify']
const WORLDS = [
  { cpus: 1, seed: 'a', strategy: 'round-robin' }, { cpus: 2, seed: 'b', strategy: 'random' }, { cpus: 3, seed: 'c', strategy: 'random' },
] as const

for (const name of GUESTS) {
  for (const world of WORLDS) {
    test(`${name} prints what it prints on Linux: ${world.cpus} CPUs, ${world.strategy}`, (t) => { compare(t, name, expectedOutput(name), world) })
  }
  // Terminals and inotify are looked at in the moment: natively, on a busy machine, that may be too early.
  const against = isLinux && process.getuid?.() === 0 && name !== 'abi-terminal' ? test : test.skip
  against(`${name} prints on this machine what is expected`, (t) => {
    const native = runNative(name, expectedOutput(name))
    t.is(native.code, 0)
    t.deepEqual(native.stdout.split('\n'), expectedOutput(name).split('\n'))
  })
}
