import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { runGuest } from '../../support/run-guest.ts'
import { compare, expectedOutput, guestPath, isLinux, runNative } from './native.ts'

const root = join(import.meta.dirname, '..', '..', '..')
const PROGRAMS = readdirSync(join(import.meta.dirname, 'expected')).filter((name) => name.startsWith('pthread-')).map((name) => name.slice(0, -4))
const WORLDS = [{ cpus: 1, seed: 'a' }, { cpus: 1, strategy: 'round-robin' }, { cpus: 2, seed: 'b' }, { cpus: 4, seed: 'c' }] as const

test('there are nine programs with one right output', (t) => { t.is(PROGRAMS.length, 9) })

for (const name of PROGRAMS) {
  test(`${name} prints the same under every schedule`, (t) => {
    for (const world of WORLDS) compare(t, name, expectedOutput(name), world)
  })
  const against = isLinux ? test : test.skip
  against(`${name} prints here what it prints on this machine`, (t) => { t.is(runNative(name, expectedOutput(name)).stdout, expectedOutput(name)) })
}

test('lost-update: some schedules lose a deposit, most do not', (t) => {
  const codes = Array.from({ length: 150 }, (_, seed) => {
    const result = runGuest({ argv: [guestPath('lost-update')], cpus: 2, seed: String(seed) })
    t.regex(result.stdout, result.code === 0 ? /^balance 400, should be 400\n$/ : /^balance \d+, should be 400: a deposit is lost\n$/)
    return result.code
  })
  const wrong = codes.filter((code) => code === 1).length
  t.true(wrong > 0 && wrong < 75, `${wrong} of 150 seeds lose a deposit`)
  t.deepEqual([...new Set(codes)].sort(), [0, 1])
})

const hasCompilers = isLinux && spawnSync('sh', ['-c', 'command -v gcc && command -v musl-gcc']).status === 0
const withCompilers = hasCompilers ? test : test.skip
withCompilers('built with musl and glibc, static and dynamic, they print the same', (t) => {
  // Not in /tmp: the guest has one of its own.
  const directory = mkdtempSync(join(root, 'dist', 'variants-'))
  t.teardown(() => { rmSync(directory, { recursive: true }) })
  const built = spawnSync('sh', [join(root, 'guests', 'build.sh'), '--variants', directory, ...PROGRAMS], { encoding: 'utf8' })
  t.is(built.status, 0, built.stderr)
  const files = readdirSync(directory)
  t.is(files.length, PROGRAMS.length * 4)
  for (const file of files) {
    for (const world of [{ cpus: 2, seed: file }, { cpus: 1, strategy: 'round-robin' }] as const) {
      const result = runGuest({ ...world, argv: [join(directory, file)] })
      t.is(result.stdout, expectedOutput(PROGRAMS.find((name) => file.startsWith(name)) as string), file)
      t.is(result.code, 0, file)
    }
  }
})
