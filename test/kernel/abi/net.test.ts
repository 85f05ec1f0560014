/** IPv4 over loopback, and what is told of interfaces: the same as on Linux, however tasks are scheduled. */
import test from 'ava'
import { compare, expectedOutput, isLinux, runNative } from './native.ts'

const WORLDS = [
  { cpus: 1, seed: 'a', strategy: 'round-robin' }, { cpus: 1, seed: 'b', strategy: 'random' }, { cpus: 3, seed: 'c', strategy: 'random' },
] as const

const isRoot = process.getuid?.() === 0
/** Those that make a namespace of the network. */
const FOR_ROOT = ['abi-raw']

for (const name of ['abi-inet', 'abi-interfaces', 'abi-tcp', 'abi-udp', 'abi-raw']) {
  for (const world of WORLDS) {
    test(`${name} prints what it prints on Linux: ${world.cpus} CPUs, ${world.strategy}`, (t) => { compare(t, name, expectedOutput(name), world) })
  }
  const against = isLinux && (isRoot || !FOR_ROOT.includes(name)) ? test : test.skip
  against(`${name} prints on this machine what is expected`, (t) => {
    const native = runNative(name, expectedOutput(name))
    t.is(native.code, 0)
    t.deepEqual(native.stdout.split('\n'), expectedOutput(name).split('\n'))
  })
}
