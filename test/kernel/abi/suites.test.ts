import { spawnSync } from 'node:child_process'
import test from 'ava'
import { compare, expectedOutput, isLinux, runNative } from './native.ts'

const GUEST = 'abi-suites'
const WORLDS = [{ cpus: 1, seed: 'a', strategy: 'round-robin' }, { cpus: 2, seed: 'b', strategy: 'random' }] as const

for (const world of WORLDS) {
  test(`${GUEST} prints what it prints on Linux: ${world.cpus} CPUs, ${world.strategy}`, (t) => { compare(t, GUEST, expectedOutput(GUEST), world) })
}

// Containers may have been forbidden to make namespaces.
const isPermitted = isLinux && process.getuid?.() === 0 && spawnSync('unshare', ['-m', '-T', '-i', 'true']).status === 0
const against = isPermitted ? test : test.skip
against(`${GUEST} prints on this machine what is expected`, (t) => {
  t.deepEqual(runNative(GUEST, expectedOutput(GUEST)).stdout.split('\n'), expectedOutput(GUEST).split('\n'))
})
