/** Signals, processes, threads: what a guest prints about them is the same as on Linux, however tasks are scheduled. */
import test from 'ava'
import { runGuest } from '../../support/run-guest.ts'
import { compare, expectedOutput, guestPath, isLinux, runNative } from './native.ts'

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

const DEBUG = 'abi-debug-registers'
for (const world of WORLDS) {
  test(`hardware watchpoints and breakpoints trap where they do on Linux: ${world.cpus} CPUs, ${world.strategy}`, (t) => { compare(t, DEBUG, expectedOutput(DEBUG), world) })
}
test('hardware watchpoints trap after each iteration of a repeated instruction', (t) => {
  const { stdout } = runGuest({ argv: [guestPath(DEBUG), 'repeated'] })
  t.deepEqual(stdout.split('\n'), expectedOutput(`${DEBUG}-repeated`).split('\n'))
})
const againstDebug = isLinux ? test : test.skip
againstDebug('hardware watchpoints and breakpoints trap on this machine where they should', (t) => {
  const native = runNative(DEBUG, expectedOutput(DEBUG))
  if (/^one byte (?!0)/m.test(native.stdout)) {
    t.pass()
    t.log('skipped: this machine lets nobody set debug registers')
  } else {
    t.deepEqual(native.stdout.split('\n'), expectedOutput(DEBUG).split('\n'))
  }
})

// Natively it takes a minute, and a loaded machine is too late for it.
for (const world of WORLDS) {
  test(`calls that are interrupted go on or fail as on Linux: ${world.cpus} CPUs, ${world.strategy}`, (t) => {
    compare(t, 'abi-restart', expectedOutput('abi-restart'), { ...world, cycleLimit: 1e12 })
  })
}
