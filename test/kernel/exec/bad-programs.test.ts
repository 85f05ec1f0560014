/** Programs that are damaged: execve fails as on Linux, or the program dies of a signal; the kernel stays whole. */
import { readFileSync } from 'node:fs'
import test from 'ava'
import { ENOEXEC } from '../../../src/kernel/abi/errno.ts'
import { WorldError } from '../../../src/kernel/world.ts'
import { type GuestResult, runGuest, seededBits } from '../../support/run-guest.ts'
import { guestPath } from '../abi/native.ts'

const good = new Uint8Array(readFileSync(guestPath('sched-race')))
const run = (content: Uint8Array, argv: readonly string[] = ['/tmp/x', '1']): GuestResult | WorldError => {
  try {
    return runGuest({ argv, files: [{ path: '/tmp/x', mode: 0o100755, content }], cycleLimit: 2e6, memoryLimit: 32 << 20 })
  } catch (error) {
    if (error instanceof WorldError) return error
    throw error
  }
}

test('the whole program runs', (t) => {
  const result = run(good)
  t.false(result instanceof WorldError)
  if (!(result instanceof WorldError)) t.is(result.stdout, '2\n')
})

test('one cut off anywhere in its headers is not a program', (t) => {
  for (let length = 0; length < 64 + 56; length += 7) {
    const result = run(good.slice(0, length))
    t.true(result instanceof WorldError && result.errno === ENOEXEC, `${length} bytes`)
  }
})

test('one cut off behind its headers dies', (t) => {
  for (let length = 400; length < good.length; length += 1531) {
    const result = run(good.slice(0, length))
    if (result instanceof WorldError) { t.is(result.errno, ENOEXEC); continue }
    t.true(result.code > 128 || result.code < 0 || result.code === 0, `${length} bytes: ${result.code}`)
  }
})

test('bytes of the headers changed at random', (t) => {
  const bits = seededBits('headers')
  let failed = 0
  for (let round = 0; round < 150; round++) {
    const content = good.slice()
    const changes = 1 + bits() % 4
    for (let i = 0; i < changes; i++) {
      const interesting = [0, 0xff, 0x7f, 0x80, 1, bits()]
      content[bits() % (64 + 56 * 5)] = interesting[bits() % interesting.length]
    }
    if (run(content) instanceof WorldError) failed++
  }
  // Some still run, most do not: what matters is that nothing else was thrown.
  t.true(failed > 10 && failed < 150)
})

test('instructions changed at random', (t) => {
  const bits = seededBits('code')
  for (let round = 0; round < 60; round++) {
    const content = good.slice()
    for (let i = 0; i < 200; i++) content[0x1000 + bits() % (good.length - 0x1000)] = bits()
    const result = run(content)
    t.false(result instanceof WorldError)
  }
})

for (const [line, errno] of [['#!', 8], ['#! ', 8], ['#!/nowhere', 2], [`#!${'x'.repeat(300)}`, 8], ['#!/tmp/x', 40], ['#!\0', 8]] as const) {
  test(`a script that begins with ${JSON.stringify(line.slice(0, 12))} fails with ${errno}`, (t) => {
    const result = run(new Uint8Array(Buffer.from(`${line}\n`, 'latin1')))
    t.true(result instanceof WorldError)
    if (result instanceof WorldError) t.is(result.errno, errno)
  })
}

test('an interpreter gets its one argument, the script and the rest', (t) => {
  const result = runGuest({
    argv: ['/tmp/script', 'one', 'two'],
    files: [
      { path: '/tmp/script', mode: 0o100755, content: new Uint8Array(Buffer.from('#!/tmp/x  7 \t\nignored\n')) },
      { path: '/tmp/x', mode: 0o100755, content: good },
    ],
  })
  // sched-race takes its rounds from the argument.
  t.is(result.stdout, '14\n')
})
